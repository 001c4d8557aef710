//! Exact answers computed by independent code.

use crate::common::{all_rows, mean, pack, rbm_of};
use gm_core::{AisSettings, Error, Format, Matrix, ModelData, Schedule, Stack, Streams, Vector, unwatched};
use gm_rbm::{Offsets, Phase, Rbm, gradient};
use gm_testkit::{Fixture, assert_all_close, assert_close};

/// The tolerance of double-precision sums over single-precision parameters.
const RELATIVE: f64 = 1e-5;

fn flat(matrix: &Matrix) -> Vec<f64> {
    matrix.transpose().iter().map(|&x| f64::from(x)).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

fn fixtures() -> [(Fixture, Rbm); 2] {
    ["rbm_small", "rbm_strong"].map(|name| {
        let fixture = Fixture::load(name);
        let rbm = rbm_of(&fixture);
        (fixture, rbm)
    })
}

#[test]
fn oracle_partition_and_log_probabilities() {
    for (fixture, rbm) in fixtures() {
        let log_partition = rbm.log_partition().unwrap();
        assert_close(log_partition, fixture.number_at("/log_partition"), RELATIVE, 0.0, fixture.name());
        let all = rbm.log_prob(&all_rows(rbm.visible()), log_partition).unwrap();
        assert_all_close(&all, &fixture.numbers_at("/log_prob_all_visible"), RELATIVE, 1e-6, fixture.name());
        let data = pack(&fixture.data());
        assert_close(
            mean(&rbm.log_prob(&data, log_partition).unwrap()),
            fixture.number_at("/mean_log_prob"),
            RELATIVE,
            0.0,
            "mean",
        );
        assert_all_close(&rbm.free_energy(&data), &fixture.numbers_at("/free_energy"), RELATIVE, 0.0, "free energy");
        assert_all_close(
            &rbm.log_pseudo_likelihood(&data),
            &fixture.numbers_at("/log_pseudo_likelihood"),
            RELATIVE,
            1e-6,
            "pseudo-likelihood",
        );
    }
}

#[test]
fn oracle_conditionals_posteriors_and_marginals() {
    for (fixture, rbm) in fixtures() {
        let data = pack(&fixture.data());
        let means = rbm.sampler().mean_h_from_v(&data).to_matrix();
        let rows: Vec<f64> = wide(means.as_slice());
        assert_all_close(&rows, &fixture.matrix_at("/hidden_conditional_mean").concat(), RELATIVE, 1e-6, "E[h | v]");
        assert_all_close(
            &rows,
            &fixture.matrix_at("/posterior_mean_hidden_concatenated").concat(),
            RELATIVE,
            1e-6,
            "posterior",
        );
        for (covariance, mean) in
            fixture.matrices_at("/posterior_covariance_hidden_concatenated").iter().zip(means.column_iter())
        {
            for (j, row) in covariance.iter().enumerate() {
                for (k, &value) in row.iter().enumerate() {
                    let p = f64::from(mean[j]);
                    let factorial = if j == k { p * (1.0 - p) } else { 0.0 };
                    assert_close(value, factorial, RELATIVE, 1e-6, "posterior covariance");
                }
            }
        }
        let moments = rbm.marginals().unwrap();
        let (v, h, pairs) = (&moments.means[0], &moments.means[1], &moments.pairs[0]);
        let expected = fixture.matrix_at("/marginal");
        assert_all_close(v, &expected[0], RELATIVE, 0.0, "E[v]");
        assert_all_close(h, &expected[1], RELATIVE, 0.0, "E[h]");
        assert_all_close(&flat(pairs), &fixture.matrices_at("/pair_marginal")[0].concat(), RELATIVE, 1e-7, "E[v h']");
    }
}

#[test]
fn oracle_gradient_plain_and_centred() {
    for (fixture, rbm) in fixtures() {
        let mut gradient = rbm.exact_gradient(&pack(&fixture.data())).unwrap();
        check_gradient(&gradient, &fixture, "/gradient_mean_log_prob");
        let of_layer = |at| fixture.numbers_at(at).iter().map(|&x| x as f32).collect();
        let layers = ["/centered/visible_offset", "/centered/hidden_offset"].map(of_layer).to_vec();
        let offsets = Offsets { layers };
        offsets.centre(&mut gradient);
        check_gradient(&gradient, &fixture, "/centered/gradient");
    }
}

fn check_gradient(gradient: &Stack, fixture: &Fixture, pointer: &str) {
    let weights = fixture.matrix_at(&format!("{pointer}/weights.0")).concat();
    assert_all_close(&flat(gradient.weights(0)), &weights, RELATIVE, 1e-6, "weights");
    for l in [0, 1] {
        let bias = fixture.numbers_at(&format!("{pointer}/bias.{l}"));
        assert_all_close(&wide(gradient.bias(l).as_slice()), &bias, RELATIVE, 1e-6, "biases");
    }
}

#[test]
fn oracle_gradient_from_exact_samples_of_the_model_is_small_in_expectation() {
    // The data are drawn from the model. The gradient of each weight is a mean of bounded terms, so that six standard
    // deviations are below 6 * 2 * 0.5 / sqrt(n) for n = 200,000.
    let (_, rbm) = &fixtures()[0];
    let n = 200_000;
    let sampler = rbm.sampler();
    let phase = |seed| Phase::new(&sampler, rbm.exact_samples(n, &Streams::new(seed)).unwrap().v());
    let gradient = gradient(&phase(1), &phase(2));
    let bound = 6.0 / (n as f32).sqrt();
    assert!(gradient.tensors().flatten().all(|g| g.abs() < bound), "bound {bound}");
}

#[test]
fn oracle_pydeep_four_by_four() {
    let fixture = Fixture::published("pydeep_4x4");
    let rbm = rbm_of(&fixture);
    let log_partition = rbm.log_partition().unwrap();
    assert_close(log_partition, fixture.number_at("/log_partition"), 1e-7, 0.0, "log Z");
    let mean = mean(&rbm.log_prob(&pack(&fixture.data()), log_partition).unwrap());
    assert_close(mean, fixture.number_at("/mean_log_prob"), RELATIVE, 0.0, "mean log-probability");
    // In the data each unit is on in half of the rows, so that the base biases are 0.
    let base = gm_rbm::base_rate_bias(&[0.5; 4]);
    for (temperatures, limit) in [(100, 0.5), (1_000, 0.05), (10_000, 0.005)] {
        assert_eq!(fixture.number_at(&format!("/ais_absolute_error_below/{temperatures}")), limit);
        let settings = AisSettings { runs: 100, schedule: Schedule::Linear(temperatures) };
        let found = rbm.log_partition_ais(&settings, Some(&base), &Streams::new(1), &mut unwatched).unwrap();
        let error = (found.log_partition.value - log_partition).abs();
        assert!(error < limit, "{temperatures} temperatures: error {error}, allowed {limit}; {}", found.log_partition);
    }
}

#[test]
fn oracle_shogun_five_by_six() {
    let weights = Matrix::from_fn(5, 6, |i, j| 0.01 * (6 * i + j) as f32);
    let bias = |n| Vector::from_fn(n, |i, _| 0.1 * i as f32);
    let rbm = Rbm::new(weights, bias(5), bias(6)).unwrap();
    let fixture = Fixture::published("shogun_5x6");
    assert_close(rbm.log_partition().unwrap(), fixture.number_at("/log_partition"), 1e-7, 0.0, "log Z");
    let rows = fixture.matrix_at("/mean_free_energy_of/data");
    let real = Matrix::from_fn(5, rows.len(), |i, s| rows[s][i] as f32);
    let free_energy = mean(&rbm.free_energy(&real));
    assert_close(free_energy, fixture.number_at("/mean_free_energy_of/value"), 1e-6, 0.0, "free energy");
    let pseudo = rbm.log_pseudo_likelihood(&pack(&[vec![0, 0, 0, 1, 1]]))[0];
    assert_close(pseudo, fixture.number_at("/log_pseudo_likelihood_of_00011"), RELATIVE, 0.0, "pseudo-likelihood");
    let v = &rbm.marginals().unwrap().means[0];
    assert_all_close(v, &fixture.numbers_at("/visible_marginal"), 0.0, 1e-6, "E[v]");
}

#[test]
fn table_identities_of_independent_units() {
    let biases = |n: usize| Vector::from_fn(n, |i, _| 0.3 * i as f32 - 1.0);
    let rbm = Rbm::new(Matrix::zeros(7, 4), biases(7), biases(4)).unwrap();
    let expected: f64 = [7, 4]
        .iter()
        .flat_map(|&n| biases(n).iter().map(|&b| gm_core::softplus(f64::from(b))).collect::<Vec<_>>())
        .sum();
    assert_close(rbm.log_partition().unwrap(), expected, 0.0, 1e-10, "zero weights");
    // Visible biases at the logits of the means give the independent Bernoulli model.
    let means = [0.25, 0.5, 0.9];
    let logits = Vector::from_iterator(3, means.iter().map(|&p| gm_core::logit(p) as f32));
    let rbm = Rbm::new(Matrix::zeros(3, 2), logits.clone(), Vector::from_vec(vec![0.4, -2.0])).unwrap();
    let log_prob = rbm.log_prob(&all_rows(3), rbm.log_partition().unwrap()).unwrap();
    for (row, found) in log_prob.iter().enumerate() {
        let term = |i: usize| {
            let on = row >> (2 - i) & 1 == 1;
            -gm_core::softplus(if on { -f64::from(logits[i]) } else { f64::from(logits[i]) })
        };
        assert_close(*found, (0..3).map(term).sum(), 0.0, 1e-10, "independent units");
    }
}

/// Spins are -1 or 1, and the log-weight of a state is s' W t + a' s + b' t.
#[test]
fn oracle_spins_have_the_energies_of_the_model_up_to_the_shift() {
    let w = Matrix::from_fn(3, 2, |i, j| (i as f32 - 0.7) * (j as f32 + 0.5));
    let (a, b) = (Vector::from_column_slice(&[0.3, -0.8, 1.1]), Vector::from_column_slice(&[-0.4, 0.9]));
    let spins = Stack::new(vec![w.clone()], vec![a.clone(), b.clone()]).unwrap();
    let (rbm, shift) = Rbm::from_spins(&spins).unwrap();
    let (v, h) = (crate::common::all_rows(3), crate::common::all_rows(2));
    let spin = |on: bool| if on { 1.0_f32 } else { -1.0 };
    for (i, j) in (0..8).flat_map(|i| (0..4).map(move |j| (i, j))) {
        let s = Vector::from_fn(3, |unit, _| spin(v.get(unit, i)));
        let t = Vector::from_fn(2, |unit, _| spin(h.get(unit, j)));
        let expected = f64::from(s.dot(&(&w * &t)) + a.dot(&s) + b.dot(&t));
        let found = shift - rbm.energy(&v.select(&[i]), &h.select(&[j]))[0];
        assert_close(found, expected, 1e-5, 1e-5, "log-weight");
    }
    let error = Rbm::from_spins(&Stack::zeros(&[2, 2, 2]).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "Rbm::from_spins: `weights` has length 2, expected 1");
}

#[test]
fn rejects_models_too_large_to_enumerate() {
    let rbm = Rbm::from_stack(Stack::zeros(&[31, 40]).unwrap()).unwrap();
    let text = "Rbm::log_partition: 31 units must be enumerated, at most 30 can be";
    assert_eq!(rbm.log_partition().unwrap_err().to_string(), text);
    let rbm = Rbm::from_stack(Stack::zeros(&[25, 25]).unwrap()).unwrap();
    assert!(matches!(rbm.exact_samples(1, &Streams::new(0)), Err(Error::TooLarge { units: 25, limit: 24, .. })));
    let data = pack(&[vec![1, 0]]);
    let text = "Rbm::exact_gradient: `data` has units 2, expected 25";
    assert_eq!(rbm.exact_gradient(&data).unwrap_err().to_string(), text);
}

#[test]
fn oracle_files_of_other_models_are_refused() {
    for fixture in Fixture::all().iter().filter(|f| f.model() != "rbm") {
        let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).unwrap();
        assert!(Rbm::from_data(data).is_err(), "{}", fixture.name());
    }
}
