//! The kernels, written once in portable Rust and compiled for each instruction set.
//!
//! Only comparisons, additions, multiplications, divisions and bit operations occur, in a fixed order
//! and without fused multiply-add, so every compilation gives the same bits.

use super::{
    ADDED, Cell, GROUPS, HALF, Half, LANES, Lookups, MANY, PART, Part, Places, Rough, Row, Steps, TILE, Table, Tile,
};

/// Bytes from a partial sum to the next, and from those of a group to those of the next.
const CELL_BYTES: usize = size_of::<Part>();
const GROUP_BYTES: usize = 16 * CELL_BYTES;

impl Places {
    /// How many bytes after the first partial sum of the table the one with this number among those of the sample is.
    #[inline(always)]
    fn bytes(self, number: usize) -> usize {
        const CELL_BITS: usize = CELL_BYTES.trailing_zeros() as usize;
        // One shift moves the number of the sum out of the word and multiplies it.
        let (word, bits) = (self.0[number / 8], 8 * (number % 8));
        let moved = if bits < CELL_BITS { word << (CELL_BITS - bits) } else { word >> (bits - CELL_BITS) };
        moved as usize & (0xff << CELL_BITS)
    }
}

/// Adds to each sample's row the scaled weights of the inputs of a tile that are on, or lets them be the row if the tile is the first.
///
/// The sixteen partial sums of every four inputs are built once, in `table`, and looked up once a sample. Those of a sample are added
/// up, beginning with +0, before the row is added to them.
#[inline(always)]
pub(super) fn accumulate<C: Cell>(
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

/// [`accumulate`] of weights in whole steps; the sums of a tile must not leave the range of 16 bits, those on the way may.
#[inline(always)]
pub(super) fn accumulate_steps(
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

impl Cell for Part {
    type Row = Row;

    const PARTS: usize = LANES / PART;

    const ZERO: Self = Self([0.0; PART]);

    #[inline(always)]
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], scale: f32) {
        let weight = |input: usize, unit: usize| scale * weights[input].0[unit];
        build(PART, weight, |x, y| x + y, |inputs, unit, sum| sums[inputs].0[unit] = sum);
    }

    #[inline(always)]
    fn plus(self, other: &Self) -> Self {
        Self(add(self.0, &other.0))
    }

    #[inline(always)]
    fn end<const FIRST: bool>(self, row: &mut Row, part: usize) {
        row.set_part(part, if FIRST { self.0 } else { add(row.part(part), &self.0) });
    }
}

impl Cell for Half {
    type Row = Steps;

    const PARTS: usize = LANES / HALF;

    const ZERO: Self = Self([0; HALF]);

