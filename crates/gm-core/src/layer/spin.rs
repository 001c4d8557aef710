//! Spins.

use rand::RngExt;

use super::kind::{UnitKind, UnitParameter};
use crate::numerics::{logistic_f64, softplus};
use crate::streams::Stream;

/// Spins of -1 and +1, with energy -theta x.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Spin, UnitKind};
///
/// let mut mean = [0.0];
/// Spin.mean(&[0.5], &[0.2], &mut mean);
/// assert!((mean[0] - 0.7_f64.tanh()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Spin;

impl UnitKind for Spin {
    fn name(&self) -> String {
        "spin".into()
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta")] }
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0].abs() == 1.0
    }

    fn states(&self) -> Option<Vec<Vec<f64>>> {
        Some(vec![vec![-1.0], vec![1.0]])
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        let x = (parameters[0] + input[0]).abs();
        x + softplus(-2.0 * x)
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = (parameters[0] + input[0]).tanh();
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        let x = 2.0 * (parameters[0] + input[0]);
        variance[0] = 4.0 * logistic_f64(x) * logistic_f64(-x);
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        mode[0] = if parameters[0] + input[0] > 0.0 { 1.0 } else { -1.0 };
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        self.mean(parameters, input, statistics);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let up = stream.random::<f64>() < logistic_f64(2.0 * (parameters[0] + input[0]));
        state[0] = if up { 1.0 } else { -1.0 };
    }

    fn of_bit(&self, on: bool) -> f64 {
        if on { 1.0 } else { -1.0 }
    }

    fn independent(&self, mean: &[f64], _variance: &[f64]) -> Vec<f64> {
        vec![mean[0].clamp(-0.998, 0.998).atanh()]
    }
}
