//! Exact sums over two halves of units that have weights between the halves alone.

use rand::RngExt;

use crate::enumerate::{GrayWalk, gray_walk_watched};
use crate::error::Result;
use crate::numerics::{LogSum, logistic_f64, softplus_sum};
use crate::streams::Streams;
use crate::visible::VisibleUnits;
use crate::watch::{Watch, unwatched};

/// Two halves of units that have weights between the halves alone: one half is enumerated, the other is summed out.
///
/// p(x, y) is proportional to exp(b' x) exp(sum_ij x_i W_ij y_j) base(y), with x the enumerated half and base(y) what the biases
/// and the kind of its units give to y.
///
/// # Numerics
///
/// 2^n states for n enumerated units, each with as many terms as the other half has units; double precision, threaded, with
/// the same bits at any number of threads.
///
/// # Examples
///
/// ```
/// use gm_core::{Bipartite, VisibleUnits};
///
/// let halves = Bipartite {
///     bias: vec![0.0],
///     other_bias: vec![0.0; 2],
///     rows: vec![vec![0.0; 2]],
///     units: &VisibleUnits::Bernoulli,
///     visible: 2,
/// };
/// assert!((halves.log_partition()? - 3.0 * 2.0_f64.ln()).abs() < 1e-12);
/// assert!((halves.moments()?.pairs[0][1] - 0.25).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bipartite<'a> {
    /// Biases of the enumerated units.
    pub bias: Vec<f64>,
    /// Biases of the other units.
    pub other_bias: Vec<f64>,
    /// Weights of each enumerated unit to the other half.
    pub rows: Vec<Vec<f64>>,
    /// The kind of the first `visible` units of the other half; the units behind them are binary.
    pub units: &'a VisibleUnits,
    /// The number of units of the other half that have the kind of `units`.
    pub visible: usize,
}

/// First and second moments of two halves of units.
///
/// # Examples
///
/// ```
/// use gm_core::{Bipartite, Gaussian, VisibleUnits};
///
/// let units = VisibleUnits::Gaussian(Gaussian::new(vec![4.0])?);
/// let (bias, other_bias, rows) = (vec![0.0], vec![0.0], vec![vec![0.0]]);
/// let moments = Bipartite { bias, other_bias, rows, units: &units, visible: 1 }.moments()?;
/// assert!((moments.enumerated[0] - 0.5).abs() < 1e-12 && (moments.squares[0] - 4.0).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BipartiteMoments {
    /// `E[x]` of the enumerated half.
    pub enumerated: Vec<f64>,
    /// `E[y]` of the other half.
    pub other: Vec<f64>,
    /// `E[y^2]` of Gaussian units; empty without Gaussian units.
    pub squares: Vec<f64>,
    /// `E[x y']`, a row for each enumerated unit.
    pub pairs: Vec<Vec<f64>>,
}

impl Bipartite<'_> {
    /// The logarithm of the sum over all states.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge) for more than [`ENUMERATION_LIMIT`](crate::ENUMERATION_LIMIT) enumerated units.
    pub fn log_partition(&self) -> Result<f64> {
        self.log_partition_watched(&mut unwatched)
    }

    /// [`log_partition`](Self::log_partition) that stops when `watch` breaks.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition), and [`Error::Interrupted`](crate::Error::Interrupted).
    pub fn log_partition_watched(&self, watch: Watch<'_>) -> Result<f64> {
        let mut total = LogSum::default();
        let sums = self.walk(LogSum::default, |sum, state| sum.add(state.log_weight()), watch)?;
        sums.iter().for_each(|sum| total.merge(sum));
        Ok(total.value())
    }

    /// First and second moments.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition).
    pub fn moments(&self) -> Result<BipartiteMoments> {
        let log_partition = self.log_partition()?;
        let walks =
            self.walk(|| BipartiteMoments::zeros(self), |sums, state| sums.add(state, log_partition), &mut unwatched)?;
        Ok(walks.into_iter().reduce(|a, b| a.merge(&b)).unwrap_or_else(|| BipartiteMoments::zeros(self)))
    }

    /// Independent draws of the enumerated half, unit 0 in the lowest bit of each. All probabilities are kept in memory.
    ///
    /// # Randomness
    ///
    /// One uniform number a draw from stream 0 of `streams`.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition).
    pub fn draw(&self, count: usize, streams: &Streams) -> Result<Vec<u64>> {
        let visit = |found: &mut Vec<_>, state: &State<'_>| found.push((state.bits, state.log_weight()));
        let states = self.walk(Vec::new, visit, &mut unwatched)?.concat();
        Ok(choose(&states, count, streams))
    }

    fn walk<T: Send>(
        &self,
        start: impl Fn() -> T + Sync,
        visit: impl Fn(&mut T, &State<'_>) + Sync,
        watch: Watch<'_>,
    ) -> Result<Vec<T>> {
        let start = |state| Walk { state: State::at(self, state), visit: &visit, found: start() };
        let walks = gray_walk_watched("exact enumeration", self.bias.len(), start, watch)?;
        Ok(walks.into_iter().map(|walk| walk.found).collect())
    }
}

