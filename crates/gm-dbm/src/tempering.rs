//! Parallel tempering: chains that exchange their temperatures.

use std::ops::Range;

use gm_core::{
    Batch, Beta, Chains, Clamp, Error, Progress, Purpose, Result, Streams, TemperingInfo, Watch, check_len,
    check_temperatures,
};
use rand::RngExt;

use crate::conditional::Conditional;
use crate::gibbs::Sampler;
use crate::importance::check_sizes;
use crate::model::Dbm;

/// Groups of replicas: each group holds one chain at each of several inverse temperatures.
///
/// A swap exchanges the temperatures of two replicas of a group, and the states stay in place. The replicas of an RBM
/// (gm-rbm) exchange their states instead. The two hold different parts for this reason: those of a DBM hold the place
/// of each chain among the temperatures. The visible biases of the base at temperature 0 are 0.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_dbm::Dbm;
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[6, 4, 3])?)?;
/// let streams = Streams::new(1);
/// let mut replicas = dbm.replicas(20, &[1.0, 0.5, 0.0], &streams)?;
/// let info = dbm.sampler().run_tempering(&mut replicas, 10, &streams);
/// assert_eq!((replicas.coldest().count(), info.acceptance.len()), (20, 2));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Replicas {
    /// The chains of group g are samples g, g + count, g + 2 count, and so on.
    chains: Chains,
    count: usize,
    temperatures: Vec<f32>,
    /// The index in `temperatures` of each sample.
    places: Vec<usize>,
}

impl Dbm {
    /// New chains for parallel tempering: `count` groups, each with one chain at each inverse temperature.
    ///
    /// `temperatures` fall from 1; [`gm_core::even_temperatures`] gives some.
    ///
    /// # Randomness
    ///
    /// As [`chains`](Self::chains).
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a count of 0 and for temperatures that do not fall from 1 to no less than 0.
    pub fn replicas(&self, count: usize, temperatures: &[f32], streams: &Streams) -> Result<Replicas> {
        const OP: &str = "Dbm::replicas";
        if count == 0 {
            return Err(Error::Param { op: OP, arg: "chains", value: "0".into(), allowed: "1 or more" });
        }
        check_temperatures(OP, temperatures)?;
        Ok(Replicas {
            chains: self.chains(count * temperatures.len(), streams),
            count,
            temperatures: temperatures.to_vec(),
            places: (0..temperatures.len()).flat_map(|place| std::iter::repeat_n(place, count)).collect(),
        })
    }
}

impl Dbm {
    /// E + log base of each state, by which the logarithm of the unnormalised probability falls as beta grows. The base
    /// has visible biases 0.
    fn costs(&self, states: &[Batch]) -> Vec<f64> {
        let mut costs = self.energy(states);
        if self.units().gaussian().is_some() {
            let base = self.units().log_weights(states[0].view(), &vec![0.0; self.visible()]);
            costs.iter_mut().zip(base).for_each(|(cost, base)| *cost += base);
        }
        costs
    }
}

