//! The error type of every crate that touches models.

use std::io;

/// The result of a fallible operation on models.
///
/// # Examples
///
/// ```
/// use gm_core::{Result, Stack};
///
/// fn weights_of(layers: &[usize]) -> Result<usize> {
///     let stack = Stack::zeros(layers)?;
///     Ok((0..stack.depth()).map(|l| stack.weights(l).len()).sum())
/// }
/// assert_eq!(weights_of(&[4, 3, 2])?, 18);
/// assert_eq!(weights_of(&[4]).unwrap_err().to_string(), "Stack::new: `weights` is empty");
/// # Ok::<(), gm_core::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// An error in an argument or a file, in terms that a caller can act on.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector};
///
/// let wrong = Stack::new(vec![Matrix::zeros(4, 2)], vec![Vector::zeros(4), Vector::zeros(3)]);
/// assert_eq!(wrong.unwrap_err().to_string(), "Stack::new: `bias.1` has length 3, expected 2");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument's length or shape does not fit the others.
    #[error("{op}: `{arg}` has {what} {found}, expected {expected}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument.
        arg: String,
        /// The quantity that differs: length, rows, samples.
        what: &'static str,
        /// The value required by the other arguments.
        expected: usize,
        /// The value found.
        found: usize,
    },
    /// A setting is outside its range.
    #[error("{op}: `{arg}` is {value}, allowed: {allowed}")]
    Param {
        /// The operation.
        op: &'static str,
        /// The setting.
        arg: &'static str,
        /// The value given.
        value: String,
        /// The range.
        allowed: &'static str,
    },
    /// A number is NaN or infinite.
    #[error("{op}: `{arg}` is {value} at position {index}, allowed: finite numbers")]
    NonFinite {
        /// The operation.
        op: &'static str,
        /// The argument.
        arg: String,
        /// The first position of such a number, column by column.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A binary argument holds a number other than 0 or 1.
    #[error("{op}: `{arg}` is {value} at unit {unit} of sample {sample}, allowed: 0 or 1")]
    NotBinary {
        /// The operation.
        op: &'static str,
        /// The argument.
        arg: &'static str,
        /// The unit.
        unit: usize,
        /// The sample.
        sample: usize,
        /// The number found.
        value: f32,
    },
    /// An argument is empty.
    #[error("{op}: `{arg}` is empty")]
    Empty {
        /// The operation.
        op: &'static str,
        /// The argument.
        arg: &'static str,
    },
    /// The model is too large for exact enumeration.
    #[error("{op}: {units} units must be enumerated, at most {limit} can be")]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The number of units that would have to be enumerated.
        units: usize,
        /// The limit.
        limit: usize,
    },
    /// The callback stopped a long computation.
    #[error("{op}: stopped on request")]
    Interrupted {
        /// The operation.
        op: &'static str,
    },
    /// A name is not a known one.
    #[error("unknown {what} `{name}`{}; known: {known}", hint(nearest.as_deref()))]
    Unknown {
        /// The kind of thing that the name stands for.
        what: &'static str,
        /// The name given.
        name: String,
        /// The nearest known name, if one is similar.
        nearest: Option<String>,
        /// All known names.
        known: String,
    },
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

impl Error {
    /// The error for an unknown name, with the nearest known name.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = gm_core::Error::unknown("split", "tset", &["train", "valid", "test"]);
    /// assert_eq!(error.to_string(), "unknown split `tset`, did you mean `test`?; known: train, valid, test");
    /// ```
    #[must_use]
    pub fn unknown(what: &'static str, name: &str, known: &[&str]) -> Self {
        let lower = name.to_lowercase();
        let distance = |known: &&&str| strsim::damerau_levenshtein(&lower, known);
        let near =
            |known: &&str| strsim::damerau_levenshtein(&lower, known) <= known.len().min(lower.len()).div_ceil(2);
        let nearest = known.iter().min_by_key(distance).copied().filter(near).map(String::from);
        Self::Unknown { what, name: name.into(), nearest, known: known.join(", ") }
    }
}

