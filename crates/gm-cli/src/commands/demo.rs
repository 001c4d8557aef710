//! `dgm demo`: the main job on the built-in digits, from training to pictures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use gm_core::{AisSettings, ModelData, ModelKind, Schedule, Streams, VisibleKind};
use gm_data::{Binarise, Dataset, SplitName, save_model};
use gm_dbn::Dbn;
use gm_eval::{CompletionSettings, EvalData, EvalReport, EvalSettings, Exact, Model, evaluate};
use gm_rbm::Rbm;
use gm_sbn::BoundSettings;
use gm_train::{
    DbmSettings, DbnSettings, Fit, FitOptions, MonitorSettings, Outcome, RbmSettings, SbnSettings, fit_dbm, fit_dbn,
    fit_rbm_with, fit_sbn,
};
use image::RgbImage;
use serde::Serialize;

use super::{Context, complete, eval};
use crate::console::{shown, watched};
use crate::data::Examples;
use crate::error::{Error, Result};
use crate::files::save_picture;
use crate::mask::Mask;
use crate::output::{self, Listing, Report};
use crate::picture::{self, Canvas, Shape};
use crate::training::{self, Watcher};

/// Trains on the built-in digits, measures, samples, completes and draws, in less than a minute
///
/// The command writes pictures and the model into a folder. It may be repeated there: it replaces its own files and
/// touches no others.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm demo\n  dgm demo --out pictures --seed 7")]
pub(crate) struct Demo {
    /// The folder for pictures and model
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// Mean log-likelihood of the test rows under independent pixels with the training means, in nats.
    independent_pixels: f64,
    /// The large model, measured by annealing.
    rbm: EvalReport,
    /// A model that is small enough to be measured exactly. It is annealed as well, for comparison.
    small: EvalReport,
    small_annealed: EvalReport,
    /// A directed model, measured by a lower bound.
    sbn: EvalReport,
    /// A deep undirected model.
    dbm: EvalReport,
    /// The large model with another layer on top.
    dbn: EvalReport,
    files: Vec<String>,
    seconds: f64,
}

/// Hidden units of the model that is drawn, and of the model that is enumerated.
const HIDDEN: [usize; 2] = [100, 16];
const EPOCHS: [u64; 2] = [1_500, 600];
/// Hidden layers and epochs of the belief net.
const LAYERS: [usize; 2] = [60, 20];
const SBN_EPOCHS: u64 = 400;
/// Hidden layers and epochs of the deep Boltzmann machine.
const DBM_LAYERS: [usize; 2] = [80, 40];
const DBM_EPOCHS: u64 = 300;
/// Units of the layer on top of the large model, and the epochs of this layer.
const DBN_LAYER: usize = 120;
const DBN_EPOCHS: u64 = 400;
/// Number of draws for the bounds of deep models.
const DRAWS: usize = 200;
const TEMPERATURES: usize = 5_000;
/// Number of digits that are completed, two of each class.
const COMPLETED: usize = 20;

impl Demo {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let began = Instant::now();
        std::fs::create_dir_all(&self.out).map_err(Error::io("creating", &self.out))?;
        let data = Dataset::builtin("digits")?;
        let test = EvalData::from_dataset(&data, SplitName::Test, None)?;
        let mut gallery = Gallery::new(&self.out, &data);

