//! A model in training: what the trainer asks of it, what it saves, and the parts that learners share.
//!
//! Begin with the trait [`Learner`]; `settings.rs` says how settings make one. How a gradient becomes an update, and what a
//! checkpoint keeps, is in gm-ascent.

mod ascent;
mod settings;

use std::path::Path;

use gm_ascent::{Clock, Figures, LearnerState, ParametersState, Team, named};
use gm_core::{Batch, BitMatrix, Error as CoreError, Matrix, ModelData, Stack, Streams, Watch, check_len};

pub(crate) use ascent::Parameters;
pub use settings::{ModelSettings, Origin};

use crate::error::Result;

/// The name of persistent chains in a checkpoint.
pub(crate) const CHAINS: &str = "chains";

/// Sweeps of the chains before the first update of a model that was trained before, so that they are where the model is.
pub(crate) const BURN_IN: usize = 500;

/// The name of the stage of a model that is trained in stages.
pub(crate) const STAGE: &str = "stage";

/// The name of the means of the visible units.
pub(crate) const VISIBLE_MEANS: &str = "visible_means";

/// What an update did.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let mut learner = RbmLearner::new(&[0.5; 4], &RbmSettings::default(), &Streams::new(0))?;
/// let half_way = Clock { step: 50, total: 100, per_epoch: 1 };
/// let report = learner.step(&BitMatrix::zeros(4, 5).into(), &half_way, &Streams::new(0))?;
/// assert_eq!(report.learning_rate, 0.05); // the rate falls in a straight line from 0.1
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The rate of the update.
    pub learning_rate: f64,
    /// Other numbers worth keeping.
    pub figures: Figures,
}

/// Fixed examples on which training is watched.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Learner, Probe, RbmLearner, RbmSettings};
///
/// let settings = RbmSettings { hidden: 2, chains: 10, init_scale: 0.0, ..Default::default() };
/// let learner = RbmLearner::new(&[0.5; 4], &settings, &Streams::new(0))?;
/// let rows = Batch::from(BitMatrix::zeros(4, 5));
/// let probe = Probe { train: rows.clone(), valid: rows, exact_units: 12 };
/// let log_p = learner.figures(&probe, &Streams::new(0))?.get("log_likelihood");
/// assert!(log_p.is_some_and(|log_p| (log_p + 4.0 * 2.0_f64.ln()).abs() < 1e-9));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    /// Rows of the training split, [units, rows].
    pub train: Batch,
    /// Rows of the validation split, [units, rows].
    pub valid: Batch,
    /// The most units that exact likelihoods may enumerate.
    pub exact_units: usize,
}

/// A model in training.
///
/// All its random numbers come from the run's streams and the number of the update, so that
/// [`state`](Self::state) is enough to continue bit for bit.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let (streams, rows) = (Streams::new(7), Batch::from(BitMatrix::zeros(4, 5)));
/// let mut learner = RbmLearner::new(&[0.5; 4], &RbmSettings::default(), &streams)?;
/// for step in 0..10 {
///     learner.step(&rows, &Clock { step, total: 10, per_epoch: 1 }, &streams)?;
/// }
/// assert!(learner.stack().bias(0).max() < 0.0); // the units are off more often than not
/// let mut other = RbmLearner::new(&[0.5; 4], &RbmSettings::default(), &Streams::new(8))?;
/// other.restore(learner.state())?;
/// assert_eq!(other.parameters(), learner.parameters());
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Learner: Send {
    /// Updates the parameters from a batch, [units, samples]; with labels if the settings have joined them to the rows.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport>;

    /// Divides batches and chains among the shards of a team, before the first update and before [`restore`](Self::restore).
    /// Every process of the team makes the same calls with the same batches.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for chains that cannot be divided, and for several shards of a model that has none.
    fn divide(&mut self, team: Team, _streams: &Streams) -> Result<()> {
        let (op, arg, value) = ("training", "shards", team.shards().to_string());
        match team.shards() {
            1 => Ok(()),
            _ => Err(CoreError::Param { op, arg, value, allowed: "1 for this model" }.into()),
        }
    }

    /// The weights and biases that updates change; of a model that is trained layer by layer, those of the layer.
    fn stack(&self) -> &Stack;

    /// Every tensor that updates change, by name; a model with a recognition net adds that net to its stack.
    fn tensors(&self) -> Vec<(String, &[f32])> {
        named(self.stack()).collect()
    }

    /// All parameters, to be kept.
    fn parameters(&self) -> ParametersState {
        ParametersState::new(self.stack(), None)
    }

    /// Replaces the parameters, as early stopping does at the end.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other layers.
    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()>;

    /// Units over which an exact likelihood would enumerate.
    fn enumerable_units(&self) -> usize;

    /// The figures besides the exact log-likelihood that early stopping can judge by.
    fn judged_by(&self) -> &'static [&'static str];

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for parameters that no file may hold.
    fn model(&self) -> Result<ModelData>;

    /// Figures on the fixed examples; the family `streams` belongs to this epoch.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn figures(&self, probe: &Probe, streams: &Streams) -> Result<Figures>;

    /// All that the next update depends on, except streams and clock; of shards those of this process.
    fn state(&self) -> LearnerState;

    /// Takes over a saved state, which has all shards.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] and [`gm_core::FileError::Missing`] when it belongs to another model.
    fn restore(&mut self, state: LearnerState) -> Result<()>;

    /// The same model as one that takes weights of rows; `None` for models that do not.
    fn weighted(&mut self) -> Option<&mut dyn Weighted> {
        None
    }

    /// The same model as one that is trained in stages; `None` for models that are not.
    fn staged(&self) -> Option<&dyn Staged> {
        None
    }
}

