//! One chain on the hidden layers of directed nets given the visible layer: its state, and draws of its units.

use gm_core::{VisibleUnits, logistic_f64, softplus, softplus_sum};
use rand::{Rng, RngExt};

use crate::model::Columns;
use crate::net::Directed;

/// The parameters that all chains share.
pub(crate) struct Ground<'a> {
    columns: Columns,
    units: &'a VisibleUnits,
    /// Whether the last two layers are an RBM.
    rbm_on_top: bool,
    labels: Option<LabelColumns>,
}

/// The parameters of label units in double precision: weights `[n_L][classes]` and biases `[classes]`.
struct LabelColumns {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(directed: Directed<'a>) -> Self {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let labels = directed.labels().map(|labels| LabelColumns {
            weights: labels.weights().column_iter().map(|column| wide(column.as_slice())).collect(),
            bias: wide(labels.bias().as_slice()),
        });
        let (columns, units) = (Columns::new(directed.stack()), directed.units());
        Self { columns, units, rbm_on_top: directed.rbm_on_top(), labels }
    }

    /// The top of the layers whose units are drawn one at a time.
    pub(crate) fn last(&self) -> usize {
        self.columns.weights.len() - usize::from(self.rbm_on_top)
    }

    /// The number of classes, 0 without label units.
    pub(crate) fn classes(&self) -> usize {
        self.labels.as_ref().map_or(0, |labels| labels.bias.len())
    }

    /// Biases of the visible layer.
    pub(crate) fn visible_bias(&self) -> &[f64] {
        &self.columns.biases[0]
    }

    /// The log-normaliser of layer `l` given its inputs.
    fn log_sum(&self, l: usize, inputs: &[f64]) -> f64 {
        if l == 0 { self.units.log_sum(inputs, self.visible_bias()) } else { softplus_sum(inputs) }
    }
}

