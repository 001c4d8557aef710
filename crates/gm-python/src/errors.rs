//! Errors of the library as exceptions of Python.

use gm::data::Error as DataError;
use gm::{Error, core::Error as CoreError};
use pyo3::create_exception;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(dgm, DivergedError, PyRuntimeError, "Training diverged: a parameter exploded or is not finite.");
create_exception!(
    dgm,
    ModelFileError,
    PyValueError,
    "A file is no model, is damaged, or holds a model of another kind."
);

/// The exception of an error: ValueError for arguments, OSError for files, and those of this package.
pub(crate) fn to_python(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Diverged { .. } => DivergedError::new_err(text),
        Error::Data(DataError::Io { source, .. }) => match source.kind() {
            std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
            _ => PyOSError::new_err(text),
        },
        Error::Data(DataError::File { .. }) | Error::Core(CoreError::File(_)) => ModelFileError::new_err(text),
        Error::Threads { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// A ValueError that names the argument.
pub(crate) fn refused(text: impl Into<String>) -> PyErr {
    PyValueError::new_err(text.into())
}
