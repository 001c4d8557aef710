//! Annealing of the posterior, forwards and in reverse, against exact values.

use std::ops::ControlFlow;

use crate::common::{all_rows, mean, with_random_within};
use gm_core::{
    AisSettings, Batch, BitMatrix, Chains, Estimate, Matrix, Recognition, Schedule, Side, Stack, Streams, Vector,
    Weighted, unwatched,
};
use gm_sbn::{BoundSettings, Sbn};
use gm_testkit::{Categorical, assert_side, mean_test, rng, weight_ratios};
use rand::RngExt;

const ALPHA: f64 = 1e-7;
/// The most standard errors between an estimate and the truth: the normal quantile of 2e-9.
const FAR: f64 = 6.0;
const RUNS: usize = 6_000;

/// A net with weights within +-scale and biases within +-1, and a recognition net that is half the transposed one.
fn random_model(seed: u64, layers: &[usize], scale: f32) -> Sbn {
    let mut rng = rng(seed);
    let mut uniform = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let weights: Vec<Matrix> =
        layers.windows(2).map(|pair| Matrix::from_fn(pair[0], pair[1], |_, _| uniform(scale))).collect();
    let biases: Vec<Vector> = layers.iter().map(|&n| Vector::from_fn(n, |_, _| uniform(1.0))).collect();
    let up = weights.iter().map(|w| 0.5 * w).collect();
    let net = Recognition::new(up, biases[1..].iter().map(|b| 0.5 * b).collect()).expect("a sound model");
    Sbn::new(Stack::new(weights, biases).expect("a sound model"), Some(net)).expect("a sound model")
}

/// Causes that compete for the same effects.
fn causes(strength: f32) -> Sbn {
    let stack = Stack::new(
        vec![Matrix::from_element(3, 4, strength)],
        vec![Vector::from_element(3, -strength / 2.0), Vector::from_element(4, -1.5)],
    );
    Sbn::from_stack(stack.expect("a sound model")).expect("a sound model")
}

/// Nets of one to three hidden layers, with and without a recognition net, and with weights within layers.
fn zoo(scale: f32) -> Vec<Sbn> {
    let layers: [&[usize]; 3] = [&[5, 4], &[5, 4, 3], &[5, 3, 2, 3]];
    let models = (0..6).map(|case| {
        let sbn = random_model(10 + case as u64, layers[case / 2], scale);
        if case % 2 == 0 { sbn } else { Sbn::from_stack(sbn.stack().clone()).expect("a sound model") }
    });
    let visible = with_random_within(random_model(16, &[5, 4], scale), &[0], scale, 17);
    let all = with_random_within(random_model(18, &[4, 3, 3], scale), &[0, 1, 2], scale, 19);
    let all = Sbn::from_stack(all.stack().clone()).expect("a sound model");
    models.chain([causes(2.0 * scale), visible, all]).collect()
}

/// A row that the model generates, and its log p.
fn row_of(sbn: &Sbn, seed: u64) -> (BitMatrix, f64) {
    let v = sbn.sample(1, &Streams::new(seed)).swap_remove(0);
    let exact = sbn.log_prob(&v).expect("a sound model")[0];
    (v, exact)
}

/// Exact draws of the hidden layers given a row, by enumeration of their states.
fn posterior_draws(sbn: &Sbn, v: &BitMatrix, count: usize, seed: u64) -> Chains {
    let states = all_rows(sbn.hidden());
    let mut first = 0;
    let layer = |&units: &usize| {
        let offset = first;
        first += units;
        BitMatrix::from_fn(units, states.samples(), |unit, state| states.get(offset + unit, state))
    };
    let hidden: Vec<BitMatrix> = sbn.layers()[1..].iter().map(layer).collect();
    let layers: Vec<BitMatrix> = std::iter::once(v.select(&vec![0; states.samples()])).chain(hidden).collect();
    let weights: Vec<f64> = sbn.log_joint(&layers).iter().map(|log_p| log_p.exp()).collect();
    let (posterior, mut rng) = (Categorical::new(&weights), rng(seed));
    let drawn: Vec<usize> = (0..count).map(|_| posterior.draw(&mut rng)).collect();
    Chains::new(layers.into_iter().map(Batch::from).collect()).select(&drawn)
}

/// log p(v) of many single runs on one row.
fn forwards(sbn: &Sbn, v: &BitMatrix, schedule: Schedule, seed: u64) -> Vec<f64> {
    let (copies, settings) = (v.select(&[0; RUNS]), AisSettings { runs: 1, schedule });
    let found = sbn.log_prob_ais(&copies, &settings, &Streams::new(seed), &mut unwatched).expect("a sound model");
    assert!(found.iter().all(|row| row.std_error == f64::INFINITY && row.ess == 1.0));
    values(&found)
}

fn reverse(sbn: &Sbn, states: &Chains, schedule: Schedule, seed: u64) -> Vec<f64> {
    sbn.log_prob_reverse_ais(states, &schedule, &Streams::new(seed), &mut unwatched).expect("a sound model")
}

