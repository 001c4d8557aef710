//! Likelihoods: exact by enumeration of the smaller half of the layers, annealed over it, and importance-weighted.

use gm_core::{
    Activations, AisSettings, Annealed, AnnealedPath, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains,
    ENUMERATION_LIMIT, Error, LogSum, Matrix, Progress, Purpose, Result, Schedule, Stack, Streams, Vector, Watch,
    anneal, anneal_back, log_mean_exp, logistic_f64, softplus_sum,
};
use gm_rbm::{Rbm, base_rate_bias};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::exact::{self, Halves};
use crate::mean_field::{MeanField, MeanFieldSettings, average};
use crate::model::{Dbm, flatten, place, widened};

/// The most units of the odd layers whose states are drawn exactly, because all their probabilities are kept.
const EXACT_SAMPLES_LIMIT: usize = 24;

/// First and second moments of the layers.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_dbm::Dbm;
///
/// // The gradient of the mean log p(v) is the moments given data minus those of the model.
/// let dbm = Dbm::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let v = BitMatrix::from_fn(4, 5, |unit, sample| unit <= sample);
/// let (data, model) = (dbm.posterior_moments(&v)?, dbm.marginals()?);
/// let gradient = dbm.exact_gradient(&v)?;
/// assert!((&data.pairs[1] - &model.pairs[1] - gradient.weights(1)).amax() < 1e-5);
/// assert!((data.means[0][3] - model.means[0][3] - f64::from(gradient.bias(0)[3])).abs() < 1e-5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Moments {
    /// `E[x_l]` of each layer, `[n_l]`.
    pub means: Vec<Vec<f64>>,
    /// `E[x_l x_(l+1)']` of neighbouring layers, `[n_l, n_(l+1)]`.
    pub pairs: Vec<Matrix>,
    /// `E[v^2]` of Gaussian visible units, `[visible]`; none of others.
    pub squares: Vec<f64>,
}

impl Moments {
    /// The moments of layers of the given sizes from those of the flattened machine.
    fn of(layers: &[usize], flat: &Rbm) -> Result<Self> {
        let (even, odd, pairs) = flat.marginals()?;
        Ok(Self::of_halves(layers, Halves { even, odd, pairs, squares: Vec::new() }))
    }

    /// The moments of layers of the given sizes from those of their halves.
    fn of_halves(layers: &[usize], Halves { even, odd, pairs, squares }: Halves) -> Self {
        let mean =
            |l: usize| if l.is_multiple_of(2) { &even[place(layers, l)] } else { &odd[place(layers, l)] }.to_vec();
        let pair = |l: usize| {
            let (below, above) = (place(layers, l), place(layers, l + 1));
            let shape = (below.len(), above.len());
            match l % 2 {
                0 => pairs.view((below.start, above.start), shape).into_owned(),
                _ => pairs.view((above.start, below.start), (shape.1, shape.0)).transpose(),
            }
        };
        let (means, pairs) = ((0..layers.len()).map(mean).collect(), (0..layers.len() - 1).map(pair).collect());
        Self { means, pairs, squares }
    }

    /// Moments of a single layer of independent units.
    fn of_independent(means: Vec<f64>) -> Self {
        Self { means: vec![means], pairs: vec![], squares: vec![] }
    }

    /// The same with a visible layer of known states below, whose squares count if they are real numbers.
    fn above(mut self, v: &[f64], reals: bool) -> Self {
        let first = &self.means[0];
        let pairs = Matrix::from_fn(v.len(), first.len(), |i, j| (v[i] * first[j]) as f32);
        self.pairs.insert(0, pairs);
        self.means.insert(0, v.to_vec());
        self.squares = v.iter().filter(|_| reals).map(|x| x * x).collect();
        self
    }

    fn add(mut self, other: &Self) -> Self {
        for (sum, x) in self.means.iter_mut().flatten().zip(other.means.iter().flatten()) {
            *sum += x;
        }
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(sum, x)| *sum += x);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, x)| *sum += x);
        self
    }

    fn divide(mut self, by: f64) -> Self {
        self.means.iter_mut().flatten().chain(&mut self.squares).for_each(|x| *x /= by);
        self.pairs.iter_mut().for_each(|x| *x /= by as f32);
        self
    }
}

