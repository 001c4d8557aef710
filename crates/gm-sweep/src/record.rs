//! What the folder of a run tells of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gm_data::{UNFINISHED, write_atomically};
use gm_train::{CheckpointInfo, Config};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::Display;

use crate::error::{Error, Result};
use crate::evaluation::Evaluation;
use crate::figure::{Figure, Mark};
use crate::keys::flatten;

/// How far a run has come.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_sweep::RunState::Stopped.to_string(), "stopped");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RunState {
    /// It has come to its end.
    Finished,
    /// A sweep has stopped it early; it can be resumed.
    Stopped,
    /// It cannot go on.
    Failed,
    /// It has not come to its end: a process trains it, or was interrupted.
    Training,
}

/// The file of the settings of a run.
const CONFIG: &str = "config.toml";
/// The file in which a sweep says why a run has not come to its end.
const MARK: &str = "sweep.json";
/// The schema of that file.
const SCHEMA: &str = "gm-sweep-run/1";

/// Why a sweep has left a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    schema: String,
    state: RunState,
    reason: String,
    /// The settings of the candidate, since a run that could not begin has no `config.toml`.
    settings: BTreeMap<String, toml::Value>,
}

impl Left {
    pub(crate) fn new(state: RunState, reason: String, settings: &[(String, toml::Value)]) -> Self {
        Self { schema: SCHEMA.into(), state, reason, settings: settings.iter().cloned().collect() }
    }

    /// Writes the file of a run.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(gm_data::Error::io("creating", folder))?;
        let path = folder.join(MARK);
        let refused = |error: serde_json::Error| Error::File { path: path.clone(), detail: error.to_string() };
        let text = serde_json::to_string_pretty(self).map_err(refused)?;
        Ok(write_atomically(&path, |out| Ok(out.write_all(text.as_bytes())?))?)
    }

    /// Removes the file of a run that goes on.
    pub(crate) fn remove(folder: &Path) -> Result<()> {
        let path = folder.join(MARK);
        if path.exists() {
            fs::remove_file(&path).map_err(gm_data::Error::io("removing", &path))?;
        }
        Ok(())
    }

    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MARK);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(gm_data::Error::io("reading", &path))?;
        let refused = |error: serde_json::Error| Error::File { path, detail: error.to_string() };
        serde_json::from_str(&text).map(Some).map_err(refused)
    }
}

/// What the folder of a run tells of it.
///
/// # Examples
///
/// ```
/// use gm_sweep::{RunRecord, RunState};
/// use gm_train::{Config, ModelConfig, RbmSettings, Run, Unobserved};
///
/// let folder = tempfile::tempdir()?;
/// let rbm = RbmSettings { hidden: 3, epochs: 4, batch_size: 4, chains: 10, ..Default::default() };
/// let config = Config::new("bars-and-stripes:2", ModelConfig::Rbm(rbm));
/// Run::create(folder.path(), &config)?.train(&mut Unobserved)?;
/// let record = RunRecord::read(folder.path())?.expect("a run");
/// assert_eq!((record.state, record.epochs()), (RunState::Finished, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunRecord {
    /// The folder.
    pub folder: PathBuf,
    /// A name that tells the run from others it is compared with.
    pub name: String,
    /// The configuration; `None` for a run that could not begin.
    pub config: Option<Config>,
    /// All settings by their dotted keys; of a run that could not begin those of its sweep.
    pub settings: BTreeMap<String, toml::Value>,
    /// How far it has come.
    pub state: RunState,
    /// Why it was stopped or has failed.
    pub reason: Option<String>,
    /// The lines of `metrics.jsonl`.
    pub history: Vec<Value>,
    /// The evaluations in the folder.
    pub evaluations: Vec<Evaluation>,
}

