//! Checks of stochastic bounds: log-weights whose weights are unbiased.

/// The most standard errors between an estimate and the truth: the normal quantile of 2e-9.
const FAR: f64 = 6.0;

/// The weights in proportion to the truth, exp(sign (log w - log Z)). Their expectation is 1 for an unbiased estimate of
/// Z, and with the sign -1 for an unbiased estimate of 1 / Z.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_testkit::weight_ratios(&[0.0, 2.0_f64.ln()], 0.0, -1.0), [1.0, 0.5]);
/// ```
#[must_use]
pub fn weight_ratios(log_weights: &[f64], exact: f64, sign: f64) -> Vec<f64> {
    log_weights.iter().map(|weight| (sign * (weight - exact)).exp()).collect()
}

/// Asserts that the mean of log-weights is below the truth, or above it if `sign` is -1. Where they spread widely, the
/// gap must be large against its error, since the logarithm is concave.
///
/// # Panics
///
/// Unless it is, with `what` in the message.
///
/// # Examples
///
/// ```
/// gm_testkit::assert_side(&[-1.0, 0.5], 0.0, 1.0, "below 0");
/// ```
pub fn assert_side(found: &[f64], exact: f64, sign: f64, what: &str) {
    let n = found.len() as f64;
    let gaps: Vec<f64> = found.iter().map(|found| sign * (exact - found)).collect();
    let gap = gaps.iter().sum::<f64>() / n;
    let spread = (gaps.iter().map(|x| (x - gap).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let least = if spread > 0.3 { 0.01 } else { -FAR * spread / n.sqrt() - 1e-5 };
    assert!(gap > least, "{what}: a gap of {gap} with a spread of {spread} over {n} log-weights");
}
