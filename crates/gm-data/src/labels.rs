//! Labels: the number of classes, and labels as units after the others.

use std::collections::BTreeSet;

use gm_core::{Batch, BitMatrix, Error as CoreError, Matrix};

use crate::binarise::Binarise;
use crate::dataset::{Dataset, SplitName};
use crate::error::{Error, Result};
use crate::split::{Levels, Split, Values};

/// The largest number of labels that a warning names.
const NAMED: usize = 5;
/// The highest label from which labels with large gaps are reported.
const SPARSE: usize = 20;

impl Dataset {
    /// The number of classes: the highest label plus 1, and at least 2.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`] if training or validation rows have no labels.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(gm_data::Dataset::builtin("digits")?.classes()?, 10);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn classes(&self) -> Result<usize> {
        let [train, valid] = [SplitName::Train, SplitName::Valid].map(|split| self.labels(split, usize::MAX));
        let (train, valid, test) = (train?, valid?, self.test.labels().unwrap_or_default());
        let highest = [train, valid, test].into_iter().flatten().copied().fold(1, u16::max);
        Ok(usize::from(highest) + 1)
    }

    /// Reasons to doubt the labels: classes that only validation or test rows have, and far fewer labels than classes.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    /// use gm_data::{Dataset, Split, Values};
    ///
    /// assert!(Dataset::builtin("digits")?.label_warnings().is_empty());
    /// let rows = |labels| Split::new(Values::Bits(BitMatrix::zeros(2, 2)), Some(labels));
    /// let data = Dataset::new("rows", rows(vec![0, 1])?, rows(vec![0, 2])?, rows(vec![1, 1])?)?;
    /// let expected = "rows: label 2 occurs in validation rows and in no training row";
    /// assert_eq!(data.label_warnings(), [expected]);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    #[must_use]
    pub fn label_warnings(&self) -> Vec<String> {
        let Some(train) = self.train.labels() else { return Vec::new() };
        let learnt: BTreeSet<u16> = train.iter().copied().collect();
        let mut warnings = Vec::new();
        for (split, name) in [(SplitName::Valid, "validation"), (SplitName::Test, "test")] {
            let found: BTreeSet<u16> = self.split(split).labels().unwrap_or_default().iter().copied().collect();
            let new: Vec<u16> = found.difference(&learnt).copied().collect();
            let named = new.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let source = self.source_of(split);
            match new.len() {
                0 => {}
                1 => warnings.push(format!("{source}: label {named} occurs in {name} rows and in no training row")),
                n if n <= NAMED => {
                    warnings.push(format!("{source}: labels {named} occur in {name} rows and in no training row"));
                }
                n => warnings.push(format!(
                    "{source}: labels {named} and {} more occur in {name} rows and in no training row",
                    n - NAMED
                )),
            }
        }
        let highest = usize::from(learnt.last().copied().unwrap_or(0));
        if highest >= SPARSE && highest > 2 * learnt.len() {
            let (source, count) = (&self.source, learnt.len());
            warnings.push(format!(
                "{source}: labels go up to {highest}, of which {count} occur, so a model of them has {} classes; number \
                 them from 0",
                highest + 1
            ));
        }
        warnings
    }

    /// The label of each example of a split, below `classes`.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`] without labels, [`Error::Label`] for a label that is too large.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Dataset, SplitName};
    ///
    /// let digits = Dataset::builtin("digits")?;
    /// assert_eq!(digits.labels(SplitName::Test, 10)?.len(), 299);
    /// let error = digits.labels(SplitName::Test, 9).unwrap_err().to_string();
    /// assert_eq!(error, "digits: row 5 of the test split has label 9, allowed: below 9");
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn labels(&self, split: SplitName, classes: usize) -> Result<&[u16]> {
        self.split(split).labels_below(self.source_of(split), &split.to_string(), classes)
    }

    /// The data with a group of `classes` units after the others, in which the unit of the example's class is on.
    ///
    /// Grey levels keep their meaning: a unit of the group has probability 0 or 1. In test rows without labels no unit
    /// of the group is on.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for fewer than 2 classes; of training and validation rows [`Error::NoLabels`] without
    /// labels, [`Error::Label`] for a label that is too large.
    ///
    /// # Examples
    ///
    /// ```
    /// let digits = gm_data::Dataset::builtin("digits")?;
    /// let joined = digits.with_label_units(10)?;
    /// assert_eq!(joined.units(), 64 + 10);
    /// let label = digits.train.labels().map_or(0, |labels| labels[3].into());
    /// assert_eq!(joined.train.values().mean(64 + label, 3), 1.0);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn with_label_units(&self, classes: usize) -> Result<Self> {
        if classes < 2 {
            let (op, arg, value) = ("Dataset::with_label_units", "classes", classes.to_string());
            return Err(CoreError::Param { op, arg, value, allowed: "2 or more" }.into());
        }
        let part = |split| {
            let labels = match self.split(split).labels() {
                None if split == SplitName::Test => None,
                _ => Some(self.labels(split, classes)?),
            };
            self.split(split).joined(classes, |row| labels.map(|labels| labels[row].into()))
        };
        self.with_splits([part(SplitName::Train)?, part(SplitName::Valid)?, part(SplitName::Test)?])
    }
}

