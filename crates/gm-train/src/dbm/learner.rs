//! Deep Boltzmann machines in training.

use std::borrow::Cow;

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, Team, pull_to_share};
use gm_core::{
    Arrangement, Batch, BatchRef, Gaussian, Matrix, ModelData, Purpose, Stack, Streams, VisibleKind, VisibleUnits,
    active_units, check_len, mean, rms, widened,
};
use gm_dbm::{Chains, Dbm, MeanField, MeanFieldSettings, Offsets, Pretraining, Sampler, Scales};

use crate::dbm::chains::DbmChains;
use crate::dbm::settings::{DbmSettings, Pretrain};
use crate::dbm::shard::Shard;
use crate::error::Result;
use crate::learner::{
    BURN_IN, Learner, ModelSettings, Parameters, Probe, STAGE, StepReport, VISIBLE_MEANS, binary, check_layers,
    refuse_start,
};
use gm_data::Dataset;

/// A deep Boltzmann machine in training.
///
/// # Randomness
///
/// Weights from [`Purpose::Initialise`], first states of the chains from [`Purpose::Start`]; sweep t of the chains from
/// family t of [`Purpose::Chains`], with several temperatures its swaps from family t of [`Purpose::Swap`]; contrastive
/// divergence at update t of pretraining from family t of [`Purpose::Data`].
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, DbmLearner, DbmSettings, Learner};
///
/// let streams = Streams::new(0);
/// let settings = DbmSettings { hidden: vec![3, 2], pretrain_epochs: 1, epochs: 1, chains: 10, ..Default::default() };
/// let mut learner = DbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// let rows = Batch::from(BitMatrix::zeros(4, 5));
/// // The machine grows from stage to stage.
/// for (step, layers) in [(0, vec![4, 3]), (1, vec![4, 3, 2])] {
///     learner.step(&rows, &Clock { step, total: 2, per_epoch: 1 }, &streams)?;
///     assert_eq!(learner.dbm().layers(), layers);
/// }
/// assert_eq!(learner.chains().sweeps, 2);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DbmLearner {
    settings: DbmSettings,
    visible_means: Vec<f32>,
    /// The machine as it is now; with a layer less in each earlier stage of growing.
    sampler: Sampler,
    ascent: Ascent,
    offsets: Offsets,
    team: Team,
    /// The shards of this process. The first one also has the sums over all.
    shards: Vec<Shard>,
    /// Sweeps of the chains before the first update.
    burn_in: usize,
    /// The stage that all this belongs to.
    stage: usize,
}

impl DbmLearner {
    /// A model that starts from small random weights and the means of the data, `[visible]`.
    ///
    /// Of Gaussian units the means are those of data that are standardised already.
    ///
    /// # Errors
    ///
    /// Those of [`DbmSettings::check`], and [`gm_core::Error::Param`] for settings that name a model to start from, which
    /// [`start_from`](Self::start_from) takes.
    pub fn new(visible_means: &[f32], settings: &DbmSettings, streams: &Streams) -> Result<Self> {
        let units = VisibleUnits::new(settings.visible_kind(), visible_means.len(), None)?;
        Self::with_units(units, visible_means, settings, streams)
    }

    /// [`new`](Self::new) for prepared data, whose binary values have the given means; Gaussian units standardise them.
    pub(crate) fn with_data(
        data: &Dataset,
        visible_means: &[f32],
        settings: &DbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        let units = settings.visible.units(0, data)?;
        Self::with_units(units, visible_means, settings, streams)
    }

    fn with_units(
        units: VisibleUnits,
        visible_means: &[f32],
        settings: &DbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        settings.check()?;
        refuse_start("DbmLearner::new", settings.start.as_deref())?;
        let hidden = &settings.hidden[..settings.depth_in(0)];
        let seen = match units.gaussian().and_then(Gaussian::standardise) {
            Some(_) => vec![0.0; visible_means.len()],
            None => visible_means.to_vec(),
        };
        let dbm = Dbm::initial_with(units, &seen, hidden, settings.init_scale, streams)?;
        Self::at_stage(dbm, &seen, settings, 0, streams)
    }

