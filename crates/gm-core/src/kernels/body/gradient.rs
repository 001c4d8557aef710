//! Sums over samples and the centring of a gradient.

use crate::kernels::{LANES, PART, Row};

/// Adds up rows in double precision, one after the other.
#[inline(always)]
pub(in crate::kernels) fn add_up(rows: &[Row]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for row in rows {
        for (sum, &value) in sums.iter_mut().zip(&row.0) {
            *sum += f64::from(value);
        }
    }
    sums
}

/// Multiplies each row by its weight, and adds up the products in double precision.
#[inline(always)]
pub(in crate::kernels) fn weigh(rows: &mut [Row], weights: &[f32]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (row, &weight) in rows.iter_mut().zip(weights) {
        for (value, sum) in row.0.iter_mut().zip(&mut sums) {
            *value *= weight;
            *sum += f64::from(*value);
        }
    }
    sums
}

/// The sums over `count` neighbouring rows, each times its weight, beginning with +0.
#[inline(always)]
pub(in crate::kernels) fn weigh_neighbours(rows: &[Row], weights: &[f32], count: usize, out: &mut [Row]) {
    for ((rows, weights), out) in rows.chunks(count).zip(weights.chunks(count)).zip(out) {
        let mut sums = [0.0; LANES];
        for (row, &weight) in rows.iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(&row.0) {
                *sum += weight * value;
            }
        }
        out.0 = sums;
    }
}

/// Centres a column of the gradient with respect to the weights: see [`crate::centre()`]. `lower` holds the gradients
/// of the biases below and their offsets, `upper` the gradient and the offset of the unit above. Adds the column times
/// the offset above to `below`, and returns the product of the column and `seen`, the offsets below as the layer above
/// sees them.
#[inline(always)]
pub(in crate::kernels) fn centre(
    column: &mut [f32],
    (biases, offsets): (&[f32], &[f32]),
    (bias, offset): (f32, f32),
    (below, seen): (&mut [f32], &[f32]),
) -> f32 {
    let mut sums = [0.0; PART];
    let centred = |value: f32, below: (f32, f32)| value - (below.0 * offset + below.1 * bias);
    let (whole, rest) = column.as_chunks_mut::<PART>();
    let done = PART * whole.len();
    for (n, column) in whole.iter_mut().enumerate() {
        let first = PART * n;
        let (biases, offsets) = (&biases[first..first + PART], &offsets[first..first + PART]);
        let (below, seen) = (&mut below[first..first + PART], &seen[first..first + PART]);
        for lane in 0..PART {
            let value = centred(column[lane], (biases[lane], offsets[lane]));
            column[lane] = value;
            below[lane] += offset * value;
            sums[lane] += value * seen[lane];
        }
    }
    for (lane, value) in rest.iter_mut().enumerate() {
        let unit = done + lane;
        *value = centred(*value, (biases[unit], offsets[unit]));
        below[unit] += offset * *value;
        sums[lane] += *value * seen[unit];
    }
    sums.iter().sum()
}
