//! The enumerated joint distributions agree with the fixtures, which other code computed.

use gm_testkit::{Fixture, Joint, Parameters, assert_all_close, assert_close, central_difference};

const EXACT: f64 = 1e-9;

/// Applies a comparison to every fixture that can be enumerated.
fn for_each_fixture(compare: impl Fn(&Fixture, &Joint)) {
    let fixtures = Fixture::all_binary();
    assert_eq!(fixtures.len(), 9);
    fixtures.iter().for_each(|fixture| compare(fixture, &fixture.joint()));
}

fn assert_rows_close(a: &[Vec<f64>], b: &[Vec<f64>], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}: rows");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_all_close(a, b, 0.0, EXACT, &format!("{what}[{i}]"));
    }
}

#[test]
fn oracle_log_probabilities() {
    for_each_fixture(|fixture, joint| {
        let name = fixture.name();
        let expected = fixture.numbers_at("/log_prob_all_visible");
        assert_all_close(joint.log_prob_all_visible(), &expected, 0.0, EXACT, name);
        let mean = joint.mean_log_prob(&fixture.data());
        assert_close(mean, fixture.number_at("/mean_log_prob"), 0.0, EXACT, name);
        assert_close(joint.probabilities().iter().sum(), 1.0, 0.0, 1e-12, name);
    });
}

#[test]
fn oracle_log_partition() {
    for_each_fixture(|fixture, joint| {
        let expected = match fixture.model() {
            "sbn" => 0.0,
            "dbn" => fixture.number_at("/log_partition_top_rbm"),
            _ => fixture.number_at("/log_partition"),
        };
        assert_close(joint.log_partition(), expected, 0.0, EXACT, fixture.name());
    });
}

#[test]
fn oracle_marginals() {
    for_each_fixture(|fixture, joint| {
        assert_rows_close(&joint.marginals(), &fixture.matrix_at("/marginal"), fixture.name());
        let pairs = fixture.matrices_at("/pair_marginal");
        assert_eq!(pairs.len(), joint.layers().len() - 1);
        for (a, b) in joint.pair_marginals().iter().zip(&pairs) {
            assert_rows_close(a, b, fixture.name());
        }
    });
}

#[test]
fn oracle_posteriors() {
    for_each_fixture(|fixture, joint| {
        let means = fixture.matrix_at("/posterior_mean_hidden_concatenated");
        let covariances = fixture.matrices_at("/posterior_covariance_hidden_concatenated");
        assert_eq!((means.len(), covariances.len()), (6, 6));
        for (v, (mean, covariance)) in fixture.data().iter().zip(means.iter().zip(&covariances)) {
            assert_all_close(&joint.posterior_mean(v), mean, 0.0, EXACT, fixture.name());
            assert_rows_close(&joint.posterior_covariance(v), covariance, fixture.name());
        }
    });
}

#[test]
fn oracle_gradients() {
    for_each_fixture(|fixture, joint| {
        let gradient = joint.gradient_mean_log_prob(&fixture.data());
        for (l, w) in gradient.weights.iter().enumerate() {
            let expected = fixture.matrix_at(&format!("/gradient_mean_log_prob/weights.{l}"));
            assert_rows_close(w, &expected, fixture.name());
        }
        for (l, b) in gradient.biases.iter().enumerate() {
            let expected = fixture.numbers_at(&format!("/gradient_mean_log_prob/bias.{l}"));
            assert_all_close(b, &expected, 0.0, EXACT, fixture.name());
        }
    });
}

#[test]
fn oracle_central_differences_match_the_enumerated_gradient() {
    for name in ["rbm_small", "sbn_2", "dbm_2", "dbn_2"] {
        let fixture = Fixture::load(name);
        let (joint, data) = (fixture.joint(), fixture.data());
        let at =
            |flat: &[f64]| Joint::new(joint.model(), Parameters::from_flat(joint.layers(), flat)).mean_log_prob(&data);
        let differences = central_difference(at, &joint.parameters().flat(), 1e-2);
        assert_all_close(&joint.gradient_mean_log_prob(&data).flat(), &differences, 0.0, 1e-8, name);
    }
}

#[test]
fn oracle_annealed_gradient_matches_central_differences() {
    let (w, a, b) = (vec![vec![0.5, -1.0], vec![2.0, 0.3]], vec![0.1, -0.2], vec![0.4, -0.6]);
    let (beta, base) = (0.3, vec![1.0, -2.0]);
    let annealed = |p: &Parameters| {
        let (a, b) = (p.biases[0].clone(), p.biases[1].clone());
        Joint::annealed_rbm(p.weights[0].clone(), a, b, beta, base.clone())
    };
    let parameters = Parameters { weights: vec![w], biases: vec![a, b] };
    let data = vec![vec![1, 0], vec![1, 1]];
    let at = |flat: &[f64]| annealed(&Parameters::from_flat(&[2, 2], flat)).mean_log_prob(&data);
    let differences = central_difference(at, &parameters.flat(), 1e-2);
    let gradient = annealed(&parameters).gradient_mean_log_prob(&data).flat();
    assert_all_close(&gradient, &differences, 0.0, 1e-10, "annealed");
}

