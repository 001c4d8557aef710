//! Binary examples from grey levels, by a threshold, drawn once, or drawn anew in every batch.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use gm_core::{BitMatrix, Error as CoreError, Purpose, Streams};
use rand::Rng;
use rayon::prelude::*;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::error::{Error, Likely, Result};
use crate::split::{Levels, Split, Values, check_range};

/// How grey levels become zeros and ones. Data that are 0 and 1 already stay as they are.
///
/// Written `none`, `threshold[:0.5]`, `fixed[:SEED]` or `dynamic`.
///
/// # Examples
///
/// ```
/// use gm_data::Binarise;
///
/// assert_eq!("threshold".parse::<Binarise>()?, Binarise::Threshold(0.5));
/// assert_eq!("fixed:7".parse::<Binarise>()?, Binarise::Fixed(7));
/// assert_eq!(Binarise::Dynamic.to_string(), "dynamic");
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum Binarise {
    /// No binarisation; the data must be 0 and 1.
    None,
    /// A unit is 1 if its value is greater than the threshold.
    Threshold(f32),
    /// Each unit is drawn once, with its value as the probability of 1, so an example always has the same bits.
    Fixed(u64),
    /// Each unit is drawn anew in every batch, with its value as the probability of 1.
    Dynamic,
}

const WORDS: [&str; 4] = ["none", "threshold", "fixed", "dynamic"];

impl FromStr for Binarise {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        let refuse = |allowed| CoreError::Param { op: "Binarise", arg: "binarise", value: text.into(), allowed };
        match (word, argument) {
            ("none", None) => Ok(Self::None),
            ("dynamic", None) => Ok(Self::Dynamic),
            ("threshold", None) => Ok(Self::Threshold(0.5)),
            ("fixed", None) => Ok(Self::Fixed(0)),
            ("threshold", Some(level)) => match level.parse() {
                Ok(level) if f32::is_finite(level) => Ok(Self::Threshold(level)),
                _ => Err(refuse("threshold:T with a finite number T").into()),
            },
            ("fixed", Some(seed)) => {
                Ok(Self::Fixed(seed.parse().map_err(|_| refuse("fixed:SEED with a whole number SEED"))?))
            }
            ("none" | "dynamic", Some(_)) => Err(refuse("none and dynamic without an argument").into()),
            _ => Err(CoreError::unknown("binarisation", word, &WORDS).into()),
        }
    }
}

impl fmt::Display for Binarise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Threshold(level) => write!(f, "threshold:{level}"),
            Self::Fixed(seed) => write!(f, "fixed:{seed}"),
            Self::Dynamic => f.write_str("dynamic"),
        }
    }
}

/// A binarisation as reports name it, with the meaning of its threshold.
///
/// Bytes are grey levels, and a threshold compares their share of the scale: `threshold:0.5 of 255`. Other numbers are
/// compared as they are: `threshold:127`. Data that were zeros and ones have `none`.
///
/// # Examples
///
/// ```
/// use gm_data::{Binarisation, Binarise, Dataset};
///
/// let digits = Dataset::builtin("digits")?.test;
/// assert_eq!(digits.binarisation(Binarise::Threshold(0.25)).to_string(), "threshold:0.25 of 16");
/// assert_eq!(digits.binarisation(Binarise::Fixed(3)), Binarise::Fixed(3).into());
/// let bars = Dataset::builtin("bars-and-stripes:3")?.test;
/// assert_eq!(bars.binarisation(Binarise::Threshold(0.25)), Binarisation::default());
/// # Ok::<(), gm_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binarisation {
    /// The way in which values became zeros and ones.
    pub how: Binarise,
    /// The level that stands for 1, if a threshold was compared with shares of it.
    pub scale: Option<u8>,
}

impl Default for Binarisation {
    /// Values that were zeros and ones.
    fn default() -> Self {
        Binarise::None.into()
    }
}

impl From<Binarise> for Binarisation {
    fn from(how: Binarise) -> Self {
        Self { how, scale: None }
    }
}

impl fmt::Display for Binarisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scale {
            Some(scale) => write!(f, "{} of {scale}", self.how),
            None => self.how.fmt(f),
        }
    }
}

impl Split {
    /// The binarisation behind zeros and ones that `binarise` makes of these examples, or that loading has made.
    #[must_use]
    pub fn binarisation(&self, binarise: Binarise) -> Binarisation {
        match (self.values(), self.threshold()) {
            (Values::Bits(_), Some(threshold)) => Binarise::Threshold(threshold).into(),
            (Values::Bits(_), None) => Binarisation::default(),
            (Values::Levels(levels), _) if matches!(binarise, Binarise::Threshold(_)) => {
                Binarisation { how: binarise, scale: Some(levels.scale()) }
            }
            _ => binarise.into(),
        }
    }

