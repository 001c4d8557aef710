//! The kinds of visible units: what each one sums to, expects and draws, given its inputs.
//!
//! A kind has a file of its own, with the same few functions as the others; this file chooses among them.

mod gaussian;
mod softmax;

use std::borrow::Cow;

use rayon::prelude::*;

pub use gaussian::{Gaussian, Standardise};
pub use softmax::Groups;

use crate::batch::{Batch, BatchRef};
use crate::engine::Activations;
use crate::error::{Error, Result, check_len};
use crate::numerics::{logit, softplus_sum};
use crate::stack::{Matrix, Vector};
use crate::streams::{Purpose, Streams};
use crate::units::VisibleKind;

/// The visible units of a model in one layer.
///
/// With inputs m = a + W h a visible state v has, given h, a probability or density proportional to
///
/// - Bernoulli: exp(m' v), v of zeros and ones;
/// - softmax: the same, with exactly one unit on in each group;
/// - Gaussian: exp(-sum_i (v_i - m_i)^2 / (2 s_i^2)).
///
/// # Examples
///
/// ```
/// use gm_core::{VisibleKind, VisibleUnits};
///
/// let units = VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 6, None)?;
/// assert!((units.log_sum(&[0.0; 6], &[0.0; 6]) - 2.0 * 3.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum VisibleUnits {
    /// Zeros and ones.
    #[default]
    Bernoulli,
    /// Groups of which exactly one unit is on, behind zeros and ones if there are any.
    Softmax(Groups),
    /// Real numbers.
    Gaussian(Gaussian),
}

const OP: &str = "VisibleUnits::new";

impl VisibleUnits {
    /// Units of a kind; `variance`, `[units]`, is that of Gaussian units, 1 if absent.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] when groups do not fit the number of units, when a variance is not positive, which no density has,
    /// or when there are variances for other units than Gaussian; [`Error::Shape`] and [`Error::NonFinite`] for variances
    /// of another number or that are not finite.
    pub fn new(kind: VisibleKind, units: usize, variance: Option<&[f32]>) -> Result<Self> {
        match (kind, variance) {
            (VisibleKind::Gaussian, Some(variance)) => {
                check_len(OP, "visible_variance", "length", variance.len(), units)?;
                Ok(Self::Gaussian(Gaussian::new(variance.to_vec())?))
            }
            (VisibleKind::Gaussian, None) => Ok(Self::Gaussian(Gaussian::new(vec![1.0; units])?)),
            (_, Some(_)) => {
                let (arg, value) = ("visible_variance", "present".into());
                Err(Error::Param { op: OP, arg, value, allowed: "none unless visible units are gaussian" })
            }
            (VisibleKind::Bernoulli, None) => Ok(Self::Bernoulli),
            (VisibleKind::Softmax { categories }, None) => Ok(Self::Softmax(Groups::all(units, categories)?)),
            (VisibleKind::Labelled { classes }, None) => Ok(Self::Softmax(Groups::last(units, classes)?)),
        }
    }

    /// Refuses another number of units than these were made for.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`].
    pub fn fit(&self, op: &'static str, units: usize) -> Result<()> {
        match self {
            Self::Bernoulli => Ok(()),
            Self::Softmax(groups) => check_len(op, "visible", "units", units, groups.units()),
            Self::Gaussian(gaussian) => check_len(op, "visible_variance", "length", gaussian.variance().len(), units),
        }
    }

    /// The kind, as files and commands spell it.
    #[must_use]
    pub fn kind(&self) -> VisibleKind {
        match self {
            Self::Bernoulli => VisibleKind::Bernoulli,
            Self::Softmax(groups) => groups.kind(),
            Self::Gaussian(_) => VisibleKind::Gaussian,
        }
    }

