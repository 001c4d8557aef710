//! Where training leaves its results.

use std::path::PathBuf;

use gm_core::ModelData;

use crate::course::checkpoint::Checkpoint;
use crate::course::metrics::EpochRecord;
use crate::error::Result;

/// Where training leaves its results. What a journal does not say otherwise is dropped.
pub(crate) trait Journal {
    /// Keeps the figures of an epoch.
    fn record(&mut self, _: &EpochRecord) -> Result<()> {
        Ok(())
    }

    /// Whether a checkpoint is due after this many updates.
    fn is_due(&self, _: u64) -> bool {
        false
    }

    /// Writes a checkpoint, completed by what only the journal knows.
    fn checkpoint(&mut self, _: Checkpoint) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Keeps the model: the final one, or the best so far.
    fn model(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    /// Keeps the model with the layers that it has so far.
    fn layer(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    /// Whether anything at all lasts, so that states have to be made.
    fn lasts(&self) -> bool;
}

/// The journal of a process that leaves the files to the one that leads its team, and is asked for states as often.
#[derive(Debug)]
pub(crate) struct Silent {
    /// Updates from one checkpoint to the next.
    pub(crate) every: u64,
}

impl Journal for Silent {
    fn is_due(&self, step: u64) -> bool {
        is_due(self.every, step)
    }

    fn lasts(&self) -> bool {
        true
    }
}

/// Whether a checkpoint is due after so many updates, if one is every so often; never for 0.
pub(crate) fn is_due(every: u64, step: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

/// A journal in memory.
#[derive(Debug, Default)]
pub(crate) struct History(pub(crate) Vec<EpochRecord>);

impl Journal for History {
    fn record(&mut self, record: &EpochRecord) -> Result<()> {
        self.0.push(record.clone());
        Ok(())
    }

    fn lasts(&self) -> bool {
        false
    }
}
