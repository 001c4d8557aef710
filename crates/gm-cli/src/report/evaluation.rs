//! Evaluations that a run folder keeps.

use std::path::Path;

use gm_core::ModelKind;
use gm_eval::Model;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// The parts of a document `gm-eval/1` with data that a report shows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Evaluation {
    model: String,
    layers: Vec<usize>,
    pub(super) data: Data,
    pub(super) log_partition: Option<Partition>,
    pub(super) mean_log_prob: LogProb,
    pub(super) rows_std_error: Option<f64>,
    pub(super) independent_units: Option<f64>,
    pub(super) lower_bound: Option<Lower>,
    pub(super) elbo: Option<f64>,
    pub(super) importance_weighted: Option<Weighted>,
    pub(super) reverse_log_partition: Option<Reverse>,
    pub(super) gap: Option<Gap>,
    pub(super) log_pseudo_likelihood: Option<Spread>,
    pub(super) free_energy_gap: Option<f64>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    pub(super) seconds: f64,
    pub(super) threads: usize,
    pub(super) seed: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Data {
    pub(super) source: String,
    pub(super) split: String,
    pub(super) rows: usize,
    pub(super) binarise: String,
}

/// An interval for the mean log-probability. Numbers that were not finite are null in JSON.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LogProb {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) side: String,
    pub(super) method: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Partition {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) method: String,
    pub(super) runs: Option<usize>,
    pub(super) temperatures: Option<usize>,
    pub(super) ess: Option<f64>,
}

/// log Z by reverse AIS from samples of the model.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reverse {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) runs: usize,
}

/// The gap of a bound on rows drawn from the model.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Gap {
    pub(super) rows: usize,
    pub(super) mean: Option<f64>,
    pub(super) percentile_95: Option<f64>,
    pub(super) states: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lower {
    pub(super) value: Option<f64>,
    pub(super) std_error: Option<f64>,
    pub(super) walks: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Weighted {
    pub(super) samples: usize,
    pub(super) value: Option<f64>,
    pub(super) std_error: Option<f64>,
    pub(super) ess: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spread {
    pub(super) value: Option<f64>,
    pub(super) std_error: Option<f64>,
}

impl Evaluation {
    /// All evaluations in the files `*.json` of a folder, ordered by name. Documents of other commands are skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] for an evaluation that is damaged or of another model, [`Error::Io`].
    pub(crate) fn all(folder: &Path, model: &Model) -> Result<Vec<(String, Self)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io("reading", folder))? {
            let path = entry.map_err(Error::io("reading", folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Some(evaluation) = Self::read(&path, model)?
            {
                found.push((path.file_name().unwrap_or_default().display().to_string(), evaluation));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    fn read(path: &Path, model: &Model) -> Result<Option<Self>> {
        let text = std::fs::read_to_string(path).map_err(Error::io("reading", path))?;
        let document: Value = serde_json::from_str(&text).map_err(Error::content(path))?;
        // A document without data has a partition function and nothing to draw.
        if document.get("schema").is_none_or(|schema| schema != "gm-eval/1") || document.get("data").is_none() {
            return Ok(None);
        }
        let evaluation: Self = serde_json::from_value(document).map_err(Error::content(path))?;
        let (kind, layers) = (model.kind(), model.layers());
        if (evaluation.model.as_str(), &evaluation.layers) != (kind.as_str(), &layers) {
            let found = evaluation.model.parse().map_or(evaluation.model, |kind: ModelKind| kind.noun().into());
            let detail = format!(
                "an evaluation of {found} {:?}, but the run's model is {} {layers:?}",
                evaluation.layers,
                kind.noun()
            );
            return Err(Error::Content { path: path.into(), detail });
        }
        Ok(Some(evaluation))
    }
}
