//! The most bytes and values that a file of a given size may unfold to.

use std::io;

use gm_core::FileError;

/// A compressed file may unfold to `EXPANSION` times its size plus `ALLOWANCE` bytes.
const EXPANSION: u64 = 128;
const ALLOWANCE: u64 = 64 << 20;

/// A sparse file may unfold to `SPARSE_EXPANSION` dense values a byte plus `SPARSE_ALLOWANCE` values.
const SPARSE_EXPANSION: u64 = 256;
const SPARSE_ALLOWANCE: u64 = 1 << 20;

/// The bytes that a file may unfold to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    bytes: u64,
    compressed: bool,
}

impl Limit {
    /// The limit of a file that is not compressed: its size.
    pub(super) fn plain(size: u64) -> Self {
        Self { bytes: size, compressed: false }
    }

    /// The limit of a compressed file: 128 times its size plus 64 MiB.
    pub(super) fn compressed(size: u64) -> Self {
        Self { bytes: size.saturating_mul(EXPANSION).saturating_add(ALLOWANCE), compressed: true }
    }

    /// The limit of a pipe, whose size is not known before its end: none. Readers ask for memory as bytes come.
    pub(super) fn unknown() -> Self {
        Self { bytes: u64::MAX, compressed: false }
    }

    /// The limit of what a file of this limit holds in compressed form.
    pub(super) fn as_compressed(self) -> Self {
        if self.compressed { self } else { Self::compressed(self.bytes) }
    }

    /// Refuses content that announces more bytes than the limit.
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

    /// The limit that is left after `bytes` bytes that have been unfolded, or an error if they are too many.
    pub(super) fn after(self, bytes: u64) -> io::Result<Self> {
        let left = self.bytes.checked_sub(bytes).ok_or_else(|| {
            let limit = ALLOWANCE >> 20;
            io::Error::other(format!("it unfolds to more than {EXPANSION} times its size and {limit} MiB"))
        })?;
        Ok(Self { bytes: left, ..self })
    }

    /// The limit that is left after `bytes` bytes.
    pub(super) fn less(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), ..self }
    }
}

/// The number of dense values that a sparse file of `size` bytes may unfold to: 256 times its size plus 2^20.
pub(super) fn most_dense(size: u64) -> u64 {
    size.saturating_mul(SPARSE_EXPANSION).saturating_add(SPARSE_ALLOWANCE)
}
