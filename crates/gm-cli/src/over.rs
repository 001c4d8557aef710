//! The program as one of several processes that work on the same model, such as those of an MPI job.

use std::ffi::OsString;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};
use gm_ascent::Exchange;
use gm_eval::Share;

use crate::console::{self, Interrupt, Verbosity};
use crate::error::{Error, Result};
use crate::{INTERRUPTED, Program, SUCCESS, USAGE, status};

/// The commands whose work several processes share.
const SHARED: [&str; 3] = ["train", "eval", "sample"];

/// The time that the first process has to tell what is wrong for all of them, and the launcher to end the others.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs the program `dgm-mpi` as one of several processes and returns its exit status: 0 after its work, 1 for a failure,
/// 2 for wrong usage, and 130 after an interruption.
///
/// Every process gets the same words. The first one prints and writes files. An interruption of one process ends all of
/// them with status 130. After a failure the caller must end the other processes, which may wait for this one.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// fn run(exchange: Arc<dyn gm_ascent::Exchange>) -> u8 {
///     gm_cli::run_over(["dgm-mpi", "train", "--config", "config.toml", "--out", "runs/mnist"], exchange)
/// }
/// ```
#[must_use]
pub fn run_over(words: impl IntoIterator<Item: Into<OsString> + Clone>, exchange: Arc<dyn Exchange>) -> u8 {
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let (rank, leads) = (exchange.rank(), exchange.rank() == 0);
    let mut shared = command();
    let (program, command) = match Program::parse(&mut shared, &words) {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = known(error, &mut shared);
            if leads {
                let _ = error.print();
            }
            return if error.use_stderr() { USAGE } else { SUCCESS };
        }
    };
    Interrupt::listen_as_one_of_many();
    console::start(if leads { program.common.verbosity() } else { Verbosity::Silent });
    let outcome = program.run(words, Some(exchange));
    if !leads {
        match &outcome {
            Err(error) if error.is_interruption() => return INTERRUPTED,
            Err(_) => thread::sleep(PAUSE),
            Ok(_) => {}
        }
    }
    status(&format!("dgm-mpi: rank {rank}"), &outcome, &command)
}

/// The command line of `dgm-mpi`: that of `dgm` with the shared commands.
fn command() -> Command {
    let all = Program::command();
    let shared = all.get_subcommands().filter(|command| SHARED.contains(&command.get_name())).cloned();
    Command::new("dgm-mpi")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Trains, measures and samples a deep generative model with all processes of an MPI job")
        .long_about(
            "Trains, measures and samples a deep generative model with all processes of an MPI job\n\n\
             Options are those of dgm. The number of shards decides the bits of a result; the numbers of processes and threads \
             do not. The first process prints and writes. The exit status is 0 on success, 1 on failure, 2 for wrong usage, and \
             130 after SIGINT, SIGTERM or SIGUSR1; an interrupted training run has written a checkpoint and can be resumed with \
             any number of processes, also by dgm.",
        )
        .after_help(
            "Examples:\n  mpirun -n 4 dgm-mpi train rbm --data digits --shards 4\n  \
             mpirun -n 2 dgm-mpi train --resume runs/rbm-digits\n  \
             mpirun -n 4 dgm-mpi eval runs/rbm-digits/model.gm --data digits\n  \
             mpirun -n 4 dgm-mpi sample runs/rbm-digits/model.gm -n 1000 --out samples.npy",
        )
        .max_term_width(110)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(all.get_arguments().cloned())
        .subcommands(shared)
}

/// An error of the command line. A command that only `dgm` has is named as such.
fn known(error: clap::Error, shared: &mut Command) -> clap::Error {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::InvalidSubcommand => word,
        _ => return error,
    };
    match Program::command().find_subcommand(word) {
        Some(_) => {
            let text = format!("dgm-mpi has {}, {} and {}; use dgm for {word}", SHARED[0], SHARED[1], SHARED[2]);
            shared.error(ErrorKind::InvalidSubcommand, text)
        }
        None => error,
    }
}

/// The part of the shards that a process has.
pub(crate) fn share_of(exchange: &dyn Exchange) -> Share {
    Share { part: exchange.rank() + 1, of: exchange.ranks() }
}

