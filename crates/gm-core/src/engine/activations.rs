//! Inputs or means of a layer for a batch of samples.

use rayon::prelude::*;

use super::draw::{CHUNK, draw_block, for_each_block};
use super::panel::{Order, Panel, padded, panel_row};
use super::rows::{Rows, with_rows};
use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, LANES, Row};
use crate::stack::Matrix;
use crate::streams::Streams;

/// Inputs or means of a layer for a batch of samples.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, Matrix};
///
/// let means = Activations::from_matrix(&Matrix::from_row_slice(2, 2, &[0.0, 1.0, 0.5, 0.5]));
/// assert_eq!(means.unit_sums(), [1.0, 1.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Activations {
    pub(super) units: usize,
    pub(super) samples: usize,
    pub(super) rows: Rows,
}

impl Activations {
    /// Activations that are all zero.
    #[must_use]
    pub fn zeros(units: usize, samples: usize) -> Self {
        Self { units, samples, rows: Rows::zeros(units.div_ceil(LANES) * padded(samples)) }
    }

    /// Activations that hold old values, for work that writes those of every sample.
    pub(super) fn unset(units: usize, samples: usize) -> Self {
        let (panels, capacity) = (units.div_ceil(LANES), padded(samples));
        let mut rows = Rows::unset(panels * capacity);
        rows.chunks_mut(capacity.max(1)).for_each(|rows| rows[samples..].fill(Row::ZERO));
        Self { units, samples, rows }
    }

    /// Copies the values of a matrix, `[units, samples]`.
    #[must_use]
    pub fn from_matrix(values: &Matrix) -> Self {
        let mut out = Self::unset(values.nrows(), values.ncols());
        out.fill_means(|sample, panel, row| *row = panel_row(values.column(sample).as_slice(), panel).0);
        out
    }

    /// The same values for every sample, such as the biases of a layer without parents.
    #[must_use]
    pub fn repeated(values: &[f32], samples: usize) -> Self {
        let mut out = Self::unset(values.len(), samples);
        out.fill_means(|_, panel, row| *row = panel_row(values, panel).0);
        out
    }