    /// A model of the first layers that settings and data ask for, which takes over a saved state.
    pub(super) fn blank(
        data: &Dataset,
        visible_means: &[f32],
        settings: &DbmSettings,
        streams: &Streams,
    ) -> Result<Self> {
        let units = settings.visible.units(0, data)?;
        let layers = layers_of(visible_means, &settings.hidden[..settings.depth_in(0)]);
        let dbm = Dbm::from_stack(Stack::zeros(&layers)?)?.with_units(units)?;
        Self::at_stage(dbm, visible_means, settings, 0, streams)
    }

    /// A given model, to be trained with all layers together on data of the given means, `[visible]`, without pretraining; of Gaussian
    /// units those of data as the model has them, standardised.
    ///
    /// Where it has fewer hidden layers than the settings, the others are put on top with small random weights, which leave its
    /// p(v) nearly as it was. The chains make 500 sweeps before the first update, so that they are where the model is.
    ///
    /// # Errors
    ///
    /// Those of [`DbmSettings::check`], [`gm_core::Error::Param`] for a model whose layers are not the first ones of the
    /// settings or that has other visible units, [`gm_core::Error::Shape`] when model and means disagree on units.
    pub fn start_from(dbm: Dbm, visible_means: &[f32], settings: &DbmSettings, streams: &Streams) -> Result<Self> {
        const OP: &str = "DbmLearner::start_from";
        let settings = DbmSettings { pretrain: Pretrain::None, ..settings.clone() };
        settings.check()?;
        check_len(OP, "visible_means", "length", visible_means.len(), dbm.visible())?;
        settings.check_start(&dbm, visible_means.len())?;
        let dbm = extended(&dbm, visible_means, &settings.hidden, settings.init_scale, streams)?;
        let mut learner = Self::at_stage(dbm, visible_means, &settings, 0, streams)?;
        learner.burn_in = BURN_IN;
        learner.burn_in(streams);
        Ok(learner)
    }

    fn at_stage(
        dbm: Dbm,
        visible_means: &[f32],
        settings: &DbmSettings,
        stage: usize,
        streams: &Streams,
    ) -> Result<Self> {
        let mut offsets: Vec<Vec<f32>> = dbm.layers().into_iter().map(|units| vec![0.5; units]).collect();
        offsets[0].copy_from_slice(visible_means);
        let chains = DbmChains::new(&dbm, settings.chains, settings.temperatures, streams)?;
        Ok(Self {
            settings: settings.clone(),
            visible_means: visible_means.to_vec(),
            ascent: settings.ascent(&dbm, stage),
            offsets: Offsets { layers: offsets },
            team: Team::default(),
            shards: vec![Shard::new(&dbm, chains)],
            burn_in: 0,
            sampler: Sampler::new(dbm, Arrangement::FewDraws),
            stage,
        })
    }

    /// The model as it is now; while it grows it has fewer layers than in the end.
    #[must_use]
    pub fn dbm(&self) -> &Dbm {
        self.sampler.model()
    }

    /// The model, when training is over.
    #[must_use]
    pub fn into_dbm(self) -> Dbm {
        self.sampler.into_model()
    }

