//! Chains of restricted Boltzmann machines at one temperature.

use gm_core::{Batch, Beta, BitMatrix, Matrix, Streams};
use gm_rbm::{Chains, Clamp, Rbm, Sampler};

use super::{Chain, Watched, with_given};
use crate::error::Result;

/// Chains of a restricted Boltzmann machine, free or with given visible units.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rbm: &'a Rbm,
    sampler: Sampler,
    chains: Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

impl<'a> Walk<'a> {
    /// Starts chains anywhere, of which units of the data may be given.
    pub(crate) fn new(rbm: &'a Rbm, count: usize, clamp: Option<Clamp>, streams: &Streams) -> Self {
        let chains = rbm.chains(count, streams);
        let clamp = clamp.map(|clamp| clamp_of_states(rbm, clamp));
        Self { rbm, sampler: rbm.sampler(), chains, clamp, beta: None, streams: streams.clone() }
    }

    /// The same chains at an inverse temperature; given units are no more given.
    pub(crate) fn heated(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }

    /// Gives each chain a class, which its label units keep.
    pub(crate) fn of_classes(mut self, classes: &[usize]) -> Self {
        self.clamp = Some(with_classes(self.rbm, self.clamp.take(), classes));
        self
    }
}

impl Watched for Walk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
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
        self.rbm.free_energy(self.chains.v())
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}

impl Chain for Walk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.rbm.rows_of_states(&self.chains.v().to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains).to_matrix();
        self.rbm.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        })
    }
}

/// Given units of data as given units of the visible layer.
pub(super) fn clamp_of_states(rbm: &Rbm, Clamp { mask, values }: Clamp) -> Clamp {
    let free = rbm.classes();
    match values {
        Batch::Bits(bits) => Clamp { mask: mask.widened(free), values: bits.widened(free).into() },
        Batch::Reals(reals) => Clamp { mask, values: rbm.standardised(&reals).into_owned().into() },
    }
}

/// The same given units, with a class for each chain that its label units keep.
pub(super) fn with_classes(rbm: &Rbm, clamp: Option<Clamp>, classes: &[usize]) -> Clamp {
    let none = || BitMatrix::zeros(rbm.visible(), classes.len());
    let mut clamp = clamp.unwrap_or_else(|| Clamp { mask: none(), values: none().into() });
    for (chain, &chosen) in classes.iter().enumerate() {
        for class in 0..rbm.classes() {
            clamp.mask.set(rbm.row_units() + class, chain, true);
            clamp.values.bits_mut().set(rbm.row_units() + class, chain, class == chosen);
        }
    }
    clamp
}
