//! Likelihoods: exact by enumeration, then annealed, then pseudo-likelihoods.

use gm_core::{
    Activations, AisSettings, Annealed, AnnealedPath, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains,
    ENUMERATION_LIMIT, Error, GrayWalk, LogSum, Matrix, Purpose, Result, Schedule, Streams, VisibleUnits, Watch,
    anneal, anneal_back, gray_walk, log_mean_exp,
};
use rand::RngExt;

use crate::conditional::{Couplings, Heat};
use crate::model::{Rbm, widened};

/// The most units of a layer whose states are drawn exactly, because all their probabilities are kept.
const EXACT_SAMPLES_LIMIT: usize = 24;

/// First and second moments under the model.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) visible: Vec<f64>,
    /// E[v^2], of Gaussian units only.
    pub(crate) squares: Vec<f64>,
    pub(crate) hidden: Vec<f64>,
    /// E[v h'], column by column like W.
    pub(crate) pairs: Vec<f64>,
}

/// The model seen from the layer that is enumerated: the other layer is summed out analytically.
struct Bipartite<'a> {
    bias: Vec<f64>,
    other_bias: Vec<f64>,
    /// Weights of each enumerated unit to the other layer.
    rows: Vec<Vec<f64>>,
    /// What the other layer is made of.
    other: &'a VisibleUnits,
}

/// Hidden units, seen as visible ones of the upturned model.
const BINARY: &VisibleUnits = &VisibleUnits::Bernoulli;

impl<'a> Bipartite<'a> {
    fn new(rbm: &'a Rbm) -> Self {
        let (a, b) = (widened(rbm.visible_bias()), widened(rbm.hidden_bias()));
        let w = rbm.weights();
        if rbm.enumerates_hidden() {
            let rows = w.column_iter().map(|c| widened(c.as_slice())).collect();
            Self { bias: b, other_bias: a, rows, other: rbm.units() }
        } else {
            let rows = w.row_iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect();
            Self { bias: a, other_bias: b, rows, other: BINARY }
        }
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

/// One state of the enumerated layer with what it means for the other layer.
struct State<'a> {
    model: &'a Bipartite<'a>,
    bits: u64,
    linear: f64,
    inputs: Vec<f64>,
}

impl<'a> State<'a> {
    fn at(model: &'a Bipartite<'a>, bits: u64) -> Self {
        let mut state = Self { model, bits: 0, linear: 0.0, inputs: model.other_bias.clone() };
        (0..model.bias.len()).filter(|unit| bits >> unit & 1 == 1).for_each(|unit| state.flip(unit));
        state
    }

    fn flip(&mut self, unit: usize) {
        self.bits ^= 1 << unit;
        let sign = if self.bits >> unit & 1 == 1 { 1.0 } else { -1.0 };
        self.linear += sign * self.model.bias[unit];
        for (input, weight) in self.inputs.iter_mut().zip(&self.model.rows[unit]) {
            *input += sign * weight;
        }
    }

