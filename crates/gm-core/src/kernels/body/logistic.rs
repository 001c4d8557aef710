//! The logistic function and the exponential that it needs.

use crate::kernels::{LANES, Row};

/// Turns sums over neighbours into inputs: beta (sum + bias) + (1 - beta) base.
#[inline(always)]
pub(in crate::kernels) fn temper(rows: &mut [Row], bias: &Row, base: &Row, beta: f32) {
    for row in rows {
        for lane in 0..LANES {
            row.0[lane] = temper_one(row.0[lane], bias.0[lane], base.0[lane], beta);
        }
    }
}

/// [`temper`] for one unit.
#[inline(always)]
pub(in crate::kernels) fn temper_one(sum: f32, bias: f32, base: f32, beta: f32) -> f32 {
    beta * (sum + bias) + (1.0 - beta) * base
}

/// Replaces inputs by means.
#[inline(always)]
pub(in crate::kernels) fn logistic(values: &mut [f32]) {
    for value in values {
        *value = logistic_one(*value);
    }
}

/// 1 / (1 + exp(-x)) to within 2 units in the last place, without overflow.
#[inline(always)]
pub(in crate::kernels) fn logistic_one(x: f32) -> f32 {
    let e = exp_minus(x.abs());
    let upper = 1.0 / (1.0 + e);
    if x < 0.0 { e * upper } else { upper }
}

pub(super) const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest integer.

/// exp(-x) for x >= 0. Beyond 87 it stays at exp(-87), just above the smallest normal number.
#[inline(always)]
pub(super) fn exp_minus(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4; // ln 2, rounded so that n * LN2_HIGH is exact.
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 87.0 { -87.0 } else { -x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    // The low bits of `shifted` hold n; moved into the exponent field they scale by 2^n.
    series * f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23)
}

/// 1 / (1 + exp(-x)) to within [`super::ROUGHLY`].
#[inline(always)]
pub(in crate::kernels) fn logistic_roughly(x: f32) -> f32 {
    let away = x.abs();
    let away = if away > 87.0 { -87.0 } else { -away };
    let shifted = away * std::f32::consts::LOG2_E + ROUND;
    let r = away - (shifted - ROUND) * std::f32::consts::LN_2;
    // Four terms after the first have a relative error of 5e-5, which changes the result by a quarter of that at most.
    let mut series = 1.0 / 24.0;
    for coefficient in [1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    let e = series * f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    let upper = 1.0 / (1.0 + e);
    if x < 0.0 { e * upper } else { upper }
}

/// exp(-x) for x >= 0 in double precision. Beyond 708 it stays at exp(-708).
#[inline(always)]
pub(super) fn exp_minus_f64(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = if x > 708.0 { -708.0 } else { -x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut series = 1.0 / 479_001_600.0;
    for coefficient in [
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * r + coefficient;
    }
    series * f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52)
}
