//! Restricted Boltzmann machines in training.

use std::borrow::Cow;
use std::ops::ControlFlow;

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, in_force, pull_to_share};
use gm_core::{
    AisSettings, Batch, BatchRef, BitMatrix, Error as CoreError, Estimate, Matrix, ModelData, Purpose, Schedule, Stack,
    Streams, VisibleKind, VisibleUnits, active_units, check_len, mean, rms, widened,
};
use gm_rbm::{
    Chains, Offsets, Phase, Rbm, Sampler, Trajectory, class_gradient_into, contrastive_divergence, free_energy_gap,
    gradient_into, variance_gradient,
};

use crate::error::Result;
use crate::learner::{
    Learner, ModelSettings, Parameters, Probe, StepReport, Weighted, binary, check_layers, error_rate,
};
use crate::rbm::chains::{ModelChains, put_trajectory, take_trajectory};
use crate::rbm::settings::{Algorithm, RbmSettings};
use gm_data::Dataset;

/// The most units of the smaller layer for training on the exact gradient.
const EXACT_GRADIENT_LIMIT: usize = 20;

/// The units of the smaller layer up to which log Z is enumerated at each look, so that no chains have to follow it.
const ENUMERATED: usize = 12;

/// Updates from one move of the chains that know log Z to the next.
const FOLLOW_EVERY: u64 = 5;

/// The standard error of log Z, in nats, at which chains that follow it have lost it: parameters have moved farther than they could.
const LOST: f64 = 0.5;

/// Runs and temperatures of annealing at a look, once no chains know log Z.
pub(crate) const WATCHED: (usize, usize) = (20, 1_000);

/// Steps from a model without weights to one with small random weights, and to one that has been trained.
const SHORT_WAY: usize = 20;
const LONG_WAY: usize = 2_000;

/// A restricted Boltzmann machine in training.
///
/// # Randomness
///
/// Weights from [`Purpose::Initialise`], first states of the chains from [`Purpose::Start`]; sweep t of the chains from
/// family t of [`Purpose::Chains`], swaps after it from family t of [`Purpose::Swap`]; contrastive divergence at update t from
/// family t of [`Purpose::Data`]; the chains that estimate log Z as [`Trajectory`] says, after update t in family t of
/// [`Purpose::Evaluate`].
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Algorithm, Clock, Learner, RbmLearner, RbmSettings};
///
/// let streams = Streams::new(0);
/// let settings = RbmSettings { hidden: 3, algorithm: Algorithm::Exact, learning_rate: 1.0, ..Default::default() };
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// // Two states of equal probability, which a model of independent units cannot tell from the other 14.
/// let rows = BitMatrix::from_fn(4, 2, |unit, row| unit / 2 == row);
/// let batch = Batch::from(rows.clone());
/// for step in 0..100 {
///     learner.step(&batch, &Clock { step, total: 100, per_epoch: 1 }, &streams)?;
/// }
/// let log_prob = learner.rbm().log_prob(&rows, learner.rbm().log_partition()?)?;
/// assert!(log_prob.iter().all(|&log_p| log_p > 0.25_f64.ln()));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RbmLearner {
    settings: RbmSettings,
    sampler: Sampler,
    ascent: Ascent,
    offsets: Offsets,
    chains: Option<ModelChains>,
    /// Chains that know log Z, where it is not enumerated; none any more when they have lost it.
    trajectory: Option<Trajectory>,
    data: Phase,
    model: Phase,
    gradient: Stack,
    /// Weights of the rows of the next batch.
    weights: Option<Vec<f32>>,
    /// The gradient of log p(label | row), where it counts.
    scores: Option<Stack>,
    /// The gradient with respect to the log-variances of Gaussian units.
    log_variances: Vec<f32>,
}

