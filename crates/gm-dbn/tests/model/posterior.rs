//! Annealing of the posterior, forwards and in reverse, against exact values.

use std::ops::ControlFlow;

use crate::common::{mean, random_model, random_rbm};
use gm_core::{
    AisSettings, Batch, BitMatrix, Chains, Estimate, Labels, Matrix, Schedule, Side, Streams, VisibleKind,
    VisibleUnits, Weighted, unwatched,
};
use gm_dbn::Dbn;
use gm_sbn::BoundSettings;
use gm_testkit::{Categorical, assert_side, mean_test, rng, weight_ratios};

const ALPHA: f64 = 1e-7;
/// The most standard errors between an estimate and the truth: the normal quantile of 2e-9.
const FAR: f64 = 6.0;
const RUNS: usize = 6_000;

/// Label units of three classes.
fn labels(seed: u64, top: usize, scale: f32) -> Option<Labels> {
    let rbm = random_rbm(seed, 3, top, scale);
    Some(Labels::new(rbm.weights().clone(), rbm.stack().bias(0).clone()).expect("a sound model"))
}

fn units(kind: usize) -> VisibleUnits {
    match kind {
        0 => VisibleUnits::Bernoulli,
        1 => VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 6, None).expect("a sound model"),
        _ => VisibleUnits::new(VisibleKind::Gaussian, 6, Some(&[0.5, 0.8, 1.0, 1.3, 0.7, 1.5])).expect("a sound model"),
    }
}

/// Networks of two and three hidden layers with visible units of each kind, with and without label units and a
/// recognition net. Weights are from N(0, scale^2).
fn zoo(scale: f32) -> Vec<Dbn> {
    let model = |case: usize| {
        let layers: &[usize] = if case.is_multiple_of(2) { &[6, 4, 3] } else { &[6, 3, 3, 4] };
        let seed = 10 + case as u64;
        let mut dbn = random_model(seed, layers, scale).with_units(units(case / 4)).expect("a sound model");
        if case == 3 {
            dbn = Dbn::from_stack(dbn.stack().clone()).expect("a sound model");
        }
        if case % 4 >= 2 {
            dbn.with_labels(labels(seed, layers[layers.len() - 1], scale)).expect("a sound model")
        } else {
            dbn
        }
    };
    (0..12).map(model).collect()
}

/// A row that the model generates, with log Z and its log p.
fn row_of(dbn: &Dbn, seed: u64) -> (Batch, f64, f64) {
    let v = dbn.exact_samples(1, &Streams::new(seed)).expect("a sound model").swap_remove(0);
    let log_z = dbn.log_partition().expect("a sound model");
    let exact = dbn.log_prob(&v, log_z).expect("a sound model")[0];
    (v, log_z, exact)
}

/// All states of the hidden layers below a row, with label units behind the lower layer of the RBM.
fn all_states(dbn: &Dbn, v: &Batch) -> Chains {
    let (hidden, classes) = (dbn.hidden(), dbn.classes());
    let states = (1 << hidden) * classes.max(1);
    let mut first = 0;
    let layer = |(l, &units): (usize, &usize)| {
        let offset = first;
        first += units;
        let labels = if l + 1 == dbn.depth() { classes } else { 0 };
        let on = |unit: usize, state: usize| match unit.checked_sub(units) {
            Some(class) => state >> hidden == class,
            None => state >> (offset + unit) & 1 == 1,
        };
        Batch::from(BitMatrix::from_fn(units + labels, states, on))
    };
    let hidden: Vec<Batch> = (1..).zip(&dbn.layers()[1..]).map(layer).collect();
    Chains::new(std::iter::once(v.select(&vec![0; states])).chain(hidden).collect())
}

