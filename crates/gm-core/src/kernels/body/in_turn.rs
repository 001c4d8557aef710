//! Units of a panel that depend on the units before them.

use crate::kernels::{LANES, Row};

/// Adds, for each sample, the weights of its inputs that are on to the inputs of a panel, in the order of the inputs.
///
/// `weights[i]` are the weights of the input of bit i.
#[inline(always)]
pub(in crate::kernels) fn add_where(rows: &mut [Row], weights: &[Row], words: &[u64]) {
    for (row, &word) in rows.iter_mut().zip(words) {
        let mut rest = word;
        while rest != 0 {
            add(row, &weights[rest.trailing_zeros() as usize], 0);
            rest &= rest - 1;
        }
    }
}

/// Draws the first `used` units of a panel one after the other: a unit is on if its input exceeds its threshold, and its
/// weights are then added to the inputs of the units behind it.
///
/// `weights[i]` are the weights of unit i to the units of the panel, 0 up to unit i itself.
#[inline(always)]
pub(in crate::kernels) fn draw_in_turn(
    rows: &mut [Row],
    weights: &[Row],
    thresholds: &[Row],
    used: usize,
    words: &mut [u64],
) {
    for ((row, thresholds), word) in rows.iter_mut().zip(thresholds).zip(words) {
        *word = 0;
        for (unit, weights) in weights[..used].iter().enumerate() {
            if row.0[unit] > thresholds.0[unit] {
                *word |= 1 << unit;
                add(row, weights, unit / STEP * STEP);
            }
        }
    }
}

/// Units that are added together, so that the units in front of them are left out in whole steps.
const STEP: usize = 16;

#[inline(always)]
fn add(row: &mut Row, weights: &Row, from: usize) {
    for (sums, weights) in row.0[from..LANES].chunks_exact_mut(STEP).zip(weights.0[from..LANES].chunks_exact(STEP)) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
    }
}
