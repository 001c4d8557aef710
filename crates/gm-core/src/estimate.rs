//! Estimates with their spread and their side of the truth.

use std::fmt;

use crate::numerics::{LogSum, log_mean_exp, log_sum_exp};

/// The side of the truth on which an estimate lies, in expectation.
///
/// # Examples
///
/// ```
/// use gm_core::{Estimate, Side};
///
/// // The log of a mean of weights lies below the truth in expectation, and log p = -F - log Z above it.
/// let log_z = Estimate::log_mean_weight(&[0.0, 1.0, 0.5], "ais");
/// assert_eq!(log_z.side, Side::Lower);
/// assert_eq!(log_z.negated().side.to_string(), "upper");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// No error beyond rounding.
    Exact,
    /// Not above the truth.
    Lower,
    /// Not below the truth.
    Upper,
    /// Equal to the truth.
    Unbiased,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Unbiased => "unbiased",
        })
    }
}

/// A number in nats with its spread, its side of the truth and its method.
///
/// # Examples
///
/// ```
/// let estimate = gm_core::Estimate::exact(-2.5, "enumeration");
/// assert_eq!(estimate.to_string(), "-2.5000 (enumeration, exact)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The best single number.
    pub value: f64,
    /// One standard error of `value`.
    pub std_error: f64,
    /// Lower end of the interval of three standard errors.
    pub low: f64,
    /// Upper end of the interval of three standard errors.
    pub high: f64,
    /// The side of the truth on which `value` lies in expectation.
    pub side: Side,
    /// The method that computed it.
    pub method: &'static str,
    /// The number of independent runs or samples, 0 for an exact number.
    pub samples: usize,
}

impl Estimate {
    /// A number without statistical error.
    #[must_use]
    pub fn exact(value: f64, method: &'static str) -> Self {
        Self { value, std_error: 0.0, low: value, high: value, side: Side::Exact, method, samples: 0 }
    }

