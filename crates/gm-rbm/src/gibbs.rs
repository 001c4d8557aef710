//! Block Gibbs sampling: plain, clamped and tempered.

use gm_core::{Arrangement, Batch, Beta, BitMatrix, Chains, Clamp, Purpose, Result, StepInfo, Streams};

use crate::conditional::{Couplings, Heat};
use crate::gradient::Phase;
use crate::model::Rbm;

/// A model and its weights, arranged for sampling; the two change together.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_rbm::Rbm;
///
/// let mut sampler = Rbm::from_stack(Stack::zeros(&[8, 4])?)?.into_sampler();
/// let streams = Streams::new(1);
/// let mut chains = sampler.model().chains(50, &streams);
/// let info = sampler.run(&mut chains, 10, &streams);
/// assert!((info.flips - 0.5).abs() < 0.1);
/// // Chains that go on later come to the same states.
/// let mut parted = sampler.model().chains(50, &streams);
/// sampler.run(&mut parted, 2, &streams);
/// sampler.run(&mut parted, 8, &streams);
/// assert_eq!((parted.sweeps, &parted), (10, &chains));
/// // A change of the parameters takes effect at once.
/// sampler.update(|rbm| rbm.stack_mut().bias_mut(0).fill(40.0));
/// sampler.run(&mut chains, 1, &streams);
/// assert_eq!(chains.v().bits().ones(), 8 * 50);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    rbm: Rbm,
    arrangement: Arrangement,
    couplings: Couplings,
}

impl Rbm {
    /// A copy of the model, arranged for many draws.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.clone().into_sampler()
    }

    /// The model, arranged for many draws.
    #[must_use]
    pub fn into_sampler(self) -> Sampler {
        Sampler::new(self, Arrangement::ManyDraws)
    }

    /// New chains. v is drawn from the visible biases alone, then h given v.
    ///
    /// # Randomness
    ///
    /// Families 0 (v) and 1 (h) of [`Purpose::Start`].
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        let h = BitMatrix::zeros(self.hidden(), count);
        let v = self.couplings().sample_v_from_h(self, &h, &streams.fork(Purpose::Start, 0));
        self.chains_at(v, streams)
    }

    /// Chains that start at given visible states.
    ///
    /// # Randomness
    ///
    /// Family 1 of [`Purpose::Start`].
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    pub fn chains_from(&self, v: impl Into<Batch>, streams: &Streams) -> Result<Chains> {
        let v = v.into();
        self.check_data("Rbm::chains_from", &v)?;
        Ok(self.chains_at(v, streams))
    }

    /// [`chains_from`](Self::chains_from) for states that fit.
    pub(crate) fn chains_at(&self, v: Batch, streams: &Streams) -> Chains {
        let h = self.couplings().sample_h_from_v(self, v.view(), &streams.fork(Purpose::Start, 1));
        Chains::new(vec![v, h.into()])
    }
}

impl Sampler {
    /// A sampler of a model, whose weights it arranges.
    #[must_use]
    pub fn new(rbm: Rbm, arrangement: Arrangement) -> Self {
        let couplings = Couplings::new(&rbm, arrangement);
        Self { rbm, arrangement, couplings }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Rbm {
        &self.rbm
    }

    /// The model, by value.
    #[must_use]
    pub fn into_model(self) -> Rbm {
        self.rbm
    }

    /// Changes the model, then arranges its weights again. Returns what `change` returns.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Rbm) -> T) -> T {
        let shape = |rbm: &Rbm| (rbm.visible(), rbm.hidden(), rbm.units().kind());
        let before = shape(&self.rbm);
        let changed = change(&mut self.rbm);
        if shape(&self.rbm) == before {
            self.couplings.refresh(&self.rbm);
        } else {
            self.couplings = Couplings::new(&self.rbm, self.arrangement);
        }
        changed
    }

    pub(crate) fn couplings(&self) -> &Couplings {
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
        self.sweep_with(chains, sweeps, streams, How::default())
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
        self.sweep_with(chains, sweeps, streams, How { heat: None, clamp: Some(clamp) })
    }

    /// Makes sweeps at inverse temperatures: p_beta(v, h) is proportional to p(v, h)^beta, and Gaussian units keep
    /// their variance.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_tempered(&self, chains: &mut Chains, beta: Beta<'_>, sweeps: usize, streams: &Streams) -> StepInfo {
        let heat = Heat { beta, base: None };
        self.sweep_with(chains, sweeps, streams, How { heat: Some(heat), clamp: None })
    }

    /// [`run`](Self::run), and the statistics of the last visible states in `phase`.
    ///
    /// The last hidden states are drawn from the hidden means of the statistics, so that the statistics cost nothing.
    /// The chains get the same states as from [`run`](Self::run). Without sweeps the statistics are those of the chains
    /// as they are. The memory of `phase` is reused, because it counts beside a sweep of a small RBM.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_into_phase(&self, chains: &mut Chains, sweeps: usize, streams: &Streams, phase: &mut Phase) -> StepInfo {
        let Some(before) = sweeps.checked_sub(1) else {
            phase.refill(self, chains.v());
            return StepInfo { sweeps, flips: 0.0 };
        };
        let first = self.run(chains, before, streams);
        let sweep = streams.fork(Purpose::Chains, chains.sweeps);
        let (v, h) = chains.v_and_h_mut();
        let (v_before, h_before) = (v.clone(), h.clone());
        self.couplings.draw_v(&self.rbm, h, None, v, &sweep.fork(Purpose::Layer, 0));
        phase.refill(self, &*v);
        phase.hidden().sample_into(h, &sweep.fork(Purpose::Layer, 1));
        let last = flips((v, h), (&v_before, &h_before));
        chains.sweeps += 1;
        StepInfo { sweeps, flips: (before as f64 * first.flips + last) / sweeps as f64 }
    }

    pub(crate) fn sweep_with(&self, chains: &mut Chains, sweeps: usize, streams: &Streams, how: How<'_>) -> StepInfo {
        let (mut v_before, mut h_before) = (chains.v().clone(), chains.h().clone());
        let mut changed = 0.0;
        for _ in 0..sweeps {
            let sweep = streams.fork(Purpose::Chains, chains.sweeps);
            let (v, h) = chains.v_and_h_mut();
            std::mem::swap(&mut v_before, v);
            self.couplings.draw_v(&self.rbm, h, how.heat, v, &sweep.fork(Purpose::Layer, 0));
            if let Some(clamp) = how.clamp {
                v.replace_where(&clamp.mask, &clamp.values);
            }
            std::mem::swap(&mut h_before, h);
            let beta = how.heat.map(|heat| heat.beta);
            self.couplings.draw_h(&self.rbm, v.view(), beta, h, &sweep.fork(Purpose::Layer, 1));
            changed += flips((v, h), (&v_before, &h_before));
            chains.sweeps += 1;
        }
        StepInfo { sweeps, flips: changed / sweeps.max(1) as f64 }
    }
}

/// The share of units whose states differ from earlier states.
fn flips((v, h): (&Batch, &BitMatrix), (v_before, h_before): (&Batch, &BitMatrix)) -> f64 {
    let (bits, before) = match (v, v_before) {
        (Batch::Bits(v), Batch::Bits(before)) => (v, before),
        _ => (h, h_before),
    };
    bits.differences(before) as f64 / (bits.units() * bits.samples()).max(1) as f64
}

/// The temperature and the clamp of sweeps.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    pub(crate) heat: Option<Heat<'a>>,
    pub(crate) clamp: Option<&'a Clamp>,
}
