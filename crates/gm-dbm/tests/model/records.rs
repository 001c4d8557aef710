//! What runs report: swaps, shares of changed units, progress, and the passes of mean field.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use crate::common::random_model;
use gm_core::{BitMatrix, Matrix, Stack, Streams, VisibleKind, VisibleUnits, logistic_f64, unwatched};
use gm_dbm::{Dbm, MeanFieldSettings, MeanFieldStart, UpdateOrder};
use gm_testkit::assert_close;

#[test]
fn table_neighbours_of_equal_energy_swap_in_every_second_sweep() {
    let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2]).unwrap()).unwrap();
    let (sampler, streams) = (dbm.sampler(), Streams::new(1));
    let mut replicas = dbm.replicas(2, &[1.0, 0.6, 0.3, 0.0], &streams).unwrap();
    assert_eq!((replicas.count(), replicas.chains().count()), (2, 8));
    assert_eq!(replicas.places(), [0, 0, 1, 1, 2, 2, 3, 3]);
    // Sweep 1 is odd and exchanges the middle pair; sweep 2 exchanges the others.
    let info = sampler.run_tempering(&mut replicas, 1, &streams);
    assert_eq!((info.acceptance.as_slice(), info.sweeps), ([0.0, 1.0, 0.0].as_slice(), 1));
    assert_eq!(replicas.places(), [0, 0, 2, 2, 1, 1, 3, 3]);
    let info = sampler.run_tempering(&mut replicas, 1, &streams);
    assert_eq!(info.acceptance, [1.0, 0.0, 1.0]);
    assert_eq!(replicas.places(), [1, 1, 3, 3, 0, 0, 2, 2]);
    // The coldest chains are the samples that hold place 0.
    assert_eq!(replicas.coldest(), replicas.chains().select(&[4, 5]));
    assert_eq!(sampler.run_tempering(&mut replicas, 2, &streams).acceptance, [1.0; 3]);
}

#[test]
fn oracle_flips_are_the_share_of_units_that_differ() {
    let dbm = random_model(3, &[7, 4, 3], 1.0);
    let (sampler, streams) = (dbm.sampler(), Streams::new(2));
    let start = dbm.chains(30, &streams);
    let (mut chains, mut shares) = (start.clone(), 0.0);
    for _ in 0..3 {
        let before = chains.v().bits().clone();
        let info = sampler.run(&mut chains, 1, &streams);
        let v = chains.v().bits();
        let differ = |s: usize| (0..7).filter(|&unit| v.get(unit, s) != before.get(unit, s)).count();
        let share = (0..30).map(differ).sum::<usize>() as f64 / 210.0;
        assert_close(info.flips, share, 1e-12, 0.0, "share of one sweep");
        shares += share;
    }
    let mut again = start.clone();
    let info = sampler.run(&mut again, 3, &streams);
    assert_eq!((&again, info.sweeps, again.sweeps), (&chains, 3, 3));
    assert_close(info.flips, shares / 3.0, 1e-12, 0.0, "share of three sweeps");
    let mut third = start;
    let (info, _) = sampler.run_into_phase(&mut third, 3, &streams);
    assert_eq!((&third, info.sweeps), (&chains, 3));
    assert_close(info.flips, shares / 3.0, 1e-12, 0.0, "share of a run into a phase");
}

