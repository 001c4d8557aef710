//! Counts whose memory no computer has are refused before anything is computed or written.

use crate::common::Workshop;

/// A count that fits into a number and into no memory.
const MANY: &str = "1000000000000";

/// Refuses a command that has this option, and a few megabytes are not the reason.
fn refuses(workshop: &Workshop, line: &str, option: &str) {
    for count in [MANY, "9000000000000000000"] {
        let line = workshop.refuses(&format!("{line} {option} {count}").split(' ').collect::<Vec<_>>());
        let says = format!("MiB are needed, most of them for {option} {count}; ");
        assert!(line.contains(&says) && line.contains("raise the limit"), "{line}");
    }
}

#[test]
fn rejects_counts_of_training_that_do_not_fit_into_memory() {
    let workshop = Workshop::new();
    let train = |model: &str| format!("train {model} --data bars-and-stripes:3 --epochs 1 --out a");
    for (command, option) in [
        ("rbm --hidden 3", "--chains"),
        ("rbm --hidden 3 --algorithm pt", "--temperatures"),
        ("rbm --hidden 3 --algorithm pt", "--chains"),
        ("rbm --hidden 3", "--log-z-chains"),
        ("sbn --hidden 3", "--samples"),
        ("dbm --hidden 3,2", "--chains"),
        ("dbm --hidden 3,2", "--temperatures"),
        ("dbn --hidden 3,2", "--chains"),
        ("dbn --hidden 3,2 --backfit rws", "--backfit-samples"),
    ] {
        refuses(&workshop, &train(command), option);
        assert!(!workshop.path("a").exists(), "{command} left a run behind");
    }
    for hidden in ["rbm --hidden 1000000000000", "dbm --hidden 3,1000000000000", "sbn --hidden 1000000000000,3"] {
        let line = workshop.refuses(&train(hidden).split(' ').collect::<Vec<_>>());
        assert!(line.starts_with("training ") && line.contains("use fewer --hidden units"), "{line}");
    }
    // Many sweeps and large batches take time or nothing.
    let line = train("rbm --hidden 3 --batch-size 9000000000000000000 --no-report");
    workshop.dgm(&line.split(' ').collect::<Vec<_>>()).assert().success();
}

#[test]
fn rejects_counts_of_a_configuration_by_their_names_there() {
    let workshop = Workshop::new();
    let config = |key: &str, value: &str| {
        format!("[data]\nspec = 'bars-and-stripes:3'\n[model]\nkind = 'rbm'\n{key} = {value}\nepochs = 1\n")
    };
    for (key, says) in [("chains", "most of them for `chains` 1000000000000; "), ("hidden", "use fewer hidden units")] {
        workshop.write("large.toml", config(key, MANY));
        let line = workshop.refuses(&["train", "--config", "large.toml", "--out", "a"]);
        assert!(line.contains(says), "{line}");
        assert!(!workshop.path("a").exists());
    }
    workshop.write("small.toml", config("chains", "10"));
    workshop.dgm(&["train", "--config", "small.toml", "--out", "b", "--no-report"]).assert().success();
    workshop
        .write("b/config.toml", workshop.text("b/config.toml").replace("chains = 10\n", &format!("chains = {MANY}\n")));
    let line = workshop.refuses(&["train", "--resume", "b"]);
    assert!(line.contains("most of them for `chains` 1000000000000; "), "{line}");
}

#[test]
fn rejects_counts_of_other_commands_that_do_not_fit_into_memory() {
    let workshop = Workshop::new();
    let small = "train rbm --data bars-and-stripes:3 --hidden 6 --epochs 1 --no-report --out run";
    workshop.dgm(&small.split(' ').collect::<Vec<_>>()).assert().success();
    workshop.write("model.gm", workshop.read("run/model.gm"));
    for (line, option) in [
        ("eval model.gm --data bars-and-stripes:3", "--ais-runs"),
        ("eval model.gm --data bars-and-stripes:3", "--ais-temperatures"),
        ("eval model.gm", "--ais-temperatures"),
        ("eval model.gm --data bars-and-stripes:3", "--raise-walks"),
        ("eval model.gm --data bars-and-stripes:3", "--reverse-runs"),
        ("eval model.gm --data bars-and-stripes:3 --reverse-runs 5", "--reverse-temperatures"),
        ("sample model.gm", "--count"),
        ("sample model.gm --out s.png", "--count"),
        ("sample model.gm --out s.npy", "--count"),
        ("sample model.gm --chains 10 --out s.png", "--count"),
        ("sample model.gm --method tempering", "--temperatures"),
        ("complete model.gm --data bars-and-stripes:3 --mask random:0.3 --out c.npy", "--chains"),
    ] {
        refuses(&workshop, line, option);
    }
    let clamp = "sample model.gm --clamp absent.npy --mask random:0.5";
    refuses(&workshop, clamp, "--count");
    for file in ["s.png", "s.npy", "c.npy"] {
        assert!(!workshop.path(file).exists(), "{file} was left behind");
    }
}
