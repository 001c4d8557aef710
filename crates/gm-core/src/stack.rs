//! The parameters that all four models share: layers, biases and weights.

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, Normal};

use crate::error::{Error, Result, check_finite, check_len};
use crate::streams::Stream;

/// A column-major matrix of `f32`; a batch has shape `[units, samples]`, a column is a sample.
///
/// The bytes are those of a row-major `[samples, units]` array in NumPy, npy files and IDX.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
///
/// // Two samples of three units, one sample after the other.
/// let batch = Matrix::from_vec(3, 2, vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
/// assert_eq!(batch.column(1).as_slice(), [0.4, 0.5, 0.6]);
/// assert_eq!(batch[(2, 0)], 0.3);
/// ```
pub type Matrix = DMatrix<f32>;

/// A vector of `f32`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Vector};
///
/// let (weights, v) = (Matrix::from_row_slice(2, 1, &[0.5, -2.0]), Vector::from_vec(vec![1.0, 1.0]));
/// assert_eq!(weights.tr_mul(&v), Vector::from_element(1, -1.5));
/// ```
pub type Vector = DVector<f32>;

/// Layers x_0 (visible), x_1, ..., x_L with biases b_l and weights W_l between neighbours.
///
/// The model crates define the joint distribution over the layers. The parameters are the same for all models.
///
/// # Shapes
///
/// `weights(l)` is `[n_l, n_(l+1)]`, `bias(l)` is `[n_l]`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector};
///
/// let stack = Stack::new(
///     vec![Matrix::zeros(6, 3), Matrix::zeros(3, 2)],
///     vec![Vector::zeros(6), Vector::zeros(3), Vector::zeros(2)],
/// )?;
/// assert_eq!(stack.layers(), [6, 3, 2]);
/// assert_eq!(stack.parameters(), 6 * 3 + 3 * 2 + 6 + 3 + 2);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    weights: Vec<Matrix>,
    biases: Vec<Vector>,
}

impl Stack {
    /// Joins weights and biases into a stack of `biases.len()` layers.
    ///
    /// # Shapes
    ///
    /// `weights[l]` is `[n_l, n_(l+1)]`, `biases[l]` is `[n_l]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without weights, [`Error::Shape`] when shapes disagree, [`Error::Param`] for a
    /// layer without units, [`Error::NonFinite`] for NaN or an infinity anywhere.
    pub fn new(weights: Vec<Matrix>, biases: Vec<Vector>) -> Result<Self> {
        const OP: &str = "Stack::new";
        if weights.is_empty() {
            return Err(Error::Empty { op: OP, arg: "weights" });
        }
        check_len(OP, "biases", "length", biases.len(), weights.len() + 1)?;
        for (l, w) in weights.iter().enumerate() {
            if l > 0 {
                check_len(OP, format!("weights.{l}"), "rows", w.nrows(), weights[l - 1].ncols())?;
            }
            check_len(OP, format!("bias.{l}"), "length", biases[l].len(), w.nrows())?;
            check_len(OP, format!("bias.{}", l + 1), "length", biases[l + 1].len(), w.ncols())?;
            check_finite(OP, format!("weights.{l}"), w.as_slice())?;
        }
        for (l, b) in biases.iter().enumerate() {
            if b.is_empty() {
                let value = format!("{:?}", biases.iter().map(Vector::len).collect::<Vec<_>>());
                return Err(Error::Param { op: OP, arg: "layers", value, allowed: "1 or more units in each layer" });
            }
            check_finite(OP, format!("bias.{l}"), b.as_slice())?;
        }
        Ok(Self { weights, biases })
    }

    /// A stack whose parameters are all zero.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] with fewer than two layers, [`Error::Param`] for a layer without units.
    ///
    /// # Examples
    ///
    /// ```
    /// let stack = gm_core::Stack::zeros(&[4, 2])?;
    /// assert_eq!(stack.depth(), 1);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn zeros(layers: &[usize]) -> Result<Self> {
        let weights = layers.windows(2).map(|pair| Matrix::zeros(pair[0], pair[1])).collect();
        let biases = layers.iter().map(|&n| Vector::zeros(n)).collect();
        Self::new(weights, biases)
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.biases.iter().map(Vector::len).collect()
    }

    /// L, the number of weight matrices.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.weights.len()
    }

    /// The number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors().map(<[f32]>::len).sum()
    }

    /// W_l, of shape `[n_l, n_(l+1)]`.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth).
    #[must_use]
    pub fn weights(&self, l: usize) -> &Matrix {
        &self.weights[l]
    }

    /// b_l, of shape `[n_l]`.
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn bias(&self, l: usize) -> &Vector {
        &self.biases[l]
    }

    /// Updates W_l in place.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth), or the update changes the matrix's shape.
    pub fn update_weights(&mut self, l: usize, update: impl FnOnce(&mut Matrix)) {
        let shape = self.weights[l].shape();
        update(&mut self.weights[l]);
        assert_eq!(self.weights[l].shape(), shape, "a stack keeps its shapes");
    }

    /// b_l for updates in place. The length cannot change.
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    pub fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        self.biases[l].as_mut_slice()
    }

    /// Every tensor as a slice: W_0, ..., W_(L-1), then b_0, ..., b_L.
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.iter().map(|w| w.as_slice()).chain(self.biases.iter().map(|b| b.as_slice()))
    }

    /// Every tensor for updates in place, in the order of [`tensors`](Self::tensors).
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.weights.iter_mut().map(|w| w.as_mut_slice()).chain(self.biases.iter_mut().map(|b| b.as_mut_slice()))
    }

    /// Names of the tensors in the order of [`tensors`](Self::tensors): `weights.0`, ..., `bias.L`.
    #[must_use]
    pub fn tensor_names(&self) -> Vec<String> {
        let weights = (0..self.weights.len()).map(|l| format!("weights.{l}"));
        weights.chain((0..self.biases.len()).map(|l| format!("bias.{l}"))).collect()
    }

    /// Splits into weights and biases.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Matrix>, Vec<Vector>) {
        (self.weights, self.biases)
    }

    /// Checks that all parameters are finite, for use after an update.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the name of the tensor and the position.
    pub fn check_finite(&self) -> Result<()> {
        for (name, values) in self.tensor_names().into_iter().zip(self.tensors()) {
            check_finite("Stack::check_finite", name, values)?;
        }
        Ok(())
    }
}

