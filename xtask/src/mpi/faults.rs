//! Interruptions and kills of jobs, which must lose nothing.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::bits::hash;
use super::job::{Ended, How, PATIENCE, Programs, Running, kill};
use crate::Result;

/// A run that takes some seconds on a fast machine too, since mpirun waits for one before it passes SIGTERM on.
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
    "1200",
    "--shards",
    "4",
    "--seed",
    "5",
    "--checkpoint-every",
    "300",
    "--look-every",
    "120",
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

/// Interrupts jobs of two processes, and resumes them with other numbers of processes.
pub(super) fn interrupted(programs: &Programs) -> Result<()> {
    let expected = reference(programs)?;
    let alone = How::Alone { threads: 2 };
    // Signals, the looks at the model before them, and what goes on afterwards.
    let cases: [(&str, usize, &[How<'_>]); 3] = [
        ("USR1 to mpirun", 8, &[job(4), job(1), alone]),
        ("TERM to mpirun", 1, &[alone]),
        ("TERM to a rank", 8, &[job(1)]),
    ];
    for (signal, looks, ways) in cases {
        let run = "interrupted";
        remove(&programs.path(run))?;
        let running = begun(programs, run, looks)?;
        match signal {
            "TERM to a rank" => kill("TERM", *running.processes()?.last().ok_or("no process of the job was found")?)?,
            _ => running.signal(signal[..4].trim())?,
        }
        let ended = running.within(PATIENCE)?;
        // After SIGTERM mpirun has a status of its own.
        if ended.status.success() || signal != "TERM to mpirun" && ended.status.code() != Some(INTERRUPTED) {
            return Err(format!("{signal}: the job ended with {}\n{}", ended.status, ended.err).into());
        }
        if programs.path(run).join("model.gm").exists() {
            return Err(format!("{signal}: the run was finished before").into());
        }
        for how in ways {
            let copy = "resumed";
            remove(&programs.path(copy))?;
            copied(&programs.path(run), &programs.path(copy))?;
            programs.output(how, &["train", "--resume", copy, "--no-report", "--quiet"])?;
            same(&format!("{signal}, resumed by {how}"), &hash(programs, copy)?, &expected)?;
        }
        println!("{signal}, resumed in {} ways: {expected}", ways.len());
    }
    Ok(())
}

/// A job of two processes that has looked at its model so many times, of ten.
fn begun(programs: &Programs, run: &str, looks: usize) -> Result<Running> {
    let mut running = programs.start(&job(2), &[RUN, &[run]].concat())?;
    let (began, metrics) = (Instant::now(), programs.path(run).join("metrics.jsonl"));
    while fs::read_to_string(&metrics).map_or(0, |lines| lines.lines().count()) < looks {
        if running.has_ended()? || began.elapsed() > PATIENCE {
            let ended = running.within(PATIENCE)?;
            return Err(format!("the run was not looked at {looks} times: {}\n{}", ended.status, ended.err).into());
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
        let running = programs.start(&job(ranks), &words(programs, run))?;
        thread::sleep(Duration::from_millis(300 + random.below(1500)));
        let processes = running.processes()?;
        let began = Instant::now();
        let hit =
            !processes.is_empty() && kill("KILL", processes[random.below(processes.len() as u64) as usize]).is_ok();
        let ended = running.within(if hit { PROMISED } else { PATIENCE })?;
        if is_over(&ended) {
            same("after kills", &hash(programs, run)?, &expected)?;
            remove(&programs.path(run))?;
            runs += 1;
        } else if hit && !ended.err.trim().is_empty() {
            longest = longest.max(began.elapsed());
            done += 1;
        } else {
            return Err(format!("a job ended with {} and said `{}`; killed: {hit}", ended.status, ended.err).into());
        }
    }
    let ended = programs.start(&job(2), &words(programs, run))?.within(PATIENCE)?;
    if !is_over(&ended) {
        return Err(format!("the last job ended with {}\n{}", ended.status, ended.err).into());
    }
    same("after kills", &hash(programs, run)?, &expected)?;
    println!("{kills} kills, {} runs: {expected}; a job took {:.1} s to end at most", runs + 1, longest.as_secs_f64());
    Ok(())
}

/// Whether a run has come to its end, by this job or before its process was killed.
fn is_over(ended: &Ended) -> bool {
    ended.status.success() || ended.err.contains("the run is finished")
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
