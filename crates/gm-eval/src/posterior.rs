//! Posterior means of the hidden units, by every method that a model has.

use std::fmt;
use std::str::FromStr;

use gm_core::{Batch, BitMatrix, Error as CoreError, Matrix, Streams, Watch, mean};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_sbn::{MeanFieldSettings, Sbn};

use crate::error::{Error, Result, tell};
use crate::model::Model;

/// A way to the posterior of the hidden units.
///
/// Written `recognition`, `importance`, `gibbs`, `mean-field` or `exact`.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_eval::{Model, PosteriorMethod};
///
/// let dbm = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// assert_eq!(PosteriorMethod::usual(&dbm), "mean-field".parse()?);
/// let error = PosteriorMethod::Recognition.check(&dbm).unwrap_err().to_string();
/// assert!(error.ends_with("allowed: mean-field, gibbs or exact for a dbm"));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorMethod {
    /// The mean of draws of the recognition net. For a DBN, the means of one pass up.
    Recognition,
    /// The weighted mean of draws of the recognition net of an SBN.
    Importance,
    /// The mean over Gibbs sweeps of a chain for each row.
    Gibbs,
    /// The factorial distribution with the best bound on log p.
    MeanField,
    /// Enumeration. For an RBM, whose posterior is factorial, the formula.
    Exact,
}

/// Hidden units of an SBN up to which enumeration is the usual method.
const ENUMERATED: usize = 12;

impl PosteriorMethod {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Recognition, Self::Importance, Self::Gibbs, Self::MeanField, Self::Exact];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recognition => "recognition",
            Self::Importance => "importance",
            Self::Gibbs => "gibbs",
            Self::MeanField => "mean-field",
            Self::Exact => "exact",
        }
    }

    /// A line of help.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Recognition => "Draws of the recognition net as they come",
            Self::Importance => "Draws of the recognition net with importance weights",
            Self::Gibbs => "Single-site Gibbs sampling",
            Self::MeanField => "Independent hidden units, fitted to the posterior",
            Self::Exact => "Enumeration of up to 24 hidden units",
        }
    }

    /// The method that suits a model.
    #[must_use]
    pub fn usual(model: &Model) -> Self {
        match model {
            Model::Rbm(_) | Model::Harmonium(_) => Self::Exact,
            Model::Dbm(_) => Self::MeanField,
            Model::Dbn(_) => Self::Recognition,
            Model::Sbn(sbn) if sbn.hidden() <= ENUMERATED => Self::Exact,
            Model::Sbn(sbn) if sbn.recognition().is_some() => Self::Importance,
            Model::Sbn(_) => Self::Gibbs,
        }
    }

    /// Whether the method takes draws of the recognition net of an SBN.
    #[must_use]
    pub fn draws(self) -> bool {
        matches!(self, Self::Recognition | Self::Importance)
    }

    /// Whether the method makes sweeps.
    #[must_use]
    pub fn sweeps(self) -> bool {
        matches!(self, Self::Gibbs | Self::MeanField)
    }

    /// Refuses a model that does not have this method.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the methods that the model has.
    pub fn check(self, model: &Model) -> Result<()> {
        let refused = |value: &str, allowed| Err(Error::setting("posterior_means", "method", value, allowed));
        match (model, self) {
            (Model::Rbm(_) | Model::Harmonium(_), Self::Exact) => Ok(()),
            (Model::Rbm(_), _) => {
                refused(self.as_str(), "exact for an rbm, whose hidden units are independent given the data")
            }
            (Model::Harmonium(_), _) => {
                refused(self.as_str(), "exact for a harmonium, whose hidden units are independent given the data")
            }
            (Model::Dbm(_), Self::Recognition | Self::Importance) => {
                refused("one that needs a recognition net", "mean-field, gibbs or exact for a dbm")
            }
            (Model::Dbn(_), Self::Importance | Self::MeanField) => {
                refused("importance or mean-field", "recognition, gibbs or exact for a dbn")
            }
            (Model::Sbn(sbn), Self::MeanField) if !sbn.stack().layers_within().is_empty() => refused(
                "mean-field for an sbn with weights within its layers",
                "recognition, importance, gibbs or exact",
            ),
            (Model::Sbn(sbn), Self::Recognition | Self::Importance) if sbn.recognition().is_none() => {
                refused("a model without recognition net", "gibbs, mean-field or exact")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for PosteriorMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PosteriorMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|method| method.as_str() == text);
        Ok(found.ok_or_else(|| CoreError::unknown("method", text, &Self::ALL.map(Self::as_str)))?)
    }
}