#[test]
fn law_tempered_samples_of_real_units_count_their_second_half() {
    let units = VisibleUnits::new(VisibleKind::Gaussian, 3, None).unwrap();
    let dbm = random_model(4, &[3, 2, 2], 0.7).with_units(units).unwrap();
    // (sweeps, parts of at most twenty sweeps in the first half and in the second one)
    for (sweeps, first, second) in
        [(1, vec![], vec![1]), (50, vec![20, 5], vec![20, 5]), (81, vec![20, 20], vec![20, 20, 1])]
    {
        let (temperatures, streams) = ([1.0, 0.5, 0.0], Streams::new(5));
        let mut seen = vec![];
        let watch = &mut |progress: gm_core::Progress| {
            assert_eq!(progress.total, sweeps);
            seen.push(progress.done);
            ControlFlow::Continue(())
        };
        let (found, info) = dbm.tempered_samples((6, sweeps), &temperatures, None, &streams, watch).unwrap();
        let (sampler, mut replicas) = (dbm.sampler(), dbm.replicas(6, &temperatures, &streams).unwrap());
        let (mut done, mut expected) = (0, vec![]);
        for &some in &first {
            sampler.run_tempering(&mut replicas, some, &streams);
            done += some;
            expected.push(done);
        }
        let (mut flips, mut acceptance, counted) = (0.0, [0.0; 2], second.iter().sum::<usize>());
        for &some in &second {
            let info = sampler.run_tempering(&mut replicas, some, &streams);
            let share = some as f64 / counted as f64;
            flips += info.flips * share;
            acceptance.iter_mut().zip(info.acceptance).for_each(|(sum, accepted)| *sum += accepted * share);
            done += some;
            expected.push(done);
        }
        assert_eq!((found, info.sweeps, seen), (replicas.coldest(), counted, expected), "{sweeps} sweeps");
        assert_close(info.flips, flips, 1e-12, 0.0, "flips");
        for (found, expected) in info.acceptance.iter().zip(acceptance) {
            assert_close(*found, expected, 1e-12, 0.0, "acceptance");
        }
    }
}

/// Means of two hidden layers after one pass of mean field by its definition, from means of one half.
fn one_pass(dbm: &Dbm, v: &[f64], order: UpdateOrder, damping: f64) -> (Vec<Vec<f64>>, f64) {
    let sizes = dbm.layers();
    let mut means = vec![vec![0.5; sizes[1]], vec![0.5; sizes[2]]];
    let weight = |l: usize, i: usize, j: usize| f64::from(dbm.weights(l)[(i, j)]);
    let bias = |l: usize, unit: usize| f64::from(dbm.stack().bias(l)[unit]);
    let old = means.clone();
    let mut change = 0.0_f64;
    let mut mix = |to: &mut f64, input: f64| {
        let mixed = damping * *to + (1.0 - damping) * logistic_f64(input);
        change = change.max((mixed - *to).abs());
        *to = mixed;
    };
    for (j, mean) in means[0].iter_mut().enumerate() {
        let below: f64 = (0..sizes[0]).map(|i| v[i] * weight(0, i, j)).sum();
        let above: f64 = (0..sizes[2]).map(|k| weight(1, j, k) * old[1][k]).sum();
        mix(mean, bias(1, j) + below + above);
    }
    let first = if order == UpdateOrder::BottomUp { means[0].clone() } else { old[0].clone() };
    for (k, mean) in means[1].iter_mut().enumerate() {
        let below: f64 = (0..sizes[1]).map(|j| first[j] * weight(1, j, k)).sum();
        mix(mean, bias(2, k) + below);
    }
    (means, change)
}

#[test]
fn oracle_one_pass_of_mean_field_is_that_of_the_definition() {
    let dbm = random_model(8, &[5, 4, 3], 1.5);
    let v = BitMatrix::from_fn(5, 1, |unit, _| unit % 2 == 0);
    let column: Vec<f64> = (0..5).map(|unit| f64::from(u8::from(unit % 2 == 0))).collect();
    for (order, damping) in [
        (UpdateOrder::BottomUp, 0.0),
        (UpdateOrder::BottomUp, 0.4),
        (UpdateOrder::Parallel, 0.0),
        (UpdateOrder::Parallel, 0.4),
    ] {
        let settings = MeanFieldSettings { iterations: 1, tolerance: 0.0, order, damping, start: MeanFieldStart::Half };
        let found = dbm.mean_field(&v, &settings).unwrap();
        let (means, change) = one_pass(&dbm, &column, order, f64::from(damping));
        assert_eq!(found.iterations, 1);
        assert_close(f64::from(found.change), change, 0.0, 1e-6, "change");
        for (found, expected) in found.means.iter().zip(&means) {
            for (found, expected) in found.iter().zip(expected) {
                assert_close(f64::from(*found), *expected, 0.0, 1e-6, "mean");
            }
        }
        for (found, expected) in found.averages().iter().zip(&found.means) {
            assert_eq!(found.as_slice(), expected.as_slice(), "one sample is its own average");
        }
    }
}

