//! Harmoniums: training of every pair of kinds, in the units of measure of the data, with weights, and to the same bits.

#[path = "../../../gm-core/tests/common/cut_poisson.rs"]
mod cut_poisson;

use std::ops::ControlFlow;
use std::sync::Arc;

use self::cut_poisson::CutPoisson;
use crate::common::{SHORT, break_at, results};
use gm_core::layer::LayerSpec;
use gm_core::{
    AisSettings, Batch, BitMatrix, Matrix, Purpose, Schedule, Stack, Streams, Vector, VisibleKind, VisibleUnits, mean,
    unwatched,
};
use gm_data::{Dataset, Split, Values};
use gm_eval::{EvalData, EvalSettings, Exact, evaluate_harmonium};
use gm_harmonium::Harmonium;
use gm_rbm::Rbm;
use gm_testkit::assert_all_close;
use gm_train::{
    Algorithm, Config, Event, Fit, FitOptions, HarmoniumSettings, ModelConfig, OptimiserSettings, Outcome, Rate, Run,
    Unobserved, fit_harmonium,
};
use rand::RngExt;

fn spec(text: &str) -> LayerSpec {
    text.parse().expect("known kinds")
}

fn dataset(values: Values) -> Dataset {
    let split = Split::new(values, None).expect("sound rows");
    Dataset::new("rows", split.clone(), split.clone(), split).expect("sound rows")
}

fn fit(data: &Dataset, settings: &HarmoniumSettings) -> Fit<Harmonium> {
    let found = fit_harmonium(data, settings, &FitOptions::default(), &Streams::new(3), &mut Unobserved);
    let error = found.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(error.is_empty(), "{} and {}: {error}", settings.visible, settings.hidden_units);
    found.expect("checked above")
}

/// Rows of numbers in which the first and the second column go together, of a kind of unit.
fn rows(visible: &str, count: usize) -> Dataset {
    let mut stream = Streams::new(5).fork(Purpose::Test, 0).stream(0);
    let mut row = || {
        let (cause, noise) = (stream.random::<f32>(), stream.random::<f32>() - 0.5);
        let bit = |x: f32| f32::from(u8::from(x > 0.5));
        match visible {
            "bernoulli" | "spin" => vec![bit(cause), bit(cause + 0.3 * noise), bit(noise + 0.5)],
            "softmax:3" => {
                let group = |k: usize| (0..3).map(move |at| f32::from(u8::from(at == k)));
                let k = (3.0 * cause) as usize % 3;
                group(k).chain(group(if noise > 0.3 { 0 } else { k })).collect()
            }
            "binomial:4" => vec![(5.0 * cause).floor().min(4.0), (4.0 * bit(cause)).floor(), (noise + 0.5).round()],
            "drelu" => vec![6.0 * cause - 3.0, 5.0 * cause + noise - 2.5, noise],
            "relu" => vec![6.0 * cause, 5.0 * cause + noise + 0.5, 2.0 + 2.0 * noise],
            // Far from 0, and of a scale of their own.
            _ => vec![100.0 + 10.0 * cause, 40.0 + 8.0 * cause + noise, 0.01 * noise],
        }
    };
    let columns: Vec<Vec<f32>> = (0..count).map(|_| row()).collect();
    let matrix = Matrix::from_vec(columns[0].len(), count, columns.concat());
    match visible {
        "bernoulli" | "spin" | "softmax:3" => dataset(Values::Bits(BitMatrix::from_matrix(&matrix).expect("bits"))),
        _ => dataset(Values::Numbers(matrix)),
    }
}

fn settings(visible: &str, hidden_units: &str) -> HarmoniumSettings {
    let unbounded = [visible, hidden_units].into_iter().filter(|kind| spec(kind).is_unbounded()).count();
    HarmoniumSettings {
        hidden: 2,
        visible: spec(visible),
        hidden_units: spec(hidden_units),
        epochs: 100,
        batch_size: 50,
        chains: 200,
        learning_rate: [0.5, 0.15, 0.02][unbounded],
        init_scale: 0.1,
        annealing: 100,
        ..Default::default()
    }
}

/// ln p per row of independent units, and at the end of training.
fn gain(data: &Dataset, settings: &HarmoniumSettings) -> (f64, f64) {
    let log_p = |settings: &HarmoniumSettings| {
        let found = fit(data, settings);
        let figures = &found.history.last().expect("an epoch").figures;
        let exact = figures.get("log_likelihood").or(figures.get("estimated_log_likelihood"));
        exact.expect("exact or annealed")
    };
    let none = HarmoniumSettings { init_scale: 0.0, learning_rate: 1e-9, epochs: 1, ..settings.clone() };
    (log_p(&none), log_p(settings))
}