    /// Refuses a threshold that no probability or every probability exceeds.
    pub(super) fn check_threshold(&self, name: &str, binarise: Option<Binarise>) -> Result<()> {
        let Some(Binarise::Threshold(threshold)) = binarise else { return Ok(()) };
        let allowed = "give a threshold of 0 or more and below 1";
        let remedy = match self.values() {
            _ if (0.0..1.0).contains(&threshold) => return Ok(()),
            Values::Bits(_) | Values::Numbers(_) => return Ok(()),
            Values::Reals(_) => format!("the values lie between 0 and 1; {allowed}"),
            Values::Levels(levels) => {
                let scale = f32::from(levels.scale());
                let share = (1000.0 * threshold / scale).round() / 1000.0;
                let such = if (0.0..1.0).contains(&share) && threshold > 1.0 {
                    format!(", such as threshold:{share} for {threshold} of {scale}")
                } else {
                    String::new()
                };
                format!("grey levels are divided by {scale} before they are compared; {allowed}{such}")
            }
        };
        Err(Error::threshold(name, threshold, threshold >= 1.0, remedy))
    }

    /// The default of training: binary data stay as they are, other data are drawn anew in every batch.
    #[must_use]
    pub fn training_binarise(&self) -> Binarise {
        if self.is_binary() { Binarise::None } else { Binarise::Dynamic }
    }

    /// The default of evaluation: binary data stay as they are, other data are drawn once with seed 0.
    #[must_use]
    pub fn evaluation_binarise(&self) -> Binarise {
        if self.is_binary() { Binarise::None } else { Binarise::Fixed(0) }
    }

    /// Binary values of the chosen examples, [units, rows].
    ///
    /// # Randomness
    ///
    /// A pixel takes a word of 32 bits and is 1 if the word is below `2^32 p`. The probability p = level / scale is met
    /// to within 2^-32, and levels 0 and `scale` are exact. `Dynamic` reads `streams`, which the caller forks for each
    /// step: units 64 w to 64 w + 63 of all samples come from stream w. `Fixed(seed)` does not read `streams`: an
    /// example's pixels depend only on the seed, the split and the example's row.
    ///
    /// # Errors
    ///
    /// [`Error::GreyLevels`] when the data are not binary and `binarise` is `None`, [`Error::OutOfRange`] for numbers
    /// outside 0..1 unless `binarise` is a threshold.
    ///
    /// # Panics
    ///
    /// When a row is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Purpose, Streams};
    /// use gm_data::{Binarise, Dataset};
    ///
    /// let train = Dataset::builtin("digits")?.train;
    /// let step = Streams::new(0).fork(Purpose::Binarise, 12);
    /// let batch = train.binary_batch(&[4, 8, 4], Binarise::Dynamic, &step)?;
    /// assert_eq!((batch.units(), batch.samples()), (64, 3));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn binary_batch(&self, rows: &[u32], binarise: Binarise, streams: &Streams) -> Result<BitMatrix> {
        let chosen = || rows.iter().map(|&row| row as usize).collect::<Vec<_>>();
        match self.values() {
            Values::Bits(bits) => Ok(bits.select(&chosen())),
            Values::Levels(levels) => {
                let limits = limits(levels.scale());
                let limits_of =
                    |row, units: Range<usize>| levels.row(row)[units].iter().map(|&level| limits[level as usize]);
                self.binarised(&chosen(), binarise, streams, limits_of, level_above(levels))
            }
            Values::Reals(means) | Values::Numbers(means) => {
                if matches!(self.values(), Values::Numbers(_)) && !matches!(binarise, Binarise::Threshold(_)) {
                    check_range("data", means, Likely::Unscaled)?;
                }
                let column = |row: usize| &means.as_slice()[row * means.nrows()..(row + 1) * means.nrows()];
                let limits_of = |row, units: Range<usize>| column(row)[units].iter().map(|&mean| limit(mean));
                self.binarised(&chosen(), binarise, streams, limits_of, |t, row, unit| column(row)[unit] > t)
            }
        }
    }

    /// Binary values of all examples, [units, samples].
    ///
    /// # Errors
    ///
    /// [`Error::GreyLevels`] when the data are not binary and `binarise` is `None` or `Dynamic`, which
    /// have no single answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Binarise, Dataset};
    ///
    /// let test = Dataset::builtin("digits")?.test;
    /// let bits = test.to_bits(Binarise::Fixed(0))?;
    /// assert_eq!(bits.samples(), 299);
    /// assert!(test.to_bits(Binarise::None).is_err());
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn to_bits(&self, binarise: Binarise) -> Result<BitMatrix> {
        if let Values::Bits(bits) = self.values() {
            return Ok(bits.clone());
        }
        if binarise == Binarise::Dynamic {
            let allowed = "threshold[:T], fixed[:SEED]";
            return Err(Error::GreyLevels { op: "Split::to_bits", value: binarise.to_string(), allowed });
        }
        let rows: Vec<u32> = (0..self.len() as u32).collect();
        self.binary_batch(&rows, binarise, &Streams::new(0))
    }

    fn binarised<I: Iterator<Item = u64>>(
        &self,
        rows: &[usize],
        binarise: Binarise,
        streams: &Streams,
        limits_of: impl Fn(usize, Range<usize>) -> I + Sync,
        above: impl Fn(f32, usize, usize) -> bool,
    ) -> Result<BitMatrix> {
        match binarise {
            Binarise::None => {
                let allowed = "threshold[:T], fixed[:SEED], dynamic";
                Err(Error::GreyLevels { op: "Split::binary_batch", value: binarise.to_string(), allowed })
            }
            Binarise::Threshold(t) => {
                Ok(BitMatrix::from_fn(self.units(), rows.len(), |unit, sample| above(t, rows[sample], unit)))
            }
            Binarise::Fixed(seed) => {
                let streams = Streams::new(seed).fork(Purpose::Binarise, self.origin());
                Ok(draw_by_row(self.units(), rows, &streams, limits_of))
            }
            Binarise::Dynamic => Ok(draw_by_word(self.units(), rows, streams, limits_of)),
        }
    }
}

