//! Masks of missing visible units, and given values.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use gm_core::{Batch, BitMatrix, Matrix, Purpose, Streams, VisibleKind};
use gm_data::{Alphabet, DataSpec, Levels, LoadOptions, Split, Values, load_rows};
use gm_eval::sites;
use rand::RngExt;

use crate::error::{Error, Result};
use crate::picture::Shape;

/// The visible units to fill in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mask {
    /// The left half of a picture.
    Left,
    /// The right half of a picture.
    Right,
    /// The upper half of a picture.
    Top,
    /// The lower half of a picture.
    Bottom,
    /// Each unit is missing with this probability.
    Random(f64),
    /// A file of zeros and ones, in which 1 marks a missing unit. It has one row for all examples, or one row for each.
    File(PathBuf),
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "left" => Self::Left,
            "right" => Self::Right,
            "top" => Self::Top,
            "bottom" => Self::Bottom,
            _ => match text.split_once(':') {
                Some(("random", share)) => {
                    let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share));
                    Self::Random(share.ok_or_else(|| format!("`{text}`: random:P takes a share P from 0 to 1"))?)
                }
                _ if text.contains(['.', '/', '\\']) => Self::File(text.into()),
                _ => return Err(format!("`{text}` is not left, right, top, bottom, random:P or a file")),
            },
        })
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Right => f.write_str("right"),
            Self::Top => f.write_str("top"),
            Self::Bottom => f.write_str("bottom"),
            Self::Random(share) => write!(f, "random:{share}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads a mask. A path may have any bytes.
pub(crate) fn parser() -> impl TypedValueParser<Value = Mask> {
    OsStringValueParser::new().try_map(|word| match word.to_str() {
        Some(text) => text.parse(),
        None => Ok(Mask::File(word.into())),
    })
}

impl Mask {
    /// The mask as by [`missing`](Self::missing), which must not be empty.
    ///
    /// # Errors
    ///
    /// The errors of [`missing`](Self::missing), and [`Error::Option`] if no unit of any row is missing.
    pub(crate) fn missing_some(&self, units: usize, rows: usize, shape: Shape, streams: &Streams) -> Result<BitMatrix> {
        let missing = self.missing(units, rows, shape, streams)?;
        if missing.ones() > 0 {
            return Ok(missing);
        }
        let (value, allowed) = (format!("{self} marks no unit"), "a mask that marks a unit or more".into());
        Err(Error::Option { option: "--mask", value, allowed })
    }

    /// The mask, [units, rows], in which a unit is on if it is missing.
    ///
    /// # Randomness
    ///
    /// A random mask reads stream `row` of the family (Choose, 0).
    ///
    /// # Errors
    ///
    /// [`Error::Option`] when a half is missing of units that form no picture, or when a file does not fit.
    pub(crate) fn missing(&self, units: usize, rows: usize, shape: Shape, streams: &Streams) -> Result<BitMatrix> {
        let (height, width) = shape;
        let region = |inside: &dyn Fn(usize, usize) -> bool| {
            if height * width != units {
                let allowed = "random:P or a file, since the units form no picture".into();
                return Err(Error::Option { option: "--mask", value: self.to_string(), allowed });
            }
            Ok(BitMatrix::from_fn(units, rows, |unit, _| inside(unit / width, unit % width)))
        };
        match self {
            Self::Left => region(&|_, x| 2 * x < width),
            Self::Right => region(&|_, x| 2 * x >= width),
            Self::Top => region(&|y, _| 2 * y < height),
            Self::Bottom => region(&|y, _| 2 * y >= height),
            Self::Random(share) => {
                let family = streams.fork(Purpose::Choose, 0);
                let drawn = |row: usize| {
                    let mut stream = family.stream(row as u64);
                    (0..units).map(|_| stream.random_bool(*share)).collect::<Vec<_>>()
                };
                let drawn: Vec<Vec<bool>> = (0..rows).map(drawn).collect();
                Ok(BitMatrix::from_fn(units, rows, |unit, row| drawn[row][unit]))
            }
            Self::File(path) => {
                let found = given("--mask", path.clone(), (VisibleKind::Bernoulli, units), rows, None)?;
                Ok(found.bits().clone())
            }
        }
    }
}

/// Values from a file for visible units of a kind, [units, rows]. The file has one row for all examples, or one row for
/// each. Sequences have the letters of the alphabet, if one is given.
///
/// # Errors
///
/// [`Error::Option`] when the file does not fit, [`gm_data::Error`] when it cannot be used.
pub(crate) fn given(
    option: &'static str,
    path: PathBuf,
    (kind, units): (VisibleKind, usize),
    rows: usize,
    alphabet: Option<Alphabet>,
) -> Result<Batch> {
    let name = path.display().to_string();
    let refuse = |source| Error::Side { option, source: in_file(source, &name).into() };
    let spec = DataSpec::Path(path);
    // Numbers of any size are read, so that an error can say what the option takes.
    let units_of_file = Some(sites(kind, units));
    let options = LoadOptions { numbers: true, vectors: true, units: units_of_file, alphabet, ..Default::default() };
    let split = load_rows(&spec, &options).map_err(refuse)?;
    let is_vector = units > 1 && split.units() == 1 && [units, sites(kind, units)].contains(&split.len());
    let split = if is_vector { as_row(&split).map_err(refuse)? } else { split };
    if !kind.takes_numbers() {
        check_binary(option, &name, &split)?;
    }
    let found = split.rows_for(kind, gm_data::Binarise::None).map_err(refuse)?;
    if found.units() != units || (found.samples() != 1 && found.samples() != rows) {
        let value = format!("{name} has {} rows of {} values", found.samples(), found.units());
        let allowed = if rows == 1 { format!("1 row of {units}") } else { format!("1 or {rows} rows of {units}") };
        return Err(Error::Option { option, value, allowed });
    }
    let rows: Vec<usize> = (0..rows).map(|row| row % found.samples()).collect();
    Ok(found.select(&rows))
}

/// The numbers of a column as one row.
fn as_row(column: &Split) -> gm_data::Result<Split> {
    let rows = column.len();
    let values = match column.values() {
        Values::Bits(bits) => Values::Bits(BitMatrix::from_fn(rows, 1, |unit, _| bits.get(0, unit))),
        Values::Levels(levels) => {
            Values::Levels(Levels::new(rows, levels.scale(), (0..rows).map(|row| levels.row(row)[0]).collect())?)
        }
        values => Values::Numbers(Matrix::from_fn(rows, 1, |unit, _| values.mean(0, unit))),
    };
    Split::new(values, None)
}

/// Refuses values other than 0 and 1.
fn check_binary(option: &'static str, name: &str, split: &Split) -> Result<()> {
    let value = |unit: usize, row: usize| match split.values() {
        Values::Levels(levels) => f32::from(levels.row(row)[unit]),
        values => values.mean(unit, row),
    };
    let places = (0..split.len()).flat_map(|row| (0..split.units()).map(move |unit| (unit, row)));
    let other = |&(unit, row): &(usize, usize)| ![0.0, 1.0].contains(&value(unit, row));
    match (!split.is_binary()).then_some(places).into_iter().flatten().find(other) {
        None => Ok(()),
        Some((unit, row)) => {
            let value = format!("{name} has value {} at row {}, column {}", value(unit, row), row + 1, unit + 1);
            Err(Error::Option { option, value, allowed: "0 and 1".into() })
        }
    }
}

/// The error of rows with the name of their file.
fn in_file(error: gm_data::Error, file: &str) -> gm_data::Error {
    match error {
        gm_data::Error::Category { row, column, value, allowed, .. } => {
            gm_data::Error::Category { name: file.into(), row, column, value, allowed }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::CommandLine;

    fn on(mask: &str, shape: Shape) -> Vec<usize> {
        let missing = mask.parse::<Mask>().unwrap().missing(6, 1, shape, &Streams::new(0)).unwrap();
        (0..6).filter(|&unit| missing.get(unit, 0)).collect()
    }

    #[test]
    fn table_halves_of_a_picture() {
        assert_eq!(on("left", (3, 2)), [0, 2, 4]);
        assert_eq!(on("right", (3, 2)), [1, 3, 5]);
        assert_eq!(on("top", (2, 3)), [0, 1, 2]);
        assert_eq!(on("bottom", (2, 3)), [3, 4, 5]);
        assert_eq!((on("random:0", (2, 3)).len(), on("random:1", (2, 3)).len()), (0, 6));
    }

    #[test]
    fn rejects_masks_that_do_not_fit() {
        assert!("lft".parse::<Mask>().unwrap_err().contains("is not left, right"));
        assert!("random:2".parse::<Mask>().unwrap_err().contains("from 0 to 1"));
        let error = Mask::Left.missing(5, 1, (2, 3), &Streams::new(0)).unwrap_err();
        assert!(
            error.line(&CommandLine::default()).contains("--mask: left, allowed: random:P or a file"),
            "{}",
            error.line(&CommandLine::default())
        );
    }
}