const VISIBLE: [&str; 7] = ["bernoulli", "spin", "softmax:3", "gaussian", "relu", "drelu", "binomial:4"];
const HIDDEN: [&str; 7] = ["bernoulli", "spin", "softmax:2", "gaussian", "relu", "drelu", "binomial:3"];

#[test]
fn stat_mean_every_pair_of_kinds_learns_what_independent_units_cannot() {
    for visible in VISIBLE {
        let data = rows(visible, 300);
        for hidden in HIDDEN {
            let (first, last) = gain(&data, &HarmoniumSettings { epochs: 150, ..settings(visible, hidden) });
            // Between two real-valued layers weights are small, so that probabilities are finite, and steps are small as well.
            let real = spec(visible).is_unbounded() && spec(hidden).is_unbounded();
            let least = if real { 0.003 } else { 0.05 };
            assert!(last > first + least, "{visible} and {hidden}: {first} without weights, {last} with");
        }
    }
}

#[test]
fn stat_mean_exact_training_reaches_the_entropy_of_few_rows() {
    // Four rows of equal probability in 8 units: ln p is -ln 4 at best.
    let bits = BitMatrix::from_fn(8, 4, |unit, row| (unit / 2 == row) ^ (unit == 7));
    let data = dataset(Values::Bits(bits));
    for (visible, hidden) in [("bernoulli", "bernoulli"), ("spin", "spin"), ("bernoulli", "drelu")] {
        let settings = HarmoniumSettings {
            hidden: 4,
            algorithm: Algorithm::Exact,
            epochs: 1500,
            batch_size: 4,
            schedule: Rate::Constant,
            learning_rate: 0.3,
            ..settings(visible, hidden)
        };
        let found = fit(&data, &settings);
        let log_p = found.history.last().and_then(|last| last.figures.get("log_likelihood")).expect("few states");
        assert!(log_p < -4.0_f64.ln() + 1e-6 && log_p > -4.0_f64.ln() - 0.35, "{visible} and {hidden}: {log_p}");
    }
}

#[test]
fn figures_are_those_of_the_model_in_the_units_of_measure_of_the_data() {
    for (visible, hidden) in [("gaussian", "spin"), ("relu", "bernoulli"), ("drelu", "softmax:2"), ("spin", "gaussian")]
    {
        let data = rows(visible, 200);
        let found = fit(&data, &HarmoniumSettings { epochs: 20, ..settings(visible, hidden) });
        let figure = found.history.last().and_then(|last| last.figures.get("log_likelihood")).expect("few states");
        let rows = match data.train.values() {
            Values::Bits(bits) => bits.clone().into(),
            Values::Numbers(numbers) => gm_core::Batch::from(numbers.clone()),
            other => unreachable!("{other:?}"),
        };
        let eval = EvalData::from_rows("rows", rows);
        let report = evaluate_harmonium(&found.model, &eval, &EvalSettings::default(), &mut unwatched).unwrap();
        let measured = report.mean_log_prob;
        assert_eq!(measured.side, "exact");
        assert!(
            (measured.value - figure).abs() < 2e-3,
            "{visible} and {hidden}: {figure}, measured {}",
            measured.value
        );
        // Annealing from both sides encloses it.
        let ais = AisSettings { runs: 100, schedule: Schedule::Linear(300) };
        let annealed = EvalSettings { exact: Exact::No, ais, tempering: SHORT, ..EvalSettings::default() };
        let report = evaluate_harmonium(&found.model, &eval, &annealed, &mut unwatched).unwrap();
        let (low, high) = (report.mean_log_prob.low, report.mean_log_prob.high);
        assert!(low < measured.value && measured.value < high, "{visible} and {hidden}: {low} to {high}");
    }
}

#[test]
fn stat_mean_weights_of_rows_pull_the_model_to_their_moments() {
    let bits = BitMatrix::from_fn(3, 300, |unit, row| (row % 3 == 0) ^ (unit == 2));
    let weights: Vec<f32> = (0..300).map(|row| if row % 3 == 0 { 3.0 } else { 0.5 }).collect();
    let split = Split::new(Values::Bits(bits), None).unwrap().with_weights(weights).unwrap();
    let data = Dataset::new("weighted", split.clone(), split.clone(), split).unwrap();
    // By enumeration, so that no chain has to cross from one half of the states to the other.
    let algorithm = Algorithm::Exact;
    let found = fit(&data, &HarmoniumSettings { algorithm, epochs: 100, ..settings("spin", "gaussian") });
    let statistics = found.model.exact_statistics().unwrap();
    // The share of first rows is 3 / (3 + 1) by weight, and 1 / 3 without.
    let moment = f64::from(statistics.visible[0]);
    assert!((moment - 0.5).abs() < 0.05, "{moment}, weighted 0.5, unweighted -0.33");
}

