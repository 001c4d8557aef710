//! Loading models for commands.

use std::path::Path;

use gm_core::{ModelData, ModelKind};
use gm_eval::Model;
use gm_net::Classifier;

use crate::error::{Error, Result};

/// Loads the content of a model file of any kind, from any format.
///
/// # Errors
///
/// [`gm_data::Error`] with the file and the fault.
pub(crate) fn load_data(path: &Path) -> Result<ModelData> {
    Ok(gm_data::load_model(path)?)
}

/// Loads a generative model of any kind.
///
/// # Errors
///
/// [`gm_data::Error`] with the file and the fault.
pub(crate) fn load(path: &Path) -> Result<Model> {
    of_data(load_data(path)?, path)
}

/// Makes a generative model of a file's content.
///
/// # Errors
///
/// [`gm_data::Error`] with the file and the fault.
pub(crate) fn of_data(data: ModelData, path: &Path) -> Result<Model> {
    Model::from_data(data).map_err(in_file(path))
}

/// A classifier, or another model.
pub(crate) enum Either {
    /// A feed-forward net that classifies.
    Classifier(Classifier),
    /// A generative model.
    Model(Model),
}

/// Loads a classifier or a generative model.
///
/// # Errors
///
/// [`gm_data::Error`] with the file and the fault.
pub(crate) fn load_either(path: &Path) -> Result<Either> {
    let data = load_data(path)?;
    if data.kind == ModelKind::Classifier {
        return Ok(Either::Classifier(Classifier::from_data(data).map_err(in_file(path))?));
    }
    of_data(data, path).map(Either::Model)
}

/// Adds the path of the refused file to an error.
fn in_file<E: Into<Error>>(path: &Path) -> impl FnOnce(E) -> Error {
    move |error| match error.into() {
        Error::Core(gm_core::Error::File(error)) => gm_data::Error::file(path)(error).into(),
        other => other,
    }
}
