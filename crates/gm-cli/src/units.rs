//! Visible units of each kind in pictures.

use std::borrow::Cow;

use gm_core::{Matrix, VisibleKind};

use crate::picture::Shape;

/// The shape in which weights to the units are drawn, given the shape of the sites. Softmax units have a line of
/// categories for each site.
pub(crate) fn filter_shape(kind: VisibleKind, shape: Shape, units: usize) -> Shape {
    match kind {
        VisibleKind::Softmax { categories } => (units / categories, categories),
        _ => shape,
    }
}

/// States or their means as grey levels between 0 and 1, [sites, samples]. Categories have levels in their order. Real
/// numbers go from the least to the greatest, unless all of them lie between 0 and 1.
pub(crate) fn levels(kind: VisibleKind, values: &Matrix) -> Cow<'_, Matrix> {
    match kind {
        VisibleKind::Softmax { categories } => {
            let mean = |site: &[f32]| site.iter().enumerate().map(|(k, p)| k as f32 * p).sum::<f32>();
            let level = |site: &[f32]| mean(site) / (categories - 1) as f32;
            let levels = values.as_slice().chunks(categories).map(level);
            Cow::Owned(Matrix::from_iterator(values.nrows() / categories, values.ncols(), levels))
        }
        VisibleKind::Gaussian if values.iter().any(|x| !(0.0..=1.0).contains(x)) => {
            let (low, high) = (values.min(), values.max());
            let range = if high > low { high - low } else { 1.0 };
            Cow::Owned(values.map(|x| (x - low) / range))
        }
        _ => Cow::Borrowed(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: VisibleKind = VisibleKind::Softmax { categories: 3 };

    #[test]
    fn table_groups_are_drawn_in_the_order_of_their_categories() {
        let states = Matrix::from_column_slice(6, 1, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(levels(THREE, &states).as_slice(), [1.0, 0.5]);
        assert_eq!(filter_shape(THREE, (1, 2), 6), (2, 3));
    }

    #[test]
    fn table_real_numbers_are_drawn_from_the_least_to_the_greatest() {
        let values = Matrix::from_column_slice(3, 1, &[-2.0, 0.0, 2.0]);
        assert_eq!(levels(VisibleKind::Gaussian, &values).as_slice(), [0.0, 0.5, 1.0]);
        let small = Matrix::from_column_slice(2, 1, &[0.25, 0.5]);
        assert_eq!(levels(VisibleKind::Gaussian, &small).as_slice(), small.as_slice());
        assert_eq!(levels(VisibleKind::Gaussian, &Matrix::from_element(1, 2, 7.0)).as_slice(), [0.0, 0.0]);
    }
}
