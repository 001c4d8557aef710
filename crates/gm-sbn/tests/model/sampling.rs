//! Draws against exact distributions, and the mistakes that these checks must catch.

use crate::common::{fixtures, joint_of, pack_layers, unpack};
use gm_core::{Batch, BitMatrix, Chains, Clamp, Matrix, Purpose, Streams};
use gm_sbn::Sbn;
use gm_testkit::{check_conditional, check_joint_draws, check_joint_invariance, check_sweep, chi_squared_test};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 40_000;

type States = Vec<Vec<u8>>;

/// Wraps something that changes chains as a kernel over plain states.
fn kernel<'a, T>(sbn: &'a Sbn, mut change: impl FnMut(&mut Chains) -> T + 'a) -> impl FnMut(States) -> States + 'a {
    move |states| {
        let mut chains = Chains::new(pack_layers(sbn, &states).into_iter().map(Batch::from).collect());
        change(&mut chains);
        unpack(&bits(&chains))
    }
}

/// The hidden units in the order in which a sweep draws them, one by one.
fn blocks(sbn: &Sbn) -> Vec<Vec<usize>> {
    (sbn.visible()..sbn.visible() + sbn.hidden()).map(|unit| vec![unit]).collect()
}

/// The states of all layers.
fn bits(chains: &Chains) -> Vec<BitMatrix> {
    chains.layers.iter().map(|x| x.bits().clone()).collect()
}

/// A clamp that keeps the first `units` visible units as they are.
fn kept(chains: &Chains, units: usize) -> Clamp {
    let v = chains.v().bits();
    Clamp { mask: BitMatrix::from_fn(v.units(), v.samples(), |unit, _| unit < units), values: v.clone().into() }
}

#[test]
fn stat_joint_ancestral_samples_follow_the_joint() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let seed = 10 + case as u64;
        let layers = sbn.sample(SAMPLES, &Streams::new(seed));
        check_joint_draws(&joint_of(sbn), &unpack(&layers)).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_wrong_ancestral_samples_are_found_out() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 20 + case as u64);
        let streams = Streams::new(seed);
        let mut off = sbn.clone();
        off.stack_mut().update_weights(0, |w| w[(0, 0)] += 1.5);
        let mut no_bias = sbn.clone();
        no_bias.stack_mut().bias_mut(sbn.depth()).fill(0.0);
        // The right numbers read row by row instead of column by column.
        let mut transposed = sbn.clone();
        transposed.stack_mut().update_weights(0, |w| *w = Matrix::from_row_slice(w.nrows(), w.ncols(), w.as_slice()));
        for (what, wrong) in [("weight", &off), ("top bias", &no_bias), ("transpose", &transposed)] {
            let layers = wrong.sample(SAMPLES, &streams);
            assert!(!check_joint_draws(&joint, &unpack(&layers)).passes(ALPHA), "{what} of model {case} not caught");
        }
    }
}

#[test]
fn oracle_an_update_arranges_the_weights_and_biases_again() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let streams = Streams::new(25 + case as u64);
        let change = |sbn: &mut Sbn| sbn.tensors_mut().flatten().for_each(|parameter| *parameter = 0.5 - *parameter);
        let (mut changed, mut sampler) = (sbn.clone(), sbn.sampler());
        change(&mut changed);
        sampler.update(change);
        assert_eq!(sampler.model(), &changed, "model {case}");
        let fresh = changed.sampler();
        let layers = fresh.sample(100, &streams);
        assert_eq!(sampler.sample(100, &streams), layers, "model {case}");
        assert_eq!(sampler.recognise(layers[0].clone(), &streams), fresh.recognise(layers[0].clone(), &streams));
        let means = |sampler: &gm_sbn::Sampler| sampler.from_above(0, &layers[1]).means().to_matrix();
        assert_eq!(means(&sampler), means(&fresh), "model {case}");
    }
}

#[test]
fn stat_cond_gibbs_draws_each_unit_from_its_conditional() {
    // One sweep visits every unit; starting from chosen states the last unit's law depends on all the others.
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 30 + case as u64);
        let streams = Streams::new(seed);
        let sweep = kernel(sbn, |chains| sbn.gibbs(chains, None, 1, &streams));
        check_sweep(&joint, &blocks(sbn), sweep, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_cond_wrong_sweeps_are_found_out() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 40 + case as u64);
        let streams = Streams::new(seed);
        let mut off = sbn.clone();
        off.stack_mut().update_weights(0, |w| w[(0, 0)] += 0.5);
        let mut no_parents = sbn.clone();
        no_parents.stack_mut().bias_mut(1).fill(0.0);
        for (what, wrong) in [("weight", &off), ("bias of parents", &no_parents)] {
            let sweep = kernel(sbn, |chains| wrong.gibbs(chains, None, 1, &streams));
            let result = check_sweep(&joint, &blocks(sbn), sweep, SAMPLES, seed);
            assert!(!result.passes(ALPHA), "{what} of model {case} not caught: {result:?}");
        }
        // Children alone, as if effects had no other causes: the recognition net in the place of the posterior.
        let ignorant = kernel(sbn, |chains| {
            unweighted(sbn, chains, &streams);
        });
        assert!(!check_sweep(&joint, &blocks(sbn), ignorant, SAMPLES, seed).passes(ALPHA), "model {case}");
    }
}

