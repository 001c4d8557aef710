//! What the trainer asks of a model that learns, and what it saves of it.

pub(crate) mod metrics;
pub(crate) mod optimiser;

use gm_core::{
    Batch, BitMatrix, Error as CoreError, Matrix, ModelData, Recognition, Stack, Streams, Vector, Watch, check_len,
};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::learner::metrics::Figures;
use crate::learner::optimiser::OptimiserState;
use crate::settings::rate::Clock;

/// What an update did.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let settings = RbmSettings { hidden: 2, chains: 10, learning_rate: 0.5, ..Default::default() };
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &Streams::new(0))?;
/// let half_way = Clock { step: 50, total: 100, per_epoch: 1 };
/// let report = learner.step(&BitMatrix::zeros(4, 5).into(), &half_way, &Streams::new(0))?;
/// assert_eq!(report.learning_rate, 0.25); // the rate falls in a straight line
/// assert!(report.figures.get("chain_flips").is_some_and(|share| share > 0.0));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The rate of the update.
    pub learning_rate: f64,
    /// Other numbers worth keeping.
    pub figures: Figures,
}

/// Fixed examples on which training is watched.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Learner, Probe, RbmLearner, RbmSettings};
///
/// let settings = RbmSettings { hidden: 2, chains: 10, init_scale: 0.0, ..Default::default() };
/// let learner = RbmLearner::new(&[0.5; 4], &settings, &Streams::new(0))?;
/// let rows = Batch::from(BitMatrix::zeros(4, 5));
/// let mut probe = Probe { train: rows.clone(), valid: rows, exact_units: 12 };
/// let log_p = learner.figures(&probe, &Streams::new(0))?.get("log_likelihood");
/// assert!(log_p.is_some_and(|log_p| (log_p + 4.0 * 2.0_f64.ln()).abs() < 1e-9));
/// probe.exact_units = 1; // fewer than have to be enumerated
/// assert_eq!(learner.figures(&probe, &Streams::new(0))?.get("log_likelihood"), None);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    /// Rows of the training split, [units, rows].
    pub train: Batch,
    /// Rows of the validation split, [units, rows].
    pub valid: Batch,
    /// The most units that exact likelihoods may enumerate.
    pub exact_units: usize,
}

/// A model in training.
///
/// All its random numbers come from the run's streams and the number of the update, so that
/// [`state`](Self::state) is enough to continue bit for bit.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// /// Trains on the same rows in every update.
/// fn train(learner: &mut dyn Learner, rows: &Batch, updates: u64, streams: &Streams) -> gm_train::Result<()> {
///     for step in 0..updates {
///         learner.step(rows, &Clock { step, total: updates, per_epoch: 1 }, streams)?;
///     }
///     Ok(())
/// }
/// let (streams, settings) = (Streams::new(7), RbmSettings { hidden: 2, chains: 10, ..Default::default() });
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// train(&mut learner, &BitMatrix::zeros(4, 5).into(), 10, &streams)?;
/// assert!(learner.stack().bias(0).max() < 0.0); // the units are off more often than not
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Learner: Send {
    /// Updates the parameters from a batch, [units, samples]; with labels if the settings have joined them to the rows.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport>;

    /// Whether rows may have weights.
    fn takes_weights(&self) -> bool {
        false
    }

    /// Takes the weights of the rows of the next batch, which are 1 on average over the training split.
    fn weigh(&mut self, _weights: Vec<f32>) {}

    /// Weights and biases that updates change; of a model that is trained layer by layer those of the layer.
    fn stack(&self) -> &Stack;

    /// The recognition net that updates change, of models that have one.
    fn recognition(&self) -> Option<&Recognition> {
        None
    }

    /// All parameters, to be kept.
    fn parameters(&self) -> ParametersState {
        ParametersState::new(self.stack(), self.recognition())
    }

    /// Replaces the parameters, as early stopping does at the end.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other layers.
    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()>;

    /// What is being trained, of a model that is trained in stages.
    fn stage_name(&self) -> Option<String> {
        None
    }

    /// Whether the last update has completed a layer, of a model that is trained layer by layer.
    fn is_complete(&self) -> bool {
        false
    }

    /// Units over which an exact likelihood would enumerate.
    fn enumerable_units(&self) -> usize;

    /// The figures besides the exact log-likelihood that early stopping can judge by.
    fn judged_by(&self) -> &'static [&'static str];

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for parameters that no file may hold.
    fn model(&self) -> Result<ModelData>;

    /// Figures on the fixed examples; the family `streams` belongs to this epoch.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn figures(&self, probe: &Probe, streams: &Streams) -> Result<Figures>;

    /// [`figures`](Self::figures) with a look at a long measurement now and then; breaking ends it.
    ///
    /// # Errors
    ///
    /// As [`figures`](Self::figures), and [`gm_core::Error::Interrupted`].
    fn figures_watched(&self, probe: &Probe, streams: &Streams, _: Watch<'_>) -> Result<Figures> {
        self.figures(probe, streams)
    }

    /// Whether figures take long enough to be interrupted.
    fn measures_long(&self) -> bool {
        false
    }

    /// All that the next update depends on, except streams and clock.
    fn state(&self) -> LearnerState;

    /// Takes over a saved state.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] when it belongs to another model.
    fn restore(&mut self, state: LearnerState) -> Result<()>;
}

