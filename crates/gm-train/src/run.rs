//! Runs on disk: a folder with configuration, metrics, checkpoints and the model.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gm_ascent::{Exchange, Team};
use gm_core::{Error as CoreError, ModelData, Streams};

use crate::config::{Config, first_difference};
use crate::course::{
    Checkpoint, DataMark, EpochRecord, Event, Journal, Metrics, Observer, Outcome, Plan, Silent, gathered, is_due,
    sweep_up,
};
use crate::error::{Error, Result};
use crate::fit::Training;
use crate::learner::{Learner, Origin};
use crate::start::StartModel;
use gm_data::{Alphabet, Dataset};
use gm_data::{save_model, write_atomically};

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.gm";
const CHECKPOINTS: &str = "checkpoints";
const SAMPLES: &str = "samples";
const LAYERS: &str = "layers";
const LOCK: &str = ".lock";

/// A training run and its folder.
///
/// | file | content |
/// |---|---|
/// | `config.toml` | the complete configuration, which can be run again |
/// | `metrics.jsonl` | one [`EpochRecord`] a line |
/// | `model.gm` | the model at the end; with early stopping the best so far |
/// | `checkpoints/*.gmck` | the last two checkpoints |
/// | `samples/` | a place for pictures of samples |
/// | `layers/` | of a model that is trained layer by layer: the model with one, two, ... hidden layers |
///
/// The folder is locked as long as the value lives.
///
/// # Examples
///
/// ```
/// use gm_data::load_model;
/// use gm_train::{Config, ModelConfig, Outcome, RbmSettings, Run, Unobserved};
///
/// let folder = tempfile::tempdir()?;
/// let rbm = RbmSettings { hidden: 3, epochs: 4, batch_size: 4, chains: 10, ..Default::default() };
/// let config = Config::new("bars-and-stripes:2", ModelConfig::Rbm(rbm));
/// let run = Run::create(folder.path(), &config)?;
/// assert_eq!(run.train(&mut Unobserved)?, Outcome::Finished { epochs: 4, stopped_early: false });
/// assert_eq!(load_model(folder.path().join("model.gm"))?.stack.layers(), [4, 3]);
/// assert!(Run::resume(folder.path()).unwrap_err().to_string().contains("the run is finished after 4 epochs"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    config: Config,
    data: Dataset,
    /// What is learnt from, if not the data themselves.
    prepared: Option<Dataset>,
    checkpoint: Option<Checkpoint>,
    team: Team,
    warnings: Vec<String>,
    /// Held, not read; only by the process that writes.
    _lock: Option<File>,
}

impl Run {
    /// Prepares a new run, making its folder if need be.
    ///
    /// # Errors
    ///
    /// [`Error::RunExists`] for a folder that holds a run, [`Error::Locked`] when another process trains there,
    /// [`gm_core::Error::Param`] for settings out of range, and the errors of [`load`](gm_data::load) and of writing files.
    pub fn create(folder: impl AsRef<Path>, config: &Config) -> Result<Self> {
        refuse_existing(folder.as_ref())?;
        config.check()?;
        let data = config.load_data()?;
        Self::create_with(folder, config, data)
    }

