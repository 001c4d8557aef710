//! The errors of the program, with their texts and exit statuses.

use crate::common::Workshop;

/// Asserts that a message has all these parts.
fn assert_parts(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn rejects_files_that_hold_no_sound_model() {
    let workshop = Workshop::with_model();
    let model = workshop.read("model.gm");
    workshop.write("cut.gm", &model[..300]);
    workshop.write("foreign.gm", "hello\n");
    let mut damaged = model.clone();
    damaged[200] ^= 1;
    workshop.write("damaged.gm", &damaged);
    // The envelope has 8 bytes of magic, then the format version.
    let newer = [&model[..8], &99_u32.to_le_bytes()[..], &model[12..]].concat();
    workshop.write("newer.gm", newer);
    for (file, says) in [
        ("cut.gm", "cut.gm: model file is truncated"),
        ("foreign.gm", "foreign.gm: not a model file"),
        ("damaged.gm", "damaged.gm: model file is damaged: its checksum"),
        ("newer.gm", "newer.gm: model file has format version 99, this program reads up to 1"),
        ("none.gm", "none.gm: No such file"),
    ] {
        assert_parts(&workshop.refuses(&["eval", file]), &[says]);
        assert_parts(&workshop.refuses(&["convert", file, "out.json"]), &[says]);
    }
    assert!(!workshop.path("out.json").exists());
}

#[test]
fn rejects_data_that_a_model_cannot_learn() {
    let workshop = Workshop::new();
    let rows = |last: &str| "0,1,1\n1,0,1\n".repeat(6) + last;
    workshop.write("seven.csv", rows("0,1,7\n"));
    workshop.write("word.csv", rows("0,x,1\n"));
    workshop.write("nan.csv", rows("0,nan,1\n"));
    workshop.write("ragged.csv", rows("0,1\n"));
    workshop.write("grey.csv", rows("0,0.5,1\n"));
    workshop.write("empty.csv", "");
    workshop.write("header.csv", "left,middle,right\n");
    workshop.write("two.csv", "0,1,1\n1,0,1\n");
    let cases: [(&str, &[&str]); 9] = [
        ("seven.csv", &["seven.csv: value 7 at row 13, column 3 lies outside 0..1", "--binarise threshold:T"]),
        ("word.csv", &["word.csv: line 13, column 2: `x` is not a number"]),
        ("nan.csv", &["nan.csv", "13"]),
        ("ragged.csv", &["ragged.csv: line 13 has 2 values, expected 3"]),
        ("empty.csv", &["empty.csv: holds no examples"]),
        ("header.csv", &["header.csv: holds no examples"]),
        ("two.csv", &["two.csv: 2 rows cannot be split, 6 or more"]),
        ("absent.csv", &["absent.csv: No such file"]),
        ("./", &["no training images"]),
    ];
    for (data, parts) in cases {
        assert_parts(&workshop.refuses(&["train", "rbm", "--data", data, "--out", "run"]), parts);
        assert!(!workshop.path("run").exists(), "{data} left a run behind");
    }
    let none = ["train", "rbm", "--data", "grey.csv", "--binarise", "none", "--out", "run"];
    assert_parts(&workshop.refuses(&none), &["grey levels", "`binarise` is none", "--binarise"]);
    let threshold = ["train", "rbm", "--data", "seven.csv", "--binarise", "threshold:2", "--epochs", "1"];
    workshop.dgm(&threshold).args(["--out", "run", "--quiet"]).assert().success();
}

#[test]
fn rejects_an_empty_split() {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path("set")).unwrap();
    // An IDX file has the type (bytes, 3 dimensions), then rows, height and width.
    let images =
        |rows: u8| [&[0, 0, 8, 3, 0, 0, 0, rows, 0, 0, 0, 1, 0, 0, 0, 2][..], &[0, 255].repeat(rows.into())].concat();
    workshop.write("set/train-images-idx3-ubyte", images(8));
    workshop.write("set/t10k-images-idx3-ubyte", images(0));
    for command in [&["train", "rbm", "--data", "set", "--out", "run"][..], &["data", "info", "set"]] {
        assert_parts(&workshop.refuses(command), &["t10k-images-idx3-ubyte: holds no examples"]);
    }
    assert!(!workshop.path("run").exists());
    workshop.write("set/t10k-images-idx3-ubyte", images(3));
    assert_eq!(workshop.json(&["data", "info", "set"])["test"]["rows"], 3);
}

