//! Chains of a machine in training that go on from update to update: at one temperature, or at several.

use gm_ascent::{ChainsState, Figures, LearnerState, take};
use gm_core::{BatchRef, Streams, even_temperatures};
use gm_rbm::{Chains, Phase, Rbm, Replicas, Sampler, Trajectory};

use crate::error::Result;
use crate::learner::CHAINS;
use crate::rbm::settings::{Algorithm, RbmSettings};

/// Updates after which temperatures move, and how far.
///
/// Every pair of neighbours is offered 25 swaps a chain in between, enough to tell a rare swap from a frequent one.
const ADAPT_EVERY: u64 = 50;
const ADAPT_RATE: f64 = 0.2;

/// The names of the numbers of chains in a checkpoint.
const BETAS: &str = "chains.betas";
const BASE: &str = "chains.base";
const SWAPS: &str = "chains.swaps";
const TRAJECTORY: &str = "trajectory";

/// The lists of [`Trajectory::numbers`].
const TRAJECTORY_NUMBERS: [&str; 3] =
    ["trajectory.log_weights_of_v", "trajectory.log_weights", "trajectory.log_partition"];

/// Chains that go on.
#[derive(Clone, Debug)]
pub(crate) enum ModelChains {
    /// At the model's own temperature.
    Persistent(Chains),
    /// At several temperatures.
    Tempered(Replicas),
}

impl ModelChains {
    /// So many chains of an algorithm that has some; `means` are those of the data, `[visible]`.
    pub(crate) fn new(
        rbm: &Rbm,
        means: &[f32],
        settings: &RbmSettings,
        chains: usize,
        streams: &Streams,
    ) -> Result<Option<Self>> {
        Ok(match settings.algorithm {
            Algorithm::Cd | Algorithm::Exact => None,
            Algorithm::Pcd => Some(Self::Persistent(rbm.chains(chains, streams))),
            Algorithm::Pt => {
                let base = rbm.units().bias_of_means(means);
                let temperatures = even_temperatures(settings.temperatures)?;
                let replicas = rbm.replicas(chains, &temperatures, Some(&base), streams)?;
                Some(Self::Tempered(replicas))
            }
        })
    }

    /// Makes sweeps without looking at them.
    pub(crate) fn run(&mut self, sampler: &Sampler, sweeps: usize, streams: &Streams) {
        match self {
            Self::Persistent(chains) => drop(sampler.run(chains, sweeps, streams)),
            Self::Tempered(replicas) => drop(sampler.run_tempering(replicas, sweeps, streams)),
        }
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
                let (temperatures, base) = (replicas.temperatures().to_vec(), replicas.base().to_vec());
                let copies: Vec<usize> = (0..temperatures.len() * v.samples()).map(|i| i % v.samples()).collect();
                *replicas = Replicas::from_parts(rbm.chains_from(v.select(&copies), streams)?, temperatures, base)?;
            }
        }
        Ok(())
    }

    /// States and numbers, to be saved.
    pub(crate) fn state(&self) -> LearnerState {
        let mut state = LearnerState::default();
        let chains = match self {
            Self::Persistent(chains) => chains,
            Self::Tempered(replicas) => {
                state.tensors.insert(BETAS.into(), replicas.temperatures().to_vec());
                state.tensors.insert(BASE.into(), replicas.base().to_vec());
                state.numbers.insert(SWAPS.into(), replicas.swaps());
                replicas.chains()
            }
        };
        state.chains.insert(CHAINS.into(), chains.into());
        state
    }

    /// Takes over what was saved of chains of the same algorithm.
    pub(crate) fn restore(&mut self, state: &mut LearnerState, rbm: &Rbm) -> Result<()> {
        const OP: &str = "RbmLearner::restore";
        let chains = state.take_chains(OP, CHAINS, &[rbm.visible(), rbm.hidden()])?;
        rbm.check_data(OP, chains.v())?;
        match self {
            Self::Persistent(persistent) => *persistent = chains,
            Self::Tempered(replicas) => {
                let (betas, base) = (take(&mut state.tensors, BETAS)?, take(&mut state.tensors, BASE)?);
                *replicas = Replicas::from_parts(chains, betas, base)?.with_swaps(&state.take_numbers(SWAPS)?)?;
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

/// Adds the chains that follow a model to what is saved.
pub(crate) fn put_trajectory(trajectory: &Trajectory, state: &mut LearnerState) {
    let chains = ChainsState { sweeps: 0, layers: vec![trajectory.states().into()] };
    state.chains.insert(TRAJECTORY.into(), chains);
    state.numbers.extend(TRAJECTORY_NUMBERS.map(String::from).into_iter().zip(trajectory.numbers()));
}

/// Takes the saved chains that follow a model, where there are any.
pub(crate) fn take_trajectory(state: &mut LearnerState, rbm: &Rbm) -> Result<Option<Trajectory>> {
    const OP: &str = "RbmLearner::restore";
    if !state.chains.contains_key(TRAJECTORY) {
        return Ok(None);
    }
    let v = state.take_chains(OP, TRAJECTORY, &[rbm.visible()])?.layers.swap_remove(0);
    rbm.check_data(OP, &v)?;
    let numbers = TRAJECTORY_NUMBERS.iter().map(|name| state.take_numbers(name)).collect::<gm_core::Result<_>>()?;
    Ok(Some(Trajectory::from_parts(v, numbers)?))
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
