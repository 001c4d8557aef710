//! The chains that suit a model and the units that are given.

use std::fmt;
use std::str::FromStr;

use gm_core::{Clamp, Error as CoreError, Streams};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_harmonium::Harmonium;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use super::rbm::check_known;
use super::{
    DbmChains, DbnChains, DbnPosteriorChains, HarmoniumChains, ModelChains, RbmChains, SbnChains, SbnKernel,
    TemperedChains, TemperedHarmoniumChains,
};
use crate::error::{Error, Result};
use crate::model::Model;

/// How states are drawn.
///
/// Written `gibbs`, `tempering` or `importance`.
///
/// # Examples
///
/// ```
/// use gm_eval::ChainMethod;
///
/// assert_eq!("tempering".parse::<ChainMethod>()?, ChainMethod::Tempering);
/// assert_eq!(ChainMethod::ALL.map(ChainMethod::as_str), ["gibbs", "tempering", "importance"]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainMethod {
    /// Block Gibbs sampling; single-site Gibbs sampling of an SBN.
    Gibbs,
    /// Parallel tempering of an RBM.
    Tempering,
    /// Importance resampling of draws of the recognition net, of an SBN with given visible units.
    Importance,
}

impl ChainMethod {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::Gibbs, Self::Tempering, Self::Importance];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gibbs => "gibbs",
            Self::Tempering => "tempering",
            Self::Importance => "importance",
        }
    }

    /// A line of help.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Gibbs => "Block Gibbs sampling; unit by unit in a sigmoid belief net",
            Self::Tempering => "Parallel tempering, of a restricted Boltzmann machine",
            Self::Importance => {
                "Importance resampling of draws of the recognition net, of a sigmoid belief net with `clamp`"
            }
        }
    }
}

impl fmt::Display for ChainMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChainMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|method| method.as_str() == text);
        Ok(found.ok_or_else(|| CoreError::unknown("method", text, &Self::ALL.map(Self::as_str)))?)
    }
}

impl From<SbnKernel> for ChainMethod {
    fn from(kernel: SbnKernel) -> Self {
        match kernel {
            SbnKernel::Importance => Self::Importance,
            SbnKernel::Gibbs => Self::Gibbs,
        }
    }
}

/// What chains are started with. By default they are free, and drawn by the method that suits the model.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::{ChainMethod, ChainSettings, Model, SampleSource, chains_of};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let settings = ChainSettings { method: Some(ChainMethod::Tempering), ..ChainSettings::default() };
/// let SampleSource::Chains(chains) = chains_of(&model, 10, &settings, &Streams::new(1))? else { unreachable!() };
/// assert_eq!(chains.method(), "parallel tempering");
/// let wrong = ChainSettings { beta: Some(2.0), ..ChainSettings::default() };
/// let error = chains_of(&model, 10, &wrong, &Streams::new(1)).unwrap_err();
/// assert_eq!(error.to_string(), "chains_of: `beta` is 2, allowed: 0 to 1");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChainSettings {
    /// How states are drawn. The default is Gibbs sampling, and [`SbnKernel::usual`] for an SBN with given units.
    pub method: Option<ChainMethod>,
    /// Visible units that keep given values of rows of data, `[units, chains]`.
    pub clamp: Option<Clamp>,
    /// Classes that the label units keep, given to the chains in turn.
    pub classes: Option<Vec<usize>>,
    /// The inverse temperature of free chains of an RBM or DBM: 1 is the model, 0 is noise.
    pub beta: Option<f32>,
    /// Number of temperatures of parallel tempering; 10 by default.
    pub temperatures: Option<usize>,
}

/// How samples of a model come about.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::{ChainSettings, Model, SampleSource, chains_of};
///
/// let model = Model::Sbn(gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?);
/// let source = chains_of(&model, 10, &ChainSettings::default(), &Streams::new(1))?;
/// assert!(matches!(source, SampleSource::Independent(_)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub enum SampleSource<'a> {
    /// By Markov chains.
    Chains(Box<dyn ModelChains>),
    /// From the top layer of an SBN down, so that samples are independent.
    Independent(&'a Sbn),
}