/// Exact draws of the hidden layers given a row, by enumeration of their states.
fn posterior_draws(dbn: &Dbn, v: &Batch, count: usize, seed: u64) -> Chains {
    let all = all_states(dbn, v);
    let log_p = dbn.log_joint(&all.layers, 0.0);
    let largest = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_p.iter().map(|log_p| (log_p - largest).exp()).collect();
    let (posterior, mut rng) = (Categorical::new(&weights), rng(seed));
    all.select(&(0..count).map(|_| posterior.draw(&mut rng)).collect::<Vec<_>>())
}

/// log p(v) of many single runs on one row.
fn forwards(dbn: &Dbn, (v, log_z): (&Batch, f64), schedule: Schedule, seed: u64) -> Vec<f64> {
    let (copies, settings) = (v.select(&[0; RUNS]), AisSettings { runs: 1, schedule });
    let found =
        dbn.log_prob_ais(&copies, log_z, &settings, &Streams::new(seed), &mut unwatched).expect("a sound model");
    assert!(found.iter().all(|row| row.std_error == f64::INFINITY && row.ess == 1.0));
    values(&found)
}

fn reverse(dbn: &Dbn, (states, log_z): (&Chains, f64), schedule: Schedule, seed: u64) -> Vec<f64> {
    dbn.log_prob_reverse_ais(states, log_z, &schedule, &Streams::new(seed), &mut unwatched).expect("a sound model")
}

fn values(found: &[Weighted]) -> Vec<f64> {
    found.iter().map(|row| row.value).collect()
}

