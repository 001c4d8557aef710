//! Scores and log-probabilities of binary states.

use super::bits::unpack;
use super::logistic::exp_minus;
use super::softplus::F64_LANES;
use crate::kernels::LANES;

/// Replaces the inputs a of 64 units by the scores x - logistic(a) of their states x, and returns the sum of log Ber(x;
/// logistic(a)) over the units of `mask`.
///
/// log Ber(x; logistic(a)) = min(0, +-a) - log(1 + exp(-|a|)), so that mean and probability share one exponential.
#[inline(always)]
pub(in crate::kernels) fn score(inputs: &mut [f32; LANES], states: u64, mask: u64) -> f64 {
    let (states, used) = (unpack(states), unpack(mask));
    let mut wrong_side = [0.0_f32; LANES];
    let mut factors = [0.0_f32; LANES];
    for lane in 0..LANES {
        let a = inputs[lane];
        let e = exp_minus(a.abs());
        let upper = 1.0 / (1.0 + e);
        inputs[lane] = states[lane] - if a < 0.0 { e * upper } else { upper };
        let away = a - 2.0 * states[lane] * a;
        wrong_side[lane] = used[lane] * if away > 0.0 { away } else { 0.0 };
        factors[lane] = used[lane] * e;
    }
    let mut sums = [0.0; F64_LANES];
    let mut product = [1.0; F64_LANES];
    for chunk in 0..LANES / F64_LANES {
        for lane in 0..F64_LANES {
            sums[lane] += f64::from(wrong_side[F64_LANES * chunk + lane]);
            product[lane] *= 1.0 + f64::from(factors[F64_LANES * chunk + lane]);
        }
    }
    // The product of 64 factors of at most 2 is far from overflow.
    let factor: f64 = product.iter().product();
    -sums.iter().sum::<f64>() - factor.ln()
}
