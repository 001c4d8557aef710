//! Loading models for commands.

use std::path::Path;

use gm_core::ModelData;
use gm_train::Model;

use crate::error::Result;

/// Loads the content of a model file of any kind, from any format.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load_data(path: &Path) -> Result<ModelData> {
    Ok(gm_train::load_model(path)?)
}

/// Loads a model of any kind that can be computed with.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Model> {
    let named = |error| match error {
        gm_train::Error::Core(gm_core::Error::File(error)) => gm_train::Error::file(path)(error),
        other => other,
    };
    Ok(Model::from_data(load_data(path)?).map_err(named)?)
}
