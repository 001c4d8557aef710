//! Parallel tempering and log Z along training.

use crate::common::{joint_of, parameters, rbm_of, unpack};
use gm_core::{Beta, BitMatrix, Matrix, Purpose, Streams, Vector, even_temperatures};
use gm_rbm::{Chains, Clamp, Rbm, Replicas, Trajectory};
use gm_testkit::{Fixture, Joint, assert_close, check_joint_draws};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 40_000;
const BETAS: [f32; 3] = [1.0, 0.5, 0.0];

/// Replicas in equilibrium at every temperature, drawn from enumerated distributions.
fn in_equilibrium(rbm: &Rbm, base: &[f32], seed: u64) -> Replicas {
    let (w, a, b) = parameters(rbm);
    let wide: Vec<f64> = base.iter().map(|&x| f64::from(x)).collect();
    let mut states = Vec::new();
    for (t, beta) in BETAS.into_iter().enumerate() {
        let joint = Joint::annealed_rbm(w.clone(), a.clone(), b.clone(), f64::from(beta), wide.clone());
        states.extend(joint.sample(&mut gm_testkit::rng(seed + t as u64), SAMPLES));
    }
    let n = rbm.visible();
    let v = crate::common::pack_part(&states, 0..n).into();
    let chains = Chains::new(vec![v, crate::common::pack_part(&states, n..n + rbm.hidden()).into()]);
    Replicas::from_parts(chains, BETAS.to_vec(), base.to_vec()).expect("a sound model")
}

fn small() -> (Rbm, Vec<f32>) {
    (rbm_of(&Fixture::load("rbm_small")), vec![0.3, -0.2, 0.1, 0.0, 0.5, -0.4])
}

#[test]
fn stat_joint_tempering_leaves_every_temperature_invariant() {
    let (rbm, base) = small();
    let mut replicas = in_equilibrium(&rbm, &base, 10);
    let info = rbm.sampler().run_tempering(&mut replicas, 4, &Streams::new(11));
    assert!(info.acceptance.iter().all(|&rate| rate > 0.05 && rate < 1.0), "{info:?}");
    let cold = replicas.coldest();
    check_joint_draws(&joint_of(&rbm), &unpack(cold.v().bits(), cold.h())).assert_passes(ALPHA, 10);
    let middle: Vec<usize> = (SAMPLES..2 * SAMPLES).collect();
    let (w, a, b) = parameters(&rbm);
    let joint = Joint::annealed_rbm(w, a, b, 0.5, base.iter().map(|&x| f64::from(x)).collect());
    let states = replicas.chains();
    let states = unpack(states.v().select(&middle).bits(), &states.h().select(&middle));
    check_joint_draws(&joint, &states).assert_passes(ALPHA, 10);
}

#[test]
fn planted_joint_swaps_without_a_test_are_found_out() {
    // A third of the states change places with the next temperature without regard to their energies.
    let (rbm, base) = small();
    let replicas = in_equilibrium(&rbm, &base, 12);
    let mut order: Vec<usize> = (0..SAMPLES).collect();
    order.iter_mut().step_by(3).for_each(|sample| *sample += SAMPLES);
    let states = replicas.chains();
    let states = unpack(states.v().select(&order).bits(), &states.h().select(&order));
    assert!(!check_joint_draws(&joint_of(&rbm), &states).passes(ALPHA));
}

/// A model of two distant and equally likely modes, in which all units are on or all are off. One hidden unit has
/// strong weights to all visible units.
fn bimodal(visible: usize) -> Rbm {
    let (w, n) = (6.0, visible as f32);
    Rbm::new(
        Matrix::from_element(visible, 1, w),
        Vector::from_element(visible, -w / 2.0),
        Vector::from_element(1, -n * w / 2.0),
    )
    .expect("a sound model")
}

/// The share of chains in the mode where most units are on.
fn share_on(v: &BitMatrix) -> f64 {
    let on = v.ones_per_sample().into_iter().filter(|&ones| 2 * ones > v.units() as u64).count();
    on as f64 / v.samples() as f64
}

