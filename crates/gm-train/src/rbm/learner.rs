//! Restricted Boltzmann machines in training.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use gm_core::{
    AisSettings, Arrangement, Batch, BatchRef, BitMatrix, Error as CoreError, Estimate, Gaussian, Matrix, ModelData,
    ModelKind, Purpose, Schedule, Stack, Streams, VisibleKind, VisibleUnits, check_len, mean,
};
use gm_rbm::{
    Chains, Offsets, Phase, Rbm, Sampler, Trajectory, class_gradient_into, contrastive_divergence, free_energy_gap,
    gradient_into, variance_gradient,
};
use serde::{Deserialize, Serialize};

use crate::config::ModelSettings;
use crate::error::{Error, Result};
use crate::learner::metrics::Figures;
use crate::learner::optimiser::{Optimiser, OptimiserSettings};
use crate::learner::{
    BitsState, ChainsState, Learner, LearnerState, ParametersState, Probe, StepReport, binary, check_layers,
};
use crate::rbm::chains::{ModelChains, restore_trajectory, trajectory_state};
use crate::settings::rate::{Clock, Rate, in_force, warm_up};
use crate::settings::regularise::{Regularise, pull_to_share};
use crate::settings::visible::Visible;
use gm_data::{Binarise, Dataset};

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

/// Draws of a layer between two changes of its weights from which on it pays to arrange these for draws.
pub(crate) const DRAWS_TO_PAY: usize = 400;

/// Steps from a model without weights to one with small random weights, and to one that has been trained.
const SHORT_WAY: usize = 20;
const LONG_WAY: usize = 2_000;

/// Where the statistics of the model come from.
///
/// Written `cd`, `pcd`, `pt` or `exact`.
///
/// # Examples
///
/// ```
/// use gm_train::{Algorithm, RbmSettings};
///
/// assert_eq!("pcd".parse::<Algorithm>()?, RbmSettings::default().algorithm);
/// let settings = RbmSettings { algorithm: Algorithm::Pt, temperatures: 1, ..Default::default() };
/// let error = settings.check().unwrap_err();
/// assert_eq!(error.to_string(), "RbmSettings: `temperatures` is 1, allowed: 2 or more");
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Algorithm {
    /// Contrastive divergence: chains start at the batch.
    Cd,
    /// Persistent contrastive divergence: chains go on from update to update.
    Pcd,
    /// Parallel tempering: persistent chains at several temperatures that exchange their states.
    Pt,
    /// Enumeration of the smaller layer, which may have up to 20 units.
    Exact,
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cd" => Ok(Self::Cd),
            "pcd" => Ok(Self::Pcd),
            "pt" => Ok(Self::Pt),
            "exact" => Ok(Self::Exact),
            _ => Err(Error::unknown("algorithm", text, &["cd", "pcd", "pt", "exact"])),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cd => "cd",
            Self::Pcd => "pcd",
            Self::Pt => "pt",
            Self::Exact => "exact",
        })
    }
}

impl TryFrom<String> for Algorithm {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Algorithm> for String {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.to_string()
    }
}

