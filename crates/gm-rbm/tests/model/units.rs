//! Softmax and Gaussian visible units against exact answers, and the mistakes that the checks must catch.

use crate::common::{mean, parameters, rbm_of};
use gm_core::{
    AisSettings, Batch, BitMatrix, Error, Estimate, Matrix, Schedule, Stack, Standardise, Streams, Vector, VisibleKind,
    VisibleUnits, unwatched,
};
use gm_rbm::{Chains, Offsets, Phase, Rbm, class_gradient_into, gradient, variance_gradient};
use gm_testkit::{Fixture, TestResult, assert_all_close, assert_close, chi_squared_test, mean_test, rng};
use rand::RngExt;

/// The slope at 0 of a function of one number.
fn slope_at_0(mut f: impl FnMut(f64) -> f64, step: f64) -> f64 {
    gm_testkit::central_difference(|x| f(x[0]), &[0.0], step)[0]
}

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 60_000;
/// The tolerance of double-precision sums over single-precision parameters.
const RELATIVE: f64 = 1e-5;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

fn columns(rows: &[Vec<f64>]) -> Matrix {
    Matrix::from_fn(rows[0].len(), rows.len(), |unit, sample| rows[sample][unit] as f32)
}

#[test]
fn oracle_gaussian_fixture() {
    let fixture = Fixture::load("rbm_gaussian");
    let rbm = rbm_of(&fixture);
    let log_partition = rbm.log_partition().unwrap();
    assert_close(log_partition, fixture.number_at("/log_partition"), RELATIVE, 0.0, "log Z");
    let data = columns(&fixture.matrix_at("/data"));
    let log_prob = rbm.log_prob(&data, log_partition).unwrap();
    assert_all_close(&log_prob, &fixture.numbers_at("/log_prob"), RELATIVE, 1e-5, "log p");
    let means = rbm.sampler().mean_h_from_v(&data).to_matrix();
    let expected = fixture.matrix_at("/hidden_conditional_mean").concat();
    assert_all_close(&wide(means.as_slice()), &expected, RELATIVE, 1e-6, "E[h | v]");
    let gm_core::Moments { means, squares, .. } = rbm.marginals().unwrap();
    let (v, h) = (&means[0], &means[1]);
    assert_all_close(v, &fixture.numbers_at("/visible_mean"), RELATIVE, 1e-6, "E[v]");
    assert_all_close(h, &fixture.numbers_at("/hidden_marginal"), RELATIVE, 1e-6, "E[h]");
    assert_all_close(&squares, &fixture.numbers_at("/visible_second_moment"), RELATIVE, 1e-6, "E[v^2]");
}

/// All one-hot states of a softmax layer, the first site the slowest.
fn all_categories(units: usize, categories: usize) -> BitMatrix {
    let sites = units / categories;
    let of_site = |row: usize, site: usize| row / categories.pow((sites - 1 - site) as u32) % categories;
    BitMatrix::from_fn(units, categories.pow(sites as u32), |unit, row| {
        of_site(row, unit / categories) == unit % categories
    })
}

#[test]
fn oracle_softmax_fixture() {
    let fixture = Fixture::load("rbm_softmax");
    let rbm = rbm_of(&fixture);
    let log_partition = rbm.log_partition().unwrap();
    assert_close(log_partition, fixture.number_at("/log_partition"), RELATIVE, 0.0, "log Z");
    let all = rbm.log_prob(&all_categories(15, 5), log_partition).unwrap();
    assert_all_close(&all, &fixture.numbers_at("/log_prob_all_visible"), RELATIVE, 1e-5, "log p");
    let v = &rbm.marginals().unwrap().means[0];
    assert_all_close(v, &fixture.numbers_at("/visible_marginal"), RELATIVE, 1e-6, "E[v]");
    let data = BitMatrix::from_matrix(&columns(&fixture.matrix_at("/data_one_hot"))).unwrap();
    let means = rbm.sampler().mean_h_from_v(&data).to_matrix();
    let expected = fixture.matrix_at("/hidden_conditional_mean").concat();
    assert_all_close(&wide(means.as_slice()), &expected, RELATIVE, 1e-6, "E[h | v]");
}

#[test]
fn law_models_survive_files() {
    for name in ["rbm_gaussian", "rbm_softmax"] {
        let rbm = rbm_of(&Fixture::load(name));
        let mut file = Vec::new();
        rbm.write(&mut file).unwrap();
        assert_eq!(Rbm::read(&file[..]).unwrap(), rbm, "{name}");
    }
}

