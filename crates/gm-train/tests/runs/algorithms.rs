//! Training of restricted Boltzmann machines: parallel tempering, log Z along the way, changes, sparsity, divergence.

use std::path::Path;

use crate::common::{break_at, builtin, config, mean, results, train};
use gm_core::{Batch, BitMatrix, Streams};
use gm_data::{DataSpec, Dataset, LoadOptions, RowWeights, Split, Values, load, load_model};
use gm_rbm::Rbm;
use gm_train::{
    Algorithm, Clock, Error, Event, Fit, FitOptions, Learner, ModelConfig, MonitorSettings, OptimiserSettings, Outcome,
    Probe, Rate, RbmLearner, RbmSettings, Regularise, Run, SbnSettings, StopOn, Unobserved, fit_rbm_with,
};

fn fit(data: &str, settings: &RbmSettings, monitor: MonitorSettings, seed: u64) -> Fit<Rbm> {
    let options = FitOptions { monitor, ..Default::default() };
    fit_rbm_with(&builtin(data), settings, &options, &Streams::new(seed), &mut Unobserved).expect("sound settings")
}

fn figures(fit: &Fit<Rbm>, name: &str) -> Vec<f64> {
    fit.history.iter().filter_map(|record| record.figures.get(name)).collect()
}

// ---- Parallel tempering ----

/// The best mean log p of bars and stripes of 3 x 3 pixels.
const BARS_3: f64 = -2.599_301_927_099_8;

fn tempered() -> RbmSettings {
    RbmSettings {
        hidden: 10,
        algorithm: Algorithm::Pt,
        temperatures: 5,
        chains: 40,
        epochs: 2_000,
        batch_size: 16,
        learning_rate: 0.3,
        init_scale: 0.1,
        ..Default::default()
    }
}

/// As many states as persistent chains need for the same end, of which a fifth are the model's.
#[test]
fn oracle_parallel_tempering_approaches_the_same_optimum() {
    let monitor = MonitorSettings { every: 2_000, ..Default::default() };
    for seed in 0..4 {
        let found = fit("bars-and-stripes:3", &tempered(), monitor.clone(), seed);
        let gap = BARS_3 - figures(&found, "train_log_likelihood")[0];
        assert!((0.0..0.3).contains(&gap), "seed {seed}: {gap}");
        let (swaps, lowest) = (figures(&found, "swap_acceptance")[0], figures(&found, "lowest_swap_acceptance")[0]);
        assert!(0.0 < lowest && lowest <= swaps && swaps < 1.0, "{swaps} and {lowest}");
    }
}

/// Temperatures that move leave no pair of neighbours far behind the others.
#[test]
fn law_temperatures_share_the_swaps() {
    let settings = RbmSettings { epochs: 4_000, schedule: Rate::Linear, ..tempered() };
    let found = fit("bars-and-stripes:3", &settings, MonitorSettings { every: 4_000, ..Default::default() }, 1);
    let (swaps, lowest) = (figures(&found, "swap_acceptance")[0], figures(&found, "lowest_swap_acceptance")[0]);
    assert!(lowest > 0.7 * swaps, "{lowest} of {swaps} on average");
}

// ---- log Z along training ----

/// Errors of the estimated mean log p against enumeration, in standard errors of log Z, at each look.
fn deviations(seed: u64) -> Vec<f64> {
    let settings = RbmSettings { hidden: 14, chains: 50, epochs: 12, batch_size: 20, ..Default::default() };
    let monitor = MonitorSettings { every: 3, stop_on: StopOn::LogLikelihood, ..Default::default() };
    let found = fit("digits", &settings, monitor, seed);
    let columns =
        ["estimated_log_likelihood", "log_likelihood", "log_partition_error"].map(|name| figures(&found, name));
    let [estimated, exact, error] = &columns;
    estimated.iter().zip(exact).zip(error).map(|((estimated, exact), error)| (estimated - exact) / error).collect()
}

