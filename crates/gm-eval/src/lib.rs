//! Likelihoods of held-out data with the side of the truth that each figure lies on, and how well classes are told
//! apart, for models of every kind.
//!
//! Begin with `likelihood/mod.rs`, whose `evaluate` measures a model of any kind.
//!
//! ```
//! use gm_core::{BitMatrix, Stack, unwatched};
//! use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
//!
//! let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
//! let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
//! let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
//! assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
//! # Ok::<(), gm_eval::Error>(())
//! ```

mod classes;
mod error;
mod likelihood;
mod model;
mod report;
mod rows;
mod settings;

pub use classes::{ClassData, ClassReport, CrossEntropy, ErrorRate, classify, evaluate_classifier};
pub use error::{Error, Result};
pub use likelihood::{evaluate, evaluate_dbm, evaluate_dbn, evaluate_partition, evaluate_rbm, evaluate_sbn};
pub use model::{Model, convert_model};
pub use report::{
    DataReport, EvalReport, ImportanceReport, LogProbReport, LowerBound, PartitionReport, PseudoReport, ReverseReport,
};
pub use rows::EvalData;
pub use settings::{EvalSettings, Exact, TemperingSettings};

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
