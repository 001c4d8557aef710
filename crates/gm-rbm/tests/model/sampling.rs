//! Draws against exact distributions, and the mistakes that these checks must catch.

use crate::common::{joint_of, pack_part, parameters, rbm_of, unpack};
use gm_core::{Beta, BitMatrix, Matrix, Purpose, Streams};
use gm_rbm::{Chains, Clamp, Rbm};
use gm_testkit::{Fixture, Joint, check_conditional, check_joint_draws, check_joint_invariance, check_sweep};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 60_000;

type States = Vec<Vec<u8>>;

fn models() -> Vec<Rbm> {
    ["rbm_small", "rbm_strong"].iter().map(|name| rbm_of(&Fixture::load(name))).collect()
}

fn chains_of(rbm: &Rbm, states: &States) -> Chains {
    let n = rbm.visible();
    Chains::new(vec![pack_part(states, 0..n).into(), pack_part(states, n..n + rbm.hidden()).into()])
}

/// Wraps a function that changes chains as a kernel over plain states.
fn kernel<'a, T>(rbm: &'a Rbm, mut change: impl FnMut(&mut Chains) -> T + 'a) -> impl FnMut(States) -> States + 'a {
    move |states| {
        let mut chains = chains_of(rbm, &states);
        change(&mut chains);
        unpack(chains.v().bits(), chains.h())
    }
}

/// The layers in the order in which a sweep draws them.
fn blocks(rbm: &Rbm) -> [Vec<usize>; 2] {
    let (n, m) = (rbm.visible(), rbm.hidden());
    [(0..n).collect(), (n..n + m).collect()]
}

