//! Specifications of data: a built-in name, a known set, or a path.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_core::Error as CoreError;

use crate::binarise::Binarise;
use crate::dataset::Dataset;
use crate::division::Division;
use crate::error::{Error, Result};
use crate::known;
use crate::reading::{Header, TableOptions};
use crate::sequences::{Alphabet, Inserts, UnknownLetters};
use crate::source::Source;
use crate::split::Split;
use crate::table::{Beyond, Parts, Table, pack_all};
use crate::text::Cell;
use crate::weights::{RowWeights, weighted};
use crate::{builtin, delimited, fasta, folder, idx, libsvm, npy, stockholm};

/// The specification of standard input.
const STANDARD_INPUT: &str = "-";

/// The form of built-in names.
pub(super) const BUILTIN: [&str; 3] = ["digits", "bars-and-stripes:D", "shifter:N"];

/// A data set by name or path, as on a command line.
///
/// # Examples
///
/// ```
/// use gm_data::DataSpec;
///
/// assert_eq!(DataSpec::parse("shifter:8")?, DataSpec::Shifter(8));
/// assert_eq!(DataSpec::parse("mnist")?, DataSpec::Known("mnist"));
/// assert_eq!(DataSpec::parse("rows.csv")?, DataSpec::Path("rows.csv".into()));
/// assert!(DataSpec::parse("mnits").unwrap_err().to_string().contains("did you mean `mnist`?"));
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataSpec {
    /// The built-in handwritten digits.
    Digits,
    /// Bars and stripes of a side length.
    BarsAndStripes(usize),
    /// The shifter of a number of bits.
    Shifter(usize),
    /// A known set, found in a data folder.
    Known(&'static str),
    /// A file or a folder.
    Path(PathBuf),
}

impl DataSpec {
    /// Understands a built-in name, the name of a known set, or a path; names come first.
    ///
    /// A text is a path when it contains a separator or a dot, or when such a file or folder exists. `-` is standard
    /// input.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Unknown`] with the nearest name, [`gm_core::Error::Param`] for a size out of range.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(builtin) = Self::builtin(text)? {
            return Ok(builtin);
        }
        if let Some(set) = known::find(text) {
            return Ok(Self::Known(set.name));
        }
        if text == STANDARD_INPUT {
            return Ok(Self::Path("/dev/stdin".into()));
        }
        if text.contains(['/', '\\', '.']) || Path::new(text).exists() {
            return Ok(Self::Path(text.into()));
        }
        let names: Vec<&str> = known::datasets().iter().map(|set| set.name).collect();
        Err(CoreError::unknown("data set", text, &names).into())
    }

    /// The built-in set of a name; `None` for other names.
    pub(super) fn builtin(text: &str) -> Result<Option<Self>> {
        let (name, size) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "digits" if size.is_empty() => Ok(Some(Self::Digits)),
            "bars-and-stripes" => {
                Ok(Some(Self::BarsAndStripes(number(text, size, 1..=16, "bars-and-stripes:D with D from 1 to 16")?)))
            }
            "shifter" => Ok(Some(Self::Shifter(number(text, size, 3..=4096, "shifter:N with N from 3 to 4096")?))),
            _ => Ok(None),
        }
    }
}

fn number(text: &str, size: &str, range: std::ops::RangeInclusive<usize>, allowed: &'static str) -> Result<usize> {
    let refused = || CoreError::Param { op: "DataSpec", arg: "data", value: text.into(), allowed };
    Ok(size.parse().ok().filter(|n| range.contains(n)).ok_or_else(refused)?)
}

impl FromStr for DataSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::BarsAndStripes(side) => write!(f, "bars-and-stripes:{side}"),
            Self::Shifter(bits) => write!(f, "shifter:{bits}"),
            Self::Known(name) => f.write_str(name),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The folders of known sets, and the way in which files are read.
