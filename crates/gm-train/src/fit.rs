//! Training in memory, one function for each model.

use std::path::Path;

use gm_core::{ModelData, Streams};
use gm_data::{Binarise, Dataset, load_model};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_net::Classifier;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use crate::classifier::{ClassifierLearner, ClassifierSettings};
use crate::course::{EpochRecord, Examples, History, MonitorSettings, Observer, Outcome, Plan, Trainer};
use crate::dbm::{self, DbmLearner, DbmSettings};
use crate::dbn::{DbnLearner, DbnSettings};
use crate::error::Result;
use crate::learner::{Learner, ModelSettings, Origin};
use crate::rbm::{RbmLearner, RbmSettings, means_seen_by};
use crate::sbn::{SbnLearner, SbnSettings};

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
/// assert_eq!(fit.model.log_prob(&rows, fit.model.log_partition()?)?.len(), 2);
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
    let prepared = settings.prepare(data, plan.binarise, Origin::Random)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match &options.start {
        Some(rbm) => {
            RbmLearner::start_from(rbm.clone(), &means_seen_by(rbm, &examples.means, &settings)?, &settings, streams)?
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
    let start = match &options.start {
        Some(dbm) => Some(dbm.clone()),
        None => {
            let file = file_to_start_from(settings.start.as_deref())?;
            file.map(|model| settings.start_model(model)).transpose()?
        }
    };
    let epochs = if start.is_some() { settings.epochs } else { settings.total_epochs() };
    let plan = options.plan(data, (epochs, settings.batch_size), settings.takes_reals());
    let prepared = settings.prepare(data, plan.binarise, Origin::Random)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match start {
        Some(dbm) => {
            let means = dbm::means_seen_by(&dbm, &examples.means);
            DbmLearner::start_from(dbm, &means, &settings, streams)?
        }
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
/// let settings = DbnSettings { hidden: vec![4, 4], epochs: vec![20], layer: RbmSettings { batch_size: 8, chains: 20, ..Default::default() }, ..Default::default() };
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
    let file = file_to_start_from(settings.start.as_deref().filter(|_| options.start.is_none()))?;
    settings.complete(data, file.as_ref())?;
    let start = match &options.start {
        Some(dbn) => Some(dbn.clone()),
        None => file.map(|model| settings.start_model(model)).transpose()?,
    };
    settings.start_layers = start.as_ref().map_or(0, Dbn::depth);
    settings.check()?;
    let plan = options.plan(data, (settings.total_epochs(), settings.batch_size()), settings.takes_reals());
    let prepared = settings.prepare(data, plan.binarise, Origin::Random)?;
    let learnt = prepared.as_ref().unwrap_or(data);
    let examples = Examples::new(learnt, &plan, streams)?;
    let mut learner = match start {
        Some(dbn) => DbnLearner::start_from(dbn, &examples.means, &settings)?,
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
    let file = file_to_start_from(settings.start.as_deref().filter(|_| options.start.is_none()))?;
    settings.complete(data, file.as_ref())?;
    settings.check()?;
    let plan = Plan {
        binarise: options.binarise.unwrap_or(Binarise::None),
        reals: true,
        ..options.plan(data, (settings.epochs, settings.batch_size), false)
    };
    let net = match &options.start {
        Some(net) => net.clone(),
        None => settings.first(data.units(), file.as_ref().map_or(Origin::Random, Origin::Model), streams)?,
    };
    let joined = settings.joined(data, plan.binarise, net.features())?;
    let examples = Examples::new(&joined, &plan, streams)?;
    let mut learner = ClassifierLearner::start_from(net, &settings)?;
    let (outcome, history) = fit(&mut learner, examples, plan, streams, observer)?;
    Ok(Fit { model: learner.into_net(), outcome, history })
}

/// The model of the file that settings name.
fn file_to_start_from(path: Option<&Path>) -> Result<Option<ModelData>> {
    Ok(path.map(load_model).transpose()?)
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
