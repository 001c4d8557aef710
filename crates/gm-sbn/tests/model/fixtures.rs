//! Exact answers computed by independent code.

use crate::common::{all_rows, fixtures, joint_of, mean, pack, pack_layers};
use gm_core::{Format, Matrix, ModelData, Stack, Vector};
use gm_sbn::{MeanFieldSettings, Sbn};
use gm_testkit::{Fixture, assert_all_close, assert_close};

/// Single-precision parameters, double-precision sums.
const RELATIVE: f64 = 1e-5;

fn flat(matrix: &Matrix) -> Vec<f64> {
    matrix.transpose().iter().map(|&x| f64::from(x)).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn oracle_log_probabilities() {
    for (fixture, sbn) in fixtures() {
        let all = sbn.log_prob(&all_rows(sbn.visible())).unwrap();
        assert_all_close(&all, &fixture.numbers_at("/log_prob_all_visible"), RELATIVE, 0.0, fixture.name());
        let data = sbn.log_prob(&pack(&fixture.data())).unwrap();
        assert_close(mean(&data), fixture.number_at("/mean_log_prob"), RELATIVE, 0.0, "mean");
    }
}

#[test]
fn oracle_log_joint_of_every_state() {
    for (_, sbn) in fixtures() {
        let joint = joint_of(&sbn);
        let states: Vec<Vec<u8>> = (0..1 << joint.units()).map(|number| joint.state(number)).collect();
        let expected: Vec<f64> = states.iter().map(|state| joint.log_prob(state)).collect();
        assert_all_close(&sbn.log_joint(&pack_layers(&sbn, &states)), &expected, 1e-6, 1e-6, "log p(x)");
    }
}

#[test]
fn oracle_posterior_means_and_covariances() {
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data());
        let means = fixture.matrix_at("/posterior_mean_hidden_concatenated");
        let covariances = fixture.matrices_at("/posterior_covariance_hidden_concatenated");
        for (row, (means, covariances)) in means.iter().zip(&covariances).enumerate() {
            let posterior = sbn.posterior(&data, row).unwrap();
            assert_all_close(&posterior.means(), means, RELATIVE, 1e-6, "E[h | v]");
            let units = means.len();
            let found: Vec<f64> =
                (0..units * units).map(|pair| posterior.covariance(pair / units, pair % units)).collect();
            assert_all_close(&found, &covariances.concat(), RELATIVE, 1e-6, "Cov[h | v]");
            assert_close(posterior.log_prob(), sbn.log_prob(&data).unwrap()[row], 1e-12, 0.0, "log p(v)");
        }
    }
}

#[test]
fn oracle_prior_has_the_marginals_of_the_hidden_layers() {
    for (fixture, sbn) in fixtures() {
        let marginal = fixture.matrix_at("/marginal");
        assert_all_close(&sbn.prior().unwrap().means(), &marginal[1..].concat(), RELATIVE, 1e-6, "E[h]");
    }
}

#[test]
fn oracle_gradient() {
    for (fixture, sbn) in fixtures() {
        let gradient = sbn.exact_gradient(&pack(&fixture.data())).unwrap();
        for l in 0..=sbn.depth() {
            let bias = fixture.numbers_at(&format!("/gradient_mean_log_prob/bias.{l}"));
            assert_all_close(&wide(gradient.bias(l).as_slice()), &bias, RELATIVE, 2e-6, "biases");
            if l < sbn.depth() {
                let weights = fixture.matrix_at(&format!("/gradient_mean_log_prob/weights.{l}")).concat();
                assert_all_close(&flat(gradient.weights(l)), &weights, RELATIVE, 2e-6, "weights");
            }
        }
    }
}

#[test]
fn oracle_recognition_gradient_is_a_finite_difference_of_the_divergence() {
    // E log q(h | v) under the posterior, as a function of one parameter of q at a time.
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data());
        let gradient = sbn.exact_recognition_gradient(&data).unwrap();
        let objective = |sbn: &Sbn| {
            let row = |row: usize| {
                let (posterior, v) = (sbn.posterior(&data, row).unwrap(), data.select(&[row]));
                let draws = gm_sbn::Draws::of_states(&sbn.sampler(), &v, &posterior.states());
                posterior.probabilities().iter().zip(draws.log_q()).map(|(p, q)| p * q).sum::<f64>()
            };
            mean(&(0..data.samples()).map(row).collect::<Vec<_>>())
        };
        let step = 1.0 / 64.0;
        for (tensor, values) in gradient.tensors().enumerate() {
            let moved = |by: f32| {
                let mut sbn = sbn.clone();
                let net = sbn.recognition_mut().unwrap();
                net.tensors_mut().nth(tensor).unwrap()[0] += by;
                objective(&sbn)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert_close(f64::from(values[0]), difference, 1e-3, 1e-4, &gradient.tensor_names()[tensor]);
        }
    }
}

