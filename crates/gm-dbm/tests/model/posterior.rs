//! Annealing of the posterior, forwards and in reverse, against exact values.

use std::ops::ControlFlow;

use crate::common::{mean, random_model};
use gm_core::{
    AisSettings, Batch, BitMatrix, Chains, Estimate, Matrix, Schedule, Side, Streams, VisibleKind, VisibleUnits,
    Weighted, unwatched,
};
use gm_dbm::{Dbm, MeanFieldSettings};
use gm_testkit::{Categorical, assert_side, mean_test, rng, weight_ratios};

const ALPHA: f64 = 1e-7;
/// The most standard errors between an estimate and the truth: the normal quantile of 2e-9.
const FAR: f64 = 6.0;

/// Models of two to four hidden layers with visible units of each kind, and weights within +-scale.
fn zoo(scale: f64) -> Vec<Dbm> {
    let layers: [&[usize]; 3] = [&[6, 4, 3], &[6, 3, 5], &[6, 3, 2, 3, 2]];
    let variances = [0.5, 0.8, 1.0, 1.3, 0.7, 1.5];
    let units = [
        VisibleUnits::Bernoulli,
        VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 6, None).expect("a sound model"),
        VisibleUnits::new(VisibleKind::Gaussian, 6, Some(&variances)).expect("a sound model"),
    ];
    let model = |case: usize| {
        let (kind, form) = (case / layers.len(), case % layers.len());
        let seed = 40 + 10 * kind as u64 + form as u64;
        random_model(seed, layers[form], scale).with_units(units[kind].clone()).expect("a sound model")
    };
    (0..layers.len() * units.len()).map(model).collect()
}

/// A row that the model generates, and its log p.
fn row_of(dbm: &Dbm, seed: u64) -> (Batch, f64, f64) {
    let v = dbm.exact_samples(1, &Streams::new(seed)).expect("a sound model").into_v();
    let log_z = dbm.log_partition().expect("a sound model");
    let exact = dbm.log_prob(&v, log_z).expect("a sound model")[0];
    (v, log_z, exact)
}

/// Exact draws of the hidden layers given a row, by enumeration of their states.
fn posterior_draws(dbm: &Dbm, v: &Batch, count: usize, seed: u64) -> Chains {
    let states = 1 << dbm.hidden();
    let mut first = 0;
    let layer = |&units: &usize| {
        let offset = first;
        first += units;
        Batch::from(BitMatrix::from_fn(units, states, |unit, state| state >> (offset + unit) & 1 == 1))
    };
    let hidden: Vec<Batch> = dbm.layers()[1..].iter().map(layer).collect();
    let all = Chains::new(std::iter::once(v.select(&vec![0; states])).chain(hidden).collect());
    let energies = dbm.energy(&all.layers);
    let least = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = energies.iter().map(|energy| (least - energy).exp()).collect();
    let (posterior, mut rng) = (Categorical::new(&weights), rng(seed));
    all.select(&(0..count).map(|_| posterior.draw(&mut rng)).collect::<Vec<_>>())
}

fn single(temperatures: usize) -> AisSettings {
    AisSettings { runs: 1, schedule: Schedule::Linear(temperatures) }
}

fn values(found: &[Weighted]) -> Vec<f64> {
    found.iter().map(|row| row.value).collect()
}

