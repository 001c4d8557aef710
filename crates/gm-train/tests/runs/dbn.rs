//! Training and evaluation of deep belief networks.

use crate::common::SHORT;
use std::ops::ControlFlow;
use std::path::Path;

use gm_core::{AisSettings, BitMatrix, ModelKind, Schedule, Stack, Streams, unwatched};
use gm_data::{Binarise, Dataset, SplitName, load_model, save_model};
use gm_dbn::Dbn;
use gm_eval::{ClassData, EvalData, EvalSettings, Exact, Model, classify, convert_model, evaluate_dbn};
use gm_sbn::BoundSettings;
use gm_train::{
    Algorithm, Backfit, Config, DbnSettings, Event, Fit, FitOptions, LayerInputs, LayerStart, ModelConfig,
    MonitorSettings, Outcome, RbmSettings, Run, Unobserved, fit_dbn, fit_rbm,
};

fn small() -> DbnSettings {
    DbnSettings {
        hidden: vec![8, 10],
        epochs: vec![1_500],
        learning_rate: vec![0.2],
        layer: RbmSettings { batch_size: 8, chains: 100, init_scale: 0.05, ..DbnSettings::default().layer },
        ..DbnSettings::default()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn bars() -> Dataset {
    Dataset::builtin("bars-and-stripes:3").expect("a built-in set")
}

fn rows() -> BitMatrix {
    EvalData::from_dataset(&bars(), SplitName::Train, None).expect("a built-in set").rows.bits().clone()
}

/// Exact mean log p of the rows, and the exact bound.
fn exact(dbn: &Dbn) -> (f64, f64) {
    let log_z = dbn.log_partition().expect("a small model");
    let log_p = mean(&dbn.log_prob(&rows(), log_z).expect("a small model"));
    (log_p, mean(&dbn.exact_bound(&rows(), log_z, 1).expect("a small model")))
}

fn fit(settings: &DbnSettings, seed: u64) -> Dbn {
    let options = FitOptions::default();
    fit_dbn(&bars(), settings, &options, &Streams::new(seed), &mut Unobserved).expect("sound settings").model
}

#[test]
fn law_each_layer_keeps_or_raises_the_bound() {
    // A poor first layer leaves something to learn for the second: from independent pixels at 6.24 to 2.60 nats at best.
    let settings = DbnSettings { epochs: vec![600, 3_000], ..small() };
    for inputs in [LayerInputs::Samples, LayerInputs::Means] {
        let options = FitOptions::default();
        let settings = DbnSettings { inputs, ..settings.clone() };
        let fit = fit_dbn(&bars(), &settings, &options, &Streams::new(3), &mut Unobserved).unwrap();
        let at = |epoch: u64, name: &str| {
            let record = fit.history.iter().find(|record| record.epoch == epoch).expect("each stage ends with a look");
            record.figures.get(name).expect("a network has the figure")
        };
        let (first, begins, last) = (at(600, "elbo"), at(600, "next_elbo"), at(3_600, "elbo"));
        assert!((first - begins).abs() < 0.15, "{inputs}: unrolling keeps the bound: {first} and {begins}");
        // The bound of samples grows; that of means is not what they maximise, but close.
        let least = if inputs == LayerInputs::Samples { 0.05 } else { -0.05 };
        assert!(last > first + least, "{inputs}: {last} after {first}");
        assert_eq!((at(600, "layers"), at(3_600, "layers")), (1.0, 2.0));
        let (log_p, bound) = exact(&fit.model);
        assert!(bound <= log_p + 1e-6 && log_p > -4.8, "{inputs}: bound {bound}, log p {log_p}");
    }
}

#[test]
fn law_backfitting_improves_a_network_on_log_p() {
    let settings = DbnSettings { epochs: vec![300], ..small() };
    let before = exact(&fit(&settings, 5)).0;
    for backfit in [Backfit::UpDown, Backfit::Rws] {
        let settings = DbnSettings {
            backfit,
            backfit_epochs: 1_500,
            backfit_learning_rate: 0.003,
            backfit_steps: vec![3, 6, 10],
            ..settings.clone()
        };
        let after = exact(&fit(&settings, 5)).0;
        assert!(after > before + 0.1, "{backfit}: {after} after {before}");
    }
}

#[test]
fn law_a_network_of_one_layer_learns_as_the_machine_does_bit_for_bit() {
    let settings = DbnSettings {
        hidden: vec![12],
        epochs: vec![5],
        layer: RbmSettings { chains: 20, ..small().layer },
        ..small()
    };
    let rbm = RbmSettings {
        hidden: 12,
        epochs: 5,
        batch_size: settings.layer.batch_size,
        chains: settings.layer.chains,
        learning_rate: 0.2,
        init_scale: settings.layer.init_scale,
        ..RbmSettings::default()
    };
    let machine = fit_rbm(&bars(), &rbm, &Streams::new(4), &mut Unobserved).unwrap().model;
    assert_eq!(fit(&settings, 4).top(), machine);
}

/// A network with label units, trained on the digits, and its figures.
fn labelled(epochs: u64, class_weight: f32) -> Fit<Dbn> {
    let digits = Dataset::builtin("digits").expect("a built-in set");
    let settings = DbnSettings {
        hidden: vec![60, 80],
        epochs: vec![epochs],
        learning_rate: vec![0.1],
        layer: RbmSettings { labels: true, class_weight, batch_size: 20, chains: 100, ..DbnSettings::default().layer },
        ..DbnSettings::default()
    };
    let monitor = MonitorSettings { every: epochs, ..MonitorSettings::default() };
    let options = FitOptions { monitor, ..FitOptions::default() };
    fit_dbn(&digits, &settings, &options, &Streams::new(2), &mut Unobserved).expect("sound settings")
}

#[test]
fn law_a_weight_of_classes_makes_labels_more_certain() {
    let digits = Dataset::builtin("digits").unwrap();
    let data = ClassData::from_split("digits", "test", &digits.test, Binarise::None, 10).unwrap();
    let judged = |class_weight| {
        let model = labelled(30, class_weight).model;
        classify(&Model::Dbn(model), &data).unwrap().cross_entropy.value
    };
    let (plain, weighted) = (judged(0.0), judged(50.0));
    assert!(weighted < 0.7 * plain, "{weighted} against {plain} nats");
}

#[test]
fn law_label_units_tell_the_class() {
    let fit = labelled(80, 0.0);
    assert_eq!((fit.model.classes(), fit.model.layers()), (10, vec![64, 60, 80]));
    let error = fit.history.last().and_then(|last| last.figures.get("error_rate")).unwrap();
    assert!(error < 0.2, "{error} of the validation rows, 0.9 by chance");
    // Fantasies of a class are taken for that class.
    let (sampler, streams) = (fit.model.sampler(), Streams::new(9));
    let mut chains = fit.model.chains(100, &streams);
    let classes: Vec<usize> = (0..100).map(|chain| chain % 10).collect();
    sampler.run_with_classes(&mut chains, &classes, 200, &streams).unwrap();
    let v = sampler.mean_v_from_chains(&chains, &streams).to_matrix();
    let log_p = fit.model.log_class_probs(&v).unwrap();
    let right = classes.iter().enumerate().filter(|(chain, class)| log_p.column(*chain).imax() == **class).count();
    assert!(right >= 70, "{right} of 100, 10 by chance");
}

/// Settings of a few updates in every stage, with everything that a checkpoint has to hold.
fn quick(backfit: Backfit, labels: bool) -> DbnSettings {
    DbnSettings {
        hidden: vec![12, 16],
        epochs: vec![2],
        backfit,
        backfit_epochs: 2,
        layer: RbmSettings {
            labels,
            class_weight: if labels { 2.0 } else { 0.0 },
            batch_size: 400,
            chains: 30,
            optimiser: "momentum:0.5".parse().expect("an optimiser"),
            ..DbnSettings::default().layer
        },
        ..DbnSettings::default()
    }
}

/// The bytes of the models that a run leaves, interrupted after the given updates.
fn trained(settings: DbnSettings, interruptions: &[u64]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::new("digits", ModelConfig::Dbn(settings));
    let mut run = Run::create(folder.path(), &config).expect("a sound run");
    for &at in interruptions {
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step, .. } if *step >= at => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(run.train(&mut stop).expect("a sound run"), Outcome::Interrupted { step: at });
        run = Run::resume(folder.path()).expect("a sound run");
    }
    end(run)
}

/// Lets a run come to its end, and reads the models that it leaves.
fn end(run: Run) -> Vec<Vec<u8>> {
    let folder = run.folder().to_path_buf();
    assert!(matches!(run.train(&mut Unobserved).expect("a sound run"), Outcome::Finished { .. }));
    ["model.gm", "layers/1.gm", "layers/2.gm"].map(|name| std::fs::read(folder.join(name)).expect(name)).into()
}

#[test]
fn stable_resumed_runs_end_with_the_same_bits_in_every_stage() {
    // 1,199 rows in batches of 400: three updates an epoch, six a stage.
    for (backfit, labels) in [(Backfit::None, true), (Backfit::UpDown, true), (Backfit::Rws, false)] {
        let whole = trained(quick(backfit, labels), &[]);
        let points: &[&[u64]] = if backfit == Backfit::None { &[&[1, 6, 8]] } else { &[&[4, 6], &[11, 12, 15]] };
        for points in points {
            assert!(whole == trained(quick(backfit, labels), points), "{backfit}, interrupted after {points:?}");
        }
    }
}

#[test]
fn stable_measurements_that_are_broken_off_are_made_again() {
    // The machine on top is too large to enumerate, so that the end of each epoch anneals.
    let settings = || DbnSettings { hidden: vec![14, 16], ..quick(Backfit::None, false) };
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::create(folder.path(), &Config::new("digits", ModelConfig::Dbn(settings()))).unwrap();
    for (measured, kept) in [(3, 2), (6, 5), (12, 11)] {
        let mut made = 0;
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step, .. } => {
                made = *step;
                ControlFlow::Continue(())
            }
            Event::Measuring { .. } if made == measured => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(run.train(&mut stop).unwrap(), Outcome::Interrupted { step: kept });
        run = Run::resume(folder.path()).unwrap();
    }
    assert!(end(run) == trained(settings(), &[]));
}

