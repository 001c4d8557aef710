//! Models and states of the sizes that the benchmarks measure.

use gm_core::{BitMatrix, Matrix, Purpose, Streams, Vector};
use gm_rbm::Rbm;

/// A model like one trained on binarised digits: weights N(0, 0.1^2), visible units on in about 13 % of cases.
///
/// # Panics
///
/// When a layer is empty.
#[must_use]
pub fn model(visible: usize, hidden: usize) -> Rbm {
    let rbm = Rbm::initial(&vec![0.13; visible], hidden, 0.1, &Streams::new(1)).expect("layers with units");
    let (weights, mut biases) = rbm.into_stack().into_parts();
    biases[1] = Vector::from_element(hidden, -0.5);
    let visible_bias = biases[0].clone();
    let [weights]: [Matrix; 1] = weights.try_into().expect("one weight matrix");
    Rbm::new(weights, visible_bias, biases[1].clone()).expect("the same shapes")
}

/// A batch whose units are on with a given probability.
#[must_use]
pub fn batch(units: usize, samples: usize, density: f32) -> BitMatrix {
    let means = gm_core::Activations::from_matrix(&Matrix::from_element(units, samples, density));
    let mut bits = BitMatrix::zeros(units, samples);
    means.sample_into(&mut bits, &Streams::new(2).fork(Purpose::Synthesise, 0));
    bits
}

/// A pool of `threads` threads.
///
/// # Panics
///
/// When the pool cannot be started.
#[must_use]
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of a few threads")
}

// The example of the README depends on the facade.
#[cfg(doctest)]
use gm as _;

/// The project's README, whose example is tested.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadMe;
