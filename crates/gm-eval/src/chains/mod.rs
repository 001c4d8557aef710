//! Markov chains of a model of any kind: free, clamped, of classes, at one temperature or tempered.
//!
//! Begin with `chains_of`, which starts the chains that suit a model. Each kind of model has a file of its own, `given`
//! puts given values into states, and `diagnostics` judges how well chains mix.

mod dbm;
mod dbn;
mod diagnostics;
mod given;
mod harmonium;
mod rbm;
mod sbn;
mod start;
mod tempered;

use std::fmt;

use gm_core::{Matrix, StepInfo, Watch};

use crate::error::Result;

pub use dbm::DbmChains;
pub use dbn::{DbnChains, DbnPosteriorChains};
pub use diagnostics::Diagnostics;
pub(crate) use diagnostics::PART;
pub use harmonium::{HarmoniumChains, TemperedHarmoniumChains};
pub use rbm::RbmChains;
pub use sbn::{SbnChains, SbnKernel, independent_samples, samples_below_tops};
pub use start::{ChainMethod, ChainSettings, SampleSource, chains_of};
pub use tempered::TemperedChains;

pub(crate) use sbn::PROPOSALS;

/// Markov chains of a model of any kind.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{ModelChains, RbmChains};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let mut chains = RbmChains::new(&rbm, 10, &Streams::new(1));
/// let info = chains.advance(20);
/// assert!(info.flips > 0.3 && chains.states().shape() == (4, 10));
/// assert_eq!(chains.means()[(0, 0)], 0.5);
/// let found = chains.advance_watched(200, &mut unwatched)?.expect("enough sweeps");
/// assert_eq!((found.chains, found.sweeps), (10, 100));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub trait ModelChains: fmt::Debug + Send {
    /// Makes sweeps, and tells the share of units that changed.
    fn advance(&mut self, sweeps: usize) -> StepInfo;

    /// The states as rows of data, `[units, chains]`.
    fn states(&self) -> Matrix;

    /// Means of the visible units given the layer above, as rows of data, `[units, chains]`. A given unit has its given
    /// value.
    fn means(&self) -> Matrix;

    /// The name of the way in which states are drawn.
    fn method(&self) -> &'static str;

    /// The name of the quantity by which the chains are watched.
    fn quantity(&self) -> &'static str;

    /// The watched quantity of each chain.
    fn quantities(&self) -> Vec<f64>;

    /// Whether all chains have the same distribution, so that they can be compared with each other.
    fn alike(&self) -> bool {
        true
    }

    /// Ends all adaptation. Chains are watched afterwards.
    fn settle(&mut self) {}

    /// Shares of accepted swaps between neighbouring temperatures, for chains at several temperatures.
    fn swaps(&self) -> Option<Vec<f64>> {
        None
    }

    /// Makes sweeps and watches the chains during the second half. Fewer than 16 sweeps give no diagnostics.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for a model whose energy overflows, [`gm_core::Error::Interrupted`] if `watch`
    /// breaks.
    fn advance_watched(&mut self, sweeps: usize, watch: Watch<'_>) -> Result<Option<Diagnostics>> {
        diagnostics::advance_watched(self, sweeps, watch)
    }
}
