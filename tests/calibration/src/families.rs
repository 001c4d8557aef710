//! The families of models: random, strong, bimodal and trained ones of all kinds, with every kind of visible units.

use gm::Result;
use gm::core::VisibleUnits;
use gm::core::layer::{Layer, LayerSpec};
use gm::prelude::{
    Batch, BitMatrix, Dataset, Dbm, DbmSettings, Dbn, DbnSettings, EvalData, FitOptions, Harmonium, Matrix, Model,
    ModelKind, Rbm, RbmSettings, Sbn, SbnSettings, SplitName, Stack, Streams, Unobserved, VisibleKind, fit_dbm,
    fit_dbn, fit_rbm, fit_sbn,
};
use gm::train::Algorithm;
use rand::{Rng, RngExt};

use crate::random::{bimodal, gaussian, labels, stack};

/// A model small enough to enumerate, with rows to evaluate.
#[derive(Debug)]
pub struct Case {
    /// The model.
    pub model: Model,
    /// The rows.
    pub data: EvalData,
}

/// A family of models.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name in the table.
    pub name: &'static str,
    make: Make,
}

/// How the models of a family are made. Scales are standard deviations of weights.
#[derive(Clone, Copy, Debug)]
enum Make {
    /// Random parameters, at a scale in this range.
    Random(ModelKind, VisibleKind, [f32; 2]),
    /// An RBM with two modes far apart.
    Bimodal,
    /// Random parameters with label units.
    Labelled(ModelKind),
    /// An RBM trained on bars and stripes by this algorithm, for too few to too many updates.
    Trained(Algorithm),
    /// Another model trained on bars and stripes.
    TrainedDeep(ModelKind),
    /// A harmonium with random parameters, in turn with these kinds of visible and of hidden units.
    Harmonium([&'static str; 3], [&'static str; 3]),
}

const SOFTMAX: VisibleKind = VisibleKind::Softmax { categories: 3 };
const WEAK: [f32; 2] = [0.3, 1.5];
const STRONG: [f32; 2] = [2.0, 6.0];

/// All families.
pub const FAMILIES: &[Family] = &[
    Family { name: "RBM, random", make: Make::Random(ModelKind::Rbm, VisibleKind::Bernoulli, WEAK) },
    Family { name: "RBM, strong weights", make: Make::Random(ModelKind::Rbm, VisibleKind::Bernoulli, STRONG) },
    Family { name: "RBM, two modes", make: Make::Bimodal },
    Family { name: "RBM, trained by CD", make: Make::Trained(Algorithm::Cd) },
    Family { name: "RBM, trained by PCD", make: Make::Trained(Algorithm::Pcd) },
    Family { name: "RBM, label units", make: Make::Labelled(ModelKind::Rbm) },
    Family { name: "RBM, Gaussian units", make: Make::Random(ModelKind::Rbm, VisibleKind::Gaussian, [0.2, 0.7]) },
    Family { name: "RBM, softmax units", make: Make::Random(ModelKind::Rbm, SOFTMAX, WEAK) },
    Family { name: "DBM, random", make: Make::Random(ModelKind::Dbm, VisibleKind::Bernoulli, WEAK) },
    Family { name: "DBM, strong weights", make: Make::Random(ModelKind::Dbm, VisibleKind::Bernoulli, STRONG) },
    Family { name: "DBM, trained", make: Make::TrainedDeep(ModelKind::Dbm) },
    Family { name: "DBM, Gaussian units", make: Make::Random(ModelKind::Dbm, VisibleKind::Gaussian, [0.2, 0.7]) },
    Family { name: "DBM, softmax units", make: Make::Random(ModelKind::Dbm, SOFTMAX, WEAK) },
    Family { name: "DBN, random", make: Make::Random(ModelKind::Dbn, VisibleKind::Bernoulli, WEAK) },
    Family { name: "DBN, strong weights", make: Make::Random(ModelKind::Dbn, VisibleKind::Bernoulli, STRONG) },
    Family { name: "DBN, trained", make: Make::TrainedDeep(ModelKind::Dbn) },
    Family { name: "DBN, label units", make: Make::Labelled(ModelKind::Dbn) },
    Family { name: "DBN, Gaussian units", make: Make::Random(ModelKind::Dbn, VisibleKind::Gaussian, [0.2, 0.7]) },
    Family { name: "DBN, softmax units", make: Make::Random(ModelKind::Dbn, SOFTMAX, WEAK) },
    Family { name: "SBN, random", make: Make::Random(ModelKind::Sbn, VisibleKind::Bernoulli, WEAK) },
    Family { name: "SBN, strong weights", make: Make::Random(ModelKind::Sbn, VisibleKind::Bernoulli, STRONG) },
    Family { name: "SBN, trained", make: Make::TrainedDeep(ModelKind::Sbn) },
    Family {
        name: "harmonium, units of few states",
        make: Make::Harmonium(["spin", "softmax:3", "binomial:3"], ["spin", "binomial:2", "softmax:2"]),
    },
    Family {
        name: "harmonium, real-valued hidden units",
        make: Make::Harmonium(["bernoulli", "spin", "softmax:3"], ["gaussian", "relu", "drelu"]),
    },
];

