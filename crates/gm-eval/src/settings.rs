//! Settings of evaluation: exact or estimated, the annealing, the draws of bounds and the seed.

use std::str::FromStr;

use gm_core::{AisSettings, Error as CoreError};
use gm_sbn::BoundSettings;

use crate::error::{Error, Result};
use crate::likelihood::Shards;

/// Whether the likelihood is enumerated or estimated.
///
/// Written `auto`, `yes` or `no`.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let side = |exact| {
///     let ais = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
///     let settings = EvalSettings { exact, ais, ..Default::default() };
///     evaluate_rbm(&rbm, &data, &settings, &mut unwatched).map(|report| report.mean_log_prob.side)
/// };
/// assert_eq!((side(Exact::Auto)?, side("no".parse()?)?), ("exact", "estimate"));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exact {
    /// Enumerates up to 20 units: the smaller layer of an RBM, the hidden units of an SBN, the smaller half of the
    /// layers of a DBM for log Z, and the smaller layer of the RBM on top of a DBN for log Z. For log p of rows, a DBM
    /// or DBN must also have few enough hidden units.
    #[default]
    Auto,
    /// Enumerates, and refuses more than 30 units.
    Yes,
    /// Anneals, or bounds log p by importance weights.
    No,
}

impl FromStr for Exact {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(CoreError::unknown("choice of exactness", text, &["auto", "yes", "no"]).into()),
        }
    }
}

impl Exact {
    /// Whether this many units are enumerated.
    pub(crate) fn enumerates(self, units: usize) -> bool {
        match self {
            Self::Auto => units <= AUTO_LIMIT,
            Self::Yes => true,
            Self::No => false,
        }
    }
}

/// The most shards.
const SHARDS_LIMIT: usize = 4_096;

/// The most units that [`Exact::Auto`] enumerates.
pub(crate) const AUTO_LIMIT: usize = 20;

/// How a likelihood is measured.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let ais = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let settings = EvalSettings { exact: Exact::No, ais, raise_walks: 20, ..Default::default() };
/// let report = evaluate_rbm(&rbm, &data, &settings, &mut unwatched)?;
/// assert_eq!(report.log_partition.and_then(|log_z| log_z.runs), Some(10));
/// assert_eq!(report.lower_bound.map(|bound| bound.walks), Some(20));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EvalSettings {
    /// Whether the likelihood is enumerated or estimated.
    pub exact: Exact,
    /// Runs and temperatures of annealing, for models with a partition function.
    pub ais: AisSettings,
    /// Runs of reverse AIS from random rows (RAISE), where log Z is annealed; 0 switches them off.
    pub raise_walks: usize,
    /// Runs of reverse AIS from samples of the model, where log Z is annealed; 0 switches them off.
    pub reverse_runs: usize,
    /// The parallel tempering that draws these samples.
    pub tempering: TemperingSettings,
    /// Draws of the recognition net for importance weights, for models that have a recognition net.
    pub bound: BoundSettings,
    /// Annealing from a factorial distribution to the posterior of rows, for models whose upper end is open.
    pub posterior: PosteriorAnnealing,
    /// The largest number of rows drawn from the model for the gap of bounds; 0 switches the gap off. Where log Z is
    /// annealed, the rows are those from which reverse AIS starts.
    pub gap_rows: usize,
    /// The number of shards, from 1 on: runs and rows are divided among them, and each has random numbers of its own.
    /// Results depend on it. See [`evaluate_part`](crate::evaluate_part).
    pub shards: usize,
    /// The seed of all random numbers, the binarisation excepted.
    pub seed: u64,
}

impl Default for EvalSettings {
    /// Enumeration of up to 20 units; otherwise 100 runs over 14,501 temperatures from each side, 1,000 draws for each
    /// row, and the gap of 100 rows; one shard.
    fn default() -> Self {
        Self {
            exact: Exact::Auto,
            ais: AisSettings::default(),
            raise_walks: 100,
            reverse_runs: 100,
            tempering: TemperingSettings::default(),
            bound: BoundSettings::default(),
            posterior: PosteriorAnnealing::default(),
            gap_rows: 100,
            shards: 1,
            seed: 0,
        }
    }
}

impl EvalSettings {
    /// All shards, to be computed in this process; `op` names the operation.
    ///
    /// # Errors
    ///
    /// [`CoreError::Param`] for a number of shards out of range.
    pub(crate) fn all_shards(&self, op: &'static str) -> Result<Shards<'static>> {
        self.check_shards(op)?;
        Ok(Shards::all(self.shards, self.seed))
    }

    /// Refuses a number of shards out of range.
    pub(crate) fn check_shards(&self, op: &'static str) -> Result<()> {
        match self.shards {
            1..=SHARDS_LIMIT => Ok(()),
            shards => Err(Error::setting(op, "shards", shards, format!("1 to {SHARDS_LIMIT}"))),
        }
    }
}

/// Annealing from a factorial distribution to the posterior of random rows, for a bound on log p that is tighter than
/// importance weights where these are few. It is costly: units of directed layers are drawn one at a time.
///
/// # Examples
///
/// ```
/// use gm_eval::{EvalSettings, PosteriorAnnealing};
///
/// assert_eq!(EvalSettings::default().posterior.runs, 0); // off
/// let posterior = PosteriorAnnealing { runs: 10, ..Default::default() };
/// assert_eq!((posterior.temperatures, posterior.rows), (1_000, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PosteriorAnnealing {
    /// Runs for each row; 0 switches the annealing off.
    pub runs: usize,
    /// Temperatures of each run.
    pub temperatures: usize,
    /// The largest number of rows that are annealed.
    pub rows: usize,
}

impl Default for PosteriorAnnealing {
    /// No runs; 1,000 temperatures and 100 rows if there are some.
    fn default() -> Self {
        Self { runs: 0, temperatures: 1_000, rows: 100 }
    }
}

/// The parallel tempering that draws samples of a model.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, TemperingSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let ais = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let tempering = TemperingSettings { temperatures: 3, sweeps: 40 };
/// let settings = EvalSettings { exact: Exact::No, ais, reverse_runs: 10, tempering, ..Default::default() };
/// let report = evaluate_rbm(&rbm, &data, &settings, &mut unwatched)?;
/// assert_eq!(report.reverse_log_partition.map(|log_z| log_z.sweeps), Some(40));
/// assert_eq!(report.mean_log_prob.method, "ais, raise and reverse ais");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemperingSettings {
    /// Number of temperatures; their values adapt during the first half of the sweeps.
    pub temperatures: usize,
    /// Sweeps at each temperature.
    pub sweeps: usize,
}

impl Default for TemperingSettings {
    /// 1,000 sweeps at 20 temperatures.
    fn default() -> Self {
        Self { temperatures: 20, sweeps: 1_000 }
    }
}
