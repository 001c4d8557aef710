//! Weights in fixed point: the sums that determine the steps, rounding, and sums of rounded weights.

use super::logistic::ROUND;
use crate::kernels::{Cell, Half, LANES, PART, Part, Row, Steps};

#[inline(always)]
pub(in crate::kernels) fn magnitudes(weights: &[Part]) -> [Part; 2] {
    let [mut positive, mut all] = [Part::ZERO; 2];
    for weights in weights {
        for lane in 0..PART {
            let weight = weights.0[lane];
            positive.0[lane] += if weight > 0.0 { weight } else { 0.0 };
            all.0[lane] += weight.abs();
        }
    }
    [positive, all]
}

/// Rounds the weights of a part to fixed point and writes them to the units from `first` on of each half. Returns, for
/// each unit, the sum of what rounding added and the sum of what it took away. Weights with a step of 0 become 0.
#[inline(always)]
pub(in crate::kernels) fn round_to_steps(
    weights: &[Part],
    step: &Part,
    first: usize,
    halves: &mut [Half],
) -> [Part; 2] {
    let [mut above, mut below] = [Part::ZERO; 2];
    let per_step = step.0.map(|step| if step > 0.0 { 1.0 / step } else { 0.0 });
    for (weights, half) in weights.iter().zip(halves) {
        let half = &mut half.0[first..first + PART];
        for lane in 0..PART {
            let shifted = weights.0[lane] * per_step[lane] + ROUND;
            let error = (shifted - ROUND) * step.0[lane] - weights.0[lane];
            above.0[lane] += if error > 0.0 { error } else { 0.0 };
            below.0[lane] += if error < 0.0 { -error } else { 0.0 };
            // The low bits of `shifted` hold the steps.
            half[lane] = shifted.to_bits() as i16;
        }
    }
    [above, below]
}

/// Replaces each row by the sums in fixed point times the step of each unit.
#[inline(always)]
pub(in crate::kernels) fn scale_steps(sums: &[Steps], step: &Row, rows: &mut [Row]) {
    for (row, sum) in rows.iter_mut().zip(sums) {
        for lane in 0..LANES {
            row.0[lane] = sum.0[lane] as f32 * step.0[lane];
        }
    }
}
