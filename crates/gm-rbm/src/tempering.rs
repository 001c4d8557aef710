//! Parallel tempering: replicas at several temperatures that exchange their states.

use std::ops::ControlFlow;

use gm_core::{
    Batch, Beta, BitMatrix, Chains, Clamp, Error, Progress, Purpose, Result, Streams, TemperingInfo, Watch, check_len,
    check_temperatures, widened,
};
use rand::RngExt;

use crate::conditional::Heat;
use crate::gibbs::{How, Sampler};
use crate::model::Rbm;

/// Groups of replicas: each group holds one chain at each of several inverse temperatures, from the model at 1 towards
/// independent units at 0.
///
/// A swap exchanges the states of two replicas of a group, and the temperatures stay in place. The replicas of a DBM
/// (gm-dbm) exchange their temperatures instead. The two hold different parts for this reason: those of an RBM hold the
/// base at 0 and counts of swaps, by which [`adapt`](Self::adapt) moves the temperatures.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[6, 4])?)?;
/// let streams = Streams::new(1);
/// let mut replicas = rbm.replicas(20, &[1.0, 0.5, 0.0], None, &streams)?;
/// let info = rbm.sampler().run_tempering(&mut replicas, 10, &streams);
/// assert_eq!((replicas.coldest().count(), info.acceptance.len()), (20, 2));
/// assert!(info.acceptance.iter().all(|rate| *rate > 0.9));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Replicas {
    /// The state of group g at temperature number t is sample t x count + g.
    chains: Chains,
    count: usize,
    temperatures: Vec<f32>,
    base: Vec<f32>,
    /// Swaps that were proposed and accepted between each temperature and the next, since the last adaptation.
    swaps: Vec<[u64; 2]>,
}

impl Rbm {
    /// New chains for parallel tempering: `count` groups, each with one chain at each inverse temperature.
    ///
    /// `temperatures` fall from 1; [`gm_core::even_temperatures`] gives some. `base`, `[visible]`, holds the biases of
    /// the independent units at 0. By default they come from the means of short chains of the model.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::chains_from`]. Visible states are drawn from the base in family 0 of [`Purpose::Start`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a count of 0 and for temperatures that do not fall from 1 to no less than 0,
    /// [`Error::Shape`] for a base of another length.
    pub fn replicas(
        &self,
        count: usize,
        temperatures: &[f32],
        base: Option<&[f32]>,
        streams: &Streams,
    ) -> Result<Replicas> {
        const OP: &str = "Rbm::replicas";
        if count == 0 {
            return Err(Error::Param { op: OP, arg: "chains", value: "0".into(), allowed: "1 or more" });
        }
        check_temperatures(OP, temperatures)?;
        let base = base.map_or_else(|| self.model_rate_bias(streams), <[f32]>::to_vec);
        check_len(OP, "base", "length", base.len(), self.visible())?;
        let h = BitMatrix::zeros(self.hidden(), count * temperatures.len());
        let mut v = self.units().blank(self.visible(), h.samples());
        let heat = Heat { beta: Beta::Same(0.0), base: Some(&base) };
        self.couplings().draw_v(self, &h, Some(heat), &mut v, &streams.fork(Purpose::Start, 0));
        let (chains, swaps) = (self.chains_at(v, streams), vec![[0; 2]; temperatures.len() - 1]);
        Ok(Replicas { chains, count, temperatures: temperatures.to_vec(), base, swaps })
    }
}

impl Replicas {
    /// Replicas from what [`chains`](Self::chains), [`temperatures`](Self::temperatures) and [`base`](Self::base) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for temperatures that [`Rbm::replicas`] refuses, [`Error::Shape`] when chains, temperatures and
    /// base do not fit together.
    pub fn from_parts(chains: Chains, temperatures: Vec<f32>, base: Vec<f32>) -> Result<Self> {
        const OP: &str = "Replicas::from_parts";
        check_temperatures(OP, &temperatures)?;
        check_len(OP, "base", "length", base.len(), chains.v().units())?;
        check_len(OP, "hidden states", "samples", chains.h().samples(), chains.count())?;
        let count = chains.count() / temperatures.len();
        check_len(OP, "states", "samples", chains.count(), count * temperatures.len())?;
        Ok(Self { chains, count, swaps: vec![[0; 2]; temperatures.len() - 1], temperatures, base })
    }

