//! Exact answers computed by independent code.

use crate::common::{all_rows, dbn_of, fixtures, joint_of, mean, pack, pack_layers, plain, wide};
use gm_core::{Format, Matrix, ModelData, Stack, Vector};
use gm_dbn::Dbn;
use gm_testkit::{Fixture, assert_all_close, assert_close};

/// Single-precision parameters and inputs, double-precision sums.
const RELATIVE: f64 = 1e-5;

#[test]
fn oracle_log_probabilities_and_log_partition() {
    for (fixture, dbn) in fixtures() {
        let log_z = dbn.log_partition().unwrap();
        assert_close(log_z, fixture.number_at("/log_partition_top_rbm"), RELATIVE, 0.0, "log Z");
        let all = dbn.log_prob(&all_rows(dbn.visible()), log_z).unwrap();
        assert_all_close(&all, &fixture.numbers_at("/log_prob_all_visible"), RELATIVE, 0.0, fixture.name());
        let data = dbn.log_prob(&pack(&fixture.data()), log_z).unwrap();
        assert_close(mean(&data), fixture.number_at("/mean_log_prob"), RELATIVE, 0.0, "mean");
    }
}

#[test]
fn oracle_log_joint_of_every_state() {
    for (_, dbn) in fixtures() {
        let joint = joint_of(&dbn);
        let states: Vec<Vec<u8>> = (0..1 << joint.units()).map(|number| joint.state(number)).collect();
        let expected: Vec<f64> = states.iter().map(|state| joint.log_prob(state)).collect();
        let found = dbn.log_joint(&pack_layers(&dbn.layers(), &states), dbn.log_partition().unwrap());
        assert_all_close(&found, &expected, 1e-6, 2e-6, "log p(x)");
    }
}

#[test]
fn oracle_posterior_means_and_covariances() {
    for (fixture, dbn) in fixtures() {
        let data = pack(&fixture.data());
        let means = fixture.matrix_at("/posterior_mean_hidden_concatenated");
        let covariances = fixture.matrices_at("/posterior_covariance_hidden_concatenated");
        for (row, (means, covariances)) in means.iter().zip(&covariances).enumerate() {
            let posterior = dbn.posterior(&data, row).unwrap();
            assert_all_close(&posterior.means(), means, RELATIVE, 2e-6, "E[h | v]");
            let units = means.len();
            let found: Vec<f64> =
                (0..units * units).map(|pair| posterior.covariance(pair / units, pair % units)).collect();
            assert_all_close(&found, &covariances.concat(), RELATIVE, 2e-6, "Cov[h | v]");
            let log_z = dbn.log_partition().unwrap();
            let log_prob = dbn.log_prob(&data, log_z).unwrap()[row];
            assert_close(posterior.log_prob() - log_z, log_prob, 1e-6, 2e-6, "log p(v)");
        }
    }
}

#[test]
fn oracle_marginals_follow_from_exact_samples() {
    // Means of many independent draws, within six standard deviations.
    const SAMPLES: usize = 60_000;
    for (case, (fixture, dbn)) in fixtures().iter().enumerate() {
        let layers = dbn.exact_samples(SAMPLES, &gm_core::Streams::new(case as u64)).unwrap();
        for (x, expected) in layers.iter().zip(fixture.matrix_at("/marginal")) {
            for (count, p) in x.bits().unit_counts().iter().zip(expected) {
                let error = 6.0 * (p * (1.0 - p) / SAMPLES as f64).sqrt();
                assert_close(*count as f64 / SAMPLES as f64, p, 0.0, error, fixture.name());
            }
        }
    }
}

#[test]
fn oracle_gradient() {
    for (fixture, dbn) in fixtures() {
        let gradient = plain(dbn.exact_gradient(&pack(&fixture.data())).unwrap().stack());
        for l in 0..=dbn.depth() {
            let bias = fixture.numbers_at(&format!("/gradient_mean_log_prob/bias.{l}"));
            assert_all_close(&gradient.biases[l], &bias, RELATIVE, 3e-6, "biases");
            if l < dbn.depth() {
                let weights = fixture.matrix_at(&format!("/gradient_mean_log_prob/weights.{l}")).concat();
                assert_all_close(&gradient.weights[l].concat(), &weights, RELATIVE, 3e-6, "weights");
            }
        }
    }
}

