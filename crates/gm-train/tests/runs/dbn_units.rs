//! Deep belief networks with visible units of other kinds: training, likelihoods and labels.

use crate::common::SHORT;
use std::ops::ControlFlow;

use gm_core::{AisSettings, Matrix, ModelKind, Purpose, Schedule, Streams, VisibleKind, unwatched};
use gm_data::{Dataset, Split, SplitName, Values, save_model};
use gm_dbn::Dbn;
use gm_eval::{EvalData, EvalSettings, Exact, convert_model, evaluate_dbn, evaluate_rbm};
use gm_sbn::BoundSettings;
use gm_train::{
    Algorithm, Backfit, Config, DbnSettings, Event, Fit, FitOptions, LayerStart, ModelConfig, MonitorSettings, Outcome,
    RbmSettings, Run, Unobserved, Visible, fit_dbn, fit_rbm,
};

fn fit_with(data: &Dataset, settings: &DbnSettings, start: Option<Dbn>, seed: u64) -> Fit<Dbn> {
    let monitor = MonitorSettings { every: 1_000_000, ..MonitorSettings::default() };
    let start = start.map(|dbn| dbn.to_data().expect("finite parameters"));
    let options = FitOptions { monitor, start, ..FitOptions::default() };
    fit_dbn(data, settings, &options, &Streams::new(seed), &mut Unobserved).expect("sound settings")
}

fn fit(data: &Dataset, settings: &DbnSettings, seed: u64) -> Dbn {
    fit_with(data, settings, None, seed).model
}

fn dataset(values: Values, labels: Option<Vec<u16>>) -> Dataset {
    let split = Split::new(values, labels).expect("sound rows");
    Dataset::new("rows", split.clone(), split.clone(), split).expect("sound rows")
}

/// A whole number below each limit for each row, the same on every machine.
fn drawn(rows: usize, seed: u64, limits: &[u32]) -> Vec<Vec<u32>> {
    let mut stream = Streams::new(seed).fork(Purpose::Test, 0).stream(0);
    let mut draw = |limit: u32| ((u64::from(rand::Rng::next_u32(&mut stream)) * u64::from(limit)) >> 32) as u32;
    (0..rows).map(|_| limits.iter().map(|&limit| draw(limit)).collect()).collect()
}

/// Three measurements of four clusters, which two causes make that exclude each other in most rows; the class is the first.
fn measurements(rows: usize) -> Dataset {
    let drawn = drawn(rows, 3, &[2, 10, 1000, 1000, 1000]);
    let noise = |x: u32| f64::from(x) / 1000.0 - 0.5;
    let row = |row: &Vec<u32>| {
        let first = row[0] == 1;
        let second = if row[1] < 8 { !first } else { first };
        let (a, b) = (f64::from(u8::from(first)), f64::from(u8::from(second)));
        [20.0 + 5.0 * a + noise(row[2]), 100.0 * (b - a) + 30.0 * noise(row[3]), 0.1 * b + 0.05 * noise(row[4])]
    };
    let values = Matrix::from_iterator(3, rows, drawn.iter().flat_map(row).map(|x| x as f32));
    dataset(Values::Numbers(values), Some(drawn.iter().map(|row| row[0] as u16).collect()))
}

/// Four answers of three categories, of which the second repeats the first in most rows and the fourth the third.
fn answers(rows: usize) -> Dataset {
    let drawn = drawn(rows, 5, &[3, 10, 3, 3, 10, 3]);
    let pair = |row: &[u32]| [row[0], if row[1] < 8 { row[0] } else { row[2] }];
    let row = |row: &Vec<u32>| [pair(&row[..3]), pair(&row[3..])].concat();
    let values = Matrix::from_iterator(4, rows, drawn.iter().flat_map(row).map(|x| x as f32));
    dataset(Values::Numbers(values), None)
}

/// Networks that are too small at the bottom for what the data hold, so that the prior matters.
fn settings(visible: Visible) -> DbnSettings {
    let rate = if visible == Visible::Gaussian { 0.02 } else { 0.2 };
    DbnSettings {
        hidden: vec![4, 6],
        epochs: vec![100],
        learning_rate: vec![rate, 0.2],
        layer: RbmSettings { visible, batch_size: 50, chains: 100, init_scale: 0.1, ..DbnSettings::default().layer },
        ..DbnSettings::default()
    }
}

/// Those of the first layer alone.
fn of_one_layer(visible: Visible) -> DbnSettings {
    let both = settings(visible);
    DbnSettings { hidden: vec![4], learning_rate: vec![both.learning_rate[0]], ..both }
}

fn cases() -> [(Dataset, Visible); 2] {
    [(measurements(600), Visible::Gaussian), (answers(600), Visible::Softmax(3))]
}