fn values(found: &[Weighted]) -> Vec<f64> {
    found.iter().map(|row| row.value).collect()
}

#[test]
fn stat_mean_weights_are_unbiased_and_their_logs_below() {
    // With 2 temperatures there are no moves, and the weights are those of importance sampling.
    for (scale, temperatures) in [(0.8, 2), (1.2, 4), (2.0, 20)] {
        for (case, sbn) in zoo(scale).iter().enumerate() {
            let seed = 200 + case as u64;
            let (v, exact) = row_of(sbn, seed);
            let found = forwards(sbn, &v, Schedule::Linear(temperatures), seed);
            mean_test(&weight_ratios(&found, exact, 1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, 1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_reverse_runs_are_unbiased_and_above() {
    for (scale, temperatures) in [(0.8, 2), (1.2, 4), (2.0, 20)] {
        for (case, sbn) in zoo(scale).iter().enumerate() {
            let seed = 300 + case as u64;
            let (v, exact) = row_of(sbn, seed);
            let states = posterior_draws(sbn, &v, RUNS, seed);
            let found = reverse(sbn, &states, Schedule::Linear(temperatures), seed);
            mean_test(&weight_ratios(&found, exact, -1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, -1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_both_sides_meet_with_many_temperatures() {
    for (case, sbn) in zoo(4.0).iter().enumerate() {
        let seed = 400 + case as u64;
        let (v, exact) = row_of(sbn, seed);
        let settings = AisSettings { runs: 50, schedule: Schedule::Linear(1_500) };
        let lower = sbn.log_prob_ais(&v, &settings, &Streams::new(seed), &mut unwatched).unwrap()[0];
        let upper = reverse(sbn, &posterior_draws(sbn, &v, 50, seed), settings.schedule, seed);
        let upper = Estimate::mean(&upper, Side::Upper, "reverse");
        let (low, high) = (lower.value - FAR * lower.std_error, upper.value + FAR * upper.std_error);
        assert!(low < exact && exact < high, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(upper.value - lower.value < 0.15, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(lower.ess > 25.0, "model {case}: {lower:?}");
    }
}

#[test]
fn stat_mean_annealing_is_nearer_than_importance_weights_where_weights_are_strong() {
    let (mut annealed, mut weighted) = (0.0, 0.0);
    for case in 0..4 {
        let (sbn, streams) = (random_model(60 + case, &[10, 8, 4], 5.0), Streams::new(500 + case));
        let v = sbn.sample(50, &streams).swap_remove(0);
        let exact = mean(&sbn.log_prob(&v).unwrap());
        let settings = AisSettings { runs: 10, schedule: Schedule::Linear(300) };
        let found = sbn.log_prob_ais(&v, &settings, &streams, &mut unwatched).unwrap();
        annealed += (exact - mean(&values(&found))).abs();
        let settings = BoundSettings { samples: 10, repeats: 1 };
        let bounds = sbn.bounds(&v, &settings, &streams, &mut unwatched).unwrap();
        weighted += exact - mean(&bounds.rows());
    }
    assert!(10.0 * annealed < weighted, "{annealed} against {weighted}");
}

#[test]
fn planted_mean_wrong_states_and_a_wrong_base_are_found_out() {
    let mut found_out = 0;
    for (case, sbn) in zoo(4.0).iter().enumerate() {
        let seed = 600 + case as u64;
        let (v, exact) = row_of(sbn, seed);
        // All hidden units are off in place of draws from the posterior.
        let mut states = posterior_draws(sbn, &v, RUNS, seed);
        for (units, layer) in sbn.layers().into_iter().zip(&mut states.layers).skip(1) {
            *layer = BitMatrix::zeros(units, RUNS).into();
        }
        let found = reverse(sbn, &states, Schedule::Linear(3), seed);
        found_out += usize::from(!mean_test(&weight_ratios(&found, exact, -1.0), 1.0).passes(ALPHA));
    }
    // Where chains mix fast, the first move forgets the wrong states.
    assert!(found_out >= 3, "wrong states of {found_out} models");
    for (case, sbn) in zoo(2.0).iter().enumerate() {
        let seed = 650 + case as u64;
        let (v, exact) = row_of(sbn, seed);
        // A base whose partition function lacks the share of one unit.
        let found = forwards(sbn, &v, Schedule::Linear(20), seed);
        assert!(
            !mean_test(&weight_ratios(&found, exact - 2.0_f64.ln(), 1.0), 1.0).passes(ALPHA),
            "base of model {case}"
        );
    }
}

#[test]
fn stat_mean_an_adaptive_schedule_keeps_both_sides() {
    let (sbn, streams) = (random_model(3, &[6, 4, 3], 3.0), Streams::new(700));
    let states = Chains::new(sbn.sample(2_000, &streams).into_iter().map(Batch::from).collect());
    let exact = sbn.log_prob(states.v().bits()).unwrap();
    let settings = AisSettings { runs: 1, schedule: Schedule::Adaptive(60) };
    let lower = sbn.log_prob_ais(states.v().bits(), &settings, &streams, &mut unwatched).unwrap();
    let upper = reverse(&sbn, &states, settings.schedule, 701);
    let gaps = |found: &[f64]| -> Vec<f64> { found.iter().zip(&exact).map(|(found, exact)| found - exact).collect() };
    let [below, above] = [gaps(&values(&lower)), gaps(&upper)];
    mean_test(&weight_ratios(&below, 0.0, 1.0), 1.0).assert_passes(ALPHA, 700);
    mean_test(&weight_ratios(&above, 0.0, -1.0), 1.0).assert_passes(ALPHA, 701);
    assert_side(&below, 0.0, 1.0, "forwards");
    assert_side(&above, 0.0, -1.0, "in reverse");
}

#[test]
fn table_without_weights_every_run_is_exact() {
    let sbn = Sbn::from_stack(Stack::zeros(&[4, 3, 2]).unwrap()).unwrap();
    let settings = AisSettings { runs: 3, schedule: Schedule::Linear(4) };
    let v = BitMatrix::from_fn(4, 2, |unit, sample| unit == sample);
    let found = sbn.log_prob_ais(&v, &settings, &Streams::new(1), &mut unwatched).unwrap();
    for row in found {
        assert!((row.value + 4.0 * 2.0_f64.ln()).abs() < 1e-12 && row.std_error < 1e-6 && row.ess > 2.999_999);
    }
}

#[test]
fn stable_estimates_do_not_depend_on_threads() {
    let sbn = random_model(5, &[30, 20, 10], 1.0);
    let states = Chains::new(sbn.sample(300, &Streams::new(2)).into_iter().map(Batch::from).collect());
    let settings = AisSettings { runs: 4, schedule: Schedule::Linear(6) };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let lower = sbn.log_prob_ais(states.v().bits(), &settings, &Streams::new(3), &mut unwatched).unwrap();
            (lower, reverse(&sbn, &states, settings.schedule.clone(), 4))
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn rejects_shapes_empty_batches_settings_and_interruptions() {
    let (sbn, streams) = (random_model(1, &[3, 2, 2], 1.0), Streams::new(0));
    let settings = AisSettings { runs: 1, schedule: Schedule::Linear(3) };
    let ais = |v: &BitMatrix, settings: &AisSettings| {
        sbn.log_prob_ais(v, settings, &streams, &mut unwatched).unwrap_err().to_string()
    };
    assert_eq!(ais(&BitMatrix::zeros(4, 1), &settings), "Sbn::log_prob_ais: `data` has units 4, expected 3");
    assert_eq!(ais(&BitMatrix::zeros(3, 0), &settings), "Sbn::log_prob_ais: `data` is empty");
    let none = AisSettings { runs: 0, ..settings.clone() };
    assert_eq!(ais(&BitMatrix::zeros(3, 1), &none), "Sbn::log_prob_ais: `runs` is 0, allowed: 1 or more");
    let few = AisSettings { schedule: Schedule::Linear(1), ..settings.clone() };
    assert_eq!(ais(&BitMatrix::zeros(3, 1), &few), "Schedule: `temperatures` is 1, allowed: 2 or more");
    let mut stop = |_| ControlFlow::Break(());
    let stopped = sbn.log_prob_ais(&BitMatrix::zeros(3, 1), &settings, &streams, &mut stop).unwrap_err();
    assert_eq!(stopped.to_string(), "annealed importance sampling: stopped on request");

    let states = |sizes: [usize; 3], count| Chains::new(sizes.map(|n| BitMatrix::zeros(n, count).into()).into());
    let back = |states: &Chains| {
        sbn.log_prob_reverse_ais(states, &settings.schedule, &streams, &mut unwatched).unwrap_err().to_string()
    };
    const OP: &str = "Sbn::log_prob_reverse_ais:";
    assert_eq!(back(&states([3, 1, 2], 2)), format!("{OP} `states` has units 1, expected 2"));
    assert_eq!(back(&states([3, 2, 2], 0)), format!("{OP} `states` is empty"));
    let mut short = states([3, 2, 2], 2);
    short.layers.pop();
    assert_eq!(back(&short), format!("{OP} `states` has layers 2, expected 3"));
    let mut reals = states([3, 2, 2], 2);
    reals.layers[0] = Matrix::zeros(3, 2).into();
    assert_eq!(back(&reals), format!("{OP} `data` is real numbers, allowed: zeros and ones for binary units"));
    let stopped = sbn.log_prob_reverse_ais(&states([3, 2, 2], 2), &settings.schedule, &streams, &mut stop);
    assert_eq!(stopped.unwrap_err().to_string(), "annealed importance sampling: stopped on request");
}
