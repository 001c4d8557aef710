//! Passes through the layers: recognition upwards, generation downwards.

use gm_core::{
    Activations, Arrangement, Batch, BatchRef, BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams,
    VisibleUnits, dense_inputs_up, logistic_in_place,
};
use gm_rbm::Rbm;

use crate::below::Below;
use crate::model::{Dbn, packed};

/// A network's weights arranged for passes through the layers: the directed ones both ways, and the machine on top.
///
/// Built once for a fixed network, refreshed after each update of a changing one.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let layers = dbn.couplings().recognise(BitMatrix::zeros(4, 10), &Streams::new(1));
/// assert_eq!((layers.len(), layers[1].units()), (2, 3)); // up to the lower layer of the machine
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Couplings {
    /// Those of the layers above x_1 where there is a pair below.
    pub(crate) directed: gm_sbn::Passes,
    pub(crate) below: Option<Below>,
    pub(crate) machine: gm_rbm::Sampler,
}

impl Couplings {
    /// Arranges the weights of a network.
    #[must_use]
    pub fn new(dbn: &Dbn) -> Self {
        Self::arranged(dbn, Arrangement::FewDraws)
    }

    /// The same for many sweeps of the RBM on top.
    #[must_use]
    pub fn for_draws(dbn: &Dbn) -> Self {
        Self::arranged(dbn, Arrangement::ManyDraws)
    }

