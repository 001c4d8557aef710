//! Kernels compiled for each instruction set, each behind a safe function that picks one at run time.

mod body;
mod find;
mod pack;
mod transpose;

use std::sync::OnceLock;

pub(crate) use find::find;
pub(crate) use transpose::transpose;

/// Units in a panel: what one word of packed bits holds.
pub(crate) const LANES: usize = 64;

/// Inputs in a tile of weights: those of one word of packed bits.
pub(crate) const TILE: usize = 64;

/// Units whose sums are formed together: so few that the partial sums of a tile take half of a first-level cache.
pub(crate) const PART: usize = 16;

/// One value for each of the 64 units of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [f32; LANES]);

impl Row {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    /// The parts of rows, those of the first row first.
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

/// Samples that look partial sums up together.
pub(crate) const BLOCK: usize = 512;

/// Groups of four inputs in a tile.
pub(crate) const GROUPS: usize = TILE / 4;

/// From so many partial sums on a sample looks up those of all groups, most of the others being zero.
pub(crate) const MANY: usize = 13;

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

    /// [`numbers`](Self::numbers) to be changed.
    pub(crate) fn numbers_mut(parts: &mut [Self]) -> &mut [f32] {
        // SAFETY: a part is nothing but its numbers.
        #[allow(unsafe_code, reason = "the same numbers under another type")]
        unsafe {
            std::slice::from_raw_parts_mut(parts.as_mut_ptr().cast(), parts.len() * PART)
        }
    }
}

/// Units whose sums in whole steps are formed together: as many as take the memory of a [`Part`].
pub(crate) const HALF: usize = 32;

/// The values of half of the units of a panel, in whole steps of each unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Half(pub(crate) [i16; HALF]);

/// Sums in whole steps, one for each of the 64 units of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Steps(pub(crate) [i32; LANES]);

impl Steps {
    pub(crate) const ZERO: Self = Self([0; LANES]);
}

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

/// What the partial sums of a [`Table`] are: 64 bytes, some units of a panel.
pub(crate) trait Cell: Copy {
    /// The sums of a sample, of all units of a panel.
    type Row;

    /// Cells of a row.
    const PARTS: usize;

    const ZERO: Self;

    /// The partial sums of the scaled weights of four inputs: see [`Table`].
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], scale: f32);

    fn plus(self, other: &Self) -> Self;

    /// Adds a sum to a part of a row, or lets it be that part if it is the first.
    fn end<const FIRST: bool>(self, row: &mut Self::Row, part: usize);
}

/// The partial sums of a tile, of some units: number 16 g + x is that of the inputs of group g whose bits are on in x.
/// Those of no input are always zero.
pub(crate) type Table<C = Part> = [C; 16 * GROUPS];

/// A table before its first use.
pub(crate) fn empty_table<C: Cell>() -> Box<Table<C>> {
    Box::new([C::ZERO; 16 * GROUPS])
}

/// Which partial sums of a tile the samples of a block look up: those of groups with inputs that are on, in the order of groups.
///
/// Found once for all units of the layer that is updated. Samples are sorted by how many sums they look up, so that the loop
/// over these can be unrolled.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    /// Inputs that are on in any sample.
    used: u64,
    /// How many samples look up 0, 1, 2, ... sums, and how many look up [`MANY`] or more.
    runs: [u16; MANY + 1],
    /// The samples, those of a run in their own order.
    order: [u16; BLOCK],
    /// For each sample of `order` which sums these are, unless there are so many that the inputs themselves tell it as fast.
    places: [Places; BLOCK],
}

/// Numbers of partial sums in a table, a byte each, the first one lowest.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
struct Places([u64; GROUPS / 8]);

impl Lookups {
    pub(crate) const NONE: Self =
        Self { used: 0, runs: [0; MANY + 1], order: [0; BLOCK], places: [Places([0; GROUPS / 8]); BLOCK] };
}

