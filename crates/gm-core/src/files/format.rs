//! The file formats, and how to tell them apart.

use std::fmt;
use std::path::Path;

/// A format that holds a model.
///
/// # Examples
///
/// ```
/// use gm_core::Format;
///
/// assert_eq!(Format::from_path("runs/7/model.safetensors".as_ref()), Some(Format::Safetensors));
/// assert_eq!(Format::from_path("model.txt".as_ref()), None);
/// assert_eq!(Format::sniff(b" {\"model\": \"rbm\""), Some(Format::Json));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The format of this project: checked by a checksum, read in one pass.
    Gm,
    /// Tensors with metadata, as Python packages read and write them.
    Safetensors,
    /// A zip archive of NumPy arrays.
    Npz,
    /// Nested lists of numbers, for small models and for human readers.
    Json,
}

impl Format {
    /// The extensions that [`from_path`](Self::from_path) understands.
    pub const ALLOWED: &'static str = ".gm, .safetensors, .npz or .json";

    /// All formats.
    pub const ALL: [Self; 4] = [Self::Gm, Self::Safetensors, Self::Npz, Self::Json];

    /// The extension of files in this format. Error texts use it as a name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gm => "gm",
            Self::Safetensors => "safetensors",
            Self::Npz => "npz",
            Self::Json => "json",
        }
    }

    /// The name of the format in error texts.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::Gm { "model" } else { self.extension() }
    }

    /// The format of a path by its extension, in lower or upper case.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        Self::ALL.into_iter().find(|format| extension.eq_ignore_ascii_case(format.extension()))
    }

    /// The format of a file by its first bytes. Nine bytes are enough, except for JSON that begins with white space.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if bytes.starts_with(&super::MODEL.magic) {
            Some(Self::Gm)
        } else if bytes.starts_with(b"PK\x03\x04") {
            Some(Self::Npz)
        } else if bytes.get(5..9) == Some(b"\0\0\0{") {
            // The length of the header is below 2^40, and JSON has no zero bytes.
            Some(Self::Safetensors)
        } else {
            (first == Some(&b'{')).then_some(Self::Json)
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}