/// The mean of importance weights p*(v, h) / q(h | v) of one sample.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_dbm::{Dbm, MeanFieldSettings};
///
/// // Without weights mean field is the posterior, and every draw has the weight p*(v) = 2^(2 + 2).
/// let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
/// let v = BitMatrix::zeros(3, 4);
/// let q = dbm.mean_field(&v, &MeanFieldSettings::default())?;
/// let found = dbm.importance_weights((&v, &q), 10, &Streams::new(0), &mut unwatched)?;
/// assert!((found[3].value - 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// assert!((found[3].ess - 10.0).abs() < 1e-6 && found[3].std_error < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// log of the mean weight: log p(v) + log Z, from below in expectation.
    pub value: f64,
    /// One standard error of `value`; infinite for a single draw.
    pub std_error: f64,
    /// Effective sample size of the weights.
    pub ess: f64,
}

impl Weighted {
    /// From the logarithms of the sum of the weights and of the sum of their squares.
    fn new(log_sum: f64, log_squares: f64, draws: f64) -> Self {
        let ess = (2.0 * log_sum - log_squares).exp().min(draws);
        let std_error = if draws > 1.0 { ((draws / ess - 1.0) / (draws - 1.0)).sqrt() } else { f64::INFINITY };
        Self { value: log_sum - draws.ln(), std_error, ess }
    }
}