/// Whether a level exceeds a threshold.
fn level_above(levels: &Levels) -> impl Fn(f32, usize, usize) -> bool {
    move |threshold, row, unit| levels.mean(unit, row) > threshold
}

/// The limit below which a random word of 32 bits makes a unit 1.
fn limit(mean: f32) -> u64 {
    (f64::from(mean) * TWO_32) as u64
}

const TWO_32: f64 = 4_294_967_296.0;

/// The limit of each level. It is an integer quotient, so that it is the same on every processor.
fn limits(scale: u8) -> [u64; 256] {
    std::array::from_fn(|level| ((level as u64) << 32) / u64::from(scale))
}

/// Draws the bits of a batch, 64 units of all samples from one stream.
fn draw_by_word<I: Iterator<Item = u64>>(
    units: usize,
    rows: &[usize],
    streams: &Streams,
    limits_of: impl Fn(usize, Range<usize>) -> I + Sync,
) -> BitMatrix {
    let mut words = vec![0; units.div_ceil(64) * rows.len()];
    words.par_chunks_mut(rows.len().max(1)).enumerate().for_each(|(w, to)| {
        let mut stream = streams.stream(w as u64);
        let range = 64 * w..units.min(64 * (w + 1));
        let mut noise = [0; 256];
        for (to, &row) in to.iter_mut().zip(rows) {
            let noise = &mut noise[..4 * range.len()];
            stream.fill_bytes(noise);
            *to = pack(limits_of(row, range.clone()), noise);
        }
    });
    BitMatrix::from_words(units, rows.len(), words).expect("words of the units drawn")
}

/// Draws the bits of a batch, each example from the stream of its row.
fn draw_by_row<I: Iterator<Item = u64>>(
    units: usize,
    rows: &[usize],
    streams: &Streams,
    limits_of: impl Fn(usize, Range<usize>) -> I + Sync,
) -> BitMatrix {
    let draw = |&row: &usize| -> Vec<u64> {
        let mut noise = vec![0; 4 * units];
        streams.stream(row as u64).fill_bytes(&mut noise);
        noise
            .chunks(256)
            .enumerate()
            .map(|(w, noise)| pack(limits_of(row, 64 * w..64 * w + noise.len() / 4), noise))
            .collect()
    };
    let drawn: Vec<Vec<u64>> = rows.par_iter().map(draw).collect();
    let words = (0..units.div_ceil(64)).flat_map(|w| drawn.iter().map(move |words| words[w])).collect();
    BitMatrix::from_words(units, rows.len(), words).expect("words of the units drawn")
}

/// Packs up to 64 bits, each of which is 1 if its random word is below its limit.
fn pack(limits: impl Iterator<Item = u64>, noise: &[u8]) -> u64 {
    let noise = noise.as_chunks::<4>().0.iter().map(|&bytes| u64::from(u32::from_le_bytes(bytes)));
    limits.zip(noise).enumerate().fold(0, |word, (i, (limit, noise))| word | u64::from(noise < limit) << i)
}
