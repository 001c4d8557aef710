//! Lower bounds on log p(v) from draws of the recognition net: by sampling, and exactly for small nets.

use std::ops::ControlFlow;

use gm_core::{BitMatrix, Error, Estimate, LogSum, Matrix, Progress, Purpose, Result, Side, Streams, Watch};

use crate::conditional::Passes;
use crate::gradient::Draws;
use crate::limits::{BOUND_LIMIT, GRADIENT_LIMIT};
use crate::model::Sbn;
use crate::net::Net;

/// Rows whose bounds are computed together, and the states that are held at any time.
const ROWS: usize = 64;
const STATES: usize = 4096;

/// The number of draws from which a bound is computed.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams, unwatched};
/// use gm_sbn::{BoundSettings, Sbn};
///
/// let sbn = Sbn::initial(&[0.5; 4], &[3], 1.0, &Streams::new(1))?;
/// let v = BitMatrix::zeros(4, 2);
/// let mut bound = |samples| {
///     let settings = BoundSettings { samples, repeats: 50 };
///     sbn.bounds(&v, &settings, &Streams::new(2), &mut unwatched).map(|bounds| bounds.mean().value)
/// };
/// assert!(bound(1)? < bound(20)?); // more draws tighten the bound
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundSettings {
    /// K, the draws of the recognition net for each row.
    pub samples: usize,
    /// Independent repeats, whose spread shows what chance adds.
    pub repeats: usize,
}

impl Default for BoundSettings {
    /// 1,000 draws, once.
    fn default() -> Self {
        Self { samples: 1_000, repeats: 1 }
    }
}

/// Bounds of each row, from weights w = p(v, h) / q(h | v).
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Recognition, Stack, Streams, unwatched};
/// use gm_sbn::{BoundSettings, Sbn};
///
/// // Where q is the posterior all weights are equal to p(v).
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, Some(Recognition::zeros(&[4, 3])?))?;
/// let settings = BoundSettings { samples: 50, repeats: 3 };
/// let bounds = sbn.bounds(&BitMatrix::zeros(4, 2), &settings, &Streams::new(2), &mut unwatched)?;
/// assert_eq!((bounds.importance_weighted.len(), bounds.rows().len()), (3, 2));
/// assert!((bounds.elbo[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-5);
/// assert!((bounds.ess[0] - 50.0).abs() < 1e-3 && bounds.spread() < 1e-5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// log of the mean of K weights, `[repeats][rows]`.
    pub importance_weighted: Vec<Vec<f64>>,
    /// Mean log-weight over all draws, `[rows]`.
    pub elbo: Vec<f64>,
    /// Effective sample size of the K weights, mean over repeats, `[rows]`.
    pub ess: Vec<f64>,
    /// K.
    pub samples: usize,
}

impl Bounds {
    /// Bounds of rows 0 to `rows` - 1 from any weights: `draw(rows, k, streams)` gives k log-weights of each row in
    /// `rows`, with the weights of a row side by side.
    ///
    /// # Randomness
    ///
    /// As [`Sbn::bounds`]: `draw` gets the family of its repeat, rows and slice of draws.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without draws or repeats, [`Error::Interrupted`] when `watch` breaks; `op` names the operation.
    pub fn of_weights(
        op: &'static str,
        rows: usize,
        settings: &BoundSettings,
        streams: &Streams,
        watch: Watch<'_>,
        mut draw: impl FnMut(&[usize], usize, &Streams) -> Vec<f64>,
    ) -> Result<Self> {
        check_count(op, "samples", settings.samples)?;
        check_count(op, "repeats", settings.repeats)?;
        let slices = |first: usize| settings.samples.div_ceil(slice(ROWS.min(rows - first), settings.samples));
        let total = settings.repeats * (0..rows).step_by(ROWS).map(slices).sum::<usize>();
        let mut report = Watched { op, done: 0, total, watch };
        let mut repeats = Vec::new();
        for repeat in 0..settings.repeats {
            let family = streams.fork(Purpose::Evaluate, repeat as u64);
            let mut weights = vec![Weights::default(); rows];
            each_slice(rows, settings.samples, &family, |rows, count, streams| {
                let logs = draw(rows, count, streams);
                for (&row, logs) in rows.iter().zip(logs.chunks(count)) {
                    logs.iter().for_each(|&log_weight| weights[row].add(log_weight));
                }
                report.step()
            })?;
            repeats.push(weights);
        }
        let over =
            |f: &dyn Fn(&Weights) -> f64, row: usize| mean(&repeats.iter().map(|r| f(&r[row])).collect::<Vec<_>>());
        Ok(Self {
            importance_weighted: repeats.iter().map(|rows| rows.iter().map(Weights::bound).collect()).collect(),
            elbo: (0..rows).map(|row| over(&|w| w.logs / w.count as f64, row)).collect(),
            ess: (0..rows).map(|row| over(&Weights::ess, row)).collect(),
            samples: settings.samples,
        })
    }

