//! Paths that are not UTF-8, folders of runs in the place of models, pipes, and outputs that cannot be written.

#![cfg(unix)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::Workshop;

const DGM: &str = env!("CARGO_BIN_EXE_dgm");

/// A name with the byte 0xff in it, as files from systems with Latin-1 names have.
fn odd(start: &str, end: &str) -> OsString {
    OsString::from_vec([start.as_bytes(), b"\xff", end.as_bytes()].concat())
}

/// A path of such a name in the workshop.
fn place(workshop: &Workshop, name: &OsString) -> PathBuf {
    workshop.path("").join(name)
}

/// Runs the program with words of which some may be no text.
fn run(workshop: &Workshop, words: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(DGM);
    command.current_dir(workshop.path("")).env_remove("DGM_DATA").env("HOME", workshop.path(""));
    command.args(words.iter().map(|word| word.as_ref())).output().expect("the program starts")
}

/// Runs a line in a shell, where `dgm` is the program.
fn shell(workshop: &Workshop, line: &str) -> Output {
    let line = format!("dgm() {{ {DGM} \"$@\"; }}; {line}");
    let mut command = Command::new("bash");
    command.args(["-c", &line]).current_dir(workshop.path("")).env_remove("DGM_DATA").env("HOME", workshop.path(""));
    command.output().expect("there is a shell")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
}

/// A workshop with a run, its model and rows of data.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    let train = "train rbm --data bars-and-stripes:3 --hidden 3 --epochs 1 --no-report --out run";
    workshop.dgm(&train.split(' ').collect::<Vec<_>>()).assert().success();
    fs::copy(workshop.path("run/model.gm"), workshop.path("model.gm")).expect("a copy of our own");
    workshop.write("rows.csv", "0,0,0,1,1,1,0,0,0\n1,1,1,0,0,0,1,1,1\n1,0,1,1,0,1,1,0,1\n".repeat(4));
    workshop
}

#[test]
fn law_outputs_under_names_that_are_not_utf8_are_whole_and_the_command_succeeds() {
    let workshop = workshop();
    let (csv, json, npy, png) = (odd("o", ".csv"), odd("o", ".json"), odd("o", ".npy"), odd("o", ".png"));
    let (model, folder, man, c) = (odd("m", ".gm"), odd("run", ""), odd("man", ""), odd("c", ".npy"));
    fs::copy(workshop.path("model.gm"), place(&workshop, &model)).expect("a copy of our own");
    let data: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"--data", &"rows.csv", &"--split", &"all"];
    let lines: [Vec<&dyn AsRef<std::ffi::OsStr>>; 12] = [
        vec![&"sample", &model, &"-n", &"2", &"--steps", &"9", &"--out", &csv],
        vec![&"convert", &model, &json],
        [vec![&"infer" as &dyn AsRef<std::ffi::OsStr>, &model], data.to_vec(), vec![&"--out", &npy]].concat(),
        [
            vec![&"complete" as &dyn AsRef<_>, &model, &"--rows=0-2", &"--mask=random:0.3"],
            data.to_vec(),
            vec![&"--out", &c],
        ]
        .concat(),
        vec![&"inspect", &model, &"--filters", &png],
        [vec![&"eval" as &dyn AsRef<std::ffi::OsStr>, &model], data.to_vec()].concat(),
        vec![&"train", &"rbm", &"--data", &"rows.csv", &"--hidden", &"3", &"--epochs", &"1", &"--out", &folder],
        vec![&"report", &folder],
        vec![&"eval", &folder],
        vec![&"man", &"--out", &man],
        [vec![&"complete" as &dyn AsRef<_>, &model, &"--mask", &c, &"--rows=0-2"], data.to_vec(), vec![&"--out=d.npy"]]
            .concat(),
        vec![&"sample", &model, &"-n", &"2", &"--clamp", &"zeros.csv", &"--mask", &csv],
    ];
    workshop.write("zeros.csv", "0,0,0,0,0,0,0,0,0\n");
    for (i, line) in lines.iter().enumerate() {
        let output = run(&workshop, line);
        // The means that the fourth line writes are no mask, and the eleventh says so.
        if i == 10 {
            assert_eq!(output.status.code(), Some(1));
            continue;
        }
        assert_done(&output);
        assert!(!said(&output).contains("panicked"));
    }
    let json_out = run(
        &workshop,
        &[&"infer", &model, &"--data", &"rows.csv", &"--split", &"all", &"--json", &"--out", &npy, &"--force"],
    );
    assert_done(&json_out);
    let document: serde_json::Value = serde_json::from_slice(&json_out.stdout).expect("one document");
    assert_eq!(document["out"], "o\u{fffd}.npy");
    for name in [&csv, &json, &npy, &png, &c] {
        assert!(fs::metadata(place(&workshop, name)).expect("the file is there").len() > 0, "{name:?}");
    }
    assert!(place(&workshop, &folder).join("report.html").exists() && place(&workshop, &man).join("dgm.1").exists());
}

