//! Samples of a model of any kind, with diagnostics of the chains that drew them.

use std::ops::Range;

use gm_core::{Clamp, Matrix, Progress, Purpose, Streams, Watch};

use crate::chains::{ChainSettings, Diagnostics, PART, SampleSource, chains_of, independent_samples};
use crate::error::{Error, Result, tell};
use crate::model::Model;
use crate::share::Share;

/// How samples are drawn.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleSettings, sample};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let settings = SampleSettings { count: 25, chains: Some(10), thin: Some(3), ..SampleSettings::default() };
/// let samples = sample(&model, &settings, &Streams::new(1), &mut unwatched)?;
/// assert_eq!(samples.values.shape(), (4, 25));
/// assert_eq!((samples.report.chains, samples.report.steps, samples.report.thin), (Some(10), Some(1_000), Some(3)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SampleSettings {
    /// Number of samples.
    pub count: usize,
    /// Whether samples are means of the visible units given the layer above, rather than states.
    pub means: bool,
    /// Number of chains; one for each sample by default.
    pub chains: Option<usize>,
    /// Sweeps of each chain before its first sample; 1,000 by default, 100 for an SBN and for a DBN with given units.
    pub steps: Option<usize>,
    /// Sweeps between two samples of a chain; 100 by default.
    pub thin: Option<usize>,
    /// Number of shards: chains, or draws of an SBN, are divided among them, and each has random numbers of its own, so that
    /// samples depend on it; 1 by default.
    pub shards: usize,
    /// The method of the chains, and given units.
    pub start: ChainSettings,
}

impl Default for SampleSettings {
    /// 100 states of 100 free chains.
    fn default() -> Self {
        let start = ChainSettings::default();
        Self { count: 100, means: false, chains: None, steps: None, thin: None, shards: 1, start }
    }
}

impl SampleSettings {
    /// The number of chains that draw the samples.
    #[must_use]
    pub fn chain_count(&self) -> usize {
        self.chains.unwrap_or(self.count).min(self.count)
    }
}

/// How samples came about.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleSettings, sample};
///
/// let model = Model::Sbn(gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?);
/// let report = sample(&model, &SampleSettings::default(), &Streams::new(1), &mut unwatched)?.report;
/// assert_eq!((report.method, report.chains, report.diagnostics), ("ancestral sampling", None, None));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SampleReport {
    /// The name of the method.
    pub method: &'static str,
    /// Number of chains; absent for independent samples.
    pub chains: Option<usize>,
    /// Sweeps of each chain before its first sample; absent for independent samples.
    pub steps: Option<usize>,
    /// Sweeps between two samples of a chain; absent for independent samples.
    pub thin: Option<usize>,
    /// How well the chains mixed before their first samples; absent for independent samples and for fewer than 16
    /// sweeps.
    pub diagnostics: Option<Diagnostics>,
}

/// Samples of a model.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleSettings, sample};
///
/// let model = Model::Dbn(gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?);
/// let settings = SampleSettings { means: true, ..SampleSettings::default() };
/// let samples = sample(&model, &settings, &Streams::new(1), &mut unwatched)?;
/// assert!(samples.values.iter().all(|&mean| mean == 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Samples {
    /// The samples as rows of data, `[units, samples]`.
    pub values: Matrix,
    /// How they came about.
    pub report: SampleReport,
}

/// Draws samples of a model.
///
/// [`Sampling`] does the same step by step, for samples that do not fit into memory.
///
/// # Errors
///
/// The errors of [`Sampling::new`], [`gm_core::Error::NonFinite`] for a model whose energy overflows,
/// [`gm_core::Error::Interrupted`] if `watch` breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleSettings, sample};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let samples = sample(&model, &SampleSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert_eq!((samples.values.shape(), samples.report.method), ((4, 100), "block Gibbs sampling"));
/// assert!(samples.report.diagnostics.is_some_and(|found| found.mixed()));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn sample(model: &Model, settings: &SampleSettings, streams: &Streams, watch: Watch<'_>) -> Result<Samples> {
    let mut sampling = Sampling::new(model, settings, streams)?;
    sampling.burn_in(watch)?;
    let mut all = Vec::with_capacity(model.visible() * settings.count);
    sampling.draw(watch, &mut |values: &Matrix| {
        all.extend_from_slice(values.as_slice());
        Ok::<(), Error>(())
    })?;
    let values = Matrix::from_vec(model.visible(), settings.count, all);
    Ok(Samples { values, report: sampling.into_report() })
}

