//! The loop that all models share: batches, updates, figures, early stopping, checkpoints.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use gm_core::{Batch, BitMatrix, Error as CoreError, Matrix, ModelData, Progress, Purpose, Streams, VisibleKind};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_sbn::Sbn;
use rand::seq::index::sample;

use crate::classifier::learner::{ClassifierLearner, ClassifierSettings};
use crate::config::ModelSettings;
use crate::course::checkpoint::{Checkpoint, DataMark};
use crate::course::guard::check_health;
use crate::course::monitor::{MonitorSettings, Stopping};
use crate::course::observer::{Event, Observer};
use crate::dbm::learner::{DbmLearner, DbmSettings, means_seen_by};
use crate::dbn::learner::DbnLearner;
use crate::dbn::settings::DbnSettings;
use crate::error::Result;
use crate::learner::metrics::{EpochRecord, Figures};
use crate::learner::{Learner, LearnerState, Probe, StepReport};
use crate::rbm::learner::{RbmLearner, RbmSettings};
use crate::sbn::learner::{SbnLearner, SbnSettings};
use crate::settings::rate::Clock;
use gm_data::{Binarise, Dataset, Split};
use gm_net::Classifier;

/// How training ended.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{FitOptions, MonitorSettings, Outcome, RbmSettings, StopOn, Unobserved, fit_rbm_with};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// // A rate at which nothing improves after the first epoch.
/// let settings = RbmSettings { hidden: 3, epochs: 12, chains: 10, learning_rate: 1e-60, ..Default::default() };
/// let monitor = MonitorSettings { stop_on: StopOn::LogLikelihood, patience: 2, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.outcome, Outcome::Finished { epochs: 3, stopped_early: true });
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end.
    Finished {
        /// Epochs made.
        epochs: u64,
        /// Whether early stopping ended it.
        stopped_early: bool,
    },
    /// The observer interrupted it.
    Interrupted {
        /// Updates made.
        step: u64,
    },
}

/// A trained model with the history of its training.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{RbmSettings, Unobserved, fit_rbm};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 4, epochs: 100, batch_size: 4, learning_rate: 0.2, ..Default::default() };
/// let fit = fit_rbm(&bars, &settings, &Streams::new(1), &mut Unobserved)?;
/// let log_p = |epoch: usize| fit.history[epoch].figures.get("log_likelihood");
/// assert!(log_p(99) > log_p(0));
/// let rows = bars.train.to_matrix(&[0, 1]);
/// assert_eq!(fit.model.log_prob(&rows, fit.model.log_partition()?).len(), 2);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fit<M> {
    /// The model; with early stopping that of the best epoch, unless training was interrupted.
    pub model: M,
    /// How training ended.
    pub outcome: Outcome,
    /// The figures of each epoch that was looked at.
    pub history: Vec<EpochRecord>,
}

/// Trains a restricted Boltzmann machine in memory; [`Run`](crate::Run) trains on disk, with checkpoints.
///
/// Grey levels are drawn anew in every batch, without early stopping; [`fit_rbm_with`] has a choice. Settings with label units
/// need labelled data.
///
/// # Randomness
///
/// Family t of [`Purpose::Binarise`] for the batch of update t, family e of [`Purpose::Shuffle`] for the order of
/// epoch e, and what [`RbmLearner`] says.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for settings out of range, [`Error::Diverged`](crate::Error::Diverged)
/// when parameters explode.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{RbmSettings, Unobserved, fit_rbm};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 4, epochs: 20, batch_size: 8, chains: 20, ..Default::default() };
/// let fit = fit_rbm(&bars, &settings, &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.model.hidden(), 4);
/// assert_eq!(fit.history.len(), 20);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_rbm(
    data: &Dataset,
    settings: &RbmSettings,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Rbm>> {
    let options = FitOptions::default();
    fit_rbm_with(data, settings, &options, streams, observer)
}

