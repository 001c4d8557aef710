//! Classifiers through the whole program, from a model's weights or from random ones, and the errors for them.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the tests themselves do")]

use crate::common::{Workshop, fixture, number};
use serde_json::json;

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

const TUNE: &str = "finetune model.gm --data digits --epochs 30 --out run";

#[test]
fn table_a_model_is_tuned_and_every_command_that_takes_classifiers_takes_it() {
    let workshop = Workshop::with_model();
    let document = workshop.json(&words(TUNE));
    assert_eq!((&document["model"], &document["layers"]), (&json!("classifier"), &json!([64, 6, 10])));
    assert!(number(&document, "/figures/error_rate") < 0.4, "{document:#}");
    for file in ["config.toml", "model.gm", "filters.png", "curves.png"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let report = workshop.json(&words("eval run/model.gm --data digits --per-example rows.csv"));
    assert_eq!((&report["schema"], &report["data"]["binarise"]), (&json!("gm-classes/1"), &json!("none")));
    let [rate, low, high] = ["value", "low", "high"].map(|end| number(&report, &format!("/error_rate/{end}")));
    assert!(low < rate && rate < high && rate < 0.4, "{report:#}");
    let counts: f64 =
        (0..10).flat_map(|k| (0..10).map(move |j| format!("/confusion/{k}/{j}"))).map(|at| number(&report, &at)).sum();
    assert_eq!((counts, number(&report, "/errors") / 299.0), (299.0, rate));
    let losses: Vec<f64> = workshop.text("rows.csv").lines().filter_map(|line| line.parse().ok()).collect();
    let mean = -losses.iter().sum::<f64>() / 299.0;
    assert!((mean - number(&report, "/cross_entropy/value")).abs() < 1e-4);
    let said = workshop.says(&words("eval run/model.gm --data digits --split all --binarise threshold"));
    assert!(said.contains("error rate") && said.contains("% (95 %)") && said.contains("label  0"), "{said}");
    workshop.json(&words("infer run/model.gm --data digits --out p.npy"));
    let (shape, probabilities) = workshop.array("p.npy");
    assert_eq!(shape, [299, 10]);
    assert!(probabilities.chunks(10).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-5));
    let inspected = workshop.json(&words("inspect run/model.gm --filters f.png"));
    assert_eq!(
        (&inspected["model"], &inspected["metadata"]["hidden_units"]),
        (&json!("classifier"), &json!("sigmoid"))
    );
    assert_eq!(inspected["parameters"], 64 * 6 + 6 + 6 * 10 + 10);
    workshop.json(&words("convert run/model.gm net.safetensors"));
    assert_eq!(workshop.json(&words("eval net.safetensors --data digits"))["errors"], report["errors"]);
}

#[test]
fn table_random_weights_dropout_and_a_head_alone() {
    let workshop = Workshop::with_model();
    let random = "finetune --random --hidden 30,20 --units relu --optimiser adam --dropout 0.1,0.2 --max-norm 3 \
                  --data digits --epochs 20 --early-stopping 5 --out random --seed 4";
    let document = workshop.json(&random.split_whitespace().collect::<Vec<_>>());
    assert_eq!(document["layers"], json!([64, 30, 20, 10]));
    assert!(number(&document, "/figures/error_rate") < 0.2, "{document:#}");
    let again = workshop.json(&words("finetune --config random/config.toml --out again"));
    assert_eq!(again["seed"], 4);
    assert!(workshop.read("again/model.gm") == workshop.read("random/model.gm"), "another model");
    workshop.json(&words("finetune model.gm --data digits --epochs 5 --freeze --out frozen"));
    workshop.json(&words("convert model.gm copy.json"));
    workshop.json(&words("finetune copy.json --config frozen/config.toml --out copy"));
    assert!(workshop.text("copy/config.toml").contains("copy.json"));
    assert!(workshop.read("copy/model.gm") == workshop.read("frozen/model.gm"), "another model");
    assert!(workshop.text("frozen/config.toml").contains("head_epochs = 5"));
    workshop.json(&words("convert model.gm rbm.npz"));
    workshop.json(&words("convert frozen/model.gm head.npz"));
    let tensor = |archive: &str, name: &str| -> Vec<u8> {
        workshop.json(&["convert", archive, "t.json", "--force"]);
        let tensors: serde_json::Value = serde_json::from_str(&workshop.text("t.json")).unwrap();
        serde_json::to_vec(&tensors["tensors"][name]).unwrap()
    };
    assert!(tensor("rbm.npz", "weights.0") == tensor("head.npz", "weights.0"), "the features have changed");
}

