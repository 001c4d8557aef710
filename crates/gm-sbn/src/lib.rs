//! The sigmoid belief net, p(x) = Ber(x_L; s(b_L)) prod_(l<L) Ber(x_l; s(W_l x_(l+1) + b_l)) with s(z) = 1 / (1 +
//! exp(-z)).
//!
//! Samples are drawn from the top layer down, without a Markov chain. The posterior of the hidden layers has no such
//! form: causes that were independent depend on each other once their effect is seen. It is enumerated in small nets,
//! and approached by Gibbs sampling, mean field, or a recognition net in large ones.
//!
//! ```
//! use gm_core::{Matrix, Recognition, Stack, Streams, Vector};
//! use gm_sbn::Sbn;
//!
//! let stack = Stack::new(
//!     vec![Matrix::from_row_slice(1, 2, &[6.0, 6.0])],
//!     vec![Vector::from_element(1, -3.0), Vector::from_vec(vec![-2.0, -2.0])],
//! )?;
//! let sbn = Sbn::new(stack, Some(Recognition::zeros(&[1, 2])?))?;
//! let layers = sbn.sample(100, &Streams::new(7));
//! assert_eq!(layers[0].samples(), 100);
//!
//! // One effect with two causes: seeing it makes each cause more likely, and the causes compete.
//! let seen = gm_core::BitMatrix::from_fn(1, 1, |_, _| true);
//! let posterior = sbn.posterior(&seen, 0)?;
//! assert!(posterior.means()[0] > 0.4 && posterior.correlation(0, 1) < -0.5);
//! assert!(sbn.log_prob(&seen)?[0] < 0.0);
//! # Ok::<(), gm_core::Error>(())
//! ```

mod conditional;
mod enumeration;
mod gibbs;
mod gradient;
mod likelihood;
mod limits;
mod mean_field;
mod model;
mod net;
mod posterior;
mod sampler;
mod walker;

pub use conditional::Passes;
pub use enumeration::Posterior;
pub use gm_core::Weighted;
pub use gradient::{Draws, Dreams, Generated, Recognised};
pub use likelihood::{BoundSettings, Bounds};
pub use limits::{BOUND_LIMIT, GRADIENT_LIMIT, LOG_PROB_LIMIT, POSTERIOR_LIMIT};
pub use mean_field::{MeanField, MeanFieldSettings};
pub use model::Sbn;
pub use net::{Directed, LogPrior, Net};
pub use sampler::Sampler;
