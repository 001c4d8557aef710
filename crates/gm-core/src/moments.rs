//! First and second moments of the layers of a model.

use crate::stack::Matrix;

/// First and second moments of the layers of a model.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Moments};
///
/// // A layer of two independent units above two that are always on.
/// let moments = Moments { means: vec![vec![1.0; 2], vec![0.5; 2]], pairs: vec![Matrix::from_element(2, 2, 0.5)], squares: vec![] };
/// assert_eq!(moments.pairs[0][(1, 0)], (moments.means[0][1] * moments.means[1][0]) as f32);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// `E[x_l]` of each layer, `[n_l]`.
    pub means: Vec<Vec<f64>>,
    /// `E[x_l x_(l+1)']` of neighbouring layers, `[n_l, n_(l+1)]`.
    pub pairs: Vec<Matrix>,
    /// `E[v^2]` of Gaussian visible units, `[visible]`; empty for units of another kind.
    pub squares: Vec<f64>,
}
