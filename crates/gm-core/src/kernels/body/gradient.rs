//! Sums and corrections that a gradient needs.

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

/// Centres a column of a gradient with respect to weights, given those of the biases below with their offsets, and that of the bias above
/// with its own: see [`crate::centre()`]. Adds the column times the offset above to `below`; the column times what is seen of the offsets below.
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
