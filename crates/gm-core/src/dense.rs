//! Inputs of a layer from real-valued neighbours, and their co-activations, by dense products.

use std::ops::Range;

use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};
use rayon::prelude::*;

use crate::kernels;
use crate::stack::Matrix;

/// Samples of one product. The blocks run in parallel.
const BLOCK: usize = 64;

/// bias + W' x for every column x.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[below, samples]`, `bias` `[above]`; the result is `[above, samples]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_inputs_up};
///
/// let inputs = dense_inputs_up(&Matrix::from_row_slice(2, 1, &[1.0, 2.0]), &Matrix::from_element(2, 1, 0.5), &[0.25]);
/// assert_eq!(inputs[(0, 0)], 1.75);
/// ```
#[must_use]
pub fn dense_inputs_up(weights: &Matrix, x: &Matrix, bias: &[f32]) -> Matrix {
    assert_eq!((x.nrows(), bias.len()), weights.shape(), "shapes of a layer's inputs");
    by_blocks(x, bias, |x, out| add_transposed(weights, x, out))
}

/// With fewer rows, columns or samples nalgebra uses its own simple loops.
const SMALL: usize = 6;

/// Adds W' x, using a view that reads W row by row. `gemm_tr` would not use the fast product.
fn add_transposed(weights: &Matrix, x: &DMatrixView<'_, f32>, out: &mut DMatrixViewMut<'_, f32>) {
    let (rows, columns) = weights.shape();
    if rows.min(columns).min(x.ncols()) < SMALL {
        return out.gemm_tr(1.0, weights, x, 1.0);
    }
    out.gemm(1.0, &transposed(weights), x, 1.0);
}

/// The transpose without a copy, for the fast product only. nalgebra's own product needs the numbers of a column side
/// by side.
fn transposed(matrix: &Matrix) -> DMatrixView<'_, f32, Dyn, Dyn> {
    let (rows, columns) = matrix.shape();
    DMatrixView::from_slice_with_strides(matrix.as_slice(), columns, rows, rows, 1)
}

/// bias + W x for every column x.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[above, samples]`, `bias` `[below]`; the result is `[below, samples]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_inputs_down};
///
/// let inputs = dense_inputs_down(&Matrix::from_row_slice(1, 2, &[1.0, 2.0]), &Matrix::from_element(2, 1, 0.5), &[0.25]);
/// assert_eq!(inputs[(0, 0)], 1.75);
/// ```
#[must_use]
pub fn dense_inputs_down(weights: &Matrix, x: &Matrix, bias: &[f32]) -> Matrix {
    assert_eq!((bias.len(), x.nrows()), weights.shape(), "shapes of a layer's inputs");
    by_blocks(x, bias, |x, out| out.gemm(1.0, weights, x, 1.0))
}

fn by_blocks(
    x: &Matrix,
    bias: &[f32],
    product: impl Fn(&DMatrixView<'_, f32>, &mut DMatrixViewMut<'_, f32>) + Sync,
) -> Matrix {
    let (units, below) = (bias.len(), x.nrows());
    let mut out = Matrix::from_fn(units, x.ncols(), |unit, _| bias[unit]);
    let blocks = out.as_mut_slice().par_chunks_mut((units * BLOCK).max(1));
    blocks.zip(x.as_slice().par_chunks((below * BLOCK).max(1))).for_each(|(out, x)| {
        let samples = x.len() / below;
        product(&DMatrixView::from_slice(x, below, samples), &mut DMatrixViewMut::from_slice(out, units, samples));
    });
    out
}

/// Adds W' x to `out`, on the calling thread.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[below, samples]`, `out` `[above, samples]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_add_up};
///
/// let mut inputs = Matrix::from_element(1, 1, 0.25);
/// dense_add_up(&Matrix::from_row_slice(2, 1, &[1.0, 2.0]), &Matrix::from_element(2, 1, 0.5), &mut inputs);
/// assert_eq!(inputs[(0, 0)], 1.75);
/// ```
pub fn dense_add_up(weights: &Matrix, x: &Matrix, out: &mut Matrix) {
    add_transposed(weights, &x.as_view(), &mut out.as_view_mut());
}

