//! `dgm finetune`: trains feed-forward nets that classify, from a model's weights or from random ones.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use gm_core::VisibleKind;
use gm_data::Dataset;
use gm_net::{Classifier, Dropout, HiddenUnits};
use gm_train::{ClassifierSettings, ModelConfig, ModelSettings, OptimiserSettings, StopOn};

use super::Context;
use super::train::{self, CONFIG, Options, RESUME, Shared};
use crate::data::check_input;
use crate::error::{Error, Result};
use crate::model;
use crate::output::Report;
use crate::training;

/// Trains a feed-forward net to tell classes apart, from a model's weights or from random ones
///
/// The net has the model's weights from the data up, and a new softmax layer on top. All layers learn by
/// backpropagation from the labels of the data. The visible units of the model must be binary; label units are left out.
/// Grey levels are taken as they are. If the model is a deep Boltzmann
/// machine, the mean-field means of its second hidden layer join the input. The result is the net of the last epoch, or
/// with --early-stopping the net of the best epoch.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("what").args(["model", "random", "config", "resume"]).required(true).multiple(true)))]
#[command(after_help = "Examples:\n  dgm finetune runs/rbm-digits/model.gm --data digits\n  \
    dgm finetune dbm.gm --data mnist --epochs 30 --head-epochs 3 --dropout 0.2,0.5 --out runs/tuned\n  \
    dgm finetune --random --hidden 500,500,2000 --units relu --optimiser adam --data mnist\n  \
    dgm finetune rbm.gm --data digits --freeze\n  dgm finetune dbn.gm --config recipes/finetune-dbn.toml --out runs/tuned\n  dgm eval runs/tuned/model.gm --data mnist")]
pub(crate) struct Finetune {
    /// The file of an rbm, sbn, dbm or dbn to start from, or the folder of its run; with --config it replaces the model that the file names
    #[arg(conflicts_with = "resume")]
    model: Option<PathBuf>,
    /// Start from random weights with the layers of --hidden
    #[arg(long, conflicts_with_all = ["model", "config", "resume"])]
    random: bool,
    #[arg(long, value_name = "FILE", conflicts_with = "resume", help = CONFIG)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "RUN", help = RESUME)]
    resume: Option<PathBuf>,
    #[command(flatten)]
    new: NewRun,
}

/// The options of a run that is neither resumed nor configured by a file.
#[derive(Args, Clone, Debug)]
struct Settings {
    #[command(flatten)]
    shared: Shared,
    /// Number of units of each hidden layer of a net of random weights, from the layer next to the data up, such as
    /// 500,500,2000
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    hidden: Option<Vec<usize>>,
    /// The activation function of the hidden units: sigmoid or relu [default: sigmoid]
    #[arg(long, value_name = "KIND")]
    units: Option<HiddenUnits>,
    /// The shares of input and hidden units that are left out of each update, such as 0.2,0.5 [default: 0,0]
    #[arg(long, value_name = "INPUT,HIDDEN")]
    dropout: Option<Dropout>,
    /// Number of first epochs in which the softmax layer learns alone [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "freeze")]
    head_epochs: Option<u64>,
    /// Train the softmax layer alone, which is logistic regression on the features of the model
    #[arg(long)]
    freeze: bool,
    /// The first learning rate [default: 0.1; 0.001 with adam]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// The optimiser: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: momentum:0.9]
    #[arg(long, value_name = "HOW")]
    optimiser: Option<OptimiserSettings>,
    /// The standard deviation of random weights [default: a value that suits the units]
    #[arg(long, value_name = "X", requires = "random")]
    init_scale: Option<f32>,
}

/// [`Settings`] that exclude --config and --resume, with the defaults of classifiers in their descriptions.
#[derive(Clone, Debug)]
struct NewRun(Settings);

/// Options that go with --config as well.
const BESIDE_CONFIG: [&str; 2] = ["out", "data_dir"];

