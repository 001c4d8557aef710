//! An open file of data, plain or compressed by gzip, whose first bytes can be looked at.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use gm_core::FileError;

use crate::error::{Error, Result};
use crate::limit::Limit;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Number of first bytes that tell a format.
const SNIFFED: u64 = 4096;

/// A file that is open for reading. Pipes are read once, from their beginning.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    /// The first bytes of the content.
    pub(super) start: Vec<u8>,
    /// The bytes that the content may have.
    pub(super) limit: Limit,
    /// The size of the file; `None` for a pipe.
    pub(super) size: Option<u64>,
    zipped: bool,
    stream: BufReader<Peeked>,
}

impl<'a> Source<'a> {
    /// Opens a file. The content of a file that begins as gzip does is what it unfolds to.
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("opening", path))?;
        let metadata = file.metadata().map_err(Error::io("reading", path))?;
        let size = metadata.is_file().then_some(metadata.len());
        let mut plain = Peeked::new(Box::new(file), GZIP.len() as u64);
        if plain.start.get_ref()[..] != GZIP {
            plain.look(SNIFFED);
            let limit = size.map_or(Limit::unknown(), Limit::plain);
            return Ok(Self {
                path,
                start: plain.start.get_ref().clone(),
                limit,
                size,
                zipped: false,
                stream: BufReader::new(plain),
            });
        }
        let limit = size.map_or(Limit::unknown(), Limit::compressed);
        let unfolded = Bounded { stream: MultiGzDecoder::new(BufReader::new(plain)), left: limit };
        let peeked = Peeked::new(Box::new(unfolded), SNIFFED);
        Ok(Self {
            path,
            start: peeked.start.get_ref().clone(),
            limit,
            size,
            zipped: true,
            stream: BufReader::new(peeked),
        })
    }

    /// Whether the file can be opened again and holds the content as it is.
    pub(super) fn is_plain_file(&self) -> bool {
        self.size.is_some() && !self.zipped
    }

    /// The content.
    pub(super) fn bytes(self) -> impl BufRead {
        self.stream
    }

    /// The content as UTF-8 without a byte order mark. `format` names it in errors.
    pub(super) fn text(mut self, format: &'static str) -> Result<Box<dyn BufRead>> {
        let reading = || Error::io("reading", self.path);
        match self.start[..] {
            [0xef, 0xbb, 0xbf, ..] => {
                self.stream.read_exact(&mut [0; 3]).map_err(reading())?;
                Ok(Box::new(self.stream))
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                let mut bytes = Vec::new();
                self.stream.read_to_end(&mut bytes).map_err(reading())?;
                let text = from_utf16(&bytes).ok_or_else(|| Error::file(self.path)(FileError::Foreign { format }))?;
                Ok(Box::new(Cursor::new(text.into_bytes())))
            }
            _ => Ok(Box::new(self.stream)),
        }
    }
}

/// The text after a byte order mark of UTF-16.
fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let read = if bytes.starts_with(&[0xff, 0xfe]) { u16::from_le_bytes } else { u16::from_be_bytes };
    let words = pairs.iter().skip(1).map(|&pair| read(pair));
    rest.is_empty().then(|| char::decode_utf16(words).collect::<std::result::Result<_, _>>().ok())?
}

/// A stream whose first bytes have been read already. An error in them comes after the bytes before it.
struct Peeked {
    start: Cursor<Vec<u8>>,
    failure: Option<io::Error>,
    rest: Box<dyn Read>,
}

impl Peeked {
    fn new(rest: Box<dyn Read>, length: u64) -> Self {
        let mut peeked = Self { start: Cursor::default(), failure: None, rest };
        peeked.look(length);
        peeked
    }

    /// Reads on until `length` bytes are known.
    fn look(&mut self, length: u64) {
        let missing = length.saturating_sub(self.start.get_ref().len() as u64);
        self.failure = self.rest.by_ref().take(missing).read_to_end(self.start.get_mut()).err();
    }
}

impl Read for Peeked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.start.read(buffer)? {
            0 => match self.failure.take() {
                Some(failure) => Err(failure),
                None => self.rest.read(buffer),
            },
            read => Ok(read),
        }
    }
}

/// A stream that fails when it yields more bytes than the limit.
struct Bounded<R> {
    stream: R,
    left: Limit,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.left = self.left.after(read as u64)?;
        Ok(read)
    }
}
