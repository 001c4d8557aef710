//! Prints how the cost of a Gibbs sweep grows with units, chains and threads.
//!
//! The dense equivalent is the work of two matrix products of the same shapes, 4 units^2 chains floating-point
//! operations per sweep. Its share is relative to the rate that `nalgebra` reaches in a dense product on one thread in
//! the same run, times the number of threads.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on its standard output")]

use std::time::Instant;

use gm_benches::{model, pool};
use gm_core::{Matrix, Streams};

/// Seconds that each figure takes to measure.
const SECONDS: f64 = 0.5;

/// The median seconds of a call.
fn median(mut call: impl FnMut()) -> f64 {
    call();
    let (start, mut times) = (Instant::now(), vec![]);
    while times.len() < 5 || start.elapsed().as_secs_f64() < SECONDS {
        let begin = Instant::now();
        call();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Floating-point operations per second of a dense product in single precision on one thread.
fn dense_rate() -> f64 {
    const N: usize = 768;
    let (a, b) = (Matrix::from_element(N, N, 0.5), Matrix::from_element(N, N, 0.25));
    let mut product = Matrix::zeros(N, N);
    2.0 * (N as f64).powi(3) / median(|| a.mul_to(&b, &mut product))
}

/// Seconds of a sweep of a square model.
fn sweep(units: usize, chains: usize, threads: usize) -> f64 {
    pool(threads).install(|| {
        let (rbm, streams) = (model(units, units), Streams::new(1));
        let (sampler, mut chains) = (rbm.sampler(), rbm.chains(chains, &streams));
        median(|| {
            sampler.run(&mut chains, 1, &streams);
        })
    })
}

fn line(units: usize, chains: usize, threads: usize, dense: f64) {
    let seconds = sweep(units, chains, threads);
    let updates = (2 * units * chains) as f64 / seconds;
    let equivalent = 4.0 * (units * units * chains) as f64 / seconds;
    println!(
        "| {units} | {chains} | {threads} | {:.3} | {:.0} | {:.0} | {:.0} | {:.1} |",
        1e3 * seconds,
        1.0 / seconds,
        updates / 1e6,
        equivalent / 1e9,
        equivalent / (dense * threads as f64),
    );
}

fn main() {
    let dense = dense_rate();
    println!("dense product on one thread: {:.0} GFLOP/s\n", dense / 1e9);
    println!(
        "| units of each layer | chains | threads | ms per sweep | sweeps/s | million units drawn/s | dense equivalent, GFLOP/s | share of dense |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for threads in [1, 2] {
        [128, 256, 512, 1024, 2048, 4096, 8192].into_iter().for_each(|units| line(units, 256, threads, dense));
    }
    for threads in [1, 2] {
        [1, 4, 8, 16, 64, 256, 1024, 4096].into_iter().for_each(|chains| line(512, chains, threads, dense));
    }
}
