//! Parameters and energies.

use std::io::{Read, Write};

#[cfg(doc)]
use gm_core::Error;
use gm_core::layer::{Gauge, Layer, LayerSpec, Measure};
use gm_core::{
    Batch, BatchRef, Coupling, LayerUpdate, Matrix, ModelData, ModelKind, Purpose, Result, Stack, Streams, VisibleKind,
    VisibleUnits, check_finite, check_len, dense_inputs_down, dense_inputs_up, normal_matrix,
};

use crate::normalisable::{check_normalisable, singular_value_above_one};

/// The largest singular value of weights that a step of training has made too large.
const KEPT: f64 = 0.98;

/// A restricted Boltzmann machine between two layers of any kinds of units.
///
/// E(v, h) = E_v(v) + E_h(h) - v' W h, with the energies of the layers.
///
/// # Source
///
/// `welling2004exponential`.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
/// use gm_core::layer::LayerSpec;
/// use gm_harmonium::Harmonium;
///
/// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
/// let model = Harmonium::new(layer("spin", 4)?, layer("relu", 2)?, Matrix::zeros(4, 2))?;
/// let half_gaussian = 0.5 * std::f64::consts::FRAC_PI_2.ln();
/// assert!((model.log_partition()? - 4.0 * 2.0_f64.ln() - 2.0 * half_gaussian).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Harmonium {
    visible: Layer,
    hidden: Layer,
    weights: Matrix,
}

impl Harmonium {
    /// A model of these layers and weights.
    ///
    /// # Shapes
    ///
    /// `weights` is W, `[visible, hidden]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::NonFinite`] for NaN or an infinity, [`Error::Param`] when exp(-E) has
    /// no finite integral, as [`check`](Self::check).
    pub fn new(visible: Layer, hidden: Layer, weights: Matrix) -> Result<Self> {
        const OP: &str = "Harmonium::new";
        check_len(OP, "weights", "rows", weights.nrows(), visible.units())?;
        check_len(OP, "weights", "columns", weights.ncols(), hidden.units())?;
        let model = Self { visible, hidden, weights };
        model.check()?;
        Ok(model)
    }

    /// A model to start training from. Weights are drawn from N(0, scale^2); visible units have about the given means and
    /// variances, and hidden units have the parameters that their kinds start with.
    ///
    /// # Randomness
    ///
    /// One normal draw for each weight, column by column, from stream 0 of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a scale that is negative or not finite, and for one too large for a finite integral;
    /// [`Error::Shape`] for means or variances of another number of units.
    pub fn initial(
        (visible, hidden): (&Layer, &Layer),
        (means, variances): (&[f32], &[f32]),
        scale: f32,
        streams: &Streams,
    ) -> Result<Self> {
        let mut stream = streams.fork(Purpose::Initialise, 0).stream(0);
        let weights = normal_matrix("Harmonium::initial", (visible.units(), hidden.units()), scale, &mut stream)?;
        Self::new(visible.independent(means, variances)?, hidden.clone(), weights)
    }

