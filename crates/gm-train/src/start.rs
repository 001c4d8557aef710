//! The model that a run starts from. It is read once, when the run is created.

use std::path::{Path, PathBuf};

use gm_core::ModelData;
use gm_data::load_model_with_digest;

use crate::error::{Error, Result};
use crate::learner::{ModelSettings, Origin};

/// A model to start from, with the file that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct StartModel {
    pub(crate) path: PathBuf,
    /// SHA-256 of the file, in hexadecimal digits.
    pub(crate) digest: String,
    pub(crate) model: ModelData,
}

impl StartModel {
    /// Reads the model that settings name, if they name one.
    ///
    /// # Errors
    ///
    /// Those of [`gm_data::load_model`].
    pub(crate) fn of(settings: &dyn ModelSettings) -> Result<Option<Self>> {
        settings.start().0.map(Self::read).transpose()
    }

    /// Reads the model of a run that has no checkpoint yet, which has to be the model that the run was created with.
    ///
    /// # Errors
    ///
    /// [`Error::StartNeeded`] if the file cannot be read, [`Error::StartChanged`] if it is another file.
    pub(crate) fn again(folder: &Path, settings: &dyn ModelSettings) -> Result<Option<Self>> {
        let (Some(path), digest) = settings.start() else { return Ok(None) };
        let needed = |error: Error| Error::StartNeeded { folder: folder.into(), detail: error.to_string() };
        let start = Self::read(path).map_err(needed)?;
        match digest {
            Some(expected) if expected != start.digest => Err(Error::StartChanged {
                folder: folder.into(),
                path: path.into(),
                expected: expected.into(),
                found: start.digest,
            }),
            _ => Ok(Some(start)),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let (model, digest) = load_model_with_digest(path)?;
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.into(), digest, model })
    }

    /// The origin of a learner that begins here.
    pub(crate) fn origin(start: Option<&Self>) -> Origin<'_> {
        start.map_or(Origin::Random, |start| Origin::Model(&start.model))
    }
}
