//! Rows in the form that a kind of visible units takes: bits, numbers, or categories as groups with one unit on.

use gm_core::{Batch, BitMatrix, Matrix, VisibleKind};

use crate::binarise::Binarise;
use crate::dataset::Dataset;
use crate::error::{Error, Likely, Result};
use crate::sequences::Alphabet;
use crate::split::{Levels, Split, Values, check_range, first};

impl Split {
    /// All rows in the form that visible units of `kind` take, `[units, rows]`.
    ///
    /// - Bernoulli units, with or without a label, take binarised values.
    /// - Gaussian units take numbers as they are, and grey levels divided by their scale.
    /// - Softmax units of K categories take bits of which exactly one is on in each group of K as they are. In all
    ///   other data every value is a category from 0 to K - 1 and becomes a group. Grey levels are categories before
    ///   they are divided.
    ///
    /// # Errors
    ///
    /// [`Error::GreyLevels`] for a binarisation that has no single answer, [`Error::Category`] for a value that is not
    /// a category.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, VisibleKind};
    /// use gm_data::{Binarise, Split, Values};
    ///
    /// let split = Split::new(Values::Numbers(Matrix::from_row_slice(2, 2, &[0.0, 2.0, 1.0, 0.0])), None)?;
    /// let rows = split.rows_for(VisibleKind::Softmax { categories: 3 }, Binarise::None)?;
    /// assert_eq!(rows.to_matrix().as_slice(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn rows_for(&self, kind: VisibleKind, binarise: Binarise) -> Result<Batch> {
        match kind {
            VisibleKind::Gaussian => Ok(self.to_matrix(&self.all()).into()),
            VisibleKind::Softmax { categories } => Ok(self.one_hot("data", categories)?.into()),
            _ => Ok(self.to_bits(binarise)?.into()),
        }
    }

    fn all(&self) -> Vec<u32> {
        (0..self.len() as u32).collect()
    }

    /// The values of the file, in which grey levels are not divided.
    fn raw(&self) -> Matrix {
        match self.values() {
            Values::Levels(levels) => Matrix::from_iterator(
                levels.units(),
                levels.samples(),
                (0..levels.samples()).flat_map(|row| levels.row(row)).map(|&level| f32::from(level)),
            ),
            _ => self.to_matrix(&self.all()),
        }
    }

    /// The highest category plus 1.
    fn highest(&self, name: &str) -> Result<usize> {
        let raw = self.raw();
        check_categories(name, &raw, None)?;
        Ok(raw.max() as usize + 1)
    }

    fn one_hot(&self, name: &str, categories: usize) -> Result<BitMatrix> {
        if let Values::Bits(bits) = self.values()
            && is_one_hot(bits, categories)
        {
            return Ok(bits.clone());
        }
        let raw = self.raw();
        check_categories(name, &raw, Some(categories))?;
        Ok(BitMatrix::from_fn(raw.nrows() * categories, raw.ncols(), |unit, row| {
            raw[(unit / categories, row)] as usize == unit % categories
        }))
    }

    /// The size of the groups of units of which exactly one is on in every row.
    pub(super) fn one_hot_group(&self) -> Option<usize> {
        let Values::Bits(bits) = self.values() else { return None };
        let ones = (0..bits.units()).filter(|&unit| bits.get(unit, 0)).count();
        let size = (ones > 0 && bits.units().is_multiple_of(ones)).then(|| bits.units() / ones)?;
        (size > 1 && is_one_hot(bits, size)).then_some(size)
    }

    /// The same rows with every value v replaced by 1 - v.
    pub(super) fn inverted(&self) -> Result<Self> {
        let values = match self.values() {
            Values::Bits(bits) => Values::Bits(bits.flipped()),
            Values::Levels(levels) => {
                let data = levels.data().iter().map(|level| levels.scale() - level).collect();
                Values::Levels(Levels::new(levels.units(), levels.scale(), data)?)
            }
            Values::Reals(means) | Values::Numbers(means) => {
                check_range("data", means, Likely::Inverted)?;
                Values::Reals(means.map(|mean| 1.0 - mean))
            }
        };
        self.with_values(values)
    }

    /// Other values of the same rows.
    fn with_values(&self, values: Values) -> Result<Self> {
        let same = values.units() == self.units();
        let split = Self::new(values, self.labels().map(<[u16]>::to_vec))?.with_origin(self.origin());
        let mut split = split.with_readings(self.readings().to_vec()).with_threshold(self.threshold());
        if let Some(weights) = self.weights() {
            split = split.with_weights(weights.to_vec())?.with_effective_rows(self.effective_rows());
        }
        match self.image() {
            Some((height, width)) if same => split.with_image(height, width),
            _ => Ok(split),
        }
    }
}

