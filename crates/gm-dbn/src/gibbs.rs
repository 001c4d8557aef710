//! Sampling: block Gibbs in the machine on top with one pass down, and Gibbs sampling of the posterior.

use gm_core::{Batch, BitMatrix, Error, Purpose, Result, Streams, VisibleUnits};
use gm_rbm::{Chains, Clamp, StepInfo};

use crate::conditional::Couplings;
use crate::first::sweep_first;
use crate::model::Dbn;

/// A network arranged for sampling: chains live in the machine on top, and one pass down makes pictures of them.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[8, 4, 4])?, None)?;
/// let (sampler, streams) = (dbn.sampler(), Streams::new(1));
/// let mut chains = sampler.chains(50, &streams);
/// let info = sampler.run(&mut chains, 10, &streams);
/// assert!((info.flips - 0.5).abs() < 0.1);
/// assert_eq!(sampler.descend(&chains, &streams)[0].samples(), 50);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler<'a> {
    dbn: &'a Dbn,
    couplings: Couplings,
}

/// Chains on the posterior of the hidden layers.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_dbn::Dbn;
/// use gm_rbm::Rbm;
///
/// let streams = Streams::new(1);
/// let dbn = Dbn::unroll(&Rbm::initial(&[0.5; 4], 3, 1.0, &streams)?, 2)?;
/// let v = BitMatrix::from_fn(4, 10, |unit, chain| unit <= chain);
/// let mut chains = dbn.posterior_chains(v.clone(), &streams)?;
/// dbn.gibbs(&mut chains, None, 20, &streams);
/// assert_eq!((chains.layers()[0].bits(), chains.layers()[2].units(), chains.sweeps()), (&v, 4, 20));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorChains {
    layers: Vec<Batch>,
    sweeps: u64,
}

impl Dbn {
    /// The network arranged for sampling.
    #[must_use]
    pub fn sampler(&self) -> Sampler<'_> {
        Sampler { dbn: self, couplings: Couplings::for_draws(self) }
    }

    /// Chains on the hidden layers given visible states, from the recognition net.
    ///
    /// # Randomness
    ///
    /// Family 0 of [`Purpose::Start`] for the recognition net, family 1 for the top layer.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a network with label units, and as [`VisibleUnits::check`] for states that visible units do not have.
    pub fn posterior_chains(&self, v: impl Into<Batch>, streams: &Streams) -> Result<PosteriorChains> {
        const OP: &str = "Dbn::posterior_chains";
        let v = v.into();
        self.units().check(OP, self.visible(), v.view())?;
        if self.labels().is_some() {
            let (arg, value, allowed) = ("labels", "present".into(), "a network without label units");
            return Err(Error::Param { op: OP, arg, value, allowed });
        }
        let couplings = self.couplings();
        let mut layers = couplings.recognise(v, &streams.fork(Purpose::Start, 0));
        let top = &layers[self.depth() - 1];
        layers.push(couplings.machine.sample_h_from_v(top, &streams.fork(Purpose::Start, 1)).into());
        Ok(PosteriorChains { layers, sweeps: 0 })
    }

    /// Sweeps over the hidden units of the full model given the visible ones: those of the directed layers one at a time,
    /// each given its Markov blanket, and the top layer as a block. Visible units outside the clamp are drawn as well, if
    /// there is one.
    ///
    /// log odds of unit j of x_1 = (W_1 x_2 + b_1)_j + log p(v | x_1 with j on) - log p(v | x_1 with j off), whatever the visible
    /// units are.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`]. Where visible units are not Bernoulli, x_1 is drawn from
    /// one stream a chain of its family 1 of [`Purpose::Layer`], the layers above as for Bernoulli ones below family 2, and visible
    /// units from family 0.
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
    /// assert_eq!(chains.layers()[2].units(), 2);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn gibbs(
        &self,
        chains: &mut PosteriorChains,
        clamp: Option<&gm_sbn::Clamp>,
        sweeps: usize,
        streams: &Streams,
    ) -> gm_sbn::StepInfo {
        if *self.units() == VisibleUnits::Bernoulli {
            return chains.with_bits(0, |chains| self.directed().gibbs(chains, clamp, sweeps, streams));
        }
        let couplings = self.couplings();
        let flips: f64 = (0..sweeps).map(|_| self.sweep(&couplings, chains, clamp, streams)).sum();
        gm_sbn::StepInfo { sweeps, flips: flips / sweeps.max(1) as f64 }
    }

    /// One sweep of a network whose visible units are not Bernoulli; the share of hidden units that flipped.
    fn sweep(
        &self,
        couplings: &Couplings,
        chains: &mut PosteriorChains,
        clamp: Option<&gm_sbn::Clamp>,
        streams: &Streams,
    ) -> f64 {
        let before: Vec<BitMatrix> = chains.layers[1..].iter().map(|x| x.bits().clone()).collect();
        let family = streams.fork(Purpose::Chains, chains.sweeps);
        let (first, above) = (family.fork(Purpose::Layer, 1), family.fork(Purpose::Layer, 2));
        match &couplings.below {
            None => {
                let h = couplings.machine.sample_h_from_v(&chains.layers[0], &first);
                chains.layers[1] = h.into();
                chains.sweeps += 1;
            }
            Some(below) => {
                sweep_first(self, &mut chains.layers, &first);
                chains.with_bits(1, |upper| below.upper().directed().gibbs(upper, None, 1, &above));
            }
        }
        if let Some(clamp) = clamp {
            let (given, visible) = (chains.layers[0].clone(), family.fork(Purpose::Layer, 0));
            chains.layers[0] = couplings.sample_v(chains.layers[1].bits(), &visible);
            chains.layers[0].replace_where(&clamp.mask, &given);
        }
        let flips: u64 = before.iter().zip(&chains.layers[1..]).map(|(before, x)| x.bits().differences(before)).sum();
        let units: usize = before.iter().map(BitMatrix::units).sum();
        flips as f64 / (units * before[0].samples()).max(1) as f64
    }
}