/// A model in training that takes weights of rows.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let (streams, settings) = (Streams::new(7), RbmSettings { hidden: 2, chains: 10, ..Default::default() });
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// learner.weighted().expect("restricted Boltzmann machines take weights").weigh(vec![1.5, 0.5]);
/// learner.step(&BitMatrix::zeros(4, 2).into(), &Clock { step: 0, total: 1, per_epoch: 1 }, &streams)?;
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Weighted {
    /// Takes the weights of the rows of the next batch, which are 1 on average over the training split.
    fn weigh(&mut self, weights: Vec<f32>);
}

/// A model that is trained layer by layer.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, DbnLearner, DbnSettings, Learner, RbmSettings};
///
/// let (streams, layer) = (Streams::new(0), RbmSettings { chains: 10, ..Default::default() });
/// let settings = DbnSettings { hidden: vec![3, 5], layer, ..Default::default() };
/// let mut learner = DbnLearner::new(&[0.5; 4], &settings, &streams)?;
/// assert_eq!(learner.staged().and_then(|staged| staged.name()), None); // nothing is trained yet
/// learner.step(&BitMatrix::zeros(4, 5).into(), &Clock { step: 0, total: 100, per_epoch: 1 }, &streams)?;
/// let staged = learner.staged().expect("deep belief networks are trained layer by layer");
/// assert_eq!((staged.name().as_deref(), staged.is_complete()), (Some("layer 1 of 2"), false));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Staged {
    /// The name of the stage; `None` before the first update.
    fn name(&self) -> Option<String>;

    /// Whether the last update has completed a layer.
    fn is_complete(&self) -> bool;

    /// [`Learner::figures`], which may take long here; `watch` is asked now and then and may end them.
    ///
    /// # Errors
    ///
    /// As [`Learner::figures`], and [`gm_core::Error::Interrupted`].
    fn figures_watched(&self, probe: &Probe, streams: &Streams, watch: Watch<'_>) -> Result<Figures>;
}

/// The states of a batch for a learner of binary units.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for real numbers, [`gm_core::Error::Shape`] for other units.
pub(crate) fn binary<'a>(
    op: &'static str,
    batch: &'a Batch,
    units: usize,
) -> std::result::Result<&'a BitMatrix, CoreError> {
    check_len(op, "batch", "units", batch.units(), units)?;
    let (value, allowed) = ("real numbers".into(), "zeros and ones");
    batch.as_bits().ok_or(CoreError::Param { op, arg: "batch", value, allowed })
}

/// Refuses settings that name a file to start from, which no learner reads.
pub(crate) fn refuse_start(op: &'static str, start: Option<&Path>) -> std::result::Result<(), CoreError> {
    let Some(path) = start else { return Ok(()) };
    let (value, allowed) = (path.display().to_string(), "none; `start_from` takes the model of that file");
    Err(CoreError::Param { op, arg: "start", value, allowed })
}

/// Refuses parameters for other layers.
pub(crate) fn check_layers(op: &'static str, stack: &Stack, expected: &[usize]) -> std::result::Result<(), CoreError> {
    check_len(op, "stack", "layers", stack.layers().len(), expected.len())?;
    for (l, (&expected, found)) in expected.iter().zip(stack.layers()).enumerate() {
        check_len(op, format!("layer {l}"), "units", found, expected)?;
    }
    Ok(())
}

/// The share of rows whose label units, behind `before` others, do not say the class that is most probable.
pub(crate) fn error_rate(log_p: &Matrix, rows: &BitMatrix, before: usize) -> f64 {
    let wrong = (0..rows.samples()).filter(|&row| !rows.get(before + log_p.column(row).imax(), row)).count();
    wrong as f64 / rows.samples() as f64
}