/// Number of temperatures of parallel tempering by default.
const TEMPERATURES: usize = 10;

/// Starts `count` chains of a model. A free SBN has no chains, because its samples are independent.
///
/// # Errors
///
/// [`Error::Setting`] for settings that do not fit the model or each other, and the errors of the chains' constructors.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack, Streams};
/// use gm_eval::{ChainSettings, Model, SampleSource, chains_of};
///
/// for kind in [ModelKind::Dbm, ModelKind::Dbn] {
///     let model = Model::from_data(ModelData::from_stack(kind, Stack::zeros(&[4, 3, 2])?)?)?;
///     let source = chains_of(&model, 10, &ChainSettings::default(), &Streams::new(1))?;
///     let SampleSource::Chains(mut chains) = source else { unreachable!() };
///     chains.advance(5);
///     assert_eq!(chains.states().shape(), (4, 10));
/// }
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn chains_of<'a>(
    model: &'a Model,
    count: usize,
    settings: &ChainSettings,
    streams: &Streams,
) -> Result<SampleSource<'a>> {
    settings.check(model)?;
    let chains: Box<dyn ModelChains> = match (model, &settings.clamp) {
        (Model::Rbm(rbm), _) => of_rbm(rbm, count, settings, streams)?,
        (Model::Dbm(dbm), _) => Box::new(of_dbm(dbm, count, settings, streams)?),
        (Model::Dbn(dbn), _) => of_dbn(dbn, count, settings, streams)?,
        (Model::Harmonium(model), _) => of_harmonium(model, count, settings, streams)?,
        (Model::Sbn(sbn), None) => return Ok(SampleSource::Independent(sbn)),
        (Model::Sbn(sbn), Some(clamp)) => {
            let kernel = match settings.method {
                None => SbnKernel::usual(sbn),
                Some(ChainMethod::Importance) => SbnKernel::Importance,
                Some(_) => SbnKernel::Gibbs,
            };
            Box::new(SbnChains::new(sbn, clamp.clone(), kernel, streams)?)
        }
    };
    Ok(SampleSource::Chains(chains))
}

fn of_rbm(rbm: &Rbm, count: usize, settings: &ChainSettings, streams: &Streams) -> Result<Box<dyn ModelChains>> {
    let (clamp, classes) = (settings.clamp.clone(), settings.classes_of(count));
    if settings.method == Some(ChainMethod::Tempering) {
        let temperatures = settings.temperatures.unwrap_or(TEMPERATURES);
        return Ok(Box::new(TemperedChains::new(rbm, count, temperatures, streams)?.given(clamp, classes.as_deref())?));
    }
    let mut chains = RbmChains::new(rbm, count, streams);
    if let Some(clamp) = clamp {
        chains = chains.clamped(clamp)?;
    }
    if let Some(classes) = classes {
        chains = chains.of_classes(&classes)?;
    }
    Ok(Box::new(match settings.beta {
        Some(beta) => chains.at_beta(beta),
        None => chains,
    }))
}

fn of_dbm(dbm: &Dbm, count: usize, settings: &ChainSettings, streams: &Streams) -> Result<DbmChains> {
    let chains = DbmChains::new(dbm, count, streams);
    match (settings.clamp.clone(), settings.beta) {
        (Some(clamp), _) => chains.clamped(clamp),
        (None, Some(beta)) => Ok(chains.at_beta(beta)),
        (None, None) => Ok(chains),
    }
}

fn of_dbn(dbn: &Dbn, count: usize, settings: &ChainSettings, streams: &Streams) -> Result<Box<dyn ModelChains>> {
    Ok(match (&settings.clamp, settings.classes_of(count)) {
        (Some(clamp), _) => Box::new(DbnPosteriorChains::new(dbn, clamp.clone(), streams)?),
        (None, Some(classes)) => Box::new(DbnChains::new(dbn, count, streams).of_classes(&classes)?),
        (None, None) => Box::new(DbnChains::new(dbn, count, streams)),
    })
}

