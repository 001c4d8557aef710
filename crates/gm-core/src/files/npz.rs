//! npz models: a zip archive of NumPy arrays with the names of the tensors.
//!
//! Two more arrays, `model` and `visible`, hold text as bytes (`np.frombuffer(b"rbm", np.uint8)`). NumPy's own text
//! arrays (`np.array("rbm")`) are read as well. Another array, `metadata`, holds a JSON object of texts and is left out
//! without metadata. Entries are written uncompressed with a fixed date, so equal models give equal bytes.
//!
//! The archive is read from memory. All entries together may expand to `EXPANSION` times the size of the file plus
//! `ALLOWANCE` bytes, and each entry to the size in its own header.

use std::io::{Cursor, Read, Write};

use npyz::{DType, NpyFile, NpyHeader, Order, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::decode_error;
use super::tensors::{Parts, Tensor, field};
use crate::error::Result;

const FORMAT: &str = "npz";
const EXPANSION: u64 = 64;
const ALLOWANCE: u64 = 16 << 20;

/// The longest header, in bytes. NumPy refuses longer ones as well.
const HEADER_LIMIT: usize = 10_000;

pub(super) fn read(bytes: &[u8]) -> Result<Parts> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| decode_error(FORMAT, e))?;
    let mut budget = (bytes.len() as u64).saturating_mul(EXPANSION).saturating_add(ALLOWANCE);
    let mut parts = Parts::default();
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(|e| decode_error(FORMAT, e))?;
        let file = entry.name().map_err(|e| decode_error(FORMAT, e))?.into_owned();
        let Some(name) = file.strip_suffix(".npy") else {
            return Err(field(FORMAT, file, "not an array", "a name that ends in .npy").into());
        };
        let array = read_array(name, entry, budget)?;
        budget -= array.data.len() as u64;
        add(&mut parts, name, array)?;
    }
    Ok(parts)
}

fn add(parts: &mut Parts, name: &str, array: Array) -> Result<()> {
    match name {
        "model" => parts.model = Some(array.into_text(name)?),
        "visible" => parts.visible = Some(array.into_text(name)?),
        "metadata" => {
            let text = array.into_text(name)?;
            parts.metadata = serde_json::from_str(&text).map_err(|e| decode_error(FORMAT, e))?;
        }
        _ => {
            let tensor = array.into_tensor(name)?;
            if parts.tensors.insert(name.into(), tensor).is_some() {
                return Err(field(FORMAT, name, "present twice", "present once").into());
            }
        }
    }
    Ok(())
}

/// An npy file whose data have the size that its header announces.
struct Array {
    header: NpyHeader,
    dtype: String,
    data: Vec<u8>,
}

fn read_array(name: &str, mut entry: impl Read, budget: u64) -> Result<Array> {
    let damaged = |detail: &str| decode_error(FORMAT, format!("`{name}`: {detail}"));
    let head = read_header(&mut entry).map_err(|detail| damaged(&detail))?;
    let header = NpyHeader::from_reader(&head[..]).map_err(|e| damaged(&e.to_string()))?;
    let DType::Plain(dtype) = header.dtype() else {
        return Err(field(FORMAT, name, "an array of records", "an array of numbers").into());
    };
    let size = header.dtype().num_bytes().and_then(|size| header.len().checked_mul(size as u64));
    let size = size.ok_or_else(|| damaged("its numbers have no fixed size"))?;
    if size > budget {
        let detail = "it would expand to more than 64 times the size of the file plus 16 MiB";
        return Err(damaged(detail).into());
    }
    let mut data = Vec::new();
    entry.take(size + 1).read_to_end(&mut data).map_err(|e| damaged(&e.to_string()))?;
    if data.len() as u64 != size {
        return Err(damaged(&format!("its header announces {size} bytes, but it has another size")).into());
    }
    Ok(Array { header, dtype: dtype.to_string(), data })
}

/// The header of an npy file up to its data, after a check that parsing it is harmless.
fn read_header(entry: &mut impl Read) -> std::result::Result<Vec<u8>, String> {
    let mut head = vec![0; 10];
    entry.read_exact(&mut head).map_err(|e| e.to_string())?;
    let mut length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if head[6] > 1 {
        let mut high = [0; 2];
        entry.read_exact(&mut high).map_err(|e| e.to_string())?;
        head.extend(high);
        length |= usize::from(u16::from_le_bytes(high)) << 16;
    }
    if length > HEADER_LIMIT {
        return Err(format!("a header of {length} bytes is too long"));
    }
    let start = head.len();
    head.resize(start + length, 0);
    entry.read_exact(&mut head[start..]).map_err(|e| e.to_string())?;
    refuse_deep_header(&head[start..])?;
    Ok(head)
}

