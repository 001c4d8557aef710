//! Every kind of unit against enumeration, quadrature and derivatives: one suite, generated from the sheet.

#[path = "common/cut_poisson.rs"]
mod cut_poisson;

use std::sync::Arc;

use cut_poisson::CutPoisson;
use gm_core::layer::{Bernoulli, Binomial, DoubleRelu, Gaussian, Layer, LayerSpec, Relu, Softmax, Spin, UnitKind};
use gm_core::{Matrix, Purpose, Streams};
use gm_testkit::{assert_all_close, assert_close, central_difference, chi_squared_test, mean_test};

/// A kind and some parameters of a site.
type Case = (Arc<dyn UnitKind>, Vec<f64>);

/// Every kind, each at easy and at hard parameters.
fn cases() -> Vec<Case> {
    let softmax = Softmax::new(3).expect("3 categories");
    let binomial = |n| Arc::new(Binomial::new(n).expect("a few trials"));
    vec![
        (Arc::new(Bernoulli), vec![0.4]),
        (Arc::new(Spin), vec![-0.7]),
        (Arc::new(softmax), vec![0.3, -1.0, 0.6]),
        (Arc::new(Gaussian), vec![0.5, 0.8]),
        (Arc::new(Gaussian), vec![-2.0, 9.0]),
        (Arc::new(Relu), vec![0.5, 0.8]),
        (Arc::new(Relu), vec![-6.0, 1.5]),
        (Arc::new(DoubleRelu), vec![0.6, -0.3, 1.5, 0.7]),
        (Arc::new(DoubleRelu), vec![-5.0, 3.0, 2.0, 0.5]),
        (binomial(1), vec![0.2]),
        (binomial(9), vec![-0.5]),
        (Arc::new(CutPoisson), vec![0.7]),
    ]
}

const INPUTS: [f64; 5] = [-3.0, -0.5, 0.0, 0.8, 4.0];

/// Inputs of a site: of a group, 0.3 more for each component.
fn input(kind: &dyn UnitKind, at: f64) -> Vec<f64> {
    (0..kind.width()).map(|k| if k == 0 { at } else { 0.3 * k as f64 }).collect()
}

fn filled(length: usize, f: impl FnOnce(&mut [f64])) -> Vec<f64> {
    let mut values = vec![0.0; length];
    f(&mut values);
    values
}

/// exp(-e(x) + I' x).
fn weight(kind: &dyn UnitKind, parameters: &[f64], input: &[f64], state: &[f64]) -> f64 {
    let statistics = filled(parameters.len(), |out| kind.statistics(state, out));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (dot(&statistics, parameters) + kind.log_measure(state) + dot(input, state)).exp()
}

/// The sum, or the integral by Simpson's rule on either side of 0, of a function of the state times its weight.
fn total((kind, parameters): &Case, input: &[f64], of: impl Fn(&[f64]) -> f64) -> f64 {
    let term = |state: &[f64]| weight(kind.as_ref(), parameters, input, state) * of(state);
    if let Some(states) = kind.states() {
        return states.iter().map(|state| term(state)).sum();
    }
    let sides = [-1.0, 1.0].into_iter().filter(|&side| kind.contains(&[side]));
    let (reach, pieces) = (60.0, 200_000);
    let step = reach / f64::from(pieces);
    let of_side = |side: f64| {
        let at = |k: i32| term(&[side * (f64::from(k) * step).max(1e-300)]);
        (0..pieces).step_by(2).map(|k| at(k) + 4.0 * at(k + 1) + at(k + 2)).sum::<f64>() * step / 3.0
    };
    sides.map(of_side).sum()
}

#[test]
fn cumulants_and_moments_are_those_of_enumeration_or_quadrature() {
    for case in cases() {
        for at in INPUTS {
            let (kind, parameters) = (&case.0, &case.1);
            let (input, name) = (input(kind.as_ref(), at), format!("{} at {at}", kind.name()));
            let z = total(&case, &input, |_| 1.0);
            assert_close(kind.cumulant(parameters, &input), z.ln(), 1e-8, 1e-8, &name);
            for unit in 0..kind.width() {
                let mean = total(&case, &input, |x| x[unit]) / z;
                let variance = total(&case, &input, |x| (x[unit] - mean).powi(2)) / z;
                let found = filled(kind.width(), |out| kind.mean(parameters, &input, out));
                assert_close(found[unit], mean, 1e-7, 1e-9, &format!("mean of {name}"));
                let found = filled(kind.width(), |out| kind.variance(parameters, &input, out));
                assert_close(found[unit], variance, 1e-6, 1e-9, &format!("variance of {name}"));
            }
            let found = filled(parameters.len(), |out| kind.mean_statistics(parameters, &input, out));
            for (at, found) in found.into_iter().enumerate() {
                let statistic = |x: &[f64]| filled(parameters.len(), |out| kind.statistics(x, out))[at];
                let expected = total(&case, &input, statistic) / z;
                assert_close(found, expected, 1e-6, 1e-9, &format!("statistic {at} of {name}"));
            }
        }
    }
}