    #[inline(always)]
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], _: f32) {
        let weight = |input: usize, unit: usize| weights[input].0[unit];
        build(HALF, weight, i16::wrapping_add, |inputs, unit, sum| sums[inputs].0[unit] = sum);
    }

    #[inline(always)]
    fn plus(mut self, other: &Self) -> Self {
        for lane in 0..HALF {
            self.0[lane] = self.0[lane].wrapping_add(other.0[lane]);
        }
        self
    }

    #[inline(always)]
    fn end<const FIRST: bool>(self, row: &mut Steps, part: usize) {
        for (sum, steps) in row.0.as_chunks_mut::<HALF>().0[part].iter_mut().zip(self.0) {
            *sum = if FIRST { 0 } else { *sum } + i32::from(steps);
        }
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

/// [`look_up`] for samples with so many partial sums.
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

/// [`look_up`] of the sums of all groups, straight from the inputs.
#[inline(always)]
fn look_up_all<C: Cell, const FIRST: bool>(
    order: &[u16],
    words: &[u64],
    table: &Table<C>,
    part: usize,
    sums: &mut [C::Row],
) {
    if order.len() == words.len() {
        // All samples; their order may not have been written down.
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

/// The partial sum so many bytes from the first one, a multiple of [`CELL_BYTES`] below the size of the table.
#[inline(always)]
fn at<C: Cell>(table: &Table<C>, place: usize) -> &C {
    debug_assert!(place < size_of::<Table<C>>() && place.is_multiple_of(CELL_BYTES));
    // SAFETY: the place is that of a partial sum: both callers form it from a group and its inputs, and `accumulate` accepts no
    // cells of another size.
    #[allow(unsafe_code, reason = "an index would have to be checked and multiplied before each addition")]
    unsafe {
        &*table.as_ptr().byte_add(place)
    }
}

/// Partial sums of four inputs, number 0 at bit 0, unit by unit; the lowest input is added last. Those of no input stay zero.
#[inline(always)]
fn build<T: Copy>(
    units: usize,
    weight: impl Fn(usize, usize) -> T,
    add: impl Fn(T, T) -> T,
    mut set: impl FnMut(usize, usize, T),
) {
    for unit in 0..units {
        let (a, b, c, d) = (weight(0, unit), weight(1, unit), weight(2, unit), weight(3, unit));
        let (cb, db, dc) = (add(c, b), add(d, b), add(d, c));
        let dcb = add(dc, b);
        set(1, unit, a);
        for (inputs, others) in [(2, b), (4, c), (6, cb), (8, d), (10, db), (12, dc), (14, dcb)] {
            set(inputs, unit, others);
            set(inputs + 1, unit, add(others, a));
        }
    }
}

#[inline(always)]
fn add(mut a: [f32; PART], b: &[f32; PART]) -> [f32; PART] {
    for lane in 0..PART {
        a[lane] += b[lane];
    }
    a
}

impl Row {
    #[inline(always)]
    fn part(&self, part: usize) -> [f32; PART] {
        self.0.as_chunks::<PART>().0[part]
    }

    #[inline(always)]
    fn set_part(&mut self, part: usize, values: [f32; PART]) {
        self.0.as_chunks_mut::<PART>().0[part] = values;
    }
}

#[inline(always)]
pub(super) fn magnitudes(weights: &[Part]) -> [Part; 2] {
    let [mut positive, mut all] = [Part::ZERO; 2];
    for weights in weights {
        for lane in 0..PART {
            let weight = weights.0[lane];
            positive.0[lane] += if weight > 0.0 { weight } else { 0.0 };
            all.0[lane] += weight.abs();
        }
    }
    [positive, all]
}

/// Rounds the weights of a part to whole steps, which become those of the units from `first` on of each half, and gives the sums of
/// what was added and of what was taken away by that. Where the step is 0 all steps are.
#[inline(always)]
pub(super) fn round_to_steps(weights: &[Part], step: &Part, first: usize, halves: &mut [Half]) -> [Part; 2] {
    let [mut above, mut below] = [Part::ZERO; 2];
    let per_step = step.0.map(|step| if step > 0.0 { 1.0 / step } else { 0.0 });
    for (weights, half) in weights.iter().zip(halves) {
        let half = &mut half.0[first..first + PART];
        for lane in 0..PART {
            let shifted = weights.0[lane] * per_step[lane] + ROUND;
            let error = (shifted - ROUND) * step.0[lane] - weights.0[lane];
            above.0[lane] += if error > 0.0 { error } else { 0.0 };
            below.0[lane] += if error < 0.0 { -error } else { 0.0 };
            // The low bits of `shifted` hold the steps.
            half[lane] = shifted.to_bits() as i16;
        }
    }
    [above, below]
}

/// Each row becomes the sums in whole steps times the steps of the units.
#[inline(always)]
pub(super) fn scale_steps(sums: &[Steps], step: &Row, rows: &mut [Row]) {
    for (row, sum) in rows.iter_mut().zip(sums) {
        for lane in 0..LANES {
            row.0[lane] = sum.0[lane] as f32 * step.0[lane];
        }
    }
}

/// The sum plus the weights of one unit's inputs that are on, added in the order of [`accumulate`]; all weights are finite.
///
/// The inputs of tile t are in `words[t * stride]`.
#[inline(always)]
pub(super) fn add_in_order(words: &[u64], stride: usize, weights: &[[f32; TILE]], mut sum: f32) -> f32 {
    for (&word, weights) in words.iter().step_by(stride).zip(weights) {
        let mut on = unpack(word);
        for (on, weight) in on.iter_mut().zip(weights) {
            *on *= weight;
        }
        sum += on.as_chunks::<4>().0.iter().fold(0.0, |sum, [a, b, c, d]| sum + (d + c + b + a));
    }
    sum
}

/// [`add_in_order`] in an order that is faster: sixteen sums side by side, [`ADDED`] tiles at a time.
#[inline(always)]
pub(super) fn add_in_parts(words: &[u64], stride: usize, weights: &[[f32; TILE]]) -> f32 {
    let mut totals = [0.0; PART];
    for (words, weights) in words.chunks(ADDED * stride).zip(weights.chunks(ADDED)) {
        let mut sums = [0.0; PART];
        for (&word, weights) in words.iter().step_by(stride).zip(weights) {
            let on = unpack(word);
            for (weights, on) in weights.as_chunks::<PART>().0.iter().zip(on.as_chunks::<PART>().0) {
                for lane in 0..PART {
                    sums[lane] += on[lane] * weights[lane];
                }
            }
        }
        totals = add(totals, &sums);
    }
    totals.iter().sum()
}

/// [`accumulate`] for few samples: the partial sums of each sample are formed anew, and added in the same order.
#[inline(always)]
pub(super) fn accumulate_few(words: &[u64], tile: Tile<'_>, sums: &mut [Row]) {
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

/// [`accumulate`] for one sample and so many parts.
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

/// Turns sums over neighbours into inputs: beta (sum + bias) + (1 - beta) base.
#[inline(always)]
pub(super) fn temper(rows: &mut [Row], bias: &Row, base: &Row, beta: f32) {
    for row in rows {
        for lane in 0..LANES {
            row.0[lane] = temper_one(row.0[lane], bias.0[lane], base.0[lane], beta);
        }
    }
}

/// [`temper`] for one unit.
#[inline(always)]
pub(super) fn temper_one(sum: f32, bias: f32, base: f32, beta: f32) -> f32 {
    beta * (sum + bias) + (1.0 - beta) * base
}

/// Replaces inputs by means.
#[inline(always)]
pub(super) fn logistic(values: &mut [f32]) {
    for value in values {
        *value = logistic_one(*value);
    }
}

/// 1 / (1 + exp(-x)) to within 2 units in the last place, without overflow.
#[inline(always)]
pub(super) fn logistic_one(x: f32) -> f32 {
    let e = exp_minus(x.abs());
    let upper = 1.0 / (1.0 + e);
    if x < 0.0 { e * upper } else { upper }
}

const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest integer.

/// exp(-x) for x >= 0; beyond 87 the value at 87, just above the smallest normal number.
#[inline(always)]
fn exp_minus(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4; // ln 2 with so few bits that n * LN2_HIGH is exact.
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 87.0 { -87.0 } else { -x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    // The low bits of `shifted` hold n; moved into the exponent field they scale by 2^n.
    series * f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23)
}

/// 1 / (1 + exp(-x)) to within [`super::ROUGHLY`].
#[inline(always)]
pub(super) fn logistic_roughly(x: f32) -> f32 {
    let away = x.abs();
    let away = if away > 87.0 { -87.0 } else { -away };
    let shifted = away * std::f32::consts::LOG2_E + ROUND;
    let r = away - (shifted - ROUND) * std::f32::consts::LN_2;
    // The share by which four terms of the series after the first are wrong, 5e-5, counts a quarter at most.
    let mut series = 1.0 / 24.0;
    for coefficient in [1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    let e = series * f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    let upper = 1.0 / (1.0 + e);
    if x < 0.0 { e * upper } else { upper }
}

/// exp(-x) for x >= 0 in double precision; beyond 708 the value at 708.
#[inline(always)]
fn exp_minus_f64(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = if x > 708.0 { -708.0 } else { -x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut series = 1.0 / 479_001_600.0;
    for coefficient in [
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * r + coefficient;
    }
    series * f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52)
}

/// Draws 64 units of each sample: a bit is on when its random number lies below the mean.
///
/// A mean p is compared through its first 16 binary digits. Where the random digits equal those of p the
/// decision is open and the bit appears in `ties`; the caller continues with further digits.
#[inline(always)]
pub(super) fn draw(
    means: &[Row],
    random: &[[u16; LANES]],
    bits: &mut [u64],
    ties: &mut [u64],
    pack: impl Fn(&[u8; LANES]) -> u64,
) {
    for (((mean, random), bits), ties) in means.iter().zip(random).zip(bits).zip(ties) {
        let mut below = [0_u8; LANES];
        let mut equal = [0_u8; LANES];
        for lane in 0..LANES {
            let threshold = whole(unit_interval(mean.0[lane]) * 65_536.0);
            let digits = i32::from(random[lane]);
            below[lane] = u8::from(digits < threshold);
            equal[lane] = u8::from(digits == threshold);
        }
        *bits = pack(&below);
        *ties = pack(&equal);
    }
}

/// Draws 64 units of each sample from its sums in whole steps, and others that are added to them unless there are none: a bit is on
/// where it is so for every mean in reach, and appears in `open` where the decision depends on the mean.
#[inline(always)]
pub(super) fn draw_roughly(
    (sums, others): (&[Steps], &[Row]),
    (rough, beta): (&Rough, f32),
    random: &[[u16; LANES]],
    bits: &mut [u64],
    open: &mut [u64],
    pack: impl Fn(&[u8; LANES]) -> u64,
) {
    for (s, (((sum, random), bits), open)) in sums.iter().zip(random).zip(bits).zip(open).enumerate() {
        let other = others.get(s).unwrap_or(&Row::ZERO);
        let mut below = [0_u8; LANES];
        let mut unclear = [0_u8; LANES];
        for lane in 0..LANES {
            let sum = sum.0[lane] as f32 * rough.step.0[lane] + other.0[lane];
            let mean = logistic_roughly(beta * (sum + rough.shift.0[lane]) + rough.base.0[lane]);
            let (low, high) = reach(mean, rough.digits.0[lane], rough.least.0[lane]);
            let digits = i32::from(random[lane]);
            below[lane] = u8::from(digits < low);
            unclear[lane] = u8::from((digits >= low) & (digits <= high));
        }
        *bits = pack(&below);
        *open = pack(&unclear);
    }
}

/// The first 16 digits of the least and of the greatest mean apart from `mean` by at most p (1 - p) `digits` + `least` in the last one.
#[inline(always)]
pub(super) fn reach(mean: f32, digits: f32, least: f32) -> (i32, i32) {
    let p = unit_interval(mean);
    let apart = p * (1.0 - p) * digits + least;
    let (low, high) = (65_536.0 * p - apart, 65_536.0 * p + apart);
    (whole(if low > 0.0 { low } else { 0.0 }), whole(high))
}

/// The nearest number in 0..1, and 0 for NaN.
#[inline(always)]
fn unit_interval(x: f32) -> f32 {
    let x = if x > 0.0 { x } else { 0.0 };
    if x < 1.0 { x } else { 1.0 }
}

/// The whole part of a number between 0 and 2^30; an ordinary conversion would also look for what does not fit.
#[inline(always)]
fn whole(x: f32) -> i32 {
    debug_assert!((0.0..1_073_741_824.0).contains(&x));
    // SAFETY: callers pass 0 to 65,536, as `unit_interval` guarantees, or what is in reach of it, at most twice as much.
    #[allow(unsafe_code, reason = "the checked conversion does not vectorise")]
    unsafe {
        x.to_int_unchecked()
    }
}

/// Independent accumulators of a double-precision sum.
const F64_LANES: usize = 8;

/// Factors between 1 and 2 that a product takes before its logarithm is drawn.
const FACTORS: usize = 512 * F64_LANES;

/// sum softplus(x) in double precision: the positive parts plus the logarithm of prod (1 + exp(-|x|)).
#[inline(always)]
pub(super) fn softplus_sum(inputs: &[f32]) -> f64 {
    softplus_sum_of(inputs)
}

/// [`softplus_sum`] of inputs that are in double precision already.
#[inline(always)]
pub(super) fn softplus_sum_f64(inputs: &[f64]) -> f64 {
    softplus_sum_of(inputs)
}

#[inline(always)]
fn softplus_sum_of<T: Copy + Into<f64>>(inputs: &[T]) -> f64 {
    let mut total = 0.0;
    for block in inputs.chunks(FACTORS) {
        let mut positive = [0.0; F64_LANES];
        let mut product = [1.0; F64_LANES];
        for chunk in block.chunks(F64_LANES) {
            for (lane, &x) in chunk.iter().enumerate() {
                let x: f64 = x.into();
                positive[lane] += if x > 0.0 { x } else { 0.0 };
                product[lane] *= 1.0 + exp_minus_f64(x.abs());
            }
        }
        for lane in 0..F64_LANES {
            total += positive[lane] + product[lane].ln();
        }
    }
    total
}

/// Replaces the inputs a of 64 units by the scores x - logistic(a) of their states x, and gives
/// sum log Ber(x; logistic(a)) over the units of `mask`.
///
/// log Ber(x; logistic(a)) = min(0, +-a) - log(1 + exp(-|a|)), so that mean and probability share one exponential.
#[inline(always)]
pub(super) fn score(inputs: &mut [f32; LANES], states: u64, mask: u64) -> f64 {
    let (states, used) = (unpack(states), unpack(mask));
    let mut wrong_side = [0.0_f32; LANES];
    let mut factors = [0.0_f32; LANES];
    for lane in 0..LANES {
        let a = inputs[lane];
        let e = exp_minus(a.abs());
        let upper = 1.0 / (1.0 + e);
        inputs[lane] = states[lane] - if a < 0.0 { e * upper } else { upper };
        let away = a - 2.0 * states[lane] * a;
        wrong_side[lane] = used[lane] * if away > 0.0 { away } else { 0.0 };
        factors[lane] = used[lane] * e;
    }
    let mut sums = [0.0; F64_LANES];
    let mut product = [1.0; F64_LANES];
    for chunk in 0..LANES / F64_LANES {
        for lane in 0..F64_LANES {
            sums[lane] += f64::from(wrong_side[F64_LANES * chunk + lane]);
            product[lane] *= 1.0 + f64::from(factors[F64_LANES * chunk + lane]);
        }
    }
    // The product of 64 factors of at most 2 is far from overflow.
    let factor: f64 = product.iter().product();
    -sums.iter().sum::<f64>() - factor.ln()
}

/// The bits of a word as numbers, the lowest first.
#[inline(always)]
fn unpack(word: u64) -> [f32; LANES] {
    let halves = [word as u32, (word >> 32) as u32];
    let mut flags = [0.0; LANES];
    for (half, flags) in halves.iter().zip(flags.as_chunks_mut::<32>().0) {
        for (lane, flag) in flags.iter_mut().enumerate() {
            *flag = (half >> lane & 1) as i32 as f32;
        }
    }
    flags
}

/// The greatest change of an input for which [`gain_of_small_step`] is used.
const SMALL_STEP: f32 = 1.0 / 16.0;

/// sum softplus(z(to)) - softplus(z(from)) with z(beta) = beta x + (1 - beta) base.
#[inline(always)]
pub(super) fn softplus_gain(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let farthest = inputs.iter().zip(base).fold(0.0, |far: f32, (x, base)| {
        let apart = (x - base).abs();
        if apart > far { apart } else { far }
    });
    if farthest * ((to - from).abs() as f32) < SMALL_STEP {
        gain_of_small_step(inputs, base, from, to)
    } else {
        gain_of_large_step(inputs, base, from, to)
    }
}

/// The gain by the midpoint rule with its first correction: with d = z(to) - z(from) and the mean p halfway
/// it is d p (1 + d^2 / 24 (1 - p) (1 - 2 p)), up to a share of d^4 / 1920.
#[inline(always)]
fn gain_of_small_step(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let (halfway, step) = ((0.5 * (from + to)) as f32, (to - from) as f32);
    let (rest, curvature) = (1.0 - halfway, step * step / 24.0);
    let mut sums = [0.0; 2 * F64_LANES];
    for (chunk, base) in inputs.chunks(2 * F64_LANES).zip(base.chunks(2 * F64_LANES)) {
        for (lane, (&x, &base)) in chunk.iter().zip(base).enumerate() {
            let apart = x - base;
            let p = logistic_one(halfway * x + rest * base);
            let correction = curvature * (apart * apart) * ((1.0 - p) * (1.0 - 2.0 * p));
            sums[lane] += f64::from(apart * p * (1.0 + correction));
        }
    }
    (to - from) * sums.iter().sum::<f64>()
}

/// The gain in double precision as the logarithm of a ratio of products.
#[inline(always)]
fn gain_of_large_step(inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64 {
    let mut total = 0.0;
    for (block, base) in inputs.chunks(FACTORS).zip(base.chunks(FACTORS)) {
        let mut positive = [0.0; F64_LANES];
        let mut above = [1.0; F64_LANES];
        let mut below = [1.0; F64_LANES];
        for (chunk, base) in block.chunks(F64_LANES).zip(base.chunks(F64_LANES)) {
            for (lane, (&x, &base)) in chunk.iter().zip(base).enumerate() {
                let (x, base) = (f64::from(x), f64::from(base));
                let old = from * x + (1.0 - from) * base;
                let new = to * x + (1.0 - to) * base;
                positive[lane] += if new > 0.0 { new } else { 0.0 } - if old > 0.0 { old } else { 0.0 };
                above[lane] *= 1.0 + exp_minus_f64(new.abs());
                below[lane] *= 1.0 + exp_minus_f64(old.abs());
            }
        }
        for lane in 0..F64_LANES {
            total += positive[lane] + (above[lane] / below[lane]).ln();
        }
    }
    total
}

/// Adds up rows in double precision, one after the other.
#[inline(always)]
pub(super) fn add_up(rows: &[Row]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for row in rows {
        for (sum, &value) in sums.iter_mut().zip(&row.0) {
            *sum += f64::from(value);
        }
    }
    sums
}

/// Centres a column of a gradient with respect to weights, given those of the biases below with their offsets, and that of the bias above
/// with its own: see [`crate::centre()`]. Adds the column times the offset above to `below`; the column times what is seen of the offsets below.
#[inline(always)]
pub(super) fn centre(
    column: &mut [f32],
    (biases, offsets): (&[f32], &[f32]),
    (bias, offset): (f32, f32),
    (below, seen): (&mut [f32], &[f32]),
) -> f32 {
    let mut sums = [0.0; PART];
    let centred = |value: f32, below: (f32, f32)| value - (below.0 * offset + below.1 * bias);
    let (whole, rest) = column.as_chunks_mut::<PART>();
    let done = PART * whole.len();
    for (n, column) in whole.iter_mut().enumerate() {
        let first = PART * n;
        let (biases, offsets) = (&biases[first..first + PART], &offsets[first..first + PART]);
        let (below, seen) = (&mut below[first..first + PART], &seen[first..first + PART]);
        for lane in 0..PART {
            let value = centred(column[lane], (biases[lane], offsets[lane]));
            column[lane] = value;
            below[lane] += offset * value;
            sums[lane] += value * seen[lane];
        }
    }
    for (lane, value) in rest.iter_mut().enumerate() {
        let unit = done + lane;
        *value = centred(*value, (biases[unit], offsets[unit]));
        below[unit] += offset * *value;
        sums[lane] += *value * seen[unit];
    }
    sums.iter().sum()
}

/// Transposes a square of 64 x 64 bits in place by exchanging ever smaller off-diagonal blocks.
#[inline(always)]
pub(super) fn transpose_square(rows: &mut [u64; LANES]) {
    exchange::<32>(rows, 0x0000_0000_ffff_ffff);
    exchange::<16>(rows, 0x0000_ffff_0000_ffff);
    exchange::<8>(rows, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(rows, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(rows, 0x3333_3333_3333_3333);
    exchange::<1>(rows, 0x5555_5555_5555_5555);
}

/// Exchanges blocks of so many rows and columns beside the diagonal; the columns of the first one are those of the mask.
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
pub(super) fn count_shared(words: &[u64], other: u64, counts: &mut [u32]) {
    for (count, word) in counts.iter_mut().zip(words) {
        *count += (word & other).count_ones();
    }
}
