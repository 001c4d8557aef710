//! Samples of SBNs: independent samples from the top layer down, and chains with given visible units.

use std::fmt;
use std::str::FromStr;

use gm_core::{Chains, Clamp, Error as CoreError, Matrix, Purpose, StepInfo, Streams, VisibleKind};
use gm_sbn::{Sampler, Sbn};

use super::ModelChains;
use super::given::{check_clamp, with_given};
use crate::error::{Error, Result};

/// How the hidden units of an SBN are drawn given visible units.
///
/// Written `importance` or `gibbs`.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_eval::SbnKernel;
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?; // without a recognition net
/// assert_eq!(SbnKernel::usual(&sbn), "gibbs".parse()?);
/// assert_eq!(SbnKernel::Gibbs.method(), "single-site Gibbs sampling");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SbnKernel {
    /// All at once, among draws of the recognition net with importance weights.
    Importance,
    /// One at a time, given all others.
    Gibbs,
}

impl SbnKernel {
    /// Both kernels.
    pub const ALL: [Self; 2] = [Self::Importance, Self::Gibbs];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Importance => "importance",
            Self::Gibbs => "gibbs",
        }
    }

    /// A line of help.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Importance => "All at once, among draws of the recognition net with importance weights",
            Self::Gibbs => "One at a time, given all others",
        }
    }

    /// The kernel that suits a model.
    #[must_use]
    pub fn usual(sbn: &Sbn) -> Self {
        if sbn.recognition().is_some() { Self::Importance } else { Self::Gibbs }
    }

    /// The name in reports.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Importance => "importance resampling",
            Self::Gibbs => "single-site Gibbs sampling",
        }
    }
}

impl fmt::Display for SbnKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SbnKernel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.as_str() == text);
        Ok(found.ok_or_else(|| CoreError::unknown("kernel", text, &Self::ALL.map(Self::as_str)))?)
    }
}

/// Draws of the recognition net from which a sweep chooses.
pub(crate) const PROPOSALS: usize = 20;

/// Chains of an SBN with given visible units.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Clamp, Stack, Streams};
/// use gm_eval::{ModelChains, SbnChains, SbnKernel};
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let first = BitMatrix::from_fn(4, 10, |unit, _| unit == 0);
/// let clamp = Clamp { mask: first.clone(), values: first.into() };
/// let mut chains = SbnChains::new(&sbn, clamp, SbnKernel::Gibbs, &Streams::new(1))?;
/// chains.advance(5);
/// assert_eq!((chains.means()[(0, 3)], chains.means()[(1, 3)]), (1.0, 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct SbnChains {
    sampler: Sampler,
    chains: Chains,
    clamp: Clamp,
    kernel: SbnKernel,
    streams: Streams,
}

impl SbnChains {
    /// Starts chains in ancestral samples, with the given values put in.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for importance resampling without a recognition net, [`gm_core::Error::Shape`] for a clamp of
    /// other units, [`gm_core::Error::Param`] for values that are not zeros and ones.
    pub fn new(sbn: &Sbn, clamp: Clamp, kernel: SbnKernel, streams: &Streams) -> Result<Self> {
        const OP: &str = "SbnChains::new";
        if kernel == SbnKernel::Importance && sbn.recognition().is_none() {
            return Err(Error::setting(OP, "method", kernel, "gibbs for a model without a recognition net"));
        }
        check_clamp(OP, &clamp, (VisibleKind::Bernoulli, sbn.visible()), clamp.values.samples())?;
        let mut v = sbn.sample(clamp.values.samples(), &streams.fork(Purpose::Start, 1)).remove(0);
        v.replace_where(&clamp.mask, clamp.values.bits());
        Ok(Self {
            sampler: sbn.sampler(),
            chains: sbn.posterior_chains(v, streams)?,
            clamp,
            kernel,
            streams: streams.clone(),
        })
    }
}

impl ModelChains for SbnChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let (sbn, chains, clamp) = (self.sampler.model(), &mut self.chains, Some(&self.clamp));
        match self.kernel {
            SbnKernel::Importance => sbn
                .resample(chains, clamp, (sweeps, PROPOSALS), &self.streams)
                .expect("`new` has found the recognition net"),
            SbnKernel::Gibbs => sbn.gibbs(chains, clamp, sweeps, &self.streams),
        }
    }

    fn states(&self) -> Matrix {
        self.chains.layers[0].to_matrix()
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.chains).to_matrix();
        with_given(means, &self.clamp.mask, &self.clamp.values)
    }

    fn method(&self) -> &'static str {
        self.kernel.method()
    }

    fn quantity(&self) -> &'static str {
        "log p of all layers"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.model().log_joint(&self.chains.layers)
    }

    fn alike(&self) -> bool {
        false
    }
}

/// Samples of an SBN that share states of the top layer, `[visible, tops * draws]`: the draws of one state follow each
/// other.
///
/// These are means of the visible units given the first hidden layer and, where the visible layer has weights within it, drawn
/// units before them. With one hidden layer nothing is left to draw between the two, so that these are visible states. Without
/// hidden layers there is no top layer and no sample.
///
/// # Randomness
///
/// The samples of [`Sbn::sample`] for the top layer, families of [`Purpose::Layer`] of family 2 of [`Purpose::Start`]
/// below it.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Streams, Vector};
/// use gm_eval::samples_below_tops;
///
/// // Each visible unit copies the hidden unit.
/// let weights = vec![Matrix::from_element(2, 1, 40.0)];
/// let stack = Stack::new(weights, vec![Vector::from_element(2, -20.0), Vector::zeros(1)])?;
/// let sbn = gm_sbn::Sbn::new(stack, None)?;
/// let samples = samples_below_tops(&sbn, (5, 3), &Streams::new(1));
/// assert_eq!((samples.shape(), samples.column(0)), ((2, 15), samples.column(2)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[must_use]
pub fn samples_below_tops(sbn: &Sbn, (tops, draws): (usize, usize), streams: &Streams) -> Matrix {
    let (sampler, top) = (sbn.sampler(), sbn.depth());
    if top == 0 {
        return Matrix::zeros(sbn.visible(), 0);
    }
    let copies: Vec<usize> = (0..tops * draws).map(|i| i / draws).collect();
    let mut above = sbn.sample(tops, streams).swap_remove(top).select(&copies);
    let family = streams.fork(Purpose::Start, 2);
    for l in (0..top).rev() {
        let family = family.fork(Purpose::Layer, l as u64);
        if l == 0 && top > 1 {
            return sampler.draw_visible(&above, &family).1.to_matrix();
        }
        above = sampler.draw_below(l, &above, &family);
    }
    above.to_matrix()
}

/// Independent samples of an SBN, or means of the visible units given the drawn layer above, `[visible, samples]`. In a visible
/// layer with weights within it, a unit has its mean given the drawn units before it as well.
///
/// # Randomness
///
/// The draws of [`Sbn::sample`].
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::independent_samples;
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let means = independent_samples(&sbn, 10, true, &Streams::new(1));
/// assert!(means.shape() == (4, 10) && means.iter().all(|&mean| mean == 0.5));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[must_use]
pub fn independent_samples(sbn: &Sbn, count: usize, means: bool, streams: &Streams) -> Matrix {
    let layers = sbn.sample(count, streams);
    match means {
        true => sbn.sampler().visible_means(&layers).to_matrix(),
        false => layers[0].to_matrix(),
    }
}
