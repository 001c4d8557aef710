//! Restricted Boltzmann machines in training.

use std::borrow::Cow;
use std::ops::ControlFlow;

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, Team, pull_to_share};
use gm_core::{
    AisSettings, Batch, BitMatrix, Error as CoreError, Estimate, Matrix, ModelData, Purpose, Schedule, Stack, Streams,
    VisibleKind, VisibleUnits, active_units, check_len, mean, rms, widened,
};
use gm_rbm::{Chains, Offsets, Rbm, Sampler, Trajectory, free_energy_gap};

use crate::error::Result;
use crate::learner::{
    BURN_IN, Learner, ModelSettings, Parameters, Probe, StepReport, Weighted, binary, check_layers, error_rate,
};
use crate::rbm::chains::{ModelChains, put_trajectory, take_trajectory};
use crate::rbm::settings::{Algorithm, RbmSettings};
use crate::rbm::shard::Shard;
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
    /// Chains that know log Z, where it is not enumerated; none any more when they have lost it.
    trajectory: Option<Trajectory>,
    team: Team,
    /// The shards of this process. The first one also has the sums over all.
    shards: Vec<Shard>,
    /// Sweeps of the chains before the first update.
    burn_in: usize,
    /// Weights of the rows of the next batch.
    weights: Option<Vec<f32>>,
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

    /// A given model, to be trained further on data of the given means, `[visible]`. Persistent chains make 500 sweeps before
    /// the first update, so that they are where the model is.
    ///
    /// # Errors
    ///
    /// Those of [`RbmSettings::check`], [`gm_core::Error::Shape`] when model, means and settings disagree on units,
    /// [`gm_core::Error::TooLarge`] for the exact gradient of a model that is too large for it.
    pub fn start_from(rbm: Rbm, visible_means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Self> {
        let mut learner = Self::on_top(rbm, visible_means, settings, streams)?;
        learner.burn_in = BURN_IN;
        learner.burn_in(streams);
        Ok(learner)
    }

    /// A given model, whose chains are to begin elsewhere: the machine on top of a network.
    pub(crate) fn on_top(rbm: Rbm, visible_means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Self> {
        Self::start(rbm, visible_means, settings, Some(LONG_WAY), streams)
    }

    /// Lets the chains of each shard come to where the model is.
    fn burn_in(&mut self, streams: &Streams) {
        for (own, shard) in self.team.own().zip(&mut self.shards) {
            if let Some(chains) = &mut shard.chains {
                chains.run(&self.sampler, self.burn_in, &self.team.streams(own, streams));
            }
        }
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
        let shards = vec![Shard::new(&sampler, visible_means, settings, settings.chains, streams)?];
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
            team: Team::default(),
            shards,
            burn_in: 0,
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

    /// Lets the persistent chains, where there are any, start again from given visible states, those of each shard of this
    /// process.
    pub(crate) fn start_chains(&mut self, v: &[BitMatrix], streams: &Streams) -> Result<()> {
        for (own, (shard, v)) in self.team.own().zip(self.shards.iter_mut().zip(v)) {
            if let Some(chains) = &mut shard.chains {
                chains.start_at(self.sampler.model(), v, &self.team.streams(own, streams))?;
            }
        }
        Ok(())
    }

    /// The persistent chains at the model's own temperature, where there are any; of several shards those of the first one
    /// that this process has.
    #[must_use]
    pub fn chains(&self) -> Option<Chains> {
        self.chains_of_shards().next()
    }

    /// [`chains`](Self::chains) of each shard of this process.
    pub(crate) fn chains_of_shards(&self) -> impl Iterator<Item = Chains> {
        self.shards.iter().filter_map(|shard| shard.chains.as_ref().map(ModelChains::coldest))
    }

    /// Updates the parameters from the rows of each shard of this process, states or means of binary units, out of a batch of
    /// `rows`.
    pub(crate) fn learn(
        &mut self,
        parts: &[Cow<'_, Batch>],
        rows: usize,
        clock: &Clock,
        streams: &Streams,
    ) -> Result<StepReport> {
        let (team, weights, common) = (self.team.clone(), self.weights.take(), (&self.sampler, &self.settings));
        let mut found = vec![];
        for (own, (shard, part)) in team.own().zip(self.shards.iter_mut().zip(parts)) {
            let weights = weights.as_ref().map(|weights| &weights[team.rows(own, rows)]);
            let figures = shard.ascend(common, (part.view(), weights), clock, &team.streams(own, streams))?;
            found.push(shard.found(figures));
        }
        let figures = team.join(rows, found)?;
        let Shard { gradient, averages, .. } = &mut self.shards[0];
        if let Some(target) = self.settings.sparsity {
            pull_to_share(gradient.bias_mut(1), &averages[1], target, self.settings.sparsity_cost);
        }
        if self.settings.centred {
            self.offsets.slide(averages, &[self.settings.visible_offset_rate, self.settings.hidden_offset_rate]);
            self.offsets.centre_for(self.sampler.model().units(), gradient);
        }
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

    /// Moves the parameters, log-variances among them, up their gradient; the rate of the update.
    fn climb(&mut self, clock: &Clock) -> f64 {
        if let Some(momentum) = self.settings.momentum(clock) {
            self.ascent.set_momentum(momentum);
        }
        let Self { sampler, ascent, shards, .. } = self;
        let Shard { gradient, log_variances, .. } = &mut shards[0];
        let slope = Slope { tensors: gradient.tensors().collect(), log_variances, ..Slope::default() };
        sampler.update(|rbm| ascent.climb(Parameters(rbm), slope, clock))
    }

    /// Rows as the model sees them.
    fn states<'a>(&self, op: &'static str, rows: &'a Batch) -> Result<Cow<'a, Batch>> {
        if self.rbm().units().is_binary() {
            match rows {
                Batch::Reals(means) if self.rbm().units().kind() == VisibleKind::Bernoulli => {
                    check_means(op, means, self.rbm().visible())?;
                }
                _ => {
                    binary(op, rows, self.rbm().visible())?;
                }
            }
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
        self.learn(&self.team.parts(&states)?, batch.samples(), clock, streams)
    }

    fn divide(&mut self, team: Team, streams: &Streams) -> Result<()> {
        if team.shards() > 1 {
            let (settings, means) = (&self.settings, &self.offsets.layers[0]);
            let chains = if settings.algorithm.persists() { team.each("chains", settings.chains)? } else { 1 };
            let shard = |own| Shard::new(&self.sampler, means, settings, chains, &team.streams(own, streams));
            self.shards = team.own().map(shard).collect::<Result<_>>()?;
            self.team = team;
            self.burn_in(streams);
        } else {
            self.team = team;
        }
        Ok(())
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
        state.put_shards(self.shards.iter().filter_map(|shard| shard.chains.as_ref().map(ModelChains::state)));
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
        let mut parts = state.take_shards(self.team.shards())?;
        for (shard, part) in self.shards.iter_mut().zip(&mut parts[self.team.own()]) {
            if let Some(chains) = &mut shard.chains {
                chains.restore(part, self.sampler.model())?;
            }
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

/// Refuses what cannot be means of so many binary units.
fn check_means(op: &'static str, means: &Matrix, units: usize) -> Result<()> {
    check_len(op, "batch", "units", means.nrows(), units)?;
    match means.iter().find(|mean| !(0.0..=1.0).contains(*mean)) {
        Some(mean) => {
            let (value, allowed) = (mean.to_string(), "means of binary units, 0 to 1");
            Err(CoreError::Param { op, arg: "batch", value, allowed }.into())
        }
        None => Ok(()),
    }
}

/// Whether log Z of a machine is estimated as training goes on.
fn estimates_log_z(settings: &RbmSettings, rbm: &Rbm) -> bool {
    settings.log_z_chains > 0 && rbm.enumerable_units() > ENUMERATED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_zeros_and_ones_are_their_own_means() {
        let (settings, streams) = (RbmSettings { hidden: 3, chains: 8, ..Default::default() }, Streams::new(5));
        let rows = BitMatrix::from_fn(4, 7, |unit, row| (unit * row) % 3 == 1);
        let means = Batch::Reals(Batch::from(rows.clone()).to_matrix());
        let [from_bits, from_means] = [rows.into(), means].map(|batch: Batch| {
            let mut learner = RbmLearner::new(&[0.4; 4], &settings, &streams).unwrap();
            learner.step(&batch, &Clock { step: 0, total: 10, per_epoch: 1 }, &streams).unwrap();
            learner.into_rbm()
        });
        assert!((from_bits.weights() - from_means.weights()).amax() < 1e-6);
    }

    #[test]
    fn rejects_values_that_are_no_means_of_binary_units() {
        let settings = RbmSettings { hidden: 3, chains: 8, ..Default::default() };
        let mut learner = RbmLearner::new(&[0.4; 4], &settings, &Streams::new(5)).unwrap();
        let clock = Clock { step: 0, total: 10, per_epoch: 1 };
        for (value, shown) in [(1.5, "1.5"), (-0.5, "-0.5"), (f32::NAN, "NaN")] {
            let batch = Batch::Reals(Matrix::from_element(4, 2, value));
            let text = learner.step(&batch, &clock, &Streams::new(5)).unwrap_err().to_string();
            let expected = format!("RbmLearner::step: `batch` is {shown}, allowed: means of binary units, 0 to 1");
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn oracle_reconstruction_of_a_model_without_weights() {
        let rbm = Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
        let settings = RbmSettings { hidden: 3, chains: 2, ..Default::default() };
        let learner = RbmLearner::start_from(rbm, &[0.5; 4], &settings, &Streams::new(0)).unwrap();
        let [loss, square] = learner.reconstruction(&BitMatrix::from_fn(4, 7, |u, s| u > s).into(), &Streams::new(1));
        assert!((loss - 4.0 * 2.0_f64.ln()).abs() < 1e-6 && (square - 0.25).abs() < 1e-6);
    }
}
