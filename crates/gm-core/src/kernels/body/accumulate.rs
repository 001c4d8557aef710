//! Sums of the weights of the inputs that are on, by looking up partial sums.

use super::cell::add;
use crate::kernels::{Cell, GROUPS, Half, Lookups, MANY, PART, Part, Places, Row, Steps, Table, Tile};

/// Bytes of a partial sum.
const CELL_BYTES: usize = size_of::<Part>();
/// Bytes of the partial sums of a group.
const GROUP_BYTES: usize = 16 * CELL_BYTES;

impl Places {
    /// The offset in bytes, from the start of the table, of the sample's partial sum with this number.
    #[inline(always)]
    fn bytes(self, number: usize) -> usize {
        const CELL_BITS: usize = CELL_BYTES.trailing_zeros() as usize;
        // One shift moves the number of the sum out of the word and multiplies it.
        let (word, bits) = (self.0[number / 8], 8 * (number % 8));
        let moved = if bits < CELL_BITS { word << (CELL_BITS - bits) } else { word >> (bits - CELL_BITS) };
        moved as usize & (0xff << CELL_BITS)
    }
}

/// Adds to each sample's row the scaled weights of the inputs of a tile that are on. If the tile is the first, the sums
/// replace the row.
///
/// The sixteen partial sums of every four inputs are built once, in `table`, and each sample looks up one of them. A
/// sample's partial sums are added up, beginning with +0, and the total is added to the row.
#[inline(always)]
pub(in crate::kernels) fn accumulate<C: Cell>(
    words: &[u64],
    lookups: &Lookups,
    tile: Tile<'_, C>,
    table: &mut Table<C>,
    sums: &mut [C::Row],
) {
    const { assert!(size_of::<C>() == CELL_BYTES, "places are in bytes") };
    for part in 0..tile.used {
        for (group, sums) in table.as_chunks_mut::<16>().0.iter_mut().enumerate().take(tile.groups) {
            if lookups.used >> (4 * group) & 15 != 0 {
                C::build(sums, [0, 1, 2, 3].map(|input| tile.weights(part, 4 * group + input)), tile.scale);
            }
        }
        if tile.first {
            look_up::<C, true>(words, lookups, table, part, sums);
        } else {
            look_up::<C, false>(words, lookups, table, part, sums);
        }
    }
    if tile.first {
        clear::<C>(tile.used, sums);
    }
}

/// Sets all parts without units to zero.
#[inline(always)]
fn clear<C: Cell>(used: usize, sums: &mut [C::Row]) {
    for part in used..C::PARTS {
        sums.iter_mut().for_each(|sum| C::ZERO.end::<true>(sum, part));
    }
}

/// [`accumulate`] for weights in fixed point. The sums of a tile must lie in the range of 16 bits; intermediate sums
/// may overflow.
#[inline(always)]
pub(in crate::kernels) fn accumulate_steps(
    words: &[u64],
    lookups: &Lookups,
    tile: Tile<'_, Half>,
    table: &mut Table<Half>,
    sums: &mut [Steps],
) {
    accumulate(words, lookups, tile, table, sums);
}

impl<'a, C> Tile<'a, C> {
    #[inline(always)]
    fn weights(&self, part: usize, input: usize) -> &'a C {
        &self.parts[part * self.of_part + input * self.of_input]
    }
}

/// Adds the partial sums that each sample looks up.
#[inline(always)]
fn look_up<C: Cell, const FIRST: bool>(
    words: &[u64],
    lookups: &Lookups,
    table: &Table<C>,
    part: usize,
    sums: &mut [C::Row],
) {
    let mut first = 0;
    for (count, &samples) in lookups.runs.iter().enumerate() {
        let run = first..first + usize::from(samples);
        first = run.end;
        let (order, places) = (&lookups.order[run.clone()], &lookups.places[run]);
        match count {
            0 if FIRST => order.iter().for_each(|&sample| C::ZERO.end::<true>(&mut sums[usize::from(sample)], part)),
            0 => {}
            1 => look_up_some::<C, 1, FIRST>(order, places, table, part, sums),
            2 => look_up_some::<C, 2, FIRST>(order, places, table, part, sums),
            3 => look_up_some::<C, 3, FIRST>(order, places, table, part, sums),
            4 => look_up_some::<C, 4, FIRST>(order, places, table, part, sums),
            5 => look_up_some::<C, 5, FIRST>(order, places, table, part, sums),
            6 => look_up_some::<C, 6, FIRST>(order, places, table, part, sums),
            7 => look_up_some::<C, 7, FIRST>(order, places, table, part, sums),
            8 => look_up_some::<C, 8, FIRST>(order, places, table, part, sums),
            9 => look_up_some::<C, 9, FIRST>(order, places, table, part, sums),
            10 => look_up_some::<C, 10, FIRST>(order, places, table, part, sums),
            11 => look_up_some::<C, 11, FIRST>(order, places, table, part, sums),
            12 => look_up_some::<C, 12, FIRST>(order, places, table, part, sums),
            MANY.. => look_up_all::<C, FIRST>(order, words, table, part, sums),
        }
    }
}

