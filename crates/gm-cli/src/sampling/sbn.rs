//! Samples of sigmoid belief nets: ancestral ones, and chains with given visible units.

use clap::ValueEnum;
use gm_core::{BitMatrix, Chains, Clamp, Matrix, Purpose, Streams};
use gm_sbn::Sbn;

use super::{Chain, Watched, with_given};
use crate::error::{Error, Result};

/// How the hidden units of a sigmoid belief net are drawn given visible ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// All at once, among draws of the recognition net with importance weights.
    Importance,
    /// One at a time, given all others.
    Gibbs,
}

impl Kernel {
    /// The one asked for, or the one that suits the model.
    pub(crate) fn of(asked: Option<Self>, sbn: &Sbn) -> Self {
        asked.unwrap_or(if sbn.recognition().is_some() { Self::Importance } else { Self::Gibbs })
    }

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Importance => "importance resampling",
            Self::Gibbs => "single-site Gibbs sampling",
        }
    }
}

/// Draws of the recognition net among which a sweep chooses.
pub(super) const PROPOSALS: usize = 20;

/// Chains of a sigmoid belief net with given visible units.
#[derive(Debug)]
pub(crate) struct SbnWalk<'a> {
    sbn: &'a Sbn,
    sampler: gm_sbn::Sampler,
    chains: Chains,
    clamp: Clamp,
    kernel: Kernel,
    streams: Streams,
}

impl<'a> SbnWalk<'a> {
    /// Starts chains at ancestral samples with the given units put in.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for importance resampling without a recognition net.
    pub(crate) fn new(sbn: &'a Sbn, clamp: Clamp, kernel: Kernel, streams: &Streams) -> Result<Self> {
        if kernel == Kernel::Importance && sbn.recognition().is_none() {
            let (value, allowed) = ("importance".into(), "gibbs for a model without a recognition net".into());
            return Err(Error::Option { option: "--method", value, allowed });
        }
        let mut v = sbn.sample(clamp.values.samples(), &streams.fork(Purpose::Start, 1)).remove(0);
        v.replace_where(&clamp.mask, clamp.values.bits());
        Ok(Self {
            sbn,
            sampler: sbn.sampler(),
            chains: sbn.posterior_chains(v, streams)?,
            clamp,
            kernel,
            streams: streams.clone(),
        })
    }
}

impl Watched for SbnWalk<'_> {
    fn quantity(&self) -> &'static str {
        "log p of all layers"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let (chains, clamp) = (&mut self.chains, Some(&self.clamp));
        let info = match self.kernel {
            Kernel::Importance => self
                .sbn
                .resample(chains, clamp, (sweeps, PROPOSALS), &self.streams)
                .expect("a net whose recognition net was found when the chains were started"),
            Kernel::Gibbs => self.sbn.gibbs(chains, clamp, sweeps, &self.streams),
        };
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.sbn.log_joint(&self.chains.layers)
    }

    fn alike(&self) -> bool {
        false
    }
}

impl Chain for SbnWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.chains.layers[0].to_matrix()
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains).to_matrix();
        with_given(means, &self.clamp.mask, &self.clamp.values)
    }
}

/// Means of the visible units of samples that share the state of the top layer, [visible, tops * draws]: the draws of a
/// state follow each other. With one hidden layer, which leaves nothing between to draw, visible states instead.
pub(crate) fn below_the_same_top(sbn: &Sbn, (tops, draws): (usize, usize), streams: &Streams) -> Matrix {
    let (sampler, top) = (sbn.sampler(), sbn.depth());
    let copies: Vec<usize> = (0..tops * draws).map(|i| i / draws).collect();
    let mut above = sbn.sample(tops, streams).swap_remove(top).select(&copies);
    let family = streams.fork(Purpose::Start, 2);
    for l in (0..top).rev() {
        let update = sampler.from_above(l, &above);
        if l == 0 && top > 1 {
            return update.means().to_matrix();
        }
        let mut drawn = BitMatrix::zeros(sbn.stack().bias(l).len(), tops * draws);
        update.sample_into(&mut drawn, &family.fork(Purpose::Layer, l as u64));
        above = drawn;
    }
    above.to_matrix()
}

/// Independent samples of a sigmoid belief net, or their means given the layer above, [visible, samples].
pub(crate) fn ancestral(sbn: &Sbn, count: usize, means: bool, streams: &Streams) -> Matrix {
    let layers = sbn.sample(count, streams);
    match means {
        true => sbn.sampler().from_above(0, &layers[1]).means().to_matrix(),
        false => layers[0].to_matrix(),
    }
}
