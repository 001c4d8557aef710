//! The correct kernel passes every check, and each planted bug is caught.

use gm_testkit::{
    Bug, Fixture, Gibbs, Joint, TestResult, check_conditional, check_joint_draws, check_joint_invariance, check_sweep,
    check_visible_draws, rng,
};

const ALPHA: f64 = 1e-6;
const DRAWS: usize = 100_000;

/// Models on which every bug that applies has an effect.
fn models() -> Vec<(&'static str, Joint)> {
    let small = Fixture::load("rbm_small").parameters();
    let base = vec![0.5, -0.5, 0.2, -1.0, 1.0, 0.0];
    let [visible, hidden] = [small.biases[0].clone(), small.biases[1].clone()];
    let annealed = Joint::annealed_rbm(small.weights[0].clone(), visible, hidden, 0.5, base);
    vec![
        ("rbm_small", Fixture::load("rbm_small").joint()),
        ("annealed", annealed),
        ("dbm_2", Fixture::load("dbm_2").joint()),
        ("dbm_3", Fixture::load("dbm_3").joint()),
    ]
}

fn joint_check(joint: &Joint, mut gibbs: Gibbs, draws: usize, seed: u64) -> TestResult {
    check_joint_invariance(joint, |states| gibbs.sweep(states), draws, seed)
}

fn conditional_check(joint: &Joint, mut gibbs: Gibbs, layer: usize, seed: u64) -> TestResult {
    let block: Vec<usize> = joint.units_of(layer).collect();
    check_conditional(joint, &block, |states| gibbs.resample_layer(layer, states), DRAWS, seed)
}

fn sweep_check(joint: &Joint, mut gibbs: Gibbs, draws: usize, seed: u64) -> TestResult {
    check_sweep(joint, &Gibbs::blocks(joint), |states| gibbs.sweep(states), draws, seed)
}

/// Half a unit on one weight, spread over the thousands of cells of a deep joint distribution, is the smallest bug.
/// With 100,000 draws its chi-squared lies 2 to 9 standard deviations out, too close to the threshold at 5.
fn draws(bug: Bug) -> usize {
    if bug == Bug::WeightOff { 4 * DRAWS } else { DRAWS }
}

/// Checks that every applicable bug that should show is caught on every model.
fn assert_caught(check: impl Fn(&Joint, Gibbs, usize, u64) -> TestResult, shows: impl Fn(Bug) -> bool) {
    for (name, joint) in models() {
        for (i, bug) in Bug::ALL.into_iter().enumerate().filter(|(_, bug)| bug.applies_to(&joint) && shows(*bug)) {
            let seed = 100 + i as u64;
            let result = check(&joint, Gibbs::planted(&joint, bug, seed), draws(bug), seed + 1000);
            assert!(!result.passes(ALPHA), "{name}: {bug:?} went unnoticed by {result:?}");
        }
    }
}

#[test]
fn stat_joint_correct_gibbs() {
    for (seed, (name, joint)) in (1..).zip(models()) {
        let result = joint_check(&joint, Gibbs::correct(&joint, seed), DRAWS, seed + 1000);
        result.named(name).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_catches_every_bug_that_leaves_the_joint() {
    assert_caught(joint_check, Bug::breaks_joint);
}

#[test]
fn stat_cond_correct_gibbs() {
    for (seed, (name, joint)) in (11..).zip(models()) {
        for layer in 0..joint.layers().len() {
            let result = conditional_check(&joint, Gibbs::correct(&joint, seed), layer, seed + 1000);
            result.named(format!("{name}, layer {layer}")).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_cond_catches_every_bug_within_a_layer() {
    let layer_1 = |joint: &Joint, gibbs: Gibbs, _: usize, seed: u64| conditional_check(joint, gibbs, 1, seed);
    assert_caught(layer_1, Bug::breaks_conditional);
}

#[test]
fn stat_joint_sweep_of_correct_gibbs() {
    for (seed, (name, joint)) in (21..).zip(models()) {
        let result = sweep_check(&joint, Gibbs::correct(&joint, seed), DRAWS, seed + 1000);
        result.named(name).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_sweep_catches_every_bug() {
    assert_caught(sweep_check, |_| true);
}

/// The bugs that each check cannot see, so that nobody relies on one of the checks alone.
#[test]
fn table_blind_spots() {
    let joint = Fixture::load("rbm_small").joint();
    joint_check(&joint, Gibbs::planted(&joint, Bug::FrozenUnit, 31), DRAWS, 32).assert_passes(ALPHA, 32);
    for bug in [Bug::OldPair, Bug::SharedBetweenLayers] {
        conditional_check(&joint, Gibbs::planted(&joint, bug, 33), 1, 34).assert_passes(ALPHA, 34);
    }
    let mut old_pair = Gibbs::planted(&joint, Bug::OldPair, 35);
    let states = old_pair.sweep(joint.sample(&mut rng(36), DRAWS));
    check_visible_draws(&joint, &joint.visible(&states)).assert_passes(ALPHA, 36);
}

#[test]
fn planted_cond_catches_changes_outside_the_block() {
    let joint = Fixture::load("rbm_small").joint();
    let mut gibbs = Gibbs::correct(&joint, 41);
    let hidden: Vec<usize> = joint.units_of(1).collect();
    let result = check_conditional(&joint, &hidden, |states| gibbs.sweep(states), 1_000, 42);
    assert_eq!((result.statistic, result.p_value), (f64::INFINITY, 0.0));
}

#[test]
fn stat_joint_exact_draws() {
    for (seed, fixture) in (51..).zip(Fixture::all_binary()) {
        let joint = fixture.joint();
        let draws = joint.sample(&mut rng(seed), DRAWS);
        check_joint_draws(&joint, &draws).named(fixture.name()).assert_passes(ALPHA, seed);
        check_visible_draws(&joint, &joint.visible(&draws)).named(fixture.name()).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_draws_of_another_model() {
    let (mut joint, stack) = (Fixture::load("sbn_2").joint(), Fixture::load("sbn_2").parameters());
    let draws = joint.sample(&mut rng(61), DRAWS);
    joint = Joint::dbn(stack.weights, stack.biases);
    assert!(!check_joint_draws(&joint, &draws).passes(ALPHA));
    assert!(!check_visible_draws(&joint, &joint.visible(&draws)).passes(ALPHA));
}
