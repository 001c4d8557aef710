//! The exact joint distribution of a small stack, by enumeration of all its states.

use std::ops::Range;

use rand::Rng;

use crate::parameters::Parameters;
use crate::sampling::Categorical;

/// The greatest number of units. More would take minutes and gigabytes.
const MOST_UNITS: usize = 22;

/// The kind of joint distribution that the parameters of a stack define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Restricted Boltzmann machine: two undirected layers.
    Rbm,
    /// Deep Boltzmann machine: undirected layers.
    Dbm,
    /// Sigmoid belief net: every layer directed downwards.
    Sbn,
    /// Deep belief network: two undirected layers on top, directed below.
    Dbn,
}

impl Model {
    /// The model of that name: `rbm`, `dbm`, `sbn` or `dbn`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(gm_testkit::Model::from_name("dbn"), Some(gm_testkit::Model::Dbn));
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "rbm" => Some(Self::Rbm),
            "dbm" => Some(Self::Dbm),
            "sbn" => Some(Self::Sbn),
            "dbn" => Some(Self::Dbn),
            _ => None,
        }
    }

    /// The number of layers, from the visible one upwards, that are Bernoulli given the layer above.
    fn directed(self, layers: usize) -> usize {
        match self {
            Self::Rbm | Self::Dbm => 0,
            Self::Dbn => layers - 2,
            Self::Sbn => layers,
        }
    }
}

/// The probability of every state of a small model.
///
/// A state lists the units of all layers, visible ones first. States are numbered with the first unit as the most
/// significant bit, so that the states with the same visible row are neighbours.
///
/// # Numerics
///
/// All computations are in `f64` and in the log domain. The limit is 22 units.
///
/// # Examples
///
/// ```
/// use gm_testkit::Joint;
///
/// let joint = Joint::rbm(vec![vec![0.0], vec![0.0]], vec![0.0, 0.0], vec![0.0]);
/// assert!((joint.log_partition() - 8_f64.ln()).abs() < 1e-15);
/// assert!((joint.log_prob(&[1, 0, 1]) + 8_f64.ln()).abs() < 1e-15);
/// assert!((joint.log_prob_visible(&[1, 0]) + 4_f64.ln()).abs() < 1e-15);
/// ```
#[derive(Clone, Debug)]
pub struct Joint {
    model: Model,
    parameters: Parameters,
    /// A_l of each layer, empty where its units are independent given the layer above.
    within: Vec<Vec<Vec<f64>>>,
    /// Inverse temperature, and the visible bias of the model at infinite temperature.
    beta: f64,
    base: Vec<f64>,
    layers: Vec<usize>,
    log_partition: f64,
    log_probs: Vec<f64>,
    log_prob_visible: Vec<f64>,
}

impl Joint {
    /// The joint distribution of a model with the given parameters.
    ///
    /// # Panics
    ///
    /// When shapes disagree, when an RBM has more or fewer than two layers, or when there are more than 22 units.
    #[must_use]
    pub fn new(model: Model, parameters: Parameters) -> Self {
        let base = vec![0.0; parameters.biases[0].len()];
        Self::enumerated(model, parameters, vec![], (1.0, base))
    }

    /// p(v, h) = exp(a' v + b' h + v' W h) / Z.
    #[must_use]
    pub fn rbm(w: Vec<Vec<f64>>, a: Vec<f64>, b: Vec<f64>) -> Self {
        Self::new(Model::Rbm, Parameters { weights: vec![w], biases: vec![a, b] })
    }

