//! Values of units as whole numbers that a page paints: signed weights, and levels from dark to bright.

use gm_core::{Matrix, VisibleKind};
use gm_eval::values_of_sites;
use serde::Serialize;

/// Small pictures of the same units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Picture {
    /// `weights`, from -127 to 127, or `levels`, from 0 to 255.
    scale: &'static str,
    /// The value that the greatest number stands for, and for levels the one that 0 stands for.
    high: f32,
    low: f32,
    /// One list for each picture.
    tiles: Vec<Vec<i16>>,
}

/// Weights as signed numbers on one scale.
pub(crate) fn weights(values: &Matrix) -> Picture {
    let high = values.amax();
    let tone = |x: &f32| if high > 0.0 { (x / high * 127.0).round() as i16 } else { 0 };
    Picture {
        scale: "weights",
        low: -high,
        high,
        tiles: values.column_iter().map(|tile| tile.iter().map(tone).collect()).collect(),
    }
}

/// States or means of the visible units as levels, one for each site. Real numbers have one scale from the least to the
/// greatest.
pub(crate) fn levels(kind: VisibleKind, values: &Matrix) -> Picture {
    let sites = sites_of(kind, values);
    let (low, high) = match kind {
        VisibleKind::Gaussian if !sites.is_empty() => (sites.min(), sites.max()),
        VisibleKind::Softmax { categories } => (0.0, (categories - 1) as f32),
        _ => (0.0, 1.0),
    };
    let tone = |x: &f32| if high > low { ((x - low) / (high - low) * 255.0).round() as i16 } else { 0 };
    Picture {
        scale: "levels",
        low,
        high,
        tiles: sites.column_iter().map(|tile| tile.iter().map(tone).collect()).collect(),
    }
}

/// Values of sites: of softmax units the most probable category.
pub(crate) fn sites_of(kind: VisibleKind, values: &Matrix) -> Matrix {
    values_of_sites(kind, values.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_weights_and_levels_fill_their_scales() {
        let values = Matrix::from_column_slice(2, 2, &[0.5, -1.0, 0.0, 0.25]);
        assert_eq!(weights(&values).tiles, [[64, -127], [0, 32]]);
        assert_eq!(weights(&Matrix::zeros(2, 1)).tiles, [[0, 0]]);
        let bits = Matrix::from_column_slice(2, 1, &[0.0, 1.0]);
        assert_eq!(levels(VisibleKind::Bernoulli, &bits).tiles, [[0, 255]]);
        let reals = levels(VisibleKind::Gaussian, &Matrix::from_column_slice(3, 1, &[-1.0, 0.0, 1.0]));
        assert_eq!((reals.low, reals.high, reals.tiles), (-1.0, 1.0, vec![vec![0, 128, 255]]));
        let three = VisibleKind::Softmax { categories: 3 };
        assert_eq!(levels(three, &Matrix::from_column_slice(3, 1, &[0.0, 0.9, 0.1])).tiles, [[128]]);
    }
}
