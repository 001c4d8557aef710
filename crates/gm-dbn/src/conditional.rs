//! Passes through the layers: recognition upwards, generation downwards.

use gm_core::{
    Activations, Arrangement, Batch, BatchRef, BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams, VisibleUnits,
};
use gm_rbm::Rbm;

use crate::below::Below;
use crate::model::{Dbn, packed};

/// The weights of a network, arranged for passes through the layers and for sweeps of the RBM on top.
#[derive(Clone, Debug)]
pub(crate) struct Arranged {
    /// The directed layers; with visible units that are not Bernoulli, the directed layers above x_1.
    pub(crate) directed: gm_sbn::Passes,
    pub(crate) below: Option<Below>,
    pub(crate) top: gm_rbm::Sampler,
}

impl Arranged {
    pub(crate) fn new(dbn: &Dbn, arrangement: Arrangement) -> Self {
        let below = Below::new(dbn);
        let directed = gm_sbn::Passes::new(binary(dbn, below.as_ref()).directed());
        Self { directed, below, top: gm_rbm::Sampler::new(dbn.top(), arrangement) }
    }

    /// Takes over changed parameters of a network with the same layers.
    pub(crate) fn refresh(&mut self, dbn: &Dbn) {
        self.below = Below::new(dbn);
        self.directed.refresh(binary(dbn, self.below.as_ref()).directed());
        self.top.update(|rbm| *rbm = dbn.top());
    }

    /// The RBM on top.
    pub(crate) fn rbm(&self) -> &Rbm {
        self.top.model()
    }

    /// Draws of the recognition net, joined with the given visible layer: x_0, ..., x_(L-1).
    pub(crate) fn recognise(&self, v: Batch, streams: &Streams) -> Vec<Batch> {
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

    /// Draws of the layers below given states of the lower layer of the RBM: x_0, ..., x_(L-1).
    pub(crate) fn descend(&self, top: BatchRef<'_>, streams: &Streams) -> Vec<Batch> {
        let top = match top {
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
            None => self.top.sample_v_from_h(x, streams),
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
    /// The weights, arranged for a few draws.
    pub(crate) fn arranged(&self) -> Arranged {
        Arranged::new(self, Arrangement::FewDraws)
    }

    /// Means of the visible units given states of the first hidden layer, `[visible, samples]`, without label units.
    ///
    /// For Bernoulli units they are s(W_0 x_1 + b_0), in a network of one hidden layer as in any other. For units of
    /// another kind they are the means that an RBM with W_0 and b_0 gives.
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
    /// m_1 = s(R_0' v + r_1), m_2 = s(R_1' m_1 + r_2), ..., and of the top layer s(W_(L-1)' m_(L-1) + b_L), with v /
    /// s^2 in place of v for Gaussian units; the weights of a label unit take no part.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, of numbers from 0 to 1, or of standardised ones for Gaussian units; element l - 1
    /// of the result is m_l, `[n_l, samples]`.
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
        self.directed().with_units(self.units()).means_up(v)
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
