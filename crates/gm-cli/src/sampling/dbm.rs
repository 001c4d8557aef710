//! Chains of deep Boltzmann machines.

use gm_core::{Batch, Beta, Matrix, Streams};
use gm_dbm::Dbm;
use gm_rbm::Clamp;

use super::{Chain, Watched, with_given};
use crate::error::Result;

/// Chains of a deep Boltzmann machine, free or with given visible units.
#[derive(Debug)]
pub(crate) struct DbmWalk<'a> {
    dbm: &'a Dbm,
    sampler: gm_dbm::Sampler,
    chains: gm_dbm::Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

impl<'a> DbmWalk<'a> {
    /// Starts chains anywhere, of which units of the data may be given.
    pub(crate) fn new(dbm: &'a Dbm, count: usize, clamp: Option<Clamp>, streams: &Streams) -> Self {
        let (sampler, chains) = (dbm.sampler(), dbm.chains(count, streams));
        let clamp = clamp.map(|Clamp { mask, values }| match values {
            Batch::Reals(reals) => Clamp { mask, values: dbm.standardised(&reals).into_owned().into() },
            bits => Clamp { mask, values: bits },
        });
        Self { dbm, sampler, chains, clamp, beta: None, streams: streams.clone() }
    }

    /// The same chains at an inverse temperature; given units are no more given.
    pub(crate) fn heated(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }
}

impl Watched for DbmWalk<'_> {
    fn quantity(&self) -> &'static str {
        "energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let (chains, streams) = (&mut self.chains, &self.streams);
        let info = match (&self.clamp, self.beta) {
            (Some(clamp), _) => self.sampler.run_clamped(chains, clamp, sweeps, streams),
            (None, Some(beta)) => self.sampler.run_tempered(chains, Beta::Same(beta), sweeps, streams),
            (None, None) => self.sampler.run(chains, sweeps, streams),
        };
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.dbm.energy(&self.chains.layers)
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}

impl Chain for DbmWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.dbm.rows_of_states(&self.chains.layers[0].to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains).to_matrix();
        self.dbm.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        })
    }
}