/// 10 runs with 4 looks each. An error of more than six standard errors has probability 2e-9; more than 6 of 40 beyond three
/// Binomial(40, .0027) 1e-11 if looks were independent, and one run in ten that is wrong at all its looks is still allowed.
#[test]
fn stat_mean_log_z_along_training_agrees_with_enumeration() {
    let found: Vec<f64> = (0..10).flat_map(deviations).collect();
    assert_eq!(found.len(), 40);
    assert!(found.iter().all(|error| error.abs() < 6.0), "{found:?}");
    assert!(found.iter().filter(|error| error.abs() > 3.0).count() <= 6, "{found:?}");
}

/// The estimate of an earlier look, taken for that of a later one.
#[test]
fn planted_mean_an_old_log_z_is_found_out() {
    let settings = RbmSettings { hidden: 14, chains: 50, epochs: 12, batch_size: 20, ..Default::default() };
    let monitor = MonitorSettings { every: 3, stop_on: StopOn::LogLikelihood, ..Default::default() };
    let found = fit("digits", &settings, monitor, 3);
    let [estimated, exact, error] =
        ["log_partition", "log_likelihood", "log_partition_error"].map(|name| figures(&found, name));
    let log_likelihood = figures(&found, "estimated_log_likelihood");
    let log_z = |look: usize| estimated[look] + log_likelihood[look] - exact[look];
    assert!((1..exact.len()).any(|look| ((estimated[look - 1] - log_z(look)) / error[look]).abs() > 6.0));
}

/// Chains along training are given up where parameters move fast, and what is said of log Z stays right: annealing with 20 runs
/// over 1,000 temperatures knows it to a few tenths of a nat here, against errors of tens of nats of the chains.
#[test]
fn law_log_z_is_annealed_once_the_chains_have_lost_it() {
    let settings = RbmSettings {
        hidden: 14,
        chains: 50,
        epochs: 30,
        batch_size: 10,
        learning_rate: 1.0,
        log_z_chains: 10,
        ..Default::default()
    };
    // Learning is wild at this rate, and is not to stop for it.
    let monitor = MonitorSettings { every: 3, stop_on: StopOn::LogLikelihood, patience: 30, ..Default::default() };
    let found = fit("digits", &settings, monitor, 3);
    let [estimated, exact] = ["estimated_log_likelihood", "log_likelihood"].map(|name| figures(&found, name));
    assert_eq!((estimated.len(), exact.len()), (10, 10));
    for (estimated, exact) in estimated.iter().zip(&exact) {
        assert!((estimated - exact).abs() < 1.5, "{estimated} for {exact}");
    }
}

#[test]
fn stable_a_state_without_chains_that_know_log_z_is_restored() {
    let settings = RbmSettings { hidden: 14, chains: 20, learning_rate: 3.0, log_z_chains: 10, ..Default::default() };
    let streams = Streams::new(1);
    let rows: Batch = BitMatrix::from_fn(30, 10, |unit, row| unit * row % 3 == 1).into();
    let new = || RbmLearner::new(&[0.5; 30], &settings, &streams).unwrap();
    let clock = |step| Clock { step, total: 400, per_epoch: 5 };
    let mut learner = new();
    assert_eq!(learner.state().chains.len(), 2);
    let lost = (0..200).find(|&step| {
        learner.step(&rows, &clock(step), &streams).unwrap();
        learner.state().chains.len() == 1
    });
    let lost = lost.expect("chains that cannot keep up");
    let mut other = new();
    other.restore(learner.state()).unwrap();
    for step in lost + 1..lost + 20 {
        learner.step(&rows, &clock(step), &streams).unwrap();
        other.step(&rows, &clock(step), &streams).unwrap();
    }
    assert_eq!(learner.state(), other.state());
    let probe = Probe { train: rows.clone(), valid: rows, exact_units: 20 };
    let figures = learner.figures(&probe, &streams).unwrap();
    assert_eq!(figures, other.figures(&probe, &streams).unwrap());
    assert!(figures.get("estimated_log_likelihood").is_some_and(|log_p| log_p < 0.0), "{figures:?}");
}