/// The reason why a file cannot be used.
///
/// # Examples
///
/// ```
/// use gm_core::{Error, FileError, Format, ModelData};
///
/// let error = ModelData::read_as(Format::Gm, &b"GIF89a, a picture"[..]).unwrap_err();
/// assert!(matches!(error, Error::File(FileError::Foreign { format: "model" })));
/// assert_eq!(error.to_string(), "not a model file: it begins with other bytes");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused or failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    /// The file does not begin with the first bytes of the format.
    #[error("not a {format} file: it begins with other bytes")]
    Foreign {
        /// The format expected.
        format: &'static str,
    },
    /// The file ends too early.
    #[error("{format} file is truncated: {expected} bytes announced, {found} present")]
    Truncated {
        /// The format.
        format: &'static str,
        /// The number of bytes that the header announces.
        expected: u64,
        /// The number of bytes present.
        found: u64,
    },
    /// The file has more bytes after its end.
    #[error("{format} file has {extra} bytes after its end")]
    TrailingBytes {
        /// The format.
        format: &'static str,
        /// The number of surplus bytes.
        extra: u64,
    },
    /// The content does not match its checksum.
    #[error("{format} file is damaged: its checksum does not match its content")]
    Checksum {
        /// The format.
        format: &'static str,
    },
    /// A later version of this software wrote the file.
    #[error("{format} file has format version {found}, this program reads up to {supported}")]
    NewerVersion {
        /// The format.
        format: &'static str,
        /// The version in the file.
        found: u32,
        /// The newest version that is understood.
        supported: u32,
    },
    /// An earlier version of this software wrote the file, in a format that is no longer read.
    #[error("{format} file has format version {found}, this program reads {oldest} and later")]
    OlderVersion {
        /// The format.
        format: &'static str,
        /// Version in the file.
        found: u32,
        /// Oldest version understood.
        oldest: u32,
    },
    /// The file is intact but holds something else.
    #[error("the file holds {}, expected {}", with_article(found), with_article(expected))]
    WrongKind {
        /// The expected content.
        expected: String,
        /// The content of the file.
        found: String,
    },
    /// A named value is missing.
    #[error("{format} file lacks `{name}`")]
    Missing {
        /// The format.
        format: &'static str,
        /// The tensor or field.
        name: String,
    },
    /// A named value is wrong.
    #[error("{format} file: `{name}` is {found}, expected {expected}")]
    Field {
        /// The format.
        format: &'static str,
        /// The tensor or field.
        name: String,
        /// The value in the file.
        found: String,
        /// The values that are understood.
        expected: &'static str,
    },
    /// The content does not follow the format.
    #[error("{format} file cannot be decoded: {detail}")]
    Decode {
        /// The format.
        format: &'static str,
        /// The message of the decoder.
        detail: String,
    },
}

/// A noun with its indefinite article. The names `rbm` and `sbn` are read letter by letter and begin with the sound of
/// a vowel.
fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    let article = if vowel || noun.starts_with("rbm") || noun.starts_with("sbn") { "an" } else { "a" };
    format!("{article} {noun}")
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::File(FileError::Io(error))
    }
}

/// Checks that a length is the expected one.
///
/// # Errors
///
/// [`Error::Shape`] when the two differ.
///
/// # Examples
///
/// ```
/// use gm_core::check_len;
///
/// /// Refuses a vector of means for another number of units.
/// fn check_means(means: &[f32], units: usize) -> gm_core::Result<()> {
///     check_len("fit", "means", "length", means.len(), units)
/// }
/// assert!(check_means(&[0.1, 0.7], 2).is_ok());
/// assert_eq!(check_means(&[0.1, 0.7], 3).unwrap_err().to_string(), "fit: `means` has length 2, expected 3");
/// ```
pub fn check_len(
    op: &'static str,
    arg: impl Into<String>,
    what: &'static str,
    found: usize,
    expected: usize,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { op, arg: arg.into(), what, expected, found })
}

