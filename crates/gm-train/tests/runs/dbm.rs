//! Training and evaluation of deep Boltzmann machines.

use crate::common::SHORT;
use std::ops::ControlFlow;

use gm_core::{AisSettings, BitMatrix, Schedule, Stack, Streams, unwatched};
use gm_data::{Dataset, SplitName, save_model};
use gm_dbm::Dbm;
use gm_eval::{EvalData, EvalSettings, Exact, evaluate_dbm};
use gm_train::{
    Clock, Config, DbmLearner, DbmSettings, Event, FitOptions, Learner, ModelConfig, Outcome, Pretrain, RbmSettings,
    Run, Unobserved, fit_dbm, fit_rbm,
};

fn small(pretrain: Pretrain) -> DbmSettings {
    DbmSettings {
        hidden: vec![10, 6],
        pretrain,
        pretrain_epochs: 200,
        pretrain_learning_rate: 0.2,
        epochs: 4_000,
        batch_size: 8,
        chains: 100,
        learning_rate: 0.2,
        mean_field_tolerance: 1e-3,
        init_scale: 0.05,
        ..DbmSettings::default()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Exact mean log p of the rows.
fn exact(dbm: &Dbm, rows: &BitMatrix) -> f64 {
    mean(&dbm.log_prob(rows, dbm.log_partition().expect("a small model")).expect("a small model"))
}

#[test]
fn law_training_approaches_the_data_with_and_without_pretraining() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let rows = EvalData::from_dataset(&bars, SplitName::Train, None).unwrap().rows;
    // Independent pixels reach 9 ln 2 = 6.24 at best, the data themselves 2.60.
    for pretrain in [Pretrain::None, Pretrain::Grow, Pretrain::Rules2009, Pretrain::Rules2012] {
        let fit = fit_dbm(&bars, &small(pretrain), &FitOptions::default(), &Streams::new(3), &mut Unobserved).unwrap();
        let found = exact(&fit.model, rows.bits());
        assert!(found > -3.8, "{pretrain}: {found}");
        let last = fit.history.last().unwrap();
        assert_eq!(last.epoch, small(pretrain).total_epochs());
        let (elbo, log_p) = (last.figures.get("elbo").unwrap(), last.figures.get("log_likelihood").unwrap());
        assert!(elbo <= log_p + 1e-6 && elbo > log_p - 1.5, "{pretrain}: elbo {elbo}, log p {log_p}");
    }
}

#[test]
fn law_a_grown_layer_of_zero_weights_changes_nothing() {
    let settings = DbmSettings { init_scale: 0.0, pretrain_epochs: 1, ..small(Pretrain::Grow) };
    let rows = BitMatrix::from_fn(9, 8, |unit, sample| (unit + sample) % 3 == 0).into();
    let streams = Streams::new(1);
    let mut learner = DbmLearner::new(&[0.4; 9], &settings, &streams).unwrap();
    let clock = |step| Clock { step, total: 4, per_epoch: 2 };
    learner.step(&rows, &clock(0), &streams).unwrap();
    assert_eq!(learner.stack().layers(), [9, 10]);
    let (before, chains) = (learner.stack().clone(), learner.chains().layers.clone());
    learner.step(&rows, &clock(1), &streams).unwrap();
    let mut state = learner.state();
    assert_eq!((&state.counts["stage"], state.chains["chains"].layers.len()), (&vec![0], 2));
    learner.step(&rows, &clock(2), &streams).unwrap();
    assert_eq!((learner.stack().layers(), learner.state().counts["stage"].as_slice()), (vec![9, 10, 6], &[1][..]));
    assert_ne!((before.weights(0), &chains), (learner.stack().weights(0), &learner.chains().layers));
    state.chains.get_mut("chains").unwrap().layers.pop();
    let error = learner.restore(state).unwrap_err().to_string();
    assert_eq!(error, "DbmLearner::restore: `chains` has layers 1, expected 2");
}

#[test]
fn law_tempered_chains_learn_as_well_and_tell_of_their_swaps() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let rows = EvalData::from_dataset(&bars, SplitName::Train, None).unwrap().rows;
    for temperatures in [2, 5] {
        let settings = DbmSettings { temperatures, ..small(Pretrain::Grow) };
        let fit = fit_dbm(&bars, &settings, &FitOptions::default(), &Streams::new(3), &mut Unobserved).unwrap();
        let found = exact(&fit.model, rows.bits());
        assert!(found > -3.8, "{temperatures} temperatures: {found}");
        let shares: Vec<f64> = fit.history.iter().filter_map(|record| record.figures.get("swap_acceptance")).collect();
        assert!(!shares.is_empty() && shares.iter().all(|share| (0.05..=1.0).contains(share)), "{shares:?}");
    }
}