#[test]
fn stat_cond_each_layer_follows_its_conditional() {
    for (case, rbm) in models().iter().enumerate() {
        let (joint, sampler, seed) = (joint_of(rbm), rbm.sampler(), 10 + case as u64);
        let streams = Streams::new(seed);
        let hidden = kernel(rbm, |c| *c.h_mut() = sampler.sample_h_from_v(c.v(), &streams));
        check_conditional(&joint, &blocks(rbm)[1], hidden, SAMPLES, seed).assert_passes(ALPHA, seed);
        let visible = kernel(rbm, |c| *c.v_mut() = sampler.sample_v_from_h(c.h(), &streams));
        check_conditional(&joint, &blocks(rbm)[0], visible, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_cond_wrong_layers_are_found_out() {
    for (case, rbm) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(rbm), 20 + case as u64);
        let streams = Streams::new(seed);
        let mut off = rbm.clone();
        off.stack_mut().update_weights(0, |w| w[(0, 0)] += 0.5);
        let mut no_bias = rbm.clone();
        no_bias.stack_mut().bias_mut(1).fill(0.0);
        // The right weights, read row by row instead of column by column.
        let mut transposed = rbm.clone();
        transposed.stack_mut().update_weights(0, |w| *w = Matrix::from_row_slice(w.nrows(), w.ncols(), w.as_slice()));
        for (what, wrong) in [("weight", &off), ("bias", &no_bias), ("transpose", &transposed)] {
            let sampler = wrong.sampler();
            let hidden = kernel(rbm, |c| *c.h_mut() = sampler.sample_h_from_v(c.v(), &streams));
            let result = check_conditional(&joint, &blocks(rbm)[1], hidden, SAMPLES, seed);
            assert!(!result.passes(ALPHA), "{what} of model {case} not caught: {result:?}");
        }
        // A wrong weight in the draw of the visible layer.
        let wrong = off.sampler();
        let visible = kernel(rbm, |c| *c.v_mut() = wrong.sample_v_from_h(c.h(), &streams));
        assert!(!check_conditional(&joint, &blocks(rbm)[0], visible, SAMPLES, seed).passes(ALPHA));
    }
}

#[test]
fn stat_joint_sweeps_leave_the_joint_invariant() {
    for (case, rbm) in models().iter().enumerate() {
        let (joint, sampler, seed) = (joint_of(rbm), rbm.sampler(), 30 + case as u64);
        let streams = Streams::new(seed);
        let sweeps = |count| kernel(rbm, move |c| rbm.sampler().run(c, count, &Streams::new(seed)));
        check_joint_invariance(&joint, sweeps(1), SAMPLES, seed).assert_passes(ALPHA, seed);
        check_joint_invariance(&joint, sweeps(7), SAMPLES, seed).assert_passes(ALPHA, seed);
        let one = kernel(rbm, |c| sampler.run(c, 1, &streams));
        check_sweep(&joint, &blocks(rbm), one, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

/// A sweep that draws both layers from the states before it.
fn from_old_pair(rbm: &Rbm, chains: &mut Chains, streams: &Streams) {
    let sampler = rbm.sampler();
    let h = sampler.sample_h_from_v(chains.v(), &streams.fork(Purpose::Layer, 1));
    *chains.v_mut() = sampler.sample_v_from_h(chains.h(), &streams.fork(Purpose::Layer, 0));
    *chains.h_mut() = h;
}

/// A sweep whose layers use the same random numbers.
fn with_shared_numbers(rbm: &Rbm, chains: &mut Chains, streams: &Streams) {
    let sampler = rbm.sampler();
    *chains.v_mut() = sampler.sample_v_from_h(chains.h(), streams);
    *chains.h_mut() = sampler.sample_h_from_v(chains.v(), streams);
}

/// A sweep that never changes the last hidden unit.
fn with_frozen_unit(rbm: &Rbm, chains: &mut Chains, streams: &Streams) {
    let last = rbm.hidden() - 1;
    let before = chains.h().clone();
    let sampler = rbm.sampler();
    let mask = BitMatrix::from_fn(before.units(), before.samples(), |unit, _| unit == last);
    *chains.v_mut() = sampler.sample_v_from_h(chains.h(), &streams.fork(Purpose::Layer, 0));
    *chains.h_mut() = sampler.sample_h_from_v(chains.v(), &streams.fork(Purpose::Layer, 1));
    chains.h_mut().replace_where(&mask, &before);
}

#[test]
fn planted_joint_wrong_sweeps_are_found_out() {
    for (case, rbm) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(rbm), 40 + case as u64);
        let streams = Streams::new(seed);
        let old = kernel(rbm, |c| from_old_pair(rbm, c, &streams));
        assert!(!check_joint_invariance(&joint, old, SAMPLES, seed).passes(ALPHA), "old pair, model {case}");
        let shared = kernel(rbm, |c| with_shared_numbers(rbm, c, &streams));
        assert!(
            !check_sweep(&joint, &blocks(rbm), shared, SAMPLES, seed).passes(ALPHA),
            "shared numbers, model {case}"
        );
        let frozen = kernel(rbm, |c| with_frozen_unit(rbm, c, &streams));
        assert!(!check_sweep(&joint, &blocks(rbm), frozen, SAMPLES, seed).passes(ALPHA), "frozen unit, model {case}");
    }
}

fn tempered(rbm: &Rbm, beta: f64) -> Joint {
    let (w, a, b) = parameters(rbm);
    let base = vec![0.0; a.len()];
    Joint::annealed_rbm(w, a, b, beta, base)
}

#[test]
fn stat_joint_tempered_sweeps_leave_their_joint_invariant() {
    for (case, rbm) in models().iter().enumerate() {
        let seed = 50 + case as u64;
        let betas = vec![0.4_f32; SAMPLES];
        let streams = Streams::new(seed);
        let joint = tempered(rbm, f64::from(0.4_f32));
        for beta in [Beta::Same(0.4), Beta::Each(&betas)] {
            let sweep = kernel(rbm, |c| rbm.sampler().run_tempered(c, beta, 2, &streams));
            check_joint_invariance(&joint, sweep, SAMPLES, seed).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_joint_ignored_temperature_is_found_out() {
    for (case, rbm) in models().iter().enumerate() {
        let seed = 60 + case as u64;
        let streams = Streams::new(seed);
        let plain = kernel(rbm, |c| rbm.sampler().run(c, 2, &streams));
        assert!(!check_joint_invariance(&tempered(rbm, 0.4), plain, SAMPLES, seed).passes(ALPHA), "model {case}");
    }
}

#[test]
fn stat_joint_exact_samples_follow_the_joint() {
    for (case, rbm) in models().iter().enumerate() {
        let seed = 70 + case as u64;
        let chains = rbm.exact_samples(SAMPLES, &Streams::new(seed)).unwrap();
        check_joint_draws(&joint_of(rbm), &unpack(chains.v().bits(), chains.h())).assert_passes(ALPHA, seed);
    }
}

#[test]
fn stat_joint_chains_from_anywhere_reach_the_joint() {
    let rbm = &models()[0];
    let (seed, streams) = (80, Streams::new(80));
    let mut chains = rbm.chains(SAMPLES, &streams);
    rbm.sampler().run(&mut chains, 200, &streams);
    check_joint_draws(&joint_of(rbm), &unpack(chains.v().bits(), chains.h())).assert_passes(ALPHA, seed);
}

#[test]
fn stat_cond_clamped_chains_follow_the_conditional_distribution() {
    // Given two visible units, all other units follow the joint distribution given these values.
    let rbm = &models()[0];
    let (seed, streams) = (90, Streams::new(90));
    let clamp = Clamp {
        mask: BitMatrix::from_fn(rbm.visible(), SAMPLES, |unit, _| unit < 2),
        values: BitMatrix::from_fn(rbm.visible(), SAMPLES, |unit, _| unit == 0).into(),
    };
    let mut chains = rbm.chains(SAMPLES, &streams);
    rbm.sampler().run_clamped(&mut chains, &clamp, 200, &streams);
    let joint = joint_of(rbm);
    let probabilities = joint.probabilities();
    let matches = |number: &usize| joint.state(*number)[..2] == [1, 0];
    let allowed: Vec<usize> = (0..probabilities.len()).filter(matches).collect();
    let total: f64 = allowed.iter().map(|&s| probabilities[s]).sum();
    let expected: Vec<f64> = allowed.iter().map(|&s| probabilities[s] / total).collect();
    let mut observed = vec![0; allowed.len()];
    for state in unpack(chains.v().bits(), chains.h()) {
        let number = joint.number(&state);
        observed[allowed.binary_search(&number).expect("clamped units keep their values")] += 1;
    }
    gm_testkit::chi_squared_test(&observed, &expected).assert_passes(ALPHA, seed);
}

#[test]
fn oracle_flips_are_the_share_of_units_that_differ() {
    let rbm = &models()[0];
    let (streams, sampler) = (Streams::new(61), rbm.sampler());
    let mut chains = rbm.chains(70, &streams);
    let mut shares = vec![];
    let mut again = chains.clone();
    for _ in 0..3 {
        let before = chains.v().bits().clone();
        let info = sampler.run(&mut chains, 1, &streams);
        let v = chains.v().bits();
        let differ = |s: usize| (0..v.units()).filter(|&unit| v.get(unit, s) != before.get(unit, s)).count();
        let share = (0..70).map(differ).sum::<usize>() as f64 / (70 * v.units()) as f64;
        assert!((info.flips - share).abs() < 1e-12 && info.sweeps == 1);
        shares.push(share);
    }
    let info = sampler.run(&mut again, 3, &streams);
    assert_eq!((again, info.sweeps), (chains, 3));
    assert!((info.flips - shares.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert_eq!(sampler.run(&mut rbm.chains(2, &streams), 0, &streams).flips, 0.0);
}

#[test]
fn stable_chains_do_not_depend_on_threads_or_on_how_runs_are_cut() {
    let rbm = Rbm::initial(&vec![0.3; 100], 70, 0.5, &Streams::new(1)).unwrap();
    let run = |threads: usize, pieces: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(2);
            let mut chains = rbm.chains(600, &streams);
            for &sweeps in pieces {
                rbm.sampler().run(&mut chains, sweeps, &streams);
            }
            chains
        })
    };
    let whole = run(1, &[10]);
    assert_eq!(whole, run(2, &[10]));
    assert_eq!(whole, run(3, &[4, 6]));
}
