//! Training in memory.

use std::ops::ControlFlow;

use gm::ascent::{Figures, Team};
use gm::core::Streams;
use gm::data::{Binarise, Dataset, Split};
use gm::prelude::{Classifier, Dbm, Dbn, Event, Fit, FitOptions, Harmonium, MonitorSettings, Outcome, Rbm, Sbn};
use gm::train::{EpochRecord, ModelConfig, Trained, fit};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::{depythonize, pythonize};

use crate::errors::{refused, to_python};
use crate::model::Model;
use crate::pool::{Callbacks, Job, run};
use crate::rows::{Conversion, Rows};

/// The rows of the validation split if the caller gives none: the first of the training rows.
const WATCHED: usize = 1_000;

/// What a fit learns from and how, besides the settings of the model.
struct Plan {
    data: Dataset,
    monitor: MonitorSettings,
    binarise: Option<Binarise>,
    start: Option<gm::core::ModelData>,
    streams: Streams,
    team: Team,
    /// Whether events besides warnings are told.
    reports: bool,
}

/// A fit of a model of any kind.
struct Found {
    data: gm::core::ModelData,
    outcome: Outcome,
    history: Vec<EpochRecord>,
}

/// The model, how training ended, the history, and the exception that interrupted it.
type Fitted<'py> = (Model, Bound<'py, PyDict>, Bound<'py, PyAny>, Option<Py<PyAny>>);

/// Trains a model of a kind; see `dgm.models.Model.fit`.
#[pyfunction]
#[pyo3(signature = (kind, rows, settings, *, labels=None, weights=None, valid=None, valid_labels=None, image=None,
    binarise=None, monitor=None, start=None, seed=0, shards=1, threads=None, event=None, reports=true))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn fit_model<'py>(
    py: Python<'py>,
    kind: &str,
    rows: Rows<'py>,
    settings: &Bound<'py, PyDict>,
    labels: Option<Vec<u16>>,
    weights: Option<PyReadonlyArray1<'py, f32>>,
    valid: Option<Rows<'py>>,
    valid_labels: Option<Vec<u16>>,
    image: Option<(usize, usize)>,
    binarise: Option<&str>,
    monitor: Option<&Bound<'py, PyDict>>,
    start: Option<&Model>,
    seed: u64,
    shards: usize,
    threads: Option<i64>,
    event: Option<Py<PyAny>>,
    reports: bool,
) -> PyResult<Fitted<'py>> {
    let config = config(kind, settings)?;
    let numbers = config.settings().visible_kind().takes_numbers();
    let job = |name| Conversion { py, name, threads };
    let train = rows.split(job("X"), numbers, labels)?;
    let valid = valid.map(|rows| rows.split(job("X_val"), numbers, valid_labels)).transpose()?;
    if let Some(valid) = valid.as_ref().filter(|valid| valid.units() != train.units()) {
        return Err(refused(format!("X_val has {} features, but X has {}", valid.units(), train.units())));
    }
    let weights = match weights {
        Some(weights) => Some(weights.as_slice().map_err(|_| refused("sample_weight is not contiguous"))?.to_vec()),
        None => None,
    };
    let train = job("sample_weight").inside(|| {
        Ok(match weights {
            Some(weights) => train.with_weights(weights)?,
            None => train,
        })
    })?;
    gm_cli::memory::check_training(&config, train.units(), train.len()).map_err(refused)?;
    let plan = Plan {
        data: job("X").inside(|| dataset(train, valid, image))?,
        monitor: match monitor {
            Some(given) => depythonize(given).map_err(|error| refused(error.to_string()))?,
            None => MonitorSettings::default(),
        },
        binarise: binarise.map(str::parse).transpose().map_err(|e: gm::data::Error| to_python(e.into()))?,
        start: start.map(Model::data).transpose()?,
        streams: Streams::new(seed),
        team: Team::new(shards).map_err(|error| to_python(error.into()))?,
        reports,
    };
    drop(rows);
    let ended = run(py, threads, &Callbacks { progress: None, event }, |job| train_config(&config, &plan, job))?;
    let found = ended.result.map_err(to_python)?;
    let outcome = outcome(py, &found.outcome)?;
    let history = pythonize(py, &found.history)?;
    let raised = ended.raised.map(|error| error.into_value(py).into_any());
    Ok((Model::from_data(found.data)?, outcome, history, raised))
}

