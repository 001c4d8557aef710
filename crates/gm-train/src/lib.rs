//! Data sets, optimisers, trainers, checkpoints and evaluation reports for binary generative models.
//!
//! ```
//! use gm_core::{Streams, unwatched};
//! use gm_data::{Dataset, SplitName};
//! use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
//! use gm_train::{RbmSettings, Unobserved, fit_rbm};
//!
//! let bars = Dataset::builtin("bars-and-stripes:3")?;
//! let settings = RbmSettings { hidden: 8, epochs: 300, batch_size: 4, learning_rate: 0.2, ..Default::default() };
//! let fit = fit_rbm(&bars, &settings, &Streams::new(7), &mut Unobserved)?;
//!
//! let test = EvalData::from_dataset(&bars, SplitName::Test, None)?;
//! let report = evaluate_rbm(&fit.model, &test, &EvalSettings::default(), &mut unwatched)?;
//! assert_eq!(report.mean_log_prob.side, "exact");
//! assert!(report.mean_log_prob.value > -9.0 * 2.0_f64.ln());
//! # Ok::<(), gm_train::Error>(())
//! ```

mod classifier;
mod config;
mod course;
mod dbm;
mod dbn;
mod error;
mod learner;
mod rbm;
mod run;
mod sbn;
mod settings;

pub use classifier::learner::{ClassifierLearner, ClassifierSettings};
pub use config::{Config, DataConfig, ModelConfig, ModelSettings};
pub use course::checkpoint::CheckpointInfo;
pub use course::monitor::{MonitorSettings, StopOn};
pub use course::observer::{Event, Observer, Unobserved};
pub use course::trainer::{Fit, FitOptions, Outcome, fit_classifier, fit_dbm, fit_dbn, fit_rbm, fit_rbm_with, fit_sbn};
pub use dbm::learner::{DbmLearner, DbmSettings, Pretrain};
pub use dbn::learner::DbnLearner;
pub use dbn::settings::{Backfit, DbnSettings, LayerInputs, LayerStart};
pub use error::{Error, Result};
pub use learner::metrics::{EpochRecord, Figures};
pub use learner::optimiser::{Optimiser, OptimiserSettings, OptimiserState};
pub use learner::{BitsState, ChainsState, Learner, LearnerState, ParametersState, Probe, StepReport};
pub use rbm::learner::{Algorithm, RbmLearner, RbmSettings};
pub use run::Run;
pub use sbn::learner::{SbnLearner, SbnSettings};
pub use sbn::rule::SbnRule;
pub use settings::rate::{Clock, Rate, warm_up};
pub use settings::regularise::Regularise;
pub use settings::visible::Visible;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
