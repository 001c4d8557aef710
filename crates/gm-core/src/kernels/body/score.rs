//! Means, scores and log-probabilities of binary units.

use super::bits::unpack;
use super::logistic::exp_minus;
use super::softplus::F64_LANES;
use crate::kernels::{LANES, PART, Row};

/// Rows whose sums are finished together, so that no sum waits for another one.
const TOGETHER: usize = 8;

/// Numbers of some rows, several for each.
type Lanes = [[f64; F64_LANES]; TOGETHER];

/// Replaces the inputs a of 64 units by the scores x - logistic(a) of their states x, row by row, and writes the sum of
/// log Ber(x; logistic(a)) over the units of `mask`. Units beyond the last part with a unit of `mask` stay as they are.
///
/// log Ber(x; logistic(a)) = min(0, +-a) - log(1 + exp(-|a|)), so that mean and probability share one exponential.
#[inline(always)]
pub(in crate::kernels) fn score(rows: &mut [Row], states: &[u64], mask: u64, log_probs: &mut [f64]) {
    let (used, parts) = (unpack(mask), parts(mask));
    let groups = rows.chunks_mut(TOGETHER).zip(states.chunks(TOGETHER)).zip(log_probs.chunks_mut(TOGETHER));
    for ((rows, states), log_probs) in groups {
        let (mut sums, mut products): (Lanes, Lanes) = ([[0.0; F64_LANES]; TOGETHER], [[1.0; F64_LANES]; TOGETHER]);
        for (((row, &word), sums), products) in rows.iter_mut().zip(states).zip(&mut sums).zip(&mut products) {
            let parts = row.0.as_chunks_mut::<PART>().0[..parts].iter_mut().zip(used.as_chunks::<PART>().0);
            for (part, (values, used)) in parts.enumerate() {
                let states = unpack_part(word, part);
                let (mut wrong_side, mut factors) = ([0.0; PART], [0.0; PART]);
                for lane in 0..PART {
                    let a = values[lane];
                    let (e, mean) = tail_and_mean(a);
                    values[lane] = states[lane] - mean;
                    wrong_side[lane] = used[lane] * away(a, states[lane]);
                    factors[lane] = used[lane] * e;
                }
                add(sums, &wrong_side);
                multiply(products, &factors);
            }
        }
        let (sums, products) = (add_across(&sums), multiply_across(&products));
        for ((log_prob, sum), product) in log_probs.iter_mut().zip(sums).zip(products) {
            *log_prob = -sum - product.ln();
        }
    }
}

/// The means of 64 units, row by row, and log prod (1 + exp(-|a|)) over the units of `mask`, for
/// [`score_means`]. Units beyond the last part with a unit of `mask` stay as they are.
#[inline(always)]
pub(in crate::kernels) fn means(inputs: &[Row], mask: u64, means: &mut [Row], logs: &mut [f64]) {
    let (used, parts) = (unpack(mask), parts(mask));
    let groups = inputs.chunks(TOGETHER).zip(means.chunks_mut(TOGETHER)).zip(logs.chunks_mut(TOGETHER));
    for ((inputs, means), logs) in groups {
        let mut products: Lanes = [[1.0; F64_LANES]; TOGETHER];
        for ((inputs, means), products) in inputs.iter().zip(means).zip(&mut products) {
            let inputs = inputs.0.as_chunks::<PART>().0[..parts].iter().zip(used.as_chunks::<PART>().0);
            for ((inputs, used), means) in inputs.zip(means.0.as_chunks_mut::<PART>().0) {
                let mut factors = [0.0; PART];
                for lane in 0..PART {
                    let (e, mean) = tail_and_mean(inputs[lane]);
                    means[lane] = mean;
                    factors[lane] = used[lane] * e;
                }
                multiply(products, &factors);
            }
        }
        for (log, product) in logs.iter_mut().zip(multiply_across(&products)) {
            *log = product.ln();
        }
    }
}

