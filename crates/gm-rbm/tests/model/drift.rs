//! A long run stays true: ten million sweeps of a small RBM against its exact distribution.

use crate::common::{joint_of, rbm_of, unpack};
use gm_core::Streams;
use gm_rbm::{Chains, Rbm};
use gm_testkit::{Fixture, check_joint_draws};

const SWEEPS: usize = 10_000_000;

/// The number of stretches, each with a check of its own, so that an early fit cannot hide a late drift.
const STRETCHES: usize = 10;

/// The number of sweeps from one observation to the next, many times the autocorrelation time.
const SPACING: usize = 1_000;

const CHAINS: usize = 64;

/// The false-alarm rate of the whole test, over all stretches.
const ALPHA: f64 = 1e-6;

/// The states of all chains, observed every thousand sweeps.
fn looks(rbm: &Rbm, chains: &mut Chains, sweeps: usize, streams: &Streams) -> Vec<Vec<u8>> {
    let sampler = rbm.sampler();
    let look = |_| {
        sampler.run(chains, SPACING, streams);
        unpack(chains.v().bits(), chains.h())
    };
    // To wake a thread takes longer than a sweep of this small RBM.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    pool.install(|| (0..sweeps / SPACING).flat_map(look).collect())
}

#[test]
#[ignore = "a minute and more; run by `cargo xtask ci --long`"]
fn slow_stat_joint_ten_million_sweeps_do_not_drift() {
    let (rbm, streams) = (rbm_of(&Fixture::load("rbm_small")), Streams::new(77));
    let joint = joint_of(&rbm);
    let mut chains = rbm.chains(CHAINS, &streams);
    for _ in 0..STRETCHES {
        let states = looks(&rbm, &mut chains, SWEEPS / STRETCHES, &streams);
        let result = check_joint_draws(&joint, &states);
        println!("sweeps up to {}: p = {:.4}, {} states", chains.sweeps, result.p_value, states.len());
        result.assert_passes(ALPHA / STRETCHES as f64, 77);
    }
    assert_eq!(chains.sweeps, SWEEPS as u64);
}

#[test]
#[ignore = "seconds; run by `cargo xtask ci --long`"]
fn slow_planted_joint_a_small_drift_is_found_in_one_stretch() {
    let (rbm, streams) = (rbm_of(&Fixture::load("rbm_small")), Streams::new(78));
    let mut drifted = rbm.clone();
    drifted.stack_mut().update_weights(0, |w| w.iter_mut().for_each(|w| *w *= 1.05));
    let mut chains = drifted.chains(CHAINS, &streams);
    let states = looks(&drifted, &mut chains, SWEEPS / STRETCHES, &streams);
    assert!(!check_joint_draws(&joint_of(&rbm), &states).passes(ALPHA / STRETCHES as f64));
}
