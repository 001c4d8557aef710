//! What settings of every model tell the trainer.

use std::path::{Path, PathBuf};

use gm_ascent::LearnerState;
use gm_core::{ModelData, ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset};

use crate::error::Result;
use crate::learner::Learner;

/// The state in which a model in training begins.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{Learner, ModelSettings, Origin, SbnSettings};
///
/// let (bars, streams) = (Dataset::builtin("bars-and-stripes:2")?, Streams::new(1));
/// let settings = SbnSettings { hidden: vec![3], ..Default::default() };
/// let first = settings.learner(&bars, &[0.5; 4], Origin::Random, &streams)?;
/// let model = first.model()?;
/// let second = settings.learner(&bars, &[0.5; 4], Origin::Model(&model), &streams)?;
/// assert_eq!(second.parameters(), first.parameters());
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// Small random weights.
    Random,
    /// A given model.
    Model(&'a ModelData),
    /// The state of a learner in a checkpoint. [`Learner::restore`] takes it over afterwards.
    State(&'a LearnerState),
}

/// What every model's settings tell the trainer.
///
/// # Examples
///
/// ```
/// use gm_train::{DbnSettings, ModelSettings, RbmSettings};
///
/// /// Updates of a whole run.
/// fn updates(settings: &dyn ModelSettings, rows: u64) -> u64 {
///     settings.epochs() * rows.div_ceil(settings.batch_size() as u64)
/// }
/// let rbm = RbmSettings { hidden: 20, epochs: 10, batch_size: 100, ..Default::default() };
/// let dbn = DbnSettings { hidden: vec![20, 30], epochs: vec![10], layer: RbmSettings { batch_size: 100, ..Default::default() }, ..Default::default() };
/// assert_eq!((updates(&rbm, 1199), updates(&dbn, 1199)), (120, 240));
/// assert_eq!((rbm.layers(64), dbn.layers(64)), (vec![64, 20], vec![64, 20, 30]));
/// ```
pub trait ModelSettings: Send + Sync {
    /// The kind of model.
    fn kind(&self) -> ModelKind;

    /// Units of the hidden layers, from the first one up.
    fn hidden(&self) -> Vec<usize>;

    /// Passes over the training split.
    fn epochs(&self) -> u64;

    /// Examples of an update.
    fn batch_size(&self) -> usize;

    /// The whole numbers, none of which may be 0, by name.
    fn counts(&self) -> Vec<(&'static str, u64)>;

    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    fn check(&self) -> Result<()>;

    /// The file of the model to start from, and its digest.
    fn start(&self) -> (Option<&Path>, Option<&str>) {
        (None, None)
    }

    /// [`start`](Self::start) to be changed, of models that can start from a file.
    fn start_mut(&mut self) -> Option<(&mut Option<PathBuf>, &mut Option<String>)> {
        None
    }

    /// Fills in what the data and the model to start from tell, such as classes, categories and layers.
    ///
    /// # Errors
    ///
    /// The errors of data that lack labels or categories, and [`gm_core::Error::Param`] for a model to start from that does
    /// not fit.
    fn complete(&mut self, _data: &Dataset, _start: Option<&ModelData>) -> Result<()> {
        Ok(())
    }

    /// What the visible units are; of softmax units the categories of the data if 0.
    fn visible_kind(&self) -> VisibleKind {
        VisibleKind::Bernoulli
    }

    /// Whether grey levels that nothing binarises are learnt from as they are.
    fn takes_reals(&self) -> bool {
        self.visible_kind().takes_numbers()
    }

    /// Whether binary units can learn from values between 0 and 1 as they are, as means of the units.
    fn takes_means(&self) -> bool {
        false
    }

    /// The prepared training data, such as rows joined with their labels; `None` if the data are used as they are.
    ///
    /// # Errors
    ///
    /// Whatever the data lack.
    fn prepare(&self, _data: &Dataset, _binarise: Binarise, _origin: Origin<'_>) -> Result<Option<Dataset>> {
        Ok(None)
    }

    /// Units of each layer of a model that learns from so many units.
    fn layers(&self, units: usize) -> Vec<usize> {
        std::iter::once(units).chain(self.hidden()).collect()
    }

    /// A model at the start of its training on these data, whose binary values have the given means, `[visible]`. With
    /// [`Origin::State`] the model only has the right shape, and takes over the state by [`Learner::restore`].
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check) and of the learner.
    fn learner(
        &self,
        data: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>>;
}
