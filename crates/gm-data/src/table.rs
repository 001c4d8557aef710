//! The result of a reader: one array of a file, not yet packed.

use gm_core::{BitMatrix, Matrix};

use crate::error::{Error, Likely, Result};
use crate::reading::{Reading, TableOptions};
use crate::split::{Levels, Split, Values};

/// The values of a file, example by example.
#[derive(Debug)]
pub(super) enum Cells {
    /// Bytes, which are 0 and 1, or grey levels up to 255.
    Bytes(Vec<u8>),
    /// Any other numbers.
    Floats(Vec<f32>),
}

/// One array of examples.
#[derive(Debug)]
pub(super) struct Table {
    /// The file, or the file and the array.
    pub(super) name: String,
    pub(super) units: usize,
    pub(super) samples: usize,
    pub(super) image: Option<(usize, usize)>,
    pub(super) cells: Cells,
    pub(super) labels: Option<Vec<u16>>,
    /// Whether units after the last one are 0, since the file names only values that are not 0.
    pub(super) sparse: bool,
    /// The column of the file that each unit stands in, from 1, if it is not the unit's number.
    pub(super) columns: Option<Vec<usize>>,
    /// What the reader made of lines and columns.
    pub(super) reading: Option<Reading>,
}

/// One value for each split of a source; validation and test may be missing.
#[derive(Debug)]
pub(super) struct Parts<T> {
    pub(super) train: T,
    pub(super) valid: Option<T>,
    pub(super) test: Option<T>,
}

impl<T> Parts<T> {
    /// The values that are present, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [Some(&self.train), self.valid.as_ref(), self.test.as_ref()].into_iter().flatten()
    }

    pub(super) fn try_map<U>(self, convert: impl Fn(T) -> Result<U>) -> Result<Parts<U>> {
        let train = convert(self.train)?;
        Ok(Parts { train, valid: self.valid.map(&convert).transpose()?, test: self.test.map(&convert).transpose()? })
    }
}

/// Number of rows from which rising whole numbers in a column are no accident, and from which consecutive ones are none.
const RISING: usize = 10;
const CONSECUTIVE: usize = 4;

impl Table {
    /// A dense table of `[samples, units]` without labels.
    pub(super) fn new(name: String, [samples, units]: [usize; 2], cells: Cells) -> Self {
        Self { name, units, samples, image: None, cells, labels: None, sparse: false, columns: None, reading: None }
    }

