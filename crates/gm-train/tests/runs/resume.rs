//! Runs on disk: an interrupted run that is resumed ends as if nothing had happened, and folders are not mixed up.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{break_at, config, results, train};
use gm_data::{Binarise, load_model};
use gm_train::{
    Algorithm, Config, Error, Event, Lateral, ModelConfig, Outcome, Rate, RbmSettings, Regularise, Run, SbnRule,
    SbnSettings, StopOn, Unobserved, Visible,
};
use tempfile::TempDir;

/// Where a run is interrupted.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Before the first update.
    Start,
    /// After so many updates.
    Step(u64),
    /// When the figures of an epoch are known.
    Epoch(u64),
    /// When the checkpoint after so many updates is written.
    Checkpoint(u64),
}

impl At {
    fn is(self, event: &Event<'_>) -> bool {
        match (self, event) {
            (Self::Start, Event::Started { .. }) => true,
            (Self::Step(at), Event::Step { step, .. }) | (Self::Checkpoint(at), Event::Checkpoint { step, .. }) => {
                at == *step
            }
            (Self::Epoch(at), Event::Epoch { record }) => at == record.epoch,
            _ => false,
        }
    }
}

/// Interrupts a run at each point in turn, resumes it each time, and lets it end.
fn interrupted(folder: &Path, config: &Config, points: &[At]) {
    let mut run = Run::create(folder, config).expect("a sound configuration");
    for &point in points {
        let outcome = run.train(&mut break_at(move |event| point.is(event))).expect("sound data");
        assert!(matches!(outcome, Outcome::Interrupted { .. }), "{point:?} was never reached");
        run = Run::resume(folder).expect("an interrupted run");
    }
    let outcome = run.train(&mut Unobserved).expect("sound data");
    assert!(matches!(outcome, Outcome::Finished { .. }));
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("checkpoints")).expect("a run has checkpoints");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Digits in 12 batches an epoch, 3 epochs.
fn digits(rbm: RbmSettings) -> Config {
    config("digits", RbmSettings { hidden: 12, epochs: 3, batch_size: 100, chains: 30, ..rbm })
}

fn pcd() -> Config {
    digits(RbmSettings {
        optimiser: "adam".parse().expect("a known optimiser"),
        learning_rate: 0.01,
        ..Default::default()
    })
}

/// Each algorithm, optimiser, schedule and kind of binarisation in one of them.
fn all_kinds() -> Vec<(&'static str, Config)> {
    let momentum = RbmSettings {
        algorithm: Algorithm::Cd,
        steps: 2,
        optimiser: "momentum:0.9".parse().expect("a known optimiser"),
        schedule: Rate::Exponential(0.5),
        visible_offset_rate: 0.05,
        regularise: Regularise { l1: 1e-4, l2: 1e-3, max_norm: Some(2.0) },
        ..Default::default()
    };
    let nesterov = RbmSettings {
        algorithm: Algorithm::Exact,
        optimiser: "nesterov:0.5".parse().expect("a known optimiser"),
        warm_up: 1.5,
        ..Default::default()
    };
    let mut fixed = digits(nesterov);
    fixed.data.binarise = Some(Binarise::Fixed(4));
    let mut threshold =
        digits(RbmSettings { centred: false, steps: 3, schedule: Rate::Inverse(1.0), ..Default::default() });
    (threshold.data.binarise, threshold.monitor.every) = (Some(Binarise::Threshold(0.4)), 2);
    let changing = RbmSettings {
        algorithm: Algorithm::Pt,
        temperatures: 4,
        later_steps: vec![(1, 2)],
        later_momentum: vec![(2, 0.5)],
        sparsity: Some(0.2),
        log_z_chains: 20,
        ..Default::default()
    };
    let mut tempered = digits(changing);
    settings_of(&mut tempered).hidden = 14;
    let labels = digits(RbmSettings { labels: true, class_weight: 2.0, ..Default::default() });
    let of_units =
        |visible| digits(RbmSettings { visible, learning_rate: 0.01, algorithm: Algorithm::Pcd, ..Default::default() });
    let mut momentum_of_reals = of_units(Visible::Gaussian);
    settings_of(&mut momentum_of_reals).optimiser = "momentum:0.5".parse().expect("a known optimiser");
    let kinds = [
        ("gaussian", of_units(Visible::Gaussian)),
        ("gaussian momentum", momentum_of_reals),
        ("softmax", of_units(Visible::Softmax(0))),
    ];
    [
        ("pcd", pcd()),
        ("cd", digits(momentum)),
        ("exact", fixed),
        ("plain", threshold),
        ("labels", labels),
        ("pt", tempered),
    ]
    .into_iter()
    .chain(kinds)
    .collect()
}

