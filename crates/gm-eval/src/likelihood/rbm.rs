//! Likelihoods of RBMs: enumerated, or annealed from both sides.

use std::time::Instant;

use gm_core::{
    Batch, Estimate, Matrix, ModelKind, Purpose, Side, Streams, VisibleKind, Watch, even_temperatures, mean,
};
use gm_rbm::Rbm;

use crate::error::Result;
use crate::likelihood::interval::{WIDE_INTERVAL, annealed, exact, partition_warnings};
use crate::likelihood::raise::Raise;
use crate::report::{EvalReport, LogProbReport, LowerBound, PartitionReport, PseudoReport, ReverseReport};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// Conditionals times hidden units up to which the pseudo-likelihood takes every unit of every row.
const PSEUDO_LIMIT: usize = 200_000_000;

/// Measures the likelihood of data under an RBM.
///
/// mean log p = -mean F(v) - log Z
///
/// log Z is enumerated, or annealed from independent units with the training means. Annealing makes log p too high in
/// expectation. Reverse AIS from random rows (RAISE) gives the lower end of the interval. With `reverse_runs`, reverse
/// AIS from samples of the model, drawn by parallel tempering, gives a lower end as well. Label units are summed out; a
/// run of RAISE begins with a class drawn from p(y | v). For Gaussian units p is the density of the data in their own
/// units of measure.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`] of the settings' seed: 0 for annealing, 1 for the pseudo-likelihood, 2 for the
/// choice of rows and their classes, 3 for RAISE, 5 for samples of the model, 6 for reverse AIS from these samples.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing
/// out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_rbm(rbm: &Rbm, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    let began = Instant::now();
    data.check("evaluate_rbm", rbm.row_units())?;
    let streams = Streams::new(settings.seed);
    let partition = partition(rbm, data, settings, &streams, watch)?;
    let free_energy = rbm.free_energy_of_rows(&data.rows)?;
    let log_probs: Vec<f64> = free_energy.iter().map(|f| -f - partition.value).collect();
    let annealed = partition.runs.is_some() && settings.raise_walks > 0;
    let log_z = annealed.then(|| log_z_from_data(rbm, data, settings, &streams, watch)).transpose()?;
    let lower_bound = log_z.map(|log_z| LowerBound::new(-mean(&free_energy), &log_z));
    let back = partition.runs.is_some() && settings.reverse_runs > 0;
    let reverse = back.then(|| reverse(rbm, data, settings, &streams, watch)).transpose()?;
    let mean_log_prob = mean_log_prob(&log_probs, &partition, lower_bound.as_ref(), reverse.as_ref());
    let value = mean_log_prob.value;
    // Densities, unlike probabilities, may exceed 1.
    let at_most_0 = if rbm.units().is_binary() { value } else { f64::NEG_INFINITY };
    let gap_of_sides = lower_bound.as_ref().map(|lower| value - lower.value);
    let mut warnings = partition_warnings(&partition, at_most_0, gap_of_sides);
    warnings.extend(reverse.as_ref().and_then(|reverse| disagreement(&partition, reverse)));
    let report = EvalReport::new(ModelKind::Rbm, rbm.stack().layers(), data, mean_log_prob, settings.seed);
    Ok(EvalReport {
        log_pseudo_likelihood: pseudo_likelihood(rbm, &data.rows, &streams.fork(Purpose::Evaluate, 1)),
        free_energy_gap: gap(rbm, &free_energy, data.train_rows.as_ref())?,
        warnings,
        lower_bound,
        reverse_log_partition: reverse,
        log_partition: Some(partition),
        log_probs,
        seconds: began.elapsed().as_secs_f64(),
        visible: Some(rbm.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    })
}

