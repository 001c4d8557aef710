//! Tests of hypotheses whose failures print everything needed to judge and repeat them.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::beta_reg;

/// Cells with a smaller expected count are pooled. Below it the chi-squared distribution does not hold.
const LEAST_EXPECTED: f64 = 5.0;

/// The result of a test. Every statistic here follows a chi-squared distribution when the null hypothesis is true.
///
/// # Examples
///
/// ```
/// let fair = gm_testkit::chi_squared_test(&[480, 520], &[0.5, 0.5]);
/// assert!((fair.statistic - 1.6).abs() < 1e-12);
/// assert_eq!((fair.degrees, fair.samples), (1, 1000));
/// fair.assert_passes(1e-6, 0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// The subject of the test.
    pub what: String,
    /// The statistic. It is infinite when an impossible outcome occurred.
    pub statistic: f64,
    /// The degrees of freedom of its chi-squared distribution.
    pub degrees: usize,
    /// The number of tests among which the statistic is the largest. The p-value is multiplied by it (Bonferroni).
    pub comparisons: usize,
    /// The probability of a statistic at least this large if the null hypothesis is true.
    pub p_value: f64,
    /// The number of draws.
    pub samples: u64,
}

impl TestResult {
    fn new(what: &str, statistic: f64, degrees: usize, samples: u64) -> Self {
        let p_value = if degrees == 0 { f64::from(statistic <= 0.0) } else { chi_squared(degrees).sf(statistic) };
        Self { what: what.into(), statistic, degrees, comparisons: 1, p_value, samples }
    }

    /// The result of several tests, from the least p-value, as a chi-squared statistic of one degree.
    fn from_p_value(what: &str, p_value: f64, comparisons: usize, samples: u64) -> Self {
        let deviate = Normal::standard().inverse_cdf(p_value / 2.0);
        let p_value = (p_value * comparisons as f64).min(1.0);
        Self { what: what.into(), statistic: deviate * deviate, degrees: 1, comparisons, p_value, samples }
    }

    /// Combines independent chi-squared tests: statistics and degrees of freedom add up.
    #[must_use]
    pub fn combined(what: &str, results: &[Self]) -> Self {
        let statistic = results.iter().map(|r| r.statistic).sum();
        let degrees = results.iter().map(|r| r.degrees).sum();
        Self::new(what, statistic, degrees, results.iter().map(|r| r.samples).sum())
    }

    /// The same result under another name.
    #[must_use]
    pub fn named(self, what: impl Into<String>) -> Self {
        Self { what: what.into(), ..self }
    }

    /// The statistic that is exceeded with probability alpha if the null hypothesis is true.
    #[must_use]
    pub fn threshold(&self, alpha: f64) -> f64 {
        if self.degrees == 0 {
            return 0.0;
        }
        chi_squared(self.degrees).inverse_cdf(1.0 - alpha / self.comparisons as f64)
    }

    /// True if the null hypothesis stands at level alpha.
    #[must_use]
    pub fn passes(&self, alpha: f64) -> bool {
        self.p_value >= alpha
    }

    /// Panics unless the null hypothesis stands at level alpha.
    ///
    /// # Panics
    ///
    /// When the null hypothesis is rejected, with the statistic, its threshold, the seed and the number of draws.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// gm_testkit::chi_squared_test(&[900, 100], &[0.5, 0.5]).assert_passes(1e-6, 7);
    /// ```
    #[track_caller]
    pub fn assert_passes(&self, alpha: f64, seed: u64) {
        assert!(self.passes(alpha), "{}", self.failure(alpha, seed));
    }

    /// The text of a failure.
    #[must_use]
    pub fn failure(&self, alpha: f64, seed: u64) -> String {
        format!(
            "{}: statistic {:.2} exceeds the threshold {:.2} (chi-squared, {} degrees of freedom, the largest of {}; \
             p = {:.1e}, alpha = {alpha:.0e}, seed {seed}, n = {})",
            self.what,
            self.statistic,
            self.threshold(alpha),
            self.degrees,
            self.comparisons,
            self.p_value,
            self.samples
        )
    }
}

