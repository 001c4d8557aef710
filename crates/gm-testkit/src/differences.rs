//! Numerical derivatives, and comparisons whose failures name the difference.

/// The gradient of a function by central differences with one Richardson step.
///
/// D(h) = (f(x + h) - f(x - h)) / (2 h), and the result is (4 D(h / 2) - D(h)) / 3.
///
/// # Numerics
///
/// The truncation error is of order h^4, the rounding error of order 1e-16 |f| / h. With h = 1e-2 this is about 1e-9
/// for functions of order one. The cost is four evaluations for each coordinate.
///
/// # Examples
///
/// ```
/// let gradient = gm_testkit::central_difference(|x| x[0] * x[0] * x[1], &[3.0, 2.0], 1e-2);
/// assert!((gradient[0] - 12.0).abs() < 1e-9 && (gradient[1] - 9.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn central_difference(mut f: impl FnMut(&[f64]) -> f64, x: &[f64], step: f64) -> Vec<f64> {
    let mut at = x.to_vec();
    let mut slope = |i: usize, h: f64| {
        at[i] = x[i] + h;
        let above = f(&at);
        at[i] = x[i] - h;
        let below = f(&at);
        at[i] = x[i];
        (above - below) / (2.0 * h)
    };
    (0..x.len()).map(|i| (4.0 * slope(i, step / 2.0) - slope(i, step)) / 3.0).collect()
}

/// Panics unless |a - b| <= absolute + relative * max(|a|, |b|).
///
/// # Panics
///
/// When the numbers are not close, with both numbers, their difference and the allowed difference.
///
/// # Examples
///
/// ```
/// gm_testkit::assert_close(1.0, 1.0 + 1e-13, 0.0, 1e-12, "log partition");
/// ```
///
/// ```should_panic
/// gm_testkit::assert_close(1.0, f64::NAN, 0.0, 1e-12, "log partition");
/// ```
#[track_caller]
pub fn assert_close(a: f64, b: f64, relative: f64, absolute: f64, what: &str) {
    let allowed = absolute + relative * a.abs().max(b.abs());
    let difference = (a - b).abs();
    // Equal infinities are close. NaN is close to nothing.
    assert!(a == b || difference <= allowed, "{what}: {a} and {b} differ by {difference:e}, allowed {allowed:e}");
}

/// [`assert_close`] for lists. The failure names the position.
///
/// # Panics
///
/// When lengths differ or a pair is not close.
#[track_caller]
pub fn assert_all_close(a: &[f64], b: &[f64], relative: f64, absolute: f64, what: &str) {
    assert!(a.len() == b.len(), "{what}: lengths {} and {} differ", a.len(), b.len());
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        assert_close(a, b, relative, absolute, &format!("{what}[{i}]"));
    }
}