impl Replicas {
    /// Replicas from what [`chains`](Self::chains), [`temperatures`](Self::temperatures) and [`places`](Self::places)
    /// gave.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for temperatures that [`Dbm::replicas`] refuses and for groups that do not hold every place
    /// once, [`Error::Shape`] unless there is a place for each chain.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    /// use gm_dbm::{Dbm, Replicas};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[6, 4, 3])?)?;
    /// let replicas = dbm.replicas(2, &[1.0, 0.5], &Streams::new(1))?;
    /// assert_eq!(replicas.places(), [0, 0, 1, 1]);
    /// let again = Replicas::from_parts(replicas.chains().clone(), vec![1.0, 0.5], vec![0, 0, 1, 1])?;
    /// assert_eq!(again, replicas);
    /// assert!(Replicas::from_parts(replicas.chains().clone(), vec![1.0, 0.5], vec![0, 1, 0, 1]).is_err());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn from_parts(chains: Chains, temperatures: Vec<f32>, places: Vec<usize>) -> Result<Self> {
        const OP: &str = "Replicas::from_parts";
        check_temperatures(OP, &temperatures)?;
        check_len(OP, "places", "length", places.len(), chains.count())?;
        let count = places.len() / temperatures.len();
        let whole = count > 0 && count * temperatures.len() == places.len();
        let once = |group: usize| {
            let mut held: Vec<usize> = places[group..].iter().step_by(count).copied().collect();
            held.sort_unstable();
            held.into_iter().eq(0..temperatures.len())
        };
        if !whole || !(0..count).all(once) {
            let (value, allowed) = (format!("{} places", places.len()), "every place once in each group");
            return Err(Error::Param { op: OP, arg: "places", value, allowed });
        }
        Ok(Self { chains, count, temperatures, places })
    }

    /// All chains. Those of group g are samples g, g + count, g + 2 count, and so on.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// The number of groups, which is the number of chains at each temperature.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The inverse temperatures, falling from 1.
    #[must_use]
    pub fn temperatures(&self) -> &[f32] {
        &self.temperatures
    }

    /// The index in [`temperatures`](Self::temperatures) of each chain.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// The chains at the model's own temperature, one of each group.
    #[must_use]
    pub fn coldest(&self) -> Chains {
        let coldest: Vec<usize> = (0..self.count).map(|group| self.sample_at(group, 0)).collect();
        self.chains.select(&coldest)
    }

    /// The sample of a group that is at place `place`.
    fn sample_at(&self, group: usize, place: usize) -> usize {
        let samples = (group..self.places.len()).step_by(self.count);
        let mut found = samples.filter(|&sample| self.places[sample] == place);
        found.next().expect("each group holds every temperature once")
    }

    fn betas(&self) -> Vec<f32> {
        self.places.iter().map(|&place| self.temperatures[place]).collect()
    }

    /// Proposes swaps between neighbouring temperatures: from even places after even sweeps, from odd places after odd
    /// sweeps.
    fn swap(&mut self, dbm: &Dbm, streams: &Streams, counts: &mut [[u64; 2]]) {
        let costs = dbm.costs(&self.chains.layers);
        let mut stream = streams.fork(Purpose::Swap, self.chains.sweeps).stream(0);
        let first = (self.chains.sweeps % 2) as usize;
        for (place, [proposed, accepted]) in counts.iter_mut().enumerate().skip(first).step_by(2) {
            let step = f64::from(self.temperatures[place]) - f64::from(self.temperatures[place + 1]);
            for group in 0..self.count {
                let (cold, hot) = (self.sample_at(group, place), self.sample_at(group, place + 1));
                *proposed += 1;
                if stream.random::<f64>() < (step * (costs[cold] - costs[hot])).exp() {
                    self.places.swap(cold, hot);
                    *accepted += 1;
                }
            }
        }
    }
}

impl Sampler {
    /// Makes sweeps at all temperatures, each followed by swaps between neighbouring temperatures within a group.
    ///
    /// A swap is accepted with probability min(1, exp((beta_i - beta_j) (E_i - E_j))). This leaves the product of the
    /// distributions p(x)^beta invariant. Gaussian units keep their variance at every temperature, so that
    /// E - sum_i v_i^2 / (2 s_i^2) takes the place of E.
    ///
    /// # Randomness
    ///
    /// Sweeps as [`run`](Self::run). Swaps after sweep t use family t of [`Purpose::Swap`].
    ///
    /// # Panics
    ///
    /// When the replicas belong to other layer sizes.
    ///
    /// # Source
    ///
    /// `desjardins2010tempered`.
    pub fn run_tempering(&self, replicas: &mut Replicas, sweeps: usize, streams: &Streams) -> TemperingInfo {
        self.run_replicas(replicas, None, sweeps, streams)
    }

