//! What the summary of a training says: figures of the model that was kept, and doubts that it has learnt.

use crate::common::{Workshop, number};
use serde_json::{Value, json};

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Rows of eight units in which pairs agree more often than not, with a label that is wrong now and then. Few of them are
/// easily learnt by heart.
fn noisy(rows: u64) -> String {
    let mut state = 7_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut line = || {
        let pairs: Vec<String> = (0..4)
            .map(|_| {
                let first = draw(2);
                format!("{first},{}", if draw(4) == 0 { 1 - first } else { first })
            })
            .collect();
        let label = u64::from(pairs[0] == "1,1") ^ u64::from(draw(5) == 0);
        format!("{},{label}\n", pairs.join(","))
    };
    "a,b,c,d,e,f,g,h,label\n".to_owned() + &(0..rows).map(|_| line()).collect::<String>()
}

/// Trains with early stopping, and checks that the figures belong to an epoch before the last and are those of the file.
fn stops(workshop: &Workshop, line: &str, (figure, pointer): (&str, &str)) {
    let run = words(line)[1];
    let document = workshop.json(&words(&format!("{line} --data noisy.csv --look-every 2 --out {run}")));
    let (epoch, last) = (number(&document, "/figures/epoch"), number(&document, "/epochs"));
    assert!(epoch < last && document["outcome"] == "stopped_early", "{line}: {document:#}");
    let measured = workshop.json(&words(&format!("eval {run}/model.gm --data noisy.csv --split valid")));
    let [said, measured] = [number(&document, &format!("/figures/{figure}")), number(&measured, pointer)];
    assert!((said - measured).abs() < 1e-3, "{line}: the figure is {said}, the model has {measured}");
    let config = workshop.path(run).join("config.toml");
    let again = format!("{} --config {} --out {run}-again", words(line)[0], config.display());
    let text = workshop.says(&words(&again));
    assert!(text.contains(&format!("the model of epoch {epoch}, the best one, which has these figures")), "{text}");
    let lines = text.lines().filter(|line| line.starts_with("validation log p ")).count();
    assert_eq!(lines, usize::from(figure == "log_likelihood"), "{text}");
}

#[test]
fn table_the_figures_are_those_of_the_model_that_was_kept() {
    let workshop = Workshop::new();
    workshop.write("noisy.csv", noisy(90));
    let exact = ("log_likelihood", "/mean_log_prob/value");
    let common = "--no-report --early-stopping 4 --epochs 4000";
    stops(&workshop, &format!("train rbm --hidden 12 --learning-rate 0.5 {common}"), exact);
    stops(&workshop, &format!("train dbm --hidden 8,4 --pretrain none --learning-rate 0.5 {common}"), exact);
    stops(&workshop, &format!("train sbn --hidden 6 --learning-rate 0.02 --stop-on log-likelihood {common}"), exact);
    stops(&workshop, &format!("train dbn --hidden 12 --learning-rate 0.5 --stop-on log-likelihood {common}"), exact);
    let net = "finetune --random --hidden 30 --learning-rate 0.5 --stop-on cross-entropy --early-stopping 4";
    let document = workshop.json(&words(&format!("{net} --data noisy.csv --epochs 4000 --look-every 2 --out net")));
    let report = workshop.json(&words("eval net/model.gm --data noisy.csv --split valid"));
    for (figure, pointer) in [("cross_entropy", "/cross_entropy/value"), ("error_rate", "/error_rate/value")] {
        let [said, measured] = [number(&document, &format!("/figures/{figure}")), number(&report, pointer)];
        assert!((said - measured).abs() < 1e-4, "{figure}: {said} and {measured}");
    }
    assert!(number(&document, "/figures/epoch") < number(&document, "/epochs"));
    // The page says it too.
    workshop.json(&words("report rbm"));
    assert!(workshop.text("rbm/report.html").contains("the model of epoch "));
}

