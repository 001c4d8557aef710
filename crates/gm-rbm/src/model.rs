//! Parameters and energies.

use std::io::{Read, Write};

use gm_core::{
    BitMatrix, Error, FileError, Matrix, ModelData, ModelKind, Purpose, Result, Stack, Streams, Vector, VisibleKind,
};
use rand_distr::{Distribution, Normal};

use crate::likelihood::base_rate_bias;

/// A restricted Boltzmann machine with Bernoulli units in both layers.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_rbm::Rbm;
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// assert_eq!((rbm.visible(), rbm.hidden()), (4, 3));
/// assert!((rbm.log_partition()? - 7.0 * 2.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rbm {
    stack: Stack,
}

impl Rbm {
    /// Joins weights and biases.
    ///
    /// # Shapes
    ///
    /// `weights` is W, `[visible, hidden]`; `visible_bias` is a, `[visible]`; `hidden_bias` is b, `[hidden]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::Param`] for an empty layer, [`Error::NonFinite`] for NaN or
    /// an infinity.
    pub fn new(weights: Matrix, visible_bias: Vector, hidden_bias: Vector) -> Result<Self> {
        gm_core::check_len("Rbm::new", "visible_bias", "length", visible_bias.len(), weights.nrows())?;
        gm_core::check_len("Rbm::new", "hidden_bias", "length", hidden_bias.len(), weights.ncols())?;
        Self::from_stack(Stack::new(vec![weights], vec![visible_bias, hidden_bias])?)
    }

    /// Takes a stack of one weight matrix.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a deeper stack.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        gm_core::check_len("Rbm::from_stack", "weights", "length", stack.depth(), 1)?;
        Ok(Self { stack })
    }

    /// A model to start training from: weights from N(0, scale^2), visible biases that give the data's means, hidden
    /// biases 0.
    ///
    /// # Randomness
    ///
    /// One normal draw a weight, column by column, from stream 0 of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for an empty layer, or a `scale` that is negative or not finite.
    ///
    /// # Source
    ///
    /// `hinton2012practical`, section 8.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::initial(&[0.5, 0.9], 3, 0.01, &gm_core::Streams::new(1))?;
    /// assert_eq!(rbm.visible_bias()[0], 0.0);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn initial(visible_means: &[f32], hidden: usize, scale: f32, streams: &Streams) -> Result<Self> {
        let refuse = |_| Error::Param {
            op: "Rbm::initial",
            arg: "scale",
            value: scale.to_string(),
            allowed: "a finite number, 0 or more",
        };
        let normal = Normal::new(0.0, scale).map_err(refuse)?;
        let mut stream = streams.fork(Purpose::Initialise, 0).stream(0);
        let weights = Matrix::from_fn(visible_means.len(), hidden, |_, _| normal.sample(&mut stream));
        Self::new(weights, Vector::from_vec(base_rate_bias(visible_means)), Vector::zeros(hidden))
    }

    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for another model, [`FileError::Field`] for other visible units than Bernoulli.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Rbm)?;
        if data.visible != VisibleKind::Bernoulli {
            let (name, found) = ("visible".into(), data.visible.to_string());
            return Err(FileError::Field { format: "model", name, found, expected: "bernoulli" }.into());
        }
        Self::from_stack(data.stack)
    }

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        ModelData::from_stack(ModelKind::Rbm, self.stack.clone())
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError`] for whatever is wrong with the file.
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::from_data(ModelData::read(reader)?)
    }

    /// Writes a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] when writing fails, [`Error::NonFinite`] for parameters that no reader would accept.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.to_data()?.write(writer)
    }

    /// The parameters as a stack of one weight matrix.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The parameters for in-place updates.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// Gives the parameters back.
    #[must_use]
    pub fn into_stack(self) -> Stack {
        self.stack
    }

    /// W, `[visible, hidden]`.
    #[must_use]
    pub fn weights(&self) -> &Matrix {
        self.stack.weights(0)
    }

    /// a, `[visible]`.
    #[must_use]
    pub fn visible_bias(&self) -> &[f32] {
        self.stack.bias(0).as_slice()
    }

    /// b, `[hidden]`.
    #[must_use]
    pub fn hidden_bias(&self) -> &[f32] {
        self.stack.bias(1).as_slice()
    }

    /// Visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.weights().nrows()
    }

    /// Hidden units.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.weights().ncols()
    }

    /// The energy -a' v - b' h - v' W h of each sample, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, `h` `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Matrix, Vector};
    ///
    /// let rbm = gm_rbm::Rbm::new(Matrix::from_element(1, 1, 2.0), Vector::from_element(1, 0.5), Vector::from_element(1, -1.0))?;
    /// let on = BitMatrix::from_fn(1, 1, |_, _| true);
    /// assert_eq!(rbm.energy(&on, &on), [-1.5]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn energy(&self, v: &BitMatrix, h: &BitMatrix) -> Vec<f64> {
        assert_eq!(v.samples(), h.samples(), "as many visible as hidden samples");
        let inputs = self.couplings().inputs_h_from_v(self, v);
        let visible = v.weighted_sums(&widened(self.visible_bias()));
        let hidden = |s| (0..h.units()).filter(|&j| h.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum::<f64>();
        visible.iter().enumerate().map(|(s, a)| -a - hidden(s)).collect()
    }

    /// Refuses data of another width than the visible layer.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`].
    pub(crate) fn check_data(&self, op: &'static str, units: usize) -> Result<()> {
        gm_core::check_len(op, "data", "units", units, self.visible())
    }
}

/// Single-precision parameters in double precision.
pub(crate) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_shapes_kinds_and_scales() {
        let wrong = Rbm::new(Matrix::zeros(5, 4), Vector::zeros(5), Vector::zeros(3)).unwrap_err();
        assert_eq!(wrong.to_string(), "Rbm::new: `hidden_bias` has length 3, expected 4");
        let deep = Rbm::from_stack(Stack::zeros(&[2, 2, 2]).unwrap()).unwrap_err();
        assert_eq!(deep.to_string(), "Rbm::from_stack: `weights` has length 2, expected 1");
        let scale = Rbm::initial(&[0.5], 1, f32::NAN, &Streams::new(0)).unwrap_err();
        assert_eq!(scale.to_string(), "Rbm::initial: `scale` is NaN, allowed: a finite number, 0 or more");
        let none = Rbm::initial(&[0.5], 0, 0.1, &Streams::new(0)).unwrap_err();
        assert!(none.to_string().contains("1 or more units in each layer"));
        let dbm = ModelData::from_stack(ModelKind::Dbm, Stack::zeros(&[2, 2]).unwrap()).unwrap();
        assert_eq!(Rbm::from_data(dbm).unwrap_err().to_string(), "the file holds a dbm, expected a rbm");
    }
}
