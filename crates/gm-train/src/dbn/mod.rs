//! Training of deep belief networks.
//!
//! Begin with `settings.rs`; `learner.rs` adds layers one by one, `together.rs` trains all of them at the end, `labels.rs`
//! joins label units.

mod labels;
mod learner;
mod settings;
mod together;

pub use learner::DbnLearner;
pub use settings::{Backfit, DbnSettings, LayerInputs, LayerStart};