/// Means of data as a first model sees them, which must have the visible units that the settings name.
fn seen_means(rbm: &Rbm, means: &[f32], settings: &RbmSettings) -> Result<Vec<f32>> {
    let found = rbm.units().kind();
    if found != settings.visible_kind() {
        let (op, arg, value) = ("fit_rbm_with", "start", format!("a model with {found} visible units"));
        return Err(CoreError::Param { op, arg, value, allowed: "the visible units of the settings" }.into());
    }
    // Another number of units is refused by the learner.
    if found != VisibleKind::Gaussian || rbm.visible() != means.len() {
        return Ok(means.to_vec());
    }
    Ok(rbm.standardised(&Matrix::from_column_slice(means.len(), 1, means)).as_slice().to_vec())
}

/// What fits in memory let one choose besides the model's settings.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{Fit, FitOptions, RbmSettings, Unobserved, fit_rbm_with};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 4, epochs: 50, batch_size: 4, learning_rate: 0.2, ..Default::default() };
/// let mut options = FitOptions::default();
/// let first = fit_rbm_with(&bars, &settings, &options, &Streams::new(1), &mut Unobserved)?;
/// options.start = Some(first.model.clone());
/// let further = fit_rbm_with(&bars, &settings, &options, &Streams::new(2), &mut Unobserved)?;
/// let log_p = |fit: &Fit<_>| fit.history[49].figures.get("log_likelihood");
/// assert!(log_p(&further) > log_p(&first));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions<M = Rbm> {
    /// How grey levels become zeros and ones; what suits the data if absent.
    pub binarise: Option<Binarise>,
    /// What to watch, and when to stop.
    pub monitor: MonitorSettings,
    /// The model to start from; small random weights if absent.
    pub start: Option<M>,
}

impl<M> Default for FitOptions<M> {
    fn default() -> Self {
        Self { binarise: None, monitor: MonitorSettings::default(), start: None }
    }
}

impl<M> FitOptions<M> {
    /// How to train on data, which are taken as they are where `reals` says so.
    fn plan(&self, data: &Dataset, (epochs, batch_size): (u64, usize), reals: bool) -> Plan {
        let usual = if reals { Binarise::None } else { data.train.training_binarise() };
        let binarise = self.binarise.unwrap_or(usual);
        Plan { epochs, batch_size, binarise, reals, monitor: self.monitor.clone() }
    }
}

/// [`fit_rbm`] with a choice of binarisation, figures, early stopping and first model.
///
/// # Errors
///
/// As [`fit_rbm`], and [`gm_core::Error::Shape`] for a first model that does not fit data and settings,
/// [`Error::NoLabels`](crate::Error::NoLabels) for label units of data without labels.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{FitOptions, MonitorSettings, RbmSettings, StopOn, Unobserved, fit_rbm_with};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 4, epochs: 30, batch_size: 8, chains: 20, ..Default::default() };
/// let monitor = MonitorSettings { stop_on: StopOn::LogLikelihood, patience: 3, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &Streams::new(1), &mut Unobserved)?;
/// assert!(fit.history.last().is_some_and(|last| last.figures.get("log_likelihood").is_some()));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_rbm_with(
    data: &Dataset,
    settings: &RbmSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Rbm>> {
    let mut settings = settings.clone();
    settings.complete(data)?;
    settings.check()?;
    let plan = options.plan(data, (settings.epochs, settings.batch_size), settings.takes_reals());
    let prepared = settings.prepare(data, plan.binarise)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match &options.start {
        Some(rbm) => {
            RbmLearner::start_from(rbm.clone(), &seen_means(rbm, &examples.means, &settings)?, &settings, streams)?
        }
        None => RbmLearner::with_data(learnt, &examples.means, &settings, streams)?,
    };
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_rbm(), outcome, history })
}

