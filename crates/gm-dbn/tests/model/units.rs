//! Networks with Gaussian and softmax visible units against exact answers, and the mistakes that the checks must catch.

use crate::common::{mean, random_model, random_rbm, wide};
use gm_core::{
    Batch, BitMatrix, Chains, Clamp, Format, Labels, Matrix, ModelData, Stack, Standardise, Streams, Vector,
    VisibleKind, VisibleUnits, log_sum_exp, softplus_sum, unwatched,
};
use gm_dbn::{Dbn, Gradient, Growth, Sleep, Wake};
use gm_rbm::Rbm;
use gm_sbn::BoundSettings;
use gm_testkit::{
    TestResult, assert_all_close, assert_close, binomial_test, central_difference, chi_squared_test, mean_test, rng,
};
use proptest::prelude::*;
use rand::RngExt;

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 40_000;
const THREE: VisibleKind = VisibleKind::Softmax { categories: 3 };

/// Units of a kind; Gaussian ones have variances about 1.
fn units_of(kind: VisibleKind, visible: usize, seed: u64) -> VisibleUnits {
    let mut rng = rng(seed);
    let variance: Vec<f32> = (0..visible).map(|_| 0.5 + rng.random::<f32>()).collect();
    VisibleUnits::new(kind, visible, (kind == VisibleKind::Gaussian).then_some(&variance[..])).expect("sound units")
}

/// A random network with a recognition net near the tied one.
fn model(kind: VisibleKind, seed: u64, layers: &[usize]) -> Dbn {
    random_model(seed, layers, 0.9).with_units(units_of(kind, layers[0], seed)).expect("sound units")
}

/// A Gaussian and a softmax network of a depth.
fn models(seed: u64, hidden: &[usize]) -> [Dbn; 2] {
    let layers = |visible: usize| std::iter::once(visible).chain(hidden.iter().copied()).collect::<Vec<_>>();
    [model(VisibleKind::Gaussian, seed, &layers(4)), model(THREE, seed, &layers(6))]
}

/// Some rows of a network.
fn some_rows(dbn: &Dbn, samples: usize, seed: u64) -> Batch {
    dbn.exact_samples(samples, &Streams::new(seed)).expect("a small network").swap_remove(0)
}

fn column(v: &Batch, row: usize) -> Vec<f64> {
    wide(v.to_matrix().column(row).as_slice())
}

// The same quantities from plain numbers, state by state.

/// All states of `units` units. The first unit changes least often.
fn all_states(units: usize) -> Vec<Vec<f64>> {
    (0..1_usize << units).map(|n| (0..units).map(|unit| (n >> (units - 1 - unit) & 1) as f64).collect()).collect()
}

/// b_l + W_l x.
fn inputs_down(dbn: &Dbn, l: usize, x: &[f64]) -> Vec<f64> {
    let (w, b) = (dbn.stack().weights(l), dbn.stack().bias(l));
    (0..b.len()).map(|i| f64::from(b[i]) + (0..x.len()).map(|j| f64::from(w[(i, j)]) * x[j]).sum::<f64>()).collect()
}

fn log_bernoulli(x: &[f64], inputs: &[f64]) -> f64 {
    x.iter().zip(inputs).map(|(x, z)| x * z).sum::<f64>() - softplus_sum(inputs)
}

fn log_given(dbn: &Dbn, v: &[f64], x: &[f64]) -> f64 {
    let m = inputs_down(dbn, 0, x);
    match dbn.units() {
        VisibleUnits::Gaussian(gaussian) => {
            let term = |i: usize| {
                let s2 = f64::from(gaussian.variance()[i]);
                -(v[i] - m[i]).powi(2) / (2.0 * s2) - (std::f64::consts::TAU * s2).ln() / 2.0
            };
            (0..v.len()).map(term).sum()
        }
        units => {
            let each = units.groups().expect("groups").categories();
            let chosen = v.iter().zip(&m).map(|(v, m)| v * m).sum::<f64>();
            chosen - m.chunks(each).map(log_sum_exp).sum::<f64>()
        }
    }
}

/// A state of the hidden layers in one list, layer by layer; the top one may be left out.
fn layers_of<'a>(dbn: &Dbn, hidden: &'a [f64]) -> Vec<&'a [f64]> {
    let mut rest = hidden;
    let take = |&units: &usize| {
        let (layer, above) = rest.split_at(units.min(rest.len()));
        rest = above;
        layer
    };
    dbn.layers()[1..].iter().map(take).collect()
}

/// log p(v, h) + log Z.
fn log_joint(dbn: &Dbn, v: &[f64], hidden: &[f64]) -> f64 {
    let (x, depth) = (layers_of(dbn, hidden), dbn.depth());
    let directed: f64 = (1..depth - 1).map(|l| log_bernoulli(x[l - 1], &inputs_down(dbn, l, x[l]))).sum();
    log_given(dbn, v, x[0]) + directed + log_top(dbn, x[depth - 2], x[depth - 1])
}

/// The exponent of the RBM on top.
fn log_top(dbn: &Dbn, x: &[f64], y: &[f64]) -> f64 {
    let inputs = inputs_down(dbn, dbn.depth() - 1, y);
    let bias = dbn.stack().bias(dbn.depth());
    x.iter().zip(&inputs).map(|(x, z)| x * z).sum::<f64>()
        + y.iter().zip(bias).map(|(y, &b)| y * f64::from(b)).sum::<f64>()
}

