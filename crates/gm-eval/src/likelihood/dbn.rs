//! Likelihoods of DBNs: enumerated, or bounded by draws of the recognition net with log Z of the RBM on top annealed
//! from both sides.

use std::time::Instant;

use gm_core::{
    AisSettings, Annealed, Batch, Chains, ModelKind, Purpose, Streams, TemperingInfo, VisibleKind, VisibleUnits, Watch,
    mean,
};
use gm_dbn::Dbn;
use gm_sbn::{BoundSettings, Bounds};

use super::gap::{of_annealing, of_states, of_weights};
use super::independent::layer_of_rows;
use super::interval::{bound_with_log_z, estimate, exact, higher};
use super::log_z::{LogZ, Undirected};
use super::posterior::tightened;
use super::rbm::tempered;
use super::sbn::{bounds_of_rows, importance};
use super::shards::Shards;
use crate::error::Result;
use crate::report::{EvalReport, LowerBound};
use crate::rows::EvalData;
use crate::settings::{EvalSettings, TemperingSettings};

/// Measures the likelihood of data under a DBN.
///
/// log Z of the RBM on top is enumerated, or annealed from both sides. The report has the evidence lower bound and a
/// tighter bound from several draws of the recognition net. The lower end is the tighter bound minus three of its standard
/// errors and minus the upper end of log Z. The upper end is open, unless log p is exact, because the hidden layers below
/// the top can be enumerated too, or there is a single hidden layer. On rows drawn from the model, the gap between this
/// bound and an upper bound is measured. For Gaussian units p is the density of the data in their own units of measure.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`] of the settings' seed: 0 for annealing, 2 for the choice of rows, 3 for RAISE, 4
/// for the draws of the recognition net, 5 for samples of the RBM, 6 for reverse AIS from these samples, 7 for the draws
/// of the recognition net for these samples, 9 for exact samples.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 20 units, [`gm_core::Error::Param`] for settings out of range,
/// [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`, `burda2016importance`, `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_dbn};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_dbn(&dbn, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_dbn(dbn: &Dbn, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    measure(dbn, data, settings, &mut settings.all_shards("evaluate_dbn")?, watch)
}

/// [`evaluate_dbn`] with the given shards.
pub(super) fn measure(
    dbn: &Dbn,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    let began = Instant::now();
    let v = states(dbn, data)?;
    let train = data.train_rows.as_ref().map(|rows| dbn.states_of_rows(rows)).transpose()?;
    let model = Annealable { dbn, base: train.map(|states| dbn.base_rates(&states)).transpose()? };
    let (log_z, states) = LogZ::measure(&model, &v, settings, shards, watch)?;
    // log Z comes off afterwards: shards of other parts have not found it yet.
    let bounds = bounds_of_rows(shards, v.samples(), &settings.bound, |range, streams| {
        let v = v.select(&range.collect::<Vec<_>>());
        Ok(dbn.bounds(&v, 0.0, &settings.bound, &streams.fork(Purpose::Evaluate, 4), watch)?)
    })?;
    let total = log_z.partition.value + dbn.log_volume();
    let bounds = of_rows(total, bounds);
    // A network of a single hidden layer is an RBM, and its importance weights are exact.
    let directed = dbn.enumerable_hidden_units();
    let hidden_exact = dbn.depth() == 1 || settings.exact.enumerates(directed) && log_z.is_exact();
    let log_probs = if hidden_exact && log_z.is_exact() {
        dbn.log_prob_watched(&v, log_z.partition.value, watch)?.iter().map(|log_p| log_p - dbn.log_volume()).collect()
    } else {
        bounds.rows()
    };
    let value = mean(&log_probs);
    let std_error = bounds.mean().std_error;
    let annealed = match hidden_exact {
        true => None,
        false => tightened((&log_probs, std_error), total, settings, shards, |rows, ais, streams| {
            Ok(dbn.log_prob_ais(&v.select(rows), 0.0, ais, streams, watch)?)
        })?,
    };
    let mean_log_prob = match (hidden_exact, log_z.is_exact()) {
        (true, true) => exact(value),
        (true, false) => estimate(value, &log_z),
        _ => bound_with_log_z(&higher(value, std_error, annealed.as_ref()), &log_z),
    };
    let gap = match hidden_exact {
        true => None,
        false => of_states(
            (settings, dbn.enumerable_units()),
            shards,
            (&log_z, states),
            |count, streams| exact_states(dbn, count, streams),
            |states, most, streams| gaps(dbn, states, most, settings, streams, watch),
        )?,
    };
    let report = EvalReport::new(ModelKind::Dbn, dbn.layers(), data, mean_log_prob, settings);
    let layer = layer_of_rows(dbn.units().kind(), data.rows.units())?;
    EvalReport {
        elbo: Some(mean(&bounds.elbo)),
        importance_weighted: (!hidden_exact).then(|| importance(&bounds)),
        annealed_posterior: annealed,
        gap,
        lower_bound: log_z.raise.as_ref().map(|raise| LowerBound::new(value + log_z.partition.value, raise)),
        log_probs,
        visible: Some(dbn.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    }
    .finished(Some(log_z), &layer, data, began)
}

/// States of a DBN.
pub(super) struct States {
    /// x_0, ..., x_(L-1), without label units.
    layers: Vec<Batch>,
    /// The two layers of the RBM on top, with label units in the lower one.
    top: Chains,
}

impl States {
    /// Chains of all layers, with label units in the lower layer of the RBM.
    fn chains(&self) -> Chains {
        let below = &self.layers[..self.layers.len() - 1];
        Chains::new(below.iter().chain(&self.top.layers).cloned().collect())
    }
}

/// A DBN with the base from which the annealing of its RBM on top starts.
pub(super) struct Annealable<'a> {
    pub(super) dbn: &'a Dbn,
    pub(super) base: Option<Vec<f32>>,
}

