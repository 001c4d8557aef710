//! Where training leaves its results.

use std::path::PathBuf;

use gm_core::ModelData;

use crate::course::checkpoint::Checkpoint;
use crate::course::metrics::EpochRecord;
use crate::error::Result;

/// Where training leaves its results.
pub(crate) trait Journal {
    /// Keeps the figures of an epoch.
    fn record(&mut self, record: &EpochRecord) -> Result<()>;

    /// Whether a checkpoint is due after this many updates.
    fn is_due(&self, step: u64) -> bool;

    /// Writes a checkpoint, completed by what only the journal knows.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Option<PathBuf>>;

    /// Keeps the model: the final one, or the best so far.
    fn model(&mut self, model: &ModelData) -> Result<()>;

    /// Keeps the model with the layers that it has so far.
    fn layer(&mut self, model: &ModelData) -> Result<()>;

    /// Whether anything at all lasts, so that states have to be made.
    fn lasts(&self) -> bool;
}

/// A journal in memory.
#[derive(Debug, Default)]
pub(crate) struct History(pub(crate) Vec<EpochRecord>);

impl Journal for History {
    fn record(&mut self, record: &EpochRecord) -> Result<()> {
        self.0.push(record.clone());
        Ok(())
    }

    fn is_due(&self, _: u64) -> bool {
        false
    }

    fn checkpoint(&mut self, _: Checkpoint) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    fn model(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    fn layer(&mut self, _: &ModelData) -> Result<()> {
        Ok(())
    }

    fn lasts(&self) -> bool {
        false
    }
}
