//! Deep Boltzmann machines with visible units of other kinds: training, likelihoods and files.

use crate::common::SHORT;
use std::ops::ControlFlow;

use gm_core::{
    AisSettings, BitMatrix, Gaussian, Matrix, ModelKind, Schedule, Stack, Standardise, Streams, Vector, VisibleKind,
    VisibleUnits, unwatched,
};
use gm_data::{Binarise, Dataset, Split, SplitName, Values, save_model};
use gm_dbm::Dbm;
use gm_eval::{EvalData, EvalSettings, Exact, convert_model, evaluate_dbm, evaluate_rbm};
use gm_train::{
    Config, DbmLearner, DbmSettings, Event, FitOptions, LayerState, Learner, ModelConfig, ModelSettings,
    MonitorSettings, Origin, Outcome, Pretrain, RbmSettings, Run, Unobserved, Visible, fit_dbm, fit_rbm,
};

/// Rows that are training, validation and test split at once.
fn dataset(values: Values) -> Dataset {
    let split = Split::new(values, None).expect("a small model");
    Dataset::new("rows", split.clone(), split.clone(), split).expect("a small model")
}

/// What the data of these tests are drawn from: two causes that shift three measurements in their own units of measure, and one
/// above that lets them come together.
fn source() -> Dbm {
    let weights =
        vec![Matrix::from_row_slice(3, 2, &[2.0, 0.0, -1.0, 0.5, 0.0, 2.5]), Matrix::from_row_slice(2, 1, &[3.0, 3.0])];
    let biases =
        vec![Vector::from_vec(vec![-0.7, 0.0, -1.2]), Vector::from_vec(vec![-5.0, -2.0]), Vector::from_vec(vec![-1.5])];
    let gaussian = Gaussian::new(vec![0.25, 0.5, 0.3]).expect("a small model");
    let standardise = Standardise::new(vec![20.0, -3.0, 0.0], vec![5.0, 0.1, 1.0]).expect("a small model");
    let units = VisibleUnits::Gaussian(gaussian.with_standardise(Some(standardise)).expect("a small model"));
    Dbm::from_stack(Stack::new(weights, biases).expect("a small model"))
        .expect("a small model")
        .with_units(units)
        .expect("a small model")
}

fn draws(rows: usize, seed: u64) -> Matrix {
    let source = source();
    let chains = source.exact_samples(rows, &Streams::new(seed)).expect("a small model");
    source.rows_of_states(&chains.layers[0].to_matrix())
}

fn settings(visible: Visible, pretrain: Pretrain) -> DbmSettings {
    let gaussian = visible == Visible::Gaussian;
    DbmSettings {
        hidden: vec![3, 2],
        visible,
        pretrain,
        pretrain_epochs: 20,
        pretrain_learning_rate: if gaussian { 0.02 } else { 0.1 },
        epochs: 100,
        batch_size: 50,
        chains: 200,
        learning_rate: if gaussian { 0.05 } else { 0.2 },
        init_scale: 0.2,
        ..DbmSettings::default()
    }
}

fn fit(data: &Dataset, settings: &DbmSettings, start: Option<Dbm>) -> Dbm {
    let monitor = MonitorSettings { every: settings.total_epochs(), ..MonitorSettings::default() };
    let start = start.map(|model| model.to_data().expect("finite parameters"));
    let options = FitOptions { monitor, start, ..FitOptions::default() };
    let fit = fit_dbm(data, settings, &options, &Streams::new(5), &mut Unobserved).expect("a small model");
    fit.model
}

/// Exact mean log-density of rows of data.
fn judged(dbm: &Dbm, rows: &EvalData) -> f64 {
    let report = evaluate_dbm(dbm, rows, &EvalSettings::default(), &mut unwatched).expect("a small model");
    assert_eq!(report.mean_log_prob.side, "exact");
    report.mean_log_prob.value
}

