//! Runs along a path: from the base distribution to the model, and back.

use super::path::AnnealedPath;
use super::pilot::temperatures;
use super::schedule::{AisSettings, Schedule};
use crate::error::{Error, Result};
use crate::estimate::{Estimate, weights_ess};
use crate::streams::{Purpose, Streams};
use crate::watch::{Progress, Watch};

/// The result of annealed importance sampling.
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
/// // On the path `Even` all runs get the same weight.
/// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let found = anneal(&Even, &settings, &Streams::new(0), &mut unwatched)?;
/// assert_eq!((found.log_weights.len(), found.temperatures, found.schedule), (10, 5, "linear"));
/// assert!((found.ess - 10.0).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Annealed {
    /// log Z. From [`anneal`] it lies below the truth in expectation, so that likelihoods computed with it are too
    /// high. From [`anneal_back`] it lies above the truth.
    pub log_partition: Estimate,
    /// The estimate of log Z from each run alone: its log-weight plus log Z at beta = 0.
    pub log_weights: Vec<f64>,
    /// Effective sample size of the weights.
    pub ess: f64,
    /// The number of inverse temperatures, including both ends.
    pub temperatures: usize,
    /// Name of the schedule.
    pub schedule: &'static str,
}

impl Annealed {
    /// The result of runs of [`anneal`], which may come from several calls with the same settings and other streams.
    ///
    /// `log_weights` has the estimate of log Z from each run.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Annealed, Schedule};
    ///
    /// // The weights 1 and 3.
    /// let found = Annealed::of_runs(vec![0.0, 3.0_f64.ln()], &Schedule::Linear(5));
    /// assert!((found.log_partition.value - 2.0_f64.ln()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn of_runs(log_weights: Vec<f64>, schedule: &Schedule) -> Self {
        Self {
            log_partition: Estimate::log_mean_weight(&log_weights, "ais"),
            ess: weights_ess(&log_weights),
            log_weights,
            temperatures: schedule.count(),
            schedule: schedule.name(),
        }
    }

    /// The result of runs of [`anneal_back`], as [`of_runs`](Self::of_runs).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Annealed, Schedule};
    ///
    /// // 1 / Z is estimated as 1 and as 1 / 3.
    /// let found = Annealed::of_reverse_runs(vec![0.0, 3.0_f64.ln()], &Schedule::Linear(5));
    /// assert!((found.log_partition.value - 1.5_f64.ln()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn of_reverse_runs(log_weights: Vec<f64>, schedule: &Schedule) -> Self {
        let inverse: Vec<f64> = log_weights.iter().map(|w| -w).collect();
        Self {
            log_partition: Estimate::log_mean_weight(&inverse, "reverse ais").negated(),
            ess: weights_ess(&inverse),
            log_weights,
            temperatures: schedule.count(),
            schedule: schedule.name(),
        }
    }
}

/// Estimates log Z at the end of a path.
///
/// `log w = log Z_0 + sum_k (log f_k(x_(k-1)) - log f_(k-1)(x_(k-1)))`, `Z = E[w]`.
///
/// # Randomness
///
/// Temperature k uses the family [`Purpose::Anneal`] k of `streams`. The pilot of an adaptive schedule uses families of
/// the same kind below the family [`Purpose::Anneal`] 2^64 - 2.
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
/// /// f_beta(x) = exp(3 beta) for both states of a coin. It needs no moves, and all runs get the same weight.
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
    Ok(Annealed::of_runs(log_weights, &settings.schedule))
}

/// Estimates log Z from above by reverse annealing, from the model to the base distribution.
///
/// `log w = sum_k (log f_(k-1)(x_k) - log f_k(x_k))` for k = K, ..., 1, with a move at temperature k before each term.
/// Each run estimates log Z by log Z_0 - log w.
///
/// - From exact draws of the model `E[w] = Z_0 / Z`, and the estimate lies above log Z in expectation. This is reverse
///   annealed importance sampling.
/// - From a given state x, log f_K(x) + log w - log Z_0 is in expectation a lower bound on the log-probability that
///   annealing from the base ends at x. With more temperatures this approaches the log-probability of the model. This
///   is RAISE.
///
/// # Randomness
///
/// The families are those of [`anneal`]. The first move uses family 0.
///
/// # Errors
///
/// [`Error::Param`] for a schedule out of range, [`Error::Empty`] without chains, [`Error::Interrupted`] when `watch`
/// breaks.
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
/// // `Even` is the path from the example of `anneal`. Its chains have no states.
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
    // This move at beta = 1 adds nothing to the weights.
    path.advance(&mut chains, 1.0, 1.0, &streams.fork(Purpose::Anneal, 0), &mut log_weights);
    walk(path, &mut chains, &betas, streams, &mut log_weights, watch)?;
    Ok(Annealed::of_reverse_runs(log_weights.into_iter().map(|w| -w).collect(), schedule))
}

pub(super) const OP: &str = "annealed importance sampling";

/// Moves the chains along the temperatures and adds up their log-weights.
pub(super) fn walk<P: AnnealedPath>(
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
