//! Layers whose units depend on the units before them in the same layer.

use std::sync::OnceLock;

use rand::RngExt;
use rayon::prelude::*;

use super::activations::Activations;
use super::draw::{CHUNK, DRAWN, stream_of};
use super::panel::padded;
use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, LANES, Row};
use crate::numerics::logit;
use crate::stack::Matrix;
use crate::streams::Streams;

/// Weights from the units of a layer to the units behind them, arranged for draws one unit after the other:
/// p(x) = prod_j Ber(x_j; s(a_j + sum_(i<j) A_ij x_i)).
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Matrix, Streams, WithinLayer};
///
/// // The second unit repeats the first.
/// let within = WithinLayer::new(&Matrix::from_row_slice(2, 2, &[0.0, 80.0, 0.0, 0.0]));
/// let mut inputs = Activations::repeated(&[0.0, -40.0], 100);
/// let mut x = BitMatrix::zeros(2, 100);
/// inputs.sample_within_into(&within, &mut x, &Streams::new(1));
/// assert!((0..100).all(|sample| x.get(0, sample) == x.get(1, sample)));
/// assert!((0..100).all(|sample| (inputs.get(1, sample) > 0.0) == x.get(0, sample)));
/// ```
#[derive(Clone, Debug)]
pub struct WithinLayer {
    units: usize,
    /// Panel by panel; for each the weights of the units of this panel and of those in front of it.
    rows: Vec<Row>,
}

/// The rows in front of those of a panel.
fn offset(panel: usize) -> usize {
    LANES * panel * (panel + 1) / 2
}

impl WithinLayer {
    /// Arranges weights.
    ///
    /// # Shapes
    ///
    /// `weights` is A, `[units, units]`. Only the weights from a unit to those behind it are taken, A_ij with i < j.
    ///
    /// # Panics
    ///
    /// When the matrix is not square.
    #[must_use]
    pub fn new(weights: &Matrix) -> Self {
        let units = weights.ncols();
        let mut within = Self { units, rows: vec![Row::ZERO; offset(units.div_ceil(LANES))] };
        within.refresh(weights);
        within
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the shape of the matrix is another one.
    pub fn refresh(&mut self, weights: &Matrix) {
        assert_eq!(weights.shape(), (self.units, self.units), "weights from each unit to each unit");
        for unit in 0..self.units {
            let (panel, lane) = (unit / LANES, unit % LANES);
            let rows = &mut self.rows[offset(panel)..];
            let column = &weights.as_slice()[unit * self.units..][..unit];
            rows.iter_mut().zip(column).for_each(|(row, &weight)| row.0[lane] = weight);
        }
    }

    /// The weights to the units of a panel, from those of this panel and in front of it.
    fn to_panel(&self, panel: usize) -> &[Row] {
        &self.rows[offset(panel)..offset(panel + 1)]
    }
}

impl Activations {
    /// Adds what the units of a layer receive from the units before them, given the states of all: sum_(i<j) A_ij x_i.
    ///
    /// # Shapes
    ///
    /// `states` is x, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, BitMatrix, Matrix, WithinLayer};
    ///
    /// let within = WithinLayer::new(&Matrix::from_row_slice(2, 2, &[0.0, 3.0, 0.0, 0.0]));
    /// let mut inputs = Activations::repeated(&[1.0, 1.0], 1);
    /// inputs.add_within(&within, &BitMatrix::from_fn(2, 1, |_, _| true));
    /// assert_eq!((inputs.get(0, 0), inputs.get(1, 0)), (1.0, 4.0));
    /// ```
    pub fn add_within(&mut self, within: &WithinLayer, states: &BitMatrix) {
        self.expect_within(within, states);
        let (samples, capacity) = (self.samples, padded(self.samples).max(1));
        self.rows.par_chunks_mut(capacity).enumerate().for_each(|(panel, rows)| {
            let weights = within.to_panel(panel);
            rows[..samples].par_chunks_mut(BLOCK).enumerate().for_each(|(block, rows)| {
                for earlier in 0..=panel {
                    let words = &states.word(earlier)[block * BLOCK..][..rows.len()];
                    kernels::add_where(rows, &weights[earlier * LANES..][..LANES], words);
                }
            });
        });
    }

    /// Draws the units one after the other, each given the units before it, and adds what it receives from them to its
    /// input, as [`add_within`](Self::add_within).
    ///
    /// # Randomness
    ///
    /// 32 random bits a unit from streams of `streams`. A unit is on with the probability of its mean to within 1e-7.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn sample_within_into(&mut self, within: &WithinLayer, out: &mut BitMatrix, streams: &Streams) {
        self.expect_within(within, out);
        let (samples, capacity) = (self.samples, padded(self.samples));
        for panel in 0..self.units.div_ceil(LANES) {
            let (weights, used) = (within.to_panel(panel), self.used(panel));
            let (earlier, words) = out.words_mut().split_at_mut(panel * samples);
            let rows = self.rows[panel * capacity..][..samples].par_chunks_mut(DRAWN);
            rows.zip(words[..samples].par_chunks_mut(DRAWN)).enumerate().for_each(|(block, (rows, words))| {
                let first = block * DRAWN;
                for (p, weights) in weights.chunks_exact(LANES).take(panel).enumerate() {
                    kernels::add_where(rows, weights, &earlier[p * samples + first..][..rows.len()]);
                }
                let mut stream = stream_of(streams, first, panel);
                let (mut random, mut thresholds) = ([[0_u32; LANES]; CHUNK], [Row::ZERO; CHUNK]);
                for (rows, words) in rows.chunks_mut(CHUNK).zip(words.chunks_mut(CHUNK)) {
                    stream.fill(random[..rows.len()].as_flattened_mut());
                    fill_thresholds(&random[..rows.len()], &mut thresholds);
                    kernels::draw_in_turn(rows, &weights[panel * LANES..], &thresholds, used, words);
                }
            });
        }
    }

