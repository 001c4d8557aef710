//! The kinds of visible units: normalisers, means and draws, given their inputs.
//!
//! Each kind has a file with the same few functions. This file chooses among them.

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
    /// Groups of units of which exactly one is on. Zeros and ones may stand before them.
    Softmax(Groups),
    /// Real numbers.
    Gaussian(Gaussian),
}

const OP: &str = "VisibleUnits::new";

impl VisibleUnits {
    /// Units of a kind. `variance`, `[units]`, belongs to Gaussian units; its default is 1.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] when groups do not fit the number of units, when a variance is not positive, or when other
    /// units than Gaussian ones have variances. [`Error::Shape`] for another number of variances, [`Error::NonFinite`]
    /// for variances that are not finite.
    pub fn new(kind: VisibleKind, units: usize, variance: Option<&[f32]>) -> Result<Self> {
        match (kind, variance) {
            (VisibleKind::Gaussian, Some(variance)) => {
                check_len(OP, "visible_variance", "length", variance.len(), units)?;
                Ok(Self::Gaussian(Gaussian::new(variance.to_vec())?))
            }
            (VisibleKind::Gaussian, None) => Ok(Self::Gaussian(Gaussian::new(vec![1.0; units])?)),
            (_, Some(_)) => {
                let (arg, value) = ("visible_variance", "present".into());
                Err(Error::Param { op: OP, arg, value, allowed: "only with gaussian visible units" })
            }
            (VisibleKind::Bernoulli, None) => Ok(Self::Bernoulli),
            (VisibleKind::Softmax { categories }, None) => Ok(Self::Softmax(Groups::all(units, categories)?)),
            (VisibleKind::Labelled { classes }, None) => Ok(Self::Softmax(Groups::last(units, classes)?)),
        }
    }

    /// Checks the number of units.
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

    /// The kind, as in files and commands.
    #[must_use]
    pub fn kind(&self) -> VisibleKind {
        match self {
            Self::Bernoulli => VisibleKind::Bernoulli,
            Self::Softmax(groups) => groups.kind(),
            Self::Gaussian(_) => VisibleKind::Gaussian,
        }
    }

    /// True if states are packed bits.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        !matches!(self, Self::Gaussian(_))
    }

    /// The groups of softmax units.
    #[must_use]
    pub fn groups(&self) -> Option<&Groups> {
        match self {
            Self::Softmax(groups) => Some(groups),
            _ => None,
        }
    }

    /// The properties of Gaussian units.
    #[must_use]
    pub fn gaussian(&self) -> Option<&Gaussian> {
        match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            _ => None,
        }
    }

    /// [`gaussian`](Self::gaussian) for updates in place.
    pub fn gaussian_mut(&mut self) -> Option<&mut Gaussian> {
        match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            _ => None,
        }
    }

    /// The standardisation of data, for units with one.
    #[must_use]
    pub fn standardise(&self) -> Option<&Standardise> {
        self.gaussian().and_then(Gaussian::standardise)
    }

    /// Rows of data in the model's units of measure, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When data are standardised and `rows` has another number of units.
    #[must_use]
    pub fn standardised<'a>(&self, rows: &'a Matrix) -> Cow<'a, Matrix> {
        self.standardise().map_or(Cow::Borrowed(rows), |standardise| Cow::Owned(standardise.apply(rows)))
    }

    /// The difference between log-densities of states and log-densities of rows of data. It is 0 for data that are not
    /// standardised.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.standardise().map_or(0.0, Standardise::log_volume)
    }

    /// log of the sum over v, or of the integral, of the unnormalised probability given h.
    ///
    /// Discrete units: log sum_v exp(m' v). Gaussian units: log of the integral of exp(-sum_i ((v_i - a_i)^2 / 2 - v_i
    /// (m_i - a_i)) / s_i^2) dv = sum_i [(m_i^2 - a_i^2) / (2 s_i^2) + log(2 pi s_i^2) / 2].
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

    /// The change of [`log_sum`](Self::log_sum) of each sample from one inverse temperature to another, `[samples]`.
    ///
    /// At beta the weight of v is its weight to the power of beta, times its weight under independent units with biases
    /// `base` to the power of 1 - beta. Inputs are beta m + (1 - beta) base.
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
    /// Binary units are drawn as by [`Activations::sample_into`], groups as by [`Groups::sample_into`] from family 1 of
    /// [`Purpose::Choose`], and Gaussian units as by [`Gaussian::sample`].
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

    /// Replaces inputs by E[v | h].
    pub fn means(&self, inputs: &mut Activations) {
        match self {
            Self::Bernoulli => inputs.logistic(),
            Self::Softmax(groups) => groups.means(inputs),
            Self::Gaussian(_) => {}
        }
    }

    /// Replaces the inputs of one sample by E[v | h], in double precision.
    pub fn means_of_one(&self, inputs: &mut [f64]) {
        match self {
            Self::Bernoulli => inputs.iter_mut().for_each(|x| *x = crate::numerics::logistic_f64(*x)),
            Self::Softmax(groups) => groups.means_of_one(inputs),
            Self::Gaussian(_) => {}
        }
    }

    /// The visible states as hidden units see them: v, or v / s^2 for Gaussian units.
    #[must_use]
    pub fn signal<'a>(&self, v: &'a Matrix) -> Cow<'a, Matrix> {
        match self {
            Self::Gaussian(gaussian) => Cow::Owned(gaussian.signal(v)),
            _ => Cow::Borrowed(v),
        }
    }

    /// log of the unnormalised probability that biases alone give to each sample, `[samples]`.
    ///
    /// It is a' v, or -sum_i (v_i - a_i)^2 / (2 s_i^2) for Gaussian units.
    ///
    /// # Panics
    ///
    /// When the number of units is not the number of biases.
    #[must_use]
    pub fn log_weights(&self, v: BatchRef<'_>, bias: &[f64]) -> Vec<f64> {
        match (self, v) {
            (Self::Gaussian(gaussian), BatchRef::Reals(v)) => gaussian.log_weights(v, bias),
            _ => v.weighted_sums(bias),
        }
    }

    /// The difference of [`log_weights`](Self::log_weights) between two vectors of biases, as a weight for each unit
    /// and a constant.
    ///
    /// log_weights(v, bias) - log_weights(v, base) = weights' v + constant.
    #[must_use]
    pub fn tilt(&self, bias: &[f64], base: &[f64]) -> (Vec<f64>, f64) {
        match self {
            Self::Gaussian(gaussian) => gaussian.tilt(bias, base),
            _ => (bias.iter().zip(base).map(|(a, b)| a - b).collect(), 0.0),
        }
    }

    /// Biases of independent units with the given means. Means of binary units are limited to 0.001 ... 0.999.
    #[must_use]
    pub fn bias_of_means(&self, means: &[f32]) -> Vec<f32> {
        match self {
            Self::Bernoulli => means.iter().map(|&mean| logit(f64::from(mean).clamp(0.001, 0.999)) as f32).collect(),
            Self::Softmax(groups) => groups.bias_of_means(means),
            Self::Gaussian(_) => means.to_vec(),
        }
    }

    /// Checks that states are possible for these units.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of units, [`Error::Param`] for real numbers in the place of bits or the
    /// reverse, and for a group in which the number of units that are on is not one, [`Error::NonFinite`] for NaN or an
    /// infinity.
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

    /// An empty batch for draws.
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