fn log_z(dbn: &Dbn) -> f64 {
    let (layers, depth) = (dbn.layers(), dbn.depth());
    let terms: Vec<f64> = all_states(layers[depth - 1])
        .iter()
        .flat_map(|x| all_states(layers[depth]).into_iter().map(|y| log_top(dbn, x, &y)).collect::<Vec<_>>())
        .collect();
    log_sum_exp(&terms)
}

/// log q(x_1, ..., x_(L-1) | v).
fn log_q(dbn: &Dbn, v: &[f64], hidden: &[f64]) -> f64 {
    let (x, net) = (layers_of(dbn, hidden), dbn.recognition().expect("a recognition net"));
    let variance = dbn.units().gaussian().map(|gaussian| wide(gaussian.variance()));
    let signal: Vec<f64> = v.iter().enumerate().map(|(i, v)| v / variance.as_ref().map_or(1.0, |s2| s2[i])).collect();
    let term = |l: usize| {
        let below = if l == 1 { &signal[..] } else { x[l - 2] };
        let (w, r) = (net.weights(l - 1), net.bias(l));
        let input = |j: usize| f64::from(r[j]) + (0..below.len()).map(|i| f64::from(w[(i, j)]) * below[i]).sum::<f64>();
        log_bernoulli(x[l - 1], &(0..r.len()).map(input).collect::<Vec<_>>())
    };
    (1..dbn.depth()).map(term).sum()
}

fn hidden_units(dbn: &Dbn) -> usize {
    dbn.layers()[1..].iter().sum()
}

/// Hidden states as layers of packed bits below a batch of rows, one row for each state.
fn packed(dbn: &Dbn, v: Batch, states: &[Vec<f64>]) -> Vec<Batch> {
    let mut first = 0;
    let layer = |&units: &usize| {
        let offset = first;
        first += units;
        Batch::from(BitMatrix::from_fn(units, states.len(), |unit, s| states[s][offset + unit] == 1.0))
    };
    std::iter::once(v).chain(dbn.layers()[1..].iter().map(layer)).collect()
}

#[test]
fn oracle_log_p_joint_and_posterior() {
    for (seed, hidden) in [(1, &[3, 4][..]), (2, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            let (v, log_z) = (some_rows(&dbn, 5, seed), log_z(&dbn));
            assert_close(dbn.log_partition().unwrap(), log_z, 1e-6, 0.0, "log Z");
            let found = dbn.log_prob(&v, log_z).unwrap();
            let states = all_states(hidden_units(&dbn));
            for (row, &found) in found.iter().enumerate() {
                let of_row = column(&v, row);
                let expected: Vec<f64> = states.iter().map(|h| log_joint(&dbn, &of_row, h)).collect();
                let total = log_sum_exp(&expected);
                assert_close(found, total - log_z, 1e-5, 1e-5, "log p(v)");
                let all = packed(&dbn, v.select(&vec![row; states.len()]), &states);
                let normalised: Vec<f64> = expected.iter().map(|log_p| log_p - log_z).collect();
                assert_all_close(&dbn.log_joint(&all, log_z), &normalised, 1e-5, 1e-5, "log p(v, h)");
                let means: Vec<f64> = (0..hidden_units(&dbn))
                    .map(|unit| states.iter().zip(&expected).map(|(h, p)| h[unit] * (p - total).exp()).sum())
                    .collect();
                assert_all_close(&dbn.posterior(&v, row).unwrap().means(), &means, 0.0, 1e-5, "E[h | v]");
            }
        }
    }
}

#[test]
fn oracle_probabilities_of_categories_sum_to_one() {
    let dbn = model(THREE, 3, &[6, 3, 4]);
    let all = BitMatrix::from_fn(6, 9, |unit, row| [row / 3, row % 3][unit / 3] == unit % 3);
    let log_prob = dbn.log_prob(&all, dbn.log_partition().unwrap()).unwrap();
    assert!(log_sum_exp(&log_prob).abs() < 1e-6);
}

#[test]
fn oracle_gaussian_density_integrates_to_one() {
    let units = VisibleUnits::new(VisibleKind::Gaussian, 1, Some(&[0.6])).unwrap();
    let dbn = random_model(3, &[1, 3, 2], 1.0).with_units(units).unwrap();
    let grid = Matrix::from_fn(1, 4_001, |_, i| -20.0 + 0.01 * i as f32);
    let log_prob = dbn.log_prob(&grid, dbn.log_partition().unwrap()).unwrap();
    let integral: f64 = log_prob.iter().map(|log_p| 0.01 * log_p.exp()).sum();
    assert!((integral - 1.0).abs() < 1e-5, "{integral}");
}

#[test]
fn oracle_bound_of_one_draw() {
    for (seed, hidden) in [(4, &[3, 4][..]), (5, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            let (v, log_z) = (some_rows(&dbn, 4, seed), log_z(&dbn));
            let found = dbn.exact_bound(&v, log_z, 1).unwrap();
            let (directed, top) = (dbn.enumerable_hidden_units(), *dbn.layers().last().unwrap());
            for (row, &found) in found.iter().enumerate() {
                let of_row = column(&v, row);
                let term = |x: &Vec<f64>| {
                    let joint: Vec<f64> = all_states(top)
                        .into_iter()
                        .map(|y| log_joint(&dbn, &of_row, &[x.clone(), y].concat()))
                        .collect();
                    let log_q = log_q(&dbn, &of_row, x);
                    log_q.exp() * (log_sum_exp(&joint) - log_z - log_q)
                };
                let expected: f64 = all_states(directed).iter().map(term).sum();
                assert_close(found, expected, 1e-4, 1e-4, "ELBO");
            }
        }
    }
}

