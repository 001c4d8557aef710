//! Evaluation reports: their fields, exact answers, annealed intervals and warnings.

use crate::common::{SHORT, builtin, mean, pack, rbm_of, wave};
use gm_core::{AisSettings, BitMatrix, Error as CoreError, Matrix, Schedule, Streams, Vector, unwatched};
use gm_data::{Binarise, SplitName};
use gm_eval::{Error, EvalData, EvalReport, EvalSettings, Exact, TemperingSettings, evaluate_rbm};
use gm_rbm::Rbm;
use gm_testkit::{Fixture, assert_all_close, assert_close};
use gm_train::{Algorithm, Rate, RbmSettings, Unobserved, fit_rbm};
use serde_json::Value;

fn annealed(runs: usize, schedule: Schedule) -> EvalSettings {
    EvalSettings {
        exact: Exact::No,
        ais: AisSettings { runs, schedule },
        raise_walks: 200,
        tempering: SHORT,
        seed: 3,
        ..Default::default()
    }
}

fn evaluate(rbm: &Rbm, data: &EvalData, settings: &EvalSettings) -> EvalReport {
    evaluate_rbm(rbm, data, settings, &mut unwatched).expect("data that fit")
}

fn json(report: &EvalReport) -> Value {
    serde_json::to_value(report).expect("a report is JSON")
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// All units agree, on or off: two modes with a desert in between.
fn opposed(units: usize, size: f32) -> Rbm {
    let bias = Vector::from_element(units, -0.5 * size * units as f32);
    Rbm::new(Matrix::from_element(units, units, size), bias.clone(), bias).expect("finite parameters")
}

// ---- The document ----

/// serde_json sorts the names of a value.
#[test]
fn table_the_document_has_the_fields_of_its_schema() {
    let digits = builtin("digits");
    let data = EvalData::from_dataset(&digits, SplitName::Test, None).unwrap();
    let rbm = wave(64, 9, 0.3);
    let exact = json(&evaluate(&rbm, &data, &EvalSettings::default()));
    let annealed_settings = annealed(50, Schedule::Linear(200));
    let annealed = json(&evaluate(&rbm, &data, &annealed_settings));
    for report in [&exact, &annealed] {
        let of_annealing = ["lower_bound", "reverse_log_partition"];
        let found: Vec<_> = names(report).into_iter().filter(|name| !of_annealing.contains(name)).collect();
        assert_eq!(
            found,
            [
                "data",
                "free_energy_gap",
                "independent_units",
                "layers",
                "log_partition",
                "log_pseudo_likelihood",
                "mean_log_prob",
                "model",
                "rows_std_error",
                "schema",
                "seconds",
                "seed",
                "threads",
                "warnings"
            ]
        );
        assert_eq!(names(&report["mean_log_prob"]), ["high", "low", "method", "side", "value"]);
        assert_eq!(names(&report["log_pseudo_likelihood"]), ["method", "std_error", "value"]);
        assert_eq!((&report["schema"], &report["model"]), (&"gm-eval/1".into(), &"rbm".into()));
        assert_eq!(report["layers"], serde_json::json!([64, 9]));
        let about = serde_json::json!({"source": "digits", "split": "test", "rows": 299, "binarise": "fixed:0"});
        assert_eq!(report["data"], about);
        assert!(report["seconds"].is_number() && report["threads"].as_u64() > Some(0));
    }
    assert_eq!(names(&exact["log_partition"]), ["high", "low", "method", "std_error", "value"]);
    let with_runs = ["ess", "high", "low", "method", "runs", "std_error", "temperatures", "value"];
    assert_eq!(names(&annealed["log_partition"]), with_runs);
    assert_eq!(
        (&annealed["log_partition"]["runs"], &annealed["log_partition"]["temperatures"]),
        (&50.into(), &200.into())
    );
    assert_eq!(
        (&exact["mean_log_prob"]["side"], &exact["mean_log_prob"]["method"]),
        (&"exact".into(), &"exact".into())
    );
    assert!(!names(&exact).contains(&"lower_bound") && !names(&exact).contains(&"reverse_log_partition"));
    assert_eq!(names(&annealed["lower_bound"]), ["low", "method", "std_error", "value", "walks"]);
    assert_eq!(annealed["mean_log_prob"]["method"], "ais, raise and reverse ais");
    let one_side = EvalSettings { raise_walks: 0, reverse_runs: 0, ..annealed_settings };
    let one_side = json(&evaluate(&rbm, &data, &one_side));
    assert_eq!((one_side.get("lower_bound"), &one_side["mean_log_prob"]["method"]), (None, &"ais".into()));
    assert_eq!((&annealed["mean_log_prob"]["side"], &annealed["seed"]), (&"estimate".into(), &3.into()));
    let alone = EvalData::from_rows("rows", data.rows.clone());
    let alone = json(&evaluate(&rbm, &alone, &EvalSettings::default()));
    assert!(!names(&alone).contains(&"free_energy_gap"));
    assert_eq!(alone["data"]["binarise"], "none");
}

/// Walks back from samples got by parallel tempering: the other side of log Z, in the report and in the interval.
#[test]
fn oracle_the_interval_from_both_sides_holds_the_exact_value() {
    let digits = builtin("digits");
    let data = EvalData::from_dataset(&digits, SplitName::Test, None).unwrap();
    for (case, schedule) in
        [Schedule::Linear(300), Schedule::Adaptive(300), Schedule::Graded(300)].into_iter().enumerate()
    {
        let rbm = wave(64, 9, 0.2 + 0.1 * case as f32);
        let exact = evaluate(&rbm, &data, &EvalSettings::default());
        let tempering = TemperingSettings { temperatures: 6, sweeps: 200 };
        let settings = EvalSettings { reverse_runs: 100, tempering, ..annealed(100, schedule) };
        let found = evaluate(&rbm, &data, &settings);
        let reverse = found.reverse_log_partition.as_ref().unwrap();
        let (truth, p) = (exact.log_partition.unwrap().value, &found.mean_log_prob);
        assert!((reverse.value - truth).abs() < 6.0 * reverse.std_error, "{reverse:?} against {truth}");
        assert!(reverse.low < truth && truth < reverse.high, "{reverse:?} against {truth}");
        assert!(p.low <= exact.mean_log_prob.value && exact.mean_log_prob.value <= p.high, "{p:?}");
        assert_eq!((p.method, found.warnings.len()), ("ais, raise and reverse ais", 0), "{:?}", found.warnings);
        assert_eq!(
            (reverse.method, reverse.runs, reverse.temperatures, reverse.sweeps),
            ("reverse ais", 100, 300, 200)
        );
        assert!(0.0 < reverse.lowest_swap_acceptance && reverse.lowest_swap_acceptance <= reverse.swap_acceptance);
        let alone = evaluate(&rbm, &data, &EvalSettings { raise_walks: 0, ..settings });
        assert_eq!(alone.mean_log_prob.method, "ais and reverse ais");
        assert!(alone.mean_log_prob.low < p.value);
    }
}

#[test]
fn table_walks_that_disagree_earn_a_warning() {
    // One step from units that are almost always off to units that are almost always on.
    let zeros = gm_core::Stack::zeros(&[12, 2]).expect("two layers");
    let bias = Vector::from_element(12, 3.0);
    let rbm = Rbm::new(zeros.weights(0).clone(), bias, Vector::zeros(2)).expect("finite parameters");
    let data = EvalData { train_means: Some(vec![0.01; 12]), ..EvalData::from_rows("rows", BitMatrix::zeros(12, 3)) };
    let tempering = TemperingSettings { temperatures: 2, sweeps: 1 };
    let settings = EvalSettings { reverse_runs: 50, tempering, raise_walks: 0, ..annealed(50, Schedule::Linear(2)) };
    let found = evaluate(&rbm, &data, &settings);
    let text = "AIS and reverse AIS find values of log Z that are";
    assert!(found.warnings.iter().any(|warning| warning.starts_with(text)), "{:?}", found.warnings);
    let refused = evaluate_rbm(
        &rbm,
        &data,
        &EvalSettings { tempering: TemperingSettings { temperatures: 1, sweeps: 1 }, ..settings },
        &mut unwatched,
    );
    assert_eq!(refused.unwrap_err().to_string(), "even_temperatures: `temperatures` is 1, allowed: 2 or more");
}

#[test]
fn table_what_is_printed_names_interval_and_method() {
    let rbm = wave(4, 3, 0.5);
    let data = EvalData::from_rows("rows", BitMatrix::zeros(4, 2));
    let exact = evaluate(&rbm, &data, &EvalSettings::default()).to_string();
    assert!(exact.starts_with("mean log p   -") && exact.contains("(exact)\nlog Z        "), "{exact}");
    let text = evaluate(&rbm, &data, &annealed(20, Schedule::Linear(50))).to_string();
    assert!(
        text.contains("(estimate)") && text.contains("(ais, 20 runs, 50 temperatures, effective sample size "),
        "{text}"
    );
}

#[test]
fn table_numbers_that_are_not_finite_become_null() {
    let data = EvalData::from_rows("rows", BitMatrix::zeros(12, 3));
    let report = evaluate(&opposed(12, 1.0), &data, &annealed(100, Schedule::Linear(5)));
    assert_eq!(
        (report.log_partition.as_ref().unwrap().low, report.mean_log_prob.high),
        (f64::NEG_INFINITY, f64::INFINITY)
    );
    let report = json(&report);
    assert!(report["log_partition"]["low"].is_null() && report["mean_log_prob"]["high"].is_null());
}

// ---- Exact answers ----

#[test]
fn oracle_fixtures_are_met() {
    for name in ["rbm_small", "rbm_strong"] {
        let fixture = Fixture::load(name);
        let data = EvalData::from_rows(name, pack(&fixture.data()));
        for settings in [EvalSettings::default(), EvalSettings { exact: Exact::Yes, ..Default::default() }] {
            let report = evaluate(&rbm_of(&fixture), &data, &settings);
            let close = |value, pointer: &str| assert_close(value, fixture.number_at(pointer), 1e-5, 0.0, pointer);
            close(report.log_partition.as_ref().unwrap().value, "/log_partition");
            close(report.mean_log_prob.value, "/mean_log_prob");
            let pseudo = mean(&fixture.numbers_at("/log_pseudo_likelihood"));
            assert_close(report.log_pseudo_likelihood.as_ref().unwrap().value, pseudo, 1e-5, 0.0, "pseudo-likelihood");
            assert_eq!(
                (report.mean_log_prob.low, report.mean_log_prob.high),
                (report.mean_log_prob.value, report.mean_log_prob.value)
            );
            assert_eq!((report.log_partition.as_ref().unwrap().std_error, report.warnings.len()), (0.0, 0));
            assert_close(mean(&report.log_probs), report.mean_log_prob.value, 1e-12, 0.0, "rows");
        }
    }
}

#[test]
fn oracle_annealing_agrees_within_its_interval() {
    let bars = builtin("bars-and-stripes:3");
    let settings = RbmSettings {
        hidden: 8,
        algorithm: Algorithm::Exact,
        epochs: 1_000,
        batch_size: 16,
        learning_rate: 0.5,
        init_scale: 0.1,
        schedule: Rate::Constant,
        ..Default::default()
    };
    let rbm = fit_rbm(&bars, &settings, &Streams::new(2), &mut Unobserved).unwrap().model;
    let data = EvalData::from_dataset(&bars, SplitName::Test, None).unwrap();
    let truth = evaluate(&rbm, &data, &EvalSettings::default());
    assert!(truth.mean_log_prob.value > -3.0, "{truth}");
    // Three standard errors; the seed is fixed, and the interval narrow enough to be wrong.
    let found = evaluate(&rbm, &data, &annealed(500, Schedule::Linear(1_000)));
    let (z, p) = (found.log_partition.as_ref().unwrap(), &found.mean_log_prob);
    assert!(
        z.low <= truth.log_partition.as_ref().unwrap().value
            && truth.log_partition.as_ref().unwrap().value <= z.high
            && z.high - z.low < 0.5,
        "{found}"
    );
    assert!(p.low <= truth.mean_log_prob.value && truth.mean_log_prob.value <= p.high, "{found}");
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    assert_close(p.high, p.value + z.value - z.low, 0.0, 1e-9, "the upper end comes from log Z");
    let lower = found.lower_bound.as_ref().expect("walks back");
    let back = found.reverse_log_partition.as_ref().expect("reverse AIS from samples");
    // The lowest of the three lower ends.
    let lowest = lower.low.min(p.value + z.value - z.high).min(p.value + z.value - back.high);
    assert_close(p.low, lowest, 0.0, 1e-9, "the lower end");
    assert_eq!(lower.walks, 200);
    assert!(lower.low <= truth.mean_log_prob.value && p.value - lower.value < 0.5, "{lower:?}");
}

#[test]
fn stable_reports_depend_on_the_seed_only() {
    let data = EvalData::from_rows("rows", BitMatrix::from_fn(30, 40, |unit, row| (unit * row) % 3 == 1));
    let rbm = wave(30, 25, 0.4);
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads");
        let mut report =
            pool.install(|| evaluate(&rbm, &data, &EvalSettings { seed, ..annealed(70, Schedule::Linear(60)) }));
        assert_eq!(report.threads, threads);
        (report.seconds, report.threads) = (0.0, 0);
        report
    };
    assert_eq!(with(1, 5), with(3, 5));
    assert_ne!(with(1, 5).log_partition, with(1, 6).log_partition);
}

