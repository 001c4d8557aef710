//! Tables as text: csv, amat and libsvm's sparse form.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use gm_core::FileError;

use crate::error::{Error, Result};
use crate::limit::most_dense;
use crate::table::{Cells, Table};

/// Numbers of a growing table. Each takes one byte as long as all are 0 or 1.
#[derive(Debug)]
struct Collector(Cells);

impl Collector {
    fn new() -> Self {
        Self(Cells::Bytes(Vec::new()))
    }

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

fn cell(path: &Path, line: u64, column: usize, text: &str) -> Result<f32> {
    match text {
        "0" => Ok(0.0),
        "1" => Ok(1.0),
        _ => text.trim().parse().map_err(|_| bad_cell(path, line, column, text, "a number")),
    }
}

fn bad_cell(path: &Path, line: u64, column: usize, text: &str, expected: &'static str) -> Error {
    // A binary file that is read as text can have a "cell" of megabytes.
    let text = text.trim().chars().take(40).collect();
    Error::Cell { path: path.into(), line, column, text, expected }
}

fn label(path: &Path, line: u64, column: usize, text: &str) -> Result<u16> {
    let number: f64 = text.trim().parse().unwrap_or(f64::NAN);
    if number.fract() == 0.0 && (0.0..=65535.0).contains(&number) {
        return Ok(number as u16);
    }
    Err(bad_cell(path, line, column, text, "a label, a whole number from 0 to 65535"))
}

fn ragged(path: &Path, line: u64, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Ragged { path: path.into(), line, found, expected })
}

/// Reads a csv file with one example a line. Commas separate the values, or tabs in a `.tsv` file. A header is
/// optional.
///
/// The first line is a header if none of its cells is a number, or if it has three cells or more that count from 0 or 1
/// upwards. A column that the header calls `label` holds the labels.
pub(super) fn read_csv(path: &Path) -> Result<Table> {
    let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    let file = File::open(path).map_err(Error::io("opening", path))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if tabs { b'\t' } else { b',' })
        .from_reader(file);
    let mut record = csv::StringRecord::new();
    let mut collector = Collector::new();
    let mut layout: Option<Layout> = None;
    let (mut samples, mut labels) = (0, Vec::new());
    while reader.read_record(&mut record).map_err(|error| csv_error(path, error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let known = layout.is_some();
        let layout = layout.get_or_insert_with(|| Layout::of(&record));
        ragged(path, line, record.len(), layout.columns)?;
        if layout.header && !known {
            continue;
        }
        for (i, text) in record.iter().enumerate() {
            if layout.label == Some(i) {
                labels.push(label(path, line, i + 1, text)?);
            } else {
                collector.push(cell(path, line, i + 1, text)?);
            }
        }
        samples += 1;
    }
    let layout = layout.unwrap_or_default();
    let labels = layout.label.map(|_| labels);
    let units = layout.columns - usize::from(layout.label.is_some());
    Ok(Table { name: path.display().to_string(), units, samples, image: None, cells: collector.0, labels })
}

/// The columns of a csv file, as its first line tells them.
#[derive(Debug, Default)]
struct Layout {
    columns: usize,
    header: bool,
    label: Option<usize>,
}

impl Layout {
    fn of(record: &csv::StringRecord) -> Self {
        let label = record.iter().position(|name| name.trim().eq_ignore_ascii_case("label"));
        let rest = || record.iter().enumerate().filter(|&(i, _)| Some(i) != label).map(|(_, name)| name.trim());
        let counts =
            |from: usize| rest().count() >= 3 && rest().enumerate().all(|(i, name)| name == (i + from).to_string());
        let names = rest().all(|name| name.parse::<f32>().is_err());
        Self { columns: record.len(), header: names || counts(0) || counts(1), label }
    }
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let detail = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::Io { op: "reading", path: path.into(), source },
        _ => Error::file(path)(FileError::Decode { format: "csv", detail }),
    }
}

/// Calls a function with the number and text of every line that is not blank.
fn each_line(path: &Path, format: &'static str, mut visit: impl FnMut(u64, &str) -> Result<()>) -> Result<()> {
    let mut reader = BufReader::new(File::open(path).map_err(Error::io("opening", path))?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(Error::io("reading", path))? == 0 {
            break;
        }
        let text = str::from_utf8(&bytes).map_err(|_| Error::file(path)(FileError::Foreign { format }))?;
        if !text.trim().is_empty() {
            visit(line, text)?;
        }
    }
    Ok(())
}

/// Reads an amat file with one example a line. Spaces or tabs separate the values.
pub(super) fn read_amat(path: &Path) -> Result<Table> {
    let mut collector = Collector::new();
    let (mut samples, mut units) = (0, None);
    each_line(path, "amat", |line, text| {
        let mut found = 0;
        for text in text.split_ascii_whitespace() {
            found += 1;
            collector.push(cell(path, line, found, text)?);
        }
        samples += 1;
        ragged(path, line, found, *units.get_or_insert(found))
    })?;
    let name = path.display().to_string();
    Ok(Table { name, units: units.unwrap_or(0), samples, image: None, cells: collector.0, labels: None })
}

