//! Small models of every kind, each with the exact distribution of its states.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use gm_core::{BitMatrix, Matrix, ModelKind, Stack, Vector};
use gm_eval::Model;
use gm_testkit::{Joint, Parameters};

/// A model with an oracle that shares no code with it.
pub(crate) struct Small {
    pub(crate) model: Model,
    pub(crate) joint: Joint,
}

/// Units of the visible layer.
pub(crate) const VISIBLE: usize = 4;

/// An RBM, an SBN, a DBM and a DBN.
pub(crate) fn all() -> Vec<Small> {
    [ModelKind::Rbm, ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn].map(small).into()
}

/// A model of a kind. An RBM has one hidden layer, other models have two.
pub(crate) fn small(kind: ModelKind) -> Small {
    let layers: &[usize] = if kind == ModelKind::Rbm { &[VISIBLE, 3] } else { &[VISIBLE, 3, 2] };
    let weight = |l: usize, i: usize, j: usize| [1.5, -1.0, 0.5, -0.75, 1.0][(3 * i + 2 * j + l) % 5];
    let bias = |l: usize, i: usize| [-0.5, 0.25, 0.5][(i + l) % 3];
    let weights =
        layers.windows(2).enumerate().map(|(l, n)| Matrix::from_fn(n[0], n[1], |i, j| weight(l, i, j) as f32));
    let biases = layers.iter().enumerate().map(|(l, &n)| Vector::from_fn(n, |i, _| bias(l, i) as f32));
    let stack = Stack::new(weights.collect(), biases.collect()).unwrap();
    let joint = joint(kind, &stack);
    let data = gm_core::ModelData::from_stack(kind, stack).unwrap();
    Small { model: Model::from_data(data).unwrap(), joint }
}

fn joint(kind: ModelKind, stack: &Stack) -> Joint {
    let model = match kind {
        ModelKind::Rbm => gm_testkit::Model::Rbm,
        ModelKind::Sbn => gm_testkit::Model::Sbn,
        ModelKind::Dbm => gm_testkit::Model::Dbm,
        _ => gm_testkit::Model::Dbn,
    };
    let row = |weights: &Matrix, i: usize| weights.row(i).iter().map(|&w| f64::from(w)).collect::<Vec<_>>();
    let matrix = |l: usize| (0..stack.weights(l).nrows()).map(|i| row(stack.weights(l), i)).collect();
    let vector = |l: usize| stack.bias(l).iter().map(|&b| f64::from(b)).collect();
    let weights = (0..stack.depth()).map(matrix).collect();
    Joint::new(model, Parameters { weights, biases: (0..=stack.depth()).map(vector).collect() })
}

/// Every state of the visible layer, a column each.
pub(crate) fn all_rows() -> BitMatrix {
    BitMatrix::from_fn(VISIBLE, 1 << VISIBLE, |unit, row| (row >> (VISIBLE - 1 - unit)) & 1 == 1)
}

/// A column of bits as numbers.
pub(crate) fn row(rows: &BitMatrix, row: usize) -> Vec<u8> {
    (0..rows.units()).map(|unit| u8::from(rows.get(unit, row))).collect()
}
