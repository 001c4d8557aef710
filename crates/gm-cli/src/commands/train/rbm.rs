//! `dgm train rbm`: the options of restricted Boltzmann machines.

use std::path::PathBuf;

use clap::Args;
use gm_train::{Algorithm, ModelConfig, ModelSettings, OptimiserSettings, RbmSettings, StopOn, Visible};

use super::{Course, EXACT, Options, Shared};
use crate::error::{Error, Result};

/// Trains a restricted Boltzmann machine
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data bars-and-stripes:4 --hidden 12 --algorithm exact --learning-rate 0.5 --out runs/bars\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --k 5 --early-stopping 10\n  \
    dgm train rbm --data digits --algorithm pt --temperatures 8 --chains 50\n  \
    dgm train rbm --data digits --algorithm cd --k 1,5@100,10@200 --momentum 0.5,0.9@5\n  \
    dgm train rbm --data digits --labels --class-weight 10 --out runs/classes\n  \
    dgm train rbm --data measurements.csv --visible gaussian --hidden 32\n  \
    dgm train rbm --data answers.csv --visible softmax:5 --hidden 50")]
pub(super) struct RbmOptions {
    #[command(flatten)]
    shared: Shared,
    /// A file of numbers, one a training row, that say how much the row counts: .csv, .npy or whatever holds data
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Hidden units [default: a tenth of the training rows, 16 to 500]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// What visible units are: `bernoulli` (zeros and ones), `gaussian` (real numbers, standardised first) or `softmax[:K]`
    /// (categories from 0 to K - 1, or groups of K units of which one is on) [default: bernoulli]
    #[arg(long, value_name = "KIND", conflicts_with = "labels")]
    visible: Option<Visible>,
    /// The least variance of gaussian units, as a share of the variance of the data [default: 0.01]
    #[arg(long, value_name = "X", requires = "visible")]
    least_variance: Option<f32>,
    /// Join a group of visible units for the labels of the data: a machine that classifies
    #[arg(long)]
    labels: bool,
    /// Weight of log p(label | row) in what is learnt, beside log p(row, label) with weight 1 [default: 0]
    #[arg(long, value_name = "X", requires = "labels")]
    class_weight: Option<f32>,
    /// The first learning rate [default: 0.1; 0.01 for gaussian units]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// Where the statistics of the model come from: pcd (persistent chains), cd (chains from the data), pt (parallel tempering) or
    /// exact (enumeration) [default: pcd]
    #[arg(long, value_name = "HOW")]
    algorithm: Option<Algorithm>,
    /// Sweeps for each update; with changes such as 1,5@20, which is 5 from epoch 20 on [default: 1]
    #[arg(long, value_name = "N,N@E,...")]
    k: Option<Course<usize>>,
    /// Persistent chains [default: 500; 100 at each temperature with --algorithm pt]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// Temperatures of parallel tempering, which move towards equal shares of swaps [default: 10]
    #[arg(long, value_name = "N")]
    temperatures: Option<usize>,
    /// Use the plain gradient instead of the centred one
    #[arg(long)]
    no_centring: bool,
    /// How a gradient becomes an update: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: sgd]
    #[arg(long, value_name = "HOW")]
    optimiser: Option<OptimiserSettings>,
    /// Share of the last update that is repeated, for --optimiser sgd; with changes such as 0.5,0.9@5, which is 0.9 from epoch 5 on
    #[arg(long, value_name = "M,M@E,...")]
    momentum: Option<Course<f32>>,
    /// Take the gradient after the repeated part
    #[arg(long, requires = "momentum")]
    nesterov: bool,
    /// Standard deviation of the first weights [default: 0.01]
    #[arg(long, value_name = "X")]
    init_scale: Option<f32>,
    /// Share of rows for which a hidden unit should be on [default: none]
    #[arg(long, value_name = "SHARE")]
    sparsity: Option<f32>,
    /// How strongly hidden biases are pulled towards that share [default: 0.1]
    #[arg(long, value_name = "X", requires = "sparsity")]
    sparsity_cost: Option<f32>,
    /// Chains that estimate log Z along training, for log p at each look, until a short annealing takes their place where parameters
    /// move too fast for them; 0 for neither [default: 100]
    #[arg(long, value_name = "N")]
    log_z_chains: Option<usize>,
}

/// Persistent chains at each temperature unless told.
const TEMPERED_CHAINS: usize = 100;

impl Options for RbmOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn weights(&self) -> Option<&PathBuf> {
        self.weights.as_ref()
    }

    fn takes_numbers(&self) -> bool {
        self.visible() != Visible::Bernoulli
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (usual, shared, visible) = (RbmSettings::default(), &self.shared, self.visible());
        let algorithm = self.algorithm.unwrap_or(usual.algorithm);
        let usual_chains = if algorithm == Algorithm::Pt { TEMPERED_CHAINS } else { usual.chains };
        if let Some(temperatures) = self.temperatures.filter(|_| algorithm != Algorithm::Pt) {
            let (value, allowed) = (temperatures.to_string(), "together with --algorithm pt only".into());
            return Err(Error::Option { option: "--temperatures", value, allowed });
        }
        if let Some(least) = self.least_variance.filter(|_| visible != Visible::Gaussian) {
            let (value, allowed) = (least.to_string(), "together with --visible gaussian only".into());
            return Err(Error::Option { option: "--least-variance", value, allowed });
        }
        let rate = if visible == Visible::Gaussian { usual.learning_rate / 10.0 } else { usual.learning_rate };
        let k = self.k.clone().unwrap_or(Course { first: usual.steps, later: vec![] });
        Ok(ModelConfig::Rbm(RbmSettings {
            hidden: self.hidden.unwrap_or((rows / 10).clamp(16, 500)),
            visible,
            least_variance: self.least_variance.unwrap_or(usual.least_variance),
            labels: self.labels,
            class_weight: self.class_weight.unwrap_or(usual.class_weight),
            algorithm,
            steps: k.first,
            later_steps: k.later,
            chains: self.chains.unwrap_or(usual_chains),
            temperatures: self.temperatures.unwrap_or(usual.temperatures),
            centred: !self.no_centring,
            epochs: shared.epochs(rows),
            batch_size: shared.batch_size(),
            learning_rate: self.learning_rate.unwrap_or(rate),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser()?,
            later_momentum: self.momentum.clone().map(|momentum| momentum.later).unwrap_or_default(),
            init_scale: self.init_scale.unwrap_or(usual.init_scale),
            sparsity: self.sparsity,
            sparsity_cost: self.sparsity_cost.unwrap_or(usual.sparsity_cost),
            log_z_chains: self.log_z_chains.unwrap_or(usual.log_z_chains),
            regularise: shared.regularise(),
            ..usual
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        let hidden = settings.hidden()[0];
        let enumerated = if self.visible() == Visible::Bernoulli { hidden.min(visible) } else { hidden };
        match self.log_z_chains {
            _ if self.labels => StopOn::ErrorRate,
            _ if enumerated <= EXACT => StopOn::LogLikelihood,
            Some(0) if self.visible() == Visible::Gaussian => StopOn::LogLikelihood,
            Some(0) => StopOn::PseudoLikelihood,
            _ => StopOn::EstimatedLogLikelihood,
        }
    }
}

impl RbmOptions {
    fn visible(&self) -> Visible {
        self.visible.unwrap_or_default()
    }

    fn optimiser(&self) -> Result<OptimiserSettings> {
        let plain = OptimiserSettings::default();
        match (self.optimiser, self.momentum.as_ref().map(|momentum| momentum.first)) {
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
