//! Reports of likelihoods of every model, against enumeration and against the estimators that they sum up.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use crate::common::{Small, all, all_rows, small};
use gm_core::{
    AisSettings, Batch, BitMatrix, Estimate, ModelKind, Purpose, Recognition, Schedule, Side, Streams, mean, unwatched,
};
use gm_dbm::MeanFieldSettings;
use gm_eval::{EvalData, EvalReport, EvalSettings, Exact, Model, TemperingSettings, evaluate};
use gm_sbn::{BoundSettings, Sbn};
use gm_testkit::{assert_all_close, assert_close, mean_test};

fn data(rows: &BitMatrix, train: Option<&BitMatrix>) -> EvalData {
    EvalData { train_rows: train.map(|rows| rows.clone().into()), ..EvalData::from_rows("rows", rows.clone()) }
}

fn report(model: &Model, data: &EvalData, settings: &EvalSettings) -> EvalReport {
    evaluate(model, data, settings, &mut unwatched).unwrap()
}

fn estimated() -> EvalSettings {
    EvalSettings {
        exact: Exact::No,
        ais: AisSettings { runs: 200, schedule: Schedule::Linear(100) },
        tempering: TemperingSettings { temperatures: 5, sweeps: 200 },
        bound: BoundSettings { samples: 20, repeats: 3 },
        ..Default::default()
    }
}

#[test]
fn oracle_exact_reports_are_those_of_enumeration() {
    let rows = all_rows();
    for Small { model, joint } in all() {
        let found = report(&model, &data(&rows, None), &EvalSettings::default());
        let truth = joint.log_prob_all_visible();
        assert_all_close(&found.log_probs, truth, 1e-5, 1e-6, "log p");
        let p = &found.mean_log_prob;
        assert_close(p.value, mean(truth), 1e-5, 1e-6, "mean log p");
        assert_eq!((p.low, p.high, p.side, p.method), (p.value, p.value, "exact", "exact"));
        assert_eq!((found.data.rows, found.model, found.warnings), (16, model.kind().to_string(), vec![]));
        assert_eq!((found.gap, found.free_energy_gap), (None, None));
    }
}

#[test]
fn oracle_free_energy_gaps_are_gaps_of_likelihoods_or_bounds() {
    let rows = all_rows();
    let (test, train) = (rows.select(&[1, 5, 14]), rows.select(&[0, 3, 3, 9, 12]));
    for kind in [ModelKind::Rbm, ModelKind::Dbm] {
        let model = small(kind).model;
        let of = |rows: &BitMatrix| {
            let found = report(&model, &data(rows, None), &EvalSettings::default());
            found.elbo.unwrap_or(found.mean_log_prob.value)
        };
        let found = report(&model, &data(&test, Some(&train)), &EvalSettings::default());
        assert_close(found.free_energy_gap.unwrap(), of(&train) - of(&test), 1e-6, 1e-6, &kind.to_string());
    }
}

#[test]
fn oracle_the_pseudo_likelihood_is_the_mean_over_rows() {
    let (model, rows) = (small(ModelKind::Rbm).model, all_rows());
    let Model::Rbm(rbm) = &model else { unreachable!() };
    let found = report(&model, &data(&rows, None), &EvalSettings::default()).log_pseudo_likelihood.unwrap();
    let expected = Estimate::mean(&rbm.log_pseudo_likelihood(&rows), Side::Unbiased, "exact");
    assert_eq!((found.value, found.std_error, found.method), (expected.value, expected.std_error, "exact"));
}

/// The number of rows, of which 5 % are three.
const ROWS: usize = 60;

fn many_rows() -> BitMatrix {
    let chosen: Vec<usize> = (0..ROWS).map(|row| row * row % 16).collect();
    all_rows().select(&chosen)
}

#[test]
fn oracle_importance_reports_sum_up_the_weights_of_mean_field() {
    let model = small(ModelKind::Dbm).model;
    let (Model::Dbm(dbm), rows) = (&model, Batch::from(many_rows())) else { unreachable!() };
    let settings = estimated();
    let found = report(&model, &data(rows.bits(), None), &settings);
    let posterior = dbm.mean_field(&rows, &MeanFieldSettings::default()).unwrap();
    let streams = Streams::new(0).fork(Purpose::Evaluate, 4);
    let weights = dbm.importance_weights((&rows, &posterior), 20, &streams, &mut unwatched).unwrap();
    let log_z = found.log_partition.as_ref().unwrap().value;
    let log_probs: Vec<f64> = weights.iter().map(|row| row.value - log_z).collect();
    let mut ess: Vec<f64> = weights.iter().map(|row| row.ess).collect();
    ess.sort_by(f64::total_cmp);
    let bound = found.importance_weighted.unwrap();
    assert_all_close(&found.log_probs, &log_probs, 1e-12, 0.0, "log p of rows");
    assert_close(bound.value, mean(&log_probs), 1e-12, 0.0, "bound");
    // The mean over rows of independent errors.
    let squares: f64 = weights.iter().map(|row| row.std_error * row.std_error).sum();
    assert_close(bound.std_error, squares.sqrt() / ROWS as f64, 1e-12, 0.0, "standard error");
    assert_close(bound.ess, mean(&ess), 1e-12, 0.0, "effective sample size");
    assert_eq!((bound.low_ess, bound.samples, bound.repeats, bound.spread), (ess[3], 20, 1, None));
    assert_close(found.elbo.unwrap(), mean(&posterior.bound(dbm, &rows, log_z)), 1e-12, 0.0, "mean-field bound");
}

