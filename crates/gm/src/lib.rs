//! Deep generative models of binary data with one dependency: what a program needs that trains models, measures their
//! likelihood, infers, samples and completes.
//!
//! The names that most programs use are in [`prelude`]; everything else stands in the module of its crate:
//!
//! | to do this | begin with |
//! |---|---|
//! | get data | [`Dataset::builtin`](gm_data::Dataset::builtin), [`load`](gm_data::load), [`Split`](gm_data::Split) |
//! | train a model in memory | [`fit_rbm`](gm_train::fit_rbm), [`fit_sbn`](gm_train::fit_sbn), [`fit_dbm`](gm_train::fit_dbm), [`fit_dbn`](gm_train::fit_dbn), [`fit_harmonium`](gm_train::fit_harmonium), [`fit_classifier`](gm_train::fit_classifier) |
//! | train in a folder, with checkpoints | [`Config`](gm_train::Config), [`Run`](gm_train::Run) |
//! | try settings in many runs, and compare runs | [`Sweep`](gm_sweep::Sweep), [`Search`](gm_sweep::Search), [`Comparison`](gm_sweep::Comparison) |
//! | measure a likelihood with its sides | [`evaluate`](gm_eval::evaluate), [`EvalSettings`](gm_eval::EvalSettings) |
//! | infer hidden units | [`posterior_means`](gm_eval::posterior_means) |
//! | fill in missing values | [`complete`](gm_eval::complete) |
//! | draw samples, with diagnostics | [`sample`](gm_eval::sample), [`chains_of`](gm_eval::chains_of) |
//! | have the figures of a report | [`sample_figures`](gm_eval::sample_figures), [`hidden_activity`](gm_eval::hidden_activity), [`active_units`](gm_eval::active_units), [`tensor_statistics`](gm_eval::tensor_statistics) |
//! | keep and load models | [`save_model`](gm_data::save_model), [`load_model`](gm_data::load_model), [`Model`](gm_eval::Model) |
//! | work with one model | [`rbm`], [`sbn`], [`dbm`], [`dbn`], [`harmonium`] |
//!
//! # From data to a likelihood
//!
//! ```
//! use gm::prelude::*;
//!
//! // Pictures of 3 x 3 pixels, and an RBM with 8 hidden units that learns them.
//! let bars = Dataset::builtin("bars-and-stripes:3")?;
//! let settings = RbmSettings { hidden: 8, epochs: 100, batch_size: 4, learning_rate: 0.2, ..Default::default() };
//! let fit = fit_rbm(&bars, &settings, &Streams::new(7), &mut Unobserved)?;
//!
//! // Its likelihood: exact here, since 8 hidden units can be enumerated.
//! let model = Model::Rbm(fit.model);
//! let test = EvalData::from_dataset(&bars, SplitName::Test, None)?;
//! let report = evaluate(&model, &test, &EvalSettings::default(), &mut unwatched)?;
//! let p = &report.mean_log_prob;
//! assert!(p.low <= p.value && p.value <= p.high && p.side == "exact");
//! # Ok::<(), gm::Error>(())
//! ```
//!
//! # What every function takes
//!
//! - A batch has a column for each sample: `[units, samples]`.
//! - Randomness is an argument, a [`Streams`](gm_core::Streams) made from a seed; the same seed gives the same bits at any
//!   number of threads.
//! - Long computations take a callback that is told how far they are and may end them: [`Watch`](gm_core::Watch), or
//!   [`unwatched`](gm_core::unwatched).
//! - Settings are plain structs with documented defaults.
//! - Errors of all crates become [`Error`] by `?`.

pub use gm_ascent as ascent;
pub use gm_core as core;
pub use gm_data as data;
pub use gm_dbm as dbm;
pub use gm_dbn as dbn;
pub use gm_eval as eval;
pub use gm_harmonium as harmonium;
pub use gm_net as net;
pub use gm_rbm as rbm;
pub use gm_sbn as sbn;
pub use gm_sweep as sweep;
pub use gm_train as train;

pub use gm_train::{Error, Result};

pub mod prelude {
    //! The names that most programs use, for `use gm::prelude::*`.

    pub use gm_core::{
        AisSettings, Batch, BitMatrix, Matrix, ModelData, ModelKind, Schedule, Stack, Streams, Vector, VisibleKind,
        Watch, unwatched,
    };
    pub use gm_data::{
        Alphabet, Binarisation, Binarise, DataSpec, Dataset, Header, LoadOptions, RowWeights, Split, SplitName,
        TableOptions, Values, load, load_model, load_rows, save_model, write_atomically,
    };
    pub use gm_dbm::Dbm;
    pub use gm_dbn::Dbn;
    pub use gm_eval::{
        ChainSettings, ClassData, Completion, CompletionSettings, Diagnostics, EvalData, EvalReport, EvalSettings,
        Exact, Model, Posterior, PosteriorMethod, PosteriorSettings, SampleFigureSettings, SampleFigures,
        SampleSettings, Samples, classify, complete, convert_model, evaluate, evaluate_classifier, evaluate_dbm,
        evaluate_dbn, evaluate_harmonium, evaluate_rbm, evaluate_sbn, gauge_model, hidden_activity, posterior_means,
        reconstruct, sample, sample_figures, tensor_statistics,
    };
    pub use gm_harmonium::Harmonium;
    pub use gm_net::Classifier;
    pub use gm_rbm::Rbm;
    pub use gm_sbn::Sbn;
    pub use gm_train::{
        ClassifierSettings, Config, DbmSettings, DbnSettings, Event, Fit, FitOptions, HarmoniumSettings,
        MonitorSettings, Observer, Outcome, RbmSettings, Run, SbnSettings, StopOn, Unobserved, fit_classifier, fit_dbm,
        fit_dbn, fit_harmonium, fit_rbm, fit_rbm_with, fit_sbn,
    };
}

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
