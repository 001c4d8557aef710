//! `dgm train dbm`: the options of deep Boltzmann machines.

use std::path::PathBuf;

use clap::Args;
use gm_core::VisibleKind;
use gm_train::{DbmSettings, ModelConfig, ModelSettings, Pretrain, StopOn, Visible};

use super::learning::{Ascent, SWEEPS, Units};
use super::{Divided, EXACT, Options, Shared};
use crate::error::{Error, Result};
use crate::model;

/// Trains a deep Boltzmann machine
///
/// Mean field gives the statistics of the data, and persistent chains those of the model. --epochs counts passes with
/// all layers together, after the passes of pretraining.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train dbm --data digits --hidden 100,50\n  \
    dgm train dbm --data bars-and-stripes:3 --hidden 8,4 --pretrain none --learning-rate 0.2 --out runs/bars\n  \
    dgm train dbm --data mnist --data-dir ~/data --hidden 500,1000 --pretrain grow --pretrain-epochs 5 --epochs 100\n  \
    dgm train dbm --data digits --hidden 119,50 --extend runs/rbm-digits --learning-rate 0.02 --out runs/deeper\n  \
    dgm train dbm --data measurements.csv --visible gaussian --hidden 32,16\n  \
    dgm train dbm --data answers.csv --visible softmax:5 --hidden 50,20")]
pub(super) struct DbmOptions {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    divided: Divided,
    /// Number of units of each hidden layer, from the layer next to the data up, such as 500,1000 [default: 500,1000]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    hidden: Option<Vec<usize>>,
    #[command(flatten)]
    units: Units,
    /// Start from the model of this run folder or model file, without pretraining; it is an rbm, a dbm, or a dbn (whose
    /// middle matrices are halved), its layers are the first layers of --hidden, and its visible units are those of
    /// --visible
    #[arg(long, value_name = "RUN", conflicts_with = "pretrain")]
    extend: Option<PathBuf>,
    /// The pretraining before all layers learn together: `none`, `grow` (models of one, two, ... layers, each from the
    /// one before), `2009` (each matrix on its own, with doubled input) or `2012` (as 2009, with other weights)
    /// [default: grow]
    #[arg(long, value_name = "HOW")]
    pretrain: Option<Pretrain>,
    /// Number of passes over the rows for each stage of pretraining [default: a tenth of --epochs]
    #[arg(long, value_name = "N")]
    pretrain_epochs: Option<u64>,
    /// The first learning rate of each stage of pretraining [default: 0.1; 0.01 for gaussian units]
    #[arg(long, value_name = "X")]
    pretrain_learning_rate: Option<f64>,
    /// The first learning rate with all layers together [default: 0.1; 0.01 for gaussian units]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    #[arg(long, value_name = "N", help = SWEEPS)]
    k: Option<usize>,
    /// Number of persistent chains, with --temperatures at each temperature [default: 500]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// Number N of temperatures of parallel tempering: chains at the inverse temperatures 1, 1 - 1/N, ..., 1/N exchange
    /// their states after each sweep, so that they find every mode; this takes N times as many sweeps [default: 1]
    #[arg(long, value_name = "N")]
    temperatures: Option<usize>,
    /// The greatest number of passes of mean field for each update [default: 10]
    #[arg(long, value_name = "N")]
    mean_field_iterations: Option<usize>,
    /// The greatest change of a mean at which mean field stops [default: 0.01]
    #[arg(long, value_name = "X")]
    mean_field_tolerance: Option<f32>,
    #[command(flatten)]
    ascent: Ascent,
}

impl Options for DbmOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn shards(&self) -> usize {
        self.divided.shards.unwrap_or(1)
    }

    fn start(&self) -> Option<PathBuf> {
        self.extend.clone()
    }

    fn takes_numbers(&self) -> bool {
        self.visible() != Visible::Bernoulli
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (usual, shared, visible) = (DbmSettings::default(), &self.shared, self.visible());
        let ascent = &self.ascent;
        let slower = if visible == Visible::Gaussian { 10.0 } else { 1.0 };
        let usual_pretrain = if self.extend.is_some() { Pretrain::None } else { usual.pretrain };
        let (pretrain, epochs) = (self.pretrain.unwrap_or(usual_pretrain), shared.epochs(rows));
        if pretrain == Pretrain::None {
            const NEEDS: &str = "--pretrain grow, 2009 or 2012, without --extend";
            Error::needs("--pretrain-epochs", self.pretrain_epochs, false, NEEDS)?;
            Error::needs("--pretrain-learning-rate", self.pretrain_learning_rate, false, NEEDS)?;
        }
        Ok(ModelConfig::Dbm(DbmSettings {
            hidden: self.hidden.clone().unwrap_or(usual.hidden),
            visible,
            least_variance: self.units.least_variance(visible, usual.least_variance)?,
            pretrain,
            start: self.extend.as_deref().map(|path| model::start_of("--extend", path)).transpose()?,
            pretrain_epochs: self.pretrain_epochs.unwrap_or(epochs.div_ceil(10).max(1)),
            pretrain_learning_rate: self.pretrain_learning_rate.unwrap_or(usual.pretrain_learning_rate / slower),
            epochs,
            batch_size: shared.batch_size(),
            chains: self.chains.unwrap_or(usual.chains),
            temperatures: self.temperatures.unwrap_or(usual.temperatures),
            steps: self.k.unwrap_or(usual.steps),
            mean_field_iterations: self.mean_field_iterations.unwrap_or(usual.mean_field_iterations),
            mean_field_tolerance: self.mean_field_tolerance.unwrap_or(usual.mean_field_tolerance),
            centred: !ascent.climb.no_centring,
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate / slower),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: ascent.climb.optimiser.unwrap_or(usual.optimiser),
            init_scale: ascent.climb.init_scale.unwrap_or(usual.init_scale),
            sparsity: ascent.sparsity,
            sparsity_cost: ascent.sparsity_cost.unwrap_or(usual.sparsity_cost),
            regularise: shared.regularise(),
            ..usual
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        let layers: Vec<usize> = std::iter::once(visible).chain(settings.hidden()).collect();
        let half = |from: usize| layers[from..].iter().step_by(2).sum::<usize>();
        let hidden = half(1).min(half(2.min(layers.len() - 1)));
        let all = if settings.visible_kind() == VisibleKind::Bernoulli { half(0).min(half(1)) } else { half(1) };
        if all.max(hidden) <= EXACT { StopOn::LogLikelihood } else { StopOn::FreeEnergyGap(GAP) }
    }
}

impl DbmOptions {
    fn visible(&self) -> Visible {
        self.units.visible.unwrap_or_default()
    }
}

/// The gap of free energies, in nats, at which early stopping ends a run by default.
const GAP: f64 = 5.0;
