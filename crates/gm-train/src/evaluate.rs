//! Likelihoods of held-out data, as a report that says how they were measured.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Instant;

use gm_core::{AisSettings, BitMatrix, Error as CoreError, Estimate, ModelKind, Progress, Purpose, Side, Streams};
use gm_rbm::{Rbm, base_rate_bias, free_energy_gap};
use rand::seq::index::sample;
use serde::Serialize;

use crate::data::{Binarise, Dataset, SplitName};
use crate::error::{Error, Result};
use crate::rbm_learner::mean;

/// The most units of the smaller layer that [`Exact::Auto`] enumerates.
const AUTO_LIMIT: usize = 20;

/// Training rows that the gap of free energies takes at most.
const GAP_ROWS: usize = 10_000;

/// Conditionals times hidden units up to which the pseudo-likelihood takes every unit of every row.
const PSEUDO_LIMIT: usize = 200_000_000;

/// The share of the runs below which the effective sample size of their weights earns a warning.
const LOW_ESS: f64 = 0.1;

/// The width of the interval of log Z, in nats, above which it earns a warning.
const WIDE_INTERVAL: f64 = 2.0;

/// Whether the partition function is enumerated or annealed.
///
/// Written `auto`, `yes` or `no`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exact {
    /// Enumerated when the smaller layer has up to 20 units.
    #[default]
    Auto,
    /// Enumerated, or refused beyond 30 units.
    Yes,
    /// Annealed.
    No,
}

impl FromStr for Exact {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(Error::unknown("choice of exactness", text, &["auto", "yes", "no"])),
        }
    }
}

/// How likelihoods are measured.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalSettings {
    /// Whether the partition function is enumerated or annealed.
    pub exact: Exact,
    /// Runs and temperatures of annealing.
    pub ais: AisSettings,
    /// Walks back from random rows for a lower bound, when log Z is annealed; 0 for none.
    pub raise_walks: usize,
    /// The seed of all random numbers but those of the binarisation.
    pub seed: u64,
}

impl Default for EvalSettings {
    /// Exact where the smaller layer has up to 20 units, else 100 runs over 14,501 temperatures, forth and back.
    fn default() -> Self {
        Self { exact: Exact::Auto, ais: AisSettings::default(), raise_walks: 100, seed: 0 }
    }
}

/// Rows to evaluate, with what the report says of them.
#[derive(Clone, Debug)]
pub struct EvalData {
    /// Where the rows come from.
    pub source: String,
    /// `train`, `valid`, `test`, or another name for these rows.
    pub split: String,
    /// How they became zeros and ones.
    pub binarise: Binarise,
    /// The rows, [units, rows].
    pub rows: BitMatrix,
    /// Means of the training split, from which annealing starts; the model's visible biases if absent.
    pub train_means: Option<Vec<f32>>,
    /// Training rows for the gap of free energies, [units, rows].
    pub train_rows: Option<BitMatrix>,
}

impl EvalData {
    /// Rows alone.
    #[must_use]
    pub fn from_rows(source: impl Into<String>, rows: BitMatrix) -> Self {
        let (source, split) = (source.into(), "rows".into());
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
    /// use gm_train::{Dataset, EvalData, SplitName};
    ///
    /// let digits = Dataset::builtin("digits")?;
    /// let data = EvalData::from_dataset(&digits, SplitName::Test, None)?;
    /// assert_eq!((data.rows.samples(), data.binarise.to_string().as_str()), (299, "fixed:0"));
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn from_dataset(data: &Dataset, split: SplitName, binarise: Option<Binarise>) -> Result<Self> {
        let part = data.split(split);
        let binarise = binarise.unwrap_or(part.evaluation_binarise());
        let streams = Streams::new(0).fork(Purpose::Choose, 3);
        let count = data.train.len().min(GAP_ROWS);
        let chosen = sample(&mut streams.stream(0), data.train.len(), count).into_iter().map(|row| row as u32);
        let train_rows = data.train.binary_batch(&chosen.collect::<Vec<_>>(), binarise, &streams)?;
        Ok(Self {
            source: data.source.clone(),
            split: split.to_string(),
            binarise: if part.is_binary() { Binarise::None } else { binarise },
            rows: part.to_bits(binarise)?,
            train_means: Some(data.train.unit_means()),
            train_rows: Some(train_rows),
        })
    }
}

/// The likelihood of data under a model, with its interval; serialises to the JSON document `gm-eval/1`.
///
/// All numbers are in nats. Numbers that are not finite become null.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EvalReport {
    /// `gm-eval/1`.
    pub schema: &'static str,
    /// The kind of model.
    pub model: String,
    /// Units of each layer, visible first.
    pub layers: Vec<usize>,
    /// What was evaluated.
    pub data: DataReport,
    /// log Z.
    pub log_partition: PartitionReport,
    /// Mean log p over the rows.
    pub mean_log_prob: LogProbReport,
    /// Mean log p from its lower side, when annealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<LowerBound>,
    /// Mean log-pseudo-likelihood over the rows.
    pub log_pseudo_likelihood: PseudoReport,
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
    /// log p of each row at the best value of log Z; not part of the JSON document.
    #[serde(skip)]
    pub log_probs: Vec<f64>,
}

