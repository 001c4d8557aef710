//! `dgm complete`: fills in missing values.

use std::path::PathBuf;

use clap::Args;
use gm_core::{BitMatrix, Matrix, VisibleKind};
use gm_eval::{Completion, CompletionQuality, CompletionSettings, Model, SbnKernel, complete, sites, values_of_sites};
use serde::Serialize;

use super::{Context, words};
use crate::console::watched;
use crate::data::{About, Examples, Part, RowList, Rows, SPLIT};
use crate::error::Result;
use crate::files::{FORCE, Kind, Target};
use crate::mask::{self, Mask};
use crate::model::{self, MODEL};
use crate::needs;
use crate::output::{Report, shown};
use crate::picture::{self, Shape};
use crate::units::levels;

/// Fills in missing values, given the others
///
/// A restricted or deep Boltzmann machine uses block Gibbs sampling, a deep belief network Gibbs sampling of all
/// layers, and a sigmoid belief net the --method.
///
/// A picture shows, for each row, the original, the original with its missing units erased, and the mean of the
/// completions. Arrays hold the means, [rows, units], which are probabilities for categories. Sequences in a .fasta file
/// have the most probable letter in each column.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm complete model.gm --data digits --mask bottom --out completed.png\n  \
    dgm complete model.gm --data digits --rows 0,5,9 --mask random:0.3 --steps 2000 --out completed.npy")]
pub(crate) struct Complete {
    #[arg(help = MODEL)]
    model: PathBuf,
    #[command(flatten)]
    data: Rows,
    #[arg(long, default_value = "test", help = SPLIT)]
    split: Part,
    /// Row numbers from 0 within the split, such as 0,5,9 or 0-9 [default: the first ten rows]
    #[arg(long, value_name = "LIST")]
    rows: Option<RowList>,
    /// The missing units: left, right, top, bottom, random:P or a file of ones where units are missing
    #[arg(long, value_name = "WHICH", value_parser = mask::parser())]
    mask: Mask,
    /// Number of sweeps of each chain, of which the first half is left out [default: 1000; 200 for a sigmoid belief net
    /// or a deep belief network]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    steps: Option<usize>,
    /// Number of chains for each row
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::at_least_one)]
    chains: usize,
    /// The way to draw the hidden units of a sigmoid belief net [default: importance with a recognition net, else
    /// gibbs]
    #[arg(long, value_name = "HOW", value_parser = words::<SbnKernel, 2>(SbnKernel::ALL.map(|how| (how.as_str(), how.about()))))]
    method: Option<SbnKernel>,
    /// The file to write: .png, .npy, .csv or, for models of sequences, .fasta
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[arg(long, help = FORCE)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    layers: Vec<usize>,
    data: About,
    missing_units: u64,
    method: &'static str,
    steps: usize,
    chains: usize,
    seed: u64,
    /// The share of missing units whose mean is on the side of the original, or of missing categories that are the most
    /// probable ones. It is absent for real numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    /// Mean squared error of the means of missing units.
    squared_error: f64,
    out: String,
}

/// Number of rows that are completed by default.
const FIRST: usize = 10;

impl Complete {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let target = Target::new(("--out", &self.out), &[Kind::Png, Kind::Npy, Kind::Csv, Kind::Fasta], self.force)?;
        let model = model::load(&self.model)?;
        let letters = (target.kind == Kind::Fasta)
            .then(|| model::letters(("--out", &self.out), &self.model, model.visible_kind()))
            .transpose()?;
        let loaded = self.data.load_for(&model, &self.model, self.split)?;
        let first = || RowList((0..loaded.rows.samples().min(FIRST)).collect());
        let examples = self.rows.clone().unwrap_or_else(first).choose(&loaded)?;
        let kind = model.visible_kind();
        let (rows, shape) = (examples.rows.samples(), examples.shape(kind));
        let streams = context.streams();
        let missing = self.mask.missing_some(sites(kind, model.visible()), rows, shape, &streams)?;
        let settings = CompletionSettings { kernel: self.method, steps: self.steps, chains: self.chains };
        needs::completion(&model, &settings, rows).check()?;
        let found =
            watched("completing", |watch| Ok(complete(&model, &examples.rows, &missing, &settings, &streams, watch)?))?;
        match (target.kind, letters) {
            (Kind::Fasta, Some(letters)) => {
                target.write_sequences(("row", &letters), |rows| rows(&values_of_sites(kind, found.means.clone())))?
            }
            (Kind::Png, _) => target.write_picture(&picture_of((kind, &examples), &missing, &found.means, shape))?,
            _ => {
                let names = model::names(&self.model, found.means.nrows());
                target.write_columns(&found.means, names.as_deref())?;
            }
        }
        self.report(&model, examples, missing.ones(), &found, context)
    }

    fn report(
        &self,
        model: &Model,
        examples: Examples,
        missing_units: u64,
        found: &Completion,
        context: &Context,
    ) -> Result<Report> {
        let CompletionQuality { accuracy, squared_error } = found.quality;
        let (path, method) = (self.out.display(), found.method);
        let right = accuracy.map_or_else(
            || format!("{missing_units} missing values"),
            |share| format!("{:.1} % of {missing_units} missing units predicted correctly", 100.0 * share),
        );
        let text = format!(
            "{path}: {} rows completed by {method}, {right}, mean squared error {squared_error:.4}",
            found.means.ncols()
        );
        Report::new(
            text,
            &Document {
                schema: "gm-complete/1",
                model: model.kind().to_string(),
                layers: model.layers(),
                data: examples.about,
                missing_units,
                method,
                steps: found.steps,
                chains: self.chains,
                seed: context.seed(),
                accuracy,
                squared_error,
                out: shown(&self.out),
            },
        )
    }
}

/// The colour of an erased unit.
const ERASED: [u8; 3] = [244, 205, 150];

/// The originals above, the originals with missing units erased in the middle, and the completions below.
pub(crate) fn picture_of(
    (kind, examples): (VisibleKind, &Examples),
    missing: &BitMatrix,
    means: &Matrix,
    shape: Shape,
) -> image::RgbImage {
    let rows = means.ncols();
    let both = side_by_side(&examples.rows.to_matrix(), means);
    let levels = levels(kind, &both);
    let tile = |colour: &dyn Fn(usize) -> [u8; 3]| (0..levels.nrows()).map(colour).collect::<Vec<_>>();
    let grey = |site: usize, column: usize| picture::grey(levels[(site, column)]);
    let original = |row: usize| tile(&|site| grey(site, row));
    let erased = |row: usize| tile(&|site| if missing.get(site, row) { ERASED } else { grey(site, row) });
    let completed = |row: usize| tile(&|site| grey(site, rows + row));
    // A long list is broken into bands of three lines.
    let tiles: Vec<_> = (0..rows)
        .step_by(BAND)
        .flat_map(|first| {
            let band = || first..(first + BAND).min(rows);
            let line = |f: &dyn Fn(usize) -> Vec<[u8; 3]>| {
                let mut line: Vec<_> = band().map(f).collect();
                line.resize(rows.min(BAND), Vec::new());
                line
            };
            [line(&original), line(&erased), line(&completed)].concat()
        })
        .collect();
    picture::grid(&tiles, shape, rows.min(BAND), picture::scale_for(shape))
}

/// The columns of one matrix and then those of another.
pub(crate) fn side_by_side(left: &Matrix, right: &Matrix) -> Matrix {
    Matrix::from_columns(&left.column_iter().chain(right.column_iter()).collect::<Vec<_>>())
}

/// The greatest number of rows of data side by side.
const BAND: usize = 20;