/// The weights of a tile's inputs to the units of a panel: those of input i to part p are `parts[p * of_part + i * of_input]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'a, C = Part> {
    pub(crate) parts: &'a [C],
    pub(crate) of_part: usize,
    pub(crate) of_input: usize,
    /// Groups of four inputs, up to [`GROUPS`].
    pub(crate) groups: usize,
    /// Parts with units in them.
    pub(crate) used: usize,
    /// What weights are multiplied by; those in whole steps are not.
    pub(crate) scale: f32,
    /// Whether sums begin with this tile, whatever was there before.
    pub(crate) first: bool,
}

/// An instruction set for which the kernels were compiled.
///
/// # Examples
///
/// ```
/// let used = gm_core::InstructionSet::active();
/// assert!(gm_core::InstructionSet::available().contains(&used));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Whatever the compiler assumes of every machine of this architecture.
    Portable,
    /// AVX2 on x86-64.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VPOPCNTDQ on x86-64.
    Avx512,
}

impl InstructionSet {
    /// The sets that this machine can run, the portable one first and the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                sets.push(Self::Avx2);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vpopcntdq");
            if avx512 {
                sets.push(Self::Avx512);
            }
        }
        sets
    }

    /// The set in use: the fastest one, unless the environment variable `DGM_KERNELS` names another that is available.
    #[must_use]
    pub fn active() -> Self {
        static ACTIVE: OnceLock<InstructionSet> = OnceLock::new();
        *ACTIVE.get_or_init(|| {
            let sets = Self::available();
            let wanted = std::env::var("DGM_KERNELS").ok();
            let named = sets.iter().find(|set| wanted.as_deref() == Some(set.name()));
            named.or(sets.last()).copied().unwrap_or(Self::Portable)
        })
    }

    /// The name that `DGM_KERNELS` takes: `portable`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Compiles a kernel once for each instruction set and gives it a function that chooses; behind `packed by` are the functions that
/// gather bits, of each instruction set.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $on:ident, ($($arg:ident: $kind:ty),*) $(-> $out:ty)?
        $(, packed by $plain:path, $avx2:path, $avx512:path)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $kind),*) $(-> $out)? {
            $on(InstructionSet::active(), $($arg),*)
        }

        /// The same by a named instruction set, which must be available.
        fn $on(set: InstructionSet, $($arg: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,popcnt")]
                fn avx2($($arg: $kind),*) $(-> $out)? {
                    body::$name($($arg,)* $(|flags: &[u8; LANES]| $avx2(flags))?)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")]
                fn avx512($($arg: $kind),*) $(-> $out)? {
                    body::$name($($arg,)* $(|flags: &[u8; LANES]| $avx512(flags))?)
                }
                match set {
                    // SAFETY: `InstructionSet::available` found AVX2, and every machine with AVX2 has POPCNT.
                    #[allow(unsafe_code, reason = "calls a function compiled for detected features")]
                    InstructionSet::Avx2 => return unsafe { avx2($($arg),*) },
                    // SAFETY: `InstructionSet::available` found each of the AVX-512 features named above.
                    #[allow(unsafe_code, reason = "calls a function compiled for detected features")]
                    InstructionSet::Avx512 => return unsafe { avx512($($arg),*) },
                    InstructionSet::Portable => {}
                }
            }
            let _ = set;
            body::$name($($arg,)* $($plain)?)
        }
    };
}

