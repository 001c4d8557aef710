//! Sampling: block Gibbs in the RBM on top with one pass down, and Gibbs sampling of the posterior.

use gm_core::{
    Arrangement, Batch, BatchRef, BitMatrix, Chains, Clamp, Error, Purpose, Result, StepInfo, Streams, VisibleUnits,
};

use gm_rbm::Rbm;

use crate::conditional::Arranged;
use crate::first::sweep_first;
use crate::model::Dbn;

/// A network that owns its arranged weights: every pass and every sweep uses the weights of the network as it is.
///
/// Chains live in the RBM on top, and one pass down gives the layers below.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[8, 4, 4])?, None)?;
/// let (mut sampler, streams) = (dbn.sampler(), Streams::new(1));
/// let mut chains = dbn.chains(50, &streams);
/// let info = sampler.run(&mut chains, 10, &streams);
/// assert!((info.flips - 0.5).abs() < 0.1);
/// assert_eq!(sampler.sample_layers_from_chains(&chains, &streams)[0].samples(), 50);
///
/// // A change of the network changes what is drawn from it.
/// sampler.update(|dbn| dbn.stack_mut().bias_mut(0).fill(40.0));
/// let v = sampler.sample_layers_from_chains(&chains, &streams).remove(0);
/// assert_eq!(v.bits().ones(), 8 * 50);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    dbn: Dbn,
    arrangement: Arrangement,
    arranged: Arranged,
}

impl Dbn {
    /// A copy of the network, arranged for many draws.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.clone().into_sampler()
    }

    /// The network, arranged for many draws.
    #[must_use]
    pub fn into_sampler(self) -> Sampler {
        Sampler::new(self, Arrangement::ManyDraws)
    }

    /// New chains of the RBM on top, as [`Rbm::chains`](gm_rbm::Rbm::chains).
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        self.top().chains(count, streams)
    }

    /// Chains of the RBM on top that start from draws of the recognition net given data. Label units start from the
    /// most probable class.
    ///
    /// # Randomness
    ///
    /// Family 2 of [`Purpose::Start`] for the recognition net, and as [`Rbm::chains_from`](gm_rbm::Rbm::chains_from).
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`] for states that visible units do not have.
    pub fn chains_from(&self, v: impl Into<Batch>, streams: &Streams) -> Result<Chains> {
        let v = v.into();
        self.units().check("Dbn::chains_from", self.visible(), v.view())?;
        let arranged = self.arranged();
        let mut layers = arranged.recognise(v, &streams.fork(Purpose::Start, 2));
        match layers.swap_remove(self.depth() - 1) {
            Batch::Bits(x) => arranged.rbm().chains_from(with_classes(arranged.rbm(), &x, self.classes())?, streams),
            reals => arranged.rbm().chains_from(reals, streams),
        }
    }

    /// Chains on the hidden layers given visible states, from the recognition net.
    ///
    /// # Randomness
    ///
    /// Family 0 of [`Purpose::Start`] for the recognition net, family 1 for the top layer.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a network with label units, and as [`VisibleUnits::check`] for states that visible units do
    /// not have.
    pub fn posterior_chains(&self, v: impl Into<Batch>, streams: &Streams) -> Result<Chains> {
        const OP: &str = "Dbn::posterior_chains";
        let v = v.into();
        self.units().check(OP, self.visible(), v.view())?;
        if self.labels().is_some() {
            let (arg, value, allowed) = ("labels", "present".into(), "a network without label units");
            return Err(Error::Param { op: OP, arg, value, allowed });
        }
        let arranged = self.arranged();
        let mut layers = arranged.recognise(v, &streams.fork(Purpose::Start, 0));
        let top = &layers[self.depth() - 1];
        layers.push(arranged.top.sample_h_from_v(top, &streams.fork(Purpose::Start, 1)).into());
        Ok(Chains::new(layers))
    }

    /// Sweeps over the hidden units of the full model given the visible ones. Units of the directed layers are drawn
    /// one at a time, each given its Markov blanket, and the top layer as a block. With a clamp the given units take
    /// their values first, and the other visible units are drawn at the end of every sweep.
    ///
    /// log odds of unit j of x_1 = (W_1 x_2 + b_1)_j + log p(v | x_1 with j on) - log p(v | x_1 with j off), for
    /// visible units of any kind.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`]. Where visible units are not Bernoulli, x_1 is
    /// drawn from one stream a chain of its family 1 of [`Purpose::Layer`], the layers above as for Bernoulli ones
    /// below family 2, and visible units from family 0.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes or kinds of units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let streams = Streams::new(1);
    /// let mut chains = dbn.posterior_chains(BitMatrix::zeros(4, 10), &streams)?;
    /// dbn.gibbs(&mut chains, None, 20, &streams);
    /// assert_eq!((chains.layers[2].units(), chains.sweeps), (2, 20));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn gibbs(&self, chains: &mut Chains, clamp: Option<&Clamp>, sweeps: usize, streams: &Streams) -> StepInfo {
        if *self.units() == VisibleUnits::Bernoulli {
            return self.directed().gibbs(chains, clamp, sweeps, streams);
        }
        if let Some(clamp) = clamp {
            chains.v_mut().replace_where(&clamp.mask, &clamp.values);
        }
        let arranged = self.arranged();
        let flips: f64 = (0..sweeps).map(|_| self.sweep(&arranged, chains, clamp, streams)).sum();
        StepInfo { sweeps, flips: flips / sweeps.max(1) as f64 }
    }

    /// Makes one sweep of a network whose visible units are not Bernoulli, and returns the share of hidden units that
    /// flipped.
    fn sweep(&self, arranged: &Arranged, chains: &mut Chains, clamp: Option<&Clamp>, streams: &Streams) -> f64 {
        let before: Vec<BitMatrix> = chains.layers[1..].iter().map(|x| x.bits().clone()).collect();
        let family = streams.fork(Purpose::Chains, chains.sweeps);
        let (first, above) = (family.fork(Purpose::Layer, 1), family.fork(Purpose::Layer, 2));
        match &arranged.below {
            None => {
                let h = arranged.top.sample_h_from_v(&chains.layers[0], &first);
                chains.layers[1] = h.into();
                chains.sweeps += 1;
            }
            Some(below) => {
                sweep_first(self, &mut chains.layers, &first);
                with_upper(chains, 1, |upper| below.upper().directed().gibbs(upper, None, 1, &above));
            }
        }
        if let Some(clamp) = clamp {
            let (given, visible) = (chains.layers[0].clone(), family.fork(Purpose::Layer, 0));
            chains.layers[0] = arranged.sample_v(chains.layers[1].bits(), &visible);
            chains.layers[0].replace_where(&clamp.mask, &given);
        }
        let flips: u64 = before.iter().zip(&chains.layers[1..]).map(|(before, x)| x.bits().differences(before)).sum();
        let units: usize = before.iter().map(BitMatrix::units).sum();
        flips as f64 / (units * before[0].samples()).max(1) as f64
    }
}

