//! Likelihoods of held-out data, as a report that says how they were measured.

mod dbm;
mod dbn;
mod rbm;
mod sbn;

use gm_core::{
    AisSettings, Annealed, Batch, Error as CoreError, Estimate, ModelKind, Purpose, Streams, VisibleKind, Watch,
};
use gm_sbn::BoundSettings;
use rand::seq::index::sample;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::Model;
use gm_data::{Binarise, Dataset, SplitName};

pub use dbm::evaluate_dbm;
pub use dbn::evaluate_dbn;
pub use rbm::evaluate_rbm;
pub use sbn::evaluate_sbn;
use sbn::importance as importance_of_bounds;

/// Training rows that the gap of free energies takes at most.
const GAP_ROWS: usize = 10_000;

/// The share of runs or draws below which the effective sample size of their weights earns a warning.
const LOW_ESS: f64 = 0.1;

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
    /// Enumerated when up to 20 units have to be: the smaller layer of a restricted Boltzmann machine, the hidden units of
    /// a sigmoid belief net, for log Z the smaller half of the layers of a deep Boltzmann machine and the smaller layer of the machine
    /// on top of a deep belief network. For log p of rows the hidden layers of these two have to be few enough as well.
    #[default]
    Auto,
    /// Enumerated, or refused beyond 30 units.
    Yes,
    /// Annealed, or bounded by importance weights.
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

/// How likelihoods are measured.
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
    /// Walks back from random rows for a lower bound, when log Z is annealed; 0 for none.
    pub raise_walks: usize,
    /// Walks back from samples of the model, when log Z of a restricted Boltzmann machine is annealed; 0 for none.
    pub reverse_runs: usize,
    /// How those samples are got.
    pub tempering: TemperingSettings,
    /// Draws of the recognition net for importance weights, for models with one.
    pub bound: BoundSettings,
    /// The seed of all random numbers but those of the binarisation.
    pub seed: u64,
}

impl Default for EvalSettings {
    /// Exact where up to 20 units have to be enumerated, else 100 runs over 14,501 temperatures, forth and back, or 1,000
    /// draws.
    fn default() -> Self {
        Self {
            exact: Exact::Auto,
            ais: AisSettings::default(),
            raise_walks: 100,
            reverse_runs: 0,
            tempering: TemperingSettings::default(),
            bound: BoundSettings::default(),
            seed: 0,
        }
    }
}

/// How samples of a model are got by parallel tempering.
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
    /// Temperatures, which move during the first half of the sweeps.
    pub temperatures: usize,
    /// Sweeps at each of them.
    pub sweeps: usize,
}

impl Default for TemperingSettings {
    /// 2,000 sweeps at 20 temperatures.
    fn default() -> Self {
        Self { temperatures: 20, sweeps: 2_000 }
    }
}

