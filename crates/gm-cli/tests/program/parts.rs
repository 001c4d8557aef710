//! Evaluations in parts, and the report that merges them.

use crate::common::{Workshop, number};
use serde_json::{Value, json};

/// An evaluation that anneals quickly, with further words.
fn quick<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let line = "eval model.gm --data digits --ais-runs 20 --ais-temperatures 50 --reverse-sweeps 20 --reverse-runs 10";
    line.split(' ').chain(words.iter().copied()).collect()
}

/// The workshop with a model and the files p1.json, ..., of all parts.
fn with_parts(of: usize) -> Workshop {
    let workshop = Workshop::with_model();
    for part in 1..=of {
        let (share, out, threads) = (format!("{part}/{of}"), format!("p{part}.json"), part.to_string());
        workshop.says(&quick(&["--part", &share, "--out", &out, "--threads", &threads]));
    }
    workshop
}

/// A document without what depends on the machine.
fn timeless(mut document: Value) -> Value {
    ["seconds", "threads"].iter().for_each(|name| document[name] = Value::Null);
    document
}

#[test]
fn stable_parts_merge_to_the_report_of_one_process() {
    let workshop = with_parts(3);
    let whole = workshop.json(&quick(&["--shards", "3", "--per-example", "whole.npy"]));
    let merge = ["merge", "p2.json", "p3.json", "p1.json", "--out", "eval.json", "--per-example", "merged.npy"];
    let merged = workshop.json(&merge);
    assert_eq!(timeless(merged.clone()), timeless(whole));
    assert_eq!((&merged["schema"], &merged["shards"]), (&json!("gm-eval/1"), &json!(3)));
    assert_eq!(workshop.read("merged.npy"), workshop.read("whole.npy"));
    assert_eq!(serde_json::from_str::<Value>(&workshop.text("eval.json")).unwrap(), merged);

    let part: Value = serde_json::from_str(&workshop.text("p2.json")).unwrap();
    assert_eq!((&part["schema"], &part["part"], &part["of"]), (&json!("gm-eval-part/1"), &json!(2), &json!(3)));
    assert_eq!(part["shards"][0]["ais"].as_array().unwrap().len(), 7);
    // The same document on standard output.
    let again = workshop.json(&quick(&["--part", "2/3", "--out", "again.json"]));
    assert_eq!(again["shards"], part["shards"]);
}

#[test]
fn table_options_of_data_and_seed_travel_with_the_parts() {
    let workshop = Workshop::with_model();
    let words = ["--seed", "7", "--split", "valid", "--binarise", "threshold:0.3", "--shards", "4"];
    for part in ["1/2", "2/2"] {
        let out = format!("{}.json", &part[..1]);
        workshop.says(&quick(&[&words[..], &["--part", part, "--out", &out]].concat()));
    }
    let merged = workshop.json(&["merge", "1.json", "2.json"]);
    assert_eq!((&merged["seed"], &merged["shards"]), (&json!(7), &json!(4)));
    assert_eq!(
        (&merged["data"]["split"], &merged["data"]["binarise"]),
        (&json!("valid"), &json!("threshold:0.3 of 16"))
    );
    assert_eq!(timeless(merged), timeless(workshop.json(&quick(&words))));
}

