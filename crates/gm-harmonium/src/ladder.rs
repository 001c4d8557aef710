//! Parallel tempering along the path from independent visible units to the model.

use gm_core::layer::Layer;
use gm_core::{Batch, Error, Purpose, Result, Streams, TemperingInfo, check_temperatures};
use rand::RngExt;

use crate::gibbs::{Chains, Sampler, share_of_changes};
use crate::model::Harmonium;

/// Chains at several inverse temperatures that exchange their states.
///
/// At beta the visible layer has parameters between those of a base and its own, and the weights are beta W. At beta = 0
/// visible units are independent, so that every chain forgets where it was.
///
/// # Source
///
/// `desjardins2010tempered`.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, VisibleUnits, even_temperatures};
/// use gm_harmonium::{Harmonium, Ladder};
///
/// let model = Harmonium::from_stack(&Stack::zeros(&[4, 3])?, &VisibleUnits::Bernoulli)?;
/// let streams = Streams::new(1);
/// let mut ladder = Ladder::new(&model, model.visible(), 10, &even_temperatures(3)?, &streams)?;
/// let info = ladder.run(20, &streams);
/// assert_eq!(info.acceptance, [1.0, 1.0]); // without weights all temperatures are alike
/// assert_eq!(ladder.coldest().v.samples(), 10);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ladder {
    sampler: Sampler,
    base: Layer,
    temperatures: Vec<f32>,
    /// Visible states at each temperature.
    rungs: Vec<Batch>,
    sweeps: u64,
}

impl Ladder {
    /// So many chains at each temperature, from visible units without inputs.
    ///
    /// # Randomness
    ///
    /// As [`Layer::sample`] from family t of [`Purpose::Start`] for temperature t.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for temperatures that do not fall from 1, and for a base of other kinds than the visible layer.
    pub fn new(model: &Harmonium, base: &Layer, count: usize, temperatures: &[f32], streams: &Streams) -> Result<Self> {
        const OP: &str = "Ladder::new";
        check_temperatures(OP, temperatures)?;
        if base.name() != model.visible().name() || base.units() != model.visible().units() {
            let allowed = "a layer of the kinds and units of the visible layer";
            return Err(Error::Param { op: OP, arg: "base", value: base.name(), allowed });
        }
        let none = gm_core::Matrix::zeros(base.units(), count);
        let rung = |t: usize| {
            let layer = model.visible().between(base, f64::from(temperatures[t]));
            layer.sample(&none, &streams.fork(Purpose::Start, t as u64))
        };
        Ok(Self {
            rungs: (0..temperatures.len()).map(rung).collect(),
            sampler: model.sampler(),
            base: base.clone(),
            temperatures: temperatures.to_vec(),
            sweeps: 0,
        })
    }

    /// The inverse temperatures, which fall from 1.
    #[must_use]
    pub fn temperatures(&self) -> &[f32] {
        &self.temperatures
    }

    /// Makes sweeps, each followed by an offer to swap the states of neighbouring temperatures.
    ///
    /// # Randomness
    ///
    /// Sweep s at temperature t takes families 1 (hidden) and 0 (visible) of [`Purpose::Layer`] below family t of
    /// [`Purpose::Chains`] below family s of [`Purpose::Chains`]; the swaps after it take stream t of family s of
    /// [`Purpose::Swap`].
    pub fn run(&mut self, sweeps: usize, streams: &Streams) -> TemperingInfo {
        let pairs = self.temperatures.len() - 1;
        let (mut offered, mut made, mut flips) = (vec![0_u64; pairs], vec![0_u64; pairs], 0.0);
        for _ in 0..sweeps {
            let family = streams.fork(Purpose::Chains, self.sweeps);
            for t in 0..=pairs {
                flips += self.sweep(t, &family.fork(Purpose::Chains, t as u64));
            }
            // Even pairs after even sweeps, odd pairs after odd ones.
            for t in ((self.sweeps % 2) as usize..pairs).step_by(2) {
                made[t] += self.swap(t, &streams.fork(Purpose::Swap, self.sweeps));
                offered[t] += self.rungs[t].samples() as u64;
            }
            self.sweeps += 1;
        }
        let share = |(made, offered): (&u64, &u64)| if *offered == 0 { 0.0 } else { *made as f64 / *offered as f64 };
        let acceptance = made.iter().zip(&offered).map(share).collect();
        TemperingInfo { sweeps, flips: flips / (sweeps.max(1) * (pairs + 1)) as f64, acceptance }
    }

    /// h given v, then v given h, at a temperature; the share of visible units that changed.
    fn sweep(&mut self, t: usize, streams: &Streams) -> f64 {
        let (model, beta) = (self.sampler.model(), self.temperatures[t]);
        let inputs = self.sampler.inputs_h(self.rungs[t].view()) * beta;
        let h = model.hidden().sample(&inputs, &streams.fork(Purpose::Layer, 1));
        let inputs = self.sampler.inputs_v(h.view()) * beta;
        let layer = model.visible().between(&self.base, f64::from(beta));
        let before = std::mem::replace(&mut self.rungs[t], layer.sample(&inputs, &streams.fork(Purpose::Layer, 0)));
        share_of_changes(&before, &self.rungs[t])
    }

    /// Swaps states of temperatures t and t + 1; the number of chains that did.
    fn swap(&mut self, t: usize, streams: &Streams) -> u64 {
        let (cold, hot) = (self.rungs[t].to_matrix(), self.rungs[t + 1].to_matrix());
        let [at_cold, at_hot] = [t, t + 1].map(|at| {
            let of = |states: &Batch| self.log_weights(states, self.temperatures[at]);
            [of(&self.rungs[t]), of(&self.rungs[t + 1])]
        });
        let (mut cold_next, mut hot_next, mut made) = (cold.clone(), hot.clone(), 0);
        let mut stream = streams.stream(t as u64);
        for chain in 0..cold.ncols() {
            let gain = at_cold[1][chain] + at_hot[0][chain] - at_cold[0][chain] - at_hot[1][chain];
            if stream.random::<f64>().ln() < gain {
                cold_next.set_column(chain, &hot.column(chain));
                hot_next.set_column(chain, &cold.column(chain));
                made += 1;
            }
        }
        let layer = self.sampler.model().visible();
        (self.rungs[t], self.rungs[t + 1]) = (layer.batch(cold_next), layer.batch(hot_next));
        made
    }

    /// The logarithm of the unnormalised probability of visible states at an inverse temperature, `[chains]`.
    fn log_weights(&self, states: &Batch, beta: f32) -> Vec<f64> {
        let model = self.sampler.model();
        let hidden = model.hidden().cumulants(&(self.sampler.inputs_h(states.view()) * beta));
        let visible = model.visible().between(&self.base, f64::from(beta)).log_weights(states.view());
        hidden.iter().zip(visible).map(|(hidden, visible)| hidden + visible).collect()
    }

    /// The chains at the model's own temperature, with hidden states given the visible ones.
    ///
    /// # Randomness
    ///
    /// As [`Layer::sample`] from family 2^64 - 1 of [`Purpose::Layer`] below a root of seed 0 and the number of sweeps.
    #[must_use]
    pub fn coldest(&self) -> Chains {
        let v = self.rungs[0].clone();
        let family = Streams::new(self.sweeps).fork(Purpose::Layer, u64::MAX);
        let h = self.sampler.model().hidden().sample(&self.sampler.inputs_h(v.view()), &family);
        Chains { v, h, sweeps: self.sweeps }
    }
}
