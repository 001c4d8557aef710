//! The report of a run: one page of HTML with everything in it.

mod chains;
mod curves;
mod evaluation;
mod figure;
mod folder;
mod interval;
mod page;
mod rows;
mod weights;

use std::path::Path;

use gm_core::Streams;

use crate::error::Result;

pub(crate) use evaluation::Evaluation;
pub(crate) use folder::{Folder, HeldOut};

/// The page of a run.
///
/// The same run gives the same bytes: nothing depends on the time, and random numbers are addressed by the run's seed.
///
/// # Errors
///
/// [`crate::error::Error::Picture`], and whatever the model refuses.
pub(crate) fn render(folder: &Folder) -> Result<String> {
    page::render(folder, &Streams::new(folder.config.seed))
}

/// Writes the page of a run into its folder.
///
/// # Errors
///
/// As [`render`], [`gm_data::Error`] for what is wrong in the folder, and when the page cannot be written.
pub(crate) fn write(folder: &Folder, path: &Path) -> Result<()> {
    crate::files::save(path, render(folder)?.as_bytes())
}