#[test]
fn stable_training_does_not_depend_on_threads() {
    let digits = Dataset::builtin("digits").unwrap();
    for (backfit, inputs) in [(Backfit::UpDown, LayerInputs::Means), (Backfit::Rws, LayerInputs::Samples)] {
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let class_weight = if inputs == LayerInputs::Samples { 2.0 } else { 0.0 };
            let settings = DbnSettings {
                inputs,
                hidden: vec![70, 130],
                layer: RbmSettings { class_weight, ..quick(backfit, true).layer },
                ..quick(backfit, true)
            };
            let options = FitOptions::default();
            pool.install(|| fit_dbn(&digits, &settings, &options, &Streams::new(3), &mut Unobserved).unwrap().model)
        };
        assert_eq!(fit(1), fit(3), "{backfit}");
    }
}

/// A file with the model of a fit.
fn saved(folder: &Path, name: &str, data: &gm_core::ModelData) -> std::path::PathBuf {
    let path = folder.join(name);
    save_model(&path, data).expect("a sound folder");
    path
}

#[test]
fn law_extending_a_network_keeps_its_layers() {
    let folder = tempfile::tempdir().unwrap();
    let first = fit(&DbnSettings { hidden: vec![8], epochs: vec![100], ..small() }, 1);
    let start = Some(saved(folder.path(), "first.gm", &first.to_data().unwrap()));
    let extended = fit(&DbnSettings { start: start.clone(), epochs: vec![100], ..small() }, 2);
    assert_eq!(extended.layers(), [9, 8, 10]);
    assert_eq!(extended.stack().weights(0), first.stack().weights(0));
    let net = extended.recognition().unwrap();
    assert_eq!((net.weights(0), net.bias(1)), (first.stack().weights(0), first.stack().bias(1)));
    // A machine will do as well, and a network that is given whole can be trained further.
    let machine = saved(folder.path(), "machine.gm", &first.top().to_data().unwrap());
    assert_eq!(fit(&DbnSettings { start: Some(machine), epochs: vec![100], ..small() }, 2), extended);
    let options = FitOptions { start: Some(extended.to_data().unwrap()), ..FitOptions::default() };
    let more = DbnSettings { backfit: Backfit::Rws, backfit_epochs: 3, ..small() };
    let fitted = fit_dbn(&bars(), &more, &options, &Streams::new(0), &mut Unobserved).unwrap();
    assert_eq!(fitted.outcome, Outcome::Finished { epochs: 3, stopped_early: false });
    assert_ne!(fitted.model.stack().weights(0), extended.stack().weights(0));
}

