//! Runs as the page shows them: settings, curves, state and the best figure.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gm_train::{CheckpointInfo, Config};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Answer, Refusal};
use crate::shelf::{Cache, stamp};

/// The greatest file of metrics that is read.
const METRICS: u64 = 64 * 1024 * 1024;
/// A run whose files have not changed for this long, and for three epochs, has stopped.
const QUIET: Duration = Duration::from_secs(60);

/// A run in the table.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: usize,
    name: String,
    /// What is wrong with the run, which then has nothing else to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<About>,
}

/// What is known of a sound run.
#[derive(Debug, Serialize)]
struct About {
    model: &'static str,
    hidden: Vec<usize>,
    /// `finished`, `training` or `stopped`.
    state: &'static str,
    epochs: u64,
    all_epochs: u64,
    seconds: f64,
    /// Every setting of `config.toml` by its name.
    settings: BTreeMap<String, toml::Value>,
    best: Option<Best>,
    evaluations: Vec<Evaluation>,
    has_model: bool,
}

/// The best epoch by the most telling of the measured quantities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Best {
    field: &'static str,
    value: f64,
    epoch: u64,
}

/// The figure of a document that `dgm eval` has left in the folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Evaluation {
    /// `log p` or `error rate`.
    quantity: &'static str,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    side: Option<String>,
    source: String,
    split: String,
}

/// Quantities by which epochs are compared, the most telling first, and whether more is better.
const QUANTITIES: [(&str, bool); 8] = [
    ("log_likelihood", true),
    ("estimated_log_likelihood", true),
    ("importance_weighted", true),
    ("elbo", true),
    ("error_rate", false),
    ("pseudo_log_likelihood", true),
    ("reconstruction", false),
    ("squared_error", false),
];

/// What has been read of the runs.
#[derive(Debug)]
pub(crate) struct Runs {
    histories: Cache<Vec<Value>>,
    checkpoints: Cache<CheckpointInfo>,
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self { histories: Cache::new(500), checkpoints: Cache::new(16) }
    }

    /// A line of the table.
    pub(crate) fn summary(&self, id: usize, folder: &Path) -> Summary {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).display().to_string();
        match self.about(folder) {
            Ok(about) => Summary { id, name, error: None, about: Some(about) },
            Err(refusal) => Summary { id, name, error: Some(refusal.text), about: None },
        }
    }

    fn about(&self, folder: &Path) -> Answer<About> {
        let file = folder.join("config.toml");
        let config = Config::read(&file).map_err(Refusal::unfit)?;
        let history = self.history(folder)?;
        let last = |field: &str| history.last().and_then(|record| record.get(field)?.as_f64()).unwrap_or(0.0);
        let (epochs, seconds) = (last("epoch") as u64, last("seconds"));
        let settings = config.model.settings();
        Ok(About {
            model: settings.kind().as_str(),
            hidden: settings.hidden(),
            state: self.state(folder, seconds / epochs.max(1) as f64),
            epochs,
            all_epochs: settings.epochs(),
            seconds,
            settings: gm_sweep::settings(&config).map_err(Refusal::unfit)?,
            best: best(&history),
            evaluations: evaluations(folder),
            has_model: folder.join("model.gm").is_file(),
        })
    }

    /// The lines of `metrics.jsonl` that are whole.
    ///
    /// # Errors
    ///
    /// A refusal of a damaged file.
    pub(crate) fn history(&self, folder: &Path) -> Answer<std::sync::Arc<Vec<Value>>> {
        let path = folder.join("metrics.jsonl");
        self.histories.get(&path, || history(folder))
    }

    /// The newest checkpoint.
    pub(crate) fn checkpoint(&self, path: &Path) -> Answer<std::sync::Arc<CheckpointInfo>> {
        let read = || {
            let file = File::open(path).map_err(|_| Refusal::absent("the checkpoint"))?;
            CheckpointInfo::read(BufReader::new(file)).map_err(Refusal::unfit)
        };
        self.checkpoints.get(path, read)
    }

    fn state(&self, folder: &Path, epoch: f64) -> &'static str {
        let newest = newest(folder);
        if newest.as_ref().and_then(|path| self.checkpoint(path).ok()).is_some_and(|info| info.finished) {
            return "finished";
        }
        let files = [Some(folder.join("metrics.jsonl")), Some(folder.join("config.toml")), newest];
        let changed = files.into_iter().flatten().filter_map(|path| Some(stamp(&path)?.1)).max();
        let quiet = changed.and_then(|then| SystemTime::now().duration_since(then).ok()).unwrap_or_default();
        if quiet > QUIET.max(Duration::try_from_secs_f64(3.0 * epoch).unwrap_or(QUIET)) {
            "stopped"
        } else {
            "training"
        }
    }
}

