//! `dgm train`: starts training runs on disk, and resumes interrupted ones.

mod course;
mod dbm;
mod dbn;
mod harmonium;
mod learning;
mod rbm;
mod sbn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, Subcommand};
use gm_data::{Alphabet, Binarise, DataSpec, Dataset, LoadOptions, RowWeights, TableOptions, load};
use gm_train::{Config, DataConfig, ModelConfig, ModelSettings, MonitorSettings, Rate, Regularise, Run, StopOn};

use super::{Context, plain, utf8};
use crate::data::{Apart, DATA, Folders, INVERT};
use crate::error::{Error, Result};
use crate::model;
use crate::needs;
use crate::output::Report;
use crate::tables::{Tables, data_units};
use crate::training;
use course::Course;

/// The help of an option that several commands have.
pub(super) const CONFIG: &str = "Train with the settings in this file, such as the config.toml of another run";

/// The help of an option that several commands have.
pub(super) const RESUME: &str = "Continue the interrupted run in this folder";

/// The help of an option that several commands have.
pub(super) const NO_REPORT: &str = "Do not write report.html at the end";

/// Trains a model in a run folder, or continues a run that was interrupted
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(ArgGroup::new("what").args(["config", "resume"]).required(true)))]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --out runs/mnist\n  \
    dgm train sbn --data digits --hidden 50,20\n  dgm train dbm --data digits --hidden 100,50\n  \
    dgm train dbn --data digits --hidden 100,100\n  \
    dgm train --config runs/mnist/config.toml --out runs/again\n  dgm train --resume runs/mnist")]
pub(crate) struct Train {
    #[command(subcommand)]
    model: Option<Model>,
    #[arg(long, value_name = "FILE", help = CONFIG)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "RUN", help = RESUME)]
    resume: Option<PathBuf>,
    /// The folder of the new run [default: runs/ and the name of the configuration file]
    #[arg(long, value_name = "RUN", requires = "config")]
    out: Option<PathBuf>,
    #[arg(long, help = NO_REPORT)]
    no_report: bool,
    #[command(flatten)]
    folders: Folders,
}

/// The models that can be trained.
#[derive(Clone, Debug, Subcommand)]
enum Model {
    Rbm(Box<rbm::RbmOptions>),
    Sbn(Box<sbn::SbnOptions>),
    Dbm(Box<dbm::DbmOptions>),
    Dbn(Box<dbn::DbnOptions>),
    Harmonium(Box<harmonium::HarmoniumOptions>),
}

/// The options of a model, turned into settings.
pub(super) trait Options {
    /// The options that all models share.
    fn shared(&self) -> &Shared;

    /// Whether numbers outside 0..1 are taken as they are.
    fn takes_numbers(&self) -> bool {
        false
    }

    /// Refuses options and data that do not go together.
    fn check(&self, _data: &Dataset) -> Result<()> {
        Ok(())
    }

    /// The weights of training rows, of models that take them.
    fn weights(&self) -> Option<&RowWeights> {
        None
    }

    /// The file of the model to start from, or the folder of its run.
    fn start(&self) -> Option<PathBuf> {
        None
    }

    /// The number of parts of batches and chains.
    fn shards(&self) -> usize {
        1
    }

    /// The number of rows that are evaluated, if it is not the default.
    fn watched(&self) -> Option<usize> {
        None
    }

    /// The library's settings for data of `rows` rows, with defaults that suit them.
    fn settings(&self, rows: usize) -> Result<ModelConfig>;

    /// The default figure for early stopping, given the settings and the number of visible units.
    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn;
}

