//! Runs that start from a model in a file: they read it once, and are resumed to the same bits without it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test may panic as the tests themselves do")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{break_at, results};
use gm_core::{ModelData, ModelKind, Stack, Streams};
use gm_data::{Dataset, save_model};
use gm_train::{
    Backfit, ClassifierSettings, Config, DbmSettings, DbnSettings, Error, Event, FitOptions, ModelConfig, Outcome,
    Pretrain, RbmSettings, Run, Unobserved, Visible, fit_dbn, fit_rbm,
};
use sha2::{Digest, Sha256};

/// A model of random weights in a file.
fn save(path: &Path, kind: ModelKind, layers: &[usize]) {
    let mut stack = Stack::zeros(layers).unwrap();
    stack.tensors_mut().flatten().enumerate().for_each(|(i, w)| *w = 0.3 * (1.9 * i as f32).sin());
    save_model(path, &ModelData::from_stack(kind, stack).unwrap()).unwrap();
}

fn with(spec: &str, model: ModelConfig) -> Config {
    let mut config = Config::new(spec, model);
    (config.seed, config.checkpoint_every) = (5, 3);
    config.monitor.rows = 40;
    config
}

fn dbm(start: &Path, visible: Visible) -> Config {
    let settings = DbmSettings {
        hidden: vec![6, 4],
        visible,
        pretrain: Pretrain::None,
        start: Some(start.into()),
        epochs: 3,
        batch_size: 4,
        chains: 8,
        temperatures: 2,
        optimiser: "momentum:0.5".parse().unwrap(),
        learning_rate: 0.01,
        ..Default::default()
    };
    with("bars-and-stripes:3", ModelConfig::Dbm(settings))
}

fn dbn(start: &Path) -> Config {
    let settings = DbnSettings {
        hidden: vec![6, 7, 5],
        start: Some(start.into()),
        epochs: vec![2],
        backfit: Backfit::Rws,
        backfit_epochs: 1,
        layer: RbmSettings { batch_size: 4, chains: 8, ..Default::default() },
        ..Default::default()
    };
    with("bars-and-stripes:3", ModelConfig::Dbn(settings))
}

fn finetuned(start: &Path) -> Config {
    let settings = ClassifierSettings {
        start: Some(start.into()),
        epochs: 3,
        batch_size: 4,
        optimiser: "adam".parse().unwrap(),
        learning_rate: 0.01,
        ..Default::default()
    };
    with("bars-and-stripes:3", ModelConfig::Classifier(settings))
}

/// Models to start from, and runs that do so.
fn runs(folder: &Path) -> Vec<(&'static str, PathBuf, Config)> {
    let path = |name: &str| folder.join(format!("{name}.gm"));
    let (rbm, machine, network) = (path("rbm"), path("dbm"), path("dbn"));
    save(&rbm, ModelKind::Rbm, &[9, 6]);
    save(&machine, ModelKind::Dbm, &[9, 6, 4]);
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let settings = DbnSettings {
        hidden: vec![6, 7],
        epochs: vec![1],
        layer: RbmSettings { batch_size: 4, chains: 8, ..Default::default() },
        ..Default::default()
    };
    let fit = fit_dbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap();
    save_model(&network, &fit.model.to_data().unwrap()).unwrap();
    vec![
        ("dbm", rbm.clone(), dbm(&rbm, Visible::Bernoulli)),
        ("dbn", network.clone(), dbn(&network)),
        ("net of a dbn", network.clone(), finetuned(&network)),
        ("net of a dbm", machine.clone(), finetuned(&machine)),
    ]
}

/// Trains in pieces; after each piece the file of the start model is changed.
fn in_pieces(folder: &Path, config: &Config, steps: &[u64], change: &dyn Fn()) {
    let mut run = Run::create(folder, config).unwrap();
    change();
    for &step in steps {
        let outcome = run
            .train(&mut break_at(|event| match event {
                Event::Started { .. } => step == 0,
                Event::Step { step: made, .. } => step == *made,
                _ => false,
            }))
            .unwrap();
        assert_eq!(outcome, Outcome::Interrupted { step });
        run = Run::resume(folder).unwrap();
    }
    assert!(matches!(run.train(&mut Unobserved).unwrap(), Outcome::Finished { .. }));
}

#[test]
fn stable_runs_are_resumed_without_the_model_that_they_start_from() {
    let files = tempfile::tempdir().unwrap();
    for (name, start, config) in runs(files.path()) {
        let at = |run: &str| files.path().join(format!("{name}-{run}"));
        in_pieces(&at("whole"), &config, &[], &|| ());
        let original = fs::read(&start).unwrap();
        let delete = || drop(fs::remove_file(&start));
        in_pieces(&at("deleted"), &config, &[2, 5], &delete);
        fs::write(&start, &original).unwrap();
        in_pieces(&at("at the start"), &config, &[0, 3], &delete);
        fs::write(&start, &original).unwrap();
        // Another model of the same kind and one that does not fit at all.
        let replace = || save(&start, ModelKind::Rbm, &[4, 3]);
        in_pieces(&at("replaced"), &config, &[1, 4], &replace);
        fs::write(&start, &original).unwrap();
        for run in ["deleted", "at the start", "replaced"] {
            assert!(results(&at(run)) == results(&at("whole")), "{name}, {run}");
        }
    }
}