impl Dbm {
    /// Units that exact computations of log Z enumerate: those of the even or of the odd layers, whichever are fewer; unless
    /// visible units are Bernoulli those of the odd ones, given which visible units are summed or integrated out.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        let layers = self.layers();
        if self.has_bits() { fewer(&layers) } else { halves(&layers)[1] }
    }

    /// The parity of the layers that are enumerated or annealed: the half that has fewer units, or the odd one.
    fn kept_half(&self) -> usize {
        if self.has_bits() { smaller_half(&self.layers()) } else { 1 }
    }

    /// Units that exact computations given v enumerate: as [`enumerable_units`](Self::enumerable_units) of the hidden
    /// layers alone.
    #[must_use]
    pub fn enumerable_hidden_units(&self) -> usize {
        fewer(&self.layers()[1..])
    }

    /// log Z, exactly: the larger half of the layers is summed out analytically, the smaller one enumerated.
    ///
    /// # Numerics
    ///
    /// 2^n terms for a smaller half of n units, in double precision from the `f32` parameters on; threaded.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than 30 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[50, 3, 50])?)?;
    /// assert!((dbm.log_partition()? - 103.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition(&self) -> Result<f64> {
        check_enumerable("Dbm::log_partition", self.enumerable_units())?;
        if self.has_bits() { flatten(self.stack()).log_partition() } else { exact::log_partition(self) }
    }

    /// `E[x_l]` and `E[x_l x_(l+1)']` under the model, exactly.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than 30 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let moments = dbm.marginals()?;
    /// assert!((moments.means[2][1] - 0.5).abs() < 1e-12 && (moments.pairs[1][(1, 0)] - 0.25).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn marginals(&self) -> Result<Moments> {
        check_enumerable("Dbm::marginals", self.enumerable_units())?;
        match self.has_bits() {
            true => Moments::of(&self.layers(), &flatten(self.stack())),
            false => Ok(Moments::of_halves(&self.layers(), exact::moments(self)?)),
        }
    }

    /// `E[x_l]` and `E[x_l x_(l+1)']` given v, exactly, on average over samples; v counts as layer 0.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves of the hidden layers have more than 30 units, [`Error::Empty`] without samples, and
    /// those of [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let moments = dbm.posterior_moments(&BitMatrix::from_fn(3, 1, |unit, _| unit == 0))?;
    /// assert_eq!((moments.means[0][0], moments.means[2][1]), (1.0, 0.5));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn posterior_moments<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Moments> {
        const OP: &str = "Dbm::posterior_moments";
        let v = v.into();
        self.check_data(OP, v)?;
        check_enumerable(OP, self.enumerable_hidden_units())?;
        let inputs = self.couplings().given(self, 1, Some(v), None).inputs();
        let (v, reals) = (v.to_matrix(), !self.visible_units().is_binary());
        let mut sum: Option<Moments> = None;
        for (s, states) in v.column_iter().enumerate() {
            let next = self.hidden_moments(&column(&inputs, s))?.above(&widened(states.as_slice()), reals);
            sum = Some(match sum {
                Some(sum) => sum.add(&next),
                None => next,
            });
        }
        let sum = sum.ok_or(Error::Empty { op: OP, arg: "data" })?;
        Ok(sum.divide(v.ncols() as f64))
    }

    /// Moments of the hidden layers given v; `inputs` are b_1 + W_0' v.
    fn hidden_moments(&self, inputs: &[f32]) -> Result<Moments> {
        match self.posterior(inputs)? {
            Some(flat) => Moments::of(&self.layers()[1..], &flat),
            None => Ok(Moments::of_independent(inputs.iter().map(|&x| logistic_f64(f64::from(x))).collect())),
        }
    }

    /// The hidden layers given v as a flattened machine; none with a single hidden layer, whose units are independent.
    ///
    /// `inputs` are b_1 + W_0' v.
    fn posterior(&self, inputs: &[f32]) -> Result<Option<Rbm>> {
        if self.depth() == 1 {
            return Ok(None);
        }
        let weights = (1..self.depth()).map(|l| self.weights(l).clone()).collect();
        let mut biases: Vec<Vector> = (1..=self.depth()).map(|l| self.stack().bias(l).clone()).collect();
        biases[0] = Vector::from_column_slice(inputs);
        Ok(Some(flatten(&Stack::new(weights, biases)?)))
    }

    /// log p(v) of each sample for a given log Z, exactly, `[samples]`.
    ///
    /// log p(v) = b_0' v + log sum_h exp(-E(h | v)) - log Z, with the smaller half of the hidden layers enumerated; of Gaussian units
    /// the log-density, with -sum_i (v_i - a_i)^2 / (2 s_i^2) in place of b_0' v.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves of the hidden layers have more than 30 units, and those of
    /// [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let log_prob = dbm.log_prob(&BitMatrix::zeros(3, 1), dbm.log_partition()?)?;
    /// assert!((log_prob[0] + 3.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Result<Vec<f64>> {
        const OP: &str = "Dbm::log_prob";
        let v = v.into();
        self.check_data(OP, v)?;
        check_enumerable(OP, self.enumerable_hidden_units())?;
        let inputs = self.couplings().given(self, 1, Some(v), None).inputs();
        let mut log_probs = self.visible_units().log_weights(v, &widened(self.bias(0)));
        log_probs.par_iter_mut().enumerate().try_for_each(|(s, log_prob)| {
            let inputs = column(&inputs, s);
            let hidden = match self.posterior(&inputs)? {
                Some(flat) => flat.log_partition()?,
                None => softplus_sum(&widened(&inputs)),
            };
            *log_prob += hidden - log_partition;
            Ok::<(), Error>(())
        })?;
        Ok(log_probs)
    }

    /// Independent exact draws of all layers, by enumeration of the smaller half.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::exact_samples`] of the flattened machine. Unless visible units are Bernoulli one uniform number a sample from
    /// [`Purpose::Exact`] 0 for the odd layers, then even layer l from family l of [`Purpose::Layer`] of [`Purpose::Exact`] 1.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than 24 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// assert_eq!(dbm.exact_samples(5, &gm_core::Streams::new(0))?.layers[2].samples(), 5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_samples(&self, count: usize, streams: &Streams) -> Result<Chains> {
        if !self.has_bits() {
            let (op, units, limit) = ("Dbm::exact_samples", self.enumerable_units(), EXACT_SAMPLES_LIMIT);
            return if units > limit {
                Err(Error::TooLarge { op, units, limit })
            } else {
                exact::samples(self, count, streams)
            };
        }
        let flat = flatten(self.stack()).exact_samples(count, streams)?;
        let layer = |l: usize| {
            let half = if l.is_multiple_of(2) { flat.v().bits() } else { flat.h() };
            let first = self.place(l).start;
            BitMatrix::from_fn(self.units(l), count, |unit, sample| half.get(first + unit, sample)).into()
        };
        Ok(Chains::new((0..=self.depth()).map(layer).collect()))
    }

    /// Biases of independent units with the means of data in the visible layer and of mean field above it, one vector a
    /// layer: a base for annealing.
    ///
    /// # Errors
    ///
    /// As [`mean_field`](Self::mean_field).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let base = dbm.base_rates(&BitMatrix::from_fn(3, 2, |_, sample| sample == 0))?;
    /// assert_eq!(base, [vec![0.0; 3], vec![0.0; 2], vec![0.0; 2]]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn base_rates<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Vec<Vec<f32>>> {
        let data = data.into();
        let posterior = self.mean_field(data, &MeanFieldSettings::default())?;
        let samples = data.samples().max(1) as f64;
        let visible: Vec<f32> = match data {
            BatchRef::Bits(bits) => bits.unit_counts().iter().map(|&on| (on as f64 / samples) as f32).collect(),
            BatchRef::Reals(reals) => average(reals),
        };
        let hidden = posterior.averages().into_iter().map(|means| base_rate_bias(&means));
        Ok(std::iter::once(self.visible_units().bias_of_means(&visible)).chain(hidden).collect())
    }

    /// log Z by annealing the smaller half of the layers from independent units, with the other half summed out; unless visible
    /// units are Bernoulli they belong to the half that is summed or integrated out.
    ///
    /// The base biases, one vector a layer, are best those of [`base_rates`](Self::base_rates) of training data; without them
    /// they come from the means of short chains of the model. Any finite base gives a valid estimate, a near one a sharper
    /// estimate.
    ///
    /// f_beta(x) = exp(sum_kept ((1 - beta) base_l + beta b_l)' x_l) prod_summed (1 + exp((1 - beta) base + beta input)), of Gaussian
    /// or softmax units with the integral or sum of exp(-beta E) base(v)^(1 - beta) over v.
    ///
    /// # Randomness
    ///
    /// As [`anneal`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, [`Error::Shape`] for a base of other layers, [`Error::Interrupted`] when
    /// `watch` breaks.
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, unwatched};
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = dbm.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 7.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let base = self.base_or_own("Dbm::log_partition_ais", base, streams)?;
        anneal(&HalfPath::new(self, &base), settings, streams, watch)
    }

    /// log Z from above, by walks from the model back to independent units, one from each state of `chains`.
    ///
    /// It is above log Z in expectation when the states are independent exact draws of the model, which large models do not
    /// have: states that have not come to equilibrium spoil it to either side.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// As [`log_partition_ais`](Self::log_partition_ais), [`Error::Shape`] for states of other layers, [`Error::Empty`]
    /// without any.
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
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let (streams, schedule) = (Streams::new(0), Schedule::Linear(5));
    /// let model = dbm.exact_samples(10, &streams)?;
    /// let found = dbm.log_partition_reverse_ais(&model, &schedule, None, &streams, &mut unwatched)?;
    /// assert!((found.log_partition.value - 7.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_reverse_ais(
        &self,
        chains: &Chains,
        schedule: &Schedule,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        const OP: &str = "Dbm::log_partition_reverse_ais";
        let sizes: Vec<usize> = chains.layers.iter().map(Batch::units).collect();
        check_sizes(OP, "chains", &sizes, &self.layers())?;
        let base = self.base_or_own(OP, base, streams)?;
        let path = HalfPath::new(self, &base);
        anneal_back(&path, (path.chains_at(chains.layers.clone()), chains.count()), schedule, streams, watch)
    }

    /// A lower bound in expectation on log p(v) of each sample, `[samples]`: RAISE with mean field as proposal.
    ///
    /// The hidden units of the annealed half are drawn from mean field, and walks lead back from there; the bound averages
    /// p*(v, drawn) / (q(drawn) Z') over `runs` of them, Z' being what each walk says of Z. It is on the distribution with
    /// which annealing from independent units ends, which comes close to the model's as the schedule gets finer.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// Family r of [`Purpose::Propose`] for the draws of run r, then as [`anneal_back`].
    ///
    /// # Errors
    ///
    /// As [`log_partition_ais`](Self::log_partition_ais), and [`Error::Param`] without runs.
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
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let settings = AisSettings { runs: 2, schedule: Schedule::Linear(5) };
    /// let bound = dbm.log_prob_raise(&BitMatrix::zeros(3, 4), &settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((bound[3] + 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_raise<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        settings: &AisSettings,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Dbm::log_prob_raise";
        let v = v.into();
        check_count(OP, "runs", settings.runs)?;
        let posterior = self.mean_field(v, &MeanFieldSettings::default())?;
        let base = self.base_or_own(OP, base, streams)?;
        let path = HalfPath::new(self, &base);
        let proposal = Proposal::new(self, &path.couplings, (v, &posterior), path.kept);
        let draws: Vec<(Vec<Batch>, Vec<f64>)> =
            (0..settings.runs as u64).map(|run| proposal.draw(&streams.fork(Purpose::Propose, run))).collect();
        let layers = (0..=self.depth()).map(|l| side_by_side(draws.iter().map(|(layers, _)| &layers[l]))).collect();
        let chains = (path.chains_at(layers), v.samples() * settings.runs);
        let found = anneal_back(&path, chains, &settings.schedule, streams, watch)?;
        let of_sample = |s: usize| {
            let runs = draws.iter().enumerate();
            let weights = runs.map(|(run, (_, weights))| weights[s] - found.log_weights[run * v.samples() + s]);
            log_mean_exp(&weights.collect::<Vec<_>>())
        };
        Ok((0..v.samples()).map(of_sample).collect())
    }

    /// An importance-weighted estimate of log p(v) of each sample for a given log Z, `[samples]`.
    ///
    /// log of the mean of p*(v, h_kept) / q(h_kept | v) over draws from mean field of the smaller half, with the other hidden
    /// layers summed out, minus log Z. Below log p(v) in expectation, ever less so with more draws.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// Family k of [`Purpose::Propose`] for draw k of every sample.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the posterior belongs to other layers or samples, [`Error::Param`] without draws,
    /// [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Source
    ///
    /// `burda2016importance`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams, unwatched};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let (v, streams) = (BitMatrix::zeros(3, 4), Streams::new(0));
    /// let q = dbm.mean_field(&v, &MeanFieldSettings::default())?;
    /// let found = dbm.log_prob_importance((&v, &q), 10, dbm.log_partition()?, &streams, &mut unwatched)?;
    /// assert!((found[2] + 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_importance<'v>(
        &self,
        (v, posterior): (impl Into<BatchRef<'v>>, &MeanField),
        draws: usize,
        log_partition: f64,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let found = self.importance_weights((v, posterior), draws, streams, watch)?;
        Ok(found.iter().map(|row| row.value - log_partition).collect())
    }

    /// [`log_prob_importance`](Self::log_prob_importance) before log Z is subtracted, with the spread of the weights of each
    /// sample.
    ///
    /// # Errors
    ///
    /// As [`log_prob_importance`](Self::log_prob_importance).
    pub fn importance_weights<'v>(
        &self,
        (v, posterior): (impl Into<BatchRef<'v>>, &MeanField),
        draws: usize,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<Weighted>> {
        const OP: &str = "Dbm::importance_weights";
        let v = v.into();
        self.check_data(OP, v)?;
        check_count(OP, "draws", draws)?;
        let sizes: Vec<usize> = posterior.means.iter().map(Matrix::nrows).collect();
        check_sizes(OP, "posterior", &sizes, &self.layers()[1..])?;
        gm_core::check_len(OP, "posterior", "samples", posterior.means[0].ncols(), v.samples())?;
        let couplings = self.couplings();
        let proposal = Proposal::new(self, &couplings, (v, posterior), self.kept_half());
        let mut sums = vec![[LogSum::default(); 2]; v.samples()];
        for draw in 0..draws {
            let (_, weights) = proposal.draw(&streams.fork(Purpose::Propose, draw as u64));
            sums.iter_mut().zip(weights).for_each(|([sum, squares], weight)| {
                sum.add(weight);
                squares.add(2.0 * weight);
            });
            if watch(Progress { done: draw + 1, total: draws }).is_break() {
                return Err(Error::Interrupted { op: OP });
            }
        }
        Ok(sums.iter().map(|[sum, squares]| Weighted::new(sum.value(), squares.value(), draws as f64)).collect())
    }

    fn base_or_own(&self, op: &'static str, base: Option<&[Vec<f32>]>, streams: &Streams) -> Result<Vec<Vec<f32>>> {
        let base = base.map_or_else(|| self.model_rates(streams), <[Vec<f32>]>::to_vec);
        let sizes: Vec<usize> = base.iter().map(Vec::len).collect();
        check_sizes(op, "base", &sizes, &self.layers())?;
        base.iter().try_for_each(|biases| gm_core::check_finite(op, "base", biases))?;
        Ok(base)
    }

    /// Biases of independent units with the means of short chains of this model.
    fn model_rates(&self, streams: &Streams) -> Vec<Vec<f32>> {
        const CHAINS: usize = 256;
        const SWEEPS: usize = 50;
        let family = streams.fork(Purpose::Anneal, u64::MAX);
        let mut chains = self.scattered(CHAINS, &family);
        let sampler = self.sampler();
        sampler.run(&mut chains, SWEEPS, &family);
        let rates = |l: usize| {
            let sums = sampler.mean(l, &chains.layers).unit_sums();
            let means: Vec<f32> = sums.iter().map(|sum| (sum / CHAINS as f64) as f32).collect();
            if l == 0 { self.visible_units().bias_of_means(&means) } else { base_rate_bias(&means) }
        };
        (0..=self.depth()).map(rates).collect()
    }

    /// Chains that start at uniform bits: of the visible layer, or of the odd layers where visible units are of another kind.
    fn scattered(&self, count: usize, streams: &Streams) -> Chains {
        let uniform = |l: usize, streams: &Streams| {
            let mut x = BitMatrix::zeros(self.units(l), count);
            Activations::from_matrix(&Matrix::from_element(self.units(l), count, 0.5)).sample_into(&mut x, streams);
            x
        };
        if self.has_bits() {
            return self.chains_from(uniform(0, streams), streams);
        }
        let mut layers = self.blank(count);
        for l in (1..layers.len()).step_by(2) {
            layers[l] = uniform(l, &streams.fork(Purpose::Layer, l as u64)).into();
        }
        Chains::new(layers)
    }
}

