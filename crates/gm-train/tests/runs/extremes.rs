//! Numbers at the edge: weights of +-10,000, subnormals, units that are always on, one unit, one sample, no sample. Public functions
//! of the models give the right answer, by an oracle in double precision, or refuse by name; none gives NaN.

use crate::common::mean;
use gm_core::{
    AisSettings, Batch, BitMatrix, Error, Estimate, Gaussian, LogSum, Matrix, Recognition, Schedule, Side, Stack,
    Standardise, Streams, Vector, autocorrelation_time, effective_sample_size, log_mean_exp, log_sum_exp, logistic,
    logistic_f64, logit, softplus, softplus_sum, split_r_hat, unwatched, weights_ess,
};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_sbn::{BoundSettings, Sbn};
use gm_testkit::{Joint, Model, Parameters};
use proptest::prelude::*;

/// Parameters that arithmetic in single precision likes least.
fn extreme() -> impl Strategy<Value = f32> {
    let values = [
        0.0,
        -0.0,
        1e4,
        -1e4,
        1.0,
        -1.0,
        30.0,
        -30.0,
        88.8,
        -88.8,
        745.2,
        -745.2,
        1e-42,
        -1e-42,
        f32::MIN_POSITIVE,
        16.6,
        -16.6,
    ];
    prop_oneof![3 => prop::sample::select(values.to_vec()), 1 => -5.0_f32..5.0]
}

/// A stack of so many layers of one to three units, every number extreme.
fn stacks(depth: std::ops::Range<usize>) -> impl Strategy<Value = Stack> {
    (prop::collection::vec(1_usize..=3, depth), prop::collection::vec(extreme(), 60)).prop_map(|(layers, pool)| {
        let mut pool = pool.into_iter().cycle();
        let mut stack = Stack::zeros(&layers).expect("one unit or more");
        stack.tensors_mut().flatten().for_each(|x| *x = pool.next().expect("a cycle has no end"));
        stack
    })
}

fn net(layers: &[usize], pool: &[f32]) -> Recognition {
    let mut net = Recognition::zeros(layers).expect("one unit or more");
    let mut pool = pool.iter().copied().cycle();
    net.tensors_mut().flatten().for_each(|x| *x = pool.next().expect("a cycle has no end"));
    net
}

/// The same parameters in double precision.
fn oracle(model: Model, stack: &Stack) -> Joint {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let rows = |w: &Matrix| w.row_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let weights = (0..stack.depth()).map(|l| rows(stack.weights(l))).collect();
    let biases = (0..=stack.depth()).map(|l| wide(stack.bias(l).as_slice())).collect();
    Joint::new(model, Parameters { weights, biases })
}

fn all_rows(units: usize) -> BitMatrix {
    BitMatrix::from_fn(units, 1 << units, |unit, row| row >> (units - 1 - unit) & 1 == 1)
}

/// Rows of which one is all 0 and one is all 1.
fn flat_rows(units: usize) -> BitMatrix {
    BitMatrix::from_fn(units, 2, |_, row| row == 1)
}

/// Sums of up to nine numbers of 1e4 in single precision keep 1e-6 of them.
fn slack(stack: &Stack) -> f64 {
    let sum: f64 = stack.tensors().flatten().map(|x| f64::from(x.abs())).sum();
    1e-5 + 2e-6 * sum
}

fn check_close(found: &[f64], expected: &[f64], slack: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        prop_assert!((a - b).abs() <= slack, "{a} instead of {b}, within {slack}");
    }
    Ok(())
}

fn check_probabilities(values: impl IntoIterator<Item = f32>) -> Result<(), TestCaseError> {
    for p in values {
        prop_assert!((0.0..=1.0).contains(&p), "{p} is no probability");
    }
    Ok(())
}

fn check_finite<'a>(name: &str, values: impl IntoIterator<Item = &'a f64>) -> Result<(), TestCaseError> {
    let wrong = values.into_iter().find(|x| !x.is_finite());
    prop_assert!(wrong.is_none(), "{name} is {wrong:?}");
    Ok(())
}

