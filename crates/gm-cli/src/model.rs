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
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load_data(path: &Path) -> Result<ModelData> {
    Ok(gm_data::load_model(path)?)
}

/// Loads a model of any kind that can be computed with.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Model> {
    of_data(load_data(path)?, path)
}

/// A model of a file's content.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
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

/// Loads a classifier or any model that can be computed with.
///
/// # Errors
///
/// [`gm_train::Error`] naming the file and what is wrong with it.
pub(crate) fn load_either(path: &Path) -> Result<Either> {
    let data = load_data(path)?;
    if data.kind == ModelKind::Classifier {
        return Ok(Either::Classifier(Classifier::from_data(data).map_err(in_file(path))?));
    }
    of_data(data, path).map(Either::Model)
}

/// Says which file was refused.
fn in_file<E: Into<Error>>(path: &Path) -> impl FnOnce(E) -> Error {
    move |error| match error.into() {
        Error::Core(gm_core::Error::File(error)) => gm_data::Error::file(path)(error).into(),
        other => other,
    }
}
