//! Weights of training examples from a file of numbers.

use std::path::Path;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::spec::LoadOptions;
use crate::spec::read;
use crate::table::{Cells, Table};

/// The data with weights of the training examples from a file.
///
/// The file holds one number for each training row, or one for each of the `rows` rows of the table from which the rows
/// `kept` are for training.
pub(super) fn weighted(mut data: Dataset, path: &Path, rows: usize, kept: &[usize]) -> Result<Dataset> {
    let numbers = numbers(path)?;
    let chosen = match numbers.len() {
        found if found == data.train.len() => numbers,
        found if found == rows => kept.iter().map(|&row| numbers[row]).collect(),
        found => {
            let all = if rows == kept.len() { String::new() } else { format!(", or {rows} for all rows") };
            let reason = format!("{found} weights, expected {} for the training rows{all}", kept.len());
            return Err(Error::Weights { path: path.into(), reason });
        }
    };
    let refuse = |error: Error| Error::Weights { path: path.into(), reason: error.to_string() };
    data.train = data.train.with_weights(chosen).map_err(refuse)?;
    Ok(data)
}

/// All numbers of a table, row by row.
fn numbers(path: &Path) -> Result<Vec<f32>> {
    let table: Table = read(path, &LoadOptions { vectors: true, ..LoadOptions::default() })?.train;
    Ok(match table.cells {
        Cells::Bytes(cells) => cells.into_iter().map(f32::from).collect(),
        Cells::Floats(cells) => cells,
    })
}