impl PosteriorChains {
    /// Chains in given states of all layers, visible first.
    #[must_use]
    pub fn from_layers(layers: Vec<impl Into<Batch>>) -> Self {
        Self { layers: layers.into_iter().map(Into::into).collect(), sweeps: 0 }
    }

    /// The states of all layers, visible first, `[n_l, chains]`.
    #[must_use]
    pub fn layers(&self) -> &[Batch] {
        &self.layers
    }

    /// Lends the layers from one on to what works on packed states.
    fn with_bits<T>(&mut self, first: usize, work: impl FnOnce(&mut gm_sbn::Chains) -> T) -> T {
        let layers = self.layers[first..].iter().map(|x| x.bits().clone()).collect();
        let mut chains = gm_sbn::Chains { layers, sweeps: self.sweeps };
        let found = work(&mut chains);
        self.layers.truncate(first);
        self.layers.extend(chains.layers.into_iter().map(Batch::from));
        self.sweeps = chains.sweeps;
        found
    }

    /// Sweeps made so far.
    #[must_use]
    pub fn sweeps(&self) -> u64 {
        self.sweeps
    }
}

impl Sampler<'_> {
    /// The machine on top.
    #[must_use]
    pub fn top(&self) -> &gm_rbm::Rbm {
        self.couplings.top()
    }

    /// New chains of the machine on top, as [`Rbm::chains`](gm_rbm::Rbm::chains).
    #[must_use]
    pub fn chains(&self, count: usize, streams: &Streams) -> Chains {
        self.couplings.top().chains(count, streams)
    }

    /// Chains that start from what the recognition net makes of data, label units from the most probable class.
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
        self.dbn.units().check("Sampler::chains_from", self.dbn.visible(), v.view())?;
        let mut layers = self.couplings.recognise(v, &streams.fork(Purpose::Start, 2));
        match layers.swap_remove(self.dbn.depth() - 1) {
            Batch::Bits(x) => Ok(self.couplings.top().chains_from(self.with_classes(&x)?, streams)),
            reals => Ok(self.couplings.top().chains_from(reals, streams)),
        }
    }

    /// States of the lower layer of the machine with their most probable class behind, where there are label units.
    fn with_classes(&self, x: &BitMatrix) -> Result<BitMatrix> {
        let mut wider = x.widened(self.dbn.classes());
        if self.dbn.classes() > 0 {
            let log_p = self.couplings.top().log_class_probs(&wider)?;
            for (sample, log_p) in log_p.column_iter().enumerate() {
                wider.set(x.units() + log_p.imax(), sample, true);
            }
        }
        Ok(wider)
    }

    /// Makes sweeps in the machine on top.
    ///
    /// # Randomness
    ///
    /// As [`gm_rbm::Sampler::run`].
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> StepInfo {
        self.couplings.machine.run(chains, sweeps, streams)
    }

    /// Makes sweeps in the machine on top with the label units clamped to a class of each chain.
    ///
    /// # Randomness
    ///
    /// As [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a network without label units, or a class that it does not have; [`Error::Shape`] unless there is
    /// one class a chain.
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
    /// let mut chains = sampler.chains(2, &streams);
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
        Ok(self.couplings.machine.run_clamped(chains, &clamp, sweeps, streams))
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
    pub fn descend(&self, chains: &Chains, streams: &Streams) -> Vec<Batch> {
        self.couplings.descend(chains.v(), &streams.fork(Purpose::Noise, chains.sweeps))
    }

    /// Means of the visible units given a pass down to the layer above them, `[visible, chains]`; those of the machine itself
    /// in a network of one hidden layer.
    ///
    /// # Randomness
    ///
    /// As [`descend`](Self::descend).
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn visible_means(&self, chains: &Chains, streams: &Streams) -> gm_core::Activations {
        if self.dbn.depth() == 1 {
            return self.couplings.machine.mean_v_from_h(chains.h());
        }
        let layers = self.descend(chains, streams);
        match &self.couplings.below {
            Some(below) => below.mean_v(layers[1].bits()),
            None => self.couplings.directed.from_above(0, layers[1].bits()).means(),
        }
    }

    /// Independent draws of the chains' states by enumeration of the smaller layer of the machine.
    ///
    /// # Errors
    ///
    /// As [`Rbm::exact_samples`](gm_rbm::Rbm::exact_samples).
    pub fn exact_chains(&self, count: usize, streams: &Streams) -> Result<Chains> {
        self.couplings.top().exact_samples(count, streams)
    }
}
