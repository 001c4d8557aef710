//! `dgm infer`: what the hidden units make of data.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::data::{About, Part, Rows};
use crate::error::Result;
use crate::files::{Kind, Target};
use crate::model;
use crate::output::Report;

/// Computes E[h | v] for the rows of a data set
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm infer model.gm --data digits --out h.npy\n  dgm infer model.gm --data rows.csv --split all --out h.csv"
)]
pub(crate) struct Infer {
    /// A model file
    model: PathBuf,
    #[command(flatten)]
    rows: Rows,
    /// Which rows: train, valid, test or all
    #[arg(long, default_value = "test")]
    split: Part,
    /// The file to write, .npy or .csv, with a row of hidden means for each row of data
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: &'static str,
    layers: Vec<usize>,
    data: About,
    out: PathBuf,
    mean_activation: f64,
}

impl Infer {
    pub(super) fn run(&self) -> Result<Report> {
        let target = Target::new(&self.out, &[Kind::Npy, Kind::Csv], self.force)?;
        let rbm = model::load_rbm(&self.model)?;
        let examples = self.rows.load_for(&rbm, &self.model, self.split)?;
        let means = rbm.couplings().mean_h_from_v(&rbm, &examples.bits).to_matrix();
        target.write_values(&means)?;
        let mean_activation = means.iter().map(|&x| f64::from(x)).sum::<f64>() / means.len() as f64;
        let text = format!(
            "{}: E[h | v] of {} rows and {} hidden units, {:.1} units on per row",
            self.out.display(),
            means.ncols(),
            means.nrows(),
            mean_activation * means.nrows() as f64
        );
        Report::new(
            text,
            &Document {
                schema: "gm-infer/1",
                model: "rbm",
                layers: rbm.stack().layers(),
                data: examples.about,
                out: self.out.clone(),
                mean_activation,
            },
        )
    }
}
