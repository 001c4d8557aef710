//! The figures of a finished run: those of the model that was kept, and those that say that it has not learnt.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use gm_core::{Matrix, ModelData, Streams, VisibleKind, rms};
use gm_eval::unit_statistics;
use gm_sbn::Sbn;
use gm_train::{Config, LayerStart, ModelConfig, StopOn};
use serde_json::Value;

/// The line of `metrics.jsonl` of the epoch whose parameters the model has: the best one with early stopping, else the
/// last. Models that grow are judged once they have all layers.
pub(crate) fn kept(rule: StopOn, history: &[Value]) -> Option<&Value> {
    let layers = |line: &Value| figure(line, "layers");
    let whole = history.last().and_then(layers);
    let judged = rule.figure().into_iter().flat_map(|name| {
        let judged = history.iter().filter(|line| layers(line) == whole);
        judged.filter_map(move |line| Some((figure(line, name)?, line)))
    });
    let best = judged.fold(
        None,
        |best: Option<(f64, &Value)>, (value, line)| {
            if rule.keeps(value, best.map(|best| best.0)) { Some((value, line)) } else { best }
        },
    );
    best.map_or(history.last(), |(_, line)| Some(line))
}

fn figure(line: &Value, name: &str) -> Option<f64> {
    line.get(name)?.as_f64()
}

/// Reasons to doubt that a model has learnt from its training.
pub(crate) fn doubts(config: &Config, model: &ModelData, history: &[Value]) -> Vec<String> {
    let kept = kept(config.monitor.stop_on, history);
    let below = kept.and_then(|line| below_uniform(model, line));
    below.into_iter().chain(idle_layers(config, model, kept)).chain(worse_layers(history)).collect()
}

/// log p of a row under the distribution that gives every row the same probability; `None` for real numbers.
fn uniform(model: &ModelData) -> Option<f64> {
    let units = model.stack.bias(0).len();
    match model.visible {
        VisibleKind::Bernoulli => Some(-(units as f64) * LN_2),
        VisibleKind::Softmax { categories } => Some(-((units / categories) as f64) * (categories as f64).ln()),
        VisibleKind::Labelled { classes } => Some(-((units - classes) as f64) * LN_2 - (classes as f64).ln()),
        _ => None,
    }
}

/// The likelihood of the model if it is lower than that of the uniform distribution.
fn below_uniform(model: &ModelData, line: &Value) -> Option<String> {
    const FIGURES: [(&str, &str); 4] = [
        ("log_likelihood", "validation log p"),
        ("estimated_log_likelihood", "validation log p (estimated)"),
        ("importance_weighted", "the bound on validation log p"),
        ("elbo", "the bound on validation log p"),
    ];
    let (name, value) = FIGURES.iter().find_map(|(field, name)| Some((name, figure(line, field)?)))?;
    let uniform = uniform(model)?;
    (value < uniform - SLACK).then(|| {
        format!(
            "{name} is {value:.3} nats, below the {uniform:.3} nats of the uniform distribution, so the model is worse \
             than none; train it longer, or with a lower --learning-rate"
        )
    })
}

/// The difference in nats below which two figures count as equal.
const SLACK: f64 = 0.01;
/// Random weights that have grown by less than this share, or less than few random numbers vary, have learnt nothing.
const GROWTH: f64 = 0.05;
/// Random weights that have moved by less than this share of their size have learnt nothing.
const MOVEMENT: f64 = 0.05;

/// A layer is idle when fewer than this share of its units are active.
const IDLE: f64 = 0.1;

/// The layers whose weights are as they were at the start, whose units do not react, or of whose units only few tell
/// the validation rows of a line of `metrics.jsonl` apart.
fn idle_layers(config: &Config, model: &ModelData, line: Option<&Value>) -> Vec<String> {
    let stack = &model.stack;
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    // Classifiers have no statistics of units.
    for layer in unit_statistics(model).into_iter().filter(|layer| layer.layer > 0 && layer.dead == layer.units) {
        let text = format!("none of its {} units reacts to other units", layer.units);
        found.insert(layer.layer, text);
    }
    if config.model.settings().start().0.is_none() {
        for l in 0..stack.depth() {
            let text = match first_weights(config, model, l) {
                Some(First::Scale(scale))
                    if rms(stack.weights(l).as_slice()) <= largest(scale, stack.weights(l).len()) =>
                {
                    format!(
                        "its weights are no larger than at the start (root mean square {:.4}, at the start {scale})",
                        rms(stack.weights(l).as_slice())
                    )
                }
                Some(First::Weights(first))
                    if rms((stack.weights(l) - &first).as_slice()) <= MOVEMENT * rms(first.as_slice()) =>
                {
                    "its weights are where they were at the start".into()
                }
                _ => continue,
            };
            found.insert(l + 1, text);
        }
    }
    let said = |(layer, text): (usize, String)| {
        format!("hidden layer {layer} has learnt nothing: {text}; train it longer, or with a higher --learning-rate")
    };
    let inactive =
        inactive_layers(config, model, line).filter(|(layer, _)| !found.contains_key(layer)).map(|(_, text)| text);
    let inactive: Vec<String> = inactive.collect();
    found.into_iter().map(said).chain(inactive).collect()
}