#[test]
fn rejects_settings_out_of_range_with_their_flags() {
    let workshop = Workshop::new();
    let cases = [
        ("--hidden", "0", "`hidden` is 0, allowed: 1 or more; set it with --hidden"),
        ("--epochs", "0", "`epochs` is 0, allowed: 1 or more; set it with --epochs"),
        ("--batch-size", "0", "set it with --batch-size"),
        ("--chains", "0", "set it with --chains"),
        (
            "--learning-rate",
            "nan",
            "`learning_rate` is NaN, allowed: finite numbers above 0; set it with --learning-rate",
        ),
        ("--momentum", "1.5", "set it with --momentum"),
    ];
    for (flag, value, says) in cases {
        let line = workshop.refuses(&["train", "rbm", "--data", "digits", flag, value, "--out", "run"]);
        assert_parts(&line, &[says]);
        assert!(!workshop.path("run").exists(), "{flag} left a run behind");
    }
    let line = workshop.refuses(&["train", "rbm", "--data", "digits", "--optimiser", "adam", "--momentum", "0.5"]);
    assert_parts(&line, &["--momentum 0.5 needs --optimiser sgd"]);
}

#[test]
fn rejects_models_and_data_that_differ_in_units() {
    let workshop = Workshop::with_model();
    workshop.write("three.csv", "0,1,1\n1,0,1\n".repeat(10));
    let says = ["model.gm has 64 visible units", "three.csv have 3", "dgm inspect MODEL"];
    assert_parts(&workshop.refuses(&["eval", "model.gm", "--data", "three.csv"]), &says);
    assert_parts(&workshop.refuses(&["eval", "model.gm", "--data", "three.csv", "--split", "all"]), &says);
    assert_parts(&workshop.refuses(&["infer", "model.gm", "--data", "three.csv", "--out", "h.npy"]), &says);
    let complete = ["complete", "model.gm", "--data", "three.csv", "--mask", "random:0.5", "--out", "c.npy"];
    assert_parts(&workshop.refuses(&complete), &says);
    let sample = ["sample", "model.gm", "--clamp", "three.csv", "--mask", "random:0.5"];
    assert_parts(&workshop.refuses(&sample), &["--clamp: three.csv has 20 rows of 3 values", "rows of 64"]);
}

#[test]
fn rejects_a_folder_that_holds_a_run() {
    let workshop = Workshop::new();
    let train = ["train", "rbm", "--data", "bars-and-stripes:2", "--hidden", "2", "--epochs", "3", "--out", "run"];
    workshop.dgm(&train).assert().success();
    let model = workshop.read("run/model.gm");
    let says = ["run: already holds a run", "use --out RUN, or `dgm train --resume RUN`"];
    assert_parts(&workshop.refuses(&train), &says);
    assert_parts(&workshop.refuses(&["train", "--config", "run/config.toml", "--out", "run"]), &says);
    assert!(workshop.read("run/model.gm") == model, "the run was touched");
    assert_parts(
        &workshop.refuses(&["train", "--resume", "run"]),
        &["run: the run is finished after 3 epochs", "--config"],
    );
    assert_parts(&workshop.refuses(&["train", "--resume", "none"]), &["none: holds no run", "dgm train rbm"]);
    assert_parts(&workshop.refuses(&["train", "--config", "none.toml"]), &["none.toml: No such file"]);
    let reseeded = ["train", "--resume", "run", "--seed", "4"];
    assert_parts(&workshop.refuses(&reseeded), &["--seed: 4, allowed: none with --resume"]);
    let misspelt = workshop.text("run/config.toml").replace("hidden = ", "hiden = ");
    workshop.write("misspelt.toml", misspelt);
    assert_parts(&workshop.refuses(&["train", "--config", "misspelt.toml"]), &["misspelt.toml", "hiden"]);
}