#[test]
fn table_a_deep_boltzmann_machine_joins_its_means() {
    let workshop = Workshop::new();
    workshop.json(&words("train dbm --data digits --hidden 20,10 --epochs 40 --out dbm"));
    let document = workshop.json(&words("finetune dbm/model.gm --data digits --epochs 60 --out run"));
    assert_eq!(document["layers"], json!([64 + 10, 20, 10, 10]));
    let report = workshop.json(&words("eval run/model.gm --data digits"));
    assert!(number(&report, "/error_rate/value") < 0.5, "{report:#}");
    workshop.json(&words("convert run/model.gm net.json"));
    assert_eq!(workshop.json(&words("eval net.json --data digits"))["errors"], report["errors"]);
}

#[test]
fn table_label_units_of_a_belief_network_classify_and_its_weights_are_a_start() {
    let workshop = Workshop::new();
    workshop.json(&words("train dbn --data digits --hidden 60 --labels --epochs 50 --out one"));
    let report = workshop.json(&words("eval one/model.gm --data digits --classify --per-example rows.csv"));
    assert_eq!((&report["model"], &report["layers"]), (&json!("dbn"), &json!([64, 60])));
    // The share of errors of random guesses is nine tenths.
    assert!(number(&report, "/error_rate/value") < 0.6, "{report:#}");
    assert_eq!(workshop.text("rows.csv").lines().count(), 299);
    workshop.json(&words("train dbn --data digits --hidden 30,20 --epochs 15 --out two"));
    let document = workshop.json(&words("finetune two/model.gm --data digits --epochs 60 --out run"));
    assert_eq!(document["layers"], json!([64, 30, 20, 10]));
    assert!(number(&document, "/figures/error_rate") < 0.3, "{document:#}");
}

#[test]
fn table_label_units_of_a_machine_are_left_out_of_the_net() {
    let workshop = Workshop::new();
    let labelled = "--hidden 5 --labels --epochs 2 --no-report --data bars-and-stripes:3";
    workshop.json(&words(&format!("train rbm {labelled} --out rbm")));
    workshop.json(&words(&format!("train dbn {labelled} --out dbn")));
    for (run, to) in [("rbm", "dbn"), ("dbn", "rbm")] {
        let tuned = format!("finetune {run}/model.gm --data bars-and-stripes:3 --epochs 1 --out {run}-net");
        assert_eq!(workshop.json(&words(&tuned))["layers"], json!([9, 5, 2]));
        workshop.json(&words(&format!("convert {run}/model.gm {to}.gm --to {to}")));
        assert_eq!(workshop.json(&["inspect", &format!("{to}.gm")])["layers"][1], 5);
        for none in ["dbm", "sbn"] {
            let refused = workshop.refuses(&words(&format!("convert {run}/model.gm no.gm --to {none}")));
            let expected = format!("`to` is {none} for a {run} with 2 label units, allowed: rbm or dbn");
            assert!(refused.contains(&expected), "{refused}");
        }
    }
    workshop.json(&words("finetune dbn.gm --config rbm-net/config.toml --out third"));
    let refused = workshop.refuses(&words("finetune rbm/model.gm --data bars-and-stripes:2 --out no"));
    assert!(refused.contains("has 9 visible units, the data bars-and-stripes:2 have 4"), "{refused}");
    assert!(!workshop.path("no").exists() && !workshop.path("no.gm").exists());
}

