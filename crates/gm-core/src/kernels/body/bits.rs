//! Packed bits: unpacking, transposing and counting.

use crate::kernels::LANES;

/// The bits of a word as numbers, beginning with the lowest bit.
#[inline(always)]
pub(super) fn unpack(word: u64) -> [f32; LANES] {
    let halves = [word as u32, (word >> 32) as u32];
    let mut flags = [0.0; LANES];
    for (half, flags) in halves.iter().zip(flags.as_chunks_mut::<32>().0) {
        for (lane, flag) in flags.iter_mut().enumerate() {
            *flag = (half >> lane & 1) as i32 as f32;
        }
    }
    flags
}

/// Transposes a square of 64 x 64 bits in place by exchanging ever smaller off-diagonal blocks.
#[inline(always)]
pub(in crate::kernels) fn transpose_square(rows: &mut [u64; LANES]) {
    exchange::<32>(rows, 0x0000_0000_ffff_ffff);
    exchange::<16>(rows, 0x0000_ffff_0000_ffff);
    exchange::<8>(rows, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(rows, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(rows, 0x3333_3333_3333_3333);
    exchange::<1>(rows, 0x5555_5555_5555_5555);
}

/// Exchanges blocks of `SIZE` rows and columns beside the diagonal. The mask marks the columns of the first block.
#[inline(always)]
fn exchange<const SIZE: usize>(rows: &mut [u64; LANES], mask: u64) {
    for blocks in rows.chunks_exact_mut(2 * SIZE) {
        let (low, high) = blocks.split_at_mut(SIZE);
        for (low, high) in low.iter_mut().zip(high) {
            let swap = (*low >> SIZE ^ *high) & mask;
            *low ^= swap << SIZE;
            *high ^= swap;
        }
    }
}

/// Adds to `counts[i]` the bits that `words[i]` shares with `other`.
#[inline(always)]
pub(in crate::kernels) fn count_shared(words: &[u64], other: u64, counts: &mut [u32]) {
    for (count, word) in counts.iter_mut().zip(words) {
        *count += (word & other).count_ones();
    }
}
