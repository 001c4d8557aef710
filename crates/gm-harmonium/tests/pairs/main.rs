//! Every pair of kinds of units by one suite: exact answers, gradients, Gibbs sampling and annealing.

mod common;
mod fixtures;
mod sampling;

use gm_core::layer::Gauge;
use gm_core::{AisSettings, Format, Matrix, ModelData, Schedule, Streams, unwatched};
use gm_harmonium::{Gradient, Harmonium};
use gm_testkit::{assert_all_close, assert_close};

use common::{enumerable, layer, mean, model, pairs, real_pairs};

#[test]
fn log_z_is_the_same_over_either_layer() {
    let mut both = 0;
    for (visible, hidden) in pairs() {
        let model = model(visible, hidden);
        let turned =
            Harmonium::new(model.hidden().clone(), model.visible().clone(), model.weights().transpose()).unwrap();
        let states = (model.visible().state_count(), model.hidden().state_count());
        if let (Some(v), Some(h)) = states {
            // With a hidden kind of more states the sum goes over the other layer.
            both += usize::from(v != h);
            let (a, b) = (model.log_partition().unwrap(), turned.log_partition().unwrap());
            assert_close(a, b, 1e-7, 1e-7, &format!("{visible} and {hidden}"));
        }
    }
    assert!(both > 5);
}

#[test]
fn probabilities_of_discrete_units_add_up_to_one() {
    for (visible, hidden) in pairs() {
        let model = model(visible, hidden);
        let Some(count) = model.visible().state_count() else { continue };
        let states = model.visible().states(0..count).unwrap();
        let log_z = model.log_partition().unwrap();
        let total: f64 = model.log_prob(&states, log_z).unwrap().iter().map(|p| p.exp()).sum();
        assert_close(total, 1.0, 1e-5, 0.0, &format!("{visible} and {hidden}"));
    }
}

#[test]
fn gauges_change_no_probability() {
    for (visible, hidden) in pairs() {
        let (model, name) = (model(visible, hidden), format!("{visible} and {hidden}"));
        let groups = [model.visible().groups(), model.hidden().groups()];
        assert_eq!(groups.iter().all(Vec::is_empty), !name.contains("softmax"), "{name}");
        for gauge in [Gauge::ZeroSum, Gauge::Reference(2)] {
            let gauged = model.gauged(gauge).unwrap();
            let v = model.chains(20, &Streams::new(4)).v;
            let energies = |model: &Harmonium| -> Vec<f64> {
                let all = model.free_energy(v.view());
                all.iter().map(|energy| energy - all[0]).collect()
            };
            assert_all_close(&energies(&gauged), &energies(&model), 1e-5, 1e-5, &name);
            let means =
                |model: &Harmonium| model.mean_h_from_v(v.view()).iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            assert_all_close(&means(&gauged), &means(&model), 1e-5, 1e-5, &name);
            let fixed = |numbers: &[f32]| match gauge {
                Gauge::ZeroSum => numbers.iter().sum::<f32>().abs() < 1e-6,
                Gauge::Reference(unit) => numbers[unit] == 0.0,
            };
            for group in &groups[0] {
                assert!(fixed(&gauged.visible().biases()[group.clone()]), "{name}");
                gauged.weights().column_iter().for_each(|w| assert!(fixed(&w.as_slice()[group.clone()]), "{name}"));
            }
            for group in &groups[1] {
                let turned = gauged.weights().transpose();
                turned.column_iter().for_each(|w| assert!(fixed(&w.as_slice()[group.clone()]), "{name}"));
            }
        }
    }
    let model = model("softmax:3", "drelu");
    assert!(model.gauged(Gauge::Reference(3)).unwrap_err().to_string().contains("`gauge` is reference:3"));
}

#[test]
fn free_energies_follow_from_energies() {
    for (visible, hidden) in pairs() {
        let model = model(visible, hidden);
        let Some(count) = model.hidden().state_count() else { continue };
        let v = model.chains(3, &Streams::new(4)).v;
        for sample in 0..3 {
            let v = v.select(&[sample]);
            let all = v.select(&vec![0; count as usize]);
            let h = model.hidden().states(0..count).unwrap();
            let terms: Vec<f64> = model.energy(all.view(), &h).iter().map(|e| -e).collect();
            let found = model.free_energy(v.view())[0];
            assert_close(found, -gm_core::log_sum_exp(&terms), 1e-6, 1e-6, &format!("{visible} and {hidden}"));
        }
    }
}