/// Lends the layers from `first` on to a function of chains of their own.
fn with_upper<T>(chains: &mut Chains, first: usize, work: impl FnOnce(&mut Chains) -> T) -> T {
    let mut upper = Chains { layers: chains.layers.split_off(first), sweeps: chains.sweeps };
    let found = work(&mut upper);
    chains.layers.append(&mut upper.layers);
    chains.sweeps = upper.sweeps;
    found
}

/// States of the lower layer of an RBM with their most probable class behind, where there are label units.
fn with_classes(rbm: &Rbm, x: &BitMatrix, classes: usize) -> Result<BitMatrix> {
    let mut wider = x.widened(classes);
    if classes > 0 {
        let log_p = rbm.log_class_probs(&wider)?;
        for (sample, log_p) in log_p.column_iter().enumerate() {
            wider.set(x.units() + log_p.imax(), sample, true);
        }
    }
    Ok(wider)
}

impl Sampler {
    /// Takes a network and arranges its weights.
    #[must_use]
    pub fn new(dbn: Dbn, arrangement: Arrangement) -> Self {
        let arranged = Arranged::new(&dbn, arrangement);
        Self { dbn, arrangement, arranged }
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Dbn {
        &self.dbn
    }

    /// The network, by value.
    #[must_use]
    pub fn into_model(self) -> Dbn {
        self.dbn
    }

    /// Changes the network, then arranges its weights again. Returns what `change` returns.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Dbn) -> T) -> T {
        let shape = |dbn: &Dbn| (dbn.layers(), dbn.units().kind(), dbn.classes());
        let before = shape(&self.dbn);
        let changed = change(&mut self.dbn);
        if shape(&self.dbn) == before {
            self.arranged.refresh(&self.dbn);
        } else {
            self.arranged = Arranged::new(&self.dbn, self.arrangement);
        }
        changed
    }

    pub(crate) fn arranged(&self) -> &Arranged {
        &self.arranged
    }

    /// The RBM on top with its weights arranged.
    #[must_use]
    pub fn top(&self) -> &gm_rbm::Sampler {
        &self.arranged.top
    }

