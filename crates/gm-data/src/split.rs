//! One split of a data set: its examples, their labels and their shape as pictures.

use gm_core::{BitMatrix, Error as CoreError, Matrix, Purpose, Streams, check_len};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use crate::error::{Error, Likely, Result};
use crate::reading::Reading;

/// Grey levels of one byte, where level / scale is the probability that the unit is 1.
///
/// # Examples
///
/// ```
/// use gm_data::Levels;
///
/// let levels = Levels::new(2, 16, vec![0, 16, 8, 4])?;
/// assert_eq!((levels.units(), levels.samples()), (2, 2));
/// assert_eq!(levels.mean(1, 1), 0.25);
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    units: usize,
    scale: u8,
    data: Vec<u8>,
}

impl Levels {
    /// Takes the levels of all units of the first example, then of the second, and so on.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for no units, a scale of 0 or a level above the scale,
    /// [`gm_core::Error::Shape`] when the last example is incomplete.
    pub fn new(units: usize, scale: u8, data: Vec<u8>) -> Result<Self> {
        const OP: &str = "Levels::new";
        let refuse =
            |arg, value: usize, allowed| Err(CoreError::Param { op: OP, arg, value: value.to_string(), allowed });
        if units == 0 {
            return Ok(refuse("units", 0, "1 or more")?);
        }
        check_len(OP, "data", "length", data.len(), data.len().next_multiple_of(units))?;
        let highest = data.iter().copied().max().unwrap_or(0);
        if scale == 0 {
            return Ok(refuse("scale", 0, "1 or more")?);
        }
        if highest > scale {
            return Ok(refuse("data", highest.into(), "levels up to the scale")?);
        }
        Ok(Self { units, scale, data })
    }

    /// Number of units of an example.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of examples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.data.len() / self.units
    }

    /// The level that stands for probability 1.
    #[must_use]
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// The levels of one example, one for each unit.
    ///
    /// # Panics
    ///
    /// When `sample` is out of range.
    #[must_use]
    pub fn row(&self, sample: usize) -> &[u8] {
        &self.data[sample * self.units..(sample + 1) * self.units]
    }

    /// The probability that a unit is 1: level / scale.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    #[must_use]
    pub fn mean(&self, unit: usize, sample: usize) -> f32 {
        f32::from(self.row(sample)[unit]) / f32::from(self.scale)
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }
}

/// The values of a split, kept in the smallest form that they allow.
///
/// # Examples
///
/// ```
/// use gm_core::Matrix;
/// use gm_data::{Split, Values};
///
/// let grey = Matrix::from_row_slice(1, 2, &[0.25, 2.0]);
/// assert_eq!(Values::Numbers(grey.clone()).mean(0, 1), 2.0);
/// let error = Split::new(Values::Reals(grey), None).unwrap_err().to_string();
/// assert!(error.starts_with("Split::new: value 2 at row 2, column 1 lies outside 0..1"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Zeros and ones, one bit a value.
    Bits(BitMatrix),
    /// Grey levels, one byte a value.
    Levels(Levels),
    /// Probabilities, [units, samples].
    Reals(Matrix),
    /// Numbers of any size, which no binarisation applies to, [units, samples].
    Numbers(Matrix),
}

impl Values {
    /// Number of units of an example.
    #[must_use]
    pub fn units(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.units(),
            Self::Levels(levels) => levels.units(),
            Self::Reals(values) | Self::Numbers(values) => values.nrows(),
        }
    }

    /// Number of examples.
    #[must_use]
    pub fn samples(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.samples(),
            Self::Levels(levels) => levels.samples(),
            Self::Reals(values) | Self::Numbers(values) => values.ncols(),
        }
    }

    /// The probability that a unit is 1, or the number itself for numbers of any size.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    #[must_use]
    pub fn mean(&self, unit: usize, sample: usize) -> f32 {
        match self {
            Self::Bits(bits) => f32::from(u8::from(bits.get(unit, sample))),
            Self::Levels(levels) => levels.mean(unit, sample),
            Self::Reals(values) | Self::Numbers(values) => values[(unit, sample)],
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Bits(bits) => Self::Bits(bits.select(rows)),
            Self::Levels(levels) => {
                let data = rows.iter().flat_map(|&row| levels.row(row)).copied().collect();
                Self::Levels(Levels { units: levels.units, scale: levels.scale, data })
            }
            Self::Reals(means) => Self::Reals(means.select_columns(rows)),
            Self::Numbers(numbers) => Self::Numbers(numbers.select_columns(rows)),
        }
    }
}

