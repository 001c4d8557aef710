//! The parameters: filters, singular values, histograms and dead units.

use gm_core::{Matrix, ModelData};
use gm_eval::{
    Spectrum, TensorStatistics, first_layer_filters, named_weights, strongest_units, tensor_statistics,
    unit_statistics, weights_to_visible,
};
use maud::{Markup, html};

use super::figure::{self, Scale};
use crate::error::Result;
use crate::picture::{Chart, Curve, Shape, filters, logos, weight_range};
use crate::units::filter_shape;

/// Number of filters drawn for a layer.
const FILTERS: usize = 100;
/// Number of sequence logos.
const LOGOS: usize = 24;
/// Number of weights of a hidden unit that are named.
const NAMED: usize = 5;
/// Number of bins of a histogram.
const BINS: usize = 60;
/// The number of multiplications above which a spectrum takes too long for a report.
const SPECTRUM: usize = 1_200_000_000;

/// Pictures of the weights into the units of each hidden layer.
///
/// # Errors
///
/// [`crate::error::Error::Picture`].
pub(super) fn filter_pictures(data: &ModelData, shape: Shape) -> Result<Markup> {
    if let Some(logos) = logos(data, LOGOS) {
        let text =
            "The height of a letter is its weight in the zero-sum gauge: letters above the axis switch the unit on.";
        return Ok(html! { div.figures {
            @for logo in &logos {
                (figure::figure(&format!("Hidden unit {}", logo.hidden), text, &html! { div.wide { (logo.picture()) } }))
            }
        } });
    }
    let (stack, first) = (&data.stack, first_layer_filters(data));
    let shape = filter_shape(data.visible, shape, first.nrows());
    let shown = |units: usize| match units > FILTERS {
        true => format!("the {FILTERS} of {units} units with the largest weights"),
        false => format!("all {units} units, those with the largest weights first"),
    };
    let text = format!("Weights of {}: red pixels switch a unit on, blue ones off.", shown(first.ncols()));
    let drawn = |title: &str, text: &str, weights: &Matrix| {
        let strongest = weights.select_columns(&strongest_units(weights, FILTERS));
        let picture = filters(&strongest, shape, Some(10));
        figure::pixels(title, text, &picture, &Scale::Weights(weight_range(&strongest)))
    };
    let title = if stack.depth() == 0 { "Within the visible layer" } else { "First hidden layer" };
    let picture = drawn(title, &text, &first)?;
    let deeper = (1..stack.depth()).map(|l| {
        let through = weights_to_visible(stack, l);
        let text = format!(
            "Weights of {}, multiplied by the weights of the layers below. This is a linear view of the data that \
             switch a unit on.",
            shown(through.ncols())
        );
        drawn(&format!("Hidden layer {}", l + 1), &text, &through)
    });
    let deeper = deeper.collect::<Result<Vec<_>>>()?;
    Ok(html! { div.figures { (picture) @for picture in &deeper { (picture) } } })
}

/// The visible units to which the strongest hidden units are tied, by name; of a model that knows no names there is nothing.
pub(super) fn named(data: &ModelData) -> Option<Markup> {
    let units = named_weights(data, NAMED)?;
    let listed = units.len().min(FILTERS);
    Some(html! {
        p.lead { "The " (NAMED) " largest weights of " @if listed < units.len() { "the " (listed) " strongest of " }
            (units.len()) " units of the first hidden layer. A positive weight makes both units likely together." }
        div.wide tabindex="0" { table {
            tr { th.number { "hidden unit" } @for place in 1..=NAMED { th { "weight " (place) } } }
            @for unit in units.iter().take(listed) {
                tr {
                    td.number { (unit.hidden) }
                    @for (name, weight) in &unit.weights { td { (name) " " (format!("{weight:+.2}")) } }
                }
            }
        } }
    })
}

