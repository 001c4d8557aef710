//! The envelope around every binary file: magic, version, kind, length, payload, checksum.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic |
//! | 4 | format version |
//! | 4 | kind |
//! | 8 | length of the payload |
//! | length | payload |
//! | 32 | SHA-256 of all of the above |
//!
//! Numbers are little-endian. The payload is a serde type in the encoding of bincode, with integers of fixed width.
//! Only this module uses bincode.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{FileError, Result};

const HEADER: usize = 24;
const CHECKSUM: usize = 32;

/// Surplus bytes are counted up to this number, since a stream may never end.
const COUNTED: u64 = 1 << 20;

/// The properties of one family of files.
///
/// # Examples
///
/// ```
/// use gm_core::{EnvelopeKind, read_envelope, write_envelope};
///
/// const NOTE: EnvelopeKind = EnvelopeKind { magic: *b"gm-note\n", version: 1, oldest: 1, name: "note" };
/// let mut file = Vec::new();
/// write_envelope(&mut file, &NOTE, 7, &vec![1.5_f32, 2.5])?;
/// assert_eq!(read_envelope::<Vec<f32>>(&file[..], &NOTE)?, (7, vec![1.5, 2.5]));
///
/// file[30] ^= 1;
/// let error = read_envelope::<Vec<f32>>(&file[..], &NOTE).unwrap_err();
/// assert_eq!(error.to_string(), "note file is damaged: its checksum does not match its content");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeKind {
    /// The first bytes of the file.
    pub magic: [u8; 8],
    /// The format version that is written and the newest one that is understood, 1 or more.
    pub version: u32,
    /// The oldest format version that is understood; 1 or more.
    pub oldest: u32,
    /// The name of the file in error texts.
    pub name: &'static str,
}

