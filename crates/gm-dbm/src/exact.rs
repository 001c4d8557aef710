//! Enumeration of the odd layers, for visible units that are summed or integrated out with the other even ones.

use gm_core::{
    Batch, BitMatrix, Chains, GrayWalk, LogSum, Matrix, Purpose, Result, Streams, gray_walk, logistic_f64, softplus_sum,
};
use rand::RngExt;

use crate::model::{Dbm, flatten, place, widened};

/// Moments of the two halves of the layers.
pub(crate) struct Halves {
    pub(crate) even: Vec<f64>,
    pub(crate) odd: Vec<f64>,
    /// E[x y'] of even units x and odd units y, `[even, odd]`.
    pub(crate) pairs: Matrix,
    /// E[v^2] of Gaussian units.
    pub(crate) squares: Vec<f64>,
}

/// The model seen from its odd layers.
struct OddHalf<'a> {
    dbm: &'a Dbm,
    /// Biases of the units of the odd layers, and of those of the even ones, visible ones first.
    bias: Vec<f64>,
    even_bias: Vec<f64>,
    /// Weights of each odd unit to the even ones.
    rows: Vec<Vec<f64>>,
}

impl<'a> OddHalf<'a> {
    fn new(dbm: &'a Dbm) -> Self {
        let flat = flatten(dbm.stack());
        let rows = flat.weights().column_iter().map(|column| widened(column.as_slice())).collect();
        Self { dbm, bias: widened(flat.hidden_bias()), even_bias: widened(flat.visible_bias()), rows }
    }

    fn walk<T: Send>(&self, start: impl Fn() -> T + Sync, visit: impl Fn(&mut T, &State<'_>) + Sync) -> Result<Vec<T>> {
        let walks = gray_walk("exact enumeration", self.bias.len(), |state| Walk {
            state: State::at(self, state),
            visit: &visit,
            found: start(),
        })?;
        Ok(walks.into_iter().map(|walk| walk.found).collect())
    }
}

/// One state of the odd layers with what it means for the even ones.
struct State<'a> {
    half: &'a OddHalf<'a>,
    bits: u64,
    linear: f64,
    inputs: Vec<f64>,
}

impl<'a> State<'a> {
    fn at(half: &'a OddHalf<'a>, bits: u64) -> Self {
        let mut state = Self { half, bits: 0, linear: 0.0, inputs: half.even_bias.clone() };
        (0..half.bias.len()).filter(|unit| bits >> unit & 1 == 1).for_each(|unit| state.flip(unit));
        state
    }

    fn flip(&mut self, unit: usize) {
        self.bits ^= 1 << unit;
        let sign = if self.bits >> unit & 1 == 1 { 1.0 } else { -1.0 };
        self.linear += sign * self.half.bias[unit];
        for (input, weight) in self.inputs.iter_mut().zip(&self.half.rows[unit]) {
            *input += sign * weight;
        }
    }

    /// log of the unnormalised probability of the odd layers' state.
    fn log_weight(&self) -> f64 {
        let (visible, others) = self.inputs.split_at(self.half.dbm.visible());
        let bias = &self.half.even_bias[..visible.len()];
        self.linear + self.half.dbm.visible_units().log_sum(visible, bias) + softplus_sum(others)
    }

    /// Means of the even units given the odd ones.
    fn means(&self) -> Vec<f64> {
        let mut means = self.inputs.clone();
        let (visible, others) = means.split_at_mut(self.half.dbm.visible());
        self.half.dbm.visible_units().means_of_one(visible);
        others.iter_mut().for_each(|x| *x = logistic_f64(*x));
        means
    }
}

struct Walk<'a, T, V> {
    state: State<'a>,
    visit: &'a V,
    found: T,
}

