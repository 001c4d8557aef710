//! Recognition nets whose units depend on the units before them in their layer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use crate::common::{all_rows, joint_of, mean, pack_layers};
use gm_core::{
    AisSettings, BitMatrix, Format, Matrix, ModelData, Recognition, Schedule, Stack, Streams, Vector, log_sum_exp,
    logit, unwatched,
};
use gm_sbn::{BoundSettings, Draws, Sbn};
use gm_testkit::{assert_all_close, assert_close};

/// A net of 3-3-2 units with weights within both hidden layers of its recognition net.
fn small() -> Sbn {
    let sbn = Sbn::initial(&[0.4, 0.5, 0.7], &[3, 2], 2.0, &Streams::new(5)).unwrap();
    let mut sbn = sbn.with_hidden_bias(-0.5).unwrap().with_autoregressive_recognition().unwrap();
    let net = sbn.recognition_mut().unwrap();
    net.update_within(1, |a| *a = Matrix::from_row_slice(3, 3, &[0.0, 1.5, -2.0, 0.0, 0.0, 0.75, 0.0, 0.0, 0.0]));
    net.update_within(2, |a| a[(0, 1)] = -1.25);
    sbn
}

/// log q(h | v) by the chain rule, in double precision.
fn log_q(net: &Recognition, v: &[bool], hidden: &[Vec<bool>]) -> f64 {
    let (mut below, mut sum) = (v.to_vec(), 0.0);
    for (l, x) in (1..).zip(hidden) {
        for j in 0..x.len() {
            let mut input = f64::from(net.bias(l)[j]);
            input += (0..below.len()).filter(|&i| below[i]).map(|i| f64::from(net.weights(l - 1)[(i, j)])).sum::<f64>();
            if let Some(a) = net.within(l) {
                input += (0..j).filter(|&i| x[i]).map(|i| f64::from(a[(i, j)])).sum::<f64>();
            }
            let signed = if x[j] { input } else { -input };
            sum -= (-signed).exp().ln_1p();
        }
        below.clone_from(x);
    }
    sum
}

/// All hidden states of the small net, in packed and in plain form.
fn hidden_states(sbn: &Sbn) -> (Vec<BitMatrix>, Vec<Vec<Vec<bool>>>) {
    let packed = sbn.prior().unwrap().states();
    let plain = |s: usize| packed.iter().map(|x| (0..x.units()).map(|i| x.get(i, s)).collect()).collect();
    let count = packed[0].samples();
    (packed.clone(), (0..count).map(plain).collect())
}

#[test]
fn oracle_probabilities_follow_the_chain_rule_and_add_up_to_one() {
    let sbn = small();
    let (packed, plain) = hidden_states(&sbn);
    for row in 0..8 {
        let v = all_rows(3).select(&[row]);
        let draws = Draws::of_states(&sbn.sampler(), &v, &packed);
        let bits: Vec<bool> = (0..3).map(|i| v.get(i, 0)).collect();
        let expected: Vec<f64> = plain.iter().map(|h| log_q(sbn.recognition().unwrap(), &bits, h)).collect();
        assert_all_close(draws.log_q(), &expected, 1e-6, 1e-6, "log q");
        assert_close(log_sum_exp(draws.log_q()), 0.0, 1e-6, 1e-6, "the sum of q");
    }
}

