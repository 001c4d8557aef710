//! Likelihoods whose ends are known: RAISE above the truth, samples that do not mix, and bounds by annealing.

use std::ops::ControlFlow;

use crate::common::{all, all_rows};
use gm_core::{
    AisSettings, Batch, BitMatrix, Labels, Matrix, Recognition, Schedule, Stack, Streams, Vector, unwatched,
};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_eval::{EvalData, EvalReport, EvalSettings, Exact, Model, PosteriorAnnealing, TemperingSettings, evaluate};
use gm_rbm::Rbm;
use gm_sbn::{BoundSettings, Sbn};
use rand::{Rng, RngExt};

/// A stack whose weights and biases are uniform between -scale and scale.
fn stack(layers: &[usize], scale: f32, rng: &mut impl Rng) -> Stack {
    let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-scale..scale)).collect::<Vec<f32>>();
    let weights =
        layers.windows(2).map(|pair| Matrix::from_vec(pair[0], pair[1], numbers(pair[0] * pair[1]))).collect();
    let biases = layers.iter().map(|&n| Vector::from_vec(numbers(n))).collect();
    Stack::new(weights, biases).expect("finite parameters")
}

/// Rows in which every unit is on with probability one half.
fn uniform(units: usize, rows: usize, seed: u64) -> EvalData {
    let mut rng = Streams::new(seed).stream(9);
    EvalData::from_rows("uniform", Batch::from(BitMatrix::from_fn(units, rows, |_, _| rng.random())))
}

fn estimated() -> EvalSettings {
    EvalSettings {
        exact: Exact::No,
        ais: AisSettings { runs: 100, schedule: Schedule::Linear(300) },
        tempering: TemperingSettings { temperatures: 8, sweeps: 200 },
        bound: BoundSettings { samples: 100, repeats: 1 },
        ..Default::default()
    }
}

fn report(model: &Model, data: &EvalData, settings: &EvalSettings) -> EvalReport {
    evaluate(model, data, settings, &mut unwatched).expect("a small model")
}

fn truth(model: &Model, data: &EvalData) -> f64 {
    report(model, data, &EvalSettings { exact: Exact::Yes, ..Default::default() }).mean_log_prob.value
}

fn warned(report: &EvalReport, text: &str) -> bool {
    report.warnings.iter().any(|warning| warning.contains(text))
}

#[test]
fn law_raise_above_the_truth_warns_and_does_not_lift_the_lower_end() {
    let mut above = 0;
    for seed in 0..6 {
        let rng = &mut Streams::new(seed).stream(0);
        let model = Model::Rbm(Rbm::from_stack(stack(&[14, 8], 12.0, rng)).expect("an RBM"));
        let data = uniform(14, 20, seed);
        let (found, truth) = (report(&model, &data, &estimated()), truth(&model, &data));
        let (raise, p) = (found.lower_bound.as_ref().expect("log Z is annealed"), &found.mean_log_prob);
        assert!(p.low <= truth, "{seed}: {p:?} around {truth}");
        assert!(p.low < p.value, "the error of annealing is kept");
        if raise.value - 3.0 * raise.std_error > p.value + 0.05 {
            above += 1;
            assert!(warned(&found, "it bounds log p of the annealed model"), "{seed}: {:?}", found.warnings);
        }
    }
    assert!(above > 0, "uniform rows are untypical of strong weights");
}

#[test]
fn law_samples_that_do_not_mix_earn_a_warning() {
    let model = Model::Rbm(Rbm::from_stack(stack(&[14, 8], 40.0, &mut Streams::new(3).stream(0))).expect("an RBM"));
    let tempering = TemperingSettings { temperatures: 2, sweeps: 40 };
    let found = report(&model, &uniform(14, 10, 3), &EvalSettings { tempering, ..estimated() });
    assert!(found.reverse_log_partition.as_ref().is_some_and(|z| z.lowest_swap_acceptance < 0.05), "{found:?}");
    assert!(warned(&found, "of the swaps between two of its temperatures"), "{:?}", found.warnings);
}

#[test]
fn law_one_hidden_layer_has_both_ends_whatever_the_kind_of_model() {
    let stack = stack(&[9, 5], 1.0, &mut Streams::new(4).stream(0));
    let data = uniform(9, 30, 4);
    for model in
        [Model::Dbm(Dbm::from_stack(stack.clone()).expect("a DBM")), Model::Dbn(Dbn::from_stack(stack).expect("a DBN"))]
    {
        let (found, truth) = (report(&model, &data, &estimated()), truth(&model, &data));
        let p = &found.mean_log_prob;
        assert_eq!((p.side, &found.gap, &found.importance_weighted), ("estimate", &None, &None));
        assert!(p.low <= truth && truth <= p.high && p.high - p.low < 0.5, "{p:?} around {truth}");
    }
}