#[test]
fn means_and_statistics_are_the_derivatives_of_the_cumulant() {
    for (kind, parameters) in cases() {
        for at in INPUTS {
            let (input, name) = (input(kind.as_ref(), at), format!("{} at {at}", kind.name()));
            let by_input = central_difference(|input| kind.cumulant(&parameters, input), &input, 1e-4);
            let mean = filled(kind.width(), |out| kind.mean(&parameters, &input, out));
            assert_all_close(&mean, &by_input, 1e-6, 1e-7, &format!("mean of {name}"));
            let by_parameters = central_difference(|parameters| kind.cumulant(parameters, &input), &parameters, 1e-4);
            let found = filled(parameters.len(), |out| kind.mean_statistics(&parameters, &input, out));
            assert_all_close(&found, &by_parameters, 1e-6, 1e-7, &format!("statistics of {name}"));
            for unit in 0..kind.width() {
                let mean_at = |x: &[f64]| filled(kind.width(), |out| kind.mean(&parameters, x, out))[unit];
                let slope = central_difference(mean_at, &input, 1e-4)[unit];
                let variance = filled(kind.width(), |out| kind.variance(&parameters, &input, out))[unit];
                assert_close(variance, slope, 1e-5, 1e-7, &format!("variance of {name}"));
            }
        }
    }
}

#[test]
fn statistics_of_parameters_that_add_to_the_input_add_up_to_the_state() {
    for case in cases() {
        let (kind, parameters) = &case;
        for state in draws(&case, &input(kind.as_ref(), 0.3), 100, 2) {
            let statistics = filled(parameters.len(), |out| kind.statistics(&state, out));
            let adding = statistics.chunks(kind.width()).zip(kind.parameters()).filter(|(_, parameter)| parameter.adds);
            let sum =
                adding.fold(vec![0.0; kind.width()], |sum, (t, _)| sum.iter().zip(t).map(|(a, b)| a + b).collect());
            assert_eq!(sum, state, "{}", kind.name());
            assert!(kind.parameters()[0].adds);
        }
    }
}

#[test]
fn modes_are_states_and_none_is_more_probable() {
    for (kind, parameters) in cases() {
        for at in INPUTS {
            let input = input(kind.as_ref(), at);
            let mode = filled(kind.width(), |out| kind.mode(&parameters, &input, out));
            assert!(kind.contains(&mode), "{} at {at}: {mode:?}", kind.name());
            let best = weight(kind.as_ref(), &parameters, &input, &mode);
            let grid = (-400..=400).map(|k| vec![f64::from(k) * 0.05]).filter(|x| kind.contains(x));
            for other in kind.states().unwrap_or_else(|| grid.collect()) {
                let found = weight(kind.as_ref(), &parameters, &input, &other);
                assert!(found <= best * (1.0 + 1e-9), "{} at {at}: {other:?} before {mode:?}", kind.name());
            }
        }
    }
}

/// Draws of a site.
fn draws((kind, parameters): &Case, input: &[f64], count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut stream = Streams::new(seed).fork(Purpose::Test, 0).stream(0);
    let mut draw = || filled(kind.width(), |out| kind.sample(parameters, input, &mut stream, out));
    (0..count).map(|_| draw()).collect()
}

/// The p-value of draws against a case: of all states if their number is finite, and of the mean of each statistic.
fn p_value(draws: &[Vec<f64>], case: &Case, input: &[f64]) -> f64 {
    let (kind, parameters) = case;
    if let Some(states) = kind.states() {
        let z = total(case, input, |_| 1.0);
        let probabilities: Vec<f64> = states.iter().map(|x| weight(kind.as_ref(), parameters, input, x) / z).collect();
        let count = |x: &Vec<f64>| draws.iter().filter(|draw| *draw == x).count() as u64;
        return chi_squared_test(&states.iter().map(count).collect::<Vec<_>>(), &probabilities).p_value;
    }
    let expected = filled(parameters.len(), |out| kind.mean_statistics(parameters, input, out));
    let each = expected.iter().enumerate().map(|(at, &expected)| {
        let statistic = |x: &Vec<f64>| filled(parameters.len(), |out| kind.statistics(x, out))[at];
        mean_test(&draws.iter().map(statistic).collect::<Vec<_>>(), expected).p_value
    });
    each.fold(1.0, f64::min)
}

