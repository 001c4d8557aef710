//! Configurations of runs: what `config.toml` may hold, and what it is refused for.

use gm_data::{Dataset, RowWeights};
use gm_train::{Config, DbnSettings, ModelConfig, MonitorSettings, RbmSettings, Regularise, StopOn};

#[test]
fn table_validation_rows_are_learnt_from_when_asked_for() {
    let text = "[data]\nspec = 'digits'\nlearn_validation = true\n[model]\nkind = 'rbm'\n";
    let config = Config::parse(text).unwrap();
    let (all, usual) = (config.load_data().unwrap(), Dataset::builtin("digits").unwrap());
    assert_eq!(all.train.len(), usual.train.len() + usual.valid.len());
    assert_eq!((&all.valid, &all.test), (&usual.valid, &usual.test));
    assert_eq!(all.train.labels().unwrap()[usual.train.len()..], *usual.valid.labels().unwrap());
    assert!(config.to_toml().contains("learn_validation = true"));
}

#[test]
fn rejects_values_and_fields_out_of_range() {
    let error = |text: &str| Config::parse(text).unwrap_err().to_string();
    let model = "[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\n";
    assert!(error("[data]\nspec = 'digits'\n[model]\nkind = 'dbz'\n").contains("unknown variant `dbz`"));
    assert!(error(&format!("{model}schedule = 'linaer'\n")).contains("did you mean `linear`?"));
    assert!(error(&format!("sed = 3\n{model}")).contains("unknown field `sed`"));
    assert!(error(&format!("{model}[model.regularise]\nl3 = 1\n")).contains("unknown field `l3`"));
    let mut config = Config::parse(model).unwrap();
    config.seed = u64::MAX;
    assert!(config.check().unwrap_err().to_string().starts_with("Config: `seed` is 18446744073709551615, allowed:"));
    config.seed = 0;
    config.data.learn_validation = true;
    config.monitor.stop_on = StopOn::LogLikelihood;
    let error = config.check().unwrap_err().to_string();
    assert!(error.contains("`learn_validation` is true, allowed: false with early stopping"), "{error}");
    config.data.learn_validation = false;
    config.data.weights = Some(RowWeights::File("weights.csv".into()));
    config.model = ModelConfig::Rbm(RbmSettings { labels: true, class_weight: 1.0, ..Default::default() });
    let error = config.check().unwrap_err().to_string();
    assert!(error.contains("`weights` is weights.csv, allowed: none with a class weight"), "{error}");
    config.data.weights = None;
    config.model = ModelConfig::Rbm(RbmSettings { batch_size: usize::MAX, ..Default::default() });
    assert!(config.check().unwrap_err().to_string().starts_with("Config: `batch_size` is 18446744073709551615"));
}

#[test]
fn table_weights_of_rows_are_a_path_or_an_identity() {
    let with = |weights: &str| {
        Config::parse(&format!("[data]\nspec = 'digits'\nweights = '{weights}'\n[model]\nkind = 'rbm'\n"))
    };
    let weights = |text: &str| with(text).unwrap().data.weights;
    assert_eq!(weights("w.csv"), Some(RowWeights::File("w.csv".into())));
    assert_eq!(weights("identity"), Some(RowWeights::Identity(0.8)));
    let config = with("identity:0.7").unwrap();
    assert!(config.to_toml().contains("weights = \"identity:0.7\""));
    assert_eq!(Config::parse(&config.to_toml()).unwrap(), config);
    let error = with("identity:2").unwrap_err().to_string();
    assert!(error.contains("a share above 0 and at most 1"), "{error}");
}

#[test]
fn table_layers_of_a_network_have_the_keys_of_an_rbm() {
    let text = "[data]\nspec = 'digits'\n[model]\nkind = 'dbn'\nhidden = [9, 5]\nepochs = 3\nsparsity = 0.1\n\
                later_steps = [[2, 5]]\nlater_momentum = [[1, 0.5]]\nlearning_rate = [0.1, 0.05]\n[model.regularise]\nl2 = 0.5\n";
    let config = Config::parse(text).unwrap();
    let ModelConfig::Dbn(settings) = &config.model else { panic!("a network") };
    let layer = RbmSettings {
        sparsity: Some(0.1),
        later_steps: vec![(2, 5)],
        later_momentum: vec![(1, 0.5)],
        regularise: Regularise { l2: 0.5, ..Default::default() },
        ..Default::default()
    };
    let (epochs, learning_rate) = (vec![3], vec![0.1, 0.05]);
    let expected = DbnSettings { hidden: vec![9, 5], epochs, learning_rate, layer, ..Default::default() };
    assert_eq!(*settings, expected);
    assert_eq!(Config::parse(&config.to_toml()).unwrap(), config);
    for key in ["hidden = [9, 5]", "epochs = [3]", "learning_rate = [0.1, 0.05]", "chains = 500"] {
        assert!(config.to_toml().contains(key), "{key} is not in\n{}", config.to_toml());
    }
    assert!(!config.to_toml().contains("log_z_chains"));
    let wrong = text.replace("sparsity", "sparsety");
    assert!(Config::parse(&wrong).unwrap_err().to_string().contains("unknown field `sparsety`"));
    let network = |layer| DbnSettings { hidden: vec![3, 2], layer, ..Default::default() }.check().unwrap_err();
    assert_eq!(
        network(RbmSettings { log_z_chains: 5, ..Default::default() }).to_string(),
        "DbnSettings: `log_z_chains` is 5, allowed: nothing in a network, whose bound anneals log Z"
    );
    let hidden = network(RbmSettings { hidden: 5, ..Default::default() }).to_string();
    assert_eq!(hidden, "DbnSettings: `layer.hidden` is 5, allowed: units in the list `hidden` alone");
}

#[test]
fn table_rules_of_early_stopping_survive_a_round_trip() {
    for text in [
        "never",
        "log-likelihood",
        "estimated-log-likelihood",
        "pseudo-likelihood",
        "importance-weighted",
        "error-rate",
        "cross-entropy",
        "free-energy-gap:2.5",
    ] {
        assert_eq!(text.parse::<StopOn>().unwrap().to_string(), text);
    }
}

#[test]
fn rejects_text_that_is_no_rule_of_early_stopping() {
    let error = |text: &str| text.parse::<StopOn>().unwrap_err().to_string();
    assert!(error("log-likelyhood").contains("did you mean `log-likelihood`?"));
    assert_eq!(
        error("free-energy-gap:-1"),
        "MonitorSettings: `stop_on` is free-energy-gap:-1, allowed: free-energy-gap:LIMIT with a limit above 0 nats"
    );
    assert!(error("free-energy-gap").starts_with("unknown rule of early stopping `free-energy-gap`"));
    assert!(error("never:1").starts_with("unknown rule of early stopping `never:1`"));
    let refused = MonitorSettings { rows: 0, ..Default::default() }.check().unwrap_err().to_string();
    assert_eq!(refused, "MonitorSettings: `rows` is 0, allowed: 1 or more");
}
