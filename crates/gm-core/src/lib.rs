//! The common ground of the four classic deep generative models of binary data: parameters, kernels, random streams and
//! files.
//!
//! All of them have the same parameters, a [`Stack`]: layers x_0 (visible), x_1, ..., x_L of binary units, biases b_l and
//! weights W_l of shape `[n_l, n_(l+1)]`. All of them spend their time in the same operation: a [`LayerUpdate`] draws a
//! layer given the states of its neighbours.
//!
//! # Examples
//!
//! ```
//! use gm_core::{BitMatrix, Coupling, LayerUpdate, Stack, Streams};
//!
//! // Draws the visible layer of 100 samples, given hidden states.
//! let stack = Stack::zeros(&[784, 64])?;
//! let (down, h) = (Coupling::down(stack.weights(0)), BitMatrix::zeros(64, 100));
//! let mut v = BitMatrix::zeros(784, 100);
//! LayerUpdate::new(stack.bias(0).as_slice()).given(&down, &h).sample_into(&mut v, &Streams::new(7));
//! assert!((v.ones() as f64 / 78_400.0 - 0.5).abs() < 0.02);
//! # Ok::<(), gm_core::Error>(())
//! ```

mod activity;
mod anneal;
mod arrangement;
mod batch;
mod bipartite;
mod bits;
mod centre;
mod chains;
mod dense;
mod diagnostics;
mod engine;
mod enumerate;
mod error;
mod estimate;
mod files;
mod kernels;
mod labels;
pub mod layer;
mod model_data;
mod moments;
mod numerics;
mod recognition;
mod stack;
mod streams;
mod tempering;
mod units;
mod visible;
mod watch;

pub use activity::active_units;
pub use anneal::{AisSettings, Annealed, AnnealedPath, Schedule, anneal, anneal_back, anneal_rows, anneal_rows_back};
pub use arrangement::Arrangement;
pub use batch::{Batch, BatchRef};
pub use bipartite::{Bipartite, BipartiteMoments};
pub use bits::BitMatrix;
pub use centre::{Offsets, centre};
pub use chains::{Chains, Clamp, StepInfo, TemperingInfo};
pub use dense::{
    dense_add_down, dense_add_up, dense_coactivations_into, dense_inputs_down, dense_inputs_up,
    dense_rows_coactivations_into, dense_rows_down, dense_rows_up, logistic_in_place,
};
pub use diagnostics::{autocorrelation_time, effective_sample_size, split_r_hat};
pub use engine::{
    Activations, Beta, Coactivation, Coupling, LayerUpdate, WithinLayer, add_coactivation_counts,
    coactivations_down_into, coactivations_into,
};
pub use enumerate::{ENUMERATION_LIMIT, GrayWalk, gray_walk, gray_walk_watched};
pub use error::{Error, FileError, Result, check_finite, check_len};
pub use estimate::{Estimate, Side, Weighted, weights_ess};
pub use files::{EnvelopeKind, Format, read_envelope, write_envelope};
pub use kernels::InstructionSet;
pub use labels::Labels;
pub use model_data::ModelData;
pub use moments::Moments;
pub use numerics::{
    LogSum, log_mean_exp, log_sum_exp, logistic, logistic_f64, logit, mean, rms, softplus, softplus_sum, widened,
};
pub use recognition::Recognition;
pub use stack::{Matrix, Stack, Vector, normal_matrix};
pub use streams::{Purpose, Stream, Streams};
pub use tempering::{check_temperatures, even_temperatures};
pub use units::{ModelKind, VisibleKind};
pub use visible::{Gaussian, Groups, Standardise, VisibleUnits};
pub use watch::{Progress, Watch, unwatched};
