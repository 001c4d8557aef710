//! Training runs as a whole, which end in the same bits with any number of threads and after an interruption.

use crate::common::Workshop;

/// A training run with checkpoints close to each other. 200 epochs take about a second.
fn train<'a>(epochs: &'a str, out: &'a str) -> Vec<&'a str> {
    let fixed = ["train", "rbm", "--data", "digits", "--hidden", "24", "--checkpoint-every", "20", "--seed", "5"];
    [&fixed[..], &["--epochs", epochs, "--out", out]].concat()
}

#[test]
fn stable_threads_do_not_change_the_model() {
    let workshop = Workshop::new();
    for threads in ["1", "2", "3"] {
        let document = workshop.json(&[&train("20", threads)[..], &["--threads", threads]].concat());
        assert_eq!(document["threads"].to_string(), threads);
    }
    for threads in ["2", "3"] {
        let same = workshop.read("1/model.gm") == workshop.read(&format!("{threads}/model.gm"));
        assert!(same, "{threads} threads gave another model than 1");
    }
    let sample = |threads| {
        let out = format!("{threads}.npy");
        workshop.json(&["sample", "1/model.gm", "--steps", "20", "--threads", threads, "--out", &out]);
        workshop.read(&out)
    };
    assert!(sample("1") == sample("2"), "2 threads gave other samples than 1");
}

#[cfg(unix)]
mod signals {
    use std::fs;
    use std::process::{Child, Command, Output, Stdio};
    use std::time::{Duration, Instant};

    use super::{Workshop, train};
    use serde_json::{Value, json};

    /// A time that is longer than any computer should need.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn start(workshop: &Workshop, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dgm"))
            .args(arguments)
            .current_dir(workshop.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Sends a signal once a condition holds, and waits for the end.
    fn interrupt(mut child: Child, signal: &str, ready: impl Fn() -> bool) -> Output {
        let began = Instant::now();
        while !ready() {
            assert!(child.try_wait().expect("a child can be asked").is_none(), "the program ended before the signal");
            assert!(began.elapsed() < PATIENCE, "the program did not get to where it is interrupted");
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
        child.wait_with_output().expect("a child can be waited for")
    }

    fn checkpoints(workshop: &Workshop) -> usize {
        fs::read_dir(workshop.path("run/checkpoints")).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|x| x == "gmck")).count()
        })
    }

    #[test]
    fn stable_an_interrupted_run_ends_as_an_uninterrupted_one() {
        let workshop = Workshop::new();
        workshop.json(&train("200", "whole"));
        let child = start(&workshop, &[&train("200", "run")[..], &["--json"]].concat());
        let output = interrupt(child, "-INT", || checkpoints(&workshop) > 0);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("an interrupted run reports too");
        assert_eq!(document["outcome"], "interrupted");
        let step = document["step"].as_u64().expect("the updates made are counted");
        assert!(step > 0 && step < 2400 && document.get("epochs").is_none(), "{document:#}");
        assert!(!workshop.path("run/model.gm").exists());

        let document = workshop.json(&["train", "--resume", "run"]);
        assert_eq!((&document["outcome"], &document["epochs"]), (&json!("finished"), &json!(200)));
        assert!(workshop.read("run/model.gm") == workshop.read("whole/model.gm"), "resumed at {step}: other bits");
    }

    #[test]
    fn table_a_second_interruption_and_another_signal_are_no_different() {
        let workshop = Workshop::new();
        let child = start(&workshop, &train("20000", "run"));
        let output = interrupt(child, "-TERM", || checkpoints(&workshop) > 0);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("interrupted after") && said.contains("dgm train --resume run"), "{said}");
        let newest = || fs::read_dir(workshop.path("run/checkpoints")).unwrap().flatten().map(|e| e.file_name()).max();
        let before = newest();
        let output = interrupt(start(&workshop, &["train", "--resume", "run"]), "-INT", || newest() > before);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
    }

    #[test]
    fn table_annealing_can_be_interrupted() {
        let workshop = Workshop::with_model();
        let many = ["--ais-runs", "4000", "--ais-temperatures", "1000000", "--verbose"];
        let child = start(&workshop, &[&["eval", "model.gm"][..], &many].concat());
        let began = Instant::now();
        // No output tells that annealing has begun. Before it begins, the signal ends the program as well.
        let output = interrupt(child, "-INT", || began.elapsed() > Duration::from_millis(500));
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_ne!(output.status.code(), Some(0), "{output:?}");
        if let Some(code) = output.status.code() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(code == 130 && said.contains("stopped on request"), "{code}: {said}");
        }
    }
}
