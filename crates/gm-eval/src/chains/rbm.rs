//! Chains of RBMs at one temperature.

use gm_core::{Beta, Chains, Clamp, Matrix, StepInfo, Streams};
use gm_rbm::{Rbm, Sampler};

use super::ModelChains;
use super::given::{check_clamp, rbm_clamp, with_classes, with_given};
use crate::error::{Error, Result};

/// Chains of an RBM at one temperature, free or with given visible units.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Clamp, Stack, Streams};
/// use gm_eval::{ModelChains, RbmChains};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let first = BitMatrix::from_fn(4, 10, |unit, _| unit == 0);
/// let clamp = Clamp { mask: first.clone(), values: first.into() };
/// let mut chains = RbmChains::new(&rbm, 10, &Streams::new(1)).clamped(clamp)?;
/// chains.advance(5);
/// assert!(chains.states().row(0).iter().all(|&on| on == 1.0));
/// assert_eq!((chains.means()[(0, 3)], chains.means()[(1, 3)]), (1.0, 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct RbmChains {
    sampler: Sampler,
    chains: Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if it is not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

impl RbmChains {
    /// Starts free chains in random states.
    #[must_use]
    pub fn new(rbm: &Rbm, count: usize, streams: &Streams) -> Self {
        let chains = rbm.chains(count, streams);
        Self { sampler: rbm.sampler(), chains, clamp: None, beta: None, streams: streams.clone() }
    }

    /// The same chains with given values of rows of data, `[row units, chains]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for a clamp of other units or of another number of chains.
    pub fn clamped(mut self, clamp: Clamp) -> Result<Self> {
        let rbm = self.sampler.model();
        check_clamp("RbmChains::clamped", &clamp, (rbm.units().kind(), rbm.row_units()), self.chains.count())?;
        self.clamp = Some(rbm_clamp(rbm, clamp));
        Ok(self)
    }

    /// The same chains with a class for each chain, which its label units keep.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] unless there is one class for each chain, [`Error::Setting`] for an unknown class.
    pub fn of_classes(mut self, classes: &[usize]) -> Result<Self> {
        check_classes("RbmChains::of_classes", classes, self.sampler.model().classes(), self.chains.count())?;
        self.clamp = Some(with_classes(self.sampler.model(), self.clamp.take(), classes));
        Ok(self)
    }

    /// The same chains at an inverse temperature, without given units.
    #[must_use]
    pub fn at_beta(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }
}

/// Refuses another number of classes than chains, and classes that the model does not have.
pub(super) fn check_classes(op: &'static str, classes: &[usize], known: usize, chains: usize) -> Result<()> {
    gm_core::check_len(op, "classes", "length", classes.len(), chains)?;
    check_known(op, classes, known)
}

/// Refuses classes that the model does not have.
pub(super) fn check_known(op: &'static str, classes: &[usize], known: usize) -> Result<()> {
    match classes.iter().find(|&&class| class >= known) {
        Some(class) if known == 0 => Err(Error::setting(op, "classes", class, "a model with label units")),
        Some(class) => Err(Error::setting(op, "classes", class, format!("classes from 0 to {}", known - 1))),
        None => Ok(()),
    }
}

impl ModelChains for RbmChains {
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
        "free energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.model().free_energy(self.chains.v())
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}
