//! Settings of an ascent: what they say as text, and which numbers they refuse.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use gm_ascent::{Clock, OptimiserSettings, Ranges, Rate, Regularise, in_force, warm_up};

fn optimiser(text: &str) -> OptimiserSettings {
    text.parse().unwrap()
}

#[test]
fn table_optimisers_go_both_ways_as_text() {
    let cases = [
        ("sgd", OptimiserSettings::default()),
        ("momentum:0.5", OptimiserSettings::Sgd { momentum: 0.5, nesterov: false }),
        ("nesterov:0.9", OptimiserSettings::Sgd { momentum: 0.9, nesterov: true }),
        ("nesterov:0", OptimiserSettings::Sgd { momentum: 0.0, nesterov: true }),
        ("adam:0.9,0.999", OptimiserSettings::adam()),
        ("adam:0,0.5", OptimiserSettings::Adam { beta1: 0.0, beta2: 0.5, epsilon: 1e-8 }),
        ("adam:0.8,0.5,0.001", OptimiserSettings::Adam { beta1: 0.8, beta2: 0.5, epsilon: 0.001 }),
    ];
    for (text, settings) in cases {
        assert_eq!((optimiser(text), settings.to_string().as_str()), (settings, text));
        assert!(settings.check().is_ok(), "{text}");
    }
    assert_eq!(optimiser("momentum:0"), OptimiserSettings::default());
    assert_eq!(optimiser("adam"), OptimiserSettings::adam());
}

#[test]
fn rejects_optimisers_with_wrong_arguments() {
    let error = |text: &str| text.parse::<OptimiserSettings>().unwrap_err().to_string();
    for text in ["momentum", "momentum:1", "nesterov:-0.1", "nesterov:x"] {
        let expected = format!("Optimiser: `optimiser` is {text}, allowed: momentum:M and nesterov:M with 0 <= M < 1");
        assert_eq!(error(text), expected);
    }
    for text in ["adam:", "adam:0.9", "adam:1,0.9", "adam:0.9,1", "adam:0.9,0.9,0", "adam:0.9,0.9,1e-8,1"] {
        assert!(error(text).ends_with("allowed: adam:B1,B2 or adam:B1,B2,EPSILON with 0 <= B < 1 and EPSILON > 0"));
    }
    assert!(error("sgd:0.1").ends_with("allowed: sgd without an argument"));
    assert!(error("adm").contains("did you mean `adam`?"));
    let refused = |settings: OptimiserSettings| settings.check().unwrap_err().to_string();
    let sgd = OptimiserSettings::Sgd { momentum: 1.0, nesterov: false };
    assert_eq!(refused(sgd), "Optimiser: `momentum` is 1, allowed: 0 or more and below 1");
    let adam = |beta1, beta2, epsilon| refused(OptimiserSettings::Adam { beta1, beta2, epsilon });
    assert!(adam(1.0, 0.5, 0.1).starts_with("Optimiser: `beta1` is 1"));
    assert!(adam(0.5, -0.5, 0.1).starts_with("Optimiser: `beta2` is -0.5"));
    assert!(adam(0.5, 0.5, 0.0).starts_with("Optimiser: `epsilon` is 0"));
}

#[test]
fn table_momentum_changes_where_there_is_one() {
    let (plain, nesterov) = (optimiser("momentum:0.5"), optimiser("nesterov:0.5"));
    assert_eq!(nesterov.with_momentum(0.7), optimiser("nesterov:0.7"));
    assert_eq!(optimiser("adam").with_momentum(0.7), optimiser("adam"));
    let at_least = |momentum| plain.with_momentum_of_at_least(momentum);
    assert_eq!([at_least(0.4), at_least(0.5), at_least(0.6)], [plain, plain, optimiser("momentum:0.6")]);
    assert_eq!(optimiser("adam").with_momentum_of_at_least(0.9), optimiser("adam"));
}

