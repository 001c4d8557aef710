//! log Z and mean log p with their ends, from one side or both, and the warnings that they earn.

use gm_core::{Annealed, Estimate};

use crate::report::{LogProbReport, LowerBound, PartitionReport};
use crate::settings::EvalSettings;

/// The share of runs or draws below which the effective sample size of their weights earns a warning.
pub(super) const LOW_ESS: f64 = 0.1;

/// The width of the interval of log Z, in nats, above which it earns a warning.
pub(super) const WIDE_INTERVAL: f64 = 2.0;

/// An enumerated log Z.
pub(super) fn exact(value: f64) -> PartitionReport {
    let (low, high) = (value, value);
    PartitionReport { value, std_error: 0.0, low, high, method: "exact", runs: None, temperatures: None, ess: None }
}

/// An annealed log Z.
pub(super) fn annealed(settings: &EvalSettings, found: &Annealed) -> PartitionReport {
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
    /// The mean of bounds without log Z, minus the estimate of log Z by reverse AIS from data.
    pub(super) fn new(unnormalised: f64, log_z: &Estimate) -> Self {
        let (value, std_error) = (unnormalised - log_z.value, log_z.std_error);
        Self { value, std_error, low: value - 3.0 * std_error, method: log_z.method, walks: log_z.samples }
    }
}

/// Mean log p with log Z from both sides, where log p of each row is exact or importance-weighted.
pub(super) fn from_both_sides(
    value: f64,
    exact: bool,
    partition: &PartitionReport,
    lower: Option<&LowerBound>,
) -> LogProbReport {
    let (low, high) = (value + (partition.value - partition.high), value + (partition.value - partition.low));
    let (side, method) = match (exact, partition.runs, lower) {
        (true, ..) => ("exact", "exact"),
        (_, None, _) => ("lower", "importance-weighted"),
        (_, _, None) => ("estimate", "ais and importance-weighted"),
        (_, _, Some(_)) => ("estimate", "ais, importance-weighted and raise"),
    };
    LogProbReport { value, low: lower.map_or(low, |lower| lower.low.min(value)), high, side, method }
}

/// Reasons to doubt an annealed log Z, a mean log p that rests on it, and a lower bound that lies `gap` below.
pub(super) fn partition_warnings(partition: &PartitionReport, mean_log_prob: f64, gap: Option<f64>) -> Vec<String> {
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
