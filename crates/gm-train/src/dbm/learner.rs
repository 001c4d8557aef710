//! Deep Boltzmann machines in training.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use gm_core::{
    Arrangement, Batch, BatchRef, Error as CoreError, Gaussian, Matrix, ModelData, ModelKind, Purpose, Stack, Streams,
    VisibleKind, VisibleUnits, check_len, mean,
};
use gm_dbm::{
    Chains, DataPhase, Dbm, MeanField, MeanFieldSettings, Offsets, Sampler, gradient_into, variance_gradient,
};
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use serde::{Deserialize, Serialize};

use crate::config::ModelSettings;
use crate::dbm::chains::DbmChains;
use crate::dbm::pretrain::{Pretraining, Scales};
use crate::error::{Error, Result};
use crate::learner::metrics::Figures;
use crate::learner::optimiser::{Optimiser, OptimiserSettings};
use crate::learner::{Learner, LearnerState, ParametersState, Probe, StepReport, binary, check_layers};
use crate::rbm::learner::{GREATEST_STEP, of_variances, rms, widened};
use crate::settings::rate::{Clock, Rate, warm_up};
use crate::settings::regularise::{Regularise, pull_to_share};
use crate::settings::visible::Visible;
use gm_data::load_model;
use gm_data::{Binarise, Dataset};

/// What comes before all layers are trained together.
///
/// Written `none`, `grow`, `2009` or `2012`.
///
/// # Source
///
/// `salakhutdinov2009deep`, section 3.1; `hinton2012better`, section 3.
///
/// # Examples
///
/// ```
/// use gm_train::{DbmSettings, Pretrain};
///
/// let epochs = |pretrain| {
///     DbmSettings { hidden: vec![20, 10], pretrain, pretrain_epochs: 5, epochs: 50, ..Default::default() }.total_epochs()
/// };
/// assert_eq!((epochs("none".parse()?), epochs(Pretrain::Grow), epochs("2009".parse()?)), (50, 55, 60));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pretrain {
    /// Nothing: all layers start from small random weights.
    None,
    /// Machines of one, two, ... hidden layers are trained one after the other, each from the one before with a layer of small
    /// random weights on top; such a layer leaves p(v) as it was.
    Grow,
    /// Each matrix on its own by contrastive divergence, with doubled input where a second neighbour is missing.
    Rules2009,
    /// As 2009 for two hidden layers, with two thirds of the evidence in the first and one third in the second.
    Rules2012,
}

const PRETRAIN: [(&str, Pretrain); 4] =
    [("none", Pretrain::None), ("grow", Pretrain::Grow), ("2009", Pretrain::Rules2009), ("2012", Pretrain::Rules2012)];

impl FromStr for Pretrain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = PRETRAIN.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, which)| *which)
            .ok_or_else(|| Error::unknown("pretraining", text, &PRETRAIN.map(|(name, _)| name)))
    }
}

impl fmt::Display for Pretrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = PRETRAIN.iter().find(|(_, which)| which == self);
        f.write_str(found.map_or("none", |(name, _)| name))
    }
}

