//! Rows of NumPy arrays and of sparse matrices as data of the library.
//!
//! Rows are `[samples, units]` in C order, which is the memory of `[units, samples]` in the library. Bits are packed
//! from the bytes of the caller; nothing goes through floats.

use gm::core::{Batch, BitMatrix, Matrix, VisibleKind};
use gm::data::{Binarise, Levels, Split, Values};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::errors::refused;
use crate::pool::inside;

/// Rows as Python hands them over: arrays that are contiguous in C order, or the places of the ones of a matrix in CSR
/// form as (indptr, indices, units).
#[derive(FromPyObject)]
pub(crate) enum Rows<'py> {
    /// Truth values.
    Bools(PyReadonlyArray2<'py, bool>),
    /// Zeros and ones, or grey levels of 0 to 255.
    Bytes(PyReadonlyArray2<'py, u8>),
    /// Numbers.
    Floats(PyReadonlyArray2<'py, f32>),
    /// The places of ones.
    Sparse(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, usize),
}

/// Units in a word of a bit matrix.
const WORD: usize = 64;

/// Values that one thread looks at together.
const PART: usize = 1 << 14;

/// Moves the lowest bits of eight bytes, the first byte lowest, to the highest byte of the product.
const GATHER: u64 = 0x0102_0408_1020_4080;

impl Rows<'_> {
    /// Number of units of a row.
    pub(crate) fn units(&self) -> usize {
        match self {
            Self::Bools(rows) => rows.shape()[1],
            Self::Bytes(rows) => rows.shape()[1],
            Self::Floats(rows) => rows.shape()[1],
            Self::Sparse(_, _, units) => *units,
        }
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Bools(rows) => rows.shape()[0],
            Self::Bytes(rows) => rows.shape()[0],
            Self::Floats(rows) => rows.shape()[0],
            Self::Sparse(starts, _, _) => starts.len().saturating_sub(1),
        }
    }

    /// The values in the form of the library. `numbers` are taken as they are, without a look at their range.
    pub(crate) fn values(&self, job: Conversion<'_>, numbers: bool) -> PyResult<Values> {
        let (name, units, count) = (job.name, self.units(), self.count());
        if units == 0 || count == 0 {
            return Err(refused(format!("{name} has shape [{count}, {units}], allowed: 1 row and 1 unit or more")));
        }
        match self {
            Self::Bools(rows) => {
                let bools = slice(name, rows)?;
                job.inside(|| Ok(Values::Bits(packed(bools, units, |&on| on)?)))
            }
            Self::Bytes(rows) => {
                let bytes = slice(name, rows)?;
                job.inside(|| of_bytes(bytes, units, numbers))
            }
            Self::Floats(rows) => {
                let floats = slice(name, rows)?;
                job.inside(|| of_floats(floats, units, numbers))
            }
            Self::Sparse(starts, places, _) => {
                let (starts, places) = (slice_1(name, starts)?, slice_1(name, places)?);
                let bits = scattered(starts, places, units);
                let bits =
                    bits.ok_or_else(|| refused(format!("{name}: indptr and indices of the CSR matrix do not fit")));
                Ok(Values::Bits(bits?))
            }
        }
    }

    /// A split of a data set.
    pub(crate) fn split(&self, job: Conversion<'_>, numbers: bool, labels: Option<Vec<u16>>) -> PyResult<Split> {
        let values = self.values(job, numbers)?;
        job.inside(|| Ok(Split::new(values, labels)?))
    }

    /// The rows for a model with these visible units.
    pub(crate) fn batch(&self, job: Conversion<'_>, kind: VisibleKind, binarise: Option<Binarise>) -> PyResult<Batch> {
        let split = self.split(job, kind.takes_numbers(), None)?;
        let binarise = binarise.unwrap_or_else(|| split.evaluation_binarise());
        job.inside(|| Ok(split.rows_for(kind, binarise)?))
    }

    /// A mask, whose ones are the places of values above zero.
    pub(crate) fn mask(&self, job: Conversion<'_>) -> PyResult<BitMatrix> {
        match self.values(job, false)? {
            Values::Bits(bits) => Ok(bits),
            _ => Err(refused(format!("{} has other values than 0 and 1, allowed: truth values", job.name))),
        }
    }
}

/// What a conversion of rows needs besides the rows: the name of the argument in errors, and the pool.
#[derive(Clone, Copy)]
pub(crate) struct Conversion<'a> {
    pub(crate) py: Python<'a>,
    pub(crate) name: &'a str,
    pub(crate) threads: Option<i64>,
}

