//! Aligned sequences through the program: description, weights of similar ones, training, samples with given letters, and
//! sequences that are written and read back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::{Workshop, number};

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Sequences of two kinds, of which one is frequent; the third column varies.
fn family(letters: [&str; 2]) -> String {
    let line = |i: usize| {
        let letter = letters[usize::from(i % 4 == 3)];
        let (start, free) = (letter.repeat(2), ["A", "C", "G", "-"][i / 4 % 4]);
        format!(">s{i} of the family\n{start}{free}{start}\n")
    };
    (0..48).map(line).collect()
}

/// The sequences of a FASTA file, without their headers.
fn sequences(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    for (i, pair) in lines.chunks(2).enumerate() {
        assert_eq!((pair.len(), pair[0]), (2, format!(">sample{}", i + 1).as_str()));
    }
    lines.into_iter().skip(1).step_by(2).collect()
}

#[test]
fn law_sequences_travel_from_a_file_through_a_model_into_a_file() {
    let workshop = Workshop::new();
    workshop.write("family.fasta", family(["W", "Y"]));
    let trained = workshop.json(&words(
        "train rbm --data family.fasta --visible softmax --hidden 3 --epochs 1500 --learning-rate 0.2 --no-report --out run",
    ));
    assert_eq!((&trained["layers"], &trained["data"]["weights"]), (&json!([105, 3]), &Value::Null));
    let inspected = workshop.json(&words("inspect run"));
    assert_eq!(inspected["visible"], "softmax:21");
    assert_eq!(inspected["metadata"]["alphabet"], "-ACDEFGHIKLMNPQRSTVWY");
    assert_eq!(inspected["columns"], json!(["p1", "p2", "p3", "p4", "p5"]));
    assert!(workshop.says(&words("inspect run")).contains("=W "), "no hidden unit is described by a letter");
    let drawn = workshop.json(&words("sample run -n 200 --steps 200 --out drawn.fasta --seed 3"));
    assert_eq!((&drawn["samples"], &drawn["out"]), (&json!(200), &json!("drawn.fasta")));
    let text = workshop.text("drawn.fasta");
    let found = sequences(&text);
    assert!(found.len() == 200 && found.iter().all(|sequence| sequence.len() == 5));
    let whole =
        found.iter().filter(|sequence| ["WW", "YY"].contains(&&sequence[..2]) && sequence[..2] == sequence[3..]);
    assert!(whole.count() > 120, "{text}");
    // The samples of another format have the same categories, since the seed is the same.
    workshop.says(&words("sample run -n 200 --steps 200 --out drawn.csv --seed 3"));
    let table = workshop.text("drawn.csv");
    let first: Vec<usize> =
        table.lines().nth(1).expect("a row").split(',').map(|x| x.parse().expect("a number")).collect();
    let letters: String = first.iter().map(|&k| char::from(b"-ACDEFGHIKLMNPQRSTVWY"[k])).collect();
    assert_eq!((table.lines().next(), letters.as_str()), (Some("p1,p2,p3,p4,p5"), found[0]));
    let scores = ["drawn.fasta", "drawn.csv"].map(|data| {
        workshop.json(&["eval", "run", "--data", data, "--split", "all"])["mean_log_prob"]["value"].clone()
    });
    assert!(scores[0].is_number() && scores[0] == scores[1], "{scores:?}");
    // Shards divide the same work.
    workshop.says(&words("sample run -n 9 --shards 2 --steps 20 --out parts.fasta"));
    assert_eq!(sequences(&workshop.text("parts.fasta")).len(), 9);
    workshop.says(&words("complete run --data family.fasta --rows 0-3 --mask random:0.4 --out whole.fasta"));
    let text = workshop.text("whole.fasta");
    assert!(text.starts_with(">row1\n") && text.lines().count() == 8, "{text}");
    workshop.write("last.csv", "0,0,0,1,1\n");
    workshop.says(&words("complete run --data family.fasta --rows 0-3 --mask last.csv --out last.fasta"));
    let completed = workshop.text("last.fasta");
    assert!(completed.lines().skip(1).step_by(2).all(|text| text[..2] == text[3..]), "{completed}");
    workshop.says(&words("complete run --data family.fasta --mask random:0.4 --out whole.csv"));
    assert!(workshop.text("whole.csv").starts_with("p1=-,p1=A,"));
}

