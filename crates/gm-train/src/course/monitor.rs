//! When to look at a model in training, and when to stop.

use std::fmt;
use std::str::FromStr;

use gm_ascent::ParametersState;
use gm_core::Error as CoreError;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::course::metrics::EpochRecord;
use crate::error::{Error, Result};
use crate::learner::Learner;

/// Which figure ends a run before its last epoch.
///
/// Written `never`, `log-likelihood`, `estimated-log-likelihood`, `pseudo-likelihood`, `importance-weighted`, `error-rate`,
/// `cross-entropy` or `free-energy-gap:LIMIT`. All are figures of the validation split, as [`EpochRecord`] describes them.
///
/// - With a likelihood, errors or cross-entropy an epoch is good when it is better than all before.
/// - With the gap an epoch is good while the gap is at most the limit in nats. The gap is close to zero at the start
///   and grows, so that its smallest value says nothing.
///
/// # Examples
///
/// ```
/// use gm_train::StopOn;
///
/// assert_eq!("free-energy-gap:2.5".parse::<StopOn>()?, StopOn::FreeEnergyGap(2.5));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum StopOn {
    /// All epochs are made.
    #[default]
    Never,
    /// The exact mean log-likelihood, of models that enumerate up to 20 units for it.
    LogLikelihood,
    /// The mean log-likelihood with log Z estimated along training, of restricted Boltzmann machines that are too large to
    /// enumerate.
    EstimatedLogLikelihood,
    /// The importance-weighted bound, of models with a recognition net.
    ImportanceWeighted,
    /// The stochastic log-pseudo-likelihood.
    PseudoLikelihood,
    /// The share of errors, of classifiers.
    ErrorRate,
    /// The mean of -log p of the label, of classifiers.
    CrossEntropy,
    /// The gap between the free energies of validation and training rows, with its limit in nats. It is 0 for data whose splits hold
    /// the same rows, such as bars and stripes.
    FreeEnergyGap(f64),
}

const WORDS: [&str; 8] = [
    "never",
    "log-likelihood",
    "estimated-log-likelihood",
    "pseudo-likelihood",
    "importance-weighted",
    "error-rate",
    "cross-entropy",
    "free-energy-gap:LIMIT",
];

impl StopOn {
    fn figure(self) -> Option<&'static str> {
        match self {
            Self::Never => None,
            Self::LogLikelihood => Some("log_likelihood"),
            Self::EstimatedLogLikelihood => Some("estimated_log_likelihood"),
            Self::PseudoLikelihood => Some("pseudo_log_likelihood"),
            Self::ImportanceWeighted => Some("importance_weighted"),
            Self::ErrorRate => Some("error_rate"),
            Self::CrossEntropy => Some("cross_entropy"),
            Self::FreeEnergyGap(_) => Some("free_energy_gap"),
        }
    }
}

impl FromStr for StopOn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "never" => Ok(Self::Never),
            None if text == "log-likelihood" => Ok(Self::LogLikelihood),
            None if text == "estimated-log-likelihood" => Ok(Self::EstimatedLogLikelihood),
            None if text == "pseudo-likelihood" => Ok(Self::PseudoLikelihood),
            None if text == "importance-weighted" => Ok(Self::ImportanceWeighted),
            None if text == "error-rate" => Ok(Self::ErrorRate),
            None if text == "cross-entropy" => Ok(Self::CrossEntropy),
            Some(("free-energy-gap", limit)) => match limit.parse() {
                Ok(limit) if f64::is_finite(limit) && limit > 0.0 => Ok(Self::FreeEnergyGap(limit)),
                _ => Err(refused("stop_on", text, "free-energy-gap:LIMIT with a limit above 0 nats")),
            },
            _ => Err(Error::unknown("rule of early stopping", text, &WORDS)),
        }
    }
}

impl fmt::Display for StopOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::LogLikelihood => f.write_str("log-likelihood"),
            Self::EstimatedLogLikelihood => f.write_str("estimated-log-likelihood"),
            Self::PseudoLikelihood => f.write_str("pseudo-likelihood"),
            Self::ImportanceWeighted => f.write_str("importance-weighted"),
            Self::ErrorRate => f.write_str("error-rate"),
            Self::CrossEntropy => f.write_str("cross-entropy"),
            Self::FreeEnergyGap(limit) => write!(f, "free-energy-gap:{limit}"),
        }
    }
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "MonitorSettings", arg, value: value.to_string(), allowed }.into()
}

/// What the rule of early stopping may be.
const NO_FIGURE: &str = "a figure that this model has; log-likelihood enumerates at most 20 units";

/// What is watched during training.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::Dataset;
/// use gm_train::{FitOptions, MonitorSettings, RbmSettings, Unobserved, fit_rbm_with};
///
/// let bars = Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 3, epochs: 12, batch_size: 4, chains: 10, ..Default::default() };
/// let monitor = MonitorSettings { every: 5, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.history.iter().map(|record| record.epoch).collect::<Vec<_>>(), [5, 10, 12]);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorSettings {
    /// Epochs from one look to the next; the last epoch is always looked at.
    pub every: u64,
    /// Rows of the training and of the validation split that are looked at, chosen at random once.
    pub rows: usize,
    /// What ends the run early.
    pub stop_on: StopOn,
    /// Epochs without a good one after which the run ends.
    pub patience: u64,
}

impl Default for MonitorSettings {
    /// 1,000 rows after every epoch; no early stopping, otherwise a patience of 10 epochs.
    fn default() -> Self {
        Self { every: 1, rows: 1_000, stop_on: StopOn::Never, patience: 10 }
    }
}

