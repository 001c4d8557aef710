//! The figures of a report, as numbers to draw.
//!
//! `samples` has a model's samples over chain time with diagnostics, `activity` the hidden units' means over rows,
//! `weights` the filters, `contacts` the dependences of softmax groups, `moments` means and correlations, and `parameters`
//! statistics of tensors and units. Completions and reconstructions come from `complete` and `reconstruct`.

mod activity;
mod contacts;
mod moments;
mod parameters;
mod samples;
mod weights;

pub use activity::{LayerActivity, active_units, hidden_activity};
pub use contacts::Contacts;
pub use moments::Moments;
pub use parameters::{
    TensorStatistics, UnitStatistics, histogram, parameter_count, tensor_statistics, unit_statistics,
};
pub use samples::{SampleFigureSettings, SampleFigures, sample_figures};
pub use weights::{NamedWeights, Spectrum, first_layer_filters, named_weights, strongest_units, weights_to_visible};
