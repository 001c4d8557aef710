//! Exact answers computed by independent code.

use crate::common::{all_rows, dbm_of, mean, pack, plain, rows_of, wide};
use gm_core::{Error, Format, ModelData, Stack, Streams};
use gm_dbm::{Dbm, MeanFieldSettings, MeanFieldStart, UpdateOrder};
use gm_testkit::{Fixture, assert_all_close, assert_close};

/// The tolerance of double-precision sums over single-precision parameters.
const RELATIVE: f64 = 1e-5;

fn fixtures() -> [(Fixture, Dbm); 2] {
    ["dbm_2", "dbm_3"].map(|name| {
        let fixture = Fixture::load(name);
        let dbm = dbm_of(&fixture);
        (fixture, dbm)
    })
}

#[test]
fn oracle_partition_and_log_probabilities() {
    for (fixture, dbm) in fixtures() {
        let log_partition = dbm.log_partition().unwrap();
        assert_close(log_partition, fixture.number_at("/log_partition"), RELATIVE, 0.0, fixture.name());
        let all = dbm.log_prob(&all_rows(dbm.visible()), log_partition).unwrap();
        assert_all_close(&all, &fixture.numbers_at("/log_prob_all_visible"), RELATIVE, 1e-6, fixture.name());
        let of_data = dbm.log_prob(&pack(&fixture.data()), log_partition).unwrap();
        assert_close(mean(&of_data), fixture.number_at("/mean_log_prob"), RELATIVE, 0.0, "mean");
    }
}

#[test]
fn oracle_marginals_and_pair_marginals() {
    for (fixture, dbm) in fixtures() {
        let moments = dbm.marginals().unwrap();
        for (found, expected) in moments.means.iter().zip(fixture.matrix_at("/marginal")) {
            assert_all_close(found, &expected, RELATIVE, 0.0, "E[x_l]");
        }
        let expected = fixture.matrices_at("/pair_marginal");
        assert_eq!((moments.means.len(), moments.pairs.len()), (dbm.depth() + 1, expected.len()));
        for (found, expected) in moments.pairs.iter().zip(expected) {
            assert_all_close(&rows_of(found).concat(), &expected.concat(), RELATIVE, 1e-7, "E[x_l x_(l+1)']");
        }
    }
}

#[test]
fn oracle_posterior_moments() {
    for (fixture, dbm) in fixtures() {
        let means = fixture.matrix_at("/posterior_mean_hidden_concatenated");
        let covariances = fixture.matrices_at("/posterior_covariance_hidden_concatenated");
        for ((row, mean), covariance) in fixture.data().iter().zip(&means).zip(&covariances) {
            let moments = dbm.posterior_moments(&pack(std::slice::from_ref(row))).unwrap();
            assert_all_close(&moments.means[1..].concat(), mean, RELATIVE, 1e-6, "E[h | v]");
            let (n, m) = (dbm.layers()[1], dbm.layers()[2]);
            let second = |i: usize, j: usize| covariance[i][n + j] + mean[i] * mean[n + j];
            let expected: Vec<f64> =
                (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| second(i, j)).collect();
            assert_all_close(&rows_of(&moments.pairs[1]).concat(), &expected, RELATIVE, 1e-6, "E[h_1 h_2' | v]");
        }
    }
}

#[test]
fn oracle_mean_field_solution_and_bound() {
    for (fixture, dbm) in fixtures() {
        let data = pack(&fixture.data());
        let settings = MeanFieldSettings {
            iterations: 2_000,
            tolerance: 0.0,
            start: MeanFieldStart::Half,
            ..MeanFieldSettings::default()
        };
        let damped = MeanFieldSettings { order: UpdateOrder::Parallel, damping: 0.3, ..settings };
        for settings in [settings, damped] {
            let found = dbm.mean_field(&data, &settings).unwrap();
            let bounds = found.bound(&dbm, &data, fixture.number_at("/log_partition"));
            for (s, bound) in bounds.iter().enumerate() {
                let pointer = format!("/mean_field/{s}");
                let means: Vec<f64> = found.means.iter().flat_map(|m| wide(m.column(s).as_slice())).collect();
                let expected = fixture.matrix_at(&format!("{pointer}/mean")).concat();
                assert_all_close(&means, &expected, 0.0, 2e-6, fixture.name());
                assert_close(*bound, fixture.number_at(&format!("{pointer}/bound")), RELATIVE, 0.0, "bound");
            }
        }
    }
}