impl MonitorSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = gm_train::MonitorSettings { rows: 0, ..Default::default() };
    /// assert_eq!(settings.check().unwrap_err().to_string(), "MonitorSettings: `rows` is 0, allowed: 1 or more");
    /// ```
    pub fn check(&self) -> Result<()> {
        let counts = [("every", self.every), ("rows", self.rows as u64), ("patience", self.patience)];
        match counts.into_iter().find(|(_, value)| *value == 0) {
            Some((arg, value)) => Err(refused(arg, value, "1 or more")),
            None => Ok(()),
        }
    }

    /// Refuses a rule whose figure a model does not have, before it has trained for an epoch in vain.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] when the exact likelihood would enumerate too many units, or the model does not have the
    /// figure.
    pub(crate) fn check_rule(&self, learner: &dyn Learner) -> Result<()> {
        let known = match self.stop_on.figure() {
            None => true,
            Some("log_likelihood") => learner.enumerable_units() <= self.exact_units(),
            Some(figure) => learner.judged_by().contains(&figure),
        };
        if known { Ok(()) } else { Err(refused("stop_on", self.stop_on, NO_FIGURE)) }
    }

    /// The most units that exact likelihoods enumerate.
    pub(crate) fn exact_units(&self) -> usize {
        if self.stop_on == StopOn::LogLikelihood { 20 } else { 12 }
    }
}

/// The best epoch so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) epoch: u64,
    pub(crate) value: f64,
    pub(crate) parameters: ParametersState,
}

/// Where early stopping stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stopping {
    pub(crate) best: Option<Best>,
    pub(crate) over: bool,
}

impl Stopping {
    /// Judges an epoch; true when it is the best so far.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] when the model does not have the figure.
    pub(crate) fn judge(
        &mut self,
        settings: &MonitorSettings,
        record: &EpochRecord,
        parameters: impl FnOnce() -> ParametersState,
    ) -> Result<bool> {
        let Some(name) = settings.stop_on.figure() else { return Ok(false) };
        let value = record.figures.get(name).ok_or_else(|| refused("stop_on", settings.stop_on, NO_FIGURE))?;
        let improves = |better: fn(f64, f64) -> bool| {
            self.best.as_ref().is_none_or(|best| better(value, best.value)) && value.is_finite()
        };
        let good = match settings.stop_on {
            StopOn::FreeEnergyGap(limit) => value <= limit,
            StopOn::ErrorRate | StopOn::CrossEntropy => improves(|new, old| new < old),
            _ => improves(|new, old| new > old),
        };
        if good {
            self.best = Some(Best { epoch: record.epoch, value, parameters: parameters() });
        }
        let last_good = self.best.as_ref().map_or(0, |best| best.epoch);
        self.over = record.epoch - last_good >= settings.patience;
        Ok(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Figures;

    fn judged(stop_on: StopOn, name: &'static str, values: &[f64]) -> (Vec<bool>, Stopping) {
        let settings = MonitorSettings { stop_on, patience: 2, ..Default::default() };
        let mut stopping = Stopping::default();
        let mut good = Vec::new();
        for (i, &value) in values.iter().enumerate() {
            let record =
                EpochRecord { epoch: i as u64 + 1, step: 0, seconds: 0.0, figures: Figures::new([(name, value)]) };
            good.push(stopping.judge(&settings, &record, ParametersState::default).unwrap());
        }
        (good, stopping)
    }

    #[test]
    fn table_likelihood_must_improve_and_gap_must_stay_small() {
        let (good, stopping) = judged(StopOn::PseudoLikelihood, "pseudo_log_likelihood", &[-3.0, -2.0, -2.5, f64::NAN]);
        assert_eq!(good, [true, true, false, false]);
        assert_eq!((stopping.over, stopping.best.unwrap().epoch), (true, 2));
        let (good, stopping) = judged(StopOn::FreeEnergyGap(1.0), "free_energy_gap", &[0.1, 1.2, 0.9, 1.1]);
        assert_eq!(good, [true, false, true, false]);
        assert_eq!((stopping.over, stopping.best.unwrap().epoch), (false, 3));
        let (good, _) = judged(StopOn::ErrorRate, "error_rate", &[0.3, 0.2, 0.2, 0.1]);
        assert_eq!(good, [true, true, false, true]);
        let (_, stopping) = judged(StopOn::Never, "anything", &[0.0; 9]);
        assert_eq!(stopping, Stopping::default());
    }

    #[test]
    fn rejects_rules_and_figures_that_are_not_there() {
        let error = |text: &str| text.parse::<StopOn>().unwrap_err().to_string();
        assert!(error("log-likelyhood").contains("did you mean `log-likelihood`?"));
        assert_eq!(
            error("free-energy-gap:-1"),
            "MonitorSettings: `stop_on` is free-energy-gap:-1, allowed: free-energy-gap:LIMIT with a limit above 0 nats"
        );
        let settings = MonitorSettings { stop_on: StopOn::LogLikelihood, ..Default::default() };
        let record = EpochRecord { epoch: 1, step: 1, seconds: 0.0, figures: Figures::default() };
        let refused = Stopping::default().judge(&settings, &record, ParametersState::default).unwrap_err();
        assert!(refused.to_string().starts_with("MonitorSettings: `stop_on` is log-likelihood, allowed: a figure"));
        for text in [
            "never",
            "log-likelihood",
            "estimated-log-likelihood",
            "pseudo-likelihood",
            "error-rate",
            "cross-entropy",
            "free-energy-gap:2.5",
        ] {
            assert_eq!(text.parse::<StopOn>().unwrap().to_string(), text);
        }
    }
}
