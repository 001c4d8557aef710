//! Data as other programs write them, through the whole program: headers, indices, missing values, sparse files, masks.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::common::Workshop;
use serde_json::json;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Lines of whole numbers below `below`, the same on every computer.
fn lines(rows: u32, columns: u32, below: u32) -> String {
    let value = |row: u32, column: u32| (row * 7 + column * 5 + row * row * (column + 1)) % 11 % below;
    let line = |row| (0..columns).map(|column| value(row, column).to_string()).collect::<Vec<_>>().join(",") + "\n";
    (0..rows).map(line).collect()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The numbers of training, validation and test rows.
fn sizes(workshop: &Workshop, arguments: &str) -> [u64; 3] {
    let document = workshop.json(&words(arguments));
    ["train", "valid", "test"].map(|split| document[split]["rows"].as_u64().unwrap_or_default())
}

// ---- Headers ----

#[test]
fn r20_no_row_is_dropped_and_no_header_is_read_without_a_word() {
    let workshop = Workshop::new();
    let measured = "0.5,-1.25,0.75,2\n-0.5,1.5,0.25,1\n".repeat(6);
    workshop.write("answers.csv", format!("0,1,2,3\n{}", lines(11, 4, 4)));
    workshop.write("numbered.csv", format!("10,20,35,47\n{measured}"));
    workshop.write("named.csv", format!("a,b,c,d\n{measured}"));
    workshop.write("plain.csv", &measured);
    for (file, rows, says) in [
        ("answers.csv", 12, "none, the first line is an example: 0,1,2,3"),
        ("numbered.csv", 13, "none, the first line is an example: 10,20,35,47"),
        ("named.csv", 12, "the first line: a,b,c,d"),
        ("plain.csv", 12, "none, the first line is an example: 0.5,-1.25,0.75,2"),
    ] {
        assert_eq!(sizes(&workshop, &format!("data info {file}")).iter().sum::<u64>(), rows, "{file}");
        let info = workshop.says(&["data", "info", file]);
        assert!(info.contains(says), "{info}");
        let train =
            format!("train rbm --data {file} --visible gaussian --hidden 2 --epochs 1 --no-report --out {file}.run");
        let said = workshop.says(&words(&train));
        assert!(said.contains(says), "{said}");
    }
    // Numbers that rise from column to column may be names.
    let warned = workshop.dgm(&words("data info numbered.csv")).assert().success();
    let warned = String::from_utf8_lossy(&warned.get_output().stderr).into_owned();
    let says =
        "numbered.csv: the first line, 10,20,35,47, is taken as an example; pass --header yes if it names the columns";
    assert!(warned.contains(says), "{warned}");
    for header in ["yes", "no"] {
        let sure = workshop.dgm(&words(&format!("data info numbered.csv --header {header}"))).assert().success();
        assert!(sure.get_output().stderr.is_empty());
    }
}

#[test]
fn table_the_header_option_holds_for_a_run_and_its_next_command() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", format!("0,1,2\n{}", lines(12, 3, 2)));
    let refused = workshop.refuses(&words("train rbm --data rows.csv --hidden 2 --epochs 1 --out run"));
    assert!(refused.contains("is the first line a header?") && refused.contains("pass --header yes"), "{refused}");
    let train = "train rbm --data rows.csv --header yes --drop 3 --hidden 2 --epochs 2 --seed 3 --out run";
    let said = workshop.says(&words(train));
    assert!(said.contains("rows.csv --header yes --drop 3"), "{said}");
    assert!(
        said.contains("header") && said.contains("the first line: 0,1,2") && said.contains("column 3 (`2`)"),
        "{said}"
    );
    workshop.says(&words("train --config run/config.toml --out again"));
    assert_eq!(workshop.read("run/model.gm"), workshop.read("again/model.gm"));
    let document = workshop.json(&words("eval run/model.gm --data rows.csv --header yes --drop 3 --split all"));
    assert_eq!(document["data"]["rows"], 12);
    let refused = workshop.refuses(&words("eval run/model.gm --data digits --header yes"));
    assert!(refused.contains("`header` is yes for digits") && refused.contains("leave out --header"), "{refused}");
    let misused = workshop.misused(&words("eval run/model.gm --header yes"));
    assert!(misused.contains("--data"), "{misused}");
}

