//! Training of deep Boltzmann machines.
//!
//! Begin with `settings.rs`; `learner.rs` makes the updates from what each shard has found by `shard.rs`, with all layers
//! together or with one matrix at a time, `chains.rs` holds the chains that go on between updates.

mod chains;
mod learner;
mod settings;
mod shard;

pub use learner::DbmLearner;
pub use settings::{DbmSettings, Pretrain};
