//! Annealed importance sampling over any annealed path, with schedule, interval and effective sample size.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::estimate::{Estimate, weights_ess};
use crate::streams::{Purpose, Streams};

/// A family of unnormalised distributions f_beta from a tractable one at beta = 0 to the model at beta = 1.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, AnnealedPath, Schedule, Streams, anneal, logistic_f64, unwatched};
/// use rand::RngExt;
///
/// /// f_beta(x) = exp(3 beta x) of a single bit, which exact draws move.
/// struct Bit;
/// impl AnnealedPath for Bit {
///     type Chains = Vec<bool>;
///     fn log_base_partition(&self) -> f64 { 2.0_f64.ln() }
///     fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
///         (0..runs as u64).map(|run| streams.stream(run).random_bool(0.5)).collect()
///     }
///     fn advance(&self, x: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
///         for (run, (x, log_weight)) in x.iter_mut().zip(log_weights).enumerate() {
///             *log_weight += 3.0 * (to - from) * f64::from(u8::from(*x));
///             *x = streams.stream(run as u64).random_bool(logistic_f64(3.0 * to));
///         }
///     }
/// }
///
/// let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(20) };
/// let log_z = anneal(&Bit, &settings, &Streams::new(0), &mut unwatched)?.log_partition;
/// let truth = (1.0 + 3.0_f64.exp()).ln();
/// assert!(log_z.low < truth && truth < log_z.high && log_z.std_error < 0.05);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub trait AnnealedPath: Sync {
    /// States of a batch of chains.
    type Chains: Send;

    /// log of the partition function at beta = 0.
    fn log_base_partition(&self) -> f64;

    /// Exact draws from the distribution at beta = 0.
    fn start(&self, runs: usize, streams: &Streams) -> Self::Chains;

    /// Adds log f_to(x) - log f_from(x) to each chain's log-weight, then moves the chains by a kernel that leaves the
    /// distribution at `to` invariant. `to` may lie below `from`, or be equal to it; for [`anneal_back`] the
    /// kernel must be reversible.
    fn advance(&self, chains: &mut Self::Chains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]);
}

/// The inverse temperatures of an annealed path.
///
/// # Examples
///
/// ```
/// use gm_core::Schedule;
///
/// // Evenly spaced up to 0.8, then finer.
/// let betas = (0..=8).map(|k| f64::from(k) / 10.0).chain((81..=100).map(|k| f64::from(k) / 100.0));
/// assert_eq!(Schedule::Custom(betas.collect()).betas()?.len(), 29);
/// let error = Schedule::Custom(vec![0.0, 0.5]).betas().unwrap_err();
/// assert_eq!(error.to_string(), "Schedule: `temperatures` is 2 values, allowed: values that rise from 0 to 1");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// Evenly spaced; the number counts both ends.
    Linear(usize),
    /// Finer towards the model: with 14,501 temperatures 0:.001:.5, .5:.0001:.9, .9:.00001:1, with others in the
    /// same proportions.
    ///
    /// # Source
    ///
    /// `salakhutdinov2008quantitative`, section 4.
    Graded(usize),
    /// So many values that a pilot run chooses for the path at hand, so that each step adds equally much to the variance of
    /// the log-weights; a tenth of them are evenly spaced all the same.
    ///
    /// # Source
    ///
    /// `gelman1998simulating`.
    Adaptive(usize),
    /// The given values, from 0 to 1.
    Custom(Vec<f64>),
}

impl Schedule {
    /// The inverse temperatures from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer than 2 temperatures, custom values that do not rise from 0 to 1, or an adaptive schedule, whose
    /// values depend on a path.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Schedule;
    ///
    /// assert_eq!(Schedule::Linear(3).betas()?, [0.0, 0.5, 1.0]);
    /// let betas = Schedule::Graded(14_501).betas()?;
    /// assert!((betas[500] - 0.5).abs() < 1e-12 && (betas[4_500] - 0.9).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn betas(&self) -> Result<Vec<f64>> {
        let refuse = |value: String, allowed| Err(Error::Param { op: "Schedule", arg: "temperatures", value, allowed });
        match self {
            Self::Linear(n) | Self::Graded(n) | Self::Adaptive(n) if *n < 2 => refuse(n.to_string(), "2 or more"),
            Self::Linear(n) => Ok((0..*n).map(|k| k as f64 / (*n - 1) as f64).collect()),
            Self::Graded(n) => Ok((0..*n).map(|k| graded(k as f64 / (*n - 1) as f64)).collect()),
            Self::Adaptive(_) => refuse("adaptive".into(), "a schedule that depends on no path"),
            Self::Custom(betas) => {
                let rises = betas.windows(2).all(|pair| pair[0] < pair[1]);
                if rises && betas.first() == Some(&0.0) && betas.last() == Some(&1.0) {
                    return Ok(betas.clone());
                }
                refuse(format!("{} values", betas.len()), "values that rise from 0 to 1")
            }
        }
    }

    /// A name for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Graded(_) => "graded",
            Self::Adaptive(_) => "adaptive",
            Self::Custom(_) => "custom",
        }
    }
}

