//! Co-activations: sums over samples of the products of the states or means of two layers.

use rayon::prelude::*;

use super::activations::Activations;
use super::given::Given;
use super::rows::with_rows;
use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, LANES, Row};
use crate::stack::Matrix;

/// A term of [`coactivations_into`]: `scale` times the co-activations sum_s x_s y_s' of a binary layer x and a
/// real-valued layer y.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_into};
///
/// // The mean of x y' over data minus the mean over samples of a model.
/// let x = BitMatrix::from_fn(2, 4, |unit, _| unit == 0).transposed();
/// let (data, model) = (Activations::repeated(&[0.75], 4), Activations::repeated(&[0.5], 4));
/// let terms = [
///     Coactivation { transposed: &x, y: &data, scale: 1.0 / 4.0 },
///     Coactivation { transposed: &x, y: &model, scale: -1.0 / 4.0 },
/// ];
/// let mut gradient = Matrix::zeros(2, 1);
/// coactivations_into(&terms, &mut gradient);
/// assert_eq!(gradient.as_slice(), [0.25, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Coactivation<'a> {
    /// x transposed, `[samples, units of x]`.
    pub transposed: &'a BitMatrix,
    /// y, `[units of y, samples]`.
    pub y: &'a Activations,
    /// The factor of the sum.
    pub scale: f32,
}

/// Adds up co-activations of one pair of layers over several batches.
///
/// # Shapes
///
/// `out` is `[units of x, units of y]`. Its old values are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_into};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let y = Activations::from_matrix(&Matrix::from_row_slice(1, 3, &[0.25, 0.5, 1.0]));
/// let mut out = Matrix::zeros(2, 1);
/// coactivations_into(&[Coactivation { transposed: &x.transposed(), y: &y, scale: 2.0 }], &mut out);
/// assert_eq!(out.as_slice(), [3.5, 1.0]);
/// ```
pub fn coactivations_into(terms: &[Coactivation<'_>], out: &mut Matrix) {
    let units = out.nrows();
    for Coactivation { transposed, y, .. } in terms {
        assert_eq!(transposed.units(), y.samples, "both layers have the same number of samples");
        assert_eq!(out.shape(), (transposed.samples(), y.units), "shape of the co-activations");
    }
    // All blocks have equal size, so that no table is built for a few units.
    let block = units.div_ceil(units.div_ceil(BLOCK).max(1)).max(1);
    let given: Vec<Given<'_>> = terms.iter().map(|term| Given::new(term.transposed, block)).collect();
    let columns = out.as_mut_slice().par_chunks_mut((LANES * units).max(1));
    columns.enumerate().for_each(|(panel, columns)| {
        for first in (0..units).step_by(block) {
            with_rows((units - first).min(block), |rows| {
                if terms.is_empty() {
                    rows.fill(Row::ZERO);
                }
                for (n, (term, given)) in terms.iter().zip(&given).enumerate() {
                    given.accumulate(first, term.y.as_weights(panel), (term.scale, n == 0), rows);
                }
                scatter_columns(rows, first, units, columns);
            });
        }
    });
}

/// [`coactivations_into`] with the result transposed: weights from the binary layer x down to the real-valued layer y.
///
/// # Shapes
///
/// `out` is `[units of y, units of x]`. Its old values are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_down_into};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let y = Activations::from_matrix(&Matrix::from_row_slice(1, 3, &[0.25, 0.5, 1.0]));
/// let mut out = Matrix::zeros(1, 2);
/// coactivations_down_into(&[Coactivation { transposed: &x.transposed(), y: &y, scale: 2.0 }], &mut out);
/// assert_eq!(out.as_slice(), [3.5, 1.0]);
/// ```
pub fn coactivations_down_into(terms: &[Coactivation<'_>], out: &mut Matrix) {
    let (below, above) = out.shape();
    for Coactivation { transposed, y, .. } in terms {
        assert_eq!(transposed.units(), y.samples, "both layers have the same number of samples");
        assert_eq!((below, above), (y.units, transposed.samples()), "shape of the co-activations");
    }
    let given: Vec<Given<'_>> = terms.iter().map(|term| Given::new(term.transposed, BLOCK)).collect();
    // For each panel the numbers of its units in every column.
    let mut panels: Vec<Vec<&mut [f32]>> = Vec::new();
    panels.resize_with(below.div_ceil(LANES), || Vec::with_capacity(above));
    for column in out.as_mut_slice().chunks_mut(below.max(1)) {
        panels.iter_mut().zip(column.chunks_mut(LANES)).for_each(|(panel, values)| panel.push(values));
    }
    panels.into_par_iter().enumerate().for_each(|(panel, mut columns)| {
        for (block, columns) in columns.chunks_mut(BLOCK).enumerate() {
            with_rows(columns.len(), |rows| {
                if terms.is_empty() {
                    rows.fill(Row::ZERO);
                }
                for (n, (term, given)) in terms.iter().zip(&given).enumerate() {
                    given.accumulate(block * BLOCK, term.y.as_weights(panel), (term.scale, n == 0), rows);
                }
                for (values, row) in columns.iter_mut().zip(rows) {
                    values.copy_from_slice(&row.0[..values.len()]);
                }
            });
        }
    });
}

/// Transposes rows into the rows from `first` on of a matrix with `stride` rows.
fn scatter_columns(rows: &[Row], first: usize, stride: usize, columns: &mut [f32]) {
    let shape = (rows.len(), columns.len() / stride);
    kernels::transpose((Row::numbers(rows), LANES), (&mut columns[first..], stride), shape);
}

/// Adds `scale` times the co-activation counts of two binary layers.
///
/// # Shapes
///
/// Both layers are transposed, `[samples, units]`. `out` is `[units of x, units of y]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, add_coactivation_counts};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let mut out = Matrix::zeros(2, 2);
/// add_coactivation_counts(&x.transposed(), &x.transposed(), 1.0, &mut out);
/// assert_eq!(out.as_slice(), [3.0, 1.0, 1.0, 1.0]);
/// ```
pub fn add_coactivation_counts(x: &BitMatrix, y: &BitMatrix, scale: f32, out: &mut Matrix) {
    let units = x.samples();
    assert_eq!(x.units(), y.units(), "both layers have the same number of samples");
    assert_eq!(out.shape(), (units, y.samples()), "shape of the co-activations");
    let blocks = x.words_per_sample();
    out.as_mut_slice().par_chunks_mut(units.max(1)).enumerate().for_each_init(
        || vec![0_u32; units],
        |counts, (j, column)| {
            counts.fill(0);
            for block in 0..blocks {
                kernels::count_shared(x.word(block), y.word(block)[j], counts);
            }
            for (value, &count) in column.iter_mut().zip(&*counts) {
                *value += scale * count as f32;
            }
        },
    );
}
