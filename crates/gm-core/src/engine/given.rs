//! The states of a given layer, with the partial sums that its samples look up.

use std::cell::RefCell;

use rayon::prelude::*;

use super::fixed_point::FixedPanel;
use super::panel::Panel;
use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, Half, Lookups, Row, Steps, Table, Tile};

/// With fewer samples a table of partial sums costs more than it saves.
const FEW: usize = 6;

thread_local! {
    static TABLE: RefCell<Box<Table>> = RefCell::new(kernels::empty_table());
    static LOOKUPS: RefCell<Vec<Vec<Lookups>>> = const { RefCell::new(Vec::new()) };
    static STEPS_TABLE: RefCell<Box<Table<Half>>> = RefCell::new(kernels::empty_table());
}

/// The states of a layer and the partial sums that its samples look up.
pub(super) struct Given<'a> {
    states: &'a BitMatrix,
    /// Samples of a block.
    block: usize,
    /// The number of blocks, 0 for fewer than [`FEW`] samples.
    blocks: usize,
    /// The lookups of every block for tile 0, then for tile 1, and so on. There may be unused entries at the end.
    lookups: Vec<Lookups>,
}

impl<'a> Given<'a> {
    /// Finds the sums that blocks of `block` samples look up.
    pub(super) fn new(states: &'a BitMatrix, block: usize) -> Self {
        let mut lookups = LOOKUPS.with_borrow_mut(|kept| kept.pop()).unwrap_or_default();
        let (samples, block) = (states.samples(), block.min(BLOCK));
        let blocks = if samples < FEW { 0 } else { samples.div_ceil(block) };
        let used = blocks * states.words_per_sample();
        if lookups.len() < used {
            lookups.resize(used, Lookups::NONE);
        }
        lookups[..used].par_chunks_mut(blocks.max(1)).enumerate().for_each(|(tile, lookups)| {
            for (words, lookups) in states.word(tile).chunks(block).zip(lookups) {
                kernels::find(words, lookups);
            }
        });
        Self { states, block, blocks, lookups }
    }

    /// Adds `scale` times the weights of the inputs that are on, for the samples of the block that begins at `first`.
    /// With `begin` the sums replace the old values.
    pub(super) fn accumulate(&self, first: usize, panel: Panel<'_>, (scale, begin): (f32, bool), sums: &mut [Row]) {
        let block = first / self.block;
        if begin && panel.inputs == 0 {
            sums.fill(Row::ZERO);
        }
        TABLE.with_borrow_mut(|table| {
            for (t, tile) in panel.tiles(scale).enumerate() {
                let tile = Tile { first: begin && t == 0, ..tile };
                let words = &self.states.word(t)[first..][..sums.len()];
                if self.blocks == 0 {
                    kernels::accumulate_few(words, tile, sums);
                } else {
                    kernels::accumulate(words, &self.lookups[t * self.blocks + block], tile, table, sums);
                }
            }
        });
    }

    /// The sums in fixed point of the weights of the inputs that are on, for the samples of the block that begins at
    /// `first`.
    pub(super) fn steps_into(&self, first: usize, panel: &FixedPanel, sums: &mut [Steps]) {
        let block = first / self.block;
        STEPS_TABLE.with_borrow_mut(|table| {
            for (t, tile) in panel.tiles().enumerate() {
                let words = &self.states.word(t)[first..][..sums.len()];
                kernels::accumulate_steps(words, &self.lookups[t * self.blocks + block], tile, table, sums);
            }
        });
    }
}

impl Drop for Given<'_> {
    /// Leaves the memory to the next value on this thread.
    fn drop(&mut self) {
        let lookups = std::mem::take(&mut self.lookups);
        LOOKUPS.with_borrow_mut(|kept| kept.push(lookups));
    }
}
