//! The result of a reader: one array of a file, not yet packed.

use gm_core::{BitMatrix, Matrix};

use crate::error::{Error, Result};
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

    fn try_map<U>(self, convert: impl Fn(T) -> Result<U>) -> Result<Parts<U>> {
        let train = convert(self.train)?;
        Ok(Parts { train, valid: self.valid.map(&convert).transpose()?, test: self.test.map(&convert).transpose()? })
    }
}

impl Table {
    fn is_binary(&self) -> bool {
        match &self.cells {
            Cells::Bytes(cells) => cells.iter().all(|&cell| cell <= 1),
            Cells::Floats(cells) => cells.iter().all(|&cell| cell == 0.0 || cell == 1.0),
        }
    }

    fn pack(self, binary: bool, beyond: Beyond) -> Result<Split> {
        if self.samples == 0 {
            return Err(Error::NoRows { name: self.name });
        }
        if self.units == 0 {
            let shape = format!("{} x 0", self.samples);
            return Err(Error::Dimensions { name: self.name, shape, expected: "1 unit or more" });
        }
        let image = self.image.or_else(|| square(self.units));
        let values = pack_cells(self.cells, self.units, self.samples, binary, beyond)?;
        let split = Split::named(&self.name, values, self.labels)?;
        match image {
            Some((height, width)) => split.with_image(height, width),
            None => Ok(split),
        }
    }
}

/// Packs the arrays of one data set alike: bytes become bits only if all bytes of all arrays are 0 or 1.
pub(super) fn pack_all(tables: Parts<Table>, beyond: Beyond) -> Result<Parts<Split>> {
    let grey = tables.iter().any(|table| matches!(table.cells, Cells::Bytes(_)) && !table.is_binary());
    tables.try_map(|table| {
        let binary = match table.cells {
            Cells::Bytes(_) => !grey,
            Cells::Floats(_) => table.is_binary(),
        };
        table.pack(binary, beyond)
    })
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
        (Cells::Floats(cells), Beyond::Threshold(t)) if cells.iter().all(|x| x.is_finite()) && outside(&cells) => {
            Ok(Values::Bits(pack_bits(units, samples, |i| cells[i] > t)))
        }
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
