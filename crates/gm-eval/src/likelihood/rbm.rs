//! Likelihoods of RBMs: enumerated, or annealed from both sides.

use std::time::Instant;

use gm_core::{
    AisSettings, Annealed, Batch, Chains, Estimate, Matrix, ModelKind, Purpose, Side, Streams, TemperingInfo,
    VisibleKind, Watch, even_temperatures, mean,
};
use gm_rbm::Rbm;

use super::independent::layer_of_rows;
use super::interval::{estimate, exact};
use super::log_z::{LogZ, Undirected};
use super::shards::Shards;
use crate::error::Result;
use crate::report::{EvalReport, LowerBound, PseudoReport};
use crate::rows::EvalData;
use crate::settings::{EvalSettings, TemperingSettings};

/// Conditionals times hidden units up to which the pseudo-likelihood takes every unit of every row.
const PSEUDO_LIMIT: usize = 200_000_000;

/// Measures the likelihood of data under an RBM.
///
/// mean log p = -mean F(v) - log Z
///
/// log Z is enumerated, or annealed from independent units with the training means. Annealing makes log p too high in
/// expectation, so that its log Z minus three standard errors gives the upper end. Reverse AIS from samples of the model,
/// drawn by parallel tempering, makes log p too low in expectation if the samples are exact. Reverse AIS from random rows
/// (RAISE) bounds log p of the annealed model. The lower end is the lowest of these two and of annealing's own three
/// standard errors. Label units are summed out; a run of RAISE begins with a class drawn from p(y | v). For Gaussian
/// units p is the density of the data in their own units of measure.
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
    measure(rbm, data, settings, &mut settings.all_shards("evaluate_rbm")?, watch)
}

/// [`evaluate_rbm`] with the given shards.
pub(super) fn measure(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    let began = Instant::now();
    data.check("evaluate_rbm", rbm.row_units())?;
    let model = Annealable { rbm, base: base(rbm, data) };
    let (log_z, _) = LogZ::measure(&model, &data.rows, settings, shards, watch)?;
    let free_energy = rbm.free_energy_of_rows(&data.rows)?;
    let log_probs: Vec<f64> = free_energy.iter().map(|f| -f - log_z.partition.value).collect();
    let value = mean(&log_probs);
    let mean_log_prob = if log_z.is_exact() { exact(value) } else { estimate(value, &log_z) };
    let report = EvalReport::new(ModelKind::Rbm, rbm.stack().layers(), data, mean_log_prob, settings);
    let layer = layer_of_rows(rbm.units().kind(), data.rows.units())?;
    EvalReport {
        log_pseudo_likelihood: pseudo_likelihood(rbm, &data.rows, &shards.streams().fork(Purpose::Evaluate, 1)),
        free_energy_gap: gap(rbm, &free_energy, data.train_rows.as_ref())?,
        lower_bound: log_z.raise.as_ref().map(|log_z| LowerBound::new(-mean(&free_energy), log_z)),
        log_probs,
        visible: Some(rbm.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    }
    .finished(Some(log_z), &layer, data, began)
}

/// An RBM with the base from which its annealing starts.
pub(super) struct Annealable<'a> {
    pub(super) rbm: &'a Rbm,
    pub(super) base: Option<Vec<f32>>,
}

impl Undirected for Annealable<'_> {
    type States = Batch;

    fn enumerable_units(&self) -> usize {
        self.rbm.enumerable_units()
    }

    fn exact(&self, watch: Watch<'_>) -> Result<f64> {
        Ok(self.rbm.log_partition_watched(watch)?)
    }

    fn ais(&self, settings: &AisSettings, streams: &Streams, watch: Watch<'_>) -> Result<Annealed> {
        Ok(self.rbm.log_partition_ais(settings, self.base.as_deref(), streams, watch)?)
    }

    fn tempered(
        &self,
        count: usize,
        settings: TemperingSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Batch, TemperingInfo)> {
        let (chains, info) = tempered(self.rbm, self.base.as_deref(), (count, settings), streams, watch)?;
        Ok((chains.into_v(), info))
    }

    fn reverse_ais(
        &self,
        states: &Batch,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        Ok(self.rbm.log_partition_reverse_ais(states, &settings.schedule, self.base.as_deref(), streams, watch)?)
    }

    fn raise(
        &self,
        rows: &Batch,
        ais: &AisSettings,
        (choice, runs): (&Streams, &Streams),
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let v = self.rbm.states_of_rows(rows, choice)?;
        let bounds = self.rbm.log_prob_raise(&v, ais, self.base.as_deref(), runs, watch)?;
        Ok(self.rbm.free_energy(&v).iter().zip(&bounds).map(|(f, bound)| -f - bound).collect())
    }
}

/// Chains of an RBM at its own temperature, after parallel tempering whose temperatures adapt.
pub(super) fn tempered(
    rbm: &Rbm,
    base: Option<&[f32]>,
    (count, settings): (usize, TemperingSettings),
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<(Chains, TemperingInfo)> {
    let temperatures = even_temperatures(settings.temperatures)?;
    let mut replicas = rbm.replicas(count, &temperatures, base, streams)?;
    let info = rbm.sampler().settle(&mut replicas, settings.sweeps, streams, watch)?;
    Ok((replicas.coldest(), info))
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
