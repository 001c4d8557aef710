//! log Z by reverse AIS from rows of the data (RAISE), whatever the kind of model.

use gm_core::{AisSettings, Batch, Estimate, Purpose, Side, Streams};
use rand::seq::index::sample;

use crate::error::Result;
use crate::settings::EvalSettings;

/// Runs of reverse AIS from random rows.
pub(super) struct Raise<'a> {
    /// States of visible units or rows of data, [units, rows].
    pub(super) rows: &'a Batch,
    pub(super) settings: &'a EvalSettings,
    pub(super) streams: &'a Streams,
}

impl Raise<'_> {
    /// Estimates log Z, too high in expectation.
    ///
    /// `log_z_of` gives log Z as seen from each of the chosen rows. It gets the rows, the schedule of one run for each
    /// row, the family of streams in which the rows were chosen, and the family of streams of the runs.
    ///
    /// These values of log Z vary little from row to row, so that few rows suffice for the mean over all rows.
    pub(super) fn log_z(
        &self,
        log_z_of: impl FnOnce(&Batch, &AisSettings, &Streams, &Streams) -> Result<Vec<f64>>,
    ) -> Result<Estimate> {
        let (total, runs) = (self.rows.samples(), self.settings.raise_walks);
        let choice = self.streams.fork(Purpose::Evaluate, 2);
        let chosen = sample(&mut choice.stream(0), total, runs.min(total)).into_vec();
        // With few rows there are several runs from each row.
        let starts: Vec<usize> = chosen.iter().copied().cycle().take(runs).collect();
        let ais = AisSettings { runs: 1, schedule: self.settings.ais.schedule.clone() };
        let log_z = log_z_of(&self.rows.select(&starts), &ais, &choice, &self.streams.fork(Purpose::Evaluate, 3))?;
        Ok(Estimate::mean(&log_z, Side::Upper, "raise"))
    }
}
