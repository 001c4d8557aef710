//! The ascent of every model along its gradient: rate, penalties, and limits of norms and variances.

use gm_core::{Stack, VisibleUnits};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_net::Classifier;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use crate::error::Result;
use crate::learner::state::VARIANCE;
use crate::learner::{Optimiser, OptimiserState};
use crate::settings::{Clock, OptimiserSettings, Rate, Regularise, warm_up};

/// The most by which the logarithm of a variance changes in an update.
const GREATEST_STEP: f32 = 0.1;

/// A model whose parameters an ascent moves.
pub(crate) trait Ascending {
    /// The generative weights and biases.
    fn stack_mut(&mut self) -> &mut Stack;

    /// Every tensor that the optimiser moves; variances are no part of these.
    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]>;

    /// The visible units, of models that may learn variances.
    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        None
    }
}

impl Ascending for Rbm {
    fn stack_mut(&mut self) -> &mut Stack {
        Self::stack_mut(self)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        Self::stack_mut(self).tensors_mut()
    }

    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        Some(Self::units_mut(self))
    }
}

impl Ascending for Dbm {
    fn stack_mut(&mut self) -> &mut Stack {
        Self::stack_mut(self)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        Self::stack_mut(self).tensors_mut()
    }

    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        Some(self.units_mut())
    }
}

impl Ascending for Sbn {
    fn stack_mut(&mut self) -> &mut Stack {
        Self::stack_mut(self)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        Self::tensors_mut(self)
    }
}

impl Ascending for Dbn {
    fn stack_mut(&mut self) -> &mut Stack {
        Self::stack_mut(self)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        Self::tensors_mut(self)
    }
}

impl Ascending for Classifier {
    fn stack_mut(&mut self) -> &mut Stack {
        Self::stack_mut(self)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        Self::stack_mut(self).tensors_mut()
    }
}

/// The gradient of an update.
#[derive(Debug, Default)]
pub(crate) struct Slope<'a> {
    /// The gradient of each tensor of the model; a tensor whose gradient is empty stays as it is.
    pub(crate) tensors: Vec<&'a [f32]>,
    /// The gradient of the log-variances of Gaussian units; empty for other units.
    pub(crate) log_variances: &'a [f32],
    /// Tensors beside the model with their gradients.
    pub(crate) others: Vec<(&'a mut [f32], &'a [f32])>,
}

/// The learning rate of a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The first learning rate.
    pub(crate) first: f64,
    /// How the rate changes.
    pub(crate) schedule: Rate,
    /// Epochs in which the rate rises to its value.
    pub(crate) warm_up: f64,
}

impl Pace {
    /// The rate of an update.
    pub(crate) fn at(&self, clock: &Clock) -> f64 {
        self.first * self.schedule.factor(clock) * warm_up(self.warm_up, clock)
    }
}

/// How the parameters of a model climb.
#[derive(Clone, Debug)]
pub(crate) struct Ascent {
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
    pub(crate) fn new<'a>(
        pace: Pace,
        optimiser: OptimiserSettings,
        regularise: Regularise,
        tensors: impl Iterator<Item = (String, &'a [f32])>,
    ) -> Self {
        let tensors: Vec<(String, &[f32])> = tensors.collect();
        let is_weights = |name: &str| name.starts_with("weights.") || name.starts_with("recognition.weights.");
        let penalised = tensors.iter().map(|(name, _)| is_weights(name)).collect();
        let optimiser = Optimiser::of_tensors(optimiser, tensors.into_iter());
        Self { pace, regularise, least_variance: 0.0, optimiser, penalised }
    }

    /// An ascent of a model with these visible units, whose variances climb as well if they are Gaussian.
    pub(crate) fn with_variances<'a>(
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
    pub(crate) fn climb(&mut self, model: &mut impl Ascending, slope: Slope<'_>, clock: &Clock) -> f64 {
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
    pub(crate) fn set_momentum(&mut self, momentum: f32) {
        self.optimiser.set_momentum(momentum);
    }

    /// The optimiser's memory, to be saved.
    pub(crate) fn state(&self) -> OptimiserState {
        self.optimiser.state()
    }

    /// Takes over a saved memory.
    pub(crate) fn restore(&mut self, state: OptimiserState) -> Result<()> {
        self.optimiser.restore(state)
    }
}

/// The tensors of a stack by name.
pub(crate) fn named(stack: &Stack) -> impl Iterator<Item = (String, &[f32])> {
    stack.tensor_names().into_iter().zip(stack.tensors())
}