    /// The persistent chains, those of all temperatures; of several shards those of the first one that this process has.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        self.shards[0].chains.all()
    }

    /// Lets the chains of each shard come to where the model is.
    fn burn_in(&mut self, streams: &Streams) {
        for (own, shard) in self.team.own().zip(&mut self.shards) {
            shard.chains.run(&self.sampler, self.burn_in, &self.team.streams(own, streams));
        }
    }

    /// Goes on to a stage: adds a layer where the machine grows, and begins optimiser and upper chains anew.
    fn enter(&mut self, stage: usize, streams: &Streams) -> Result<()> {
        let hidden = &self.settings.hidden[..self.settings.depth_in(stage)];
        let dbm = extended(self.dbm(), &self.visible_means, hidden, self.settings.init_scale, streams)?;
        let (mut offsets, team) = (self.offsets.clone(), self.team.clone());
        let chains = |(own, shard): (usize, &Shard)| {
            let chains = shard.chains.clone().extended(&dbm, &team.streams(own, streams))?;
            Ok(Shard::new(&dbm, chains))
        };
        let shards = team.own().zip(&self.shards).map(chains).collect::<Result<_>>()?;
        let settings = self.settings.clone();
        *self = Self::at_stage(dbm, &self.visible_means.clone(), &settings, stage, streams)?;
        offsets.layers.extend_from_slice(&self.offsets.layers[offsets.layers.len()..]);
        (self.offsets, self.team, self.shards) = (offsets, team, shards);
        Ok(())
    }

    /// Updates all layers together, or one matrix as a machine of two layers; figures of the update.
    fn learn(&mut self, batch: &Batch, (clock, within): (&Clock, &Clock), streams: &Streams) -> Result<StepReport> {
        let (parts, team) = (self.team.parts(batch)?, self.team.clone());
        let together = self.settings.trains_together(self.stage);
        let scales: Vec<Scales> = (0..=self.stage).take_while(|_| !together).map(|l| self.settings.scales(l)).collect();
        let pretraining = Pretraining { dbm: self.sampler.model(), scales: &scales, centred: self.settings.centred };
        let mut found = vec![];
        for (own, (shard, part)) in team.own().zip(self.shards.iter_mut().zip(&parts)) {
            let streams = team.streams(own, streams);
            let figures = if together {
                shard.ascend((&self.sampler, &self.settings), part.view(), &streams)?
            } else {
                let streams = streams.fork(Purpose::Data, clock.step);
                shard.pretrain(&pretraining, part.view(), &self.offsets, &streams);
                Figures::default()
            };
            found.push(shard.found(figures));
        }
        let figures = team.join(batch.samples(), found)?;
        if together {
            self.centre()
        } else {
            self.slide()
        }
        Ok(StepReport { learning_rate: self.climb(within), figures })
    }

    /// Pulls units to their share, and centres the gradient of all layers.
    fn centre(&mut self) {
        let Shard { gradient, averages, .. } = &mut self.shards[0];
        if let Some(target) = self.settings.sparsity {
            for (l, averages) in averages.iter().enumerate().skip(1) {
                pull_to_share(gradient.bias_mut(l), averages, target, self.settings.sparsity_cost);
            }
        }
        if self.settings.centred {
            let mut rates = vec![self.settings.hidden_offset_rate; averages.len()];
            rates[0] = self.settings.visible_offset_rate;
            self.offsets.slide(averages, &rates);
            self.offsets.centre_for(self.sampler.model().units(), gradient);
        }
    }

    /// Moves the offsets of the layers of the matrix that is trained alone.
    fn slide(&mut self) {
        let (l, averages) = (self.stage, &self.shards[0].averages);
        let rate_of = |layer: usize| if layer == l || layer == l + 1 { self.settings.hidden_offset_rate } else { 0.0 };
        let mut rates: Vec<f32> = (0..averages.len()).map(rate_of).collect();
        rates[0] = if l == 0 { self.settings.visible_offset_rate } else { 0.0 };
        self.offsets.slide(averages, &rates);
    }

    /// Moves the parameters, log-variances among them, up their gradient; the rate of the update.
    fn climb(&mut self, clock: &Clock) -> f64 {
        let Self { sampler, ascent, shards, .. } = self;
        let Shard { gradient, log_variances, .. } = &mut shards[0];
        let slope = Slope { tensors: gradient.tensors().collect(), log_variances, ..Slope::default() };
        sampler.update(|dbm| ascent.climb(Parameters(dbm), slope, clock))
    }

    /// Rows as the model sees them.
    fn states<'a>(&self, op: &'static str, rows: &'a Batch) -> Result<Cow<'a, Batch>> {
        if self.dbm().units().is_binary() {
            binary(op, rows, self.dbm().visible())?;
            return Ok(Cow::Borrowed(rows));
        }
        Ok(Cow::Owned(self.dbm().states_of_rows(rows)?))
    }

    /// -log p(v | E[h_1]), mean over samples: of bits -sum_i [v_i log m_i + (1 - v_i) log (1 - m_i)] with m = E[v | E[h_1]].
    fn reconstruction(&self, v: BatchRef<'_>, posterior: &MeanField) -> f64 {
        let inputs = gm_core::dense_inputs_down(self.dbm().weights(0), &posterior.means[0], self.dbm().bias(0));
        let (BatchRef::Bits(v), VisibleUnits::Bernoulli) = (v, self.dbm().units()) else {
            let (v, units) = (v.to_matrix(), self.dbm().units());
            let log_p = |s: usize| {
                units.log_prob_given(&widened(v.column(s).as_slice()), &widened(inputs.column(s).as_slice()))
            };
            return -(0..v.ncols()).map(log_p).sum::<f64>() / v.ncols() as f64;
        };
        let of_sample = |s: usize| -> f64 {
            let term = |(i, &x): (usize, &f32)| {
                let x = f64::from(x);
                gm_core::softplus(x) - if v.get(i, s) { x } else { 0.0 }
            };
            inputs.column(s).iter().enumerate().map(term).sum()
        };
        (0..v.samples()).map(of_sample).sum::<f64>() / v.samples() as f64
    }
}

