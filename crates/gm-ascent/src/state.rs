//! What a checkpoint keeps of a training: tensors, numbers and chains, all of them by name.

use std::collections::BTreeMap;

use gm_core::{
    Batch, BitMatrix, Chains, FileError, Gaussian, Labels, Matrix, Recognition, Result, Stack, Standardise, Vector,
    VisibleUnits, check_len,
};
use serde::{Deserialize, Serialize};

use crate::optimiser::OptimiserState;

/// The tensor of the variances of Gaussian visible units, as model files name it.
pub(crate) const VARIANCE: &str = "visible_variance";

const LABELS: [&str; 2] = ["label.weights", "label.bias"];
const STANDARDISE: [&str; 2] = ["visible_shift", "visible_scale"];

/// The state of a model in training, as a checkpoint keeps it.
///
/// # Examples
///
/// ```
/// use gm_ascent::LearnerState;
///
/// let mut state = LearnerState::default();
/// state.put_layers("offset", &[vec![0.5], vec![0.25, 0.75]]);
/// assert_eq!(state.tensors.keys().collect::<Vec<_>>(), ["offset.0", "offset.1"]);
/// assert_eq!(state.take_layers("restore", "offset", &[1, 2])?, [vec![0.5], vec![0.25, 0.75]]);
/// let error = state.take_number("restore", "log_z").unwrap_err();
/// assert_eq!(error.to_string(), "checkpoint file lacks `log_z`");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnerState {
    /// Weights and biases.
    pub parameters: ParametersState,
    /// The optimiser's memory.
    pub optimiser: OptimiserState,
    /// Persistent chains, and the chains that estimate log Z.
    pub chains: BTreeMap<String, ChainsState>,
    /// Numbers of single precision, such as the running offsets of each layer.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// Numbers of double precision, such as log-weights of chains.
    pub numbers: BTreeMap<String, Vec<f64>>,
    /// Whole numbers, such as the stage of a model that is trained in stages.
    pub counts: BTreeMap<String, Vec<u64>>,
    /// The parameters of a second model, whose means join the input of the first.
    pub features: Option<ParametersState>,
}

impl LearnerState {
    /// Keeps one tensor for each layer: `NAME.0`, `NAME.1`, ....
    pub fn put_layers<'a>(&mut self, name: &str, layers: impl IntoIterator<Item = &'a Vec<f32>>) {
        let named = layers.into_iter().enumerate().map(|(l, values)| (format!("{name}.{l}"), values.clone()));
        self.tensors.extend(named);
    }

    /// Takes the tensors of layers with these numbers of units.
    ///
    /// # Errors
    ///
    /// As [`take_tensor`](Self::take_tensor).
    pub fn take_layers(&mut self, op: &'static str, name: &str, units: &[usize]) -> Result<Vec<Vec<f32>>> {
        units.iter().enumerate().map(|(l, &units)| self.take_tensor(op, &format!("{name}.{l}"), units)).collect()
    }

    /// Takes a tensor of the given length.
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError::Missing`] for a tensor that is not there, [`gm_core::Error::Shape`] for another length.
    pub fn take_tensor(&mut self, op: &'static str, name: &str, length: usize) -> Result<Vec<f32>> {
        let values = take(&mut self.tensors, name)?;
        check_len(op, name, "length", values.len(), length)?;
        Ok(values)
    }

    /// Takes numbers of double precision.
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError::Missing`] for numbers that are not there.
    pub fn take_numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        take(&mut self.numbers, name)
    }

    /// Takes one number of double precision.
    ///
    /// # Errors
    ///
    /// As [`take_tensor`](Self::take_tensor).
    pub fn take_number(&mut self, op: &'static str, name: &str) -> Result<f64> {
        let values = self.take_numbers(name)?;
        check_len(op, name, "length", values.len(), 1)?;
        Ok(values[0])
    }

    /// Takes a whole number.
    ///
    /// # Errors
    ///
    /// As [`take_tensor`](Self::take_tensor).
    pub fn take_count(&mut self, op: &'static str, name: &str) -> Result<usize> {
        let values = take(&mut self.counts, name)?;
        check_len(op, name, "length", values.len(), 1)?;
        Ok(count(values[0]))
    }

    /// Takes chains over layers with these numbers of units.
    ///
    /// # Errors
    ///
    /// As [`take_tensor`](Self::take_tensor), and [`gm_core::Error::Param`] for real numbers above the visible layer.
    pub fn take_chains(&mut self, op: &'static str, name: &str, units: &[usize]) -> Result<Chains> {
        take(&mut self.chains, name)?.into_chains(op, name, units)
    }

    /// Keeps how Gaussian visible units standardise data.
    pub fn put_standardise(&mut self, units: &VisibleUnits) {
        if let Some(standardise) = units.gaussian().and_then(Gaussian::standardise) {
            let values = [standardise.shift(), standardise.scale()];
            self.tensors.extend(STANDARDISE.map(String::from).into_iter().zip(values.map(<[f32]>::to_vec)));
        }
    }

    /// Has Gaussian visible units standardise data as they did when the state was saved.
    ///
    /// # Errors
    ///
    /// As [`take_tensor`](Self::take_tensor), and the errors of [`Standardise::new`].
    pub fn take_standardise(&mut self, op: &'static str, units: &mut VisibleUnits) -> Result<()> {
        let Some(gaussian) = units.gaussian_mut() else { return Ok(()) };
        let saved = match self.tensors.contains_key(STANDARDISE[0]) {
            true => {
                let length = gaussian.variance().len();
                let [shift, scale] = STANDARDISE.map(|name| self.take_tensor(op, name, length));
                Some(Standardise::new(shift?, scale?)?)
            }
            false => None,
        };
        *gaussian = gaussian.clone().with_standardise(saved)?;
        Ok(())
    }
}

