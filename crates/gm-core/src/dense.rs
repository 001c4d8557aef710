//! Inputs of a layer from real-valued neighbours, by dense products.

use nalgebra::{DMatrixView, DMatrixViewMut};
use rayon::prelude::*;

use crate::kernels;
use crate::stack::Matrix;

/// Samples of one product; the blocks run in parallel.
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
    by_blocks(x, bias, |x, out| out.gemm_tr(1.0, weights, x, 1.0))
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
        for samples in [0, 1, 64, 130] {
            let w = Matrix::from_fn(5, 3, |i, j| i as f32 - 2.0 * j as f32);
            let (x, y) = (
                Matrix::from_fn(5, samples, |i, s| (i + s) as f32),
                Matrix::from_fn(3, samples, |i, s| (i * s) as f32),
            );
            let up = w.tr_mul(&x).add_scalar(0.5);
            assert_eq!(dense_inputs_up(&w, &x, &[0.5; 3]), up);
            assert_eq!(dense_inputs_down(&w, &y, &[0.5; 5]), (&w * &y).add_scalar(0.5));
        }
    }
}
