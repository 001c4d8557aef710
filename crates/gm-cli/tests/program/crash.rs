//! Processes are killed at any moment. No existing file is damaged, and the run ends in the same bits.
//! `cargo xtask crash` runs the test at length.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Workshop;
use sha2::{Digest, Sha256};

/// Number of kills, over all kinds of models, unless the environment variable `DGM_KILLS` gives another number.
const KILLS: usize = 8;

/// Number of kills of one run before it may end.
const KILLS_OF_A_RUN: usize = 5;

/// The text of the error for a finished run.
const FINISHED: &str = "the run is finished";

/// A run of each kind of model with checkpoints close to each other, so that many moments are within the writing of
/// one.
const RUNS: [&[&str]; 4] = [
    &["rbm", "--hidden", "24", "--epochs", "25", "--stop-on", "pseudo-likelihood", "--early-stopping", "25"],
    &["sbn", "--hidden", "16,8", "--epochs", "15"],
    &["dbm", "--hidden", "16,8", "--epochs", "15"],
    &["dbn", "--hidden", "16,16", "--epochs", "10"],
];

fn train<'a>(run: &[&'a str], out: &'a str) -> Vec<&'a str> {
    [&["train"], run, &["--data", "digits", "--checkpoint-every", "4", "--seed", "5", "--threads", "1", "--out", out]]
        .concat()
}

/// Every file below a folder with its digest, except the files of a run that hold only times and locks.
fn digests(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // A process may be killed before it has made the folder.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().display().to_string());
        if path.is_dir() {
            found.extend(digests(&path).into_iter().map(|(inner, digest)| (format!("{name}/{inner}"), digest)));
        } else {
            found.insert(name, digest(&fs::read(&path).expect("a readable file")));
        }
    }
    found
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The models that a run has left.
fn models(folder: &Path) -> BTreeMap<String, String> {
    digests(folder).into_iter().filter(|(name, _)| name.ends_with(".gm")).collect()
}

/// Moments spread evenly, which are the same in every test run as far as the computer allows.
struct Moments(u64);

impl Moments {
    /// A share from 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The kills of the runs of one kind of model.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// Number of kills that left a file unfinished.
    within_a_write: usize,
    runs: usize,
    /// The SHA-256 of the model file of every run.
    model: String,
}

fn start(workshop: &Workshop, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dgm"));
    command.args(arguments).current_dir(workshop.path("")).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// Kills a process after a time. Returns false if it has ended by itself without an error.
fn kill_after(mut child: Child, time: Duration) -> bool {
    std::thread::sleep(time);
    let ended = child.try_wait().expect("a child can be asked").is_some();
    // SIGKILL, which no program can catch.
    child.kill().expect("a child can be killed");
    let output = child.wait_with_output().expect("a child can be waited for");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("older checkpoint") && !said.contains("are missing"), "something was damaged: {said}");
    // A kill may come after the end of the run, while the program draws pictures.
    assert!(!ended || output.status.success() || said.contains(FINISHED), "{said}");
    !ended
}

fn unfinished(run: &Path) -> usize {
    let folders = [run.to_path_buf(), run.join("checkpoints"), run.join("layers")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    files.filter(|entry| entry.file_name().to_string_lossy().starts_with(".unfinished-")).count()
}

/// Whether a run's newest checkpoint is its end; a kill may come after it.
fn has_ended(workshop: &Workshop) -> bool {
    let output = workshop.dgm(&["train", "--resume", "run"]).output().expect("the program starts");
    String::from_utf8_lossy(&output.stderr).contains(FINISHED)
}

/// Trains, kills and resumes until the given number of kills.
fn torment(run: &[&str], kills: usize, moments: &mut Moments) -> Tally {
    let workshop = Workshop::new();
    let began = Instant::now();
    workshop.json(&train(run, "whole"));
    let whole_time = began.elapsed();
    let (before, expected) = (digests(&workshop.path("whole")), models(&workshop.path("whole")));
    let mut tally = Tally::default();
    while tally.kills < kills {
        let mut killed = 0;
        loop {
            let begun = workshop.path("run/config.toml").exists();
            let arguments = if begun { vec!["train", "--resume", "run"] } else { train(run, "run") };
            let child = start(&workshop, &arguments);
            if !kill_after(child, whole_time.mul_f64(0.7 * moments.next())) {
                break;
            }
            (killed, tally.kills) = (killed + 1, tally.kills + 1);
            tally.within_a_write += usize::from(unfinished(&workshop.path("run")) > 0);
            for name in models(&workshop.path("run")).keys() {
                workshop.says(&["inspect", &format!("run/{name}")]);
            }
            if killed >= KILLS_OF_A_RUN || tally.kills >= kills {
                finish(&workshop, run);
                break;
            }
        }
        assert_eq!(models(&workshop.path("run")), expected, "{} after {killed} kills", run[0]);
        assert_eq!(unfinished(&workshop.path("run")), 0, "unfinished files are swept up");
        assert_eq!(digests(&workshop.path("whole")), before, "another run's folder has changed");
        fs::remove_dir_all(workshop.path("run")).expect("a folder of our own");
        tally.runs += 1;
    }
    tally.model = expected["model.gm"].clone();
    tally
}

/// Finishes a run.
fn finish(workshop: &Workshop, run: &[&str]) {
    if !workshop.path("run/config.toml").exists() {
        workshop.json(&train(run, "run"));
    } else if !has_ended(workshop) {
        assert!(has_ended(workshop), "a resumed run comes to its end");
    }
}

#[test]
fn stable_killed_processes_lose_nothing_and_end_in_the_same_bits() {
    let kills = std::env::var("DGM_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut moments = Moments(kills as u64);
    let tallies = RUNS.map(|run| torment(run, kills.div_ceil(RUNS.len()), &mut moments));
    for (run, Tally { kills, within_a_write, runs, model }) in RUNS.iter().zip(&tallies) {
        println!(
            "{}: {kills} kills, {within_a_write} of them within a write, {runs} runs, model.gm always {model}",
            run[0]
        );
    }
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>();
    println!(
        "{} kills survived with equal models, {} of them while a file was being written",
        sum(|tally| tally.kills),
        sum(|tally| tally.within_a_write)
    );
}
