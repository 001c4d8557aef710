//! What settings of every model tell the trainer.

use gm_core::{ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset};

use crate::error::Result;
use crate::learner::Learner;

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
/// let dbn = DbnSettings { hidden: vec![20, 30], epochs: vec![10], batch_size: 100, ..Default::default() };
/// assert_eq!((updates(&rbm, 1199), updates(&dbn, 1199)), (120, 240));
/// assert_eq!((rbm.layers(64), dbn.layers(64)), (vec![64, 20], vec![64, 20, 30]));
/// ```
pub trait ModelSettings {
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

    /// What the visible units are; of softmax units the categories of the data if 0.
    fn visible_kind(&self) -> VisibleKind {
        VisibleKind::Bernoulli
    }

    /// Whether grey levels that nothing binarises are learnt from as they are.
    fn takes_reals(&self) -> bool {
        self.visible_kind().takes_numbers()
    }

    /// What is learnt from in place of the data, such as rows joined with their labels; nothing else if absent.
    ///
    /// # Errors
    ///
    /// Whatever the data lack.
    fn prepare(&self, _data: &Dataset, _binarise: Binarise) -> Result<Option<Dataset>> {
        Ok(None)
    }

    /// Units of each layer of a model that learns from so many units.
    fn layers(&self, units: usize) -> Vec<usize> {
        std::iter::once(units).chain(self.hidden()).collect()
    }

    /// A model at the start of its training on these data, whose binary values have the given means, `[visible]`.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), and whatever the learner refuses.
    fn learner(&self, data: &Dataset, visible_means: &[f32], streams: &Streams) -> Result<Box<dyn Learner>>;
}
