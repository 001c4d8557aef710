//! Panels: the weights of all inputs to 64 units.

use crate::kernels::{GROUPS, LANES, PART, Part, Row, TILE, Tile};

/// Inputs whose partial sums are formed together. The rows of a panel are padded to whole groups.
pub(super) const GROUP: usize = 4;

/// The weights of all inputs to the units of a panel.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) parts: &'a [Part],
    pub(super) order: Order,
    pub(super) inputs: usize,
    pub(super) units: usize,
}

/// The order of the parts of a [`Panel`] in memory.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Tile by tile; within a tile part by part, each with the weights of all inputs of the tile. Unused parts are left
    /// out.
    Parts,
    /// Input by input, each with all parts.
    Inputs,
}

impl<'a> Panel<'a> {
    pub(super) fn tiles(self, scale: f32) -> impl Iterator<Item = Tile<'a>> {
        let Self { parts, order, inputs, units } = self;
        let used = units.div_ceil(PART);
        (0..inputs).step_by(TILE).map(move |first| {
            let groups = (inputs - first).div_ceil(GROUP).min(GROUPS);
            match order {
                Order::Parts => {
                    let (of_part, of_input) = (groups * GROUP, 1);
                    Tile { parts: &parts[first * used..], of_part, of_input, groups, used, scale, first: false }
                }
                Order::Inputs => {
                    let of_input = LANES / PART;
                    let parts = &parts[first * of_input..];
                    Tile { parts, of_part: 1, of_input, groups, used, scale, first: false }
                }
            }
        })
    }
}

/// The 64 values of a panel, zero past the end.
pub(super) fn panel_row(values: &[f32], panel: usize) -> Row {
    let mut row = Row::ZERO;
    let from = &values[panel * LANES..values.len().min((panel + 1) * LANES)];
    row.0[..from.len()].copy_from_slice(from);
    row
}

/// The rows that a panel of `count` rows takes in memory, so that whole groups of inputs can be read.
pub(super) fn padded(count: usize) -> usize {
    count.next_multiple_of(GROUP)
}