/// Exact mean log p of the training rows, in their own units of measure.
fn log_p(dbn: &Dbn, data: &Dataset) -> f64 {
    let data = EvalData::for_kind(dbn.units().kind(), data, SplitName::Train, None).expect("sound rows");
    evaluate_dbn(dbn, &data, &EvalSettings::default(), &mut unwatched).expect("a small model").mean_log_prob.value
}

#[test]
fn law_a_network_of_one_layer_learns_as_the_machine_does_bit_for_bit() {
    for (data, visible) in cases() {
        for algorithm in [Algorithm::Pcd, Algorithm::Cd, Algorithm::Pt, Algorithm::Exact] {
            let of_layer = DbnSettings {
                hidden: vec![4],
                epochs: vec![3],
                learning_rate: vec![0.02],
                layer: RbmSettings { algorithm, temperatures: 3, ..settings(visible).layer },
                ..settings(visible)
            };
            let rbm = RbmSettings {
                hidden: 4,
                visible,
                algorithm,
                temperatures: 3,
                epochs: 3,
                batch_size: 50,
                chains: 100,
                learning_rate: 0.02,
                init_scale: 0.1,
                ..RbmSettings::default()
            };
            let machine = fit_rbm(&data, &rbm, &Streams::new(4), &mut Unobserved).unwrap().model;
            let network = fit(&data, &of_layer, 4);
            assert_eq!(network.top(), machine, "{visible} {algorithm}");
            let data = EvalData::for_kind(network.units().kind(), &data, SplitName::Test, None).unwrap();
            let [ours, theirs] = [
                evaluate_dbn(&network, &data, &EvalSettings::default(), &mut unwatched).unwrap(),
                evaluate_rbm(&machine, &data, &EvalSettings::default(), &mut unwatched).unwrap(),
            ];
            assert!((ours.mean_log_prob.value - theirs.mean_log_prob.value).abs() < 1e-9);
            assert_eq!((ours.visible.as_ref(), ours.mean_log_prob.side), (theirs.visible.as_ref(), "exact"));
        }
    }
}

#[test]
fn law_the_second_layer_learns_a_better_prior() {
    for (data, visible) in cases() {
        let Fit { model, history, .. } = fit_with(&data, &settings(visible), None, 1);
        let at = |epoch: u64, name: &str| {
            let record = history.iter().find(|record| record.epoch == epoch).expect("each stage ends with a look");
            record.figures.get(name).expect("a network has the figure")
        };
        let (begins, last) = (at(100, "next_elbo"), at(200, "elbo"));
        assert!(last > begins + 0.1, "{visible}: {last} after {begins}");
        assert_eq!((at(100, "layers"), at(200, "layers")), (1.0, 2.0));
        // The variances are those of the first layer, and recognition its posterior.
        let first = fit(&data, &of_one_layer(visible), 1);
        assert_eq!((model.units(), model.stack().weights(0)), (first.units(), first.stack().weights(0)));
        assert!(at(200, "log_likelihood") >= last - 1e-6);
        assert!((at(200, "log_likelihood") - log_p(&model, &data)).abs() < 0.2, "a sample of the same rows");
        // Independent columns would have less.
        let none = DbnSettings {
            epochs: vec![1],
            learning_rate: vec![1e-6],
            layer: RbmSettings { init_scale: 0.0, ..settings(visible).layer },
            ..settings(visible)
        };
        let (found, independent) = (log_p(&model, &data), log_p(&fit(&data, &none, 1), &data));
        assert!(found > independent + 0.5, "{visible}: {found}, {independent} of independent columns");
    }
}

#[test]
fn law_backfitting_improves_a_network_on_log_p() {
    for (data, visible) in cases() {
        let first = fit(&data, &DbnSettings { epochs: vec![15], ..settings(visible) }, 5);
        let before = log_p(&first, &data);
        for backfit in [Backfit::UpDown, Backfit::Rws] {
            let settings = DbnSettings {
                backfit,
                backfit_epochs: 120,
                backfit_learning_rate: 0.003,
                backfit_steps: vec![3],
                learning_rate: vec![0.1],
                ..settings(visible)
            };
            let model = fit_with(&data, &settings, Some(first.clone()), 6).model;
            let after = log_p(&model, &data);
            assert!(after > before + 0.05, "{visible} {backfit}: {after} after {before}");
            assert_eq!(model.units(), first.units());
        }
    }
}