/// The layers of whose units only few vary between validation rows, with a sentence for each.
fn inactive_layers(config: &Config, model: &ModelData, line: Option<&Value>) -> impl Iterator<Item = (usize, String)> {
    let advice = match &config.model {
        ModelConfig::Sbn(settings) if settings.hidden_bias > -3.0 => {
            "start the hidden units mostly off with --hidden-bias -3, or leave the layer out"
        }
        _ => "train it longer, or leave it out",
    };
    let text = move |(layer, units): (usize, usize)| {
        let active = figure(line?, &format!("active_units_{layer}"))? as usize;
        let few = match active {
            0 => format!("none of its {units} units tells"),
            1 => format!("only 1 of its {units} units tells"),
            _ => format!("only {active} of its {units} units tell"),
        };
        let idle = (active as f64) < IDLE * units as f64;
        idle.then(|| (layer, format!("hidden layer {layer} is idle: {few} rows apart; {advice}")))
    };
    model.stack.layers().into_iter().enumerate().skip(1).filter_map(text)
}

/// The weights with which a layer began.
enum First {
    /// Random weights of this standard deviation.
    Scale(f32),
    /// These weights.
    Weights(Matrix),
}

/// The start of the weights above layer `l`, if it is known and was random.
fn first_weights(config: &Config, model: &ModelData, l: usize) -> Option<First> {
    let scale = match &config.model {
        ModelConfig::Rbm(settings) => settings.init_scale,
        ModelConfig::Dbm(settings) => settings.init_scale,
        // A layer that starts as the transposed layer below starts with large weights.
        ModelConfig::Dbn(settings) if l == 0 || settings.layer_start == LayerStart::Random => settings.layer.init_scale,
        ModelConfig::Sbn(settings) => {
            let (means, streams) = (vec![0.5; model.stack.bias(0).len()], Streams::new(config.seed));
            let first = Sbn::initial(&means, &settings.hidden, settings.init_scale, &streams).ok()?;
            return (settings.init_scale > 0.0).then(|| First::Weights(first.stack().weights(l).clone()));
        }
        _ => return None,
    };
    (scale > 0.0).then_some(First::Scale(scale))
}

/// The largest root mean square of weights that are as random as at the start: their standard deviation, and three
/// standard errors of it.
fn largest(scale: f32, weights: usize) -> f64 {
    f64::from(scale) * (1.0 + (3.0 / (2.0 * weights as f64).sqrt()).max(GROWTH))
}