/// A data set of training and validation rows.
fn dataset(train: Split, valid: Option<Split>, image: Option<(usize, usize)>) -> gm::Result<Dataset> {
    let train = match image {
        Some((height, width)) => train.with_image(height, width)?,
        None => train,
    };
    let first: Vec<usize> = (0..train.len().min(WATCHED)).collect();
    let valid = valid.map_or_else(|| train.select(&first), Ok)?;
    let test = train.select(&[0])?;
    Ok(Dataset::new("X", train, valid, test)?)
}

/// The settings of a model, with an error that lists the allowed names for one that is unknown.
fn config(kind: &str, settings: &Bound<'_, PyDict>) -> PyResult<ModelConfig> {
    let named = settings.copy()?;
    named.set_item("kind", kind)?;
    depythonize(&named).map_err(|error| refused(error.to_string()))
}

/// The settings of a kind of model with their default values.
#[pyfunction]
pub(crate) fn default_settings<'py>(py: Python<'py>, kind: &str) -> PyResult<Bound<'py, PyAny>> {
    let settings = pythonize(py, &config(kind, &PyDict::new(py))?)?;
    settings.del_item("kind")?;
    Ok(settings)
}

fn train_config(config: &ModelConfig, plan: &Plan, job: &mut Job<'_>) -> gm::Result<Found> {
    match config {
        ModelConfig::Rbm(settings) => train_model::<Rbm>(settings, plan, job),
        ModelConfig::Sbn(settings) => train_model::<Sbn>(settings, plan, job),
        ModelConfig::Dbm(settings) => train_model::<Dbm>(settings, plan, job),
        ModelConfig::Dbn(settings) => train_model::<Dbn>(settings, plan, job),
        ModelConfig::Classifier(settings) => train_model::<Classifier>(settings, plan, job),
        ModelConfig::Harmonium(settings) => train_model::<Harmonium>(settings, plan, job),
        _ => Err(gm::core::Error::Empty { op: "fit", arg: "kind" }.into()),
    }
}

fn train_model<M: Trained>(settings: &M::Settings, plan: &Plan, job: &mut Job<'_>) -> gm::Result<Found> {
    let options = FitOptions {
        binarise: plan.binarise,
        monitor: plan.monitor.clone(),
        start: plan.start.clone(),
        team: plan.team.clone(),
    };
    let mut observer = |event: &Event<'_>| match event {
        Event::Warning { .. } => told(event, job),
        _ if plan.reports => told(event, job),
        _ => job.goes_on(),
    };
    let Fit { model, outcome, history } = fit::<M>(&plan.data, settings, &options, &plan.streams, &mut observer)?;
    Ok(Found { data: model.to_data()?, outcome, history })
}

/// An event as JSON for the callback.
#[derive(serde::Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Told<'a> {
    Started { step: u64, total: u64, epochs: u64, rows: usize, parameters: usize },
    Stage { name: &'a str },
    Step { step: u64, total: u64, epoch: u64, epochs: u64, examples_per_second: f64 },
    Epoch { epoch: u64, step: u64, seconds: f64, figures: &'a Figures },
    Warning { text: &'a str },
}

fn told(event: &Event<'_>, job: &mut Job<'_>) -> ControlFlow<()> {
    let told = match *event {
        Event::Started { step, total, epochs, rows, parameters } => {
            Told::Started { step, total, epochs, rows, parameters }
        }
        Event::Stage { name } => Told::Stage { name },
        Event::Epoch { record } => {
            let EpochRecord { epoch, step, seconds, ref figures } = *record;
            Told::Epoch { epoch, step, seconds, figures }
        }
        Event::Warning { text } => Told::Warning { text },
        Event::Step { step, total, epoch, epochs, examples_per_second } if job.is_due() => {
            Told::Step { step, total, epoch, epochs, examples_per_second }
        }
        _ => return job.goes_on(),
    };
    match serde_json::to_string(&told) {
        Ok(json) => job.event(json),
        Err(_) => job.goes_on(),
    }
}

fn outcome<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    match *outcome {
        Outcome::Interrupted { step } => {
            out.set_item("interrupted", true)?;
            out.set_item("step", step)?;
        }
        Outcome::Finished { epochs, stopped_early } => {
            out.set_item("interrupted", false)?;
            out.set_item("epochs", epochs)?;
            out.set_item("stopped_early", stopped_early)?;
        }
    }
    Ok(out)
}