#[test]
fn rejects_models_of_other_units_before_their_data_are_read() {
    let workshop = Workshop::new();
    let rows: String = (0..24).map(|i| format!("{},{},{}\n", i % 3, 1.5 - f64::from(i), i % 2)).collect();
    workshop.write("rows.csv", format!("a,b,label\n{rows}"));
    let answers: String = (0..24).map(|i| format!("{},{},{}\n", i % 3, i / 2 % 3, i % 2)).collect();
    workshop.write("answers.csv", format!("a,b,label\n{answers}"));
    for (model, hidden, visible, data) in [
        ("rbm", "2", "gaussian", "rows.csv"),
        ("dbm", "2,2", "gaussian", "rows.csv"),
        ("dbn", "2", "softmax:3", "answers.csv"),
    ] {
        let run = format!("{model}-{visible}").replace(':', "-");
        let rest = format!("--visible {visible} --hidden {hidden} --epochs 1 --no-report");
        workshop.json(&words(&format!("train {model} --data {data} {rest} --out {run}")));
        let refused = workshop.refuses(&words(&format!("finetune {run}/model.gm --data {data} --out no")));
        let expected =
            format!("{run}/model.gm, a {model} with {visible} visible units, allowed: a model with bernoulli");
        assert!(refused.contains(&expected), "{refused}");
    }
    // A configuration that names such a model is refused as well.
    workshop.json(&words("finetune --random --hidden 2 --data digits --epochs 1 --out net"));
    let refused = workshop.refuses(&words("finetune rbm-gaussian/model.gm --config net/config.toml --out no"));
    assert!(refused.contains("a rbm with gaussian visible units"), "{refused}");
    assert!(!workshop.path("no").exists());
}

#[test]
fn table_large_labels_take_no_table_of_all_classes() {
    let workshop = Workshop::new();
    let rows: String =
        (0..30).map(|i| format!("{},{},{}\n", i % 2, i / 2 % 2, if i % 3 == 0 { 60_000 } else { 7 })).collect();
    workshop.write("rows.csv", format!("a,b,label\n{rows}"));
    let train = "finetune --random --hidden 2 --data rows.csv --epochs 1 --out net";
    let done = workshop.dgm(&words(train)).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains("labels go up to 60000, of which 2 occur"), "{said}");
    let report = workshop.json(&words("eval net/model.gm --data rows.csv --split all"));
    let classes = report["confusion_classes"].as_array().unwrap();
    assert!(classes.contains(&json!(7)) && classes.contains(&json!(60_000)), "{report:#}");
    assert_eq!(report["confusion"].as_array().map(Vec::len), Some(classes.len()));
    let said = workshop.says(&words("eval net/model.gm --data rows.csv"));
    assert!(said.contains("rows of each label by predicted class") && said.contains("60000"), "{said}");
    // A machine with label units counts likewise.
    workshop.write("fewer.csv", format!("a,b,label\n{rows}").replace("60000", "2000"));
    workshop.json(&words("train rbm --data fewer.csv --labels --hidden 2 --epochs 1 --no-report --out rbm"));
    let report = workshop.json(&words("eval rbm/model.gm --data fewer.csv --classify"));
    assert!(
        report["confusion_classes"].as_array().is_some_and(|classes| classes.contains(&json!(2_000))),
        "{report:#}"
    );
}

