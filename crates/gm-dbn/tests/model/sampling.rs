//! Draws and estimates against exact distributions, and the mistakes that these checks must catch.

use crate::common::{fixtures, joint_of, pack, pack_layers, random_model, unpack};
use gm_core::{AisSettings, Batch, BitMatrix, Chains, Clamp, Schedule, Streams, unwatched};
use gm_dbn::{Dbn, Wake};
use gm_sbn::BoundSettings;
use gm_testkit::{check_joint_draws, check_joint_invariance, check_sweep, mean_test};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 40_000;

type States = Vec<Vec<u8>>;

/// A network of five layers beside the fixtures.
fn models() -> Vec<Dbn> {
    fixtures().into_iter().map(|(_, dbn)| dbn).chain([random_model(9, &[3, 2, 3, 2, 2], 1.0)]).collect()
}

/// Chains in the given states.
fn chains_of(dbn: &Dbn, states: &States) -> Chains {
    Chains::new(pack_layers(&dbn.layers(), states).into_iter().map(Batch::from).collect())
}

/// The states of all layers of chains.
fn bits(chains: &Chains) -> Vec<BitMatrix> {
    chains.layers.iter().map(|x| x.bits().clone()).collect()
}

/// Gibbs sweeps with the parameters of `with` over the states of `dbn`.
fn sweeps<'a>(dbn: &'a Dbn, with: &'a Dbn, count: usize, streams: &'a Streams) -> impl FnMut(States) -> States + 'a {
    move |states| {
        let mut chains = chains_of(dbn, &states);
        with.gibbs(&mut chains, None, count, streams);
        unpack(&bits(&chains))
    }
}

/// The hidden units in the order in which a sweep draws them: one by one, and the top layer as a block.
fn blocks(dbn: &Dbn) -> Vec<Vec<usize>> {
    let layers = dbn.layers();
    let top: usize = layers[..dbn.depth()].iter().sum();
    let single = (dbn.visible()..top).map(|unit| vec![unit]);
    single.chain([(top..top + layers[dbn.depth()]).collect()]).collect()
}

#[test]
fn stat_cond_gibbs_draws_each_unit_from_its_conditional() {
    for (case, dbn) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbn), 30 + case as u64);
        let streams = Streams::new(seed);
        check_sweep(&joint, &blocks(dbn), sweeps(dbn, dbn, 1, &streams), SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_cond_wrong_sweeps_are_found_out() {
    for (case, dbn) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbn), 40 + case as u64);
        let streams = Streams::new(seed);
        let mut off = dbn.clone();
        off.stack_mut().update_weights(0, |w| w[(0, 0)] += 0.7);
        let mut top = dbn.clone();
        top.stack_mut().bias_mut(dbn.depth()).iter_mut().for_each(|b| *b += 0.5);
        for (what, wrong) in [("weight", &off), ("top bias", &top)] {
            let result = check_sweep(&joint, &blocks(dbn), sweeps(dbn, wrong, 1, &streams), SAMPLES, seed);
            assert!(!result.passes(ALPHA), "{what} of model {case} not caught: {result:?}");
        }
        // The recognition net in the place of the posterior.
        let ignorant = |states: States| {
            let v = pack_layers(&dbn.layers(), &states).remove(0);
            unpack(&bits(&dbn.posterior_chains(v, &streams).expect("no labels")))
        };
        assert!(!check_sweep(&joint, &blocks(dbn), ignorant, SAMPLES, seed).passes(ALPHA), "model {case}");
    }
}

#[test]
fn stat_joint_gibbs_leaves_the_joint_invariant() {
    for (case, dbn) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbn), 50 + case as u64);
        let streams = Streams::new(seed);
        for count in [1, 5] {
            check_joint_invariance(&joint, sweeps(dbn, dbn, count, &streams), SAMPLES, seed).assert_passes(ALPHA, seed);
        }
        // With nothing but the first visible unit given, everything else moves.
        let mask = BitMatrix::from_fn(dbn.visible(), SAMPLES, |unit, _| unit == 0);
        let clamped = |states: States| {
            let mut chains = chains_of(dbn, &states);
            let clamp = Clamp { mask: mask.clone(), values: chains.v().clone() };
            dbn.gibbs(&mut chains, Some(&clamp), 2, &streams);
            unpack(&bits(&chains))
        };
        check_joint_invariance(&joint, clamped, SAMPLES, seed).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_a_sigmoid_belief_net_of_the_same_stack_is_found_out() {
    // Directed all the way: the top layer is drawn as a cause instead of a partner.
    for (case, dbn) in models().iter().enumerate() {
        let (joint, seed) = (joint_of(dbn), 60 + case as u64);
        let sbn = gm_sbn::Sbn::new(dbn.stack().clone(), None).unwrap();
        let wrong = |states: States| {
            let mut chains = chains_of(dbn, &states);
            sbn.gibbs(&mut chains, None, 2, &Streams::new(seed));
            unpack(&bits(&chains))
        };
        assert!(!check_joint_invariance(&joint, wrong, SAMPLES, seed).passes(ALPHA), "model {case}");
    }
}

