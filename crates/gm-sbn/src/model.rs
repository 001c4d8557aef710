//! Parameters, and the joint log-probability.

use std::io::{Read, Write};

use gm_core::{
    BatchRef, Error, FileError, Matrix, ModelData, ModelKind, Purpose, Recognition, Result, Stack, Streams, Vector,
    VisibleKind, VisibleUnits, check_finite, check_len, logit, normal_matrix,
};

use crate::conditional::Passes;
use crate::gradient::Generated;

/// A sigmoid belief net, with or without a recognition net.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_sbn::Sbn;
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// assert_eq!((sbn.visible(), sbn.hidden()), (4, 5));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sbn {
    stack: Stack,
    recognition: Option<Recognition>,
}

impl Sbn {
    /// Joins the generative parameters with a recognition net.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the recognition net has other layers than the stack.
    pub fn new(stack: Stack, recognition: Option<Recognition>) -> Result<Self> {
        if let Some(net) = &recognition {
            check_len("Sbn::new", "recognition", "depth", net.depth(), stack.depth())?;
            for (l, (found, expected)) in net.layers().into_iter().zip(stack.layers()).enumerate() {
                check_len("Sbn::new", format!("recognition layer {l}"), "units", found, expected)?;
            }
        }
        Ok(Self { stack, recognition })
    }

