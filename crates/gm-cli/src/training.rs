//! The surroundings of a training run: progress, interruption, pictures and a summary.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use gm_core::{Matrix, ModelKind, Streams, VisibleKind};
use gm_data::{Binarise, Dataset, Reading};
use gm_eval::{
    ChainSettings, Model, SampleSource, chains_of, first_layer_filters, independent_samples, strongest_units,
};
use gm_train::{
    Backfit, Config, DataConfig, EpochRecord, Event, Figures, ModelConfig, Observer, Outcome, Pretrain, Run, StopOn,
};
use image::RgbImage;
use serde::Serialize;
use serde_json::Value;

use crate::commands::Context;
use crate::console::{Interrupt, Progress};
use crate::data::weights_line;
use crate::error::{Error, Result};
use crate::files::save_picture;
use crate::model;
use crate::needs;
use crate::output::{Listing, Report, shown};
use crate::picture::{self, Chart, Curve, Shape};
use crate::report::{self, Folder, HeldOut};
use crate::tables;
use crate::units::{filter_shape, levels};
use crate::verdict::{doubts, kept};

/// Watches training: shows progress, logs figures, and stops on a signal.
#[derive(Debug)]
pub(crate) struct Watcher {
    label: String,
    /// Units of each layer, at the end of training, where they are known.
    layers: Vec<usize>,
    interrupt: Interrupt,
    progress: Option<Progress>,
    figures: String,
    /// The current stage of a model that is trained in stages.
    stage: String,
    /// Number of updates made.
    pub(crate) step: u64,
}

impl Watcher {
    /// Starts to watch the training of a model of these layers.
    pub(crate) fn new(kind: ModelKind, layers: &[usize]) -> Self {
        Self { layers: layers.to_vec(), ..Self::named(format!("{kind} {}", dashed(layers))) }
    }

    /// Starts to watch a training by its name.
    pub(crate) fn named(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            layers: vec![],
            interrupt: Interrupt::listen(),
            progress: None,
            figures: String::new(),
            stage: String::new(),
            step: 0,
        }
    }
}

impl Observer for Watcher {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started { step, total, epochs, rows, parameters } => {
                // A model that grows has only its first layer yet. Recognition nets have parameters beside those of the layers.
                let parameters = match self.layers.is_empty() {
                    true => String::new(),
                    false => format!("{} parameters, ", parameters.max(&parameters_of(&self.layers))),
                };
                tracing::info!("{}: {parameters}{rows} rows, {epochs} epochs, {total} updates", self.label);
                self.step = *step;
                self.progress = Some(Progress::resumed(&self.label, *step, *total));
            }
            Event::Step { step, examples_per_second, .. } => {
                self.step = *step;
                if step.is_multiple_of(8)
                    && let Some(progress) = &mut self.progress
                {
                    let (figures, stage) = (&self.figures, &self.stage);
                    progress.set(*step, &format!("{figures}{stage}{examples_per_second:.0} examples/s"));
                }
            }
            Event::Stage { name } => {
                tracing::info!("{}: {name}", self.label);
                self.stage = format!("{name}, ");
            }
            Event::Epoch { record } => {
                self.figures = short(&record.figures);
                tracing::debug!("epoch {}: {}", record.epoch, self.figures.trim_end_matches(", "));
                if let Some(next) = record.figures.get("next_elbo") {
                    let elbo = record.figures.get("elbo").unwrap_or(f64::NAN);
                    tracing::info!("{}: bound {elbo:.2} nats; the next layer begins at {next:.2}", self.label);
                }
            }
            Event::Checkpoint { path, step } => tracing::debug!("checkpoint after update {step}: {}", path.display()),
            Event::Warning { text } => tracing::warn!("{text}"),
            Event::Finished { .. } => self.progress = None,
            _ => {}
        }
        self.interrupt.flow()
    }
}

/// Weights and biases between and in these layers.
fn parameters_of(layers: &[usize]) -> usize {
    layers.iter().sum::<usize>() + layers.windows(2).map(|pair| pair[0] * pair[1]).sum::<usize>()
}

