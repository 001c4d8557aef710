//! Classifiers from data to files: what they learn, the same bits on any threads and across interruptions, and refusals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test may panic as the tests themselves do")]

use std::path::{Path, PathBuf};

use crate::common::{break_at, results};
use gm_core::{ModelData, ModelKind, Stack, Streams};
use gm_data::{Binarise, Dataset, load_model, save_model};
use gm_eval::{ClassData, evaluate_classifier};
use gm_net::{Classifier, HiddenUnits};
use gm_train::{
    ClassifierSettings, Config, Error, Event, FitOptions, ModelConfig, MonitorSettings, Outcome, RbmSettings, Run,
    StopOn, Unobserved, fit_classifier, fit_rbm,
};

fn digits() -> Dataset {
    Dataset::builtin("digits").unwrap()
}

fn error_rate(net: &Classifier, data: &Dataset) -> f64 {
    let data = ClassData::from_split(&data.source, "test", &data.test, Binarise::None, net.classes()).unwrap();
    evaluate_classifier(net, &data).unwrap().error_rate.value
}

/// A configuration with dropout, a head that begins alone and everything else that leaves traces.
fn config(start: Option<PathBuf>) -> Config {
    let hidden = if start.is_some() { vec![] } else { vec![13, 11] };
    let settings = ClassifierSettings {
        start,
        hidden,
        head_epochs: 1,
        epochs: 4,
        batch_size: 200,
        dropout: "0.1,0.3".parse().unwrap(),
        optimiser: "adam".parse().unwrap(),
        learning_rate: 0.005,
        regularise: gm_train::Regularise { l2: 1e-4, max_norm: Some(3.0), ..Default::default() },
        ..Default::default()
    };
    let mut config = Config::new("digits", ModelConfig::Classifier(settings));
    (config.seed, config.checkpoint_every) = (3, 5);
    config
}

/// A deep Boltzmann machine of random weights in a file.
fn machine(folder: &Path) -> PathBuf {
    let mut stack = Stack::zeros(&[64, 9, 7]).unwrap();
    stack.tensors_mut().flatten().enumerate().for_each(|(i, w)| *w = 0.3 * (1.9 * i as f32).sin());
    let path = folder.join("dbm.gm");
    save_model(&path, &ModelData::from_stack(ModelKind::Dbm, stack).unwrap()).unwrap();
    path
}

#[test]
fn stable_an_interrupted_run_ends_as_an_uninterrupted_one_on_any_threads() {
    let folder = tempfile::tempdir().unwrap();
    for (name, start) in [("random", None), ("joined", Some(machine(folder.path())))] {
        let at = |run: &str| folder.path().join(format!("{name}-{run}"));
        let config = config(start);
        let whole = Run::create(at("whole"), &Config { threads: 1, ..config.clone() }).unwrap();
        assert!(matches!(whole.train(&mut Unobserved).unwrap(), Outcome::Finished { .. }));
        let mut run = Run::create(at("cut"), &Config { threads: 3, ..config }).unwrap();
        for step in [3, 11] {
            let stop = |event: &Event<'_>| matches!(event, Event::Step { step: made, .. } if *made == step);
            assert_eq!(run.train(&mut break_at(stop)).unwrap(), Outcome::Interrupted { step });
            run = Run::resume(at("cut")).unwrap();
        }
        run.train(&mut Unobserved).unwrap();
        assert_eq!(results(&at("cut")), results(&at("whole")), "{name}");
    }
}

#[test]
fn law_a_run_describes_itself_and_keeps_the_best_epoch_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(Some(machine(folder.path())));
    config.monitor = MonitorSettings { stop_on: StopOn::CrossEntropy, patience: 2, ..Default::default() };
    let run = Run::create(folder.path().join("run"), &config).unwrap();
    assert_eq!(run.layers(), [64 + 7, 9, 7, 10]);
    let ModelConfig::Classifier(settings) = &run.config().model else { panic!("another kind of model") };
    assert_eq!((settings.hidden.as_slice(), settings.classes), (&[9, 7][..], Some(10)));
    assert_eq!(run.config().data.binarise, Some(Binarise::None));
    run.train(&mut Unobserved).unwrap();
    let net = Classifier::from_data(load_model(folder.path().join("run/model.gm")).unwrap()).unwrap();
    assert_eq!((net.inputs(), net.classes()), (64, 10));
}

