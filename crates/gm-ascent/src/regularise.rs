//! Penalties that keep weights small.

use gm_core::{Result, Stack};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;

/// Penalties on weights; biases are never penalised.
///
/// objective = mean log p - l1 sum |w| - l2 / 2 sum w^2, and after each update the weights that lead into a unit of the
/// upper layer are scaled down where their Euclidean norm exceeds `max_norm`.
///
/// # Examples
///
/// ```
/// use gm_ascent::Regularise;
/// use gm_core::{Matrix, Stack, Vector};
///
/// let weights = Matrix::from_row_slice(2, 2, &[3.0, 0.3, 4.0, 0.4]);
/// let mut stack = Stack::new(vec![weights], vec![Vector::zeros(2), Vector::zeros(2)])?;
/// Regularise { max_norm: Some(1.0), ..Default::default() }.limit_norms(&mut stack);
/// assert!((stack.weights(0)[(1, 0)] - 0.8).abs() < 1e-6);
/// assert_eq!(stack.weights(0)[(1, 1)], 0.4);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Regularise {
    /// Strength of the penalty on absolute values.
    pub l1: f32,
    /// Strength of the penalty on squares.
    pub l2: f32,
    /// The greatest norm of the weights into a unit; no limit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f32>,
}

impl Regularise {
    /// Refuses negative and non-finite strengths.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting.
    pub fn check(&self) -> Result<()> {
        Ranges::of("Regularise")
            .not_negative("l1", self.l1)
            .not_negative("l2", self.l2)
            .positive("max_norm", self.max_norm.unwrap_or(1.0))
            .check()
    }

    /// Whether anything is added to the gradient of a weight.
    pub(crate) fn pulls(&self) -> bool {
        self.l1 != 0.0 || self.l2 != 0.0
    }

    /// What is added to the gradient of a weight.
    #[inline]
    pub(crate) fn pull(&self, weight: f32) -> f32 {
        let sign = if weight == 0.0 { 0.0 } else { 1.0_f32.copysign(weight) };
        -(self.l2 * weight + self.l1 * sign)
    }

    /// Scales down the weights into each unit of an upper layer whose norm exceeds the limit.
    pub fn limit_norms(&self, parameters: &mut Stack) {
        self.limit_norms_from(0, parameters);
    }

    /// [`limit_norms`](Self::limit_norms) of the weights above a layer.
    pub(crate) fn limit_norms_from(&self, first: usize, parameters: &mut Stack) {
        let Some(limit) = self.max_norm.map(f64::from) else { return };
        for l in first..parameters.depth() {
            let rows = parameters.weights(l).nrows();
            parameters.update_weights(l, |weights| {
                weights.as_mut_slice().par_chunks_mut(rows).for_each(|column| limit_norm(column, limit));
            });
        }
    }
}

/// Adds cost (target - mean) to the gradient of each bias of a layer with these means: sparsity, where the target is low.
///
/// # Source
///
/// `lee2008sparse`, section 3.
///
/// # Examples
///
/// ```
/// let mut gradient = [0.0, 1.0];
/// gm_ascent::pull_to_share(&mut gradient, &[0.5, 0.25], 0.25, 2.0);
/// assert_eq!(gradient, [-0.5, 1.0]);
/// ```
pub fn pull_to_share(gradient: &mut [f32], means: &[f32], target: f32, cost: f32) {
    gradient.iter_mut().zip(means).for_each(|(g, mean)| *g += cost * (target - mean));
}

fn limit_norm(column: &mut [f32], limit: f64) {
    let norm = column.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
    if norm > limit {
        let scale = (limit / norm) as f32;
        column.iter_mut().for_each(|w| *w *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_pull_is_towards_zero() {
        let penalty = Regularise { l1: 0.5, l2: 0.25, max_norm: None };
        assert_eq!([-2.0, 0.0, 2.0].map(|w| penalty.pull(w)), [1.0, 0.0, -1.0]);
    }

    #[test]
    fn table_sparsity_pulls_towards_its_share() {
        let mut gradient = [0.0, 1.0];
        pull_to_share(&mut gradient, &[0.5, 0.25], 0.25, 2.0);
        assert_eq!(gradient, [-0.5, 1.0]);
    }
}
