//! The names of models and of visible units, as files and commands spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The kind of a model: the joint distribution of the layers of a stack, or a feed-forward net.
///
/// # Examples
///
/// ```
/// use gm_core::ModelKind;
///
/// assert_eq!("dbn".parse::<ModelKind>()?, ModelKind::Dbn);
/// assert_eq!(ModelKind::Dbn.to_string(), "dbn");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelKind {
    /// Restricted Boltzmann machine.
    Rbm,
    /// Sigmoid belief net.
    Sbn,
    /// Deep Boltzmann machine.
    Dbm,
    /// Deep belief network.
    Dbn,
    /// Feed-forward net whose last layer gives the probabilities of classes.
    Classifier,
    /// Restricted Boltzmann machine between two layers of any kinds of units.
    Harmonium,
}

impl ModelKind {
    /// The names that [`from_str`](str::parse) understands.
    pub const ALLOWED: &'static str = "rbm, sbn, dbm, dbn, classifier or harmonium";

    /// All kinds of models.
    pub const ALL: [Self; 6] = [Self::Rbm, Self::Sbn, Self::Dbm, Self::Dbn, Self::Classifier, Self::Harmonium];

    /// The name in files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rbm => "rbm",
            Self::Sbn => "sbn",
            Self::Dbm => "dbm",
            Self::Dbn => "dbn",
            Self::Classifier => "classifier",
            Self::Harmonium => "harmonium",
        }
    }

    /// The name with its article, for sentences. The names `rbm` and `sbn` are read letter by letter.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Rbm => "an rbm",
            Self::Sbn => "an sbn",
            Self::Dbm => "a dbm",
            Self::Dbn => "a dbn",
            Self::Classifier => "a classifier",
            Self::Harmonium => "a harmonium",
        }
    }

    /// The number of the model in the header of a file, 1 to 6.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Rbm => 1,
            Self::Sbn => 2,
            Self::Dbm => 3,
            Self::Dbn => 4,
            Self::Classifier => 5,
            Self::Harmonium => 6,
        }
    }

    /// The model with the given number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ModelKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Error::Param {
            op: "ModelKind::from_str",
            arg: "model",
            value: text.into(),
            allowed: Self::ALLOWED,
        })
    }
}

/// The distribution of the visible units.
///
/// Files can hold every kind. A model that does not support a kind refuses it.
///
/// # Examples
///
/// ```
/// use gm_core::VisibleKind;
///
/// assert_eq!("softmax:5".parse::<VisibleKind>()?, VisibleKind::Softmax { categories: 5 });
/// assert_eq!(VisibleKind::default().to_string(), "bernoulli");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum VisibleKind {
    /// Zeros and ones.
    #[default]
    Bernoulli,
    /// Real numbers, each with a variance of its own.
    Gaussian,
    /// Groups of neighbouring units of which exactly one is on.
    Softmax {
        /// Units of each group, 2 or more.
        categories: usize,
    },
    /// Zeros and ones, followed by one group of units of which exactly one is on, such as the class of a picture.
    Labelled {
        /// Units of the group, 2 or more.
        classes: usize,
    },
}

impl VisibleKind {
    /// The names that [`from_str`](str::parse) understands.
    pub const ALLOWED: &'static str = "bernoulli, gaussian, softmax:K or bernoulli+softmax:K with K of 2 or more";

    /// True if units of this kind use numbers unchanged. Other kinds need zeros and ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::VisibleKind;
    ///
    /// assert!(VisibleKind::Gaussian.takes_numbers());
    /// assert!(!VisibleKind::Bernoulli.takes_numbers());
    /// ```
    #[must_use]
    pub fn takes_numbers(self) -> bool {
        matches!(self, Self::Gaussian | Self::Softmax { .. })
    }
}

impl fmt::Display for VisibleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bernoulli => f.pad("bernoulli"),
            Self::Gaussian => f.pad("gaussian"),
            Self::Softmax { categories } => f.pad(&format!("softmax:{categories}")),
            Self::Labelled { classes } => f.pad(&format!("bernoulli+softmax:{classes}")),
        }
    }
}

impl TryFrom<String> for VisibleKind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<VisibleKind> for String {
    fn from(kind: VisibleKind) -> Self {
        kind.to_string()
    }
}

impl FromStr for VisibleKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let after = |prefix| text.strip_prefix(prefix)?.parse().ok().filter(|&k: &usize| k >= 2);
        let softmax = || after("softmax:").map(|categories| Self::Softmax { categories });
        let labelled = || after("bernoulli+softmax:").map(|classes| Self::Labelled { classes });
        match text {
            "bernoulli" => Ok(Self::Bernoulli),
            "gaussian" => Ok(Self::Gaussian),
            _ => softmax().or_else(labelled).ok_or_else(|| Error::Param {
                op: "VisibleKind::from_str",
                arg: "visible",
                value: text.into(),
                allowed: Self::ALLOWED,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_and_codes_go_both_ways() {
        for kind in ModelKind::ALL {
            assert_eq!(kind.as_str().parse::<ModelKind>().unwrap(), kind);
            assert_eq!(ModelKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(ModelKind::from_code(0), None);
        assert_eq!(ModelKind::from_code(7), None);
        for text in ["bernoulli", "gaussian", "softmax:2", "softmax:31", "bernoulli+softmax:10"] {
            assert_eq!(text.parse::<VisibleKind>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rejects_unknown_names_with_the_list() {
        assert_eq!(
            "rmb".parse::<ModelKind>().unwrap_err().to_string(),
            "ModelKind::from_str: `model` is rmb, allowed: rbm, sbn, dbm, dbn, classifier or harmonium"
        );
        for text in ["", "Gaussian", "softmax", "softmax:1", "softmax:-2", "softmax:2x", "bernoulli+softmax:1"] {
            assert_eq!(
                text.parse::<VisibleKind>().unwrap_err().to_string(),
                format!(
                    "VisibleKind::from_str: `visible` is {text}, \
                     allowed: bernoulli, gaussian, softmax:K or bernoulli+softmax:K with K of 2 or more"
                )
            );
        }
    }
}