    fn expect_within(&self, within: &WithinLayer, states: &BitMatrix) {
        assert_eq!(within.units, self.units, "weights within a layer of as many units");
        assert_eq!((states.units(), states.samples()), (self.units, self.samples), "shape of the states");
    }
}

/// The high digits of a random number that are looked up.
const DIGITS: usize = 1 << 16;
/// Numbers this near to 0 and to 1, in units of the last looked-up digit, are not interpolated.
const TAIL: u32 = 64;

/// logit(k / 65,536).
fn logits() -> &'static [f32] {
    static LOGITS: OnceLock<Vec<f32>> = OnceLock::new();
    LOGITS.get_or_init(|| (0..=DIGITS).map(|k| logit(k as f64 / DIGITS as f64) as f32).collect())
}

fn fill_thresholds(random: &[[u32; LANES]], thresholds: &mut [Row]) {
    let logits = logits();
    for (random, thresholds) in random.iter().zip(thresholds) {
        thresholds.0.iter_mut().zip(random).for_each(|(threshold, &digits)| *threshold = logit_of(digits, logits));
    }
}

/// The logit of a random number between 0 and 1, given by its first 32 binary digits. A unit is on if its input exceeds
/// it.
///
/// Between neighbouring k / 65,536 the logit is interpolated: for k of 64 and more the error is at most 1 / (8 k^2),
/// which changes a probability p by less than 2e-8.
fn logit_of(digits: u32, logits: &[f32]) -> f32 {
    let k = digits >> 16;
    if (TAIL..DIGITS as u32 - TAIL).contains(&k) {
        let (low, high) = (logits[k as usize], logits[k as usize + 1]);
        low + (high - low) * ((digits & 0xffff) as f32 / 65_536.0)
    } else {
        logit((f64::from(digits) + 0.5) / 4_294_967_296.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::logistic_f64;

    fn weights(units: usize) -> Matrix {
        Matrix::from_fn(units, units, |i, j| if i < j { ((i * 7 + j * 3) % 11) as f32 / 8.0 - 0.6 } else { 9.0 })
    }

    fn inputs(units: usize, samples: usize) -> Activations {
        Activations::from_matrix(&Matrix::from_fn(units, samples, |i, s| ((i * 5 + s) % 13) as f32 / 4.0 - 1.5))
    }

    #[test]
    fn law_draws_have_the_inputs_that_their_states_give() {
        for (units, samples) in [(1, 1), (63, 5), (64, 300), (130, 513), (200, 17)] {
            let within = WithinLayer::new(&weights(units));
            let (mut drawn, mut given) = (inputs(units, samples), inputs(units, samples));
            let mut x = BitMatrix::zeros(units, samples);
            drawn.sample_within_into(&within, &mut x, &Streams::new(3));
            given.add_within(&within, &x);
            assert_eq!(drawn.to_matrix(), given.to_matrix(), "{units} x {samples}");
            // The sums in double precision.
            let (w, plain) = (weights(units), inputs(units, samples));
            for (unit, sample) in [(units - 1, samples - 1), (units / 2, 0)] {
                let sum: f64 = (0..unit).filter(|&i| x.get(i, sample)).map(|i| f64::from(w[(i, unit)])).sum();
                let expected = f64::from(plain.get(unit, sample)) + sum;
                assert!((f64::from(given.get(unit, sample)) - expected).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn stable_draws_on_any_number_of_threads() {
        let within = WithinLayer::new(&weights(150));
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut rows, mut x) = (inputs(150, 1_000), BitMatrix::zeros(150, 1_000));
            pool.install(|| rows.sample_within_into(&within, &mut x, &Streams::new(3)));
            x
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn stat_joint_states_have_the_probabilities_of_the_chain_rule() {
        const SAMPLES: usize = 200_000;
        let w = Matrix::from_fn(3, 3, |i, j| if i < j { [2.0, -1.5, 3.0][i + j - 1] } else { 0.0 });
        let biases = [0.3_f32, -1.0, -0.5];
        let (mut rows, mut x) = (Activations::repeated(&biases, SAMPLES), BitMatrix::zeros(3, SAMPLES));
        rows.sample_within_into(&WithinLayer::new(&w), &mut x, &Streams::new(9));
        let mut counts = [0_u32; 8];
        x.word(0).iter().for_each(|&word| counts[word as usize] += 1);
        for (state, &count) in counts.iter().enumerate() {
            let on = |i: usize| state >> i & 1 == 1;
            let p: f64 = (0..3)
                .map(|j| {
                    let input: f32 = biases[j] + (0..j).filter(|&i| on(i)).map(|i| w[(i, j)]).sum::<f32>();
                    logistic_f64(f64::from(if on(j) { input } else { -input }))
                })
                .product();
            let error = (p * (1.0 - p) / SAMPLES as f64).sqrt();
            assert!(
                (f64::from(count) / SAMPLES as f64 - p).abs() < 5.0 * error,
                "state {state}: {count}, expected {p}"
            );
        }
    }

    #[test]
    fn table_thresholds_are_logits_of_their_digits() {
        let digits = (0..1_000_u32).map(|i| i.wrapping_mul(4_294_967)).chain([0, 1, 64 << 16, u32::MAX, !(64 << 16)]);
        for digits in digits {
            let p = (f64::from(digits) + 0.5) / 4_294_967_296.0;
            let found = logistic_f64(f64::from(logit_of(digits, logits())));
            assert!((found - p).abs() < 1.2e-7 && (found / p - 1.0).abs() < 4e-5, "{digits}: {found}, expected {p}");
        }
    }
}
