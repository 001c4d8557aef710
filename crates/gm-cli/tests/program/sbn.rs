//! Sigmoid belief nets through the whole program, from training to completion, and the errors for them.

use crate::common::{Workshop, fixture, number};
use serde_json::json;

/// A model of nine visible and seven hidden units, which is small enough for all exact figures.
fn trained(workshop: &Workshop) -> serde_json::Value {
    let train =
        "train sbn --data bars-and-stripes:3 --hidden 5,2 --epochs 60 --batch-size 8 --learning-rate 0.02 --out run";
    workshop.json(&train.split(' ').collect::<Vec<_>>())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn table_train_writes_a_run_and_every_command_takes_its_model() {
    let workshop = Workshop::new();
    let document = trained(&workshop);
    assert_eq!((&document["model"], &document["layers"]), (&json!("sbn"), &json!([9, 5, 2])));
    for figure in ["/figures/importance_weighted", "/figures/elbo", "/figures/log_likelihood"] {
        assert!(number(&document, figure) < 0.0);
    }
    for file in ["config.toml", "model.gm", "samples/final.png", "filters.png", "curves.png"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    let sampled = workshop.json(&words("sample run/model.gm -n 30 --out samples.npy"));
    assert_eq!(sampled["method"], "ancestral sampling");
    assert_eq!(workshop.array("samples.npy").0, [30, 9]);
    workshop.json(&words("sample run/model.gm -n 4 --means --out means.png"));
    let inferred = workshop.json(&words("infer run/model.gm --data bars-and-stripes:3 --out exact.npy"));
    assert_eq!(inferred["method"], "exact");
    let (shape, exact) = workshop.array("exact.npy");
    assert_eq!(shape[1], 7);
    for method in ["gibbs --steps 400", "importance --samples 3000", "mean-field", "recognition"] {
        let line = format!("infer run/model.gm --data bars-and-stripes:3 --method {method} --out h.npy --force");
        workshop.json(&words(&line));
        let (_, found) = workshop.array("h.npy");
        let worst = found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let allowed = if method.starts_with("gibbs") || method.starts_with("importance") { 0.2 } else { 1.0 };
        assert!(worst < allowed, "{method}: {worst}");
    }
    for method in ["importance", "gibbs"] {
        let line = format!(
            "complete run/model.gm --data bars-and-stripes:3 --split all --rows 0-7 --mask bottom --method {method} --out c.npy --force"
        );
        let completed = workshop.json(&words(&line));
        assert!(number(&completed, "/accuracy") > 0.5, "{completed:#}");
    }
    assert_eq!(workshop.json(&words("convert run/model.gm model.safetensors"))["model"], "sbn");
    assert_eq!(workshop.json(&words("inspect model.safetensors"))["model"], "sbn");
}

#[test]
fn table_eval_reports_exact_likelihood_and_bounds() {
    let workshop = Workshop::new();
    trained(&workshop);
    let eval = "eval run/model.gm --data bars-and-stripes:3 --samples 2000 --repeats 3 --per-example rows.csv";
    let document = workshop.json(&words(eval));
    assert_eq!((&document["schema"], &document["mean_log_prob"]["side"]), (&json!("gm-eval/1"), &json!("exact")));
    let [exact, bound, elbo] =
        ["/mean_log_prob/value", "/importance_weighted/value", "/elbo"].map(|at| number(&document, at));
    // The bound from many draws is close, and the evidence lower bound lies below it.
    assert!(elbo < bound && bound < exact + 0.05 && exact - bound < 0.5, "{elbo} {bound} {exact}");
    assert_eq!(
        (number(&document, "/importance_weighted/samples"), number(&document, "/importance_weighted/repeats")),
        (2000.0, 3.0)
    );
    assert!(
        number(&document, "/importance_weighted/spread") >= 0.0 && number(&document, "/importance_weighted/ess") > 1.0
    );
    for absent in ["log_partition", "log_pseudo_likelihood", "free_energy_gap", "lower_bound"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    let rows: Vec<f64> = workshop.text("rows.csv").lines().filter_map(|line| line.parse().ok()).collect();
    let mean = rows.iter().sum::<f64>() / rows.len() as f64;
    assert!((mean - exact).abs() < 1e-4, "{mean} {exact}");
    let said = workshop.says(&words(eval.trim_end_matches(" --per-example rows.csv")));
    assert!(said.contains("importance-weighted, 2000 draws a row (lower)"), "{said}");
}

#[test]
fn oracle_eval_agrees_with_the_fixtures() {
    let workshop = Workshop::new();
    for name in ["sbn_1.json", "sbn_2.json", "sbn_3.json"] {
        let (path, expected) = fixture(name);
        let rows = expected["expected"]["data"].as_array().unwrap();
        let line = |row: &serde_json::Value| {
            row.as_array().unwrap().iter().map(|x| (number(x, "") as u8).to_string()).collect::<Vec<_>>().join(",")
                + "\n"
        };
        workshop.write("rows.csv", rows.iter().map(line).collect::<String>());
        let document = workshop.json(&["eval", &path, "--data", "rows.csv", "--split", "all"]);
        let (found, truth) = (number(&document, "/mean_log_prob/value"), number(&expected, "/expected/mean_log_prob"));
        assert!((found - truth).abs() <= 1e-5 * truth.abs(), "{name}: {found}, expected {truth}");
    }
}

#[test]
fn table_inspect_shows_explaining_away() {
    let workshop = Workshop::new();
    let model = json!({"model": "sbn", "tensors": {
        "weights.0": [[9.0, 8.0]], "bias.0": [-6.0], "bias.1": [-2.2, -2.9]}});
    workshop.write("alarm.json", model.to_string());
    let document = workshop.json(&["inspect", "alarm.json", "--posterior", "1"]);
    let posterior = &document["posterior"];
    assert_eq!(posterior["causes"], json!([0, 1]));
    assert!(number(posterior, "/before/correlation").abs() < 1e-9);
    assert!(number(posterior, "/after/correlation") < -0.8);
    assert!(number(posterior, "/after/means/0") > 4.0 * number(posterior, "/before/means/0"));
    let said = workshop.says(&["inspect", "alarm.json", "--posterior", "1", "--causes", "1,0"]);
    assert!(said.contains("1 and 0\n"), "{said}");
}

#[test]
fn rejects_options_that_a_sigmoid_belief_net_does_not_have() {
    let workshop = Workshop::with_model();
    trained(&workshop);
    for (line, expected) in [
        ("eval run/model.gm", "--data: none, allowed: rows to evaluate an sbn on"),
        (
            "eval run/model.gm --data bars-and-stripes:3 --ais-runs 5",
            "--ais-runs: 5, allowed: none for an sbn, which has no partition function",
        ),
        ("eval model.gm --data digits --samples 5", "--samples: 5, allowed: none for a model without recognition net"),
        (
            "sample run/model.gm --steps 5",
            "--steps: 5, allowed: none for an sbn without --clamp, whose samples are independent",
        ),
        (
            "infer model.gm --data digits --method gibbs --out h.npy",
            "--method: gibbs, allowed: exact for an rbm, whose hidden units are independent given the data",
        ),
        (
            "infer run/model.gm --data bars-and-stripes:3 --method exact --steps 3 --out h.npy",
            "--steps 3 needs --method gibbs or mean-field",
        ),
        (
            "inspect run/model.gm --posterior 000111000 --causes 1,1",
            "--causes: 1,1, allowed: two different numbers from 0 to 6",
        ),
        ("inspect model.gm --posterior 1", "--posterior: an rbm, allowed: an sbn, whose causes compete"),
        ("train sbn --data digits --rule vimco --sleep 0.3", "--sleep 0.3 needs --rule rws"),
        (
            "train sbn --data digits --rule vimco --samples 1",
            "SbnSettings: `samples` is 1, allowed: 2 or more for the rule vimco",
        ),
        (
            "train sbn --data digits --rule exact",
            "training on the exact gradient: 400 units must be enumerated, at most 10 can be",
        ),
        ("train sbn --data digits --hidden 5,0", "SbnSettings: `hidden` is 0, allowed: 1 or more"),
    ] {
        let said = workshop.refuses(&words(line));
        assert!(said.contains(expected), "{line} said {said}");
    }
    let said = workshop.misused(&words("train sbn --data digits --rule vimko"));
    assert!(said.contains("unknown rule `vimko`, did you mean `vimco`?"), "{said}");
}

#[test]
fn table_autoregressive_recognition_goes_through_every_command() {
    let workshop = Workshop::new();
    let train =
        "train sbn --data bars-and-stripes:3 --hidden 5,2 --epochs 60 --batch-size 8 --autoregressive --out run";
    let document = workshop.json(&words(train));
    assert!(workshop.text("run/config.toml").contains("autoregressive = true"));
    let eval = "eval run/model.gm --data bars-and-stripes:3 --samples 3000 --posterior-runs 20";
    let found = workshop.json(&words(eval));
    let [exact, bound] = ["/mean_log_prob/value", "/importance_weighted/value"].map(|at| number(&found, at));
    assert!(bound < exact + 0.1 && exact - bound < 0.5, "{bound} {exact}, {document:#}");
    // Annealing is done where it was asked for, beside the exact value too.
    let annealed = number(&found, "/annealed_posterior/value");
    assert!((annealed - exact).abs() < 0.2 && number(&found, "/annealed_posterior/runs") == 20.0, "{annealed} {exact}");
    for method in ["gibbs", "importance", "mean-field", "recognition"] {
        workshop.json(&words(&format!(
            "infer run/model.gm --data bars-and-stripes:3 --method {method} --out h.npy --force"
        )));
    }
    let inspected = workshop.json(&words("inspect run --data bars-and-stripes:3"));
    // Of 9-5-2 units: 55 + 16 of the net and of its prior, 60 + 2 of the recognition net, and 10 + 1 within its layers.
    assert_eq!(inspected["parameters"], 9 * 5 + 5 * 2 + 16 + 9 * 5 + 5 * 2 + 7 + 10 + 1);
    let names: Vec<&str> = inspected["tensors"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"recognition.within.2"), "{names:?}");
    workshop.json(&words("sample run/model.gm -n 9 --out samples.npy"));
    workshop.json(&words("convert run/model.gm model.safetensors"));
    workshop.json(&words(&eval.replace("run/model.gm", "model.safetensors")));
}

#[test]
fn table_weights_within_layers_go_through_every_command() {
    let workshop = Workshop::new();
    let train = "train sbn --data bars-and-stripes:3 --hidden 5,2 --epochs 60 --batch-size 8 --lateral all --out run";
    workshop.json(&words(train));
    assert!(workshop.text("run/config.toml").contains("lateral = \"all\""));
    assert!(workshop.text("run/report.html").contains("units before them"));
    let eval = "eval run/model.gm --data bars-and-stripes:3 --samples 3000 --posterior-runs 20";
    let found = workshop.json(&words(eval));
    let [exact, bound] = ["/mean_log_prob/value", "/importance_weighted/value"].map(|at| number(&found, at));
    assert!(bound < exact + 0.1 && exact - bound < 0.5, "{bound} {exact}");
    let annealed = number(&found, "/annealed_posterior/value");
    assert!((annealed - exact).abs() < 0.2, "{annealed} {exact}");
    for method in ["gibbs", "importance", "recognition", "exact"] {
        workshop.json(&words(&format!(
            "infer run/model.gm --data bars-and-stripes:3 --method {method} --out h.npy --force"
        )));
    }
    let said = workshop.refuses(&words("infer run --data bars-and-stripes:3 --method mean-field --out h.npy --force"));
    assert!(said.contains("mean-field for an sbn with weights within its layers"), "{said}");
    for method in ["gibbs", "importance"] {
        workshop.json(&words(&format!(
            "complete run/model.gm --data bars-and-stripes:3 --mask random:0.5 --method {method} --out done.npy --force"
        )));
    }
    let inspected = workshop.json(&words("inspect run --data bars-and-stripes:3"));
    // Of 9-5-2 units: 55 + 16 of the net and of its prior, 36 + 10 + 1 within its layers, 62 of the recognition net.
    assert_eq!(inspected["parameters"], 55 + 16 + 47 + 62);
    let names: Vec<&str> = inspected["tensors"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"within.0") && names.contains(&"within.2"), "{names:?}");
    workshop.json(&words("sample run/model.gm -n 9 --out samples.npy"));
    workshop.json(&words("convert run/model.gm model.safetensors"));
    workshop.json(&words(&eval.replace("run/model.gm", "model.safetensors")));
}

#[test]
fn table_a_fully_visible_net_goes_through_every_command() {
    let workshop = Workshop::new();
    let train = "train sbn --data bars-and-stripes:3 --hidden none --epochs 300 --batch-size 8 --out run";
    workshop.json(&words(train));
    let config = workshop.text("run/config.toml");
    assert!(config.contains("hidden = []") && config.contains("lateral = \"visible\""), "{config}");
    let lines = workshop.text("run/metrics.jsonl");
    assert!(lines.lines().all(|line| line.contains("\"log_likelihood\":") && !line.contains("elbo")), "{lines}");
    assert!(workshop.text("run/report.html").contains("Fully visible"));
    let found = workshop.json(&words("eval run --data bars-and-stripes:3"));
    assert_eq!(found["mean_log_prob"]["side"], "exact");
    let exact = number(&found, "/mean_log_prob/value");
    assert!(exact > -5.0 && exact < -2.59, "{exact}");
    for line in
        ["eval run --data bars-and-stripes:3 --samples 5", "eval run --data bars-and-stripes:3 --posterior-runs 5"]
    {
        let said = workshop.refuses(&words(line));
        assert!(said.contains("none for an sbn without hidden layers, whose likelihood is exact"), "{said}");
    }
    let said = workshop.refuses(&words("infer run --data bars-and-stripes:3 --out h.npy"));
    assert!(said.contains("without hidden layers"), "{said}");
    let inspected = workshop.json(&words("inspect run --data bars-and-stripes:3 --filters filters.png"));
    assert_eq!(inspected["parameters"], 9 + 36);
    workshop.json(&words("sample run -n 9 --out samples.npy"));
    workshop.json(&words("complete run --data bars-and-stripes:3 --mask bottom --out done.npy"));
    let said = workshop
        .refuses(&words("complete run --data bars-and-stripes:3 --mask bottom --method importance --out x.npy"));
    assert!(said.contains("gibbs for a model without a recognition net"), "{said}");
    for format in ["json", "npz", "safetensors"] {
        workshop.json(&words(&format!("convert run/model.gm model.{format}")));
        let again = workshop.json(&words(&format!("eval model.{format} --data bars-and-stripes:3")));
        assert_eq!(number(&again, "/mean_log_prob/value"), exact, "{format}");
    }
    let said = workshop.refuses(&words("convert run/model.gm --to rbm x.gm"));
    assert!(said.contains("rbm for an sbn of 0 hidden layers"), "{said}");
    for option in ["--rule rws", "--sleep 0.1", "--samples 3", "--init-scale 2", "--hidden-bias -1", "--autoregressive"]
    {
        let said = workshop.refuses(&words(&format!("train sbn --data bars-and-stripes:3 --hidden none {option}")));
        assert!(said.contains("needs hidden layers"), "{option} said {said}");
    }
    let said = workshop.refuses(&words("train sbn --data bars-and-stripes:3 --hidden none --lateral none"));
    assert!(said.contains("`hidden` is empty, allowed: one layer or more, or none"), "{said}");
}

#[test]
fn table_active_units_are_counted_and_idle_layers_told() {
    let workshop = Workshop::new();
    // Units that are on for half of the rows at first leave the upper layers nothing to say.
    let train = "train sbn --data digits --hidden 40,40,40 --epochs 40 --hidden-bias 0 --seed 1 --out run";
    let document = workshop.json(&words(train));
    let active = [1, 2, 3].map(|l| number(&document, &format!("/figures/active_units_{l}")));
    assert!(active[0] > 30.0 && active[2] == 0.0, "{document:#}");
    let warnings = document["warnings"].as_array().unwrap();
    let said = "hidden layer 3 is idle: none of its 40 units tells rows apart; start the hidden units mostly off with \
                --hidden-bias -3, or leave the layer out";
    assert!(warnings.iter().any(|text| text == said), "{warnings:?}");
    let lines = workshop.text("run/metrics.jsonl");
    assert!(lines.lines().all(|line| line.contains("\"active_units_1\":")), "{lines}");
    assert!(workshop.text("run/report.html").contains("Active units"));

    let counted = workshop.json(&words("inspect run --data digits --split valid"));
    assert_eq!(counted["active"]["data"]["split"], "valid");
    let found = [0, 1, 2].map(|l| number(&counted, &format!("/active/units/{l}")));
    assert!(found.iter().zip(active).all(|(found, active)| (found - active).abs() <= 3.0), "{found:?}, {active:?}");
    let said = workshop.says(&words("inspect run --data digits"));
    assert!(said.contains("active over") && said.contains("rows of the test split of digits"), "{said}");
    workshop.write("one.csv", format!("{}\n", vec!["1"; 64].join(",")));
    let error = workshop.refuses(&words("inspect run --data one.csv --split all"));
    assert!(error.contains("--data: one row, allowed: two rows or more"), "{error}");
    let error = workshop.misused(&words("inspect run --split valid"));
    assert!(error.contains("--data"), "{error}");
}