#[test]
fn law_training_rows_and_means_do_not_change_exact_answers() {
    let bars = builtin("bars-and-stripes:4");
    let whole = EvalData::from_dataset(&bars, SplitName::Valid, None).unwrap();
    assert_eq!(whole.train_rows.as_ref().map(gm_core::Batch::samples), Some(32));
    let rbm = wave(16, 5, 0.5);
    let [a, b] =
        [whole.clone(), EvalData::from_rows("rows", whole.rows)].map(|d| evaluate(&rbm, &d, &EvalSettings::default()));
    assert_all_close(&a.log_probs, &b.log_probs, 0.0, 0.0, "log p");
    // All splits of bars and stripes are the same rows.
    assert_close(a.free_energy_gap.unwrap(), 0.0, 0.0, 1e-9, "gap");
}

// ---- Warnings and refusals ----

#[test]
fn table_few_effective_runs_and_wide_intervals_earn_warnings() {
    let data = EvalData::from_rows("rows", BitMatrix::zeros(12, 3));
    let report = evaluate(&opposed(12, 1.0), &data, &annealed(100, Schedule::Linear(5)));
    assert!(report.log_partition.as_ref().unwrap().ess.unwrap() < 10.0, "{report}");
    assert!(report.warnings[0].starts_with("the effective sample size of the 100 runs is "), "{:?}", report.warnings);
    assert!(report.warnings[1].contains("nats wide, above 2: anneal with more runs or temperatures"));
    // Annealing has missed both modes, and log Z is far too small.
    let warned = |start: &str| report.warnings.iter().any(|warning| warning.starts_with(start));
    let apart = report.warnings.iter().any(|warning| warning.contains("nats below mean log p, more than 2"));
    assert!(warned("mean log p is ") && apart, "{:?}", report.warnings);
    let truth = evaluate(&opposed(12, 1.0), &data, &EvalSettings::default());
    assert!(truth.warnings.is_empty() && truth.mean_log_prob.value < 0.0, "{truth}");
    let calm = evaluate(&wave(12, 8, 0.2), &data, &annealed(100, Schedule::Linear(100)));
    assert!(calm.warnings.is_empty(), "{:?}", calm.warnings);
}

