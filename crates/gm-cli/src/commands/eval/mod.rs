//! `dgm eval`: the likelihood of data under a model, with its interval.

mod divided;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use gm_ascent::Exchange;
use gm_core::{AisSettings, ModelKind, Schedule, VisibleKind, even_temperatures};
use gm_data::SplitName;
use gm_eval::{
    ClassData, ClassReport, EvalData, EvalReport, EvalSettings, Exact, Model, PartitionReport, PosteriorAnnealing,
    Share, TemperingSettings, classify, evaluate, evaluate_classifier, evaluate_part, evaluate_partition,
};
use gm_net::Classifier;
use gm_sbn::BoundSettings;
use serde::Serialize;

use super::{Context, merge, refuse_given};
use crate::classes::{self, Inputs};
use crate::console::watched;
use crate::data::{Apart, Beside, DATA, Folders, INVERT, Part, Rows, TEST_SPLIT, check_columns, check_units};
use crate::error::{Error, Result};
use crate::files::{Kind, Target};
use crate::model::{self, Either, MODEL};
use crate::needs;
use crate::output::{Listing, Report};
use crate::tables::Tables;
use divided::divided;
use summary::{add_partition, summary};

/// Measures the mean log-likelihood of data, in nats, or the errors of a classifier
///
/// Restricted Boltzmann machines: the partition function is enumerated if the smaller layer has at most 20 units (30
/// with --exact). Otherwise, or if an --ais option is given, annealed importance sampling (AIS) estimates it. AIS
/// overrates a model and gives the upper end of the interval. Reverse AIS from samples that parallel tempering draws
/// underrates it. Reverse AIS from rows of the data (RAISE) underrates the annealed model. The lower end is the lowest of
/// these two and of three standard errors of AIS. Without --data only the partition function is computed.
///
/// Deep Boltzmann machines: as above, with the smaller half of the layers enumerated or annealed. The mean importance
/// weight of --samples draws of mean field bounds log p from below, and elbo is the bound of mean field itself. The lower
/// end holds, the upper end is open. The gap of the bound is measured on --gap-rows rows drawn from the model.
///
/// Deep belief networks: as above, with draws of the recognition net.
///
/// Sigmoid belief nets: the likelihood is exact if there are at most 20 hidden units (30 with --exact). Otherwise the
/// mean importance weight of --samples draws of the recognition net bounds it from below, and the upper end is open.
///
/// Classifiers, and with --classify models with label units: the report has the share of errors with its 95 % interval,
/// the cross-entropy, and the confusion matrix. Grey levels are taken as they are unless --binarise is given.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm eval model.gm --data digits\n  \
    dgm eval model.gm --data mnist --split test --ais-runs 100 --ais-temperatures 14501 --seed 1\n  \
    dgm eval model.json --exact --json\n  \
    dgm eval runs/mnist/model.gm --data mnist --out runs/mnist/eval.json\n  \
    dgm eval runs/mnist/model.gm --data mnist --part 2/4 --out part-2.json")]
