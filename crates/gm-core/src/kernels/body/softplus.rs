//! Sums of softplus(x) in double precision, and their change along an annealed path.

use super::logistic::{exp_minus_f64, logistic_one};

/// Independent accumulators of a double-precision sum.
pub(super) const F64_LANES: usize = 8;

/// The number of factors between 1 and 2 in a product before its logarithm is taken.
const FACTORS: usize = 512 * F64_LANES;

/// sum softplus(x) in double precision: the positive parts plus the logarithm of prod (1 + exp(-|x|)).
#[inline(always)]
pub(in crate::kernels) fn softplus_sum(inputs: &[f32]) -> f64 {
    softplus_sum_of(inputs)
}

/// [`softplus_sum`] for inputs in double precision.
#[inline(always)]
pub(in crate::kernels) fn softplus_sum_f64(inputs: &[f64]) -> f64 {
    softplus_sum_of(inputs)
}

#[inline(always)]
fn softplus_sum_of<T: Copy + Into<f64>>(inputs: &[T]) -> f64 {
    let mut total = 0.0;
    for block in inputs.chunks(FACTORS) {
        let mut positive = [0.0; F64_LANES];
        let mut product = [1.0; F64_LANES];
        for chunk in block.chunks(F64_LANES) {
            for (lane, &x) in chunk.iter().enumerate() {
                let x: f64 = x.into();
                positive[lane] += if x > 0.0 { x } else { 0.0 };
                product[lane] *= 1.0 + exp_minus_f64(x.abs());
            }
        }
        for lane in 0..F64_LANES {
            total += positive[lane] + product[lane].ln();
        }
    }
    total
}

/// Changes of inputs below this use [`gain_of_small_step`].
const SMALL_STEP: f32 = 1.0 / 16.0;

/// sum softplus(z(to)) - softplus(z(from)) with z(beta) = beta x + (1 - beta) base.
#[inline(always)]
pub(in crate::kernels) fn softplus_gain(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let farthest = inputs.iter().zip(base).fold(0.0, |far: f32, (x, base)| {
        let apart = (x - base).abs();
        if apart > far { apart } else { far }
    });
    if farthest * ((to - from).abs() as f32) < SMALL_STEP {
        gain_of_small_step(inputs, base, from, to)
    } else {
        gain_of_large_step(inputs, base, from, to)
    }
}

/// The gain by the midpoint rule with its first correction. With d = z(to) - z(from) and the mean p halfway it is d p
/// (1 + d^2 / 24 (1 - p) (1 - 2 p)), with a relative error of about d^4 / 1920.
#[inline(always)]
fn gain_of_small_step(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let (halfway, step) = ((0.5 * (from + to)) as f32, (to - from) as f32);
    let (rest, curvature) = (1.0 - halfway, step * step / 24.0);
    let mut sums = [0.0; 2 * F64_LANES];
    for (chunk, base) in inputs.chunks(2 * F64_LANES).zip(base.chunks(2 * F64_LANES)) {
        for (lane, (&x, &base)) in chunk.iter().zip(base).enumerate() {
            let apart = x - base;
            let p = logistic_one(halfway * x + rest * base);
            let correction = curvature * (apart * apart) * ((1.0 - p) * (1.0 - 2.0 * p));
            sums[lane] += f64::from(apart * p * (1.0 + correction));
        }
    }
    (to - from) * sums.iter().sum::<f64>()
}

/// The gain in double precision as the logarithm of a ratio of products.
#[inline(always)]
fn gain_of_large_step(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let mut total = 0.0;
    for (block, base) in inputs.chunks(FACTORS).zip(base.chunks(FACTORS)) {
        let mut positive = [0.0; F64_LANES];
        let mut above = [1.0; F64_LANES];
        let mut below = [1.0; F64_LANES];
        for (chunk, base) in block.chunks(F64_LANES).zip(base.chunks(F64_LANES)) {
            for (lane, (&x, &base)) in chunk.iter().zip(base).enumerate() {
                let (x, base) = (f64::from(x), f64::from(base));
                let old = from * x + (1.0 - from) * base;
                let new = to * x + (1.0 - to) * base;
                positive[lane] += if new > 0.0 { new } else { 0.0 } - if old > 0.0 { old } else { 0.0 };
                above[lane] *= 1.0 + exp_minus_f64(new.abs());
                below[lane] *= 1.0 + exp_minus_f64(old.abs());
            }
        }
        for lane in 0..F64_LANES {
            total += positive[lane] + (above[lane] / below[lane]).ln();
        }
    }
    total
}
