//! The results of each command: its files, its text and its JSON document.

use crate::common::{Workshop, fixture, number};
use predicates::prelude::*;
use serde_json::json;

#[test]
fn table_train_writes_a_run_and_names_the_next_command() {
    let workshop = Workshop::new();
    let train = ["train", "rbm", "--data", "bars-and-stripes:3", "--hidden", "5", "--epochs", "40", "--out", "run"];
    let document = workshop.json(&train);
    assert_eq!(document["schema"], "gm-train/1");
    assert_eq!(document["layers"], json!([9, 5]));
    assert_eq!((&document["outcome"], &document["epochs"]), (&json!("finished"), &json!(40)));
    assert_eq!(document["data"]["source"], "bars-and-stripes:3");
    assert!(number(&document, "/figures/log_likelihood") < 0.0);
    for file in ["config.toml", "metrics.jsonl", "model.gm", "samples/final.png", "filters.png", "curves.png"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let said = workshop.says(&["train", "--config", "run/config.toml", "--out", "it's again", "--quiet"]);
    assert!(said.contains("finished after 40 epochs"), "{said}");
    assert!(said.contains(r"dgm eval 'it'\''s again/model.gm' --data bars-and-stripes:3"), "{said}");
    assert_eq!(workshop.read("run/model.gm"), workshop.read("it's again/model.gm"));
}

#[test]
fn table_the_next_command_names_the_data_as_the_training_did() {
    let workshop = Workshop::new();
    let rows: String = (0..60).map(|i| format!("{},{},0.5\n", i % 2, i / 30)).collect();
    workshop.write("rows.csv", rows);
    std::fs::create_dir(workshop.path("my data")).unwrap();
    let said = workshop.says(&[
        "train",
        "rbm",
        "--data",
        "rows.csv",
        "--data-dir",
        "my data",
        "--binarise",
        "threshold:0.4",
        "--hidden",
        "2",
        "--epochs",
        "2",
        "--out",
        "run",
    ]);
    // Paths are absolute, as in config.toml.
    for part in ["dgm eval run/model.gm --data /", "rows.csv --data-dir '/", "my data' --binarise threshold:0.4\n"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let document = workshop.json(&[
        "eval",
        "run/model.gm",
        "--data",
        "rows.csv",
        "--data-dir",
        "my data",
        "--binarise",
        "threshold:0.4",
    ]);
    assert_eq!(document["data"]["binarise"], "threshold:0.4");
}

#[test]
fn table_options_of_training_reach_the_configuration() {
    let workshop = Workshop::new();
    let options = "--hidden 3 --epochs 4 --batch-size 7 --learning-rate 0.2 --rate-schedule exponential:0.9 --warm-up 1 \
        --algorithm cd --k 2 --no-centring --optimiser adam --l1 0.001 --l2 0.002 --max-norm 3 --init-scale 0.02 \
        --early-stopping 3 --stop-on pseudo-likelihood --look-every 2 --checkpoint-every 5 --seed 9 --out run";
    let train = ["train", "rbm", "--data", "bars-and-stripes:3"];
    workshop.json(&train.into_iter().chain(options.split_whitespace()).collect::<Vec<_>>());
    let config = workshop.text("run/config.toml");
    let lines = "seed = 9/checkpoint_every = 5/hidden = 3/algorithm = \"cd\"/steps = 2/centred = false/epochs = 4/\
        batch_size = 7/learning_rate = 0.2/schedule = \"exponential:0.9\"/warm_up = 1.0/max_norm = 3.0/init_scale = 0.02/\
        stop_on = \"pseudo-likelihood\"/every = 2/patience = 6";
    for line in lines.split('/') {
        assert!(config.lines().any(|found| found == line), "{line} is not in\n{config}");
    }
    assert!(config.contains("optimiser = \"adam") && config.contains("l1 = 0.001"), "{config}");
}

#[test]
fn oracle_eval_agrees_with_the_fixtures() {
    let workshop = Workshop::new();
    for name in ["rbm_small.json", "rbm_strong.json"] {
        let (path, expected) = fixture(name);
        let document = workshop.json(&["eval", &path, "--exact"]);
        let (found, truth) = (number(&document, "/log_partition/value"), number(&expected, "/expected/log_partition"));
        assert!((found - truth).abs() <= 1e-5 * truth.abs(), "{name}: {found}, expected {truth}");
        assert_eq!(document["log_partition"]["method"], "exact");
        for absent in ["data", "mean_log_prob", "log_pseudo_likelihood", "free_energy_gap"] {
            assert!(document.get(absent).is_none(), "{absent} without data");
        }
        let log_probs = expected["expected"]["log_prob_all_visible"].as_array().unwrap();
        let units = log_probs.len().trailing_zeros();
        let cell = |state: usize, unit: u32| (state >> unit & 1).to_string();
        let line = |state| (0..units).map(|unit| cell(state, unit)).collect::<Vec<_>>().join(",") + "\n";
        workshop.write("all.csv", (0..log_probs.len()).map(line).collect::<String>());
        let document = workshop.json(&["eval", &path, "--data", "all.csv", "--split", "all"]);
        let truth = log_probs.iter().filter_map(|x| x.as_f64()).sum::<f64>() / log_probs.len() as f64;
        let found = number(&document, "/mean_log_prob/value");
        assert!((found - truth).abs() <= 1e-5 * truth.abs(), "{name}: {found}, expected {truth}");
        assert_eq!(document["mean_log_prob"]["side"], "exact");
    }
}

#[test]
fn table_eval_names_its_method() {
    let workshop = Workshop::with_model();
    let exact = workshop.json(&["eval", "model.gm", "--data", "digits"]);
    assert_eq!((&exact["schema"], &exact["model"]), (&json!("gm-eval/1"), &json!("rbm")));
    assert_eq!(exact["layers"], json!([64, 6]));
    assert_eq!(exact["data"], json!({"source": "digits", "split": "test", "rows": 299, "binarise": "fixed:0"}));
    assert!(exact["log_partition"].get("runs").is_none());
    let annealed = workshop.json(&[
        "eval",
        "model.gm",
        "--data",
        "digits",
        "--ais-runs",
        "40",
        "--ais-temperatures",
        "400",
        "--seed",
        "3",
    ]);
    let z = &annealed["log_partition"];
    assert_eq!((&z["method"], &z["runs"], &z["temperatures"]), (&json!("ais"), &json!(40), &json!(400)));
    let truth = number(&exact, "/log_partition/value");
    // Six standard errors: a false alarm in 5e8 seeds, and the seed is fixed.
    assert!((number(z, "/value") - truth).abs() < 6.0 * number(z, "/std_error"), "{z}, exact {truth}");
    assert!(number(z, "/low") < number(z, "/value") && number(z, "/value") < number(z, "/high"));
    assert_ne!(annealed["mean_log_prob"]["side"], "exact");
    assert_eq!(annealed["seed"], 3);
    let said = workshop.says(&["eval", "model.gm", "--data", "digits", "--per-example", "p.npy"]);
    assert!(said.contains("nats, exact") && said.contains("bits per dimension"), "{said}");
    let (shape, log_probs) = workshop.array("p.npy");
    let mean = log_probs.iter().sum::<f64>() / log_probs.len() as f64;
    assert_eq!(shape, [299]);
    assert!((mean - number(&exact, "/mean_log_prob/value")).abs() < 1e-9);
}

/// The lower end of mean log p that the upper end of this estimate of log Z gives.
fn low_of(report: &serde_json::Value, log_z: &str) -> f64 {
    number(report, "/mean_log_prob/value") + number(report, "/log_partition/value") - number(&report[log_z], "/high")
}

#[test]
fn table_eval_bounds_from_both_sides_by_default() {
    let workshop = Workshop::with_model();
    let annealed = ["eval", "model.gm", "--data", "digits", "--ais-runs", "40", "--ais-temperatures", "400"];
    let both = workshop.json(&[&annealed[..], &["--raise-walks", "20"]].concat());
    let lower = &both["lower_bound"];
    assert_eq!((&lower["method"], &lower["walks"]), (&json!("raise"), &json!(20)));
    let ends = [number(lower, "/low"), low_of(&both, "log_partition"), low_of(&both, "reverse_log_partition")];
    let lowest = ends.into_iter().fold(f64::INFINITY, f64::min);
    assert!((number(&both, "/mean_log_prob/low") - lowest).abs() < 1e-9, "{both:#}");
    let exact = number(&workshop.json(&["eval", "model.gm", "--data", "digits", "--exact"]), "/mean_log_prob/value");
    let [low, high] = ["/mean_log_prob/low", "/mean_log_prob/high"].map(|at| number(&both, at));
    // The ends are three standard errors out, with the slack six: a false alarm in 5e8 seeds, and the seed is fixed.
    let slack = 3.0 * (number(lower, "/std_error") + number(&both, "/log_partition/std_error"));
    assert!(low - slack < exact && exact < high + slack, "{exact} is not between {low} and {high}");
    let one = workshop.json(&[&annealed[..], &["--raise-walks", "0"]].concat());
    assert!(one.get("lower_bound").is_none(), "{one:#}");
    assert_eq!(one["log_partition"], both["log_partition"], "reverse AIS changed the annealing");
}

#[test]
fn table_sample_writes_pictures_arrays_and_text() {
    let workshop = Workshop::with_model();
    let document = workshop.json(&["sample", "model.gm", "-n", "12", "--steps", "40", "--out", "s.npy"]);
    assert_eq!((&document["schema"], &document["samples"]), (&json!("gm-sample/1"), &json!(12)));
    assert!(number(&document, "/diagnostics/split_r_hat") > 0.0 && document.get("values").is_none());
    let (shape, states) = workshop.array("s.npy");
    assert_eq!(shape, [12, 64]);
    assert!(states.iter().all(|&x| x == 0.0 || x == 1.0) && states.contains(&1.0));
    workshop.json(&["sample", "model.gm", "-n", "7", "--chains", "3", "--thin", "5", "--means", "--out", "s.csv"]);
    let text = workshop.text("s.csv");
    assert_eq!((text.lines().count(), text.lines().next().unwrap().split(',').count()), (7, 64));
    workshop.json(&["sample", "model.gm", "--steps", "10", "--out", "s.png"]);
    let (height, width) = workshop.picture("s.png");
    assert!(height > 64 && width >= height);
    let values = workshop.json(&["sample", "model.gm", "-n", "2", "--steps", "3"])["values"].clone();
    assert_eq!(values.as_array().map(|rows| rows.iter().map(|row| row.as_array().unwrap().len()).sum()), Some(128));
    assert!(workshop.says(&["sample", "model.gm", "-n", "3"]).contains('\u{2588}'));
}

#[test]
fn table_sample_keeps_clamped_units() {
    let workshop = Workshop::with_model();
    workshop.write("given.csv", ["1"; 64].join(",") + "\n");
    let document = workshop.json(&[
        "sample",
        "model.gm",
        "-n",
        "5",
        "--steps",
        "50",
        "--clamp",
        "given.csv",
        "--mask",
        "bottom",
        "--out",
        "s.npy",
    ]);
    assert_eq!(document["diagnostics"]["compared"], false, "clamped chains have distributions of their own");
    let (_, states) = workshop.array("s.npy");
    assert!(states.chunks(64).all(|sample| sample[..32].iter().all(|&x| x == 1.0)));
    assert!(states.chunks(64).any(|sample| sample[32..].contains(&0.0)));
}

#[test]
fn table_infer_gives_a_row_of_means_for_each_row() {
    let workshop = Workshop::with_model();
    let document = workshop.json(&["infer", "model.gm", "--data", "digits", "--split", "valid", "--out", "h.npy"]);
    assert_eq!((&document["schema"], &document["data"]["rows"]), (&json!("gm-infer/1"), &json!(299)));
    let (shape, means) = workshop.array("h.npy");
    assert_eq!(shape, [299, 6]);
    assert!(means.iter().all(|x| (0.0..=1.0).contains(x)));
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!((mean - number(&document, "/mean_activation")).abs() < 1e-9);
}

#[test]
fn table_complete_keeps_given_units() {
    let workshop = Workshop::with_model();
    let ask = ["complete", "model.gm", "--data", "digits", "--rows", "0-2,7", "--steps", "60"];
    let document = workshop.json(&[&ask[..], &["--mask", "left", "--out", "c.npy"]].concat());
    assert_eq!((&document["schema"], &document["missing_units"]), (&json!("gm-complete/1"), &json!(128)));
    assert!(number(&document, "/accuracy") > 0.5, "{document:#}");
    let (shape, means) = workshop.array("c.npy");
    assert_eq!(shape, [4, 64]);
    let known = |unit: usize| unit % 8 >= 4;
    let values = || means.iter().enumerate().map(|(i, &mean)| (i % 64, mean));
    assert!(values().filter(|(unit, _)| known(*unit)).all(|(_, mean)| mean == 0.0 || mean == 1.0));
    assert!(values().filter(|(unit, _)| !known(*unit)).any(|(_, mean)| mean > 0.0 && mean < 1.0));
    workshop.json(&[&ask[..], &["--mask", "random:0.2", "--out", "c.png"]].concat());
    assert_eq!(workshop.picture("c.png"), (3 * 51 + 3, 4 * 51 + 3));
}

#[test]
fn table_inspect_describes_parameters() {
    let workshop = Workshop::with_model();
    let document = workshop.json(&["inspect", "model.gm", "--filters", "f.png"]);
    assert_eq!((&document["schema"], &document["parameters"]), (&json!("gm-inspect/1"), &json!(64 * 6 + 64 + 6)));
    assert_eq!(document["tensors"][0]["shape"], json!([64, 6]));
    assert_eq!(document["spectra"][0]["singular_values"].as_array().map(Vec::len), Some(6));
    assert!(workshop.picture("f.png").1 > 64);
    let said = workshop.says(&["inspect", "model.gm"]);
    assert!(said.contains("weights.0") && said.contains("effective rank"), "{said}");
}

#[test]
fn law_conversions_through_all_formats_lose_nothing() {
    let workshop = Workshop::with_model();
    for (from, to) in [
        ("model.gm", "a.safetensors"),
        ("a.safetensors", "b.npz"),
        ("b.npz", "c.json"),
        ("c.json", "d.gm"),
        ("d.gm", "e.json"),
        ("e.json", "f.npz"),
        ("f.npz", "g.safetensors"),
    ] {
        let document = workshop.json(&["convert", from, to]);
        assert_eq!((&document["schema"], &document["layers"]), (&json!("gm-convert/1"), &json!([64, 6])));
        assert_eq!(number(&document, "/bytes") as usize, workshop.read(to).len());
    }
    assert!(workshop.read("model.gm") == workshop.read("d.gm"), "the model file changed on its way");
    assert!(workshop.read("a.safetensors") == workshop.read("g.safetensors"), "the tensors changed on their way");
    assert_eq!(workshop.text("c.json"), workshop.text("e.json"));
}

#[test]
fn table_data_sets_are_listed_and_described() {
    let workshop = Workshop::new();
    let list = workshop.json(&["data", "list"]);
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"digits") && names.contains(&"mnist"), "{names:?}");
    assert!(list["data"].as_array().unwrap().iter().any(|set| set["name"] == "mnist" && set["available"] == false));
    let info = workshop.json(&["data", "info", "digits"]);
    assert_eq!((&info["train"]["rows"], &info["test"]["units"]), (&json!(1199), &json!(64)));
    assert!(workshop.says(&["data", "info", "bars-and-stripes:3"]).contains("3 x 3"));
}