/// Takes what has a name, which a sound checkpoint holds.
///
/// # Errors
///
/// [`gm_core::FileError::Missing`] for a name that is not there.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// let mut counts = BTreeMap::from([("stage".to_string(), vec![3])]);
/// assert_eq!(gm_ascent::take(&mut counts, "stage")?, [3]);
/// assert_eq!(gm_ascent::take(&mut counts, "stage").unwrap_err().to_string(), "checkpoint file lacks `stage`");
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn take<T>(named: &mut BTreeMap<String, T>, name: &str) -> Result<T> {
    let missing = || FileError::Missing { format: "checkpoint", name: name.into() };
    Ok(named.remove(name).ok_or_else(missing)?)
}

pub(crate) fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The parameters of a model in a checkpoint, by the names that model files give them.
///
/// # Examples
///
/// ```
/// use gm_ascent::ParametersState;
/// use gm_core::Stack;
///
/// let stack = Stack::zeros(&[4, 2])?;
/// let saved = ParametersState::new(&stack, None);
/// assert_eq!(saved.tensors.keys().collect::<Vec<_>>(), ["bias.0", "bias.1", "weights.0"]);
/// assert_eq!((&saved.layers, saved.count()), (&vec![4, 2], 4 * 2 + 4 + 2));
/// assert_eq!(saved.into_parts()?, (stack, None));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParametersState {
    /// Units of each layer.
    pub layers: Vec<u64>,
    /// `weights.L`, `bias.L`, and where the model has them `within.L`, `recognition.weights.L`, `recognition.bias.L`,
    /// `recognition.within.L`, `label.weights`, `label.bias` and `visible_variance`.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

impl ParametersState {
    /// The parameters of a model, to be saved.
    #[must_use]
    pub fn new(stack: &Stack, recognition: Option<&Recognition>) -> Self {
        let of_net = recognition.into_iter().flat_map(|net| net.tensor_names().into_iter().zip(net.tensors()));
        let tensors = stack.tensor_names().into_iter().zip(stack.tensors()).chain(of_net);
        Self {
            layers: stack.layers().into_iter().map(|n| n as u64).collect(),
            tensors: tensors.map(|(name, values)| (name, values.to_vec())).collect(),
        }
    }

    /// The same with the weights and biases of label units, where there are any.
    #[must_use]
    pub fn with_labels(mut self, labels: Option<&Labels>) -> Self {
        let named = labels.into_iter().flat_map(|labels| LABELS.into_iter().zip(labels.tensors()));
        self.tensors.extend(named.map(|(name, values)| (name.to_string(), values.to_vec())));
        self
    }

    /// The same with the variances of Gaussian units.
    #[must_use]
    pub fn with_variance(mut self, units: &VisibleUnits) -> Self {
        let named = units.gaussian().map(|gaussian| (VARIANCE.to_string(), gaussian.variance().to_vec()));
        self.tensors.extend(named);
        self
    }

