//! Sums in fixed point, and how far the means from them may be off.

use super::layout::Row;

/// How sums over neighbours in whole steps become inputs: beta (sum step + others + shift) + base.
#[derive(Clone, Debug)]
pub(crate) struct Rough {
    /// The step of each unit.
    pub(crate) step: Row,
    /// Biases less those of the base model.
    pub(crate) shift: Row,
    /// Biases of the base model.
    pub(crate) base: Row,
    /// How far a mean p may be off, in its sixteenth digit: p (1 - p) `digits` + `least`, less than its range.
    pub(crate) digits: Row,
    pub(crate) least: Row,
}

/// How far a mean from [`Rough`] sums may be off by rounding alone, besides what its input is off.
pub(crate) const ROUGHLY: f32 = 1.25e-5;

/// Tiles whose weights [`add_in_parts`] adds up before it adds the sums.
pub(crate) const ADDED: usize = 16;
