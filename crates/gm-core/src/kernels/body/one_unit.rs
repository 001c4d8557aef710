//! Sums of the weights of one unit.

use super::bits::unpack;
use super::cell::add;
use crate::kernels::{ADDED, PART, TILE};

/// `sum` plus the weights of one unit's inputs that are on, added in the order of [`accumulate`](super::accumulate()).
/// All weights must be finite.
///
/// `words[t * stride]` holds the inputs of tile t.
#[inline(always)]
pub(in crate::kernels) fn add_in_order(words: &[u64], stride: usize, weights: &[[f32; TILE]], mut sum: f32) -> f32 {
    for (&word, weights) in words.iter().step_by(stride).zip(weights) {
        let mut on = unpack(word);
        for (on, weight) in on.iter_mut().zip(weights) {
            *on *= weight;
        }
        sum += on.as_chunks::<4>().0.iter().fold(0.0, |sum, [a, b, c, d]| sum + (d + c + b + a));
    }
    sum
}

/// The sum of [`add_in_order`] in a faster order: sixteen sums side by side, [`ADDED`] tiles at a time.
#[inline(always)]
pub(in crate::kernels) fn add_in_parts(words: &[u64], stride: usize, weights: &[[f32; TILE]]) -> f32 {
    let mut totals = [0.0; PART];
    for (words, weights) in words.chunks(ADDED * stride).zip(weights.chunks(ADDED)) {
        let mut sums = [0.0; PART];
        for (&word, weights) in words.iter().step_by(stride).zip(weights) {
            let on = unpack(word);
            for (weights, on) in weights.as_chunks::<PART>().0.iter().zip(on.as_chunks::<PART>().0) {
                for lane in 0..PART {
                    sums[lane] += on[lane] * weights[lane];
                }
            }
        }
        totals = add(totals, &sums);
    }
    totals.iter().sum()
}