/// Examples of binary data, of probabilities from which binary data are drawn, or of numbers.
///
/// # Examples
///
/// ```
/// use gm_core::BitMatrix;
/// use gm_data::{Split, Values};
///
/// let bits = BitMatrix::from_fn(4, 10, |unit, sample| unit == sample % 4);
/// let split = Split::new(Values::Bits(bits), Some(vec![3; 10]))?;
/// assert_eq!((split.units(), split.len()), (4, 10));
/// assert_eq!(split.unit_means(), [0.3, 0.3, 0.2, 0.2]);
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    values: Values,
    labels: Option<Vec<u16>>,
    image: Option<(usize, usize)>,
    origin: u64,
    /// The weight of each example, 1 on average.
    weights: Option<Vec<f32>>,
    /// The sum of weights that are 1 for a row without similar ones.
    effective: Option<f64>,
    /// What readers made of the files.
    readings: Vec<Reading>,
    /// The threshold that made bits of numbers when they were loaded.
    threshold: Option<f32>,
}

impl Split {
    /// Joins examples and their labels.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`] without examples, [`gm_core::Error::Param`] without units or with more than
    /// 2^32 examples, [`Error::Labels`] when labels and examples differ in number,
    /// [`Error::OutOfRange`] when a probability is not in 0..1, [`Error::Missing`] for NaN, [`Error::NotFinite`] for an
    /// infinity.
    pub fn new(values: Values, labels: Option<Vec<u16>>) -> Result<Self> {
        Self::named("Split::new", values, labels)
    }

