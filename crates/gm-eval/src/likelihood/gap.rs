//! The gap between the two sides of log p(v), on rows drawn from the model.

use gm_core::{Purpose, Streams, Weighted, log_sum_exp};

use super::log_z::{LogZ, ShardStates};
use super::shards::Shards;
use crate::error::Result;
use crate::report::GapReport;
use crate::settings::{AUTO_LIMIT, EvalSettings};

/// The gap on states of the model. `sides` gets a shard, the largest number of its rows, and its streams, and gives the
/// gap of each row. `None` without rows.
pub(super) fn measured(
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    states: &'static str,
    mut sides: impl FnMut(usize, usize, &Streams) -> Result<Vec<f64>>,
) -> Result<Option<GapReport>> {
    let most: Vec<usize> = (0..shards.count()).map(|shard| shards.range(shard, settings.gap_rows).len()).collect();
    let gaps = shards.each("gap", |shard, streams| match most[shard] {
        0 => Ok(vec![]),
        most => sides(shard, most, streams),
    })?;
    let method = if settings.posterior.runs > 0 { "ais" } else { "importance-weighted" };
    Ok(summary(gaps.concat(), method, states))
}

/// [`measured`] on the states of parallel tempering, or on exact draws where there are none and few units to enumerate.
///
/// `draw` makes so many exact draws. `gaps` gets states and the largest number of their rows, and gives the gap of each row.
pub(super) fn of_states<S>(
    (settings, enumerable_units): (&EvalSettings, usize),
    shards: &mut Shards<'_>,
    (log_z, mut tempered): (&LogZ, ShardStates<S>),
    mut draw: impl FnMut(usize, &Streams) -> Result<S>,
    mut gaps: impl FnMut(&S, usize, &Streams) -> Result<Vec<f64>>,
) -> Result<Option<GapReport>> {
    if log_z.reverse.is_some() {
        return measured(settings, shards, "parallel tempering", |shard, most, streams| {
            tempered.remove(&shard).map_or(Ok(vec![]), |states| gaps(&states, most, streams))
        });
    }
    if enumerable_units > AUTO_LIMIT {
        return Ok(None);
    }
    measured(settings, shards, "exact", |_, most, streams| {
        gaps(&draw(most, &streams.fork(Purpose::Evaluate, 9))?, most, streams)
    })
}

/// The gap of importance weighting. For each row there are the log of the mean of `samples` weights of draws and the
/// log-weight of one exact posterior sample.
///
/// log of the mean of the drawn weights is a lower bound on log p(v) in expectation. With the weight of the posterior
/// sample among them it is an upper bound.
pub(super) fn of_weights(lower: &[f64], exact: &[f64], samples: usize) -> Vec<f64> {
    let n = samples as f64;
    let upper = |lower: f64, exact: f64| match exact.is_infinite() {
        true => f64::INFINITY,
        false => log_sum_exp(&[lower + n.ln(), exact]) - n.ln_1p(),
    };
    lower.iter().zip(exact).map(|(&lower, &exact)| upper(lower, exact) - lower).collect()
}

/// The gap of annealing: forward runs give the lower bounds, reverse runs from posterior samples the upper ones.
pub(super) fn of_annealing(forward: &[Weighted], reverse: &[f64]) -> Vec<f64> {
    forward.iter().zip(reverse).map(|(forward, reverse)| reverse - forward.value).collect()
}

/// The report of the gaps of all rows; `None` without rows.
fn summary(mut gaps: Vec<f64>, method: &'static str, states: &'static str) -> Option<GapReport> {
    gaps.sort_by(f64::total_cmp);
    let rows = gaps.len();
    let place = (0.95 * rows as f64).ceil() as usize;
    (rows > 0).then(|| GapReport {
        rows,
        mean: gaps.iter().sum::<f64>() / rows as f64,
        percentile_95: gaps[place.clamp(1, rows) - 1],
        method,
        states,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_upper_side_counts_the_posterior_sample_among_the_draws() {
        // One draw of weight 1 beside a posterior sample of weight 3: the mean of the two is 2.
        let gaps = of_weights(&[0.0], &[3.0_f64.ln()], 1);
        assert!((gaps[0] - 2.0_f64.ln()).abs() < 1e-12 && gaps.len() == 1);
        // Equal weights leave no gap.
        assert!(of_weights(&[-2.5; 3], &[-2.5; 3], 10).iter().all(|gap| gap.abs() < 1e-12));
        // A state that the proposal cannot draw.
        assert_eq!(of_weights(&[0.0], &[f64::INFINITY], 5), [f64::INFINITY]);
    }

    #[test]
    fn table_percentile() {
        let gap = summary((1..=100).rev().map(f64::from).collect(), "ais", "exact").unwrap();
        assert_eq!((gap.rows, gap.mean, gap.percentile_95), (100, 50.5, 95.0));
        assert_eq!(summary(vec![7.0], "ais", "exact").unwrap().percentile_95, 7.0);
        assert_eq!(summary(vec![], "ais", "exact"), None);
    }
}