/// How a restricted Boltzmann machine is trained.
///
/// # Examples
///
/// ```
/// use gm_train::{Algorithm, RbmSettings};
///
/// let settings = RbmSettings { hidden: 64, algorithm: Algorithm::Cd, ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = RbmSettings { hidden: 0, ..Default::default() }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "RbmSettings: `hidden` is 0, allowed: 1 or more");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RbmSettings {
    /// Hidden units.
    pub hidden: usize,
    /// What the visible units are.
    pub visible: Visible,
    /// The variance below which Gaussian units do not fall, as a share of the variance of the data.
    pub least_variance: f32,
    /// Whether a group of visible units for the label is joined to those of the data.
    pub labels: bool,
    /// Classes of the labels; those of the data if 0.
    pub classes: usize,
    /// Weight of log p(label | row) in the objective, beside log p(row, label) with weight 1.
    pub class_weight: f32,
    /// Where the statistics of the model come from.
    pub algorithm: Algorithm,
    /// Sweeps for each update (k of CD-k and PCD-k).
    pub steps: usize,
    /// Other numbers of sweeps, each with the epoch, counted from 0, from which it holds.
    pub later_steps: Vec<(u64, usize)>,
    /// Persistent chains; with parallel tempering so many at each temperature.
    pub chains: usize,
    /// Temperatures of parallel tempering; they move towards equal shares of swaps.
    pub temperatures: usize,
    /// Whether the gradient is that of the centred parameters.
    pub centred: bool,
    /// How fast the visible offsets follow the batches; with 0 they stay at the means of the training split.
    pub visible_offset_rate: f32,
    /// How fast the hidden offsets follow the batches; they begin at 0.5.
    pub hidden_offset_rate: f32,
    /// Passes over the training split.
    pub epochs: u64,
    /// Examples of an update; the batches of an epoch differ by at most one.
    pub batch_size: usize,
    /// The first learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: Rate,
    /// Epochs in which the rate rises to its value.
    pub warm_up: f64,
    /// How a gradient becomes an update.
    pub optimiser: OptimiserSettings,
    /// Other shares of the last update that is repeated, each with the epoch, counted from 0, from which it holds; not for Adam.
    pub later_momentum: Vec<(u64, f32)>,
    /// Standard deviation of the first weights.
    pub init_scale: f32,
    /// Share of examples for which a hidden unit should be on; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f32>,
    /// How strongly hidden biases are pulled towards that share.
    pub sparsity_cost: f32,
    /// Chains that estimate log Z along training, of models too large to enumerate; 0 for no estimate. When parameters move too fast
    /// for them, a short annealing at each look takes their place.
    pub log_z_chains: usize,
    /// Penalties on weights.
    pub regularise: Regularise,
}

impl Default for RbmSettings {
    /// 500 hidden units, centred PCD-1 with 500 chains, 100 epochs in batches of 200, plain ascent at rates from 0.1 to 0; 10
    /// temperatures if there are several, and 100 chains that estimate log Z.
    fn default() -> Self {
        Self {
            hidden: 500,
            visible: Visible::Bernoulli,
            least_variance: 0.01,
            labels: false,
            classes: 0,
            class_weight: 0.0,
            algorithm: Algorithm::Pcd,
            steps: 1,
            later_steps: Vec::new(),
            chains: 500,
            temperatures: 10,
            centred: true,
            visible_offset_rate: 0.0,
            hidden_offset_rate: 0.01,
            epochs: 100,
            batch_size: 200,
            learning_rate: 0.1,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::default(),
            later_momentum: Vec::new(),
            init_scale: 0.01,
            sparsity: None,
            sparsity_cost: 0.1,
            log_z_chains: 100,
            regularise: Regularise::default(),
        }
    }
}

impl RbmSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        if let Some((arg, value)) = self.counts().into_iter().find(|(_, value)| *value == 0) {
            return Err(refused(arg, value, "1 or more"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(refused("learning_rate", self.learning_rate, "finite numbers above 0"));
        }
        let positive = [
            ("warm_up", self.warm_up),
            ("init_scale", self.init_scale.into()),
            ("class_weight", self.class_weight.into()),
            ("sparsity_cost", self.sparsity_cost.into()),
        ];
        for (arg, value) in positive {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(refused(arg, value, "finite numbers of 0 or more"));
            }
        }
        let shares = [
            ("visible_offset_rate", self.visible_offset_rate),
            ("hidden_offset_rate", self.hidden_offset_rate),
            ("sparsity", self.sparsity.unwrap_or(0.5)),
        ];
        if let Some((arg, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(refused(arg, value, "0 to 1"));
        }
        if self.algorithm == Algorithm::Pt && self.temperatures < 2 {
            return Err(refused("temperatures", self.temperatures, "2 or more"));
        }
        self.check_changes()?;
        self.check_units()?;
        self.optimiser.check()?;
        self.regularise.check()
    }

