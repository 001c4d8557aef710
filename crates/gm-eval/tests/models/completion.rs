//! Completion of missing units, against the exact conditional distribution.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use crate::common::{Small, VISIBLE, all, all_rows, row, small};
use gm_core::{Batch, BitMatrix, Matrix, ModelKind, Streams, VisibleKind, unwatched};
use gm_eval::{CompletionQuality, CompletionSettings, Model, SbnKernel, complete, reconstruct};

/// The missing units: the first and the last.
fn is_missing(unit: usize) -> bool {
    unit == 0 || unit == VISIBLE - 1
}

/// E[v | given units of v], enumerated.
fn exact(small: &Small, given: &[u8]) -> Vec<f64> {
    let rows = all_rows();
    let agrees = |v: &[u8]| (0..VISIBLE).all(|unit| is_missing(unit) || v[unit] == given[unit]);
    let states: Vec<Vec<u8>> = (0..rows.samples()).map(|r| row(&rows, r)).filter(|v| agrees(v)).collect();
    let weights: Vec<f64> = states.iter().map(|v| small.joint.log_prob_visible(v).exp()).collect();
    let mean = |unit: usize| states.iter().zip(&weights).map(|(v, w)| f64::from(v[unit]) * w).sum::<f64>();
    (0..VISIBLE).map(|unit| mean(unit) / weights.iter().sum::<f64>()).collect()
}

/// The largest distance between completions by a model and the conditional means of `small`: of given units, and of missing units.
fn furthest(model: &Model, small: &Small) -> (f64, f64) {
    let (rows, missing) = (all_rows(), BitMatrix::from_fn(VISIBLE, 16, |unit, _| is_missing(unit)));
    let settings = CompletionSettings { steps: Some(1_000), chains: 10, ..CompletionSettings::default() };
    let batch: Batch = rows.clone().into();
    let found = complete(model, &batch, &missing, &settings, &Streams::new(5), &mut unwatched).unwrap();
    assert_eq!(found.steps, 1_000);
    let (mut given, mut filled) = (0.0_f64, 0.0_f64);
    for r in 0..16 {
        for (unit, expected) in exact(small, &row(&rows, r)).into_iter().enumerate() {
            let worst = if is_missing(unit) { &mut filled } else { &mut given };
            *worst = worst.max((f64::from(found.means[(unit, r)]) - expected).abs());
        }
    }
    (given, filled)
}

#[test]
fn stat_mean_completions_are_the_conditional_means_of_every_model() {
    for small in all() {
        let (given, filled) = furthest(&small.model, &small);
        // 1,000 observations of conditional means: five standard errors are below 0.08.
        assert!(given < 1e-6 && filled < 0.08, "{}: {given}, {filled}", small.model.kind());
    }
}

#[test]
fn planted_mean_completions_by_another_model_are_noticed() {
    // The same parameters mean another distribution in each kind of model.
    let truth = small(ModelKind::Dbm);
    for kind in [ModelKind::Sbn, ModelKind::Dbn] {
        let (given, filled) = furthest(&small(kind).model, &truth);
        assert!(given < 1e-6 && filled > 0.1, "{kind}: {given}, {filled}");
    }
}

#[test]
fn table_methods_and_usual_sweeps_are_reported() {
    let (rows, missing) = (BitMatrix::zeros(VISIBLE, 1).into(), BitMatrix::from_fn(VISIBLE, 1, |unit, _| unit == 0));
    let expected = [
        (ModelKind::Rbm, "block Gibbs sampling", 1_000),
        (ModelKind::Dbm, "block Gibbs sampling", 1_000),
        (ModelKind::Dbn, "Gibbs sampling of all layers", 200),
        (ModelKind::Sbn, "single-site Gibbs sampling", 200),
    ];
    for (kind, method, steps) in expected {
        let settings = CompletionSettings { chains: 1, ..CompletionSettings::default() };
        let found = complete(&small(kind).model, &rows, &missing, &settings, &Streams::new(5), &mut unwatched).unwrap();
        assert_eq!((found.method, found.steps), (method, steps));
    }
}

#[test]
fn table_quality_counts_only_what_was_missing() {
    let rows: Batch = BitMatrix::from_fn(2, 2, |_, row| row == 1).into();
    let missing = BitMatrix::from_fn(2, 2, |unit, _| unit == 1);
    let means = Matrix::from_column_slice(2, 2, &[0.9, 0.5, 0.9, 0.75]);
    let found = CompletionQuality::new(VisibleKind::Bernoulli, &rows, &missing, &means);
    assert_eq!((found.accuracy, found.squared_error), (Some(1.0), (0.25 + 0.0625) / 2.0));
    // Units 0 to 2 are the first site; its most probable category is the wrong one.
    let rows: Batch = BitMatrix::from_fn(6, 1, |unit, _| unit == 0 || unit == 5).into();
    let means = Matrix::from_column_slice(6, 1, &[0.25, 0.75, 0.0, 0.0, 0.0, 1.0]);
    let missing = BitMatrix::from_fn(2, 1, |site, _| site == 0);
    let found = CompletionQuality::new(VisibleKind::Softmax { categories: 3 }, &rows, &missing, &means);
    assert_eq!((found.accuracy, found.squared_error), (Some(0.0), 2.0 * 0.5625 / 3.0));
    let rows: Batch = Matrix::from_element(1, 1, 3.0).into();
    let missing = BitMatrix::from_fn(1, 1, |_, _| true);
    let found = CompletionQuality::new(VisibleKind::Gaussian, &rows, &missing, &Matrix::from_element(1, 1, 1.0));
    assert_eq!((found.accuracy, found.squared_error), (None, 4.0));
}