#[test]
fn stat_mean_tempering_crosses_between_modes_that_gibbs_does_not_leave() {
    let (rbm, chains, sweeps) = (bimodal(16), 200, 400);
    let streams = Streams::new(21);
    let all_off = BitMatrix::zeros(16, chains);
    let mut plain = rbm.chains_from(all_off.clone(), &streams).unwrap();
    rbm.sampler().run(&mut plain, sweeps, &streams);
    assert_eq!(share_on(plain.v().bits()), 0.0, "block Gibbs sampling stays");
    let temperatures = even_temperatures(10).unwrap();
    let start = rbm.chains_from(BitMatrix::zeros(16, 10 * chains), &streams).unwrap();
    let mut replicas = Replicas::from_parts(start, temperatures, vec![0.0; 16]).unwrap();
    rbm.sampler().run_tempering(&mut replicas, sweeps, &streams);
    // Half of 200 independent chains, within five standard deviations.
    let share = share_on(replicas.coldest().v().bits());
    assert!((share - 0.5).abs() < 5.0 * 0.5 / (chains as f64).sqrt(), "share {share}");
}

/// Units 0 and 3 are given, on and off.
const GIVEN: [(usize, bool); 2] = [(0, true), (3, false)];

fn clamp_of(samples: usize) -> Clamp {
    let is_given = |unit: usize| GIVEN.iter().any(|(known, _)| *known == unit);
    Clamp {
        mask: BitMatrix::from_fn(6, samples, |unit, _| is_given(unit)),
        values: BitMatrix::from_fn(6, samples, |unit, _| GIVEN.contains(&(unit, true))).into(),
    }
}

/// The greatest deviation, in standard deviations, of the counts of the 16 states that have the given units from the
/// enumerated conditional probabilities.
fn farthest(rbm: &Rbm, v: &BitMatrix) -> f64 {
    let states = BitMatrix::from_fn(6, 64, |unit, state| state >> unit & 1 == 1);
    let kept = (0..64).filter(|state| GIVEN.iter().all(|(unit, on)| (state >> unit & 1 == 1) == *on));
    let energies = rbm.free_energy(&states);
    let weights: Vec<(usize, f64)> = kept.map(|state| (state, (-energies[state]).exp())).collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut counts = [0.0; 64];
    for sample in 0..v.samples() {
        counts[(0..6).filter(|&unit| v.get(unit, sample)).map(|unit| 1 << unit).sum::<usize>()] += 1.0;
    }
    let n = v.samples() as f64;
    let far = |(state, weight): &(usize, f64)| {
        let p = weight / total;
        ((counts[*state] - n * p) / (n * p * (1.0 - p)).sqrt()).abs()
    };
    weights.iter().map(far).fold(0.0, f64::max)
}

/// Chains with given units follow the conditional distribution although they exchange states. 16 binomial counts are
/// within six standard deviations, so that alpha is 16 times 2e-9.
#[test]
fn stat_cond_clamped_tempering_draws_the_free_units_given_the_others() {
    let (rbm, base) = small();
    let streams = Streams::new(41);
    let mut replicas = rbm.replicas(SAMPLES, &BETAS, Some(&base), &streams).unwrap();
    rbm.sampler().run_tempering_clamped(&mut replicas, &clamp_of(3 * SAMPLES), 60, &streams);
    let far = farthest(&rbm, replicas.coldest().v().bits());
    assert!(far < 6.0, "{far} standard deviations, seed 41, n {SAMPLES}");
}

/// Free chains into which the given values are put at the end.
#[test]
fn planted_cond_values_put_in_afterwards_are_found_out() {
    let (rbm, base) = small();
    let streams = Streams::new(41);
    let mut replicas = rbm.replicas(SAMPLES, &BETAS, Some(&base), &streams).unwrap();
    rbm.sampler().run_tempering(&mut replicas, 60, &streams);
    let (mut v, clamp) = (replicas.coldest().v().bits().clone(), clamp_of(SAMPLES));
    v.replace_where(&clamp.mask, clamp.values.bits());
    assert!(farthest(&rbm, &v) > 6.0);
}

#[test]
fn law_temperatures_move_towards_equal_acceptance() {
    let rbm = bimodal(16);
    let streams = Streams::new(31);
    let mut replicas = rbm.replicas(200, &even_temperatures(8).unwrap(), Some(&[0.0; 16]), &streams).unwrap();
    let spread = |acceptance: &[f64]| {
        let most = acceptance.iter().copied().fold(0.0, f64::max);
        most - acceptance.iter().copied().fold(1.0, f64::min)
    };
    let first = spread(&rbm.sampler().run_tempering(&mut replicas, 100, &streams).acceptance);
    for _ in 0..60 {
        rbm.sampler().run_tempering(&mut replicas, 20, &streams);
        replicas.adapt(0.5);
    }
    let last = spread(&rbm.sampler().run_tempering(&mut replicas, 100, &streams).acceptance);
    assert!(last < 0.5 * first, "from {first} to {last}");
    assert!(replicas.temperatures().windows(2).all(|pair| pair[0] > pair[1]));
}

