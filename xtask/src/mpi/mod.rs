//! `cargo xtask mpi`: training and evaluation over MPI give the bits of one process, through interruptions and kills.

mod bench;
mod bits;
mod faults;
mod job;
mod network;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::process::{Step, cargo, root, target};
use job::{How, Programs};
use network::Network;

/// Builds dgm-mpi and compares the models that it trains, with 1, 2 and 4 processes, with those of dgm, bit for bit; also
/// after interruptions, after kills, and between two hosts, which are network namespaces here. Needs Open MPI.
#[derive(Args)]
pub(crate) struct Mpi {
    /// Number of processes to kill with SIGKILL.
    #[arg(long, value_name = "N", default_value_t = 3)]
    kills: u32,
    /// Measures the time of updates between hosts with connections of 1 Gbit/s instead.
    #[arg(long, conflicts_with = "kills")]
    bench: bool,
}

/// The folder of all runs, below the root.
const PLACE: &str = "target/mpi";

impl Mpi {
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(why) = missing() {
            println!("SKIPPED: {why}");
            return Ok(());
        }
        build().iter().try_for_each(Step::run)?;
        let programs = Programs { place: cleared(&root().join(PLACE))?, debug: target().canonicalize()?.join("debug") };
        if self.bench {
            return bench::run(&programs);
        }
        timed("the same bits", || bits::check(&programs))?;
        timed("texts", || texts::check(&programs))?;
        timed("interruptions", || faults::interrupted(&programs))?;
        timed("kills", || faults::killed(&programs, self.kills))?;
        timed("two hosts", || hosts(&programs))
    }
}

/// What MPI jobs need and this system lacks.
pub(crate) fn missing() -> Option<String> {
    let lacking = ["mpirun", "mpicc"].into_iter().find(|name| !Step::new(*name, *name, ["--version"]).succeeds());
    lacking.map(|name| format!("no {name} is installed (Debian: openmpi-bin and libopenmpi-dev)"))
}

/// Builds dgm and dgm-mpi as the tests build them, which takes little time after the tests, and tests messages.
fn build() -> [Step; 2] {
    const ARGS: [&str; 4] = ["test", "--workspace", "--features", "gm-mpi/mpi"];
    [cargo("dgm", ARGS).args(["--test", "large", "--no-run"]), cargo("dgm-mpi", ARGS).args(["--test", "exchange"])]
}

/// An empty folder.
fn cleared(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.canonicalize()?)
}

fn timed(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    check().map_err(|error| format!("{name}: {error}"))?;
    println!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Trains with a process on each of two hosts.
fn hosts(programs: &Programs) -> Result<()> {
    let network = match Network::of(2, &programs.place)? {
        Ok(network) => network,
        Err(why) => {
            println!("two hosts SKIPPED: {why}");
            return Ok(());
        }
    };
    let hash = bits::train(programs, &How::Job { ranks: 2, threads: 1, network: Some(&network) }, "hosts")?;
    println!("two hosts: {hash}");
    Ok(())
}
