//! Visible units of each kind in files and pictures.

use std::borrow::Cow;

use gm_core::{BitMatrix, Matrix, VisibleKind};

use crate::picture::Shape;

/// Values of a row that belong together: units, or groups of units of which one is on.
pub(crate) fn sites(kind: VisibleKind, units: usize) -> usize {
    units / units_of_a_site(kind)
}

fn units_of_a_site(kind: VisibleKind) -> usize {
    match kind {
        VisibleKind::Softmax { categories } => categories,
        _ => 1,
    }
}

/// The shape in which weights to the units of sites of this shape are drawn: a line of categories for each site, where there
/// are categories.
pub(crate) fn filter_shape(kind: VisibleKind, shape: Shape, units: usize) -> Shape {
    match units_of_a_site(kind) {
        1 => shape,
        categories => (units / categories, categories),
    }
}

/// A mask of sites as one of units.
pub(crate) fn mask_of_units(kind: VisibleKind, sites: &BitMatrix) -> BitMatrix {
    let each = units_of_a_site(kind);
    BitMatrix::from_fn(sites.units() * each, sites.samples(), |unit, row| sites.get(unit / each, row))
}

/// States as data files have them: the category of each site, where there are categories.
pub(crate) fn written(kind: VisibleKind, states: Matrix) -> Matrix {
    match units_of_a_site(kind) {
        1 => states,
        each => by_site(each, &states, |site| {
            let mut most = 0;
            (1..each).for_each(|k| most = if site[k] > site[most] { k } else { most });
            most as f32
        }),
    }
}

/// States or their means as grey levels between 0 and 1, [sites, samples]: categories in their order, real numbers from the
/// least to the greatest unless all of them lie between 0 and 1.
pub(crate) fn levels(kind: VisibleKind, values: &Matrix) -> Cow<'_, Matrix> {
    match kind {
        VisibleKind::Softmax { categories } => {
            let mean = |site: &[f32]| site.iter().enumerate().map(|(k, p)| k as f32 * p).sum::<f32>();
            Cow::Owned(by_site(categories, values, |site| mean(site) / (categories - 1) as f32))
        }
        VisibleKind::Gaussian if values.iter().any(|x| !(0.0..=1.0).contains(x)) => {
            let (low, high) = (values.min(), values.max());
            let range = if high > low { high - low } else { 1.0 };
            Cow::Owned(values.map(|x| (x - low) / range))
        }
        _ => Cow::Borrowed(values),
    }
}

fn by_site(each: usize, values: &Matrix, number: impl Fn(&[f32]) -> f32) -> Matrix {
    let numbers = values.as_slice().chunks(each).map(number);
    Matrix::from_iterator(values.nrows() / each, values.ncols(), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: VisibleKind = VisibleKind::Softmax { categories: 3 };

    #[test]
    fn table_groups_are_written_as_categories_and_drawn_in_their_order() {
        let states = Matrix::from_column_slice(6, 1, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(written(THREE, states.clone()).as_slice(), [2.0, 1.0]);
        assert_eq!(levels(THREE, &states).as_slice(), [1.0, 0.5]);
        assert_eq!((sites(THREE, 6), filter_shape(THREE, (1, 2), 6)), (2, (2, 3)));
        let mask = mask_of_units(THREE, &BitMatrix::from_fn(2, 1, |site, _| site == 1));
        assert_eq!((0..6).filter(|&unit| mask.get(unit, 0)).collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn table_real_numbers_are_drawn_from_the_least_to_the_greatest() {
        let values = Matrix::from_column_slice(3, 1, &[-2.0, 0.0, 2.0]);
        assert_eq!(levels(VisibleKind::Gaussian, &values).as_slice(), [0.0, 0.5, 1.0]);
        let small = Matrix::from_column_slice(2, 1, &[0.25, 0.5]);
        assert_eq!(levels(VisibleKind::Gaussian, &small).as_slice(), small.as_slice());
        assert_eq!(written(VisibleKind::Gaussian, small.clone()), small);
        assert_eq!(levels(VisibleKind::Gaussian, &Matrix::from_element(1, 2, 7.0)).as_slice(), [0.0, 0.0]);
    }
}