    /// log of the unnormalised probability of the enumerated layer's state.
    fn log_weight(&self) -> f64 {
        self.linear + self.model.other.log_sum(&self.inputs, &self.model.other_bias)
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

/// Sums of p(x) x, p(x) E[y | x], p(x) E[y^2 | x] and p(x) x E[y | x]'.
struct MomentSums {
    enumerated: Vec<f64>,
    other: Vec<f64>,
    squares: Vec<f64>,
    pairs: Vec<Vec<f64>>,
}

impl MomentSums {
    fn zeros(model: &Bipartite<'_>) -> Self {
        let (m, n) = (model.bias.len(), model.other_bias.len());
        let squares = if model.other.is_binary() { 0 } else { n };
        Self {
            enumerated: vec![0.0; m],
            other: vec![0.0; n],
            squares: vec![0.0; squares],
            pairs: vec![vec![0.0; n]; m],
        }
    }

    fn add(&mut self, state: &State<'_>, log_partition: f64) {
        let p = (state.log_weight() - log_partition).exp();
        let mut means = state.inputs.clone();
        state.model.other.means_of_one(&mut means);
        if let Some(gaussian) = state.model.other.gaussian() {
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
        for (pairs, other) in self.pairs.iter_mut().zip(&other.pairs) {
            add_to(pairs, other);
        }
        self
    }
}

fn add_to(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

impl Rbm {
    /// Units that exact computations enumerate: those of the smaller layer, or the hidden ones unless visible units are
    /// Bernoulli.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        if self.enumerates_hidden() { self.hidden() } else { self.visible() }
    }

    fn enumerates_hidden(&self) -> bool {
        *self.units() != VisibleUnits::Bernoulli || self.hidden() <= self.visible()
    }

    /// log Z, exactly: the larger layer is summed out analytically, the smaller one enumerated.
    ///
    /// # Numerics
    ///
    /// 2^n x m terms for layers of n <= m units, in double precision from the `f32` parameters on; threaded.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than 30 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[100, 2])?)?;
    /// assert!((rbm.log_partition()? - 102.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition(&self) -> Result<f64> {
        self.check_enumerable("Rbm::log_partition", ENUMERATION_LIMIT)?;
        let sums = Bipartite::new(self).walk(LogSum::default, |sum, state| sum.add(state.log_weight()))?;
        let mut total = LogSum::default();
        sums.iter().for_each(|sum| total.merge(sum));
        Ok(total.value())
    }

    fn check_enumerable(&self, op: &'static str, limit: usize) -> Result<()> {
        let units = self.enumerable_units();
        if units > limit { Err(Error::TooLarge { op, units, limit }) } else { Ok(()) }
    }

    pub(crate) fn exact_moments(&self) -> Result<Moments> {
        self.check_enumerable("Rbm::exact_gradient", ENUMERATION_LIMIT)?;
        let log_partition = self.log_partition()?;
        let model = Bipartite::new(self);
        let walks = model.walk(|| MomentSums::zeros(&model), |sums, state| sums.add(state, log_partition))?;
        let sums = walks.into_iter().reduce(|a, b| a.merge(&b)).unwrap_or_else(|| MomentSums::zeros(&model));
        let squares = sums.squares;
        if self.enumerates_hidden() {
            return Ok(Moments { visible: sums.other, squares, hidden: sums.enumerated, pairs: sums.pairs.concat() });
        }
        let pairs = (0..self.hidden()).flat_map(|j| sums.pairs.iter().map(move |row| row[j])).collect();
        Ok(Moments { visible: sums.enumerated, squares, hidden: sums.other, pairs })
    }

    /// `E[v]`, `E[h]` and `E[v h']` under the model, exactly.
    ///
    /// # Shapes
    ///
    /// `[visible]`, `[hidden]` and `[visible, hidden]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than 30 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[3, 2])?)?;
    /// let (v, h, pairs) = rbm.marginals()?;
    /// assert!((v[0] - 0.5).abs() < 1e-12 && (h[1] - 0.5).abs() < 1e-12 && (pairs[(2, 1)] - 0.25).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn marginals(&self) -> Result<(Vec<f64>, Vec<f64>, Matrix)> {
        let moments = self.exact_moments()?;
        let pairs = moments.pairs.iter().map(|&p| p as f32);
        let pairs = Matrix::from_iterator(self.visible(), self.hidden(), pairs);
        Ok((moments.visible, moments.hidden, pairs))
    }

    /// `E[v^2]` of Gaussian units, exactly, `[visible]`; none for binary ones.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for more than 30 hidden units.
    pub fn second_moments(&self) -> Result<Vec<f64>> {
        Ok(self.exact_moments()?.squares)
    }

    /// Independent exact draws of (v, h), by enumeration of the smaller layer.
    ///
    /// # Randomness
    ///
    /// One uniform number a sample from [`Purpose::Exact`] 0, then the other layer from [`Purpose::Exact`] 1.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than 24 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[3, 2])?)?;
    /// assert_eq!(rbm.exact_samples(5, &gm_core::Streams::new(0))?.v().samples(), 5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_samples(&self, count: usize, streams: &Streams) -> Result<Chains> {
        self.check_enumerable("Rbm::exact_samples", EXACT_SAMPLES_LIMIT)?;
        let walks = Bipartite::new(self).walk(Vec::new, |found, state| found.push((state.bits, state.log_weight())))?;
        let states: Vec<(u64, f64)> = walks.concat();
        let chosen = choose(&states, count, &streams.fork(Purpose::Exact, 0));
        let units = self.enumerable_units();
        let enumerated = BitMatrix::from_fn(units, count, |unit, sample| chosen[sample] >> unit & 1 == 1);
        let (couplings, other) = (self.couplings(), streams.fork(Purpose::Exact, 1));
        Ok(if self.enumerates_hidden() {
            Chains::new(vec![couplings.sample_v_from_h(self, &enumerated, &other), enumerated.into()])
        } else {
            let h = couplings.sample_h_from_v(self, (&enumerated).into(), &other);
            Chains::new(vec![enumerated.into(), h.into()])
        })
    }

