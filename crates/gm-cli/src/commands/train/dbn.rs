//! `dgm train dbn`: the options of deep belief networks.

use std::path::PathBuf;

use clap::Args;
use gm_core::VisibleKind;
use gm_train::{
    Backfit, DbnSettings, LayerInputs, LayerStart, ModelConfig, ModelSettings, OptimiserSettings, RbmSettings, StopOn,
    Visible,
};

use super::learning::Learning;
use super::{Divided, EXACT, Options, Shared};
use crate::error::{Error, Result};
use crate::model;

/// Trains a deep belief network
///
/// The layers are trained one after the other: an RBM is trained, unrolled and frozen, and the RBM above it learns a
/// better prior. After each layer the bound on log p is shown, and the model is kept in the folder layers/ of the run.
/// With --backfit all layers are trained together at the end. --epochs counts passes for each layer unless
/// --layer-epochs is given. Epochs in --k and --momentum count within the training of a layer.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train dbn --data digits --hidden 100,100\n  \
    dgm train dbn --data mnist --data-dir ~/data --hidden 500,2000 --layer-epochs 120,40 --learning-rate 0.2,0.1\n  \
    dgm train dbn --data mnist --data-dir ~/data --hidden 500,500,2000 --labels --class-weight 100\n  \
    dgm train dbn --data digits --hidden 100,100,100 --extend runs/dbn-digits --out runs/deeper\n  \
    dgm train dbn --data digits --hidden 100,100 --algorithm cd --k 1,5@100 --momentum 0.5,0.9@5 --sparsity 0.1\n  \
    dgm train dbn --data measurements.csv --visible gaussian --hidden 64,32\n  \
    dgm train dbn --data answers.csv --visible softmax:5 --hidden 50,50")]
pub(super) struct DbnOptions {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    divided: Divided,
    /// Number of units of each hidden layer, from the layer next to the data up [default: 500,2000]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    hidden: Option<Vec<usize>>,
    /// Start from the model of this run folder or model file; it is an rbm or a dbn, its layers are the first layers of
    /// --hidden, and its visible units are the default of --visible
    #[arg(long, value_name = "RUN")]
    extend: Option<PathBuf>,
    #[command(flatten)]
    learning: Learning,
    /// Join units for the labels of the data to the lower layer of the RBM on top
    #[arg(long)]
    labels: bool,
    /// The weight of log p(label | x) in the objective of the RBM on top, beside log p(x, label) with weight 1; x are
    /// draws of the layer below [default: 0]
    #[arg(long, value_name = "X", requires = "labels")]
    class_weight: Option<f32>,
    /// Number of passes over the rows for each layer that is trained, such as 100,50 [default: --epochs for each]
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "epochs")]
    layer_epochs: Option<Vec<u64>>,
    /// The first learning rate, either one for all layers or one for each layer that is trained [default: 0.1; 0.01 for
    /// a first layer on gaussian units]
    #[arg(long, value_name = "X,...", value_delimiter = ',')]
    learning_rate: Option<Vec<f64>>,
    /// The start of the RBM of a new layer: `unrolled` (as the RBM below, transposed, if it has enough units; for the
    /// second layer only on bernoulli units) or `random` [default: unrolled]
    #[arg(long, value_name = "HOW")]
    layer_start: Option<LayerStart>,
    /// The data of RBMs above the first: `samples` or `means` of the layers below [default: samples]
    #[arg(long, value_name = "WHAT")]
    inputs: Option<LayerInputs>,
    /// The training of all layers together at the end: `none`, `up-down` (contrastive wake-sleep) or `rws` (reweighted
    /// wake-sleep) [default: none]
    #[arg(long, value_name = "RULE")]
    backfit: Option<Backfit>,
    /// Number of passes over the rows with all layers together [default: 20]
    #[arg(long, value_name = "N", requires = "backfit")]
    backfit_epochs: Option<u64>,
    /// The first learning rate with all layers together [default: 0.0003]
    #[arg(long, value_name = "X", requires = "backfit")]
    backfit_learning_rate: Option<f64>,
    /// The optimiser with all layers together [default: adam]
    #[arg(long, value_name = "HOW", requires = "backfit")]
    backfit_optimiser: Option<OptimiserSettings>,
    /// Number of sweeps of the RBM on top for each update with all layers together; several numbers share the epochs
    /// equally [default: 3,6,10 for up-down, 1 for rws]
    #[arg(long, value_name = "N,...", value_delimiter = ',', requires = "backfit")]
    backfit_steps: Option<Vec<usize>>,
    /// Number of draws for each row, with --backfit rws [default: 5]
    #[arg(long, value_name = "K", requires = "backfit")]
    backfit_samples: Option<usize>,
}