fn check_stack(name: &str, stack: &Stack) -> Result<(), TestCaseError> {
    let checked = stack.check_finite();
    prop_assert!(checked.is_ok(), "{name}: {checked:?}");
    Ok(())
}

/// An outcome that is an answer or a refusal with a name, for a batch without samples.
fn answered<T: std::fmt::Debug>(outcome: Result<T, Error>, is_right: impl Fn(&T) -> bool) -> bool {
    match outcome {
        Ok(answer) => is_right(&answer),
        Err(error) => matches!(error, Error::Empty { .. } | Error::Param { .. }),
    }
}

const FEW: AisSettings = AisSettings { runs: 3, schedule: Schedule::Linear(4) };

proptest! {
    #[test]
    fn law_restricted_machines_at_the_edge_are_those_of_the_oracle(stack in stacks(2..3)) {
        let (rbm, joint, slack) = (Rbm::from_stack(stack.clone()).unwrap(), oracle(Model::Rbm, &stack), slack(&stack));
        let rows = all_rows(rbm.visible());
        let log_z = rbm.log_partition().unwrap();
        check_close(&[log_z], &[joint.log_partition()], slack)?;
        check_close(&rbm.log_prob(&rows, log_z).unwrap(), joint.log_prob_all_visible(), 2.0 * slack)?;
        prop_assert!(log_sum_exp(&rbm.log_prob(&rows, log_z).unwrap()).abs() < 2.0 * slack);

        let (sampler, streams) = (rbm.sampler(), Streams::new(1));
        check_probabilities(sampler.mean_h_from_v(&rows).to_matrix().iter().copied())?;
        check_probabilities(sampler.mean_v_from_h(&all_rows(rbm.hidden())).to_matrix().iter().copied())?;
        let mut chains = rbm.chains(1, &streams);
        rbm.sampler().run(&mut chains, 3, &streams);
        check_stack("exact gradient", &rbm.exact_gradient(&rows).unwrap())?;
        check_stack("exact gradient of one row", &rbm.exact_gradient(&rows.select(&[0])).unwrap())?;
        let moments = rbm.marginals().unwrap();
        let (v, h, pairs) = (&moments.means[0], &moments.means[1], &moments.pairs[0]);
        prop_assert!(v.iter().chain(h).chain(&pairs.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()).all(|p| (-1e-6..=1.0 + 1e-6).contains(p)));
        check_finite("pseudo-likelihood", &rbm.log_pseudo_likelihood(&rows))?;
        prop_assert!(rbm.log_pseudo_likelihood(&rows).iter().all(|&x| x <= 0.0));
        check_finite("gap", &[gm_rbm::free_energy_gap(&rbm, &flat_rows(rbm.visible()), &rows)])?;
        let annealed = rbm.log_partition_ais(&FEW, None, &streams, &mut unwatched).unwrap();
        check_finite("annealed log Z", &[annealed.log_partition.value, annealed.ess])?;
        check_finite("RAISE", &rbm.log_prob_raise(&rows, &FEW, None, &streams, &mut unwatched).unwrap())?;
        prop_assert_eq!(rbm.exact_samples(2, &streams).unwrap().v().samples(), 2);
    }

    #[test]
    fn law_belief_nets_at_the_edge_are_those_of_the_oracle(stack in stacks(2..4), pool in prop::collection::vec(extreme(), 30)) {
        let sbn = Sbn::new(stack.clone(), Some(net(&stack.layers(), &pool))).unwrap();
        let (joint, slack, streams) = (oracle(Model::Sbn, &stack), slack(&stack), Streams::new(1));
        let rows = all_rows(sbn.visible());
        check_close(&sbn.log_prob(&rows).unwrap(), joint.log_prob_all_visible(), slack)?;
        let bounds = sbn.bounds(&rows, &BoundSettings { samples: 3, repeats: 2 }, &streams, &mut unwatched).unwrap();
        check_finite("bounds", bounds.elbo.iter().chain(&bounds.rows()).chain(&bounds.ess))?;
        for (bound, exact) in sbn.exact_bound(&rows, 1).unwrap().iter().zip(sbn.log_prob(&rows).unwrap()) {
            prop_assert!(*bound <= exact + slack, "a bound of {bound} above {exact}");
        }
        let field = sbn.mean_field(&rows, &Default::default()).unwrap();
        check_probabilities(field.means.iter().flat_map(|means| means.iter().copied()))?;
        for (bound, exact) in field.bound.iter().zip(joint.log_prob_all_visible()) {
            prop_assert!(bound.is_finite() && *bound <= exact + slack, "a mean-field bound of {bound} above {exact}");
        }
        check_stack("exact gradient", &sbn.exact_gradient(&rows).unwrap())?;
        let posterior = sbn.posterior(&rows, 0).unwrap();
        prop_assert!((posterior.probabilities().iter().sum::<f64>() - 1.0).abs() < 1e-6);
        prop_assert_eq!(sbn.sample(1, &streams).len(), stack.layers().len());
    }

    #[test]
    fn law_deep_machines_at_the_edge_are_those_of_the_oracle(stack in stacks(2..4)) {
        let (dbm, joint, slack) = (Dbm::from_stack(stack.clone()).unwrap(), oracle(Model::Dbm, &stack), slack(&stack));
        let (rows, streams) = (all_rows(dbm.visible()), Streams::new(1));
        let log_z = dbm.log_partition().unwrap();
        check_close(&[log_z], &[joint.log_partition()], slack)?;
        let exact = dbm.log_prob(&rows, log_z).unwrap();
        check_close(&exact, joint.log_prob_all_visible(), 2.0 * slack)?;
        let settings = Default::default();
        let field = dbm.mean_field(&rows, &settings).unwrap();
        check_probabilities(field.means.iter().flat_map(|means| means.iter().copied()))?;
        for (bound, exact) in field.bound(&dbm, &rows, log_z).iter().zip(&exact) {
            prop_assert!(bound.is_finite() && *bound <= exact + 2.0 * slack, "a bound of {bound} above {exact}");
        }
        let mut chains = dbm.chains(1, &streams);
        dbm.sampler().run(&mut chains, 3, &streams);
        check_stack("exact gradient", &dbm.exact_gradient(&rows).unwrap())?;
        let annealed = dbm.log_partition_ais(&FEW, None, &streams, &mut unwatched).unwrap();
        check_finite("annealed log Z", &[annealed.log_partition.value, annealed.ess])?;
    }

    #[test]
    fn law_belief_networks_at_the_edge_are_those_of_the_oracle(stack in stacks(3..4), pool in prop::collection::vec(extreme(), 30)) {
        let layers = stack.layers();
        let dbn = Dbn::new(stack.clone(), Some(net(&layers[..2], &pool))).unwrap();
        let (joint, slack, streams) = (oracle(Model::Dbn, &stack), slack(&stack), Streams::new(1));
        let (rows, log_z) = (all_rows(dbn.visible()), dbn.log_partition().unwrap());
        let exact = dbn.log_prob(&rows, log_z).unwrap();
        check_close(&exact, joint.log_prob_all_visible(), 2.0 * slack)?;
        let settings = BoundSettings { samples: 3, repeats: 1 };
        let bounds = dbn.bounds(&rows, log_z, &settings, &streams, &mut unwatched).unwrap();
        check_finite("bounds", bounds.elbo.iter().chain(&bounds.rows()))?;
        for (bound, exact) in dbn.exact_bound(&rows, log_z, 1).unwrap().iter().zip(&exact) {
            prop_assert!(bound.is_finite() && *bound <= exact + 2.0 * slack, "a bound of {bound} above {exact}");
        }
        let sampler = dbn.sampler();
        let mut chains = dbn.chains(1, &streams);
        sampler.run(&mut chains, 3, &streams);
        check_probabilities(sampler.mean_v_from_chains(&chains, &streams).to_matrix().iter().copied())?;
    }

    #[test]
    fn law_functions_of_one_number_are_right_for_every_number(bits: u64) {
        let (x, narrow) = (f64::from_bits(bits), f32::from_bits(bits as u32));
        if !narrow.is_nan() {
            check_probabilities([logistic(narrow)])?;
            prop_assert!((f64::from(logistic(narrow)) - logistic_f64(f64::from(narrow))).abs() < 1e-6);
        }
        if !x.is_nan() {
            prop_assert!((0.0..=1.0).contains(&logistic_f64(x)));
            // A sum is the logarithm of a product of 1 + exp(-|x|), each rounded by half a unit in the last place.
            let allowed = 1e-12 * softplus(x).min(1e300) + f64::EPSILON;
            prop_assert!(softplus(x) >= x.max(0.0) && (softplus(x) - softplus_sum(&[x])).abs() <= allowed);
            prop_assert_eq!(log_sum_exp(&[x]), x);
            prop_assert!(log_sum_exp(&[x, f64::NEG_INFINITY]) == x);
        }
        if (0.0..=1.0).contains(&x) {
            prop_assert!(!logit(x).is_nan());
        }
    }

    #[test]
    fn law_diagnostics_are_never_nan(chain in prop::collection::vec(prop::sample::select(vec![0.0, 1.0, 1e100, -1e100, 1e300, f64::MAX, f64::MIN, 1e-320, 3.5]), 0..40)) {
        let tau = autocorrelation_time(&chain);
        prop_assert!(tau > 0.0 && tau <= chain.len().max(1) as f64, "{tau}");
        let chains = vec![chain.clone(), chain];
        for outcome in [effective_sample_size(&chains), split_r_hat(&chains)] {
            prop_assert!(outcome.as_ref().is_ok_and(|x| !x.is_nan()) || outcome.is_err(), "{outcome:?}");
        }
    }
}

