//! A model together with its weights, arranged for passes through the layers.

use gm_core::{Activations, BitMatrix, Chains, LayerUpdate, Streams};

use crate::conditional::Passes;
use crate::model::Sbn;

/// A model that owns its arranged weights: every pass uses the weights of the model as it is.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_sbn::Sbn;
///
/// let mut sampler = Sbn::new(Stack::zeros(&[4, 3])?, None)?.sampler();
/// // A change of the model changes what is drawn from it.
/// sampler.update(|sbn| sbn.stack_mut().bias_mut(0).fill(40.0));
/// let layers = sampler.sample(10, &Streams::new(1));
/// assert_eq!(layers[0].unit_counts(), [10; 4]);
/// assert_eq!(sampler.into_model().stack().bias(0)[3], 40.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    sbn: Sbn,
    passes: Passes,
}

impl Sbn {
    /// A copy of the model with its weights arranged for passes through the layers.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.clone().into_sampler()
    }

    /// The model with its weights arranged for passes through the layers.
    #[must_use]
    pub fn into_sampler(self) -> Sampler {
        Sampler::new(self)
    }
}

impl Sampler {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new(sbn: Sbn) -> Self {
        Self { passes: Passes::new(&sbn), sbn }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Sbn {
        &self.sbn
    }

    /// Changes the model, and then arranges its weights again.
    ///
    /// # Panics
    ///
    /// When the change replaces the model by one of other layer sizes.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Sbn) -> T) -> T {
        let found = change(&mut self.sbn);
        self.passes.refresh(&self.sbn);
        found
    }

    /// Gives the model back.
    #[must_use]
    pub fn into_model(self) -> Sbn {
        self.sbn
    }

    /// The arranged layers.
    pub(crate) fn passes(&self) -> &Passes {
        &self.passes
    }

    /// Layer `l` given the layer above, as [`Passes::from_above`].
    ///
    /// # Panics
    ///
    /// When `l` is the top layer, or `above` has other units than layer l + 1.
    #[must_use]
    pub fn from_above<'a>(&'a self, l: usize, above: &'a BitMatrix) -> LayerUpdate<'a> {
        self.passes.from_above(l, above)
    }

    /// Draws of all layers by ancestral sampling, as [`Passes::sample`].
    #[must_use]
    pub fn sample(&self, samples: usize, streams: &Streams) -> Vec<BitMatrix> {
        self.passes.sample(samples, streams)
    }

    /// Draws of the layers below given states of the top layer, as [`Passes::descend`].
    ///
    /// # Panics
    ///
    /// When `top` has other units than the top layer.
    #[must_use]
    pub fn descend(&self, top: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        self.passes.descend(top, streams)
    }

    /// Draws of the hidden layers from the recognition net, as [`Passes::recognise`].
    ///
    /// # Panics
    ///
    /// When there is no recognition net, or `v` has other units than the visible layer.
    #[must_use]
    pub fn recognise(&self, v: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        self.passes.recognise(v, streams)
    }

    /// Means of the visible units given the states that chains have in the first hidden layer, `[visible, chains]`.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn mean_v_from_chains(&self, chains: &Chains) -> Activations {
        self.from_above(0, chains.h()).means()
    }
}
