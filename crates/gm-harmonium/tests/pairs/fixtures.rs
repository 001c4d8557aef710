//! The models of independent code, and facts from the tests of peers.

use gm_core::Matrix;
use gm_core::layer::LayerSpec;
use gm_harmonium::Harmonium;
use gm_testkit::{assert_all_close, assert_close, layers, peers};
use serde_json::Value;

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn matrix(rows: &Value) -> Matrix {
    let rows: Vec<Vec<f64>> = rows.as_array().expect("rows").iter().map(numbers).collect();
    Matrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] as f32)
}

/// A layer of a fixture, from the parameters of its sites.
fn layer(kind: &str, sites: &Value) -> gm_core::layer::Layer {
    if let Some(categories) = sites["categories"].as_u64() {
        let theta: Vec<f32> = numbers(&sites["bias"]).iter().map(|&x| x as f32).collect();
        let blank = format!("{kind}:{categories}").parse::<LayerSpec>().expect("a kind").layer(theta.len());
        return blank.expect("units").with_parameters(theta).expect("parameters");
    }
    let sites = sites.as_array().expect("sites");
    let text = sites[0]["n"].as_u64().map_or(kind.to_string(), |n| format!("{kind}:{n}"));
    let blank = text.parse::<LayerSpec>().expect("a kind").layer(sites.len()).expect("units");
    let of = |name: &str| Ok(sites.iter().map(|site| site[name].as_f64().expect("a number") as f32).collect());
    blank.with_tensors(of).expect("parameters")
}

#[test]
fn pairs_have_the_answers_of_independent_code() {
    let fixtures = layers();
    let models = fixtures["models"].as_array().expect("models");
    assert_eq!(models.len(), 13);
    for fixture in models {
        let text = |name: &str| fixture[name].as_str().expect("a kind");
        let name = format!("{} and {}", text("visible"), text("hidden"));
        let visible = layer(text("visible"), &fixture["visible_parameters"]);
        let hidden = layer(text("hidden"), &fixture["hidden_parameters"]);
        let model = Harmonium::new(visible, hidden, matrix(&fixture["weights"])).expect("a model");
        let expected = &fixture["expected"];
        let log_z = model.log_partition().expect("enumerable");
        // Parameters are rounded to 32 bits, so that answers differ by the sixth digit after the point.
        assert_close(log_z, expected["log_partition"].as_f64().expect("a number"), 0.0, 1e-6, &name);
        let rows = matrix(&expected["rows"]).transpose();
        let log_p = model.log_prob(&rows, log_z).expect("rows");
        assert_all_close(&log_p, &numbers(&expected["log_prob"]), 1e-6, 1e-6, &name);
        let wide = |m: &Matrix| m.as_slice().iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let close = |found: &Matrix, expected: &Matrix, what: &str| {
            assert_all_close(&wide(found), &wide(expected), 1e-6, 1e-6, &format!("{what} of {name}"));
        };
        let means = matrix(&expected["mean_h_from_v"]).transpose();
        close(&model.mean_h_from_v(&rows), &means, "means");
        let statistics = model.exact_statistics().expect("enumerable");
        close(&statistics.weights, &matrix(&expected["mean_vh"]), "pairs");
        let mean_v: Vec<f64> = model.visible().field_sums(&statistics.visible).iter().map(|&x| f64::from(x)).collect();
        assert_all_close(&mean_v, &numbers(&expected["mean_v"]), 1e-6, 1e-6, &name);
    }
}

#[test]
fn the_bimodal_hopfield_model_has_the_log_z_of_its_peer() {
    let peers = peers();
    let case = &peers["bimodal_hopfield"];
    let number = |name: &str| case[name].as_f64().expect("a number");
    let layer = |text: &str, units, parameters| {
        text.parse::<LayerSpec>().and_then(|spec| spec.layer(units)?.with_parameters(parameters)).expect("a layer")
    };
    let visible = layer("spin", 10, vec![number("theta") as f32; 10]);
    let hidden = layer("gaussian", 1, vec![0.0, number("gamma") as f32]);
    let model = Harmonium::new(visible, hidden, Matrix::from_element(10, 1, number("w") as f32)).expect("a model");
    assert_close(model.log_partition().expect("10 spins"), number("log_partition_enum"), 0.0, 2e-6, "log Z");
    // The share of positive magnetisations, by enumeration; none is 0 with half weight.
    let states = model.visible().states(0..1024).expect("spins");
    let log_p = model.log_prob(&states, number("log_partition_enum")).expect("spins");
    let share: f64 = states.column_iter().zip(log_p).filter(|(s, _)| s.sum() > 0.0).map(|(_, p)| p.exp()).sum();
    assert_close(share, number("probability_of_positive_magnetisation_enum"), 0.0, 1e-5, "share");
}
