//! Reports of likelihoods: figures with their sides, methods and errors, and their text.

use std::fmt;

use gm_core::ModelKind;
use serde::{Deserialize, Serialize};

use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// The likelihood of data under a model, with its interval; serialises to the JSON document `gm-eval/1`.
///
/// All figures are in nats. In JSON, a number that is not finite is null.
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
    /// The kind of the visible units, unless they are binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible: Option<String>,
    /// Units of each layer, visible first.
    pub layers: Vec<usize>,
    /// The rows that were evaluated.
    pub data: DataReport,
    /// log Z, for models that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_partition: Option<PartitionReport>,
    /// log Z from its other side, by reverse AIS from samples of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_log_partition: Option<ReverseReport>,
    /// Mean log p over the rows.
    pub mean_log_prob: LogProbReport,
    /// The standard error of the mean over the rows, which are a sample of all that could be. The interval of
    /// [`mean_log_prob`](Self::mean_log_prob) has the error of measurement on these rows alone. `None` for a single row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_std_error: Option<f64>,
    /// Mean log p of the rows if each unit is independent of the others, with the moments of the training rows. `None` without
    /// training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub independent_units: Option<f64>,
    /// Mean log p by reverse AIS from rows of the data, if log Z is annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<LowerBound>,
    /// The evidence lower bound with the recognition net, mean over the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elbo: Option<f64>,
    /// The bound from several draws of the recognition net.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance_weighted: Option<ImportanceReport>,
    /// The bound by annealing of the posterior of rows, if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annealed_posterior: Option<PosteriorReport>,
    /// How far the bound lies from an upper bound, on rows drawn from the model, if the upper end of mean log p is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<GapReport>,
    /// Mean log-pseudo-likelihood over the rows, for RBMs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_pseudo_likelihood: Option<PseudoReport>,
    /// Mean free energy of the rows minus that of training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_energy_gap: Option<f64>,
    /// Reasons to doubt the figures.
    pub warnings: Vec<String>,
    /// Seconds of computation.
    pub seconds: f64,
    /// Threads in use.
    pub threads: usize,
    /// The number of shards, if it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// The seed.
    pub seed: u64,
    /// log p of each row, with the best value of log Z, or its importance-weighted bound; not part of the JSON
    /// document.
    #[serde(skip)]
    pub log_probs: Vec<f64>,
}

impl EvalReport {
    /// A report with the figures that all models have.
    pub(crate) fn new(
        kind: ModelKind,
        layers: Vec<usize>,
        data: &EvalData,
        mean_log_prob: LogProbReport,
        settings: &EvalSettings,
    ) -> Self {
        Self {
            schema: "gm-eval/1",
            model: kind.to_string(),
            visible: None,
            layers,
            data: DataReport::of(data),
            log_partition: None,
            reverse_log_partition: None,
            mean_log_prob,
            rows_std_error: None,
            independent_units: None,
            lower_bound: None,
            elbo: None,
            importance_weighted: None,
            annealed_posterior: None,
            gap: None,
            log_pseudo_likelihood: None,
            free_energy_gap: None,
            warnings: Vec::new(),
            seconds: 0.0,
            threads: rayon::current_num_threads(),
            shards: (settings.shards > 1).then_some(settings.shards),
            seed: settings.seed,
            log_probs: Vec::new(),
        }
    }
}

impl fmt::Display for EvalReport {
    /// The likelihood, its interval, and log Z or the bounds behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &self.mean_log_prob;
        match p.high.is_infinite() {
            true => write!(f, "mean log p   {:.4} nats, {:.4} or more ({})", p.value, p.low, p.side)?,
            false => write!(f, "mean log p   {:.4} nats, {:.4} to {:.4} ({})", p.value, p.low, p.high, p.side)?,
        }
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

/// The rows that were evaluated.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// Where the rows come from.
    pub source: String,
    /// `train`, `valid`, `test`, or another name for these rows.
    pub split: String,
    /// Number of rows.
    pub rows: usize,
    /// The binarisation that made zeros and ones of them.
    pub binarise: String,
}