    /// -log sum_h exp(-E(v, h)) of each sample, `[samples]`.
    ///
    /// F(v) = -a' v - sum_j softplus(b_j + W_j' v); of Gaussian units sum_i (v_i - a_i)^2 / (2 s_i^2) takes the place of -a' v
    /// and v / s^2 that of v. Of means of Bernoulli units it is the formula's value there.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn free_energy<'v>(&self, v: impl Into<BatchRef<'v>>) -> Vec<f64> {
        let v = v.into();
        let inputs = self.couplings().inputs_h_from_v(self, v);
        self.free_energy_with_inputs(v, &inputs)
    }

    pub(crate) fn free_energy_with_inputs(&self, v: BatchRef<'_>, inputs: &Activations) -> Vec<f64> {
        let visible = self.units().log_weights(v, &widened(self.visible_bias()));
        visible.iter().zip(inputs.softplus_sums()).map(|(a, h)| -a - h).collect()
    }

    /// log p(v) of each sample for a given log Z, `[samples]`; a log-density of Gaussian units.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn log_prob<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Vec<f64> {
        self.free_energy(v).iter().map(|f| -f - log_partition).collect()
    }

    /// log Z by annealing from independent visible units to this model.
    ///
    /// The base biases are best those of [`base_rate_bias`] of the training data; without them they come from the
    /// means of short chains of the model. Any finite base gives a valid estimate, a near one a sharper estimate.
    ///
    /// f_beta(v) = exp(((1 - beta) base + beta a)' v) prod_j (1 + exp(beta (b_j + W_j' v))).
    ///
    /// # Randomness
    ///
    /// As [`anneal`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, [`Error::Shape`] for a base of another width,
    /// [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Source
    ///
    /// `salakhutdinov2008quantitative`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = rbm.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base_bias: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let base = self.base_or_own("Rbm::log_partition_ais", base_bias, streams)?;
        anneal(&BaseRatePath::new(self, &base), settings, streams, watch)
    }

    /// log Z from above, by walks from the model back to independent visible units, one from each state of `v`.
    ///
    /// It is above log Z in expectation when `v` are independent exact draws of the model, which large models do not
    /// have: states that have not come to equilibrium spoil it to either side.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, runs]`.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// As [`log_partition_ais`](Self::log_partition_ais), [`Error::Shape`] for states of another width,
    /// [`Error::Empty`] without any.
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let (streams, schedule) = (Streams::new(0), Schedule::Linear(5));
    /// let model = rbm.exact_samples(10, &streams)?.into_v();
    /// let found = rbm.log_partition_reverse_ais(&model, &schedule, None, &streams, &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_reverse_ais<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        schedule: &Schedule,
        base_bias: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        const OP: &str = "Rbm::log_partition_reverse_ais";
        let v = v.into();
        self.check_data(OP, v)?;
        let base = self.base_or_own(OP, base_bias, streams)?;
        let path = BaseRatePath::new(self, &base);
        anneal_back(&path, (path.chains_at(v.to_batch()), v.samples()), schedule, streams, watch)
    }

    /// A lower bound in expectation on log p(v) of each sample, `[samples]`: RAISE.
    ///
    /// The bound is on the distribution with which annealing from independent visible units ends, which comes close to
    /// the model's as the schedule gets finer. It averages `runs` walks back from each sample; the more, the tighter.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Numerics
    ///
    /// samples x runs chains, each with a sweep a temperature.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// As [`log_partition_reverse_ais`](Self::log_partition_reverse_ais), and [`Error::Param`] without runs.
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let settings = AisSettings { runs: 2, schedule: Schedule::Linear(5) };
    /// let bound = rbm.log_prob_raise(&BitMatrix::zeros(3, 4), &settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((bound[3] + 3.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_raise<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        settings: &AisSettings,
        base_bias: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let v = v.into().to_batch();
        if settings.runs == 0 {
            let (op, arg, value) = ("Rbm::log_prob_raise", "runs", "0".into());
            return Err(Error::Param { op, arg, value, allowed: "1 or more" });
        }
        let copies: Vec<usize> = (0..v.samples()).flat_map(|s| std::iter::repeat_n(s, settings.runs)).collect();
        let found =
            self.log_partition_reverse_ais(&v.select(&copies), &settings.schedule, base_bias, streams, watch)?;
        let runs = found.log_weights.chunks(settings.runs);
        let log_z = runs.map(|of_sample| -log_mean_exp(&of_sample.iter().map(|z| -z).collect::<Vec<_>>()));
        Ok(self.free_energy(&v).iter().zip(log_z).map(|(f, z)| -f - z).collect())
    }

    fn base_or_own(&self, op: &'static str, base: Option<&[f32]>, streams: &Streams) -> Result<Vec<f32>> {
        let base = base.map_or_else(|| self.model_rate_bias(streams), <[f32]>::to_vec);
        gm_core::check_len(op, "base_bias", "length", base.len(), self.visible())?;
        gm_core::check_finite(op, "base_bias", &base)?;
        Ok(base)
    }

    /// Biases of independent units with the means of short chains of this model from uniform hidden states.
    ///
    /// The model's own visible biases would do badly: a hidden layer that is mostly on shifts them far away.
    pub(crate) fn model_rate_bias(&self, streams: &Streams) -> Vec<f32> {
        const CHAINS: usize = 256;
        const SWEEPS: usize = 50;
        let family = streams.fork(Purpose::Anneal, u64::MAX);
        let uniform = Activations::from_matrix(&Matrix::from_element(self.hidden(), CHAINS, 0.5));
        let mut h = BitMatrix::zeros(self.hidden(), CHAINS);
        uniform.sample_into(&mut h, &family);
        let mut chains = Chains::new(vec![self.units().blank(self.visible(), CHAINS), h.into()]);
        let sampler = self.sampler();
        sampler.run(&mut chains, SWEEPS, &family);
        let sums = sampler.mean_v_from_h(chains.h()).unit_sums();
        self.units().bias_of_means(&sums.iter().map(|sum| (sum / CHAINS as f64) as f32).collect::<Vec<_>>())
    }
}

