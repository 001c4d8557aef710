//! Markov kernels on the posterior: single-site Gibbs sampling, and resampling among draws of the recognition net.

use gm_core::{BitMatrix, Purpose, Result, Streams, logistic_f64, softplus_sum};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::conditional::Passes;
use crate::gradient::Draws;
use crate::model::{Columns, Sbn};
use crate::net::Directed;

/// States of a batch of Markov chains.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_sbn::Sbn;
///
/// let streams = Streams::new(1);
/// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &streams)?;
/// let v = BitMatrix::from_fn(4, 10, |unit, chain| unit <= chain);
/// let mut chains = sbn.chains_from(v.clone(), &streams);
/// let mut parted = chains.clone();
/// sbn.gibbs(&mut chains, None, 5, &streams);
/// // Chains that go on later come to the same states.
/// sbn.gibbs(&mut parted, None, 2, &streams);
/// sbn.gibbs(&mut parted, None, 3, &streams);
/// assert_eq!(parted, chains);
/// assert_eq!((&chains.layers[0], chains.sweeps), (&v, 5));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    /// The states of all layers, visible first, `[n_l, chains]`.
    pub layers: Vec<BitMatrix>,
    /// Sweeps made so far; it addresses the random numbers of the next one.
    pub sweeps: u64,
}

/// What a run of sweeps did.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector};
/// use gm_sbn::Sbn;
///
/// // Chains of which no unit ever flips do not mix.
/// let biases = vec![Vector::zeros(4), Vector::from_vec(vec![40.0, -40.0])];
/// let sbn = Sbn::new(Stack::new(vec![Matrix::zeros(4, 2)], biases)?, None)?;
/// let mut chains = sbn.chains_from(BitMatrix::zeros(4, 10), &Streams::new(1));
/// let info = sbn.gibbs(&mut chains, None, 5, &Streams::new(2));
/// assert_eq!((info.sweeps, info.flips), (5, 0.0));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
    /// Sweeps made.
    pub sweeps: usize,
    /// Share of hidden units that changed, on average over the sweeps.
    pub flips: f64,
}

/// Visible units that keep their values; the others are drawn.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_sbn::{Clamp, Sbn};
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// // The first two visible units are given, the others are drawn.
/// let clamp = Clamp { mask: BitMatrix::from_fn(4, 50, |unit, _| unit < 2) };
/// let mut chains = sbn.chains_from(BitMatrix::zeros(4, 50), &Streams::new(1));
/// sbn.gibbs(&mut chains, Some(&clamp), 5, &Streams::new(2));
/// let counts = chains.layers[0].unit_counts();
/// assert!(counts[..2] == [0; 2] && counts[2..].iter().all(|&on| on > 0));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Clamp {
    /// On where a unit is given, `[visible, chains]`.
    pub mask: BitMatrix,
}