#[test]
fn law_label_units_tell_the_class_of_measurements() {
    let data = measurements(600);
    let settings = DbnSettings {
        layer: RbmSettings { labels: true, ..settings(Visible::Gaussian).layer },
        ..settings(Visible::Gaussian)
    };
    let Fit { model, history, .. } = fit_with(&data, &settings, None, 2);
    assert_eq!((model.classes(), model.visible()), (2, 3));
    let error = history.last().and_then(|last| last.figures.get("error_rate")).expect("a network with labels");
    assert!(error < 0.05, "{error}, 0.5 by chance");
    let split = gm_eval::ClassData::from_split("rows", "test", &data.test, gm_data::Binarise::None, 2).unwrap();
    let report = gm_eval::classify(&gm_eval::Model::Dbn(model), &split).unwrap();
    assert!(report.error_rate.value < 0.05, "{report:?}");
}

#[test]
fn stat_mean_evaluation_brackets_the_exact_value() {
    for (data, visible) in cases() {
        let dbn = fit(&data, &DbnSettings { epochs: vec![40], ..settings(visible) }, 7);
        let data = EvalData::for_kind(dbn.units().kind(), &data, SplitName::Train, None).unwrap();
        let exactly = evaluate_dbn(&dbn, &data, &EvalSettings::default(), &mut unwatched).unwrap();
        assert_eq!(exactly.mean_log_prob.side, "exact");
        let settings = EvalSettings {
            exact: Exact::No,
            ais: AisSettings { runs: 500, schedule: Schedule::Linear(500) },
            raise_walks: 500,
            tempering: SHORT,
            bound: BoundSettings { samples: 1_000, repeats: 1 },
            seed: 1,
            ..Default::default()
        };
        let report = evaluate_dbn(&dbn, &data, &settings, &mut unwatched).unwrap();
        let (p, truth) = (&report.mean_log_prob, exactly.mean_log_prob.value);
        assert!(p.low < truth && truth - p.low < 0.3, "{visible}: {p:?} around {truth}");
        assert_eq!((p.high, p.side), (f64::INFINITY, "lower"), "no method closes the upper end");
        assert!(report.elbo.unwrap() <= report.importance_weighted.as_ref().unwrap().value + 1e-3);
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
}

#[test]
fn planted_mean_densities_without_the_volume_of_standardisation_are_found_out() {
    let data = measurements(600);
    let dbn = fit(&data, &DbnSettings { epochs: vec![5], ..settings(Visible::Gaussian) }, 7);
    let rows = EvalData::for_kind(VisibleKind::Gaussian, &data, SplitName::Train, None).unwrap();
    let states = dbn.states_of_rows(&rows.rows).unwrap();
    let of_states = dbn.log_prob(&states, dbn.log_partition().unwrap()).unwrap();
    let mean = of_states.iter().sum::<f64>() / of_states.len() as f64;
    assert!((mean - dbn.log_volume() - log_p(&dbn, &data)).abs() < 1e-9);
    assert!(dbn.log_volume().abs() > 0.1);
}

/// Settings of a few updates in every stage, with everything that a checkpoint has to hold.
fn quick(visible: Visible, backfit: Backfit) -> DbnSettings {
    DbnSettings {
        hidden: vec![8, 10],
        epochs: vec![2],
        learning_rate: vec![0.01, 0.1],
        backfit,
        backfit_epochs: 2,
        layer: RbmSettings {
            visible,
            labels: true,
            batch_size: 400,
            chains: 30,
            optimiser: "momentum:0.5".parse().expect("an optimiser"),
            ..DbnSettings::default().layer
        },
        ..DbnSettings::default()
    }
}

/// The bytes of the models that a run on the digits leaves, interrupted after the given updates.
fn trained(settings: DbnSettings, interruptions: &[u64]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::create(folder.path(), &Config::new("digits", ModelConfig::Dbn(settings))).expect("a sound run");
    for &at in interruptions {
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step, .. } if *step >= at => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(run.train(&mut stop).expect("a sound run"), Outcome::Interrupted { step: at });
        run = Run::resume(folder.path()).expect("a sound run");
    }
    let folder = run.folder().to_path_buf();
    assert!(matches!(run.train(&mut Unobserved).expect("a sound run"), Outcome::Finished { .. }));
    ["model.gm", "layers/1.gm", "layers/2.gm"].map(|name| std::fs::read(folder.join(name)).expect(name)).into()
}

#[test]
fn stable_resumed_runs_end_with_the_same_bits_in_every_stage() {
    // 1,199 rows in batches of 400: three updates an epoch, six a stage.
    for (visible, backfit) in [(Visible::Gaussian, Backfit::UpDown), (Visible::Softmax(17), Backfit::Rws)] {
        let whole = trained(quick(visible, backfit), &[]);
        assert!(whole == trained(quick(visible, backfit), &[2, 6, 8, 13]), "{visible}");
    }
}