#[test]
fn r20_side_files_have_no_header_of_numbers() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", "0.5,-1.25,0.75\n-0.5,1.5,0.25\n".repeat(6));
    workshop.json(&words("train rbm --data rows.csv --visible gaussian --hidden 2 --epochs 1 --no-report --out run"));
    workshop.write("clamp.csv", "1,2,3\n");
    workshop.write("mask.csv", "1,0,0\n");
    workshop.json(&words("sample run/model.gm -n 2 --steps 2 --clamp clamp.csv --mask mask.csv --out c.npy"));
    assert!(workshop.array("c.npy").1.chunks(3).all(|row| (row[1] - 2.0).abs() < 1e-4 && (row[2] - 3.0).abs() < 1e-4));
    workshop.write("weights.csv", "1,2,3,4,5,6,7,8\n");
    let weighted = "train rbm --data rows.csv --visible gaussian --hidden 2 --epochs 1 --weights weights.csv --out w";
    workshop.json(&words(weighted));
    workshop.write("few.csv", "1,2,3\n");
    let refused = workshop.refuses(&words(&weighted.replace("weights.csv", "few.csv").replace("--out w", "--out x")));
    assert!(refused.contains("few.csv: 3 weights, expected 8") && refused.contains("--weights"), "{refused}");
}

// ---- Indices and labels ----

#[test]
fn table_columns_that_number_the_rows_are_told() {
    let workshop = Workshop::new();
    let (mut named, mut unnamed) = (String::from(",a,b,class\n"), String::new());
    for (row, line) in lines(24, 2, 2).lines().enumerate() {
        let _ = writeln!(named, "{row},{line},{}", row % 3);
        let _ = writeln!(unnamed, "{row},{line}");
    }
    workshop.write("named.csv", &named);
    workshop.write("unnamed.csv", &unnamed);
    let info = workshop.json(&words("data info named.csv"));
    assert_eq!((&info["train"]["units"], &info["train"]["binary"]), (&json!(2), &json!(true)));
    assert_eq!(info["readings"][0]["left_out"], json!([{ "number": 1 }]));
    assert_eq!(info["readings"][0]["labels"], json!({ "number": 4, "name": "class" }));
    let said = workshop.says(&words("train rbm --data named.csv --labels --hidden 2 --epochs 1 --no-report --out run"));
    assert!(said.contains("left out") && said.contains(" column 4 (`class`)"), "{said}");
    let refused = workshop.refuses(&words("train rbm --data unnamed.csv --hidden 2 --epochs 1 --out u"));
    assert!(refused.contains("column 1 lies outside 0..1") && refused.contains("--drop COLUMN"), "{refused}");
    let info = workshop.says(&words("data info unnamed.csv"));
    assert!(info.contains("column 1 rises from row to row, as an index does; --drop leaves it out"), "{info}");
    let taken = "train rbm --data unnamed.csv --visible gaussian --hidden 2 --epochs 1 --no-report --out";
    let warned = workshop.dgm(&[&words(taken)[..], &["warned"]].concat()).assert().success();
    let text = String::from_utf8_lossy(&warned.get_output().stderr).into_owned();
    assert!(text.contains("unnamed.csv: column 1 has whole numbers that rise from row to row"), "{text}");
    let quiet = workshop.dgm(&[&words(taken)[..], &["quiet", "--drop", "none"]].concat()).assert().success();
    assert!(!String::from_utf8_lossy(&quiet.get_output().stderr).contains("warning"));
    workshop.json(&words("train rbm --data unnamed.csv --drop 1 --hidden 2 --epochs 1 --no-report --out dropped"));
    workshop.json(&words("infer dropped/model.gm --data unnamed.csv --drop 1 --out h.npy"));
    let refused = workshop.refuses(&words("infer dropped/model.gm --data unnamed.csv --drop when --out i.npy"));
    assert!(refused.contains("unnamed.csv: no column `when`; columns are 1 to 3"), "{refused}");
}

// ---- Values ----

