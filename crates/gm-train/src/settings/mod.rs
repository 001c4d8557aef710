//! Settings that several models share, each checked by itself.
//!
//! Begin with `rate.rs`, which says how the learning rate changes over a run;
//! `ranges.rs` checks numbers.

mod labels;
mod optimiser;
mod ranges;
mod rate;
mod regularise;
mod visible;

pub(crate) use labels::{classes_of, with_labels};
pub use optimiser::OptimiserSettings;
pub(crate) use ranges::Ranges;
pub(crate) use rate::in_force;
pub use rate::{Clock, Rate, warm_up};
pub use regularise::Regularise;
pub(crate) use regularise::pull_to_share;
pub use visible::Visible;