impl TryFrom<String> for Pretrain {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Pretrain> for String {
    fn from(which: Pretrain) -> Self {
        which.to_string()
    }
}

/// How a deep Boltzmann machine is trained.
///
/// # Examples
///
/// ```
/// use gm_train::{DbmSettings, Pretrain};
///
/// let settings = DbmSettings { hidden: vec![64, 32], pretrain: Pretrain::Grow, ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = DbmSettings { hidden: vec![64, 0], ..Default::default() }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "DbmSettings: `hidden` is 0, allowed: 1 or more");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbmSettings {
    /// Units of the hidden layers, from the first one up.
    pub hidden: Vec<usize>,
    /// What the visible units are.
    pub visible: Visible,
    /// The variance below which Gaussian units do not fall, as a share of the variance of the data.
    pub least_variance: f32,
    /// What comes before all layers are trained together.
    pub pretrain: Pretrain,
    /// A file with a machine of the first of these layers, or of all: a restricted or deep Boltzmann machine, or a deep belief
    /// network, whose middle matrices are halved as in 2009. Layers above it begin with small weights. Gaussian units go on with its
    /// variances, and with data standardised as it has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Passes over the training split for each stage of pretraining.
    pub pretrain_epochs: u64,
    /// The first learning rate of each stage of pretraining.
    pub pretrain_learning_rate: f64,
    /// Passes over the training split with all layers together.
    pub epochs: u64,
    /// Examples of an update; the batches of an epoch differ by at most one.
    pub batch_size: usize,
    /// Persistent chains; with several temperatures so many at each of them.
    pub chains: usize,
    /// Inverse temperatures of the chains, from 1 down by equal steps: 1, 1 - 1/N, ..., 1/N. After each sweep neighbours exchange
    /// their states by parallel tempering. One is the model's own alone.
    pub temperatures: usize,
    /// Sweeps for each update.
    pub steps: usize,
    /// Passes of mean field for each update at most.
    pub mean_field_iterations: usize,
    /// The greatest change of a mean at which mean field ends.
    pub mean_field_tolerance: f32,
    /// Whether the gradient is that of the centred parameters.
    pub centred: bool,
    /// How fast the visible offsets follow the batches; with 0 they stay at the means of the training split.
    pub visible_offset_rate: f32,
    /// How fast the hidden offsets follow the batches; they begin at 0.5.
    pub hidden_offset_rate: f32,
    /// The first learning rate with all layers together.
    pub learning_rate: f64,
    /// How the learning rate changes within a stage.
    pub schedule: Rate,
    /// Epochs in which the rate rises to its value, with all layers together.
    pub warm_up: f64,
    /// How a gradient becomes an update.
    pub optimiser: OptimiserSettings,
    /// Standard deviation of the first weights.
    pub init_scale: f32,
    /// Share of examples for which a hidden unit should be on; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f32>,
    /// How strongly hidden biases are pulled towards that share.
    pub sparsity_cost: f32,
    /// Penalties on weights.
    pub regularise: Regularise,
}

impl Default for DbmSettings {
    /// Hidden layers of 500 and 1,000 units that are grown one after the other, then 100 epochs of centred training in batches
    /// of 200 with 500 persistent chains, by plain ascent at rates from 0.1 to 0.
    fn default() -> Self {
        Self {
            hidden: vec![500, 1000],
            visible: Visible::Bernoulli,
            least_variance: 0.01,
            pretrain: Pretrain::Grow,
            start: None,
            pretrain_epochs: 10,
            pretrain_learning_rate: 0.1,
            epochs: 100,
            batch_size: 200,
            chains: 500,
            temperatures: 1,
            steps: 1,
            mean_field_iterations: 10,
            mean_field_tolerance: 0.01,
            centred: true,
            visible_offset_rate: 0.0,
            hidden_offset_rate: 0.01,
            learning_rate: 0.1,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::default(),
            init_scale: 0.01,
            sparsity: None,
            sparsity_cost: 0.1,
            regularise: Regularise::default(),
        }
    }
}

