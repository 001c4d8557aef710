//! The ascent of a model along its gradient: rate, penalties, and limits of norms and variances.

use gm_core::{Result, Stack, VisibleUnits};

use crate::optimiser::{Optimiser, OptimiserState};
use crate::rate::{Clock, Rate, warm_up};
use crate::regularise::Regularise;
use crate::settings::OptimiserSettings;
use crate::state::VARIANCE;

/// The most by which the logarithm of a variance changes in an update.
const GREATEST_STEP: f32 = 0.1;

/// A model whose parameters an ascent moves.
///
/// # Examples
///
/// ```
/// use gm_ascent::Ascending;
/// use gm_core::Stack;
///
/// /// A model whose biases do not move.
/// struct Fixed(Stack);
///
/// impl Ascending for Fixed {
///     fn stack_mut(&mut self) -> &mut Stack {
///         &mut self.0
///     }
///
///     fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
///         let depth = self.0.depth();
///         self.0.tensors_mut().take(depth)
///     }
/// }
/// assert_eq!(Fixed(Stack::zeros(&[4, 3, 2])?).tensors_mut().count(), 2);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub trait Ascending {
    /// The generative weights and biases.
    fn stack_mut(&mut self) -> &mut Stack;

    /// Every tensor that the optimiser moves, by default those of the stack; variances are no part of these.
    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.stack_mut().tensors_mut()
    }

    /// The visible units, of models that may learn variances.
    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        None
    }
}

impl Ascending for &mut Stack {
    fn stack_mut(&mut self) -> &mut Stack {
        self
    }
}

/// The gradient of an update.
///
/// # Examples
///
/// ```
/// use gm_ascent::Slope;
/// use gm_core::Stack;
///
/// let gradient = Stack::zeros(&[2, 1])?;
/// let mut slope = Slope { tensors: gradient.tensors().collect(), ..Default::default() };
/// slope.tensors[0] = &[]; // the weights stay as they are
/// assert_eq!(slope.tensors.len(), 3);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Slope<'a> {
    /// The gradient of each tensor of the model; a tensor whose gradient is empty stays as it is.
    pub tensors: Vec<&'a [f32]>,
    /// The gradient of the log-variances of Gaussian units; empty for other units.
    pub log_variances: &'a [f32],
    /// Tensors beside the model with their gradients.
    pub others: Vec<(&'a mut [f32], &'a [f32])>,
}

/// The learning rate of a stage.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Clock, Pace, Rate};
///
/// let pace = Pace { first: 0.5, schedule: Rate::Linear, warm_up: 0.0 };
/// assert_eq!(pace.at(&Clock { step: 50, total: 100, per_epoch: 10 }), 0.25);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first learning rate.
    pub first: f64,
    /// How the rate changes.
    pub schedule: Rate,
    /// Epochs in which the rate rises to its value.
    pub warm_up: f64,
}

impl Pace {
    /// The rate of an update.
    #[must_use]
    pub fn at(&self, clock: &Clock) -> f64 {
        self.first * self.schedule.factor(clock) * warm_up(self.warm_up, clock)
    }
}

/// How the parameters of a model climb.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Ascent, Clock, OptimiserSettings, Pace, Rate, Regularise, Slope, named};
/// use gm_core::Stack;
///
/// // The objective is the negative sum of (b - 1)^2 / 2 over the biases b of two units.
/// let mut stack = Stack::zeros(&[2, 1])?;
/// let pace = Pace { first: 0.5, schedule: Rate::Constant, warm_up: 0.0 };
/// let mut ascent = Ascent::new(pace, OptimiserSettings::default(), Regularise::default(), named(&stack));
/// for step in 0..30 {
///     let mut gradient = Stack::zeros(&[2, 1])?;
///     gradient.bias_mut(0).copy_from_slice(stack.bias(0).map(|b| 1.0 - b).as_slice());
///     let slope = Slope { tensors: gradient.tensors().collect(), ..Default::default() };
///     ascent.climb(&mut stack, slope, &Clock { step, total: 30, per_epoch: 10 });
/// }
/// assert!(stack.bias(0).iter().all(|b| (b - 1.0).abs() < 1e-6));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ascent {
    pace: Pace,
    regularise: Regularise,
    /// The variance below which Gaussian units do not fall.
    least_variance: f32,
    optimiser: Optimiser,
    /// Whether penalties act on the tensor of this number.
    penalised: Vec<bool>,
}

