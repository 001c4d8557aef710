//! Aligned sequences of letters, which become categories: alphabets, insert columns and unknown letters.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use gm_core::Error as CoreError;
use serde::Serialize;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::error::{Error, Result};
use crate::reading::{Reading, TableOptions};
use crate::split::Split;
use crate::table::{Cells, Table};

/// The letters of aligned sequences. The gap is category 0, and the category of a letter is its place.
///
/// Written `protein`, `rna` or `dna`.
///
/// # Examples
///
/// ```
/// use gm_data::Alphabet;
///
/// assert_eq!("protein".parse::<Alphabet>()?.letters(), "-ACDEFGHIKLMNPQRSTVWY");
/// assert_eq!((Alphabet::Rna.letters(), Alphabet::Rna.to_string()), ("-ACGU", "rna".into()));
/// assert_eq!(Alphabet::of_letters("-ACGT"), Some(Alphabet::Dna));
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
#[non_exhaustive]
pub enum Alphabet {
    /// The twenty amino acids, in the order of their letters.
    #[default]
    Protein,
    /// The four nucleotides of RNA. T counts as U.
    Rna,
    /// The four nucleotides of DNA. U counts as T.
    Dna,
}

impl Alphabet {
    const ALL: [Self; 3] = [Self::Protein, Self::Rna, Self::Dna];

    /// The gap and the letters, in the order of their categories.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            Self::Protein => "-ACDEFGHIKLMNPQRSTVWY",
            Self::Rna => "-ACGU",
            Self::Dna => "-ACGT",
        }
    }

    /// The alphabet that has these letters.
    #[must_use]
    pub fn of_letters(letters: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alphabet| alphabet.letters() == letters)
    }

    /// Number of categories: that of the letters, and 1 for the gap.
    #[must_use]
    pub fn categories(self) -> usize {
        self.letters().len()
    }

    /// Letters that stand for one of several letters, for a rare one or for none that is known.
    fn unknown(self) -> &'static str {
        match self {
            Self::Protein => "BJOUXZ*?",
            Self::Rna | Self::Dna => "BDHKMNRSVWXY*?",
        }
    }

    /// The letters that count as another one.
    fn other(self) -> &'static [(u8, u8)] {
        match self {
            Self::Protein => &[],
            Self::Rna => &[(b'T', b'U')],
            Self::Dna => &[(b'U', b'T')],
        }
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protein => "protein",
            Self::Rna => "rna",
            Self::Dna => "dna",
        })
    }
}

impl FromStr for Alphabet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|alphabet| alphabet.to_string() == text);
        found.ok_or_else(|| CoreError::unknown("alphabet", text, &["protein", "rna", "dna"]).into())
    }
}

/// The treatment of insert columns, which only some sequences of an alignment have letters in.
///
/// # Examples
///
/// ```
/// use gm_data::Inserts;
///
/// assert_eq!("drop".parse::<Inserts>()?, Inserts::Drop);
/// assert_eq!(Inserts::default().to_string(), "auto");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum Inserts {
    /// They are left out of A2M and A3M files, and of Stockholm files that have a line `#=GC RF`.
    #[default]
    Auto,
    /// They are left out: the columns that the line `#=GC RF` of a Stockholm file marks by `.`, `-`, `_` or `~`, and
    /// without such a line all lower-case letters and points.
    Drop,
    /// Every column is kept. Lower-case letters count as upper-case ones, and points are gaps.
    Keep,
}

impl fmt::Display for Inserts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Drop => "drop",
            Self::Keep => "keep",
        })
    }
}

impl FromStr for Inserts {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "drop" => Ok(Self::Drop),
            "keep" => Ok(Self::Keep),
            _ => Err(CoreError::unknown("inserts", text, &["auto", "drop", "keep"]).into()),
        }
    }
}

/// The treatment of letters that stand for no single letter of the alphabet.
///
/// In proteins these are B, J, O, U, X, Z, `*` and `?`; in RNA and DNA they are B, D, H, K, M, N, R, S, V, W, X, Y, `*`
/// and `?`.
///
/// # Examples
///
/// ```
/// use gm_data::UnknownLetters;
///
/// assert_eq!("drop".parse::<UnknownLetters>()?, UnknownLetters::Drop);
/// assert_eq!(UnknownLetters::default().to_string(), "gap");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum UnknownLetters {
    /// They are gaps.
    #[default]
    Gap,
    /// Sequences that have one are left out.
    Drop,
    /// They are refused.
    Refuse,
}

