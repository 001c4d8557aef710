//! What runs and bounds report: shares of changed units, sums over repeats and rows, progress, and sweeps.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use crate::common::{all_rows, fixtures};
use gm_core::{Batch, Chains, Recognition, Streams, unwatched};
use gm_sbn::{BoundSettings, Bounds, MeanFieldSettings, Sbn};
use gm_testkit::{assert_all_close, assert_close};

/// The share of hidden units that differ between two states of the same chains.
fn share(a: &Chains, b: &Chains) -> f64 {
    let hidden: usize = a.layers[1..].iter().map(Batch::units).sum();
    let pairs = a.layers[1..].iter().zip(&b.layers[1..]);
    let differ: u64 = pairs.map(|(a, b)| a.bits().differences(b.bits())).sum();
    differ as f64 / (hidden * a.count()) as f64
}

/// The second fixture with a recognition net that knows nothing.
fn with_recognition() -> Sbn {
    let (_, sbn) = fixtures().swap_remove(1);
    let net = Recognition::zeros(&sbn.layers()).unwrap();
    Sbn::new(sbn.stack().clone(), Some(net)).unwrap()
}

#[test]
fn oracle_flips_are_the_share_of_hidden_units_that_differ() {
    let sbn = with_recognition();
    let rows = all_rows(sbn.visible()).select(&[0, 3, 3, 5, 6]);
    for resampled in [false, true] {
        let streams = Streams::new(5);
        let run = |chains: &mut Chains, sweeps| match resampled {
            true => sbn.resample(chains, None, (sweeps, 4), &streams).unwrap(),
            false => sbn.gibbs(chains, None, sweeps, &streams),
        };
        let start = sbn.posterior_chains(rows.clone(), &streams).unwrap();
        let (mut chains, mut sum) = (start.clone(), 0.0);
        for _ in 0..6 {
            let before = chains.clone();
            let info = run(&mut chains, 1);
            assert_close(info.flips, share(&before, &chains), 1e-12, 0.0, "share of one sweep");
            sum += info.flips;
        }
        assert!(sum > 0.0, "some units change");
        let mut again = start;
        let info = run(&mut again, 6);
        assert_eq!((&again, info.sweeps, again.sweeps), (&chains, 6, 6), "resampled: {resampled}");
        assert_close(info.flips, sum / 6.0, 1e-12, 0.0, "share of six sweeps");
    }
}

#[test]
fn table_bounds_are_means_over_repeats_and_rows() {
    let repeats = vec![vec![-3.0, -5.0, -4.0], vec![-3.5, -4.0, -6.0]];
    let bounds = Bounds { importance_weighted: repeats, elbo: vec![-9.0; 3], ess: vec![4.0; 3], samples: 8 };
    assert_eq!(bounds.rows(), [-3.25, -4.5, -5.0]);
    let mean = bounds.mean();
    // The means of the repeats are -4 and -4.5.
    assert_eq!((mean.value, mean.samples, mean.method), (-4.25, 8, "importance-weighted"));
    assert_close(mean.std_error, 0.25, 1e-12, 0.0, "standard error of two repeats");
    assert_close(bounds.spread(), 0.25 * 2.0_f64.sqrt(), 1e-12, 0.0, "spread");
    assert_close(mean.low, -4.25 - 0.75, 1e-12, 0.0, "lower end");
    // From one repeat the error comes from the weights: the root of the sum of 1 / ESS - 1 / K, per row.
    let one = Bounds { importance_weighted: vec![vec![-3.0, -5.0, -4.0]], ess: vec![4.0, 2.0, 8.0], ..bounds };
    let found = one.mean();
    let error = (0.125_f64 + 0.375 + 0.0).sqrt() / 3.0;
    assert_eq!(found.value, -4.0);
    assert_close(found.std_error, error, 1e-12, 0.0, "standard error of weights");
    assert_close(found.low, -4.0 - 3.0 * error, 1e-12, 0.0, "lower end");
    assert_close(found.high, -4.0 + 3.0 * error, 1e-12, 0.0, "upper end");
    assert_eq!(one.spread(), f64::INFINITY);
}