impl Ascent {
    /// An ascent that has not begun, for named tensors: those of the model, then those beside it.
    pub fn new<'a>(
        pace: Pace,
        optimiser: OptimiserSettings,
        regularise: Regularise,
        tensors: impl Iterator<Item = (String, &'a [f32])>,
    ) -> Self {
        let tensors: Vec<(String, &[f32])> = tensors.collect();
        let penalised = ["weights.", "within.", "recognition.weights."];
        let is_weights = |name: &str| penalised.iter().any(|kind| name.starts_with(kind));
        let penalised = tensors.iter().map(|(name, _)| is_weights(name)).collect();
        let optimiser = Optimiser::of_tensors(optimiser, tensors.into_iter());
        Self { pace, regularise, least_variance: 0.0, optimiser, penalised }
    }

    /// An ascent of a model with these visible units, whose variances climb as well if they are Gaussian.
    pub fn with_variances<'a>(
        pace: Pace,
        optimiser: OptimiserSettings,
        (regularise, least_variance): (Regularise, f32),
        stack: &'a Stack,
        units: &'a VisibleUnits,
    ) -> Self {
        let variances = units.gaussian().map(|gaussian| (VARIANCE.to_string(), gaussian.variance()));
        let tensors = named(stack).chain(variances);
        Self { least_variance, ..Self::new(pace, optimiser, regularise, tensors) }
    }

    /// Moves the parameters of a model up their gradient; the rate of the update.
    ///
    /// # Panics
    ///
    /// When a gradient has another shape than its tensor, or the model has more tensors than the ascent was made for.
    pub fn climb(&mut self, mut model: impl Ascending, slope: Slope<'_>, clock: &Clock) -> f64 {
        let (rate, penalty) = (self.pace.at(clock), self.regularise);
        let first = slope.tensors.iter().position(|gradient| !gradient.is_empty()).unwrap_or(0);
        let mut steps = vec![0.0; slope.log_variances.len()];
        let tensors = model.tensors_mut().zip(slope.tensors).map(|(values, gradient)| {
            let moved = gradient.len();
            (if moved == 0 { &mut values[..0] } else { values }, gradient)
        });
        let variances = (!steps.is_empty()).then_some((steps.as_mut_slice(), slope.log_variances));
        let all = tensors.chain(variances).chain(slope.others);
        let penalised = &self.penalised;
        self.optimiser.apply_to_tensors(
            all,
            rate as f32,
            |t| if penalised[t] { penalty } else { Regularise::default() },
        );
        penalty.limit_norms_from(first, model.stack_mut());
        if let Some(units) = model.units_mut() {
            self.grow_variances(units, steps);
        }
        rate
    }

    /// Has variances grow by the exponentials of limited steps.
    fn grow_variances(&self, units: &mut VisibleUnits, mut steps: Vec<f32>) {
        let Some(gaussian) = units.gaussian_mut().filter(|_| !steps.is_empty()) else { return };
        for (step, variance) in steps.iter_mut().zip(gaussian.variance()) {
            let least = (self.least_variance / variance).ln();
            *step = step.clamp(-GREATEST_STEP, GREATEST_STEP).max(least);
        }
        gaussian.grow(&steps);
    }

    /// Repeats another share of the last update from now on; see [`Optimiser::set_momentum`].
    pub fn set_momentum(&mut self, momentum: f32) {
        self.optimiser.set_momentum(momentum);
    }

    /// The optimiser's memory, to be saved.
    #[must_use]
    pub fn state(&self) -> OptimiserState {
        self.optimiser.state()
    }

    /// Takes over a saved memory.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::resume`].
    pub fn restore(&mut self, state: OptimiserState) -> Result<()> {
        self.optimiser.restore(state)
    }
}

/// The tensors of a stack by name.
///
/// # Examples
///
/// ```
/// let stack = gm_core::Stack::zeros(&[2, 1])?;
/// let names: Vec<String> = gm_ascent::named(&stack).map(|(name, _)| name).collect();
/// assert_eq!(names, ["weights.0", "bias.0", "bias.1"]);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn named(stack: &Stack) -> impl Iterator<Item = (String, &[f32])> {
    stack.tensor_names().into_iter().zip(stack.tensors())
}
