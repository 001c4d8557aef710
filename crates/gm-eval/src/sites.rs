//! Sites: units, or groups of softmax units of which exactly one is on.

use gm_core::{BitMatrix, Matrix, VisibleKind};

/// The number of units at a site.
fn units_of_a_site(kind: VisibleKind) -> usize {
    match kind {
        VisibleKind::Softmax { categories } => categories,
        _ => 1,
    }
}

/// The number of sites that this many units of a kind form.
///
/// # Examples
///
/// ```
/// use gm_core::VisibleKind;
///
/// assert_eq!(gm_eval::sites(VisibleKind::Softmax { categories: 3 }, 12), 4);
/// assert_eq!(gm_eval::sites(VisibleKind::Gaussian, 12), 12);
/// ```
#[must_use]
pub fn sites(kind: VisibleKind, units: usize) -> usize {
    units / units_of_a_site(kind)
}

/// A mask of units from a mask of sites, `[units, samples]`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, VisibleKind};
///
/// let second = BitMatrix::from_fn(2, 1, |site, _| site == 1);
/// let units = gm_eval::mask_of_units(VisibleKind::Softmax { categories: 3 }, &second);
/// assert_eq!((0..6).filter(|&unit| units.get(unit, 0)).collect::<Vec<_>>(), [3, 4, 5]);
/// ```
#[must_use]
pub fn mask_of_units(kind: VisibleKind, sites: &BitMatrix) -> BitMatrix {
    let each = units_of_a_site(kind);
    BitMatrix::from_fn(sites.units() * each, sites.samples(), |unit, row| sites.get(unit / each, row))
}

/// Values of sites from states of units or their means, `[sites, samples]`: the number of the most probable category at
/// each site of softmax units, and the states themselves for units of other kinds.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, VisibleKind};
///
/// let states = Matrix::from_column_slice(6, 1, &[0.0, 0.0, 1.0, 0.2, 0.7, 0.1]);
/// let values = gm_eval::values_of_sites(VisibleKind::Softmax { categories: 3 }, states);
/// assert_eq!(values.as_slice(), [2.0, 1.0]);
/// ```
#[must_use]
pub fn values_of_sites(kind: VisibleKind, states: Matrix) -> Matrix {
    let each = units_of_a_site(kind);
    if each == 1 {
        return states;
    }
    let category = |site: &[f32]| {
        let mut most = 0;
        (1..each).for_each(|k| most = if site[k] > site[most] { k } else { most });
        most as f32
    };
    Matrix::from_iterator(states.nrows() / each, states.ncols(), states.as_slice().chunks(each).map(category))
}