#[test]
fn law_weights_of_a_restricted_boltzmann_machine_are_a_good_start() {
    let (data, streams) = (digits(), Streams::new(4));
    let rbm = RbmSettings { hidden: 40, epochs: 60, batch_size: 50, ..Default::default() };
    let rbm = fit_rbm(&data, &rbm, &streams, &mut Unobserved).unwrap().model.to_data().unwrap();
    let start = Classifier::from_model(rbm, 10, HiddenUnits::Sigmoid, &streams).unwrap();
    let before = error_rate(&start, &data);
    let fit = |head_epochs| {
        let settings = ClassifierSettings { hidden: vec![40], head_epochs, epochs: 40, ..Default::default() };
        let options = FitOptions { start: Some(start.to_data().unwrap()), ..Default::default() };
        fit_classifier(&data, &settings, &options, &streams, &mut Unobserved).unwrap()
    };
    let (tuned, frozen) = (fit(0), fit(40));
    assert_eq!(frozen.model.stack().weights(0), start.stack().weights(0));
    let [tuned, frozen] = [&tuned, &frozen].map(|fit| error_rate(&fit.model, &data));
    // Nine tenths by chance; of 299 rows 10 % are 30.
    assert!(before > 0.6 && frozen < 0.3 && tuned < 0.1, "{before}, frozen {frozen}, tuned {tuned}");
}

#[test]
fn law_grey_levels_may_be_binarised_too() {
    let (data, streams) = (digits(), Streams::new(4));
    for binarise in [Binarise::Dynamic, Binarise::Fixed(2), Binarise::Threshold(0.4)] {
        let settings =
            ClassifierSettings { hidden: vec![30], units: HiddenUnits::Relu, epochs: 20, ..Default::default() };
        let options = FitOptions { binarise: Some(binarise), ..Default::default() };
        let fit = fit_classifier(&data, &settings, &options, &streams, &mut Unobserved).unwrap();
        let error = fit.history.last().unwrap().figures.get("error_rate").unwrap();
        assert!(error < 0.3, "{binarise}: {error}");
    }
}

#[test]
fn rejects_data_and_models_that_do_not_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |config: &Config| Run::create(folder.path().join("run"), config).unwrap_err();
    let config = config(Some(machine(folder.path())));
    let mut binarised = config.clone();
    binarised.data.binarise = Some(Binarise::Fixed(0));
    assert_eq!(
        refused(&binarised).to_string(),
        "ClassifierSettings: `binarise` is fixed:0, allowed: none for a net whose input is joined with means of a dbm"
    );
    let mut narrow = config.clone();
    narrow.data.spec = "bars-and-stripes:3".into();
    assert_eq!(refused(&narrow).to_string(), "ClassifierSettings: `data` has units 9, expected 64");
    let with = |change: &dyn Fn(&mut ClassifierSettings)| {
        let mut config = config.clone();
        if let ModelConfig::Classifier(settings) = &mut config.model {
            change(settings);
        }
        refused(&config).to_string()
    };
    let layers = with(&|settings| settings.hidden = vec![9, 8]);
    assert!(layers.contains("`hidden` is [9, 8], allowed: the layers of the model to start from"), "{layers}");
    let few = with(&|settings| settings.classes = Some(9));
    assert!(few.contains("has label 9, allowed: below 9"), "{few}");
    let absent = with(&|settings| settings.start = Some("absent.gm".into()));
    assert!(absent.contains("absent.gm: No such file"), "{absent}");
    let mut bare = config.clone();
    std::fs::write(folder.path().join("bare.csv"), "0,1,1\n1,0,1\n".repeat(6)).unwrap();
    bare.data.spec = folder.path().join("bare.csv").display().to_string();
    assert!(matches!(refused(&bare), Error::Data(gm_data::Error::NoLabels { .. })));
    let mut rule = config.clone();
    rule.monitor.stop_on = StopOn::LogLikelihood;
    assert!(refused(&rule).to_string().contains("`stop_on` is log-likelihood"));
    assert!(!folder.path().join("run").exists());
    let net = Classifier::random(&[64, 3, 10], HiddenUnits::Relu, None, &Streams::new(1)).unwrap();
    let error = gm_eval::Model::from_data(net.to_data().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "the file holds a classifier, expected a generative model (rbm, sbn, dbm, dbn or harmonium)");
}