/// The gradient of the mean ln p(v) by its parameters, by central differences.
fn differences(model: &Harmonium, v: gm_core::BatchRef<'_>, weights: &[f32]) -> Gradient {
    let mean_log_p = |weights_: &Matrix, visible: &[f32], hidden: &[f32]| {
        let visible = model.visible().clone().with_parameters(visible.to_vec()).expect("finite parameters");
        let hidden = model.hidden().clone().with_parameters(hidden.to_vec()).expect("finite parameters");
        let other = Harmonium::new(visible, hidden, weights_.clone()).expect("finite probabilities");
        let log_p = other.log_partition().and_then(|log_z| other.log_prob(v, log_z)).expect("few states");
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        log_p.iter().zip(weights).map(|(p, &w)| p * f64::from(w)).sum::<f64>() / total
    };
    const STEP: f32 = 4e-3;
    let (w, a, b) = (model.weights(), model.visible().parameters(), model.hidden().parameters());
    let slope = |up: f64, down: f64| ((up - down) / (2.0 * f64::from(STEP))) as f32;
    let shifted = |values: &[f32], at: usize, by: f32| {
        let mut values = values.to_vec();
        values[at] += by;
        values
    };
    let mut found = Gradient::zeros(model);
    for at in 0..w.len() {
        let moved = |by: f32| Matrix::from_vec(w.nrows(), w.ncols(), shifted(w.as_slice(), at, by));
        found.weights[at] = slope(mean_log_p(&moved(STEP), a, b), mean_log_p(&moved(-STEP), a, b));
    }
    for at in 0..a.len() {
        found.visible[at] = slope(mean_log_p(w, &shifted(a, at, STEP), b), mean_log_p(w, &shifted(a, at, -STEP), b));
    }
    for at in 0..b.len() {
        found.hidden[at] = slope(mean_log_p(w, a, &shifted(b, at, STEP)), mean_log_p(w, a, &shifted(b, at, -STEP)));
    }
    found
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for (visible, hidden) in pairs().into_iter().filter(|pair| enumerable(*pair)) {
        let model = model(visible, hidden);
        let v = model.chains(5, &Streams::new(4)).v;
        let weights = [1.0, 0.5, 2.0, 0.0, 1.5];
        let expected = differences(&model, v.view(), &weights);
        let found = Gradient::of_data(&model, v.view(), &weights).minus(&model.exact_statistics().unwrap());
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let name = format!("{visible} and {hidden}");
        let check = |x: &[f32], y: &[f32], what| {
            assert_all_close(&wide(x), &wide(y), 3e-3, 2e-3, &format!("{what} of {name}"));
        };
        check(found.weights.as_slice(), expected.weights.as_slice(), "weights");
        check(&found.visible, &expected.visible, "visible parameters");
        check(&found.hidden, &expected.hidden, "hidden parameters");
    }
}

#[test]
fn the_centred_step_is_that_of_the_model_with_offsets() {
    // A step of the centred model changes v' W h by the weights' step between (v - mu) and (h - lambda).
    let model = model("gaussian", "drelu");
    let mut gradient = Gradient::of_data(&model, model.chains(50, &Streams::new(4)).v.view(), &[]);
    let plain = gradient.clone();
    let (mu, lambda) = (vec![0.3, -0.2, 0.5], vec![0.7, -0.4]);
    gradient.centre(&model, &mu, &lambda);
    let (of_v, of_h) = (model.visible().field_sums(&plain.visible), model.hidden().field_sums(&plain.hidden));
    for (i, j) in [(0, 0), (2, 1)] {
        let expected = plain.weights[(i, j)] - mu[i] * of_h[j] - of_v[i] * lambda[j];
        assert!((gradient.weights[(i, j)] - expected).abs() < 1e-6);
    }
    let pulled: f32 = (0..2).map(|j| gradient.weights[(1, j)] * lambda[j]).sum();
    assert!((plain.visible[2] - gradient.visible[2] - pulled).abs() < 1e-6, "theta of unit 1");
    assert_eq!(plain.visible[3], gradient.visible[3], "gamma of unit 1");
    let pulled: f32 = (0..3).map(|i| gradient.weights[(i, 1)] * mu[i]).sum();
    for theta in [4, 5] {
        assert!((plain.hidden[theta] - gradient.hidden[theta] - pulled).abs() < 1e-6, "both thetas of unit 1");
    }
    assert_eq!(plain.hidden[6..], gradient.hidden[6..], "gammas of unit 1");
}

