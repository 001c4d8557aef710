//! States of Markov chains, the values that clamp them, and the record of a run of sweeps.

use crate::batch::Batch;
use crate::bits::BitMatrix;
use crate::error::{Error, Result, check_len};

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
    /// States of each layer, visible first. Gaussian visible units are real numbers, all other units are bits.
    pub layers: Vec<Batch>,
    /// The number of sweeps so far, which addresses the random numbers of the next sweep.
    pub sweeps: u64,
}

impl Chains {
    /// Chains before their first sweep.
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

    /// [`v`](Self::v) for changes in place.
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

    /// [`h`](Self::h) for changes in place.
    ///
    /// # Panics
    ///
    /// When there is no hidden layer.
    pub fn h_mut(&mut self) -> &mut BitMatrix {
        self.layers[1].bits_mut()
    }

    /// The visible and the first hidden layer, both for changes in place.
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

    /// Refuses states of other layers than those of a model, and an empty batch. `op` and `arg` name the operation and
    /// the argument.
    ///
    /// # Shapes
    ///
    /// `layers` holds the units of each layer, visible first.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of layers, of units of a layer, or of chains in a layer than in the first
    /// one; [`Error::Param`] for real numbers in a hidden layer, [`Error::Empty`] without chains.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Chains};
    ///
    /// let chains = Chains::new(vec![BitMatrix::zeros(4, 10).into(), BitMatrix::zeros(3, 10).into()]);
    /// assert!(chains.check("example", "chains", &[4, 3]).is_ok());
    /// let error = chains.check("example", "chains", &[4, 2]).unwrap_err();
    /// assert_eq!(error.to_string(), "example: `chains` has units 3, expected 2");
    /// ```
    pub fn check(&self, op: &'static str, arg: &'static str, layers: &[usize]) -> Result<()> {
        check_len(op, arg, "layers", self.layers.len(), layers.len())?;
        for (l, (states, &units)) in self.layers.iter().zip(layers).enumerate() {
            check_len(op, arg, "units", states.units(), units)?;
            check_len(op, arg, "samples", states.samples(), self.count())?;
            if l > 0 && states.as_bits().is_none() {
                let (value, allowed) = ("real numbers in a hidden layer".into(), "zeros and ones");
                return Err(Error::Param { op, arg, value, allowed });
            }
        }
        if self.count() == 0 { Err(Error::Empty { op, arg }) } else { Ok(()) }
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
    /// A mask of the given units, `[visible, chains]`.
    pub mask: BitMatrix,
    /// The given values, `[visible, chains]`.
    pub values: Batch,
}

/// The record of a run of sweeps.
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
    /// The number of sweeps.
    pub sweeps: usize,
    /// The share of units that changed, on average over the sweeps. It counts the visible units if they are drawn and
    /// binary, and hidden units otherwise.
    pub flips: f64,
}

/// The record of a run of parallel tempering.
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
    /// The number of sweeps. Swaps follow each of them.
    pub sweeps: usize,
    /// The share of units that changed, on average over sweeps and temperatures, counted as in [`StepInfo`].
    pub flips: f64,
    /// The share of proposed swaps that were accepted, between each temperature and the next.
    pub acceptance: Vec<f64>,
}