/// Adds W x to `out`, on the calling thread.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[above, samples]`, `out` `[below, samples]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_add_down};
///
/// let mut inputs = Matrix::from_element(1, 1, 0.25);
/// dense_add_down(&Matrix::from_row_slice(1, 2, &[1.0, 2.0]), &Matrix::from_element(2, 1, 0.5), &mut inputs);
/// assert_eq!(inputs[(0, 0)], 1.75);
/// ```
pub fn dense_add_down(weights: &Matrix, x: &Matrix, out: &mut Matrix) {
    out.gemm(1.0, weights, x, 1.0);
}

/// `scale` times the co-activations sum_s x_s y_s' of two real-valued layers.
///
/// # Shapes
///
/// `x` is `[units of x, samples]`, `y` is `[units of y, samples]`, and `out` is `[units of x, units of y]`. The old
/// values of `out` are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_coactivations_into};
///
/// let mut out = Matrix::zeros(2, 1);
/// let (x, y) = (Matrix::from_row_slice(2, 2, &[1.0, 0.5, 0.0, 2.0]), Matrix::from_row_slice(1, 2, &[0.5, 0.25]));
/// dense_coactivations_into(&x, &y, 2.0, &mut out);
/// assert_eq!(out.as_slice(), [1.25, 1.0]);
/// ```
pub fn dense_coactivations_into(x: &Matrix, y: &Matrix, scale: f32, out: &mut Matrix) {
    let (units, above) = (x.nrows(), y.nrows());
    assert_eq!(x.ncols(), y.ncols(), "both layers have the same number of samples");
    assert_eq!(out.shape(), (units, above), "shape of the co-activations");
    let y = y.transpose();
    out.as_mut_slice().par_chunks_mut((units * PAIRS).max(1)).enumerate().for_each(|(block, out)| {
        let columns = out.len() / units;
        let y = y.columns(block * PAIRS, columns);
        DMatrixViewMut::from_slice(out, units, columns).gemm(scale, x, &y, 0.0);
    });
}

/// Units of the upper layer whose co-activations are one product.
const PAIRS: usize = 128;

/// bias' + x W for every row x, for batches with one sample in each row.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[samples, below]`, `bias` `[above]`; the result is `[samples, above]`.
///
/// # Numerics
///
/// Blocks of units run in parallel, so that each weight is read once for any number of samples. The bits do not depend
/// on the number of threads.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_rows_up};
///
/// let inputs = dense_rows_up(&Matrix::from_row_slice(2, 1, &[1.0, 2.0]), &Matrix::from_element(1, 2, 0.5), &[0.25]);
/// assert_eq!(inputs[(0, 0)], 1.75);
/// ```
#[must_use]
pub fn dense_rows_up(weights: &Matrix, x: &Matrix, bias: &[f32]) -> Matrix {
    assert_eq!((x.ncols(), bias.len()), weights.shape(), "shapes of a layer's inputs");
    let mut out = Matrix::from_fn(x.nrows(), bias.len(), |_, unit| bias[unit]);
    by_columns(&mut out, |columns, out| out.gemm(1.0, x, &weights.columns_range(columns), 1.0));
    out
}

/// x W' for every row x, for batches with one sample in each row.
///
/// # Shapes
///
/// `weights` is `[below, above]`, `x` `[samples, above]`; the result is `[samples, below]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_rows_down};
///
/// let below = dense_rows_down(&Matrix::from_row_slice(2, 1, &[1.0, 2.0]), &Matrix::from_element(1, 1, 0.5));
/// assert_eq!(below.as_slice(), [0.5, 1.0]);
/// ```
#[must_use]
pub fn dense_rows_down(weights: &Matrix, x: &Matrix) -> Matrix {
    assert_eq!(x.ncols(), weights.ncols(), "shapes of a layer's inputs");
    if weights.nrows().min(weights.ncols()).min(x.nrows()) < SMALL {
        return x * weights.transpose();
    }
    let (transposed, mut out) = (transposed(weights), Matrix::zeros(x.nrows(), weights.nrows()));
    by_columns(&mut out, |columns, out| out.gemm(1.0, x, &transposed.columns_range(columns), 0.0));
    out
}

