//! NumPy's npy and npz files.
//!
//! Headers come from outside, so they are read by a strict parser of the one form that NumPy writes,
//! which neither recurses nor overflows; the zip container is left to `zip`.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use gm_core::FileError;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::reading::Reading;
use crate::source::Source;
use crate::table::{Cells, Parts, Table};

const FORMAT: &str = "npy";
const MAGIC: &[u8] = b"\x93NUMPY";

type Outcome<T> = std::result::Result<T, FileError>;

/// An array's type, layout and shape.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

/// An array, with the values of a sample side by side.
struct Array {
    shape: Vec<usize>,
    cells: Cells,
    /// Number of bytes of its values in the file.
    bytes: u64,
}

/// Reads an npy file of shape [samples, units] or [samples, height, width]. With `vectors` it may also have shape
/// [numbers], which is a row of numbers.
pub(super) fn read(source: Source<'_>, vectors: bool) -> Result<Table> {
    let (path, limit) = (source.path, source.limit);
    let array = array(source.bytes(), limit).map_err(Error::file(path))?;
    table(path.display().to_string(), array, vectors)
}

const TRAIN: [&str; 3] = ["train", "train_images", "x_train"];
const VALID: [&str; 5] = ["valid", "valid_images", "x_valid", "val_images", "x_val"];
const TEST: [&str; 3] = ["test", "test_images", "x_test"];
const TRAIN_LABELS: [&str; 2] = ["train_labels", "y_train"];
const VALID_LABELS: [&str; 4] = ["valid_labels", "y_valid", "val_labels", "y_val"];
const TEST_LABELS: [&str; 2] = ["test_labels", "y_test"];
const LABELS: [&str; 2] = ["labels", "y"];
/// Arrays of texts that name the columns of values.
const COLUMNS: [&str; 3] = ["columns", "column_names", "feature_names"];

/// Reads an npz file. It holds the arrays `train`, `valid` and `test` (or `train_images`, `x_train` and so on), each
/// with its labels if there are any (`train_labels`, `y_train`), or a single array, with `labels` or `y`.
///
/// With `vectors` an array of examples may have shape [numbers], which is a row of numbers.
pub(super) fn read_npz(source: Source<'_>, vectors: bool) -> Result<Parts<Table>> {
    let path = source.path;
    let mut archive = Npz::open(source, vectors)?;
    let columns = archive.columns()?;
    let named = |table: Table| with_names(table, columns.as_deref());
    let names = archive.names.clone();
    if names.iter().any(|name| TRAIN.contains(&name.as_str())) {
        let train = archive.split(&TRAIN, &TRAIN_LABELS)?;
        let (valid, test) = (archive.split(&VALID, &VALID_LABELS)?, archive.split(&TEST, &TEST_LABELS)?);
        return Parts { train: train.expect("the name was found"), valid, test }.try_map(named);
    }
    let is_data = |name: &&str| !LABELS.contains(name) && (columns.is_none() || !COLUMNS.contains(name));
    let data: Vec<&str> = names.iter().map(String::as_str).filter(is_data).collect();
    match data[..] {
        [only] => {
            let train = archive.split(&[only], &LABELS)?.expect("the name was found");
            Parts { train, valid: None, test: None }.try_map(named)
        }
        _ => {
            let name = format!("train (or train_images, x_train; it holds {})", names.join(", "));
            Err(Error::file(path)(FileError::Missing { format: "npz", name }))
        }
    }
}

/// A file, or bytes in memory.
trait Seekable: Read + Seek {}

impl<T: Read + Seek> Seekable for T {}

struct Npz<'a> {
    path: &'a Path,
    names: Vec<String>,
    archive: ZipArchive<Box<dyn Seekable>>,
    /// The limit that is left for further arrays.
    limit: Limit,
    vectors: bool,
}

