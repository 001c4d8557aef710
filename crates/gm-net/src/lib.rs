//! The feed-forward net that classifies, log p(k | v) = (W_L' x_L + b)_k - log sum_j exp (W_L' x_L + b)_j with
//! x_(l+1) = f(W_l' x_l + b_(l+1)) and x_0 = v.
//!
//! The weights below the last layer may be those of a generative model, which backpropagation then fine-tunes.
//!
//! ```
//! use gm_core::{Matrix, ModelData, ModelKind, Stack, Streams};
//! use gm_net::{Classifier, HiddenUnits};
//!
//! let dbn = ModelData::from_stack(ModelKind::Dbn, Stack::zeros(&[4, 3, 2])?)?;
//! let net = Classifier::from_model(dbn, 5, HiddenUnits::Sigmoid, &Streams::new(7))?;
//! assert_eq!((net.inputs(), net.classes()), (4, 5));
//! assert!(net.log_class_probs((&Matrix::zeros(4, 1)).into())?.iter().all(|&log_p| log_p < 0.0));
//! # Ok::<(), gm_core::Error>(())
//! ```

mod dropout;
mod gradient;
mod model;

pub use dropout::Dropout;
pub use gradient::Pass;
pub use model::{Classifier, HiddenUnits, with_features};

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
