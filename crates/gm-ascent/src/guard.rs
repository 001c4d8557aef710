//! Finds parameters that have gone astray before they can spoil anything.

use rayon::prelude::*;

/// The greatest root mean square of the weights between two layers. Weights of this size make every unit
/// deterministic; training does not come back from there.
const WEIGHT_LIMIT: f64 = 1e3;

/// The greatest root mean square of the biases of a layer; biases outweigh whole rows of weights.
const BIAS_LIMIT: f64 = 1e5;

/// Numbers that one task adds up; fixed, so that threads do not matter.
const CHUNK: usize = 1 << 14;

/// Partial sums that are kept side by side, so that the compiler can add them at once.
const LANES: usize = 8;

/// A tensor that has become NaN, infinite or so large that training has diverged.
///
/// # Examples
///
/// ```
/// use gm_ascent::Divergence;
/// use gm_core::Stack;
///
/// let mut stack = Stack::zeros(&[3, 2])?;
/// stack.bias_mut(1).fill(2e5);
/// let found = Divergence::find(gm_ascent::named(&stack));
/// assert_eq!(found, Some(Divergence { tensor: "bias.1".into(), rms: 2e5, limit: 1e5 }));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The name of the tensor.
    pub tensor: String,
    /// Its root mean square.
    pub rms: f64,
    /// The limit: 1,000 for weights and 100,000 for biases.
    pub limit: f64,
}

impl Divergence {
    /// The first tensor that has diverged, if one has.
    pub fn find<'a>(tensors: impl IntoIterator<Item = (String, &'a [f32])>) -> Option<Self> {
        tensors.into_iter().find_map(|(tensor, values)| {
            let limit = if ["weights.", "within."].iter().any(|kind| tensor.contains(kind)) {
                WEIGHT_LIMIT
            } else {
                BIAS_LIMIT
            };
            let rms = (sum_of_squares(values) / values.len() as f64).sqrt();
            (rms.is_nan() || rms > limit).then_some(Self { tensor, rms, limit })
        })
    }
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let chunks: Vec<f64> = values.par_chunks(CHUNK).map(sum_of_chunk).collect();
    chunks.iter().sum()
}

fn sum_of_chunk(values: &[f32]) -> f64 {
    let (lanes, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lane in lanes {
        for (sum, &x) in sums.iter_mut().zip(lane) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use gm_core::Stack;

    use super::*;
    use crate::ascent::named;

    #[test]
    fn table_what_is_not_finite_or_too_large_has_diverged() {
        let mut stack = Stack::zeros(&[3, 2]).unwrap();
        let find = |stack: &Stack| Divergence::find(named(stack));
        assert_eq!(find(&stack), None);
        stack.bias_mut(1).fill(2e5);
        assert_eq!(find(&stack), Some(Divergence { tensor: "bias.1".into(), rms: 2e5, limit: 1e5 }));
        stack.update_weights(0, |w| w[(1, 1)] = f32::NAN);
        assert!(find(&stack).is_some_and(|found| found.tensor == "weights.0" && found.rms.is_nan()));
        stack.update_weights(0, |w| w[(1, 1)] = f32::INFINITY);
        assert!(find(&stack).is_some_and(|found| found.tensor == "weights.0"));
    }

    #[test]
    fn oracle_sums_of_squares() {
        let values: Vec<f32> = (0..40_003).map(|i| (i % 17) as f32).collect();
        let naive: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(&values) - naive).abs() < 1e-6);
    }
}