/// One state of the enumerated half with what it means for the other half.
struct State<'a> {
    halves: &'a Bipartite<'a>,
    bits: u64,
    linear: f64,
    inputs: Vec<f64>,
}

impl<'a> State<'a> {
    fn at(halves: &'a Bipartite<'a>, bits: u64) -> Self {
        let mut state = Self { halves, bits: 0, linear: 0.0, inputs: halves.other_bias.clone() };
        (0..halves.bias.len()).filter(|unit| bits >> unit & 1 == 1).for_each(|unit| state.flip(unit));
        state
    }

    fn flip(&mut self, unit: usize) {
        self.bits ^= 1 << unit;
        let sign = if self.bits >> unit & 1 == 1 { 1.0 } else { -1.0 };
        self.linear += sign * self.halves.bias[unit];
        for (input, weight) in self.inputs.iter_mut().zip(&self.halves.rows[unit]) {
            *input += sign * weight;
        }
    }

    /// log of the unnormalised probability of the enumerated half's state.
    fn log_weight(&self) -> f64 {
        let (visible, binary) = self.inputs.split_at(self.halves.visible);
        let bias = &self.halves.other_bias[..visible.len()];
        self.linear + self.halves.units.log_sum(visible, bias) + softplus_sum(binary)
    }

    /// Means of the other half given the enumerated one.
    fn means(&self) -> Vec<f64> {
        let mut means = self.inputs.clone();
        let (visible, binary) = means.split_at_mut(self.halves.visible);
        self.halves.units.means_of_one(visible);
        binary.iter_mut().for_each(|x| *x = logistic_f64(*x));
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

    fn terms(&self) -> usize {
        self.state.inputs.len()
    }
}

impl BipartiteMoments {
    fn zeros(halves: &Bipartite<'_>) -> Self {
        let (enumerated, other) = (halves.bias.len(), halves.other_bias.len());
        let squares = halves.units.gaussian().map_or(0, |gaussian| gaussian.variance().len());
        Self {
            enumerated: vec![0.0; enumerated],
            other: vec![0.0; other],
            squares: vec![0.0; squares],
            pairs: vec![vec![0.0; other]; enumerated],
        }
    }

