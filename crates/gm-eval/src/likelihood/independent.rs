//! Figures that put a likelihood in its place: independent units, and the chance in the choice of rows.

use gm_core::layer::{Layer, LayerSpec};
use gm_core::{Matrix, VisibleKind, mean};

use crate::error::Result;
use crate::rows::EvalData;

/// A layer of units that take rows of data of this kind; units of a class are not in the rows.
pub(super) fn layer_of_rows(kind: VisibleKind, units: usize) -> Result<Layer> {
    let kind = if matches!(kind, VisibleKind::Labelled { .. }) { VisibleKind::Bernoulli } else { kind };
    Ok(kind.to_string().parse::<LayerSpec>()?.layer(units)?)
}

/// Units of two states with the means of the training split, which are shares of ones.
pub(super) fn of_bit_means(layer: &Layer, means: &[f32]) -> Result<Layer> {
    let [off, on] = [0.0, 1.0].map(|bit| layer.bit_states(bit));
    let of = |unit: usize| off[unit] + means[unit] * (on[unit] - off[unit]);
    let means: Vec<f32> = (0..means.len()).map(of).collect();
    Ok(layer.independent(&means, &vec![1.0; means.len()])?)
}

/// Mean log p of the rows under independent units of these kinds, with the moments of the training rows; `None` without any.
pub(super) fn log_prob_of_independent(layer: &Layer, data: &EvalData) -> Result<Option<f64>> {
    let states = |rows: &gm_core::Batch| layer.states_of_rows("evaluate", rows.view());
    let two_states = layer.data_kind() == VisibleKind::Bernoulli;
    let independent = match (&data.train_means, &data.train_rows) {
        (Some(means), _) if two_states => of_bit_means(layer, means)?,
        (_, Some(rows)) if rows.samples() > 1 => layer.independent_of(states(rows)?.view())?,
        _ => return Ok(None),
    };
    let normaliser = independent.cumulants(&Matrix::zeros(layer.units(), 1))[0];
    Ok(Some(mean(&independent.log_weights(states(&data.rows)?.view())) - normaliser))
}

/// The standard error of the mean over rows; `None` for a single row.
pub(super) fn error_over_rows(log_probs: &[f64]) -> Option<f64> {
    let n = log_probs.len() as f64;
    let middle = mean(log_probs);
    let squares = log_probs.iter().map(|x| (x - middle).powi(2)).sum::<f64>();
    (n > 1.0).then(|| (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::BitMatrix;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    #[test]
    fn table_independent_units_have_the_likelihood_that_their_formula_gives() {
        // Binary units with the means 3/4 and 1/4, and the rows 10, 11.
        let rows = BitMatrix::from_fn(2, 2, |unit, row| unit == 0 || row == 1);
        let train = BitMatrix::from_fn(2, 4, |unit, row| if unit == 0 { row > 0 } else { row == 0 });
        let data = EvalData::from_rows("rows", rows).with_train_rows(train);
        let expected = 0.75_f64.ln() + 0.5 * (0.75_f64.ln() + 0.25_f64.ln());
        for kind in ["bernoulli", "spin"] {
            let layer = kind.parse::<LayerSpec>().unwrap().layer(2).unwrap();
            close(log_prob_of_independent(&layer, &data).unwrap(), expected);
        }
        // A group of three categories with the shares 1/2, 1/4, 1/4, and the rows 0 and 2.
        let one_hot =
            |states: &[usize]| Matrix::from_fn(3, states.len(), |c, row| f32::from(u8::from(states[row] == c)));
        let data = EvalData::from_rows("rows", one_hot(&[0, 2])).with_train_rows(one_hot(&[0, 0, 1, 2]));
        let softmax = layer_of_rows(VisibleKind::Softmax { categories: 3 }, 3).unwrap();
        close(log_prob_of_independent(&softmax, &data).unwrap(), 0.5 * (0.5_f64.ln() + 0.25_f64.ln()));
        // A Gaussian unit of mean 2 and variance 4.
        let reals = |values: &[f32]| Matrix::from_row_slice(1, values.len(), values);
        let data = EvalData::from_rows("rows", reals(&[2.0, 6.0])).with_train_rows(reals(&[0.0, 4.0]));
        let gaussian = layer_of_rows(VisibleKind::Gaussian, 1).unwrap();
        let at_mean = -0.5 * (8.0 * std::f64::consts::PI).ln();
        close(log_prob_of_independent(&gaussian, &data).unwrap(), at_mean - 0.5 * 0.5 * 4.0);
        let alone = EvalData::from_rows("rows", reals(&[1.0]));
        assert_eq!(log_prob_of_independent(&gaussian, &alone).unwrap(), None);
    }

    #[test]
    fn table_the_error_over_rows_is_that_of_a_mean() {
        assert_eq!(error_over_rows(&[1.0]), None);
        // The variance of 1, 2, 3, 4 is 5/3.
        close(error_over_rows(&[1.0, 2.0, 3.0, 4.0]), (5.0_f64 / 12.0).sqrt());
    }
}
