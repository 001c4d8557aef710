//! `dgm train rbm`: the options of restricted Boltzmann machines.

use clap::Args;
use gm_data::RowWeights;
use gm_train::{Algorithm, ModelConfig, ModelSettings, RbmSettings, StopOn, Visible};

use super::learning::Learning;
use super::{Divided, EXACT, Options, Shared, Weighing};
use crate::error::Result;

/// Trains a restricted Boltzmann machine
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train rbm --data digits\n  \
    dgm train rbm --data bars-and-stripes:4 --hidden 12 --algorithm exact --learning-rate 0.5 --out runs/bars\n  \
    dgm train rbm --data mnist --data-dir ~/data --hidden 500 --k 5 --early-stopping 10\n  \
    dgm train rbm --data digits --algorithm pt --temperatures 8 --chains 50\n  \
    dgm train rbm --data digits --algorithm cd --k 1,5@100,10@200 --momentum 0.5,0.9@5\n  \
    dgm train rbm --data digits --labels --class-weight 10 --out runs/classes\n  \
    dgm train rbm --data measurements.csv --visible gaussian --hidden 32\n  \
    dgm train rbm --data answers.csv --visible softmax:5 --hidden 50\n  \
    dgm train rbm --data family.fasta --visible softmax --weights identity:0.8 --hidden 100")]
pub(super) struct RbmOptions {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    divided: Divided,
    #[command(flatten)]
    weighing: Weighing,
    /// Number of hidden units [default: a tenth of the training rows, from 16 to 500]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    #[command(flatten)]
    learning: Learning,
    /// Join a group of visible units for the labels of the data, so that the RBM classifies
    #[arg(long, conflicts_with = "visible")]
    labels: bool,
    /// The weight of log p(label | row) in the objective, beside log p(row, label) with weight 1 [default: 0]
    #[arg(long, value_name = "X", requires = "labels")]
    class_weight: Option<f32>,
    /// The first learning rate [default: 0.1; 0.01 for gaussian units]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// Number of chains that estimate log Z during training, for log p at each evaluation; a short annealing replaces
    /// them if parameters move too fast; 0 turns both off [default: 100]
    #[arg(long, value_name = "N")]
    log_z_chains: Option<usize>,
}

/// Persistent chains at each temperature, by default.
const TEMPERED_CHAINS: usize = 100;

impl Options for RbmOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn shards(&self) -> usize {
        self.divided.shards.unwrap_or(1)
    }

    fn weights(&self) -> Option<&RowWeights> {
        self.weighing.weights.as_ref()
    }

    fn takes_numbers(&self) -> bool {
        self.visible() != Visible::Bernoulli
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (mut usual, visible) = (RbmSettings::default(), self.visible());
        if self.learning.algorithm() == Algorithm::Pt {
            usual.chains = TEMPERED_CHAINS;
        }
        let rate = if visible == Visible::Gaussian { usual.learning_rate / 10.0 } else { usual.learning_rate };
        Ok(ModelConfig::Rbm(RbmSettings {
            hidden: self.hidden.unwrap_or((rows / 10).clamp(16, 500)),
            labels: self.labels,
            class_weight: self.class_weight.unwrap_or(usual.class_weight),
            epochs: self.shared.epochs(rows),
            learning_rate: self.learning_rate.unwrap_or(rate),
            log_z_chains: self.log_z_chains.unwrap_or(usual.log_z_chains),
            ..self.learning.settings(&self.shared, visible, usual)?
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
        self.learning.units.visible.unwrap_or_default()
    }
}