#[test]
fn law_pseudo_likelihood_of_groups_is_that_of_enumerated_categories() {
    let rbm = rbm_of(&Fixture::load("rbm_softmax"));
    let all = all_categories(15, 5);
    let log_prob = rbm.log_prob(&all, 0.0).unwrap();
    // Site 1 of row r has the neighbours r with its middle digit replaced.
    let found = rbm.log_pseudo_likelihood(&all.select(&[67]));
    let digits = [67 / 25, 67 / 5 % 5, 67 % 5];
    let term = |site: usize| {
        let place = [25, 5, 1][site];
        let first = 67 - digits[site] * place;
        let over: Vec<f64> = (0..5).map(|k| log_prob[first + k * place]).collect();
        log_prob[67] - gm_core::log_sum_exp(&over)
    };
    assert_close(found[0], (0..3).map(term).sum(), 0.0, 1e-5, "pseudo-likelihood");
}

/// A random model with visible units of a kind.
fn random_model(kind: VisibleKind, seed: u64, visible: usize, hidden: usize, scale: f32) -> Rbm {
    let mut rng = rng(seed);
    let mut draw = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let weights = Matrix::from_fn(visible, hidden, |_, _| draw(scale));
    let biases = vec![Vector::from_fn(visible, |_, _| draw(1.0)), Vector::from_fn(hidden, |_, _| draw(1.0))];
    let variance: Vec<f32> = (0..visible).map(|_| 1.0 + 0.5 * draw(1.0)).collect();
    let variance = (kind == VisibleKind::Gaussian).then_some(variance.as_slice());
    let units = VisibleUnits::new(kind, visible, variance).expect("a sound model");
    Rbm::from_stack(Stack::new(vec![weights], biases).expect("a sound model"))
        .expect("a sound model")
        .with_units(units)
        .expect("a sound model")
}

const KINDS: [(VisibleKind, usize); 4] = [
    (VisibleKind::Bernoulli, 7),
    (VisibleKind::Gaussian, 5),
    (VisibleKind::Softmax { categories: 3 }, 6),
    (VisibleKind::Labelled { classes: 3 }, 7),
];

#[test]
fn law_two_categories_are_a_bernoulli_unit() {
    // Unit 2 i + 1 of a group of two stands for "on". Its weights and bias minus those of "off" are the Bernoulli ones.
    let pair = random_model(VisibleKind::Softmax { categories: 2 }, 5, 10, 4, 1.5);
    let (w, a) = (pair.weights(), pair.visible_bias());
    let weights = Matrix::from_fn(5, 4, |i, j| w[(2 * i + 1, j)] - w[(2 * i, j)]);
    let hidden = Vector::from_fn(4, |j, _| pair.hidden_bias()[j] + (0..5).map(|i| w[(2 * i, j)]).sum::<f32>());
    let single = Rbm::new(weights, Vector::from_fn(5, |i, _| a[2 * i + 1] - a[2 * i]), hidden).unwrap();
    let rows = crate::common::all_rows(5);
    let one_hot = BitMatrix::from_fn(10, 32, |unit, row| rows.get(unit / 2, row) == (unit % 2 == 1));
    let expected = single.log_prob(&rows, single.log_partition().unwrap()).unwrap();
    assert_all_close(&pair.log_prob(&one_hot, pair.log_partition().unwrap()).unwrap(), &expected, 0.0, 1e-5, "log p");
    assert_all_close(&pair.log_pseudo_likelihood(&one_hot), &single.log_pseudo_likelihood(&rows), 0.0, 1e-4, "pseudo");
}

#[test]
fn rejects_what_units_do_not_have() {
    let error = |rbm: &Rbm, v: Batch| rbm.check_data("data", &v).unwrap_err().to_string();
    let [_, gaussian, softmax, _] = KINDS.map(|(kind, n)| random_model(kind, 1, n, 3, 1.0));
    assert!(error(&gaussian, BitMatrix::zeros(5, 1).into()).contains("real numbers for gaussian units"));
    assert!(error(&gaussian, Matrix::from_element(5, 1, f32::NAN).into()).contains("NaN"));
    assert!(error(&softmax, Matrix::zeros(6, 1).into()).contains("zeros and ones for binary units"));
    assert!(error(&softmax, BitMatrix::zeros(6, 1).into()).contains("exactly one in each group"));
    let unfit =
        Rbm::from_stack(Stack::zeros(&[4, 2]).unwrap()).and_then(|model| model.with_units(softmax.units().clone()));
    assert!(matches!(unfit, Err(Error::Shape { .. })));
    assert!(softmax.log_class_probs(&BitMatrix::zeros(6, 1)).unwrap_err().to_string().contains("bernoulli+softmax:K"));
}

