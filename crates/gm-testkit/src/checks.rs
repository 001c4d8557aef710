//! Checks of a Markov kernel, given the exact joint distribution that it must respect.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::chi_squared::{TestResult, chi_squared_test};
use crate::joint::Joint;
use crate::sampling::rng;

/// The number of starting states of a conditional check. It is large, because each start has few cells.
const CONDITIONAL_STARTS: usize = 32;

/// The number of starting states of a sweep check. It is small, because each start spreads over all the joint states.
const SWEEP_STARTS: usize = 8;

/// Tests whether a kernel leaves the joint distribution invariant.
///
/// Draws `samples` states exactly, applies the kernel once to the batch and compares the counts of all joint states
/// with the distribution at the start. It compares the joint distribution and not the visible marginal, because
/// updating both layers of an RBM from the old pair leaves every visible marginal right.
///
/// # Randomness
///
/// The starting states come from `seed`. The kernel has its own generator.
///
/// # Panics
///
/// When the number or the length of the states that the kernel returns is wrong.
///
/// # Examples
///
/// ```
/// use gm_testkit::{Joint, check_joint_invariance};
///
/// let joint = Joint::rbm(vec![vec![2.0]], vec![-1.0], vec![0.5]);
/// check_joint_invariance(&joint, |states| states, 1_000, 1).assert_passes(1e-6, 1);
/// let flip = |states: Vec<Vec<u8>>| states.iter().map(|x| vec![1 - x[0], x[1]]).collect();
/// assert!(!check_joint_invariance(&joint, flip, 1_000, 1).passes(1e-6));
/// ```
#[must_use]
pub fn check_joint_invariance(
    joint: &Joint,
    mut kernel: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    samples: usize,
    seed: u64,
) -> TestResult {
    let states = kernel(joint.sample(&mut rng(seed), samples));
    assert!(states.len() == samples, "the kernel returned {} of {samples} states", states.len());
    check_joint_draws(joint, &states).named("invariance of the joint")
}

/// Tests whether independent draws of all layers follow the joint distribution.
///
/// # Panics
///
/// Without draws, or when a draw has the wrong length.
#[must_use]
pub fn check_joint_draws(joint: &Joint, states: &[Vec<u8>]) -> TestResult {
    let probabilities = joint.probabilities();
    let observed = counts(states.iter().map(|state| joint.number(state)), probabilities.len());
    chi_squared_test(&observed, &probabilities).named("draws of all layers")
}

/// Tests whether independent draws of the visible layer follow p(v).
///
/// # Panics
///
/// Without draws, or when a draw has the wrong length.
///
/// # Examples
///
/// ```
/// use gm_testkit::{Joint, check_visible_draws, rng};
///
/// let joint = Joint::sbn(vec![vec![vec![1.0], vec![-2.0]]], vec![vec![0.2, 0.1], vec![0.3]]);
/// let draws = joint.visible(&joint.sample(&mut rng(1), 1_000));
/// check_visible_draws(&joint, &draws).assert_passes(1e-6, 1);
/// ```
#[must_use]
pub fn check_visible_draws(joint: &Joint, visible: &[Vec<u8>]) -> TestResult {
    let probabilities: Vec<f64> = joint.log_prob_all_visible().iter().map(|p| p.exp()).collect();
    let observed = counts(visible.iter().map(|v| joint.row(v)), probabilities.len());
    chi_squared_test(&observed, &probabilities).named("draws of the visible layer")
}

/// Tests whether a kernel draws a block of units from its exact conditional given all the others.
///
/// The conditional is tested at up to 32 states. They are chosen uniformly and not from the model, so that an error
/// also shows where the model is rarely. A change outside the block fails at once.
///
/// # Randomness
///
/// The same as in [`check_sweep`].
///
/// # Panics
///
/// The same as in [`check_sweep`].
///
/// # Examples
///
/// ```
/// use gm_testkit::{Fixture, Gibbs, check_conditional};
///
/// let joint = Fixture::load("rbm_small").joint();
/// let hidden: Vec<usize> = joint.units_of(1).collect();
/// let mut gibbs = Gibbs::correct(&joint, 1);
/// let resample = |states| gibbs.resample_layer(1, states);
/// check_conditional(&joint, &hidden, resample, 20_000, 2).assert_passes(1e-6, 2);
/// ```
#[must_use]
pub fn check_conditional(
    joint: &Joint,
    block: &[usize],
    resample: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    samples: usize,
    seed: u64,
) -> TestResult {
    let starts = uniform_starts(joint, CONDITIONAL_STARTS, seed);
    check_from(joint, &starts, &[block.to_vec()], resample, samples).named("conditional of a block")
}

/// Tests whether a kernel leads from a given state to the same distribution as drawing `blocks` one after the other.
///
/// Up to 8 states are chosen uniformly, and `samples` copies of them, interleaved, go through the kernel as one batch.
/// The results of each start are compared with the exact distribution after the blocks. This also shows errors that
/// leave the joint distribution invariant, such as a unit that is never updated.
///
/// # Randomness
///
/// The states come from `seed`. The kernel has its own generator.
///
/// # Panics
///
/// When the number or the length of the states that the kernel returns is wrong.
#[must_use]
pub fn check_sweep(
    joint: &Joint,
    blocks: &[Vec<usize>],
    kernel: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    samples: usize,
    seed: u64,
) -> TestResult {
    let starts = uniform_starts(joint, SWEEP_STARTS, seed);
    check_from(joint, &starts, blocks, kernel, samples).named("transition of a sweep")
}

/// Compares the distribution after the kernel, from each start, with the distribution after drawing the blocks.
fn check_from(
    joint: &Joint,
    starts: &[usize],
    blocks: &[Vec<usize>],
    mut kernel: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
    samples: usize,
) -> TestResult {
    let ends = kernel((0..samples).map(|i| joint.state(starts[i % starts.len()])).collect());
    assert!(ends.len() == samples, "the kernel returned {} of {samples} states", ends.len());
    let mut tables: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, end) in ends.iter().enumerate() {
        tables.entry(starts[i % starts.len()]).or_default().push(joint.number(end));
    }
    let one_start = |(start, ends): (usize, Vec<usize>)| {
        let after = joint.after_blocks(&joint.state(start), blocks);
        chi_squared_test(&counts(ends.into_iter(), after.len()), &after)
    };
    let results: Vec<TestResult> = tables.into_iter().map(one_start).collect();
    TestResult::combined("transition", &results)
}

/// Different states, chosen uniformly.
fn uniform_starts(joint: &Joint, most: usize, seed: u64) -> Vec<usize> {
    let states = 1_usize << joint.units();
    let mut rng = rng(seed);
    let mut starts: Vec<usize> = (0..most.min(states)).map(|_| rng.random_range(0..states)).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

fn counts(numbers: impl Iterator<Item = usize>, cells: usize) -> Vec<u64> {
    let mut counts = vec![0; cells];
    numbers.for_each(|number| counts[number] += 1);
    counts
}
