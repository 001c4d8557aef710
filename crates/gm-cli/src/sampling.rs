//! Markov chains of a model, run with progress, and how well they mix.

use clap::ValueEnum;
use gm_core::{
    Batch, Beta, BitMatrix, Matrix, Purpose, Streams, autocorrelation_time, effective_sample_size, split_r_hat,
};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_rbm::{Chains, Clamp, Rbm, Replicas, Sampler};
use gm_sbn::Sbn;
use gm_train::Model;
use serde::Serialize;

use crate::console::Progress;
use crate::error::{Error, Result};

/// States looked at, at most, to judge how well chains mix.
const LOOKS: usize = 400;
/// The fewest looks that tell anything.
const FEWEST: usize = 8;

/// Markov chains of a model of any kind.
pub(crate) trait Chain {
    /// Makes sweeps.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn advance(&mut self, sweeps: usize) -> Result<()>;

    /// Rows of data, [units, chains].
    fn states(&self) -> Matrix;

    /// Means of such rows given the layer above, the given values where units are given, [units, chains].
    fn means(&self) -> Matrix;
}

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
const PROPOSALS: usize = 20;

/// Chains of a sigmoid belief net with given visible units.
#[derive(Debug)]
pub(crate) struct SbnWalk<'a> {
    sbn: &'a Sbn,
    couplings: gm_sbn::Couplings,
    chains: gm_sbn::Chains,
    clamp: gm_sbn::Clamp,
    values: Batch,
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
            couplings: sbn.couplings(),
            chains: sbn.chains_from(v, streams),
            clamp: gm_sbn::Clamp { mask: clamp.mask },
            values: clamp.values,
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
        let means = self.couplings.from_above(self.sbn, 0, &self.chains.layers[1]).means().to_matrix();
        with_given(means, &self.clamp.mask, &self.values)
    }
}

