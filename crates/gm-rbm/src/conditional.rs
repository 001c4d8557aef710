//! Inputs, means and draws of one layer given the other.

use gm_core::{
    Activations, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains, Coupling, Groups, LayerUpdate, Matrix, Purpose,
    Streams, VisibleUnits, dense_inputs_down, dense_inputs_up, logistic_in_place,
};

use crate::gibbs::Sampler;
use crate::model::Rbm;

/// The weights of a model, arranged for both directions of the layer engine.
#[derive(Clone, Debug)]
pub(crate) struct Couplings {
    up: Coupling,
    down: Coupling,
    /// The weights of the units in groups, if other units come before them.
    groups: Option<Coupling>,
}

/// An inverse temperature and the visible biases of the independent units at inverse temperature 0.
///
/// f_beta(v, h) = exp(-beta E(v, h)) base(v)^(1 - beta) with base(v) = exp(base' v). For Gaussian units base(v) is
/// exp(-sum_i (v_i - base_i)^2 / (2 s_i^2)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heat<'a> {
    /// Inverse temperatures.
    pub(crate) beta: Beta<'a>,
    /// Visible biases at beta = 0, `[visible]`; zeros by default.
    pub(crate) base: Option<&'a [f32]>,
}

impl Couplings {
    pub(crate) fn new(rbm: &Rbm, arrangement: Arrangement) -> Self {
        let groups = rows_of_groups(rbm).map(|rows| Coupling::down(&rows));
        let (up, down) = (Coupling::up(rbm.weights()), Coupling::down(rbm.weights()));
        match arrangement {
            Arrangement::FewDraws => Self { up, down, groups },
            Arrangement::ManyDrawsOfV => Self { up, down: down.for_draws(), groups },
            Arrangement::ManyDraws => Self { up: up.for_draws(), down: down.for_draws(), groups },
        }
    }

    /// Takes over changed weights of the same shape.
    pub(crate) fn refresh(&mut self, rbm: &Rbm) {
        let Self { up, down, .. } = self;
        rayon::join(|| up.refresh(rbm.weights()), || down.refresh(rbm.weights()));
        if let (Some(groups), Some(rows)) = (&mut self.groups, rows_of_groups(rbm)) {
            groups.refresh(&rows);
        }
    }

    /// The update of the hidden layer given visible states.
    pub(crate) fn hidden_update<'a>(&'a self, rbm: &'a Rbm, v: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(rbm.hidden_bias()).given(&self.up, v)
    }

    /// The update of the visible layer given hidden states.
    pub(crate) fn visible_update<'a>(&'a self, rbm: &'a Rbm, h: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(rbm.visible_bias()).given(&self.down, h)
    }

    /// The update of the units in groups given hidden states.
    fn group_update<'a>(&'a self, rbm: &'a Rbm, groups: &Groups, h: &'a BitMatrix) -> LayerUpdate<'a> {
        let coupling = self.groups.as_ref().unwrap_or(&self.down);
        LayerUpdate::new(&rbm.visible_bias()[groups.first()..]).given(coupling, h)
    }

    pub(crate) fn inputs_h_from_v(&self, rbm: &Rbm, v: BatchRef<'_>) -> Activations {
        let mut inputs = Activations::zeros(0, 0);
        self.inputs_into(rbm, v, &mut inputs);
        inputs
    }

    /// [`inputs_h_from_v`](Self::inputs_h_from_v) into a buffer that may be reused.
    pub(crate) fn inputs_into(&self, rbm: &Rbm, v: BatchRef<'_>, inputs: &mut Activations) {
        match v {
            BatchRef::Bits(bits) => self.hidden_update(rbm, bits).inputs_into(inputs),
            BatchRef::Reals(reals) => *inputs = Activations::from_matrix(&rbm.inputs_h_from_v(reals)),
        }
    }

    pub(crate) fn mean_h_from_v(&self, rbm: &Rbm, v: BatchRef<'_>) -> Activations {
        let mut means = Activations::zeros(0, 0);
        self.means_into(rbm, v, &mut means);
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

    pub(crate) fn mean_v_from_h(&self, rbm: &Rbm, h: &BitMatrix) -> Activations {
        if *rbm.units() == VisibleUnits::Bernoulli {
            return self.visible_update(rbm, h).means();
        }
        let mut means = self.visible_update(rbm, h).inputs();
        rbm.units().means(&mut means);
        means
    }

    pub(crate) fn sample_h_from_v(&self, rbm: &Rbm, v: BatchRef<'_>, streams: &Streams) -> BitMatrix {
        let mut h = BitMatrix::zeros(rbm.hidden(), v.samples());
        self.draw_h(rbm, v, None, &mut h, streams);
        h
    }

    pub(crate) fn sample_v_from_h(&self, rbm: &Rbm, h: &BitMatrix, streams: &Streams) -> Batch {
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

impl Sampler {
    /// The update of the hidden layer given visible states.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn hidden_update<'a>(&'a self, v: &'a BitMatrix) -> LayerUpdate<'a> {
        self.couplings().hidden_update(self.model(), v)
    }

    /// The update of the visible layer given hidden states.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn visible_update<'a>(&'a self, h: &'a BitMatrix) -> LayerUpdate<'a> {
        self.couplings().visible_update(self.model(), h)
    }

    /// b + W' v, `[hidden, samples]`, with v / s^2 in place of v for Gaussian units.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn inputs_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>) -> Activations {
        self.couplings().inputs_h_from_v(self.model(), v.into())
    }

    /// a + W h, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn inputs_v_from_h(&self, h: &BitMatrix) -> Activations {
        self.visible_update(h).inputs()
    }

    /// E[h | v], `[hidden, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn mean_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>) -> Activations {
        self.couplings().mean_h_from_v(self.model(), v.into())
    }

    /// E[v | h], `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn mean_v_from_h(&self, h: &BitMatrix) -> Activations {
        self.couplings().mean_v_from_h(self.model(), h)
    }

    /// E[v | h] given the hidden states of chains, `[visible, chains]`.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn mean_v_from_chains(&self, chains: &Chains) -> Activations {
        self.mean_v_from_h(chains.h())
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
    pub fn sample_h_from_v<'v>(&self, v: impl Into<BatchRef<'v>>, streams: &Streams) -> BitMatrix {
        self.couplings().sample_h_from_v(self.model(), v.into(), streams)
    }

    /// A draw of v given h, `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// Binary units as [`LayerUpdate::sample_into`], groups as [`Groups::sample_into`] from family 1 of
    /// [`Purpose::Choose`], Gaussian units as [`gm_core::Gaussian::sample`].
    ///
    /// # Panics
    ///
    /// When `h` has other units than the hidden layer.
    #[must_use]
    pub fn sample_v_from_h(&self, h: &BitMatrix, streams: &Streams) -> Batch {
        self.couplings().sample_v_from_h(self.model(), h, streams)
    }
}

/// The weights of the units in groups, if other units come before them.
fn rows_of_groups(rbm: &Rbm) -> Option<Matrix> {
    let groups = rbm.units().groups().filter(|groups| groups.first() > 0)?;
    Some(rbm.weights().rows(groups.first(), rbm.visible() - groups.first()).into_owned())
}

impl Rbm {
    /// The weights, arranged for few draws.
    pub(crate) fn couplings(&self) -> Couplings {
        Couplings::new(self, Arrangement::FewDraws)
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