/// Pearson's test of counts against the probabilities of their cells: statistic = sum (observed - expected)^2 /
/// expected over pooled cells.
///
/// # Numerics
///
/// Cells are taken in order of their probability and joined until each group expects at least 5 draws. A draw in a cell
/// of probability zero makes the statistic infinite. With hundreds of cells that expect little more than 5 draws, the
/// spread of the statistic is 2 % wider than that of the chi-squared distribution (measured over 6,000 repeats). This
/// raises a true alpha of 1e-3 by about a sixth and, extrapolated, an alpha of 1e-6 to about 2e-6.
///
/// # Panics
///
/// When lengths differ, when nothing was observed, or when the probabilities do not sum to 1.
///
/// # Examples
///
/// ```
/// use gm_testkit::chi_squared_test;
///
/// assert!(!chi_squared_test(&[700, 300], &[0.5, 0.5]).passes(1e-6));
/// assert_eq!(chi_squared_test(&[999, 1], &[1.0, 0.0]).p_value, 0.0);
/// ```
#[must_use]
pub fn chi_squared_test(observed: &[u64], expected_prob: &[f64]) -> TestResult {
    assert!(observed.len() == expected_prob.len(), "{} counts, {} cells", observed.len(), expected_prob.len());
    let samples: u64 = observed.iter().sum();
    let total: f64 = expected_prob.iter().sum();
    assert!(samples > 0 && (total - 1.0).abs() < 1e-6, "{samples} draws, probabilities that sum to {total}");
    let possible = |i: &usize| expected_prob[*i] > 0.0;
    if (0..observed.len()).any(|i| observed[i] > 0 && !possible(&i)) {
        return TestResult::new("chi-squared", f64::INFINITY, 1, samples);
    }
    let cells = (0..observed.len()).filter(possible);
    let groups = pooled(cells.map(|i| (expected_prob[i] * samples as f64, [observed[i]])).collect());
    let statistic = groups.iter().map(|(e, [o])| (*o as f64 - e).powi(2) / e).sum();
    TestResult::new("chi-squared", statistic, groups.len() - 1, samples)
}

/// Tests whether two sets of counts over the same cells come from one distribution (test of homogeneity).
///
/// # Numerics
///
/// Cells are pooled until the smaller sample expects at least 5 draws in each group.
///
/// # Panics
///
/// When lengths differ or a sample is empty.
///
/// # Examples
///
/// ```
/// assert!(gm_testkit::two_sample_test(&[50, 51], &[500, 502]).passes(0.5));
/// assert!(!gm_testkit::two_sample_test(&[90, 10], &[500, 502]).passes(1e-6));
/// ```
#[must_use]
pub fn two_sample_test(a: &[u64], b: &[u64]) -> TestResult {
    assert!(a.len() == b.len(), "{} cells, {} cells", a.len(), b.len());
    let (n_a, n_b) = (a.iter().sum::<u64>() as f64, b.iter().sum::<u64>() as f64);
    assert!(n_a > 0.0 && n_b > 0.0, "an empty sample");
    let total = n_a + n_b;
    let least = n_a.min(n_b) / total;
    let cells = a.iter().zip(b).filter(|(a, b)| *a + *b > 0);
    let groups = pooled(cells.map(|(&a, &b)| ((a + b) as f64 * least, [a, b])).collect());
    let term = |observed: u64, expected: f64| (observed as f64 - expected).powi(2) / expected;
    let in_group = |&(_, [a, b]): &(f64, [u64; 2])| {
        let both = (a + b) as f64 / total;
        term(a, both * n_a) + term(b, both * n_b)
    };
    TestResult::new("two samples", groups.iter().map(in_group).sum(), groups.len() - 1, total as u64)
}