#[test]
fn rejects_unknown_names_with_the_nearest() {
    let workshop = Workshop::with_model();
    let line = workshop.refuses(&["train", "rbm", "--data", "digts"]);
    assert_parts(&line, &["unknown data set `digts`, did you mean `digits`?", "dgm data list"]);
    let line = workshop.refuses(&["eval", "model.gm", "--data", "mnist"]);
    assert_parts(&line, &["data set `mnist` not found", "--data-dir or DGM_DATA"]);
    assert_parts(&workshop.misused(&["trian"]), &["a similar subcommand exists: 'train'"]);
    let line = workshop.misused(&["train", "rbm", "--data", "digits", "--hiden", "3"]);
    assert_parts(&line, &["a similar argument exists: '--hidden'"]);
    let line = workshop.misused(&["eval", "model.gm", "--data", "digits", "--split", "tset"]);
    assert_parts(&line, &["did you mean `test`?"]);
    let complete = ["complete", "model.gm", "--data", "digits", "--mask", "lower", "--out", "c.png"];
    assert_parts(&workshop.misused(&complete), &["`lower` is not left, right, top, bottom, random:P or a file"]);
    let line = workshop.misused(&["train", "rbm", "--data", "digits", "--binarise", "treshold"]);
    assert_parts(&line, &["did you mean `threshold`?"]);
}

#[test]
fn rejects_to_replace_files_unless_forced() {
    let workshop = Workshop::with_model();
    let commands: [&[&str]; 5] = [
        &["sample", "model.gm", "-n", "2", "--steps", "2", "--out", "there.csv"],
        &["infer", "model.gm", "--data", "digits", "--out", "there.csv"],
        &["complete", "model.gm", "--data", "digits", "--mask", "top", "--steps", "2", "--out", "there.csv"],
        &["eval", "model.gm", "--data", "digits", "--per-example", "there.csv"],
        &["inspect", "model.gm", "--filters", "there.png"],
    ];
    for command in commands {
        let file = command[command.len() - 1];
        workshop.write(file, "precious");
        assert_parts(&workshop.refuses(command), &[file, "exists already; pass --force to replace it"]);
        assert_eq!(workshop.text(file), "precious");
        workshop.dgm(command).arg("--force").assert().success();
        assert_ne!(workshop.read(file), b"precious");
    }
    workshop.write("there.json", "precious");
    assert_parts(&workshop.refuses(&["convert", "model.gm", "there.json"]), &["pass --force"]);
    workshop.dgm(&["convert", "model.gm", "there.json", "--force"]).assert().success();
    assert!(workshop.text("there.json").starts_with('{'));
}

#[test]
fn rejects_values_that_options_do_not_take() {
    let workshop = Workshop::with_model();
    let line = workshop.refuses(&["sample", "model.gm", "--out", "s.jpg"]);
    assert_parts(&line, &["--out: s.jpg ends in `jpg`, allowed: .png, .npy, .csv"]);
    assert_parts(&workshop.refuses(&["convert", "model.gm", "m.foo"]), &["m.foo, allowed: .gm, .safetensors, .npz"]);
    let rows = ["complete", "model.gm", "--data", "digits", "--mask", "left", "--rows", "0,900", "--out", "c.npy"];
    assert_parts(&workshop.refuses(&rows), &["--rows: row 900, allowed: 0 to 298 in the test split of digits"]);
    assert_parts(&workshop.refuses(&["eval", "model.gm", "--ais-runs", "0"]), &["set it with --ais-runs"]);
    let line = workshop.refuses(&["eval", "model.gm", "--ais-temperatures", "1"]);
    assert_parts(&line, &["set it with --ais-temperatures"]);
    assert_parts(&workshop.refuses(&["eval", "model.gm", "--data-dir", "x"]), &["--data-dir x needs --data"]);
    for arguments in [
        &["eval", "model.gm", "--exact", "--ais-runs", "3"][..],
        &["eval", "model.gm", "--data", "digits", "--exact", "--raise-walks", "3"],
        &["eval", "model.gm", "--split", "test"],
        &["eval", "model.gm", "--raise-walks", "3"],
        &["eval"],
        &["sample", "model.gm", "-n", "0"],
        &["--threads", "0", "data", "list"],
        &["train"],
        &["train", "rbm", "--data", "digits", "--nesterov"],
    ] {
        assert_parts(&workshop.misused(arguments), &["error:"]);
    }
}

#[test]
fn rejects_exact_evaluation_of_large_models_with_a_remedy() {
    let workshop = Workshop::new();
    let train = ["train", "rbm", "--data", "digits", "--hidden", "31", "--epochs", "1", "--out", "run", "--quiet"];
    workshop.dgm(&train).assert().success();
    let line = workshop.refuses(&["eval", "run/model.gm", "--data", "digits", "--exact"]);
    assert_parts(&line, &["31 units must be enumerated, at most 30 can be", "leave out --exact"]);
}