/// Checks that all numbers are finite.
///
/// # Errors
///
/// [`Error::NonFinite`] with the first offending position.
///
/// # Examples
///
/// ```
/// use gm_core::check_finite;
///
/// assert!(check_finite("fit", "means", &[0.1, 0.7]).is_ok());
/// let error = check_finite("fit", "means", &[0.1, f32::NAN]).unwrap_err();
/// assert_eq!(error.to_string(), "fit: `means` is NaN at position 1, allowed: finite numbers");
/// ```
pub fn check_finite(op: &'static str, arg: impl Into<String>, values: &[f32]) -> Result<()> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFinite { op, arg: arg.into(), index, value: values[index] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_every_variant_has_its_text() {
        let cases: Vec<(Error, &str)> = vec![
            (
                Error::Shape { op: "Rbm::new", arg: "hidden_bias".into(), what: "length", expected: 4, found: 3 },
                "Rbm::new: `hidden_bias` has length 3, expected 4",
            ),
            (
                Error::Param { op: "Ais", arg: "runs", value: "0".into(), allowed: "1 or more" },
                "Ais: `runs` is 0, allowed: 1 or more",
            ),
            (
                Error::NonFinite { op: "Stack::new", arg: "weights.0".into(), index: 5, value: f32::NAN },
                "Stack::new: `weights.0` is NaN at position 5, allowed: finite numbers",
            ),
            (
                Error::NotBinary { op: "pack", arg: "v", unit: 2, sample: 7, value: 0.5 },
                "pack: `v` is 0.5 at unit 2 of sample 7, allowed: 0 or 1",
            ),
            (Error::Empty { op: "mean", arg: "data" }, "mean: `data` is empty"),
            (
                Error::TooLarge { op: "exact", units: 40, limit: 30 },
                "exact: 40 units must be enumerated, at most 30 can be",
            ),
            (Error::Interrupted { op: "ais" }, "ais: stopped on request"),
        ];
        check(cases);
    }

    fn check(cases: Vec<(Error, &str)>) {
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn table_every_file_variant_has_its_text() {
        let cases: Vec<(Error, &str)> = vec![
            (FileError::Foreign { format: "model" }.into(), "not a model file: it begins with other bytes"),
            (
                FileError::Truncated { format: "model", expected: 9, found: 4 }.into(),
                "model file is truncated: 9 bytes announced, 4 present",
            ),
            (FileError::TrailingBytes { format: "model", extra: 3 }.into(), "model file has 3 bytes after its end"),
            (
                FileError::Checksum { format: "model" }.into(),
                "model file is damaged: its checksum does not match its content",
            ),
            (
                FileError::NewerVersion { format: "model", found: 9, supported: 1 }.into(),
                "model file has format version 9, this program reads up to 1",
            ),
            (
                FileError::OlderVersion { format: "checkpoint", found: 3, oldest: 4 }.into(),
                "checkpoint file has format version 3, this program reads 4 and later",
            ),
            (
                FileError::WrongKind { expected: "rbm".into(), found: "dbn".into() }.into(),
                "the file holds a dbn, expected an rbm",
            ),
            (FileError::Missing { format: "npz", name: "bias.0".into() }.into(), "npz file lacks `bias.0`"),
            (
                FileError::Field {
                    format: "json",
                    name: "model".into(),
                    found: "cnn".into(),
                    expected: "rbm, sbn, dbm, dbn, classifier or harmonium",
                }
                .into(),
                "json file: `model` is cnn, expected rbm, sbn, dbm, dbn, classifier or harmonium",
            ),
            (
                FileError::Decode { format: "json", detail: "line 1".into() }.into(),
                "json file cannot be decoded: line 1",
            ),
        ];
        check(cases);
    }
}
