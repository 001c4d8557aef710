//! Gradients of centred parameters.

use rayon::prelude::*;

use crate::kernels;
use crate::stack::{Matrix, Stack, Vector};
use crate::visible::VisibleUnits;

/// Columns that one task centres.
const COLUMNS: usize = 64;

/// Turns the gradient of a mean log-likelihood into the gradient with respect to the centred parameters, whose states
/// are x_l - o_l. The result is expressed in the ordinary parameters.
///
/// dW_l = dW_l - db_l o_(l+1)' - o_l db_(l+1)', then db_l = db_l - dW_(l-1)' o_(l-1) - dW_l o_(l+1). Where db_1 is
/// corrected, `seen` takes the place of o_0. It holds the visible offsets as layer 1 sees them: o_0 / s^2 for Gaussian
/// units and o_0 for others.
///
/// # Shapes
///
/// `offsets[l]` is o_l, `[n_l]`, and `seen` is `[n_0]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Source
///
/// `melchior2016center`; `montavon2012deep`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector, centre};
///
/// let mut gradient = Stack::new(
///     vec![Matrix::from_row_slice(2, 2, &[0.3, 0.5, -0.4, 0.8])],
///     vec![Vector::from_vec(vec![2.0, 4.0]), Vector::from_vec(vec![-2.0, -1.0])],
/// )?;
/// centre(&mut gradient, &[&[0.5, 0.5], &[0.1, 0.2]], &[0.5, 0.5]);
/// assert!((gradient.weights(0)[(0, 0)] - 1.1).abs() < 1e-6);
/// assert!((gradient.bias(0)[0] - 1.77).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn centre(gradient: &mut Stack, offsets: &[&[f32]], seen: &[f32]) {
    let sizes: Vec<usize> = offsets.iter().map(|offsets| offsets.len()).collect();
    assert_eq!(gradient.layers(), sizes, "an offset for each unit");
    assert_eq!(seen.len(), sizes[0], "an offset for each visible unit");
    let biases: Vec<Vector> = (0..sizes.len()).map(|l| gradient.bias(l).clone()).collect();
    for l in 0..gradient.depth() {
        let lower = (biases[l].as_slice(), offsets[l]);
        let upper = (biases[l + 1].as_slice(), offsets[l + 1]);
        let seen = if l == 0 { seen } else { offsets[l] };
        let mut products = vec![(vec![0.0; sizes[l]], vec![]); sizes[l + 1].div_ceil(COLUMNS)];
        gradient.update_weights(l, |weights| {
            let blocks = weights.as_mut_slice().par_chunks_mut(sizes[l] * COLUMNS);
            blocks.zip(&mut products).enumerate().for_each(|(block, (columns, (below, above)))| {
                let units = (block * COLUMNS..).zip(columns.chunks_mut(sizes[l]));
                above.extend(units.map(|(j, column)| {
                    kernels::centre(column, lower, (upper.0[j], upper.1[j]), (below.as_mut_slice(), seen))
                }));
            });
        });
        for (block, (below, above)) in products.iter().enumerate() {
            subtract(gradient.bias_mut(l), below);
            subtract(&mut gradient.bias_mut(l + 1)[block * COLUMNS..], above);
        }
    }
}

fn subtract(from: &mut [f32], values: &[f32]) {
    from.iter_mut().zip(values).for_each(|(from, value)| *from -= value);
}

/// Offsets o_l of the units of each layer, for the centred gradient.
///
/// Centring changes the direction of learning and keeps the family of models. The gradient with respect to the weights
/// of (x_l - o_l)' W_l (x_(l+1) - o_(l+1)) is expressed in the ordinary parameters.
///
/// # Source
///
/// `melchior2016center`; `montavon2012deep`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Offsets, Stack, Vector};
///
/// let mut offsets = Offsets { layers: vec![vec![0.5, 0.5], vec![0.1, 0.2]] };
/// let mut gradient = Stack::new(
///     vec![Matrix::from_row_slice(2, 2, &[0.3, 0.5, -0.4, 0.8])],
///     vec![Vector::from_vec(vec![2.0, 4.0]), Vector::from_vec(vec![-2.0, -1.0])],
/// )?;
/// offsets.centre(&mut gradient);
/// assert!((gradient.weights(0)[(0, 0)] - 1.1).abs() < 1e-6);
/// assert!((gradient.bias(0)[0] - 1.77).abs() < 1e-6);
/// offsets.slide(&[vec![1.0, 0.0], vec![0.0, 0.0]], &[0.5, 0.0]);
/// assert_eq!(offsets.layers, [[0.75, 0.25], [0.1, 0.2]]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Offsets {
    /// One vector for each layer, `[n_l]`, the visible layer first.
    pub layers: Vec<Vec<f32>>,
}

