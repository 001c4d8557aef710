//! The gap between the two sides of log p(v), on rows drawn from the model.

use gm_core::{Weighted, log_sum_exp};

use crate::report::GapReport;

/// The gap of importance weighting. For each row there are the log of the mean of `samples` weights of draws and the
/// log-weight of one exact posterior sample.
///
/// log of the mean of the drawn weights is a lower bound on log p(v) in expectation. With the weight of the posterior
/// sample among them it is an upper bound.
pub(super) fn of_weights(lower: &[f64], exact: &[f64], samples: usize, states: &'static str) -> GapReport {
    let n = samples as f64;
    let upper = lower.iter().zip(exact).map(|(lower, exact)| match exact.is_infinite() {
        true => f64::INFINITY,
        false => log_sum_exp(&[lower + n.ln(), *exact]) - n.ln_1p(),
    });
    of_sides(lower, &upper.collect::<Vec<_>>(), "importance-weighted", states)
}

/// The gap of annealing: forward runs give the lower bounds, reverse runs from posterior samples the upper ones.
pub(super) fn of_annealing(forward: &[Weighted], reverse: &[f64], states: &'static str) -> GapReport {
    of_sides(&forward.iter().map(|row| row.value).collect::<Vec<_>>(), reverse, "ais", states)
}

/// The gap between a lower and an upper bound on log p(v) of each row.
fn of_sides(lower: &[f64], upper: &[f64], method: &'static str, states: &'static str) -> GapReport {
    let mut gaps: Vec<f64> = lower.iter().zip(upper).map(|(lower, upper)| upper - lower).collect();
    gaps.sort_by(f64::total_cmp);
    let rows = gaps.len();
    let place = (0.95 * rows as f64).ceil() as usize;
    GapReport {
        rows,
        mean: gaps.iter().sum::<f64>() / rows as f64,
        percentile_95: gaps[place.clamp(1, rows) - 1],
        method,
        states,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_upper_side_counts_the_posterior_sample_among_the_draws() {
        // One draw of weight 1 beside a posterior sample of weight 3: the mean of the two is 2.
        let gap = of_weights(&[0.0], &[3.0_f64.ln()], 1, "exact");
        assert!((gap.mean - 2.0_f64.ln()).abs() < 1e-12 && gap.rows == 1);
        // Equal weights leave no gap.
        assert!(of_weights(&[-2.5; 3], &[-2.5; 3], 10, "exact").mean.abs() < 1e-12);
        // A state that the proposal cannot draw.
        assert_eq!(of_weights(&[0.0], &[f64::INFINITY], 5, "exact").mean, f64::INFINITY);
    }

    #[test]
    fn table_percentile() {
        let upper: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let gap = of_sides(&[0.0; 100], &upper, "ais", "exact");
        assert_eq!((gap.rows, gap.mean, gap.percentile_95), (100, 50.5, 95.0));
        assert_eq!(of_sides(&[0.0], &[7.0], "ais", "exact").percentile_95, 7.0);
    }
}
