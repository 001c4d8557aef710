//! Prints a Markdown table of the bias and spread of the gradients of the training rules, compared with enumeration.
//!
//! `cargo run --release -p gm-train --example sbn_gradients`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{BitMatrix, Streams};
use gm_data::Dataset;
use gm_sbn::Sbn;
use gm_train::{FitOptions, Result, SbnLearner, SbnRule, SbnSettings, Unobserved, fit_sbn};

/// The number of gradients that are averaged for each row of the table.
const REPEATS: u64 = 20_000;

fn settings(rule: SbnRule, samples: usize, sweeps: usize) -> SbnSettings {
    let (epochs, batch_size, learning_rate) = (400, 8, 0.02);
    SbnSettings {
        hidden: vec![4, 3],
        rule,
        samples,
        sweeps,
        epochs,
        batch_size,
        learning_rate,
        ..SbnSettings::default()
    }
}

/// A net half-way through training, where gradients are neither pure noise nor zero.
fn trained(data: &Dataset) -> Result<Sbn> {
    let short = SbnSettings { epochs: 60, ..settings(SbnRule::Reweighted, 5, 1) };
    Ok(fit_sbn(data, &short, &FitOptions::default(), &Streams::new(3), &mut Unobserved)?.model)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn flat<'a>(tensors: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    tensors.flatten().map(|&x| f64::from(x)).collect()
}

/// The distance of the mean gradient from a target, the distance that chance alone would give, and the spread of a
/// single gradient, all relative to the norm of the target.
fn figures(gradients: &[Vec<f64>], target: &[f64], scale: f64) -> [f64; 3] {
    let n = gradients.len() as f64;
    let mean: Vec<f64> = (0..target.len()).map(|i| gradients.iter().map(|g| scale * g[i]).sum::<f64>() / n).collect();
    let variance: f64 = (0..target.len())
        .map(|i| gradients.iter().map(|g| (scale * g[i] - mean[i]).powi(2)).sum::<f64>() / (n - 1.0))
        .sum();
    let bias: Vec<f64> = mean.iter().zip(target).map(|(a, b)| a - b).collect();
    [norm(&bias), (variance / n).sqrt(), variance.sqrt()].map(|x| x / norm(target))
}

/// A rule with its target for the recognition net: log p (posterior), the evidence bound or a bound of several samples.
fn row(sbn: &Sbn, data: &BitMatrix, (rule, samples, sweeps): (SbnRule, usize, usize)) -> Result<()> {
    let mut learner = SbnLearner::start_from(sbn.clone(), &settings(rule, samples, sweeps))?;
    // The learned baseline first adapts to the data.
    for step in 0..2_000 {
        learner.gradients(data, step, &Streams::new(1))?;
    }
    let (mut generative, mut recognition) = (Vec::new(), Vec::new());
    for step in 0..REPEATS {
        let (p, q) = learner.gradients(data, step, &Streams::new(2))?;
        let q = q.expect("a recognition net");
        generative.push(flat(p.tensors()));
        recognition.push(flat(q.tensors()));
    }
    let exact = flat(sbn.exact_gradient(data)?.tensors());
    let target = match rule {
        SbnRule::WakeSleep => flat(sbn.exact_dream_gradient()?.tensors()),
        SbnRule::Nvil | SbnRule::VarGrad => flat(sbn.exact_bound_gradients(data, 1)?.1.tensors()),
        SbnRule::Vimco => flat(sbn.exact_bound_gradients(data, samples)?.1.tensors()),
        SbnRule::Reweighted | SbnRule::GibbsEm | SbnRule::Exact => {
            flat(sbn.exact_recognition_gradient(data)?.tensors())
        }
    };
    let p = figures(&generative, &exact, 1.0);
    let q = figures(&recognition, &target, learner.signal_scale());
    let cell = |[bias, noise, spread]: [f64; 3]| format!("{bias:.3} +- {noise:.3} | {spread:.2}");
    let states = if rule == SbnRule::GibbsEm { format!("{samples}, {sweeps} sweeps") } else { samples.to_string() };
    println!("| `{rule}` | {states} | {} | {} |", cell(p), cell(q));
    Ok(())
}

fn main() -> Result<()> {
    let bars = Dataset::builtin("bars-and-stripes:3")?;
    let (sbn, data) = (trained(&bars)?, bars.train.to_bits(gm_data::Binarise::None)?);
    println!("| rule | states a row | bias of the generative net | spread | bias of the recognition net | spread |");
    println!("|---|---|---|---|---|---|");
    let rules = [
        (SbnRule::WakeSleep, 1, 1),
        (SbnRule::Reweighted, 2, 1),
        (SbnRule::Reweighted, 20, 1),
        (SbnRule::Vimco, 2, 1),
        (SbnRule::Nvil, 2, 1),
        (SbnRule::VarGrad, 2, 1),
        (SbnRule::GibbsEm, 2, 1),
        (SbnRule::GibbsEm, 2, 10),
    ];
    rules.into_iter().try_for_each(|rule| row(&sbn, &data, rule))
}