#[test]
fn law_the_first_and_the_last_temperature_stay() {
    let (rbm, streams) = (bimodal(16), Streams::new(32));
    for temperatures in [&[1.0][..], &[1.0, 0.4], &[1.0, 0.9, 0.6, 0.3]] {
        let mut replicas = rbm.replicas(50, temperatures, None, &streams).unwrap();
        rbm.sampler().run_tempering(&mut replicas, 20, &streams);
        replicas.adapt(0.5);
        let adapted = replicas.temperatures();
        assert_eq!((adapted.first(), adapted.last()), (temperatures.first(), temperatures.last()));
        assert!(adapted.windows(2).all(|pair| pair[0] > pair[1]), "{adapted:?}");
    }
}

#[test]
fn rejects_temperatures_that_do_not_fall() {
    let rbm = bimodal(4);
    let text = |result: gm_core::Result<Replicas>| result.unwrap_err().to_string();
    let streams = Streams::new(0);
    let error = |count, temperatures: &[f32]| text(rbm.replicas(count, temperatures, None, &streams));
    assert_eq!(error(0, &BETAS), "Rbm::replicas: `chains` is 0, allowed: 1 or more");
    for wrong in [&[][..], &[0.5, 0.2], &[1.0, 1.0], &[1.0, -0.5], &[1.0, f32::NAN]] {
        assert!(error(2, wrong).ends_with("allowed: numbers that fall from 1 to no less than 0"), "{wrong:?}");
    }
    assert!(text(rbm.replicas(1, &BETAS, Some(&[0.0; 3]), &streams)).contains("`base` has length 3, expected 4"));
    let chains = || rbm.chains(4, &streams);
    assert!(
        text(Replicas::from_parts(chains(), vec![0.5, 1.0], vec![0.0; 4])).contains("fall from 1 to no less than 0")
    );
    assert!(text(Replicas::from_parts(chains(), vec![1.0, 0.5, 0.0], vec![0.0; 4])).contains("expected 3"));
}

#[test]
fn stable_tempering_does_not_depend_on_threads() {
    let rbm = Rbm::initial(&vec![0.3; 100], 70, 0.5, &Streams::new(1)).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut replicas = rbm.replicas(80, &even_temperatures(4).unwrap(), None, &Streams::new(2)).unwrap();
            rbm.sampler().run_tempering(&mut replicas, 6, &Streams::new(3));
            replicas
        })
    };
    assert_eq!(run(1), run(3));
}

/// The deviations of log Z along a path of parameters, in standard errors, over several models. With `late` the weights
/// are taken after the sweep.
fn deviations(late: bool) -> Vec<f64> {
    (0..20)
        .map(|seed| {
            let streams = Streams::new(seed);
            let mut rbm = Rbm::initial(&[0.5; 8], 6, 0.1, &streams).expect("a sound model");
            let goal = Rbm::initial(&[0.3; 8], 6, 2.0, &streams).expect("a sound model");
            let mut trajectory = Trajectory::start(&rbm, 400, 20, &streams).expect("a sound model");
            for step in 0..60 {
                let before = rbm.clone();
                rbm.stack_mut().update_weights(0, |w| *w += (goal.weights() - &*w) * 0.05);
                let family = streams.fork(Purpose::Test, step);
                if late {
                    // Two sweeps with the new parameters. The first adds no weight, as if it came before the update.
                    let mut wrong = trajectory.clone();
                    wrong.follow(&rbm.sampler(), &family);
                    let numbers = trajectory.numbers();
                    trajectory = Trajectory::from_parts(
                        wrong.states().clone(),
                        vec![
                            before.free_energy(wrong.states()).iter().map(|f| -f).collect(),
                            numbers[1].clone(),
                            numbers[2].clone(),
                        ],
                    )
                    .expect("a sound model");
                }
                trajectory.follow(&rbm.sampler(), &family);
            }
            let found = trajectory.log_partition();
            (found.value - rbm.log_partition().expect("a sound model")) / found.std_error
        })
        .collect()
}