#[test]
fn stat_joint_draws_have_these_probabilities() {
    const SAMPLES: usize = 100_000;
    let sbn = small();
    let (packed, _) = hidden_states(&sbn);
    let v = all_rows(3).select(&[6]);
    let q: Vec<f64> = Draws::of_states(&sbn.sampler(), &v, &packed).log_q().iter().map(|q| q.exp()).collect();
    let number = |layers: &[BitMatrix], s: usize| {
        (0..packed[0].samples())
            .find(|&n| layers.iter().zip(&packed).all(|(x, all)| x.word(0)[s] == all.word(0)[n]))
            .unwrap()
    };
    let check = |layers: &[BitMatrix], what: &str| {
        let mut counts = vec![0_u32; q.len()];
        (0..SAMPLES).for_each(|s| counts[number(layers, s)] += 1);
        for (state, (&count, q)) in counts.iter().zip(&q).enumerate() {
            let error = (q * (1.0 - q) / SAMPLES as f64).sqrt();
            let found = f64::from(count) / SAMPLES as f64;
            assert!((found - q).abs() < 5.0 * error, "{what}: state {state} has {found}, expected {q}");
        }
    };
    let drawn = Draws::recognised(&sbn.sampler(), &v, SAMPLES, &Streams::new(1));
    check(&drawn.layers()[1..], "draws of bounds");
    // What was drawn is scored as given states are.
    let given = Draws::of_states(&sbn.sampler(), &v, &drawn.layers()[1..]);
    assert_eq!(drawn.log_q(), given.log_q());
    let layers = sbn.sampler().recognise(v.select(&vec![0; SAMPLES]), &Streams::new(2));
    check(&layers[1..], "recognition");
    let means = sbn.recognised_means(&v, SAMPLES, false, &Streams::new(3)).unwrap();
    let exact = |l: usize, i: usize| (0..q.len()).filter(|&n| packed[l].get(i, n)).map(|n| q[n]).sum::<f64>();
    for (l, means) in means.iter().enumerate() {
        let expected: Vec<f64> = (0..means.nrows()).map(|i| exact(l, i)).collect();
        let found: Vec<f64> = means.iter().map(|&m| f64::from(m)).collect();
        assert_all_close(&found, &expected, 0.0, 0.01, "means");
    }
}

/// What a gradient climbs.
type Objective<'a> = &'a dyn Fn(&Sbn) -> f64;

