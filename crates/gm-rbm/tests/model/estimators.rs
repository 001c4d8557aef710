//! Annealed and stochastic estimates against exact values, with the coverage of the stated intervals.

use crate::common::{mean, rbm_from};
use gm_core::{
    AisSettings, BitMatrix, Estimate, Matrix, Purpose, Schedule, Side, Streams, even_temperatures, unwatched,
};
use gm_rbm::{Phase, Rbm, base_rate_bias, contrastive_divergence, free_energy_gap};
use gm_testkit::{mean_test, rng};
use rand::RngExt;

/// A random model whose couplings have the given scale.
fn random_model(seed: u64, visible: usize, hidden: usize, scale: f64) -> Rbm {
    let mut rng = rng(seed);
    let mut draw = |scale: f64| scale * (2.0 * rng.random::<f64>() - 1.0);
    let w: Vec<Vec<f64>> = (0..visible).map(|_| (0..hidden).map(|_| draw(scale)).collect()).collect();
    let (a, b): (Vec<f64>, Vec<f64>) =
        ((0..visible).map(|_| draw(1.0)).collect(), (0..hidden).map(|_| draw(1.0)).collect());
    rbm_from(&w, &a, &b)
}

/// The errors of annealing in units of the stated standard error, over many models and seeds.
fn standardised_errors(models: u64, shift_of_weights: f64) -> Vec<f64> {
    let settings = AisSettings { runs: 100, schedule: Schedule::Linear(200) };
    (0..models)
        .map(|seed| {
            let rbm = random_model(seed, 8, 6, 1.5);
            let base = base_rate_bias(&[0.5; 8]);
            let found = rbm
                .log_partition_ais(&settings, Some(&base), &Streams::new(seed), &mut unwatched)
                .expect("sound settings");
            let estimate = found.log_partition;
            (estimate.value + shift_of_weights - rbm.log_partition().expect("a small model")) / estimate.std_error
        })
        .collect()
}

#[test]
fn stat_mean_annealing_brackets_the_exact_value() {
    // 40 models. An interval of three standard errors covers a normal error with probability 0.9973. Even at a coverage
    // of 0.993, five misses in 40 have probability 3e-7, so that at most four are allowed.
    let errors = standardised_errors(40, 0.0);
    let misses = errors.iter().filter(|e| e.abs() > 3.0).count();
    assert!(misses <= 4, "{misses} misses: {errors:?}");
    mean_test(&errors, 0.0).assert_passes(1e-6, 0);
}

#[test]
fn planted_mean_wrong_base_partition_is_found_out() {
    // The partition function of the base lacks log 2 for each hidden unit.
    let errors = standardised_errors(40, -6.0 * std::f64::consts::LN_2);
    assert!(errors.iter().filter(|e| e.abs() > 3.0).count() > 4);
    assert!(!mean_test(&errors, 0.0).passes(1e-6));
}

#[test]
fn oracle_annealing_reports_what_it_did() {
    let rbm = random_model(7, 8, 6, 1.0);
    let found = rbm.log_partition_ais(&AisSettings::default(), None, &Streams::new(1), &mut unwatched).unwrap();
    assert_eq!((found.temperatures, found.schedule, found.log_weights.len()), (14_501, "graded", 100));
    assert!((found.log_partition.value - rbm.log_partition().unwrap()).abs() < 0.01);
    assert!(found.ess > 99.0 && found.log_partition.std_error < 0.005);
    assert!(
        found.log_partition.low < found.log_partition.value && found.log_partition.value < found.log_partition.high
    );
}

#[test]
fn stable_annealing_does_not_depend_on_threads() {
    let rbm = Rbm::initial(&vec![0.3; 100], 70, 0.5, &Streams::new(1)).unwrap();
    let settings = AisSettings { runs: 40, schedule: Schedule::Graded(50) };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| rbm.log_partition_ais(&settings, None, &Streams::new(3), &mut unwatched).unwrap().log_weights)
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn rejects_a_base_of_another_width() {
    let rbm = random_model(1, 3, 2, 1.0);
    let error = rbm.log_partition_ais(&AisSettings::default(), Some(&[0.0; 2]), &Streams::new(0), &mut unwatched);
    assert_eq!(error.unwrap_err().to_string(), "Rbm::log_partition_ais: `base` has length 2, expected 3");
}

