//! Runs of the size of MNIST. They stop soon after a signal, and too little memory is noticed before the work.

#![cfg(unix)]

#[allow(dead_code, reason = "the tests of the program use the other parts")]
#[path = "program/common/mod.rs"]
mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Workshop;

const DGM: &str = env!("CARGO_BIN_EXE_dgm");

/// The time allowed from a signal to the end of the process.
const PROMISED: Duration = Duration::from_secs(2);

/// A time that is longer than any computer should need to start the work.
const PATIENCE: Duration = Duration::from_secs(120);

const ROWS: usize = 600;
const UNITS: usize = 784;

/// Models of the usual size for MNIST.
const RUNS: [&[&str]; 4] = [
    &["rbm", "--hidden", "500"],
    &["sbn", "--hidden", "200,200"],
    &["dbm", "--hidden", "500,1000", "--pretrain", "none"],
    &["dbn", "--hidden", "500,1000"],
];

/// Pictures of 28 x 28 pixels without content.
fn pictures() -> Vec<u8> {
    let mut state = 1_u32;
    let pixels = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 29 == 0 { 255 } else { 0 }
    });
    let header = [0, 0, 8, 3].into_iter().chain([ROWS as u32, 28, 28].into_iter().flat_map(u32::to_be_bytes));
    header.chain(pixels.take(ROWS * UNITS)).collect()
}

fn train<'a>(run: &[&'a str]) -> Vec<&'a str> {
    // An epoch has ten updates, and an evaluation follows each epoch, so that many moments are within evaluations.
    [
        &["train"],
        run,
        &[
            "--data",
            "rows.idx",
            "--epochs",
            "2000",
            "--batch-size",
            "50",
            "--checkpoint-every",
            "3",
            "--look-every",
            "1",
            "--out",
            "run",
        ],
    ]
    .concat()
}

fn start(workshop: &Workshop, arguments: &[&str]) -> Child {
    let mut command = Command::new(DGM);
    command.args(arguments).current_dir(workshop.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

fn checkpoints(workshop: &Workshop) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(workshop.path("run/checkpoints")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name()).filter(|name| !name.to_string_lossy().starts_with('.')).collect();
    names.sort();
    names
}

/// Starts a process, sends a signal some time after it has begun to train, and measures the time until it ends.
fn interrupt(workshop: &Workshop, arguments: &[&str], signal: &str, after: Duration) -> Duration {
    let before = checkpoints(workshop);
    let mut child = start(workshop, arguments);
    let began = Instant::now();
    while checkpoints(workshop) == before {
        assert!(began.elapsed() < PATIENCE && child.try_wait().expect("a child can be asked").is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(after);
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
    let began = Instant::now();
    let status = child.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(130), "{arguments:?}");
    began.elapsed()
}

#[test]
fn law_a_signal_ends_large_runs_within_two_seconds_with_a_checkpoint() {
    let workshop = Workshop::new();
    workshop.write("rows.idx", pictures());
    for run in RUNS {
        let first = interrupt(&workshop, &train(run), "-INT", Duration::from_millis(300));
        let second = interrupt(&workshop, &["train", "--resume", "run"], "-TERM", Duration::from_millis(700));
        println!("{}: {:.2} s after SIGINT, {:.2} s after SIGTERM", run[0], first.as_secs_f64(), second.as_secs_f64());
        assert!(first.max(second) < PROMISED, "{}: {first:?} and {second:?}", run[0]);
        assert_eq!(checkpoints(&workshop).len(), 2, "{}", run[0]);
        fs::remove_dir_all(workshop.path("run")).expect("a folder of our own");
    }
}

/// The shell's limit of 512 MiB of address space.
const LIMITED: &str = "ulimit -v 524288; exec";

#[test]
fn law_half_a_gigabyte_is_enough_for_mnist_and_too_little_is_noticed_before_the_work() {
    let workshop = Workshop::new();
    workshop.write("rows.idx", pictures());
    let limited = |hidden: &str| {
        let line = format!(
            "{LIMITED} {DGM} train rbm --data rows.idx --hidden {hidden} --epochs 1 --threads 2 --no-report --out run"
        );
        Command::new("sh").args(["-c", &line]).current_dir(workshop.path("")).output().expect("there is a shell")
    };
    let output = limited("20000");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let start = "dgm: error: training 15700784 parameters takes about 743 MiB beside the data, ";
    assert!(
        said.starts_with(start) && said.contains("MiB are free (the limit of the address space, `ulimit -v`)"),
        "{said}"
    );
    assert!(!workshop.path("run").exists());
    let output = limited("500");
    assert!(output.status.success(), "{output:?}");
}