impl Conversion<'_> {
    /// Works in the pool; errors begin with the name of the argument.
    pub(crate) fn inside<T: Send>(self, work: impl FnOnce() -> gm::Result<T> + Send) -> PyResult<T> {
        inside(self.py, self.threads, work)?.map_err(|error| refused(renamed(self.name, &error.to_string())))
    }
}

fn of_bytes(bytes: &[u8], units: usize, numbers: bool) -> gm::Result<Values> {
    // Within a part the loop has no branch, so that it runs in wide registers.
    let any = |part: &[u8]| part.iter().fold(0, |any, &byte| any | byte);
    Ok(match bytes.par_chunks(PART).map(any).reduce(|| 0, |a, b| a | b) {
        0..=1 => Values::Bits(packed(bytes, units, |&byte| byte != 0)?),
        _ if numbers => {
            let floats = bytes.iter().map(|&byte| byte.into());
            Values::Numbers(Matrix::from_iterator(units, bytes.len() / units, floats))
        }
        _ => Values::Levels(Levels::new(units, u8::MAX, bytes.to_vec())?),
    })
}

fn of_floats(floats: &[f32], units: usize, numbers: bool) -> gm::Result<Values> {
    let binary = |part: &[f32]| part.iter().fold(true, |all, &x| all & ((x == 0.0) | (x == 1.0)));
    if !numbers && floats.par_chunks(PART).all(binary) {
        return Ok(Values::Bits(packed(floats, units, |&x| x == 1.0)?));
    }
    let matrix = Matrix::from_column_slice(units, floats.len() / units, floats);
    Ok(if numbers { Values::Numbers(matrix) } else { Values::Reals(matrix) })
}

/// An error of the library with the names of arguments in Python in the place of the library's words for them.
fn renamed(name: &str, text: &str) -> String {
    let rest = text.strip_prefix("Split::new: ").or_else(|| text.strip_prefix("data: ")).unwrap_or(text);
    format!("{name}: {}", rest.replace("binarise with `threshold:T`", "give a threshold as `binarize`"))
}

fn slice<'a, T: numpy::Element>(name: &str, rows: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    if rows.is_c_contiguous() {
        return rows.as_slice().map_err(|_| refused(format!("{name} is not contiguous")));
    }
    Err(refused(format!("{name} is not contiguous in C order")))
}

fn slice_1<'a, T: numpy::Element>(name: &str, rows: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    rows.as_slice().map_err(|_| refused(format!("{name} is not contiguous")))
}

/// Packs rows of `units` values.
fn packed<T: Sync>(values: &[T], units: usize, on: impl Fn(&T) -> bool + Sync) -> gm::Result<BitMatrix> {
    let count = values.len() / units;
    let mut words = vec![0_u64; units.div_ceil(WORD) * count];
    words.par_chunks_mut(count).enumerate().for_each(|(w, column)| {
        let (first, last) = (w * WORD, units.min((w + 1) * WORD));
        for (word, row) in column.iter_mut().zip(values.chunks_exact(units)) {
            let mut bytes = [0; WORD];
            bytes.iter_mut().zip(&row[first..last]).for_each(|(byte, value)| *byte = u8::from(on(value)));
            *word = bits(&bytes);
        }
    });
    Ok(BitMatrix::from_words(units, count, words)?)
}

/// The bits of bytes that are 0 or 1, the first one lowest.
fn bits(bytes: &[u8; WORD]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    let byte = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56;
    eights.iter().enumerate().fold(0, |bits, (i, eight)| bits | byte(eight) << (8 * i))
}

/// Packs rows from the places of their ones; `None` for places that do not fit.
fn scattered(starts: &[i64], places: &[i64], units: usize) -> Option<BitMatrix> {
    let mut bits = BitMatrix::zeros(units, starts.len() - 1);
    for (row, ends) in starts.windows(2).enumerate() {
        let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
        for &place in places.get(range)? {
            bits.set(usize::try_from(place).ok().filter(|&unit| unit < units)?, row, true);
        }
    }
    Some(bits)
}

/// A matrix `[units, samples]` as an array `[samples, units]`, without a copy.
pub(crate) fn array(py: Python<'_>, values: Matrix) -> PyResult<Bound<'_, PyArray2<f32>>> {
    let (units, samples) = values.shape();
    let values: Vec<f32> = values.data.into();
    PyArray1::from_vec(py, values).reshape([samples, units])
}
