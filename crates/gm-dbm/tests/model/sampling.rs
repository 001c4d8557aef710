//! Draws against exact distributions, and the mistakes that these checks must catch.

use crate::common::{States, chains_of, joint_of, models, plain, random_model, unpack};
use gm_core::{Beta, BitMatrix, Purpose, Streams};
use gm_dbm::{Chains, Clamp, Dbm};
use gm_testkit::{
    Bug, Gibbs, Joint, Model, Parameters, TestResult, check_conditional, check_joint_draws, check_joint_invariance,
    check_sweep, chi_squared_test,
};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 60_000;

/// Wraps a function that changes chains as a kernel over plain states.
fn kernel<'a, T>(dbm: &'a Dbm, mut change: impl FnMut(&mut Chains) -> T + 'a) -> impl FnMut(States) -> States + 'a {
    move |states| {
        let mut chains = chains_of(dbm, &states);
        change(&mut chains);
        unpack(&chains)
    }
}

/// The halves in the order in which a sweep draws them.
fn blocks(joint: &Joint) -> [Vec<usize>; 2] {
    let depth = joint.layers().len();
    [0, 1].map(|parity| (parity..depth).step_by(2).flat_map(|l| joint.units_of(l)).collect())
}

#[test]
fn stat_cond_each_layer_follows_its_conditional() {
    for (case, dbm) in models().iter().enumerate() {
        let (joint, sampler) = (joint_of(dbm), dbm.sampler());
        for l in 0..=dbm.depth() {
            let seed = 100 * case as u64 + l as u64;
            let streams = Streams::new(seed);
            let draw = kernel(dbm, |c| c.layers[l] = sampler.sample(l, &c.layers, &streams));
            let block: Vec<usize> = joint.units_of(l).collect();
            check_conditional(&joint, &block, draw, SAMPLES, seed).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_cond_wrong_layers_are_found_out() {
    for (case, dbm) in models().iter().enumerate().filter(|(_, dbm)| dbm.depth() > 1) {
        let (joint, seed) = (joint_of(dbm), 20 + case as u64);
        let streams = Streams::new(seed);
        let block: Vec<usize> = joint.units_of(1).collect();
        let mut off = dbm.clone();
        off.stack_mut().update_weights(1, |w| w[(0, 0)] += 0.5);
        let mut no_bias = dbm.clone();
        no_bias.stack_mut().bias_mut(1).fill(0.0);
        for (what, wrong) in [("weight", &off), ("bias", &no_bias)] {
            let sampler = wrong.sampler();
            let draw = kernel(dbm, |c| c.layers[1] = sampler.sample(1, &c.layers, &streams));
            let result = check_conditional(&joint, &block, draw, SAMPLES, seed);
            assert!(!result.passes(ALPHA), "{what} of model {case} not caught: {result:?}");
        }
        // A layer that does not see the one above it.
        let sampler = dbm.sampler();
        let blind = kernel(dbm, |c| {
            let below = c.layers[0].clone();
            sampler.given(1, Some(below.view()), None).sample_into(&mut c.layers[1], &streams);
        });
        assert!(!check_conditional(&joint, &block, blind, SAMPLES, seed).passes(ALPHA), "blind layer of model {case}");
    }
}

#[test]
fn stat_joint_sweeps_leave_the_joint_invariant() {
    for (case, dbm) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbm), 30 + case as u64);
        let sweeps = |count| kernel(dbm, move |c| dbm.sampler().run(c, count, &Streams::new(seed)));
        check_joint_invariance(&joint, sweeps(1), SAMPLES, seed).assert_passes(ALPHA, seed);
        check_joint_invariance(&joint, sweeps(5), SAMPLES, seed).assert_passes(ALPHA, seed);
        check_sweep(&joint, &blocks(&joint), sweeps(1), SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

/// A sweep that draws both halves from the states before it.
fn from_old_pair(dbm: &Dbm, chains: &mut Chains, streams: &Streams) {
    let (sampler, before) = (dbm.sampler(), chains.layers.clone());
    for (l, layer) in chains.layers.iter_mut().enumerate() {
        *layer = sampler.sample(l, &before, &streams.fork(Purpose::Layer, l as u64));
    }
}

/// A sweep whose layers use the same random numbers.
fn with_shared_numbers(dbm: &Dbm, chains: &mut Chains, streams: &Streams) {
    let sampler = dbm.sampler();
    for parity in [0, 1] {
        for l in (parity..=dbm.depth()).step_by(2) {
            chains.layers[l] = sampler.sample(l, &chains.layers, streams);
        }
    }
}

/// A sweep that never draws the top layer.
fn with_frozen_top(dbm: &Dbm, chains: &mut Chains, streams: &Streams) {
    let top = chains.layers[dbm.depth()].clone();
    dbm.sampler().run(chains, 1, streams);
    chains.layers[dbm.depth()] = top;
}

#[test]
fn planted_joint_wrong_sweeps_are_found_out() {
    for (case, dbm) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbm), 40 + case as u64);
        let streams = Streams::new(seed);
        let old = kernel(dbm, |c| from_old_pair(dbm, c, &streams));
        let result = check_joint_invariance(&joint, old, SAMPLES, seed);
        assert!(!result.passes(ALPHA), "both halves from the old state, model {case}: {result:?}");
        let shared = kernel(dbm, |c| with_shared_numbers(dbm, c, &streams));
        let result = check_sweep(&joint, &blocks(&joint), shared, SAMPLES, seed);
        assert!(!result.passes(ALPHA), "shared numbers, model {case}: {result:?}");
        let frozen = kernel(dbm, |c| with_frozen_top(dbm, c, &streams));
        let result = check_sweep(&joint, &blocks(&joint), frozen, SAMPLES, seed);
        assert!(!result.passes(ALPHA), "frozen layer, model {case}: {result:?}");
    }
}

