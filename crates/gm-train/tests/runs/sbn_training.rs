//! Sigmoid belief nets learn, whatever the rule, and stop when told to.

use gm_core::Streams;
use gm_data::Dataset;
use gm_train::{
    FitOptions, Lateral, MonitorSettings, Outcome, Regularise, SbnRule, SbnSettings, StopOn, Unobserved, fit_sbn,
};

fn settings(rule: SbnRule) -> SbnSettings {
    let samples = if matches!(rule, SbnRule::WakeSleep | SbnRule::GibbsEm) { 1 } else { 5 };
    SbnSettings {
        hidden: vec![6, 3],
        rule,
        samples,
        epochs: 800,
        batch_size: 8,
        learning_rate: 0.02,
        // So small a net has no units to spare that are off at first.
        hidden_bias: 0.0,
        ..SbnSettings::default()
    }
}

fn final_log_p(data: &Dataset, settings: &SbnSettings, seed: u64) -> f64 {
    let fit = fit_sbn(data, settings, &FitOptions::default(), &Streams::new(seed), &mut Unobserved);
    let model = fit.expect("sound settings").model;
    let rows = data.train.to_bits(gm_data::Binarise::None).expect("binary rows");
    let log_p = model.log_prob(&rows).expect("a small model");
    log_p.iter().sum::<f64>() / log_p.len() as f64
}

#[test]
fn law_every_rule_learns_bars_and_stripes() {
    // Independent pixels reach -9 ln 2 = -6.24, the data themselves -2.60.
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    for rule in SbnRule::ALL {
        let reached = final_log_p(&bars, &settings(rule), 1);
        let expected = if rule == SbnRule::WakeSleep { -5.5 } else { -5.0 };
        assert!(reached > expected, "{rule} reached {reached}");
        assert!(reached < -2.59, "{rule} reached the impossible {reached}");
    }
}

#[test]
fn law_hidden_units_begin_with_the_bias_of_the_settings() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    for hidden_bias in [0.0, -3.0] {
        let settings = SbnSettings { hidden_bias, epochs: 1, learning_rate: 1e-12, ..settings(SbnRule::Reweighted) };
        let fit = fit_sbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap();
        let net = fit.model.recognition().unwrap();
        let biases = (1..=2).flat_map(|l| [fit.model.stack().bias(l).as_slice(), net.bias(l).as_slice()]);
        assert!(biases.flatten().all(|bias| (bias - hidden_bias).abs() < 1e-6), "{hidden_bias}");
    }
    let settings = SbnSettings { hidden_bias: f32::NAN, ..settings(SbnRule::Reweighted) };
    let error = fit_sbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap_err();
    assert!(error.to_string().contains("`hidden_bias` is NaN, allowed: finite numbers"), "{error}");
}

#[test]
fn rejects_an_autoregressive_start_where_the_settings_do_not_ask_for_it() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let settings = SbnSettings { epochs: 1, autoregressive: true, ..settings(SbnRule::Reweighted) };
    let fit = |settings: &SbnSettings, start| {
        fit_sbn(&bars, settings, &FitOptions { start, ..FitOptions::default() }, &Streams::new(1), &mut Unobserved)
    };
    let start = fit(&settings, None).unwrap().model;
    assert!(start.recognition().unwrap().is_autoregressive());
    let start = Some(start.to_data().unwrap());
    let plain = SbnSettings { autoregressive: false, ..settings.clone() };
    let error = fit(&plain, start.clone()).unwrap_err().to_string();
    assert!(error.contains("`recognition` is autoregressive, allowed: independent units"), "{error}");
    // A net of independent units gets weights within its layers where the settings ask for them.
    let independent = fit(&plain, None).unwrap().model.to_data().unwrap();
    for start in [start, Some(independent)] {
        assert!(fit(&settings, start).unwrap().model.recognition().unwrap().is_autoregressive());
    }
}

