//! Asks a model for its likelihood, for samples, for posterior means and for missing pixels.
//!
//! `cargo run --release -p gm-eval --example measure_and_complete`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{BitMatrix, Streams, unwatched};
use gm_data::{Binarise, Dataset, SplitName};
use gm_eval::{
    CompletionSettings, EvalData, EvalSettings, Model, PosteriorMethod, PosteriorSettings, SampleSettings, complete,
    evaluate, posterior_means, sample,
};
use gm_rbm::Rbm;

fn main() -> gm_eval::Result<()> {
    let digits = Dataset::builtin("digits")?;
    let streams = Streams::new(7);
    // A program that measures would load a trained model: `Model::from_data(gm_data::load_model(path)?)?`.
    let means = digits.train.unit_means();
    let model = Model::Rbm(Rbm::initial(&means, 16, 0.01, &streams)?);

    let test = EvalData::from_dataset(&digits, SplitName::Test, Some(Binarise::Threshold(0.5)))?;
    let report = evaluate(&model, &test, &EvalSettings::default(), &mut unwatched)?;
    println!("{report}");

    let settings = SampleSettings { count: 500, chains: Some(100), ..SampleSettings::default() };
    let samples = sample(&model, &settings, &streams, &mut unwatched)?;
    if let Some(diagnostics) = &samples.report.diagnostics {
        println!("{diagnostics}");
    }

    let rows = test.rows.select(&[0, 1, 2]);
    let exact = PosteriorSettings { method: Some(PosteriorMethod::Exact), ..PosteriorSettings::default() };
    let hidden = posterior_means(&model, &rows, &exact, &streams, &mut unwatched)?;
    println!("{} hidden units of {} rows by {}", hidden.means.nrows(), hidden.means.ncols(), hidden.method);

    // The lower half of each digit of 8 x 8 pixels is missing.
    let missing = BitMatrix::from_fn(64, 3, |pixel, _| pixel >= 32);
    let completion = complete(&model, &rows, &missing, &CompletionSettings::default(), &streams, &mut unwatched)?;
    let accuracy = completion.quality.accuracy.unwrap_or_default();
    println!("{:.0} % of the missing pixels are on the right side, by {}", 100.0 * accuracy, completion.method);
    Ok(())
}
