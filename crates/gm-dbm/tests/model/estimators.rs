//! Annealed, reverse and importance-weighted estimates against exact values.

use crate::common::random_model;
use gm_core::{AisSettings, BitMatrix, Estimate, Schedule, Side, Streams, log_mean_exp, unwatched};
use gm_dbm::{Dbm, MeanFieldSettings};
use gm_testkit::mean_test;

/// 24 random models of one to four hidden layers, the first ones weak and the last ones strong.
fn zoo() -> impl Iterator<Item = (u64, Dbm)> {
    const LAYERS: [&[usize]; 6] = [&[6, 4, 3], &[4, 3, 3, 4], &[3, 5, 2], &[6, 5], &[4, 2, 3, 2, 3], &[7, 2, 4]];
    (0..24).map(|case| (case, random_model(100 + case, LAYERS[case as usize % 6], 0.3 + 0.08 * case as f64)))
}

/// The most standard errors between an estimate and the truth: the normal quantile of 2e-9.
const FAR: f64 = 6.0;

/// The deviation of an estimate from the truth, in standard errors.
fn deviation(estimate: &Estimate, truth: f64) -> f64 {
    (estimate.value - truth) / estimate.std_error
}

#[test]
fn stat_mean_both_sides_bracket_the_exact_partition_function() {
    // 48 estimates of log Z from 1,000 runs each. One of them exceeds six standard errors with probability 2e-9.
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let mut misses = [0; 3];
    for (case, dbm) in zoo() {
        let (streams, exact) = (Streams::new(case), dbm.log_partition().unwrap());
        let forward = dbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_partition;
        let model = dbm.exact_samples(settings.runs, &streams).unwrap();
        let back = dbm.log_partition_reverse_ais(&model, &settings.schedule, None, &streams, &mut unwatched);
        let back = back.unwrap().log_partition;
        assert_eq!((forward.side, back.side), (Side::Lower, Side::Upper));
        for estimate in [&forward, &back] {
            let far = deviation(estimate, exact).abs();
            assert!(far < FAR, "model {case}: {estimate:?} against {exact}");
            [1.0, 2.0, 3.0].iter().zip(&mut misses).for_each(|(errors, miss)| *miss += usize::from(far > *errors));
        }
    }
    // Binomial(48, .317), (48, .046) and (48, .0027): each bound is exceeded with probability below 1e-6.
    assert!(misses[0] <= 32 && misses[1] <= 13 && misses[2] <= 5, "beyond 1, 2 and 3 standard errors: {misses:?}");
}

#[test]
fn planted_mean_wrong_base_partition_and_wrong_start_are_found_out() {
    let (case, dbm) = zoo().nth(20).unwrap();
    let (streams, exact) = (Streams::new(case), dbm.log_partition().unwrap());
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let mut found = dbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_partition;
    // The partition function of the base lacks the log 2 of one unit.
    found.value -= std::f64::consts::LN_2;
    assert!(deviation(&found, exact).abs() > FAR);
    // Chains that begin at independent units instead of the model, with too few temperatures to get there.
    let independent = Dbm::from_stack(gm_core::Stack::zeros(&dbm.layers()).unwrap()).unwrap().chains(1_000, &streams);
    let found = dbm.log_partition_reverse_ais(&independent, &Schedule::Linear(3), None, &streams, &mut unwatched);
    let found = found.unwrap().log_partition;
    assert!(deviation(&found, exact).abs() > FAR, "{found:?} against {exact}");
}

#[test]
fn stat_mean_raise_is_a_lower_bound_that_gets_tight() {
    for (case, dbm) in zoo().step_by(2) {
        let (streams, log_z) = (Streams::new(50 + case), dbm.log_partition().unwrap());
        let v = dbm.exact_samples(300, &streams).unwrap().layers.swap_remove(0);
        let exact = dbm.log_prob(&v, log_z).unwrap();
        let gap = |temperatures, runs| {
            let settings = AisSettings { runs, schedule: Schedule::Linear(temperatures) };
            let bound = dbm.log_prob_raise(&v, &settings, None, &streams, &mut unwatched).unwrap();
            let gaps: Vec<f64> = exact.iter().zip(&bound).map(|(p, bound)| p - bound).collect();
            Estimate::mean(&gaps, Side::Unbiased, "gap")
        };
        let (coarse, several) = (gap(20, 1), gap(100, 10));
        for (what, gap) in [("coarse", &coarse), ("several runs", &several)] {
            assert!(gap.value > -FAR * gap.std_error, "model {case}, {what}: above the truth, {gap:?}");
        }
        assert!(several.value < 0.15 + FAR * several.std_error, "model {case}: {several:?}");
    }
}

