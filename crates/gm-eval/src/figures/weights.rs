//! Weights as filters, and the spectrum of weight matrices.

use gm_core::{Matrix, ModelData, Stack, VisibleKind};
use serde::Serialize;

/// The weights between the data and the first hidden layer, `[units of a row, hidden]`. Weights of label units are left
/// out, and so are weights of means that join the input of a classifier. In a net without hidden layers they are the weights to
/// each visible unit from the units before it, `[units, units]`.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&[4, 3])?)?;
/// assert_eq!(gm_eval::first_layer_filters(&data).shape(), (4, 3));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn first_layer_filters(data: &ModelData) -> Matrix {
    let joined = match data.visible {
        VisibleKind::Labelled { classes } => classes,
        _ => data.features.as_ref().map_or(0, |features| features.bias(2).len()),
    };
    if let (0, Some(within)) = (data.stack.depth(), data.stack.within(0)) {
        return within.clone();
    }
    let weights = data.stack.weights(0);
    weights.rows(0, weights.nrows() - joined).into_owned()
}

/// The visible units to which a hidden unit of the first layer is tied most.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, ModelData, ModelKind, Stack, Vector};
/// use gm_eval::named_weights;
///
/// let weights = Matrix::from_row_slice(3, 1, &[0.5, -2.0, 1.0]);
/// let stack = Stack::new(vec![weights], vec![Vector::zeros(3), Vector::zeros(1)])?;
/// let names = ["milk", "bread", "tea"].map(String::from);
/// let data = ModelData::from_stack(ModelKind::Rbm, stack)?.with_columns(Some(&names));
/// let found = named_weights(&data, 2).expect("named columns");
/// assert_eq!(found[0].weights, [("bread".to_string(), -2.0), ("tea".to_string(), 1.0)]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedWeights {
    /// The hidden unit, counted from 0.
    pub hidden: usize,
    /// Names of visible units with their weights, the largest weight first, whatever its sign.
    pub weights: Vec<(String, f32)>,
}

/// The `most` largest weights of each unit of the first hidden layer by the names of visible units, the unit with the
/// largest weights first; `None` for a model that does not know the names of its columns or has no hidden layers.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&[4, 3])?)?;
/// assert_eq!(gm_eval::named_weights(&data, 2), None);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn named_weights(data: &ModelData, most: usize) -> Option<Vec<NamedWeights>> {
    if data.stack.depth() == 0 {
        return None;
    }
    let (names, weights) = (data.unit_names()?, data.stack.weights(0));
    let of_unit = |hidden: usize| {
        let column = weights.column(hidden);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| column[b].abs().total_cmp(&column[a].abs()).then(a.cmp(&b)));
        let weights = order.into_iter().take(most).map(|unit| (names[unit].clone(), column[unit])).collect();
        NamedWeights { hidden, weights }
    };
    Some(strongest_units(weights, weights.ncols()).into_iter().map(of_unit).collect())
}

/// W_0 W_1 ... W_l, `[visible, units of layer l + 1]`: a linear view of what the units of a deep layer respond to.
///
/// # Panics
///
/// When there is no layer `l + 1`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector};
///
/// let weights = vec![Matrix::from_row_slice(2, 2, &[1.0, 2.0, 0.0, 1.0]), Matrix::from_row_slice(2, 1, &[3.0, -1.0])];
/// let stack = Stack::new(weights, vec![Vector::zeros(2), Vector::zeros(2), Vector::zeros(1)])?;
/// assert_eq!(gm_eval::weights_to_visible(&stack, 1).as_slice(), [1.0, -1.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn weights_to_visible(stack: &Stack, l: usize) -> Matrix {
    (1..=l).fold(stack.weights(0).clone(), |product, l| product * stack.weights(l))
}

/// The `count` columns with the largest norm, the largest first.
///
/// # Examples
///
/// ```
/// let weights = gm_core::Matrix::from_row_slice(2, 3, &[1.0, 2.0, 0.0, 0.0, 1.0, 3.0]);
/// assert_eq!(gm_eval::strongest_units(&weights, 2), [2, 1]);
/// ```
#[must_use]
pub fn strongest_units(weights: &Matrix, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.ncols()).collect();
    order.sort_by(|&a, &b| weights.column(b).norm().total_cmp(&weights.column(a).norm()));
    order.truncate(count);
    order
}

/// Singular values of a weight matrix.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
/// use gm_eval::Spectrum;
///
/// let spectrum = Spectrum::new(0, &Matrix::from_diagonal_element(3, 3, 2.0));
/// assert_eq!((spectrum.name.as_str(), spectrum.singular_values.len()), ("weights.0", 3));
/// assert!((spectrum.effective_rank - 3.0).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spectrum {
    /// The name of the tensor.
    pub name: String,
    /// All singular values, falling.
    pub singular_values: Vec<f32>,
    /// exp of the entropy of their squares: the number of directions that carry the weight.
    pub effective_rank: f64,
}

impl Spectrum {
    /// The spectrum of the weights above layer `l`.
    #[must_use]
    pub fn new(l: usize, weights: &Matrix) -> Self {
        let mut values: Vec<f32> = weights.singular_values().iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        let entropy = |x: f32| {
            let share = f64::from(x).powi(2) / total;
            if share > 0.0 { -share * share.ln() } else { 0.0 }
        };
        let effective_rank = if total > 0.0 { values.iter().map(|&x| entropy(x)).sum::<f64>().exp() } else { 0.0 };
        Self { name: format!("weights.{l}"), singular_values: values, effective_rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::Vector;

    #[test]
    fn table_spectrum_of_a_diagonal() {
        let spectrum = Spectrum::new(0, &Matrix::from_diagonal(&Vector::from_vec(vec![2.0, -3.0, 0.0])));
        assert_eq!(spectrum.singular_values, [3.0, 2.0, 0.0]);
        let even = Spectrum::new(0, &Matrix::identity(4, 4));
        assert!((even.effective_rank - 4.0).abs() < 1e-6);
        assert_eq!(Spectrum::new(0, &Matrix::zeros(2, 2)).effective_rank, 0.0);
    }
}