/// The exact gradient of Gaussian units is s_i^2 times the slope of the likelihood in W and a.
#[test]
fn oracle_exact_gradients_are_slopes() {
    for (case, (kind, visible)) in KINDS.into_iter().enumerate() {
        let rbm = random_model(kind, 20 + case as u64, visible, 4, 1.0);
        let data = rbm.exact_samples(6, &Streams::new(case as u64)).unwrap().into_v();
        let likelihood = |rbm: &Rbm| mean(&rbm.log_prob(&data, rbm.log_partition().unwrap()).unwrap());
        let found = rbm.exact_gradient(&data).unwrap();
        let scale = |unit: usize| rbm.units().gaussian().map_or(1.0, |g| f64::from(g.variance()[unit]));
        let slope = |change: &dyn Fn(&mut Rbm, f32)| {
            let at = |step: f64| {
                let mut moved = rbm.clone();
                change(&mut moved, step as f32);
                likelihood(&moved)
            };
            slope_at_0(at, 1e-2)
        };
        for unit in 0..visible {
            let of_bias = scale(unit) * slope(&|rbm, step| rbm.stack_mut().bias_mut(0)[unit] += step);
            assert_close(f64::from(found.bias(0)[unit]), of_bias, 1e-3, 2e-3, "visible bias");
            let of_weight =
                scale(unit) * slope(&|rbm, step| rbm.stack_mut().update_weights(0, |w| w[(unit, 1)] += step));
            assert_close(f64::from(found.weights(0)[(unit, 1)]), of_weight, 1e-3, 2e-3, "weight");
        }
        let of_bias = slope(&|rbm, step| rbm.stack_mut().bias_mut(1)[2] += step);
        assert_close(f64::from(found.bias(1)[2]), of_bias, 1e-3, 2e-3, "hidden bias");
    }
}

/// The statistics of the model itself: all its visible states, each with its probability as weight.
fn enumerated_phase(rbm: &Rbm, rows: &BitMatrix) -> Phase {
    let log_partition = rbm.log_partition().expect("a small model");
    let log_prob = rbm.log_prob(rows, log_partition).expect("rows of the model");
    let probabilities: Vec<f64> = log_prob.into_iter().map(f64::exp).collect();
    assert_close(probabilities.iter().sum(), 1.0, 0.0, 1e-6, "the sum over all states");
    let mut phase = Phase::new(&rbm.sampler(), rows);
    phase.weigh(&probabilities.iter().map(|&p| p as f32).collect::<Vec<_>>());
    phase
}

/// The gradient between data and all states of the model is the slope of the likelihood in every parameter.
#[test]
fn oracle_gradients_between_phases_are_slopes() {
    for (kind, visible, rows) in [
        (VisibleKind::Bernoulli, 5, crate::common::all_rows(5)),
        (VisibleKind::Softmax { categories: 3 }, 6, all_categories(6, 3)),
    ] {
        let rbm = random_model(kind, 61, visible, 3, 1.0);
        let data = rbm.exact_samples(5, &Streams::new(7)).unwrap().into_v();
        let found = gradient(&Phase::new(&rbm.sampler(), &data), &enumerated_phase(&rbm, &rows));
        let slope = |change: &dyn Fn(&mut Rbm, f32)| {
            let at = |step: f64| {
                let mut moved = rbm.clone();
                change(&mut moved, step as f32);
                mean(&moved.log_prob(&data, moved.log_partition().unwrap()).unwrap())
            };
            slope_at_0(at, 1e-2)
        };
        for (layer, units) in [(0, visible), (1, 3)] {
            for unit in 0..units {
                let of_bias = slope(&|rbm, step| rbm.stack_mut().bias_mut(layer)[unit] += step);
                assert_close(f64::from(found.bias(layer)[unit]), of_bias, 1e-3, 2e-3, &format!("{kind}, bias {layer}"));
            }
        }
        for (unit, above) in (0..visible).flat_map(|unit| (0..3).map(move |above| (unit, above))) {
            let of_weight = slope(&|rbm, step| rbm.stack_mut().update_weights(0, |w| w[(unit, above)] += step));
            assert_close(f64::from(found.weights(0)[(unit, above)]), of_weight, 1e-3, 2e-3, &format!("{kind}, weight"));
        }
    }
}