#[test]
fn oracle_gaussian_machines_come_near_their_source() {
    let (data, test) = (dataset(Values::Numbers(draws(2_000, 1))), EvalData::from_rows("fresh rows", draws(4_000, 2)));
    let best = judged(&source(), &test);
    for pretrain in [Pretrain::None, Pretrain::Grow, Pretrain::Rules2009, Pretrain::Rules2012] {
        let dbm = fit(&data, &settings(Visible::Gaussian, pretrain), None);
        let loss = best - judged(&dbm, &test);
        // Independent normal measurements are 0.6 nats below the source.
        assert!(loss < 0.05, "{pretrain}: {loss} nats below the source");
        let gaussian = dbm.units().gaussian().expect("gaussian units");
        assert!(gaussian.variance().iter().all(|&s2| s2 < 0.95) && gaussian.standardise().is_some(), "{gaussian:?}");
    }
    let independent = fit(&data, &DbmSettings { epochs: 1, ..settings(Visible::Gaussian, Pretrain::None) }, None);
    assert!(best - judged(&independent, &test) > 0.3, "the bound above tells something");
}

#[test]
fn law_tempered_chains_of_gaussian_machines_learn_as_well() {
    let (data, test) = (dataset(Values::Numbers(draws(1_000, 1))), EvalData::from_rows("fresh rows", draws(4_000, 2)));
    let tempered =
        DbmSettings { temperatures: 3, chains: 100, epochs: 200, ..settings(Visible::Gaussian, Pretrain::Grow) };
    let loss = judged(&source(), &test) - judged(&fit(&data, &tempered, None), &test);
    assert!(loss < 0.1, "{loss}");
}

/// Answers of three categories: the second repeats the first but for every fifth row, the third goes its own way.
fn answers() -> Matrix {
    Matrix::from_fn(3, 900, |column, row| {
        let first = row * 7 % 9 / 3;
        [first, if row % 5 == 0 { row / 5 % 3 } else { first }, row / 9 % 3][column] as f32
    })
}

#[test]
fn oracle_softmax_machines_learn_that_answers_repeat() {
    let data = dataset(Values::Numbers(answers()));
    for pretrain in [Pretrain::None, Pretrain::Grow, Pretrain::Rules2009] {
        let dbm = fit(&data, &settings(Visible::Softmax(0), pretrain), None);
        assert_eq!(dbm.units().kind().to_string(), "softmax:3");
        let all = BitMatrix::from_fn(9, 27, |unit, row| row / 3_usize.pow(unit as u32 / 3) % 3 == unit % 3);
        let log_p = dbm.log_prob(&all, dbm.log_partition().unwrap()).unwrap();
        let repeats: f64 = (0..27).filter(|row| row % 3 == row / 3 % 3).map(|row| log_p[row].exp()).sum();
        // 0.8 and a third of the rest.
        assert!((repeats - 0.867).abs() < 0.06, "{pretrain}: {repeats}");
    }
}

#[test]
fn law_both_sides_of_a_density_meet_the_exact_one() {
    let rows = dataset(Values::Numbers(draws(300, 3)));
    let data = EvalData::for_kind(VisibleKind::Gaussian, &rows, SplitName::Test, None).unwrap();
    let exact = evaluate_dbm(&source(), &data, &EvalSettings::default(), &mut unwatched).unwrap();
    assert_eq!((exact.mean_log_prob.side, exact.visible.as_deref()), ("exact", Some("gaussian")));
    assert!(exact.elbo.unwrap() <= exact.mean_log_prob.value && exact.free_energy_gap.unwrap().abs() < 1e-3);
    let ais = AisSettings { runs: 400, schedule: Schedule::Linear(400) };
    let settings =
        EvalSettings { exact: Exact::No, ais, raise_walks: 400, tempering: SHORT, ..EvalSettings::default() };
    let found = evaluate_dbm(&source(), &data, &settings, &mut unwatched).unwrap();
    let (p, truth) = (&found.mean_log_prob, exact.mean_log_prob.value);
    assert!(p.low < truth && truth - p.low < 0.5 && p.high == f64::INFINITY, "{p:?} around {truth}");
    let weighted = found.importance_weighted.unwrap();
    assert!((weighted.value - truth).abs() < 0.2, "{weighted:?} against {truth}");
}

#[test]
fn law_machines_of_one_layer_exchange_their_units() {
    let data = dataset(Values::Numbers(draws(300, 4)));
    let small =
        RbmSettings { hidden: 2, visible: Visible::Gaussian, epochs: 2, learning_rate: 0.01, ..Default::default() };
    let rbm = fit_rbm(&data, &small, &Streams::new(1), &mut Unobserved).unwrap().model;
    let as_dbm = convert_model(rbm.to_data().unwrap(), ModelKind::Dbm).unwrap();
    assert_eq!(convert_model(as_dbm.clone(), ModelKind::Rbm).unwrap(), rbm.to_data().unwrap());
    let dbm = Dbm::from_data(as_dbm).unwrap();
    let rows = EvalData::from_rows("rows", draws(50, 5));
    let flat = evaluate_rbm(&rbm, &rows, &EvalSettings::default(), &mut unwatched).unwrap().mean_log_prob.value;
    assert!((judged(&dbm, &rows) - flat).abs() < 1e-5);
    let text = convert_model(source().to_data().unwrap(), ModelKind::Rbm).unwrap_err().to_string();
    assert!(text.contains("rbm for a dbm of 2 hidden layers and gaussian visible units"), "{text}");
}

