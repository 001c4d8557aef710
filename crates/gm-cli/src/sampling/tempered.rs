//! Chains of restricted Boltzmann machines at several temperatures.

use gm_core::{Matrix, Streams};
use gm_rbm::{Chains, Clamp, Rbm, Replicas, Sampler};

use super::rbm::{clamp_of_states, with_classes};
use super::{Chain, Watched, with_given};
use crate::error::Result;

/// Chains of a restricted Boltzmann machine at several temperatures, free or with given visible units.
#[derive(Debug)]
pub(crate) struct TemperedWalk<'a> {
    rbm: &'a Rbm,
    sampler: Sampler,
    replicas: Replicas,
    /// For all replicas.
    clamp: Option<Clamp>,
    /// The chains at the model's own temperature.
    coldest: Chains,
    /// Whether temperatures stay where they are.
    settled: bool,
    streams: Streams,
}

/// Sweeps between two moves of the temperatures, and how far they move.
const MOVE_EVERY: usize = 20;
const MOVE_RATE: f64 = 0.5;

impl<'a> TemperedWalk<'a> {
    /// Starts so many chains at each temperature.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for fewer than two temperatures.
    pub(crate) fn new(
        rbm: &'a Rbm,
        count: usize,
        temperatures: usize,
        (clamp, classes): (Option<Clamp>, Option<&[usize]>),
        streams: &Streams,
    ) -> Result<Self> {
        let clamp = clamp.map(|clamp| clamp_of_states(rbm, clamp));
        let clamp = match classes {
            Some(classes) => Some(with_classes(rbm, clamp, classes)),
            None => clamp,
        };
        let replicas = rbm.replicas(count, temperatures, None, streams)?;
        let copies: Vec<usize> = (0..temperatures * count).map(|replica| replica % count).collect();
        let clamp = clamp.map(|clamp| Clamp { mask: clamp.mask.select(&copies), values: clamp.values.select(&copies) });
        let (sampler, coldest) = (rbm.sampler(), replicas.coldest());
        Ok(Self { rbm, sampler, replicas, clamp, coldest, settled: false, streams: streams.clone() })
    }

    fn sweep(&mut self, sweeps: usize) -> f64 {
        let (replicas, streams) = (&mut self.replicas, &self.streams);
        let info = match &self.clamp {
            Some(clamp) => self.sampler.run_tempering_clamped(replicas, clamp, sweeps, streams),
            None => self.sampler.run_tempering(replicas, sweeps, streams),
        };
        info.flips
    }
}

impl Watched for TemperedWalk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let mut flips = 0.0;
        for done in (0..sweeps).step_by(MOVE_EVERY) {
            let some = MOVE_EVERY.min(sweeps - done);
            flips += self.sweep(some) * some as f64 / sweeps as f64;
            if !self.settled && some == MOVE_EVERY {
                self.replicas.adapt(MOVE_RATE);
            }
        }
        self.coldest = self.replicas.coldest();
        flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.rbm.free_energy(self.coldest.v())
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }

    fn settle(&mut self) {
        self.settled = true;
    }

    fn swaps(&self) -> Option<Vec<f64>> {
        Some(self.replicas.acceptance())
    }
}

impl Chain for TemperedWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.settled = true;
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.rbm.rows_of_states(&self.coldest.v().to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.coldest).to_matrix();
        // The given values of the coldest chains are those of the first replicas.
        let first: Vec<usize> = (0..means.ncols()).collect();
        self.rbm.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask.select(&first), &clamp.values.select(&first)),
            None => means,
        })
    }
}