#[test]
fn oracle_bound_gradients_are_finite_differences_of_the_bound() {
    let step = 1.0 / 64.0;
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data()).select(&[0, 3]);
        for samples in [1, 2] {
            let (generative, recognition) = sbn.exact_bound_gradients(&data, samples).unwrap();
            let found = generative.tensors().chain(recognition.tensors()).map(|tensor| f64::from(tensor[0]));
            for (tensor, found) in found.enumerate() {
                let moved = |by: f32| {
                    let mut sbn = sbn.clone();
                    sbn.tensors_mut().nth(tensor).unwrap()[0] += by;
                    mean(&sbn.exact_bound(&data, samples).unwrap())
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                assert_close(found, difference, 2e-3, 2e-4, &format!("{}, K = {samples}", fixture.name()));
            }
        }
    }
}

#[test]
fn oracle_dream_gradient_is_a_finite_difference() {
    let step = 1.0 / 64.0;
    for (_, sbn) in fixtures() {
        let joint = joint_of(&sbn);
        let states: Vec<Vec<u8>> = (0..1 << joint.units()).map(|number| joint.state(number)).collect();
        let (layers, p) = (pack_layers(&sbn, &states), joint.probabilities());
        let gradient = sbn.exact_dream_gradient().unwrap();
        for (tensor, found) in gradient.tensors().map(|tensor| f64::from(tensor[0])).enumerate() {
            let moved = |by: f32| {
                let mut sbn = sbn.clone();
                sbn.recognition_mut().unwrap().tensors_mut().nth(tensor).unwrap()[0] += by;
                let draws = gm_sbn::Draws::of_states(&sbn.sampler(), &layers[0], &layers[1..]);
                p.iter().zip(draws.log_q()).map(|(p, q)| p * q).sum::<f64>()
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert_close(found, difference, 2e-3, 2e-4, &gradient.tensor_names()[tensor]);
        }
    }
}

#[test]
fn oracle_evidence_bound_and_two_sample_bound() {
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data());
        let elbo = sbn.exact_bound(&data, 1).unwrap();
        assert_all_close(&elbo, &fixture.numbers_at("/elbo_exact"), RELATIVE, 0.0, "ELBO");
        let two = sbn.exact_bound(&data, 2).unwrap();
        assert_all_close(&two, &fixture.numbers_at("/importance_weighted_bound_k2_exact"), RELATIVE, 0.0, "K = 2");
    }
}

#[test]
fn oracle_one_stack_three_models() {
    let fixture = Fixture::published("one_stack_three_models");
    let parameters = fixture.parameters();
    let matrix = |rows: &Vec<Vec<f64>>| Matrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] as f32);
    let vector = |values: &Vec<f64>| Vector::from_iterator(values.len(), values.iter().map(|&x| x as f32));
    let stack =
        Stack::new(parameters.weights.iter().map(matrix).collect(), parameters.biases.iter().map(vector).collect());
    let sbn = Sbn::new(stack.unwrap(), None).unwrap();
    let rows = pack(&[vec![0, 0, 0], vec![1, 0, 1], vec![1, 1, 1]]);
    let expected = fixture.numbers_at("/sbn/log_prob_000_101_111");
    assert_all_close(&sbn.log_prob(&rows).unwrap(), &expected, 1e-6, 0.0, "log p");
}

#[test]
fn oracle_mean_field_bound_lies_below_the_evidence_bound_of_its_means() {
    let settings = MeanFieldSettings { sweeps: 500, tolerance: 1e-9 };
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data());
        let found = sbn.mean_field(&data, &settings).unwrap();
        let exact = sbn.log_prob(&data).unwrap();
        for (row, &exact) in exact.iter().enumerate() {
            let means: Vec<f64> = found.means.iter().flat_map(|m| wide(m.column(row).as_slice())).collect();
            let elbo = factorial_bound(&sbn, &data, row, &means);
            assert!(found.bound[row] <= elbo + 1e-6, "{}: {} above {elbo}", fixture.name(), found.bound[row]);
            assert!(elbo <= exact + 1e-9);
            assert!(exact - found.bound[row] < 1.5, "{}: {} of {exact}", fixture.name(), found.bound[row]);
        }
    }
}