#[test]
fn stat_mean_weights_are_unbiased_and_their_logs_below() {
    // With 2 temperatures there are no moves, and the weights are those of importance sampling.
    for (scale, temperatures) in [(0.8, 2), (1.2, 4), (2.0, 15)] {
        for (case, dbm) in zoo(scale).iter().enumerate() {
            let seed = 200 + case as u64;
            let (v, log_z, exact) = row_of(dbm, seed);
            let copies = v.select(&vec![0; 6_000]);
            let streams = Streams::new(seed);
            let found = dbm.log_prob_ais(&copies, log_z, &single(temperatures), &streams, &mut unwatched).unwrap();
            assert!(found.iter().all(|row| row.std_error == f64::INFINITY && row.ess == 1.0));
            let found = values(&found);
            mean_test(&weight_ratios(&found, exact, 1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, 1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_reverse_runs_are_unbiased_and_above() {
    for (scale, temperatures) in [(0.8, 2), (1.2, 4), (2.0, 15)] {
        for (case, dbm) in zoo(scale).iter().enumerate() {
            let seed = 300 + case as u64;
            let (v, log_z, exact) = row_of(dbm, seed);
            let states = posterior_draws(dbm, &v, 6_000, seed);
            let (schedule, streams) = (Schedule::Linear(temperatures), Streams::new(seed));
            let found = dbm.log_prob_reverse_ais(&states, log_z, &schedule, &streams, &mut unwatched).unwrap();
            mean_test(&weight_ratios(&found, exact, -1.0), 1.0).assert_passes(ALPHA, seed);
            assert_side(&found, exact, -1.0, &format!("model {case}"));
        }
    }
}

#[test]
fn stat_mean_both_sides_meet_with_many_temperatures() {
    for (case, dbm) in zoo(4.0).iter().enumerate() {
        let seed = 400 + case as u64;
        let (v, log_z, exact) = row_of(dbm, seed);
        let streams = Streams::new(seed);
        let settings = AisSettings { runs: 50, schedule: Schedule::Linear(1_000) };
        let lower = dbm.log_prob_ais(&v, log_z, &settings, &streams, &mut unwatched).unwrap()[0];
        let states = posterior_draws(dbm, &v, 50, seed);
        let upper = dbm.log_prob_reverse_ais(&states, log_z, &settings.schedule, &streams, &mut unwatched).unwrap();
        let upper = Estimate::mean(&upper, Side::Upper, "reverse");
        let (low, high) = (lower.value - FAR * lower.std_error, upper.value + FAR * upper.std_error);
        assert!(low < exact + 1e-4 && exact < high + 1e-4, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(upper.value - lower.value < 0.1, "model {case}: {lower:?}, {upper:?} against {exact}");
        assert!(lower.ess > 25.0, "model {case}: {lower:?}");
    }
}

#[test]
fn stat_mean_annealing_is_nearer_than_importance_weights_where_weights_are_strong() {
    let (mut annealed, mut weighted) = (0.0, 0.0);
    for case in 0..6 {
        let dbm = random_model(60 + case, &[8, 6, 6], 5.0);
        let streams = Streams::new(500 + case);
        let log_z = dbm.log_partition().unwrap();
        let v = dbm.exact_samples(100, &streams).unwrap().into_v();
        let exact = mean(&dbm.log_prob(&v, log_z).unwrap());
        let settings = AisSettings { runs: 10, schedule: Schedule::Linear(300) };
        let found = dbm.log_prob_ais(&v, log_z, &settings, &streams, &mut unwatched).unwrap();
        annealed += (exact - mean(&values(&found))).abs();
        let q = dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap();
        let found = dbm.log_prob_importance((&v, &q), 10, log_z, &streams, &mut unwatched).unwrap();
        weighted += (exact - mean(&found)).abs();
    }
    assert!(10.0 * annealed < weighted, "{annealed} against {weighted}");
}

#[test]
fn planted_mean_wrong_states_and_a_wrong_base_are_found_out() {
    let mut found_out = 0;
    for (case, dbm) in zoo(4.0).iter().enumerate() {
        let seed = 600 + case as u64;
        let (v, log_z, exact) = row_of(dbm, seed);
        let (schedule, streams) = (Schedule::Linear(3), Streams::new(seed));
        // All hidden units are on in place of draws from the posterior.
        let mut states = posterior_draws(dbm, &v, 6_000, seed);
        for (units, layer) in dbm.layers().into_iter().zip(&mut states.layers).skip(1) {
            *layer = BitMatrix::from_fn(units, 6_000, |_, _| true).into();
        }
        let found = dbm.log_prob_reverse_ais(&states, log_z, &schedule, &streams, &mut unwatched).unwrap();
        found_out += usize::from(!mean_test(&weight_ratios(&found, exact, -1.0), 1.0).passes(ALPHA));
    }
    // Where v alone decides what the hidden units are, the first move forgets the wrong states.
    assert!(found_out >= 6, "wrong states of {found_out} models");
    for (case, dbm) in zoo(1.2).iter().enumerate() {
        let seed = 650 + case as u64;
        let (v, log_z, exact) = row_of(dbm, seed);
        let (copies, streams) = (v.select(&vec![0; 6_000]), Streams::new(seed));
        let found = values(&dbm.log_prob_ais(&copies, log_z, &single(4), &streams, &mut unwatched).unwrap());
        // A base whose partition function lacks the share of one unit.
        let shifted = weight_ratios(&found, exact - 2.0_f64.ln(), 1.0);
        assert!(!mean_test(&shifted, 1.0).passes(ALPHA), "base of model {case}");
    }
}

#[test]
fn table_one_hidden_layer_is_exact() {
    for case in [0, 3, 6] {
        let deep = &zoo(2.0)[case];
        let dbm = random_model(9, &[6, 5], 2.0).with_units(deep.units().clone()).unwrap();
        let (streams, log_z) = (Streams::new(1), dbm.log_partition().unwrap());
        let states = dbm.exact_samples(5, &streams).unwrap();
        let exact = dbm.log_prob(states.v(), log_z).unwrap();
        let settings = AisSettings { runs: 7, schedule: Schedule::Adaptive(10) };
        let found = dbm.log_prob_ais(states.v(), log_z, &settings, &streams, &mut unwatched).unwrap();
        assert_eq!(values(&found), exact);
        assert!(found.iter().all(|row| (row.std_error, row.ess) == (0.0, 7.0)));
        let schedule = Schedule::Linear(3);
        let back = dbm.log_prob_reverse_ais(&states, log_z, &schedule, &streams, &mut unwatched).unwrap();
        assert_eq!(back, exact);
        let none = Schedule::Linear(1);
        assert!(dbm.log_prob_reverse_ais(&states, log_z, &none, &streams, &mut unwatched).is_err());
        let none = AisSettings { runs: 0, ..settings };
        assert!(dbm.log_prob_ais(states.v(), log_z, &none, &streams, &mut unwatched).is_err());
    }
}

#[test]
fn stat_mean_an_adaptive_schedule_keeps_both_sides() {
    let dbm = random_model(3, &[6, 4, 3], 3.0);
    let (streams, log_z) = (Streams::new(700), dbm.log_partition().unwrap());
    let states = dbm.exact_samples(2_000, &streams).unwrap();
    let exact = dbm.log_prob(states.v(), log_z).unwrap();
    let settings = AisSettings { runs: 1, schedule: Schedule::Adaptive(40) };
    let lower = dbm.log_prob_ais(states.v(), log_z, &settings, &streams, &mut unwatched).unwrap();
    let upper = dbm.log_prob_reverse_ais(&states, log_z, &settings.schedule, &streams, &mut unwatched).unwrap();
    let gaps = |found: &[f64]| -> Vec<f64> { found.iter().zip(&exact).map(|(found, exact)| found - exact).collect() };
    let [below, above] = [gaps(&values(&lower)), gaps(&upper)];
    mean_test(&weight_ratios(&below, 0.0, 1.0), 1.0).assert_passes(ALPHA, 700);
    mean_test(&weight_ratios(&above, 0.0, -1.0), 1.0).assert_passes(ALPHA, 700);
    assert_side(&below, 0.0, 1.0, "forwards");
    assert_side(&above, 0.0, -1.0, "in reverse");
    assert!(mean(&below) > -0.2 && mean(&above) < 0.2, "{} and {}", mean(&below), mean(&above));
}

#[test]
fn stable_estimates_do_not_depend_on_threads() {
    let dbm = Dbm::initial(&vec![0.3; 100], &[70, 90, 30], 2.0, &Streams::new(1)).unwrap();
    let v = BitMatrix::from_fn(100, 300, |unit, sample| (unit * sample) % 3 == 0);
    let settings = AisSettings { runs: 4, schedule: Schedule::Linear(6) };
    let mut chains = dbm.chains_from(v.clone(), &Streams::new(2)).unwrap();
    chains.layers[2].bits_mut().set(3, 7, true);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(3);
            let lower = dbm.log_prob_ais(&v, 50.0, &settings, &streams, &mut unwatched).unwrap();
            let upper = dbm.log_prob_reverse_ais(&chains, 50.0, &settings.schedule, &streams, &mut unwatched);
            (lower, upper.unwrap())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn rejects_shapes_empty_batches_settings_and_interruptions() {
    let dbm = random_model(1, &[3, 2, 2], 1.0);
    let (streams, settings) = (Streams::new(0), single(3));
    let ais = |v: &BitMatrix, settings: &AisSettings| {
        dbm.log_prob_ais(v, 0.0, settings, &streams, &mut unwatched).unwrap_err().to_string()
    };
    assert_eq!(ais(&BitMatrix::zeros(4, 1), &settings), "Dbm::log_prob_ais: `data` has units 4, expected 3");
    assert_eq!(ais(&BitMatrix::zeros(3, 0), &settings), "Dbm::log_prob_ais: `data` is empty");
    let none = AisSettings { runs: 0, ..settings.clone() };
    assert_eq!(ais(&BitMatrix::zeros(3, 1), &none), "Dbm::log_prob_ais: `runs` is 0, allowed: 1 or more");
    let text = ais(&BitMatrix::zeros(3, 1), &single(1));
    assert_eq!(text, "Schedule: `temperatures` is 1, allowed: 2 or more");
    let mut stop = |_| ControlFlow::Break(());
    let stopped = dbm.log_prob_ais(&BitMatrix::zeros(3, 1), 0.0, &settings, &streams, &mut stop).unwrap_err();
    assert_eq!(stopped.to_string(), "annealed importance sampling: stopped on request");

    let back = |states: &Chains| {
        let found = dbm.log_prob_reverse_ais(states, 0.0, &settings.schedule, &streams, &mut unwatched);
        found.unwrap_err().to_string()
    };
    let good = dbm.chains(2, &streams);
    let with = |l: usize, x: Batch| {
        let mut states = good.clone();
        states.layers[l] = x;
        states
    };
    let mut short = good.clone();
    short.layers.pop();
    const OP: &str = "Dbm::log_prob_reverse_ais: `states`";
    assert_eq!(back(&short), format!("{OP} has layers 2, expected 3"));
    assert_eq!(back(&with(1, BitMatrix::zeros(3, 2).into())), format!("{OP} has units 3, expected 2"));
    assert_eq!(back(&with(2, BitMatrix::zeros(2, 3).into())), format!("{OP} has samples 3, expected 2"));
    let text = "is real numbers in a hidden layer, allowed: zeros and ones";
    assert_eq!(back(&with(1, Matrix::zeros(2, 2).into())), format!("{OP} {text}"));
    assert_eq!(back(&good.select(&[])), format!("{OP} is empty"));
    let stopped = dbm.log_prob_reverse_ais(&good, 0.0, &settings.schedule, &streams, &mut stop).unwrap_err();
    assert_eq!(stopped.to_string(), "annealed importance sampling: stopped on request");
}
