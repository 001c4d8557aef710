//! Options of learning that several models share.

use clap::Args;
use gm_train::{Algorithm, OptimiserSettings, RbmSettings, Visible};

use super::{Course, Shared};
use crate::error::{Error, Result};

/// The help of an option that several models have.
pub(super) const SWEEPS: &str = "Number of sweeps for each update [default: 1]";

/// Options of the visible units.
#[derive(Args, Clone, Debug)]
pub(super) struct Units {
    /// The kind of visible units: `bernoulli` (zeros and ones), `gaussian` (real numbers, standardised first) or
    /// `softmax[:K]` (categories from 0 to K - 1, or groups of K units with one unit on) [default: bernoulli]
    #[arg(long, value_name = "KIND")]
    pub(super) visible: Option<Visible>,
    /// The least variance of gaussian units, as a share of the variance of the data [default: 0.01]
    #[arg(long, value_name = "X", requires = "visible")]
    least_variance: Option<f32>,
}

impl Units {
    /// The least variance, if the units have a variance.
    pub(super) fn least_variance(&self, visible: Visible, usual: f32) -> Result<f32> {
        let gaussian = visible == Visible::Gaussian;
        Error::needs("--least-variance", self.least_variance, gaussian, "--visible gaussian")?;
        Ok(self.least_variance.unwrap_or(usual))
    }
}

/// Options of the first steps of gradient ascent that all Boltzmann machines share.
#[derive(Args, Clone, Debug)]
pub(super) struct Climb {
    /// Use the plain gradient instead of the centred one
    #[arg(long)]
    pub(super) no_centring: bool,
    /// The optimiser: `sgd`, `momentum:M`, `nesterov:M` or `adam[:B1,B2]` [default: sgd]
    #[arg(long, value_name = "HOW")]
    pub(super) optimiser: Option<OptimiserSettings>,
    /// The standard deviation of the first weights [default: 0.01]
    #[arg(long, value_name = "X")]
    pub(super) init_scale: Option<f32>,
}

/// Options of gradient ascent that Boltzmann machines and the layers of deep belief networks share.
#[derive(Args, Clone, Debug)]
pub(super) struct Ascent {
    #[command(flatten)]
    pub(super) climb: Climb,
    /// The share of rows for which a hidden unit should be on [default: no such target]
    #[arg(long, value_name = "SHARE")]
    pub(super) sparsity: Option<f32>,
    /// The strength with which hidden biases are pulled towards that share [default: 0.1]
    #[arg(long, value_name = "X", requires = "sparsity")]
    pub(super) sparsity_cost: Option<f32>,
}

/// Options with which an RBM learns, by itself or as a layer of a deep belief network.
#[derive(Args, Clone, Debug)]
pub(super) struct Learning {
    #[command(flatten)]
    pub(super) units: Units,
    /// The source of the statistics of the model: pcd (persistent chains), cd (chains from the data), pt (parallel
    /// tempering) or exact (enumeration of up to 20 units) [default: pcd]
    #[arg(long, value_name = "HOW")]
    algorithm: Option<Algorithm>,
    /// Number of sweeps for each update; it can change, as in 1,5@20, which is 5 from epoch 20 on [default: 1]
    #[arg(long, value_name = "N,N@E,...")]
    k: Option<Course<usize>>,
    /// Number of persistent chains, with --algorithm pt at each temperature [default: 500; 100 in
    /// `dgm train rbm --algorithm pt`]
    #[arg(long, value_name = "N")]
    chains: Option<usize>,
    /// Number of temperatures of parallel tempering; they move towards equal shares of accepted swaps [default: 10]
    #[arg(long, value_name = "N")]
    temperatures: Option<usize>,
    /// The share of the last update that is repeated, for --optimiser sgd; it can change, as in 0.5,0.9@5, which is 0.9
    /// from epoch 5 on
    #[arg(long, value_name = "M,M@E,...")]
    momentum: Option<Course<f32>>,
    /// Take the gradient after the repeated part
    #[arg(long, requires = "momentum")]
    nesterov: bool,
    #[command(flatten)]
    ascent: Ascent,
}

impl Learning {
    /// The source of the statistics of the model.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Pcd)
    }

    /// The usual settings of an RBM with these options in their places.
    ///
    /// # Errors
    ///
    /// [`Error::Needs`] for an option that has no effect without another one.
    pub(super) fn settings(&self, shared: &Shared, visible: Visible, usual: RbmSettings) -> Result<RbmSettings> {
        let (algorithm, ascent) = (self.algorithm(), &self.ascent);
        Error::needs("--temperatures", self.temperatures, algorithm == Algorithm::Pt, "--algorithm pt")?;
        let k = self.k.clone().unwrap_or(Course { first: usual.steps, later: vec![] });
        Ok(RbmSettings {
            visible,
            least_variance: self.units.least_variance(visible, usual.least_variance)?,
            algorithm,
            steps: k.first,
            later_steps: k.later,
            chains: self.chains.unwrap_or(usual.chains),
            temperatures: self.temperatures.unwrap_or(usual.temperatures),
            centred: !ascent.climb.no_centring,
            batch_size: shared.batch_size(),
            schedule: shared.rate_schedule.unwrap_or(usual.schedule),
            warm_up: shared.warm_up.unwrap_or(usual.warm_up),
            optimiser: self.optimiser()?,
            later_momentum: self.momentum.clone().map(|momentum| momentum.later).unwrap_or_default(),
            init_scale: ascent.climb.init_scale.unwrap_or(usual.init_scale),
            sparsity: ascent.sparsity,
            sparsity_cost: ascent.sparsity_cost.unwrap_or(usual.sparsity_cost),
            regularise: shared.regularise(),
            ..usual
        })
    }

    fn optimiser(&self) -> Result<OptimiserSettings> {
        let plain = OptimiserSettings::default();
        let given = self.ascent.climb.optimiser.unwrap_or(plain);
        let momentum = self.momentum.as_ref().map(|momentum| momentum.first);
        Error::needs("--momentum", momentum, given == plain, "--optimiser sgd")?;
        Ok(momentum.map_or(given, |momentum| OptimiserSettings::Sgd { momentum, nesterov: self.nesterov }))
    }
}