#[test]
fn r20_values_that_are_not_finite_are_told_as_such_everywhere() {
    let workshop = Workshop::with_model();
    let gap = |value: &str| format!("0,1,{value}\n1,0,1\n0,1,1\n1,0,0\n0,1,1\n1,0,1\n");
    let cells = |value: f64| [&[0.0, 1.0, value][..], &[1.0, 0.0, 1.0].repeat(5)].concat();
    for (file, content) in [
        ("nan.csv", gap("nan").into_bytes()),
        ("nan.npy", npy("<f8", "(6, 3)", &doubles(&cells(f64::NAN)))),
        ("empty.csv", gap("").into_bytes()),
        ("mark.csv", gap("?").into_bytes()),
        ("na.csv", format!("a,b,c\n{}", gap("NA")).into_bytes()),
        ("inf.csv", gap("inf").into_bytes()),
        ("inf.npy", npy("<f8", "(6, 3)", &doubles(&cells(f64::INFINITY)))),
    ] {
        workshop.write(file, content);
        let says = match file.starts_with("inf") {
            true => "value inf at row 1, column 3 is no finite number",
            false => "at row 1, column 3: missing values are not taken",
        };
        for command in [
            "train rbm --hidden 2 --out a",
            "train rbm --hidden 2 --binarise threshold:0.5 --out a",
            "train dbm --visible gaussian --hidden 2,2 --out a",
            "train sbn --hidden 2 --out a",
            "eval model.gm",
            "infer model.gm --out h.npy",
            "complete model.gm --mask random:0.5 --out c.npy",
        ] {
            let refused = workshop.refuses(&[&words(command)[..], &["--data", file]].concat());
            assert!(refused.contains(says) && !refused.contains("threshold"), "{command} {file}: {refused}");
        }
        let refused = workshop.refuses(&["data", "info", file]);
        assert!(refused.contains(says) && !refused.contains("threshold"), "{file}: {refused}");
    }
}

#[test]
fn r20_data_info_says_what_training_needs() {
    let workshop = Workshop::new();
    let spins: Vec<u8> = (0..36_u32).map(|i| if i * i % 7 < 3 { 255 } else { 1 }).collect();
    workshop.write("spins.npy", npy("|i1", "(12, 3)", &spins));
    workshop.write("pixels.csv", "200,255,0\n30,100,255\n0,100,200\n".repeat(4));
    workshop.write("answers.csv", lines(12, 3, 4));
    let needs = "needs --binarise threshold:T or --visible gaussian";
    for (file, range, categories) in
        [("spins.npy", "-1 to 1", false), ("pixels.csv", "0 to 255", false), ("answers.csv", "0 to 3", true)]
    {
        let info = workshop.says(&["data", "info", file]);
        assert!(info.contains(&format!("numbers from {range}; {needs}")), "{info}");
        assert_eq!(info.contains("--visible softmax"), categories, "{info}");
        let refused = workshop.refuses(&["train", "rbm", "--data", file, "--hidden", "2", "--out", "a"]);
        assert!(refused.contains("lies outside 0..1"), "{refused}");
        workshop.json(&words(&format!(
            "train rbm --data {file} --binarise threshold:0.5 --hidden 2 --epochs 1 --out {file}.run"
        )));
    }
    workshop.write("shares.csv", "0,0.5,1\n0.25,0,1\n".repeat(3));
    let info = workshop.says(&["data", "info", "shares.csv"]);
    assert!(info.contains("numbers between 0 and 1, drawn as 0 and 1 anew in every batch"), "{info}");
    assert!(workshop.says(&["data", "info", "digits"]).contains("grey levels, drawn as 0 and 1"));
}

#[test]
fn table_one_hot_data_are_learnt_as_their_categories() {
    let workshop = Workshop::new();
    let one_hot = "1,0,0,0,1,0\n0,1,0,0,0,1\n0,0,1,1,0,0\n".repeat(4);
    workshop.write("rows.csv", one_hot);
    let info = workshop.says(&["data", "info", "rows.csv"]);
    assert!(info.contains("with one 1 in each group of 3"), "{info}");
    let trained = workshop.json(&words("train rbm --data rows.csv --visible softmax --hidden 2 --epochs 1 --out run"));
    assert_eq!(trained["layers"], json!([6, 2]));
    assert_eq!(workshop.json(&["inspect", "run/model.gm"])["visible"], "softmax:3");
    workshop.json(&words("eval run/model.gm --data rows.csv"));
}