    /// [`create`](Self::create) with data that are loaded already, as `config.data` describes them.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_with(folder: impl AsRef<Path>, config: &Config, data: Dataset) -> Result<Self> {
        refuse_existing(folder.as_ref())?;
        config.check()?;
        Self::begin(folder.as_ref(), config, data, Team::new(config.shards)?)
    }

    /// [`create_with`](Self::create_with) in each of the processes that divide the shards of the run among them. The first
    /// one writes the files.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), [`gm_core::Error::Param`] for a number of processes that cannot divide the shards, and
    /// what [`Exchange`] reports.
    pub fn create_over(
        folder: impl AsRef<Path>,
        config: &Config,
        data: Dataset,
        exchange: Arc<dyn Exchange>,
    ) -> Result<Self> {
        config.check()?;
        let team = Team::over(config.shards, exchange)?;
        if team.leads() {
            refuse_existing(folder.as_ref())?;
        }
        Self::begin(folder.as_ref(), config, data, team)
    }

    fn begin(folder: &Path, config: &Config, data: Dataset, team: Team) -> Result<Self> {
        let start = StartModel::of(config.model.settings())?;
        let config = config.completed(&data, start.as_ref())?;
        config.check()?;
        // Whatever the learner refuses is refused before anything is written.
        let origin = StartModel::origin(start.as_ref());
        let prepared = config.prepare(&data, origin)?;
        let learnt = prepared.as_ref().unwrap_or(&data);
        let streams = Streams::new(config.seed);
        let (mut learner, examples) = training(&config, learnt, &streams, &team).begin(origin)?;
        config.monitor.check_rule(learner.as_ref())?;
        examples.check_weights(learner.as_mut())?;
        agree(&team, &config, learnt)?;
        let _lock = if team.leads() { Some(found(folder, &config)?) } else { None };
        let first = || first_checkpoint((folder, &team), &config, learnt, learner.as_ref());
        let checkpoint = start.is_some().then(first).transpose()?;
        Ok(Self { folder: folder.into(), config, data, prepared, checkpoint, team, warnings: vec![], _lock })
    }

    /// Prepares to continue an interrupted run, from its newest sound checkpoint or, without any, from the start.
    ///
    /// # Errors
    ///
    /// [`Error::NoRun`] and [`Error::Finished`]; [`Error::Locked`] when another process trains there; [`Error::ConfigChanged`]
    /// and [`Error::DataChanged`] when the result would be another; [`gm_data::Error::File`] when all checkpoints are damaged.
    pub fn resume(folder: impl AsRef<Path>) -> Result<Self> {
        Self::go_on(folder.as_ref(), None)
    }

    /// [`resume`](Self::resume) in each of the processes that divide the shards of the run among them, as many as before or
    /// not. Each reads the folder, and the first one writes.
    ///
    /// # Errors
    ///
    /// As [`resume`](Self::resume) and [`create_over`](Self::create_over).
    pub fn resume_over(folder: impl AsRef<Path>, exchange: Arc<dyn Exchange>) -> Result<Self> {
        Self::go_on(folder.as_ref(), Some(exchange))
    }

    fn go_on(folder: &Path, exchange: Option<Arc<dyn Exchange>>) -> Result<Self> {
        if !folder.join(CONFIG).is_file() {
            return Err(Error::NoRun { folder: folder.into() });
        }
        let config = Config::read(folder.join(CONFIG))?;
        config.check()?;
        let team = match exchange {
            Some(exchange) => Team::over(config.shards, exchange)?,
            None => Team::new(config.shards)?,
        };
        let _lock = if team.leads() { Some(reopened(folder)?) } else { None };
        // The others read when nothing is being swept up any more.
        team.any(false)?;
        let (checkpoint, warnings) = Checkpoint::newest(&folder.join(CHECKPOINTS))?;
        let data = config.load_data()?;
        let Some(checkpoint) = checkpoint else { return Self::begun_again(folder, config, data, (team, _lock)) };
        let prepared = config.prepare(&data, Origin::State(&checkpoint.learner))?;
        let learnt = prepared.as_ref().unwrap_or(&data);
        check_same(folder, &config, learnt, &checkpoint)?;
        agree(&team, &config, learnt)?;
        let checkpoint = Some(checkpoint);
        Ok(Self { folder: folder.into(), config, data, prepared, checkpoint, team, warnings, _lock })
    }

    /// A run that left no checkpoint, at its start again.
    fn begun_again(folder: &Path, config: Config, data: Dataset, (team, _lock): (Team, Option<File>)) -> Result<Self> {
        let start = StartModel::again(folder, config.model.settings())?;
        let origin = StartModel::origin(start.as_ref());
        let prepared = config.prepare(&data, origin)?;
        let checkpoint = match start {
            Some(_) => {
                let learnt = prepared.as_ref().unwrap_or(&data);
                let streams = Streams::new(config.seed);
                let (learner, _) = training(&config, learnt, &streams, &team).begin(origin)?;
                Some(first_checkpoint((folder, &team), &config, learnt, learner.as_ref())?)
            }
            None => None,
        };
        Ok(Self { folder: folder.into(), config, data, prepared, checkpoint, team, warnings: vec![], _lock })
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The complete configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Units of each layer of the model, the first layer first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.config.model.settings().layers(self.learnt().units())
    }

    /// What is learnt from.
    fn learnt(&self) -> &Dataset {
        self.prepared.as_ref().unwrap_or(&self.data)
    }

    /// The file of the trained model.
    #[must_use]
    pub fn model_path(&self) -> PathBuf {
        self.folder.join(MODEL)
    }

    /// Trains to the end, or until the observer breaks; then a checkpoint is written.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] when parameters explode (the last checkpoint stays), [`gm_data::Error::Io`] when a file cannot be
    /// written, [`Error::Threads`].
    pub fn train(self, observer: &mut dyn Observer) -> Result<Outcome> {
        let threads = self.config.threads;
        if threads == 0 {
            return rayon::scope(|_| self.train_here(observer));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::Threads { threads, detail: e.to_string() })?;
        pool.install(|| self.train_here(observer))
    }

    fn train_here(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut journal: Box<dyn Journal> = match self.team.leads() {
            true => Box::new(self.journal(observer)?),
            false => Box::new(Silent { every: self.config.checkpoint_every }),
        };
        let checkpoint = self.checkpoint.take();
        let streams = Streams::new(self.config.seed);
        let training = training(&self.config, self.learnt(), &streams, &self.team);
        Ok(training.run(Origin::Random, checkpoint, journal.as_mut(), observer)?.0)
    }

    /// The journal in the folder; what was wrong there is told.
    fn journal(&self, observer: &mut dyn Observer) -> Result<Folder> {
        let bytes = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.metrics_bytes);
        let (metrics, warning) = Metrics::open(&self.folder.join(METRICS), bytes)?;
        for text in self.warnings.iter().chain(&warning) {
            // Warnings cannot be broken.
            let _ = observer.event(&Event::Warning { text });
        }
        Ok(Folder {
            metrics,
            folder: self.folder.clone(),
            config: self.config.binding(),
            data: DataMark::of(self.learnt()),
            columns: self.data.train.column_names(),
            letters: self.data.train.alphabet().map(Alphabet::letters),
            every: self.config.checkpoint_every,
        })
    }
}

