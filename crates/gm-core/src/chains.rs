//! States of Markov chains, the values that clamp them, and what a run of sweeps did to them.

use crate::batch::Batch;
use crate::bits::BitMatrix;

/// States of a batch of Markov chains.
///
/// # Shapes
///
/// `layers[l]` is `[n_l, chains]`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Chains};
///
/// let mut chains = Chains::new(vec![BitMatrix::zeros(4, 10).into(), BitMatrix::zeros(3, 10).into()]);
/// assert_eq!((chains.count(), chains.v().units(), chains.h().units()), (10, 4, 3));
/// chains.h_mut().set(2, 9, true);
/// assert_eq!(chains.select(&[9]).h().ones(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    /// States of each layer, visible first. All of them are bits, Gaussian visible units aside.
    pub layers: Vec<Batch>,
    /// Sweeps made so far; it addresses the random numbers of the next one.
    pub sweeps: u64,
}

impl Chains {
    /// Chains that have not made a sweep yet.
    #[must_use]
    pub fn new(layers: Vec<Batch>) -> Self {
        Self { layers, sweeps: 0 }
    }

    /// The number of chains.
    #[must_use]
    pub fn count(&self) -> usize {
        self.layers.first().map_or(0, Batch::samples)
    }

    /// States of the visible layer, `[visible, chains]`.
    ///
    /// # Panics
    ///
    /// When there are no layers.
    #[must_use]
    pub fn v(&self) -> &Batch {
        &self.layers[0]
    }

    /// [`v`](Self::v) for in-place changes.
    ///
    /// # Panics
    ///
    /// When there are no layers.
    pub fn v_mut(&mut self) -> &mut Batch {
        &mut self.layers[0]
    }

    /// States of the first hidden layer, `[n_1, chains]`.
    ///
    /// # Panics
    ///
    /// When there is no hidden layer.
    #[must_use]
    pub fn h(&self) -> &BitMatrix {
        self.layers[1].bits()
    }

    /// [`h`](Self::h) for in-place changes.
    ///
    /// # Panics
    ///
    /// When there is no hidden layer.
    pub fn h_mut(&mut self) -> &mut BitMatrix {
        self.layers[1].bits_mut()
    }

    /// The visible and the first hidden layer, both for in-place changes.
    ///
    /// # Panics
    ///
    /// When there is no hidden layer.
    pub fn v_and_h_mut(&mut self) -> (&mut Batch, &mut BitMatrix) {
        let (visible, hidden) = self.layers.split_at_mut(1);
        (&mut visible[0], hidden[0].bits_mut())
    }

    /// The states of the visible layer alone.
    ///
    /// # Panics
    ///
    /// When there are no layers.
    #[must_use]
    pub fn into_v(mut self) -> Batch {
        self.layers.swap_remove(0)
    }

    /// The given chains, in the given order.
    ///
    /// # Panics
    ///
    /// When a chain is out of range.
    #[must_use]
    pub fn select(&self, chains: &[usize]) -> Self {
        Self { layers: self.layers.iter().map(|layer| layer.select(chains)).collect(), sweeps: self.sweeps }
    }
}

/// Visible units that keep given values.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Clamp};
///
/// // The first half of each picture is given, and all of its pixels are on.
/// let mask = BitMatrix::from_fn(6, 50, |unit, _| unit < 3);
/// let clamp = Clamp { values: mask.clone().into(), mask };
/// assert_eq!((clamp.mask.ones(), clamp.values.bits().ones()), (150, 150));
/// ```
#[derive(Clone, Debug)]
pub struct Clamp {
    /// On where a unit is given, `[visible, chains]`.
    pub mask: BitMatrix,
    /// The given values, `[visible, chains]`.
    pub values: Batch,
}

/// What a run of sweeps did.
///
/// # Examples
///
/// ```
/// use gm_core::StepInfo;
///
/// // Chains of which no unit ever flips do not mix.
/// let info = StepInfo { sweeps: 5, flips: 0.0 };
/// assert!(info.sweeps > 0 && info.flips == 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
    /// Sweeps made.
    pub sweeps: usize,
    /// Share of units that changed, on average over the sweeps. The visible units are counted where they are drawn and
    /// binary, otherwise hidden units are.
    pub flips: f64,
}

/// What a run of parallel tempering did.
///
/// # Examples
///
/// ```
/// use gm_core::TemperingInfo;
///
/// let info = TemperingInfo { sweeps: 10, flips: 0.3, acceptance: vec![0.4, 0.01] };
/// // Few states pass between the second and the third temperature.
/// assert!(info.acceptance.iter().any(|&share| share < 0.05));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TemperingInfo {
    /// Sweeps made, each followed by swaps.
    pub sweeps: usize,
    /// Share of units that changed, on average over sweeps and temperatures; counted as in [`StepInfo`].
    pub flips: f64,
    /// Share of the offered swaps that were made, between each temperature and the next.
    pub acceptance: Vec<f64>,
}
