//! Block Gibbs sampling of an RBM or DBM: the correct kernel, and kernels with planted bugs that the checks must catch.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::joint::{Joint, Model, dot, logistic};
use crate::parameters::Parameters;
use crate::sampling::rng;

/// A mistake that a Gibbs kernel can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Biases are used without their sign.
    BiasSign,
    /// The pass from the layer below reads the weights in the order of the transposed matrix.
    Transposed,
    /// The pass from the layer below adds 1/2 to the first weight.
    WeightOff,
    /// Inputs beyond +-1.5 are clipped before the logistic function.
    ClippedInputs,
    /// Every layer is drawn from the states before the sweep.
    OldPair,
    /// The last unit of layer 1 is never updated.
    FrozenUnit,
    /// All units of a layer use the same random number.
    SharedWithinLayer,
    /// All layers of a sweep use the same random numbers.
    SharedBetweenLayers,
    /// All chains use the same random numbers.
    SharedBetweenChains,
    /// The random numbers have three bits.
    CoarseRandom,
    /// The inverse temperature is replaced by 1.
    TemperatureIgnored,
    /// Each unit gets the input of the next unit.
    UnitShift,
    /// Hidden layers ignore the layer above them.
    UpperIgnored,
}

impl Bug {
    /// All bugs.
    pub const ALL: [Self; 13] = [
        Self::BiasSign,
        Self::Transposed,
        Self::WeightOff,
        Self::ClippedInputs,
        Self::OldPair,
        Self::FrozenUnit,
        Self::SharedWithinLayer,
        Self::SharedBetweenLayers,
        Self::SharedBetweenChains,
        Self::CoarseRandom,
        Self::TemperatureIgnored,
        Self::UnitShift,
        Self::UpperIgnored,
    ];

    /// True if the bug changes anything for this distribution.
    #[must_use]
    pub fn applies_to(self, joint: &Joint) -> bool {
        match self {
            Self::TemperatureIgnored => joint.beta() != 1.0,
            Self::UpperIgnored => joint.layers().len() > 2,
            _ => true,
        }
    }

    /// True if one sweep changes the joint distribution when it starts exactly from it. A unit that is never updated
    /// does not.
    #[must_use]
    pub fn breaks_joint(self) -> bool {
        self != Self::FrozenUnit
    }

    /// True if layer 1, given the others, is drawn wrongly. Bugs between layers do not show there.
    #[must_use]
    pub fn breaks_conditional(self) -> bool {
        !matches!(self, Self::OldPair | Self::SharedBetweenLayers)
    }
}

/// Block Gibbs sampling from the definition: odd layers given even ones, then even layers given odd ones.
///
/// # Examples
///
/// ```
/// use gm_testkit::{Bug, Gibbs, Joint, check_joint_invariance};
///
/// let joint = Joint::rbm(vec![vec![2.0]], vec![-1.0], vec![0.5]);
/// let mut wrong = Gibbs::planted(&joint, Bug::OldPair, 1);
/// assert!(!check_joint_invariance(&joint, |states| wrong.sweep(states), 10_000, 2).passes(1e-6));
/// ```
#[derive(Clone, Debug)]
pub struct Gibbs {
    parameters: Parameters,
    /// The weights into each unit from the layer below, [layers - 1][units], as the sampler reads them.
    from_below: Vec<Vec<Vec<f64>>>,
    beta: f64,
    base: Vec<f64>,
    spans: Vec<std::ops::Range<usize>>,
    bug: Option<Bug>,
    rng: ChaCha8Rng,
}

impl Gibbs {
    /// The correct sampler of an undirected model.
    ///
    /// # Panics
    ///
    /// For an SBN or DBN.
    #[must_use]
    pub fn correct(joint: &Joint, seed: u64) -> Self {
        Self::new(joint, None, seed)
    }

    fn new(joint: &Joint, bug: Option<Bug>, seed: u64) -> Self {
        assert!(matches!(joint.model(), Model::Rbm | Model::Dbm), "Gibbs of a {:?}", joint.model());
        let from_below = joint.parameters().weights.iter().enumerate().map(|(l, w)| columns(w, l, bug)).collect();
        Self {
            parameters: joint.parameters().clone(),
            from_below,
            beta: joint.beta(),
            base: joint.base().to_vec(),
            spans: (0..joint.layers().len()).map(|l| joint.units_of(l)).collect(),
            bug,
            rng: rng(seed),
        }
    }

    /// The same sampler with one bug.
    ///
    /// # Panics
    ///
    /// For an SBN or DBN.
    #[must_use]
    pub fn planted(joint: &Joint, bug: Bug, seed: u64) -> Self {
        let mut gibbs = Self::new(joint, Some(bug), seed);
        if bug == Bug::TemperatureIgnored {
            gibbs.beta = 1.0;
        }
        if bug == Bug::BiasSign {
            gibbs.parameters.biases.iter_mut().flatten().for_each(|b| *b = b.abs());
        }
        gibbs
    }

