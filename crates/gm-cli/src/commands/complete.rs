//! `dgm complete`: fills in missing values.

use std::path::PathBuf;

use clap::Args;
use gm_core::{Batch, BitMatrix, Matrix, Streams, VisibleKind};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_eval::Model;
use gm_rbm::{Clamp, Rbm};
use gm_sbn::Sbn;
use serde::Serialize;

use super::Context;
use crate::console::Progress;
use crate::data::{About, Examples, Part, RowList, Rows};
use crate::error::{Error, Result};
use crate::files::{Kind, Target};
use crate::mask::Mask;
use crate::model;
use crate::output::Report;
use crate::picture::{self, Shape};
use crate::sampling::{Chain, DbmWalk, DbnPosteriorWalk, Kernel, SbnWalk, Walk};
use crate::units::{levels, mask_of_units, sites, written};

/// Fills in missing values with the others given
///
/// By block Gibbs sampling with a restricted or deep Boltzmann machine, by Gibbs sampling of all layers with a deep belief
/// network; with a sigmoid belief net as --method says.
///
/// A picture shows, for each row, the original, the original with its missing units erased, and the mean of the
/// completions. Arrays hold the means, [rows, units], of categories their probabilities.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm complete model.gm --data digits --mask bottom --out completed.png\n  \
    dgm complete model.gm --data digits --rows 0,5,9 --mask random:0.3 --steps 2000 --out completed.npy")]
pub(crate) struct Complete {
    /// A model file
    model: PathBuf,
    #[command(flatten)]
    data: Rows,
    /// Which rows: train, valid, test or all
    #[arg(long, default_value = "test")]
    split: Part,
    /// Row numbers from 0 within the split, such as 0,5,9 or 0-9
    #[arg(long, value_name = "LIST", default_value = "0-9")]
    rows: RowList,
    /// The missing units: left, right, top, bottom, random:P or a file of ones where units are missing
    #[arg(long, value_name = "WHICH")]
    mask: Mask,
    /// Sweeps of each chain; the first half is left out [default: 1000; 200 for a sigmoid belief net or a deep belief network]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    steps: Option<usize>,
    /// Chains for each row
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::at_least_one)]
    chains: usize,
    /// How the hidden units of a sigmoid belief net are drawn [default: importance with a recognition net]
    #[arg(long, value_name = "HOW")]
    method: Option<Kernel>,
    /// The file to write: .png, .npy or .csv
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
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
    /// Share of the missing units whose mean is on the side of the original, or of missing categories that are the most
    /// probable ones; absent for real numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    /// Mean squared error of the means of missing units.
    squared_error: f64,
    out: PathBuf,
}

impl Complete {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let target = Target::new(&self.out, &[Kind::Png, Kind::Npy, Kind::Csv], self.force)?;
        let model = model::load(&self.model)?;
        let examples = self.rows.choose(&self.data.load_for(&model, &self.model, self.split)?)?;
        let kind = model.visible_kind();
        let (rows, shape) = (examples.rows.samples(), examples.shape(kind));
        let streams = context.streams();
        let missing = self.mask.missing(sites(kind, model.visible()), rows, shape, &streams)?;
        let task = Task { rows: &examples.rows, missing: &mask_of_units(kind, &missing), chains: self.chains };
        let (means, method, steps) = task.by_model(&model, self.method, self.steps, &streams)?;
        match target.kind {
            Kind::Png => target.write_picture(&picture_of((kind, &examples), &missing, &means, shape))?,
            _ => target.write_values(&means)?,
        }
        self.report(&model, examples, (&missing, &means), (method, steps), context)
    }

    fn report(
        &self,
        model: &Model,
        examples: Examples,
        (missing, means): (&BitMatrix, &Matrix),
        (method, steps): (&'static str, usize),
        context: &Context,
    ) -> Result<Report> {
        let Quality { accuracy, squared_error } = Quality::new(model.visible_kind(), &examples.rows, missing, means);
        let (path, missing_units) = (self.out.display(), missing.ones());
        let right = accuracy.map_or_else(
            || format!("{missing_units} missing values"),
            |share| format!("{:.1} % of {missing_units} missing units on the right side", 100.0 * share),
        );
        let text = format!(
            "{path}: {} rows completed by {method}, {right}, mean squared error {squared_error:.4}",
            means.ncols()
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
                steps,
                chains: self.chains,
                seed: context.seed(),
                accuracy,
                squared_error,
                out: self.out.clone(),
            },
        )
    }
}

