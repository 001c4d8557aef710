//! Bounds on log p of rows by annealing from a factorial distribution to the posterior of each row.

use std::ops::Range;

use gm_core::{AisSettings, Estimate, Purpose, Schedule, Side, Streams, Weighted, mean};
use rand::seq::index::sample;

use super::shards::Shards;
use crate::error::Result;
use crate::report::PosteriorReport;
use crate::settings::{EvalSettings, PosteriorAnnealing};

impl PosteriorAnnealing {
    /// Runs and temperatures of each row.
    pub(super) fn ais(self) -> AisSettings {
        AisSettings { runs: self.runs, schedule: Schedule::Linear(self.temperatures) }
    }
}

/// Anneals the posterior of random rows and corrects the mean of the importance-weighted bounds of all rows by what the
/// annealing gains on these. `None` if the settings have no runs.
///
/// `anneal` gets the numbers of the rows, the runs and temperatures, and the family of streams. It bounds log p(v) +
/// log Z, because shards of other parts have not found log Z yet.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`]: 10 for the choice of rows, 8 for the annealing.
pub(super) fn tightened(
    (weighted, std_error): (&[f64], f64),
    log_partition: f64,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    mut anneal: impl FnMut(&[usize], &AisSettings, &Streams) -> Result<Vec<Weighted>>,
) -> Result<Option<PosteriorReport>> {
    let (how, total) = (settings.posterior, weighted.len());
    if how.runs == 0 {
        return Ok(None);
    }
    let mut choice = shards.streams().fork(Purpose::Evaluate, 10).stream(0);
    let mut rows = sample(&mut choice, total, how.rows.min(total)).into_vec();
    rows.sort_unstable();
    let found = weighted_rows(shards, "posterior", rows.len(), |range, streams| {
        anneal(&rows[range], &how.ais(), &streams.fork(Purpose::Evaluate, 8))
    })?;
    let gains: Vec<f64> =
        rows.iter().zip(&found).map(|(&row, found)| found.value - log_partition - weighted[row]).collect();
    let gain = Estimate::mean(&gains, Side::Unbiased, "gain");
    let n = found.len() as f64;
    let of_runs = found.iter().map(|row| row.std_error.powi(2)).sum::<f64>().sqrt() / n;
    // Where all rows are annealed, the importance weights cancel and no row is left out.
    let of_rows = if rows.len() == total { 0.0 } else { gain.std_error.hypot(std_error) };
    Ok(Some(PosteriorReport {
        runs: how.runs,
        temperatures: how.temperatures,
        rows: rows.len(),
        value: mean(weighted) + gain.value,
        std_error: of_runs.hypot(of_rows),
        ess: mean(&found.iter().map(|row| row.ess).collect::<Vec<_>>()),
    }))
}

/// The weighted means of rows, divided among the shards.
pub(super) fn weighted_rows(
    shards: &mut Shards<'_>,
    task: &'static str,
    rows: usize,
    mut compute: impl FnMut(Range<usize>, &Streams) -> Result<Vec<Weighted>>,
) -> Result<Vec<Weighted>> {
    let found = shards.rows(task, (rows, 3), |range, streams| {
        let found = compute(range, streams)?;
        Ok(found.iter().flat_map(|row| [row.value, row.std_error, row.ess]).collect())
    })?;
    Ok(found.chunks(3).map(|row| Weighted { value: row[0], std_error: row[1], ess: row[2] }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(runs: usize, rows: usize) -> EvalSettings {
        EvalSettings { posterior: PosteriorAnnealing { runs, temperatures: 10, rows }, ..Default::default() }
    }

    fn half_a_nat(rows: &[usize], _: &AisSettings, _: &Streams) -> Result<Vec<Weighted>> {
        Ok(rows.iter().map(|&row| Weighted { value: 2.5 - row as f64, std_error: 0.1, ess: 2.0 }).collect())
    }

    #[test]
    fn table_the_gain_on_some_rows_corrects_the_mean_of_all() {
        let weighted: Vec<f64> = (0..100).map(|row| -f64::from(row)).collect();
        let of = |settings: &EvalSettings| {
            tightened((&weighted, 0.3), 2.0, settings, &mut Shards::all(1, 1), half_a_nat).unwrap()
        };
        assert_eq!(of(&settings(0, 10)), None);
        let some = of(&settings(4, 25)).unwrap();
        assert!((some.value + 49.0).abs() < 1e-12 && some.rows == 25, "{some:?}");
        // The error of runs, 0.1 / 5, and that of the importance weights.
        assert!((some.std_error - 0.02_f64.hypot(0.3)).abs() < 1e-9, "{some:?}");
        let all = of(&settings(4, 1_000)).unwrap();
        assert!((all.value + 49.0).abs() < 1e-12 && (all.std_error - 0.01).abs() < 1e-12 && all.rows == 100, "{all:?}");
    }
}