#[test]
fn stat_mean_stochastic_pseudo_likelihood_is_unbiased() {
    let rbm = random_model(3, 8, 6, 1.5);
    let row = BitMatrix::from_fn(8, 20_000, |unit, _| unit % 3 == 0);
    let exact = rbm.log_pseudo_likelihood(&row.select(&[0]))[0];
    let estimates = rbm.stochastic_pseudo_likelihood(&row, &Streams::new(4));
    mean_test(&estimates, exact).assert_passes(1e-6, 4);
    assert!((mean(&estimates) - exact).abs() < 0.2);
}

#[test]
fn planted_mean_pseudo_likelihood_of_one_fixed_unit_is_found_out() {
    let rbm = random_model(3, 8, 6, 1.5);
    let row = BitMatrix::from_fn(8, 2, |unit, _| unit % 3 == 0);
    let exact = rbm.log_pseudo_likelihood(&row)[0];
    let estimates = rbm.stochastic_pseudo_likelihood(&row.select(&vec![0; 20_000]), &Streams::new(4));
    // Only the estimates above the median are kept, as if an easy unit were always chosen.
    let mut easy = estimates.clone();
    easy.sort_by(f64::total_cmp);
    assert!(!mean_test(&easy[10_000..], exact).passes(1e-6));
}

#[test]
fn oracle_contrastive_divergence_approaches_the_model() {
    // After many sweeps from any data the model phase has the statistics of the model.
    let rbm = random_model(5, 6, 5, 1.0);
    let n = 100_000;
    let data = BitMatrix::zeros(6, n);
    let sampler = rbm.sampler();
    let mut phase = Phase::new(&sampler, &data);
    let start = phase.clone();
    let streams = Streams::new(6).fork(Purpose::Data, 0);
    contrastive_divergence(&sampler, (&data, &start), 100, &streams, &mut phase);
    let moments = rbm.marginals().unwrap();
    let (v, h) = (&moments.means[0], &moments.means[1]);
    // Six standard deviations of a mean of n terms within [0, 1].
    let bound = 6.0 * 0.5 / (n as f64).sqrt();
    assert!(phase.visible_means().iter().zip(v).all(|(&m, v)| (f64::from(m) - v).abs() < bound));
    assert!(phase.hidden_means().iter().zip(h).all(|(&m, h)| (f64::from(m) - h).abs() < bound));
}

/// The greatest distance between the visible means after one step of contrastive divergence from a row and their
/// enumeration over the hidden states, in standard deviations. With `rounded` the step begins with hidden means that are
/// rounded to 0 or 1.
fn deviation_of_one_step(rounded: bool) -> f64 {
    const SAMPLES: usize = 100_000;
    let rbm = random_model(11, 6, 4, 1.5);
    let v = BitMatrix::from_fn(6, SAMPLES, |unit, _| unit % 2 == 0);
    let start = rbm.mean_h_from_v(&v.select(&[0]).to_matrix());
    let sampler = rbm.sampler();
    let mut model = Phase::new(&sampler, &v);
    if rounded {
        let h = BitMatrix::from_fn(4, SAMPLES, |unit, _| start[(unit, 0)] > 0.5);
        let mut chains = gm_rbm::Chains::new(vec![v.into(), h.into()]);
        sampler.run_into_phase(&mut chains, 1, &Streams::new(12), &mut model);
    } else {
        let data = model.clone();
        contrastive_divergence(&sampler, (&v, &data), 1, &Streams::new(12), &mut model);
    }
    let h = crate::common::all_rows(4);
    let of_h = |row: usize| {
        let on = |unit: usize| f64::from(start[(unit, 0)]);
        (0..4).map(|unit| if h.get(unit, row) { on(unit) } else { 1.0 - on(unit) }).product::<f64>()
    };
    let means = rbm.mean_v_from_h(&h.to_matrix());
    let far = |(unit, &found): (usize, &f32)| {
        let expected: f64 = (0..16).map(|row| of_h(row) * f64::from(means[(unit, row)])).sum();
        (f64::from(found) - expected).abs() / (expected * (1.0 - expected) / SAMPLES as f64).sqrt()
    };
    model.visible_means().iter().enumerate().map(far).fold(0.0, f64::max)
}

