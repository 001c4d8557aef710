//! Whether exp(-E) has a finite sum or integral.

use gm_core::layer::Layer;
use gm_core::{Error, Matrix, Result};

/// Refuses pairs of layers whose energy may fall without a bound.
///
/// For large inputs the cumulant of a unit grows no faster than spread I^2 / 2, with a spread of 0 for bounded states. If
/// the singular values of S_v^(1/2) W S_h^(1/2) are below 1, the quadratic part of the energy is positive definite on all
/// units with a spread above 0. For two Gaussian layers the rule is exact. For half-lines, such as ReLU units, it is
/// sufficient: weights of helpful signs could be larger.
pub(crate) fn check_normalisable(visible: &Layer, hidden: &Layer, weights: &Matrix) -> Result<()> {
    let Some(largest) = singular_value_above_one(visible, hidden, weights) else { return Ok(()) };
    let value = format!("at a singular value of {largest:.4}, scaled by the spreads of both layers");
    let allowed = "singular values below 1 between real-valued layers, so that probabilities are finite";
    Err(Error::Param { op: "Harmonium::check", arg: "weights", value, allowed })
}

/// The largest singular value of the weights, scaled by the spreads, if it is 1 or more.
pub(crate) fn singular_value_above_one(visible: &Layer, hidden: &Layer, weights: &Matrix) -> Option<f64> {
    let (of_visible, of_hidden) = (roots(visible), roots(hidden));
    if of_visible.iter().all(|&s| s == 0.0) || of_hidden.iter().all(|&s| s == 0.0) {
        return None;
    }
    let scaled = nalgebra::DMatrix::from_fn(weights.nrows(), weights.ncols(), |i, j| {
        of_visible[i] * f64::from(weights[(i, j)]) * of_hidden[j]
    });
    // Eigenvalues of numbers that are none have no end; checks for them come elsewhere.
    if scaled.iter().any(|x| !x.is_finite()) {
        return None;
    }
    // The Gram matrix of the smaller side has the squares of the singular values.
    let gram = if scaled.nrows() < scaled.ncols() { &scaled * scaled.transpose() } else { scaled.tr_mul(&scaled) };
    let identity = nalgebra::DMatrix::identity(gram.nrows(), gram.nrows());
    match (identity - &gram).cholesky() {
        Some(_) => None,
        None => Some(gram.symmetric_eigenvalues().max().max(0.0).sqrt()),
    }
}

fn roots(layer: &Layer) -> Vec<f64> {
    layer.spreads().into_iter().map(f64::sqrt).collect()
}
