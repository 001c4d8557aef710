//! Chains of a machine in training that go on from update to update: at one temperature, or at several.

use gm_core::{BatchRef, Streams, check_len};
use gm_rbm::{Chains, Phase, Rbm, Replicas, Sampler, Trajectory};

use crate::error::Result;
use crate::learner::{ChainsState, Figures, chains_state, restore_chains, restore_visible, visible_state, widened};
use crate::rbm::settings::{Algorithm, RbmSettings};

/// Updates after which temperatures move, and how far.
///
/// Every pair of neighbours is offered 25 swaps a chain in between, enough to tell a rare swap from a frequent one.
const ADAPT_EVERY: u64 = 50;
const ADAPT_RATE: f64 = 0.2;

/// Chains that go on.
#[derive(Clone, Debug)]
pub(crate) enum ModelChains {
    /// At the model's own temperature.
    Persistent(Chains),
    /// At several temperatures.
    Tempered(Replicas),
}

impl ModelChains {
    /// The chains of an algorithm that has some; `means` are those of the data, `[visible]`.
    pub(crate) fn new(rbm: &Rbm, means: &[f32], settings: &RbmSettings, streams: &Streams) -> Result<Option<Self>> {
        Ok(match settings.algorithm {
            Algorithm::Cd | Algorithm::Exact => None,
            Algorithm::Pcd => Some(Self::Persistent(rbm.chains(settings.chains, streams))),
            Algorithm::Pt => {
                let base = rbm.units().bias_of_means(means);
                let replicas = rbm.replicas(settings.chains, settings.temperatures, Some(&base), streams)?;
                Some(Self::Tempered(replicas))
            }
        })
    }

    /// Makes k sweeps at update number `step` and leaves the statistics of the model in `model`.
    pub(crate) fn advance(
        &mut self,
        sampler: &Sampler,
        k: usize,
        step: u64,
        streams: &Streams,
        model: &mut Phase,
    ) -> Figures {
        match self {
            Self::Persistent(chains) => {
                let info = sampler.run_into_phase(chains, k, streams, model);
                Figures::new([("chain_flips", info.flips)])
            }
            Self::Tempered(replicas) => {
                if step > 0 && step.is_multiple_of(ADAPT_EVERY) {
                    replicas.adapt(ADAPT_RATE);
                }
                let info = sampler.run_tempering(replicas, k, streams);
                model.refill(sampler, BatchRef::from(replicas.coldest().v()));
                let (mean, lowest) = acceptance(&replicas.swaps());
                Figures::new([
                    ("chain_flips", info.flips),
                    ("swap_acceptance", mean),
                    ("lowest_swap_acceptance", lowest),
                ])
            }
        }
    }

    /// The chains at the model's own temperature.
    pub(crate) fn coldest(&self) -> Chains {
        match self {
            Self::Persistent(chains) => chains.clone(),
            Self::Tempered(replicas) => replicas.coldest(),
        }
    }

    /// Begins again from given visible states, the same at every temperature.
    pub(crate) fn start_at<'v>(&mut self, rbm: &Rbm, v: impl Into<BatchRef<'v>>, streams: &Streams) -> Result<()> {
        let v = v.into().to_batch();
        match self {
            Self::Persistent(chains) => *chains = rbm.chains_from(v, streams)?,
            Self::Tempered(replicas) => {
                let (betas, base) = (replicas.betas().to_vec(), replicas.base().to_vec());
                let copies: Vec<usize> = (0..betas.len() * v.samples()).map(|i| i % v.samples()).collect();
                *replicas = Replicas::from_parts(rbm.chains_from(v.select(&copies), streams)?, betas, base)?;
            }
        }
        Ok(())
    }

    /// States and numbers, to be saved.
    pub(crate) fn state(&self) -> (ChainsState, Vec<Vec<f64>>) {
        match self {
            Self::Persistent(chains) => (chains_state(chains), vec![]),
            Self::Tempered(replicas) => {
                let numbers = vec![widened(replicas.betas()), widened(replicas.base()), replicas.swaps()];
                (chains_state(replicas.chains()), numbers)
            }
        }
    }

    /// Takes over what was saved of chains of the same algorithm; numbers that are left belong to others.
    pub(crate) fn restore(
        &mut self,
        state: ChainsState,
        units: [usize; 2],
        numbers: &mut impl Iterator<Item = Vec<f64>>,
    ) -> Result<()> {
        let chains = restore_chains(state, units)?;
        match self {
            Self::Persistent(persistent) => *persistent = chains,
            Self::Tempered(replicas) => {
                let mut next = || numbers.next().unwrap_or_default();
                let (betas, base, swaps) = (narrowed(&next()), narrowed(&next()), next());
                *replicas = Replicas::from_parts(chains, betas, base)?.with_swaps(&swaps)?;
            }
        }
        Ok(())
    }
}

/// Mean and lowest share of swaps that were made, over the pairs of temperatures that were offered some.
fn acceptance(swaps: &[f64]) -> (f64, f64) {
    let shares: Vec<f64> = swaps.chunks(2).filter(|pair| pair[0] > 0.0).map(|pair| pair[1] / pair[0]).collect();
    let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    (mean, shares.into_iter().fold(1.0, f64::min))
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

/// The states of chains that follow a model, to be saved; their numbers are saved beside them.
pub(crate) fn trajectory_state(trajectory: &Trajectory) -> ChainsState {
    let (v, reals) = visible_state(trajectory.states());
    ChainsState { sweeps: 0, layers: vec![v], reals }
}

/// Saved chains that follow a model of so many visible units.
pub(crate) fn restore_trajectory(
    state: ChainsState,
    visible: usize,
    numbers: &mut impl Iterator<Item = Vec<f64>>,
) -> Result<Trajectory> {
    check_len("RbmLearner::restore", "trajectory", "layers", state.layers.len(), 1)?;
    let v = restore_visible(state.layers.into_iter().next().unwrap_or_default(), state.reals, visible)?;
    Ok(Trajectory::from_parts(v, numbers.take(3).collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_acceptance_leaves_out_pairs_that_were_not_offered_a_swap() {
        assert_eq!(acceptance(&[10.0, 5.0, 0.0, 0.0, 4.0, 1.0]), (0.375, 0.25));
        assert_eq!(acceptance(&[0.0, 0.0]), (0.0, 1.0));
    }
}