/// The sigmoid belief net with a recognition net that knows nothing.
fn with_recognition() -> Sbn {
    let Model::Sbn(sbn) = small(ModelKind::Sbn).model else { unreachable!() };
    Sbn::new(sbn.stack().clone(), Some(Recognition::zeros(&sbn.layers()).unwrap())).unwrap()
}

#[test]
fn oracle_importance_reports_sum_up_the_weights_of_a_recognition_net() {
    let sbn = with_recognition();
    let (rows, settings) = (many_rows(), estimated());
    let bounds = sbn.bounds(&rows, &settings.bound, &Streams::new(0), &mut unwatched).unwrap();
    let found = report(&Model::Sbn(sbn), &data(&rows, None), &settings);
    let bound = found.importance_weighted.unwrap();
    let mut ess = bounds.ess.clone();
    ess.sort_by(f64::total_cmp);
    assert_eq!((bound.value, bound.std_error), (bounds.mean().value, bounds.mean().std_error));
    assert_eq!((bound.samples, bound.repeats, bound.spread), (20, 3, Some(bounds.spread())));
    assert_eq!((bound.ess, bound.low_ess), (mean(&ess), ess[3]));
    assert_eq!((found.elbo, found.log_probs), (Some(mean(&bounds.elbo)), bounds.rows()));
    let p = found.mean_log_prob;
    assert_eq!((p.value, p.low, p.side), (bound.value, bound.value - 3.0 * bound.std_error, "lower"));
}

#[test]
fn table_gaps_come_from_as_many_rows_as_are_wanted() {
    let models = [Model::Sbn(with_recognition()), small(ModelKind::Dbm).model, small(ModelKind::Dbn).model];
    for model in models {
        let kind = model.kind();
        let of = |settings: &EvalSettings| report(&model, &data(&all_rows(), None), settings).gap;
        assert_eq!(of(&EvalSettings { gap_rows: 17, ..estimated() }).unwrap().rows, 17, "{kind}");
        assert_eq!(of(&EvalSettings { gap_rows: 0, ..estimated() }), None, "{kind}");
        let found = of(&EvalSettings { gap_rows: 17, reverse_runs: 0, ..estimated() }).unwrap();
        assert_eq!((found.rows, found.states), (17, "exact"), "{kind}");
        if kind != ModelKind::Sbn {
            // There are as many samples of the model as runs of reverse annealing.
            let found = of(&EvalSettings { gap_rows: 30, reverse_runs: 12, ..estimated() }).unwrap();
            assert_eq!((found.rows, found.states), (12, "parallel tempering"), "{kind}");
        }
    }
}

/// The bounds of RAISE on mean log p over many seeds, minus the truth.
fn raise_gaps(kind: ModelKind, of: impl Fn(&EvalReport) -> f64) -> Vec<f64> {
    let Small { model, joint } = small(kind);
    let truth = mean(joint.log_prob_all_visible());
    let ais = AisSettings { runs: 2, schedule: Schedule::Linear(100) };
    let gap = |seed| {
        let settings =
            EvalSettings { ais: ais.clone(), reverse_runs: 0, gap_rows: 0, seed, raise_walks: 32, ..estimated() };
        of(&report(&model, &data(&all_rows(), None), &settings)) - truth
    };
    (0..20).map(gap).collect()
}

const ALPHA: f64 = 1e-6;

#[test]
fn stat_mean_raise_is_near_the_truth() {
    // In expectation RAISE lies below the truth, by less than 0.1 with 100 temperatures. For the DBM and the DBN the
    // bound that it corrects lies below the truth as well.
    for (kind, below) in [(ModelKind::Rbm, 0.1), (ModelKind::Dbm, 0.25), (ModelKind::Dbn, 0.5)] {
        let gaps = raise_gaps(kind, |report| report.lower_bound.as_ref().unwrap().value);
        let found = Estimate::mean(&gaps, Side::Unbiased, "gap");
        let error = 5.5 * found.std_error;
        assert!(found.value < error && found.value > -below - error, "{kind}: {found:?}");
    }
}

#[test]
fn planted_mean_raise_without_its_log_partition_is_found_out() {
    let gaps = raise_gaps(ModelKind::Rbm, |report| {
        report.lower_bound.as_ref().unwrap().value + report.log_partition.as_ref().unwrap().value
    });
    assert!(!mean_test(&gaps, 0.0).passes(ALPHA) && mean(&gaps) > 0.1);
}