/// Units of the even layers and of the odd ones.
fn halves(layers: &[usize]) -> [usize; 2] {
    [0, 1].map(|parity| layers.iter().skip(parity).step_by(2).sum())
}

fn fewer(layers: &[usize]) -> usize {
    let [even, odd] = halves(layers);
    even.min(odd)
}

/// The parity of the layers that have fewer units.
fn smaller_half(layers: &[usize]) -> usize {
    let [even, odd] = halves(layers);
    usize::from(odd <= even)
}

fn check_enumerable(op: &'static str, units: usize) -> Result<()> {
    let limit = ENUMERATION_LIMIT;
    if units > limit { Err(Error::TooLarge { op, units, limit }) } else { Ok(()) }
}

fn check_count(op: &'static str, arg: &'static str, count: usize) -> Result<()> {
    if count > 0 { Ok(()) } else { Err(Error::Param { op, arg, value: "0".into(), allowed: "1 or more" }) }
}

fn check_sizes(op: &'static str, arg: &'static str, found: &[usize], expected: &[usize]) -> Result<()> {
    gm_core::check_len(op, arg, "layers", found.len(), expected.len())?;
    found.iter().zip(expected).try_for_each(|(&found, &expected)| gm_core::check_len(op, arg, "units", found, expected))
}

