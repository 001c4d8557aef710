//! The exact likelihood, by enumeration of the smaller half of the layers.

use gm_core::{
    Activations, BatchRef, BitMatrix, Chains, Error, Matrix, Moments, Progress, Result, Stack, Streams, Vector, Watch,
    logistic_f64, softplus_sum, unwatched, widened,
};
use gm_rbm::Rbm;
use rayon::prelude::*;

use crate::exact::{self, Halves};
use crate::limits::{LOG_PARTITION_LIMIT, LOG_PROB_LIMIT, SAMPLES_LIMIT};
use crate::model::{Dbm, flatten, place};

/// States of hidden units, over all samples, between two calls of a watch.
const TOGETHER: usize = 1 << 14;

impl Dbm {
    /// The number of units that exact computations of log Z enumerate. They are the units of the even or of the odd
    /// layers, whichever are fewer, if visible units are Bernoulli. Otherwise they are the units of the odd layers, and
    /// visible units are summed or integrated out.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        let layers = self.layers();
        if self.has_bits() { fewer(&layers) } else { halves(&layers)[1] }
    }

    /// The parity of the layers that are enumerated or annealed: the half of fewer units, or the odd half unless
    /// visible units are Bernoulli.
    pub(crate) fn kept_half(&self) -> usize {
        if self.has_bits() { smaller_half(&self.layers()) } else { 1 }
    }

    /// The number of units that exact computations given v enumerate: the units of the even or of the odd hidden
    /// layers, whichever are fewer.
    #[must_use]
    pub fn enumerable_hidden_units(&self) -> usize {
        fewer(&self.layers()[1..])
    }

    /// log Z, exactly. The larger half of the layers is summed out analytically, and the smaller half is enumerated.
    ///
    /// # Numerics
    ///
    /// 2^n terms for a smaller half of n units, in double precision and in several threads.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than [`LOG_PARTITION_LIMIT`] units.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[50, 3, 50])?)?;
    /// assert!((dbm.log_partition()? - 103.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition(&self) -> Result<f64> {
        self.log_partition_watched(&mut unwatched)
    }

    /// [`log_partition`](Self::log_partition) that tells `watch` how many states are done, and stops when it breaks.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition), and [`Error::Interrupted`] when `watch` breaks.
    pub fn log_partition_watched(&self, watch: Watch<'_>) -> Result<f64> {
        check_enumerable("Dbm::log_partition", self.enumerable_units(), LOG_PARTITION_LIMIT)?;
        match self.has_bits() {
            true => flatten(self.stack()).log_partition_watched(watch),
            false => exact::halves(self).log_partition_watched(watch),
        }
    }

    /// `E[x_l]` and `E[x_l x_(l+1)']` under the model, exactly, and `E[v^2]` for Gaussian units.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than [`LOG_PARTITION_LIMIT`] units.
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
        check_enumerable("Dbm::marginals", self.enumerable_units(), LOG_PARTITION_LIMIT)?;
        match self.has_bits() {
            true => moments_of(&self.layers(), &flatten(self.stack())),
            false => Ok(of_halves(&self.layers(), exact::moments(self)?)),
        }
    }

    /// `E[x_l]` and `E[x_l x_(l+1)']` given v, exactly, on average over samples. v is layer 0.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves of the hidden layers have more than [`LOG_PROB_LIMIT`] units,
    /// [`Error::Empty`] without samples, and the errors of [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let moments = dbm.posterior_moments(&BitMatrix::from_fn(3, 1, |unit, _| unit == 0))?;
    /// assert_eq!((moments.means[0][0], moments.means[2][1]), (1.0, 0.5));
    /// // The gradient of the mean log p(v) is the moments given data minus the moments of the model.
    /// let dbm = gm_dbm::Dbm::initial(&[0.5; 4], &[3, 2], 1.0, &gm_core::Streams::new(1))?;
    /// let v = BitMatrix::from_fn(4, 5, |unit, sample| unit <= sample);
    /// let (data, model) = (dbm.posterior_moments(&v)?, dbm.marginals()?);
    /// let gradient = dbm.exact_gradient(&v)?;
    /// assert!((&data.pairs[1] - &model.pairs[1] - gradient.weights(1)).amax() < 1e-5);
    /// assert!((data.means[0][3] - model.means[0][3] - f64::from(gradient.bias(0)[3])).abs() < 1e-5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn posterior_moments<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Moments> {
        const OP: &str = "Dbm::posterior_moments";
        let v = v.into();
        self.check_data(OP, v)?;
        check_enumerable(OP, self.enumerable_hidden_units(), LOG_PROB_LIMIT)?;
        let inputs = self.couplings().given(self, 1, Some(v), None).inputs();
        let (v, reals) = (v.to_matrix(), !self.units().is_binary());
        let mut sum: Option<Moments> = None;
        for (s, states) in v.column_iter().enumerate() {
            let next = above(self.hidden_moments(&column(&inputs, s))?, &widened(states.as_slice()), reals);
            sum = Some(match sum {
                Some(sum) => add(sum, &next),
                None => next,
            });
        }
        let sum = sum.ok_or(Error::Empty { op: OP, arg: "data" })?;
        Ok(divide(sum, v.ncols() as f64))
    }

    /// The moments of the hidden layers given v, where `inputs` is b_1 + W_0' v.
    fn hidden_moments(&self, inputs: &[f32]) -> Result<Moments> {
        match self.posterior(inputs)? {
            Some(flat) => moments_of(&self.layers()[1..], &flat),
            None => Ok(of_independent(inputs.iter().map(|&x| logistic_f64(f64::from(x))).collect())),
        }
    }

    /// The hidden layers given v as a flattened model, where `inputs` is b_1 + W_0' v. It is `None` for a single hidden
    /// layer, whose units are independent.
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
    /// log p(v) = b_0' v + log sum_h exp(-E(h | v)) - log Z. The smaller half of the hidden layers is enumerated. For
    /// Gaussian units it is a log-density, with -sum_i (v_i - a_i)^2 / (2 s_i^2) in place of b_0' v.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves of the hidden layers have more than [`LOG_PROB_LIMIT`] units, and the
    /// errors of [`check_data`](Self::check_data).
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
        self.log_prob_watched(v, log_partition, &mut unwatched)
    }

    /// [`log_prob`](Self::log_prob) that tells `watch` how many samples are done, and stops when it breaks.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob), and [`Error::Interrupted`] when `watch` breaks.
    pub fn log_prob_watched<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        log_partition: f64,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Dbm::log_prob";
        let v = v.into();
        self.check_data(OP, v)?;
        check_enumerable(OP, self.enumerable_hidden_units(), LOG_PROB_LIMIT)?;
        let inputs = self.couplings().given(self, 1, Some(v), None).inputs();
        let mut log_probs = self.units().log_weights(v, &widened(self.bias(0)));
        // Samples of many states go one by one, each in several threads and under the watch.
        let together = TOGETHER >> self.enumerable_hidden_units();
        let total = log_probs.len();
        for (part, log_probs) in log_probs.chunks_mut(together.max(1)).enumerate() {
            let first = part * together.max(1);
            if watch(Progress { done: first, total }).is_break() {
                return Err(Error::Interrupted { op: OP });
            }
            if together > 1 {
                let of = |(s, log_prob): (usize, &mut f64)| {
                    *log_prob += self.log_sum_over_hidden(&column(&inputs, first + s), &mut unwatched)? - log_partition;
                    Ok::<(), Error>(())
                };
                log_probs.par_iter_mut().enumerate().try_for_each(of)?;
            } else {
                let mut watch = |_| watch(Progress { done: first, total });
                log_probs[0] += self.log_sum_over_hidden(&column(&inputs, first), &mut watch)? - log_partition;
            }
        }
        Ok(log_probs)
    }

    /// log sum_h exp(-E(h | v)), where `inputs` is b_1 + W_0' v.
    fn log_sum_over_hidden(&self, inputs: &[f32], watch: Watch<'_>) -> Result<f64> {
        match self.posterior(inputs)? {
            Some(flat) => flat.log_partition_watched(watch),
            None => Ok(softplus_sum(&widened(inputs))),
        }
    }

    /// Independent exact draws of all layers, by enumeration of the smaller half.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::exact_samples`] of the flattened model if visible units are Bernoulli. Otherwise one uniform number
    /// for each sample from family 0 of [`Purpose::Exact`](gm_core::Purpose::Exact) for the odd layers, then even layer
    /// l from family l of [`Purpose::Layer`](gm_core::Purpose::Layer) below family 1.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both halves have more than [`SAMPLES_LIMIT`] units.
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
            check_enumerable("Dbm::exact_samples", self.enumerable_units(), SAMPLES_LIMIT)?;
            return exact::samples(self, count, streams);
        }
        Ok(self.unflattened(&flatten(self.stack()).exact_samples(count, streams)?))
    }

    /// The states of all layers, from states of the flattened model.
    pub(crate) fn unflattened(&self, flat: &Chains) -> Chains {
        let layer = |l: usize| {
            let half = if l.is_multiple_of(2) { flat.v().bits() } else { flat.h() };
            let first = self.place(l).start;
            BitMatrix::from_fn(self.size(l), flat.count(), |unit, sample| half.get(first + unit, sample)).into()
        };
        Chains::new((0..=self.depth()).map(layer).collect())
    }
}

