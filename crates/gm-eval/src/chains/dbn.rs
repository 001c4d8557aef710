//! Chains of DBNs: in the RBM on top, and on all layers.

use gm_core::{Batch, Chains, Clamp, Matrix, StepInfo, Streams};
use gm_dbn::{Dbn, Sampler};

use super::ModelChains;
use super::given::{check_clamp, with_given};
use super::rbm::check_classes;
use crate::error::Result;

/// Chains in the RBM on top of a DBN, with a pass down to the visible units.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::{DbnChains, ModelChains};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let mut chains = DbnChains::new(&dbn, 10, &Streams::new(1));
/// chains.advance(5);
/// assert_eq!((chains.states().shape(), chains.means()[(0, 0)]), ((4, 10), 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct DbnChains {
    sampler: Sampler,
    chains: Chains,
    /// The class that the label units of each chain keep.
    classes: Option<Vec<usize>>,
    /// Visible states, without label units.
    visible: Batch,
    streams: Streams,
}

impl DbnChains {
    /// Starts chains in random states.
    #[must_use]
    pub fn new(dbn: &Dbn, count: usize, streams: &Streams) -> Self {
        let sampler = dbn.sampler();
        let chains = dbn.chains(count, streams);
        let visible = sampler.sample_layers_from_chains(&chains, streams).swap_remove(0);
        Self { sampler, chains, classes: None, visible, streams: streams.clone() }
    }

    /// The same chains with a class for each chain, which its label units keep.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] unless there is one class for each chain, [`crate::Error::Setting`] for an unknown
    /// class.
    pub fn of_classes(mut self, classes: &[usize]) -> Result<Self> {
        check_classes("DbnChains::of_classes", classes, self.sampler.model().classes(), self.visible.samples())?;
        self.classes = Some(classes.to_vec());
        Ok(self)
    }
}

impl ModelChains for DbnChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let info = match &self.classes {
            Some(classes) => self
                .sampler
                .run_with_classes(&mut self.chains, classes, sweeps, &self.streams)
                .expect("`of_classes` has checked the classes"),
            None => self.sampler.run(&mut self.chains, sweeps, &self.streams),
        };
        self.visible = self.sampler.sample_layers_from_chains(&self.chains, &self.streams).swap_remove(0);
        info
    }

    fn states(&self) -> Matrix {
        self.sampler.model().rows_of_states(&self.visible.to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains, &self.streams).to_matrix();
        self.sampler.model().rows_of_states(&means.rows(0, self.visible.units()).into_owned())
    }

    fn method(&self) -> &'static str {
        "block Gibbs sampling"
    }

    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.top().model().free_energy(self.chains.v())
    }

    fn alike(&self) -> bool {
        self.classes.is_none()
    }
}

/// Sweeps of free chains, whose samples then stand in for the units that are not given.
const SETTLED: usize = 100;

/// Chains on all layers of a DBN with given visible units.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Clamp, Stack, Streams};
/// use gm_eval::{DbnPosteriorChains, ModelChains};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let first = BitMatrix::from_fn(4, 10, |unit, _| unit == 0);
/// let clamp = Clamp { mask: first.clone(), values: first.into() };
/// let mut chains = DbnPosteriorChains::new(&dbn, clamp, &Streams::new(1))?;
/// chains.advance(5);
/// assert_eq!((chains.means()[(0, 3)], chains.means()[(1, 3)]), (1.0, 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct DbnPosteriorChains {
    dbn: Dbn,
    chains: Chains,
    clamp: Clamp,
    streams: Streams,
}

impl DbnPosteriorChains {
    /// Starts chains in samples of the model, with the given values of rows of data put in.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a DBN with label units, [`gm_core::Error::Shape`] for a clamp of other units.
    pub fn new(dbn: &Dbn, clamp: Clamp, streams: &Streams) -> Result<Self> {
        check_clamp("DbnPosteriorChains::new", &clamp, (dbn.units().kind(), dbn.visible()), clamp.values.samples())?;
        let mut free = DbnChains::new(dbn, clamp.values.samples(), streams);
        free.advance(SETTLED);
        let (mut v, values) = (free.visible, dbn.states_of_rows(&clamp.values)?);
        v.replace_where(&clamp.mask, &values);
        let chains = dbn.posterior_chains(v, streams)?;
        let clamp = Clamp { mask: clamp.mask, values };
        Ok(Self { dbn: dbn.clone(), chains, clamp, streams: streams.clone() })
    }
}

impl ModelChains for DbnPosteriorChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        self.dbn.gibbs(&mut self.chains, Some(&self.clamp), sweeps, &self.streams)
    }

    fn states(&self) -> Matrix {
        self.dbn.rows_of_states(&self.chains.layers[0].to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.dbn.visible_means_from_h(&self.chains.layers[1]).to_matrix();
        self.dbn.rows_of_states(&with_given(means, &self.clamp.mask, &self.clamp.values))
    }

    fn method(&self) -> &'static str {
        "Gibbs sampling of all layers"
    }

    fn quantity(&self) -> &'static str {
        "log p of all layers"
    }

    fn quantities(&self) -> Vec<f64> {
        self.dbn.log_joint(&self.chains.layers, 0.0)
    }

    fn alike(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{BitMatrix, Stack, Vector};

    #[test]
    fn table_states_of_a_belief_network_are_those_after_the_sweeps() {
        // The RBM on top has its lower units all on or all off, and each visible unit copies one of them.
        let weights = vec![Matrix::from_diagonal_element(4, 4, 40.0), Matrix::from_element(4, 4, 6.0)];
        let biases = [-20.0, -12.0, -12.0].map(|bias| Vector::from_element(4, bias));
        let dbn = Dbn::new(Stack::new(weights, biases.into()).unwrap(), None).unwrap();
        let mut chains = DbnChains::new(&dbn, 100, &Streams::new(1));
        let low = |chains: &DbnChains| chains.visible.bits().ones_per_sample().iter().filter(|&&on| on == 0).count();
        assert_eq!(low(&chains), 100, "chains begin at the biases alone");
        *chains.chains.v_mut() = BitMatrix::from_fn(4, 100, |_, _| true).into();
        *chains.chains.h_mut() = BitMatrix::from_fn(4, 100, |_, _| true);
        chains.advance(3);
        let all = chains.visible.bits().ones_per_sample().iter().filter(|&&on| on == 4).count();
        assert!(all > 90, "{all} of 100 chains show their states");
        assert_eq!(chains.means().map(f32::round), chains.states());
    }
}