#[test]
fn table_log_z_is_followed_where_it_is_not_enumerated() {
    let settings = RbmSettings { hidden: 13, chains: 5, epochs: 1, ..Default::default() };
    let found = |settings: &RbmSettings| {
        let found = fit("digits", settings, MonitorSettings::default(), 1);
        ["log_likelihood", "estimated_log_likelihood"].map(|name| figures(&found, name).len())
    };
    assert_eq!(found(&settings), [0, 1]);
    assert_eq!(found(&RbmSettings { log_z_chains: 0, ..settings.clone() }), [0, 0]);
    assert_eq!(found(&RbmSettings { hidden: 12, ..settings.clone() }), [1, 0]);
    // Following costs random numbers of its own only.
    let model = |log_z_chains| {
        let settings = RbmSettings { log_z_chains, ..settings.clone() };
        fit("digits", &settings, MonitorSettings::default(), 1).model
    };
    assert_eq!(model(0), model(7));
}

// ---- Changes in the course of a training ----

#[test]
fn law_numbers_change_at_their_epoch() {
    let base = RbmSettings {
        algorithm: Algorithm::Cd,
        hidden: 8,
        epochs: 3,
        batch_size: 100,
        optimiser: OptimiserSettings::Sgd { momentum: 0.5, nesterov: false },
        ..Default::default()
    };
    let path =
        |settings: &RbmSettings| figures(&fit("digits", settings, MonitorSettings::default(), 2), "log_likelihood");
    let plain = path(&base);
    for (same, other) in [
        (
            RbmSettings { later_steps: vec![(2, 1)], ..base.clone() },
            RbmSettings { later_steps: vec![(2, 4)], ..base.clone() },
        ),
        (
            RbmSettings { later_momentum: vec![(2, 0.5)], ..base.clone() },
            RbmSettings { later_momentum: vec![(2, 0.9)], ..base.clone() },
        ),
    ] {
        assert_eq!(path(&same), plain);
        let other = path(&other);
        assert_eq!(other[..2], plain[..2]);
        assert_ne!(other[2], plain[2]);
    }
    // Momentum may begin at 0.
    let without = RbmSettings { optimiser: OptimiserSettings::default(), ..base };
    let later = path(&RbmSettings { later_momentum: vec![(2, 0.9)], ..without.clone() });
    assert_eq!(later[..2], path(&without)[..2]);
    assert_ne!(later[2], path(&without)[2]);
}

#[test]
fn rejects_changes_out_of_order_or_range() {
    let base = RbmSettings::default();
    let error = |settings: RbmSettings| settings.check().expect_err("it must be refused").to_string();
    let later_steps = |later_steps: &[(u64, usize)]| RbmSettings { later_steps: later_steps.to_vec(), ..base.clone() };
    assert_eq!(
        error(later_steps(&[(5, 2), (5, 3)])),
        "RbmSettings: `later_steps` is from epochs [5, 5], allowed: epochs that rise from 1"
    );
    assert!(error(later_steps(&[(0, 2)])).contains("`later_steps` is from epochs [0]"));
    assert_eq!(error(later_steps(&[(1, 0)])), "RbmSettings: `later_steps` is 0, allowed: 1 or more");
    let momentum = |later: f32, optimiser| RbmSettings { later_momentum: vec![(1, later)], optimiser, ..base.clone() };
    assert_eq!(
        error(momentum(1.0, OptimiserSettings::default())),
        "Optimiser: `momentum` is 1, allowed: 0 or more and below 1"
    );
    assert_eq!(
        error(momentum(0.5, OptimiserSettings::adam())),
        "RbmSettings: `later_momentum` is given for adam, allowed: none for adam"
    );
    let tempered = RbmSettings { algorithm: Algorithm::Pt, temperatures: 1, ..base.clone() };
    assert_eq!(error(tempered), "RbmSettings: `temperatures` is 1, allowed: 2 or more");
    let sparse = RbmSettings { sparsity: Some(1.5), ..base };
    assert_eq!(error(sparse), "RbmSettings: `sparsity` is 1.5, allowed: 0 to 1");
}

// ---- Sparsity ----

/// With a strong pull hidden units are on for about the share of rows asked for.
#[test]
fn law_sparsity_sets_how_often_hidden_units_are_on() {
    let share = |sparsity| {
        let settings = RbmSettings {
            hidden: 30,
            chains: 50,
            epochs: 40,
            batch_size: 50,
            sparsity,
            sparsity_cost: 2.0,
            log_z_chains: 0,
            ..Default::default()
        };
        let model = fit("digits", &settings, MonitorSettings { every: 40, ..Default::default() }, 1).model;
        let rows = builtin("digits").train.to_bits(gm_data::Binarise::Fixed(0)).expect("grey levels");
        let means = model.sampler().mean_h_from_v(&rows).unit_sums();
        mean(&means) / rows.samples() as f64
    };
    assert!(share(None) > 0.3, "{}", share(None));
    for target in [0.1, 0.2] {
        let found = share(Some(target));
        assert!((found - f64::from(target)).abs() < 0.05, "{found} for {target}");
    }
}