/// Sweeps between two looks at the means.
const INTERVAL: usize = 5;

/// What is to be completed.
pub(crate) struct Task<'a> {
    pub(crate) rows: &'a Batch,
    /// On where a unit is missing, [units, rows].
    pub(crate) missing: &'a BitMatrix,
    /// Chains for each row.
    pub(crate) chains: usize,
}

impl Task<'_> {
    /// Completions by a model of any kind, with the name of the method and the sweeps of each chain.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a kernel of belief nets with another model, and whatever the model refuses.
    pub(crate) fn by_model(
        &self,
        model: &Model,
        kernel: Option<Kernel>,
        steps: Option<usize>,
        streams: &Streams,
    ) -> Result<(Matrix, &'static str, usize)> {
        const GIBBS: &str = "block Gibbs sampling";
        if let (Some(kernel), false) = (kernel, matches!(model, Model::Sbn(_))) {
            let allowed = format!("none for a {}, which has one way", model.kind());
            return Err(Error::Option { option: "--method", value: kernel.name().into(), allowed });
        }
        let usual = steps.unwrap_or(1_000);
        Ok(match model {
            Model::Rbm(rbm) => (self.by_rbm(rbm, usual, streams)?, GIBBS, usual),
            Model::Dbm(dbm) => (self.by_dbm(dbm, usual, streams)?, GIBBS, usual),
            Model::Dbn(dbn) => {
                let steps = steps.unwrap_or(200);
                (self.by_dbn(dbn, steps, streams)?, "Gibbs sampling of all layers", steps)
            }
            Model::Sbn(sbn) => {
                let (kernel, steps) = (Kernel::of(kernel, sbn), steps.unwrap_or(200));
                (self.by_sbn(sbn, kernel, steps, streams)?, kernel.name(), steps)
            }
        })
    }

    /// Completions by block Gibbs sampling of a deep Boltzmann machine.
    fn by_dbm(&self, dbm: &Dbm, steps: usize, streams: &Streams) -> Result<Matrix> {
        let clamp = self.clamp();
        self.means(&mut DbmWalk::new(dbm, clamp.values.samples(), Some(clamp), streams), steps)
    }

    /// Completions by Gibbs sampling of all layers of a deep belief network.
    fn by_dbn(&self, dbn: &Dbn, steps: usize, streams: &Streams) -> Result<Matrix> {
        self.means(&mut DbnPosteriorWalk::new(dbn, self.clamp(), streams)?, steps)
    }

    /// Completions by block Gibbs sampling of a restricted Boltzmann machine.
    pub(super) fn by_rbm(&self, rbm: &Rbm, steps: usize, streams: &Streams) -> Result<Matrix> {
        let clamp = self.clamp();
        let mut walk = Walk::new(rbm, clamp.values.samples(), Some(clamp), streams);
        self.means(&mut walk, steps)
    }

    /// Completions by chains on the hidden units of a sigmoid belief net.
    fn by_sbn(&self, sbn: &Sbn, kernel: Kernel, steps: usize, streams: &Streams) -> Result<Matrix> {
        self.means(&mut SbnWalk::new(sbn, self.clamp(), kernel, streams)?, steps)
    }

    /// For each chain the row that it completes.
    fn copies(&self) -> Vec<usize> {
        (0..self.rows.samples()).flat_map(|row| std::iter::repeat_n(row, self.chains)).collect()
    }

    fn clamp(&self) -> Clamp {
        let copies = self.copies();
        Clamp { mask: self.missing.flipped().select(&copies), values: self.rows.select(&copies) }
    }

    /// The mean of completions of each row, [units, rows]: over chains and the second half of their sweeps.
    fn means(&self, walk: &mut dyn Chain, steps: usize) -> Result<Matrix> {
        let copies = self.copies();
        let mut progress = Progress::new("completing", steps as u64);
        let first = steps / 2;
        for done in (0..first).step_by(INTERVAL) {
            walk.advance(INTERVAL.min(first - done))?;
            progress.set(done as u64, "");
        }
        let looks = (steps - first).div_ceil(INTERVAL);
        let mut sums = Matrix::zeros(self.rows.units(), self.rows.samples());
        for look in 0..looks {
            walk.advance(INTERVAL)?;
            progress.set((first + look * INTERVAL) as u64, "");
            let means = walk.means();
            copies.iter().enumerate().for_each(|(chain, &row)| {
                let mut sum = sums.column_mut(row);
                sum += means.column(chain);
            });
        }
        Ok(sums / (looks * self.chains) as f32)
    }
}