/// The bytes of every process in order at the first one, and nothing elsewhere. A process that gives none was interrupted,
/// and then all of them are.
///
/// # Errors
///
/// [`Error::Lost`] when processes lose each other, and the error of an interruption.
pub(crate) fn gathered(exchange: &dyn Exchange, bytes: Option<&[u8]>) -> Result<Vec<Vec<u8>>> {
    let lost = |source| Error::Lost { source };
    // The first byte tells that there are bytes.
    let message = bytes.map(|bytes| [&[GIVEN], bytes].concat()).unwrap_or_default();
    let mut all = exchange.gather(&message).map_err(lost)?;
    let mut interrupted = [f32::from(u8::from(all.iter().any(Vec::is_empty)))];
    if exchange.rank() == 0 {
        (1..exchange.ranks()).try_for_each(|rank| exchange.swap(rank, &interrupted, &mut [0.0])).map_err(lost)?;
    } else {
        exchange.swap(0, &[0.0], &mut interrupted).map_err(lost)?;
    }
    if interrupted[0] > 0.0 {
        return Err(gm_core::Error::Interrupted { op: "the job" }.into());
    }
    for bytes in &mut all {
        bytes.remove(0);
    }
    Ok(all)
}

/// The byte before the bytes of a process that was not interrupted.
const GIVEN: u8 = 1;

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    /// A process whose messages are written down in advance.
    #[derive(Debug)]
    struct Script {
        rank: usize,
        /// What the first process gathers.
        bytes: Vec<Vec<u8>>,
        /// The number that arrives elsewhere.
        verdict: f32,
        /// The numbers that were sent.
        sent: Mutex<Vec<(usize, f32)>>,
    }

    impl Script {
        fn new(rank: usize, bytes: &[&str], verdict: f32) -> Self {
            let bytes = bytes.iter().map(|text| text.as_bytes().to_vec()).collect();
            Self { rank, bytes, verdict, sent: Mutex::new(vec![]) }
        }
    }

    impl Exchange for Script {
        fn rank(&self) -> usize {
            self.rank
        }

        fn ranks(&self) -> usize {
            3
        }

        fn swap(&self, with: usize, out: &[f32], into: &mut [f32]) -> io::Result<()> {
            self.sent.lock().unwrap().push((with, out[0]));
            into[0] = self.verdict;
            Ok(())
        }

        fn gather(&self, _: &[u8]) -> io::Result<Vec<Vec<u8>>> {
            Ok(self.bytes.clone())
        }
    }

    #[test]
    fn table_an_interruption_of_one_process_is_told_to_all() {
        let first = Script::new(0, &["\u{1}a", "\u{1}", "\u{1}cc"], 0.0);
        assert_eq!(gathered(&first, Some(b"a")).unwrap(), [&b"a"[..], b"", b"cc"]);
        assert_eq!(*first.sent.lock().unwrap(), [(1, 0.0), (2, 0.0)]);
        let first = Script::new(0, &["\u{1}a", "", "\u{1}c"], 0.0);
        assert!(gathered(&first, Some(b"a")).unwrap_err().is_interruption());
        assert_eq!(*first.sent.lock().unwrap(), [(1, 1.0), (2, 1.0)]);
        assert!(gathered(&Script::new(2, &[], 0.0), Some(b"c")).unwrap().is_empty());
        assert!(gathered(&Script::new(2, &[], 1.0), Some(b"c")).unwrap_err().is_interruption());
    }

    #[test]
    fn rejects_commands_that_only_dgm_has() {
        let text = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            let mut shared = command();
            let error = Program::parse(&mut shared, &words).unwrap_err();
            known(error, &mut shared).to_string()
        };
        assert!(
            text(&["dgm-mpi", "inspect", "a.gm"]).contains("dgm-mpi has train, eval and sample; use dgm for inspect")
        );
        assert!(text(&["dgm-mpi", "walk"]).contains("unrecognized subcommand 'walk'"));
        assert!(text(&["dgm-mpi", "eval"]).contains("<MODEL>"));
        assert!(text(&["dgm-mpi", "--version"]).starts_with("dgm-mpi 0."));
        let help = text(&["dgm-mpi", "--help"]);
        assert!(help.contains("mpirun -n 4 dgm-mpi train rbm") && !help.contains("inspect"));
    }

    #[test]
    fn table_wrong_usage_has_status_2_and_help_has_0() {
        let status = |words: &[&str], rank| run_over(words, Arc::new(Script::new(rank, &[], 0.0)));
        assert_eq!(status(&["dgm-mpi", "inspect"], 1), 2);
        assert_eq!(status(&["dgm-mpi", "eval"], 1), 2);
        assert_eq!(status(&["dgm-mpi", "--help"], 1), 0);
        assert_eq!(status(&["dgm-mpi", "train", "--version"], 1), 2);
    }
}
