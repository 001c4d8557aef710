//! What the tests of training, of resumed runs and of evaluation share.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use gm_core::{BitMatrix, Format, Matrix, ModelData, Vector};
use gm_data::{Binarise, Dataset, Split, Values};
use gm_eval::TemperingSettings;
use gm_rbm::Rbm;
use gm_testkit::Fixture;
use gm_train::{Config, Event, ModelConfig, Outcome, RbmSettings, Run, Unobserved};
use serde_json::Value;

/// Parallel tempering that suffices for small models.
pub(crate) const SHORT: TemperingSettings = TemperingSettings { temperatures: 6, sweeps: 200 };

/// A configuration with a small step from checkpoint to checkpoint.
pub(crate) fn config(spec: &str, rbm: RbmSettings) -> Config {
    let mut config = Config::new(spec, ModelConfig::Rbm(rbm));
    (config.seed, config.checkpoint_every) = (11, 4);
    config
}

pub(crate) fn train(folder: &Path, config: &Config) -> Outcome {
    Run::create(folder, config).and_then(|run| run.train(&mut Unobserved)).expect("a sound configuration")
}

/// What two equal runs have in common: the model file, and the metrics without the time they took.
#[derive(Debug, PartialEq)]
pub(crate) struct Results {
    pub(crate) model: Vec<u8>,
    pub(crate) metrics: Vec<Value>,
}

pub(crate) fn results(folder: &Path) -> Results {
    let model = fs::read(folder.join("model.gm")).expect("a finished run has a model");
    let text = fs::read_to_string(folder.join("metrics.jsonl")).expect("a run has metrics");
    let without_time = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("each line is a JSON object");
        let seconds = record.as_object_mut().and_then(|record| record.remove("seconds"));
        assert!(seconds.is_some_and(|seconds| seconds.is_number()), "a record without seconds: {line}");
        record
    };
    Results { model, metrics: text.lines().map(without_time).collect() }
}

/// An observer that breaks at the first event that is chosen.
pub(crate) fn break_at(
    mut chosen: impl FnMut(&Event<'_>) -> bool + Send,
) -> impl FnMut(&Event<'_>) -> ControlFlow<()> + Send {
    move |event| if chosen(event) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Rows that are training, validation and test split at once.
pub(crate) fn dataset(rows: &BitMatrix) -> Dataset {
    let split = split(rows);
    Dataset::new("rows", split.clone(), split.clone(), split).expect("equal widths")
}

pub(crate) fn split(rows: &BitMatrix) -> Split {
    Split::new(Values::Bits(rows.clone()), None).expect("at least one row")
}

pub(crate) fn builtin(name: &str) -> Dataset {
    Dataset::builtin(name).expect("a built-in data set")
}

/// The rows of a binary data set.
pub(crate) fn rows_of(data: &Dataset) -> BitMatrix {
    data.train.to_bits(Binarise::None).expect("binary data")
}

pub(crate) fn rbm_of(fixture: &Fixture) -> Rbm {
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    Rbm::from_data(data).expect("a sound fixture")
}

pub(crate) fn pack(rows: &[Vec<u8>]) -> BitMatrix {
    BitMatrix::from_fn(rows[0].len(), rows.len(), |unit, row| rows[row][unit] == 1)
}

/// Weights that rise and fall over a range, without any random numbers.
pub(crate) fn wave(visible: usize, hidden: usize, size: f32) -> Rbm {
    let weights = Matrix::from_fn(visible, hidden, |i, j| size * (1.7 * i as f32 + 2.3 * j as f32 + 0.4).sin());
    let bias = |n: usize| Vector::from_fn(n, |i, _| 0.3 * (1.1 * i as f32).cos());
    Rbm::new(weights, bias(visible), bias(hidden)).expect("finite parameters")
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
