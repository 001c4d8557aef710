//! Chains of a deep Boltzmann machine in training: at one temperature, or at several.

use gm_core::{Batch, Streams, check_len};
use gm_dbm::{Chains, Dbm, ModelPhase, Replicas, Sampler};

use crate::error::Result;
use crate::learner::{BitsState, ChainsState, Figures, restore_visible, visible_state};

/// Chains that go on from update to update.
#[derive(Clone, Debug)]
pub(crate) enum DbmChains {
    /// At the model's own temperature.
    Persistent(Chains),
    /// At several temperatures that exchange their states.
    Tempered(Replicas),
}

/// So many inverse temperatures from 1 down by equal steps, the last one a step above 0.
fn ladder(temperatures: usize) -> Vec<f32> {
    (0..temperatures).map(|place| 1.0 - place as f32 / temperatures as f32).collect()
}

impl DbmChains {
    /// New chains, so many at each of the temperatures.
    pub(crate) fn new(dbm: &Dbm, chains: usize, temperatures: usize, streams: &Streams) -> Result<Self> {
        Ok(match temperatures {
            1 => Self::Persistent(dbm.chains(chains, streams)),
            _ => Self::Tempered(dbm.replicas(chains, &ladder(temperatures), streams)?),
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
    pub(crate) fn state(&self) -> (ChainsState, Vec<Vec<f64>>) {
        let chains = self.all();
        let (v, reals) = visible_state(&chains.layers[0]);
        let hidden = chains.layers[1..].iter().map(|layer| BitsState::from(layer.bits()));
        let layers = std::iter::once(v).chain(hidden).collect();
        let places = match self {
            Self::Persistent(_) => vec![],
            Self::Tempered(replicas) => vec![replicas.places().iter().map(|&place| place as f64).collect()],
        };
        (ChainsState { sweeps: chains.sweeps, layers, reals }, places)
    }

    /// What was saved of chains of so many temperatures, for a machine of this shape.
    pub(crate) fn restored(state: ChainsState, numbers: Vec<Vec<f64>>, dbm: &Dbm, temperatures: usize) -> Result<Self> {
        const OP: &str = "DbmLearner::restore";
        let units = dbm.layers();
        check_len(OP, "chains", "layers", state.layers.len(), units.len())?;
        let mut saved = state.layers.into_iter();
        let v = restore_visible(saved.next().unwrap_or_default(), state.reals, units[0])?;
        dbm.check_data(OP, &v)?;
        let hidden = saved.zip(&units[1..]).map(|(layer, &units)| Ok(layer.into_bits(units)?.into()));
        let layers = std::iter::once(Ok(v)).chain(hidden).collect::<Result<Vec<Batch>>>()?;
        let chains = Chains { layers, sweeps: state.sweeps };
        for layer in &chains.layers {
            check_len(OP, "chains", "samples", layer.samples(), chains.count())?;
        }
        if temperatures == 1 {
            return Ok(Self::Persistent(chains));
        }
        check_len(OP, "numbers", "lists", numbers.len(), 1)?;
        let places = numbers.into_iter().flatten().map(|place| place as usize).collect();
        Ok(Self::Tempered(Replicas::from_parts(chains, ladder(temperatures), places)?))
    }
}