#[test]
fn oracle_lower_bound() {
    for (fixture, dbn) in fixtures() {
        let data = pack(&fixture.data());
        let log_z = dbn.log_partition().unwrap();
        let bound = dbn.exact_bound(&data, log_z, 1).unwrap();
        assert_all_close(&bound, &fixture.numbers_at("/lower_bound_exact"), RELATIVE, 0.0, "bound");
        let two = dbn.exact_bound(&data, log_z, 2).unwrap();
        let exact = dbn.log_prob(&data, log_z).unwrap();
        assert!(bound.iter().zip(&two).zip(&exact).all(|((one, two), exact)| one < two && two < exact));
    }
}

#[test]
fn oracle_one_stack_three_models() {
    let fixture = Fixture::published("one_stack_three_models");
    let parameters = fixture.parameters();
    let matrix = |rows: &Vec<Vec<f64>>| Matrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] as f32);
    let vector = |values: &Vec<f64>| Vector::from_iterator(values.len(), values.iter().map(|&x| x as f32));
    let weights = parameters.weights.iter().map(matrix).collect();
    let dbn = Dbn::new(Stack::new(weights, parameters.biases.iter().map(vector).collect()).unwrap(), None).unwrap();
    let log_z = dbn.log_partition().unwrap();
    assert_close(log_z, fixture.number_at("/dbn/log_partition_top_rbm"), 1e-6, 0.0, "log Z");
    let rows = pack(&[vec![0, 0, 0], vec![1, 0, 1], vec![1, 1, 1]]);
    let expected = fixture.numbers_at("/dbn/log_prob_000_101_111");
    assert_all_close(&dbn.log_prob(&rows, log_z).unwrap(), &expected, 1e-6, 0.0, "log p");
}

#[test]
fn oracle_files_of_other_models_are_refused() {
    for fixture in Fixture::all().iter().filter(|f| f.model() != "dbn") {
        let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).unwrap();
        assert!(Dbn::from_data(data).is_err(), "{}", fixture.name());
    }
}

#[test]
fn law_files_give_back_what_was_written() {
    for (fixture, dbn) in fixtures() {
        let labels = gm_core::Labels::new(
            Matrix::from_fn(3, *dbn.layers().last().unwrap(), |i, j| i as f32 - 0.3 * j as f32),
            Vector::from_vec(vec![0.1, 0.2, -0.3]),
        );
        let labelled = dbn.clone().with_labels(Some(labels.unwrap())).unwrap();
        for model in [dbn, labelled] {
            for format in [Format::Gm, Format::Json, Format::Safetensors, Format::Npz] {
                let mut file = Vec::new();
                model.to_data().unwrap().write_as(format, &mut file).unwrap();
                let again = Dbn::from_data(ModelData::read_as(format, &file[..]).unwrap()).unwrap();
                assert_eq!(again, model, "{} as {format:?}", fixture.name());
            }
        }
    }
}

#[test]
fn oracle_recognition_is_that_of_the_file() {
    let fixture = Fixture::load("dbn_2");
    let dbn = dbn_of(&fixture);
    let data = pack(&fixture.data());
    let means = dbn.means_up_from_v(&data.to_matrix());
    let net = dbn.recognition().unwrap();
    let input = |unit: usize| {
        let weights = net.weights(0).column(unit);
        let sum: f32 = (0..data.units()).filter(|&i| data.get(i, 0)).map(|i| weights[i]).sum();
        f64::from(sum + net.bias(1)[unit])
    };
    let expected: Vec<f64> = (0..4).map(|unit| gm_core::logistic_f64(input(unit))).collect();
    assert_all_close(&wide(means[0].column(0).as_slice()), &expected, 1e-6, 1e-6, "q(x_1 | v)");
}
