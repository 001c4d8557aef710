//! Posterior means of every model and method, against enumeration.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use crate::common::{Small, VISIBLE, all, all_rows, row, small};
use gm_core::{Batch, Matrix, ModelKind, Recognition, Streams, Vector, unwatched};
use gm_eval::{Error, Model, PosteriorMethod, PosteriorSettings, posterior_means};
use gm_sbn::Sbn;

/// Exact means of every row, [hidden, rows].
fn exact(small: &Small) -> Matrix {
    let rows = all_rows();
    let means: Vec<f32> =
        (0..rows.samples()).flat_map(|r| small.joint.posterior_mean(&row(&rows, r))).map(|mean| mean as f32).collect();
    Matrix::from_vec(means.len() / rows.samples(), rows.samples(), means)
}

fn found(model: &Model, method: PosteriorMethod, effort: usize) -> Matrix {
    let settings = PosteriorSettings { method: Some(method), samples: effort, steps: effort };
    let rows = all_rows().into();
    posterior_means(model, &rows, &settings, &Streams::new(3), &mut unwatched).unwrap().means
}

fn furthest(a: &Matrix, b: &Matrix) -> f32 {
    (a - b).amax()
}

#[test]
fn oracle_exact_means_are_those_of_enumeration() {
    for small in all() {
        let error = furthest(&found(&small.model, PosteriorMethod::Exact, 1), &exact(&small));
        assert!(error < 1e-5, "{}: {error}", small.model.kind());
    }
}

#[test]
fn stat_mean_gibbs_sampling_comes_near_the_exact_means() {
    for kind in [ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn] {
        let small = small(kind);
        // 4,000 draws that are correlated over a few sweeps: five standard errors are below 0.1.
        let error = furthest(&found(&small.model, PosteriorMethod::Gibbs, 8_000), &exact(&small));
        assert!(error < 0.1, "{kind}: {error}");
    }
}

#[test]
fn planted_mean_the_posterior_of_another_model_is_noticed() {
    // The same parameters mean another distribution in each kind of model.
    let truth = exact(&small(ModelKind::Dbm));
    for kind in [ModelKind::Sbn, ModelKind::Dbn] {
        let error = furthest(&found(&small(kind).model, PosteriorMethod::Gibbs, 1_000), &truth);
        assert!(error > 0.15, "{kind}: {error}");
    }
}

#[test]
fn table_gibbs_means_count_each_sweep_of_the_second_half_once() {
    for (kind, steps) in [ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn]
        .into_iter()
        .flat_map(|kind| [1, 2, 7, 25, 60].map(|steps| (kind, steps)))
    {
        // Hidden units that are on whatever is seen.
        let weights = [[VISIBLE, 3], [3, 2]].map(|[n, m]| Matrix::zeros(n, m)).to_vec();
        let biases = vec![Vector::zeros(VISIBLE), Vector::from_element(3, 80.0), Vector::from_element(2, 80.0)];
        let data = gm_core::ModelData::from_stack(kind, gm_core::Stack::new(weights, biases).unwrap()).unwrap();
        let means = found(&Model::from_data(data).unwrap(), PosteriorMethod::Gibbs, steps);
        assert_eq!(means, Matrix::from_element(5, 16, 1.0), "{kind}, {steps} sweeps");
    }
}

/// A recognition net whose draws cover the posterior.
fn with_recognition(sbn: &Sbn) -> Sbn {
    let layers = sbn.layers();
    let weights = layers.windows(2).map(|n| Matrix::zeros(n[0], n[1])).collect();
    let biases = layers[1..].iter().map(|&n| Vector::zeros(n)).collect();
    Sbn::new(sbn.stack().clone(), Some(Recognition::new(weights, biases).unwrap())).unwrap()
}

#[test]
fn stat_mean_importance_weights_correct_the_draws_of_a_recognition_net() {
    let small = small(ModelKind::Sbn);
    let Model::Sbn(sbn) = &small.model else { unreachable!() };
    let model = Model::Sbn(with_recognition(sbn));
    let weighted = furthest(&found(&model, PosteriorMethod::Importance, 5_000), &exact(&small));
    assert!(weighted < 0.1, "{weighted}");
    // Without weights they are the means of the recognition net, which knows nothing.
    let drawn = found(&model, PosteriorMethod::Recognition, 5_000);
    assert!(drawn.iter().all(|mean| (mean - 0.5).abs() < 0.05), "{drawn}");
    assert!(furthest(&drawn, &exact(&small)) > 0.2);
}