/// The inputs of one sample.
fn column(inputs: &Activations, sample: usize) -> Vec<f32> {
    (0..inputs.units()).map(|unit| inputs.get(unit, sample)).collect()
}

/// Batches of the same units, one after the other.
fn side_by_side<'a>(batches: impl Iterator<Item = &'a Batch> + Clone) -> Batch {
    let reals = |batch: &'a Batch| match batch {
        Batch::Bits(_) => None,
        Batch::Reals(reals) => Some(reals),
    };
    let all: Vec<&Matrix> = batches.clone().filter_map(reals).collect();
    if let Some(first) = all.first() {
        let values: Vec<f32> = all.iter().flat_map(|batch| batch.iter().copied()).collect();
        return Matrix::from_vec(first.nrows(), values.len() / first.nrows(), values).into();
    }
    side_by_side_bits(batches.map(Batch::bits)).into()
}

fn side_by_side_bits<'a>(batches: impl Iterator<Item = &'a BitMatrix> + Clone) -> BitMatrix {
    let sizes = batches.clone().map(|batch| (batch.units(), batch.samples()));
    let (units, samples) = sizes.fold((0, 0), |(_, total), (units, samples)| (units, total + samples));
    let mut joined = BitMatrix::zeros(units, samples);
    let mut first = 0;
    for batch in batches {
        for sample in 0..batch.samples() {
            (0..units).filter(|&unit| batch.get(unit, sample)).for_each(|unit| joined.set(unit, first + sample, true));
        }
        first += batch.samples();
    }
    joined
}