impl Dataset {
    /// The number of categories of softmax units for these data: that of the alphabet of sequences, else the size of the
    /// groups of one-hot data, else the highest category in training and validation rows plus 1, and at least 2.
    ///
    /// # Errors
    ///
    /// [`Error::Category`] for a value that is not a category.
    pub fn categories(&self) -> Result<usize> {
        let alphabet = self.train.alphabet().map(Alphabet::categories);
        if let Some(categories) = alphabet.or_else(|| self.one_hot_categories()) {
            return Ok(categories);
        }
        Ok(self.train.highest(&self.source)?.max(self.valid.highest(&self.source)?).max(2))
    }

    /// The size of the groups of one-hot data, in which exactly one unit of each group is on in every row. There is at
    /// most one such size, since it is the number of units divided by the number of ones in a row.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    /// use gm_data::{Dataset, Split, Values};
    ///
    /// let rows = Split::new(Values::Bits(BitMatrix::from_fn(6, 4, |unit, row| unit % 3 == row % 3)), None)?;
    /// let data = Dataset::new("answers", rows.clone(), rows.clone(), rows)?;
    /// assert_eq!(data.one_hot_categories(), Some(3));
    /// assert_eq!(Dataset::builtin("bars-and-stripes:3")?.one_hot_categories(), None);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    #[must_use]
    pub fn one_hot_categories(&self) -> Option<usize> {
        let categories = self.train.one_hot_group()?;
        let holds = |split: &Split| matches!(split.values(), Values::Bits(bits) if is_one_hot(bits, categories));
        [&self.valid, &self.test].into_iter().all(holds).then_some(categories)
    }

    /// The data with a group of units for each value, in which the unit of its category is on. Data that have this form
    /// already stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Category`] for a value that is not a category.
    pub fn with_categories(&self, categories: usize) -> Result<Self> {
        self.mapped(|split| split.with_values(Values::Bits(split.one_hot(&self.source, categories)?)))
    }

    /// The data as numbers, with grey levels divided by their scale.
    ///
    /// # Errors
    ///
    /// Data that have been loaded give no error.
    pub fn with_numbers(&self) -> Result<Self> {
        self.mapped(|split| split.with_values(Values::Numbers(split.to_matrix(&split.all()))))
    }

    /// The data with every value v replaced by 1 - v.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for numbers outside 0..1.
    ///
    /// # Examples
    ///
    /// ```
    /// let digits = gm_data::Dataset::builtin("digits")?;
    /// assert_eq!(digits.inverted()?.train.values().mean(2, 0), 1.0 - digits.train.values().mean(2, 0));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn inverted(&self) -> Result<Self> {
        self.mapped(Split::inverted)
    }

    fn mapped(&self, map: impl Fn(&Split) -> Result<Split>) -> Result<Self> {
        self.with_splits([map(&self.train)?, map(&self.valid)?, map(&self.test)?])
    }
}

