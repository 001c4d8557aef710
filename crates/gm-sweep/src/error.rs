//! The error type of sweeps and comparisons.

use std::path::PathBuf;

/// The result of a fallible operation of this crate.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Method, Result};
///
/// fn is_grid(text: &str) -> Result<bool> {
///     Ok(text.parse::<Method>()? == Method::Grid)
/// }
/// assert!(is_grid("grid")?);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, naming the setting, the value and what is allowed.
///
/// # Examples
///
/// ```
/// let text = "[sweep]\nmethod = 'random'\nruns = 0\n[settings]\nseed = [1, 2]";
/// let error = gm_sweep::Sweep::parse(text).unwrap_err();
/// assert_eq!(error.to_string(), "`sweep.runs` is 0, allowed: 1 to 10000");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Training, data or a file failed.
    #[error(transparent)]
    Train(gm_train::Error),
    /// A file cannot be understood.
    #[error("{}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A setting of a sweep is outside its range.
    #[error("`{key}` is {value}, allowed: {allowed}")]
    Setting {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A setting does not make a run.
    #[error("`{key}` = {value}: {detail}")]
    Refused {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// What is wrong with it, and what is allowed.
        detail: String,
    },
    /// The settings of a candidate together do not make a run.
    #[error("candidate {name}: {detail}")]
    Candidate {
        /// The candidate.
        name: String,
        /// What is wrong with it, and what is allowed.
        detail: String,
    },
    /// A folder holds the runs of another sweep.
    #[error(
        "{}: holds the runs of another sweep, in which `{key}` is {expected}, here it is {found}; choose another folder",
        folder.display()
    )]
    OtherSweep {
        /// The folder.
        folder: PathBuf,
        /// The first setting that differs.
        key: String,
        /// Its value in the folder.
        expected: String,
        /// Its value now.
        found: String,
    },
    /// A folder that was to hold the runs of a sweep is itself a run.
    #[error("{}: is the folder of a run, allowed: a folder for the runs of a sweep", folder.display())]
    IsRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A run does not have the figure by which it is to be judged.
    #[error("{}: the run has no figure {figure}, allowed: {known}", folder.display())]
    NoFigure {
        /// The folder of the run.
        folder: PathBuf,
        /// The figure.
        figure: String,
        /// The figures that it has.
        known: String,
    },
    /// A folder holds no runs.
    #[error("{}: holds no runs, allowed: the folder of a run, or a folder of such folders", folder.display())]
    NoRuns {
        /// The folder.
        folder: PathBuf,
    },
}

impl From<gm_train::Error> for Error {
    fn from(error: gm_train::Error) -> Self {
        Self::Train(error)
    }
}

impl From<gm_core::Error> for Error {
    fn from(error: gm_core::Error) -> Self {
        Self::Train(error.into())
    }
}

impl From<gm_data::Error> for Error {
    fn from(error: gm_data::Error) -> Self {
        Self::Train(error.into())
    }
}

impl Error {
    /// A setting that is outside its range.
    pub(crate) fn setting(key: impl Into<String>, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting { key: key.into(), value: value.to_string(), allowed: allowed.into() }
    }
}