    /// Refuses later numbers whose epochs do not rise, or that are out of range themselves.
    fn check_changes(&self) -> Result<()> {
        let steps: Vec<u64> = self.later_steps.iter().map(|(epoch, _)| *epoch).collect();
        let momentum: Vec<u64> = self.later_momentum.iter().map(|(epoch, _)| *epoch).collect();
        for (arg, epochs) in [("later_steps", steps), ("later_momentum", momentum)] {
            let rises = epochs.windows(2).all(|pair| pair[0] < pair[1]);
            if !rises || epochs.first() == Some(&0) {
                return Err(refused(arg, format!("from epochs {epochs:?}"), "epochs that rise from 1"));
            }
        }
        if self.later_steps.iter().any(|(_, steps)| *steps == 0) {
            return Err(refused("later_steps", 0, "1 or more"));
        }
        match (self.optimiser, self.later_momentum.is_empty()) {
            (OptimiserSettings::Adam { .. }, false) => {
                Err(refused("later_momentum", "given for adam", "none for adam"))
            }
            _ => {
                self.later_momentum.iter().try_for_each(|(_, momentum)| self.optimiser.with_momentum(*momentum).check())
            }
        }
    }

    /// The arrangement of weights that suits the number of draws between two updates.
    fn arrangement(&self) -> Arrangement {
        let steps = self.later_steps.iter().fold(self.steps, |most, (_, steps)| most.max(*steps));
        let chains = match self.algorithm {
            Algorithm::Exact => 0,
            Algorithm::Cd => self.batch_size,
            Algorithm::Pcd => self.chains,
            Algorithm::Pt => self.chains * self.temperatures,
        };
        match (chains * steps >= DRAWS_TO_PAY, chains * (steps - 1) >= DRAWS_TO_PAY) {
            (_, true) => Arrangement::ManyDraws,
            (true, false) => Arrangement::ManyDrawsOfV,
            (false, false) => Arrangement::FewDraws,
        }
    }

    /// The optimiser with memory enough for every momentum of the run.
    fn optimiser(&self) -> OptimiserSettings {
        let momentum = self.later_momentum.iter().map(|(_, momentum)| *momentum);
        momentum.fold(self.optimiser, OptimiserSettings::with_momentum_of_at_least)
    }

    /// Refuses kinds of visible units that do not go together.
    fn check_units(&self) -> Result<()> {
        if !(self.least_variance > 0.0 && self.least_variance <= 1.0) {
            return Err(refused("least_variance", self.least_variance, "above 0, at most 1"));
        }
        if self.labels && self.visible != Visible::Bernoulli {
            return Err(refused("visible", format!("{} with labels", self.visible), "bernoulli with labels"));
        }
        if self.class_weight > 0.0 && !self.labels {
            return Err(refused("class_weight", self.class_weight, "0 without label units"));
        }
        check_classes("RbmSettings", self.classes)
    }

    /// Fills in what the data tell.
    ///
    /// # Errors
    ///
    /// Those of [`Dataset::classes`] with label units, and of [`Dataset::categories`] with softmax units.
    pub fn complete(&mut self, data: &Dataset) -> Result<()> {
        self.classes = classes_of(self.labels, self.classes, data)?;
        self.visible = self.visible.complete(data)?;
        Ok(())
    }

    /// The whole numbers, none of which may be 0.
    fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("hidden", self.hidden as u64),
            ("steps", self.steps as u64),
            ("chains", self.chains as u64),
            ("temperatures", self.temperatures as u64),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
        ]
    }

    fn rate(&self, clock: &Clock) -> f64 {
        self.learning_rate * self.schedule.factor(clock) * warm_up(self.warm_up, clock)
    }

    /// The share of the last update that is repeated, of optimisers that repeat one.
    fn momentum(&self, clock: &Clock) -> Option<f32> {
        match self.optimiser {
            OptimiserSettings::Sgd { momentum, .. } => Some(in_force(momentum, &self.later_momentum, clock)),
            OptimiserSettings::Adam { .. } => None,
        }
    }
}