#[test]
fn oracle_restricted_models_have_their_closed_forms() {
    for name in ["rbm_small", "rbm_strong"] {
        let fixture = Fixture::load(name);
        let joint = fixture.joint();
        let free_energy = |v: &Vec<u8>| -(joint.log_prob_visible(v) + joint.log_partition());
        let found: Vec<f64> = fixture.data().iter().map(free_energy).collect();
        assert_all_close(&found, &fixture.numbers_at("/free_energy"), 0.0, EXACT, name);
        let means: Vec<Vec<f64>> = fixture.data().iter().map(|v| joint.posterior_mean(v)).collect();
        assert_rows_close(&means, &fixture.matrix_at("/hidden_conditional_mean"), name);
        let pseudo: Vec<f64> = fixture.data().iter().map(|v| log_pseudo_likelihood(&joint, v)).collect();
        assert_all_close(&pseudo, &fixture.numbers_at("/log_pseudo_likelihood"), 0.0, EXACT, name);
    }
}

/// sum_i log p(v_i | all other visible units).
fn log_pseudo_likelihood(joint: &Joint, v: &[u8]) -> f64 {
    let unit = |i: usize| {
        let mut other = v.to_vec();
        other[i] = 1 - other[i];
        -(joint.log_prob_visible(&other) - joint.log_prob_visible(v)).exp().ln_1p()
    };
    (0..v.len()).map(unit).sum()
}

#[test]
fn oracle_one_stack_has_three_models() {
    let fixture = Fixture::published("one_stack_three_models");
    let Parameters { weights, biases } = fixture.parameters();
    let rows = [[0, 0, 0], [1, 0, 1], [1, 1, 1]];
    let dbm = Joint::dbm(weights.clone(), biases.clone());
    let dbn = Joint::dbn(weights.clone(), biases.clone());
    let sbn = Joint::sbn(weights, biases);
    for (name, joint) in [("dbm", &dbm), ("dbn", &dbn), ("sbn", &sbn)] {
        let found = rows.map(|v| joint.log_prob_visible(&v));
        let expected = fixture.numbers_at(&format!("/{name}/log_prob_000_101_111"));
        assert_all_close(&found, &expected, 0.0, EXACT, name);
    }
    assert_close(dbm.log_partition(), fixture.number_at("/dbm/log_partition"), 0.0, EXACT, "dbm");
    assert_close(dbn.log_partition(), fixture.number_at("/dbn/log_partition_top_rbm"), 0.0, EXACT, "dbn");
    assert_close(sbn.log_partition(), 0.0, 0.0, EXACT, "sbn");
}

#[test]
fn oracle_published_models() {
    let pydeep = Fixture::published("pydeep_4x4");
    let joint = pydeep.joint();
    assert_close(joint.log_partition(), pydeep.number_at("/log_partition"), 0.0, EXACT, "pydeep");
    assert_close(joint.mean_log_prob(&pydeep.data()), pydeep.number_at("/mean_log_prob"), 0.0, 1e-9, "pydeep");
    let tenth = |n: u32| (0..n).map(|i| 0.1 * f64::from(i)).collect::<Vec<_>>();
    let row = |i: u32| (0..6).map(|j| 0.01 * f64::from(6 * i + j)).collect();
    let joint = Joint::rbm((0..5).map(row).collect(), tenth(5), tenth(6));
    let shogun = Fixture::published("shogun_5x6");
    assert_close(joint.log_partition(), shogun.number_at("/log_partition"), 0.0, EXACT, "shogun");
    let marginal = shogun.numbers_at("/visible_marginal");
    assert_all_close(&joint.marginals()[0], &marginal, 0.0, 1e-6, "shogun");
}

#[test]
fn law_one_layer_models_are_restricted_boltzmann_machines() {
    let Parameters { weights, biases } = Fixture::load("rbm_small").parameters();
    let rbm = Fixture::load("rbm_small").joint();
    for joint in [Joint::dbm(weights.clone(), biases.clone()), Joint::dbn(weights, biases)] {
        assert_all_close(&joint.probabilities(), &rbm.probabilities(), 0.0, 1e-14, "one layer");
    }
}

#[test]
fn law_conditionals_multiply_to_the_joint() {
    let joint = Fixture::load("dbn_3").joint();
    for number in [0, 77, 4095] {
        let state = joint.state(number);
        let p = joint.log_prob(&state).exp();
        let mut flipped = state.clone();
        flipped[5] = 1 - flipped[5];
        let either = p + joint.log_prob(&flipped).exp();
        let on = if state[5] == 1 { p } else { either - p };
        assert_close(joint.conditional(&state, 5), on / either, 1e-12, 0.0, "conditional");
        let block: Vec<usize> = joint.units_of(1).collect();
        assert_close(joint.block_conditional(&state, &block).iter().sum(), 1.0, 0.0, 1e-12, "block");
    }
}

#[test]
#[should_panic(expected = "no fixture `rbm_smal`, there are rbm_small, ")]
fn rejects_unknown_fixtures() {
    let _ = Fixture::load("rbm_smal");
}

#[test]
#[should_panic(expected = "rbm_small: `/mean_field` is null, expected a list")]
fn rejects_absent_answers() {
    let _ = Fixture::load("rbm_small").numbers_at("/mean_field");
}