impl Args for NewRun {
    fn augment_args(command: Command) -> Command {
        let before: Vec<_> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
        let command = Settings::augment_args(command);
        let new: Vec<_> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
        let new = new.into_iter().filter(|id| !before.contains(id));
        let command = new.fold(command, |command, id| {
            let beside = BESIDE_CONFIG.contains(&id.as_str());
            command.mut_arg(id, |arg| match beside {
                true => arg.conflicts_with("resume"),
                false => arg.conflicts_with_all(["config", "resume"]),
            })
        });
        command
            .mut_arg("data", |arg| arg.required(false).required_unless_present_any(["config", "resume"]))
            .mut_arg("binarise", |arg| {
                arg.help(
                    "The binarisation of grey levels: `none`, `threshold[:T]`, `fixed[:SEED]` or `dynamic` \
                     [default: `none`]",
                )
            })
            .mut_arg("no_report", |arg| arg.hide(true))
            .mut_arg("epochs", |arg| arg.help("Number of passes over the training rows [default: 50]"))
            .mut_arg("stop_on", |arg| {
                arg.help("The figure that --early-stopping watches: error-rate or cross-entropy [default: error-rate]")
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NewRun {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        Settings::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Number of training rows and of validation rows that are evaluated.
const WATCHED: usize = 10_000;

impl Finetune {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let shared = self.shared();
        if shared.no_report {
            let (value, allowed) = ("given".into(), "none for a classifier, which has no report".into());
            return Err(Error::Option { option: "--no-report", value, allowed });
        }
        if let Some(folder) = &self.resume {
            return train::resume(folder, &shared.folders, false, context);
        }
        if let Some(path) = &self.config {
            let mut config = train::configured(path, &shared.folders, context)?;
            self.start_from(&mut config.model)?;
            if let Some(start) = config.model.settings().start().0 {
                check_start(start)?;
            }
            let usual = || train::default_folder("", &path.display().to_string());
            let folder = shared.out.clone().unwrap_or_else(usual);
            return training::run(|| train::create(folder, &config, context), false, context);
        }
        self.check_random()?;
        self.model.as_deref().map_or(Ok(()), check_start)?;
        train::start(self, context)
    }

    /// The file of the model to start from.
    fn start_file(&self) -> Result<Option<PathBuf>> {
        self.model.as_deref().map(|path| model::start_of("MODEL", path)).transpose()
    }

    /// Lets a configured classifier start from the given model, and refuses other configurations.
    fn start_from(&self, model: &mut ModelConfig) -> Result<()> {
        match model {
            ModelConfig::Classifier(settings) => settings.start = self.start_file()?.or(settings.start.take()),
            other => {
                let value = format!("one that trains {}", other.settings().kind().noun());
                let allowed = "one that trains a classifier; `dgm train --config` takes others".into();
                return Err(Error::Option { option: "--config", value, allowed });
            }
        }
        Ok(())
    }

    /// Refuses options that only a net of random weights uses.
    fn check_random(&self) -> Result<()> {
        let hidden = self.new.0.hidden.as_deref().map(training::dashed);
        Error::needs("--hidden", hidden, self.model.is_none(), "--random; a model has layers of its own")
    }
}

/// Refuses a model whose visible units a feed-forward net cannot have, before data are read as if it could.
fn check_start(path: &Path) -> Result<()> {
    let data = model::load_data(path)?;
    if matches!(data.visible, VisibleKind::Bernoulli | VisibleKind::Labelled { .. }) {
        return Ok(());
    }
    let value = format!("{}, a {} with {} visible units", path.display(), data.kind, data.visible);
    let allowed = "a model with bernoulli visible units, since a feed-forward net takes values from 0 to 1".into();
    Err(Error::Option { option: "MODEL", value, allowed })
}

impl Options for Finetune {
    fn shared(&self) -> &Shared {
        &self.new.0.shared
    }

    fn start(&self) -> Option<PathBuf> {
        self.model.clone()
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        let Some(path) = &self.start_file()? else { return Ok(()) };
        check_input(Classifier::inputs_of(&model::load_data(path)?), path, &data.source, data.units())
    }

    fn settings(&self, _rows: usize) -> Result<ModelConfig> {
        let (usual, shared, given) = (ClassifierSettings::default(), self.shared(), &self.new.0);
        let (epochs, optimiser) = (shared.epochs.unwrap_or(usual.epochs), given.optimiser.unwrap_or(usual.optimiser));
        let rate = if matches!(optimiser, OptimiserSettings::Adam { .. }) { 0.001 } else { usual.learning_rate };
        let head_epochs = if given.freeze { epochs } else { given.head_epochs.unwrap_or(usual.head_epochs) };
        Ok(ModelConfig::Classifier(ClassifierSettings {
            start: self.start_file()?,
            hidden: given.hidden.clone().unwrap_or_default(),
            units: given.units.unwrap_or(usual.units),
            head_epochs,
            epochs,
            batch_size: shared.batch_size(),
            learning_rate: given.learning_rate.unwrap_or(rate),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser,
            dropout: given.dropout.unwrap_or(usual.dropout),
            init_scale: given.init_scale,
            regularise: shared.regularise(),
            ..usual
        }))
    }

    fn stop_on(&self, _settings: &dyn ModelSettings, _visible: usize) -> StopOn {
        StopOn::ErrorRate
    }

    fn watched(&self) -> Option<usize> {
        Some(WATCHED)
    }
}