/// The inverse temperature at a share of the steps: 500, 4,000 and 10,000 of 14,500 steps cover .5, .4 and .1.
fn graded(share: f64) -> f64 {
    let step = share * 14_500.0;
    if step <= 500.0 {
        step * 0.001
    } else if step <= 4_500.0 {
        0.5 + (step - 500.0) * 0.0001
    } else {
        (0.9 + (step - 4_500.0) * 0.000_01).min(1.0)
    }
}

/// Settings of annealed importance sampling.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, Schedule};
///
/// let quick = AisSettings { schedule: Schedule::Adaptive(1_000), ..Default::default() };
/// assert_eq!(quick.runs, 100);
/// assert_eq!(AisSettings::default().schedule, Schedule::Graded(14_501));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AisSettings {
    /// Independent runs.
    pub runs: usize,
    /// Inverse temperatures.
    pub schedule: Schedule,
}

impl Default for AisSettings {
    /// 100 runs over 14,501 graded temperatures.
    fn default() -> Self {
        Self { runs: 100, schedule: Schedule::Graded(14_501) }
    }
}

/// What annealed importance sampling found.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, Schedule, Streams, anneal, unwatched};
/// # struct Even;
/// # impl gm_core::AnnealedPath for Even {
/// #     type Chains = ();
/// #     fn log_base_partition(&self) -> f64 { 2.0_f64.ln() }
/// #     fn start(&self, _: usize, _: &Streams) {}
/// #     fn advance(&self, _: &mut (), from: f64, to: f64, _: &Streams, log_weights: &mut [f64]) {
/// #         log_weights.iter_mut().for_each(|log_weight| *log_weight += 3.0 * (to - from));
/// #     }
/// # }
///
/// // `Even` is a path on which all runs get the same weight.
/// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let found = anneal(&Even, &settings, &Streams::new(0), &mut unwatched)?;
/// assert_eq!((found.log_weights.len(), found.temperatures, found.schedule), (10, 5, "linear"));
/// assert!((found.ess - 10.0).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Annealed {
    /// log Z: below the truth in expectation from [`anneal`], so that likelihoods computed with it lean upwards, and
    /// above it from [`anneal_back`].
    pub log_partition: Estimate,
    /// What each run alone says of log Z; its log-weight with log Z at beta = 0 included.
    pub log_weights: Vec<f64>,
    /// Effective sample size of the weights.
    pub ess: f64,
    /// Inverse temperatures used, both ends counted.
    pub temperatures: usize,
    /// Name of the schedule.
    pub schedule: &'static str,
}