#[test]
fn rejects_saved_temperatures_that_are_not_a_set() {
    let settings = DbmSettings { temperatures: 3, chains: 2, ..small(Pretrain::None) };
    let mut learner = DbmLearner::new(&[0.4; 9], &settings, &Streams::new(1)).unwrap();
    let state = learner.state();
    assert_eq!(state.counts["chains.places"], [0, 0, 1, 1, 2, 2]);
    learner.restore(state.clone()).unwrap();
    assert_eq!(learner.state(), state);
    let error = |places: Option<Vec<u64>>| {
        let (mut learner, mut state) = (learner.clone(), state.clone());
        state.counts.remove("chains.places");
        state.counts.extend(places.map(|places| ("chains.places".to_string(), places)));
        learner.restore(state).unwrap_err().to_string()
    };
    assert_eq!(error(None), "checkpoint file lacks `chains.places`");
    for places in [vec![0, 0, 1, 1, 2, 1], vec![0, 0, 1, 1, 2, u64::MAX], vec![7; 6]] {
        let allowed = "Replicas::from_parts: `places` is 6 places, allowed: every place once in each group";
        assert_eq!(error(Some(places)), allowed);
    }
    assert_eq!(error(Some(vec![0; 3])), "Replicas::from_parts: `places` has length 3, expected 6");
}

/// The bytes of the model that a run leaves, interrupted after the given updates.
fn trained(pretrain: Pretrain, temperatures: usize, interruptions: &[u64]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a sound run");
    let settings = DbmSettings {
        pretrain_epochs: 3,
        epochs: 4,
        temperatures,
        optimiser: "momentum:0.5".parse().expect("an optimiser"),
        ..small(pretrain)
    };
    let config = Config::new("bars-and-stripes:3", ModelConfig::Dbm(settings));
    let mut run = Run::create(folder.path(), &config).expect("a sound run");
    for &at in interruptions {
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step, .. } if *step >= at => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(run.train(&mut stop).expect("a sound run"), Outcome::Interrupted { step: at });
        run = Run::resume(folder.path()).expect("a sound run");
    }
    assert!(matches!(run.train(&mut Unobserved).expect("a sound run"), Outcome::Finished { .. }));
    std::fs::read(folder.path().join("model.gm")).expect("a sound run")
}

#[test]
fn stable_resumed_runs_end_with_the_same_bits_in_every_stage() {
    // 16 rows in batches of 8: two updates an epoch, six a stage of pretraining.
    for pretrain in [Pretrain::None, Pretrain::Grow, Pretrain::Rules2009] {
        for temperatures in [1, 3] {
            let whole = trained(pretrain, temperatures, &[]);
            assert_eq!(whole, trained(pretrain, temperatures, &[3]), "{pretrain}, {temperatures}");
            assert_eq!(whole, trained(pretrain, temperatures, &[6, 7]), "{pretrain}, {temperatures}");
        }
    }
}

