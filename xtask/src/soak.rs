//! `cargo xtask soak`: a long training at the size of MNIST, whose memory and open files are checked from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use crate::Result;
use crate::process::{self, root};

/// Trains a model of 784 and 500 units on made-up pictures for some minutes, with a checkpoint every hundred updates.
/// It fails if memory or open files grow.
#[derive(Args)]
pub(crate) struct Soak {
    /// Minutes of training.
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// The program to run; by default it is built in release mode.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// The number of checks of the process, spread over its time.
const CHECKS: u32 = 60;

/// The share of checks at the beginning that do not count, since data are loaded and pools are filled.
const WARM_UP: usize = 10;

/// The share by which memory may grow from the early checks to the late ones: one in fifty, for the allocator.
const GROWTH: f64 = 1.02;

/// The folder of the run, below the root.
const PLACE: &str = "target/soak";

impl Soak {
    pub(crate) fn run(&self) -> Result<()> {
        if !Path::new("/proc/self/status").exists() {
            return Err("memory and open files are read from /proc, which this system does not have".into());
        }
        let program = process::program(self.program.as_deref())?;
        let folder = root().join(PLACE);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("rows.idx"), pictures(10_000))?;
        let mut child = start(&program, &folder)?;
        let checks = watch(&mut child, Duration::from_secs(60 * self.minutes));
        child.kill()?;
        child.wait()?;
        report(&checks?)
    }
}

/// Pictures of 28 x 28 pixels, an eighth of them white.
pub(crate) fn pictures(rows: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let pixels = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::from(state >> 29 == 0)
    });
    let header = [0, 0, 8, 3].into_iter().chain([rows, 28, 28].into_iter().flat_map(u32::to_be_bytes));
    header.chain(pixels.take(784 * rows as usize)).collect()
}

fn start(program: &Path, folder: &Path) -> Result<Child> {
    let rest = [
        "--hidden",
        "500",
        "--epochs",
        "1000000",
        "--look-every",
        "5",
        "--checkpoint-every",
        "100",
        "--out",
        "run",
        "--quiet",
    ];
    let mut command = Command::new(program);
    command.args(["train", "rbm", "--data", "rows.idx"]).args(rest).current_dir(folder).stdout(Stdio::null());
    Ok(command.spawn()?)
}

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Check {
    seconds: u64,
    resident_kib: u64,
    files: usize,
}

fn watch(child: &mut Child, time: Duration) -> Result<Vec<Check>> {
    let (began, mut checks) = (Instant::now(), vec![]);
    for number in 1..=CHECKS {
        let next = time.mul_f64(f64::from(number) / f64::from(CHECKS));
        std::thread::sleep(next.saturating_sub(began.elapsed()));
        if let Some(status) = child.try_wait()? {
            return Err(format!("the training ended by itself: {status}").into());
        }
        let process = Path::new("/proc").join(child.id().to_string());
        let check = Check {
            seconds: began.elapsed().as_secs(),
            resident_kib: resident(&fs::read_to_string(process.join("status"))?)?,
            files: fs::read_dir(process.join("fd"))?.count(),
        };
        println!("{:>6} s  {:>8} KiB  {:>3} open files", check.seconds, check.resident_kib, check.files);
        checks.push(check);
    }
    Ok(checks)
}

/// The resident memory in the text of /proc/PID/status.
fn resident(status: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.ok_or("no VmRSS in /proc")?.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Compares the late checks with the early ones. Memory is compared by its maximum, since a checkpoint in progress
/// takes some. Open files are compared by their minimum, since a check during a checkpoint finds one more, while a file
/// that was left open is found by all later checks.
fn report(checks: &[Check]) -> Result<()> {
    let counted = &checks[WARM_UP.min(checks.len() / 4)..];
    let (early, late) = counted.split_at(counted.len() / 2);
    let memory = |checks: &[Check]| checks.iter().map(|check| check.resident_kib).max().unwrap_or(0);
    let files = |checks: &[Check]| checks.iter().map(|check| check.files).min().unwrap_or(0);
    println!(
        "at most {} KiB and at least {} open files in the first half, {} KiB and {} files in the second",
        memory(early),
        files(early),
        memory(late),
        files(late)
    );
    if memory(late) as f64 > GROWTH * memory(early) as f64 {
        return Err("memory has grown".into());
    }
    if files(late) > files(early) {
        return Err("the number of open files has grown".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(memory: impl Fn(u64) -> u64, files: impl Fn(u64) -> usize) -> Vec<Check> {
        (0..60).map(|i| Check { seconds: i, resident_kib: memory(i), files: files(i) }).collect()
    }

    #[test]
    fn table_memory_is_read_from_the_status_of_a_process() {
        assert_eq!(resident("Name:\tdgm\nVmPeak:\t  9 kB\nVmRSS:\t   70184 kB\n").unwrap(), 70_184);
        assert!(resident("").is_err());
    }

    #[test]
    fn rejects_growth_and_lets_flat_runs_pass() {
        assert!(report(&checks(|i| if i < 5 { 100 } else { 70_000 + 50 * (i % 3) }, |i| 9 + (i % 2) as usize)).is_ok());
        let error = report(&checks(|i| 70_000 + 100 * i, |_| 9)).unwrap_err().to_string();
        assert_eq!(error, "memory has grown");
        let error = report(&checks(|_| 70_000, |i| 9 + (i / 20) as usize)).unwrap_err().to_string();
        assert_eq!(error, "the number of open files has grown");
        // One file that is never closed again is enough to fail; one that is open in a single late check is not.
        assert!(report(&checks(|_| 70_000, |i| 9 + usize::from(i >= 35))).is_err());
        assert!(report(&checks(|_| 70_000, |i| 9 + usize::from(i == 50))).is_ok());
    }
}
