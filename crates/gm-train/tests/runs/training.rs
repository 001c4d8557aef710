//! Training in memory: known optima, symmetries, early stopping, and the same bits at any thread count.

use crate::common::{break_at, builtin, config, dataset, mean, results, rows_of, split, train, wave};
use gm_core::{BitMatrix, Error as CoreError, Streams, Vector};
use gm_data::Dataset;
use gm_rbm::Rbm;
use gm_testkit::{mean_test, published};
use gm_train::{
    Algorithm, Error, Event, Fit, FitOptions, MonitorSettings, Outcome, Rate, RbmSettings, Regularise, SbnSettings,
    StopOn, Unobserved, fit_rbm, fit_rbm_with, fit_sbn,
};

/// The exact gradient of all rows at once, at a constant rate.
fn exact(hidden: usize, learning_rate: f64, epochs: u64) -> RbmSettings {
    RbmSettings {
        hidden,
        algorithm: Algorithm::Exact,
        epochs,
        batch_size: 1_000,
        learning_rate,
        schedule: Rate::Constant,
        ..Default::default()
    }
}

fn fit(data: &Dataset, settings: &RbmSettings, options: &FitOptions, seed: u64) -> Fit<Rbm> {
    fit_rbm_with(data, settings, options, &Streams::new(seed), &mut Unobserved).expect("sound settings")
}

fn refusal(data: &Dataset, settings: &RbmSettings, options: &FitOptions) -> Error {
    fit_rbm_with(data, settings, options, &Streams::new(0), &mut Unobserved).expect_err("it must be refused")
}

/// Mean log p of the training rows after each epoch.
fn path(fit: &Fit<Rbm>) -> Vec<f64> {
    let figure = |name| fit.history.iter().filter_map(move |record| record.figures.get(name));
    figure("train_log_likelihood").collect()
}

// ---- Known optima ----

/// How far below the best mean log p each of 20 seeds ends on the bars and stripes of 2 x 2 pixels, with 4 hidden units
/// and the exact gradient at rate 0.9.
fn gaps(settings: &RbmSettings) -> Vec<f64> {
    let best = published()["pydeep_4x4"]["expected"]["best_possible_mean_log_prob"].as_f64().expect("a number");
    let options =
        FitOptions { monitor: MonitorSettings { every: settings.epochs, ..Default::default() }, ..Default::default() };
    let bars = builtin("bars-and-stripes:2");
    (0..20).map(|seed| best - path(&fit(&bars, settings, &options, seed))[0]).collect()
}

/// The first weights of the published figures come from the usual range for a network of 4 and 4 units, +-sqrt(6 / 8),
/// of standard deviation 0.5. From there all 20 seeds are within 0.3 after 5,000 epochs without centring, 18 of
/// them within 0.1. From 0.01, the default here, 9 of 20 are, and the others stop at 0.36, one bar short.
#[test]
fn oracle_bars_and_stripes_without_centring() {
    let plain = RbmSettings { centred: false, init_scale: 0.5, ..exact(4, 0.9, 5_000) };
    let gaps = gaps(&plain);
    assert!(gaps.iter().all(|gap| (0.0..0.3).contains(gap)), "{gaps:?}");
}

/// With centring all 20 seeds are within 0.1 after 1,000 epochs, whether first weights are small or not.
#[test]
fn oracle_bars_and_stripes_with_centring() {
    for init_scale in [0.5, 0.01] {
        let gaps = gaps(&RbmSettings { init_scale, ..exact(4, 0.9, 1_000) });
        assert!(gaps.iter().all(|gap| (0.0..0.1).contains(gap)), "{init_scale}: {gaps:?}");
    }
}

/// The best mean log p of bars and stripes of 3 x 3 pixels: minus the entropy of 16 equally probable rows of which two
/// pairs are equal, -(12/16 log 16 + 4/16 log 8).
const BARS_3: f64 = -2.599_301_927_099_8;

/// Ten hidden units come within 0.013 in 2,000 epochs at rate 1 from each of seeds 0 to 19.
#[test]
fn oracle_bars_and_stripes_of_3_by_3() {
    assert!((BARS_3 + 0.75 * 16.0_f64.ln() + 0.25 * 8.0_f64.ln()).abs() < 1e-12);
    let settings = RbmSettings { init_scale: 0.1, ..exact(10, 1.0, 2_000) };
    let options = FitOptions { monitor: MonitorSettings { every: 2_000, ..Default::default() }, ..Default::default() };
    for seed in 0..4 {
        let gap = BARS_3 - path(&fit(&builtin("bars-and-stripes:3"), &settings, &options, seed))[0];
        assert!((0.0..0.02).contains(&gap), "seed {seed}: {gap}");
    }
}

