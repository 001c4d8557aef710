//! Models that answer to what is drawn: what they are, ln Z, fantasies, and their hidden units.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gm_core::{AisSettings, Matrix, ModelData, ModelKind, Progress, Schedule, Streams, Vector, Watch};
use gm_eval::{
    ChainSettings, EvalSettings, Model, PartitionReport, SampleSettings, evaluate_partition, first_layer_filters,
    parameter_count, sample, sites,
};
use serde::{Deserialize, Serialize};

use crate::chains::Engine;
use crate::error::{Answer, Refusal};
use crate::shelf::{Cache, Shelf};
use crate::tones::{self, Picture};

/// A generative model with its weights arranged for sampling, and ln Z once it is known.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) model: Model,
    pub(crate) engine: Engine,
    log_z: Mutex<LogZ>,
}

/// What is known of ln Z.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum LogZ {
    /// Nobody has asked.
    Unknown,
    /// The annealing has come so far, from 0 to 1.
    Measuring { share: f64 },
    /// The report; none for an SBN, which needs no ln Z.
    Known { report: Option<PartitionReport> },
    /// Why it could not be measured.
    Failed { error: String },
}

/// What the page has to know of a model.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    name: String,
    kind: &'static str,
    /// The kind with its article.
    noun: &'static str,
    visible: String,
    layers: Vec<usize>,
    parameters: usize,
    /// Sites of a row: units, or groups of softmax units.
    sites: usize,
    /// Categories of a site, for softmax units.
    categories: Option<usize>,
    classes: usize,
    /// Whether the page draws rows of the model, which a classifier cannot do.
    generative: bool,
}

/// A wish for fantasies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    count: usize,
    class: Option<usize>,
    seed: u64,
}

/// Fantasies, and how they came about.
#[derive(Debug, Serialize)]
pub(crate) struct Fantasies {
    picture: Picture,
    /// States of the sites of each fantasy, to go on from.
    rows: Vec<Vec<f32>>,
    method: &'static str,
    sweeps: Option<usize>,
}

/// A hidden unit: what it looks for, and the units that it is most tied to.
#[derive(Debug, Serialize)]
pub(crate) struct Unit {
    filter: Picture,
    bias: f32,
    below: Vec<(usize, f32)>,
    above: Vec<(usize, f32)>,
}

/// Neighbours that are shown, the most fantasies of a wish, and sweeps of their chains.
const NEIGHBOURS: usize = 5;
const MOST: usize = 100;
const SWEEPS: usize = 200;

/// Models that have been loaded.
#[derive(Debug)]
pub(crate) struct Models(Cache<Loaded>);

impl Models {
    pub(crate) fn new() -> Self {
        Self(Cache::new(4))
    }

    /// The generative model of a file.
    ///
    /// # Errors
    ///
    /// A refusal of a classifier and of a harmonium, and of files with a fault.
    pub(crate) fn get(&self, shelf: &Shelf, path: &Path) -> Answer<Arc<Loaded>> {
        let load = || {
            let model = Model::from_data((*shelf.model_data(path)?).clone()).map_err(Refusal::unfit)?;
            Loaded::new(model)
        };
        self.0.get(path, load)
    }
}

/// Describes the model of a file.
pub(crate) fn about(data: &ModelData, name: String) -> Answer<About> {
    let generative = !matches!(data.kind, ModelKind::Classifier | ModelKind::Harmonium);
    let model = generative.then(|| Model::from_data(data.clone())).transpose().map_err(Refusal::unfit)?;
    let visible = model.as_ref().map_or(data.stack.bias(0).len(), Model::visible);
    let categories = match data.visible {
        gm_core::VisibleKind::Softmax { categories } => Some(categories),
        _ => None,
    };
    Ok(About {
        name,
        kind: data.kind.as_str(),
        noun: data.kind.noun(),
        visible: data.visible_name(),
        layers: data.stack.layers(),
        parameters: parameter_count(data),
        sites: sites(data.visible, visible),
        categories,
        classes: model.as_ref().map_or(0, Model::classes),
        generative,
    })
}

impl Loaded {
    /// # Errors
    ///
    /// As [`Engine::of`].
    pub(crate) fn new(model: Model) -> Answer<Self> {
        Ok(Self { engine: Engine::of(&model)?, model, log_z: Mutex::new(LogZ::Unknown) })
    }

    /// What is known of ln Z, and whether this question is the first.
    pub(crate) fn log_z(&self) -> (LogZ, bool) {
        let mut known = self.log_z.lock().unwrap_or_else(PoisonError::into_inner);
        let first = matches!(*known, LogZ::Unknown);
        if first {
            *known = LogZ::Measuring { share: 0.0 };
        }
        (known.clone(), first)
    }

