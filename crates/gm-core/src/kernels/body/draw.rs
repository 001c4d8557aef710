//! Bernoulli draws of the 64 units of a panel.

use super::logistic::logistic_roughly;
use crate::kernels::{LANES, Rough, Row, Steps};

/// Draws 64 units of each sample: a bit is on when its random number lies below the mean.
///
/// A mean p is compared through its first 16 binary digits. Where the random digits equal those of p the
/// decision is open and the bit appears in `ties`; the caller continues with further digits.
#[inline(always)]
pub(in crate::kernels) fn draw(
    means: &[Row],
    random: &[[u16; LANES]],
    bits: &mut [u64],
    ties: &mut [u64],
    pack: impl Fn(&[u8; LANES]) -> u64,
) {
    for (((mean, random), bits), ties) in means.iter().zip(random).zip(bits).zip(ties) {
        let mut below = [0_u8; LANES];
        let mut equal = [0_u8; LANES];
        for lane in 0..LANES {
            let threshold = whole(unit_interval(mean.0[lane]) * 65_536.0);
            let digits = i32::from(random[lane]);
            below[lane] = u8::from(digits < threshold);
            equal[lane] = u8::from(digits == threshold);
        }
        *bits = pack(&below);
        *ties = pack(&equal);
    }
}

/// Draws 64 units of each sample from its sums in fixed point plus `others`, which may be empty. A bit is on where it
/// is on for every mean within the error, and appears in `open` where the decision depends on the mean.
#[inline(always)]
pub(in crate::kernels) fn draw_roughly(
    (sums, others): (&[Steps], &[Row]),
    (rough, beta): (&Rough, f32),
    random: &[[u16; LANES]],
    bits: &mut [u64],
    open: &mut [u64],
    pack: impl Fn(&[u8; LANES]) -> u64,
) {
    for (s, (((sum, random), bits), open)) in sums.iter().zip(random).zip(bits).zip(open).enumerate() {
        let other = others.get(s).unwrap_or(&Row::ZERO);
        let mut below = [0_u8; LANES];
        let mut unclear = [0_u8; LANES];
        for lane in 0..LANES {
            let sum = sum.0[lane] as f32 * rough.step.0[lane] + other.0[lane];
            let mean = logistic_roughly(beta * (sum + rough.shift.0[lane]) + rough.base.0[lane]);
            let (low, high) = reach(mean, rough.digits.0[lane], rough.least.0[lane]);
            let digits = i32::from(random[lane]);
            below[lane] = u8::from(digits < low);
            unclear[lane] = u8::from((digits >= low) & (digits <= high));
        }
        *bits = pack(&below);
        *open = pack(&unclear);
    }
}

/// The first 16 digits of the least and of the greatest mean whose distance from `mean` is at most p (1 - p) `digits` +
/// `least` in the last digit.
#[inline(always)]
pub(in crate::kernels) fn reach(mean: f32, digits: f32, least: f32) -> (i32, i32) {
    let p = unit_interval(mean);
    let apart = p * (1.0 - p) * digits + least;
    let (low, high) = (65_536.0 * p - apart, 65_536.0 * p + apart);
    (whole(if low > 0.0 { low } else { 0.0 }), whole(high))
}

/// The nearest number in 0..1, and 0 for NaN.
#[inline(always)]
fn unit_interval(x: f32) -> f32 {
    let x = if x > 0.0 { x } else { 0.0 };
    if x < 1.0 { x } else { 1.0 }
}

/// The integer part of a number between 0 and 2^30. An ordinary conversion would also check the range.
#[inline(always)]
fn whole(x: f32) -> i32 {
    debug_assert!((0.0..1_073_741_824.0).contains(&x));
    // SAFETY: callers pass 0 to 65,536, as `unit_interval` guarantees, or the end of a range around such a number,
    // which is at most twice as large.
    #[allow(unsafe_code, reason = "the checked conversion does not vectorise")]
    unsafe {
        x.to_int_unchecked()
    }
}