#[test]
fn stable_training_does_not_depend_on_threads() {
    let data = measurements(600);
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = DbnSettings {
            hidden: vec![70, 130],
            layer: RbmSettings { batch_size: 200, ..quick(Visible::Gaussian, Backfit::Rws).layer },
            ..quick(Visible::Gaussian, Backfit::Rws)
        };
        pool.install(|| fit(&data, &settings, 3))
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn law_machines_and_networks_are_extended_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    for (data, visible) in cases() {
        let first = fit(&data, &DbnSettings { epochs: vec![10], ..of_one_layer(visible) }, 1);
        let path = folder.path().join(format!("{}.gm", visible == Visible::Gaussian));
        save_model(&path, &first.top().to_data().unwrap()).unwrap();
        let more = DbnSettings { start: Some(path), epochs: vec![10], learning_rate: vec![0.1], ..settings(visible) };
        let extended = fit(&data, &more, 2);
        assert_eq!((extended.units(), extended.depth()), (first.units(), 2));
        assert_eq!(extended.stack().weights(0), first.stack().weights(0));
        let net = extended.recognition().unwrap();
        assert_eq!((net.weights(0), net.bias(1)), (first.stack().weights(0), first.stack().bias(1)));
        // A network of one hidden layer is a machine and back; a deep one is nothing else.
        let one = first.to_data().unwrap();
        let machine = convert_model(one.clone(), ModelKind::Rbm).unwrap();
        assert_eq!((machine.visible_units().unwrap(), &machine.stack), (first.units().clone(), &one.stack));
        assert_eq!(Dbn::from_data(convert_model(machine, ModelKind::Dbn).unwrap()).unwrap(), first);
        let refused = convert_model(extended.to_data().unwrap(), ModelKind::Sbn).unwrap_err().to_string();
        assert!(refused.contains("sbn for a dbn of 2 hidden layers and"), "{refused}");
        // Other units than those of the model are refused.
        let other = DbnSettings { layer: RbmSettings { visible: Visible::Bernoulli, ..more.layer.clone() }, ..more };
        let text = fit_dbn(&data, &other, &FitOptions::default(), &Streams::new(0), &mut Unobserved).unwrap_err();
        assert!(text.to_string().contains("`start` is a model with"), "{text}");
    }
}

#[test]
fn rejects_labels_on_one_layer_and_fallback_is_no_error() {
    let one = DbnSettings {
        layer: RbmSettings { labels: true, ..of_one_layer(Visible::Gaussian).layer },
        ..of_one_layer(Visible::Gaussian)
    };
    assert_eq!(
        one.check().unwrap_err().to_string(),
        "DbnSettings: `visible` is gaussian with labels and 1 hidden layer, allowed: bernoulli with labels, or 2 hidden layers \
         or more"
    );
    let text = DbnSettings {
        layer: RbmSettings { least_variance: 0.0, ..settings(Visible::Gaussian).layer },
        ..settings(Visible::Gaussian)
    }
    .check()
    .unwrap_err()
    .to_string();
    assert_eq!(text, "RbmSettings: `least_variance` is 0, allowed: above 0, at most 1");
    // An unrolled start of the second layer is one at random, as asked for by name.
    let data = measurements(60);
    let settings = DbnSettings { hidden: vec![2, 5, 3], epochs: vec![1], ..settings(Visible::Gaussian) };
    let settings = DbnSettings { learning_rate: vec![0.01], ..settings };
    let random = DbnSettings { layer_start: LayerStart::Random, ..settings.clone() };
    let [unrolled, random] = [settings, random].map(|settings| fit(&data, &settings, 3));
    assert_eq!(unrolled.stack().weights(1), random.stack().weights(1));
    assert_ne!(unrolled.stack().weights(2), random.stack().weights(2));
}

#[test]
fn table_units_that_an_exact_likelihood_enumerates() {
    // A machine of zeros and ones is enumerated over its smaller layer, one of real numbers over its hidden layer, and directed
    // layers over all of their units.
    for (visible, hidden, expected) in [
        (Visible::Bernoulli, vec![8], 3),
        (Visible::Gaussian, vec![8], 8),
        (Visible::Bernoulli, vec![2], 2),
        (Visible::Bernoulli, vec![4, 6], 4),
        (Visible::Gaussian, vec![7, 9, 2], 16),
    ] {
        let layer = RbmSettings { visible, chains: 2, ..Default::default() };
        let settings = DbnSettings { hidden: hidden.clone(), layer, ..Default::default() };
        let learner = gm_train::DbnLearner::new(&[0.5; 3], &settings, &Streams::new(0)).unwrap();
        assert_eq!(gm_train::Learner::enumerable_units(&learner), expected, "{visible} {hidden:?}");
    }
}