#[test]
fn stat_mean_log_z_along_training_is_that_of_enumeration() {
    // 20 models. None may exceed six standard errors (2e-9 each). At most four may exceed three (Binomial(20, .0027):
    // 1e-7).
    let found = deviations(false);
    assert!(found.iter().all(|far| far.abs() < 6.0), "{found:?}");
    assert!(found.iter().filter(|far| far.abs() > 3.0).count() <= 4, "{found:?}");
}

#[test]
fn planted_mean_weights_taken_after_the_move_are_found_out() {
    let found = deviations(true);
    assert!(found.iter().any(|far| far.abs() > 6.0), "{found:?}");
}

#[test]
fn table_neighbours_propose_swaps_in_every_second_sweep() {
    let (rbm, base) = small();
    let streams = Streams::new(51);
    let mut replicas = rbm.replicas(5, &even_temperatures(4).unwrap(), Some(&base), &streams).unwrap();
    assert_eq!((replicas.count(), replicas.chains().count(), replicas.base()), (5, 20, base.as_slice()));
    let info = rbm.sampler().run_tempering(&mut replicas, 7, &streams);
    // Pairs 0 and 2 propose in sweeps 0, 2, 4 and 6, and pair 1 in sweeps 1, 3 and 5.
    let swaps = replicas.swaps();
    assert_eq!([swaps[0], swaps[2], swaps[4]], [20.0, 15.0, 20.0]);
    let shares: Vec<f64> = swaps.chunks(2).map(|pair| pair[1] / pair[0]).collect();
    assert_eq!((replicas.acceptance(), info.acceptance, info.sweeps), (shares.clone(), shares, 7));
    // A further run reports the shares of its own proposals, and the replicas those of all.
    let info = rbm.sampler().run_tempering(&mut replicas, 4, &streams);
    let more: Vec<f64> = replicas.swaps().iter().zip(&swaps).map(|(now, before)| now - before).collect();
    assert_eq!([more[0], more[2], more[4]], [10.0, 10.0, 10.0]);
    assert_eq!(info.acceptance, more.chunks(2).map(|pair| pair[1] / pair[0]).collect::<Vec<_>>());
    // The counts survive a round trip.
    let parts = (replicas.chains().clone(), replicas.temperatures().to_vec(), replicas.base().to_vec());
    let again = Replicas::from_parts(parts.0, parts.1, parts.2).unwrap().with_swaps(&replicas.swaps()).unwrap();
    assert_eq!(again, replicas);
    let error = again.with_swaps(&[1.0; 5]).unwrap_err().to_string();
    assert_eq!(error, "Replicas::with_swaps: `swaps` has length 5, expected 6");
}

#[test]
fn table_an_adaptation_scales_gaps_by_their_acceptance() {
    let (rbm, base) = small();
    let with = |temperatures: &[f32], swaps: &[f64]| {
        let replicas = rbm.replicas(1, temperatures, Some(&base), &Streams::new(1)).unwrap();
        let mut replicas = replicas.with_swaps(swaps).unwrap();
        replicas.adapt(0.5);
        replicas
    };
    // Gaps of 0.3, 0.2 and 0.3 with acceptance 0.5, 0.1 and 0.9, whose mean is 0.5.
    let found = with(&[1.0, 0.7, 0.5, 0.2], &[100.0, 50.0, 100.0, 10.0, 100.0, 90.0]);
    let gaps = [0.3, 0.2 * (-0.2_f64).exp(), 0.3 * 0.2_f64.exp()];
    let total: f64 = gaps.iter().sum();
    let expected = [1.0, 1.0 - 0.8 * gaps[0] / total, 1.0 - 0.8 * (gaps[0] + gaps[1]) / total, 0.2];
    for (found, expected) in found.temperatures().iter().zip(expected) {
        assert_close(f64::from(*found), expected, 1e-6, 0.0, "temperature");
    }
    assert_eq!(found.swaps(), [0.0; 6], "the counts begin anew");
    // Without proposals the acceptance counts as zero, and equal shares change nothing.
    let same = with(&[1.0, 0.5, 0.0], &[0.0; 4]);
    assert_eq!(same.temperatures(), [1.0, 0.5, 0.0]);
}