impl fmt::Display for UnknownLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "gap",
            Self::Drop => "drop",
            Self::Refuse => "refuse",
        })
    }
}

impl FromStr for UnknownLetters {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "gap" => Ok(Self::Gap),
            "drop" => Ok(Self::Drop),
            "refuse" => Ok(Self::Refuse),
            _ => Err(CoreError::unknown("treatment of unknown letters", text, &["gap", "drop", "refuse"]).into()),
        }
    }
}

/// What a reader made of the letters of aligned sequences.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, load_rows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("family.fasta");
/// std::fs::write(&path, ">one\nAC-D\n>two\nAXWD\n")?;
/// let rows = load_rows(&DataSpec::Path(path), &LoadOptions { numbers: true, ..Default::default() })?;
/// let found = rows.readings()[0].sequences.as_ref().expect("sequences");
/// assert_eq!((found.columns, found.gaps, found.unknown, found.unknown_rows), (4, 2, 1, 1));
/// assert_eq!(rows.column_names().expect("names")[3], "p4");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SequenceReading {
    /// The alphabet.
    pub alphabet: Alphabet,
    /// Number of columns, which are called `p1`, `p2` and so on.
    pub columns: usize,
    /// Number of sequences that are kept.
    pub rows: usize,
    /// Number of gaps in these, with the unknown letters that count as gaps.
    pub gaps: usize,
    /// Number of unknown letters in all sequences.
    pub unknown: usize,
    /// Number of sequences that have an unknown letter.
    pub unknown_rows: usize,
    /// The treatment of unknown letters.
    pub unknown_letters: UnknownLetters,
    /// Number of letters in insert columns, which were left out.
    pub inserts: usize,
    /// Number of lower-case letters that count as upper-case ones.
    pub lower_case: usize,
    /// Whether sequences that were read as proteins have only letters of nucleotides.
    pub nucleotides: bool,
}

impl Split {
    /// The alphabet of aligned sequences, whose letters the values are the categories of.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Alphabet, DataSpec, LoadOptions, load_rows};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("family.fasta");
    /// std::fs::write(&path, ">one\nAC-Y\n")?;
    /// let rows = load_rows(&DataSpec::Path(path), &LoadOptions { numbers: true, ..Default::default() })?;
    /// assert_eq!(rows.alphabet(), Some(Alphabet::Protein));
    /// assert_eq!(rows.to_matrix(&[0]).as_slice(), [1.0, 2.0, 0.0, 20.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn alphabet(&self) -> Option<Alphabet> {
        Some(self.readings().first()?.sequences.as_ref()?.alphabet)
    }
}

/// A sequence of a file.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: String,
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) text: String,
}

impl Record {
    pub(super) fn new(name: String, line: u64) -> Self {
        Self { name, line, text: String::new() }
    }

    /// Appends the characters of a line that are no blanks.
    pub(super) fn append(&mut self, text: &str) {
        self.text.extend(text.split_whitespace());
    }
}

/// Marks in the table of letters, above all categories.
const UNKNOWN: u8 = 253;
const INSERT: u8 = 254;
const NO_LETTER: u8 = 255;

/// Characters that stand for a gap. In A2M a point is none.
const GAPS: [u8; 4] = *b"-._~";

/// The way in which the insert columns of an alignment are found.
#[derive(Debug)]
pub(super) enum Columns {
    /// Every character is a column.
    All,
    /// Lower-case letters and points are insertions.
    UpperCase,
    /// The columns that are kept.
    Marked(Vec<bool>),
}

/// A table of sequences that grows row by row.
#[derive(Debug)]
pub(super) struct Alignment<'a> {
    path: &'a Path,
    columns: Columns,
    /// The category of each byte, or a mark.
    codes: [u8; 256],
    cells: Vec<u8>,
    found: SequenceReading,
    /// The number of columns of the first sequence.
    length: Option<usize>,
}

impl<'a> Alignment<'a> {
    pub(super) fn new(path: &'a Path, columns: Columns, alphabet: Alphabet, options: &TableOptions) -> Self {
        let codes = codes(alphabet, &columns);
        let nucleotides = alphabet == Alphabet::Protein;
        let unknown_letters = options.unknown_letters;
        let found = SequenceReading { alphabet, unknown_letters, nucleotides, ..SequenceReading::default() };
        Self { path, columns, codes, cells: Vec::new(), found, length: None }
    }