/// How near completions come to the originals.
pub(crate) struct Quality {
    /// The share of missing sites on the right side, or of missing categories that are the most probable ones; none of real
    /// numbers.
    pub(crate) accuracy: Option<f64>,
    /// The mean squared error of the missing units' means.
    pub(crate) squared_error: f64,
}

impl Quality {
    /// The quality of means of units, where `missing` is on for missing sites.
    pub(crate) fn new(kind: VisibleKind, rows: &Batch, missing: &BitMatrix, means: &Matrix) -> Self {
        let truth = rows.to_matrix();
        let units = mask_of_units(kind, missing);
        let places = |mask: &BitMatrix| {
            let on =
                |row: usize| (0..mask.units()).filter(move |&unit| mask.get(unit, row)).map(move |unit| (unit, row));
            (0..mask.samples()).flat_map(on).collect::<Vec<_>>()
        };
        let squares = places(&units).into_iter().map(|at| f64::from(truth[at] - means[at]).powi(2)).sum::<f64>();
        let squared_error = squares / units.ones().max(1) as f64;
        let right = |truth: &Matrix, means: &Matrix| {
            let right = places(missing).into_iter().filter(|&at| truth[at] == means[at]).count();
            Some(right as f64 / missing.ones().max(1) as f64)
        };
        let accuracy = match kind {
            VisibleKind::Gaussian => None,
            VisibleKind::Softmax { .. } => right(&written(kind, truth), &written(kind, means.clone())),
            _ => right(&truth, &means.map(|mean| f32::from(u8::from(mean > 0.5)))),
        };
        Self { accuracy, squared_error }
    }
}

/// The colour of an erased unit.
const ERASED: [u8; 3] = [244, 205, 150];

/// Originals above, with missing units erased in the middle, completions below.
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
    // Long lists are broken into bands of three lines.
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

/// Rows of data side by side, at most.
const BAND: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Stack, Vector};

    #[test]
    fn table_given_units_stay_and_missing_ones_follow_the_model() {
        // Units 1 and 2 copy unit 0 through a strong hidden unit.
        let weights = Matrix::from_column_slice(3, 1, &[12.0, 12.0, 12.0]);
        let stack =
            Stack::new(vec![weights], vec![Vector::from_vec(vec![-6.0; 3]), Vector::from_vec(vec![-18.0])]).unwrap();
        let rbm = Rbm::from_stack(stack).unwrap();
        let rows = BitMatrix::from_fn(3, 2, |_, row| row == 1);
        let missing = BitMatrix::from_fn(3, 2, |unit, _| unit == 2);
        let rows = rows.into();
        let task = Task { rows: &rows, missing: &missing, chains: 4 };
        let means = task.by_rbm(&rbm, 100, &Streams::new(1)).unwrap();
        assert_eq!((means[(0, 0)], means[(0, 1)]), (0.0, 1.0));
        assert!(means[(2, 0)] < 0.1 && means[(2, 1)] > 0.9, "{means}");
        assert_eq!(Quality::new(VisibleKind::Bernoulli, &rows, &missing, &means).accuracy, Some(1.0));
    }
}