    /// The blocks that a correct sweep draws, in order: units of the odd layers, units of the even layers.
    ///
    /// # Examples
    ///
    /// ```
    /// let joint = gm_testkit::Joint::rbm(vec![vec![0.0], vec![0.0]], vec![0.0, 0.0], vec![0.0]);
    /// assert_eq!(gm_testkit::Gibbs::blocks(&joint), [vec![2], vec![0, 1]]);
    /// ```
    #[must_use]
    pub fn blocks(joint: &Joint) -> Vec<Vec<usize>> {
        let depth = joint.layers().len();
        let units = |first: usize| (first..depth).step_by(2).flat_map(|l| joint.units_of(l)).collect();
        vec![units(1), units(0)]
    }

    /// One sweep over all layers of every chain.
    ///
    /// # Randomness
    ///
    /// One `f64` per chain and unit, layer by layer.
    #[must_use]
    pub fn sweep(&mut self, states: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let widest = self.spans.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let shared = self.random_numbers(states.len(), widest);
        let before = states.clone();
        let mut now = states;
        for layer in (1..self.spans.len()).step_by(2).chain((0..self.spans.len()).step_by(2)) {
            let from = if self.bug == Some(Bug::OldPair) { before.clone() } else { now.clone() };
            let own = self.random_numbers(now.len(), widest);
            let numbers = if self.bug == Some(Bug::SharedBetweenLayers) { &shared } else { &own };
            self.draw_layer(layer, &from, &mut now, numbers);
        }
        now
    }

    /// Draws one layer of every chain, given the others.
    ///
    /// # Panics
    ///
    /// When there is no such layer.
    #[must_use]
    pub fn resample_layer(&mut self, layer: usize, mut states: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let numbers = self.random_numbers(states.len(), self.spans[layer].len());
        self.draw_layer(layer, &states.clone(), &mut states, &numbers);
        states
    }

    fn draw_layer(&self, layer: usize, from: &[Vec<u8>], to: &mut [Vec<u8>], numbers: &[Vec<f64>]) {
        let frozen = self.bug == Some(Bug::FrozenUnit) && layer == 1;
        let updated = self.spans[layer].len() - usize::from(frozen);
        for ((from, to), numbers) in from.iter().zip(to).zip(numbers) {
            for unit in 0..updated {
                let p = logistic(self.input(layer, unit, from));
                to[self.spans[layer].start + unit] = u8::from(numbers[unit] < p);
            }
        }
    }

    /// The log-odds of a unit given the layers below and above.
    fn input(&self, layer: usize, unit: usize, state: &[u8]) -> f64 {
        let unit = if self.bug == Some(Bug::UnitShift) { (unit + 1) % self.spans[layer].len() } else { unit };
        let mut energy = self.parameters.biases[layer][unit];
        if layer > 0 {
            energy += dot(&self.from_below[layer - 1][unit], &state[self.spans[layer - 1].clone()]);
        }
        if layer + 1 < self.spans.len() && !(self.bug == Some(Bug::UpperIgnored) && layer > 0) {
            energy += dot(&self.parameters.weights[layer][unit], &state[self.spans[layer + 1].clone()]);
        }
        let base = if layer == 0 { self.base[unit] } else { 0.0 };
        let input = self.beta * energy + (1.0 - self.beta) * base;
        if self.bug == Some(Bug::ClippedInputs) { input.clamp(-1.5, 1.5) } else { input }
    }

    /// Uniform numbers, [chains][units].
    fn random_numbers(&mut self, chains: usize, units: usize) -> Vec<Vec<f64>> {
        let mut numbers: Vec<Vec<f64>> = (0..chains).map(|_| (0..units).map(|_| self.rng.random()).collect()).collect();
        match self.bug {
            Some(Bug::SharedWithinLayer) => numbers.iter_mut().for_each(|row| {
                let first = row[0];
                row.fill(first)
            }),
            Some(Bug::SharedBetweenChains) => (1..chains).for_each(|chain| numbers[chain] = numbers[0].clone()),
            Some(Bug::CoarseRandom) => numbers.iter_mut().flatten().for_each(|u| *u = (*u * 8.0).floor() / 8.0),
            _ => {}
        }
        numbers
    }
}

/// The weights of matrix `l` by upper unit: its columns, or wrong numbers if the bug concerns them.
fn columns(w: &[Vec<f64>], l: usize, bug: Option<Bug>) -> Vec<Vec<f64>> {
    if bug == Some(Bug::Transposed) {
        let flat: Vec<f64> = w.iter().flatten().copied().collect();
        return flat.chunks(w.len()).map(<[f64]>::to_vec).collect();
    }
    let mut columns: Vec<Vec<f64>> = (0..w[0].len()).map(|j| w.iter().map(|row| row[j]).collect()).collect();
    if bug == Some(Bug::WeightOff) && l == 0 {
        columns[0][0] += 0.5;
    }
    columns
}
