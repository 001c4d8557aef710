//! Real numbers.

use rand_distr::{Distribution, StandardNormal};

use super::kind::{Measure, UnitKind, UnitParameter};
use crate::streams::Stream;

/// Real numbers, with energy gamma x^2 / 2 - theta x.
///
/// Given an input I the mean is (theta + I) / gamma and the variance 1 / gamma.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Gaussian, UnitKind};
///
/// let mut mean = [0.0];
/// Gaussian.mean(&[1.0, 4.0], &[2.0], &mut mean);
/// assert_eq!(mean, [0.75]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gaussian;

impl UnitKind for Gaussian {
    fn name(&self) -> String {
        "gaussian".into()
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta"), UnitParameter::positive("gamma")] }
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0].is_finite()
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
        statistics[1] = -0.5 * state[0] * state[0];
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        let slope = parameters[0] + input[0];
        0.5 * (slope * slope / parameters[1] + (std::f64::consts::TAU / parameters[1]).ln())
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = (parameters[0] + input[0]) / parameters[1];
    }

    fn variance(&self, parameters: &[f64], _input: &[f64], variance: &mut [f64]) {
        variance[0] = 1.0 / parameters[1];
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        self.mean(parameters, input, mode);
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        let mean = (parameters[0] + input[0]) / parameters[1];
        statistics[0] = mean;
        statistics[1] = -0.5 * (mean * mean + 1.0 / parameters[1]);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let normal: f64 = StandardNormal.sample(stream);
        state[0] = (parameters[0] + input[0]) / parameters[1] + normal / parameters[1].sqrt();
    }

    fn spread(&self, parameters: &[f64]) -> f64 {
        1.0 / parameters[1]
    }

    fn measure(&self) -> Measure {
        Measure::Free
    }

    fn rescaled(&self, parameters: &[f64], shift: f64, scale: f64) -> Vec<f64> {
        let gamma = parameters[1] / (scale * scale);
        vec![parameters[0] / scale + gamma * shift, gamma]
    }

    fn independent(&self, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        let gamma = 1.0 / variance[0].max(1e-6);
        vec![mean[0] * gamma, gamma]
    }
}
