//! RBMs with visible units of three kinds: real numbers, categories, and zeros and ones with a label.
//!
//! `cargo run -p gm-rbm --example unit_kinds`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{BatchRef, BitMatrix, Matrix, Result, Stack, Standardise, Streams, VisibleKind, VisibleUnits};
use gm_rbm::{Phase, Rbm};

/// Follows the exact gradient, also for the log-variances of Gaussian units.
fn fit(rbm: &mut Rbm, data: BatchRef<'_>, steps: usize, rate: f32) -> Result<()> {
    let mut gradient = Stack::zeros(&[rbm.visible(), rbm.hidden()])?;
    for _ in 0..steps {
        let statistics = Phase::new(&rbm.sampler(), data);
        let log_variances = rbm.exact_gradient_into(&statistics, &mut gradient)?;
        for (to, slope) in rbm.stack_mut().tensors_mut().zip(gradient.tensors()) {
            to.iter_mut().zip(slope).for_each(|(to, slope)| *to += rate * slope);
        }
        if let (Some(gaussian), Some(slopes)) = (rbm.units_mut().gaussian_mut(), log_variances) {
            gaussian.grow(&slopes.iter().map(|slope| rate * slope).collect::<Vec<_>>());
        }
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Two clusters of lengths in millimetres; one hidden unit distinguishes them.
fn lengths(streams: &Streams) -> Result<()> {
    let rows = Matrix::from_fn(1, 200, |_, row| if row % 4 == 0 { 60.0 } else { 20.0 } + (row * 7 % 11) as f32 - 5.0);
    let standardise = Standardise::of(&rows);
    let VisibleUnits::Gaussian(units) = VisibleUnits::new(VisibleKind::Gaussian, 1, None)? else { return Ok(()) };
    let units = VisibleUnits::Gaussian(units.with_standardise(Some(standardise))?);
    let mut rbm = Rbm::initial_with(units, &[0.0], 1, 0.5, streams)?;
    let states = rbm.states_of_rows(&rows, streams)?;
    fit(&mut rbm, (&states).into(), 1_000, 0.05)?;

    let log_z = rbm.log_partition()?;
    let log_p: Vec<f64> = rbm.free_energy_of_rows(&rows)?.iter().map(|f| -f - log_z).collect();
    let cluster = rbm.mean_h_of_rows(&Matrix::from_row_slice(1, 2, &[20.0, 60.0]))?;
    println!("lengths: mean log density {:.2} nats per millimetre", mean(&log_p));
    println!("         p(h | 20 mm) = {:.3}, p(h | 60 mm) = {:.3}", cluster[0], cluster[1]);
    let drawn = rbm.rows_of_states(&rbm.exact_samples(5, streams)?.v().to_matrix());
    println!("         five lengths drawn: {:.0?}", drawn.as_slice());
    Ok(())
}

/// Two answers of three categories, the second the same as the first.
fn answers(streams: &Streams) -> Result<()> {
    let v = BitMatrix::from_fn(6, 30, |unit, row| unit % 3 == row % 3);
    let units = VisibleUnits::new(VisibleKind::Softmax { categories: 3 }, 6, None)?;
    let mut rbm = Rbm::initial_with(units, &[1.0 / 3.0; 6], 3, 0.5, streams)?;
    fit(&mut rbm, (&v).into(), 1_000, 0.3)?;
    let log_p = rbm.log_prob(&v, rbm.log_partition()?)?;
    println!("answers: mean log p {:.3} nats, of ln(1/3) = {:.3} at best", mean(&log_p), (1.0_f64 / 3.0).ln());
    Ok(())
}

/// Four bits, and a label that says whether the first two are equal, which is not a linear function of the bits.
fn labels(streams: &Streams) -> Result<()> {
    let rows = BitMatrix::from_fn(4, 16, |unit, row| row >> unit & 1 == 1);
    let classes: Vec<usize> = (0..16).map(|row| usize::from(row & 1 == row >> 1 & 1)).collect();
    let units = VisibleUnits::new(VisibleKind::Labelled { classes: 2 }, 6, None)?;
    let mut rbm = Rbm::initial_with(units, &[0.5; 6], 4, 0.5, streams)?;
    let joined = rbm.with_classes(&rows, &classes);
    fit(&mut rbm, (&joined).into(), 2_000, 0.5)?;
    let log_p = rbm.log_class_probs(&rows)?;
    let right = classes.iter().enumerate().filter(|(row, class)| log_p.column(*row).imax() == **class).count();
    println!("labels:  {right} of 16 rows classified as they should be, p(y | v) exactly");
    Ok(())
}

fn main() -> Result<()> {
    let streams = Streams::new(5);
    lengths(&streams)?;
    answers(&streams)?;
    labels(&streams)
}
