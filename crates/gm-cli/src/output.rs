//! The outcome of a command: a text for people, a JSON document for programs, and whether a signal ended it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// The outcome of a command.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    text: String,
    document: String,
    /// Whether a signal ended the command early, with everything saved.
    pub(crate) interrupted: bool,
    /// The reason why the command fails although it has a report.
    pub(crate) failure: Option<String>,
    printed: bool,
}

impl Report {
    /// An outcome from its text and its document.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] when the document cannot be written as JSON.
    pub(crate) fn new(text: impl Into<String>, document: &impl Serialize) -> Result<Self> {
        let document = serde_json::to_string_pretty(document).map_err(Error::content("JSON document"))?;
        Ok(Self { text: text.into(), document, interrupted: false, failure: None, printed: false })
    }

    /// The outcome of a process whose part another one reports.
    pub(crate) fn elsewhere(interrupted: bool) -> Self {
        Self { text: String::new(), document: String::new(), interrupted, failure: None, printed: true }
    }

    /// The JSON document.
    pub(crate) fn document(&self) -> &str {
        &self.document
    }

    /// The same report, which the command has printed itself.
    pub(crate) fn printed(self) -> Self {
        Self { printed: true, ..self }
    }

    /// Prints one form on standard output, once.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when standard output cannot be written. A reader that has closed its end of a pipe is not an
    /// error.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if self.printed {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let written = match json {
            true => writeln!(out, "{}", self.document),
            false => writeln!(out, "{}", self.text.trim_end()),
        };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::io("writing", "standard output")(error))
            }
            _ => Ok(()),
        }
    }
}

/// A path in a document. Bytes that are not text become replacement characters.
pub(crate) fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// A number of threads, as text.
pub(crate) fn threads_of(count: usize) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads") }
}

/// Lines with a name and a value each, in aligned columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    lines: Vec<(String, String)>,
}

impl Listing {
    /// Adds a line.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl ToString) {
        self.lines.push((name.into(), value.to_string()));
    }

    /// The lines as text.
    pub(crate) fn text(&self) -> String {
        let width = self.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        self.lines.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name:width$}  {value}");
            text
        })
    }
}

/// Rows of cells in aligned columns; the first row is the heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let line: String = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}  ")).collect();
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_columns_are_aligned() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        assert_eq!(table(&[row(["a", "b"]), row(["long", "c"])]), "a     b\nlong  c\n");
        let mut listing = Listing::default();
        listing.add("kind", "rbm");
        listing.add("parameters", 12);
        assert_eq!(listing.text(), "kind        rbm\nparameters  12\n");
    }
}
