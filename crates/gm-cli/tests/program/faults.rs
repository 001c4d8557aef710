//! Faults around the program: full disks, folders that cannot be written or are gone, two runs in one place. The tests
//! cause each fault, and the program's messages are the table in the book.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::Workshop;
use gm_testkit::{check_part, markdown_table};

const DGM: &str = env!("CARGO_BIN_EXE_dgm");

/// A time that is longer than any computer should need.
const PATIENCE: Duration = Duration::from_secs(60);

/// A training run with checkpoints close to each other.
fn train<'a>(epochs: &'a str, out: &'a str) -> Vec<&'a str> {
    let fixed = ["train", "rbm", "--data", "digits", "--hidden", "200", "--checkpoint-every", "5", "--seed", "5"];
    [&fixed[..], &["--epochs", epochs, "--out", out]].concat()
}

/// Runs a line of the shell in the workshop, in which `$DGM` is the program.
fn shell(workshop: &Workshop, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(workshop.path("")).env("DGM", DGM);
    command.output().expect("there is a shell")
}

/// The program's message on standard error, without its name.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rev().find_map(|line| line.strip_prefix("dgm: error: "));
    assert!(line.is_some(), "no error: {output:?}");
    line.unwrap_or_default().to_owned()
}

/// The folder and its models, to see that they stay as they are.
fn bytes_of(workshop: &Workshop, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| workshop.read(name)).collect()
}

fn hidden_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a readable folder").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".unfinished-")).count()
}

/// One row of the table: the fault, the message, and the state of the files afterwards.
type Row = [String; 3];

/// The message, without the name of a file that differs each time.
fn row(fault: &str, said: impl Into<String>, files: &str) -> Row {
    let said = said.into().replace('`', "'");
    let said = said.split(" at path \"").next().unwrap_or_default();
    [fault.into(), format!("`{said}`"), files.into()]
}

/// The row of the book, for a fault that cannot be caused on this computer.
#[expect(clippy::print_stdout, reason = "a fault that was not tried is told")]
fn row_of_the_book(fault: &str) -> Row {
    println!("not tried: no disk can be mounted here for `{fault}`");
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reliability.md");
    let text = fs::read_to_string(chapter).expect("the chapter is there");
    let line = text.lines().find(|line| line.starts_with(&format!("| {fault} | "))).expect("the chapter has the row");
    let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    cells.try_into().expect("a row has three cells")
}

/// A text with `N` for each number, for messages whose numbers differ each time.
fn without_numbers(text: &str) -> String {
    let mut numberless = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        numberless.push_str(if rest.len() < part.len() { "N" } else { "" });
        numberless.push_str(rest);
    }
    numberless
}

// ---- Full disks ----

/// Whether this process may mount a disk of its own, in a name space of its own.
fn can_mount(workshop: &Workshop) -> bool {
    shell(workshop, "mkdir -p probe && unshare -rm mount -t tmpfs -o size=64k tmpfs probe").status.success()
}

/// Replaces a small model by a model for which the disk has no room.
fn full_disk_when_writing_a_model() -> Row {
    let workshop = Workshop::with_model();
    let what = "a disk becomes full while a model is written over another";
    if !can_mount(&workshop) {
        return row_of_the_book(what);
    }
    workshop.json(&["train", "rbm", "--data", "digits", "--hidden", "900", "--epochs", "1", "--out", "wide"]);
    let script = "mkdir full && unshare -rm sh -c 'mount -t tmpfs -o size=64k tmpfs full && cp model.gm full/kept.gm && \
                  { $DGM convert wide/model.gm full/kept.gm --force; cmp model.gm full/kept.gm && ls -A full; }'";
    let output = shell(&workshop, script);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "kept.gm\n", "{output:?}");
    row(what, said(&output), "the old model is as it was, nothing else is left")
}

