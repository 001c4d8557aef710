//! Masks of missing visible units, and given values.

use std::path::PathBuf;
use std::str::FromStr;

use gm_core::{Batch, BitMatrix, Purpose, Streams, VisibleKind};
use gm_data::{DataSpec, LoadOptions, load_rows};
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

impl Mask {
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
                return Err(Error::Option { option: "--mask", value: format!("{self:?}").to_lowercase(), allowed });
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
                let found = given("--mask", path.clone(), (VisibleKind::Bernoulli, units), rows)?;
                Ok(found.bits().clone())
            }
        }
    }
}

/// Values from a file for visible units of a kind, [units, rows]. The file has one row for all examples, or one row for
/// each.
///
/// # Errors
///
/// [`Error::Option`] when the file does not fit, [`gm_data::Error`] when it cannot be used.
pub(crate) fn given(
    option: &'static str,
    path: PathBuf,
    (kind, units): (VisibleKind, usize),
    rows: usize,
) -> Result<Batch> {
    let name = path.display().to_string();
    let options = LoadOptions { numbers: kind.takes_numbers(), ..LoadOptions::default() };
    let found = load_rows(&DataSpec::Path(path), &options)?.rows_for(kind, gm_data::Binarise::None)?;
    if found.units() != units || (found.samples() != 1 && found.samples() != rows) {
        let value = format!("{name} has {} rows of {} values", found.samples(), found.units());
        let allowed = if rows == 1 { format!("1 row of {units}") } else { format!("1 or {rows} rows of {units}") };
        return Err(Error::Option { option, value, allowed });
    }
    let rows: Vec<usize> = (0..rows).map(|row| row % found.samples()).collect();
    Ok(found.select(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(error.line().contains("--mask: left, allowed: random:P or a file"), "{}", error.line());
    }
}
