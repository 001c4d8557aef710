//! How well chains mix, observed while they run.

use std::fmt;

use gm_core::{Watch, autocorrelation_time, effective_sample_size, split_r_hat};
use serde::Serialize;

use super::ModelChains;
use crate::error::{Result, tell};

/// The largest number of observations of a chain.
const MOST: usize = 400;
/// The smallest number of observations from which mixing can be judged.
const FEWEST: usize = 8;

/// How well chains mix, judged by their energies.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Diagnostics, ModelChains, RbmChains};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let mut chains = RbmChains::new(&rbm, 10, &Streams::new(1));
/// assert_eq!(chains.advance_watched(10, &mut unwatched)?, None);
/// let found = chains.advance_watched(100, &mut unwatched)?.expect("enough sweeps");
/// assert_eq!((found.quantity, found.traces.len(), found.traces[0].len()), ("free energy", 10, 50));
/// assert!(found.mixed() && found.to_string().starts_with("10 chains watched for 50 sweeps"));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Diagnostics {
    /// The name of the watched quantity.
    pub quantity: &'static str,
    /// Number of chains.
    pub chains: usize,
    /// Whether the chains have the same distribution. If they have not, each chain is judged alone.
    pub compared: bool,
    /// Sweeps during which the chains were watched.
    pub sweeps: usize,
    /// Sweeps that are worth one independent draw of a chain, mean over the chains.
    pub autocorrelation_time: f64,
    /// Number of independent draws that all chains together are worth.
    pub ess: f64,
    /// Split R-hat: 1 if the chains agree with each other and with themselves.
    pub split_r_hat: f64,
    /// Share of visible units that a sweep changes.
    pub flips: f64,
    /// Share of accepted swaps, mean over the pairs of neighbouring temperatures; absent at one temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_acceptance: Option<f64>,
    /// Share of accepted swaps of the pair with the fewest; absent at one temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowest_swap_acceptance: Option<f64>,
    /// Sweeps from one observation to the next; not part of the JSON document.
    #[serde(skip)]
    pub interval: usize,
    /// The watched quantity at each observation, for each chain; not part of the JSON document.
    #[serde(skip)]
    pub traces: Vec<Vec<f64>>,
}

impl Diagnostics {
    /// The split R-hat above which chains still remember their start.
    pub const MIXED: f64 = 1.05;

    /// Whether the chains agree with each other: split R-hat is at most [`MIXED`](Self::MIXED).
    #[must_use]
    pub fn mixed(&self) -> bool {
        self.split_r_hat <= Self::MIXED
    }

    /// What groups of chains say together that were watched apart, in the order of their chains. There is nothing to say
    /// without groups.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for traces with numbers that are not finite.
    pub fn joined(mut groups: Vec<Self>) -> Result<Option<Self>> {
        if groups.len() < 2 {
            return Ok(groups.pop());
        }
        let chains: usize = groups.iter().map(|group| group.chains).sum();
        let mean = |of: &dyn Fn(&Self) -> f64| {
            groups.iter().map(|group| of(group) * group.chains as f64).sum::<f64>() / chains as f64
        };
        let (autocorrelation_time, flips) = (mean(&|group| group.autocorrelation_time), mean(&|group| group.flips));
        let Self { quantity, compared, sweeps, interval, swap_acceptance, .. } = groups[0];
        let swap_acceptance = swap_acceptance.map(|_| mean(&|group| group.swap_acceptance.unwrap_or_default()));
        let lowest_swap_acceptance = groups.iter().filter_map(|group| group.lowest_swap_acceptance).reduce(f64::min);
        let traces: Vec<Vec<f64>> = groups.into_iter().flat_map(|group| group.traces).collect();
        let (ess, split_r_hat) = if compared { together(&traces)? } else { apart(&traces)? };
        Ok(Some(Self {
            quantity,
            chains,
            compared,
            sweeps,
            autocorrelation_time,
            ess,
            split_r_hat,
            flips,
            swap_acceptance,
            lowest_swap_acceptance,
            interval,
            traces,
        }))
    }
}

const OP: &str = "ModelChains::advance_watched";

