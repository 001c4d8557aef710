//! Checkpoints: all that a run needs to continue bit for bit.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use gm_ascent::{LearnerState, ParametersState, Team};
use gm_core::{EnvelopeKind, Error as CoreError, FileError, read_envelope, write_envelope};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::course::monitor::Stopping;
use crate::error::{Error, Result};
use gm_data::Dataset;
use gm_data::{UNFINISHED, write_atomically};

const CHECKPOINT: EnvelopeKind = EnvelopeKind { magic: *b"gm-ckpt\n", version: 4, oldest: 4, name: "checkpoint" };

/// Checkpoints that are kept, so that a damaged one costs little.
const KEPT: usize = 2;

/// The data that a run depends on in brief, to notice when others lie in the same place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataMark {
    pub(crate) rows: u64,
    pub(crate) units: u64,
    /// SHA-256 of the values of training and validation split, in their order.
    pub(crate) digest: [u8; 32],
}

impl DataMark {
    pub(crate) fn of(data: &Dataset) -> Self {
        let mut digest = Sha256::new();
        [&data.train, &data.valid].iter().for_each(|split| split.digest_into(&mut digest));
        Self { rows: data.train.len() as u64, units: data.units() as u64, digest: digest.finalize().into() }
    }
}

impl fmt::Display for DataMark {
    /// The first bytes of the digest are enough to see that two differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} training rows of {} units, digest ", self.rows, self.units)?;
        self.digest[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
    /// The state of a run before its first update.
    pub(crate) fn first(config: String, data: DataMark, learner: LearnerState) -> Self {
        let (step, finished, seconds, metrics_bytes) = (0, false, 0.0, 0);
        Self { config, data, step, finished, seconds, metrics_bytes, stopping: Stopping::default(), learner }
    }

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
        match read_envelope(BufReader::new(file), &CHECKPOINT) {
            Ok((_, checkpoint)) => Ok(checkpoint),
            Err(CoreError::File(FileError::OlderVersion { found, oldest, .. })) => {
                Err(Error::OldCheckpoint { path: path.into(), found, supported: oldest })
            }
            Err(error) => Err(Error::at(path)(error)),
        }
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

/// The state of a learner with the chains of all shards, at the process that leads a team; elsewhere with its own.
pub(crate) fn gathered(team: &Team, mut state: LearnerState) -> Result<LearnerState> {
    if team.ranks() == 1 {
        return Ok(state);
    }
    let mut bytes = vec![];
    let own = state.take_shards(1)?;
    write_envelope(&mut bytes, &CHECKPOINT, 0, &own)?;
    for bytes in team.gather(bytes)? {
        let (_, shards): (_, Vec<LearnerState>) = read_envelope(&bytes[..], &CHECKPOINT)?;
        state.put_shards(shards);
    }
    Ok(state)
}

/// What a checkpoint tells of its run, without a model or data at hand.
///
/// # Examples
///
/// ```
/// use std::fs::{File, read_dir};
///
/// use gm_train::{CheckpointInfo, Config, ModelConfig, RbmSettings, Run, Unobserved};
///
/// let folder = tempfile::tempdir()?;
/// let rbm = RbmSettings { hidden: 3, epochs: 2, batch_size: 4, chains: 10, ..Default::default() };
/// Run::create(folder.path(), &Config::new("bars-and-stripes:2", ModelConfig::Rbm(rbm)))?.train(&mut Unobserved)?;
/// let newest = read_dir(folder.path().join("checkpoints"))?.next().expect("a finished run has one")?;
/// let info = CheckpointInfo::read(File::open(newest.path())?)?;
/// assert_eq!((info.step, info.finished, info.parameters.layers), (4, true, vec![4, 3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// The settings that change the result, as TOML.
    pub config: String,
    /// Updates made.
    pub step: u64,
    /// Whether the run has come to its end.
    pub finished: bool,
    /// Time spent in training.
    pub seconds: f64,
    /// Weights and biases.
    pub parameters: ParametersState,
}

impl CheckpointInfo {
    /// Reads a checkpoint.
    ///
    /// # Numerics
    ///
    /// Memory stays within a small multiple of the file's size, whatever the file says.
    ///
    /// # Errors
    ///
    /// The [`FileError`](gm_core::FileError) that says what is wrong with the file.
    pub fn read(reader: impl Read) -> gm_core::Result<Self> {
        let (_, checkpoint) = read_envelope::<Checkpoint>(reader, &CHECKPOINT)?;
        let Checkpoint { config, step, finished, seconds, learner, .. } = checkpoint;
        Ok(Self { config, step, finished, seconds, parameters: learner.parameters })
    }
}

/// The checkpoints of a folder, oldest first.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
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
            data: DataMark { rows: 1, units: 2, digest: [7; 32] },
            step,
            finished: false,
            seconds: 1.5,
            metrics_bytes: 7,
            stopping: Stopping::default(),
            learner: LearnerState { tensors: [("offset.0".to_string(), vec![0.25; 3])].into(), ..Default::default() },
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

    #[test]
    fn law_the_mark_tells_values_and_their_order_apart() {
        let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
        let with = |train: &[usize], valid: &[usize]| {
            let (train, valid) = (bars.train.select(train).unwrap(), bars.valid.select(valid).unwrap());
            DataMark::of(&Dataset::new("bars", train, valid, bars.test.clone()).unwrap())
        };
        assert_eq!(with(&[1, 2, 3], &[4]), with(&[1, 2, 3], &[4]));
        assert_ne!(with(&[1, 2, 3], &[4]), with(&[1, 3, 2], &[4]));
        assert_ne!(with(&[1, 2, 3], &[4]), with(&[1, 2, 3], &[5]));
        assert_ne!(with(&[1, 2], &[3, 4]), with(&[1, 2, 3], &[4]));
        let mark = DataMark { rows: 8, units: 4, digest: [0x1f; 32] };
        assert_eq!(mark.to_string(), "8 training rows of 4 units, digest 1f1f1f1f1f1f");
    }
}
