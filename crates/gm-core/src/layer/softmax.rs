//! Groups of units of which exactly one is on.

use rand::RngExt;

use super::kind::{UnitKind, UnitParameter};
use crate::numerics::log_sum_exp;
use crate::streams::Stream;

/// Groups of units of which exactly one is on, with energy -theta' x: Potts units, categories, letters of a sequence.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Softmax, UnitKind};
///
/// let mut mean = [0.0; 3];
/// Softmax::new(3)?.mean(&[0.0; 3], &[0.0, 2.0_f64.ln(), 0.0], &mut mean);
/// assert!((mean[1] - 0.5).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    categories: usize,
}

impl Softmax {
    /// Groups of so many units.
    ///
    /// # Errors
    ///
    /// [`Error::Param`](crate::Error::Param) for less than 2.
    pub fn new(categories: usize) -> crate::Result<Self> {
        if categories >= 2 {
            return Ok(Self { categories });
        }
        let (op, arg, value) = ("Softmax::new", "categories", categories.to_string());
        Err(crate::Error::Param { op, arg, value, allowed: "2 or more" })
    }

    /// The sums of parameters and inputs, written over `into`, and the logarithm of the sum of their exponentials.
    fn inputs(parameters: &[f64], input: &[f64], into: &mut [f64]) -> f64 {
        into.iter_mut().zip(parameters.iter().zip(input)).for_each(|(x, (theta, input))| *x = theta + input);
        log_sum_exp(into)
    }
}

impl UnitKind for Softmax {
    fn name(&self) -> String {
        format!("softmax:{}", self.categories)
    }

    fn width(&self) -> usize {
        self.categories
    }

    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta")] }
    }

    fn is_one_hot(&self) -> bool {
        true
    }

    fn is_binary(&self) -> bool {
        true
    }

    fn contains(&self, state: &[f64]) -> bool {
        state.iter().all(|&x| x == 0.0 || x == 1.0) && state.iter().sum::<f64>() == 1.0
    }

    fn states(&self) -> Option<Vec<Vec<f64>>> {
        let state = |on: usize| (0..self.categories).map(|k| f64::from(u8::from(k == on))).collect();
        Some((0..self.categories).map(state).collect())
    }

    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics.copy_from_slice(state);
    }

    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        let sum = |k: usize| parameters[k] + input[k];
        let highest = (0..self.categories).map(sum).fold(f64::NEG_INFINITY, f64::max);
        highest + (0..self.categories).map(|k| (sum(k) - highest).exp()).sum::<f64>().ln()
    }

    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        let log_sum = Self::inputs(parameters, input, mean);
        mean.iter_mut().for_each(|x| *x = (*x - log_sum).exp());
    }

    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        self.mean(parameters, input, variance);
        variance.iter_mut().for_each(|p| *p *= 1.0 - *p);
    }

    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        Self::inputs(parameters, input, mode);
        let best = (1..mode.len()).fold(0, |best, k| if mode[k] > mode[best] { k } else { best });
        mode.iter_mut().enumerate().for_each(|(k, x)| *x = f64::from(u8::from(k == best)));
    }

    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        self.mean(parameters, input, statistics);
    }

    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let highest =
            parameters.iter().zip(input).map(|(theta, input)| theta + input).fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (x, (theta, input)) in state.iter_mut().zip(parameters.iter().zip(input)) {
            total += (theta + input - highest).exp();
            *x = total;
        }
        let point = stream.random::<f64>() * total;
        let on = state.iter().position(|&upto| point < upto).unwrap_or(state.len() - 1);
        state.iter_mut().enumerate().for_each(|(k, x)| *x = f64::from(u8::from(k == on)));
    }

    fn independent(&self, mean: &[f64], _variance: &[f64]) -> Vec<f64> {
        let logs: Vec<f64> = mean.iter().map(|mean| mean.max(0.001).ln()).collect();
        let middle = logs.iter().sum::<f64>() / logs.len() as f64;
        logs.iter().map(|log| log - middle).collect()
    }
}
