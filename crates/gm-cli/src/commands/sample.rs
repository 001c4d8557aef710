//! `dgm sample`: draws from a model.

use std::path::PathBuf;

use clap::Args;
use gm_core::{BitMatrix, Matrix};
use gm_rbm::{Clamp, Rbm};
use serde::Serialize;

use super::Context;
use crate::error::Result;
use crate::files::{Kind, Target};
use crate::mask::{Mask, given};
use crate::model;
use crate::output::Report;
use crate::picture::{self, Shape};
use crate::sampling::{Diagnostics, Walk};

/// Draws samples by block Gibbs sampling, with diagnostics of the chains
///
/// Diagnostics are left out with --clamp, where each chain has a distribution of its own.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm sample model.gm -n 100 --out samples.png\n  \
    dgm sample model.gm -n 5000 --chains 100 --thin 50 --out samples.npy\n  \
    dgm sample model.gm -n 20 --clamp given.npy --mask bottom --means --out completed.png")]
pub(crate) struct Sample {
    /// A model file
    model: PathBuf,
    /// Samples to draw
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 100, value_parser = super::at_least_one)]
    count: usize,
    /// Sweeps of each chain before its first sample
    #[arg(long, value_name = "N", default_value_t = 1000)]
    steps: usize,
    /// Chains [default: one a sample]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    chains: Option<usize>,
    /// Sweeps between further samples of a chain
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = super::at_least_one)]
    thin: usize,
    /// The file to write: .png, .npy or .csv [default: draw the first few on the terminal]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Give the probabilities E[v | h] of the last sweep instead of zeros and ones
    #[arg(long)]
    means: bool,
    /// Keep values from this file of zeros and ones: one row, or a row a sample
    #[arg(long, value_name = "FILE", requires = "mask")]
    clamp: Option<PathBuf>,
    /// The units that are not kept: left, right, top, bottom, random:P or a file of ones where units are free
    #[arg(long, value_name = "WHICH", requires = "clamp")]
    mask: Option<Mask>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: &'static str,
    layers: Vec<usize>,
    samples: usize,
    chains: usize,
    steps: usize,
    thin: usize,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Diagnostics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    /// A row a sample, when no file was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Vec<f32>>>,
}

/// Above this split R-hat chains have not forgotten where they began.
const MIXED: f64 = 1.05;

impl Sample {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let kinds = [Kind::Png, Kind::Npy, Kind::Csv];
        let target = self.out.as_ref().map(|path| Target::new(path, &kinds, self.force)).transpose()?;
        let rbm = model::load_rbm(&self.model)?;
        let chains = self.chains.unwrap_or(self.count).min(self.count);
        let clamp = self.clamp(&rbm, chains, context)?;
        let mut walk = Walk::new(&rbm, chains, clamp, &context.streams());
        let diagnostics = walk.run_watched(self.steps)?.filter(|_| self.clamp.is_none());
        if diagnostics.as_ref().is_some_and(|d| d.split_r_hat > MIXED) {
            tracing::warn!("the chains still differ from each other (split R-hat above {MIXED}); raise --steps");
        }
        let values = self.collect(&mut walk, chains);
        let shape = picture::shape_of(rbm.visible(), None);
        let mut text = match &target {
            Some(target) => self.write(target, &values, shape)?,
            None => picture::blocks(&values, shape),
        };
        text += &diagnostics.as_ref().map(Diagnostics::text).unwrap_or_default();
        let rows = || values.column_iter().map(|sample| sample.iter().copied().collect()).collect();
        Report::new(
            text,
            &Document {
                schema: "gm-sample/1",
                model: "rbm",
                layers: rbm.stack().layers(),
                samples: self.count,
                chains,
                steps: self.steps,
                thin: self.thin,
                seed: context.seed(),
                diagnostics,
                values: target.is_none().then(rows),
                out: self.out.clone(),
            },
        )
    }

    fn clamp(&self, rbm: &Rbm, chains: usize, context: &Context) -> Result<Option<Clamp>> {
        let (Some(values), Some(mask)) = (&self.clamp, &self.mask) else { return Ok(None) };
        let values = given("--clamp", values.clone(), rbm.visible(), chains)?;
        let free = mask.missing(rbm.visible(), chains, picture::shape_of(rbm.visible(), None), &context.streams())?;
        Ok(Some(Clamp { mask: free.flipped(), values }))
    }

    /// Samples in the order in which they were drawn, [visible, samples].
    fn collect(&self, walk: &mut Walk<'_>, chains: usize) -> Matrix {
        let mut values = Matrix::zeros(walk.states().units(), self.count);
        for (round, first) in (0..self.count).step_by(chains).enumerate() {
            if round > 0 {
                walk.run(self.thin);
            }
            let drawn = if self.means { walk.means() } else { BitMatrix::to_matrix(walk.states()) };
            let taken = chains.min(self.count - first);
            values.columns_mut(first, taken).copy_from(&drawn.columns(0, taken));
        }
        values
    }

    fn write(&self, target: &Target, values: &Matrix, shape: Shape) -> Result<String> {
        match target.kind {
            Kind::Png => target.write_picture(&picture::samples(values, shape, None))?,
            _ => target.write_values(values)?,
        }
        Ok(format!("{}: {} samples of {} units\n", target.path().display(), values.ncols(), values.nrows()))
    }
}
