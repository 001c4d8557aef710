//! Laws that every model obeys, on random small models.

use crate::common::{all_rows, joint_of, mean, parameters, rbm_from};
use gm_core::{AisSettings, BitMatrix, Schedule, Streams, log_sum_exp, unwatched};
use gm_rbm::{Offsets, Rbm};
use gm_testkit::central_difference;
use proptest::prelude::*;

prop_compose! {
    fn models()(n in 1_usize..=6, m in 1_usize..=6)(
        w in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, m), n),
        a in prop::collection::vec(-2.0..2.0_f64, n),
        b in prop::collection::vec(-2.0..2.0_f64, m),
    ) -> Rbm {
        rbm_from(&w, &a, &b)
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + b.abs())
}

proptest! {
    #[test]
    fn law_free_energy_is_minus_log_sum_of_exp_minus_energy(rbm in models()) {
        let (rows, hidden) = (all_rows(rbm.visible()), all_rows(rbm.hidden()));
        for (s, f) in rbm.free_energy(&rows).iter().enumerate() {
            let v = rows.select(&vec![s; hidden.samples()]);
            let minus: Vec<f64> = rbm.energy(&v, &hidden).iter().map(|e| -e).collect();
            prop_assert!(close(*f, -log_sum_exp(&minus)));
        }
    }

    #[test]
    fn law_probabilities_sum_to_one_and_agree_with_the_oracle(rbm in models()) {
        let log_prob = rbm.log_prob(&all_rows(rbm.visible()), rbm.log_partition().unwrap()).unwrap();
        prop_assert!(log_sum_exp(&log_prob).abs() < 1e-5);
        let joint = joint_of(&rbm);
        prop_assert!(log_prob.iter().zip(joint.log_prob_all_visible()).all(|(&a, &b)| close(a, b)));
    }

    #[test]
    fn law_exchanging_the_layers_keeps_the_partition_function(rbm in models()) {
        let exchanged = exchange(&rbm);
        prop_assert!((rbm.log_partition().unwrap() - exchanged.log_partition().unwrap()).abs() < 1e-9);
    }

    #[test]
    fn law_flipping_units_with_their_parameters_keeps_probabilities(rbm in models(), flips in any::<u64>()) {
        let flipped = flip(&rbm, flips);
        let rows = all_rows(rbm.visible());
        let turned = BitMatrix::from_fn(rows.units(), rows.samples(), |i, s| rows.get(i, s) != (flips >> i & 1 == 1));
        let before = rbm.log_prob(&rows, rbm.log_partition().unwrap()).unwrap();
        let after = flipped.log_prob(&turned, flipped.log_partition().unwrap()).unwrap();
        prop_assert!(before.iter().zip(&after).all(|(&a, &b)| close(a, b)));
    }

    #[test]
    fn law_gradient_is_that_of_the_oracle_and_of_finite_differences(rbm in models(), bits in any::<u64>()) {
        let data = BitMatrix::from_fn(rbm.visible(), 5, |i, s| bits >> (i * 5 + s) & 1 == 1);
        let row = |s| (0..rbm.visible()).map(|i| u8::from(data.get(i, s))).collect();
        let rows: Vec<Vec<u8>> = (0..5).map(row).collect();
        let gradient = rbm.exact_gradient(&data).unwrap();
        let joint = joint_of(&rbm);
        let oracle = joint.gradient_mean_log_prob(&rows).flat();
        let layers = [rbm.visible(), rbm.hidden()];
        let log_prob = |flat: &[f64]| {
            let p = gm_testkit::Parameters::from_flat(&layers, flat);
            gm_testkit::Joint::new(joint.model(), p).mean_log_prob(&rows)
        };
        let differences = central_difference(log_prob, &joint.parameters().flat(), 1e-4);
        let found = gm_testkit::Parameters {
            weights: vec![gradient.weights(0).row_iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect()],
            biases: (0..2).map(|l| gradient.bias(l).iter().map(|&x| f64::from(x)).collect()).collect(),
        };
        for ((found, oracle), difference) in found.flat().iter().zip(&oracle).zip(&differences) {
            prop_assert!((found - oracle).abs() < 2e-6, "{found} {oracle}");
            prop_assert!((oracle - difference).abs() < 1e-6, "{oracle} {difference}");
        }
    }

    #[test]
    fn law_centred_steps_do_not_depend_on_which_units_are_flipped(
        rbm in models(),
        flips in any::<u64>(),
        bits in any::<u64>(),
    ) {
        let data = BitMatrix::from_fn(rbm.visible(), 4, |i, s| bits >> (i * 4 + s) & 1 == 1);
        let turned = BitMatrix::from_fn(rbm.visible(), 4, |i, s| data.get(i, s) != (flips >> i & 1 == 1));
        let step = |rbm: &Rbm, data: &BitMatrix| {
            let sampler = rbm.sampler();
            let phase = gm_rbm::Phase::new(&sampler, data);
            let offsets = Offsets { layers: phase.averages().to_vec() };
            let mut gradient = rbm.exact_gradient(data).unwrap();
            offsets.centre(&mut gradient);
            let mut next = rbm.clone();
            next.stack_mut().tensors_mut().zip(gradient.tensors()).for_each(|(p, g)| {
                p.iter_mut().zip(g).for_each(|(p, g)| *p += 0.1 * g);
            });
            mean(&next.log_prob(data, next.log_partition().unwrap()).unwrap())
        };
        prop_assert!(close(step(&rbm, &data), step(&flip(&rbm, flips), &turned)));
    }

    #[test]
    fn law_model_files_give_back_every_bit(rbm in models()) {
        let mut file = vec![];
        rbm.write(&mut file).unwrap();
        prop_assert_eq!(Rbm::read(file.as_slice()).unwrap(), rbm);
    }

    #[test]
    fn law_annealing_with_two_temperatures_is_importance_sampling(rbm in models()) {
        // For every model the mean weight from the base is between its smallest and its greatest weight.
        let settings = AisSettings { runs: 50, schedule: Schedule::Linear(2) };
        let base = rbm.visible_bias();
        let found = rbm.log_partition_ais(&settings, Some(base), &Streams::new(1), &mut unwatched).unwrap();
        let (_, a, b) = parameters(&rbm);
        let base: f64 = a.iter().map(|&a| gm_core::softplus(a)).sum::<f64>() + b.len() as f64 * 2.0_f64.ln();
        let all = rbm.log_prob(&all_rows(rbm.visible()), 0.0).unwrap();
        let rows = all_rows(rbm.visible()).weighted_sums(&a);
        let weights = all.iter().zip(&rows).map(|(f, a)| f - a - b.len() as f64 * 2.0_f64.ln() + base);
        let (low, high) = weights.fold((f64::MAX, f64::MIN), |(l, h), w| (l.min(w), h.max(w)));
        prop_assert!(found.log_weights.iter().all(|w| *w >= low - 1e-4 && *w <= high + 1e-4));
    }
}

fn exchange(rbm: &Rbm) -> Rbm {
    Rbm::new(rbm.weights().transpose(), rbm.stack().bias(1).clone(), rbm.stack().bias(0).clone())
        .expect("finite parameters")
}

/// The model with the same distribution over states whose visible units of `flips` are inverted.
fn flip(rbm: &Rbm, flips: u64) -> Rbm {
    let (mut w, mut a, mut b) = parameters(rbm);
    for i in (0..a.len()).filter(|i| flips >> i & 1 == 1) {
        a[i] = -a[i];
        for j in 0..b.len() {
            b[j] += w[i][j];
            w[i][j] = -w[i][j];
        }
    }
    rbm_from(&w, &a, &b)
}
