//! How well chains mix, seen while they run.

use gm_core::{autocorrelation_time, effective_sample_size, split_r_hat};
use serde::Serialize;

use super::Chain;
use crate::console::Progress;
use crate::error::Result;

/// States looked at, at most, to judge how well chains mix.
const LOOKS: usize = 400;
/// The fewest looks that tell anything.
const FEWEST: usize = 8;

/// Chains whose mixing can be watched.
pub(crate) trait Watched: Chain {
    /// What is watched.
    fn quantity(&self) -> &'static str;

    /// Makes sweeps and tells the share of visible units that changed.
    fn run(&mut self, sweeps: usize) -> f64;

    /// What is watched, of each chain.
    fn quantities(&self) -> Vec<f64>;

    /// Whether all chains have the same distribution, so that they can be compared with each other.
    fn alike(&self) -> bool {
        true
    }

    /// Ends whatever is still adapted, before chains are watched.
    fn settle(&mut self) {}

    /// Shares of swaps made between neighbouring temperatures, of chains at several.
    fn swaps(&self) -> Option<Vec<f64>> {
        None
    }

    /// Makes sweeps and watches the chains in the second half of them; no diagnostics for very few sweeps.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for a model whose energy overflows.
    fn run_watched(&mut self, sweeps: usize) -> Result<Option<Diagnostics>> {
        let mut progress = Progress::new("sampling", sweeps as u64);
        let watched = sweeps / 2;
        let interval = watched.div_ceil(LOOKS).max(1);
        let first = sweeps - watched;
        for done in (0..first).step_by(interval) {
            self.run(interval.min(first - done));
            progress.set(done as u64, "");
        }
        self.settle();
        let looks = watched / interval;
        let mut traces = vec![Vec::with_capacity(looks); self.quantities().len()];
        let mut flips = 0.0;
        for look in 0..looks {
            flips += self.run(interval) / looks as f64;
            traces.iter_mut().zip(self.quantities()).for_each(|(trace, value)| trace.push(value));
            progress.set((first + look * interval) as u64, "");
        }
        self.run(watched - looks * interval);
        if looks < FEWEST {
            return Ok(None);
        }
        let times: f64 = traces.iter().map(|trace| autocorrelation_time(trace)).sum();
        let (ess, split_r_hat) = if self.alike() { together(&traces)? } else { apart(&traces)? };
        let swaps = self.swaps();
        Ok(Some(Diagnostics {
            quantity: self.quantity(),
            chains: traces.len(),
            compared: self.alike(),
            sweeps: looks * interval,
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
}

/// Effective sample size and split R-hat of chains that have the same distribution.
fn together(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    Ok((effective_sample_size(traces)?, split_r_hat(traces)?))
}

/// Effective sample size of chains that each have a distribution of their own, in all, and mean R-hat of their halves.
fn apart(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    let (mut ess, mut r_hat) = (0.0, 0.0);
    for trace in traces {
        let alone = together(std::slice::from_ref(trace))?;
        ess += alone.0;
        r_hat += alone.1 / traces.len() as f64;
    }
    Ok((ess, r_hat))
}

/// How well chains mix, judged by their energies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Diagnostics {
    /// What was watched.
    pub(crate) quantity: &'static str,
    pub(crate) chains: usize,
    /// Whether the chains have the same distribution; if not, each was judged alone.
    pub(crate) compared: bool,
    /// Sweeps over which the chains were watched.
    pub(crate) sweeps: usize,
    /// Sweeps that are worth one independent draw of a chain, on average over chains.
    pub(crate) autocorrelation_time: f64,
    /// Independent draws that all chains together were worth.
    pub(crate) ess: f64,
    pub(crate) split_r_hat: f64,
    /// Share of visible units that a sweep changes.
    pub(crate) flips: f64,
    /// Share of swaps made between neighbouring temperatures, on average, of chains at several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swap_acceptance: Option<f64>,
    /// The same, of the pair with the fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lowest_swap_acceptance: Option<f64>,
    /// Sweeps from one look to the next.
    #[serde(skip)]
    pub(crate) interval: usize,
    /// What was seen at each look, for each chain.
    #[serde(skip)]
    pub(crate) traces: Vec<Vec<f64>>,
}

impl Diagnostics {
    /// A line for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} chains watched for {} sweeps: autocorrelation time {:.0} sweeps, {:.0} independent draws, split R-hat {:.3}, \
             {:.1} % of units change per sweep",
            self.chains,
            self.sweeps,
            self.autocorrelation_time,
            self.ess,
            self.split_r_hat,
            100.0 * self.flips
        );
        if !self.compared {
            text += "; each chain by itself, since each has other values given";
        }
        if let (Some(mean), Some(lowest)) = (self.swap_acceptance, self.lowest_swap_acceptance) {
            let (mean, lowest) = (100.0 * mean, 100.0 * lowest);
            text += &format!("; {mean:.0} % of swaps between temperatures made, {lowest:.0} % at least");
        }
        text + "\n"
    }
}