/// A training run on a disk that is too small at first and large enough later.
fn full_disk_while_training() -> Row {
    let workshop = Workshop::new();
    let what = "a disk becomes full while a run is trained";
    if !can_mount(&workshop) {
        return row_of_the_book(what);
    }
    workshop.json(&train("3", "whole"));
    // A checkpoint takes some 130 KB; two are kept, and the third is written before the first is removed.
    let script = "mkdir full && unshare -rm sh -c 'mount -t tmpfs -o size=200k tmpfs full && { ONE; mount -o remount,size=9m full && \
                  $DGM train --resume full/run >/dev/null && cmp full/run/model.gm whole/model.gm && ls -A full/run/checkpoints; }'";
    let output = shell(&workshop, &script.replace("ONE", &format!("$DGM {}", train("3", "full/run").join(" "))));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(listed.lines().last(), Some("step-000000000036.gmck"), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("dgm: error: "));
    let files = "checkpoints as they were; with room again `dgm train --resume` ends in the same bits";
    row(what, line.unwrap_or_default(), files)
}

/// A limit on the size of files, which the shell sets; without the trap its signal would end the program.
fn file_size_limit() -> Row {
    let workshop = Workshop::with_model();
    let before = bytes_of(&workshop, &["model.gm"]);
    let line = format!("trap '' XFSZ; ulimit -f 8; exec $DGM {}", train("3", "run").join(" "));
    let error = said(&shell(&workshop, &line));
    assert_eq!(hidden_files(&workshop.path("run/checkpoints")), 0);
    workshop.json(&["train", "--resume", "run"]);
    assert_eq!(bytes_of(&workshop, &["model.gm"]), before);
    row("a limit on the size of files (`ulimit -f`)", error, "without the limit the run is resumed")
}

// ---- Permissions ----

/// A user without permissions: the user who runs the tests, or `nobody` if that is the superuser, who has all
/// permissions.
fn as_nobody(workshop: &Workshop, arguments: &[&str]) -> Output {
    let program = workshop.path("dgm");
    if !program.exists() {
        fs::hard_link(DGM, &program).or_else(|_| fs::copy(DGM, &program).map(drop)).expect("a copy of the program");
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workshop.path(""));
    if fs::metadata(workshop.path("")).expect("the workshop is there").uid() == 0 {
        command.uid(65_534);
    }
    command.output().expect("the program starts")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of our own");
}

fn read_only_folder() -> Vec<Row> {
    let workshop = Workshop::with_model();
    fs::create_dir(workshop.path("closed")).expect("a new folder");
    fs::copy(workshop.path("model.gm"), workshop.path("closed/kept.gm")).expect("a copy");
    set_mode(&workshop.path("closed"), 0o555);
    set_mode(&workshop.path(""), 0o755);
    let before = bytes_of(&workshop, &["closed/kept.gm"]);
    let trained = said(&as_nobody(&workshop, &train("3", "closed/run")));
    let converted = said(&as_nobody(&workshop, &["convert", "model.gm", "closed/kept.gm", "--force"]));
    assert_eq!(bytes_of(&workshop, &["closed/kept.gm"]), before);
    set_mode(&workshop.path("model.gm"), 0o000);
    let unread = said(&as_nobody(&workshop, &["inspect", "model.gm"]));
    set_mode(&workshop.path("closed"), 0o755);
    vec![
        row("a run in a folder that may not be written", trained, "nothing is written"),
        row("a model over another in such a folder", converted, "the old model is as it was"),
        row("a model that may not be read", unread, "nothing is written"),
    ]
}

// ---- Folders ----

fn start(workshop: &Workshop, arguments: &[&str]) -> Child {
    let mut command = Command::new(DGM);
    command.args(arguments).current_dir(workshop.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn wait_for(ready: impl Fn() -> bool) {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < PATIENCE, "the program did not get there");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn checkpoints(workshop: &Workshop) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(workshop.path("run/checkpoints")).into_iter().flatten().flatten();
    let mut paths: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|x| x == "gmck")).collect();
    paths.sort();
    paths
}

fn vanished_folder() -> Row {
    let workshop = Workshop::new();
    let child = start(&workshop, &train("20000", "run"));
    wait_for(|| checkpoints(&workshop).len() == 2);
    fs::rename(workshop.path("run"), workshop.path("moved")).expect("a folder of our own");
    let output = child.wait_with_output().expect("a child can be waited for");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = said(&output);
    // The call and the file that fail first are a matter of luck.
    let place = error.find("run/checkpoints").map(|at| &error[at..at + "run/checkpoints".len()]);
    let why = error.rsplit(": ").next().and_then(|why| why.split(" at path").next());
    let said = format!("{}/...: {}", place.unwrap_or("nowhere"), why.unwrap_or_default());
    assert!(workshop.path("moved/checkpoints").is_dir());
    row("the folder of a run is moved away while it is trained", said, "the moved folder can be resumed")
}