#[test]
fn rejects_what_is_not_finite_wherever_parameters_come_in() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let text = |error: Error| error.to_string();
        let weights = || Matrix::from_element(2, 1, bad);
        let vector = |n| Vector::zeros(n);
        let named = [
            Rbm::new(weights(), vector(2), vector(1)).map(drop),
            Stack::new(vec![weights()], vec![vector(2), vector(1)]).map(drop),
            Recognition::new(vec![weights()], vec![vector(1)]).map(drop),
            gm_core::Labels::new(weights(), vector(2)).map(drop),
            Standardise::new(vec![bad], vec![1.0]).map(drop),
            Gaussian::new(vec![bad]).map(drop),
            effective_sample_size(&[vec![f64::from(bad); 8]]).map(drop),
            split_r_hat(&[vec![f64::from(bad); 8]]).map(drop),
            BitMatrix::from_matrix(&weights()).map(drop),
            Rbm::initial(&[0.5, bad], 1, 0.1, &Streams::new(1)).map(drop),
            Sbn::initial(&[0.5, bad], &[1], 0.1, &Streams::new(1)).map(drop),
            Dbm::initial(&[0.5, bad], &[1], 0.1, &Streams::new(1)).map(drop),
        ];
        for (i, outcome) in named.into_iter().enumerate() {
            let error = outcome.map_err(text).expect_err(&format!("case {i} takes {bad}"));
            assert!(error.contains(&bad.to_string()), "case {i}: {error}");
        }
    }
}