/// Rows to evaluate, with what the report says of them.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let rows = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let data = EvalData { train_rows: Some(BitMatrix::from_fn(4, 20, |_, _| true).into()), ..rows };
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert_eq!((report.log_probs.len(), report.free_energy_gap), (10, Some(0.0)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EvalData {
    /// Where the rows come from.
    pub source: String,
    /// `train`, `valid`, `test`, or another name for these rows.
    pub split: String,
    /// How they became zeros and ones.
    pub binarise: Binarise,
    /// The rows, [units, rows].
    pub rows: Batch,
    /// Means of the training split, from whose independent model a restricted Boltzmann machine is annealed; if absent, that of the
    /// means of short chains. Deep machines and networks anneal from what [`train_rows`](Self::train_rows) give.
    pub train_means: Option<Vec<f32>>,
    /// Training rows for the gap of free energies, [units, rows].
    pub train_rows: Option<Batch>,
}

impl EvalData {
    /// Rows alone.
    #[must_use]
    pub fn from_rows(source: impl Into<String>, rows: impl Into<Batch>) -> Self {
        let (source, split, rows) = (source.into(), "rows".into(), rows.into());
        Self { source, split, binarise: Binarise::None, rows, train_means: None, train_rows: None }
    }

    /// A split of a data set, with training means and up to 10,000 random training rows; a binarisation that suits
    /// evaluation if absent.
    ///
    /// # Errors
    ///
    /// [`Error::GreyLevels`] for a binarisation that does not give one answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Dataset, SplitName};
    /// use gm_eval::EvalData;
    ///
    /// let digits = Dataset::builtin("digits")?;
    /// let data = EvalData::from_dataset(&digits, SplitName::Test, None)?;
    /// assert_eq!((data.rows.samples(), data.binarise.to_string().as_str()), (299, "fixed:0"));
    /// # Ok::<(), gm_eval::Error>(())
    /// ```
    pub fn from_dataset(data: &Dataset, split: SplitName, binarise: Option<Binarise>) -> Result<Self> {
        Self::for_kind(VisibleKind::Bernoulli, data, split, binarise)
    }

    /// [`from_dataset`](Self::from_dataset) for visible units of a kind, with rows as [`Split::rows_for`](gm_data::Split::rows_for) gives them.
    ///
    /// # Errors
    ///
    /// Those of [`Split::rows_for`](gm_data::Split::rows_for).
    pub fn for_kind(kind: VisibleKind, data: &Dataset, split: SplitName, binarise: Option<Binarise>) -> Result<Self> {
        let part = data.split(split);
        let binarise = match binarise {
            _ if kind.takes_numbers() => Binarise::None,
            given => given.unwrap_or(part.evaluation_binarise()),
        };
        let streams = Streams::new(0).fork(Purpose::Choose, 3);
        let count = data.train.len().min(GAP_ROWS);
        let chosen = sample(&mut streams.stream(0), data.train.len(), count).into_vec();
        let (train_rows, train_means) = if kind.takes_numbers() {
            let train = data.train.rows_for(kind, binarise)?;
            (train.select(&chosen), means(&train))
        } else {
            let rows: Vec<u32> = chosen.into_iter().map(|row| row as u32).collect();
            (data.train.binary_batch(&rows, binarise, &streams)?.into(), data.train.unit_means())
        };
        Ok(Self {
            source: data.source.clone(),
            split: split.to_string(),
            binarise: if part.is_binary() { Binarise::None } else { binarise },
            rows: part.rows_for(kind, binarise)?,
            train_means: Some(train_means),
            train_rows: Some(train_rows),
        })
    }
}

/// The likelihood of data under a model, with its interval; serialises to the JSON document `gm-eval/1`.
///
/// All numbers are in nats. Numbers that are not finite become null.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!(report.to_string().starts_with("mean log p   -2.7726 nats, -2.7726 to -2.7726 (exact)"));
/// let document = serde_json::to_value(&report)?;
/// assert_eq!((&document["schema"], &document["model"]), (&"gm-eval/1".into(), &"rbm".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EvalReport {
    /// `gm-eval/1`.
    pub schema: &'static str,
    /// The kind of model.
    pub model: String,
    /// What the visible units are, unless they are zeros and ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible: Option<String>,
    /// Units of each layer, visible first.
    pub layers: Vec<usize>,
    /// What was evaluated.
    pub data: DataReport,
    /// log Z, of models that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_partition: Option<PartitionReport>,
    /// log Z from its other side, when walks back from samples of the model were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_log_partition: Option<ReverseReport>,
    /// Mean log p over the rows.
    pub mean_log_prob: LogProbReport,
    /// Mean log p from its lower side, when annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<LowerBound>,
    /// The evidence lower bound with the recognition net, mean over the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elbo: Option<f64>,
    /// The bound from several draws of the recognition net.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance_weighted: Option<ImportanceReport>,
    /// Mean log-pseudo-likelihood over the rows, of undirected models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_pseudo_likelihood: Option<PseudoReport>,
    /// Mean free energy of the rows minus that of training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_energy_gap: Option<f64>,
    /// What should make a reader doubt the figures.
    pub warnings: Vec<String>,
    /// Time spent.
    pub seconds: f64,
    /// Threads at work.
    pub threads: usize,
    /// The seed.
    pub seed: u64,
    /// log p of each row, at the best value of log Z or as the importance-weighted bound; not part of the JSON document.
    #[serde(skip)]
    pub log_probs: Vec<f64>,
}

/// What was evaluated.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, unwatched};
/// use gm_data::{Dataset, SplitName};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let data = EvalData::from_dataset(&bars, SplitName::Test, None)?;
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let said = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?.data;
/// assert_eq!((said.source.as_str(), said.split.as_str(), said.rows), ("bars-and-stripes:2", "test", 8));
/// assert_eq!(said.binarise, "none"); // the data are zeros and ones
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataReport {
    /// Where the rows come from.
    pub source: String,
    /// Which of them.
    pub split: String,
    /// How many.
    pub rows: usize,
    /// How they became zeros and ones.
    pub binarise: String,
}

/// log Z with its interval of three standard errors.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, Schedule, Streams, unwatched};
/// use gm_eval::{EvalSettings, Exact, Model, evaluate_partition};
///
/// let model = Model::Rbm(gm_rbm::Rbm::initial(&[0.3; 4], 3, 1.0, &Streams::new(1))?);
/// let ais = AisSettings { runs: 100, schedule: Schedule::Linear(50) };
/// let settings = EvalSettings { ais, exact: Exact::No, ..Default::default() };
/// let exact = evaluate_partition(&model, &EvalSettings::default(), &mut unwatched)?.expect("a machine has a log Z");
/// let found = evaluate_partition(&model, &settings, &mut unwatched)?.expect("a machine has a log Z");
/// assert_eq!((exact.method, found.method, found.temperatures), ("exact", "ais", Some(50)));
/// assert!(found.low < exact.value && exact.value < found.high);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionReport {
    /// The best single number.
    pub value: f64,
    /// One standard error.
    pub std_error: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// `exact` or `ais`.
    pub method: &'static str,
    /// Independent runs, when annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<usize>,
    /// Temperatures, when annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<usize>,
    /// Effective sample size of the runs' weights, when annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ess: Option<f64>,
}