/// Sigmoid belief nets by rules that remember something, and by one that does not.
fn belief_nets() -> Vec<(&'static str, Config)> {
    let net = |rule, name| {
        let settings =
            SbnSettings { hidden: vec![9, 5], rule, samples: 2, epochs: 3, batch_size: 100, ..SbnSettings::default() };
        let mut config = Config::new("digits", ModelConfig::Sbn(settings));
        (config.seed, config.checkpoint_every) = (12, 4);
        config.monitor.rows = 50;
        (name, config)
    };
    let (_, mut autoregressive) = net(SbnRule::Reweighted, "autoregressive");
    if let ModelConfig::Sbn(settings) = &mut autoregressive.model {
        (settings.autoregressive, settings.later_samples) = (true, vec![(1, 3), (2, 1)]);
    }
    let lateral = |hidden: Vec<usize>, name| {
        let (_, mut config) = net(SbnRule::Reweighted, name);
        if let ModelConfig::Sbn(settings) = &mut config.model {
            (settings.lateral, settings.hidden) = (Lateral::All, hidden);
        }
        (name, config)
    };
    vec![
        net(SbnRule::Reweighted, "rws"),
        net(SbnRule::Nvil, "nvil"),
        ("autoregressive", autoregressive),
        lateral(vec![9, 5], "lateral"),
        lateral(vec![], "fully visible"),
    ]
}

const POINTS: [&[At]; 5] = [
    &[At::Start],
    &[At::Step(1), At::Step(2), At::Step(35)],
    &[At::Step(12), At::Start, At::Step(17)],
    &[At::Checkpoint(8), At::Step(24)],
    &[At::Step(29), At::Checkpoint(32)],
];

#[test]
fn stable_resumed_runs_equal_uninterrupted_ones() {
    for (name, config) in all_kinds().into_iter().chain(belief_nets()) {
        let whole = folder();
        assert_eq!(train(whole.path(), &config), Outcome::Finished { epochs: 3, stopped_early: false });
        let expected = results(whole.path());
        for points in POINTS {
            let parts = folder();
            interrupted(parts.path(), &config, points);
            assert!(results(parts.path()) == expected, "{name} interrupted at {points:?}");
        }
    }
}

#[test]
fn stable_a_run_is_resumed_from_the_event_that_ends_an_epoch() {
    let whole = folder();
    train(whole.path(), &pcd());
    for points in [&[At::Epoch(1)][..], &[At::Epoch(1), At::Epoch(2)], &[At::Epoch(2), At::Start]] {
        let parts = folder();
        interrupted(parts.path(), &pcd(), points);
        assert!(results(parts.path()) == results(whole.path()), "{points:?}");
    }
}

#[test]
fn stable_threads_and_checkpoints_may_change_in_between() {
    let (whole, parts) = (folder(), folder());
    train(whole.path(), &pcd());
    let first = Config { threads: 1, checkpoint_every: 0, ..pcd() };
    let run = Run::create(parts.path(), &first).unwrap();
    run.train(&mut break_at(|event| At::Step(10).is(event))).unwrap();
    let path = parts.path().join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("threads = 1", "threads = 3").replace("checkpoint_every = 0", "checkpoint_every = 7"),
    )
    .unwrap();
    let run = Run::resume(parts.path()).unwrap();
    assert_eq!((run.config().threads, run.config().checkpoint_every), (3, 7));
    run.train(&mut Unobserved).unwrap();
    assert!(results(parts.path()) == results(whole.path()));
}

