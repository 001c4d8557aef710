//! Chains of deep belief networks: in the machine on top, and on all layers.

use gm_core::{Batch, Chains, Clamp, Matrix, Streams};
use gm_dbn::Dbn;

use super::{Chain, Watched, with_given};
use crate::error::Result;

/// Chains in the machine on top of a deep belief network, with a pass down for pictures of them.
#[derive(Debug)]
pub(crate) struct DbnWalk<'a> {
    sampler: gm_dbn::Sampler,
    chains: Chains,
    /// The class that the label units of each chain keep.
    classes: Option<Vec<usize>>,
    dbn: &'a Dbn,
    /// Visible states, without label units.
    visible: Batch,
    streams: Streams,
}

impl<'a> DbnWalk<'a> {
    /// Starts chains anywhere.
    pub(crate) fn new(dbn: &'a Dbn, count: usize, classes: Option<Vec<usize>>, streams: &Streams) -> Self {
        let sampler = dbn.sampler();
        let chains = dbn.chains(count, streams);
        let visible = sampler.sample_layers_from_chains(&chains, streams).swap_remove(0);
        Self { sampler, chains, classes, dbn, visible, streams: streams.clone() }
    }

    fn pass_down(&mut self) {
        self.visible = self.sampler.sample_layers_from_chains(&self.chains, &self.streams).swap_remove(0);
    }
}

impl Watched for DbnWalk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let info = match &self.classes {
            Some(classes) => self
                .sampler
                .run_with_classes(&mut self.chains, classes, sweeps, &self.streams)
                .expect("classes that were checked"),
            None => self.sampler.run(&mut self.chains, sweeps, &self.streams),
        };
        self.pass_down();
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.top().model().free_energy(self.chains.v())
    }

    fn alike(&self) -> bool {
        self.classes.is_none()
    }
}

impl Chain for DbnWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.dbn.rows_of_states(&self.visible.to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains, &self.streams).to_matrix();
        self.dbn.rows_of_states(&means.rows(0, self.visible.units()).into_owned())
    }
}

/// Chains on all layers of a deep belief network with given visible units.
#[derive(Debug)]
pub(crate) struct DbnPosteriorWalk<'a> {
    dbn: &'a Dbn,
    chains: Chains,
    clamp: Clamp,
    streams: Streams,
}

impl<'a> DbnPosteriorWalk<'a> {
    /// Starts chains at samples with the given units put in.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Option`] for a network with label units.
    pub(crate) fn new(dbn: &'a Dbn, clamp: Clamp, streams: &Streams) -> Result<Self> {
        let mut walk = DbnWalk::new(dbn, clamp.values.samples(), None, streams);
        walk.advance(SETTLED)?;
        let (mut v, values) = (walk.visible, dbn.states_of_rows(&clamp.values)?);
        v.replace_where(&clamp.mask, &values);
        Ok(Self {
            dbn,
            chains: dbn.posterior_chains(v, streams)?,
            clamp: Clamp { mask: clamp.mask, values },
            streams: streams.clone(),
        })
    }
}

/// Sweeps before samples stand in for units that are not given.
const SETTLED: usize = 100;

impl Watched for DbnPosteriorWalk<'_> {
    fn quantity(&self) -> &'static str {
        "log p of all layers"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        self.dbn.gibbs(&mut self.chains, Some(&self.clamp), sweeps, &self.streams).flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.dbn.log_joint(&self.chains.layers, 0.0)
    }

    fn alike(&self) -> bool {
        false
    }
}

impl Chain for DbnPosteriorWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.dbn.rows_of_states(&self.chains.layers[0].to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.dbn.visible_means_from_h(&self.chains.layers[1]).to_matrix();
        self.dbn.rows_of_states(&with_given(means, &self.clamp.mask, &self.clamp.values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{BitMatrix, Stack, Vector};

    #[test]
    fn table_states_of_a_belief_network_are_those_after_the_sweeps() {
        // The machine has its lower units all on or all off, and each visible unit copies one of them.
        let weights = vec![Matrix::from_diagonal_element(4, 4, 40.0), Matrix::from_element(4, 4, 6.0)];
        let biases = [-20.0, -12.0, -12.0].map(|bias| Vector::from_element(4, bias));
        let dbn = Dbn::new(Stack::new(weights, biases.into()).unwrap(), None).unwrap();
        let mut walk = DbnWalk::new(&dbn, 100, None, &Streams::new(1));
        let low = |walk: &DbnWalk<'_>| walk.visible.bits().ones_per_sample().iter().filter(|&&on| on == 0).count();
        assert_eq!(low(&walk), 100, "chains begin at the biases alone");
        *walk.chains.v_mut() = BitMatrix::from_fn(4, 100, |_, _| true).into();
        *walk.chains.h_mut() = BitMatrix::from_fn(4, 100, |_, _| true);
        walk.run(3);
        let all = walk.visible.bits().ones_per_sample().iter().filter(|&&on| on == 4).count();
        assert!(all > 90, "{all} of 100 chains show what they hold");
        assert_eq!(walk.means().map(f32::round), walk.states());
    }
}
