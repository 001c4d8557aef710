//! The report of a run: one self-contained page of HTML.

mod chains;
mod comparison;
mod curves;
mod evaluation;
mod figure;
mod folder;
mod headline;
mod interval;
mod moments;
mod page;
mod rows;
mod weights;

use std::path::Path;

use gm_core::Streams;

use crate::error::Result;

pub(crate) use comparison::page as comparison_page;
pub(crate) use evaluation::Evaluation;
pub(crate) use folder::{Folder, HeldOut};

/// The page of a run.
///
/// The same run gives the same bytes: nothing depends on the time, and random numbers come from the run's seed.
///
/// # Errors
///
/// [`crate::error::Error::Picture`], and the errors of the model.
pub(crate) fn render(folder: &Folder) -> Result<String> {
    page::render(folder, &Streams::new(folder.config.seed))
}

/// Writes the page of a run into its folder.
///
/// # Errors
///
/// The errors of [`render`], and [`gm_data::Error`] when the page cannot be written.
pub(crate) fn write(folder: &Folder, path: &Path) -> Result<()> {
    crate::files::save(path, render(folder)?.as_bytes())
}