impl Sbn {
    /// Chains for given visible states, with hidden states from the recognition net or, without one, from the prior.
    ///
    /// # Randomness
    ///
    /// Family 0 of [`Purpose::Start`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn chains_from(&self, v: BitMatrix, streams: &Streams) -> Chains {
        let (passes, family) = (Passes::new(self), streams.fork(Purpose::Start, 0));
        let layers = if self.recognition().is_some() {
            passes.recognise(v, &family)
        } else {
            let mut layers = passes.sample(v.samples(), &family);
            layers[0] = v;
            layers
        };
        Chains { layers, sweeps: 0 }
    }

    /// Sweeps over the hidden units, one at a time, each given its Markov blanket: its parents, its children and their
    /// other parents.
    ///
    /// log odds of unit j of x_l = (W_l x_(l+1) + b_l)_j + sum_i [log p(x_(l-1),i | j on) - log p(x_(l-1),i | j off)]
    ///
    /// Units are visited from the first hidden layer up. With a clamp the visible units that are not given are drawn at
    /// the end of every sweep.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`], with one stream for each chain.
    ///
    /// # Numerics
    ///
    /// Double precision. Inputs of the layer below follow each flip, so that a unit costs one pass over its children.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
    ///
    /// # Source
    ///
    /// `neal1992connectionist`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let mut chains = sbn.chains_from(BitMatrix::zeros(4, 10), &Streams::new(1));
    /// let info = sbn.gibbs(&mut chains, None, 20, &Streams::new(2));
    /// assert!((info.flips - 0.5).abs() < 0.2);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn gibbs(&self, chains: &mut Chains, clamp: Option<&Clamp>, sweeps: usize, streams: &Streams) -> StepInfo {
        Directed::from(self).gibbs(chains, clamp, sweeps, streams)
    }

    /// Sweeps that choose the hidden state of each chain anew among its own and `proposals` draws of the recognition net,
    /// in proportion to p(v, h) / q(h | v).
    ///
    /// All hidden units can change at once. Like Gibbs sampling it leaves p(h | v) as it is. With a clamp the visible units
    /// that are not given are drawn at the end of every sweep.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`].
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] without a recognition net.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes, or without proposals.
    ///
    /// # Source
    ///
    /// `andrieu2010particle`, section 4.
    pub fn resample(
        &self,
        chains: &mut Chains,
        clamp: Option<&Clamp>,
        (sweeps, proposals): (usize, usize),
        streams: &Streams,
    ) -> Result<StepInfo> {
        self.expect_recognition("Sbn::resample")?;
        let passes = Passes::new(self);
        let mut flips = 0;
        for _ in 0..sweeps {
            let family = streams.fork(Purpose::Chains, chains.sweeps);
            let v = chains.layers[0].clone();
            let own = Draws::of_states(&passes, &v, &chains.layers[1..]).log_weights();
            let draws = Draws::recognised(&passes, &v, proposals, &family.fork(Purpose::Propose, 0));
            let chosen = choose(&own, &draws.log_weights(), proposals, &mut family.fork(Purpose::Choose, 0).stream(0));
            for (x, drawn) in chains.layers.iter_mut().zip(draws.layers()).skip(1) {
                flips += take(x, drawn, &chosen);
            }
            if let Some(clamp) = clamp {
                let mut drawn = BitMatrix::zeros(v.units(), v.samples());
                let visible = passes.from_above(0, &chains.layers[1]);
                visible.sample_into(&mut drawn, &family.fork(Purpose::Layer, 0));
                drawn.replace_where(&clamp.mask, &v);
                chains.layers[0] = drawn;
            }
            chains.sweeps += 1;
        }
        let updates = (chains.layers[0].samples() * sweeps * self.hidden()).max(1) as f64;
        Ok(StepInfo { sweeps, flips: flips as f64 / updates })
    }
}

impl Directed<'_> {
    /// As [`Sbn::gibbs`]. Where an RBM is on top, the last layer of the chains is its hidden layer, which is drawn as a block
    /// at the end of each sweep.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
    pub fn gibbs(&self, chains: &mut Chains, clamp: Option<&Clamp>, sweeps: usize, streams: &Streams) -> StepInfo {
        let count = chains.layers[0].samples();
        let (columns, rbm_on_top) = (Columns::new(self.stack()), self.rbm_on_top());
        let families: Vec<Streams> =
            (0..sweeps as u64).map(|t| streams.fork(Purpose::Chains, chains.sweeps + t)).collect();
        let run = |chain: usize| {
            let mut walker = Walker::new(&columns, rbm_on_top, chains, chain);
            let flips =
                families.iter().map(|family| walker.sweep(clamp, chain, &mut family.stream(chain as u64))).sum();
            (walker.states, flips)
        };
        let ends: Vec<(Vec<Vec<bool>>, u64)> = (0..count).into_par_iter().map(run).collect();
        let hidden: usize = chains.layers[1..].iter().map(BitMatrix::units).sum();
        for (l, x) in chains.layers.iter_mut().enumerate() {
            *x = BitMatrix::from_fn(x.units(), count, |unit, chain| ends[chain].0[l][unit]);
        }
        chains.sweeps += sweeps as u64;
        let updates = (count * sweeps * hidden).max(1) as f64;
        StepInfo { sweeps, flips: ends.iter().map(|end| end.1).sum::<u64>() as f64 / updates }
    }
}

/// For each chain the number of the draw that takes its place, or `None` when the chain keeps its own state.
fn choose(own: &[f64], proposed: &[f64], proposals: usize, stream: &mut impl Rng) -> Vec<Option<usize>> {
    let chosen = |(chain, (own, proposed)): (usize, (&f64, &[f64]))| {
        let largest = proposed.iter().copied().fold(*own, f64::max);
        let weights: Vec<f64> = proposed.iter().map(|w| (w - largest).exp()).collect();
        let total = weights.iter().sum::<f64>() + (own - largest).exp();
        let mut rest = stream.random::<f64>() * total;
        weights
            .iter()
            .position(|weight| {
                rest -= weight;
                rest < 0.0
            })
            .map(|k| chain * proposals + k)
    };
    own.iter().zip(proposed.chunks(proposals)).enumerate().map(chosen).collect()
}

