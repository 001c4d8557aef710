//! The record of a row, in a small file beside its run.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place::Place;
use super::write;
use crate::Result;

/// The record of a row that was trained and, with `evaluation`, measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct State {
    pub(super) schema: String,
    pub(crate) recipe: String,
    /// Whether a tiny model was trained in place of the real one.
    pub(crate) quick: bool,
    /// The seed of the training run.
    pub(crate) seed: u64,
    /// The time of training, summed over all resumptions of the run.
    pub(crate) train_seconds: f64,
    pub(crate) commit: String,
    pub(crate) machine: String,
    pub(crate) date: String,
    /// The document of `dgm eval`.
    pub(crate) evaluation: Option<Value>,
}

const SCHEMA: &str = "gm-reproduce/1";

impl State {
    /// The file of a row.
    pub(crate) fn path(out: &Path, recipe: &str) -> PathBuf {
        out.join(format!("{recipe}.json"))
    }

    /// Reads the file of a row, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bad = |detail: String| format!("{}: {detail}; remove it to measure the row again", path.display());
        let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let state: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if state.schema != SCHEMA {
            return Err(bad(format!("schema {}, expected {SCHEMA}", state.schema)).into());
        }
        Ok(Some(state))
    }

    /// Writes the file of a row.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// The record of a run that has just been trained.
    pub(crate) fn trained(recipe: &str, run: &Path, quick: bool, place: &Place) -> Result<Self> {
        let Place { commit, machine, date } = place.clone();
        let config: toml::Table = toml::from_str(&fs::read_to_string(run.join("config.toml"))?)?;
        let metrics = fs::read_to_string(run.join("metrics.jsonl"))?;
        let last: Value = serde_json::from_str(metrics.lines().last().unwrap_or_default())?;
        let seed = config.get("seed").and_then(toml::Value::as_integer).and_then(|seed| u64::try_from(seed).ok());
        Ok(Self {
            schema: SCHEMA.into(),
            recipe: recipe.into(),
            quick,
            seed: seed.unwrap_or(0),
            train_seconds: last["seconds"].as_f64().ok_or("metrics.jsonl has no time of training")?,
            commit,
            machine,
            date,
            evaluation: None,
        })
    }
}

/// Whether a run is finished. The report is written last; a classifier has no report but has figures of its last epoch.
pub(super) fn is_finished(run: &Path) -> bool {
    let last_epoch = || -> Option<i64> {
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
        serde_json::from_str::<Value>(metrics.lines().last()?).ok()?["epoch"].as_i64()
    };
    let epochs = || -> Option<i64> {
        let config: toml::Table = toml::from_str(&fs::read_to_string(run.join("config.toml")).ok()?).ok()?;
        let model = config.get("model")?;
        (model.get("kind")?.as_str()? == "classifier").then(|| model.get("epochs")?.as_integer())?
    };
    run.join("report.html").is_file() || epochs().is_some_and(|epochs| last_epoch() == Some(epochs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_run_is_finished_with_its_report_or_the_last_epoch_of_a_classifier() {
        let run = std::env::temp_dir().join(format!("xtask-finished-{}", std::process::id()));
        let _ = fs::remove_dir_all(&run);
        fs::create_dir_all(&run).unwrap();
        assert!(!is_finished(&run));
        fs::write(run.join("config.toml"), "[model]\nkind = 'classifier'\nepochs = 3\n").unwrap();
        fs::write(run.join("metrics.jsonl"), "{\"epoch\":1}\n{\"epoch\":2}\n").unwrap();
        assert!(!is_finished(&run));
        fs::write(run.join("metrics.jsonl"), "{\"epoch\":2}\n{\"epoch\":3}\n").unwrap();
        assert!(is_finished(&run));
        // Other models have a report still to come.
        fs::write(run.join("config.toml"), "[model]\nkind = 'rbm'\nepochs = 3\n").unwrap();
        assert!(!is_finished(&run));
        fs::write(run.join("report.html"), "page").unwrap();
        assert!(is_finished(&run));
        fs::remove_dir_all(run).unwrap();
    }

    #[test]
    fn rejects_damaged_and_foreign_files() {
        let path = std::env::temp_dir().join(format!("xtask-state-{}.json", std::process::id()));
        assert!(State::read(&path).unwrap().is_none());
        for text in ["{", "{\"schema\":\"gm-eval/1\"}"] {
            fs::write(&path, text).unwrap();
            let error = State::read(&path).unwrap_err().to_string();
            assert!(error.contains("remove it to measure the row again"), "{error}");
        }
        fs::remove_file(path).unwrap();
    }
}
