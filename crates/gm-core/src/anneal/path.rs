//! The path: the distributions between a tractable one and the model.

use crate::streams::Streams;

/// A family of unnormalised distributions f_beta from a tractable one at beta = 0 to the model at beta = 1.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, AnnealedPath, Schedule, Streams, anneal, logistic_f64, unwatched};
/// use rand::RngExt;
///
/// /// f_beta(x) = exp(3 beta x) of a single bit. Its moves are exact draws.
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

    /// Adds log f_to(x) - log f_from(x) to the log-weight of each chain. Then moves the chains by a kernel that leaves
    /// the distribution at `to` invariant. `to` may be below `from` or equal to it. For
    /// [`anneal_back`](super::anneal_back) the kernel must be reversible.
    fn advance(&self, chains: &mut Self::Chains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]);
}
