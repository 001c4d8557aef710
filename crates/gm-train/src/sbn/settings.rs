//! How a sigmoid belief net is trained.

use gm_ascent::{OptimiserSettings, Pace, Ranges, Rate, Regularise};
use gm_core::{ModelKind, Streams};
use gm_data::Dataset;
use gm_sbn::Sbn;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::learner::{Learner, ModelSettings, Origin};
use crate::sbn::lateral::Lateral;
use crate::sbn::learner::SbnLearner;
use crate::sbn::rule::SbnRule;

/// How a sigmoid belief net is trained.
///
/// # Examples
///
/// ```
/// use gm_train::{SbnRule, SbnSettings};
///
/// let settings = SbnSettings { hidden: vec![64, 32], rule: SbnRule::Vimco, ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = SbnSettings { samples: 1, ..settings }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "SbnSettings: `samples` is 1, allowed: 2 or more for the rule vimco");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SbnSettings {
    /// Units of each hidden layer, from the first one up. Without hidden layers it is a fully visible net, whose every rule
    /// climbs the exact log p.
    pub hidden: Vec<usize>,
    /// How both nets learn.
    pub rule: SbnRule,
    /// K, hidden states for each row.
    pub samples: usize,
    /// Later values of K with the epochs from which they hold, counted from 0; a larger K at the end has less bias.
    pub later_samples: Vec<(u64, usize)>,
    /// The share of dreams in what the recognition net learns, for reweighted wake-sleep.
    pub sleep: f32,
    /// Gibbs sweeps for each state, for Monte-Carlo EM.
    pub sweeps: usize,
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
    /// Standard deviation of the first weights times the root of a unit's inputs.
    pub init_scale: f32,
    /// The biases of hidden units at the start, of the net and of its recognition net.
    pub hidden_bias: f32,
    /// Whether each unit of the recognition net depends on the units before it in its layer.
    pub autoregressive: bool,
    /// The layers of the net itself whose units depend on the units before them.
    pub lateral: Lateral,
    /// Penalties on the weights of both nets.
    pub regularise: Regularise,
}

impl Default for SbnSettings {
    /// Two layers of 200 units, reweighted wake-sleep with 5 samples and half of the recognition net's lessons in its
    /// sleep, 100 epochs in batches of 100, Adam at rates from 0.01 to 0, hidden units that are mostly off at first.
    fn default() -> Self {
        Self {
            hidden: vec![200, 200],
            rule: SbnRule::Reweighted,
            samples: 5,
            later_samples: Vec::new(),
            sleep: 0.5,
            sweeps: 5,
            epochs: 100,
            batch_size: 100,
            learning_rate: 0.01,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::adam(),
            init_scale: 1.0,
            hidden_bias: -2.0,
            autoregressive: false,
            lateral: Lateral::None,
            regularise: Regularise::default(),
        }
    }
}

const HIDDEN_LAYERS: &str = "hidden layers beside it";

impl SbnSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        let vimco = self.rule == SbnRule::Vimco;
        let fewest = self.later_samples.iter().fold(self.samples, |fewest, (_, k)| fewest.min(*k));
        let allowed = if vimco { "2 or more for the rule vimco" } else { "2 or more for the rule vargrad" };
        Ranges::of("SbnSettings")
            .require(
                !self.hidden.is_empty() || self.lateral != Lateral::None,
                "hidden",
                "empty",
                "one layer or more, or none with weights within the visible layer (`lateral`)",
            )
            .require(!self.hidden.is_empty() || !self.autoregressive, "autoregressive", true, HIDDEN_LAYERS)
            .require(!self.hidden.is_empty() || self.regularise.max_norm.is_none(), "max_norm", "given", HIDDEN_LAYERS)
            .counts(ModelSettings::counts(self))
            .changes("later_samples", &self.later_samples)
            .require(fewest >= self.rule.fewest_samples(), "samples", fewest, allowed)
            .positive("learning_rate", self.learning_rate)
            .not_negative("warm_up", self.warm_up)
            .not_negative("init_scale", self.init_scale)
            .finite("hidden_bias", self.hidden_bias)
            .share("sleep", self.sleep)
            .check()?;
        self.optimiser.check()?;
        Ok(self.regularise.check()?)
    }

    /// The learning rate.
    pub(super) fn pace(&self) -> Pace {
        Pace { first: self.learning_rate, schedule: self.schedule, warm_up: self.warm_up }
    }

    /// The shares of wake and sleep in what the recognition net learns.
    pub(super) fn shares(&self) -> (f64, f64) {
        match self.rule {
            SbnRule::WakeSleep => (0.0, 1.0),
            SbnRule::Reweighted => (1.0 - f64::from(self.sleep), f64::from(self.sleep)),
            _ => (1.0, 0.0),
        }
    }
}

impl ModelSettings for SbnSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Sbn
    }

    fn hidden(&self) -> Vec<usize> {
        self.hidden.clone()
    }

    fn epochs(&self) -> u64 {
        self.epochs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let layers = self.hidden.iter().map(|&units| ("hidden", units as u64));
        let others = [
            ("samples", self.samples as u64),
            ("sweeps", self.sweeps as u64),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
        ];
        layers.chain(others).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn learner(
        &self,
        _: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>> {
        Ok(Box::new(match origin {
            Origin::Random => SbnLearner::new(visible_means, self, streams)?,
            Origin::Model(model) => SbnLearner::start_from(Sbn::from_data(model.clone())?, self)?,
            Origin::State(_) => SbnLearner::start_from(Sbn::initial(visible_means, &self.hidden, 0.0, streams)?, self)?,
        }))
    }
}