// ---- Forms of files ----

#[test]
fn table_every_form_of_a_table_trains_the_same_model() {
    let workshop = Workshop::new();
    let plain = lines(12, 3, 2);
    let named = format!("a,b,c\n{plain}");
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zipped = zipped.write_all(named.as_bytes()).and_then(|()| zipped.finish()).expect("memory takes everything");
    workshop.write("plain.csv", &plain);
    workshop.write("windows.csv", format!("\u{feff}{}", named.replace(',', ";").replace('\n', "\r\n")));
    workshop.write("words.tsv", plain.replace('0', "False").replace('1', "True").replace(',', "\t"));
    workshop.write("zipped.csv.gz", zipped);
    let train = |file: &str| {
        workshop.json(&words(&format!("train rbm --data {file} --hidden 2 --epochs 2 --no-report --out {file}.run")));
        workshop.read(&format!("{file}.run/model.gm"))
    };
    workshop.write("named.csv", &named);
    let tensors = |file: &str| workshop.json(&["inspect", &format!("{file}.run")])["tensors"].clone();
    let (plain, named) = (train("plain.csv"), train("named.csv"));
    assert_eq!(tensors("named.csv"), tensors("plain.csv"), "a header adds the names alone");
    for (file, expected) in [("windows.csv", &named), ("words.tsv", &plain), ("zipped.csv.gz", &named)] {
        assert_eq!(train(file), *expected, "{file}");
    }
}

#[test]
fn r20_sparse_files_have_the_units_of_the_model() {
    let workshop = Workshop::new();
    let sparse = |last: bool| -> String {
        let line =
            |row: u32| format!("{} {}:1 {}:1{}\n", row % 2, row % 4 + 1, row % 3 + 6, if last { " 12:1" } else { "" });
        (0..18).map(line).collect()
    };
    workshop.write("train.svm", sparse(true));
    workshop.write("test.svm", sparse(false));
    workshop.write("wide.svm", sparse(false) + "0 13:1\n");
    workshop.json(&words("train rbm --data train.svm --hidden 3 --epochs 1 --no-report --out run"));
    workshop.json(&words("train sbn --data train.svm --hidden 3 --epochs 1 --no-report --out sbn"));
    for line in [
        "eval run/model.gm --data test.svm --split all",
        "eval run/model.gm --data test.svm",
        "infer run/model.gm --data test.svm --split all --out h.npy",
        "complete run/model.gm --data test.svm --split all --mask random:0.3 --rows 0-5 --out c.npy",
        "eval sbn/model.gm --data test.svm",
        "report run --data test.svm",
        "finetune run/model.gm --data test.svm --epochs 1 --out tuned",
        "eval tuned/model.gm --data test.svm",
        "train dbm --data test.svm --hidden 3,2 --extend run --epochs 1 --no-report --out deeper",
        "train rbm --data test.svm --sparse-units 12 --hidden 3 --epochs 1 --no-report --out again",
    ] {
        workshop.json(&words(line));
    }
    assert_eq!(workshop.json(&words("inspect again/model.gm"))["layers"], json!([12, 3]));
    assert_eq!(workshop.array("h.npy").0, [18, 3]);
    let refused = workshop.refuses(&words("eval run/model.gm --data wide.svm --split all"));
    assert!(refused.contains("has 12 visible units, the data wide.svm have 13"), "{refused}");
    let refused = workshop.refuses(&words("eval run/model.gm --data digits --sparse-units 12"));
    assert!(refused.contains("--sparse-units: 12, allowed: 64 for these data"), "{refused}");
}

// ---- Masks and given values ----

