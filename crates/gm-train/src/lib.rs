//! Training of binary generative models: settings, learners, checkpoints and run folders.
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
mod fit;
mod harmonium;
mod learner;
mod rbm;
mod run;
mod sbn;
mod settings;
mod start;

pub use classifier::{ClassifierLearner, ClassifierSettings};
pub use config::{Config, DataConfig, ModelConfig};
pub use course::{CheckpointInfo, EpochRecord, Event, MonitorSettings, Observer, Outcome, StopOn, Unobserved};
pub use dbm::{DbmLearner, DbmSettings, Pretrain};
pub use dbn::{Backfit, DbnLearner, DbnSettings, LayerInputs, LayerStart};
pub use error::{Error, Result};
pub use fit::{
    Fit, FitOptions, Trained, fit, fit_classifier, fit_dbm, fit_dbn, fit_harmonium, fit_rbm, fit_rbm_with, fit_sbn,
};
pub use gm_ascent::{
    BitsState, ChainsState, Clock, Figures, LayerState, LearnerState, Optimiser, OptimiserSettings, OptimiserState,
    ParametersState, Rate, Regularise, warm_up,
};
pub use harmonium::{HarmoniumLearner, HarmoniumSettings};
pub use learner::{Learner, ModelSettings, Origin, Probe, Staged, StepReport, Weighted};
pub use rbm::{Algorithm, RbmLearner, RbmSettings};
pub use run::Run;
pub use sbn::{Lateral, SbnLearner, SbnRule, SbnSettings};
pub use settings::Visible;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
