//! Likelihoods of restricted Boltzmann machines: enumerated or annealed from both sides.

use std::ops::ControlFlow;
use std::time::Instant;

use gm_core::{AisSettings, Estimate, ModelKind, Progress, Purpose, Side, Streams};
use gm_rbm::{Rbm, base_rate_bias, free_energy_gap};
use rand::seq::index::sample;

use super::{
    EvalData, EvalReport, EvalSettings, LogProbReport, LowerBound, PartitionReport, PseudoReport, annealed, exact,
    partition_warnings,
};
use crate::error::Result;
use crate::rbm_learner::mean;

/// Conditionals times hidden units up to which the pseudo-likelihood takes every unit of every row.
const PSEUDO_LIMIT: usize = 200_000_000;

/// Measures the likelihood of data under a restricted Boltzmann machine.
///
/// mean log p = -mean F(v) - log Z, with log Z enumerated or annealed from the independent model of the
/// training means. Annealing leans upwards in log p; walks back from random rows (RAISE) give the lower end of the interval.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`] for annealing, family 1 for the pseudo-likelihood, families 2 and 3 for the choice of
/// rows and the walks back, of the settings' seed.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing out of
/// range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_train::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn evaluate_rbm(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<EvalReport> {
    let began = Instant::now();
    data.check("evaluate_rbm", rbm.visible())?;
    let streams = Streams::new(settings.seed);
    let partition = partition(rbm, data, settings, &streams, watch)?;
    let log_probs = rbm.log_prob(&data.rows, partition.value);
    let annealed = partition.runs.is_some() && settings.raise_walks > 0;
    let lower_bound = annealed.then(|| lower_bound(rbm, data, settings, &streams, watch)).transpose()?;
    let mean_log_prob = mean_log_prob(&log_probs, &partition, lower_bound.as_ref());
    let value = mean_log_prob.value;
    let report = EvalReport::new(ModelKind::Rbm, rbm.stack().layers(), data, mean_log_prob, settings.seed);
    Ok(EvalReport {
        log_pseudo_likelihood: Some(pseudo_likelihood(rbm, &data.rows, &streams.fork(Purpose::Evaluate, 1))),
        free_energy_gap: data.train_rows.as_ref().map(|train| free_energy_gap(rbm, &data.rows, train)),
        warnings: partition_warnings(&partition, value, lower_bound.as_ref().map(|lower| value - lower.value)),
        lower_bound,
        log_partition: Some(partition),
        log_probs,
        seconds: began.elapsed().as_secs_f64(),
        ..report
    })
}

fn partition(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<PartitionReport> {
    if settings.exact.enumerates(rbm.enumerable_units()) {
        return Ok(exact(rbm.log_partition()?));
    }
    let base = data.train_means.as_deref().map(base_rate_bias);
    let streams = streams.fork(Purpose::Evaluate, 0);
    Ok(annealed(settings, &rbm.log_partition_ais(&settings.ais, base.as_deref(), &streams, watch)?))
}

/// What the walks back say of log Z varies little from row to row, so that few rows tell the mean over all.
fn lower_bound(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LowerBound> {
    let total = data.rows.samples();
    let mut stream = streams.fork(Purpose::Evaluate, 2).stream(0);
    let chosen = sample(&mut stream, total, settings.raise_walks.min(total)).into_vec();
    // With few rows there are several walks from each.
    let walks: Vec<usize> = chosen.iter().copied().cycle().take(settings.raise_walks).collect();
    let v = data.rows.select(&walks);
    let base = data.train_means.as_deref().map(base_rate_bias);
    let ais = AisSettings { runs: 1, schedule: settings.ais.schedule.clone() };
    let bounds = rbm.log_prob_raise(&v, &ais, base.as_deref(), &streams.fork(Purpose::Evaluate, 3), watch)?;
    let log_z: Vec<f64> = rbm.free_energy(&v).iter().zip(&bounds).map(|(f, bound)| -f - bound).collect();
    let log_z = Estimate::mean(&log_z, Side::Upper, "raise");
    Ok(LowerBound::new(-mean(&rbm.free_energy(&data.rows)), &log_z))
}

fn mean_log_prob(log_probs: &[f64], partition: &PartitionReport, lower: Option<&LowerBound>) -> LogProbReport {
    let value = mean(log_probs);
    let side = if partition.runs.is_some() { "estimate" } else { "exact" };
    let (low, high) = (value + (partition.value - partition.high), value + (partition.value - partition.low));
    match lower {
        Some(lower) => LogProbReport { value, low: lower.low.min(value), high, side, method: "ais and raise" },
        None => LogProbReport { value, low, high, side, method: partition.method },
    }
}

fn pseudo_likelihood(rbm: &Rbm, rows: &gm_core::BitMatrix, streams: &Streams) -> PseudoReport {
    let terms = rows.samples().saturating_mul(rbm.visible()).saturating_mul(rbm.hidden());
    let (values, method) = if terms <= PSEUDO_LIMIT {
        (rbm.log_pseudo_likelihood(rows), "exact")
    } else {
        (rbm.stochastic_pseudo_likelihood(rows, streams), "stochastic")
    };
    let estimate = Estimate::mean(&values, Side::Unbiased, method);
    PseudoReport { value: estimate.value, std_error: estimate.std_error, method }
}
