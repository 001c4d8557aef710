//! Stops training that has gone astray before it can spoil anything.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The greatest root mean square of the weights between two layers. Weights of this size make every unit
/// deterministic; training does not come back from there.
const WEIGHT_LIMIT: f64 = 1e3;

/// The greatest root mean square of the biases of a layer; biases outweigh whole rows of weights.
const BIAS_LIMIT: f64 = 1e5;

/// Numbers that one task adds up; fixed, so that threads do not matter.
const CHUNK: usize = 1 << 14;

/// Partial sums that are kept side by side, so that the compiler can add them at once.
const LANES: usize = 8;

/// Refuses parameters that are NaN, infinite, or so large that training has diverged: root mean square above 1,000
/// for weights and 100,000 for biases.
///
/// # Errors
///
/// [`Error::Diverged`] with the number of updates made and the tensor.
pub(crate) fn check_health(tensors: &[(String, &[f32])], step: u64) -> Result<()> {
    for (name, values) in tensors {
        let limit = if name.contains("weights.") { WEIGHT_LIMIT } else { BIAS_LIMIT };
        let rms = (sum_of_squares(values) / values.len() as f64).sqrt();
        if rms.is_nan() || rms > limit {
            return Err(Error::Diverged { step, tensor: name.clone(), rms, limit });
        }
    }
    Ok(())
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
    use gm_ascent::named;

    #[test]
    fn rejects_what_is_not_finite_or_too_large() {
        let mut stack = Stack::zeros(&[3, 2]).unwrap();
        let check = |stack: &Stack, step| check_health(&named(stack).collect::<Vec<_>>(), step);
        assert!(check(&stack, 7).is_ok());
        stack.bias_mut(1).fill(2e5);
        let error = check(&stack, 7).unwrap_err().to_string();
        assert_eq!(
            error,
            "training diverged at update 7: `bias.1` has root mean square 200000, allowed up to 100000; \
             lower the learning rate or add a penalty on weights"
        );
        stack.update_weights(0, |w| w[(1, 1)] = f32::NAN);
        let error = check(&stack, 8).unwrap_err().to_string();
        assert!(error.starts_with("training diverged at update 8: `weights.0` has root mean square NaN"), "{error}");
        stack.update_weights(0, |w| w[(1, 1)] = f32::INFINITY);
        assert!(check(&stack, 8).is_err());
    }

    #[test]
    fn oracle_sums_of_squares() {
        let values: Vec<f32> = (0..40_003).map(|i| (i % 17) as f32).collect();
        let naive: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(&values) - naive).abs() < 1e-6);
    }
}
