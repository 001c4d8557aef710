//! The deep belief network, p(x) = [RBM over (x_(L-1), x_L)] prod_(l<L-1) Ber(x_l; s(W_l x_(l+1) + b_l)) with
//! s(z) = 1 / (1 + exp(-z)): a restricted Boltzmann machine on top, directed layers below.
//!
//! Hidden units are binary; visible ones may be softmax or Gaussian as well, in which case p(x_0 | x_1) is that of an
//! RBM with such units.
//!
//! It is built layer by layer. An RBM is unrolled into a network of two layers with tied weights, which is the same
//! distribution: the prior that the upper layer puts on x_1 is complementary, it makes the posterior factorial. The
//! lower layer is then frozen and a better prior is learnt. The posterior is no longer exact, and the evidence lower
//! bound measures the gain.
//!
//! ```
//! use gm_core::{BitMatrix, Matrix, Streams, Vector};
//! use gm_dbn::Dbn;
//! use gm_rbm::Rbm;
//!
//! let rbm = Rbm::new(
//!     Matrix::from_row_slice(3, 2, &[1.0, -1.0, 0.5, 2.0, -0.5, 0.3]),
//!     Vector::from_vec(vec![0.1, -0.2, 0.3]),
//!     Vector::from_vec(vec![0.0, 0.4]),
//! )?;
//! let dbn = Dbn::unroll(&rbm, 2)?; // the same p(v), one layer deeper
//! assert_eq!(dbn.layers(), [3, 2, 3]);
//!
//! let v = BitMatrix::from_fn(3, 2, |unit, sample| unit != sample);
//! let (shallow, deep) = (rbm.log_prob(&v, rbm.log_partition()?)?, dbn.log_prob(&v, dbn.log_partition()?)?);
//! assert!((shallow[0] - deep[0]).abs() < 1e-5);
//!
//! let streams = Streams::new(7);
//! let sampler = dbn.sampler();
//! let mut chains = dbn.chains(100, &streams);
//! sampler.run(&mut chains, 50, &streams); // in the RBM on top
//! assert_eq!(sampler.sample_layers_from_chains(&chains, &streams)[0].units(), 3); // and one pass down
//! # Ok::<(), gm_core::Error>(())
//! ```

mod below;
mod conditional;
mod enumeration;
mod first;
mod gibbs;
mod gradient;
mod growth;
mod likelihood;
mod limits;
mod model;
mod posterior;
mod rows;

pub use gibbs::Sampler;
pub use gm_core::Weighted;
pub use gm_sbn::Posterior;
pub use gradient::{Gradient, Sleep, Wake};
pub use growth::Growth;
pub use limits::TABLE_LIMIT;
pub use model::Dbn;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
