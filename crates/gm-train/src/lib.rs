//! Data sets, optimisers, trainers, checkpoints and evaluation reports for binary generative models.
//!
//! ```
//! use gm_core::{Streams, unwatched};
//! use gm_data::{Dataset, SplitName};
//! use gm_train::{EvalData, EvalSettings, RbmSettings, Unobserved, evaluate_rbm, fit_rbm};
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

mod checkpoint;
mod classifier;
mod config;
mod dbm_chains;
mod dbm_learner;
mod dbm_pretrain;
mod dbn_backfit;
mod dbn_learner;
mod dbn_settings;
mod error;
mod evaluate;
mod guard;
mod learner;
mod metrics;
mod model;
mod model_chains;
mod monitor;
mod observer;
mod optimiser;
mod rate;
mod rbm_learner;
mod regularise;
mod run;
mod sbn_learner;
mod sbn_rule;
mod trainer;
mod visible;

pub use checkpoint::CheckpointInfo;
pub use classifier::{Classifier, ClassifierLearner, ClassifierSettings, Dropout, HiddenUnits};
pub use config::{Config, DataConfig, ModelConfig, ModelSettings};
pub use dbm_learner::{DbmLearner, DbmSettings, Pretrain};
pub use dbn_learner::DbnLearner;
pub use dbn_settings::{Backfit, DbnSettings, LayerInputs, LayerStart};
pub use error::{Error, Result};
pub use evaluate::{
    ClassData, ClassReport, CrossEntropy, DataReport, ErrorRate, EvalData, EvalReport, EvalSettings, Exact,
    ImportanceReport, LogProbReport, LowerBound, PartitionReport, PseudoReport, ReverseReport, TemperingSettings,
    classify, evaluate, evaluate_classifier, evaluate_dbm, evaluate_dbn, evaluate_partition, evaluate_rbm,
    evaluate_sbn,
};
pub use learner::{BitsState, ChainsState, Learner, LearnerState, ParametersState, Probe, StepReport};
pub use metrics::{EpochRecord, Figures};
pub use model::{Model, convert_model};
pub use monitor::{MonitorSettings, StopOn};
pub use observer::{Event, Observer, Unobserved};
pub use optimiser::{Optimiser, OptimiserSettings, OptimiserState};
pub use rate::{Clock, Rate, warm_up};
pub use rbm_learner::{Algorithm, RbmLearner, RbmSettings};
pub use regularise::Regularise;
pub use run::Run;
pub use sbn_learner::{SbnLearner, SbnSettings};
pub use sbn_rule::SbnRule;
pub use trainer::{Fit, FitOptions, Outcome, fit_classifier, fit_dbm, fit_dbn, fit_rbm, fit_rbm_with, fit_sbn};
pub use visible::Visible;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