fn of_harmonium(
    model: &Harmonium,
    count: usize,
    settings: &ChainSettings,
    streams: &Streams,
) -> Result<Box<dyn ModelChains>> {
    Ok(match (settings.method, settings.clamp.clone()) {
        (Some(ChainMethod::Tempering), _) => {
            let temperatures = settings.temperatures.unwrap_or(TEMPERATURES);
            Box::new(TemperedHarmoniumChains::new(model, count, temperatures, streams)?)
        }
        (_, Some(clamp)) => Box::new(HarmoniumChains::new(model, count, streams).clamped(clamp)?),
        (_, None) => Box::new(HarmoniumChains::new(model, count, streams)),
    })
}

impl ChainSettings {
    /// Refuses settings that do not fit a model or each other.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`].
    pub fn check(&self, model: &Model) -> Result<()> {
        const OP: &str = "chains_of";
        if let (Some(classes), 0) = (&self.classes, model.classes()) {
            let class = classes.first().map_or_else(String::new, ToString::to_string);
            return Err(Error::setting(OP, "classes", class, "a model with label units"));
        }
        if let Some(classes) = &self.classes {
            if classes.is_empty() {
                return Err(Error::setting(OP, "classes", "an empty list", "one class or more"));
            }
            check_known(OP, classes, model.classes())?;
        }
        if let Some(temperatures) = self.temperatures.filter(|_| self.method != Some(ChainMethod::Tempering)) {
            return Err(Error::needs(OP, "temperatures", temperatures, "`method` tempering"));
        }
        self.check_beta(model)?;
        self.check_method(model)?;
        if self.classes.is_some() && self.clamp.is_some() && matches!(model, Model::Dbn(_)) {
            return Err(Error::setting(OP, "classes", "given", "none together with `clamp`"));
        }
        Ok(())
    }

    /// A class for each chain.
    fn classes_of(&self, chains: usize) -> Option<Vec<usize>> {
        Some(self.classes.as_ref()?.iter().copied().cycle().take(chains).collect())
    }

    fn check_beta(&self, model: &Model) -> Result<()> {
        let Some(beta) = self.beta else { return Ok(()) };
        let refused = |allowed: &str| Err(Error::setting("chains_of", "beta", beta, allowed));
        if !matches!(model, Model::Rbm(_) | Model::Dbm(_)) {
            return refused(&format!("none for {}", model.kind().noun()));
        }
        if !(0.0..=1.0).contains(&beta) {
            return refused("0 to 1");
        }
        if self.clamp.is_some() || self.classes.is_some() || self.method == Some(ChainMethod::Tempering) {
            return refused("none together with `clamp`, `classes` or `method` tempering");
        }
        Ok(())
    }

    fn check_method(&self, model: &Model) -> Result<()> {
        let Some(method) = self.method else { return Ok(()) };
        let (known, allowed): (&[ChainMethod], _) = match (model, &self.clamp) {
            (Model::Rbm(_), _) => (&[ChainMethod::Gibbs, ChainMethod::Tempering], "gibbs or tempering for an rbm"),
            (Model::Dbm(_), _) => (&[ChainMethod::Gibbs], "gibbs for a dbm"),
            (Model::Dbn(_), _) => (&[ChainMethod::Gibbs], "gibbs for a dbn"),
            (Model::Harmonium(_), None) => {
                (&[ChainMethod::Gibbs, ChainMethod::Tempering], "gibbs or tempering for a harmonium")
            }
            (Model::Harmonium(_), Some(_)) => (&[ChainMethod::Gibbs], "gibbs for a harmonium with `clamp`"),
            (Model::Sbn(_), None) => (&[], "none for an sbn without `clamp`, whose samples are independent"),
            (Model::Sbn(_), Some(_)) => {
                (&[ChainMethod::Gibbs, ChainMethod::Importance], "gibbs or importance for an sbn")
            }
        };
        if known.contains(&method) { Ok(()) } else { Err(Error::setting("chains_of", "method", method, allowed)) }
    }
}