/// Draws of the kept hidden layers from mean field, weighted by what the model says of them and v.
struct Proposal<'a> {
    dbm: &'a Dbm,
    couplings: &'a Couplings,
    v: BatchRef<'a>,
    kept: usize,
    /// For each kept hidden layer its number, its means, and what each unit adds to the log-weight when it is on.
    layers: Vec<(usize, Activations, Matrix)>,
    /// What v weighs by its biases - sum log (1 - mean) of each sample: the log-weight with all kept units off and nothing summed
    /// out.
    start: Vec<f64>,
}

impl<'a> Proposal<'a> {
    fn new(dbm: &'a Dbm, couplings: &'a Couplings, (v, posterior): (BatchRef<'a>, &MeanField), kept: usize) -> Self {
        let mut start = dbm.visible_units().log_weights(v, &widened(dbm.bias(0)));
        let hidden = (1..=dbm.depth()).filter(|l| l % 2 == kept);
        let layer = |l: usize| {
            let means = &posterior.means[l - 1];
            let mut gains = match l {
                1 => couplings.inputs_from_v(dbm, v),
                _ => Matrix::from_fn(means.nrows(), means.ncols(), |unit, _| dbm.bias(l)[unit]),
            };
            let columns = gains.as_mut_slice().par_chunks_mut(means.nrows());
            columns.zip(&mut start).enumerate().for_each(|(s, (gains, start))| {
                *start -= weigh(means.column(s).as_slice(), gains);
            });
            (l, Activations::from_matrix(means), gains)
        };
        let layers = hidden.map(layer).collect();
        Self { dbm, couplings, v, kept, layers, start }
    }

    /// States of all layers, those that are summed out being off, and log p*(v, kept) - log q(kept) of each sample.
    fn draw(&self, streams: &Streams) -> (Vec<Batch>, Vec<f64>) {
        let mut layers = self.dbm.blank(self.v.samples());
        layers[0] = self.v.to_batch();
        let mut weights = self.start.clone();
        for (l, means, gains) in &self.layers {
            means.sample_into(layers[*l].bits_mut(), &streams.fork(Purpose::Layer, *l as u64));
            let x = layers[*l].bits();
            weights.par_iter_mut().enumerate().for_each(|(s, weight)| {
                let gains = gains.column(s);
                *weight +=
                    (0..x.units()).filter(|&unit| x.get(unit, s)).map(|unit| f64::from(gains[unit])).sum::<f64>();
            });
        }
        for l in (1..=self.dbm.depth()).filter(|l| l % 2 != self.kept) {
            let terms = self.couplings.conditional(self.dbm, l, &layers).inputs().softplus_sums();
            weights.iter_mut().zip(terms).for_each(|(weight, term)| *weight += term);
        }
        (layers, weights)
    }
}

/// Subtracts log (m / (1 - m)) from the gain of each unit and returns sum log (1 - m). A unit with m = 1 is always drawn on,
/// at no cost.
fn weigh(means: &[f32], gains: &mut [f32]) -> f64 {
    let mut sum = 0.0;
    for (&mean, gain) in means.iter().zip(gains).filter(|(mean, _)| **mean < 1.0) {
        let off = f64::from(-mean).ln_1p();
        *gain = (f64::from(*gain) - (f64::from(mean).ln() - off)) as f32;
        sum += off;
    }
    sum
}

/// The path from independent units to the model, with the larger half of the layers summed out.
struct HalfPath<'a> {
    dbm: &'a Dbm,
    couplings: Couplings,
    base: &'a [Vec<f32>],
    /// Parity of the layers that are the state.
    kept: usize,
    /// b_l - base_l.
    change: Vec<Vec<f64>>,
}