/// The state of a learner in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let (streams, settings) = (Streams::new(7), RbmSettings { hidden: 2, chains: 10, ..Default::default() });
/// let rows = Batch::from(BitMatrix::zeros(4, 5));
/// let clock = |step| Clock { step, total: 2, per_epoch: 1 };
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// learner.step(&rows, &clock(0), &streams)?;
/// // A learner that takes over the state continues bit for bit.
/// let mut other = RbmLearner::new(&[0.5; 4], &settings, &Streams::new(8))?;
/// other.restore(learner.state())?;
/// learner.step(&rows, &clock(1), &streams)?;
/// other.step(&rows, &clock(1), &streams)?;
/// assert_eq!(other.state(), learner.state());
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnerState {
    /// Weights and biases.
    pub parameters: ParametersState,
    /// The optimiser's memory.
    pub optimiser: OptimiserState,
    /// Running offsets or other vectors, one for each layer that has them.
    pub offsets: Vec<Vec<f32>>,
    /// Persistent chains, and those that estimate log Z.
    pub chains: Vec<ChainsState>,
    /// Numbers of those chains: temperatures, biases and swaps of replicas, then log-weights.
    pub numbers: Vec<Vec<f64>>,
    /// The stage of a model that is trained in stages, from 0.
    pub stage: u64,
}

/// Weights and biases, and those of a recognition net where there is one, in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let (streams, settings) = (Streams::new(7), RbmSettings { hidden: 2, chains: 10, ..Default::default() });
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &streams)?;
/// let best = learner.parameters();
/// assert_eq!((&best.layers, best.count()), (&vec![4, 2], 4 * 2 + 4 + 2));
/// learner.step(&BitMatrix::zeros(4, 5).into(), &Clock { step: 0, total: 1, per_epoch: 1 }, &streams)?;
/// assert_ne!(learner.parameters(), best);
/// learner.set_parameters(best.clone())?; // as early stopping does
/// assert_eq!(learner.parameters(), best);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParametersState {
    /// Units of each layer.
    pub layers: Vec<u64>,
    /// The tensors in the order of [`Stack::tensors`].
    pub stack: Vec<Vec<f32>>,
    /// The tensors in the order of [`Recognition::tensors`]; none without a recognition net.
    pub recognition: Vec<Vec<f32>>,
    /// Weights and biases of label units; none without them.
    pub labels: Vec<Vec<f32>>,
    /// Variances of Gaussian visible units; none of others.
    pub variance: Vec<f32>,
}

impl ParametersState {
    /// The parameters of a model, to be saved.
    #[must_use]
    pub fn new(stack: &Stack, recognition: Option<&Recognition>) -> Self {
        Self {
            layers: stack.layers().into_iter().map(|n| n as u64).collect(),
            stack: stack.tensors().map(<[f32]>::to_vec).collect(),
            recognition: recognition.iter().flat_map(|net| net.tensors()).map(<[f32]>::to_vec).collect(),
            labels: Vec::new(),
            variance: Vec::new(),
        }
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let tensors = [&self.stack, &self.recognition, &self.labels];
        self.variance.len() + tensors.into_iter().flatten().map(Vec::len).sum::<usize>()
    }

    /// The parameters as a stack and a recognition net; those of label units and variances are left out.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] when layers and tensors disagree, and those of [`Stack::new`] and [`Recognition::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    /// use gm_train::ParametersState;
    ///
    /// let stack = Stack::zeros(&[3, 2])?;
    /// assert_eq!(ParametersState::new(&stack, None).into_parts()?, (stack, None));
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn into_parts(self) -> Result<(Stack, Option<Recognition>)> {
        const OP: &str = "ParametersState::into_parts";
        let layers: Vec<usize> = self.layers.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
        check_len(OP, "stack", "tensors", self.stack.len() + 1, 2 * layers.len())?;
        let (weights, biases) = split(OP, "weights", &layers, self.stack)?;
        let stack = Stack::new(weights, biases)?;
        if self.recognition.is_empty() {
            return Ok((stack, None));
        }
        check_len(OP, "recognition", "tensors", self.recognition.len(), 2 * (self.recognition.len() / 2))?;
        let (weights, biases) = split(OP, "recognition.weights", &layers, self.recognition)?;
        Ok((stack, Some(Recognition::new(weights, biases)?)))
    }
}

/// Tensors as weights between neighbouring layers, at most half of them where there is a bias for each, and biases.
fn split(op: &'static str, name: &str, layers: &[usize], tensors: Vec<Vec<f32>>) -> Result<(Vec<Matrix>, Vec<Vector>)> {
    let depth = tensors.len() / 2;
    let mut tensors = tensors.into_iter();
    let mut weights = Vec::new();
    for (l, (pair, values)) in layers.windows(2).zip(tensors.by_ref().take(depth)).enumerate() {
        let count = pair[0].saturating_mul(pair[1]);
        check_len(op, format!("{name}.{l}"), "numbers", values.len(), count)?;
        weights.push(Matrix::from_vec(pair[0], pair[1], values));
    }
    Ok((weights, tensors.map(Vector::from_vec).collect()))
}

