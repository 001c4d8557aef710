//! Stockholm files of aligned sequences.

use std::collections::HashMap;
use std::path::Path;

use gm_core::FileError;

use crate::error::{Error, Result};
use crate::reading::TableOptions;
use crate::sequences::{Alignment, Alphabet, Columns, Inserts, Record};
use crate::source::Source;
use crate::table::Table;
use crate::text::each_line;

/// Marks of insert columns in the line `#=GC RF`.
const INSERTS: [u8; 4] = *b".-_~";

/// Reads the one alignment of a file. A line has a name and letters, and further lines of the same name continue the
/// sequence. Annotations are left out, except for `#=GC RF`, which marks the insert columns.
pub(super) fn read(source: Source<'_>, alphabet: Alphabet, options: &TableOptions) -> Result<Table> {
    let path = source.path;
    let mut lines =
        Lines { path, begun: false, ended: false, last: 0, reference: String::new(), records: Records::default() };
    each_line(source, "stockholm", |line, text| lines.line(line, text.trim()))?;
    if !lines.begun {
        return Err(Error::NoRows { name: path.display().to_string() });
    }
    if !lines.ended {
        return Err(lines.refuse(lines.last, "the file ends without a line //, so that sequences may be missing"));
    }
    let marked = !lines.reference.is_empty();
    let columns = match options.inserts {
        Inserts::Auto | Inserts::Drop if marked => {
            Columns::Marked(lines.reference.bytes().map(|mark| !INSERTS.contains(&mark)).collect())
        }
        Inserts::Drop => Columns::UpperCase,
        _ => Columns::All,
    };
    let mut alignment = Alignment::new(path, columns, alphabet, options);
    lines.records.into_list().iter().try_for_each(|record| alignment.push(record))?;
    Ok(alignment.finish())
}

/// The content of a file, line by line.
struct Lines<'a> {
    path: &'a Path,
    begun: bool,
    ended: bool,
    last: u64,
    /// The line `#=GC RF`, over all blocks.
    reference: String,
    records: Records,
}

impl Lines<'_> {
    fn line(&mut self, line: u64, text: &str) -> Result<()> {
        self.last = line;
        if !self.begun {
            self.begun = text.starts_with("# STOCKHOLM");
            let foreign = || Error::file(self.path)(FileError::Foreign { format: "stockholm" });
            return if self.begun { Ok(()) } else { Err(foreign()) };
        }
        if self.ended {
            return Err(self.refuse(line, "another alignment follows, expected one alignment a file"));
        }
        if text == "//" {
            self.ended = true;
            return Ok(());
        }
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (Some("#=GC"), Some("RF")) => self.reference.extend(words),
            (Some(word), _) if word.starts_with('#') => {}
            (Some(name), Some(letters)) => self.records.append(name, line, letters, words),
            _ => return Err(self.refuse(line, "expected a name and the letters of a sequence")),
        }
        Ok(())
    }

    fn refuse(&self, line: u64, reason: &'static str) -> Error {
        Error::Alignment { path: self.path.into(), line, reason }
    }
}

/// Sequences in the order of their first lines, found by their names.
#[derive(Default)]
struct Records {
    places: HashMap<String, usize>,
    list: Vec<Record>,
}

impl Records {
    fn append<'a>(&mut self, name: &str, line: u64, first: &'a str, more: impl Iterator<Item = &'a str>) {
        let place = match self.places.get(name) {
            Some(&place) => place,
            None => {
                self.places.insert(name.to_owned(), self.list.len());
                // The names are kept once.
                self.list.push(Record::new(String::new(), line));
                self.list.len() - 1
            }
        };
        let text = &mut self.list[place].text;
        text.push_str(first);
        text.extend(more);
    }

    /// The sequences with their names.
    fn into_list(mut self) -> Vec<Record> {
        self.places.into_iter().for_each(|(name, place)| self.list[place].name = name);
        self.list
    }
}