// ---- Early stopping ----

fn stopping() -> Config {
    let rbm = RbmSettings {
        algorithm: Algorithm::Cd,
        hidden: 10,
        epochs: 40,
        batch_size: 4,
        learning_rate: 0.5,
        schedule: Rate::Constant,
        ..Default::default()
    };
    let mut config = config("bars-and-stripes:3", rbm);
    (config.monitor.stop_on, config.monitor.patience) = (StopOn::LogLikelihood, 3);
    config
}

#[test]
fn stable_early_stopping_survives_interruptions() {
    let whole = folder();
    let Outcome::Finished { epochs, stopped_early: true } = train(whole.path(), &stopping()) else {
        panic!("the run is stopped early");
    };
    let best = epochs - 3;
    assert!(best > 1 && epochs < 40, "{epochs}");
    // Among them: right after the best epoch, in the middle of the patience, and in the last epoch.
    for points in [
        &[At::Epoch(best), At::Step(4 * best + 2)][..],
        &[At::Epoch(best - 1), At::Epoch(best + 1), At::Step(4 * best + 11)],
        &[At::Checkpoint(4 * best), At::Checkpoint(4 * best + 8)],
    ] {
        let parts = folder();
        interrupted(parts.path(), &stopping(), points);
        assert!(results(parts.path()) == results(whole.path()), "{points:?}");
        assert!(matches!(Run::resume(parts.path()), Err(Error::Finished { epochs: found, .. }) if found == epochs));
    }
}

#[test]
fn law_a_break_at_the_very_end_finishes() {
    for config in [pcd(), stopping()] {
        let (whole, parts) = (folder(), folder());
        let Outcome::Finished { epochs, .. } = train(whole.path(), &config) else { panic!("it runs to its end") };
        let run = Run::create(parts.path(), &config).unwrap();
        let outcome = run.train(&mut break_at(|event| At::Epoch(epochs).is(event))).unwrap();
        assert!(matches!(outcome, Outcome::Finished { .. }));
        assert!(results(parts.path()) == results(whole.path()));
    }
}

#[test]
fn law_an_interruption_writes_one_checkpoint_for_an_update() {
    let parts = folder();
    let mut written = Vec::new();
    let run = Run::create(parts.path(), &pcd()).unwrap();
    run.train(&mut break_at(|event| {
        if let Event::Checkpoint { step, .. } = event {
            written.push(*step);
        }
        At::Step(8).is(event)
    }))
    .unwrap();
    assert_eq!(written, [4, 8]);
    assert!(!parts.path().join("model.gm").exists(), "an unfinished run has no model");
}

