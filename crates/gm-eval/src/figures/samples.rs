//! Samples of a model as they come about over chain time.

use gm_core::{Matrix, Progress, Streams, Watch};

use crate::chains::{ChainSettings, Diagnostics, SampleSource, chains_of, independent_samples, samples_below_tops};
use crate::error::{Result, tell};
use crate::model::Model;

/// How many samples are drawn, and when they are recorded.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleFigures, SampleFigureSettings, sample_figures};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let settings = SampleFigureSettings { count: 5, moments: vec![0, 10], watched: 100, ..Default::default() };
/// let SampleFigures::Chains { frames, .. } = sample_figures(&model, &settings, &Streams::new(1), &mut unwatched)? else {
///     unreachable!()
/// };
/// assert_eq!(frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 10, 110]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFigureSettings {
    /// Number of samples: one of each chain, or independent samples.
    pub count: usize,
    /// Sweeps after which the chains are recorded, rising.
    pub moments: Vec<usize>,
    /// Further sweeps, during whose second half the chains are watched.
    pub watched: usize,
    /// For an SBN: states of the top layer, and draws of the layers below each of them.
    pub below_tops: (usize, usize),
}

impl Default for SampleFigureSettings {
    /// 60 chains at 9 moments in 500 sweeps, 1,000 further sweeps, and 10 draws below each of 6 states.
    fn default() -> Self {
        let moments = vec![0, 1, 2, 5, 10, 20, 50, 200, 500];
        Self { count: 60, moments, watched: 1_000, below_tops: (6, 10) }
    }
}

/// Samples of a model with evidence of how they came about.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleFigures, SampleFigureSettings, sample_figures};
///
/// let model = Model::Sbn(gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?);
/// let found = sample_figures(&model, &SampleFigureSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert!(matches!(found, SampleFigures::Independent { samples, .. } if samples.ncols() == 60));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum SampleFigures {
    /// Samples of chains.
    Chains {
        /// Sweeps made so far, and means of the visible units of each chain, `[units, chains]`.
        frames: Vec<(usize, Matrix)>,
        /// How well the chains mix; absent after very few sweeps.
        diagnostics: Option<Diagnostics>,
    },
    /// Independent samples of an SBN.
    Independent {
        /// Samples that share states of the top layer, `[units, tops * draws]`.
        below_tops: Matrix,
        /// Means of the visible units, `[units, samples]`.
        samples: Matrix,
    },
}

/// Draws samples of a model, and watches its chains if it has some.
///
/// # Errors
///
/// [`gm_core::Error::NonFinite`] for a model whose energy overflows, [`gm_core::Error::Interrupted`] if `watch` breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleFigures, SampleFigureSettings, sample_figures};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let found = sample_figures(&model, &SampleFigureSettings::default(), &Streams::new(1), &mut unwatched)?;
/// let SampleFigures::Chains { frames, diagnostics } = found else { unreachable!() };
/// assert!(frames.len() == 10 && diagnostics.is_some_and(|found| found.sweeps == 500));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn sample_figures(
    model: &Model,
    settings: &SampleFigureSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<SampleFigures> {
    const OP: &str = "sample_figures";
    let mut chains = match chains_of(model, settings.count, &ChainSettings::default(), streams)? {
        SampleSource::Chains(chains) => chains,
        SampleSource::Independent(sbn) => {
            return Ok(SampleFigures::Independent {
                below_tops: samples_below_tops(sbn, settings.below_tops, streams),
                samples: independent_samples(sbn, settings.count, true, streams),
            });
        }
    };
    let (mut frames, mut done) = (Vec::new(), 0);
    let last = settings.moments.last().copied().unwrap_or_default();
    for &moment in &settings.moments {
        chains.advance(moment.saturating_sub(done));
        done = done.max(moment);
        frames.push((done, chains.means()));
        tell(watch, OP, (done, last + settings.watched))?;
    }
    let total = last + settings.watched;
    let diagnostics = chains
        .advance_watched(settings.watched, &mut |further| watch(Progress { done: last + further.done, total }))?;
    frames.push((done + settings.watched, chains.means()));
    Ok(SampleFigures::Chains { frames, diagnostics })
}