    /// The expectation of log (1/K) sum_k w_k for K independent states, each with its log-weight and its probability
    /// under q.
    ///
    /// # Numerics
    ///
    /// One term for each tuple of K states.
    #[must_use]
    pub fn expected(states: &[(f64, f64)], samples: usize) -> f64 {
        expected_log_mean(states, samples, 1.0, &LogSum::default(), samples)
    }

    /// The importance-weighted bound of each row, mean over repeats.
    #[must_use]
    pub fn rows(&self) -> Vec<f64> {
        let repeats = self.importance_weighted.len() as f64;
        (0..self.elbo.len()).map(|row| self.importance_weighted.iter().map(|r| r[row]).sum::<f64>() / repeats).collect()
    }

    /// The mean over rows of the importance-weighted bound.
    ///
    /// The standard error measures the chance of the draws for these rows. With several repeats it comes from their
    /// spread, with a single one from the weights, as the root of the sum of 1 / ESS - 1 / K over rows.
    #[must_use]
    pub fn mean(&self) -> Estimate {
        const METHOD: &str = "importance-weighted";
        let means: Vec<f64> = self.importance_weighted.iter().map(|rows| mean(rows)).collect();
        if means.len() > 1 {
            return Estimate { samples: self.samples, ..Estimate::mean(&means, Side::Lower, METHOD) };
        }
        let variance: f64 = self.ess.iter().map(|ess| (1.0 / ess - 1.0 / self.samples as f64).max(0.0)).sum();
        let (value, std_error) = (means[0], variance.sqrt() / self.ess.len() as f64);
        let (low, high) = (value - 3.0 * std_error, value + 3.0 * std_error);
        Estimate { value, std_error, low, high, side: Side::Lower, method: METHOD, samples: self.samples }
    }

    /// The standard deviation over repeats of the mean over rows; infinite for a single repeat.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let means: Vec<f64> = self.importance_weighted.iter().map(|rows| mean(rows)).collect();
        Estimate::mean(&means, Side::Lower, "").std_error * (means.len() as f64).sqrt()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Running sums of the weights of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Weights {
    sum: LogSum,
    squares: LogSum,
    logs: f64,
    count: usize,
}

impl Weights {
    fn add(&mut self, log_weight: f64) {
        self.sum.add(log_weight);
        self.squares.add(2.0 * log_weight);
        self.logs += log_weight;
        self.count += 1;
    }

    fn bound(&self) -> f64 {
        self.sum.value() - (self.count as f64).ln()
    }

    fn ess(&self) -> f64 {
        (2.0 * self.sum.value() - self.squares.value()).exp()
    }
}

impl Sbn {
    /// Lower bounds on log p(v) from K draws of the recognition net: log (1/K) sum_k p(v, h_k) / q(h_k | v), which in
    /// expectation grows with K towards log p(v), and the evidence lower bound E[log p(v, h) - log q(h | v)].
    ///
    /// # Randomness
    ///
    /// Repeat r, block i of 64 rows and slice j of its draws use family j of [`Purpose::Propose`] below family i of
    /// [`Purpose::Choose`] below family r of [`Purpose::Evaluate`].
    ///
    /// # Numerics
    ///
    /// 4,096 states are held at any time, however large K is.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without a recognition net, draws or repeats, [`Error::Shape`] for data of another width,
    /// [`Error::Empty`] without samples, [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Source
    ///
    /// `burda2016importance`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams, unwatched};
    /// use gm_sbn::{BoundSettings, Sbn};
    ///
    /// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
    /// let v = BitMatrix::zeros(4, 2);
    /// let settings = BoundSettings { samples: 5_000, repeats: 2 };
    /// let bounds = sbn.bounds(&v, &settings, &Streams::new(2), &mut unwatched)?;
    /// assert!((bounds.rows()[0] - sbn.log_prob(&v)?[0]).abs() < 0.1);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn bounds(
        &self,
        v: &BitMatrix,
        settings: &BoundSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Bounds> {
        const OP: &str = "Sbn::bounds";
        self.expect_recognition(OP)?;
        self.check_data(OP, v)?;
        Net::from(&Passes::new(self)).bounds(OP, v, settings, streams, watch)
    }

