//! `dgm train dbn`: the options of deep belief networks.

use std::path::PathBuf;

use clap::Args;
use gm_core::VisibleKind;
use gm_train::{
    Algorithm, Backfit, DbnSettings, LayerInputs, LayerStart, ModelConfig, ModelSettings, OptimiserSettings, StopOn,
    Visible,
};

use super::{EXACT, Options, Shared, model_of};
use crate::error::{Error, Result};

/// Trains a deep belief network
///
/// Layer by layer: a machine is fitted, unrolled and frozen, and the machine above it learns a better prior. After each layer
/// the bound on log p is shown and the model so far is kept in the run's folder layers/. With --backfit all layers are trained
/// together at the end. --epochs counts passes for each layer unless --layer-epochs says otherwise.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train dbn --data digits --hidden 100,100\n  \
    dgm train dbn --data mnist --data-dir ~/data --hidden 500,2000 --layer-epochs 120,40 --learning-rate 0.2,0.1\n  \
    dgm train dbn --data mnist --data-dir ~/data --hidden 500,500,2000 --labels --class-weight 100\n  \
    dgm train dbn --data digits --hidden 100,100,100 --extend runs/dbn-digits --out runs/deeper\n  \
    dgm train dbn --data measurements.csv --visible gaussian --hidden 64,32\n  \
    dgm train dbn --data answers.csv --visible softmax:5 --hidden 50,50")]
pub(super) struct DbnOptions {
    #[command(flatten)]
    shared: Shared,
    /// Units of each hidden layer, from the one next to the data up [default: 500,2000]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    hidden: Option<Vec<usize>>,
    /// Start from this run, run folder or model file, whose layers are the first ones of --hidden: a rbm or a dbn
    #[arg(long, value_name = "RUN")]
    extend: Option<PathBuf>,
    /// What visible units are: `bernoulli` (zeros and ones), `gaussian` (real numbers, standardised first) or `softmax[:K]`
    /// (categories from 0 to K - 1, or groups of K units of which one is on) [default: those of --extend, else bernoulli]
    #[arg(long, value_name = "KIND")]
    visible: Option<Visible>,
    /// The least variance of gaussian units, as a share of the variance of the data [default: 0.01]
    #[arg(long, value_name = "X", requires = "visible")]
    least_variance: Option<f32>,
    /// Join units for the labels of the data to the lower layer of the machine on top
    #[arg(long)]
    labels: bool,
    /// Weight of log p(label | x) in what the machine on top learns, beside log p(x, label) with weight 1; x are draws of the layer
    /// below [default: 0]
    #[arg(long, value_name = "X", requires = "labels")]
    class_weight: Option<f32>,
    /// Passes over the rows for each layer that is trained, such as 100,50 [default: --epochs for each]
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "epochs")]
    layer_epochs: Option<Vec<u64>>,
    /// The first learning rate, one for all layers or one for each that is trained [default: 0.1; 0.01 for a first layer on
    /// gaussian units]
    #[arg(long, value_name = "X,...", value_delimiter = ',')]
    learning_rate: Option<Vec<f64>>,
    /// How the machine of a new layer begins: `unrolled` (as the one below turned over, where it has units enough; the second
    /// layer only on bernoulli units) or `random` [default: unrolled]
    #[arg(long, value_name = "HOW")]
    layer_start: Option<LayerStart>,
    /// What machines above the first learn from: `samples` or `means` of the layers below [default: samples]
    #[arg(long, value_name = "WHAT")]
    inputs: Option<LayerInputs>,
    /// Where the statistics of a machine come from: `cd`, `pcd`, `pt` (parallel tempering) or `exact` (up to 20 units)
    /// [default: pcd]
    #[arg(long, value_name = "HOW")]
    algorithm: Option<Algorithm>,
    /// Sweeps for each update of a machine: k of CD-k and PCD-k [default: 1]
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Persistent chains, of parallel tempering so many at each temperature [default: 500]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// Temperatures of parallel tempering [default: 10]
    #[arg(long, value_name = "N", requires = "algorithm")]
    temperatures: Option<usize>,
    /// Use the plain gradient instead of the centred one
    #[arg(long)]
    no_centring: bool,
    /// How the gradient of a machine becomes an update: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: sgd]
    #[arg(long, value_name = "HOW")]
    optimiser: Option<OptimiserSettings>,
    /// Standard deviation of the first weights [default: 0.01]
    #[arg(long, value_name = "X")]
    init_scale: Option<f32>,
    /// How all layers are trained together at the end: `none`, `up-down` (contrastive wake-sleep) or `rws` (reweighted
    /// wake-sleep) [default: none]
    #[arg(long, value_name = "RULE")]
    backfit: Option<Backfit>,
    /// Passes over the rows with all layers together [default: 20]
    #[arg(long, value_name = "N", requires = "backfit")]
    backfit_epochs: Option<u64>,
    /// The first learning rate with all layers together [default: 0.0003]
    #[arg(long, value_name = "X", requires = "backfit")]
    backfit_learning_rate: Option<f64>,
    /// How a gradient becomes an update with all layers together [default: adam]
    #[arg(long, value_name = "HOW", requires = "backfit")]
    backfit_optimiser: Option<OptimiserSettings>,
    /// Sweeps of the machine on top for each update with all layers together, in equal parts of the epochs
    /// [default: 3,6,10 for up-down, 1 for rws]
    #[arg(long, value_name = "N,...", value_delimiter = ',', requires = "backfit")]
    backfit_steps: Option<Vec<usize>>,
    /// Draws for each row, with --backfit rws [default: 5]
    #[arg(long, value_name = "K", requires = "backfit")]
    backfit_samples: Option<usize>,
}