#[test]
fn stat_joint_gibbs_and_resampling_leave_the_joint_invariant() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 50 + case as u64);
        let streams = Streams::new(seed);
        for sweeps in [1, 5] {
            let gibbs = kernel(sbn, |chains| sbn.gibbs(chains, None, sweeps, &streams));
            check_joint_invariance(&joint, gibbs, SAMPLES, seed).assert_passes(ALPHA, seed);
            for proposals in [1, 4] {
                let resample = kernel(sbn, |chains| sbn.resample(chains, None, (sweeps, proposals), &streams).unwrap());
                check_joint_invariance(&joint, resample, SAMPLES, seed).assert_passes(ALPHA, seed);
            }
        }
        // With nothing but the first visible unit given, everything else moves.
        let gibbs = kernel(sbn, |chains| sbn.gibbs(chains, Some(&kept(chains, 1)), 2, &streams));
        check_joint_invariance(&joint, gibbs, SAMPLES, seed).assert_passes(ALPHA, seed);
        let resample = kernel(sbn, |chains| sbn.resample(chains, Some(&kept(chains, 1)), (2, 4), &streams).unwrap());
        check_joint_invariance(&joint, resample, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

/// Takes the proposed state without regard to its weight.
fn unweighted(sbn: &Sbn, chains: &mut Chains, streams: &Streams) {
    let drawn = sbn.sampler().recognise(chains.v().bits().clone(), streams);
    chains.layers = drawn.into_iter().map(Batch::from).collect();
}

/// Draws all hidden units from the states before the sweep.
fn from_old_states(sbn: &Sbn, chains: &mut Chains, streams: &Streams) {
    let old = chains.clone();
    for l in 1..=sbn.depth() {
        for unit in 0..old.layers[l].units() {
            // A sweep of its own for each unit, from the old states, of which only that unit is kept.
            let mut moved = old.clone();
            sbn.gibbs(&mut moved, None, 1, &streams.fork(Purpose::Layer, (100 * l + unit) as u64));
            (0..moved.layers[l].samples()).for_each(|chain| {
                let on = moved.layers[l].bits().get(unit, chain);
                chains.layers[l].bits_mut().set(unit, chain, on);
            });
        }
    }
}

#[test]
fn planted_joint_wrong_kernels_are_found_out() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 60 + case as u64);
        let streams = Streams::new(seed);
        let wrong = kernel(sbn, |chains| unweighted(sbn, chains, &streams));
        assert!(!check_joint_invariance(&joint, wrong, SAMPLES, seed).passes(ALPHA), "unweighted, model {case}");
        let wrong = kernel(sbn, |chains| from_old_states(sbn, chains, &streams));
        assert!(!check_joint_invariance(&joint, wrong, SAMPLES, seed).passes(ALPHA), "old states, model {case}");
    }
}

#[test]
fn stat_cond_visible_layer_follows_its_conditional() {
    for (case, (_, sbn)) in fixtures().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 70 + case as u64);
        let (streams, sampler) = (Streams::new(seed), sbn.sampler());
        let visible = kernel(sbn, |chains| {
            let mut v = chains.v().bits().clone();
            sampler.from_above(0, chains.h()).sample_into(&mut v, &streams);
            chains.layers[0] = v.into();
        });
        let block: Vec<usize> = (0..sbn.visible()).collect();
        check_conditional(&joint, &block, visible, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

#[test]
fn stat_cond_clamped_chains_follow_the_conditional_distribution() {
    // Given two visible units the others and the hidden ones follow the joint restricted to those values.
    let (_, sbn) = &fixtures()[1];
    let (seed, streams) = (80, Streams::new(80));
    let v = BitMatrix::from_fn(sbn.visible(), SAMPLES, |unit, _| unit == 0);
    let mask = BitMatrix::from_fn(sbn.visible(), SAMPLES, |unit, _| unit < 2);
    let clamp = Clamp { mask, values: v.clone().into() };
    let joint = joint_of(sbn);
    let probabilities = joint.probabilities();
    let allowed: Vec<usize> = (0..probabilities.len()).filter(|&s| joint.state(s)[..2] == [1, 0]).collect();
    let total: f64 = allowed.iter().map(|&s| probabilities[s]).sum();
    let expected: Vec<f64> = allowed.iter().map(|&s| probabilities[s] / total).collect();
    let check = |chains: &Chains| {
        let mut observed = vec![0; allowed.len()];
        for state in unpack(&bits(chains)) {
            let number = joint.number(&state);
            observed[allowed.binary_search(&number).expect("clamped units keep their values")] += 1;
        }
        chi_squared_test(&observed, &expected).assert_passes(ALPHA, seed);
    };
    let mut chains = sbn.posterior_chains(v, &streams).unwrap();
    sbn.gibbs(&mut chains, Some(&clamp), 60, &streams);
    check(&chains);
    // Resampling is slow to arrive where the recognition net seldom goes, so that it starts there.
    sbn.resample(&mut chains, Some(&clamp), (3, 5), &streams).unwrap();
    check(&chains);
}

#[test]
fn stable_samples_and_chains_do_not_depend_on_threads_or_on_how_runs_are_cut() {
    let sbn = Sbn::initial(&[0.3; 100], &[70, 30], 2.0, &Streams::new(1)).unwrap();
    let run = |threads: usize, pieces: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(2);
            let mut chains = sbn.posterior_chains(sbn.sample(300, &streams).remove(0), &streams).unwrap();
            for &sweeps in pieces {
                sbn.gibbs(&mut chains, None, sweeps, &streams);
                sbn.resample(&mut chains, None, (sweeps, 3), &streams).unwrap();
            }
            chains
        })
    };
    assert_eq!(run(1, &[4]), run(2, &[4]));
    let again = |pieces: &[usize]| {
        let streams = Streams::new(2);
        let mut chains = sbn.posterior_chains(sbn.sample(300, &streams).remove(0), &streams).unwrap();
        for &sweeps in pieces {
            sbn.gibbs(&mut chains, None, sweeps, &streams);
        }
        chains
    };
    assert_eq!(again(&[5]), again(&[2, 3]));
}