#[test]
fn law_every_rule_learns_weights_within_the_layers_of_the_net() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let fit = |settings: &SbnSettings| {
        fit_sbn(&bars, settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap().model
    };
    let rows = bars.train.to_bits(gm_data::Binarise::None).unwrap();
    let log_p = |model: &gm_sbn::Sbn| gm_core::mean(&model.log_prob(&rows).unwrap());
    for rule in SbnRule::ALL {
        let settings = SbnSettings { hidden: vec![6], lateral: Lateral::Visible, ..settings(rule) };
        let model = fit(&settings);
        let within = model.stack().within(0).unwrap();
        assert!((0..9).all(|j| (j..9).all(|i| within[(i, j)] == 0.0)) && within.amax() > 1.0, "{rule}: {within}");
        let reached = log_p(&model);
        assert!(reached > -4.5 && reached < -2.59, "{rule} reached {reached}");
    }
    // Without hidden layers the rule does not matter, and log p is convex in the weights.
    let visible = |rule| fit(&SbnSettings { hidden: vec![], lateral: Lateral::Visible, ..settings(rule) });
    let model = visible(SbnRule::Reweighted);
    assert_eq!(visible(SbnRule::Nvil), model);
    let reached = log_p(&model);
    assert!(model.depth() == 0 && reached > -5.0 && reached < -2.59, "a fully visible net reached {reached}");
}

#[test]
fn rejects_settings_and_starts_that_do_not_fit_weights_within_layers() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let few = SbnSettings { epochs: 1, ..settings(SbnRule::Reweighted) };
    let fit = |settings: &SbnSettings, start| {
        fit_sbn(&bars, settings, &FitOptions { start, ..FitOptions::default() }, &Streams::new(1), &mut Unobserved)
    };
    let error = |settings: &SbnSettings| settings.check().unwrap_err().to_string();
    let none = SbnSettings { hidden: vec![], ..few.clone() };
    assert!(
        error(&none).starts_with("SbnSettings: `hidden` is empty, allowed: one layer or more, or none"),
        "{none:?}"
    );
    let alone = SbnSettings { lateral: Lateral::Visible, ..none };
    assert!(alone.check().is_ok());
    let said = error(&SbnSettings { autoregressive: true, ..alone.clone() });
    assert_eq!(said, "SbnSettings: `autoregressive` is true, allowed: hidden layers beside it");
    let regularise = Regularise { max_norm: Some(1.0), ..Regularise::default() };
    assert!(error(&SbnSettings { regularise, ..alone }).contains("`max_norm` is given, allowed: hidden layers"));
    let all = SbnSettings { lateral: Lateral::All, ..few.clone() };
    let start = Some(fit(&all, None).unwrap().model.to_data().unwrap());
    let refused =
        fit(&SbnSettings { lateral: Lateral::Visible, ..few.clone() }, start.clone()).unwrap_err().to_string();
    assert!(
        refused.contains("`stack` is with weights within layer 1, allowed: weights within the layers"),
        "{refused}"
    );
    // A net without such weights gets them where the settings ask for them.
    let plain = fit(&few, None).unwrap().model.to_data().unwrap();
    for start in [start, Some(plain)] {
        assert_eq!(fit(&all, start).unwrap().model.stack().layers_within(), [0, 1, 2]);
    }
    assert!("visibel".parse::<Lateral>().unwrap_err().to_string().contains("did you mean `visible`?"));
}

#[test]
fn law_an_autoregressive_net_learns_weights_within_its_layers() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let settings = SbnSettings { autoregressive: true, ..settings(SbnRule::Reweighted) };
    let fit = fit_sbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap();
    let within = fit.model.recognition().unwrap().within(1).unwrap();
    assert!((0..6).all(|j| (j..6).all(|i| within[(i, j)] == 0.0)) && within.amax() > 1.0, "{within}");
    // The evidence lower bound is closer to ln p than that of a net of independent units.
    let rows = bars.train.to_bits(gm_data::Binarise::None).unwrap();
    let gap = |model: &gm_sbn::Sbn| {
        let (log_p, bound) = (model.log_prob(&rows).unwrap(), model.exact_bound(&rows, 1).unwrap());
        log_p.iter().zip(&bound).map(|(p, bound)| p - bound).sum::<f64>() / log_p.len() as f64
    };
    let independent = SbnSettings { autoregressive: false, ..settings };
    let other = fit_sbn(&bars, &independent, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap();
    assert!(gap(&fit.model) < gap(&other.model), "{} and {}", gap(&fit.model), gap(&other.model));
}

