//! Likelihoods of DBMs: enumerated, or bounded by mean field with log Z annealed from both sides.

use std::time::Instant;

use gm_core::{
    AisSettings, Annealed, Batch, Chains, ModelKind, Purpose, Streams, TemperingInfo, VisibleKind, Watch,
    even_temperatures, mean,
};
use gm_dbm::{Dbm, MeanField, MeanFieldSettings};

use super::gap::{of_annealing, of_states, of_weights};
use super::independent::layer_of_rows;
use super::interval::{bound_with_log_z, estimate, exact, higher};
use super::log_z::{LogZ, Undirected};
use super::posterior::{tightened, weighted_rows};
use super::shards::Shards;
use crate::error::Result;
use crate::report::{EvalReport, ImportanceReport, LowerBound};
use crate::rows::EvalData;
use crate::settings::{EvalSettings, TemperingSettings};

/// Measures the likelihood of data under a DBM.
///
/// log Z is enumerated, or annealed over the smaller half of the layers, from both sides. The report has the bound of mean
/// field and a tighter bound from importance-weighted draws of mean field. The lower end is this bound minus three of its
/// standard errors and minus the upper end of log Z. The upper end is open, unless log p is exact, because the hidden
/// layers can be enumerated too, or there is a single hidden layer. On rows drawn from the model, the gap between this
/// bound and an upper bound is measured. For Gaussian units p is the density of the data in their own units of measure.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`] of the settings' seed: 0 for annealing, 2 for the choice of rows, 3 for RAISE, 4
/// for the importance weights, 5 for samples of the model, 6 for reverse AIS from these samples, 7 for the importance
/// weights of these samples, 9 for exact samples.
///
/// # Errors
///
/// The errors of [`Dbm::check_data`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing
/// out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2009deep`, `burda2015accurate`, `burda2016importance`, `grosse2015sandwiching`.
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
    measure(dbm, data, settings, &mut settings.all_shards("evaluate_dbm")?, watch)
}

/// [`evaluate_dbm`] with the given shards.
pub(super) fn measure(
    dbm: &Dbm,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    let began = Instant::now();
    data.check("evaluate_dbm", dbm.visible())?;
    let train = data.train_rows.as_ref().map(|rows| dbm.states_of_rows(rows)).transpose()?;
    let (v, volume) = (dbm.states_of_rows(&data.rows)?, dbm.log_volume());
    let model = Annealable { dbm, base: train.as_ref().map(|rows| dbm.base_rates(rows)).transpose()? };
    let (log_z, states) = LogZ::measure(&model, &v, settings, shards, watch)?;
    let posterior = dbm.mean_field(&v, &MeanFieldSettings::default())?;
    let total = log_z.partition.value + volume;
    let bounds = posterior.bound(dbm, &v, total);
    let (importance, weighted) = importance(dbm, (&v, &posterior), settings, total, shards, watch)?;
    // The posterior of a single hidden layer is factorial, and importance weights are exact.
    let hidden_exact = dbm.depth() == 1 || settings.exact.enumerates(dbm.enumerable_hidden_units()) && log_z.is_exact();
    let log_probs = if hidden_exact && log_z.is_exact() { dbm.log_prob_watched(&v, total, watch)? } else { weighted };
    let value = mean(&log_probs);
    let annealed = match hidden_exact {
        true => None,
        false => tightened((&log_probs, importance.std_error), total, settings, shards, |rows, ais, streams| {
            Ok(dbm.log_prob_ais(&v.select(rows), 0.0, ais, streams, watch)?)
        })?,
    };
    let mean_log_prob = match (hidden_exact, log_z.is_exact()) {
        (true, true) => exact(value),
        (true, false) => estimate(value, &log_z),
        _ => bound_with_log_z(&higher(value, importance.std_error, annealed.as_ref()), &log_z),
    };
    let gap = match hidden_exact {
        true => None,
        false => of_states(
            (settings, dbm.enumerable_units()),
            shards,
            (&log_z, states),
            |count, streams| Ok(dbm.exact_samples(count, streams)?),
            |states, most, streams| gaps(dbm, states, most, settings, streams, watch),
        )?,
    };
    let report = EvalReport::new(ModelKind::Dbm, dbm.layers(), data, mean_log_prob, settings);
    let layer = layer_of_rows(dbm.units().kind(), data.rows.units())?;
    EvalReport {
        elbo: Some(mean(&bounds)),
        importance_weighted: (!hidden_exact).then_some(importance),
        annealed_posterior: annealed,
        gap,
        free_energy_gap: free_energy_gap(dbm, train.as_ref(), mean(&bounds) + total)?,
        lower_bound: log_z.raise.as_ref().map(|raise| LowerBound::new(mean(&bounds) + log_z.partition.value, raise)),
        log_probs,
        visible: Some(dbm.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    }
    .finished(Some(log_z), &layer, data, began)
}

/// A DBM with the base from which its annealing starts.
pub(super) struct Annealable<'a> {
    pub(super) dbm: &'a Dbm,
    pub(super) base: Option<Vec<Vec<f32>>>,
}

