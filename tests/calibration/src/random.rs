//! Random models of given layers.

use gm::Result;
use gm::core::{Labels, VisibleUnits};
use gm::prelude::{Matrix, Stack, Vector, VisibleKind};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};

/// Numbers from N(0, scale^2).
pub(crate) fn normals(count: usize, scale: f32, rng: &mut impl Rng) -> Vec<f32> {
    let normal = Normal::new(0.0, scale).expect("a finite scale");
    (0..count).map(|_| normal.sample(rng)).collect()
}

/// A stack with weights of this standard deviation and biases of half of it.
pub(crate) fn stack(layers: &[usize], scale: f32, rng: &mut impl Rng) -> Result<Stack> {
    let mut weights = |pair: &[usize]| Matrix::from_vec(pair[0], pair[1], normals(pair[0] * pair[1], scale, rng));
    let weights = layers.windows(2).map(&mut weights).collect();
    let biases = layers.iter().map(|&n| Vector::from_vec(normals(n, 0.5 * scale, rng))).collect();
    Ok(Stack::new(weights, biases)?)
}

/// A stack of two layers with two modes far apart: a random pattern, and its complement. Each of the two has the same
/// probability but for a small random part.
pub(crate) fn bimodal(layers: &[usize], strength: f32, rng: &mut impl Rng) -> Result<Stack> {
    let mut signs = |n: usize| -> Vec<f32> { (0..n).map(|_| if rng.random_bool(0.5) { 1.0 } else { -1.0 }).collect() };
    let (a, b) = (signs(layers[0]), signs(layers[1]));
    let noise = normals(a.len() * b.len(), 0.05 * strength, rng);
    let w = Matrix::from_fn(a.len(), b.len(), |i, j| strength * a[i] * b[j] + noise[i * b.len() + j]);
    // The biases of spins without a field, for zeros and ones.
    let lower = Vector::from_fn(a.len(), |i, _| -0.5 * w.row(i).sum());
    let upper = Vector::from_fn(b.len(), |j, _| -0.5 * w.column(j).sum());
    Ok(Stack::new(vec![w], vec![lower, upper])?)
}

/// Weights and biases of label units.
pub(crate) fn labels(classes: usize, units: usize, scale: f32, rng: &mut impl Rng) -> Result<Labels> {
    let weights = Matrix::from_vec(classes, units, normals(classes * units, scale, rng));
    Ok(Labels::new(weights, Vector::from_vec(normals(classes, 0.5 * scale, rng)))?)
}

/// Gaussian visible units of variances between 0.5 and 2.
pub(crate) fn gaussian(units: usize, rng: &mut impl Rng) -> Result<VisibleUnits> {
    let variance: Vec<f32> = (0..units).map(|_| rng.random_range(0.5..2.0)).collect();
    Ok(VisibleUnits::new(VisibleKind::Gaussian, units, Some(&variance))?)
}
