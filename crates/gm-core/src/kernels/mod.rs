//! Kernels compiled for each instruction set, each behind a safe function that picks one at run time.

mod body;
mod find;
mod instruction_set;
mod layout;
mod lookups;
mod pack;
mod rough;
#[cfg(test)]
mod tests;
mod transpose;

pub(crate) use find::find;
pub use instruction_set::InstructionSet;
pub(crate) use layout::{Cell, GROUPS, HALF, Half, LANES, PART, Part, Row, Steps, TILE, Table, Tile, empty_table};
use lookups::Places;
pub(crate) use lookups::{BLOCK, Lookups, MANY};
#[cfg(test)]
use rough::ROUGHLY;
pub(crate) use rough::{ADDED, Rough, digits_off};
pub(crate) use transpose::transpose;

/// Compiles a kernel once for each instruction set and gives it a function that chooses one at run time. `packed by`
/// names the functions that gather bits, one for each instruction set.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $on:ident, ($($arg:ident: $kind:ty),*) $(-> $out:ty)?
        $(, packed by $plain:path, $avx2:path, $avx512:path)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $kind),*) $(-> $out)? {
            $on(InstructionSet::active(), $($arg),*)
        }

        /// The kernel for a given instruction set, which must be available.
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
                    // SAFETY: `InstructionSet::available` found AVX2, and every processor with AVX2 has POPCNT.
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
    /// [`accumulate`] for weights in fixed point.
    accumulate_steps, accumulate_steps_on,
    (words: &[u64], lookups: &Lookups, tile: Tile<'_, Half>, table: &mut Table<Half>, sums: &mut [Steps])
}
kernel! {
    /// The sums of the positive weights and of all magnitudes, for each unit of a part.
    magnitudes, magnitudes_on, (weights: &[Part]) -> [Part; 2]
}
kernel! {
    /// Rounds the weights of a part to fixed point: see [`body::round_to_steps`].
    round_to_steps, round_to_steps_on, (weights: &[Part], step: &Part, first: usize, halves: &mut [Half]) -> [Part; 2]
}
kernel! {
    /// Turns sums in fixed point into numbers: see [`body::scale_steps`].
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
    /// Adds the weights of the inputs that are on: see [`body::add_where`].
    add_where, add_where_on, (rows: &mut [Row], weights: &[Row], words: &[u64])
}
kernel! {
    /// Draws units that depend on the units before them: see [`body::draw_in_turn`].
    draw_in_turn, draw_in_turn_on,
    (rows: &mut [Row], weights: &[Row], thresholds: &[Row], used: usize, words: &mut [u64])
}
kernel! {
    /// beta (sum + bias) + (1 - beta) base in place.
    temper, temper_on, (rows: &mut [Row], bias: &Row, base: &Row, beta: f32)
}
kernel! {
    /// Replaces inputs by means.
    logistic, logistic_on, (values: &mut [f32])
}
kernel! {
    /// Bernoulli draws from 16 random digits; undecided units are reported in `ties`.
    draw, draw_on, (means: &[Row], random: &[[u16; LANES]], bits: &mut [u64], ties: &mut [u64]),
    packed by pack::plainly, pack::with_avx2, pack::with_avx512
}
kernel! {
    /// Bernoulli draws from inputs with a known greatest error; undecided units are reported in `open`: see
    /// [`body::draw_roughly`].
    draw_roughly, draw_roughly_on,
    (sums: (&[Steps], &[Row]), rough: (&Rough, f32), random: &[[u16; LANES]], bits: &mut [u64], open: &mut [u64]),
    packed by pack::plainly, pack::with_avx2, pack::with_avx512
}
kernel! {
    /// Replaces inputs by scores and finds the log-probabilities of the states: see [`body::score`].
    score, score_on, (rows: &mut [Row], states: &[u64], mask: u64, log_probs: &mut [f64])
}
kernel! {
    /// Means with the logarithms that their states share: see [`body::means`].
    means, means_on, (inputs: &[Row], mask: u64, means: &mut [Row], logs: &mut [f64])
}
kernel! {
    /// Replaces means by scores and finds the log-probabilities of the states: see [`body::score_means`].
    score_means, score_means_on,
    (inputs: (&[Row], &[f64]), copies: (usize, usize), states: (&[u64], u64), rows: &mut [Row], log_probs: &mut [f64])
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
    /// Multiplies rows by weights and adds up the products: see [`body::weigh`].
    weigh, weigh_on, (rows: &mut [Row], weights: &[f32]) -> [f64; LANES]
}
kernel! {
    /// The sums over neighbouring rows times weights: see [`body::weigh_neighbours`].
    weigh_neighbours, weigh_neighbours_on, (rows: &[Row], weights: &[f32], count: usize, out: &mut [Row])
}
kernel! {
    /// Centres a column of a gradient: see [`body::centre`].
    centre, centre_on, (column: &mut [f32], lower: (&[f32], &[f32]), upper: (f32, f32), products: (&mut [f32], &[f32])) -> f32
}
kernel! {
    /// Transposes a square of 64 x 64 bits in place.
    transpose_square, transpose_square_on, (rows: &mut [u64; LANES])
}
kernel! {
    /// Adds up the bits that words share with another word.
    count_shared, count_shared_on, (words: &[u64], other: u64, counts: &mut [u32])
}

/// Replaces inputs by means, a row of 64 units at a time.
pub(crate) fn logistic_rows(rows: &mut [Row]) {
    for row in rows {
        logistic(&mut row.0);
    }
}

/// beta (sum + bias) + (1 - beta) base, the same bits as the vectorised kernels.
pub(crate) fn temper_one(sum: f32, bias: f32, base: f32, beta: f32) -> f32 {
    body::temper_one(sum, bias, base, beta)
}

/// The range of first 16 digits that a mean may have: see [`body::reach`].
pub(crate) fn reach(mean: f32, digits: f32, least: f32) -> (i32, i32) {
    body::reach(mean, digits, least)
}

/// 1 / (1 + exp(-x)), the same bits as the vectorised kernels.
pub(crate) fn logistic_one(x: f32) -> f32 {
    body::logistic_one(x)
}
