//! A program that depends on `gm` alone: trains all four models, measures them, infers, completes, and writes figures.
//!
//! `cargo run -p gm-program -- FOLDER` writes `figures.txt` into the folder.

use std::fmt::Write;
use std::path::Path;

use gm::prelude::*;

/// One model of each kind, trained on the same pictures.
fn train(data: &Dataset, streams: &Streams) -> gm::Result<[Model; 4]> {
    let rbm = RbmSettings { hidden: 6, epochs: 60, batch_size: 4, chains: 50, ..Default::default() };
    let sbn = SbnSettings { hidden: vec![6, 3], epochs: 60, batch_size: 4, ..Default::default() };
    let dbm = DbmSettings { hidden: vec![6, 3], epochs: 60, batch_size: 4, chains: 50, ..Default::default() };
    let layer = RbmSettings { batch_size: 4, chains: 50, ..Default::default() };
    let dbn = DbnSettings { hidden: vec![6, 6], epochs: vec![60], layer, ..Default::default() };
    let quiet = &mut Unobserved;
    Ok([
        Model::Rbm(fit_rbm(data, &rbm, streams, quiet)?.model),
        Model::Sbn(fit_sbn(data, &sbn, &FitOptions::default(), streams, quiet)?.model),
        Model::Dbm(fit_dbm(data, &dbm, &FitOptions::default(), streams, quiet)?.model),
        Model::Dbn(fit_dbn(data, &dbn, &FitOptions::default(), streams, quiet)?.model),
    ])
}

/// The figures of a report on a model: likelihood with its interval, completions, samples, hidden units and weights.
fn figures(model: &Model, data: &Dataset, streams: &Streams, text: &mut String) -> gm::Result<()> {
    let test = EvalData::from_dataset(data, SplitName::Test, None)?;
    let ais = AisSettings { runs: 50, schedule: Schedule::Graded(1_000) };
    let annealed = EvalSettings { exact: Exact::No, ais, raise_walks: 50, ..Default::default() };
    let report = evaluate(model, &test, &annealed, &mut unwatched)?;
    line(text, &format!("## {} {:?}\n{report}", model.kind(), model.layers()));

    let missing = BitMatrix::from_fn(data.units(), test.rows.samples(), |unit, _| unit % 3 == 2);
    let settings = CompletionSettings { steps: Some(100), ..Default::default() };
    let found = complete(model, &test.rows, &missing, &settings, streams, &mut unwatched)?;
    line(text, &format!("completed by {}: squared error {:.4}", found.method, found.quality.squared_error));

    let posterior = posterior_means(model, &test.rows, &PosteriorSettings::default(), streams, &mut unwatched)?;
    for (l, layer) in hidden_activity(model, &posterior).iter().enumerate() {
        line(text, &format!("layer {}: units are on for {:.3?} of the rows", l + 1, layer.rates));
    }
    if let SampleFigures::Chains { diagnostics: Some(found), .. } =
        sample_figures(model, &SampleFigureSettings::default(), streams, &mut unwatched)?
    {
        line(text, &format!("chains: {:.0} independent draws, split R-hat {:.3}", found.ess, found.split_r_hat));
    }
    Ok(())
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("a string takes every line");
}

fn program(folder: &Path) -> gm::Result<String> {
    let (streams, mut text) = (Streams::new(7), String::new());
    let bars = Dataset::builtin("bars-and-stripes:3")?;
    let models = train(&bars, &streams)?;
    for model in &models {
        figures(model, &bars, &streams, &mut text)?;
    }
    let (rows, gibbs) = (bars.test.batch(Binarise::None)?, Some(PosteriorMethod::Gibbs));
    let settings = PosteriorSettings { method: gibbs, steps: 200, ..Default::default() };
    let means = posterior_means(&models[2], &rows, &settings, &streams, &mut unwatched)?.means;
    line(&mut text, &format!("## posterior means of the DBM by Gibbs sampling\n{:.3?}", means.column(0).as_slice()));
    write_atomically(folder.join("figures.txt"), |out| Ok(out.write_all(text.as_bytes())?))?;
    Ok(text)
}

fn main() -> gm::Result<()> {
    program(Path::new(&std::env::args().nth(1).unwrap_or_else(|| ".".into()))).map(drop)
}

#[cfg(test)]
mod tests;
