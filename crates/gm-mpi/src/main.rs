//! dgm-mpi: trains and measures one model with all processes of an MPI job.

use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;

use gm_ascent::Exchange;
use gm_mpi::Job;

/// The exit status of a failure, after which no process may wait for another one.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let job = match Job::start() {
        Ok(job) => job,
        Err(error) => {
            say(&format!("dgm-mpi: {error}"));
            return FAILURE.into();
        }
    };
    let world = Arc::new(job.world());
    let rank = world.rank();
    // Unwinding would end MPI, which waits for the other processes.
    let status = panic::catch_unwind(AssertUnwindSafe(|| gm_cli::run_over(env::args_os(), world)));
    let status = status.unwrap_or_else(|_| {
        say(&format!("dgm-mpi: rank {rank}: a fault of the program, which the lines above describe"));
        FAILURE
    });
    if status == FAILURE {
        job.abort(status);
    }
    match job.end() {
        Ok(()) => status.into(),
        Err(error) => {
            say(&format!("dgm-mpi: rank {rank}: {error}"));
            FAILURE.into()
        }
    }
}

/// Writes a line to standard error, if it can be written.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
