//! The engine that every model runs on: draw a layer given its neighbours, and count co-activations.
//!
//! Begin with [`Coupling`], the weights arranged for one direction, and [`LayerUpdate`], the inputs, means and draws of
//! one layer. [`Activations`] holds inputs or means of a layer, and [`coactivations_into`] adds up statistics of two
//! layers. All of them cut a layer into panels of 64 units (`panel`) and add up partial sums that samples look up
//! (`given`). Units that depend on the units before them are drawn in turn ([`WithinLayer`]). Where weights also exist in fixed point (`fixed_point`), most draws are made from these.

mod activations;
mod coactivation;
mod coupling;
mod draw;
mod each;
mod fixed_point;
mod fixed_point_draw;
mod given;
mod layer;
mod panel;
mod rows;
mod scored;
#[cfg(test)]
mod tests;
mod within;

pub use activations::Activations;
pub use coactivation::{Coactivation, add_coactivation_counts, coactivations_down_into, coactivations_into};
pub use coupling::Coupling;
pub use layer::{Beta, LayerUpdate};
pub use within::WithinLayer;