#[test]
fn oracle_gradients_are_finite_differences() {
    let (sbn, step) = (small(), 1.0 / 64.0);
    let data = all_rows(3).select(&[1, 6]);
    let joint = joint_of(&sbn);
    let states: Vec<Vec<u8>> = (0..1 << joint.units()).map(|number| joint.state(number)).collect();
    let (layers, p) = (pack_layers(&sbn, &states), joint.probabilities());
    let dreams = |sbn: &Sbn| {
        let draws = Draws::of_states(&sbn.sampler(), &layers[0], &layers[1..]);
        p.iter().zip(draws.log_q()).map(|(p, q)| p * q).sum::<f64>()
    };
    let divergence = |sbn: &Sbn| {
        let row = |row: usize| {
            let (posterior, v) = (sbn.posterior(&data, row).unwrap(), data.select(&[row]));
            let draws = Draws::of_states(&sbn.sampler(), &v, &posterior.states());
            posterior.probabilities().iter().zip(draws.log_q()).map(|(p, q)| p * q).sum::<f64>()
        };
        mean(&[row(0), row(1)])
    };
    let bound = |samples| move |sbn: &Sbn, data: &BitMatrix| mean(&sbn.exact_bound(data, samples).unwrap());
    let cases: [(&str, Recognition, Objective<'_>); 4] = [
        ("dreams", sbn.exact_dream_gradient().unwrap(), &dreams),
        ("divergence", sbn.exact_recognition_gradient(&data).unwrap(), &divergence),
        ("K = 1", sbn.exact_bound_gradients(&data, 1).unwrap().1, &|sbn| bound(1)(sbn, &data)),
        ("K = 2", sbn.exact_bound_gradients(&data, 2).unwrap().1, &|sbn| bound(2)(sbn, &data)),
    ];
    for (name, gradient, objective) in cases {
        for (tensor, values) in gradient.tensors().enumerate() {
            let tensor_name = &gradient.tensor_names()[tensor];
            for (i, &found) in values.iter().enumerate() {
                let units = gradient.layers();
                let l: usize = tensor_name.rsplit('.').next().unwrap().parse().unwrap();
                if tensor_name.contains("within") && i % units[l] >= i / units[l] {
                    assert_eq!(found, 0.0, "{tensor_name} has no weights from later units");
                    continue;
                }
                let moved = |by: f32| {
                    let mut sbn = sbn.clone();
                    sbn.recognition_mut().unwrap().tensors_mut().nth(tensor).unwrap()[i] += by;
                    objective(&sbn)
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                assert_close(f64::from(found), difference, 3e-3, 3e-4, &format!("{name}, {tensor_name}[{i}]"));
            }
        }
    }
}

#[test]
fn law_an_autoregressive_net_can_explain_away() {
    // Two causes that turn one alarm on; given the alarm they compete.
    let weights = Matrix::from_row_slice(1, 2, &[6.0, 6.0]);
    let biases = vec![Vector::from_element(1, -3.0), Vector::from_vec(vec![-2.0, -2.5])];
    let stack = Stack::new(vec![weights], biases).unwrap();
    let net = Recognition::zeros(&[1, 2]).unwrap();
    let alarm = all_rows(1).select(&[1]);
    let plain = Sbn::new(stack.clone(), Some(net.clone())).unwrap();
    let posterior = plain.posterior(&alarm, 0).unwrap();
    let (states, p) = (posterior.states().swap_remove(0), posterior.probabilities());
    let sum = |first: Option<bool>, second: Option<bool>| -> f64 {
        let fits =
            |s: usize| first.is_none_or(|on| states.get(0, s) == on) && second.is_none_or(|on| states.get(1, s) == on);
        (0..4).filter(|&s| fits(s)).map(|s| p[s]).sum()
    };
    let given = |first| logit(sum(Some(first), Some(true)) / sum(Some(first), None)) as f32;
    let mut exact = net.clone().autoregressive();
    exact.bias_mut(1).copy_from_slice(&[logit(sum(Some(true), None)) as f32, given(false)]);
    exact.update_within(1, |a| a[(0, 1)] = given(true) - given(false));
    let exact = Sbn::new(stack.clone(), Some(exact)).unwrap();
    let log_p = plain.log_prob(&alarm).unwrap()[0];
    assert_close(exact.exact_bound(&alarm, 1).unwrap()[0], log_p, 1e-5, 1e-5, "the bound of the true posterior");
    // The best net of independent units has a gap.
    let best = (0..400)
        .map(|at| {
            let mut net = net.clone();
            net.bias_mut(1).copy_from_slice(&[(at / 20) as f32 * 0.4 - 4.0, (at % 20) as f32 * 0.4 - 4.0]);
            Sbn::new(stack.clone(), Some(net)).unwrap().exact_bound(&alarm, 1).unwrap()[0]
        })
        .fold(f64::NEG_INFINITY, f64::max);
    assert!(best < log_p - 0.1, "{best} with independent units, ln p is {log_p}");
}

#[test]
fn law_estimates_hold_with_an_autoregressive_proposal() {
    let mut sbn = small();
    // A proposal that is rarely certain has weights of small variance.
    sbn.recognition_mut().unwrap().tensors_mut().flatten().for_each(|x| *x *= 0.4);
    let rows = all_rows(3);
    let exact = sbn.log_prob(&rows).unwrap();
    let (packed, _) = hidden_states(&sbn);
    let bounds = sbn.bounds(&rows, &BoundSettings { samples: 20_000, repeats: 1 }, &Streams::new(4), &mut unwatched);
    for (row, (found, exact)) in bounds.unwrap().rows().iter().zip(&exact).enumerate() {
        // The relative variance of the weights, by enumeration.
        let draws = Draws::of_states(&sbn.sampler(), &rows.select(&[row]), &packed);
        let squares: Vec<f64> = draws.log_p().iter().zip(draws.log_q()).map(|(p, q)| 2.0 * (p - exact) - q).collect();
        let error = ((log_sum_exp(&squares).exp() - 1.0) / 20_000.0).sqrt();
        assert!(error < 0.1 && (found - exact).abs() < 5.0 * error, "{found} for {exact}, error {error}");
    }
    let settings = AisSettings { runs: 400, schedule: Schedule::Linear(50) };
    let found = sbn.log_prob_ais(&rows, &settings, &Streams::new(5), &mut unwatched).unwrap();
    for (found, exact) in found.iter().zip(exact) {
        assert!((found.value - exact).abs() < 5.0 * found.std_error + 0.01, "{} for {exact}", found.value);
    }
}

#[test]
fn law_files_of_every_format_keep_the_weights() {
    let data = small().to_data().unwrap();
    for format in Format::ALL {
        let mut file = vec![];
        data.write_as(format, &mut file).unwrap();
        assert_eq!(ModelData::read_as(format, file.as_slice()).unwrap(), data, "{format:?}");
    }
}
