//! The sheet of questions that a kind of unit answers.

use std::fmt;

use crate::streams::Stream;

/// A parameter of a kind of unit, one number for each component of a site.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{self, UnitKind};
///
/// let names: Vec<_> = layer::Gaussian.parameters().iter().map(|parameter| parameter.name).collect();
/// assert_eq!(names, ["theta", "gamma"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitParameter {
    /// The name in files.
    pub name: &'static str,
    /// Whether the parameter must be above 0.
    pub positive: bool,
    /// Whether it adds to the input. The statistics of such parameters add up to the state.
    pub adds: bool,
    /// The value of a new layer.
    pub start: f32,
}

impl UnitParameter {
    /// A parameter of any sign that adds to the input and starts at 0.
    #[must_use]
    pub const fn field(name: &'static str) -> Self {
        Self { name, positive: false, adds: true, start: 0.0 }
    }

    /// A parameter above 0 that has no part in the input and starts at 1.
    #[must_use]
    pub const fn positive(name: &'static str) -> Self {
        Self { name, positive: true, adds: false, start: 1.0 }
    }
}

/// The changes of the units of measure that leave a kind of unit a kind of the same sort.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{Gaussian, Measure, Relu, Spin, UnitKind};
///
/// assert_eq!([Gaussian.measure(), Relu.measure(), Spin.measure()], [Measure::Free, Measure::Scale, Measure::Fixed]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// None: states are numbers by themselves.
    Fixed,
    /// Another scale; 0 stays where it is.
    Scale,
    /// Another scale and another 0.
    Free,
}

/// A kind of unit: the distribution of one site of a layer, given its input from the other layer.
///
/// A site is one unit, or a group of units that are drawn together, such as the units of a softmax group. It has `width`
/// components. Its state x has energy e(x) = -sum_p w_p T_p(x) - ln m(x), with parameters w, statistics T and base measure
/// m. Given an input I the site has the probability or density exp(-e(x) + I' x - cumulant(I)).
///
/// Layers and models ask these questions alone. A kind of one's own therefore works wherever the kinds of this crate work.
///
/// # Shapes
///
/// States, inputs, means, variances and modes are `[width]`. Parameters and statistics are `[parameters, width]`, those of
/// the first parameter first.
///
/// # Source
///
/// `welling2004exponential`, section 2.
///
/// # Examples
///
/// ```
/// use gm_core::layer::{self, UnitKind};
///
/// // A spin without a field of its own: ln(e + 1/e) at an input of 1.
/// let (theta, input) = ([0.0], [1.0]);
/// assert!((layer::Spin.cumulant(&theta, &input) - (2.0 * 1.0_f64.cosh()).ln()).abs() < 1e-12);
/// ```
pub trait UnitKind: fmt::Debug + Send + Sync {
    /// The name in files and commands.
    fn name(&self) -> String;

    /// The number of components of a site.
    fn width(&self) -> usize {
        1
    }

    /// The parameters, in order. The first one adds to the input; files keep it as the bias of the unit.
    fn parameters(&self) -> &'static [UnitParameter];

    /// Whether components are zeros and ones, which are kept as bits.
    fn is_binary(&self) -> bool {
        false
    }

    /// Whether a site is one Bernoulli unit with the parameter theta, so that a layer of such sites may take the kernels for
    /// zeros and ones.
    fn is_bernoulli(&self) -> bool {
        false
    }

    /// Whether exactly one component of a site is 1 and all others are 0, so that adding the same number to all inputs changes
    /// nothing.
    fn is_one_hot(&self) -> bool {
        false
    }

    /// Whether a site can be in this state.
    fn contains(&self, state: &[f64]) -> bool;

    /// The states that a site can be in, if their number is finite.
    fn states(&self) -> Option<Vec<Vec<f64>>> {
        None
    }

    /// The statistics T of a state.
    fn statistics(&self, state: &[f64], statistics: &mut [f64]);

    /// ln m, the logarithm of the base measure of a state.
    fn log_measure(&self, _state: &[f64]) -> f64 {
        0.0
    }

    /// The logarithm of the sum or integral of exp(-e(x) + I' x) over the states.
    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64;

    /// `E[x]`, the derivative of the cumulant by the input.
    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]);

    /// The variance of each component, the second derivative of the cumulant by its input.
    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]);

    /// The most probable state.
    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]);

    /// `E[T]`, the derivative of the cumulant by the parameters.
    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]);

    /// A draw.
    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]);

    /// The limit of 2 cumulant(I) / I^2 for large inputs of either sign, the larger of the two; 0 where the cumulant grows
    /// more slowly. For a Gaussian unit it is the variance 1 / gamma.
    fn spread(&self, _parameters: &[f64]) -> f64 {
        0.0
    }

    /// The state that a row of zeros and ones stands for.
    fn of_bit(&self, on: bool) -> f64 {
        f64::from(u8::from(on))
    }

    /// The changes of the units of measure that [`rescaled`](Self::rescaled) understands. Data are standardised by them.
    fn measure(&self) -> Measure {
        Measure::Fixed
    }

    /// The parameters of x = shift + scale z, from those of z, where inputs of x are those of z divided by the scale.
    fn rescaled(&self, parameters: &[f64], _shift: f64, _scale: f64) -> Vec<f64> {
        parameters.to_vec()
    }

    /// Parameters at which a site without input has about the given mean and variance of each component. Means on the edge
    /// of what is possible are moved inside.
    fn independent(&self, mean: &[f64], variance: &[f64]) -> Vec<f64>;
}