    /// [`run_tempering`](Self::run_tempering) in which the clamped visible units keep their values.
    ///
    /// # Shapes
    ///
    /// The mask and the values of the clamp are `[visible, replicas]`, with samples as in [`Replicas::chains`]. All
    /// replicas of a group must have the same mask and the same values.
    ///
    /// # Randomness
    ///
    /// As [`run_tempering`](Self::run_tempering).
    ///
    /// # Panics
    ///
    /// When the replicas or the clamp belong to other layer sizes or other kinds of states.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Clamp, Stack, Streams};
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[6, 4, 3])?)?;
    /// let streams = Streams::new(1);
    /// let mut replicas = dbm.replicas(20, &[1.0, 0.5], &streams)?;
    /// // The first unit is on in both replicas of each group.
    /// let mask = BitMatrix::from_fn(6, 40, |unit, _| unit == 0);
    /// let clamp = Clamp { values: mask.clone().into(), mask };
    /// dbm.sampler().run_tempering_clamped(&mut replicas, &clamp, 10, &streams);
    /// assert_eq!(replicas.coldest().v().bits().transposed().ones_per_sample()[0], 20);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn run_tempering_clamped(
        &self,
        replicas: &mut Replicas,
        clamp: &Clamp,
        sweeps: usize,
        streams: &Streams,
    ) -> TemperingInfo {
        self.run_replicas(replicas, Some(clamp), sweeps, streams)
    }

    fn run_replicas(
        &self,
        replicas: &mut Replicas,
        clamp: Option<&Clamp>,
        sweeps: usize,
        streams: &Streams,
    ) -> TemperingInfo {
        let mut counts = vec![[0; 2]; replicas.temperatures.len() - 1];
        let mut flips = 0.0;
        for _ in 0..sweeps {
            let betas = replicas.betas();
            let tempered = |l: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams| {
                layer.tempered(Beta::Each(&betas), None).sample_into(out, streams);
                if let (0, Some(clamp)) = (l, clamp) {
                    out.replace_where(&clamp.mask, &clamp.values);
                }
            };
            flips += self.sweep_with(&mut replicas.chains, 1, streams, &tempered).flips;
            replicas.swap(self.model(), streams, &mut counts);
        }
        let share = |&[proposed, accepted]: &[u64; 2]| accepted as f64 / proposed.max(1) as f64;
        TemperingInfo { sweeps, flips: flips / sweeps.max(1) as f64, acceptance: counts.iter().map(share).collect() }
    }
}

/// The number of sweeps between two looks at `watch` in [`Dbm::tempered_samples`].
const SLICE: usize = 20;

