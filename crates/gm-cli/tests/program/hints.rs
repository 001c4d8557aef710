//! Remedies name the option that was given, and `dgm eval --strict` takes no warnings.

use crate::common::Workshop;

/// A folder with a small `model.gm` of bars and stripes.
fn with_small_model() -> Workshop {
    let workshop = Workshop::new();
    let train =
        "train rbm --data bars-and-stripes:3 --hidden 6 --epochs 300 --learning-rate 0.5 --no-report --quiet --out run";
    workshop.dgm(&train.split(' ').collect::<Vec<_>>()).assert().success();
    workshop.write("model.gm", workshop.read("run/model.gm"));
    workshop
}

fn refused(workshop: &Workshop, line: &str) -> String {
    workshop.refuses(&line.split(' ').collect::<Vec<_>>())
}

#[test]
fn rejects_numbers_of_temperatures_and_runs_by_the_option_that_was_given() {
    let workshop = with_small_model();
    for (line, ends) in [
        ("train rbm --data digits --hidden 3 --algorithm pt --temperatures 1 --out a", "set it with --temperatures"),
        ("train dbn --data digits --hidden 3,2 --algorithm pt --temperatures 1 --out a", "set it with --temperatures"),
        ("sample model.gm --method tempering --temperatures 1", "set it with --temperatures"),
        (
            "eval model.gm --data bars-and-stripes:3 --reverse-runs 5 --reverse-temperatures 1",
            "set it with --reverse-temperatures",
        ),
        ("eval model.gm --data bars-and-stripes:3 --ais-temperatures 1", "set it with --ais-temperatures"),
        ("eval model.gm --ais-temperatures 1 --ais-schedule linear", "set it with --ais-temperatures"),
        ("train rbm --data digits --hidden 3 --k 0 --out a", "set it with --k"),
        ("train rbm --data digits --hidden 3 --k 1,0@5 --out a", "set it with --k"),
        (
            "train dbm --data digits --hidden 3,2 --mean-field-iterations 0 --out a",
            "set it with --mean-field-iterations",
        ),
        ("train rbm --data digits --hidden 3 --look-every 9223372036854775808 --out a", "set it with --look-every"),
    ] {
        let error = refused(&workshop, line);
        assert!(error.ends_with(ends), "{line}: {error}");
    }
    workshop.write("zero.toml", "[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\nhidden = 0\n");
    let error = refused(&workshop, "train --config zero.toml --out a");
    assert_eq!(error, "RbmSettings: `hidden` is 0, allowed: 1 or more");
}

#[test]
fn rejects_enumeration_by_the_option_that_asked_for_it() {
    let workshop = with_small_model();
    workshop
        .dgm(&[
            "train",
            "sbn",
            "--data",
            "bars-and-stripes:4",
            "--hidden",
            "40",
            "--epochs",
            "1",
            "--no-report",
            "--out",
            "s",
        ])
        .assert()
        .success();
    for (line, ends) in [
        (
            "train rbm --data digits --hidden 40 --algorithm exact --epochs 1 --out a",
            "another --algorithm, such as pcd",
        ),
        (
            "train dbn --data digits --hidden 40,40 --algorithm exact --epochs 1 --quiet --out d",
            "another --algorithm, such as pcd",
        ),
        ("train sbn --data digits --hidden 40 --rule exact --epochs 1 --out a", "another --rule, such as rws"),
        ("infer s --data bars-and-stripes:4 --method exact --out h.npy", "another --method, such as gibbs"),
        ("eval s --data bars-and-stripes:4 --exact", "leave out --exact for an estimate"),
    ] {
        let error = refused(&workshop, line);
        assert!(error.ends_with(ends), "{line}: {error}");
    }
    let posterior = format!("inspect s --posterior {}", "0".repeat(16));
    let error = refused(&workshop, &posterior);
    assert_eq!(
        error,
        "--posterior: an sbn of 40 hidden units, allowed: one of at most 24, whose joint posterior is enumerated"
    );
    let annealed = "eval s --data bars-and-stripes:4 --samples 5 --posterior-runs 3 --posterior-temperatures 1";
    let error = refused(&workshop, annealed);
    assert!(error.ends_with("set it with --posterior-temperatures"), "{error}");
}

#[test]
fn rejects_names_of_files_by_their_options() {
    let workshop = with_small_model();
    for (line, starts) in [
        ("inspect model.gm --filters f.jpg", "--filters: f.jpg ends in `jpg`, allowed: .png"),
        (
            "eval model.gm --data bars-and-stripes:3 --per-example p.txt",
            "--per-example: p.txt ends in `txt`, allowed: .npy, .csv",
        ),
        ("eval model.gm --data bars-and-stripes:3 --out p.txt", "--out: p.txt ends in `txt`, allowed: .json"),
        ("sample model.gm --out s", "--out: s has no extension, allowed: .png, .npy, .csv"),
        ("convert model.gm m.txt", "OUT: m.txt, allowed: .gm"),
    ] {
        let error = refused(&workshop, line);
        assert!(error.starts_with(starts), "{line}: {error}");
    }
}

