//! Bounds on log p of rows by annealing from a factorial distribution to the posterior of each row.

use gm_core::{AisSettings, Estimate, Purpose, Schedule, Side, Streams, Weighted, mean};
use rand::seq::index::sample;

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
/// `anneal` gets the numbers of the rows, the runs and temperatures, and the family of streams.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`]: 10 for the choice of rows, 8 for the annealing.
pub(super) fn tightened(
    weighted: &[f64],
    std_error: f64,
    settings: &EvalSettings,
    streams: &Streams,
    anneal: impl FnOnce(&[usize], &AisSettings, &Streams) -> Result<Vec<Weighted>>,
) -> Result<Option<PosteriorReport>> {
    let (how, total) = (settings.posterior, weighted.len());
    if how.runs == 0 {
        return Ok(None);
    }
    let mut choice = streams.fork(Purpose::Evaluate, 10).stream(0);
    let mut rows = sample(&mut choice, total, how.rows.min(total)).into_vec();
    rows.sort_unstable();
    let found = anneal(&rows, &how.ais(), &streams.fork(Purpose::Evaluate, 8))?;
    let gains: Vec<f64> = rows.iter().zip(&found).map(|(&row, found)| found.value - weighted[row]).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(runs: usize, rows: usize) -> EvalSettings {
        EvalSettings { posterior: PosteriorAnnealing { runs, temperatures: 10, rows }, ..Default::default() }
    }

    fn half_a_nat(rows: &[usize], _: &AisSettings, _: &Streams) -> Result<Vec<Weighted>> {
        Ok(rows.iter().map(|&row| Weighted { value: 0.5 - row as f64, std_error: 0.1, ess: 2.0 }).collect())
    }

    #[test]
    fn table_the_gain_on_some_rows_corrects_the_mean_of_all() {
        let weighted: Vec<f64> = (0..100).map(|row| -f64::from(row)).collect();
        let of = |settings: &EvalSettings| tightened(&weighted, 0.3, settings, &Streams::new(1), half_a_nat).unwrap();
        assert_eq!(of(&settings(0, 10)), None);
        let some = of(&settings(4, 25)).unwrap();
        assert!((some.value + 49.0).abs() < 1e-12 && some.rows == 25, "{some:?}");
        // The error of runs, 0.1 / 5, and that of the importance weights.
        assert!((some.std_error - 0.02_f64.hypot(0.3)).abs() < 1e-9, "{some:?}");
        let all = of(&settings(4, 1_000)).unwrap();
        assert!((all.value + 49.0).abs() < 1e-12 && (all.std_error - 0.01).abs() < 1e-12 && all.rows == 100, "{all:?}");
    }
}