fn kinds() -> impl Strategy<Value = (Dbn, u64)> {
    let hidden = prop::collection::vec(1_usize..=3, 2..=3);
    (hidden, any::<u64>(), any::<bool>()).prop_map(|(hidden, seed, gaussian)| {
        let [real, groups] = models(seed, &hidden);
        (if gaussian { real } else { groups }, seed)
    })
}

proptest! {
    #[test]
    fn law_bounds_never_exceed_log_p_and_rise_with_draws((dbn, seed) in kinds()) {
        let (data, log_z) = (some_rows(&dbn, 3, seed), dbn.log_partition().unwrap());
        let exact = dbn.log_prob(&data, log_z).unwrap();
        let one = dbn.exact_bound(&data, log_z, 1).unwrap();
        prop_assert!(one.iter().zip(&exact).all(|(bound, exact)| *bound <= exact + 1e-4));
        if dbn.enumerable_hidden_units() <= 5 {
            let two = dbn.exact_bound(&data, log_z, 2).unwrap();
            prop_assert!(one.iter().zip(&two).all(|(one, two)| *one <= two + 1e-4));
            prop_assert!(two.iter().zip(&exact).all(|(two, exact)| *two <= exact + 1e-4));
        }
    }
}

#[test]
fn law_a_network_of_one_hidden_layer_is_the_machine_bit_for_bit() {
    for (kind, visible) in [(VisibleKind::Gaussian, 5), (THREE, 6)] {
        let rbm = random_rbm(6, visible, 4, 1.0);
        let rbm = Rbm::from_stack(rbm.into_stack()).unwrap().with_units(units_of(kind, visible, 6)).unwrap();
        let dbn = Dbn::from_rbm(&rbm).unwrap();
        assert_eq!((&dbn.top(), &Dbn::unroll(&rbm, 1).unwrap()), (&rbm, &dbn));
        let (streams, log_z) = (Streams::new(7), rbm.log_partition().unwrap());
        assert_eq!(dbn.log_partition().unwrap(), log_z);
        let mut theirs = rbm.exact_samples(50, &streams).unwrap();
        let sampler = dbn.sampler();
        let mut ours = sampler.exact_chains(50, &streams).unwrap();
        rbm.sampler().run(&mut theirs, 5, &streams);
        sampler.run(&mut ours, 5, &streams);
        assert_eq!((&sampler.sample_layers_from_chains(&ours, &streams)[0], ours.h()), (theirs.v(), theirs.h()));
        let means = rbm.sampler().mean_v_from_h(theirs.h());
        assert_eq!(sampler.mean_v_from_chains(&ours, &streams).to_matrix(), means.to_matrix());
        assert_eq!(dbn.visible_means_from_h(theirs.h()).to_matrix(), means.to_matrix());
        let log_prob = rbm.log_prob(theirs.v(), log_z).unwrap();
        assert_eq!(dbn.log_prob(theirs.v(), log_z).unwrap(), log_prob);
        assert_eq!(dbn.exact_bound(theirs.v(), log_z, 3).unwrap(), log_prob);
        let settings = BoundSettings { samples: 3, repeats: 1 };
        let bounds = dbn.bounds(theirs.v(), log_z, &settings, &streams, &mut unwatched).unwrap();
        assert_all_close(&bounds.rows(), &log_prob, 1e-12, 1e-12, "bounds");
        assert_eq!(dbn.means_up_from_v(&theirs.v().to_matrix())[0], rbm.mean_h_from_v(&theirs.v().to_matrix()));
        let (gradient, expected) = (dbn.exact_gradient(theirs.v()).unwrap(), rbm.exact_gradient(theirs.v()).unwrap());
        assert_eq!(gradient.stack(), &expected);
        let posterior = dbn.posterior(theirs.v(), 3).unwrap().means();
        let direct = rbm.sampler().mean_h_from_v(&theirs.v().select(&[3])).to_matrix();
        assert_all_close(&posterior, &wide(direct.as_slice()), 0.0, 1e-5, "posterior");
    }
}

#[test]
fn law_recognition_of_a_grown_network_is_the_posterior_of_the_machine_below() {
    for (kind, visible) in [(VisibleKind::Gaussian, 5), (THREE, 6)] {
        let rbm = random_rbm(8, visible, 4, 1.0);
        let rbm = Rbm::from_stack(rbm.into_stack()).unwrap().with_units(units_of(kind, visible, 8)).unwrap();
        let streams = Streams::new(1);
        let grown = Dbn::from_rbm(&rbm).unwrap().grown(5, Growth::Random, 0.01, &[0.5; 4], &streams).unwrap();
        let v = rbm.exact_samples(20, &streams).unwrap().into_v();
        assert_eq!(grown.means_up_from_v(&v.to_matrix())[0], rbm.mean_h_from_v(&v.to_matrix()));
        // And the layer above that may mirror the first one, which is binary.
        let deeper = grown.grown(4, Growth::Unrolled, 0.0, &[0.5; 5], &streams).unwrap();
        let log_prob = |dbn: &Dbn| dbn.log_prob(&v, dbn.log_partition().unwrap()).unwrap();
        assert_all_close(&log_prob(&deeper), &log_prob(&grown), 1e-5, 1e-5, "log p");
        assert_eq!(deeper.units(), rbm.units());
    }
}