/// Six means of draws that are independent from row to row; each exceeds this many deviations with probability 4e-8.
const ONE_STEP: f64 = 5.5;

#[test]
fn stat_mean_one_step_of_contrastive_divergence_begins_with_draws() {
    let far = deviation_of_one_step(false);
    assert!(far < ONE_STEP, "{far} standard deviations");
}

#[test]
fn planted_mean_contrastive_divergence_from_rounded_means_is_found_out() {
    assert!(deviation_of_one_step(true) > ONE_STEP);
}

#[test]
fn table_free_energy_gap_is_a_log_likelihood_gap() {
    let rbm = random_model(8, 6, 5, 1.0);
    let (a, b) = (BitMatrix::from_fn(6, 3, |i, s| i == s), BitMatrix::from_fn(6, 4, |i, s| i > s));
    let log_partition = rbm.log_partition().unwrap();
    let gap = mean(&rbm.log_prob(&b, log_partition).unwrap()) - mean(&rbm.log_prob(&a, log_partition).unwrap());
    assert!((free_energy_gap(&rbm, &a, &b) - gap).abs() < 1e-12);
}

#[test]
fn law_real_valued_and_packed_layers_agree() {
    let rbm = random_model(9, 70, 65, 0.5);
    let v = BitMatrix::from_fn(70, 33, |unit, sample| (unit * 5 + sample * 3) % 7 < 3);
    let packed = rbm.sampler().mean_h_from_v(&v).to_matrix();
    let dense = rbm.mean_h_from_v(&v.to_matrix());
    assert!((&packed - &dense).amax() < 1e-5);
    let h = BitMatrix::from_fn(65, 33, |unit, sample| (unit * 3 + sample) % 5 < 2);
    let packed: Matrix = rbm.sampler().mean_v_from_h(&h).to_matrix();
    assert!((packed - rbm.mean_v_from_h(&h.to_matrix())).amax() < 1e-5);
    let energies = rbm.free_energy(&v);
    assert!(energies.iter().zip(rbm.free_energy(&v.to_matrix())).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn law_statistics_of_a_run_are_those_of_its_last_states() {
    let rbm = random_model(9, 70, 40, 0.5);
    let (sampler, streams) = (rbm.sampler(), Streams::new(9));
    for sweeps in [0, 1, 3] {
        let (mut plain, mut chains) = (rbm.chains(300, &streams), rbm.chains(300, &streams));
        let mut phase = Phase::new(&sampler, plain.v());
        let info = sampler.run_into_phase(&mut chains, sweeps, &streams, &mut phase);
        let expected = sampler.run(&mut plain, sweeps, &streams);
        assert_eq!((chains, info.sweeps), (plain.clone(), sweeps));
        assert!((info.flips - expected.flips).abs() < 1e-12);
        let again = Phase::new(&sampler, plain.v());
        assert_eq!((phase.visible_means(), phase.hidden_means()), (again.visible_means(), again.hidden_means()));
        assert_eq!(phase.hidden().to_matrix(), again.hidden().to_matrix());
    }
}

/// 24 random models, the first ones weak and the last ones strong.
fn zoo() -> impl Iterator<Item = (u64, Rbm)> {
    (0..24).map(|case| {
        (case, random_model(100 + case, 4 + case as usize % 5, 3 + case as usize % 4, 0.3 + 0.1 * case as f64))
    })
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
    // The shares that exceed one, two and three standard errors are checked as well.
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let mut misses = [0; 3];
    for (case, rbm) in zoo() {
        let (streams, exact) = (Streams::new(case), rbm.log_partition().unwrap());
        let forward = rbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_partition;
        let model = rbm.exact_samples(settings.runs, &streams).unwrap().into_v();
        let back = rbm.log_partition_reverse_ais(&model, &settings.schedule, None, &streams, &mut unwatched);
        let back = back.unwrap().log_partition;
        assert_eq!((forward.side, back.side), (Side::Lower, Side::Upper));
        for estimate in [&forward, &back] {
            let far = deviation(estimate, exact).abs();
            assert!(far < FAR, "model {case}: {estimate:?} against {exact}");
            [1.0, 2.0, 3.0].iter().zip(&mut misses).for_each(|(errors, miss)| *miss += usize::from(far > *errors));
            assert!(estimate.low < estimate.value && estimate.value < estimate.high);
        }
    }
    // Binomial(48, .317), (48, .046) and (48, .0027): each bound is exceeded with probability below 1e-6.
    assert!(misses[0] <= 32 && misses[1] <= 13 && misses[2] <= 5, "beyond 1, 2 and 3 standard errors: {misses:?}");
}

/// States of chains of parallel tempering in place of exact draws, and temperatures of a pilot in place of even steps.
#[test]
fn stat_mean_tempered_samples_and_adaptive_temperatures_bracket_the_exact_partition_function() {
    // As above, 48 estimates within six standard errors.
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Adaptive(60) };
    let mut misses = [0; 3];
    for (case, rbm) in zoo() {
        let (streams, exact) = (Streams::new(200 + case), rbm.log_partition().unwrap());
        let forward = rbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap();
        let mut replicas = rbm.replicas(settings.runs, &even_temperatures(6).unwrap(), None, &streams).unwrap();
        rbm.sampler().settle(&mut replicas, 200, &streams, &mut unwatched).unwrap();
        let model = replicas.coldest().into_v();
        let back = rbm.log_partition_reverse_ais(&model, &settings.schedule, None, &streams, &mut unwatched).unwrap();
        assert_eq!((forward.schedule, back.schedule, back.temperatures), ("adaptive", "adaptive", 60));
        for estimate in [&forward.log_partition, &back.log_partition] {
            let far = deviation(estimate, exact).abs();
            assert!(far < FAR, "model {case}: {estimate:?} against {exact}");
            [1.0, 2.0, 3.0].iter().zip(&mut misses).for_each(|(errors, miss)| *miss += usize::from(far > *errors));
        }
    }
    assert!(misses[0] <= 32 && misses[1] <= 13 && misses[2] <= 5, "beyond 1, 2 and 3 standard errors: {misses:?}");
}

#[test]
fn stat_mean_raise_is_a_tight_lower_bound() {
    for (case, rbm) in zoo() {
        let (streams, log_z) = (Streams::new(50 + case), rbm.log_partition().unwrap());
        let v = rbm.exact_samples(500, &streams).unwrap().into_v();
        let exact = rbm.log_prob(&v, log_z).unwrap();
        let gap = |temperatures, runs| {
            let settings = AisSettings { runs, schedule: Schedule::Linear(temperatures) };
            let bound = rbm.log_prob_raise(&v, &settings, None, &streams, &mut unwatched).unwrap();
            let gaps: Vec<f64> = exact.iter().zip(&bound).map(|(p, bound)| p - bound).collect();
            Estimate::mean(&gaps, Side::Unbiased, "gap")
        };
        let (coarse, fine, several) = (gap(20, 1), gap(400, 1), gap(20, 20));
        for (what, gap) in [("coarse", &coarse), ("fine", &fine), ("several runs", &several)] {
            assert!(gap.value > -FAR * gap.std_error, "model {case}, {what}: above the truth, {gap:?}");
        }
        assert!(fine.value < 0.05 + FAR * fine.std_error, "model {case}: {fine:?}");
        let spread = FAR * (coarse.std_error.powi(2) + several.std_error.powi(2)).sqrt();
        assert!(several.value < coarse.value + spread, "model {case}: {several:?} against {coarse:?}");
    }
}

#[test]
fn planted_mean_reversed_sides_are_found_out() {
    // Chains that begin at the base instead of the model, with too few temperatures to get there.
    let rbm = random_model(7, 8, 6, 3.0);
    let (streams, exact) = (Streams::new(3), rbm.log_partition().unwrap());
    let wrong = Rbm::from_stack(gm_core::Stack::zeros(&[8, 6]).unwrap()).unwrap().chains(1_000, &streams).into_v();
    let found = rbm.log_partition_reverse_ais(&wrong, &Schedule::Linear(3), None, &streams, &mut unwatched).unwrap();
    assert!(deviation(&found.log_partition, exact).abs() > FAR, "{:?} against {exact}", found.log_partition);
}