/// The drawing of samples in two steps, which hands samples over as soon as they are drawn.
///
/// With several shards it can be divided among processes, each of which draws a [`part`](Self::part).
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Streams, unwatched};
/// use gm_eval::{Model, SampleSettings, Sampling};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let settings = SampleSettings { count: 25, chains: Some(10), ..SampleSettings::default() };
/// let mut sampling = Sampling::new(&model, &settings, &Streams::new(1))?;
/// sampling.burn_in(&mut unwatched)?;
/// let mut drawn = vec![];
/// sampling.draw(&mut unwatched, &mut |values: &Matrix| {
///     drawn.push(values.ncols());
///     Ok::<(), gm_eval::Error>(())
/// })?;
/// assert_eq!(drawn, [10, 10, 5]);
/// assert_eq!(sampling.into_report().chains, Some(10));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct Sampling<'a> {
    shards: Vec<Shard<'a>>,
    settings: &'a SampleSettings,
    report: SampleReport,
    /// How well the chains of each shard mix.
    watched: Vec<Diagnostics>,
}

/// A shard that this process draws.
#[derive(Debug)]
struct Shard<'a> {
    number: usize,
    source: SampleSource<'a>,
    streams: Streams,
}

/// Independent samples that are drawn together.
const TOGETHER: usize = 10_000;

impl<'a> Sampling<'a> {
    /// Starts the chains that suit the model.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for settings that do not fit the model or each other, and the errors of [`chains_of`].
    pub fn new(model: &'a Model, settings: &'a SampleSettings, streams: &Streams) -> Result<Self> {
        Self::part(model, settings, Share::WHOLE, streams)
    }

    /// Starts the chains of some shards alone. Their samples stand between those of the other parts, round by round.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`Error::Setting`] for fewer shards than parts.
    pub fn part(model: &'a Model, settings: &'a SampleSettings, share: Share, streams: &Streams) -> Result<Self> {
        if settings.count == 0 {
            return Err(Error::setting("sample", "count", 0, "1 or more"));
        }
        let (chains, shards) = (settings.chain_count(), settings.shards);
        if shards < share.of || shards > chains {
            let allowed = format!("{} to {chains}, so that each part has shards and each shard has chains", share.of);
            return Err(Error::setting("sample", "shards", shards, allowed));
        }
        let start = |number| {
            let streams = if shards == 1 { streams.clone() } else { streams.fork(Purpose::Shard, number as u64) };
            let own = settings.range(number, chains);
            let source = chains_of(model, own.len(), &settings.start_of(own)?, &streams)?;
            Ok(Shard { number, source, streams })
        };
        let shards = share.shards(shards).map(start).collect::<Result<Vec<_>>>()?;
        let short = matches!((model, &settings.start.clamp), (Model::Sbn(_), _) | (Model::Dbn(_), Some(_)));
        let report = match &shards[0].source {
            SampleSource::Chains(started) => SampleReport {
                method: started.method(),
                chains: Some(chains),
                steps: Some(settings.steps.unwrap_or(if short { 100 } else { 1_000 })),
                thin: Some(settings.thin.unwrap_or(100)),
                diagnostics: None,
            },
            SampleSource::Independent(_) => {
                settings.refuse_chains()?;
                let method = "ancestral sampling";
                SampleReport { method, chains: None, steps: None, thin: None, diagnostics: None }
            }
        };
        Ok(Self { shards, settings, report, watched: vec![] })
    }

    /// Makes the sweeps before the first samples, and watches the chains during the second half. Independent samples
    /// need none.
    ///
    /// # Errors
    ///
    /// The errors of [`ModelChains::advance_watched`](crate::ModelChains::advance_watched).
    pub fn burn_in(&mut self, watch: Watch<'_>) -> Result<()> {
        let Some(steps) = self.report.steps else { return Ok(()) };
        let count = self.shards.len();
        self.watched.clear();
        for (done, shard) in self.shards.iter_mut().enumerate() {
            let SampleSource::Chains(chains) = &mut shard.source else { continue };
            let mut within = |progress: Progress| {
                watch(Progress { done: done * progress.total + progress.done, total: count * progress.total })
            };
            self.watched.extend(chains.advance_watched(steps, &mut within)?);
        }
        self.diagnose(self.watched.clone())
    }

    /// How well the chains of each shard of this part mix, after [`burn_in`](Self::burn_in).
    #[must_use]
    pub fn watched(&self) -> &[Diagnostics] {
        &self.watched
    }

    /// Replaces the diagnostics of a part by those of the shards of all parts, in order.
    ///
    /// # Errors
    ///
    /// The errors of [`Diagnostics::joined`].
    pub fn diagnose(&mut self, shards: Vec<Diagnostics>) -> Result<()> {
        self.report.diagnostics = Diagnostics::joined(shards)?;
        Ok(())
    }

