//! Label units of the machine on top.

use gm_core::{BitMatrix, Labels, Matrix, Vector};
use gm_dbn::Dbn;

use crate::dbn::settings::DbnSettings;
use crate::error::Result;

/// A network whose machine gets label units if it is the last one.
pub(super) fn labelled(dbn: Dbn, depth: usize, settings: &DbnSettings, visible_means: &[f32]) -> Result<Dbn> {
    if settings.layer.classes == 0 || depth < settings.hidden.len() {
        return Ok(dbn);
    }
    let means = &visible_means[visible_means.len() - settings.layer.classes..];
    let weights = Matrix::zeros(settings.layer.classes, settings.hidden[depth - 1]);
    let bias = Vector::from_iterator(means.len(), means.iter().map(|p| p.max(1e-3).ln()));
    Ok(dbn.with_labels(Some(Labels::new(weights, bias)?))?)
}

/// States with label units behind, of which the first `classes` are taken.
pub(super) fn joined(x: &BitMatrix, labels: &BitMatrix, classes: usize) -> BitMatrix {
    let mut joined = x.widened(classes);
    for sample in 0..if classes > 0 { x.samples() } else { 0 } {
        (0..classes).for_each(|class| joined.set(x.units() + class, sample, labels.get(class, sample)));
    }
    joined
}

/// `count` states, from the given ones in turn, each with a class in turn behind.
pub(super) fn joined_in_turn(states: &BitMatrix, classes: usize, count: usize) -> BitMatrix {
    let chosen: Vec<usize> = (0..count).map(|chain| chain % states.samples()).collect();
    let labels = BitMatrix::from_fn(classes, count, |class, chain| chain % classes == class);
    joined(&states.select(&chosen), &labels, classes)
}