/// Of seeds 0 to 19 the median ends 0.15 below the best and the worst 0.26.
#[test]
fn oracle_pcd_approaches_the_same_optimum() {
    let settings = RbmSettings {
        hidden: 10,
        chains: 200,
        epochs: 2_000,
        batch_size: 16,
        learning_rate: 0.3,
        init_scale: 0.1,
        ..Default::default()
    };
    let options = FitOptions { monitor: MonitorSettings { every: 2_000, ..Default::default() }, ..Default::default() };
    for seed in 0..4 {
        let gap = BARS_3 - path(&fit(&builtin("bars-and-stripes:3"), &settings, &options, seed))[0];
        assert!((0.0..0.3).contains(&gap), "seed {seed}: {gap}");
    }
}

// ---- Symmetry under flipped units ----

/// The bars and stripes of 3 x 3 pixels, and the same with some pixels inverted.
const FLIPPED: [usize; 5] = [0, 1, 2, 4, 8];

fn flipped_rows(rows: &BitMatrix) -> BitMatrix {
    BitMatrix::from_fn(rows.units(), rows.samples(), |unit, row| rows.get(unit, row) != FLIPPED.contains(&unit))
}

/// The model that gives flipped rows the probability of the rows: with v = 1 - v', a v + v w h = a - a v' + w h - v' w h.
fn flipped_rbm(rbm: &Rbm) -> Rbm {
    let mut weights = rbm.weights().clone();
    let mut visible = Vector::from_column_slice(rbm.visible_bias());
    let mut hidden = Vector::from_column_slice(rbm.hidden_bias());
    for i in FLIPPED {
        visible[i] = -visible[i];
        hidden += weights.row(i).transpose();
        weights.row_mut(i).neg_mut();
    }
    Rbm::new(weights, visible, hidden).expect("finite parameters")
}

/// The two paths of mean log p, from matching first models.
fn flip_paths(settings: &RbmSettings, seeds: [u64; 2]) -> [Vec<f64>; 2] {
    let rows = rows_of(&builtin("bars-and-stripes:3"));
    let start = Rbm::initial(&[0.5; 9], settings.hidden, 0.1, &Streams::new(seeds[0])).expect("sound settings");
    let run = |rows: &BitMatrix, start: Rbm, seed| {
        path(&fit(
            &dataset(rows),
            settings,
            &FitOptions { start: Some(start.to_data().expect("finite parameters")), ..Default::default() },
            seed,
        ))
    };
    let flipped = run(&flipped_rows(&rows), flipped_rbm(&start), seeds[1]);
    [run(&rows, start, seeds[0]), flipped]
}