impl<'a> HalfPath<'a> {
    fn new(dbm: &'a Dbm, base: &'a [Vec<f32>]) -> Self {
        let change = |(l, base): (usize, &Vec<f32>)| {
            dbm.bias(l).iter().zip(base).map(|(&b, &base)| f64::from(b) - f64::from(base)).collect()
        };
        let (kept, change) = (dbm.kept_half(), base.iter().enumerate().map(change).collect());
        Self { dbm, couplings: Couplings::new(dbm, Arrangement::ManyDraws), base, kept, change }
    }

    fn chains_at(&self, layers: Vec<Batch>) -> AnnealedChains {
        let inputs = layers.iter().map(|x| Activations::zeros(x.units(), x.samples())).collect();
        AnnealedChains { layers, inputs }
    }

    fn half(&self, parity: usize) -> impl Iterator<Item = usize> {
        (parity..=self.dbm.depth()).step_by(2)
    }

    fn draw_kept(&self, layers: &mut [Batch], beta: f32, streams: &Streams) {
        self.couplings.draw_half(self.dbm, layers, self.kept, &|l, layer, out: &mut Batch| {
            let layer = layer.tempered(Beta::Same(beta), Some(&self.base[l]));
            layer.sample_into(out, &streams.fork(Purpose::Layer, l as u64));
        });
    }
}

