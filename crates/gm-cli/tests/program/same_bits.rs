//! A run writes the same model file with any number of threads, any instruction set and any interruptions.

#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Workshop;
use gm_core::InstructionSet;
use sha2::{Digest, Sha256};

/// A time that is longer than any computer should need.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run of each kind of model.
const RUNS: [&[&str]; 5] = [
    &["train", "rbm", "--hidden", "70"],
    &["train", "sbn", "--hidden", "70,20"],
    &["train", "dbm", "--hidden", "70,20"],
    &["train", "dbn", "--hidden", "70,12"],
    &["finetune", "start.gm", "--init-scale", "0.1"],
];

/// A command that trains for a moment.
fn command<'a>(run: &[&'a str], out: &'a str) -> Vec<&'a str> {
    [run, &["--data", "digits", "--epochs", "4", "--checkpoint-every", "5", "--seed", "3", "--out", out]].concat()
}

fn digest(workshop: &Workshop, out: &str) -> String {
    let bytes = workshop.read(&format!("{out}/model.gm"));
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts a run, interrupts it after its first checkpoint, and resumes it with other threads.
fn interrupted(workshop: &Workshop, run: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dgm"));
    program.args(command(run, "parts")).current_dir(workshop.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = program.spawn().expect("the program starts");
    let began = Instant::now();
    let begun = || fs::read_dir(workshop.path("parts/checkpoints")).is_ok_and(|mut entries| entries.next().is_some());
    while !begun() && child.try_wait().expect("a child can be asked").is_none() {
        assert!(began.elapsed() < PATIENCE, "the program did not get to where it is interrupted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let status = child.wait().expect("a child can be waited for");
    // A fast computer may finish before the signal comes.
    if status.code() == Some(130) {
        workshop.json(&["train", "--resume", "parts", "--threads", "3"]);
    }
    let digest = digest(workshop, "parts");
    fs::remove_dir_all(workshop.path("parts")).expect("a folder of our own");
    digest
}

#[test]
fn stable_threads_instruction_sets_and_interruptions_do_not_change_the_model_file() {
    let workshop = Workshop::with_model();
    fs::rename(workshop.path("model.gm"), workshop.path("start.gm")).expect("a file of our own");
    for run in RUNS {
        workshop.json(&[&command(run, "one")[..], &["--threads", "1"]].concat());
        let expected = digest(&workshop, "one");
        println!("{}: {expected}", run[..2].join(" "));
        for threads in ["2", "3", "8"] {
            workshop.json(&[&command(run, threads)[..], &["--threads", threads]].concat());
            assert_eq!(digest(&workshop, threads), expected, "{run:?} with {threads} threads");
        }
        for set in InstructionSet::available() {
            let mut program = workshop.dgm(&command(run, set.name()));
            program.env("DGM_KERNELS", set.name()).assert().success();
            assert_eq!(digest(&workshop, set.name()), expected, "{run:?} with {} kernels", set.name());
        }
        assert_eq!(interrupted(&workshop, run), expected, "{run:?} interrupted");
        for folder in ["one", "2", "3", "8"].into_iter().chain(InstructionSet::available().iter().map(|set| set.name()))
        {
            fs::remove_dir_all(workshop.path(folder)).expect("a folder of our own");
        }
    }
}
