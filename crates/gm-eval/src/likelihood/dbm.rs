//! Likelihoods of DBMs: enumerated, or bounded by mean field with log Z annealed from both sides.

use std::time::Instant;

use gm_core::{Batch, Estimate, ModelKind, Purpose, Streams, VisibleKind, Watch, mean};
use gm_dbm::{Dbm, MeanField, MeanFieldSettings};

use crate::error::Result;
use crate::likelihood::interval::{annealed, exact, from_both_sides, partition_warnings};
use crate::likelihood::raise::Raise;
use crate::report::{EvalReport, ImportanceReport, LowerBound};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// Measures the likelihood of data under a DBM.
///
/// log Z is enumerated, or annealed over the smaller half of the layers. The report has the bound of mean field and a
/// tighter bound from importance-weighted draws of mean field. If log Z is annealed, reverse AIS from random rows
/// (RAISE) gives the lower end of the interval. If the hidden layers can be enumerated too, log p is exact. For
/// Gaussian units p is the density of the data in their own units of measure.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`] of the settings' seed: 0 for annealing, 2 for the choice of rows, 3 for RAISE, 4
/// for the importance weights.
///
/// # Errors
///
/// The errors of [`Dbm::check_data`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing
/// out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2009deep`, `burda2015accurate`, `burda2016importance`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_dbm};
///
/// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_dbm(&dbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_dbm(dbm: &Dbm, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    let began = Instant::now();
    data.check("evaluate_dbm", dbm.visible())?;
    let streams = Streams::new(settings.seed);
    let train = data.train_rows.as_ref().map(|rows| dbm.states_of_rows(rows)).transpose()?;
    let (v, volume) = (dbm.states_of_rows(&data.rows)?, dbm.log_volume());
    let base = train.as_ref().map(|rows| dbm.base_rates(rows)).transpose()?;
    let partition = match settings.exact.enumerates(dbm.enumerable_units()) {
        true => exact(dbm.log_partition()?),
        false => {
            let streams = streams.fork(Purpose::Evaluate, 0);
            annealed(settings, &dbm.log_partition_ais(&settings.ais, base.as_deref(), &streams, watch)?)
        }
    };
    let posterior = dbm.mean_field(&v, &MeanFieldSettings::default())?;
    let bounds = posterior.bound(dbm, &v, partition.value + volume);
    let log_z = partition.value + volume;
    let (importance, weighted) = importance(dbm, (&v, &posterior), settings, log_z, &streams, watch)?;
    let annealed = partition.runs.is_some() && settings.raise_walks > 0;
    let log_z = annealed.then(|| log_z_from_data(dbm, &v, settings, base.as_deref(), &streams, watch)).transpose()?;
    let lower = log_z.as_ref().map(|log_z| LowerBound::new(mean(&bounds) + partition.value, log_z));
    let exact_rows = settings.exact.enumerates(dbm.enumerable_hidden_units()) && partition.runs.is_none();
    let log_probs = if exact_rows { dbm.log_prob(&v, partition.value + volume)? } else { weighted };
    let mean_log_prob = from_both_sides(mean(&log_probs), exact_rows, &partition, lower.as_ref());
    // Densities, unlike probabilities, may exceed 1.
    let at_most_0 = if dbm.units().is_binary() { mean(&log_probs) } else { f64::NEG_INFINITY };
    let report = EvalReport::new(ModelKind::Dbm, dbm.layers(), data, mean_log_prob, settings.seed);
    Ok(EvalReport {
        elbo: Some(mean(&bounds)),
        importance_weighted: (!exact_rows).then_some(importance),
        free_energy_gap: free_energy_gap(dbm, train.as_ref(), mean(&bounds) + partition.value + volume)?,
        warnings: partition_warnings(&partition, at_most_0, lower.as_ref().map(|lower| mean(&bounds) - lower.value)),
        lower_bound: lower,
        log_partition: Some(partition),
        log_probs,
        seconds: began.elapsed().as_secs_f64(),
        visible: Some(dbm.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    })
}

/// The importance-weighted bound with draws of mean field, as a report and for each row.
fn importance(
    dbm: &Dbm,
    (v, posterior): (&Batch, &MeanField),
    settings: &EvalSettings,
    log_partition: f64,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<(ImportanceReport, Vec<f64>)> {
    let (draws, streams) = (settings.bound.samples, streams.fork(Purpose::Evaluate, 4));
    let found = dbm.importance_weights((v, posterior), draws, &streams, watch)?;
    let log_probs: Vec<f64> = found.iter().map(|row| row.value - log_partition).collect();
    let square = found.iter().map(|row| row.std_error.powi(2)).sum::<f64>();
    let mut ess: Vec<f64> = found.iter().map(|row| row.ess).collect();
    ess.sort_by(f64::total_cmp);
    let report = ImportanceReport {
        samples: draws,
        value: mean(&log_probs),
        std_error: square.sqrt() / found.len() as f64,
        repeats: 1,
        spread: None,
        ess: mean(&ess),
        low_ess: ess[ess.len() / 20],
    };
    Ok((report, log_probs))
}

/// log Z by reverse AIS from random rows: too high in expectation.
fn log_z_from_data(
    dbm: &Dbm,
    v: &Batch,
    settings: &EvalSettings,
    base: Option<&[Vec<f32>]>,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Estimate> {
    Raise { rows: v, settings, streams }.log_z(|v, ais, _, runs| {
        let log_probs = dbm.log_prob_raise(v, ais, base, runs, watch)?;
        // The mean of the bounds of mean field over all rows is known.
        let bounds = unnormalised_bounds(dbm, v)?;
        Ok(bounds.iter().zip(&log_probs).map(|(bound, log_p)| bound - log_p).collect())
    })
}

/// The bounds of mean field without log Z.
fn unnormalised_bounds(dbm: &Dbm, v: &Batch) -> Result<Vec<f64>> {
    Ok(dbm.mean_field(v, &MeanFieldSettings::default())?.bound(dbm, v, 0.0))
}

/// Mean variational free energy of the rows minus that of training rows.
fn free_energy_gap(dbm: &Dbm, train: Option<&Batch>, unnormalised: f64) -> Result<Option<f64>> {
    let Some(train) = train else { return Ok(None) };
    Ok(Some(mean(&unnormalised_bounds(dbm, train)?) - unnormalised))
}
