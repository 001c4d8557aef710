//! `dgm train rbm`: the options of restricted Boltzmann machines.

use clap::Args;
use gm_train::{Algorithm, ModelConfig, ModelSettings, OptimiserSettings, RbmSettings, StopOn};

use super::{EXACT, Options, Shared};
use crate::error::{Error, Result};

/// Trains a restricted Boltzmann machine
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data bars-and-stripes:4 --hidden 12 --algorithm exact --learning-rate 0.5 --out runs/bars\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --k 5 --early-stopping 10")]
pub(super) struct RbmOptions {
    #[command(flatten)]
    shared: Shared,
    /// Hidden units [default: a tenth of the training rows, 16 to 500]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// The first learning rate [default: 0.1]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
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
    /// Standard deviation of the first weights [default: 0.01]
    #[arg(long, value_name = "X")]
    init_scale: Option<f32>,
}

impl Options for RbmOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (usual, shared) = (RbmSettings::default(), &self.shared);
        Ok(ModelConfig::Rbm(RbmSettings {
            hidden: self.hidden.unwrap_or((rows / 10).clamp(16, 500)),
            algorithm: self.algorithm.unwrap_or(usual.algorithm),
            steps: self.k.unwrap_or(usual.steps),
            chains: self.chains.unwrap_or(usual.chains),
            centred: !self.no_centring,
            epochs: shared.epochs(rows),
            batch_size: shared.batch_size(),
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser()?,
            init_scale: self.init_scale.unwrap_or(usual.init_scale),
            regularise: shared.regularise(),
            ..usual
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        let smaller = settings.hidden()[0].min(visible);
        if smaller <= EXACT { StopOn::LogLikelihood } else { StopOn::PseudoLikelihood }
    }
}

impl RbmOptions {
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
}