/// How samples of a model come about when no units are given.
pub(crate) enum Source<'a> {
    /// By chains of states.
    Chains(Box<dyn Watched + 'a>),
    /// From the top layer down, each sample independent of the others.
    Ancestral(&'a Sbn),
}

impl<'a> Source<'a> {
    /// So many chains, started anywhere, of a model that has chains.
    pub(crate) fn of(model: &'a Model, count: usize, streams: &Streams) -> Self {
        match model {
            Model::Sbn(sbn) => Self::Ancestral(sbn),
            Model::Rbm(rbm) => Self::Chains(Box::new(Walk::new(rbm, count, None, streams))),
            Model::Dbm(dbm) => Self::Chains(Box::new(DbmWalk::new(dbm, count, None, streams))),
            Model::Dbn(dbn) => Self::Chains(Box::new(DbnWalk::new(dbn, count, None, streams))),
        }
    }
}

/// Sweeps over the hidden layers that lead from data to a draw of their posterior.
const SETTLING: usize = 20;

/// Means of the visible units given one draw of the hidden units given the data, [visible, rows].
///
/// # Errors
///
/// Whatever the model refuses.
pub(crate) fn reconstructions(model: &Model, rows: &Batch, streams: &Streams) -> Result<Matrix> {
    match model {
        Model::Rbm(rbm) => {
            let (couplings, v) = (rbm.couplings(), rbm.states_of_rows(rows, streams)?);
            let h = couplings.sample_h_from_v(rbm, &v, streams);
            Ok(rbm.rows_of_states(&couplings.mean_v_from_h(rbm, &h).to_matrix()))
        }
        Model::Dbm(dbm) => {
            let (sampler, mut chains) = (dbm.sampler(), dbm.chains_from(rows.bits().clone(), streams));
            sampler.run_hidden(&mut chains, SETTLING, streams);
            Ok(sampler.couplings().mean(dbm, 0, &chains.layers).to_matrix())
        }
        Model::Dbn(dbn) => {
            let sampler = dbn.sampler();
            let chains = sampler.chains_from(rows.bits().clone(), streams)?;
            // Behind the visible units of a machine on its own there may be label units.
            Ok(sampler.visible_means(&chains, streams).to_matrix().rows(0, dbn.visible()).into_owned())
        }
        Model::Sbn(sbn) => {
            let mut chains = sbn.chains_from(rows.bits().clone(), streams);
            match Kernel::of(None, sbn) {
                Kernel::Importance => sbn.resample(&mut chains, None, (SETTLING, PROPOSALS), streams)?,
                Kernel::Gibbs => sbn.gibbs(&mut chains, None, SETTLING, streams),
            };
            Ok(sbn.couplings().from_above(sbn, 0, &chains.layers[1]).means().to_matrix())
        }
    }
}

/// Means of the visible units of samples that share the state of the top layer, [visible, tops * draws]: the draws of a
/// state follow each other. With one hidden layer, which leaves nothing between to draw, visible states instead.
pub(crate) fn below_the_same_top(sbn: &Sbn, (tops, draws): (usize, usize), streams: &Streams) -> Matrix {
    let (couplings, top) = (sbn.couplings(), sbn.depth());
    let copies: Vec<usize> = (0..tops * draws).map(|i| i / draws).collect();
    let mut above = sbn.sample(tops, streams).swap_remove(top).select(&copies);
    let family = streams.fork(Purpose::Start, 2);
    for l in (0..top).rev() {
        let update = couplings.from_above(sbn, l, &above);
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
        true => sbn.couplings().from_above(sbn, 0, &layers[1]).means().to_matrix(),
        false => layers[0].to_matrix(),
    }
}

/// Means with given values put in.
fn with_given(means: Matrix, mask: &BitMatrix, values: &Batch) -> Matrix {
    let mut means = Batch::Reals(means);
    means.replace_where(mask, &values.to_matrix().into());
    means.to_matrix()
}

/// Chains of a deep Boltzmann machine, free or with given visible units.
#[derive(Debug)]
pub(crate) struct DbmWalk<'a> {
    dbm: &'a Dbm,
    sampler: gm_dbm::Sampler<'a>,
    chains: gm_dbm::Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

impl<'a> DbmWalk<'a> {
    /// Starts chains anywhere, or where units are given, there.
    pub(crate) fn new(dbm: &'a Dbm, count: usize, clamp: Option<Clamp>, streams: &Streams) -> Self {
        let (sampler, chains) = (dbm.sampler(), dbm.chains(count, streams));
        Self { dbm, sampler, chains, clamp, beta: None, streams: streams.clone() }
    }

    /// The same chains at an inverse temperature; given units are no more given.
    pub(crate) fn heated(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }
}

impl Watched for DbmWalk<'_> {
    fn quantity(&self) -> &'static str {
        "energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let (chains, streams) = (&mut self.chains, &self.streams);
        let info = match (&self.clamp, self.beta) {
            (Some(clamp), _) => self.sampler.run_clamped(chains, clamp, sweeps, streams),
            (None, Some(beta)) => self.sampler.run_tempered(chains, Beta::Same(beta), sweeps, streams),
            (None, None) => self.sampler.run(chains, sweeps, streams),
        };
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.dbm.energy(&self.chains.layers)
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}

impl Chain for DbmWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.chains.layers[0].to_matrix()
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.couplings().mean(self.dbm, 0, &self.chains.layers).to_matrix();
        match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        }
    }
}

/// Chains in the machine on top of a deep belief network, with a pass down for pictures of them.
#[derive(Debug)]
pub(crate) struct DbnWalk<'a> {
    sampler: gm_dbn::Sampler<'a>,
    chains: Chains,
    /// The class that the label units of each chain keep.
    classes: Option<Vec<usize>>,
    visible: BitMatrix,
    streams: Streams,
}