#[test]
fn law_training_goes_on_from_a_gaussian_model_in_a_file() {
    let (values, folder) = (draws(600, 6), tempfile::tempdir().unwrap());
    let data = dataset(Values::Numbers(values.clone()));
    let small = RbmSettings {
        hidden: 3,
        visible: Visible::Gaussian,
        epochs: 60,
        batch_size: 50,
        learning_rate: 0.02,
        ..Default::default()
    };
    let rbm = fit_rbm(&data, &small, &Streams::new(1), &mut Unobserved).unwrap().model;
    let path = folder.path().join("rbm.gm");
    save_model(&path, &rbm.to_data().unwrap()).unwrap();
    let rows = EvalData::from_rows("rows", values);
    let before = judged(&Dbm::from_rbm(rbm.clone()).unwrap(), &rows);
    let start = DbmSettings {
        start: Some(path.clone()),
        init_scale: 0.001,
        learning_rate: 1e-9,
        epochs: 1,
        ..settings(Visible::Gaussian, Pretrain::None)
    };
    let grown = fit(&data, &start, None);
    assert_eq!(grown.layers(), [3, 3, 2]);
    assert!((judged(&grown, &rows) - before).abs() < 1e-3, "a new layer leaves log p as it was");
    let standardise = |units: &VisibleUnits| units.gaussian().and_then(|gaussian| gaussian.standardise().cloned());
    assert_eq!(standardise(grown.units()), standardise(rbm.units()));
    // Offsets are means of data as the model has them.
    let model = rbm.to_data().unwrap();
    let begin = |settings: &DbmSettings, means: [f32; 3]| {
        settings.learner(&data, &means, Origin::Model(&model), &Streams::new(1))
    };
    let learner = begin(&start, [20.0, -3.0, 0.0]).unwrap();
    assert!(learner.state().tensors["offset.0"].iter().all(|offset| offset.abs() < 2.0));
    let trained = fit(&data, &DbmSettings { learning_rate: 0.01, epochs: 60, init_scale: 0.2, ..start.clone() }, None);
    assert!(judged(&trained, &rows) > before - 0.02, "all layers together learn no less");
    let other = DbmSettings { visible: Visible::Bernoulli, ..start.clone() };
    // No learner reads a file.
    let text = DbmLearner::new(&[0.5; 3], &start, &Streams::new(0)).unwrap_err().to_string();
    assert!(text.contains("rbm.gm, allowed: none; `start_from` takes the model of that file"), "{text}");
    let text = begin(&other, [0.5; 3]).err().unwrap().to_string();
    assert_eq!(
        text,
        "DbmSettings: `start` is a model with gaussian visible units for visible bernoulli, allowed: a model with the visible \
         units of the settings"
    );
}

/// The bytes of the model that a run leaves, interrupted after the given updates.
fn trained(kind: Visible, pretrain: Pretrain, temperatures: usize, interruptions: &[u64]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a sound run");
    let rows = folder.path().join("rows.csv");
    let values = if kind == Visible::Gaussian { draws(60, 7) } else { answers().columns(0, 60).into_owned() };
    let line = |row: usize| values.column(row).iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    std::fs::write(&rows, (0..60).map(line).collect::<Vec<_>>().join("\n")).expect("a sound run");
    let settings = DbmSettings {
        pretrain_epochs: 3,
        epochs: 4,
        batch_size: 20,
        chains: 10,
        temperatures,
        optimiser: "momentum:0.5".parse().expect("an optimiser"),
        ..settings(kind, pretrain)
    };
    let run_folder = folder.path().join("run");
    let config = Config::new(rows.display().to_string(), ModelConfig::Dbm(settings));
    let mut run = Run::create(&run_folder, &config).expect("a sound run");
    for &at in interruptions {
        let mut stop = |event: &Event<'_>| match event {
            Event::Step { step, .. } if *step >= at => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(run.train(&mut stop).expect("a sound run"), Outcome::Interrupted { step: at });
        run = Run::resume(&run_folder).expect("a sound run");
    }
    assert!(matches!(run.train(&mut Unobserved).expect("a sound run"), Outcome::Finished { .. }));
    std::fs::read(run_folder.join("model.gm")).expect("a sound run")
}

