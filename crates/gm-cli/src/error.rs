//! The program's errors: what happened, in the libraries' words, and what to do about it, with our flags.

use std::io;
use std::path::{Path, PathBuf};

use gm_core::FileError;
use gm_data::Error as Data;
use gm_eval::Error as Eval;
use gm_train::Error as Train;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A model, a setting or an estimate was refused.
    #[error(transparent)]
    Core(#[from] gm_core::Error),
    /// Data or a file were refused.
    #[error(transparent)]
    Data(Data),
    /// Training or a run folder failed.
    #[error(transparent)]
    Train(Train),
    /// The operating system refused or failed.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was attempted.
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
    /// Something would be overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// An option's value cannot be used.
    #[error("{option}: {value}, allowed: {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        allowed: String,
    },
    /// An option has an effect only together with another one.
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
        /// Its visible units.
        model: usize,
        /// The data.
        data: String,
        /// Their units.
        units: usize,
    },
    /// A server did not give a file.
    #[error("{address}: {detail}")]
    Download {
        /// The file's address.
        address: String,
        /// What happened.
        detail: String,
    },
    /// Training would take more memory than there is.
    #[error("training {parameters} parameters takes about {needed} MiB beside the data, {left} MiB are left ({limit})")]
    Memory {
        /// Parameters of the model.
        parameters: u64,
        /// MiB that training takes.
        needed: u64,
        /// MiB that are left.
        left: u64,
        /// What limits them.
        limit: &'static str,
    },
    /// A picture could not be drawn.
    #[error("drawing a picture: {detail}")]
    Picture {
        /// The drawing library's words.
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
    /// A setting that is set by an option becomes that option.
    fn from(error: Eval) -> Self {
        match error {
            Eval::Setting { op, arg, value, allowed } => match option_name(arg) {
                Some(option) => Self::Option { option, value, allowed: in_options(&allowed) },
                None => Train::from(Eval::Setting { op, arg, value, allowed }).into(),
            },
            error => Train::from(error).into(),
        }
    }
}

/// The option that sets an argument of sampling, inference or completion.
fn option_name(arg: &str) -> Option<&'static str> {
    Some(match arg {
        "beta" => "--beta",
        "causes" => "--causes",
        "chains" => "--chains",
        "clamp" => "--clamp",
        "classes" => "--label",
        "count" => "--count",
        "method" => "--method",
        "samples" => "--samples",
        "seen" => "--posterior",
        "steps" => "--steps",
        "temperatures" => "--temperatures",
        "thin" => "--thin",
        _ => return None,
    })
}

/// A text of the libraries, in which names of arguments stand in backticks, with our options in their place.
pub(crate) fn in_options(text: &str) -> String {
    let word = |(i, part): (usize, &str)| match option_name(part).filter(|_| i % 2 == 1) {
        Some(option) => option.to_owned(),
        None if i % 2 == 1 => format!("`{part}`"),
        None => part.to_owned(),
    };
    text.split('`').enumerate().map(word).collect()
}

impl From<Train> for Error {
    fn from(error: Train) -> Self {
        match error {
            Train::Core(error) => Self::Core(error),
            Train::Data(error) => Self::Data(error),
            error => Self::Train(error),
        }
    }
}

impl Error {
    /// Says that an operating-system error concerned a path; made for `map_err`.
    pub(crate) fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { op, path, source }
    }

    /// Says that a file's content cannot be used; made for `map_err`.
    pub(crate) fn content<E: ToString>(path: impl AsRef<Path>) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_path_buf();
        move |error| Self::Content { path, detail: error.to_string() }
    }

    /// Refuses an option that was given without the one that it needs.
    pub(crate) fn needs<T: ToString>(option: &'static str, given: Option<T>, holds: bool, needs: &str) -> Result<()> {
        match given {
            Some(value) if !holds => Err(Self::Needs { option, value: value.to_string(), needs: needs.into() }),
            _ => Ok(()),
        }
    }

    /// What the user can do, with the program's own flags.
    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Exists { remedy, .. } => Some(remedy),
            Self::Memory { .. } => Some("fewer --hidden units take less, or raise the limit"),
            Self::NoModel { .. } => Some("`dgm train --resume RUN` finishes the run"),
            Self::Units { .. } => {
                Some("give the data the model was trained on; `dgm data info SPEC` and `dgm inspect MODEL` show both")
            }
            Self::Download { .. } => {
                Some("the same command goes on where it stopped; --mirror URL names another server")
            }
            Self::Core(error) => core_remedy(error),
            Self::Data(error) => data_remedy(error),
            Self::Train(error) => train_remedy(error),
            _ => None,
        }
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::Core(gm_core::Error::Interrupted { .. }))
    }

    /// One line for the terminal.
    pub(crate) fn line(&self) -> String {
        let text = self.to_string().replace('\n', " ");
        match self.remedy() {
            Some(remedy) => format!("{text}; {remedy}"),
            None => text,
        }
    }
}