#[test]
fn table_models_that_grow_count_the_parameters_of_all_layers() {
    let workshop = Workshop::new();
    for (kind, parameters) in [("dbn", 64 * 5 + 5 * 4 + 64 + 5 + 4), ("dbm", 64 * 5 + 5 * 4 + 64 + 5 + 4)] {
        let train =
            ["train", kind, "--data", "digits", "--hidden", "5,4", "--epochs", "1", "--no-report", "--out", kind];
        let begun = predicate::str::contains(format!("{kind} 64-5-4: {parameters} parameters, 1199 rows"));
        workshop.dgm(&train).assert().success().stderr(begun);
    }
}

#[test]
fn table_results_and_progress_go_to_different_streams() {
    let workshop = Workshop::with_model();
    let train = ["train", "rbm", "--data", "digits", "--hidden", "2", "--epochs", "2", "--json"];
    let document = predicate::function(|text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok());
    let begun = predicate::str::contains("rbm 64-2: 194 parameters, 1199 rows, 2 epochs, 24 updates");
    workshop.dgm(&train).args(["--out", "a"]).assert().success().stdout(document).stderr(begun);
    workshop.dgm(&train).args(["--out", "b", "--quiet"]).assert().success().stderr("");
    let detailed = predicate::str::contains("debug: epoch 2");
    workshop.dgm(&train).args(["--out", "c", "--verbose"]).assert().success().stderr(detailed);
}

