//! Models of the fixtures and conversions between packed states and plain ones.

use gm_core::{BitMatrix, Format, Matrix, ModelData, Vector};
use gm_rbm::Rbm;
use gm_testkit::{Fixture, Joint};

pub(crate) fn rbm_of(fixture: &Fixture) -> Rbm {
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    Rbm::from_data(data).expect("a sound fixture")
}

pub(crate) fn rbm_from(w: &[Vec<f64>], a: &[f64], b: &[f64]) -> Rbm {
    let weights = Matrix::from_fn(a.len(), b.len(), |i, j| w[i][j] as f32);
    let vector = |values: &[f64]| Vector::from_iterator(values.len(), values.iter().map(|&x| x as f32));
    Rbm::new(weights, vector(a), vector(b)).expect("a sound fixture")
}

/// The oracle with the single-precision parameters of the model.
pub(crate) fn joint_of(rbm: &Rbm) -> Joint {
    let (w, a, b) = parameters(rbm);
    Joint::rbm(w, a, b)
}

pub(crate) fn parameters(rbm: &Rbm) -> (Vec<Vec<f64>>, Vec<f64>, Vec<f64>) {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let w = rbm.weights().row_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    (w, wide(rbm.visible_bias()), wide(rbm.hidden_bias()))
}

pub(crate) fn pack(rows: &[Vec<u8>]) -> BitMatrix {
    let units = rows.first().map_or(0, Vec::len);
    BitMatrix::from_fn(units, rows.len(), |unit, sample| rows[sample][unit] == 1)
}

pub(crate) fn pack_part(rows: &[Vec<u8>], units: std::ops::Range<usize>) -> BitMatrix {
    BitMatrix::from_fn(units.len(), rows.len(), |unit, sample| rows[sample][units.start + unit] == 1)
}

pub(crate) fn unpack(v: &BitMatrix, h: &BitMatrix) -> Vec<Vec<u8>> {
    let state = |bits: &BitMatrix, sample| {
        (0..bits.units()).map(move |unit| u8::from(bits.get(unit, sample))).collect::<Vec<_>>()
    };
    (0..v.samples()).map(|s| [state(v, s), state(h, s)].concat()).collect()
}

pub(crate) fn all_rows(units: usize) -> BitMatrix {
    BitMatrix::from_fn(units, 1 << units, |unit, row| row >> (units - 1 - unit) & 1 == 1)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
