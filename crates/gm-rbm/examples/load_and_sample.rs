//! The smallest useful program: load a restricted Boltzmann machine, sample from it, and measure what it has learnt.
//!
//! `cargo run -p gm-rbm --example load_and_sample`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{AisSettings, BitMatrix, Matrix, Result, Schedule, Streams, Vector, unwatched};
use gm_rbm::{Clamp, Rbm};

/// An RBM that draws bars: each of 4 hidden units switches on one line of a 4 x 4 picture.
fn bars() -> Result<Rbm> {
    let weights = Matrix::from_fn(16, 4, |pixel, unit| if pixel / 4 == unit { 8.0 } else { 0.0 });
    Rbm::new(weights, Vector::from_element(16, -4.0), Vector::from_element(4, -16.0))
}

fn print(picture: impl Fn(usize) -> bool) {
    for line in 0..4 {
        let text: String = (0..4).map(|x| if picture(4 * line + x) { '#' } else { '.' }).collect();
        println!("  {text}");
    }
}

fn main() -> Result<()> {
    // In your own program: Rbm::read(File::open("model.gm")?)?
    let mut file = Vec::new();
    bars()?.write(&mut file)?;
    let rbm = Rbm::read(&file[..])?;

    // One seed decides all draws. The sampler builds its tables once; the states stay in the chains.
    let streams = Streams::new(7);
    let mut chains = rbm.chains(100, &streams);
    let sampler = rbm.sampler();
    let info = sampler.run(&mut chains, 1_000, &streams);
    println!("a sample after {} sweeps, in which {:.0} % of the units change:", info.sweeps, 100.0 * info.flips);
    print(|pixel| chains.v().bits().get(pixel, 0));

    // Fill in missing pixels: the first two pixels of each line are given.
    let given = |pixel: usize| pixel % 4 < 2;
    let mask = BitMatrix::from_fn(16, 100, |pixel, _| given(pixel));
    let values = BitMatrix::from_fn(16, 100, |pixel, _| given(pixel) && pixel / 4 == 1);
    sampler.run_clamped(&mut chains, &Clamp { mask, values: values.into() }, 100, &streams);
    println!("completed, with the left half of the second line given as on and of the others as off:");
    print(|pixel| chains.v().bits().get(pixel, 0));

    // ln Z, first exactly, since 4 units are few, then annealed, as for a large model.
    let exact = rbm.log_partition()?;
    let settings = AisSettings { runs: 100, schedule: Schedule::Linear(1_000) };
    let annealed = rbm.log_partition_ais(&settings, None, &streams, &mut unwatched)?;
    println!("ln Z = {exact:.4} by enumeration, {}", annealed.log_partition);
    let row = BitMatrix::from_fn(16, 1, |pixel, _| pixel / 4 == 1);
    println!("ln p of the second line alone: {:.3} nats", rbm.log_prob(&row, exact)?[0]);
    Ok(())
}
