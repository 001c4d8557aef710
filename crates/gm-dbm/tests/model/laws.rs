//! Laws that every model obeys, on random small models.

use crate::common::{all_rows, dbm_from, joint_of, mean, plain, random_model};
use gm_core::{Batch, BitMatrix, Stack, Streams, log_sum_exp};
use gm_dbm::{DataPhase, Dbm, MeanFieldSettings, MeanFieldStart, ModelPhase, Offsets, UpdateOrder, gradient};
use gm_testkit::{Joint, Model, Parameters, central_difference};
use proptest::prelude::*;

/// Models of one to four hidden layers with at most three units each.
fn models() -> impl Strategy<Value = Dbm> {
    prop::collection::vec(1_usize..=3, 2..=5).prop_flat_map(|layers| {
        let count = Parameters::zeros(&layers).flat().len();
        let numbers = prop::collection::vec(-2.5..2.5_f64, count);
        numbers.prop_map(move |flat| dbm_from(&Parameters::from_flat(&layers, &flat)))
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + b.abs())
}

/// Every state of all layers.
fn all_states(dbm: &Dbm) -> Vec<Batch> {
    let units: usize = dbm.layers().iter().sum();
    let states = all_rows(units);
    let mut first = 0;
    let layer = |n: usize| {
        first += n;
        let start = first - n;
        BitMatrix::from_fn(n, states.samples(), |unit, s| states.get(start + unit, s)).into()
    };
    dbm.layers().into_iter().map(layer).collect()
}

fn some_data(dbm: &Dbm, bits: u64, samples: usize) -> BitMatrix {
    BitMatrix::from_fn(dbm.visible(), samples, |i, s| bits >> (i * samples + s) & 1 == 1)
}

fn rows_of(data: &BitMatrix) -> Vec<Vec<u8>> {
    (0..data.samples()).map(|s| (0..data.units()).map(|i| u8::from(data.get(i, s))).collect()).collect()
}

proptest! {
    #[test]
    fn law_partition_is_the_sum_over_all_states(dbm in models()) {
        let minus: Vec<f64> = dbm.energy(&all_states(&dbm)).iter().map(|e| -e).collect();
        prop_assert!(close(dbm.log_partition().unwrap(), log_sum_exp(&minus)));
    }

    #[test]
    fn law_probabilities_sum_to_one_and_agree_with_the_oracle(dbm in models()) {
        let log_prob = dbm.log_prob(&all_rows(dbm.visible()), dbm.log_partition().unwrap()).unwrap();
        prop_assert!(log_sum_exp(&log_prob).abs() < 1e-5);
        prop_assert!(log_prob.iter().zip(joint_of(&dbm).log_prob_all_visible()).all(|(&a, &b)| close(a, b)));
    }

    #[test]
    fn law_mean_field_takes_bits_and_the_same_numbers_alike(dbm in models(), bits in any::<u64>()) {
        let v = some_data(&dbm, bits, 3);
        let settings = MeanFieldSettings { iterations: 5, tolerance: 0.0, ..Default::default() };
        let a = dbm.mean_field(&v, &settings).unwrap();
        let b = dbm.mean_field_of_means(&v.to_matrix(), &settings).unwrap();
        prop_assert!(a.means.iter().zip(&b.means).all(|(a, b)| (a - b).amax() < 1e-4));
    }

    #[test]
    fn law_turning_the_stack_over_keeps_the_partition_function(dbm in models()) {
        let (mut weights, mut biases) = dbm.stack().clone().into_parts();
        weights.reverse();
        biases.reverse();
        let turned = Stack::new(weights.iter().map(|w| w.transpose()).collect(), biases).unwrap();
        let turned = Dbm::from_stack(turned).unwrap();
        prop_assert!((dbm.log_partition().unwrap() - turned.log_partition().unwrap()).abs() < 1e-9);
    }

    #[test]
    fn law_joining_two_models_adds_their_partition_functions(seed in 0_u64..1000, depth in 1_usize..=4) {
        let size = |shift: u64, l: u64| 1 + ((seed / 3 + shift + l * l) % 3) as usize;
        let layers = |shift: u64| (0..=depth as u64).map(|l| size(shift, l)).collect::<Vec<_>>();
        let (a, b) = (random_model(seed, &layers(0), 2.0), random_model(seed + 1, &layers(1), 2.0));
        let joined = joined(&a, &b);
        let sum = a.log_partition().unwrap() + b.log_partition().unwrap();
        prop_assert!((joined.log_partition().unwrap() - sum).abs() < 1e-9);
        // The order of the visible units does not matter.
        let order = |unit: usize| (unit + 1 + seed as usize) % joined.visible();
        let mut mixed = joined.stack().clone();
        for unit in 0..joined.visible() {
            mixed.update_weights(0, |w| w.set_row(unit, &joined.weights(0).row(order(unit))));
            mixed.bias_mut(0)[unit] = joined.bias(0)[order(unit)];
        }
        prop_assert!((Dbm::from_stack(mixed).unwrap().log_partition().unwrap() - sum).abs() < 1e-9);
    }

    #[test]
    fn law_flipping_units_with_their_parameters_keeps_probabilities(dbm in models(), flips in any::<u64>()) {
        let flipped = flip(&dbm, flips);
        let rows = all_rows(dbm.visible());
        let turned = BitMatrix::from_fn(rows.units(), rows.samples(), |i, s| rows.get(i, s) != (flips >> i & 1 == 1));
        let before = dbm.log_prob(&rows, dbm.log_partition().unwrap()).unwrap();
        let after = flipped.log_prob(&turned, flipped.log_partition().unwrap()).unwrap();
        prop_assert!(before.iter().zip(&after).all(|(&a, &b)| close(a, b)));
    }

    #[test]
    fn law_gradient_is_that_of_the_oracle_and_of_finite_differences(dbm in models(), bits in any::<u64>()) {
        let data = some_data(&dbm, bits, 5);
        let rows = rows_of(&data);
        let found = plain(&dbm.exact_gradient(&data).unwrap()).flat();
        let joint = joint_of(&dbm);
        let oracle = joint.gradient_mean_log_prob(&rows).flat();
        for (found, oracle) in found.iter().zip(&oracle) {
            prop_assert!((found - oracle).abs() < 3e-6, "{found} {oracle}");
        }
        let layers = dbm.layers();
        let log_prob = |flat: &[f64]| Joint::new(Model::Dbm, Parameters::from_flat(&layers, flat)).mean_log_prob(&rows);
        // One direction is enough: the derivative along the gradient is its squared norm.
        let along = |x: &[f64]| {
            let moved = joint.parameters().flat().iter().zip(&oracle).map(|(p, g)| p + x[0] * g).collect::<Vec<_>>();
            log_prob(&moved)
        };
        let slope = central_difference(along, &[0.0], 1e-3)[0];
        prop_assert!((slope - oracle.iter().map(|g| g * g).sum::<f64>()).abs() < 1e-6);
    }

    #[test]
    fn law_mean_field_raises_its_bound_and_stays_below_log_p(dbm in models()) {
        let (v, log_z) = (all_rows(dbm.visible()), dbm.log_partition().unwrap());
        let exact = dbm.log_prob(&v, log_z).unwrap();
        for start in [MeanFieldStart::Half, MeanFieldStart::Doubled] {
            let mut before = vec![f64::NEG_INFINITY; v.samples()];
            for iterations in 1..=6 {
                let settings = MeanFieldSettings { iterations, tolerance: 0.0, start, ..Default::default() };
                let bounds = dbm.mean_field(&v, &settings).unwrap().bound(&dbm, &v, log_z);
                for ((bound, before), exact) in bounds.iter().zip(&before).zip(&exact) {
                    prop_assert!(*bound >= before - 1e-5, "the bound fell from {before} to {bound}");
                    prop_assert!(*bound <= exact + 1e-5, "the bound {bound} exceeds {exact}");
                }
                before = bounds;
            }
        }
    }

    #[test]
    fn law_mean_field_ends_where_its_equations_hold(dbm in models()) {
        let v = all_rows(dbm.visible());
        let settings = MeanFieldSettings { iterations: 500, tolerance: 1e-6, ..Default::default() };
        for order in [UpdateOrder::BottomUp, UpdateOrder::Parallel] {
            let damping = if order == UpdateOrder::Parallel { 0.5 } else { 0.0 };
            let found = dbm.mean_field(&v, &MeanFieldSettings { order, damping, ..settings }).unwrap();
            prop_assume!(found.change <= 1e-6);
            for l in 1..=dbm.depth() {
                let below = if l == 1 { v.to_matrix() } else { found.means[l - 2].clone() };
                let mut inputs = gm_core::dense_inputs_up(dbm.weights(l - 1), &below, dbm.bias(l));
                if l < dbm.depth() {
                    inputs += dbm.weights(l) * &found.means[l];
                }
                gm_core::logistic_in_place(&mut inputs);
                prop_assert!((inputs - &found.means[l - 1]).amax() < 1e-4);
            }
        }
    }

    #[test]
    fn law_a_factorial_posterior_makes_the_bound_exact(n in 1_usize..=4, m in 1_usize..=4, seed in 0_u64..100) {
        let dbm = random_model(seed, &[n, m], 2.0);
        let (v, log_z) = (all_rows(n), dbm.log_partition().unwrap());
        let bound = dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap().bound(&dbm, &v, log_z);
        prop_assert!(bound.iter().zip(dbm.log_prob(&v, log_z).unwrap()).all(|(&a, b)| close(a, b)));
    }

    #[test]
    fn law_centred_steps_do_not_depend_on_which_units_are_flipped(
        dbm in models(),
        flips in any::<u64>(),
        bits in any::<u64>(),
    ) {
        let data = some_data(&dbm, bits, 4);
        let turned = BitMatrix::from_fn(data.units(), 4, |i, s| data.get(i, s) != (flips >> i & 1 == 1));
        let step = |dbm: &Dbm, data: &BitMatrix| {
            let narrow = |means: Vec<Vec<f64>>| means.iter().map(|m| m.iter().map(|&x| x as f32).collect()).collect();
            let offsets = Offsets { layers: narrow(dbm.posterior_moments(data).unwrap().means) };
            let mut gradient = dbm.exact_gradient(data).unwrap();
            offsets.centre(&mut gradient);
            let mut next = dbm.clone();
            next.stack_mut().tensors_mut().zip(gradient.tensors()).for_each(|(p, g)| {
                p.iter_mut().zip(g).for_each(|(p, g)| *p += 0.1 * g);
            });
            mean(&next.log_prob(data, next.log_partition().unwrap()).unwrap())
        };
        prop_assert!(close(step(&dbm, &data), step(&flip(&dbm, flips), &turned)));
    }

    #[test]
    fn law_model_files_give_back_every_bit(dbm in models()) {
        let mut file = vec![];
        dbm.write(&mut file).unwrap();
        prop_assert_eq!(Dbm::read(file.as_slice()).unwrap(), dbm);
    }

    #[test]
    fn law_gradient_from_many_exact_samples_approaches_the_exact_one(dbm in models(), bits in any::<u64>()) {
        let (data, n) = (some_data(&dbm, bits, 4), 20_000);
        let chains = dbm.exact_samples(n, &Streams::new(bits)).unwrap();
        let model = ModelPhase::new(&dbm.sampler(), &chains);
        let posterior = dbm.mean_field(&data, &MeanFieldSettings::default()).unwrap();
        let found = gradient(&DataPhase::new(&data, posterior.clone()), &model);
        let exact = dbm.marginals().unwrap();
        // Six standard deviations of a mean of n terms within [0, 1].
        let bound = 6.0 * 0.5 / (n as f64).sqrt();
        for (l, pairs) in exact.pairs.iter().enumerate() {
            let below = if l == 0 { data.to_matrix() } else { posterior.means[l - 1].clone() };
            let of_data = below * posterior.means[l].transpose() / 4.0;
            let error = (found.weights(l) - (of_data - pairs)).amax();
            prop_assert!(f64::from(error) < bound, "weights {l}: {error}");
        }
    }
}

/// Two models side by side.
fn joined(a: &Dbm, b: &Dbm) -> Dbm {
    let (a, b) = (plain(a.stack()), plain(b.stack()));
    let pair = |a: &[Vec<f64>], b: &[Vec<f64>]| {
        let (left, right) = (a[0].len(), b[0].len());
        let above = a.iter().map(|row| [row.clone(), vec![0.0; right]].concat());
        above.chain(b.iter().map(|row| [vec![0.0; left], row.clone()].concat())).collect()
    };
    dbm_from(&Parameters {
        weights: a.weights.iter().zip(&b.weights).map(|(a, b)| pair(a, b)).collect(),
        biases: a.biases.iter().zip(&b.biases).map(|(a, b)| [a.clone(), b.clone()].concat()).collect(),
    })
}

/// The model with the same distribution over states whose units of `flips`, counted over all layers, are inverted.
fn flip(dbm: &Dbm, flips: u64) -> Dbm {
    let mut p = plain(dbm.stack());
    let mut first = 0;
    for l in 0..p.biases.len() {
        for i in (0..p.biases[l].len()).filter(|i| flips >> (first + i) & 1 == 1) {
            p.biases[l][i] = -p.biases[l][i];
            if l > 0 {
                for k in 0..p.biases[l - 1].len() {
                    p.biases[l - 1][k] += p.weights[l - 1][k][i];
                    p.weights[l - 1][k][i] = -p.weights[l - 1][k][i];
                }
            }
            if l + 1 < p.biases.len() {
                for k in 0..p.biases[l + 1].len() {
                    p.biases[l + 1][k] += p.weights[l][i][k];
                    p.weights[l][i][k] = -p.weights[l][i][k];
                }
            }
        }
        first += p.biases[l].len();
    }
    dbm_from(&p)
}

#[test]
fn oracle_a_machine_of_one_hidden_layer_is_an_rbm() {
    let rbm = gm_rbm::Rbm::initial(&vec![0.3; 100], 70, 0.5, &Streams::new(1)).unwrap();
    let dbm = Dbm::from_rbm(rbm.clone()).unwrap();
    assert_eq!(Dbm::initial(&vec![0.3; 100], &[70], 0.5, &Streams::new(1)).unwrap(), dbm);
    let streams = Streams::new(2);
    let (mut deep, mut flat) = (dbm.chains(600, &streams), rbm.chains(600, &streams));
    dbm.sampler().run(&mut deep, 5, &streams);
    rbm.sampler().run(&mut flat, 5, &streams);
    assert_eq!(deep.layers, [flat.v().clone(), flat.h().clone().into()]);
    let posterior = dbm.mean_field(flat.v().bits(), &MeanFieldSettings::default()).unwrap();
    assert_eq!(posterior.means[0], rbm.sampler().mean_h_from_v(flat.v()).to_matrix());
    let data = DataPhase::new(flat.v().bits(), posterior);
    let model = ModelPhase::new(&dbm.sampler(), &deep);
    let phase = gm_rbm::Phase::new(&rbm.sampler(), flat.v());
    assert_eq!(
        (data.averages()[0].as_slice(), data.averages()[1].as_slice()),
        (phase.visible_means(), phase.hidden_means())
    );
    assert!(gradient(&data, &model).tensors().flatten().all(|g| g.abs() < 1e-6));
    let small = random_model(3, &[6, 5], 2.0);
    let rbm = gm_rbm::Rbm::from_stack(small.stack().clone()).unwrap();
    assert_eq!(small.log_partition().unwrap(), rbm.log_partition().unwrap());
    let rows = all_rows(6);
    let (deep, flat) = (small.log_prob(&rows, 0.0).unwrap(), rbm.log_prob(&rows, 0.0).unwrap());
    assert!(deep.iter().zip(&flat).all(|(a, b)| (a - b).abs() < 1e-6));
}
