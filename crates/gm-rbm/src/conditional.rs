//! Inputs, means and draws of one layer given the other.

use gm_core::{
    Activations, Batch, BatchRef, Beta, BitMatrix, Coupling, Groups, LayerUpdate, Matrix, Purpose, Streams,
    VisibleUnits, dense_inputs_down, dense_inputs_up, logistic_in_place,
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
    /// To the units in groups alone, where others are before them.
    groups: Option<Coupling>,
}

/// An inverse temperature and the visible biases of the independent model at 0: zero unless given.
///
/// f_beta(v, h) = exp(-beta E(v, h)) base(v)^(1 - beta) with base(v) = exp(base' v), or of Gaussian units
/// exp(-sum_i (v_i - base_i)^2 / (2 s_i^2)).
///
/// # Examples
///
/// ```
/// use gm_core::{Beta, Stack, Streams};
/// use gm_rbm::{Heat, Rbm};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let streams = Streams::new(1);
/// let mut chains = rbm.chains(10, &streams);
/// // At beta = 0 the base alone says which units are on.
/// let heat = Heat { beta: Beta::Same(0.0), base: Some(&[40.0, 40.0, -40.0, -40.0]) };
/// rbm.couplings().run_heated(&rbm, &mut chains, heat, 1, &streams);
/// assert_eq!(chains.v().bits().unit_counts(), [10, 10, 0, 0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Heat<'a> {
    /// Inverse temperatures.
    pub beta: Beta<'a>,
    /// Visible biases at beta = 0, `[visible]`.
    pub base: Option<&'a [f32]>,
}

impl Couplings {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new(rbm: &Rbm) -> Self {
        let groups = rows_of_groups(rbm).map(|rows| Coupling::down(&rows));
        Self { up: Coupling::up(rbm.weights()), down: Coupling::down(rbm.weights()), groups }
    }

    /// The same for many draws from weights that stay: see [`Coupling::for_draws`].
    #[must_use]
    pub fn for_draws(self) -> Self {
        let Self { up, down, groups } = self;
        Self { up: up.for_draws(), down: down.for_draws(), groups }
    }

    /// [`for_draws`](Self::for_draws) of the visible units alone: those of the hidden ones come from means where these are needed too.
    #[must_use]
    pub fn for_draws_of_v(self) -> Self {
        Self { down: self.down.for_draws(), ..self }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the model has other layer sizes.
    pub fn refresh(&mut self, rbm: &Rbm) {
        let Self { up, down, .. } = self;
        rayon::join(|| up.refresh(rbm.weights()), || down.refresh(rbm.weights()));
        if let (Some(groups), Some(rows)) = (&mut self.groups, rows_of_groups(rbm)) {
            groups.refresh(&rows);
        }
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

    /// The update of the units in groups given hidden states.
    fn group_update<'a>(&'a self, rbm: &'a Rbm, groups: &Groups, h: &'a BitMatrix) -> LayerUpdate<'a> {
        let coupling = self.groups.as_ref().unwrap_or(&self.down);
        LayerUpdate::new(&rbm.visible_bias()[groups.first()..]).given(coupling, h)
    }