    /// Draws of the recognition net, joined with the given visible layer: x_0, ..., x_(L-1).
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Passes::recognise`]: layer l from family l of [`Purpose::Layer`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer, or states of another kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let layers = dbn.sampler().recognise(BitMatrix::zeros(4, 10), &Streams::new(1));
    /// assert_eq!((layers.len(), layers[1].units()), (2, 3)); // up to the lower layer of the RBM
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn recognise(&self, v: impl Into<Batch>, streams: &Streams) -> Vec<Batch> {
        self.arranged.recognise(v.into(), streams)
    }

    /// Draws of the layers below given states of the lower layer of the RBM: x_0, ..., x_(L-1).
    ///
    /// # Shapes
    ///
    /// `top` is `[n_(L-1), samples]`, with or without label units behind.
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Passes::descend`]: layer l from family l of [`Purpose::Layer`]. Visible units that are not
    /// Bernoulli are drawn as [`gm_rbm::Sampler::sample_v_from_h`] draws them.
    ///
    /// # Panics
    ///
    /// When `top` has other units, or states of another kind.
    #[must_use]
    pub fn descend<'x>(&self, top: impl Into<BatchRef<'x>>, streams: &Streams) -> Vec<Batch> {
        self.arranged.descend(top.into(), streams)
    }

    /// Makes sweeps in the RBM on top.
    ///
    /// # Randomness
    ///
    /// As [`gm_rbm::Sampler::run`].
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.arranged.top.run(chains, sweeps, streams)
    }

    /// Makes sweeps in the RBM on top with the label units clamped to a class of each chain.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a network without label units, or a class that it does not have; [`Error::Shape`] unless
    /// there is one class a chain.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Labels, Matrix, Stack, Streams, Vector};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[8, 4, 4])?, None)?;
    /// let dbn = dbn.with_labels(Some(Labels::new(Matrix::zeros(3, 4), Vector::zeros(3))?))?;
    /// let (sampler, streams) = (dbn.sampler(), Streams::new(1));
    /// let mut chains = dbn.chains(2, &streams);
    /// sampler.run_with_classes(&mut chains, &[2, 0], 5, &streams)?;
    /// assert!(chains.v().bits().get(4 + 2, 0) && chains.v().bits().get(4, 1));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn run_with_classes(
        &self,
        chains: &mut Chains,
        classes: &[usize],
        sweeps: usize,
        streams: &Streams,
    ) -> Result<StepInfo> {
        const OP: &str = "Sampler::run_with_classes";
        let (units, known) = (self.dbn.stack().bias(self.dbn.depth() - 1).len(), self.dbn.classes());
        gm_core::check_len(OP, "classes", "length", classes.len(), chains.v().samples())?;
        if let Some(class) = classes.iter().find(|&&class| class >= known) {
            let allowed = "a class of the network's label units, from 0";
            return Err(Error::Param { op: OP, arg: "classes", value: class.to_string(), allowed });
        }
        let shape = (units + known, classes.len());
        let mask = BitMatrix::from_fn(shape.0, shape.1, |unit, _| unit >= units);
        let values = BitMatrix::from_fn(shape.0, shape.1, |unit, chain| unit == units + classes[chain]);
        let clamp = Clamp { mask, values: values.into() };
        Ok(self.arranged.top.run_clamped(chains, &clamp, sweeps, streams))
    }

    /// A pass down from the chains' states: draws of x_0, ..., x_(L-1).
    ///
    /// # Randomness
    ///
    /// Family s of [`Purpose::Noise`] after s sweeps of the chains.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn sample_layers_from_chains(&self, chains: &Chains, streams: &Streams) -> Vec<Batch> {
        self.descend(chains.v(), &streams.fork(Purpose::Noise, chains.sweeps))
    }

    /// Means of the visible units given a pass down to the layer above them, `[visible, chains]`. In a network of one
    /// hidden layer they are the means that the RBM itself gives.
    ///
    /// # Randomness
    ///
    /// As [`sample_layers_from_chains`](Self::sample_layers_from_chains).
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn mean_v_from_chains(&self, chains: &Chains, streams: &Streams) -> gm_core::Activations {
        if self.dbn.depth() == 1 {
            return self.arranged.top.mean_v_from_h(chains.h());
        }
        let layers = self.sample_layers_from_chains(chains, streams);
        match &self.arranged.below {
            Some(below) => below.mean_v(layers[1].bits()),
            None => self.arranged.directed.from_above(0, layers[1].bits()).means(),
        }
    }

    /// Independent draws of the chains' states by enumeration of the smaller layer of the RBM.
    ///
    /// # Errors
    ///
    /// As [`Rbm::exact_samples`](gm_rbm::Rbm::exact_samples).
    pub fn exact_chains(&self, count: usize, streams: &Streams) -> Result<Chains> {
        self.arranged.rbm().exact_samples(count, streams)
    }
}