impl RunRecord {
    /// Reads the folder of a run; `None` for another folder.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a damaged file, [`gm_train::Error::Config`], and [`gm_data::Error::Io`].
    pub fn read(folder: impl AsRef<Path>) -> Result<Option<Self>> {
        let folder = folder.as_ref();
        let (left, path) = (Left::read(folder)?, folder.join(CONFIG));
        let config = path.is_file().then(|| Config::read(&path)).transpose()?;
        if config.is_none() && left.is_none() {
            return Ok(None);
        }
        let settings = config.as_ref().map(settings).transpose()?;
        let settings = settings.or(left.as_ref().map(|left| left.settings.clone())).unwrap_or_default();
        let finished = config.is_some() && is_finished(folder)?;
        let (state, reason) = match left {
            _ if finished => (RunState::Finished, None),
            Some(left) => (left.state, Some(left.reason)),
            None => (RunState::Training, None),
        };
        let evaluations = Evaluation::all(folder, config.as_ref())?;
        let history = history(folder)?;
        let name = folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.display().to_string());
        Ok(Some(Self { folder: folder.into(), name, config, settings, state, reason, history, evaluations }))
    }

    /// The runs of some folders, each of which is a run or holds runs. A folder that is named twice counts once.
    ///
    /// # Errors
    ///
    /// [`Error::NoRuns`] and the errors of [`read`](Self::read).
    pub fn all(folders: &[PathBuf]) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        for folder in folders {
            let runs = match Self::read(folder)? {
                Some(run) => vec![run],
                None => Self::within(folder)?,
            };
            found.extend(runs);
        }
        let mut seen = Vec::new();
        found.retain(|run| {
            let place = fs::canonicalize(&run.folder).unwrap_or_else(|_| run.folder.clone());
            let new = !seen.contains(&place);
            seen.push(place);
            new
        });
        let names: Vec<String> = found.iter().map(|run| run.name.clone()).collect();
        for run in &mut found {
            if names.iter().filter(|name| **name == run.name).count() > 1 {
                run.name = run.folder.display().to_string();
            }
        }
        Ok(found)
    }

    fn within(folder: &Path) -> Result<Vec<Self>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(gm_data::Error::io("reading", folder))? {
            paths.push(entry.map_err(gm_data::Error::io("reading", folder))?.path());
        }
        paths.sort();
        let mut found = Vec::new();
        for path in paths.iter().filter(|path| path.is_dir()) {
            found.extend(Self::read(path)?);
        }
        if found.is_empty() { Err(Error::NoRuns { folder: folder.into() }) } else { Ok(found) }
    }

    /// Epochs that were made, as far as they were looked at.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.last_number("epoch") as u64
    }

    /// Time spent in training.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.last_number("seconds")
    }

    fn last_number(&self, field: &str) -> f64 {
        self.history.last().and_then(|line| line.get(field)?.as_f64()).unwrap_or(0.0)
    }

    /// The values of a figure, from the first epoch to the last.
    #[must_use]
    pub fn course(&self, figure: Figure) -> Vec<Mark> {
        self.history.iter().filter_map(|line| figure.mark(line)).collect()
    }
}

/// Whether the newest checkpoint that can be read is that of the end. A run whose checkpoints were removed has its model.
fn is_finished(folder: &Path) -> Result<bool> {
    let paths = checkpoints(folder)?;
    // A process that trains may remove an old one at any moment.
    let info = |path: &PathBuf| CheckpointInfo::read(BufReader::new(File::open(path).ok()?)).ok();
    let newest = paths.iter().rev().find_map(info);
    Ok(newest.map_or(paths.is_empty() && folder.join("model.gm").is_file(), |info| info.finished))
}

/// All settings of a configuration by their dotted keys.
///
/// # Errors
///
/// [`Error::File`] for a configuration that TOML cannot hold, which [`Config::check`] refuses.
///
/// # Examples
///
/// ```
/// use gm_train::Config;
///
/// let config = Config::parse("[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\nhidden = 30\n")?;
/// assert_eq!(gm_sweep::settings(&config)?["model.hidden"], 30.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn settings(config: &Config) -> Result<BTreeMap<String, toml::Value>> {
    let refused = |error: toml::de::Error| Error::File { path: CONFIG.into(), detail: error.to_string() };
    Ok(flatten(&config.to_toml().parse::<toml::Table>().map_err(refused)?))
}

