//! Evaluations that run folders keep, as `gm-eval` writes them.

use std::path::Path;

use gm_train::{Config, ModelSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The rows that were evaluated.
///
/// # Examples
///
/// ```
/// let rows = gm_sweep::EvaluatedRows { source: "digits".into(), split: "test".into(), rows: 299, binarise: "none".into() };
/// assert_eq!(rows.to_string(), "digits, test split, 299 rows, binarise none");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvaluatedRows {
    /// The data.
    pub source: String,
    /// The split.
    pub split: String,
    /// The number of rows.
    pub rows: usize,
    /// How grey levels became zeros and ones.
    pub binarise: String,
}

impl std::fmt::Display for EvaluatedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, split, rows, binarise } = self;
        write!(f, "{source}, {split} split, {rows} rows, binarise {binarise}")
    }
}

/// An evaluation in the folder of a run: the mean log-probability of rows, or the share of errors of a classifier.
///
/// # Examples
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let text = r#"{"schema": "gm-eval/1", "model": "rbm", "layers": [4, 2], "seconds": 2.5,
///     "data": {"source": "bars", "split": "test", "rows": 8, "binarise": "none"},
///     "mean_log_prob": {"value": -2.0, "low": -2.1, "high": -1.9, "side": "lower", "method": "ais"}}"#;
/// std::fs::write(folder.path().join("eval.json"), text)?;
/// let found = gm_sweep::Evaluation::all(folder.path(), None)?;
/// assert_eq!((found[0].value, found[0].low, found[0].high), (Some(-2.0), Some(-2.1), None)); // the upper end is open
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The name of the file.
    pub file: String,
    /// The rows.
    pub data: EvaluatedRows,
    /// `mean_log_prob` or `error_rate`.
    pub figure: &'static str,
    /// The value; `None` if it was not finite.
    pub value: Option<f64>,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval; `None` if it is open.
    pub high: Option<f64>,
    /// On which side of the truth the value lies: `exact`, `estimate` or `lower`.
    pub side: String,
    /// How it was measured.
    pub method: String,
    /// The time it took.
    pub seconds: f64,
}

/// The parts of a document that are read.
#[derive(Deserialize)]
struct Document {
    model: String,
    layers: Vec<usize>,
    data: EvaluatedRows,
    mean_log_prob: Option<Interval>,
    error_rate: Option<Interval>,
    seconds: f64,
}

#[derive(Deserialize)]
struct Interval {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    #[serde(default = "estimate")]
    side: String,
    method: String,
}

fn estimate() -> String {
    "estimate".into()
}