#[test]
fn oracle_gradient_is_that_of_finite_differences() {
    for (seed, hidden) in [(9, &[3, 4][..]), (10, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            let data = some_rows(&dbn, 4, seed);
            let log_prob = |dbn: &Dbn| mean(&dbn.log_prob(&data, dbn.log_partition().unwrap()).unwrap());
            let found = dbn.exact_gradient(&data).unwrap();
            let variance = dbn.units().gaussian().map(|gaussian| gaussian.variance().to_vec());
            let tensors: Vec<Vec<f32>> = found.stack().tensors().map(<[f32]>::to_vec).collect();
            for (t, tensor) in tensors.iter().enumerate() {
                for (i, &found) in tensor.iter().enumerate() {
                    let slope = central_difference(
                        |x| {
                            let mut moved = dbn.clone();
                            moved.stack_mut().tensors_mut().nth(t).unwrap()[i] += x[0] as f32;
                            log_prob(&moved)
                        },
                        &[0.0],
                        1e-2,
                    )[0];
                    // W_0 is the first tensor, b_0 the first behind the weights.
                    let of_visible = t == 0 || t == dbn.depth();
                    let scale = variance.as_ref().filter(|_| of_visible).map_or(1.0, |s2| s2[i % s2.len()]);
                    assert_close(f64::from(found), f64::from(scale) * slope, 1e-3, 2e-3, &format!("{t} {i}"));
                }
            }
        }
    }
}

