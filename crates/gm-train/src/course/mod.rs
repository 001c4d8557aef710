//! The course of training that all models share: batches, figures, checkpoints, early stopping.
//!
//! Begin with `trainer.rs`, whose loop takes batches from `examples.rs`, asks a learner for updates and an observer for leave
//! to go on, and leaves what a run has reached in a journal.

mod checkpoint;
mod examples;
mod journal;
mod metrics;
mod monitor;
mod observer;
mod trainer;

pub use checkpoint::CheckpointInfo;
#[cfg(test)]
pub(crate) use checkpoint::list;
pub(crate) use checkpoint::{Checkpoint, DataMark, gathered, sweep_up};
pub(crate) use examples::{Examples, Plan};
pub(crate) use journal::{History, Journal, Silent, is_due};
pub use metrics::EpochRecord;
pub(crate) use metrics::Metrics;
pub use monitor::{MonitorSettings, StopOn};
pub use observer::{Event, Observer, Unobserved};
pub use trainer::Outcome;
pub(crate) use trainer::Trainer;