    /// The log importance weight of given states, `[samples]`: log p(v, h) - log q(h | v), with the recognition net as
    /// the proposal q.
    ///
    /// Let h be an exact draw of p(h | v) and let the other K - 1 weights come from draws of q. Then the log of the mean
    /// of the K weights is above log p(v) in expectation, as the log of the mean of K drawn weights is below it.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, visible first.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without a recognition net, [`Error::Shape`] for other layers, [`Error::Empty`] without samples.
    ///
    /// # Source
    ///
    /// `grosse2015sandwiching`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Recognition, Stack, Streams};
    /// use gm_sbn::Sbn;
    ///
    /// // Where q is the posterior, every state has the weight p(v).
    /// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, Some(Recognition::zeros(&[4, 3])?))?;
    /// let dreams = sbn.sampler().sample(5, &Streams::new(1));
    /// assert!((sbn.log_importance_weights(&dreams)?[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_importance_weights(&self, layers: &[BitMatrix]) -> Result<Vec<f64>> {
        const OP: &str = "Sbn::log_importance_weights";
        self.expect_recognition(OP)?;
        gm_core::check_len(OP, "layers", "length", layers.len(), self.depth() + 1)?;
        self.check_data(OP, &layers[0])?;
        for (layer, units) in layers.iter().zip(self.layers()) {
            gm_core::check_len(OP, "layers", "units", layer.units(), units)?;
            gm_core::check_len(OP, "layers", "samples", layer.samples(), layers[0].samples())?;
        }
        Ok(Draws::of_states(&Passes::new(self), &layers[0], &layers[1..]).log_weights())
    }

    /// Means of the hidden layers over K draws of the recognition net, `[n_l, rows]` each. With equal weights they
    /// estimate E_q[h | v], with normalised importance weights they approach E[h | v] as K grows.
    ///
    /// # Randomness
    ///
    /// As [`bounds`](Self::bounds) with a single repeat.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without a recognition net or draws, [`Error::Shape`] for data of another width,
    /// [`Error::Empty`] without rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3], 1.0, &Streams::new(1))?;
    /// let v = BitMatrix::zeros(4, 1);
    /// let means = sbn.recognised_means(&v, 5_000, true, &Streams::new(2))?;
    /// assert!((f64::from(means[0][(0, 0)]) - sbn.posterior(&v, 0)?.means()[0]).abs() < 0.05);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn recognised_means(
        &self,
        v: &BitMatrix,
        samples: usize,
        weighted: bool,
        streams: &Streams,
    ) -> Result<Vec<Matrix>> {
        const OP: &str = "Sbn::recognised_means";
        self.expect_recognition(OP)?;
        self.check_data(OP, v)?;
        Net::from(&Passes::new(self)).recognised_means(OP, v, samples, weighted, streams)
    }

    /// The expectation of the K-sample bound of each row by enumeration, `[samples]`; with K = 1 the exact evidence
    /// lower bound.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without a recognition net or without samples, [`Error::TooLarge`] beyond [`BOUND_LIMIT`] hidden
    /// units times K, [`Error::Shape`] for data of another width, [`Error::Empty`] without rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3], 1.0, &Streams::new(1))?;
    /// let v = BitMatrix::zeros(4, 1);
    /// let (elbo, two) = (sbn.exact_bound(&v, 1)?[0], sbn.exact_bound(&v, 2)?[0]);
    /// assert!(elbo < two && two < sbn.log_prob(&v)?[0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_bound(&self, v: &BitMatrix, samples: usize) -> Result<Vec<f64>> {
        self.check_tuples("Sbn::exact_bound", v, samples)?;
        Ok(Net::from(&Passes::new(self)).exact_bound(v, &self.prior()?.states(), samples))
    }

    /// Refuses a model, data or a number of draws that an enumeration of tuples of draws cannot take.
    pub(crate) fn check_tuples(&self, op: &'static str, v: &BitMatrix, samples: usize) -> Result<()> {
        self.expect_recognition(op)?;
        self.check_data(op, v)?;
        check_count(op, "samples", samples)?;
        let units = self.hidden().saturating_mul(samples);
        if units > BOUND_LIMIT || self.hidden() > GRADIENT_LIMIT {
            return Err(Error::TooLarge { op, units, limit: BOUND_LIMIT });
        }
        Ok(())
    }
}