#[test]
fn stable_resumed_runs_end_with_the_same_bits_in_every_stage() {
    // 40 training rows in batches of 20: two updates an epoch, six a stage of pretraining.
    for kind in [Visible::Gaussian, Visible::Softmax(0)] {
        for (pretrain, temperatures) in [(Pretrain::Grow, 1), (Pretrain::Rules2009, 3)] {
            let whole = trained(kind, pretrain, temperatures, &[]);
            assert_eq!(whole, trained(kind, pretrain, temperatures, &[3, 7, 13]), "{kind}, {pretrain}");
        }
    }
}

#[test]
fn rejects_saved_states_of_other_units() {
    let bits = DbmSettings { visible: Visible::Bernoulli, chains: 3, ..settings(Visible::Bernoulli, Pretrain::None) };
    let reals = DbmSettings { visible: Visible::Gaussian, ..bits.clone() };
    let [bits, reals] = [bits, reals].map(|s| DbmLearner::new(&[0.5; 3], &s, &Streams::new(0)).unwrap());
    let error = |learner: &DbmLearner, state| learner.clone().restore(state).unwrap_err().to_string();
    assert_eq!(error(&bits, reals.state()), "DbmLearner::set_parameters: `visible_variance` has length 3, expected 0");
    assert_eq!(error(&reals, bits.state()), "DbmLearner::set_parameters: `visible_variance` has length 0, expected 3");
    let mut broken = reals.state();
    broken.chains = bits.state().chains;
    let text = error(&reals, broken);
    assert_eq!(text, "DbmLearner::restore: `data` is zeros and ones, allowed: real numbers for gaussian units");
    let mut broken = reals.state();
    let visible = &mut broken.chains.get_mut("chains").unwrap().layers[0];
    *visible = LayerState::Reals { units: 3, values: vec![f32::NAN; 9] };
    assert!(error(&reals, broken).contains("NaN"));
}

#[test]
fn rejects_what_units_of_a_kind_cannot_learn() {
    let refused = |settings: &DbmSettings, options: &FitOptions| {
        let data = dataset(Values::Numbers(Matrix::from_row_slice(1, 6, &[0.0, 1.0, 2.5, 0.0, 1.0, 2.0])));
        fit_dbm(&data, settings, options, &Streams::new(0), &mut Unobserved).unwrap_err().to_string()
    };
    let text = refused(&settings(Visible::Softmax(3), Pretrain::None), &FitOptions::default());
    assert_eq!(text, "rows: value 2.5 at row 3, column 1 is no category; categories are whole numbers from 0 to 2");
    let text = refused(&settings(Visible::Bernoulli, Pretrain::None), &FitOptions::default());
    assert!(text.contains("lies outside 0..1"), "{text}");
    let fixed = FitOptions { binarise: Some(Binarise::Fixed(0)), ..FitOptions::default() };
    assert_eq!(
        refused(&settings(Visible::Gaussian, Pretrain::None), &fixed),
        "DbmSettings: `binarise` is fixed:0 with visible gaussian, allowed: none unless visible units are bernoulli"
    );
    let started = FitOptions { start: Some(source().to_data().unwrap()), ..FitOptions::default() };
    let narrow = DbmSettings { hidden: vec![2, 1], ..settings(Visible::Gaussian, Pretrain::None) };
    let text = refused(&narrow, &started);
    assert!(text.contains("`start` is a model with layers [3, ") && text.contains("for [1, 2, 1]"), "{text}");
    let text = DbmSettings { least_variance: 0.0, ..DbmSettings::default() }.check().unwrap_err().to_string();
    assert_eq!(text, "DbmSettings: `least_variance` is 0, allowed: above 0, at most 1");
}

#[test]
fn rejects_a_classifier_from_gaussian_units() {
    let error =
        gm_net::Classifier::from_model(source().to_data().unwrap(), 3, gm_net::HiddenUnits::Sigmoid, &Streams::new(0));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("gaussian") && text.contains("bernoulli"), "{text}");
}
