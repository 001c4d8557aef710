//! The readers that the fuzz targets share; they take bytes. No reader may panic, hang or ask for more memory than the
//! size of the input justifies.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::{Format, ModelData};
use gm_data::{DataSpec, LoadOptions, load_rows};
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
    let path = scratch(&format!("data.{extension}"));
    fs::write(&path, bytes).expect("the folder of temporary files can be written");
    if let Ok(rows) = load_rows(&DataSpec::Path(path), &LoadOptions::default()) {
        assert!(rows.len() > 0 && rows.units() > 0);
        let _ = rows.info();
    }
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
