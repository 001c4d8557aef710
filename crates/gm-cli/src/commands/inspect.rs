//! `dgm inspect`: what a model's parameters look like.

use std::path::PathBuf;

use clap::Args;
use gm_core::{BitMatrix, Matrix, ModelData, ModelKind, Standardise, VisibleKind};
use gm_sbn::{Posterior, Sbn};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::files::{Kind, Target};
use crate::model;
use crate::output::{Listing, Report, table};
use crate::picture;
use crate::training::filters_of;
use crate::units::filter_shape;

/// Shows a model's shapes, ranges, weight spectrum and filters
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm inspect model.gm\n  dgm inspect model.gm --filters filters.png")]
pub(crate) struct Inspect {
    /// A model file
    model: PathBuf,
    /// Draw the weights of each unit of the first hidden layer into this .png file
    #[arg(long, value_name = "FILE")]
    filters: Option<PathBuf>,
    /// Show what seeing these visible units, such as 0110, does to two hidden units of a small sigmoid belief net
    #[arg(long, value_name = "ROW")]
    posterior: Option<Seen>,
    /// The two hidden units, numbered from 0 from the first hidden layer up [default: those whose correlation changes most]
    #[arg(long, value_name = "I,J", requires = "posterior")]
    causes: Option<Pair>,
    /// Replace the picture if it exists
    #[arg(long, requires = "filters")]
    force: bool,
}

/// The input beyond which a unit counts as stuck: it is then on with a probability below 0.01 or above 0.99.
const STUCK: f32 = 4.6;
/// The range of inputs below which a unit counts as dead: its neighbours change its probability by less than 0.01.
const DEAD: f32 = 0.04;

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    visible: String,
    layers: Vec<usize>,
    parameters: usize,
    tensors: Vec<Tensor>,
    spectra: Vec<Spectrum>,
    units: Vec<Units>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    metadata: std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    posterior: Option<Explained>,
}

/// A row of visible units.
#[derive(Clone, Debug)]
struct Seen(Vec<bool>);

impl std::str::FromStr for Seen {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let bit = |c: char| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            other => Err(format!("`{other}` is not 0 or 1")),
        };
        text.chars().map(bit).collect::<std::result::Result<_, _>>().map(Self)
    }
}

/// Two hidden units.
#[derive(Clone, Copy, Debug)]
struct Pair([usize; 2]);

impl std::str::FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let pair = text.split_once(',').and_then(|(i, j)| Some([i.trim().parse().ok()?, j.trim().parse().ok()?]));
        pair.map(Self).ok_or_else(|| format!("`{text}` is not a pair of numbers such as 0,1"))
    }
}

/// Two hidden units before and after visible ones are seen.
#[derive(Serialize)]
struct Explained {
    causes: [usize; 2],
    before: Belief,
    after: Belief,
}

/// What is believed of two hidden units.
#[derive(Serialize)]
struct Belief {
    means: [f64; 2],
    correlation: f64,
}

impl Belief {
    fn new(distribution: &Posterior, [i, j]: [usize; 2]) -> Self {
        let means = distribution.means();
        Self { means: [means[i], means[j]], correlation: distribution.correlation(i, j) }
    }
}

impl Explained {
    fn new(sbn: &Sbn, seen: &Seen, causes: Option<Pair>) -> Result<Self> {
        let v = BitMatrix::from_fn(seen.0.len(), 1, |unit, _| seen.0[unit]);
        let (before, after) = (sbn.prior()?, sbn.posterior(&v, 0)?);
        let causes = match causes {
            Some(Pair([i, j])) if i != j && i.max(j) < sbn.hidden() => [i, j],
            Some(Pair([i, j])) => {
                let allowed = format!("two different numbers from 0 to {}", sbn.hidden() - 1);
                return Err(Error::Option { option: "--causes", value: format!("{i},{j}"), allowed });
            }
            None => most_changed(&before, &after, sbn.hidden())?,
        };
        Ok(Self { before: Belief::new(&before, causes), after: Belief::new(&after, causes), causes })
    }
}

