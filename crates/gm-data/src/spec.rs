//! Specifications of data: a built-in name, a known set, or a path.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gm_core::Error as CoreError;

use crate::binarise::Binarise;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::known;
use crate::split::Split;
use crate::table::{Beyond, Parts, Table, pack_all};
use crate::weights::{Cut, weighted};
use crate::{builtin, folder, idx, npy, text};

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
    /// A text is a path when it contains a separator or a dot, or when such a file or folder exists.
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
    /// A file of the weights that training rows have in training, one number a row.
    pub weights: Option<PathBuf>,
    /// Whether numbers outside 0..1 are taken as they are, for units that are real numbers or categories.
    pub numbers: bool,
    /// Whether every value v, which must lie in 0..1, is replaced by 1 - v.
    pub invert: bool,
}

impl LoadOptions {
    fn beyond(&self) -> Beyond {
        match self.binarise {
            Some(Binarise::Threshold(threshold)) => Beyond::Threshold(threshold),
            _ if self.numbers => Beyond::Kept,
            _ => Beyond::Refused,
        }
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
/// **Files** are IDX (plain or gzip), npy, npz, csv, tsv, amat (also `.txt`) and libsvm (`.libsvm`, `.svm`,
/// `.svmlight`). The extension tells the format; if it does not, the first bytes do. Arrays are [samples, units] or
/// [samples, height, width]. If only the number of units is known and is the square of a number of 4 or more, the
/// examples count as square pictures.
///
/// **Folders** hold `train-`, `valid-` and `test-` (or `t10k-`) `images-idx3-ubyte.gz` or `images-idx2-ubyte.gz`, and
/// `labels-idx1-ubyte.gz` if there are labels, all of them also without `.gz`; or `binarized_mnist_train.amat`,
/// `binarized_mnist_valid.amat` and `binarized_mnist_test.amat`. **npz** files hold arrays `train`,
/// `valid`, `test` (or `train_images`, `x_train` and so on) and `train_labels` or `y_train` and so on, or a single
/// array with `labels` or `y`. **csv** files may have a header; its column `label` holds labels.
///
/// **Splits** that are missing are derived. If one of validation and test is missing (as in MNIST), it is the last
/// sixth of the training rows, rounded down. If both are missing, every sixth row from the fifth is for validation and
/// every sixth from the sixth for the test.
///
/// **Values**: files of 0 and 1 become [`Values::Bits`](super::Values::Bits). Other bytes are divided by 255 and become
/// [`Values::Levels`](super::Values::Levels). Other numbers must lie in 0..1 and become
/// [`Values::Reals`](super::Values::Reals). Two options allow numbers outside 0..1: a threshold in `options.binarise`
/// makes bits of them, and `options.numbers` takes them as they are, as [`Values::Numbers`](super::Values::Numbers).
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
    let (data, cut) = match files(spec, options)? {
        Some(splits) => {
            let cut = Cut { rows: splits.train.len(), given: [splits.valid.is_some(), splits.test.is_some()] };
            (Dataset::complete(spec.to_string(), splits)?, cut)
        }
        None => {
            let data = builtin::load(spec)?;
            let cut = Cut { rows: data.train.len(), given: [true; 2] };
            (data, cut)
        }
    };
    let data = match &options.weights {
        Some(path) => weighted(data, path, cut)?,
        None => data,
    };
    if options.invert { data.inverted() } else { Ok(data) }
}

/// The splits that files give; `None` for a built-in set.
fn files(spec: &DataSpec, options: &LoadOptions) -> Result<Option<Parts<Split>>> {
    let path = match spec {
        DataSpec::Known(name) => options.find(name)?,
        DataSpec::Path(path) => path.clone(),
        _ => return Ok(None),
    };
    pack_all(read(&path, options)?, options.beyond()).map(Some)
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
        None => builtin::rows(spec)?,
    };
    if options.invert { rows.inverted() } else { Ok(rows) }
}

pub(super) fn read(path: &Path, options: &LoadOptions) -> Result<Parts<Table>> {
    if path.is_dir() {
        return folder::read(path);
    }
    let single = match format(path)? {
        Format::Npz => return npy::read_npz(path),
        Format::Npy => npy::read(path),
        Format::Csv => text::read_csv(path),
        Format::Amat => text::read_amat(path),
        Format::Libsvm => text::read_libsvm(path, options.units),
        Format::Idx => idx::read_images(path),
    };
    Ok(Parts { train: single?, valid: None, test: None })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Idx,
    Npy,
    Npz,
    Csv,
    Amat,
    Libsvm,
}

/// The format that the extension tells; if it does not, the first bytes do.
fn format(path: &Path) -> Result<Format> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "npy" => return Ok(Format::Npy),
        "npz" => return Ok(Format::Npz),
        "csv" | "tsv" => return Ok(Format::Csv),
        "amat" | "txt" => return Ok(Format::Amat),
        "libsvm" | "svm" | "svmlight" => return Ok(Format::Libsvm),
        "gz" | "idx" => return Ok(Format::Idx),
        _ => {}
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io("opening", path))?;
    file.take(6).read_to_end(&mut start).map_err(Error::io("reading", path))?;
    match start.as_slice() {
        [0x1f, 0x8b, ..] | [0, 0, ..] => Ok(Format::Idx),
        [b'P', b'K', ..] => Ok(Format::Npz),
        b"\x93NUMPY" => Ok(Format::Npy),
        _ => Err(Error::Format {
            path: path.into(),
            known: "IDX (.gz, .idx or as in train-images-idx3-ubyte), .npy, .npz, .csv, .tsv, .amat, .txt, .libsvm, .svm",
        }),
    }
}
