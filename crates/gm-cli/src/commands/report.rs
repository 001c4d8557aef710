//! `dgm report`: writes the page of a run.

use std::path::{Path, PathBuf};

use clap::Args;
use gm_data::Binarise;
use gm_eval::{EvalSettings, evaluate};
use gm_sweep::{Comparison, RunRecord};
use serde::Serialize;

use super::{Context, examples, label};
use crate::console::watched;
use crate::data::{Apart, BINARISE, Beside, Folders, INVERT, Part, Rows, TEST_SPLIT};
use crate::error::{Error, Result};
use crate::files::{Kind, Target, save};
use crate::output::{Report, shown};
use crate::report::{self, Folder};
use crate::tables::Tables;

/// Writes the report of a run: one self-contained page of HTML
///
/// The page shows learning curves, likelihood, filters, samples over chain time, reconstructions and completions of
/// held-out rows, hidden activities, weights, chain diagnostics and the configuration. It needs no network and no other
/// file, and the same run gives the same page. `dgm train` writes it at the end of a run.
///
/// With --data the likelihood is measured first, as `dgm eval` does by default. The figures are kept
/// in the run folder as eval-NAME-SPLIT.json. The page shows every document of `dgm eval --out` in the folder.
///
/// Several runs are compared on one page, that of --out: their settings, learning curves and intervals, as by `dgm compare`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm report runs/rbm-digits\n  dgm report runs/rbm-digits --data digits\n  \
    dgm report runs/mnist --data binarized_mnist --data-dir ~/data\n  \
    dgm report runs/rbm-digits runs/rbm-digits-2 --data digits --out both.html")]
pub(crate) struct ReportPage {
    /// The folder of a run, or the folders of several
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Measure the likelihood of these data first: a built-in name (`digits`), a known set (`mnist`) or the path of a
    /// file or folder
    #[arg(long, value_name = "SPEC", value_parser = super::utf8())]
    data: Option<String>,
    #[command(flatten)]
    apart: Apart,
    #[command(flatten)]
    folders: Folders,
    #[arg(long, value_name = "HOW", requires = "data", help = BINARISE)]
    binarise: Option<Binarise>,
    #[arg(long, requires = "data", help = INVERT)]
    invert: bool,
    #[command(flatten)]
    tables: Tables,
    #[arg(long, requires = "data", help = TEST_SPLIT)]
    split: Option<Part>,
    /// The page to write, a .html file; several runs need it [default: report.html in the run folder, where it replaces an
    /// older page]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out if it exists
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    run: String,
    model: String,
    layers: Vec<usize>,
    /// Files of the evaluations that are shown.
    evaluations: Vec<String>,
    /// The parts that are missing from the page, with the reasons.
    notes: Vec<String>,
    out: String,
}

impl ReportPage {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        match &self.runs[..] {
            [run] => self.of_one(run, context),
            runs => self.of_several(runs, context),
        }
    }

    fn of_one(&self, run: &Path, context: &Context) -> Result<Report> {
        let usual = run.join("report.html");
        let out = self.out.as_deref().unwrap_or(&usual);
        let option = if self.out.is_some() { "--out" } else { "RUN" };
        let target = Target::new((option, out), &[Kind::Html], self.force || self.out.is_none())?;
        let mut folder = Folder::read(run)?;
        if let Some(spec) = &self.data {
            self.measure(spec, &folder, context)?;
            folder = Folder::read(run)?;
        }
        let folder = folder.with_own_rows(self.folders.given())?;
        folder.notes.iter().for_each(|note| tracing::warn!("{note}"));
        report::write(&folder, target.path())?;
        Report::new(
            format!("{}: the report of {}", out.display(), run.display()),
            &Document {
                schema: "gm-report/1",
                run: shown(run),
                model: folder.model.kind().to_string(),
                layers: folder.model.layers(),
                evaluations: folder.evaluations.into_iter().map(|(name, _)| name).collect(),
                notes: folder.notes,
                out: shown(out),
            },
        )
    }

    /// The page of a comparison.
    fn of_several(&self, runs: &[PathBuf], context: &Context) -> Result<Report> {
        let Some(out) = &self.out else {
            let (value, needs) = (format!("given {} times", runs.len()), "--out FILE.html".into());
            return Err(Error::Needs { option: "RUN", value, needs });
        };
        // Rows are read to be measured alone.
        let given = self.folders.data_dir.as_ref().map(|folder| folder.display());
        Error::needs("--data-dir", given, self.data.is_some(), "--data")?;
        let target = Target::new(("--out", out), &[Kind::Html], self.force)?;
        if let Some(spec) = &self.data {
            for run in runs {
                self.measure(spec, &Folder::read(run)?, context)?;
            }
        }
        let comparison = Comparison::of(RunRecord::all(runs)?, None)?;
        target.write_text(&report::comparison_page(&comparison)?)?;
        Report::new(format!("{}: {} runs side by side", out.display(), runs.len()), &comparison)
    }

    /// Measures the likelihood of rows and keeps the figures in the run folder.
    fn measure(&self, spec: &str, folder: &Folder, context: &Context) -> Result<()> {
        let (apart, folders, tables) = (self.apart.clone(), self.folders.clone(), self.tables.clone());
        let rows = Rows {
            data: spec.into(),
            apart,
            folders,
            binarise: self.binarise,
            invert: self.invert,
            tables,
            beside: Beside::default(),
        };
        let data = examples(&rows, self.split, &folder.model, &folder.model_path())?;
        let settings = EvalSettings { seed: context.seed(), ..EvalSettings::default() };
        let found = watched(label(&folder.model), |watch| Ok(evaluate(&folder.model, &data, &settings, watch)?))?;
        let document = Report::new("", &found)?;
        save(&folder.path.join(file_name(spec, &found.data.split)), document.document().as_bytes())
    }
}

/// The file of an evaluation, named after the data.
fn file_name(spec: &str, split: &str) -> String {
    let stem = Path::new(spec).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    format!("eval-{}-{split}.json", super::plain(&stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_evaluations_are_named_after_their_data() {
        assert_eq!(file_name("bars-and-stripes:4", "test"), "eval-bars-and-stripes-4-test.json");
        assert_eq!(file_name("/data/my rows.csv", "all"), "eval-my-rows-all.json");
    }
}