#[cfg(unix)]
#[test]
fn stable_an_interrupted_run_resumes_to_the_same_bits() {
    use std::process::{Command, Stdio};
    let workshop = Workshop::with_model();
    let line = "finetune model.gm --data digits --epochs 400 --dropout 0.2,0.5 --checkpoint-every 50 --seed 7";
    workshop.json(&words(&format!("{line} --out whole --threads 2")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dgm"));
    let arguments = format!("{line} --out run --threads 1");
    let started =
        command.current_dir(workshop.path("")).args(words(&arguments)).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = started.spawn().unwrap();
    while !workshop.path("run/checkpoints/step-000000000050.gmck").exists() && !workshop.path("run/model.gm").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("next") && said.contains("--resume run"), "{said}");
    let document = workshop.json(&words("finetune --resume run"));
    assert_eq!(document["outcome"], "finished");
    assert!(workshop.read("run/model.gm") == workshop.read("whole/model.gm"), "other bits");
}

#[test]
fn rejects_options_that_do_not_go_together() {
    let workshop = Workshop::with_model();
    workshop.json(&words("finetune model.gm --data digits --epochs 1 --out run"));
    workshop.write("bare.csv", format!("{}\n", vec!["0,1"; 32].join(",")).repeat(12));
    workshop.write("rbm.toml", "[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\n");
    let (sbn, _) = fixture("sbn_1.json");
    let bare = format!("finetune {sbn} --data bare.csv --out no");
    for (line, expected) in [
        (
            "sample run/model.gm",
            "run/model.gm: the file holds a classifier, expected a generative model (rbm, sbn, dbm, dbn or harmonium); use a classifier",
        ),
        ("complete run/model.gm --data digits --mask left --out c.npy", "the file holds a classifier"),
        ("report run", "the file holds a classifier"),
        ("finetune run/model.gm --data digits --out no", "the file holds a classifier, expected a model to start from"),
        ("convert run/model.gm rbm.gm --to rbm", "convert_model: `to` is rbm for a classifier"),
        ("eval run/model.gm", "--data: none, allowed: labelled rows to classify"),
        ("eval run/model.gm --data digits --ais-runs 5", "--ais-runs: 5, allowed: none for a classifier"),
        ("eval run/model.gm --data digits --exact", "--exact: given, allowed: none for a classifier"),
        ("eval run/model.gm --data bars-and-stripes:3", "has 64 visible units, the data bars-and-stripes:3 have 9"),
        ("eval run/model.gm --data bare.csv", "bare.csv: the test split has no labels; give labels as"),
        (
            "infer run/model.gm --data digits --method gibbs --out h.npy",
            "--method: gibbs, allowed: none for a classifier",
        ),
        ("finetune model.gm --data bare.csv --out no", "bare.csv: the train split has no labels; give labels as"),
        (bare.as_str(), "visible units, the data bare.csv have 64"),
        (
            "finetune model.gm --data digits --hidden 5 --out no",
            "--hidden 5 needs --random; a model has layers of its own",
        ),
        ("finetune --random --data digits --out no", "`hidden` is empty, allowed: one layer or more"),
        (
            "finetune --random --hidden 5,0 --data digits --out no",
            "`hidden` is 0, allowed: 1 or more; set it with --hidden",
        ),
        ("finetune model.gm --data digits --out run", "run: already holds a run"),
        (
            "eval model.gm --data digits --classify",
            "--classify: an rbm without label units, allowed: an rbm or dbn trained with --labels, or a classifier",
        ),
        (
            "finetune model.gm --config rbm.toml",
            "--config: one that trains an rbm, allowed: one that trains a classifier",
        ),
        ("finetune model.gm --data digits --no-report --out no", "--no-report: given, allowed: none for a classifier"),
        ("finetune --resume run", "run: the run is finished after 1 epochs"),
        (
            "finetune model.gm --data digits --early-stopping 3 --stop-on log-likelihood --out no",
            "`stop_on` is log-likelihood",
        ),
    ] {
        let said = workshop.refuses(&words(line));
        assert!(said.contains(expected), "{line} said {said}");
    }
    assert!(!workshop.path("no").exists());
}

#[test]
fn rejects_options_that_exclude_each_other() {
    let workshop = Workshop::new();
    for (line, expected) in [
        ("finetune --data digits", "required"),
        ("finetune model.gm", "--data <SPEC>"),
        ("finetune model.gm --random --data digits", "cannot be used with"),
        ("finetune --resume run --epochs 5", "cannot be used with"),
        ("finetune --config run/config.toml --units relu", "cannot be used with"),
        ("finetune model.gm --data digits --freeze --head-epochs 3", "cannot be used with"),
        ("finetune model.gm --data digits --units tanh", "known: sigmoid, relu"),
        ("finetune model.gm --data digits --dropout 0.5", "two shares of 0 or more and below 0.99"),
    ] {
        let said = workshop.misused(&words(line));
        assert!(said.contains(expected), "{line} said {said}");
    }
}
