//! Sums in fixed point, and how far the means from them may be off.

use super::layout::Row;

/// The constants that turn sums in fixed point into inputs: beta (sum step + others + shift) + base.
#[derive(Clone, Debug)]
pub(crate) struct Rough {
    /// The step of each unit.
    pub(crate) step: Row,
    /// The biases minus the biases of the base model.
    pub(crate) shift: Row,
    /// Biases of the base model.
    pub(crate) base: Row,
    /// The greatest error of a mean p, in its sixteenth digit, is p (1 - p) `digits` + `least`. The actual error is
    /// smaller.
    pub(crate) digits: Row,
    pub(crate) least: Row,
}

/// The greatest error that rounding alone adds to a mean from [`Rough`] sums, in addition to the effect of the error of
/// its input.
pub(super) const ROUGHLY: f32 = 1.25e-5;

/// The number of values of sixteen binary digits.
const DIGITS: f32 = 65_536.0;

/// The greatest error of a mean in its sixteenth digit for a given greatest error of its input, as `digits` and `least`
/// of [`Rough`].
///
/// The slope of the logistic function, p (1 - p), changes by less than a tenth of the change of the input.
pub(crate) fn digits_off(doubt: &Row) -> [Row; 2] {
    [doubt.0.map(|doubt| DIGITS * doubt), doubt.0.map(|doubt| DIGITS * (0.1 * doubt * doubt + ROUGHLY) + 0.5)].map(Row)
}

/// Tiles whose weights [`add_in_parts`] adds up before it adds the sums.
pub(crate) const ADDED: usize = 16;