// ---- Crashes ----

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let target = to.join(path.file_name().expect("entries have names"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// The folder as a process leaves it that is killed at an event.
fn killed(config: &Config, at: At) -> TempDir {
    let (parts, image) = (folder(), folder());
    let run = Run::create(parts.path(), config).expect("a sound configuration");
    let mut photograph = break_at(|event| {
        if at.is(event) {
            copy(parts.path(), image.path());
        }
        false
    });
    run.train(&mut photograph).expect("sound data");
    drop(photograph);
    image
}

/// Resumes a run, lets it end, and gives back the warnings.
fn resumed(folder: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let run = Run::resume(folder).expect("a killed run can be resumed");
    run.train(&mut break_at(|event| {
        if let Event::Warning { text } = event {
            warnings.push((*text).to_string());
        }
        false
    }))
    .expect("sound data");
    warnings
}

#[test]
fn stable_killed_runs_lose_only_what_follows_the_last_checkpoint() {
    for config in [pcd(), stopping()] {
        let whole = folder();
        train(whole.path(), &config);
        for at in [At::Start, At::Step(3), At::Step(14), At::Epoch(1), At::Epoch(2), At::Checkpoint(12)] {
            let image = killed(&config, at);
            // Half a checkpoint and half a line, as a crash may leave them.
            fs::write(image.path().join("checkpoints/.unfinished-x.gmck"), b"gm-ckpt").unwrap();
            let metrics = image.path().join("metrics.jsonl");
            let text = fs::read_to_string(&metrics).unwrap();
            fs::write(&metrics, text + "{\"epoch\":9").unwrap();
            assert_eq!(resumed(image.path()), [""; 0]);
            assert!(results(image.path()) == results(whole.path()), "killed at {at:?}");
            assert_eq!(checkpoints(image.path()).len(), 2, "unfinished files are swept up");
        }
    }
}

#[test]
fn stable_a_damaged_newest_checkpoint_costs_only_time() {
    let whole = folder();
    train(whole.path(), &pcd());
    let image = killed(&pcd(), At::Step(23));
    let newest = checkpoints(image.path()).pop().unwrap();
    assert!(newest.ends_with("step-000000000020.gmck"));
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, &bytes).unwrap();
    let warnings = resumed(image.path());
    assert!(warnings.len() == 1 && warnings[0].contains("checksum"), "{warnings:?}");
    assert!(warnings[0].ends_with("an older checkpoint is used"), "{warnings:?}");
    assert!(results(image.path()) == results(whole.path()));
}

#[test]
fn rejects_a_run_of_which_all_checkpoints_are_damaged() {
    let image = killed(&pcd(), At::Step(23));
    checkpoints(image.path()).iter().for_each(|path| fs::write(path, b"gm-ckpt\n").unwrap());
    let found = Run::resume(image.path()).unwrap_err();
    assert!(
        matches!(found, Error::Data(gm_data::Error::File { .. }))
            && found.to_string().contains("checkpoint file is truncated"),
        "{found}"
    );
}

#[test]
fn law_lost_metrics_are_reported_and_the_model_is_the_same() {
    let whole = folder();
    train(whole.path(), &pcd());
    let image = killed(&pcd(), At::Step(30));
    let metrics = image.path().join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, &text[..text.len() - 5]).unwrap();
    let warnings = resumed(image.path());
    assert!(warnings.len() == 1 && warnings[0].contains("earlier epochs are missing"), "{warnings:?}");
    let (found, expected) = (results(image.path()), results(whole.path()));
    assert_eq!(found.model, expected.model);
    // The second epoch lost its end, and the others are whole.
    assert_eq!(found.metrics, [expected.metrics[0].clone(), expected.metrics[2].clone()]);
}

// ---- Refusals ----

fn settings_of(config: &mut Config) -> &mut RbmSettings {
    match &mut config.model {
        ModelConfig::Rbm(settings) => settings,
        other => unreachable!("an RBM is trained here, not {other:?}"),
    }
}

#[test]
fn rejects_folders_that_hold_a_run_or_none() {
    let parts = folder();
    train(parts.path(), &pcd());
    let found = Run::create(parts.path(), &pcd()).unwrap_err().to_string();
    assert!(
        found.ends_with("already holds a run (config.toml is there); resume that run or choose another folder"),
        "{found}"
    );
    let found = Run::resume(parts.path()).unwrap_err().to_string();
    assert!(found.ends_with("the run is finished after 3 epochs, nothing is left to resume"), "{found}");
    let empty = folder();
    let found = Run::resume(empty.path()).unwrap_err().to_string();
    assert!(found.ends_with("holds no run, config.toml is not there"), "{found}");
    assert!(matches!(Run::resume(empty.path().join("absent")), Err(Error::NoRun { .. })));
    // A model that someone has put there is kept as well.
    fs::write(empty.path().join("model.gm"), b"mine").unwrap();
    assert!(matches!(Run::create(empty.path(), &pcd()), Err(Error::RunExists { found: "model.gm", .. })));
    assert_eq!(fs::read(empty.path().join("model.gm")).unwrap(), b"mine");
}

