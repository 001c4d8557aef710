//! Visible units of other kinds through the whole program: label units, real numbers and categories.

use crate::common::{Workshop, number};
use serde_json::json;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn table_an_rbm_with_label_units_goes_through_every_command() {
    let workshop = Workshop::new();
    let train =
        "train rbm --data digits --labels --class-weight 5 --hidden 40 --epochs 60 --batch-size 20 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert_eq!(document["layers"], json!([74, 40]));
    assert!(number(&document, "/figures/error_rate") < 0.3);
    assert!(workshop.text("run/report.html").contains("Completions"));
    let classes = workshop.json(&words("eval run/model.gm --data digits --classify --per-example p.npy"));
    assert_eq!((&classes["schema"], &classes["model"]), (&json!("gm-classes/1"), &json!("rbm")));
    assert!(number(&classes, "/error_rate/value") < 0.3, "0.9 by chance");
    assert_eq!(workshop.array("p.npy").0, [299]);
    let eval = workshop.json(&words("eval run/model.gm --data digits --ais-runs 20 --ais-temperatures 200"));
    assert!(number(&eval, "/mean_log_prob/value") < 0.0 && eval.get("log_pseudo_likelihood").is_none());
    let sampled = workshop.json(&words("sample run/model.gm -n 20 --label 3 --steps 50 --out threes.npy"));
    assert_eq!((workshop.array("threes.npy").0, number(&sampled, "/diagnostics/chains")), (vec![20, 64], 20.0));
    let turns = workshop.json(&words("sample run/model.gm -n 20 --label 0,1,2 --steps 20 --means --out turns.png"));
    assert!(turns.get("method").is_some() && workshop.picture("turns.png").0 > 0);
    workshop.json(&words("infer run/model.gm --data digits --out h.npy"));
    assert_eq!(workshop.array("h.npy").0, [299, 40]);
    let complete = "complete run/model.gm --data digits --rows 0-4 --mask bottom --steps 50 --out c.npy";
    assert!(number(&workshop.json(&words(complete)), "/accuracy") > 0.5);
    let inspected = workshop.json(&words("inspect run/model.gm --filters filters.png"));
    assert_eq!(inspected["visible"], "bernoulli+softmax:10");
    assert_eq!(workshop.json(&words("convert run/model.gm dbn.gm --to dbn"))["layers"], json!([64, 40]));
    let again = workshop.json(&words("eval dbn.gm --data digits --classify"));
    assert_eq!(again["errors"], classes["errors"]);
    workshop.json(&words("convert run/model.gm model.safetensors"));
    assert_eq!(workshop.json(&words("inspect model.safetensors"))["visible"], "bernoulli+softmax:10");
}

#[test]
fn rejects_label_options_that_do_not_belong() {
    let workshop = Workshop::with_model();
    let refused = workshop.refuses(&words("eval model.gm --data digits --classify"));
    assert!(refused.contains("an rbm without label units, allowed: an rbm or dbn trained with --labels"), "{refused}");
    let misused = workshop.misused(&words("train rbm --data digits --class-weight 2 --out run"));
    assert!(misused.contains("--labels"), "{misused}");
    workshop.write("rows.csv", "0,1\n1,0\n0,0\n1,1\n0,1\n1,0\n");
    let refused = workshop.refuses(&words("train rbm --data rows.csv --labels --out run"));
    assert!(refused.contains("the train split has no labels"), "{refused}");
    assert!(!workshop.path("run").exists());
}