#[test]
fn rejects_data_that_do_not_fit() {
    let rbm = wave(4, 3, 0.5);
    let refusal = |data: &EvalData| {
        evaluate_rbm(&rbm, data, &EvalSettings::default(), &mut unwatched).expect_err("it must be refused").to_string()
    };
    let sound = EvalData::from_rows("rows", BitMatrix::zeros(4, 2));
    assert_eq!(
        refusal(&EvalData::from_rows("rows", BitMatrix::zeros(5, 2))),
        "evaluate_rbm: `data` has units 5, expected 4"
    );
    assert_eq!(
        refusal(&EvalData { train_means: Some(vec![0.5; 3]), ..sound.clone() }),
        "evaluate_rbm: `train_means` has units 3, expected 4"
    );
    assert_eq!(
        refusal(&EvalData { train_rows: Some(BitMatrix::zeros(6, 1).into()), ..sound.clone() }),
        "evaluate_rbm: `train_rows` has units 6, expected 4"
    );
    let empty = refusal(&EvalData::from_rows("rows", BitMatrix::zeros(4, 0)));
    assert_eq!(empty, CoreError::Empty { op: "evaluate_rbm", arg: "data" }.to_string());
    let empty = refusal(&EvalData { train_rows: Some(BitMatrix::zeros(4, 0).into()), ..sound });
    assert_eq!(empty, CoreError::Empty { op: "evaluate_rbm", arg: "train_rows" }.to_string());
}