/// log Z by walks back from samples of the model: above the truth in expectation as far as the samples are the model's.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, TemperingSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let (ais, tempering) = (AisSettings { runs: 10, schedule: Schedule::Linear(5) }, TemperingSettings::default());
/// let settings = EvalSettings { exact: Exact::No, ais, reverse_runs: 8, tempering, ..Default::default() };
/// let report = evaluate_rbm(&rbm, &data, &settings, &mut unwatched)?;
/// let reverse = report.reverse_log_partition.expect("asked for");
/// assert_eq!((reverse.runs, reverse.lowest_swap_acceptance), (8, 1.0));
/// assert!((reverse.value - 7.0 * 2.0_f64.ln()).abs() < 1e-9);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReverseReport {
    /// The estimate.
    pub value: f64,
    /// One standard error.
    pub std_error: f64,
    /// The lower end of three standard errors.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// `reverse ais`.
    pub method: &'static str,
    /// Walks, one from each sample.
    pub runs: usize,
    /// Temperatures of the walks.
    pub temperatures: usize,
    /// Effective sample size of their weights.
    pub ess: f64,
    /// Sweeps of parallel tempering before the samples were taken.
    pub sweeps: usize,
    /// Share of the offered swaps that were made, mean over the pairs of neighbouring temperatures.
    pub swap_acceptance: f64,
    /// The same, of the pair with the fewest.
    pub lowest_swap_acceptance: f64,
}

/// Mean log p with its interval.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Streams, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::initial(&[0.3; 4], 3, 1.0, &Streams::new(1))?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let ais = AisSettings { runs: 100, schedule: Schedule::Linear(50) };
/// let settings = EvalSettings { exact: Exact::No, ais, ..Default::default() };
/// let found = evaluate_rbm(&rbm, &data, &settings, &mut unwatched)?.mean_log_prob;
/// let exact = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?.mean_log_prob;
/// assert_eq!((found.side, found.method), ("estimate", "ais and raise"));
/// assert!(found.low < exact.value && exact.value < found.high);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogProbReport {
    /// The best single number.
    pub value: f64,
    /// The lower end of the lower bound where there is one, else with the upper end of log Z.
    pub low: f64,
    /// With the lower end of log Z.
    pub high: f64,
    /// `exact`, `estimate` when log Z is annealed, or `lower` for a bound.
    pub side: &'static str,
    /// `exact`, `ais`, `ais and raise`, `ais and reverse ais` or `ais, raise and reverse ais` for an interval from both sides, or
    /// `importance-weighted`.
    pub method: &'static str,
}