/// Trains a sigmoid belief net in memory; [`Run`](crate::Run) trains on disk, with checkpoints.
///
/// # Randomness
///
/// As [`fit_rbm`], and what [`SbnLearner`] says.
///
/// # Errors
///
/// As [`fit_rbm_with`].
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{FitOptions, SbnSettings, Unobserved, fit_sbn};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = SbnSettings { hidden: vec![4, 2], epochs: 20, batch_size: 8, ..Default::default() };
/// let fit = fit_sbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 2]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_sbn(
    data: &Dataset,
    settings: &SbnSettings,
    options: &FitOptions<Sbn>,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Sbn>> {
    settings.check()?;
    let plan = options.plan(data, (settings.epochs, settings.batch_size), false);
    let examples = Examples::new(data, &plan, streams)?;
    let mut learner = match &options.start {
        Some(sbn) => SbnLearner::start_from(sbn.clone(), settings)?,
        None => SbnLearner::new(&examples.means, settings, streams)?,
    };
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_sbn(), outcome, history })
}

/// Trains a deep Boltzmann machine in memory; [`Run`](crate::Run) trains on disk, with checkpoints.
///
/// # Randomness
///
/// As [`fit_rbm`], and what [`DbmLearner`] says.
///
/// # Errors
///
/// As [`fit_rbm_with`].
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{DbmSettings, FitOptions, Unobserved, fit_dbm};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = DbmSettings { hidden: vec![4, 2], epochs: 20, batch_size: 8, chains: 20, ..Default::default() };
/// let fit = fit_dbm(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 2]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_dbm(
    data: &Dataset,
    settings: &DbmSettings,
    options: &FitOptions<Dbm>,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Dbm>> {
    let mut settings = settings.clone();
    settings.complete(data)?;
    settings.check()?;
    let epochs = if options.start.is_some() { settings.epochs } else { settings.total_epochs() };
    let plan = options.plan(data, (epochs, settings.batch_size), settings.takes_reals());
    let prepared = settings.prepare(data, plan.binarise)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match &options.start {
        Some(dbm) => DbmLearner::start_from(dbm.clone(), &means_seen_by(dbm, &examples.means), &settings, streams)?,
        None => DbmLearner::with_data(learnt, &examples.means, &settings, streams)?,
    };
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_dbm(), outcome, history })
}

/// Trains a deep belief network in memory; [`Run`](crate::Run) trains on disk, with checkpoints.
///
/// Settings with label units need labelled data. A model to start from, that of the options or else of the settings, gives the
/// first layers.
///
/// # Randomness
///
/// As [`fit_rbm`], and what [`DbnLearner`] says.
///
/// # Errors
///
/// As [`fit_rbm_with`], and [`Error::NoLabels`](crate::Error::NoLabels) for label units of data without labels.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{DbnSettings, FitOptions, Unobserved, fit_dbn};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = DbnSettings { hidden: vec![4, 4], epochs: vec![20], batch_size: 8, chains: 20, ..Default::default() };
/// let fit = fit_dbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 4]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_dbn(
    data: &Dataset,
    settings: &DbnSettings,
    options: &FitOptions<Dbn>,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Dbn>> {
    let mut settings = settings.clone();
    settings.complete(data)?;
    if let Some(dbn) = &options.start {
        settings.start_layers = dbn.depth();
    }
    settings.check()?;
    let plan = options.plan(data, (settings.total_epochs(), settings.batch_size), settings.takes_reals());
    let prepared = settings.prepare(data, plan.binarise)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match &options.start {
        Some(dbn) => DbnLearner::start_from(dbn.clone(), &examples.means, &settings)?,
        None => DbnLearner::with_data(learnt, &examples.means, &settings, streams)?,
    };
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_dbn(), outcome, history })
}