    /// The number of parameters. Weights within a layer lead to later units alone; the others are always 0 and not
    /// counted.
    #[must_use]
    pub fn count(&self) -> usize {
        let within = |n: usize| (n - n.isqrt()) / 2;
        let count = |(name, values): (&String, &Vec<f32>)| match name.contains("within.") {
            true => within(values.len()),
            false => values.len(),
        };
        self.tensors.iter().map(count).sum()
    }

    /// Takes the parameters of `classes` label units below a layer of `above` units, where there are any.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other numbers of classes or units, and those of [`Labels::new`].
    pub fn take_labels(&mut self, op: &'static str, [classes, above]: [usize; 2]) -> Result<Option<Labels>> {
        let [weights, bias] = LABELS.map(|name| self.tensors.remove(name));
        let Some((weights, bias)) = weights.zip(bias) else { return Ok(None) };
        check_len(op, LABELS[0], "numbers", weights.len(), classes.saturating_mul(above))?;
        check_len(op, LABELS[1], "numbers", bias.len(), classes)?;
        Ok(Some(Labels::new(Matrix::from_vec(classes, above, weights), Vector::from_vec(bias))?))
    }

    /// The given visible units, with the saved variances if they are Gaussian.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for another number of variances, and those of [`Gaussian::new`].
    pub fn take_units(&mut self, op: &'static str, units: &VisibleUnits) -> Result<VisibleUnits> {
        let (mut units, saved) = (units.clone(), self.tensors.remove(VARIANCE).unwrap_or_default());
        let expected = units.gaussian().map_or(0, |gaussian| gaussian.variance().len());
        check_len(op, VARIANCE, "length", saved.len(), expected)?;
        if let Some(gaussian) = units.gaussian_mut() {
            *gaussian = Gaussian::new(saved)?.with_standardise(gaussian.standardise().cloned())?;
        }
        Ok(units)
    }