/// Options of training that all models share.
#[derive(Args, Clone, Debug)]
pub(super) struct Shared {
    #[arg(long, value_name = "SPEC", required = true, value_parser = utf8(), help = DATA)]
    data: Option<String>,
    #[command(flatten)]
    apart: Apart,
    #[command(flatten)]
    pub(super) folders: Folders,
    /// The binarisation of grey levels: `none`, `threshold[:T]`, `fixed[:SEED]` or `dynamic` [default: `none` for
    /// binary data, else `dynamic`]
    #[arg(long, value_name = "HOW")]
    binarise: Option<Binarise>,
    /// Learn from the validation rows as well, after settings are chosen; figures of validation rows are then figures
    /// of rows that the model has learnt from
    #[arg(long, conflicts_with = "early_stopping")]
    learn_validation: bool,
    #[arg(long, help = INVERT)]
    invert: bool,
    #[command(flatten)]
    tables: Tables,
    /// Number of passes over the training rows [default: enough for about 30000 updates]
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<u64>,
    /// Number of rows of an update [default: 100]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// The schedule of the learning rate: constant, linear (to zero), exponential:F (a factor an epoch), steps:E,F or
    /// inverse:E [default: linear]
    #[arg(long, value_name = "HOW")]
    pub(super) rate_schedule: Option<Rate>,
    /// Number of first epochs in which the learning rate rises to its value [default: 0]
    #[arg(long, value_name = "X")]
    pub(super) warm_up: Option<f64>,
    /// The penalty on the absolute values of weights [default: 0]
    #[arg(long, value_name = "X")]
    l1: Option<f32>,
    /// The penalty on the squares of weights [default: 0]
    #[arg(long, value_name = "X")]
    l2: Option<f32>,
    /// The greatest norm of the weights into a hidden unit [default: no limit]
    #[arg(long, value_name = "X")]
    max_norm: Option<f32>,
    /// Stop after this number of evaluations of the validation rows without a better one
    #[arg(long, value_name = "PATIENCE")]
    early_stopping: Option<u64>,
    /// The figure that --early-stopping watches: log-likelihood, estimated-log-likelihood, pseudo-likelihood,
    /// importance-weighted, error-rate (of label units) or free-energy-gap:LIMIT [default: log-likelihood if it is
    /// exact, else a figure that the model has]
    #[arg(long, value_name = "RULE", requires = "early_stopping")]
    stop_on: Option<StopOn>,
    /// Number of epochs between evaluations of training and validation rows [default: 100 evaluations in all]
    #[arg(long, value_name = "N")]
    look_every: Option<u64>,
    /// Number of updates between checkpoints [default: 1000]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<u64>,
    /// The folder of the run, which must not hold a run [default: runs/ and the names of model and data]
    #[arg(long, value_name = "RUN")]
    pub(super) out: Option<PathBuf>,
    #[arg(long, help = NO_REPORT)]
    pub(super) no_report: bool,
}

/// The option that divides training, of models that have shards.
#[derive(Args, Clone, Debug)]
pub(super) struct Divided {
    /// Number of parts of each batch and of the chains, a power of two, which as many processes can compute (`dgm-mpi`);
    /// the result depends on it, and not on the number of processes [default: 1]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
}

/// The option that weighs rows, of models that take weights.
#[derive(Args, Clone, Debug)]
pub(super) struct Weighing {
    /// A file with the weight of each training row, one number a row, in .csv, .npy or another format of data; or
    /// `identity[:X]`, by which a row counts 1 / (number of training rows that equal it in at least a share X of the
    /// positions, itself included) [default: equal weights; X is 0.8]
    #[arg(long, value_name = "FILE|identity[:X]", value_parser = crate::data::weights())]
    weights: Option<RowWeights>,
}

/// The number of updates that the default number of epochs aims at.
const UPDATES: u64 = 30_000;
/// The number of evaluations that the default interval aims at.
const EVALUATIONS: u64 = 100;
/// The number of units up to which early stopping enumerates the exact log-likelihood.
const EXACT: usize = 16;