    /// Whether the values are the letters of sequences.
    pub(super) fn holds_sequences(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.sequences.is_some())
    }

    fn cell(&self, row: usize, unit: usize) -> f32 {
        match &self.cells {
            Cells::Bytes(cells) => f32::from(cells[row * self.units + unit]),
            Cells::Floats(cells) => cells[row * self.units + unit],
        }
    }

    /// The units whose values are whole numbers that rise from row to row, as the numbers of rows do.
    fn rising(&self) -> Vec<usize> {
        let steps = |unit: usize| (1..self.samples).map(move |row| self.cell(row, unit) - self.cell(row - 1, unit));
        let rises = |unit: usize| {
            let whole = |step: f32| step.fract() == 0.0;
            self.cell(0, unit).fract() == 0.0
                && ((self.samples >= CONSECUTIVE && steps(unit).all(|step| step == 1.0))
                    || (self.samples >= RISING && steps(unit).all(|step| step >= 1.0 && whole(step))))
        };
        if self.image.is_some() || self.holds_sequences() {
            Vec::new()
        } else {
            (0..self.units).filter(|&unit| rises(unit)).collect()
        }
    }

    /// The column of a unit.
    fn column(&self, unit: usize) -> usize {
        self.columns.as_ref().map_or(unit + 1, |columns| columns[unit])
    }

    /// What the reader made of the table, with the units that rise, if there is something to say.
    fn reading(&mut self) -> Option<Reading> {
        let rising: Vec<usize> = self.rising().into_iter().map(|unit| self.column(unit)).collect();
        let reading = self.reading.take().or_else(|| {
            let file = self.name.clone();
            (!rising.is_empty()).then(|| Reading { file, ..Reading::default() })
        })?;
        let rising = rising.into_iter().map(|number| reading.column(number)).collect();
        Some(Reading { rising, ..reading })
    }

    /// The table without the columns that options leave out, and with the labels of the column that they name.
    pub(super) fn with_columns(mut self, options: &TableOptions) -> Result<Self> {
        let names = self.reading.as_ref().map_or(&[][..], |reading| &reading.names);
        let named = |text: &str| names.iter().position(|name| name == text);
        let find = |text: &str| match text.parse() {
            _ if named(text).is_some() => Ok(named(text).unwrap_or_default()),
            Ok(number) if (1..=self.units).contains(&number) => Ok(number - 1),
            _ => {
                let without = if names.is_empty() { ", without names" } else { ", or a name" };
                let known = format!("1 to {}{without}", self.units);
                Err(Error::Column { path: self.name.as_str().into(), column: text.into(), known })
            }
        };
        let given = |text: &&str| *text != "none";
        let label = options.label.as_deref().filter(given).map(find).transpose()?;
        let left_out = options.drop.iter().flatten().map(String::as_str).filter(given);
        let left_out = left_out.map(find).collect::<Result<Vec<usize>>>()?;
        if label.is_none() && left_out.is_empty() {
            return Ok(self);
        }
        let keeps = |unit: &usize| Some(*unit) != label && !left_out.contains(unit);
        let kept: Vec<usize> = (0..self.units).filter(keeps).collect();
        if let Some(unit) = label {
            self.labels = Some((0..self.samples).map(|row| self.label_at(row, unit)).collect::<Result<_>>()?);
        }
        fn chosen<T: Copy>(cells: &[T], units: usize, kept: &[usize]) -> Vec<T> {
            cells.chunks(units.max(1)).flat_map(|row| kept.iter().map(|&unit| row[unit])).collect()
        }
        self.cells = match &self.cells {
            Cells::Bytes(cells) => Cells::Bytes(chosen(cells, self.units, &kept)),
            Cells::Floats(cells) => Cells::Floats(chosen(cells, self.units, &kept)),
        };
        let reading = self.reading.take().unwrap_or_default();
        let column = |unit: usize| reading.column(unit + 1);
        let (labels, left_out) = (label.map(column), left_out.into_iter().map(column).collect());
        self.reading = Some(Reading { file: self.name.clone(), labels, left_out, ..reading });
        (self.units, self.image) = (kept.len(), None);
        self.columns = Some(kept.into_iter().map(|unit| unit + 1).collect());
        Ok(self)
    }

    fn label_at(&self, row: usize, unit: usize) -> Result<u16> {
        let value = self.cell(row, unit);
        if value.fract() == 0.0 && (0.0..=65535.0).contains(&value) {
            return Ok(value as u16);
        }
        let (name, row, column) = (self.name.clone(), row + 1, unit + 1);
        match value.is_nan() {
            true => Err(Error::Missing { name, row, column, value: "NaN".into() }),
            false => Err(Error::Category { name, row, column, value, allowed: "from 0 to 65535".into() }),
        }
    }

    /// Whether the first line was read as an example, and only values of later ones lie within 0..1.
    fn odd_first_line(&self) -> bool {
        let is_example = self.reading.as_ref().is_some_and(|reading| reading.first_line.is_some() && !reading.header);
        match &self.cells {
            Cells::Floats(cells) if is_example && self.samples > 1 => {
                cells[self.units..].iter().all(|x| (0.0..=1.0).contains(x))
            }
            _ => false,
        }
    }

    /// Appends units that are 0 in every row.
    fn widen(&mut self, units: usize) {
        fn padded<T: Copy + Default>(cells: &[T], units: usize, wider: usize) -> Vec<T> {
            let row = |row: &[T]| row.iter().copied().chain(vec![T::default(); wider - units]).collect::<Vec<_>>();
            cells.chunks(units).flat_map(row).collect()
        }
        if self.units > 0 && self.units < units {
            self.cells = match &self.cells {
                Cells::Bytes(cells) => Cells::Bytes(padded(cells, self.units, units)),
                Cells::Floats(cells) => Cells::Floats(padded(cells, self.units, units)),
            };
            self.units = units;
        }
    }

    fn is_binary(&self) -> bool {
        match &self.cells {
            Cells::Bytes(cells) => cells.iter().all(|&cell| cell <= 1),
            Cells::Floats(cells) => cells.iter().all(|&cell| cell == 0.0 || cell == 1.0),
        }
    }

    fn pack(mut self, binary: bool, beyond: Beyond) -> Result<Split> {
        if self.samples == 0 {
            return Err(Error::NoRows { name: self.name });
        }
        if self.units == 0 {
            let shape = format!("{} x 0", self.samples);
            return Err(Error::Dimensions { name: self.name, shape, expected: "1 unit or more" });
        }
        let sequences = self.holds_sequences();
        if sequences && !matches!(beyond, Beyond::Kept) {
            return Err(Error::Sequences { name: self.name });
        }
        let image = self.image.or_else(|| square(self.units).filter(|_| !sequences));
        let threshold = match (&self.cells, beyond) {
            (Cells::Floats(_), Beyond::Threshold(threshold)) if !binary => Some(threshold),
            _ => None,
        };
        let odd_first = self.odd_first_line();
        let (reading, columns) = (self.reading(), self.columns.take());
        let values = match self.cells {
            // Letters stay categories, whichever of them occur.
            Cells::Bytes(codes) if sequences => {
                let codes = codes.into_iter().map(f32::from);
                Values::Numbers(Matrix::from_iterator(self.units, self.samples, codes))
            }
            cells => pack_cells(cells, self.units, self.samples, binary, beyond)?,
        };
        let split = Split::named(&self.name, values, self.labels);
        let split = split.map_err(|error| in_the_file(error, columns.as_deref(), reading.as_ref(), odd_first))?;
        let split = split.with_readings(reading.into_iter().collect()).with_threshold(threshold);
        match image {
            Some((height, width)) => split.with_image(height, width),
            None => Ok(split),
        }
    }
}

