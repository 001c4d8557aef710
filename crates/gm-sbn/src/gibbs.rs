//! Markov kernels on the posterior: single-site Gibbs sampling, and resampling among draws of the recognition net.

use gm_core::{Batch, BitMatrix, Chains, Clamp, Purpose, Result, StepInfo, Streams, VisibleUnits};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::conditional::Passes;
use crate::gradient::Draws;
use crate::model::Sbn;
use crate::net::Directed;
use crate::walker::{Ground, Walker};

impl Sbn {
    /// Chains on the hidden layers given visible states. They start from the recognition net or, without one, from the
    /// prior.
    ///
    /// # Randomness
    ///
    /// Family 0 of [`Purpose::Start`].
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`] for states that visible units do not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams};
    /// use gm_sbn::Sbn;
    ///
    /// let streams = Streams::new(1);
    /// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &streams)?;
    /// let v = BitMatrix::from_fn(4, 10, |unit, chain| unit <= chain);
    /// let mut chains = sbn.posterior_chains(v.clone(), &streams)?;
    /// let mut parted = chains.clone();
    /// sbn.gibbs(&mut chains, None, 5, &streams);
    /// // Chains that go on later come to the same states.
    /// sbn.gibbs(&mut parted, None, 2, &streams);
    /// sbn.gibbs(&mut parted, None, 3, &streams);
    /// assert_eq!(parted, chains);
    /// assert_eq!((chains.v().bits(), chains.sweeps), (&v, 5));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn posterior_chains(&self, v: impl Into<Batch>, streams: &Streams) -> Result<Chains> {
        let v = v.into();
        VisibleUnits::Bernoulli.check("Sbn::posterior_chains", self.visible(), v.view())?;
        let v = v.bits().clone();
        let (passes, family) = (Passes::new(self), streams.fork(Purpose::Start, 0));
        let layers = if self.recognition().is_some() {
            passes.recognise(v, &family)
        } else {
            let mut layers = passes.sample(v.samples(), &family);
            layers[0] = v;
            layers
        };
        Ok(Chains::new(layers.into_iter().map(Batch::from).collect()))
    }

    /// Sweeps over the hidden units, one at a time, each given its Markov blanket: its parents, its children and their
    /// other parents.
    ///
    /// log odds of unit j of x_l = (W_l x_(l+1) + b_l)_j + sum_i [log p(x_(l-1),i | j on) - log p(x_(l-1),i | j off)]
    ///
    /// Units are visited from the first hidden layer up. With a clamp the given units take their values first, and the
    /// other visible units are drawn at the end of every sweep.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`], with one stream for each chain.
    ///
    /// # Numerics
    ///
    /// Double precision. Inputs of the layer below follow each flip, so that a unit costs one pass over its children.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
    ///
    /// # Source
    ///
    /// `neal1992connectionist`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let mut chains = sbn.posterior_chains(BitMatrix::zeros(4, 10), &Streams::new(1))?;
    /// let info = sbn.gibbs(&mut chains, None, 20, &Streams::new(2));
    /// assert!((info.flips - 0.5).abs() < 0.2);
    ///
    /// // The first two visible units are given, the others are drawn.
    /// let mask = BitMatrix::from_fn(4, 10, |unit, _| unit < 2);
    /// let clamp = gm_core::Clamp { values: mask.clone().into(), mask };
    /// sbn.gibbs(&mut chains, Some(&clamp), 5, &Streams::new(3));
    /// let counts = chains.v().bits().unit_counts();
    /// assert!(counts[..2] == [10; 2] && counts[2..].iter().all(|&on| on > 0 && on < 10));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn gibbs(&self, chains: &mut Chains, clamp: Option<&Clamp>, sweeps: usize, streams: &Streams) -> StepInfo {
        Directed::from(self).gibbs(chains, clamp, sweeps, streams)
    }

    /// Sweeps that choose the hidden state of each chain anew among its own and `proposals` draws of the recognition
    /// net, in proportion to p(v, h) / q(h | v).
    ///
    /// All hidden units can change at once. Like Gibbs sampling it leaves p(h | v) as it is. With a clamp the given
    /// units take their values first, and the other visible units are drawn at the end of every sweep.
    ///
    /// # Randomness
    ///
    /// Sweep number t of the chains uses family t of [`Purpose::Chains`].
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] without a recognition net.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes, or without proposals.
    ///
    /// # Source
    ///
    /// `andrieu2010particle`, section 4.
    pub fn resample(
        &self,
        chains: &mut Chains,
        clamp: Option<&Clamp>,
        (sweeps, proposals): (usize, usize),
        streams: &Streams,
    ) -> Result<StepInfo> {
        self.expect_recognition("Sbn::resample")?;
        let (passes, ground) = (Passes::new(self), Ground::new(self.into()));
        let mut flips = 0;
        put_given(chains, clamp);
        for _ in 0..sweeps {
            let family = streams.fork(Purpose::Chains, chains.sweeps);
            let v = chains.v().bits().clone();
            let hidden: Vec<BitMatrix> = chains.layers[1..].iter().map(|x| x.bits().clone()).collect();
            let own = Draws::of_states(&passes, &v, &hidden).log_weights();
            let draws = Draws::recognised(&passes, &v, proposals, &family.fork(Purpose::Propose, 0));
            let chosen = choose(&own, &draws.log_weights(), proposals, &mut family.fork(Purpose::Choose, 0).stream(0));
            for (x, drawn) in chains.layers.iter_mut().zip(draws.layers()).skip(1) {
                flips += take(x.bits_mut(), drawn, &chosen);
            }
            if let Some(clamp) = clamp {
                let family = family.fork(Purpose::Layer, 0);
                let drawn = match self.stack().within(0) {
                    None => {
                        let mut drawn = passes.draw_below(0, chains.h(), &family);
                        drawn.replace_where(&clamp.mask, &v);
                        drawn
                    }
                    Some(_) => draw_visible(&ground, chains, clamp, &family),
                };
                chains.layers[0] = drawn.into();
            }
            chains.sweeps += 1;
        }
        let updates = (chains.count() * sweeps * self.hidden()).max(1) as f64;
        Ok(StepInfo { sweeps, flips: flips as f64 / updates })
    }
}