/// Draws states with probabilities proportional to exp(log-weight).
fn choose(states: &[(u64, f64)], count: usize, streams: &Streams) -> Vec<u64> {
    let max = states.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = states
        .iter()
        .map(|(_, log_weight)| {
            sum += (log_weight - max).exp();
            sum
        })
        .collect();
    let mut stream = streams.stream(0);
    let mut draw = || {
        let u = stream.random::<f64>() * sum;
        states[cumulative.partition_point(|&c| c <= u).min(states.len() - 1)].0
    };
    (0..count).map(|_| draw()).collect()
}

/// Visible biases of independent units with the given means, which are kept within 0.001 and 0.999.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_rbm::base_rate_bias(&[0.5])[0], 0.0);
/// assert!(gm_rbm::base_rate_bias(&[0.0])[0].is_finite());
/// ```
#[must_use]
pub fn base_rate_bias(means: &[f32]) -> Vec<f32> {
    VisibleUnits::Bernoulli.bias_of_means(means)
}

/// mean F(a) - mean F(b): how much less likely the model finds a than b, without knowing Z.
///
/// With validation data for a and training data for b a growing gap tells of overfitting.
///
/// # Panics
///
/// When a batch has other units than the visible layer.
///
/// # Source
///
/// `hinton2012practical`, section 6.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
/// assert_eq!(gm_rbm::free_energy_gap(&rbm, &BitMatrix::zeros(3, 1), &BitMatrix::zeros(3, 4)), 0.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn free_energy_gap<'v>(rbm: &Rbm, a: impl Into<BatchRef<'v>>, b: impl Into<BatchRef<'v>>) -> f64 {
    let mean = |v: BatchRef<'_>| rbm.free_energy(v).iter().sum::<f64>() / v.samples() as f64;
    mean(a.into()) - mean(b.into())
}