#[test]
fn rejects_merges_of_what_does_not_belong_together() {
    let workshop = with_parts(2);
    let missing = "`parts` is without part 2/2, allowed: every part of one evaluation";
    assert_eq!(workshop.refuses(&["merge", "p1.json"]), format!("merge_parts: {missing}"));
    assert!(workshop.refuses(&["merge", "p1.json", "p1.json", "p2.json"]).contains("several times part 1/2"));
    workshop.says(&quick(&["--seed", "3", "--part", "2/2", "--out", "other.json"]));
    let error = workshop.refuses(&["merge", "p1.json", "other.json"]);
    assert!(error.contains("other.json with the setting seed = 3, allowed: seed = 0"), "{error}");

    workshop.write("notes.json", "{\"schema\": \"gm-eval/1\"}");
    let error = workshop.refuses(&["merge", "p1.json", "notes.json"]);
    assert!(error.starts_with("notes.json: not a part of an evaluation: missing field"), "{error}");
    assert!(workshop.refuses(&["merge", "absent.json"]).starts_with("opening absent.json"));
    let foreign = workshop.text("p1.json").replace("\"eval\"", "\"inspect\"");
    workshop.write("foreign.json", foreign);
    let error = workshop.refuses(&["merge", "foreign.json", "p2.json"]);
    assert!(error.starts_with("foreign.json: its command is not"), "{error}");

    // A model that was trained further in the meantime.
    workshop.says(&["train", "rbm", "--data", "digits", "--hidden", "6", "--epochs", "1", "--out", "run", "--quiet"]);
    workshop.write("model.gm", workshop.read("run/model.gm"));
    let error = workshop.refuses(&["merge", "p1.json", "p2.json"]);
    assert!(error.contains("p1.json with a model rbm [64, 6], SHA-256"), "{error}");
    std::fs::remove_file(workshop.path("model.gm")).unwrap();
    assert!(workshop.refuses(&["merge", "p1.json", "p2.json"]).contains("model.gm"));
}

#[test]
fn rejects_parts_of_what_cannot_be_divided() {
    let workshop = Workshop::with_model();
    let part = ["eval", "model.gm", "--data", "digits", "--part", "1/2", "--out", "p.json"];
    let error = workshop.refuses(&part);
    assert!(error.contains("1/2 of a likelihood that is exact"), "{error}");
    assert!(workshop.misused(&quick(&["--part", "3/2", "--out", "p.json"])).contains("I/N with I from 1 to N"));
    assert!(workshop.misused(&quick(&["--part", "1/2"])).contains("--out"));
    assert!(workshop.misused(&quick(&["--part", "1/2", "--out", "p.json", "--strict"])).contains("--strict"));
    assert!(workshop.misused(&quick(&["--shards", "0"])).contains("must be 1 or more"));
    let error = workshop.refuses(&quick(&["--part", "1/4", "--shards", "3", "--out", "p.json"]));
    assert!(error.contains("3, allowed: 4 or more, one for each part"), "{error}");
    // Errors of classes have no runs.
    let classify = ["eval", "model.gm", "--data", "digits", "--classify", "--shards", "2"];
    assert!(workshop.misused(&classify).contains("--shards"));
    workshop.says(&["finetune", "model.gm", "--data", "digits", "--epochs", "1", "--out", "net", "--quiet"]);
    let error = workshop.refuses(&["eval", "net", "--data", "digits", "--part", "1/2", "--out", "p.json"]);
    assert_eq!(error, "--part: 1/2, allowed: none for a classifier");
    assert!(!workshop.path("p.json").exists());
}

#[test]
fn table_strict_merges_fail_on_warnings_and_parts_stay_out_of_reports() {
    let workshop = Workshop::new();
    let train =
        "train rbm --data bars-and-stripes:3 --hidden 8 --epochs 800 --rate-schedule constant --out run --quiet";
    workshop.says(&train.split(' ').collect::<Vec<_>>());
    let few =
        "eval run --data bars-and-stripes:3 --ais-runs 2 --ais-temperatures 2 --reverse-runs 2 --reverse-sweeps 2";
    for part in ["1/2", "2/2"] {
        let out = format!("run/part-{}.json", &part[..1]);
        let words: Vec<&str> = few.split(' ').chain(["--part", part, "--out", &out]).collect();
        workshop.says(&words);
    }
    let merge = ["merge", "run/part-1.json", "run/part-2.json", "--out", "run/eval.json", "--strict", "--json"];
    let done = workshop.dgm(&merge).assert().code(1);
    let merged: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert!(!merged["warnings"].as_array().unwrap().is_empty() && number(&merged, "/log_partition/runs") == 2.0);
    workshop.says(&["report", "run", "--out", "page.html"]);
    let page = workshop.text("page.html");
    assert!(page.contains("eval.json") && !page.contains("part-1.json"));
}
