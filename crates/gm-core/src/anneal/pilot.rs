//! Temperatures that a pilot run chooses for a path.

use super::path::AnnealedPath;
use super::run::OP;
use super::schedule::Schedule;
use crate::error::{Error, Result};
use crate::streams::{Purpose, Streams};
use crate::watch::{Progress, Watch};

/// The temperatures of a schedule on a path.
pub(super) fn temperatures<P: AnnealedPath>(
    path: &P,
    schedule: &Schedule,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Vec<f64>> {
    let Schedule::Adaptive(count @ 2..) = *schedule else { return Ok(rounded(schedule.betas()?)) };
    let pilot = rounded(Schedule::Graded((count / PILOT_SHARE).clamp(PILOT_LEAST, PILOT_MOST)).betas()?);
    let streams = streams.fork(Purpose::Anneal, u64::MAX - 1);
    let mut chains = path.start(PILOT_RUNS, &streams.fork(Purpose::Anneal, 0));
    let mut lengths = Vec::with_capacity(pilot.len() - 1);
    for (k, pair) in pilot.windows(2).enumerate() {
        let mut gains = vec![0.0; PILOT_RUNS];
        path.advance(&mut chains, pair[0], pair[1], &streams.fork(Purpose::Anneal, k as u64 + 1), &mut gains);
        lengths.push(deviation(&gains));
        if watch(Progress { done: 0, total: count - 1 }).is_break() {
            return Err(Error::Interrupted { op: OP });
        }
    }
    Ok(rounded(equal_parts(&pilot, &lengths, count)))
}

/// Runs of a pilot.
pub(super) const PILOT_RUNS: usize = 64;
/// A pilot has this many times fewer temperatures than the schedule, within the two limits below.
const PILOT_SHARE: usize = 10;
const PILOT_LEAST: usize = 50;
const PILOT_MOST: usize = 1_000;

/// The share of an adaptive schedule that is evenly spaced, in case the pilot has missed something.
pub(super) const EVEN: f64 = 0.1;

/// Standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

/// `count` values from 0 to 1, with equal shares of the lengths between neighbours.
fn equal_parts(knots: &[f64], lengths: &[f64], count: usize) -> Vec<f64> {
    let total = lengths.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut passed = vec![0.0];
    for (pair, length) in knots.windows(2).zip(lengths) {
        passed.push(passed[passed.len() - 1] + (1.0 - EVEN) * length / total + EVEN * (pair[1] - pair[0]));
    }
    let whole = passed[passed.len() - 1];
    let mut k = 0;
    let place = |i: usize| {
        let wanted = whole * i as f64 / (count - 1) as f64;
        while k + 2 < passed.len() && passed[k + 1] < wanted {
            k += 1;
        }
        let share = (wanted - passed[k]) / (passed[k + 1] - passed[k]);
        knots[k] + share * (knots[k + 1] - knots[k])
    };
    let mut betas: Vec<f64> = (0..count).map(place).collect();
    betas[count - 1] = 1.0;
    betas
}

/// The kernels use single-precision temperatures. The weights must follow the same path.
pub(super) fn rounded(betas: Vec<f64>) -> Vec<f64> {
    betas.into_iter().map(|beta| f64::from(beta as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_deviation_of_a_sample() {
        // Mean 4, squares 9 + 1 + 0 + 16, divided by three.
        assert!((deviation(&[1.0, 3.0, 4.0, 8.0]) - (26.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn table_temperatures_divide_the_length_of_the_path_evenly() {
        // Nine tenths of the length are shared as 3 to 1, and one tenth as the temperatures are: 0.725 and 0.275.
        let found = equal_parts(&[0.0, 0.5, 1.0], &[3.0, 1.0], 5);
        let expected = [0.0, 0.5 * 0.25 / 0.725, 0.5 * 0.5 / 0.725, 0.5 + 0.5 * 0.025 / 0.275, 1.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        // A path without length is divided evenly, up to its last temperature.
        let found = equal_parts(&[0.0, 0.3, 0.4, 1.0], &[0.0; 3], 6);
        assert!(found.iter().zip(0..).all(|(beta, k)| (beta - f64::from(k) / 5.0).abs() < 1e-12), "{found:?}");
        assert_eq!(found[5], 1.0);
    }
}