pub(crate) struct Eval {
    #[arg(help = MODEL)]
    model: PathBuf,
    #[arg(long, value_name = "SPEC", value_parser = super::utf8(), help = DATA)]
    data: Option<String>,
    #[command(flatten)]
    apart: Apart,
    #[command(flatten)]
    folders: Folders,
    /// The binarisation of grey levels: `none`, `threshold[:T]` or `fixed[:SEED]` [default: `none` for binary data and
    /// classifiers, else `fixed:0`]
    #[arg(long, value_name = "HOW", requires = "data")]
    binarise: Option<gm_data::Binarise>,
    #[arg(long, requires = "data", help = INVERT)]
    invert: bool,
    #[command(flatten)]
    tables: Tables,
    #[arg(long, requires = "data", help = TEST_SPLIT)]
    split: Option<Part>,
    /// Enumerate the partition function, or fail if that is impossible
    #[arg(long, conflicts_with_all = ["ais_runs", "ais_temperatures", "ais_schedule", "raise_walks", "reverse_runs", "reverse_sweeps", "reverse_temperatures"])]
    exact: bool,
    /// Number of runs of annealed importance sampling [default: 100]
    #[arg(long, value_name = "N")]
    ais_runs: Option<usize>,
    /// Number of inverse temperatures of each run [default: 14501]
    #[arg(long, value_name = "N")]
    ais_temperatures: Option<usize>,
    /// The spacing of the inverse temperatures [default: graded]
    #[arg(long, value_name = "HOW")]
    ais_schedule: Option<Spacing>,
    /// Number of runs of reverse AIS from rows of the data (RAISE), which bound log p of the annealed model; 0 turns them
    /// off [default: 100]
    #[arg(long, value_name = "N", requires = "data")]
    raise_walks: Option<usize>,
    /// Number of runs of reverse AIS from samples of the model, which bound log Z from its other side; 0 turns them off
    /// [default: 100]
    #[arg(long, value_name = "N", requires = "data")]
    reverse_runs: Option<usize>,
    /// Number of sweeps of the parallel tempering that draws those samples [default: 1000]
    #[arg(long, value_name = "N", requires = "data")]
    reverse_sweeps: Option<usize>,
    /// Number of temperatures of that parallel tempering [default: 20]
    #[arg(long, value_name = "N", requires = "data")]
    reverse_temperatures: Option<usize>,
    /// Number of draws of the recognition net or of mean field for each row, for the importance-weighted bound
    /// [default: 1000]
    #[arg(long, value_name = "K", requires = "data", value_parser = super::at_least_one)]
    samples: Option<usize>,
    /// Number of independent repeats of the bound, which show its spread [default: 1]
    #[arg(long, value_name = "N", requires = "data", value_parser = super::at_least_one)]
    repeats: Option<usize>,
    /// Number of runs of annealing to the posterior of each of --posterior-rows random rows, for a tighter bound; it is
    /// slow [default: 0]
    #[arg(long, value_name = "N", requires = "data")]
    posterior_runs: Option<usize>,
    /// Number of inverse temperatures of that annealing [default: 1000]
    #[arg(long, value_name = "N", requires = "posterior_runs")]
    posterior_temperatures: Option<usize>,
    /// Largest number of rows of that annealing [default: 100]
    #[arg(long, value_name = "N", requires = "posterior_runs", value_parser = super::at_least_one)]
    posterior_rows: Option<usize>,
    /// Largest number of rows drawn from the model on which the gap of the bound is measured; 0 turns it off
    /// [default: 100]
    #[arg(long, value_name = "N", requires = "data")]
    gap_rows: Option<usize>,
    /// Measure the errors of the label units of an RBM or a deep belief network, instead of the likelihood
    #[arg(long, requires = "data")]
    #[arg(conflicts_with_all = ["exact", "ais_runs", "ais_temperatures", "ais_schedule", "raise_walks", "reverse_runs", "reverse_sweeps", "reverse_temperatures", "samples", "repeats", "posterior_runs", "gap_rows", "shards"])]
    classify: bool,
    /// Number of shards: runs and rows are divided among them, and each has random numbers of its own, so that results
    /// depend on it [default: 1, N with --part I/N, or the number of processes of dgm-mpi]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    shards: Option<usize>,
    /// Measure the runs and rows of part I of N alone, counted from 1, and keep their log-weights in --out; `dgm merge`
    /// joins the parts
    #[arg(long, value_name = "I/N", requires_all = ["data", "out"], conflicts_with_all = ["exact", "classify", "per_example", "strict"])]
    part: Option<Share>,
    #[command(flatten)]
    kept: Kept,
}