impl Directed<'_> {
    /// As [`Sbn::gibbs`]. Where an RBM is on top, the last layer of the chains is its hidden layer, which is drawn as a
    /// block at the end of each sweep.
    ///
    /// # Panics
    ///
    /// When the chains or the clamp belong to other layer sizes.
    pub fn gibbs(&self, chains: &mut Chains, clamp: Option<&Clamp>, sweeps: usize, streams: &Streams) -> StepInfo {
        put_given(chains, clamp);
        let count = chains.count();
        let ground = Ground::new(*self);
        let families: Vec<Streams> =
            (0..sweeps as u64).map(|t| streams.fork(Purpose::Chains, chains.sweeps + t)).collect();
        let run = |chain: usize| {
            let mut walker = walker_of(&ground, chains, chain);
            let flips =
                families.iter().map(|family| sweep(&mut walker, clamp, chain, &mut family.stream(chain as u64))).sum();
            (walker.into_states(), flips)
        };
        let ends: Vec<(Vec<Vec<bool>>, u64)> = (0..count).into_par_iter().map(run).collect();
        let hidden: usize = chains.layers[1..].iter().map(Batch::units).sum();
        for (l, x) in chains.layers.iter_mut().enumerate() {
            *x = BitMatrix::from_fn(x.units(), count, |unit, chain| ends[chain].0[l][unit]).into();
        }
        chains.sweeps += sweeps as u64;
        let updates = (count * sweeps * hidden).max(1) as f64;
        StepInfo { sweeps, flips: ends.iter().map(|end| end.1).sum::<u64>() as f64 / updates }
    }
}

/// Updates every hidden unit and the visible units that are not given, and returns the number of hidden units that
/// changed.
fn sweep(walker: &mut Walker<'_>, clamp: Option<&Clamp>, chain: usize, stream: &mut impl Rng) -> u64 {
    let mut flips = walker.sweep_units(|_, _, _, gain| gain, stream);
    if let Some(log_odds) = walker.top_inputs() {
        flips += walker.draw_top(&log_odds, stream);
    }
    if let Some(clamp) = clamp {
        walker.draw_visible(|unit| !clamp.mask.get(unit, chain), stream);
    }
    flips
}

/// The walker at the states of a chain.
fn walker_of<'a>(ground: &'a Ground<'a>, chains: &Chains, chain: usize) -> Walker<'a> {
    let state = |x: &Batch| (0..x.units()).map(|unit| x.bits().get(unit, chain)).collect();
    Walker::new(ground, chains.layers.iter().map(state).collect(), None)
}

/// Visible states with the units that are not given drawn, with one stream for each chain.
fn draw_visible(ground: &Ground<'_>, chains: &Chains, clamp: &Clamp, family: &Streams) -> BitMatrix {
    let draw = |chain: usize| {
        let mut walker = walker_of(ground, chains, chain);
        walker.draw_visible(|unit| !clamp.mask.get(unit, chain), &mut family.stream(chain as u64));
        walker.into_states().swap_remove(0)
    };
    let drawn: Vec<Vec<bool>> = (0..chains.count()).into_par_iter().map(draw).collect();
    BitMatrix::from_fn(chains.v().units(), chains.count(), |unit, chain| drawn[chain][unit])
}

/// Gives the clamped units their values.
fn put_given(chains: &mut Chains, clamp: Option<&Clamp>) {
    if let Some(clamp) = clamp {
        chains.v_mut().replace_where(&clamp.mask, &clamp.values);
    }
}

/// For each chain the number of the draw that takes its place, or `None` when the chain keeps its own state.
fn choose(own: &[f64], proposed: &[f64], proposals: usize, stream: &mut impl Rng) -> Vec<Option<usize>> {
    let chosen = |(chain, (own, proposed)): (usize, (&f64, &[f64]))| {
        let largest = proposed.iter().copied().fold(*own, f64::max);
        let weights: Vec<f64> = proposed.iter().map(|w| (w - largest).exp()).collect();
        let total = weights.iter().sum::<f64>() + (own - largest).exp();
        let mut rest = stream.random::<f64>() * total;
        weights
            .iter()
            .position(|weight| {
                rest -= weight;
                rest < 0.0
            })
            .map(|k| chain * proposals + k)
    };
    own.iter().zip(proposed.chunks(proposals)).enumerate().map(chosen).collect()
}

/// Takes the chosen draws over, and returns the number of units that changed.
fn take(x: &mut BitMatrix, drawn: &BitMatrix, chosen: &[Option<usize>]) -> u64 {
    let candidates = drawn.select(&chosen.iter().map(|choice| choice.unwrap_or(0)).collect::<Vec<_>>());
    let mask = BitMatrix::from_fn(x.units(), x.samples(), |_, chain| chosen[chain].is_some());
    let before = x.clone();
    x.replace_where(&mask, &candidates);
    x.differences(&before)
}
