//! The error type of training and run folders.

use std::io;
use std::path::{Path, PathBuf};

use gm_core::Error as CoreError;
use gm_data::Error as DataError;
use gm_eval::Error as EvalError;

/// The result of a fallible operation of this crate.
///
/// # Examples
///
/// ```
/// use gm_train::{Config, Result};
///
/// fn seed(text: &str) -> Result<u64> {
///     Ok(Config::parse(text)?.seed)
/// }
/// assert_eq!(seed("seed = 7\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\n")?, 7);
/// assert!(seed("sed = 7").unwrap_err().to_string().contains("unknown field `sed`"));
/// # Ok::<(), gm_train::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, naming the file, the field, the value and what is allowed.
///
/// # Examples
///
/// ```
/// let error = gm_train::RbmSettings { hidden: 0, ..Default::default() }.check().unwrap_err();
/// assert_eq!(error.to_string(), "RbmSettings: `hidden` is 0, allowed: 1 or more");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model or a setting was refused.
    #[error(transparent)]
    Core(CoreError),
    /// Data or a file were refused.
    #[error(transparent)]
    Data(DataError),
    /// A model could not be evaluated.
    #[error(transparent)]
    Eval(EvalError),
    /// A configuration cannot be understood.
    #[error("{}: {detail}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The place, and what is allowed there.
        detail: String,
    },
    /// A folder that was to hold a new run holds one already.
    #[error("{}: already holds a run ({found} is there); resume that run or choose another folder", folder.display())]
    RunExists {
        /// The folder.
        folder: PathBuf,
        /// The file or folder that tells.
        found: &'static str,
    },
    /// A folder does not hold a run.
    #[error("{}: holds no run, config.toml is not there", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A run has come to its end.
    #[error("{}: the run is finished after {epochs} epochs, nothing is left to resume", folder.display())]
    Finished {
        /// The folder.
        folder: PathBuf,
        /// Epochs made.
        epochs: u64,
    },
    /// Another process is training in a folder.
    #[error("{}: another process is training in this folder", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The configuration of a run was changed in a way that changes its result.
    #[error(
        "{}: config.toml has `{found}` where the run began with `{expected}`; undo the change or start a new run",
        folder.display()
    )]
    ConfigChanged {
        /// The folder.
        folder: PathBuf,
        /// The line at the start of the run.
        expected: String,
        /// The line now.
        found: String,
    },
    /// The training or validation data of a run are not those it began with.
    #[error(
        "{}: the data have changed since the run began: {found}, then {expected}; restore them or start a new run",
        folder.display()
    )]
    DataChanged {
        /// The folder.
        folder: PathBuf,
        /// The data at the start of the run.
        expected: String,
        /// The data now.
        found: String,
    },
    /// A run without a checkpoint needs the model that it starts from, which cannot be read.
    #[error(
        "{}: the run has no checkpoint yet and needs the model that it starts from: {detail}; put the file back or start a \
         new run",
        folder.display()
    )]
    StartNeeded {
        /// The folder.
        folder: PathBuf,
        /// The file, and what is wrong with it.
        detail: String,
    },
    /// A run without a checkpoint needs the model that it starts from, and the file holds another model now.
    #[error(
        "{}: the run has no checkpoint yet, and {} has changed since it was created: its SHA-256 digest is {found}, then \
         {expected}; put the file back or start a new run",
        folder.display(), path.display()
    )]
    StartChanged {
        /// The folder.
        folder: PathBuf,
        /// The file of the model.
        path: PathBuf,
        /// Its digest when the run was created.
        expected: String,
        /// Its digest now.
        found: String,
    },
    /// An earlier version of this software wrote a checkpoint, in a format that is no longer read.
    #[error(
        "{}: an earlier version of this program wrote this checkpoint (format version {found}, this program reads \
         {supported}); finish the run with that version, or start it anew from its config.toml in another folder",
        path.display()
    )]
    OldCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// The version of its format.
        found: u32,
        /// The version that is read.
        supported: u32,
    },
    /// Parameters became NaN, infinite or far too large.
    #[error(
        "training diverged at update {step}: `{tensor}` has root mean square {rms}, allowed up to {limit}; \
         lower the learning rate or add a penalty on weights"
    )]
    Diverged {
        /// Updates made.
        step: u64,
        /// The tensor.
        tensor: String,
        /// Its root mean square.
        rms: f64,
        /// The limit.
        limit: f64,
    },
    /// The threads asked for could not be started.
    #[error("{threads} threads could not be started: {detail}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// The system's answer.
        detail: String,
    },
}

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Self {
        Self::Core(error)
    }
}

impl From<DataError> for Error {
    /// What gm-core refused stays its own variant.
    fn from(error: DataError) -> Self {
        match error {
            DataError::Core(error) => Self::Core(error),
            error => Self::Data(error),
        }
    }
}

impl From<EvalError> for Error {
    /// What gm-core and gm-data refused stays their own variants.
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Core(error) => Self::Core(error),
            EvalError::Data(error) => error.into(),
            other => Self::Eval(other),
        }
    }
}

impl Error {
    /// Whether an observer asked to stop.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Core(CoreError::Interrupted { .. }))
    }

    /// The refusal of a name, with the nearest known one.
    pub(crate) fn unknown(what: &'static str, name: &str, known: &[&str]) -> Self {
        CoreError::unknown(what, name, known).into()
    }

    /// Says that an operating-system error concerned this path; made for `map_err`.
    pub(crate) fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let at = DataError::io(op, path);
        move |source| Self::Data(at(source))
    }

    /// Says which file an error of gm-core concerned; made for `map_err`.
    pub(crate) fn at(path: impl AsRef<Path>) -> impl FnOnce(CoreError) -> Self {
        let at = DataError::at(path);
        move |error| Self::Data(at(error))
    }
}