#[test]
fn rejects_models_to_start_from_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path, settings: DbnSettings| {
        let config = Config::new("bars-and-stripes:3", ModelConfig::Dbn(DbnSettings { start: Some(path), ..settings }));
        Run::create(folder.path().join("run"), &config).unwrap_err().to_string()
    };
    let zeros = |kind, layers: &[usize]| gm_core::ModelData::from_stack(kind, Stack::zeros(layers).unwrap()).unwrap();
    let other = saved(folder.path(), "other.gm", &zeros(ModelKind::Dbn, &[9, 7]));
    let text = error(other, small());
    assert!(
        text.contains("`start` is a model with layers [9, 7] for [9, 8, 10], allowed: a model whose layers"),
        "{text}"
    );
    let sbn = saved(folder.path(), "sbn.gm", &zeros(ModelKind::Sbn, &[9, 8]));
    assert!(error(sbn, small()).contains("`start` is an sbn, allowed: a file with a restricted Boltzmann machine"));
    let whole = saved(folder.path(), "whole.gm", &zeros(ModelKind::Dbn, &[9, 8, 10]));
    let text = error(whole.clone(), small());
    assert!(text.contains("`backfit` is none with no layer to add, allowed: up-down or rws"), "{text}");
    let text = error(folder.path().join("absent.gm"), small());
    assert!(text.contains("absent.gm"), "{text}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn rejects_each_setting_out_of_range() {
    let base = small();
    let cases = [
        (DbnSettings { hidden: vec![], ..base.clone() }, "`hidden` is empty, allowed: one layer or more"),
        (DbnSettings { hidden: vec![3, 0], ..base.clone() }, "`hidden` is 0, allowed: 1 or more"),
        (DbnSettings { epochs: vec![0], ..base.clone() }, "`epochs` is 0, allowed: 1 or more"),
        (
            DbnSettings { layer: RbmSettings { chains: 0, ..base.layer.clone() }, ..base.clone() },
            "`chains` is 0, allowed: 1 or more",
        ),
        (
            DbnSettings { backfit_steps: vec![], ..base.clone() },
            "`backfit_steps` is empty, allowed: one number or more",
        ),
        (
            DbnSettings { learning_rate: vec![0.1; 3], ..base.clone() },
            "`learning_rate` is a list of 3, allowed: one number, or one for each of the 2 layers",
        ),
        (
            DbnSettings { hidden: vec![4], backfit: Backfit::Rws, ..base.clone() },
            "`backfit` is rws with 1 hidden layer, allowed: none with 1 hidden layer",
        ),
        (
            DbnSettings { backfit_learning_rate: 0.0, ..base.clone() },
            "`backfit_learning_rate` is 0, allowed: finite numbers above 0",
        ),
        (
            DbnSettings { layer: RbmSettings { labels: true, classes: 1, ..base.layer.clone() }, ..base.clone() },
            "`classes` is 1, allowed: 0 for those of the data, or 2 or more",
        ),
        (
            DbnSettings { layer: RbmSettings { class_weight: 2.0, ..base.layer.clone() }, ..base.clone() },
            "`class_weight` is 2, allowed: 0 without label units",
        ),
        (
            DbnSettings {
                inputs: LayerInputs::Means,
                layer: RbmSettings { labels: true, class_weight: 2.0, ..base.layer.clone() },
                ..base.clone()
            },
            "`class_weight` is 2 with means as inputs, allowed: 0 with means as inputs",
        ),
    ];
    for (settings, text) in cases {
        assert_eq!(settings.check().unwrap_err().to_string(), format!("DbnSettings: {text}"));
    }
    let rate = DbnSettings { learning_rate: vec![-1.0], ..base }.check().unwrap_err().to_string();
    assert_eq!(rate, "RbmSettings: `learning_rate` is -1, allowed: finite numbers above 0");
    for (what, text) in [
        ("updown".parse::<Backfit>().map(|_| ()), "unknown rule of backfitting `updown`, did you mean `up-down`?"),
        ("sample".parse::<LayerInputs>().map(|_| ()), "unknown kind of inputs `sample`, did you mean `samples`?"),
        ("rolled".parse::<LayerStart>().map(|_| ()), "unknown start of a layer `rolled`"),
    ] {
        let error = what.unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn law_a_configuration_survives_a_round_trip_and_takes_single_numbers() {
    let text = "[data]\nspec = 'digits'\n[model]\nkind = 'dbn'\nhidden = [20, 30]\nepochs = 5\nlearning_rate = [0.2, 0.1]\nbackfit = 'up-down'\n";
    let config = Config::parse(text).unwrap();
    let ModelConfig::Dbn(settings) = &config.model else { panic!("another model") };
    assert_eq!((settings.epochs.clone(), settings.learning_rate.clone()), (vec![5], vec![0.2, 0.1]));
    assert_eq!(Config::parse(&config.to_toml()).unwrap(), config);
}

#[test]
fn stat_mean_evaluation_brackets_the_exact_value() {
    let dbn = fit(
        &DbnSettings { epochs: vec![200], layer: RbmSettings { algorithm: Algorithm::Cd, ..small().layer }, ..small() },
        7,
    );
    let data = EvalData::from_dataset(&bars(), SplitName::Train, None).unwrap();
    let exactly = evaluate_dbn(&dbn, &data, &EvalSettings::default(), &mut unwatched).unwrap();
    assert_eq!((exactly.mean_log_prob.side, exactly.log_partition.as_ref().unwrap().method), ("exact", "exact"));
    assert!((exactly.mean_log_prob.value - exact(&dbn).0).abs() < 1e-9);
    let settings = EvalSettings {
        exact: Exact::No,
        ais: AisSettings { runs: 500, schedule: Schedule::Linear(500) },
        raise_walks: 500,
        tempering: SHORT,
        bound: BoundSettings { samples: 2_000, repeats: 1 },
        seed: 1,
        ..Default::default()
    };
    let report = evaluate_dbn(&dbn, &data, &settings, &mut unwatched).unwrap();
    let (p, truth) = (&report.mean_log_prob, exactly.mean_log_prob.value);
    assert!(p.low < truth && truth - p.low < 0.3, "{p:?} around {truth}");
    assert_eq!((p.high, p.side), (f64::INFINITY, "lower"), "no method closes the upper end");
    let gap = report.gap.as_ref().unwrap();
    assert!((gap.rows, gap.states) == (100, "parallel tempering") && gap.mean < 0.1, "{gap:?}");
    assert!(report.elbo.unwrap() <= report.importance_weighted.as_ref().unwrap().value + 1e-3);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!(report.log_probs.len(), data.rows.samples());
}

#[test]
fn law_conversions_keep_what_they_promise() {
    let dbn = fit(&DbnSettings { epochs: vec![50], ..small() }, 1);
    let data = dbn.to_data().unwrap();
    let sbn = gm_sbn::Sbn::from_data(convert_model(data.clone(), ModelKind::Sbn).unwrap()).unwrap();
    assert_eq!(sbn.stack(), dbn.stack());
    let net = sbn.recognition().unwrap();
    let top = dbn.top();
    assert_eq!((net.weights(1), net.bias(2)), (top.weights(), top.stack().bias(1)));
    assert_eq!(net.weights(0), dbn.recognition().unwrap().weights(0));
    assert_eq!(convert_model(data, ModelKind::Dbm).unwrap().stack.layers(), [9, 8, 10]);
    let one = fit(&DbnSettings { hidden: vec![8], epochs: vec![5], ..small() }, 1).to_data().unwrap();
    assert_eq!(convert_model(one.clone(), ModelKind::Rbm).unwrap().stack, one.stack);
}

#[test]
fn law_every_layer_of_a_run_is_kept_as_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new("digits", ModelConfig::Dbn(quick(Backfit::UpDown, true)));
    let run = Run::create(folder.path().join("run"), &config).unwrap();
    assert_eq!(run.layers(), [64, 12, 16]);
    run.train(&mut Unobserved).unwrap();
    let load = |name: &str| load_model(folder.path().join("run").join(name)).unwrap();
    let (one, two, last) = (load("layers/1.gm"), load("layers/2.gm"), load("model.gm"));
    assert_eq!((one.stack.layers(), one.recognition, one.labels), (vec![64, 12], None, None));
    assert_eq!((two.stack.weights(0), two.labels.as_ref().unwrap().classes()), (one.stack.weights(0), 10));
    assert_ne!(two.stack.weights(0), last.stack.weights(0), "backfitting moves all layers");
    let lines = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    assert_eq!(lines.matches("\"next_elbo\"").count(), 1);
    assert!(lines.contains("\"error_rate\""));
}

#[test]
fn rejects_training_that_has_gone_astray_by_name() {
    // Rates that no machine survives, in the first stage and in the last.
    let layers = DbnSettings { learning_rate: vec![1e30], epochs: vec![3], ..small() };
    let together = DbnSettings {
        epochs: vec![1],
        backfit: Backfit::UpDown,
        backfit_learning_rate: 1e30,
        backfit_optimiser: "sgd".parse().expect("an optimiser"),
        ..small()
    };
    for settings in [layers, together] {
        let options = FitOptions::default();
        let error = fit_dbn(&bars(), &settings, &options, &Streams::new(1), &mut Unobserved).unwrap_err().to_string();
        assert!(error.starts_with("training diverged at update "), "{error}");
        assert!(error.contains("lower the learning rate"), "{error}");
    }
}