impl DbmSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        if self.hidden.is_empty() {
            return Err(refused("hidden", "empty", "one layer or more"));
        }
        if let Some((arg, value)) = self.counts().into_iter().find(|(_, value)| *value == 0) {
            return Err(refused(arg, value, "1 or more"));
        }
        if self.pretrain == Pretrain::Rules2012 && self.hidden.len() != 2 {
            let value = format!("2012 with {} hidden layers", self.hidden.len());
            return Err(refused("pretrain", value, "2012 with two hidden layers"));
        }
        if self.start.is_some() && self.pretrain != Pretrain::None {
            return Err(refused("pretrain", self.pretrain, "none with a model to start from"));
        }
        if !(self.least_variance > 0.0 && self.least_variance <= 1.0) {
            return Err(refused("least_variance", self.least_variance, "above 0, at most 1"));
        }
        self.check_rates()?;
        self.optimiser.check()?;
        self.regularise.check()?;
        Ok(self.mean_field().check()?)
    }

    /// Fills in what the data tell.
    ///
    /// # Errors
    ///
    /// Those of [`Dataset::categories`] with softmax units.
    pub fn complete(&mut self, data: &Dataset) -> Result<()> {
        self.visible = self.visible.complete(data)?;
        Ok(())
    }

    /// The model to start from, where one is named.
    ///
    /// # Errors
    ///
    /// Those of [`load_model`], and [`gm_core::Error::Param`] for a model of another kind or with other layers.
    pub(crate) fn start_model(&self, visible: usize) -> Result<Option<Dbm>> {
        let Some(path) = &self.start else { return Ok(None) };
        let data = load_model(path)?;
        let model = match data.kind {
            ModelKind::Dbm => Dbm::from_data(data)?,
            ModelKind::Rbm => Dbm::from_rbm(Rbm::from_data(data)?)?,
            ModelKind::Dbn => from_dbn(Dbn::from_data(data)?)?,
            kind => {
                return Err(refused("start", format!("a {kind}"), "a file with a machine or a deep belief network"));
            }
        };
        self.check_start(&model, visible)?;
        Ok(Some(model))
    }

    /// Refuses a model to start from that these settings do not extend.
    fn check_start(&self, model: &Dbm, visible: usize) -> Result<()> {
        let wanted: Vec<usize> = std::iter::once(visible).chain(self.hidden.iter().copied()).collect();
        if !wanted.starts_with(&model.layers()) {
            let value = format!("a model with layers {:?} for {wanted:?}", model.layers());
            return Err(refused("start", value, "a model whose layers are the first ones of those wanted"));
        }
        let (found, wanted) = (model.visible_units().kind(), self.visible_kind());
        if found != wanted {
            let value = format!("a model with {found} visible units for visible {wanted}");
            return Err(refused("start", value, "a model with the visible units of the settings"));
        }
        Ok(())
    }

    fn check_rates(&self) -> Result<()> {
        for (arg, value) in
            [("learning_rate", self.learning_rate), ("pretrain_learning_rate", self.pretrain_learning_rate)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return Err(refused(arg, value, "finite numbers above 0"));
            }
        }
        let positive = [
            ("warm_up", self.warm_up),
            ("init_scale", self.init_scale.into()),
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
        match shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            Some((arg, value)) => Err(refused(arg, value, "0 to 1")),
            None => Ok(()),
        }
    }

    /// Passes over the training split in all, pretraining included.
    #[must_use]
    pub fn total_epochs(&self) -> u64 {
        (self.pretrain_stages() as u64).saturating_mul(self.pretrain_epochs).saturating_add(self.epochs)
    }

    fn pretrain_stages(&self) -> usize {
        match self.pretrain {
            Pretrain::None => 0,
            Pretrain::Grow => self.hidden.len() - 1,
            Pretrain::Rules2009 | Pretrain::Rules2012 => self.hidden.len(),
        }
    }

    /// Which stage an update belongs to, from 0, and its place there; the last stage trains all layers together.
    fn stage(&self, clock: &Clock) -> (usize, Clock) {
        let (stages, length) = (self.pretrain_stages(), self.pretrain_epochs.saturating_mul(clock.per_epoch));
        let stage = usize::try_from(clock.step / length.max(1)).unwrap_or(usize::MAX).min(stages);
        let before = stage as u64 * length;
        let total = if stage < stages { length } else { clock.total.saturating_sub(before) };
        (stage, Clock { step: clock.step - before, total, per_epoch: clock.per_epoch })
    }

    /// Hidden layers that exist in a stage.
    fn depth_in(&self, stage: usize) -> usize {
        if self.pretrain == Pretrain::Grow { (stage + 1).min(self.hidden.len()) } else { self.hidden.len() }
    }

    fn mean_field(&self) -> MeanFieldSettings {
        MeanFieldSettings {
            iterations: self.mean_field_iterations,
            tolerance: self.mean_field_tolerance,
            ..MeanFieldSettings::default()
        }
    }

    /// How a matrix is trained on its own, by its place.
    fn scales(&self, l: usize) -> Scales {
        let last = self.hidden.len() - 1;
        match (self.pretrain, l) {
            _ if last == 0 => Scales { up: 1.0, down: 1.0 },
            (Pretrain::Rules2012, 0) => Scales { up: 3.0, down: 1.0 },
            // Trained as W with 2 W up and 3 W down, used as 2 W.
            (Pretrain::Rules2012, _) => Scales { up: 1.0, down: 1.5 },
            (_, 0) => Scales { up: 2.0, down: 1.0 },
            (_, l) if l == last => Scales { up: 1.0, down: 2.0 },
            _ => Scales { up: 2.0, down: 2.0 },
        }
    }
}