/// Persistent chains in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_train::{Clock, Learner, RbmLearner, RbmSettings};
///
/// let settings = RbmSettings { hidden: 2, chains: 10, steps: 3, ..Default::default() };
/// let mut learner = RbmLearner::new(&[0.5; 4], &settings, &Streams::new(0))?;
/// learner.step(&BitMatrix::zeros(4, 5).into(), &Clock { step: 0, total: 1, per_epoch: 1 }, &Streams::new(0))?;
/// let chains = learner.state().chains.swap_remove(0);
/// assert_eq!((chains.sweeps, chains.layers.len(), chains.reals.len()), (3, 2, 0));
/// assert_eq!((chains.layers[1].units, chains.layers[1].samples), (2, 10));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChainsState {
    /// Sweeps made.
    pub sweeps: u64,
    /// The states of each layer; those of real-valued units are empty.
    pub layers: Vec<BitsState>,
    /// Visible states of real-valued units, chain by chain; none of binary ones.
    pub reals: Vec<f32>,
}

/// Binary states in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_core::BitMatrix;
/// use gm_train::BitsState;
///
/// let bits = BitMatrix::from_fn(3, 2, |unit, sample| unit > sample);
/// let saved = BitsState::from(&bits);
/// assert_eq!((saved.units, saved.samples), (3, 2));
/// assert_eq!(saved.clone().into_bits(3)?, bits);
/// let error = saved.into_bits(4).unwrap_err();
/// assert_eq!(error.to_string(), "BitsState::into_bits: `chains` has units 3, expected 4");
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitsState {
    /// Units of a sample.
    pub units: u64,
    /// Samples.
    pub samples: u64,
    /// As [`BitMatrix::words`].
    pub words: Vec<u64>,
}

impl From<&BitMatrix> for BitsState {
    fn from(bits: &BitMatrix) -> Self {
        Self { units: bits.units() as u64, samples: bits.samples() as u64, words: bits.words().to_vec() }
    }
}

impl BitsState {
    /// The states as a batch of the given number of units.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other units, and those of [`BitMatrix::from_words`].
    pub fn into_bits(self, units: usize) -> Result<BitMatrix> {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        check_len("BitsState::into_bits", "chains", "units", count(self.units), units)?;
        Ok(BitMatrix::from_words(units, count(self.samples), self.words)?)
    }
}

/// The states of a batch for a learner of binary units.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for real numbers, [`gm_core::Error::Shape`] for other units.
pub(crate) fn binary<'a>(
    op: &'static str,
    batch: &'a Batch,
    units: usize,
) -> std::result::Result<&'a BitMatrix, CoreError> {
    check_len(op, "batch", "units", batch.units(), units)?;
    let (value, allowed) = ("real numbers".into(), "zeros and ones");
    batch.as_bits().ok_or(CoreError::Param { op, arg: "batch", value, allowed })
}

/// Refuses parameters for other layers.
pub(crate) fn check_layers(op: &'static str, stack: &Stack, expected: &[usize]) -> std::result::Result<(), CoreError> {
    check_len(op, "stack", "layers", stack.layers().len(), expected.len())?;
    for (l, (&expected, found)) in expected.iter().zip(stack.layers()).enumerate() {
        check_len(op, format!("layer {l}"), "units", found, expected)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_states_that_do_not_fit() {
        let good = ParametersState::new(&Stack::zeros(&[2, 2]).unwrap(), Some(&Recognition::zeros(&[2, 2]).unwrap()));
        assert!(good.clone().into_parts().is_ok());
        let error = |change: &dyn Fn(&mut ParametersState)| {
            let mut state = good.clone();
            change(&mut state);
            state.into_parts().unwrap_err().to_string()
        };
        let few = error(&|state| state.stack[0].truncate(3));
        assert_eq!(few, "ParametersState::into_parts: `weights.0` has numbers 3, expected 4");
        let few = error(&|state| state.recognition[0].truncate(3));
        assert_eq!(few, "ParametersState::into_parts: `recognition.weights.0` has numbers 3, expected 4");
        let odd = error(&|state| state.recognition.truncate(1));
        assert_eq!(odd, "ParametersState::into_parts: `recognition` has tensors 1, expected 0");
        error(&|state| state.layers = vec![u64::MAX, u64::MAX]);
        error(&|state| *state = ParametersState::default());
        let bits = BitsState::from(&BitMatrix::zeros(3, 2));
        assert_eq!(bits.clone().into_bits(3).unwrap(), BitMatrix::zeros(3, 2));
        assert_eq!(
            bits.into_bits(4).unwrap_err().to_string(),
            "BitsState::into_bits: `chains` has units 3, expected 4"
        );
    }
}
