//! Training of feed-forward nets that classify.
//!
//! Begin with `settings.rs`, which also says what the net learns from; `learner.rs` makes the updates.

mod learner;
mod settings;

pub use learner::ClassifierLearner;
pub use settings::ClassifierSettings;