#[test]
fn rejects_or_answers_a_batch_without_samples() {
    let streams = Streams::new(1);
    let none = BitMatrix::zeros(3, 0);
    let zeros = |layers: &[usize]| Stack::zeros(layers).unwrap();
    let rbm = Rbm::from_stack(zeros(&[3, 2])).unwrap();
    let nothing = |values: &Vec<f64>| values.is_empty();
    let finite = |stack: &Stack| stack.check_finite().is_ok();
    assert!(rbm.log_prob(&none, 0.0).unwrap().is_empty() && rbm.log_pseudo_likelihood(&none).is_empty());
    assert!(answered(rbm.exact_gradient(&none), finite));
    assert!(answered(rbm.log_prob_raise(&none, &FEW, None, &streams, &mut unwatched), nothing));
    assert!(rbm.sampler().mean_h_from_v(&none).to_matrix().is_empty());
    rbm.sampler().run(&mut rbm.chains(0, &streams), 2, &streams);
    let sbn = Sbn::new(zeros(&[3, 2]), Some(Recognition::zeros(&[3, 2]).unwrap())).unwrap();
    assert!(answered(sbn.log_prob(&none), nothing) && answered(sbn.exact_gradient(&none), finite));
    assert!(answered(sbn.bounds(&none, &BoundSettings { samples: 2, repeats: 1 }, &streams, &mut unwatched), |b| b
        .elbo
        .is_empty()));
    assert!(answered(sbn.mean_field(&none, &Default::default()), |field| field.bound.is_empty()));
    let dbm = Dbm::from_stack(zeros(&[3, 2, 2])).unwrap();
    assert!(answered(dbm.log_prob(&none, 0.0), nothing) && answered(dbm.exact_gradient(&none), finite));
    assert!(answered(dbm.mean_field(&none, &Default::default()), |field| field.means.iter().all(Matrix::is_empty)));
    dbm.sampler().run(&mut dbm.chains(0, &streams), 2, &streams);
    let dbn = Dbn::new(zeros(&[3, 2, 2]), Some(Recognition::zeros(&[3, 2]).unwrap())).unwrap();
    assert!(answered(dbn.log_prob(&none, 0.0), nothing));
    assert!(answered(
        dbn.bounds(&none, 0.0, &BoundSettings { samples: 2, repeats: 1 }, &streams, &mut unwatched),
        |b| b.elbo.is_empty()
    ));
    assert!(answered(dbn.base_rates(&none), |rates| rates.iter().all(|x| x.is_finite())));
}

