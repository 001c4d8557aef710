//! Chains of a deep Boltzmann machine in training: at one temperature, or at several.

use gm_ascent::{Figures, LearnerState, take};
use gm_core::{Streams, even_temperatures};
use gm_dbm::{Chains, Dbm, ModelPhase, Replicas, Sampler};

use crate::error::Result;
use crate::learner::CHAINS;

/// The name of the places of chains in a checkpoint.
const PLACES: &str = "chains.places";

/// Chains that go on from update to update.
#[derive(Clone, Debug)]
pub(crate) enum DbmChains {
    /// At the model's own temperature.
    Persistent(Chains),
    /// At several temperatures that exchange their states.
    Tempered(Replicas),
}

/// `count` inverse temperatures that fall from 1 by equal steps. The last one is a step above 0.
fn ladder(count: usize) -> Result<Vec<f32>> {
    let mut temperatures = even_temperatures(count + 1)?;
    temperatures.truncate(count);
    Ok(temperatures)
}

impl DbmChains {
    /// New chains, so many at each of the temperatures.
    pub(crate) fn new(dbm: &Dbm, chains: usize, temperatures: usize, streams: &Streams) -> Result<Self> {
        Ok(match temperatures {
            1 => Self::Persistent(dbm.chains(chains, streams)),
            _ => Self::Tempered(dbm.replicas(chains, &ladder(temperatures)?, streams)?),
        })
    }

    /// All chains, those of every temperature.
    pub(crate) fn all(&self) -> &Chains {
        match self {
            Self::Persistent(chains) => chains,
            Self::Tempered(replicas) => replicas.chains(),
        }
    }

    /// Makes sweeps without looking at them.
    pub(crate) fn run(&mut self, sampler: &Sampler, sweeps: usize, streams: &Streams) {
        match self {
            Self::Persistent(chains) => drop(sampler.run(chains, sweeps, streams)),
            Self::Tempered(replicas) => drop(sampler.run_tempering(replicas, sweeps, streams)),
        }
    }

    /// Makes sweeps and gives the statistics of the model, with figures.
    pub(crate) fn advance(&mut self, sampler: &Sampler, sweeps: usize, streams: &Streams) -> (Figures, ModelPhase) {
        match self {
            Self::Persistent(chains) => {
                let (info, model) = sampler.run_into_phase(chains, sweeps, streams);
                (Figures::new([("chain_flips", info.flips)]), model)
            }
            Self::Tempered(replicas) => {
                let info = sampler.run_tempering(replicas, sweeps, streams);
                // With one sweep every second pair is offered a swap.
                let last = (replicas.chains().sweeps % 2) as usize;
                let offered = |place: &usize| sweeps > 1 || place % 2 == last;
                let shares: Vec<f64> =
                    (0..info.acceptance.len()).filter(offered).map(|place| info.acceptance[place]).collect();
                let swaps = (!shares.is_empty()).then(|| {
                    let lowest = shares.iter().copied().fold(1.0, f64::min);
                    [
                        ("swap_acceptance", shares.iter().sum::<f64>() / shares.len() as f64),
                        ("lowest_swap_acceptance", lowest),
                    ]
                });
                let figures = std::iter::once(("chain_flips", info.flips)).chain(swaps.into_iter().flatten());
                (Figures::new(figures), ModelPhase::new(sampler, &replicas.coldest()))
            }
        }
    }

    /// The same chains for a machine with further layers, whose states are those of new chains.
    pub(crate) fn extended(self, dbm: &Dbm, streams: &Streams) -> Result<Self> {
        let deeper = |chains: &Chains| {
            let fresh = dbm.chains(chains.count(), streams).layers.into_iter().skip(chains.layers.len());
            Chains { layers: chains.layers.iter().cloned().chain(fresh).collect(), sweeps: chains.sweeps }
        };
        Ok(match self {
            Self::Persistent(chains) => Self::Persistent(deeper(&chains)),
            Self::Tempered(replicas) => {
                let (temperatures, places) = (replicas.temperatures().to_vec(), replicas.places().to_vec());
                Self::Tempered(Replicas::from_parts(deeper(replicas.chains()), temperatures, places)?)
            }
        })
    }

    /// States and, of several temperatures, the place of each chain, to be saved.
    pub(crate) fn state(&self) -> LearnerState {
        let mut state = LearnerState::default();
        state.chains.insert(CHAINS.into(), self.all().into());
        if let Self::Tempered(replicas) = self {
            let places = replicas.places().iter().map(|&place| place as u64).collect();
            state.counts.insert(PLACES.into(), places);
        }
        state
    }

    /// Takes what was saved of chains at this number of temperatures.
    pub(crate) fn take(state: &mut LearnerState, dbm: &Dbm, temperatures: usize) -> Result<Self> {
        const OP: &str = "DbmLearner::restore";
        let chains = state.take_chains(OP, CHAINS, &dbm.layers())?;
        dbm.check_data(OP, chains.v())?;
        if temperatures == 1 {
            return Ok(Self::Persistent(chains));
        }
        let places = take(&mut state.counts, PLACES)?;
        let places = places.into_iter().map(|place| usize::try_from(place).unwrap_or(usize::MAX)).collect();
        Ok(Self::Tempered(Replicas::from_parts(chains, ladder(temperatures)?, places)?))
    }
}