/// The moments of layers of the given sizes, from the moments of the flattened model.
fn moments_of(layers: &[usize], flat: &Rbm) -> Result<Moments> {
    let Moments { means, pairs, squares } = flat.marginals()?;
    let mut means = means.into_iter();
    let mut next = || means.next().unwrap_or_default();
    let (even, odd, pairs) = (next(), next(), pairs.into_iter().next().unwrap_or_default());
    Ok(of_halves(layers, Halves { even, odd, pairs, squares }))
}

/// The moments of layers of the given sizes, from the moments of their halves.
fn of_halves(layers: &[usize], Halves { even, odd, pairs, squares }: Halves) -> Moments {
    let mean = |l: usize| if l.is_multiple_of(2) { &even[place(layers, l)] } else { &odd[place(layers, l)] }.to_vec();
    let pair = |l: usize| {
        let (below, above) = (place(layers, l), place(layers, l + 1));
        let shape = (below.len(), above.len());
        match l % 2 {
            0 => pairs.view((below.start, above.start), shape).into_owned(),
            _ => pairs.view((above.start, below.start), (shape.1, shape.0)).transpose(),
        }
    };
    let (means, pairs) = ((0..layers.len()).map(mean).collect(), (0..layers.len() - 1).map(pair).collect());
    Moments { means, pairs, squares }
}