impl<'a> DbnWalk<'a> {
    /// Starts chains anywhere.
    pub(crate) fn new(dbn: &'a Dbn, count: usize, classes: Option<Vec<usize>>, streams: &Streams) -> Self {
        let sampler = dbn.sampler();
        let chains = sampler.chains(count, streams);
        let visible = sampler.descend(&chains, streams).swap_remove(0).narrowed(dbn.visible());
        Self { sampler, chains, classes, visible, streams: streams.clone() }
    }

    fn pass_down(&mut self) {
        let visible = self.visible.units();
        self.visible = self.sampler.descend(&self.chains, &self.streams).swap_remove(0).narrowed(visible);
    }
}

impl Watched for DbnWalk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let info = match &self.classes {
            Some(classes) => self
                .sampler
                .run_with_classes(&mut self.chains, classes, sweeps, &self.streams)
                .expect("classes that were checked"),
            None => self.sampler.run(&mut self.chains, sweeps, &self.streams),
        };
        self.pass_down();
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.top().free_energy(&self.chains.v)
    }

    fn alike(&self) -> bool {
        self.classes.is_none()
    }
}

impl Chain for DbnWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.visible.to_matrix()
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.visible_means(&self.chains, &self.streams).to_matrix();
        means.rows(0, self.visible.units()).into_owned()
    }
}

/// Chains on all layers of a deep belief network with given visible units.
#[derive(Debug)]
pub(crate) struct DbnPosteriorWalk<'a> {
    dbn: &'a Dbn,
    chains: gm_dbn::Posterior,
    clamp: gm_sbn::Clamp,
    values: Batch,
    streams: Streams,
}

impl<'a> DbnPosteriorWalk<'a> {
    /// Starts chains at samples with the given units put in.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a network with label units.
    pub(crate) fn new(dbn: &'a Dbn, clamp: Clamp, streams: &Streams) -> Result<Self> {
        let mut walk = DbnWalk::new(dbn, clamp.values.samples(), None, streams);
        walk.advance(SETTLED)?;
        let mut v = walk.visible;
        v.replace_where(&clamp.mask, clamp.values.bits());
        Ok(Self {
            dbn,
            chains: dbn.posterior_chains(v, streams)?,
            clamp: gm_sbn::Clamp { mask: clamp.mask },
            values: clamp.values,
            streams: streams.clone(),
        })
    }
}

/// Sweeps before samples stand in for units that are not given.
const SETTLED: usize = 100;

impl Watched for DbnPosteriorWalk<'_> {
    fn quantity(&self) -> &'static str {
        "log p of all layers"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        self.dbn.gibbs(&mut self.chains, Some(&self.clamp), sweeps, &self.streams).flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.dbn.log_joint(self.chains.layers(), 0.0)
    }

    fn alike(&self) -> bool {
        false
    }
}

impl Chain for DbnPosteriorWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.chains.layers()[0].to_matrix()
    }

    fn means(&self) -> Matrix {
        let means = self.dbn.visible_means_from_h(&self.chains.layers()[1]).to_matrix();
        with_given(means, &self.clamp.mask, &self.values)
    }
}

/// Chains whose mixing can be watched.
pub(crate) trait Watched: Chain {
    /// What is watched.
    fn quantity(&self) -> &'static str;

    /// Makes sweeps and tells the share of visible units that changed.
    fn run(&mut self, sweeps: usize) -> f64;

    /// What is watched, of each chain.
    fn quantities(&self) -> Vec<f64>;

    /// Whether all chains have the same distribution, so that they can be compared with each other.
    fn alike(&self) -> bool {
        true
    }

    /// Ends whatever is still adapted, before chains are watched.
    fn settle(&mut self) {}

    /// Shares of swaps made between neighbouring temperatures, of chains at several.
    fn swaps(&self) -> Option<Vec<f64>> {
        None
    }