impl RbmLearner {
    /// A model that starts from small random weights and the means of the data, `[visible]`, those of label units behind.
    ///
    /// Of Gaussian units the means are those of data that are standardised already.
    ///
    /// # Errors
    ///
    /// Those of [`RbmSettings::check`], and of [`start_from`](Self::start_from).
    pub fn new(visible_means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Self> {
        let units = VisibleUnits::new(settings.visible_kind(), visible_means.len(), None)?;
        Self::with_units(units, visible_means, settings, streams)
    }

    /// [`new`](Self::new) for prepared data, whose binary values have the given means; Gaussian units standardise them.
    pub(crate) fn with_data(
        data: &Dataset,
        visible_means: &[f32],
        settings: &RbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        let units = settings.visible.units(settings.classes, data)?;
        match units.standardise() {
            Some(_) => Self::with_units(units, &vec![0.0; visible_means.len()], settings, streams),
            None => Self::with_units(units, visible_means, settings, streams),
        }
    }

    fn with_units(
        units: VisibleUnits,
        visible_means: &[f32],
        settings: &RbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        settings.check()?;
        let rbm = Rbm::initial_with(units, visible_means, settings.hidden, settings.init_scale, streams)?;
        Self::start(rbm, visible_means, settings, Some(SHORT_WAY), streams)
    }

    /// A model of the shape that settings and data ask for, which takes over a saved state.
    pub(super) fn blank(
        data: &Dataset,
        visible_means: &[f32],
        settings: &RbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        let units = settings.visible.units(settings.classes, data)?;
        let rbm = Rbm::from_stack(Stack::zeros(&[visible_means.len(), settings.hidden])?)?.with_units(units)?;
        Self::start(rbm, visible_means, settings, None, streams)
    }

    /// A given model, to be trained further on data of the given means, `[visible]`.
    ///
    /// # Errors
    ///
    /// Those of [`RbmSettings::check`], [`gm_core::Error::Shape`] when model, means and settings disagree on units,
    /// [`gm_core::Error::TooLarge`] for the exact gradient of a model that is too large for it.
    pub fn start_from(rbm: Rbm, visible_means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Self> {
        Self::start(rbm, visible_means, settings, Some(LONG_WAY), streams)
    }

    /// A model in training. log Z is followed from a model without weights in `way` steps.
    fn start(
        rbm: Rbm,
        visible_means: &[f32],
        settings: &RbmSettings,
        way: Option<usize>,
        streams: &Streams,
    ) -> Result<Self> {
        const OP: &str = "RbmLearner::start_from";
        settings.check()?;
        check_len(OP, "visible_means", "length", visible_means.len(), rbm.visible())?;
        check_len(OP, "rbm", "hidden units", rbm.hidden(), settings.hidden)?;
        if settings.algorithm == Algorithm::Exact && rbm.enumerable_units() > EXACT_GRADIENT_LIMIT {
            let units = rbm.enumerable_units();
            return Err(CoreError::TooLarge {
                op: "training on the exact gradient",
                units,
                limit: EXACT_GRADIENT_LIMIT,
            }
            .into());
        }
        let sampler = Sampler::new(rbm, settings.arrangement());
        let rbm = sampler.model();
        let idle = Phase::new(&sampler, &rbm.units().blank(rbm.visible(), 1));
        let log_variances = vec![0.0; rbm.units().gaussian().map_or(0, |_| rbm.visible())];
        let chains = ModelChains::new(rbm, visible_means, settings, streams)?;
        let way = way.filter(|_| estimates_log_z(settings, rbm));
        let follow = |way| Trajectory::start(rbm, settings.log_z_chains, way, streams);
        let trajectory = way.map(follow).transpose()?;
        Ok(Self {
            settings: settings.clone(),
            trajectory,
            weights: None,
            ascent: Ascent::with_variances(
                settings.pace(),
                settings.optimiser(),
                (settings.regularise, settings.least_variance),
                rbm.stack(),
                rbm.units(),
            ),
            offsets: Offsets { layers: vec![visible_means.to_vec(), vec![0.5; rbm.hidden()]] },
            gradient: rbm.stack().clone(),
            log_variances,
            scores: (settings.class_weight > 0.0).then(|| rbm.stack().clone()),
            data: idle.clone(),
            model: idle,
            chains,
            sampler,
        })
    }

    /// The model as it is now.
    #[must_use]
    pub fn rbm(&self) -> &Rbm {
        self.sampler.model()
    }

    /// The model, when training is over.
    #[must_use]
    pub fn into_rbm(self) -> Rbm {
        self.sampler.into_model()
    }

    /// Lets the persistent chains, where there are any, start again from given visible states.
    pub(crate) fn start_chains(&mut self, v: &BitMatrix, streams: &Streams) -> Result<()> {
        match &mut self.chains {
            Some(chains) => chains.start_at(self.sampler.model(), v, streams),
            None => Ok(()),
        }
    }

    /// The persistent chains at the model's own temperature, where there are any.
    #[must_use]
    pub fn chains(&self) -> Option<Chains> {
        self.chains.as_ref().map(ModelChains::coldest)
    }

    /// Computes the gradient of the mean log-likelihood of a batch of rows with weights; figures of the chains.
    fn ascend(
        &mut self,
        batch: BatchRef<'_>,
        weights: Option<&[f32]>,
        clock: &Clock,
        streams: &Streams,
    ) -> Result<Figures> {
        let k = in_force(self.settings.steps, &self.settings.later_steps, clock);
        let (sampler, model) = (&self.sampler, &mut self.model);
        // Neither phase waits for the other where one core has nothing to do.
        let ((), figures) = rayon::join(
            || {
                self.data.refill(sampler, batch);
                if let Some(weights) = weights {
                    self.data.weigh(weights);
                }
            },
            || self.chains.as_mut().map(|chains| chains.advance(sampler, k, clock.step, streams, model)),
        );
        let figures = figures.unwrap_or_default();
        if self.settings.algorithm == Algorithm::Exact {
            let variances = self.sampler.model().exact_gradient_into(&self.data, &mut self.gradient)?;
            self.log_variances = variances.unwrap_or_default();
            return Ok(figures);
        }
        if self.chains.is_none() {
            let streams = streams.fork(Purpose::Data, clock.step);
            contrastive_divergence(&self.sampler, (batch, &self.data), k, &streams, &mut self.model);
            // A chain counts as much as the row from which it came.
            if let Some(weights) = weights {
                self.model.weigh(weights);
            }
        }
        gradient_into(&self.data, &self.model, &mut self.gradient);
        if self.rbm().units().gaussian().is_some() {
            self.log_variances = variance_gradient(self.rbm(), &self.data, &self.model, &self.gradient);
        }
        Ok(figures)
    }

    /// Updates the parameters from a batch of states, or of means of binary units.
    pub(crate) fn learn(&mut self, batch: BatchRef<'_>, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let weights = self.weights.take();
        // Statistics take weights as shares of the batch, and a batch of heavy rows counts for more than one of light rows.
        let share = weights.as_ref().map_or(1.0, |weights| mean(&widened(weights)));
        let figures = self.ascend(batch, weights.as_deref().filter(|_| share > 0.0), clock, streams)?;
        if weights.is_some() {
            let variances = self.log_variances.iter_mut();
            self.gradient.tensors_mut().flatten().chain(variances).for_each(|g| *g *= share as f32);
        }
        self.discriminate(batch)?;
        if let Some(target) = self.settings.sparsity {
            let bias = self.gradient.bias_mut(1);
            pull_to_share(bias, self.data.hidden_means(), target, self.settings.sparsity_cost);
        }
        self.centre();
        let rate = self.climb(clock);
        self.follow(clock, streams);
        Ok(StepReport { learning_rate: rate, figures })
    }

    /// Lets the chains that know log Z follow the model now and then, and at the end of an epoch, when it is looked at.
    fn follow(&mut self, clock: &Clock, streams: &Streams) {
        let made = clock.step + 1;
        let due = made.is_multiple_of(FOLLOW_EVERY) || made.is_multiple_of(clock.per_epoch.max(1));
        if let Some(trajectory) = self.trajectory.as_mut().filter(|_| due) {
            trajectory.follow(&self.sampler, &streams.fork(Purpose::Evaluate, clock.step));
            let error = trajectory.log_partition().std_error;
            if error > LOST || error.is_nan() {
                self.trajectory = None;
            }
        }
    }

    /// log Z where it is not enumerated: as the chains along training know it, or by a short annealing.
    fn estimated_log_partition(&self) -> Result<Option<Estimate>> {
        if let Some(trajectory) = &self.trajectory {
            return Ok(Some(trajectory.log_partition()));
        }
        if !estimates_log_z(&self.settings, self.rbm()) {
            return Ok(None);
        }
        let (runs, temperatures) = WATCHED;
        let settings = AisSettings { runs, schedule: Schedule::Graded(temperatures) };
        let base = self.rbm().units().bias_of_means(&self.offsets.layers[0]);
        let watch = &mut |_| ControlFlow::Continue(());
        // The same random numbers at each look, so that looks can be compared.
        Ok(Some(self.rbm().log_partition_ais(&settings, Some(&base), &Streams::new(0), watch)?.log_partition))
    }

    /// Adds the gradient of log p(label | row) with its weight.
    fn discriminate(&mut self, batch: BatchRef<'_>) -> Result<()> {
        let (Some(scores), BatchRef::Bits(v)) = (&mut self.scores, batch) else { return Ok(()) };
        class_gradient_into(&self.sampler, v, scores)?;
        let weight = self.settings.class_weight;
        for (to, scores) in self.gradient.tensors_mut().zip(scores.tensors()) {
            to.iter_mut().zip(scores).for_each(|(to, score)| *to += weight * score);
        }
        Ok(())
    }

    fn centre(&mut self) {
        if self.settings.centred {
            let (visible, hidden) = (self.settings.visible_offset_rate, self.settings.hidden_offset_rate);
            self.offsets.slide(self.data.averages(), &[visible, hidden]);
            self.offsets.centre_for(self.sampler.model().units(), &mut self.gradient);
        }
    }

    /// Moves the parameters, log-variances among them, up their gradient; the rate of the update.
    fn climb(&mut self, clock: &Clock) -> f64 {
        if let Some(momentum) = self.settings.momentum(clock) {
            self.ascent.set_momentum(momentum);
        }
        let Self { sampler, ascent, gradient, log_variances, .. } = self;
        let slope = Slope { tensors: gradient.tensors().collect(), log_variances, ..Slope::default() };
        sampler.update(|rbm| ascent.climb(Parameters(rbm), slope, clock))
    }

    /// Rows as the model sees them.
    fn states<'a>(&self, op: &'static str, rows: &'a Batch) -> Result<Cow<'a, Batch>> {
        if self.rbm().units().is_binary() {
            binary(op, rows, self.rbm().visible())?;
            return Ok(Cow::Borrowed(rows));
        }
        // Neither kind of units that is not binary draws anything here.
        Ok(Cow::Owned(self.rbm().states_of_rows(rows, &Streams::new(0))?))
    }

    /// -log p(v | h) with h drawn given v, mean over samples: of bits sum_i [v_i log m_i + (1 - v_i) log (1 - m_i)] with
    /// m = E[v | h]. Then the mean square of v - E[v | h].
    fn reconstruction(&self, v: &Batch, streams: &Streams) -> [f64; 2] {
        let h = self.sampler.sample_h_from_v(v, &streams.fork(Purpose::Evaluate, 0));
        let inputs = self.sampler.inputs_v_from_h(&h).to_matrix();
        let log_p = |(v, inputs): (&[f32], &[f32])| self.rbm().units().log_prob_given(&widened(v), &widened(inputs));
        let (v, units) = (v.to_matrix(), v.units());
        let samples = v.as_slice().chunks(units).zip(inputs.as_slice().chunks(units));
        let loss = -samples.map(log_p).sum::<f64>() / v.ncols() as f64;
        let misses = self.sampler.mean_v_from_h(&h).to_matrix() - v;
        [loss, rms(misses.as_slice()).powi(2)]
    }

    /// By so much log-densities of the data lie below those of the states.
    fn log_volume(&self) -> f64 {
        self.rbm().units().log_volume()
    }
}

impl Weighted for RbmLearner {
    fn weigh(&mut self, weights: Vec<f32>) {
        self.weights = Some(weights);
    }
}

impl Learner for RbmLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let states = self.states("RbmLearner::step", batch)?;
        self.learn(states.view(), clock, streams)
    }

