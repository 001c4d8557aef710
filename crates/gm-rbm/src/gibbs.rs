//! Block Gibbs sampling: plain, clamped and tempered.

use gm_core::{Beta, BitMatrix, LayerUpdate, Purpose, Streams};

use crate::conditional::Couplings;
use crate::gradient::Phase;
use crate::model::Rbm;

/// States of a batch of Markov chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    /// Visible states, `[visible, chains]`.
    pub v: BitMatrix,
    /// Hidden states, `[hidden, chains]`; a sweep begins from them.
    pub h: BitMatrix,
    /// Sweeps made so far; it addresses the random numbers of the next one.
    pub sweeps: u64,
}

/// What a run of sweeps did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
    /// Sweeps made.
    pub sweeps: usize,
    /// Share of visible units that changed, on average over the sweeps.
    pub flips: f64,
}

/// Visible units that keep given values.
#[derive(Clone, Debug)]
pub struct Clamp {
    /// On where a unit is given, `[visible, chains]`.
    pub mask: BitMatrix,
    /// The given values, `[visible, chains]`.
    pub values: BitMatrix,
}

/// A model with its weights arranged for sampling.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_rbm::Rbm;
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[8, 4])?)?;
/// let streams = Streams::new(1);
/// let mut chains = rbm.chains(50, &streams);
/// let info = rbm.sampler().run(&mut chains, 10, &streams);
/// assert!((info.flips - 0.5).abs() < 0.1);
/// assert_eq!(chains.sweeps, 10);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler<'a> {
    rbm: &'a Rbm,
    couplings: Couplings,
}

impl Rbm {
    /// The model arranged for sampling.
    #[must_use]
    pub fn sampler(&self) -> Sampler<'_> {
        Sampler { rbm: self, couplings: self.couplings() }
    }

    /// New chains: v from the visible biases alone, then h given v.
    ///
    /// # Randomness
    ///
    /// Families 0 (v) and 1 (h) of [`Purpose::Start`].
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        let (mut v, h) = (BitMatrix::zeros(self.visible(), count), BitMatrix::zeros(self.hidden(), count));
        self.couplings().visible_update(self, &h).sample_into(&mut v, &streams.fork(Purpose::Start, 0));
        self.chains_from(v, streams)
    }

    /// Chains that start at given visible states.
    ///
    /// # Randomness
    ///
    /// Family 1 of [`Purpose::Start`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn chains_from(&self, v: BitMatrix, streams: &Streams) -> Chains {
        let h = self.couplings().sample_h_from_v(self, &v, &streams.fork(Purpose::Start, 1));
        Chains { v, h, sweeps: 0 }
    }
}

impl<'a> Sampler<'a> {
    /// Joins a model with its arranged weights.
    #[must_use]
    pub fn new(rbm: &'a Rbm, couplings: Couplings) -> Self {
        Self { rbm, couplings }
    }

    /// The arranged weights.
    #[must_use]
    pub fn couplings(&self) -> &Couplings {
        &self.couplings
    }

    /// Makes sweeps: v given h, then h given v.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`].
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.couplings.run(self.rbm, chains, sweeps, streams)
    }

    /// Makes sweeps in which the clamped visible units keep their values.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
    pub fn run_clamped(&self, chains: &mut Chains, clamp: &Clamp, sweeps: usize, streams: &Streams) -> StepInfo {
        let visible = |layer: LayerUpdate<'_>, v: &mut BitMatrix, streams: &Streams| {
            layer.sample_into(v, streams);
            v.replace_where(&clamp.mask, &clamp.values);
        };
        self.couplings.sweep_with(self.rbm, chains, sweeps, streams, (visible, draw))
    }

    /// Makes sweeps at inverse temperatures: p_beta(v, h) is proportional to p(v, h)^beta.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_tempered(&self, chains: &mut Chains, beta: Beta<'_>, sweeps: usize, streams: &Streams) -> StepInfo {
        let tempered = |layer: LayerUpdate<'_>, out: &mut BitMatrix, streams: &Streams| {
            layer.tempered(beta, None).sample_into(out, streams);
        };
        self.couplings.sweep_with(self.rbm, chains, sweeps, streams, (tempered, tempered))
    }
}

impl Couplings {
    /// [`Sampler::run`] for a model that changes between runs.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run(&self, rbm: &Rbm, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.sweep_with(rbm, chains, sweeps, streams, (draw, draw))
    }

    /// [`run`](Self::run), leaving the statistics of the last visible states in `phase`.
    ///
    /// The hidden means of the statistics are those from which the last hidden states are drawn, so they cost
    /// nothing; the chains get the same states as from [`run`](Self::run). Without sweeps the statistics are those of
    /// the chains as they are.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_into_phase(
        &self,
        rbm: &Rbm,
        chains: &mut Chains,
        sweeps: usize,
        streams: &Streams,
        phase: &mut Phase,
    ) -> StepInfo {
        let Some(before) = sweeps.checked_sub(1) else {
            phase.refill(rbm, self, &chains.v);
            return StepInfo { sweeps, flips: 0.0 };
        };
        let first = self.run(rbm, chains, before, streams);
        let v_before = chains.v.clone();
        let sweep = streams.fork(Purpose::Chains, chains.sweeps);
        self.visible_update(rbm, &chains.h).sample_into(&mut chains.v, &sweep.fork(Purpose::Layer, 0));
        phase.refill(rbm, self, &chains.v);
        phase.hidden().sample_into(&mut chains.h, &sweep.fork(Purpose::Layer, 1));
        chains.sweeps += 1;
        let units = (chains.v.units() * chains.v.samples()).max(1);
        let last = chains.v.differences(&v_before) as f64 / units as f64;
        StepInfo { sweeps, flips: (before as f64 * first.flips + last) / sweeps as f64 }
    }

    fn sweep_with(
        &self,
        rbm: &Rbm,
        chains: &mut Chains,
        sweeps: usize,
        streams: &Streams,
        (visible, hidden): (impl Draw, impl Draw),
    ) -> StepInfo {
        let mut before = chains.v.clone();
        let mut flips = 0;
        for _ in 0..sweeps {
            let sweep = streams.fork(Purpose::Chains, chains.sweeps);
            std::mem::swap(&mut before, &mut chains.v);
            visible(self.visible_update(rbm, &chains.h), &mut chains.v, &sweep.fork(Purpose::Layer, 0));
            hidden(self.hidden_update(rbm, &chains.v), &mut chains.h, &sweep.fork(Purpose::Layer, 1));
            flips += chains.v.differences(&before);
            chains.sweeps += 1;
        }
        let units = (sweeps * chains.v.units() * chains.v.samples()).max(1);
        StepInfo { sweeps, flips: flips as f64 / units as f64 }
    }
}

/// A way to draw one layer.
trait Draw: Fn(LayerUpdate<'_>, &mut BitMatrix, &Streams) {}

impl<F: Fn(LayerUpdate<'_>, &mut BitMatrix, &Streams)> Draw for F {}

fn draw(layer: LayerUpdate<'_>, out: &mut BitMatrix, streams: &Streams) {
    layer.sample_into(out, streams);
}