    /// b + W' v, `[hidden, samples]`, with v / s^2 in place of v for Gaussian units.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn inputs_h_from_v<'v>(&self, rbm: &Rbm, v: impl Into<BatchRef<'v>>) -> Activations {
        let mut inputs = Activations::zeros(0, 0);
        self.inputs_into(rbm, v.into(), &mut inputs);
        inputs
    }

    /// [`inputs_h_from_v`](Self::inputs_h_from_v) into a buffer that may be reused.
    pub(crate) fn inputs_into(&self, rbm: &Rbm, v: BatchRef<'_>, inputs: &mut Activations) {
        match v {
            BatchRef::Bits(bits) => self.hidden_update(rbm, bits).inputs_into(inputs),
            BatchRef::Reals(reals) => *inputs = Activations::from_matrix(&rbm.inputs_h_from_v(reals)),
        }
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
    pub fn mean_h_from_v<'v>(&self, rbm: &Rbm, v: impl Into<BatchRef<'v>>) -> Activations {
        let mut means = Activations::zeros(0, 0);
        self.means_into(rbm, v.into(), &mut means);
        means
    }

    /// [`mean_h_from_v`](Self::mean_h_from_v) into a buffer that may be reused.
    pub(crate) fn means_into(&self, rbm: &Rbm, v: BatchRef<'_>, means: &mut Activations) {
        match v {
            BatchRef::Bits(bits) => self.hidden_update(rbm, bits).means_into(means),
            BatchRef::Reals(_) => {
                self.inputs_into(rbm, v, means);
                means.logistic();
            }
        }
    }

    /// E[v | h], `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h(&self, rbm: &Rbm, h: &BitMatrix) -> Activations {
        if *rbm.units() == VisibleUnits::Bernoulli {
            return self.visible_update(rbm, h).means();
        }
        let mut means = self.inputs_v_from_h(rbm, h);
        rbm.units().means(&mut means);
        means
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
    pub fn sample_h_from_v<'v>(&self, rbm: &Rbm, v: impl Into<BatchRef<'v>>, streams: &Streams) -> BitMatrix {
        let v = v.into();
        let mut h = BitMatrix::zeros(rbm.hidden(), v.samples());
        self.draw_h(rbm, v, None, &mut h, streams);
        h
    }

    /// A draw of v given h, `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`] for binary units; groups as [`Groups::sample_into`] from family 1 of
    /// [`Purpose::Choose`]; Gaussian units as [`gm_core::Gaussian::sample`].
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn sample_v_from_h(&self, rbm: &Rbm, h: &BitMatrix, streams: &Streams) -> Batch {
        let mut v = rbm.units().blank(rbm.visible(), h.samples());
        self.draw_v(rbm, h, None, &mut v, streams);
        v
    }

    /// [`sample_v_from_h`](Self::sample_v_from_h) in place, at a temperature.
    pub(crate) fn draw_v(&self, rbm: &Rbm, h: &BitMatrix, heat: Option<Heat<'_>>, v: &mut Batch, streams: &Streams) {
        let heated = |layer: LayerUpdate<'_>, first: usize, draw: &mut dyn FnMut(LayerUpdate<'_>)| match heat {
            Some(Heat { beta, base }) => draw(layer.tempered(beta, base.map(|base| &base[first..]))),
            None => draw(layer),
        };
        let all = self.visible_update(rbm, h);
        match rbm.units() {
            VisibleUnits::Gaussian(gaussian) => {
                heated(all, 0, &mut |layer| *v = Batch::Reals(gaussian.sample(&layer.inputs(), streams)));
            }
            VisibleUnits::Softmax(groups) => {
                if groups.first() > 0 {
                    heated(all, 0, &mut |layer| layer.sample_into(v.bits_mut(), streams));
                }
                let streams = streams.fork(Purpose::Choose, 1);
                heated(self.group_update(rbm, groups, h), groups.first(), &mut |layer| {
                    groups.sample_into(&layer.inputs(), v.bits_mut(), &streams);
                });
            }
            _ => heated(all, 0, &mut |layer| layer.sample_into(v.bits_mut(), streams)),
        }
    }

    /// [`sample_h_from_v`](Self::sample_h_from_v) in place, at a temperature.
    pub(crate) fn draw_h(
        &self,
        rbm: &Rbm,
        v: BatchRef<'_>,
        beta: Option<Beta<'_>>,
        h: &mut BitMatrix,
        streams: &Streams,
    ) {
        let beta = beta.unwrap_or(Beta::Same(1.0));
        match v {
            BatchRef::Bits(bits) => self.hidden_update(rbm, bits).tempered(beta, None).sample_into(h, streams),
            BatchRef::Reals(reals) => {
                let mut inputs = rbm.inputs_h_from_v(reals);
                for (sample, mut column) in inputs.column_iter_mut().enumerate() {
                    column *= match beta {
                        Beta::Same(beta) => beta,
                        Beta::Each(betas) => betas[sample],
                    };
                }
                let mut means = Activations::from_matrix(&inputs);
                means.logistic();
                means.sample_into(h, streams);
            }
        }
    }
}

/// The weights of the units in groups, where others are before them.
fn rows_of_groups(rbm: &Rbm) -> Option<Matrix> {
    let groups = rbm.units().groups().filter(|groups| groups.first() > 0)?;
    Some(rbm.weights().rows(groups.first(), rbm.visible() - groups.first()).into_owned())
}

impl Rbm {
    /// The weights arranged for the layer engine.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }

    /// b + W' v for real-valued v, `[hidden, samples]`, with v / s^2 in place of v for Gaussian units.
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
        dense_inputs_up(self.weights(), &self.units().signal(v), self.hidden_bias())
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

    /// E[v | h] for real-valued h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h(&self, h: &Matrix) -> Matrix {
        let mut means = Activations::from_matrix(&self.inputs_v_from_h(h));
        self.units().means(&mut means);
        means.to_matrix()
    }
}
