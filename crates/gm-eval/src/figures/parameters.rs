//! Statistics of parameters: ranges of tensors, histograms, and units that do nothing.

use gm_core::{ModelData, ModelKind, Standardise, VisibleKind};
use serde::Serialize;

/// The input beyond which a unit counts as stuck: it is then on with a probability below 0.01 or above 0.99.
const STUCK: f32 = 4.6;
/// The range of inputs below which a unit counts as dead: its neighbours change its probability by less than 0.01.
const DEAD: f32 = 0.04;

/// Range and moments of a tensor.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[4, 3])?)?;
/// let weights = &gm_eval::tensor_statistics(&data)[0];
/// assert_eq!((weights.name.as_str(), &weights.shape, weights.max), ("weights.0", &vec![4, 3], 0.0));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TensorStatistics {
    /// The name of the tensor.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// The mean.
    pub mean: f64,
    /// The root mean square.
    pub rms: f64,
}

impl TensorStatistics {
    fn new(shape: Vec<usize>, name: String, values: &[f32]) -> Self {
        let n = values.len() as f64;
        let sum = |f: fn(f64) -> f64| values.iter().map(|&x| f(f64::from(x))).sum::<f64>() / n;
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Self { name, shape, min, max, mean: sum(|x| x), rms: sum(|x| x * x).sqrt() }
    }
}

/// Range and moments of each tensor of a model.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[4, 3])?)?;
/// let names: Vec<String> = gm_eval::tensor_statistics(&data).into_iter().map(|tensor| tensor.name).collect();
/// assert_eq!(names, ["weights.0", "bias.0", "bias.1"]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn tensor_statistics(data: &ModelData) -> Vec<TensorStatistics> {
    let (net, labels) = (data.recognition.as_ref(), data.labels.as_ref());
    let matrix = |name: &str| {
        let number = |prefix: &str| name.strip_prefix(prefix).and_then(|l| l.parse::<usize>().ok());
        let of_stack = number("weights.").map(|l| data.stack.weights(l).shape());
        let of_net = || number("recognition.weights.").and_then(|l| Some(net?.weights(l).shape()));
        let own = || number("within.").and_then(|l| Some(data.stack.within(l)?.shape()));
        let within = || number("recognition.within.").and_then(|l| Some(net?.within(l)?.shape())).or_else(own);
        let of_labels = || labels.filter(|_| name == "label.weights").map(|labels| labels.weights().shape());
        of_stack.or_else(of_net).or_else(within).or_else(of_labels)
    };
    let shape = |name: &str, length| matrix(name).map_or_else(|| vec![length], |(rows, columns)| vec![rows, columns]);
    let named = data.stack.tensor_names().into_iter().zip(data.stack.tensors());
    // A feed-forward net has no biases on its input.
    let named = named.filter(|(name, _)| data.kind != ModelKind::Classifier || name != "bias.0");
    let of_net = net.into_iter().flat_map(|net| net.tensor_names().into_iter().zip(net.tensors()));
    let standardise = data.standardise.as_ref();
    let others = [
        ("label.weights", labels.map(|labels| labels.weights().as_slice())),
        ("label.bias", labels.map(|labels| labels.bias().as_slice())),
        ("visible_variance", data.visible_variance.as_ref().map(|variance| variance.as_slice())),
        ("visible_shift", standardise.map(Standardise::shift)),
        ("visible_scale", standardise.map(Standardise::scale)),
    ];
    let others = others.into_iter().filter_map(|(name, values)| Some((name.to_owned(), values?)));
    let statistics = |(name, values): (String, &[f32])| TensorStatistics::new(shape(&name, values.len()), name, values);
    let of_units = data.unit_tensors().into_iter();
    let of_units = of_units.map(|(name, values)| TensorStatistics::new(vec![values.len()], name, &values));
    named.chain(of_net).chain(others).map(statistics).chain(of_units).collect()
}

/// The number of parameters that training changes.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[4, 3])?)?;
/// assert_eq!(gm_eval::parameter_count(&data), 19);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn parameter_count(data: &ModelData) -> usize {
    let trained = tensor_statistics(data)
        .into_iter()
        .filter(|tensor| !matches!(&*tensor.name, "visible_shift" | "visible_scale"));
    let count = |tensor: &TensorStatistics| {
        let numbers = tensor.shape.iter().product::<usize>();
        // Weights within a layer lead to later units alone.
        if tensor.name.contains("within.") { (numbers - tensor.shape[0]) / 2 } else { numbers }
    };
    trained.map(|tensor| count(&tensor)).sum()
}