/// How posterior means are computed.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{Model, PosteriorMethod, PosteriorSettings, posterior_means};
///
/// let model = Model::Dbm(gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?);
/// let settings = PosteriorSettings { method: Some(PosteriorMethod::Gibbs), steps: 400, ..Default::default() };
/// let rows = BitMatrix::zeros(4, 10).into();
/// let found = posterior_means(&model, &rows, &settings, &Streams::new(1), &mut unwatched)?;
/// assert!(found.means.iter().all(|mean| (mean - 0.5).abs() < 0.2));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PosteriorSettings {
    /// The method; [`PosteriorMethod::usual`] by default.
    pub method: Option<PosteriorMethod>,
    /// Draws of the recognition net for each row, for methods that take draws.
    pub samples: usize,
    /// Sweeps: Gibbs sampling leaves out the first half, mean field stops after them at the latest.
    pub steps: usize,
}

impl Default for PosteriorSettings {
    /// The usual method, with 200 draws or 100 sweeps.
    fn default() -> Self {
        Self { method: None, samples: 200, steps: 100 }
    }
}

/// Posterior means of the hidden units.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{Model, PosteriorMethod, PosteriorSettings, posterior_means};
///
/// let model = Model::Dbn(gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?);
/// let rows = BitMatrix::zeros(4, 10).into();
/// let found = posterior_means(&model, &rows, &PosteriorSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert_eq!((found.method, found.means.shape(), found.bound), (PosteriorMethod::Recognition, (5, 10), None));
/// assert_eq!(found.layers(&model).iter().map(|layer| layer.nrows()).collect::<Vec<_>>(), [3, 2]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Posterior {
    /// Means of the hidden units, the first hidden layer first, `[hidden, rows]`.
    pub means: Matrix,
    /// The bound on log p that the mean field of an SBN reached, mean over the rows.
    pub bound: Option<f64>,
    /// The method.
    pub method: PosteriorMethod,
}

impl Posterior {
    /// The means of each hidden layer, `[units, rows]`.
    ///
    /// # Panics
    ///
    /// When `model` has fewer hidden units than the means.
    #[must_use]
    pub fn layers(&self, model: &Model) -> Vec<Matrix> {
        let mut first = 0;
        let layer = |&units: &usize| {
            first += units;
            self.means.rows(first - units, units).into_owned()
        };
        model.layers()[1..].iter().map(layer).collect()
    }
}

/// Computes E[h | v] for rows of data.
///
/// # Shapes
///
/// `rows` is `[units, rows]`.
///
/// # Randomness
///
/// Draws and chains take their own families of `streams`.
///
/// # Errors
///
/// [`Error::Setting`] for a method that the model does not have and for no draws or sweeps, [`gm_core::Error::Shape`]
/// for rows of another width, [`gm_core::Error::Param`] for rows that the visible units cannot take,
/// [`gm_core::Error::TooLarge`] for the enumeration of too many units, [`gm_core::Error::Interrupted`] if `watch`
/// breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector, unwatched};
/// use gm_eval::{Model, PosteriorSettings, posterior_means};
///
/// let stack = Stack::new(vec![Matrix::from_element(2, 1, 1.0)], vec![Vector::zeros(2), Vector::zeros(1)])?;
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(stack)?);
/// let rows = BitMatrix::from_fn(2, 1, |_, _| true).into();
/// let found = posterior_means(&model, &rows, &PosteriorSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert!((found.means[(0, 0)] - 1.0 / (1.0 + (-2.0_f32).exp())).abs() < 1e-6);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn posterior_means(
    model: &Model,
    rows: &Batch,
    settings: &PosteriorSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Posterior> {
    const OP: &str = "posterior_means";
    let method = settings.method.unwrap_or_else(|| PosteriorMethod::usual(model));
    method.check(model)?;
    for (arg, given) in [("samples", settings.samples), ("steps", settings.steps)] {
        if given == 0 {
            return Err(Error::setting(OP, arg, given, "1 or more"));
        }
    }
    model.check_rows(OP, rows)?;
    if model.layers().len() == 1 {
        return Err(Error::setting(OP, "model", "without hidden layers", "a model with hidden units to infer"));
    }
    let run = Run { method, settings, streams };
    let (means, bound) = match model {
        Model::Rbm(rbm) => (rbm.mean_h_of_rows(rows)?, None),
        Model::Dbm(dbm) => (run.of_dbm(dbm, &dbm.states_of_rows(rows)?, watch)?, None),
        Model::Dbn(dbn) => (run.of_dbn(dbn, &dbn.states_of_rows(rows)?, watch)?, None),
        Model::Sbn(sbn) => run.of_sbn(sbn, rows.bits(), watch)?,
        Model::Harmonium(model) => (model.mean_h_from_v(model.visible().states_of_rows(OP, rows.view())?.view()), None),
    };
    Ok(Posterior { means, bound, method })
}

/// One computation.
struct Run<'a> {
    method: PosteriorMethod,
    settings: &'a PosteriorSettings,
    streams: &'a Streams,
}

