//! Sampling: block Gibbs in the machine on top with one pass down, and Gibbs sampling of the posterior.

use gm_core::{BitMatrix, Error, Purpose, Result, Streams};
use gm_rbm::{Chains, Clamp, StepInfo};

use crate::conditional::Couplings;
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
/// assert_eq!((&chains.layers()[0], chains.layers()[2].units(), chains.sweeps()), (&v, 4, 20));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosteriorChains(gm_sbn::Chains);

impl Dbn {
    /// The network arranged for sampling.
    #[must_use]
    pub fn sampler(&self) -> Sampler<'_> {
        Sampler { dbn: self, couplings: self.couplings() }
    }

    /// Chains on the hidden layers given visible states, from the recognition net.
    ///
    /// # Randomness
    ///
    /// Family 0 of [`Purpose::Start`] for the recognition net, family 1 for the top layer.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for data of another width, [`Error::Param`] for a network with label units.
    pub fn posterior_chains(&self, v: BitMatrix, streams: &Streams) -> Result<PosteriorChains> {
        const OP: &str = "Dbn::posterior_chains";
        gm_core::check_len(OP, "data", "units", v.units(), self.visible())?;
        if self.labels().is_some() {
            let (arg, value, allowed) = ("labels", "present".into(), "a network without label units");
            return Err(Error::Param { op: OP, arg, value, allowed });
        }
        let couplings = self.couplings();
        let mut layers = couplings.recognise(self, v, &streams.fork(Purpose::Start, 0));
        let top = &layers[self.depth() - 1];
        layers.push(couplings.machine.sample_h_from_v(&couplings.top, top, &streams.fork(Purpose::Start, 1)));
        Ok(PosteriorChains(gm_sbn::Chains { layers, sweeps: 0 }))
    }

    /// Sweeps over the hidden units of the full model given the visible ones: those of the directed layers one at a time,
    /// each given its Markov blanket, and the top layer as a block. Visible units outside the clamp are drawn as well, if
    /// there is one.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`].
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
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
        self.passes().gibbs(&mut chains.0, clamp, sweeps, streams)
    }
}

impl PosteriorChains {
    /// Chains in given states of all layers, visible first.
    #[must_use]
    pub fn from_layers(layers: Vec<BitMatrix>) -> Self {
        Self(gm_sbn::Chains { layers, sweeps: 0 })
    }

    /// The states of all layers, visible first, `[n_l, chains]`.
    #[must_use]
    pub fn layers(&self) -> &[BitMatrix] {
        &self.0.layers
    }

    /// Sweeps made so far.
    #[must_use]
    pub fn sweeps(&self) -> u64 {
        self.0.sweeps
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
        self.couplings.top.chains(count, streams)
    }

    /// Chains that start from what the recognition net makes of data, label units from the most probable class.
    ///
    /// # Randomness
    ///
    /// Family 2 of [`Purpose::Start`] for the recognition net, and as [`Rbm::chains_from`](gm_rbm::Rbm::chains_from).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for data of another width.
    pub fn chains_from(&self, v: BitMatrix, streams: &Streams) -> Result<Chains> {
        gm_core::check_len("Sampler::chains_from", "data", "units", v.units(), self.dbn.visible())?;
        let mut layers = self.couplings.recognise(self.dbn, v, &streams.fork(Purpose::Start, 2));
        let x = layers.pop().unwrap_or_else(|| BitMatrix::zeros(0, 0));
        Ok(self.couplings.top.chains_from(self.with_classes(&x)?, streams))
    }

    /// States of the lower layer of the machine with their most probable class behind, where there are label units.
    fn with_classes(&self, x: &BitMatrix) -> Result<BitMatrix> {
        let mut wider = x.widened(self.dbn.classes());
        if self.dbn.classes() > 0 {
            let log_p = self.couplings.top.log_class_probs(&wider)?;
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
        self.couplings.machine.run(&self.couplings.top, chains, sweeps, streams)
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
    /// assert!(chains.v.bits().get(4 + 2, 0) && chains.v.bits().get(4, 1));
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
        gm_core::check_len(OP, "classes", "length", classes.len(), chains.v.samples())?;
        if let Some(class) = classes.iter().find(|&&class| class >= known) {
            let allowed = "a class of the network's label units, from 0";
            return Err(Error::Param { op: OP, arg: "classes", value: class.to_string(), allowed });
        }
        let shape = (units + known, classes.len());
        let mask = BitMatrix::from_fn(shape.0, shape.1, |unit, _| unit >= units);
        let values = BitMatrix::from_fn(shape.0, shape.1, |unit, chain| unit == units + classes[chain]);
        let clamp = Clamp { mask, values: values.into() };
        Ok(self.couplings.machine.run_clamped(&self.couplings.top, chains, &clamp, sweeps, streams))
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
    pub fn descend(&self, chains: &Chains, streams: &Streams) -> Vec<BitMatrix> {
        self.couplings.descend(self.dbn, chains.v.bits(), &streams.fork(Purpose::Noise, chains.sweeps))
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
            return self.couplings.machine.mean_v_from_h(&self.couplings.top, &chains.h);
        }
        let layers = self.descend(chains, streams);
        self.couplings.directed.from_above(self.dbn.passes(), 0, &layers[1]).means()
    }

    /// Independent draws of the chains' states by enumeration of the smaller layer of the machine.
    ///
    /// # Errors
    ///
    /// As [`Rbm::exact_samples`](gm_rbm::Rbm::exact_samples).
    pub fn exact_chains(&self, count: usize, streams: &Streams) -> Result<Chains> {
        self.couplings.top.exact_samples(count, streams)
    }
}
