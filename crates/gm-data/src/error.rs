//! The error type of data sets and files.

use std::io;
use std::path::{Path, PathBuf};

use gm_core::FileError;

/// The result of a fallible operation of this crate.
///
/// # Examples
///
/// ```
/// use gm_data::{Dataset, Result};
///
/// fn training_rows(name: &str) -> Result<usize> {
///     Ok(Dataset::builtin(name)?.train.len())
/// }
/// assert_eq!(training_rows("bars-and-stripes:3")?, 16);
/// assert!(training_rows("bars").unwrap_err().to_string().starts_with("unknown data set `bars`"));
/// # Ok::<(), gm_data::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, naming the file, the field, the value and what is allowed.
///
/// # Examples
///
/// ```
/// let error = gm_data::Dataset::builtin("digit").unwrap_err();
/// assert!(error.to_string().starts_with("unknown data set `digit`, did you mean `digits`?"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model or a setting was refused.
    #[error(transparent)]
    Core(#[from] gm_core::Error),
    /// The operating system refused or failed.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was attempted, such as `reading`.
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The content of a file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// A known data set is in none of the folders searched.
    #[error("data set `{name}` not found, looked for the folder: {searched}")]
    NotFound {
        /// The data set.
        name: String,
        /// The folders searched.
        searched: String,
    },
    /// A file's format cannot be told from its name and first bytes.
    #[error("{}: unknown format; known: {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The formats.
        known: &'static str,
    },
    /// A file announces a shape that data cannot have.
    #[error("{name}: has shape {shape}, expected {expected}")]
    Dimensions {
        /// The file or array.
        name: String,
        /// The shape announced.
        shape: String,
        /// What would be understood.
        expected: &'static str,
    },
    /// A value is neither a probability nor is it to be compared with a threshold.
    #[error(
        "{name}: value {value} at row {row}, column {column} lies outside 0..1; \
         scale the values to 0..1, or binarise with `threshold:T`"
    )]
    OutOfRange {
        /// The file, array or split.
        name: String,
        /// The example, from 1, without a header.
        row: usize,
        /// The unit, from 1.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A value is NaN or an infinity.
    #[error("{name}: value {value} at row {row}, column {column} is no finite number")]
    NotFinite {
        /// The file, array or split.
        name: String,
        /// The example, from 1, without a header.
        row: usize,
        /// The unit, from 1.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A value that should name a category does not.
    #[error(
        "{name}: value {value} at row {row}, column {column} is no category; categories are whole numbers {allowed}"
    )]
    Category {
        /// The file, array or split.
        name: String,
        /// The example, from 1, without a header.
        row: usize,
        /// The column, from 1.
        column: usize,
        /// The value.
        value: f32,
        /// Which would do.
        allowed: String,
    },
    /// A line of a text file has another number of values than the first.
    #[error("{}: line {line} has {found} values, expected {expected} as in the first", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Values found.
        found: usize,
        /// Values of the first line.
        expected: usize,
    },
    /// A cell of a text file cannot be read.
    #[error("{}: line {line}, column {column}: `{text}` is not {expected}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// What stands there.
        text: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A sparse file names a unit that the dense data cannot have.
    #[error("{}: line {line}: index {index} is not allowed: {reason}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The index.
        index: u64,
        /// Why not.
        reason: String,
    },
    /// Labels and examples differ in number.
    #[error("{name}: {labels} labels for {rows} examples")]
    Labels {
        /// The file, array or split.
        name: String,
        /// Examples.
        rows: usize,
        /// Labels.
        labels: usize,
    },
    /// A file of weights does not suit the training examples.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Classes were to be learnt or judged from data without labels.
    #[error("{name}: the {split} split has no labels")]
    NoLabels {
        /// The data set.
        name: String,
        /// The split.
        split: String,
    },
    /// A label names a class that is not there.
    #[error("{name}: row {row} of the {split} split has label {label}, allowed: below {classes}")]
    Label {
        /// The data set.
        name: String,
        /// The split.
        split: String,
        /// The example, from 1.
        row: usize,
        /// The label.
        label: u16,
        /// Classes, numbered from 0.
        classes: usize,
    },
    /// A data set or a split holds no examples.
    #[error("{name}: holds no examples")]
    NoRows {
        /// The file, array or split.
        name: String,
    },
    /// Too few rows to set some aside for validation and test.
    #[error("{name}: {rows} rows cannot be split, 6 or more can be; give train, valid and test files instead")]
    TooFewRows {
        /// The file.
        name: String,
        /// Its rows.
        rows: usize,
    },
    /// Two splits of one data set have different numbers of units.
    #[error("{name}: the {split} split has {found} units, the training split has {expected}")]
    Width {
        /// The data set.
        name: String,
        /// The split that differs.
        split: &'static str,
        /// Its units.
        found: usize,
        /// Units of the training split.
        expected: usize,
    },
    /// A folder holds no training file.
    #[error(
        "{}: no training images, looked for train-images-idx3-ubyte.gz, train-images-idx2-ubyte.gz \
         and the same names without .gz",
        folder.display()
    )]
    NoTrainFile {
        /// The folder.
        folder: PathBuf,
    },
    /// Grey levels were to be used as if they were binary.
    #[error("{op}: the data have grey levels, `binarise` is {value}; allowed: {allowed}")]
    GreyLevels {
        /// The operation.
        op: &'static str,
        /// The setting.
        value: String,
        /// Settings that give binary data here.
        allowed: &'static str,
    },
    /// What a file holds, or would hold, is not valid.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: gm_core::Error,
    },
}

impl Error {
    /// Says that an operating-system error concerned this path; made for `map_err`.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = std::fs::File::open("absent").map_err(gm_data::Error::io("opening", "absent")).unwrap_err();
    /// assert!(error.to_string().starts_with("opening absent: "));
    /// ```
    pub fn io(op: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { op, path, source }
    }

    /// Says that a content error concerned this path; made for `map_err`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::FileError;
    ///
    /// let error = gm_data::Error::file("a.gm")(FileError::Foreign { format: "model" });
    /// assert_eq!(error.to_string(), "a.gm: not a model file: it begins with other bytes");
    /// ```
    pub fn file(path: impl AsRef<Path>) -> impl FnOnce(FileError) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::File { path, source }
    }
}
