//! Training in memory, one function for each model.

use gm_ascent::Team;
use gm_core::{ModelData, Streams};
use gm_data::{Binarise, Dataset, load_model};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_harmonium::Harmonium;
use gm_net::Classifier;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use crate::classifier::ClassifierSettings;
use crate::course::{
    Checkpoint, EpochRecord, Examples, History, Journal, MonitorSettings, Observer, Outcome, Plan, Trainer,
};
use crate::dbm::DbmSettings;
use crate::dbn::DbnSettings;
use crate::error::Result;
use crate::harmonium::HarmoniumSettings;
use crate::learner::{Learner, ModelSettings, Origin};
use crate::rbm::RbmSettings;
use crate::sbn::SbnSettings;

/// A trained model with the history of its training.
///
/// # Examples
///
/// ```
/// use gm_train::{RbmSettings, Unobserved, fit_rbm};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = RbmSettings { hidden: 4, epochs: 100, batch_size: 4, learning_rate: 0.2, ..Default::default() };
/// let fit = fit_rbm(&bars, &settings, &streams, &mut Unobserved)?;
/// let log_p = |epoch: usize| fit.history[epoch].figures.get("log_likelihood");
/// assert!(log_p(99) > log_p(0));
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

/// Trains a restricted Boltzmann machine in memory.
///
/// Grey levels are drawn anew in every batch, without early stopping; [`fit_rbm_with`] has a choice. Settings with label units
/// need labelled data.
///
/// Its random numbers are those of [`fit`] and of [`RbmLearner`](crate::RbmLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{RbmSettings, Unobserved, fit_rbm};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = RbmSettings { hidden: 4, epochs: 20, batch_size: 8, chains: 20, ..Default::default() };
/// let fit = fit_rbm(&bars, &settings, &streams, &mut Unobserved)?;
/// assert_eq!((fit.model.hidden(), fit.history.len()), (4, 20));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_rbm(
    data: &Dataset,
    settings: &RbmSettings,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Rbm>> {
    fit(data, settings, &FitOptions::default(), streams, observer)
}

/// What fits in memory let one choose besides the model's settings.
///
/// # Examples
///
/// ```
/// use gm_train::{Fit, FitOptions, RbmSettings, Unobserved, fit_rbm_with};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = RbmSettings { hidden: 4, epochs: 50, batch_size: 4, learning_rate: 0.2, ..Default::default() };
/// let mut options = FitOptions::default();
/// let first = fit_rbm_with(&bars, &settings, &options, &streams, &mut Unobserved)?;
/// options.start = Some(first.model.to_data()?);
/// let further = fit_rbm_with(&bars, &settings, &options, &gm_core::Streams::new(2), &mut Unobserved)?;
/// let log_p = |fit: &Fit<_>| fit.history[49].figures.get("log_likelihood");
/// assert!(log_p(&further) > log_p(&first));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitOptions {
    /// How grey levels become zeros and ones; what suits the data if absent. With [`Binarise::None`] a restricted Boltzmann
    /// machine of binary units learns from values between 0 and 1 as they are, as means of its units.
    pub binarise: Option<Binarise>,
    /// What to watch, and when to stop.
    pub monitor: MonitorSettings,
    /// The model to start from, of any kind that the settings of a file may name; small random weights if absent.
    pub start: Option<ModelData>,
    /// The shards of batches and chains, and the processes that share them.
    pub team: Team,
}

/// [`fit_rbm`] with a choice of binarisation, figures, early stopping and first model.
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, MonitorSettings, RbmSettings, StopOn, Unobserved, fit_rbm_with};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = RbmSettings { hidden: 4, epochs: 30, batch_size: 8, chains: 20, ..Default::default() };
/// let monitor = MonitorSettings { stop_on: StopOn::LogLikelihood, patience: 3, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &streams, &mut Unobserved)?;
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
    fit(data, settings, options, streams, observer)
}

/// Trains a sigmoid belief net in memory.
///
/// Its random numbers are those of [`fit`] and of [`SbnLearner`](crate::SbnLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, SbnSettings, Unobserved, fit_sbn};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = SbnSettings { hidden: vec![4, 2], epochs: 20, batch_size: 8, ..Default::default() };
/// let fit = fit_sbn(&bars, &settings, &FitOptions::default(), &streams, &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 2]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_sbn(
    data: &Dataset,
    settings: &SbnSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Sbn>> {
    fit(data, settings, options, streams, observer)
}