/// The training that a configuration describes, on prepared data.
fn training<'a>(config: &'a Config, data: &'a Dataset, streams: &'a Streams, team: &Team) -> Training<'a> {
    let settings = config.model.settings();
    let plan = Plan::of(settings, config.binarise(data), &config.monitor);
    Training { settings, plan, data, streams, team: team.clone() }
}

/// Refuses a team whose processes have other settings or data than the one that leads.
fn agree(team: &Team, config: &Config, data: &Dataset) -> Result<()> {
    if team.ranks() == 1 {
        return Ok(());
    }
    let mark = format!("{}, {}", DataMark::of(data), config.binding());
    let marks = team.gather(mark.into_bytes())?;
    match marks.iter().position(|mark| *mark != marks[0]) {
        None => Ok(()),
        Some(rank) => {
            let value = format!("another one in process {rank}");
            let allowed = "the same settings and data in every process";
            Err(CoreError::Param { op: "training", arg: "run", value, allowed }.into())
        }
    }
}

/// Makes the folder of a new run, and holds it.
fn found(folder: &Path, config: &Config) -> Result<File> {
    make(folder)?;
    let lock = lock(folder)?;
    // Another process may have been here since; and whatever interrupts the rest, the run can be resumed.
    refuse_existing(folder)?;
    write_atomically(folder.join(CONFIG), |out| Ok(out.write_all(config.to_toml().as_bytes())?))?;
    make_parts(folder)?;
    Ok(lock)
}

/// Holds the folder of an interrupted run, without what the interruption left unfinished.
fn reopened(folder: &Path) -> Result<File> {
    let lock = lock(folder)?;
    make_parts(folder)?;
    sweep_up(folder)?;
    sweep_up(&folder.join(CHECKPOINTS))?;
    Ok(lock)
}

/// Writes the checkpoint of a run that starts from a file. From then on the run does not need the file.
fn first_checkpoint(
    (folder, team): (&Path, &Team),
    config: &Config,
    data: &Dataset,
    learner: &dyn Learner,
) -> Result<Checkpoint> {
    let state = gathered(team, learner.state())?;
    let checkpoint = Checkpoint::first(config.binding(), DataMark::of(data), state);
    if team.leads() {
        checkpoint.save(&folder.join(CHECKPOINTS))?;
    }
    // Only the process that leads has the chains of all shards; the others read them.
    team.any(false)?;
    match team.leads() {
        true => Ok(checkpoint),
        false => Checkpoint::newest(&folder.join(CHECKPOINTS))?.0.ok_or(Error::NoRun { folder: folder.into() }),
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("creating", folder))
}

fn make_parts(folder: &Path) -> Result<()> {
    [CHECKPOINTS, SAMPLES].iter().try_for_each(|part| make(&folder.join(part)))
}

