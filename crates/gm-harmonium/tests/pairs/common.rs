//! Small models of every pair.

use gm_core::layer::{Layer, LayerSpec};
use gm_core::{Matrix, Purpose, Streams};
use gm_harmonium::Harmonium;
use rand::RngExt;

/// The kinds of both layers.
const KINDS: [&str; 8] =
    ["bernoulli", "spin", "softmax:3", "gaussian", "relu", "drelu", "binomial:3", "spin*2+softmax:3*1"];

/// All pairs of kinds.
pub(crate) fn pairs() -> Vec<(&'static str, &'static str)> {
    KINDS.iter().flat_map(|v| KINDS.iter().map(move |h| (*v, *h))).collect()
}

fn real(kind: &str) -> bool {
    ["gaussian", "relu", "drelu"].contains(&kind)
}

/// Whether one of the layers has a finite number of states.
pub(crate) fn enumerable((visible, hidden): (&str, &str)) -> bool {
    !(real(visible) && real(hidden))
}

/// The pairs of real-valued kinds.
pub(crate) fn real_pairs() -> Vec<(&'static str, &'static str)> {
    pairs().into_iter().filter(|pair| !enumerable(*pair)).collect()
}

/// A layer of so many sites, with random parameters.
pub(crate) fn layer(kind: &str, sites: usize, seed: u64) -> Layer {
    let units = match kind {
        "softmax:3" => 3 * sites,
        "spin*2+softmax:3*1" => 5,
        _ => sites,
    };
    let mut layer = kind.parse::<LayerSpec>().expect("a known kind").layer(units).expect("units that fit");
    let mut stream = Streams::new(seed).fork(Purpose::Test, 1).stream(0);
    let steps: Vec<f32> = layer.parameters().iter().map(|_| stream.random::<f32>() * 0.8 - 0.3).collect();
    layer.step(&steps);
    layer
}

/// A small model with random weights: three visible and two hidden sites.
pub(crate) fn model(visible: &str, hidden: &str) -> Harmonium {
    let (v, h) = (layer(visible, 3, 1), layer(hidden, 2, 2));
    let mut stream = Streams::new(3).fork(Purpose::Test, 2).stream(0);
    let reach = if enumerable((visible, hidden)) { 1.2 } else { 0.5 };
    let weights = Matrix::from_fn(v.units(), h.units(), |_, _| reach * (stream.random::<f32>() - 0.5));
    Harmonium::new(v, h, weights).expect("a model with finite probabilities")
}

/// The means over samples.
pub(crate) fn mean(states: &Matrix) -> Vec<f64> {
    states.row_iter().map(|row| row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64).collect()
}