    /// The restricted Boltzmann machine of a stack of one weight matrix, with binary hidden units. All probabilities are
    /// those of that machine; of Gaussian units in the units of measure of the model.
    ///
    /// A Gaussian unit of bias a and variance s^2 has theta = a / s^2 and gamma = 1 / s^2 here, and its weights are divided
    /// by s^2.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a deeper stack, and for other units than those of its first layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleUnits};
    ///
    /// let model = gm_harmonium::Harmonium::from_stack(&Stack::zeros(&[4, 3])?, &VisibleUnits::Bernoulli)?;
    /// assert_eq!((model.visible().name(), model.hidden().units()), ("bernoulli".to_string(), 3));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn from_stack(stack: &Stack, units: &VisibleUnits) -> Result<Self> {
        const OP: &str = "Harmonium::from_stack";
        check_len(OP, "weights", "length", stack.depth(), 1)?;
        stack.check_plain(OP)?;
        units.fit(OP, stack.bias(0).len())?;
        let text = match units.kind() {
            VisibleKind::Gaussian => "gaussian".to_string(),
            kind => kind.to_string(),
        };
        let visible = text.parse::<LayerSpec>()?.layer(stack.bias(0).len())?;
        let (mut weights, bias) = (stack.weights(0).clone(), stack.bias(0).as_slice());
        let visible = match units.gaussian() {
            None => visible.with_parameters(bias.to_vec())?,
            Some(gaussian) => {
                let variance = gaussian.variance();
                weights.row_iter_mut().zip(variance).for_each(|(mut row, variance)| row /= *variance);
                let of_unit = bias.iter().zip(variance).flat_map(|(a, variance)| [a / variance, 1.0 / variance]);
                visible.with_parameters(of_unit.collect())?
            }
        };
        let hidden = "bernoulli".parse::<LayerSpec>()?.layer(stack.bias(1).len())?;
        Self::new(visible, hidden.with_parameters(stack.bias(1).as_slice().to_vec())?, weights)
    }

    /// Takes a model from the content of a model file.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`](gm_core::FileError::WrongKind) if the file holds another kind of model, and those of
    /// [`new`](Self::new).
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Harmonium)?;
        let [visible, hidden] = data.units.ok_or(gm_core::Error::Empty { op: "Harmonium::from_data", arg: "units" })?;
        Self::new(visible, hidden, data.stack.weights(0).clone())
    }

    /// The content of a model file.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        ModelData::harmonium(self.weights.clone(), [self.visible.clone(), self.hidden.clone()])
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// A [`FileError`](gm_core::FileError) that says what is wrong with the file, and those of [`new`](Self::new).
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::from_data(ModelData::read(reader)?)
    }

    /// Writes a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError::Io`](gm_core::FileError::Io) when writing fails, and those of [`to_data`](Self::to_data).
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.to_data()?.write(writer)
    }

    /// Refuses a model without finite probabilities: NaN or an infinity among the weights, or energies that fall without a
    /// bound. Updates can lead to both.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`], and [`Error::Param`] that names the singular value of the weights that is too large.
    pub fn check(&self) -> Result<()> {
        check_finite("Harmonium::check", "weights", self.weights.as_slice())?;
        check_finite("Harmonium::check", "visible", self.visible.parameters())?;
        check_finite("Harmonium::check", "hidden", self.hidden.parameters())?;
        check_normalisable(&self.visible, &self.hidden, &self.weights)
    }

    /// The visible layer.
    #[must_use]
    pub fn visible(&self) -> &Layer {
        &self.visible
    }

    /// The hidden layer.
    #[must_use]
    pub fn hidden(&self) -> &Layer {
        &self.hidden
    }

    /// The number of units of each layer, the visible layer first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        vec![self.visible.units(), self.hidden.units()]
    }

    /// W, `[visible, hidden]`.
    #[must_use]
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// Moves the parameters to new values, as a step of training does. Parameters that must be above 0 stay there, as
    /// [`Layer::move_to`] says. Weights at which probabilities would not be finite are scaled down until they are.
    ///
    /// # Shapes
    ///
    /// `weights` is W, column by column.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn move_to(&mut self, weights: &[f32], visible: &[f32], hidden: &[f32]) {
        self.weights.copy_from_slice(weights);
        self.visible.move_to(visible);
        self.hidden.move_to(hidden);
        if let Some(largest) = singular_value_above_one(&self.visible, &self.hidden, &self.weights) {
            self.weights *= (KEPT / largest) as f32;
        }
    }

    /// The same distribution in a gauge: what is the same for all units of a softmax group moves from weights to the other
    /// layer. Models without softmax units stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a reference that some group does not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    /// use gm_core::layer::{Gauge, LayerSpec};
    /// use gm_harmonium::Harmonium;
    ///
    /// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
    /// let model = Harmonium::new(layer("softmax:2", 2)?, layer("drelu", 1)?, Matrix::from_row_slice(2, 1, &[1.0, 3.0]))?;
    /// let gauged = model.gauged(Gauge::ZeroSum)?;
    /// assert_eq!((gauged.weights().as_slice(), gauged.hidden().biases()), ([-1.0, 1.0].as_slice(), vec![2.0]));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn gauged(&self, gauge: Gauge) -> Result<Self> {
        let mut weights = self.weights.clone();
        let to_hidden = gauge.fix(&self.visible.groups(), &mut weights)?;
        let mut turned = weights.transpose();
        let to_visible = gauge.fix(&self.hidden.groups(), &mut turned)?;
        let visible = raised(&self.visible, &to_visible)?.gauged(gauge)?;
        Self::new(visible, raised(&self.hidden, &to_hidden)?.gauged(gauge)?, turned.transpose())
    }

    /// The same p(v) with hidden states scale h in the place of h, as far as the kinds of hidden units have units of measure.
    /// Other units keep their states, whatever the scale.
    ///
    /// # Shapes
    ///
    /// `scale` is `[hidden]`; the result has the scales that were taken.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another length, and those of [`Layer::with_parameters`].
    pub fn rescale_hidden(&mut self, scale: &[f32]) -> Result<Vec<f32>> {
        let taken: Vec<f32> =
            scale.iter().zip(self.hidden.measures()).map(|(s, m)| if m == Measure::Fixed { 1.0 } else { *s }).collect();
        self.hidden = self.hidden.rescaled(&vec![0.0; taken.len()], &taken)?;
        self.weights.column_iter_mut().zip(&taken).for_each(|(mut column, scale)| column /= *scale);
        Ok(taken)
    }

    /// The model of x = shift + scale z, from this one of visible states z. Densities of x are those of z, divided by the
    /// product of the scales.
    ///
    /// # Shapes
    ///
    /// `shift` and `scale` are `[visible]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for other lengths, and those of [`new`](Self::new).
    pub fn rescaled(&self, shift: &[f32], scale: &[f32]) -> Result<Self> {
        let visible = self.visible.rescaled(shift, scale)?;
        let mut weights = self.weights.clone();
        weights.row_iter_mut().zip(scale).for_each(|(mut row, scale)| row /= *scale);
        let away: Vec<f32> = weights
            .column_iter()
            .map(|column| {
                column.iter().zip(shift).map(|(w, shift)| f64::from(*w) * f64::from(*shift)).sum::<f64>() as f32
            })
            .collect();
        let away: Vec<f32> = away.into_iter().map(std::ops::Neg::neg).collect();
        Self::new(visible, raised(&self.hidden, &away)?, weights)
    }

    /// W' v, `[hidden, samples]`: the inputs of the hidden units.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn inputs_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>) -> Matrix {
        let none = vec![0.0; self.hidden.units()];
        match v.into() {
            BatchRef::Bits(v) => LayerUpdate::new(&none).given(&Coupling::up(&self.weights), v).inputs().to_matrix(),
            BatchRef::Reals(v) => dense_inputs_up(&self.weights, v, &none),
        }
    }

    /// W h, `[visible, samples]`: the inputs of the visible units.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn inputs_v_from_h<'h>(&self, h: impl Into<BatchRef<'h>>) -> Matrix {
        let none = vec![0.0; self.visible.units()];
        match h.into() {
            BatchRef::Bits(h) => LayerUpdate::new(&none).given(&Coupling::down(&self.weights), h).inputs().to_matrix(),
            BatchRef::Reals(h) => dense_inputs_down(&self.weights, h, &none),
        }
    }

    /// E[h | v], `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn mean_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>) -> Matrix {
        self.hidden.means(&self.inputs_h_from_v(v))
    }

    /// E[v | h], `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h<'h>(&self, h: impl Into<BatchRef<'h>>) -> Matrix {
        self.visible.means(&self.inputs_v_from_h(h))
    }

    /// Draws h given v.
    ///
    /// # Randomness
    ///
    /// As [`Layer::sample`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn sample_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>, streams: &Streams) -> Batch {
        self.hidden.sample(&self.inputs_h_from_v(v), streams)
    }

    /// Draws v given h.
    ///
    /// # Randomness
    ///
    /// As [`Layer::sample`].
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn sample_v_from_h<'h>(&self, h: impl Into<BatchRef<'h>>, streams: &Streams) -> Batch {
        self.visible.sample(&self.inputs_v_from_h(h), streams)
    }

    /// The energy of each sample, `[samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn energy<'v, 'h>(&self, v: impl Into<BatchRef<'v>>, h: impl Into<BatchRef<'h>>) -> Vec<f64> {
        let (v, h) = (v.into(), h.into());
        let (inputs, states) = (self.inputs_h_from_v(v), h.to_matrix());
        let own = self.visible.log_weights(v).into_iter().zip(self.hidden.log_weights(h));
        let pair = |s: usize| -> f64 {
            let (inputs, states) = (inputs.column(s), states.column(s));
            inputs.iter().zip(states.iter()).map(|(&x, &h)| f64::from(x) * f64::from(h)).sum()
        };
        own.enumerate().map(|(s, (v, h))| -v - h - pair(s)).collect()
    }

    /// -ln of the sum or integral over h of exp(-E(v, h)), of each sample, `[samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn free_energy<'v>(&self, v: impl Into<BatchRef<'v>>) -> Vec<f64> {
        let v = v.into();
        let hidden = self.hidden.cumulants(&self.inputs_h_from_v(v));
        self.visible.log_weights(v).iter().zip(hidden).map(|(v, h)| -v - h).collect()
    }

    /// ln p(v) of each sample, `[samples]`, with a known log Z. Of real numbers it is the logarithm of a density.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    pub fn log_prob<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Result<Vec<f64>> {
        let v = v.into();
        self.check_data("Harmonium::log_prob", v)?;
        Ok(self.free_energy(v).into_iter().map(|f| -f - log_partition).collect())
    }

    /// Refuses states that the visible units cannot be in.
    ///
    /// # Errors
    ///
    /// As [`Layer::check`].
    pub fn check_data<'v>(&self, op: &'static str, v: impl Into<BatchRef<'v>>) -> Result<()> {
        self.visible.check(op, "data", v.into())
    }
}

/// A layer whose units have these numbers in addition to their inputs.
fn raised(layer: &Layer, by: &[f32]) -> Result<Layer> {
    let values = layer.parameters().iter().zip(layer.fields(by)).map(|(value, field)| value + field);
    layer.clone().with_parameters(values.collect())
}