#[test]
fn law_mean_field_is_near_the_truth_and_bounds_the_likelihood() {
    for kind in [ModelKind::Sbn, ModelKind::Dbm] {
        let small = small(kind);
        let error = furthest(&found(&small.model, PosteriorMethod::MeanField, 1_000), &exact(&small));
        assert!(error < 0.25, "{kind}: {error}");
    }
    let small = small(ModelKind::Sbn);
    let settings = PosteriorSettings { method: Some(PosteriorMethod::MeanField), ..Default::default() };
    let rows = all_rows().into();
    let found = posterior_means(&small.model, &rows, &settings, &Streams::new(3), &mut unwatched).unwrap();
    let truth = small.joint.log_prob_all_visible().iter().sum::<f64>() / 16.0;
    let bound = found.bound.unwrap();
    assert!(bound < truth && bound > truth - 0.5, "{bound}, {truth}");
}

#[test]
fn table_one_pass_up_gives_the_means_of_a_network_of_one_hidden_layer() {
    let small = small(ModelKind::Rbm);
    let Model::Rbm(rbm) = &small.model else { unreachable!() };
    let dbn = Model::Dbn(gm_dbn::Dbn::from_rbm(rbm).unwrap());
    assert!(furthest(&found(&dbn, PosteriorMethod::Recognition, 1), &exact(&small)) < 1e-5);
}

#[test]
fn table_the_usual_method_is_reported() {
    let expected = [
        (ModelKind::Rbm, PosteriorMethod::Exact),
        (ModelKind::Sbn, PosteriorMethod::Exact),
        (ModelKind::Dbm, PosteriorMethod::MeanField),
        (ModelKind::Dbn, PosteriorMethod::Recognition),
    ];
    for (kind, method) in expected {
        let (small, rows) = (small(kind), all_rows().into());
        let settings = PosteriorSettings::default();
        let found = posterior_means(&small.model, &rows, &settings, &Streams::new(3), &mut unwatched).unwrap();
        assert_eq!(found.method, method);
    }
}

#[test]
fn rejects_methods_that_a_model_does_not_have() {
    let cases = [
        (ModelKind::Rbm, "gibbs", "exact for an rbm, whose hidden units are independent given the data"),
        (ModelKind::Sbn, "importance", "gibbs, mean-field or exact"),
        (ModelKind::Dbm, "recognition", "mean-field, gibbs or exact for a dbm"),
        (ModelKind::Dbn, "mean-field", "recognition, gibbs or exact for a dbn"),
    ];
    for (kind, method, allowed) in cases {
        let error = method.parse::<PosteriorMethod>().unwrap().check(&small(kind).model).unwrap_err().to_string();
        assert!(error.starts_with("posterior_means: `method` is ") && error.ends_with(allowed), "{error}");
    }
    let error = "gibs".parse::<PosteriorMethod>().unwrap_err().to_string();
    assert!(error.contains("did you mean `gibbs`?"), "{error}");
}

#[test]
fn rejects_rows_and_efforts_that_do_not_fit() {
    let model = small(ModelKind::Sbn).model;
    let error = |rows: Batch, settings: PosteriorSettings| {
        posterior_means(&model, &rows, &settings, &Streams::new(3), &mut unwatched).unwrap_err().to_string()
    };
    let usual = PosteriorSettings::default();
    assert_eq!(
        error(Matrix::zeros(4, 2).into(), usual),
        "posterior_means: `rows` is real numbers, allowed: zeros and ones"
    );
    assert_eq!(error(gm_core::BitMatrix::zeros(5, 2).into(), usual), "posterior_means: `rows` has units 5, expected 4");
    assert_eq!(error(gm_core::BitMatrix::zeros(4, 0).into(), usual), "posterior_means: `rows` is empty");
    let none = PosteriorSettings { steps: 0, ..usual };
    assert_eq!(error(all_rows().into(), none), "posterior_means: `steps` is 0, allowed: 1 or more");
}

#[test]
fn table_a_callback_sees_progress_and_ends_the_computation() {
    let settings = PosteriorSettings { method: Some(PosteriorMethod::Gibbs), steps: 50, ..Default::default() };
    for kind in [ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn] {
        let (model, rows) = (small(kind).model, all_rows().into());
        let mut seen = vec![];
        posterior_means(&model, &rows, &settings, &Streams::new(3), &mut |progress| {
            seen.push(progress.done);
            assert_eq!(progress.total, 50);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&49), "{seen:?}");
        let stopped =
            posterior_means(&model, &rows, &settings, &Streams::new(3), &mut |_| ControlFlow::Break(())).unwrap_err();
        assert!(stopped.is_interruption() && !matches!(stopped, Error::Setting { .. }));
    }
}
