//! Weights of training examples from a file of numbers.

use std::path::Path;

use crate::dataset;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::spec::LoadOptions;
use crate::spec::read;
use crate::table::{Cells, Table};

/// The data with weights of the training examples from a file.
///
/// The file holds one number for each training row, or one for each row of the table from which `cut` keeps some for
/// training.
pub(super) fn weighted(data: Dataset, path: &Path, cut: Cut) -> Result<Dataset> {
    let numbers = numbers(path)?;
    let kept = cut.training_rows();
    let chosen = match numbers.len() {
        found if found == data.train.len() => numbers,
        found if found == cut.rows => kept.iter().map(|&row| numbers[row]).collect(),
        found => {
            let all = if cut.rows == kept.len() { String::new() } else { format!(", or {} for all rows", cut.rows) };
            let reason = format!("{found} weights, expected {} for the training rows{all}", kept.len());
            return Err(Error::Weights { path: path.into(), reason });
        }
    };
    let refuse = |error: Error| Error::Weights { path: path.into(), reason: error.to_string() };
    Ok(Dataset { train: data.train.with_weights(chosen).map_err(refuse)?, ..data })
}

/// The rows of the table with training examples that are kept for training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Number of rows of that table.
    pub(super) rows: usize,
    /// Whether validation and test rows came from files of their own.
    pub(super) given: [bool; 2],
}

impl Cut {
    fn training_rows(self) -> Vec<usize> {
        match self.given {
            [true, true] => (0..self.rows).collect(),
            [false, false] => (0..self.rows).filter(|&row| dataset::is_trained_on(row)).collect(),
            _ => (0..self.rows - self.rows / 6).collect(),
        }
    }
}

/// All numbers of a table, row by row.
fn numbers(path: &Path) -> Result<Vec<f32>> {
    let table: Table = read(path, &LoadOptions { vectors: true, ..LoadOptions::default() })?.train;
    Ok(match table.cells {
        Cells::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
        Cells::Floats(cells) => cells,
    })
}