/// The co-activations sum_s x_s y_s' of two real-valued layers, for batches with one sample in each row.
///
/// # Shapes
///
/// `x` is `[samples, units of x]`, `y` is `[samples, units of y]`, and `out` is `[units of x, units of y]`. The old
/// values of `out` are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, dense_rows_coactivations_into};
///
/// let mut out = Matrix::zeros(2, 1);
/// let (x, y) = (Matrix::from_row_slice(2, 2, &[1.0, 0.0, 0.5, 2.0]), Matrix::from_row_slice(2, 1, &[1.0, 0.5]));
/// dense_rows_coactivations_into(&x, &y, &mut out);
/// assert_eq!(out.as_slice(), [1.25, 1.0]);
/// ```
pub fn dense_rows_coactivations_into(x: &Matrix, y: &Matrix, out: &mut Matrix) {
    assert_eq!(x.nrows(), y.nrows(), "both layers have the same number of samples");
    assert_eq!(out.shape(), (x.ncols(), y.ncols()), "shape of the co-activations");
    if x.ncols().min(y.ncols()).min(x.nrows()) < SMALL {
        return out.gemm(1.0, &x.transpose(), y, 0.0);
    }
    let transposed = transposed(x);
    by_columns(out, |columns, out| out.gemm(1.0, &transposed, &y.columns_range(columns), 0.0));
}

/// The greatest number of columns in one task.
const COLUMNS: usize = 256;

/// Computes blocks of columns of about equal width in parallel.
fn by_columns(out: &mut Matrix, product: impl Fn(Range<usize>, &mut DMatrixViewMut<'_, f32>) + Sync) {
    let (rows, columns) = out.shape();
    let width = columns.div_ceil(columns.div_ceil(COLUMNS).max(1));
    out.as_mut_slice().par_chunks_mut((rows * width).max(1)).enumerate().for_each(|(block, out)| {
        let (first, count) = (block * width, out.len() / rows);
        product(first..first + count, &mut DMatrixViewMut::from_slice(out, rows, count));
    });
}

/// 1 / (1 + exp(-x)) of every element, in place.
///
/// # Examples
///
/// ```
/// let mut values = gm_core::Matrix::zeros(2, 2);
/// gm_core::logistic_in_place(&mut values);
/// assert_eq!(values[(1, 1)], 0.5);
/// ```
pub fn logistic_in_place(values: &mut Matrix) {
    values.as_mut_slice().par_chunks_mut(4096).for_each(kernels::logistic);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_blocks_equal_the_whole_product() {
        for (samples, n, m) in [(0, 5, 3), (1, 5, 3), (64, 5, 3), (130, 5, 3), (130, 9, 7), (5, 9, 7)] {
            let w = Matrix::from_fn(n, m, |i, j| i as f32 - 2.0 * j as f32);
            let (x, y) = (
                Matrix::from_fn(n, samples, |i, s| (i + s) as f32),
                Matrix::from_fn(m, samples, |i, s| (i * s) as f32),
            );
            let mut pairs = Matrix::from_element(n, m, f32::NAN);
            dense_coactivations_into(&x, &y, 0.5, &mut pairs);
            assert_eq!(pairs, &x * y.transpose() * 0.5);
            let up = w.tr_mul(&x).add_scalar(0.5);
            assert_eq!(dense_inputs_up(&w, &x, &vec![0.5; m]), up);
            assert_eq!(dense_inputs_down(&w, &y, &vec![0.5; n]), (&w * &y).add_scalar(0.5));
        }
    }

    #[test]
    fn oracle_products_of_rows_equal_the_whole_product() {
        for (samples, n, m) in [(0, 5, 3), (1, 5, 3), (3, 600, 7), (130, 9, 600)] {
            let w = Matrix::from_fn(n, m, |i, j| i as f32 - 2.0 * j as f32);
            let (x, y) = (
                Matrix::from_fn(samples, n, |s, i| ((i + s) % 7) as f32),
                Matrix::from_fn(samples, m, |s, i| ((i * s) % 5) as f32),
            );
            let mut pairs = Matrix::from_element(n, m, f32::NAN);
            dense_rows_coactivations_into(&x, &y, &mut pairs);
            assert_eq!(pairs, x.transpose() * &y);
            assert_eq!(dense_rows_up(&w, &x, &vec![0.5; m]), (&x * &w).add_scalar(0.5));
            assert_eq!(dense_rows_down(&w, &y), &y * w.transpose());
        }
    }
}