// ---- Weights of rows ----

fn rows(bits: &BitMatrix, weights: Option<Vec<f32>>) -> Dataset {
    let split = Split::new(Values::Bits(bits.clone()), None).expect("rows");
    let train = match weights {
        Some(weights) => split.clone().with_weights(weights).expect("a weight a row"),
        None => split.clone(),
    };
    Dataset::new("rows", train, split.clone(), split).expect("equal widths")
}

/// Whole numbers as weights do what copies of the rows do.
#[test]
fn oracle_weights_are_copies() {
    let bits = BitMatrix::from_fn(6, 5, |unit, row| (unit * 3 + row * row) % 4 < 2);
    let copies = [3_usize, 1, 0, 2, 2];
    let copied: Vec<usize> = (0..5).flat_map(|row| std::iter::repeat_n(row, copies[row])).collect();
    let settings = RbmSettings {
        hidden: 4,
        algorithm: Algorithm::Exact,
        epochs: 200,
        batch_size: 100,
        learning_rate: 0.5,
        ..Default::default()
    };
    let model = |data: &Dataset| {
        fit_rbm_with(data, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).expect("sound").model
    };
    let weighted = model(&rows(&bits, Some(copies.map(|n| n as f32).to_vec())));
    let expected = model(&rows(&bits.select(&copied), None));
    let difference = (weighted.weights() - expected.weights()).amax();
    assert!(difference < 1e-4 && expected.weights().amax() > 0.5, "{difference}");
    let plain = model(&rows(&bits, None));
    assert!((weighted.weights() - plain.weights()).amax() > 0.1, "weights make a difference");
    let even = model(&rows(&bits, Some(vec![7.0; 5])));
    assert!((even.weights() - plain.weights()).amax() < 1e-5);
}

/// Contrastive divergence and batches of one row: heavy rows have larger steps, rows of weight 0 none.
#[test]
fn law_the_mean_of_a_unit_follows_the_weights() {
    let bits = BitMatrix::from_fn(2, 40, |unit, row| if unit == 0 { row < 10 } else { row % 2 == 0 });
    let weights: Vec<f32> = (0..40).map(|row| if row < 10 { 6.0 } else { 2.0 }).collect();
    for algorithm in [Algorithm::Cd, Algorithm::Pcd, Algorithm::Pt] {
        let settings = RbmSettings {
            hidden: 2,
            algorithm,
            temperatures: 2,
            chains: 200,
            epochs: 300,
            batch_size: 8,
            learning_rate: 0.05,
            ..Default::default()
        };
        let data = rows(&bits, Some(weights.clone()));
        let fit = fit_rbm_with(&data, &settings, &FitOptions::default(), &Streams::new(2), &mut Unobserved);
        let visible = &fit.expect("sound settings").model.marginals().expect("a small model").means[0];
        // 60 of 120, and 20 of 40 in either part.
        assert!((visible[0] - 0.5).abs() < 0.05 && (visible[1] - 0.5).abs() < 0.05, "{algorithm}: {visible:?}");
    }
    let data = rows(&bits, Some((0..40).map(|row| f32::from(u8::from(row < 10))).collect()));
    let settings = RbmSettings { hidden: 2, algorithm: Algorithm::Cd, epochs: 50, batch_size: 1, ..Default::default() };
    let fit = fit_rbm_with(&data, &settings, &FitOptions::default(), &Streams::new(2), &mut Unobserved);
    let visible = &fit.expect("rows of weight 0 do no harm").model.marginals().expect("a small model").means[0];
    assert!(visible[0] > 0.95, "only rows with the first unit on count: {visible:?}");
}

