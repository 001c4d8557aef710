//! Weights of training examples, from a file of numbers or from the similarity of rows.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_core::Error as CoreError;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::similar::check_identity;
use crate::spec::LoadOptions;
use crate::spec::read;
use crate::split::Values;
use crate::table::{Cells, Table};

/// The weights that training rows have in training.
///
/// Written as the path of a file, or `identity[:0.8]`. A file of such a name is given as `./identity`.
///
/// # Examples
///
/// ```
/// use gm_data::RowWeights;
///
/// assert_eq!("identity".parse::<RowWeights>()?, RowWeights::Identity(0.8));
/// assert_eq!("weights.csv".parse::<RowWeights>()?, RowWeights::File("weights.csv".into()));
/// assert_eq!(RowWeights::Identity(0.7).to_string(), "identity:0.7");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum RowWeights {
    /// A file with a number for each row.
    File(PathBuf),
    /// 1 / (number of training rows, itself included, whose share of equal positions is at least this).
    Identity(f64),
}

/// The word for weights from the similarity of rows, and the least share of equal positions that is usual.
const IDENTITY: &str = "identity";
const USUAL_IDENTITY: f64 = 0.8;

impl RowWeights {
    /// Understands a word of a command line, which may be a path of any bytes.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for an identity that is not above 0 and at most 1.
    pub fn of(word: &OsStr) -> Result<Self> {
        let text = word.to_str().unwrap_or_default();
        match text.split_once(':').unwrap_or((text, "")) {
            (IDENTITY, "") if text == IDENTITY => Ok(Self::Identity(USUAL_IDENTITY)),
            (IDENTITY, share) => {
                let identity = share.parse().map_err(|_| {
                    let allowed = "identity:X with a share X above 0 and at most 1";
                    CoreError::Param { op: "RowWeights", arg: "weights", value: text.into(), allowed }
                })?;
                check_identity("RowWeights", identity)?;
                Ok(Self::Identity(identity))
            }
            _ => Ok(Self::File(word.into())),
        }
    }

    /// The path of the file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Identity(_) => None,
        }
    }
}

impl FromStr for RowWeights {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::of(text.as_ref())
    }
}

impl fmt::Display for RowWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Identity(identity) => write!(f, "{IDENTITY}:{identity}"),
        }
    }
}

/// The data with weights of the training examples, which are the rows `kept` of a table of `rows` rows. With `numbers`
/// grey levels are categories.
pub(super) fn weighted(
    mut data: Dataset,
    weights: &RowWeights,
    (rows, kept): (usize, &[usize]),
    numbers: bool,
) -> Result<Dataset> {
    match weights {
        RowWeights::File(path) => of_file(data, path, rows, kept),
        RowWeights::Identity(identity) => {
            let Dataset { source, train, .. } = &data;
            if matches!(train.values(), Values::Reals(_)) || (matches!(train.values(), Values::Levels(_)) && !numbers) {
                let value = format!("{weights} for {source}, which has grey levels");
                let allowed = "identity:X for zeros and ones, and for categories of softmax units";
                return Err(CoreError::Param { op: "LoadOptions", arg: "weights", value, allowed }.into());
            }
            data.train = train.clone().with_identity_weights(*identity)?;
            Ok(data)
        }
    }
}

/// The data with weights of the training examples from a file.
///
/// The file holds one number for each training row, or one for each of the `rows` rows of the table from which the rows
/// `kept` are for training.
fn of_file(mut data: Dataset, path: &Path, rows: usize, kept: &[usize]) -> Result<Dataset> {
    let numbers = numbers(path)?;
    let chosen = match numbers.len() {
        found if found == data.train.len() => numbers,
        found if found == rows => kept.iter().map(|&row| numbers[row]).collect(),
        found => {
            let all = if rows == kept.len() { String::new() } else { format!(", or {rows} for all rows") };
            let reason = format!("{found} weights, expected {} for the training rows{all}", kept.len());
            return Err(Error::Weights { path: path.into(), reason });
        }
    };
    let refuse = |error: Error| Error::Weights { path: path.into(), reason: error.to_string() };
    data.train = data.train.with_weights(chosen).map_err(refuse)?;
    Ok(data)
}

/// All numbers of a table, row by row.
fn numbers(path: &Path) -> Result<Vec<f32>> {
    let table: Table = read(path, &LoadOptions { vectors: true, ..LoadOptions::default() })?.train;
    if table.holds_sequences() {
        return Err(Error::Weights { path: path.into(), reason: "it holds sequences, expected a number a row".into() });
    }
    Ok(match table.cells {
        Cells::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
        Cells::Floats(cells) => cells,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_words_that_are_no_identity() {
        let refused = |word: &str| word.parse::<RowWeights>().unwrap_err().to_string();
        for word in ["identity:", "identity:high", "identity:0.8:0.9"] {
            let error = refused(word);
            let expected = format!("`weights` is {word}, allowed: identity:X with a share X above 0 and at most 1");
            assert!(error.ends_with(&expected), "{error}");
        }
        assert!(refused("identity:1.2").ends_with("`identity` is 1.2, allowed: a share above 0 and at most 1"));
        assert!(refused("identity:nan").contains("is NaN, allowed"));
        assert_eq!("./identity".parse::<RowWeights>().unwrap().file(), Some(Path::new("./identity")));
    }
}
