//! The readers that the fuzz targets share; they take bytes. No reader may panic, hang or ask for more memory than the
//! size of the input justifies.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::{Format, ModelData, VisibleKind};
use gm_data::{Binarise, DataSpec, Inserts, LoadOptions, Split, TableOptions, load_rows};
use sha2::{Digest, Sha256};

/// Bytes of the envelope before and after the payload.
const HEADER: usize = 24;
const CHECKSUM: usize = 32;

/// Reads a model. An accepted model is written and read again, and must not change.
pub fn model(format: Format, bytes: &[u8]) {
    let Ok(model) = ModelData::read_as(format, bytes) else { return };
    let mut again = Vec::new();
    model.write_as(format, &mut again).expect("what was read can be written");
    assert_eq!(ModelData::read_as(format, &again[..]).expect("what was written can be read"), model);
}

/// Corrects the length and the checksum of an envelope, so that readers go on to its payload.
pub fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let payload = bytes.len().checked_sub(HEADER + CHECKSUM)?;
    let mut sealed = bytes[..HEADER + payload].to_vec();
    sealed[16..HEADER].copy_from_slice(&(payload as u64).to_le_bytes());
    let checksum = Sha256::digest(&sealed);
    sealed.extend(checksum);
    Some(sealed)
}

/// Reads a table of data from a file with the given extension; an accepted table can be summarised.
pub fn table(extension: &str, bytes: &[u8]) {
    let _ = rows(extension, bytes, &LoadOptions::default());
}

/// Reads aligned sequences by every rule for insert columns; the letters of accepted ones are categories of proteins.
pub fn sequences(extension: &str, bytes: &[u8]) {
    for inserts in [Inserts::Auto, Inserts::Drop, Inserts::Keep] {
        let table = TableOptions { inserts, ..TableOptions::default() };
        let options = LoadOptions { numbers: true, table, ..LoadOptions::default() };
        let Some(rows) = rows(extension, bytes, &options) else { continue };
        let groups = rows.rows_for(VisibleKind::Softmax { categories: 21 }, Binarise::None).expect("categories");
        assert_eq!(groups.units(), 21 * rows.units());
        assert!(rows.column_names().is_some_and(|names| names.len() == rows.units()));
    }
}

fn rows(extension: &str, bytes: &[u8], options: &LoadOptions) -> Option<Split> {
    let path = scratch(&format!("data.{extension}"));
    fs::write(&path, bytes).expect("the folder of temporary files can be written");
    let rows = load_rows(&DataSpec::Path(path), options).ok()?;
    assert!(rows.len() > 0 && rows.units() > 0);
    let _ = rows.info();
    Some(rows)
}

/// A file or folder for this process alone.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("gm-fuzz-{}-{name}", std::process::id()))
}

/// The bytes as a gzip stream that stores them uncompressed, which is quick.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}