/// The figures that are shown beside the progress bar, the most telling one first, each before a comma.
fn short(figures: &Figures) -> String {
    let shown = [
        ("log_likelihood", "log p"),
        ("estimated_log_likelihood", "log p about"),
        ("importance_weighted", "bound"),
        ("elbo", "elbo"),
        ("pseudo_log_likelihood", "pseudo log p"),
        ("free_energy_gap", "gap"),
    ];
    let text = |(name, label): &(&str, &str)| figures.get(name).map(|value| format!("{label} {value:.2}, "));
    let errors = figures.get("error_rate").map(|share| format!("errors {:.2} %, ", 100.0 * share));
    let active: Vec<String> =
        (1..).map_while(|l| figures.get(&format!("active_units_{l}"))).map(|n| n.to_string()).collect();
    // Of a single layer the likelihood tells enough.
    let active = (active.len() > 1).then(|| format!("active units {}, ", active.join("+")));
    errors.into_iter().chain(shown.iter().filter_map(text)).take(2).chain(active).collect()
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    run: String,
    model: String,
    layers: Vec<usize>,
    data: DataDocument,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<u64>,
    step: u64,
    seed: u64,
    threads: usize,
    /// Figures of the epoch whose model was kept: the best one with early stopping, else the last.
    #[serde(skip_serializing_if = "Value::is_null")]
    figures: Value,
    /// Reasons to doubt that the model has learnt.
    warnings: Vec<String>,
    files: Vec<String>,
}

#[derive(Serialize)]
struct DataDocument {
    source: String,
    /// Options that name the data on the command line.
    #[serde(skip)]
    options: String,
    rows: usize,
    binarise: String,
    /// What was made of the lines and columns of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readings: Vec<Reading>,
    /// The weights of training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<String>,
    /// The number of rows that similar ones amount to.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_rows: Option<f64>,
}

impl DataDocument {
    fn of(data: &Dataset, config: &DataConfig) -> Self {
        Self {
            source: data.source.clone(),
            rows: data.train.len(),
            binarise: config.binarise.map(|how| data.train.binarisation(how).to_string()).unwrap_or_default(),
            options: data_options(config),
            readings: data.train.readings().to_vec(),
            weights: config.weights.as_ref().map(ToString::to_string),
            effective_rows: data.train.effective_rows(),
        }
    }
}

/// Prepares a run, trains it to its end and draws its pictures. Writes a report if `report` is set. Of several processes
/// the first one draws, writes and reports.
///
/// # Errors
///
/// [`Error::Memory`] before training begins, the errors of `prepare` and of [`Run::train`], and [`gm_data::Error::Io`]
/// when a picture cannot be written.
pub(crate) fn run(prepare: impl FnOnce() -> Result<Run>, report: bool, context: &Context) -> Result<Report> {
    // A run may write its first checkpoint while it is prepared. A signal from then on ends it as one of an update does.
    Interrupt::listen();
    let run = prepare()?;
    needs::run(run.config(), run.data().units(), run.data().train.len()).check()?;
    let (folder, config) = (run.folder().to_path_buf(), run.config().clone());
    let data = run.data();
    let units = config.model.settings().visible_kind();
    let visible = match units {
        VisibleKind::Softmax { categories } => run.layers()[0] / categories,
        _ => data.units(),
    };
    let image = data.train.image();
    let about = DataDocument::of(data, &config.data);
    let settings = config.model.settings();
    let (kind, layers) = (settings.kind(), run.layers());
    // Only a generative model has a report.
    let report = report && kind != ModelKind::Classifier && context.leads();
    let held_out = if report { HeldOut::of(data, &config)? } else { None };
    data.label_warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut watcher = Watcher::new(kind, &layers);
    let outcome = run.train(&mut watcher).map_err(|error| exploded(error, &config, about.rows))?;
    if !context.leads() {
        return Ok(Report::elsewhere(matches!(outcome, Outcome::Interrupted { .. })));
    }
    let shape = picture::shape_of(visible, image);
    let history = history(&folder.join("metrics.jsonl"))?;
    let mut files = match outcome {
        Outcome::Finished { .. } => draw(&folder, &history, shape, config.seed)?,
        Outcome::Interrupted { .. } => Vec::new(),
    };
    if report && matches!(outcome, Outcome::Finished { .. }) {
        let page = folder.join("report.html");
        report::write(&Folder::read(&folder)?.with(held_out)?, &page)?;
        files.push(page);
    }
    let (word, epochs) = match outcome {
        Outcome::Finished { stopped_early: true, epochs } => ("stopped_early", Some(epochs)),
        Outcome::Finished { epochs, .. } => ("finished", Some(epochs)),
        Outcome::Interrupted { .. } => ("interrupted", None),
    };
    let (figures, warnings) = judged(&folder, &config, &history, epochs.is_some())?;
    let document = Document {
        schema: "gm-train/1",
        run: shown(&folder),
        model: kind.to_string(),
        layers,
        data: about,
        outcome: word,
        epochs,
        step: watcher.step,
        seed: config.seed,
        threads: if config.threads > 0 { config.threads } else { rayon::current_num_threads() },
        figures,
        warnings,
        files: files.iter().map(shown).collect(),
    };
    let mut report = Report::new(document.text(), &document)?;
    report.interrupted = epochs.is_none();
    Ok(report)
}