/// Whether exactly one unit of each group is on.
fn is_one_hot(bits: &BitMatrix, categories: usize) -> bool {
    let groups = bits.units() / categories;
    let alone = |row: usize, group: usize| {
        (group * categories..(group + 1) * categories).filter(|&unit| bits.get(unit, row)).count() == 1
    };
    groups * categories == bits.units() && (0..bits.samples()).all(|row| (0..groups).all(|group| alone(row, group)))
}

/// Refuses values that are not whole numbers from 0 to `categories` - 1.
fn check_categories(name: &str, raw: &Matrix, categories: Option<usize>) -> Result<()> {
    // Beyond 65536 categories the numbers are measurements, not names.
    let below = categories.unwrap_or(1 << 16) as f32;
    match first(raw, |value| value.fract() != 0.0 || !(0.0..below).contains(&value)) {
        None => Ok(()),
        Some((row, column, value)) => {
            let allowed = format!("from 0 to {}", below - 1.0);
            Err(Error::Category { name: name.into(), row, column, value, allowed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(values: Values) -> Split {
        Split::new(values, None).unwrap()
    }

    const THREE: VisibleKind = VisibleKind::Softmax { categories: 3 };

    #[test]
    fn table_categories_become_groups_and_groups_stay() {
        let levels = split(Values::Levels(Levels::new(2, 255, vec![2, 0, 1, 1]).unwrap()));
        let groups = levels.rows_for(THREE, Binarise::None).unwrap();
        assert_eq!(groups.to_matrix().as_slice(), [0., 0., 1., 1., 0., 0., 0., 1., 0., 0., 1., 0.]);
        let again = split(Values::Bits(groups.bits().clone())).rows_for(THREE, Binarise::None).unwrap();
        assert_eq!(again, groups);
        // Bits that do not form groups are categories 0 and 1.
        let bits = split(Values::Bits(BitMatrix::from_fn(3, 1, |unit, _| unit > 0)));
        assert_eq!(bits.rows_for(THREE, Binarise::None).unwrap().units(), 9);
        let reals = bits.rows_for(VisibleKind::Gaussian, Binarise::None).unwrap();
        assert_eq!(reals.to_matrix().as_slice(), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn rejects_values_that_are_not_categories() {
        let numbers = split(Values::Numbers(Matrix::from_row_slice(1, 3, &[0.0, 3.0, 1.5])));
        let error = numbers.rows_for(THREE, Binarise::None).unwrap_err().to_string();
        assert_eq!(error, "data: value 3 at row 2, column 1 is no category; categories are whole numbers from 0 to 2");
        let error = numbers.highest("rows").unwrap_err().to_string();
        assert!(error.starts_with("rows: value 1.5 at row 3, column 1 is no category"), "{error}");
        let error = Split::new(Values::Numbers(Matrix::from_element(1, 2, f32::NAN)), None).unwrap_err().to_string();
        assert_eq!(error, "Split::new: value NaN at row 1, column 1: missing values are not taken");
        let error = numbers.to_bits(Binarise::Fixed(0)).unwrap_err().to_string();
        assert!(error.starts_with("data: value 3 at row 2, column 1 lies outside 0..1"), "{error}");
    }

    #[test]
    fn law_inverting_twice_changes_nothing() {
        let kinds = [
            Values::Bits(BitMatrix::from_fn(2, 3, |unit, row| unit == row)),
            Values::Levels(Levels::new(2, 16, vec![0, 16, 3, 9]).unwrap()),
            Values::Reals(Matrix::from_row_slice(1, 3, &[0.0, 0.25, 1.0])),
        ];
        for values in kinds {
            let rows = split(values);
            let once = rows.inverted().unwrap();
            assert_eq!(once.values().mean(0, 1), 1.0 - rows.values().mean(0, 1));
            assert_eq!(once.inverted().unwrap(), rows);
        }
        assert!(split(Values::Numbers(Matrix::from_element(1, 1, 2.0))).inverted().is_err());
    }
}