    /// p(v, h) proportional to exp(beta (a' v + b' h + v' W h) + (1 - beta) base' v): an RBM on the way from
    /// independent visible units (beta = 0) to itself (beta = 1).
    ///
    /// # Panics
    ///
    /// When shapes disagree or there are more than 22 units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_testkit::Joint;
    ///
    /// let cold = Joint::annealed_rbm(vec![vec![5.0]], vec![1.0], vec![2.0], 0.0, vec![0.0]);
    /// assert!((cold.log_partition() - 4_f64.ln()).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn annealed_rbm(w: Vec<Vec<f64>>, a: Vec<f64>, b: Vec<f64>, beta: f64, base: Vec<f64>) -> Self {
        assert!(base.len() == a.len(), "base has length {}, expected {}", base.len(), a.len());
        Self::enumerated(Model::Rbm, Parameters { weights: vec![w], biases: vec![a, b] }, vec![], (beta, base))
    }

    /// p(x) = exp(sum_l b_l' x_l + sum_l x_l' W_l x_(l+1)) / Z.
    #[must_use]
    pub fn dbm(weights: Vec<Vec<Vec<f64>>>, biases: Vec<Vec<f64>>) -> Self {
        Self::new(Model::Dbm, Parameters { weights, biases })
    }

    /// p(x) = Ber(x_L; s(b_L)) prod_(l<L) Ber(x_l; s(W_l x_(l+1) + b_l)).
    #[must_use]
    pub fn sbn(weights: Vec<Vec<Vec<f64>>>, biases: Vec<Vec<f64>>) -> Self {
        Self::new(Model::Sbn, Parameters { weights, biases })
    }

    /// p(x) = prod_l prod_i Ber(x_li; s((W_l x_(l+1) + b_l)_i + sum_(k<i) A_(l,ki) x_lk)): an SBN of one layer or more whose
    /// units depend on the units before them in layers with an A_l; in the others it is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_testkit::Joint;
    ///
    /// // The second unit repeats the first.
    /// let joint = Joint::lateral_sbn(vec![], vec![vec![0.0, -40.0]], vec![vec![vec![0.0, 80.0], vec![0.0, 0.0]]]);
    /// assert!((joint.log_prob(&[1, 1]) + 2_f64.ln()).abs() < 1e-9 && joint.log_prob(&[1, 0]) < -39.0);
    /// ```
    #[must_use]
    pub fn lateral_sbn(weights: Vec<Vec<Vec<f64>>>, biases: Vec<Vec<f64>>, within: Vec<Vec<Vec<f64>>>) -> Self {
        let base = vec![0.0; biases[0].len()];
        Self::enumerated(Model::Sbn, Parameters { weights, biases }, within, (1.0, base))
    }

    /// p(x) = [RBM over (x_(L-1), x_L)] prod_(l<L-1) Ber(x_l; s(W_l x_(l+1) + b_l)).
    #[must_use]
    pub fn dbn(weights: Vec<Vec<Vec<f64>>>, biases: Vec<Vec<f64>>) -> Self {
        Self::new(Model::Dbn, Parameters { weights, biases })
    }

    fn enumerated(
        model: Model,
        parameters: Parameters,
        within: Vec<Vec<Vec<f64>>>,
        (beta, base): (f64, Vec<f64>),
    ) -> Self {
        parameters.assert_shapes();
        let layers = parameters.layers();
        let units: usize = layers.iter().sum();
        assert!(layers.len() >= 2 || !within.is_empty(), "a stack has at least two layers");
        assert!(model != Model::Rbm || layers.len() == 2, "an RBM has two layers, found {}", layers.len());
        assert!(units <= MOST_UNITS, "{units} units, at most {MOST_UNITS} can be enumerated");
        let rows = 1 << layers[0];
        let mut joint = Self {
            model,
            parameters,
            within,
            beta,
            base,
            layers,
            log_partition: 0.0,
            log_probs: Vec::new(),
            log_prob_visible: Vec::new(),
        };
        let log_weights: Vec<f64> = (0..1_usize << units).map(|s| joint.log_weight(&joint.state(s))).collect();
        // The directed layers sum to one, so this is the partition function of the undirected part.
        joint.log_partition = log_sum_exp(&log_weights);
        joint.log_probs = log_weights.iter().map(|w| w - joint.log_partition).collect();
        joint.log_prob_visible = joint.log_probs.chunks(joint.log_probs.len() / rows).map(log_sum_exp).collect();
        joint
    }

    /// The logarithm of the unnormalised probability, by the definition of the model.
    fn log_weight(&self, state: &[u8]) -> f64 {
        let p = &self.parameters;
        let x: Vec<&[u8]> = (0..self.layers.len()).map(|l| &state[self.units_of(l)]).collect();
        let directed = self.model.directed(self.layers.len());
        let below: f64 = (0..directed).map(|l| self.log_bernoulli(l, &x)).sum();
        let biases: f64 = (directed..x.len()).map(|l| dot(&p.biases[l], x[l])).sum();
        let pairs: f64 = (directed..p.weights.len()).map(|l| bilinear(&p.weights[l], x[l], x[l + 1])).sum();
        below + self.beta * (biases + pairs) + (1.0 - self.beta) * dot(&self.base, x[0])
    }

    /// log Ber(x_l; s(W_l x_(l+1) + b_l)), with what comes from units before a unit. The top layer has no W_l.
    fn log_bernoulli(&self, l: usize, x: &[&[u8]]) -> f64 {
        let sign = |on: u8| if on == 1 { -1.0 } else { 1.0 };
        x[l].iter().zip(self.inputs(l, x)).map(|(&on, z)| -softplus(sign(on) * z)).sum()
    }

    fn inputs(&self, l: usize, x: &[&[u8]]) -> Vec<f64> {
        let mut inputs = self.inputs_from_above(l, x);
        for (earlier, row) in self.within.get(l).into_iter().flatten().enumerate() {
            for later in earlier + 1..row.len() {
                inputs[later] += row[later] * f64::from(x[l][earlier]);
            }
        }
        inputs
    }

    fn inputs_from_above(&self, l: usize, x: &[&[u8]]) -> Vec<f64> {
        let bias = &self.parameters.biases[l];
        match self.parameters.weights.get(l) {
            None => bias.clone(),
            Some(w) => bias.iter().zip(w).map(|(b, row)| b + dot(row, x[l + 1])).collect(),
        }
    }

    /// Units of each layer.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Units of all layers together.
    #[must_use]
    pub fn units(&self) -> usize {
        self.layers.iter().sum()
    }

    /// The range of the units of a layer in a state.
    #[must_use]
    pub fn units_of(&self, layer: usize) -> Range<usize> {
        let first = self.layers[..layer].iter().sum();
        first..first + self.layers[layer]
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> Model {
        self.model
    }

    /// The parameters of the model.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The inverse temperature. It is 1 except for models from [`annealed_rbm`](Self::annealed_rbm).
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The visible bias at beta = 0.
    #[must_use]
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The state with the given number.
    ///
    /// # Examples
    ///
    /// ```
    /// let joint = gm_testkit::Joint::rbm(vec![vec![0.0], vec![0.0]], vec![0.0, 0.0], vec![0.0]);
    /// assert_eq!(joint.state(4), [1, 0, 0]);
    /// assert_eq!(joint.number(&[1, 0, 0]), 4);
    /// ```
    #[must_use]
    pub fn state(&self, number: usize) -> Vec<u8> {
        bits(number, self.units())
    }

    /// The number of a state.
    ///
    /// # Panics
    ///
    /// When the length is not the model's, or a unit is neither 0 nor 1.
    #[must_use]
    pub fn number(&self, state: &[u8]) -> usize {
        assert!(state.len() == self.units(), "state of {} units, expected {}", state.len(), self.units());
        number_of(state)
    }

    /// log p(x) of a state of all layers, in nats.
    #[must_use]
    pub fn log_prob(&self, state: &[u8]) -> f64 {
        self.log_probs[self.number(state)]
    }

    /// The probability of every state, in order.
    #[must_use]
    pub fn probabilities(&self) -> Vec<f64> {
        self.log_probs.iter().map(|p| p.exp()).collect()
    }

    /// log Z of the undirected layers: all layers of an RBM or DBM, the top two of a DBN. For an SBN it is 0.
    #[must_use]
    pub fn log_partition(&self) -> f64 {
        self.log_partition
    }

    /// log p(v) in nats.
    ///
    /// # Panics
    ///
    /// When the length of `v` is not the number of visible units.
    #[must_use]
    pub fn log_prob_visible(&self, v: &[u8]) -> f64 {
        self.log_prob_visible[self.row(v)]
    }

    /// log p(v) of all rows, with the first unit as the most significant bit.
    #[must_use]
    pub fn log_prob_all_visible(&self) -> &[f64] {
        &self.log_prob_visible
    }

    /// The mean of log p(v) over rows.
    #[must_use]
    pub fn mean_log_prob(&self, data: &[Vec<u8>]) -> f64 {
        data.iter().map(|v| self.log_prob_visible(v)).sum::<f64>() / data.len() as f64
    }

    /// `E[x_l]` of every layer.
    #[must_use]
    pub fn marginals(&self) -> Vec<Vec<f64>> {
        let mut sums = Parameters::zeros(&self.layers).biases;
        for (number, p) in self.probabilities().iter().enumerate() {
            let state = self.state(number);
            for (sum, &x) in sums.iter_mut().flatten().zip(&state) {
                *sum += p * f64::from(x);
            }
        }
        sums
    }

    /// `E[x_l x_(l+1)']` of every pair of neighbouring layers.
    #[must_use]
    pub fn pair_marginals(&self) -> Vec<Vec<Vec<f64>>> {
        let mut sums = Parameters::zeros(&self.layers).weights;
        for (number, &p) in self.probabilities().iter().enumerate() {
            let state = self.state(number);
            for (l, sum) in sums.iter_mut().enumerate() {
                let lower: Vec<f64> = state[self.units_of(l)].iter().map(|&x| f64::from(x)).collect();
                add_outer(sum, p, &lower, &state[self.units_of(l + 1)]);
            }
        }
        sums
    }

    /// p(hidden | v) of every hidden state, in order.
    ///
    /// # Panics
    ///
    /// When the length of `v` is not the number of visible units.
    #[must_use]
    pub fn posterior(&self, v: &[u8]) -> Vec<f64> {
        let row = self.row(v);
        let hidden = self.log_probs.len() / self.log_prob_visible.len();
        let chunk = &self.log_probs[row * hidden..(row + 1) * hidden];
        chunk.iter().map(|p| (p - self.log_prob_visible[row]).exp()).collect()
    }

    /// `E[x | v]` of the hidden units of all layers.
    #[must_use]
    pub fn posterior_mean(&self, v: &[u8]) -> Vec<f64> {
        let moments = self.posterior_second_moment(v);
        moments.iter().enumerate().map(|(i, row)| row[i]).collect()
    }

    /// `Cov[x | v]` of the hidden units of all layers.
    #[must_use]
    pub fn posterior_covariance(&self, v: &[u8]) -> Vec<Vec<f64>> {
        let mut moments = self.posterior_second_moment(v);
        let mean = self.posterior_mean(v);
        for (row, a) in moments.iter_mut().zip(&mean) {
            for (entry, b) in row.iter_mut().zip(&mean) {
                *entry -= a * b;
            }
        }
        moments
    }

    /// `E[x x' | v]`. Its diagonal is the mean, because x is binary.
    fn posterior_second_moment(&self, v: &[u8]) -> Vec<Vec<f64>> {
        let hidden = self.units() - self.layers[0];
        let mut moments = vec![vec![0.0; hidden]; hidden];
        for (number, &p) in self.posterior(v).iter().enumerate() {
            let x = bits(number, hidden);
            let as_numbers: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            add_outer(&mut moments, p, &as_numbers, &x);
        }
        moments
    }

    /// The gradient of [`mean_log_prob`](Self::mean_log_prob) with respect to all parameters.
    ///
    /// By Fisher's identity it is the score of the unnormalised joint distribution, averaged over the posterior of the
    /// data, minus its average over the model. The score of W_l is r_l x_(l+1)' and that of b_l is r_l, where r_l = x_l
    /// in an undirected layer and x_l - s(W_l x_(l+1) + b_l) in a directed one.
    #[must_use]
    pub fn gradient_mean_log_prob(&self, data: &[Vec<u8>]) -> Parameters {
        let mut gradient = Parameters::zeros(&self.layers);
        for (number, factor) in self.posterior_less_model(data).into_iter().enumerate() {
            self.add_score(&mut gradient, factor * self.beta, &self.state(number));
        }
        gradient
    }

    /// The mean over the data of p(x | v), minus p(x), for every state.
    fn posterior_less_model(&self, data: &[Vec<u8>]) -> Vec<f64> {
        let mut factors: Vec<f64> = self.probabilities().iter().map(|p| -p).collect();
        let hidden = factors.len() / self.log_prob_visible.len();
        for v in data {
            let from = self.row(v) * hidden;
            for (factor, p) in factors[from..from + hidden].iter_mut().zip(self.posterior(v)) {
                *factor += p / data.len() as f64;
            }
        }
        factors
    }

    fn add_score(&self, gradient: &mut Parameters, factor: f64, state: &[u8]) {
        let x: Vec<&[u8]> = (0..self.layers.len()).map(|l| &state[self.units_of(l)]).collect();
        for l in 0..x.len() {
            let mut residual: Vec<f64> = x[l].iter().map(|&x| f64::from(x)).collect();
            if l < self.model.directed(x.len()) {
                let inputs = self.inputs(l, &x);
                residual.iter_mut().zip(inputs).for_each(|(r, z)| *r -= logistic(z));
            }
            gradient.biases[l].iter_mut().zip(&residual).for_each(|(sum, r)| *sum += factor * r);
            if let Some(sum) = gradient.weights.get_mut(l) {
                add_outer(sum, factor, &residual, x[l + 1]);
            }
        }
    }

    /// p(unit = 1 | all other units).
    ///
    /// # Panics
    ///
    /// When the unit or the length of the state does not fit the model.
    #[must_use]
    pub fn conditional(&self, state: &[u8], unit: usize) -> f64 {
        self.block_conditional(state, &[unit])[1]
    }

    /// p(block | all other units) of every configuration of the block, with its first unit as the most significant bit.
    /// The state of the block itself does not matter.
    ///
    /// # Panics
    ///
    /// When a unit or the length of the state does not fit the model.
    #[must_use]
    pub fn block_conditional(&self, state: &[u8], block: &[usize]) -> Vec<f64> {
        let logs: Vec<f64> = self.block_numbers(state, block).iter().map(|&n| self.log_probs[n]).collect();
        let total = log_sum_exp(&logs);
        logs.iter().map(|p| (p - total).exp()).collect()
    }

    /// The numbers of the states that differ from `state` at most in a block, by configuration.
    pub(crate) fn block_numbers(&self, state: &[u8], block: &[usize]) -> Vec<usize> {
        let mut state = state.to_vec();
        let number_with = |configuration: usize| {
            for (&unit, x) in block.iter().zip(bits(configuration, block.len())) {
                state[unit] = x;
            }
            self.number(&state)
        };
        (0..1 << block.len()).map(number_with).collect()
    }

    /// The distribution over all states after drawing blocks of units from their exact conditionals, one after the
    /// other, from a given state.
    ///
    /// # Examples
    ///
    /// ```
    /// let joint = gm_testkit::Joint::rbm(vec![vec![0.0]], vec![0.0], vec![0.0]);
    /// assert_eq!(joint.after_blocks(&[0, 0], &[vec![1]]), [0.5, 0.5, 0.0, 0.0]);
    /// assert_eq!(joint.after_blocks(&[0, 0], &[vec![1], vec![0]]), [0.25; 4]);
    /// ```
    #[must_use]
    pub fn after_blocks(&self, state: &[u8], blocks: &[Vec<usize>]) -> Vec<f64> {
        let mut now = vec![0.0; self.log_probs.len()];
        now[self.number(state)] = 1.0;
        for block in blocks {
            let mut next = vec![0.0; now.len()];
            for (number, &mass) in now.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
                let state = self.state(number);
                let targets = self.block_numbers(&state, block);
                for (target, p) in targets.into_iter().zip(self.block_conditional(&state, block)) {
                    next[target] += mass * p;
                }
            }
            now = next;
        }
        now
    }

    /// Exact, independent draws of all layers.
    ///
    /// # Randomness
    ///
    /// One `f64` for each draw.
    #[must_use]
    pub fn sample(&self, rng: &mut impl Rng, samples: usize) -> Vec<Vec<u8>> {
        let states = Categorical::new(&self.probabilities());
        (0..samples).map(|_| self.state(states.draw(rng))).collect()
    }

    /// The visible part of each state.
    #[must_use]
    pub fn visible(&self, states: &[Vec<u8>]) -> Vec<Vec<u8>> {
        states.iter().map(|state| state[..self.layers[0]].to_vec()).collect()
    }

    /// The number of a visible row.
    pub(crate) fn row(&self, v: &[u8]) -> usize {
        assert!(v.len() == self.layers[0], "{} visible units, expected {}", v.len(), self.layers[0]);
        number_of(v)
    }
}

fn number_of(state: &[u8]) -> usize {
    assert!(state.iter().all(|&x| x <= 1), "a unit is neither 0 nor 1 in {state:?}");
    state.iter().fold(0, |number, &x| number * 2 + usize::from(x))
}

fn bits(number: usize, units: usize) -> Vec<u8> {
    (0..units).rev().map(|i| u8::from(number >> i & 1 == 1)).collect()
}

pub(crate) fn dot(weights: &[f64], x: &[u8]) -> f64 {
    weights.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum()
}

fn bilinear(w: &[Vec<f64>], lower: &[u8], upper: &[u8]) -> f64 {
    w.iter().zip(lower).map(|(row, &x)| f64::from(x) * dot(row, upper)).sum()
}

fn add_outer(sum: &mut [Vec<f64>], factor: f64, left: &[f64], right: &[u8]) {
    for (row, a) in sum.iter_mut().zip(left) {
        for (entry, &b) in row.iter_mut().zip(right) {
            *entry += factor * a * f64::from(b);
        }
    }
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + logs.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

/// log(1 + exp(z)) without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

pub(crate) fn logistic(z: f64) -> f64 {
    (-softplus(-z)).exp()
}
