//! The deep Boltzmann machine,
//! p(x) = exp(sum_l b_l' x_l + sum_l x_l' W_l x_(l+1)) / Z, with x_0 = v visible and x_1, ..., x_L hidden.
//!
//! Hidden units are binary. Visible units are binary, softmax groups (with the same formula) or Gaussian. With Gaussian
//! units -sum_i (v_i - a_i)^2 / (2 s_i^2) takes the place of b_0' v, and v / s^2 takes the place of v beside W_0.
//!
//! Given the odd layers, the units of the even layers are independent, and the other way round. Block Gibbs sampling
//! therefore alternates between the two halves, and exact computations enumerate the smaller half. The posterior of the
//! hidden layers is not factorial. Mean field finds the factorial distribution closest to it, and with it a lower bound
//! on log p(v).
//!
//! ```
//! use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector};
//! use gm_dbm::{Dbm, MeanFieldSettings};
//!
//! let dbm = Dbm::from_stack(Stack::new(
//!     vec![Matrix::from_row_slice(3, 2, &[1.0, -1.0, 0.5, 2.0, -0.5, 0.3]), Matrix::from_element(2, 1, 0.7)],
//!     vec![Vector::zeros(3), Vector::zeros(2), Vector::zeros(1)],
//! )?)?;
//! let streams = Streams::new(7);
//! let mut chains = dbm.chains(100, &streams);
//! dbm.sampler().run(&mut chains, 50, &streams);
//!
//! let data = BitMatrix::from_fn(3, 2, |unit, sample| unit != sample);
//! let log_partition = dbm.log_partition()?;
//! let exact = dbm.log_prob(&data, log_partition)?;
//! let bound = dbm.mean_field(&data, &MeanFieldSettings::default())?.bound(&dbm, &data, log_partition);
//! assert!(exact.iter().zip(&bound).all(|(exact, bound)| bound <= exact));
//! # Ok::<(), gm_core::Error>(())
//! ```

mod annealed;
mod conditional;
mod exact;
mod gibbs;
mod gradient;
mod importance;
mod likelihood;
mod limits;
mod mean_field;
mod model;
mod posterior;
mod pretraining;
mod rows;
mod tempering;

pub use conditional::Conditional;
pub use gibbs::Sampler;
pub use gm_core::{Arrangement, Chains, Clamp, Moments, Offsets, StepInfo, TemperingInfo, Weighted};
pub use gradient::{DataPhase, ModelPhase, gradient, gradient_into, variance_gradient};
pub use limits::{LOG_PARTITION_LIMIT, LOG_PROB_LIMIT, SAMPLES_LIMIT};
pub use mean_field::{MeanField, MeanFieldSettings, MeanFieldStart, UpdateOrder};
pub use model::Dbm;
pub use pretraining::{Pretraining, Scales};
pub use tempering::Replicas;

/// The README, whose example runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