/// The pair of hidden units whose correlation changes most.
fn most_changed(before: &Posterior, after: &Posterior, hidden: usize) -> Result<[usize; 2]> {
    let change = |&[i, j]: &[usize; 2]| {
        let change = (after.correlation(i, j) - before.correlation(i, j)).abs();
        if change.is_nan() { 0.0 } else { change }
    };
    let pairs = (0..hidden).flat_map(|i| (i + 1..hidden).map(move |j| [i, j]));
    pairs.max_by(|a, b| change(a).total_cmp(&change(b))).ok_or_else(|| Error::Option {
        option: "--posterior",
        value: "a single hidden unit".into(),
        allowed: "models with two or more".into(),
    })
}

/// Range and moments of a tensor.
#[derive(Serialize)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) min: f32,
    pub(crate) max: f32,
    pub(crate) mean: f64,
    pub(crate) rms: f64,
}

/// Singular values of a weight matrix.
#[derive(Serialize)]
pub(crate) struct Spectrum {
    pub(crate) name: String,
    /// All of them, falling.
    pub(crate) singular_values: Vec<f32>,
    /// exp of the entropy of their squares: how many directions carry the weight.
    pub(crate) effective_rank: f64,
}

/// What can be said of a layer's units from the parameters alone, whatever their neighbours do.
#[derive(Serialize)]
pub(crate) struct Units {
    pub(crate) layer: usize,
    pub(crate) units: usize,
    /// Units that their neighbours hardly move.
    pub(crate) dead: usize,
    /// Units that are hardly ever on.
    pub(crate) always_off: usize,
    /// Units that are hardly ever off.
    pub(crate) always_on: usize,
}

impl Inspect {
    pub(super) fn run(&self) -> Result<Report> {
        let target = self.filters.as_ref().map(|path| Target::new(path, &[Kind::Png], self.force)).transpose()?;
        let data = model::load_data(&self.model)?;
        if let Some(target) = target {
            let weights = filters_of(&data);
            let shape = filter_shape(data.visible, picture::shape_of(weights.nrows(), None), weights.nrows());
            target.write_picture(&picture::filters(&weights, shape, None))?;
        }
        let posterior = self.posterior.as_ref().map(|seen| self.explain(&data, seen)).transpose()?;
        let document = Document {
            schema: "gm-inspect/1",
            model: data.kind.to_string(),
            visible: data.visible.to_string(),
            layers: data.stack.layers(),
            parameters: parameters(&data),
            tensors: tensors(&data),
            spectra: (0..data.stack.depth()).map(|l| Spectrum::new(l, data.stack.weights(l))).collect(),
            units: unit_rows(&data),
            metadata: data.metadata.clone(),
            filters: self.filters.clone(),
            posterior,
        };
        Report::new(document.text(), &document)
    }

    fn explain(&self, data: &ModelData, seen: &Seen) -> Result<Explained> {
        if data.kind != ModelKind::Sbn {
            let (value, allowed) = (format!("a {}", data.kind), "a sbn, whose causes compete".into());
            return Err(Error::Option { option: "--posterior", value, allowed });
        }
        Explained::new(&Sbn::from_data(data.clone())?, seen, self.causes)
    }
}

/// Numbers that training changes.
fn parameters(data: &ModelData) -> usize {
    let trained =
        tensors(data).into_iter().filter(|tensor| !matches!(&*tensor.name, "visible_shift" | "visible_scale"));
    trained.map(|tensor| tensor.shape.iter().product::<usize>()).sum()
}