    /// Whether states are packed bits.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        !matches!(self, Self::Gaussian(_))
    }

    /// The groups, where there are any.
    #[must_use]
    pub fn groups(&self) -> Option<&Groups> {
        match self {
            Self::Softmax(groups) => Some(groups),
            _ => None,
        }
    }

    /// What is Gaussian about Gaussian units.
    #[must_use]
    pub fn gaussian(&self) -> Option<&Gaussian> {
        match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            _ => None,
        }
    }

    /// [`gaussian`](Self::gaussian) for in-place updates.
    pub fn gaussian_mut(&mut self) -> Option<&mut Gaussian> {
        match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            _ => None,
        }
    }

    /// How data of such units were standardised, if they were.
    #[must_use]
    pub fn standardise(&self) -> Option<&Standardise> {
        self.gaussian().and_then(Gaussian::standardise)
    }

    /// Rows of data in the units of measure of the model, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When data are standardised and `rows` has other units.
    #[must_use]
    pub fn standardised<'a>(&self, rows: &'a Matrix) -> Cow<'a, Matrix> {
        self.standardise().map_or(Cow::Borrowed(rows), |standardise| Cow::Owned(standardise.apply(rows)))
    }

    /// By so much log-densities of rows of data lie below those of their states; 0 unless data are standardised.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.standardise().map_or(0.0, Standardise::log_volume)
    }

    /// log of the sum over v, or of the integral, of the unnormalised probability given h.
    ///
    /// Discrete units: log sum_v exp(m' v). Gaussian units: log of the integral of
    /// exp(-sum_i ((v_i - a_i)^2 / 2 - v_i (m_i - a_i)) / s_i^2) dv = sum_i [(m_i^2 - a_i^2) / (2 s_i^2) + log(2 pi s_i^2) / 2].
    ///
    /// # Shapes
    ///
    /// `inputs` is m and `bias` is a, both `[units]`.
    #[must_use]
    pub fn log_sum(&self, inputs: &[f64], bias: &[f64]) -> f64 {
        match self {
            Self::Bernoulli => softplus_sum(inputs),
            Self::Softmax(groups) => groups.log_sum(inputs),
            Self::Gaussian(gaussian) => gaussian.log_sum(inputs, bias),
        }
    }

    /// By how much [`log_sum`](Self::log_sum) of each sample rises from one inverse temperature to another, `[samples]`.
    ///
    /// At beta the weight of v is its weight to the power of beta times that of independent units with biases `base` to the power
    /// of 1 - beta: inputs are beta m + (1 - beta) base.
    ///
    /// # Shapes
    ///
    /// `inputs` is m, `[units, samples]`; `bias` and `base` are `[units]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 3, None)?;
    /// let inputs = Activations::from_matrix(&Matrix::from_column_slice(3, 1, &[1.0, 0.0, -1.0]));
    /// let gain = units.log_sum_gains(&inputs, &[0.0; 3], &[0.0; 3], (0.0, 1.0))[0];
    /// assert!((gain - (units.log_sum(&[1.0, 0.0, -1.0], &[]) - 3.0_f64.ln())).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn log_sum_gains(&self, inputs: &Activations, bias: &[f64], base: &[f32], (from, to): (f64, f64)) -> Vec<f64> {
        assert!(inputs.units() == bias.len() && bias.len() == base.len(), "a bias and a base bias for each unit");
        if *self == Self::Bernoulli {
            return inputs.softplus_gains(base, from, to);
        }
        let inputs = inputs.to_matrix();
        let of_sample = |inputs: &[f32]| match self {
            Self::Gaussian(gaussian) => gaussian.log_sum_gain(inputs, bias, base, (from, to)),
            Self::Softmax(groups) => groups.log_sum_gain(inputs, base, (from, to)),
            Self::Bernoulli => 0.0,
        };
        inputs.as_slice().par_chunks(base.len().max(1)).map(of_sample).collect()
    }

    /// log p(v | h) of one sample, given its inputs m.
    ///
    /// # Shapes
    ///
    /// `v` and `inputs` are `[units]`.
    #[must_use]
    pub fn log_prob_given(&self, v: &[f64], inputs: &[f64]) -> f64 {
        match self {
            Self::Gaussian(gaussian) => gaussian.log_density(v, inputs),
            _ => v.iter().zip(inputs).map(|(v, m)| v * m).sum::<f64>() - self.log_sum(inputs, &[]),
        }
    }

    /// Draws v given h, from its inputs m.
    ///
    /// # Shapes
    ///
    /// `inputs` and `v` are `[units, samples]`.
    ///
    /// # Randomness
    ///
    /// As [`Activations::sample_into`] for binary units; groups as [`Groups::sample_into`] from family 1 of [`Purpose::Choose`];
    /// Gaussian units as [`Gaussian::sample`].
    ///
    /// # Panics
    ///
    /// When shapes disagree, or `v` has states of another kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Streams, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 3, None)?;
    /// let (inputs, mut v) = (Activations::repeated(&[0.0, 40.0, 0.0], 5), units.blank(3, 5));
    /// units.sample_into(&inputs, &mut v, &Streams::new(1));
    /// assert_eq!(v.bits().unit_counts(), [0, 5, 0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn sample_into(&self, inputs: &Activations, v: &mut Batch, streams: &Streams) {
        let bits = |v: &mut Batch| {
            let mut means = inputs.clone();
            means.logistic();
            means.sample_into(v.bits_mut(), streams);
        };
        match self {
            Self::Bernoulli => bits(v),
            Self::Gaussian(gaussian) => *v = gaussian.sample(inputs, streams).into(),
            Self::Softmax(groups) => {
                let family = streams.fork(Purpose::Choose, 1);
                if groups.first() == 0 {
                    return groups.sample_into(inputs, v.bits_mut(), &family);
                }
                bits(v);
                let of_groups = inputs.to_matrix().rows(groups.first(), groups.units() - groups.first()).into_owned();
                groups.sample_into(&Activations::from_matrix(&of_groups), v.bits_mut(), &family);
            }
        }
    }

    /// E[v | h] in place of the inputs.
    pub fn means(&self, inputs: &mut Activations) {
        match self {
            Self::Bernoulli => inputs.logistic(),
            Self::Softmax(groups) => groups.means(inputs),
            Self::Gaussian(_) => {}
        }
    }

    /// E[v | h] of one sample in double precision, in place of its inputs.
    pub fn means_of_one(&self, inputs: &mut [f64]) {
        match self {
            Self::Bernoulli => inputs.iter_mut().for_each(|x| *x = crate::numerics::logistic_f64(*x)),
            Self::Softmax(groups) => groups.means_of_one(inputs),
            Self::Gaussian(_) => {}
        }
    }

    /// What hidden units see of visible states: v, or v / s^2 of Gaussian units.
    #[must_use]
    pub fn signal<'a>(&self, v: &'a Matrix) -> Cow<'a, Matrix> {
        match self {
            Self::Gaussian(gaussian) => Cow::Owned(gaussian.signal(v)),
            _ => Cow::Borrowed(v),
        }
    }

    /// log of the unnormalised probability that biases alone give to each sample, `[samples]`.
    ///
    /// a' v, or -sum_i (v_i - a_i)^2 / (2 s_i^2) of Gaussian units.
    ///
    /// # Panics
    ///
    /// When `v` has other units than there are biases.
    #[must_use]
    pub fn log_weights(&self, v: BatchRef<'_>, bias: &[f64]) -> Vec<f64> {
        match (self, v) {
            (Self::Gaussian(gaussian), BatchRef::Reals(v)) => gaussian.log_weights(v, bias),
            _ => v.weighted_sums(bias),
        }
    }

    /// How [`log_weights`](Self::log_weights) differs between two vectors of biases: a weight a unit and a constant.
    ///
    /// log_weights(v, bias) - log_weights(v, base) = weights' v + constant.
    #[must_use]
    pub fn tilt(&self, bias: &[f64], base: &[f64]) -> (Vec<f64>, f64) {
        match self {
            Self::Gaussian(gaussian) => gaussian.tilt(bias, base),
            _ => (bias.iter().zip(base).map(|(a, b)| a - b).collect(), 0.0),
        }
    }

    /// Biases of independent units with the given means; the means of binary units are kept within 0.001 and 0.999.
    #[must_use]
    pub fn bias_of_means(&self, means: &[f32]) -> Vec<f32> {
        match self {
            Self::Bernoulli => means.iter().map(|&mean| logit(f64::from(mean).clamp(0.001, 0.999)) as f32).collect(),
            Self::Softmax(groups) => groups.bias_of_means(means),
            Self::Gaussian(_) => means.to_vec(),
        }
    }

    /// Refuses states that such units do not have.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for other units, [`Error::Param`] for real numbers where bits are due or the other way round, and
    /// for a group of which not exactly one unit is on, [`Error::NonFinite`] for NaN or an infinity.
    pub fn check(&self, op: &'static str, units: usize, v: BatchRef<'_>) -> Result<()> {
        check_len(op, "data", "units", v.units(), units)?;
        let refuse = |value: &str, allowed| Err(Error::Param { op, arg: "data", value: value.into(), allowed });
        match (self, v) {
            (Self::Bernoulli, BatchRef::Bits(_)) => Ok(()),
            (Self::Softmax(groups), BatchRef::Bits(bits)) => groups.check(op, bits),
            (Self::Gaussian(_), BatchRef::Reals(reals)) => crate::error::check_finite(op, "data", reals.as_slice()),
            (Self::Gaussian(_), BatchRef::Bits(_)) => refuse("zeros and ones", "real numbers for gaussian units"),
            (_, BatchRef::Reals(_)) => refuse("real numbers", "zeros and ones for binary units"),
        }
    }

    /// States to be drawn into.
    #[must_use]
    pub fn blank(&self, units: usize, samples: usize) -> Batch {
        match self {
            Self::Gaussian(_) => Batch::Reals(Matrix::zeros(units, samples)),
            _ => Batch::Bits(crate::bits::BitMatrix::zeros(units, samples)),
        }
    }
}

impl Gaussian {
    /// The variances as a vector for files, `[units]`.
    #[must_use]
    pub fn variance_vector(&self) -> Vector {
        Vector::from_column_slice(self.variance())
    }
}
