//! Which partial sums the samples of a block look up.

use super::layout::GROUPS;

/// Samples that look partial sums up together.
pub(crate) const BLOCK: usize = 512;

/// From so many partial sums on a sample looks up those of all groups, most of the others being zero.
pub(crate) const MANY: usize = 13;

/// Which partial sums of a tile the samples of a block look up: those of groups with inputs that are on, in the order of groups.
///
/// Found once for all units of the layer that is updated. Samples are sorted by how many sums they look up, so that the loop
/// over these can be unrolled.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    /// Inputs that are on in any sample.
    pub(super) used: u64,
    /// How many samples look up 0, 1, 2, ... sums, and how many look up [`MANY`] or more.
    pub(super) runs: [u16; MANY + 1],
    /// The samples, those of a run in their own order.
    pub(super) order: [u16; BLOCK],
    /// For each sample of `order` which sums these are, unless there are so many that the inputs themselves tell it as fast.
    pub(super) places: [Places; BLOCK],
}

/// Numbers of partial sums in a table, a byte each, the first one lowest.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(super) struct Places(pub(super) [u64; GROUPS / 8]);

impl Lookups {
    pub(crate) const NONE: Self =
        Self { used: 0, runs: [0; MANY + 1], order: [0; BLOCK], places: [Places([0; GROUPS / 8]); BLOCK] };
}