/// Singular values, histograms and ranges.
///
/// # Errors
///
/// [`crate::error::Error::Picture`].
pub(super) fn statistics(data: &ModelData) -> Result<Markup> {
    let stack = &data.stack;
    let quick = |l: &usize| {
        let (rows, columns) = stack.weights(*l).shape();
        rows * columns * rows.min(columns) <= SPECTRUM
    };
    let spectra: Vec<Spectrum> = (0..stack.depth()).filter(quick).map(|l| Spectrum::new(l, stack.weights(l))).collect();
    let left_out = spectra.len() < stack.depth();
    let lines: Vec<(String, Vec<f64>)> = spectra
        .iter()
        .map(|spectrum| (spectrum.name.clone(), spectrum.singular_values.iter().map(|&x| f64::from(x)).collect()))
        .collect();
    let spectrum = figure::ranked("Singular values of the weights", ("rank", "singular value"), &lines);
    let ranks: Vec<String> =
        spectra.iter().map(|spectrum| format!("{} {:.1}", spectrum.name, spectrum.effective_rank)).collect();
    let text = format!("The effective rank is the number of directions that carry the weights: {}.", ranks.join(", "));
    let within: Vec<Vec<f32>> = (0..=stack.depth()).filter_map(|l| stack.within(l)).map(to_later_units).collect();
    let weights = (0..stack.depth()).map(|l| (format!("weights.{l}"), stack.weights(l).as_slice()));
    let own =
        stack.layers_within().into_iter().zip(&within).map(|(l, values)| (format!("within.{l}"), values.as_slice()));
    let weights: Vec<(String, &[f32])> = weights.chain(own).collect();
    let biases: Vec<(String, &[f32])> =
        (0..=stack.depth()).map(|l| (format!("bias.{l}"), stack.bias(l).as_slice())).collect();
    Ok(html! {
        div.figures {
            @if !spectra.is_empty() { (figure::chart(&spectrum, &text)?) }
            (figure::chart(&histogram("Histogram of the weights", "weight", &weights), "Share of the weights in each bin.")?)
            (figure::chart(&histogram("Histogram of the biases", "bias", &biases), "Share of the units in each bin.")?)
        }
        @if left_out { p { "Singular values of the largest matrices are left out, since they take too long; \
                            " code { "dgm inspect" } " computes them." } }
        (ranges(data))
    })
}

/// The weights within a layer that lead to later units; the others are always 0.
fn to_later_units(within: &Matrix) -> Vec<f32> {
    (0..within.ncols()).flat_map(|j| within.as_slice()[j * within.nrows()..][..j].to_vec()).collect()
}

fn histogram(title: &str, across: &str, tensors: &[(String, &[f32])]) -> Chart {
    let values = || tensors.iter().flat_map(|(_, values)| values.iter().copied());
    let (low, high) = values().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let curve = |(name, values): &(String, &[f32])| Curve {
        name: name.clone(),
        points: figure::outline(values, (low, high), BINS),
    };
    let (title, across, up) = (title.into(), across.into(), "share".into());
    Chart { title, across, up, curves: tensors.iter().map(curve).collect(), dots: false }
}

fn ranges(data: &ModelData) -> Markup {
    let units = unit_statistics(data);
    let dashed =
        |tensor: &TensorStatistics| tensor.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    html! {
        div.wide tabindex="0" { table {
            tr { th { "tensor" } th { "shape" } th.number { "least" } th.number { "mean" } th.number { "greatest" } th.number { "rms" } }
            @for tensor in tensor_statistics(data) {
                tr {
                    td { code { (tensor.name) } } td { (dashed(&tensor)) }
                    td.number { (format!("{:.3}", tensor.min)) } td.number { (format!("{:.3}", tensor.mean)) }
                    td.number { (format!("{:.3}", tensor.max)) } td.number { (format!("{:.3}", tensor.rms)) }
                }
            }
        } }
        @if !units.is_empty() { div.wide tabindex="0" { table {
            tr { th { "layer" } th.number { "units" } th.number { "dead" } th.number { "always off" } th.number { "always on" } }
            @for layer in &units {
                tr {
                    td { (layer.layer) }
                    @for count in [layer.units, layer.dead, layer.always_off, layer.always_on] { td.number { (count) } }
                }
            }
        } }
        p.lead {
            "The neighbours of a dead unit change its probability by less than 0.01. A unit is always off or always \
             on if its probability is below 0.01 or above 0.99 in every state of its neighbours."
        } }
    }
}
