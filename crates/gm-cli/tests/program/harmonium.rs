//! Harmoniums through the whole program, from training to completion, and the errors for them.

use crate::common::{Workshop, number};
use serde_json::json;

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// What the program says when it fails.
fn fails(workshop: &Workshop, line: &str) -> String {
    let output = workshop.dgm(&words(line)).output().expect("the program starts");
    assert!(!output.status.success(), "{line}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Rows of three numbers: two real ones that go together, and a count of 0 to 2 that follows them.
fn mixed() -> String {
    let mut text = "length,weight,legs\n".to_string();
    for row in 0..120 {
        let cause = f64::from(row % 3);
        let noise = f64::from((row * 7) % 11) / 11.0;
        text += &format!("{},{},{}\n", 100.0 + 5.0 * cause + noise, 40.0 + 3.0 * cause - noise, row % 3);
    }
    text
}

#[test]
fn table_every_command_takes_a_harmonium_of_spins_and_half_lines() {
    let workshop = Workshop::new();
    let train = "train harmonium --data bars-and-stripes:3 --visible spin --hidden-units drelu --hidden 6 --epochs 200 \
                 --batch-size 8 --learning-rate 0.05 --out run";
    let document = workshop.json(&words(train));
    assert_eq!((&document["model"], &document["layers"]), (&json!("harmonium"), &json!([9, 6])));
    for file in ["config.toml", "model.gm", "samples/final.png", "filters.png", "curves.png", "report.html"] {
        assert!(workshop.path("run").join(file).is_file(), "{file}");
    }
    assert!(workshop.text("run/report.html").contains("spin, with hidden units drelu"));

    // Nine spins are enumerated; annealing from both sides encloses the exact figure.
    let exact = workshop.json(&words("eval run --data bars-and-stripes:3"));
    let value = number(&exact, "/mean_log_prob/value");
    assert_eq!((&exact["mean_log_prob"]["side"], value < 0.0), (&json!("exact"), true));
    assert!(value > -9.0 * 2.0_f64.ln() + 0.5, "{value} is hardly above independent units");
    let annealed = workshop.json(&words(
        "eval run --data bars-and-stripes:3 --ais-runs 50 --ais-temperatures 300 --reverse-runs 20 --reverse-sweeps 100",
    ));
    let end = |name: &str| number(&annealed, &format!("/mean_log_prob/{name}"));
    assert!(end("low") < value && value < end("high"), "{value} outside {} to {}", end("low"), end("high"));

    // Samples are rows of zeros and ones, by both methods.
    for method in ["gibbs", "tempering"] {
        let line = format!("sample run/model.gm -n 30 --steps 50 --method {method} --out {method}.npy");
        workshop.json(&words(&line));
        let (shape, values) = workshop.array(&format!("{method}.npy"));
        assert_eq!(shape, [30, 9]);
        assert!(values.iter().all(|&x| x == 0.0 || x == 1.0));
    }
    let inferred = workshop.json(&words("infer run/model.gm --data bars-and-stripes:3 --out h.npy"));
    assert_eq!((&inferred["method"], workshop.array("h.npy").0[1]), (&json!("exact"), 6));
    let line = "complete run/model.gm --data bars-and-stripes:3 --split all --rows 0-7 --mask bottom --out c.npy";
    assert!(number(&workshop.json(&words(line)), "/accuracy") > 0.5);

    assert_eq!(workshop.json(&words("convert run/model.gm model.json"))["model"], "harmonium");
    let inspected = workshop.json(&words("inspect model.json"));
    assert_eq!(inspected["model"], "harmonium");
    // Weights, a theta for each spin, and four numbers for each hidden unit.
    assert_eq!(inspected["parameters"], json!(9 * 6 + 9 + 4 * 6));
}

#[test]
fn table_columns_of_several_kinds_stand_beside_each_other() {
    let workshop = Workshop::new();
    workshop.write("mixed.csv", mixed());
    let train = "train harmonium --data mixed.csv --visible gaussian*2+binomial:2*1 --hidden-units spin --hidden 4 \
                 --epochs 300 --batch-size 20 --learning-rate 0.05 --out run";
    workshop.json(&words(train));
    let exact = workshop.json(&words("eval run --data mixed.csv"));
    let alone = "train harmonium --data mixed.csv --visible gaussian*2+binomial:2*1 --hidden 1 --init-scale 0 --epochs 1 \
                 --learning-rate 0.000001 --out none";
    workshop.json(&words(alone));
    let none = workshop.json(&words("eval none --data mixed.csv"));
    let log_p = |document| number(document, "/mean_log_prob/value");
    assert!(log_p(&exact) > log_p(&none) + 0.5, "{} and {}", log_p(&exact), log_p(&none));
    // Samples have the kinds and the scale of the columns.
    workshop.json(&words("sample run/model.gm -n 200 --steps 100 --out s.csv"));
    let text = workshop.text("s.csv");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("length,weight,legs"));
    for line in lines {
        let values: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        assert!((80.0..130.0).contains(&values[0]) && [0.0, 1.0, 2.0].contains(&values[2]), "{line}");
    }
}

#[test]
fn table_an_rbm_becomes_a_harmonium_of_the_same_likelihood() {
    let workshop = Workshop::with_model();
    workshop.json(&words("convert model.gm --to harmonium other.gm"));
    let log_p = |model: &str| {
        let line = format!("eval {model} --data digits --exact");
        number(&workshop.json(&words(&line)), "/mean_log_prob/value")
    };
    let (first, second) = (log_p("model.gm"), log_p("other.gm"));
    assert!((first - second).abs() < 1e-4, "{first} and {second}");
}

#[test]
fn rejects_what_harmoniums_do_not_have() {
    let workshop = Workshop::new();
    workshop.write("mixed.csv", mixed());
    for (line, expected) in [
        ("train harmonium --data digits --hidden-units relus", "allowed: bernoulli, spin, softmax:K"),
        ("train harmonium --data digits --hidden-units softmax:3 --hidden 10", "fits the groups"),
        ("train harmonium --data digits --algorithm pt", "cd, pcd or exact for a harmonium"),
        ("train harmonium --data mixed.csv --visible relu+spin*2", "a unit of spin"),
        ("train harmonium --data mixed.csv --visible gaussian*2", "the kinds of units add up to"),
        ("train rbm --data digits --hidden-units relu", "--hidden-units"),
    ] {
        let text = fails(&workshop, line);
        assert!(text.contains(expected), "{line}: {text}");
    }
    let train = "train harmonium --data bars-and-stripes:2 --visible spin --hidden 2 --epochs 2 --out run --no-report";
    workshop.json(&words(train));
    for (line, expected) in [
        ("sample run/model.gm -n 3 --beta 0.5 --out s.npy", "none for a harmonium"),
        ("infer run/model.gm --data bars-and-stripes:2 --method gibbs --out h.npy", "exact for a harmonium"),
        ("eval run --data bars-and-stripes:2 --samples 10", "none for a model without recognition net"),
        ("convert run/model.gm --to dbm other.gm", "dbm for a harmonium"),
    ] {
        let text = fails(&workshop, line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}
