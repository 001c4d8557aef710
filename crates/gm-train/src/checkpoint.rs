//! Checkpoints: all that a run needs to continue bit for bit.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gm_core::{EnvelopeKind, read_envelope, write_envelope};
use serde::{Deserialize, Serialize};

use crate::data::Split;
use crate::error::{Error, Result};
use crate::files::{UNFINISHED, write_atomically};
use crate::learner::LearnerState;
use crate::monitor::Stopping;

const CHECKPOINT: EnvelopeKind = EnvelopeKind { magic: *b"gm-ckpt\n", version: 1, name: "checkpoint" };

/// Checkpoints that are kept, so that a damaged one costs little.
const KEPT: usize = 2;

/// The training data in brief, to notice when other data lie in the same place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataMark {
    pub(crate) rows: u64,
    pub(crate) units: u64,
    /// Sum of the means of the units, each times its number.
    pub(crate) moment: f64,
}

impl DataMark {
    pub(crate) fn of(split: &Split) -> Self {
        let means = split.unit_means();
        let moment = means.iter().enumerate().map(|(i, &mean)| (i + 1) as f64 * f64::from(mean)).sum();
        Self { rows: split.len() as u64, units: split.units() as u64, moment }
    }
}

/// The state of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The settings that change the result, as TOML.
    pub(crate) config: String,
    pub(crate) data: DataMark,
    /// Updates made.
    pub(crate) step: u64,
    /// Whether the run has come to its end.
    pub(crate) finished: bool,
    /// Time spent in training.
    pub(crate) seconds: f64,
    /// Length of `metrics.jsonl`.
    pub(crate) metrics_bytes: u64,
    pub(crate) stopping: Stopping,
    pub(crate) learner: LearnerState,
}

impl Checkpoint {
    /// Writes the checkpoint into a folder and removes all but the newest.
    pub(crate) fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("step-{:012}.gmck", self.step));
        write_atomically(&path, |out| write_envelope(out, &CHECKPOINT, 0, self))?;
        let stale = list(folder)?.into_iter().rev().skip(KEPT);
        stale.for_each(|path| drop(fs::remove_file(path)));
        Ok(path)
    }

    fn load(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("opening", path))?;
        let (_, checkpoint) = read_envelope(BufReader::new(file), &CHECKPOINT).map_err(Error::at(path))?;
        Ok(checkpoint)
    }

    /// The newest checkpoint that can be read, and what is wrong with newer ones; `None` if there is none at all.
    ///
    /// # Errors
    ///
    /// What is wrong with the oldest when none can be read.
    pub(crate) fn newest(folder: &Path) -> Result<(Option<Self>, Vec<String>)> {
        let mut warnings = Vec::new();
        let mut last = None;
        for path in list(folder)?.into_iter().rev() {
            match Self::load(&path) {
                Ok(checkpoint) => return Ok((Some(checkpoint), warnings)),
                Err(error) => {
                    warnings.push(format!("{error}; an older checkpoint is used"));
                    last = Some(error);
                }
            }
        }
        last.map_or(Ok((None, vec![])), Err)
    }
}

/// The checkpoints of a folder, oldest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = || Error::io("reading", folder);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail())? {
        let path = entry.map_err(fail())?.path();
        if path.extension().is_some_and(|extension| extension == "gmck") && !is_unfinished(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED))
}

/// Removes what a crash has left unfinished.
pub(crate) fn sweep_up(folder: &Path) -> Result<()> {
    let fail = || Error::io("reading", folder);
    for entry in fs::read_dir(folder).map_err(fail())? {
        let path = entry.map_err(fail())?.path();
        if is_unfinished(&path) {
            fs::remove_file(&path).map_err(Error::io("removing", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        Checkpoint {
            config: "seed = 1".into(),
            data: DataMark { rows: 1, units: 2, moment: 0.5 },
            step,
            finished: false,
            seconds: 1.5,
            metrics_bytes: 7,
            stopping: Stopping::default(),
            learner: LearnerState { offsets: vec![vec![0.25; 3]], ..Default::default() },
        }
    }

    #[test]
    fn law_the_last_two_are_kept_and_the_newest_sound_one_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(Checkpoint::newest(folder).unwrap(), (None, vec![]));
        let paths: Vec<PathBuf> = [1, 20, 3_000].map(|step| checkpoint(step).save(folder).unwrap()).to_vec();
        assert_eq!(list(folder).unwrap(), paths[1..]);
        assert_eq!(Checkpoint::newest(folder).unwrap(), (Some(checkpoint(3_000)), vec![]));

        let mut bytes = fs::read(&paths[2]).unwrap();
        bytes.truncate(100);
        fs::write(&paths[2], bytes).unwrap();
        let (found, warnings) = Checkpoint::newest(folder).unwrap();
        assert_eq!(found, Some(checkpoint(20)));
        assert!(warnings[0].contains("checkpoint file is truncated"), "{warnings:?}");

        fs::write(&paths[1], b"gm-model").unwrap();
        let error = Checkpoint::newest(folder).unwrap_err().to_string();
        assert_eq!(error, format!("{}: not a checkpoint file: it begins with other bytes", paths[1].display()));
    }

    #[test]
    fn law_unfinished_files_are_swept_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".unfinished-abc"), b"half").unwrap();
        fs::write(folder.path().join("config.toml"), b"").unwrap();
        sweep_up(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