/// The error of a table with the column of the file instead of the unit, and with the likely cause.
fn in_the_file(error: Error, columns: Option<&[usize]>, reading: Option<&Reading>, odd_first: bool) -> Error {
    let rises = |column| reading.is_some_and(|reading| reading.rising.iter().any(|rising| rising.number == column));
    let place = |unit: usize| columns.map_or(unit, |columns| columns[unit - 1]);
    match error {
        Error::OutOfRange { name, row, column, value, .. } => {
            let column = place(column);
            let likely = match row {
                _ if rises(column) => Likely::Index,
                1 if odd_first => Likely::Header,
                _ => Likely::Unscaled,
            };
            Error::OutOfRange { name, row, column, value, likely }
        }
        Error::Missing { name, row, column, value } => Error::Missing { name, row, column: place(column), value },
        Error::NotFinite { name, row, column, value } => Error::NotFinite { name, row, column: place(column), value },
        other => other,
    }
}

/// Packs the arrays of one data set alike: bytes become bits only if all bytes of all arrays are 0 or 1, sparse arrays
/// have the units of the widest, and a threshold holds for the numbers of all arrays if one of them lies outside 0..1.
pub(super) fn pack_all(mut tables: Parts<Table>, beyond: Beyond) -> Result<Parts<Split>> {
    let widest = tables.iter().map(|table| table.units).max().unwrap_or(0);
    let all = [Some(&mut tables.train), tables.valid.as_mut(), tables.test.as_mut()].into_iter().flatten();
    all.filter(|table| table.sparse).for_each(|table| table.widen(widest));
    let grey = tables.iter().any(|table| matches!(table.cells, Cells::Bytes(_)) && !table.is_binary());
    let compared = match beyond {
        Beyond::Threshold(threshold) => are_compared(&tables, threshold)?,
        _ => false,
    };
    let beyond = if matches!(beyond, Beyond::Threshold(_)) && !compared { Beyond::Refused } else { beyond };
    tables.try_map(|mut table| {
        // Zeros and ones of text are kept as bytes, and are numbers as those of the other tables are.
        if let (Cells::Bytes(cells), true) = (&table.cells, compared && !grey) {
            table.cells = Cells::Floats(cells.iter().map(|&cell| f32::from(cell)).collect());
        }
        let binary = match table.cells {
            Cells::Bytes(_) => !grey,
            Cells::Floats(_) => !compared && table.is_binary(),
        };
        table.pack(binary, beyond)
    })
}

