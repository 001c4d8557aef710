//! The partial sums that the samples of a block look up.

use super::layout::GROUPS;

/// Samples that look partial sums up together.
pub(crate) const BLOCK: usize = 512;

/// A sample with at least this many partial sums looks up the sums of all groups, zeros included.
pub(crate) const MANY: usize = 13;

/// The partial sums of a tile that the samples of a block look up, in the order of groups. Groups without an input that
/// is on are left out.
///
/// They are found once for all units of the layer that is updated. Samples are sorted by their number of sums, so that
/// the loop over these can be unrolled.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    /// Inputs that are on in any sample.
    pub(super) used: u64,
    /// The numbers of samples that look up 0, 1, 2, ... sums; the last entry counts those with [`MANY`] or more.
    pub(super) runs: [u16; MANY + 1],
    /// The samples, run by run, in ascending order within a run.
    pub(super) order: [u16; BLOCK],
    /// The places of the sums of each sample of `order`. They are not written for samples with [`MANY`] or more sums.
    pub(super) places: [Places; BLOCK],
}

/// Places of partial sums in a table, a byte each, the first one lowest.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(super) struct Places(pub(super) [u64; GROUPS / 8]);

impl Lookups {
    pub(crate) const NONE: Self =
        Self { used: 0, runs: [0; MANY + 1], order: [0; BLOCK], places: [Places([0; GROUPS / 8]); BLOCK] };
}