/// Rows of each case.
const ROWS: usize = 40;

impl Family {
    /// Model number `index` of the family. Cases of even number have rows that are typical of the model, the others
    /// uniform ones.
    ///
    /// # Errors
    ///
    /// The errors of training.
    pub fn case(&self, index: u64, seed: u64) -> Result<Case> {
        let streams = Streams::new(seed.wrapping_mul(1_000_003).wrapping_add(index));
        let rng = &mut streams.stream(0);
        match self.make {
            Make::Random(kind, visible, scales) => {
                let scale = rng.random_range(scales[0]..scales[1]);
                let layers = layers(kind, visible, rng);
                let stack = stack(&layers, scale, rng)?;
                random_case(with_units(kind, stack, visible, rng)?, index, &streams)
            }
            Make::Harmonium(visible, hidden) => {
                let [v, h] =
                    [(visible, rng.random_range(0..3)), (hidden, rng.random_range(0..3))].map(|(kinds, k)| kinds[k]);
                random_case(Model::Harmonium(harmonium(v, h, rng)?), index, &streams)
            }
            Make::Bimodal => {
                let (layers, strength) =
                    (layers(ModelKind::Rbm, VisibleKind::Bernoulli, rng), rng.random_range(0.3..1.0));
                random_case(Model::Rbm(Rbm::from_stack(bimodal(&layers, strength, rng)?)?), index, &streams)
            }
            Make::Labelled(kind) => random_case(labelled(kind, rng)?, index, &streams),
            Make::Trained(algorithm) => trained_case(trained_rbm(algorithm, index, &streams)?, index, &streams),
            Make::TrainedDeep(kind) => trained_case(trained(kind, index, &streams)?, index, &streams),
        }
    }
}

/// A harmonium with random parameters whose visible layer can be enumerated.
fn harmonium(visible: &str, hidden: &str, rng: &mut impl Rng) -> Result<Harmonium> {
    let mut layer = |text: &str, sites: usize| -> Result<Layer> {
        let width = if text.starts_with("softmax:3") { 3 } else { 1 + usize::from(text.starts_with("softmax")) };
        let mut layer = text.parse::<LayerSpec>()?.layer(width * sites)?;
        let steps: Vec<f32> = layer.parameters().iter().map(|_| rng.random_range(-1.0..1.0)).collect();
        layer.step(&steps);
        Ok(layer)
    };
    let sites = if visible == "bernoulli" || visible == "spin" { 10 } else { 5 };
    let (v, h) = (layer(visible, sites)?, layer(hidden, 6)?);
    let scale = rng.random_range(0.2..1.0_f32);
    let weights = Matrix::from_fn(v.units(), h.units(), |_, _| scale * rng.random_range(-1.0..1.0_f32));
    Ok(Harmonium::new(v, h, weights)?)
}

