//! The error type of data sets and files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use gm_core::FileError;

use crate::sequences::Alphabet;

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

/// An error of reading, preparing or writing data, with the file, the value and what is allowed.
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
        /// The operation, such as `reading`.
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
    /// None of the folders searched holds the known data set.
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
        /// The known formats.
        known: &'static str,
    },
    /// A file announces a shape that data cannot have.
    #[error("{name}: has shape {shape}, expected {expected}")]
    Dimensions {
        /// The file or array.
        name: String,
        /// The shape announced.
        shape: String,
        /// The shapes that can be read.
        expected: &'static str,
    },
    /// A value lies outside 0..1, and no threshold is given to binarise it.
    #[error("{name}: value {value} at row {row}, column {column} lies outside 0..1; {likely}")]
    OutOfRange {
        /// The file, array or split.
        name: String,
        /// The example, counted from 1 without a header.
        row: usize,
        /// The unit, counted from 1.
        column: usize,
        /// The value.
        value: f32,
        /// The likely cause.
        likely: Likely,
    },
    /// A value is missing: it is NaN, or a cell of text that is empty or marks a missing value.
    #[error("{name}: value {value} at row {row}, column {column}: missing values are not taken")]
    Missing {
        /// The file, array or split.
        name: String,
        /// The example, counted from 1 without a header.
        row: usize,
        /// The column, counted from 1.
        column: usize,
        /// The text of the cell, or `NaN`.
        value: String,
    },
    /// A threshold leaves every unit off or every unit on.
    #[error("{name}: threshold {threshold} leaves every unit {state}, since {remedy}")]
    Threshold {
        /// The file, array or split.
        name: String,
        /// The threshold.
        threshold: f32,
        /// `off` or `on`.
        state: &'static str,
        /// The range of the values, and the thresholds that divide them.
        remedy: String,
    },
    /// A file of validation or test rows is given for data that have such rows.
    #[error("{name}: has {split} rows of its own, so {} cannot give them", path.display())]
    OwnRows {
        /// The data set.
        name: String,
        /// The split.
        split: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file of validation or test rows holds several splits.
    #[error("{}: holds training, validation and test rows, expected the {split} rows alone", path.display())]
    SeveralSplits {
        /// The file or folder.
        path: PathBuf,
        /// The split that it is to give.
        split: &'static str,
    },
    /// A value is an infinity.
    #[error("{name}: value {value} at row {row}, column {column} is no finite number")]
    NotFinite {
        /// The file, array or split.
        name: String,
        /// The example, counted from 1 without a header.
        row: usize,
        /// The unit, counted from 1.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A value that should be a category is not one.
    #[error(
        "{name}: value {value} at row {row}, column {column} is no category; categories are whole numbers {allowed}"
    )]
    Category {
        /// The file, array or split.
        name: String,
        /// The example, counted from 1 without a header.
        row: usize,
        /// The column, counted from 1.
        column: usize,
        /// The value.
        value: f32,
        /// The allowed categories.
        allowed: String,
    },
    /// A line of a text file has another number of values than the first.
    #[error("{}: line {line} has {found} values, expected {expected} as in the first", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Number of values found.
        found: usize,
        /// Number of values in the first line.
        expected: usize,
    },
    /// A cell of a text file cannot be read.
    #[error("{}: line {line}, column {column}: `{text}` is not {expected}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1.
        column: usize,
        /// The text of the cell.
        text: String,
        /// What the cell should hold.
        expected: &'static str,
    },
    /// An option names a column that a table does not have.
    #[error("{}: no column `{column}`; columns are {known}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The name or the number that was given.
        column: String,
        /// The columns of the table.
        known: String,
    },
    /// A sequence has another number of columns than the others.
    #[error("{}: sequence `{sequence}` (line {line}) has {found} columns, expected {expected} as {like}", path.display())]
    Unaligned {
        /// The file.
        path: PathBuf,
        /// The name of the sequence.
        sequence: String,
        /// The line on which it begins, counted from 1.
        line: u64,
        /// Number of its columns.
        found: usize,
        /// Number of columns expected.
        expected: usize,
        /// What has this number of columns.
        like: &'static str,
    },
    /// A sequence has a character that its alphabet lacks.
    #[error(
        "{}: sequence `{sequence}` (line {line}) has `{letter}` at position {position}, which the alphabet {alphabet} \
         lacks",
        path.display()
    )]
    Letter {
        /// The file.
        path: PathBuf,
        /// The name of the sequence.
        sequence: String,
        /// The line on which it begins, counted from 1.
        line: u64,
        /// The place of the character in the sequence, counted from 1.
        position: usize,
        /// The character.
        letter: char,
        /// The alphabet.
        alphabet: Alphabet,
    },
    /// A line of a file of aligned sequences cannot be read.
    #[error("{}: line {line}: {reason}", path.display())]
    Alignment {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The reason.
        reason: &'static str,
    },
    /// Sequences are to be read for visible units that are not softmax units.
    #[error("{name}: holds sequences, whose letters are categories and no numbers")]
    Sequences {
        /// The file.
        name: String,
    },
    /// A sparse file names a unit that the dense data cannot have.
    #[error("{}: line {line}: index {index} is not allowed: {reason}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The index.
        index: u64,
        /// The reason.
        reason: String,
    },
    /// Labels and examples differ in number.
    #[error("{name}: {labels} labels for {rows} examples")]
    Labels {
        /// The file, array or split.
        name: String,
        /// Number of examples.
        rows: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A file of weights does not fit the training examples.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Training or evaluation needs labels, and the data have none.
    #[error("{name}: the {split} split has no labels")]
    NoLabels {
        /// The data set.
        name: String,
        /// The split.
        split: String,
    },
    /// A label is not below the number of classes.
    #[error("{name}: row {row} of the {split} split has label {label}, allowed: below {classes}")]
    Label {
        /// The data set.
        name: String,
        /// The split.
        split: String,
        /// The example, counted from 1.
        row: usize,
        /// The label.
        label: u16,
        /// Number of classes; labels count from 0.
        classes: usize,
    },
    /// A data set or a split holds no examples.
    #[error("{name}: holds no examples")]
    NoRows {
        /// The file, array or split.
        name: String,
    },
    /// A table has too few rows to set some aside for validation and test.
    #[error(
        "{name}: {rows} rows cannot be split, 6 or more are needed; give validation and test rows in files of their own"
    )]
    TooFewRows {
        /// The file.
        name: String,
        /// Number of its rows.
        rows: usize,
    },
    /// Two splits of one data set have different numbers of units.
    #[error("{name}: the {split} split has {found} units, the training split has {expected}")]
    Width {
        /// The data set.
        name: String,
        /// The split that differs.
        split: &'static str,
        /// Number of its units.
        found: usize,
        /// Number of units of the training split.
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
    /// An operation needs binary data, and the setting does not make the grey levels binary.
    #[error("{op}: the data have grey levels, `binarise` is {value}; allowed: {allowed}")]
    GreyLevels {
        /// The operation.
        op: &'static str,
        /// The setting.
        value: String,
        /// The settings that give binary data here.
        allowed: &'static str,
    },
    /// The content of a file, or the content to be written, is not valid.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: gm_core::Error,
    },
}