/// Range and moments of each tensor.
pub(crate) fn tensors(data: &ModelData) -> Vec<Tensor> {
    let shape = |name: &str, length: usize| match name.strip_prefix("weights.").and_then(|l| l.parse().ok()) {
        Some(l) => vec![data.stack.weights(l).nrows(), data.stack.weights(l).ncols()],
        None => vec![length],
    };
    let named = data.stack.tensor_names().into_iter().zip(data.stack.tensors());
    // A feed-forward net has no biases on its input.
    let named = named.filter(|(name, _)| data.kind != ModelKind::Classifier || name != "bias.0");
    let standardise = data.standardise.as_ref();
    let others = [
        ("visible_variance", data.visible_variance.as_ref().map(|variance| variance.as_slice())),
        ("visible_shift", standardise.map(Standardise::shift)),
        ("visible_scale", standardise.map(Standardise::scale)),
    ];
    let others = others.into_iter().filter_map(|(name, values)| Some((name.to_owned(), values?)));
    named.chain(others).map(|(name, values)| Tensor::new(shape(&name, values.len()), name, values)).collect()
}

/// What the parameters alone tell of units; nothing of models whose inputs are no zeros and ones.
pub(crate) fn unit_rows(data: &ModelData) -> Vec<Units> {
    let reals = data.kind == ModelKind::Classifier || data.visible == VisibleKind::Gaussian;
    let layers = if reals { 0 } else { data.stack.depth() + 1 };
    (0..layers).map(|l| Units::new(data, l)).collect()
}

impl Tensor {
    fn new(shape: Vec<usize>, name: String, values: &[f32]) -> Self {
        let n = values.len() as f64;
        let sum = |f: fn(f64) -> f64| values.iter().map(|&x| f(f64::from(x))).sum::<f64>() / n;
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Self { name, shape, min, max, mean: sum(|x| x), rms: sum(|x| x * x).sqrt() }
    }
}

impl Spectrum {
    /// The spectrum of the weights above layer `l`.
    pub(crate) fn new(l: usize, weights: &Matrix) -> Self {
        let mut values: Vec<f32> = weights.singular_values().iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        let entropy = |x: f32| {
            let share = f64::from(x).powi(2) / total;
            if share > 0.0 { -share * share.ln() } else { 0.0 }
        };
        let effective_rank = if total > 0.0 { values.iter().map(|&x| entropy(x)).sum::<f64>().exp() } else { 0.0 };
        Self { name: format!("weights.{l}"), singular_values: values, effective_rank }
    }
}

impl Units {
    /// Counts the units of a layer.
    pub(crate) fn new(data: &ModelData, layer: usize) -> Self {
        let ranges = input_ranges(data, layer);
        let count = |is: &dyn Fn(f32, f32) -> bool| ranges.iter().filter(|(low, high)| is(*low, *high)).count();
        Self {
            layer,
            units: ranges.len(),
            dead: count(&|low, high| high - low < DEAD),
            always_off: count(&|_, high| high < -STUCK),
            always_on: count(&|low, _| low > STUCK),
        }
    }
}

/// The smallest and the largest input of each unit over all states of the layers that it depends on.
fn input_ranges(data: &ModelData, layer: usize) -> Vec<(f32, f32)> {
    let top = data.stack.depth();
    let undirected = |layer: usize| match data.kind {
        ModelKind::Rbm | ModelKind::Dbm => true,
        ModelKind::Dbn => layer + 1 >= top,
        ModelKind::Sbn | ModelKind::Classifier => false,
    };
    let bias = data.stack.bias(layer).as_slice();
    let mut ranges: Vec<(f32, f32)> = bias.iter().map(|&b| (b, b)).collect();
    let mut widen = |unit: usize, w: f32| {
        ranges[unit].0 += w.min(0.0);
        ranges[unit].1 += w.max(0.0);
    };
    if layer < top {
        let weights = data.stack.weights(layer);
        (0..weights.ncols()).for_each(|j| (0..weights.nrows()).for_each(|i| widen(i, weights[(i, j)])));
    }
    if layer > 0 && undirected(layer) && undirected(layer - 1) {
        let weights = data.stack.weights(layer - 1);
        (0..weights.ncols()).for_each(|j| (0..weights.nrows()).for_each(|i| widen(j, weights[(i, j)])));
    }
    ranges
}

