//! Gradient ascent: plain, with momentum, or Adam.

use std::collections::BTreeMap;

use gm_core::{Result, Stack};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::regularise::Regularise;
use crate::settings::OptimiserSettings;
use crate::state::take;

/// Numbers that one task updates; fixed, and each number is updated on its own, so threads do not matter.
const CHUNK: usize = 1 << 14;

/// What an optimiser remembers from one update to the next, for checkpoints.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Optimiser, OptimiserSettings, Regularise};
/// use gm_core::Stack;
///
/// let settings: OptimiserSettings = "momentum:0.5".parse()?;
/// let (mut parameters, mut gradient) = (Stack::zeros(&[2, 1])?, Stack::zeros(&[2, 1])?);
/// gradient.bias_mut(0)[1] = 4.0;
/// let mut optimiser = Optimiser::new(settings, &parameters);
/// optimiser.apply(&mut parameters, &gradient, 0.25, &Regularise::default());
/// let saved = optimiser.state();
/// assert_eq!((saved.updates, &saved.tensors["velocity.bias.0"]), (1, &vec![0.0, 1.0]));
/// let mut resumed = Optimiser::resume(settings, &parameters, saved)?;
/// resumed.apply(&mut parameters, &gradient, 0.25, &Regularise::default());
/// assert_eq!(parameters.bias(0)[1], 1.0 + (0.5 * 1.0 + 1.0));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimiserState {
    /// Updates made.
    pub updates: u64,
    /// The running tensors of each parameter: `velocity.TENSOR`, or `mean.TENSOR` and `square.TENSOR`.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

/// An optimiser with its memory.
///
/// # Numerics
///
/// One pass over parameters, gradient and memory, in parallel; the bits do not depend on the number of threads.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Optimiser, OptimiserSettings, Regularise};
/// use gm_core::Stack;
///
/// let mut parameters = Stack::zeros(&[2, 1])?;
/// let mut gradient = Stack::zeros(&[2, 1])?;
/// gradient.bias_mut(0)[1] = 4.0;
/// let mut optimiser = Optimiser::new(OptimiserSettings::default(), &parameters);
/// optimiser.apply(&mut parameters, &gradient, 0.25, &Regularise::default());
/// assert_eq!(parameters.bias(0).as_slice(), [0.0, 1.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Optimiser {
    settings: OptimiserSettings,
    updates: u64,
    /// The names of the parameters.
    names: Vec<String>,
    /// For each remembered quantity one list of numbers for each parameter.
    slots: Vec<Vec<Vec<f32>>>,
}

impl Optimiser {
    /// An optimiser without memories, for parameters of this shape.
    #[must_use]
    pub fn new(settings: OptimiserSettings, parameters: &Stack) -> Self {
        Self::of_tensors(settings, parameters.tensor_names().into_iter().zip(parameters.tensors()))
    }

    /// An optimiser without memories, for named tensors.
    pub(crate) fn of_tensors<'a>(
        settings: OptimiserSettings,
        tensors: impl Iterator<Item = (String, &'a [f32])>,
    ) -> Self {
        let (names, zeros): (Vec<String>, Vec<Vec<f32>>) =
            tensors.map(|(name, tensor)| (name, vec![0.0; tensor.len()])).unzip();
        Self { settings, updates: 0, names, slots: vec![zeros; settings.slots().len()] }
    }

    /// An optimiser that continues from a saved memory.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] and [`gm_core::FileError::Missing`] when the memory belongs to other settings or parameters.
    pub fn resume(settings: OptimiserSettings, parameters: &Stack, state: OptimiserState) -> Result<Self> {
        let mut optimiser = Self::new(settings, parameters);
        optimiser.restore(state)?;
        Ok(optimiser)
    }

    /// Takes over a saved memory.
    pub(crate) fn restore(&mut self, mut state: OptimiserState) -> Result<()> {
        const OP: &str = "Optimiser::resume";
        let expected = self.slots.len() * self.names.len();
        gm_core::check_len(OP, "tensors", "length", state.tensors.len(), expected)?;
        for (slot, values) in self.slot_names().iter().zip(&mut self.slots) {
            for (name, values) in self.names.iter().zip(values) {
                let name = format!("{slot}.{name}");
                let saved = take(&mut state.tensors, &name)?;
                gm_core::check_len(OP, name, "length", saved.len(), values.len())?;
                *values = saved;
            }
        }
        self.updates = state.updates;
        Ok(())
    }