/// Trains a classifier in memory; [`Run`](crate::Run) trains on disk, with checkpoints.
///
/// Grey levels are taken as they are unless the options binarise them. The net starts from that of the options, else from the
/// settings' model or random weights.
///
/// # Randomness
///
/// As [`fit_rbm`], and what [`ClassifierLearner`] says.
///
/// # Errors
///
/// As [`fit_rbm_with`], and [`Error::NoLabels`](crate::Error::NoLabels) for data without labels.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{ClassifierSettings, FitOptions, Unobserved, fit_classifier};
///
/// let bars = Dataset::builtin("bars-and-stripes:3")?;
/// let settings = ClassifierSettings { hidden: vec![12], epochs: 100, batch_size: 4, ..Default::default() };
/// let fit = fit_classifier(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved)?;
/// // All 0 and all 1 are both bars and stripes, so that 2 of 16 rows cannot be told.
/// assert_eq!(fit.history.last().and_then(|last| last.figures.get("error_rate")), Some(2.0 / 16.0));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_classifier(
    data: &Dataset,
    settings: &ClassifierSettings,
    options: &FitOptions<Classifier>,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Classifier>> {
    let mut settings = settings.clone();
    settings.complete(data)?;
    settings.check()?;
    let plan = Plan {
        binarise: options.binarise.unwrap_or(Binarise::None),
        reals: true,
        ..options.plan(data, (settings.epochs, settings.batch_size), false)
    };
    let net = match &options.start {
        Some(net) => net.clone(),
        None => settings.first(data.units(), streams)?,
    };
    let joined = settings.joined(data, plan.binarise, net.features())?;
    let examples = Examples::new(&joined, &plan, streams)?;
    let mut learner = ClassifierLearner::start_from(net, &settings)?;
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_net(), outcome, history })
}

/// Trains a learner in memory.
fn fit(
    learner: &mut dyn Learner,
    examples: Examples<'_>,
    plan: Plan,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<(Outcome, Vec<EpochRecord>)> {
    let mut trainer = Trainer::new(learner, examples, plan, streams.clone())?;
    let mut history = History::default();
    // Within the pool, so that the many parallel operations of an update need not wake it up each time.
    let outcome = rayon::scope(|_| trainer.train(&mut history, observer))?;
    Ok((outcome, history.0))
}

/// How often and on what a learner is trained.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) epochs: u64,
    pub(crate) batch_size: usize,
    pub(crate) binarise: Binarise,
    /// Whether grey levels that nothing binarises are taken as they are.
    pub(crate) reals: bool,
    pub(crate) monitor: MonitorSettings,
}

/// Training examples that give batches, with what is known of them.
pub(crate) struct Examples<'a> {
    split: &'a Split,
    binarise: Binarise,
    /// Whether batches are the values as they are.
    reals: bool,
    /// All examples, where they are binary and the same in every epoch.
    fixed: Option<BitMatrix>,
    /// The means of the visible units.
    pub(crate) means: Vec<f32>,
    probe: Probe,
}

impl<'a> Examples<'a> {
    pub(crate) fn new(data: &'a Dataset, plan: &Plan, streams: &Streams) -> Result<Self> {
        plan.monitor.check()?;
        let (split, binarise) = (&data.train, plan.binarise);
        let reals = plan.reals && binarise == Binarise::None && !split.is_binary();
        let drawn_anew = binarise == Binarise::Dynamic && !split.is_binary();
        let fixed = if reals || drawn_anew { None } else { Some(split.to_bits(binarise)?) };
        let means = match &fixed {
            Some(bits) if split.weights().is_none() => {
                bits.unit_counts().iter().map(|&n| (n as f64 / split.len() as f64) as f32).collect()
            }
            _ => split.unit_means(),
        };
        let probe = Probe {
            train: watched(split, plan, &streams.fork(Purpose::Choose, 1))?,
            valid: watched(&data.valid, plan, &streams.fork(Purpose::Choose, 2))?,
            exact_units: plan.monitor.exact_units(),
        };
        Ok(Self { split, binarise, reals, fixed, means, probe })
    }

