//! What `nvil` subtracts from its learning signal.

use gm_ascent::LearnerState;
use gm_core::{BitMatrix, mean};

use crate::error::Result;

/// How slowly the running moments of the learning signal change.
const SIGNAL_DECAY: f64 = 0.8;

/// What is subtracted from the learning signal of `nvil`: a linear function of the row, learned by least squares, and
/// running moments of what it leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// A weight for each visible unit, and a constant.
    pub(super) tensors: [Vec<f32>; 2],
    pub(super) gradient: [Vec<f32>; 2],
    /// Mean and variance of the signal; none before the first batch.
    pub(super) moments: Option<[f64; 2]>,
}

impl Baseline {
    pub(super) fn new(visible: usize) -> Self {
        let tensors = [vec![0.0; visible], vec![0.0]];
        Self { gradient: tensors.clone(), tensors, moments: None }
    }

    /// The baseline of each row, without the running mean.
    pub(super) fn values(&self, v: &BitMatrix) -> Vec<f64> {
        let weights: Vec<f64> = self.tensors[0].iter().map(|&w| f64::from(w)).collect();
        let constant = f64::from(self.tensors[1][0]);
        v.weighted_sums(&weights).into_iter().map(|sum| sum + constant).collect()
    }

    /// What to subtract from each log-weight of a row, and what to divide by, as earlier batches taught it; then learns from
    /// this batch, `signals` being the mean log-weight of each row.
    pub(super) fn judge(&mut self, v: &BitMatrix, signals: &[f64]) -> (Vec<f64>, f64) {
        let values = self.values(v);
        let rest: Vec<f64> = signals.iter().zip(&values).map(|(signal, value)| signal - value).collect();
        let centre = mean(&rest);
        let variance = mean(&rest.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>());
        let [running, spread] = self.moments.unwrap_or([centre, variance]);
        let scale = spread.sqrt().max(1.0);
        let errors: Vec<f64> = rest.iter().map(|x| (x - running) / scale / rest.len() as f64).collect();
        self.gradient[1][0] = errors.iter().sum::<f64>() as f32;
        for (unit, slope) in self.gradient[0].iter_mut().enumerate() {
            *slope = errors.iter().enumerate().filter(|(row, _)| v.get(unit, *row)).map(|(_, e)| e).sum::<f64>() as f32;
        }
        let follow = |old: f64, new: f64| SIGNAL_DECAY * old + (1.0 - SIGNAL_DECAY) * new;
        self.moments = Some([follow(running, centre), follow(spread, variance)]);
        (values.iter().map(|value| value + running).collect(), scale)
    }

    /// Its tensors by name.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, &[f32])> {
        BASELINE.map(String::from).into_iter().zip(self.tensors.iter().map(Vec::as_slice))
    }

    /// Its tensors with their gradients.
    pub(super) fn ascending(&mut self) -> impl Iterator<Item = (&mut [f32], &[f32])> {
        self.tensors.iter_mut().map(Vec::as_mut_slice).zip(self.gradient.iter().map(Vec::as_slice))
    }

    /// Adds it to what is saved.
    pub(super) fn put(&self, state: &mut LearnerState) {
        state.tensors.extend(self.named().map(|(name, values)| (name, values.to_vec())));
        let moments = self.moments.into_iter().flatten().map(|x| vec![x]);
        state.numbers.extend(MOMENTS.map(String::from).into_iter().zip(moments));
    }

    /// Takes over what was saved.
    pub(super) fn restore(&mut self, state: &mut LearnerState) -> Result<()> {
        const OP: &str = "SbnLearner::restore";
        for (name, tensor) in BASELINE.iter().zip(&mut self.tensors) {
            *tensor = state.take_tensor(OP, name, tensor.len())?;
        }
        self.moments = match state.numbers.contains_key(MOMENTS[0]) {
            true => Some([state.take_number(OP, MOMENTS[0])?, state.take_number(OP, MOMENTS[1])?]),
            false => None,
        };
        Ok(())
    }
}

/// The names of the baseline's tensors and of its moments.
const BASELINE: [&str; 2] = ["baseline.weights", "baseline.bias"];
const MOMENTS: [&str; 2] = ["baseline.mean", "baseline.variance"];
