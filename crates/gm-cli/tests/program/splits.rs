//! Splits and binarisation through the whole program: how rows are divided, and what reports say of them.

use crate::common::{Workshop, number};
use serde_json::{Value, json};

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Grey levels from 0 to 250 of `rows` rows of four pixels, as numbers of a text file.
fn grey(rows: usize) -> String {
    let level = |i: usize| (i * i * 37 + 11 * i) % 251;
    (0..rows).map(|row| (0..4).map(|x| level(4 * row + x).to_string()).collect::<Vec<_>>().join(",") + "\n").collect()
}

/// The same levels as bytes of an npy file.
fn bytes(rows: usize) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 4), }}\n");
    let length = u16::try_from(header.len()).expect("a short header");
    let levels = grey(rows).replace('\n', ",");
    let levels = levels.split(',').filter_map(|level| level.parse::<u8>().ok());
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), &levels.collect::<Vec<_>>()].concat()
}

#[test]
fn table_every_report_names_the_threshold_and_its_meaning() {
    let workshop = Workshop::new();
    workshop.write("grey.csv", grey(60));
    workshop.write("grey.npy", bytes(60));
    let train = "train rbm --hidden 2 --epochs 1";
    for (data, threshold, named) in
        [("grey.csv", "threshold:125", "threshold:125"), ("grey.npy", "threshold:0.5", "threshold:0.5 of 255")]
    {
        let given = format!("--data {data} --binarise {threshold}");
        let model = format!("{data}.run/model.gm");
        let trained = workshop.json(&words(&format!("{train} {given} --out {data}.run")));
        assert_eq!(trained["data"]["binarise"], *named);
        let commands = [
            format!("eval {model} {given} --out {data}.json"),
            format!("eval {model} {given} --split all"),
            format!("infer {model} {given} --out {data}.h.npy"),
            format!("complete {model} {given} --mask random:0.5 --out {data}.c.npy"),
        ];
        for command in commands {
            assert_eq!(workshop.json(&words(&command))["data"]["binarise"], *named, "{command}");
        }
        assert!(workshop.text(&format!("{data}.json")).contains(&format!("\"binarise\": \"{named}\"")));
        let said = workshop.says(&words(&format!("eval {model} {given}")));
        assert!(said.contains(&format!("binarise {named}\n")), "{said}");
        workshop.json(&words(&format!("report {data}.run {given} --split valid")));
        let page = workshop.text(&format!("{data}.run/report.html"));
        assert!(page.contains(&format!("binarise {named}")), "the page does not name {named}");
    }
    // A classifier says it as well.
    let labelled = grey(60).lines().enumerate().map(|(i, line)| format!("{line},{}\n", i % 2)).collect::<String>();
    workshop.write("labelled.csv", format!("a,b,c,d,label\n{labelled}"));
    let given = "--data labelled.csv --binarise threshold:125";
    workshop.json(&words(&format!("finetune --random --hidden 2 {given} --epochs 1 --out net")));
    let report = workshop.json(&words(&format!("eval net/model.gm {given}")));
    assert_eq!((&report["schema"], &report["data"]["binarise"]), (&json!("gm-classes/1"), &json!("threshold:125")));
}

#[test]
fn rejects_thresholds_in_the_units_of_other_files() {
    let workshop = Workshop::with_model();
    workshop.write("grey.npy", bytes(60));
    workshop.write("grey.csv", grey(60));
    for (line, expected) in [
        (
            "train rbm --data grey.npy --binarise threshold:127 --out no",
            "grey.npy: threshold 127 leaves every unit off, since grey levels are divided by 255 before they are compared; \
             give a threshold of 0 or more and below 1, such as threshold:0.498 for 127 of 255; set it with --binarise",
        ),
        (
            "train rbm --data grey.csv --binarise threshold:300 --out no",
            "grey.csv: threshold 300 leaves every unit off, since the values lie between 0 and 248",
        ),
        ("eval model.gm --data digits --binarise threshold:8", "such as threshold:0.5 for 8 of 16"),
        ("infer model.gm --data digits --binarise threshold:-1 --out h.npy", "leaves every unit on"),
    ] {
        let said = workshop.refuses(&words(line));
        assert!(said.contains(expected), "{line} said {said}");
    }
    assert!(!workshop.path("no").exists());
}

/// Lines of four units and a label that repeats after six rows.
fn cycle(rows: usize) -> String {
    let line = |row: usize| format!("{},{},{},{},{}\n", row % 2, row / 2 % 2, row / 4 % 2, row / 8 % 2, row % 6);
    "a,b,c,d,label\n".to_owned() + &(0..rows).map(line).collect::<String>()
}

#[test]
fn table_rows_in_an_order_of_period_six_give_splits_of_all_classes() {
    let workshop = Workshop::new();
    workshop.write("cycle.csv", cycle(180));
    let info = workshop.json(&words("data info cycle.csv"));
    for split in ["train", "valid", "test"] {
        assert_eq!(info[split]["labels"].as_object().map(serde_json::Map::len), Some(6), "{info:#}");
    }
    assert_eq!(info["warnings"], json!([]));
    workshop.json(&words("finetune --random --hidden 3 --data cycle.csv --epochs 2 --out net"));
    assert_eq!(number(&workshop.json(&words("eval net/model.gm --data cycle.csv")), "/data/rows"), 30.0);
    // Every command finds the same rows, whatever its seed is.
    let rate = |seed: &str| workshop.json(&words(&format!("eval net/model.gm --data cycle.csv --seed {seed}")));
    assert_eq!(rate("0")["confusion"], rate("7")["confusion"]);
}

