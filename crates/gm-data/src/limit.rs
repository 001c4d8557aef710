//! How much a file may unfold to: as much as its size warrants.

use gm_core::FileError;

/// What a compressed file may unfold to: so many times its size, and so many bytes besides.
const EXPANSION: u64 = 128;
const ALLOWANCE: u64 = 64 << 20;

/// Dense values that a byte of a sparse file may unfold to, and so many besides.
const SPARSE_EXPANSION: u64 = 256;
const SPARSE_ALLOWANCE: u64 = 1 << 20;

/// The bytes that a file may unfold to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    bytes: u64,
    compressed: bool,
}

impl Limit {
    /// A file that is not compressed: its size.
    pub(super) fn plain(size: u64) -> Self {
        Self { bytes: size, compressed: false }
    }

    /// A compressed file: 128 times its size and 64 MiB.
    pub(super) fn compressed(size: u64) -> Self {
        Self { bytes: size.saturating_mul(EXPANSION).saturating_add(ALLOWANCE), compressed: true }
    }

    /// Refuses what announces more.
    pub(super) fn check(self, format: &'static str, expected: u64) -> Result<(), FileError> {
        if expected <= self.bytes {
            return Ok(());
        }
        if self.compressed {
            let detail = format!(
                "{expected} bytes are announced, more than {EXPANSION} times the file and {} MiB",
                ALLOWANCE >> 20
            );
            return Err(FileError::Decode { format, detail });
        }
        Err(FileError::Truncated { format, expected, found: self.bytes })
    }

    /// What is left after so many bytes.
    pub(super) fn less(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), ..self }
    }
}

/// The dense values that a sparse file of a size may unfold to: 256 times its size and 2^20.
pub(super) fn most_dense(size: u64) -> u64 {
    size.saturating_mul(SPARSE_EXPANSION).saturating_add(SPARSE_ALLOWANCE)
}