#[test]
fn stat_mean_annealing_agrees_with_exact_answers_from_both_sides() {
    let settings = AisSettings { runs: 400, schedule: Schedule::Linear(60) };
    for (visible, hidden) in pairs().into_iter().filter(|pair| enumerable(*pair)) {
        let model = model(visible, hidden);
        let (log_z, name) = (model.log_partition().unwrap(), format!("{visible} and {hidden}"));
        let streams = Streams::new(6);
        let (v, _) = model.exact_samples(400, &streams).unwrap();
        let base = model.base_of(v.view()).unwrap();
        let found = model.log_partition_ais(&settings, Some(&base), &streams, &mut unwatched).unwrap().log_partition;
        assert!((found.value - log_z).abs() < 5.0 * found.std_error + 1e-3, "{name}: {found} for {log_z}");
        let schedule = &settings.schedule;
        let back = model.log_partition_reverse_ais(v.view(), schedule, Some(&base), &streams, &mut unwatched).unwrap();
        let back = back.log_partition;
        assert!((back.value - log_z).abs() < 5.0 * back.std_error + 1e-3, "{name}: {back} for {log_z}");
        assert!(found.std_error < 0.2 && back.std_error < 0.2, "{name}: {found}, {back}");
        // RAISE with many runs comes near the exact value.
        let rows = v.select(&[0, 1, 2, 3]);
        let settings = AisSettings { runs: 200, schedule: Schedule::Linear(60) };
        let raise = model.log_prob_raise(rows.view(), &settings, Some(&base), &streams, &mut unwatched).unwrap();
        let exact = model.log_prob(rows.view(), log_z).unwrap();
        for (raise, exact) in raise.iter().zip(exact) {
            assert!((raise - exact).abs() < 0.35, "{name}: RAISE {raise} for {exact}");
        }
    }
}

#[test]
fn stat_mean_annealing_of_real_valued_pairs_agrees_with_quadrature() {
    let settings = AisSettings { runs: 500, schedule: Schedule::Linear(80) };
    for (visible, hidden) in real_pairs() {
        let model = Harmonium::new(layer(visible, 1, 3), layer(hidden, 1, 4), Matrix::from_element(1, 1, 0.6)).unwrap();
        // exp(-F(v)) over v, by the trapezium rule on either side of 0.
        let (reach, points) = (40.0, 80_000);
        let step = reach / f64::from(points);
        let sides: &[f64] = if visible == "relu" { &[1.0] } else { &[-1.0, 1.0] };
        let mut z = 0.0;
        for side in sides {
            let v = Matrix::from_fn(1, points as usize + 1, |_, k| {
                (side * k as f64 * step).max(if visible == "relu" { 0.0 } else { -1e9 }) as f32
            });
            let terms = model.free_energy(&v);
            let ends = 0.5 * ((-terms[0]).exp() + (-terms[points as usize]).exp());
            z += step * (terms.iter().map(|f| (-f).exp()).sum::<f64>() - ends);
        }
        let found = model.log_partition_ais(&settings, None, &Streams::new(8), &mut unwatched).unwrap().log_partition;
        let name = format!("{visible} and {hidden}");
        assert!((found.value - z.ln()).abs() < 5.0 * found.std_error + 2e-3, "{name}: {found} for {}", z.ln());
        if (visible, hidden) == ("gaussian", "gaussian") {
            assert_close(model.log_partition().unwrap(), z.ln(), 1e-5, 1e-5, "closed form");
        } else {
            assert!(model.log_partition().unwrap_err().to_string().contains("two Gaussian layers"));
        }
    }
}

#[test]
fn pairs_without_finite_probabilities_are_refused_with_the_singular_value() {
    let gaussian = || layer("gaussian", 2, 0).with_parameters(vec![0.0, 2.0, 0.0, 2.0]).unwrap();
    let at = |w: f32| Harmonium::new(gaussian(), gaussian(), Matrix::identity(2, 2) * w);
    assert!(at(1.99).is_ok());
    let error = at(2.01).unwrap_err().to_string();
    assert!(error.contains("singular value of 1.0050"), "{error}");
    // Bounded units on one side make every weight possible.
    assert!(Harmonium::new(gaussian(), layer("spin", 2, 0), Matrix::identity(2, 2) * 50.0).is_ok());
    assert!(Harmonium::new(gaussian(), layer("drelu", 2, 0), Matrix::identity(2, 2) * 50.0).is_err());
    let nan = Harmonium::new(gaussian(), gaussian(), Matrix::from_element(2, 2, f32::NAN)).unwrap_err();
    assert!(nan.to_string().contains("`weights` is NaN"), "{nan}");
}

#[test]
fn a_step_to_numbers_that_are_none_comes_to_an_end() {
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut model = model("gaussian", "gaussian");
        let layers = [model.visible(), model.hidden()].map(|layer| layer.parameters().to_vec());
        let weights = vec![wrong; model.weights().len()];
        model.move_to(&weights, &layers[0], &layers[1]);
        assert!(model.check().unwrap_err().to_string().contains("`weights` is"));
        assert_eq!(Gradient::of_states(&model.sampler(), &Matrix::zeros(3, 2), &[]).visible.len(), 6);
    }
}

