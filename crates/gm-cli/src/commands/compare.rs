//! `dgm compare`: a table of runs.

use std::path::PathBuf;

use clap::Args;
use gm_sweep::{Comparison, Figure, RunRecord};

use crate::comparison;
use crate::error::Result;
use crate::files::{FORCE, Kind, Target, save};
use crate::output::Report;
use crate::report;

/// Compares training runs: the settings in which they differ, figures, states and times
///
/// Runs are ordered by a figure of validation rows, the best first. `about` marks a log-likelihood with an estimate of
/// log Z. Evaluations in the run folders (`dgm eval RUN --out RUN/eval.json`, `dgm report RUN --data SPEC`) have columns
/// of their own, with their intervals. Runs of other data, and other kinds of models, have tables of their own.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm compare runs/rbm-digits runs/rbm-digits-2\n  dgm compare runs/rates\n  \
    dgm compare runs/rates --figure pseudo-likelihood --json\n  dgm compare runs/rates --out rates.html\n  \
    dgm compare runs/rates --out rates.csv --force")]
pub(crate) struct Compare {
    /// Folders of runs, and folders that hold such folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The figure that orders the runs: log-likelihood, importance-weighted, elbo, pseudo-likelihood, reconstruction,
    /// error-rate or cross-entropy [default: the first of these that all runs have; error-rate for classifiers]
    #[arg(long, value_name = "FIGURE")]
    figure: Option<Figure>,
    /// Write a page with learning curves (.html), or the table (.csv)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, requires = "out", help = FORCE)]
    force: bool,
}

impl Compare {
    pub(super) fn run(&self) -> Result<Report> {
        let target = |out| Target::new(("--out", out), &[Kind::Html, Kind::Csv], self.force);
        let target = self.out.as_deref().map(target).transpose()?;
        let comparison = Comparison::of(RunRecord::all(&self.runs)?, self.figure)?;
        let mut text = comparison::text(&comparison);
        if let Some(target) = target {
            match target.kind {
                Kind::Csv => save(target.path(), &comparison::csv(&comparison)?)?,
                _ => target.write_text(&report::comparison_page(&comparison)?)?,
            }
            text += &format!("\n{}", target.path().display());
        }
        Report::new(text, &comparison)
    }
}