/// Models of several hidden layers with strong weights, where importance weights of few draws are poor.
fn deep() -> Vec<Model> {
    let stack = |seed| stack(&[8, 5, 4], 3.0, &mut Streams::new(seed).stream(0));
    let mut rng = Streams::new(9).stream(0);
    let labels =
        Labels::new(Matrix::from_fn(3, 4, |_, _| rng.random_range(-2.0..2.0)), Vector::from_vec(vec![0.3, -0.2, 0.1]));
    let net = Recognition::zeros(&[8, 5, 4]).expect("three layers");
    let dbn = Dbn::from_stack(stack(7)).expect("a DBN");
    vec![
        Model::Dbm(Dbm::from_stack(stack(5)).expect("a DBM")),
        Model::Sbn(Sbn::new(stack(6), Some(net)).expect("an SBN")),
        Model::Dbn(dbn.clone()),
        Model::Dbn(dbn.with_labels(Some(labels.expect("three classes"))).expect("a DBN with label units")),
    ]
}

#[test]
fn law_annealing_the_posterior_tightens_the_bound_below_the_truth() {
    for (i, model) in deep().iter().enumerate() {
        let data = uniform(8, 40, 20 + i as u64);
        let few = EvalSettings { bound: BoundSettings { samples: 3, repeats: 1 }, ..estimated() };
        let posterior = PosteriorAnnealing { runs: 20, temperatures: 60, rows: 40 };
        let (plain, found) =
            (report(model, &data, &few), report(model, &data, &EvalSettings { posterior, ..few.clone() }));
        let (truth, p) = (truth(model, &data), &found.mean_log_prob);
        let bound = found.annealed_posterior.as_ref().expect("requested");
        // Mean field of the DBM, which is the first model, is a better proposal than the recognition nets.
        let gain = if i == 0 { 0.02 } else { 0.1 };
        assert!(p.value > plain.mean_log_prob.value + gain, "{i}: {p:?}, plain {:?}", plain.mean_log_prob);
        assert_eq!((p.value, p.high, bound.rows), (bound.value, f64::INFINITY, 40));
        assert!(p.low < truth && truth - p.low < 0.5, "{i}: {p:?} around {truth}");
        assert!(p.method.starts_with("annealed posterior"), "{}", p.method);
        let (of_weights, of_annealing) = (plain.gap.expect("an open end"), found.gap.expect("an open end"));
        assert_eq!((of_weights.method, of_annealing.method), ("importance-weighted", "ais"));
        assert!(of_annealing.mean < 0.2 && of_annealing.mean < of_weights.mean, "{of_annealing:?}, {of_weights:?}");
    }
}

#[test]
fn law_some_annealed_rows_correct_the_mean_of_all() {
    for (i, model) in deep().iter().enumerate() {
        let data = uniform(8, 60, 40 + i as u64);
        let posterior = PosteriorAnnealing { runs: 10, temperatures: 60, rows: 25 };
        let found = report(model, &data, &EvalSettings { posterior, ..estimated() });
        let (truth, p) = (truth(model, &data), &found.mean_log_prob);
        assert_eq!(found.annealed_posterior.as_ref().map(|found| found.rows), Some(25));
        assert!(p.low < truth && p.high == f64::INFINITY, "{i}: {p:?} around {truth}");
    }
}

#[test]
fn table_a_callback_ends_an_exact_likelihood_wherever_it_breaks() {
    for small in all() {
        let data = EvalData::from_rows("all states", all_rows());
        let settings = EvalSettings { exact: Exact::Yes, ..Default::default() };
        let until = |last: usize| {
            let mut calls = 0;
            let found = evaluate(&small.model, &data, &settings, &mut |_| {
                calls += 1;
                if calls == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            (found, calls)
        };
        let (report, calls) = until(usize::MAX);
        assert!(report.is_ok() && calls > 0, "{}", small.model.kind());
        for last in 1..=calls {
            let (stopped, made) = until(last);
            assert!(stopped.is_err_and(|error| error.is_interruption()), "{} {last}", small.model.kind());
            assert_eq!(made, last);
        }
    }
}
