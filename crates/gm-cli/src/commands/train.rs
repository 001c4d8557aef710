//! `dgm train`: training runs on disk, new ones and interrupted ones.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use gm_train::{
    Algorithm, Binarise, Config, DataConfig, DataSpec, ModelConfig, MonitorSettings, OptimiserSettings, Rate,
    RbmSettings, Regularise, Run, StopOn, load,
};

use super::Context;
use crate::data::Folders;
use crate::error::{Error, Result};
use crate::output::Report;
use crate::training;

/// Trains a model in a run folder, or continues a run that was interrupted
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(ArgGroup::new("what").args(["config", "resume"]).required(true)))]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --out runs/mnist\n  \
    dgm train --config runs/mnist/config.toml --out runs/again\n  dgm train --resume runs/mnist")]
pub(crate) struct Train {
    #[command(subcommand)]
    model: Option<Model>,
    /// Train as this file says, such as the config.toml of another run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Continue the interrupted run in this folder
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// The folder of the new run [default: runs/ and the name of the configuration file]
    #[arg(long, value_name = "RUN", requires = "config")]
    out: Option<PathBuf>,
}

/// What can be trained.
#[derive(Clone, Debug, Subcommand)]
enum Model {
    Rbm(Box<RbmOptions>),
}

/// Trains a restricted Boltzmann machine
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data bars-and-stripes:4 --hidden 12 --algorithm exact --learning-rate 0.5 --out runs/bars\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --k 5 --early-stopping 10")]
struct RbmOptions {
    /// Data: a built-in name (`digits`), a known set (`mnist`) or the path of a file or folder
    #[arg(long, value_name = "SPEC")]
    data: String,
    #[command(flatten)]
    folders: Folders,
    /// How grey levels become 0 and 1: `none`, `threshold[:T]`, `fixed[:SEED]` or `dynamic`
    /// [default: `none` for binary data, else `dynamic`]
    #[arg(long, value_name = "HOW")]
    binarise: Option<Binarise>,
    /// Hidden units [default: a tenth of the training rows, 16 to 500]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Passes over the training rows [default: as many as make about 30000 updates]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Rows of an update [default: 100]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// The first learning rate [default: 0.1]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// How the learning rate changes: constant, linear (to zero), exponential:F (an epoch), steps:E,F or inverse:E
    /// [default: linear]
    #[arg(long, value_name = "HOW")]
    rate_schedule: Option<Rate>,
    /// Epochs in which the learning rate rises to its value [default: 0]
    #[arg(long, value_name = "X")]
    warm_up: Option<f64>,
    /// Where the statistics of the model come from: pcd (persistent chains), cd (chains from the data) or exact (enumeration)
    /// [default: pcd]
    #[arg(long, value_name = "HOW")]
    algorithm: Option<Algorithm>,
    /// Sweeps for each update [default: 1]
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Persistent chains [default: 500]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// Use the plain gradient instead of the centred one
    #[arg(long)]
    no_centring: bool,
    /// How a gradient becomes an update: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: sgd]
    #[arg(long, value_name = "HOW")]
    optimiser: Option<OptimiserSettings>,
    /// Share of the last update that is repeated, for --optimiser sgd
    #[arg(long, value_name = "M")]
    momentum: Option<f32>,
    /// Take the gradient after the repeated part
    #[arg(long, requires = "momentum")]
    nesterov: bool,
    /// Penalty on the absolute values of weights [default: 0]
    #[arg(long, value_name = "X")]
    l1: Option<f32>,
    /// Penalty on the squares of weights [default: 0]
    #[arg(long, value_name = "X")]
    l2: Option<f32>,
    /// The greatest norm of the weights into a hidden unit [default: none]
    #[arg(long, value_name = "X")]
    max_norm: Option<f32>,
    /// Standard deviation of the first weights [default: 0.01]
    #[arg(long, value_name = "X")]
    init_scale: Option<f32>,
    /// Stop after this many looks at the validation rows without a better one
    #[arg(long, value_name = "PATIENCE")]
    early_stopping: Option<u64>,
    /// What --early-stopping judges by: log-likelihood, pseudo-likelihood or free-energy-gap:LIMIT [default: log-likelihood
    /// where it is exact, else pseudo-likelihood]
    #[arg(long, value_name = "RULE", requires = "early_stopping")]
    stop_on: Option<StopOn>,
    /// Epochs from one look at training and validation rows to the next [default: 100 looks in all]
    #[arg(long, value_name = "N")]
    look_every: Option<u64>,
    /// Updates from one checkpoint to the next [default: 1000]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<u64>,
    /// The folder of the run; it must not hold one [default: runs/rbm- and the name of the data]
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
}

