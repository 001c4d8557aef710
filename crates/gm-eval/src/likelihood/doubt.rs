//! Warnings: the reasons to doubt a likelihood.

use std::collections::HashMap;

use gm_core::Batch;

use super::log_z::LogZ;
use crate::report::{EvalReport, ImportanceReport, LowerBound, PartitionReport, ReverseReport};

/// The share of runs or draws below which the effective sample size of their weights earns a warning.
const LOW_ESS: f64 = 0.1;

/// The effective sample size below which one draw decides the weight of a row.
const FEWEST: f64 = 2.0;

/// The distance in nats, of two ends or of two values, above which it earns a warning.
const FAR_APART: f64 = 2.0;

/// The share of accepted swaps between two neighbouring temperatures below which states hardly pass.
const FEW_SWAPS: f64 = 0.05;

/// All reasons to doubt a report that is complete but for its warnings.
pub(super) fn doubts(report: &EvalReport, log_z: Option<&LogZ>, rows: &Batch) -> Vec<String> {
    let p = &report.mean_log_prob;
    if p.side == "exact" {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(log_z) = log_z.filter(|log_z| !log_z.is_exact()) {
        of_annealing(&log_z.partition, &mut found);
        log_z.reverse.iter().for_each(|reverse| of_reverse(&log_z.partition, reverse, &mut found));
        report.lower_bound.iter().for_each(|raise| of_raise(report, raise, &mut found));
    }
    report.importance_weighted.iter().for_each(|bound| of_importance(bound, &mut found));
    found.extend(above_entropy(p.value, rows, report.visible.as_deref()));
    found
}

impl PartitionReport {
    /// The reasons to doubt log Z, by the weights of its runs; none if it is enumerated.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        of_annealing(self, &mut found);
        found
    }
}

fn of_annealing(z: &PartitionReport, found: &mut Vec<String>) {
    if let (Some(runs), Some(ess)) = (z.runs, z.ess)
        && (ess.is_nan() || ess < LOW_ESS * runs as f64)
    {
        found.push(format!(
            "the effective sample size of the {runs} runs is {ess:.1}, below 10 %: few runs decide log Z; anneal over \
             more temperatures"
        ));
    }
    let width = z.high - z.low;
    if width.is_nan() || width > FAR_APART {
        found.push(format!(
            "the interval of log Z is {width:.1} nats wide, above 2: anneal with more runs or temperatures"
        ));
    }
}

/// Doubts about reverse AIS from samples of the model: the samples have not mixed, or the two sides do not agree.
fn of_reverse(z: &PartitionReport, reverse: &ReverseReport, found: &mut Vec<String>) {
    if reverse.lowest_swap_acceptance.is_nan() || reverse.lowest_swap_acceptance < FEW_SWAPS {
        found.push(format!(
            "parallel tempering accepts {:.1} % of the swaps between two of its temperatures, below 5 %: its samples may \
             miss a part of the model; raise --reverse-temperatures",
            100.0 * reverse.lowest_swap_acceptance
        ));
    }
    if reverse.ess.is_nan() || reverse.ess < LOW_ESS * reverse.runs as f64 {
        found.push(format!(
            "the effective sample size of the {} runs of reverse AIS is {:.1}, below 10 %: few samples decide log Z from \
             above; anneal over more temperatures",
            reverse.runs, reverse.ess
        ));
    }
    let width = reverse.high - reverse.low;
    if width.is_nan() || width > FAR_APART {
        found.push(format!(
            "the interval of reverse AIS is {width:.1} nats wide, above 2: raise --reverse-runs or anneal over more \
             temperatures"
        ));
    }
    let gap = reverse.value - z.value;
    if gap.is_nan() || gap > FAR_APART {
        found.push(format!(
            "AIS and reverse AIS find values of log Z that are {gap:.1} nats apart, more than 2: anneal over more \
             temperatures, and raise --reverse-sweeps"
        ));
    } else if reverse.high < z.low {
        found.push(format!(
            "the two ends of log Z cross: reverse AIS ends at {:.2}, and AIS begins at {:.2}; the samples of the model \
             are not in equilibrium: raise --reverse-sweeps",
            reverse.high, z.low
        ));
    }
}