/// The lines of `metrics.jsonl`, of a file that is not too large.
fn history(folder: &Path) -> Answer<Vec<Value>> {
    let path = folder.join("metrics.jsonl");
    if let Some((bytes, _)) = stamp(&path)
        && bytes > METRICS
    {
        return Err(Refusal::unfit(format!("{} has {bytes} bytes, at most {METRICS} are read", path.display())));
    }
    gm_sweep::history(folder).map_err(Refusal::unfit)
}

/// The newest checkpoint, of a folder that can be read.
pub(crate) fn newest(folder: &Path) -> Option<PathBuf> {
    gm_sweep::checkpoints(folder).ok()?.pop()
}

/// The best epoch, by the most telling quantity that was measured.
fn best(history: &[Value]) -> Option<Best> {
    let values = |field: &'static str| {
        let value = move |record: &Value| Some((record.get(field)?.as_f64()?, record.get("epoch")?.as_u64()?));
        history.iter().filter_map(value)
    };
    let (field, more) = QUANTITIES.into_iter().find(|(field, _)| values(field).next().is_some())?;
    let (value, epoch) = values(field).reduce(|a, b| if (b.0 > a.0) == more && b.0 != a.0 { b } else { a })?;
    Some(Best { field, value, epoch })
}

/// The figures of `dgm eval` in a folder, those of test rows first.
fn evaluations(folder: &Path) -> Vec<Evaluation> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut found: Vec<Evaluation> =
        documents.filter_map(|path| evaluation(&serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?)).collect();
    found.sort_by_key(|evaluation| (evaluation.split != "test", evaluation.source.clone()));
    found
}

fn evaluation(document: &Value) -> Option<Evaluation> {
    let (quantity, field) = match document.get("schema")?.as_str()? {
        "gm-eval/1" => ("log p", "mean_log_prob"),
        "gm-classes/1" => ("error rate", "error_rate"),
        _ => return None,
    };
    let (figure, data) = (document.get(field)?, document.get("data")?);
    let number = |name: &str| figure.get(name)?.as_f64();
    let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(String::from);
    let (value, low, high) = (number("value"), number("low"), number("high"));
    let (side, source, split) = (text(figure, "side"), text(data, "source")?, text(data, "split")?);
    Some(Evaluation { quantity, value, low, high, side, source, split })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_the_best_epoch_is_that_of_the_most_telling_quantity() {
        let record =
            |epoch: u64, error: f64, elbo: Option<f64>| json!({"epoch": epoch, "reconstruction": error, "elbo": elbo});
        let history = [record(1, 3.0, None), record(2, 1.0, None), record(3, 1.0, None), record(4, 2.0, None)];
        let found = |field, value, epoch| Some(Best { field, value, epoch });
        assert_eq!(best(&history), found("reconstruction", 1.0, 2));
        let history = [record(1, 3.0, Some(-9.0)), record(2, 1.0, Some(-8.0)), record(3, 0.5, Some(-8.5))];
        assert_eq!(best(&history), found("elbo", -8.0, 2));
        assert_eq!(best(&[json!({"epoch": 1})]), None);
    }

    #[test]
    fn table_an_evaluation_is_a_figure_with_its_ends() {
        let document = json!({"schema": "gm-eval/1", "data": {"source": "digits", "split": "test"},
            "mean_log_prob": {"value": -20.0, "low": -21.0, "side": "lower"}});
        let found = evaluation(&document).unwrap();
        assert_eq!(
            (found.value, found.low, found.high, found.side.as_deref()),
            (Some(-20.0), Some(-21.0), None, Some("lower"))
        );
        assert_eq!(evaluation(&json!({"schema": "gm-inspect/1"})), None);
    }
}