    /// The names of the remembered quantities, which a later momentum of 0 does not take away.
    fn slot_names(&self) -> &'static [&'static str] {
        match self.slots.len() {
            1 => &["velocity"],
            _ => self.settings.slots(),
        }
    }

    /// Repeats another share of the last update from now on; an optimiser that began without momentum, and Adam, stay as they
    /// are.
    pub fn set_momentum(&mut self, momentum: f32) {
        if !self.slots.is_empty() {
            self.settings = self.settings.with_momentum(momentum);
        }
    }

    /// What has to be saved to continue.
    #[must_use]
    pub fn state(&self) -> OptimiserState {
        let named = |(slot, values): (&&str, &Vec<Vec<f32>>)| {
            let pairs = self.names.iter().zip(values);
            pairs.map(|(name, values)| (format!("{slot}.{name}"), values.clone())).collect::<Vec<_>>()
        };
        let tensors = self.slot_names().iter().zip(&self.slots).flat_map(named).collect();
        OptimiserState { updates: self.updates, tensors }
    }

    /// Moves the parameters up the gradient of the penalised objective.
    ///
    /// # Panics
    ///
    /// When parameters or gradient have another shape than the optimiser was made for.
    pub fn apply(&mut self, parameters: &mut Stack, gradient: &Stack, rate: f32, penalty: &Regularise) {
        let depth = parameters.depth();
        self.apply_to_tensors(parameters.tensors_mut().zip(gradient.tensors()), rate, |t| {
            if t < depth { *penalty } else { Regularise::default() }
        });
        penalty.limit_norms(parameters);
    }

    /// [`apply`](Self::apply) for tensors with their gradients, with the penalty on tensor number t.
    pub(crate) fn apply_to_tensors<'a>(
        &mut self,
        tensors: impl Iterator<Item = (&'a mut [f32], &'a [f32])>,
        rate: f32,
        penalty: impl Fn(usize) -> Regularise,
    ) {
        self.updates += 1;
        let rule = Rule::new(&self.settings, self.updates, rate);
        for (t, (values, gradient)) in tensors.enumerate() {
            assert_eq!(values.len(), gradient.len(), "a gradient has the shape of its parameters");
            match self.slots.as_mut_slice() {
                [] => rule.plain(values, gradient, &penalty(t)),
                [velocity] => rule.momentum(values, gradient, &mut velocity[t], &penalty(t)),
                [mean, square, ..] => rule.adam(values, gradient, [&mut mean[t], &mut square[t]], &penalty(t)),
            }
        }
    }
}

/// The numbers of one update.
struct Rule {
    rate: f32,
    momentum: f32,
    nesterov: bool,
    betas: [f32; 2],
    epsilon: f32,
    /// sqrt(1 - beta2^t), and the rate over 1 - beta1^t.
    root: f32,
    step: f32,
}

impl Rule {
    fn new(settings: &OptimiserSettings, updates: u64, rate: f32) -> Self {
        let mut rule =
            Self { rate, momentum: 0.0, nesterov: false, betas: [0.0; 2], epsilon: 0.0, root: 1.0, step: rate };
        match *settings {
            OptimiserSettings::Sgd { momentum, nesterov } => (rule.momentum, rule.nesterov) = (momentum, nesterov),
            OptimiserSettings::Adam { beta1, beta2, epsilon } => {
                let passed = |beta: f32| 1.0 - f64::from(beta).powf(updates as f64);
                (rule.betas, rule.epsilon) = ([beta1, beta2], epsilon);
                rule.root = passed(beta2).sqrt() as f32;
                rule.step = (f64::from(rate) / passed(beta1)) as f32;
            }
        }
        rule
    }

