//! Likelihoods of SBNs: enumerated, or bounded from below by importance weights.

use std::time::Instant;

use gm_core::{ModelKind, Streams, Watch, mean};
use gm_sbn::{Bounds, Sbn};

use crate::error::Result;
use crate::likelihood::interval::LOW_ESS;
use crate::report::{EvalReport, ImportanceReport, LogProbReport};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// The share of rows with the smallest effective sample size, for which a warning is given.
const WORST: f64 = 0.05;

/// The effective sample size below which one draw decides the weight of a row.
const FEWEST: f64 = 2.0;

/// Measures the likelihood of data under an SBN.
///
/// Exact by enumeration of the hidden units; otherwise the importance-weighted bound, which lies below mean log p in
/// expectation and grows with the number of draws. With a recognition net the bounds are measured in any case.
///
/// # Randomness
///
/// The draws of [`Sbn::bounds`] with the settings' seed.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for a model that can be
/// neither enumerated nor bounded or for settings out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `burda2016importance`.
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
    let began = Instant::now();
    data.check_bits("evaluate_sbn", sbn.visible())?;
    let exact = settings.exact.enumerates(sbn.hidden());
    let log_probs = exact.then(|| sbn.log_prob(data.rows.bits())).transpose()?;
    let bounds = (sbn.recognition().is_some() || !exact)
        .then(|| sbn.bounds(data.rows.bits(), &settings.bound, &Streams::new(settings.seed), watch))
        .transpose()?;
    let mean_log_prob = mean_log_prob(log_probs.as_deref(), bounds.as_ref());
    let importance_weighted = bounds.as_ref().map(importance);
    let report = EvalReport::new(ModelKind::Sbn, sbn.layers(), data, mean_log_prob, settings.seed);
    Ok(EvalReport {
        elbo: bounds.as_ref().map(|bounds| mean(&bounds.elbo)),
        warnings: importance_weighted.iter().filter(|_| !exact).flat_map(warning).collect(),
        importance_weighted,
        log_probs: log_probs.or(bounds.map(|bounds| bounds.rows())).unwrap_or_default(),
        seconds: began.elapsed().as_secs_f64(),
        ..report
    })
}

/// The exact value if there is one, otherwise the bound with its own error on both sides.
fn mean_log_prob(log_probs: Option<&[f64]>, bounds: Option<&Bounds>) -> LogProbReport {
    match (log_probs.map(mean), bounds.map(Bounds::mean)) {
        (None, Some(bound)) => {
            LogProbReport { value: bound.value, low: bound.low, high: bound.high, side: "lower", method: bound.method }
        }
        (value, _) => {
            let value = value.unwrap_or(f64::NAN);
            LogProbReport { value, low: value, high: value, side: "exact", method: "exact" }
        }
    }
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

/// The bound is loose where single draws decide.
fn warning(bound: &ImportanceReport) -> Option<String> {
    let (ess, low, samples) = (bound.ess, bound.low_ess, bound.samples);
    let few = ess < LOW_ESS * samples as f64 && low < FEWEST;
    few.then(|| {
        format!(
            "the effective sample size of the {samples} weights is {ess:.1} on average and below {low:.2} for the worst \
             5 % of rows: the bound grows with more draws"
        )
    })
}
