//! The workspace's own commands, run as `cargo xtask COMMAND`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool reports on its standard streams")]

mod axe;
mod book;
mod browser;
mod calibrate;
mod ci;
mod fuzz;
mod mpi;
mod mutants;
mod page;
mod page_cost;
mod process;
mod python;
mod reproduce;
mod soak;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use process::{Step, cargo, target};

/// The result of a command; the error is a text for a person.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every test of the workspace, documentation examples included.
    Test {
        /// Number of cases per property test (sets PROPTEST_CASES).
        #[arg(long, value_name = "N")]
        cases: Option<u32>,
    },
    /// Runs every check in turn and stops at the first that fails.
    Ci {
        /// Also runs the slow and fuzz tests and, where a nightly toolchain has them, Miri on the kernels and
        /// AddressSanitizer on the engine.
        #[arg(long)]
        long: bool,
    },
    /// Runs `dgm demo` in release mode.
    Demo {
        /// Arguments of `dgm demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the benchmarks.
    Bench {
        /// Times the same operations in other packages instead and prints a table of ratios. The Python interpreter
        /// needs torch, rbms, scikit-learn and dgm.
        #[arg(long, value_name = "PYTHON", conflicts_with_all = ["filter", "growth"])]
        peers: Option<String>,
        /// With --peers, also times the restricted Boltzmann machine 784-500 in this file on its own samples.
        #[arg(long, value_name = "FILE", requires = "peers")]
        model: Option<String>,
        /// Prints how the cost of a sweep grows with units, chains and threads instead.
        #[arg(long, conflicts_with = "filter")]
        growth: bool,
        /// Runs only the benchmarks whose name contains this text.
        filter: Option<String>,
    },
    /// Counts how often the intervals of likelihoods hold, on models whose likelihood is known exactly.
    Calibrate(calibrate::Calibrate),
    /// Writes the generated parts of the book (the chapter of commands, the pictures of the chapter's story, and the
    /// tables of damage and faults), and makes web pages of all chapters.
    Book(book::Book),
    /// Trains the recipes, measures them on the full test set and writes docs/src/results.md. Finished runs and
    /// measurements are kept, so that the same command continues an interrupted reproduction.
    Reproduce(reproduce::Reproduce),
    /// Trains small runs of all kinds of models, kills and resumes them at random moments, and compares their results
    /// with those of uninterrupted runs.
    Crash {
        /// Number of processes to kill with SIGKILL.
        #[arg(long, value_name = "N", default_value_t = 100)]
        kills: u32,
    },
    /// Trains a model of the size of MNIST for some minutes and watches the memory and the open files of the process.
    Soak(soak::Soak),
    /// Runs the fuzz targets of the readers of files, one after the other.
    Fuzz(fuzz::Fuzz),
    /// Builds, installs and tests the Python package.
    Python(python::Python),
    /// Trains and measures models with several processes over MPI, and compares their bits with those of one process.
    Mpi(mpi::Mpi),
    /// Counts how many small changes of the code its tests find.
    Mutants(mutants::Mutants),
    /// Drives the reports of a folder of runs, and the page of `dgm serve` on it, in a browser, and writes pictures of all.
    Page(page::Page),
    /// Checks the rules of the repository.
    Tidy,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Test { cases } => test(cases).run(),
        Command::Ci { long } => ci::run(long),
        Command::Demo { arguments } => demo(arguments).run(),
        Command::Bench { peers, model, growth, filter } => bench(peers, model, growth, filter),
        Command::Calibrate(calibrate) => calibrate.run(),
        Command::Book(book) => book.run(),
        Command::Reproduce(reproduce) => reproduce.run(),
        Command::Crash { kills } => crash(kills).run(),
        Command::Soak(soak) => soak.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Python(python) => python.run(),
        Command::Mpi(mpi) => mpi.run(),
        Command::Mutants(mutants) => mutants.run(),
        Command::Page(page) => page.run(),
        Command::Tidy => tidy::run(),
    }
}

fn test(cases: Option<u32>) -> Step {
    let step = cargo("test", ["test", "--workspace"]);
    match cases {
        Some(cases) => step.env("PROPTEST_CASES", cases.to_string()),
        None => step,
    }
}

fn crash(kills: u32) -> Step {
    let args = ["test", "-p", "gm-cli", "--test", "program", "crash::", "--", "--nocapture"];
    cargo("crash", args).env("DGM_KILLS", kills.to_string())
}

fn demo(arguments: Vec<String>) -> Step {
    cargo("demo", ["run", "--release", "-p", "gm-cli", "--bin", "dgm", "--", "demo"]).args(arguments)
}

fn bench(peers: Option<String>, model: Option<String>, growth: bool, filter: Option<String>) -> Result<()> {
    if growth {
        return cargo("growth", ["run", "--release", "-p", "gm-benches", "--bin", "growth"]).run();
    }
    let Some(python) = peers else { return cargo("bench", ["bench", "-p", "gm-benches", "--"]).args(filter).run() };
    cargo("ours", ["build", "--release", "-p", "gm-benches", "--bin", "ours"]).run()?;
    let ours = target().join("release/ours").display().to_string();
    Step::new("peers", python.clone(), ["benches/peers.py", &ours, "2"]).args(model.clone()).run()?;
    Step::new("peers of belief nets", python.clone(), ["benches/peers_sbn.py", &ours]).run()?;
    Step::new("fit through Python", python, ["benches/peers_fit.py"]).args(model).run()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn table_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn table_test_passes_the_number_of_cases_on() {
        assert_eq!(test(None).to_string(), "cargo test --workspace");
        assert_eq!(test(Some(64)).to_string(), "PROPTEST_CASES=64 cargo test --workspace");
    }

    #[test]
    fn table_crash_passes_the_number_of_kills_on() {
        let line = "DGM_KILLS=9 cargo test -p gm-cli --test program crash:: -- --nocapture";
        assert_eq!(crash(9).to_string(), line);
    }

    #[test]
    fn table_demo_passes_its_arguments_on() {
        let parsed = Arguments::try_parse_from(["xtask", "demo", "--out", "here"]).unwrap();
        let Command::Demo { arguments } = parsed.command else { panic!("another command") };
        assert!(demo(arguments).to_string().ends_with("--bin dgm -- demo --out here"));
    }
}
