//! Bit-packed binary states of many samples.

use rayon::prelude::*;

use crate::error::{Error, Result, check_len};
use crate::kernels;
use crate::stack::Matrix;

/// The number of units in one word.
pub(crate) const WORD: usize = 64;

/// A batch of binary states, `[units, samples]`, with 64 units in a word.
///
/// Word `w` of all samples is contiguous, so that a kernel that reads or writes 64 units of a block of samples touches
/// one slice. Bits past the last unit are zero.
///
/// # Examples
///
/// ```
/// use gm_core::BitMatrix;
///
/// let mut v = BitMatrix::zeros(100, 3);
/// v.set(99, 2, true);
/// assert!(v.get(99, 2));
/// assert_eq!(v.ones(), 1);
/// assert_eq!(v.to_matrix()[(99, 2)], 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMatrix {
    units: usize,
    samples: usize,
    words: Vec<u64>,
}

impl BitMatrix {
    /// A batch with all units off.
    #[must_use]
    pub fn zeros(units: usize, samples: usize) -> Self {
        Self { units, samples, words: vec![0; units.div_ceil(WORD) * samples] }
    }

    /// A batch with the state that a function returns for each (unit, sample).
    #[must_use]
    pub fn from_fn(units: usize, samples: usize, mut state: impl FnMut(usize, usize) -> bool) -> Self {
        let mut bits = Self::zeros(units, samples);
        for sample in 0..samples {
            for unit in 0..units {
                if state(unit, sample) {
                    bits.set(unit, sample, true);
                }
            }
        }
        bits
    }

    /// Packs a matrix of zeros and ones.
    ///
    /// # Shapes
    ///
    /// `values` is `[units, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotBinary`] for any other number.
    pub fn from_matrix(values: &Matrix) -> Result<Self> {
        for (i, &value) in values.as_slice().iter().enumerate() {
            if value != 0.0 && value != 1.0 {
                let (unit, sample) = (i % values.nrows(), i / values.nrows());
                return Err(Error::NotBinary { op: "BitMatrix::from_matrix", arg: "values", unit, sample, value });
            }
        }
        Ok(Self::from_fn(values.nrows(), values.ncols(), |unit, sample| values[(unit, sample)] == 1.0))
    }

    /// Builds a batch from its words, in the order of [`words`](Self::words).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a wrong number of words, [`Error::Param`] when bits past the last unit are set.
    pub fn from_words(units: usize, samples: usize, words: Vec<u64>) -> Result<Self> {
        const OP: &str = "BitMatrix::from_words";
        let expected = units.div_ceil(WORD).saturating_mul(samples);
        check_len(OP, "words", "length", words.len(), expected)?;
        let bits = Self { units, samples, words };
        let last = units.div_ceil(WORD).saturating_sub(1);
        if units > 0 && bits.word(last).iter().any(|&w| w & !bits.mask(last) != 0) {
            return Err(Error::Param {
                op: OP,
                arg: "words",
                value: "nonzero past the last unit".into(),
                allowed: "zeros past the last unit",
            });
        }
        Ok(bits)
    }

    /// Units of a sample.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The number of words of one sample.
    #[must_use]
    pub fn words_per_sample(&self) -> usize {
        self.units.div_ceil(WORD)
    }

    /// All words: word 0 of every sample, then word 1 of every sample, and so on.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Word `w` (units 64 w to 64 w + 63) of every sample.
    ///
    /// # Panics
    ///
    /// When `w` is not below [`words_per_sample`](Self::words_per_sample).
    #[must_use]
    pub fn word(&self, w: usize) -> &[u64] {
        &self.words[w * self.samples..(w + 1) * self.samples]
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// The bits of word `w` that stand for units.
    #[must_use]
    pub(crate) fn mask(&self, w: usize) -> u64 {
        let used = (self.units - w * WORD).min(WORD);
        if used == WORD { u64::MAX } else { (1 << used) - 1 }
    }

    /// The state of one unit.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    #[must_use]
    pub fn get(&self, unit: usize, sample: usize) -> bool {
        assert!(unit < self.units && sample < self.samples, "unit or sample out of range");
        self.words[unit / WORD * self.samples + sample] >> (unit % WORD) & 1 == 1
    }

    /// Changes the state of one unit.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    pub fn set(&mut self, unit: usize, sample: usize, on: bool) {
        assert!(unit < self.units && sample < self.samples, "unit or sample out of range");
        let word = &mut self.words[unit / WORD * self.samples + sample];
        let bit = 1 << (unit % WORD);
        if on { *word |= bit } else { *word &= !bit }
    }

