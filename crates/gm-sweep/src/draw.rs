//! Points in a cube of settings, each number a share from 0 up to but without 1.

use gm_core::{Purpose, Streams};
use rand::RngExt;

/// Independent points. More of them begin with the same ones.
pub(crate) fn random(points: usize, settings: usize, seed: u64) -> Vec<Vec<f64>> {
    let streams = Streams::new(seed).fork(Purpose::Search, 0);
    let point = |i: usize| {
        let mut stream = streams.stream(i as u64);
        (0..settings).map(|_| stream.random()).collect()
    };
    (0..points).map(point).collect()
}

/// Points of a Latin hypercube: of the equal shares of a setting, as many as there are points, each has one point.
///
/// # Source
///
/// `mckay1979comparison`.
pub(crate) fn latin_hypercube(points: usize, settings: usize, seed: u64) -> Vec<Vec<f64>> {
    let streams = Streams::new(seed).fork(Purpose::Search, 1);
    let column = |setting: usize| -> Vec<f64> {
        let mut stream = streams.stream(setting as u64);
        // The order of random numbers is a random order.
        let mut order: Vec<(f64, usize)> = (0..points).map(|stratum| (stream.random(), stratum)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let within = |(_, stratum): (f64, usize)| (stratum as f64 + stream.random::<f64>()) / points as f64;
        order.into_iter().map(within).collect()
    };
    let columns: Vec<Vec<f64>> = (0..settings).map(column).collect();
    (0..points).map(|point| columns.iter().map(|column| column[point]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn law_each_stratum_of_a_latin_hypercube_has_one_point(points in 1_usize..40, settings in 1_usize..5, seed: u64) {
            let found = latin_hypercube(points, settings, seed);
            for setting in 0..settings {
                let mut strata: Vec<usize> =
                    found.iter().map(|point| (point[setting] * points as f64) as usize).collect();
                strata.sort_unstable();
                prop_assert_eq!(strata, (0..points).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn stable_seeds_decide_the_points() {
        for points in [random, latin_hypercube] {
            assert_eq!(points(5, 2, 7), points(5, 2, 7));
            assert_ne!(points(5, 2, 7), points(5, 2, 8));
        }
        assert_eq!(random(9, 2, 7)[..5], random(5, 2, 7));
        assert_eq!(format!("{:.6}", random(1, 1, 0)[0][0]), "0.091038");
    }

    #[test]
    fn law_settings_of_a_hypercube_have_orders_of_their_own() {
        let found = latin_hypercube(20, 2, 3);
        let order = |setting: usize| found.iter().map(|point| (point[setting] * 20.0) as usize).collect::<Vec<_>>();
        assert_ne!(order(0), order(1));
    }
}