/// The moments of a single layer of independent units.
fn of_independent(means: Vec<f64>) -> Moments {
    Moments { means: vec![means], pairs: vec![], squares: vec![] }
}

/// The moments with a visible layer of known states below, and with its squares if they are real numbers.
fn above(mut moments: Moments, v: &[f64], reals: bool) -> Moments {
    let first = &moments.means[0];
    let pairs = Matrix::from_fn(v.len(), first.len(), |i, j| (v[i] * first[j]) as f32);
    moments.pairs.insert(0, pairs);
    moments.means.insert(0, v.to_vec());
    moments.squares = v.iter().filter(|_| reals).map(|x| x * x).collect();
    moments
}

fn add(mut sum: Moments, other: &Moments) -> Moments {
    for (total, x) in sum.means.iter_mut().flatten().zip(other.means.iter().flatten()) {
        *total += x;
    }
    sum.pairs.iter_mut().zip(&other.pairs).for_each(|(total, x)| *total += x);
    sum.squares.iter_mut().zip(&other.squares).for_each(|(total, x)| *total += x);
    sum
}

fn divide(mut moments: Moments, by: f64) -> Moments {
    moments.means.iter_mut().flatten().chain(&mut moments.squares).for_each(|x| *x /= by);
    moments.pairs.iter_mut().for_each(|x| *x /= by as f32);
    moments
}

/// The number of units of the even layers and of the odd layers.
fn halves(layers: &[usize]) -> [usize; 2] {
    [0, 1].map(|parity| layers.iter().skip(parity).step_by(2).sum())
}

fn fewer(layers: &[usize]) -> usize {
    let [even, odd] = halves(layers);
    even.min(odd)
}

/// The parity of the half that has fewer units.
pub(crate) fn smaller_half(layers: &[usize]) -> usize {
    let [even, odd] = halves(layers);
    usize::from(odd <= even)
}

fn check_enumerable(op: &'static str, units: usize, limit: usize) -> Result<()> {
    if units > limit { Err(Error::TooLarge { op, units, limit }) } else { Ok(()) }
}

/// The inputs of one sample.
fn column(inputs: &Activations, sample: usize) -> Vec<f32> {
    (0..inputs.units()).map(|unit| inputs.get(unit, sample)).collect()
}
