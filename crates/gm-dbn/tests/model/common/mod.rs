//! Models of the fixtures, random models, and conversions between packed states and plain ones.

use gm_core::{BatchRef, BitMatrix, Format, Matrix, ModelData, Purpose, Recognition, Stack, Streams, Vector};
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_testkit::{Fixture, Joint, Model, Parameters};
use rand_distr::{Distribution, Normal};

pub(crate) fn dbn_of(fixture: &Fixture) -> Dbn {
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    Dbn::from_data(data).expect("a sound fixture")
}

pub(crate) fn fixtures() -> Vec<(Fixture, Dbn)> {
    let load = |name| {
        let fixture = Fixture::load(name);
        let dbn = dbn_of(&fixture);
        (fixture, dbn)
    };
    ["dbn_2", "dbn_3"].map(load).into()
}

/// Parameters of a stack in plain nested vectors.
pub(crate) fn plain(stack: &Stack) -> Parameters {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let rows = |l: usize| {
        let weights = stack.weights(l);
        weights.row_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
    };
    Parameters {
        weights: (0..stack.depth()).map(rows).collect(),
        biases: (0..=stack.depth()).map(|l| wide(stack.bias(l).as_slice())).collect(),
    }
}

/// The oracle with the model's own single-precision parameters.
pub(crate) fn joint_of(dbn: &Dbn) -> Joint {
    Joint::new(Model::Dbn, plain(dbn.stack()))
}

/// Parameters from N(0, scale^2), with a recognition net near the tied one.
pub(crate) fn random_model(seed: u64, layers: &[usize], scale: f32) -> Dbn {
    let mut stream = Streams::new(seed).fork(Purpose::Test, 0).stream(0);
    let normal = Normal::new(0.0, scale).expect("a sound scale");
    let mut matrix = |rows, columns| Matrix::from_fn(rows, columns, |_, _| normal.sample(&mut stream));
    let weights: Vec<Matrix> = layers.windows(2).map(|pair| matrix(pair[0], pair[1])).collect();
    let biases: Vec<Vector> = layers.iter().map(|&n| Vector::from_column_slice(matrix(n, 1).as_slice())).collect();
    let depth = weights.len();
    let net = (depth > 1).then(|| {
        let near = |w: &Matrix| w.map(|x| 0.9 * x + 0.05);
        let bias = |b: &Vector| b.map(|x| 0.8 * x - 0.05);
        let (w, b) = (weights[..depth - 1].iter().map(near), biases[1..depth].iter().map(bias));
        Recognition::new(w.collect(), b.collect()).expect("shapes of the stack")
    });
    Dbn::new(Stack::new(weights, biases).expect("sound shapes"), net).expect("sound shapes")
}

pub(crate) fn random_rbm(seed: u64, visible: usize, hidden: usize, scale: f32) -> Rbm {
    random_model(seed, &[visible, hidden], scale).top()
}

pub(crate) fn pack(rows: &[Vec<u8>]) -> BitMatrix {
    let units = rows.first().map_or(0, Vec::len);
    BitMatrix::from_fn(units, rows.len(), |unit, sample| rows[sample][unit] == 1)
}

/// Layers of the given sizes from states that hold the visible units first.
pub(crate) fn pack_layers(layers: &[usize], states: &[Vec<u8>]) -> Vec<BitMatrix> {
    let mut first = 0;
    let layer = |&units: &usize| {
        let offset = first;
        first += units;
        BitMatrix::from_fn(units, states.len(), |unit, sample| states[sample][offset + unit] == 1)
    };
    layers.iter().map(layer).collect()
}

pub(crate) fn unpack<X>(layers: &[X]) -> Vec<Vec<u8>>
where
    for<'x> &'x X: Into<BatchRef<'x>>,
{
    let layers: Vec<BitMatrix> = layers.iter().map(|x| x.into().to_batch().bits().clone()).collect();
    let state = |sample: usize| {
        layers
            .iter()
            .flat_map(|x| (0..x.units()).map(|unit| u8::from(x.get(unit, sample))).collect::<Vec<_>>())
            .collect()
    };
    (0..layers[0].samples()).map(state).collect()
}

pub(crate) fn all_rows(units: usize) -> BitMatrix {
    BitMatrix::from_fn(units, 1 << units, |unit, row| row >> (units - 1 - unit) & 1 == 1)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}