#[test]
fn rejects_learning_rates_that_explode_by_the_rate_in_force() {
    let workshop = Workshop::new();
    let train =
        |model: &str| format!("train {model} --data bars-and-stripes:3 --epochs 20 --no-report --quiet --out a");
    for (model, ends) in [
        ("rbm --hidden 4 --learning-rate 1e10", "set them with --learning-rate, --l2 and --max-norm"),
        (
            "dbm --hidden 4,3 --pretrain-learning-rate 1e10",
            "set them with --pretrain-learning-rate, --l2 and --max-norm",
        ),
        ("dbm --hidden 4,3 --pretrain 2012 --pretrain-learning-rate 1e10", "set it with --pretrain-learning-rate"),
        ("dbm --hidden 4,3 --learning-rate 1e10", "set them with --learning-rate, --l2 and --max-norm"),
        ("dbn --hidden 4,3 --learning-rate 1e10", "set them with --learning-rate, --l2 and --max-norm"),
        ("dbn --hidden 4,3 --backfit up-down --backfit-learning-rate 1e10", "set it with --backfit-learning-rate"),
    ] {
        let error = refused(&workshop, &train(model));
        assert!(error.starts_with("training diverged") && error.ends_with(ends), "{model}: {error}");
        std::fs::remove_dir_all(workshop.path("a")).expect("a folder of our own");
    }
    let config = "[data]\nspec = 'bars-and-stripes:3'\n[model]\nkind = 'rbm'\nhidden = 4\nlearning_rate = 1e10\n";
    workshop.write("wild.toml", config);
    let error = refused(&workshop, "train --config wild.toml --no-report --quiet --out a");
    assert!(
        error
            .ends_with("change `learning_rate` in a copy of its config.toml, and train with `dgm train --config COPY`"),
        "{error}"
    );
}

#[test]
fn rejects_options_without_the_options_that_they_need() {
    let workshop = with_small_model();
    for (line, error) in [
        ("sample model.gm --temperatures 5", "--temperatures 5 needs --method tempering"),
        ("train rbm --data digits --temperatures 5 --out a", "--temperatures 5 needs --algorithm pt"),
        (
            "infer model.gm --data bars-and-stripes:3 --steps 5 --out h.npy",
            "--steps 5 needs --method gibbs or mean-field",
        ),
        (
            "infer model.gm --data bars-and-stripes:3 --samples 5 --out h.npy",
            "--samples 5 needs --method recognition or importance with an sbn",
        ),
        ("eval model.gm --data-dir x", "--data-dir x needs --data"),
    ] {
        assert_eq!(refused(&workshop, line), error);
    }
}

#[test]
fn law_strict_evaluations_with_warnings_end_with_status_1_after_the_report() {
    let workshop = with_small_model();
    let rough = "eval model.gm --data bars-and-stripes:3 --ais-runs 10 --ais-temperatures 2 --raise-walks 0 --reverse-runs 0 --json";
    let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
    let run = |line: &str| {
        let words = words(line);
        let output = workshop.dgm(&words.iter().map(String::as_str).collect::<Vec<_>>()).output().expect("it starts");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        (output.status.code(), document, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, document, _) = run(rough);
    let warnings = document["warnings"].as_array().map_or(0, Vec::len);
    assert!(status == Some(0) && warnings > 0, "{document:#}");
    let (status, strict, said) = run(&format!("{rough} --strict --out strict.json --quiet"));
    assert_eq!((status, &strict["mean_log_prob"]), (Some(1), &document["mean_log_prob"]));
    let plural = if warnings == 1 { "" } else { "s" };
    assert!(said.contains(&format!("dgm: error: {warnings} warning{plural}, and --strict allows none\n")), "{said}");
    assert!(said.matches("warning: ").count() == warnings, "{said}");
    let kept: serde_json::Value = serde_json::from_str(&workshop.text("strict.json")).expect("one document");
    assert_eq!(kept["warnings"], document["warnings"]);
    let (status, document, said) = run("eval model.gm --data bars-and-stripes:3 --json --strict --quiet");
    assert_eq!((status, document["warnings"].as_array().map(Vec::len), said.as_str()), (Some(0), Some(0), ""));
    let (status, ..) = run("eval model.gm --json --strict");
    assert_eq!(status, Some(0), "an enumerated log Z has nothing to warn of");
    let (status, document, said) = run("eval model.gm --ais-runs 10 --ais-temperatures 2 --json --strict");
    assert_eq!((status, document["warnings"].as_array().map_or(0, Vec::len) > 0), (Some(1), true), "{said}");
}