    /// The number of units that are on, over all samples.
    #[must_use]
    pub fn ones(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// The number of samples in which each unit is on, `[units]`.
    #[must_use]
    pub fn unit_counts(&self) -> Vec<u64> {
        self.transposed().ones_per_sample()
    }

    /// The number of units that are on in each sample, `[samples]`.
    #[must_use]
    pub fn ones_per_sample(&self) -> Vec<u64> {
        let mut counts = vec![0; self.samples];
        for w in 0..self.words_per_sample() {
            for (count, word) in counts.iter_mut().zip(self.word(w)) {
                *count += u64::from(word.count_ones());
            }
        }
        counts
    }

    /// sum over units of weight times state, `[samples]`, in double precision.
    ///
    /// # Panics
    ///
    /// When the number of weights is not the number of units.
    #[must_use]
    pub fn weighted_sums(&self, weights: &[f64]) -> Vec<f64> {
        assert_eq!(weights.len(), self.units, "a weight for each unit");
        let mut sums = vec![0.0; self.samples];
        for (w, weights) in weights.chunks(WORD).enumerate() {
            for (sum, &word) in sums.iter_mut().zip(self.word(w)) {
                let mut rest = word;
                while rest != 0 {
                    *sum += weights[rest.trailing_zeros() as usize];
                    rest &= rest - 1;
                }
            }
        }
        sums
    }

    /// The states as zeros and ones, `[units, samples]`.
    #[must_use]
    pub fn to_matrix(&self) -> Matrix {
        Matrix::from_fn(self.units, self.samples, |unit, sample| f32::from(u8::from(self.get(unit, sample))))
    }

    /// The given samples, in the given order.
    ///
    /// # Panics
    ///
    /// When a sample is out of range.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        let mut chosen = Self::zeros(self.units, samples.len());
        for w in 0..self.words_per_sample() {
            let from = self.word(w);
            let to = &mut chosen.words[w * samples.len()..(w + 1) * samples.len()];
            for (to, &sample) in to.iter_mut().zip(samples) {
                *to = from[sample];
            }
        }
        chosen
    }

    /// The same samples with `more` units appended, all off.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let wider = BitMatrix::from_fn(63, 2, |_, _| true).widened(3);
    /// assert_eq!((wider.units(), wider.get(62, 1), wider.get(63, 1)), (66, true, false));
    /// ```
    #[must_use]
    pub fn widened(&self, more: usize) -> Self {
        let mut wider = Self::zeros(self.units + more, self.samples);
        wider.words[..self.words.len()].copy_from_slice(&self.words);
        wider
    }

    /// The same samples with the first `units` units only.
    ///
    /// # Panics
    ///
    /// When the batch has fewer units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let all = BitMatrix::from_fn(66, 2, |_, _| true);
    /// assert_eq!((all.narrowed(63).units(), all.narrowed(63).ones()), (63, 126));
    /// ```
    #[must_use]
    pub fn narrowed(&self, units: usize) -> Self {
        assert!(units <= self.units, "{units} units of {}", self.units);
        let mut first = Self::zeros(units, self.samples);
        let words = first.words.len();
        first.words.copy_from_slice(&self.words[..words]);
        if let Some(last) = first.words_per_sample().checked_sub(1) {
            let mask = first.mask(last);
            first.words[last * self.samples..].iter_mut().for_each(|word| *word &= mask);
        }
        first
    }

    /// Takes the states of `values` wherever `mask` is on.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let mut v = BitMatrix::zeros(2, 1);
    /// let ones = BitMatrix::from_fn(2, 1, |_, _| true);
    /// v.replace_where(&BitMatrix::from_fn(2, 1, |unit, _| unit == 1), &ones);
    /// assert_eq!((v.get(0, 0), v.get(1, 0)), (false, true));
    /// ```
    pub fn replace_where(&mut self, mask: &Self, values: &Self) {
        let shape = (self.units, self.samples);
        assert!((mask.units, mask.samples) == shape && (values.units, values.samples) == shape, "same shapes");
        for ((word, mask), value) in self.words.iter_mut().zip(&mask.words).zip(&values.words) {
            *word = *word & !mask | value & mask;
        }
    }

