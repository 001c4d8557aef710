//! Inputs, means and draws of one layer given its neighbours.

use gm_core::{Activations, BitMatrix, Coupling, LayerUpdate, Streams};

use crate::model::Dbm;

/// A model's weights arranged for both directions of the layer engine.
///
/// Built once for a fixed model, refreshed after each update of a changing one.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_dbm::Dbm;
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let states = [4, 3, 2].map(|units| BitMatrix::zeros(units, 5));
/// assert_eq!(dbm.couplings().mean(&dbm, 1, &states).get(2, 4), 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Couplings {
    up: Vec<Coupling>,
    down: Vec<Coupling>,
}

impl Couplings {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new(dbm: &Dbm) -> Self {
        let weights = || (0..dbm.depth()).map(|l| dbm.weights(l));
        Self { up: weights().map(Coupling::up).collect(), down: weights().map(Coupling::down).collect() }
    }

    /// Takes over changed weights.
    ///
    /// # Panics
    ///
    /// When the model has other layer sizes.
    pub fn refresh(&mut self, dbm: &Dbm) {
        for (l, (up, down)) in self.up.iter_mut().zip(&mut self.down).enumerate() {
            up.refresh(dbm.weights(l));
            down.refresh(dbm.weights(l));
        }
    }

    /// The update of layer `l` given those neighbours that are known; without one of them its input counts as 0.
    ///
    /// # Panics
    ///
    /// When a neighbour is not there or has other units.
    #[must_use]
    pub fn given<'a>(
        &'a self,
        dbm: &'a Dbm,
        l: usize,
        below: Option<&'a BitMatrix>,
        above: Option<&'a BitMatrix>,
    ) -> LayerUpdate<'a> {
        let mut update = LayerUpdate::new(dbm.bias(l));
        if let Some(below) = below {
            update = update.given(&self.up[l - 1], below);
        }
        if let Some(above) = above {
            update = update.given(&self.down[l], above);
        }
        update
    }

    /// The update of layer `l` given the states of its neighbours among all layers.
    ///
    /// # Shapes
    ///
    /// `states[l]` is `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn update<'a>(&'a self, dbm: &'a Dbm, l: usize, states: &'a [BitMatrix]) -> LayerUpdate<'a> {
        self.update_from(dbm, l, |n| &states[n])
    }

    pub(crate) fn update_from<'a>(
        &'a self,
        dbm: &'a Dbm,
        l: usize,
        state: impl Fn(usize) -> &'a BitMatrix,
    ) -> LayerUpdate<'a> {
        self.given(dbm, l, (l > 0).then(|| state(l - 1)), (l < dbm.depth()).then(|| state(l + 1)))
    }

    /// b_l + W_(l-1)' x_(l-1) + W_l x_(l+1), `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn inputs(&self, dbm: &Dbm, l: usize, states: &[BitMatrix]) -> Activations {
        self.update(dbm, l, states).inputs()
    }

    /// E[x_l | its neighbours], `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn mean(&self, dbm: &Dbm, l: usize, states: &[BitMatrix]) -> Activations {
        self.update(dbm, l, states).means()
    }

    /// A draw of x_l given its neighbours, `[n_l, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn sample(&self, dbm: &Dbm, l: usize, states: &[BitMatrix], streams: &Streams) -> BitMatrix {
        let mut x = BitMatrix::zeros(dbm.units(l), states[0].samples());
        self.update(dbm, l, states).sample_into(&mut x, streams);
        x
    }
}

impl Dbm {
    /// The weights arranged for the layer engine.
    #[must_use]
    pub fn couplings(&self) -> Couplings {
        Couplings::new(self)
    }
}