/// The files of the checkpoints in the folder of a run, the oldest first.
///
/// # Errors
///
/// [`gm_data::Error::Io`] for a folder that cannot be read.
///
/// # Examples
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::create_dir(folder.path().join("checkpoints"))?;
/// for name in ["step-000000000020.gmck", "step-000000000003.gmck", "notes.txt"] {
///     std::fs::write(folder.path().join("checkpoints").join(name), "")?;
/// }
/// let found = gm_sweep::checkpoints(folder.path())?;
/// assert!(found.len() == 2 && found[1].ends_with("step-000000000020.gmck"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn checkpoints(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let checkpoints = folder.as_ref().join("checkpoints");
    let mut paths = Vec::new();
    if checkpoints.is_dir() {
        for entry in fs::read_dir(&checkpoints).map_err(gm_data::Error::io("reading", &checkpoints))? {
            paths.push(entry.map_err(gm_data::Error::io("reading", &checkpoints))?.path());
        }
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    paths.retain(|path| name(path).ends_with(".gmck") && !name(path).starts_with(UNFINISHED));
    paths.sort();
    Ok(paths)
}

/// The lines of `metrics.jsonl` in the folder of a run, without one that is being written.
///
/// # Errors
///
/// [`Error::File`] for a line that is no JSON, and [`gm_data::Error::Io`].
///
/// # Examples
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("metrics.jsonl"), "{\"epoch\":1}\n{\"epo")?;
/// assert_eq!(gm_sweep::history(folder.path())?, [serde_json::json!({"epoch": 1})]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn history(folder: impl AsRef<Path>) -> Result<Vec<Value>> {
    let path = folder.as_ref().join("metrics.jsonl");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(gm_data::Error::io("reading", &path))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let parsed = |(i, line): (usize, &str)| {
        let refused = |error| Error::File { path: path.clone(), detail: format!("line {}: {error}", i + 1) };
        serde_json::from_str(line).map_err(refused)
    };
    whole.lines().enumerate().map(parsed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_line_that_is_being_written_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, "{\"epoch\":1}\n{\"epoch\":2}\n{\"epo").unwrap();
        assert_eq!(history(folder.path()).unwrap().len(), 2);
        fs::write(&path, "{\"epoch\":1}\n{\"epo\n").unwrap();
        assert!(history(folder.path()).unwrap_err().to_string().contains("metrics.jsonl: line 2: EOF"));
        assert_eq!(history(folder.path().join("none")).unwrap().len(), 0);
    }

    #[test]
    fn rejects_folders_without_runs() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        let error = RunRecord::all(&[folder.path().into()]).unwrap_err().to_string();
        assert!(error.ends_with("holds no runs, allowed: the folder of a run, or a folder of such folders"), "{error}");
        fs::write(folder.path().join("other/sweep.json"), "{}").unwrap();
        let error = RunRecord::all(&[folder.path().into()]).unwrap_err().to_string();
        assert!(error.contains("sweep.json: missing field `schema`"), "{error}");
    }

    #[test]
    fn law_runs_of_equal_names_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for run in ["a/1", "b/1", "b/2"] {
            let left = Left::new(RunState::Failed, "for a reason".into(), &[("model.hidden".into(), 3.into())]);
            left.write(&folder.path().join(run)).unwrap();
        }
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        let found = RunRecord::all(&[a.clone(), b.clone(), b.join("2")]).unwrap();
        let names: Vec<&str> = found.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, [&a.join("1").display().to_string(), &b.join("1").display().to_string(), "2"]);
        assert_eq!((found[0].state, found[0].reason.as_deref()), (RunState::Failed, Some("for a reason")));
        assert_eq!(found[0].settings["model.hidden"], 3.into());
    }
}