impl<T: Send, V: Fn(&mut T, &State<'_>) + Sync> GrayWalk for Walk<'_, T, V> {
    fn flip(&mut self, unit: usize) {
        self.state.flip(unit);
    }

    fn visit(&mut self) {
        (self.visit)(&mut self.found, &self.state);
    }
}

/// Sums of p(y) E[x | y], p(y) E[x^2 | y], p(y) y and p(y) y E[x | y]'.
struct Sums {
    even: Vec<f64>,
    squares: Vec<f64>,
    odd: Vec<f64>,
    pairs: Vec<Vec<f64>>,
}

impl Sums {
    fn zeros(half: &OddHalf<'_>) -> Self {
        let (even, odd) = (half.even_bias.len(), half.bias.len());
        let squares = half.dbm.visible_units().gaussian().map_or(0, |gaussian| gaussian.variance().len());
        Self {
            even: vec![0.0; even],
            squares: vec![0.0; squares],
            odd: vec![0.0; odd],
            pairs: vec![vec![0.0; even]; odd],
        }
    }

    fn add(&mut self, state: &State<'_>, log_partition: f64) {
        let p = (state.log_weight() - log_partition).exp();
        let mut means = state.means();
        if let Some(gaussian) = state.half.dbm.visible_units().gaussian() {
            let squares = means.iter().zip(gaussian.variance()).map(|(mean, &s2)| p * (mean * mean + f64::from(s2)));
            add_to(&mut self.squares, &squares.collect::<Vec<_>>());
        }
        means.iter_mut().for_each(|mean| *mean *= p);
        add_to(&mut self.even, &means);
        for unit in (0..self.odd.len()).filter(|unit| state.bits >> unit & 1 == 1) {
            self.odd[unit] += p;
            add_to(&mut self.pairs[unit], &means);
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        add_to(&mut self.even, &other.even);
        add_to(&mut self.squares, &other.squares);
        add_to(&mut self.odd, &other.odd);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(pairs, other)| add_to(pairs, other));
        self
    }
}

fn add_to(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// log Z.
pub(crate) fn log_partition(dbm: &Dbm) -> Result<f64> {
    let mut total = LogSum::default();
    let sums = OddHalf::new(dbm).walk(LogSum::default, |sum, state| sum.add(state.log_weight()))?;
    sums.iter().for_each(|sum| total.merge(sum));
    Ok(total.value())
}

/// Moments under the model.
pub(crate) fn moments(dbm: &Dbm) -> Result<Halves> {
    let (half, log_partition) = (OddHalf::new(dbm), log_partition(dbm)?);
    let walks = half.walk(|| Sums::zeros(&half), |sums, state| sums.add(state, log_partition))?;
    let sums = walks.into_iter().reduce(|a, b| a.merge(&b)).unwrap_or_else(|| Sums::zeros(&half));
    let pairs = sums.pairs.iter().flatten().map(|&x| x as f32);
    let pairs = Matrix::from_iterator(sums.even.len(), sums.odd.len(), pairs);
    Ok(Halves { even: sums.even, odd: sums.odd, pairs, squares: sums.squares })
}

/// Independent draws of all layers: the odd ones as one of all states, the even ones given them.
pub(crate) fn samples(dbm: &Dbm, count: usize, streams: &Streams) -> Result<Chains> {
    let half = OddHalf::new(dbm);
    let states = half.walk(Vec::new, |found, state| found.push((state.bits, state.log_weight())))?.concat();
    let chosen = choose(&states, count, &streams.fork(Purpose::Exact, 0));
    let (mut layers, sizes) = (dbm.blank(count), dbm.layers());
    for l in (1..sizes.len()).step_by(2) {
        let first = place(&sizes, l).start;
        layers[l] = BitMatrix::from_fn(sizes[l], count, |unit, s| chosen[s] >> (first + unit) & 1 == 1).into();
    }
    let other = streams.fork(Purpose::Exact, 1);
    dbm.couplings().draw_half(dbm, &mut layers, 0, &|l, layer, out: &mut Batch| {
        layer.sample_into(out, &other.fork(Purpose::Layer, l as u64));
    });
    Ok(Chains::new(layers))
}

/// Draws states with probabilities proportional to exp(log-weight).
fn choose(states: &[(u64, f64)], count: usize, streams: &Streams) -> Vec<u64> {
    let max = states.iter().map(|state| state.1).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let mut add = |&(_, log_weight): &(u64, f64)| {
        sum += (log_weight - max).exp();
        sum
    };
    let cumulative: Vec<f64> = states.iter().map(&mut add).collect();
    let total = cumulative.last().copied().unwrap_or_default();
    let mut stream = streams.stream(0);
    let mut draw = || {
        let u = stream.random::<f64>() * total;
        states[cumulative.partition_point(|&c| c <= u).min(states.len() - 1)].0
    };
    (0..count).map(|_| draw()).collect()
}