#[test]
fn oracle_wake_and_sleep_gradients() {
    for dbn in models(11, &[3, 4]) {
        let (sampler, streams) = (dbn.sampler(), Streams::new(3));
        let v = some_rows(&dbn, 5, 11);
        let wake = Wake::new(&sampler, &v, 3, &streams);
        let (log_weights, x) = (wake.log_weights(), wake.lower().clone());
        let of_draw = |s: usize| (0..3).map(|unit| f64::from(u8::from(x.get(unit, s)))).collect::<Vec<f64>>();
        for (s, &found) in log_weights.iter().enumerate() {
            let (row, x) = (column(&v, s / 3), of_draw(s));
            let joint: Vec<f64> =
                all_states(4).into_iter().map(|y| log_joint(&dbn, &row, &[x.clone(), y].concat())).collect();
            assert_close(found, log_sum_exp(&joint) - log_q(&dbn, &row, &x), 1e-4, 1e-4, "log weight");
        }
        let a: Vec<f32> = (0..15).map(|s| 0.1 + 0.01 * s as f32).collect();
        let mut found = Gradient::zeros(&dbn);
        found.set_directed(wake, (&a, Some(&a)), None);
        let means = dbn.visible_means_from_h(&x).to_matrix();
        let scores = v.select(&(0..15).map(|s| s / 3).collect::<Vec<_>>()).to_matrix() - means;
        let weighted = Matrix::from_fn(scores.nrows(), 15, |unit, s| a[s] * scores[(unit, s)]);
        let expected = &weighted * x.to_matrix().transpose();
        assert!((found.stack().weights(0) - expected).amax() < 1e-4);
        assert!((found.stack().bias(0) - weighted.column_sum()).amax() < 1e-4);
        // The recognition net learns from v, which is s^2 times the gradient of Gaussian units.
        let copies = v.select(&(0..15).map(|s| s / 3).collect::<Vec<_>>()).to_matrix();
        let of_q = x.to_matrix() - dbn.means_up_from_v(&copies).swap_remove(0);
        let weighted = Matrix::from_fn(3, 15, |unit, s| a[s] * of_q[(unit, s)]);
        let tensors: Vec<&[f32]> = found.tensors().skip(5).collect();
        let expected = &copies * weighted.transpose();
        assert!(tensors[0].iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(tensors[1].iter().zip(&weighted.column_sum()).all(|(a, b)| (a - b).abs() < 1e-4));
        // Dreams: the mean of what the recognition net says of them.
        let sleep = Sleep::new(&sampler, &x, &streams);
        let dreams = sampler.descend(&x, &streams);
        let of_q = x.to_matrix() - dbn.means_up_from_v(&dreams[0].to_matrix()).swap_remove(0);
        let expected = dreams[0].to_matrix() * of_q.transpose() / 15.0;
        let wake = Wake::new(&sampler, &v, 3, &streams);
        found.set_directed(wake, (&a, None), Some((sleep, 1.0)));
        let tensors: Vec<&[f32]> = found.tensors().skip(5).collect();
        assert!(tensors[0].iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

/// Two matrices, and how far they are apart relative to the first.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>();
    (square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut a.iter().copied())).sqrt()
}

#[test]
fn oracle_importance_weighted_draws_approach_the_exact_gradient() {
    for dbn in models(12, &[3, 2, 3]) {
        let v = some_rows(&dbn, 1, 12);
        let wake = Wake::new(&dbn.sampler(), &v, 60_000, &Streams::new(4));
        let logs = wake.log_weights();
        let total = log_sum_exp(&logs);
        let a: Vec<f32> = logs.iter().map(|log| (log - total).exp() as f32).collect();
        let mut found = Gradient::zeros(&dbn);
        found.set_directed(wake, (&a, None), None);
        let exact = dbn.exact_gradient(&v).unwrap();
        for l in 0..2 {
            let far = distance(exact.stack().weights(l).as_slice(), found.stack().weights(l).as_slice());
            assert!(far < 0.05, "weights {l}: {far}");
            assert!(distance(exact.stack().bias(l).as_slice(), found.stack().bias(l).as_slice()) < 0.05);
        }
    }
}

// Distributions of draws.

/// Hidden states of chains as one number each, the first unit the slowest.
fn numbers(layers: &[Batch]) -> Vec<usize> {
    let number = |chain: usize| {
        let bits = layers[1..].iter().flat_map(|x| (0..x.units()).map(move |unit| x.bits().get(unit, chain)));
        bits.fold(0, |number, on| 2 * number + usize::from(on))
    };
    (0..layers[0].samples()).map(number).collect()
}

/// Counts of hidden states given one row against the exact posterior.
fn posterior_test(dbn: &Dbn, row: &[f64], layers: &[Batch]) -> TestResult {
    let log_p: Vec<f64> = all_states(hidden_units(dbn)).iter().map(|h| log_joint(dbn, row, h)).collect();
    let total = log_sum_exp(&log_p);
    let mut observed = vec![0; log_p.len()];
    numbers(layers).into_iter().for_each(|number| observed[number] += 1);
    chi_squared_test(&observed, &log_p.iter().map(|p| (p - total).exp()).collect::<Vec<_>>())
}

/// Chains whose hidden states are exact draws of the posterior of a row.
fn exact_posterior(dbn: &Dbn, v: &Batch, seed: u64) -> Chains {
    let (states, row) = (all_states(hidden_units(dbn)), column(v, 0));
    let log_p: Vec<f64> = states.iter().map(|h| log_joint(dbn, &row, h)).collect();
    let total = log_sum_exp(&log_p);
    let choice = gm_testkit::Categorical::new(&log_p.iter().map(|p| (p - total).exp()).collect::<Vec<_>>());
    let mut rng = rng(seed);
    let drawn: Vec<Vec<f64>> = (0..SAMPLES).map(|_| states[choice.draw(&mut rng)].clone()).collect();
    Chains::new(packed(dbn, v.select(&vec![0; SAMPLES]), &drawn))
}

#[test]
fn stat_joint_gibbs_leaves_the_posterior_invariant() {
    for (seed, hidden) in [(13, &[3, 4][..]), (14, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            let v = some_rows(&dbn, 1, seed);
            for sweeps in [1, 4] {
                let mut chains = exact_posterior(&dbn, &v, seed);
                dbn.gibbs(&mut chains, None, sweeps, &Streams::new(seed));
                assert_eq!(column(&chains.layers[0], 7), column(&v, 0));
                posterior_test(&dbn, &column(&v, 0), &chains.layers).assert_passes(ALPHA, seed);
            }
            // From anywhere, after many sweeps.
            let mut chains = dbn.posterior_chains(v.select(&vec![0; SAMPLES]), &Streams::new(seed)).unwrap();
            dbn.gibbs(&mut chains, None, 40, &Streams::new(seed));
            posterior_test(&dbn, &column(&v, 0), &chains.layers).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_joint_sweeps_with_other_units_and_the_recognition_net_are_found_out() {
    for (case, dbn) in models(15, &[3, 4]).into_iter().enumerate() {
        let (v, seed) = (some_rows(&dbn, 1, 15), 20 + case as u64);
        let row = column(&v, 0);
        // The pass up in the place of the posterior.
        let chains = dbn.posterior_chains(v.select(&vec![0; SAMPLES]), &Streams::new(seed)).unwrap();
        assert!(!posterior_test(&dbn, &row, &chains.layers).passes(ALPHA), "model {case}");
        // Gaussian units of other variances, and groups whose units were independent ones.
        let wrong = match dbn.units() {
            VisibleUnits::Gaussian(_) => VisibleUnits::new(VisibleKind::Gaussian, 4, Some(&[0.3; 4])).unwrap(),
            _ => VisibleUnits::Bernoulli,
        };
        let wrong = dbn.clone().with_units(wrong).unwrap();
        let mut chains = exact_posterior(&dbn, &v, seed);
        wrong.gibbs(&mut chains, None, 3, &Streams::new(seed));
        assert!(!posterior_test(&dbn, &row, &chains.layers).passes(ALPHA), "model {case}");
    }
}

/// How often a sweep from a given state turns the first hidden unit on, against its conditional.
fn first_unit(dbn: &Dbn, swept: &Dbn, seed: u64) -> TestResult {
    const STATES: usize = 40;
    const REPEATS: usize = 2_000;
    let mut rng = rng(seed);
    let units = hidden_units(dbn);
    let v = some_rows(dbn, STATES, seed);
    let states: Vec<Vec<f64>> =
        (0..STATES).map(|_| (0..units).map(|_| f64::from(u8::from(rng.random::<bool>()))).collect()).collect();
    let conditional = |s: usize| {
        let with = |on: f64| {
            let mut state = states[s].clone();
            state[0] = on;
            log_joint(dbn, &column(&v, s), &state)
        };
        gm_core::logistic_f64(with(1.0) - with(0.0))
    };
    let copies: Vec<usize> = (0..STATES * REPEATS).map(|i| i / REPEATS).collect();
    let repeated: Vec<Vec<f64>> = copies.iter().map(|&s| states[s].clone()).collect();
    let mut chains = Chains::new(packed(dbn, v.select(&copies), &repeated));
    swept.gibbs(&mut chains, None, 1, &Streams::new(seed));
    let x = chains.layers[1].bits();
    let on = |s: usize| (s * REPEATS..(s + 1) * REPEATS).filter(|&i| x.get(0, i)).count() as u64;
    let (successes, probabilities): (Vec<u64>, Vec<f64>) = (0..STATES).map(|s| (on(s), conditional(s))).unzip();
    binomial_test(&successes, &[REPEATS as u64; STATES], &probabilities)
}

#[test]
fn stat_cond_gibbs_draws_a_unit_from_its_conditional() {
    for (seed, hidden) in [(16, &[3, 4][..]), (17, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            first_unit(&dbn, &dbn, seed).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_cond_a_conditional_without_the_layer_above_or_of_other_units_is_found_out() {
    for mut dbn in models(18, &[3, 4]) {
        // A number added to all units of a group changes nothing there, but much for independent units.
        dbn.stack_mut().update_weights(0, |w| w.column_mut(0).add_scalar_mut(1.5));
        let mut alone = dbn.clone();
        alone.stack_mut().update_weights(1, |w| w.fill(0.0));
        assert!(!first_unit(&dbn, &alone, 18).passes(ALPHA));
        let wrong = match dbn.units() {
            VisibleUnits::Gaussian(_) => VisibleUnits::new(VisibleKind::Gaussian, 4, Some(&[0.3; 4])).unwrap(),
            _ => VisibleUnits::Bernoulli,
        };
        let result = first_unit(&dbn, &dbn.clone().with_units(wrong).unwrap(), 18);
        assert!(!result.passes(ALPHA), "{}: {result:?}", dbn.units().kind());
    }
}

/// Counts of categories and hidden states together against the exact joint distribution.
fn joint_test(dbn: &Dbn, layers: &[Batch]) -> TestResult {
    let (states, log_z) = (all_states(hidden_units(dbn)), log_z(dbn));
    let row = |number: usize| {
        let categories = [number / 3, number % 3];
        (0..6).map(|unit| f64::from(u8::from(categories[unit / 3] == unit % 3))).collect::<Vec<f64>>()
    };
    let expected: Vec<f64> = (0..9)
        .flat_map(|number| {
            let row = row(number);
            states.iter().map(|h| (log_joint(dbn, &row, h) - log_z).exp()).collect::<Vec<_>>()
        })
        .collect();
    let groups = dbn.units().groups().expect("groups");
    let mut observed = vec![0; expected.len()];
    for (chain, hidden) in numbers(layers).into_iter().enumerate() {
        let category = |group| groups.category(layers[0].bits(), group, chain).expect("one-hot");
        observed[(3 * category(0) + category(1)) * states.len() + hidden] += 1;
    }
    chi_squared_test(&observed, &expected)
}

/// All layers of exact chains of the RBM after some sweeps and a pass down.
fn passed_down(dbn: &Dbn, seed: u64) -> Vec<Batch> {
    let (sampler, streams) = (dbn.sampler(), Streams::new(seed));
    let mut chains = sampler.exact_chains(SAMPLES, &streams).expect("a small network");
    sampler.run(&mut chains, 3, &streams);
    let mut layers = sampler.sample_layers_from_chains(&chains, &streams);
    layers.push(chains.h().clone().into());
    layers
}

#[test]
fn stat_joint_categories_and_hidden_layers_follow_the_joint() {
    for (seed, layers) in [(19, &[6, 3, 3][..]), (20, &[6, 2, 2, 3])] {
        let dbn = model(THREE, seed, layers);
        let drawn = passed_down(&dbn, seed);
        joint_test(&dbn, &drawn).assert_passes(ALPHA, seed);
        // Gibbs sampling of everything but the first category leaves it so.
        let mut chains = Chains::new(drawn);
        let mask = BitMatrix::from_fn(6, SAMPLES, |unit, _| unit < 3);
        let clamp = Clamp { mask, values: chains.v().clone() };
        dbn.gibbs(&mut chains, Some(&clamp), 2, &Streams::new(seed));
        joint_test(&dbn, &chains.layers).assert_passes(ALPHA, seed);
    }
}

#[test]
fn planted_joint_categories_of_another_moment_are_found_out() {
    let dbn = model(THREE, 19, &[6, 3, 3]);
    let mut drawn = passed_down(&dbn, 19);
    drawn[0] = drawn[0].select(&(0..SAMPLES).map(|s| (s + 1) % SAMPLES).collect::<Vec<_>>());
    assert!(!joint_test(&dbn, &drawn).passes(ALPHA));
}

/// Residuals (v - m) / s of Gaussian units, and their squares less 1, for one unit.
fn residuals(dbn: &Dbn, layers: &[Batch], unit: usize) -> [Vec<f64>; 2] {
    let (v, means) = (layers[0].to_matrix(), dbn.visible_means_from_h(&layers[1]).to_matrix());
    let deviation = f64::from(dbn.units().gaussian().expect("gaussian units").variance()[unit]).sqrt();
    let residual = |s: usize| f64::from(v[(unit, s)] - means[(unit, s)]) / deviation;
    let plain: Vec<f64> = (0..SAMPLES).map(residual).collect();
    let squares = plain.iter().map(|x| x * x - 1.0).collect();
    [plain, squares]
}

#[test]
fn stat_mean_gaussian_units_vary_about_their_means_and_hidden_layers_follow_the_machine() {
    for (seed, layers) in [(21, &[4, 3, 4][..]), (22, &[4, 3, 2, 3])] {
        let dbn = model(VisibleKind::Gaussian, seed, layers);
        let drawn = passed_down(&dbn, seed);
        let mut chains = Chains::new(drawn.clone());
        // Sampling of everything but the first unit.
        let mask = BitMatrix::from_fn(4, SAMPLES, |unit, _| unit < 1);
        let clamp = Clamp { mask, values: chains.v().clone() };
        dbn.gibbs(&mut chains, Some(&clamp), 2, &Streams::new(seed));
        for layers in [&drawn[..], &chains.layers[..]] {
            for unit in 1..4 {
                residuals(&dbn, layers, unit)
                    .iter()
                    .for_each(|values| mean_test(values, 0.0).assert_passes(ALPHA, seed));
            }
            // The hidden layers have the distribution of a network whose visible units say nothing.
            let mut blind = dbn.clone();
            blind.stack_mut().update_weights(0, |w| w.fill(0.0));
            posterior_test(&blind, &[0.0; 4], layers).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_mean_gaussian_units_of_another_variance_are_found_out() {
    let dbn = model(VisibleKind::Gaussian, 21, &[4, 3, 4]);
    let units = VisibleUnits::new(VisibleKind::Gaussian, 4, Some(&[1.0; 4])).unwrap();
    let drawn = passed_down(&dbn.clone().with_units(units).unwrap(), 21);
    let [_, squares] = residuals(&dbn, &drawn, 1);
    assert!(!mean_test(&squares, 0.0).passes(ALPHA));
}

#[test]
fn stat_mean_bounds_agree_with_their_expectations() {
    for (seed, hidden) in [(23, &[3, 4][..]), (24, &[3, 2, 3])] {
        for dbn in models(seed, hidden) {
            let (v, log_z) = (some_rows(&dbn, 1, seed), dbn.log_partition().unwrap());
            for samples in [1, 2] {
                let expected = dbn.exact_bound(&v, log_z, samples).unwrap()[0];
                let settings = BoundSettings { samples, repeats: 3_000 };
                let bounds = dbn.bounds(&v, log_z, &settings, &Streams::new(seed), &mut unwatched).unwrap();
                let repeated: Vec<f64> = bounds.importance_weighted.iter().map(|rows| rows[0]).collect();
                mean_test(&repeated, expected).assert_passes(ALPHA, seed);
            }
            let many = BoundSettings { samples: 100_000, repeats: 1 };
            let bounds = dbn.bounds(&v, log_z, &many, &Streams::new(seed), &mut unwatched).unwrap();
            let exact = dbn.log_prob(&v, log_z).unwrap()[0];
            assert!((bounds.rows()[0] - exact).abs() < 6.0 * (1.0 / bounds.ess[0]).sqrt() + 1e-4, "{exact}");
        }
    }
}

#[test]
fn planted_mean_weights_of_another_recognition_net_are_found_out() {
    for dbn in models(23, &[3, 4]) {
        let (v, log_z) = (some_rows(&dbn, 1, 23), dbn.log_partition().unwrap());
        let expected = dbn.exact_bound(&v, log_z, 1).unwrap()[0];
        let mut off = dbn.clone();
        off.recognition_mut().unwrap().update_weights(0, |w| w.fill(0.0));
        let wake = Wake::new(&off.sampler(), &v, 20_000, &Streams::new(4));
        let weights: Vec<f64> = wake.log_weights().iter().map(|w| w - log_z).collect();
        let result = mean_test(&weights, expected);
        assert!(!result.passes(ALPHA), "{}: {result:?}", dbn.units().kind());
    }
}

// Files, rows and refusals.

fn standardised(mut units: VisibleUnits) -> VisibleUnits {
    if let Some(gaussian) = units.gaussian_mut() {
        let n = gaussian.variance().len();
        let standardise = Some(Standardise::new(vec![10.0; n], vec![4.0; n]).expect("sound numbers"));
        *gaussian = gaussian.clone().with_standardise(standardise).expect("the same number of units");
    }
    units
}

#[test]
fn law_files_give_back_what_was_written() {
    for dbn in models(25, &[3, 4]) {
        let units = standardised(dbn.units().clone());
        let dbn = dbn.with_units(units).unwrap();
        let labels = Labels::new(Matrix::from_fn(3, 4, |i, j| i as f32 - 0.3 * j as f32), Vector::zeros(3)).unwrap();
        for model in [dbn.clone(), dbn.with_labels(Some(labels)).unwrap()] {
            for format in [Format::Gm, Format::Json, Format::Safetensors, Format::Npz] {
                let mut file = Vec::new();
                model.to_data().unwrap().write_as(format, &mut file).unwrap();
                let again = Dbn::from_data(ModelData::read_as(format, &file[..]).unwrap()).unwrap();
                assert_eq!(again, model, "{format:?}");
            }
        }
    }
}

#[test]
fn law_densities_of_rows_are_those_of_states_over_the_volume() {
    let dbn = model(VisibleKind::Gaussian, 26, &[2, 3, 2]);
    let units = standardised(dbn.units().clone());
    let dbn = dbn.with_units(units).unwrap();
    let rows = Matrix::from_column_slice(2, 2, &[14.0, 6.0, 10.0, 12.0]);
    let states = dbn.states_of_rows(&rows).unwrap();
    assert_eq!(states.to_matrix().as_slice(), [1.0, -1.0, 0.0, 0.5]);
    assert_eq!(dbn.rows_of_states(&states.to_matrix()), rows);
    assert!((dbn.log_volume() - 2.0 * 4.0_f64.ln()).abs() < 1e-6);
    let [_, softmax] = models(26, &[3, 2]);
    assert_eq!(softmax.log_volume(), 0.0);
}

#[test]
fn law_label_units_stand_beside_the_machine_on_top() {
    for dbn in models(27, &[3, 4]) {
        let labels = Labels::new(Matrix::from_fn(2, 4, |i, j| i as f32 - 0.5 * j as f32), Vector::zeros(2)).unwrap();
        let labelled = dbn.with_labels(Some(labels)).unwrap();
        let (v, log_z) = (some_rows(&labelled, 4, 27), labelled.log_partition().unwrap());
        // p(v) with both classes summed out, by joining each to the lower layer of the RBM.
        let states = all_states(7);
        let found = labelled.log_prob(&v, log_z).unwrap();
        for (row, &found) in found.iter().enumerate() {
            let of_class = |class: usize| {
                let mut layers = packed(&labelled, v.select(&vec![row; states.len()]), &states);
                let mut joined = layers[1].bits().widened(2);
                (0..states.len()).for_each(|s| joined.set(3 + class, s, true));
                layers[1] = joined.into();
                log_sum_exp(&labelled.log_joint(&layers, log_z))
            };
            assert_close(found, log_sum_exp(&[of_class(0), of_class(1)]), 1e-5, 1e-5, "log p(v)");
        }
        let log_p = labelled.log_class_probs(&v.to_matrix()).unwrap();
        assert!((0..4).all(|row| (log_p.column(row).map(f32::exp).sum() - 1.0).abs() < 1e-5));
    }
}

#[test]
fn rejects_units_labels_growth_and_data_that_do_not_fit() {
    let text = |result: gm_core::Result<Dbn>| result.unwrap_err().to_string();
    let one = Dbn::new(Stack::zeros(&[4, 3]).unwrap(), None).unwrap();
    let units = |kind, n| VisibleUnits::new(kind, n, None).unwrap();
    let labelled = units(VisibleKind::Labelled { classes: 2 }, 4);
    assert_eq!(
        text(one.clone().with_units(labelled)),
        "Dbn::with_units: `visible` is bernoulli+softmax:2, allowed: bernoulli, gaussian or softmax:K; label units belong to \
         the RBM on top"
    );
    assert_eq!(
        text(one.clone().with_units(units(VisibleKind::Gaussian, 5))),
        "Dbn::with_units: `visible_variance` has length 5, expected 4"
    );
    let gaussian = one.clone().with_units(units(VisibleKind::Gaussian, 4)).unwrap();
    let labels = Some(Labels::new(Matrix::zeros(2, 3), Vector::zeros(2)).unwrap());
    assert_eq!(
        text(gaussian.clone().with_labels(labels.clone())),
        "Dbn::with_labels: `labels` is present beside gaussian visible units, allowed: two hidden layers or more, unless \
         visible units are bernoulli"
    );
    let beside = one.with_labels(labels).unwrap().with_units(units(VisibleKind::Gaussian, 4));
    assert!(text(beside).starts_with("Dbn::with_units: `labels` is present beside gaussian visible units"));
    assert_eq!(
        text(gaussian.grown(4, Growth::Unrolled, 0.0, &[0.5; 3], &Streams::new(0))),
        "Dbn::grown: `growth` is unrolled from gaussian visible units, allowed: random for the second hidden layer, unless \
         visible units are bernoulli"
    );
    let [real, groups] = models(1, &[3, 2]);
    let error = |dbn: &Dbn, v: Batch| dbn.log_prob(&v, 0.0).unwrap_err().to_string();
    assert!(error(&real, BitMatrix::zeros(4, 1).into()).contains("real numbers for gaussian units"));
    assert!(error(&real, Matrix::from_element(4, 1, f32::NAN).into()).contains("NaN"));
    assert!(error(&groups, Matrix::zeros(6, 1).into()).contains("zeros and ones for binary units"));
    assert!(error(&groups, BitMatrix::zeros(6, 1).into()).contains("exactly one in each group"));
    assert!(real.posterior_chains(BitMatrix::zeros(4, 1), &Streams::new(0)).is_err());
    assert!(groups.chains_from(Matrix::zeros(6, 1), &Streams::new(0)).is_err());
}

#[test]
fn stable_draws_and_bounds_do_not_depend_on_threads() {
    for (kind, visible) in [(VisibleKind::Gaussian, 80), (THREE, 81)] {
        let dbn = random_model(2, &[visible, 70, 90], 0.1).with_units(units_of(kind, visible, 2)).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (sampler, streams) = (dbn.sampler(), Streams::new(3));
                let mut chains = dbn.chains(130, &streams);
                sampler.run(&mut chains, 3, &streams);
                let v = sampler.sample_layers_from_chains(&chains, &streams).remove(0);
                let settings = BoundSettings { samples: 20, repeats: 2 };
                let bounds = dbn.bounds(&v, 0.0, &settings, &streams, &mut unwatched).unwrap();
                let mut posterior = dbn.posterior_chains(v.clone(), &streams).unwrap();
                dbn.gibbs(&mut posterior, None, 2, &streams);
                (v, bounds, posterior)
            })
        };
        assert_eq!(run(1), run(2));
    }
}