impl ModelSettings for DbmSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Dbm
    }

    fn hidden(&self) -> Vec<usize> {
        self.hidden.clone()
    }

    fn epochs(&self) -> u64 {
        self.total_epochs()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let layers = self.hidden.iter().map(|&units| ("hidden", units as u64));
        let others = [
            ("pretrain_epochs", self.pretrain_epochs),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
            ("chains", self.chains as u64),
            ("temperatures", self.temperatures as u64),
            ("steps", self.steps as u64),
            ("mean_field_iterations", self.mean_field_iterations as u64),
        ];
        layers.chain(others).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn visible_kind(&self) -> VisibleKind {
        self.visible.kind(0)
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise) -> Result<Option<Dataset>> {
        self.visible.prepare("DbmSettings", data, binarise)
    }

    fn learner(&self, data: &Dataset, visible_means: &[f32], streams: &Streams) -> Result<Box<dyn Learner>> {
        Ok(Box::new(DbmLearner::with_data(data, visible_means, self, streams)?))
    }
}

/// A deep belief network without label units as a deep Boltzmann machine of the same layers.
fn from_dbn(dbn: Dbn) -> Result<Dbm> {
    if dbn.classes() > 0 {
        let value = format!("a dbn with {} label units", dbn.classes());
        return Err(refused("start", value, "a deep belief network without label units"));
    }
    Ok(Dbm::compose(dbn.stack().clone(), dbn.units().clone())?)
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "DbmSettings", arg, value: value.to_string(), allowed }.into()
}

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
    optimiser: Optimiser,
    offsets: Offsets,
    chains: DbmChains,
    gradient: Stack,
    /// The gradient with respect to the log-variances of Gaussian units.
    log_variances: Vec<f32>,
    /// The stage that all this belongs to.
    stage: usize,
}