impl Offsets {
    /// Turns a plain gradient into the centred one, for Bernoulli visible units. See [`centre()`] for the formula.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn centre(&self, gradient: &mut Stack) {
        self.centre_for(&VisibleUnits::Bernoulli, gradient);
    }

    /// [`centre`](Self::centre) for visible units of any kind. The offsets of Gaussian units are divided by s^2 where
    /// db_1 is corrected.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn centre_for(&self, units: &VisibleUnits, gradient: &mut Stack) {
        let visible = &self.layers[0];
        let seen = units.signal(&Matrix::from_column_slice(visible.len(), 1, visible)).into_owned();
        let layers: Vec<&[f32]> = self.layers.iter().map(Vec::as_slice).collect();
        centre(gradient, &layers, seen.as_slice());
    }

    /// Moves the offsets of each layer towards given means: `o_l <- (1 - rates[l]) o_l + rates[l] means[l]`.
    ///
    /// # Panics
    ///
    /// When `means` has other layers, or when `rates` does not have one rate for each layer.
    pub fn slide(&mut self, means: &[Vec<f32>], rates: &[f32]) {
        let depth = self.layers.len();
        assert_eq!((means.len(), rates.len()), (depth, depth), "means and a rate of each layer");
        for ((offsets, means), rate) in self.layers.iter_mut().zip(means).zip(rates) {
            assert_eq!(offsets.len(), means.len(), "an offset for each unit");
            offsets.iter_mut().zip(means).for_each(|(offset, mean)| *offset += rate * (mean - *offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_centring_equals_its_definition_in_dense_algebra() {
        let sizes = [70, 150, 33];
        let value = |k: usize, i: usize, j: usize| ((i * 7 + j * 5 + k * 3) % 17) as f32 / 8.0 - 1.0;
        let weights: Vec<Matrix> =
            (0..2).map(|l| Matrix::from_fn(sizes[l], sizes[l + 1], |i, j| value(l, i, j))).collect();
        let biases: Vec<Vector> = (0..3).map(|l| Vector::from_fn(sizes[l], |i, _| value(l, i, 9))).collect();
        let offsets: Vec<Vector> = (0..3).map(|l| Vector::from_fn(sizes[l], |i, _| value(l, i, 2).abs())).collect();
        let seen = &offsets[0] * 0.25;
        let mut gradient = Stack::new(weights.clone(), biases.clone()).unwrap();
        centre(&mut gradient, &offsets.iter().map(Vector::as_slice).collect::<Vec<_>>(), seen.as_slice());
        let mut expected = biases.clone();
        for l in 0..2 {
            let own = &weights[l] - &biases[l] * offsets[l + 1].transpose() - &offsets[l] * biases[l + 1].transpose();
            assert!((gradient.weights(l) - &own).amax() < 1e-5, "weights {l}");
            expected[l] -= &own * &offsets[l + 1];
            expected[l + 1] -= own.tr_mul(if l == 0 { &seen } else { &offsets[l] });
        }
        for (l, expected) in expected.iter().enumerate() {
            assert!((gradient.bias(l) - expected).amax() < 1e-3, "bias {l}");
        }
    }

    #[test]
    #[should_panic(expected = "an offset for each unit")]
    fn rejects_offsets_of_other_layers() {
        centre(&mut Stack::zeros(&[2, 3]).unwrap(), &[&[0.0; 2], &[0.0; 2]], &[0.0; 2]);
    }
}
