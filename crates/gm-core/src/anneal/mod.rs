//! Annealed importance sampling over any annealed path, with schedule, interval and effective sample size.
//!
//! A model implements [`AnnealedPath`]; [`anneal`] runs it from the base to the model, and [`anneal_back`] the other way.

mod path;
mod pilot;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

pub use path::AnnealedPath;
pub use run::{Annealed, anneal, anneal_back};
pub use schedule::{AisSettings, Schedule};