impl Net<'_> {
    /// As [`Sbn::bounds`], for any prior of the top layer.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without draws or repeats, [`Error::Interrupted`] when `watch` breaks; `op` names the operation.
    ///
    /// # Panics
    ///
    /// Without a recognition net, or when `v` has other units than the visible layer.
    pub fn bounds(
        &self,
        op: &'static str,
        v: &BitMatrix,
        settings: &BoundSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Bounds> {
        Bounds::of_weights(op, v.samples(), settings, streams, watch, |rows, count, streams| {
            Draws::recognised(*self, &v.select(rows), count, streams).log_weights()
        })
    }

    /// As [`Sbn::recognised_means`], for any prior of the top layer.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without draws; `op` names the operation.
    ///
    /// # Panics
    ///
    /// Without a recognition net, or when `v` has other units than the visible layer.
    pub fn recognised_means(
        &self,
        op: &'static str,
        v: &BitMatrix,
        samples: usize,
        weighted: bool,
        streams: &Streams,
    ) -> Result<Vec<Matrix>> {
        check_count(op, "samples", samples)?;
        let layers = self.passes().layers();
        let mut sums: Vec<(LogSum, Vec<Vec<f64>>)> = (0..v.samples())
            .map(|_| (LogSum::default(), layers[1..].iter().map(|&n| vec![0.0; n]).collect()))
            .collect();
        each_slice(v.samples(), samples, &streams.fork(Purpose::Evaluate, 0), |rows, count, streams| {
            let draws = Draws::recognised(*self, &v.select(rows), count, streams);
            let logs = if weighted { draws.log_weights() } else { vec![0.0; draws.log_q().len()] };
            for (i, &row) in rows.iter().enumerate() {
                add_states(&mut sums[row], &draws, i * count, &logs[i * count..(i + 1) * count]);
            }
            Ok(())
        })?;
        let means = |l: usize| Matrix::from_fn(layers[l + 1], v.samples(), |unit, row| sums[row].1[l][unit] as f32);
        Ok((0..self.depth()).map(means).collect())
    }

    /// As [`Sbn::exact_bound`], for any prior of the top layer, given all hidden states, `[n_l, states]` each.
    ///
    /// # Panics
    ///
    /// Without a recognition net, or when shapes disagree.
    #[must_use]
    pub fn exact_bound(&self, v: &BitMatrix, states: &[BitMatrix], samples: usize) -> Vec<f64> {
        let bound = |row: usize| {
            let draws = Draws::of_states(*self, &v.select(&[row]), states);
            let terms: Vec<(f64, f64)> =
                draws.log_weights().into_iter().zip(draws.log_q().iter().map(|q| q.exp())).collect();
            Bounds::expected(&terms, samples)
        };
        (0..v.samples()).map(bound).collect()
    }
}

fn check_count(op: &'static str, arg: &'static str, count: usize) -> Result<()> {
    if count == 0 { Err(Error::Param { op, arg, value: "0".into(), allowed: "1 or more" }) } else { Ok(()) }
}

/// Visits `samples` draws for each row, a few rows and a slice of their draws at a time: `visit(rows, draws of each,
/// streams)`.
fn each_slice(
    rows: usize,
    samples: usize,
    streams: &Streams,
    mut visit: impl FnMut(&[usize], usize, &Streams) -> Result<()>,
) -> Result<()> {
    for (block, first) in (0..rows).step_by(ROWS).enumerate() {
        let rows: Vec<usize> = (first..rows.min(first + ROWS)).collect();
        let family = streams.fork(Purpose::Choose, block as u64);
        let slice = slice(rows.len(), samples);
        for (j, drawn) in (0..samples).step_by(slice).enumerate() {
            visit(&rows, slice.min(samples - drawn), &family.fork(Purpose::Propose, j as u64))?;
        }
    }
    Ok(())
}

/// The expectation of log (1/K) (sum so far + `left` more weights), times the probability so far.
fn expected_log_mean(terms: &[(f64, f64)], left: usize, probability: f64, sum: &LogSum, samples: usize) -> f64 {
    if left == 0 {
        return probability * (sum.value() - (samples as f64).ln());
    }
    let add = |&(log_weight, q): &(f64, f64)| {
        let mut sum = *sum;
        sum.add(log_weight);
        expected_log_mean(terms, left - 1, probability * q, &sum, samples)
    };
    terms.iter().map(add).sum()
}

/// The number of states of each row that are drawn at a time.
fn slice(rows: usize, samples: usize) -> usize {
    (STATES / rows).min(samples)
}

/// Adds states of one row to its running means. `logs` are the log-weights of the states, and `from` is the first
/// state.
fn add_states((total, means): &mut (LogSum, Vec<Vec<f64>>), draws: &Draws, from: usize, logs: &[f64]) {
    let before = total.value();
    logs.iter().for_each(|&log_weight| total.add(log_weight));
    let kept = (before - total.value()).exp();
    for (means, x) in means.iter_mut().zip(&draws.layers()[1..]) {
        for (unit, mean) in means.iter_mut().enumerate() {
            let on = logs.iter().enumerate().filter(|(k, _)| x.get(unit, from + k));
            *mean = kept * *mean + on.map(|(_, log_weight)| (log_weight - total.value()).exp()).sum::<f64>();
        }
    }
}

/// Progress that can be stopped.
struct Watched<'a> {
    op: &'static str,
    done: usize,
    total: usize,
    watch: Watch<'a>,
}

impl Watched<'_> {
    fn step(&mut self) -> Result<()> {
        self.done += 1;
        match (self.watch)(Progress { done: self.done, total: self.total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted { op: self.op }),
        }
    }
}
