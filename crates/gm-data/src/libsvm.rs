//! libsvm's sparse form.

use std::path::Path;

use crate::error::{Error, Result};
use crate::limit::most_dense;
use crate::source::Source;
use crate::table::{Cells, Table};
use crate::text::{bad_cell, each_line, is_label};

/// Reads libsvm's form. A line has a label, then `index:value` for each value that is not 0. Indices count from 1.
///
/// The number of units is `units` if it is given, and the highest index otherwise. Labels are whole numbers from 0, or
/// -1 and 1, which become 0 and 1. The text after a `#` is a comment.
pub(super) fn read(source: Source<'_>, units: Option<usize>) -> Result<Table> {
    let (path, size) = (source.path, source.size);
    let mut sparse = Sparse {
        path,
        size: 0,
        units: units.map(|n| n as u64),
        highest: 0,
        labels: Vec::new(),
        signed: None,
        other: None,
        entries: Vec::new(),
    };
    each_line(source, "libsvm", |line, text| sparse.line(line, text))?;
    let most = most_dense(size.unwrap_or(sparse.size));
    sparse.unfold(most)
}

struct Sparse<'a> {
    path: &'a Path,
    /// The number of bytes in lines.
    size: u64,
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
        self.size += text.len() as u64;
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_ascii_whitespace().enumerate();
        let Some((_, first)) = words.next() else { return Ok(()) };
        let number = first.parse().map_err(|_| bad_cell(self.path, line, 1, first, "a label"))?;
        if f64::is_nan(number) || (number != -1.0 && is_label(first).is_none()) {
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

    /// The dense table, of at most `most` values.
    fn unfold(mut self, most: u64) -> Result<Table> {
        let (samples, units) = (self.labels.len(), self.units.unwrap_or(self.highest));
        if (samples as u64).saturating_mul(units) > most {
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
        let name = self.path.display().to_string();
        Ok(Table { labels, sparse: true, ..Table::new(name, [samples, units], cells) })
    }
}