    /// Takes over the counts of swaps that [`swaps`](Self::swaps) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless there are two counts for each pair of neighbouring temperatures.
    pub fn with_swaps(mut self, swaps: &[f64]) -> Result<Self> {
        check_len("Replicas::with_swaps", "swaps", "length", swaps.len(), 2 * self.swaps.len())?;
        for (to, from) in self.swaps.iter_mut().zip(swaps.chunks(2)) {
            *to = [from[0] as u64, from[1] as u64];
        }
        Ok(self)
    }

    /// Swaps that were proposed and accepted since the last adaptation, between each temperature and the next.
    #[must_use]
    pub fn swaps(&self) -> Vec<f64> {
        self.swaps.iter().flatten().map(|&count| count as f64).collect()
    }

    /// All chains. The chain of group g at temperature number t is sample t x count + g.
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

    /// Biases of the independent units at inverse temperature 0, `[visible]`.
    #[must_use]
    pub fn base(&self) -> &[f32] {
        &self.base
    }

    /// The chains at the model's own temperature, one of each group.
    #[must_use]
    pub fn coldest(&self) -> Chains {
        let cold: Vec<usize> = (0..self.count).collect();
        self.chains.select(&cold)
    }

    /// The share of proposed swaps that were accepted since the last adaptation, between each temperature and the next.
    #[must_use]
    pub fn acceptance(&self) -> Vec<f64> {
        self.swaps.iter().map(|[proposed, accepted]| *accepted as f64 / (*proposed).max(1) as f64).collect()
    }

    /// Moves the temperatures so that swaps become equally likely everywhere, and begins to count anew.
    ///
    /// Each gap between neighbours is multiplied by exp(rate (acceptance - mean acceptance)). All gaps are then scaled
    /// so that the first and the last temperature stay. Temperatures that move depend on the states, so that samples
    /// drawn meanwhile are not exactly the model's.
    pub fn adapt(&mut self, rate: f64) {
        let Some(last) = self.temperatures.len().checked_sub(1).filter(|&last| last > 0) else { return };
        let acceptance = self.acceptance();
        let mean = acceptance.iter().sum::<f64>() / acceptance.len() as f64;
        let gaps = self.temperatures.windows(2).map(|pair| f64::from(pair[0] - pair[1]));
        let gaps: Vec<f64> =
            gaps.zip(acceptance).map(|(gap, share)| gap * (rate * (share - mean)).exp().max(1e-3)).collect();
        let total: f64 = gaps.iter().sum();
        let range = 1.0 - f64::from(self.temperatures[last]);
        let mut passed = 0.0;
        for (beta, gap) in self.temperatures[1..last].iter_mut().zip(gaps) {
            passed += gap / total;
            *beta = (1.0 - range * passed) as f32;
        }
        self.swaps.fill([0; 2]);
    }

    /// Brings the samples into another order.
    fn permute(&mut self, order: &[usize]) {
        self.chains = self.chains.select(order);
    }
}

impl Sampler {
    /// Makes sweeps at all temperatures, each followed by swaps between neighbouring temperatures within a group.
    ///
    /// Swaps are proposed between temperatures 0 and 1, 2 and 3, ... after even sweeps, and between 1 and 2, 3 and 4,
    /// ... after odd sweeps. Let f_beta = base^(1 - beta) exp(-beta E). States x and y at beta and beta' change places
    /// with probability min(1, exp((beta - beta') (D(y) - D(x)))), where D = -E - log base. This leaves the
    /// distribution at every temperature invariant.
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
    /// `desjardins2010tempered`; `cho2010parallel`.
    pub fn run_tempering(&self, replicas: &mut Replicas, sweeps: usize, streams: &Streams) -> TemperingInfo {
        self.run_replicas(replicas, None, sweeps, streams)
    }
}

/// The number of sweeps between two adaptations of the temperatures in [`Sampler::settle`], and their rate.
const ADAPT_EVERY: usize = 20;
const ADAPT_RATE: f64 = 0.5;

impl Sampler {
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
    /// When the replicas or the clamp belong to other layer sizes.
    pub fn run_tempering_clamped(
        &self,
        replicas: &mut Replicas,
        clamp: &Clamp,
        sweeps: usize,
        streams: &Streams,
    ) -> TemperingInfo {
        self.run_replicas(replicas, Some(clamp), sweeps, streams)
    }