    /// How the samples come about, with diagnostics after [`burn_in`](Self::burn_in).
    #[must_use]
    pub fn report(&self) -> &SampleReport {
        &self.report
    }

    /// The report, by value.
    #[must_use]
    pub fn into_report(self) -> SampleReport {
        self.report
    }

    /// Draws the samples and hands them over in the order in which they are drawn, `[units, some samples]`. A part hands
    /// over its samples of each round, possibly none in the last one.
    ///
    /// # Errors
    ///
    /// The errors of `each`, and [`gm_core::Error::Interrupted`] if `watch` breaks.
    pub fn draw<E: From<Error>>(
        &mut self,
        watch: Watch<'_>,
        each: &mut dyn FnMut(&Matrix) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let SampleSettings { count, .. } = *self.settings;
        let together = self.report.chains.unwrap_or(TOGETHER);
        let thin = self.report.thin.unwrap_or_default();
        for (round, first) in (0..count).step_by(together).enumerate() {
            let taken = together.min(count - first);
            let mut drawn = Vec::with_capacity(self.shards.len());
            for shard in &mut self.shards {
                if let (SampleSource::Chains(chains), 1..) = (&mut shard.source, round) {
                    for made in (0..thin).step_by(PART) {
                        chains.advance(PART.min(thin - made));
                        tell(watch, "sample", (first, count))?;
                    }
                }
                drawn.push(shard.drawn(self.settings, round, taken));
            }
            each(&side_by_side(drawn))?;
            tell(watch, "sample", (first + taken, count))?;
        }
        Ok(())
    }
}

impl Shard<'_> {
    /// The samples of a round of `taken` samples that belong to the shard.
    fn drawn(&self, settings: &SampleSettings, round: usize, taken: usize) -> Matrix {
        match &self.source {
            SampleSource::Independent(sbn) => {
                let own = settings.range(self.number, taken).len();
                let fork = || self.streams.fork(Purpose::Choose, round as u64);
                let streams = if round == 0 { self.streams.clone() } else { fork() };
                independent_samples(sbn, own, settings.means, &streams)
            }
            SampleSource::Chains(chains) => {
                let drawn = if settings.means { chains.means() } else { chains.states() };
                let own = taken.saturating_sub(settings.range(self.number, settings.chain_count()).start);
                if own < drawn.ncols() { drawn.columns(0, own).into_owned() } else { drawn }
            }
        }
    }
}

/// Matrices beside each other.
fn side_by_side(mut parts: Vec<Matrix>) -> Matrix {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let (rows, columns) = (parts[0].nrows(), parts.iter().map(Matrix::ncols).sum());
    Matrix::from_vec(rows, columns, parts.iter().flat_map(|part| part.as_slice().iter().copied()).collect())
}

impl SampleSettings {
    /// The pieces of a total that belong to a shard.
    fn range(&self, shard: usize, total: usize) -> Range<usize> {
        shard * total / self.shards..(shard + 1) * total / self.shards
    }

    /// The settings of some of the chains.
    fn start_of(&self, own: Range<usize>) -> Result<ChainSettings> {
        if self.shards == 1 {
            return Ok(self.start.clone());
        }
        let (chains, start) = (self.chain_count(), &self.start);
        let own: Vec<usize> = own.collect();
        let clamp = match &start.clamp {
            Some(clamp) if clamp.values.samples() != chains || clamp.mask.samples() != chains => {
                let (values, masks) = (clamp.values.samples(), clamp.mask.samples());
                let value = format!("{values} samples with {masks} masks");
                return Err(Error::setting("sample", "clamp", value, format!("{chains}, one for each chain")));
            }
            Some(clamp) => Some(Clamp { mask: clamp.mask.select(&own), values: clamp.values.select(&own) }),
            None => None,
        };
        let of_own = |classes: &Vec<usize>| match classes.len() {
            0 => vec![],
            length => own.iter().map(|chain| classes[chain % length]).collect(),
        };
        Ok(ChainSettings { clamp, classes: start.classes.as_ref().map(of_own), ..start.clone() })
    }

    /// Refuses settings of chains for independent samples.
    fn refuse_chains(&self) -> Result<()> {
        let given = [("steps", self.steps), ("thin", self.thin), ("chains", self.chains)];
        match given.into_iter().find_map(|(arg, given)| Some((arg, given?))) {
            Some((arg, given)) => {
                let allowed = "none for an sbn without `clamp`, whose samples are independent";
                Err(Error::setting("sample", arg, given, allowed))
            }
            None => Ok(()),
        }
    }
}
