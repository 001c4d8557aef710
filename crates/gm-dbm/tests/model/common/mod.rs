//! Models of the fixtures and conversions between packed states and plain ones.

use gm_core::{BitMatrix, Format, Matrix, ModelData, Stack, Vector};
use gm_dbm::{Chains, Dbm};
use gm_testkit::{Fixture, Joint, Model, Parameters, rng};
use rand::RngExt;

pub(crate) type States = Vec<Vec<u8>>;

pub(crate) fn dbm_of(fixture: &Fixture) -> Dbm {
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    Dbm::from_data(data).expect("a sound fixture")
}

pub(crate) fn dbm_from(p: &Parameters) -> Dbm {
    let weights = p.weights.iter().map(|w| Matrix::from_fn(w.len(), w[0].len(), |i, j| w[i][j] as f32)).collect();
    let biases = p.biases.iter().map(|b| Vector::from_iterator(b.len(), b.iter().map(|&x| x as f32))).collect();
    Dbm::from_stack(Stack::new(weights, biases).expect("sound parameters")).expect("sound parameters")
}

/// A model with weights within +-scale and biases within +-1.
pub(crate) fn random_model(seed: u64, layers: &[usize], scale: f64) -> Dbm {
    let mut rng = rng(seed);
    let mut p = Parameters::zeros(layers);
    p.weights.iter_mut().flatten().flatten().for_each(|w| *w = scale * (2.0 * rng.random::<f64>() - 1.0));
    p.biases.iter_mut().flatten().for_each(|b| *b = 2.0 * rng.random::<f64>() - 1.0);
    dbm_from(&p)
}

/// Models of two, three and four hidden layers, and one that is an RBM.
pub(crate) fn models() -> Vec<Dbm> {
    let mut models: Vec<Dbm> = ["dbm_2", "dbm_3"].iter().map(|name| dbm_of(&Fixture::load(name))).collect();
    models.push(random_model(5, &[3, 2, 3, 2, 2], 1.5));
    models.push(random_model(6, &[5, 4], 2.0));
    models
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// A matrix as a list of rows.
pub(crate) fn rows_of(matrix: &Matrix) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// A stack as plain numbers, parameters or a gradient.
pub(crate) fn plain(stack: &Stack) -> Parameters {
    Parameters {
        weights: (0..stack.depth()).map(|l| rows_of(stack.weights(l))).collect(),
        biases: (0..=stack.depth()).map(|l| wide(stack.bias(l).as_slice())).collect(),
    }
}

/// The oracle with the single-precision parameters of the model.
pub(crate) fn joint_of(dbm: &Dbm) -> Joint {
    Joint::new(Model::Dbm, plain(dbm.stack()))
}

pub(crate) fn pack(rows: &[Vec<u8>]) -> BitMatrix {
    let units = rows.first().map_or(0, Vec::len);
    BitMatrix::from_fn(units, rows.len(), |unit, sample| rows[sample][unit] == 1)
}

/// The states of all layers as chains.
pub(crate) fn chains_of(dbm: &Dbm, states: &States) -> Chains {
    let mut first = 0;
    let mut layers = Vec::new();
    for units in dbm.layers() {
        layers.push(BitMatrix::from_fn(units, states.len(), |unit, sample| states[sample][first + unit] == 1).into());
        first += units;
    }
    Chains::new(layers)
}

pub(crate) fn unpack(chains: &Chains) -> States {
    let state = |bits: &BitMatrix, sample| (0..bits.units()).map(|unit| u8::from(bits.get(unit, sample))).collect();
    let sample = |s| chains.layers.iter().map(|layer| state(layer.bits(), s)).collect::<States>().concat();
    (0..chains.count()).map(sample).collect()
}

pub(crate) fn all_rows(units: usize) -> BitMatrix {
    BitMatrix::from_fn(units, 1 << units, |unit, row| row >> (units - 1 - unit) & 1 == 1)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