fn refuse_existing(folder: &Path) -> Result<()> {
    match [CONFIG, METRICS, MODEL, CHECKPOINTS].into_iter().find(|name| folder.join(name).exists()) {
        Some(found) => Err(Error::RunExists { folder: folder.into(), found }),
        None => Ok(()),
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(Error::io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { folder: folder.into() }),
        Err(TryLockError::Error(source)) => Err(Error::io("locking", &path)(source)),
    }
}

fn check_same(folder: &Path, config: &Config, data: &Dataset, checkpoint: &Checkpoint) -> Result<()> {
    if checkpoint.finished {
        let rows = data.train.len().div_ceil(config.model.settings().batch_size()) as u64;
        return Err(Error::Finished { folder: folder.into(), epochs: checkpoint.step / rows.max(1) });
    }
    // Settings that have been added since hold by their defaults.
    let began = Config::parse(&checkpoint.config).map_or_else(|_| checkpoint.config.clone(), |began| began.binding());
    if let Some((expected, found)) = first_difference(&began, &config.binding()) {
        return Err(Error::ConfigChanged { folder: folder.into(), expected, found });
    }
    let (expected, found) = (checkpoint.data, DataMark::of(data));
    if found != expected {
        let (expected, found) = (expected.to_string(), found.to_string());
        return Err(Error::DataChanged { folder: folder.into(), expected, found });
    }
    Ok(())
}

/// A journal in the folder of a run.
struct Folder {
    folder: PathBuf,
    metrics: Metrics,
    config: String,
    data: DataMark,
    /// The names of the columns of the data, which go into model files.
    columns: Option<Vec<String>>,
    /// The letters of the categories of the data, which go there too.
    letters: Option<&'static str>,
    every: u64,
}

impl Folder {
    fn save(&self, path: &Path, model: &ModelData) -> Result<()> {
        Ok(save_model(path, &model.clone().with_columns(self.columns.as_deref()).with_alphabet(self.letters))?)
    }
}

impl Journal for Folder {
    fn record(&mut self, record: &EpochRecord) -> Result<()> {
        self.metrics.append(record)
    }

    fn is_due(&self, step: u64) -> bool {
        is_due(self.every, step)
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Option<PathBuf>> {
        let metrics_bytes = self.metrics.sync()?;
        let checkpoint = Checkpoint { config: self.config.clone(), data: self.data, metrics_bytes, ..checkpoint };
        checkpoint.save(&self.folder.join(CHECKPOINTS)).map(Some)
    }

    fn model(&mut self, model: &ModelData) -> Result<()> {
        self.save(&self.folder.join(MODEL), model)
    }

    fn layer(&mut self, model: &ModelData) -> Result<()> {
        let folder = self.folder.join(LAYERS);
        make(&folder)?;
        self.save(&folder.join(format!("{}.gm", model.stack.depth())), model)
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::course::{Unobserved, list};

    #[test]
    fn rejects_checkpoints_of_places_that_the_run_cannot_have_come_to() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[data]\nspec = 'bars-and-stripes:2'\n[model]\nkind = 'rbm'\nhidden = 3\nepochs = 3\nbatch_size = 4\nchains = 5\n\
                    [monitor]\nstop_on = 'log-likelihood'\n";
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step: 3, .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        Run::create(folder.path(), &Config::parse(text).unwrap()).unwrap().train(&mut stop).unwrap();
        let checkpoints = folder.path().join("checkpoints");
        let sound = Checkpoint::newest(&checkpoints).unwrap().0.unwrap();
        let refused = |change: &dyn Fn(&mut Checkpoint)| {
            let mut changed = sound.clone();
            change(&mut changed);
            changed.save(&checkpoints).unwrap();
            let error = Run::resume(folder.path()).unwrap().train(&mut Unobserved).unwrap_err().to_string();
            list(&checkpoints).unwrap().iter().for_each(|path| fs::remove_file(path).unwrap());
            error
        };
        assert_eq!(
            refused(&|checkpoint| checkpoint.stopping.best.as_mut().unwrap().epoch = 2),
            "checkpoint: `best epoch` is 2, allowed: an epoch before the checkpoint"
        );
        let error = refused(&|checkpoint| checkpoint.step = 7);
        assert_eq!(error, "checkpoint: `step` is 7, allowed: updates of this run");
    }
}
