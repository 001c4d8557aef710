//! Visible states of any kind of unit: packed bits or real numbers.

use crate::bits::BitMatrix;
use crate::stack::Matrix;

/// States of a batch of samples.
///
/// # Shapes
///
/// `[units, samples]`.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Matrix};
///
/// let bits = Batch::from(BitMatrix::zeros(4, 3));
/// assert_eq!((bits.units(), bits.samples()), (4, 3));
/// assert_eq!(Batch::from(Matrix::zeros(2, 5)).as_bits(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    /// Zeros and ones.
    Bits(BitMatrix),
    /// Real numbers, or means of binary units.
    Reals(Matrix),
}

/// Borrowed states of a batch.
///
/// # Examples
///
/// ```
/// use gm_core::{BatchRef, BitMatrix, Matrix};
///
/// /// The number of units that are on, or its expectation.
/// fn on<'a>(v: impl Into<BatchRef<'a>>) -> f64 {
///     let v = v.into();
///     v.weighted_sums(&vec![1.0; v.units()]).iter().sum()
/// }
/// assert_eq!(on(&BitMatrix::from_fn(4, 3, |unit, sample| unit == sample)), 3.0);
/// assert_eq!(on(&Matrix::from_element(4, 3, 0.25)), 3.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchRef<'a> {
    /// Zeros and ones.
    Bits(&'a BitMatrix),
    /// Real numbers, or means of binary units.
    Reals(&'a Matrix),
}

impl Batch {
    /// The states, borrowed.
    #[must_use]
    pub fn view(&self) -> BatchRef<'_> {
        match self {
            Self::Bits(bits) => BatchRef::Bits(bits),
            Self::Reals(reals) => BatchRef::Reals(reals),
        }
    }

    /// Units of a sample.
    #[must_use]
    pub fn units(&self) -> usize {
        self.view().units()
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.view().samples()
    }

    /// The packed states, or `None` for real numbers.
    #[must_use]
    pub fn as_bits(&self) -> Option<&BitMatrix> {
        match self {
            Self::Bits(bits) => Some(bits),
            Self::Reals(_) => None,
        }
    }

    /// The packed states of binary units.
    ///
    /// # Panics
    ///
    /// When the states are real numbers.
    #[must_use]
    pub fn bits(&self) -> &BitMatrix {
        self.as_bits().expect("binary units have packed states")
    }

    /// [`bits`](Self::bits) for changes in place.
    ///
    /// # Panics
    ///
    /// When the states are real numbers.
    pub fn bits_mut(&mut self) -> &mut BitMatrix {
        match self {
            Self::Bits(bits) => Some(bits),
            Self::Reals(_) => None,
        }
        .expect("binary units have packed states")
    }

    /// Takes the states of `values` wherever `mask` is on.
    ///
    /// # Panics
    ///
    /// When shapes or kinds of states disagree.
    pub fn replace_where(&mut self, mask: &BitMatrix, values: &Self) {
        match (self, values) {
            (Self::Bits(bits), values) => bits.replace_where(mask, values.bits()),
            (Self::Reals(reals), Self::Reals(values)) => {
                assert!(reals.shape() == values.shape() && reals.shape() == (mask.units(), mask.samples()));
                let units = reals.nrows();
                for (i, (to, &value)) in reals.iter_mut().zip(values).enumerate() {
                    if mask.get(i % units, i / units) {
                        *to = value;
                    }
                }
            }
            (Self::Reals(_), Self::Bits(_)) => assert!(mask.ones() == 0, "real numbers for real-valued units"),
        }
    }

    /// The states as numbers, `[units, samples]`.
    #[must_use]
    pub fn to_matrix(&self) -> Matrix {
        self.view().to_matrix()
    }

    /// The given samples, in the given order.
    ///
    /// # Panics
    ///
    /// When a sample is out of range.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        self.view().select(samples)
    }
}

impl BatchRef<'_> {
    /// Units of a sample.
    #[must_use]
    pub fn units(self) -> usize {
        match self {
            Self::Bits(bits) => bits.units(),
            Self::Reals(reals) => reals.nrows(),
        }
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(self) -> usize {
        match self {
            Self::Bits(bits) => bits.samples(),
            Self::Reals(reals) => reals.ncols(),
        }
    }

    /// The states as numbers, `[units, samples]`.
    #[must_use]
    pub fn to_matrix(self) -> Matrix {
        match self {
            Self::Bits(bits) => bits.to_matrix(),
            Self::Reals(reals) => reals.clone(),
        }
    }

    /// The given samples, in the given order.
    ///
    /// # Panics
    ///
    /// When a sample is out of range.
    #[must_use]
    pub fn select(self, samples: &[usize]) -> Batch {
        match self {
            Self::Bits(bits) => Batch::Bits(bits.select(samples)),
            Self::Reals(reals) => Batch::Reals(reals.select_columns(samples)),
        }
    }

    /// An owned copy of the states.
    #[must_use]
    pub fn to_batch(self) -> Batch {
        match self {
            Self::Bits(bits) => Batch::Bits(bits.clone()),
            Self::Reals(reals) => Batch::Reals(reals.clone()),
        }
    }

    /// sum over units of weight times state, `[samples]`, in double precision.
    ///
    /// # Panics
    ///
    /// When the number of weights is not the number of units.
    #[must_use]
    pub fn weighted_sums(self, weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Bits(bits) => bits.weighted_sums(weights),
            Self::Reals(reals) => {
                assert_eq!(weights.len(), reals.nrows(), "a weight for each unit");
                let sum = |column: &[f32]| column.iter().zip(weights).map(|(&v, w)| f64::from(v) * w).sum();
                reals.as_slice().chunks(weights.len().max(1)).map(sum).collect()
            }
        }
    }
}

impl From<BitMatrix> for Batch {
    fn from(bits: BitMatrix) -> Self {
        Self::Bits(bits)
    }
}

impl From<Matrix> for Batch {
    fn from(reals: Matrix) -> Self {
        Self::Reals(reals)
    }
}

impl<'a> From<&'a Batch> for BatchRef<'a> {
    fn from(batch: &'a Batch) -> Self {
        batch.view()
    }
}

impl<'a> From<&'a BitMatrix> for BatchRef<'a> {
    fn from(bits: &'a BitMatrix) -> Self {
        Self::Bits(bits)
    }
}

impl<'a> From<&'a Matrix> for BatchRef<'a> {
    fn from(reals: &'a Matrix) -> Self {
        Self::Reals(reals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_packed_and_real_states_agree() {
        let bits = BitMatrix::from_fn(70, 5, |unit, sample| (unit + sample) % 3 == 0);
        let (packed, reals) = (Batch::from(bits.clone()), Batch::from(bits.to_matrix()));
        assert_eq!(packed.to_matrix(), reals.to_matrix());
        let weights: Vec<f64> = (0..70).map(f64::from).collect();
        assert_eq!(packed.view().weighted_sums(&weights), reals.view().weighted_sums(&weights));
        assert_eq!(packed.select(&[4, 0]).to_matrix(), reals.select(&[4, 0]).to_matrix());
        assert_eq!(packed.view().to_batch(), packed);
    }
}
