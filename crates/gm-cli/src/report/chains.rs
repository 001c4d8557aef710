//! Samples at several times of their chains, and the mixing of the chains.

use gm_core::{Matrix, Streams, VisibleKind};
use gm_eval::{Diagnostics, Model, SampleFigureSettings, SampleFigures, sample_figures};
use maud::{Markup, html};

use super::figure::{self, Scale, levels_of};
use crate::console::shown;
use crate::error::Result;
use crate::picture::{self, Chart, Curve, Shape};
use crate::units::levels;

/// Number of chains that are shown over chain time.
const FILMED: usize = 6;

/// The content of a section of the page.
pub(super) struct Sampled {
    pub(super) samples: Markup,
    /// `None` for a model that is sampled without chains.
    pub(super) diagnostics: Option<Markup>,
}

/// Draws samples of a model, and watches its chains if it has chains.
///
/// # Errors
///
/// [`gm_core::Error::NonFinite`] for a model whose energy overflows, [`crate::error::Error::Picture`].
pub(super) fn sampled(model: &Model, shape: Shape, streams: &Streams) -> Result<Sampled> {
    let settings = SampleFigureSettings::default();
    let found = shown("sampling", |watch| Ok(sample_figures(model, &settings, streams, watch)?))?;
    match found {
        SampleFigures::Chains { frames, diagnostics: found } => Ok(Sampled {
            samples: from_chains(&frames, (model.visible_kind(), shape))?,
            diagnostics: found.map(|found| diagnostics(&found)).transpose()?,
        }),
        SampleFigures::Independent { below_tops, samples } => {
            let samples = independent((&below_tops, settings.below_tops.1), &samples, shape)?;
            Ok(Sampled { samples, diagnostics: None })
        }
    }
}

fn from_chains(frames: &[(usize, Matrix)], (kind, shape): (VisibleKind, Shape)) -> Result<Markup> {
    let Some(((last, end), before)) = frames.split_last() else { return Ok(html! {}) };
    let means: Vec<&Matrix> = frames.iter().map(|(_, means)| means).collect();
    let film = picture::samples(&levels(kind, &side_by_side(&means, FILMED)), shape, Some(frames.len()));
    let sweeps = before.iter().map(|(sweeps, _)| sweeps.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "{FILMED} chains from left to right, started at random: means of the visible units after {sweeps} and {last} sweeps."
    );
    let text_of_end = format!("Means of the visible units of {} chains after {last} sweeps.", end.ncols());
    Ok(html! { div.figures {
        (figure::pixels("Samples over chain time", &text, &film, &levels_of(kind))?)
        (figure::pixels("Samples at the end", &text_of_end, &picture::samples(&levels(kind, end), shape, Some(10)), &levels_of(kind))?)
    } })
}

/// The first chains of each frame, one chain after the other, [units, chains * frames].
fn side_by_side(frames: &[&Matrix], chains: usize) -> Matrix {
    let columns = (0..chains).flat_map(|chain| frames.iter().map(move |frame| frame.column(chain)));
    Matrix::from_columns(&columns.collect::<Vec<_>>())
}

fn independent((below_tops, draws): (&Matrix, usize), samples: &Matrix, shape: Shape) -> Result<Markup> {
    let film = picture::samples(below_tops, shape, Some(draws));
    let text = format!(
        "Each line has one state of the top layer and {draws} draws of the layers below it. It shows how much the top \
         decides."
    );
    let below = (below_tops.ncols() > 0)
        .then(|| figure::pixels("Below the same top", &text, &film, &Scale::Levels("0", "1")))
        .transpose()?;
    Ok(html! {
        p { "A belief net is sampled from the top layer down. Its samples are independent and need no chain." }
        div.figures {
            @if let Some(below) = &below { (below) }
            (figure::pixels("Samples", "Probabilities of the visible units.", &picture::samples(samples, shape, Some(10)), &Scale::Levels("0", "1"))?)
        }
    })
}

fn diagnostics(found: &Diagnostics) -> Result<Markup> {
    let lines = [
        (
            "autocorrelation time",
            format!("{:.1} sweeps", found.autocorrelation_time),
            "sweeps of a chain that are worth one independent draw",
        ),
        ("effective sample size", format!("{:.0}", found.ess), "independent draws that all chains together are worth"),
        (
            "split R-hat",
            format!("{:.3}", found.split_r_hat),
            "1 when the chains agree with each other and with themselves",
        ),
        ("movement", format!("{:.1} %", 100.0 * found.flips), "visible units that change in a sweep"),
    ];
    Ok(html! {
        p { "The " (found.quantity) " of " (found.chains) " chains was watched for " (found.sweeps) " sweeps." }
        @if !found.mixed() {
            p.note {
                "The chains still differ from each other: split R-hat is above " (Diagnostics::MIXED) ". Samples and \
                    all results computed from them may show only a part of what the model has learnt."
            }
        }
        div.wide tabindex="0" { table {
            @for (name, value, meaning) in &lines { tr { td { (name) } td.number { (value) } td { (meaning) } } }
        } }
        (figure::chart(&traces(found), "Chains whose lines stay apart do not mix.")?)
    })
}

/// A chart of the watched quantity of a few chains.
fn traces(found: &Diagnostics) -> Chart {
    let points = |trace: &Vec<f64>| trace.iter().enumerate().map(|(i, &y)| ((i * found.interval) as f64, y)).collect();
    let curves =
        found.traces.iter().take(5).map(|trace| Curve { name: String::new(), points: points(trace) }).collect();
    let (title, across) = (format!("The {} of five chains", found.quantity), "sweep".into());
    Chart { title, across, up: "nats".into(), curves, dots: false }
}
