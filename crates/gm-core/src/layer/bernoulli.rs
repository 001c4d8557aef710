//! Zeros and ones.

use rand::RngExt;

use super::kind::{UnitKind, UnitParameter};
use crate::numerics::{logistic_f64, logit, softplus};
use crate::streams::Stream;

/// Zeros and ones, with energy -theta x.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Bernoulli, UnitKind};
///
/// assert!((Bernoulli.cumulant(&[0.3], &[-0.3]) - 2.0_f64.ln()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli;

impl UnitKind for Bernoulli {
    fn name(&self) -> String {
        "bernoulli".into()
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta")] }
    }

    fn is_binary(&self) -> bool {
        true
    }

    fn is_bernoulli(&self) -> bool {
        true
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0] == 0.0 || state[0] == 1.0
    }

    fn states(&self) -> Option<Vec<Vec<f64>>> {
        Some(vec![vec![0.0], vec![1.0]])
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        softplus(parameters[0] + input[0])
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = logistic_f64(parameters[0] + input[0]);
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        let x = parameters[0] + input[0];
        variance[0] = logistic_f64(x) * logistic_f64(-x);
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        mode[0] = f64::from(u8::from(parameters[0] + input[0] > 0.0));
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        self.mean(parameters, input, statistics);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let on = stream.random::<f64>() < logistic_f64(parameters[0] + input[0]);
        state[0] = f64::from(u8::from(on));
    }

    fn independent(&self, mean: &[f64], _variance: &[f64]) -> Vec<f64> {
        vec![logit(mean[0].clamp(0.001, 0.999))]
    }
}