    /// The parameters as a stack and a recognition net, without those of label units and variances.
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError::Missing`] for a tensor that is not there, [`gm_core::Error::Shape`] when layers and tensors
    /// disagree, and those of [`Stack::new`] and [`Recognition::new`].
    pub fn into_parts(mut self) -> Result<(Stack, Option<Recognition>)> {
        let layers: Vec<usize> = self.layers.iter().map(|&n| count(n)).collect();
        let weights = self.take_weights("", &layers)?;
        let biases = (0..layers.len()).map(|l| self.take_vector(&format!("bias.{l}")));
        let mut biases: Vec<Vector> = biases.collect::<Result<_>>()?;
        let mut stack = match layers.len() {
            1 => Stack::fully_visible(biases.swap_remove(0), self.take_matrix("within.0", [layers[0]; 2])?)?,
            _ => Stack::new(weights, biases)?,
        };
        for (l, &units) in layers.iter().enumerate() {
            let name = format!("within.{l}");
            if self.tensors.contains_key(&name) {
                stack = stack.with_within(l, self.take_matrix(&name, [units; 2])?)?;
            }
        }
        let depth = (0..stack.depth()).take_while(|l| self.tensors.contains_key(&of_net("weights", *l))).count();
        if depth == 0 {
            return Ok((stack, None));
        }
        let weights = self.take_weights("recognition.", &layers[..=depth])?;
        let biases = (1..=depth).map(|l| self.take_vector(&of_net("bias", l))).collect::<Result<_>>()?;
        let net = Recognition::new(weights, biases)?;
        let present = self.tensors.contains_key(&of_net("within", 1));
        let within =
            (1..=if present { depth } else { 0 }).map(|l| self.take_matrix(&of_net("within", l), [layers[l]; 2]));
        let net = net.with_within(within.collect::<Result<_>>()?)?;
        Ok((stack, Some(net)))
    }

    fn take_weights(&mut self, prefix: &str, layers: &[usize]) -> Result<Vec<Matrix>> {
        let pairs = layers.windows(2).enumerate();
        pairs.map(|(l, pair)| self.take_matrix(&format!("{prefix}weights.{l}"), [pair[0], pair[1]])).collect()
    }

    fn take_matrix(&mut self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        let values = take(&mut self.tensors, name)?;
        check_len("ParametersState::into_parts", name, "numbers", values.len(), rows.saturating_mul(columns))?;
        Ok(Matrix::from_vec(rows, columns, values))
    }

    fn take_vector(&mut self, name: &str) -> Result<Vector> {
        take(&mut self.tensors, name).map(Vector::from_vec)
    }
}

/// The name of a tensor of a recognition net.
fn of_net(tensor: &str, l: usize) -> String {
    format!("recognition.{tensor}.{l}")
}

/// Markov chains in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_ascent::ChainsState;
/// use gm_core::{BitMatrix, Chains};
///
/// let chains = Chains::new(vec![BitMatrix::zeros(4, 10).into(), BitMatrix::zeros(2, 10).into()]);
/// let saved = ChainsState::from(&chains);
/// assert_eq!((saved.sweeps, saved.layers.len()), (0, 2));
/// assert_eq!((saved.layers[1].units(), saved.layers[1].samples()), (2, 10));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChainsState {
    /// Sweeps made.
    pub sweeps: u64,
    /// The states of each layer, the visible one first.
    pub layers: Vec<LayerState>,
}

impl From<&Chains> for ChainsState {
    fn from(chains: &Chains) -> Self {
        Self { sweeps: chains.sweeps, layers: chains.layers.iter().map(LayerState::from).collect() }
    }
}

impl ChainsState {
    /// The chains again, over layers with these numbers of units.
    fn into_chains(self, op: &'static str, name: &str, units: &[usize]) -> Result<Chains> {
        check_len(op, name, "layers", self.layers.len(), units.len())?;
        let layers = self.layers.into_iter().zip(units).map(|(layer, &units)| layer.into_batch(op, name, units));
        let chains = Chains { layers: layers.collect::<Result<_>>()?, sweeps: self.sweeps };
        if chains.layers.iter().skip(1).any(|layer| layer.as_bits().is_none()) {
            let (value, allowed) = ("real numbers".into(), "zeros and ones in every layer above the visible one");
            return Err(gm_core::Error::Param { op, arg: "chains", value, allowed });
        }
        for layer in &chains.layers {
            check_len(op, name, "samples", layer.samples(), chains.count())?;
        }
        Ok(chains)
    }
}

/// The states of a layer in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_ascent::LayerState;
/// use gm_core::{Batch, Matrix};
///
/// let layer = LayerState::from(&Batch::from(Matrix::from_row_slice(1, 2, &[0.5, -1.5])));
/// assert_eq!((layer.units(), layer.samples()), (1, 2));
/// assert_eq!(layer, LayerState::Reals { units: 1, values: vec![0.5, -1.5] });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LayerState {
    /// Of units that are on or off.
    Bits(BitsState),
    /// Of real-valued units.
    Reals {
        /// Units of a sample.
        units: u64,
        /// The values, sample by sample.
        values: Vec<f32>,
    },
}

impl From<&Batch> for LayerState {
    fn from(batch: &Batch) -> Self {
        match batch {
            Batch::Bits(bits) => Self::Bits(bits.into()),
            Batch::Reals(reals) => Self::Reals { units: reals.nrows() as u64, values: reals.as_slice().to_vec() },
        }
    }
}

impl LayerState {
    /// Units of a sample.
    #[must_use]
    pub fn units(&self) -> u64 {
        match self {
            Self::Bits(bits) => bits.units,
            Self::Reals { units, .. } => *units,
        }
    }

    /// Samples.
    #[must_use]
    pub fn samples(&self) -> u64 {
        match self {
            Self::Bits(bits) => bits.samples,
            Self::Reals { units, values } => values.len() as u64 / (*units).max(1),
        }
    }

    /// The states as a batch of the given number of units.
    fn into_batch(self, op: &'static str, name: &str, expected: usize) -> Result<Batch> {
        match self {
            Self::Bits(bits) => Ok(bits.into_bits(expected)?.into()),
            Self::Reals { units, values } => {
                check_len(op, name, "units", count(units), expected)?;
                let whole = values.len().next_multiple_of(expected.max(1));
                check_len(op, name, "numbers", values.len(), whole)?;
                Ok(Matrix::from_vec(expected, values.len() / expected.max(1), values).into())
            }
        }
    }
}

/// Binary states in a checkpoint.
///
/// # Examples
///
/// ```
/// use gm_ascent::BitsState;
/// use gm_core::BitMatrix;
///
/// let bits = BitMatrix::from_fn(3, 2, |unit, sample| unit > sample);
/// let saved = BitsState::from(&bits);
/// assert_eq!((saved.units, saved.samples), (3, 2));
/// assert_eq!(saved.clone().into_bits(3)?, bits);
/// let error = saved.into_bits(4).unwrap_err();
/// assert_eq!(error.to_string(), "BitsState::into_bits: `chains` has units 3, expected 4");
/// # Ok::<(), gm_core::Error>(())
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
        check_len("BitsState::into_bits", "chains", "units", count(self.units), units)?;
        BitMatrix::from_words(units, count(self.samples), self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_parameters_that_do_not_fit() {
        let good = ParametersState::new(&Stack::zeros(&[2, 2]).unwrap(), Some(&Recognition::zeros(&[2, 2]).unwrap()));
        let within = Recognition::zeros(&[2, 2]).unwrap().autoregressive();
        let autoregressive = ParametersState::new(&Stack::zeros(&[2, 2]).unwrap(), Some(&within));
        assert_eq!((good.count(), autoregressive.count()), (14, 15));
        assert_eq!(autoregressive.clone().into_parts().unwrap().1, Some(within));
        assert!(good.clone().into_parts().is_ok());
        let error = |change: &dyn Fn(&mut ParametersState)| {
            let mut state = good.clone();
            change(&mut state);
            state.into_parts().unwrap_err().to_string()
        };
        for name in ["weights.0", "recognition.weights.0"] {
            let few = error(&|state| state.tensors.get_mut(name).unwrap().truncate(3));
            assert_eq!(few, format!("ParametersState::into_parts: `{name}` has numbers 3, expected 4"));
        }
        for name in ["weights.0", "bias.1", "recognition.bias.1"] {
            let absent = error(&|state| drop(state.tensors.remove(name)));
            assert_eq!(absent, format!("checkpoint file lacks `{name}`"));
        }
        error(&|state| state.layers = vec![u64::MAX, u64::MAX]);
        error(&|state| *state = ParametersState::default());
    }

    #[test]
    fn rejects_states_that_do_not_fit() {
        let bits = BitsState::from(&BitMatrix::zeros(3, 2));
        assert_eq!(bits.clone().into_bits(3).unwrap(), BitMatrix::zeros(3, 2));
        let error = bits.clone().into_bits(4).unwrap_err().to_string();
        assert_eq!(error, "BitsState::into_bits: `chains` has units 3, expected 4");
        let error = |layers: Vec<LayerState>, units: &[usize]| {
            ChainsState { sweeps: 0, layers }.into_chains("op", "chains", units).unwrap_err().to_string()
        };
        let reals = |count: usize| LayerState::Reals { units: 2, values: vec![0.5; count] };
        assert_eq!(error(vec![reals(4)], &[2, 3]), "op: `chains` has layers 1, expected 2");
        assert_eq!(error(vec![reals(4)], &[3]), "op: `chains` has units 2, expected 3");
        assert_eq!(error(vec![reals(3)], &[2]), "op: `chains` has numbers 3, expected 4");
        let above = "op: `chains` is real numbers, allowed: zeros and ones in every layer above the visible one";
        assert_eq!(error(vec![reals(2), reals(2)], &[2, 2]), above);
        assert_eq!(error(vec![reals(2), LayerState::Bits(bits)], &[2, 3]), "op: `chains` has samples 2, expected 1");
    }

    #[test]
    fn law_what_is_put_is_taken_once_by_its_name() {
        let mut state = LearnerState::default();
        state.put_layers("offset", &[vec![0.5], vec![0.25, 0.75]]);
        state.counts.insert("stage".into(), vec![3]);
        state.numbers.insert("log_weight".into(), vec![1.5]);
        let wrong = state.clone().take_layers("op", "offset", &[1, 1]).unwrap_err().to_string();
        assert_eq!(wrong, "op: `offset.1` has length 2, expected 1");
        assert_eq!(state.take_layers("op", "offset", &[1, 2]).unwrap(), [vec![0.5], vec![0.25, 0.75]]);
        assert_eq!(
            (state.take_count("op", "stage").unwrap(), state.take_number("op", "log_weight").unwrap()),
            (3, 1.5)
        );
        assert_eq!(state, LearnerState::default());
        assert_eq!(state.take_count("op", "stage").unwrap_err().to_string(), "checkpoint file lacks `stage`");
    }
}