#[test]
fn oracle_gradient() {
    for (fixture, dbm) in fixtures() {
        let gradient = plain(&dbm.exact_gradient(&pack(&fixture.data())).unwrap());
        for (l, weights) in gradient.weights.iter().enumerate() {
            let expected = fixture.matrix_at(&format!("/gradient_mean_log_prob/weights.{l}")).concat();
            assert_all_close(&weights.concat(), &expected, RELATIVE, 1e-6, "weights");
        }
        for (l, bias) in gradient.biases.iter().enumerate() {
            let expected = fixture.numbers_at(&format!("/gradient_mean_log_prob/bias.{l}"));
            assert_all_close(bias, &expected, RELATIVE, 1e-6, "biases");
        }
    }
}

#[test]
fn oracle_one_stack_three_models() {
    let fixture = Fixture::published("one_stack_three_models");
    let dbm = crate::common::dbm_from(&fixture.parameters());
    let log_partition = dbm.log_partition().unwrap();
    assert_close(log_partition, fixture.number_at("/dbm/log_partition"), RELATIVE, 0.0, "log Z");
    let rows = pack(&[vec![0, 0, 0], vec![1, 0, 1], vec![1, 1, 1]]);
    let expected = fixture.numbers_at("/dbm/log_prob_000_101_111");
    assert_all_close(&dbm.log_prob(&rows, log_partition).unwrap(), &expected, RELATIVE, 0.0, "log p");
}

#[test]
fn table_zero_weights_are_independent_units() {
    let mut stack = Stack::zeros(&[4, 3, 2, 3]).unwrap();
    let mut expected = 0.0;
    for l in 0..4 {
        for (i, b) in stack.bias_mut(l).iter_mut().enumerate() {
            *b = 0.3 * i as f32 - 0.5 * l as f32;
            expected += gm_core::softplus(f64::from(*b));
        }
    }
    let dbm = Dbm::from_stack(stack).unwrap();
    assert_close(dbm.log_partition().unwrap(), expected, 0.0, 1e-10, "zero weights");
}

#[test]
fn rejects_models_too_large_to_enumerate_and_data_of_another_width() {
    let large = Dbm::from_stack(Stack::zeros(&[20, 31, 20]).unwrap()).unwrap();
    let text = "Dbm::log_partition: 31 units must be enumerated, at most 30 can be";
    assert_eq!(large.log_partition().unwrap_err().to_string(), text);
    assert_eq!(large.enumerable_hidden_units(), 20);
    let samples = Dbm::from_stack(Stack::zeros(&[25, 26]).unwrap()).unwrap().exact_samples(1, &Streams::new(0));
    assert!(matches!(samples, Err(Error::TooLarge { units: 25, limit: 24, .. })));
    let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2]).unwrap()).unwrap();
    let narrow = pack(&[vec![1, 0]]);
    let text = |op: &str| format!("Dbm::{op}: `data` has units 2, expected 3");
    assert_eq!(dbm.log_prob(&narrow, 0.0).unwrap_err().to_string(), text("log_prob"));
    assert_eq!(dbm.exact_gradient(&narrow).unwrap_err().to_string(), text("posterior_moments"));
    let none = gm_core::BitMatrix::zeros(3, 0);
    assert_eq!(dbm.exact_gradient(&none).unwrap_err().to_string(), "Dbm::posterior_moments: `data` is empty");
}

#[test]
fn oracle_files_of_other_models_are_refused() {
    for fixture in Fixture::all().iter().filter(|f| f.model() != "dbm") {
        let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).unwrap();
        assert!(Dbm::from_data(data).is_err(), "{}", fixture.name());
    }
}