/// A lower bound in expectation on mean log p, from walks back from rows of the data.
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
/// let bound = evaluate_rbm(&rbm, &data, &settings, &mut unwatched)?.lower_bound.expect("log Z is annealed");
/// assert_eq!((bound.method, bound.walks), ("raise", 20));
/// assert!((bound.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9 && bound.low <= bound.value);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LowerBound {
    /// The bound.
    pub value: f64,
    /// One standard error over the walks.
    pub std_error: f64,
    /// Three standard errors below the bound.
    pub low: f64,
    /// `raise`.
    pub method: &'static str,
    /// Walks back, from random rows.
    pub walks: usize,
}

/// The importance-weighted bound, log of the mean weight of several draws of the recognition net, mean over the rows.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams, unwatched};
/// use gm_sbn::BoundSettings;
/// use gm_eval::{EvalData, EvalSettings, evaluate_sbn};
///
/// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let settings = EvalSettings { bound: BoundSettings { samples: 50, repeats: 4 }, ..Default::default() };
/// let report = evaluate_sbn(&sbn, &data, &settings, &mut unwatched)?;
/// let bound = report.importance_weighted.expect("the net has a recognition net");
/// assert!(report.elbo < Some(bound.value) && bound.value < report.mean_log_prob.value + 3.0 * bound.std_error);
/// assert!(bound.spread.is_some() && bound.low_ess <= bound.ess && bound.ess < 50.0);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportanceReport {
    /// Draws for each row.
    pub samples: usize,
    /// The bound.
    pub value: f64,
    /// The standard error that the draws bring.
    pub std_error: f64,
    /// Independent repeats, over which `value` is the mean.
    pub repeats: usize,
    /// Standard deviation over the repeats, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Effective sample size of the weights, mean over the rows.
    pub ess: f64,
    /// The same, of the 5 % of rows with the smallest: at most this.
    pub low_ess: f64,
}

/// Mean log-pseudo-likelihood.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// // Units are independent, so that the conditionals of all units multiply to p(v).
/// let pseudo = report.log_pseudo_likelihood.expect("the model is undirected");
/// assert!((pseudo.value - report.mean_log_prob.value).abs() < 1e-6);
/// assert_eq!(pseudo.method, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PseudoReport {
    /// The mean.
    pub value: f64,
    /// Its standard error over the rows, and over the units when these are drawn.
    pub std_error: f64,
    /// `exact` with every unit of every row, `stochastic` with one random unit a row.
    pub method: &'static str,
}

impl fmt::Display for EvalReport {
    /// The likelihood, its interval, and log Z or the bounds behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &self.mean_log_prob;
        write!(f, "mean log p   {:.4} nats, {:.4} to {:.4} ({})", p.value, p.low, p.high, p.side)?;
        if let Some(z) = &self.log_partition {
            write!(f, "\nlog Z        {:.4}, {:.4} to {:.4} ({}", z.value, z.low, z.high, z.method)?;
            if let (Some(runs), Some(temperatures), Some(ess)) = (z.runs, z.temperatures, z.ess) {
                write!(f, ", {runs} runs, {temperatures} temperatures, effective sample size {ess:.1}")?;
            }
            f.write_str(")")?;
        }
        if let Some(bound) = &self.importance_weighted {
            let (value, error, samples) = (bound.value, bound.std_error, bound.samples);
            write!(f, "\nbound        {value:.4} +- {error:.4} ({samples} draws a row)")?;
        }
        Ok(())
    }
}

/// Measures the likelihood of data under a model of any kind.
///
/// # Errors
///
/// Those of [`evaluate_rbm`], [`evaluate_sbn`], [`evaluate_dbm`] and [`evaluate_dbn`].
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, ModelData, ModelKind, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Model, evaluate};
///
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// for kind in [ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn] {
///     let model = Model::from_data(ModelData::from_stack(kind, Stack::zeros(&[4, 3, 2])?)?)?;
///     let report = evaluate(&model, &data, &EvalSettings::default(), &mut unwatched)?;
///     assert_eq!(report.model, kind.to_string());
///     assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// }
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate(model: &Model, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    match model {
        Model::Rbm(rbm) => evaluate_rbm(rbm, data, settings, watch),
        Model::Sbn(sbn) => evaluate_sbn(sbn, data, settings, watch),
        Model::Dbm(dbm) => evaluate_dbm(dbm, data, settings, watch),
        Model::Dbn(dbn) => evaluate_dbn(dbn, data, settings, watch),
    }
}

