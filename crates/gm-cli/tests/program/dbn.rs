//! Deep belief networks through the whole program, from training to pictures of a class, and the errors for them.

use crate::common::{Workshop, fixture, number};
use serde_json::json;

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// A model of nine visible and twelve hidden units, which is small enough for all exact figures.
fn trained(workshop: &Workshop) -> serde_json::Value {
    let train = "train dbn --data bars-and-stripes:3 --hidden 5,7 --layer-epochs 400,200 --batch-size 8 --chains 50 \
                 --learning-rate 0.2,0.1 --seed 1 --out run";
    workshop.json(&train.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn table_train_writes_a_run_and_every_command_takes_its_model() {
    let workshop = Workshop::new();
    let document = trained(&workshop);
    assert_eq!((&document["model"], &document["layers"]), (&json!("dbn"), &json!([9, 5, 7])));
    for figure in ["/figures/elbo", "/figures/importance_weighted", "/figures/log_likelihood"] {
        assert!(number(&document, figure) < 0.0);
    }
    for file in ["config.toml", "model.gm", "layers/1.gm", "layers/2.gm", "samples/final.png", "curves.png"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let sampled = workshop.json(&words("sample run/model.gm -n 30 --steps 50 --out samples.npy"));
    assert_eq!((&sampled["method"], number(&sampled, "/diagnostics/chains")), (&json!("block Gibbs sampling"), 30.0));
    assert_eq!(workshop.array("samples.npy").0, [30, 9]);
    let inferred = workshop.json(&words("infer run/model.gm --data bars-and-stripes:3 --out up.npy"));
    assert_eq!(inferred["method"], "recognition");
    workshop.json(&words("infer run/model.gm --data bars-and-stripes:3 --method exact --out exact.npy"));
    let (shape, exact) = workshop.array("exact.npy");
    assert_eq!(shape[1], 12);
    workshop.json(&words("infer run/model.gm --data bars-and-stripes:3 --method gibbs --steps 1000 --out gibbs.npy"));
    let worst = workshop.array("gibbs.npy").1.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 0.2, "{worst}");
    let complete = "complete run/model.gm --data bars-and-stripes:3 --split all --rows 0-7 --mask bottom --out c.npy";
    assert!(number(&workshop.json(&words(complete)), "/accuracy") > 0.5);
    workshop.write("given.csv", "1,1,1,1,1,1,1,1,1\n");
    let clamped =
        workshop.json(&words("sample run/model.gm -n 4 --clamp given.csv --mask bottom --steps 10 --out k.npy"));
    assert_eq!(clamped["method"], "Gibbs sampling of all layers");
    assert!(workshop.array("k.npy").1.chunks(9).all(|row| row[..3] == [1.0; 3]));
    assert_eq!(workshop.json(&words("convert run/model.gm model.safetensors"))["model"], "dbn");
    assert_eq!(workshop.json(&words("inspect model.safetensors"))["model"], "dbn");
    assert_eq!(workshop.json(&words("convert run/model.gm net.gm --to sbn"))["model"], "sbn");
}

#[test]
fn table_eval_reports_exact_likelihood_and_both_sides() {
    let workshop = Workshop::new();
    trained(&workshop);
    let exact = workshop.json(&words("eval run/model.gm --data bars-and-stripes:3 --samples 200"));
    assert_eq!((&exact["schema"], &exact["mean_log_prob"]["side"]), (&json!("gm-eval/1"), &json!("exact")));
    let truth = number(&exact, "/mean_log_prob/value");
    assert!(number(&exact, "/elbo") <= truth + 1e-6);
    let annealed = "eval run/model.gm --data bars-and-stripes:3 --samples 2000 --ais-runs 200 --ais-temperatures 300";
    let found = workshop.json(&words(annealed));
    assert_eq!((&found["mean_log_prob"]["side"], &found["log_partition"]["method"]), (&json!("lower"), &json!("ais")));
    let low = number(&found, "/mean_log_prob/low");
    assert!(low < truth && truth - low < 0.5 && found["mean_log_prob"]["high"].is_null(), "{low} {truth} {found:#}");
    assert!(number(&found, "/gap/mean") < 0.2, "{found:#}");
    let text = workshop.says(&words(annealed));
    for part in ["runs of reverse AIS from the data", "or more (lower; the upper end is open)", "gap of the bound"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn oracle_eval_agrees_with_the_fixtures() {
    let workshop = Workshop::new();
    for name in ["dbn_2.json", "dbn_3.json"] {
        let (path, expected) = fixture(name);
        let rows = expected["expected"]["data"].as_array().unwrap();
        let text: Vec<String> = rows
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            .collect();
        workshop.write("rows.csv", text.join("\n"));
        let found = workshop.json(&["eval", &path, "--data", "rows.csv", "--split", "all", "--exact"]);
        let [value, log_z] = ["/mean_log_prob/value", "/log_partition/value"].map(|at| number(&found, at));
        assert!((value - number(&expected, "/expected/mean_log_prob")).abs() < 1e-5, "{name}: {value}");
        assert!((log_z - number(&expected, "/expected/log_partition_top_rbm")).abs() < 1e-5, "{name}: {log_z}");
    }
}

#[test]
fn table_label_units_give_pictures_of_a_class() {
    let workshop = Workshop::new();
    let train = "train dbn --data digits --hidden 20,30 --labels --epochs 3 --chains 20 --backfit up-down --backfit-epochs 1 \
                 --out run";
    let document = workshop.json(&train.split_whitespace().collect::<Vec<_>>());
    assert_eq!(document["layers"], json!([64, 20, 30]));
    assert!(number(&document, "/figures/error_rate") <= 1.0);
    let drawn = workshop
        .json(&words("sample run/model.gm -n 20 --label 0,1,2,3,4,5,6,7,8,9 --steps 20 --means --out classes.png"));
    assert_eq!(drawn["diagnostics"]["compared"], false, "chains of different classes differ");
    assert!(workshop.picture("classes.png").0 > 0);
    let eval = workshop.json(&words("eval run/model.gm --data digits --samples 5 --ais-runs 10 --ais-temperatures 50"));
    assert!(number(&eval, "/mean_log_prob/value") < 0.0);
    let refused = workshop.refuses(&words("sample run/model.gm --label 10"));
    assert!(refused.contains("--label") && refused.contains("classes from 0 to 9"), "{refused}");
}

#[test]
fn law_extending_a_run_keeps_its_layers() {
    let workshop = Workshop::new();
    let first = "train dbn --data bars-and-stripes:3 --hidden 5 --epochs 5 --batch-size 8 --chains 20 --out first";
    workshop.json(&words(first));
    let more = "train dbn --data bars-and-stripes:3 --hidden 5,9,5 --extend first --epochs 3 --batch-size 8 --chains 20 --out more";
    assert_eq!(workshop.json(&words(more))["layers"], json!([9, 5, 9, 5]));
    let weights = |model: &str| {
        workshop.json(&["convert", model, "model.json", "--force"]);
        let document: serde_json::Value = serde_json::from_str(&workshop.text("model.json")).unwrap();
        document["tensors"]["weights.0"].clone()
    };
    assert_eq!(weights("first/model.gm"), weights("more/model.gm"));
    let again = workshop.refuses(&words(&more.replace("5,9,5", "6,9").replace("out more", "out other")));
    assert!(again.contains("layers [9, 5] for [9, 6, 9]"), "{again}");
}

#[test]
fn law_layers_learn_with_the_options_of_an_rbm() {
    let workshop = Workshop::new();
    let line = "train dbn --data bars-and-stripes:3 --hidden 6,8 --epochs 3 --batch-size 8 --chains 10 --no-report";
    workshop.json(&words(&format!("{line} --out plain")));
    for (options, key) in [
        ("--sparsity 0.1", "sparsity = 0.1"),
        ("--sparsity 0.1 --sparsity-cost 0.5", "sparsity_cost = 0.5"),
        ("--k 1,3@1", "later_steps = [[1, 3]]"),
        ("--momentum 0.5,0.75@2", "later_momentum = [[2, 0.75]]"),
        ("--momentum 0.5 --nesterov", "optimiser = \"nesterov:0.5\""),
    ] {
        workshop.json(&words(&format!("{line} {options} --out changed")));
        let config = workshop.text("changed/config.toml");
        assert!(config.contains(key), "{key} is not in\n{config}");
        assert!(workshop.read("plain/model.gm") != workshop.read("changed/model.gm"), "{options} changed nothing");
        workshop.json(&words("train --config changed/config.toml --out again --no-report"));
        assert!(workshop.read("changed/model.gm") == workshop.read("again/model.gm"), "{options}");
        ["changed", "again"].iter().for_each(|run| std::fs::remove_dir_all(workshop.path(run)).unwrap());
    }
    let refused = workshop.refuses(&words(&format!("{line} --temperatures 5 --out no")));
    assert!(refused.contains("--temperatures 5 needs --algorithm pt"), "{refused}");
    let config = workshop.text("plain/config.toml");
    workshop.write("wrong.toml", config.replace("[model.regularise]", "log_z_chains = 5\n[model.regularise]"));
    let refused = workshop.refuses(&words("train --config wrong.toml --out no"));
    assert!(refused.contains("log_z_chains"), "{refused}");
}

#[test]
fn rejects_options_that_do_not_belong() {
    let workshop = Workshop::with_model();
    let refused = workshop.refuses(&words("sample model.gm --label 3"));
    assert!(refused.contains("--label") && refused.contains("a model with label units"), "{refused}");
    let refused = workshop.refuses(&words("train dbn --data digits --backfit up-down --backfit-samples 5 --out run"));
    assert!(refused.contains("--backfit-samples 5 needs --backfit rws"), "{refused}");
    let misused = workshop.misused(&words("train dbn --data digits --backfit-epochs 5 --out run"));
    assert!(misused.contains("--backfit"), "{misused}");
    let misused = workshop.misused(&words("train dbn --data digits --epochs 5 --layer-epochs 5,5 --out run"));
    assert!(misused.contains("--layer-epochs"), "{misused}");
    let refused = workshop.refuses(&words("train dbn --data digits --hidden 5,5 --layer-epochs 1,2,3 --out run"));
    assert!(refused.contains("one number, or one for each of the 2 layers"), "{refused}");
    let refused = workshop.refuses(&words("train dbn --data digits --extend absent --hidden 5,5 --out run"));
    assert!(refused.contains("absent"), "{refused}");
    assert!(!workshop.path("run").exists());
    let trained = "train dbn --data bars-and-stripes:2 --hidden 3,4 --epochs 1 --batch-size 8 --chains 5 --out small";
    workshop.json(&words(trained));
    for (line, text) in [
        (
            "infer small/model.gm --data bars-and-stripes:2 --method mean-field --out h.npy",
            "recognition, gibbs or exact for a dbn",
        ),
        ("sample small/model.gm --label 1", "a model with label units"),
        (
            "complete small/model.gm --data bars-and-stripes:2 --rows 0-3 --mask left --method gibbs --out c.npy",
            "--method",
        ),
    ] {
        let refused = workshop.refuses(&words(line));
        assert!(refused.contains(text), "{refused}");
    }
}