    /// Makes sweeps and watches the chains in the second half of them; no diagnostics for very few sweeps.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for a model whose energy overflows.
    fn run_watched(&mut self, sweeps: usize) -> Result<Option<Diagnostics>> {
        let mut progress = Progress::new("sampling", sweeps as u64);
        let watched = sweeps / 2;
        let interval = watched.div_ceil(LOOKS).max(1);
        let first = sweeps - watched;
        for done in (0..first).step_by(interval) {
            self.run(interval.min(first - done));
            progress.set(done as u64, "");
        }
        self.settle();
        let looks = watched / interval;
        let mut traces = vec![Vec::with_capacity(looks); self.quantities().len()];
        let mut flips = 0.0;
        for look in 0..looks {
            flips += self.run(interval) / looks as f64;
            traces.iter_mut().zip(self.quantities()).for_each(|(trace, value)| trace.push(value));
            progress.set((first + look * interval) as u64, "");
        }
        self.run(watched - looks * interval);
        if looks < FEWEST {
            return Ok(None);
        }
        let times: f64 = traces.iter().map(|trace| autocorrelation_time(trace)).sum();
        let (ess, split_r_hat) = if self.alike() { together(&traces)? } else { apart(&traces)? };
        let swaps = self.swaps();
        Ok(Some(Diagnostics {
            quantity: self.quantity(),
            chains: traces.len(),
            compared: self.alike(),
            sweeps: looks * interval,
            autocorrelation_time: times / traces.len() as f64 * interval as f64,
            ess,
            split_r_hat,
            flips,
            swap_acceptance: swaps.as_ref().map(|shares| shares.iter().sum::<f64>() / shares.len() as f64),
            lowest_swap_acceptance: swaps.map(|shares| shares.into_iter().fold(1.0, f64::min)),
            interval,
            traces,
        }))
    }
}

/// Effective sample size and split R-hat of chains that have the same distribution.
fn together(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    Ok((effective_sample_size(traces)?, split_r_hat(traces)?))
}

/// Effective sample size of chains that each have a distribution of their own, in all, and mean R-hat of their halves.
fn apart(traces: &[Vec<f64>]) -> Result<(f64, f64)> {
    let (mut ess, mut r_hat) = (0.0, 0.0);
    for trace in traces {
        let alone = together(std::slice::from_ref(trace))?;
        ess += alone.0;
        r_hat += alone.1 / traces.len() as f64;
    }
    Ok((ess, r_hat))
}

/// Chains of a restricted Boltzmann machine, free or with given visible units.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rbm: &'a Rbm,
    sampler: Sampler<'a>,
    chains: Chains,
    clamp: Option<Clamp>,
    /// The inverse temperature, if not the model's own.
    beta: Option<f32>,
    streams: Streams,
}

/// How well chains mix, judged by their energies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Diagnostics {
    /// What was watched.
    pub(crate) quantity: &'static str,
    pub(crate) chains: usize,
    /// Whether the chains have the same distribution; if not, each was judged alone.
    pub(crate) compared: bool,
    /// Sweeps over which the chains were watched.
    pub(crate) sweeps: usize,
    /// Sweeps that are worth one independent draw of a chain, on average over chains.
    pub(crate) autocorrelation_time: f64,
    /// Independent draws that all chains together were worth.
    pub(crate) ess: f64,
    pub(crate) split_r_hat: f64,
    /// Share of visible units that a sweep changes.
    pub(crate) flips: f64,
    /// Share of swaps made between neighbouring temperatures, on average, of chains at several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swap_acceptance: Option<f64>,
    /// The same, of the pair with the fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lowest_swap_acceptance: Option<f64>,
    /// Sweeps from one look to the next.
    #[serde(skip)]
    pub(crate) interval: usize,
    /// What was seen at each look, for each chain.
    #[serde(skip)]
    pub(crate) traces: Vec<Vec<f64>>,
}

/// Given units of data as given units of the visible layer.
fn clamp_of_states(rbm: &Rbm, Clamp { mask, values }: Clamp) -> Clamp {
    let free = rbm.classes();
    match values {
        Batch::Bits(bits) => Clamp { mask: mask.widened(free), values: bits.widened(free).into() },
        Batch::Reals(reals) => Clamp { mask, values: rbm.standardised(&reals).into_owned().into() },
    }
}

