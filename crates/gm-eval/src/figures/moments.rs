//! Means and pair correlations, by which samples of a model are compared with data.

use gm_core::{Batch, Matrix};

/// Means and correlations of units over rows.
///
/// # Examples
///
/// ```
/// use gm_core::BitMatrix;
/// use gm_eval::Moments;
///
/// // Two units that are always equal, and one that is never on.
/// let rows = BitMatrix::from_fn(3, 4, |unit, row| unit < 2 && row % 2 == 0);
/// let found = Moments::of(&rows.into());
/// assert_eq!(found.means, [0.5, 0.5, 0.0]);
/// assert_eq!((found.correlations[(0, 1)], found.correlations[(0, 2)]), (1.0, 0.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The mean of each unit.
    pub means: Vec<f64>,
    /// Pearson correlations, `[units, units]`; 0 where a unit does not vary.
    pub correlations: Matrix,
}

impl Moments {
    /// The moments of rows, `[units, samples]`; of no rows they are 0.
    #[must_use]
    pub fn of(rows: &Batch) -> Self {
        let (mut centred, n) = (rows.to_matrix(), rows.samples().max(1) as f64);
        let mut means = Vec::with_capacity(centred.nrows());
        for mut unit in centred.row_iter_mut() {
            let mean = unit.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            unit.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
            let size = unit.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if size > 0.0 {
                unit.iter_mut().for_each(|x| *x = (f64::from(*x) / size) as f32);
            }
            means.push(mean);
        }
        // Rounding leaves the correlation of equal units slightly off 1.
        let correlations = (&centred * centred.transpose()).map(|x| (x * 1e6).round() / 1e6);
        Self { means, correlations }
    }

    /// The pairs of units whose correlations here or there are the greatest in size, the first unit before the second; at most
    /// `count`, in the order of the units.
    ///
    /// # Panics
    ///
    /// When the two differ in units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    /// use gm_eval::Moments;
    ///
    /// let data = Moments::of(&BitMatrix::from_fn(3, 4, |unit, row| unit < 2 && row % 2 == 0).into());
    /// let model = Moments::of(&BitMatrix::zeros(3, 4).into());
    /// assert_eq!(data.strongest_pairs(&model, 1), [(0, 1)]);
    /// ```
    #[must_use]
    pub fn strongest_pairs(&self, other: &Self, count: usize) -> Vec<(usize, usize)> {
        assert_eq!(self.means.len(), other.means.len(), "moments of the same units");
        let units = self.means.len();
        let size = |&(a, b): &(usize, usize)| self.correlations[(a, b)].abs().max(other.correlations[(a, b)].abs());
        let mut pairs: Vec<_> = (0..units).flat_map(|a| (a + 1..units).map(move |b| (a, b))).collect();
        if pairs.len() > count {
            pairs.select_nth_unstable_by(count, |a, b| size(b).total_cmp(&size(a)));
            pairs.truncate(count);
            pairs.sort_unstable();
        }
        pairs
    }
}
