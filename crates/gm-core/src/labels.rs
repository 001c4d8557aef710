//! Label units: the class of a picture as a group of units beside a hidden layer.

use crate::error::{Error, Result, check_finite, check_len};
use crate::stack::{Matrix, Vector};

/// A group of units of which exactly one is on. It stands beside the lower layer of the RBM on top of a deep belief
/// network and is joined to the top layer.
///
/// # Shapes
///
/// `weights` is U, `[classes, n_L]`, and `bias` is d, `[classes]`. Files hold them as the tensors `label.weights` and
/// `label.bias`.
///
/// # Examples
///
/// ```
/// use gm_core::{Labels, Matrix, Vector};
///
/// let labels = Labels::new(Matrix::zeros(10, 50), Vector::zeros(10))?;
/// assert_eq!(labels.classes(), 10);
/// assert!(Labels::new(Matrix::zeros(1, 50), Vector::zeros(1)).is_err());
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    weights: Matrix,
    bias: Vector,
}

impl Labels {
    /// Joins weights and biases.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::Param`] for fewer than 2 classes, [`Error::NonFinite`] for NaN
    /// or an infinity anywhere.
    pub fn new(weights: Matrix, bias: Vector) -> Result<Self> {
        const OP: &str = "Labels::new";
        check_len(OP, "label.bias", "length", bias.len(), weights.nrows())?;
        if bias.len() < 2 {
            return Err(Error::Param { op: OP, arg: "classes", value: bias.len().to_string(), allowed: "2 or more" });
        }
        check_finite(OP, "label.weights", weights.as_slice())?;
        check_finite(OP, "label.bias", bias.as_slice())?;
        Ok(Self { weights, bias })
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// U, `[classes, n_L]`.
    #[must_use]
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// d, `[classes]`.
    #[must_use]
    pub fn bias(&self) -> &Vector {
        &self.bias
    }

    /// U and d for updates in place.
    pub fn tensors_mut(&mut self) -> [&mut [f32]; 2] {
        [self.weights.as_mut_slice(), self.bias.as_mut_slice()]
    }

    /// U and d as slices.
    #[must_use]
    pub fn tensors(&self) -> [&[f32]; 2] {
        [self.weights.as_slice(), self.bias.as_slice()]
    }

    /// Checks that parameters are finite and that the layer above has `units` units.
    pub(crate) fn check(&self, op: &'static str, units: usize) -> Result<()> {
        check_len(op, "label.weights", "columns", self.weights.ncols(), units)?;
        check_finite(op, "label.weights", self.weights.as_slice())?;
        check_finite(op, "label.bias", self.bias.as_slice())
    }
}
