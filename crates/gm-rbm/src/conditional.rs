//! Inputs, means and draws of one layer given the other.

use gm_core::{
    Activations, BitMatrix, Coupling, LayerUpdate, Matrix, Streams, dense_inputs_down, dense_inputs_up,
    logistic_in_place,
};

use crate::model::Rbm;

/// A model's weights arranged for both directions of the layer engine.
///
/// Built once for a fixed model, refreshed after each update of a changing one.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_rbm::Rbm;
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let couplings = rbm.couplings();
/// let means = couplings.mean_h_from_v(&rbm, &BitMatrix::zeros(4, 2));
/// assert_eq!(means.get(2, 1), 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Couplings {
    up: Coupling,
    down: Coupling,
}

impl Couplings {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new(rbm: &Rbm) -> Self {
        Self { up: Coupling::up(rbm.weights()), down: Coupling::down(rbm.weights()) }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the model has other layer sizes.
    pub fn refresh(&mut self, rbm: &Rbm) {
        self.up.refresh(rbm.weights());
        self.down.refresh(rbm.weights());
    }

    /// The hidden layer's update given visible states.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn hidden_update<'a>(&'a self, rbm: &'a Rbm, v: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(rbm.hidden_bias()).given(&self.up, v)
    }

    /// The visible layer's update given hidden states.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn visible_update<'a>(&'a self, rbm: &'a Rbm, h: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(rbm.visible_bias()).given(&self.down, h)
    }

    /// b + W' v, `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn inputs_h_from_v(&self, rbm: &Rbm, v: &BitMatrix) -> Activations {
        self.hidden_update(rbm, v).inputs()
    }

    /// a + W h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn inputs_v_from_h(&self, rbm: &Rbm, h: &BitMatrix) -> Activations {
        self.visible_update(rbm, h).inputs()
    }

    /// E[h | v], `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn mean_h_from_v(&self, rbm: &Rbm, v: &BitMatrix) -> Activations {
        self.hidden_update(rbm, v).means()
    }

    /// E[v | h], `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h(&self, rbm: &Rbm, h: &BitMatrix) -> Activations {
        self.visible_update(rbm, h).means()
    }

    /// A draw of h given v, `[hidden, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn sample_h_from_v(&self, rbm: &Rbm, v: &BitMatrix, streams: &Streams) -> BitMatrix {
        let mut h = BitMatrix::zeros(rbm.hidden(), v.samples());
        self.hidden_update(rbm, v).sample_into(&mut h, streams);
        h
    }

    /// A draw of v given h, `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn sample_v_from_h(&self, rbm: &Rbm, h: &BitMatrix, streams: &Streams) -> BitMatrix {
        let mut v = BitMatrix::zeros(rbm.visible(), h.samples());
        self.visible_update(rbm, h).sample_into(&mut v, streams);
        v
    }
}

impl Rbm {
    /// The weights arranged for the layer engine.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }

    /// b + W' v for real-valued v, `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
    /// assert_eq!(rbm.inputs_h_from_v(&Matrix::from_element(4, 1, 0.5)).shape(), (3, 1));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn inputs_h_from_v(&self, v: &Matrix) -> Matrix {
        dense_inputs_up(self.weights(), v, self.hidden_bias())
    }

    /// a + W h for real-valued h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn inputs_v_from_h(&self, h: &Matrix) -> Matrix {
        dense_inputs_down(self.weights(), h, self.visible_bias())
    }

    /// logistic(b + W' v) for real-valued v, `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn mean_h_from_v(&self, v: &Matrix) -> Matrix {
        let mut means = self.inputs_h_from_v(v);
        logistic_in_place(&mut means);
        means
    }

    /// logistic(a + W h) for real-valued h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h(&self, h: &Matrix) -> Matrix {
        let mut means = self.inputs_v_from_h(h);
        logistic_in_place(&mut means);
        means
    }
}
