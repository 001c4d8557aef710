//! The IDX format of MNIST, plain or compressed by gzip.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use gm_core::FileError;

use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::source::Source;
use crate::table::{Cells, Table};

const FORMAT: &str = "IDX";
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The dimensions, slowest first, and the bytes of a file.
#[derive(Debug)]
pub(super) struct Idx {
    pub(super) dims: Vec<usize>,
    pub(super) data: Vec<u8>,
}

/// Reads a file of images. It has two dimensions, or three if it tells the shape of a picture. With `vectors` it may also
/// have one, which is a row of numbers.
pub(super) fn read_images(source: Source<'_>, vectors: bool) -> Result<Table> {
    let path = source.path;
    let idx = read(source)?;
    let (samples, units, image) = match idx.dims[..] {
        [numbers] if vectors => (1, numbers, None),
        [samples, units] => (samples, units, None),
        [samples, height, width] => (samples, height * width, Some((height, width))),
        _ => return Err(dimensions(path, &idx.dims, "2 or 3 dimensions for images")),
    };
    Ok(Table { image, ..Table::new(path.display().to_string(), [samples, units], Cells::Bytes(idx.data)) })
}

/// Reads a file of labels. It has one dimension, beside which others may be 1.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u16>> {
    let idx = read(Source::open(path)?)?;
    if idx.dims.iter().filter(|&&dim| dim != 1).count() > 1 {
        return Err(dimensions(path, &idx.dims, "1 dimension for labels"));
    }
    Ok(idx.data.into_iter().map(u16::from).collect())
}

fn dimensions(path: &Path, dims: &[usize], expected: &'static str) -> Error {
    let shape = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    Error::Dimensions { name: path.display().to_string(), shape, expected }
}

fn read(source: Source<'_>) -> Result<Idx> {
    let (path, limit) = (source.path, source.limit);
    decode_stream(source.bytes(), limit).map_err(Error::file(path))
}

/// Decodes the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> std::result::Result<Idx, FileError> {
    let size = bytes.len() as u64;
    if bytes.starts_with(&GZIP) {
        decode_stream(MultiGzDecoder::new(bytes), Limit::compressed(size))
    } else {
        decode_stream(bytes, Limit::plain(size))
    }
}

fn decode_stream(mut stream: impl Read, limit: Limit) -> std::result::Result<Idx, FileError> {
    let magic = header(&mut stream, 4)?;
    if magic[..2] != [0, 0] {
        return Err(FileError::Foreign { format: FORMAT });
    }
    if magic[2] != 0x08 {
        return Err(field("element type", format!("{:#04x}", magic[2]), "0x08 (bytes)"));
    }
    if !(1..=3).contains(&magic[3]) {
        return Err(field("number of dimensions", magic[3].to_string(), "1, 2 or 3"));
    }
    let announced = header(&mut stream, 4 * usize::from(magic[3]))?;
    let dims: Vec<u64> = announced.as_chunks().0.iter().map(|&dim| u64::from(u32::from_be_bytes(dim))).collect();
    let expected = size(&dims)?;
    limit.check(FORMAT, expected)?;
    let data = body(stream, expected)?;
    Ok(Idx { dims: dims.into_iter().map(|dim| dim as usize).collect(), data })
}

/// The product of the dimensions, which must be a size that memory can have.
fn size(dims: &[u64]) -> std::result::Result<u64, FileError> {
    let product =
        dims.iter().try_fold(1u64, |size, &dim| size.checked_mul(dim)).filter(|&size| size <= isize::MAX as u64);
    product.ok_or_else(|| {
        let found = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        field("dimensions", found, "a product that fits into memory")
    })
}

fn field(name: &str, found: String, expected: &'static str) -> FileError {
    FileError::Field { format: FORMAT, name: name.into(), found, expected }
}

fn header(stream: &mut impl Read, length: usize) -> std::result::Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let outcome = stream.take(length as u64).read_to_end(&mut bytes);
    complete(outcome, bytes.len(), length as u64)?;
    Ok(bytes)
}

/// Reads exactly the announced bytes. Memory grows with the bytes that really come, not with the announcement.
fn body(stream: impl Read, expected: u64) -> std::result::Result<Vec<u8>, FileError> {
    let mut data = Vec::new();
    let outcome = stream.take(expected + 1).read_to_end(&mut data);
    complete(outcome, data.len(), expected)?;
    if data.len() as u64 > expected {
        return Err(FileError::TrailingBytes { format: FORMAT, extra: data.len() as u64 - expected });
    }
    Ok(data)
}

fn complete(outcome: io::Result<usize>, found: usize, expected: u64) -> std::result::Result<(), FileError> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(FileError::Decode { format: FORMAT, detail: error.to_string() })
        }
        _ if (found as u64) < expected => Err(FileError::Truncated { format: FORMAT, expected, found: found as u64 }),
        Err(_) => Err(FileError::Decode { format: FORMAT, detail: "the compressed stream ends too early".into() }),
        Ok(_) => Ok(()),
    }
}