/// Random layers that can be enumerated.
fn layers(kind: ModelKind, visible: VisibleKind, rng: &mut impl Rng) -> Vec<usize> {
    let mut size = |low: usize, high: usize| rng.random_range(low..=high);
    let groups = match visible {
        VisibleKind::Softmax { categories } => Some(categories),
        _ => None,
    };
    let bottom = match groups {
        Some(categories) => categories * size(3, 5),
        None => size(8, 14),
    };
    match kind {
        ModelKind::Rbm => vec![bottom, size(6, 12)],
        _ => match size(0, 1) {
            0 => vec![bottom, size(5, 8), size(4, 8)],
            _ => vec![bottom, size(4, 6), size(4, 6), size(3, 5)],
        },
    }
}

fn with_units(kind: ModelKind, stack: Stack, visible: VisibleKind, rng: &mut impl Rng) -> Result<Model> {
    let n = stack.layers()[0];
    let units = match visible {
        VisibleKind::Gaussian => gaussian(n, rng)?,
        other => VisibleUnits::new(other, n, None)?,
    };
    Ok(match kind {
        ModelKind::Rbm => Model::Rbm(Rbm::from_stack(stack)?.with_units(units)?),
        ModelKind::Dbm => Model::Dbm(Dbm::from_stack(stack)?.with_units(units)?),
        ModelKind::Dbn => Model::Dbn(Dbn::from_stack(stack)?.with_units(units)?),
        _ => {
            // A recognition net near the generative one, as a trained net has.
            let layers = stack.layers();
            let weights = (0..stack.depth()).map(|l| stack.weights(l).clone()).collect();
            let biases = (1..layers.len()).map(|l| stack.bias(l).clone()).collect();
            Model::Sbn(Sbn::new(stack, Some(gm::core::Recognition::new(weights, biases)?))?)
        }
    })
}

fn labelled(kind: ModelKind, rng: &mut impl Rng) -> Result<Model> {
    let (classes, scale) = (rng.random_range(2..=4_usize), rng.random_range(0.3..3.0));
    if kind == ModelKind::Dbn {
        let layers = layers(kind, VisibleKind::Bernoulli, rng);
        let below = layers[layers.len() - 1];
        let dbn = Dbn::from_stack(stack(&layers, scale, rng)?)?;
        return Ok(Model::Dbn(dbn.with_labels(Some(labels(classes, below, scale, rng)?))?));
    }
    let (bottom, hidden) = (rng.random_range(6..=10) + classes, rng.random_range(6..=10));
    let units = VisibleUnits::new(VisibleKind::Labelled { classes }, bottom, None)?;
    Ok(Model::Rbm(Rbm::from_stack(stack(&[bottom, hidden], scale, rng)?)?.with_units(units)?))
}

/// A random model with rows of its own or, in cases of odd number, of the same model without weights and biases.
fn random_case(model: Model, index: u64, streams: &Streams) -> Result<Case> {
    let family = streams.fork(gm::core::Purpose::Choose, 0);
    let rows = if index.is_multiple_of(2) { rows_of(&model, &family)? } else { rows_of(&blank(&model)?, &family)? };
    Ok(Case { model, data: EvalData::from_rows("random", rows) })
}

/// Exact draws of a model, as rows of data.
fn rows_of(model: &Model, streams: &Streams) -> Result<Batch> {
    Ok(match model {
        Model::Rbm(rbm) => {
            let v = rbm.exact_samples(ROWS, streams)?.into_v();
            let rows = rbm.rows_of_states(&v.to_matrix());
            if v.as_bits().is_some() { BitMatrix::from_matrix(&rows)?.into() } else { rows.into() }
        }
        Model::Dbm(dbm) => dbm.exact_samples(ROWS, streams)?.into_v(),
        Model::Dbn(dbn) => dbn.exact_samples(ROWS, streams)?.swap_remove(0),
        Model::Sbn(sbn) => sbn.sampler().sample(ROWS, streams).swap_remove(0).into(),
        Model::Harmonium(model) => {
            let rows = model.visible().rows_of_states(&model.exact_samples(ROWS, streams)?.0.to_matrix());
            match model.visible().data_kind() {
                VisibleKind::Gaussian => rows.into(),
                _ => BitMatrix::from_matrix(&rows)?.into(),
            }
        }
    })
}

