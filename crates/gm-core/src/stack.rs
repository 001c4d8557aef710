//! The parameters that all four models share: layers, biases and weights.

use std::collections::BTreeMap;

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
/// The model crates define the joint distribution over the layers. The parameters are the same for all models. In a sigmoid
/// belief net alone, layers may have weights A_l from each unit to the units behind it, and there may be no hidden layer.
///
/// # Shapes
///
/// `weights(l)` is `[n_l, n_(l+1)]`, `bias(l)` is `[n_l]`, and `within(l)` is `[n_l, n_l]` where the layer has it. Files hold
/// them as the tensors `weights.l`, `bias.l` and `within.l`.
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
    /// A_l of each layer whose units depend on the units before them.
    within: BTreeMap<usize, Matrix>,
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
        Ok(Self { weights, biases, within: BTreeMap::new() })
    }

    /// A visible layer without hidden layers, whose units depend on the units before them: a fully visible sigmoid belief
    /// net.
    ///
    /// # Shapes
    ///
    /// `bias` is `[n_0]`, and `within` is A_0, `[n_0, n_0]`, zero unless its row is before its column.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without units, [`Error::NonFinite`] for NaN or an infinity, and the errors of
    /// [`with_within`](Self::with_within).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack, Vector};
    ///
    /// let stack = Stack::fully_visible(Vector::zeros(4), Matrix::zeros(4, 4))?;
    /// assert_eq!((stack.layers(), stack.depth()), (vec![4], 0));
    /// assert_eq!(stack.tensor_names(), ["bias.0", "within.0"]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn fully_visible(bias: Vector, within: Matrix) -> Result<Self> {
        const OP: &str = "Stack::fully_visible";
        if bias.is_empty() {
            return Err(Error::Empty { op: OP, arg: "bias" });
        }
        check_finite(OP, "bias.0", bias.as_slice())?;
        Self { weights: vec![], biases: vec![bias], within: BTreeMap::new() }.with_within(0, within)
    }

    /// The same stack with the weights A_l from each unit of layer `l` to the units behind it.
    ///
    /// # Shapes
    ///
    /// `within` is `[n_l, n_l]`, zero unless its row is before its column.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::Param`] for a layer that is not there, and for a weight from a unit
    /// to itself or to one before it, [`Error::NonFinite`] for NaN or an infinity.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack};
    ///
    /// let within = Matrix::from_row_slice(2, 2, &[0.0, 1.5, 0.0, 0.0]);
    /// let stack = Stack::zeros(&[2, 3])?.with_within(0, within.clone())?;
    /// assert_eq!((stack.within(0), stack.within(1)), (Some(&within), None));
    /// assert!(stack.with_within(0, within.transpose()).is_err());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_within(mut self, l: usize, within: Matrix) -> Result<Self> {
        const OP: &str = "Stack::with_within";
        let Some(bias) = self.biases.get(l) else {
            return Err(Error::Param { op: OP, arg: "l", value: l.to_string(), allowed: "a layer of the stack" });
        };
        let name = format!("within.{l}");
        check_within(OP, &name, &within, bias.len())?;
        check_finite(OP, name, within.as_slice())?;
        self.within.insert(l, within);
        Ok(self)
    }

    /// The same stack with weights within these layers, so that training can change them: they begin at zero where a layer has
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a layer that is not there.
    pub fn with_layers_within(mut self, layers: &[usize]) -> Result<Self> {
        for &l in layers.iter().filter(|l| !self.within.contains_key(l)).collect::<Vec<_>>() {
            let units = self.biases.get(l).map_or(0, Vector::len);
            self = self.with_within(l, Matrix::zeros(units, units))?;
        }
        Ok(self)
    }

    /// The weights A_l from each unit of layer `l` to the units behind it, `[n_l, n_l]`; `None` where units are independent
    /// given the other layers.
    #[must_use]
    pub fn within(&self, l: usize) -> Option<&Matrix> {
        self.within.get(&l)
    }

    /// The layers that have weights within them, rising.
    #[must_use]
    pub fn layers_within(&self) -> Vec<usize> {
        self.within.keys().copied().collect()
    }

    /// Updates A_l in place; a layer without such weights stays as it is. Weights on and below the diagonal stay zero.
    ///
    /// # Panics
    ///
    /// When the update changes the matrix's shape.
    pub fn update_within(&mut self, l: usize, update: impl FnOnce(&mut Matrix)) {
        if let Some(a) = self.within.get_mut(&l) {
            let shape = a.shape();
            update(a);
            assert_eq!(a.shape(), shape, "a stack keeps its shapes");
            a.fill_lower_triangle(0.0, 0);
        }
    }

    /// A stack of the same shapes whose parameters are all zero.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        zeros.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        zeros
    }

    /// Refuses a stack that only a sigmoid belief net can have: one with weights within layers or without hidden layers.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] with the layers.
    ///
    /// # Examples
    ///
    /// ```
    /// let stack = gm_core::Stack::zeros(&[4, 3])?.with_layers_within(&[0])?;
    /// assert_eq!(
    ///     stack.check_plain("Rbm::from_stack").unwrap_err().to_string(),
    ///     "Rbm::from_stack: `stack` is with weights within layers [0], allowed: hidden layers without weights within layers, \
    ///      but in an sbn"
    /// );
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn check_plain(&self, op: &'static str) -> Result<()> {
        let value = match (self.depth(), self.within.is_empty()) {
            (0, _) => "without hidden layers".into(),
            (_, false) => format!("with weights within layers {:?}", self.layers_within()),
            (_, true) => return Ok(()),
        };
        let allowed = "hidden layers without weights within layers, but in an sbn";
        Err(Error::Param { op, arg: "stack", value, allowed })
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

    /// The number of weights and biases. Of the weights within a layer only those to later units count.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let constant = |within: &Matrix| within.nrows() * (within.nrows() + 1) / 2;
        self.tensors().map(<[f32]>::len).sum::<usize>() - self.within.values().map(constant).sum::<usize>()
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

    /// Every tensor as a slice: W_0, ..., W_(L-1), then b_0, ..., b_L, then A_l of the layers that have it.
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        let weights = self.weights.iter().map(|w| w.as_slice());
        weights.chain(self.biases.iter().map(|b| b.as_slice())).chain(self.within.values().map(|a| a.as_slice()))
    }

    /// Every tensor for updates in place, in the order of [`tensors`](Self::tensors). Weights on and below the diagonals of
    /// A_l must stay zero.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let weights = self.weights.iter_mut().map(|w| w.as_mut_slice());
        let biases = self.biases.iter_mut().map(|b| b.as_mut_slice());
        weights.chain(biases).chain(self.within.values_mut().map(|a| a.as_mut_slice()))
    }

    /// Names of the tensors in the order of [`tensors`](Self::tensors): `weights.0`, ..., `bias.L`, `within.0`, ....
    #[must_use]
    pub fn tensor_names(&self) -> Vec<String> {
        let weights = (0..self.weights.len()).map(|l| format!("weights.{l}"));
        let biases = (0..self.biases.len()).map(|l| format!("bias.{l}"));
        weights.chain(biases).chain(self.within.keys().map(|l| format!("within.{l}"))).collect()
    }

    /// Splits into weights and biases, without the weights within layers.
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

