//! Draws of binary units from their means.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, LANES, Row};
use crate::streams::{Stream, Streams};

/// Samples that share a random stream.
pub(super) const DRAWN: usize = 256;

/// Samples whose random numbers are fetched together.
pub(super) const CHUNK: usize = 16;

/// The number of samples of a block that is visited together in a layer of `units` units. Blocks are small where a
/// layer has too few panels for the threads.
pub(super) fn visited(units: usize) -> usize {
    if units > 4 * LANES { BLOCK } else { DRAWN }
}

/// Visits every panel and block of samples of a batch in parallel. The arguments are (panel, first sample, mask of used
/// bits, words).
pub(super) fn for_each_block(out: &mut BitMatrix, visit: impl Fn(usize, usize, u64, &mut [u64]) + Sync) {
    let masks: Vec<u64> = (0..out.words_per_sample()).map(|w| out.mask(w)).collect();
    let (samples, block) = (out.samples().max(1), visited(out.units()));
    out.words_mut().par_chunks_mut(samples).enumerate().for_each(|(panel, words)| {
        let blocks = words.par_chunks_mut(block).enumerate();
        blocks.for_each(|(number, words)| visit(panel, number * block, masks[panel], words));
    });
}

/// Draws 64 units of each sample of a block from their means.
pub(super) fn draw_block(means: &[Row], mask: u64, words: &mut [u64], streams: &Streams, first: usize, panel: usize) {
    let blocks = means.chunks(DRAWN).zip(words.chunks_mut(DRAWN));
    for (first, (means, words)) in (first..).step_by(DRAWN).zip(blocks) {
        draw(means, mask, words, &mut stream_of(streams, first, panel));
    }
}

/// The stream of a panel for the block of samples that begins at `first`.
pub(super) fn stream_of(streams: &Streams, first: usize, panel: usize) -> Stream {
    streams.stream(((first / DRAWN) as u64) << 32 | panel as u64)
}

/// Draws 64 units of each sample from their means with the numbers of one stream.
fn draw(means: &[Row], mask: u64, words: &mut [u64], stream: &mut Stream) {
    let mut random = [[0_u16; LANES]; CHUNK];
    let mut ties = [0_u64; CHUNK];
    for (means, words) in means.chunks(CHUNK).zip(words.chunks_mut(CHUNK)) {
        let count = words.len();
        stream.fill(random[..count].as_flattened_mut());
        kernels::draw(means, &random[..count], words, &mut ties);
        for ((word, tied), mean) in words.iter_mut().zip(ties).zip(means) {
            *word = resolve(*word, tied & mask, mean, stream) & mask;
        }
    }
}

/// Decides the units whose first 16 random digits equal those of their means.
fn resolve(mut word: u64, mut tied: u64, means: &Row, stream: &mut Stream) -> u64 {
    while tied != 0 {
        let lane = tied.trailing_zeros();
        word |= u64::from(continue_draw(means.0[lane as usize], stream)) << lane;
        tied &= tied - 1;
    }
    word
}

/// Compares further random digits with the digits of `mean` after the sixteenth, until they differ.
pub(super) fn continue_draw(mean: f32, stream: &mut Stream) -> bool {
    let mut rest = (f64::from(mean) * 65_536.0).fract();
    while rest > 0.0 {
        let scaled = rest * 4_294_967_296.0;
        let (digits, threshold) = (stream.next_u32(), scaled as u32);
        if digits != threshold {
            return digits < threshold;
        }
        rest = scaled.fract();
    }
    false
}
