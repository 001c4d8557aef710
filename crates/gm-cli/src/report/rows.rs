//! Reconstructions, completions and hidden activities of rows that the model has not seen.

use gm_core::{BitMatrix, Matrix, Purpose, Streams, VisibleKind};
use gm_eval::{
    Completion, CompletionQuality, CompletionSettings, LayerActivity, Model, PosteriorSettings, active_units, complete,
    hidden_activity, posterior_means, reconstruct, sites,
};
use image::{Rgb, RgbImage};
use maud::{Markup, html};

use super::figure::{self, Scale, levels_of};
use super::folder::HeldOut;
use crate::commands::{picture_of, side_by_side};
use crate::console::shown;
use crate::data::Examples;
use crate::error::Result;
use crate::hints::CommandLine;
use crate::mask::Mask;
use crate::picture;
use crate::units::levels;

/// The effort: chains of a completion and their sweeps, draws and sweeps of a posterior.
const CHAINS: usize = 10;
const SWEEPS: usize = 200;
const DRAWS: usize = 50;
/// Number of units of a layer in the picture of activities.
const UNITS: usize = 150;

/// Reconstructions and completions of a few rows.
///
/// # Errors
///
/// The errors of the model, and [`crate::error::Error::Picture`].
pub(super) fn completions(model: &Model, held_out: &HeldOut, streams: &Streams) -> Result<Markup> {
    let shown_rows = held_out.choose()?;
    let kind = model.visible_kind();
    let shape = shown_rows.shape(kind);
    let about = format!("Rows of the {} split, binarise {}", shown_rows.about.split, shown_rows.about.binarise);
    let reconstructed = |rebuilt: Matrix| {
        let both = side_by_side(&shown_rows.rows.to_matrix(), &rebuilt);
        let text =
            format!("{about}. Below them are the means of the visible units given one draw of the hidden units.");
        let drawn = picture::samples(&levels(kind, &both), shape, Some(rebuilt.ncols()));
        figure::pixels("Reconstructions", &text, &drawn, &levels_of(kind))
    };
    // Without hidden units nothing remembers a row.
    let hidden = model.layers().len() > 1;
    let rebuilt = hidden.then(|| reconstruct(model, &shown_rows.rows, &streams.fork(Purpose::Choose, 10)));
    let reconstructed = rebuilt.transpose()?.map(reconstructed).transpose()?;
    // Units that form no picture have no lower half.
    let sites = sites(kind, shown_rows.rows.units());
    let mask = if shape.0 * shape.1 == sites && shape.0 > 1 { Mask::Bottom } else { Mask::Random(0.5) };
    let missing = mask.missing(sites, shown_rows.rows.samples(), shape, streams)?;
    let settings = CompletionSettings { steps: Some(SWEEPS), chains: CHAINS, ..CompletionSettings::default() };
    let streams = streams.fork(Purpose::Choose, 11);
    let completed: Result<Completion> =
        shown("completing", |watch| Ok(complete(model, &shown_rows.rows, &missing, &settings, &streams, watch)?));
    let completed = match completed {
        Ok(completed) => completion((kind, &shown_rows), &missing, &completed, &mask)?,
        // Networks with label units cannot do this.
        Err(error) => html! { p.note { "Completions are left out: " (error.line(&CommandLine::default())) "." } },
    };
    Ok(html! { div.figures { @if let Some(picture) = &reconstructed { (picture) } (completed) } })
}

/// The completions with their figures.
fn completion(
    (kind, shown): (VisibleKind, &Examples),
    missing: &BitMatrix,
    found: &Completion,
    mask: &Mask,
) -> Result<Markup> {
    let CompletionQuality { accuracy, squared_error } = found.quality;
    let (method, sweeps) = (found.method, found.steps);
    let right = accuracy.map_or_else(String::new, |share| {
        format!("{:.1} % of the missing units are predicted correctly. ", 100.0 * share)
    });
    let half = if *mask == Mask::Bottom { "the lower half of their units" } else { "half of their units" };
    let text = format!(
        "The same rows without {half}, and the mean of {CHAINS} completions by {method} ({sweeps} sweeps). \
         {right}Mean squared error {squared_error:.4}."
    );
    let drawn = picture_of((kind, shown), missing, &found.means, shown.shape(kind));
    figure::pixels("Completions", &text, &drawn, &levels_of(kind))
}

/// Posterior means of the hidden units, layer by layer.
///
/// # Errors
///
/// The errors of [`completions`].
pub(super) fn activities(model: &Model, held_out: &HeldOut, streams: &Streams) -> Result<Markup> {
    let HeldOut(examples, _) = held_out;
    let settings = PosteriorSettings { method: None, samples: DRAWS, steps: DRAWS };
    let streams = streams.fork(Purpose::Choose, 12);
    let found = shown("sampling", |watch| Ok(posterior_means(model, &examples.rows, &settings, &streams, watch)?))?;
    let layers = hidden_activity(model, &found);
    let active = shown("sampling", |watch| Ok(active_units(model, &examples.rows, &streams, watch)?))?;
    let about = &examples.about;
    let ordered = if examples.split.labels().is_some() { ", ordered by their labels" } else { "" };
    let pictures = layers.iter().enumerate().map(|(l, layer)| {
        let means = &layer.means;
        let varied = active.get(l).map_or_else(String::new, |n| {
            format!("Of {} units {n} are active: their means vary between these rows. ", means.nrows())
        });
        let text = format!(
            "Each of {} rows{ordered} is a line, each unit is a column, and white is on. {varied}{}",
            means.ncols(),
            if means.nrows() > UNITS {
                format!("Shown are the {UNITS} units that differ most between rows.")
            } else {
                String::new()
            }
        );
        let title = format!("Hidden layer {}: E[x{} | v]", l + 1, l + 1);
        figure::pixels(&title, &text, &heat(layer), &Scale::Levels("0", "1"))
    });
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    let lines: Vec<(String, Vec<f64>)> =
        layers.iter().enumerate().map(|(l, layer)| (format!("layer {}", l + 1), layer.rates.clone())).collect();
    let chart = figure::ranked("Activity of the units", ("unit, the most active first", "mean over rows"), &lines);
    Ok(html! {
        p {
            "Posterior means of the hidden units for " (examples.rows.samples()) " rows of the " (about.split) " split, by the method "
            code { (found.method) } "."
        }
        div.figures {
            @for picture in &pictures { (picture) }
            (figure::chart(&chart, "A unit that is always on or always off tells nothing about a row.")?)
        }
    })
}

/// Rows as lines and units as columns. The units are those that differ most between rows, the most active first.
fn heat(layer: &LayerActivity) -> RgbImage {
    let (means, units) = (&layer.means, layer.most_varied(UNITS));
    let scale = (600 / units.len().max(1)).clamp(2, 8) as u32;
    RgbImage::from_fn(units.len() as u32 * scale, means.ncols() as u32 * 3, |x, y| {
        Rgb(picture::grey(means[(units[(x / scale) as usize], (y / 3) as usize)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_busiest_units_come_first() {
        let layer = LayerActivity::new(Matrix::from_row_slice(3, 2, &[0.0, 0.5, 1.0, 1.0, 0.0, 0.0]));
        let picture = heat(&layer);
        assert_eq!(picture.dimensions(), (3 * 8, 2 * 3));
        assert_eq!(
            (picture.get_pixel(0, 0).0, picture.get_pixel(8, 3).0, picture.get_pixel(23, 5).0),
            ([255; 3], [128; 3], [0; 3])
        );
    }
}