#[test]
fn table_mean_field_stops_at_its_tolerance_or_its_limit() {
    let dbm = random_model(9, &[5, 4, 3], 1.5);
    let v = BitMatrix::from_fn(5, 100, |unit, row| row >> (unit % 5) & 1 == 1);
    let of = |iterations, tolerance| {
        dbm.mean_field(&v, &MeanFieldSettings { iterations, tolerance, ..Default::default() }).unwrap()
    };
    let (loose, fine) = (of(1_000, 1e-2), of(1_000, 1e-5));
    assert!(loose.iterations < fine.iterations && fine.iterations < 1_000, "{} {}", loose.iterations, fine.iterations);
    assert!(loose.change <= 1e-2 && fine.change <= 1e-5 && loose.change > fine.change);
    // One pass fewer does not reach the tolerance.
    let short = of(fine.iterations - 1, 1e-5);
    assert!(short.iterations == fine.iterations - 1 && short.change > 1e-5, "{}", short.change);
    // Blocks of rows stop on their own, so that a row alone needs as many passes as its block at most.
    let averages = fine.averages();
    let mean = |l: usize, unit: usize| fine.means[l].row(unit).iter().map(|&x| f64::from(x)).sum::<f64>() / 100.0;
    assert_close(f64::from(averages[1][2]), mean(1, 2), 1e-6, 0.0, "average");
}

#[test]
fn table_mean_field_may_begin_with_doubled_inputs() {
    // One hidden layer above another: the first one has no input from above yet and doubles that from below.
    let weights = vec![Matrix::from_element(2, 1, 0.75), Matrix::from_element(1, 1, -1.0)];
    let biases = [2, 1, 1].map(|n| gm_core::Vector::from_element(n, 0.25)).to_vec();
    let dbm = Dbm::from_stack(Stack::new(weights, biases).unwrap()).unwrap();
    let v = BitMatrix::from_fn(2, 1, |_, _| true);
    let settings = MeanFieldSettings { iterations: 1, tolerance: 0.0, ..Default::default() };
    let found = dbm.mean_field(&v, &settings).unwrap();
    // Start: x_1 = logistic(0.25 + 2 1.5), and x_2 = logistic(0.25 - x_1). Then one pass upwards.
    let first = logistic_f64(0.25 + 3.0);
    let second = logistic_f64(0.25 - first);
    let first = logistic_f64(0.25 + 1.5 - second);
    let expected = [first, logistic_f64(0.25 - first)];
    for (means, expected) in found.means.iter().zip(expected) {
        assert_close(f64::from(means[(0, 0)]), expected, 0.0, 1e-6, "mean");
    }
}

#[test]
fn table_importance_weights_report_each_draw() {
    let dbm = random_model(10, &[4, 3, 2], 1.0);
    let v = BitMatrix::from_fn(4, 3, |unit, row| unit == row);
    let posterior = dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap();
    let (streams, mut seen) = (Streams::new(6), vec![]);
    let watch = &mut |progress: gm_core::Progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    let weights = dbm.importance_weights((&v, &posterior), 4, &streams, watch).unwrap();
    assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    let found = dbm.log_prob_importance((&v, &posterior), 4, 2.5, &streams, &mut unwatched).unwrap();
    assert_eq!(found, weights.iter().map(|row| row.value - 2.5).collect::<Vec<_>>());
}
