//! Training of deep Boltzmann machines.
//!
//! Begin with `settings.rs`; `learner.rs` trains all layers together, `pretrain.rs` one matrix at a time, `chains.rs` holds
//! the chains that go on between updates.

mod chains;
mod learner;
mod pretrain;
mod settings;

pub use learner::DbmLearner;
pub use settings::{DbmSettings, Pretrain};