#[test]
fn stat_joint_chains_and_a_pass_down_follow_the_joint() {
    for (case, dbn) in models().iter().enumerate() {
        let seed = 70 + case as u64;
        let (sampler, streams) = (dbn.sampler(), Streams::new(seed));
        let mut chains = sampler.exact_chains(SAMPLES, &streams).unwrap();
        sampler.run(&mut chains, 3, &streams);
        let mut layers = sampler.sample_layers_from_chains(&chains, &streams);
        layers.push(chains.h().clone().into());
        check_joint_draws(&joint_of(dbn), &unpack(&layers)).assert_passes(ALPHA, seed);
        // A pass down from the states of another moment.
        let mut late = chains.clone();
        sampler.run(&mut late, 1, &streams);
        let mut mixed = sampler.sample_layers_from_chains(&chains, &streams);
        mixed.push(late.h().clone().into());
        assert!(!check_joint_draws(&joint_of(dbn), &unpack(&mixed)).passes(ALPHA), "model {case}");
    }
}

#[test]
fn stat_mean_bounds_agree_with_their_expectations() {
    for (case, (fixture, dbn)) in fixtures().iter().enumerate() {
        let seed = 10 + case as u64;
        let (v, log_z) = (pack(&fixture.data()).select(&[0]), dbn.log_partition().unwrap());
        for samples in [1, 2] {
            let expected = dbn.exact_bound(&v, log_z, samples).unwrap()[0];
            let settings = BoundSettings { samples, repeats: 3_000 };
            let repeated = |dbn: &Dbn| {
                let bounds = dbn.bounds(&v, log_z, &settings, &Streams::new(seed), &mut unwatched).unwrap();
                bounds.importance_weighted.iter().map(|rows| rows[0]).collect::<Vec<_>>()
            };
            mean_test(&repeated(dbn), expected).assert_passes(ALPHA, seed);
        }
        let many = BoundSettings { samples: 200_000, repeats: 1 };
        let bounds = dbn.bounds(&v, log_z, &many, &Streams::new(seed), &mut unwatched).unwrap();
        let exact = dbn.log_prob(&v, log_z).unwrap()[0];
        let error = 6.0 * (1.0 / bounds.ess[0]).sqrt() + 1e-5;
        assert!((bounds.rows()[0] - exact).abs() < error, "{bounds:?} against {exact}");
    }
}

#[test]
fn stat_mean_wake_weights_are_those_of_the_bound() {
    let (fixture, dbn) = &fixtures()[1];
    let (v, log_z) = (pack(&fixture.data()).select(&[1]), dbn.log_partition().unwrap());
    let wake = Wake::new(&dbn.sampler(), &v, 20_000, &Streams::new(4));
    let weights: Vec<f64> = wake.log_weights().iter().map(|w| w - log_z).collect();
    mean_test(&weights, dbn.exact_bound(&v, log_z, 1).unwrap()[0]).assert_passes(ALPHA, 4);
}

#[test]
fn planted_mean_wrong_recognition_weights_and_starts_are_found_out() {
    for (case, (fixture, dbn)) in fixtures().iter().enumerate() {
        let (v, log_z, streams) = (pack(&fixture.data()).select(&[1]), dbn.log_partition().unwrap(), Streams::new(4));
        let one = dbn.exact_bound(&v, log_z, 1).unwrap()[0];
        // Draws of another recognition net, and the target of two draws for one.
        let mut off = dbn.clone();
        off.recognition_mut().unwrap().bias_mut(1)[0] += 1.5;
        let weights = |dbn: &Dbn| {
            let wake = Wake::new(&dbn.sampler(), &v, 20_000, &streams);
            wake.log_weights().iter().map(|w| w - log_z).collect::<Vec<f64>>()
        };
        assert!(!mean_test(&weights(&off), one).passes(ALPHA), "another recognition net, model {case}");
        let two = dbn.exact_bound(&v, log_z, 2).unwrap()[0];
        assert!(!mean_test(&weights(dbn), two).passes(ALPHA), "the wrong number of draws, model {case}");
        // An RBM on top whose biases were not taken over.
        let mut bare = dbn.clone();
        bare.stack_mut().bias_mut(dbn.depth()).fill(0.0);
        let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
        let found = bare.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_partition;
        assert!((found.value - log_z).abs() > 6.0 * found.std_error + 1e-6, "annealing of another RBM, model {case}");
    }
}

#[test]
fn stat_mean_annealing_brackets_log_z_of_the_machine() {
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    for (case, dbn) in models().iter().enumerate() {
        let (streams, exact) = (Streams::new(case as u64), dbn.log_partition().unwrap());
        let data = dbn.exact_samples(1_000, &streams).unwrap();
        let base = dbn.base_rates(&data[0]).unwrap();
        let forth = dbn.log_partition_ais(&settings, Some(&base), &streams, &mut unwatched).unwrap().log_partition;
        assert!((forth.value - exact).abs() < 6.0 * forth.std_error + 1e-6, "{forth:?} against {exact}");
        let lower = &data[dbn.depth() - 1];
        let back = dbn.log_partition_raise(lower, &settings.schedule, Some(&base), &streams, &mut unwatched).unwrap();
        let back = gm_core::Estimate::mean(&back, gm_core::Side::Upper, "raise");
        assert!(back.value > exact - 6.0 * back.std_error - 1e-6, "{back:?} below {exact}");
    }
}

#[test]
fn stable_bounds_and_chains_do_not_depend_on_threads() {
    let dbn = random_model(2, &[80, 70, 90], 0.2);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (sampler, streams) = (dbn.sampler(), Streams::new(3));
            let mut chains = dbn.chains(130, &streams);
            sampler.run(&mut chains, 3, &streams);
            let v = sampler.sample_layers_from_chains(&chains, &streams).remove(0);
            let settings = BoundSettings { samples: 20, repeats: 2 };
            let bounds = dbn.bounds(&v, 0.0, &settings, &streams, &mut unwatched).unwrap();
            (v, bounds)
        })
    };
    assert_eq!(run(1), run(2));
}
