//! Counts and moments that describe a split at a glance.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::split::{Split, Values};

/// Counts and moments of a split.
///
/// # Examples
///
/// ```
/// let info = gm_data::Dataset::builtin("digits")?.test.info();
/// assert_eq!((info.rows, info.units, info.image, info.binary), (299, 64, Some((8, 8)), false));
/// assert_eq!((info.labels.len(), info.labels.values().sum()), (10, 299));
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SplitInfo {
    /// Number of examples.
    pub rows: usize,
    /// Number of units of an example.
    pub units: usize,
    /// Height and width, if an example is a picture.
    pub image: Option<(usize, usize)>,
    /// Whether all values are 0 or 1.
    pub binary: bool,
    /// The mean value over units and examples.
    pub density: f64,
    /// The least value.
    pub lowest: f32,
    /// The greatest value.
    pub highest: f32,
    /// Number of units that have the same value in every example.
    pub constant_units: usize,
    /// Number of examples that equal an earlier one.
    pub duplicates: usize,
    /// Number of examples of each label; empty if the split has no labels.
    pub labels: BTreeMap<u16, usize>,
    /// The number of examples that similar ones amount to, with weights from the similarity of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_rows: Option<f64>,
}

impl Split {
    /// Counts and moments of this split.
    ///
    /// # Examples
    ///
    /// ```
    /// let info = gm_data::Dataset::builtin("bars-and-stripes:4")?.train.info();
    /// assert_eq!((info.rows, info.units, info.duplicates, info.density), (32, 16, 2, 0.5));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> SplitInfo {
        let mut labels = BTreeMap::new();
        for &label in self.labels().unwrap_or_default() {
            *labels.entry(label).or_insert(0) += 1;
        }
        let [lowest, highest] = self.range();
        SplitInfo {
            lowest,
            highest,
            rows: self.len(),
            units: self.units(),
            image: self.image(),
            binary: self.is_binary(),
            density: self.density(),
            constant_units: self.constant_units(),
            duplicates: self.len() - self.distinct(),
            labels,
            effective_rows: self.effective_rows(),
        }
    }

    fn density(&self) -> f64 {
        let total = match self.values() {
            Values::Bits(bits) => bits.ones() as f64,
            Values::Levels(levels) => {
                levels.data().iter().map(|&level| u64::from(level)).sum::<u64>() as f64 / f64::from(levels.scale())
            }
            Values::Reals(means) | Values::Numbers(means) => means.iter().map(|&mean| f64::from(mean)).sum(),
        };
        total / self.len() as f64 / self.units() as f64
    }

    /// The least and the greatest value.
    fn range(&self) -> [f32; 2] {
        let total = self.len() as u64 * self.units() as u64;
        match self.values() {
            Values::Bits(bits) => [u8::from(bits.ones() == total), u8::from(bits.ones() > 0)].map(f32::from),
            Values::Levels(levels) => {
                let ends = [levels.data().iter().min(), levels.data().iter().max()];
                ends.map(|level| f32::from(level.copied().unwrap_or(0)) / f32::from(levels.scale()))
            }
            Values::Reals(means) | Values::Numbers(means) => [means.min(), means.max()],
        }
    }

    fn constant_units(&self) -> usize {
        match self.values() {
            Values::Bits(bits) => {
                bits.unit_counts().into_iter().filter(|&count| count == 0 || count == self.len() as u64).count()
            }
            Values::Levels(levels) => constant(levels.row(0), levels.data().chunks_exact(levels.units())),
            Values::Reals(means) | Values::Numbers(means) => {
                let rows = means.as_slice().chunks_exact(means.nrows());
                constant(&means.as_slice()[..means.nrows()], rows)
            }
        }
    }

    fn distinct(&self) -> usize {
        match self.values() {
            Values::Bits(bits) => {
                let row = |sample| (0..bits.words_per_sample()).map(|w| bits.word(w)[sample]).collect::<Vec<_>>();
                (0..self.len()).map(row).collect::<HashSet<_>>().len()
            }
            Values::Levels(levels) => (0..self.len()).map(|row| levels.row(row)).collect::<HashSet<_>>().len(),
            // Adding 0 makes -0 and 0 the same bits; NaN cannot occur.
            Values::Reals(means) | Values::Numbers(means) => {
                let bits: Vec<u32> = means.iter().map(|&mean| (mean + 0.0).to_bits()).collect();
                bits.chunks_exact(means.nrows()).collect::<HashSet<_>>().len()
            }
        }
    }
}

fn constant<'a, T: PartialEq + 'a>(first: &[T], rows: impl Iterator<Item = &'a [T]>) -> usize {
    let mut same = vec![true; first.len()];
    for row in rows {
        same.iter_mut().zip(first.iter().zip(row)).for_each(|(same, (first, value))| *same &= first == value);
    }
    same.into_iter().filter(|&same| same).count()
}