/// What becomes of the report of an evaluation.
#[derive(Args, Clone, Debug)]
pub(super) struct Kept {
    /// Write log p of each row, its bound, or log p of its label into this .npy or .csv file
    #[arg(long, value_name = "FILE")]
    per_example: Option<PathBuf>,
    /// End with status 1 if the report has warnings, after it is printed and written
    #[arg(long)]
    strict: bool,
    /// Keep the JSON document in this .json file; `dgm report` shows such files in a run folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// The files of an evaluation, which have been checked.
#[derive(Default)]
pub(super) struct KeptFiles {
    rows: Option<Target>,
    document: Option<Target>,
}

impl Kept {
    /// Checks the files.
    ///
    /// # Errors
    ///
    /// The errors of [`Target::new`].
    pub(super) fn files(&self) -> Result<KeptFiles> {
        let target = |option, path: &Option<PathBuf>, kinds: &[Kind]| {
            path.as_ref().map(|path| Target::new((option, path), kinds, self.force)).transpose()
        };
        Ok(KeptFiles {
            rows: target("--per-example", &self.per_example, &[Kind::Npy, Kind::Csv])?,
            document: target("--out", &self.out, &[Kind::Json])?,
        })
    }

    /// The report of an evaluation, whose rows are written.
    ///
    /// # Errors
    ///
    /// The errors of writing.
    pub(super) fn report(&self, report: &EvalReport, files: &KeptFiles) -> Result<Report> {
        if let Some(target) = &files.rows {
            target.write_numbers(&report.log_probs)?;
        }
        report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(self.judged_by(report.warnings.len(), Report::new(summary(report), report)?))
    }

    /// The report of an evaluation with a number of warnings, which is a failure if no warning is allowed.
    fn judged_by(&self, warnings: usize, mut report: Report) -> Report {
        let plural = if warnings == 1 { "" } else { "s" };
        let failure = format!("{warnings} warning{plural}, and --strict allows none");
        report.failure = (self.strict && warnings > 0).then_some(failure);
        report
    }
}

impl KeptFiles {
    /// Writes the document.
    ///
    /// # Errors
    ///
    /// The errors of writing.
    pub(super) fn write(&self, report: &Report) -> Result<()> {
        self.document.as_ref().map_or(Ok(()), |out| out.write_text(report.document()))
    }
}

/// The spacing of inverse temperatures.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spacing {
    /// The spacing is even.
    Linear,
    /// The spacing is finer towards the model.
    Graded,
    /// A pilot run chooses the spacing, so that all steps contribute equally to the variance.
    Adaptive,
}

/// An evaluation without data.
#[derive(Serialize)]
struct PartitionDocument {
    schema: &'static str,
    model: &'static str,
    layers: Vec<usize>,
    log_partition: PartitionReport,
    warnings: Vec<String>,
    seconds: f64,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<usize>,
    seed: u64,
}

