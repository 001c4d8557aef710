//! The time of an update with processes on several hosts, whose connections carry 1 Gbit/s and take 0.2 ms.

use std::fs;

use serde_json::Value;

use super::job::{How, Programs};
use super::network::{LATENCY, Network, SLOW};
use crate::Result;
use crate::process::median;
use crate::soak::pictures;

/// The bytes a second of a connection.
const RATE: f64 = 125e6;

/// The greatest time of an update with two processes, in times of one process.
const GOAL: f64 = 0.6;

/// Repeats, of which the median counts.
const REPEATS: usize = 5;

/// Rows of the data.
const ROWS: u32 = 2000;

/// Chains and rows of an update of the run whose speed is judged.
const LARGE: Work = Work { hidden: 500, each: 1000, sweeps: 20, shards: 2, epochs: 4 };

/// Hidden units of the runs that show how the time grows with messages.
const HIDDEN: [usize; 5] = [50, 100, 200, 500, 1000];

/// Processes of these runs, with as many shards as the last.
const RANKS: [usize; 4] = [1, 2, 4, 8];

/// The work of a run.
#[derive(Clone, Copy)]
struct Work {
    hidden: usize,
    /// Rows and chains of an update.
    each: usize,
    sweeps: usize,
    shards: usize,
    /// Half of the passes over the data.
    epochs: usize,
}

/// Prints the ratio of two processes to one, and a table of times; a ratio above the goal is an error.
pub(super) fn run(programs: &Programs) -> Result<()> {
    fs::write(programs.path("rows.idx"), pictures(ROWS))?;
    let ratio = two_hosts(programs)?;
    table(programs)?;
    match ratio <= GOAL {
        true => Ok(()),
        false => Err(format!("two processes need {ratio:.3} of the time of one, allowed: at most {GOAL}").into()),
    }
}

/// The median time of an update with two processes on two hosts, in times of one process.
fn two_hosts(programs: &Programs) -> Result<f64> {
    let network = Network::slow(2, &programs.place)?;
    let Work { hidden, each, sweeps, .. } = LARGE;
    println!("RBM 784-{hidden}, {each} rows, {each} chains, k {sweeps}, 2 shards, 1 thread a rank; {SLOW}");
    let (one, two) = (How::Job { ranks: 1, threads: 1, network: None }, of(2, &network));
    let (mut alone, mut together) = (vec![], vec![]);
    for _ in 0..REPEATS {
        alone.push(seconds(programs, &one, LARGE)?);
        together.push(seconds(programs, &two, LARGE)?);
    }
    let (one, two) = (median(&mut alone), median(&mut together));
    let ratio = two / one;
    println!(
        "1 rank: {:.1} ms an update, 2 ranks: {:.1} ms, ratio {ratio:.3} (median of {REPEATS})",
        1e3 * one,
        1e3 * two
    );
    Ok(ratio)
}

/// Prints the time of an update against hidden units and processes, beside what the model of cost predicts, and writes
/// `cost.csv`.
fn table(programs: &Programs) -> Result<()> {
    let network = Network::slow(RANKS[RANKS.len() - 1], &programs.place)?;
    let cores = std::thread::available_parallelism()?.get();
    println!("\nMilliseconds of an update: measured / predicted; k 5, 200 rows and chains, {cores} cores; {SLOW}");
    println!("| hidden | parameters | 1 rank | 2 ranks | 4 ranks | 8 ranks |\n|---|---|---|---|---|---|");
    let mut lines = "hidden,parameters,ranks,measured_ms,predicted_ms\n".to_string();
    for hidden in HIDDEN {
        let work = Work { hidden, each: 200, sweeps: 5, shards: RANKS[RANKS.len() - 1], epochs: 2 };
        let parameters = (784 + 1) * hidden + 784;
        let mut row = format!("| {hidden} | {parameters} |");
        let mut one = 0.0;
        for ranks in RANKS {
            let times = (0..3).map(|_| seconds(programs, &of(ranks, &network), work)).collect::<Result<Vec<_>>>();
            let found = median(&mut times?);
            if ranks == 1 {
                one = found;
            }
            let predicted = one / ranks.min(cores) as f64 + exchange(parameters, ranks, LATENCY);
            row += &format!(" {:.1} / {:.1} |", 1e3 * found, 1e3 * predicted);
            lines += &format!("{hidden},{parameters},{ranks},{:.1},{:.1}\n", 1e3 * found, 1e3 * predicted);
        }
        println!("{row}");
    }
    let file = programs.path("cost.csv");
    fs::write(&file, lines)?;
    println!("Written: {}", file.display());
    Ok(())
}

fn of(ranks: usize, network: &Network) -> How<'_> {
    How::Job { ranks, threads: 1, network: Some(network) }
}

/// The time of the messages of an update.
fn exchange(parameters: usize, ranks: usize, latency: f64) -> f64 {
    let (bytes, ranks) = (4.0 * parameters as f64, ranks as f64);
    2.0 * bytes * (ranks - 1.0) / ranks / RATE + 2.0 * ranks.log2() * latency
}

/// The seconds of an update, in the second half of a run.
fn seconds(programs: &Programs, how: &How<'_>, work: Work) -> Result<f64> {
    const RUN: &str = "bench";
    let folder = programs.path(RUN);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::write(programs.path("bench.toml"), work.config())?;
    programs.output(how, &["train", "--config", "bench.toml", "--no-report", "--quiet", "--out", RUN])?;
    of_update(&fs::read_to_string(folder.join("metrics.jsonl"))?)
}

impl Work {
    /// The configuration of a run, which looks at its model half-way and at its end.
    fn config(&self) -> String {
        let Self { hidden, each, sweeps, shards, .. } = self;
        let half = self.epochs;
        format!(
            "shards = {shards}\ncheckpoint_every = 0\n[data]\nspec = 'rows.idx'\n[model]\nkind = 'rbm'\nhidden = {hidden}\n\
             epochs = {}\nbatch_size = {each}\nchains = {each}\nsteps = {sweeps}\nlog_z_chains = 0\n\
             [monitor]\nevery = {half}\nrows = 1\n",
            2 * half
        )
    }
}

/// The seconds of an update between the first and the last line of `metrics.jsonl`.
fn of_update(metrics: &str) -> Result<f64> {
    let lines = metrics.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<Value>, _>>()?;
    let number = |line: Option<&Value>, field: &str| line.and_then(|line| line.get(field)?.as_f64());
    let between = |field: &str| Some(number(lines.last(), field)? - number(lines.first(), field)?);
    match (between("seconds"), between("step")) {
        (Some(seconds), Some(steps)) if steps > 0.0 => Ok(seconds / steps),
        _ => Err("the run was not looked at twice".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_times_of_updates_and_messages() {
        let metrics = "{\"step\":4,\"seconds\":10.0}\n{\"step\":8,\"seconds\":11.0}\n{\"step\":12,\"seconds\":14.0}\n";
        assert!((of_update(metrics).unwrap() - 0.5).abs() < 1e-12);
        assert!(of_update("{\"step\":4,\"seconds\":10.0}\n").is_err());
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((exchange(125_000_000 / 4, 2, 0.5) - 2.0).abs() < 1e-9);
        assert!(exchange(1000, 1, 0.5).abs() < 1e-12);
    }
}