impl Options for DbnOptions {
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
        let (usual, shared, visible) = (DbnSettings::default(), &self.shared, self.visible());
        let backfit = self.backfit.unwrap_or(usual.backfit);
        Error::needs("--backfit-samples", self.backfit_samples, backfit == Backfit::Rws, "--backfit rws")?;
        let hidden = self.hidden.clone().unwrap_or(usual.hidden);
        let mut rates = usual.learning_rate;
        if visible == Visible::Gaussian && self.extend.is_none() {
            let upper = rates[0];
            rates = vec![upper; hidden.len()];
            rates.iter_mut().take(1).for_each(|first| *first = upper / 10.0);
        }
        let sweeps = if backfit == Backfit::Rws { vec![1] } else { usual.backfit_steps };
        let class_weight = self.class_weight.unwrap_or(usual.layer.class_weight);
        let layer = self.learning.settings(shared, visible, usual.layer)?;
        Ok(ModelConfig::Dbn(DbnSettings {
            hidden,
            start: self.extend.as_deref().map(|path| model::start_of("--extend", path)).transpose()?,
            start_digest: usual.start_digest,
            start_layers: usual.start_layers,
            layer_start: self.layer_start.unwrap_or(usual.layer_start),
            inputs: self.inputs.unwrap_or(usual.inputs),
            epochs: self.layer_epochs.clone().unwrap_or_else(|| vec![shared.epochs(rows)]),
            learning_rate: self.learning_rate.clone().unwrap_or(rates),
            backfit,
            backfit_epochs: self.backfit_epochs.unwrap_or(usual.backfit_epochs),
            backfit_learning_rate: self.backfit_learning_rate.unwrap_or(usual.backfit_learning_rate),
            backfit_optimiser: self.backfit_optimiser.unwrap_or(usual.backfit_optimiser),
            backfit_steps: self.backfit_steps.clone().unwrap_or(sweeps),
            backfit_samples: self.backfit_samples.unwrap_or(usual.backfit_samples),
            layer: RbmSettings { labels: self.labels, class_weight, ..layer },
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, visible: usize) -> StopOn {
        let mut layers: Vec<usize> = std::iter::once(visible).chain(settings.hidden()).collect();
        if self.visible() != Visible::Bernoulli {
            // Early stopping enumerates the hidden layer, even if the visible layer is smaller.
            layers[0] = usize::MAX;
        }
        let machines = layers.windows(2).map(|pair| pair[0].min(pair[1])).max().unwrap_or(0);
        let directed: usize = layers[1..layers.len() - 1].iter().sum();
        if machines.max(directed) <= EXACT { StopOn::LogLikelihood } else { StopOn::ImportanceWeighted }
    }
}

impl DbnOptions {
    /// The given kind of visible units, or the kind of the model to extend.
    fn visible(&self) -> Visible {
        let extended = || {
            let data = model::load_data(self.extend.as_deref()?).ok()?;
            match data.visible {
                VisibleKind::Gaussian => Some(Visible::Gaussian),
                VisibleKind::Softmax { categories } => Some(Visible::Softmax(categories)),
                _ => None,
            }
        };
        self.learning.units.visible.or_else(extended).unwrap_or_default()
    }
}