impl Options for DbnOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn takes_numbers(&self) -> bool {
        self.visible() != Visible::Bernoulli
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (usual, shared, visible) = (DbnSettings::default(), &self.shared, self.visible());
        if let Some(least) = self.least_variance.filter(|_| visible != Visible::Gaussian) {
            let (value, allowed) = (least.to_string(), "together with --visible gaussian only".into());
            return Err(Error::Option { option: "--least-variance", value, allowed });
        }
        let backfit = self.backfit.unwrap_or(usual.backfit);
        if let Some(samples) = self.backfit_samples.filter(|_| backfit != Backfit::Rws) {
            let (value, allowed) = (samples.to_string(), "together with --backfit rws only".into());
            return Err(Error::Option { option: "--backfit-samples", value, allowed });
        }
        let hidden = self.hidden.clone().unwrap_or(usual.hidden);
        let mut rates = usual.learning_rate;
        if visible == Visible::Gaussian && self.extend.is_none() {
            let upper = rates[0];
            rates = vec![upper; hidden.len()];
            rates.iter_mut().take(1).for_each(|first| *first = upper / 10.0);
        }
        let sweeps = if backfit == Backfit::Rws { vec![1] } else { usual.backfit_steps };
        Ok(ModelConfig::Dbn(DbnSettings {
            hidden: hidden.clone(),
            visible,
            least_variance: self.least_variance.unwrap_or(usual.least_variance),
            labels: self.labels,
            classes: 0,
            class_weight: self.class_weight.unwrap_or(usual.class_weight),
            start: self.extend.as_deref().map(model_of),
            start_layers: 0,
            layer_start: self.layer_start.unwrap_or(usual.layer_start),
            inputs: self.inputs.unwrap_or(usual.inputs),
            algorithm: self.algorithm.unwrap_or(usual.algorithm),
            steps: self.k.unwrap_or(usual.steps),
            chains: self.chains.unwrap_or(usual.chains),
            temperatures: self.temperatures.unwrap_or(usual.temperatures),
            centred: !self.no_centring,
            epochs: self.layer_epochs.clone().unwrap_or_else(|| vec![shared.epochs(rows)]),
            batch_size: shared.batch_size(),
            learning_rate: self.learning_rate.clone().unwrap_or(rates),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser.unwrap_or(usual.optimiser),
            init_scale: self.init_scale.unwrap_or(usual.init_scale),
            regularise: shared.regularise(),
            backfit,
            backfit_epochs: self.backfit_epochs.unwrap_or(usual.backfit_epochs),
            backfit_learning_rate: self.backfit_learning_rate.unwrap_or(usual.backfit_learning_rate),
            backfit_optimiser: self.backfit_optimiser.unwrap_or(usual.backfit_optimiser),
            backfit_steps: self.backfit_steps.clone().unwrap_or(sweeps),
            backfit_samples: self.backfit_samples.unwrap_or(usual.backfit_samples),
            ..usual
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        let mut layers: Vec<usize> = std::iter::once(visible).chain(settings.hidden()).collect();
        if self.visible() != Visible::Bernoulli {
            // The hidden layer is enumerated, whichever is smaller.
            layers[0] = usize::MAX;
        }
        let machines = layers.windows(2).map(|pair| pair[0].min(pair[1])).max().unwrap_or(0);
        let directed: usize = layers[1..layers.len() - 1].iter().sum();
        if machines.max(directed) <= EXACT { StopOn::LogLikelihood } else { StopOn::ImportanceWeighted }
    }
}

impl DbnOptions {
    /// The kind of visible units: as told, else that of the model to extend.
    fn visible(&self) -> Visible {
        let extended = || {
            let data = gm_data::load_model(model_of(self.extend.as_deref()?)).ok()?;
            match data.visible {
                VisibleKind::Gaussian => Some(Visible::Gaussian),
                VisibleKind::Softmax { categories } => Some(Visible::Softmax(categories)),
                _ => None,
            }
        };
        self.visible.or_else(extended).unwrap_or_default()
    }
}
