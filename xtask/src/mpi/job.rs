//! Jobs of `mpirun`, and dgm in one process for comparison.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::network::Network;
use crate::Result;

/// The time after which a job that should have ended hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The programs, and the folder in which they run.
pub(super) struct Programs {
    /// The folder of the runs.
    pub(super) place: PathBuf,
    /// The folder of dgm and dgm-mpi.
    pub(super) debug: PathBuf,
}

/// How a command runs.
#[derive(Clone, Copy)]
pub(super) enum How<'a> {
    /// By dgm.
    Alone { threads: usize },
    /// By dgm-mpi with a number of processes.
    Job { ranks: usize, threads: usize, network: Option<&'a Network> },
}

impl How<'_> {
    fn threads(&self) -> usize {
        match *self {
            Self::Alone { threads } | Self::Job { threads, .. } => threads,
        }
    }
}

impl fmt::Display for How<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads();
        match self {
            Self::Alone { .. } => write!(f, "dgm, {threads} threads"),
            Self::Job { ranks, .. } => write!(f, "{ranks} ranks, {threads} threads each"),
        }
    }
}

impl Programs {
    /// A file or folder of the runs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Starts a command.
    pub(super) fn start(&self, how: &How<'_>, words: &[&str]) -> Result<Running> {
        let mut command = self.command(how);
        let threads = how.threads().to_string();
        command.args(words).args(["--threads", &threads]).current_dir(&self.place).env("NO_COLOR", "1");
        let [out, err] = ["out", "err"].map(|name| self.path(name));
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
        let child = command.spawn().map_err(|error| format!("`{command:?}` could not start: {error}"))?;
        Ok(Running { child, out, err, line: format!("{how}: {}", words.join(" ")) })
    }

    /// Runs a command to its end, and returns its standard output.
    pub(super) fn output(&self, how: &How<'_>, words: &[&str]) -> Result<String> {
        let running = self.start(how, words)?;
        let line = running.line.clone();
        let ended = running.within(PATIENCE)?;
        match ended.status.success() {
            true => Ok(ended.out),
            false => Err(format!("{line}: {}\n{}", ended.status, ended.err).into()),
        }
    }

    fn command(&self, how: &How<'_>) -> Command {
        let How::Job { ranks, network, .. } = how else { return Command::new(self.debug.join("dgm")) };
        let mut command = network.map_or_else(|| Command::new("mpirun"), |network| network.mpirun(*ranks));
        // Hosts that are namespaces would all bind their process to the same core.
        command.args(["-n", &ranks.to_string(), "--oversubscribe", "--bind-to", "none"]);
        // Processes that wait leave their core to those that compute.
        if std::thread::available_parallelism().is_ok_and(|cores| *ranks > cores.get()) {
            command.args(["--mca", "mpi_yield_when_idle", "1"]);
        }
        command.arg(self.debug.join("dgm-mpi"));
        command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
        command
    }
}

/// A command that runs.
pub(super) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    line: String,
}

/// A command that has ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

impl Running {
    /// Whether the command has ended.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Sends a signal to `mpirun`.
    pub(super) fn signal(&self, signal: &str) -> Result<()> {
        kill(signal, self.child.id())
    }

    /// The processes of the job on this host, in the order of their numbers.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        let mut found = vec![];
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may have ended since it was listed.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            if is_child(&stat, "dgm-mpi", self.child.id()) {
                found.push(process);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The end of the command, which must come within a time.
    pub(super) fn within(mut self, time: Duration) -> Result<Ended> {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if began.elapsed() > time {
                return Err(format!("{} has not ended within {} s", self.line, time.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Ended { status, out: text(&self.out)?, err: text(&self.err)? })
    }
}

impl Drop for Running {
    /// Leaves no process behind after an error.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            for process in self.processes().unwrap_or_default() {
                let _ = kill("KILL", process);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether the text of /proc/PID/stat is that of a program whose parent is `parent`.
fn is_child(stat: &str, program: &str, parent: u32) -> bool {
    let rest = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    rest.is_some_and(|(name, rest)| {
        name == program && rest.split_whitespace().nth(1).is_some_and(|found| found == parent.to_string())
    })
}

/// Sends a signal to a process.
pub(super) fn kill(signal: &str, process: u32) -> Result<()> {
    let status = Command::new("kill").args(["-s", signal, &process.to_string()]).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("process {process} took no signal {signal}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_children_are_found_by_name_and_parent() {
        assert!(is_child("12 (dgm-mpi) S 7 12 7 0", "dgm-mpi", 7));
        assert!(!is_child("12 (dgm-mpi) S 8 12 7 0", "dgm-mpi", 7));
        assert!(!is_child("12 (dgm) S 7 12 7 0", "dgm-mpi", 7));
        assert!(is_child("12 (a) b) R 7 1", "a) b", 7));
    }

    #[test]
    fn table_a_way_to_run_reads_as_words() {
        assert_eq!(How::Alone { threads: 2 }.to_string(), "dgm, 2 threads");
        assert_eq!(How::Job { ranks: 4, threads: 1, network: None }.to_string(), "4 ranks, 1 threads each");
    }
}
