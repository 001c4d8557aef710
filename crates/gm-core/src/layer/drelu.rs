//! Double rectified linear units.

use rand::RngExt;

use super::half::{Half, Moments};
use super::kind::{Measure, UnitKind, UnitParameter};
use crate::numerics::{logistic_f64, softplus};
use crate::streams::Stream;

/// Real numbers with a parabola of energy on either side of 0.
///
/// The energy is gamma_p x^2 / 2 - theta_p x for x of 0 and more, and gamma_n x^2 / 2 - theta_n x below. Gaussian and
/// rectified linear units are special and limiting cases, and units that are near 0 or far from it are another.
///
/// # Source
///
/// `tubiana2019learning`, methods.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{DoubleRelu, Gaussian, UnitKind};
///
/// // With equal sides it is a Gaussian unit.
/// let found = DoubleRelu.cumulant(&[0.3, 0.3, 2.0, 2.0], &[0.5]);
/// assert!((found - Gaussian.cumulant(&[0.3, 2.0], &[0.5])).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DoubleRelu;

/// The two sides, and the probability of the upper one.
struct Sides {
    upper: Half,
    lower: Half,
    up: f64,
}

impl Sides {
    fn new(parameters: &[f64], input: &[f64]) -> Self {
        let upper = Half::new(parameters[0] + input[0], parameters[2]);
        let lower = Half::new(-(parameters[1] + input[0]), parameters[3]);
        Self { up: logistic_f64(upper.log_integral() - lower.log_integral()), upper, lower }
    }
}

/// The moments of both sides, and the probability of the upper one.
struct Both {
    upper: Moments,
    lower: Moments,
    up: f64,
}

impl Both {
    fn new(parameters: &[f64], input: &[f64]) -> Self {
        let upper = Half::new(parameters[0] + input[0], parameters[2]).moments();
        let lower = Half::new(-(parameters[1] + input[0]), parameters[3]).moments();
        Self { up: logistic_f64(upper.log_integral - lower.log_integral), upper, lower }
    }
}

impl UnitKind for DoubleRelu {
    fn name(&self) -> String {
        "drelu".into()
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const {
            &[
                UnitParameter::field("theta_p"),
                UnitParameter::field("theta_n"),
                UnitParameter::positive("gamma_p"),
                UnitParameter::positive("gamma_n"),
            ]
        }
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0].is_finite()
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        let (upper, lower) = (state[0].max(0.0), state[0].min(0.0));
        statistics.copy_from_slice(&[upper, lower, -0.5 * upper * upper, -0.5 * lower * lower]);
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        let sides = Sides::new(parameters, input);
        let (upper, lower) = (sides.upper.log_integral(), sides.lower.log_integral());
        lower + softplus(upper - lower)
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        let Both { upper, lower, up } = Both::new(parameters, input);
        mean[0] = up * upper.mean - (1.0 - up) * lower.mean;
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        let Both { upper, lower, up } = Both::new(parameters, input);
        let between = up * (1.0 - up) * (upper.mean + lower.mean).powi(2);
        variance[0] = up * upper.variance + (1.0 - up) * lower.variance + between;
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        let (upper, lower) = (parameters[0] + input[0], -(parameters[1] + input[0]));
        let height = |slope: f64, gamma: f64| 0.5 * slope.max(0.0).powi(2) / gamma;
        mode[0] = if height(upper, parameters[2]) >= height(lower, parameters[3]) {
            upper.max(0.0) / parameters[2]
        } else {
            -lower / parameters[3]
        };
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        let Both { upper, lower, up } = Both::new(parameters, input);
        let down = 1.0 - up;
        statistics.copy_from_slice(&[
            up * upper.mean,
            -down * lower.mean,
            -0.5 * up * upper.mean_square(),
            -0.5 * down * lower.mean_square(),
        ]);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let sides = Sides::new(parameters, input);
        state[0] = match stream.random::<f64>() < sides.up {
            true => sides.upper.sample(stream),
            false => -sides.lower.sample(stream),
        };
    }

    fn spread(&self, parameters: &[f64]) -> f64 {
        1.0 / parameters[2].min(parameters[3])
    }

    fn measure(&self) -> Measure {
        Measure::Scale
    }

    fn rescaled(&self, parameters: &[f64], _shift: f64, scale: f64) -> Vec<f64> {
        let gamma = |gamma: f64| gamma / (scale * scale);
        vec![parameters[0] / scale, parameters[1] / scale, gamma(parameters[2]), gamma(parameters[3])]
    }

    fn independent(&self, mean: &[f64], variance: &[f64]) -> Vec<f64> {
        let gamma = 1.0 / variance[0].max(1e-6);
        vec![mean[0] * gamma, mean[0] * gamma, gamma, gamma]
    }
}