/// Doubts about RAISE: it lies far below the value, or above a value that is no bound itself.
fn of_raise(report: &EvalReport, raise: &LowerBound, found: &mut Vec<String>) {
    let p = &report.mean_log_prob;
    let (gap, error) = (p.value - raise.value, 3.0 * raise.std_error);
    if gap.is_nan() || gap > FAR_APART {
        found.push(format!("RAISE lies {gap:.1} nats below mean log p, more than 2: anneal over more temperatures"));
    } else if p.side == "estimate" && -gap > error.max(0.05) {
        found.push(format!(
            "RAISE lies {:.2} nats above mean log p: it bounds log p of the annealed model, which gives these rows more \
             probability than the model does, so it is no lower side of mean log p; anneal over more temperatures",
            -gap
        ));
    }
}

/// A bound is loose where single draws decide.
fn of_importance(bound: &ImportanceReport, found: &mut Vec<String>) {
    let (ess, low, samples) = (bound.ess, bound.low_ess, bound.samples);
    if ess.is_nan() || ess < LOW_ESS * samples as f64 && low < FEWEST {
        found.push(format!(
            "the effective sample size of the {samples} weights is {ess:.1} on average and below {low:.2} for the worst \
             5 % of rows: the bound grows with more draws"
        ));
    }
}

/// No model gives rows a higher mean log p than the rows' own shares do.
fn above_entropy(value: f64, rows: &Batch, visible: Option<&str>) -> Option<String> {
    let limit = -entropy(rows)?;
    // Densities have no such limit.
    let above = visible != Some("gaussian") && value > limit + 1e-6;
    above.then(|| {
        format!(
            "mean log p is {value:.2}, and no model can give these rows more than {limit:.2}, the mean log of their own \
             shares: annealing has missed where the model is"
        )
    })
}

