//! How a harmonium is trained.

use gm_ascent::{OptimiserSettings, Pace, Ranges, Rate, Regularise};
use gm_core::layer::LayerSpec;
use gm_core::{Error as CoreError, ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset};
use gm_harmonium::Harmonium;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::harmonium::learner::HarmoniumLearner;
use crate::learner::{Learner, ModelSettings, Origin};
use crate::rbm::Algorithm;

/// How a harmonium is trained: a restricted Boltzmann machine between two layers of any kinds of units.
///
/// # Examples
///
/// ```
/// use gm_train::HarmoniumSettings;
///
/// let settings = HarmoniumSettings { hidden: 20, hidden_units: "drelu".parse()?, ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = HarmoniumSettings { steps: 0, ..Default::default() }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "HarmoniumSettings: `steps` is 0, allowed: 1 or more");
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HarmoniumSettings {
    /// Hidden units.
    pub hidden: usize,
    /// The kinds of the visible units.
    pub visible: LayerSpec,
    /// The kinds of the hidden units.
    pub hidden_units: LayerSpec,
    /// Where the statistics of the model come from: `cd`, `pcd` or `exact`.
    pub algorithm: Algorithm,
    /// Sweeps for each update (k of CD-k and PCD-k).
    pub steps: usize,
    /// Persistent chains.
    pub chains: usize,
    /// Whether the gradient is that of the centred parameters.
    pub centred: bool,
    /// How fast the offsets of the hidden units follow the batches.
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
    /// Standard deviation of the first weights.
    pub init_scale: f32,
    /// Strength of the penalty on the square of the summed absolute weights of each hidden unit, over the visible units, which
    /// favours hidden units of few weights without shrinking them all alike.
    pub l1b: f32,
    /// Temperatures of the short annealing by which log Z is estimated at each look, of models too large to enumerate; 0 for
    /// no estimate.
    pub annealing: usize,
    /// Penalties on weights.
    pub regularise: Regularise,
}

impl Default for HarmoniumSettings {
    /// 100 hidden units, all Bernoulli, centred PCD-1 with 500 chains, 100 epochs in batches of 200, plain ascent at rates from
    /// 0.05 to 0; 500 temperatures at each look.
    fn default() -> Self {
        let bernoulli = || "bernoulli".parse().expect("a kind of this workspace");
        Self {
            hidden: 100,
            visible: bernoulli(),
            hidden_units: bernoulli(),
            algorithm: Algorithm::Pcd,
            steps: 1,
            chains: 500,
            centred: true,
            hidden_offset_rate: 0.05,
            epochs: 100,
            batch_size: 200,
            learning_rate: 0.05,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::default(),
            init_scale: 0.01,
            l1b: 0.0,
            annealing: 500,
            regularise: Regularise::default(),
        }
    }
}

impl HarmoniumSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        Ranges::of("HarmoniumSettings")
            .counts(self.counts())
            .positive("learning_rate", self.learning_rate)
            .not_negative("warm_up", self.warm_up)
            .not_negative("init_scale", self.init_scale)
            .not_negative("l1b", self.l1b)
            .share("hidden_offset_rate", self.hidden_offset_rate)
            .require(self.algorithm != Algorithm::Pt, "algorithm", self.algorithm, "cd, pcd or exact for a harmonium")
            .require(self.annealing != 1, "annealing", self.annealing, "0, or 2 or more")
            .check()?;
        self.hidden_units.layer(self.hidden)?;
        self.optimiser.check()?;
        Ok(self.regularise.check()?)
    }

    /// The whole numbers, none of which may be 0.
    fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("hidden", self.hidden as u64),
            ("steps", self.steps as u64),
            ("chains", self.chains as u64),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
        ]
    }

    /// The learning rate.
    pub(super) fn pace(&self) -> Pace {
        Pace { first: self.learning_rate, schedule: self.schedule, warm_up: self.warm_up }
    }
}

impl ModelSettings for HarmoniumSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Harmonium
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
        self.visible.data_kind()
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, _: Origin<'_>) -> Result<Option<Dataset>> {
        let kind = self.visible_kind();
        if kind != VisibleKind::Bernoulli && binarise != Binarise::None {
            let (op, arg, value) =
                ("HarmoniumSettings", "binarise", format!("{binarise} with visible {}", self.visible));
            return Err(
                CoreError::Param { op, arg, value, allowed: "none unless visible units have two states" }.into()
            );
        }
        match kind {
            VisibleKind::Bernoulli => Ok(None),
            VisibleKind::Softmax { categories } => Ok(Some(data.with_categories(categories)?)),
            _ => Ok(Some(data.with_numbers()?)),
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
            Origin::Random => HarmoniumLearner::with_data(data, visible_means, self, streams)?,
            Origin::Model(model) => {
                let model = Harmonium::from_data(model.clone())?;
                HarmoniumLearner::start_from(&model, data, visible_means, self, streams)?
            }
            Origin::State(_) => HarmoniumLearner::with_data(data, visible_means, self, streams)?,
        }))
    }
}