#[test]
fn stable_interrupted_runs_end_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let pairs = [("spin", "drelu"), ("softmax:3", "relu"), ("gaussian", "spin"), ("binomial:4", "gaussian")];
    for (at, (visible, hidden)) in pairs.into_iter().enumerate() {
        let data = rows(visible, 60);
        let Values::Numbers(matrix) = data.with_numbers().unwrap().train.values().clone() else { unreachable!() };
        let lines = matrix.column_iter().map(|row| row.iter().map(f32::to_string).collect::<Vec<_>>().join(","));
        std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let optimiser = OptimiserSettings::adam();
        let model = HarmoniumSettings { epochs: 6, batch_size: 10, chains: 20, optimiser, ..settings(visible, hidden) };
        let mut config = Config::new(path.display().to_string(), ModelConfig::Harmonium(model));
        (config.seed, config.checkpoint_every) = (11, 3);
        let (whole, parts) = (folder.path().join(format!("whole{at}")), folder.path().join(format!("parts{at}")));
        Run::create(&whole, &config).unwrap().train(&mut Unobserved).unwrap();
        let mut run = Run::create(&parts, &config).unwrap();
        for stop in [4, 13] {
            let mut observer = break_at(move |event| matches!(event, Event::Step { step, .. } if *step == stop));
            assert!(matches!(run.train(&mut observer).unwrap(), Outcome::Interrupted { .. }));
            run = Run::resume(&parts).unwrap();
        }
        run.train(&mut Unobserved).unwrap();
        assert_eq!(results(&whole), results(&parts), "{visible} and {hidden}");
    }
}

#[test]
fn law_a_model_is_trained_further_from_where_it_was() {
    for (visible, hidden) in [("gaussian", "spin"), ("spin", "drelu")] {
        let data = rows(visible, 200);
        let settings = HarmoniumSettings { epochs: 30, ..settings(visible, hidden) };
        let first = fit(&data, &settings);
        let options = FitOptions { start: Some(first.model.to_data().unwrap()), ..FitOptions::default() };
        let further = HarmoniumSettings { epochs: 1, learning_rate: 1e-6, ..settings.clone() };
        let second = fit_harmonium(&data, &further, &options, &Streams::new(9), &mut Unobserved).unwrap();
        let log_p = |fit: &Fit<Harmonium>| fit.history.last().unwrap().figures.get("log_likelihood").unwrap();
        assert!((log_p(&first) - log_p(&second)).abs() < 1e-2, "{} and {}", log_p(&first), log_p(&second));
        let other = HarmoniumSettings { hidden_units: spec("relu"), ..further };
        let error = fit_harmonium(&data, &other, &options, &Streams::new(9), &mut Unobserved).unwrap_err().to_string();
        assert!(error.contains("the kinds of units of the model to start from"), "{error}");
    }
}

#[test]
fn law_the_block_penalty_leaves_fewer_weights_and_threads_change_no_bit() {
    let data = rows("softmax:3", 300);
    let found = |l1b: f32, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&data, &HarmoniumSettings { l1b, ..settings("softmax:3", "drelu") }).model)
    };
    let (plain, penalised) = (found(0.0, 1), found(0.5, 1));
    let size = |model: &Harmonium| mean(&model.weights().iter().map(|w| f64::from(w.abs())).collect::<Vec<_>>());
    assert!(size(&penalised) < 0.7 * size(&plain), "{} and {}", size(&penalised), size(&plain));
    assert_eq!(found(0.5, 3), penalised);
}

#[test]
fn rejects_settings_and_data_that_do_not_go_together() {
    let refused = |settings: HarmoniumSettings, data: &Dataset| {
        let streams = Streams::new(1);
        fit_harmonium(data, &settings, &FitOptions::default(), &streams, &mut Unobserved).unwrap_err().to_string()
    };
    let bits = rows("bernoulli", 20);
    let tempered = HarmoniumSettings { algorithm: Algorithm::Pt, ..settings("spin", "spin") };
    assert!(refused(tempered, &bits).contains("`algorithm` is pt, allowed: cd, pcd or exact for a harmonium"));
    let many = HarmoniumSettings { algorithm: Algorithm::Exact, ..settings("gaussian", "relu") };
    assert!(refused(many, &rows("gaussian", 20)).contains("a layer of at most 65536 states"));
    assert!(refused(settings("relu", "spin"), &rows("gaussian", 20)).contains("a unit of relu"));
    assert!(refused(settings("binomial:4", "spin"), &rows("gaussian", 20)).contains("a unit of binomial:4"));
    let odd = HarmoniumSettings { hidden: 3, ..settings("spin", "softmax:2") };
    assert!(refused(odd, &bits).contains("a number that fits the groups"));
    let mut watch = |_: &Event<'_>| ControlFlow::Continue(());
    let fine = fit_harmonium(&bits, &settings("spin", "spin"), &FitOptions::default(), &Streams::new(1), &mut watch);
    assert!(fine.is_ok());
}

