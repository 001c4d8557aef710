//! The figures of validation rows by which runs are judged.

use gm_core::ModelKind;
use serde::Serialize;
use serde_json::Value;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};

use crate::error::Error;

/// A figure of validation rows in `metrics.jsonl`, as [`gm_train::EpochRecord`] describes them.
///
/// Written `log-likelihood`, `importance-weighted`, `elbo`, `pseudo-likelihood`, `reconstruction`, `error-rate` or
/// `cross-entropy`.
///
/// # Examples
///
/// ```
/// use gm_sweep::Figure;
///
/// let line = serde_json::json!({"epoch": 3, "estimated_log_likelihood": -20.5, "reconstruction": 9.0});
/// let mark = Figure::LogLikelihood.mark(&line).expect("the line has it");
/// assert_eq!((mark.value, mark.estimated), (-20.5, true));
/// assert!(Figure::Reconstruction.score(9.0) > Figure::Reconstruction.score(10.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_figure)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Figure {
    /// The mean log-likelihood, exact where a model is small enough, else with log Z estimated along training.
    LogLikelihood,
    /// The importance-weighted bound.
    ImportanceWeighted,
    /// The evidence lower bound.
    Elbo,
    /// The stochastic log-pseudo-likelihood.
    PseudoLikelihood,
    /// The error of reconstruction, which says little of the likelihood.
    Reconstruction,
    /// The share of wrong classes.
    ErrorRate,
    /// The mean of -log p of the label.
    CrossEntropy,
}

fn unknown_figure(text: &str) -> Error {
    gm_core::Error::unknown("figure", text, Figure::VARIANTS).into()
}

/// The value of a figure, with its epoch.
///
/// # Examples
///
/// ```
/// let line = serde_json::json!({"epoch": 3, "elbo": -20.5});
/// let mark = gm_sweep::Figure::Elbo.mark(&line).expect("the line has it");
/// assert_eq!((mark.epoch, mark.value, mark.estimated), (3, -20.5, false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// The epoch.
    pub epoch: u64,
    /// The value.
    pub value: f64,
    /// Whether it is a log-likelihood with an estimated log Z.
    pub estimated: bool,
}

/// The figures of generative models that can stand for a likelihood, the best one first.
const OF_ROWS: [Figure; 5] =
    [Figure::LogLikelihood, Figure::ImportanceWeighted, Figure::Elbo, Figure::PseudoLikelihood, Figure::Reconstruction];

impl Figure {
    /// All of them.
    const ALL: [Self; 7] =
        [OF_ROWS[0], OF_ROWS[1], OF_ROWS[2], OF_ROWS[3], OF_ROWS[4], Self::ErrorRate, Self::CrossEntropy];

