//! Training of restricted Boltzmann machines.
//!
//! Begin with `settings.rs`; `learner.rs` makes the updates, `chains.rs` holds the chains that go on between them.

mod chains;
mod learner;
mod settings;

pub use learner::RbmLearner;
pub(crate) use learner::WATCHED;
pub use settings::{Algorithm, RbmSettings};
