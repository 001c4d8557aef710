//! A deep Boltzmann machine from both sides: the mean-field bound below, annealing above, and the truth between them.
//!
//! `cargo run -p gm-dbm --example both_sides`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{AisSettings, Matrix, Result, Schedule, Stack, Streams, Vector, unwatched};
use gm_dbm::{Dbm, MeanFieldSettings};

/// A model whose weights have no structure. It is small enough to be enumerated, and its weights are large enough that
/// mean field errs.
fn model() -> Result<Dbm> {
    let weight = |i: usize, j: usize| ((7 * i + 3 * j) % 11) as f32 * 0.3 - 1.5;
    let weights = vec![Matrix::from_fn(12, 8, weight), Matrix::from_fn(8, 6, weight)];
    let stack = Stack::new(weights, [12, 8, 6].map(Vector::zeros).to_vec())?;
    Dbm::from_stack(stack)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn main() -> Result<()> {
    let (dbm, streams) = (model()?, Streams::new(1));
    let data = dbm.exact_samples(1_000, &streams)?.layers.swap_remove(0);

    // The exact values: one half of the layers is summed out analytically, the other is enumerated.
    let log_z = dbm.log_partition()?;
    println!("ln Z         {log_z:.4}, exact");
    println!("mean log p   {:.4}, exact", mean(&dbm.log_prob(&data, log_z)?));

    // The estimates that a large DBM has. The annealed ln Z is too small in expectation, so that log p is too large.
    let settings = AisSettings { runs: 100, schedule: Schedule::Linear(1_000) };
    let annealed = dbm.log_partition_ais(&settings, None, &streams, &mut unwatched)?.log_partition;
    println!("ln Z         {annealed}");
    let field = dbm.mean_field(&data, &MeanFieldSettings::default())?;
    println!("mean field   {:.4} or more, with this ln Z", mean(&field.bound(&dbm, &data, annealed.value)));

    // The posterior means of the first hidden layer, compared with the enumeration for a single row.
    let row = data.select(&[0]);
    let exact = dbm.posterior_moments(&row)?;
    let worst = (0..8).map(|unit| (f64::from(field.means[0][(unit, 0)]) - exact.means[1][unit]).abs());
    println!("mean field errs by {:.3} at most in E[x1 | v] of the first row", worst.fold(0.0, f64::max));
    Ok(())
}
