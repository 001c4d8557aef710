//! Label units of a model: how many there are, and data that hold them.

use gm_data::Dataset;

use crate::error::Result;

/// The classes of label units: as many as asked for, else those of the data; 0 without label units.
pub(crate) fn classes_of(labels: bool, asked: usize, data: &Dataset) -> Result<usize> {
    match (labels, asked) {
        (false, _) => Ok(0),
        (true, 0) => Ok(data.classes()?),
        (true, asked) => Ok(asked),
    }
}

/// The data with label units behind the others, if there are to be any.
pub(crate) fn with_labels(labels: bool, classes: usize, data: &Dataset) -> Result<Option<Dataset>> {
    Ok(labels.then(|| data.with_label_units(classes)).transpose()?)
}
