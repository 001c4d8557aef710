//! How a restricted Boltzmann machine is trained.

use gm_ascent::{Clock, OptimiserSettings, Pace, Ranges, Rate, Regularise, in_force};
use gm_core::{Arrangement, ModelData, ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset};
use gm_rbm::Rbm;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};

use crate::error::{Error, Result};
use crate::learner::{Learner, ModelSettings, Origin};
use crate::rbm::learner::{RbmLearner, means_seen_by};
use crate::settings::{Visible, classes_of, with_labels};

/// Draws of a layer between two changes of its weights from which on it pays to arrange these for draws.
pub(crate) const DRAWS_TO_PAY: usize = 400;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_algorithm)]
#[derive(DeserializeFromStr, SerializeDisplay)]
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

impl Algorithm {
    /// Whether chains go on from update to update.
    pub(crate) fn persists(self) -> bool {
        matches!(self, Self::Pcd | Self::Pt)
    }
}

fn unknown_algorithm(text: &str) -> Error {
    Error::unknown("algorithm", text, Algorithm::VARIANTS)
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
    #[serde(skip_serializing_if = "is_left_out")]
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
    #[serde(skip_serializing_if = "is_left_out")]
    pub epochs: u64,
    /// Examples of an update; the batches of an epoch differ by at most one.
    pub batch_size: usize,
    /// The first learning rate.
    #[serde(skip_serializing_if = "is_infinite")]
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
    #[serde(skip_serializing_if = "is_left_out")]
    pub log_z_chains: usize,
    /// Penalties on weights.
    pub regularise: Regularise,
}

/// Whether a number stands for one that is left out of files: TOML has no whole numbers of this size.
fn is_left_out<T: Copy + TryInto<i64>>(number: &T) -> bool {
    (*number).try_into().is_err()
}

fn is_infinite(rate: &f64) -> bool {
    rate.is_infinite()
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
        let ranges = Ranges::of("RbmSettings")
            .counts(self.counts())
            .positive("learning_rate", self.learning_rate)
            .not_negative("warm_up", self.warm_up)
            .not_negative("init_scale", self.init_scale)
            .not_negative("class_weight", self.class_weight)
            .not_negative("sparsity_cost", self.sparsity_cost)
            .share("visible_offset_rate", self.visible_offset_rate)
            .share("hidden_offset_rate", self.hidden_offset_rate)
            .share("sparsity", self.sparsity.unwrap_or(0.5))
            .require(
                self.algorithm != Algorithm::Pt || self.temperatures >= 2,
                "temperatures",
                self.temperatures,
                "2 or more",
            );
        self.check_changes(ranges).check()?;
        let changes = self.later_momentum.iter().map(|(_, momentum)| self.optimiser.with_momentum(*momentum));
        changes.into_iter().try_for_each(|optimiser| optimiser.check())?;
        self.check_units(Ranges::of("RbmSettings")).check()?;
        self.optimiser.check()?;
        Ok(self.regularise.check()?)
    }

    /// Refuses later numbers whose epochs do not rise, or that are out of range themselves.
    fn check_changes(&self, ranges: Ranges) -> Ranges {
        let adam = matches!(self.optimiser, OptimiserSettings::Adam { .. });
        ranges
            .changes("later_steps", &self.later_steps)
            .changes("later_momentum", &self.later_momentum)
            .require(self.later_steps.iter().all(|(_, steps)| *steps > 0), "later_steps", 0, "1 or more")
            .require(!adam || self.later_momentum.is_empty(), "later_momentum", "given for adam", "none for adam")
    }

    /// Refuses kinds of visible units that do not go together.
    fn check_units(&self, ranges: Ranges) -> Ranges {
        ranges
            .least_variance(self.least_variance)
            .require(
                !self.labels || self.visible == Visible::Bernoulli,
                "visible",
                format!("{} with labels", self.visible),
                "bernoulli with labels",
            )
            .require(
                self.class_weight <= 0.0 || self.labels,
                "class_weight",
                self.class_weight,
                "0 without label units",
            )
            .classes(self.classes)
    }

    /// The settings with those left out of files that differ from layer to layer of a deep belief network, or that networks
    /// lack; no file can hold the numbers that take their places.
    pub(crate) fn shared_by_layers(&self) -> Self {
        Self {
            hidden: usize::MAX,
            epochs: u64::MAX,
            learning_rate: f64::INFINITY,
            log_z_chains: usize::MAX,
            ..self.clone()
        }
    }

    /// The arrangement of weights that suits the number of draws between two updates.
    pub(super) fn arrangement(&self) -> Arrangement {
        let steps = self.later_steps.iter().fold(self.steps, |most, (_, steps)| most.max(*steps));
        let chains = match self.algorithm {
            Algorithm::Exact => 0,
            Algorithm::Cd => self.batch_size,
            Algorithm::Pcd => self.chains,
            Algorithm::Pt => self.chains.saturating_mul(self.temperatures),
        };
        match [steps, steps - 1].map(|steps| chains.saturating_mul(steps) >= DRAWS_TO_PAY).into() {
            (_, true) => Arrangement::ManyDraws,
            (true, false) => Arrangement::ManyDrawsOfV,
            (false, false) => Arrangement::FewDraws,
        }
    }

    /// The optimiser with memory enough for every momentum of the run.
    pub(super) fn optimiser(&self) -> OptimiserSettings {
        let momentum = self.later_momentum.iter().map(|(_, momentum)| *momentum);
        momentum.fold(self.optimiser, OptimiserSettings::with_momentum_of_at_least)
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

    /// The learning rate.
    pub(super) fn pace(&self) -> Pace {
        Pace { first: self.learning_rate, schedule: self.schedule, warm_up: self.warm_up }
    }

    /// The share of the last update that is repeated, of optimisers that repeat one.
    pub(super) fn momentum(&self, clock: &Clock) -> Option<f32> {
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

    fn complete(&mut self, data: &Dataset, _: Option<&ModelData>) -> Result<()> {
        self.classes = classes_of(self.labels, self.classes, data)?;
        self.visible = self.visible.complete(data)?;
        Ok(())
    }

    fn visible_kind(&self) -> VisibleKind {
        self.visible.kind(self.classes)
    }

    fn takes_means(&self) -> bool {
        self.visible_kind() == VisibleKind::Bernoulli
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, _: Origin<'_>) -> Result<Option<Dataset>> {
        match with_labels(self.labels, self.classes, data)? {
            Some(joined) => Ok(Some(joined)),
            None => self.visible.prepare("RbmSettings", data, binarise),
        }
    }

    fn learner(
        &self,
        data: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>> {
        Ok(Box::new(match origin {
            Origin::Random => RbmLearner::with_data(data, visible_means, self, streams)?,
            Origin::Model(model) => {
                let rbm = Rbm::from_data(model.clone())?;
                let means = means_seen_by(&rbm, visible_means, self)?;
                RbmLearner::start_from(rbm, &means, self, streams)?
            }
            Origin::State(_) => RbmLearner::blank(data, visible_means, self, streams)?,
        }))
    }
}