    fn weighted(&mut self) -> Option<&mut dyn Weighted> {
        Some(self)
    }

    fn stack(&self) -> &Stack {
        self.rbm().stack()
    }

    fn set_parameters(&mut self, mut parameters: ParametersState) -> Result<()> {
        const OP: &str = "RbmLearner::set_parameters";
        let units = parameters.take_units(OP, self.rbm().units())?;
        let (stack, _) = parameters.into_parts()?;
        check_layers(OP, &stack, &[self.rbm().visible(), self.rbm().hidden()])?;
        let changed = Rbm::from_stack(stack)?.with_units(units)?;
        self.sampler.update(|rbm| *rbm = changed);
        Ok(())
    }

    fn parameters(&self) -> ParametersState {
        ParametersState::new(self.rbm().stack(), None).with_variance(self.rbm().units())
    }

    fn enumerable_units(&self) -> usize {
        self.rbm().enumerable_units()
    }

    fn judged_by(&self) -> &'static [&'static str] {
        match (self.rbm().classes(), estimates_log_z(&self.settings, self.rbm())) {
            (_, true) if !self.rbm().units().is_binary() => &["estimated_log_likelihood", "free_energy_gap"],
            _ if !self.rbm().units().is_binary() => &["free_energy_gap"],
            (0, true) => &["estimated_log_likelihood", "pseudo_log_likelihood", "free_energy_gap"],
            (0, false) => &["pseudo_log_likelihood", "free_energy_gap"],
            (_, true) => &["error_rate", "estimated_log_likelihood", "pseudo_log_likelihood", "free_energy_gap"],
            (_, false) => &["error_rate", "pseudo_log_likelihood", "free_energy_gap"],
        }
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.rbm().to_data()?)
    }

    fn figures(&self, probe: &Probe, streams: &Streams) -> Result<Figures> {
        const OP: &str = "RbmLearner::figures";
        let (train, valid) = (self.states(OP, &probe.train)?, self.states(OP, &probe.valid)?);
        let (train, valid, rbm) = (&*train, &*valid, self.rbm());
        let ([loss, squared_error], volume) = (self.reconstruction(valid, streams), self.log_volume());
        let mut figures = Figures::new([
            ("reconstruction", loss + volume),
            ("free_energy_gap", free_energy_gap(rbm, valid, train)),
            ("weight_rms", rms(rbm.weights().as_slice())),
        ]);
        figures.push_layers("active_units", active_units(&[self.sampler.mean_h_from_v(valid).to_matrix()], None));
        if let Some(bits) = valid.as_bits() {
            // The same units are chosen at every epoch, so that epochs can be compared.
            figures.push("pseudo_log_likelihood", mean(&rbm.stochastic_pseudo_likelihood(bits, &Streams::new(0))));
        }
        if let Some(gaussian) = rbm.units().gaussian() {
            figures.push("squared_error", squared_error);
            figures.push("variance", mean(&widened(gaussian.variance())));
        }
        if rbm.classes() > 0 {
            for (name, batch) in [("error_rate", valid), ("train_error_rate", train)] {
                figures.push(name, error_rate(&rbm.log_class_probs(batch)?, batch.bits(), rbm.row_units()));
            }
        }
        if self.rbm().enumerable_units() <= probe.exact_units {
            let log_partition = self.rbm().log_partition()?;
            figures.push("log_likelihood", mean(&self.rbm().log_prob(valid, log_partition)?) - volume);
            figures.push("train_log_likelihood", mean(&self.rbm().log_prob(train, log_partition)?) - volume);
        }
        if let Some(log_partition) = self.estimated_log_partition()? {
            figures.push("estimated_log_likelihood", mean(&self.rbm().log_prob(valid, log_partition.value)?) - volume);
            figures.push(
                "train_estimated_log_likelihood",
                mean(&self.rbm().log_prob(train, log_partition.value)?) - volume,
            );
            figures.push("log_partition", log_partition.value);
            figures.push("log_partition_error", log_partition.std_error);
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let mut state =
            LearnerState { parameters: self.parameters(), optimiser: self.ascent.state(), ..LearnerState::default() };
        state.put_layers("offset", &self.offsets.layers);
        if let Some(chains) = &self.chains {
            chains.put(&mut state);
        }
        if let Some(trajectory) = &self.trajectory {
            put_trajectory(trajectory, &mut state);
        }
        state
    }

    fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "RbmLearner::restore";
        let units = [self.rbm().visible(), self.rbm().hidden()];
        self.set_parameters(std::mem::take(&mut state.parameters))?;
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        self.offsets = Offsets { layers: state.take_layers(OP, "offset", &units)? };
        if let Some(chains) = &mut self.chains {
            chains.restore(&mut state, self.sampler.model())?;
        }
        // Without a trajectory in the state its chains had lost log Z.
        let follows = estimates_log_z(&self.settings, self.rbm());
        self.trajectory = if follows { take_trajectory(&mut state, self.sampler.model())? } else { None };
        Ok(())
    }
}