/// Trains a deep Boltzmann machine in memory.
///
/// Its random numbers are those of [`fit`] and of [`DbmLearner`](crate::DbmLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{DbmSettings, FitOptions, Unobserved, fit_dbm};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = DbmSettings { hidden: vec![4, 2], epochs: 20, batch_size: 8, chains: 20, ..Default::default() };
/// let fit = fit_dbm(&bars, &settings, &FitOptions::default(), &streams, &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 2]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_dbm(
    data: &Dataset,
    settings: &DbmSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Dbm>> {
    fit(data, settings, options, streams, observer)
}

/// Trains a deep belief network in memory.
///
/// Settings with label units need labelled data. A model to start from, that of the options or else of the settings, gives the
/// first layers.
///
/// Its random numbers are those of [`fit`] and of [`DbnLearner`](crate::DbnLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{DbnSettings, FitOptions, RbmSettings, Unobserved, fit_dbn};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = DbnSettings { hidden: vec![4, 4], epochs: vec![20], layer: RbmSettings { batch_size: 8, chains: 20, ..Default::default() }, ..Default::default() };
/// let fit = fit_dbn(&bars, &settings, &FitOptions::default(), &streams, &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4, 4]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_dbn(
    data: &Dataset,
    settings: &DbnSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Dbn>> {
    fit(data, settings, options, streams, observer)
}

/// Trains a classifier in memory.
///
/// Grey levels are taken as they are unless the options binarise them. The net starts from that of the options, else from the
/// settings' model or random weights.
///
/// Its random numbers are those of [`fit`] and of [`ClassifierLearner`](crate::ClassifierLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{ClassifierSettings, FitOptions, Unobserved, fit_classifier};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:3")?, gm_core::Streams::new(1));
/// let settings = ClassifierSettings { hidden: vec![12], epochs: 100, batch_size: 4, ..Default::default() };
/// let fit = fit_classifier(&bars, &settings, &FitOptions::default(), &streams, &mut Unobserved)?;
/// // All 0 and all 1 are both bars and stripes, so that 2 of 16 rows cannot be told.
/// assert_eq!(fit.history.last().and_then(|last| last.figures.get("error_rate")), Some(2.0 / 16.0));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_classifier(
    data: &Dataset,
    settings: &ClassifierSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Classifier>> {
    fit(data, settings, options, streams, observer)
}

/// Trains a harmonium in memory.
///
/// Its random numbers are those of [`fit`] and of [`HarmoniumLearner`](crate::HarmoniumLearner).
///
/// # Errors
///
/// As [`fit`].
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, HarmoniumSettings, Unobserved, fit_harmonium};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let (hidden_units, visible) = ("drelu".parse()?, "spin".parse()?);
/// let settings = HarmoniumSettings { hidden: 3, visible, hidden_units, epochs: 20, ..Default::default() };
/// let fit = fit_harmonium(&bars, &settings, &FitOptions::default(), &streams, &mut Unobserved)?;
/// assert_eq!((fit.model.visible().name(), fit.model.hidden().name()), ("spin".into(), "drelu".into()));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit_harmonium(
    data: &Dataset,
    settings: &HarmoniumSettings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<Harmonium>> {
    fit(data, settings, options, streams, observer)
}

/// A model that can be trained, with the settings of its training.
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, RbmSettings, Trained, Unobserved, fit};
///
/// /// Trains any model with its usual settings and forgets the history.
/// fn trained<M: Trained>(data: &gm_data::Dataset, settings: &M::Settings) -> gm_train::Result<M> {
///     Ok(fit(data, settings, &FitOptions::default(), &gm_core::Streams::new(1), &mut Unobserved)?.model)
/// }
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 4, epochs: 2, batch_size: 8, chains: 20, ..Default::default() };
/// let rbm: gm_rbm::Rbm = trained(&bars, &settings)?;
/// assert_eq!(rbm.hidden(), 4);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Trained: Sized {
    /// The settings of its training.
    type Settings: ModelSettings + Clone;

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for parameters that no file may hold.
    fn to_data(&self) -> gm_core::Result<ModelData>;

    /// The model that a file holds.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error`] for a file of another kind.
    fn from_data(data: ModelData) -> gm_core::Result<Self>;
}

/// Makes the functions of a model that have the same names those of [`Trained`].
macro_rules! trained {
    ($($model:ty: $settings:ty),*) => {$(
        impl Trained for $model {
            type Settings = $settings;

            fn to_data(&self) -> gm_core::Result<ModelData> {
                <$model>::to_data(self)
            }

            fn from_data(data: ModelData) -> gm_core::Result<Self> {
                <$model>::from_data(data)
            }
        }
    )*};
}

trained!(
    Rbm: RbmSettings,
    Sbn: SbnSettings,
    Dbm: DbmSettings,
    Dbn: DbnSettings,
    Classifier: ClassifierSettings,
    Harmonium: HarmoniumSettings
);

