//! Likelihoods of held-out data, as a report that says how they were measured.
//!
//! Begin with `evaluate`: each kind of model has a file of its own. `log_z` measures log Z from both sides, `interval`
//! makes the ends of mean log p, `gap` measures how far bounds lie from the truth, and `doubt` writes the warnings.

mod dbm;
mod dbn;
mod doubt;
mod gap;
mod harmonium;
mod independent;
mod interval;
mod log_z;
mod posterior;
mod rbm;
mod sbn;
mod shards;

use std::time::Instant;

use gm_core::Watch;
use gm_core::layer::Layer;

use crate::error::Result;
use crate::model::Model;
use crate::report::{EvalReport, PartitionReport};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

use log_z::{LogZ, partition};
pub(crate) use shards::{Numbers, Shards};

pub use dbm::evaluate_dbm;
pub use dbn::evaluate_dbn;
pub use harmonium::evaluate_harmonium;
pub use rbm::evaluate_rbm;
pub use sbn::evaluate_sbn;

/// Measures the likelihood of data under a model of any kind.
///
/// # Errors
///
/// The errors of [`evaluate_rbm`], [`evaluate_sbn`], [`evaluate_dbm`], [`evaluate_dbn`] and [`evaluate_harmonium`].
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, ModelData, ModelKind, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Model, evaluate};
///
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// for kind in [ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn] {
///     let model = Model::from_data(ModelData::from_stack(kind, Stack::zeros(&[4, 3, 2])?)?)?;
///     let report = evaluate(&model, &data, &EvalSettings::default(), &mut unwatched)?;
///     assert_eq!(report.model, kind.to_string());
///     assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// }
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate(model: &Model, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    measure(model, data, settings, &mut settings.all_shards("evaluate")?, watch)
}

/// [`evaluate`] with the given shards.
pub(crate) fn measure(
    model: &Model,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    match model {
        Model::Rbm(rbm) => rbm::measure(rbm, data, settings, shards, watch),
        Model::Sbn(sbn) => sbn::measure(sbn, data, settings, shards, watch),
        Model::Dbm(dbm) => dbm::measure(dbm, data, settings, shards, watch),
        Model::Dbn(dbn) => dbn::measure(dbn, data, settings, shards, watch),
        Model::Harmonium(model) => harmonium::measure(model, data, settings, shards, watch),
    }
}

impl EvalReport {
    /// Fills in log Z, the figures to compare with, the warnings and the time. `layer` has the kinds of units of a row.
    fn finished(mut self, log_z: Option<LogZ>, layer: &Layer, data: &EvalData, began: Instant) -> Result<Self> {
        self.rows_std_error = independent::error_over_rows(&self.log_probs);
        self.independent_units = independent::log_prob_of_independent(layer, data)?;
        self.warnings = doubt::doubts(&self, log_z.as_ref(), &data.rows);
        if let Some(log_z) = log_z {
            (self.log_partition, self.reverse_log_partition) = (Some(log_z.partition), log_z.reverse);
        }
        self.seconds = began.elapsed().as_secs_f64();
        Ok(self)
    }
}

/// log Z of a model, without data: enumerated, or annealed from independent units with the means of short chains.
///
/// The log Z of a DBN is that of the RBM on top. The answer for an SBN is `None`, because its joint distribution is
/// normalised.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`](gm_core::Purpose::Evaluate) of the settings' seed.
///
/// # Errors
///
/// [`gm_core::Error::TooLarge`] for enumeration beyond 30 units, [`gm_core::Error::Param`] for settings of annealing
/// out of range, [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, unwatched};
/// use gm_eval::{EvalSettings, Model, evaluate_partition};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let found = evaluate_partition(&model, &EvalSettings::default(), &mut unwatched)?;
/// assert!(found.is_some_and(|z| (z.value - 9.0 * 2.0_f64.ln()).abs() < 1e-9));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_partition(model: &Model, settings: &EvalSettings, watch: Watch<'_>) -> Result<Option<PartitionReport>> {
    let shards = &mut settings.all_shards("evaluate_partition")?;
    Ok(match model {
        Model::Sbn(_) => None,
        Model::Rbm(rbm) => Some(partition(&rbm::Annealable { rbm, base: None }, settings, shards, watch)?),
        Model::Dbm(dbm) => Some(partition(&dbm::Annealable { dbm, base: None }, settings, shards, watch)?),
        Model::Dbn(dbn) => Some(partition(&dbn::Annealable { dbn, base: None }, settings, shards, watch)?),
        Model::Harmonium(model) => {
            Some(partition(&harmonium::Annealable { model, base: None }, settings, shards, watch)?)
        }
    })
}
