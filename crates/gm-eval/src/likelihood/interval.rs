//! Mean log p with its ends. An end is closed only if the method behind it closes it.

use gm_core::{Estimate, Side};

use super::log_z::LogZ;
use crate::report::{LogProbReport, LowerBound, PosteriorReport};

/// Mean log p without error.
pub(super) fn exact(value: f64) -> LogProbReport {
    LogProbReport { value, low: value, high: value, side: "exact", method: "exact" }
}

/// Mean log p where log p*(v) of each row is exact and log Z is annealed. Both ends are closed: the lower end by the
/// upper end of log Z, the upper end by the lower one.
pub(super) fn estimate(value: f64, log_z: &LogZ) -> LogProbReport {
    let z = &log_z.partition;
    let method = match (&log_z.raise, &log_z.reverse) {
        (Some(_), Some(_)) => "ais, raise and reverse ais",
        (Some(_), None) => "ais and raise",
        (None, Some(_)) => "ais and reverse ais",
        (None, None) => z.method,
    };
    let (low, high) = (value + (z.value - log_z.high()), value + (z.value - z.low));
    LogProbReport { value, low, high, side: "estimate", method }
}

/// Mean log p from a stochastic lower bound on log p of each row, for models without a partition function.
pub(super) fn bound(bound: &Estimate) -> LogProbReport {
    let low = bound.value - 3.0 * bound.std_error;
    LogProbReport { value: bound.value, low, high: f64::INFINITY, side: "lower", method: bound.method }
}

/// Mean log p from a stochastic lower bound on log p*(v) of each row, minus log Z. The lower end takes the upper end of
/// log Z. The upper end is open.
pub(super) fn bound_with_log_z(bound: &Estimate, log_z: &LogZ) -> LogProbReport {
    let (z, value) = (&log_z.partition, bound.value);
    let annealed = bound.method == ANNEALED;
    let method = match (log_z.is_exact(), &log_z.raise, &log_z.reverse) {
        (true, ..) => bound.method,
        (_, Some(_), Some(_)) if annealed => "annealed posterior, ais, raise and reverse ais",
        (_, Some(_), None) if annealed => "annealed posterior, ais and raise",
        (_, None, Some(_)) if annealed => "annealed posterior, ais and reverse ais",
        (_, None, None) if annealed => "annealed posterior and ais",
        (_, Some(_), Some(_)) => "importance-weighted, ais, raise and reverse ais",
        (_, Some(_), None) => "importance-weighted, ais and raise",
        (_, None, Some(_)) => "importance-weighted, ais and reverse ais",
        (_, None, None) => "importance-weighted and ais",
    };
    let low = value - 3.0 * bound.std_error + (z.value - log_z.high());
    LogProbReport { value, low, high: f64::INFINITY, side: "lower", method }
}

/// The method of bounds by annealing of the posterior.
const ANNEALED: &str = "annealed posterior";

/// The higher of the two bounds on mean log p.
pub(super) fn higher(value: f64, std_error: f64, annealed: Option<&PosteriorReport>) -> Estimate {
    let (value, std_error, method) = match annealed {
        Some(found) if found.value > value => (found.value, found.std_error, ANNEALED),
        _ => (value, std_error, "importance-weighted"),
    };
    let (low, high) = (value - 3.0 * std_error, value + 3.0 * std_error);
    Estimate { value, std_error, low, high, side: Side::Lower, method, samples: 0 }
}

impl LowerBound {
    /// The mean of log p*(v), or of bounds on it, minus the estimate of log Z by reverse annealing from data.
    pub(super) fn new(unnormalised: f64, log_z: &Estimate) -> Self {
        let (value, std_error) = (unnormalised - log_z.value, log_z.std_error);
        Self { value, std_error, low: value - 3.0 * std_error, method: log_z.method, walks: log_z.samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PartitionReport, ReverseReport};

    fn annealed(value: f64, low: f64, high: f64) -> PartitionReport {
        let (method, runs) = ("ais", Some(10));
        PartitionReport { value, std_error: 0.1, low, high, method, runs, temperatures: Some(5), ess: Some(9.0) }
    }

    fn reverse(high: f64) -> ReverseReport {
        ReverseReport {
            value: high,
            std_error: 0.0,
            low: high,
            high,
            method: "reverse ais",
            runs: 10,
            temperatures: 5,
            ess: 9.0,
            sweeps: 10,
            swap_acceptance: 0.5,
            lowest_swap_acceptance: 0.4,
        }
    }

    fn log_z(reverse_high: Option<f64>, raise_high: Option<f64>) -> LogZ {
        let raise = raise_high.map(|high| Estimate { high, side: Side::Upper, ..Estimate::exact(high, "raise") });
        LogZ { partition: annealed(10.0, 9.5, 10.5), reverse: reverse_high.map(reverse), raise }
    }

    #[test]
    fn table_the_lower_end_takes_the_highest_log_z_and_never_lies_above_annealing_own_error() {
        for (reverse, raise, high) in [
            (None, None, 10.5),
            (Some(11.0), None, 11.0),
            (Some(8.0), None, 10.5),
            (None, Some(12.0), 12.0),
            (Some(11.0), Some(4.0), 11.0),
            (Some(f64::NAN), Some(7.0), 10.5),
        ] {
            let log_z = log_z(reverse, raise);
            let p = estimate(-20.0, &log_z);
            assert_eq!((p.low, p.high, p.side), (-20.0 + 10.0 - high, -19.5, "estimate"), "{reverse:?} {raise:?}");
            let p = bound_with_log_z(&higher(-20.0, 0.5, None), &log_z);
            assert_eq!((p.low, p.high, p.side), (-21.5 + 10.0 - high, f64::INFINITY, "lower"), "{reverse:?} {raise:?}");
        }
    }

    #[test]
    fn table_bounds_end_three_standard_errors_below_their_value() {
        let raise = Estimate { std_error: 0.25, samples: 7, ..Estimate::exact(4.0, "raise") };
        let found = LowerBound::new(-6.0, &raise);
        assert_eq!((found.value, found.std_error, found.low), (-10.0, 0.25, -10.75));
        assert_eq!((found.method, found.walks), ("raise", 7));
        let found = higher(-6.0, 0.5, None);
        assert_eq!((found.value, found.std_error, found.low, found.high), (-6.0, 0.5, -7.5, -4.5));
        assert_eq!((found.side, found.samples), (Side::Lower, 0));
        let found = bound(&found);
        assert_eq!((found.value, found.low, found.high, found.side), (-6.0, -7.5, f64::INFINITY, "lower"));
    }

    #[test]
    fn table_methods_name_what_was_measured() {
        let method = |reverse, raise| estimate(0.0, &log_z(reverse, raise)).method;
        assert_eq!(method(None, None), "ais");
        assert_eq!(method(Some(1.0), Some(1.0)), "ais, raise and reverse ais");
        let annealed = |value| PosteriorReport { runs: 1, temperatures: 9, rows: 5, value, std_error: 0.5, ess: 1.0 };
        let method = |value, reverse, raise| {
            let bound = higher(0.0, 0.0, Some(&annealed(value)));
            bound_with_log_z(&bound, &log_z(reverse, raise)).method
        };
        assert_eq!(method(-1.0, None, None), "importance-weighted and ais");
        assert_eq!(method(-1.0, Some(1.0), None), "importance-weighted, ais and reverse ais");
        assert_eq!(method(1.0, Some(1.0), Some(1.0)), "annealed posterior, ais, raise and reverse ais");
        assert_eq!(bound(&higher(0.0, 0.0, Some(&annealed(1.0)))).low, -0.5);
    }
}
