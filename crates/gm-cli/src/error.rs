//! The program's errors: the text of the libraries, and a remedy that names the program's options.

use std::io;
use std::path::{Path, PathBuf};

use gm_core::FileError;
use gm_data::{Error as Data, Likely};
use gm_eval::Error as Eval;
use gm_train::Error as Train;

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
    /// A server did not give a file.
    #[error("{address}: {detail}")]
    Download {
        /// The file's address.
        address: String,
        /// The reason.
        detail: String,
    },
    /// Training would take more memory than is free.
    #[error("training {parameters} parameters takes about {needed} MiB beside the data, {left} MiB are free ({limit})")]
    Memory {
        /// Number of parameters of the model.
        parameters: u64,
        /// The MiB that training takes.
        needed: u64,
        /// The MiB that are free.
        left: u64,
        /// The limit behind them.
        limit: &'static str,
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
    /// A setting of the libraries that an option sets becomes that option.
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

/// A text of the libraries in which options replace the names of arguments, which stand in backticks.
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

    /// The remedy for the user, which names the program's options.
    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Exists { remedy, .. } => Some(remedy),
            Self::Memory { .. } => Some("use fewer --hidden units, or raise the limit"),
            Self::NoModel { .. } => Some("finish the run with `dgm train --resume RUN`"),
            Self::Units { .. } => Some(
                "give data of the kind that the model was trained on; `dgm data info SPEC` and `dgm inspect MODEL` \
                 show the numbers of units",
            ),
            Self::Download { .. } => Some(
                "run the same command again to continue where it stopped, or name another server with \
                 --mirror URL",
            ),
            Self::Core(error) => core_remedy(error),
            Self::Data(error) => data_remedy(error),
            Self::Side { option, source } => side_remedy(option, source),
            Self::Train(error) => train_remedy(error),
            _ => None,
        }
    }

    /// Whether the user interrupted the command.
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

/// The remedy for the file of an option.
fn side_remedy(option: &str, error: &Data) -> Option<&'static str> {
    match (option, error) {
        ("--clamp", Data::Missing { .. }) => {
            Some("give any number in its place if the mask says that the unit is free")
        }
        ("--mask", Data::Missing { .. }) => Some("a mask has 1 for a unit that is marked, and 0 for others"),
        _ => None,
    }
}

fn core_remedy(error: &gm_core::Error) -> Option<&'static str> {
    match error {
        gm_core::Error::TooLarge { .. } => Some("leave out --exact to use annealed importance sampling"),
        gm_core::Error::NonFinite { .. } => Some("use a lower --learning-rate"),
        gm_core::Error::Unknown { what: "data set", .. } => {
            Some("`dgm data list` shows the known data sets; name a file by its path")
        }
        gm_core::Error::Param { arg, .. } => option_of(arg),
        _ => None,
    }
}

/// The remedy that names the option for a parameter of the libraries.
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
        "header" => "leave out --header",
        "label_column" => "leave out --label-column",
        "drop" => "leave out --drop",
        _ => return None,
    })
}

fn data_remedy(error: &Data) -> Option<&'static str> {
    match error {
        Data::NotFound { .. } => {
            Some("name the folder that holds it with --data-dir or DGM_DATA, or fetch it with `dgm data fetch`")
        }
        Data::OutOfRange { likely, .. } => Some(match likely {
            Likely::Header => {
                "pass --header yes for a header; binarise with --binarise threshold:T, or train an rbm, dbm or dbn with \
                 --visible gaussian"
            }
            Likely::Index => {
                "leave an index out with --drop COLUMN; binarise with --binarise threshold:T, or train an rbm, dbm or \
                 dbn with --visible gaussian"
            }
            Likely::Inverted => "leave out --invert",
            _ => "binarise with --binarise threshold:T, or train an rbm, dbm or dbn with --visible gaussian",
        }),
        Data::Missing { row: 1, column: 1, value, .. } if value == "``" => Some(
            "leave out the rows or columns that lack values, or fill them in; if the first line names the columns, pass \
             --header yes",
        ),
        Data::Missing { .. } => Some("leave out the rows or columns that lack values, or fill them in"),
        Data::Cell { expected, .. } if expected.starts_with("a label, a whole number") => {
            Some("if the column holds no labels, pass --label-column none, or leave it out with --drop COLUMN")
        }
        Data::Cell { line: 1, .. } => Some("if the first line names the columns, pass --header yes"),
        Data::Weights { .. } => Some("the file is that of --weights"),
        Data::GreyLevels { .. } => Some("set it with --binarise"),
        Data::File { source: FileError::WrongKind { found, .. }, .. } if found == "classifier" => {
            Some("use a classifier with `dgm eval`, `dgm infer`, `dgm inspect` and `dgm convert`")
        }
        Data::NoLabels { .. } => Some(
            "give labels as a labels-idx1-ubyte file beside the images, a csv column `label`, an npz array `labels` \
             or the first word of libsvm lines",
        ),
        Data::File { source: FileError::NewerVersion { .. }, .. } => Some("use a newer dgm"),
        Data::TooFewRows { .. } => Some("evaluate a trained model on all rows with --split all"),
        _ => None,
    }
}

fn train_remedy(error: &Train) -> Option<&'static str> {
    match error {
        Train::RunExists { .. } => Some("use --resume RUN or --out RUN"),
        Train::NoRun { .. } => Some("start a run with `dgm train rbm --data SPEC --out RUN`"),
        Train::OldCheckpoint { .. } => Some("start it anew with `dgm train --config RUN/config.toml --out NEW`"),
        Train::Diverged { .. } => Some("set them with --learning-rate, --l2 and --max-norm"),
        Train::Finished { .. } => {
            Some("for more epochs, raise `epochs` in a copy of its config.toml and pass the copy to --config")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lines_have_the_error_and_the_remedy() {
        let error = Error::Core(gm_core::Error::TooLarge { op: "exact", units: 40, limit: 30 });
        assert_eq!(
            error.line(),
            "exact: 40 units must be enumerated, at most 30 can be; leave out --exact to use annealed importance \
             sampling"
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