/// The model with all weights and biases 0.
fn blank(model: &Model) -> Result<Model> {
    let stack = Stack::zeros(&model.layers())?;
    Ok(match model {
        Model::Rbm(rbm) => Model::Rbm(Rbm::from_stack(stack)?.with_units(rbm.units().clone())?),
        Model::Dbm(dbm) => Model::Dbm(Dbm::from_stack(stack)?.with_units(dbm.units().clone())?),
        Model::Dbn(dbn) => Model::Dbn(Dbn::from_stack(stack)?.with_units(dbn.units().clone())?),
        Model::Sbn(_) => Model::Sbn(Sbn::from_stack(stack)?),
        Model::Harmonium(model) => {
            let parts = [model.visible(), model.hidden()].map(|layer| LayerSpec::of(layer).layer(layer.units()));
            let [visible, hidden] = parts;
            Model::Harmonium(Harmonium::new(visible?, hidden?, Matrix::zeros(stack.layers()[0], stack.layers()[1]))?)
        }
    })
}

/// Epochs of training, from too few to too many.
fn epochs(index: u64) -> u64 {
    [3, 30, 300, 1_500][(index / 2 % 4) as usize]
}

fn bars() -> Result<Dataset> {
    Ok(Dataset::builtin("bars-and-stripes:4")?)
}

fn trained_rbm(algorithm: Algorithm, index: u64, streams: &Streams) -> Result<Model> {
    let settings = RbmSettings {
        hidden: 16,
        algorithm,
        chains: 30,
        batch_size: 10,
        epochs: epochs(index),
        learning_rate: 0.3,
        init_scale: 0.1,
        ..Default::default()
    };
    Ok(Model::Rbm(fit_rbm(&bars()?, &settings, streams, &mut Unobserved)?.model))
}

fn trained(kind: ModelKind, index: u64, streams: &Streams) -> Result<Model> {
    let (data, hidden, epochs) = (bars()?, vec![8, 6], epochs(index).min(300));
    Ok(match kind {
        ModelKind::Dbm => {
            let settings = DbmSettings {
                hidden,
                pretrain_epochs: epochs,
                epochs,
                batch_size: 10,
                chains: 30,
                learning_rate: 0.1,
                ..Default::default()
            };
            Model::Dbm(fit_dbm(&data, &settings, &FitOptions::default(), streams, &mut Unobserved)?.model)
        }
        ModelKind::Dbn => {
            let layer = RbmSettings { chains: 30, batch_size: 10, ..DbnSettings::default().layer };
            let settings =
                DbnSettings { hidden, epochs: vec![epochs], learning_rate: vec![0.2], layer, ..Default::default() };
            Model::Dbn(fit_dbn(&data, &settings, &FitOptions::default(), streams, &mut Unobserved)?.model)
        }
        _ => {
            let settings = SbnSettings { hidden, epochs, batch_size: 10, learning_rate: 0.02, ..Default::default() };
            Model::Sbn(fit_sbn(&data, &settings, &FitOptions::default(), streams, &mut Unobserved)?.model)
        }
    })
}

/// A trained model with its test rows or, in cases of odd number, with uniform rows.
fn trained_case(model: Model, index: u64, streams: &Streams) -> Result<Case> {
    let data = EvalData::from_dataset(&bars()?, SplitName::Test, None)?;
    if index.is_multiple_of(2) {
        return Ok(Case { model, data });
    }
    let rows = rows_of(&blank(&model)?, &streams.fork(gm::core::Purpose::Choose, 0))?;
    Ok(Case { model, data: EvalData { rows, ..data } })
}
