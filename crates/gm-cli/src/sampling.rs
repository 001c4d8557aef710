//! Markov chains of a model, run with progress, and how well they mix.

use gm_core::{BitMatrix, Matrix, Streams, autocorrelation_time, effective_sample_size, split_r_hat};
use gm_rbm::{Chains, Clamp, Rbm, Sampler};
use serde::Serialize;

use crate::console::Progress;
use crate::error::Result;

/// States looked at, at most, to judge how well chains mix.
const LOOKS: usize = 400;
/// The fewest looks that tell anything.
const FEWEST: usize = 8;

/// Chains of one model, free or with given visible units.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rbm: &'a Rbm,
    sampler: Sampler<'a>,
    chains: Chains,
    clamp: Option<Clamp>,
    streams: Streams,
}

/// How well chains mix, judged by the free energy of their visible states.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Diagnostics {
    quantity: &'static str,
    chains: usize,
    /// Sweeps over which the chains were watched.
    sweeps: usize,
    /// Sweeps that are worth one independent draw of a chain, on average over chains.
    autocorrelation_time: f64,
    /// Independent draws that all chains together were worth.
    ess: f64,
    pub(crate) split_r_hat: f64,
    /// Share of visible units that a sweep changes.
    flips: f64,
}

impl<'a> Walk<'a> {
    /// Starts chains anywhere, or where units are given, there.
    pub(crate) fn new(rbm: &'a Rbm, count: usize, clamp: Option<Clamp>, streams: &Streams) -> Self {
        let chains = rbm.chains(count, streams);
        Self { rbm, sampler: rbm.sampler(), chains, clamp, streams: streams.clone() }
    }

    /// Makes sweeps and tells the share of visible units that changed.
    pub(crate) fn run(&mut self, sweeps: usize) -> f64 {
        let info = match &self.clamp {
            Some(clamp) => self.sampler.run_clamped(&mut self.chains, clamp, sweeps, &self.streams),
            None => self.sampler.run(&mut self.chains, sweeps, &self.streams),
        };
        info.flips
    }

    /// Visible states, [visible, chains].
    pub(crate) fn states(&self) -> &BitMatrix {
        &self.chains.v
    }

    /// E[v | h] at the chains' hidden states, the given values where units are given, [visible, chains].
    pub(crate) fn means(&self) -> Matrix {
        let mut means = self.sampler.couplings().mean_v_from_h(self.rbm, &self.chains.h).to_matrix();
        if let Some(clamp) = &self.clamp {
            for sample in 0..means.ncols() {
                for unit in (0..means.nrows()).filter(|&unit| clamp.mask.get(unit, sample)) {
                    means[(unit, sample)] = f32::from(u8::from(clamp.values.get(unit, sample)));
                }
            }
        }
        means
    }

    /// Makes sweeps and watches the free energy in the second half of them; no diagnostics for very few sweeps.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for a model whose free energy overflows.
    pub(crate) fn run_watched(&mut self, sweeps: usize) -> Result<Option<Diagnostics>> {
        let mut progress = Progress::new("sampling", sweeps as u64);
        let watched = sweeps / 2;
        let interval = watched.div_ceil(LOOKS).max(1);
        let first = sweeps - watched;
        for done in (0..first).step_by(interval) {
            self.run(interval.min(first - done));
            progress.set(done as u64, "");
        }
        let looks = watched / interval;
        let mut traces = vec![Vec::with_capacity(looks); self.chains.v.samples()];
        let mut flips = 0.0;
        for look in 0..looks {
            flips += self.run(interval) / looks as f64;
            let energies = self.rbm.free_energy(&self.chains.v);
            traces.iter_mut().zip(energies).for_each(|(trace, energy)| trace.push(energy));
            progress.set((first + look * interval) as u64, "");
        }
        self.run(watched - looks * interval);
        if looks < FEWEST {
            return Ok(None);
        }
        let times: f64 = traces.iter().map(|trace| autocorrelation_time(trace)).sum();
        Ok(Some(Diagnostics {
            quantity: "free energy",
            chains: traces.len(),
            sweeps: looks * interval,
            autocorrelation_time: times / traces.len() as f64 * interval as f64,
            ess: effective_sample_size(&traces)?,
            split_r_hat: split_r_hat(&traces)?,
            flips,
        }))
    }
}

impl Diagnostics {
    /// A line for people.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} chains watched for {} sweeps: autocorrelation time {:.0} sweeps, {:.0} independent draws, split R-hat {:.3}, \
             {:.1} % of units change per sweep\n",
            self.chains,
            self.sweeps,
            self.autocorrelation_time,
            self.ess,
            self.split_r_hat,
            100.0 * self.flips
        )
    }
}