#[test]
fn law_settling_is_tempering_with_adaptations_in_its_first_half() {
    let (rbm, base) = small();
    // (sweeps, adaptations after twenty sweeps each, further runs)
    for (sweeps, moves, rest) in
        [(0, 0, vec![]), (19, 0, vec![19]), (40, 1, vec![20]), (81, 2, vec![20, 20, 1]), (100, 2, vec![20, 20, 20])]
    {
        let streams = Streams::new(52);
        let start = rbm.replicas(30, &even_temperatures(4).unwrap(), Some(&base), &streams).unwrap();
        let (mut settled, mut expected, sampler) = (start.clone(), start, rbm.sampler());
        let mut seen = vec![];
        let watch = &mut |progress: gm_core::Progress| {
            assert_eq!(progress.total, sweeps);
            seen.push(progress.done);
            std::ops::ControlFlow::Continue(())
        };
        let info = sampler.settle(&mut settled, sweeps, &streams, watch).unwrap();
        for _ in 0..moves {
            sampler.run_tempering(&mut expected, 20, &streams);
            expected.adapt(0.5);
        }
        let mut flips = 0.0;
        for &some in &rest {
            flips += sampler.run_tempering(&mut expected, some, &streams).flips * some as f64;
        }
        let counted: usize = rest.iter().sum();
        assert_eq!((&settled, settled.chains().sweeps), (&expected, sweeps as u64), "{sweeps} sweeps");
        assert_eq!((info.sweeps, info.acceptance), (counted, expected.acceptance()));
        assert_close(info.flips, flips / counted.max(1) as f64, 1e-12, 0.0, "flips");
        let passed = [vec![20; moves], rest].concat().into_iter().scan(0, |sum, some| {
            *sum += some;
            Some(*sum)
        });
        assert_eq!(seen, passed.collect::<Vec<_>>(), "{sweeps} sweeps");
    }
}

#[test]
fn oracle_the_base_of_a_model_without_weights_has_its_biases() {
    let bias = [-1.5, 0.0, 0.25, 2.0];
    let rbm = Rbm::new(Matrix::zeros(4, 3), Vector::from_column_slice(&bias), Vector::zeros(3)).unwrap();
    let replicas = rbm.replicas(2, &BETAS, None, &Streams::new(3)).unwrap();
    for (found, expected) in replicas.base().iter().zip(bias) {
        assert_close(f64::from(*found), f64::from(expected), 1e-4, 1e-5, "bias");
    }
}

/// Chains with unequal weights that follow a model which has not changed: the weights do not grow, and resampling makes
/// them equal without a change of the estimate.
#[test]
fn law_resampling_keeps_the_estimate_and_its_variance() {
    let rbm = rbm_of(&Fixture::load("rbm_small"));
    let v = rbm.chains(200, &Streams::new(1)).into_v();
    let numbers = |spread: f64| {
        let log_weights = (0..200).map(|chain| spread * (f64::from(chain) / 199.0 - 0.5)).collect();
        vec![rbm.free_energy(&v).iter().map(|f| -f).collect(), log_weights, vec![2.5, 0.04]]
    };
    // The effective sample size of weights from exp(-1.5) to exp(1.5) is 0.66 of their number; up to exp(5), 0.2.
    for (spread, resampled) in [(3.0, false), (10.0, true)] {
        let mut trajectory = Trajectory::from_parts(v.clone(), numbers(spread)).unwrap();
        let (before, share) = (trajectory.log_partition(), trajectory.ess() / 200.0);
        assert_eq!(share < 0.5, resampled, "effective sample size {share} of one chain");
        trajectory.follow(&rbm.sampler(), &Streams::new(2));
        let after = trajectory.log_partition();
        assert_close(after.value, before.value, 0.0, 1e-9, "log Z");
        assert_close(after.std_error, before.std_error, 1e-9, 0.0, "standard error");
        assert!(after.std_error > 0.2, "the variance before the last resampling counts");
        assert_close(after.low, before.value - 3.0 * before.std_error, 1e-9, 0.0, "lower end");
        assert_close(after.high, before.value + 3.0 * before.std_error, 1e-9, 0.0, "upper end");
        assert_eq!(trajectory.numbers()[1].iter().all(|&weight| weight == 0.0), resampled);
    }
}

#[test]
fn law_a_heated_sweep_at_one_is_a_sweep() {
    let rbm = rbm_of(&Fixture::load("rbm_small"));
    let (mut plain, mut heated) = (rbm.chains(300, &Streams::new(1)), rbm.chains(300, &Streams::new(1)));
    rbm.sampler().run(&mut plain, 3, &Streams::new(2));
    rbm.sampler().run_tempered(&mut heated, Beta::Same(1.0), 3, &Streams::new(2));
    assert_eq!(plain, heated);
}
