//! How active hidden units are over rows of data.

use gm_core::{Batch, Matrix, Streams, Watch};

use crate::error::Result;
use crate::model::Model;
use crate::posterior::{Posterior, PosteriorMethod, PosteriorSettings, posterior_means};

/// The activity of a hidden layer.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
/// use gm_eval::LayerActivity;
///
/// let layer = LayerActivity::new(Matrix::from_row_slice(2, 2, &[0.0, 0.5, 1.0, 0.0]));
/// assert_eq!(layer.rates, [0.5, 0.25]);
/// assert_eq!(layer.most_varied(1), [1]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerActivity {
    /// Posterior means, `[units, rows]`.
    pub means: Matrix,
    /// The mean of each unit over the rows, falling.
    pub rates: Vec<f64>,
}

impl LayerActivity {
    /// The activity with these posterior means, `[units, rows]`.
    #[must_use]
    pub fn new(means: Matrix) -> Self {
        let mut rates: Vec<f64> = means.row_iter().map(|unit| f64::from(unit.mean())).collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        Self { means, rates }
    }

    /// The `count` units that differ most between rows, the most active first.
    #[must_use]
    pub fn most_varied(&self, count: usize) -> Vec<usize> {
        let means = &self.means;
        let mut units: Vec<usize> = (0..means.nrows()).collect();
        units.sort_by(|&a, &b| means.row(b).variance().total_cmp(&means.row(a).variance()));
        units.truncate(count);
        units.sort_by(|&a, &b| means.row(b).mean().total_cmp(&means.row(a).mean()));
        units
    }
}

/// The activity of each hidden layer, from posterior means of the model.
///
/// # Panics
///
/// When `model` has fewer hidden units than the means.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{Model, PosteriorSettings, hidden_activity, posterior_means};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let rows = BitMatrix::zeros(4, 10).into();
/// let posterior = posterior_means(&model, &rows, &PosteriorSettings::default(), &Streams::new(1), &mut unwatched)?;
/// let layers = hidden_activity(&model, &posterior);
/// assert_eq!((layers.len(), &layers[1].rates), (2, &vec![0.5; 2]));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[must_use]
pub fn hidden_activity(model: &Model, posterior: &Posterior) -> Vec<LayerActivity> {
    posterior.layers(model).into_iter().map(LayerActivity::new).collect()
}

/// Draws of the recognition net for each row from which active units are counted.
const DRAWS: usize = 50;
/// Sweeps of Gibbs sampling for a net without recognition net; half of them are left out.
const SWEEPS: usize = 400;

/// The number of active units of each hidden layer: units whose posterior means vary between rows by more than draws
/// alone explain, as [`gm_core::active_units`] defines it.
///
/// An RBM has exact means, a DBM those of mean field, and a DBN those of a pass up. An SBN has the means of 50 draws of
/// its recognition net; without one they are exact for at most 12 hidden units, else averages over 200 Gibbs sweeps. A model
/// without hidden layers has no number.
///
/// # Errors
///
/// As [`posterior_means`].
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector, unwatched};
/// use gm_eval::{Model, active_units};
///
/// // The first hidden unit repeats the first visible unit, the second one knows nothing.
/// let weights = Matrix::from_row_slice(2, 2, &[20.0, 0.0, 0.0, 0.0]);
/// let stack = Stack::new(vec![weights], vec![Vector::zeros(2), Vector::from_element(2, -10.0)])?;
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(stack)?);
/// let rows = BitMatrix::from_fn(2, 10, |_, row| row % 2 == 0).into();
/// assert_eq!(active_units(&model, &rows, &Streams::new(1), &mut unwatched)?, [1]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn active_units(model: &Model, rows: &Batch, streams: &Streams, watch: Watch<'_>) -> Result<Vec<usize>> {
    if model.layers().len() == 1 {
        return Ok(vec![]);
    }
    let recognised = matches!(model, Model::Sbn(sbn) if sbn.recognition().is_some());
    let method = if recognised { PosteriorMethod::Recognition } else { PosteriorMethod::usual(model) };
    let settings = PosteriorSettings { method: Some(method), samples: DRAWS, steps: SWEEPS };
    let found = posterior_means(model, rows, &settings, streams, watch)?;
    Ok(gm_core::active_units(&found.layers(model), recognised.then_some(DRAWS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_units_that_differ_most_come_by_their_rates() {
        let layer = LayerActivity::new(Matrix::from_row_slice(3, 2, &[0.0, 0.5, 1.0, 1.0, 0.0, 0.0]));
        assert_eq!((layer.rates.as_slice(), layer.most_varied(3)), ([1.0, 0.25, 0.0].as_slice(), vec![1, 0, 2]));
        assert_eq!(layer.most_varied(1), [0]);
    }
}