#[test]
fn law_given_letters_stay_where_the_mask_keeps_them() {
    let workshop = Workshop::new();
    workshop.write("family.fasta", family(["W", "Y"]));
    workshop
        .says(&words("train rbm --data family.fasta --visible softmax --hidden 2 --epochs 2 --no-report --out run"));
    workshop.write("given.fasta", ">given\nDW--K\n");
    workshop.write("free.csv", "0,0,1,1,0\n");
    workshop.says(&words("sample run -n 40 --steps 30 --clamp given.fasta --mask free.csv --out drawn.fasta"));
    let text = workshop.text("drawn.fasta");
    let found = sequences(&text);
    assert!(found.iter().all(|sequence| sequence.starts_with("DW") && sequence.ends_with('K')), "{text}");
    assert!(found.iter().any(|sequence| &sequence[2..4] != "--"), "the free columns did not move");
    // Numbers of categories keep the same letters, and each sample may have a row of its own.
    workshop.write("given.csv", "3,19,0,0,9\n4,19,0,0,9\n");
    workshop.says(&words("sample run -n 2 --steps 9 --clamp given.csv --mask free.csv --out two.fasta"));
    let text = workshop.text("two.fasta");
    assert_eq!(sequences(&text).iter().map(|sequence| &sequence[..2]).collect::<Vec<_>>(), ["DW", "EW"]);
}

#[test]
fn law_the_alphabet_of_a_model_is_that_of_its_data() {
    let workshop = Workshop::new();
    workshop.write("family.sto", {
        let lines: String = family(["U", "G"]).split('>').skip(1).map(|s| s.replace(" of the family\n", " ")).collect();
        format!("# STOCKHOLM 1.0\n{lines}//\n")
    });
    let train =
        "train rbm --data family.sto --alphabet rna --visible softmax --hidden 2 --epochs 2 --no-report --out run";
    let said = workshop.says(&words(train));
    assert!(said.contains("family.sto --alphabet rna"), "the next command lacks the alphabet: {said}");
    assert!(said.contains("48 of 5 columns, rna -ACGU, 5.0 % gaps"), "{said}");
    assert!(workshop.text("run/config.toml").contains("alphabet = \"rna\""));
    let inspected = workshop.json(&words("inspect run"));
    assert_eq!((&inspected["visible"], &inspected["metadata"]["alphabet"]), (&json!("softmax:5"), &json!("-ACGU")));
    // Other commands read letters as the model does.
    for command in [
        "eval run --data family.sto",
        "eval run --data family.sto --split all",
        "infer run --data family.sto --out h.npy",
    ] {
        workshop.says(&words(command));
    }
    workshop.write("given.fasta", ">given\nUUUUU\n");
    workshop.write("free.csv", "0,0,1,0,0\n");
    workshop.says(&words("sample run -n 5 --steps 9 --clamp given.fasta --mask free.csv --out drawn.fasta"));
    assert!(sequences(&workshop.text("drawn.fasta")).iter().all(|sequence| sequence.starts_with("UU")));
    // A run that extends the model reads them so as well, and resumes without it.
    let more =
        "train dbm --data family.sto --extend run --visible softmax --hidden 2,2 --epochs 2 --no-report --out more";
    workshop.says(&words(more));
    assert!(workshop.text("more/config.toml").contains("alphabet = \"rna\""));
    let error = workshop.refuses(&words("eval run --data family.sto --alphabet protein"));
    assert!(error.contains("is no category"), "{error}");
    // Nothing but the letters tells that the sequences are no proteins.
    let done = workshop.dgm(&words("data info family.sto")).assert().success();
    let warned = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(
        warned.contains("have only letters of nucleotides and are read as proteins; pass --alphabet rna"),
        "{warned}"
    );
    let done = workshop.dgm(&words("data info family.sto --alphabet protein")).assert().success();
    assert!(done.get_output().stderr.is_empty());
}

