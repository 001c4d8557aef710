//! Counts of successes.

use rand_distr::{Binomial as Counts, Distribution};

use super::kind::{UnitKind, UnitParameter};
use crate::numerics::{logistic_f64, logit, softplus};
use crate::streams::Stream;

/// Counts from 0 to n, with energy -theta x - ln C(n, x): the sum of n Bernoulli units with the same weights.
///
/// # Source
///
/// `teh2001rate`.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Binomial, UnitKind};
///
/// let mut mean = [0.0];
/// Binomial::new(10)?.mean(&[0.0], &[0.0], &mut mean);
/// assert_eq!(mean, [5.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Binomial {
    trials: u32,
}

impl Binomial {
    /// Counts up to `trials`.
    ///
    /// # Errors
    ///
    /// [`Error::Param`](crate::Error::Param) for none, and for more than a million.
    pub fn new(trials: usize) -> crate::Result<Self> {
        match u32::try_from(trials) {
            Ok(trials @ 1..=1_000_000) => Ok(Self { trials }),
            _ => {
                let (op, arg, value) = ("Binomial::new", "trials", trials.to_string());
                Err(crate::Error::Param { op, arg, value, allowed: "1 to 1000000" })
            }
        }
    }

    fn n(self) -> f64 {
        f64::from(self.trials)
    }
}

impl UnitKind for Binomial {
    fn name(&self) -> String {
        format!("binomial:{}", self.trials)
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta")] }
    }

    fn contains(&self, state: &[f64]) -> bool {
        state[0] >= 0.0 && state[0] <= self.n() && state[0].fract() == 0.0
    }

    fn states(&self) -> Option<Vec<Vec<f64>>> {
        Some((0..=self.trials).map(|x| vec![f64::from(x)]).collect())
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
    }

    fn log_measure(&self, state: &[f64]) -> f64 {
        let log_factorial = |x: f64| libm::lgamma(x + 1.0);
        log_factorial(self.n()) - log_factorial(state[0]) - log_factorial(self.n() - state[0])
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        self.n() * softplus(parameters[0] + input[0])
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = self.n() * logistic_f64(parameters[0] + input[0]);
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        let x = parameters[0] + input[0];
        variance[0] = self.n() * logistic_f64(x) * logistic_f64(-x);
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        mode[0] = ((self.n() + 1.0) * logistic_f64(parameters[0] + input[0])).floor().min(self.n());
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        self.mean(parameters, input, statistics);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let p = logistic_f64(parameters[0] + input[0]);
        // A logistic of numbers is a probability, so there is no error to report; NaN draws 0.
        state[0] = Counts::new(u64::from(self.trials), p).map_or(0.0, |counts| counts.sample(stream) as f64);
    }

    fn independent(&self, mean: &[f64], _variance: &[f64]) -> Vec<f64> {
        vec![logit((mean[0] / self.n()).clamp(0.001, 0.999))]
    }
}
