//! Means and pair correlations of the model beside those of the training rows.

use gm_core::{Batch, Matrix, ModelData, ModelKind, Streams};
use gm_eval::{Model, Moments, SampleSettings, sample};
use maud::{Markup, html};

use super::figure;
use crate::console::shown;
use crate::error::Result;
use crate::picture::{Chart, Curve};

/// Samples of the model, the chains that draw them, their sweeps before the first one and between two of a chain.
const SAMPLES: usize = 2_000;
const CHAINS: usize = 200;
const SWEEPS: usize = 500;
const THIN: usize = 50;
/// The most pairs of units that are drawn.
const PAIRS: usize = 1_000;

/// Two charts of dots.
///
/// # Errors
///
/// Those of [`sample`], and [`crate::error::Error::Picture`].
pub(super) fn section((model, data): (&Model, &ModelData), train: &Batch, streams: &Streams) -> Result<Markup> {
    // Samples of a belief net need no chains.
    let of_chain = |number: usize| (model.kind() != ModelKind::Sbn).then_some(number);
    let (chains, steps, thin) = (of_chain(CHAINS), of_chain(SWEEPS), of_chain(THIN));
    let settings = SampleSettings { count: SAMPLES, chains, steps, thin, ..SampleSettings::default() };
    let drawn = shown("sampling", |watch| Ok(sample(model, &settings, streams, watch)?))?;
    // Units of a class stand behind those of a row.
    let values: Matrix = drawn.values.rows(0, train.units().min(drawn.values.nrows())).into_owned();
    let (of_model, of_data) = (Moments::of(&values.into()), Moments::of(train));
    let names = data.unit_names().unwrap_or_else(|| (0..train.units()).map(|unit| format!("unit {unit}")).collect());
    let means: Vec<(f64, f64)> = of_data.means.iter().copied().zip(of_model.means.iter().copied()).collect();
    let pairs = of_data.strongest_pairs(&of_model, PAIRS);
    let at = |moments: &Moments, pair: (usize, usize)| f64::from(moments.correlations[pair]);
    let correlations: Vec<(f64, f64)> = pairs.iter().map(|&pair| (at(&of_data, pair), at(&of_model, pair))).collect();
    let of_pairs: Vec<String> = pairs.iter().map(|&(a, b)| format!("{}, {}", names[a], names[b])).collect();
    let all = train.units() * train.units().saturating_sub(1) / 2;
    let which =
        if pairs.len() < all { format!("The {PAIRS} strongest of {all} pairs") } else { format!("All {all} pairs") };
    let error = 1.0 / (SAMPLES as f64).sqrt();
    Ok(html! {
        p { "Training rows against " (SAMPLES) " samples of the model (" (drawn.report.method) "). Chance alone moves a \
             correlation by about " (format!("{error:.2}")) "." }
        div.figures {
            (figure::named(&dots("Means", means), "A dot is a unit.", &names)?)
            (figure::named(&dots("Correlations of pairs", correlations), &format!("{which}; a dot is a pair."), &of_pairs)?)
        }
    })
}

fn dots(title: &str, points: Vec<(f64, f64)>) -> Chart {
    let curves = vec![Curve { name: String::new(), points }];
    Chart { title: title.into(), across: "training rows".into(), up: "model".into(), curves, dots: true }
}