impl Eval {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let per_example = self.kept.per_example.as_ref().map(|path| path.display());
        Error::needs("--per-example", per_example, self.data.is_some(), "--data")?;
        // One of several processes writes for all of them.
        let files = if context.leads() { self.kept.files()? } else { KeptFiles::default() };
        let found = model::load_either(&self.model)?;
        if let Some(processes) = context.processes() {
            self.check_divisible(&found, processes.ranks())?;
        }
        let report = match found {
            Either::Classifier(net) => self.evaluate_classifier(&net, files.rows.as_ref())?,
            Either::Model(model) if self.classify => self.classify_by(&model, files.rows.as_ref())?,
            Either::Model(model) => {
                self.check_options(&model)?;
                self.measure(&model, &files, context)?
            }
        };
        files.write(&report)?;
        Ok(report)
    }

    fn measure(&self, model: &Model, files: &KeptFiles, context: &Context) -> Result<Report> {
        let settings = self.settings(context);
        let Some(spec) = &self.data else { return self.without_data(model, &settings) };
        let data = self.examples(spec, model)?;
        needs::evaluation(model, &settings, data.rows.samples()).check()?;
        if self.reverse_temperatures.is_some() {
            // Annealing comes before tempering and takes long.
            even_temperatures(settings.tempering.temperatures)?;
        }
        if let Some(share) = self.part {
            let command = merge::words(&context.words)?;
            let part = watched(label(model), |watch| Ok(evaluate_part(model, &data, &settings, share, watch)?))?;
            return Report::new(merge::summary(&part), &merge::PartDocument { part, command });
        }
        if let Some(processes) = context.processes() {
            return match divided(model, &data, &settings, processes)? {
                Some(report) => self.kept.report(&report, files),
                None => Ok(Report::elsewhere(false)),
            };
        }
        let report = watched(label(model), |watch| Ok(evaluate(model, &data, &settings, watch)?))?;
        self.kept.report(&report, files)
    }

    /// Refuses an evaluation that several processes cannot divide.
    fn check_divisible(&self, model: &Either, processes: usize) -> Result<()> {
        let refused = |option, value: &str| {
            let value = format!("{value} with {processes} processes");
            Err(Error::Option { option, value, allowed: "one process, or `dgm eval`".into() })
        };
        match (model, self.part, self.shards) {
            _ if self.exact => refused("--exact", "given"),
            _ if self.classify => refused("--classify", "given"),
            _ if self.data.is_none() => refused("--data", "none"),
            (Either::Classifier(_), ..) => refused("eval", "a classifier"),
            (_, Some(part), _) => refused("--part", &part.to_string()),
            (_, None, Some(shards)) if shards < processes => {
                let allowed = format!("{processes} or more, one for each process");
                Err(Error::Option { option: "--shards", value: shards.to_string(), allowed })
            }
            _ => Ok(()),
        }
    }

    /// The model, the rows and the settings of an evaluation whose parts are merged.
    ///
    /// # Errors
    ///
    /// The errors of loading.
    pub(super) fn inputs(&self, context: &Context) -> Result<(Model, EvalData, EvalSettings)> {
        let model = model::load(&self.model)?;
        let data = self.examples(self.data.as_deref().unwrap_or_default(), &model)?;
        Ok((model, data, self.settings(context)))
    }

    fn examples(&self, spec: &str, model: &Model) -> Result<EvalData> {
        examples(&self.rows(spec), self.split, model, &self.model)
    }

    /// Measures the errors of a classifier.
    fn evaluate_classifier(&self, net: &Classifier, target: Option<&Target>) -> Result<Report> {
        let others = [
            ("--exact", self.exact.then(|| "given".into())),
            ("--shards", self.shards.map(|n| n.to_string())),
            ("--part", self.part.map(|share| share.to_string())),
        ];
        let given = self.annealing().into_iter().chain(self.reverse()).chain(self.drawing()).chain(others);
        refuse_given(given.collect::<Vec<_>>().iter(), "none for a classifier")?;
        self.judged((VisibleKind::Bernoulli, net.inputs()), net.classes(), target, |data| {
            Ok(evaluate_classifier(net, data)?)
        })
    }

    /// Measures the errors of a model's label units.
    fn classify_by(&self, model: &Model, target: Option<&Target>) -> Result<Report> {
        if model.classes() == 0 {
            let value = format!("{} without label units", model.kind().noun());
            let allowed = "an rbm or dbn trained with --labels, or a classifier".into();
            return Err(Error::Option { option: "--classify", value, allowed });
        }
        self.judged((model.visible_kind(), model.visible()), model.classes(), target, |data| Ok(classify(model, data)?))
    }

    /// Classifies labelled rows of `units` visible units of a kind, with `classes` classes, and measures the errors.
    fn judged(
        &self,
        units: (VisibleKind, usize),
        classes: usize,
        target: Option<&Target>,
        judge: impl FnOnce(&ClassData) -> Result<ClassReport>,
    ) -> Result<Report> {
        let Some(spec) = &self.data else {
            let (value, allowed) = ("none".into(), "labelled rows to classify".into());
            return Err(Error::Option { option: "--data", value, allowed });
        };
        let rows = self.rows(spec);
        let report = judge(&Inputs::load(&rows, self.part(), units, &self.model)?.labelled(classes)?)?;
        if let Some(target) = target {
            target.write_numbers(&report.log_probs)?;
        }
        Report::new(classes::summary(&report), &report)
    }

    fn rows(&self, spec: &str) -> Rows {
        let (apart, folders, tables) = (self.apart.clone(), self.folders.clone(), self.tables.clone());
        Rows {
            data: spec.into(),
            apart,
            folders,
            binarise: self.binarise,
            invert: self.invert,
            tables,
            beside: Beside::default(),
        }
    }

    fn part(&self) -> Part {
        self.split.unwrap_or(Part::Split(SplitName::Test))
    }

    /// Options of annealing, with their values if given.
    fn annealing(&self) -> [(&'static str, Option<String>); 4] {
        [
            ("--ais-runs", self.ais_runs.map(|n| n.to_string())),
            ("--ais-temperatures", self.ais_temperatures.map(|n| n.to_string())),
            ("--ais-schedule", self.ais_schedule.map(|how| format!("{how:?}").to_lowercase())),
            ("--raise-walks", self.raise_walks.map(|n| n.to_string())),
        ]
    }

    /// Options of reverse AIS from samples, with their values if given.
    fn reverse(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("--reverse-runs", self.reverse_runs.map(|n| n.to_string())),
            ("--reverse-sweeps", self.reverse_sweeps.map(|n| n.to_string())),
            ("--reverse-temperatures", self.reverse_temperatures.map(|n| n.to_string())),
        ]
    }

    /// Options of bounds, with their values if given.
    fn drawing(&self) -> [(&'static str, Option<String>); 4] {
        [
            ("--posterior-runs", self.posterior_runs.map(|n| n.to_string())),
            ("--samples", self.samples.map(|n| n.to_string())),
            ("--gap-rows", self.gap_rows.map(|n| n.to_string())),
            ("--repeats", self.repeats.map(|n| n.to_string())),
        ]
    }

    /// Refuses options that the model does not use.
    fn check_options(&self, model: &Model) -> Result<()> {
        let (annealing, drawing) = (self.annealing(), self.drawing());
        let both: Vec<_> = annealing.iter().chain(&drawing).cloned().collect();
        let (useless, allowed) = match model.kind() {
            ModelKind::Sbn if model.layers().len() == 1 => {
                (&both[..], "none for an sbn without hidden layers, whose likelihood is exact")
            }
            ModelKind::Sbn => (&annealing[..], "none for an sbn, which has no partition function"),
            ModelKind::Dbm => (&drawing[3..], "none for a dbm"),
            ModelKind::Dbn => (&[][..], ""),
            ModelKind::Rbm | ModelKind::Classifier | ModelKind::Harmonium => {
                (&drawing[..], "none for a model without recognition net")
            }
        };
        if model.kind() == ModelKind::Sbn {
            refuse_given(self.reverse().iter(), allowed)?;
        }
        refuse_given(useless.iter(), allowed)
    }

    fn settings(&self, context: &Context) -> EvalSettings {
        let asked = self.ais_runs.is_some()
            || self.ais_temperatures.is_some()
            || self.ais_schedule.is_some()
            || self.raise_walks.is_some()
            || self.reverse().iter().any(|(_, given)| given.is_some());
        let exact = match (self.exact, asked) {
            (true, _) => Exact::Yes,
            (_, true) => Exact::No,
            _ => Exact::Auto,
        };
        let usual = AisSettings::default();
        let temperatures = self.ais_temperatures.unwrap_or(14_501);
        let schedule = match self.ais_schedule {
            Some(Spacing::Linear) => Schedule::Linear(temperatures),
            Some(Spacing::Adaptive) => Schedule::Adaptive(temperatures),
            _ => Schedule::Graded(temperatures),
        };
        let ais = AisSettings { runs: self.ais_runs.unwrap_or(usual.runs), schedule };
        let raise_walks = self.raise_walks.unwrap_or(EvalSettings::default().raise_walks);
        let usual = BoundSettings::default();
        let bound = BoundSettings {
            samples: self.samples.unwrap_or(usual.samples),
            repeats: self.repeats.unwrap_or(usual.repeats),
        };
        let usual = EvalSettings::default();
        let tempering = TemperingSettings {
            temperatures: self.reverse_temperatures.unwrap_or(usual.tempering.temperatures),
            sweeps: self.reverse_sweeps.unwrap_or(usual.tempering.sweeps),
        };
        let reverse_runs = self.reverse_runs.unwrap_or(usual.reverse_runs);
        let gap_rows = self.gap_rows.unwrap_or(usual.gap_rows);
        let posterior = PosteriorAnnealing {
            runs: self.posterior_runs.unwrap_or(usual.posterior.runs),
            temperatures: self.posterior_temperatures.unwrap_or(usual.posterior.temperatures),
            rows: self.posterior_rows.unwrap_or(usual.posterior.rows),
        };
        let seed = context.seed();
        let shards = self.shards.unwrap_or(context.processes().map_or(usual.shards, Exchange::ranks));
        EvalSettings { exact, ais, raise_walks, reverse_runs, tempering, bound, posterior, gap_rows, shards, seed }
    }

    /// The report without data, which is the partition function of a model.
    fn without_data(&self, model: &Model, settings: &EvalSettings) -> Result<Report> {
        Error::needs("--data-dir", self.folders.data_dir.as_ref().map(|folder| folder.display()), false, "--data")?;
        let began = Instant::now();
        needs::evaluation(model, settings, 0).check()?;
        let found = watched(label(model), |watch| Ok(evaluate_partition(model, settings, watch)?))?;
        let Some(log_partition) = found else {
            let (value, allowed) = ("none".into(), format!("rows to evaluate {} on", model.kind().noun()));
            return Err(Error::Option { option: "--data", value, allowed });
        };
        let mut listing = Listing::default();
        listing.add("model", format!("{} {:?}", model.kind(), model.layers()));
        add_partition(&mut listing, &log_partition);
        let warnings = log_partition.warnings();
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let document = PartitionDocument {
            schema: "gm-eval/1",
            model: model.kind().as_str(),
            layers: model.layers(),
            log_partition,
            warnings,
            seconds: began.elapsed().as_secs_f64(),
            threads: rayon::current_num_threads(),
            shards: (settings.shards > 1).then_some(settings.shards),
            seed: settings.seed,
        };
        Ok(self.kept.judged_by(document.warnings.len(), Report::new(listing.text(), &document)?))
    }
}

/// The rows on which to evaluate a model. They are those of the test split if `split` is `None`.
///
/// # Errors
///
/// [`gm_train::Error`] naming the data and what is wrong with them, [`Error::Units`] when they do not fit the model.
pub(crate) fn examples(rows: &Rows, split: Option<Part>, model: &Model, path: &Path) -> Result<EvalData> {
    if let Part::Split(name) = split.unwrap_or(Part::Split(SplitName::Test)) {
        let kind = model.visible_kind();
        let data = rows.of_model(path).dataset(kind, Some(model.visible()))?;
        let found = EvalData::for_kind(kind, &data, name, rows.binarise)?;
        check_units(model, path, data.source_of(name), found.rows.units())?;
        check_columns(path, data.source_of(name), data.split(name))?;
        return Ok(found);
    }
    let chosen = rows.load_for(model, path, Part::All)?;
    let (split, binarise) = ("all".into(), chosen.binarise);
    Ok(EvalData { split, binarise, ..EvalData::from_rows(chosen.about.source, chosen.rows) })
}

/// The name of the longest step of an evaluation.
pub(crate) fn label(model: &Model) -> &'static str {
    match model.kind() {
        ModelKind::Sbn => "drawing from the recognition net",
        _ => "annealing",
    }
}
