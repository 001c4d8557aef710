//! Rectified linear units.

use super::half::Half;
use super::kind::{Measure, UnitKind, UnitParameter};
use crate::streams::Stream;

/// Real numbers of 0 and more, with energy gamma x^2 / 2 - theta x.
///
/// # Source
///
/// `tubiana2019learning`, supplementary section on hidden-unit potentials.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Relu, UnitKind};
///
/// // Half of a Gaussian.
/// let half = 0.5 * std::f64::consts::FRAC_PI_2.ln();
/// assert!((Relu.cumulant(&[0.0, 1.0], &[0.0]) - half).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Relu;

fn half(parameters: &[f64], input: &[f64]) -> Half {
    Half::new(parameters[0] + input[0], parameters[1])
}

impl UnitKind for Relu {
    fn name(&self) -> String {
        "relu".into()
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta"), UnitParameter::positive("gamma")] }
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0] >= 0.0 && state[0].is_finite()
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
        statistics[1] = -0.5 * state[0] * state[0];
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        half(parameters, input).log_integral()
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = half(parameters, input).mean();
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        variance[0] = half(parameters, input).variance();
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        mode[0] = half(parameters, input).mode();
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        let half = half(parameters, input).moments();
        statistics[0] = half.mean;
        statistics[1] = -0.5 * half.mean_square();
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        state[0] = half(parameters, input).sample(stream);
    }

    fn spread(&self, parameters: &[f64]) -> f64 {
        1.0 / parameters[1]
    }

    fn measure(&self) -> Measure {
        Measure::Scale
    }

    fn rescaled(&self, parameters: &[f64], _shift: f64, scale: f64) -> Vec<f64> {
        vec![parameters[0] / scale, parameters[1] / (scale * scale)]
    }

    /// The slope and gamma of a Gaussian with these moments, which has them cut off at 0 about where the mean is large.
    fn independent(&self, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        let gamma = 1.0 / variance[0].max(1e-6);
        vec![mean[0] * gamma, gamma]
    }
}