    /// A model without a recognition net.
    ///
    /// # Errors
    ///
    /// None: a stack of any depth is a sigmoid belief net.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        Self::new(stack, None)
    }

    /// A model to start training from: weights of both nets from N(0, scale^2 / inputs of a unit), visible biases that
    /// give the data's means, other biases 0. Without hidden layers it is a fully visible net, without a recognition net, whose
    /// weights within the visible layer are 0.
    ///
    /// # Shapes
    ///
    /// `hidden` holds the units of x_1, ..., x_L.
    ///
    /// # Randomness
    ///
    /// One normal draw a weight, column by column; W_l from stream 2 l of [`Purpose::Initialise`], R_l from stream 2 l
    /// + 1.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without visible units, [`Error::Param`] for an empty layer, or a `scale` that is negative or
    /// not finite, [`Error::NonFinite`] for means that are not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// let sbn = gm_sbn::Sbn::initial(&[0.5, 0.9], &[3, 2], 1.0, &gm_core::Streams::new(1))?;
    /// assert_eq!(sbn.stack().bias(0)[0], 0.0);
    /// assert!(sbn.recognition().is_some());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn initial(visible_means: &[f32], hidden: &[usize], scale: f32, streams: &Streams) -> Result<Self> {
        let layers: Vec<usize> = std::iter::once(visible_means.len()).chain(hidden.iter().copied()).collect();
        check_finite("Sbn::initial", "visible_means", visible_means)?;
        let visible_bias = |mean: f32| logit(f64::from(mean).clamp(0.001, 0.999)) as f32;
        if hidden.is_empty() {
            let (units, bias) = (visible_means.len(), visible_means.iter().copied().map(visible_bias).collect());
            return Self::from_stack(Stack::fully_visible(Vector::from_vec(bias), Matrix::zeros(units, units))?);
        }
        let (mut stack, mut net) = (Stack::zeros(&layers)?, Recognition::zeros(&layers)?);
        let family = streams.fork(Purpose::Initialise, 0);
        for l in 0..stack.depth() {
            let weights = random_weights(stack.weights(l), scale, layers[l + 1], &family, 2 * l as u64)?;
            stack.update_weights(l, |w| *w = weights);
            let weights = random_weights(net.weights(l), scale, layers[l], &family, 2 * l as u64 + 1)?;
            net.update_weights(l, |w| *w = weights);
        }
        for (bias, &mean) in stack.bias_mut(0).iter_mut().zip(visible_means) {
            *bias = visible_bias(mean);
        }
        Self::new(stack, Some(net))
    }

    /// The same net with this bias for all hidden units, of the net itself and of its recognition net.
    ///
    /// A bias well below 0 starts hidden units mostly off. Units that are on for half of the rows whatever these are become
    /// part of the biases of the layer below, and the upper layers then have nothing left to learn.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`](gm_core::Error::NonFinite) for a bias that is no number.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_sbn::Sbn;
    ///
    /// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &gm_core::Streams::new(7))?.with_hidden_bias(-3.0)?;
    /// assert_eq!((sbn.stack().bias(0)[0], sbn.stack().bias(2)[1]), (0.0, -3.0));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_hidden_bias(mut self, bias: f32) -> Result<Self> {
        check_finite("Sbn::with_hidden_bias", "bias", &[bias])?;
        for l in 1..=self.depth() {
            self.stack.bias_mut(l).fill(bias);
            self.recognition.iter_mut().for_each(|net| net.bias_mut(l).fill(bias));
        }
        Ok(self)
    }

    /// The same net with an autoregressive recognition net, whose weights within layers begin at zero: each unit may
    /// come to depend on the units before it in its layer. An autoregressive net stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without a recognition net.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_sbn::Sbn;
    ///
    /// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &gm_core::Streams::new(7))?.with_autoregressive_recognition()?;
    /// assert!(sbn.recognition().is_some_and(|net| net.is_autoregressive()));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_autoregressive_recognition(mut self) -> Result<Self> {
        self.expect_recognition("Sbn::with_autoregressive_recognition")?;
        self.recognition = self.recognition.map(|net| if net.is_autoregressive() { net } else { net.autoregressive() });
        Ok(self)
    }

    /// The same net with weights within these layers of the net itself, which begin at zero: each unit may come to depend on
    /// the units before it in its layer. Layers that have such weights keep them.
    ///
    /// p(x_l | x_(l+1)) = prod_i Ber(x_li; s((W_l x_(l+1) + b_l)_i + sum_(k<i) A_(l,ki) x_lk))
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a layer that is not there.
    ///
    /// # Source
    ///
    /// `gregor2014deep`, section 2.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_sbn::Sbn;
    ///
    /// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &gm_core::Streams::new(7))?.with_layers_within(&[0])?;
    /// assert_eq!(sbn.stack().within(0).map(|a| a.shape()), Some((4, 4)));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_layers_within(mut self, layers: &[usize]) -> Result<Self> {
        self.stack = self.stack.with_layers_within(layers)?;
        Ok(self)
    }

    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for another model, [`FileError::Field`] for other visible units than Bernoulli.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Sbn)?;
        if data.visible != VisibleKind::Bernoulli {
            let (name, found) = ("visible".into(), data.visible.to_string());
            return Err(FileError::Field { format: "model", name, found, expected: "bernoulli" }.into());
        }
        Self::new(data.stack, data.recognition)
    }

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        let (stack, net) = (self.stack.clone(), self.recognition.clone());
        ModelData::new(ModelKind::Sbn, VisibleKind::Bernoulli, stack, net, None, Default::default())
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError`] for any fault of the file.
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

    /// The generative parameters.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The generative parameters for in-place updates.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The recognition net.
    #[must_use]
    pub fn recognition(&self) -> Option<&Recognition> {
        self.recognition.as_ref()
    }

    /// The recognition net for in-place updates.
    pub fn recognition_mut(&mut self) -> Option<&mut Recognition> {
        self.recognition.as_mut()
    }

    /// The parameters of both nets, the tensors of the stack first.
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.stack.tensors().chain(self.recognition.iter().flat_map(Recognition::tensors))
    }

    /// The parameters of both nets for in-place updates, in the order of [`tensors`](Self::tensors).
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.stack.tensors_mut().chain(self.recognition.iter_mut().flat_map(Recognition::tensors_mut))
    }

    /// Gives the parameters back.
    #[must_use]
    pub fn into_parts(self) -> (Stack, Option<Recognition>) {
        (self.stack, self.recognition)
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.stack.layers()
    }

    /// L, the number of hidden layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// Visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.stack.bias(0).len()
    }

    /// Hidden units of all layers together.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.layers()[1..].iter().sum()
    }

    /// The recognition net, or an error that names the operation which needs it.
    pub(crate) fn expect_recognition(&self, op: &'static str) -> Result<&Recognition> {
        self.recognition.as_ref().ok_or_else(|| Error::Param {
            op,
            arg: "recognition",
            value: "absent".into(),
            allowed: "a model with a recognition net",
        })
    }

    /// log p(x) of states of all layers, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, all as packed bits or as batches of bits.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let log_joint = sbn.log_joint(&[BitMatrix::zeros(4, 2), BitMatrix::zeros(3, 2)]);
    /// assert!((log_joint[1] + 7.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn log_joint<X>(&self, layers: &[X]) -> Vec<f64>
    where
        for<'x> &'x X: Into<BatchRef<'x>>,
    {
        let layers = layers.iter().map(|x| Into::<BatchRef<'_>>::into(x).to_batch().bits().clone()).collect();
        Generated::new(&Passes::new(self), layers).log_p().to_vec()
    }

    /// Refuses states that the visible units do not have, and batches without samples.
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`] for Bernoulli units, and [`Error::Empty`] without samples.
    pub fn check_data<'v>(&self, op: &'static str, v: impl Into<BatchRef<'v>>) -> Result<()> {
        let v = v.into();
        VisibleUnits::Bernoulli.check(op, self.visible(), v)?;
        if v.samples() == 0 { Err(Error::Empty { op, arg: "data" }) } else { Ok(()) }
    }
}