    pub(super) fn named(name: &str, values: Values, labels: Option<Vec<u16>>) -> Result<Self> {
        let rows = values.samples();
        if rows == 0 {
            return Err(Error::NoRows { name: name.into() });
        }
        if values.units() == 0 || u32::try_from(rows).is_err() {
            let value = format!("{} x {rows}", values.units());
            let allowed = "1 unit or more, fewer than 2^32 examples";
            return Err(CoreError::Param { op: "Split::new", arg: "values", value, allowed }.into());
        }
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != rows) {
            return Err(Error::Labels { name: name.into(), rows, labels: labels.len() });
        }
        match &values {
            Values::Reals(means) => check_range(name, means, Likely::Unscaled)?,
            Values::Numbers(numbers) => check_finite(name, numbers)?,
            Values::Bits(_) | Values::Levels(_) => {}
        }
        let readings = Vec::new();
        let (weights, effective) = (None, None);
        Ok(Self { values, labels, image: None, origin: 0, weights, effective, readings, threshold: None })
    }

    /// Says that units are the pixels of a picture, row by row.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] when `height * width` is not the number of units.
    pub fn with_image(mut self, height: usize, width: usize) -> Result<Self> {
        let pixels = height.saturating_mul(width);
        check_len("Split::with_image", "image", "pixels", pixels, self.units())?;
        self.image = Some((height, width));
        Ok(self)
    }

    /// Sets which split of its data set this is, so that splits never share binarisation noise.
    pub(super) fn with_origin(mut self, origin: u64) -> Self {
        self.origin = origin;
        self
    }

    pub(super) fn origin(&self) -> u64 {
        self.origin
    }

    /// Sets what readers made of the files.
    pub(super) fn with_readings(mut self, readings: Vec<Reading>) -> Self {
        self.readings = readings;
        self
    }

    /// What readers made of the lines and columns of the files that the examples come from, one entry for each table of
    /// text, and for each array with a column that rises from row to row.
    #[must_use]
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// The names of the columns of values, in order, where a header has a name for each.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{DataSpec, LoadOptions, load_rows};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("baskets.csv");
    /// std::fs::write(&path, "id,milk,label,bread\n1,0,2,1\n2,1,0,1\n")?;
    /// let rows = load_rows(&DataSpec::Path(path), &LoadOptions::default())?;
    /// assert_eq!(rows.column_names().expect("a header"), ["milk", "bread"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn column_names(&self) -> Option<Vec<String>> {
        let names = self.readings.first()?.value_names();
        let one_header = self.readings.iter().all(|reading| reading.value_names() == names);
        let fits = names.len() == self.units() && names.iter().all(|name| !name.is_empty());
        (one_header && fits).then_some(names)
    }

    /// Keeps the threshold that made bits of numbers.
    pub(super) fn with_threshold(mut self, threshold: Option<f32>) -> Self {
        self.threshold = threshold;
        self
    }

    pub(super) fn threshold(&self) -> Option<f32> {
        self.threshold
    }

    /// Number of examples.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a split is never empty")]
    pub fn len(&self) -> usize {
        self.values.samples()
    }

    /// Number of units of an example.
    #[must_use]
    pub fn units(&self) -> usize {
        self.values.units()
    }

    /// The values in the form in which they are kept.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The class of each example, if it is known.
    #[must_use]
    pub fn labels(&self) -> Option<&[u16]> {
        self.labels.as_deref()
    }

    /// Height and width, if an example is a picture.
    #[must_use]
    pub fn image(&self) -> Option<(usize, usize)> {
        self.image
    }

    /// Gives each example a weight in training; only their ratios matter.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] when there is not one weight for each example, [`gm_core::Error::Param`] for a weight
    /// that is negative or not finite, or when all are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    /// use gm_data::{Split, Values};
    ///
    /// let bits = BitMatrix::from_fn(1, 4, |_, sample| sample == 0);
    /// let split = Split::new(Values::Bits(bits), None)?.with_weights(vec![3.0, 1.0, 1.0, 1.0])?;
    /// assert_eq!((split.weights(), split.unit_means()), (Some(&[2.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0][..]), vec![0.5]));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn with_weights(mut self, weights: Vec<f32>) -> Result<Self> {
        const OP: &str = "Split::with_weights";
        check_len(OP, "weights", "length", weights.len(), self.len())?;
        let refuse = |value, allowed| CoreError::Param { op: OP, arg: "weights", value, allowed };
        if let Some(row) = weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            let value = format!("{} in row {}", weights[row], row + 1);
            return Err(refuse(value, "finite numbers of 0 or more").into());
        }
        let mean = weights.iter().map(|&weight| f64::from(weight)).sum::<f64>() / weights.len() as f64;
        if mean == 0.0 {
            return Err(refuse("0 in every row".into(), "at least one above 0").into());
        }
        self.weights = Some(weights.into_iter().map(|weight| (f64::from(weight) / mean) as f32).collect());
        self.effective = None;
        Ok(self)
    }

    /// Keeps the effective number of rows that weights stand for.
    pub(super) fn with_effective_rows(mut self, effective: Option<f64>) -> Self {
        self.effective = effective;
        self
    }

    /// The sum of the weights of [`with_identity_weights`](Self::with_identity_weights) before they are scaled: the number
    /// of rows that the similar ones amount to. Other weights have no such number.
    #[must_use]
    pub fn effective_rows(&self) -> Option<f64> {
        self.effective
    }

    /// The weight of each example, 1 on average, if they differ.
    #[must_use]
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Whether all values are 0 or 1, so that nothing has to be binarised.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self.values, Values::Bits(_))
    }

    /// The chosen examples, in the given order.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`] when none is chosen.
    ///
    /// # Panics
    ///
    /// When a row is out of range.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let labels = self.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect());
        let chosen = Self::named("Split::select", self.values.select(rows), labels)?;
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect());
        let (image, origin, threshold, readings) = (self.image, self.origin, self.threshold, self.readings.clone());
        Ok(Self { image, origin, weights, readings, threshold, ..chosen })
    }

    /// The probabilities of the chosen examples, [units, rows]. Binary data and numbers stay as they are.
    ///
    /// # Panics
    ///
    /// When a row is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// let digits = gm_data::Dataset::builtin("digits")?;
    /// let means = digits.train.to_matrix(&[0, 1]);
    /// assert_eq!(means.shape(), (64, 2));
    /// assert_eq!(means[(2, 0)], 5.0 / 16.0);
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    #[must_use]
    pub fn to_matrix(&self, rows: &[u32]) -> Matrix {
        match &self.values {
            Values::Levels(levels) => {
                let scale = f32::from(levels.scale);
                let means =
                    rows.iter().flat_map(|&row| levels.row(row as usize)).map(|&level| f32::from(level) / scale);
                Matrix::from_iterator(levels.units, rows.len(), means)
            }
            values => Matrix::from_fn(self.units(), rows.len(), |unit, i| values.mean(unit, rows[i] as usize)),
        }
    }

    /// The mean of each unit over all examples, in which each example counts with its weight.
    #[must_use]
    pub fn unit_means(&self) -> Vec<f32> {
        match &self.weights {
            Some(weights) => self.weighted_means(weights),
            None => self.plain_means(),
        }
    }

    fn plain_means(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.units()];
        match &self.values {
            Values::Bits(bits) => {
                sums = bits.unit_counts().into_iter().map(|count| count as f64).collect();
            }
            Values::Levels(levels) => {
                let scale = f64::from(levels.scale);
                for row in levels.data.chunks_exact(levels.units) {
                    sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += f64::from(level));
                }
                sums.iter_mut().for_each(|sum| *sum /= scale);
            }
            Values::Reals(values) | Values::Numbers(values) => {
                for row in values.column_iter() {
                    sums.iter_mut().zip(row.iter()).for_each(|(sum, &mean)| *sum += f64::from(mean));
                }
            }
        }
        sums.into_iter().map(|sum| (sum / self.len() as f64) as f32).collect()
    }

    /// The order in which an epoch visits the examples; see [`epoch_order`].
    #[must_use]
    pub fn epoch_order(&self, streams: &Streams, epoch: u64) -> Vec<u32> {
        epoch_order(self.len() as u32, streams, epoch)
    }

    /// Means of all units for weights that are 1 on average.
    pub(super) fn weighted_means(&self, weights: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; self.units()];
        for (row, &weight) in weights.iter().enumerate() {
            let means = self.to_matrix(&[row as u32]);
            sums.iter_mut().zip(&means).for_each(|(sum, &mean)| *sum += f64::from(weight) * f64::from(mean));
        }
        sums.into_iter().map(|sum: f64| (sum / self.len() as f64) as f32).collect()
    }

    /// Adds all values, in order, to a digest.
    pub fn digest_into(&self, digest: &mut Sha256) {
        let kind = match &self.values {
            Values::Bits(_) => 0,
            Values::Levels(levels) => u64::from(levels.scale),
            Values::Reals(_) => 256,
            Values::Numbers(_) => 257,
        };
        [kind, self.units() as u64, self.len() as u64].iter().for_each(|n| digest.update(n.to_le_bytes()));
        match &self.values {
            Values::Bits(bits) => bits.words().iter().for_each(|word| digest.update(word.to_le_bytes())),
            Values::Levels(levels) => digest.update(&levels.data),
            Values::Reals(values) | Values::Numbers(values) => {
                values.iter().for_each(|value| digest.update(value.to_le_bytes()));
            }
        }
        self.weights.iter().flatten().for_each(|weight| digest.update(weight.to_le_bytes()));
    }

    /// The examples of several splits, one after the other.
    pub(super) fn concat(parts: &[&Self]) -> Result<Self> {
        let labels: Option<Vec<&[u16]>> = parts.iter().map(|part| part.labels()).collect();
        let image = parts.first().and_then(|part| part.image);
        let joined = Self::named("data", concat_values(parts), labels.map(|labels| labels.concat()))?;
        let mut readings: Vec<Reading> = parts.iter().flat_map(|part| &part.readings).cloned().collect();
        readings.dedup();
        let threshold = parts.first().and_then(|part| part.threshold);
        Ok(Self { image, origin: ALL_ROWS, readings, threshold, ..joined })
    }
}

