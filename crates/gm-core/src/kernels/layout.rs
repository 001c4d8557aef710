//! The layout of numbers in memory: rows of the 64 units of a panel, their parts, tiles of weights, and tables of
//! partial sums.

/// Units in a panel. One word of packed bits holds them.
pub(crate) const LANES: usize = 64;

/// Inputs in a tile of weights. One word of packed bits holds them.
pub(crate) const TILE: usize = 64;

/// Units whose sums are formed together. With this number the partial sums of a tile take half of a first-level cache.
pub(crate) const PART: usize = 16;

/// One value for each of the 64 units of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [f32; LANES]);

impl Row {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    /// The parts of rows, beginning with the parts of the first row.
    pub(crate) fn parts(rows: &[Self]) -> &[Part] {
        // SAFETY: a row is as long as its parts and aligned as they are, and both are plain numbers.
        #[allow(unsafe_code, reason = "the same numbers under another type")]
        unsafe {
            std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len() * (LANES / PART))
        }
    }

    /// The numbers of rows, one row after the other.
    pub(crate) fn numbers(rows: &[Self]) -> &[f32] {
        // SAFETY: a row is nothing but its numbers.
        #[allow(unsafe_code, reason = "the same numbers under another type")]
        unsafe {
            std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len() * LANES)
        }
    }
}

/// Groups of four inputs in a tile.
pub(crate) const GROUPS: usize = TILE / 4;

/// The values of a part of the units of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Part(pub(crate) [f32; PART]);

impl Part {
    /// The numbers of parts, one part after the other.
    pub(crate) fn numbers(parts: &[Self]) -> &[f32] {
        // SAFETY: a part is nothing but its numbers.
        #[allow(unsafe_code, reason = "the same numbers under another type")]
        unsafe {
            std::slice::from_raw_parts(parts.as_ptr().cast(), parts.len() * PART)
        }
    }

    /// [`numbers`](Self::numbers), to be changed in place.
    pub(crate) fn numbers_mut(parts: &mut [Self]) -> &mut [f32] {
        // SAFETY: a part is nothing but its numbers.
        #[allow(unsafe_code, reason = "the same numbers under another type")]
        unsafe {
            std::slice::from_raw_parts_mut(parts.as_mut_ptr().cast(), parts.len() * PART)
        }
    }
}

/// Units whose sums in fixed point are formed together. A [`Half`] takes the memory of a [`Part`].
pub(crate) const HALF: usize = 32;

/// The values of half of the units of a panel in fixed point: integers that count the steps of each unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Half(pub(crate) [i16; HALF]);

/// Sums in fixed point, one for each of the 64 units of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Steps(pub(crate) [i32; LANES]);

impl Steps {
    pub(crate) const ZERO: Self = Self([0; LANES]);
}

/// An entry of a [`Table`]: the partial sums of some units of a panel in 64 bytes.
pub(crate) trait Cell: Copy {
    /// The sums of all units of a panel for one sample.
    type Row;

    /// Cells of a row.
    const PARTS: usize;

    const ZERO: Self;

    /// Fills in the partial sums of the scaled weights of four inputs: see [`Table`].
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], scale: f32);

    fn plus(self, other: &Self) -> Self;

    /// Adds a sum to a part of a row. With `FIRST` the sum replaces the part.
    fn end<const FIRST: bool>(self, row: &mut Self::Row, part: usize);
}

/// The partial sums of a tile for some units. Entry 16 g + x is the sum over the inputs of group g whose bits are set
/// in x. The entry of no input, x = 0, is always zero.
pub(crate) type Table<C = Part> = [C; 16 * GROUPS];

/// A table before its first use.
pub(crate) fn empty_table<C: Cell>() -> Box<Table<C>> {
    Box::new([C::ZERO; 16 * GROUPS])
}

/// The weights of a tile's inputs to the units of a panel. `parts[p * of_part + i * of_input]` holds the weights of
/// input i to part p.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'a, C = Part> {
    pub(crate) parts: &'a [C],
    pub(crate) of_part: usize,
    pub(crate) of_input: usize,
    /// Groups of four inputs, up to [`GROUPS`].
    pub(crate) groups: usize,
    /// Parts with units in them.
    pub(crate) used: usize,
    /// The factor of the weights. Weights in fixed point have none.
    pub(crate) scale: f32,
    /// True if sums begin with this tile, so that old values are lost.
    pub(crate) first: bool,
}