fn core_remedy(error: &gm_core::Error) -> Option<&'static str> {
    match error {
        gm_core::Error::TooLarge { .. } => Some("leave out --exact to estimate by annealed importance sampling"),
        gm_core::Error::NonFinite { .. } => Some("a lower --learning-rate keeps training stable"),
        gm_core::Error::Unknown { what: "data set", .. } => Some("`dgm data list` shows them; files are given by path"),
        gm_core::Error::Param { arg, .. } => option_of(arg),
        _ => None,
    }
}

/// Which option sets a parameter of the libraries.
fn option_of(arg: &str) -> Option<&'static str> {
    Some(match arg {
        "hidden" => "set it with --hidden",
        "epochs" => "set it with --epochs",
        "batch_size" => "set it with --batch-size",
        "learning_rate" => "set it with --learning-rate",
        "momentum" => "set it with --momentum",
        "dropout" => "set it with --dropout",
        "chains" => "set it with --chains",
        "k" => "set it with --k",
        "init_scale" => "set it with --init-scale",
        "l1" => "set it with --l1",
        "l2" => "set it with --l2",
        "max_norm" => "set it with --max-norm",
        "runs" => "set it with --ais-runs",
        "temperatures" => "set it with --ais-temperatures",
        "checkpoint_every" => "set it with --checkpoint-every",
        _ => return None,
    })
}

fn data_remedy(error: &Data) -> Option<&'static str> {
    match error {
        Data::NotFound { .. } => {
            Some("name the folder that holds it with --data-dir or DGM_DATA, or get it with `dgm data fetch`")
        }
        Data::OutOfRange { .. } => Some(
            "the flag is --binarise threshold:T; a rbm, dbm or dbn with --visible gaussian takes numbers as they are",
        ),
        Data::GreyLevels { .. } => Some("the flag is --binarise"),
        Data::File { source: FileError::WrongKind { found, .. }, .. } if found == "classifier" => {
            Some("`dgm eval`, `dgm infer`, `dgm inspect` and `dgm convert` take classifiers")
        }
        Data::NoLabels { .. } => Some(
            "labels are a labels-idx1-ubyte file beside the images, a csv column `label`, an npz array `labels` or the first \
             word of libsvm lines",
        ),
        Data::File { source: FileError::NewerVersion { .. }, .. } => Some("use a newer dgm"),
        Data::TooFewRows { .. } => Some("a trained model takes them with --split all"),
        _ => None,
    }
}

fn train_remedy(error: &Train) -> Option<&'static str> {
    match error {
        Train::RunExists { .. } => Some("the flags are --resume RUN and --out RUN"),
        Train::NoRun { .. } => Some("`dgm train rbm --data SPEC --out RUN` begins one"),
        Train::OldCheckpoint { .. } => Some("`dgm train --config RUN/config.toml --out NEW` starts it anew"),
        Train::Diverged { .. } => Some("the flags are --learning-rate, --l2 and --max-norm"),
        Train::Finished { .. } => {
            Some("for more epochs raise them in a copy of its config.toml and pass that to --config")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lines_say_what_happened_and_what_to_do() {
        let error = Error::Core(gm_core::Error::TooLarge { op: "exact", units: 40, limit: 30 });
        assert_eq!(
            error.line(),
            "exact: 40 units must be enumerated, at most 30 can be; leave out --exact to estimate by annealed importance sampling"
        );
        assert!(Error::Core(gm_core::Error::Interrupted { op: "ais" }).is_interruption());
        let error = Error::Content { path: "a.npy".into(), detail: "first\nsecond".into() };
        assert_eq!(error.line(), "a.npy: first second");
        assert!(!error.is_interruption());
    }

    #[test]
    fn table_settings_of_the_libraries_become_options() {
        let (value, allowed) = ("3".into(), "together with `method` tempering only, not `that`".into());
        let error = Eval::Setting { op: "chains_of", arg: "temperatures", value, allowed };
        let line = "--temperatures: 3, allowed: together with --method tempering only, not `that`";
        assert_eq!(Error::from(error).line(), line);
    }
}