impl DataReport {
    /// The description of these rows.
    pub(crate) fn of(data: &EvalData) -> Self {
        Self {
            source: data.source.clone(),
            split: data.split.clone(),
            rows: data.rows.samples(),
            binarise: data.binarise.to_string(),
        }
    }
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
/// let exact = evaluate_partition(&model, &EvalSettings::default(), &mut unwatched)?.expect("an RBM has a log Z");
/// let found = evaluate_partition(&model, &settings, &mut unwatched)?.expect("an RBM has a log Z");
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

/// log Z by reverse AIS from samples of the model. In expectation it lies above the truth if the samples are exact.
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
/// let reverse = report.reverse_log_partition.expect("requested");
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
    /// Runs, one from each sample.
    pub runs: usize,
    /// Temperatures of each run.
    pub temperatures: usize,
    /// Effective sample size of the runs' weights.
    pub ess: f64,
    /// Sweeps of parallel tempering before the samples are taken.
    pub sweeps: usize,
    /// Share of proposed swaps that were accepted, mean over the pairs of neighbouring temperatures.
    pub swap_acceptance: f64,
    /// The share of the pair of temperatures with the fewest accepted swaps.
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
/// assert_eq!((found.side, found.method), ("estimate", "ais, raise and reverse ais"));
/// assert!(found.low < exact.value && exact.value < found.high);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogProbReport {
    /// The best single number.
    pub value: f64,
    /// The lower end. For an annealed log Z it takes the highest upper end that the methods give log Z; for a bound it
    /// lies three standard errors of the draws below the bound.
    pub low: f64,
    /// The upper end, with the lower end of log Z. It is infinite, and null in JSON, where it is open: no method closes
    /// it for a bound.
    pub high: f64,
    /// `exact`; `estimate` if log p*(v) of each row is exact and log Z is annealed, with both ends closed; `lower` for a
    /// bound, with the lower end closed.
    pub side: &'static str,
    /// `exact`, `ais`, `importance-weighted`, or a list such as `ais, raise and reverse ais`.
    pub method: &'static str,
}

/// Mean log p by reverse AIS from rows of the data (RAISE).
///
/// It is a lower bound, in expectation, on mean log p of the distribution in which annealing from independent units ends.
/// That is the annealed model. The annealed model can give rows that are untypical of the model more probability than
/// the model does, so that RAISE may lie above mean log p.
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
    /// One standard error over the runs.
    pub std_error: f64,
    /// Three standard errors below the bound.
    pub low: f64,
    /// `raise`.
    pub method: &'static str,
    /// Runs of reverse AIS, from random rows.
    pub walks: usize,
}

/// The importance-weighted bound: for each row the log of the mean weight of several draws of the recognition net.
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
    /// Number of draws for each row.
    pub samples: usize,
    /// The bound, mean over the rows.
    pub value: f64,
    /// The standard error that is due to the draws.
    pub std_error: f64,
    /// Number of independent repeats; `value` is the mean over them.
    pub repeats: usize,
    /// Standard deviation over the repeats, for two repeats or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Effective sample size of the weights, mean over the rows.
    pub ess: f64,
    /// The effective sample size that 5 % of the rows do not exceed.
    pub low_ess: f64,
}

/// The bound on mean log p by annealing from a factorial distribution to the posterior of rows.
///
/// Where fewer rows are annealed than evaluated, it is the importance-weighted bound of all rows plus the mean gain on the
/// annealed ones.
///
/// # Source
///
/// `neal2001annealed`; `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, PosteriorAnnealing, evaluate_sbn};
///
/// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let posterior = PosteriorAnnealing { runs: 5, temperatures: 50, rows: 10 };
/// let settings = EvalSettings { exact: Exact::No, posterior, ..Default::default() };
/// let report = evaluate_sbn(&sbn, &data, &settings, &mut unwatched)?;
/// let found = report.annealed_posterior.expect("requested");
/// assert_eq!((found.runs, found.rows, report.gap.map(|gap| gap.method)), (5, 10, Some("ais")));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PosteriorReport {
    /// Runs for each row.
    pub runs: usize,
    /// Temperatures of each run.
    pub temperatures: usize,
    /// The number of rows that were annealed.
    pub rows: usize,
    /// The bound, mean over all rows.
    pub value: f64,
    /// The standard error that is due to the runs, to the choice of rows and to the draws for the other rows.
    pub std_error: f64,
    /// Effective sample size of the runs' weights, mean over the annealed rows.
    pub ess: f64,
}

/// The gap between a stochastic upper bound and a stochastic lower bound on log p(v), on rows drawn from the model
/// (bidirectional Monte Carlo).
///
/// One posterior sample of the hidden layers is known for such rows, because they were drawn together. With it the same
/// method that gives the lower bound gives an upper bound. The truth lies between the two, in expectation. The gap shows
/// how far the bound lies from the truth for rows that the model finds typical; other rows may have a larger one.
///
/// # Source
///
/// `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, evaluate_sbn};
///
/// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let settings = EvalSettings { exact: Exact::No, gap_rows: 50, ..Default::default() };
/// let gap = evaluate_sbn(&sbn, &data, &settings, &mut unwatched)?.gap.expect("the upper end is open");
/// assert_eq!((gap.rows, gap.states, gap.method), (50, "exact", "importance-weighted"));
/// assert!(gap.mean < 0.1 && gap.percentile_95 < 0.2);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapReport {
    /// The number of rows drawn from the model.
    pub rows: usize,
    /// The mean gap, in nats.
    pub mean: f64,
    /// The gap that 95 % of the rows do not exceed, in nats.
    pub percentile_95: f64,
    /// The method of both sides: `importance-weighted`, or `ais` where the posterior is annealed.
    pub method: &'static str,
    /// How the rows were drawn: `exact` or `parallel tempering`.
    pub states: &'static str,
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
    /// The mean over the rows.
    pub value: f64,
    /// Its standard error over the rows, and over the units if these are drawn.
    pub std_error: f64,
    /// `exact` with every unit of every row, `stochastic` with one random unit in each row.
    pub method: &'static str,
}