/// Takes the chosen draws over, and returns the number of units that changed.
fn take(x: &mut BitMatrix, drawn: &BitMatrix, chosen: &[Option<usize>]) -> u64 {
    let candidates = drawn.select(&chosen.iter().map(|choice| choice.unwrap_or(0)).collect::<Vec<_>>());
    let mask = BitMatrix::from_fn(x.units(), x.samples(), |_, chain| chosen[chain].is_some());
    let before = x.clone();
    x.replace_where(&mask, &candidates);
    x.differences(&before)
}

/// One chain with the inputs of each layer and the sums of their softplus.
struct Walker<'a> {
    columns: &'a Columns,
    /// Whether the last two layers are an RBM.
    rbm_on_top: bool,
    states: Vec<Vec<bool>>,
    inputs: Vec<Vec<f64>>,
    sums: Vec<f64>,
    /// Inputs of the layer below if the unit at hand flipped.
    flipped: Vec<f64>,
}

impl<'a> Walker<'a> {
    fn new(columns: &'a Columns, rbm_on_top: bool, chains: &Chains, chain: usize) -> Self {
        let state = |x: &BitMatrix| (0..x.units()).map(|unit| x.get(unit, chain)).collect();
        let states: Vec<Vec<bool>> = chains.layers.iter().map(state).collect();
        let inputs = columns.inputs(&states);
        let sums = inputs.iter().map(|inputs| softplus_sum(inputs)).collect();
        Self { columns, rbm_on_top, states, inputs, sums, flipped: Vec::new() }
    }

    /// Updates every hidden unit and the visible units that are not given, and returns the number of hidden units that changed.
    fn sweep(&mut self, clamp: Option<&Clamp>, chain: usize, stream: &mut impl Rng) -> u64 {
        let mut flips = 0;
        for l in 1..self.states.len() - usize::from(self.rbm_on_top) {
            for unit in 0..self.states[l].len() {
                flips += u64::from(self.update(l, unit, stream.random()));
            }
        }
        if self.rbm_on_top {
            flips += self.update_top(stream);
        }
        if let Some(clamp) = clamp {
            for unit in 0..self.states[0].len() {
                let random: f64 = stream.random();
                if !clamp.mask.get(unit, chain) {
                    self.states[0][unit] = random < logistic_f64(self.inputs[0][unit]);
                }
            }
        }
        flips
    }

    /// Draws the last layer, whose units are independent given the layer below, and returns the number of units that changed.
    fn update_top(&mut self, stream: &mut impl Rng) -> u64 {
        let top = self.states.len() - 1;
        let mut flips = 0;
        for (unit, column) in self.columns.weights[top - 1].iter().enumerate() {
            let below = column.iter().zip(&self.states[top - 1]).filter(|(_, on)| **on).map(|(w, _)| w).sum::<f64>();
            let on = stream.random::<f64>() < logistic_f64(self.columns.biases[top][unit] + below);
            if on != self.states[top][unit] {
                let sign = if on { 1.0 } else { -1.0 };
                self.inputs[top - 1].iter_mut().zip(column).for_each(|(input, w)| *input += sign * w);
                self.states[top][unit] = on;
                flips += 1;
            }
        }
        flips
    }

    /// Draws one hidden unit, and returns whether it changed.
    fn update(&mut self, l: usize, unit: usize, random: f64) -> bool {
        let (on, column) = (self.states[l][unit], &self.columns.weights[l - 1][unit]);
        let sign = if on { -1.0 } else { 1.0 };
        self.flipped.clear();
        self.flipped.extend(self.inputs[l - 1].iter().zip(column).map(|(input, w)| input + sign * w));
        let sum = softplus_sum(&self.flipped);
        let children = column.iter().zip(&self.states[l - 1]).filter(|(_, on)| **on).map(|(w, _)| w).sum::<f64>();
        // The log-probability of the flipped state less that of the state as it is.
        let gain = sign * (self.inputs[l][unit] + children) - (sum - self.sums[l - 1]);
        if random >= logistic_f64(gain) {
            return false;
        }
        self.states[l][unit] = !on;
        self.sums[l - 1] = sum;
        std::mem::swap(&mut self.inputs[l - 1], &mut self.flipped);
        true
    }
}