#[test]
fn oracle_variance_gradient_is_a_slope() {
    let rbm = random_model(VisibleKind::Gaussian, 31, 4, 3, 1.0);
    let data = rbm.exact_samples(5, &Streams::new(1)).unwrap().into_v();
    let phase = Phase::new(&rbm.sampler(), &data);
    let mut buffer = Stack::zeros(&[4, 3]).unwrap();
    let found = rbm.exact_gradient_into(&phase, &mut buffer).unwrap().expect("gaussian units");
    for (unit, &found) in found.iter().enumerate() {
        let at = |step: f64| {
            let mut moved = rbm.clone();
            let steps: Vec<f32> = (0..4).map(|i| if i == unit { step as f32 } else { 0.0 }).collect();
            moved.units_mut().gaussian_mut().expect("gaussian units").grow(&steps);
            mean(&moved.log_prob(&data, moved.log_partition().unwrap()).unwrap())
        };
        assert_close(f64::from(found), slope_at_0(at, 1e-2), 1e-3, 2e-3, "log variance");
    }
    // Two phases of the same states have no difference.
    let same = gradient(&phase, &phase);
    assert!(variance_gradient(&rbm, &phase, &phase, &same).iter().all(|step| step.abs() < 1e-5));
}

#[test]
fn oracle_class_probabilities_and_their_gradient() {
    let rbm = random_model(VisibleKind::Labelled { classes: 3 }, 41, 8, 4, 1.5);
    let v = rbm.exact_samples(7, &Streams::new(2)).unwrap().into_v();
    let v = v.bits();
    let log_p = rbm.log_class_probs(v).unwrap();
    // By Bayes' rule: the joint probability of each class divided by their sum.
    for sample in 0..7 {
        let joint: Vec<f64> = (0..3)
            .map(|k| {
                let one =
                    BitMatrix::from_fn(8, 1, |unit, _| if unit < 5 { v.get(unit, sample) } else { unit - 5 == k });
                -rbm.free_energy(&one)[0]
            })
            .collect();
        let total = gm_core::log_sum_exp(&joint);
        (0..3).for_each(|k| assert_close(f64::from(log_p[(k, sample)]), joint[k] - total, 0.0, 1e-5, "log p(y | v)"));
    }
    let group = rbm.units().groups().expect("a label").clone();
    let score = |rbm: &Rbm| {
        let log_p = rbm.log_class_probs(v).unwrap();
        let of = |s: usize| f64::from(log_p[(group.category(v, 0, s).expect("a class"), s)]);
        (0..7).map(of).sum::<f64>() / 7.0
    };
    let mut found = Stack::zeros(&[8, 4]).unwrap();
    class_gradient_into(&rbm.sampler(), v, &mut found).unwrap();
    let slope = |change: &dyn Fn(&mut Rbm, f32)| {
        let at = |step: f64| {
            let mut moved = rbm.clone();
            change(&mut moved, step as f32);
            score(&moved)
        };
        slope_at_0(at, 1e-2)
    };
    for unit in 0..8 {
        let of_weight = slope(&|rbm, step| rbm.stack_mut().update_weights(0, |w| w[(unit, 2)] += step));
        assert_close(f64::from(found.weights(0)[(unit, 2)]), of_weight, 1e-3, 2e-3, "weight");
        let of_bias = slope(&|rbm, step| rbm.stack_mut().bias_mut(0)[unit] += step);
        assert_close(f64::from(found.bias(0)[unit]), of_bias, 1e-3, 2e-3, "visible bias");
    }
    let of_bias = slope(&|rbm, step| rbm.stack_mut().bias_mut(1)[0] += step);
    assert_close(f64::from(found.bias(1)[0]), of_bias, 1e-3, 2e-3, "hidden bias");
}

#[test]
fn law_weights_count_like_copies() {
    for (kind, visible) in KINDS {
        let rbm = random_model(kind, 51, visible, 4, 1.0);
        let v = rbm.exact_samples(3, &Streams::new(3)).unwrap().into_v();
        let sampler = rbm.sampler();
        let mut weighted = Phase::new(&sampler, &v);
        weighted.weigh(&[1.0, 3.0, 2.0]);
        let copies = Phase::new(&sampler, &v.select(&[0, 1, 1, 1, 2, 2]));
        let difference = gradient(&weighted, &copies);
        assert!(difference.tensors().flatten().all(|g| g.abs() < 1e-5), "{kind}");
    }
}