#[test]
fn stable_training_does_not_depend_on_threads() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings =
            DbmSettings { pretrain_epochs: 3, epochs: 3, hidden: vec![70, 130], ..small(Pretrain::Rules2012) };
        pool.install(|| {
            fit_dbm(&bars, &settings, &FitOptions::default(), &Streams::new(3), &mut Unobserved).unwrap().model
        })
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn rejects_each_setting_out_of_range() {
    let base = DbmSettings::default();
    let cases: Vec<(DbmSettings, &str)> = vec![
        (DbmSettings { hidden: vec![], ..base.clone() }, "`hidden` is empty, allowed: one layer or more"),
        (DbmSettings { chains: 0, ..base.clone() }, "`chains` is 0, allowed: 1 or more"),
        (DbmSettings { pretrain_epochs: 0, ..base.clone() }, "`pretrain_epochs` is 0, allowed: 1 or more"),
        (
            DbmSettings { learning_rate: f64::NAN, ..base.clone() },
            "`learning_rate` is NaN, allowed: finite numbers above 0",
        ),
        (DbmSettings { init_scale: -1.0, ..base.clone() }, "`init_scale` is -1, allowed: finite numbers of 0 or more"),
        (DbmSettings { sparsity: Some(2.0), ..base.clone() }, "`sparsity` is 2, allowed: 0 to 1"),
        (
            DbmSettings { pretrain: Pretrain::Rules2012, hidden: vec![3], ..base },
            "`pretrain` is 2012 with 1 hidden layers, allowed: 2012 with two hidden layers",
        ),
    ];
    for (settings, text) in cases {
        assert_eq!(settings.check().unwrap_err().to_string(), format!("DbmSettings: {text}"));
    }
    assert_eq!(
        "grown".parse::<Pretrain>().unwrap_err().to_string(),
        "unknown pretraining `grown`, did you mean `grow`?; known: none, grow, 2009, 2012"
    );
    let other = Dbm::from_stack(Stack::zeros(&[4, 3, 3]).unwrap()).unwrap();
    let settings = DbmSettings { hidden: vec![3, 2], ..DbmSettings::default() };
    let error = DbmLearner::start_from(other, &[0.5; 4], &settings, &Streams::new(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DbmSettings: `start` is a model with layers [4, 3, 3] for [4, 3, 2], allowed: a model whose layers are the first ones of \
         those wanted"
    );
    let settings = DbmSettings { start: Some("rbm.gm".into()), ..settings };
    let error = settings.check().unwrap_err().to_string();
    assert_eq!(error, "DbmSettings: `pretrain` is grow, allowed: none with a model to start from");
}

#[test]
fn law_training_goes_on_from_a_model_in_a_file() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = RbmSettings { hidden: 6, epochs: 300, batch_size: 16, chains: 50, ..RbmSettings::default() };
    let rbm = fit_rbm(&bars, &settings, &Streams::new(7), &mut Unobserved).unwrap().model;
    let path = folder.path().join("rbm.gm");
    save_model(&path, &rbm.to_data().unwrap()).unwrap();
    let rows = EvalData::from_dataset(&bars, SplitName::Train, None).unwrap().rows;
    let before = exact(&Dbm::from_rbm(rbm).unwrap(), rows.bits());
    let settings = DbmSettings {
        start: Some(path),
        hidden: vec![6, 4],
        init_scale: 0.001,
        learning_rate: 1e-9,
        epochs: 1,
        ..small(Pretrain::None)
    };
    let fit = |settings: &DbmSettings| {
        fit_dbm(&bars, settings, &FitOptions::default(), &Streams::new(7), &mut Unobserved).unwrap().model
    };
    let grown = fit(&settings);
    assert_eq!(grown.layers(), [9, 6, 4]);
    assert!((exact(&grown, rows.bits()) - before).abs() < 1e-3, "a new layer leaves log p as it was");
    let trained = fit(&DbmSettings { learning_rate: 0.1, epochs: 600, init_scale: 0.1, ..settings });
    assert!(exact(&trained, rows.bits()) > before, "all layers together learn more");
}

#[test]
fn oracle_annealed_evaluation_brackets_the_exact_one() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let settings = DbmSettings { epochs: 200, ..small(Pretrain::Grow) };
    let dbm = fit_dbm(&bars, &settings, &FitOptions::default(), &Streams::new(5), &mut Unobserved).unwrap().model;
    let data = EvalData::from_dataset(&bars, SplitName::Test, None).unwrap();
    let exact = evaluate_dbm(&dbm, &data, &EvalSettings::default(), &mut unwatched).unwrap();
    assert_eq!((exact.mean_log_prob.side, exact.importance_weighted.is_none()), ("exact", true));
    assert!(exact.elbo.unwrap() <= exact.mean_log_prob.value);
    let ais = AisSettings { runs: 200, schedule: Schedule::Linear(500) };
    let settings = EvalSettings { exact: Exact::No, ais, tempering: SHORT, ..EvalSettings::default() };
    let found = evaluate_dbm(&dbm, &data, &settings, &mut unwatched).unwrap();
    let (z, truth) = (found.log_partition.as_ref().unwrap(), exact.log_partition.as_ref().unwrap().value);
    assert!((z.value - truth).abs() < 6.0 * z.std_error, "{z:?} against {truth}");
    let (p, truth) = (&found.mean_log_prob, exact.mean_log_prob.value);
    assert!(p.low < truth && (p.high, p.side) == (f64::INFINITY, "lower"), "{p:?} against {truth}");
    let weighted = found.importance_weighted.as_ref().unwrap();
    assert!(
        found.elbo.unwrap() < weighted.value && (weighted.value - truth).abs() < 0.2,
        "{weighted:?} against {truth}"
    );
    assert!(found.lower_bound.as_ref().unwrap().walks == 100 && found.warnings.is_empty(), "{:?}", found.warnings);
}