#[test]
fn table_labels_that_training_rows_lack_are_told() {
    let workshop = Workshop::new();
    workshop.write("train.csv", cycle(18).lines().filter(|line| !line.ends_with(",5")).collect::<Vec<_>>().join("\n"));
    workshop.write("test.csv", cycle(12));
    let expected = "test.csv: label 5 occurs in test rows and in no training row";
    let data = "--data train.csv --test test.csv";
    let info = workshop.json(&words("data info train.csv --test test.csv"));
    assert!(info["warnings"].as_array().is_some_and(|all| all.contains(&json!(expected))), "{info:#}");
    let said = workshop.says(&words("data info train.csv --test test.csv"));
    assert!(said.contains(&format!("warning  {expected}")), "{said}");
    for line in [
        format!("finetune --random --hidden 2 {data} --epochs 1 --out net"),
        format!("train rbm --hidden 2 {data} --epochs 1 --no-report --out run"),
    ] {
        let done = workshop.dgm(&words(&line)).assert().success();
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(expected), "{line} said {said}");
    }
    // The class is one that the net has, and gets wrong.
    let report = workshop.json(&words(&format!("eval net/model.gm {data}")));
    assert_eq!((&report["layers"], &report["data"]["source"]), (&json!([4, 2, 6]), &json!("test.csv")));
}

#[test]
fn table_three_files_are_training_validation_and_test_rows() {
    let workshop = Workshop::new();
    let rows =
        |rows: std::ops::Range<usize>| rows.map(|row| format!("{},{},1\n", row % 2, row / 2 % 2)).collect::<String>();
    workshop.write("train.csv", rows(0..30));
    workshop.write("valid.csv", rows(0..7));
    workshop.write("test rows.csv", rows(1..6));
    let apart = ["--valid", "valid.csv", "--test", "test rows.csv"];
    let with = |line: &str| -> Value { workshop.json(&[&words(line)[..], &apart[..]].concat()) };
    let info = with("data info train.csv");
    assert_eq!([&info["train"]["rows"], &info["valid"]["rows"], &info["test"]["rows"]], [30, 7, 5]);
    let train = "train rbm --data train.csv --hidden 2 --epochs 3";
    assert_eq!(with(&format!("{train} --out run"))["data"]["rows"], 30);
    let config = workshop.text("run/config.toml");
    assert!(config.contains("valid.csv\"") && config.contains("test rows.csv\""), "{config}");
    for (split, source, count) in [("valid", "valid.csv", 7), ("test", "test rows.csv", 5), ("all", "train.csv", 42)] {
        let found = with(&format!("eval run/model.gm --data train.csv --split {split}"));
        let (data, count) = (&found["data"], json!(count));
        assert_eq!((&data["source"], &data["split"], &data["rows"]), (&json!(source), &json!(split), &count));
    }
    assert_eq!(with("infer run/model.gm --data train.csv --out h.npy")["data"]["rows"], 5);
    assert_eq!(with("complete run/model.gm --data train.csv --mask random:0.5 --out c.npy")["data"]["rows"], 5);
    assert_eq!(with("report run --data train.csv")["evaluations"], json!(["eval-train-test.json"]));
    // The configuration and the command that comes next keep the files.
    workshop.json(&words("train --config run/config.toml --out again"));
    assert!(workshop.read("run/model.gm") == workshop.read("again/model.gm"), "another model");
    let said = workshop.says(&[&words(&format!("{train} --out third"))[..], &apart[..]].concat());
    assert!(said.contains("valid.csv --test '/") && said.contains("test rows.csv'\n"), "{said}");
}

#[test]
fn rejects_split_files_that_data_have_no_use_for() {
    let workshop = Workshop::with_model();
    workshop.write("rows.csv", cycle(12));
    for (line, expected) in [
        (
            "eval model.gm --data digits --test rows.csv",
            "digits: has test rows of its own, so rows.csv cannot give them",
        ),
        ("train rbm --data digits --valid rows.csv --out no", "digits: has validation rows of its own"),
        ("data info rows.csv --valid absent.csv", "absent.csv: No such file"),
        ("complete model.gm --data rows.csv --test digits.npz --mask left --out c.npy", "digits.npz: No such file"),
    ] {
        let said = workshop.refuses(&words(line));
        assert!(said.contains(expected), "{line} said {said}");
    }
    assert!(workshop.misused(&words("eval model.gm --test rows.csv")).contains("--data <SPEC>"));
    assert!(workshop.misused(&words("finetune --config a.toml --valid rows.csv")).contains("cannot be used with"));
}

#[test]
fn table_as_many_rows_are_completed_as_there_are_up_to_ten() {
    let workshop = Workshop::new();
    workshop.write("few.csv", cycle(23));
    workshop.json(&words("train rbm --data few.csv --hidden 2 --epochs 1 --no-report --out run"));
    let complete = "complete run/model.gm --data few.csv --mask random:0.3 --steps 10";
    let rows = |line: &str| workshop.json(&words(&format!("{complete} {line}")))["data"]["rows"].clone();
    assert_eq!(rows("--out a.npy"), 3);
    assert_eq!(workshop.array("a.npy").0, [3, 4]);
    assert_eq!(rows("--split valid --out b.csv"), 4);
    assert_eq!(rows("--split train --out c.npy"), 10);
    assert_eq!(rows("--split all --out d.png"), 10);
    assert_eq!(rows("--rows 0,2 --out e.npy"), 2);
    let refused = workshop.refuses(&words(&format!("{complete} --rows 0-9 --out f.npy")));
    assert!(refused.contains("--rows: row 3, allowed: 0 to 2 in the test split of few.csv"), "{refused}");
}