///
/// # Examples
///
/// ```
/// use gm_data::{Binarise, DataSpec, LoadOptions, load_rows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("counts.csv");
/// std::fs::write(&path, "0,7\n9,2\n3,8\n1,6\n")?;
/// // Numbers outside 0..1 become bits.
/// let options = LoadOptions { binarise: Some(Binarise::Threshold(4.0)), ..Default::default() };
/// assert_eq!(load_rows(&DataSpec::Path(path), &options)?.unit_means(), [0.25, 0.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOptions {
    /// The folder that holds the folders of known sets. It is searched first.
    pub data_dir: Option<PathBuf>,
    /// A second such folder, for example the user's cache. It is searched next.
    pub cache_dir: Option<PathBuf>,
    /// The binarisation. Loading uses only [`Binarise::Threshold`], which makes bits of numbers outside 0..1.
    pub binarise: Option<Binarise>,
    /// Number of units of a libsvm file. `None` takes the highest index.
    pub units: Option<usize>,
    /// The weights that training rows have in training: those of a file with one number a row, or those of the similarity
    /// of rows.
    pub weights: Option<RowWeights>,
    /// A file of validation rows, for data that have none.
    pub valid: Option<PathBuf>,
    /// A file of test rows, for data that have none.
    pub test: Option<PathBuf>,
    /// Whether numbers outside 0..1 are taken as they are, for units that are real numbers or categories.
    pub numbers: bool,
    /// Whether every value v, which must lie in 0..1, is replaced by 1 - v.
    pub invert: bool,
    /// How tables of text are read.
    pub table: TableOptions,
    /// The alphabet of sequences if `table` names none, such as that of a model. `None` takes that of proteins.
    pub alphabet: Option<Alphabet>,
    /// Whether an array of one dimension is taken, as one row.
    pub vectors: bool,
}

impl LoadOptions {
    fn beyond(&self) -> Beyond {
        match self.binarise {
            Some(Binarise::Threshold(threshold)) => Beyond::Threshold(threshold),
            _ if self.numbers => Beyond::Kept,
            _ => Beyond::Refused,
        }
    }

    /// The alphabet of sequences.
    fn letters(&self) -> Alphabet {
        self.table.alphabet.or(self.alphabet).unwrap_or_default()
    }

