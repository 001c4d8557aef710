//! Tables of text with one example a line: csv and its relatives, and amat.

use std::io::{BufRead, Cursor, Read};
use std::path::Path;

use gm_core::FileError;

use crate::error::{Error, Result};
use crate::reading::{Header, Reading, TableOptions, names_index, names_labels};
use crate::source::Source;
use crate::table::{Cells, Table};
use crate::text::{Cell, bad_cell, is_label, lines_of, ragged, shortened};

/// What stands between the cells of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    /// One byte.
    Byte(u8),
    /// Any number of spaces and tabs.
    Blanks,
}

impl Separator {
    /// The separator that a line shows: a semicolon, else a comma, else a tab; spaces if there is none of them.
    pub(super) fn of(line: &str) -> Self {
        let found = [b';', b',', b'\t'].into_iter().find(|&byte| outside_quotes(line).any(|other| other == byte));
        match found {
            Some(byte) => Self::Byte(byte),
            None => Self::Blanks,
        }
    }

    /// The cells of a line, for a first look at it.
    pub(super) fn cells(self, line: &str) -> Vec<&str> {
        match self {
            Self::Byte(byte) => line.trim_end_matches(['\r', '\n']).split(char::from(byte)).collect(),
            Self::Blanks => line.split_ascii_whitespace().collect(),
        }
    }
}

fn outside_quotes(line: &str) -> impl Iterator<Item = u8> {
    let mut quoted = false;
    line.bytes().filter(move |&byte| {
        quoted ^= byte == b'"';
        !quoted
    })
}

/// Reads a table of text. `format` is its name in errors.
///
/// The first line tells the separator: a semicolon, a comma, a tab or spaces. In amat files tabs count as spaces.
pub(super) fn read(source: Source<'_>, format: &'static str, options: &TableOptions) -> Result<Table> {
    let path = source.path;
    let mut text = source.text(format)?;
    let (mut first, mut line) = (Vec::new(), String::new());
    // Blank lines before the first row say nothing.
    while line.trim().is_empty() {
        let start = first.len();
        if text.read_until(b'\n', &mut first).map_err(Error::io("reading", path))? == 0 {
            break;
        }
        line = String::from_utf8_lossy(&first[start..]).into_owned();
    }
    let separator = match Separator::of(&line) {
        Separator::Byte(b'\t') if format == AMAT => Separator::Blanks,
        separator => separator,
    };
    let mut grid = Grid::new(path, separator, options);
    let text = Cursor::new(first).chain(text);
    match separator {
        Separator::Byte(byte) => each_record(text, path, byte, |line, cells| grid.line(line, cells))?,
        Separator::Blanks => lines_of(text, path, format, |line, text| {
            grid.line(line, &text.split_ascii_whitespace().map(unquoted).collect::<Vec<_>>())
        })?,
    }
    grid.finish()
}

/// The name of amat files in errors.
pub(super) const AMAT: &str = "amat";

fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
}

/// Calls a function with the line number and the cells of every record.
fn each_record(
    text: impl Read,
    path: &Path,
    separator: u8,
    mut visit: impl FnMut(u64, &[&str]) -> Result<()>,
) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(path, error))? {
        let line = record.position().map_or(0, csv::Position::line);
        visit(line, &record.iter().collect::<Vec<_>>())?;
    }
    Ok(())
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let detail = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::Io { op: "reading", path: path.into(), source },
        _ => Error::file(path)(FileError::Decode { format: "csv", detail }),
    }
}

/// Numbers of a growing table. Each takes one byte as long as all are 0 or 1.
#[derive(Debug)]
struct Collector(Cells);

impl Collector {
    fn push(&mut self, value: f32) {
        match &mut self.0 {
            Cells::Bytes(cells) if value == 0.0 || value == 1.0 => cells.push(value as u8),
            Cells::Bytes(cells) => {
                let mut floats: Vec<f32> = cells.iter().map(|&cell| f32::from(cell)).collect();
                floats.push(value);
                self.0 = Cells::Floats(floats);
            }
            Cells::Floats(cells) => cells.push(value),
        }
    }
}

/// The use of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Unit,
    Label,
    LeftOut,
}

/// A table that grows line by line.
struct Grid<'a> {
    path: &'a Path,
    separator: Separator,
    options: &'a TableOptions,
    layout: Option<Layout>,
    cells: Collector,
    labels: Vec<u16>,
    samples: usize,
}