#[test]
fn law_centring_does_not_see_where_gaussian_data_are() {
    // The centred gradient of shifted data under a shifted model is that of the data themselves.
    let rbm = random_model(VisibleKind::Gaussian, 61, 4, 3, 1.0);
    let data = rbm.exact_samples(5, &Streams::new(1)).unwrap().v().to_matrix();
    let mut moved = rbm.clone();
    let shift = 2.0_f32;
    let signal = rbm.units().signal(&Matrix::from_element(4, 1, shift)).into_owned();
    moved.stack_mut().bias_mut(0).iter_mut().for_each(|a| *a += shift);
    let correction = rbm.weights().tr_mul(&signal);
    moved.stack_mut().bias_mut(1).iter_mut().zip(&correction).for_each(|(b, c)| *b -= c);
    let centred = |rbm: &Rbm, data: &Matrix, visible: f32| {
        let mut gradient = rbm.exact_gradient(data).unwrap();
        Offsets { layers: vec![vec![visible; 4], vec![0.4; 3]] }.centre_for(rbm.units(), &mut gradient);
        gradient
    };
    let (here, there) = (centred(&rbm, &data, 0.1), centred(&moved, &data.add_scalar(shift), 0.1 + shift));
    assert!((here.weights(0) - there.weights(0)).amax() < 1e-4);
    assert!(here.bias(0).iter().zip(there.bias(0)).all(|(a, b)| (a - b).abs() < 1e-4));
}

// Distributions of draws.

/// Compares the counts of joint states (categories of all groups, hidden bits) with the exact joint probabilities.
fn joint_test(rbm: &Rbm, chains: &Chains) -> TestResult {
    let (units, hidden) = (rbm.visible(), rbm.hidden());
    let groups = rbm.units().groups().expect("groups").clone();
    let all = all_categories(units, groups.categories());
    let (rows, states) = (all.samples(), 1_usize << hidden);
    let log_z = rbm.log_partition().expect("a sound model");
    let h = BitMatrix::from_fn(hidden, rows * states, |j, s| (s / rows) >> j & 1 == 1);
    let v = all.select(&(0..rows * states).map(|s| s % rows).collect::<Vec<_>>());
    let expected: Vec<f64> = rbm.energy(&v, &h).iter().map(|e| (-e - log_z).exp()).collect();
    let mut observed = vec![0; rows * states];
    for s in 0..chains.h().samples() {
        let category = |group| groups.category(chains.v().bits(), group, s).expect("one-hot");
        let row = (0..groups.count()).fold(0, |row, group| row * groups.categories() + category(group));
        let state = (0..hidden).map(|j| usize::from(chains.h().get(j, s)) << j).sum::<usize>();
        observed[state * rows + row] += 1;
    }
    chi_squared_test(&observed, &expected)
}

fn softmax_model(seed: u64) -> Rbm {
    random_model(VisibleKind::Softmax { categories: 3 }, seed, 6, 3, 1.5)
}

#[test]
fn stat_joint_softmax_sweeps_leave_the_joint_invariant() {
    let rbm = softmax_model(71);
    for sweeps in [0, 1, 5] {
        let mut chains = rbm.exact_samples(SAMPLES, &Streams::new(72 + sweeps)).unwrap();
        rbm.sampler().run(&mut chains, sweeps as usize, &Streams::new(80 + sweeps));
        joint_test(&rbm, &chains).assert_passes(ALPHA, sweeps);
    }
}

#[test]
fn planted_joint_softmax_layers_drawn_from_the_old_pair_are_found_out() {
    let rbm = softmax_model(71);
    let sampler = rbm.sampler();
    let old = rbm.exact_samples(SAMPLES, &Streams::new(73)).unwrap();
    let h = sampler.sample_h_from_v(old.v(), &Streams::new(1));
    let v = sampler.sample_v_from_h(old.h(), &Streams::new(2));
    assert!(!joint_test(&rbm, &Chains { layers: vec![v, h.into()], sweeps: 1 }).passes(ALPHA));
}

/// Compares draws of a group given one hidden state with the softmax of its inputs.
fn conditional_test(rbm: &Rbm, drawn_by: &Rbm) -> TestResult {
    let h = BitMatrix::from_fn(rbm.hidden(), SAMPLES, |j, _| j % 2 == 0);
    let v = drawn_by.sampler().sample_v_from_h(&h, &Streams::new(90));
    let means = rbm.sampler().mean_v_from_h(&h.select(&[0])).to_matrix();
    let group = rbm.units().groups().expect("groups").units_of(0);
    let counts = v.bits().unit_counts();
    chi_squared_test(&counts[group.clone()], &wide(&means.as_slice()[group]))
}

#[test]
fn stat_cond_softmax_groups_follow_their_conditional() {
    for kind in [VisibleKind::Softmax { categories: 3 }, VisibleKind::Labelled { classes: 3 }] {
        let rbm = random_model(kind, 74, 6, 4, 1.5);
        conditional_test(&rbm, &rbm).assert_passes(ALPHA, 74);
    }
}