#[test]
fn rejects_settings_and_masks_that_do_not_fit() {
    let rbm = small(ModelKind::Rbm).model;
    let error = |model: &Model, missing: BitMatrix, settings: CompletionSettings| {
        let rows = all_rows().into();
        complete(model, &rows, &missing, &settings, &Streams::new(5), &mut unwatched).unwrap_err().to_string()
    };
    let (usual, mask) = (CompletionSettings::default(), || BitMatrix::zeros(VISIBLE, 16));
    let kernel = CompletionSettings { kernel: Some(SbnKernel::Gibbs), ..usual };
    assert_eq!(
        error(&rbm, mask(), kernel),
        "complete: `method` is single-site Gibbs sampling, allowed: none for an rbm, which has one way"
    );
    let importance = CompletionSettings { kernel: Some(SbnKernel::Importance), ..usual };
    let found = error(&small(ModelKind::Sbn).model, mask(), importance);
    assert!(found.ends_with("`method` is importance, allowed: gibbs for a model without a recognition net"), "{found}");
    let none = CompletionSettings { chains: 0, ..usual };
    assert_eq!(error(&rbm, mask(), none), "complete: `chains` is 0, allowed: 1 or more");
    assert_eq!(error(&rbm, BitMatrix::zeros(5, 16), usual), "complete: `missing` has sites 5, expected 4");
    assert_eq!(error(&rbm, BitMatrix::zeros(4, 2), usual), "complete: `missing` has samples 2, expected 16");
}

/// Models without weights, whose conditional means are all one half.
fn without_weights() -> [Model; 2] {
    [ModelKind::Rbm, ModelKind::Dbm].map(|kind| {
        let stack = gm_core::Stack::zeros(&[VISIBLE, 3]).unwrap();
        Model::from_data(gm_core::ModelData::from_stack(kind, stack).unwrap()).unwrap()
    })
}

#[test]
fn table_means_count_each_observation_of_each_chain_once() {
    let (rows, missing) = (all_rows(), BitMatrix::from_fn(VISIBLE, 16, |unit, _| is_missing(unit)));
    let batch: Batch = rows.clone().into();
    for (model, (steps, chains)) in without_weights()
        .iter()
        .flat_map(|model| [(1, 1), (2, 3), (7, 2), (10, 1), (12, 3), (21, 1)].map(|s| (model, s)))
    {
        let settings = CompletionSettings { steps: Some(steps), chains, ..CompletionSettings::default() };
        let mut seen = vec![];
        let found = complete(model, &batch, &missing, &settings, &Streams::new(5), &mut |progress| {
            assert_eq!(progress.total, steps);
            seen.push(progress.done);
            ControlFlow::Continue(())
        });
        let expected = Matrix::from_fn(VISIBLE, 16, |unit, row| match is_missing(unit) {
            true => 0.5,
            false => f32::from(u8::from(rows.get(unit, row))),
        });
        assert!((found.unwrap().means - expected).amax() < 1e-6, "{steps} sweeps of {chains} chains");
        // Five sweeps at a time, in the first half and then from its end on.
        let first = steps / 2;
        assert_eq!(seen, (0..first).step_by(5).chain((first..steps).step_by(5)).collect::<Vec<_>>());
    }
}

#[test]
fn table_a_callback_ends_a_completion() {
    let (rows, missing) = (all_rows().into(), BitMatrix::from_fn(VISIBLE, 16, |unit, _| is_missing(unit)));
    for small in all() {
        let settings = CompletionSettings::default();
        let mut calls = 0;
        let stopped = complete(&small.model, &rows, &missing, &settings, &Streams::new(5), &mut |_| {
            calls += 1;
            if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(stopped.unwrap_err().to_string(), "complete: stopped on request");
        assert_eq!(calls, 3);
    }
}

#[test]
fn law_reconstructions_of_draws_have_the_means_of_the_model() {
    // v from the model, h given v and the mean of v given h: E of that mean is E[v].
    for small in all() {
        let kind = small.model.kind();
        if kind == ModelKind::Dbn {
            continue; // its recognition net is not the posterior
        }
        let joint = &small.joint;
        let counts: Vec<usize> =
            joint.log_prob_all_visible().iter().map(|log_p| (20_000.0 * log_p.exp()).round() as usize).collect();
        let numbers: Vec<usize> = counts.iter().enumerate().flat_map(|(v, &n)| std::iter::repeat_n(v, n)).collect();
        let rows = BitMatrix::from_fn(VISIBLE, numbers.len(), |unit, r| (numbers[r] >> (VISIBLE - 1 - unit)) & 1 == 1);
        let means = reconstruct(&small.model, &rows.into(), &Streams::new(5)).unwrap();
        for (unit, expected) in joint.marginals()[0].iter().enumerate() {
            let found = f64::from(means.row(unit).mean());
            assert!((found - expected).abs() < 0.02, "{kind}, unit {unit}: {found}, {expected}");
        }
    }
}