fn partition(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<PartitionReport> {
    if settings.exact.enumerates(rbm.enumerable_units()) {
        return Ok(exact(rbm.log_partition()?));
    }
    let base = base(rbm, data);
    let streams = streams.fork(Purpose::Evaluate, 0);
    Ok(annealed(settings, &rbm.log_partition_ais(&settings.ais, base.as_deref(), &streams, watch)?))
}

/// Biases of the independent model with the means of the training split and classes that are equally probable.
fn base(rbm: &Rbm, data: &EvalData) -> Option<Vec<f32>> {
    let mut means = data.train_means.clone()?;
    means.extend(std::iter::repeat_n(1.0 / rbm.classes() as f32, rbm.classes()));
    if let Some(standardise) = rbm.units().standardise() {
        means = standardise.apply(&Matrix::from_vec(means.len(), 1, means)).as_slice().to_vec();
    }
    Some(rbm.units().bias_of_means(&means))
}

/// Mean free energy of rows minus that of training rows.
fn gap(rbm: &Rbm, free_energy: &[f64], train: Option<&Batch>) -> Result<Option<f64>> {
    let train = train.map(|train| rbm.free_energy_of_rows(train)).transpose()?;
    Ok(train.map(|train| mean(free_energy) - mean(&train)))
}

/// log Z from above, by reverse AIS from random rows.
fn log_z_from_data(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Estimate> {
    let base = base(rbm, data);
    Raise { rows: &data.rows, settings, streams }.log_z(|rows, ais, choice, runs| {
        let v = rbm.states_of_rows(rows, choice)?;
        let bounds = rbm.log_prob_raise(&v, ais, base.as_deref(), runs, watch)?;
        Ok(rbm.free_energy(&v).iter().zip(&bounds).map(|(f, bound)| -f - bound).collect())
    })
}

/// log Z by reverse AIS from the states in which parallel tempering ends.
fn reverse(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<ReverseReport> {
    let base = base(rbm, data);
    let (tempering, family) = (settings.tempering, streams.fork(Purpose::Evaluate, 5));
    let temperatures = even_temperatures(tempering.temperatures)?;
    let mut replicas = rbm.replicas(settings.reverse_runs, &temperatures, base.as_deref(), &family)?;
    let info = rbm.sampler().settle(&mut replicas, tempering.sweeps, &family, watch)?;
    let (v, schedule) = (replicas.coldest().into_v(), &settings.ais.schedule);
    let family = streams.fork(Purpose::Evaluate, 6);
    let found = rbm.log_partition_reverse_ais(&v, schedule, base.as_deref(), &family, watch)?;
    let log_z = found.log_partition;
    Ok(ReverseReport {
        value: log_z.value,
        std_error: log_z.std_error,
        low: log_z.low,
        high: log_z.high,
        method: "reverse ais",
        runs: settings.reverse_runs,
        temperatures: found.temperatures,
        ess: found.ess,
        sweeps: tempering.sweeps,
        swap_acceptance: mean(&info.acceptance),
        lowest_swap_acceptance: info.acceptance.iter().copied().fold(1.0, f64::min),
    })
}

/// A warning if AIS and reverse AIS do not agree on log Z.
fn disagreement(partition: &PartitionReport, reverse: &ReverseReport) -> Option<String> {
    let gap = reverse.value - partition.value;
    let remedy = match gap {
        // NaN is no agreement either.
        gap if gap.abs() <= WIDE_INTERVAL => return None,
        gap if gap < 0.0 => "the samples of the model are not in equilibrium: raise --reverse-sweeps",
        _ => "anneal over more temperatures, and raise --reverse-sweeps",
    };
    Some(format!(
        "walks forth and back find values of log Z that are {:.1} nats apart, more than 2: {remedy}",
        gap.abs()
    ))
}

fn mean_log_prob(
    log_probs: &[f64],
    partition: &PartitionReport,
    lower: Option<&LowerBound>,
    reverse: Option<&ReverseReport>,
) -> LogProbReport {
    let value = mean(log_probs);
    let side = if partition.runs.is_some() { "estimate" } else { "exact" };
    let high = value + (partition.value - partition.low);
    let below = [lower.map(|lower| lower.low), reverse.map(|reverse| value + (partition.value - reverse.high))];
    let low = below.into_iter().flatten().reduce(f64::min);
    let low = low.map_or(value + (partition.value - partition.high), |low| low.min(value));
    let method = match (lower, reverse) {
        (Some(_), Some(_)) => "ais, raise and reverse ais",
        (Some(_), None) => "ais and raise",
        (None, Some(_)) => "ais and reverse ais",
        (None, None) => partition.method,
    };
    LogProbReport { value, low, high, side, method }
}

/// The pseudo-likelihood of binary units. An RBM with label units has none, because the class of a row is unknown.
fn pseudo_likelihood(rbm: &Rbm, rows: &Batch, streams: &Streams) -> Option<PseudoReport> {
    let rows = rows.as_bits().filter(|_| rbm.classes() == 0)?;
    let terms = rows.samples().saturating_mul(rbm.visible()).saturating_mul(rbm.hidden());
    let (values, method) = if terms <= PSEUDO_LIMIT {
        (rbm.log_pseudo_likelihood(rows), "exact")
    } else {
        (rbm.stochastic_pseudo_likelihood(rows, streams), "stochastic")
    };
    let estimate = Estimate::mean(&values, Side::Unbiased, method);
    Some(PseudoReport { value: estimate.value, std_error: estimate.std_error, method })
}
