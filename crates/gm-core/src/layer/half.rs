//! The half-line: a Gaussian cut off at 0, which ReLU and dReLU units consist of.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, PI, SQRT_2};

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::streams::Stream;

/// The density proportional to exp(-gamma x^2 / 2 + slope x) for x of 0 and more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    /// The place of the maximum of the parabola, or 0 if that is negative.
    mode: f64,
    /// 1 / gamma^(1/2).
    width: f64,
    /// The distance from the mean of the whole Gaussian up to 0, in standard deviations.
    cut: f64,
}

/// The logarithm of an integral over a half-line, with the moments that follow from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) log_integral: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Moments {
    /// `E[x^2]`.
    pub(super) fn mean_square(&self) -> f64 {
        self.variance + self.mean * self.mean
    }
}

impl Half {
    pub(super) fn new(slope: f64, gamma: f64) -> Self {
        let width = 1.0 / gamma.sqrt();
        Self { mode: (slope / gamma).max(0.0), width, cut: -slope * width }
    }

    /// The logarithm of the integral.
    pub(super) fn log_integral(self) -> f64 {
        self.of_tail(ln_erfcx(self.cut / SQRT_2))
    }

    fn of_tail(self, ln_erfcx: f64) -> f64 {
        0.5 * FRAC_PI_2.ln() + self.width.ln() + ln_erfcx
    }

    /// All moments, for the price of one.
    pub(super) fn moments(self) -> Moments {
        let (cut, tail) = (self.cut, ln_erfcx(self.cut / SQRT_2));
        // The density of a standard normal number at the cut, over the probability of a number above the cut.
        let hazard = FRAC_2_PI.sqrt() * (-tail).exp();
        // Far out the differences of large numbers would say nothing.
        let (above, share) = if cut > FAR {
            let share = series(cut, &[1.0, -6.0, 50.0, -518.0]) / (cut * cut);
            (series(cut, &[1.0, -2.0, 10.0, -74.0]) / cut, share)
        } else {
            (hazard - cut, 1.0 + hazard * (cut - hazard))
        };
        let (mean, variance) = (above * self.width, share * self.width * self.width);
        Moments { log_integral: self.of_tail(tail), mean, variance }
    }

    /// `E[x]`.
    pub(super) fn mean(self) -> f64 {
        self.moments().mean
    }

    /// The variance of x.
    pub(super) fn variance(self) -> f64 {
        self.moments().variance
    }

    /// The most probable x.
    pub(super) fn mode(self) -> f64 {
        self.mode
    }

    /// A draw: normal numbers until one is above the cut, or, far in the tail, exponential proposals.
    ///
    /// # Source
    ///
    /// `robert1995simulation`, proposition 2.3.
    pub(super) fn sample(self, stream: &mut Stream) -> f64 {
        let cut = self.cut;
        let above = if cut < 0.5 {
            loop {
                let z: f64 = StandardNormal.sample(stream);
                if z >= cut {
                    break z - cut;
                }
            }
        } else {
            let rate = 0.5 * (cut + (cut * cut + 4.0).sqrt());
            loop {
                let above = -(1.0 - stream.random::<f64>()).ln() / rate;
                let away = cut + above - rate;
                if stream.random::<f64>() < (-0.5 * away * away).exp() {
                    break above;
                }
            }
        };
        above * self.width
    }
}

/// The cut beyond which moments come from their asymptotic series.
const FAR: f64 = 30.0;

/// sum_k c_k / x^(2 k).
fn series(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum / (x * x) + c)
}

/// ln(exp(x^2) erfc(x)). Beyond 25 it comes from the asymptotic series of erfc, of which the first term left out is below
/// 1e-12.
fn ln_erfcx(x: f64) -> f64 {
    if x > 25.0 {
        return series(x, &[1.0, -0.5, 0.75, -1.875]).ln() - (x * PI.sqrt()).ln();
    }
    x * x + libm::erfc(x).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments 0 to 2 about `mean`, by the trapezium rule.
    fn quadrature(slope: f64, gamma: f64, mean: f64) -> [f64; 3] {
        let width = 1.0 / gamma.sqrt().max(-slope);
        let (from, to) = ((slope / gamma - 14.0 * width).max(0.0), (slope / gamma).max(0.0) + 40.0 * width);
        let points = 400_000;
        let step = (to - from) / f64::from(points);
        let mut sums = [0.0; 3];
        for k in 0..=points {
            let x = from + f64::from(k) * step;
            let weight = (-0.5 * gamma * x * x + slope * x).exp() * if k == 0 || k == points { 0.5 } else { 1.0 };
            sums.iter_mut().enumerate().for_each(|(power, sum)| *sum += step * weight * (x - mean).powi(power as i32));
        }
        sums
    }

    #[test]
    fn moments_are_those_of_quadrature_from_the_bulk_to_the_far_tail() {
        for (slope, gamma) in
            [(3.0, 0.7), (0.0, 1.0), (-0.4, 2.0), (-7.0, 1.3), (-30.0, 0.9), (-80.0, 1.0), (-500.0, 2.0)]
        {
            let half = Half::new(slope, gamma);
            let [integral, _, square] = quadrature(slope, gamma, half.mean());
            let [_, first, _] = quadrature(slope, gamma, 0.0);
            let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-6;
            assert!((half.log_integral() - integral.ln()).abs() < 1e-7, "integral at {slope}, {gamma}");
            assert!(near(half.mean(), first / integral), "mean at {slope}, {gamma}: {}", half.mean());
            assert!(near(half.variance(), square / integral), "variance at {slope}, {gamma}: {}", half.variance());
        }
    }

    #[test]
    fn the_series_continue_the_formulas() {
        for at in [FAR, 25.0 * SQRT_2] {
            let [below, above] = [at - 1e-9, at + 1e-9].map(|cut| Half::new(-cut, 1.0));
            // The first term that the series leaves out is 706 / 30^8.
            assert!((below.mean() / above.mean() - 1.0).abs() < 2e-9);
            assert!((below.variance() / above.variance() - 1.0).abs() < 1e-6);
            assert!((below.log_integral() - above.log_integral()).abs() < 1e-9);
        }
    }
}
