//! From data to a likelihood: train a restricted Boltzmann machine on the built-in digits, and measure it from both
//! sides.
//!
//! `cargo run --release -p gm-train --example train_and_measure`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::ops::ControlFlow;

use gm_core::{AisSettings, Schedule, Streams, unwatched};
use gm_data::{Dataset, SplitName};
use gm_eval::{EvalData, EvalSettings, Exact, evaluate_rbm};
use gm_train::{Event, Observer, RbmSettings, Result, fit_rbm};

/// Training reports to an observer and prints nothing itself.
struct Lines;

impl Observer for Lines {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        if let Event::Epoch { record } = event
            && record.epoch.is_multiple_of(50)
        {
            let pseudo = record.figures.get("pseudo_log_likelihood").unwrap_or(f64::NAN);
            println!("epoch {:3}: pseudo-log-likelihood {pseudo:.2} nats", record.epoch);
        }
        // Break ends the training and keeps the model so far.
        ControlFlow::Continue(())
    }
}

fn main() -> Result<()> {
    let digits = Dataset::builtin("digits")?;
    let settings = RbmSettings { hidden: 16, epochs: 200, learning_rate: 0.3, ..Default::default() };
    let fit = fit_rbm(&digits, &settings, &Streams::new(7), &mut Lines)?;

    let test = EvalData::from_dataset(&digits, SplitName::Test, None)?;
    let exact = evaluate_rbm(&fit.model, &test, &EvalSettings::default(), &mut unwatched)?;
    println!("{exact}");
    // 16 hidden units can be enumerated. With many more this is impossible, and both sides are estimated as here.
    let ais = AisSettings { schedule: Schedule::Graded(1_000), ..AisSettings::default() };
    let settings = EvalSettings { exact: Exact::No, ais, ..EvalSettings::default() };
    println!("{}", evaluate_rbm(&fit.model, &test, &settings, &mut unwatched)?);
    Ok(())
}
