//! Nets whose units depend on the units before them in their layer, and fully visible nets.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use crate::common::{all_rows, joint_of, mean, pack_layers, unpack, with_random_within};
use gm_core::{
    AisSettings, Batch, BitMatrix, Chains, Clamp, Format, ModelData, Schedule, Stack, Streams, log_sum_exp, unwatched,
};
use gm_sbn::{BoundSettings, Draws, Generated, MeanFieldSettings, Sbn};
use gm_testkit::{
    assert_all_close, assert_close, check_conditional, check_joint_draws, check_joint_invariance, check_sweep,
};

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 40_000;

type States = Vec<Vec<u8>>;

/// A fully visible net, one with weights within the visible layer, and ones with weights within all layers.
fn zoo() -> Vec<Sbn> {
    let net = |layers: &[usize], seed: u64| {
        let means: Vec<f32> = (0..layers[0]).map(|i| 0.3 + 0.1 * i as f32).collect();
        Sbn::initial(&means, &layers[1..], 2.0, &Streams::new(seed)).unwrap()
    };
    let autoregressive = |sbn: Sbn| sbn.with_autoregressive_recognition().unwrap();
    vec![
        with_random_within(net(&[5], 1), &[0], 2.0, 11),
        with_random_within(net(&[4, 3], 2), &[0], 2.0, 12),
        with_random_within(net(&[4, 3], 3), &[0, 1], 2.0, 13),
        with_random_within(autoregressive(net(&[3, 3, 2], 4)), &[0, 1, 2], 2.0, 14),
    ]
}

fn states_of(chains: &Chains) -> Vec<BitMatrix> {
    chains.layers.iter().map(|x| x.bits().clone()).collect()
}

/// Wraps something that changes chains as a kernel over plain states.
fn kernel<'a, T>(sbn: &'a Sbn, mut change: impl FnMut(&mut Chains) -> T + 'a) -> impl FnMut(States) -> States + 'a {
    move |states| {
        let mut chains = Chains::new(pack_layers(sbn, &states).into_iter().map(Batch::from).collect());
        change(&mut chains);
        unpack(&states_of(&chains))
    }
}

/// A clamp that keeps the visible units of `mask` as they are.
fn kept(chains: &Chains, mask: impl Fn(usize) -> bool) -> Clamp {
    let v = chains.v().bits();
    Clamp { mask: BitMatrix::from_fn(v.units(), v.samples(), |unit, _| mask(unit)), values: v.clone().into() }
}

#[test]
fn oracle_probabilities_are_those_of_the_definition_and_add_up_to_one() {
    for (case, sbn) in zoo().iter().enumerate() {
        let joint = joint_of(sbn);
        assert_close(joint.log_partition(), 0.0, 1e-9, 1e-9, "the definition is normalised");
        let states: States = (0..1 << joint.units()).map(|number| joint.state(number)).collect();
        let expected: Vec<f64> = states.iter().map(|state| joint.log_prob(state)).collect();
        let found = sbn.log_joint(&pack_layers(sbn, &states));
        assert_all_close(&found, &expected, 1e-5, 1e-5, &format!("log p of all layers of model {case}"));
        let rows = all_rows(sbn.visible());
        let log_probs = sbn.log_prob(&rows).unwrap();
        assert_all_close(&log_probs, joint.log_prob_all_visible(), 1e-9, 1e-9, &format!("log p of model {case}"));
        assert_close(log_sum_exp(&log_probs), 0.0, 1e-9, 1e-9, "p adds up to one");
        for row in [0, rows.samples() - 2] {
            let v: Vec<u8> = (0..rows.units()).map(|unit| u8::from(rows.get(unit, row))).collect();
            let posterior = sbn.posterior(&rows, row).unwrap();
            assert_all_close(&posterior.means(), &joint.posterior_mean(&v), 1e-9, 1e-9, "posterior means");
        }
        let prior = sbn.prior().unwrap();
        let marginals: Vec<f64> = joint.marginals()[1..].concat();
        assert_all_close(&prior.means(), &marginals, 1e-9, 1e-9, "means of the prior");
    }
}

