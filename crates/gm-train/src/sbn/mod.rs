//! Training of sigmoid belief nets.
//!
//! Begin with `rule.rs`, which says what each rule makes of its draws; `learner.rs` makes the updates from what each
//! shard has found by `shard.rs`, `baseline.rs` lowers the variance of one rule.

mod baseline;
mod lateral;
mod learner;
mod rule;
mod settings;
mod shard;

pub use lateral::Lateral;
pub use learner::SbnLearner;
pub use rule::SbnRule;
pub use settings::SbnSettings;
