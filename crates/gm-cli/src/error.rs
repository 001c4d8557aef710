//! The program's errors: the text of the libraries, in the options of the command that ran, and a remedy.

use std::io;
use std::path::{Path, PathBuf};

use gm_data::Error as Data;
use gm_eval::Error as Eval;
use gm_sweep::Error as Sweep;
use gm_train::Error as Train;

use crate::hints::{CommandLine, remedy};
use crate::memory::Shortage;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// gm-core refused a model, a setting or an estimate.
    #[error(transparent)]
    Core(#[from] gm_core::Error),
    /// gm-data refused data or a file.
    #[error(transparent)]
    Data(Data),
    /// Training or a run folder failed.
    #[error(transparent)]
    Train(Train),
    /// A sweep or a comparison of runs failed.
    #[error(transparent)]
    Sweep(Box<Sweep>),
    /// The operating system refused or failed.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// The operation, such as `reading`.
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The content of a file cannot be used.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file or a folder would be overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
        /// The remedy.
        remedy: &'static str,
    },
    /// An option's value cannot be used.
    #[error("{option}: {value}, allowed: {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        allowed: String,
    },
    /// The file of an option cannot be used.
    #[error("{option}: {source}")]
    Side {
        /// The option.
        option: &'static str,
        /// The error of the file.
        source: Box<Data>,
    },
    /// An option has an effect only together with another option.
    #[error("{option} {value} needs {needs}")]
    Needs {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// The other option, with its value.
        needs: String,
    },
    /// A run has not been trained to its end.
    #[error("{} has no model.gm yet", folder.display())]
    NoModel {
        /// The run's folder.
        folder: PathBuf,
    },
    /// Model and data have different numbers of visible units.
    #[error("the model {} has {model} visible units, the data {data} have {units}", path.display())]
    Units {
        /// The model file.
        path: PathBuf,
        /// Number of its visible units.
        model: usize,
        /// The data.
        data: String,
        /// Number of their units.
        units: usize,
    },
    /// The columns of data have other names than those that the model was trained on.
    #[error(
        "column {number} of the data {data} is `{found}`, and the model {} was trained with `{expected}` there; put the \
         columns into the order of the model (`dgm inspect --json` lists it)", path.display()
    )]
    Columns {
        /// The model file.
        path: PathBuf,
        /// The data.
        data: String,
        /// The first column that differs, counted from 1 among those of values.
        number: usize,
        /// Its name.
        found: String,
        /// The name in the model.
        expected: String,
    },
    /// A server did not give a file.
    #[error("{address}: {detail}")]
    Download {
        /// The file's address.
        address: String,
        /// The reason.
        detail: String,
    },
    /// The local page cannot be shown.
    #[error(transparent)]
    Serve(#[from] gm_serve::Error),
    /// A job would take more memory than is free.
    #[error(transparent)]
    Memory(Shortage),
    /// A message between processes did not come through.
    #[error("exchange with the other processes: {source}")]
    Lost {
        /// The answer of the connection.
        source: io::Error,
    },
    /// Parameters exploded in training.
    #[error("{error}")]
    Diverged {
        /// The error of training.
        error: Box<Train>,
        /// The setting that was the learning rate.
        rate: &'static str,
        /// Whether penalties on weights were in force.
        penalty: bool,
    },
    /// A setting does not fit the model or the other settings. Names of other settings stand in backticks.
    #[error("{op}: `{arg}` is {value}, allowed: {allowed}")]
    Setting {
        /// The operation of the library.
        op: &'static str,
        /// The setting.
        arg: &'static str,
        /// Its value.
        value: String,
        /// The values that fit.
        allowed: String,
    },
    /// A setting has an effect only together with another one.
    #[error("{op}: `{arg}` {value} needs {needs}")]
    Unmet {
        /// The operation of the library.
        op: &'static str,
        /// The setting.
        arg: &'static str,
        /// Its value.
        value: String,
        /// The other setting, with its value.
        needs: String,
    },
    /// A picture could not be drawn.
    #[error("drawing a picture: {detail}")]
    Picture {
        /// The text of the drawing library.
        detail: String,
    },
}

impl From<Data> for Error {
    fn from(error: Data) -> Self {
        match error {
            Data::Core(error) => Self::Core(error),
            error => Self::Data(error),
        }
    }
}