    /// log of the mean of importance weights, given their logarithms.
    ///
    /// The interval is log(m - 3 s) to log(m + 3 s), for the mean m of the weights and its standard error s. The lower
    /// end is negative infinity when 3 s reaches m. By Jensen's inequality the value lies below the truth in
    /// expectation.
    ///
    /// # Source
    ///
    /// `salakhutdinov2008quantitative`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// let estimate = gm_core::Estimate::log_mean_weight(&[1.0, 1.0, 1.0], "weights");
    /// assert!((estimate.value - 1.0).abs() < 1e-12 && estimate.std_error < 1e-12);
    /// ```
    #[must_use]
    pub fn log_mean_weight(log_weights: &[f64], method: &'static str) -> Self {
        let n = log_weights.len() as f64;
        let value = log_mean_exp(log_weights);
        let square: f64 = log_weights.iter().map(|w| ((w - value).exp() - 1.0).powi(2)).sum();
        let std_error = if n > 1.0 { (square / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
        let low = if 3.0 * std_error < 1.0 { value + (-3.0 * std_error).ln_1p() } else { f64::NEG_INFINITY };
        let high = value + (3.0 * std_error).ln_1p();
        Self { value, std_error, low, high, side: Side::Lower, method, samples: log_weights.len() }
    }

    /// -x for an estimate of x, with the interval and the side exchanged accordingly.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Estimate, Side};
    ///
    /// let estimate = Estimate { low: 1.5, high: 3.0, side: Side::Lower, ..Estimate::exact(2.0, "example") }.negated();
    /// assert_eq!((estimate.value, estimate.low, estimate.high, estimate.side), (-2.0, -3.0, -1.5, Side::Upper));
    /// ```
    #[must_use]
    pub fn negated(self) -> Self {
        let side = match self.side {
            Side::Lower => Side::Upper,
            Side::Upper => Side::Lower,
            other => other,
        };
        Self { value: -self.value, low: -self.high, high: -self.low, side, ..self }
    }

    /// The mean of independent terms, with the usual standard error.
    ///
    /// # Examples
    ///
    /// ```
    /// let estimate = gm_core::Estimate::mean(&[1.0, 3.0], gm_core::Side::Unbiased, "average");
    /// assert_eq!((estimate.value, estimate.std_error), (2.0, 1.0));
    /// ```
    #[must_use]
    pub fn mean(terms: &[f64], side: Side, method: &'static str) -> Self {
        let n = terms.len() as f64;
        let value = terms.iter().sum::<f64>() / n;
        let square: f64 = terms.iter().map(|x| (x - value).powi(2)).sum();
        let std_error = if n > 1.0 { (square / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
        let (low, high) = (value - 3.0 * std_error, value + 3.0 * std_error);
        Self { value, std_error, low, high, side, method, samples: terms.len() }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.side == Side::Exact {
            return write!(f, "{:.4} ({}, exact)", self.value, self.method);
        }
        write!(
            f,
            "{:.2} +- {:.2} ({}, {} side, {} runs)",
            self.value, self.std_error, self.method, self.side, self.samples
        )
    }
}

/// The mean of the importance weights of one row, in logarithms.
///
/// # Examples
///
/// ```
/// use gm_core::{LogSum, Weighted};
///
/// // The weights 1 and 3.
/// let (mut sum, mut squares) = (LogSum::default(), LogSum::default());
/// for log_weight in [0.0, 3.0_f64.ln()] {
///     sum.add(log_weight);
///     squares.add(2.0 * log_weight);
/// }
/// let found = Weighted::of_sums(&sum, &squares, 2);
/// assert!((found.value - 2.0_f64.ln()).abs() < 1e-12);
/// assert!((found.std_error - 0.5).abs() < 1e-12 && (found.ess - 1.6).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// The log of the mean weight. It is below the log of the expected weight in expectation.
    pub value: f64,
    /// The standard error of `value`. It is infinite for a single draw.
    pub std_error: f64,
    /// The effective sample size of the weights.
    pub ess: f64,
}

impl Weighted {
    /// The estimate from the sum of the weights of `draws` draws and the sum of the squares of these weights.
    #[must_use]
    pub fn of_sums(sum: &LogSum, squares: &LogSum, draws: usize) -> Self {
        let draws = draws as f64;
        let ess = (2.0 * sum.value() - squares.value()).exp().min(draws);
        let std_error = if draws > 1.0 { ((draws / ess - 1.0) / (draws - 1.0)).sqrt() } else { f64::INFINITY };
        Self { value: sum.value() - draws.ln(), std_error, ess }
    }

    /// A number without statistical error, as `draws` equal weights give it.
    ///
    /// # Examples
    ///
    /// ```
    /// let exact = gm_core::Weighted::exact(-2.5, 100);
    /// assert_eq!((exact.value, exact.std_error, exact.ess), (-2.5, 0.0, 100.0));
    /// ```
    #[must_use]
    pub fn exact(value: f64, draws: usize) -> Self {
        Self { value, std_error: 0.0, ess: draws as f64 }
    }

    /// The estimate of a number that is smaller by `log_partition`, such as log p(v) after log p(v) + log Z.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(gm_core::Weighted::exact(-2.5, 100).normalised(4.0).value, -6.5);
    /// ```
    #[must_use]
    pub fn normalised(self, log_partition: f64) -> Self {
        Self { value: self.value - log_partition, ..self }
    }
}

/// Effective sample size of importance weights, (sum w)^2 / sum w^2.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::weights_ess(&[2.0, 2.0]).round(), 2.0);
/// assert_eq!(gm_core::weights_ess(&[0.0, -800.0]).round(), 1.0);
/// ```
#[must_use]
pub fn weights_ess(log_weights: &[f64]) -> f64 {
    let squares: Vec<f64> = log_weights.iter().map(|w| 2.0 * w).collect();
    (2.0 * log_sum_exp(log_weights) - log_sum_exp(&squares)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_interval_of_weights() {
        let estimate = Estimate::log_mean_weight(&[0.0, (3.0_f64).ln()], "test");
        assert!((estimate.value - 2.0_f64.ln()).abs() < 1e-12);
        assert!((estimate.std_error - 0.5).abs() < 1e-12);
        assert_eq!(estimate.low, f64::NEG_INFINITY);
        assert!((estimate.high - 5.0_f64.ln()).abs() < 1e-12);
        assert_eq!(Estimate::log_mean_weight(&[1.0], "test").std_error, f64::INFINITY);
    }

    #[test]
    fn table_ends_lie_three_standard_errors_from_the_mean() {
        // Weights with mean 1 and standard error 0.1.
        let estimate = Estimate::log_mean_weight(&[0.9_f64.ln(), 1.1_f64.ln()], "test");
        assert!(estimate.value.abs() < 1e-12 && (estimate.std_error - 0.1).abs() < 1e-12);
        assert!((estimate.low - 0.7_f64.ln()).abs() < 1e-12 && (estimate.high - 1.3_f64.ln()).abs() < 1e-12);
        assert_eq!((estimate.side, estimate.samples, estimate.method), (Side::Lower, 2, "test"));
        let mean = Estimate::mean(&[1.0, 2.0, 6.0], Side::Upper, "test");
        // The variance of the terms is (4 + 1 + 9) / 2.
        let std_error = (7.0_f64 / 3.0).sqrt();
        assert_eq!((mean.value, mean.side, mean.samples), (3.0, Side::Upper, 3));
        assert!((mean.std_error - std_error).abs() < 1e-12);
        assert!((mean.low - (3.0 - 3.0 * std_error)).abs() < 1e-12);
        assert!((mean.high - (3.0 + 3.0 * std_error)).abs() < 1e-12);
        assert_eq!(Estimate::mean(&[2.0], Side::Lower, "test").low, f64::NEG_INFINITY);
    }

    #[test]
    fn table_display_names_the_side() {
        let estimate = Estimate::mean(&[1.0, 3.0], Side::Lower, "RAISE");
        assert_eq!(estimate.to_string(), "2.00 +- 1.00 (RAISE, lower side, 2 runs)");
    }
}