    /// Refuses weights of rows for a model that cannot use them.
    pub(crate) fn check_weights(&self, learner: &dyn Learner) -> Result<()> {
        if self.split.weights().is_none() || learner.takes_weights() {
            return Ok(());
        }
        let (op, arg, value) = ("training", "weights", "given".into());
        Err(CoreError::Param { op, arg, value, allowed: "none but for restricted Boltzmann machines" }.into())
    }

    fn weights(&self, rows: &[u32]) -> Option<Vec<f32>> {
        self.split.weights().map(|weights| rows.iter().map(|&row| weights[row as usize]).collect())
    }

    fn batch(&self, rows: &[u32], streams: &Streams) -> Result<Batch> {
        match &self.fixed {
            Some(bits) => Ok(bits.select(&rows.iter().map(|&row| row as usize).collect::<Vec<_>>()).into()),
            None if self.reals => Ok(self.split.to_matrix(rows).into()),
            None => Ok(self.split.binary_batch(rows, self.binarise, streams)?.into()),
        }
    }
}

/// A random subset of a split; grey levels that training draws anew are drawn once.
fn watched(split: &Split, plan: &Plan, streams: &Streams) -> Result<Batch> {
    let binarise = if plan.binarise == Binarise::Dynamic { split.evaluation_binarise() } else { plan.binarise };
    let count = plan.monitor.rows.min(split.len());
    let mut rows: Vec<u32> =
        sample(&mut streams.stream(0), split.len(), count).into_iter().map(|row| row as u32).collect();
    rows.sort_unstable();
    if plan.reals && binarise == Binarise::None && !split.is_binary() {
        return Ok(split.to_matrix(&rows).into());
    }
    Ok(split.binary_batch(&rows, binarise, streams)?.into())
}

/// Where training leaves its results.
pub(crate) trait Journal {
    /// Keeps the figures of an epoch.
    fn record(&mut self, record: &EpochRecord) -> Result<()>;

    /// Whether a checkpoint is due after this many updates.
    fn is_due(&self, step: u64) -> bool;

    /// Writes a checkpoint, completed by what only the journal knows.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Option<PathBuf>>;

    /// Keeps the model: the final one, or the best so far.
    fn model(&mut self, model: &ModelData) -> Result<()>;

    /// Keeps the model with the layers that it has so far.
    fn layer(&mut self, model: &ModelData) -> Result<()>;

    /// Whether anything at all lasts, so that states have to be made.
    fn lasts(&self) -> bool;
}

/// A journal in memory.
#[derive(Debug, Default)]
struct History(Vec<EpochRecord>);

impl Journal for History {
    fn record(&mut self, record: &EpochRecord) -> Result<()> {
        self.0.push(record.clone());
        Ok(())
    }

    fn is_due(&self, _: u64) -> bool {
        false
    }

    fn checkpoint(&mut self, _: Checkpoint) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    fn model(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    fn layer(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    fn lasts(&self) -> bool {
        false
    }
}

/// A learner with its examples and its place in the run.
pub(crate) struct Trainer<'a> {
    learner: &'a mut dyn Learner,
    examples: Examples<'a>,
    plan: Plan,
    streams: Streams,
    step: u64,
    stopping: Stopping,
    /// The update after which the last checkpoint was written.
    saved: Option<u64>,
    order: (u64, Vec<u32>),
    before: f64,
    began: Instant,
    made: u64,
    /// The stage that was told last.
    stage: Option<String>,
}

impl<'a> Trainer<'a> {
    /// A learner before its first update.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a rule of early stopping that does not suit the learner.
    pub(crate) fn new(
        learner: &'a mut dyn Learner,
        examples: Examples<'a>,
        plan: Plan,
        streams: Streams,
    ) -> Result<Self> {
        plan.monitor.check_rule(learner)?;
        examples.check_weights(learner)?;
        let order = (u64::MAX, Vec::new());
        let (stopping, began) = (Stopping::default(), Instant::now());
        Ok(Self {
            learner,
            examples,
            plan,
            streams,
            step: 0,
            stopping,
            saved: None,
            order,
            before: 0.0,
            began,
            made: 0,
            stage: None,
        })
    }

