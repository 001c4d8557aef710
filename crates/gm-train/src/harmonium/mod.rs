//! Training of harmoniums: restricted Boltzmann machines between any kinds of units.
//!
//! Begin with `settings.rs`; `learner.rs` makes the updates.

mod learner;
mod settings;

pub use learner::HarmoniumLearner;
pub use settings::HarmoniumSettings;
