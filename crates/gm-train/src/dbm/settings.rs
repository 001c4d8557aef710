//! How a deep Boltzmann machine is trained.

use std::fmt;
use std::path::{Path, PathBuf};

use gm_ascent::{Ascent, Clock, OptimiserSettings, Pace, Ranges, Rate, Regularise};
use gm_core::{Error as CoreError, ModelData, ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset};
use gm_dbm::{Dbm, MeanFieldSettings, Scales};
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};

use crate::dbm::learner::{DbmLearner, means_seen_by};
use crate::error::{Error, Result};
use crate::learner::{Learner, ModelSettings, Origin};
use crate::settings::Visible;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_pretraining)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Pretrain {
    /// Nothing: all layers start from small random weights.
    None,
    /// Machines of one, two, ... hidden layers are trained one after the other, each from the one before with a layer of small
    /// random weights on top; such a layer leaves p(v) as it was.
    Grow,
    /// Each matrix on its own by contrastive divergence, with doubled input where a second neighbour is missing.
    #[strum(serialize = "2009")]
    Rules2009,
    /// As 2009 for two hidden layers, with two thirds of the evidence in the first and one third in the second.
    #[strum(serialize = "2012")]
    Rules2012,
}

fn unknown_pretraining(text: &str) -> Error {
    Error::unknown("pretraining", text, Pretrain::VARIANTS)
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
    /// A run reads it once, when the run is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The SHA-256 digest of that file, which a run keeps as a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_digest: Option<String>,
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
            start_digest: None,
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
        let layers = self.hidden.len();
        Ranges::of("DbmSettings")
            .filled("hidden", &self.hidden, "one layer or more")
            .counts(self.counts())
            .require(
                self.pretrain != Pretrain::Rules2012 || layers == 2,
                "pretrain",
                format!("2012 with {layers} hidden layers"),
                "2012 with two hidden layers",
            )
            .require(
                self.start.is_none() || self.pretrain == Pretrain::None,
                "pretrain",
                self.pretrain,
                "none with a model to start from",
            )
            .least_variance(self.least_variance)
            .positive("learning_rate", self.learning_rate)
            .positive("pretrain_learning_rate", self.pretrain_learning_rate)
            .not_negative("warm_up", self.warm_up)
            .not_negative("init_scale", self.init_scale)
            .not_negative("sparsity_cost", self.sparsity_cost)
            .share("visible_offset_rate", self.visible_offset_rate)
            .share("hidden_offset_rate", self.hidden_offset_rate)
            .share("sparsity", self.sparsity.unwrap_or(0.5))
            .check()?;
        self.optimiser.check()?;
        self.regularise.check()?;
        Ok(self.mean_field().check()?)
    }

    /// The deep Boltzmann machine of a model to start from.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a model of another kind.
    pub(crate) fn start_model(&self, model: ModelData) -> Result<Dbm> {
        match model.kind {
            ModelKind::Dbm => Ok(Dbm::from_data(model)?),
            ModelKind::Rbm => Ok(Dbm::from_rbm(Rbm::from_data(model)?)?),
            ModelKind::Dbn => from_dbn(Dbn::from_data(model)?),
            kind => Err(refused(
                "start",
                kind.noun(),
                "a file with a restricted or deep Boltzmann machine, or a deep belief network",
            )),
        }
    }

    /// Refuses a model to start from that these settings do not extend.
    pub(super) fn check_start(&self, model: &Dbm, visible: usize) -> Result<()> {
        let wanted: Vec<usize> = std::iter::once(visible).chain(self.hidden.iter().copied()).collect();
        if !wanted.starts_with(&model.layers()) {
            let value = format!("a model with layers {:?} for {wanted:?}", model.layers());
            return Err(refused("start", value, "a model whose layers are the first ones of those wanted"));
        }
        let (found, wanted) = (model.units().kind(), self.visible_kind());
        if found != wanted {
            let value = format!("a model with {found} visible units for visible {wanted}");
            return Err(refused("start", value, "a model with the visible units of the settings"));
        }
        Ok(())
    }

    /// Passes over the training split in all, pretraining included.
    #[must_use]
    pub fn total_epochs(&self) -> u64 {
        (self.pretrain_stages() as u64).saturating_mul(self.pretrain_epochs).saturating_add(self.epochs)
    }

    pub(super) fn pretrain_stages(&self) -> usize {
        match self.pretrain {
            Pretrain::None => 0,
            Pretrain::Grow => self.hidden.len() - 1,
            Pretrain::Rules2009 | Pretrain::Rules2012 => self.hidden.len(),
        }
    }

    /// Which stage an update belongs to, from 0, and its place there; the last stage trains all layers together.
    pub(super) fn stage(&self, clock: &Clock) -> (usize, Clock) {
        let (stages, length) = (self.pretrain_stages(), self.pretrain_epochs.saturating_mul(clock.per_epoch));
        let stage = usize::try_from(clock.step / length.max(1)).unwrap_or(usize::MAX).min(stages);
        let before = stage as u64 * length;
        let total = if stage < stages { length } else { clock.total.saturating_sub(before) };
        (stage, Clock { step: clock.step - before, total, per_epoch: clock.per_epoch })
    }

    /// Hidden layers that exist in a stage.
    pub(super) fn depth_in(&self, stage: usize) -> usize {
        if self.pretrain == Pretrain::Grow { (stage + 1).min(self.hidden.len()) } else { self.hidden.len() }
    }

    /// Whether a stage trains all layers that exist together.
    pub(super) fn trains_together(&self, stage: usize) -> bool {
        stage == self.pretrain_stages() || self.pretrain == Pretrain::Grow
    }

    /// The ascent of a stage at its start.
    pub(super) fn ascent(&self, dbm: &Dbm, stage: usize) -> Ascent {
        let pace = match stage == self.pretrain_stages() {
            true => Pace { first: self.learning_rate, schedule: self.schedule, warm_up: self.warm_up },
            false => Pace { first: self.pretrain_learning_rate, schedule: self.schedule, warm_up: 0.0 },
        };
        let penalty = if self.trains_together(stage) { self.regularise } else { Regularise::default() };
        let limits = (penalty, self.least_variance);
        Ascent::with_variances(pace, self.optimiser, limits, dbm.stack(), dbm.units())
    }

    pub(super) fn mean_field(&self) -> MeanFieldSettings {
        MeanFieldSettings {
            iterations: self.mean_field_iterations,
            tolerance: self.mean_field_tolerance,
            ..MeanFieldSettings::default()
        }
    }

    /// How a matrix is trained on its own, by its place.
    pub(super) fn scales(&self, l: usize) -> Scales {
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

    fn start(&self) -> (Option<&Path>, Option<&str>) {
        (self.start.as_deref(), self.start_digest.as_deref())
    }

    fn start_mut(&mut self) -> Option<(&mut Option<PathBuf>, &mut Option<String>)> {
        Some((&mut self.start, &mut self.start_digest))
    }

    fn complete(&mut self, data: &Dataset, start: Option<&ModelData>) -> Result<()> {
        self.visible = self.visible.complete(data)?;
        if start.is_some() {
            // A model to start from has been trained already.
            self.pretrain = Pretrain::None;
        }
        Ok(())
    }

    fn visible_kind(&self) -> VisibleKind {
        self.visible.kind(0)
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, _: Origin<'_>) -> Result<Option<Dataset>> {
        self.visible.prepare("DbmSettings", data, binarise)
    }

    fn learner(
        &self,
        data: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>> {
        Ok(Box::new(match origin {
            Origin::Random => DbmLearner::with_data(data, visible_means, self, streams)?,
            Origin::Model(model) => {
                let dbm = self.start_model(model.clone())?;
                self.check_start(&dbm, visible_means.len())?;
                DbmLearner::start_from(dbm.clone(), &means_seen_by(&dbm, visible_means), self, streams)?
            }
            Origin::State(_) => DbmLearner::blank(data, visible_means, self, streams)?,
        }))
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