#[test]
fn oracle_states_that_share_their_row_are_scored_as_others_are() {
    for sbn in &zoo()[1..] {
        let (sampler, v) = (sbn.sampler(), all_rows(sbn.visible()));
        let draws = Draws::recognised(&sampler, &v, 5, &Streams::new(3));
        let alone = Generated::new(&sampler, draws.layers().to_vec());
        assert_all_close(draws.log_p(), alone.log_p(), 1e-6, 1e-6, "log p");
        let weights: Vec<f32> = (0..draws.log_p().len()).map(|s| (s % 7) as f32 / 7.0 - 0.3).collect();
        let (mut together, mut apart) = (sbn.stack().clone(), sbn.stack().clone());
        draws.into_parts().0.gradient_into(&weights, &mut together);
        alone.gradient_into(&weights, &mut apart);
        for (found, expected) in together.tensors().zip(apart.tensors()) {
            let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            assert_all_close(&wide(found), &wide(expected), 1e-4, 1e-5, "gradients");
        }
    }
}

/// What a gradient climbs.
type Objective<'a> = &'a dyn Fn(&Sbn) -> f64;

#[test]
fn oracle_gradients_are_finite_differences() {
    let step = 1.0 / 64.0;
    for sbn in zoo() {
        let data = all_rows(sbn.visible()).select(&[1, 6]);
        let log_prob = |sbn: &Sbn| mean(&sbn.log_prob(&data).unwrap());
        let bound = |sbn: &Sbn| mean(&sbn.exact_bound(&data, 2).unwrap());
        let mut cases: Vec<(&str, Stack, Objective<'_>)> =
            vec![("log p", sbn.exact_gradient(&data).unwrap(), &log_prob)];
        if sbn.depth() > 0 {
            cases.push(("K = 2", sbn.exact_bound_gradients(&data, 2).unwrap().0, &bound));
        }
        for (name, gradient, objective) in cases {
            check_gradient(&sbn, step, (name, &gradient), objective);
        }
    }
}

fn check_gradient(sbn: &Sbn, step: f32, (name, gradient): (&str, &Stack), objective: Objective<'_>) {
    for (tensor, values) in gradient.tensors().enumerate() {
        let tensor_name = &gradient.tensor_names()[tensor];
        let l: usize = tensor_name.rsplit('.').next().unwrap().parse().unwrap();
        let units = gradient.layers()[l];
        for (i, &found) in values.iter().enumerate() {
            if tensor_name.contains("within") && i % units >= i / units {
                assert_eq!(found, 0.0, "{tensor_name} has no weights from later units");
                continue;
            }
            let moved = |by: f32| {
                let mut sbn = sbn.clone();
                sbn.stack_mut().tensors_mut().nth(tensor).unwrap()[i] += by;
                objective(&sbn)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert_close(f64::from(found), difference, 3e-3, 3e-4, &format!("{name}, {tensor_name}[{i}]"));
        }
    }
}

#[test]
fn stat_joint_ancestral_samples_follow_the_joint() {
    for (case, sbn) in zoo().iter().enumerate() {
        let seed = 110 + case as u64;
        let layers = sbn.sample(SAMPLES, &Streams::new(seed));
        check_joint_draws(&joint_of(sbn), &unpack(&layers)).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_draws_without_the_units_before_are_found_out() {
    for (case, sbn) in zoo().iter().enumerate() {
        let (seed, joint) = (120 + case as u64, joint_of(sbn));
        for l in sbn.stack().layers_within() {
            // One layer whose units do not see the others, and one whose units see the wrong ones.
            let mut blind = sbn.clone();
            blind.stack_mut().update_within(l, |a| a.fill(0.0));
            let mut turned = sbn.clone();
            turned.stack_mut().update_within(l, |a| {
                let n = a.nrows();
                *a = gm_core::Matrix::from_fn(n, n, |i, j| a[(n - 1 - j, n - 1 - i)]);
            });
            for (what, wrong) in [("blind", &blind), ("turned", &turned)] {
                if wrong == sbn || (what, sbn.layers()[l]) == ("turned", 2) {
                    continue;
                }
                let layers = wrong.sample(SAMPLES, &Streams::new(seed));
                let found = check_joint_draws(&joint, &unpack(&layers));
                assert!(!found.passes(ALPHA), "{what}, layer {l} of model {case}, not caught");
            }
        }
    }
}

#[test]
fn stat_cond_gibbs_draws_each_unit_from_its_conditional() {
    for (case, sbn) in zoo().iter().enumerate().skip(1) {
        let (joint, seed) = (joint_of(sbn), 130 + case as u64);
        let streams = Streams::new(seed);
        let blocks: Vec<Vec<usize>> = (sbn.visible()..joint.units()).map(|unit| vec![unit]).collect();
        let sweep = kernel(sbn, |chains| sbn.gibbs(chains, None, 1, &streams));
        check_sweep(&joint, &blocks, sweep, SAMPLES, seed).assert_passes(ALPHA, seed);
        // A sweep of a net that does not know of the weights within its layers.
        let mut blind = sbn.clone();
        sbn.stack().layers_within().into_iter().for_each(|l| blind.stack_mut().update_within(l, |a| a.fill(0.0)));
        let sweep = kernel(sbn, |chains| blind.gibbs(chains, None, 1, &streams));
        assert!(!check_sweep(&joint, &blocks, sweep, SAMPLES, seed).passes(ALPHA), "model {case}");
    }
}

/// A net whose visible units are drawn without regard to the given units behind them.
fn forgetful(sbn: &Sbn, chains: &mut Chains, mask: impl Fn(usize) -> bool, streams: &Streams) {
    let v = chains.v().bits().clone();
    let mut drawn = match chains.layers.get(1) {
        Some(h) => sbn.sampler().draw_visible(h.bits(), streams).0,
        None => sbn.sample(v.samples(), streams).swap_remove(0),
    };
    drawn.replace_where(&BitMatrix::from_fn(v.units(), v.samples(), |unit, _| mask(unit)), &v);
    chains.layers[0] = drawn.into();
}

#[test]
fn stat_joint_kernels_with_given_units_leave_the_joint_invariant() {
    let masks: [fn(usize) -> bool; 4] = [|_| false, |unit| unit == 0, |unit| unit == 1, |unit| unit > 1];
    for (case, sbn) in zoo().iter().enumerate() {
        let (joint, seed) = (joint_of(sbn), 140 + case as u64);
        let streams = Streams::new(seed);
        for mask in masks {
            let gibbs = kernel(sbn, |chains| sbn.gibbs(chains, Some(&kept(chains, mask)), 2, &streams));
            check_joint_invariance(&joint, gibbs, SAMPLES, seed).assert_passes(ALPHA, seed);
            if sbn.depth() > 0 {
                let clamp = |chains: &Chains| kept(chains, mask);
                let resample =
                    kernel(sbn, |chains| sbn.resample(chains, Some(&clamp(chains)), (2, 4), &streams).unwrap());
                check_joint_invariance(&joint, resample, SAMPLES, seed).assert_passes(ALPHA, seed);
            }
        }
        let wrong = kernel(sbn, |chains| forgetful(sbn, chains, |unit| unit > 1, &streams));
        assert!(!check_joint_invariance(&joint, wrong, SAMPLES, seed).passes(ALPHA), "forgetful, model {case}");
    }
}

#[test]
fn stat_cond_units_behind_the_last_given_one_are_drawn_as_a_block() {
    for (case, sbn) in zoo().iter().enumerate().filter(|(_, sbn)| sbn.depth() == 0) {
        let (joint, seed) = (joint_of(sbn), 150 + case as u64);
        let streams = Streams::new(seed);
        // One sweep is enough, from any state: completions of a beginning are exact draws.
        let tail = kernel(sbn, |chains| sbn.gibbs(chains, Some(&kept(chains, |unit| unit < 2)), 1, &streams));
        let block: Vec<usize> = (2..sbn.visible()).collect();
        check_conditional(&joint, &block, tail, SAMPLES, seed).assert_passes(ALPHA, seed);
        let wrong = kernel(sbn, |chains| forgetful(sbn, chains, |unit| unit < 2, &streams));
        assert!(!check_conditional(&joint, &block, wrong, SAMPLES, seed).passes(ALPHA), "forgetful, model {case}");
    }
}

#[test]
fn law_a_fully_visible_net_is_exact_everywhere() {
    let (sbn, rows) = (zoo().swap_remove(0), all_rows(5));
    let exact = sbn.log_prob(&rows).unwrap();
    assert_eq!((sbn.depth(), sbn.hidden(), sbn.recognition()), (0, 0, None));
    let settings = AisSettings { runs: 2, schedule: Schedule::Linear(3) };
    let found = sbn.log_prob_ais(&rows, &settings, &Streams::new(1), &mut unwatched).unwrap();
    let values: Vec<f64> = found.iter().map(|row| row.value).collect();
    assert_all_close(&values, &exact, 1e-9, 1e-9, "annealing without hidden units");
    let chains = sbn.posterior_chains(rows.clone(), &Streams::new(2)).unwrap();
    let back = sbn.log_prob_reverse_ais(&chains, &settings.schedule, &Streams::new(3), &mut unwatched).unwrap();
    assert_all_close(&back, &exact, 1e-9, 1e-9, "annealing backwards");
    let bounds = sbn.bounds(&rows, &BoundSettings::default(), &Streams::new(4), &mut unwatched).unwrap_err();
    assert!(bounds.to_string().contains("`recognition` is absent"), "{bounds}");
    // Each mean is that of its unit given the units before it.
    let means = sbn.sampler().mean_v_from_chains(&chains);
    let sum = |row: usize| -> f64 {
        let term = |unit: usize| {
            let mean = f64::from(means.get(unit, row));
            if rows.get(unit, row) { mean.ln() } else { (1.0 - mean).ln() }
        };
        (0..5).map(term).sum()
    };
    let sums: Vec<f64> = (0..rows.samples()).map(sum).collect();
    assert_all_close(&sums, &exact, 1e-5, 1e-5, "the product of the means");
}

#[test]
fn law_weights_of_zero_within_layers_change_nothing() {
    let plain = Sbn::initial(&[0.3; 4], &[3, 2], 2.0, &Streams::new(5)).unwrap();
    let lateral = plain.clone().with_layers_within(&[0, 1, 2]).unwrap();
    let rows = all_rows(4);
    assert_all_close(&lateral.log_prob(&rows).unwrap(), &plain.log_prob(&rows).unwrap(), 1e-12, 1e-12, "log p");
    let settings = BoundSettings { samples: 50, repeats: 1 };
    let bounds = |sbn: &Sbn| sbn.bounds(&rows, &settings, &Streams::new(6), &mut unwatched).unwrap().rows();
    assert_all_close(&bounds(&lateral), &bounds(&plain), 1e-9, 1e-9, "bounds");
}

#[test]
fn law_files_of_every_format_keep_the_weights() {
    for data in zoo().iter().map(|sbn| sbn.to_data().unwrap()) {
        for format in Format::ALL {
            let mut file = vec![];
            data.write_as(format, &mut file).unwrap();
            assert_eq!(ModelData::read_as(format, file.as_slice()).unwrap(), data, "{format:?}");
        }
    }
}

#[test]
fn stable_samples_and_chains_do_not_depend_on_threads() {
    let net = Sbn::initial(&[0.3; 150], &[70], 2.0, &Streams::new(1)).unwrap();
    let sbn = with_random_within(net, &[0, 1], 0.3, 2);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(2);
            let mut chains = sbn.posterior_chains(sbn.sample(70, &streams).remove(0), &streams).unwrap();
            let clamp = kept(&chains, |unit| (20..90).contains(&unit));
            sbn.gibbs(&mut chains, Some(&clamp), 2, &streams);
            sbn.resample(&mut chains, Some(&clamp), (2, 3), &streams).unwrap();
            let draws = Draws::recognised(&sbn.sampler(), chains.v().bits(), 3, &streams);
            let mut gradient = sbn.stack().clone();
            let log_p = draws.log_p().to_vec();
            draws.into_parts().0.gradient_into(&[0.01; 210], &mut gradient);
            (chains, log_p, gradient)
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn rejects_mean_field_of_a_net_with_weights_within_layers() {
    for sbn in zoo() {
        let rows = BitMatrix::zeros(sbn.visible(), 1);
        let error = sbn.mean_field(&rows, &MeanFieldSettings::default()).unwrap_err().to_string();
        assert!(error.starts_with("Sbn::mean_field: `stack` is with weights within layers [0"), "{error}");
    }
    let error = Sbn::from_stack(Stack::zeros(&[2, 2]).unwrap()).unwrap().with_layers_within(&[2]).unwrap_err();
    assert_eq!(error.to_string(), "Stack::with_within: `l` is 2, allowed: a layer of the stack");
}
