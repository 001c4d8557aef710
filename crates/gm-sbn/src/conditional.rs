//! Inputs, means and draws of one layer given the one above (generative) or the one below (recognition).

use gm_core::{Activations, BitMatrix, Coupling, LayerUpdate, Purpose, Streams};
use rayon::prelude::*;

use crate::model::Sbn;
use crate::net::Net;

/// A model's weights arranged for passes through the layers: down the generative net and up the recognition net.
///
/// Built once for a fixed model, refreshed after each update of a changing one.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::Sbn;
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let means = sbn.couplings().from_above(&sbn, 0, &BitMatrix::zeros(3, 2)).means();
/// assert_eq!(means.get(2, 1), 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Couplings {
    down: Vec<Coupling>,
    up: Vec<Coupling>,
}

impl Couplings {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new<'a>(net: impl Into<Net<'a>>) -> Self {
        let net = net.into();
        let down = (0..net.depth()).map(|l| Coupling::down(net.stack().weights(l))).collect();
        let up = (1..=net.depth()).filter_map(|l| net.recogniser(l)).map(|(weights, _)| Coupling::up(weights));
        Self { down, up: up.collect() }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the model has other layer sizes.
    pub fn refresh<'a>(&mut self, net: impl Into<Net<'a>>) {
        let net = net.into();
        let Self { down, up } = self;
        let down = down.par_iter_mut().enumerate().map(|(l, coupling)| (coupling, Some(net.stack().weights(l))));
        let up = up.par_iter_mut().enumerate();
        let up = up.map(|(l, coupling)| (coupling, net.recogniser(l + 1).map(|(weights, _)| weights)));
        down.chain(up).for_each(|(coupling, weights)| {
            if let Some(weights) = weights {
                coupling.refresh(weights);
            }
        });
    }

    /// p(x_l | x_(l+1)): layer `l` given the layer above.
    ///
    /// # Panics
    ///
    /// When `l` is the top layer, or `above` has other units than layer l + 1.
    #[must_use]
    pub fn from_above<'a>(&'a self, net: impl Into<Net<'a>>, l: usize, above: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(net.into().bias(l)).given(&self.down[l], above)
    }

    /// q(x_l | x_(l-1)): layer `l` as the recognition net sees it given the layer below.
    ///
    /// # Panics
    ///
    /// When there is no recognition net, `l` is 0, or `below` has other units than layer l - 1.
    #[must_use]
    pub fn from_below<'a>(&'a self, net: impl Into<Net<'a>>, l: usize, below: &'a BitMatrix) -> LayerUpdate<'a> {
        let (_, bias) = net.into().recogniser(l).expect("couplings upwards belong to a recognition net");
        LayerUpdate::new(bias.as_slice()).given(&self.up[l - 1], below)
    }

    /// Draws of all layers from the top down, `[n_l, samples]` each, visible first.
    ///
    /// # Randomness
    ///
    /// Layer l from family l of [`Purpose::Layer`], as [`LayerUpdate::sample_into`].
    #[must_use]
    pub fn sample(&self, sbn: &Sbn, samples: usize, streams: &Streams) -> Vec<BitMatrix> {
        let top = sbn.depth();
        let mut means = Activations::repeated(sbn.stack().bias(top).as_slice(), samples);
        means.logistic();
        let mut x = BitMatrix::zeros(sbn.stack().bias(top).len(), samples);
        means.sample_into(&mut x, &streams.fork(Purpose::Layer, top as u64));
        self.descend(sbn, x, streams)
    }

    /// Draws of the layers below given states of the top layer, joined with these, visible first.
    ///
    /// # Randomness
    ///
    /// Layer l from family l of [`Purpose::Layer`], as [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When `top` has other units than the top layer.
    #[must_use]
    pub fn descend<'a>(&self, net: impl Into<Net<'a>>, top: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let net = net.into();
        let mut layers = vec![top];
        for l in (0..net.depth()).rev() {
            let above = &layers[layers.len() - 1];
            let mut x = BitMatrix::zeros(net.bias(l).len(), above.samples());
            self.from_above(net, l, above).sample_into(&mut x, &streams.fork(Purpose::Layer, l as u64));
            layers.push(x);
        }
        layers.reverse();
        layers
    }

    /// Draws of the hidden layers from the recognition net, joined with the given visible layer, visible first.
    ///
    /// # Randomness
    ///
    /// Layer l from family l of [`Purpose::Layer`], as [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When there is no recognition net, or `v` has other units than the visible layer.
    #[must_use]
    pub fn recognise<'a>(&self, net: impl Into<Net<'a>>, v: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let net = net.into();
        let mut layers = vec![v];
        for l in 1..=net.depth() {
            let below = &layers[l - 1];
            let mut x = BitMatrix::zeros(net.bias(l).len(), below.samples());
            self.from_below(net, l, below).sample_into(&mut x, &streams.fork(Purpose::Layer, l as u64));
            layers.push(x);
        }
        layers
    }
}

impl Sbn {
    /// The weights arranged for the layer engine.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }

    /// Independent draws of all layers by ancestral sampling, `[n_l, samples]` each, visible first.
    ///
    /// # Randomness
    ///
    /// As [`Couplings::sample`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let layers = sbn.sample(10, &Streams::new(1));
    /// assert_eq!((layers[0].units(), layers[1].units(), layers[0].samples()), (4, 3, 10));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn sample(&self, samples: usize, streams: &Streams) -> Vec<BitMatrix> {
        self.couplings().sample(self, samples, streams)
    }
}
