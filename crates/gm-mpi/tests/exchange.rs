//! Messages among the processes of MPI jobs, which this program starts of itself by `mpirun`.

use std::env;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use gm_ascent::{Exchange, Team};
use gm_mpi::{Job, World};

/// What the processes of a job do.
const SOUND: &str = "sound";
/// The same, but one process gives up while the others wait for it.
const LOST: &str = "lost";

fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let outcome = match word.as_str() {
        SOUND | LOST => rank(word == LOST),
        _ => [1, 2, 4].iter().try_for_each(|&ranks| jobs(ranks)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "exchange: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a job whose messages must be right, and one that must fail.
fn jobs(ranks: usize) -> Result<(), String> {
    if !started(ranks, SOUND)? {
        return Err(format!("a job of {ranks} processes has failed"));
    }
    if started(ranks, LOST)? {
        return Err(format!("a job of {ranks} processes has not noticed a wrong message"));
    }
    Ok(())
}

fn started(ranks: usize, word: &str) -> Result<bool, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("mpirun");
    command.args(["-n", &ranks.to_string(), "--oversubscribe"]).arg(program).arg(word);
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    if word == LOST {
        command.stderr(Stdio::null());
    }
    Ok(command.status().map_err(|error| format!("mpirun: {error}"))?.success())
}

/// The work of a process.
fn rank(lost: bool) -> Result<(), String> {
    let job = Job::start().map_err(|error| error.to_string())?;
    let world = job.world();
    let outcome = swapped(&world).and_then(|()| gathered(&world)).and_then(|()| added(job.world(), lost));
    if let Err(error) = outcome {
        let _ = writeln!(io::stderr(), "rank {}: {error}", world.rank());
        job.abort(1);
    }
    job.end().map_err(|error| error.to_string())
}

/// Messages of unequal lengths both ways, between all pairs of processes.
fn swapped(world: &World) -> Result<(), String> {
    let (rank, ranks) = (world.rank(), world.ranks());
    let number = |from: usize, to: usize, i: usize| (from * 1000 + to * 100) as f32 + i as f32 / 7.0;
    for distance in 1..ranks {
        let with = rank ^ distance;
        for length in [0, 1, 5, 100_000] {
            let out: Vec<f32> = (0..length + rank).map(|i| number(rank, with, i)).collect();
            let mut into = vec![0.0; length + with];
            world.swap(with, &out, &mut into).map_err(|error| error.to_string())?;
            let right = into.iter().enumerate().all(|(i, x)| x.to_bits() == number(with, rank, i).to_bits());
            same("every number of a swap is right", right, true)?;
        }
    }
    Ok(())
}

/// Bytes of different lengths, some of them none.
fn gathered(world: &World) -> Result<(), String> {
    let bytes = |rank: usize| vec![rank as u8; rank * 70_001];
    let all = world.gather(&bytes(world.rank())).map_err(|error| error.to_string())?;
    let expected: Vec<Vec<u8>> = if world.rank() == 0 { (0..world.ranks()).map(bytes).collect() } else { vec![] };
    same("the gathered bytes are right", all == expected, true)
}

/// The sum over eight shards, which is the same on every process.
fn added(world: World, lost: bool) -> Result<(), String> {
    let last = world.rank() + 1 == world.ranks();
    let team = Team::over(8, Arc::new(world)).map_err(|error| error.to_string())?;
    let number = |shard: usize, i: usize| (1 << (3 * (shard % 4))) as f32 + i as f32;
    let mut own: Vec<Vec<f32>> = team.own().map(|shard| (0..33).map(|i| number(shard, i)).collect()).collect();
    if lost && last {
        return Err("gives up on purpose".into());
    }
    let mut parts: Vec<Vec<&mut [f32]>> = own.iter_mut().map(|part| vec![&mut part[..]]).collect();
    team.add_up(&mut parts).map_err(|error| error.to_string())?;
    let expected: Vec<f32> = (0..33).map(|i| (0..8).map(|shard| number(shard, i)).sum()).collect();
    same("the sum", format!("{:?}", own[0]), format!("{expected:?}"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, expected {expected:?}")) }
}
