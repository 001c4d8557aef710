//! Gauges: which of the parameters that describe the same model are taken.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::Layer;
use crate::error::{Error, Result};
use crate::stack::Matrix;

/// Which of the parameters that describe the same model are taken, where units come in groups of which one is on.
///
/// A number that is added to all weights between a group and one unit, and taken off the bias of that unit, changes no
/// probability; so it is with a number that is added to the biases of a group. A gauge removes this freedom, so that weights
/// can be compared and shown.
///
/// # Source
///
/// `tubiana2019learning`, for the zero-sum gauge of weights.
///
/// # Examples
///
/// ```
/// use gm_core::layer::Gauge;
///
/// assert_eq!("zero-sum".parse::<Gauge>()?, Gauge::ZeroSum);
/// assert_eq!("reference:0".parse::<Gauge>()?.to_string(), "reference:0");
/// assert!("none".parse::<Gauge>().is_err());
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// The numbers of each group add up to 0. Of all gauges this one has the least sum of squares.
    ZeroSum,
    /// The numbers of this unit of each group are 0 (lattice gas), counted from 0.
    Reference(usize),
}

impl Gauge {
    /// The names that [`from_str`](str::parse) understands.
    pub const ALLOWED: &'static str = "zero-sum, or reference:K with the number of a category from 0";

    /// Refuses a reference that some group does not have.
    fn check(self, groups: &[Range<usize>]) -> Result<()> {
        match self {
            Self::Reference(unit) if groups.iter().any(|group| unit >= group.len()) => {
                let (op, arg, value) = ("Gauge::fix", "gauge", self.to_string());
                Err(Error::Param { op, arg, value, allowed: "the number of a category that every group has" })
            }
            _ => Ok(()),
        }
    }

    /// What has to be taken off the numbers of a group.
    fn excess(self, group: &[f32]) -> f32 {
        match self {
            Self::ZeroSum => (group.iter().copied().map(f64::from).sum::<f64>() / group.len() as f64) as f32,
            Self::Reference(unit) => group[unit],
        }
    }

    /// Brings the weights of groups into this gauge. The result is what the other layer's inputs have lost: add it to its
    /// biases.
    ///
    /// # Shapes
    ///
    /// `groups` are rows of `weights`, `[units, other units]`; the result is `[other units]`.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a reference that some group does not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    /// use gm_core::layer::Gauge;
    ///
    /// let mut weights = Matrix::from_row_slice(3, 1, &[1.0, 3.0, 5.0]);
    /// let lost = Gauge::ZeroSum.fix(&[1..3], &mut weights)?;
    /// assert_eq!((weights.as_slice(), lost), ([1.0, -1.0, 1.0].as_slice(), vec![4.0]));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn fix(self, groups: &[Range<usize>], weights: &mut Matrix) -> Result<Vec<f32>> {
        self.check(groups)?;
        let lost = |mut column: nalgebra::DVectorViewMut<'_, f32>| {
            let mut lost = 0.0;
            for group in groups {
                let excess = self.excess(&column.as_slice()[group.clone()]);
                column.as_mut_slice()[group.clone()].iter_mut().for_each(|weight| *weight -= excess);
                lost += f64::from(excess);
            }
            lost as f32
        };
        Ok(weights.column_iter_mut().map(lost).collect())
    }

    /// Brings the biases of groups into this gauge, which changes ln Z and no probability.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a reference that some group does not have.
    pub fn fix_biases(self, groups: &[Range<usize>], biases: &mut [f32]) -> Result<()> {
        self.check(groups)?;
        for group in groups {
            let excess = self.excess(&biases[group.clone()]);
            biases[group.clone()].iter_mut().for_each(|bias| *bias -= excess);
        }
        Ok(())
    }
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroSum => f.write_str("zero-sum"),
            Self::Reference(unit) => write!(f, "reference:{unit}"),
        }
    }
}

impl FromStr for Gauge {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("reference:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("zero-sum", _) => Ok(Self::ZeroSum),
            (_, Some(unit)) => Ok(Self::Reference(unit)),
            _ => Err(Error::Param { op: "Gauge::from_str", arg: "gauge", value: text.into(), allowed: Self::ALLOWED }),
        }
    }
}

impl Layer {
    /// The units of each site of which exactly one is on: softmax groups.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::layer::LayerSpec;
    ///
    /// let layer = "spin*2+softmax:3*2".parse::<LayerSpec>()?.layer(8)?;
    /// assert_eq!(layer.groups(), [2..5, 5..8]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn groups(&self) -> Vec<Range<usize>> {
        let mut groups = vec![];
        self.each_site(|kind, units, _| groups.extend(kind.is_one_hot().then_some(units)));
        groups
    }

    /// The same distribution with the parameters of groups in this gauge.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a reference that some group does not have.
    pub fn gauged(&self, gauge: Gauge) -> Result<Self> {
        let mut places = vec![];
        self.each_site(|kind, units, at| {
            let fields = at.clone().step_by(units.len()).zip(kind.parameters()).filter(|(_, known)| known.adds);
            places.extend(fields.filter(|_| kind.is_one_hot()).map(|(first, _)| first..first + units.len()));
        });
        let mut parameters = self.parameters.clone();
        gauge.fix_biases(&places, &mut parameters)?;
        self.clone().with_parameters(parameters)
    }
}
