//! Gradient ascent that knows no model: learning rates, optimisers, penalties, and the states that checkpoints keep.
//!
//! With rate r, gradient g and penalties l1 and l2, an update of plain ascent moves a weight w to
//! w + r (g - l2 w - l1 sign w).
//!
//! ```
//! use gm_ascent::{Optimiser, OptimiserSettings, Regularise};
//! use gm_core::Stack;
//!
//! let (mut parameters, mut gradient) = (Stack::zeros(&[2, 1])?, Stack::zeros(&[2, 1])?);
//! gradient.bias_mut(0)[1] = 4.0;
//! let mut optimiser = Optimiser::new("nesterov:0.5".parse::<OptimiserSettings>()?, &parameters);
//! optimiser.apply(&mut parameters, &gradient, 0.25, &Regularise::default());
//! assert_eq!(parameters.bias(0).as_slice(), [0.0, 1.5]);
//! # Ok::<(), gm_core::Error>(())
//! ```

mod ascent;
mod division;
mod figures;
mod guard;
mod optimiser;
mod ranges;
mod rate;
mod regularise;
mod settings;
mod shards;
mod state;
mod threads;

pub use ascent::{Ascending, Ascent, Pace, Slope, named};
pub use figures::Figures;
pub use guard::Divergence;
pub use optimiser::{Optimiser, OptimiserState};
pub use ranges::Ranges;
pub use rate::{Clock, Rate, in_force, warm_up};
pub use regularise::{Regularise, pull_to_share};
pub use settings::OptimiserSettings;
pub use shards::{Exchange, Found, MOST_SHARDS, Team};
pub use state::{BitsState, ChainsState, LayerState, LearnerState, ParametersState, take};
pub use threads::threads;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