/// Means of data as a given model sees them, which must have the visible units that the settings name.
pub(crate) fn means_seen_by(rbm: &Rbm, means: &[f32], settings: &RbmSettings) -> Result<Vec<f32>> {
    let found = rbm.units().kind();
    if found != settings.visible_kind() {
        let (op, arg, value) = ("fit_rbm_with", "start", format!("a model with {found} visible units"));
        return Err(CoreError::Param { op, arg, value, allowed: "the visible units of the settings" }.into());
    }
    // The learner refuses another number of units.
    if found != VisibleKind::Gaussian || rbm.visible() != means.len() {
        return Ok(means.to_vec());
    }
    Ok(rbm.standardised(&Matrix::from_column_slice(means.len(), 1, means)).as_slice().to_vec())
}

/// Whether log Z of a machine is estimated as training goes on.
fn estimates_log_z(settings: &RbmSettings, rbm: &Rbm) -> bool {
    settings.log_z_chains > 0 && rbm.enumerable_units() > ENUMERATED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_reconstruction_of_a_model_without_weights() {
        let rbm = Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
        let settings = RbmSettings { hidden: 3, chains: 2, ..Default::default() };
        let learner = RbmLearner::start_from(rbm, &[0.5; 4], &settings, &Streams::new(0)).unwrap();
        let [loss, square] = learner.reconstruction(&BitMatrix::from_fn(4, 7, |u, s| u > s).into(), &Streams::new(1));
        assert!((loss - 4.0 * 2.0_f64.ln()).abs() < 1e-6 && (square - 0.25).abs() < 1e-6);
    }
}