/// Whether numbers are compared with the threshold as they are, since one of them lies outside 0..1.
fn are_compared(tables: &Parts<Table>, threshold: f32) -> Result<bool> {
    let numbers = || {
        tables.iter().flat_map(|table| match &table.cells {
            Cells::Floats(cells) => &cells[..],
            Cells::Bytes(_) => &[],
        })
    };
    // Numbers that are not finite are refused when they are packed.
    if !numbers().all(|x| x.is_finite()) || numbers().all(|x| (0.0..=1.0).contains(x)) {
        return Ok(false);
    }
    let low = numbers().copied().fold(f32::INFINITY, f32::min);
    let high = numbers().copied().fold(f32::NEG_INFINITY, f32::max);
    if (low..high).contains(&threshold) {
        return Ok(true);
    }
    let remedy = format!("the values lie between {low} and {high}; give a threshold between them");
    Err(Error::threshold(&tables.train.name, threshold, threshold >= high, remedy))
}

/// The treatment of numbers outside 0..1, which cannot be probabilities.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beyond {
    /// They are refused.
    Refused,
    /// They are compared with a threshold.
    Threshold(f32),
    /// They stay as they are.
    Kept,
}

fn pack_cells(cells: Cells, units: usize, samples: usize, binary: bool, beyond: Beyond) -> Result<Values> {
    let outside = |cells: &[f32]| cells.iter().any(|x| !(0.0..=1.0).contains(x));
    match (cells, beyond) {
        (Cells::Bytes(cells), _) if binary => Ok(Values::Bits(pack_bits(units, samples, |i| cells[i] == 1))),
        (Cells::Floats(cells), _) if binary => Ok(Values::Bits(pack_bits(units, samples, |i| cells[i] == 1.0))),
        (Cells::Bytes(cells), _) => Ok(Values::Levels(Levels::new(units, 255, cells)?)),
        (Cells::Floats(cells), Beyond::Threshold(t)) => Ok(Values::Bits(pack_bits(units, samples, |i| cells[i] > t))),
        (Cells::Floats(cells), Beyond::Kept) if outside(&cells) => {
            Ok(Values::Numbers(Matrix::from_vec(units, samples, cells)))
        }
        (Cells::Floats(cells), _) => Ok(Values::Reals(Matrix::from_vec(units, samples, cells))),
    }
}

fn pack_bits(units: usize, samples: usize, on: impl Fn(usize) -> bool) -> BitMatrix {
    let word = |w: usize, sample: usize| {
        let first = sample * units + 64 * w;
        (0..64.min(units - 64 * w)).fold(0, |word, i| word | u64::from(on(first + i)) << i)
    };
    let words = (0..units.div_ceil(64)).flat_map(|w| (0..samples).map(move |sample| (w, sample)));
    let words = words.map(|(w, sample)| word(w, sample)).collect();
    BitMatrix::from_words(units, samples, words).expect("words of the units given")
}

/// The shape of a picture of which only the area is known, if it is a square of at least 4 x 4 pixels.
fn square(units: usize) -> Option<(usize, usize)> {
    let side = units.isqrt();
    (side >= 4 && side * side == units).then_some((side, side))
}