/// [`score`] of rows that hold means, where `copies` neighbouring states share their inputs: state s has those of number
/// (`first` + s) / `copies`, with the logarithm that [`means`] found.
#[inline(always)]
pub(in crate::kernels) fn score_means(
    (inputs, logs): (&[Row], &[f64]),
    (first, copies): (usize, usize),
    (states, mask): (&[u64], u64),
    rows: &mut [Row],
    log_probs: &mut [f64],
) {
    let (used, parts) = (unpack(mask), parts(mask));
    let groups = rows.chunks_mut(TOGETHER).zip(states.chunks(TOGETHER)).zip(log_probs.chunks_mut(TOGETHER));
    for (group, ((rows, states), log_probs)) in groups.enumerate() {
        let source = |s: usize| (first + group * TOGETHER + s) / copies;
        let mut sums: Lanes = [[0.0; F64_LANES]; TOGETHER];
        for (s, ((row, &word), sums)) in rows.iter_mut().zip(states).zip(&mut sums).enumerate() {
            let inputs = inputs[source(s)].0.as_chunks::<PART>().0[..parts].iter().zip(used.as_chunks::<PART>().0);
            for (part, ((inputs, used), values)) in inputs.zip(row.0.as_chunks_mut::<PART>().0).enumerate() {
                let states = unpack_part(word, part);
                let mut wrong_side = [0.0; PART];
                for lane in 0..PART {
                    values[lane] = states[lane] - values[lane];
                    wrong_side[lane] = used[lane] * away(inputs[lane], states[lane]);
                }
                add(sums, &wrong_side);
            }
        }
        for (s, (log_prob, sum)) in log_probs.iter_mut().zip(add_across(&sums)).enumerate() {
            *log_prob = -sum - logs[source(s)];
        }
    }
}

/// The parts of a row with a unit of `mask`.
#[inline(always)]
fn parts(mask: u64) -> usize {
    (LANES - mask.leading_zeros() as usize).div_ceil(PART)
}

/// exp(-|a|) and logistic(a).
#[inline(always)]
fn tail_and_mean(a: f32) -> (f32, f32) {
    let e = exp_minus(a.abs());
    let upper = 1.0 / (1.0 + e);
    (e, if a < 0.0 { e * upper } else { upper })
}

/// |a| where the state is the less probable one, and else 0.
#[inline(always)]
fn away(a: f32, state: f32) -> f32 {
    let away = a - 2.0 * state * a;
    if away > 0.0 { away } else { 0.0 }
}

/// The states of a part as numbers.
#[inline(always)]
fn unpack_part(word: u64, part: usize) -> [f32; PART] {
    let bits = (word >> (PART * part)) as u32;
    let mut states = [0.0; PART];
    for (lane, state) in states.iter_mut().enumerate() {
        *state = (bits >> lane & 1) as i32 as f32;
    }
    states
}

#[inline(always)]
fn add(sums: &mut [f64; F64_LANES], terms: &[f32; PART]) {
    for terms in terms.as_chunks::<F64_LANES>().0 {
        for lane in 0..F64_LANES {
            sums[lane] += f64::from(terms[lane]);
        }
    }
}

/// Multiplies by 1 plus each number. A product of 64 factors of at most 2 is far from overflow.
#[inline(always)]
fn multiply(products: &mut [f64; F64_LANES], factors: &[f32; PART]) {
    for factors in factors.as_chunks::<F64_LANES>().0 {
        for lane in 0..F64_LANES {
            products[lane] *= 1.0 + f64::from(factors[lane]);
        }
    }
}

/// The sum of each row.
#[inline(always)]
fn add_across(lanes: &Lanes) -> [f64; TOGETHER] {
    let mut sums = [0.0; TOGETHER];
    for lane in 0..F64_LANES {
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum += lanes[lane];
        }
    }
    sums
}

/// The product of each row.
#[inline(always)]
fn multiply_across(lanes: &Lanes) -> [f64; TOGETHER] {
    let mut products = [1.0; TOGETHER];
    for lane in 0..F64_LANES {
        for (product, lanes) in products.iter_mut().zip(lanes) {
            *product *= lanes[lane];
        }
    }
    products
}