#[test]
fn table_every_command_explains_itself() {
    let workshop = Workshop::new();
    let commands: [&[&str]; 11] = [
        &["demo"],
        &["train"],
        &["train", "rbm"],
        &["eval"],
        &["sample"],
        &["infer"],
        &["complete"],
        &["inspect"],
        &["convert"],
        &["data", "list"],
        &["data", "info"],
    ];
    for command in commands {
        let help = workshop.says(&[command, &["--help"]].concat());
        assert!(help.contains("Examples:\n  dgm") && help.contains("Options of every command:"), "{help}");
    }
    assert!(workshop.says(&["--version"]).starts_with("dgm "));
}

#[test]
fn table_a_deep_boltzmann_machine_goes_through_every_command() {
    let workshop = Workshop::new();
    let options = "--hidden 6,4 --pretrain grow --pretrain-epochs 5 --epochs 10 --batch-size 8 --learning-rate 0.1 \
        --chains 20 --k 2 --mean-field-iterations 20 --mean-field-tolerance 0.001 --sparsity 0.2 --out run";
    let train = ["train", "dbm", "--data", "bars-and-stripes:3"];
    let document = workshop.json(&train.into_iter().chain(options.split_whitespace()).collect::<Vec<_>>());
    assert_eq!((&document["model"], &document["layers"]), (&json!("dbm"), &json!([9, 6, 4])));
    assert_eq!((&document["outcome"], &document["epochs"]), (&json!("finished"), &json!(15)));
    let config = workshop.text("run/config.toml");
    for line in ["kind = \"dbm\"", "hidden = [6, 4]", "pretrain = \"grow\"", "pretrain_epochs = 5", "steps = 2"] {
        let found = config.lines().any(|found| found == line)
            || config.replace([' ', '\n'], "").contains(&line.replace(' ', ""));
        assert!(found, "{line} is not in\n{config}");
    }
    let exact = workshop.json(&["eval", "run/model.gm", "--data", "bars-and-stripes:3"]);
    assert_eq!(exact["mean_log_prob"]["side"], "exact");
    assert!(number(&exact, "/elbo") <= number(&exact, "/mean_log_prob/value"));
    let eval = ["eval", "run/model.gm", "--data", "bars-and-stripes:3", "--ais-runs", "20", "--ais-temperatures", "50"];
    let annealed = workshop.json(&[&eval[..], &["--samples", "50"]].concat());
    assert_eq!(
        (&annealed["log_partition"]["method"], &annealed["importance_weighted"]["samples"]),
        (&json!("ais"), &json!(50))
    );
    assert!(number(&annealed, "/lower_bound/value") < 0.0);
    assert!(number(&workshop.json(&["eval", "run/model.gm"]), "/log_partition/value").is_finite());
    let drawn = workshop.json(&["sample", "run/model.gm", "-n", "3", "--steps", "20"]);
    assert_eq!((drawn["values"].as_array().map(Vec::len), &drawn["method"]), (Some(3), &json!("block Gibbs sampling")));
    for method in ["mean-field", "gibbs", "exact"] {
        let infer = ["infer", "run/model.gm", "--data", "bars-and-stripes:3", "--method", method, "--out"];
        let found = workshop.json(&[&infer[..], &[&format!("{method}.npy")]].concat());
        assert!(number(&found, "/mean_activation") > 0.0, "{method}");
    }
    let refused = workshop.refuses(&[
        "infer",
        "run/model.gm",
        "--data",
        "bars-and-stripes:3",
        "--method",
        "importance",
        "--out",
        "x.npy",
    ]);
    assert!(refused.contains("mean-field, gibbs or exact for a dbm"), "{refused}");
    workshop.json(&[
        "complete",
        "run/model.gm",
        "--data",
        "bars-and-stripes:3",
        "--mask",
        "bottom",
        "--steps",
        "20",
        "--out",
        "c.npy",
    ]);
    workshop.json(&["inspect", "run/model.gm"]);
    let refused = workshop.refuses(&["convert", "run/model.gm", "rbm.gm", "--to", "rbm"]);
    assert!(refused.contains("rbm for a dbm of 2 hidden layers"), "{refused}");
}

#[test]
fn table_models_of_one_hidden_layer_become_each_other() {
    let workshop = Workshop::with_model();
    let document = workshop.json(&["convert", "model.gm", "dbm.json", "--to", "dbm"]);
    assert_eq!((&document["model"], &document["layers"]), (&json!("dbm"), &json!([64, 6])));
    let likelihood = |model: &str| number(&workshop.json(&["eval", model, "--data", "digits"]), "/mean_log_prob/value");
    assert!((likelihood("model.gm") - likelihood("dbm.json")).abs() < 1e-5);
}