#[test]
fn stable_weights_from_a_file_survive_a_resumption_and_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.csv");
    let numbers = |count: usize| (0..count).map(|row| format!("{}\n", 1 + row % 3)).collect::<String>();
    std::fs::write(&path, numbers(1_199)).unwrap();
    let settings = RbmSettings { epochs: 2, ..small(Algorithm::Pcd) };
    let with = |weights: Option<&Path>| {
        let mut config = config("digits", settings.clone());
        config.data.weights = weights.map(|path| RowWeights::File(path.into()));
        config
    };
    let run = |name: &str, weights: Option<&Path>| {
        train(&folder.path().join(name), &with(weights));
        results(&folder.path().join(name))
    };
    let weighted = run("whole", Some(&path));
    assert!(weighted.model != run("plain", None).model);
    let parts = folder.path().join("parts");
    let first = Run::create(&parts, &with(Some(&path))).unwrap();
    first.train(&mut break_at(|event| matches!(event, Event::Step { step: 7, .. }))).unwrap();
    Run::resume(&parts).unwrap().train(&mut Unobserved).unwrap();
    assert!(results(&parts) == weighted);
    let other = folder.path().join("other");
    Run::create(&other, &with(Some(&path)))
        .unwrap()
        .train(&mut break_at(|event| matches!(event, Event::Step { step: 7, .. })))
        .unwrap();
    std::fs::write(&path, numbers(1_199).replacen('1', "2", 1)).unwrap();
    assert!(matches!(Run::resume(&other), Err(Error::DataChanged { .. })));
    // All rows of the table will do too, one that fits neither will not.
    std::fs::write(&path, numbers(7)).unwrap();
    let error = Run::create(folder.path().join("no"), &with(Some(&path))).unwrap_err().to_string();
    assert!(error.ends_with("weights.csv: 7 weights, expected 1199 for the training rows"), "{error}");
}

#[test]
fn rejects_weights_that_do_not_suit_a_table_or_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("rows.csv"), folder.path().join("weights.csv"));
    std::fs::write(&data, (0..12).map(|row| format!("{},{}\n", row % 2, row / 6)).collect::<String>()).unwrap();
    let spec = DataSpec::parse(&data.display().to_string()).unwrap();
    let weights = |numbers: &[f32]| {
        std::fs::write(&path, numbers.iter().map(|x| format!("{x}\n")).collect::<String>()).unwrap();
        let options = LoadOptions { weights: Some(RowWeights::File(path.clone())), ..Default::default() };
        load(&spec, &options).map(|data| data.train.weights().map(<[f32]>::to_vec))
    };
    // Weights of all rows will do too; those of the training rows count.
    let of_all: Vec<f32> = (1..=12).map(|row| row as f32).collect();
    let found = weights(&of_all).unwrap().unwrap();
    assert!(found.len() == 8 && found.is_sorted() && found[0] < found[7], "{found:?}");
    assert!((found.iter().sum::<f32>() - 8.0).abs() < 1e-5, "{found:?}");
    assert_eq!(weights(&[2.0; 8]).unwrap(), Some(vec![1.0; 8]));
    let error = weights(&[1.0; 5]).unwrap_err().to_string();
    assert!(error.ends_with("5 weights, expected 8 for the training rows, or 12 for all rows"), "{error}");
    let error = weights(&[0.5, -1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).unwrap_err().to_string();
    assert!(error.ends_with("`weights` is -1.5 in row 2, allowed: finite numbers of 0 or more"), "{error}");
    assert!(
        weights(&[0.0; 8])
            .unwrap_err()
            .to_string()
            .ends_with("`weights` is 0 in every row, allowed: at least one above 0")
    );
    let weighted = rows(&BitMatrix::zeros(2, 3), Some(vec![1.0; 3]));
    let error = weighted.learning_validation().unwrap_err().to_string();
    assert!(
        error.starts_with("Dataset::learning_validation: `weights` is given, allowed: no weights, since"),
        "{error}"
    );
    std::fs::write(&path, "1\n".repeat(1_199)).unwrap();
    let mut net =
        gm_train::Config::new("digits", ModelConfig::Sbn(SbnSettings { hidden: vec![3], ..Default::default() }));
    net.data.weights = Some(RowWeights::File(path.clone()));
    let error = Run::create(folder.path().join("run"), &net).unwrap_err().to_string();
    assert_eq!(error, "training: `weights` is given, allowed: none but for restricted Boltzmann machines");
}