/// Adds the setting that was the learning rate to an error of parameters that exploded, for `rows` training rows.
fn exploded(error: gm_train::Error, config: &Config, rows: usize) -> Error {
    let gm_train::Error::Diverged { step, .. } = error else { return error.into() };
    let settings = config.model.settings();
    let updates = rows.div_ceil(settings.batch_size().max(1)).max(1) as u64;
    let (epoch, epochs) = (step.saturating_sub(1) / updates, settings.epochs());
    let (rate, penalty) = match &config.model {
        ModelConfig::Dbm(dbm) if epoch < epochs.saturating_sub(dbm.epochs) => {
            ("pretrain_learning_rate", dbm.pretrain == Pretrain::Grow)
        }
        ModelConfig::Dbn(dbn) if dbn.backfit != Backfit::None && epoch >= epochs.saturating_sub(dbn.backfit_epochs) => {
            ("backfit_learning_rate", false)
        }
        _ => ("learning_rate", true),
    };
    Error::Diverged { error: Box::new(error), rate, penalty }
}

/// The figures of the model that a run has, and reasons to doubt that it has learnt. A run that is not finished has its
/// last figures.
fn judged(folder: &Path, config: &Config, history: &[Value], finished: bool) -> Result<(Value, Vec<String>)> {
    let rule = if finished { config.monitor.stop_on } else { StopOn::Never };
    let figures = kept(rule, history).cloned().unwrap_or_default();
    let model = finished.then(|| model::load_data(&folder.join("model.gm"))).transpose()?;
    Ok((figures, model.map(|model| doubts(config, &model, history)).unwrap_or_default()))
}

/// Units of layers as text, such as 784-200-200.
pub(crate) fn dashed(layers: &[usize]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}

impl Document {
    fn text(&self) -> String {
        let run = &self.run;
        let mut listing = Listing::default();
        listing.add("run", run);
        listing.add("model", format!("{} {:?}", self.model, self.layers));
        tables::lines(&self.data.readings).into_iter().for_each(|(name, text)| listing.add(name, text));
        if let Some(weights) = &self.data.weights {
            listing.add("weights", weights_line(weights, self.data.effective_rows, self.data.rows));
        }
        let (outcome, step) = (self.outcome.replace('_', " "), self.step);
        match self.epochs {
            Some(epochs) => listing.add("outcome", format!("{outcome} after {epochs} epochs, {step} updates")),
            None => listing.add("outcome", format!("{outcome} after {step} updates, with a checkpoint")),
        }
        self.add_figures(&mut listing);
        for warning in &self.warnings {
            listing.add("warning", warning);
        }
        for file in &self.files {
            listing.add("", file);
        }
        if let Some(model) = self.files.first() {
            listing.add("next", format!("dgm eval {} {}", quoted(model), self.data.options));
        }
        if self.epochs.is_none() {
            listing.add("next", format!("dgm train --resume {}", quoted(run)));
        }
        listing.text()
    }