/// Counts of units of a layer that hardly react, whatever the states of their neighbours. The parameters alone decide.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, ModelData, ModelKind, Stack, Vector};
///
/// let stack = Stack::new(vec![Matrix::zeros(4, 3)], vec![Vector::zeros(4), Vector::from_element(3, -7.0)])?;
/// let hidden = &gm_eval::unit_statistics(&ModelData::from_stack(ModelKind::Rbm, stack)?)[1];
/// assert_eq!((hidden.layer, hidden.units, hidden.dead, hidden.always_off, hidden.always_on), (1, 3, 3, 3, 0));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnitStatistics {
    /// The layer, from 0.
    pub layer: usize,
    /// Number of units.
    pub units: usize,
    /// Units whose neighbours hardly change their probability, and which hardly change that of their neighbours.
    pub dead: usize,
    /// Units that are hardly ever on.
    pub always_off: usize,
    /// Units that are hardly ever off.
    pub always_on: usize,
}

impl UnitStatistics {
    fn new(data: &ModelData, layer: usize) -> Self {
        let (ranges, effects) = (input_ranges(data, layer), effects_below(data, layer));
        let dead = ranges.iter().zip(effects).filter(|((low, high), effect)| high - low < DEAD && *effect < DEAD);
        let dead = dead.count();
        let count = |is: &dyn Fn(f32, f32) -> bool| ranges.iter().filter(|(low, high)| is(*low, *high)).count();
        Self {
            layer,
            units: ranges.len(),
            dead,
            always_off: count(&|_, high| high < -STUCK),
            always_on: count(&|low, _| low > STUCK),
        }
    }
}

/// Counts of units that hardly react, for each layer. The answer is empty for classifiers and Gaussian visible units,
/// because their inputs have no bounds.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let data = ModelData::from_stack(ModelKind::Dbm, Stack::zeros(&[4, 3, 2])?)?;
/// assert_eq!(gm_eval::unit_statistics(&data).iter().map(|layer| layer.units).collect::<Vec<_>>(), [4, 3, 2]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn unit_statistics(data: &ModelData) -> Vec<UnitStatistics> {
    let binary = matches!(data.kind, ModelKind::Rbm | ModelKind::Sbn | ModelKind::Dbm | ModelKind::Dbn);
    let reals = !binary || data.visible == VisibleKind::Gaussian;
    let layers = if reals { 0 } else { data.stack.depth() + 1 };
    (0..layers).map(|l| UnitStatistics::new(data, l)).collect()
}

/// Whether a layer is undirected towards an undirected neighbour.
fn is_undirected(data: &ModelData, layer: usize) -> bool {
    match data.kind {
        ModelKind::Rbm | ModelKind::Dbm | ModelKind::Harmonium => true,
        ModelKind::Dbn => layer + 1 >= data.stack.depth(),
        ModelKind::Sbn | ModelKind::Classifier => false,
    }
}

/// The greatest weight of each unit to a unit that it causes, in the layer below or behind it in its own layer. It is 0 for
/// units whose weights work both ways.
fn effects_below(data: &ModelData, layer: usize) -> Vec<f32> {
    let units = data.stack.bias(layer).len();
    let within = data.stack.within(layer);
    let own = within.map_or_else(|| vec![0.0; units], |within| within.row_iter().map(|row| row.amax()).collect());
    if layer == 0 || is_undirected(data, layer) && is_undirected(data, layer - 1) {
        return own;
    }
    let below = data.stack.weights(layer - 1).column_iter().map(|weights| weights.amax());
    below.zip(own).map(|(below, own)| below.max(own)).collect()
}

/// The smallest and the largest input of each unit over all states of the layers on which it depends.
fn input_ranges(data: &ModelData, layer: usize) -> Vec<(f32, f32)> {
    let top = data.stack.depth();
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
    if layer > 0 && is_undirected(data, layer) && is_undirected(data, layer - 1) {
        let weights = data.stack.weights(layer - 1);
        (0..weights.ncols()).for_each(|j| (0..weights.nrows()).for_each(|i| widen(j, weights[(i, j)])));
    }
    if let Some(within) = data.stack.within(layer) {
        (0..within.ncols()).for_each(|j| (0..j).for_each(|i| widen(j, within[(i, j)])));
    }
    ranges
}