/// The origin of a split that holds all rows of its source.
pub(super) const ALL_ROWS: u64 = 3;

fn concat_values(parts: &[&Split]) -> Values {
    let bits: Option<Vec<&BitMatrix>> =
        parts.iter().map(|part| if let Values::Bits(bits) = &part.values { Some(bits) } else { None }).collect();
    if let Some(bits) = bits {
        return Values::Bits(concat_bits(&bits));
    }
    let levels: Option<Vec<&Levels>> =
        parts.iter().map(|part| if let Values::Levels(levels) = &part.values { Some(levels) } else { None }).collect();
    match levels {
        Some(levels) if levels.iter().all(|part| part.scale == levels[0].scale) => {
            let data = levels.iter().flat_map(|part| &part.data).copied().collect();
            Values::Levels(Levels { units: levels[0].units, scale: levels[0].scale, data })
        }
        _ => {
            let units = parts.first().map_or(0, |part| part.units());
            let rows: Vec<(&Split, usize)> =
                parts.iter().flat_map(|&part| (0..part.len()).map(move |row| (part, row))).collect();
            let values = Matrix::from_fn(units, rows.len(), |unit, i| rows[i].0.values.mean(unit, rows[i].1));
            let numbers = parts.iter().any(|part| matches!(part.values, Values::Numbers(_)));
            if numbers { Values::Numbers(values) } else { Values::Reals(values) }
        }
    }
}