#[test]
fn table_rates_fall_over_a_run() {
    let at = |text: &str, step| {
        let clock = Clock { step, total: 40, per_epoch: 10 };
        text.parse::<Rate>().unwrap().factor(&clock)
    };
    assert_eq!([0, 10, 30].map(|step| at("linear", step)), [1.0, 0.75, 0.25]);
    assert_eq!([0, 5, 20].map(|step| at("exponential:0.25", step)), [1.0, 0.5, 0.0625]);
    assert_eq!([0, 19, 20, 39].map(|step| at("steps:2,0.1", step)), [1.0, 1.0, 0.1, 0.1]);
    assert_eq!([0, 10, 30].map(|step| at("inverse:2", step)), [1.0, 1.0 / 1.5, 1.0 / 2.5]);
    assert_eq!(at("constant", 17), 1.0);
    let clock = |step| Clock { step, total: 40, per_epoch: 10 };
    assert_eq!((clock(25).epoch(), clock(25).epochs(), clock(25).within_epoch()), (2, 2.5, 5));
    let none = Clock { step: 3, total: 0, per_epoch: 0 };
    assert_eq!((none.epoch(), none.epochs(), none.within_epoch()), (3, 3.0, 0));
    assert_eq!([0, 4, 19, 20, 30].map(|step| warm_up(2.0, &clock(step))), [0.05, 0.25, 1.0, 1.0, 1.0]);
    assert_eq!((warm_up(0.0, &clock(0)), warm_up(-1.0, &clock(0))), (1.0, 1.0));
    assert_eq!(in_force(7, &[], &clock(5)), 7);
}

#[test]
fn table_rates_go_both_ways_as_text() {
    for text in ["constant", "linear", "exponential:0.5", "exponential:1", "steps:3,0.5", "steps:1,1", "inverse:0.5"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}

#[test]
fn rejects_rates_with_wrong_arguments() {
    let allowed = |text: &str, allowed: &str| {
        let error = text.parse::<Rate>().unwrap_err().to_string();
        assert_eq!(error, format!("Rate: `schedule` is {text}, allowed: {allowed}"));
    };
    for text in ["constant:1", "linear:2"] {
        allowed(text, "constant and linear without an argument");
    }
    for text in ["exponential", "exponential:0", "exponential:1.1", "exponential:inf"] {
        allowed(text, "exponential:F with a factor an epoch in (0, 1]");
    }
    for text in ["inverse", "inverse:0", "inverse:-1"] {
        allowed(text, "inverse:E with a positive number of epochs");
    }
    for text in ["steps", "steps:2", "steps:0,0.5", "steps:2,0", "steps:2,1.5", "steps:2,-1"] {
        allowed(text, "steps:E,F with epochs E of 1 or more and a factor F in (0, 1]");
    }
    assert!("step:2,0.5".parse::<Rate>().unwrap_err().to_string().contains("did you mean `steps`?"));
}

#[test]
fn table_ranges_hold_at_their_ends() {
    let of = || Ranges::of("S");
    for (ranges, holds) in [
        (of().positive("a", f64::MIN_POSITIVE), true),
        (of().positive("a", 0.0), false),
        (of().positive("a", f64::INFINITY), false),
        (of().not_negative("a", 0.0), true),
        (of().not_negative("a", f64::INFINITY), false),
        (of().not_negative("a", f64::NAN), false),
        (of().share("a", 0.0), true),
        (of().share("a", 1.0), true),
        (of().share("a", 1.001), false),
        (of().decay("a", 0.0), true),
        (of().decay("a", 0.999), true),
        (of().decay("a", -0.001), false),
        (of().least_variance(1.0), true),
        (of().least_variance(1.001), false),
        (of().classes(0), true),
        (of().classes(2), true),
        (of().counts([("a", 1)]), true),
        (of().in_toml([("a", (1 << 63) - 1)]), true),
        (of().filled("a", &[0], "one or more"), true),
    ] {
        assert_eq!(ranges.check().is_ok(), holds);
    }
}

#[test]
fn rejects_penalties_below_zero() {
    let error = |regularise: Regularise| regularise.check().unwrap_err().to_string();
    let none = Regularise::default();
    assert!(none.check().is_ok() && Regularise { l1: 0.1, l2: 0.2, max_norm: Some(0.5) }.check().is_ok());
    assert!(error(Regularise { l1: -0.1, ..none }).starts_with("Regularise: `l1` is -0.1"));
    assert!(error(Regularise { l2: f32::NAN, ..none }).starts_with("Regularise: `l2` is NaN"));
    assert!(error(Regularise { max_norm: Some(0.0), ..none }).starts_with("Regularise: `max_norm` is 0"));
}