#[test]
fn stat_mean_weights_are_unbiased_and_their_logs_below() {
    // With 2 temperatures there are no moves, and the weights are those of importance sampling.
    for (scale, temperatures) in [(0.4, 2), (0.7, 5), (1.2, 20)] {
        for (case, dbn) in zoo(scale).iter().enumerate() {
            let seed = 200 + case as u64;
            let (v, log_z, exact) = row_of(dbn, seed);
            let found = forwards(dbn, (&v, log_z), Schedule::Linear(temperatures), seed);
            mean_test(&weight_ratios(&found, exact, 1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, 1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_reverse_runs_are_unbiased_and_above() {
    for (scale, temperatures) in [(0.4, 2), (0.7, 5), (1.2, 20)] {
        for (case, dbn) in zoo(scale).iter().enumerate() {
            let seed = 300 + case as u64;
            let (v, log_z, exact) = row_of(dbn, seed);
            let states = posterior_draws(dbn, &v, RUNS, seed);
            let found = reverse(dbn, (&states, log_z), Schedule::Linear(temperatures), seed);
            mean_test(&weight_ratios(&found, exact, -1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, -1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_both_sides_meet_with_many_temperatures() {
    for (case, dbn) in zoo(2.0).iter().enumerate() {
        let seed = 400 + case as u64;
        let (v, log_z, exact) = row_of(dbn, seed);
        let settings = AisSettings { runs: 40, schedule: Schedule::Linear(1_000) };
        let lower = dbn.log_prob_ais(&v, log_z, &settings, &Streams::new(seed), &mut unwatched).unwrap()[0];
        let upper = reverse(dbn, (&posterior_draws(dbn, &v, 40, seed), log_z), settings.schedule, seed);
        let upper = Estimate::mean(&upper, Side::Upper, "reverse");
        let (low, high) = (lower.value - FAR * lower.std_error, upper.value + FAR * upper.std_error);
        assert!(low < exact + 1e-4 && exact < high + 1e-4, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(upper.value - lower.value < 0.15, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(lower.ess > 20.0, "model {case}: {lower:?}");
    }
}

#[test]
fn stat_mean_annealing_is_nearer_than_importance_weights_where_weights_are_strong() {
    let (mut annealed, mut weighted) = (0.0, 0.0);
    for case in 0..4 {
        let (dbn, streams) = (random_model(60 + case, &[10, 8, 5], 3.0), Streams::new(500 + case));
        let log_z = dbn.log_partition().unwrap();
        let v = dbn.exact_samples(50, &streams).unwrap().swap_remove(0);
        let exact = mean(&dbn.log_prob(&v, log_z).unwrap());
        let settings = AisSettings { runs: 10, schedule: Schedule::Linear(300) };
        let found = dbn.log_prob_ais(&v, log_z, &settings, &streams, &mut unwatched).unwrap();
        annealed += (exact - mean(&values(&found))).abs();
        let settings = BoundSettings { samples: 10, repeats: 1 };
        let bounds = dbn.bounds(&v, log_z, &settings, &streams, &mut unwatched).unwrap();
        weighted += exact - mean(&bounds.rows());
    }
    assert!(10.0 * annealed < weighted, "{annealed} against {weighted}");
}

#[test]
fn planted_mean_wrong_states_and_a_wrong_base_are_found_out() {
    let mut found_out = 0;
    for (case, dbn) in zoo(2.5).iter().enumerate() {
        let seed = 600 + case as u64;
        let (v, log_z, exact) = row_of(dbn, seed);
        // A single state of the hidden layers in place of draws from the posterior.
        let states = all_states(dbn, &v).select(&[0; RUNS]);
        let found = reverse(dbn, (&states, log_z), Schedule::Linear(3), seed);
        found_out += usize::from(!mean_test(&weight_ratios(&found, exact, -1.0), 1.0).passes(ALPHA));
    }
    // Where chains mix fast, the first move forgets the wrong states.
    assert!(found_out >= 4, "wrong states of {found_out} models");
    for (case, dbn) in zoo(1.2).iter().enumerate() {
        let seed = 650 + case as u64;
        let (v, log_z, exact) = row_of(dbn, seed);
        // A base whose partition function lacks the share of one unit.
        let found = forwards(dbn, (&v, log_z), Schedule::Linear(30), seed);
        assert!(
            !mean_test(&weight_ratios(&found, exact - 2.0_f64.ln(), 1.0), 1.0).passes(ALPHA),
            "base of model {case}"
        );
    }
}

#[test]
fn stat_mean_an_adaptive_schedule_keeps_both_sides() {
    let dbn = random_model(3, &[6, 4, 3], 1.5).with_labels(labels(3, 3, 1.5)).unwrap();
    let log_z = dbn.log_partition().unwrap();
    let v = dbn.exact_samples(1, &Streams::new(700)).unwrap().swap_remove(0);
    let exact = dbn.log_prob(&v, log_z).unwrap()[0];
    let found = forwards(&dbn, (&v, log_z), Schedule::Adaptive(30), 700);
    mean_test(&weight_ratios(&found, exact, 1.0), 1.0).assert_passes(ALPHA, 700);
    let states = posterior_draws(&dbn, &v, RUNS, 701);
    let found = reverse(&dbn, (&states, log_z), Schedule::Adaptive(30), 701);
    mean_test(&weight_ratios(&found, exact, -1.0), 1.0).assert_passes(ALPHA, 701);
}

#[test]
fn table_one_hidden_layer_is_exact() {
    for kind in 0..4 {
        let mut dbn = random_model(9, &[6, 5], 1.5).with_units(units(kind % 3)).unwrap();
        if kind == 3 {
            dbn = dbn.with_labels(labels(9, 5, 1.0)).unwrap();
        }
        let log_z = dbn.log_partition().unwrap();
        let states = dbn.sampler().exact_chains(5, &Streams::new(1)).unwrap();
        let v = match states.v() {
            Batch::Bits(v) => v.narrowed(6).into(),
            reals => reals.clone(),
        };
        let exact = dbn.log_prob(&v, log_z).unwrap();
        let settings = AisSettings { runs: 7, schedule: Schedule::Adaptive(10) };
        let found = dbn.log_prob_ais(&v, log_z, &settings, &Streams::new(1), &mut unwatched).unwrap();
        assert_eq!(values(&found), exact);
        assert!(found.iter().all(|row| (row.std_error, row.ess) == (0.0, 7.0)));
        assert_eq!(reverse(&dbn, (&states, log_z), Schedule::Linear(3), 2), exact);
        let none = AisSettings { runs: 0, ..settings };
        assert!(dbn.log_prob_ais(&v, log_z, &none, &Streams::new(1), &mut unwatched).is_err());
        let none = Schedule::Linear(1);
        assert!(dbn.log_prob_reverse_ais(&states, log_z, &none, &Streams::new(1), &mut unwatched).is_err());
    }
}

#[test]
fn stable_estimates_do_not_depend_on_threads() {
    let dbn = random_model(5, &[30, 20, 10], 0.7).with_labels(labels(5, 10, 0.7)).unwrap();
    let v = BitMatrix::from_fn(30, 300, |unit, sample| (unit * sample) % 3 == 0);
    let lower =
        BitMatrix::from_fn(23, 300, |unit, sample| if unit < 20 { unit % 3 == 0 } else { unit - 20 == sample % 3 });
    let states = Chains::new(vec![v.clone().into(), lower.into(), BitMatrix::zeros(10, 300).into()]);
    let settings = AisSettings { runs: 4, schedule: Schedule::Linear(6) };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let found = dbn.log_prob_ais(&v, 20.0, &settings, &Streams::new(3), &mut unwatched).unwrap();
            (found, reverse(&dbn, (&states, 20.0), settings.schedule.clone(), 4))
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn rejects_shapes_empty_batches_settings_and_interruptions() {
    let dbn = random_model(1, &[3, 2, 2], 1.0).with_labels(labels(1, 2, 1.0)).unwrap();
    let streams = Streams::new(0);
    let settings = AisSettings { runs: 1, schedule: Schedule::Linear(3) };
    let ais = |v: &BitMatrix, settings: &AisSettings| {
        dbn.log_prob_ais(v, 0.0, settings, &streams, &mut unwatched).unwrap_err().to_string()
    };
    assert_eq!(ais(&BitMatrix::zeros(4, 1), &settings), "Dbn::log_prob_ais: `data` has units 4, expected 3");
    assert_eq!(ais(&BitMatrix::zeros(3, 0), &settings), "Dbn::log_prob_ais: `data` is empty");
    let none = AisSettings { runs: 0, ..settings.clone() };
    assert_eq!(ais(&BitMatrix::zeros(3, 1), &none), "Dbn::log_prob_ais: `runs` is 0, allowed: 1 or more");
    let mut stop = |_| ControlFlow::Break(());
    let stopped = dbn.log_prob_ais(&BitMatrix::zeros(3, 1), 0.0, &settings, &streams, &mut stop).unwrap_err();
    assert_eq!(stopped.to_string(), "annealed importance sampling: stopped on request");

    let back = |states: &Chains| {
        let found = dbn.log_prob_reverse_ais(states, 0.0, &settings.schedule, &streams, &mut unwatched);
        found.unwrap_err().to_string()
    };
    let states = |lower: BitMatrix, count: usize| {
        Chains::new(vec![BitMatrix::zeros(3, count).into(), lower.into(), BitMatrix::zeros(2, count).into()])
    };
    const OP: &str = "Dbn::log_prob_reverse_ais:";
    assert_eq!(back(&states(BitMatrix::zeros(2, 2), 2)), format!("{OP} `states` has units 2, expected 5"));
    assert_eq!(back(&states(BitMatrix::zeros(5, 0), 0)), format!("{OP} `states` is empty"));
    let text = "`data` is 0 units on in group 0 of sample 0, allowed: exactly one in each group";
    assert_eq!(back(&states(BitMatrix::zeros(5, 2), 2)), format!("{OP} {text}"));
    let mut reals = states(BitMatrix::from_fn(5, 2, |unit, _| unit == 3), 2);
    let stopped = dbn.log_prob_reverse_ais(&reals, 0.0, &settings.schedule, &streams, &mut stop).unwrap_err();
    assert_eq!(stopped.to_string(), "annealed importance sampling: stopped on request");
    reals.layers[0] = Matrix::zeros(3, 2).into();
    assert_eq!(back(&reals), format!("{OP} `data` is real numbers, allowed: zeros and ones for binary units"));
}