#[test]
fn law_weights_by_identity_are_told_and_repeat() {
    let workshop = Workshop::new();
    workshop.write("family.fasta", family(["W", "Y"]));
    let info = workshop.json(&words("data info family.fasta --weights identity:0.8"));
    // Of either kind at least four of five letters are equal.
    assert!((number(&info, "/train/effective_rows") - 2.0).abs() < 1e-9, "{info:#}");
    assert_eq!((&info["weights"], &info["valid"]["effective_rows"]), (&json!("identity:0.8"), &Value::Null));
    let said = workshop.says(&words("data info family.fasta --weights identity"));
    assert!(said.contains("identity:0.8: 2.0 effective rows of 32 training rows"), "{said}");
    assert!(said.contains("letters of sequences, as categories from 0 to 20; needs --visible softmax"), "{said}");
    assert!(said.contains("48 of 5 columns, protein -ACDEFGHIKLMNPQRSTVWY, 5.0 % gaps"), "{said}");
    let common = "--data family.fasta --visible softmax --hidden 2 --epochs 3 --no-report";
    let train = |more: &str| {
        words(&format!("train rbm {common} {more}")).iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let run = |more: &str| {
        let words = train(more);
        workshop.says(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let said = run("--weights identity:0.8 --out run");
    assert!(said.contains("identity:0.8: 2.0 effective rows of 32 training rows"), "{said}");
    assert!(workshop.text("run/config.toml").contains("weights = \"identity:0.8\""));
    workshop.says(&words("train --config run/config.toml --no-report --out again"));
    run("--weights identity:0.8 --threads 1 --out single");
    run("--out plain");
    for (name, same) in [("again", true), ("single", true), ("plain", false)] {
        assert_eq!(workshop.read("run/model.gm") == workshop.read(&format!("{name}/model.gm")), same, "{name}");
    }
    // Binary rows have such weights too, and a file is still a file.
    let bars = workshop.json(&words("data info bars-and-stripes:3 --weights identity:0.9"));
    assert!((number(&bars, "/train/effective_rows") - 14.0).abs() < 1e-9, "two of sixteen pictures occur twice");
    workshop.write("w.csv", "1\n".repeat(16));
    let said = workshop.says(&words("data info bars-and-stripes:3 --weights w.csv"));
    assert!(said.contains("those of w.csv") && !said.contains("effective"), "{said}");
}

#[test]
fn rejects_what_does_not_go_with_sequences() {
    let workshop = Workshop::with_model();
    workshop.write("family.fasta", family(["W", "Y"]));
    workshop.write("short.fasta", ">a\nACD\n>b\nAC\n");
    workshop.write("odd.fasta", ">a\nAC1\n");
    workshop.write("rows.csv", "0,1\n1,0\n".repeat(6));
    workshop
        .says(&words("train rbm --data family.fasta --visible softmax --hidden 2 --epochs 1 --no-report --out run"));
    workshop
        .says(&words("train rbm --data rows.csv --visible softmax:3 --hidden 2 --epochs 1 --no-report --out three"));
    let categories = "holds sequences, whose letters are categories and no numbers; softmax units take them, as in `dgm \
                      train rbm --visible softmax`";
    for (command, says) in [
        ("train rbm --data family.fasta --out a", categories),
        ("train sbn --data family.fasta --out a", categories),
        ("train rbm --data family.fasta --visible gaussian --out a", "holds sequences, whose letters are categories"),
        (
            "train rbm --data family.fasta --visible softmax:20 --out a",
            "is no category; categories are whole numbers from 0 to 19",
        ),
        (
            "data info short.fasta",
            "sequence `b` (line 3) has 2 columns, expected 3 as the first sequence; align the sequences first",
        ),
        (
            "data info odd.fasta",
            "has `1` at position 3, which the alphabet protein lacks; name the alphabet with --alphabet",
        ),
        (
            "data info rows.csv --alphabet rna",
            "allowed: nothing, except for sequences (.fasta, .a2m, .sto and their relatives); leave out --alphabet",
        ),
        ("data info rows.csv --unknown-letters drop", "leave out --unknown-letters"),
        ("data info rows.csv --inserts keep", "leave out --inserts"),
        ("data info family.fasta --header no", "leave out --header"),
        ("train rbm --data digits --weights identity:0.8 --out a", "for digits, which has grey levels"),
        ("sample model.gm --out drawn.fasta", "allowed: a .fasta file for a model whose visible units"),
        ("sample three --out drawn.fasta", "allowed: a .fasta file for a model whose visible units"),
        ("sample run --means --out drawn.fasta", "allowed: a .fasta file of states, without --means"),
        ("complete model.gm --data digits --mask bottom --out drawn.fasta", "allowed: a .fasta file for a model"),
        (
            "train rbm --data family.fasta --visible softmax --weights family.fasta --out a",
            "it holds sequences, expected a number a row",
        ),
    ] {
        let error = workshop.refuses(&words(command));
        assert!(error.contains(says), "{command}: {error}");
    }
    let misused = workshop.misused(&words("train rbm --data family.fasta --weights identity:2 --out a"));
    assert!(misused.contains("allowed: a share above 0 and at most 1"), "{misused}");
    let misused = workshop.misused(&words("data info family.fasta --alphabet proteins"));
    assert!(misused.contains("did you mean `protein`?"), "{misused}");
    assert!(!workshop.path("a").exists() && !workshop.path("drawn.fasta").exists());
}

#[test]
fn table_the_ww_family_takes_the_whole_road() {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("GM_SHARED").map_or(near, PathBuf::from);
    let file = folder.join("protein_ww/PF00397_ww.fasta");
    let (Some(data), true) = (file.to_str(), file.is_file()) else {
        eprintln!("skipped: no protein_ww in {}; set GM_SHARED to a folder of data sets", folder.display());
        return;
    };
    let workshop = Workshop::new();
    let train =
        "--visible softmax --weights identity:0.8 --hidden 10 --epochs 1 --batch-size 1000 --no-report --out run";
    let trained = workshop.json(&[&["train", "rbm", "--data", data][..], &words(train)].concat());
    assert_eq!((&trained["layers"], &trained["data"]["rows"]), (&json!([651, 10]), &json!(11_489)));
    let effective = number(&trained, "/data/effective_rows");
    assert!((1_000.0..3_000.0).contains(&effective), "{effective}");
    workshop.says(&words("sample run -n 20 --steps 20 --out drawn.fasta"));
    assert!(sequences(&workshop.text("drawn.fasta")).iter().all(|sequence| sequence.len() == 31));
    let info = workshop.json(&words("data info drawn.fasta"));
    assert_eq!(info["readings"][0]["sequences"]["columns"], 31);
}

#[test]
fn law_gauges_logos_and_contacts_describe_a_family() {
    let workshop = Workshop::new();
    workshop.write("family.fasta", family(["W", "Y"]));
    workshop.says(&words(
        "train rbm --data family.fasta --visible softmax --hidden 3 --epochs 1500 --learning-rate 0.2 --out run",
    ));
    let page = workshop.text("run/report.html");
    assert_eq!(page.matches("Sequence logo of the weights of hidden unit").count(), 3);
    // The gauge changes weights and no score.
    workshop.says(&words("convert run flat.gm --gauge zero-sum"));
    workshop.says(&words("convert run first.json --gauge reference:0"));
    let rows = |model: &str| {
        workshop.says(&[
            "eval",
            model,
            "--data",
            "family.fasta",
            "--split",
            "all",
            "--per-example",
            "rows.csv",
            "--force",
        ]);
        workshop.text("rows.csv").lines().map(|x| x.parse::<f64>().expect("a number")).collect::<Vec<_>>()
    };
    let (own, flat, first) = (rows("run"), rows("flat.gm"), rows("first.json"));
    for (a, (b, c)) in own.iter().zip(flat.iter().zip(&first)) {
        assert!((a - b).abs() < 1e-4 && (a - c).abs() < 1e-4, "{a} {b} {c}");
    }
    let tensors = |model: &str| workshop.json(&["inspect", model])["tensors"].clone();
    assert_ne!(tensors("run"), tensors("flat.gm"));
    assert!(number(&tensors("flat.gm"), "/0/mean").abs() < 1e-6, "{}", tensors("flat.gm"));
    let said =
        workshop.json(&words("inspect run --logos logos.svg --data family.fasta --split all --contacts pairs.csv"));
    assert_eq!((&said["logos"], &said["contacts"]), (&json!("logos.svg"), &json!("pairs.csv")));
    let drawn = workshop.text("logos.svg");
    assert!(
        drawn.starts_with("<svg xmlns=") && drawn.contains(">W</text>") && drawn.contains("hidden unit 2"),
        "{drawn}"
    );
    let pairs = workshop.text("pairs.csv");
    let lines: Vec<Vec<&str>> = pairs.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines[0].as_slice(), lines.len()), (["first", "second", "score", "norm"].as_slice(), 11));
    // The third column depends on none of the others.
    let weak: Vec<&str> = {
        let norm = |line: &Vec<&str>| line[3].parse::<f64>().expect("a norm");
        let mut order: Vec<_> = lines[1..].iter().collect();
        order.sort_by(|a, b| norm(a).total_cmp(&norm(b)));
        order[..4].iter().map(|line| if line[0] == "3" { line[0] } else { line[1] }).collect()
    };
    assert_eq!(weak, ["3"; 4], "{pairs}");
    // Again only with --force.
    let again = workshop.refuses(&words("inspect run --logos logos.svg"));
    assert!(again.contains("logos.svg") && again.contains("--force"), "{again}");
    workshop.says(&words("inspect run --logos logos.svg --force"));
}

#[test]
fn rejects_gauges_logos_and_contacts_of_models_without_groups() {
    let workshop = Workshop::new();
    workshop.write("family.fasta", family(["W", "Y"]));
    workshop
        .says(&words("train rbm --data family.fasta --visible softmax --hidden 2 --epochs 1 --no-report --out run"));
    workshop.says(&words("train rbm --data digits --hidden 4 --epochs 1 --no-report --out bits"));
    for line in [
        "inspect bits --logos bits.svg",
        "inspect bits --data digits --contacts bits.csv",
        "convert bits bits.json --gauge zero-sum",
        "convert run out.json --gauge reference:21",
    ] {
        let option = line.split_whitespace().find(|word| ["--logos", "--contacts", "--gauge"].contains(word));
        let said = workshop.refuses(&words(line));
        assert!(said.contains(option.expect("an option")) && said.contains("allowed"), "{line}: {said}");
    }
}
