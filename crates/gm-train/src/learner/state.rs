//! What a checkpoint keeps of a learner: parameters, memories, chains.

use gm_core::{Batch, BitMatrix, Chains, Matrix, Recognition, Stack, Vector, check_len};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::learner::optimiser::OptimiserState;

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

/// Chains, to be saved.
pub(crate) fn chains_state(chains: &Chains) -> ChainsState {
    let (v, reals) = visible_state(chains.v());
    ChainsState { sweeps: chains.sweeps, layers: vec![v, BitsState::from(chains.h())], reals }
}

/// Visible states, to be saved: bits, or numbers.
pub(crate) fn visible_state(v: &Batch) -> (BitsState, Vec<f32>) {
    match v {
        Batch::Bits(bits) => (BitsState::from(bits), Vec::new()),
        Batch::Reals(reals) => (BitsState::default(), reals.as_slice().to_vec()),
    }
}

/// Saved visible states of so many units.
pub(crate) fn restore_visible(bits: BitsState, reals: Vec<f32>, visible: usize) -> Result<Batch> {
    if reals.is_empty() {
        return Ok(bits.into_bits(visible)?.into());
    }
    check_len("RbmLearner::restore", "chains", "numbers", reals.len(), reals.len().next_multiple_of(visible))?;
    Ok(Matrix::from_vec(visible, reals.len() / visible, reals).into())
}

/// Saved chains of a machine of so many units.
pub(crate) fn restore_chains(state: ChainsState, [visible, hidden]: [usize; 2]) -> Result<Chains> {
    const OP: &str = "RbmLearner::restore";
    check_len(OP, "chains", "layers", state.layers.len(), 2)?;
    let mut layers = state.layers.into_iter();
    let mut next = || layers.next().unwrap_or_default();
    let (v, h) = (next(), next().into_bits(hidden)?);
    let v = restore_visible(v, state.reals, visible)?;
    let chains = Chains { layers: vec![v, h.into()], sweeps: state.sweeps };
    check_len(OP, "chains", "samples", chains.h().samples(), chains.v().samples())?;
    Ok(chains)
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