/// Updates that the default number of epochs aims at.
const UPDATES: u64 = 30_000;
/// Looks that the default interval aims at.
const LOOKS: u64 = 100;
/// The smaller layer up to which early stopping uses the exact log-likelihood.
const EXACT: usize = 16;

impl Train {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        if let Some(folder) = &self.resume {
            if let Some(seed) = context.seed {
                let allowed = "none with --resume, the run keeps its seed".into();
                return Err(Error::Option { option: "--seed", value: seed.to_string(), allowed });
            }
            return training::run(Run::resume(folder)?);
        }
        if let Some(path) = &self.config {
            let mut config = Config::read(path)?;
            config.seed = context.seed.unwrap_or(config.seed);
            // Our own pool is as large as --threads says.
            config.threads = if context.threads { 0 } else { config.threads };
            let folder = self.out.clone().unwrap_or_else(|| default_folder("", &path.display().to_string()));
            return training::run(Run::create(folder, &config)?);
        }
        match &self.model {
            Some(Model::Rbm(options)) => options.run(context),
            None => Err(Error::Option {
                option: "train",
                value: "nothing".into(),
                allowed: "rbm, --config or --resume".into(),
            }),
        }
    }
}

/// A folder below `runs` named after data or a file.
fn default_folder(model: &str, data: &str) -> PathBuf {
    let stem = Path::new(data).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    Path::new("runs").join(format!("{model}{}", stem.chars().map(plain).collect::<String>()))
}

impl RbmOptions {
    fn run(&self, context: &Context) -> Result<Report> {
        let folder = self.out.clone().unwrap_or_else(|| default_folder("rbm-", &self.data));
        let options = self.folders.options(self.binarise);
        let data = load(&DataSpec::parse(&self.data)?, &options)?;
        let settings = self.settings(data.train.len())?;
        let mut config = Config::new(self.data.clone(), ModelConfig::Rbm(settings.clone()));
        config.seed = context.seed();
        config.checkpoint_every = self.checkpoint_every.unwrap_or(config.checkpoint_every);
        config.monitor = self.monitor(&settings, data.units());
        config.data = DataConfig {
            data_dir: options.data_dir,
            cache_dir: options.cache_dir,
            binarise: self.binarise,
            ..config.data
        };
        training::run(Run::create_with(folder, &config, data)?)
    }

    /// The library's settings, with defaults that suit the number of rows.
    fn settings(&self, rows: usize) -> Result<RbmSettings> {
        let usual = RbmSettings::default();
        let batch_size = self.batch_size.unwrap_or(100);
        let updates = rows.div_ceil(batch_size.max(1)) as u64;
        Ok(RbmSettings {
            hidden: self.hidden.unwrap_or((rows / 10).clamp(16, 500)),
            algorithm: self.algorithm.unwrap_or(usual.algorithm),
            steps: self.k.unwrap_or(usual.steps),
            chains: self.chains.unwrap_or(usual.chains),
            centred: !self.no_centring,
            epochs: self.epochs.unwrap_or(UPDATES.div_ceil(updates)),
            batch_size,
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            schedule: self.rate_schedule.unwrap_or(usual.schedule),
            warm_up: self.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser()?,
            init_scale: self.init_scale.unwrap_or(usual.init_scale),
            regularise: Regularise { l1: self.l1.unwrap_or(0.0), l2: self.l2.unwrap_or(0.0), max_norm: self.max_norm },
            ..usual
        })
    }

    fn optimiser(&self) -> Result<OptimiserSettings> {
        let plain = OptimiserSettings::default();
        match (self.optimiser, self.momentum) {
            (None, Some(momentum)) => Ok(OptimiserSettings::Sgd { momentum, nesterov: self.nesterov }),
            (Some(given), Some(momentum)) if given == plain => {
                Ok(OptimiserSettings::Sgd { momentum, nesterov: self.nesterov })
            }
            (Some(given), Some(momentum)) => Err(Error::Option {
                option: "--momentum",
                value: format!("{momentum} with --optimiser {given}"),
                allowed: "together with --optimiser sgd only".into(),
            }),
            (given, None) => Ok(given.unwrap_or(plain)),
        }
    }

    fn monitor(&self, settings: &RbmSettings, visible: usize) -> MonitorSettings {
        let usual = MonitorSettings::default();
        let likelihood =
            if settings.hidden.min(visible) <= EXACT { StopOn::LogLikelihood } else { StopOn::PseudoLikelihood };
        let every = self.look_every.unwrap_or(settings.epochs / LOOKS).max(u64::from(self.look_every.is_none()));
        // Patience counts looks here and epochs in the library.
        let patience = self.early_stopping.map_or(usual.patience, |looks| looks.saturating_mul(every));
        let stop_on = self.early_stopping.map_or(StopOn::Never, |_| self.stop_on.unwrap_or(likelihood));
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
