//! Parallel tempering: replicas at several temperatures that exchange their states.

use std::ops::ControlFlow;

use gm_core::{Batch, Beta, Chains, Clamp, Error, Progress, Purpose, Result, Streams, TemperingInfo, Watch};
use rand::RngExt;

use crate::conditional::Heat;
use crate::gibbs::{How, Sampler};
use crate::model::{Rbm, widened};

/// The same chains at falling inverse temperatures, from the model at 1 to independent units at 0.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[6, 4])?)?;
/// let streams = Streams::new(1);
/// let mut replicas = rbm.replicas(20, 3, None, &streams)?;
/// let info = rbm.sampler().run_tempering(&mut replicas, 10, &streams);
/// assert_eq!((replicas.betas(), replicas.coldest().v().samples()), (&[1.0, 0.5, 0.0][..], 20));
/// assert!(info.acceptance.iter().all(|rate| *rate > 0.9));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Replicas {
    /// States: those of chain c at temperature number t are sample t x chains + c.
    chains: Chains,
    count: usize,
    betas: Vec<f32>,
    base: Vec<f32>,
    /// Swaps offered and made between each temperature and the next, since the last adaptation.
    swaps: Vec<[u64; 2]>,
}

const OP: &str = "Rbm::replicas";

impl Rbm {
    /// New replicas of `count` chains at evenly spaced inverse temperatures; `base`, `[visible]`, are the biases of the
    /// independent units at 0, by default those of short chains of the model.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::chains_from`]; visible states are drawn from the base in family 0 of [`Purpose::Start`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer than 2 temperatures or no chains, [`Error::Shape`] for a base of another width.
    pub fn replicas(
        &self,
        count: usize,
        temperatures: usize,
        base: Option<&[f32]>,
        streams: &Streams,
    ) -> Result<Replicas> {
        let refuse = |arg, value: usize, allowed| Error::Param { op: OP, arg, value: value.to_string(), allowed };
        if temperatures < 2 {
            return Err(refuse("temperatures", temperatures, "2 or more"));
        }
        if count == 0 {
            return Err(refuse("chains", count, "1 or more"));
        }
        let base = base.map_or_else(|| self.model_rate_bias(streams), <[f32]>::to_vec);
        gm_core::check_len(OP, "base", "length", base.len(), self.visible())?;
        let betas: Vec<f32> = (0..temperatures).map(|t| 1.0 - t as f32 / (temperatures - 1) as f32).collect();
        let h = gm_core::BitMatrix::zeros(self.hidden(), count * temperatures);
        let mut v = self.units().blank(self.visible(), h.samples());
        let heat = Heat { beta: Beta::Same(0.0), base: Some(&base) };
        self.couplings().draw_v(self, &h, Some(heat), &mut v, &streams.fork(Purpose::Start, 0));
        Ok(Replicas { chains: self.chains_at(v, streams), count, swaps: vec![[0; 2]; temperatures - 1], betas, base })
    }
}

impl Replicas {
    /// Replicas from saved states.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when states, temperatures and base do not fit together, [`Error::Param`] for temperatures that do not
    /// fall from 1 to 0.
    pub fn from_parts(chains: Chains, betas: Vec<f32>, base: Vec<f32>) -> Result<Self> {
        let falls = betas.windows(2).all(|pair| pair[0] > pair[1]);
        if !falls || betas.first() != Some(&1.0) || betas.last() != Some(&0.0) {
            let value = format!("{betas:?}");
            return Err(Error::Param { op: OP, arg: "temperatures", value, allowed: "numbers that fall from 1 to 0" });
        }
        gm_core::check_len(OP, "base", "length", base.len(), chains.v().units())?;
        gm_core::check_len(OP, "hidden states", "samples", chains.h().samples(), chains.v().samples())?;
        let count = chains.v().samples() / betas.len();
        gm_core::check_len(OP, "states", "samples", chains.v().samples(), count * betas.len())?;
        Ok(Self { chains, count, swaps: vec![[0; 2]; betas.len() - 1], betas, base })
    }

    /// Takes over the counts of swaps that [`swaps`](Self::swaps) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when there are not two for each pair of neighbouring temperatures.
    pub fn with_swaps(mut self, swaps: &[f64]) -> Result<Self> {
        gm_core::check_len(OP, "swaps", "length", swaps.len(), 2 * self.swaps.len())?;
        for (to, from) in self.swaps.iter_mut().zip(swaps.chunks(2)) {
            *to = [from[0] as u64, from[1] as u64];
        }
        Ok(self)
    }

    /// Swaps offered and made since the last adaptation, between each temperature and the next.
    #[must_use]
    pub fn swaps(&self) -> Vec<f64> {
        self.swaps.iter().flatten().map(|&count| count as f64).collect()
    }

    /// All states: those of chain c at temperature number t are sample t x chains + c.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// Chains at each temperature.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Inverse temperatures, falling from 1 to 0.
    #[must_use]
    pub fn betas(&self) -> &[f32] {
        &self.betas
    }

    /// Biases of the independent units at inverse temperature 0, `[visible]`.
    #[must_use]
    pub fn base(&self) -> &[f32] {
        &self.base
    }

    /// The chains of the model itself, at inverse temperature 1.
    #[must_use]
    pub fn coldest(&self) -> Chains {
        let cold: Vec<usize> = (0..self.count).collect();
        self.chains.select(&cold)
    }

    /// Share of the offered swaps that were made since the last adaptation, between each temperature and the next.
    #[must_use]
    pub fn acceptance(&self) -> Vec<f64> {
        self.swaps.iter().map(|[offered, made]| *made as f64 / (*offered).max(1) as f64).collect()
    }

