//! `cargo xtask calibrate`: counts how often the intervals of likelihoods hold, and writes the page of the book.

use std::fs;

use clap::Args;

use crate::Result;
use crate::process::{cargo, root};
use crate::reproduce::Place;

/// Compares intervals of likelihoods with exact values, on small models of many families at the default settings of
/// evaluation. It fails if fewer than 99 % of the closed ends of a family hold, or if an end that fails by more than 0.1
/// nats has not warned.
#[derive(Args)]
pub(crate) struct Calibrate {
    /// Models of each family.
    #[arg(long, value_name = "N", default_value_t = 60)]
    models: u64,
    /// Seeds of models and evaluations; each makes a table.
    #[arg(long, value_name = "SEED", value_delimiter = ',', default_value = "1,2")]
    seeds: Vec<u64>,
    /// Writes the tables to docs/src/calibration.md as well.
    #[arg(long, conflicts_with = "filter")]
    write: bool,
    /// Continues an interrupted calibration: families that the same code has measured are not measured again.
    #[arg(long)]
    resume: bool,
    /// Measures only families whose name contains this text.
    filter: Option<String>,
}

const PAGE: &str = "docs/src/calibration.md";

const HEAD: &str = "\
# How often the intervals hold

`cargo xtask calibrate --write` writes this page. Models of many families are small enough to enumerate. Each is evaluated
twice: exactly, and at the default settings of `dgm eval` as if it were too large for that. Half of the models of each
family are evaluated on rows that are typical of them (their own draws, or test rows of the data that they were trained
on), the other half on uniform rows. Trained models have learnt `bars-and-stripes:4` for 3 to 1,500 epochs.

An end *holds* if the exact mean log p of the rows lies on its right side. Open ends do not count: the upper ends of DBMs,
DBNs and SBNs ([how to read an interval](interval.md)). *Worst miss* is the largest distance in nats between an end that
fails and the exact value. *Silent* counts ends that fail by more than 0.1 nats in a report without a warning, *warned* the
reports with a warning. *Truth above the lower end* and *gap*, the gap of the bound on rows drawn from the model, are
medians in nats.
";

impl Calibrate {
    pub(crate) fn run(&self) -> Result<()> {
        let mut page = HEAD.to_owned();
        let mut failed = false;
        let kept = root().join("target/calibration");
        if !self.resume && kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        for seed in &self.seeds {
            let log = root().join(format!("target/calibrate-{seed}.md"));
            let step = cargo("calibration", ["run", "--release", "-p", "gm-calibration", "--"])
                .args(["--models".into(), self.models.to_string(), "--seed".into(), seed.to_string()])
                .args(["--out".into(), log.display().to_string(), "--keep".into(), kept.display().to_string()])
                .args(self.filter.clone());
            failed |= step.run().is_err();
            let table = fs::read_to_string(&log)?;
            page += &format!("\n## Seed {seed}, {} models of each family\n\n{}\n", self.models, table.trim_end());
        }
        if self.write {
            let place = Place::here()?;
            page += &format!("\n{}; commit {}; {}.\n", place.machine, place.commit, place.date);
            fs::write(root().join(PAGE), page)?;
        }
        if failed { Err("intervals fail more often than they may".into()) } else { Ok(()) }
    }
}