#[test]
fn rejects_settings_out_of_range_and_interruptions() {
    let (rbm, data) = (wave(31, 31, 0.1), EvalData::from_rows("rows", BitMatrix::zeros(31, 2)));
    let refusal =
        |settings: &EvalSettings| evaluate_rbm(&rbm, &data, settings, &mut unwatched).expect_err("it must be refused");
    let found = refusal(&EvalSettings { exact: Exact::Yes, ..Default::default() });
    assert!(matches!(found, Error::Core(CoreError::TooLarge { units: 31, limit: 30, .. })), "{found}");
    assert!(
        refusal(&annealed(100, Schedule::Linear(1))).to_string().contains("`temperatures` is 1, allowed: 2 or more")
    );
    assert!(matches!(refusal(&annealed(0, Schedule::Linear(9))), Error::Core(CoreError::Param { arg: "runs", .. })));
    let stop = &mut |_| std::ops::ControlFlow::Break(());
    let found = evaluate_rbm(&rbm, &data, &annealed(10, Schedule::Linear(50)), stop).unwrap_err();
    assert!(matches!(found, Error::Core(CoreError::Interrupted { .. })), "{found}");
    assert_eq!("yes".parse::<Exact>().unwrap(), Exact::Yes);
    let found = "exact".parse::<Exact>().unwrap_err().to_string();
    assert!(found.starts_with("unknown choice of exactness `exact`"), "{found}");
    let digits = builtin("digits");
    assert!(matches!(
        EvalData::from_dataset(&digits, SplitName::Test, Some(Binarise::None)),
        Err(Error::Data(gm_data::Error::GreyLevels { .. }))
    ));
    assert!(matches!(
        EvalData::from_dataset(&digits, SplitName::Test, Some(Binarise::Dynamic)),
        Err(Error::Data(gm_data::Error::GreyLevels { .. }))
    ));
}