    fn arranged(dbn: &Dbn, arrangement: Arrangement) -> Self {
        let below = Below::new(dbn);
        let directed = gm_sbn::Passes::new(binary(dbn, below.as_ref()).directed());
        Self { directed, below, machine: gm_rbm::Sampler::new(dbn.top(), arrangement) }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the network has other layer sizes.
    pub fn refresh(&mut self, dbn: &Dbn) {
        self.below = Below::new(dbn);
        self.directed.refresh(binary(dbn, self.below.as_ref()).directed());
        self.machine.update(|rbm| *rbm = dbn.top());
    }

    /// The machine on top, as it was arranged.
    #[must_use]
    pub fn top(&self) -> &Rbm {
        self.machine.model()
    }

    /// The machine on top with its weights arranged.
    #[must_use]
    pub fn machine(&self) -> &gm_rbm::Sampler {
        &self.machine
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
    #[must_use]
    pub fn recognise(&self, v: impl Into<Batch>, streams: &Streams) -> Vec<Batch> {
        let v = v.into();
        let Some(below) = &self.below else {
            return match v {
                Batch::Bits(v) => self.directed.recognise(v, streams).into_iter().map(Batch::from).collect(),
                reals => vec![reals],
            };
        };
        let mut layers = vec![below.recognise(v.view(), &streams.fork(Purpose::Layer, 1))];
        let units = self.directed.layers();
        for l in 1..=self.directed.depth() {
            let update = self.directed.from_below(l, &layers[l - 1]);
            let mut x = BitMatrix::zeros(units[l], v.samples());
            update.sample_into(&mut x, &streams.fork(Purpose::Layer, l as u64 + 1));
            layers.push(x);
        }
        std::iter::once(v).chain(layers.into_iter().map(Batch::from)).collect()
    }

    /// Draws of the layers below given states of the lower layer of the machine: x_0, ..., x_(L-1).
    ///
    /// # Shapes
    ///
    /// `top` is `[n_(L-1), samples]`, with or without label units behind.
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Passes::descend`]: layer l from family l of [`Purpose::Layer`], visible units that are not Bernoulli as
    /// [`gm_rbm::Sampler::sample_v_from_h`] draws them.
    ///
    /// # Panics
    ///
    /// When `top` has other units, or states of another kind.
    #[must_use]
    pub fn descend<'x>(&self, top: impl Into<BatchRef<'x>>, streams: &Streams) -> Vec<Batch> {
        let top = match top.into() {
            BatchRef::Bits(bits) => bits.narrowed(self.directed.layers()[self.directed.depth()]),
            BatchRef::Reals(reals) => return vec![reals.clone().into()],
        };
        let Some(below) = &self.below else {
            return self.directed.descend(top, streams).into_iter().map(Batch::from).collect();
        };
        let hidden = self.descend_hidden(top, streams);
        let v = below.sample_v(&hidden[0], &streams.fork(Purpose::Layer, 0));
        std::iter::once(v).chain(hidden.into_iter().map(Batch::from)).collect()
    }

    /// A draw of v given x_1, of units that are not Bernoulli.
    pub(crate) fn sample_v(&self, x: &BitMatrix, streams: &Streams) -> Batch {
        match &self.below {
            Some(below) => below.sample_v(x, streams),
            None => self.machine.sample_v_from_h(x, streams),
        }
    }

    /// Draws of x_1, ..., x_(L-1) down from states of the last one.
    fn descend_hidden(&self, top: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let units = self.directed.layers();
        let mut layers = vec![top];
        for l in (0..self.directed.depth()).rev() {
            let above = &layers[layers.len() - 1];
            let mut x = BitMatrix::zeros(units[l], above.samples());
            let update = self.directed.from_above(l, above);
            update.sample_into(&mut x, &streams.fork(Purpose::Layer, l as u64 + 1));
            layers.push(x);
        }
        layers.reverse();
        layers
    }
}

/// The layers whose units are all binary: those above x_1 where there is a pair below.
fn binary<'a>(dbn: &'a Dbn, below: Option<&'a Below>) -> &'a Dbn {
    below.map_or(dbn, Below::upper)
}

impl Dbn {
    /// The weights arranged for passes through the layers.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }

    /// Means of the visible units given states of the first hidden layer, `[visible, samples]`, without label units.
    ///
    /// s(W_0 x_1 + b_0) of Bernoulli units, in a network of one hidden layer as in any other; those of a machine with W_0 and
    /// b_0 for units of another kind.
    ///
    /// # Panics
    ///
    /// When `x` has other units than the first hidden layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// assert_eq!(dbn.visible_means_from_h(&BitMatrix::zeros(3, 1)).get(2, 0), 0.5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn visible_means_from_h<'x>(&self, x: impl Into<BatchRef<'x>>) -> Activations {
        let coupling = Coupling::down(self.stack().weights(0));
        let update = LayerUpdate::new(self.stack().bias(0).as_slice()).given(&coupling, packed(x.into()));
        if *self.units() == VisibleUnits::Bernoulli {
            return update.means();
        }
        let mut means = update.inputs();
        self.units().means(&mut means);
        means
    }

    /// Means of every hidden layer, each from the means of the layer below: the network as a feed-forward one.
    ///
    /// m_1 = s(R_0' v + r_1), m_2 = s(R_1' m_1 + r_2), ..., and of the top layer s(W_(L-1)' m_(L-1) + b_L), with v / s^2 in place
    /// of v for Gaussian units; the weights of a label unit take no part.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, of numbers from 0 to 1, or of standardised ones for Gaussian units; element l - 1 of the result
    /// is m_l, `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 5.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let means = dbn.means_up_from_v(&Matrix::from_element(4, 1, 0.3));
    /// assert_eq!((means[0].shape(), means[1][(1, 0)]), ((3, 1), 0.5));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn means_up_from_v(&self, v: &Matrix) -> Vec<Matrix> {
        let (last, signal) = (self.depth() - 1, self.units().signal(v));
        let mut means: Vec<Matrix> = Vec::with_capacity(self.depth());
        for l in 1..=self.depth() {
            let (weights, bias) =
                if l <= last { self.recogniser(l) } else { (self.stack().weights(last), self.stack().bias(l)) };
            let mut m = dense_inputs_up(weights, means.last().unwrap_or(&signal), bias.as_slice());
            logistic_in_place(&mut m);
            means.push(m);
        }
        means
    }

    /// The average over samples of [`means_up_from_v`](Self::means_up_from_v), `[n_l]` for each hidden layer.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// assert_eq!(dbn.averages_up_from_v(&BitMatrix::zeros(4, 7))[1], [0.5; 2]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn averages_up_from_v<'v>(&self, v: impl Into<BatchRef<'v>>) -> Vec<Vec<f32>> {
        let v = v.into();
        let samples = v.samples().max(1) as f64;
        let average = |row: &[f32]| (row.iter().map(|&x| f64::from(x)).sum::<f64>() / samples) as f32;
        let of_layer = |means: &Matrix| means.transpose().as_slice().chunks(v.samples().max(1)).map(average).collect();
        self.means_up_from_v(&v.to_matrix()).iter().map(of_layer).collect()
    }
}
