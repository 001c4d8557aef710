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

    /// A draw of the visible units given the first hidden layer, and the mean of each unit given this layer and, in a visible
    /// layer with weights within it, the units before it: `[visible, samples]` both.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`], or as [`Activations::sample_within_into`] in a layer with weights within it.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the first hidden layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Matrix, Stack, Streams};
    ///
    /// // The second unit repeats the first.
    /// let within = Matrix::from_row_slice(2, 2, &[0.0, 80.0, 0.0, 0.0]);
    /// let mut stack = Stack::zeros(&[2, 3])?.with_within(0, within)?;
    /// stack.bias_mut(0)[1] = -40.0;
    /// let sampler = gm_sbn::Sbn::new(stack, None)?.sampler();
    /// let (v, means) = sampler.draw_visible(&BitMatrix::zeros(3, 10), &Streams::new(1));
    /// assert!((0..10).all(|s| means.get(0, s) == 0.5 && (means.get(1, s) > 0.5) == v.get(0, s)));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn draw_visible(&self, h: &BitMatrix, streams: &Streams) -> (BitMatrix, Activations) {
        let layers = [self.passes.draw_below(0, h, streams), h.clone()];
        let means = self.passes.visible_means(&layers);
        let [v, _] = layers;
        (v, means)
    }

    /// A draw of layer `l` given the layer above.
    ///
    /// # Randomness
    ///
    /// As [`draw_visible`](Self::draw_visible).
    ///
    /// # Panics
    ///
    /// When `l` is the top layer, or `above` has other units than layer l + 1.
    #[must_use]
    pub fn draw_below(&self, l: usize, above: &BitMatrix, streams: &Streams) -> BitMatrix {
        self.passes.draw_below(l, above, streams)
    }

    /// The mean of each visible unit given the first hidden layer, where there is one, and, in a visible layer with weights
    /// within it, the units before it: `[visible, samples]`.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, for the visible layer and the first hidden one at least.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn visible_means(&self, layers: &[BitMatrix]) -> Activations {
        self.passes.visible_means(layers)
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

    /// Means of the visible units given the states that chains have in the first hidden layer, `[visible, chains]`. In a visible
    /// layer with weights within it they are given the units before each as well.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn mean_v_from_chains(&self, chains: &Chains) -> Activations {
        let states = chains.layers.iter().take(2).map(|x| x.bits().clone()).collect::<Vec<_>>();
        self.passes.visible_means(&states)
    }
}