#[test]
fn stat_mean_importance_weights_are_unbiased_and_bounds_rise_with_draws() {
    for (case, dbm) in zoo() {
        let (streams, log_z) = (Streams::new(80 + case), dbm.log_partition().unwrap());
        let v = BitMatrix::from_fn(dbm.visible(), 1, |unit, _| unit % 2 == 0);
        let exact = dbm.log_prob(&v, log_z).unwrap()[0];
        let copies = v.select(&vec![0; 20_000]);
        let q = dbm.mean_field(&copies, &MeanFieldSettings::default()).unwrap();
        let one = dbm.log_prob_importance((&copies, &q), 1, log_z, &streams, &mut unwatched).unwrap();
        let relative: Vec<f64> = one.iter().map(|log_p| (log_p - exact).exp()).collect();
        let spread = Estimate::mean(&relative, Side::Unbiased, "weights");
        // For a single hidden layer the proposal is the posterior, and every weight is exact.
        if spread.std_error > 1e-6 {
            mean_test(&relative, 1.0).assert_passes(1e-7, 80 + case);
        } else {
            assert!((spread.value - 1.0).abs() < 1e-4, "model {case}: {spread:?}");
        }
        let bound = q.bound(&dbm, &copies, log_z)[0];
        let elbo = Estimate::mean(&one, Side::Lower, "one draw");
        assert!(elbo.value > bound - FAR * elbo.std_error - 1e-4, "model {case}: summing out raises the bound");
        let many = dbm.importance_weights((&v, &q_of_one(&q)), 1_000, &streams, &mut unwatched).unwrap()[0];
        assert!((many.value - log_z - exact).abs() < FAR * many.std_error + 1e-4, "model {case}: {many:?}");
        assert!(many.ess > 1.0 && many.ess <= 1_000.0);
        let ten = one.chunks(10).map(log_mean_exp).collect::<Vec<_>>();
        assert!(crate::common::mean(&ten) >= elbo.value - 1e-9, "model {case}");
    }
}

/// The posterior of the first sample.
fn q_of_one(q: &gm_dbm::MeanField) -> gm_dbm::MeanField {
    let means = q.means.iter().map(|means| means.columns(0, 1).into_owned()).collect();
    gm_dbm::MeanField { means, ..q.clone() }
}

#[test]
fn planted_mean_weights_without_the_proposal_are_found_out() {
    let dbm = random_model(7, &[6, 4, 3], 1.0);
    let (streams, log_z) = (Streams::new(3), dbm.log_partition().unwrap());
    let v = BitMatrix::zeros(6, 20_000);
    let exact = dbm.log_prob(&v.select(&[0]), log_z).unwrap()[0];
    let mut q = dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap();
    let weights = dbm.log_prob_importance((&v, &q), 1, log_z, &streams, &mut unwatched).unwrap();
    q.means[0].fill(0.5);
    // Draws from one distribution with the weights of another.
    let wrong = dbm.log_prob_importance((&v, &q), 1, log_z, &streams, &mut unwatched).unwrap();
    let relative = |weights: &[f64], shift: f64| weights.iter().map(|w| (w - exact + shift).exp()).collect::<Vec<_>>();
    assert!(mean_test(&relative(&weights, 0.0), 1.0).passes(1e-6));
    assert!(!mean_test(&relative(&wrong, -0.5), 1.0).passes(1e-6));
}

#[test]
fn stable_annealing_and_mean_field_do_not_depend_on_threads() {
    let dbm = Dbm::initial(&vec![0.3; 100], &[70, 90], 0.5, &Streams::new(1)).unwrap();
    let settings = AisSettings { runs: 40, schedule: Schedule::Graded(50) };
    let v = BitMatrix::from_fn(100, 300, |unit, sample| (unit * sample) % 3 == 0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let weights = dbm.log_partition_ais(&settings, None, &Streams::new(3), &mut unwatched).unwrap().log_weights;
            (weights, dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn rejects_settings_that_do_not_fit() {
    let dbm = random_model(1, &[3, 2, 2], 1.0);
    let (streams, settings) = (Streams::new(0), AisSettings { runs: 2, schedule: Schedule::Linear(3) });
    let base = [vec![0.0; 3], vec![0.0; 1], vec![0.0; 2]];
    let error = dbm.log_partition_ais(&settings, Some(&base), &streams, &mut unwatched).unwrap_err();
    assert_eq!(error.to_string(), "Dbm::log_partition_ais: `base` has units 1, expected 2");
    let v = BitMatrix::zeros(3, 4);
    let none = AisSettings { runs: 0, ..settings.clone() };
    let error = dbm.log_prob_raise(&v, &none, None, &streams, &mut unwatched).unwrap_err();
    assert_eq!(error.to_string(), "Dbm::log_prob_raise: `runs` is 0, allowed: 1 or more");
    let q = dbm.mean_field(&BitMatrix::zeros(3, 5), &MeanFieldSettings::default()).unwrap();
    let error = dbm.log_prob_importance((&v, &q), 1, 0.0, &streams, &mut unwatched).unwrap_err();
    assert_eq!(error.to_string(), "Dbm::importance_weights: `posterior` has samples 5, expected 4");
    let error = dbm.log_prob_importance((&BitMatrix::zeros(3, 5), &q), 0, 0.0, &streams, &mut unwatched).unwrap_err();
    assert_eq!(error.to_string(), "Dbm::importance_weights: `draws` is 0, allowed: 1 or more");
    let mut broken = dbm.chains(2, &streams);
    broken.layers.pop();
    let error = dbm.log_partition_reverse_ais(&broken, &settings.schedule, None, &streams, &mut unwatched).unwrap_err();
    assert_eq!(error.to_string(), "Dbm::log_partition_reverse_ais: `states` has layers 2, expected 3");
}