impl Train {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        if let Some(folder) = &self.resume {
            return resume(folder, &self.folders, !self.no_report, context);
        }
        if let Some(path) = &self.config {
            let folder = self.out.clone().unwrap_or_else(|| default_folder("", &path.display().to_string()));
            let config = configured(path, &self.folders, context)?;
            return training::run(|| create(folder, &config, context), !self.no_report, context);
        }
        match &self.model {
            Some(Model::Rbm(options)) => start(options.as_ref(), context),
            Some(Model::Sbn(options)) => start(options.as_ref(), context),
            Some(Model::Dbm(options)) => start(options.as_ref(), context),
            Some(Model::Dbn(options)) => start(options.as_ref(), context),
            Some(Model::Harmonium(options)) => start(options.as_ref(), context),
            None => Err(Error::Option {
                option: "train",
                value: "nothing".into(),
                allowed: "rbm, sbn, dbm, dbn, harmonium, --config or --resume".into(),
            }),
        }
    }
}

/// A folder below `runs` named after data or a file.
pub(super) fn default_folder(model: &str, data: &str) -> PathBuf {
    let stem = Path::new(data).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Path::new("runs").join(format!("{model}{}", plain(&stem)))
}

/// Continues an interrupted run.
pub(super) fn resume(folder: &Path, folders: &Folders, report: bool, context: &Context) -> Result<Report> {
    if let Some(folder) = &folders.data_dir {
        let allowed = "none with --resume, since the run keeps its data".into();
        return Err(Error::Option { option: "--data-dir", value: folder.display().to_string(), allowed });
    }
    if let Some(seed) = context.seed {
        let allowed = "none with --resume, since the run keeps its seed".into();
        return Err(Error::Option { option: "--seed", value: seed.to_string(), allowed });
    }
    // The data are not loaded yet, and chains do not depend on them.
    if let Ok(config) = Config::read(folder.join("config.toml")) {
        needs::run(&config, 1, 0).check()?;
    }
    let resumed = || match &context.exchange {
        Some(exchange) => Ok(Run::resume_over(folder, Arc::clone(exchange))?),
        None => Ok(Run::resume(folder)?),
    };
    training::run(resumed, report, context)
}

/// Prepares a new run of a configuration.
pub(super) fn create(folder: PathBuf, config: &Config, context: &Context) -> Result<Run> {
    config.check()?;
    let data = config.load_data()?;
    needs::run(config, data.units(), data.train.len()).check()?;
    create_with(folder, config, data, context)
}

/// Prepares a new run with these data, alone or with the other processes.
fn create_with(folder: PathBuf, config: &Config, data: Dataset, context: &Context) -> Result<Run> {
    Ok(match &context.exchange {
        Some(exchange) => Run::create_over(folder, config, data, Arc::clone(exchange))?,
        None => Run::create_with(folder, config, data)?,
    })
}

/// The configuration in a file, with the seed and the folders of data of the command line.
pub(super) fn configured(path: &Path, folders: &Folders, context: &Context) -> Result<Config> {
    let mut config = Config::read(path)?;
    config.seed = context.seed.unwrap_or(config.seed);
    Ok(placed(config, folders, context))
}

/// A configuration with the folders of data and the threads of the command line.
pub(super) fn placed(mut config: Config, folders: &Folders, context: &Context) -> Config {
    let options = folders.options(config.data.binarise);
    if folders.data_dir.is_some() || config.data.data_dir.is_none() {
        config.data.data_dir = options.data_dir;
    }
    config.data.cache_dir = config.data.cache_dir.or(options.cache_dir);
    if let Ok(spec) = DataSpec::parse(&config.data.spec) {
        config.data.data_dir = recorded(config.data.data_dir, &spec);
        config.data.cache_dir = recorded(config.data.cache_dir, &spec);
    }
    // With --threads the program's own pool has that number of threads.
    config.threads = if context.threads { 0 } else { config.threads };
    config
}

/// A folder of known data sets for `config.toml`. A name that is not UTF-8 is left out unless the data need it.
fn recorded(folder: Option<PathBuf>, spec: &DataSpec) -> Option<PathBuf> {
    folder.filter(|folder| matches!(spec, DataSpec::Known(_)) || folder.to_str().is_some())
}

