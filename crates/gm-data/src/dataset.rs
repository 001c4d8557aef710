//! A data set with its three splits.

use std::fmt;
use std::str::FromStr;

use gm_core::Error as CoreError;

use crate::error::{Error, Result};
use crate::spec::DataSpec;
use crate::split::Split;
use crate::table::Parts;
use crate::{builtin, spec};

/// Training, validation and test examples of one origin.
///
/// # Examples
///
/// ```
/// use gm_data::{Dataset, SplitName};
///
/// let digits = Dataset::builtin("digits")?;
/// assert_eq!(digits.units(), 64);
/// assert_eq!(digits.split(SplitName::Train).len(), 1199);
/// assert_eq!(digits.valid.image(), Some((8, 8)));
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// The built-in or known name, or the path of the data.
    pub source: String,
    /// Examples to learn from.
    pub train: Split,
    /// Examples to choose settings by.
    pub valid: Split,
    /// Examples to report on.
    pub test: Split,
}

impl Dataset {
    /// Joins three splits.
    ///
    /// # Errors
    ///
    /// [`Error::Width`] when they have different numbers of units.
    pub fn new(source: impl Into<String>, train: Split, valid: Split, test: Split) -> Result<Self> {
        let source = source.into();
        let expected = train.units();
        for (split, part) in [("validation", &valid), ("test", &test)] {
            if part.units() != expected {
                return Err(Error::Width { name: source, split, found: part.units(), expected });
            }
        }
        Ok(Self { source, train: train.with_origin(0), valid: valid.with_origin(1), test: test.with_origin(2) })
    }

    /// The built-in data set of a name: `digits`, `bars-and-stripes:D` or `shifter:N`.
    ///
    /// - `digits`: 1,797 handwritten digits of 8 x 8 pixels, levels 0 to 16, with labels; every sixth
    ///   row from the fifth is for validation, every sixth from the sixth for the test.
    /// - `bars-and-stripes:D`: pictures of D x D pixels whose rows are all equal, or whose columns are. There are
    ///   2^(D+1) examples, and the pictures of only 0 and only 1 occur twice. All three splits hold all of them. The
    ///   label is 0 if rows are equal, 1 if columns are. D is 1 to 16.
    /// - `shifter:N`: N random bits, the same bits cyclically shifted by one to the left, not at all, or to the right,
    ///   and the shift as one-hot code, 2N+3 units together. Up to N = 12 all three splits hold all 3 * 2^N rows.
    ///   Above, 12,000 training rows and 3,000 rows each for validation and test are drawn with seed 0. Labels are 0
    ///   for left, 1 for none, 2 for right. N is 3 to 4096.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Unknown`] with the nearest name, [`gm_core::Error::Param`] for a size out of range.
    ///
    /// # Source
    ///
    /// `alpaydin1998optical`; `mackay2003information`, section 43; `hinton1986learning`.
    pub fn builtin(name: &str) -> Result<Self> {
        match DataSpec::builtin(name)? {
            Some(spec) => builtin::load(&spec),
            None => Err(CoreError::unknown("data set", name, &spec::BUILTIN).into()),
        }
    }

    /// Splits a single table: every sixth row from the fifth for validation, every sixth from the sixth for the test.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewRows`] for fewer than 6 rows.
    pub fn every_sixth(source: impl Into<String>, rows: &Split) -> Result<Self> {
        let source = source.into();
        if rows.len() < 6 {
            return Err(Error::TooFewRows { name: source, rows: rows.len() });
        }
        let part =
            |keep: fn(usize) -> bool| rows.select(&(0..rows.len()).filter(|&row| keep(row % 6)).collect::<Vec<_>>());
        Self::new(source, part(is_trained_on)?, part(|r| r == 4)?, part(|r| r == 5)?)
    }

    /// The data with the validation rows appended to the training rows, for a last training after settings are chosen.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for training rows with weights, since validation rows have none.
    ///
    /// # Examples
    ///
    /// ```
    /// let digits = gm_data::Dataset::builtin("digits")?.learning_validation()?;
    /// assert_eq!((digits.train.len(), digits.valid.len()), (1498, 299));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn learning_validation(mut self) -> Result<Self> {
        if self.train.weights().is_some() {
            let (op, arg, value) = ("Dataset::learning_validation", "weights", "given".into());
            let allowed = "no weights, since validation rows, which are learnt from as well, have none";
            return Err(CoreError::Param { op, arg, value, allowed }.into());
        }
        let origin = self.train.origin();
        self.train = Split::concat(&[&self.train, &self.valid])?.with_origin(origin);
        Ok(self)
    }

    /// Joins the splits that files give, and derives the missing ones as [`load`](super::load) says.
    pub(super) fn complete(source: String, splits: Parts<Split>) -> Result<Self> {
        let train = splits.train;
        match (splits.valid, splits.test) {
            (Some(valid), Some(test)) => Self::new(source, train, valid, test),
            (None, None) => Self::every_sixth(source, &train),
            (None, Some(test)) => {
                let (train, valid) = last_sixth(&source, &train)?;
                Self::new(source, train, valid, test)
            }
            (Some(valid), None) => {
                let (train, test) = last_sixth(&source, &train)?;
                Self::new(source, train, valid, test)
            }
        }
    }

    /// Units of an example.
    #[must_use]
    pub fn units(&self) -> usize {
        self.train.units()
    }

    /// The split of a name.
    #[must_use]
    pub fn split(&self, name: SplitName) -> &Split {
        match name {
            SplitName::Train => &self.train,
            SplitName::Valid => &self.valid,
            SplitName::Test => &self.test,
        }
    }
}

fn last_sixth(source: &str, rows: &Split) -> Result<(Split, Split)> {
    if rows.len() < 6 {
        return Err(Error::TooFewRows { name: source.into(), rows: rows.len() });
    }
    let kept = rows.len() - rows.len() / 6;
    let range = |from, to| rows.select(&(from..to).collect::<Vec<_>>());
    Ok((range(0, kept)?, range(kept, rows.len())?))
}

/// Whether [`Dataset::every_sixth`] keeps a row for training.
pub(super) fn is_trained_on(row: usize) -> bool {
    row % 6 < 4
}

/// One of the three splits, written `train`, `valid` or `test`.
///
/// # Examples
///
/// ```
/// use gm_data::SplitName;
///
/// assert_eq!("valid".parse::<SplitName>()?, SplitName::Valid);
/// assert_eq!(SplitName::Test.to_string(), "test");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplitName {
    /// Examples to learn from.
    Train,
    /// Examples to choose settings by.
    Valid,
    /// Examples to report on.
    Test,
}

impl SplitName {
    /// All three, in this order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}

impl FromStr for SplitName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "train" => Ok(Self::Train),
            "valid" => Ok(Self::Valid),
            "test" => Ok(Self::Test),
            _ => Err(CoreError::unknown("split", text, &["train", "valid", "test"]).into()),
        }
    }
}