fn two_runs_in_one_folder() -> Row {
    let workshop = Workshop::new();
    let mut child = start(&workshop, &train("20000", "run"));
    wait_for(|| checkpoints(&workshop).len() == 2);
    let error = workshop.refuses(&["train", "--resume", "run"]);
    assert!(child.try_wait().expect("a child can be asked").is_none(), "the first run goes on");
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    row("a run is resumed while another process trains it", error, "the first process goes on")
}

fn damaged_checkpoints() -> Vec<Row> {
    let workshop = Workshop::new();
    workshop.json(&train("60", "whole"));
    let mut child = start(&workshop, &train("60", "run"));
    wait_for(|| checkpoints(&workshop).len() == 2);
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    let newest = checkpoints(&workshop).pop().expect("two checkpoints");
    let sound = fs::read(&newest).expect("a checkpoint");
    fs::write(&newest, &sound[..sound.len() / 2]).expect("a checkpoint can be damaged");
    let output = workshop.dgm(&["train", "--resume", "run"]).output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(workshop.read("run/model.gm"), workshop.read("whole/model.gm"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let warned = text.lines().find(|line| line.contains("older checkpoint")).unwrap_or_default();
    let warned = without_numbers(warned);
    for path in checkpoints(&workshop) {
        fs::write(&path, b"gm-ckpt\n").expect("a checkpoint can be damaged");
    }
    let error = workshop.refuses(&["train", "--resume", "run"]);
    let step = error.split("step-").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    vec![
        row("the newest checkpoint is cut in half", warned, "the run ends in the same bits"),
        row("all checkpoints are damaged", error.replace(step, "N"), "nothing is written"),
    ]
}

fn places_that_are_taken() -> Vec<Row> {
    let workshop = Workshop::with_model();
    workshop.json(&train("1", "run"));
    workshop.write("file", "mine");
    let before = bytes_of(&workshop, &["run/model.gm", "run/config.toml", "model.gm", "file"]);
    let rows = vec![
        row("a run in a folder that holds one", workshop.refuses(&train("1", "run")), "nothing is written"),
        row("a run in a place where a file is", workshop.refuses(&train("1", "file")), "the file is as it was"),
        row(
            "an output file that is there",
            workshop.refuses(&["convert", "run/model.gm", "model.gm"]),
            "the file is as it was",
        ),
        row(
            "an output file in a folder that is not there",
            workshop.refuses(&["convert", "model.gm", "absent/x.npz"]),
            "nothing is written",
        ),
        row("a finished run is resumed", workshop.refuses(&["train", "--resume", "run"]), "nothing is written"),
    ];
    assert_eq!(bytes_of(&workshop, &["run/model.gm", "run/config.toml", "model.gm", "file"]), before);
    rows
}

fn changed_settings() -> Row {
    let workshop = Workshop::new();
    let mut child = start(&workshop, &train("20000", "run"));
    wait_for(|| checkpoints(&workshop).len() == 2);
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    let text = workshop.text("run/config.toml");
    workshop.write("run/config.toml", text.replace("hidden = 200", "hidden = 201"));
    let error = workshop.refuses(&["train", "--resume", "run"]);
    row("the configuration of a run is changed before it is resumed", error, "nothing is written")
}

#[test]
fn golden_the_table_of_faults_is_what_the_program_says() {
    let mut rows = vec![full_disk_when_writing_a_model(), full_disk_while_training(), file_size_limit()];
    rows.extend(read_only_folder());
    rows.extend([vanished_folder(), two_runs_in_one_folder()]);
    rows.extend(damaged_checkpoints());
    rows.extend(places_that_are_taken());
    rows.push(changed_settings());
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.to_vec()).collect();
    let part = format!("\n{}\n", markdown_table(&["what happens", "what is said", "what becomes of the files"], &rows));
    let outcome = check_part("reliability.md", "faults", &part);
    assert!(outcome.is_ok(), "{outcome:?}");
}