impl From<Eval> for Error {
    fn from(error: Eval) -> Self {
        match error {
            Eval::Core(error) => Self::Core(error),
            Eval::Data(error) => error.into(),
            Eval::Setting { op, arg, value, allowed } => Self::Setting { op, arg, value, allowed },
            Eval::Needs { op, arg, value, needs } => Self::Unmet { op, arg, value, needs },
            error => Self::Train(Train::Eval(error)),
        }
    }
}

impl From<Train> for Error {
    fn from(error: Train) -> Self {
        match error {
            Train::Core(error) => Self::Core(error),
            Train::Data(error) => Self::Data(error),
            Train::Eval(error) => error.into(),
            error => Self::Train(error),
        }
    }
}

impl From<Sweep> for Error {
    fn from(error: Sweep) -> Self {
        match error {
            Sweep::Train(error) => error.into(),
            error => Self::Sweep(Box::new(error)),
        }
    }
}

impl Error {
    /// Returns a function for `map_err` that adds the operation and the path to an error of the operating system.
    pub(crate) fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { op, path, source }
    }

    /// Returns a function for `map_err` that adds the path to an error in the content of a file.
    pub(crate) fn content<E: ToString>(path: impl AsRef<Path>) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_path_buf();
        move |error| Self::Content { path, detail: error.to_string() }
    }

    /// Refuses an option that is given without the option that it needs.
    pub(crate) fn needs<T: ToString>(option: &'static str, given: Option<T>, holds: bool, needs: &str) -> Result<()> {
        match given {
            Some(value) if !holds => Err(Self::Needs { option, value: value.to_string(), needs: needs.into() }),
            _ => Ok(()),
        }
    }

    /// Whether the user interrupted the command.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::Core(gm_core::Error::Interrupted { .. }))
    }

    /// One line for the terminal, in the options of the command that ran.
    pub(crate) fn line(&self, command: &CommandLine) -> String {
        let text = self.in_options(command).replace('\n', " ");
        match remedy(self, command) {
            Some(remedy) => format!("{text}; {remedy}"),
            None => text,
        }
    }

    /// The text, in which options replace the settings of the libraries that they set.
    fn in_options(&self, command: &CommandLine) -> String {
        match self {
            Self::Setting { arg, value, allowed, .. } => match command.option_of(arg, value) {
                Some(option) => format!("{option}: {value}, allowed: {}", command.in_options(allowed)),
                None => self.to_string(),
            },
            Self::Unmet { arg, value, needs, .. } => match command.option_of(arg, value) {
                Some(option) => format!("{option} {value} needs {}", command.in_options(needs)),
                None => self.to_string(),
            },
            Self::Memory(shortage) => shortage.in_options(command),
            _ => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lines_have_the_error_and_the_remedy() {
        let error = Error::Core(gm_core::Error::TooLarge { op: "exact", units: 40, limit: 30 });
        let exact = CommandLine::with(&[("--exact", Some("true"))]);
        assert_eq!(
            error.line(&exact),
            "exact: 40 units must be enumerated, at most 30 can be; leave out --exact for an estimate"
        );
        assert_eq!(error.line(&CommandLine::default()), error.to_string());
        assert!(Error::Core(gm_core::Error::Interrupted { op: "ais" }).is_interruption());
        let error = Error::Content { path: "a.npy".into(), detail: "first\nsecond".into() };
        assert_eq!(error.line(&exact), "a.npy: first second");
        assert!(!error.is_interruption());
    }

    #[test]
    fn table_settings_of_the_libraries_become_options_that_were_given() {
        let command = CommandLine::with(&[("--temperatures", Some("3")), ("--method", None), ("--steps", Some("9"))]);
        let (op, value, allowed) = ("chains_of", String::from("3"), "one with `method` tempering, not `that`".into());
        let error = Eval::Setting { op, arg: "temperatures", value: value.clone(), allowed };
        let line = "--temperatures: 3, allowed: one with --method tempering, not `that`";
        assert_eq!(Error::from(error).line(&command), line);
        let error = Error::from(Eval::Needs { op, arg: "temperatures", value, needs: "`method` tempering".into() });
        assert_eq!(error.line(&command), "--temperatures 3 needs --method tempering");
        assert_eq!(error.line(&CommandLine::default()), "chains_of: `temperatures` 3 needs `method` tempering");
        let error = Eval::Setting { op, arg: "steps", value: "0".into(), allowed: "1 or more".into() };
        assert_eq!(Error::from(error).line(&command), "chains_of: `steps` is 0, allowed: 1 or more");
    }
}