#[test]
fn stat_cond_draws_follow_their_conditional() {
    const SEED: u64 = 11;
    for case in cases() {
        for at in INPUTS {
            let input = input(case.0.as_ref(), at);
            let found = draws(&case, &input, 40_000, SEED);
            assert!(found.iter().all(|x| case.0.contains(x)));
            let p = p_value(&found, &case, &input);
            assert!(p > 1e-6, "{} at {at}: p = {p:e}, seed {SEED}", case.0.name());
        }
    }
}

#[test]
fn planted_cond_draws_at_another_input_are_found() {
    const SEED: u64 = 11;
    for case in cases() {
        let (right, wrong) = (input(case.0.as_ref(), 0.0), input(case.0.as_ref(), 0.2));
        let p = p_value(&draws(&case, &wrong, 40_000, SEED), &case, &right);
        assert!(p < 1e-4, "{}: draws at another input pass with p = {p:e}", case.0.name());
    }
}

#[test]
fn independent_sites_have_the_moments_asked_for() {
    for (kind, _) in cases() {
        let mean: Vec<f64> = if kind.width() == 3 { vec![0.2, 0.5, 0.3] } else { vec![0.6] };
        let parameters = kind.independent(&mean, &vec![0.04; kind.width()]);
        let found = filled(kind.width(), |out| kind.mean(&parameters, &vec![0.0; kind.width()], out));
        // A unit that is cut off at 0 has about the moments; the cut is three standard deviations away here.
        assert_all_close(&found, &mean, 0.01, 0.0, &kind.name());
    }
}

/// Units of a fixture: kind, parameters of a site, input, and the answers.
#[test]
fn units_have_the_answers_of_independent_code() {
    let fixtures = gm_testkit::layers();
    let mut tried = 0;
    for (name, list) in fixtures["units"].as_object().unwrap() {
        for entry in list.as_array().unwrap() {
            let number = |at: &str| entry[at].as_f64().unwrap();
            let text = match entry["parameters"]["n"].as_u64() {
                Some(n) => format!("{name}:{n}"),
                None => name.clone(),
            };
            let kind = text.parse::<LayerSpec>().unwrap().layer(1).unwrap().kinds()[0].clone();
            let names = kind.parameters().iter().map(|parameter| parameter.name);
            let parameters: Vec<f64> = names.map(|at| entry["parameters"][at].as_f64().unwrap()).collect();
            let input = [number("input")];
            assert_close(kind.cumulant(&parameters, &input), number("cumulant"), 1e-6, 1e-6, &text);
            let mean = filled(1, |out| kind.mean(&parameters, &input, out))[0];
            assert_close(mean, number("mean"), 1e-6, 1e-6, &text);
            let variance = filled(1, |out| kind.variance(&parameters, &input, out))[0];
            assert_close(variance, number("variance"), 1e-6, 1e-6, &text);
            tried += 1;
        }
    }
    assert_eq!(tried, 120);
}

/// A layer of every kind beside each other, and some states of it.
fn mixed() -> (Layer, Matrix) {
    let spec: LayerSpec = "bernoulli*2+softmax:3*2+spin+gaussian+relu+drelu+binomial:4".parse().expect("known kinds");
    let layer = spec.layer(13).expect("13 units");
    let steps: Vec<f32> = (0..layer.parameters().len()).map(|k| 0.07 * (k as f32 - 9.0)).collect();
    let mut layer = layer;
    layer.step(&steps);
    let inputs = Matrix::from_fn(13, 150, |unit, sample| ((unit * 7 + sample * 3) % 11) as f32 * 0.2 - 1.0);
    (layer, inputs)
}

