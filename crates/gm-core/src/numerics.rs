//! Scalar functions of probabilities in log space.

/// 1 / (1 + exp(-x)), with the same bits as in the layer engine.
///
/// # Numerics
///
/// Relative error below 3e-7 for |x| < 87; never overflows.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::logistic(0.0), 0.5);
/// assert_eq!(gm_core::logistic(745.0), 1.0);
/// ```
#[must_use]
pub fn logistic(x: f32) -> f32 {
    crate::kernels::logistic_one(x)
}

/// 1 / (1 + exp(-x)) in double precision.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::logistic_f64(-745.0) > 0.0, true);
/// ```
#[must_use]
pub fn logistic_f64(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// log(p / (1 - p)), the inverse of the logistic function.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::logit(0.5), 0.0);
/// assert_eq!(gm_core::logit(1.0), f64::INFINITY);
/// ```
#[must_use]
pub fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

/// log(1 + exp(x)) without overflow.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::softplus(745.0), 745.0);
/// assert_eq!(gm_core::softplus(0.0), 2.0_f64.ln());
/// ```
#[must_use]
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// sum softplus(x), vectorised.
///
/// # Numerics
///
/// Relative error of a few units in the last place of double precision.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::softplus_sum(&[745.0, 0.0]), 745.0 + 2.0_f64.ln());
/// ```
#[must_use]
pub fn softplus_sum(inputs: &[f64]) -> f64 {
    crate::kernels::softplus_sum_f64(inputs)
}

/// log sum exp(x). Without terms it is negative infinity.
///
/// # Examples
///
/// ```
/// let x = gm_core::log_sum_exp(&[1000.0, 1000.0]);
/// assert!((x - (1000.0 + 2.0_f64.ln())).abs() < 1e-12);
/// ```
#[must_use]
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        return if values.iter().any(|x| x.is_nan()) { f64::NAN } else { max };
    }
    max + values.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// The mean of numbers. Without terms it is NaN.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::mean(&[1.0, 2.0, 6.0]), 3.0);
/// ```
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// log of the mean of exp(x). Without terms it is NaN.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::log_mean_exp(&[3.0, 3.0]), 3.0);
/// ```
#[must_use]
pub fn log_mean_exp(values: &[f64]) -> f64 {
    log_sum_exp(values) - (values.len() as f64).ln()
}

/// A running log-sum-exp, which stores its largest term separately.
///
/// # Examples
///
/// ```
/// let mut sum = gm_core::LogSum::default();
/// sum.add(-2000.0);
/// sum.add(-2000.0);
/// assert!((sum.value() + 2000.0 - 2.0_f64.ln()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSum {
    max: f64,
    rest: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self { max: f64::NEG_INFINITY, rest: 0.0 }
    }
}

impl LogSum {
    /// Adds exp(x).
    pub fn add(&mut self, x: f64) {
        if x <= self.max {
            if x > f64::NEG_INFINITY {
                self.rest += (x - self.max).exp();
            }
        } else {
            let shrink = if self.max.is_finite() { (self.max - x).exp() } else { 0.0 };
            self.rest = self.rest * shrink + 1.0;
            self.max = x;
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        if other.rest > 0.0 {
            self.add(other.value());
        }
    }

    /// The logarithm of the sum; negative infinity for no terms.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.rest == 0.0 { f64::NEG_INFINITY } else { self.max + self.rest.ln() }
    }
}

/// The same numbers in double precision.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::widened(&[0.5, -2.0]), [0.5, -2.0]);
/// ```
#[must_use]
pub fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// Root mean square; 0 without numbers.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_core::rms(&[3.0, -3.0]), 3.0);
/// ```
#[must_use]
pub fn rms(values: &[f32]) -> f64 {
    (values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_values_at_extremes() {
        assert_eq!(softplus(-745.0), (-745.0_f64).exp());
        assert!((softplus(25.0) - 25.0 - (-25.0_f64).exp()).abs() < 1e-14);
        assert_eq!(logistic_f64(745.0), 1.0);
        assert!((logit(logistic_f64(-25.0)) + 25.0).abs() < 1e-12);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::INFINITY, 0.0]), f64::INFINITY);
        assert!(log_sum_exp(&[f64::NAN, 0.0]).is_nan());
        assert!(log_mean_exp(&[]).is_nan());
    }

    #[test]
    fn oracle_running_sum_equals_the_whole() {
        let values = [-3.0, 800.0, 799.0, f64::NEG_INFINITY, -1e9, 801.0];
        let mut all = LogSum::default();
        let (mut left, mut right) = (LogSum::default(), LogSum::default());
        for (i, &x) in values.iter().enumerate() {
            all.add(x);
            if i < 3 { left.add(x) } else { right.add(x) }
        }
        left.merge(&right);
        left.merge(&LogSum::default());
        assert!((all.value() - log_sum_exp(&values)).abs() < 1e-12);
        assert!((left.value() - all.value()).abs() < 1e-12);
        assert_eq!(LogSum::default().value(), f64::NEG_INFINITY);
    }
}
