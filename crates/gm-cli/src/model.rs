//! Loading models for commands.

use std::path::Path;

use gm_core::ModelData;
use gm_rbm::Rbm;

use crate::error::Result;

/// Loads a model of any kind, from any format.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load(path: &Path) -> Result<ModelData> {
    Ok(gm_train::load_model(path)?)
}

/// Loads a restricted Boltzmann machine.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load_rbm(path: &Path) -> Result<Rbm> {
    let named = |error| match error {
        gm_core::Error::File(error) => gm_train::Error::file(path)(error),
        other => other.into(),
    };
    Ok(Rbm::from_data(load(path)?).map_err(named)?)
}