    fn add(&mut self, state: &State<'_>, log_partition: f64) {
        let p = (state.log_weight() - log_partition).exp();
        let mut means = state.means();
        if let Some(gaussian) = state.halves.units.gaussian() {
            let squares = means.iter().zip(gaussian.variance()).map(|(mean, &s2)| p * (mean * mean + f64::from(s2)));
            add_to(&mut self.squares, &squares.collect::<Vec<_>>());
        }
        means.iter_mut().for_each(|mean| *mean *= p);
        add_to(&mut self.other, &means);
        for unit in (0..self.enumerated.len()).filter(|unit| state.bits >> unit & 1 == 1) {
            self.enumerated[unit] += p;
            add_to(&mut self.pairs[unit], &means);
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        add_to(&mut self.enumerated, &other.enumerated);
        add_to(&mut self.other, &other.other);
        add_to(&mut self.squares, &other.squares);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(pairs, other)| add_to(pairs, other));
        self
    }
}

fn add_to(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
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

#[cfg(test)]
mod tests {
    use gm_testkit::{assert_all_close, assert_close, chi_squared_test};

    use super::*;
    use crate::streams::Purpose;
    use crate::visible::{Gaussian, Groups};

    const ENUMERATED: usize = 5;

    /// Halves of five enumerated units, the given visible units and two binary units.
    fn halves(units: &VisibleUnits, visible: usize) -> Bipartite<'_> {
        let value = |i: usize, j: usize| ((i * 7 + j * 5 + i * j) % 11) as f64 / 5.5 - 0.9;
        Bipartite {
            bias: (0..ENUMERATED).map(|i| value(i, 20)).collect(),
            other_bias: (0..visible + 2).map(|j| value(30, j)).collect(),
            rows: (0..ENUMERATED).map(|i| (0..visible + 2).map(|j| value(i, j)).collect()).collect(),
            units,
            visible,
        }
    }

    /// All states of the visible units. Real numbers stand on a grid, whose width counts as a factor of the weights.
    fn visible_states(units: &VisibleUnits, visible: usize) -> Vec<Vec<f64>> {
        match units {
            VisibleUnits::Bernoulli => (0..1 << visible).map(|bits| binary(bits, visible)).collect(),
            VisibleUnits::Softmax(_) => {
                (0..visible).map(|on| (0..visible).map(|unit| f64::from(u8::from(unit == on))).collect()).collect()
            }
            VisibleUnits::Gaussian(_) => (-400..=400).map(|k| vec![WIDTH * f64::from(k)]).collect(),
        }
    }

    const WIDTH: f64 = 0.05;

    fn binary(bits: usize, units: usize) -> Vec<f64> {
        (0..units).map(|unit| (bits >> unit & 1) as f64).collect()
    }

    /// The log-weight of a state of both halves, by definition.
    fn log_weight(halves: &Bipartite<'_>, x: &[f64], y: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let inputs: Vec<f64> =
            (0..y.len()).map(|j| x.iter().zip(&halves.rows).map(|(x, row)| x * row[j]).sum()).collect();
        match halves.units.gaussian() {
            None => dot(&halves.bias, x) + dot(&inputs, y) + dot(&halves.other_bias, y),
            Some(gaussian) => {
                let (s2, a) = (f64::from(gaussian.variance()[0]), halves.other_bias[0]);
                let of_first = (y[0] * inputs[0] - (y[0] - a).powi(2) / 2.0) / s2 + WIDTH.ln();
                dot(&halves.bias, x) + of_first + dot(&inputs[1..], &y[1..]) + dot(&halves.other_bias[1..], &y[1..])
            }
        }
    }

    /// Each state of both halves with its log-weight.
    fn states(halves: &Bipartite<'_>) -> Vec<(Vec<f64>, Vec<f64>, f64)> {
        let mut found = vec![];
        for bits in 0..1 << ENUMERATED {
            for visible in visible_states(halves.units, halves.visible) {
                for rest in 0..4 {
                    let (x, y) = (binary(bits, ENUMERATED), [visible.clone(), binary(rest, 2)].concat());
                    let weight = log_weight(halves, &x, &y);
                    found.push((x, y, weight));
                }
            }
        }
        found
    }

    fn kinds() -> [(VisibleUnits, usize); 3] {
        let gaussian = Gaussian::new(vec![2.0]).expect("a positive variance");
        let groups = Groups::all(3, 3).expect("one group");
        [(VisibleUnits::Bernoulli, 2), (VisibleUnits::Softmax(groups), 3), (VisibleUnits::Gaussian(gaussian), 1)]
    }

    #[test]
    fn oracle_sums_and_moments_are_those_of_all_states() {
        for (units, visible) in kinds() {
            let (halves, what) = (halves(&units, visible), format!("{:?}", units.kind()));
            let states = states(&halves);
            let log_z = crate::numerics::log_sum_exp(&states.iter().map(|state| state.2).collect::<Vec<_>>());
            assert_close(halves.log_partition().unwrap(), log_z, 1e-9, 0.0, &what);
            let mean = |of: &dyn Fn(&[f64], &[f64]) -> f64| {
                states.iter().map(|(x, y, weight)| (weight - log_z).exp() * of(x, y)).sum::<f64>()
            };
            let found = halves.moments().unwrap();
            let enumerated: Vec<f64> = (0..ENUMERATED).map(|i| mean(&|x, _| x[i])).collect();
            assert_all_close(&found.enumerated, &enumerated, 1e-9, 1e-12, &what);
            let other: Vec<f64> = (0..visible + 2).map(|j| mean(&|_, y| y[j])).collect();
            assert_all_close(&found.other, &other, 1e-9, 1e-12, &what);
            for (i, pairs) in found.pairs.iter().enumerate() {
                let expected: Vec<f64> = (0..visible + 2).map(|j| mean(&|x, y| x[i] * y[j])).collect();
                assert_all_close(pairs, &expected, 1e-9, 1e-12, &what);
            }
            let squares: Vec<f64> = units.gaussian().map(|_| mean(&|_, y| y[0] * y[0])).into_iter().collect();
            assert_all_close(&found.squares, &squares, 1e-9, 0.0, &what);
        }
    }

    /// The test of draws of one model against the probabilities of another.
    fn draws_of(drawn_by: &Bipartite<'_>, halves: &Bipartite<'_>) -> gm_testkit::TestResult {
        let mut probabilities = vec![0.0; 1 << ENUMERATED];
        let log_z = halves.log_partition().expect("a small model");
        for (x, _, weight) in states(halves) {
            let bits = x.iter().enumerate().filter(|(_, x)| **x == 1.0).map(|(unit, _)| 1 << unit).sum::<usize>();
            probabilities[bits] += (weight - log_z).exp();
        }
        let mut counts = vec![0; 1 << ENUMERATED];
        let streams = Streams::new(14).fork(Purpose::Test, 0);
        for bits in drawn_by.draw(20_000, &streams).expect("a small model") {
            counts[bits as usize] += 1;
        }
        chi_squared_test(&counts, &probabilities)
    }

    const ALPHA: f64 = 1e-6;

    #[test]
    fn stat_joint_draws_of_the_enumerated_half_follow_their_probabilities() {
        for (units, visible) in kinds() {
            let halves = halves(&units, visible);
            draws_of(&halves, &halves).assert_passes(ALPHA, 14);
        }
    }

    #[test]
    fn planted_joint_draws_with_a_wrong_bias_are_found_out() {
        let (units, visible) = kinds()[0].clone();
        let (right, mut wrong) = (halves(&units, visible), halves(&units, visible));
        wrong.bias[2] += 0.2;
        assert!(!draws_of(&wrong, &right).passes(ALPHA));
    }
}