impl Dbm {
    /// States of the model by parallel tempering, one from each of `count` groups of chains, and the record of the
    /// second half of the sweeps.
    ///
    /// With Bernoulli visible units the chains are those of the [`flattened`](Self::flattened) model, whose temperatures
    /// adapt during the first half of the sweeps. `base` holds the biases of the independent units at inverse
    /// temperature 0, one vector for each layer; [`base_rates`](Self::base_rates) of training data serve best. Chains of
    /// other visible units keep their temperatures and take no base.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::replicas`](gm_rbm::Rbm::replicas) and [`gm_rbm::Sampler::settle`] of the flattened model, or as
    /// [`replicas`](Self::replicas) and [`Sampler::run_tempering`].
    ///
    /// # Errors
    ///
    /// The errors of [`replicas`](Self::replicas), [`Error::Shape`] for a base of other layers, [`Error::Interrupted`]
    /// when `watch` breaks.
    ///
    /// # Source
    ///
    /// `desjardins2010tempered`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams, even_temperatures, unwatched};
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[6, 4, 3])?)?;
    /// let temperatures = even_temperatures(3)?;
    /// let (states, info) = dbm.tempered_samples((20, 40), &temperatures, None, &Streams::new(1), &mut unwatched)?;
    /// assert_eq!((states.count(), states.layers[2].units(), info.sweeps), (20, 3, 20));
    /// assert_eq!(info.acceptance, [1.0, 1.0]); // all states have the same energy
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn tempered_samples(
        &self,
        (count, sweeps): (usize, usize),
        temperatures: &[f32],
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Chains, TemperingInfo)> {
        if let Some(base) = base {
            let sizes: Vec<usize> = base.iter().map(Vec::len).collect();
            check_sizes("Dbm::tempered_samples", "base", &sizes, &self.layers())?;
        }
        if !self.has_bits() {
            return self.tempered_layers((count, sweeps), temperatures, streams, watch);
        }
        let flat = self.flattened()?;
        let even = base.map(|base| base.iter().step_by(2).flatten().copied().collect::<Vec<f32>>());
        let mut replicas = flat.replicas(count, temperatures, even.as_deref(), streams)?;
        let info = flat.sampler().settle(&mut replicas, sweeps, streams, watch)?;
        Ok((self.unflattened(&replicas.coldest()), info))
    }

    /// [`tempered_samples`](Self::tempered_samples) at temperatures that stay, layer by layer.
    fn tempered_layers(
        &self,
        (count, sweeps): (usize, usize),
        temperatures: &[f32],
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Chains, TemperingInfo)> {
        let (sampler, mut replicas) = (self.sampler(), self.replicas(count, temperatures, streams)?);
        let mut run = |range: Range<usize>, watch: Watch<'_>| {
            let mut sums = vec![0.0; temperatures.len().saturating_sub(1) + 1];
            for done in range.clone().step_by(SLICE) {
                let some = SLICE.min(range.end - done);
                let info = sampler.run_tempering(&mut replicas, some, streams);
                let found = info.acceptance.iter().chain([&info.flips]);
                sums.iter_mut().zip(found).for_each(|(sum, share)| *sum += share * some as f64);
                if watch(Progress { done: done + some, total: sweeps }).is_break() {
                    return Err(Error::Interrupted { op: "parallel tempering" });
                }
            }
            Ok(sums)
        };
        run(0..sweeps / 2, watch)?;
        let (mut sums, sweeps) = (run(sweeps / 2..sweeps, watch)?, sweeps - sweeps / 2);
        sums.iter_mut().for_each(|sum| *sum /= sweeps.max(1) as f64);
        let flips = sums.pop().unwrap_or_default();
        Ok((replicas.coldest(), TemperingInfo { sweeps, flips, acceptance: sums }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_temperatures_that_do_not_fall_from_one() {
        let dbm = Dbm::from_stack(gm_core::Stack::zeros(&[2, 2, 1]).unwrap()).unwrap();
        let error = |groups, temperatures: &[f32]| {
            dbm.replicas(groups, temperatures, &Streams::new(0)).unwrap_err().to_string()
        };
        assert_eq!(error(0, &[1.0]), "Dbm::replicas: `chains` is 0, allowed: 1 or more");
        for wrong in [&[][..], &[0.5, 0.2], &[1.0, 1.0], &[1.0, -0.5], &[1.0, f32::NAN]] {
            assert!(error(2, wrong).ends_with("allowed: numbers that fall from 1 to no less than 0"), "{wrong:?}");
        }
    }

    #[test]
    fn law_each_group_keeps_every_temperature() {
        let dbm = Dbm::initial(&[0.3; 8], &[5, 4], 1.0, &Streams::new(1)).unwrap();
        let mut replicas = dbm.replicas(30, &[1.0, 0.8, 0.5, 0.0], &Streams::new(2)).unwrap();
        let info = dbm.sampler().run_tempering(&mut replicas, 20, &Streams::new(2));
        for group in 0..30 {
            let mut places: Vec<usize> = (group..120).step_by(30).map(|sample| replicas.places[sample]).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2, 3]);
        }
        assert!(info.acceptance.iter().all(|&share| share > 0.0 && share < 1.0), "{info:?}");
    }
}
