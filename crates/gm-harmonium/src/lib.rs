//! Restricted Boltzmann machines between layers of any kinds of units, also called exponential family harmoniums:
//! p(v, h) = exp(-E_v(v) - E_h(h) + v' W h) / Z.
//!
//! Either layer may have Bernoulli, spin, softmax, Gaussian, ReLU, double ReLU or binomial units, several kinds beside each
//! other, or a kind of one's own (see [`gm_core::layer`]). Given one layer, the sites of the other are independent, so that
//! block Gibbs sampling, annealed importance sampling and the gradient are the same for all kinds.
//!
//! The crate gm-rbm has the special case of binary hidden units, which is faster.
//!
//! ```
//! use gm_core::layer::LayerSpec;
//! use gm_core::{AisSettings, Matrix, Schedule, Streams, unwatched};
//! use gm_harmonium::Harmonium;
//!
//! let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
//! let weights = Matrix::from_fn(6, 2, |i, j| 0.5 * (i as f32 - 2.0) * (j as f32 - 0.5));
//! let model = Harmonium::new(layer("softmax:3", 6)?, layer("drelu", 2)?, weights)?;
//!
//! let streams = Streams::new(7);
//! let mut chains = model.chains(100, &streams);
//! model.sampler().run(&mut chains, 50, &streams);
//! let exact = model.log_prob(chains.v.view(), model.log_partition()?)?;
//! let settings = AisSettings { runs: 100, schedule: Schedule::Linear(200) };
//! let log_z = model.log_partition_ais(&settings, None, &streams, &mut unwatched)?.log_partition;
//! let annealed = model.log_prob(chains.v.view(), log_z.value)?;
//! assert!((exact[0] - annealed[0]).abs() < 0.2);
//! # Ok::<(), gm_core::Error>(())
//! ```

mod annealed;
mod exact;
mod gibbs;
mod gradient;
mod ladder;
mod model;
mod normalisable;

pub use exact::STATES_LIMIT;
pub use gibbs::{Chains, Sampler};
pub use gradient::Gradient;
pub use ladder::Ladder;
pub use model::Harmonium;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
