//! `dgm train sbn`: the options of sigmoid belief nets.

use std::num::ParseIntError;
use std::str::FromStr;

use clap::Args;
use gm_train::{Lateral, ModelConfig, ModelSettings, OptimiserSettings, SbnRule, SbnSettings, StopOn};

use super::course::Course;
use super::{Divided, EXACT, Options, Shared};
use crate::error::{Error, Result};

/// Trains a sigmoid belief net with its recognition net
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm train sbn --data digits --hidden 50,20\n  \
    dgm train sbn --data bars-and-stripes:3 --hidden 8 --rule exact --out runs/bars\n  \
    dgm train sbn --data mnist --data-dir ~/data --hidden 200,200,200 --epochs 300")]
pub(super) struct SbnOptions {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    divided: Divided,
    /// Number of units of each hidden layer, from the layer next to the data up, such as 200,100; `none` is a fully visible net,
    /// whose likelihood is exact [default: 200,200]
    #[arg(long, value_name = "N,...")]
    hidden: Option<Hidden>,
    /// The rule by which both nets learn: `rws` (reweighted wake-sleep), `wake-sleep`, `vimco`, `nvil`, `vargrad`,
    /// `gibbs-em` or `exact` (up to 10 hidden units) [default: rws]
    #[arg(long, value_name = "RULE")]
    rule: Option<SbnRule>,
    /// Number of hidden states drawn for each row; it can change, as in 5,20@300, which is 20 from epoch 300 on [default: 5; 1
    /// with wake-sleep, nvil and gibbs-em]
    #[arg(long, value_name = "K,K@E,...")]
    samples: Option<Course<usize>>,
    /// The share of the model's own samples in the gradient of the recognition net, with --rule rws [default: 0.5]
    #[arg(long, value_name = "X")]
    sleep: Option<f32>,
    /// Number of Gibbs sweeps for each state, with --rule gibbs-em [default: 5]
    #[arg(long, value_name = "N")]
    sweeps: Option<usize>,
    /// The first learning rate [default: 0.01]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// The optimiser: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: adam]
    #[arg(long, value_name = "HOW")]
    optimiser: Option<OptimiserSettings>,
    /// The standard deviation of the first weights, times the square root of the number of a unit's inputs [default: 1]
    #[arg(long, value_name = "X")]
    init_scale: Option<f32>,
    /// The biases of hidden units at the start; below 0 they are mostly off at first, and upper layers stay awake [default:
    /// -2]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    hidden_bias: Option<f32>,
    /// Let each unit of the recognition net depend on the units before it in its layer, so that inference can follow causes
    /// that compete
    #[arg(long)]
    autoregressive: bool,
    /// The layers of the net itself whose units depend on the units before them: `none`, `visible` or `all` [default: none;
    /// visible with --hidden none]
    #[arg(long, value_name = "LAYERS")]
    lateral: Option<Lateral>,
}

/// The units of hidden layers; `none` is no layer.
#[derive(Clone, Debug)]
struct Hidden(Vec<usize>);

impl FromStr for Hidden {
    type Err = ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseIntError> {
        let layers = text.split(',').filter(|_| text != "none");
        Ok(Self(layers.map(str::parse).collect::<std::result::Result<_, _>>()?))
    }
}

impl SbnOptions {
    /// Refuses options of hidden units and their recognition net for a net without hidden layers.
    fn check_alone(&self) -> Result<()> {
        const NEEDS: &str = "hidden layers";
        Error::needs("--rule", self.rule, false, NEEDS)?;
        Error::needs("--samples", self.samples.as_ref().map(|course| course.first), false, NEEDS)?;
        Error::needs("--sleep", self.sleep, false, NEEDS)?;
        Error::needs("--sweeps", self.sweeps, false, NEEDS)?;
        Error::needs("--init-scale", self.init_scale, false, NEEDS)?;
        Error::needs("--hidden-bias", self.hidden_bias, false, NEEDS)?;
        Error::needs("--autoregressive", self.autoregressive.then_some("of the recognition net"), false, NEEDS)
    }
}

impl Options for SbnOptions {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn shards(&self) -> usize {
        self.divided.shards.unwrap_or(1)
    }

    fn settings(&self, rows: usize) -> Result<ModelConfig> {
        let (usual, shared) = (SbnSettings::default(), &self.shared);
        let hidden = self.hidden.clone().map_or(usual.hidden, |hidden| hidden.0);
        if hidden.is_empty() {
            self.check_alone()?;
        }
        let lateral = if hidden.is_empty() { Lateral::Visible } else { usual.lateral };
        let rule = self.rule.unwrap_or(usual.rule);
        Error::needs("--sleep", self.sleep, rule == SbnRule::Reweighted, "--rule rws")?;
        Error::needs("--sweeps", self.sweeps, rule == SbnRule::GibbsEm, "--rule gibbs-em")?;
        let single = matches!(rule, SbnRule::WakeSleep | SbnRule::Nvil | SbnRule::GibbsEm);
        let first = if single { 1 } else { usual.samples };
        let samples = self.samples.clone().unwrap_or(Course { first, later: vec![] });
        Ok(ModelConfig::Sbn(SbnSettings {
            hidden,
            rule,
            samples: samples.first,
            later_samples: samples.later,
            sleep: self.sleep.unwrap_or(usual.sleep),
            sweeps: self.sweeps.unwrap_or(usual.sweeps),
            epochs: shared.epochs(rows),
            batch_size: shared.batch_size(),
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser.unwrap_or(usual.optimiser),
            init_scale: self.init_scale.unwrap_or(usual.init_scale),
            hidden_bias: self.hidden_bias.unwrap_or(usual.hidden_bias),
            autoregressive: self.autoregressive,
            lateral: self.lateral.unwrap_or(lateral),
            regularise: shared.regularise(),
        }))
    }

    fn stop_on(&self, settings: &dyn ModelSettings, _: usize) -> StopOn {
        let hidden: usize = settings.hidden().iter().sum();
        if hidden <= EXACT { StopOn::LogLikelihood } else { StopOn::ImportanceWeighted }
    }
}