fn warnings(document: &Value) -> Vec<&str> {
    document["warnings"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

#[test]
fn table_a_model_that_has_learnt_nothing_is_told() {
    let workshop = Workshop::new();
    let rest = "--data bars-and-stripes:3 --epochs 2 --learning-rate 1e-7";
    for (line, layers) in [
        ("train rbm --hidden 6", 1),
        ("train sbn --hidden 6,4", 2),
        ("train dbm --hidden 6,4", 2),
        ("train dbn --hidden 6,4 --layer-start random", 2),
    ] {
        let run = words(line)[1];
        let document = workshop.json(&words(&format!("{line} {rest} --out {run}")));
        let found = warnings(&document);
        for layer in 1..=layers {
            let expected = format!("hidden layer {layer} has learnt nothing: its weights are ");
            assert!(found.iter().any(|warning| warning.starts_with(&expected)), "{line}: {found:?}");
        }
        let page = workshop.text(&format!("{run}/report.html"));
        assert!(page.contains("hidden layer 1 has learnt nothing"), "{line}: the page says nothing");
    }
    let said = workshop.says(&words(&format!("train rbm --hidden 6 {rest} --no-report --out said")));
    assert!(said.contains("warning") && said.contains("hidden layer 1 has learnt nothing"), "{said}");
    // After 300 updates the weights have grown, but ln p is still that of independent pixels, and no unit varies.
    let train = "train rbm --data bars-and-stripes:3 --hidden 6 --no-report --epochs";
    let still = "hidden layer 1 is idle: none of its 6 units tells rows apart; train it longer, or leave it out";
    assert_eq!(workshop.json(&words(&format!("{train} 300 --out still")))["warnings"], json!([still]));
    assert_eq!(workshop.json(&words(&format!("{train} 1500 --out sound")))["warnings"], json!([]));
}

#[test]
fn table_a_model_below_the_uniform_distribution_is_told() {
    let workshop = Workshop::new();
    // Training rows are all on, validation rows are all off.
    workshop.write("on.csv", "1,1,1,1\n".repeat(12));
    workshop.write("off.csv", "0,0,0,0\n".repeat(6));
    let rest = "--data on.csv --valid off.csv --test off.csv --hidden 2 --epochs 20";
    for model in ["rbm", "sbn", "dbm", "dbn"] {
        let document = workshop.json(&words(&format!("train {model} {rest} --out {model}")));
        let found = warnings(&document);
        let named =
            |text: &&&str| text.contains("validation log p") && text.contains("below the -2.773 nats of the uniform");
        assert!(found.iter().any(|text| named(&text)), "{model}: {found:?}");
        assert!(workshop.text(&format!("{model}/report.html")).contains("below the -2.773 nats"), "{model}");
    }
}

#[test]
fn table_directed_units_at_the_top_are_not_dead() {
    let workshop = Workshop::new();
    let dead = |run: &str| -> Vec<Value> {
        let document = workshop.json(&["inspect", &format!("{run}/model.gm")]);
        document["units"]
            .as_array()
            .map(|all| all.iter().map(|layer| layer["dead"].clone()).collect())
            .unwrap_or_default()
    };
    for (model, hidden) in [("sbn", "6,4"), ("sbn", "5"), ("sbn", "4,3,2")] {
        let run = format!("{model}-{hidden}");
        let line =
            format!("train {model} --data bars-and-stripes:3 --hidden {hidden} --epochs 20 --no-report --out {run}");
        workshop.json(&words(&line));
        let found = dead(&run);
        assert_eq!(found.last(), Some(&json!(0)), "{run}: {found:?}");
    }
}

#[test]
fn law_models_that_grow_are_kept_once_they_have_all_layers() {
    let workshop = Workshop::new();
    for kind in ["dbm --pretrain grow", "dbm --pretrain 2009", "dbm --pretrain 2012", "dbn"] {
        for seed in [1, 2] {
            let out = format!("{}-{seed}", kind.replace(' ', ""));
            let line = format!("train {kind} --data digits --hidden 10,6 --epochs 6 --early-stopping 1 --look-every 1");
            let document = workshop.json(&words(&format!("{line} --seed {seed} --out {out}")));
            assert_eq!(document["layers"], json!([64, 10, 6]), "{kind}: {document:#}");
            assert!(workshop.path(&out).join("report.html").exists(), "{kind}");
            let model = workshop.json(&words(&format!("inspect {out}/model.gm")));
            assert_eq!(model["layers"], json!([64, 10, 6]), "{kind}: {model:#}");
        }
    }
}
