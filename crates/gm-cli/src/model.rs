//! Loading models for commands.

use std::path::{Path, PathBuf};

use gm_core::{ModelData, ModelKind, VisibleKind};
use gm_data::Alphabet;
use gm_eval::Model;
use gm_net::Classifier;

use crate::error::{Error, Result};

/// The help text of an argument that several commands have.
pub(crate) const MODEL: &str = "A model file, or the folder of a run, which stands for its model.gm";

/// The model file of a run folder. Other paths are those of model files.
///
/// # Errors
///
/// [`Error::NoModel`] for a run that has not been trained to its end, [`gm_train::Error::NoRun`] for another folder.
pub(crate) fn file_of(path: &Path) -> Result<PathBuf> {
    let (file, folder) = (path.join("model.gm"), || path.to_path_buf());
    match () {
        () if !path.is_dir() => Ok(path.into()),
        () if file.exists() => Ok(file),
        () if path.join("config.toml").exists() => Err(Error::NoModel { folder: folder() }),
        () => Err(gm_train::Error::NoRun { folder: folder() }.into()),
    }
}

/// [`file_of`] for a model that a run starts from and records, which must be there longer than a pipe is.
///
/// # Errors
///
/// The errors of [`file_of`], and [`Error::Option`] for a pipe.
pub(crate) fn start_of(option: &'static str, path: &Path) -> Result<PathBuf> {
    let file = file_of(path)?;
    match std::fs::metadata(&file) {
        Ok(found) if !found.is_file() => {
            let (value, allowed) =
                (format!("{} is a pipe or a device", file.display()), "a file, which the run records");
            Err(Error::Option { option, value, allowed: allowed.into() })
        }
        _ => Ok(file),
    }
}

/// Loads the content of a model file of any kind, from any format, or the model of a run folder.
///
/// # Errors
///
/// [`gm_data::Error`] with the file and the fault, and the errors of [`file_of`].
pub(crate) fn load_data(path: &Path) -> Result<ModelData> {
    Ok(gm_data::load_model(file_of(path)?)?)
}

/// The content of a model file for what is beside the model, such as names of columns; none of a pipe, which is read once.
pub(crate) fn beside(path: &Path) -> Option<ModelData> {
    let file = file_of(path).ok()?;
    if file.is_file() { load_data(&file).ok() } else { None }
}

/// The names of so many columns of values of a model: of the columns of its data, or of its visible units.
pub(crate) fn names(path: &Path, count: usize) -> Option<Vec<String>> {
    let data = beside(path)?;
    [data.columns(), data.unit_names()].into_iter().flatten().find(|names| names.len() == count)
}

/// The alphabet of the sequences that a model was trained on, where its file names one.
pub(crate) fn alphabet(path: &Path) -> Option<Alphabet> {
    Alphabet::of_letters(beside(path)?.alphabet()?)
}

/// The letters of the categories of a model: those that its file names, or those of proteins for 21 categories without
/// letters. The option and its path are those of a file of sequences.
///
/// # Errors
///
/// [`Error::Option`] for other models.
pub(crate) fn letters((option, out): (&'static str, &Path), path: &Path, kind: VisibleKind) -> Result<String> {
    let named = beside(path).and_then(|data| data.alphabet().map(str::to_owned));
    let letters = named.unwrap_or_else(|| Alphabet::Protein.letters().into());
    match kind {
        VisibleKind::Softmax { categories } if letters.chars().count() == categories => Ok(letters),
        _ => {
            let allowed = "a .fasta file for a model whose visible units are softmax units with an alphabet".into();
            Err(Error::Option { option, value: out.display().to_string(), allowed })
        }
    }
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