/// The same given units, with a class for each chain that its label units keep.
fn with_classes(rbm: &Rbm, clamp: Option<Clamp>, classes: &[usize]) -> Clamp {
    let none = || BitMatrix::zeros(rbm.visible(), classes.len());
    let mut clamp = clamp.unwrap_or_else(|| Clamp { mask: none(), values: none().into() });
    for (chain, &chosen) in classes.iter().enumerate() {
        for class in 0..rbm.classes() {
            clamp.mask.set(rbm.row_units() + class, chain, true);
            clamp.values.bits_mut().set(rbm.row_units() + class, chain, class == chosen);
        }
    }
    clamp
}

impl<'a> Walk<'a> {
    /// Starts chains anywhere, of which units of the data may be given.
    pub(crate) fn new(rbm: &'a Rbm, count: usize, clamp: Option<Clamp>, streams: &Streams) -> Self {
        let chains = rbm.chains(count, streams);
        let clamp = clamp.map(|clamp| clamp_of_states(rbm, clamp));
        Self { rbm, sampler: rbm.sampler(), chains, clamp, beta: None, streams: streams.clone() }
    }

    /// The same chains at an inverse temperature; given units are no more given.
    pub(crate) fn heated(self, beta: f32) -> Self {
        Self { clamp: None, beta: Some(beta), ..self }
    }

    /// Gives each chain a class, which its label units keep.
    pub(crate) fn of_classes(mut self, classes: &[usize]) -> Self {
        self.clamp = Some(with_classes(self.rbm, self.clamp.take(), classes));
        self
    }
}

impl Watched for Walk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let (chains, streams) = (&mut self.chains, &self.streams);
        let info = match (&self.clamp, self.beta) {
            (Some(clamp), _) => self.sampler.run_clamped(chains, clamp, sweeps, streams),
            (None, Some(beta)) => self.sampler.run_tempered(chains, Beta::Same(beta), sweeps, streams),
            (None, None) => self.sampler.run(chains, sweeps, streams),
        };
        info.flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.rbm.free_energy(&self.chains.v)
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}

impl Chain for Walk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.rbm.rows_of_states(&self.chains.v.to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.couplings().mean_v_from_h(self.rbm, &self.chains.h).to_matrix();
        self.rbm.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        })
    }
}

/// Chains of a restricted Boltzmann machine at several temperatures, free or with given visible units.
#[derive(Debug)]
pub(crate) struct TemperedWalk<'a> {
    rbm: &'a Rbm,
    sampler: Sampler<'a>,
    replicas: Replicas,
    /// For all replicas.
    clamp: Option<Clamp>,
    /// The chains at the model's own temperature.
    coldest: Chains,
    /// Whether temperatures stay where they are.
    settled: bool,
    streams: Streams,
}

/// Sweeps between two moves of the temperatures, and how far they move.
const MOVE_EVERY: usize = 20;
const MOVE_RATE: f64 = 0.5;

impl<'a> TemperedWalk<'a> {
    /// Starts so many chains at each temperature.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for fewer than two temperatures.
    pub(crate) fn new(
        rbm: &'a Rbm,
        count: usize,
        temperatures: usize,
        (clamp, classes): (Option<Clamp>, Option<&[usize]>),
        streams: &Streams,
    ) -> Result<Self> {
        let clamp = clamp.map(|clamp| clamp_of_states(rbm, clamp));
        let clamp = match classes {
            Some(classes) => Some(with_classes(rbm, clamp, classes)),
            None => clamp,
        };
        let replicas = rbm.replicas(count, temperatures, None, streams)?;
        let copies: Vec<usize> = (0..temperatures * count).map(|replica| replica % count).collect();
        let clamp = clamp.map(|clamp| Clamp { mask: clamp.mask.select(&copies), values: clamp.values.select(&copies) });
        let (sampler, coldest) = (rbm.sampler(), replicas.coldest());
        Ok(Self { rbm, sampler, replicas, clamp, coldest, settled: false, streams: streams.clone() })
    }