#[test]
fn r20_masks_and_given_values_are_refused_with_file_and_option() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", lines(12, 4, 2));
    workshop.json(&words("train rbm --data rows.csv --hidden 2 --epochs 1 --no-report --out run"));
    workshop.write("mask.csv", "1,1,0,0\n");
    workshop.write("zeros.csv", "0,0,0,0\n");
    workshop.write("bytes.npy", npy("|u1", "(1, 4)", &[255, 255, 0, 0]));
    workshop.write("half.csv", "0.5,1,0,0\n");
    workshop.write("spins.csv", "1,-1,-1,1\n");
    workshop.write("nan.npy", npy("<f8", "(1, 4)", &doubles(&[f64::NAN, 0.0, 1.0, 1.0])));
    workshop.write("gap.csv", "?,0,1,1\n");
    let complete = |mask: &str| format!("complete run/model.gm --data rows.csv --rows 0,1 --mask {mask} --out c.npy");
    let sample =
        |clamp: &str, mask: &str| format!("sample run/model.gm -n 2 --clamp {clamp} --mask {mask} --out s.npy");
    for (line, says) in [
        (complete("bytes.npy"), "--mask: bytes.npy has value 255 at row 1, column 1, allowed: 0 and 1"),
        (sample("mask.csv", "bytes.npy"), "--mask: bytes.npy has value 255 at row 1, column 1, allowed: 0 and 1"),
        (sample("bytes.npy", "mask.csv"), "--clamp: bytes.npy has value 255 at row 1, column 1, allowed: 0 and 1"),
        (sample("half.csv", "mask.csv"), "--clamp: half.csv has value 0.5 at row 1, column 1, allowed: 0 and 1"),
        (sample("spins.csv", "mask.csv"), "--clamp: spins.csv has value -1 at row 1, column 2, allowed: 0 and 1"),
        (sample("nan.npy", "mask.csv"), "--clamp: nan.npy: value NaN at row 1, column 1: missing values are not taken"),
        (sample("gap.csv", "mask.csv"), "--clamp: gap.csv: value ? at row 1, column 1: missing values are not taken"),
        (complete("nan.npy"), "--mask: nan.npy: value NaN at row 1, column 1: missing values are not taken"),
        (complete("absent.csv"), "--mask: opening absent.csv: No such file"),
        (complete("zeros.csv"), "--mask: zeros.csv marks no unit, allowed: a mask that marks a unit or more"),
        (complete("random:0"), "--mask: random:0 marks no unit"),
        (sample("mask.csv", "zeros.csv"), "--mask: zeros.csv marks no unit"),
    ] {
        let refused = workshop.refuses(&words(&line));
        assert!(refused.contains(says) && !refused.contains("--binarise"), "{line}: {refused}");
    }
}

#[test]
fn table_masks_and_given_values_are_vectors_too() {
    let workshop = Workshop::new();
    workshop.write("rows.csv", lines(12, 4, 2));
    workshop.json(&words("train rbm --data rows.csv --hidden 2 --epochs 1 --no-report --out run"));
    workshop.write("row.csv", "1,0,0,0\n");
    workshop.write("column.csv", "1\n0\n0\n0\n");
    workshop.write("named.csv", "missing\nTrue\nFalse\nFalse\nFalse\n");
    workshop.write("vector.npy", npy("|u1", "(4,)", &[1, 0, 0, 0]));
    workshop.write("flags.npy", npy("|b1", "(4,)", &[1, 0, 0, 0]));
    workshop.write("column.npy", npy("<f8", "(4, 1)", &doubles(&[1.0, 0.0, 0.0, 0.0])));
    let complete = |mask: &str| {
        workshop.json(&words(&format!(
            "complete run/model.gm --data rows.csv --rows 0,1 --mask {mask} --steps 5 --out c.npy --force"
        )));
        workshop.read("c.npy")
    };
    let expected = complete("row.csv");
    for mask in ["column.csv", "named.csv", "vector.npy", "flags.npy", "column.npy"] {
        assert_eq!(complete(mask), expected, "{mask}");
    }
    workshop.write("given.npy", npy("|u1", "(4,)", &[0, 1, 1, 0]));
    workshop.json(&words("sample run/model.gm -n 3 --steps 2 --clamp given.npy --mask vector.npy --out s.npy"));
    assert!(workshop.array("s.npy").1.chunks(4).all(|row| row[1..] == [1.0, 1.0, 0.0]));
}