/// E[log p(v, h)] + H for independent hidden units, by enumeration.
fn factorial_bound(sbn: &Sbn, data: &gm_core::BitMatrix, row: usize, means: &[f64]) -> f64 {
    let posterior = sbn.posterior(data, row).expect("a small model");
    let states = posterior.states();
    let units: Vec<(usize, usize)> =
        states.iter().enumerate().flat_map(|(l, x)| (0..x.units()).map(move |u| (l, u))).collect();
    let log_q = |state: usize| {
        let term = |(&(l, u), &mean): (&(usize, usize), &f64)| {
            if states[l].get(u, state) { mean.ln() } else { (1.0 - mean).ln() }
        };
        units.iter().zip(means).map(term).sum::<f64>()
    };
    posterior.log_joint().iter().enumerate().map(|(state, joint)| log_q(state).exp() * (joint - log_q(state))).sum()
}

#[test]
fn law_mean_field_ends_where_no_mean_improves_the_bound() {
    // More sweeps never lower the bound, and at the end nothing moves.
    for (fixture, sbn) in fixtures() {
        let data = pack(&fixture.data());
        let bound = |sweeps| sbn.mean_field(&data, &MeanFieldSettings { sweeps, tolerance: 0.0 }).unwrap();
        let mut last = bound(0).bound;
        for sweeps in [1, 2, 3, 5, 10, 100] {
            let next = bound(sweeps).bound;
            assert!(next.iter().zip(&last).all(|(new, old)| *new >= old - 1e-9), "{}: {sweeps} sweeps", fixture.name());
            last = next;
        }
        let (a, b) = (bound(2_000), bound(4_000));
        assert_all_close(&a.bound, &b.bound, 1e-9, 1e-9, "converged bound");
    }
}

#[test]
fn table_independent_units_have_no_gap() {
    let bias = |n: usize| Vector::from_fn(n, |i, _| 0.4 * i as f32 - 1.0);
    let sbn = Sbn::new(Stack::new(vec![Matrix::zeros(5, 3)], vec![bias(5), bias(3)]).unwrap(), None).unwrap();
    let data = all_rows(5);
    let exact = sbn.log_prob(&data).unwrap();
    let found = sbn.mean_field(&data, &MeanFieldSettings::default()).unwrap();
    assert_all_close(&found.bound, &exact, 1e-9, 1e-9, "bound");
    let total: f64 = exact.iter().map(|x| x.exp()).sum();
    assert_close(total, 1.0, 1e-12, 0.0, "probabilities of all rows");
}

#[test]
fn rejects_models_too_large_and_data_of_another_width() {
    let sbn = Sbn::new(Stack::zeros(&[4, 31]).unwrap(), None).unwrap();
    let v = all_rows(4);
    let text = "Sbn::log_prob: 31 units must be enumerated, at most 30 can be";
    assert_eq!(sbn.log_prob(&v).unwrap_err().to_string(), text);
    let text = "Sbn::posterior: 31 units must be enumerated, at most 24 can be";
    assert_eq!(sbn.posterior(&v, 0).unwrap_err().to_string(), text);
    let text = "Sbn::exact_gradient: 31 units must be enumerated, at most 16 can be";
    assert_eq!(sbn.exact_gradient(&v).unwrap_err().to_string(), text);
    let text = "Sbn::log_prob: `data` has units 3, expected 4";
    assert_eq!(sbn.log_prob(&all_rows(3)).unwrap_err().to_string(), text);
    let text = "Sbn::exact_bound: `recognition` is absent, allowed: a model with a recognition net";
    assert_eq!(sbn.exact_bound(&v, 1).unwrap_err().to_string(), text);
    let text = "Sbn::posterior: `row` is 16 of 16, allowed: a row of the data";
    let small = Sbn::new(Stack::zeros(&[4, 3]).unwrap(), None).unwrap();
    assert_eq!(small.posterior(&v, 16).unwrap_err().to_string(), text);
}

#[test]
fn oracle_files_of_other_models_are_refused() {
    for fixture in Fixture::all().iter().filter(|f| f.model() != "sbn") {
        let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).unwrap();
        assert!(Sbn::from_data(data).is_err(), "{}", fixture.name());
    }
}