impl<'a> Npz<'a> {
    fn open(source: Source<'a>, vectors: bool) -> Result<Self> {
        let (path, limit) = (source.path, source.limit.as_compressed());
        if !source.start.starts_with(b"PK") {
            return Err(Error::file(path)(FileError::Foreign { format: "npz" }));
        }
        let file: Box<dyn Seekable> = if source.is_plain_file() {
            Box::new(BufReader::new(File::open(path).map_err(Error::io("opening", path))?))
        } else {
            let mut bytes = Vec::new();
            source.bytes().read_to_end(&mut bytes).map_err(Error::io("reading", path))?;
            Box::new(Cursor::new(bytes))
        };
        let archive = ZipArchive::new(file).map_err(|error| Error::file(path)(undecoded(&error)))?;
        // A name that is not text cannot be one of the names above.
        let files = archive.file_names().flatten();
        let mut names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".npy")?.into())).collect();
        names.sort();
        Ok(Self { path, names, archive, limit, vectors })
    }

    fn split(&mut self, names: &[&str], labels: &[&str]) -> Result<Option<Table>> {
        let Some((name, array)) = self.first(names)? else { return Ok(None) };
        let mut table = table(name, array, self.vectors)?;
        if let Some((name, labels)) = self.first(labels)? {
            table.labels = Some(read_labels(&name, labels)?);
        }
        Ok(Some(table))
    }

    /// The names of the columns, if an array of texts holds them; an array of numbers under such a name is data.
    fn columns(&mut self) -> Result<Option<Vec<String>>> {
        let Some(name) = COLUMNS.iter().find(|name| self.names.iter().any(|known| known == *name)) else {
            return Ok(None);
        };
        let entry = self.archive.by_name(&format!("{name}.npy"));
        let found = match entry {
            Ok(entry) => texts(entry, self.limit),
            Err(error) => Err(FileError::Decode { format: "npz", detail: format!("{name}: {error}") }),
        };
        found.map_err(Error::file(format!("{} ({name})", self.path.display())))
    }

    fn first(&mut self, names: &[&str]) -> Result<Option<(String, Array)>> {
        let Some(name) = names.iter().find(|name| self.names.iter().any(|known| known == *name)) else {
            return Ok(None);
        };
        let entry = self.archive.by_name(&format!("{name}.npy"));
        let array = match entry {
            Ok(entry) => array(entry, self.limit),
            Err(error) => Err(FileError::Decode { format: "npz", detail: format!("{name}: {error}") }),
        };
        let array = array.map_err(Error::file(self.path))?;
        self.limit = self.limit.less(array.bytes);
        Ok(Some((format!("{} ({name})", self.path.display()), array)))
    }
}

/// The table with the names of its columns, of which there has to be one for each.
fn with_names(table: Table, names: Option<&[String]>) -> Result<Table> {
    let Some(names) = names else { return Ok(table) };
    if names.len() != table.units {
        let (found, name) = (format!("{:?}", [names.len()]), format!("{}, names of columns", table.name));
        return Err(Error::Dimensions { name, shape: found, expected: "a name for each column of the values" });
    }
    let reading = Reading { file: table.name.clone(), names: names.to_vec(), ..Reading::default() };
    Ok(Table { reading: Some(reading), ..table })
}

/// Reads an array of texts of a fixed length, `<U8` or `|S8`; `None` for an array of numbers.
fn texts(mut stream: impl Read, limit: Limit) -> Outcome<Option<Vec<String>>> {
    let header = header(&mut stream)?;
    if element(&header.descr).is_ok() {
        return Ok(None);
    }
    let expected = "texts of a fixed length, as np.array(names) has them";
    let refuse = || field("descr", header.descr.clone(), expected);
    let (big, kind) = (header.descr.starts_with('>'), header.descr.get(1..2));
    let length: u64 = header.descr.get(2..).and_then(|length| length.parse().ok()).ok_or_else(refuse)?;
    let width = match kind {
        Some("U") => length.checked_mul(4),
        Some("S") => Some(length),
        _ => None,
    };
    let width = width.filter(|&width| width > 0).ok_or_else(refuse)?;
    let [count] = header.shape[..] else {
        return Err(field("shape", format!("{:?}", header.shape), "one dimension for names"));
    };
    let size = count.checked_mul(width).filter(|&size| size <= isize::MAX as u64);
    let size = size.ok_or_else(|| field("shape", format!("{:?}", header.shape), "a product that fits into memory"))?;
    limit.check(FORMAT, size)?;
    let bytes = exactly(&mut stream, size)?;
    let text = |cell: &[u8]| match kind {
        Some("U") => cell
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&code| if big { u32::from_be_bytes(code) } else { u32::from_le_bytes(code) })
            .map(char::from_u32)
            .collect::<Option<String>>(),
        _ => str::from_utf8(cell).ok().map(String::from),
    };
    let cells = bytes.chunks(width as usize);
    let read = |cell| Some(text(cell)?.trim_end_matches('\0').to_owned());
    let names: Option<Vec<String>> = cells.map(read).collect();
    names.map(Some).ok_or_else(|| FileError::Decode { format: FORMAT, detail: "a name is not Unicode".into() })
}

