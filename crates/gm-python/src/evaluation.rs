//! The settings of an evaluation as keywords of Python.

use gm::core::{AisSettings, Schedule};
use gm::eval::{PosteriorAnnealing, TemperingSettings};
use gm::prelude::{EvalSettings, Exact};
use gm::sbn::BoundSettings;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{refused, to_python};

/// The arguments of an evaluation.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct EvalOptions {
    exact: String,
    seed: u64,
    ais_runs: usize,
    temperatures: usize,
    schedule: String,
    raise_walks: usize,
    reverse_runs: usize,
    tempering_temperatures: usize,
    tempering_sweeps: usize,
    samples: usize,
    repeats: usize,
    posterior_runs: usize,
    posterior_temperatures: usize,
    posterior_rows: usize,
    gap_rows: usize,
    shards: usize,
}

impl EvalOptions {
    /// The settings of the library.
    pub(crate) fn settings(&self) -> PyResult<EvalSettings> {
        let schedule = match self.schedule.as_str() {
            "graded" => Schedule::Graded(self.temperatures),
            "linear" => Schedule::Linear(self.temperatures),
            "adaptive" => Schedule::Adaptive(self.temperatures),
            other => return Err(refused(format!("schedule is {other}, allowed: graded, linear or adaptive"))),
        };
        Ok(EvalSettings {
            exact: self.exact.parse::<Exact>().map_err(|e| to_python(e.into()))?,
            ais: AisSettings { runs: self.ais_runs, schedule },
            raise_walks: self.raise_walks,
            reverse_runs: self.reverse_runs,
            tempering: TemperingSettings { temperatures: self.tempering_temperatures, sweeps: self.tempering_sweeps },
            bound: BoundSettings { samples: self.samples, repeats: self.repeats },
            posterior: PosteriorAnnealing {
                runs: self.posterior_runs,
                temperatures: self.posterior_temperatures,
                rows: self.posterior_rows,
            },
            gap_rows: self.gap_rows,
            shards: self.shards,
            seed: self.seed,
        })
    }
}

/// The settings of an evaluation with their default values, by the names of [`EvalOptions`].
#[pyfunction]
pub(crate) fn default_evaluation(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let usual = EvalSettings::default();
    let (schedule, temperatures) = match usual.ais.schedule {
        Schedule::Linear(count) => ("linear", count),
        Schedule::Adaptive(count) => ("adaptive", count),
        Schedule::Graded(count) => ("graded", count),
        _ => ("graded", 0),
    };
    let out = PyDict::new(py);
    out.set_item("exact", "auto")?;
    out.set_item("schedule", schedule)?;
    let counts = [
        ("seed", usual.seed as usize),
        ("ais_runs", usual.ais.runs),
        ("temperatures", temperatures),
        ("raise_walks", usual.raise_walks),
        ("reverse_runs", usual.reverse_runs),
        ("tempering_temperatures", usual.tempering.temperatures),
        ("tempering_sweeps", usual.tempering.sweeps),
        ("samples", usual.bound.samples),
        ("repeats", usual.bound.repeats),
        ("posterior_runs", usual.posterior.runs),
        ("posterior_temperatures", usual.posterior.temperatures),
        ("posterior_rows", usual.posterior.rows),
        ("gap_rows", usual.gap_rows),
        ("shards", usual.shards),
    ];
    counts.into_iter().try_for_each(|(name, count)| out.set_item(name, count))?;
    Ok(out)
}