    /// Continues where a checkpoint stopped.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a place that this run cannot have come to, and those of [`Learner::restore`].
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        self.learner.restore(checkpoint.learner)?;
        (self.step, self.stopping, self.before) = (checkpoint.step, checkpoint.stopping, checkpoint.seconds);
        let (clock, best) = (self.clock(), self.stopping.best.as_ref().map_or(0, |best| best.epoch));
        let refuse = |arg, value: u64, allowed| {
            Err(CoreError::Param { op: "checkpoint", arg, value: value.to_string(), allowed })
        };
        if clock.step > clock.total {
            return Ok(refuse("step", clock.step, "updates of this run")?);
        }
        if best > clock.epoch() {
            return Ok(refuse("best epoch", best, "an epoch before the checkpoint")?);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.examples.split.len()
    }

    fn clock(&self) -> Clock {
        let per_epoch = self.rows().div_ceil(self.plan.batch_size) as u64;
        Clock { step: self.step, total: per_epoch.saturating_mul(self.plan.epochs), per_epoch }
    }

    pub(crate) fn train(&mut self, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<Outcome> {
        self.began = Instant::now();
        let clock = self.clock();
        let parameters = self.learner.parameters().count();
        let (epochs, rows) = (self.plan.epochs, self.rows());
        let mut flow =
            observer.event(&Event::Started { step: self.step, total: clock.total, epochs, rows, parameters });
        while self.step < clock.total && !self.stopping.over {
            if flow.is_break() {
                if self.saved != Some(self.step) {
                    self.save(false, journal, observer)?;
                }
                return Ok(Outcome::Interrupted { step: self.step });
            }
            let before = self.before_the_end_of_an_epoch(journal);
            let report = self.update()?;
            self.tell_stage(observer);
            flow = observer.event(&self.progress());
            if self.clock().within_epoch() == 0 {
                match self.end_epoch(&report, journal, observer) {
                    Ok(true) => flow = ControlFlow::Break(()),
                    Ok(false) => {}
                    Err(error) if error.is_interruption() => return self.leave_epoch_open(before, journal, observer),
                    Err(error) => return Err(error),
                }
            }
            if journal.is_due(self.step) && self.save(false, journal, observer)? {
                flow = ControlFlow::Break(());
            }
        }
        self.finish(journal, observer)
    }

    /// The state before the last update of an epoch, where figures that follow may be interrupted: there is no other place to go on
    /// from, since the figures need what the update reports.
    fn before_the_end_of_an_epoch(&self, journal: &dyn Journal) -> Option<LearnerState> {
        let clock = self.clock();
        let last = clock.within_epoch() + 1 == clock.per_epoch;
        (last && journal.lasts() && self.learner.measures_long()).then(|| self.learner.state())
    }

    /// Ends a run whose figures were interrupted: a resumed one repeats the last update, with the same bits, and the figures.
    fn leave_epoch_open(
        &mut self,
        before: Option<LearnerState>,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<Outcome> {
        if let Some(learner) = before {
            self.step -= 1;
            self.save_state(learner, false, journal, observer)?;
        }
        Ok(Outcome::Interrupted { step: self.step })
    }

    /// Tells the observer when another stage begins.
    fn tell_stage(&mut self, observer: &mut dyn Observer) {
        let name = self.learner.stage_name();
        if name != self.stage {
            self.stage = name;
            if let Some(name) = &self.stage {
                // The beginning of a stage cannot be broken; the update that follows it can.
                let _ = observer.event(&Event::Stage { name });
            }
        }
    }

    fn update(&mut self) -> Result<StepReport> {
        let clock = self.clock();
        let (batch, weights) = self.batch(&clock)?;
        if let Some(weights) = weights {
            self.learner.weigh(weights);
        }
        let report = self.learner.step(&batch, &clock, &self.streams)?;
        self.step += 1;
        self.made += batch.samples() as u64;
        check_health(self.learner.stack(), self.learner.recognition(), self.step)?;
        Ok(report)
    }

    /// The examples of an update with their weights: the epoch's order cut into batches that differ by at most one.
    fn batch(&mut self, clock: &Clock) -> Result<(Batch, Option<Vec<f32>>)> {
        if self.order.0 != clock.epoch() {
            self.order = (clock.epoch(), self.examples.split.epoch_order(&self.streams, clock.epoch()));
        }
        let cut = |i: u64| (i * self.rows() as u64 / clock.per_epoch) as usize;
        let rows = &self.order.1[cut(clock.within_epoch())..cut(clock.within_epoch() + 1)];
        let batch = self.examples.batch(rows, &self.streams.fork(Purpose::Binarise, clock.step))?;
        Ok((batch, self.examples.weights(rows)))
    }

    fn progress(&self) -> Event<'static> {
        let clock = self.clock();
        let examples_per_second = self.made as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let epoch = (clock.step - 1) / clock.per_epoch + 1;
        Event::Step { step: clock.step, total: clock.total, epoch, epochs: self.plan.epochs, examples_per_second }
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    /// Looks at the model when it is time to; true when the observer breaks.
    fn end_epoch(
        &mut self,
        report: &StepReport,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let (epoch, monitor) = (self.clock().epoch(), &self.plan.monitor);
        if epoch % monitor.every != 0 && epoch != self.plan.epochs && !self.learner.is_complete() {
            return Ok(false);
        }
        let mut figures = Figures::new([("learning_rate", report.learning_rate)]);
        figures.extend(&report.figures);
        let mut watch =
            |Progress { done, total }| observer.event(&Event::Measuring { done: done as u64, total: total as u64 });
        let streams = self.streams.fork(Purpose::Evaluate, epoch);
        figures.extend(&self.learner.figures_watched(&self.examples.probe, &streams, &mut watch)?);
        let record = EpochRecord { epoch, step: self.step, seconds: self.seconds(), figures };
        journal.record(&record)?;
        let parameters = || self.learner.parameters();
        if self.stopping.judge(monitor, &record, parameters)? && journal.lasts() {
            journal.model(&self.learner.model()?)?;
        }
        if self.learner.is_complete() && journal.lasts() {
            journal.layer(&self.learner.model()?)?;
        }
        Ok(observer.event(&Event::Epoch { record: &record }).is_break())
    }

    /// Writes a checkpoint; true when the observer breaks.
    fn save(&mut self, finished: bool, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<bool> {
        if !journal.lasts() {
            return Ok(false);
        }
        self.save_state(self.learner.state(), finished, journal, observer)
    }

    fn save_state(
        &mut self,
        learner: LearnerState,
        finished: bool,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let checkpoint = Checkpoint {
            config: String::new(),
            data: DataMark::default(),
            step: self.step,
            finished,
            seconds: self.seconds(),
            metrics_bytes: 0,
            stopping: self.stopping.clone(),
            learner,
        };
        let written = journal.checkpoint(checkpoint)?;
        self.saved = Some(self.step);
        Ok(written.is_some_and(|path| observer.event(&Event::Checkpoint { path: &path, step: self.step }).is_break()))
    }

    fn finish(&mut self, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<Outcome> {
        if let Some(best) = &self.stopping.best {
            self.learner.set_parameters(best.parameters.clone())?;
        }
        if journal.lasts() {
            journal.model(&self.learner.model()?)?;
        }
        self.save(true, journal, observer)?;
        let (epochs, stopped_early) = (self.clock().epoch(), self.step < self.clock().total);
        // The end cannot be broken.
        let _ = observer.event(&Event::Finished { step: self.step, epoch: epochs, stopped_early });
        Ok(Outcome::Finished { epochs, stopped_early })
    }
}