#[test]
fn layers_without_weights_have_the_sum_of_their_cumulants() {
    for (visible, hidden) in pairs() {
        let (v, h) = (layer(visible, 3, 1), layer(hidden, 2, 2));
        let none = |units| Matrix::zeros(units, 1);
        let expected = v.cumulants(&none(v.units()))[0] + h.cumulants(&none(h.units()))[0];
        let weights = Matrix::zeros(v.units(), h.units());
        let model = Harmonium::new(v, h, weights).unwrap();
        assert_close(model.log_partition().unwrap(), expected, 1e-9, 0.0, &format!("{visible} and {hidden}"));
    }
}

#[test]
fn the_start_of_training_has_the_moments_of_the_data() {
    let model = model("gaussian", "spin");
    let (means, variances) = ([0.5, -1.0, 2.0], [0.25, 1.0, 4.0]);
    let start =
        Harmonium::initial((model.visible(), model.hidden()), (&means, &variances), 0.0, &Streams::new(1)).unwrap();
    let none = Matrix::zeros(2, 1);
    let found = start.mean_v_from_h(&none);
    assert_all_close(&mean(&found), &means.map(f64::from), 1e-6, 0.0, "means");
    let wrong = Harmonium::initial((model.visible(), model.hidden()), (&means, &variances), -1.0, &Streams::new(1));
    assert!(wrong.unwrap_err().to_string().contains("`scale` is -1"));
}

#[test]
fn files_of_every_format_give_the_same_model() {
    for (visible, hidden) in pairs() {
        let model = model(visible, hidden);
        for format in [Format::Gm, Format::Json, Format::Npz, Format::Safetensors] {
            let mut file = vec![];
            model.to_data().unwrap().write_as(format, &mut file).unwrap();
            let found = Harmonium::from_data(ModelData::read_as(format, &file[..]).unwrap()).unwrap();
            assert_eq!(found, model, "{visible} and {hidden} as {format:?}");
        }
    }
}

#[test]
fn files_say_what_is_wrong_with_them() {
    let read = |text: &str| ModelData::read_as(Format::Json, text.as_bytes()).map(|_| ()).unwrap_err().to_string();
    let tensors = r#""tensors": {"weights.0": [[1], [2]], "bias.0": [3, 4], "bias.1": [5]"#;
    for (visible, hidden, more, expected) in [
        ("spin", "relus", "", "`hidden` is relus, expected bernoulli, spin"),
        ("spin", "relu", "", "`units.1.gamma`"),
        ("spin", "relu", r#", "units.1.gamma": [0]"#, "0 for gamma, allowed: positive numbers"),
        ("spin", "relu", r#", "units.1.gamma": [1, 1]"#, "`gamma` has length 2, expected 1"),
        ("spin", "spin", r#", "units.1.gamma": [1]"#, "`units.1.gamma`"),
        ("softmax:3", "spin", "", "`units` is 2, allowed"),
        ("spin*99999999999999999", "spin", "", "`units` is 2, allowed"),
    ] {
        let text = format!(
            r#"{{"model": "harmonium", "visible": "{visible}", "metadata": {{"hidden": "{hidden}"}}, {tensors}{more}}}}}"#
        );
        let error = read(&text);
        assert!(error.contains(expected), "{visible} and {hidden}: {error}");
    }
    let rbm = ModelData::from_stack(gm_core::ModelKind::Rbm, gm_core::Stack::zeros(&[2, 1]).unwrap()).unwrap();
    assert_eq!(Harmonium::from_data(rbm).unwrap_err().to_string(), "the file holds an rbm, expected a harmonium");
}

#[test]
fn planted_mean_annealing_to_another_model_is_found() {
    // Weights of another size, and so another log Z.
    let settings = AisSettings { runs: 400, schedule: Schedule::Linear(60) };
    for (visible, hidden) in [("spin", "gaussian"), ("softmax:3", "drelu"), ("binomial:3", "bernoulli")] {
        let right = model(visible, hidden);
        let weights = right.weights() * 1.5;
        let wrong = Harmonium::new(right.visible().clone(), right.hidden().clone(), weights).unwrap();
        let found = wrong.log_partition_ais(&settings, None, &Streams::new(6), &mut unwatched).unwrap().log_partition;
        let log_z = right.log_partition().unwrap();
        assert!(
            (found.value - log_z).abs() > 5.0 * found.std_error + 1e-3,
            "{visible} and {hidden}: {found} for {log_z}"
        );
    }
}