impl ModelSettings for RbmSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Rbm
    }

    fn hidden(&self) -> Vec<usize> {
        vec![self.hidden]
    }

    fn epochs(&self) -> u64 {
        self.epochs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        Self::counts(self).into()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn visible_kind(&self) -> VisibleKind {
        self.visible.kind(self.classes)
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise) -> Result<Option<Dataset>> {
        match with_labels(self.labels, self.classes, data)? {
            Some(joined) => Ok(Some(joined)),
            None => self.visible.prepare("RbmSettings", data, binarise),
        }
    }

    fn learner(&self, data: &Dataset, visible_means: &[f32], streams: &Streams) -> Result<Box<dyn Learner>> {
        Ok(Box::new(RbmLearner::with_data(data, visible_means, self, streams)?))
    }
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "RbmSettings", arg, value: value.to_string(), allowed }.into()
}

/// The classes of label units: as many as asked for, else those of the data; 0 without label units.
pub(crate) fn classes_of(labels: bool, asked: usize, data: &Dataset) -> Result<usize> {
    match (labels, asked) {
        (false, _) => Ok(0),
        (true, 0) => Ok(data.classes()?),
        (true, asked) => Ok(asked),
    }
}

/// Refuses a group of one unit.
pub(crate) fn check_classes(op: &'static str, classes: usize) -> Result<()> {
    if classes != 1 {
        return Ok(());
    }
    let (arg, value) = ("classes", classes.to_string());
    Err(CoreError::Param { op, arg, value, allowed: "0 for those of the data, or 2 or more" }.into())
}