    /// Adds the figures of the model that was kept.
    fn add_figures(&self, listing: &mut Listing) {
        let kept = self.figures.get("epoch").and_then(Value::as_u64);
        if let Some(kept) = kept.filter(|_| self.epochs.is_some() && self.epochs != kept) {
            listing.add("kept", format!("the model of epoch {kept}, the best one, which has these figures"));
        }
        let exact = self.figures.get("log_likelihood").is_some_and(Value::is_number);
        let figures = [
            ("log_likelihood", "validation log p"),
            ("train_log_likelihood", "training log p"),
            ("estimated_log_likelihood", "validation log p"),
            ("train_estimated_log_likelihood", "training log p"),
            ("elbo", "validation elbo"),
            ("importance_weighted", "validation bound"),
            ("train_importance_weighted", "training bound"),
            ("pseudo_log_likelihood", "validation pseudo log p"),
            ("free_energy_gap", "free energy gap"),
            ("cross_entropy", "validation cross-entropy"),
        ];
        // An estimate of a figure that is known exactly says nothing.
        for (name, label) in figures.into_iter().filter(|(name, _)| !(exact && name.contains("estimated"))) {
            if let Some(value) = self.figures.get(name).and_then(Value::as_f64) {
                let about = if name.contains("estimated") { "about " } else { "" };
                listing.add(label, format!("{about}{value:.3} nats"));
            }
        }
        let error = self.figures.get("log_partition_error").and_then(Value::as_f64);
        if let Some(error) = error.filter(|_| !exact) {
            listing.add(
                "",
                format!("with a quick estimate of log Z, +- {error:.2}, that may err by more: measure with dgm eval"),
            );
        }
        if let [Some(mean), Some(lowest)] =
            ["swap_acceptance", "lowest_swap_acceptance"].map(|name| self.figures.get(name).and_then(Value::as_f64))
        {
            let (mean, lowest) = (100.0 * mean, 100.0 * lowest);
            listing.add(
                "swaps",
                format!("{mean:.0} % accepted between neighbouring temperatures, at least {lowest:.0} %"),
            );
        }
        let active: Vec<String> = self.layers[1..]
            .iter()
            .zip(1..)
            .filter_map(|(units, l)| {
                let active = self.figures.get(format!("active_units_{l}"))?.as_f64()?;
                Some(format!("{active} of {units}"))
            })
            .collect();
        if !active.is_empty() {
            listing.add("active units", active.join(", "));
        }
        for (name, label) in [("error_rate", "validation errors"), ("train_error_rate", "training errors")] {
            if let Some(value) = self.figures.get(name).and_then(Value::as_f64) {
                listing.add(label, format!("{:.2} %", 100.0 * value));
            }
        }
    }
}

/// The options with which another command loads the same data.
pub(crate) fn data_options(data: &DataConfig) -> String {
    let mut options = format!("--data {}", quoted(&data.spec));
    for (option, file) in [("--valid", &data.valid), ("--test", &data.test)] {
        if let Some(file) = file {
            options += &format!(" {option} {}", quoted(&file.display().to_string()));
        }
    }
    if let Some(folder) = &data.data_dir {
        options += &format!(" --data-dir {}", quoted(&folder.display().to_string()));
    }
    // Dynamic binarisation is for training only; evaluation has its own default.
    if let Some(binarise) = data.binarise.filter(|how| !matches!(how, Binarise::None | Binarise::Dynamic)) {
        options += &format!(" --binarise {binarise}");
    }
    if data.invert {
        options += " --invert";
    }
    for (option, value) in tables::words(&data.table, data.units) {
        options += &format!(" {option} {}", quoted(&value));
    }
    options
}

/// A word, quoted for a shell where that is needed.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-:+,=@~%".contains(c);
    match word.chars().all(plain) && !word.is_empty() {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The lines of `metrics.jsonl`.
pub(crate) fn history(path: &Path) -> Result<Vec<Value>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path).map_err(Error::io("reading", path))?;
    let parsed = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::content(path)(format!("line {}: {error}", i + 1)))
    };
    text.lines().enumerate().map(parsed).collect()
}

/// Draws samples, filters and learning curves into the run's folder, and lists all files.
fn draw(folder: &Path, history: &[Value], shape: Shape, seed: u64) -> Result<Vec<PathBuf>> {
    let path = folder.join("model.gm");
    let data = model::load_data(&path)?;
    let [samples, filters, curves] = ["samples/final.png", "filters.png", "curves.png"].map(|name| folder.join(name));
    let weights = first_layer_filters(&data);
    save_picture(&filters, &draw_filters(&weights, FILTERS, 20, filter_shape(data.visible, shape, weights.nrows())))?;
    save_picture(&curves, &draw_curves(history)?)?;
    if data.kind == ModelKind::Classifier {
        return Ok(vec![path, filters, curves]);
    }
    let model = model::of_data(data, &path)?;
    save_picture(&samples, &draw_samples(&model, 100, 10, shape, &Streams::new(seed))?)?;
    Ok(vec![path, samples, filters, curves])
}

/// The greatest number of hidden units that are drawn.
const FILTERS: usize = 400;
/// Number of sweeps before samples are drawn.
const SWEEPS: usize = 1_000;