#[test]
fn rejects_paths_that_a_configuration_cannot_hold_by_their_names() {
    let workshop = workshop();
    let (model, weights, folder, data) = (odd("m", ".gm"), odd("w", ".csv"), odd("d", ""), odd("r", ".csv"));
    fs::copy(workshop.path("model.gm"), place(&workshop, &model)).expect("a copy of our own");
    fs::write(place(&workshop, &weights), "1\n".repeat(12)).expect("a file of our own");
    fs::create_dir_all(place(&workshop, &folder).join("mnist")).expect("a folder of our own");
    fs::write(place(&workshop, &data), workshop.read("rows.csv")).expect("a file of our own");
    let extend = |kind: &'static str| -> Vec<Box<dyn AsRef<std::ffi::OsStr>>> {
        let words = ["train", kind, "--data", "rows.csv", "--hidden", "3,2", "--epochs", "1", "--out", "a", "--extend"];
        let words = words.into_iter().map(|word| Box::new(word) as Box<dyn AsRef<std::ffi::OsStr>>);
        words.chain([Box::new(model.clone()) as Box<dyn AsRef<_>>]).collect()
    };
    let (dbm, dbn) = (extend("dbm"), extend("dbn"));
    let own = |words: &[Box<dyn AsRef<std::ffi::OsStr>>]| {
        let words: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(AsRef::as_ref).collect();
        run(&workshop, &words)
    };
    let rbm: [&dyn AsRef<std::ffi::OsStr>; 7] = [&"train", &"rbm", &"--hidden", &"3", &"--epochs=1", &"--out", &"a"];
    let with = |more: &[&dyn AsRef<std::ffi::OsStr>]| run(&workshop, &[&rbm[..], more].concat());
    let labelled = [&"finetune" as &dyn AsRef<_>, &model, &"--data", &"rows.csv", &"--epochs", &"1", &"--out", &"a"];
    for (output, names) in [
        (own(&dbm), "`start` is m\u{fffd}.gm, allowed: a path in UTF-8, as config.toml is; set it with --extend"),
        (own(&dbn), "`start` is m\u{fffd}.gm, allowed: a path in UTF-8, as config.toml is; set it with --extend"),
        (with(&[&"--data", &"rows.csv", &"--weights", &weights]), "w\u{fffd}.csv, allowed: a path in UTF-8"),
        (with(&[&"--data", &"rows.csv", &"--valid", &data]), "r\u{fffd}.csv, allowed: a path in UTF-8"),
        (with(&[&"--data", &"rows.csv", &"--test", &data]), "r\u{fffd}.csv, allowed: a path in UTF-8"),
        (run(&workshop, &labelled), "m\u{fffd}.gm, allowed: a path in UTF-8, as config.toml is"),
    ] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).starts_with("dgm: error: ") && said(&output).contains(names), "{}", said(&output));
        assert!(!workshop.path("a").exists(), "{names}");
    }
    // A specification of data is a text.
    for output in [
        with(&[&"--data", &data]),
        run(&workshop, &[&"eval", &"model.gm", &"--data", &data]),
        run(&workshop, &[&"data", &"info", &data]),
    ] {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("r\u{fffd}.csv is not UTF-8; rename the file"), "{}", said(&output));
    }
    // Folders of known sets that the data do not need are no reason to refuse a run.
    let mut command = Command::new(DGM);
    let words = ["train", "rbm", "--data", "rows.csv", "--hidden", "3", "--epochs", "1", "--no-report", "--out", "a"];
    let output = command.args(words).current_dir(workshop.path("")).env("HOME", place(&workshop, &folder)).output();
    assert_done(&output.expect("the program starts"));
    assert!(!workshop.text("a/config.toml").contains("cache_dir"));
}