fn greatest_difference([a, b]: &[Vec<f64>; 2]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The rounding of single precision grows along the path; 1.5e-6 was seen.
#[test]
fn law_centred_training_does_not_see_flipped_units() {
    let paths = flip_paths(&exact(6, 0.5, 400), [1, 1]);
    assert!(paths[0][399] - paths[0][0] > 2.0, "something is learnt: {:?}", &paths[0][399]);
    let difference = greatest_difference(&paths);
    assert!(difference < 2e-5, "{difference:e}");
}

#[test]
fn law_plain_training_sees_flipped_units() {
    let difference = greatest_difference(&flip_paths(&RbmSettings { centred: false, ..exact(6, 0.5, 400) }, [1, 1]));
    assert!(difference > 0.3, "{difference:e}");
}

/// Differences of the mean over the path between rows and flipped rows, one for each of 16 pairs of seeds.
fn flip_differences(centred: bool) -> Vec<f64> {
    let settings = RbmSettings {
        hidden: 6,
        centred,
        chains: 200,
        epochs: 300,
        batch_size: 16,
        schedule: Rate::Constant,
        ..Default::default()
    };
    (0..16).map(|seed| flip_paths(&settings, [seed, 1_000 + seed])).map(|[a, b]| mean(&a) - mean(&b)).collect()
}

#[test]
fn stat_mean_centred_pcd_does_not_see_flipped_units() {
    let differences = flip_differences(true);
    mean_test(&differences, 0.0).assert_passes(1e-6, 0);
    assert!(differences.iter().all(|difference| difference.abs() < 0.02), "{differences:?}");
}

#[test]
fn planted_mean_of_plain_pcd_sees_flipped_units() {
    assert!(!mean_test(&flip_differences(false), 0.0).passes(1e-6));
}

// ---- Early stopping ----

/// A few rows to learn by heart, and others to see it by.
fn few_digits() -> Dataset {
    let digits = builtin("digits");
    let bits = |split: &gm_data::Split| split.to_bits(split.evaluation_binarise()).expect("binary rows");
    let few = bits(&digits.train).select(&(0..40).collect::<Vec<_>>());
    Dataset::new("few digits", split(&few), split(&bits(&digits.valid)), split(&bits(&digits.test)))
        .expect("equal widths")
}

fn eager() -> RbmSettings {
    RbmSettings {
        schedule: Rate::Constant,
        batch_size: 20,
        chains: 50,
        learning_rate: 0.2,
        epochs: 200,
        hidden: 12,
        ..Default::default()
    }
}

fn stopping(stop_on: StopOn) -> FitOptions {
    FitOptions { monitor: MonitorSettings { stop_on, patience: 5, ..Default::default() }, ..Default::default() }
}

#[test]
fn law_early_stopping_gives_back_the_best_epoch() {
    let data = few_digits();
    for (stop_on, figure) in
        [(StopOn::LogLikelihood, "log_likelihood"), (StopOn::PseudoLikelihood, "pseudo_log_likelihood")]
    {
        let found = fit(&data, &eager(), &stopping(stop_on), 5);
        let values: Vec<f64> = found.history.iter().filter_map(|record| record.figures.get(figure)).collect();
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let epoch = 1 + values.iter().position(|&value| value == best).expect("the best is among them");
        let epochs = values.len() as u64;
        assert_eq!(found.outcome, Outcome::Finished { epochs, stopped_early: true });
        assert!(epoch > 1 && epochs == epoch as u64 + 5 && epochs < 200, "{figure}: {epoch} of {epochs}");
        // At a constant rate a run of that many epochs is the beginning of the longer one.
        let shorter = RbmSettings { epochs: epoch as u64, ..eager() };
        let expected = fit(&data, &shorter, &FitOptions::default(), 5);
        assert_eq!(found.model, expected.model, "{figure}");
        assert_eq!(expected.outcome, Outcome::Finished { epochs: epoch as u64, stopped_early: false });
    }
}

#[test]
fn law_the_gap_stops_after_its_last_good_epoch() {
    let found = fit(&few_digits(), &eager(), &stopping(StopOn::FreeEnergyGap(2.5)), 5);
    let gaps: Vec<f64> = found.history.iter().filter_map(|record| record.figures.get("free_energy_gap")).collect();
    let last_good = gaps.iter().rposition(|&gap| gap <= 2.5).expect("the gap begins near zero");
    assert_eq!(gaps.len(), last_good + 1 + 5);
    assert!(gaps[last_good + 1..].iter().all(|&gap| gap > 2.5));
    let shorter = RbmSettings { epochs: last_good as u64 + 1, ..eager() };
    assert_eq!(found.model, fit(&few_digits(), &shorter, &FitOptions::default(), 5).model);
}

#[test]
fn table_an_interrupted_fit_gives_the_model_so_far() {
    let data = few_digits();
    let mut stop = break_at(|event| matches!(event, Event::Epoch { record } if record.epoch == 3));
    let found = fit_rbm(&data, &eager(), &Streams::new(5), &mut stop).unwrap();
    assert_eq!((found.outcome, found.history.len()), (Outcome::Interrupted { step: 6 }, 3));
    assert_eq!(found.model, fit(&data, &RbmSettings { epochs: 3, ..eager() }, &FitOptions::default(), 5).model);
    let mut never = break_at(|event| matches!(event, Event::Started { .. }));
    let found = fit_rbm(&data, &eager(), &Streams::new(5), &mut never).unwrap();
    assert_eq!((found.outcome, found.history.len()), (Outcome::Interrupted { step: 0 }, 0));
}

// ---- Refusals ----

#[test]
fn rejects_settings_and_first_models_that_do_not_fit() {
    let (bars, options) = (builtin("bars-and-stripes:2"), FitOptions::default());
    let text = |settings: &RbmSettings, options: &FitOptions| refusal(&bars, settings, options).to_string();
    assert_eq!(
        text(&RbmSettings { hidden: 0, ..exact(1, 0.1, 1) }, &options),
        "RbmSettings: `hidden` is 0, allowed: 1 or more"
    );
    let monitor = MonitorSettings { rows: 0, ..Default::default() };
    let unwatched = FitOptions { monitor, ..Default::default() };
    assert_eq!(text(&exact(1, 0.1, 1), &unwatched), "MonitorSettings: `rows` is 0, allowed: 1 or more");
    let started = |visible, hidden| FitOptions {
        start: Some(wave(visible, hidden, 0.1).to_data().unwrap()),
        ..Default::default()
    };
    assert_eq!(
        text(&exact(3, 0.1, 1), &started(5, 3)),
        "RbmLearner::start_from: `visible_means` has length 4, expected 5"
    );
    assert_eq!(text(&exact(3, 0.1, 1), &started(4, 2)), "RbmLearner::start_from: `rbm` has hidden units 2, expected 3");
}

#[test]
fn rejects_a_stop_rule_without_its_figure_before_training() {
    let digits = builtin("digits");
    let settings = RbmSettings { hidden: 21, epochs: 1, ..Default::default() };
    let mut events = 0;
    let mut count = break_at(|_| {
        events += 1;
        false
    });
    let refused =
        fit_rbm_with(&digits, &settings, &stopping(StopOn::LogLikelihood), &Streams::new(0), &mut count).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "MonitorSettings: `stop_on` is log-likelihood, allowed: a figure that this model has; \
         log-likelihood enumerates at most 20 units"
    );
    drop(count);
    assert_eq!(events, 0);
    let settings = RbmSettings { hidden: 20, epochs: 1, ..Default::default() };
    assert!(
        fit_rbm_with(&digits, &settings, &stopping(StopOn::LogLikelihood), &Streams::new(0), &mut Unobserved).is_ok()
    );
}