#[test]
fn planted_joint_slow_sampler_with_an_ignored_upper_layer_is_found_out() {
    for (case, dbm) in models().iter().enumerate().filter(|(_, dbm)| dbm.depth() > 1) {
        let (joint, seed) = (joint_of(dbm), 60 + case as u64);
        let mut wrong = Gibbs::planted(&joint, Bug::UpperIgnored, seed);
        assert!(!check_joint_invariance(&joint, |states| wrong.sweep(states), SAMPLES, seed).passes(ALPHA));
    }
}

fn tempered(dbm: &Dbm, beta: f64) -> Joint {
    let p = plain(dbm.stack());
    let scaled: Vec<f64> = p.flat().iter().map(|x| beta * x).collect();
    Joint::new(Model::Dbm, Parameters::from_flat(&p.layers(), &scaled))
}

#[test]
fn stat_joint_tempered_sweeps_leave_their_joint_invariant() {
    for (case, dbm) in models().iter().enumerate() {
        let seed = 50 + case as u64;
        let (betas, streams) = (vec![0.4_f32; SAMPLES], Streams::new(seed));
        let joint = tempered(dbm, f64::from(0.4_f32));
        for beta in [Beta::Same(0.4), Beta::Each(&betas)] {
            let sweep = kernel(dbm, |c| dbm.sampler().run_tempered(c, beta, 2, &streams));
            check_joint_invariance(&joint, sweep, SAMPLES, seed).assert_passes(ALPHA, seed);
        }
        let plain = kernel(dbm, |c| dbm.sampler().run(c, 2, &streams));
        assert!(!check_joint_invariance(&joint, plain, SAMPLES, seed).passes(ALPHA), "temperature ignored, {case}");
    }
}

#[test]
fn stat_joint_exact_samples_and_long_chains_follow_the_joint() {
    for (case, dbm) in models().iter().enumerate().take(3) {
        let seed = 70 + case as u64;
        let streams = Streams::new(seed);
        let joint = joint_of(dbm);
        let exact = dbm.exact_samples(SAMPLES, &streams).unwrap();
        check_joint_draws(&joint, &unpack(&exact)).assert_passes(ALPHA, seed);
        let mut chains = dbm.chains(SAMPLES, &streams);
        dbm.sampler().run(&mut chains, 60, &streams);
        check_joint_draws(&joint, &unpack(&chains)).assert_passes(ALPHA, seed);
    }
}