#[test]
fn law_a_folder_whose_name_is_not_utf8_can_be_worked_in() {
    let workshop = workshop();
    let inside = place(&workshop, &odd("in", ""));
    fs::create_dir(&inside).expect("a folder of our own");
    fs::write(inside.join("rows.csv"), workshop.read("rows.csv")).expect("a file of our own");
    fs::copy(workshop.path("model.gm"), inside.join("model.gm")).expect("a copy of our own");
    for line in [
        "train rbm --data rows.csv --hidden 3 --epochs 1 --out run",
        "train dbn --data rows.csv --hidden 3,2 --epochs 1 --extend model.gm --no-report --out deeper",
        "eval run --data rows.csv",
        "report run",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = Command::new(DGM).args(words).current_dir(&inside).env("HOME", workshop.path("")).output();
        assert_done(&output.expect("the program starts"));
    }
    assert!(fs::read_to_string(inside.join("run/config.toml")).expect("a file").contains("spec = \"rows.csv\""));
    assert!(inside.as_os_str().as_bytes().contains(&0xff));
}

#[test]
fn law_the_folder_of_a_run_stands_for_its_model() {
    let workshop = workshop();
    for line in [
        "eval run --data bars-and-stripes:3",
        "eval run/",
        "sample run -n 2 --steps 9",
        "infer run --data bars-and-stripes:3 --out h.npy",
        "complete run --data bars-and-stripes:3 --mask random:0.5 --rows 0 --steps 9 --out c.npy",
        "inspect run",
        "convert run model.json",
        "report run",
        "train dbm --data bars-and-stripes:3 --hidden 3,2 --extend run --epochs 1 --no-report --out deeper",
    ] {
        assert_done(&shell(&workshop, &format!("dgm {line}")));
    }
    fs::create_dir(workshop.path("empty")).expect("a folder of our own");
    fs::remove_file(workshop.path("run/model.gm")).expect("a file of our own");
    let unfinished = workshop.refuses(&["eval", "run"]);
    assert_eq!(unfinished, "run has no model.gm yet; finish the run with `dgm train --resume RUN`");
    for line in ["sample empty", "inspect empty", "convert empty x.gm", "eval empty --data digits"] {
        let line = workshop.refuses(&line.split(' ').collect::<Vec<_>>());
        assert!(line.starts_with("empty: holds no run, config.toml is not there"), "{line}");
    }
}

#[test]
fn law_data_and_models_come_through_pipes() {
    let workshop = workshop();
    workshop.write("rows.amat", workshop.text("rows.csv").replace(',', " "));
    workshop.write("rows.libsvm", "1 1:1 3:1\n0 2:1 9:1\n".repeat(6));
    let written = shell(
        &workshop,
        "dgm infer model.gm --data rows.csv --split all --out rows.npy && dgm sample model.gm -n 12 --out s.npy",
    );
    assert_done(&written);
    let eval = |how: &str| {
        let output = shell(&workshop, how);
        assert_done(&output);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        (document["mean_log_prob"]["value"].clone(), document["data"]["source"].clone())
    };
    let (of_file, _) = eval("dgm eval model.gm --data rows.csv --json");
    for how in [
        "cat rows.csv | dgm eval model.gm --data - --json",
        "cat rows.csv | dgm eval model.gm --data /dev/stdin --json",
        "dgm eval model.gm --data - --json < rows.csv",
        "cat rows.amat | dgm eval model.gm --data - --json",
        "dgm eval <(cat model.gm) --data <(cat rows.csv) --json",
        "mkfifo pipe.csv; cat rows.csv > pipe.csv & dgm eval model.gm --data pipe.csv --json",
    ] {
        let (value, source) = eval(how);
        assert_eq!(value, of_file, "{how}");
        assert!(source.as_str().is_some_and(|name| name.starts_with("/dev/") || name == "pipe.csv"), "{source}");
    }
    for (file, rows) in [("rows.libsvm", "rows.libsvm"), ("s.npy", "s.npy")] {
        let piped = eval(&format!("cat {file} | dgm eval model.gm --data - --json"));
        assert_eq!(piped.0, eval(&format!("dgm eval model.gm --data {rows} --json")).0, "{file}");
    }
    assert_done(&shell(
        &workshop,
        "cat rows.csv | dgm train rbm --data - --hidden 2 --epochs 1 --no-report --out piped",
    ));
    let wrong = shell(&workshop, "printf '0,1\\n0,x\\n' | dgm data info -");
    assert!(said(&wrong).contains("/dev/stdin: line 2, column 2: `x` is not a number"), "{}", said(&wrong));
}