/// The likely cause of a value outside 0..1.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
/// use gm_data::{Error, Likely, Split, Values};
///
/// let error = Split::new(Values::Reals(Matrix::from_element(1, 1, 7.0)), None).unwrap_err();
/// assert!(matches!(error, Error::OutOfRange { likely: Likely::Unscaled, .. }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Likely {
    /// The values have another scale.
    Unscaled,
    /// The first line of a table of text, which was read as an example, names the columns.
    Header,
    /// The column numbers the rows.
    Index,
    /// The values are numbers, which cannot be inverted.
    Inverted,
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SCALE: &str = "scale the values to 0..1, or binarise with `threshold:T`";
        match self {
            Self::Unscaled => f.write_str(SCALE),
            Self::Header => write!(f, "is the first line a header? If not, {SCALE}"),
            Self::Index => write!(f, "the column rises from row to row: is it an index? If not, {SCALE}"),
            Self::Inverted => f.write_str("only values within 0..1 can be inverted"),
        }
    }
}

impl Error {
    /// A threshold that all values exceed, or none.
    pub(crate) fn threshold(name: &str, threshold: f32, off: bool, remedy: String) -> Self {
        Self::Threshold { name: name.into(), threshold, state: if off { "off" } else { "on" }, remedy }
    }

    /// Returns a function for `map_err` that adds the operation and the path to an error of the operating system.
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

    /// Returns a function for `map_err` that adds the path to an error in the content of a file.
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
