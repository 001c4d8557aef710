//! Block Gibbs sampling leaves the model unchanged.

use gm_core::{Batch, BitMatrix, Purpose, Streams};
use gm_harmonium::{Chains, Gradient, Harmonium};
use gm_testkit::{chi_squared_test, mean_test};

use super::common::{enumerable, model, pairs};

const CHAINS: usize = 20_000;

/// The smallest p-value of the means of all states and products against the exact ones.
fn p_value(found: &Chains, model: &Harmonium) -> f64 {
    let exact = model.exact_statistics().expect("few states");
    let (mean_v, mean_h) = (model.visible().field_sums(&exact.visible), model.hidden().field_sums(&exact.hidden));
    let (v, h) = (found.v.to_matrix(), found.h.to_matrix());
    let mut p = 1.0_f64;
    let mut test = |draws: Vec<f64>, expected: f32| {
        // A state that is drawn always or never has no error to compare with.
        if draws.iter().any(|x| *x != draws[0]) {
            p = p.min(mean_test(&draws, f64::from(expected)).p_value);
        }
    };
    for i in 0..v.nrows() {
        test(v.row(i).iter().map(|&x| f64::from(x)).collect(), mean_v[i]);
        for j in 0..h.nrows() {
            let products = (0..v.ncols()).map(|s| f64::from(v[(i, s)]) * f64::from(h[(j, s)])).collect();
            test(products, exact.weights[(i, j)]);
        }
    }
    for (row, &mean) in h.row_iter().zip(&mean_h) {
        test(row.iter().map(|&x| f64::from(x)).collect(), mean);
    }
    p
}

#[test]
fn stat_joint_chains_from_exact_starts_stay_where_the_model_is() {
    const SEED: u64 = 21;
    for (visible, hidden) in pairs().into_iter().filter(|pair| enumerable(*pair)) {
        let model = model(visible, hidden);
        let streams = Streams::new(SEED);
        let (v, h) = model.exact_samples(CHAINS, &streams).unwrap();
        let mut chains = Chains { v, h, sweeps: 0 };
        let name = format!("{visible} and {hidden}");
        assert!(p_value(&chains, &model) > 1e-6, "{name}: exact draws, seed {SEED}");
        model.sampler().run(&mut chains, 4, &streams);
        let p = p_value(&chains, &model);
        assert!(p > 1e-6, "{name}: p = {p:e} after 4 sweeps, seed {SEED}");
    }
}

#[test]
fn planted_joint_hidden_units_drawn_from_old_visible_states_are_found() {
    const SEED: u64 = 21;
    for (visible, hidden) in pairs().into_iter().filter(|pair| enumerable(*pair)) {
        let (model, streams) = (model(visible, hidden), Streams::new(SEED));
        let name = format!("{visible} and {hidden}");
        let (v, h) = model.exact_samples(CHAINS, &streams).unwrap();
        let chains = Chains { v, h, sweeps: 0 };
        let old = chains.v.clone();
        let v = model.sample_v_from_h(chains.h.view(), &streams.fork(Purpose::Test, 0));
        let h = model.sample_h_from_v(old.view(), &streams.fork(Purpose::Test, 1));
        let p = p_value(&Chains { v, h, sweeps: 0 }, &model);
        assert!(p < 1e-6, "{name}: the pair of old and new states passes with p = {p:e}");
    }
}

#[test]
fn stat_joint_states_of_discrete_pairs_follow_their_probabilities() {
    const SEED: u64 = 22;
    for (visible, hidden) in pairs() {
        let model = model(visible, hidden);
        let Some(count) = model.visible().state_count() else { continue };
        let streams = Streams::new(SEED);
        let (v, h) = match model.exact_samples(CHAINS, &streams) {
            Ok(drawn) => drawn,
            Err(error) => panic!("{visible} and {hidden}: {error}"),
        };
        let mut chains = Chains { v, h, sweeps: 0 };
        model.sampler().run(&mut chains, 16, &streams);
        let states = model.visible().states(0..count).unwrap();
        let log_p = model.log_prob(&states, model.log_partition().unwrap()).unwrap();
        let text = |x: &[f32]| format!("{x:?}");
        let mut counts = std::collections::BTreeMap::new();
        for x in chains.v.to_matrix().column_iter() {
            *counts.entry(text(x.into_owned().as_slice())).or_insert(0_u64) += 1;
        }
        let observed: Vec<u64> =
            states.column_iter().map(|x| counts.get(&text(x.into_owned().as_slice())).copied().unwrap_or(0)).collect();
        let expected: Vec<f64> = log_p.iter().map(|p| p.exp()).collect();
        let test = chi_squared_test(&observed, &expected);
        assert!(test.p_value > 1e-6, "{visible} and {hidden}: {}", test.failure(1e-6, SEED));
    }
}

#[test]
fn chains_do_not_depend_on_threads_and_clamped_units_keep_their_values() {
    for (visible, hidden) in [("softmax:3", "drelu"), ("bernoulli", "gaussian"), ("drelu", "spin")] {
        let model = model(visible, hidden);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let streams = Streams::new(5);
                let mut chains = model.chains(300, &streams);
                model.sampler().run(&mut chains, 3, &streams);
                (Gradient::of_data(&model, chains.v.view(), &[]), chains)
            })
        };
        assert_eq!(run(1), run(3), "{visible} and {hidden}");

        let streams = Streams::new(6);
        let mut chains = model.chains(50, &streams);
        let values: Batch = chains.v.clone();
        let mask = BitMatrix::from_fn(model.visible().units(), 50, |unit, _| unit < 3);
        model.sampler().run_clamped(&mut chains, Some((&mask, &values)), 5, &streams);
        let (found, values) = (chains.v.to_matrix(), values.to_matrix());
        assert_eq!(found.rows(0, 3), values.rows(0, 3));
        if model.visible().units() > 3 {
            assert_ne!(found, values);
        }
    }
}