impl Undirected for Annealable<'_> {
    type States = Chains;

    fn enumerable_units(&self) -> usize {
        self.dbm.enumerable_units()
    }

    fn exact(&self, watch: Watch<'_>) -> Result<f64> {
        Ok(self.dbm.log_partition_watched(watch)?)
    }

    fn ais(&self, settings: &AisSettings, streams: &Streams, watch: Watch<'_>) -> Result<Annealed> {
        Ok(self.dbm.log_partition_ais(settings, self.base.as_deref(), streams, watch)?)
    }

    fn tempered(
        &self,
        count: usize,
        settings: TemperingSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Chains, TemperingInfo)> {
        let temperatures = even_temperatures(settings.temperatures)?;
        Ok(self.dbm.tempered_samples((count, settings.sweeps), &temperatures, self.base.as_deref(), streams, watch)?)
    }

    fn reverse_ais(
        &self,
        states: &Chains,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        Ok(self.dbm.log_partition_reverse_ais(states, &settings.schedule, self.base.as_deref(), streams, watch)?)
    }

    fn raise(
        &self,
        rows: &Batch,
        ais: &AisSettings,
        (_, runs): (&Streams, &Streams),
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let log_probs = self.dbm.log_prob_raise(rows, ais, self.base.as_deref(), runs, watch)?;
        // The mean of the bounds of mean field over all rows is known.
        let bounds = unnormalised_bounds(self.dbm, rows)?;
        Ok(bounds.iter().zip(&log_probs).map(|(bound, log_p)| bound - log_p).collect())
    }
}

/// The gap of the bound on each of the first `most` of these states of the model.
fn gaps(
    dbm: &Dbm,
    states: &Chains,
    most: usize,
    settings: &EvalSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Vec<f64>> {
    let states = states.select(&(0..states.count().min(most)).collect::<Vec<_>>());
    let family = streams.fork(Purpose::Evaluate, 7);
    if settings.posterior.runs > 0 {
        let ais = settings.posterior.ais();
        let forward = dbm.log_prob_ais(states.v(), 0.0, &ais, &family, watch)?;
        let back = streams.fork(Purpose::Evaluate, 11);
        let reverse = dbm.log_prob_reverse_ais(&states, 0.0, &ais.schedule, &back, watch)?;
        return Ok(of_annealing(&forward, &reverse));
    }
    let (v, draws) = (states.v(), settings.bound.samples);
    let posterior = dbm.mean_field(v, &MeanFieldSettings::default())?;
    let found = dbm.importance_weights((v, &posterior), draws, &family, watch)?;
    let lower: Vec<f64> = found.iter().map(|row| row.value).collect();
    Ok(of_weights(&lower, &dbm.log_importance_weights(&states.layers)?, draws))
}

/// The importance-weighted bound with draws of mean field, as a report and for each row.
fn importance(
    dbm: &Dbm,
    (v, posterior): (&Batch, &MeanField),
    settings: &EvalSettings,
    log_partition: f64,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<(ImportanceReport, Vec<f64>)> {
    let draws = settings.bound.samples;
    let found = weighted_rows(shards, "importance", v.samples(), |range, streams| {
        let posterior = posterior.of_samples(range.clone());
        let v = v.select(&range.collect::<Vec<_>>());
        Ok(dbm.importance_weights((&v, &posterior), draws, &streams.fork(Purpose::Evaluate, 4), watch)?)
    })?;
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

/// The bounds of mean field without log Z.
fn unnormalised_bounds(dbm: &Dbm, v: &Batch) -> Result<Vec<f64>> {
    Ok(dbm.mean_field(v, &MeanFieldSettings::default())?.bound(dbm, v, 0.0))
}

/// Mean variational free energy of the rows minus that of training rows.
fn free_energy_gap(dbm: &Dbm, train: Option<&Batch>, unnormalised: f64) -> Result<Option<f64>> {
    let Some(train) = train else { return Ok(None) };
    Ok(Some(mean(&unnormalised_bounds(dbm, train)?) - unnormalised))
}
