//! Chains of DBMs.

use gm_core::{Beta, Chains, Clamp, Matrix, StepInfo, Streams};
use gm_dbm::{Dbm, Sampler};

use super::ModelChains;
use super::given::{check_clamp, dbm_clamp, with_given};
use crate::error::Result;

/// Chains of a DBM, free or with given visible units.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::{DbmChains, ModelChains};
///
/// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let mut chains = DbmChains::new(&dbm, 10, &Streams::new(1)).at_beta(0.5);
/// assert_eq!(chains.advance(5).sweeps, 5);
/// assert_eq!((chains.quantity(), chains.states().shape()), ("energy", (4, 10)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct DbmChains {
    sampler: Sampler,
    chains: Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if it is not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

impl DbmChains {
    /// Starts free chains in random states.
    #[must_use]
    pub fn new(dbm: &Dbm, count: usize, streams: &Streams) -> Self {
        let (sampler, chains) = (dbm.sampler(), dbm.chains(count, streams));
        Self { sampler, chains, clamp: None, beta: None, streams: streams.clone() }
    }

    /// The same chains with given values of rows of data, `[visible, chains]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for a clamp of other units or of another number of chains.
    pub fn clamped(mut self, clamp: Clamp) -> Result<Self> {
        let dbm = self.sampler.model();
        check_clamp("DbmChains::clamped", &clamp, (dbm.units().kind(), dbm.visible()), self.chains.count())?;
        self.clamp = Some(dbm_clamp(dbm, clamp));
        Ok(self)
    }

    /// The same chains at an inverse temperature, without given units.
    #[must_use]
    pub fn at_beta(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }
}

impl ModelChains for DbmChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let (chains, streams) = (&mut self.chains, &self.streams);
        match (&self.clamp, self.beta) {
            (Some(clamp), _) => self.sampler.run_clamped(chains, clamp, sweeps, streams),
            (None, Some(beta)) => self.sampler.run_tempered(chains, Beta::Same(beta), sweeps, streams),
            (None, None) => self.sampler.run(chains, sweeps, streams),
        }
    }

    fn states(&self) -> Matrix {
        self.sampler.model().rows_of_states(&self.chains.v().to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains).to_matrix();
        self.sampler.model().rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        })
    }

    fn method(&self) -> &'static str {
        "block Gibbs sampling"
    }

    fn quantity(&self) -> &'static str {
        "energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.model().energy(&self.chains.layers)
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}