    /// ln Z if it has been measured.
    pub(crate) fn partition(&self) -> Option<PartitionReport> {
        match &*self.log_z.lock().unwrap_or_else(PoisonError::into_inner) {
            LogZ::Known { report } => report.clone(),
            _ => None,
        }
    }

    /// Measures ln Z: enumerated for small models, otherwise annealed.
    pub(crate) fn measure(&self, seed: u64, watch: Watch<'_>) {
        let tell = |state| *self.log_z.lock().unwrap_or_else(PoisonError::into_inner) = state;
        let ais = AisSettings { runs: 100, schedule: Schedule::Linear(1_000) };
        let settings = EvalSettings { ais, raise_walks: 0, reverse_runs: 0, seed, ..EvalSettings::default() };
        let found = evaluate_partition(&self.model, &settings, &mut |progress: Progress| {
            tell(LogZ::Measuring { share: progress.done as f64 / progress.total.max(1) as f64 });
            watch(progress)
        });
        tell(match found {
            Ok(report) => LogZ::Known { report },
            Err(error) => LogZ::Failed { error: error.to_string() },
        });
    }

    /// Draws fantasies.
    ///
    /// # Errors
    ///
    /// A refusal of a wish that the model cannot fulfil.
    pub(crate) fn fantasies(&self, wish: Wish, watch: Watch<'_>) -> Answer<Fantasies> {
        if !(1..=MOST).contains(&wish.count) {
            return Err(Refusal::unfit(format!("count is {}, allowed: 1 to {MOST}", wish.count)));
        }
        let start = ChainSettings { classes: wish.class.map(|class| vec![class]), ..ChainSettings::default() };
        let steps = (!matches!(self.model, Model::Sbn(_))).then_some(SWEEPS);
        let settings = SampleSettings { count: wish.count, means: true, steps, start, ..SampleSettings::default() };
        let found = sample(&self.model, &settings, &Streams::new(wish.seed), watch).map_err(Refusal::unfit)?;
        let kind = self.model.visible_kind();
        let states = tones::sites_of(kind, &found.values).map(|x| if kind.takes_numbers() { x } else { x.round() });
        Ok(Fantasies {
            picture: tones::levels(kind, &found.values),
            rows: states.column_iter().map(|row| row.iter().copied().collect()).collect(),
            method: found.report.method,
            sweeps: found.report.steps,
        })
    }
}

/// A unit of a hidden layer, counted from 1. The filter of a unit of a higher layer is the product of the weights down to
/// the visible layer.
///
/// # Errors
///
/// A refusal of a unit that the model does not have.
pub(crate) fn unit(data: &ModelData, layer: usize, unit: usize) -> Answer<Unit> {
    let stack = &data.stack;
    if !(1..=stack.depth()).contains(&layer) || unit >= stack.bias(layer).len() {
        return Err(Refusal::absent(&format!("unit {unit} of layer {layer}")));
    }
    let column: Vector = stack.weights(layer - 1).column(unit).into_owned();
    let (first, below) = (first_layer_filters(data), strongest(&column));
    let down = (0..layer - 1).rev().fold(column, |weights, l| stack.weights(l) * weights);
    let filter = Matrix::from_column_slice(first.nrows(), 1, &down.as_slice()[..first.nrows()]);
    let above = if layer < stack.depth() { strongest(&stack.weights(layer).row(unit).transpose()) } else { vec![] };
    let below = if layer > 1 { below } else { vec![] };
    Ok(Unit { filter: tones::weights(&filter), bias: stack.bias(layer)[unit], below, above })
}

/// The units with the greatest weights, whatever their sign.
fn strongest(weights: &Vector) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> = weights.iter().copied().enumerate().collect();
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    all.truncate(NEIGHBOURS);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::Stack;

    #[test]
    fn table_a_unit_of_a_higher_layer_looks_through_the_layers_below() {
        let weights =
            vec![Matrix::from_row_slice(2, 2, &[1.0, 2.0, 0.0, -1.0]), Matrix::from_row_slice(2, 1, &[1.0, 2.0])];
        let biases = vec![Vector::zeros(2), Vector::zeros(2), Vector::from_element(1, 0.5)];
        let data = ModelData::from_stack(ModelKind::Dbm, Stack::new(weights, biases).unwrap()).unwrap();
        let found = unit(&data, 2, 0).unwrap();
        assert_eq!(
            (found.filter.clone(), found.bias),
            (tones::weights(&Matrix::from_column_slice(2, 1, &[5.0, -2.0])), 0.5)
        );
        assert_eq!((found.below, found.above), (vec![(1, 2.0), (0, 1.0)], vec![]));
        assert_eq!(unit(&data, 1, 1).unwrap().above, [(0, 2.0)]);
        assert_eq!(unit(&data, 3, 0).unwrap_err().text, "unit 0 of layer 3 does not exist");
    }
}