#[test]
fn table_sums_and_estimates_of_nothing_say_so() {
    assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
    assert!(log_mean_exp(&[]).is_nan(), "as documented");
    assert_eq!(LogSum::default().value(), f64::NEG_INFINITY);
    assert_eq!(softplus_sum(&[]), 0.0);
    assert_eq!(Estimate::mean(&[], Side::Unbiased, "none").samples, 0);
    assert_eq!(weights_ess(&[f64::NEG_INFINITY, 0.0]), 1.0);
    assert_eq!(logit(0.0), f64::NEG_INFINITY);
    assert_eq!(logit(1.0), f64::INFINITY);
}

#[test]
fn table_constant_data_keep_their_scale_and_train_to_their_means() {
    let constant = Standardise::of(&Matrix::from_element(3, 5, 2.5));
    assert_eq!((constant.shift(), constant.scale()), (&[2.5; 3][..], &[1.0; 3][..]));
    // All-zero and all-one data have means of 0 and 1, whose biases are kept finite.
    for p in [0.0, 1.0] {
        let rbm = Rbm::initial(&[p; 3], 2, 0.01, &Streams::new(1)).unwrap();
        assert!(rbm.stack().check_finite().is_ok());
        let rows = BitMatrix::from_fn(3, 4, |_, _| p == 1.0);
        let log_prob = mean(&rbm.log_prob(&rows, rbm.log_partition().unwrap()).unwrap());
        assert!(log_prob.is_finite() && log_prob > -1.0, "{log_prob}");
        assert!(gm_rbm::base_rate_bias(&[p]).iter().all(|x| x.is_finite()));
    }
    let batch = Batch::from(BitMatrix::zeros(2, 3));
    assert_eq!(batch.to_matrix(), Matrix::zeros(2, 3));
}