    /// Lets replicas come to equilibrium. Temperatures move with [`Replicas::adapt`] during the first half of the
    /// sweeps and stay during the second half, whose record is returned.
    ///
    /// # Randomness
    ///
    /// As [`run_tempering`](Self::run_tempering).
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Panics
    ///
    /// When the replicas belong to other layer sizes.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[6, 4])?)?;
    /// let streams = Streams::new(1);
    /// let mut replicas = rbm.replicas(20, &[1.0, 0.5, 0.0], None, &streams)?;
    /// let info = rbm.sampler().settle(&mut replicas, 100, &streams, &mut unwatched)?;
    /// assert_eq!((info.sweeps, replicas.chains().sweeps), (60, 100));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn settle(
        &self,
        replicas: &mut Replicas,
        sweeps: usize,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<TemperingInfo> {
        let mut report = |done| match watch(Progress { done, total: sweeps }) {
            ControlFlow::Break(()) => Err(Error::Interrupted { op: "parallel tempering" }),
            ControlFlow::Continue(()) => Ok(()),
        };
        let moves = sweeps / 2 / ADAPT_EVERY;
        for made in 1..=moves {
            self.run_tempering(replicas, ADAPT_EVERY, streams);
            replicas.adapt(ADAPT_RATE);
            report(made * ADAPT_EVERY)?;
        }
        let (first, mut flips) = (moves * ADAPT_EVERY, 0.0);
        for done in (first..sweeps).step_by(ADAPT_EVERY) {
            let some = ADAPT_EVERY.min(sweeps - done);
            flips += self.run_tempering(replicas, some, streams).flips * some as f64;
            report(done + some)?;
        }
        let sweeps = sweeps - first;
        Ok(TemperingInfo { sweeps, flips: flips / sweeps.max(1) as f64, acceptance: replicas.acceptance() })
    }
}

impl Sampler {
    fn run_replicas(
        &self,
        replicas: &mut Replicas,
        clamp: Option<&Clamp>,
        sweeps: usize,
        streams: &Streams,
    ) -> TemperingInfo {
        let count = replicas.count;
        let betas: Vec<f32> = replicas.temperatures.iter().flat_map(|&beta| std::iter::repeat_n(beta, count)).collect();
        let mut flips = 0.0;
        let before = replicas.swaps.clone();
        for _ in 0..sweeps {
            let sweep = replicas.chains.sweeps;
            let heat = Heat { beta: Beta::Each(&betas), base: Some(&replicas.base) };
            let how = How { heat: Some(heat), clamp };
            flips += self.sweep_with(&mut replicas.chains, 1, streams, how).flips;
            self.swap(replicas, (sweep % 2) as usize, &streams.fork(Purpose::Swap, sweep));
        }
        let share =
            |(now, before): (&[u64; 2], &[u64; 2])| (now[1] - before[1]) as f64 / (now[0] - before[0]).max(1) as f64;
        let acceptance = replicas.swaps.iter().zip(&before).map(share).collect();
        TemperingInfo { sweeps, flips: flips / sweeps.max(1) as f64, acceptance }
    }

    /// Proposes swaps between temperature number `first` and the next, and between every second pair after it.
    fn swap(&self, replicas: &mut Replicas, first: usize, streams: &Streams) {
        let slopes = self.slopes(&replicas.chains, &replicas.base);
        let (count, mut stream) = (replicas.count, streams.stream(0));
        let mut order: Vec<usize> = (0..slopes.len()).collect();
        for t in (first..replicas.temperatures.len() - 1).step_by(2) {
            let step = f64::from(replicas.temperatures[t] - replicas.temperatures[t + 1]);
            for (cold, warm) in (t * count..(t + 1) * count).zip((t + 1) * count..) {
                let accepted = stream.random::<f64>().ln() < step * (slopes[warm] - slopes[cold]);
                replicas.swaps[t][0] += 1;
                replicas.swaps[t][1] += u64::from(accepted);
                if accepted {
                    order.swap(cold, warm);
                }
            }
        }
        replicas.permute(&order);
    }

    /// D = log f_1 - log f_0 of each state.
    fn slopes(&self, chains: &Chains, base: &[f32]) -> Vec<f64> {
        let rbm = self.model();
        let (weights, constant) = rbm.units().tilt(&widened(rbm.visible_bias()), &widened(base));
        let visible = chains.v().view().weighted_sums(&weights);
        let hidden = self.hidden_terms(chains.v(), chains.h());
        visible.iter().zip(hidden).map(|(v, h)| v + h + constant).collect()
    }

    /// sum_j h_j (b_j + W_j' v) of each state.
    fn hidden_terms(&self, v: &Batch, h: &BitMatrix) -> Vec<f64> {
        let inputs = self.inputs_h_from_v(v);
        let sum = |s| (0..h.units()).filter(|&j| h.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum();
        (0..h.samples()).map(sum).collect()
    }
}
