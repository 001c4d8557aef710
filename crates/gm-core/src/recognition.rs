//! The recognition net of a directed model: separate weights for inference.

use crate::error::{Error, Result, check_finite, check_len};
use crate::stack::{Matrix, Vector, check_within};

/// An approximate posterior of the hidden layers, drawn upwards from the visible one.
///
/// q(x_(l+1) | x_l) = Ber(s(R_l' x_l + r_(l+1)))
///
/// The units of a layer are independent given the layer below, unless the net is autoregressive. Then each unit also
/// depends on the units before it in its layer: unit j of layer l gets sum_(i<j) A_(l,ij) x_(l,i) in addition.
///
/// # Shapes
///
/// `weights(l)` is `[n_l, n_(l+1)]`, and `bias(l)` is `[n_l]` for l = 1, ..., depth, as is the square matrix
/// `within(l)` of an autoregressive net. Files hold them as the tensors `recognition.weights.l`, `recognition.bias.l` and
/// `recognition.within.l`.
///
/// # Examples
///
/// ```
/// use gm_core::Recognition;
///
/// let net = Recognition::zeros(&[6, 3, 2])?;
/// assert_eq!(net.weights(1).shape(), (3, 2));
/// assert_eq!(net.bias(2).len(), 2);
/// assert_eq!(net.tensor_names()[2], "recognition.bias.1");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recognition {
    weights: Vec<Matrix>,
    biases: Vec<Vector>,
    /// A_1, ..., A_depth; empty for a net of independent units.
    within: Vec<Matrix>,
}

impl Recognition {
    /// Joins weights and the biases of the layers above the first.
    ///
    /// # Shapes
    ///
    /// `weights[l]` is `[n_l, n_(l+1)]`, `biases[l]` is `[n_(l+1)]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without weights, [`Error::Shape`] when shapes disagree, [`Error::Param`] for a
    /// layer without units, [`Error::NonFinite`] for NaN or an infinity anywhere.
    pub fn new(weights: Vec<Matrix>, biases: Vec<Vector>) -> Result<Self> {
        const OP: &str = "Recognition::new";
        if weights.is_empty() {
            return Err(Error::Empty { op: OP, arg: "weights" });
        }
        check_len(OP, "biases", "length", biases.len(), weights.len())?;
        for (l, (w, b)) in weights.iter().zip(&biases).enumerate() {
            if l > 0 {
                let rows = weights[l - 1].ncols();
                check_len(OP, format!("recognition.weights.{l}"), "rows", w.nrows(), rows)?;
            }
            check_len(OP, format!("recognition.bias.{}", l + 1), "length", b.len(), w.ncols())?;
        }
        let net = Self { weights, biases, within: vec![] };
        if net.layers().contains(&0) {
            let value = format!("{:?}", net.layers());
            return Err(Error::Param { op: OP, arg: "layers", value, allowed: "1 or more units in each layer" });
        }
        net.check_finite()?;
        Ok(net)
    }

    /// A net whose parameters are all zero: q is uniform.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] with fewer than two layers, [`Error::Param`] for a layer without units.
    pub fn zeros(layers: &[usize]) -> Result<Self> {
        let weights = layers.windows(2).map(|pair| Matrix::zeros(pair[0], pair[1])).collect();
        let biases = layers.iter().skip(1).map(|&n| Vector::zeros(n)).collect();
        Self::new(weights, biases)
    }

