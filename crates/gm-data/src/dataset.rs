//! A data set with its three splits.

use std::fmt;
use std::str::FromStr;

use gm_core::Error as CoreError;

use crate::division::Division;
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
    /// The sources of validation and test examples that do not come from `source`.
    own: [Option<String>; 2],
}

impl Dataset {
    /// Joins three splits.
    ///
    /// # Errors
    ///
    /// [`Error::Width`] when they have different numbers of units.
    pub fn new(source: impl Into<String>, train: Split, valid: Split, test: Split) -> Result<Self> {
        Self::of_files(source.into(), [None, None], [train, valid, test])
    }

    /// Joins three splits, of which the last two may have sources of their own.
    pub(super) fn of_files(source: String, own: [Option<String>; 2], splits: [Split; 3]) -> Result<Self> {
        let [train, valid, test] = splits;
        let expected = train.units();
        for (split, part, own) in [("validation", &valid, &own[0]), ("test", &test, &own[1])] {
            if part.units() != expected {
                let name = own.clone().unwrap_or(source);
                return Err(Error::Width { name, split, found: part.units(), expected });
            }
        }
        let (train, valid, test) = (train.with_origin(0), valid.with_origin(1), test.with_origin(2));
        Ok(Self { source, train, valid, test, own })
    }

    /// The name or path of the examples of a split, which may have a file of their own.
    #[must_use]
    pub fn source_of(&self, split: SplitName) -> &str {
        let own = match split {
            SplitName::Train => None,
            SplitName::Valid => self.own[0].as_deref(),
            SplitName::Test => self.own[1].as_deref(),
        };
        own.unwrap_or(&self.source)
    }

    /// The same splits with other examples.
    pub(super) fn with_splits(&self, splits: [Split; 3]) -> Result<Self> {
        Self::of_files(self.source.clone(), self.own.clone(), splits)
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
        let parts = Parts { train: rows.clone(), valid: None, test: None };
        let chosen = Division::ByPlace.divide(rows.len(), [false; 2]);
        Self::complete(source.into(), [None, None], parts, &chosen)
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

    /// Joins the splits that files give, and takes the missing ones from the training rows, as `chosen` says.
    pub(super) fn complete(
        source: String,
        own: [Option<String>; 2],
        splits: Parts<Split>,
        chosen: &[Vec<usize>; 3],
    ) -> Result<Self> {
        let rows = splits.train;
        let (valid, test) = match (splits.valid, splits.test) {
            (Some(valid), Some(test)) => return Self::of_files(source, own, [rows, valid, test]),
            _ if rows.len() < 6 => return Err(Error::TooFewRows { name: source, rows: rows.len() }),
            given => given,
        };
        let taken = |given: Option<Split>, split: usize| given.map_or_else(|| rows.select(&chosen[split]), Ok);
        Self::of_files(source, own, [rows.select(&chosen[0])?, taken(valid, 1)?, taken(test, 2)?])
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