    fn sweep(&mut self, sweeps: usize) -> f64 {
        let (replicas, streams) = (&mut self.replicas, &self.streams);
        let info = match &self.clamp {
            Some(clamp) => self.sampler.run_tempering_clamped(replicas, clamp, sweeps, streams),
            None => self.sampler.run_tempering(replicas, sweeps, streams),
        };
        info.flips
    }
}

impl Watched for TemperedWalk<'_> {
    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn run(&mut self, sweeps: usize) -> f64 {
        let mut flips = 0.0;
        for done in (0..sweeps).step_by(MOVE_EVERY) {
            let some = MOVE_EVERY.min(sweeps - done);
            flips += self.sweep(some) * some as f64 / sweeps as f64;
            if !self.settled && some == MOVE_EVERY {
                self.replicas.adapt(MOVE_RATE);
            }
        }
        self.coldest = self.replicas.coldest();
        flips
    }

    fn quantities(&self) -> Vec<f64> {
        self.rbm.free_energy(&self.coldest.v)
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }

    fn settle(&mut self) {
        self.settled = true;
    }

    fn swaps(&self) -> Option<Vec<f64>> {
        Some(self.replicas.acceptance())
    }
}

impl Chain for TemperedWalk<'_> {
    fn advance(&mut self, sweeps: usize) -> Result<()> {
        self.settled = true;
        self.run(sweeps);
        Ok(())
    }

    fn states(&self) -> Matrix {
        self.rbm.rows_of_states(&self.coldest.v.to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.couplings().mean_v_from_h(self.rbm, &self.coldest.h).to_matrix();
        // The given values of the coldest chains are those of the first replicas.
        let first: Vec<usize> = (0..means.ncols()).collect();
        self.rbm.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask.select(&first), &clamp.values.select(&first)),
            None => means,
        })
    }
}

impl Diagnostics {
    /// A line for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} chains watched for {} sweeps: autocorrelation time {:.0} sweeps, {:.0} independent draws, split R-hat {:.3}, \
             {:.1} % of units change per sweep",
            self.chains,
            self.sweeps,
            self.autocorrelation_time,
            self.ess,
            self.split_r_hat,
            100.0 * self.flips
        );
        if !self.compared {
            text += "; each chain by itself, since each has other values given";
        }
        if let (Some(mean), Some(lowest)) = (self.swap_acceptance, self.lowest_swap_acceptance) {
            let (mean, lowest) = (100.0 * mean, 100.0 * lowest);
            text += &format!("; {mean:.0} % of swaps between temperatures made, {lowest:.0} % at least");
        }
        text + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Stack, Vector};

    #[test]
    fn table_states_of_a_belief_network_are_those_after_the_sweeps() {
        // The machine has its lower units all on or all off, and each visible unit copies one of them.
        let weights = vec![Matrix::from_diagonal_element(4, 4, 40.0), Matrix::from_element(4, 4, 6.0)];
        let biases = [-20.0, -12.0, -12.0].map(|bias| Vector::from_element(4, bias));
        let dbn = Dbn::new(Stack::new(weights, biases.into()).unwrap(), None).unwrap();
        let mut walk = DbnWalk::new(&dbn, 100, None, &Streams::new(1));
        let low = |walk: &DbnWalk<'_>| walk.visible.ones_per_sample().iter().filter(|&&on| on == 0).count();
        assert_eq!(low(&walk), 100, "chains begin at the biases alone");
        walk.chains.v = BitMatrix::from_fn(4, 100, |_, _| true).into();
        walk.chains.h = BitMatrix::from_fn(4, 100, |_, _| true);
        walk.run(3);
        let all = walk.visible.ones_per_sample().iter().filter(|&&on| on == 4).count();
        assert!(all > 90, "{all} of 100 chains show what they hold");
        assert_eq!(walk.means().map(f32::round), walk.states());
    }
}
