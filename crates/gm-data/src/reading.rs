//! How tables are read: the options, and a record of what a reader made of lines and columns.

use std::fmt;
use std::str::FromStr;

use gm_core::Error as CoreError;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::error::Error;
use crate::sequences::{Alphabet, Inserts, SequenceReading, UnknownLetters};

/// Whether the first line of a table of text names the columns.
///
/// # Examples
///
/// ```
/// use gm_data::Header;
///
/// assert_eq!("yes".parse::<Header>()?, Header::Yes);
/// assert_eq!(Header::default().to_string(), "auto");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum Header {
    /// It does if its cells are names: none of them is a number, or one of them is a usual name of an index or of
    /// labels.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not: it is an example.
    No,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

impl FromStr for Header {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(CoreError::unknown("header", text, &["auto", "yes", "no"]).into()),
        }
    }
}

/// How tables of text and sequences are read.
///
/// A column is given by its name in the header, or by its number from 1.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, TableOptions, load_rows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("votes.csv");
/// std::fs::write(&path, "id,aye,nay,party\n17,1,0,2\n18,0,1,1\n")?;
/// let table = TableOptions { label: Some("party".into()), ..Default::default() };
/// let rows = load_rows(&DataSpec::Path(path), &LoadOptions { table, ..Default::default() })?;
/// assert_eq!((rows.units(), rows.labels()), (2, Some(&[2, 1][..])));
/// assert_eq!(rows.readings()[0].left_out[0].to_string(), "column 1 (`id`)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableOptions {
    /// Whether the first line names the columns.
    pub header: Header,
    /// The column that holds labels, or `none`. By default it is a column called `label`, `labels`, `class` or
    /// `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The columns that are left out, or `none`. By default they are columns with a usual name of an index: `id`,
    /// `index`, `idx`, `row`, `row_id`, `Unnamed: 0`, or a first column without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<Vec<String>>,
    /// The alphabet of sequences. By default it is that of the options of loading, else that of proteins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<Alphabet>,
    /// What becomes of the insert columns of sequences.
    #[serde(skip_serializing_if = "is_usual")]
    pub inserts: Inserts,
    /// What becomes of unknown letters of sequences.
    #[serde(skip_serializing_if = "is_usual")]
    pub unknown_letters: UnknownLetters,
}

fn is_usual<T: Default + PartialEq>(option: &T) -> bool {
    *option == T::default()
}

impl TableOptions {
    /// Whether all options have their defaults.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The usual names of a column of labels, in lower case.
const LABELS: [&str; 4] = ["label", "labels", "class", "target"];

/// The usual names of a column that numbers the rows, in lower case. pandas calls an index without a name `Unnamed: 0`.
const INDEX: [&str; 9] =
    ["id", "index", "idx", "row", "row_id", "rowid", "row_number", "unnamed: 0", "__index_level_0__"];

pub(super) fn names_labels(name: &str) -> bool {
    LABELS.contains(&name.to_lowercase().as_str())
}

pub(super) fn names_index(name: &str) -> bool {
    INDEX.contains(&name.to_lowercase().as_str())
}

/// A column of a file.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, load_rows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("rows.csv");
/// std::fs::write(&path, "a,label\n1,0\n0,2\n")?;
/// let rows = load_rows(&DataSpec::Path(path), &LoadOptions::default())?;
/// let labels = rows.readings()[0].labels.clone().expect("the header names the labels");
/// assert_eq!((labels.number, labels.name.as_deref()), (2, Some("label")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// Its number, from 1.
    pub number: usize,
    /// Its name, if there is a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "column {} (`{name}`)", self.number),
            None => write!(f, "column {}", self.number),
        }
    }
}

/// What a reader made of the lines and columns of a file.
///
/// # Examples
///
/// ```
/// use gm_data::{DataSpec, LoadOptions, load_rows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("answers.csv");
/// std::fs::write(&path, "0,1,2,3\n0.5,0.25,1,0\n1,0.5,0,0\n")?;
/// let options = LoadOptions { numbers: true, ..Default::default() };
/// let rows = load_rows(&DataSpec::Path(path), &options)?;
/// let reading = &rows.readings()[0];
/// assert_eq!((rows.len(), reading.header), (3, false));
/// assert!(reading.first_line_counts && reading.first_line.as_deref() == Some("0,1,2,3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reading {
    /// The file, or the file and the array.
    pub file: String,
    /// The first line of a table of text, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_line: Option<String>,
    /// Whether the first line names the columns and is no example.
    pub header: bool,
    /// Whether the first line is an example of three or more whole numbers that rise from column to column, as numbers
    /// of columns do.
    pub first_line_counts: bool,
    /// The column of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Column>,
    /// The columns that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Column>,
    /// The units whose values are whole numbers that rise from row to row, as those of an index do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rising: Vec<Column>,
    /// What was made of the letters of aligned sequences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequences: Option<SequenceReading>,
    /// The names of all columns, if there is a header.
    #[serde(skip)]
    pub(super) names: Vec<String>,
}

impl Reading {
    /// The names of the columns of values.
    pub(super) fn value_names(&self) -> Vec<String> {
        if let Some(sequences) = &self.sequences {
            return (1..=sequences.columns).map(|number| format!("p{number}")).collect();
        }
        let other = |number: usize| self.labels.iter().chain(&self.left_out).any(|column| column.number == number);
        let named = self.names.iter().enumerate().filter(|(i, _)| !other(i + 1));
        named.map(|(_, name)| name.clone()).collect()
    }

    /// The column of a number from 1.
    pub(super) fn column(&self, number: usize) -> Column {
        let name = self.names.get(number - 1).filter(|name| !name.is_empty());
        Column { number, name: name.cloned() }
    }
}