impl Undirected for Annealable<'_> {
    type States = States;

    fn enumerable_units(&self) -> usize {
        self.dbn.enumerable_units()
    }

    fn exact(&self, watch: Watch<'_>) -> Result<f64> {
        Ok(self.dbn.log_partition_watched(watch)?)
    }

    fn ais(&self, settings: &AisSettings, streams: &Streams, watch: Watch<'_>) -> Result<Annealed> {
        Ok(self.dbn.log_partition_ais(settings, self.base.as_deref(), streams, watch)?)
    }

    fn tempered(
        &self,
        count: usize,
        settings: TemperingSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Self::States, TemperingInfo)> {
        let (chains, info) = tempered(&self.dbn.top(), self.base.as_deref(), (count, settings), streams, watch)?;
        let layers = self.dbn.sampler().descend(chains.v(), &streams.fork(Purpose::Noise, 0));
        Ok((States { layers, top: chains }, info))
    }

    fn reverse_ais(
        &self,
        states: &States,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let base = self.base.as_deref();
        Ok(self.dbn.top().log_partition_reverse_ais(states.top.v(), &settings.schedule, base, streams, watch)?)
    }

    fn raise(
        &self,
        rows: &Batch,
        ais: &AisSettings,
        (choice, runs): (&Streams, &Streams),
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let x = self.dbn.chains_from(rows.clone(), choice)?.into_v();
        Ok(self.dbn.log_partition_raise(&x, &ais.schedule, self.base.as_deref(), runs, watch)?)
    }
}

/// Exact draws of all layers.
fn exact_states(dbn: &Dbn, count: usize, streams: &Streams) -> Result<States> {
    let top = dbn.top().exact_samples(count, streams)?;
    let layers = dbn.sampler().descend(top.v(), &streams.fork(Purpose::Noise, 0));
    Ok(States { layers, top })
}

/// The gap of the bound on each of the first `most` of these states of the model.
fn gaps(
    dbn: &Dbn,
    states: &States,
    most: usize,
    settings: &EvalSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Vec<f64>> {
    let chosen: Vec<usize> = (0..states.top.count().min(most)).collect();
    let family = streams.fork(Purpose::Evaluate, 7);
    if settings.posterior.runs > 0 {
        let (ais, chains) = (settings.posterior.ais(), states.chains().select(&chosen));
        let forward = dbn.log_prob_ais(chains.v(), 0.0, &ais, &family, watch)?;
        let back = streams.fork(Purpose::Evaluate, 11);
        let reverse = dbn.log_prob_reverse_ais(&chains, 0.0, &ais.schedule, &back, watch)?;
        return Ok(of_annealing(&forward, &reverse));
    }
    let layers: Vec<Batch> = states.layers.iter().map(|x| x.select(&chosen)).collect();
    let bound = BoundSettings { repeats: 1, ..settings.bound };
    let found = dbn.bounds(&layers[0], 0.0, &bound, &family, watch)?;
    Ok(of_weights(&found.rows(), &dbn.log_importance_weights(&layers)?, bound.samples))
}

/// Rows of data as states of the visible units.
fn states(dbn: &Dbn, data: &EvalData) -> Result<Batch> {
    const OP: &str = "evaluate_dbn";
    match dbn.units() {
        VisibleUnits::Bernoulli => data.check_bits(OP, dbn.visible())?,
        _ => data.check(OP, dbn.visible())?,
    }
    Ok(dbn.states_of_rows(&data.rows)?)
}

/// Bounds on log p of rows in their own units of measure, from bounds on log p of states without log Z. `total` is log Z and
/// the log-volume.
fn of_rows(total: f64, mut bounds: Bounds) -> Bounds {
    let weighted = bounds.importance_weighted.iter_mut().flatten();
    weighted.chain(&mut bounds.elbo).for_each(|bound| *bound -= total);
    bounds
}