fn concat_bits(parts: &[&BitMatrix]) -> BitMatrix {
    let units = parts.first().map_or(0, |part| part.units());
    let samples = parts.iter().map(|part| part.samples()).sum();
    let words =
        (0..units.div_ceil(64)).flat_map(|w| parts.iter().flat_map(move |part| part.word(w))).copied().collect();
    BitMatrix::from_words(units, samples, words).expect("words of batches with equally many units")
}

pub(super) fn check_range(name: &str, means: &Matrix, likely: Likely) -> Result<()> {
    let Some((row, column, value)) = first(means, |mean| !(0.0..=1.0).contains(&mean)) else { return Ok(()) };
    // No scale and no threshold helps values that are not finite, so they are told first.
    check_finite(name, means)?;
    Err(Error::OutOfRange { name: name.into(), row, column, value, likely })
}

fn check_finite(name: &str, numbers: &Matrix) -> Result<()> {
    match first(numbers, |number| !number.is_finite()) {
        None => Ok(()),
        Some((row, column, value)) if value.is_nan() => {
            Err(Error::Missing { name: name.into(), row, column, value: "NaN".into() })
        }
        Some((row, column, value)) => Err(Error::NotFinite { name: name.into(), row, column, value }),
    }
}

/// The row and the column, from 1, of the first value for which `is` holds, and the value.
pub(super) fn first(values: &Matrix, is: impl Fn(f32) -> bool) -> Option<(usize, usize, f32)> {
    let i = values.as_slice().iter().position(|&value| is(value))?;
    Some((i / values.nrows() + 1, i % values.nrows() + 1, values.as_slice()[i]))
}

/// A permutation of all rows, which is another one in every epoch.
///
/// # Randomness
///
/// Stream 0 of the family (Shuffle, epoch).
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
///
/// let streams = Streams::new(1);
/// let mut order = gm_data::epoch_order(5, &streams, 0);
/// assert_eq!(order, gm_data::epoch_order(5, &streams, 0));
/// order.sort();
/// assert_eq!(order, [0, 1, 2, 3, 4]);
/// ```
#[must_use]
pub fn epoch_order(rows: u32, streams: &Streams, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows).collect();
    order.shuffle(&mut streams.fork(Purpose::Shuffle, epoch).stream(0));
    order
}
