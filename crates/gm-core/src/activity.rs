//! Hidden units that tell rows apart.

use crate::stack::Matrix;

/// The variance over rows above which the posterior mean of a hidden unit makes the unit active.
const ACTIVE_VARIANCE: f64 = 0.01;

/// The number of active units of each layer: units whose posterior means vary between rows.
///
/// A unit is active if the variance over rows of its posterior mean exceeds 0.01. Means of K draws vary more than the
/// means that they estimate, by m (1 - m) / K on average; this part is subtracted. A unit that is certainly on for one
/// row in 99 and certainly off for the others is just active. With fewer than two rows nothing can be said, and the
/// result is empty.
///
/// # Shapes
///
/// Each of `layers` is `[units, rows]`.
///
/// # Arguments
///
/// `draws` is K where the means are shares of K independent draws, and `None` where they are exact.
///
/// # Source
///
/// `burda2016importance`, section 5.2, for the threshold.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, active_units};
///
/// // Of two units, the first is on for half of the rows, the second is unsure of all.
/// let means = Matrix::from_fn(2, 10, |unit, row| if unit == 0 { (row % 2) as f32 } else { 0.5 });
/// assert_eq!(active_units(&[means], None), [1]);
/// ```
#[must_use]
pub fn active_units(layers: &[Matrix], draws: Option<usize>) -> Vec<usize> {
    let variance = |unit: &[f64]| {
        let rows = unit.len() as f64;
        let mean = unit.iter().sum::<f64>() / rows;
        let spread = unit.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (rows - 1.0);
        // The expectation of m (1 - m) of K draws is (K - 1) / K times that of the probability.
        let chance = draws.map_or(0.0, |k| {
            let divisor = k.saturating_sub(1).max(1) as f64;
            unit.iter().map(|m| m * (1.0 - m)).sum::<f64>() / rows / divisor
        });
        spread - chance
    };
    let active = |means: &Matrix| {
        let unit = |i: usize| means.row(i).iter().map(|&m| f64::from(m)).collect::<Vec<f64>>();
        (0..means.nrows()).filter(|&i| variance(&unit(i)) > ACTIVE_VARIANCE).count()
    };
    if layers.iter().any(|means| means.ncols() < 2) {
        return vec![];
    }
    layers.iter().map(active).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn table_the_threshold_lies_at_a_variance_of_a_hundredth() {
        // Means of 0.5 +- d have the variance d^2 n / (n - 1).
        let means = |d: f32| Matrix::from_fn(1, 1_000, |_, row| if row % 2 == 0 { 0.5 - d } else { 0.5 + d });
        assert_eq!(active_units(&[means(0.0996), means(0.1004), means(0.0)], None), [0, 1, 0]);
        for layers in [vec![Matrix::zeros(3, 0)], vec![Matrix::zeros(2, 1)], vec![]] {
            assert_eq!(active_units(&layers, None), Vec::<usize>::new());
        }
    }

    #[test]
    fn stat_mean_draws_alone_make_no_unit_active() {
        // Shares of 5 draws of probability 1/2 have the variance 0.05, and the means of the second unit that of 0.02.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut share = |p: f64| (0..5).filter(|_| rng.random::<f64>() < p).count() as f32 / 5.0;
        let spread = 0.02_f64.sqrt();
        let mut means = Matrix::zeros(2, 5_000);
        for (row, mut column) in means.column_iter_mut().enumerate() {
            column[0] = share(0.5);
            column[1] = share(if row % 2 == 0 { 0.5 - spread } else { 0.5 + spread });
        }
        assert_eq!(active_units(std::slice::from_ref(&means), Some(5)), [1]);
        assert_eq!(active_units(&[means], None), [2]);
    }
}