/// Writes a payload in its envelope. Equal payloads give equal bytes.
///
/// # Errors
///
/// [`FileError::Io`] from the writer, [`FileError::Decode`] for a payload that bincode cannot encode.
///
/// # Examples
///
/// ```
/// use gm_core::{EnvelopeKind, write_envelope};
///
/// const NOTE: EnvelopeKind = EnvelopeKind { magic: *b"gm-note\n", version: 1, oldest: 1, name: "note" };
/// let mut file = Vec::new();
/// write_envelope(&mut file, &NOTE, 7, &(1_u32, 2_u32))?;
/// assert!(file.starts_with(b"gm-note\n"));
/// assert_eq!(file.len(), 24 + 8 + 32); // header, payload, checksum
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn write_envelope<T: Serialize>(
    mut writer: impl Write,
    header: &EnvelopeKind,
    kind: u32,
    payload: &T,
) -> Result<()> {
    let payload = bincode::serde::encode_to_vec(payload, bincode::config::legacy())
        .map_err(|e| FileError::Decode { format: header.name, detail: e.to_string() })?;
    let mut head = [0; HEADER];
    head[..8].copy_from_slice(&header.magic);
    head[8..12].copy_from_slice(&header.version.to_le_bytes());
    head[12..16].copy_from_slice(&kind.to_le_bytes());
    head[16..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    writer.write_all(&head)?;
    writer.write_all(&payload)?;
    writer.write_all(&checksum(&head, &payload))?;
    writer.flush()?;
    Ok(())
}

/// Reads an envelope to its end and returns its kind and payload.
///
/// # Numerics
///
/// Memory stays within a small multiple of the bytes that are present, for any content.
///
/// # Errors
///
/// A [`FileError`] for a file that is foreign, truncated, newer, older, damaged, followed by more bytes (counted up to one
/// MiB), or does not hold a `T`. Payloads of more than 256 GiB are refused as if they did not hold a `T`.
///
/// # Examples
///
/// ```
/// use gm_core::{EnvelopeKind, read_envelope, write_envelope};
///
/// const NOTE: EnvelopeKind = EnvelopeKind { magic: *b"gm-note\n", version: 1, oldest: 1, name: "note" };
/// let mut file = Vec::new();
/// write_envelope(&mut file, &NOTE, 7, &(1_u32, 2_u32))?;
/// let (kind, payload) = read_envelope::<(u32, u32)>(&file[..], &NOTE)?;
/// assert_eq!((kind, payload), (7, (1, 2)));
/// let error = read_envelope::<(u32, u32)>(&file[..40], &NOTE).unwrap_err();
/// assert_eq!(error.to_string(), "note file is truncated: 64 bytes announced, 40 present");
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn read_envelope<T: DeserializeOwned>(mut reader: impl Read, header: &EnvelopeKind) -> Result<(u32, T)> {
    let format = header.name;
    let (head, length) = read_header(&mut reader, header)?;
    let mut body = Vec::new();
    let expected = (HEADER as u64).saturating_add(length).saturating_add(CHECKSUM as u64);
    reader.by_ref().take(expected - HEADER as u64).read_to_end(&mut body)?;
    let found = (HEADER + body.len()) as u64;
    if found < expected {
        return Err(FileError::Truncated { format, expected, found }.into());
    }
    let payload = body.len() - CHECKSUM;
    if checksum(&head, &body[..payload])[..] != body[payload..] {
        return Err(FileError::Checksum { format }.into());
    }
    refuse_more(reader, format)?;
    let content = decode(&body[..payload]).map_err(|detail| FileError::Decode { format, detail })?;
    Ok((u32_at(&head, 12), content))
}

/// The header and the length of the payload.
fn read_header(reader: &mut impl Read, header: &EnvelopeKind) -> Result<([u8; HEADER], u64)> {
    let format = header.name;
    let mut present = Vec::new();
    reader.take(HEADER as u64).read_to_end(&mut present)?;
    let compared = present.len().min(header.magic.len());
    if present[..compared] != header.magic[..compared] {
        return Err(FileError::Foreign { format }.into());
    }
    let found = present.len() as u64;
    let Ok(head) = <[u8; HEADER]>::try_from(present) else {
        return Err(FileError::Truncated { format, expected: HEADER as u64, found }.into());
    };
    let found = u32_at(&head, 8);
    if found > header.version {
        return Err(FileError::NewerVersion { format, found, supported: header.version }.into());
    }
    if found == 0 {
        return Err(field(format, "version", "0", "1 or more").into());
    }
    if found < header.oldest {
        return Err(FileError::OlderVersion { format, found, oldest: header.oldest }.into());
    }
    Ok((head, u64::from(u32_at(&head, 16)) | u64::from(u32_at(&head, 20)) << 32))
}

fn field(format: &'static str, name: &str, found: impl Into<String>, expected: &'static str) -> FileError {
    FileError::Field { format, name: name.into(), found: found.into(), expected }
}

fn u32_at(head: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn checksum(head: &[u8], payload: &[u8]) -> [u8; CHECKSUM] {
    Sha256::new().chain_update(head).chain_update(payload).finalize().into()
}

fn refuse_more(reader: impl Read, format: &'static str) -> Result<()> {
    let extra = std::io::copy(&mut reader.take(COUNTED), &mut std::io::sink())?;
    if extra == 0 { Ok(()) } else { Err(FileError::TrailingBytes { format, extra }.into()) }
}

// The products saturate, for platforms whose pointers have 32 bits.
const GIB_4: usize = u32::MAX as usize;
const GIB_32: usize = GIB_4.saturating_mul(8);
const GIB_256: usize = GIB_32.saturating_mul(8);

/// Decodes a payload under the smallest sufficient limit of a fixed list.
///
/// bincode takes its limit at compile time, and trusts the lengths of strings below it.
fn decode<T: DeserializeOwned>(payload: &[u8]) -> std::result::Result<T, String> {
    let bits = usize::BITS - payload.len().leading_zeros();
    match bits {
        0..=12 => decode_within::<T, { 1 << 12 }>(payload),
        13..=15 => decode_within::<T, { 1 << 15 }>(payload),
        16..=18 => decode_within::<T, { 1 << 18 }>(payload),
        19..=21 => decode_within::<T, { 1 << 21 }>(payload),
        22..=24 => decode_within::<T, { 1 << 24 }>(payload),
        25..=27 => decode_within::<T, { 1 << 27 }>(payload),
        28..=30 => decode_within::<T, { 1 << 30 }>(payload),
        31..=32 => decode_within::<T, GIB_4>(payload),
        33..=35 => decode_within::<T, GIB_32>(payload),
        _ => decode_within::<T, GIB_256>(payload),
    }
}

fn decode_within<T: DeserializeOwned, const LIMIT: usize>(payload: &[u8]) -> std::result::Result<T, String> {
    let config = bincode::config::legacy().with_limit::<LIMIT>();
    let (content, used) = bincode::serde::decode_from_slice(payload, config).map_err(|e| e.to_string())?;
    if used == payload.len() {
        return Ok(content);
    }
    Err(format!("{} bytes of the payload are not part of its content", payload.len() - used))
}