#[test]
fn rejects_pipes_devices_and_folders_in_the_place_of_files_that_are_written() {
    let workshop = workshop();
    fs::create_dir(workshop.path("folder.csv")).expect("a folder of our own");
    assert_done(&shell(&workshop, "mkfifo pipe.npy"));
    for (line, names) in [
        (
            "dgm sample model.gm -n 2 --out /dev/stdout | cat",
            "--out: /dev/stdout is a pipe or a device, allowed: a file",
        ),
        ("dgm sample model.gm -n 2 --out >(cat)", "is a pipe or a device, allowed: a file"),
        (
            "dgm infer model.gm --data rows.csv --split all --out pipe.npy --force",
            "--out: pipe.npy is a pipe or a device",
        ),
        ("dgm eval model.gm --data rows.csv --per-example folder.csv --force", "--per-example: folder.csv is a folder"),
        ("dgm convert model.gm /dev/null", "OUT: /dev/null, allowed: .gm"),
        ("ln -s pipe.npy link.npz; dgm convert model.gm link.npz --force", "OUT: link.npz is a pipe or a device"),
        (
            "dgm finetune <(cat model.gm) --data digits",
            "MODEL: /dev/fd/63 is a pipe or a device, allowed: a file, which",
        ),
        (
            "dgm train dbm --data rows.csv --hidden 3,2 --extend <(cat model.gm) --out a",
            "--extend: /dev/fd/63 is a pipe",
        ),
        ("dgm sample model.gm -n 2 --out samples", "--out: samples has no extension, allowed: .png, .npy, .csv"),
    ] {
        let output = shell(&workshop, line);
        assert!(said(&output).contains(names), "{line}: {}", said(&output));
    }
    assert!(fs::symlink_metadata(workshop.path("pipe.npy")).is_ok_and(|found| !found.is_file()), "the pipe is there");
}

#[test]
fn law_outputs_that_cannot_be_written_end_no_job() {
    let workshop = workshop();
    // `warned` warns, and `told` shows progress and results.
    let told =
        |out: &str| format!("dgm train rbm --data bars-and-stripes:3 --hidden 3 --epochs 2 --verbose --out {out}");
    let lines = [
        (format!("{} 2>/dev/full", told("a")), 0, "a/report.html"),
        (format!("{} 2>&-", told("b")), 0, "b/report.html"),
        (format!("{} >&-", told("c")), 0, "c/report.html"),
        (format!("{} >/dev/full", told("d")), 1, "d/report.html"),
        (format!("{} | true; exit ${{PIPESTATUS[0]}}", told("e")), 0, "e/report.html"),
        (format!("{} 2>&1 >/dev/null | true; exit ${{PIPESTATUS[0]}}", told("f")), 0, "f/report.html"),
        ("dgm sample model.gm -n 3 --out s.npy >/dev/full 2>/dev/full".into(), 1, "s.npy"),
        (
            "dgm eval model.gm --data bars-and-stripes:3 --ais-runs 2 --ais-temperatures 3 --out e.json 2>/dev/full"
                .into(),
            0,
            "e.json",
        ),
        ("dgm eval none.gm 2>/dev/full".into(), 1, "model.gm"),
        ("dgm --help >/dev/full 2>/dev/full".into(), 0, "model.gm"),
        ("dgm eval --no-such-option >/dev/full 2>/dev/full".into(), 2, "model.gm"),
    ];
    for (line, status, file) in lines {
        let output = shell(&workshop, &line);
        assert_eq!(output.status.code(), Some(status), "{line}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{line}: {}", said(&output));
        assert!(workshop.path(file).exists(), "{line}");
    }
}

#[test]
fn law_an_interrupted_file_leaves_nothing_behind() {
    let workshop = workshop();
    for signal in ["-INT", "-TERM"] {
        for steps in ["10000000000", "0"] {
            let words =
                ["sample", "model.gm", "-n", "100000000", "--chains", "1000", "--steps", steps, "--out", "s.npy"];
            let mut command = Command::new(DGM);
            command.args(words).current_dir(workshop.path("")).stderr(Stdio::null());
            let mut child = command.spawn().expect("the program starts");
            std::thread::sleep(std::time::Duration::from_millis(700));
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
            assert!(sent.success());
            assert_eq!(child.wait().expect("a child can be waited for").code(), Some(130), "{signal}, {steps} steps");
            let names = fs::read_dir(workshop.path("")).expect("a folder").flatten().map(|entry| entry.file_name());
            let left: Vec<_> =
                names.filter(|name| name.to_string_lossy().contains("unfinished") || name == "s.npy").collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}
