//! Weights of training examples from a file of numbers.

use std::path::Path;

use crate::dataset;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::spec::LoadOptions;
use crate::spec::read;
use crate::table::{Cells, Table};

/// The data with weights of the training examples from a file, of which all splits have so many rows.
///
/// The file holds one number for each training row, or for each row of a table that was split here.
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

/// Which rows of the table with training examples are kept for training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Rows of that table.
    pub(super) rows: usize,
    /// Splits that came from files of their own: validation and test.
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
    let table: Table = read(path, &LoadOptions::default())?.train;
    Ok(match table.cells {
        Cells::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
        Cells::Floats(cells) => cells,
    })
}
