//! Block Gibbs sampling over even and odd layers: plain, clamped and tempered.

use gm_core::{Arrangement, Batch, Beta, Chains, Clamp, Purpose, Result, StepInfo, Streams};
use rayon::prelude::*;

use crate::conditional::{Conditional, Couplings};
use crate::model::Dbm;

/// A model and its weights, arranged for sampling; the two change together.
///
/// A sweep draws the even layers given the odd layers, then the odd layers given the even layers. The layers of a half
/// are independent of each other and are drawn in parallel.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_dbm::Dbm;
///
/// let mut sampler = Dbm::from_stack(Stack::zeros(&[8, 4, 3])?)?.into_sampler();
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
/// sampler.update(|dbm| dbm.stack_mut().bias_mut(0).fill(40.0));
/// sampler.run(&mut chains, 1, &streams);
/// assert_eq!(chains.v().bits().ones(), 8 * 50);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    dbm: Dbm,
    arrangement: Arrangement,
    couplings: Couplings,
}

impl Dbm {
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

    /// New chains. Even layers are drawn from their biases alone, then odd layers given the even layers.
    ///
    /// # Randomness
    ///
    /// Family l of [`Purpose::Start`] for layer l.
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        let mut layers = self.blank(count);
        let (couplings, start) = (self.couplings(), |l: usize| streams.fork(Purpose::Start, l as u64));
        for parity in [0, 1] {
            couplings.draw_half(self, &mut layers, parity, &|l, layer: Conditional<'_>, out: &mut Batch| {
                layer.sample_into(out, &start(l));
            });
        }
        Chains::new(layers)
    }

    /// Chains that start at given visible states. Hidden layers are drawn upwards, each given the layer below.
    ///
    /// # Randomness
    ///
    /// Family l of [`Purpose::Start`] for layer l.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    pub fn chains_from(&self, v: impl Into<Batch>, streams: &Streams) -> Result<Chains> {
        let v = v.into();
        self.check_data("Dbm::chains_from", &v)?;
        Ok(self.chains_at(v, streams))
    }

    /// [`chains_from`](Self::chains_from) for states that fit.
    pub(crate) fn chains_at(&self, v: Batch, streams: &Streams) -> Chains {
        let mut layers = vec![v];
        let couplings = self.couplings();
        for l in 1..=self.depth() {
            let mut x = self.blank_layer(l, layers[0].samples());
            let update = couplings.given(self, l, Some(layers[l - 1].view()), None);
            update.sample_into(&mut x, &streams.fork(Purpose::Start, l as u64));
            layers.push(x);
        }
        Chains::new(layers)
    }

    /// States with all units of all layers off. Real-valued units are at 0.
    pub(crate) fn blank(&self, count: usize) -> Vec<Batch> {
        (0..=self.depth()).map(|l| self.blank_layer(l, count)).collect()
    }

    /// The layer whose flips are counted: the visible layer, or layer 1 if visible units are real numbers.
    pub(crate) fn watched_layer(&self) -> usize {
        usize::from(!self.units().is_binary())
    }
}

impl Sampler {
    /// A sampler of a model, whose weights it arranges.
    #[must_use]
    pub fn new(dbm: Dbm, arrangement: Arrangement) -> Self {
        let couplings = Couplings::new(&dbm, arrangement);
        Self { dbm, arrangement, couplings }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Dbm {
        &self.dbm
    }

    /// The model, by value.
    #[must_use]
    pub fn into_model(self) -> Dbm {
        self.dbm
    }

    /// Changes the model, then arranges its weights again. Returns what `change` returns.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Dbm) -> T) -> T {
        let before = self.dbm.layers();
        let changed = change(&mut self.dbm);
        if self.dbm.layers() == before {
            self.couplings.refresh(&self.dbm);
        } else {
            self.couplings = Couplings::new(&self.dbm, self.arrangement);
        }
        changed
    }

    pub(crate) fn couplings(&self) -> &Couplings {
        &self.couplings
    }

    /// Makes sweeps: even layers given the odd layers, then odd layers given the even layers.
    ///
    /// # Randomness
    ///
    /// Layer l in sweep number t of the chains uses family l of [`Purpose::Layer`] below family t of
    /// [`Purpose::Chains`].
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.sweep_with(chains, sweeps, streams, &draw)
    }

    /// Makes sweeps in which the clamped visible units keep their values.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes or other kinds of states.
    pub fn run_clamped(&self, chains: &mut Chains, clamp: &Clamp, sweeps: usize, streams: &Streams) -> StepInfo {
        let clamped = |l: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams| {
            layer.sample_into(out, streams);
            if l == 0 {
                out.replace_where(&clamp.mask, &clamp.values);
            }
        };
        self.sweep_with(chains, sweeps, streams, &clamped)
    }

    /// Makes sweeps at inverse temperatures: p_beta(x) is proportional to p(x)^beta, and Gaussian units keep
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
        let tempered = |_: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams| {
            layer.tempered(beta, None).sample_into(out, streams);
        };
        self.sweep_with(chains, sweeps, streams, &tempered)
    }

    /// Makes sweeps of the hidden layers alone. The visible layer keeps its states.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_hidden(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) {
        let hidden = |l: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams| {
            if l > 0 {
                layer.sample_into(out, streams);
            }
        };
        self.sweep_with(chains, sweeps, streams, &hidden);
    }

    pub(crate) fn sweep_with(
        &self,
        chains: &mut Chains,
        sweeps: usize,
        streams: &Streams,
        draw: &impl Draw,
    ) -> StepInfo {
        let (dbm, couplings) = (&self.dbm, &self.couplings);
        let mut flips = 0;
        for _ in 0..sweeps {
            let sweep = streams.fork(Purpose::Chains, chains.sweeps);
            let before = chains.layers[dbm.watched_layer()].clone();
            for parity in [0, 1] {
                couplings.draw_half(dbm, &mut chains.layers, parity, &|l, layer: Conditional<'_>, out: &mut Batch| {
                    draw(l, layer, out, &sweep.fork(Purpose::Layer, l as u64));
                });
            }
            flips += chains.layers[dbm.watched_layer()].bits().differences(before.bits());
            chains.sweeps += 1;
        }
        let units = (sweeps * dbm.size(dbm.watched_layer()) * chains.count()).max(1);
        StepInfo { sweeps, flips: flips as f64 / units as f64 }
    }
}

impl Couplings {
    /// Draws the layers of one parity given the layers of the other parity.
    pub(crate) fn draw_half(
        &self,
        dbm: &Dbm,
        layers: &mut [Batch],
        parity: usize,
        draw: &(impl Fn(usize, Conditional<'_>, &mut Batch) + Sync),
    ) {
        let (mut drawn, mut given) = (Vec::new(), Vec::new());
        for (l, layer) in layers.iter_mut().enumerate() {
            if l % 2 == parity { drawn.push((l, layer)) } else { given.push(&*layer) }
        }
        drawn.into_par_iter().for_each(|(l, out)| draw(l, self.conditional_from(dbm, l, |n| given[n / 2]), out));
    }
}

/// A way to draw one layer.
pub(crate) trait Draw: Fn(usize, Conditional<'_>, &mut Batch, &Streams) + Sync {}

impl<F: Fn(usize, Conditional<'_>, &mut Batch, &Streams) + Sync> Draw for F {}

fn draw(_: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams) {
    layer.sample_into(out, streams);
}
