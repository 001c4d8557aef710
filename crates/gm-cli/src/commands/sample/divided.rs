//! The drawing of samples, which several processes share.

use gm_ascent::Exchange;
use gm_core::Matrix;
use gm_eval::{Diagnostics, Sampling};
use serde::{Deserialize, Serialize};

use crate::console::watched;
use crate::error::{Error, Result};
use crate::files::Rows;
use crate::over::gathered;

/// Samples that are drawn, by this process alone or with others, of which the first one gets the samples of all.
pub(super) struct Drawing<'a> {
    pub(super) sampling: Sampling<'a>,
    pub(super) processes: Option<&'a dyn Exchange>,
}

impl Drawing<'_> {
    /// Makes the sweeps before the first samples, and hands samples over as they are drawn.
    ///
    /// # Errors
    ///
    /// The errors of sampling and of `rows`, and the interruption of any process.
    pub(super) fn draw(&mut self, rows: &mut Rows<'_>) -> Result<()> {
        let burnt = watched("sampling", |watch| Ok(self.sampling.burn_in(watch)?));
        match self.processes {
            None => burnt?,
            Some(processes) => self.diagnosed(processes, burnt)?,
        }
        if self.sampling.report().diagnostics.as_ref().is_some_and(|found| found.compared && !found.mixed()) {
            let limit = Diagnostics::MIXED;
            tracing::warn!("the chains still differ from each other (split R-hat above {limit}); raise --steps");
        }
        match self.processes {
            None => watched("drawing", |watch| self.sampling.draw(watch, rows)),
            Some(processes) => self.drawn(processes, rows),
        }
    }

    /// Gives the first process the diagnostics of all chains.
    fn diagnosed(&mut self, processes: &dyn Exchange, burnt: Result<()>) -> Result<()> {
        let own: Vec<Watched> = self.sampling.watched().iter().map(Watched::of).collect();
        let encoded = serde_json::to_vec(&own).map_err(Error::content("diagnostics"))?;
        let all = gathered(processes, kept(burnt)?.map(|()| &encoded[..]))?;
        // Every shard is watched, or none.
        let Some(first) = self.sampling.watched().first().filter(|_| processes.rank() == 0).cloned() else {
            return Ok(());
        };
        let mut shards = vec![];
        for bytes in &all {
            let found: Vec<Watched> = serde_json::from_slice(bytes).map_err(Error::content("diagnostics"))?;
            shards.extend(found.into_iter().map(|found| found.like(&first)));
        }
        Ok(self.sampling.diagnose(shards)?)
    }

    /// Draws, and gives the first process the samples of all in each round.
    fn drawn(&mut self, processes: &dyn Exchange, rows: &mut Rows<'_>) -> Result<()> {
        let mut told = false;
        let drawn = watched("drawing", |watch| {
            self.sampling.draw(watch, &mut |values: &Matrix| {
                let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                let all = gathered(processes, Some(&bytes)).inspect_err(|_| told = true)?;
                if all.is_empty() { Ok(()) } else { rows(&joined(values.nrows(), &all)) }
            })
        });
        match drawn {
            // The other processes know of the interruption already.
            Err(error) if told => Err(error),
            drawn => gathered(processes, kept(drawn)?.map(|()| &[][..])).map(drop),
        }
    }
}

/// The result of work, or nothing if it was interrupted.
fn kept(outcome: Result<()>) -> Result<Option<()>> {
    match outcome {
        Ok(()) => Ok(Some(())),
        Err(error) if error.is_interruption() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The samples of all processes beside each other.
fn joined(units: usize, all: &[Vec<u8>]) -> Matrix {
    let numbers = all.iter().flat_map(|bytes| bytes.chunks_exact(4));
    let values: Vec<f32> = numbers.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
    Matrix::from_vec(units, values.len() / units, values)
}

/// What a process knows of the chains of a shard.
#[derive(Serialize, Deserialize)]
struct Watched {
    autocorrelation_time: f64,
    flips: f64,
    swap_acceptance: Option<f64>,
    lowest_swap_acceptance: Option<f64>,
    traces: Vec<Vec<f64>>,
}

impl Watched {
    fn of(found: &Diagnostics) -> Self {
        let Diagnostics { autocorrelation_time, flips, swap_acceptance, lowest_swap_acceptance, .. } = *found;
        let traces = found.traces.clone();
        Self { autocorrelation_time, flips, swap_acceptance, lowest_swap_acceptance, traces }
    }

    /// The diagnostics of a shard, given those of another one.
    fn like(self, own: &Diagnostics) -> Diagnostics {
        let mut found = own.clone();
        found.chains = self.traces.len();
        found.autocorrelation_time = self.autocorrelation_time;
        found.flips = self.flips;
        found.swap_acceptance = self.swap_acceptance;
        found.lowest_swap_acceptance = self.lowest_swap_acceptance;
        found.traces = self.traces;
        found
    }
}
