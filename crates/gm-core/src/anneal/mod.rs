//! Annealed importance sampling on any annealed path, with schedule, interval and effective sample size.
//!
//! A model implements [`AnnealedPath`]. [`anneal`] runs from the base distribution to the model, [`anneal_back`] from
//! the model to the base distribution. [`anneal_rows`] and [`anneal_rows_back`] do the same for the posterior of each row
//! of data.

mod path;
mod pilot;
mod rows;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

pub use path::AnnealedPath;
pub use rows::{anneal_rows, anneal_rows_back};
pub use run::{Annealed, anneal, anneal_back};
pub use schedule::{AisSettings, Schedule};