/// What was evaluated.
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

/// Mean log p with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogProbReport {
    /// The best single number.
    pub value: f64,
    /// The lower end of the lower bound where there is one, else with the upper end of log Z.
    pub low: f64,
    /// With the lower end of log Z.
    pub high: f64,
    /// `exact`, or `estimate` when log Z is annealed.
    pub side: &'static str,
    /// `exact`, `ais`, or `ais and raise` for an interval from both sides.
    pub method: &'static str,
}

/// A lower bound in expectation on mean log p, from walks back from rows of the data.
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

/// Mean log-pseudo-likelihood.
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
    /// The likelihood, its interval, and log Z behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p, z) = (&self.mean_log_prob, &self.log_partition);
        writeln!(f, "mean log p   {:.4} nats, {:.4} to {:.4} ({})", p.value, p.low, p.high, p.side)?;
        write!(f, "log Z        {:.4}, {:.4} to {:.4} ({}", z.value, z.low, z.high, z.method)?;
        if let (Some(runs), Some(temperatures), Some(ess)) = (z.runs, z.temperatures, z.ess) {
            write!(f, ", {runs} runs, {temperatures} temperatures, effective sample size {ess:.1}")?;
        }
        f.write_str(")")
    }
}

/// Measures the likelihood of data under a restricted Boltzmann machine.
///
/// mean log p = -mean F(v) - log Z, with log Z enumerated or annealed from the independent model of the
/// training means. Annealing leans upwards in log p; walks back from random rows (RAISE) give the lower end of the interval.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`] for annealing, family 1 for the pseudo-likelihood, families 2 and 3 for the choice of
/// rows and the walks back, of the settings' seed.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing out of
/// range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_train::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_train::Error>(())
/// ```
pub fn evaluate_rbm(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<EvalReport> {
    let began = Instant::now();
    check_data(rbm, data)?;
    let streams = Streams::new(settings.seed);
    let partition = partition(rbm, data, settings, &streams, watch)?;
    let log_probs = rbm.log_prob(&data.rows, partition.value);
    let annealed = partition.runs.is_some() && settings.raise_walks > 0;
    let lower_bound = annealed.then(|| lower_bound(rbm, data, settings, &streams, watch)).transpose()?;
    Ok(EvalReport {
        schema: "gm-eval/1",
        model: ModelKind::Rbm.to_string(),
        layers: rbm.stack().layers(),
        data: DataReport {
            source: data.source.clone(),
            split: data.split.clone(),
            rows: data.rows.samples(),
            binarise: data.binarise.to_string(),
        },
        mean_log_prob: mean_log_prob(&log_probs, &partition, lower_bound.as_ref()),
        log_pseudo_likelihood: pseudo_likelihood(rbm, &data.rows, &streams.fork(Purpose::Evaluate, 1)),
        free_energy_gap: data.train_rows.as_ref().map(|train| free_energy_gap(rbm, &data.rows, train)),
        warnings: warnings(&partition, &log_probs, lower_bound.as_ref()),
        lower_bound,
        log_partition: partition,
        log_probs,
        threads: rayon::current_num_threads(),
        seed: settings.seed,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn check_data(rbm: &Rbm, data: &EvalData) -> Result<()> {
    const OP: &str = "evaluate_rbm";
    let widths = [
        ("data", Some(data.rows.units())),
        ("train_means", data.train_means.as_ref().map(Vec::len)),
        ("train_rows", data.train_rows.as_ref().map(BitMatrix::units)),
    ];
    for (arg, found) in widths {
        gm_core::check_len(OP, arg, "units", found.unwrap_or(rbm.visible()), rbm.visible())?;
    }
    for (arg, batch) in [("data", Some(&data.rows)), ("train_rows", data.train_rows.as_ref())] {
        if batch.is_some_and(|batch| batch.samples() == 0) {
            return Err(CoreError::Empty { op: OP, arg }.into());
        }
    }
    Ok(())
}

fn partition(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<PartitionReport> {
    let exact = match settings.exact {
        Exact::Auto => rbm.enumerable_units() <= AUTO_LIMIT,
        Exact::Yes => true,
        Exact::No => false,
    };
    if exact {
        let value = rbm.log_partition()?;
        let (low, high) = (value, value);
        return Ok(PartitionReport {
            value,
            std_error: 0.0,
            low,
            high,
            method: "exact",
            runs: None,
            temperatures: None,
            ess: None,
        });
    }
    let base = data.train_means.as_deref().map(base_rate_bias);
    let found = rbm.log_partition_ais(&settings.ais, base.as_deref(), &streams.fork(Purpose::Evaluate, 0), watch)?;
    let Estimate { value, std_error, low, high, .. } = found.log_partition;
    Ok(PartitionReport {
        value,
        std_error,
        low,
        high,
        method: "ais",
        runs: Some(settings.ais.runs),
        temperatures: Some(found.temperatures),
        ess: Some(found.ess),
    })
}

/// What the walks back say of log Z varies little from row to row, so that few rows tell the mean over all.
fn lower_bound(
    rbm: &Rbm,
    data: &EvalData,
    settings: &EvalSettings,
    streams: &Streams,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LowerBound> {
    let total = data.rows.samples();
    let mut stream = streams.fork(Purpose::Evaluate, 2).stream(0);
    let chosen = sample(&mut stream, total, settings.raise_walks.min(total)).into_vec();
    // With few rows there are several walks from each.
    let walks: Vec<usize> = chosen.iter().copied().cycle().take(settings.raise_walks).collect();
    let v = data.rows.select(&walks);
    let base = data.train_means.as_deref().map(base_rate_bias);
    let ais = AisSettings { runs: 1, schedule: settings.ais.schedule.clone() };
    let bounds = rbm.log_prob_raise(&v, &ais, base.as_deref(), &streams.fork(Purpose::Evaluate, 3), watch)?;
    let log_z: Vec<f64> = rbm.free_energy(&v).iter().zip(&bounds).map(|(f, bound)| -f - bound).collect();
    let log_z = Estimate::mean(&log_z, Side::Upper, "raise");
    let value = -mean(&rbm.free_energy(&data.rows)) - log_z.value;
    let (std_error, low) = (log_z.std_error, value - 3.0 * log_z.std_error);
    Ok(LowerBound { value, std_error, low, method: log_z.method, walks: walks.len() })
}

fn mean_log_prob(log_probs: &[f64], partition: &PartitionReport, lower: Option<&LowerBound>) -> LogProbReport {
    let value = mean(log_probs);
    let side = if partition.runs.is_some() { "estimate" } else { "exact" };
    let (low, high) = (value + (partition.value - partition.high), value + (partition.value - partition.low));
    match lower {
        Some(lower) => LogProbReport { value, low: lower.low.min(value), high, side, method: "ais and raise" },
        None => LogProbReport { value, low, high, side, method: partition.method },
    }
}

fn pseudo_likelihood(rbm: &Rbm, rows: &BitMatrix, streams: &Streams) -> PseudoReport {
    let terms = rows.samples().saturating_mul(rbm.visible()).saturating_mul(rbm.hidden());
    let (values, method) = if terms <= PSEUDO_LIMIT {
        (rbm.log_pseudo_likelihood(rows), "exact")
    } else {
        (rbm.stochastic_pseudo_likelihood(rows, streams), "stochastic")
    };
    let estimate = Estimate::mean(&values, Side::Unbiased, method);
    PseudoReport { value: estimate.value, std_error: estimate.std_error, method }
}

fn warnings(partition: &PartitionReport, log_probs: &[f64], lower: Option<&LowerBound>) -> Vec<String> {
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
        if mean(log_probs) > 0.0 {
            warnings.push(
                "mean log p is above 0, which no model can reach: annealing has missed where the model is".into(),
            );
        }
    }
    if let Some(gap) = lower.map(|lower| mean(log_probs) - lower.value)
        && (gap.is_nan() || gap > WIDE_INTERVAL)
    {
        warnings.push(format!(
            "the two sides of mean log p are {gap:.1} nats apart, more than 2: anneal over more temperatures"
        ));
    }
    warnings
}