/// Means of the visible units of independent samples, at the end of chains or given the drawn layer above.
///
/// # Errors
///
/// The errors of the model.
pub(crate) fn draw_samples(
    model: &Model,
    count: usize,
    columns: usize,
    shape: Shape,
    streams: &Streams,
) -> Result<RgbImage> {
    let means = match chains_of(model, count, &ChainSettings::default(), streams)? {
        SampleSource::Independent(sbn) => independent_samples(sbn, count, true, streams),
        SampleSource::Chains(mut chains) => {
            chains.advance(SWEEPS);
            chains.means()
        }
    };
    Ok(picture::samples(&levels(model.visible_kind(), &means), shape, Some(columns)))
}

/// The weights of units of the first hidden layer. Units with the largest norm come first.
pub(crate) fn draw_filters(weights: &Matrix, count: usize, columns: usize, shape: Shape) -> RgbImage {
    picture::filters(&weights.select_columns(&strongest_units(weights, count)), shape, Some(columns))
}

/// The figures of a history as two charts: the likelihood or a substitute for it, and a figure that shows trouble.
///
/// # Errors
///
/// [`Error::Picture`] when the charts cannot be laid out.
pub(crate) fn draw_curves(history: &[Value]) -> Result<RgbImage> {
    let curve = |field: &str, name: &str, sign: f64| {
        let point = |line: &Value| Some((line.get("epoch")?.as_f64()?, sign * line.get(field)?.as_f64()?));
        Curve { name: name.into(), points: history.iter().filter_map(point).collect() }
    };
    let has = |field: &str| history.iter().any(|line| line.get(field).is_some());
    let (title, curves) = if has("cross_entropy") {
        let valid = curve("cross_entropy", "validation rows", 1.0);
        ("Cross-entropy of the labels", vec![curve("train_cross_entropy", "training rows", 1.0), valid])
    } else if has("log_likelihood") {
        let exact = curve("log_likelihood", "validation rows", 1.0);
        ("Log-likelihood, exact", vec![curve("train_log_likelihood", "training rows", 1.0), exact])
    } else if has("estimated_log_likelihood") {
        let valid = curve("estimated_log_likelihood", "validation rows", 1.0);
        let train = curve("train_estimated_log_likelihood", "training rows", 1.0);
        ("Log-likelihood, ln Z estimated in training", vec![train, valid])
    } else if has("train_elbo") {
        let bound = curve("elbo", "validation rows", 1.0);
        ("Evidence lower bound", vec![curve("train_elbo", "training rows", 1.0), bound])
    } else if has("importance_weighted") {
        let bound = curve("importance_weighted", "validation rows", 1.0);
        ("Importance-weighted bound", vec![curve("train_importance_weighted", "training rows", 1.0), bound])
    } else if !has("pseudo_log_likelihood") {
        ("Validation rows", vec![curve("reconstruction", "reconstruction", -1.0)])
    } else {
        let pseudo = curve("pseudo_log_likelihood", "pseudo-likelihood", 1.0);
        ("Validation rows", vec![pseudo, curve("reconstruction", "reconstruction", -1.0)])
    };
    let chart = |title: &str, up: &str, curves| {
        let (title, across, up) = (title.into(), "epoch".into(), up.into());
        Chart { title, across, up, curves, dots: false }
    };
    let nats = "nats per example";
    let left = chart(title, nats, curves).draw(660, 460)?;
    let right = match has("free_energy_gap") {
        _ if has("error_rate") => {
            let valid = curve("error_rate", "validation rows", 100.0);
            chart("Errors", "per cent", vec![curve("train_error_rate", "training rows", 100.0), valid])
        }
        true => chart("Free energy gap", nats, vec![curve("free_energy_gap", "validation - training", 1.0)]),
        false => chart("Effective sample size of the weights", "draws", vec![curve("ess", "validation rows", 1.0)]),
    };
    let right = right.draw(660, 460)?;
    let mut canvas = picture::Canvas::new(1320, 460, picture::PAPER);
    canvas.paste(&left, 0, 0);
    canvas.paste(&right, 660, 0);
    Ok(canvas.into_image())
}

/// The records of a fit in memory, in the form of the lines of `metrics.jsonl`.
///
/// # Errors
///
/// [`Error::Content`] when a record cannot be written as JSON.
pub(crate) fn lines(history: &[EpochRecord]) -> Result<Vec<Value>> {
    history.iter().map(|record| serde_json::to_value(record).map_err(Error::content("metrics"))).collect()
}