/// One chain with the inputs of each layer and their log-normalisers.
pub(crate) struct Walker<'a> {
    ground: &'a Ground<'a>,
    states: Vec<Vec<bool>>,
    /// Real numbers that take the place of the visible states beside weights.
    signal: Option<Vec<f64>>,
    /// The label unit that is on.
    class: usize,
    inputs: Vec<Vec<f64>>,
    sums: Vec<f64>,
    /// Inputs of the layer below if the unit at hand flipped.
    flipped: Vec<f64>,
    /// Inputs of its own layer if the unit at hand flipped, where units depend on those before them.
    flipped_own: Vec<f64>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(ground: &'a Ground<'a>, states: Vec<Vec<bool>>, signal: Option<Vec<f64>>) -> Self {
        let inputs = ground.columns.inputs(&states);
        let sums = inputs.iter().enumerate().map(|(l, inputs)| ground.log_sum(l, inputs)).collect();
        Self { ground, states, signal, class: 0, inputs, sums, flipped: Vec::new(), flipped_own: Vec::new() }
    }

    /// The chain with another label unit on.
    pub(crate) fn with_class(self, class: usize) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn states(&self) -> &[Vec<bool>] {
        &self.states
    }

    pub(crate) fn into_states(self) -> Vec<Vec<bool>> {
        self.states
    }

    /// log p of the states, without the units of an RBM's upper layer and without its partition function. For real
    /// numbers a constant of the visible states is missing.
    pub(crate) fn log_weight(&self) -> f64 {
        let last = self.ground.last();
        let visible = match &self.signal {
            Some(signal) => signal.iter().zip(&self.inputs[0]).map(|(x, input)| x * input).sum(),
            None => sum_where_on(&self.inputs[0], &self.states[0]),
        };
        if last == 0 {
            return visible - self.sums[0];
        }
        let hidden: f64 = (1..last).map(|l| sum_where_on(&self.inputs[l], &self.states[l]) - self.sums[l]).sum();
        // In an RBM the biases alone weigh the lower layer. The top layer of a net has no inputs from above.
        let of_top = if self.ground.rbm_on_top { &self.ground.columns.biases } else { &self.inputs };
        let top = sum_where_on(&of_top[last], &self.states[last]);
        let prior = match &self.ground.labels {
            Some(labels) => labels.bias[self.class],
            None if self.ground.rbm_on_top => 0.0,
            None => -self.sums[last],
        };
        visible - self.sums[0] + hidden + top + prior
    }

    /// Draws each unit below an RBM's upper layer in turn, and returns the number of units that changed. `heat(l, unit,
    /// on, gain)` is the log-odds of a flip of a unit that is `on`, where `gain` is the log-odds under the model.
    pub(crate) fn sweep_units(&mut self, heat: impl Fn(usize, usize, bool, f64) -> f64, stream: &mut impl Rng) -> u64 {
        let mut flips = 0;
        for l in 1..=self.ground.last() {
            for unit in 0..self.states[l].len() {
                flips += u64::from(self.update(l, unit, |on, gain| heat(l, unit, on, gain), stream.random()));
            }
        }
        flips
    }

    /// Draws one hidden unit, and returns whether it changed.
    fn update(&mut self, l: usize, unit: usize, heat: impl Fn(bool, f64) -> f64, random: f64) -> bool {
        let (on, column) = (self.states[l][unit], &self.ground.columns.weights[l - 1][unit]);
        let sign = if on { -1.0 } else { 1.0 };
        self.flipped.clear();
        self.flipped.extend(self.inputs[l - 1].iter().zip(column).map(|(input, w)| input + sign * w));
        let sum = self.ground.log_sum(l - 1, &self.flipped);
        let children = match &self.signal {
            Some(signal) if l == 1 => column.iter().zip(signal).map(|(w, x)| w * x).sum(),
            _ => sum_where_on(column, &self.states[l - 1]),
        };
        // The log-probability of the flipped state less that of the state as it is.
        let mut gain = sign * (self.inputs[l][unit] + children) - (sum - self.sums[l - 1]);
        let own = self.ground.columns.to_later(l, unit).map(|later| {
            let (change, sum) = flip_own(&self.inputs[l], &self.states[l], (unit, later), &mut self.flipped_own);
            gain += change - (sum - self.sums[l]);
            sum
        });
        if random >= logistic_f64(heat(on, gain)) {
            return false;
        }
        self.states[l][unit] = !on;
        self.sums[l - 1] = sum;
        std::mem::swap(&mut self.inputs[l - 1], &mut self.flipped);
        if let Some(sum) = own {
            self.sums[l] = sum;
            std::mem::swap(&mut self.inputs[l], &mut self.flipped_own);
        }
        true
    }

    /// The inputs of an RBM's upper layer, whose units are independent given the layer below. `None` without an RBM.
    pub(crate) fn top_inputs(&self) -> Option<Vec<f64>> {
        if !self.ground.rbm_on_top {
            return None;
        }
        let (top, columns) = (self.states.len() - 1, &self.ground.columns);
        let input = |(unit, column): (usize, &Vec<f64>)| {
            let label = self.ground.labels.as_ref().map_or(0.0, |labels| labels.weights[unit][self.class]);
            columns.biases[top][unit] + sum_where_on(column, &self.states[top - 1]) + label
        };
        Some(columns.weights[top - 1].iter().enumerate().map(input).collect())
    }

    /// Draws an RBM's upper layer from the log-odds of its units, and returns the number of units that changed.
    pub(crate) fn draw_top(&mut self, log_odds: &[f64], stream: &mut impl Rng) -> u64 {
        let top = self.states.len() - 1;
        let mut flips = 0;
        for (unit, &log_odds) in log_odds.iter().enumerate() {
            let on = stream.random::<f64>() < logistic_f64(log_odds);
            if on != self.states[top][unit] {
                let (sign, column) = (if on { 1.0 } else { -1.0 }, &self.ground.columns.weights[top - 1][unit]);
                self.inputs[top - 1].iter_mut().zip(column).for_each(|(input, w)| *input += sign * w);
                self.states[top][unit] = on;
                flips += 1;
            }
        }
        flips
    }

    /// Draws the label units given the RBM's upper layer, at an inverse temperature between uniform classes and the
    /// model.
    pub(crate) fn draw_class(&mut self, beta: f64, stream: &mut impl Rng) {
        let Some(labels) = &self.ground.labels else { return };
        let mut log_weights = labels.bias.clone();
        for (weights, _) in labels.weights.iter().zip(&self.states[self.states.len() - 1]).filter(|(_, on)| **on) {
            log_weights.iter_mut().zip(weights).for_each(|(sum, w)| *sum += w);
        }
        let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = log_weights.iter().map(|weight| (beta * (weight - largest)).exp()).collect();
        let mut rest = stream.random::<f64>() * weights.iter().sum::<f64>();
        let chosen = weights.iter().position(|weight| {
            rest -= weight;
            rest < 0.0
        });
        // Rounding may leave a rest behind the last class.
        self.class = chosen.unwrap_or(weights.len() - 1);
    }

    /// Draws the visible units that `free` chooses: all of them as a block where they are independent, else one after the other
    /// as [`draw_visible_within`](Self::draw_visible_within).
    pub(crate) fn draw_visible(&mut self, free: impl Fn(usize) -> bool, stream: &mut impl Rng) {
        if self.ground.columns.within[0].is_some() {
            return self.draw_visible_within(free, stream);
        }
        for unit in 0..self.states[0].len() {
            let random: f64 = stream.random();
            if free(unit) {
                self.states[0][unit] = random < logistic_f64(self.inputs[0][unit]);
            }
        }
    }

    /// Draws the units that `free` chooses in a visible layer whose units depend on those before them.
    ///
    /// The units behind the last given one follow their conditional distribution as a block, since they are drawn in turn. The
    /// others are drawn one at a time, each given all units up to the last given one, with those behind it summed out.
    fn draw_visible_within(&mut self, free: impl Fn(usize) -> bool, stream: &mut impl Rng) {
        let (units, ground) = (self.states[0].len(), self.ground);
        let bound = (0..units).rev().find(|&unit| !free(unit)).map_or(0, |last| last + 1);
        for unit in 0..units {
            let random: f64 = stream.random();
            let Some(later) = ground.columns.to_later(0, unit).filter(|_| free(unit)) else { continue };
            let (on, inputs) = (self.states[0][unit], &mut self.inputs[0]);
            let effect = |(k, w): (usize, &f64)| {
                let off = if on { inputs[k] - w } else { inputs[k] };
                let chosen = if self.states[0][k] { *w } else { 0.0 };
                chosen - (softplus(off + w) - softplus(off))
            };
            let log_odds = inputs[unit] + (unit + 1..bound).zip(later).map(effect).sum::<f64>();
            let drawn = random < logistic_f64(log_odds);
            if drawn != on {
                let sign = if drawn { 1.0 } else { -1.0 };
                inputs[unit + 1..].iter_mut().zip(later).for_each(|(input, w)| *input += sign * w);
                self.states[0][unit] = drawn;
            }
        }
        self.sums[0] = ground.log_sum(0, &self.inputs[0]);
    }
}

/// The inputs of a layer after a flip of one of its units with the given weights to later units: what the flip adds to the
/// inputs of the units that are on, and the log-normaliser of the layer.
fn flip_own(inputs: &[f64], states: &[bool], (unit, later): (usize, &[f64]), flipped: &mut Vec<f64>) -> (f64, f64) {
    let sign = if states[unit] { -1.0 } else { 1.0 };
    flipped.clear();
    flipped.extend_from_slice(inputs);
    flipped[unit + 1..].iter_mut().zip(later).for_each(|(input, w)| *input += sign * w);
    (sign * sum_where_on(later, &states[unit + 1..]), softplus_sum(flipped))
}

/// The sum of the values of units that are on.
pub(crate) fn sum_where_on(values: &[f64], on: &[bool]) -> f64 {
    values.iter().zip(on).filter(|(_, on)| **on).map(|(value, _)| value).sum()
}