/// A machine with further hidden layers of small random weights on top.
fn extended(dbm: &Dbm, visible_means: &[f32], hidden: &[usize], scale: f32, streams: &Streams) -> Result<Dbm> {
    let units = dbm.units();
    let first = Dbm::initial_with(units.clone(), visible_means, hidden, scale, streams)?;
    let (mut weights, mut biases) = first.into_stack().into_parts();
    for (l, weights) in weights.iter_mut().enumerate().take(dbm.depth()) {
        weights.copy_from(dbm.weights(l));
    }
    for (l, bias) in biases.iter_mut().enumerate().take(dbm.depth() + 1) {
        bias.copy_from_slice(dbm.bias(l));
    }
    Ok(Dbm::from_stack(Stack::new(weights, biases)?)?.with_units(units.clone())?)
}

/// Means of data as a model sees them: standardised where it standardises. Another number of units is refused elsewhere.
pub(crate) fn means_seen_by(dbm: &Dbm, means: &[f32]) -> Vec<f32> {
    if dbm.visible() != means.len() {
        return means.to_vec();
    }
    dbm.standardised(&Matrix::from_column_slice(means.len(), 1, means)).as_slice().to_vec()
}

/// Units that have to be enumerated for log Z or for log p(v) given it, whichever are more; visible ones are never enumerated
/// unless they are Bernoulli.
fn enumerable_units(layers: &[usize], visible: VisibleKind) -> usize {
    let half = |layers: &[usize], parity| layers.iter().skip(parity).step_by(2).sum::<usize>();
    let fewer = |layers: &[usize]| half(layers, 0).min(half(layers, 1));
    let of_all = if visible == VisibleKind::Bernoulli { fewer(layers) } else { half(layers, 1) };
    of_all.max(fewer(&layers[1..]))
}

fn layers_of(visible_means: &[f32], hidden: &[usize]) -> Vec<usize> {
    std::iter::once(visible_means.len()).chain(hidden.iter().copied()).collect()
}

