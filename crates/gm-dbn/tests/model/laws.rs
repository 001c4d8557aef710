//! Laws that every network obeys, on random small ones.

use crate::common::{all_rows, joint_of, mean, plain, random_model, random_rbm};
use gm_core::{BitMatrix, Labels, Matrix, Stack, Streams, Vector, log_sum_exp, unwatched};
use gm_dbn::{Dbn, Growth};
use gm_rbm::Rbm;
use gm_sbn::BoundSettings;
use gm_testkit::{Joint, Model, Parameters, central_difference};
use proptest::prelude::*;

/// Networks of one to four hidden layers with at most three units each.
fn models() -> impl Strategy<Value = Dbn> {
    (prop::collection::vec(1_usize..=3, 2..=5), any::<u64>(), 0.2_f32..2.0)
        .prop_map(|(layers, seed, scale)| random_model(seed, &layers, scale))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + b.abs())
}

fn some_data(units: usize, bits: u64, samples: usize) -> BitMatrix {
    BitMatrix::from_fn(units, samples, |i, s| bits >> (i * samples + s) & 1 == 1)
}

fn rows_of(data: &BitMatrix) -> Vec<Vec<u8>> {
    (0..data.samples()).map(|s| (0..data.units()).map(|i| u8::from(data.get(i, s))).collect()).collect()
}