// ---- Divergence ----

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Cd, Algorithm::Pcd, Algorithm::Pt, Algorithm::Exact];

fn small(algorithm: Algorithm) -> RbmSettings {
    let hidden = if algorithm == Algorithm::Exact { 8 } else { 15 };
    RbmSettings { hidden, algorithm, temperatures: 3, chains: 20, epochs: 4, batch_size: 100, ..Default::default() }
}

/// Trains in a folder until it diverges; the error and the checkpoints that are left.
fn diverges(folder: &Path, rbm: RbmSettings, stop_on: StopOn) -> (Error, Vec<String>) {
    let mut config = config("digits", rbm);
    config.monitor.stop_on = stop_on;
    let run = Run::create(folder, &config).expect("a sound configuration");
    let error = run.train(&mut Unobserved).expect_err("it must diverge");
    let entries = std::fs::read_dir(folder.join("checkpoints")).expect("a run has checkpoints");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    (error, names)
}

#[test]
fn rejects_runaway_norms_in_every_algorithm_and_keeps_the_last_good_checkpoints() {
    for algorithm in ALGORITHMS {
        // A step against the penalty multiplies weights by 1 - rate * l2 = -2; 0.01 * 2^17 exceeds 1,000.
        let penalty = Regularise { l2: 30.0, ..Default::default() };
        let rbm = RbmSettings { regularise: penalty, schedule: Rate::Constant, ..small(algorithm) };
        let folder = tempfile::tempdir().unwrap();
        let (error, checkpoints) = diverges(folder.path(), rbm, StopOn::Never);
        let Error::Diverged { step, tensor, rms, limit } = &error else { panic!("{algorithm}: {error}") };
        assert!((10..30).contains(step) && tensor == "weights.0" && rms > limit, "{algorithm}: {error}");
        assert!(error.to_string().ends_with("lower the learning rate or add a penalty on weights"), "{error}");
        // Checkpoints are due after every fourth update.
        let last = (step - 1) / 4 * 4;
        assert_eq!(checkpoints, [last - 4, last].map(|step| format!("step-{step:012}.gmck")), "{algorithm}");
        assert!(!folder.path().join("model.gm").exists());
        // The run can be looked at again and goes on to the same end.
        let again = Run::resume(folder.path()).unwrap().train(&mut Unobserved).unwrap_err();
        assert!(matches!(&again, Error::Diverged { step: found, .. } if found == step), "{algorithm}: {again}");
    }
}

#[test]
fn rejects_infinite_steps_in_every_algorithm() {
    for algorithm in ALGORITHMS {
        for optimiser in [OptimiserSettings::default(), OptimiserSettings::adam()] {
            let rbm = RbmSettings { learning_rate: 1e38, optimiser, ..small(algorithm) };
            let folder = tempfile::tempdir().unwrap();
            let (error, checkpoints) = diverges(folder.path(), rbm, StopOn::Never);
            assert!(matches!(&error, Error::Diverged { step: 1, .. }), "{algorithm}: {error}");
            assert_eq!(checkpoints.len(), 0, "no checkpoint of a broken model");
        }
    }
}

#[test]
fn law_a_good_model_survives_the_end_of_its_training() {
    // Early stopping has kept the best model before the rate of later epochs ruins everything.
    let penalty = Regularise { l2: 30.0, ..Default::default() };
    let rbm = RbmSettings { hidden: 8, regularise: penalty, schedule: Rate::Constant, ..small(Algorithm::Cd) };
    let folder = tempfile::tempdir().unwrap();
    let (error, _) = diverges(folder.path(), rbm, StopOn::LogLikelihood);
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    let model = Rbm::from_data(load_model(folder.path().join("model.gm")).unwrap()).unwrap();
    let zeros = BitMatrix::zeros(64, 1);
    assert!(model.log_prob(&zeros, model.log_partition().unwrap()).unwrap()[0].is_finite());
}

#[test]
fn table_every_algorithm_finishes_on_disk() {
    for algorithm in ALGORITHMS {
        let folder = tempfile::tempdir().unwrap();
        let outcome = train(folder.path(), &config("digits", small(algorithm)));
        assert_eq!(outcome, Outcome::Finished { epochs: 4, stopped_early: false });
    }
}