pub(crate) fn add(sums: &mut [f64], terms: &[f64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

fn random_weights(like: &Matrix, scale: f32, inputs: usize, family: &Streams, stream: u64) -> Result<Matrix> {
    let scale = scale / (inputs as f32).sqrt();
    normal_matrix("Sbn::initial", like.shape(), scale, &mut family.stream(stream))
}

/// The parameters in double precision, W_l as the columns that flips of units above add and take away.
pub(crate) struct Columns {
    pub(crate) weights: Vec<Vec<Vec<f64>>>,
    pub(crate) biases: Vec<Vec<f64>>,
    /// Of each layer with weights within it, and of each of its units, the weights to the units behind it.
    pub(crate) within: Vec<Option<Vec<Vec<f64>>>>,
}

impl Columns {
    pub(crate) fn new(stack: &Stack) -> Self {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        let columns = |l: usize| stack.weights(l).column_iter().map(|column| wide(column.as_slice())).collect();
        Self {
            weights: (0..stack.depth()).map(columns).collect(),
            biases: (0..=stack.depth()).map(|l| wide(stack.bias(l).as_slice())).collect(),
            within: (0..=stack.depth()).map(|l| stack.within(l).map(rows_to_later)).collect(),
        }
    }

    /// The weights from a unit to the units behind it, in a layer that has such weights.
    pub(crate) fn to_later(&self, l: usize, unit: usize) -> Option<&[f64]> {
        self.within[l].as_ref().map(|rows| rows[unit].as_slice())
    }

    /// Adds what the units of layer `l` receive from the units before them.
    pub(crate) fn add_within(&self, l: usize, states: &[bool], inputs: &mut [f64]) {
        let Some(rows) = &self.within[l] else { return };
        for (unit, row) in rows.iter().enumerate().filter(|(unit, _)| states[*unit]) {
            inputs[unit + 1..].iter_mut().zip(row).for_each(|(input, w)| *input += w);
        }
    }

    /// The inputs of every layer.
    pub(crate) fn inputs(&self, states: &[Vec<bool>]) -> Vec<Vec<f64>> {
        let mut inputs = self.biases.clone();
        for (l, weights) in self.weights.iter().enumerate() {
            for (column, _) in weights.iter().zip(&states[l + 1]).filter(|(_, on)| **on) {
                inputs[l].iter_mut().zip(column).for_each(|(input, w)| *input += w);
            }
        }
        (0..inputs.len()).for_each(|l| self.add_within(l, &states[l], &mut inputs[l]));
        inputs
    }
}

/// The part of each row behind the diagonal.
fn rows_to_later(within: &Matrix) -> Vec<Vec<f64>> {
    let units = within.nrows();
    (0..units).map(|i| (i + 1..units).map(|j| f64::from(within[(i, j)])).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_shapes_kinds_and_scales() {
        let net = |layers: &[usize]| Some(Recognition::zeros(layers).unwrap());
        let error =
            |layers: &[usize]| Sbn::new(Stack::zeros(&[4, 3, 2]).unwrap(), net(layers)).unwrap_err().to_string();
        assert_eq!(error(&[4, 3]), "Sbn::new: `recognition` has depth 1, expected 2");
        assert_eq!(error(&[4, 2, 2]), "Sbn::new: `recognition layer 1` has units 2, expected 3");
        let scale = Sbn::initial(&[0.5], &[1], f32::NAN, &Streams::new(0)).unwrap_err();
        assert_eq!(scale.to_string(), "Sbn::initial: `scale` is NaN, allowed: a finite number, 0 or more");
        assert!(Sbn::initial(&[], &[], 1.0, &Streams::new(0)).is_err());
        assert!(Sbn::initial(&[0.5], &[0], 1.0, &Streams::new(0)).unwrap_err().to_string().contains("1 or more units"));
        let rbm = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[2, 2]).unwrap()).unwrap();
        assert_eq!(Sbn::from_data(rbm).unwrap_err().to_string(), "the file holds an rbm, expected an sbn");
    }
}