    fn plain(&self, values: &mut [f32], gradient: &[f32], penalty: &Regularise) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        chunks.for_each(|(values, gradient)| {
            let pairs = values.iter_mut().zip(gradient);
            if penalty.pulls() {
                pairs.for_each(|(p, &g)| *p += self.rate * (g + penalty.pull(*p)));
            } else {
                pairs.for_each(|(p, &g)| *p += self.rate * g);
            }
        });
    }

    fn momentum(&self, values: &mut [f32], gradient: &[f32], velocity: &mut [f32], penalty: &Regularise) {
        let ahead = if self.nesterov { (self.momentum, 1.0) } else { (1.0, 0.0) };
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(velocity.par_chunks_mut(CHUNK));
        chunks.for_each(|((values, gradient), velocity)| {
            for ((p, &g), u) in values.iter_mut().zip(gradient).zip(velocity) {
                let push = self.rate * (g + penalty.pull(*p));
                *u = self.momentum * *u + push;
                *p += ahead.0 * *u + ahead.1 * push;
            }
        });
    }

    fn adam(&self, values: &mut [f32], gradient: &[f32], [mean, square]: [&mut [f32]; 2], penalty: &Regularise) {
        let [beta1, beta2] = self.betas;
        let memory = mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK));
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(memory);
        chunks.for_each(|((values, gradient), (mean, square))| {
            for ((p, &g), (m, s)) in values.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square)) {
                let g = g + penalty.pull(*p);
                *m = beta1 * *m + (1.0 - beta1) * g;
                *s = beta2 * *s + (1.0 - beta2) * g * g;
                *p += self.step * *m / (s.sqrt() / self.root + self.epsilon);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use gm_core::{Matrix, Vector};

    use super::*;

    fn stack(w: f32, a: f32, b: f32) -> Stack {
        Stack::new(vec![Matrix::from_element(1, 1, w)], vec![Vector::from_element(1, a), Vector::from_element(1, b)])
            .unwrap()
    }

    fn trace(optimiser: &str, gradients: &[f32], penalty: &Regularise) -> Vec<f32> {
        let mut parameters = stack(1.0, 1.0, 0.0);
        let mut optimiser = Optimiser::new(optimiser.parse().unwrap(), &parameters);
        let mut path = Vec::new();
        for &g in gradients {
            optimiser.apply(&mut parameters, &stack(g, g, 0.0), 0.5, penalty);
            path.push(parameters.bias(0)[0]);
        }
        path
    }

    #[test]
    fn table_hand_computed_steps() {
        let none = Regularise::default();
        assert_eq!(trace("sgd", &[2.0, -1.0], &none), [2.0, 1.5]);
        // u = 1, then 0.5 * 1 - 0.5 = 0, then 0 + 0.5.
        assert_eq!(trace("momentum:0.5", &[2.0, -1.0, 1.0], &none), [2.0, 2.0, 2.5]);
        // u = 1: 0.5 + 1; u = 0: 0 - 0.5; u = 0.5: 0.25 + 0.5.
        assert_eq!(trace("nesterov:0.5", &[2.0, -1.0, 1.0], &none), [2.5, 2.0, 2.75]);
    }

    #[test]
    fn table_adam_by_hand() {
        let path = trace("adam:0.5,0.75", &[2.0, -1.0], &Regularise::default());
        // Corrected moments: 2 and 4 at first; then (0.5 - 0.5) / 0.75 = 0.
        assert!((path[0] - 1.5).abs() < 1e-6, "{path:?}");
        assert!((path[1] - 1.5).abs() < 1e-6, "{path:?}");
        let path = trace("adam:0.5,0.75", &[2.0, 1.0], &Regularise::default());
        // m = 1 and s = 1, m = 1 and s = 1: m' = 1 / 0.75, s' = 1 / 0.4375.
        let second = 0.5 * (1.0 / 0.75) / (1.0_f32 / 0.4375).sqrt();
        assert!((path[1] - 1.5 - second).abs() < 1e-6, "{path:?}");
    }

    #[test]
    fn table_penalties_act_on_weights_only() {
        let penalty = Regularise { l1: 0.5, l2: 1.0, max_norm: None };
        let mut parameters = stack(2.0, 2.0, 2.0);
        let mut optimiser = Optimiser::new(OptimiserSettings::default(), &parameters);
        optimiser.apply(&mut parameters, &stack(0.0, 0.0, 0.0), 0.5, &penalty);
        assert_eq!(parameters, stack(0.75, 2.0, 2.0));
        let limit = Regularise { max_norm: Some(0.25), ..Default::default() };
        optimiser.apply(&mut parameters, &stack(0.0, 0.0, 0.0), 0.5, &limit);
        assert_eq!(parameters, stack(0.25, 2.0, 2.0));
    }

    #[test]
    fn rejects_memories_of_other_parameters() {
        let state = Optimiser::new("momentum:0.5".parse().unwrap(), &stack(0.0, 0.0, 0.0)).state();
        let refused = |settings: &str, parameters: &Stack| {
            Optimiser::resume(settings.parse().unwrap(), parameters, state.clone()).unwrap_err().to_string()
        };
        assert_eq!(refused("sgd", &stack(0.0, 0.0, 0.0)), "Optimiser::resume: `tensors` has length 3, expected 0");
        let other = Stack::zeros(&[2, 1]).unwrap();
        assert_eq!(refused("momentum:0.5", &other), "Optimiser::resume: `velocity.weights.0` has length 1, expected 2");
    }

    #[test]
    fn stable_bits_do_not_depend_on_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut parameters = Stack::zeros(&[300, 170]).unwrap();
                let mut gradient = parameters.clone();
                for (i, g) in gradient.tensors_mut().flatten().enumerate() {
                    *g = (i as f32 * 0.7).sin();
                }
                let mut optimiser = Optimiser::new("adam".parse().unwrap(), &parameters);
                let penalty = Regularise { l1: 1e-4, l2: 1e-3, max_norm: Some(0.5) };
                (0..3).for_each(|_| optimiser.apply(&mut parameters, &gradient, 0.01, &penalty));
                parameters
            })
        };
        assert_eq!(run(1), run(2));
    }
}
