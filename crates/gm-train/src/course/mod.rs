//! The course of training that all models share: batches, figures, checkpoints, early stopping.
//!
//! Begin with `trainer.rs`, whose loop asks a learner for updates, an observer for leave to go on, and a journal to keep
//! what a run has reached.

pub(crate) mod checkpoint;
pub(crate) mod guard;
pub(crate) mod monitor;
pub(crate) mod observer;
pub(crate) mod trainer;