/// The path from independent visible units to the model.
struct BaseRatePath<'a> {
    rbm: &'a Rbm,
    couplings: Couplings,
    base: &'a [f32],
    /// How the biases' log-weight of v differs from that of the base: weights of v and a constant.
    tilt: (Vec<f64>, f64),
    no_bias: Vec<f32>,
}

impl<'a> BaseRatePath<'a> {
    fn new(rbm: &'a Rbm, base: &'a [f32]) -> Self {
        let tilt = rbm.units().tilt(&widened(rbm.visible_bias()), &widened(base));
        Self {
            rbm,
            couplings: Couplings::new(rbm, Arrangement::ManyDraws),
            base,
            tilt,
            no_bias: vec![0.0; rbm.hidden()],
        }
    }

    fn chains_at(&self, v: Batch) -> AnnealedChains {
        let h = BitMatrix::zeros(self.rbm.hidden(), v.samples());
        AnnealedChains { inputs: Activations::zeros(h.units(), h.samples()), v, h }
    }

    fn heat(&self, beta: f64) -> Option<Heat<'_>> {
        Some(Heat { beta: Beta::Same(beta as f32), base: Some(self.base) })
    }
}

/// Chains with room for the hidden layer's inputs.
struct AnnealedChains {
    v: Batch,
    h: BitMatrix,
    inputs: Activations,
}

impl AnnealedPath for BaseRatePath<'_> {
    type Chains = AnnealedChains;

    fn log_base_partition(&self) -> f64 {
        let base = widened(self.base);
        self.rbm.units().log_sum(&base, &base) + self.rbm.hidden() as f64 * std::f64::consts::LN_2
    }

    fn start(&self, runs: usize, streams: &Streams) -> AnnealedChains {
        let h = BitMatrix::zeros(self.rbm.hidden(), runs);
        let mut v = self.rbm.units().blank(self.rbm.visible(), runs);
        self.couplings.draw_v(self.rbm, &h, self.heat(0.0), &mut v, streams);
        self.chains_at(v)
    }

    fn advance(&self, chains: &mut AnnealedChains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        self.couplings.inputs_into(self.rbm, chains.v.view(), &mut chains.inputs);
        let hidden = chains.inputs.softplus_gains(&self.no_bias, from, to);
        let visible = chains.v.view().weighted_sums(&self.tilt.0);
        for ((weight, hidden), visible) in log_weights.iter_mut().zip(hidden).zip(visible) {
            *weight += hidden + (to - from) * (visible + self.tilt.1);
        }
        chains.inputs.sample_tempered_into(to as f32, &self.no_bias, &mut chains.h, &streams.fork(Purpose::Layer, 1));
        let layer = streams.fork(Purpose::Layer, 0);
        self.couplings.draw_v(self.rbm, &chains.h, self.heat(to), &mut chains.v, &layer);
    }
}