        let Some(rbm) = self.train(&data, 0, &mut gallery, context)? else { return interrupted() };
        gallery.draw(&rbm, &data, context)?;
        let Some(small) = self.train(&data, 1, &mut gallery, context)? else { return interrupted() };
        let Some(sbn) = self.train_deep(ModelKind::Sbn, &rbm, &data, &mut gallery, context)? else {
            return interrupted();
        };
        let Some(dbm) = self.train_deep(ModelKind::Dbm, &rbm, &data, &mut gallery, context)? else {
            return interrupted();
        };
        let Some(dbn) = self.train_deep(ModelKind::Dbn, &rbm, &data, &mut gallery, context)? else {
            return interrupted();
        };
        let (rbm, small) = (Model::Rbm(rbm), Model::Rbm(small));
        let of_rbm = measure(&rbm, &test, Exact::No, context)?;
        let document = Document {
            schema: "gm-demo/1",
            independent_pixels: of_rbm.independent_units.unwrap_or(f64::NAN),
            rbm: of_rbm,
            sbn: measure(&sbn, &test, Exact::No, context)?,
            dbm: measure(&dbm, &test, Exact::No, context)?,
            dbn: measure(&dbn, &test, Exact::No, context)?,
            small: measure(&small, &test, Exact::Yes, context)?,
            small_annealed: measure(&small, &test, Exact::No, context)?,
            files: gallery.files.iter().map(output::shown).collect(),
            seconds: began.elapsed().as_secs_f64(),
        };
        Report::new(document.text(), &document)
    }

    /// Trains one of the two models, and keeps the curves and the file of the first. `None` after an interruption.
    fn train(&self, data: &Dataset, which: usize, gallery: &mut Gallery<'_>, context: &Context) -> Result<Option<Rbm>> {
        let hidden = HIDDEN[which];
        let settings = RbmSettings {
            hidden,
            epochs: EPOCHS[which],
            batch_size: 100,
            learning_rate: 0.3,
            ..RbmSettings::default()
        };
        let monitor = MonitorSettings { every: EPOCHS[which] / 50, ..MonitorSettings::default() };
        let options = FitOptions { monitor, ..FitOptions::default() };
        let mut watcher = Watcher::new(ModelKind::Rbm, &[data.units(), hidden]);
        let fit = fit_rbm_with(data, &settings, &options, &context.streams(), &mut watcher)?;
        if matches!(fit.outcome, Outcome::Interrupted { .. }) {
            return Ok(None);
        }
        if which == 0 {
            gallery.keep("curves.png", &training::draw_curves(&training::lines(&fit.history)?)?)?;
            let path = self.out.join("model.gm");
            save_model(&path, &fit.model.to_data()?)?;
            gallery.files.push(path);
        }
        Ok(Some(fit.model))
    }

    /// Trains a deep model and keeps its file. `None` after an interruption. The belief network starts from the RBM.
    fn train_deep(
        &self,
        kind: ModelKind,
        rbm: &Rbm,
        data: &Dataset,
        gallery: &mut Gallery<'_>,
        context: &Context,
    ) -> Result<Option<Model>> {
        let streams = context.streams();
        let fit = match kind {
            ModelKind::Sbn => {
                let settings = SbnSettings {
                    hidden: LAYERS.into(),
                    epochs: SBN_EPOCHS,
                    learning_rate: 0.01,
                    ..SbnSettings::default()
                };
                let mut watcher = watcher(kind, data, &LAYERS);
                finished(fit_sbn(data, &settings, &evaluated(SBN_EPOCHS), &streams, &mut watcher)?, |sbn| {
                    sbn.to_data()
                })?
            }
            ModelKind::Dbm => {
                let settings = DbmSettings {
                    hidden: DBM_LAYERS.into(),
                    pretrain_epochs: DBM_EPOCHS / 10,
                    epochs: DBM_EPOCHS,
                    batch_size: 100,
                    ..DbmSettings::default()
                };
                let mut watcher = watcher(kind, data, &DBM_LAYERS);
                finished(fit_dbm(data, &settings, &evaluated(DBM_EPOCHS), &streams, &mut watcher)?, |dbm| {
                    dbm.to_data()
                })?
            }
            _ => {
                let hidden = vec![HIDDEN[0], DBN_LAYER];
                let mut watcher = watcher(kind, data, &hidden);
                let settings = DbnSettings {
                    hidden,
                    epochs: vec![DBN_EPOCHS],
                    layer: RbmSettings { batch_size: 100, ..DbnSettings::default().layer },
                    ..DbnSettings::default()
                };
                let options = FitOptions { start: Some(Dbn::from_rbm(rbm)?.to_data()?), ..evaluated(DBN_EPOCHS) };
                finished(fit_dbn(data, &settings, &options, &streams, &mut watcher)?, |dbn| dbn.to_data())?
            }
        };
        let Some(fit) = fit else { return Ok(None) };
        let path = self.out.join(format!("{kind}.gm"));
        save_model(&path, &fit)?;
        gallery.files.push(path);
        Ok(Some(Model::from_data(fit)?))
    }
}

