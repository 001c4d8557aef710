//! The engine that every model runs on: draw a layer given its neighbours, and count co-activations.
//!
//! Begin with [`Coupling`], the weights arranged for one direction, and [`LayerUpdate`], the inputs, means and draws of one layer.
//! [`Activations`] holds what a layer's units are given, and `coactivations_into` adds up statistics of two layers. All of them cut a
//! layer into panels of 64 units (`panel`) and let samples look up partial sums (`given`).

mod activations;
mod coactivation;
mod coupling;
mod draw;
mod fixed_point;
mod fixed_point_draw;
mod given;
mod layer;
mod panel;
mod rows;
#[cfg(test)]
mod tests;

pub use activations::Activations;
pub use coactivation::{Coactivation, add_coactivation_counts, coactivations_down_into, coactivations_into};
pub use coupling::Coupling;
pub use layer::{Beta, LayerUpdate};