/// log Z of a model without data: enumerated, or annealed from independent units with the means of short chains; of a deep
/// belief network that of the machine on top, and none for a sigmoid belief net.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`] of the settings' seed.
///
/// # Errors
///
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing out of
/// range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, unwatched};
/// use gm_eval::{EvalSettings, Model, evaluate_partition};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let found = evaluate_partition(&model, &EvalSettings::default(), &mut unwatched)?;
/// assert!(found.is_some_and(|z| (z.value - 9.0 * 2.0_f64.ln()).abs() < 1e-9));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_partition(model: &Model, settings: &EvalSettings, watch: Watch<'_>) -> Result<Option<PartitionReport>> {
    let streams = Streams::new(settings.seed).fork(Purpose::Evaluate, 0);
    let ais = &settings.ais;
    Ok(match model {
        Model::Sbn(_) => None,
        Model::Rbm(rbm) if settings.exact.enumerates(rbm.enumerable_units()) => Some(exact(rbm.log_partition()?)),
        Model::Rbm(rbm) => Some(annealed(settings, &rbm.log_partition_ais(ais, None, &streams, watch)?)),
        Model::Dbm(dbm) if settings.exact.enumerates(dbm.enumerable_units()) => Some(exact(dbm.log_partition()?)),
        Model::Dbm(dbm) => Some(annealed(settings, &dbm.log_partition_ais(ais, None, &streams, watch)?)),
        Model::Dbn(dbn) if settings.exact.enumerates(dbn.enumerable_units()) => Some(exact(dbn.log_partition()?)),
        Model::Dbn(dbn) => Some(annealed(settings, &dbn.log_partition_ais(ais, None, &streams, watch)?)),
    })
}

impl EvalReport {
    /// A report with what all models have.
    fn new(kind: ModelKind, layers: Vec<usize>, data: &EvalData, mean_log_prob: LogProbReport, seed: u64) -> Self {
        Self {
            schema: "gm-eval/1",
            model: kind.to_string(),
            visible: None,
            layers,
            data: DataReport {
                source: data.source.clone(),
                split: data.split.clone(),
                rows: data.rows.samples(),
                binarise: data.binarise.to_string(),
            },
            log_partition: None,
            reverse_log_partition: None,
            mean_log_prob,
            lower_bound: None,
            elbo: None,
            importance_weighted: None,
            log_pseudo_likelihood: None,
            free_energy_gap: None,
            warnings: Vec::new(),
            seconds: 0.0,
            threads: rayon::current_num_threads(),
            seed,
            log_probs: Vec::new(),
        }
    }
}

impl EvalData {
    /// Refuses data of another width than the model, or without rows.
    fn check(&self, op: &'static str, visible: usize) -> Result<()> {
        let widths = [
            ("data", Some(self.rows.units())),
            ("train_means", self.train_means.as_ref().map(Vec::len)),
            ("train_rows", self.train_rows.as_ref().map(Batch::units)),
        ];
        for (arg, found) in widths {
            gm_core::check_len(op, arg, "units", found.unwrap_or(visible), visible)?;
        }
        for (arg, batch) in [("data", Some(&self.rows)), ("train_rows", self.train_rows.as_ref())] {
            if batch.is_some_and(|batch| batch.samples() == 0) {
                return Err(CoreError::Empty { op, arg }.into());
            }
        }
        Ok(())
    }

    /// [`check`](Self::check) for models of zeros and ones.
    fn check_bits(&self, op: &'static str, visible: usize) -> Result<()> {
        self.check(op, visible)?;
        for (arg, batch) in [("data", Some(&self.rows)), ("train_rows", self.train_rows.as_ref())] {
            if batch.is_some_and(|batch| batch.as_bits().is_none()) {
                let value = "real numbers".into();
                return Err(CoreError::Param { op, arg, value, allowed: "zeros and ones" }.into());
            }
        }
        Ok(())
    }
}

