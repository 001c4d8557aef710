//! Likelihoods of SBNs: enumerated, or bounded from below by importance weights.

use std::ops::Range;
use std::time::Instant;

use gm_core::{Batch, Chains, ModelKind, Purpose, Streams, VisibleKind, Watch, mean};
use gm_sbn::{BoundSettings, Bounds, Sbn};

use super::gap::{measured, of_annealing, of_weights};
use super::independent::layer_of_rows;
use super::interval::{bound, exact as exact_value, higher};
use super::posterior::tightened;
use super::shards::Shards;
use crate::error::Result;
use crate::report::{EvalReport, GapReport, ImportanceReport};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// The share of rows with the smallest effective sample size, for which a warning is given.
const WORST: f64 = 0.05;

/// Measures the likelihood of data under an SBN.
///
/// Exact without hidden layers, and by enumeration of the hidden units; otherwise the importance-weighted bound, which lies below mean log p in
/// expectation and grows with the number of draws. Its lower end is three standard errors below it, and its upper end is
/// open. On rows drawn from the net, the gap between this bound and an upper bound is measured. With a recognition net the
/// bounds are measured in any case.
///
/// # Randomness
///
/// The draws of [`Sbn::bounds`] with the settings' seed. Families of [`Purpose::Evaluate`]: 7 for the draws for the rows
/// of the gap, 9 for these rows.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for a model that can be
/// neither enumerated nor bounded or for settings out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `burda2016importance`, `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_sbn};
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_sbn(&sbn, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_sbn(sbn: &Sbn, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    measure(sbn, data, settings, &mut settings.all_shards("evaluate_sbn")?, watch)
}

/// [`evaluate_sbn`] with the given shards.
pub(super) fn measure(
    sbn: &Sbn,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    let began = Instant::now();
    data.check_bits("evaluate_sbn", sbn.visible())?;
    // Without hidden layers log p is exact without any enumeration.
    let exact = sbn.depth() == 0 || settings.exact.enumerates(sbn.hidden());
    let log_probs = exact.then(|| sbn.log_prob_watched(data.rows.bits(), watch)).transpose()?;
    let bounds = (sbn.recognition().is_some() || !exact)
        .then(|| {
            bounds_of_rows(shards, data.rows.samples(), &settings.bound, |range, streams| {
                let v = data.rows.bits().select(&range.collect::<Vec<_>>());
                Ok(sbn.bounds(&v, &settings.bound, streams, watch)?)
            })
        })
        .transpose()?;
    let weighted = match (&bounds, &log_probs) {
        (Some(bounds), _) => (bounds.rows(), bounds.mean().std_error),
        (None, exact) => (exact.clone().unwrap_or_default(), 0.0),
    };
    let annealed = tightened((&weighted.0, weighted.1), 0.0, settings, shards, |rows, ais, streams| {
        Ok(sbn.log_prob_ais(&data.rows.bits().select(rows), ais, streams, watch)?)
    })?;
    let mean_log_prob = match (&log_probs, &bounds) {
        (None, Some(bounds)) => {
            let found = bounds.mean();
            bound(&higher(found.value, found.std_error, annealed.as_ref()))
        }
        (log_probs, _) => exact_value(log_probs.as_deref().map_or(f64::NAN, mean)),
    };
    let gap = (!exact).then(|| gap(sbn, settings, shards, watch)).transpose()?.flatten();
    let importance_weighted = bounds.as_ref().map(importance);
    let report = EvalReport::new(ModelKind::Sbn, sbn.layers(), data, mean_log_prob, settings);
    let layer = layer_of_rows(VisibleKind::Bernoulli, data.rows.units())?;
    EvalReport {
        elbo: bounds.as_ref().map(|bounds| mean(&bounds.elbo)),
        importance_weighted,
        annealed_posterior: annealed,
        gap,
        log_probs: log_probs.or(bounds.map(|bounds| bounds.rows())).unwrap_or_default(),
        ..report
    }
    .finished(None, &layer, data, began)
}

/// The gap of the importance-weighted bound on exact draws of the net, whose hidden layers are known.
fn gap(sbn: &Sbn, settings: &EvalSettings, shards: &mut Shards<'_>, watch: Watch<'_>) -> Result<Option<GapReport>> {
    measured(settings, shards, "exact", |_, rows, streams| {
        let layers = sbn.sampler().sample(rows, &streams.fork(Purpose::Evaluate, 9));
        let family = streams.fork(Purpose::Evaluate, 7);
        if settings.posterior.runs > 0 {
            let ais = settings.posterior.ais();
            let forward = sbn.log_prob_ais(&layers[0], &ais, &family, watch)?;
            let (back, states) = (streams.fork(Purpose::Evaluate, 11), layers.into_iter().map(Batch::from).collect());
            let reverse = sbn.log_prob_reverse_ais(&Chains::new(states), &ais.schedule, &back, watch)?;
            return Ok(of_annealing(&forward, &reverse));
        }
        let bound = BoundSettings { repeats: 1, ..settings.bound };
        let found = sbn.bounds(&layers[0], &bound, &family, watch)?;
        Ok(of_weights(&found.rows(), &sbn.log_importance_weights(&layers)?, bound.samples))
    })
}

/// The bounds of rows, divided among the shards. `bounds` gets the rows of a shard.
pub(super) fn bounds_of_rows(
    shards: &mut Shards<'_>,
    rows: usize,
    settings: &BoundSettings,
    mut bounds: impl FnMut(Range<usize>, &Streams) -> Result<Bounds>,
) -> Result<Bounds> {
    let repeats = settings.repeats;
    // Of each row: the bound of each repeat, the ELBO and the effective sample size.
    let found = shards.rows("importance", (rows, repeats + 2), |range, streams| {
        let found = bounds(range, streams)?;
        let of_row = |row: usize| {
            let weighted = found.importance_weighted.iter().map(move |repeat| repeat[row]);
            weighted.chain([found.elbo[row], found.ess[row]])
        };
        Ok((0..found.elbo.len()).flat_map(of_row).collect())
    })?;
    let column = |place: usize| found.iter().skip(place).step_by(repeats + 2).copied().collect::<Vec<f64>>();
    Ok(Bounds {
        importance_weighted: (0..repeats).map(column).collect(),
        elbo: column(repeats),
        ess: column(repeats + 1),
        samples: settings.samples,
    })
}

/// The report of these bounds.
pub(super) fn importance(bounds: &Bounds) -> ImportanceReport {
    let (found, repeats) = (bounds.mean(), bounds.importance_weighted.len());
    let mut ess = bounds.ess.clone();
    ess.sort_by(f64::total_cmp);
    ImportanceReport {
        samples: bounds.samples,
        value: found.value,
        std_error: found.std_error,
        repeats,
        spread: (repeats > 1).then(|| bounds.spread()),
        ess: mean(&ess),
        low_ess: ess[(WORST * ess.len() as f64) as usize],
    }
}
