//! Settings: the texts that they are written as, and the ranges outside of which they are refused.

use gm_net::Dropout;
use gm_train::{Algorithm, ClassifierSettings, Clock, OptimiserSettings, Rate, RbmSettings, Regularise, SbnRule};

#[test]
fn table_schedules_survive_a_round_trip() {
    for text in ["constant", "linear", "exponential:0.999", "steps:10,0.5", "inverse:2.5"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}

#[test]
fn rejects_text_that_is_not_a_schedule() {
    let error = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
    assert_eq!(
        error("linaer"),
        "unknown rate schedule `linaer`, did you mean `linear`?; known: constant, linear, exponential, steps, inverse"
    );
    assert_eq!(
        error("exponential:1.5"),
        "Rate: `schedule` is exponential:1.5, allowed: exponential:F with a factor an epoch in (0, 1]"
    );
    for text in ["linear:3", "inverse:0", "inverse:NaN", "steps:0,0.5", "steps:3", "exponential"] {
        assert!(error(text).starts_with(&format!("Rate: `schedule` is {text}, allowed: ")), "{text}");
    }
}

#[test]
fn table_linear_ends_one_part_above_zero() {
    let at = |step| Rate::Linear.factor(&Clock { step, total: 4, per_epoch: 2 });
    assert_eq!([at(0), at(1), at(2), at(3)], [1.0, 0.75, 0.5, 0.25]);
}

#[test]
fn table_optimisers_survive_a_round_trip() {
    for text in ["sgd", "momentum:0.9", "nesterov:0.5", "adam:0.9,0.999", "adam:0.9,0.99,0.001"] {
        assert_eq!(text.parse::<OptimiserSettings>().unwrap().to_string(), text);
    }
}

#[test]
fn rejects_optimisers_out_of_range() {
    let error = |text: &str| text.parse::<OptimiserSettings>().unwrap_err().to_string();
    assert_eq!(error("adm"), "unknown optimiser `adm`, did you mean `adam`?; known: sgd, momentum, nesterov, adam");
    assert_eq!(
        error("momentum:1"),
        "Optimiser: `optimiser` is momentum:1, allowed: momentum:M and nesterov:M with 0 <= M < 1"
    );
    for text in ["sgd:1", "momentum", "adam:0.9", "adam:0.9,1.0", "adam:0.9,0.9,0"] {
        assert!(error(text).starts_with(&format!("Optimiser: `optimiser` is {text}, allowed: ")));
    }
    let wrong = OptimiserSettings::Adam { beta1: 0.9, beta2: 1.0, epsilon: 1e-8 };
    assert_eq!(wrong.check().unwrap_err().to_string(), "Optimiser: `beta2` is 1, allowed: 0 or more and below 1");
}

#[test]
fn rejects_penalties_of_negative_strength() {
    let error = |penalty: Regularise| penalty.check().unwrap_err().to_string();
    assert_eq!(
        error(Regularise { l2: -0.1, ..Default::default() }),
        "Regularise: `l2` is -0.1, allowed: finite numbers of 0 or more"
    );
    assert_eq!(
        error(Regularise { l1: f32::NAN, ..Default::default() }),
        "Regularise: `l1` is NaN, allowed: finite numbers of 0 or more"
    );
    assert_eq!(
        error(Regularise { max_norm: Some(0.0), ..Default::default() }),
        "Regularise: `max_norm` is 0, allowed: finite numbers above 0"
    );
}

#[test]
fn table_names_of_rules_go_both_ways_and_wrong_ones_are_refused() {
    for rule in SbnRule::ALL {
        assert_eq!(rule.to_string().parse::<SbnRule>().unwrap(), rule);
    }
    let error = "vimko".parse::<SbnRule>().unwrap_err().to_string();
    assert!(error.starts_with("unknown rule `vimko`, did you mean `vimco`?"), "{error}");
}

#[test]
fn law_rules_have_even_coefficients_for_equal_weights() {
    // Equal weights say nothing about q, apart from the push of the bound itself.
    let logs = [-3.0; 4];
    for rule in SbnRule::ALL {
        let (a, c) = rule.coefficients(&logs, -3.0);
        assert!(a.iter().all(|a| (a - 0.25).abs() < 1e-12), "{rule}");
        let expected = match rule {
            SbnRule::WakeSleep | SbnRule::Nvil | SbnRule::VarGrad => 0.0,
            SbnRule::Vimco => -0.25,
            _ => 0.25,
        };
        assert!(c.iter().all(|c| (c - expected).abs() < 1e-12), "{rule}: {c:?}");
    }
}

#[test]
fn table_vimco_by_hand() {
    // w = 1 and e^2: without the second the bound is log of the mean of 1 and 1.
    let (a, c) = SbnRule::Vimco.coefficients(&[0.0, 2.0], 0.0);
    let bound = ((1.0 + 2.0_f64.exp()) / 2.0).ln();
    assert!((a[1] - 2.0_f64.exp() / (1.0 + 2.0_f64.exp())).abs() < 1e-12);
    assert!((c[1] - (bound - a[1])).abs() < 1e-12);
    assert!((c[0] - (bound - 2.0 - a[0])).abs() < 1e-12);
}

#[test]
fn rejects_each_setting_of_an_rbm_out_of_range() {
    let base = RbmSettings::default();
    let cases: Vec<(RbmSettings, &str)> = vec![
        (RbmSettings { hidden: 0, ..base.clone() }, "`hidden` is 0, allowed: 1 or more"),
        (RbmSettings { steps: 0, ..base.clone() }, "`steps` is 0, allowed: 1 or more"),
        (RbmSettings { chains: 0, ..base.clone() }, "`chains` is 0, allowed: 1 or more"),
        (RbmSettings { epochs: 0, ..base.clone() }, "`epochs` is 0, allowed: 1 or more"),
        (RbmSettings { batch_size: 0, ..base.clone() }, "`batch_size` is 0, allowed: 1 or more"),
        (RbmSettings { learning_rate: -1.0, ..base.clone() }, "`learning_rate` is -1, allowed: finite numbers above 0"),
        (RbmSettings { warm_up: f64::NAN, ..base.clone() }, "`warm_up` is NaN, allowed: finite numbers of 0 or more"),
        (
            RbmSettings { init_scale: -0.5, ..base.clone() },
            "`init_scale` is -0.5, allowed: finite numbers of 0 or more",
        ),
        (RbmSettings { visible_offset_rate: 2.0, ..base.clone() }, "`visible_offset_rate` is 2, allowed: 0 to 1"),
        (RbmSettings { hidden_offset_rate: -0.5, ..base.clone() }, "`hidden_offset_rate` is -0.5, allowed: 0 to 1"),
        (
            RbmSettings { labels: true, classes: 1, ..base.clone() },
            "`classes` is 1, allowed: 0 for those of the data, or 2 or more",
        ),
        (RbmSettings { class_weight: 0.5, ..base }, "`class_weight` is 0.5, allowed: 0 without label units"),
    ];
    for (settings, text) in cases {
        assert_eq!(settings.check().unwrap_err().to_string(), format!("RbmSettings: {text}"));
    }
    assert_eq!(
        "pdc".parse::<Algorithm>().unwrap_err().to_string(),
        "unknown algorithm `pdc`, did you mean `pcd`?; known: cd, pcd, pt, exact"
    );
}

#[test]
fn rejects_each_setting_of_a_classifier_out_of_range() {
    let base = ClassifierSettings { hidden: vec![3], ..Default::default() };
    let cases: Vec<(ClassifierSettings, &str)> = vec![
        (ClassifierSettings { hidden: vec![3, 0], ..base.clone() }, "`hidden` is 0, allowed: 1 or more"),
        (ClassifierSettings { epochs: 0, ..base.clone() }, "`epochs` is 0, allowed: 1 or more"),
        (ClassifierSettings { batch_size: 0, ..base.clone() }, "`batch_size` is 0, allowed: 1 or more"),
        (ClassifierSettings { learning_rate: 0.0, ..base.clone() }, "`learning_rate` is 0, allowed: finite"),
        (ClassifierSettings { warm_up: -1.0, ..base.clone() }, "`warm_up` is -1, allowed: finite numbers of 0 or more"),
        (ClassifierSettings { init_scale: Some(-1.0), ..base.clone() }, "`init_scale` is -1, allowed: finite"),
        (ClassifierSettings { classes: Some(1), ..base.clone() }, "`classes` is 1, allowed: 2 or more"),
    ];
    for (settings, says) in cases {
        let error = settings.check().unwrap_err().to_string();
        assert!(error.starts_with("ClassifierSettings: ") && error.contains(says), "{error}");
    }
    let wide = ClassifierSettings { dropout: Dropout { input: 1.0, hidden: 0.0 }, ..base };
    assert!(wide.check().unwrap_err().to_string().starts_with("Dropout: `dropout` is 1,0"));
}