impl Run<'_> {
    /// Means of an SBN, with the bound of mean field.
    fn of_sbn(&self, sbn: &Sbn, rows: &BitMatrix, watch: Watch<'_>) -> Result<(Matrix, Option<f64>)> {
        let (streams, PosteriorSettings { samples, steps, .. }) = (self.streams, *self.settings);
        let means = match self.method {
            PosteriorMethod::Recognition => stacked(&sbn.recognised_means(rows, samples, false, streams)?),
            PosteriorMethod::Importance => stacked(&sbn.recognised_means(rows, samples, true, streams)?),
            PosteriorMethod::Exact => {
                enumerated((sbn.hidden(), rows.samples()), watch, |row| Ok(sbn.posterior(rows, row)?.means()))?
            }
            PosteriorMethod::MeanField => {
                let found = sbn.mean_field(rows, &MeanFieldSettings { sweeps: steps, ..Default::default() })?;
                return Ok((stacked(&found.means), Some(mean(&found.bound))));
            }
            PosteriorMethod::Gibbs => {
                let mut chains = sbn.posterior_chains(rows.clone(), streams)?;
                by_gibbs((steps, watch), |sweeps| {
                    sbn.gibbs(&mut chains, None, sweeps, streams);
                    stacked(&chains.layers[1..].iter().map(Batch::to_matrix).collect::<Vec<_>>())
                })?
            }
        };
        Ok((means, None))
    }

    /// Means of a DBM.
    fn of_dbm(&self, dbm: &Dbm, v: &Batch, watch: Watch<'_>) -> Result<Matrix> {
        match self.method {
            PosteriorMethod::Gibbs => {
                let (sampler, mut chains) = (dbm.sampler(), dbm.chains_from(v.clone(), self.streams)?);
                by_gibbs((self.settings.steps, watch), |sweeps| {
                    sampler.run_hidden(&mut chains, sweeps, self.streams);
                    stacked(&chains.layers[1..].iter().map(Batch::to_matrix).collect::<Vec<_>>())
                })
            }
            PosteriorMethod::Exact => enumerated((dbm.hidden(), v.samples()), watch, |row| {
                Ok(dbm.posterior_moments(&v.select(&[row]))?.means[1..].concat())
            }),
            _ => {
                let settings = gm_dbm::MeanFieldSettings { iterations: self.settings.steps, ..Default::default() };
                Ok(stacked(&dbm.mean_field(v, &settings)?.means))
            }
        }
    }

    /// Means of a DBN.
    fn of_dbn(&self, dbn: &Dbn, v: &Batch, watch: Watch<'_>) -> Result<Matrix> {
        match self.method {
            PosteriorMethod::Gibbs => {
                let mut chains = dbn.posterior_chains(v.clone(), self.streams)?;
                by_gibbs((self.settings.steps, watch), |sweeps| {
                    dbn.gibbs(&mut chains, None, sweeps, self.streams);
                    stacked(&chains.layers[1..].iter().map(Batch::to_matrix).collect::<Vec<_>>())
                })
            }
            PosteriorMethod::Exact => {
                let hidden = dbn.layers()[1..].iter().sum();
                enumerated((hidden, v.samples()), watch, |row| Ok(dbn.posterior(v, row)?.means()))
            }
            _ => Ok(stacked(&dbn.means_up_from_v(&v.to_matrix()))),
        }
    }
}

/// Sweeps of the first half between two calls of `watch`.
const INTERVAL: usize = 10;

/// Means over the second half of the sweeps of one chain for each row. `states` makes sweeps and gives the hidden
/// states.
fn by_gibbs((steps, watch): (usize, Watch<'_>), mut states: impl FnMut(usize) -> Matrix) -> Result<Matrix> {
    const OP: &str = "posterior_means";
    let first = steps / 2;
    for done in (0..first).step_by(INTERVAL) {
        states(INTERVAL.min(first - done));
        tell(watch, OP, (done, steps))?;
    }
    let counted = steps - first;
    let mut sums: Option<Matrix> = None;
    for sweep in 0..counted {
        let found = states(1);
        sums = Some(match sums {
            Some(sums) => sums + found,
            None => found,
        });
        tell(watch, OP, (first + sweep, steps))?;
    }
    Ok(sums.unwrap_or_default() / counted as f32)
}

/// Means of each row by enumeration, `[hidden, rows]`.
fn enumerated(
    (hidden, rows): (usize, usize),
    watch: Watch<'_>,
    of_row: impl Fn(usize) -> Result<Vec<f64>>,
) -> Result<Matrix> {
    let mut means = Matrix::zeros(hidden, rows);
    for row in 0..rows {
        tell(watch, "posterior_means", (row, rows))?;
        means.column_mut(row).iter_mut().zip(of_row(row)?).for_each(|(to, mean)| *to = mean as f32);
    }
    Ok(means)
}

/// Layers below one another.
fn stacked(layers: &[Matrix]) -> Matrix {
    let units = layers.iter().map(Matrix::nrows).sum();
    let mut all = Matrix::zeros(units, layers.first().map_or(0, Matrix::ncols));
    let mut first = 0;
    for layer in layers {
        all.rows_mut(first, layer.nrows()).copy_from(layer);
        first += layer.nrows();
    }
    all
}