fn watcher(kind: ModelKind, data: &Dataset, hidden: &[usize]) -> Watcher {
    Watcher::new(kind, &[&[data.units()], hidden].concat())
}

/// Options with ten evaluations in `epochs` epochs.
fn evaluated(epochs: u64) -> FitOptions {
    FitOptions {
        monitor: MonitorSettings { every: epochs / 10, ..MonitorSettings::default() },
        ..FitOptions::default()
    }
}

/// The model in the form in which files hold it. `None` if training was interrupted.
fn finished<M>(fit: Fit<M>, data: impl Fn(&M) -> gm_core::Result<ModelData>) -> Result<Option<ModelData>> {
    match fit.outcome {
        Outcome::Interrupted { .. } => Ok(None),
        Outcome::Finished { .. } => Ok(Some(data(&fit.model)?)),
    }
}

fn interrupted() -> Result<Report> {
    let mut report = Report::new("interrupted; nothing was measured", &serde_json::json!({"schema": "gm-demo/1"}))?;
    report.interrupted = true;
    Ok(report)
}

fn measure(model: &Model, test: &EvalData, exact: Exact, context: &Context) -> Result<EvalReport> {
    let ais = AisSettings { schedule: Schedule::Graded(TEMPERATURES), ..AisSettings::default() };
    let bound = match model {
        Model::Sbn(_) => BoundSettings::default(),
        _ => BoundSettings { samples: DRAWS, ..BoundSettings::default() },
    };
    let settings = EvalSettings { exact, ais, bound, seed: context.seed(), ..EvalSettings::default() };
    watched(eval::label(model), |watch| Ok(evaluate(model, test, &settings, watch)?))
}

/// The pictures of a demonstration, each in a file and together in one.
struct Gallery<'a> {
    folder: &'a Path,
    shape: Shape,
    files: Vec<PathBuf>,
}

impl<'a> Gallery<'a> {
    fn new(folder: &'a Path, data: &Dataset) -> Self {
        Self { folder, shape: picture::shape_of(data.units(), data.train.image()), files: Vec::new() }
    }

    fn keep(&mut self, name: &str, picture: &RgbImage) -> Result<()> {
        let path = self.folder.join(name);
        save_picture(&path, picture)?;
        self.files.push(path);
        Ok(())
    }

    fn draw(&mut self, rbm: &Rbm, data: &Dataset, context: &Context) -> Result<()> {
        let completed = completed(rbm, data, self.shape, &context.streams())?;
        let samples =
            training::draw_samples(&Model::Rbm(rbm.clone()), 3 * COMPLETED, COMPLETED, self.shape, &context.streams())?;
        let filters = training::draw_filters(rbm.weights(), HIDDEN[0], COMPLETED, self.shape);
        self.keep("completed.png", &completed)?;
        self.keep("samples.png", &samples)?;
        self.keep("filters.png", &filters)?;
        let overview = overview(&[
            ("Held-out digits, the same with the lower half erased, and what the model expects there", &completed),
            ("Samples of the model: probabilities of the pixels after 1,000 Gibbs sweeps", &samples),
            ("Filters of the hidden units: red pixels switch a unit on, blue ones off", &filters),
        ]);
        self.keep("demo.png", &overview)?;
        self.files.rotate_right(1);
        Ok(())
    }
}

/// Two test digits of each class with their lower halves filled in.
fn completed(rbm: &Rbm, data: &Dataset, shape: Shape, streams: &Streams) -> Result<RgbImage> {
    let labels = data.test.labels().unwrap_or_default();
    let of_class = |class: u16| (0..labels.len()).filter(move |&row| labels[row] == class).take(COMPLETED / 10);
    let rows: Vec<usize> = (0..10).flat_map(of_class).collect();
    let split = data.test.select(&rows)?;
    // Pixels drawn from their levels would add noise to the few pixels of a digit.
    let (names, kind) = ((data.source.clone(), "test".into()), VisibleKind::Bernoulli);
    let examples = Examples::new(split, names, kind, Some(Binarise::Threshold(0.5)))?;
    let missing = Mask::Bottom.missing(examples.rows.units(), rows.len(), shape, streams)?;
    let settings = CompletionSettings::default();
    let model = Model::Rbm(rbm.clone());
    let found = shown("completing", |watch| {
        Ok(gm_eval::complete(&model, &examples.rows, &missing, &settings, streams, watch)?)
    })?;
    Ok(complete::picture_of((kind, &examples), &missing, &found.means, shape))
}