/// Refuses headers with nested brackets, or with sizes whose product overflows: npyz would recurse or panic.
fn refuse_deep_header(text: &[u8]) -> std::result::Result<(), String> {
    let text = String::from_utf8_lossy(text);
    let brackets = text.matches(['(', '[', '{']).count();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut numbers = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    // Python has sums and other spellings of numbers, which NumPy does not write.
    let product = numbers.try_fold(1_u64, |product, word| product.checked_mul(word.parse::<u64>().ok()?.max(1)));
    if brackets > 3 || text.contains(['+', '-']) || product.is_none() {
        return Err("it is not a vector or a matrix of numbers".into());
    }
    Ok(())
}

impl Array {
    fn into_tensor(self, name: &str) -> Result<Tensor> {
        let shape: Vec<usize> = self.header.shape().iter().map(|&size| size as usize).collect();
        let fortran = self.header.order() == Order::Fortran;
        let file = NpyFile::with_header(self.header, &self.data[..]);
        let numbers = match &self.dtype[..] {
            "<f4" | ">f4" => file.into_vec(),
            "<f8" | ">f8" => file.into_vec::<f64>().map(|values| values.into_iter().map(|x| x as f32).collect()),
            other => {
                let expected = "of type float32 or float64 (<f4 or <f8)";
                return Err(field(FORMAT, name, format!("of type {other}"), expected).into());
            }
        };
        let values = numbers.map_err(|e| decode_error(FORMAT, e))?;
        let values = match shape[..] {
            [rows, columns] if fortran => in_rows(&values, rows, columns),
            _ => values,
        };
        Ok(Tensor { shape, values })
    }

    /// Text from an array of bytes or from a single text of NumPy's own types.
    fn into_text(self, name: &str) -> Result<String> {
        let bytes = match self.dtype.as_bytes() {
            [_, b'u', b'1'] => Some(self.data),
            [_, b'S', ..] if self.header.len() == 1 => Some(self.data),
            [b'<', b'U', ..] if self.header.len() == 1 => from_utf32(&self.data),
            _ => None,
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.map(|text| text.trim_end_matches('\0').to_owned());
        text.ok_or_else(|| field(FORMAT, name, format!("of type {}", self.dtype), "text as an array of uint8").into())
    }
}

fn from_utf32(data: &[u8]) -> Option<Vec<u8>> {
    let letters = data.as_chunks().0.iter().map(|&bytes| char::from_u32(u32::from_le_bytes(bytes)));
    letters.collect::<Option<String>>().map(String::into_bytes)
}

/// Reorders a matrix that is stored column by column.
fn in_rows(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect()
}

pub(super) fn write(parts: &Parts) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("model", &parts.model), ("visible", &parts.visible)] {
        write_text(&mut archive, name, text.as_deref().unwrap_or_default())?;
    }
    if !parts.metadata.is_empty() {
        let text = serde_json::to_string(&parts.metadata).map_err(|e| decode_error(FORMAT, e))?;
        write_text(&mut archive, "metadata", &text)?;
    }
    for (name, tensor) in &parts.tensors {
        write_array(&mut archive, name, &tensor.shape, &tensor.values)?;
    }
    Ok(archive.finish().map_err(|e| decode_error(FORMAT, e))?.into_inner())
}

type Archive = ZipWriter<Cursor<Vec<u8>>>;

fn write_text(archive: &mut Archive, name: &str, text: &str) -> Result<()> {
    write_array(archive, name, &[text.len()], text.as_bytes())
}

fn write_array<T: npyz::AutoSerialize + Copy>(
    archive: &mut Archive,
    name: &str,
    shape: &[usize],
    values: &[T],
) -> Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    let mut bytes = Vec::new();
    let mut array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
    array.extend(values.iter().copied())?;
    array.finish()?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644)
        .large_file(bytes.len() >= u32::MAX as usize);
    archive.start_file(format!("{name}.npy"), options).map_err(|e| decode_error(FORMAT, e))?;
    archive.write_all(&bytes)?;
    Ok(())
}