    /// The number of units that differ from another batch of the same shape, over all samples.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn differences(&self, other: &Self) -> u64 {
        assert!((self.units, self.samples) == (other.units, other.samples), "same shapes");
        self.words.iter().zip(&other.words).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
    }

    /// A copy with every unit flipped.
    #[must_use]
    pub fn flipped(&self) -> Self {
        let mut flipped = self.clone();
        for w in 0..self.words_per_sample() {
            let mask = self.mask(w);
            for word in &mut flipped.words[w * self.samples..(w + 1) * self.samples] {
                *word = !*word & mask;
            }
        }
        flipped
    }

    /// The transpose, with units and samples exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.samples, self.units);
        self.transpose_into(&mut out);
        out
    }

    /// Writes the transpose into a batch of the right shape.
    ///
    /// # Panics
    ///
    /// When `out` is not `[samples, units]`.
    pub fn transpose_into(&self, out: &mut Self) {
        assert!(out.units == self.samples && out.samples == self.units, "shape of the transpose");
        if self.words.is_empty() {
            return;
        }
        let units = self.units;
        out.words.par_chunks_mut(units).enumerate().for_each(|(block, to)| {
            let first = block * WORD;
            let count = (self.samples - first).min(WORD);
            for w in 0..self.words_per_sample() {
                let mut square = [0; WORD];
                square[..count].copy_from_slice(&self.word(w)[first..first + count]);
                kernels::transpose_square(&mut square);
                let used = (units - w * WORD).min(WORD);
                to[w * WORD..w * WORD + used].copy_from_slice(&square[..used]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(units: usize, samples: usize) -> BitMatrix {
        BitMatrix::from_fn(units, samples, |unit, sample| (unit * 7 + sample * 13 + unit * sample).is_multiple_of(5))
    }

    #[test]
    fn oracle_transpose_exchanges_indices() {
        for (units, samples) in [(1, 1), (64, 64), (65, 3), (130, 200), (3, 129)] {
            let bits = pattern(units, samples);
            let transposed = bits.transposed();
            for unit in 0..units {
                for sample in 0..samples {
                    assert_eq!(bits.get(unit, sample), transposed.get(sample, unit));
                }
            }
            assert_eq!(transposed.transposed(), bits);
        }
    }

    #[test]
    fn oracle_counts_and_flips() {
        let bits = pattern(70, 90);
        let counts = bits.unit_counts();
        for (unit, &count) in counts.iter().enumerate() {
            assert_eq!(count, (0..90).filter(|&s| bits.get(unit, s)).count() as u64);
        }
        assert_eq!(bits.flipped().ones(), 70 * 90 - bits.ones());
        assert_eq!(bits.flipped().flipped(), bits);
        assert_eq!(BitMatrix::from_matrix(&bits.to_matrix()).unwrap(), bits);
        let sums = bits.weighted_sums(&(0..70).map(f64::from).collect::<Vec<_>>());
        assert_eq!(sums[3], (0..70).filter(|&u| bits.get(u, 3)).sum::<usize>() as f64);
    }

    #[test]
    fn table_selection_keeps_order_and_empty_batches_work() {
        let bits = pattern(70, 9);
        let chosen = bits.select(&[8, 0, 8]);
        assert_eq!(
            (0..70).map(|u| chosen.get(u, 2)).collect::<Vec<_>>(),
            (0..70).map(|u| bits.get(u, 8)).collect::<Vec<_>>()
        );
        let empty = BitMatrix::zeros(5, 0);
        assert_eq!(empty.transposed().samples(), 5);
        assert_eq!(empty.unit_counts(), [0; 5]);
    }

    #[test]
    fn rejects_grey_levels_and_stray_bits() {
        let error = BitMatrix::from_matrix(&Matrix::from_row_slice(2, 2, &[0.0, 1.0, 1.0, 0.5])).unwrap_err();
        assert_eq!(error.to_string(), "BitMatrix::from_matrix: `values` is 0.5 at unit 1 of sample 1, allowed: 0 or 1");
        assert!(BitMatrix::from_words(3, 1, vec![8]).is_err());
        assert!(BitMatrix::from_words(3, 1, vec![7, 0]).is_err());
        assert!(BitMatrix::from_words(3, 1, vec![7]).is_ok());
    }
}
