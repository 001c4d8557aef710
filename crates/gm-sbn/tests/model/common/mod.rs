//! Models of the fixtures and conversions between packed states and plain ones.

use gm_core::{BitMatrix, Format, ModelData};
use gm_sbn::Sbn;
use gm_testkit::{Fixture, Joint, rng};
use rand::RngExt;

pub(crate) fn sbn_of(fixture: &Fixture) -> Sbn {
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    Sbn::from_data(data).expect("a sound fixture")
}

pub(crate) fn fixtures() -> Vec<(Fixture, Sbn)> {
    let load = |name| {
        let fixture = Fixture::load(name);
        let sbn = sbn_of(&fixture);
        (fixture, sbn)
    };
    ["sbn_1", "sbn_2", "sbn_3"].map(load).into()
}

/// The oracle with the model's own single-precision parameters.
pub(crate) fn joint_of(sbn: &Sbn) -> Joint {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let rows = |l: usize| {
        let weights = sbn.stack().weights(l);
        weights.row_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
    };
    let biases = (0..=sbn.depth()).map(|l| wide(sbn.stack().bias(l).as_slice())).collect();
    let weights = (0..sbn.depth()).map(rows).collect();
    if sbn.stack().layers_within().is_empty() {
        return Joint::sbn(weights, biases);
    }
    let within = |l: usize| {
        let rows = sbn.stack().within(l).into_iter().flat_map(|a| a.row_iter().map(|row| row.clone_owned()));
        rows.map(|row| wide(row.as_slice())).collect()
    };
    Joint::lateral_sbn(weights, biases, (0..=sbn.depth()).map(within).collect())
}

/// The same net with random weights within +-scale between the units of these layers.
pub(crate) fn with_random_within(sbn: Sbn, layers: &[usize], scale: f32, seed: u64) -> Sbn {
    let (mut sbn, mut rng) = (sbn.with_layers_within(layers).expect("layers of the net"), rng(seed));
    for &l in layers {
        sbn.stack_mut().update_within(l, |a| a.iter_mut().for_each(|w| *w = scale * (2.0 * rng.random::<f32>() - 1.0)));
    }
    sbn
}

pub(crate) fn pack(rows: &[Vec<u8>]) -> BitMatrix {
    let units = rows.first().map_or(0, Vec::len);
    BitMatrix::from_fn(units, rows.len(), |unit, sample| rows[sample][unit] == 1)
}

/// All layers from states that hold the visible units first.
pub(crate) fn pack_layers(sbn: &Sbn, states: &[Vec<u8>]) -> Vec<BitMatrix> {
    let mut first = 0;
    let layer = |units: usize| {
        let offset = first;
        first += units;
        BitMatrix::from_fn(units, states.len(), |unit, sample| states[sample][offset + unit] == 1)
    };
    sbn.layers().into_iter().map(layer).collect()
}

pub(crate) fn unpack(layers: &[BitMatrix]) -> Vec<Vec<u8>> {
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