#[test]
fn rejects_bad_settings_before_anything_is_written() {
    let parts = folder();
    let run = parts.path().join("run");
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = pcd();
        change(&mut config);
        Run::create(&run, &config).expect_err("it must be refused").to_string()
    };
    assert_eq!(refused(&|c| settings_of(c).hidden = 0), "RbmSettings: `hidden` is 0, allowed: 1 or more");
    assert!(
        refused(&|c| c.monitor.rows = usize::MAX).contains("`rows` is 18446744073709551615, allowed: whole numbers")
    );
    assert!(refused(&|c| c.data.binarise = Some(Binarise::None)).contains("the data have grey levels"));
    assert!(refused(&|c| c.data.spec = "digtis".into()).contains("did you mean `digits`?"));
    let rule = refused(&|c| {
        (settings_of(c).hidden, c.monitor.stop_on) = (40, StopOn::LogLikelihood);
    });
    assert!(rule.contains("`stop_on` is log-likelihood, allowed: a figure that this model has"), "{rule}");
    assert!(!run.exists());
}

#[test]
fn rejects_folders_in_which_another_run_is_at_work() {
    let parts = folder();
    let held = Run::create(parts.path(), &pcd()).unwrap();
    let found = Run::resume(parts.path()).unwrap_err();
    assert!(matches!(&found, Error::Locked { .. }), "{found}");
    assert!(found.to_string().ends_with("another process is training in this folder"));
    drop(held);
    let held = Run::resume(parts.path()).unwrap();
    assert!(matches!(Run::resume(parts.path()), Err(Error::Locked { .. })));
    held.train(&mut break_at(|event| At::Step(2).is(event))).unwrap();
    assert!(Run::resume(parts.path()).is_ok(), "the lock goes with the run");
}

#[test]
fn rejects_a_changed_configuration() {
    let parts = folder();
    Run::create(parts.path(), &pcd()).unwrap().train(&mut break_at(|event| At::Step(5).is(event))).unwrap();
    let path = parts.path().join("config.toml");
    let original = fs::read_to_string(&path).unwrap();
    for (old, new) in [("hidden = 12", "hidden = 13"), ("seed = 11", "seed = 12"), ("epochs = 3", "epochs = 30")] {
        assert!(original.contains(old), "{old} is not in\n{original}");
        fs::write(&path, original.replace(old, new)).unwrap();
        let found = Run::resume(parts.path()).unwrap_err().to_string();
        let text =
            format!("config.toml has `{new}` where the run began with `{old}`; undo the change or start a new run");
        assert!(found.ends_with(&text), "{found}");
    }
    fs::write(&path, "seed = ").unwrap();
    assert!(matches!(Run::resume(parts.path()), Err(Error::Config { .. })));
    fs::write(&path, original).unwrap();
    assert!(Run::resume(parts.path()).is_ok());
}

#[test]
fn rejects_changed_data() {
    let parts = folder();
    let csv = parts.path().join("rows.csv");
    let rows: Vec<String> = (0..24).map(|row| format!("{},{},{}\n", row % 2, row / 2 % 2, row / 3 % 2)).collect();
    fs::write(&csv, rows.concat()).unwrap();
    let rbm = RbmSettings { hidden: 2, batch_size: 4, epochs: 3, chains: 5, ..Default::default() };
    let (run, spec) = (parts.path().join("run"), csv.display().to_string());
    Run::create(&run, &config(&spec, rbm)).unwrap().train(&mut break_at(|event| At::Step(5).is(event))).unwrap();
    // The same rows in another order give the same means and other batches, or other splits.
    let swapped = |a: usize, b: usize| {
        let mut rows = rows.clone();
        rows.swap(a, b);
        rows.concat()
    };
    assert!(rows[0] != rows[1] && rows[4] != rows[5]);
    for text in [swapped(0, 1), swapped(4, 5), rows[..18].concat()] {
        fs::write(&csv, text).unwrap();
        let found = Run::resume(&run).unwrap_err();
        assert!(matches!(&found, Error::DataChanged { .. }), "{found}");
        assert!(found.to_string().contains("the data have changed since the run began: "), "{found}");
    }
    fs::write(&csv, rows.concat()).unwrap();
    assert!(Run::resume(&run).is_ok());
    fs::remove_file(&csv).unwrap();
    assert!(matches!(Run::resume(&run), Err(Error::Data(gm_data::Error::Io { .. }))));
}

