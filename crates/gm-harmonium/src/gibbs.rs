//! Block Gibbs sampling.

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, StepInfo, Streams,
    dense_inputs_down, dense_inputs_up,
};

use crate::model::Harmonium;

/// States of a batch of Markov chains.
///
/// # Shapes
///
/// `v` is `[visible, chains]`, `h` is `[hidden, chains]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    /// Visible states.
    pub v: Batch,
    /// Hidden states.
    pub h: Batch,
    /// The number of sweeps so far, which addresses the random numbers of the next sweep.
    pub sweeps: u64,
}

/// A block Gibbs sampler of a model, with the weights arranged for both directions.
///
/// States of zeros and ones take the bit kernels, other states take matrix products.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_core::{Stack, VisibleUnits};
/// use gm_harmonium::Harmonium;
///
/// let model = Harmonium::from_stack(&Stack::zeros(&[4, 3])?, &VisibleUnits::Bernoulli)?;
/// let streams = Streams::new(1);
/// let mut chains = model.chains(100, &streams);
/// model.sampler().run(&mut chains, 10, &streams);
/// assert_eq!((chains.sweeps, chains.v.samples()), (10, 100));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    model: Harmonium,
    up: Option<Coupling>,
    down: Option<Coupling>,
}

impl Harmonium {
    /// A sampler of this model.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        Sampler::new(self.clone())
    }

    /// Chains that start from visible units without inputs, with hidden states given them.
    ///
    /// # Randomness
    ///
    /// As [`gm_core::layer::Layer::sample`] from families 0 (visible) and 1 (hidden) of [`Purpose::Start`].
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        let none = Matrix::zeros(self.visible().units(), count);
        let v = self.visible().sample(&none, &streams.fork(Purpose::Start, 0));
        let h = self.sample_h_from_v(v.view(), &streams.fork(Purpose::Start, 1));
        Chains { v, h, sweeps: 0 }
    }
}

impl Sampler {
    /// A sampler of a model.
    #[must_use]
    pub fn new(model: Harmonium) -> Self {
        let up = model.visible().is_binary().then(|| Coupling::up(model.weights()));
        let down = model.hidden().is_binary().then(|| Coupling::down(model.weights()));
        Self { model, up, down }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Harmonium {
        &self.model
    }

    /// Changes the parameters of the model, and takes over its weights.
    pub fn update(&mut self, change: impl FnOnce(&mut Harmonium)) {
        change(&mut self.model);
        if let Some(up) = &mut self.up {
            up.refresh(self.model.weights());
        }
        if let Some(down) = &mut self.down {
            down.refresh(self.model.weights());
        }
    }

    /// W' v, `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units or another kind of states than the visible layer.
    #[must_use]
    pub fn inputs_h(&self, v: BatchRef<'_>) -> Matrix {
        let none = vec![0.0; self.model.hidden().units()];
        match (&self.up, v) {
            (Some(up), BatchRef::Bits(v)) => from_bits(up, v, &none),
            (_, v) => dense_inputs_up(self.model.weights(), &v.to_matrix(), &none),
        }
    }

    /// W h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units or another kind of states than the hidden layer.
    #[must_use]
    pub fn inputs_v(&self, h: BatchRef<'_>) -> Matrix {
        let none = vec![0.0; self.model.visible().units()];
        match (&self.down, h) {
            (Some(down), BatchRef::Bits(h)) => from_bits(down, h, &none),
            (_, h) => dense_inputs_down(self.model.weights(), &h.to_matrix(), &none),
        }
    }

    /// Makes block Gibbs sweeps: v given h, then h given v. The record has the share of visible units that changed.
    ///
    /// # Randomness
    ///
    /// Sweep t takes families 0 (visible) and 1 (hidden) of [`Purpose::Layer`] below family t of [`Purpose::Chains`].
    ///
    /// # Panics
    ///
    /// When the chains are not of this model.
    pub fn run(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.run_clamped(chains, None, sweeps, streams)
    }

    /// [`run`](Self::run) with visible units that keep the given values wherever `mask` is on.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn run_clamped(
        &self,
        chains: &mut Chains,
        clamp: Option<(&BitMatrix, &Batch)>,
        sweeps: usize,
        streams: &Streams,
    ) -> StepInfo {
        let mut flips = 0.0;
        for _ in 0..sweeps {
            let sweep = streams.fork(Purpose::Chains, chains.sweeps);
            let inputs = self.inputs_v(chains.h.view());
            let drawn = self.model.visible().sample(&inputs, &sweep.fork(Purpose::Layer, 0));
            let before = std::mem::replace(&mut chains.v, drawn);
            if let Some((mask, values)) = clamp {
                chains.v.replace_where(mask, values);
            }
            flips += share_of_changes(&before, &chains.v);
            let inputs = self.inputs_h(chains.v.view());
            chains.h = self.model.hidden().sample(&inputs, &sweep.fork(Purpose::Layer, 1));
            chains.sweeps += 1;
        }
        StepInfo { sweeps, flips: flips / sweeps.max(1) as f64 }
    }
}

/// The share of numbers that differ.
pub(crate) fn share_of_changes(before: &Batch, after: &Batch) -> f64 {
    let count = (before.units() * before.samples()).max(1);
    let changed = match (before, after) {
        (Batch::Bits(before), Batch::Bits(after)) => before.differences(after),
        _ => before.to_matrix().iter().zip(after.to_matrix().iter()).filter(|(a, b)| a != b).count() as u64,
    };
    changed as f64 / count as f64
}

fn from_bits(coupling: &Coupling, states: &BitMatrix, none: &[f32]) -> Matrix {
    let inputs: Activations = LayerUpdate::new(none).given(coupling, states).inputs();
    inputs.to_matrix()
}
