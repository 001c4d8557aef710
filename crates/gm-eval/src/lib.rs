//! Questions to a trained model of any kind, answered by functions that return structs: likelihoods with their sides,
//! samples with diagnostics, posterior means, completions, reconstructions, classification, and the figures of a
//! report.
//!
//! Begin with [`Model`], which holds a model of any kind, and with the question:
//!
//! | question | function | file |
//! |---|---|---|
//! | How probable are these rows? | [`evaluate`], [`evaluate_partition`] | `likelihood/mod.rs` |
//! | How, on several machines? | [`evaluate_part`], [`merge_parts`] | `part.rs` |
//! | What does the model draw, and do its chains mix? | [`sample`], [`chains_of`] | `sampling.rs`, `chains/mod.rs` |
//! | Which hidden units are on for these rows? | [`posterior_means`] | `posterior.rs` |
//! | What are the missing units? | [`complete`] | `completion.rs` |
//! | What remains of a row after one draw of the hidden units? | [`reconstruct`] | `reconstruction.rs` |
//! | How well are classes told apart? | [`classify`], [`evaluate_classifier`] | `classes.rs` |
//! | How do two causes compete? | [`explaining_away`] | `explaining.rs` |
//! | What shows a report? | [`sample_figures`], [`hidden_activity`], [`active_units`], [`tensor_statistics`] | `figures/mod.rs` |
//!
//! Long computations take a [`Watch`](gm_core::Watch): a callback that sees the progress and may end the computation
//! with [`gm_core::Error::Interrupted`]. No function prints, opens a file or stores a generator.
//!
//! ```
//! use gm_core::{BitMatrix, Stack, Streams, unwatched};
//! use gm_eval::{EvalData, EvalSettings, Model, SampleSettings, evaluate, sample};
//!
//! let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
//! let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
//! let report = evaluate(&model, &data, &EvalSettings::default(), &mut unwatched)?;
//! assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
//! let samples = sample(&model, &SampleSettings::default(), &Streams::new(1), &mut unwatched)?;
//! assert_eq!(samples.values.shape(), (4, 100));
//! # Ok::<(), gm_eval::Error>(())
//! ```

mod chains;
mod classes;
mod completion;
mod error;
mod explaining;
mod figures;
mod likelihood;
mod mixing;
mod model;
mod part;
mod posterior;
mod reconstruction;
mod report;
mod rows;
mod sampling;
mod settings;
mod share;
mod sites;

pub use chains::{
    ChainMethod, ChainSettings, DbmChains, DbnChains, DbnPosteriorChains, Diagnostics, HarmoniumChains, ModelChains,
    RbmChains, SampleSource, SbnChains, SbnKernel, TemperedChains, TemperedHarmoniumChains, chains_of,
    independent_samples, samples_below_tops,
};

pub use classes::{ClassData, ClassReport, CrossEntropy, ErrorRate, classify, evaluate_classifier};
pub use completion::{Completion, CompletionQuality, CompletionSettings, complete};
pub use error::{Error, Result};
pub use explaining::{ExplainingAway, PairBelief, explaining_away};
pub use figures::{
    Contacts, LayerActivity, Moments, NamedWeights, SampleFigureSettings, SampleFigures, Spectrum, TensorStatistics,
    UnitStatistics, active_units, first_layer_filters, hidden_activity, histogram, named_weights, parameter_count,
    sample_figures, strongest_units, tensor_statistics, unit_statistics, weights_to_visible,
};
pub use likelihood::{
    evaluate, evaluate_dbm, evaluate_dbn, evaluate_harmonium, evaluate_partition, evaluate_rbm, evaluate_sbn,
};
pub use mixing::{Mixing, mixing};
pub use model::{Model, convert_model, gauge_model};
pub use part::{EvalPart, evaluate_part, merge_parts};
pub use posterior::{Posterior, PosteriorMethod, PosteriorSettings, posterior_means};
pub use reconstruction::reconstruct;
pub use report::{
    DataReport, EvalReport, GapReport, ImportanceReport, LogProbReport, LowerBound, PartitionReport, PosteriorReport,
    PseudoReport, ReverseReport,
};
pub use rows::EvalData;
pub use sampling::{SampleReport, SampleSettings, Samples, Sampling, sample};
pub use settings::{EvalSettings, Exact, PosteriorAnnealing, TemperingSettings};
pub use share::Share;
pub use sites::{mask_of_units, sites, values_of_sites};

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