/// A histogram: the left end of each of `bins` equal bins between `low` and `high`, and the share of the values in the
/// bin.
///
/// Values outside the range count in the outer bins. Values that are not finite count in no bin.
///
/// # Examples
///
/// ```
/// let found = gm_eval::histogram(&[0.0, 0.1, 0.6, 1.0], (0.0, 1.0), 2);
/// assert_eq!(found, [(0.0, 0.5), (0.5, 0.5)]);
/// ```
#[must_use]
pub fn histogram(values: &[f32], (low, high): (f32, f32), bins: usize) -> Vec<(f64, f64)> {
    let width = f64::from(high - low) / bins as f64;
    let mut counts = vec![0_usize; bins];
    for &value in values.iter().filter(|value| value.is_finite()) {
        let bin = if width > 0.0 { (f64::from(value - low) / width) as usize } else { 0 };
        counts[bin.min(bins - 1)] += 1;
    }
    let share = |count: usize| count as f64 / values.len().max(1) as f64;
    counts.iter().enumerate().map(|(i, &count)| (f64::from(low) + i as f64 * width, share(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Labels, Matrix, Recognition, Stack, Vector};

    fn model() -> ModelData {
        let weights = Matrix::from_row_slice(3, 2, &[1.0, 0.0, -2.0, 0.01, 0.0, 0.0]);
        let stack =
            Stack::new(vec![weights], vec![Vector::from_vec(vec![0.0, 0.0, 6.0]), Vector::from_vec(vec![-7.0, 0.5])]);
        ModelData::from_stack(ModelKind::Rbm, stack.unwrap()).unwrap()
    }

    #[test]
    fn table_units_from_parameters() {
        let layers = unit_statistics(&model());
        let (visible, hidden) = (layers[0], layers[1]);
        assert_eq!((hidden.units, hidden.dead, hidden.always_off, hidden.always_on), (2, 1, 1, 0));
        assert_eq!((visible.units, visible.dead, visible.always_off, visible.always_on), (3, 1, 0, 1));
        assert_eq!(input_ranges(&model(), 0)[1], (-2.0, 0.01));
        assert_eq!(input_ranges(&model(), 1)[0], (-9.0, -6.0));
    }

    #[test]
    fn table_tensors_and_parameters_of_recognition_nets_and_label_units() {
        let layers = [4, 3, 2];
        let net = Recognition::zeros(&layers).unwrap().autoregressive();
        let sbn = ModelData {
            recognition: Some(net),
            ..ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&layers).unwrap()).unwrap()
        };
        let found: Vec<(String, Vec<usize>)> =
            tensor_statistics(&sbn).into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
        let expected: [(&str, &[usize]); 6] = [
            ("recognition.weights.0", &[4, 3]),
            ("recognition.weights.1", &[3, 2]),
            ("recognition.bias.1", &[3]),
            ("recognition.bias.2", &[2]),
            ("recognition.within.1", &[3, 3]),
            ("recognition.within.2", &[2, 2]),
        ];
        assert_eq!(found.len(), 5 + expected.len());
        assert!(
            found[5..].iter().zip(expected).all(|((name, shape), other)| (&**name, &**shape) == other),
            "{found:?}"
        );
        // 27 of the net itself, 23 of the recognition net, and 3 + 1 within its layers.
        assert_eq!(parameter_count(&sbn), 27 + 23 + 4);
        let labels = Labels::new(Matrix::zeros(5, 3), Vector::zeros(5)).unwrap();
        let dbn = ModelData {
            labels: Some(labels),
            ..ModelData::from_stack(ModelKind::Dbn, Stack::zeros(&layers).unwrap()).unwrap()
        };
        assert_eq!(parameter_count(&dbn), 27 + 15 + 5);
        assert_eq!(tensor_statistics(&dbn)[5].shape, [5, 3]);
    }

    #[test]
    fn table_directed_units_live_by_what_they_cause() {
        let of_kind = |kind: ModelKind, weights: [f32; 2]| {
            let below = Matrix::from_row_slice(2, 2, &[weights[0], 0.0, 0.0, 0.01]);
            let above = Matrix::from_row_slice(2, 1, &[weights[1], 0.0]);
            let data = ModelData::from_stack(
                kind,
                Stack::new(vec![below, above], [2, 2, 1].map(Vector::zeros).to_vec()).unwrap(),
            );
            unit_statistics(&data.unwrap()).iter().map(|layer| layer.dead).collect::<Vec<_>>()
        };
        // A unit with no cause above it lives if it causes something below.
        assert_eq!(of_kind(ModelKind::Sbn, [2.0, 2.0]), [1, 1, 0]);
        assert_eq!(of_kind(ModelKind::Sbn, [2.0, 0.0]), [1, 1, 1]);
        assert_eq!(of_kind(ModelKind::Sbn, [0.0, 2.0]), [2, 1, 0]);
        assert_eq!(of_kind(ModelKind::Dbn, [2.0, 0.0]), [1, 1, 1]);
        assert_eq!(of_kind(ModelKind::Dbn, [0.0, 2.0]), [2, 1, 0]);
        assert_eq!(of_kind(ModelKind::Dbm, [2.0, 0.0]), [1, 1, 1]);
    }

    #[test]
    fn table_a_histogram_holds_every_finite_value_once() {
        assert_eq!(histogram(&[3.0; 4], (3.0, 3.0), 2), [(3.0, 1.0), (3.0, 0.0)]);
        assert_eq!(histogram(&[f32::NAN, 0.2], (0.0, 1.0), 2), [(0.0, 0.5), (0.5, 0.0)]);
    }
}