    /// Appends a sequence.
    pub(super) fn push(&mut self, record: &Record) -> Result<()> {
        if let Columns::Marked(kept) = &self.columns
            && kept.len() != record.text.len()
        {
            return Err(self.unaligned(record, record.text.len(), kept.len(), "its line #=GC RF"));
        }
        let (start, found) = (self.cells.len(), self.found.clone());
        for (i, byte) in record.text.bytes().enumerate() {
            self.letter(record, i, byte)?;
        }
        let length = self.cells.len() - start;
        let expected = *self.length.get_or_insert(length);
        if length != expected {
            return Err(self.unaligned(record, length, expected, "the first sequence"));
        }
        let unknown = self.found.unknown > found.unknown;
        self.found.unknown_rows += usize::from(unknown);
        if unknown && self.found.unknown_letters == UnknownLetters::Drop {
            self.cells.truncate(start);
            self.found.gaps = found.gaps;
        } else {
            self.found.rows += 1;
        }
        Ok(())
    }

    fn letter(&mut self, record: &Record, i: usize, byte: u8) -> Result<()> {
        let is_letter = byte.is_ascii_alphabetic();
        let kept = if let Columns::Marked(kept) = &self.columns { kept[i] } else { true };
        let code = if kept { self.codes[usize::from(byte)] } else { INSERT };
        match code {
            INSERT => {
                self.found.inserts += usize::from(is_letter);
                return Ok(());
            }
            UNKNOWN if self.found.unknown_letters != UnknownLetters::Refuse => {
                self.found.unknown += 1;
                self.cells.push(0);
            }
            UNKNOWN | NO_LETTER => return Err(self.no_letter(record, i)),
            code => self.cells.push(code),
        }
        self.found.gaps += usize::from(self.cells.last() == Some(&0));
        self.found.lower_case += usize::from(byte.is_ascii_lowercase());
        self.found.nucleotides &= !is_letter || b"ACGTUN".contains(&byte.to_ascii_uppercase());
        Ok(())
    }

    /// The table of all sequences.
    pub(super) fn finish(mut self) -> Table {
        let columns = self.length.unwrap_or(0);
        self.found.columns = columns;
        self.found.nucleotides &= self.found.gaps < self.cells.len();
        let (file, rows) = (self.path.display().to_string(), self.found.rows);
        let reading = Reading { file: file.clone(), sequences: Some(self.found), ..Reading::default() };
        Table { reading: Some(reading), ..Table::new(file, [rows, columns], Cells::Bytes(self.cells)) }
    }

    fn unaligned(&self, record: &Record, found: usize, expected: usize, like: &'static str) -> Error {
        let (path, sequence, line) = (self.path.into(), shown(&record.name), record.line);
        Error::Unaligned { path, sequence, line, found, expected, like }
    }

    fn no_letter(&self, record: &Record, i: usize) -> Error {
        let (path, sequence, line) = (self.path.into(), shown(&record.name), record.line);
        // All bytes before this one are letters or gaps, unless the line #=GC RF leaves a column out.
        let letter = record.text.get(i..).and_then(|rest| rest.chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER);
        Error::Letter { path, sequence, line, position: i + 1, letter, alphabet: self.found.alphabet }
    }
}

/// The category or the mark of each byte.
fn codes(alphabet: Alphabet, columns: &Columns) -> [u8; 256] {
    let mut codes = [NO_LETTER; 256];
    let mut set = |byte: u8, code: u8| {
        codes[usize::from(byte)] = code;
        codes[usize::from(byte.to_ascii_lowercase())] = code;
    };
    GAPS.into_iter().for_each(|gap| set(gap, 0));
    alphabet.unknown().bytes().for_each(|byte| set(byte, UNKNOWN));
    alphabet.letters().bytes().zip(0..).for_each(|(byte, code)| set(byte, code));
    for &(byte, like) in alphabet.other() {
        let code = alphabet.letters().bytes().zip(0..).find(|&(letter, _)| letter == like);
        set(byte, code.map_or(UNKNOWN, |(_, code)| code));
    }
    if matches!(columns, Columns::UpperCase) {
        (b'a'..=b'z').for_each(|byte| codes[usize::from(byte)] = INSERT);
        codes[usize::from(b'.')] = INSERT;
    }
    codes
}

/// The beginning of a name.
fn shown(name: &str) -> String {
    crate::text::shortened(name)
}