proptest! {
    #[test]
    fn law_probabilities_sum_to_one_and_agree_with_the_oracle(dbn in models()) {
        let log_z = dbn.log_partition().unwrap();
        let joint = joint_of(&dbn);
        prop_assert!(close(log_z, joint.log_partition()));
        let log_prob = dbn.log_prob(&all_rows(dbn.visible()), log_z).unwrap();
        prop_assert!(log_sum_exp(&log_prob).abs() < 1e-5);
        prop_assert!(log_prob.iter().zip(joint.log_prob_all_visible()).all(|(&a, &b)| close(a, b)));
    }

    #[test]
    fn law_bounds_never_exceed_log_p_and_rise_with_draws(dbn in models(), bits in any::<u64>()) {
        let data = some_data(dbn.visible(), bits, 4);
        let log_z = dbn.log_partition().unwrap();
        let exact = dbn.log_prob(&data, log_z).unwrap();
        let one = dbn.exact_bound(&data, log_z, 1).unwrap();
        prop_assert!(one.iter().zip(&exact).all(|(bound, exact)| *bound <= exact + 1e-5));
        if dbn.enumerable_hidden_units() <= 5 {
            let two = dbn.exact_bound(&data, log_z, 2).unwrap();
            prop_assert!(one.iter().zip(&two).all(|(one, two)| *one <= two + 1e-5));
            prop_assert!(two.iter().zip(&exact).all(|(two, exact)| *two <= exact + 1e-5));
        }
    }

    #[test]
    fn law_gradient_is_that_of_the_oracle_and_of_finite_differences(dbn in models(), bits in any::<u64>()) {
        let data = some_data(dbn.visible(), bits, 5);
        let rows = rows_of(&data);
        let found = plain(dbn.exact_gradient(&data).unwrap().stack()).flat();
        let joint = joint_of(&dbn);
        let oracle = joint.gradient_mean_log_prob(&rows).flat();
        for (found, oracle) in found.iter().zip(&oracle) {
            prop_assert!((found - oracle).abs() < 5e-6, "{found} {oracle}");
        }
        let layers = dbn.layers();
        let log_prob = |flat: &[f64]| Joint::new(Model::Dbn, Parameters::from_flat(&layers, flat)).mean_log_prob(&rows);
        let along = |x: &[f64]| {
            let moved = joint.parameters().flat().iter().zip(&oracle).map(|(p, g)| p + x[0] * g).collect::<Vec<_>>();
            log_prob(&moved)
        };
        let squares: f64 = oracle.iter().map(|g| g * g).sum();
        prop_assert!((central_difference(along, &[0.0], 1e-4)[0] - squares).abs() < 1e-4 * (1.0 + squares));
    }

    #[test]
    fn law_growing_by_unrolling_keeps_log_p(
        seed in any::<u64>(), layers in prop::collection::vec(1_usize..=3, 2..=4), more in 0_usize..=2
    ) {
        let dbn = random_model(seed, &layers, 1.0);
        let (rows, below) = (all_rows(dbn.visible()), layers[layers.len() - 2]);
        let top = *layers.last().unwrap();
        let grown = dbn.grown(below + more, Growth::Unrolled, 0.0, &vec![0.5; top], &Streams::new(seed)).unwrap();
        let before = dbn.log_prob(&rows, dbn.log_partition().unwrap()).unwrap();
        let after = grown.log_prob(&rows, grown.log_partition().unwrap()).unwrap();
        prop_assert!(before.iter().zip(&after).all(|(&a, &b)| close(a, b)), "{before:?} {after:?}");
        let (b, a) = (dbn.exact_bound(&rows, dbn.log_partition().unwrap(), 1), grown.exact_bound(&rows, grown.log_partition().unwrap(), 1));
        prop_assert!(b.unwrap().iter().zip(&a.unwrap()).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn law_a_network_of_one_hidden_layer_is_the_machine_bit_for_bit(seed in any::<u64>(), scale in 0.2_f32..2.0) {
        let rbm = random_rbm(seed, 5, 4, scale);
        let dbn = Dbn::from_rbm(&rbm).unwrap();
        let (rows, streams) = (all_rows(5), Streams::new(seed));
        let log_z = rbm.log_partition().unwrap();
        prop_assert_eq!(dbn.log_partition().unwrap().to_bits(), log_z.to_bits());
        prop_assert_eq!(dbn.log_prob(&rows, log_z).unwrap(), rbm.log_prob(&rows, log_z).unwrap());
        let sampler = dbn.sampler();
        let (mut ours, mut theirs) = (dbn.chains(20, &streams), rbm.chains(20, &streams));
        prop_assert_eq!(sampler.run(&mut ours, 5, &streams), rbm.sampler().run(&mut theirs, 5, &streams));
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(&sampler.sample_layers_from_chains(&ours, &streams)[0], theirs.v());
        let gradient = dbn.exact_gradient(&rows).unwrap();
        prop_assert_eq!(gradient.stack(), &rbm.exact_gradient(&rows).unwrap());
        let bounds = dbn.bounds(&rows, log_z, &BoundSettings { samples: 1, repeats: 1 }, &streams, &mut unwatched);
        prop_assert_eq!(bounds.unwrap().elbo, rbm.log_prob(&rows, log_z).unwrap());
        let means = dbn.means_up_from_v(&rows.to_matrix());
        prop_assert_eq!(&means[0], &rbm.mean_h_from_v(&rows.to_matrix()));
    }

    #[test]
    fn law_label_units_are_summed_out_of_log_p(dbn in models(), seed in any::<u64>()) {
        // A class is one of K states: the RBM of each class alone has the top biases shifted by its weights.
        let top = *dbn.layers().last().unwrap();
        let labels = random_rbm(seed, 3, top, 1.0);
        let (u, d) = (labels.weights().clone(), labels.stack().bias(0).clone());
        let labelled = dbn.clone().with_labels(Some(Labels::new(u.clone(), d.clone()).unwrap())).unwrap();
        let rows = all_rows(dbn.visible());
        let of_class = |k: usize| {
            let (weights, mut biases) = dbn.stack().clone().into_parts();
            let shifted = biases.last().unwrap() + Vector::from_iterator(top, u.row(k).iter().copied());
            *biases.last_mut().unwrap() = shifted;
            let of_class = Dbn::new(Stack::new(weights, biases).unwrap(), None).unwrap();
            (f64::from(d[k]), of_class.log_partition().unwrap(), of_class)
        };
        let classes: Vec<(f64, f64, Dbn)> = (0..3).map(of_class).collect();
        let terms: Vec<f64> = classes.iter().map(|(d, z, _)| d + z).collect();
        let log_z = log_sum_exp(&terms);
        prop_assert!(close(labelled.log_partition().unwrap(), log_z));
        let found = labelled.log_prob(&rows, log_z).unwrap();
        let per_class: Vec<Vec<f64>> =
            classes.iter().map(|(d, z, of_class)| of_class.log_prob(&rows, z - d - z).unwrap()).collect();
        for (row, found) in found.iter().enumerate() {
            // log_prob takes log Z as given: with -d it is log p*(v) + d.
            let terms: Vec<f64> = per_class.iter().map(|rows| rows[row]).collect();
            prop_assert!(close(*found, log_sum_exp(&terms) - log_z), "{found}");
        }
    }
}

#[test]
fn law_unrolling_keeps_p_and_the_posterior() {
    for (seed, (visible, hidden)) in [(3, 2), (2, 3), (2, 2), (3, 3)].into_iter().enumerate() {
        let rbm = random_rbm(seed as u64, visible, hidden, 1.5);
        let rows = all_rows(visible);
        let expected = rbm.log_prob(&rows, rbm.log_partition().unwrap()).unwrap();
        let means = rbm.mean_h_from_v(&rows.to_matrix());
        for depth in 1..=6 {
            let dbn = Dbn::unroll(&rbm, depth).unwrap();
            let log_z = dbn.log_partition().unwrap();
            assert!(close(log_z, rbm.log_partition().unwrap()));
            let found = dbn.log_prob(&rows, log_z).unwrap();
            assert!(found.iter().zip(&expected).all(|(&a, &b)| close(a, b)), "depth {depth}: {found:?} {expected:?}");
            // Recognition with tied weights is the posterior, so that the bound has no gap.
            let bound = dbn.exact_bound(&rows, log_z, 1).unwrap();
            assert!(bound.iter().zip(&expected).all(|(&a, &b)| (a - b).abs() < 1e-4), "depth {depth}: {bound:?}");
            let posterior = dbn.posterior(&rows, 1).unwrap().means();
            for unit in 0..hidden {
                assert!((posterior[unit] - f64::from(means[(unit, 1)])).abs() < 1e-4, "depth {depth}");
            }
        }
    }
}

#[test]
fn law_unrolled_samples_equal_gibbs_samples_in_distribution() {
    // Chains of the RBM on top, one pass down: the same number of sweeps of the RBM that was unrolled.
    let rbm = random_rbm(5, 4, 3, 1.5);
    let joint = Joint::new(Model::Rbm, plain(rbm.stack()));
    for depth in 2..=4 {
        let dbn = Dbn::unroll(&rbm, depth).unwrap();
        let v = dbn.exact_samples(40_000, &Streams::new(depth as u64)).unwrap().remove(0);
        gm_testkit::check_visible_draws(&joint, &crate::common::unpack(&[v])).assert_passes(1e-6, depth as u64);
        // The check must notice biases of a directed layer that were not taken along.
        let mut off = dbn.clone();
        off.stack_mut().bias_mut(0).fill(0.0);
        let wrong = off.exact_samples(40_000, &Streams::new(depth as u64)).unwrap().remove(0);
        assert!(
            !gm_testkit::check_visible_draws(&joint, &crate::common::unpack(&[wrong])).passes(1e-6),
            "depth {depth}"
        );
    }
}

#[test]
fn law_random_growth_begins_with_independent_units_of_the_right_means() {
    let dbn = random_model(1, &[4, 3], 1.0);
    let grown = dbn.grown(2, Growth::Random, 0.0, &[0.2, 0.5, 0.9], &Streams::new(0)).unwrap();
    let means = &grown.top().marginals().unwrap().means[0];
    assert!(means.iter().zip([0.2, 0.5, 0.9]).all(|(a, b)| (a - b).abs() < 1e-5), "{means:?}");
    // The former RBM recognises as before.
    let rows = all_rows(4).to_matrix();
    assert_eq!(grown.means_up_from_v(&rows)[0], dbn.means_up_from_v(&rows)[0]);
}

#[test]
fn law_learning_the_new_prior_raises_the_bound_and_log_p() {
    // Greedy learning on a problem that can be enumerated: exact gradients all the way.
    let data =
        BitMatrix::from_fn(4, 6, |unit, row| [0b0011, 0b1100, 0b0110, 0b1111, 0b0000, 0b1001][row] >> unit & 1 == 1);
    // An RBM with features that suit no data yet leaves much to learn for the prior of its hidden layer.
    let rbm = random_rbm(3, 4, 3, 2.0);
    let mut dbn = Dbn::from_rbm(&rbm).unwrap().grown(4, Growth::Unrolled, 0.0, &[0.5; 3], &Streams::new(1)).unwrap();
    let bound = |dbn: &Dbn| mean(&dbn.exact_bound(&data, dbn.log_partition().unwrap(), 1).unwrap());
    let start = bound(&dbn);
    let exact = mean(&rbm.log_prob(&data, rbm.log_partition().unwrap()).unwrap());
    assert!((start - exact).abs() < 1e-5, "the bound begins at log p: {start} and {exact}");
    let mut last = start;
    for _ in 0..200 {
        // The posterior of the frozen layer is factorial: its states weighted by q are the data of the RBM.
        let states = all_rows(3);
        let q: Vec<f32> = posterior_weights(&dbn, &data, &states);
        let top = dbn.top();
        let mut phase = gm_rbm::Phase::new(&top.sampler(), &states);
        phase.weigh(&q);
        let mut gradient = Stack::zeros(&top.stack().layers()).unwrap();
        top.exact_gradient_into(&phase, &mut gradient).unwrap();
        let mut moved = top.stack().clone();
        step(&mut moved, &gradient);
        dbn.set_top(&moved);
        let next = bound(&dbn);
        assert!(next > last - 1e-5, "{next} after {last}");
        last = next;
    }
    let learnt = mean(&dbn.log_prob(&data, dbn.log_partition().unwrap()).unwrap());
    assert!(last > start + 0.1, "{last} from {start}");
    assert!(learnt >= last - 1e-5 && learnt > exact + 0.1, "log p {learnt}, bound {last}, before {exact}");
}

fn step(stack: &mut Stack, gradient: &Stack) {
    for (tensor, gradient) in stack.tensors_mut().zip(gradient.tensors()) {
        tensor.iter_mut().zip(gradient).for_each(|(x, g)| *x += 0.3 * g);
    }
}

/// sum over the data of q(x_1 | v), for each state of x_1.
fn posterior_weights(dbn: &Dbn, data: &BitMatrix, states: &BitMatrix) -> Vec<f32> {
    let means = &dbn.means_up_from_v(&data.to_matrix())[0];
    let weight = |state: usize, row: usize| -> f32 {
        (0..states.units())
            .map(|unit| if states.get(unit, state) { means[(unit, row)] } else { 1.0 - means[(unit, row)] })
            .product()
    };
    (0..states.samples()).map(|state| (0..data.samples()).map(|row| weight(state, row)).sum()).collect()
}

#[test]
fn rejects_shapes_kinds_and_growth() {
    let net = |layers: &[usize]| Some(gm_core::Recognition::zeros(layers).unwrap());
    let stack = || Stack::zeros(&[4, 3, 2]).unwrap();
    let text = |result: gm_core::Result<Dbn>| result.unwrap_err().to_string();
    assert_eq!(text(Dbn::new(stack(), net(&[4, 3, 2]))), "Dbn::new: `recognition` has depth 2, expected 1");
    assert_eq!(text(Dbn::new(stack(), net(&[4, 2]))), "Dbn::new: `recognition layer 1` has units 2, expected 3");
    let labels = |units| Some(Labels::new(Matrix::zeros(3, units), Vector::zeros(3)).unwrap());
    let dbn = Dbn::new(stack(), None).unwrap();
    let refused = text(dbn.clone().with_labels(labels(3)));
    assert_eq!(refused, "Dbn::with_labels: `label.weights` has columns 3, expected 2");
    let labelled = dbn.clone().with_labels(labels(2)).unwrap();
    let refused = text(labelled.grown(4, Growth::Random, 0.1, &[0.5; 2], &Streams::new(0)));
    assert_eq!(refused, "Dbn::grown: `labels` is present, allowed: a network without label units");
    let refused = text(dbn.grown(4, Growth::Random, f32::NAN, &[0.5; 2], &Streams::new(0)));
    assert_eq!(refused, "Dbn::grown: `scale` is NaN, allowed: a finite number, 0 or more");
    let refused = text(dbn.grown(4, Growth::Random, 0.1, &[0.5; 3], &Streams::new(0)));
    assert_eq!(refused, "Dbn::grown: `means` has length 3, expected 2");
    let rbm = Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
    assert_eq!(text(Dbn::unroll(&rbm, 0)), "Dbn::unroll: `depth` is 0, allowed: 1 or more");
    let gaussian = gm_core::VisibleUnits::new(gm_core::VisibleKind::Gaussian, 4, None).unwrap();
    let gaussian = Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap().with_units(gaussian).unwrap();
    let allowed =
        "1 unless visible units are bernoulli: hidden layers are binary, and the second one mirrors the visible";
    let refused = format!("Dbn::unroll: `depth` is 2 with gaussian visible units, allowed: {allowed}");
    assert_eq!(text(Dbn::unroll(&gaussian, 2)), refused);
}

#[test]
fn rejects_networks_too_large_and_data_of_another_width() {
    let large = Dbn::new(Stack::zeros(&[4, 21, 2]).unwrap(), None).unwrap();
    let (v, narrow) = (all_rows(4), all_rows(3));
    let limit = "21 units must be enumerated, at most 20 can be";
    assert_eq!(large.log_prob(&v, 0.0).unwrap_err().to_string(), format!("Dbn::log_prob: {limit}"));
    assert_eq!(large.exact_gradient(&v).unwrap_err().to_string(), format!("Dbn::exact_gradient: {limit}"));
    assert_eq!(large.exact_bound(&v, 0.0, 1).unwrap_err().to_string(), format!("Dbn::exact_bound: {limit}"));
    let small = random_model(0, &[4, 3, 2], 1.0);
    let text = small.log_prob(&narrow, 0.0).unwrap_err().to_string();
    assert_eq!(text, "Dbn::log_prob: `data` has units 3, expected 4");
    assert_eq!(
        small.posterior(&v, 16).unwrap_err().to_string(),
        "Dbn::posterior: `row` is 16 of 16, allowed: a row of the data"
    );
    let none = BitMatrix::zeros(4, 0);
    assert_eq!(small.exact_gradient(&none).unwrap_err().to_string(), "Dbn::exact_gradient: `data` is empty");
    let settings = BoundSettings { samples: 0, repeats: 1 };
    let error = small.bounds(&v, 0.0, &settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string();
    assert_eq!(error, "Dbn::bounds: `samples` is 0, allowed: 1 or more");
    let error = small.log_class_probs(&v.to_matrix()).unwrap_err().to_string();
    assert_eq!(error, "Rbm::log_class_probs: `visible` is bernoulli, allowed: bernoulli+softmax:K");
}
