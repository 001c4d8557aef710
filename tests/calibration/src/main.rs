//! `cargo xtask calibrate`: prints how often the intervals of likelihoods hold, as a table in Markdown.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool reports on its standard streams")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gm::prelude::EvalSettings;
use gm_calibration::{FAMILIES, Family, Outcome, Tally, measure, table};
use rayon::prelude::*;

/// Compares intervals of likelihoods with exact values, at the default settings of evaluation
#[derive(Parser)]
struct Arguments {
    /// Models of each family
    #[arg(long, value_name = "N", default_value_t = 60)]
    models: u64,
    /// The seed of the models and of the evaluations
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Write the table to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keep the count of each family in this folder, and measure only families that have none there
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Measure only families whose name contains this text
    filter: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("fewer than 99 % of the closed ends hold, or one fails by more than 0.1 nats without a warning");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("calibration: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures all families, and returns whether enough ends hold.
fn run(arguments: &Arguments) -> gm::Result<bool> {
    let wanted = |family: &&Family| arguments.filter.as_ref().is_none_or(|text| family.name.contains(text));
    let tallies: Vec<Tally> =
        FAMILIES.iter().filter(wanted).map(|family| tally(family, arguments)).collect::<gm::Result<_>>()?;
    match &arguments.out {
        Some(path) => gm::data::write_atomically(path, |out| Ok(writeln!(out, "{}", table(&tallies))?))?,
        None => println!("{}", table(&tallies)),
    }
    Ok(tallies.iter().all(Tally::holds))
}

/// The count of a family, which is measured unless it is kept from an earlier run.
fn tally(family: &Family, arguments: &Arguments) -> gm::Result<Tally> {
    let Some(folder) = &arguments.keep else { return measured(family, arguments) };
    let name = family.name.replace([',', ' '], "-");
    let path = folder.join(format!("{name}-{}-{}.json", arguments.models, arguments.seed));
    if let Some(kept) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Tally>(&bytes).ok()) {
        eprintln!("{} (kept)", kept.row());
        return Ok(kept);
    }
    let found = measured(family, arguments)?;
    gm::data::write_atomically(&path, |out| Ok(out.write_all(&serde_json::to_vec(&found).unwrap_or_default())?))?;
    Ok(found)
}

fn measured(family: &Family, arguments: &Arguments) -> gm::Result<Tally> {
    let one = |i| -> gm::Result<Outcome> {
        let settings = EvalSettings { seed: arguments.seed.wrapping_mul(1_000).wrapping_add(i), ..Default::default() };
        measure(&family.case(i, arguments.seed)?, &settings)
    };
    let found: Vec<gm::Result<Outcome>> = (0..arguments.models).into_par_iter().map(one).collect();
    let outcomes: Vec<Outcome> = found.into_iter().collect::<gm::Result<_>>()?;
    for (i, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.worst_miss() > 0.0) {
        eprintln!("{} {i}: {outcome:?}", family.name);
    }
    let tally = Tally::of(family.name, &outcomes);
    eprintln!("{}", tally.row());
    Ok(tally)
}
