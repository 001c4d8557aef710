//! Parameters and energies.

use std::io::{Read, Write};

use std::collections::BTreeMap;

#[cfg(doc)]
use gm_core::Error;
use gm_core::{
    BatchRef, BitMatrix, Matrix, ModelData, ModelKind, Purpose, Result, Stack, Streams, Vector, VisibleUnits,
    check_finite, normal_matrix, widened,
};

/// A restricted Boltzmann machine with binary hidden units and visible units of any kind.
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
    units: VisibleUnits,
}

impl Rbm {
    /// An RBM with these weights and biases, with Bernoulli visible units.
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

    /// An RBM with the parameters of a stack of one weight matrix, with Bernoulli visible units.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a deeper stack.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        gm_core::check_len("Rbm::from_stack", "weights", "length", stack.depth(), 1)?;
        stack.check_plain("Rbm::from_stack")?;
        Ok(Self { stack, units: VisibleUnits::Bernoulli })
    }

    /// The same parameters with visible units of the given kind.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for units whose number differs from that of the visible layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Gaussian, 4, None)?;
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?.with_units(units)?;
    /// let expected = 2.0 * std::f64::consts::TAU.ln() + 3.0 * 2.0_f64.ln();
    /// assert!((rbm.log_partition()? - expected).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_units(self, units: VisibleUnits) -> Result<Self> {
        units.fit("Rbm::with_units", self.visible())?;
        Ok(Self { units, ..self })
    }

    /// A model to start training from. Weights are drawn from N(0, scale^2), visible biases give the means of the data,
    /// and hidden biases are 0.
    ///
    /// # Randomness
    ///
    /// One normal draw for each weight, column by column, from stream 0 of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for an empty layer and for a `scale` that is negative or not finite, [`Error::NonFinite`] for
    /// means that are not finite.
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
        Self::initial_with(VisibleUnits::Bernoulli, visible_means, hidden, scale, streams)
    }

    /// [`initial`](Self::initial) with visible units of the given kind.
    ///
    /// # Errors
    ///
    /// As [`initial`](Self::initial), and [`Error::Shape`] for units whose number differs from that of `visible_means`.
    pub fn initial_with(
        units: VisibleUnits,
        visible_means: &[f32],
        hidden: usize,
        scale: f32,
        streams: &Streams,
    ) -> Result<Self> {
        let mut stream = streams.fork(Purpose::Initialise, 0).stream(0);
        units.fit("Rbm::initial", visible_means.len())?;
        check_finite("Rbm::initial", "visible_means", visible_means)?;
        let weights = normal_matrix("Rbm::initial", (visible_means.len(), hidden), scale, &mut stream)?;
        let bias = Vector::from_vec(units.bias_of_means(visible_means));
        Self::from_stack(Stack::new(vec![weights], vec![bias, Vector::zeros(hidden)])?)?.with_units(units)
    }

    /// The RBM of zeros and ones that equals a model of spins -1 and +1 with the parameters `spins`. Also returns log Z
    /// of the model of spins minus log Z of the RBM.
    ///
    /// Let s = 2 v - 1 and t = 2 h - 1. The exponent a' s + b' t + s' W t equals that of bits with weights 4 W, visible
    /// biases 2 a - 2 W 1 and hidden biases 2 b - 2 W' 1, plus the constant 1' W 1 - 1' a - 1' b.
    ///
    /// # Errors
    ///
    /// As [`from_stack`](Self::from_stack).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack, Vector};
    ///
    /// let stack = Stack::new(vec![Matrix::from_element(1, 1, 0.5)], vec![Vector::zeros(1), Vector::zeros(1)])?;
    /// let (rbm, shift) = gm_rbm::Rbm::from_spins(&stack)?;
    /// let spins = (4.0 * 0.5_f64.cosh()).ln();
    /// assert!((rbm.log_partition()? + shift - spins).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn from_spins(spins: &Stack) -> Result<(Self, f64)> {
        gm_core::check_len("Rbm::from_spins", "weights", "length", spins.depth(), 1)?;
        let w = spins.weights(0);
        let (ones_up, ones_down) = (Vector::from_element(w.ncols(), 1.0), Vector::from_element(w.nrows(), 1.0));
        let a = spins.bias(0) * 2.0 - w * ones_up * 2.0;
        let b = spins.bias(1) * 2.0 - w.tr_mul(&ones_down) * 2.0;
        let sum = |values: &[f32]| values.iter().map(|&x| f64::from(x)).sum::<f64>();
        let shift = sum(w.as_slice()) - sum(spins.bias(0).as_slice()) - sum(spins.bias(1).as_slice());
        Ok((Self::new(w * 4.0, a, b)?, shift))
    }

    /// Takes a model from the content of a model file.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`](gm_core::FileError::WrongKind) if the file holds another kind of model.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Rbm)?;
        let units = data.visible_units()?;
        Self::from_stack(data.stack)?.with_units(units)
    }

    /// The content of a model file.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        let (kind, gaussian) = (self.units.kind(), self.units.gaussian());
        let variance = gaussian.map(gm_core::Gaussian::variance_vector);
        let data = ModelData::new(ModelKind::Rbm, kind, self.stack.clone(), None, variance, BTreeMap::new())?;
        data.with_standardise(gaussian.and_then(|gaussian| gaussian.standardise().cloned()))
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// A [`FileError`](gm_core::FileError) that says what is wrong with the file.
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::from_data(ModelData::read(reader)?)
    }

    /// Writes a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError::Io`](gm_core::FileError::Io) when writing fails, [`Error::NonFinite`] for parameters that no reader
    /// would accept.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.to_data()?.write(writer)
    }

    /// The parameters as a stack of one weight matrix.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The parameters, for changes in place.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The parameters, by value.
    #[must_use]
    pub fn into_stack(self) -> Stack {
        self.stack
    }

    /// The visible units.
    #[must_use]
    pub fn units(&self) -> &VisibleUnits {
        &self.units
    }

    /// The visible units, for changes of their variances.
    pub fn units_mut(&mut self) -> &mut VisibleUnits {
        &mut self.units
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

    /// The number of units of each layer, the visible layer first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.stack.layers()
    }

    /// The number of hidden layers, which is 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// The number of visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.weights().nrows()
    }

    /// The number of hidden units.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.weights().ncols()
    }

    /// The energy of each sample, `[samples]`.
    ///
    /// E(v, h) = -a' v - b' h - v' W h. With Gaussian units it is
    /// sum_i (v_i - a_i)^2 / (2 s_i^2) - b' h - sum_ij (v_i / s_i^2) W_ij h_j.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, `h` is `[hidden, samples]`.
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
    /// let (a, b) = (Vector::from_element(1, 0.5), Vector::from_element(1, -1.0));
    /// let rbm = gm_rbm::Rbm::new(Matrix::from_element(1, 1, 2.0), a, b)?;
    /// let on = BitMatrix::from_fn(1, 1, |_, _| true);
    /// assert_eq!(rbm.energy(&on, &on), [-1.5]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn energy<'v>(&self, v: impl Into<BatchRef<'v>>, h: &BitMatrix) -> Vec<f64> {
        let v = v.into();
        assert_eq!(v.samples(), h.samples(), "as many visible as hidden samples");
        let inputs = self.couplings().inputs_h_from_v(self, v);
        let visible = self.units.log_weights(v, &widened(self.visible_bias()));
        let hidden = |s| (0..h.units()).filter(|&j| h.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum::<f64>();
        visible.iter().enumerate().map(|(s, a)| -a - hidden(s)).collect()
    }

    /// Refuses states that visible units of this kind and number do not have.
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`].
    pub fn check_data<'v>(&self, op: &'static str, v: impl Into<BatchRef<'v>>) -> Result<()> {
        self.units.check(op, self.visible(), v.into())
    }
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
        let scale = Rbm::initial(&[0.5], 1, -0.5, &Streams::new(0)).unwrap_err();
        assert_eq!(scale.to_string(), "Rbm::initial: `scale` is -0.5, allowed: a finite number, 0 or more");
        let none = Rbm::initial(&[0.5], 0, 0.1, &Streams::new(0)).unwrap_err();
        assert!(none.to_string().contains("1 or more units in each layer"));
        let dbm = ModelData::from_stack(ModelKind::Dbm, Stack::zeros(&[2, 2]).unwrap()).unwrap();
        assert_eq!(Rbm::from_data(dbm).unwrap_err().to_string(), "the file holds a dbm, expected an rbm");
    }
}