/// A matrix of normal draws with mean 0 and standard deviation `scale`: weights to start training from.
///
/// # Randomness
///
/// One normal draw for each element, column by column.
///
/// # Errors
///
/// [`Error::Param`] for a scale that is negative or not finite.
///
/// # Examples
///
/// ```
/// use gm_core::{Streams, normal_matrix};
///
/// let weights = normal_matrix("example", (3, 2), 0.0, &mut Streams::new(1).stream(0))?;
/// assert_eq!(weights.as_slice(), [0.0; 6]);
/// let error = normal_matrix("example", (3, 2), -0.1, &mut Streams::new(1).stream(0)).unwrap_err();
/// assert_eq!(error.to_string(), "example: `scale` is -0.1, allowed: a finite number, 0 or more");
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn normal_matrix(
    op: &'static str,
    (rows, columns): (usize, usize),
    scale: f32,
    stream: &mut Stream,
) -> Result<Matrix> {
    let refuse = || Error::Param { op, arg: "scale", value: scale.to_string(), allowed: "a finite number, 0 or more" };
    // The distribution itself takes negative scales.
    let normal = Normal::new(0.0, scale).ok().filter(|_| scale >= 0.0).ok_or_else(refuse)?;
    Ok(Matrix::from_fn(rows, columns, |_, _| normal.sample(stream)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn biases(sizes: &[usize]) -> Vec<Vector> {
        sizes.iter().map(|&n| Vector::zeros(n)).collect()
    }

    #[test]
    fn rejects_shapes_that_disagree() {
        let text = |weights, biases| Stack::new(weights, biases).unwrap_err().to_string();
        assert_eq!(text(vec![], biases(&[3])), "Stack::new: `weights` is empty");
        assert_eq!(text(vec![Matrix::zeros(3, 2)], biases(&[3])), "Stack::new: `biases` has length 1, expected 2");
        assert_eq!(text(vec![Matrix::zeros(3, 2)], biases(&[4, 2])), "Stack::new: `bias.0` has length 4, expected 3");
        assert_eq!(
            text(vec![Matrix::zeros(3, 2), Matrix::zeros(5, 1)], biases(&[3, 2, 1])),
            "Stack::new: `weights.1` has rows 5, expected 2"
        );
        assert_eq!(
            text(vec![Matrix::zeros(3, 0)], biases(&[3, 0])),
            "Stack::new: `layers` is [3, 0], allowed: 1 or more units in each layer"
        );
    }

    #[test]
    fn rejects_numbers_that_are_not_finite() {
        let mut w = Matrix::zeros(3, 2);
        w[(1, 1)] = f32::INFINITY;
        let error = Stack::new(vec![w], biases(&[3, 2])).unwrap_err();
        assert_eq!(error.to_string(), "Stack::new: `weights.0` is inf at position 4, allowed: finite numbers");
        let mut stack = Stack::zeros(&[2, 2]).unwrap();
        stack.bias_mut(1)[0] = f32::NAN;
        assert!(stack.check_finite().unwrap_err().to_string().contains("`bias.1` is NaN at position 0"));
    }

    #[test]
    fn table_tensors_follow_their_names() {
        let mut stack = Stack::zeros(&[3, 2, 1]).unwrap();
        for (i, tensor) in stack.tensors_mut().enumerate() {
            tensor.fill(i as f32);
        }
        assert_eq!(stack.tensor_names(), ["weights.0", "weights.1", "bias.0", "bias.1", "bias.2"]);
        assert_eq!(stack.weights(1)[(0, 0)], 1.0);
        assert_eq!(stack.bias(2)[0], 4.0);
    }
}
