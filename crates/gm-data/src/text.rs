//! Cells and lines of text files.

use std::io::BufRead;
use std::path::Path;

use gm_core::FileError;

use crate::error::{Error, Result};
use crate::source::Source;

/// The meaning of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Number(f32),
    /// A mark of a missing value.
    Missing,
    /// A text that is no number.
    Text,
}

/// The marks of missing values, in lower case. A number that is NaN is another.
const MISSING: [&str; 11] = ["", "?", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "."];

impl Cell {
    /// Reads a cell. `True` and `False` are 1 and 0.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "0" => return Self::Number(0.0),
            "1" => return Self::Number(1.0),
            _ => {}
        }
        let text = text.trim();
        match text.parse::<f32>() {
            Ok(number) if number.is_nan() => Self::Missing,
            Ok(number) => Self::Number(number),
            Err(_) if text.eq_ignore_ascii_case("true") => Self::Number(1.0),
            Err(_) if text.eq_ignore_ascii_case("false") => Self::Number(0.0),
            Err(_) if MISSING.iter().any(|mark| text.eq_ignore_ascii_case(mark)) => Self::Missing,
            Err(_) => Self::Text,
        }
    }
}

pub(super) fn bad_cell(path: &Path, line: u64, column: usize, text: &str, expected: &'static str) -> Error {
    Error::Cell { path: path.into(), line, column, text: shortened(text), expected }
}

/// The beginning of a text. A binary file that is read as text can have a "cell" of megabytes.
pub(super) fn shortened(text: &str) -> String {
    let mut characters = text.trim().chars();
    let start: String = characters.by_ref().take(40).collect();
    if characters.next().is_some() { start + "..." } else { start }
}

/// The label that a text is.
pub(super) fn is_label(text: &str) -> Option<u16> {
    let number: f64 = text.trim().parse().ok()?;
    (number.fract() == 0.0 && (0.0..=65535.0).contains(&number)).then_some(number as u16)
}

/// Refuses a line with another number of values than the first.
pub(super) fn ragged(path: &Path, line: u64, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Ragged { path: path.into(), line, found, expected })
}

/// Calls a function with the number and text of every line that is not blank.
pub(super) fn each_line(
    source: Source<'_>,
    format: &'static str,
    visit: impl FnMut(u64, &str) -> Result<()>,
) -> Result<()> {
    let path = source.path;
    lines_of(source.text(format)?, path, format, visit)
}

/// [`each_line`] of text that has been opened.
pub(super) fn lines_of(
    mut text: impl BufRead,
    path: &Path,
    format: &'static str,
    mut visit: impl FnMut(u64, &str) -> Result<()>,
) -> Result<()> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if text.read_until(b'\n', &mut bytes).map_err(Error::io("reading", path))? == 0 {
            break;
        }
        let text = str::from_utf8(&bytes).map_err(|_| Error::file(path)(FileError::Foreign { format }))?;
        if !text.trim().is_empty() {
            visit(line, text)?;
        }
    }
    Ok(())
}