#[test]
fn machines_with_binary_hidden_units_are_special_cases() {
    let weights = Matrix::from_fn(6, 3, |i, j| 0.4 * (i as f32 - 2.0) * (j as f32 - 1.0) + 0.1);
    let bias = |n: usize| Vector::from_fn(n, |i, _| 0.2 * i as f32 - 0.3);
    let stack = Stack::new(vec![weights], vec![bias(6), bias(3)]).expect("a stack");
    let variance = [0.5, 1.0, 2.0, 0.7, 1.3, 0.9];
    for (kind, variance) in [
        (VisibleKind::Bernoulli, None),
        (VisibleKind::Softmax { categories: 3 }, None),
        (VisibleKind::Labelled { classes: 2 }, None),
        (VisibleKind::Gaussian, Some(&variance[..])),
    ] {
        let units = VisibleUnits::new(kind, 6, variance).expect("units");
        let rbm = Rbm::from_stack(stack.clone()).and_then(|rbm| rbm.with_units(units.clone())).expect("a machine");
        let model = Harmonium::from_stack(&stack, &units).expect("a model");
        let v = rbm.exact_samples(20, &Streams::new(2)).expect("small").into_v();
        let expected = rbm.log_prob(&v, rbm.log_partition().expect("small")).expect("rows");
        let found = model.log_prob(v.view(), model.log_partition().expect("small")).expect("rows");
        assert_all_close(&found, &expected, 1e-5, 1e-5, &kind.to_string());
    }
}

#[test]
fn a_kind_of_unit_from_outside_trains_on_either_side() {
    let mut stream = Streams::new(6).fork(Purpose::Test, 0).stream(0);
    // Counts of which the first two rise together; the third has nothing to do with them.
    let mut row = || {
        let often = stream.random::<f32>() > 0.5;
        let mut count = |most: f32| (most * stream.random::<f32>()).floor();
        if often { [8.0 + count(5.0), 9.0 + count(4.0), count(3.0)] } else { [count(3.0), count(2.0), count(3.0)] }
    };
    let counts: Vec<f32> = (0..400).flat_map(|_| row()).collect();
    let counts = Matrix::from_vec(3, 400, counts);
    let own = LayerSpec::of_kind(Arc::new(CutPoisson));
    let settings = |visible: &LayerSpec, hidden_units: &LayerSpec, hidden, init_scale| HarmoniumSettings {
        visible: visible.clone(),
        hidden_units: hidden_units.clone(),
        hidden,
        init_scale,
        // Without weights and with hardly a step units stay independent.
        epochs: if init_scale > 0.0 { 300 } else { 1 },
        learning_rate: if init_scale > 0.0 { 0.01 } else { 1e-9 },
        ..HarmoniumSettings::default()
    };
    let score = |data: &Dataset, settings: &HarmoniumSettings| {
        let model = fit(data, settings).model;
        let rows = match data.train.values() {
            Values::Bits(bits) => Batch::from(bits.clone()),
            _ => Batch::from(data.train.to_matrix(&(0..400).collect::<Vec<_>>())),
        };
        let rows = model.visible().states_of_rows("test", rows.view()).expect("states");
        mean(&model.log_prob(rows.view(), model.log_partition().expect("few states")).expect("states"))
    };
    let data = dataset(Values::Numbers(counts.clone()));
    let gain = score(&data, &settings(&own, &spec("bernoulli"), 2, 0.1))
        - score(&data, &settings(&own, &spec("bernoulli"), 2, 0.0));
    assert!(gain > 3.0, "gained {gain}");
    let bits = dataset(Values::Bits(BitMatrix::from_fn(3, 400, |unit, sample| counts[(unit, sample)] > 4.0)));
    // One bit goes with another one, which is worth ln 2. Chains of spins that go together would hardly move.
    let exact = HarmoniumSettings {
        algorithm: Algorithm::Exact,
        learning_rate: 0.1,
        epochs: 100,
        ..settings(&spec("spin"), &own, 2, 0.1)
    };
    let gain = score(&bits, &exact) - score(&bits, &settings(&spec("spin"), &own, 2, 0.0));
    assert!(gain > 0.6 && gain < 2.0_f64.ln(), "gained {gain}");
    // No file can name the kind.
    let config = Config::new("digits", ModelConfig::Harmonium(settings(&own, &own, 1, 0.1)));
    assert!(config.check().expect_err("a kind without a name").to_string().contains("`units` is cut-poisson"));
}