impl Document {
    fn text(&self) -> String {
        let mut head = Listing::default();
        head.add("model", &self.model);
        head.add("visible units", &self.visible);
        head.add("layers", format!("{:?}", self.layers));
        head.add("parameters", self.parameters);
        for (key, value) in &self.metadata {
            head.add(key, value);
        }
        if let Some(path) = &self.filters {
            head.add("filters", path.display());
        }
        if let Some(explained) = &self.posterior {
            let [i, j] = explained.causes;
            head.add("hidden units", format!("{i} and {j}"));
            for (when, belief) in [("before", &explained.before), ("after", &explained.after)] {
                let ([p, q], correlation) = (belief.means, belief.correlation);
                head.add(when, format!("on with {p:.4} and {q:.4}, correlation {correlation:+.4}"));
            }
        }
        let units = if self.units.is_empty() { String::new() } else { self.unit_table() + "\n" };
        head.text() + "\n" + &self.tensor_table() + "\n" + &units + &self.spectrum_lines()
    }

    fn tensor_table(&self) -> String {
        let mut rows = vec![["tensor", "shape", "min", "max", "mean", "rms"].map(String::from).to_vec()];
        for t in &self.tensors {
            let numbers = [f64::from(t.min), f64::from(t.max), t.mean, t.rms].map(|x| format!("{x:.4}"));
            rows.push([t.name.clone(), format!("{:?}", t.shape)].into_iter().chain(numbers).collect());
        }
        table(&rows)
    }

    fn unit_table(&self) -> String {
        let mut rows = vec![["layer", "units", "dead", "always off", "always on"].map(String::from).to_vec()];
        rows.extend(
            self.units
                .iter()
                .map(|u| [u.layer, u.units, u.dead, u.always_off, u.always_on].map(|x| x.to_string()).to_vec()),
        );
        table(&rows)
    }

    fn spectrum_lines(&self) -> String {
        let line = |s: &Spectrum| {
            let first: Vec<String> = s.singular_values.iter().take(8).map(|x| format!("{x:.3}")).collect();
            let dots = if s.singular_values.len() > 8 { " ..." } else { "" };
            format!("{} singular values {}{dots}, effective rank {:.1}\n", s.name, first.join(" "), s.effective_rank)
        };
        self.spectra.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Stack, Vector};

    fn model() -> ModelData {
        let weights = Matrix::from_row_slice(3, 2, &[1.0, 0.0, -2.0, 0.01, 0.0, 0.0]);
        let stack =
            Stack::new(vec![weights], vec![Vector::from_vec(vec![0.0, 0.0, 6.0]), Vector::from_vec(vec![-7.0, 0.5])]);
        ModelData::from_stack(ModelKind::Rbm, stack.unwrap()).unwrap()
    }

    #[test]
    fn table_units_from_parameters() {
        let hidden = Units::new(&model(), 1);
        assert_eq!((hidden.units, hidden.dead, hidden.always_off, hidden.always_on), (2, 1, 1, 0));
        let visible = Units::new(&model(), 0);
        assert_eq!((visible.units, visible.dead, visible.always_off, visible.always_on), (3, 1, 0, 1));
        assert_eq!(input_ranges(&model(), 0)[1], (-2.0, 0.01));
        assert_eq!(input_ranges(&model(), 1)[0], (-9.0, -6.0));
    }

    #[test]
    fn table_spectrum_of_a_diagonal() {
        let spectrum = Spectrum::new(0, &Matrix::from_diagonal(&Vector::from_vec(vec![2.0, -3.0, 0.0])));
        assert_eq!(spectrum.singular_values, [3.0, 2.0, 0.0]);
        let even = Spectrum::new(0, &Matrix::identity(4, 4));
        assert!((even.effective_rank - 4.0).abs() < 1e-6);
        assert_eq!(Spectrum::new(0, &Matrix::zeros(2, 2)).effective_rank, 0.0);
    }
}