#[test]
fn a_layer_of_many_kinds_adds_up_what_its_sites_say() {
    let (layer, inputs) = mixed();
    let states = layer.sample(&inputs, &Streams::new(3));
    layer.check("test", "states", states.view()).unwrap();
    let (weights, cumulants, means) =
        (layer.log_weights(states.view()), layer.cumulants(&inputs), layer.means(&inputs));
    let (mut from, mut place) = (0, 0);
    let (mut expected_weights, mut expected_cumulants) = (vec![0.0; 150], vec![0.0; 150]);
    for kind in layer.kinds() {
        let length = kind.parameters().len() * kind.width();
        let parameters: Vec<f64> = layer.parameters()[place..place + length].iter().map(|&x| f64::from(x)).collect();
        for sample in 0..150 {
            let part =
                |of: &Matrix| (from..from + kind.width()).map(|unit| f64::from(of[(unit, sample)])).collect::<Vec<_>>();
            let state = part(&states.to_matrix());
            let zero = vec![0.0; kind.width()];
            expected_weights[sample] += weight(kind.as_ref(), &parameters, &zero, &state).ln();
            expected_cumulants[sample] += kind.cumulant(&parameters, &part(&inputs));
            let mean = filled(kind.width(), |out| kind.mean(&parameters, &part(&inputs), out));
            assert_all_close(&part(&means), &mean, 1e-6, 1e-6, "means");
        }
        (from, place) = (from + kind.width(), place + length);
    }
    assert_eq!((from, place), (13, layer.parameters().len()));
    assert_all_close(&weights, &expected_weights, 1e-6, 1e-6, "log-weights");
    assert_all_close(&cumulants, &expected_cumulants, 1e-9, 1e-9, "cumulants");
}

#[test]
fn sums_over_samples_and_tensors_go_there_and_back() {
    let (layer, inputs) = mixed();
    let states = layer.sample(&inputs, &Streams::new(3));
    let pick = |sample: usize| states.select(&[sample]);
    let mut expected = vec![0.0; layer.parameters().len()];
    let weights: Vec<f32> = (0..150).map(|sample| (sample % 4) as f32).collect();
    for (sample, &weight) in weights.iter().enumerate() {
        let of_sample = layer.statistics(pick(sample).view(), &[]);
        expected.iter_mut().zip(of_sample).for_each(|(sum, x)| *sum += f64::from(weight) * x);
    }
    assert_all_close(&layer.statistics(states.view(), &weights), &expected, 1e-9, 1e-9, "statistics");

    let tensors: std::collections::BTreeMap<_, _> = layer.tensors().into_iter().collect();
    let blank = LayerSpec::of(&layer).layer(13).unwrap();
    assert_ne!(blank, layer);
    assert_eq!(blank.with_tensors(|name| Ok(tensors[name].clone())).unwrap(), layer);
}

#[test]
fn draws_of_a_layer_do_not_depend_on_threads() {
    let (layer, inputs) = mixed();
    let draw = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (layer.sample(&inputs, &Streams::new(5)), layer.mean_statistics(&inputs, &[]), layer.cumulants(&inputs))
        })
    };
    assert_eq!(draw(1), draw(3));
}

#[test]
fn a_layer_refuses_states_and_parameters_that_it_cannot_have() {
    let (layer, inputs) = mixed();
    let good = layer.sample(&inputs, &Streams::new(3)).to_matrix();
    for (unit, wrong) in
        [(0, 0.5), (2, 1.0), (3, 0.25), (8, 0.0), (9, f32::NAN), (10, -0.1), (11, f32::INFINITY), (12, 5.0)]
    {
        let mut states = good.columns(0, 2).into_owned();
        if unit == 2 {
            states.fill(1.0);
        }
        states[(unit, 1)] = wrong;
        let error = layer.check("test", "states", (&states).into()).unwrap_err().to_string();
        assert!(error.contains("sample") && error.contains("of this kind"), "unit {unit}: {error}");
    }
    let gaussian = Layer::new(Arc::new(Gaussian), 2).unwrap();
    let error = gaussian.clone().with_parameters(vec![0.0, 1.0, 0.0, -1.0]).unwrap_err().to_string();
    assert!(error.contains("-1 for gamma"), "{error}");
    assert!(gaussian.clone().with_parameters(vec![0.0, f32::NAN, 0.0, 1.0]).is_err());
    assert!(gaussian.with_parameters(vec![0.0]).is_err());
    assert!(Layer::new(Arc::new(Gaussian), 0).is_err() && Layer::beside(vec![]).is_err());
}

#[test]
fn states_of_a_layer_are_all_of_them_once() {
    let layer = "softmax:3+binomial:2+spin".parse::<LayerSpec>().unwrap().layer(5).unwrap();
    let count = layer.state_count().unwrap();
    let states = layer.states(0..count).unwrap();
    layer.check("test", "states", (&states).into()).unwrap();
    let texts: std::collections::BTreeSet<_> = states.column_iter().map(|x| format!("{:?}", x.as_slice())).collect();
    assert_eq!((count, texts.len()), (18, 18));
    let real = Layer::new(Arc::new(Relu), 1).unwrap();
    assert!(real.state_count().is_none() && real.states(0..1).is_err());
}
