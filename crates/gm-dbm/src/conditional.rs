//! Inputs, means and draws of one layer given its neighbours.

use gm_core::{
    Activations, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains, Coupling, LayerUpdate, Matrix, Streams,
    VisibleUnits, dense_inputs_up,
};
use rayon::prelude::*;

use crate::gibbs::Sampler;
use crate::model::Dbm;

/// The weights of a model, arranged for both directions of the layer engine.
#[derive(Clone, Debug)]
pub(crate) struct Couplings {
    up: Vec<Coupling>,
    down: Vec<Coupling>,
}

impl Couplings {
    pub(crate) fn new(dbm: &Dbm, arrangement: Arrangement) -> Self {
        let up = |l: usize| match arrangement {
            Arrangement::ManyDraws => Coupling::up(dbm.weights(l)).for_draws(),
            _ => Coupling::up(dbm.weights(l)),
        };
        let down = |l: usize| match arrangement {
            Arrangement::ManyDraws => Coupling::down(dbm.weights(l)).for_draws(),
            Arrangement::ManyDrawsOfV if l == 0 => Coupling::down(dbm.weights(l)).for_draws(),
            _ => Coupling::down(dbm.weights(l)),
        };
        Self { up: (0..dbm.depth()).map(up).collect(), down: (0..dbm.depth()).map(down).collect() }
    }

    /// Takes over changed weights of the same shape.
    pub(crate) fn refresh(&mut self, dbm: &Dbm) {
        self.up.par_iter_mut().zip(&mut self.down).enumerate().for_each(|(l, (up, down))| {
            rayon::join(|| up.refresh(dbm.weights(l)), || down.refresh(dbm.weights(l)));
        });
    }

    /// The conditional of layer `l` given the neighbours that are known.
    pub(crate) fn given<'a>(
        &'a self,
        dbm: &'a Dbm,
        l: usize,
        below: Option<BatchRef<'a>>,
        above: Option<&'a BitMatrix>,
    ) -> Conditional<'a> {
        let mut update = LayerUpdate::new(dbm.bias(l));
        let mut reals = None;
        match below {
            Some(BatchRef::Bits(below)) => update = update.given(&self.up[l - 1], below),
            Some(BatchRef::Reals(v)) => {
                assert!(l == 1, "real numbers in the visible layer alone");
                reals = Some(v);
            }
            None => {}
        }
        if let Some(above) = above {
            update = update.given(&self.down[l], above);
        }
        Conditional { dbm, l, update, reals, alone: above.is_none(), heat: (Beta::Same(1.0), None) }
    }

    /// The conditional of layer `l` given the states of its neighbours.
    pub(crate) fn conditional<'a>(&'a self, dbm: &'a Dbm, l: usize, states: &'a [Batch]) -> Conditional<'a> {
        self.conditional_from(dbm, l, |n| &states[n])
    }

    pub(crate) fn conditional_from<'a>(
        &'a self,
        dbm: &'a Dbm,
        l: usize,
        state: impl Fn(usize) -> &'a Batch,
    ) -> Conditional<'a> {
        let (below, above) = ((l > 0).then(|| state(l - 1).view()), (l < dbm.depth()).then(|| state(l + 1).bits()));
        self.given(dbm, l, below, above)
    }
}

impl Sampler {
    /// The conditional of layer `l` given the neighbours that are known. The input from an unknown neighbour is 0.
    ///
    /// # Panics
    ///
    /// When a neighbour does not exist or has other units, or when a hidden neighbour holds real numbers.
    #[must_use]
    pub fn given<'a>(&'a self, l: usize, below: Option<BatchRef<'a>>, above: Option<&'a BitMatrix>) -> Conditional<'a> {
        self.couplings().given(self.model(), l, below, above)
    }

    /// The conditional of layer `l` given the states of its neighbours.
    ///
    /// # Shapes
    ///
    /// `states[l]` is `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn conditional<'a>(&'a self, l: usize, states: &'a [Batch]) -> Conditional<'a> {
        self.couplings().conditional(self.model(), l, states)
    }

    /// b_l + W_(l-1)' x_(l-1) + W_l x_(l+1), `[n_l, samples]`, with v / s^2 in place of v for Gaussian units.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn inputs(&self, l: usize, states: &[Batch]) -> Activations {
        self.conditional(l, states).inputs()
    }

    /// E[x_l | its neighbours], `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn mean(&self, l: usize, states: &[Batch]) -> Activations {
        self.conditional(l, states).means()
    }

    /// E[v | x_1] given the hidden states of chains, `[visible, chains]`.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn mean_v_from_chains(&self, chains: &Chains) -> Activations {
        self.mean(0, &chains.layers)
    }

    /// A draw of x_l given its neighbours, `[n_l, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`Conditional::sample_into`].
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn sample(&self, l: usize, states: &[Batch], streams: &Streams) -> Batch {
        let mut x = self.model().blank_layer(l, states[0].samples());
        self.conditional(l, states).sample_into(&mut x, streams);
        x
    }
}