#[test]
fn rejects_training_that_diverges() {
    let bars = builtin("bars-and-stripes:2");
    // A step against a penalty is multiplied by 1 - rate * l2 = -3.
    let penalty = RbmSettings { regularise: Regularise { l2: 40.0, ..Default::default() }, ..exact(4, 0.1, 200) };
    for settings in [RbmSettings { learning_rate: 1e9, ..penalty.clone() }, penalty] {
        let found = refusal(&bars, &settings, &FitOptions::default());
        assert!(
            matches!(&found, Error::Diverged { tensor, limit, .. } if tensor == "weights.0" && *limit == 1e3),
            "{found}"
        );
    }
}

#[test]
fn rejects_grey_levels_without_binarisation_and_too_large_an_enumeration() {
    let digits = builtin("digits");
    let grey = FitOptions { binarise: Some(gm_data::Binarise::None), ..Default::default() };
    let net = SbnSettings { hidden: vec![3], epochs: 1, ..Default::default() };
    let found = fit_sbn(&digits, &net, &grey, &Streams::new(0), &mut Unobserved).expect_err("it must be refused");
    assert!(matches!(found, Error::Data(gm_data::Error::GreyLevels { .. })), "{found}");
    // An RBM takes them as means of its units, and is judged on zeros and ones.
    let learnt = fit(&digits, &exact(4, 0.1, 1), &grey, 0);
    assert!(path(&learnt)[0] < -20.0 && learnt.model.weights().iter().all(|w| w.is_finite()));
    let found = refusal(&digits, &exact(21, 0.1, 1), &FitOptions::default());
    assert!(matches!(found, Error::Core(CoreError::TooLarge { units: 21, limit: 20, .. })), "{found}");
}

// ---- The same bits ----

#[test]
fn stable_results_do_not_depend_on_threads() {
    for algorithm in [Algorithm::Cd, Algorithm::Pcd, Algorithm::Pt, Algorithm::Exact] {
        let hidden = if algorithm == Algorithm::Exact { 10 } else { 70 };
        let rbm = RbmSettings {
            hidden,
            algorithm,
            temperatures: 3,
            steps: 2,
            epochs: 2,
            chains: 300,
            batch_size: 150,
            ..Default::default()
        };
        let run = |threads| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let config = gm_train::Config { threads, ..config("digits", rbm.clone()) };
            train(folder.path(), &config);
            results(folder.path())
        };
        let one = run(1);
        assert_eq!(one.metrics.len(), 2);
        assert!(one == run(2), "{algorithm}: 2 threads");
        assert!(one == run(3), "{algorithm}: 3 threads");
    }
}

#[test]
fn stable_the_seed_decides() {
    let bars = builtin("bars-and-stripes:3");
    let settings = RbmSettings { hidden: 5, epochs: 3, batch_size: 4, chains: 20, ..Default::default() };
    let model = |seed| fit(&bars, &settings, &FitOptions::default(), seed).model;
    assert_eq!(model(1), model(1));
    assert_ne!(model(1), model(2));
}

#[test]
fn table_recipes_are_sound_configurations() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no {} beside this crate", folder.display());
        return;
    };
    let paths = files.map(|file| file.unwrap().path()).filter(|path| !path.ends_with("reproduce.toml"));
    let mut recipes = 0;
    for path in paths {
        let config = gm_train::Config::read(&path).unwrap();
        assert!(config.check().is_ok(), "{}: {:?}", path.display(), config.check());
        recipes += 1;
    }
    assert!(recipes >= 10, "only {recipes} recipes were found");
}