/// Joins cells, smallest first, until each group expects enough draws. The remaining cells join the last group.
fn pooled<const K: usize>(mut cells: Vec<(f64, [u64; K])>) -> Vec<(f64, [u64; K])> {
    cells.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<(f64, [u64; K])> = Vec::new();
    for (expected, observed) in cells {
        match groups.last_mut() {
            Some(group) if group.0 < LEAST_EXPECTED => join(group, expected, observed),
            _ => groups.push((expected, observed)),
        }
    }
    if groups.len() > 1 && groups.last().is_some_and(|group| group.0 < LEAST_EXPECTED) {
        let (expected, observed) = groups.pop().expect("more than one group");
        join(groups.last_mut().expect("more than one group"), expected, observed);
    }
    groups
}

fn join<const K: usize>(group: &mut (f64, [u64; K]), expected: f64, observed: [u64; K]) {
    group.0 += expected;
    group.1.iter_mut().zip(observed).for_each(|(sum, o)| *sum += o);
}

/// Tests whether each count of successes fits its own probability: exact binomial tails, Bonferroni over units.
///
/// # Numerics
///
/// The p-value of a unit is twice its smaller tail. The statistic is the squared normal deviate of the least p-value.
///
/// # Panics
///
/// When lengths differ or there is nothing to test.
///
/// # Examples
///
/// ```
/// use gm_testkit::binomial_test;
///
/// assert!(binomial_test(&[52, 9], &[100, 100], &[0.5, 0.1]).passes(0.1));
/// assert!(!binomial_test(&[52, 60], &[100, 100], &[0.5, 0.1]).passes(1e-6));
/// ```
#[must_use]
pub fn binomial_test(successes: &[u64], trials: &[u64], probabilities: &[f64]) -> TestResult {
    let n = probabilities.len();
    assert!(n > 0 && successes.len() == n && trials.len() == n, "lengths differ or are zero");
    let p_values = (0..n).map(|i| binomial_p_value(successes[i], trials[i], probabilities[i]));
    TestResult::from_p_value("binomial", p_values.fold(1.0, f64::min), n, trials.iter().sum())
}

fn binomial_p_value(successes: u64, trials: u64, p: f64) -> f64 {
    let at_least = binomial_tail(successes, trials, p);
    let at_most = binomial_tail(trials - successes, trials, 1.0 - p);
    (2.0 * at_least.min(at_most)).min(1.0)
}

/// P(X >= k), the regularised incomplete beta function I_p(k, n - k + 1).
fn binomial_tail(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if p <= 0.0 || p >= 1.0 {
        return f64::from(p >= 1.0);
    }
    beta_reg(k as f64, (n - k + 1) as f64, p)
}

/// Tests whether independent draws have the expected mean, by Student's test.
///
/// # Numerics
///
/// The statistic is the squared normal deviate of the same p-value. Distributions with heavy tails need many draws.
/// Draws that are all equal pass only if they equal the mean to 12 digits.
///
/// # Panics
///
/// With fewer than two draws.
///
/// # Examples
///
/// ```
/// let draws: Vec<f64> = (0..1000).map(|i| f64::from(i % 10)).collect();
/// assert!(gm_testkit::mean_test(&draws, 4.5).passes(0.9));
/// assert!(!gm_testkit::mean_test(&draws, 5.2).passes(1e-6));
/// ```
#[must_use]
pub fn mean_test(draws: &[f64], expected: f64) -> TestResult {
    assert!(draws.len() > 1, "{} draws, two or more are needed", draws.len());
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let rounding = 1e-12 * expected.abs().max(mean.abs());
    let p_value = if error > rounding {
        2.0 * student(n - 1.0).sf((mean - expected).abs() / error)
    } else {
        f64::from((mean - expected).abs() <= rounding)
    };
    TestResult::from_p_value("mean", p_value.min(1.0), 1, draws.len() as u64)
}

fn chi_squared(degrees: usize) -> ChiSquared {
    ChiSquared::new(degrees as f64).expect("degrees of freedom are positive")
}

fn student(degrees: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees).expect("degrees of freedom are positive")
}