/// A number in [0, 1) for each row and column, which is the same on every computer.
fn scattered(row: u32, column: u32) -> f64 {
    let x = row.wrapping_mul(2_654_435_761).wrapping_add(column.wrapping_mul(40_503)).wrapping_add(12_345);
    let x = (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
    let x = (x ^ (x >> 13)).wrapping_mul(3_266_489_917);
    f64::from(x ^ (x >> 16)) / 4_294_967_296.0
}

/// Two measurements of two clusters, around (20, 1000) in two thirds of the rows and (22, 1200), and a third that
/// hardly varies.
fn measurements() -> String {
    let row = |i: u32| {
        let cluster = f64::from(u8::from(scattered(i, 0) < 1.0 / 3.0));
        let (x, y) = (1.6 * (scattered(i, 1) - 0.5), 160.0 * (scattered(i, 2) - 0.5));
        let z = -0.5 + 0.01 * scattered(i, 3);
        format!("{:.3},{:.2},{z:.4}\n", 20.0 + 2.0 * cluster + x, 1000.0 + 200.0 * cluster + y)
    };
    "warm,heavy,odd\n".to_owned() + &(0..600).map(row).collect::<String>()
}

/// Three answers of four categories, of which the second repeats the first in most rows.
fn answers() -> String {
    let row = |i: u32| {
        let of = |column: u32, n: f64| (n * scattered(i, column)) as usize;
        let first = of(4, 4.0);
        let second = if scattered(i, 5) < 0.15 { of(6, 4.0) } else { first };
        format!("{first},{second},{}\n", of(7, 3.0))
    };
    (0..600).map(row).collect()
}

/// Completions and samples of a model of measurements in `run`, with the second one missing.
fn completes_measurements(workshop: &Workshop) {
    workshop.write("second.csv", "0,1,0\n");
    let complete =
        "complete run/model.gm --data rows.csv --split all --rows 0-5 --mask second.csv --steps 100 --out c.npy";
    let completed = workshop.json(&words(complete));
    assert!(completed.get("accuracy").is_none());
    // The second measurement follows from the first.
    for (row, values) in workshop.array("c.npy").1.chunks(3).enumerate() {
        let expected = if values[0] > 21.0 { 1200.0 } else { 1000.0 };
        assert!((values[1] - expected).abs() < 60.0, "row {row}: {values:?}");
    }
    workshop.write("given.csv", "22.4,0,-0.495\n");
    workshop
        .json(&words("sample run/model.gm -n 50 --clamp given.csv --mask second.csv --steps 50 --means --out k.npy"));
    let found = workshop.array("k.npy").1;
    assert!(found.chunks(3).all(|row| (row[0] - 22.4).abs() < 1e-3));
    assert!(found.chunks(3).map(|row| row[1]).sum::<f64>() / 50.0 > 1150.0);
}

#[test]
fn table_real_numbers_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    let train = "train rbm --data rows.csv --visible gaussian --hidden 3 --epochs 300 --learning-rate 0.05 --batch-size 20 \
                 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert!(document["figures"].get("pseudo_log_likelihood").is_none());
    assert!(number(&document, "/figures/variance") < 0.7 && number(&document, "/figures/squared_error") < 0.7);
    let config = workshop.text("run/config.toml");
    assert!(config.contains("visible = \"gaussian\"") && config.contains("binarise = \"none\""), "{config}");
    for file in ["model.gm", "samples/final.png", "filters.png", "curves.png", "report.html"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let eval = workshop.json(&words("eval run/model.gm --data rows.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("gaussian"), &json!("exact")));
    let annealed = workshop.json(&words("eval run/model.gm --data rows.csv --ais-runs 100 --ais-temperatures 300"));
    let [low, high] = ["/mean_log_prob/low", "/mean_log_prob/high"].map(|at| number(&annealed, at));
    let truth = number(&eval, "/mean_log_prob/value");
    assert!(low < truth + 0.05 && truth < high + 0.05, "{low} {truth} {high}");
    // Samples are in the units of measure of the data.
    workshop.json(&words("sample run/model.gm -n 500 --steps 200 --out samples.csv"));
    let samples = workshop.text("samples.csv");
    let column = |i: usize| {
        let values = samples.lines().skip(1).map(|line| line.split(',').nth(i).unwrap().parse().unwrap());
        let cells: Vec<f64> = values.collect();
        cells.iter().sum::<f64>() / cells.len() as f64
    };
    assert!((column(0) - 20.8).abs() < 0.6 && (column(1) - 1073.0).abs() < 60.0, "{} {}", column(0), column(1));
    workshop.json(&words("sample run/model.gm -n 20 --steps 20 --out samples.png"));
    workshop.json(&words("infer run/model.gm --data rows.csv --split all --out h.npy"));
    assert_eq!(workshop.array("h.npy").0, [600, 3]);
    completes_measurements(&workshop);
    let inspected = workshop.json(&words("inspect run/model.gm"));
    let names: Vec<&str> = inspected["tensors"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names[3..], ["visible_variance", "visible_shift", "visible_scale"]);
    workshop.json(&words("convert run/model.gm model.json"));
    let again = workshop.json(&words("eval model.json --data rows.csv"));
    assert_eq!(again["mean_log_prob"], eval["mean_log_prob"]);
    assert!(workshop.says(&words("report run --data rows.csv")).contains("report"));
}

#[test]
fn table_categories_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("answers.csv", answers());
    let train = "train rbm --data answers.csv --visible softmax --hidden 6 --epochs 200 --batch-size 20 --learning-rate 0.2 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert_eq!(document["layers"], json!([12, 6]));
    assert!(workshop.text("run/config.toml").contains("visible = \"softmax:4\""));
    let eval = workshop.json(&words("eval run/model.gm --data answers.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("softmax:4"), &json!("exact")));
    assert!(number(&eval, "/mean_log_prob/value") > -3.0 * 4.0_f64.ln());
    workshop.json(&words("sample run/model.gm -n 50 --steps 50 --out samples.npy"));
    let (shape, categories) = workshop.array("samples.npy");
    assert_eq!(shape, [50, 3]);
    assert!(categories.iter().all(|c| c.fract() == 0.0 && (0.0..4.0).contains(c)));
    workshop.json(&words("sample run/model.gm -n 5 --steps 5 --means --out means.npy"));
    assert_eq!(workshop.array("means.npy").0, [5, 12]);
    // Samples can be read again, as can groups of units.
    workshop.json(&words("infer run/model.gm --data samples.npy --split all --out h.npy"));
    assert_eq!(workshop.array("h.npy").0, [50, 6]);
    workshop.write("second.csv", "0,1,0\n");
    let complete =
        "complete run/model.gm --data answers.csv --split all --rows 0-19 --mask second.csv --steps 200 --out c.npy";
    let completed = workshop.json(&words(complete));
    assert!(number(&completed, "/accuracy") > 0.6 && number(&completed, "/missing_units") == 20.0);
    assert_eq!(workshop.array("c.npy").0, [20, 12]);
    let inspected = workshop.json(&words("inspect run/model.gm --filters filters.png"));
    assert_eq!(inspected["visible"], "softmax:4");
    assert!(workshop.text("run/report.html").contains("softmax:4"));
}

#[test]
fn table_dbms_of_real_numbers_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    let train = "train dbm --data rows.csv --visible gaussian --hidden 4,2 --epochs 60 --pretrain-epochs 10 --chains 50 \
                 --learning-rate 0.1 --pretrain-learning-rate 0.1 --batch-size 20 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert!(number(&document, "/figures/variance") < 0.9);
    let config = workshop.text("run/config.toml");
    assert!(config.contains("visible = \"gaussian\"") && config.contains("binarise = \"none\""), "{config}");
    for file in ["model.gm", "samples/final.png", "filters.png", "curves.png", "report.html"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let eval = workshop.json(&words("eval run/model.gm --data rows.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("gaussian"), &json!("exact")));
    let truth = number(&eval, "/mean_log_prob/value");
    assert!(number(&eval, "/elbo") <= truth && truth > -2.7, "independent normal measurements have -3.1: {truth}");
    let annealed = "eval run/model.gm --data rows.csv --ais-runs 50 --ais-temperatures 200 --samples 20";
    let annealed = workshop.json(&words(annealed));
    let low = number(&annealed, "/mean_log_prob/low");
    assert!(low < truth + 0.05 && annealed["mean_log_prob"]["high"].is_null(), "{low} {truth}");
    // Samples are in the units of measure of the data.
    workshop.json(&words("sample run/model.gm -n 300 --steps 100 --out samples.npy"));
    let samples = workshop.array("samples.npy").1;
    let mean = |i: usize| samples.iter().skip(i).step_by(3).sum::<f64>() / 300.0;
    assert!((mean(0) - 20.7).abs() < 0.7 && (mean(1) - 1067.0).abs() < 70.0, "{} {}", mean(0), mean(1));
    workshop.json(&words("sample run/model.gm -n 5 --steps 5 --beta 0.5 --out hot.png"));
    workshop.write("second.csv", "0,1,0\n");
    workshop.write("given.csv", "22.4,0,-0.495\n");
    workshop
        .json(&words("sample run/model.gm -n 50 --clamp given.csv --mask second.csv --steps 50 --means --out k.npy"));
    let found = workshop.array("k.npy").1;
    assert!(found.chunks(3).all(|row| (row[0] - 22.4).abs() < 1e-3));
    assert!(found.chunks(3).map(|row| row[1]).sum::<f64>() / 50.0 > 1120.0);
    let complete =
        "complete run/model.gm --data rows.csv --split all --rows 0-5 --mask second.csv --steps 50 --out c.npy";
    let completed = workshop.json(&words(complete));
    assert!(completed.get("accuracy").is_none() && number(&completed, "/squared_error") < 1e4);
    for method in ["mean-field", "gibbs", "exact"] {
        let infer = format!("infer run/model.gm --data rows.csv --method {method} --out h.npy --force");
        workshop.json(&words(&infer));
        let (shape, means) = workshop.array("h.npy");
        assert!(shape == [100, 6] && means.iter().all(|mean| (0.0..=1.0).contains(mean)), "{method}");
    }
    let inspected = workshop.json(&words("inspect run/model.gm"));
    let names: Vec<&str> = inspected["tensors"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names[5..], ["visible_variance", "visible_shift", "visible_scale"]);
    workshop.json(&words("convert run/model.gm model.json"));
    let again = workshop.json(&words("eval model.json --data rows.csv"));
    assert_eq!(again["mean_log_prob"], eval["mean_log_prob"]);
    assert!(workshop.says(&words("report run --data rows.csv")).contains("report"));
    // A DBM with another layer starts from it, and an RBM becomes a DBM.
    let deeper =
        "train dbm --data rows.csv --visible gaussian --hidden 4,2,2 --extend run --epochs 1 --no-report --out deeper";
    assert_eq!(workshop.json(&words(deeper))["layers"], json!([3, 4, 2, 2]));
    workshop.json(&words("train rbm --data rows.csv --visible gaussian --hidden 2 --epochs 1 --no-report --out flat"));
    workshop.json(&words("convert flat/model.gm deep.gm --to dbm"));
    assert_eq!(workshop.json(&words("inspect deep.gm"))["visible"], "gaussian");
}

#[test]
fn table_dbms_of_categories_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("answers.csv", answers());
    let train = "train dbm --data answers.csv --visible softmax --hidden 6,3 --epochs 60 --pretrain-epochs 10 --pretrain 2009 \
                 --chains 50 --batch-size 20 --learning-rate 0.2 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert_eq!(document["layers"], json!([12, 6, 3]));
    assert!(workshop.text("run/config.toml").contains("visible = \"softmax:4\""));
    assert!(workshop.text("run/report.html").contains("softmax:4"));
    let eval = workshop.json(&words("eval run/model.gm --data answers.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("softmax:4"), &json!("exact")));
    assert!(number(&eval, "/mean_log_prob/value") > -3.0 * 4.0_f64.ln());
    workshop.json(&words("sample run/model.gm -n 50 --steps 50 --out samples.npy"));
    let (shape, categories) = workshop.array("samples.npy");
    assert_eq!(shape, [50, 3]);
    assert!(categories.iter().all(|c| c.fract() == 0.0 && (0.0..4.0).contains(c)));
    workshop.json(&words("infer run/model.gm --data samples.npy --split all --out h.npy"));
    assert_eq!(workshop.array("h.npy").0, [50, 9]);
    workshop.write("second.csv", "0,1,0\n");
    let complete =
        "complete run/model.gm --data answers.csv --split all --rows 0-19 --mask second.csv --steps 100 --out c.npy";
    let completed = workshop.json(&words(complete));
    assert!(number(&completed, "/accuracy") > 0.6 && number(&completed, "/missing_units") == 20.0);
    assert_eq!(workshop.array("c.npy").0, [20, 12]);
    workshop.json(&words("convert run/model.gm model.safetensors"));
    assert_eq!(workshop.json(&words("inspect model.safetensors"))["visible"], "softmax:4");
}

#[test]
fn rejects_options_of_other_units_of_dbms() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    for (line, text) in [
        (
            "train dbm --data rows.csv --out run",
            "binarise with --binarise threshold:T, or train an rbm, dbm or dbn with --visible gaussian",
        ),
        (
            "train dbm --data rows.csv --visible gaussian --binarise threshold:3 --out run",
            "DbmSettings: `binarise` is threshold:3 with visible gaussian, allowed: none unless visible units are bernoulli",
        ),
        ("train dbm --data digits --visible softmax:4 --out run", "whole numbers from 0 to 3"),
        (
            "train dbm --data digits --visible softmax --least-variance 0.5 --out run",
            "--least-variance 0.5 needs --visible gaussian",
        ),
    ] {
        let refused = workshop.refuses(&words(line));
        assert!(refused.contains(text), "{line}: {refused}");
        assert!(!workshop.path("run").exists(), "{line}");
    }
    let train = "train dbm --data rows.csv --visible gaussian --hidden 2,2 --epochs 1 --no-report --out run";
    workshop.json(&words(train));
    for (line, text) in [
        ("eval run/model.gm --data rows.csv --binarise threshold", "none for gaussian visible units"),
        ("convert run/model.gm other.gm --to dbn", "dbm of 2 hidden layers and gaussian visible units"),
        ("train dbm --data digits --hidden 2,2 --extend run --out more", "a model with layers [3, 2, 2]"),
        ("finetune run/model.gm --data rows.csv --out net", "takes values from 0 to 1"),
    ] {
        let refused = workshop.refuses(&words(line));
        assert!(refused.contains(text), "{line}: {refused}");
    }
}

#[test]
fn table_inverted_pixels_exchange_zeros_and_ones() {
    let workshop = Workshop::new();
    let train = "train rbm --data digits --invert --binarise threshold --hidden 4 --epochs 1 --out run";
    workshop.json(&words(train));
    assert!(workshop.text("run/config.toml").contains("invert = true"));
    workshop.write("half.csv", "0,1,1\n1,0,1\n0,0,0\n1,1,1\n0,1,0\n1,1,0\n");
    workshop.write("other.csv", "1,0,0\n0,1,0\n1,1,1\n0,0,0\n1,0,1\n0,0,1\n");
    let train = "train rbm --data half.csv --hidden 2 --epochs 20 --seed 3 --out bits";
    workshop.json(&words(train));
    let plain = workshop.json(&words("eval bits/model.gm --data half.csv --split all"));
    let inverted = workshop.json(&words("eval bits/model.gm --data other.csv --split all --invert"));
    assert_eq!(plain["mean_log_prob"], inverted["mean_log_prob"]);
}

#[test]
fn rejects_options_of_other_units() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    for (line, text) in [
        ("train rbm --data rows.csv --out run", "lies outside 0..1"),
        ("train rbm --data rows.csv --visible softmax --out run", "is no category"),
        (
            "train rbm --data rows.csv --visible gaussian --binarise threshold:3 --out run",
            "none unless visible units are bernoulli",
        ),
        ("train rbm --data digits --visible softmax:4 --out run", "whole numbers from 0 to 3"),
        (
            "train rbm --data digits --visible softmax --least-variance 0.5 --out run",
            "--least-variance 0.5 needs --visible gaussian",
        ),
        (
            "train rbm --data rows.csv --visible gaussian --early-stopping 3 --stop-on pseudo-likelihood --out run",
            "a figure that this model has",
        ),
        ("train rbm --data rows.csv --visible gaussian --invert --out run", "lies outside 0..1"),
    ] {
        let refused = workshop.refuses(&words(line));
        assert!(refused.contains(text), "{line}: {refused}");
        assert!(!workshop.path("run").exists(), "{line}");
    }
    let misused = workshop.misused(&words("train rbm --data digits --visible gausian --out run"));
    assert!(misused.contains("did you mean `gaussian`?"), "{misused}");
    let misused = workshop.misused(&words("train rbm --data digits --visible gaussian --labels --out run"));
    assert!(misused.contains("--labels"), "{misused}");
    workshop.json(&words("train rbm --data rows.csv --visible gaussian --hidden 2 --epochs 1 --out run"));
    let refused = workshop.refuses(&words("eval run/model.gm --data rows.csv --binarise threshold"));
    assert!(refused.contains("none for gaussian visible units"), "{refused}");
    let refused = workshop.refuses(&words("convert run/model.gm other.gm --to sbn"));
    assert!(refused.contains("gaussian visible units"), "{refused}");
    let refused = workshop.refuses(&words("finetune run/model.gm --data rows.csv --out net"));
    assert!(refused.contains("bernoulli") || refused.contains("0..1") || refused.contains("labels"), "{refused}");
}

#[test]
fn table_belief_networks_of_real_numbers_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    let train = "train dbn --data rows.csv --visible gaussian --hidden 3,4 --layer-epochs 200,60 --learning-rate 0.05,0.1 \
                 --batch-size 20 --init-scale 0.1 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert_eq!(document["layers"], json!([3, 3, 4]));
    assert!(workshop.text("run/config.toml").contains("visible = \"gaussian\""));
    for file in ["model.gm", "layers/1.gm", "samples/final.png", "filters.png", "curves.png", "report.html"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let eval = workshop.json(&words("eval run/model.gm --data rows.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("gaussian"), &json!("exact")));
    let truth = number(&eval, "/mean_log_prob/value");
    assert!(number(&eval, "/elbo") <= truth + 1e-6);
    let annealed = "eval run/model.gm --data rows.csv --ais-runs 100 --ais-temperatures 300 --samples 500";
    let annealed = workshop.json(&words(annealed));
    let low = number(&annealed, "/mean_log_prob/low");
    assert!(low < truth + 0.05 && annealed["mean_log_prob"]["high"].is_null(), "{low} {truth}");
    // The first layer is an RBM, and the figures of the whole network are close to it.
    workshop.json(&words("convert run/layers/1.gm machine.gm --to rbm"));
    let machine = number(&workshop.json(&words("eval machine.gm --data rows.csv")), "/mean_log_prob/value");
    assert!((machine - truth).abs() < 1.0, "{machine} {truth}");
    // A DBM may start with the same layers and units.
    workshop.json(&words("convert run/model.gm composed.gm --to dbm"));
    let composed = workshop.json(&words("eval composed.gm --data rows.csv"));
    assert_eq!((&composed["visible"], &composed["layers"]), (&json!("gaussian"), &json!([3, 3, 4])));
    let extend = "train dbm --data rows.csv --visible gaussian --hidden 3,4 --extend run --epochs 20 --learning-rate 0.01 --seed 1 --out joint";
    workshop.json(&words(extend));
    let joint = workshop.json(&words("eval joint/model.gm --data rows.csv"));
    let [start, end] = [&composed, &joint].map(|eval| number(eval, "/mean_log_prob/value"));
    assert!(end > start + 0.1, "joint training from {start} to {end}");
    // Samples and completions are in the units of measure of the data.
    workshop.json(&words("sample run/model.gm -n 500 --steps 200 --out samples.csv"));
    let samples = workshop.text("samples.csv");
    let column = |i: usize| {
        let values = samples.lines().skip(1).map(|line| line.split(',').nth(i).unwrap().parse().unwrap());
        let cells: Vec<f64> = values.collect();
        cells.iter().sum::<f64>() / cells.len() as f64
    };
    assert!((column(0) - 20.8).abs() < 0.8 && (column(1) - 1073.0).abs() < 80.0, "{} {}", column(0), column(1));
    workshop.json(&words("sample run/model.gm -n 20 --steps 20 --means --out samples.png"));
    for method in ["recognition", "gibbs", "exact"] {
        workshop.json(&words(&format!("infer run/model.gm --data rows.csv --method {method} --out {method}.npy")));
        assert_eq!(workshop.array(&format!("{method}.npy")).0, [100, 7]);
    }
    let apart = |a: &str, b: &str| {
        let (a, b) = (workshop.array(a).1, workshop.array(b).1);
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64
    };
    assert!(apart("gibbs.npy", "exact.npy") < 0.06, "{}", apart("gibbs.npy", "exact.npy"));
    completes_measurements(&workshop);
    let inspected = workshop.json(&words("inspect run/model.gm"));
    let names: Vec<&str> = inspected["tensors"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.ends_with(&["visible_variance", "visible_shift", "visible_scale"]), "{names:?}");
    workshop.json(&words("convert run/model.gm model.safetensors"));
    let again = workshop.json(&words("eval model.safetensors --data rows.csv"));
    assert_eq!(again["mean_log_prob"], eval["mean_log_prob"]);
    assert!(workshop.says(&words("report run --data rows.csv")).contains("report"));
    // Another layer is added with the units of the run, and then all layers are trained together.
    let extend = "train dbn --data rows.csv --hidden 3,4,4 --extend run --layer-epochs 5 --backfit up-down --backfit-epochs 3 \
                  --seed 1 --out deeper";
    assert_eq!(workshop.json(&words(extend))["layers"], json!([3, 3, 4, 4]));
    assert_eq!(workshop.json(&words("inspect deeper/model.gm"))["visible"], "gaussian");
}

#[test]
fn table_belief_networks_of_categories_go_through_every_command() {
    let workshop = Workshop::new();
    workshop.write("answers.csv", answers());
    let train = "train dbn --data answers.csv --visible softmax --hidden 6,6 --layer-epochs 150,40 --batch-size 20 \
                 --learning-rate 0.2,0.1 --seed 1 --out run";
    assert_eq!(workshop.json(&words(train))["layers"], json!([12, 6, 6]));
    assert!(workshop.text("run/config.toml").contains("visible = \"softmax:4\""));
    let eval = workshop.json(&words("eval run/model.gm --data answers.csv"));
    assert_eq!((&eval["visible"], &eval["mean_log_prob"]["side"]), (&json!("softmax:4"), &json!("exact")));
    assert!(number(&eval, "/mean_log_prob/value") > -3.0 * 4.0_f64.ln());
    workshop.json(&words("sample run/model.gm -n 50 --steps 50 --out samples.npy"));
    let (shape, categories) = workshop.array("samples.npy");
    assert_eq!(shape, [50, 3]);
    assert!(categories.iter().all(|c| c.fract() == 0.0 && (0.0..4.0).contains(c)));
    workshop.json(&words("infer run/model.gm --data samples.npy --split all --method gibbs --out h.npy"));
    assert_eq!(workshop.array("h.npy").0, [50, 12]);
    workshop.write("second.csv", "0,1,0\n");
    let complete =
        "complete run/model.gm --data answers.csv --split all --rows 0-19 --mask second.csv --steps 200 --out c.npy";
    let completed = workshop.json(&words(complete));
    assert!(number(&completed, "/accuracy") > 0.6 && number(&completed, "/missing_units") == 20.0);
    assert_eq!(workshop.array("c.npy").0, [20, 12]);
    assert_eq!(workshop.json(&words("inspect run/model.gm --filters filters.png"))["visible"], "softmax:4");
    assert!(workshop.text("run/report.html").contains("softmax:4"));
    let extend =
        "train dbn --data answers.csv --hidden 6,6,6 --extend run/layers/1.gm --layer-epochs 2 --seed 1 --out deeper";
    assert_eq!(workshop.json(&words(extend))["layers"], json!([12, 6, 6, 6]));
}

#[test]
fn table_labels_beside_a_network_of_grey_levels() {
    let workshop = Workshop::new();
    let train = "train dbn --data digits --visible gaussian --hidden 14,14 --labels --class-weight 5 --epochs 12 --batch-size 20 \
                 --seed 1 --out run";
    let document = workshop.json(&words(train));
    assert_eq!(document["layers"], json!([64, 14, 14]));
    assert!(number(&document, "/figures/error_rate") < 0.6);
    let classes = workshop.json(&words("eval run/model.gm --data digits --classify"));
    assert!(number(&classes, "/error_rate/value") < 0.6, "0.9 by chance");
    workshop.json(&words("sample run/model.gm -n 20 --label 3 --steps 50 --out threes.npy"));
    assert_eq!(workshop.array("threes.npy").0, [20, 64]);
    let categories = "train dbn --data digits --visible softmax:17 --hidden 6,6 --labels --epochs 1 --out groups";
    assert_eq!(workshop.json(&words(categories))["layers"], json!([1088, 6, 6]));
    assert!(number(&workshop.json(&words("eval groups/model.gm --data digits --classify")), "/errors") > 0.0);
}

#[test]
fn rejects_options_of_belief_networks_with_other_units() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", measurements());
    for (line, text) in [
        ("train dbn --data rows.csv --hidden 3,3 --out run", "lies outside 0..1"),
        (
            "train dbn --data digits --visible softmax --least-variance 0.5 --hidden 3,3 --out run",
            "--least-variance 0.5 needs --visible gaussian",
        ),
        ("train dbn --data digits --visible gaussian --labels --hidden 3 --out run", "2 hidden layers or more"),
        (
            "train dbn --data rows.csv --visible gaussian --binarise threshold:3 --hidden 3,3 --out run",
            "none unless visible units are bernoulli",
        ),
    ] {
        let refused = workshop.refuses(&words(line));
        assert!(refused.contains(text), "{line}: {refused}");
        assert!(!workshop.path("run").exists(), "{line}");
    }
    workshop.json(&words("train dbn --data rows.csv --visible gaussian --hidden 2,2 --epochs 1 --out run"));
    let extend = "train dbn --data digits --visible bernoulli --hidden 2,2,2 --extend run --out other";
    assert!(workshop.refuses(&words(extend)).contains("`start` is a model with"), "{extend}");
    let refused = workshop.refuses(&words("convert run/model.gm other.gm --to sbn"));
    assert!(refused.contains("gaussian visible units"), "{refused}");
    workshop.json(&words("train dbn --data digits --visible gaussian --hidden 2,2 --epochs 1 --out grey"));
    let refused = workshop.refuses(&words("finetune grey/model.gm --data digits --out net"));
    assert!(refused.contains("a dbn with gaussian visible units, allowed: a model with bernoulli"), "{refused}");
}