#[test]
fn stable_gaussian_units_keep_the_standardisation_of_the_model_that_they_start_from() {
    let files = tempfile::tempdir().unwrap();
    let digits = Dataset::builtin("digits").unwrap();
    let settings = RbmSettings {
        hidden: 6,
        visible: Visible::Gaussian,
        epochs: 1,
        chains: 8,
        learning_rate: 0.01,
        ..Default::default()
    };
    let fit = fit_rbm(&digits, &settings, &Streams::new(1), &mut Unobserved).unwrap();
    let start = files.path().join("rbm.gm");
    save_model(&start, &fit.model.to_data().unwrap()).unwrap();
    let original = fs::read(&start).unwrap();
    let of_dbn = DbnSettings {
        hidden: vec![6, 5],
        start: Some(start.clone()),
        epochs: vec![1],
        layer: RbmSettings { visible: Visible::Gaussian, chains: 8, ..Default::default() },
        ..Default::default()
    };
    let mut of_dbm = dbm(&start, Visible::Gaussian);
    of_dbm.data.spec = "digits".into();
    if let ModelConfig::Dbm(settings) = &mut of_dbm.model {
        (settings.epochs, settings.batch_size) = (1, 200);
    }
    for (name, config) in [("dbm", of_dbm), ("dbn", with("digits", ModelConfig::Dbn(of_dbn)))] {
        fs::write(&start, &original).unwrap();
        let at = |run: &str| files.path().join(format!("{name}-{run}"));
        in_pieces(&at("whole"), &config, &[], &|| ());
        in_pieces(&at("cut"), &config, &[0, 2, 4], &|| drop(fs::remove_file(&start)));
        assert!(results(&at("cut")) == results(&at("whole")), "{name}");
    }
}

#[test]
fn rejects_another_model_or_none_while_there_is_no_checkpoint() {
    let files = tempfile::tempdir().unwrap();
    let (start, run) = (files.path().join("rbm.gm"), files.path().join("run"));
    save(&start, ModelKind::Rbm, &[9, 6]);
    let config = dbm(&start, Visible::Bernoulli);
    let digest = |path: &Path| -> String {
        Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let created = Run::create(&run, &config).unwrap();
    let ModelConfig::Dbm(settings) = &created.config().model else { panic!("another kind of model") };
    assert_eq!((&settings.start, &settings.start_digest), (&Some(start.clone()), &Some(digest(&start))));
    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(text.contains(&format!("start_digest = \"{}\"", digest(&start))), "{text}");
    drop(created);
    // As a crash between the configuration and the first checkpoint leaves it.
    let first = run.join("checkpoints/step-000000000000.gmck");
    fs::remove_file(&first).unwrap();
    let original = fs::read(&start).unwrap();
    fs::remove_file(&start).unwrap();
    let error = Run::resume(&run).unwrap_err();
    assert!(matches!(&error, Error::StartNeeded { .. }), "{error}");
    let error = error.to_string();
    assert!(
        error.contains("the run has no checkpoint yet and needs the model that it starts from: opening"),
        "{error}"
    );
    assert!(error.ends_with("; put the file back or start a new run"), "{error}");
    save(&start, ModelKind::Rbm, &[9, 5]);
    let error = Run::resume(&run).unwrap_err();
    assert!(matches!(&error, Error::StartChanged { expected, .. } if *expected != digest(&start)), "{error}");
    assert!(error.to_string().contains("rbm.gm has changed since it was created: its SHA-256 digest is"), "{error}");
    fs::write(&start, original).unwrap();
    Run::resume(&run).unwrap().train(&mut Unobserved).unwrap();
    in_pieces(&files.path().join("whole"), &config, &[], &|| ());
    assert!(results(&run) == results(&files.path().join("whole")));
}

#[test]
fn table_the_place_of_a_start_model_may_change() {
    let files = tempfile::tempdir().unwrap();
    let (start, run) = (files.path().join("rbm.gm"), files.path().join("run"));
    save(&start, ModelKind::Rbm, &[9, 6]);
    let mut stop = break_at(|event| matches!(event, Event::Step { step: 2, .. }));
    Run::create(&run, &dbm(&start, Visible::Bernoulli)).unwrap().train(&mut stop).unwrap();
    let path = run.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("rbm.gm", "moved.gm")).unwrap();
    assert!(Run::resume(&run).is_ok());
    fs::write(&path, text.replace("start_digest = \"", "start_digest = \"0")).unwrap();
    assert!(matches!(Run::resume(&run), Err(Error::ConfigChanged { .. })));
    // Configurations of earlier versions have no digest.
    let without: String =
        text.lines().filter(|line| !line.starts_with("start_digest")).map(|l| format!("{l}\n")).collect();
    assert!(Config::parse(&without).is_ok());
}