fn read_labels(name: &str, array: Array) -> Result<Vec<u16>> {
    let whole = |x: &f32| x.fract() == 0.0 && (0.0..=65535.0).contains(x);
    match array.cells {
        _ if array.shape.iter().filter(|&&dim| dim != 1).count() > 1 => {
            Err(dimensions(name, &array.shape, "[samples] for labels"))
        }
        Cells::Bytes(cells) => Ok(cells.into_iter().map(u16::from).collect()),
        Cells::Floats(cells) if cells.iter().all(whole) => Ok(cells.into_iter().map(|x| x as u16).collect()),
        Cells::Floats(cells) => {
            let found = cells.into_iter().find(|x| !whole(x)).map(|x| x.to_string()).unwrap_or_default();
            let expected = "whole numbers from 0 to 65535";
            Err(Error::file(name)(FileError::Field { format: "npz", name: "label".into(), found, expected }))
        }
    }
}

fn table(name: String, array: Array, vectors: bool) -> Result<Table> {
    let (samples, units, image) = match array.shape[..] {
        [numbers] if vectors => (1, numbers, None),
        [samples, units] => (samples, units, None),
        // Without samples the product of all dimensions does not bound this one.
        [samples, height, width] => match height.checked_mul(width) {
            Some(units) => (samples, units, Some((height, width))),
            None => return Err(dimensions(&name, &array.shape, "pictures that fit into memory")),
        },
        _ => return Err(dimensions(&name, &array.shape, "[samples, units] or [samples, height, width]")),
    };
    Ok(Table { image, ..Table::new(name, [samples, units], array.cells) })
}

fn dimensions(name: &str, shape: &[usize], expected: &'static str) -> Error {
    Error::Dimensions { name: name.into(), shape: format!("{shape:?}"), expected }
}

/// Reads an array from a stream that may yield no more than the limit.
fn array(mut stream: impl Read, limit: Limit) -> Outcome<Array> {
    let header = header(&mut stream)?;
    let (kind, width) = element(&header.descr)?;
    let size = header
        .shape
        .iter()
        .try_fold(width, |size, &dim| size.checked_mul(dim))
        .filter(|&size| size <= isize::MAX as u64);
    let size = size.ok_or_else(|| field("shape", format!("{:?}", header.shape), "a product that fits into memory"))?;
    limit.check(FORMAT, size)?;
    let mut bytes = Vec::new();
    stream.take(size + 1).read_to_end(&mut bytes).map_err(|error| decode(&error))?;
    match bytes.len() as u64 {
        found if found < size => return Err(FileError::Truncated { format: FORMAT, expected: size, found }),
        found if found > size => return Err(FileError::TrailingBytes { format: FORMAT, extra: found - size }),
        _ => {}
    }
    let shape: Vec<usize> = header.shape.iter().map(|&dim| dim as usize).collect();
    let cells = elements(kind, header.descr.starts_with('>'), &bytes);
    Ok(Array { cells: if header.fortran { in_c_order(cells, &shape) } else { cells }, shape, bytes: size })
}

/// The element type and its width in bytes.
fn element(descr: &str) -> Outcome<(&str, u64)> {
    let kind = descr.get(1..).filter(|_| descr.starts_with(['|', '<', '>', '=']));
    match kind {
        Some("b1" | "u1" | "i1") => kind.zip(Some(1)),
        Some("u2" | "i2") => kind.zip(Some(2)),
        Some("u4" | "i4" | "f4") => kind.zip(Some(4)),
        Some("u8" | "i8" | "f8") => kind.zip(Some(8)),
        _ => None,
    }
    .ok_or_else(|| field("descr", descr.into(), "bool, an integer type, float32 or float64"))
}