#[test]
fn law_a_later_number_of_draws_holds_from_its_epoch_on() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let bounds = |samples, later_samples| -> Vec<f64> {
        let settings =
            SbnSettings { epochs: 3, samples, later_samples, learning_rate: 1e-9, ..settings(SbnRule::Reweighted) };
        let fit = fit_sbn(&bars, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap();
        fit.history.iter().filter_map(|record| record.figures.get("batch_bound")).collect()
    };
    let (few, many, both) = (bounds(2, vec![]), bounds(50, vec![]), bounds(2, vec![(1, 50), (2, 2)]));
    // The parameters hardly move, so that the bounds of the batches tell K.
    for (epoch, expected) in [few[0], many[1], few[2]].into_iter().enumerate() {
        assert!((both[epoch] - expected).abs() < 1e-5, "{both:?}, {few:?}, {many:?}");
    }
    assert!((few[1] - many[1]).abs() > 0.01);
    let error = |settings: SbnSettings| settings.check().unwrap_err().to_string();
    let vimco = SbnSettings { later_samples: vec![(4, 1)], ..settings(SbnRule::Vimco) };
    assert!(error(vimco).ends_with("`samples` is 1, allowed: 2 or more for the rule vimco"));
    let fallen = SbnSettings { later_samples: vec![(4, 9), (2, 9)], ..settings(SbnRule::Reweighted) };
    assert!(error(fallen).ends_with("`later_samples` is from epochs [4, 2], allowed: epochs that rise from 1"));
    let none = SbnSettings { later_samples: vec![(4, 0)], ..settings(SbnRule::Reweighted) };
    assert!(error(none).contains("`samples` is 0"), "K of 0");
}

#[test]
fn table_early_stopping_judges_by_the_bound_and_gives_the_best_model_back() {
    let digits = Dataset::builtin("digits").unwrap();
    let settings = SbnSettings { hidden: vec![40], learning_rate: 0.03, epochs: 60, ..settings(SbnRule::Reweighted) };
    let monitor = MonitorSettings { stop_on: StopOn::ImportanceWeighted, patience: 2, rows: 200, ..Default::default() };
    let options = FitOptions { monitor, ..Default::default() };
    let fit = fit_sbn(&digits, &settings, &options, &Streams::new(1), &mut Unobserved).unwrap();
    assert!(matches!(fit.outcome, Outcome::Finished { stopped_early: true, .. }), "{:?}", fit.outcome);
    let watched: Vec<f64> = fit.history.iter().filter_map(|record| record.figures.get("importance_weighted")).collect();
    let best = watched.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(watched.len() >= 3 && *watched.last().unwrap() < best);
    assert!(fit.model.recognition().is_some());
}

#[test]
fn rejects_figures_that_the_model_does_not_have() {
    let digits = Dataset::builtin("digits").unwrap();
    for stop_on in [StopOn::PseudoLikelihood, StopOn::FreeEnergyGap(1.0), StopOn::LogLikelihood] {
        let monitor = MonitorSettings { stop_on, ..Default::default() };
        let options = FitOptions { monitor, ..Default::default() };
        let settings = SbnSettings { hidden: vec![40], ..settings(SbnRule::Reweighted) };
        let error = fit_sbn(&digits, &settings, &options, &Streams::new(1), &mut Unobserved).unwrap_err().to_string();
        assert!(error.starts_with(&format!("MonitorSettings: `stop_on` is {stop_on}, allowed:")), "{error}");
    }
}

#[test]
fn stable_training_does_not_depend_on_threads() {
    let digits = Dataset::builtin("digits").unwrap();
    for rule in [SbnRule::Reweighted, SbnRule::Nvil, SbnRule::GibbsEm] {
        let settings = SbnSettings { hidden: vec![70, 20], epochs: 1, batch_size: 300, samples: 2, ..settings(rule) };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                fit_sbn(&digits, &settings, &FitOptions::default(), &Streams::new(1), &mut Unobserved).unwrap().model
            })
        };
        assert_eq!(run(1), run(2), "{rule}");
    }
}
