//! Parameters, random numbers and files: the parts that every model of the workspace is made of.
//!
//! `cargo run -p gm-core --example parameters_and_files`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{
    BitMatrix, Coupling, Format, LayerUpdate, Matrix, ModelData, ModelKind, Result, Stack, Streams, Vector,
    autocorrelation_time,
};

fn main() -> Result<()> {
    // Layers of 3 visible and 2 hidden units: a matrix of weights between them, and the biases of each layer.
    let weights = Matrix::from_row_slice(3, 2, &[2.0, -1.0, 2.0, 0.5, -1.5, 1.0]);
    let stack = Stack::new(vec![weights], vec![Vector::from_vec(vec![0.1, -0.2, 0.0]), Vector::zeros(2)])?;
    println!("layers {:?}, {} parameters", stack.layers(), stack.parameters());

    // A batch of states is a matrix of bits with a column for each sample. A layer is drawn given its neighbour.
    let hidden = BitMatrix::from_fn(2, 1_000, |unit, sample| unit == sample % 2);
    let down = Coupling::down(stack.weights(0));
    let update = LayerUpdate::new(stack.bias(0).as_slice()).given(&down, &hidden);
    let mut visible = BitMatrix::zeros(3, 1_000);
    update.sample_into(&mut visible, &Streams::new(7));
    let mean = update.means().get(0, 0);
    let share = (0..1_000).step_by(2).filter(|&sample| visible.get(0, sample)).count() as f64 / 500.0;
    println!("unit 0 is on with probability {mean:.3}, and in {share:.3} of the draws");

    // The same seed gives the same bits, whatever ran before and on any number of threads.
    let mut again = BitMatrix::zeros(3, 1_000);
    update.sample_into(&mut again, &Streams::new(7));
    println!("drawn again: {}", if again == visible { "the same bits" } else { "other bits" });

    // A model file names its kind of model. There are four formats.
    let model = ModelData::from_stack(ModelKind::Rbm, stack)?;
    let mut file = Vec::new();
    model.write_as(Format::Json, &mut file)?;
    println!("{}", String::from_utf8_lossy(&file).chars().take(60).collect::<String>());
    println!(
        "read back: {}",
        if ModelData::read_as(Format::Json, &file[..])? == model { "the same" } else { "another" }
    );

    // Diagnostics of any chain of numbers, here of one that keeps 9/10 of its last value.
    let noise = (0..2_000).map(|i| f64::from(u8::from(visible.get(i % 3, i / 3))) - 0.5);
    let chain = noise.scan(0.0, |state, x| {
        *state = 0.9 * *state + x;
        Some(*state)
    });
    let chain: Vec<f64> = chain.collect();
    println!("one independent value in {:.0} steps", autocorrelation_time(&chain));
    Ok(())
}