/// The data with label units behind the others, if there are to be any.
pub(crate) fn with_labels(labels: bool, classes: usize, data: &Dataset) -> Result<Option<Dataset>> {
    Ok(labels.then(|| data.with_label_units(classes)).transpose()?)
}

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
/// let log_prob = learner.rbm().log_prob(&rows, learner.rbm().log_partition()?);
/// assert!(log_prob.iter().all(|&log_p| log_p > 0.25_f64.ln()));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RbmLearner {
    settings: RbmSettings,
    sampler: Sampler,
    optimiser: Optimiser,
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
        Self::start(rbm, visible_means, settings, SHORT_WAY, streams)
    }

    /// A given model, to be trained further on data of the given means, `[visible]`.
    ///
    /// # Errors
    ///
    /// Those of [`RbmSettings::check`], [`gm_core::Error::Shape`] when model, means and settings disagree on units,
    /// [`gm_core::Error::TooLarge`] for the exact gradient of a model that is too large for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    /// use gm_train::{Learner, RbmLearner, RbmSettings};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 2])?)?;
    /// let settings = RbmSettings { hidden: 2, chains: 10, ..Default::default() };
    /// let learner = RbmLearner::start_from(rbm, &[0.5; 4], &settings, &Streams::new(0))?;
    /// assert_eq!(learner.stack().layers(), [4, 2]);
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn start_from(rbm: Rbm, visible_means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Self> {
        Self::start(rbm, visible_means, settings, LONG_WAY, streams)
    }

    /// A model in training; log Z is followed from a model without weights in so many steps.
    fn start(rbm: Rbm, visible_means: &[f32], settings: &RbmSettings, way: usize, streams: &Streams) -> Result<Self> {
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
        let followed = estimates_log_z(settings, rbm);
        let follow = || Trajectory::start(rbm, settings.log_z_chains, way, streams);
        let trajectory = followed.then(follow).transpose()?;
        Ok(Self {
            settings: settings.clone(),
            trajectory,
            weights: None,
            optimiser: Optimiser::of_tensors(
                settings.optimiser(),
                rbm.stack().tensors().chain(of_variances(&log_variances)),
            ),
            offsets: Offsets { visible: visible_means.to_vec(), hidden: vec![0.5; rbm.hidden()] },
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
        let rate = self.settings.rate(clock);
        if let Some(momentum) = self.settings.momentum(clock) {
            self.optimiser.set_momentum(momentum);
        }
        self.climb(rate as f32);
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
        let base = self.rbm().units().bias_of_means(&self.offsets.visible);
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
            self.offsets.slide(&self.data, visible, hidden);
            self.offsets.centre_for(self.sampler.model().units(), &mut self.gradient);
        }
    }

    /// Moves the parameters, log-variances among them, up their gradient.
    fn climb(&mut self, rate: f32) {
        let Self { sampler, settings, optimiser, gradient, log_variances, .. } = self;
        let penalty = settings.regularise;
        let mut steps = vec![0.0; log_variances.len()];
        sampler.update(|rbm| {
            let tensors = rbm.stack_mut().tensors_mut().zip(gradient.tensors());
            let variances = (!steps.is_empty()).then_some((steps.as_mut_slice(), log_variances.as_slice()));
            let penalty_of = |t| if t == 0 { penalty } else { Regularise::default() };
            optimiser.apply_to_tensors(tensors.chain(variances), rate, penalty_of);
            penalty.limit_norms(rbm.stack_mut());
            if let Some(gaussian) = rbm.units_mut().gaussian_mut() {
                for (step, variance) in steps.iter_mut().zip(gaussian.variance()) {
                    let least = (settings.least_variance / variance).ln();
                    *step = step.clamp(-GREATEST_STEP, GREATEST_STEP).max(least);
                }
                gaussian.grow(&steps);
            }
        });
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

/// Log-variances as a tensor behind the others, where there are any.
pub(crate) fn of_variances(values: &[f32]) -> impl Iterator<Item = &[f32]> {
    (!values.is_empty()).then_some(values).into_iter()
}

/// The most by which the logarithm of a variance changes in an update.
pub(crate) const GREATEST_STEP: f32 = 0.1;

pub(crate) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// The share of rows whose label units, behind so many others, do not say the class that is most probable.
pub(crate) fn error_rate(log_p: &Matrix, rows: &BitMatrix, before: usize) -> f64 {
    let wrong = (0..rows.samples()).filter(|&row| !rows.get(before + log_p.column(row).imax(), row)).count();
    wrong as f64 / rows.samples() as f64
}

/// Root mean square.
pub(crate) fn rms(values: &[f32]) -> f64 {
    (values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

impl Learner for RbmLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let states = self.states("RbmLearner::step", batch)?;
        self.learn(states.view(), clock, streams)
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn weigh(&mut self, weights: Vec<f32>) {
        self.weights = Some(weights);
    }

    fn stack(&self) -> &Stack {
        self.rbm().stack()
    }

    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()> {
        const OP: &str = "RbmLearner::set_parameters";
        let mut units = self.rbm().units().clone();
        check_len(OP, "variance", "length", parameters.variance.len(), self.log_variances.len())?;
        if let Some(gaussian) = units.gaussian_mut() {
            *gaussian =
                Gaussian::new(parameters.variance.clone())?.with_standardise(gaussian.standardise().cloned())?;
        }
        let (stack, _) = parameters.into_parts()?;
        check_layers(OP, &stack, &[self.rbm().visible(), self.rbm().hidden()])?;
        let changed = Rbm::with_units(stack, units)?;
        self.sampler.update(|rbm| *rbm = changed);
        Ok(())
    }

    fn parameters(&self) -> ParametersState {
        let variance = self.rbm().units().gaussian().map_or_else(Vec::new, |gaussian| gaussian.variance().to_vec());
        ParametersState { variance, ..ParametersState::new(self.rbm().stack(), None) }
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
            figures.push("log_likelihood", mean(&self.rbm().log_prob(valid, log_partition)) - volume);
            figures.push("train_log_likelihood", mean(&self.rbm().log_prob(train, log_partition)) - volume);
        }
        if let Some(log_partition) = self.estimated_log_partition()? {
            figures.push("estimated_log_likelihood", mean(&self.rbm().log_prob(valid, log_partition.value)) - volume);
            figures.push(
                "train_estimated_log_likelihood",
                mean(&self.rbm().log_prob(train, log_partition.value)) - volume,
            );
            figures.push("log_partition", log_partition.value);
            figures.push("log_partition_error", log_partition.std_error);
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let (mut chains, mut numbers): (Vec<_>, Vec<_>) = self.chains.iter().map(ModelChains::state).unzip();
        chains.extend(self.trajectory.iter().map(trajectory_state));
        numbers.extend(self.trajectory.iter().map(Trajectory::numbers));
        LearnerState {
            parameters: self.parameters(),
            optimiser: self.optimiser.state().clone(),
            offsets: vec![self.offsets.visible.clone(), self.offsets.hidden.clone()],
            chains,
            numbers: numbers.concat(),
            stage: 0,
        }
    }

    fn restore(&mut self, state: LearnerState) -> Result<()> {
        const OP: &str = "RbmLearner::restore";
        let (visible, hidden) = (self.rbm().visible(), self.rbm().hidden());
        self.set_parameters(state.parameters)?;
        let stack = self.rbm().stack();
        let tensors = stack.tensors().zip(stack.tensor_names());
        let variances = of_variances(&self.log_variances).map(|values| (values, "visible_variance".into()));
        self.optimiser =
            Optimiser::resume_tensors(self.settings.optimiser(), tensors.chain(variances), state.optimiser)?;
        check_len(OP, "offsets", "layers", state.offsets.len(), 2)?;
        let mut offsets = state.offsets.into_iter();
        let mut next = |units| -> Result<Vec<f32>> {
            let values = offsets.next().unwrap_or_default();
            check_len(OP, "offsets", "length", values.len(), units)?;
            Ok(values)
        };
        self.offsets = Offsets { visible: next(visible)?, hidden: next(hidden)? };
        let expected = usize::from(self.chains.is_some()) + usize::from(self.trajectory.is_some());
        if self.trajectory.is_some() && state.chains.len() + 1 == expected {
            // They had lost log Z when the state was saved.
            self.trajectory = None;
        } else {
            check_len(OP, "chains", "length", state.chains.len(), expected)?;
        }
        let (mut chains, mut numbers) = (state.chains.into_iter(), state.numbers.into_iter());
        let mut next = || chains.next().unwrap_or_default();
        if let Some(chains) = &mut self.chains {
            chains.restore(next(), [visible, hidden], &mut numbers)?;
        }
        if let Some(trajectory) = &mut self.trajectory {
            *trajectory = restore_trajectory(next(), visible, &mut numbers)?;
        }
        Ok(())
    }
}

/// Whether log Z of a machine is estimated as training goes on.
fn estimates_log_z(settings: &RbmSettings, rbm: &Rbm) -> bool {
    settings.log_z_chains > 0 && rbm.enumerable_units() > ENUMERATED
}

/// Chains, to be saved.
pub(crate) fn chains_state(chains: &Chains) -> ChainsState {
    let (v, reals) = visible_state(chains.v());
    ChainsState { sweeps: chains.sweeps, layers: vec![v, BitsState::from(chains.h())], reals }
}

/// Visible states, to be saved: bits, or numbers.
pub(crate) fn visible_state(v: &Batch) -> (BitsState, Vec<f32>) {
    match v {
        Batch::Bits(bits) => (BitsState::from(bits), Vec::new()),
        Batch::Reals(reals) => (BitsState::default(), reals.as_slice().to_vec()),
    }
}

/// Saved visible states of so many units.
pub(crate) fn restore_visible(bits: BitsState, reals: Vec<f32>, visible: usize) -> Result<Batch> {
    if reals.is_empty() {
        return Ok(bits.into_bits(visible)?.into());
    }
    check_len("RbmLearner::restore", "chains", "numbers", reals.len(), reals.len().next_multiple_of(visible))?;
    Ok(Matrix::from_vec(visible, reals.len() / visible, reals).into())
}

/// Saved chains of a machine of so many units.
pub(crate) fn restore_chains(state: ChainsState, [visible, hidden]: [usize; 2]) -> Result<Chains> {
    const OP: &str = "RbmLearner::restore";
    check_len(OP, "chains", "layers", state.layers.len(), 2)?;
    let mut layers = state.layers.into_iter();
    let mut next = || layers.next().unwrap_or_default();
    let (v, h) = (next(), next().into_bits(hidden)?);
    let v = restore_visible(v, state.reals, visible)?;
    let chains = Chains { layers: vec![v, h.into()], sweeps: state.sweeps };
    check_len(OP, "chains", "samples", chains.h().samples(), chains.v().samples())?;
    Ok(chains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_each_setting_out_of_range() {
        let base = RbmSettings::default();
        let cases: Vec<(RbmSettings, &str)> = vec![
            (RbmSettings { hidden: 0, ..base.clone() }, "`hidden` is 0, allowed: 1 or more"),
            (RbmSettings { steps: 0, ..base.clone() }, "`steps` is 0, allowed: 1 or more"),
            (RbmSettings { chains: 0, ..base.clone() }, "`chains` is 0, allowed: 1 or more"),
            (RbmSettings { epochs: 0, ..base.clone() }, "`epochs` is 0, allowed: 1 or more"),
            (RbmSettings { batch_size: 0, ..base.clone() }, "`batch_size` is 0, allowed: 1 or more"),
            (
                RbmSettings { learning_rate: -1.0, ..base.clone() },
                "`learning_rate` is -1, allowed: finite numbers above 0",
            ),
            (
                RbmSettings { warm_up: f64::NAN, ..base.clone() },
                "`warm_up` is NaN, allowed: finite numbers of 0 or more",
            ),
            (
                RbmSettings { init_scale: -0.5, ..base.clone() },
                "`init_scale` is -0.5, allowed: finite numbers of 0 or more",
            ),
            (RbmSettings { visible_offset_rate: 2.0, ..base.clone() }, "`visible_offset_rate` is 2, allowed: 0 to 1"),
            (RbmSettings { hidden_offset_rate: -0.5, ..base.clone() }, "`hidden_offset_rate` is -0.5, allowed: 0 to 1"),
            (
                RbmSettings { labels: true, classes: 1, ..base.clone() },
                "`classes` is 1, allowed: 0 for those of the data, or 2 or more",
            ),
            (RbmSettings { class_weight: 0.5, ..base }, "`class_weight` is 0.5, allowed: 0 without label units"),
        ];
        for (settings, text) in cases {
            assert_eq!(settings.check().unwrap_err().to_string(), format!("RbmSettings: {text}"));
        }
        assert_eq!(
            "pdc".parse::<Algorithm>().unwrap_err().to_string(),
            "unknown algorithm `pdc`, did you mean `pcd`?; known: cd, pcd, pt, exact"
        );
    }

    #[test]
    fn rejects_models_that_do_not_fit() {
        let streams = Streams::new(0);
        let rbm = || Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
        let settings = RbmSettings { hidden: 3, chains: 2, ..Default::default() };
        let refuse = |settings: &RbmSettings, means: &[f32]| {
            RbmLearner::start_from(rbm(), means, settings, &streams).unwrap_err().to_string()
        };
        assert_eq!(refuse(&settings, &[0.5; 3]), "RbmLearner::start_from: `visible_means` has length 3, expected 4");
        let other = RbmSettings { hidden: 2, ..settings.clone() };
        assert_eq!(refuse(&other, &[0.5; 4]), "RbmLearner::start_from: `rbm` has hidden units 3, expected 2");
        let large = RbmSettings { algorithm: Algorithm::Exact, hidden: 30, ..Default::default() };
        assert_eq!(
            RbmLearner::new(&[0.5; 25], &large, &streams).unwrap_err().to_string(),
            "training on the exact gradient: 25 units must be enumerated, at most 20 can be"
        );
        let mut learner = RbmLearner::start_from(rbm(), &[0.5; 4], &settings, &streams).unwrap();
        let clock = Clock { step: 0, total: 1, per_epoch: 1 };
        let error = learner.step(&BitMatrix::zeros(5, 2).into(), &clock, &streams).unwrap_err();
        assert_eq!(error.to_string(), "RbmLearner::step: `batch` has units 5, expected 4");
        let mut state = learner.state();
        state.chains.clear();
        assert!(learner.restore(state).unwrap_err().to_string().contains("`chains` has length 0, expected 1"));
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