#[test]
fn rejects_divergence_and_keeps_what_is_good() {
    let parts = folder();
    let mut config = stopping();
    // Weights are multiplied by 1 - rate * l2 = -2 at every update, so that the first epochs are still sound.
    let settings = settings_of(&mut config);
    (settings.learning_rate, settings.regularise.l2) = (0.1, 30.0);
    config.monitor.stop_on = StopOn::PseudoLikelihood;
    config.monitor.patience = 40;
    let model = parts.path().join("model.gm");
    let mut kept = Vec::new();
    let outcome = Run::create(parts.path(), &config).unwrap().train(&mut break_at(|event| {
        if let Event::Epoch { .. } = event {
            kept = fs::read(&model).expect("the best model so far");
        }
        false
    }));
    let found = outcome.unwrap_err();
    assert!(matches!(&found, Error::Diverged { step, .. } if *step > 8), "{found}");
    assert!(found.to_string().ends_with("lower the learning rate or add a penalty on weights"), "{found}");
    assert_eq!(fs::read(&model).unwrap(), kept);
    let stack = load_model(&model).unwrap().stack;
    assert!(stack.check_finite().is_ok());
    // The last good checkpoint leads to the same end.
    assert_eq!(checkpoints(parts.path()).len(), 2);
    let again = Run::resume(parts.path()).unwrap().train(&mut Unobserved).unwrap_err();
    assert_eq!(again.to_string(), found.to_string());
    assert_eq!(fs::read(&model).unwrap(), kept);
}

#[test]
fn rejects_divergence_at_once_without_any_model() {
    let parts = folder();
    let mut config = pcd();
    (settings_of(&mut config).optimiser, settings_of(&mut config).learning_rate) = (Default::default(), 1e12);
    let found = Run::create(parts.path(), &config).unwrap().train(&mut Unobserved).unwrap_err();
    assert!(matches!(found, Error::Diverged { step: 1, .. }), "{found}");
    assert!(!parts.path().join("model.gm").exists());
}

// ---- The folder ----

#[test]
fn table_a_run_folder_is_complete_and_can_be_run_again() {
    let (first, second) = (folder(), folder());
    train(first.path(), &pcd());
    for name in ["config.toml", "metrics.jsonl", "model.gm", "checkpoints", "samples"] {
        assert!(first.path().join(name).exists(), "{name}");
    }
    let written = Config::read(first.path().join("config.toml")).unwrap();
    assert_eq!(written.data.binarise, Some(Binarise::Dynamic));
    train(second.path(), &written);
    assert!(results(first.path()) == results(second.path()));
    let record = &results(first.path()).metrics[2];
    let names = [
        "active_units_1",
        "chain_flips",
        "epoch",
        "free_energy_gap",
        "learning_rate",
        "log_likelihood",
        "pseudo_log_likelihood",
        "reconstruction",
        "step",
        "train_log_likelihood",
        "weight_rms",
    ];
    assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert_eq!((&record["epoch"], &record["step"]), (&3.into(), &36.into()));
}

#[test]
fn law_a_run_that_never_began_is_resumed_from_the_start() {
    let (whole, parts) = (folder(), folder());
    train(whole.path(), &pcd());
    drop(Run::create(parts.path(), &pcd()).unwrap());
    // A crash between the configuration and the folders.
    fs::remove_dir(parts.path().join("checkpoints")).unwrap();
    fs::remove_dir(parts.path().join("samples")).unwrap();
    assert_eq!(resumed(parts.path()), [""; 0]);
    assert!(results(parts.path()) == results(whole.path()) && parts.path().join("samples").is_dir());
}