/// Means of the units of a batch.
fn means(batch: &Batch) -> Vec<f32> {
    let n = batch.samples() as f64;
    match batch {
        Batch::Bits(bits) => bits.unit_counts().into_iter().map(|count| (count as f64 / n) as f32).collect(),
        Batch::Reals(reals) => {
            let sum = |row: usize| reals.row(row).iter().map(|&x| f64::from(x)).sum::<f64>();
            (0..reals.nrows()).map(|row| (sum(row) / n) as f32).collect()
        }
    }
}

impl Exact {
    /// Whether to enumerate so many units.
    fn enumerates(self, units: usize) -> bool {
        match self {
            Self::Auto => units <= AUTO_LIMIT,
            Self::Yes => true,
            Self::No => false,
        }
    }
}

/// The most units that [`Exact::Auto`] enumerates.
const AUTO_LIMIT: usize = 20;

/// The width of the interval of log Z, in nats, above which it earns a warning.
const WIDE_INTERVAL: f64 = 2.0;

/// An enumerated log Z.
fn exact(value: f64) -> PartitionReport {
    let (low, high) = (value, value);
    PartitionReport { value, std_error: 0.0, low, high, method: "exact", runs: None, temperatures: None, ess: None }
}

/// An annealed log Z.
fn annealed(settings: &EvalSettings, found: &Annealed) -> PartitionReport {
    let log_z = &found.log_partition;
    PartitionReport {
        value: log_z.value,
        std_error: log_z.std_error,
        low: log_z.low,
        high: log_z.high,
        method: "ais",
        runs: Some(settings.ais.runs),
        temperatures: Some(found.temperatures),
        ess: Some(found.ess),
    }
}

impl LowerBound {
    /// A mean of bounds without log Z, less what walks back from data say of log Z.
    fn new(unnormalised: f64, log_z: &Estimate) -> Self {
        let (value, std_error) = (unnormalised - log_z.value, log_z.std_error);
        Self { value, std_error, low: value - 3.0 * std_error, method: log_z.method, walks: log_z.samples }
    }
}

/// Mean log p of a model whose rows are exact or weighted by importance, with log Z from both sides.
fn from_both_sides(value: f64, exact: bool, partition: &PartitionReport, lower: Option<&LowerBound>) -> LogProbReport {
    let (low, high) = (value + (partition.value - partition.high), value + (partition.value - partition.low));
    let (side, method) = match (exact, partition.runs, lower) {
        (true, ..) => ("exact", "exact"),
        (_, None, _) => ("lower", "importance-weighted"),
        (_, _, None) => ("estimate", "ais and importance-weighted"),
        (_, _, Some(_)) => ("estimate", "ais, importance-weighted and raise"),
    };
    LogProbReport { value, low: lower.map_or(low, |lower| lower.low.min(value)), high, side, method }
}

/// What should make a reader doubt an annealed log Z, a mean log p that rests on it, and a lower bound so far below.
fn partition_warnings(partition: &PartitionReport, mean_log_prob: f64, gap: Option<f64>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(runs), Some(ess)) = (partition.runs, partition.ess) {
        if ess.is_nan() || ess < LOW_ESS * runs as f64 {
            warnings.push(format!(
                "the effective sample size of the {runs} runs is {ess:.1}, below 10 %: few runs decide log Z; \
                 anneal over more temperatures"
            ));
        }
        let width = partition.high - partition.low;
        if width.is_nan() || width > WIDE_INTERVAL {
            warnings.push(format!(
                "the interval of log Z is {width:.1} nats wide, above 2: anneal with more runs or temperatures"
            ));
        }
        if mean_log_prob > 0.0 {
            warnings.push(
                "mean log p is above 0, which no model can reach: annealing has missed where the model is".into(),
            );
        }
    }
    if let Some(gap) = gap
        && (gap.is_nan() || gap > WIDE_INTERVAL)
    {
        warnings.push(format!(
            "the two sides of mean log p are {gap:.1} nats apart, more than 2: anneal over more temperatures"
        ));
    }
    warnings
}