    /// The files of validation and test rows, with the names of these splits.
    fn apart(&self) -> [(&'static str, Option<&Path>); 2] {
        [("validation", self.valid.as_deref()), ("test", self.test.as_deref())]
    }

    /// The folder of a known set.
    fn find(&self, name: &str) -> Result<PathBuf> {
        let folders = || self.data_dir.iter().chain(&self.cache_dir).map(|folder| folder.join(name));
        folders().find(|folder| folder.is_dir()).ok_or_else(|| {
            let searched = folders().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            let searched = if searched.is_empty() { "nowhere, since no data folder is set".into() } else { searched };
            Error::NotFound { name: name.into(), searched }
        })
    }
}

/// Loads a data set with its splits.
///
/// **Files** are IDX, npy, npz, csv, tsv, amat (also `.txt`), libsvm (`.libsvm`, `.svm`, `.svmlight`), FASTA (`.fasta`,
/// `.fa`, `.fas`, `.faa`, `.afa`, and `.a2m` and `.a3m`) and Stockholm (`.sto`, `.stk`, `.stockholm`), each plain or
/// compressed by gzip (`.csv.gz` and so on). The extension tells the format; if it does not, the first bytes do. Arrays
/// are [samples, units] or [samples, height, width]. If only the number of units is known and is the square of a number of 4 or more, the
/// examples count as square pictures.
///
/// **Folders** hold `train-`, `valid-` and `test-` (or `t10k-`) `images-idx3-ubyte.gz` or `images-idx2-ubyte.gz`, and
/// `labels-idx1-ubyte.gz` if there are labels, all of them also without `.gz`; or `binarized_mnist_train.amat`,
/// `binarized_mnist_valid.amat` and `binarized_mnist_test.amat`. **npz** files hold arrays `train`,
/// `valid`, `test` (or `train_images`, `x_train` and so on) and `train_labels` or `y_train` and so on, or a single
/// array with `labels` or `y`.
///
/// **Tables of text** have cells that a semicolon, a comma, a tab or spaces separate; the first line tells which.
/// Numbers, `True` and `False` are values, and missing values are refused. [`TableOptions`] says when the first line is a
/// header, and which columns hold labels or are left out; [`Split::readings`] tells what was done.
///
/// **Sequences** (FASTA and Stockholm) are aligned: all have the same number of columns. The letters are categories in the
/// order of [`Alphabet::letters`](crate::Alphabet::letters), which only `options.numbers` takes. [`TableOptions`] has
/// the alphabet and says what becomes of insert columns and of unknown letters.
///
/// **Splits** that the data lack come from the files `options.valid` and `options.test`, or else from the training rows.
/// A split takes a sixth of these, rounded down. Rows of a path are drawn with seed 0, and stay in the order of the
/// file. Of a known set (as MNIST), the last sixth is taken.
///
/// **Values**: files of 0 and 1 become [`Values::Bits`](super::Values::Bits). Other bytes are divided by 255 and become
/// [`Values::Levels`](super::Values::Levels). Other numbers must lie in 0..1 and become
/// [`Values::Reals`](super::Values::Reals). Two options allow numbers outside 0..1: a threshold in `options.binarise`
/// makes bits of them, and `options.numbers` takes them as they are, as [`Values::Numbers`](super::Values::Numbers). A
/// threshold is compared with numbers outside 0..1 as they are, and with the share of the scale of grey levels.
///
/// # Errors
///
/// An [`Error`] that names the file and the fault, or [`Error::NotFound`] with the folders searched.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, load};
///
/// let bars = load(&DataSpec::BarsAndStripes(3), &LoadOptions::default())?;
/// assert_eq!((bars.train.len(), bars.units()), (16, 9));
/// # Ok::<(), gm_data::Error>(())
/// ```
pub fn load(spec: &DataSpec, options: &LoadOptions) -> Result<Dataset> {
    let (data, rows, kept) = match files(spec, options)? {
        Some(splits) => {
            let (rows, given) = (splits.train.len(), [splits.valid.is_some(), splits.test.is_some()]);
            let division = if matches!(spec, DataSpec::Path(_)) { Division::Drawn } else { Division::ByPlace };
            let chosen = division.divide(rows, given);
            let own = options.apart().map(|(_, path)| path.map(|path| path.display().to_string()));
            let data = Dataset::complete(spec.to_string(), own, splits, &chosen)?;
            let [kept, ..] = chosen;
            (data, rows, kept)
        }
        None => {
            let data = builtin::load(spec)?;
            data.train.check_threshold(&data.source, options.binarise)?;
            let rows = data.train.len();
            (data, rows, (0..rows).collect())
        }
    };
    let data = match &options.weights {
        Some(weights) => weighted(data, weights, (rows, &kept), options.numbers)?,
        None => data,
    };
    if options.invert { data.inverted() } else { Ok(data) }
}

/// The splits that files give; `None` for a built-in set.
fn files(spec: &DataSpec, options: &LoadOptions) -> Result<Option<Parts<Split>>> {
    let path = match spec {
        DataSpec::Known(name) => options.find(name)?,
        DataSpec::Path(path) => path.clone(),
        _ => {
            refuse_table(&options.table, spec, true)?;
            refuse_sequences(&options.table, spec)?;
            let apart = options.apart().into_iter().find_map(|(split, path)| path.map(|path| (split, path)));
            return apart.map_or(Ok(None), |(split, path)| Err(own_rows(spec, split, path)));
        }
    };
    let mut tables = read(&path, options)?;
    for ((split, path), place) in options.apart().into_iter().zip([&mut tables.valid, &mut tables.test]) {
        let Some(path) = path else { continue };
        if place.is_some() {
            return Err(own_rows(spec, split, path));
        }
        *place = Some(read_alone(path, split, options)?);
    }
    let splits = pack_all(tables, options.beyond())?;
    splits.iter().try_for_each(|split| split.check_threshold(&spec.to_string(), options.binarise))?;
    Ok(Some(splits))
}

fn own_rows(spec: &DataSpec, split: &'static str, path: &Path) -> Error {
    Error::OwnRows { name: spec.to_string(), split, path: path.into() }
}

/// Reads a file that holds the rows of one split.
fn read_alone(path: &Path, split: &'static str, options: &LoadOptions) -> Result<Table> {
    match read(path, options)? {
        Parts { train, valid: None, test: None } => Ok(train),
        _ => Err(Error::SeveralSplits { path: path.into(), split }),
    }
}

/// Loads all rows of a data set as one split, in the order of the file. Training, validation and test rows of several
/// files follow one another.
///
/// # Errors
///
/// As for [`load`], except that a table may have fewer than six rows.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, load_rows};
///
/// let digits = load_rows(&DataSpec::Digits, &LoadOptions::default())?;
/// assert_eq!(digits.len(), 1797);
/// # Ok::<(), gm_data::Error>(())
/// ```
pub fn load_rows(spec: &DataSpec, options: &LoadOptions) -> Result<Split> {
    let rows = match files(spec, options)? {
        Some(splits) => {
            let expected = splits.train.units();
            if let Some(found) = splits.iter().map(Split::units).find(|&units| units != expected) {
                return Err(Error::Width { name: spec.to_string(), split: "validation or test", found, expected });
            }
            Split::concat(&splits.iter().collect::<Vec<_>>())?
        }
        None => {
            let rows = builtin::rows(spec)?;
            rows.check_threshold(&spec.to_string(), options.binarise)?;
            rows
        }
    };
    if options.invert { rows.inverted() } else { Ok(rows) }
}

pub(super) fn read(path: &Path, options: &LoadOptions) -> Result<Parts<Table>> {
    if path.is_dir() {
        refuse_table(&options.table, path.display(), true)?;
        refuse_sequences(&options.table, path.display())?;
        return folder::read(path);
    }
    let source = Source::open(path)?;
    let format = format(&source)?;
    let table = &options.table;
    if !matches!(format, Format::Fasta { .. } | Format::Stockholm) {
        refuse_sequences(table, path.display())?;
    }
    match format {
        Format::Csv | Format::Amat => {}
        _ => refuse_table(&options.table, path.display(), !matches!(format, Format::Npy | Format::Npz))?,
    }
    let single = match format {
        Format::Npz => {
            let arrays = npy::read_npz(source, options.vectors)?;
            return arrays.try_map(|table| table.with_columns(&options.table));
        }
        Format::Npy => npy::read(source, options.vectors).and_then(|table| table.with_columns(&options.table)),
        Format::Csv => delimited::read(source, "csv", &options.table),
        Format::Amat => delimited::read(source, delimited::AMAT, &options.table),
        Format::Libsvm => libsvm::read(source, options.units),
        Format::Idx => idx::read_images(source, options.vectors),
        Format::Fasta { by_case } => fasta::read(source, by_case, options.letters(), table),
        Format::Stockholm => stockholm::read(source, options.letters(), table),
    };
    Ok(Parts { train: single?, valid: None, test: None })
}

/// Refuses options of tables for data that have no lines and, with `columns`, for data that have no columns either.
fn refuse_table(options: &TableOptions, data: impl fmt::Display, columns: bool) -> Result<()> {
    let refuse = |arg, value: String, allowed| {
        Err(CoreError::Param { op: "LoadOptions", arg, value: format!("{value} for {data}"), allowed }.into())
    };
    const TEXT: &str = "nothing, except for a table of text (.csv, .tsv, .amat, .txt)";
    const TABLES: &str = "nothing, except for a table of text (.csv, .tsv, .amat, .txt) or an array (.npy, .npz)";
    match options {
        TableOptions { header, .. } if *header != Header::Auto => refuse("header", header.to_string(), TEXT),
        TableOptions { label: Some(label), .. } if columns => refuse("label_column", label.clone(), TABLES),
        TableOptions { drop: Some(drop), .. } if columns => refuse("drop", drop.join(","), TABLES),
        _ => Ok(()),
    }
}

/// Refuses options of sequences for other data.
fn refuse_sequences(options: &TableOptions, data: impl fmt::Display) -> Result<()> {
    let refuse = |arg, value: String| {
        let allowed = "nothing, except for sequences (.fasta, .a2m, .sto and their relatives)";
        Err(CoreError::Param { op: "LoadOptions", arg, value: format!("{value} for {data}"), allowed }.into())
    };
    match options {
        TableOptions { alphabet: Some(alphabet), .. } => refuse("alphabet", alphabet.to_string()),
        TableOptions { inserts, .. } if *inserts != Inserts::Auto => refuse("inserts", inserts.to_string()),
        TableOptions { unknown_letters, .. } if *unknown_letters != UnknownLetters::Gap => {
            refuse("unknown_letters", unknown_letters.to_string())
        }
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Idx,
    Npy,
    Npz,
    Csv,
    Amat,
    Libsvm,
    /// With `by_case`, lower-case letters and points are insertions.
    Fasta {
        by_case: bool,
    },
    Stockholm,
}

/// The format that the extension tells; if it does not, the first bytes do. An extension `.gz` comes after another one.
fn format(source: &Source<'_>) -> Result<Format> {
    let extension = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let mut name = extension(source.path).unwrap_or_default();
    let zipped = name == "gz";
    if zipped {
        name = source.path.file_stem().and_then(|stem| extension(Path::new(stem))).unwrap_or_default();
    }
    match name.as_str() {
        "npy" => return Ok(Format::Npy),
        "npz" => return Ok(Format::Npz),
        "csv" | "tsv" => return Ok(Format::Csv),
        "amat" | "txt" => return Ok(Format::Amat),
        "libsvm" | "svm" | "svmlight" => return Ok(Format::Libsvm),
        "idx" => return Ok(Format::Idx),
        "fasta" | "fa" | "fas" | "faa" | "afa" => return Ok(Format::Fasta { by_case: false }),
        "a2m" | "a3m" => return Ok(Format::Fasta { by_case: true }),
        "sto" | "stk" | "stockholm" => return Ok(Format::Stockholm),
        _ => {}
    }
    match source.start.as_slice() {
        [0, 0, ..] => Ok(Format::Idx),
        [b'P', b'K', ..] => Ok(Format::Npz),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Format::Npy),
        start => match text_format(start) {
            Some(format) => Ok(format),
            None if zipped => Ok(Format::Idx),
            None => Err(Error::Format {
                path: source.path.into(),
                known: "IDX (.idx or as in train-images-idx3-ubyte), .npy, .npz, .csv, .tsv, .amat, .txt, .libsvm, \
                        .svm, .fasta, .fa, .a2m, .a3m, .sto, each also with .gz",
            }),
        },
    }
}

/// The format of a text: of sequences, told by its first characters, or of numbers, told by its last whole line.
fn text_format(start: &[u8]) -> Option<Format> {
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        // The last character may have been cut.
        Err(error) if error.error_len().is_none() => str::from_utf8(&start[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('>') {
        return Some(Format::Fasta { by_case: false });
    }
    if text.starts_with("# STOCKHOLM") {
        return Some(Format::Stockholm);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let line = *lines.get(lines.len().saturating_sub(2))?;
    let is_entry = |word: &str| word.split_once(':').is_some_and(|(index, _)| index.parse::<u32>().is_ok());
    let mut words = line.split_ascii_whitespace();
    if words.next().is_some_and(|label| label.parse::<f64>().is_ok()) && words.next().is_some_and(is_entry) {
        return Some(Format::Libsvm);
    }
    let cells: Vec<Cell> = delimited::Separator::of(line).cells(line).into_iter().map(Cell::of).collect();
    let has_numbers = cells.iter().any(|cell| matches!(cell, Cell::Number(_)));
    (has_numbers && !cells.contains(&Cell::Text)).then_some(Format::Csv)
}
