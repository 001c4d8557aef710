//! Interruptions and kills of jobs, which must lose nothing.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::bits::hash;
use super::job::{How, PATIENCE, Programs, Running, kill};
use crate::Result;

/// A run that takes some seconds.
const RUN: &[&str] = &[
    "train",
    "rbm",
    "--data",
    "digits",
    "--hidden",
    "40",
    "--chains",
    "100",
    "--epochs",
    "60",
    "--shards",
    "4",
    "--seed",
    "5",
    "--checkpoint-every",
    "20",
    "--no-report",
    "--quiet",
    "--out",
];

/// The time in which a job must end of which one process was killed.
const PROMISED: Duration = Duration::from_secs(10);

/// The status of a command that was interrupted.
const INTERRUPTED: i32 = 130;

fn job(ranks: usize) -> How<'static> {
    How::Job { ranks, threads: 1, network: None }
}

/// What was never interrupted.
fn reference(programs: &Programs) -> Result<String> {
    const NAME: &str = "reference";
    if !programs.path(NAME).exists() {
        programs.output(&How::Alone { threads: 1 }, &[RUN, &[NAME]].concat())?;
    }
    hash(programs, NAME)
}

/// Interrupts a job of two processes, and resumes it with other numbers of processes.
pub(super) fn interrupted(programs: &Programs) -> Result<()> {
    let expected = reference(programs)?;
    for signal in ["USR1", "TERM", "TERM to one rank"] {
        let run = "interrupted";
        remove(&programs.path(run))?;
        let running = begun(programs, run)?;
        match signal {
            "TERM to one rank" => kill("TERM", *running.processes()?.last().ok_or("no process of the job was found")?)?,
            _ => running.signal(signal)?,
        }
        let ended = running.within(PATIENCE)?;
        // After SIGTERM mpirun has a status of its own.
        if ended.status.success() || signal != "TERM" && ended.status.code() != Some(INTERRUPTED) {
            return Err(format!("a job that got {signal} ended with {}\n{}", ended.status, ended.err).into());
        }
        for how in [job(4), job(1), How::Alone { threads: 2 }] {
            let copy = "resumed";
            remove(&programs.path(copy))?;
            copied(&programs.path(run), &programs.path(copy))?;
            programs.output(&how, &["train", "--resume", copy, "--no-report", "--quiet"])?;
            same(&format!("interrupted by {signal}, resumed by {how}"), &hash(programs, copy)?, &expected)?;
        }
        println!("interrupted by {signal}, resumed in three ways: {expected}");
    }
    Ok(())
}

/// A job of two processes that has written a checkpoint.
fn begun(programs: &Programs, run: &str) -> Result<Running> {
    let mut running = programs.start(&job(2), &[RUN, &[run]].concat())?;
    let (began, checkpoints) = (Instant::now(), programs.path(run).join("checkpoints"));
    while !fs::read_dir(&checkpoints).is_ok_and(|mut files| files.next().is_some()) {
        if running.has_ended()? || began.elapsed() > PATIENCE {
            let ended = running.within(PATIENCE)?;
            return Err(format!("the run left no checkpoint: {}\n{}", ended.status, ended.err).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(running)
}

/// Kills processes of jobs at random moments, resumes the runs, and compares their ends.
pub(super) fn killed(programs: &Programs, kills: u32) -> Result<()> {
    let expected = reference(programs)?;
    let (mut random, mut done, mut runs, mut longest) = (Random(1), 0, 0, Duration::ZERO);
    let run = "killed";
    while done < kills {
        let ranks = 2 << random.below(2);
        let mut running = programs.start(&job(ranks), &words(programs, run))?;
        thread::sleep(Duration::from_millis(300 + random.below(1500)));
        let processes = running.processes()?;
        if running.has_ended()? || processes.is_empty() {
            let ended = running.within(PATIENCE)?;
            if !ended.status.success() {
                return Err(format!("a job that nothing has killed ended with {}\n{}", ended.status, ended.err).into());
            }
            same("after kills", &hash(programs, run)?, &expected)?;
            remove(&programs.path(run))?;
            runs += 1;
            continue;
        }
        let began = Instant::now();
        if kill("KILL", processes[random.below(processes.len() as u64) as usize]).is_err() {
            continue;
        }
        let ended = running.within(PROMISED)?;
        longest = longest.max(began.elapsed());
        if ended.status.success() || ended.err.trim().is_empty() {
            return Err(format!("a job with a killed process ended with {} and `{}`", ended.status, ended.err).into());
        }
        done += 1;
    }
    programs.output(&job(2), &words(programs, run))?;
    same("after kills", &hash(programs, run)?, &expected)?;
    println!("{kills} kills, {} runs: {expected}; a job took {:.1} s to end at most", runs + 1, longest.as_secs_f64());
    Ok(())
}

/// The words that start a run or continue it.
fn words<'a>(programs: &Programs, run: &'a str) -> Vec<&'a str> {
    match programs.path(run).join("config.toml").exists() {
        true => vec!["train", "--resume", run, "--no-report", "--quiet"],
        false => [RUN, &[run]].concat(),
    }
}

fn same(what: &str, found: &str, expected: &str) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found}, never interrupted: {expected}").into()) }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { Ok(fs::remove_dir_all(folder)?) } else { Ok(()) }
}

fn copied(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copied(&entry.path(), &to)?,
            false => {
                fs::copy(entry.path(), to)?;
            }
        }
    }
    Ok(())
}

/// Numbers that look random: the same ones each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_other_bits() {
        assert!(same("it", "a", "a").is_ok());
        assert_eq!(same("it", "a", "b").unwrap_err().to_string(), "it: a, never interrupted: b");
    }

    #[test]
    fn table_numbers_stay_below_their_limit() {
        let mut random = Random(1);
        let drawn: Vec<u64> = (0..100).map(|_| random.below(3)).collect();
        assert!((0..3).all(|number| drawn.contains(&number)) && drawn.iter().all(|&number| number < 3));
    }
}
