//! Training of restricted Boltzmann machines.
//!
//! Begin with `settings.rs`; `learner.rs` makes the updates from what each shard has found by `shard.rs`, `chains.rs` holds the
//! chains that go on between them.

mod chains;
mod learner;
mod settings;
mod shard;

pub use learner::RbmLearner;
pub(crate) use learner::WATCHED;
pub use settings::{Algorithm, RbmSettings};