/// How far a long computation is.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use gm_core::Progress;
///
/// // A watcher that shows how far a computation is, and stops it half way.
/// let mut shown = String::new();
/// let mut watch = |at: Progress| {
///     shown = format!("{} %", 100 * at.done / at.total);
///     if 2 * at.done < at.total { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// };
/// assert!(watch(Progress { done: 1, total: 4 }).is_continue());
/// assert!(watch(Progress { done: 2, total: 4 }).is_break());
/// assert_eq!(shown, "50 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// Estimates log Z at the end of a path.
///
/// `log w = log Z_0 + sum_k (log f_k(x_(k-1)) - log f_(k-1)(x_(k-1)))`, `Z = E[w]`.
///
/// # Randomness
///
/// Temperature k uses the family [`Purpose::Anneal`] k of `streams`, the pilot of an adaptive schedule such families below
/// [`Purpose::Anneal`] 2^64 - 2.
///
/// # Errors
///
/// [`Error::Param`] for settings out of range, [`Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `neal2001annealed`.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, AnnealedPath, Schedule, Streams, anneal, unwatched};
///
/// /// f_beta(x) = exp(3 beta) of both states of a coin, which needs no moves: all runs get the same weight.
/// struct Even;
/// impl AnnealedPath for Even {
///     type Chains = ();
///     fn log_base_partition(&self) -> f64 { 2.0_f64.ln() }
///     fn start(&self, _: usize, _: &Streams) {}
///     fn advance(&self, _: &mut (), from: f64, to: f64, _: &Streams, log_weights: &mut [f64]) {
///         log_weights.iter_mut().for_each(|log_weight| *log_weight += 3.0 * (to - from));
///     }
/// }
///
/// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let found = anneal(&Even, &settings, &Streams::new(0), &mut unwatched)?;
/// assert!((found.log_partition.value - (2.0 * 3.0_f64.exp()).ln()).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn anneal<P: AnnealedPath>(
    path: &P,
    settings: &AisSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Annealed> {
    if settings.runs == 0 {
        return Err(Error::Param { op: OP, arg: "runs", value: "0".into(), allowed: "1 or more" });
    }
    let betas = temperatures(path, &settings.schedule, streams, watch)?;
    let mut chains = path.start(settings.runs, &streams.fork(Purpose::Anneal, 0));
    let mut log_weights = vec![path.log_base_partition(); settings.runs];
    walk(path, &mut chains, &betas, streams, &mut log_weights, watch)?;
    Ok(Annealed {
        log_partition: Estimate::log_mean_weight(&log_weights, "ais"),
        ess: weights_ess(&log_weights),
        log_weights,
        temperatures: betas.len(),
        schedule: settings.schedule.name(),
    })
}

/// Estimates log Z from its other side, by walks from the model back to the start of a path.
///
/// `log w = sum_k (log f_(k-1)(x_k) - log f_k(x_k))` from k = K down to 1, with a move at the temperature k before each
/// term. What a run says of log Z is log Z_0 - log w.
///
/// - From exact draws of the model `E[w] = Z_0 / Z`, and the estimate is above log Z in expectation: reverse annealed
///   importance sampling.
/// - From a given state x, log f_K(x) + log w - log Z_0 is in expectation a lower bound on the log-probability with which
///   annealing from the base ends at x, which comes close to that of the model with the number of temperatures: RAISE.
///
/// # Randomness
///
/// As [`anneal`]; the first move uses family 0.
///
/// # Errors
///
/// [`Error::Param`] for a schedule out of range, [`Error::Empty`] without chains, [`Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `burda2015accurate`, section 3.
///
/// # Examples
///
/// ```
/// use gm_core::{Schedule, Side, Streams, anneal_back, unwatched};
/// # struct Even;
/// # impl gm_core::AnnealedPath for Even {
/// #     type Chains = ();
/// #     fn log_base_partition(&self) -> f64 { 2.0_f64.ln() }
/// #     fn start(&self, _: usize, _: &Streams) {}
/// #     fn advance(&self, _: &mut (), from: f64, to: f64, _: &Streams, log_weights: &mut [f64]) {
/// #         log_weights.iter_mut().for_each(|log_weight| *log_weight += 3.0 * (to - from));
/// #     }
/// # }
///
/// // `Even` is the path of the example of `anneal`, whose chains have no states.
/// let chains = ((), 10);
/// let found = anneal_back(&Even, chains, &Schedule::Linear(5), &Streams::new(0), &mut unwatched)?;
/// assert!((found.log_partition.value - (2.0 * 3.0_f64.exp()).ln()).abs() < 1e-9);
/// assert_eq!(found.log_partition.side, Side::Upper);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn anneal_back<P: AnnealedPath>(
    path: &P,
    (mut chains, count): (P::Chains, usize),
    schedule: &Schedule,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Annealed> {
    if count == 0 {
        return Err(Error::Empty { op: OP, arg: "chains" });
    }
    let mut betas = temperatures(path, schedule, streams, watch)?;
    betas.reverse();
    let mut log_weights = vec![-path.log_base_partition(); count];
    // A move at beta = 1, which adds nothing to the weights.
    path.advance(&mut chains, 1.0, 1.0, &streams.fork(Purpose::Anneal, 0), &mut log_weights);
    walk(path, &mut chains, &betas, streams, &mut log_weights, watch)?;
    Ok(Annealed {
        log_partition: Estimate::log_mean_weight(&log_weights, "reverse ais").negated(),
        ess: weights_ess(&log_weights),
        log_weights: log_weights.into_iter().map(|w| -w).collect(),
        temperatures: betas.len(),
        schedule: schedule.name(),
    })
}

const OP: &str = "annealed importance sampling";

