//! Samples as they come about, and how well the chains mix.

use gm_core::{Matrix, Streams, VisibleKind};
use gm_eval::Model;
use gm_sbn::Sbn;
use maud::{Markup, html};

use super::figure;
use crate::error::Result;
use crate::picture::{self, Chart, Curve, Shape};
use crate::sampling::{Diagnostics, Source, Watched, below_the_same_top};
use crate::units::levels;

/// Chains that are run, and those of which the way is shown.
const CHAINS: usize = 60;
const FILMED: usize = 6;
/// Sweeps at which the film has a picture, before the chains are watched.
const FRAMES: [usize; 9] = [0, 1, 2, 5, 10, 20, 50, 200, 500];
/// Sweeps that end with the watched half.
const WATCHED: usize = 1_000;
/// Above this split R-hat chains have not forgotten where they began.
const MIXED: f64 = 1.05;

/// What a section of the page shows.
pub(super) struct Sampled {
    pub(super) samples: Markup,
    /// None for models that are sampled without chains.
    pub(super) diagnostics: Option<Markup>,
}

/// Draws samples of a model, and watches its chains where it has some.
///
/// # Errors
///
/// [`gm_core::Error::NonFinite`] for a model whose energy overflows, [`crate::error::Error::Picture`].
pub(super) fn sampled(model: &Model, shape: Shape, streams: &Streams) -> Result<Sampled> {
    match Source::of(model, CHAINS, streams) {
        Source::Chains(mut walk) => from_chains(walk.as_mut(), (model.visible_kind(), shape)),
        Source::Ancestral(sbn) => Ok(Sampled { samples: ancestral(sbn, shape, streams)?, diagnostics: None }),
    }
}

fn from_chains(walk: &mut dyn Watched, (kind, shape): (VisibleKind, Shape)) -> Result<Sampled> {
    let mut frames = Vec::new();
    let mut done = 0;
    for frame in FRAMES {
        walk.run(frame - done);
        done = frame;
        frames.push(walk.means());
    }
    let found = walk.run_watched(WATCHED)?;
    let end = walk.means();
    frames.push(end.clone());
    let film = picture::samples(&levels(kind, &side_by_side(&frames, FILMED)), shape, Some(frames.len()));
    let sweeps = FRAMES.map(|sweeps| sweeps.to_string()).join(", ");
    let text = format!(
        "{FILMED} chains from left to right, started at random: means of the visible units after {sweeps} and {} sweeps.",
        done + WATCHED
    );
    let text_of_end = format!("Means of the visible units of {CHAINS} chains after {} sweeps.", done + WATCHED);
    Ok(Sampled {
        samples: html! { div.figures {
            (figure::pixels("Samples over chain time", &text, &film)?)
            (figure::pixels("Samples at the end", &text_of_end, &picture::samples(&levels(kind, &end), shape, Some(10)))?)
        } },
        diagnostics: found.map(|found| diagnostics(&found)).transpose()?,
    })
}

/// The first chains of each frame, a chain after the other, [units, chains * frames].
fn side_by_side(frames: &[Matrix], chains: usize) -> Matrix {
    let columns = (0..chains).flat_map(|chain| frames.iter().map(move |frame| frame.column(chain)));
    Matrix::from_columns(&columns.collect::<Vec<_>>())
}

fn ancestral(sbn: &Sbn, shape: Shape, streams: &Streams) -> Result<Markup> {
    let (tops, draws) = (FILMED, 10);
    let film = picture::samples(&below_the_same_top(sbn, (tops, draws), streams), shape, Some(draws));
    let text = format!(
        "Each line has one state of the top layer and {draws} draws of the layers below it: what the top decides, and what it leaves open."
    );
    let samples = crate::sampling::ancestral(sbn, CHAINS, true, streams);
    Ok(html! {
        p { "A belief net is sampled from the top layer down. Its samples are independent, so that there is no chain to wait for." }
        div.figures {
            (figure::pixels("Below the same top", &text, &film)?)
            (figure::pixels("Samples", "Probabilities of the visible units.", &picture::samples(&samples, shape, Some(10)))?)
        }
    })
}

fn diagnostics(found: &Diagnostics) -> Result<Markup> {
    let lines = [
        (
            "autocorrelation time",
            format!("{:.1} sweeps", found.autocorrelation_time),
            "sweeps that are worth one independent draw of a chain",
        ),
        ("effective sample size", format!("{:.0}", found.ess), "independent draws that all chains together were worth"),
        (
            "split R-hat",
            format!("{:.3}", found.split_r_hat),
            "1 when the chains agree with each other and with themselves",
        ),
        ("movement", format!("{:.1} %", 100.0 * found.flips), "visible units that change in a sweep"),
    ];
    Ok(html! {
        p { (found.chains) " chains, watched by their " (found.quantity) " over " (found.sweeps) " sweeps." }
        @if found.split_r_hat > MIXED {
            p.note {
                "The chains still differ from each other: split R-hat is above " (MIXED) ". Samples and whatever is computed from them \
                 may show only a part of what the model has learnt."
            }
        }
        div.wide { table {
            @for (name, value, meaning) in &lines { tr { td { (name) } td.number { (value) } td { (meaning) } } }
        } }
        (figure::chart(&traces(found), "Lines that keep apart are chains that stay where they are.")?)
    })
}

/// The watched quantity of a few chains.
fn traces(found: &Diagnostics) -> Chart {
    let points = |trace: &Vec<f64>| trace.iter().enumerate().map(|(i, &y)| ((i * found.interval) as f64, y)).collect();
    let curves =
        found.traces.iter().take(5).map(|trace| Curve { name: String::new(), points: points(trace) }).collect();
    let (title, across) = (format!("The {} of five chains", found.quantity), "sweep".into());
    Chart { title, across, up: "nats".into(), curves, rising: false }
}
