//! Model files: the binary format of this project, and three formats that other programs read and write.

mod envelope;
mod format;
mod json;
mod npz;
mod safetensors;
mod tensors;

pub use envelope::{EnvelopeKind, read_envelope, write_envelope};
pub use format::Format;
pub(crate) use tensors::Parts;

use std::io::{Read, Write};

use crate::error::{FileError, Result};

/// The format of model files, `.gm`.
const MODEL: EnvelopeKind = EnvelopeKind { magic: *b"gm-model", version: 1, oldest: 1, name: "model" };

/// Reads the parts of a model, for `.gm` with the code of its kind.
pub(crate) fn read(format: Format, mut reader: impl Read) -> Result<(Option<u32>, Parts)> {
    if format == Format::Gm {
        let (kind, parts) = read_envelope(reader, &MODEL)?;
        return Ok((Some(kind), parts));
    }
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let parts = match format {
        Format::Gm | Format::Json => json::read(&bytes),
        Format::Safetensors => safetensors::read(&bytes),
        Format::Npz => npz::read(&bytes),
    };
    Ok((None, parts?))
}

/// Writes the parts of a model. Equal parts give equal bytes.
pub(crate) fn write(format: Format, mut writer: impl Write, kind: u32, parts: &Parts) -> Result<()> {
    let bytes = match format {
        Format::Gm => return write_envelope(writer, &MODEL, kind, parts),
        Format::Json => json::write(parts),
        Format::Safetensors => safetensors::write(parts),
        Format::Npz => npz::write(parts),
    };
    writer.write_all(&bytes?)?;
    writer.flush()?;
    Ok(())
}

fn decode_error(format: &'static str, detail: impl ToString) -> FileError {
    FileError::Decode { format, detail: detail.to_string() }
}
