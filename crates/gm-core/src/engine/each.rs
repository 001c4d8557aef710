//! Inputs at inverse temperatures, where each sample has base biases of its own.

use rayon::prelude::*;

use super::activations::Activations;
use super::draw::{draw_block, for_each_block};
use super::panel::padded;
use super::rows::with_rows;
use crate::bits::BitMatrix;
use crate::kernels::{self, Row};
use crate::streams::Streams;

impl Activations {
    /// Adds the values of another array of the same shape.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Activations;
    ///
    /// let mut inputs = Activations::repeated(&[1.0, -1.0], 3);
    /// inputs.add(&Activations::repeated(&[0.5, 0.5], 3));
    /// assert_eq!((inputs.get(0, 2), inputs.get(1, 2)), (1.5, -0.5));
    /// ```
    pub fn add(&mut self, other: &Self) {
        self.expect_shape_of(other);
        let rows = padded(self.samples).max(1);
        self.rows.par_chunks_mut(rows).zip(other.rows.par_chunks(rows)).for_each(|(sums, rows)| {
            for (sum, row) in sums.iter_mut().zip(rows) {
                sum.0.iter_mut().zip(&row.0).for_each(|(sum, x)| *sum += x);
            }
        });
    }

    /// [`softplus_gains`](Self::softplus_gains) with base biases of each sample: the change of sum softplus(beta x + (1
    /// - beta) base) from one inverse temperature to another, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `base` is `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix, softplus};
    ///
    /// let inputs = Activations::repeated(&[2.0], 2);
    /// let base = Activations::from_matrix(&Matrix::from_column_slice(1, 2, &[0.0, 1.0]));
    /// let gains = inputs.softplus_gains_from(&base, 0.0, 1.0);
    /// assert!((gains[0] - softplus(2.0) + softplus(0.0)).abs() < 1e-12);
    /// assert!((gains[1] - softplus(2.0) + softplus(1.0)).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn softplus_gains_from(&self, base: &Self, from: f64, to: f64) -> Vec<f64> {
        self.expect_shape_of(base);
        self.sum_over_panels(|panel, sample, row| {
            let (used, base) = (self.used(panel), &base.panel(panel)[sample]);
            kernels::softplus_gain(&row.0[..used], &base.0[..used], from, to)
        })
    }

    /// [`sample_tempered_into`](Self::sample_tempered_into) with base biases of each sample: draws each unit with the
    /// mean logistic(beta x + (1 - beta) base).
    ///
    /// # Shapes
    ///
    /// `base` and `out` are `[units, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`sample_into`](Self::sample_into).
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, BitMatrix, Matrix, Streams};
    ///
    /// let (inputs, mut x) = (Activations::zeros(1, 2), BitMatrix::zeros(1, 2));
    /// let base = Activations::from_matrix(&Matrix::from_column_slice(1, 2, &[40.0, -40.0]));
    /// inputs.sample_tempered_from_into(0.0, &base, &mut x, &Streams::new(1));
    /// assert_eq!((x.get(0, 0), x.get(0, 1)), (true, false));
    /// ```
    pub fn sample_tempered_from_into(&self, beta: f32, base: &Self, out: &mut BitMatrix, streams: &Streams) {
        self.expect_shape_of(base);
        assert_eq!((out.units(), out.samples()), (self.units, self.samples), "shape of the drawn layer");
        for_each_block(out, |panel, first, mask, words| {
            let block = first..first + words.len();
            with_rows(words.len(), |rows| {
                rows.copy_from_slice(&self.panel(panel)[block.clone()]);
                for (row, base) in rows.chunks_mut(1).zip(&base.panel(panel)[block]) {
                    kernels::temper(row, &Row::ZERO, base, beta);
                }
                kernels::logistic_rows(rows);
                draw_block(rows, mask, words, streams, first, panel);
            });
        });
    }

    fn expect_shape_of(&self, other: &Self) {
        assert_eq!((other.units, other.samples), (self.units, self.samples), "values of the same shape");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Matrix;

    #[test]
    fn stable_one_base_for_all_samples_gives_the_same_bits() {
        let inputs = Matrix::from_fn(130, 300, |unit, s| ((unit * 7 + s * 3) % 23) as f32 / 4.0 - 2.5);
        let base: Vec<f32> = (0..130).map(|unit| (unit % 9) as f32 / 3.0 - 1.0).collect();
        let (inputs, each) = (Activations::from_matrix(&inputs), Activations::repeated(&base, 300));
        assert_eq!(inputs.softplus_gains_from(&each, 0.2, 0.7), inputs.softplus_gains(&base, 0.2, 0.7));
        let [mut shared, mut own] = [0, 1].map(|_| BitMatrix::zeros(130, 300));
        inputs.sample_tempered_into(0.3, &base, &mut shared, &Streams::new(4));
        inputs.sample_tempered_from_into(0.3, &each, &mut own, &Streams::new(4));
        assert_eq!(own, shared);
    }

    #[test]
    fn table_each_sample_has_its_own_base() {
        // Units 0 to 64 are on in even samples and off in odd ones.
        let base = Matrix::from_fn(65, 20, |_, s| if s % 2 == 0 { 80.0 } else { -80.0 });
        let (inputs, base) = (Activations::zeros(65, 20), Activations::from_matrix(&base));
        let mut x = BitMatrix::zeros(65, 20);
        inputs.sample_tempered_from_into(0.5, &base, &mut x, &Streams::new(1));
        assert!((0..20).all(|s| (0..65).all(|unit| x.get(unit, s) == (s % 2 == 0))));
        let gains = inputs.softplus_gains_from(&base, 0.0, 1.0);
        let expected = |s: usize| if s.is_multiple_of(2) { 65.0 * (2.0_f64.ln() - 80.0) } else { 65.0 * 2.0_f64.ln() };
        assert!(gains.iter().enumerate().all(|(s, gain)| (gain - expected(s)).abs() < 1e-9));
    }
}