/// The entropy of the distribution of rows, in nats; `None` for rows of real numbers.
fn entropy(rows: &Batch) -> Option<f64> {
    let rows = rows.as_bits()?;
    let mut counts: HashMap<Vec<u64>, u64> = HashMap::new();
    for sample in 0..rows.samples() {
        let words = (0..rows.words_per_sample()).map(|w| rows.word(w)[sample]).collect();
        *counts.entry(words).or_default() += 1;
    }
    let total = rows.samples() as f64;
    // The order of a map is not fixed, that of sorted counts is.
    let mut counts: Vec<u64> = counts.into_values().collect();
    counts.sort_unstable();
    Some(counts.into_iter().map(|count| -(count as f64 / total) * (count as f64 / total).ln()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::BitMatrix;

    #[test]
    fn table_entropy_counts_equal_rows() {
        let rows =
            |states: &[u64]| Batch::from(BitMatrix::from_fn(3, states.len(), |unit, s| states[s] >> unit & 1 == 1));
        assert_eq!(entropy(&rows(&[5, 5, 5])), Some(0.0));
        assert!((entropy(&rows(&[0, 1, 2, 3])).unwrap() - 4.0_f64.ln()).abs() < 1e-12);
        assert!((entropy(&rows(&[7, 7, 0, 0])).unwrap() - 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&Batch::from(gm_core::Matrix::zeros(2, 2))), None);
    }

    #[test]
    fn table_a_value_above_the_entropy_of_the_rows_is_doubted() {
        let rows = Batch::from(BitMatrix::from_fn(3, 4, |unit, s| s >> unit & 1 == 1));
        assert_eq!(above_entropy(-4.0_f64.ln(), &rows, None), None);
        assert!(above_entropy(-1.3, &rows, None).unwrap().contains("more than -1.39"));
        assert_eq!(above_entropy(-1.3, &rows, Some("gaussian")), None);
    }

    /// Whether each of these cases has a warning with a text in it.
    fn doubted<C: std::fmt::Debug>(cases: &[(C, bool)], text: &str, doubts: impl Fn(&C, &mut Vec<String>)) {
        for (case, expected) in cases {
            let mut found = vec![];
            doubts(case, &mut found);
            let warned = found.iter().any(|warning| warning.contains(text));
            assert_eq!(warned, *expected, "{text}: {case:?} {found:?}");
        }
    }

    #[test]
    fn table_bounds_are_doubted_where_the_mean_and_the_worst_effective_sizes_are_small() {
        let cases = [
            ((9.9, 1.9), true),
            ((9.9, 2.0), false),
            ((9.9, 5.0), false),
            ((10.0, 1.0), false),
            ((80.0, 1.0), false),
            ((f64::NAN, 5.0), true),
        ];
        doubted(&cases, "of the 100 weights", |&(ess, low_ess), found| {
            let (samples, repeats) = (100, 1);
            let bound = ImportanceReport { samples, value: 0.0, std_error: 0.1, repeats, spread: None, ess, low_ess };
            of_importance(&bound, found);
        });
    }

    /// log Z of 100 runs, between 0 and a high end.
    fn partition(high: f64, ess: f64) -> PartitionReport {
        let (runs, temperatures) = (Some(100), Some(1_000));
        PartitionReport {
            value: 1.0,
            std_error: 0.1,
            low: 0.0,
            high,
            method: "ais",
            runs,
            temperatures,
            ess: Some(ess),
        }
    }

    #[test]
    fn table_annealing_is_doubted_by_its_weights_and_its_width() {
        let cases = [(9.9, true), (10.0, false), (100.0, false), (f64::NAN, true)];
        doubted(&cases, "of the 100 runs", |&ess, found| of_annealing(&partition(1.0, ess), found));
        let cases = [(2.1, true), (2.0, false), (0.5, false), (f64::NAN, true), (f64::INFINITY, true)];
        doubted(&cases, "interval of log Z", |&high, found| of_annealing(&partition(high, 50.0), found));
        let exact = PartitionReport { runs: None, ess: None, ..partition(1.0, 0.0) };
        assert!(exact.warnings().is_empty() && partition(1.0, 1.0).warnings().len() == 1);
    }

    #[test]
    fn table_reverse_annealing_is_doubted_by_swaps_weights_width_and_distance() {
        let sound = || ReverseReport {
            value: 1.0,
            std_error: 0.1,
            low: 0.5,
            high: 1.5,
            method: "reverse ais",
            runs: 100,
            temperatures: 1_000,
            ess: 50.0,
            sweeps: 100,
            swap_acceptance: 0.5,
            lowest_swap_acceptance: 0.4,
        };
        let of = |reverse: ReverseReport, found: &mut Vec<String>| of_reverse(&partition(2.0, 50.0), &reverse, found);
        let cases = [(0.049, true), (0.05, false), (0.5, false), (f64::NAN, true)];
        doubted(&cases, "parallel tempering accepts", |&lowest_swap_acceptance, found| {
            of(ReverseReport { lowest_swap_acceptance, ..sound() }, found);
        });
        let cases = [(9.9, true), (10.0, false), (f64::NAN, true)];
        doubted(&cases, "of the 100 runs of reverse AIS", |&ess, found| of(ReverseReport { ess, ..sound() }, found));
        let cases = [(2.6, true), (2.5, false), (f64::NAN, true)];
        doubted(&cases, "of reverse AIS is", |&high, found| of(ReverseReport { high, ..sound() }, found));
        // AIS has the value 1 and begins at 0.
        let cases = [(3.1, true), (3.0, false), (-5.0, false), (f64::NAN, true)];
        doubted(&cases, "nats apart", |&value, found| of(ReverseReport { value, ..sound() }, found));
        let cases = [(-0.1, true), (0.0, false), (1.0, false)];
        doubted(&cases, "cross", |&high, found| of(ReverseReport { low: -0.5, high, value: -0.3, ..sound() }, found));
    }
}