/// Starts a new run.
pub(super) fn start(options: &dyn Options, context: &Context) -> Result<Report> {
    let shared = options.shared();
    let spec = shared.data.as_deref().unwrap_or_default();
    let (weights, numbers, invert) = (options.weights().cloned(), options.takes_numbers(), shared.invert);
    let load_options = shared.apart.with(shared.folders.options(shared.binarise));
    let load_options = LoadOptions { weights, numbers, invert, ..load_options };
    // A model that cannot be read is refused later, with a better reason.
    let start = options.start().and_then(|path| model::load_data(&path).ok());
    let alphabet = start.as_ref().and_then(|data| Alphabet::of_letters(data.alphabet()?));
    let load_options = shared.tables.apply(start.as_ref().map(data_units), LoadOptions { alphabet, ..load_options });
    let parsed = DataSpec::parse(spec)?;
    let mut data = load(&parsed, &load_options)?;
    shared.tables.check(&data.train)?;
    if shared.learn_validation {
        data = data.learning_validation()?;
    }
    options.check(&data)?;
    let model = options.settings(data.train.len())?;
    let kind = model.settings().kind();
    let folder = shared.out.clone().unwrap_or_else(|| default_folder(&format!("{kind}-"), spec));
    let mut config = Config::new(spec, model);
    (config.seed, config.shards) = (context.seed(), options.shards());
    config.checkpoint_every = shared.checkpoint_every.unwrap_or(config.checkpoint_every);
    let settings = config.model.settings();
    // The check comes before the folder is made.
    needs::run(&config, data.units(), data.train.len()).check()?;
    config.monitor = shared.monitor(settings.epochs(), options.stop_on(settings, data.units()));
    config.monitor.rows = options.watched().unwrap_or(config.monitor.rows);
    // The run is resumed without the model that it starts from, whose alphabet may have been taken.
    let taken = data.train.alphabet().filter(|alphabet| *alphabet != Alphabet::default());
    let alphabet = load_options.table.alphabet.or(taken);
    config.data = DataConfig {
        valid: load_options.valid,
        test: load_options.test,
        data_dir: recorded(load_options.data_dir, &parsed),
        cache_dir: recorded(load_options.cache_dir, &parsed),
        binarise: shared.binarise,
        learn_validation: shared.learn_validation,
        weights: load_options.weights,
        invert: shared.invert,
        units: load_options.units,
        table: TableOptions { alphabet, ..load_options.table },
        ..config.data
    };
    training::run(|| create_with(folder, &config, data, context), !shared.no_report, context)
}

impl Shared {
    /// Number of rows of an update.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size.unwrap_or(100)
    }

    /// Number of passes over `rows` rows.
    fn epochs(&self, rows: usize) -> u64 {
        let updates = rows.div_ceil(self.batch_size().max(1)) as u64;
        self.epochs.unwrap_or(UPDATES.div_ceil(updates))
    }

    pub(super) fn regularise(&self) -> Regularise {
        Regularise { l1: self.l1.unwrap_or(0.0), l2: self.l2.unwrap_or(0.0), max_norm: self.max_norm }
    }

    fn monitor(&self, epochs: u64, usual_rule: StopOn) -> MonitorSettings {
        let usual = MonitorSettings::default();
        let every = self.look_every.unwrap_or(epochs / EVALUATIONS).max(u64::from(self.look_every.is_none()));
        // Patience counts evaluations here and epochs in the library.
        let patience = self.early_stopping.map_or(usual.patience, |evaluations| evaluations.saturating_mul(every));
        let stop_on = self.early_stopping.map_or(StopOn::Never, |_| self.stop_on.unwrap_or(usual_rule));
        MonitorSettings { every, stop_on, patience, ..usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_default_folders_are_plain_names() {
        assert_eq!(default_folder("rbm-", "digits"), Path::new("runs/rbm-digits"));
        assert_eq!(default_folder("rbm-", "bars-and-stripes:4"), Path::new("runs/rbm-bars-and-stripes-4"));
        assert_eq!(default_folder("rbm-", "/data/my rows.csv"), Path::new("runs/rbm-my-rows"));
    }
}