/// The temperatures of a schedule on a path.
fn temperatures<P: AnnealedPath>(
    path: &P,
    schedule: &Schedule,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Vec<f64>> {
    let Schedule::Adaptive(count @ 2..) = *schedule else { return Ok(rounded(schedule.betas()?)) };
    let pilot = rounded(Schedule::Graded((count / PILOT_SHARE).clamp(PILOT_LEAST, PILOT_MOST)).betas()?);
    let streams = streams.fork(Purpose::Anneal, u64::MAX - 1);
    let mut chains = path.start(PILOT_RUNS, &streams.fork(Purpose::Anneal, 0));
    let mut lengths = Vec::with_capacity(pilot.len() - 1);
    for (k, pair) in pilot.windows(2).enumerate() {
        let mut gains = vec![0.0; PILOT_RUNS];
        path.advance(&mut chains, pair[0], pair[1], &streams.fork(Purpose::Anneal, k as u64 + 1), &mut gains);
        lengths.push(deviation(&gains));
        if watch(Progress { done: 0, total: count - 1 }).is_break() {
            return Err(Error::Interrupted { op: OP });
        }
    }
    Ok(rounded(equal_parts(&pilot, &lengths, count)))
}

/// Runs of a pilot, and its temperatures: so many times fewer than those of the schedule, within limits.
const PILOT_RUNS: usize = 64;
const PILOT_SHARE: usize = 10;
const PILOT_LEAST: usize = 50;
const PILOT_MOST: usize = 1_000;

/// The share of an adaptive schedule that is evenly spaced, in case the pilot has overlooked something.
const EVEN: f64 = 0.1;

/// Standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

/// So many values from 0 to 1 between which equal shares of the lengths lie.
fn equal_parts(knots: &[f64], lengths: &[f64], count: usize) -> Vec<f64> {
    let total = lengths.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut passed = vec![0.0];
    for (pair, length) in knots.windows(2).zip(lengths) {
        passed.push(passed[passed.len() - 1] + (1.0 - EVEN) * length / total + EVEN * (pair[1] - pair[0]));
    }
    let whole = passed[passed.len() - 1];
    let mut k = 0;
    let place = |i: usize| {
        let wanted = whole * i as f64 / (count - 1) as f64;
        while k + 2 < passed.len() && passed[k + 1] < wanted {
            k += 1;
        }
        let share = (wanted - passed[k]) / (passed[k + 1] - passed[k]);
        knots[k] + share * (knots[k + 1] - knots[k])
    };
    let mut betas: Vec<f64> = (0..count).map(place).collect();
    betas[count - 1] = 1.0;
    betas
}

/// The kernels take single-precision temperatures; the weights must follow the very same path.
fn rounded(betas: Vec<f64>) -> Vec<f64> {
    betas.into_iter().map(|beta| f64::from(beta as f32)).collect()
}

fn walk<P: AnnealedPath>(
    path: &P,
    chains: &mut P::Chains,
    betas: &[f64],
    streams: &Streams,
    log_weights: &mut [f64],
    watch: Watch<'_>,
) -> Result<()> {
    for (k, pair) in betas.windows(2).enumerate() {
        let step = streams.fork(Purpose::Anneal, k as u64 + 1);
        path.advance(chains, pair[0], pair[1], &step, log_weights);
        if watch(Progress { done: k + 1, total: betas.len() - 1 }).is_break() {
            return Err(Error::Interrupted { op: OP });
        }
    }
    Ok(())
}

/// A callback that is told how far a long computation is, and may end it by breaking.
///
/// # Examples
///
/// ```
/// use gm_core::{Progress, Watch};
///
/// /// Ten steps of some work.
/// fn work(watch: Watch<'_>) -> usize {
///     (0..10).take_while(|&done| watch(Progress { done, total: 10 }).is_continue()).count()
/// }
/// let mut stop_at_four = |progress: Progress| match progress.done {
///     4 => std::ops::ControlFlow::Break(()),
///     _ => std::ops::ControlFlow::Continue(()),
/// };
/// assert_eq!(work(&mut stop_at_four), 4);
/// ```
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// A watcher that never stops anything.
///
/// # Examples
///
/// ```
/// assert!(gm_core::unwatched(gm_core::Progress { done: 1, total: 2 }).is_continue());
/// ```
pub fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two states with weights 1 and exp(beta c), moved by exact draws.
    struct Coin(f64);

    impl AnnealedPath for Coin {
        type Chains = Vec<bool>;

        fn log_base_partition(&self) -> f64 {
            2.0_f64.ln()
        }

        fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
            (0..runs).map(|run| draw(0.5, streams, run)).collect()
        }

        fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
            for (run, (state, weight)) in chains.iter_mut().zip(log_weights).enumerate() {
                *weight += (to - from) * self.0 * f64::from(u8::from(*state));
                *state = draw(crate::numerics::logistic_f64(to * self.0), streams, run);
            }
        }
    }

    fn draw(p: f64, streams: &Streams, run: usize) -> bool {
        use rand::RngExt;
        streams.stream(run as u64).random_bool(p)
    }

    #[test]
    fn stat_mean_two_states_are_weighed_right() {
        // 4,000 runs: five standard errors, alpha below 1e-6.
        let settings = AisSettings { runs: 4_000, schedule: Schedule::Linear(20) };
        let found = anneal(&Coin(3.0), &settings, &Streams::new(5), &mut unwatched).unwrap();
        let truth = (1.0 + 3.0_f64.exp()).ln();
        let error = (found.log_partition.value - truth).abs();
        assert!(error < 5.0 * found.log_partition.std_error, "{error} against {:?}", found.log_partition);
        assert!(found.log_partition.std_error < 0.02 && found.ess > 3_000.0);
    }

    #[test]
    fn stat_mean_walks_back_find_the_same_sum_from_above() {
        let (path, truth) = (Coin(3.0), (1.0 + 3.0_f64.exp()).ln());
        let streams = Streams::new(6);
        let model = streams.fork(Purpose::Exact, 0);
        let exact: Vec<bool> = (0..4_000).map(|run| draw(crate::numerics::logistic_f64(3.0), &model, run)).collect();
        let found = anneal_back(&path, (exact, 4_000), &Schedule::Linear(20), &streams, &mut unwatched).unwrap();
        let estimate = found.log_partition;
        assert!((estimate.value - truth).abs() < 5.0 * estimate.std_error, "{estimate:?} against {truth}");
        assert!(estimate.std_error < 0.02 && estimate.side == crate::estimate::Side::Upper);
        // From a given state the mean of what the runs say is an upper bound that fine schedules make tight.
        let fixed = anneal_back(&path, (vec![true; 4_000], 4_000), &Schedule::Linear(200), &streams, &mut unwatched);
        let mean = fixed.unwrap().log_weights.iter().sum::<f64>() / 4_000.0;
        assert!(mean > truth - 0.01 && mean < truth + 0.1, "{mean} against {truth}");
    }

    #[test]
    fn planted_mean_walks_back_from_the_base_are_found_out() {
        let (streams, truth) = (Streams::new(6), (1.0 + 3.0_f64.exp()).ln());
        let start = Coin(3.0).start(4_000, &streams);
        // No move at the model's temperature hides where the chains began.
        let late = Schedule::Custom(vec![0.0, 1.0]);
        struct Stuck(Coin);
        impl AnnealedPath for Stuck {
            type Chains = Vec<bool>;
            fn log_base_partition(&self) -> f64 {
                self.0.log_base_partition()
            }
            fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
                self.0.start(runs, streams)
            }
            fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
                let mut moved = chains.clone();
                self.0.advance(&mut moved, from, to, streams, log_weights);
            }
        }
        let found = anneal_back(&Stuck(Coin(3.0)), (start, 4_000), &late, &streams, &mut unwatched).unwrap();
        assert!((found.log_partition.value - truth).abs() > 5.0 * found.log_partition.std_error);
    }

    #[test]
    fn planted_mean_weights_taken_after_the_move_are_found_out() {
        struct Late(Coin);
        impl AnnealedPath for Late {
            type Chains = Vec<bool>;
            fn log_base_partition(&self) -> f64 {
                self.0.log_base_partition()
            }
            fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
                self.0.start(runs, streams)
            }
            fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
                let mut unused = vec![0.0; log_weights.len()];
                self.0.advance(chains, from, to, streams, &mut unused);
                self.0.advance(&mut chains.clone(), from, to, streams, log_weights);
            }
        }
        let settings = AisSettings { runs: 4_000, schedule: Schedule::Linear(20) };
        let found = anneal(&Late(Coin(3.0)), &settings, &Streams::new(5), &mut unwatched).unwrap();
        let truth = (1.0 + 3.0_f64.exp()).ln();
        assert!((found.log_partition.value - truth).abs() > 5.0 * found.log_partition.std_error);
    }

    #[test]
    fn rejects_bad_settings_and_stops_on_request() {
        let run = |settings: &AisSettings| {
            anneal(&Coin(1.0), settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string()
        };
        assert_eq!(
            run(&AisSettings { runs: 0, schedule: Schedule::Linear(5) }),
            "annealed importance sampling: `runs` is 0, allowed: 1 or more"
        );
        assert_eq!(
            run(&AisSettings { runs: 1, schedule: Schedule::Graded(1) }),
            "Schedule: `temperatures` is 1, allowed: 2 or more"
        );
        assert_eq!(
            run(&AisSettings { runs: 1, schedule: Schedule::Custom(vec![0.0, 0.5]) }),
            "Schedule: `temperatures` is 2 values, allowed: values that rise from 0 to 1"
        );
        let settings = AisSettings { runs: 1, schedule: Schedule::Custom(vec![0.0, 0.5, 1.0]) };
        let stopped = anneal(&Coin(1.0), &settings, &Streams::new(0), &mut |_| ControlFlow::Break(()));
        assert_eq!(stopped.unwrap_err().to_string(), "annealed importance sampling: stopped on request");
    }

    #[test]
    fn stat_mean_adaptive_temperatures_weigh_right_from_both_sides() {
        // Five standard errors of 4,000 runs: alpha below 1e-6.
        let (path, truth, schedule) = (Coin(6.0), (1.0 + 6.0_f64.exp()).ln(), Schedule::Adaptive(20));
        let streams = Streams::new(8);
        let settings = AisSettings { runs: 4_000, schedule: schedule.clone() };
        let forth = anneal(&path, &settings, &streams, &mut unwatched).unwrap();
        let model = streams.fork(Purpose::Exact, 0);
        let exact: Vec<bool> = (0..4_000).map(|run| draw(crate::numerics::logistic_f64(6.0), &model, run)).collect();
        let back = anneal_back(&path, (exact, 4_000), &schedule, &streams, &mut unwatched).unwrap();
        for found in [&forth, &back] {
            let estimate = &found.log_partition;
            assert!((estimate.value - truth).abs() < 5.0 * estimate.std_error, "{estimate:?} against {truth}");
            assert_eq!((found.temperatures, found.schedule), (20, "adaptive"));
        }
    }

    #[test]
    fn law_adaptive_steps_are_equally_long() {
        // The length of a step is its width times the standard deviation of the slope, c sqrt(p (1 - p)).
        let (c, count) = (12.0, 40);
        let betas = temperatures(&Coin(c), &Schedule::Adaptive(count), &Streams::new(9), &mut unwatched).unwrap();
        assert!(betas.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((betas.len(), betas[0], betas[count - 1]), (count, 0.0, 1.0));
        let length = |pair: &[f64]| {
            let p = crate::numerics::logistic_f64(c * (pair[0] + pair[1]) / 2.0);
            (1.0 - EVEN) * c * (p * (1.0 - p)).sqrt() * (pair[1] - pair[0])
        };
        // Where the slope hardly varies the even share rules, so that the first half is looked at.
        let lengths: Vec<f64> = betas[..count / 2].windows(2).map(length).collect();
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        assert!(lengths.iter().all(|length| (length / mean - 1.0).abs() < 0.4), "{lengths:?}");
        assert!(betas[count / 2] < 0.3, "most of the way lies early: {betas:?}");
    }

    #[test]
    fn rejects_the_values_of_an_adaptive_schedule_without_a_path() {
        let error = Schedule::Adaptive(10).betas().unwrap_err().to_string();
        assert_eq!(error, "Schedule: `temperatures` is adaptive, allowed: a schedule that depends on no path");
        let settings = AisSettings { runs: 1, schedule: Schedule::Adaptive(1) };
        let error = anneal(&Coin(1.0), &settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string();
        assert_eq!(error, "Schedule: `temperatures` is 1, allowed: 2 or more");
    }

    #[test]
    fn law_schedules_rise_from_zero_to_one() {
        for n in [2, 3, 10, 1_000, 14_501] {
            for schedule in [Schedule::Linear(n), Schedule::Graded(n)] {
                let betas = schedule.betas().unwrap();
                assert_eq!((betas.len(), betas[0], betas[n - 1]), (n, 0.0, 1.0));
                assert!(betas.windows(2).all(|pair| pair[0] < pair[1]), "{schedule:?}");
            }
        }
    }
}
