//! Kinds of visible units, as settings name them.

use std::fmt;
use std::str::FromStr;

use gm_core::{Error as CoreError, Standardise, VisibleKind, VisibleUnits};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::error::{Error, Result};
use gm_data::{Binarise, Dataset, Values};

/// What the visible units of a model are.
///
/// Written `bernoulli`, `gaussian` or `softmax[:K]`.
///
/// # Examples
///
/// ```
/// use gm_train::Visible;
///
/// assert_eq!("softmax:4".parse::<Visible>()?, Visible::Softmax(4));
/// assert_eq!(Visible::Softmax(0).to_string(), "softmax");
/// assert!("gausian".parse::<Visible>().unwrap_err().to_string().contains("did you mean `gaussian`?"));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum Visible {
    /// Zeros and ones.
    #[default]
    Bernoulli,
    /// Real numbers, of data that are standardised first.
    Gaussian,
    /// Groups of so many units of which one is on; as many as the data have categories if 0.
    Softmax(usize),
}

impl FromStr for Visible {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "bernoulli" => Ok(Self::Bernoulli),
            None if text == "gaussian" => Ok(Self::Gaussian),
            None if text == "softmax" => Ok(Self::Softmax(0)),
            Some(("softmax", count)) => {
                count.parse().ok().filter(|&count| count >= 2).map(Self::Softmax).ok_or_else(|| {
                    let allowed = "softmax:K with 2 categories or more";
                    CoreError::Param { op: "Visible", arg: "visible", value: text.into(), allowed }.into()
                })
            }
            _ => Err(Error::unknown("kind of visible units", text, &["bernoulli", "gaussian", "softmax[:K]"])),
        }
    }
}

impl fmt::Display for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bernoulli => f.write_str("bernoulli"),
            Self::Gaussian => f.write_str("gaussian"),
            Self::Softmax(0) => f.write_str("softmax"),
            Self::Softmax(categories) => write!(f, "softmax:{categories}"),
        }
    }
}

impl Visible {
    /// The kind of units, with a group for labels of so many classes if there are any.
    pub(crate) fn kind(self, classes: usize) -> VisibleKind {
        match self {
            Self::Bernoulli if classes > 0 => VisibleKind::Labelled { classes },
            Self::Bernoulli => VisibleKind::Bernoulli,
            Self::Gaussian => VisibleKind::Gaussian,
            Self::Softmax(categories) => VisibleKind::Softmax { categories },
        }
    }

    /// The same units with what the data tell filled in.
    pub(crate) fn complete(self, data: &Dataset) -> Result<Self> {
        match self {
            Self::Softmax(0) => Ok(Self::Softmax(data.categories()?)),
            known => Ok(known),
        }
    }

    /// The data as such units take them, if not as they are.
    pub(crate) fn prepare(self, op: &'static str, data: &Dataset, binarise: Binarise) -> Result<Option<Dataset>> {
        if self != Self::Bernoulli && binarise != Binarise::None {
            let (arg, value) = ("binarise", format!("{binarise} with visible {self}"));
            return Err(CoreError::Param { op, arg, value, allowed: "none unless visible units are bernoulli" }.into());
        }
        match self {
            Self::Bernoulli => Ok(None),
            Self::Gaussian if data.train.alphabet().is_some() => {
                Err(gm_data::Error::Sequences { name: data.source.clone() }.into())
            }
            Self::Gaussian => Ok(Some(data.with_numbers()?)),
            Self::Softmax(categories) => Ok(Some(data.with_categories(categories)?)),
        }
    }

    /// Units for prepared data, which remember how Gaussian ones were standardised.
    pub(crate) fn units(self, classes: usize, data: &Dataset) -> Result<VisibleUnits> {
        self.first_units(self.kind(classes), data.units(), data)
    }

    /// Units of a kind for the first columns of prepared data, as [`units`](Self::units).
    pub(crate) fn first_units(self, kind: VisibleKind, units: usize, data: &Dataset) -> Result<VisibleUnits> {
        match (VisibleUnits::new(kind, units, None)?, data.train.values()) {
            (VisibleUnits::Gaussian(gaussian), Values::Numbers(numbers)) => {
                let seen = numbers.rows(0, units.min(numbers.nrows())).into_owned();
                let standardise = match data.train.weights() {
                    Some(weights) => Standardise::of_weighted(&seen, weights)?,
                    None => Standardise::of(&seen),
                };
                Ok(VisibleUnits::Gaussian(gaussian.with_standardise(Some(standardise))?))
            }
            (units, _) => Ok(units),
        }
    }
}