/// [`look_up`] for samples with `COUNT` partial sums.
#[inline(always)]
fn look_up_some<C: Cell, const COUNT: usize, const FIRST: bool>(
    order: &[u16],
    places: &[Places],
    table: &Table<C>,
    part: usize,
    sums: &mut [C::Row],
) {
    for (&sample, places) in order.iter().zip(places) {
        let sum = &mut sums[usize::from(sample)];
        let mut total = C::ZERO;
        for i in 0..COUNT {
            total = total.plus(at(table, places.bytes(i)));
        }
        total.end::<FIRST>(sum, part);
    }
}

/// [`look_up`] for samples that add the sums of all groups. The places follow from the inputs.
#[inline(always)]
fn look_up_all<C: Cell, const FIRST: bool>(
    order: &[u16],
    words: &[u64],
    table: &Table<C>,
    part: usize,
    sums: &mut [C::Row],
) {
    if order.len() == words.len() {
        // The run holds all samples, and then `order` may not have been written.
        for (sum, &word) in sums.iter_mut().zip(words) {
            add_all::<C, FIRST>(sum, word, table, part);
        }
    } else {
        for &sample in order {
            add_all::<C, FIRST>(&mut sums[usize::from(sample)], words[usize::from(sample)], table, part);
        }
    }
}

/// Adds the sums of all groups.
#[inline(always)]
fn add_all<C: Cell, const FIRST: bool>(sum: &mut C::Row, word: u64, table: &Table<C>, part: usize) {
    let mut total = C::ZERO;
    for group in 0..GROUPS {
        let inputs = (word >> (4 * group) & 15) as usize;
        total = total.plus(at(table, group * GROUP_BYTES + inputs * CELL_BYTES));
    }
    total.end::<FIRST>(sum, part);
}

/// The partial sum at offset `place` in bytes, a multiple of [`CELL_BYTES`] below the size of the table.
#[inline(always)]
fn at<C: Cell>(table: &Table<C>, place: usize) -> &C {
    debug_assert!(place < size_of::<Table<C>>() && place.is_multiple_of(CELL_BYTES));
    // SAFETY: `place` is the offset of a partial sum: both callers form it from a group and its inputs, and
    // `accumulate` accepts only cells of `CELL_BYTES`.
    #[allow(unsafe_code, reason = "an index would have to be checked and multiplied before each addition")]
    unsafe {
        &*table.as_ptr().byte_add(place)
    }
}

/// [`accumulate`] for few samples. The partial sums are formed again for each sample and added in the same order.
#[inline(always)]
pub(in crate::kernels) fn accumulate_few(words: &[u64], tile: Tile<'_>, sums: &mut [Row]) {
    for (sum, &word) in sums.iter_mut().zip(words) {
        match tile.used {
            0 => {}
            1 => accumulate_one::<1>(word, tile, sum),
            2 => accumulate_one::<2>(word, tile, sum),
            3 => accumulate_one::<3>(word, tile, sum),
            4.. => accumulate_one::<4>(word, tile, sum),
        }
    }
    if tile.first {
        clear::<Part>(tile.used, sums);
    }
}

/// [`accumulate`] for one sample and `USED` parts.
#[inline(always)]
fn accumulate_one<const USED: usize>(word: u64, tile: Tile<'_>, sum: &mut Row) {
    let mut totals = [Part::ZERO; USED];
    for group in 0..tile.groups {
        let inputs = word >> (4 * group) & 15;
        if inputs == 0 {
            continue;
        }
        let mut partial = [[0.0; PART]; USED];
        for input in (0..4).rev() {
            if inputs >> input & 1 == 1 {
                for (part, partial) in partial.iter_mut().enumerate() {
                    *partial =
                        add(*partial, &tile.weights(part, 4 * group + input).0.map(|weight| tile.scale * weight));
                }
            }
        }
        for (total, partial) in totals.iter_mut().zip(partial) {
            *total = total.plus(&Part(partial));
        }
    }
    for (part, total) in totals.into_iter().enumerate() {
        if tile.first {
            total.end::<true>(sum, part);
        } else {
            total.end::<false>(sum, part);
        }
    }
}