/// The height of the capitals of a caption, and the space around pictures.
const CAPITALS: f32 = 11.0;
const MARGIN: u32 = 16;
const INK: [u8; 3] = [50, 54, 60];

/// Pictures below one another, each below its caption.
fn overview(pictures: &[(&str, &RgbImage)]) -> RgbImage {
    let caption = MARGIN + CAPITALS as u32;
    let width = pictures.iter().map(|(_, picture)| picture.width()).max().unwrap_or(0) + 2 * MARGIN;
    let height: u32 = pictures.iter().map(|(_, picture)| picture.height() + caption + MARGIN / 2).sum();
    let mut canvas = Canvas::new(width, height + MARGIN, picture::PAPER);
    let mut top = 0;
    for (text, picture) in pictures {
        canvas.write(text, (MARGIN as f32, (top + MARGIN) as f32), CAPITALS, INK);
        top += caption + MARGIN / 2;
        canvas.paste(picture, MARGIN, top);
        top += picture.height();
    }
    canvas.into_image()
}

impl Document {
    fn text(&self) -> String {
        let mut listing = Listing::default();
        let units = |report: &EvalReport| training::dashed(&report.layers);
        let interval = |report: &EvalReport| {
            let p = &report.mean_log_prob;
            match p.side {
                "lower" => format!("{:.2} nats, {:.2} or more", p.value, p.low),
                _ => format!("{:.2} nats, between {:.2} and {:.2}", p.value, p.low, p.high),
            }
        };
        let annealing = |report: &EvalReport| {
            let z = report.log_partition.as_ref();
            let runs = z.and_then(|z| z.runs).unwrap_or(0);
            let temperatures = z.and_then(|z| z.temperatures).unwrap_or(0);
            format!("annealed importance sampling, {runs} runs of {temperatures} temperatures")
        };
        let rows = self.rbm.data.rows;
        listing.add(
            "data",
            format!(
                "8 x 8 digits, built in; the mean log p below is of {rows} held-out rows, with pixels drawn from \
                 their levels"
            ),
        );
        listing
            .add("independent pixels", format!("{:.2} nats, exact; a model must beat this", self.independent_pixels));
        listing
            .add(format!("rbm {}", units(&self.rbm)), format!("{}, by {}", interval(&self.rbm), annealing(&self.rbm)));
        listing.add(
            format!("rbm {}", units(&self.small)),
            format!("{:.4} nats, exact: all states of its hidden units are enumerated", self.small.mean_log_prob.value),
        );
        listing.add("", format!("{}, annealed as above, for comparison", interval(&self.small_annealed)));
        let (bound, elbo) = (&self.sbn.mean_log_prob, self.sbn.elbo.unwrap_or(f64::NAN));
        listing.add(
            format!("sbn {}", units(&self.sbn)),
            format!("{:.2} nats or more, importance-weighted; evidence lower bound {elbo:.2}", bound.value),
        );
        for report in [&self.dbm, &self.dbn] {
            listing.add(
                format!("{} {}", report.model, units(report)),
                format!("{}, importance-weighted", interval(report)),
            );
        }
        for (i, file) in self.files.iter().enumerate() {
            listing.add(if i == 0 { "files" } else { "" }, file);
        }
        listing.add("time", format!("{:.1} s, {} threads", self.seconds, self.rbm.threads));
        let model = self.files.iter().find(|file| file.ends_with(".gm"));
        let model = training::quoted(model.map(String::as_str).unwrap_or_default());
        listing.add("try next", format!("dgm sample {model} -n 100 --steps 1000 --out samples.png"));
        listing.add("", format!("dgm complete {model} --data digits --mask right --out completed.png"));
        listing.text()
    }
}