impl Learner for DbmLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let states = self.states("DbmLearner::step", batch)?;
        let (stage, within) = self.settings.stage(clock);
        if stage != self.stage {
            self.enter(stage, streams)?;
        }
        self.learn(&states, (clock, &within), streams)
    }

    fn divide(&mut self, team: Team, streams: &Streams) -> Result<()> {
        self.team = team;
        if self.team.shards() > 1 {
            let chains = self.team.each("chains", self.settings.chains)?;
            let new = |own| {
                let streams = self.team.streams(own, streams);
                let chains = DbmChains::new(self.dbm(), chains, self.settings.temperatures, &streams)?;
                Ok(Shard::new(self.dbm(), chains))
            };
            self.shards = self.team.own().map(new).collect::<Result<_>>()?;
            self.burn_in(streams);
        }
        Ok(())
    }

    fn stack(&self) -> &Stack {
        self.dbm().stack()
    }

    fn set_parameters(&mut self, mut parameters: ParametersState) -> Result<()> {
        const OP: &str = "DbmLearner::set_parameters";
        let units = parameters.take_units(OP, self.dbm().units())?;
        let (stack, _) = parameters.into_parts()?;
        let layers = layers_of(&self.visible_means, &self.settings.hidden);
        let depth = stack.depth().min(layers.len() - 1);
        check_layers(OP, &stack, &layers[..=depth])?;
        let changed = Dbm::from_stack(stack)?.with_units(units)?;
        self.sampler.update(|dbm| *dbm = changed);
        Ok(())
    }

    fn parameters(&self) -> ParametersState {
        ParametersState::new(self.dbm().stack(), None).with_variance(self.dbm().units())
    }

    fn enumerable_units(&self) -> usize {
        enumerable_units(&layers_of(&self.visible_means, &self.settings.hidden), self.settings.visible_kind())
    }

    fn judged_by(&self) -> &'static [&'static str] {
        &["free_energy_gap"]
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.dbm().to_data()?)
    }

    fn figures(&self, probe: &Probe, _: &Streams) -> Result<Figures> {
        const OP: &str = "DbmLearner::figures";
        let (settings, volume) = (MeanFieldSettings::default(), self.dbm().log_volume());
        let (train_rows, valid_rows) = (self.states(OP, &probe.train)?, self.states(OP, &probe.valid)?);
        let (train_rows, valid_rows) = (train_rows.view(), valid_rows.view());
        let posterior = self.sampler.mean_field(valid_rows, &settings)?;
        let valid = mean(&posterior.bound(self.dbm(), valid_rows, 0.0));
        let train = self.sampler.mean_field(train_rows, &settings)?;
        let train = mean(&train.bound(self.dbm(), train_rows, 0.0));
        let weights: Vec<f32> = (0..self.dbm().depth()).map(|l| rms(self.dbm().weights(l).as_slice()) as f32).collect();
        let mut figures = Figures::new([
            ("layers", self.dbm().depth() as f64),
            ("reconstruction", self.reconstruction(valid_rows, &posterior) + volume),
            ("free_energy_gap", train - valid),
            ("weight_rms", rms(&weights)),
        ]);
        figures.push_layers("active_units", active_units(&posterior.means, None));
        if let Some(gaussian) = self.dbm().units().gaussian() {
            figures.push("variance", mean(&widened(gaussian.variance())));
        }
        if enumerable_units(&self.dbm().layers(), self.settings.visible_kind()) <= probe.exact_units {
            let log_partition = self.dbm().log_partition()?;
            figures.push("log_likelihood", mean(&self.dbm().log_prob(valid_rows, log_partition)?) - volume);
            figures.push("train_log_likelihood", mean(&self.dbm().log_prob(train_rows, log_partition)?) - volume);
            figures.push("elbo", valid - log_partition - volume);
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let mut state =
            LearnerState { parameters: self.parameters(), optimiser: self.ascent.state(), ..LearnerState::default() };
        state.counts.insert(STAGE.into(), vec![self.stage as u64]);
        state.tensors.insert(VISIBLE_MEANS.into(), self.visible_means.clone());
        state.put_standardise(self.dbm().units());
        state.put_layers("offset", &self.offsets.layers);
        state.put_shards(self.shards.iter().map(|shard| shard.chains.state()));
        state
    }

    fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "DbmLearner::restore";
        let mut units = self.dbm().units().clone();
        state.take_standardise(OP, &mut units)?;
        self.sampler.update(|dbm| *dbm.units_mut() = units);
        self.set_parameters(std::mem::take(&mut state.parameters))?;
        self.stage = state.take_count(OP, STAGE)?.min(self.settings.pretrain_stages());
        self.visible_means = state.take_tensor(OP, VISIBLE_MEANS, self.visible_means.len())?;
        self.ascent = self.settings.ascent(self.dbm(), self.stage);
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        self.offsets = Offsets { layers: state.take_layers(OP, "offset", &self.dbm().layers())? };
        let mut parts = state.take_shards(self.team.shards())?;
        let taken = parts[self.team.own()]
            .iter_mut()
            .map(|part| Ok(Shard::new(self.dbm(), DbmChains::take(part, self.dbm(), self.settings.temperatures)?)));
        self.shards = taken.collect::<Result<_>>()?;
        Ok(())
    }
}
