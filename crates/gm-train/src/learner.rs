//! What the trainer asks of a model that learns, and what it saves of it.

use gm_core::{BitMatrix, Error as CoreError, Matrix, ModelData, Stack, Streams, Vector, check_len};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::metrics::Figures;
use crate::optimiser::OptimiserState;
use crate::rate::Clock;

/// What an update did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The rate of the update.
    pub learning_rate: f64,
    /// Other numbers worth keeping.
    pub figures: Figures,
}

/// Fixed examples on which training is watched.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Rows of the training split, [units, rows].
    pub train: BitMatrix,
    /// Rows of the validation split, [units, rows].
    pub valid: BitMatrix,
    /// The most units that exact likelihoods may enumerate.
    pub exact_units: usize,
}

/// A model in training.
///
/// All its random numbers come from the run's streams and the number of the update, so that
/// [`state`](Self::state) is enough to continue bit for bit.
pub trait Learner: Send {
    /// Updates the parameters from a batch, [units, samples].
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn step(&mut self, batch: &BitMatrix, clock: &Clock, streams: &Streams) -> Result<StepReport>;

    /// The parameters.
    fn stack(&self) -> &Stack;

    /// Replaces the parameters, as early stopping does at the end.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other layers.
    fn set_stack(&mut self, stack: Stack) -> Result<()>;

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnerState {
    /// Weights and biases.
    pub parameters: StackState,
    /// The optimiser's memory.
    pub optimiser: OptimiserState,
    /// Running offsets or other vectors, one for each layer that has them.
    pub offsets: Vec<Vec<f32>>,
    /// Persistent chains.
    pub chains: Vec<ChainsState>,
}

/// Weights and biases in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackState {
    /// Units of each layer.
    pub layers: Vec<u64>,
    /// The tensors in the order of [`Stack::tensors`].
    pub tensors: Vec<Vec<f32>>,
}

impl From<&Stack> for StackState {
    fn from(stack: &Stack) -> Self {
        let layers = stack.layers().into_iter().map(|n| n as u64).collect();
        Self { layers, tensors: stack.tensors().map(<[f32]>::to_vec).collect() }
    }
}

impl StackState {
    /// The parameters as a stack.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] when layers and tensors disagree, and those of [`Stack::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    /// use gm_train::StackState;
    ///
    /// let stack = Stack::zeros(&[3, 2])?;
    /// assert_eq!(StackState::from(&stack).into_stack()?, stack);
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn into_stack(self) -> Result<Stack> {
        const OP: &str = "StackState::into_stack";
        check_len(OP, "tensors", "length", self.tensors.len() + 1, 2 * self.layers.len())?;
        let layers: Vec<usize> = self.layers.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
        let mut tensors = self.tensors.into_iter();
        let mut weights = Vec::new();
        for (l, (pair, values)) in layers.windows(2).zip(tensors.by_ref()).enumerate() {
            let count = pair[0].saturating_mul(pair[1]);
            check_len(OP, format!("weights.{l}"), "numbers", values.len(), count)?;
            weights.push(Matrix::from_vec(pair[0], pair[1], values));
        }
        Ok(Stack::new(weights, tensors.map(Vector::from_vec).collect())?)
    }
}

/// Persistent chains in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainsState {
    /// Sweeps made.
    pub sweeps: u64,
    /// The states of each layer.
    pub layers: Vec<BitsState>,
}

/// Binary states in a checkpoint.
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
        let state = StackState { layers: vec![2, 2], tensors: vec![vec![0.0; 3], vec![0.0; 2], vec![0.0; 2]] };
        let error = state.into_stack().unwrap_err().to_string();
        assert_eq!(error, "StackState::into_stack: `weights.0` has numbers 3, expected 4");
        let state = StackState { layers: vec![u64::MAX, u64::MAX], tensors: vec![vec![]; 3] };
        assert!(state.into_stack().is_err());
        assert!(StackState::default().into_stack().is_err());
        let bits = BitsState::from(&BitMatrix::zeros(3, 2));
        assert_eq!(bits.clone().into_bits(3).unwrap(), BitMatrix::zeros(3, 2));
        assert_eq!(
            bits.into_bits(4).unwrap_err().to_string(),
            "BitsState::into_bits: `chains` has units 3, expected 4"
        );
    }
}