/// Refuses weights within a layer of another shape, and weights that do not lead to later units.
pub(crate) fn check_within(op: &'static str, name: &str, within: &Matrix, units: usize) -> Result<()> {
    for (what, found) in [("rows", within.nrows()), ("columns", within.ncols())] {
        check_len(op, name, what, found, units)?;
    }
    let column = |j: usize| &within.as_slice()[j * units + j..][..units - j];
    if (0..units).any(|j| column(j).iter().any(|&w| w != 0.0)) {
        let value = format!("other than 0 on or below the diagonal of {name}");
        return Err(Error::Param { op, arg: "within", value, allowed: "weights to later units alone" });
    }
    Ok(())
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
    fn rejects_weights_within_layers_that_do_not_fit() {
        let text = |l, within| Stack::zeros(&[3, 2]).unwrap().with_within(l, within).unwrap_err().to_string();
        assert_eq!(text(2, Matrix::zeros(2, 2)), "Stack::with_within: `l` is 2, allowed: a layer of the stack");
        assert_eq!(text(1, Matrix::zeros(3, 2)), "Stack::with_within: `within.1` has rows 3, expected 2");
        assert_eq!(text(1, Matrix::zeros(2, 3)), "Stack::with_within: `within.1` has columns 3, expected 2");
        for lower in [[0.0, 1.0, 2.0, 0.0], [0.0, 1.0, 0.0, 2.0]] {
            let refused = text(1, Matrix::from_row_slice(2, 2, &lower));
            assert!(refused.contains("`within` is other than 0 on or below the diagonal of within.1"), "{refused}");
        }
        assert!(text(1, Matrix::from_row_slice(2, 2, &[0.0, f32::NAN, 0.0, 0.0])).contains("`within.1` is NaN"));
        let alone = |units| Stack::fully_visible(Vector::zeros(units), Matrix::zeros(units, units));
        assert_eq!(alone(0).unwrap_err().to_string(), "Stack::fully_visible: `bias` is empty");
        let alone = alone(2).unwrap().check_plain("op").unwrap_err().to_string();
        assert!(alone.starts_with("op: `stack` is without hidden layers, allowed: "), "{alone}");
    }

    #[test]
    fn table_updates_keep_the_triangle_and_weights_that_are_there() {
        let mut stack = Stack::zeros(&[3, 2]).unwrap().with_layers_within(&[1]).unwrap();
        stack.update_within(1, |a| a.fill(1.0));
        stack.update_within(0, |a| a.fill(1.0));
        let mut stack = stack.with_layers_within(&[0, 1]).unwrap();
        assert_eq!(stack.within(1).unwrap().as_slice(), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!((stack.within(0).unwrap().amax(), stack.layers_within()), (0.0, vec![0, 1]));
        assert_eq!(stack.tensor_names(), ["weights.0", "bias.0", "bias.1", "within.0", "within.1"]);
        assert_eq!((stack.tensors().count(), stack.tensors_mut().count()), (5, 5));
        assert_eq!(stack.zeros_like().tensors().flatten().sum::<f32>(), 0.0);
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