impl Split {
    /// The label of each example, all below `classes`; `source` and `split` name the data in errors.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`] without labels, [`Error::Label`] for a label that is not below `classes`.
    pub fn labels_below(&self, source: &str, split: &str, classes: usize) -> Result<&[u16]> {
        let (name, split) = (source.to_owned(), split.to_owned());
        let Some(labels) = self.labels() else { return Err(Error::NoLabels { name, split }) };
        match labels.iter().position(|&label| usize::from(label) >= classes) {
            None => Ok(labels),
            Some(row) => Err(Error::Label { name, split, row: row + 1, label: labels[row], classes }),
        }
    }

    /// All examples for a model that takes grey levels as they are. They are numbers unless they are binarised.
    ///
    /// # Errors
    ///
    /// [`Error::GreyLevels`] for `Dynamic`, which has no single answer.
    pub fn batch(&self, binarise: Binarise) -> Result<Batch> {
        if self.is_binary() || binarise != Binarise::None {
            return Ok(self.to_bits(binarise)?.into());
        }
        Ok(self.to_matrix(&(0..self.len() as u32).collect::<Vec<_>>()).into())
    }

    /// The examples with a group of units after the others, in which one unit or no unit is on.
    fn joined(&self, classes: usize, class_of: impl Fn(usize) -> Option<usize>) -> Result<Self> {
        let units = self.units();
        let is_on = |unit: usize, row: usize| class_of(row) == Some(unit - units);
        let numbers = || {
            Matrix::from_fn(units + classes, self.len(), |unit, row| {
                if unit < units { self.values().mean(unit, row) } else { f32::from(u8::from(is_on(unit, row))) }
            })
        };
        let values = match self.values() {
            Values::Bits(bits) => Values::Bits(BitMatrix::from_fn(units + classes, self.len(), |unit, row| {
                if unit < units { bits.get(unit, row) } else { is_on(unit, row) }
            })),
            Values::Levels(levels) => {
                let group = |row| (units..units + classes).map(move |unit| (unit, row));
                let level = |(unit, row)| if is_on(unit, row) { levels.scale() } else { 0 };
                let rows = (0..self.len()).flat_map(|row| levels.row(row).iter().copied().chain(group(row).map(level)));
                Values::Levels(Levels::new(units + classes, levels.scale(), rows.collect())?)
            }
            Values::Reals(_) => Values::Reals(numbers()),
            Values::Numbers(_) => Values::Numbers(numbers()),
        };
        let joined = Self::new(values, self.labels().map(<[u16]>::to_vec))?;
        let joined = joined.with_readings(self.readings().to_vec()).with_threshold(self.threshold());
        match self.weights() {
            Some(weights) => Ok(joined.with_weights(weights.to_vec())?.with_effective_rows(self.effective_rows())),
            None => Ok(joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six rows of two units, of every kind of values, with labels 0, 1, 2, 0, 1, 2.
    fn kinds() -> [Values; 3] {
        let on = |unit: usize, row: usize| (unit + row).is_multiple_of(2);
        let levels = (0..6).flat_map(|row| (0..2).map(move |unit| 3 * u8::from(on(unit, row)))).collect();
        [
            Values::Bits(BitMatrix::from_fn(2, 6, on)),
            Values::Levels(Levels::new(2, 4, levels).unwrap()),
            Values::Reals(Matrix::from_fn(2, 6, |unit, row| 0.75 * f32::from(u8::from(on(unit, row))))),
        ]
    }

    fn dataset(values: Values, labels: Option<Vec<u16>>) -> Dataset {
        let split = Split::new(values, labels).unwrap();
        Dataset::new("rows", split.clone(), split.clone(), split).unwrap()
    }

    #[test]
    fn law_label_units_stand_after_the_others_in_every_kind_of_values() {
        for values in kinds() {
            let joined = dataset(values.clone(), Some(vec![0, 1, 2, 0, 1, 2])).with_label_units(3).unwrap();
            for row in 0..6 {
                let found: Vec<f32> = (0..5).map(|unit| joined.train.values().mean(unit, row)).collect();
                assert_eq!(found[..2], [values.mean(0, row), values.mean(1, row)]);
                assert_eq!(found[2..], [0, 1, 2].map(|class| f32::from(u8::from(class == row % 3))));
            }
            for binarise in [Binarise::Fixed(3), Binarise::Threshold(0.5), Binarise::Threshold(0.0)] {
                let bits = joined.valid.to_bits(binarise).unwrap();
                assert!((0..6).all(|row| (0..3).all(|class| bits.get(2 + class, row) == (class == row % 3))));
            }
        }
    }

    #[test]
    fn rejects_data_without_labels_and_labels_out_of_range() {
        let [bits, ..] = kinds();
        let bare = dataset(bits.clone(), None);
        assert_eq!(bare.classes().unwrap_err().to_string(), "rows: the train split has no labels");
        assert!(matches!(bare.with_label_units(3), Err(Error::NoLabels { .. })));
        let labelled = dataset(bits.clone(), Some(vec![0, 1, 2, 0, 1, 2]));
        let error = labelled.with_label_units(2).unwrap_err().to_string();
        assert_eq!(error, "rows: row 3 of the train split has label 2, allowed: below 2");
        let error = labelled.with_label_units(1).unwrap_err().to_string();
        assert_eq!(error, "Dataset::with_label_units: `classes` is 1, allowed: 2 or more");
        let train = labelled.train.clone();
        let no_test = Dataset::new("rows", train.clone(), train, Split::new(bits, None).unwrap()).unwrap();
        let joined = no_test.with_label_units(3).unwrap();
        assert!((0..6).all(|row| (2..5).all(|unit| joined.test.values().mean(unit, row) == 0.0)));
    }
}