    /// Moves the temperatures so that swaps become equally likely everywhere, and begins to count anew.
    ///
    /// Each gap between neighbours is multiplied by exp(rate (acceptance - mean acceptance)), and all of them are then
    /// scaled to sum to 1. Samples drawn while temperatures move with the states are not exactly the model's.
    pub fn adapt(&mut self, rate: f64) {
        let acceptance = self.acceptance();
        let mean = acceptance.iter().sum::<f64>() / acceptance.len() as f64;
        let gaps = self.betas.windows(2).map(|pair| f64::from(pair[0] - pair[1]));
        let gaps: Vec<f64> =
            gaps.zip(acceptance).map(|(gap, made)| gap * (rate * (made - mean)).exp().max(1e-3)).collect();
        let total: f64 = gaps.iter().sum();
        let mut passed = 0.0;
        let last = self.betas.len() - 1;
        for (beta, gap) in self.betas[1..last].iter_mut().zip(gaps) {
            passed += gap / total;
            *beta = (1.0 - passed) as f32;
        }
        self.swaps.fill([0; 2]);
    }

    /// Keeps the samples in another order.
    fn permute(&mut self, order: &[usize]) {
        self.chains = self.chains.select(order);
    }
}

impl Sampler {
    /// Makes sweeps at all temperatures, each followed by swaps between neighbouring ones.
    ///
    /// Temperatures 0 and 1, 2 and 3, ... are offered swaps after even sweeps, 1 and 2, 3 and 4, ... after odd ones. With
    /// f_beta = base^(1 - beta) exp(-beta E) states x and y at beta and beta' change places with probability
    /// min(1, exp((beta - beta') (D(y) - D(x)))), D = -E - log base: this leaves the distribution at every temperature as it is.
    ///
    /// # Randomness
    ///
    /// Sweeps as [`Sampler::run`]; swaps after sweep t from stream 0 of [`Purpose::Swap`] t.
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

/// Sweeps between two moves of the temperatures, and how far they move.
const ADAPT_EVERY: usize = 20;
const ADAPT_RATE: f64 = 0.5;

impl Sampler {
    /// [`run_tempering`](Self::run_tempering) with clamped visible units, `[visible, replicas]`: every replica of a chain keeps
    /// the same values.
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

    /// Lets replicas come to equilibrium: temperatures move with [`Replicas::adapt`] during the first half of the sweeps and
    /// stay during the second, of which the swaps are told.
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
    /// let mut replicas = rbm.replicas(20, 3, None, &streams)?;
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
        let mut look = |done| match watch(Progress { done, total: sweeps }) {
            ControlFlow::Break(()) => Err(Error::Interrupted { op: "parallel tempering" }),
            ControlFlow::Continue(()) => Ok(()),
        };
        let moves = sweeps / 2 / ADAPT_EVERY;
        for made in 1..=moves {
            self.run_tempering(replicas, ADAPT_EVERY, streams);
            replicas.adapt(ADAPT_RATE);
            look(made * ADAPT_EVERY)?;
        }
        let (first, mut flips) = (moves * ADAPT_EVERY, 0.0);
        for done in (first..sweeps).step_by(ADAPT_EVERY) {
            let some = ADAPT_EVERY.min(sweeps - done);
            flips += self.run_tempering(replicas, some, streams).flips * some as f64;
            look(done + some)?;
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
        let betas: Vec<f32> = replicas.betas.iter().flat_map(|&beta| std::iter::repeat_n(beta, count)).collect();
        let mut flips = 0.0;
        let before = replicas.swaps.clone();
        for _ in 0..sweeps {
            let sweep = replicas.chains.sweeps;
            let heat = Heat { beta: Beta::Each(&betas), base: Some(&replicas.base) };
            let how = How { heat: Some(heat), clamp };
            flips += self.sweep_with(&mut replicas.chains, 1, streams, how).flips;
            self.swap(replicas, (sweep % 2) as usize, &streams.fork(Purpose::Swap, sweep));
        }
        let made =
            |(now, before): (&[u64; 2], &[u64; 2])| (now[1] - before[1]) as f64 / (now[0] - before[0]).max(1) as f64;
        let acceptance = replicas.swaps.iter().zip(&before).map(made).collect();
        TemperingInfo { sweeps, flips: flips / sweeps.max(1) as f64, acceptance }
    }

    /// Offers swaps between temperatures `first` and the next, and every other pair from there.
    fn swap(&self, replicas: &mut Replicas, first: usize, streams: &Streams) {
        let slopes = self.slopes(&replicas.chains, &replicas.base);
        let (count, mut stream) = (replicas.count, streams.stream(0));
        let mut order: Vec<usize> = (0..slopes.len()).collect();
        for t in (first..replicas.betas.len() - 1).step_by(2) {
            let step = f64::from(replicas.betas[t] - replicas.betas[t + 1]);
            for (cold, warm) in (t * count..(t + 1) * count).zip((t + 1) * count..) {
                let made = stream.random::<f64>().ln() < step * (slopes[warm] - slopes[cold]);
                replicas.swaps[t][0] += 1;
                replicas.swaps[t][1] += u64::from(made);
                if made {
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
    fn hidden_terms(&self, v: &Batch, h: &gm_core::BitMatrix) -> Vec<f64> {
        let inputs = self.inputs_h_from_v(v);
        let sum = |s| (0..h.units()).filter(|&j| h.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum();
        (0..h.samples()).map(sum).collect()
    }
}
