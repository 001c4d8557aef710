//! Passes through the layers: recognition upwards, generation downwards.

use gm_core::{Activations, BitMatrix, Coupling, LayerUpdate, Matrix, Streams, dense_inputs_up, logistic_in_place};
use gm_rbm::Rbm;

use crate::model::Dbn;

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
/// let layers = dbn.couplings().recognise(&dbn, BitMatrix::zeros(4, 10), &Streams::new(1));
/// assert_eq!((layers.len(), layers[1].units()), (2, 3)); // up to the lower layer of the machine
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Couplings {
    pub(crate) directed: gm_sbn::Couplings,
    pub(crate) top: Rbm,
    pub(crate) machine: gm_rbm::Couplings,
}

impl Couplings {
    /// Arranges the weights of a network.
    #[must_use]
    pub fn new(dbn: &Dbn) -> Self {
        let top = dbn.top();
        Self { directed: gm_sbn::Couplings::new(dbn.passes()), machine: top.couplings(), top }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the network has other layer sizes.
    pub fn refresh(&mut self, dbn: &Dbn) {
        self.directed.refresh(dbn.passes());
        self.top = dbn.top();
        self.machine.refresh(&self.top);
    }

    /// The machine on top, as it was arranged.
    #[must_use]
    pub fn top(&self) -> &Rbm {
        &self.top
    }

    /// The weights of the machine on top, arranged.
    #[must_use]
    pub fn machine(&self) -> &gm_rbm::Couplings {
        &self.machine
    }

    /// Draws of the recognition net, joined with the given visible layer: x_0, ..., x_(L-1).
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Couplings::recognise`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn recognise(&self, dbn: &Dbn, v: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        self.directed.recognise(dbn.passes(), v, streams)
    }

    /// Draws of the layers below given states of the lower layer of the machine: x_0, ..., x_(L-1).
    ///
    /// # Shapes
    ///
    /// `top` is `[n_(L-1), samples]`, with or without label units behind.
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Couplings::descend`].
    ///
    /// # Panics
    ///
    /// When `top` has other units.
    #[must_use]
    pub fn descend(&self, dbn: &Dbn, top: &BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let plain = top.narrowed(dbn.stack().bias(dbn.depth() - 1).len());
        self.directed.descend(dbn.passes(), plain, streams)
    }
}

impl Dbn {
    /// The weights arranged for passes through the layers.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }

    /// Means of the visible units given states of the first hidden layer, `[visible, samples]`, without label units.
    ///
    /// s(W_0 x_1 + b_0), in a network of one hidden layer as in any other.
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
    pub fn visible_means_from_h(&self, x: &BitMatrix) -> Activations {
        let coupling = Coupling::down(self.stack().weights(0));
        LayerUpdate::new(self.stack().bias(0).as_slice()).given(&coupling, x).means()
    }

    /// Means of every hidden layer, each from the means of the layer below: the network as a feed-forward one.
    ///
    /// m_1 = s(R_0' v + r_1), m_2 = s(R_1' m_1 + r_2), ..., and of the top layer s(W_(L-1)' m_(L-1) + b_L); the weights of a
    /// label unit take no part.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, of numbers from 0 to 1; element l - 1 of the result is m_l, `[n_l, samples]`.
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
        let last = self.depth() - 1;
        let mut means: Vec<Matrix> = Vec::with_capacity(self.depth());
        for l in 1..=self.depth() {
            let (weights, bias) =
                if l <= last { self.recogniser(l) } else { (self.stack().weights(last), self.stack().bias(l)) };
            let mut m = dense_inputs_up(weights, means.last().unwrap_or(v), bias.as_slice());
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
    pub fn averages_up_from_v(&self, v: &BitMatrix) -> Vec<Vec<f32>> {
        let samples = v.samples().max(1) as f64;
        let average = |row: &[f32]| (row.iter().map(|&x| f64::from(x)).sum::<f64>() / samples) as f32;
        let of_layer = |means: &Matrix| means.transpose().as_slice().chunks(v.samples().max(1)).map(average).collect();
        self.means_up_from_v(&v.to_matrix()).iter().map(of_layer).collect()
    }
}