impl Evaluation {
    /// The evaluations in the files `*.json` of a folder, ordered by name. Other documents are skipped.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for an evaluation that is damaged or of another model than that of the configuration, and
    /// [`gm_data::Error::Io`].
    pub fn all(folder: impl AsRef<Path>, config: Option<&Config>) -> Result<Vec<Self>> {
        let folder = folder.as_ref();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(gm_data::Error::io("reading", folder))? {
            let path = entry.map_err(gm_data::Error::io("reading", folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                found.extend(Self::read(&path, config)?);
            }
        }
        found.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(found)
    }

    fn read(path: &Path, config: Option<&Config>) -> Result<Option<Self>> {
        let refused = |detail: String| Error::File { path: path.into(), detail };
        let text = std::fs::read_to_string(path).map_err(gm_data::Error::io("reading", path))?;
        let document: Value = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let schema = document.get("schema").and_then(Value::as_str).unwrap_or_default();
        // A document without data has a partition function alone.
        if !["gm-eval/1", "gm-classes/1"].contains(&schema) || document.get("data").is_none() {
            return Ok(None);
        }
        let read: Document = serde_json::from_value(document).map_err(|error| refused(error.to_string()))?;
        if let Some(settings) = config.map(|config| config.model.settings()) {
            check_model(&read, settings).map_err(refused)?;
        }
        let Some((figure, interval)) = (read.mean_log_prob.map(|interval| ("mean_log_prob", interval)))
            .or(read.error_rate.map(|interval| ("error_rate", interval)))
        else {
            return Err(refused("has neither `mean_log_prob` nor `error_rate`".into()));
        };
        let Interval { value, low, high, side, method } = interval;
        let file = path.file_name().unwrap_or_default().display().to_string();
        // No method bounds a lower bound from above.
        let high = high.filter(|_| side != "lower");
        Ok(Some(Self { file, data: read.data, figure, value, low, high, side, method, seconds: read.seconds }))
    }
}

/// Refuses the evaluation of another model.
fn check_model(read: &Document, settings: &dyn ModelSettings) -> std::result::Result<(), String> {
    let (kind, hidden) = (settings.kind().to_string(), settings.hidden());
    let inner = read.layers.get(1..).unwrap_or_default();
    // The layers of a classifier end with its classes.
    if read.model == kind && inner.starts_with(&hidden) && inner.len() <= hidden.len() + 1 {
        return Ok(());
    }
    let (model, layers) = (&read.model, &read.layers);
    Err(format!("is an evaluation of {model} {layers:?}, but the run's model is {kind} with hidden layers {hidden:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_train::{ModelConfig, RbmSettings};

    fn found(text: &str) -> Result<Vec<Evaluation>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("eval.json"), text).unwrap();
        let settings = RbmSettings { hidden: 2, ..Default::default() };
        Evaluation::all(folder.path(), Some(&Config::new("digits", ModelConfig::Rbm(settings))))
    }

    const DATA: &str = r#""data": {"source": "bars", "split": "test", "rows": 8, "binarise": "none"}, "seconds": 1.0"#;

    #[test]
    fn table_sides_and_open_ends() {
        let of = |side: &str| {
            let p = format!(r#"{{"value": -2.0, "low": -2.1, "high": -1.9, "side": "{side}", "method": "ais"}}"#);
            let text =
                format!(r#"{{"schema": "gm-eval/1", "model": "rbm", "layers": [4, 2], {DATA}, "mean_log_prob": {p}}}"#);
            let found = found(&text).unwrap().remove(0);
            (found.side, found.high)
        };
        assert_eq!(of("estimate"), ("estimate".into(), Some(-1.9)));
        assert_eq!(of("lower"), ("lower".into(), None));
        assert_eq!(found(r#"{"schema": "gm-sample/1"}"#).unwrap(), []);
        assert_eq!(found(r#"{"schema": "gm-eval/1", "log_partition": {}}"#).unwrap(), []);
        let rate = r#""error_rate": {"value": 0.1, "low": 0.05, "high": 0.2, "method": "wilson"}"#;
        let text = format!(r#"{{"schema": "gm-classes/1", "model": "rbm", "layers": [4, 2], {DATA}, {rate}}}"#);
        let found = found(&text).unwrap().remove(0);
        assert_eq!((found.figure, found.side.as_str(), found.high), ("error_rate", "estimate", Some(0.2)));
    }

    #[test]
    fn rejects_evaluations_of_other_models_and_damaged_ones() {
        let refused = |text: &str| found(text).unwrap_err().to_string();
        let error = refused(&format!(r#"{{"schema": "gm-eval/1", "model": "rbm", "layers": [4, 3], {DATA}}}"#));
        assert!(
            error.ends_with("is an evaluation of rbm [4, 3], but the run's model is rbm with hidden layers [2]"),
            "{error}"
        );
        let error = refused(&format!(r#"{{"schema": "gm-eval/1", "model": "rbm", "layers": [4, 2], {DATA}}}"#));
        assert!(error.ends_with("eval.json: has neither `mean_log_prob` nor `error_rate`"), "{error}");
        assert!(refused("{").contains("eval.json: EOF while parsing"));
        assert!(refused(r#"{"schema": "gm-eval/1", "data": 3}"#).contains("eval.json: "));
    }
}