#[test]
fn planted_cond_softmax_groups_with_a_wrong_weight_are_found_out() {
    for kind in [VisibleKind::Softmax { categories: 3 }, VisibleKind::Labelled { classes: 3 }] {
        let rbm = random_model(kind, 74, 6, 4, 1.5);
        let mut wrong = rbm.clone();
        let unit = rbm.units().groups().expect("groups").first();
        wrong.stack_mut().update_weights(0, |w| w[(unit, 0)] += 0.3);
        assert!(!conditional_test(&rbm, &wrong).passes(ALPHA), "{kind}");
    }
}

/// The z-scores of the first two moments of Gaussian units and of their products with hidden units, over chains.
fn gaussian_deviations(rbm: &Rbm, chains: &Chains) -> f64 {
    let gm_core::Moments { means, pairs, squares } = rbm.marginals().expect("a sound model");
    let (mean_v, mean_h, pairs) = (&means[0], &means[1], &pairs[0]);
    let v = chains.v().to_matrix();
    let h = chains.h().to_matrix();
    let mut worst: f64 = 0.0;
    let mut check = |values: Vec<f64>, expected: f64| {
        let found = Estimate::mean(&values, gm_core::Side::Unbiased, "moment");
        worst = worst.max((found.value - expected).abs() / found.std_error);
    };
    let row = |m: &Matrix, i: usize| m.row(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    for i in 0..rbm.visible() {
        check(row(&v, i), mean_v[i]);
        check(row(&v, i).iter().map(|x| x * x).collect(), squares[i]);
        for j in 0..rbm.hidden() {
            let product = row(&v, i).iter().zip(row(&h, j)).map(|(x, y)| x * y).collect();
            check(product, f64::from(pairs[(i, j)]));
        }
    }
    (0..rbm.hidden()).for_each(|j| check(row(&h, j), mean_h[j]));
    worst
}

/// 33 moments within 6 standard errors: alpha below 1e-7.
const FAR: f64 = 6.0;

#[test]
fn stat_joint_gaussian_sweeps_leave_the_moments_invariant() {
    let rbm = random_model(VisibleKind::Gaussian, 75, 5, 4, 1.0);
    for sweeps in [0, 1, 5] {
        let mut chains = rbm.exact_samples(SAMPLES, &Streams::new(76 + sweeps)).unwrap();
        rbm.sampler().run(&mut chains, sweeps as usize, &Streams::new(86 + sweeps));
        let worst = gaussian_deviations(&rbm, &chains);
        assert!(worst < FAR, "{worst} after {sweeps} sweeps");
    }
}

#[test]
fn planted_joint_gaussian_layers_drawn_from_the_old_pair_are_found_out() {
    let rbm = random_model(VisibleKind::Gaussian, 75, 5, 4, 1.0);
    let old = rbm.exact_samples(SAMPLES, &Streams::new(76)).unwrap();
    let h = rbm.sampler().sample_h_from_v(old.v(), &Streams::new(1));
    let v = rbm.sampler().sample_v_from_h(old.h(), &Streams::new(2));
    assert!(gaussian_deviations(&rbm, &Chains { layers: vec![v, h.into()], sweeps: 1 }) > FAR);
}

#[test]
fn stat_cond_gaussian_units_follow_their_conditional() {
    let rbm = random_model(VisibleKind::Gaussian, 77, 5, 4, 1.0);
    assert!(gaussian_conditional(&rbm, &rbm) < FAR);
}

#[test]
fn planted_cond_gaussian_units_without_their_variance_are_found_out() {
    let rbm = random_model(VisibleKind::Gaussian, 77, 5, 4, 1.0);
    let unit_variance = VisibleUnits::new(VisibleKind::Gaussian, 5, None).unwrap();
    let wrong = Rbm::from_stack(rbm.stack().clone()).unwrap().with_units(unit_variance).unwrap();
    assert!(gaussian_conditional(&rbm, &wrong) > FAR);
}

/// The z-scores of the mean and the variance of v given one h.
fn gaussian_conditional(rbm: &Rbm, drawn_by: &Rbm) -> f64 {
    let h = BitMatrix::from_fn(rbm.hidden(), SAMPLES, |j, _| j % 2 == 0);
    let v = drawn_by.sampler().sample_v_from_h(&h, &Streams::new(91)).to_matrix();
    let inputs = rbm.sampler().inputs_v_from_h(&h.select(&[0])).to_matrix();
    let gaussian = rbm.units().gaussian().expect("gaussian units");
    let n = SAMPLES as f64;
    let deviations = (0..rbm.visible()).flat_map(|i| {
        let (m, s2) = (f64::from(inputs[(i, 0)]), f64::from(gaussian.variance()[i]));
        let values: Vec<f64> = v.row(i).iter().map(|&x| f64::from(x) - m).collect();
        let second = values.iter().map(|x| x * x).sum::<f64>() / n;
        [mean(&values).abs() / (s2 / n).sqrt(), (second - s2).abs() / (s2 * (2.0 / n).sqrt())]
    });
    deviations.fold(0.0, f64::max)
}

// Annealing of every kind.

/// 24 random models of each kind, the first ones weak and the last ones strong.
fn zoo() -> impl Iterator<Item = (u64, Rbm)> {
    KINDS.into_iter().enumerate().flat_map(|(k, (kind, visible))| {
        (0..24).map(move |case| {
            let seed = 1_000 * k as u64 + case;
            (seed, random_model(kind, seed, visible, 3 + case as usize % 3, 0.3 + 0.06 * case as f32))
        })
    })
}

#[test]
fn stat_mean_both_sides_bracket_log_z_of_every_kind() {
    // 96 models with two estimates each. One estimate exceeds six standard errors with probability 2e-9. The numbers
    // beyond 1, 2 and 3 standard errors are Binomial(192, .317), (192, .046) and (192, .0027). They exceed the bounds
    // below with probability under 1e-6.
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let mut misses = [0; 3];
    for (seed, rbm) in zoo() {
        let (streams, exact) = (Streams::new(seed), rbm.log_partition().unwrap());
        let forward = rbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_partition;
        let model = rbm.exact_samples(settings.runs, &streams).unwrap().into_v();
        let back = rbm.log_partition_reverse_ais(&model, &settings.schedule, None, &streams, &mut unwatched);
        for estimate in [forward, back.unwrap().log_partition] {
            let far = (estimate.value - exact).abs() / estimate.std_error;
            assert!(far < FAR, "{:?}, seed {seed}: {estimate:?} against {exact}", rbm.units().kind());
            [1.0, 2.0, 3.0].iter().zip(&mut misses).for_each(|(errors, miss)| *miss += usize::from(far > *errors));
        }
    }
    assert!(misses[0] <= 96 && misses[1] <= 27 && misses[2] <= 8, "beyond 1, 2 and 3 standard errors: {misses:?}");
}

#[test]
fn stat_mean_raise_is_below_log_p_of_every_kind() {
    for (seed, rbm) in zoo() {
        let (streams, log_z) = (Streams::new(5_000 + seed), rbm.log_partition().unwrap());
        let v = rbm.exact_samples(400, &streams).unwrap().into_v();
        let settings = AisSettings { runs: 1, schedule: Schedule::Linear(300) };
        let bound = rbm.log_prob_raise(&v, &settings, None, &streams, &mut unwatched).unwrap();
        let gaps: Vec<f64> = rbm.log_prob(&v, log_z).unwrap().iter().zip(&bound).map(|(p, bound)| p - bound).collect();
        let gap = Estimate::mean(&gaps, gm_core::Side::Unbiased, "gap");
        assert!(gap.value > -FAR * gap.std_error && gap.value < 0.2 + FAR * gap.std_error, "seed {seed}: {gap:?}");
    }
}

#[test]
fn planted_mean_annealing_without_the_constant_of_the_tilt_is_found_out() {
    // The log-weights of a Gaussian base and of the model differ by a constant beside the linear term. Without the
    // constant, log Z is wrong.
    let rbm = random_model(VisibleKind::Gaussian, 3, 5, 3, 0.5);
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let base = [1.0_f32; 5];
    let found = rbm.log_partition_ais(&settings, Some(&base), &Streams::new(3), &mut unwatched).unwrap().log_partition;
    let (_, constant) = rbm.units().tilt(&wide(rbm.visible_bias()), &wide(&base));
    let exact = rbm.log_partition().unwrap();
    assert!((found.value - exact).abs() < FAR * found.std_error);
    assert!((found.value - constant - exact).abs() > FAR * found.std_error, "constant {constant}");
}

#[test]
fn law_exact_means_are_those_of_exact_samples() {
    let rbm = random_model(VisibleKind::Labelled { classes: 3 }, 101, 7, 4, 1.0);
    let v = &rbm.marginals().unwrap().means[0];
    let draws = rbm.exact_samples(SAMPLES, &Streams::new(7)).unwrap().v().to_matrix();
    for (unit, &expected) in v.iter().enumerate() {
        let values: Vec<f64> = draws.row(unit).iter().map(|&x| f64::from(x)).collect();
        mean_test(&values, expected).assert_passes(ALPHA, 101);
    }
}

// Rows of data.

fn labelled() -> Rbm {
    random_model(VisibleKind::Labelled { classes: 3 }, 111, 8, 4, 1.5)
}

#[test]
fn oracle_rows_without_a_class_have_it_summed_out() {
    let rbm = labelled();
    let rows = BitMatrix::from_fn(5, 7, |unit, sample| (unit * 3 + sample * 5) % 7 < 3);
    let (free, means) = (rbm.free_energy_of_rows(&rows).unwrap(), rbm.mean_h_of_rows(&rows).unwrap());
    for sample in 0..7 {
        let joint = rbm.with_classes(&rows.select(&[sample; 3]), &[0, 1, 2]);
        let log_weights: Vec<f64> = rbm.free_energy(&joint).iter().map(|f| -f).collect();
        let total = gm_core::log_sum_exp(&log_weights);
        assert_close(free[sample], -total, 1e-6, 1e-6, "free energy");
        let of_class = rbm.sampler().mean_h_from_v(&joint);
        for j in 0..4 {
            let mean = |k: usize| (log_weights[k] - total).exp() * f64::from(of_class.get(j, k));
            assert_close(f64::from(means[(j, sample)]), (0..3).map(mean).sum(), 1e-5, 1e-5, "E[h | v]");
        }
    }
}

#[test]
fn law_densities_of_rows_are_those_of_data_before_they_were_standardised() {
    let rbm = random_model(VisibleKind::Gaussian, 112, 3, 2, 1.0);
    let (_, a, _) = parameters(&rbm);
    let standardise = Standardise::new(vec![5.0, -1.0, 0.0], vec![2.0, 0.5, 10.0]).unwrap();
    let gaussian = rbm.units().gaussian().unwrap().clone().with_standardise(Some(standardise)).unwrap();
    let rbm = Rbm::from_stack(rbm.stack().clone()).unwrap().with_units(VisibleUnits::Gaussian(gaussian)).unwrap();
    let rows = rbm.rows_of_states(&Matrix::from_fn(3, 1, |unit, _| a[unit] as f32 + 0.25));
    let states = rbm.states_of_rows(&rows, &Streams::new(0)).unwrap().to_matrix();
    assert!((0..3).all(|unit| (f64::from(states[(unit, 0)]) - a[unit] - 0.25).abs() < 1e-5));
    let found = rbm.free_energy_of_rows(&rows).unwrap()[0] - rbm.free_energy(&states)[0];
    assert_close(found, 10.0_f64.ln(), 1e-5, 0.0, "log of the volume");
    assert!((rbm.mean_h_of_rows(&rows).unwrap() - rbm.mean_h_from_v(&states)).amax() < 1e-5);
}

/// Compares the classes that one model draws for a row with p(y | v) of another model.
fn class_test(rbm: &Rbm, drawn_by: &Rbm) -> TestResult {
    let rows = BitMatrix::from_fn(5, SAMPLES, |unit, _| unit % 2 == 0);
    let v = drawn_by.states_of_rows(&rows, &Streams::new(113)).expect("a small model");
    let log_p = rbm.log_class_probs(&rows.select(&[0])).expect("a small model");
    let expected: Vec<f64> = log_p.iter().map(|&log_p| f64::from(log_p).exp()).collect();
    chi_squared_test(&v.bits().unit_counts()[5..], &expected)
}

#[test]
fn stat_cond_classes_of_rows_follow_their_posterior() {
    class_test(&labelled(), &labelled()).assert_passes(ALPHA, 113);
}

#[test]
fn planted_cond_classes_with_a_wrong_weight_are_found_out() {
    let mut wrong = labelled();
    wrong.stack_mut().update_weights(0, |w| w[(6, 1)] += 0.3);
    assert!(!class_test(&labelled(), &wrong).passes(ALPHA));
}

#[test]
fn rejects_rows_that_the_model_does_not_speak_of() {
    let text = labelled().free_energy_of_rows(&BitMatrix::zeros(8, 1)).unwrap_err().to_string();
    assert_eq!(text, "Rbm::free_energy_of_rows: `data` has units 8, expected 5");
    let text = labelled().mean_h_of_rows(&Matrix::zeros(5, 1)).unwrap_err().to_string();
    assert_eq!(text, "Rbm::mean_h_of_rows: `data` is real numbers, allowed: zeros and ones for binary units");
    let gaussian = random_model(VisibleKind::Gaussian, 1, 3, 2, 1.0);
    let text = gaussian.states_of_rows(&BitMatrix::zeros(3, 1), &Streams::new(0)).unwrap_err().to_string();
    assert_eq!(text, "Rbm::states_of_rows: `data` is zeros and ones, allowed: real numbers for gaussian units");
}