#[test]
fn stat_joint_tempered_replicas_reach_the_joint() {
    for (case, dbm) in models().iter().enumerate().take(2) {
        let seed = 110 + case as u64;
        let streams = Streams::new(seed);
        let mut replicas = dbm.replicas(10_000, &[1.0, 0.6, 0.2], &streams).unwrap();
        let info = dbm.sampler().run_tempering(&mut replicas, 30, &streams);
        assert!(info.acceptance.iter().all(|&share| share > 0.2), "{info:?}");
        check_joint_draws(&joint_of(dbm), &unpack(&replicas.coldest())).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_swaps_that_are_always_made_are_found_out() {
    for (case, dbm) in models().iter().enumerate().take(2) {
        let seed = 120 + case as u64;
        let streams = Streams::new(seed);
        let [mut cold, mut hot] = [1, 2].map(|which| dbm.chains(20_000, &Streams::new(seed + 10 * which)));
        for _ in 0..40 {
            dbm.sampler().run(&mut cold, 1, &streams);
            dbm.sampler().run_tempered(&mut hot, Beta::Same(0.6), 1, &streams);
            std::mem::swap(&mut cold.layers, &mut hot.layers);
        }
        assert!(!check_joint_draws(&joint_of(dbm), &unpack(&cold)).passes(ALPHA), "model {case}");
    }
}

/// Compares draws that fulfil a condition with the joint distribution given the condition.
fn given_test(joint: &Joint, draws: &States, allowed: impl Fn(&[u8]) -> bool) -> TestResult {
    let probabilities = joint.probabilities();
    let states: Vec<usize> = (0..probabilities.len()).filter(|&s| allowed(&joint.state(s))).collect();
    let total: f64 = states.iter().map(|&s| probabilities[s]).sum();
    let expected: Vec<f64> = states.iter().map(|&s| probabilities[s] / total).collect();
    let mut observed = vec![0; states.len()];
    for state in draws {
        observed[states.binary_search(&joint.number(state)).expect("given units keep their values")] += 1;
    }
    chi_squared_test(&observed, &expected)
}

#[test]
fn stat_cond_clamped_chains_follow_the_conditional_distribution() {
    for (case, dbm) in models().iter().enumerate().take(2) {
        let (joint, seed) = (joint_of(dbm), 90 + case as u64);
        let streams = Streams::new(seed);
        let clamp = first_two_given(dbm, SAMPLES);
        let mut chains = dbm.chains(SAMPLES, &streams);
        dbm.sampler().run_clamped(&mut chains, &clamp, 60, &streams);
        given_test(&joint, &unpack(&chains), |state| state[..2] == [1, 0]).assert_passes(ALPHA, seed);
        let v = BitMatrix::from_fn(dbm.visible(), SAMPLES, |unit, _| unit == 1);
        let given: Vec<u8> = (0..dbm.visible()).map(|unit| u8::from(unit == 1)).collect();
        let mut chains = dbm.chains_from(v, &streams).unwrap();
        dbm.sampler().run_hidden(&mut chains, 60, &streams);
        given_test(&joint, &unpack(&chains), |state| state[..given.len()] == given[..]).assert_passes(ALPHA, seed);
    }
}

/// The first two visible units are given, on and off.
fn first_two_given(dbm: &Dbm, samples: usize) -> Clamp {
    Clamp {
        mask: BitMatrix::from_fn(dbm.visible(), samples, |unit, _| unit < 2),
        values: BitMatrix::from_fn(dbm.visible(), samples, |unit, _| unit == 0).into(),
    }
}

#[test]
fn stat_cond_clamped_tempering_follows_the_conditional_distribution() {
    for (case, dbm) in models().iter().enumerate().take(2) {
        let (joint, seed) = (joint_of(dbm), 130 + case as u64);
        let streams = Streams::new(seed);
        let mut replicas = dbm.replicas(10_000, &[1.0, 0.6, 0.2], &streams).unwrap();
        let clamp = first_two_given(dbm, 30_000);
        let info = dbm.sampler().run_tempering_clamped(&mut replicas, &clamp, 60, &streams);
        assert!(info.acceptance.iter().all(|&share| share > 0.2), "{info:?}");
        let result = given_test(&joint, &unpack(&replicas.coldest()), |state| state[..2] == [1, 0]);
        result.assert_passes(ALPHA, seed);
    }
}

/// Free replicas into which the given values are put at the end.
#[test]
fn planted_cond_values_put_into_free_replicas_are_found_out() {
    for (case, dbm) in models().iter().enumerate().take(2) {
        let (joint, seed) = (joint_of(dbm), 130 + case as u64);
        let streams = Streams::new(seed);
        let mut replicas = dbm.replicas(10_000, &[1.0, 0.6, 0.2], &streams).unwrap();
        dbm.sampler().run_tempering(&mut replicas, 60, &streams);
        let (mut cold, clamp) = (replicas.coldest(), first_two_given(dbm, 10_000));
        cold.v_mut().replace_where(&clamp.mask, &clamp.values);
        assert!(!given_test(&joint, &unpack(&cold), |state| state[..2] == [1, 0]).passes(ALPHA), "model {case}");
    }
}

#[test]
fn law_statistics_of_a_run_are_those_of_its_last_states() {
    let dbm = random_model(9, &[70, 40, 66, 10], 0.5);
    let (sampler, streams) = (dbm.sampler(), Streams::new(9));
    for sweeps in [0, 1, 3] {
        let (mut plain, mut chains) = (dbm.chains(300, &streams), dbm.chains(300, &streams));
        let (info, phase) = sampler.run_into_phase(&mut chains, sweeps, &streams);
        let expected = sampler.run(&mut plain, sweeps, &streams);
        assert_eq!((&chains, info.sweeps), (&plain, sweeps));
        assert!((info.flips - expected.flips).abs() < 1e-12);
        let again = gm_dbm::ModelPhase::new(&sampler, &plain);
        assert_eq!(phase.averages(), again.averages());
    }
}

#[test]
fn stable_chains_do_not_depend_on_threads_or_on_how_runs_are_cut() {
    let dbm = Dbm::initial(&vec![0.3; 100], &[70, 130, 20], 0.5, &Streams::new(1)).unwrap();
    let run = |threads: usize, pieces: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(2);
            let mut chains = dbm.chains(600, &streams);
            for &sweeps in pieces {
                dbm.sampler().run(&mut chains, sweeps, &streams);
            }
            chains
        })
    };
    let whole = run(1, &[10]);
    assert_eq!(whole, run(2, &[10]));
    assert_eq!(whole, run(3, &[4, 6]));
}
