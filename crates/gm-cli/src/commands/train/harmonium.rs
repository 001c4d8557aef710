//! `dgm train harmonium`: the options of restricted Boltzmann machines between any kinds of units.

use clap::Args;
use gm_core::VisibleKind;
use gm_core::layer::LayerSpec;
use gm_data::RowWeights;
use gm_train::{Algorithm, HarmoniumSettings, ModelConfig, ModelSettings, StopOn};

use super::learning::{Climb, SWEEPS};
use super::{EXACT, Options, Shared, Weighing};
use crate::error::Result;

/// Trains a harmonium: a restricted Boltzmann machine between any kinds of units
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Kinds of units: bernoulli, spin, softmax:K, gaussian, relu, drelu, binomial:N; several with + \
    between them, each with *COUNT behind it.\n\n\
    Examples:\n  dgm train harmonium --data digits --hidden-units drelu --hidden 32\n  \
    dgm train harmonium --data digits --visible spin --hidden-units gaussian --hidden 20\n  \
    dgm train harmonium --data answers.csv --visible softmax:5 --hidden-units relu --hidden 50\n  \
    dgm train harmonium --data family.fasta --visible softmax:21 --hidden-units drelu --weights identity:0.8\n  \
    dgm train harmonium --data measurements.csv --visible gaussian --hidden-units spin --hidden 16\n  \
    dgm train harmonium --data mixed.csv --visible gaussian+binomial:10+bernoulli --hidden 10"
)]
pub(super) struct HarmoniumOptions {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    weighing: Weighing,
    /// The kinds of the visible units, in the order of the columns. Data of bernoulli and spin units are zeros and ones,
    /// those of softmax:K are categories from 0 to K - 1 or groups of K units, all others are numbers [default: bernoulli]
    #[arg(long, value_name = "KINDS")]
    visible: Option<LayerSpec>,
    /// The kinds of the hidden units [default: bernoulli]
    #[arg(long, value_name = "KINDS")]
    hidden_units: Option<LayerSpec>,
    /// Number of hidden units [default: a tenth of the training rows, from 16 to 100]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// The source of the statistics of the model: pcd (persistent chains), cd (chains from the data) or exact (enumeration
    /// of a layer of up to 65536 states) [default: pcd]
    #[arg(long, value_name = "HOW")]
    algorithm: Option<Algorithm>,
    #[arg(long, value_name = "N", help = SWEEPS)]
    k: Option<usize>,
    /// Number of persistent chains [default: 500]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// The first learning rate [default: 0.05; 0.01 with real-valued units]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    #[command(flatten)]
    climb: Climb,
    /// The penalty on the square of the summed absolute weights of each hidden unit, which favours hidden units of few
    /// weights [default: 0]
    #[arg(long, value_name = "X")]
    l1b: Option<f32>,
    /// Number of temperatures of the short annealing that estimates log Z at each evaluation; 0 turns it off [default: 500]
    #[arg(long, value_name = "N")]
    annealing: Option<usize>,
}

impl Options for HarmoniumOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn weights(&self) -> Option<&RowWeights> {
        self.weighing.weights.as_ref()
    }

    fn takes_numbers(&self) -> bool {
        self.visible.as_ref().is_some_and(|visible| visible.data_kind() != VisibleKind::Bernoulli)
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let usual = HarmoniumSettings::default();
        let visible = self.visible.clone().unwrap_or(usual.visible);
        let hidden_units = self.hidden_units.clone().unwrap_or(usual.hidden_units);
        let real = [&visible, &hidden_units].into_iter().any(LayerSpec::is_unbounded);
        Ok(ModelConfig::Harmonium(HarmoniumSettings {
            hidden: self.hidden.unwrap_or((rows / 10).clamp(16, 100)),
            algorithm: self.algorithm.unwrap_or(usual.algorithm),
            steps: self.k.unwrap_or(usual.steps),
            chains: self.chains.unwrap_or(usual.chains),
            centred: !self.climb.no_centring,
            epochs: self.shared.epochs(rows),
            batch_size: self.shared.batch_size(),
            learning_rate: self.learning_rate.unwrap_or(if real { 0.01 } else { usual.learning_rate }),
            schedule: self.shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: self.shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.climb.optimiser.unwrap_or(usual.optimiser),
            init_scale: self.climb.init_scale.unwrap_or(usual.init_scale),
            l1b: self.l1b.unwrap_or(usual.l1b),
            annealing: self.annealing.unwrap_or(usual.annealing),
            regularise: self.shared.regularise(),
            visible,
            hidden_units,
            ..usual
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        // Of two kinds with few states the smaller layer is enumerated, as that of an RBM is.
        match self.annealing {
            _ if settings.hidden()[0].min(visible) <= EXACT / 2 => StopOn::LogLikelihood,
            Some(0) => StopOn::LogLikelihood,
            _ => StopOn::EstimatedLogLikelihood,
        }
    }
}