fn elements(kind: &str, big: bool, bytes: &[u8]) -> Cells {
    macro_rules! floats {
        ($type:ty, $width:literal) => {{
            let read = if big { <$type>::from_be_bytes } else { <$type>::from_le_bytes };
            Cells::Floats(bytes.as_chunks::<$width>().0.iter().map(|&bytes| read(bytes) as f32).collect())
        }};
    }
    match kind {
        "i1" => floats!(i8, 1),
        "u2" => floats!(u16, 2),
        "i2" => floats!(i16, 2),
        "u4" => floats!(u32, 4),
        "i4" => floats!(i32, 4),
        "f4" => floats!(f32, 4),
        "u8" => floats!(u64, 8),
        "i8" => floats!(i64, 8),
        "f8" => floats!(f64, 8),
        // NumPy takes every non-zero byte of a bool as true.
        "b1" => Cells::Bytes(bytes.iter().map(|&byte| u8::from(byte != 0)).collect()),
        _ => Cells::Bytes(bytes.to_vec()),
    }
}

/// Reorders an array whose first index runs fastest.
fn in_c_order(cells: Cells, shape: &[usize]) -> Cells {
    match cells {
        Cells::Bytes(cells) => Cells::Bytes(reorder(&cells, shape)),
        Cells::Floats(cells) => Cells::Floats(reorder(&cells, shape)),
    }
}

fn reorder<T: Copy>(cells: &[T], shape: &[usize]) -> Vec<T> {
    let position = |mut i: usize| {
        let (mut position, mut stride) = (0, cells.len());
        for &dim in shape.iter().rev() {
            stride /= dim;
            position += i % dim * stride;
            i /= dim;
        }
        position
    };
    (0..cells.len()).map(|i| cells[position(i)]).collect()
}

fn header(stream: &mut impl Read) -> Outcome<Header> {
    let start = exactly(stream, 8)?;
    if !start.starts_with(MAGIC) {
        return Err(FileError::Foreign { format: FORMAT });
    }
    let length = match start[6] {
        1 => exactly(stream, 2)?.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        2 | 3 => exactly(stream, 4)?.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        found => return Err(FileError::NewerVersion { format: FORMAT, found: found.into(), supported: 3 }),
    };
    if length > 65_536 {
        return Err(field("header length", length.to_string(), "at most 65536"));
    }
    let text = exactly(stream, length)?;
    let text = str::from_utf8(&text).ok();
    text.and_then(parse).ok_or_else(|| FileError::Decode {
        format: FORMAT,
        detail: "the header is not {'descr': TYPE, 'fortran_order': BOOL, 'shape': (N, ...)}".into(),
    })
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, with the keys in any order.
fn parse(text: &str) -> Option<Header> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, value) = rest.split_once(':')?;
        let value = value.trim_start();
        let end = match value.as_bytes().first()? {
            b'(' => value.find(')')? + 1,
            b'\'' => value[1..].find('\'')? + 2,
            _ => value.find(',').unwrap_or(value.len()),
        };
        let (value, tail) = value.split_at(end);
        match key.trim() {
            "'descr'" => descr = Some(value.strip_prefix('\'')?.strip_suffix('\'')?.to_owned()),
            "'fortran_order'" => {
                fortran = Some(match value.trim() {
                    "True" => true,
                    "False" => false,
                    _ => return None,
                })
            }
            "'shape'" => shape = Some(tuple(value)?),
            _ => return None,
        }
        let tail = tail.trim_start();
        rest = tail.strip_prefix(',').or(tail.is_empty().then_some(tail))?.trim_start();
    }
    Some(Header { descr: descr?, fortran: fortran?, shape: shape? })
}

fn tuple(text: &str) -> Option<Vec<u64>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let inner = inner.trim().trim_end_matches(',');
    if inner.is_empty() {
        return Some(Vec::new());
    }
    inner.split(',').map(|dim| dim.trim().parse().ok()).collect()
}

fn exactly(stream: &mut impl Read, length: u64) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes).map_err(|error| decode(&error))?;
    match bytes.len() as u64 {
        found if found < length => Err(FileError::Truncated { format: FORMAT, expected: length, found }),
        _ => Ok(bytes),
    }
}

fn field(name: &str, found: String, expected: &'static str) -> FileError {
    FileError::Field { format: FORMAT, name: name.into(), found, expected }
}

fn undecoded(error: &ZipError) -> FileError {
    FileError::Decode { format: "npz", detail: error.to_string() }
}

fn decode(error: &io::Error) -> FileError {
    FileError::Decode { format: FORMAT, detail: error.to_string() }
}