/// The layers of a deep belief network with which the bound is lower than it was without them.
fn worse_layers(history: &[Value]) -> Vec<String> {
    let mut bounds: BTreeMap<u64, f64> = BTreeMap::new();
    for line in history {
        if let (Some(layers), Some(elbo)) = (figure(line, "layers"), figure(line, "elbo")) {
            bounds.insert(layers as u64, elbo);
        }
    }
    let worse = |(&layers, &with): (&u64, &f64)| {
        let without = *bounds.get(&(layers - 1))?;
        // Both bounds have an annealed ln Z.
        let slack = (0.005 * without.abs()).max(0.1);
        (with < without - slack).then(|| {
            format!(
                "hidden layer {layers} has made the bound on validation log p worse: {with:.3} nats with it, \
                 {without:.3} nats without it; train it longer, or leave it out"
            )
        })
    };
    bounds.iter().filter(|(layers, _)| **layers > 1).filter_map(worse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{ModelKind, Stack};
    use gm_train::{RbmSettings, SbnSettings};
    use serde_json::json;

    fn model(kind: ModelKind, layers: &[usize]) -> ModelData {
        ModelData::from_stack(kind, Stack::zeros(layers).unwrap()).unwrap()
    }

    #[test]
    fn table_the_best_epoch_is_kept_by_each_rule() {
        let lines = |name: &str, values: &[Value]| -> Vec<Value> {
            values.iter().enumerate().map(|(i, value)| json!({"epoch": i + 1, name: value})).collect()
        };
        let epoch = |rule: &str, name: &str, values: &[Value]| {
            let lines = lines(name, values);
            kept(rule.parse().unwrap(), &lines).and_then(|line| line["epoch"].as_u64())
        };
        let values = [json!(-3.0), json!(-2.0), json!(-2.0), json!(null), json!(-2.5)];
        assert_eq!(epoch("never", "log_likelihood", &values), Some(5));
        for rule in ["log-likelihood", "estimated-log-likelihood", "importance-weighted"] {
            assert_eq!(epoch(rule, &rule.replace('-', "_"), &values), Some(2));
        }
        assert_eq!(epoch("pseudo-likelihood", "pseudo_log_likelihood", &values), Some(2));
        for rule in ["error-rate", "cross-entropy"] {
            assert_eq!(epoch(rule, &rule.replace('-', "_"), &values), Some(1));
        }
        let gaps = [json!(0.1), json!(1.5), json!(0.9), json!(1.1)];
        assert_eq!(epoch("free-energy-gap:1", "free_energy_gap", &gaps), Some(3));
        assert_eq!(epoch("error-rate", "other", &gaps), Some(4));
        assert_eq!(kept(StopOn::Never, &[]), None);
    }

    #[test]
    fn table_the_uniform_distribution_of_each_kind_of_units() {
        let of = |visible| uniform(&ModelData { visible, ..model(ModelKind::Rbm, &[6, 2]) });
        let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12);
        close(of(VisibleKind::Bernoulli), -6.0 * LN_2);
        close(of(VisibleKind::Softmax { categories: 3 }), -2.0 * 3.0_f64.ln());
        close(of(VisibleKind::Labelled { classes: 4 }), -2.0 * LN_2 - 4.0_f64.ln());
        assert_eq!(of(VisibleKind::Gaussian), None);
        let said = |line: Value| below_uniform(&model(ModelKind::Rbm, &[6, 2]), &line);
        assert!(
            said(json!({"log_likelihood": -4.2}))
                .unwrap()
                .starts_with("validation log p is -4.200 nats, below the -4.159")
        );
        assert!(said(json!({"elbo": -9.0})).unwrap().starts_with("the bound on validation log p is -9.000 nats"));
        assert_eq!(said(json!({"log_likelihood": -4.1, "elbo": -9.0})), None);
        assert_eq!(said(json!({"log_likelihood": -6.0 * LN_2})), None);
        assert_eq!(said(json!({"reconstruction": 9.0})), None);
    }

    #[test]
    fn table_layers_that_make_the_bound_worse() {
        let line = |layers: u64, elbo: f64| json!({"layers": layers, "elbo": elbo});
        let history = [line(1, -90.0), line(1, -80.0), line(2, -85.0), line(2, -79.0), line(3, -79.1)];
        assert_eq!(worse_layers(&history), Vec::<String>::new());
        let found = worse_layers(&[&history[..], &[line(3, -80.0)]].concat());
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("hidden layer 3 has made the bound on validation log p worse: -80.000 nats with it")
        );
        assert_eq!(worse_layers(&[json!({"elbo": -3.0})]), Vec::<String>::new());
    }

    #[test]
    fn table_units_that_do_not_react_are_told_whatever_the_start() {
        let config = |init_scale| {
            Config::new("digits", ModelConfig::Rbm(RbmSettings { init_scale, hidden: 2, ..RbmSettings::default() }))
        };
        let found = idle_layers(&config(0.0), &model(ModelKind::Rbm, &[6, 2]), None);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("hidden layer 1 has learnt nothing: none of its 2 units reacts"), "{found:?}");
        let found = idle_layers(&config(0.01), &model(ModelKind::Rbm, &[6, 2]), None);
        assert!(
            found[0].contains("no larger than at the start (root mean square 0.0000, at the start 0.01)"),
            "{found:?}"
        );
        let mut grown = model(ModelKind::Rbm, &[6, 2]);
        grown.stack.update_weights(0, |weights| weights.fill(0.5));
        assert_eq!(idle_layers(&config(0.01), &grown, None), Vec::<String>::new());
    }

    #[test]
    fn table_a_layer_with_few_active_units_is_idle() {
        let of = |hidden_bias, active: [u64; 2]| {
            let settings = SbnSettings { hidden: vec![20, 20], hidden_bias, init_scale: 0.0, ..SbnSettings::default() };
            let mut model = model(ModelKind::Sbn, &[6, 20, 20]);
            (0..2).for_each(|l| model.stack.update_weights(l, |weights| weights.fill(0.5)));
            let line = json!({"active_units_1": active[0], "active_units_2": active[1]});
            idle_layers(&Config::new("digits", ModelConfig::Sbn(settings)), &model, Some(&line))
        };
        assert_eq!(of(0.0, [2, 20]), Vec::<String>::new());
        let said = "hidden layer 2 is idle: only 1 of its 20 units tells rows apart; start the hidden units mostly off \
                    with --hidden-bias -3, or leave the layer out";
        assert_eq!(of(0.0, [20, 1]), [said]);
        assert!(
            of(-3.0, [0, 1])[1].ends_with("only 1 of its 20 units tells rows apart; train it longer, or leave it out")
        );
    }
}