/// The columns of a table, as its first line and the options tell them.
#[derive(Debug, Default)]
struct Layout {
    reading: Reading,
    roles: Vec<Role>,
    /// The number of the last row, if the first line is a header only if the first column numbers the rows.
    numbered: Option<f64>,
}

impl<'a> Grid<'a> {
    fn new(path: &'a Path, separator: Separator, options: &'a TableOptions) -> Self {
        let cells = Collector(Cells::Bytes(Vec::new()));
        Self { path, separator, options, layout: None, cells, labels: Vec::new(), samples: 0 }
    }

    fn line(&mut self, line: u64, cells: &[&str]) -> Result<()> {
        let Some(layout) = &mut self.layout else {
            let layout = Layout::of(self.path, self.separator, cells, self.options)?;
            let header = layout.reading.header;
            self.layout = Some(layout);
            return if header { Ok(()) } else { self.line(line, cells) };
        };
        ragged(self.path, line, cells.len(), layout.roles.len())?;
        self.samples += 1;
        layout.check_number(self.path, cells)?;
        for (i, (text, role)) in cells.iter().zip(&layout.roles).enumerate() {
            let place = (self.path, line, self.samples, i + 1);
            match role {
                Role::Unit => self.cells.push(number(place, text)?),
                Role::Label => self.labels.push(label(place, text)?),
                Role::LeftOut => {}
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Table> {
        let name = self.path.display().to_string();
        let Layout { roles, reading, .. } = self.layout.unwrap_or_default();
        let columns: Vec<usize> = (0..roles.len()).filter(|&i| roles[i] == Role::Unit).map(|i| i + 1).collect();
        if self.samples > 0 && columns.is_empty() {
            let shape = format!("{} x {}", self.samples, roles.len());
            return Err(Error::Dimensions { name, shape, expected: "a column beside labels and columns left out" });
        }
        let labels = roles.contains(&Role::Label).then_some(self.labels);
        let table = Table::new(name, [self.samples, columns.len()], self.cells.0);
        Ok(Table { labels, reading: Some(reading), columns: Some(columns), ..table })
    }
}

/// The file, the line, the row and the column of a cell.
type Place<'a> = (&'a Path, u64, usize, usize);

fn number((path, line, row, column): Place<'_>, text: &str) -> Result<f32> {
    match Cell::of(text) {
        Cell::Number(number) => Ok(number),
        Cell::Missing => Err(missing(path, row, column, text)),
        Cell::Text => Err(bad_cell(path, line, column, text, "a number")),
    }
}

fn label((path, line, row, column): Place<'_>, text: &str) -> Result<u16> {
    match is_label(text) {
        Some(label) => Ok(label),
        None if Cell::of(text) == Cell::Missing => Err(missing(path, row, column, text)),
        None => Err(bad_cell(path, line, column, text, "a label, a whole number from 0 to 65535")),
    }
}

fn missing(path: &Path, row: usize, column: usize, text: &str) -> Error {
    let value = match text.trim() {
        "" => "``".into(),
        text if text.parse::<f32>().is_ok() => "NaN".into(),
        text => text.into(),
    };
    Error::Missing { name: path.display().to_string(), row, column, value }
}

impl Layout {
    fn of(path: &Path, separator: Separator, first: &[&str], options: &TableOptions) -> Result<Self> {
        let line = match separator {
            Separator::Byte(byte) => first.join(&char::from(byte).to_string()),
            Separator::Blanks => first.join(" "),
        };
        let named = pandas_numbered(first);
        let header = match options.header {
            Header::Auto => are_names(first) || named,
            Header::Yes => true,
            Header::No => false,
        };
        let reading = Reading {
            file: path.display().to_string(),
            first_line: Some(shortened(&line)),
            header,
            first_line_counts: !header && rise(first),
            ..Reading::default()
        };
        let mut layout = Self { reading, roles: vec![Role::Unit; first.len()], numbered: None };
        layout.numbered = (options.header == Header::Auto && named).then_some(f64::NEG_INFINITY);
        layout.assign(path, first, options)?;
        Ok(layout)
    }

    /// Sets the columns of labels and those that are left out.
    fn assign(&mut self, path: &Path, first: &[&str], options: &TableOptions) -> Result<()> {
        let names: Option<Vec<&str>> = self.reading.header.then(|| first.iter().map(|name| plain(name)).collect());
        let find = |text: &str| match place_of(text, names.as_deref(), first.len()) {
            Some(i) => Ok(i),
            None => Err(unknown_column(path, text, names.as_deref(), first.len())),
        };
        let usual = |is: &dyn Fn(usize, &str) -> bool| {
            let named = names.iter().flatten().enumerate();
            named.filter(|&(i, name)| is(i, name)).map(|(i, _)| i).collect::<Vec<_>>()
        };
        let label = match options.label.as_deref() {
            Some("none") => None,
            Some(text) => Some(find(text)?),
            None => usual(&|_, name| names_labels(name)).first().copied(),
        };
        let left_out = match options.drop.as_deref() {
            Some([none]) if none == "none" => Vec::new(),
            Some(given) => given.iter().map(|text| find(text)).collect::<Result<_>>()?,
            None => usual(&|i, name| Some(i) != label && (names_index(name) || (i == 0 && name.is_empty()))),
        };
        self.reading.names = names.iter().flatten().map(|name| shortened(name)).collect();
        left_out.iter().for_each(|&i| self.roles[i] = Role::LeftOut);
        if let Some(i) = label.filter(|i| !left_out.contains(i)) {
            self.roles[i] = Role::Label;
            self.reading.labels = Some(self.reading.column(i + 1));
        }
        self.reading.left_out = left_out.into_iter().map(|i| self.reading.column(i + 1)).collect();
        Ok(())
    }

    /// Refuses a first line with a missing value that could be a header only if the first column numbered the rows.
    fn check_number(&mut self, path: &Path, cells: &[&str]) -> Result<()> {
        let Some(before) = self.numbered else { return Ok(()) };
        match cells[0].trim().parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number > before => {
                self.numbered = Some(number);
                Ok(())
            }
            _ => Err(missing(path, 1, 1, "")),
        }
    }
}

/// A name without spaces around it and without the mark of a comment.
fn plain(name: &str) -> &str {
    name.trim().trim_start_matches('#').trim_start()
}

/// Whether cells are names of columns: one is a text and none is a number, or one has the usual name of an index or of
/// labels.
fn are_names(cells: &[&str]) -> bool {
    let usual = |cell: &&str| names_labels(plain(cell)) || names_index(plain(cell));
    let text = cells.iter().any(|cell| Cell::of(plain(cell)) == Cell::Text);
    let number = cells.iter().any(|cell| matches!(Cell::of(plain(cell)), Cell::Number(_)));
    (text && !number) || cells.iter().any(usual)
}

/// Whether cells are the header that pandas gives to columns without names beside an index: nothing, 0, 1, 2, ...
fn pandas_numbered(cells: &[&str]) -> bool {
    let counts = |(i, cell): (usize, &&str)| cell.trim() == i.to_string();
    cells.len() > 1 && cells[0].trim().is_empty() && cells[1..].iter().enumerate().all(counts)
}

/// Whether cells are three or more whole numbers that rise.
fn rise(cells: &[&str]) -> bool {
    let numbers: Option<Vec<f32>> = cells
        .iter()
        .map(|cell| match Cell::of(cell) {
            Cell::Number(number) if number.fract() == 0.0 => Some(number),
            _ => None,
        })
        .collect();
    numbers.is_some_and(|numbers| numbers.len() >= 3 && numbers.is_sorted_by(|a, b| a < b))
}

/// The place of a column that is given by its name, or by its number from 1.
fn place_of(text: &str, names: Option<&[&str]>, columns: usize) -> Option<usize> {
    let named = names.and_then(|names| names.iter().position(|&name| name == text));
    let number = text.parse::<usize>().ok().filter(|number| (1..=columns).contains(number));
    named.or(number.map(|number| number - 1))
}

fn unknown_column(path: &Path, text: &str, names: Option<&[&str]>, columns: usize) -> Error {
    const SHOWN: usize = 12;
    let known = match names {
        Some(names) => {
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            format!("1 to {columns}, named {}{more}", names[..columns.min(SHOWN)].join(", "))
        }
        None => format!("1 to {columns}, without names, since there is no header"),
    };
    Error::Column { path: path.into(), column: text.into(), known }
}