kernel! {
    /// Adds the weights of the inputs that are on: see [`body::accumulate`].
    accumulate, accumulate_on,
    (words: &[u64], lookups: &Lookups, tile: Tile<'_>, table: &mut Table, sums: &mut [Row])
}
kernel! {
    /// [`accumulate`] of weights in whole steps.
    accumulate_steps, accumulate_steps_on,
    (words: &[u64], lookups: &Lookups, tile: Tile<'_, Half>, table: &mut Table<Half>, sums: &mut [Steps])
}
kernel! {
    /// The sums of the positive weights and of all magnitudes, for each unit of a part.
    magnitudes, magnitudes_on, (weights: &[Part]) -> [Part; 2]
}
kernel! {
    /// Rounds the weights of a part to whole steps: see [`body::round_to_steps`].
    round_to_steps, round_to_steps_on, (weights: &[Part], step: &Part, first: usize, halves: &mut [Half]) -> [Part; 2]
}
kernel! {
    /// Turns sums in whole steps into sums: see [`body::scale_steps`].
    scale_steps, scale_steps_on, (sums: &[Steps], step: &Row, rows: &mut [Row])
}
kernel! {
    /// Adds the weights of a unit's inputs that are on, in the order of [`accumulate`].
    add_in_order, add_in_order_on, (words: &[u64], stride: usize, weights: &[[f32; TILE]], sum: f32) -> f32
}
kernel! {
    /// Adds the weights of a unit's inputs that are on, in another order that is faster.
    add_in_parts, add_in_parts_on, (words: &[u64], stride: usize, weights: &[[f32; TILE]]) -> f32
}
kernel! {
    /// [`accumulate`] for few samples, without a table.
    accumulate_few, accumulate_few_on, (words: &[u64], tile: Tile<'_>, sums: &mut [Row])
}
kernel! {
    /// beta (sum + bias) + (1 - beta) base in place.
    temper, temper_on, (rows: &mut [Row], bias: &Row, base: &Row, beta: f32)
}
kernel! {
    /// Inputs to means in place.
    logistic, logistic_on, (values: &mut [f32])
}
kernel! {
    /// Bernoulli draws from 16 random digits, with the undecided units apart.
    draw, draw_on, (means: &[Row], random: &[[u16; LANES]], bits: &mut [u64], ties: &mut [u64]),
    packed by pack::plainly, pack::with_avx2, pack::with_avx512
}
kernel! {
    /// Bernoulli draws from inputs that are not quite known, with the undecided units apart: see [`body::draw_roughly`].
    draw_roughly, draw_roughly_on,
    (sums: (&[Steps], &[Row]), rough: (&Rough, f32), random: &[[u16; LANES]], bits: &mut [u64], open: &mut [u64]),
    packed by pack::plainly, pack::with_avx2, pack::with_avx512
}
kernel! {
    /// Inputs to scores in place, and the log-probability of the states: see [`body::score`].
    score, score_on, (inputs: &mut [f32; LANES], states: u64, mask: u64) -> f64
}
kernel! {
    /// sum softplus(x).
    softplus_sum, softplus_sum_on, (inputs: &[f32]) -> f64
}
kernel! {
    /// sum softplus(x) in double precision throughout.
    softplus_sum_f64, softplus_sum_f64_on, (inputs: &[f64]) -> f64
}
kernel! {
    /// The change of sum softplus along an annealed path.
    softplus_gain, softplus_gain_on, (inputs: &[f32], base: &[f32], from: f64, to: f64) -> f64
}
kernel! {
    /// The sums over rows in double precision.
    add_up, add_up_on, (rows: &[Row]) -> [f64; LANES]
}
kernel! {
    /// Centres a column of a gradient: see [`body::centre`].
    centre, centre_on, (column: &mut [f32], lower: (&[f32], &[f32]), upper: (f32, f32), products: (&mut [f32], &[f32])) -> f32
}
kernel! {
    /// Rows of bits become columns.
    transpose_square, transpose_square_on, (rows: &mut [u64; LANES])
}
kernel! {
    /// Adds up the bits that words share with another word.
    count_shared, count_shared_on, (words: &[u64], other: u64, counts: &mut [u32])
}

/// Inputs to means in place, a row of 64 units at a time.
pub(crate) fn logistic_rows(rows: &mut [Row]) {
    for row in rows {
        logistic(&mut row.0);
    }
}

/// beta (sum + bias) + (1 - beta) base, the same bits as the vectorised kernels.
pub(crate) fn temper_one(sum: f32, bias: f32, base: f32, beta: f32) -> f32 {
    body::temper_one(sum, bias, base, beta)
}

/// The first 16 digits of the means in reach: see [`body::reach`].
pub(crate) fn reach(mean: f32, digits: f32, least: f32) -> (i32, i32) {
    body::reach(mean, digits, least)
}

/// 1 / (1 + exp(-x)), the same bits as the vectorised kernels.
pub(crate) fn logistic_one(x: f32) -> f32 {
    body::logistic_one(x)
}

#[cfg(test)]
mod tests;
