//! dgm: trains, measures, samples and inspects deep generative models of binary data.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(gm_cli::run(std::env::args_os()))
}