/// Trains a model of any kind in memory; the functions named after the models say what is particular to each.
///
/// The model of the options is the one to start from, else that of the file which the settings name. [`Run`](crate::Run)
/// trains on disk, with checkpoints.
///
/// # Randomness
///
/// Family t of [`Purpose::Binarise`](gm_core::Purpose::Binarise) for the batch of update t, family e of
/// [`Purpose::Shuffle`](gm_core::Purpose::Shuffle) for the order of epoch e, and what the learner of the model says.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for settings out of range, [`gm_core::Error::Shape`] for a first model that does not fit data
/// and settings, [`gm_data::Error::NoLabels`] for label units or classes of data without labels, and
/// [`Error::Diverged`](crate::Error::Diverged) when parameters explode.
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, SbnSettings, Unobserved, fit};
///
/// let (bars, streams) = (gm_data::Dataset::builtin("bars-and-stripes:2")?, gm_core::Streams::new(1));
/// let settings = SbnSettings { hidden: vec![4], epochs: 2, batch_size: 8, ..Default::default() };
/// let options = FitOptions::default();
/// let fit = fit::<gm_sbn::Sbn>(&bars, &settings, &options, &streams, &mut Unobserved)?;
/// assert_eq!(fit.model.layers(), [4, 4]);
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn fit<M: Trained>(
    data: &Dataset,
    settings: &M::Settings,
    options: &FitOptions,
    streams: &Streams,
    observer: &mut dyn Observer,
) -> Result<Fit<M>> {
    let mut settings = settings.clone();
    let start = match &options.start {
        Some(model) => {
            if let Some((path, _)) = settings.start_mut() {
                *path = None;
            }
            Some(model.clone())
        }
        None => settings.start().0.map(load_model).transpose()?,
    };
    settings.complete(data, start.as_ref())?;
    settings.check()?;
    let binarise = options.binarise.unwrap_or_else(|| usual_binarise(&settings, data));
    let origin = start.as_ref().map_or(Origin::Random, Origin::Model);
    let prepared = settings.prepare(data, binarise, origin)?;
    let plan = Plan { means: settings.takes_means(), ..Plan::of(&settings, binarise, &options.monitor) };
    let (data, team) = (prepared.as_ref().unwrap_or(data), options.team.clone());
    let training = Training { settings: &settings, plan, data, streams, team };
    let mut history = History::default();
    // Within the pool, so that the many parallel operations of an update need not wake it up each time.
    let (outcome, learner) = rayon::scope(|_| training.run(origin, None, &mut history, observer))?;
    Ok(Fit { model: M::from_data(learner.model()?)?, outcome, history: history.0 })
}

/// How grey levels of data become zeros and ones by default, if they do.
pub(crate) fn usual_binarise(settings: &dyn ModelSettings, data: &Dataset) -> Binarise {
    if settings.takes_reals() { Binarise::None } else { data.train.training_binarise() }
}

/// All that a training depends on, apart from where it begins.
pub(crate) struct Training<'a> {
    pub(crate) settings: &'a dyn ModelSettings,
    pub(crate) plan: Plan,
    /// The prepared data.
    pub(crate) data: &'a Dataset,
    pub(crate) streams: &'a Streams,
    pub(crate) team: Team,
}

impl<'a> Training<'a> {
    /// The learner before its first update, and its examples.
    pub(crate) fn begin(&self, origin: Origin<'_>) -> Result<(Box<dyn Learner>, Examples<'a>)> {
        let examples = Examples::new(self.data, &self.plan, self.streams)?;
        let mut learner = self.settings.learner(self.data, &examples.means, origin, self.streams)?;
        let batches = examples.split.len().div_ceil(self.plan.batch_size);
        self.team.check_rows(examples.split.len() / batches.max(1))?;
        learner.divide(self.team.clone(), self.streams)?;
        Ok((learner, examples))
    }

    /// Trains from an origin, or from where a checkpoint stopped; the outcome, and the learner at the end.
    pub(crate) fn run(
        self,
        origin: Origin<'_>,
        checkpoint: Option<Checkpoint>,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<(Outcome, Box<dyn Learner>)> {
        let origin = checkpoint.as_ref().map_or(origin, |checkpoint| Origin::State(&checkpoint.learner));
        let (mut learner, examples) = self.begin(origin)?;
        let mut trainer = Trainer::new(learner.as_mut(), examples, self.plan, self.streams.clone(), self.team)?;
        if let Some(checkpoint) = checkpoint {
            trainer.restore(checkpoint)?;
        }
        let outcome = trainer.train(journal, observer)?;
        Ok((outcome, learner))
    }
}
