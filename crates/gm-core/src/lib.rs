//! What the four classic deep generative models of binary data share.
//!
//! All of them have the same parameters, a [`Stack`]: layers x_0 (visible), x_1, ..., x_L of binary
//! units, biases b_l and weights W_l of shape [n_l, n_(l+1)].

mod anneal;
mod bits;
mod engine;
mod enumerate;
mod error;
mod estimate;
mod kernels;
mod numerics;
mod stack;
mod streams;

pub use anneal::{AisSettings, Annealed, AnnealedPath, Progress, Schedule, anneal, unwatched};
pub use bits::BitMatrix;
pub use engine::{Activations, Beta, Coupling, LayerUpdate, add_coactivation, add_coactivation_counts};
pub use enumerate::{ENUMERATION_LIMIT, GrayWalk, gray_walk};
pub use error::{Error, FileError, Result, check_finite, check_len};
pub use estimate::{Estimate, Side, weights_ess};
pub use kernels::InstructionSet;
pub use numerics::{LogSum, log_mean_exp, log_sum_exp, logistic, logistic_f64, logit, softplus};
pub use stack::{Matrix, Stack, Vector};
pub use streams::{Purpose, Stream, Streams};