#[test]
fn oracle_bounds_of_weights_sum_up_each_draw_of_each_row_once() {
    // The weight of a row's draw is a function of their numbers, and more rows and draws than fit into one slice.
    let weight = |row: usize, k: usize| ((row * 13 + k * 7) % 19) as f64 / 10.0;
    for (rows, samples, repeats) in [(1, 1, 1), (3, 5, 2), (70, 9, 1), (130, 100, 2), (2, 5_000, 1)] {
        let (mut counts, mut seen) = (vec![0; rows], vec![]);
        let watch = &mut |progress: gm_core::Progress| {
            seen.push((progress.done, progress.total));
            ControlFlow::Continue(())
        };
        let draw = |of_slice: &[usize], count: usize, _: &Streams| {
            let mut weights = vec![];
            for &row in of_slice {
                weights.extend((0..count).map(|k| weight(row, (counts[row] + k) % samples)));
                counts[row] += count;
            }
            weights
        };
        let settings = BoundSettings { samples, repeats };
        let found = Bounds::of_weights("test", rows, &settings, &Streams::new(1), watch, draw).unwrap();
        assert_eq!(counts, vec![samples * repeats; rows], "{rows} rows, {samples} draws");
        let total = seen.len();
        assert_eq!(seen, (1..=total).map(|done| (done, total)).collect::<Vec<_>>());
        let logs = |row: usize| (0..samples).map(|k| weight(row, k)).collect::<Vec<_>>();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / samples as f64;
        let weights = |row: usize| logs(row).into_iter().map(f64::exp).collect::<Vec<_>>();
        let bound: Vec<f64> = (0..rows).map(|row| mean(weights(row)).ln()).collect();
        for found in &found.importance_weighted {
            assert_all_close(found, &bound, 1e-9, 1e-9, "bound");
        }
        assert_eq!((found.importance_weighted.len(), found.samples), (repeats, samples));
        assert_all_close(&found.elbo, &(0..rows).map(|row| mean(logs(row))).collect::<Vec<_>>(), 1e-9, 1e-9, "elbo");
        let ess = |row: usize| {
            let weights = weights(row);
            weights.iter().sum::<f64>().powi(2) / weights.iter().map(|w| w * w).sum::<f64>()
        };
        assert_all_close(&found.ess, &(0..rows).map(ess).collect::<Vec<_>>(), 1e-9, 0.0, "effective sample size");
    }
}

#[test]
fn table_mean_field_stops_at_its_tolerance_or_its_limit() {
    let (_, sbn) = fixtures().swap_remove(2);
    let rows = all_rows(sbn.visible()).select(&[1, 2, 6]);
    let of = |sweeps, tolerance| sbn.mean_field(&rows, &MeanFieldSettings { sweeps, tolerance }).unwrap();
    let (none, fine) = (of(0, 0.0), of(1_000, 1e-9));
    assert_eq!(none.sweeps, [0; 3]);
    assert!(fine.sweeps.iter().all(|&sweeps| sweeps > 1 && sweeps < 1_000), "{:?}", fine.sweeps);
    for row in 0..3 {
        // The last sweep gained less than the tolerance, and the one before at least as much.
        let at = |sweeps: usize| of(sweeps, 0.0).bound[row];
        let last = fine.sweeps[row];
        assert!(at(last) - at(last - 1) < 1e-9 && at(last - 1) - at(last - 2) >= 1e-9, "row {row}");
        assert!(none.bound[row] < fine.bound[row], "sweeps raise the bound");
    }
    let error = sbn.mean_field(&rows, &MeanFieldSettings { sweeps: 1, tolerance: -1.0 }).unwrap_err().to_string();
    assert_eq!(error, "Sbn::mean_field: `tolerance` is -1, allowed: 0 or more nats");
}

#[test]
fn table_bounds_report_each_slice_of_draws() {
    let sbn = with_recognition();
    let rows = all_rows(sbn.visible()).select(&[0, 1]);
    let settings = BoundSettings { samples: 5_000, repeats: 2 };
    let mut seen = vec![];
    let watch = &mut |progress: gm_core::Progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    let found = sbn.bounds(&rows, &settings, &Streams::new(3), watch).unwrap();
    // 2,048 draws of two rows at a time.
    assert_eq!(seen, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    assert_eq!(found, sbn.bounds(&rows, &settings, &Streams::new(3), &mut unwatched).unwrap());
}