/// Reads libsvm's form. A line has a label, then `index:value` for each value that is not 0. Indices count from 1.
///
/// The number of units is `units` if it is given, and the highest index otherwise. Labels are whole numbers from 0, or
/// -1 and 1, which become 0 and 1. The text after a `#` is a comment.
pub(super) fn read_libsvm(path: &Path, units: Option<usize>) -> Result<Table> {
    let size = std::fs::metadata(path).map_err(Error::io("opening", path))?.len();
    let mut sparse = Sparse {
        path,
        most: most_dense(size),
        units: units.map(|n| n as u64),
        highest: 0,
        labels: Vec::new(),
        signed: None,
        other: None,
        entries: Vec::new(),
    };
    each_line(path, "libsvm", |line, text| sparse.line(line, text))?;
    sparse.unfold()
}

struct Sparse<'a> {
    path: &'a Path,
    /// The number of dense values that the file may unfold to.
    most: u64,
    units: Option<u64>,
    highest: u64,
    labels: Vec<f64>,
    /// The line of a label -1 and the line of a label other than -1 and 1.
    signed: Option<u64>,
    other: Option<u64>,
    /// The example, the index from 1, the value and the line of each entry.
    entries: Vec<(u32, u32, f32, u64)>,
}

impl Sparse<'_> {
    fn line(&mut self, line: u64, text: &str) -> Result<()> {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_ascii_whitespace().enumerate();
        let Some((_, first)) = words.next() else { return Ok(()) };
        let number = first.parse().map_err(|_| bad_cell(self.path, line, 1, first, "a label"))?;
        if f64::is_nan(number) || (number != -1.0 && label(self.path, line, 1, first).is_err()) {
            return Err(bad_cell(self.path, line, 1, first, "a label, a whole number from 0 to 65535, or -1"));
        }
        self.signed = self.signed.or((number == -1.0).then_some(line));
        self.other = self.other.or((number.abs() != 1.0).then_some(line));
        if self.signed.is_some() && self.other.is_some() {
            return Err(bad_cell(
                self.path,
                line,
                1,
                first,
                "a label, since the labels of a file that holds -1 are -1 and 1",
            ));
        }
        let sample = self.labels.len() as u32;
        self.labels.push(number);
        for (i, word) in words {
            let bad = || bad_cell(self.path, line, i + 1, word, "index:value");
            let (index, value) = word.split_once(':').ok_or_else(bad)?;
            let index: u64 = index.parse().map_err(|_| bad())?;
            let value: f32 = value.parse().map_err(|_| bad())?;
            self.check_index(line, index)?;
            self.highest = self.highest.max(index);
            self.entries.push((sample, index as u32, value, line));
        }
        Ok(())
    }

    fn check_index(&self, line: u64, index: u64) -> Result<()> {
        let most = self.units.unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX));
        if (1..=most).contains(&index) {
            return Ok(());
        }
        let reason = format!("indices are 1 to {most}");
        Err(Error::Index { path: self.path.into(), line, index, reason })
    }

    fn unfold(mut self) -> Result<Table> {
        let (samples, units) = (self.labels.len(), self.units.unwrap_or(self.highest));
        if (samples as u64).saturating_mul(units) > self.most {
            let (name, shape) = (self.path.display().to_string(), format!("{samples} x {units}"));
            return Err(Error::Dimensions {
                name,
                shape,
                expected: "at most 256 values for each byte of the file plus 2^20",
            });
        }
        self.entries.sort_by_key(|&(sample, index, ..)| (sample, index));
        if let Some(pair) = self.entries.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            let (_, index, _, line) = pair[1];
            let reason = "it occurs twice in its line".into();
            return Err(Error::Index { path: self.path.into(), line, index: index.into(), reason });
        }
        let units = units as usize;
        let place = |sample: u32, index: u32| sample as usize * units + index as usize - 1;
        let cells = if self.entries.iter().all(|&(_, _, value, _)| value == 0.0 || value == 1.0) {
            let mut cells = vec![0; samples * units];
            self.entries.iter().for_each(|&(sample, index, value, _)| cells[place(sample, index)] = value as u8);
            Cells::Bytes(cells)
        } else {
            let mut cells = vec![0.0; samples * units];
            self.entries.iter().for_each(|&(sample, index, value, _)| cells[place(sample, index)] = value);
            Cells::Floats(cells)
        };
        // Casting saturates, so that -1 becomes 0.
        let labels = Some(self.labels.iter().map(|&label| label as u16).collect());
        Ok(Table { name: self.path.display().to_string(), units, samples, image: None, cells, labels })
    }
}
