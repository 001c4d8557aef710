//! When to look at a model in training, and when to stop.

use std::fmt;
use std::str::FromStr;

use gm_ascent::{ParametersState, Ranges};
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
/// - Models that grow layer by layer are judged once they have all layers.
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
    /// The mean log-likelihood with log Z estimated along training, of RBMs that are too large to enumerate.
    EstimatedLogLikelihood,
    /// The importance-weighted bound, of models with a recognition net.
    ImportanceWeighted,
    /// The stochastic log-pseudo-likelihood.
    PseudoLikelihood,
    /// The share of errors, of classifiers.
    ErrorRate,
    /// The mean of -log p of the label, of classifiers.
    CrossEntropy,
    /// The gap between free energies of validation and training rows, with its limit in nats; 0 for splits of the same rows.
    FreeEnergyGap(f64),
}

/// The rules without a limit, their words, and the figures by which they judge.
const RULES: [(StopOn, &str, Option<&str>); 7] = [
    (StopOn::Never, "never", None),
    (StopOn::LogLikelihood, "log-likelihood", Some("log_likelihood")),
    (StopOn::EstimatedLogLikelihood, "estimated-log-likelihood", Some("estimated_log_likelihood")),
    (StopOn::PseudoLikelihood, "pseudo-likelihood", Some("pseudo_log_likelihood")),
    (StopOn::ImportanceWeighted, "importance-weighted", Some("importance_weighted")),
    (StopOn::ErrorRate, "error-rate", Some("error_rate")),
    (StopOn::CrossEntropy, "cross-entropy", Some("cross_entropy")),
];

impl StopOn {
    /// The figure by which the rule judges; `None` for [`Never`](Self::Never).
    #[must_use]
    pub fn figure(self) -> Option<&'static str> {
        RULES.iter().find(|rule| rule.0 == self).map_or(Some("free_energy_gap"), |rule| rule.2)
    }

    /// Whether an epoch with this figure is kept in the place of the best one before it.
    #[must_use]
    pub fn keeps(self, value: f64, best: Option<f64>) -> bool {
        match self {
            Self::FreeEnergyGap(limit) => value <= limit,
            Self::ErrorRate | Self::CrossEntropy => value.is_finite() && best.is_none_or(|best| value < best),
            _ => value.is_finite() && best.is_none_or(|best| value > best),
        }
    }
}

impl FromStr for StopOn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(limit) = text.strip_prefix("free-energy-gap:") {
            return match limit.parse() {
                Ok(limit) if f64::is_finite(limit) && limit > 0.0 => Ok(Self::FreeEnergyGap(limit)),
                _ => Err(refused("stop_on", text, "free-energy-gap:LIMIT with a limit above 0 nats")),
            };
        }
        let words: Vec<&str> = RULES.iter().map(|rule| rule.1).chain(["free-energy-gap:LIMIT"]).collect();
        let rule = RULES.iter().find(|rule| rule.1 == text);
        rule.map(|rule| rule.0).ok_or_else(|| Error::unknown("rule of early stopping", text, &words))
    }
}

impl fmt::Display for StopOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, RULES.iter().find(|rule| rule.0 == *self)) {
            (Self::FreeEnergyGap(limit), _) => write!(f, "free-energy-gap:{limit}"),
            (_, rule) => f.write_str(rule.map_or("", |rule| rule.1)),
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
/// use gm_train::{FitOptions, MonitorSettings, RbmSettings, Unobserved, fit_rbm_with};
///
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 3, epochs: 12, batch_size: 4, chains: 10, ..Default::default() };
/// let monitor = MonitorSettings { every: 5, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &gm_core::Streams::new(1), &mut Unobserved)?;
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
    pub fn check(&self) -> Result<()> {
        let counts = [("every", self.every), ("rows", self.rows as u64), ("patience", self.patience)];
        Ok(Ranges::of("MonitorSettings").counts(counts).check()?)
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
        let good = settings.stop_on.keeps(value, self.best.as_ref().map(|best| best.value));
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
    use gm_ascent::Figures;

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
    fn rejects_figures_that_are_not_there() {
        let settings = MonitorSettings { stop_on: StopOn::LogLikelihood, ..Default::default() };
        let record = EpochRecord { epoch: 1, step: 1, seconds: 0.0, figures: Figures::default() };
        let refused = Stopping::default().judge(&settings, &record, ParametersState::default).unwrap_err();
        assert!(refused.to_string().starts_with("MonitorSettings: `stop_on` is log-likelihood, allowed: a figure"));
    }
}