/// The kind of all hidden units.
const BINARY: &VisibleUnits = &VisibleUnits::Bernoulli;

/// The distribution of one layer given its neighbours.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, VisibleKind, VisibleUnits};
/// use gm_dbm::Dbm;
///
/// let units = VisibleUnits::new(VisibleKind::Gaussian, 2, Some(&[0.5, 2.0]))?;
/// let mut dbm = Dbm::from_stack(Stack::zeros(&[2, 3, 1])?)?.with_units(units)?;
/// dbm.stack_mut().update_weights(0, |w| w.fill(1.0));
/// let sampler = dbm.sampler();
/// // Hidden units see v / s^2.
/// let v = Matrix::from_column_slice(2, 1, &[1.0, 4.0]);
/// let top = BitMatrix::zeros(1, 1);
/// assert_eq!(sampler.given(1, Some((&v).into()), Some(&top)).inputs().get(0, 0), 4.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Conditional<'a> {
    dbm: &'a Dbm,
    l: usize,
    /// The input from biases and binary neighbours.
    update: LayerUpdate<'a>,
    /// The layer below, if it holds real-valued visible states.
    reals: Option<&'a Matrix>,
    /// Whether no neighbour above is given.
    alone: bool,
    heat: (Beta<'a>, Option<&'a [f32]>),
}

impl<'a> Conditional<'a> {
    /// The same layer at inverse temperatures: its inputs become beta inputs + (1 - beta) base.
    ///
    /// # Panics
    ///
    /// Unless `base` has a bias for each unit.
    #[must_use]
    pub fn tempered(self, beta: Beta<'a>, base: Option<&'a [f32]>) -> Self {
        Self { update: self.update.tempered(beta, base), heat: (beta, base), ..self }
    }

    /// The inputs, `[n_l, samples]`.
    #[must_use]
    pub fn inputs(&self) -> Activations {
        match self.reals {
            None => self.update.inputs(),
            Some(v) => Activations::from_matrix(&self.inputs_with(v)),
        }
    }

    /// [`inputs`](Self::inputs) into a buffer that may be reused.
    pub fn inputs_into(&self, out: &mut Activations) {
        match self.reals {
            None => self.update.inputs_into(out),
            Some(_) => *out = self.inputs(),
        }
    }

    /// Inputs from real-valued v below and bits above.
    pub(crate) fn inputs_with(&self, v: &Matrix) -> Matrix {
        let bias = self.dbm.bias(1);
        // If there is a layer above, the update adds the bias.
        let zeros = vec![0.0; bias.len()];
        let first = if self.alone { bias } else { &zeros };
        let mut inputs = dense_inputs_up(self.dbm.weights(0), &self.dbm.units().signal(v), first);
        let base = self.heat.1.filter(|_| self.alone);
        for (sample, mut column) in inputs.column_iter_mut().enumerate() {
            let beta = match self.heat.0 {
                Beta::Same(beta) => beta,
                Beta::Each(betas) => betas[sample],
            };
            column *= beta;
            if let Some(base) = base {
                column.iter_mut().zip(base).for_each(|(x, base)| *x += (1.0 - beta) * base);
            }
        }
        if !self.alone {
            inputs += self.update.inputs().to_matrix();
        }
        inputs
    }

    /// The means, `[n_l, samples]`.
    #[must_use]
    pub fn means(&self) -> Activations {
        if let (None, VisibleUnits::Bernoulli) = (self.reals, self.units()) {
            return self.update.means();
        }
        let mut means = self.inputs();
        self.units().means(&mut means);
        means
    }

    /// Draws the layer.
    ///
    /// # Randomness
    ///
    /// Binary units as [`LayerUpdate::sample_into`], other units as [`VisibleUnits::sample_into`].
    ///
    /// # Panics
    ///
    /// When the shape or the kind of states of `out` is not that of the layer.
    pub fn sample_into(&self, out: &mut Batch, streams: &Streams) {
        match (self.reals, self.units()) {
            (None, VisibleUnits::Bernoulli) => self.update.sample_into(out.bits_mut(), streams),
            (Some(_), _) => {
                let mut means = self.inputs();
                means.logistic();
                means.sample_into(out.bits_mut(), streams);
            }
            (None, units) => units.sample_into(&self.inputs(), out, streams),
        }
    }

    /// The kind of the units of the layer.
    fn units(&self) -> &'a VisibleUnits {
        if self.l == 0 { self.dbm.units() } else { BINARY }
    }
}

impl Dbm {
    /// The weights, arranged for few draws.
    pub(crate) fn couplings(&self) -> Couplings {
        Couplings::new(self, Arrangement::FewDraws)
    }

    /// States of a layer with all units off, or at 0 if they are real numbers.
    pub(crate) fn blank_layer(&self, l: usize, samples: usize) -> Batch {
        match l {
            0 => self.units().blank(self.visible(), samples),
            _ => BitMatrix::zeros(self.size(l), samples).into(),
        }
    }
}
