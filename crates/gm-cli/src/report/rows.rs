//! What the model makes of rows that it has not seen: reconstructions, completions and hidden activities.

use gm_core::{BitMatrix, Matrix, Purpose, Streams, VisibleKind};
use gm_eval::Model;
use image::{Rgb, RgbImage};
use maud::{Markup, html};

use super::figure;
use super::folder::HeldOut;
use crate::commands::{Method, Quality, Task, picture_of, side_by_side};
use crate::data::Examples;
use crate::error::Result;
use crate::mask::Mask;
use crate::picture;
use crate::posterior::Posterior;
use crate::sampling::reconstructions;
use crate::units::{levels, mask_of_units, sites};

/// Effort: chains of a completion and their sweeps, draws and sweeps of a posterior.
const CHAINS: usize = 10;
const SWEEPS: usize = 200;
const DRAWS: usize = 50;
/// Units of a layer in the picture of activities.
const UNITS: usize = 150;

/// Reconstructions and completions of a few rows.
///
/// # Errors
///
/// Whatever the model refuses, and [`crate::error::Error::Picture`].
pub(super) fn completions(model: &Model, held_out: &HeldOut, streams: &Streams) -> Result<Markup> {
    let shown = held_out.choose()?;
    let kind = model.visible_kind();
    let shape = shown.shape(kind);
    let about = format!("Rows of the {} split, binarise {}", shown.about.split, shown.about.binarise);
    let rebuilt = reconstructions(model, &shown.rows, &streams.fork(Purpose::Choose, 10))?;
    let both = side_by_side(&shown.rows.to_matrix(), &rebuilt);
    let text = format!("{about}; below, the means of the visible units given one draw of the hidden units.");
    let reconstructed = figure::pixels(
        "Reconstructions",
        &text,
        &picture::samples(&levels(kind, &both), shape, Some(rebuilt.ncols())),
    )?;
    // Units that form no picture have no lower half.
    let sites = sites(kind, shown.rows.units());
    let mask = if shape.0 * shape.1 == sites && shape.0 > 1 { Mask::Bottom } else { Mask::Random(0.5) };
    let missing = mask.missing(sites, shown.rows.samples(), shape, streams)?;
    let task = Task { rows: &shown.rows, missing: &mask_of_units(kind, &missing), chains: CHAINS };
    let completed = match task.by_model(model, None, Some(SWEEPS), &streams.fork(Purpose::Choose, 11)) {
        Ok(completed) => completion((kind, &shown), &missing, &completed, &mask)?,
        // Networks with label units cannot do this.
        Err(error) => html! { p.note { "Completions are left out: " (error.line()) "." } },
    };
    Ok(html! { div.figures { (reconstructed) (completed) } })
}

/// Completions with their figures.
fn completion(
    (kind, shown): (VisibleKind, &Examples),
    missing: &BitMatrix,
    (means, method, sweeps): &(Matrix, &'static str, usize),
    mask: &Mask,
) -> Result<Markup> {
    let Quality { accuracy, squared_error } = Quality::new(kind, &shown.rows, missing, means);
    let right = accuracy.map_or_else(String::new, |share| {
        format!("{:.1} % of the missing units are on the right side, ", 100.0 * share)
    });
    let half = if *mask == Mask::Bottom { "the lower half of their units" } else { "half of their units" };
    let text = format!(
        "The same rows without {half}, and the mean of {CHAINS} completions by {method} ({sweeps} sweeps): {right}mean squared \
         error {squared_error:.4}."
    );
    figure::pixels("Completions", &text, &picture_of((kind, shown), missing, means, shown.shape(kind)))
}

/// Posterior means of the hidden units, layer by layer.
///
/// # Errors
///
/// As [`completions`].
pub(super) fn activities(model: &Model, held_out: &HeldOut, streams: &Streams) -> Result<Markup> {
    let (HeldOut(examples), method) = (held_out, Method::usual(model));
    let found = Posterior::new(model, &examples.rows, method, (DRAWS, DRAWS), &streams.fork(Purpose::Choose, 12))?;
    let layers = layers(&found.means, &model.layers()[1..]);
    let about = &examples.about;
    let ordered = if examples.split.labels().is_some() { ", ordered by their labels" } else { "" };
    let pictures = layers.iter().enumerate().map(|(l, means)| {
        let text = format!(
            "A line for each of {} rows{ordered}, a column for each unit; white is on. {}",
            means.ncols(),
            if means.nrows() > UNITS {
                format!("The {UNITS} units that differ most between rows.")
            } else {
                String::new()
            }
        );
        figure::pixels(&format!("Hidden layer {}: E[x{} | v]", l + 1, l + 1), &text, &heat(means))
    });
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    let lines: Vec<(String, Vec<f64>)> =
        layers.iter().enumerate().map(|(l, means)| (format!("layer {}", l + 1), sorted_means(means))).collect();
    let chart = figure::ranked("How often units are on", ("unit, the busiest first", "mean over rows"), &lines);
    Ok(html! {
        p {
            "Posterior means of the hidden units for " (examples.rows.samples()) " rows of the " (about.split) " split, by the method "
            code { (method.name()) } "."
        }
        div.figures {
            @for picture in &pictures { (picture) }
            (figure::chart(&chart, "Units that are always or never on tell nothing about a row.")?)
        }
    })
}

/// The means of each layer, [units, rows].
fn layers(means: &Matrix, sizes: &[usize]) -> Vec<Matrix> {
    let mut first = 0;
    let layer = |&units: &usize| {
        first += units;
        means.rows(first - units, units).into_owned()
    };
    sizes.iter().map(layer).collect()
}

fn sorted_means(means: &Matrix) -> Vec<f64> {
    let mut found: Vec<f64> = means.row_iter().map(|unit| f64::from(unit.mean())).collect();
    found.sort_by(|a, b| b.total_cmp(a));
    found
}

/// Rows below one another, units side by side: those that differ most between rows, the busiest first.
fn heat(means: &Matrix) -> RgbImage {
    let mut units: Vec<usize> = (0..means.nrows()).collect();
    units.sort_by(|&a, &b| means.row(b).variance().total_cmp(&means.row(a).variance()));
    units.truncate(UNITS);
    units.sort_by(|&a, &b| means.row(b).mean().total_cmp(&means.row(a).mean()));
    let scale = (600 / units.len().max(1)).clamp(2, 8) as u32;
    RgbImage::from_fn(units.len() as u32 * scale, means.ncols() as u32 * 3, |x, y| {
        Rgb(picture::grey(means[(units[(x / scale) as usize], (y / 3) as usize)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_activities_by_layer_and_by_unit() {
        let means = Matrix::from_row_slice(3, 2, &[0.0, 0.5, 1.0, 1.0, 0.0, 0.0]);
        let layers = layers(&means, &[1, 2]);
        assert_eq!((layers[0].shape(), layers[1].shape()), ((1, 2), (2, 2)));
        assert_eq!(sorted_means(&means), [1.0, 0.25, 0.0]);
        let picture = heat(&means);
        assert_eq!(picture.dimensions(), (3 * 8, 2 * 3));
        assert_eq!(
            (picture.get_pixel(0, 0).0, picture.get_pixel(8, 3).0, picture.get_pixel(23, 5).0),
            ([255; 3], [128; 3], [0; 3])
        );
    }
}
