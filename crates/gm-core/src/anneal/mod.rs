//! Annealed importance sampling on any annealed path, with schedule, interval and effective sample size.
//!
//! A model implements [`AnnealedPath`]. [`anneal`] runs from the base distribution to the model, [`anneal_back`] from
//! the model to the base distribution.

mod path;
mod pilot;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

pub use path::AnnealedPath;
pub use run::{Annealed, anneal, anneal_back};
pub use schedule::{AisSettings, Schedule};