impl DbmLearner {
    /// A model that starts from small random weights and the means of the data, `[visible]`, or from the settings' model.
    ///
    /// Of Gaussian units the means are those of data that are standardised already.
    ///
    /// # Errors
    ///
    /// Those of [`DbmSettings::check`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Streams;
    /// use gm_train::{DbmLearner, DbmSettings, Learner, Pretrain};
    ///
    /// let settings = DbmSettings { hidden: vec![3, 2], pretrain: Pretrain::None, chains: 10, ..Default::default() };
    /// let learner = DbmLearner::new(&[0.5; 4], &settings, &Streams::new(0))?;
    /// assert_eq!(learner.stack().layers(), [4, 3, 2]);
    /// # Ok::<(), gm_train::Error>(())
    /// ```
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
        if let Some(dbm) = settings.start_model(visible_means.len())? {
            let seen = means_seen_by(&dbm, visible_means);
            return Self::start_from(dbm, &seen, settings, streams);
        }
        let hidden = &settings.hidden[..settings.depth_in(0)];
        let seen = match units.gaussian().and_then(Gaussian::standardise) {
            Some(_) => vec![0.0; visible_means.len()],
            None => visible_means.to_vec(),
        };
        let dbm = Dbm::initial_with(units, &seen, hidden, settings.init_scale, streams)?;
        Self::at_stage(dbm, &seen, settings, 0, streams)
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
        learner.chains.run(&learner.sampler, BURN_IN, streams);
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
        let log_variances = vec![0.0; dbm.visible_units().gaussian().map_or(0, |_| dbm.visible())];
        Ok(Self {
            settings: settings.clone(),
            visible_means: visible_means.to_vec(),
            optimiser: Optimiser::of_tensors(
                settings.optimiser,
                dbm.stack().tensors().chain(of_variances(&log_variances)),
            ),
            log_variances,
            offsets: Offsets { layers: offsets },
            chains: DbmChains::new(&dbm, settings.chains, settings.temperatures, streams)?,
            gradient: dbm.stack().clone(),
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

    /// The persistent chains, those of all temperatures.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        self.chains.all()
    }

    /// Goes on to a stage: adds a layer where the machine grows, and begins optimiser and upper chains anew.
    fn enter(&mut self, stage: usize, streams: &Streams) -> Result<()> {
        let hidden = &self.settings.hidden[..self.settings.depth_in(stage)];
        let dbm = extended(self.dbm(), &self.visible_means, hidden, self.settings.init_scale, streams)?;
        let (mut offsets, chains) = (self.offsets.clone(), self.chains.clone().extended(&dbm, streams)?);
        let settings = self.settings.clone();
        *self = Self::at_stage(dbm, &self.visible_means.clone(), &settings, stage, streams)?;
        offsets.layers.extend_from_slice(&self.offsets.layers[offsets.layers.len()..]);
        (self.offsets, self.chains) = (offsets, chains);
        Ok(())
    }

    /// Updates all layers together; figures of the update.
    fn ascend(&mut self, batch: BatchRef<'_>, rate: f64, streams: &Streams) -> Result<Figures> {
        let posterior = self.sampler.mean_field(batch, &self.settings.mean_field())?;
        let iterations = posterior.iterations as f64;
        let data = DataPhase::new(batch, posterior);
        let (mut figures, model) = self.chains.advance(&self.sampler, self.settings.steps, streams);
        gradient_into(&data, &model, &mut self.gradient);
        if self.dbm().visible_units().gaussian().is_some() {
            self.log_variances = variance_gradient(self.dbm(), &data, &model, &self.gradient);
        }
        self.pull_to_sparsity(data.averages());
        if self.settings.centred {
            let mut rates = vec![self.settings.hidden_offset_rate; data.averages().len()];
            rates[0] = self.settings.visible_offset_rate;
            self.offsets.slide(data.averages(), &rates);
            self.offsets.centre_for(self.sampler.model().visible_units(), &mut self.gradient);
        }
        let penalty = self.settings.regularise;
        self.climb(rate as f32, &penalty);
        figures.push("mean_field_iterations", iterations);
        Ok(figures)
    }

    /// Moves the parameters, log-variances among them, up their gradient.
    fn climb(&mut self, rate: f32, penalty: &Regularise) {
        let Self { sampler, settings, optimiser, gradient, log_variances, .. } = self;
        let (depth, mut steps) = (sampler.model().depth(), vec![0.0; log_variances.len()]);
        sampler.update(|dbm| {
            let tensors = dbm.stack_mut().tensors_mut().zip(gradient.tensors());
            let variances = (!steps.is_empty()).then_some((steps.as_mut_slice(), log_variances.as_slice()));
            let penalty_of = |t| if t < depth { *penalty } else { Regularise::default() };
            optimiser.apply_to_tensors(tensors.chain(variances), rate, penalty_of);
            penalty.limit_norms(dbm.stack_mut());
            if let Some(gaussian) = dbm.visible_units_mut().gaussian_mut() {
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
        if self.dbm().visible_units().is_binary() {
            binary(op, rows, self.dbm().visible())?;
            return Ok(Cow::Borrowed(rows));
        }
        Ok(Cow::Owned(self.dbm().states_of_rows(rows)?))
    }

    /// Adds cost (target - mean) to the gradient of each hidden bias.
    fn pull_to_sparsity(&mut self, averages: &[Vec<f32>]) {
        let Some(target) = self.settings.sparsity else { return };
        for (l, averages) in averages.iter().enumerate().skip(1) {
            pull_to_share(self.gradient.bias_mut(l), averages, target, self.settings.sparsity_cost);
        }
    }

    /// Updates one matrix as a machine of two layers; variances stay as they are.
    fn pretrain(&mut self, batch: BatchRef<'_>, l: usize, rate: f64, streams: &Streams) {
        let scales: Vec<Scales> = (0..=l).map(|l| self.settings.scales(l)).collect();
        let pretraining = Pretraining { dbm: self.sampler.model(), scales: &scales, centred: self.settings.centred };
        let means = pretraining.gradient_into(batch, &self.offsets, streams, &mut self.gradient);
        let rate_of = |layer: usize| if layer == l || layer == l + 1 { self.settings.hidden_offset_rate } else { 0.0 };
        let mut rates: Vec<f32> = (0..means.len()).map(rate_of).collect();
        rates[0] = if l == 0 { self.settings.visible_offset_rate } else { 0.0 };
        self.offsets.slide(&means, &rates);
        self.log_variances.fill(0.0);
        self.climb(rate as f32, &Regularise::default());
    }

    /// -log p(v | E[h_1]), mean over samples: of bits -sum_i [v_i log m_i + (1 - v_i) log (1 - m_i)] with m = E[v | E[h_1]].
    fn reconstruction(&self, v: BatchRef<'_>, posterior: &MeanField) -> f64 {
        let inputs = gm_core::dense_inputs_down(self.dbm().weights(0), &posterior.means[0], self.dbm().bias(0));
        let (BatchRef::Bits(v), VisibleUnits::Bernoulli) = (v, self.dbm().visible_units()) else {
            let (v, units) = (v.to_matrix(), self.dbm().visible_units());
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

/// Sweeps of the chains before the first update of a model that was trained before.
const BURN_IN: usize = 500;

/// A machine with further hidden layers of small random weights on top.
fn extended(dbm: &Dbm, visible_means: &[f32], hidden: &[usize], scale: f32, streams: &Streams) -> Result<Dbm> {
    let units = dbm.visible_units();
    let first = Dbm::initial_with(units.clone(), visible_means, hidden, scale, streams)?;
    let (mut weights, mut biases) = first.into_stack().into_parts();
    for (l, weights) in weights.iter_mut().enumerate().take(dbm.depth()) {
        weights.copy_from(dbm.weights(l));
    }
    for (l, bias) in biases.iter_mut().enumerate().take(dbm.depth() + 1) {
        bias.copy_from_slice(dbm.bias(l));
    }
    Ok(Dbm::with_units(Stack::new(weights, biases)?, units.clone())?)
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
        let batch = states.view();
        let (stage, within) = self.settings.stage(clock);
        if stage != self.stage {
            self.enter(stage, streams)?;
        }
        let together = stage == self.settings.pretrain_stages();
        let factor = self.settings.schedule.factor(&within);
        let rate = match together {
            true => self.settings.learning_rate * factor * warm_up(self.settings.warm_up, &within),
            false => self.settings.pretrain_learning_rate * factor,
        };
        let figures = if together || self.settings.pretrain == Pretrain::Grow {
            self.ascend(batch, rate, streams)?
        } else {
            self.pretrain(batch, stage, rate, &streams.fork(Purpose::Data, clock.step));
            Figures::default()
        };
        Ok(StepReport { learning_rate: rate, figures })
    }

    fn stack(&self) -> &Stack {
        self.dbm().stack()
    }

    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()> {
        const OP: &str = "DbmLearner::set_parameters";
        let mut units = self.dbm().visible_units().clone();
        check_len(OP, "variance", "length", parameters.variance.len(), self.log_variances.len())?;
        if let Some(gaussian) = units.gaussian_mut() {
            *gaussian =
                Gaussian::new(parameters.variance.clone())?.with_standardise(gaussian.standardise().cloned())?;
        }
        let (stack, _) = parameters.into_parts()?;
        let layers = layers_of(&self.visible_means, &self.settings.hidden);
        let depth = stack.depth().min(layers.len() - 1);
        check_layers(OP, &stack, &layers[..=depth])?;
        let changed = Dbm::with_units(stack, units)?;
        self.sampler.update(|dbm| *dbm = changed);
        Ok(())
    }

    fn parameters(&self) -> ParametersState {
        let gaussian = self.dbm().visible_units().gaussian();
        let variance = gaussian.map_or_else(Vec::new, |gaussian| gaussian.variance().to_vec());
        ParametersState { variance, ..ParametersState::new(self.dbm().stack(), None) }
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
            ("reconstruction", self.reconstruction(valid_rows, &posterior) + volume),
            ("free_energy_gap", train - valid),
            ("weight_rms", rms(&weights)),
        ]);
        if let Some(gaussian) = self.dbm().visible_units().gaussian() {
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
        let (chains, numbers) = self.chains.state();
        LearnerState {
            parameters: self.parameters(),
            optimiser: self.optimiser.state().clone(),
            offsets: self.offsets.layers.clone(),
            chains: vec![chains],
            numbers,
            stage: self.stage as u64,
        }
    }

    fn restore(&mut self, state: LearnerState) -> Result<()> {
        const OP: &str = "DbmLearner::restore";
        self.set_parameters(state.parameters)?;
        self.stage = usize::try_from(state.stage).unwrap_or(usize::MAX).min(self.settings.pretrain_stages());
        let layers = self.dbm().layers();
        let tensors = self.dbm().stack().tensors().zip(self.dbm().stack().tensor_names());
        let variances = of_variances(&self.log_variances).map(|values| (values, "visible_variance".into()));
        self.optimiser = Optimiser::resume_tensors(self.settings.optimiser, tensors.chain(variances), state.optimiser)?;
        check_len(OP, "offsets", "layers", state.offsets.len(), layers.len())?;
        for (offsets, &units) in state.offsets.iter().zip(&layers) {
            check_len(OP, "offsets", "length", offsets.len(), units)?;
        }
        check_len(OP, "chains", "length", state.chains.len(), 1)?;
        let chains = state.chains.into_iter().next().unwrap_or_default();
        self.chains = DbmChains::restored(chains, state.numbers, self.dbm(), self.settings.temperatures)?;
        self.offsets = Offsets { layers: state.offsets };
        self.gradient = self.dbm().stack().clone();
        Ok(())
    }
}
