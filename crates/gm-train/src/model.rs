//! A model of any kind, for programs that learn from a file which one it is.

use gm_core::{ModelData, ModelKind, Stack};
use gm_dbm::Dbm;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use crate::error::Result;

/// A model of any kind.
///
/// Exhaustive on purpose: a kind that is added shows every place that has to know it.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
/// use gm_train::Model;
///
/// let data = ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&[4, 3])?)?;
/// let model = Model::from_data(data)?;
/// assert_eq!((model.kind(), model.visible()), (ModelKind::Sbn, 4));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// A restricted Boltzmann machine.
    Rbm(Rbm),
    /// A sigmoid belief net.
    Sbn(Sbn),
    /// A deep Boltzmann machine.
    Dbm(Dbm),
}

impl Model {
    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError::WrongKind`] for a kind that cannot be computed with yet, and whatever the model refuses.
    pub fn from_data(data: ModelData) -> Result<Self> {
        Ok(match data.kind {
            ModelKind::Sbn => Self::Sbn(Sbn::from_data(data)?),
            ModelKind::Dbm => Self::Dbm(Dbm::from_data(data)?),
            _ => Self::Rbm(Rbm::from_data(data)?),
        })
    }

    /// The kind of model.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Rbm(_) => ModelKind::Rbm,
            Self::Sbn(_) => ModelKind::Sbn,
            Self::Dbm(_) => ModelKind::Dbm,
        }
    }

    /// The parameters, without those of a recognition net.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        match self {
            Self::Rbm(rbm) => rbm.stack(),
            Self::Sbn(sbn) => sbn.stack(),
            Self::Dbm(dbm) => dbm.stack(),
        }
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.stack().layers()
    }

    /// Visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.stack().bias(0).len()
    }
}