    /// The same net with weights within each layer, from units to those behind them; with none it has independent units.
    ///
    /// # Shapes
    ///
    /// `within[l - 1]` is A_l, `[n_l, n_l]`, zero unless its row is before its column.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::Param`] for a weight from a unit to itself or to one before it,
    /// [`Error::NonFinite`] for NaN or an infinity.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Recognition};
    ///
    /// let net = Recognition::zeros(&[6, 2])?;
    /// let within = Matrix::from_row_slice(2, 2, &[0.0, 1.5, 0.0, 0.0]);
    /// let net = net.with_within(vec![within.clone()])?;
    /// assert!(net.is_autoregressive() && net.within(1) == Some(&within));
    /// assert!(net.with_within(vec![within.transpose()]).is_err());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_within(mut self, within: Vec<Matrix>) -> Result<Self> {
        const OP: &str = "Recognition::with_within";
        if !within.is_empty() {
            check_len(OP, "within", "length", within.len(), self.depth())?;
        }
        for (l, (a, bias)) in (1..).zip(within.iter().zip(&self.biases)) {
            check_within(OP, &format!("recognition.within.{l}"), a, bias.len())?;
        }
        self.within = within;
        self.check_finite()?;
        Ok(self)
    }

    /// The same net with weights of zero within each layer, so that it can learn them.
    #[must_use]
    pub fn autoregressive(mut self) -> Self {
        self.within = self.biases.iter().map(|b| Matrix::zeros(b.len(), b.len())).collect();
        self
    }

    /// A net of the same shapes whose parameters are all zero.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        zeros.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        zeros
    }

    /// Whether units depend on the units before them in their layer.
    #[must_use]
    pub fn is_autoregressive(&self) -> bool {
        !self.within.is_empty()
    }

    /// A_l, `[n_l, n_l]`, of an autoregressive net.
    ///
    /// # Panics
    ///
    /// When `l` is 0.
    #[must_use]
    pub fn within(&self, l: usize) -> Option<&Matrix> {
        self.within.get(l - 1)
    }

    /// Updates A_l of an autoregressive net in place. Weights on and below the diagonal stay zero.
    ///
    /// # Panics
    ///
    /// When `l` is 0 or the net has no such weights, or the update changes the matrix's shape.
    pub fn update_within(&mut self, l: usize, update: impl FnOnce(&mut Matrix)) {
        let a = &mut self.within[l - 1];
        let shape = a.shape();
        update(a);
        assert_eq!(a.shape(), shape, "a recognition net keeps its shapes");
        a.fill_lower_triangle(0.0, 0);
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        let first = self.weights.first().map(Matrix::nrows);
        first.into_iter().chain(self.biases.iter().map(Vector::len)).collect()
    }

    /// The number of weight matrices.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.weights.len()
    }

    /// R_l, of shape `[n_l, n_(l+1)]`.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth).
    #[must_use]
    pub fn weights(&self, l: usize) -> &Matrix {
        &self.weights[l]
    }

    /// r_l, of shape `[n_l]`.
    ///
    /// # Panics
    ///
    /// When `l` is 0 or exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn bias(&self, l: usize) -> &Vector {
        &self.biases[l - 1]
    }

    /// R_l for updates in place. The shape cannot change.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth).
    pub fn weights_mut(&mut self, l: usize) -> nalgebra::DMatrixViewMut<'_, f32> {
        self.weights[l].as_view_mut()
    }

    /// Updates R_l in place.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth), or the update changes the matrix's shape.
    pub fn update_weights(&mut self, l: usize, update: impl FnOnce(&mut Matrix)) {
        let shape = self.weights[l].shape();
        update(&mut self.weights[l]);
        assert_eq!(self.weights[l].shape(), shape, "a recognition net keeps its shapes");
    }

    /// r_l for updates in place. The length cannot change.
    ///
    /// # Panics
    ///
    /// When `l` is 0 or exceeds [`depth`](Self::depth).
    pub fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        self.biases[l - 1].as_mut_slice()
    }

    /// Every tensor as a slice: R_0, R_1, ..., then r_1, r_2, ..., then A_1, A_2, ... of an autoregressive net.
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        let weights = self.weights.iter().map(|w| w.as_slice());
        weights.chain(self.biases.iter().map(|b| b.as_slice())).chain(self.within.iter().map(|a| a.as_slice()))
    }

    /// Every tensor for updates in place, in the order of [`tensors`](Self::tensors). Weights on and below the diagonals
    /// of A_1, A_2, ... must stay zero.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let weights = self.weights.iter_mut().map(|w| w.as_mut_slice());
        let biases = self.biases.iter_mut().map(|b| b.as_mut_slice());
        weights.chain(biases).chain(self.within.iter_mut().map(|a| a.as_mut_slice()))
    }

    /// Names of the tensors in the order of [`tensors`](Self::tensors): `recognition.weights.0`, ....
    #[must_use]
    pub fn tensor_names(&self) -> Vec<String> {
        let weights = (0..self.weights.len()).map(|l| format!("recognition.weights.{l}"));
        let biases = (1..=self.biases.len()).map(|l| format!("recognition.bias.{l}"));
        weights.chain(biases).chain((1..=self.within.len()).map(|l| format!("recognition.within.{l}"))).collect()
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
            check_finite("Recognition::check_finite", name, values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_shapes_that_disagree() {
        let text = |weights, biases: &[usize]| {
            let biases = biases.iter().map(|&n| Vector::zeros(n)).collect();
            Recognition::new(weights, biases).unwrap_err().to_string()
        };
        assert_eq!(text(vec![], &[]), "Recognition::new: `weights` is empty");
        assert_eq!(text(vec![Matrix::zeros(3, 2)], &[3, 2]), "Recognition::new: `biases` has length 2, expected 1");
        assert_eq!(
            text(vec![Matrix::zeros(3, 2)], &[3]),
            "Recognition::new: `recognition.bias.1` has length 3, expected 2"
        );
        assert_eq!(
            text(vec![Matrix::zeros(3, 2), Matrix::zeros(3, 1)], &[2, 1]),
            "Recognition::new: `recognition.weights.1` has rows 3, expected 2"
        );
        assert_eq!(
            text(vec![Matrix::zeros(0, 2)], &[2]),
            "Recognition::new: `layers` is [0, 2], allowed: 1 or more units in each layer"
        );
    }

    #[test]
    fn rejects_weights_within_layers_of_other_shapes_and_to_earlier_units() {
        let text = |within| Recognition::zeros(&[3, 2]).unwrap().with_within(within).unwrap_err().to_string();
        let square = |w: [f32; 4]| Matrix::from_row_slice(2, 2, &w);
        assert_eq!(
            text(vec![Matrix::zeros(3, 2)]),
            "Recognition::with_within: `recognition.within.1` has rows 3, expected 2"
        );
        let two = vec![Matrix::zeros(2, 2), Matrix::zeros(2, 2)];
        assert_eq!(text(two), "Recognition::with_within: `within` has length 2, expected 1");
        for lower in [[0.0, 1.0, 2.0, 0.0], [0.0, 1.0, 0.0, 2.0]] {
            assert_eq!(
                text(vec![square(lower)]),
                "Recognition::with_within: `within` is other than 0 on or below the diagonal of recognition.within.1, \
                 allowed: weights to later units alone"
            );
        }
        assert!(text(vec![square([0.0, f32::NAN, 0.0, 0.0])]).contains("recognition.within.1"));
    }

    #[test]
    fn table_updates_keep_the_triangle() {
        let mut net = Recognition::zeros(&[3, 2]).unwrap().autoregressive();
        net.update_within(1, |a| a.fill(1.0));
        assert_eq!(net.within(1).unwrap().as_slice(), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(net.tensor_names(), ["recognition.weights.0", "recognition.bias.1", "recognition.within.1"]);
        assert_eq!((net.tensors().count(), net.zeros_like().tensors().flatten().sum::<f32>()), (3, 0.0));
        assert!(net.zeros_like().is_autoregressive());
        assert!(!net.with_within(vec![]).unwrap().is_autoregressive());
    }

    #[test]
    fn rejects_numbers_that_are_not_finite() {
        let mut net = Recognition::zeros(&[2, 3]).unwrap();
        net.bias_mut(1)[2] = f32::INFINITY;
        let error = net.check_finite().unwrap_err().to_string();
        assert!(error.contains("`recognition.bias.1` is inf at position 2"), "{error}");
    }
}
