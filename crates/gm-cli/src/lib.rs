//! dgm: trains, measures, samples and inspects deep generative models of binary data.
//!
//! The library is the program: [`run`] takes its words and returns its exit status, and [`run_over`] does so as one of
//! several processes that work on the same model. [`memory`] says which jobs do not fit
//! into the memory of this machine, for other programs that start such jobs.

#[cfg(test)]
mod book;
mod classes;
mod commands;
mod comparison;
mod console;
mod data;
mod download;
mod error;
mod files;
mod hints;
mod mask;
pub mod memory;
mod model;
mod needs;
mod output;
mod over;
mod picture;
mod report;
mod tables;
mod training;
mod units;
mod verdict;
#[cfg(test)]
mod walk;

use std::ffi::OsString;
use std::sync::Arc;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use gm_ascent::Exchange;

use crate::commands::{Command, Context};
use crate::console::Verbosity;
use crate::error::{Error, Result};
use crate::hints::CommandLine;
use crate::output::Report;

pub use over::run_over;

/// Trains deep generative models of binary data, measures them in nats, samples, infers, completes and inspects
///
/// Results go to standard output, logs and progress to standard error. The exit status is 0 on success, 1 on failure, 2
/// for wrong usage, and 130 after an interruption. An interrupted training run has written a checkpoint and can be
/// resumed.
#[derive(Debug, Parser)]
#[command(name = "dgm", version, max_term_width = 110)]
#[command(
    after_help = "Examples:\n  dgm demo\n  dgm train rbm --data digits\n  dgm eval runs/rbm-digits/model.gm --data digits\n  \
    dgm sample runs/rbm-digits/model.gm -n 100 --out samples.png"
)]
struct Program {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
struct Common {
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    /// The number of threads; results do not depend on it [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The seed of all random numbers [default: 0]
    #[arg(long, global = true, value_name = "SEED")]
    seed: Option<u64>,
    /// Print only warnings and errors on standard error
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print details on standard error
    #[arg(long, short, global = true)]
    verbose: bool,
}

impl Common {
    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

impl Program {
    /// The program that words describe, and the options of its command.
    fn parse(command: &mut clap::Command, words: &[OsString]) -> std::result::Result<(Self, CommandLine), clap::Error> {
        let matches = command.try_get_matches_from_mut(words)?;
        let program = Self::from_arg_matches(&matches).map_err(|error| error.format(command))?;
        Ok((program, CommandLine::of(command, &matches)))
    }

    /// Runs the command, which these words gave, and prints its report. Several processes share the work of some
    /// commands.
    fn run(&self, words: Vec<OsString>, exchange: Option<Arc<dyn Exchange>>) -> Result<Report> {
        let threads = usize::from(self.common.threads.unwrap_or(0));
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Error::content("--threads"))?;
        // The command runs within the pool, so that its many parallel operations need not wake the pool each time.
        let Common { seed, threads, json, .. } = self.common;
        let context = Context { seed, threads: threads.is_some(), json, words, exchange };
        let report = rayon::scope(|_| self.command.run(&context))?;
        report.print(self.common.json)?;
        Ok(report)
    }
}

/// The exit status of a command that has done its work.
const SUCCESS: u8 = 0;
/// The exit status of a command that has failed.
const FAILURE: u8 = 1;
/// The exit status of wrong usage.
const USAGE: u8 = 2;
/// The exit status of a command that a signal interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the program with these words, the first of which is its name, and returns its exit status. Wrong usage and
/// `--help` end the process.
///
/// # Examples
///
/// ```no_run
/// let status = gm_cli::run(["dgm", "train", "rbm", "--data", "digits"]);
/// assert_eq!(status, 0);
/// ```
#[must_use]
pub fn run(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> u8 {
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let (program, command) = Program::parse(&mut Program::command(), &words).unwrap_or_else(|error| error.exit());
    console::start(program.common.verbosity());
    status("dgm", &program.run(words, None), &command)
}

/// The exit status of a command, whose failure is told.
fn status(name: &str, outcome: &Result<Report>, command: &CommandLine) -> u8 {
    match outcome {
        Ok(report) if report.interrupted => INTERRUPTED,
        Ok(Report { failure: Some(reason), .. }) => {
            console::say(&format!("{name}: error: {reason}"));
            FAILURE
        }
        Ok(_) => SUCCESS,
        Err(error) if error.is_interruption() => {
            console::say(&format!("{name}: {}", error.line(command)));
            INTERRUPTED
        }
        Err(error) => {
            console::say(&format!("{name}: error: {}", error.line(command)));
            FAILURE
        }
    }
}
