//! Parallel tempering: chains at several temperatures that exchange them.

use gm_core::{Batch, Beta, Chains, Error, Purpose, Result, Streams, TemperingInfo, check_len};
use rand::RngExt;

use crate::conditional::Conditional;
use crate::gibbs::Sampler;
use crate::model::Dbm;

/// Chains of which each group holds one state at each of several inverse temperatures.
///
/// Temperatures move and states stay: a swap exchanges the inverse temperatures of two chains of a group.
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
    /// All states; those of group g are samples g, g + groups, g + 2 groups, and so on.
    chains: Chains,
    groups: usize,
    temperatures: Vec<f32>,
    /// The place in `temperatures` of each sample.
    places: Vec<usize>,
}

impl Dbm {
    /// New chains for parallel tempering: `count` groups, each with one chain at each inverse temperature.
    ///
    /// # Randomness
    ///
    /// As [`chains`](Self::chains).
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without chains, or unless the inverse temperatures fall from 1 to no less than 0.
    pub fn replicas(&self, count: usize, temperatures: &[f32], streams: &Streams) -> Result<Replicas> {
        const OP: &str = "Dbm::replicas";
        if count == 0 {
            return Err(Error::Param { op: OP, arg: "chains", value: "0".into(), allowed: "1 or more" });
        }
        check_temperatures(OP, temperatures)?;
        Ok(Replicas {
            chains: self.chains(count * temperatures.len(), streams),
            groups: count,
            temperatures: temperatures.to_vec(),
            places: (0..temperatures.len()).flat_map(|place| std::iter::repeat_n(place, count)).collect(),
        })
    }
}

impl Dbm {
    /// What the logarithm of the unnormalised probability falls by with beta: E + log base, the base being that of visible biases 0.
    fn costs(&self, states: &[Batch]) -> Vec<f64> {
        let mut costs = self.energy(states);
        if self.units().gaussian().is_some() {
            let base = self.units().log_weights(states[0].view(), &vec![0.0; self.visible()]);
            costs.iter_mut().zip(base).for_each(|(cost, base)| *cost += base);
        }
        costs
    }
}

/// Refuses inverse temperatures that do not fall from 1.
fn check_temperatures(op: &'static str, temperatures: &[f32]) -> Result<()> {
    let falls = temperatures.windows(2).all(|pair| pair[0] > pair[1]);
    if temperatures.first() == Some(&1.0) && falls && temperatures.iter().all(|&beta| beta >= 0.0) {
        return Ok(());
    }
    let (value, allowed) = (format!("{temperatures:?}"), "numbers that fall from 1 to no less than 0");
    Err(Error::Param { op, arg: "temperatures", value, allowed })
}

impl Replicas {
    /// Chains for parallel tempering from what [`chains`](Self::chains), [`temperatures`](Self::temperatures) and
    /// [`places`](Self::places) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for temperatures as in [`Dbm::replicas`], and unless each group holds every place once;
    /// [`Error::Shape`] unless there is a place for each chain.
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
        let groups = places.len() / temperatures.len();
        let whole = groups > 0 && groups * temperatures.len() == places.len();
        let once = |group: usize| {
            let mut held: Vec<usize> = places[group..].iter().step_by(groups).copied().collect();
            held.sort_unstable();
            held.into_iter().eq(0..temperatures.len())
        };
        if !whole || !(0..groups).all(once) {
            let (value, allowed) = (format!("{} places", places.len()), "every place once in each group");
            return Err(Error::Param { op: OP, arg: "places", value, allowed });
        }
        Ok(Self { chains, groups, temperatures, places })
    }

    /// All chains, those of group g at g, g + groups, g + 2 groups, and so on.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// The inverse temperatures, falling from 1.
    #[must_use]
    pub fn temperatures(&self) -> &[f32] {
        &self.temperatures
    }

    /// Which of the temperatures each chain has.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// The chains at the model's own temperature, one of each group.
    #[must_use]
    pub fn coldest(&self) -> Chains {
        let coldest: Vec<usize> = (0..self.groups).map(|group| self.sample_at(group, 0)).collect();
        self.chains.select(&coldest)
    }

    /// The sample of a group that has the temperature of a place.
    fn sample_at(&self, group: usize, place: usize) -> usize {
        let samples = (group..self.places.len()).step_by(self.groups);
        let mut found = samples.filter(|&sample| self.places[sample] == place);
        found.next().expect("each group holds every temperature once")
    }

    fn betas(&self) -> Vec<f32> {
        self.places.iter().map(|&place| self.temperatures[place]).collect()
    }

    /// Offers swaps between neighbouring temperatures, by turns those from an even and from an odd place.
    fn swap(&mut self, dbm: &Dbm, streams: &Streams, counts: &mut [[u64; 2]]) {
        let costs = dbm.costs(&self.chains.layers);
        let mut stream = streams.fork(Purpose::Swap, self.chains.sweeps).stream(0);
        let first = (self.chains.sweeps % 2) as usize;
        for (place, [offered, made]) in counts.iter_mut().enumerate().skip(first).step_by(2) {
            let step = f64::from(self.temperatures[place]) - f64::from(self.temperatures[place + 1]);
            for group in 0..self.groups {
                let (cold, hot) = (self.sample_at(group, place), self.sample_at(group, place + 1));
                *offered += 1;
                if stream.random::<f64>() < (step * (costs[cold] - costs[hot])).exp() {
                    self.places.swap(cold, hot);
                    *made += 1;
                }
            }
        }
    }
}

impl Sampler {
    /// Makes sweeps at all temperatures, each followed by swaps of neighbouring temperatures within a group.
    ///
    /// A swap is made with probability min(1, exp((beta_i - beta_j) (E_i - E_j))), which leaves the product of the
    /// distributions p(x)^beta invariant. Of Gaussian units E - sum_i v_i^2 / (2 s_i^2) takes the place of E, since they keep their
    /// variance at every temperature.
    ///
    /// # Randomness
    ///
    /// Sweeps as [`run`](Self::run); family t of [`Purpose::Swap`] for the swaps after sweep t.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    ///
    /// # Source
    ///
    /// `desjardins2010tempered`.
    pub fn run_tempering(&self, replicas: &mut Replicas, sweeps: usize, streams: &Streams) -> TemperingInfo {
        let mut counts = vec![[0; 2]; replicas.temperatures.len() - 1];
        let mut flips = 0.0;
        for _ in 0..sweeps {
            let betas = replicas.betas();
            let tempered = |_: usize, layer: Conditional<'_>, out: &mut Batch, streams: &Streams| {
                layer.tempered(Beta::Each(&betas), None).sample_into(out, streams);
            };
            flips += self.sweep_with(&mut replicas.chains, 1, streams, &tempered).flips;
            replicas.swap(self.model(), streams, &mut counts);
        }
        let share = |&[offered, made]: &[u64; 2]| made as f64 / offered.max(1) as f64;
        TemperingInfo { sweeps, flips: flips / sweeps.max(1) as f64, acceptance: counts.iter().map(share).collect() }
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