/// Chains with room for the inputs of the layers that are summed out.
struct AnnealedChains {
    layers: Vec<Batch>,
    inputs: Vec<Activations>,
}

impl AnnealedPath for HalfPath<'_> {
    type Chains = AnnealedChains;

    fn log_base_partition(&self) -> f64 {
        let visible = widened(&self.base[0]);
        let hidden = self.base[1..].iter().map(|base| softplus_sum(&widened(base)));
        std::iter::once(self.dbm.visible_units().log_sum(&visible, &visible)).chain(hidden).sum()
    }

    fn start(&self, runs: usize, streams: &Streams) -> AnnealedChains {
        let mut layers = self.dbm.blank(runs);
        self.draw_kept(&mut layers, 0.0, streams);
        self.chains_at(layers)
    }

    fn advance(&self, chains: &mut AnnealedChains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        let mut add = |terms: Vec<f64>, scale: f64| {
            log_weights.iter_mut().zip(terms).for_each(|(weight, term)| *weight += scale * term);
        };
        for l in self.half(self.kept) {
            add(chains.layers[l].bits().weighted_sums(&self.change[l]), to - from);
        }
        for l in self.half(1 - self.kept) {
            let (base, inputs) = (&self.base[l], &mut chains.inputs[l]);
            self.couplings.conditional(self.dbm, l, &chains.layers).inputs_into(inputs);
            let streams = streams.fork(Purpose::Layer, l as u64);
            if l == 0 && !self.dbm.has_bits() {
                add(self.dbm.visible_units().log_sum_gains(inputs, &widened(self.dbm.bias(0)), base, (from, to)), 1.0);
                let inputs = tempered(inputs, to as f32, base);
                self.dbm.visible_units().sample_into(&inputs, &mut chains.layers[0], &streams);
                continue;
            }
            add(inputs.softplus_gains(base, from, to), 1.0);
            inputs.sample_tempered_into(to as f32, base, chains.layers[l].bits_mut(), &streams);
        }
        self.draw_kept(&mut chains.layers, to as f32, streams);
    }
}

/// beta x + (1 - beta) base.
fn tempered(inputs: &Activations, beta: f32, base: &[f32]) -> Activations {
    let mut inputs = inputs.to_matrix();
    for mut column in inputs.column_iter_mut() {
        column.iter_mut().zip(base).for_each(|(x, base)| *x = beta * *x + (1.0 - beta) * base);
    }
    Activations::from_matrix(&inputs)
}