    /// The fields of `metrics.jsonl`, the one that is used first.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::LogLikelihood => &["log_likelihood", "estimated_log_likelihood"],
            Self::ImportanceWeighted => &["importance_weighted"],
            Self::Elbo => &["elbo"],
            Self::PseudoLikelihood => &["pseudo_log_likelihood"],
            Self::Reconstruction => &["reconstruction"],
            Self::ErrorRate => &["error_rate"],
            Self::CrossEntropy => &["cross_entropy"],
        }
    }

    /// A number that is higher the better a value is.
    #[must_use]
    pub fn score(self, value: f64) -> f64 {
        match self {
            Self::Reconstruction | Self::ErrorRate | Self::CrossEntropy => -value,
            _ => value,
        }
    }

    /// The figure in a line of `metrics.jsonl`; `None` if it is not there or not finite.
    #[must_use]
    pub fn mark(self, line: &Value) -> Option<Mark> {
        let epoch = line.get("epoch")?.as_u64()?;
        let field = self.fields().iter().find_map(|name| Some((*name, line.get(*name)?.as_f64()?)));
        field.map(|(name, value)| Mark { epoch, value, estimated: name.starts_with("estimated") })
    }

    /// Whether a line of `metrics.jsonl` has the figure, finite or not.
    pub(crate) fn is_in(self, line: &Value) -> bool {
        self.fields().iter().any(|name| line.get(*name).is_some())
    }

    /// The best figure that all runs of a kind of model have; runs that were not looked at yet do not count.
    #[must_use]
    pub fn common(kind: ModelKind, histories: &[&[Value]]) -> Option<Self> {
        let usual: &[Self] = if kind == ModelKind::Classifier { &[Self::ErrorRate] } else { &OF_ROWS };
        let has = |figure: &Self| {
            let mut begun = histories.iter().filter_map(|history| history.last()).peekable();
            begun.peek().is_some() && begun.all(|line| figure.is_in(line))
        };
        usual.iter().copied().find(has)
    }

    /// The names of all figures in a line of `metrics.jsonl`.
    pub(crate) fn known(line: &Value) -> String {
        let names = Self::ALL.iter().filter(|figure| figure.is_in(line)).map(ToString::to_string);
        names.collect::<Vec<_>>().join(", ")
    }

    /// The best value up to an epoch. Models that grow are judged by the epochs with as many layers as they then had.
    #[must_use]
    pub fn best(self, history: &[Value], until: u64) -> Option<Mark> {
        let epoch = |line: &&Value| line.get("epoch").and_then(Value::as_u64).is_some_and(|epoch| epoch <= until);
        let lines: Vec<&Value> = history.iter().filter(epoch).collect();
        let layers = lines.last()?.get("layers");
        let marks = lines.iter().filter(|line| line.get("layers") == layers).filter_map(|line| self.mark(line));
        marks.fold(None, |best: Option<Mark>, mark| match best {
            Some(best) if self.score(best.value) >= self.score(mark.value) => Some(best),
            _ => Some(mark),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_the_best_figure_that_all_runs_have() {
        let exact = [json!({"epoch": 1, "log_likelihood": -3.0, "pseudo_log_likelihood": -2.0})];
        let estimated = [json!({"epoch": 1, "estimated_log_likelihood": -3.0, "pseudo_log_likelihood": -2.0})];
        let pseudo = [json!({"epoch": 1, "pseudo_log_likelihood": -2.0, "reconstruction": 4.0})];
        let bound = [json!({"epoch": 1, "importance_weighted": null, "elbo": -4.0})];
        let common = |histories: &[&[Value]]| Figure::common(ModelKind::Rbm, histories);
        assert_eq!(common(&[&exact, &estimated, &[]]), Some(Figure::LogLikelihood));
        assert_eq!(common(&[&exact, &pseudo]), Some(Figure::PseudoLikelihood));
        assert_eq!(common(&[&bound]), Some(Figure::ImportanceWeighted));
        assert_eq!(common(&[&bound, &pseudo]), None);
        assert_eq!(common(&[&[]]), None);
        let errors = [json!({"epoch": 1, "error_rate": 0.1, "cross_entropy": 0.3})];
        assert_eq!(Figure::common(ModelKind::Classifier, &[&errors]), Some(Figure::ErrorRate));
        assert_eq!(Figure::known(&pseudo[0]), "pseudo-likelihood, reconstruction");
    }

    #[test]
    fn table_the_best_value_up_to_an_epoch() {
        let line = |epoch: u64, layers: u64, elbo: Value| json!({"epoch": epoch, "layers": layers, "elbo": elbo});
        let history = [
            line(1, 1, json!(-9.0)),
            line(2, 1, json!(-5.0)),
            line(3, 2, json!(-8.0)),
            line(4, 2, json!(-7.0)),
            line(5, 2, json!(null)),
            line(6, 2, json!(-7.0)),
        ];
        let best = |until| Figure::Elbo.best(&history, until).map(|mark| (mark.epoch, mark.value));
        assert_eq!(best(0), None);
        assert_eq!(best(2), Some((2, -5.0)));
        assert_eq!(best(3), Some((3, -8.0)), "with the second layer the first does not count");
        assert_eq!(best(u64::MAX), Some((4, -7.0)), "the first of equal ones");
        assert_eq!(Figure::ErrorRate.best(&history, 9), None);
        let errors = [0.3, 0.1, 0.2].map(|rate| json!({"epoch": 1, "error_rate": rate}));
        assert_eq!(Figure::ErrorRate.best(&errors, 9).map(|mark| mark.value), Some(0.1));
    }

    #[test]
    fn rejects_unknown_figures() {
        let error = "elbow".parse::<Figure>().unwrap_err().to_string();
        assert!(error.contains("unknown figure `elbow`") && error.contains("elbo"), "{error}");
    }
}