/// See [`ModelChains::advance_watched`].
pub(super) fn advance_watched<C: ModelChains + ?Sized>(
    chains: &mut C,
    sweeps: usize,
    watch: Watch<'_>,
) -> Result<Option<Diagnostics>> {
    let watched = sweeps / 2;
    let interval = watched.div_ceil(MOST).max(1);
    let first = sweeps - watched;
    advance(chains, first, (0, sweeps), watch)?;
    chains.settle();
    let observations = watched / interval;
    let mut traces = vec![Vec::with_capacity(observations); chains.quantities().len()];
    let mut flips = 0.0;
    for observation in 0..observations {
        let done = first + observation * interval;
        flips += advance(chains, interval, (done, sweeps), watch)? / observations as f64;
        traces.iter_mut().zip(chains.quantities()).for_each(|(trace, value)| trace.push(value));
    }
    let done = observations * interval;
    advance(chains, watched - done, (first + done, sweeps), watch)?;
    if observations < FEWEST {
        return Ok(None);
    }
    let (ess, split_r_hat) = if chains.alike() { together(&traces)? } else { apart(&traces)? };
    let swaps = chains.swaps();
    let times: f64 = traces.iter().map(|trace| autocorrelation_time(trace)).sum();
    Ok(Some(Diagnostics {
        quantity: chains.quantity(),
        chains: traces.len(),
        compared: chains.alike(),
        sweeps: observations * interval,
        autocorrelation_time: times / traces.len() as f64 * interval as f64,
        ess,
        split_r_hat,
        flips,
        swap_acceptance: swaps.as_ref().map(|shares| shares.iter().sum::<f64>() / shares.len() as f64),
        lowest_swap_acceptance: swaps.map(|shares| shares.into_iter().fold(1.0, f64::min)),
        interval,
        traces,
    }))
}

/// Sweeps between two calls of `watch`. Chains that adapt while they advance do so after each part of this size.
pub(crate) const PART: usize = 20;

/// Makes sweeps, in parts between which `watch` can break. The answer is the share of units that changed per sweep.
fn advance<C: ModelChains + ?Sized>(
    chains: &mut C,
    sweeps: usize,
    (done, total): (usize, usize),
    watch: Watch<'_>,
) -> Result<f64> {
    let mut flips = 0.0;
    for made in (0..sweeps).step_by(PART) {
        let part = PART.min(sweeps - made);
        flips += chains.advance(part).flips * (part as f64 / sweeps as f64);
        tell(watch, OP, (done + made, total))?;
    }
    Ok(flips)
}

/// Effective sample size and split R-hat of chains that have the same distribution.
fn together(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    Ok((effective_sample_size(traces)?, split_r_hat(traces)?))
}

/// The total effective sample size of chains with different distributions, and the mean R-hat of their halves.
fn apart(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    let (mut ess, mut r_hat) = (0.0, 0.0);
    for trace in traces {
        let alone = together(std::slice::from_ref(trace))?;
        ess += alone.0;
        r_hat += alone.1 / traces.len() as f64;
    }
    Ok((ess, r_hat))
}

impl fmt::Display for Diagnostics {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} chains watched for {} sweeps: autocorrelation time {:.0} sweeps, {:.0} independent draws, split R-hat {:.3}, \
             {:.1} % of units change per sweep",
            self.chains,
            self.sweeps,
            self.autocorrelation_time,
            self.ess,
            self.split_r_hat,
            100.0 * self.flips
        )?;
        if !self.compared {
            f.write_str("; each chain by itself, since each has other values given")?;
        }
        if let (Some(mean), Some(lowest)) = (self.swap_acceptance, self.lowest_swap_acceptance) {
            let (mean, lowest) = (100.0 * mean, 100.0 * lowest);
            write!(f, "; {mean:.0} % of swaps between temperatures made, {lowest:.0} % at least")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chains whose traces go up and down around a level.
    fn around(level: f64, chains: usize, lowest: f64) -> Diagnostics {
        let trace = |chain: usize| (0..40).map(|i| level + ((i * 7 + chain * 3) % 11) as f64).collect();
        let traces: Vec<Vec<f64>> = (0..chains).map(trace).collect();
        let (ess, split_r_hat) = together(&traces).unwrap();
        Diagnostics {
            quantity: "free energy",
            chains,
            compared: true,
            sweeps: 40,
            autocorrelation_time: chains as f64,
            ess,
            split_r_hat,
            flips: lowest,
            swap_acceptance: Some(lowest),
            lowest_swap_acceptance: Some(lowest),
            interval: 1,
            traces,
        }
    }

    #[test]
    fn table_groups_that_mix_apart_may_not_have_mixed_together() {
        let (low, high) = (around(0.0, 2, 0.25), around(50.0, 6, 0.5));
        assert!(low.mixed() && high.mixed());
        let found = Diagnostics::joined(vec![low.clone(), high.clone()]).unwrap().unwrap();
        assert!(!found.mixed(), "{found}");
        assert_eq!((found.chains, &found.traces[2..]), (8, &high.traces[..]));
        assert_eq!((found.flips, found.swap_acceptance), (0.4375, Some(0.4375)));
        assert_eq!((found.lowest_swap_acceptance, found.autocorrelation_time), (Some(0.25), 5.0));
        let apart = |group: Diagnostics| Diagnostics { compared: false, ..group };
        let each = Diagnostics::joined(vec![apart(low.clone()), apart(high)]).unwrap().unwrap();
        assert!(each.mixed(), "each chain by itself: {each}");
        assert_eq!(Diagnostics::joined(vec![low.clone()]).unwrap(), Some(low));
        assert_eq!(Diagnostics::joined(vec![]).unwrap(), None);
    }
}