    /// The given samples, in the given order; a sample may occur many times.
    ///
    /// # Panics
    ///
    /// When a sample is out of range.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        let mut out = Self::unset(self.units, samples.len());
        assert!(samples.iter().all(|&sample| sample < self.samples), "every sample is in range");
        out.fill_means(|sample, panel, row| *row = self.panel(panel)[samples[sample]].0);
        out
    }

    /// The sums over every `count` neighbouring samples of the values times the weights of the samples.
    ///
    /// # Panics
    ///
    /// When the samples cannot be divided by `count`, or the number of weights is not the number of samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix};
    ///
    /// let values = Activations::from_matrix(&Matrix::from_row_slice(1, 4, &[1.0, 2.0, 3.0, 4.0]));
    /// assert_eq!(values.sum_neighbours(&[1.0, 0.5, 0.0, 2.0], 2).to_matrix().as_slice(), [2.0, 8.0]);
    /// ```
    #[must_use]
    pub fn sum_neighbours(&self, weights: &[f32], count: usize) -> Self {
        assert_eq!(weights.len(), self.samples, "a weight for each sample");
        assert!(count > 0 && self.samples.is_multiple_of(count), "whole groups of samples");
        let mut out = Self::unset(self.units, self.samples / count);
        let samples = out.samples;
        out.rows.par_chunks_mut(padded(samples).max(1)).enumerate().for_each(|(panel, sums)| {
            kernels::weigh_neighbours(&self.panel(panel)[..self.samples], weights, count, &mut sums[..samples]);
        });
        out
    }

    /// Adds the values of each sample of `shared` to every one of `count` neighbouring samples, where
    /// [`sum_neighbours`](Self::sum_neighbours) adds up.
    ///
    /// # Panics
    ///
    /// Unless `shared` has as many units and `count` times fewer samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix};
    ///
    /// let mut values = Activations::from_matrix(&Matrix::from_row_slice(1, 4, &[1.0, 2.0, 3.0, 4.0]));
    /// values.add_to_neighbours(&Activations::from_matrix(&Matrix::from_row_slice(1, 2, &[10.0, 20.0])), 2);
    /// assert_eq!(values.to_matrix().as_slice(), [11.0, 12.0, 23.0, 24.0]);
    /// ```
    pub fn add_to_neighbours(&mut self, shared: &Self, count: usize) {
        assert_eq!((shared.units, shared.samples * count), (self.units, self.samples), "a group for each sample");
        self.fill_means(|sample, panel, row| {
            let from = &shared.panel(panel)[sample / count];
            row.iter_mut().zip(&from.0).for_each(|(value, shared)| *value += shared);
        });
    }

    /// Multiplies the values of each sample by its weight. Returns the sums over samples of the products, `[units]`.
    ///
    /// # Panics
    ///
    /// When the number of weights is not the number of samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix};
    ///
    /// let mut values = Activations::from_matrix(&Matrix::from_row_slice(1, 2, &[1.0, 2.0]));
    /// assert_eq!(values.scale_samples(&[0.5, 2.0]), [4.5]);
    /// assert_eq!(values.to_matrix().as_slice(), [0.5, 4.0]);
    /// ```
    pub fn scale_samples(&mut self, weights: &[f32]) -> Vec<f64> {
        assert_eq!(weights.len(), self.samples, "a weight for each sample");
        let mut sums = vec![0.0; self.units];
        let panels = self.rows.par_chunks_mut(padded(self.samples).max(1)).zip(sums.par_chunks_mut(LANES));
        panels.for_each(|(rows, sums)| {
            sums.copy_from_slice(&kernels::weigh(rows, weights)[..sums.len()]);
        });
        sums
    }

    /// Replaces each input a by the score x - logistic(a), the derivative of log Ber(x; logistic(a)). Returns the sum
    /// over units of log Ber(x; logistic(a)), `[samples]`.
    ///
    /// # Shapes
    ///
    /// `states` is x, `[units, samples]`.
    ///
    /// # Numerics
    ///
    /// Terms are in single precision, sums in double precision.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, BitMatrix};
    ///
    /// let mut inputs = Activations::repeated(&[0.0, 0.0], 1);
    /// let log_prob = inputs.score(&BitMatrix::from_fn(2, 1, |unit, _| unit == 1));
    /// assert!((log_prob[0] + 2.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// assert_eq!(inputs.to_matrix().as_slice(), [-0.5, 0.5]);
    /// ```
    pub fn score(&mut self, states: &BitMatrix) -> Vec<f64> {
        assert_eq!((states.units(), states.samples()), (self.units, self.samples), "shape of the states");
        self.visit_scored(|panel, first, rows, log_probs| {
            kernels::score(rows, &states.word(panel)[first..][..rows.len()], states.mask(panel), log_probs);
        })
    }

    pub(super) fn resize(&mut self, units: usize, samples: usize) {
        if (self.units, self.samples) != (units, samples) {
            *self = Self::zeros(units, samples);
        }
    }

    /// Fills 64 units of a sample at a time by `fill(sample, panel, values)`, in parallel over panels.
    pub fn fill_means(&mut self, fill: impl Fn(usize, usize, &mut [f32; 64]) + Sync) {
        let samples = self.samples;
        self.rows.par_chunks_mut(padded(samples).max(1)).enumerate().for_each(|(panel, rows)| {
            for (sample, row) in rows[..samples].iter_mut().enumerate() {
                fill(sample, panel, &mut row.0);
            }
        });
    }

    /// Units of the layer.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    pub(super) fn panel(&self, panel: usize) -> &[Row] {
        let rows = padded(self.samples);
        &self.rows[panel * rows..(panel + 1) * rows]
    }

    /// The values as weights from samples to the units of a panel.
    pub(super) fn as_weights(&self, panel: usize) -> Panel<'_> {
        let (parts, units) = (Row::parts(self.panel(panel)), self.used(panel));
        Panel { parts, order: Order::Inputs, inputs: self.samples, units }
    }

    fn panels(&self) -> impl IndexedParallelIterator<Item = &[Row]> {
        self.rows.par_chunks(padded(self.samples).max(1))
    }

    pub(super) fn used(&self, panel: usize) -> usize {
        (self.units - panel * LANES).min(LANES)
    }

    /// The value of one unit for one sample.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    #[must_use]
    pub fn get(&self, unit: usize, sample: usize) -> f32 {
        assert!(unit < self.units && sample < self.samples, "unit or sample out of range");
        self.rows[unit / LANES * padded(self.samples) + sample].0[unit % LANES]
    }

    /// The values as a matrix, `[units, samples]`.
    #[must_use]
    pub fn to_matrix(&self) -> Matrix {
        let mut out = Matrix::zeros(self.units, self.samples);
        out.as_mut_slice().par_chunks_mut(self.units.max(1)).enumerate().for_each(|(sample, column)| {
            for (panel, values) in column.chunks_mut(LANES).enumerate() {
                values.copy_from_slice(&self.rows[panel * padded(self.samples) + sample].0[..values.len()]);
            }
        });
        out
    }

    /// Replaces inputs by means, 1 / (1 + exp(-x)).
    pub fn logistic(&mut self) {
        self.rows.par_chunks_mut(BLOCK).for_each(kernels::logistic_rows);
    }

    /// Draws each unit with its mean.
    ///
    /// # Randomness
    ///
    /// The draws equal those of [`LayerUpdate::sample_into`](super::LayerUpdate::sample_into) bit for bit.
    ///
    /// # Panics
    ///
    /// When `out` has another number of units or of samples.
    pub fn sample_into(&self, out: &mut BitMatrix, streams: &Streams) {
        assert_eq!((out.units(), out.samples()), (self.units, self.samples), "shape of the drawn layer");
        let capacity = padded(self.samples);
        for_each_block(out, |panel, first, mask, words| {
            let means = &self.rows[panel * capacity + first..][..words.len()];
            draw_block(means, mask, words, streams, first, panel);
        });
    }

    /// Draws each unit from its input at an inverse temperature: mean logistic(beta x + (1 - beta) base).
    ///
    /// # Panics
    ///
    /// When `base` is not `[units]`, or `out` has another number of units or of samples.
    pub fn sample_tempered_into(&self, beta: f32, base: &[f32], out: &mut BitMatrix, streams: &Streams) {
        assert_eq!(base.len(), self.units, "a base bias for each unit");
        assert_eq!((out.units(), out.samples()), (self.units, self.samples), "shape of the drawn layer");
        let capacity = padded(self.samples);
        for_each_block(out, |panel, first, mask, words| {
            with_rows(words.len(), |rows| {
                rows.copy_from_slice(&self.rows[panel * capacity + first..][..words.len()]);
                kernels::temper(rows, &Row::ZERO, &panel_row(base, panel), beta);
                kernels::logistic_rows(rows);
                draw_block(rows, mask, words, streams, first, panel);
            });
        });
    }

    /// sum over samples, `[units]`.
    #[must_use]
    pub fn unit_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.units];
        let samples = self.samples;
        sums.par_chunks_mut(LANES).zip(self.panels()).for_each(|(sums, rows)| {
            sums.copy_from_slice(&kernels::add_up(&rows[..samples])[..sums.len()]);
        });
        sums
    }

    /// sum over units of softplus(x), `[samples]`.
    ///
    /// # Numerics
    ///
    /// The `f32` inputs are converted to double precision first.
    #[must_use]
    pub fn softplus_sums(&self) -> Vec<f64> {
        self.sum_over_panels(|panel, _, row| kernels::softplus_sum(&row.0[..self.used(panel)]))
    }

    /// The change of sum softplus(beta x + (1 - beta) base) from one inverse temperature to another, `[samples]`.
    ///
    /// # Numerics
    ///
    /// The result is never a difference of rounded sums. When all inputs change by less than 1/16, it follows from the
    /// change of each input and the mean halfway, with an error of at most 2e-7 of the sum of these changes. Otherwise
    /// it is computed in double precision from the `f32` inputs.
    ///
    /// # Panics
    ///
    /// When `base` is not `[units]`.
    #[must_use]
    pub fn softplus_gains(&self, base: &[f32], from: f64, to: f64) -> Vec<f64> {
        assert_eq!(base.len(), self.units, "a base bias for each unit");
        self.sum_over_panels(|panel, _, row| {
            let base = panel_row(base, panel);
            let used = self.used(panel);
            kernels::softplus_gain(&row.0[..used], &base.0[..used], from, to)
        })
    }

    /// The sum over panels of `term(panel, sample, values)`, `[samples]`.
    pub(super) fn sum_over_panels(&self, term: impl Fn(usize, usize, &Row) -> f64 + Sync) -> Vec<f64> {
        let capacity = padded(self.samples);
        let mut sums = vec![0.0; self.samples];
        sums.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            for panel in 0..self.units.div_ceil(LANES) {
                let rows = &self.rows[panel * capacity + chunk * CHUNK..];
                for ((sample, sum), row) in (chunk * CHUNK..).zip(&mut *sums).zip(rows) {
                    *sum += term(panel, sample, row);
                }
            }
        });
        sums
    }
}
