//! The restricted Boltzmann machine,
//! p(v, h) = exp(a' v + b' h + v' W h) / Z with binary hidden units h.
//!
//! Visible units are binary, softmax (groups of which exactly one is on) or Gaussian (real numbers, with energy
//! sum_i (v_i - a_i)^2 / (2 s_i^2) - b' h - sum_ij (v_i / s_i^2) W_ij h_j).
//!
//! Given one layer, the units of the other are independent. Block Gibbs sampling therefore alternates between the two
//! layers. Z is exact if one layer has at most 30 units. For larger models annealed importance sampling estimates it.
//!
//! ```
//! use gm_core::{BitMatrix, Matrix, Streams, Vector};
//! use gm_rbm::Rbm;
//!
//! let rbm = Rbm::new(
//!     Matrix::from_row_slice(3, 2, &[1.0, -1.0, 0.5, 2.0, -0.5, 0.3]),
//!     Vector::from_vec(vec![0.1, -0.2, 0.3]),
//!     Vector::from_vec(vec![0.0, 0.4]),
//! )?;
//! let streams = Streams::new(7);
//! let mut chains = rbm.chains(100, &streams);
//! rbm.sampler().run(&mut chains, 50, &streams);
//!
//! let data = BitMatrix::from_fn(3, 2, |unit, sample| unit != sample);
//! let log_prob = rbm.log_prob(&data, rbm.log_partition()?)?;
//! assert!(log_prob.iter().all(|&x| x < 0.0));
//! # Ok::<(), gm_core::Error>(())
//! ```

mod annealed;
mod classes;
mod conditional;
mod gibbs;
mod gradient;
mod likelihood;
mod limits;
mod model;
mod pseudo;
mod rows;
mod tempering;
mod trajectory;

pub use annealed::base_rate_bias;
pub use classes::class_gradient_into;
pub use gibbs::Sampler;
pub use gm_core::{Arrangement, Chains, Clamp, Moments, Offsets, StepInfo, TemperingInfo};
pub use gradient::{Phase, contrastive_divergence, gradient, gradient_into, variance_gradient};
pub use likelihood::free_energy_gap;
pub use limits::{LOG_PARTITION_LIMIT, SAMPLES_LIMIT};
pub use model::Rbm;
pub use tempering::Replicas;
pub use trajectory::Trajectory;
