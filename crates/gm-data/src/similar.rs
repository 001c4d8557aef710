//! The number of rows that are similar to each row, and weights from it.

use std::collections::HashMap;

use gm_core::Error as CoreError;
use rayon::prelude::*;

use crate::error::Result;
use crate::split::{Split, Values};

const OP: &str = "Split::with_identity_weights";

/// Number of rows that a task compares with all others.
const BLOCK: usize = 16;

impl Split {
    /// Gives each row the weight 1 / n, where n is the number of rows, itself included, whose share of equal positions is
    /// at least `identity`.
    ///
    /// A position is a value or, in one-hot data, a group of units. Rows that resemble many others, as sequences of
    /// closely related species do, then count less.
    ///
    /// # Numerics
    ///
    /// Counts are whole numbers, so that any number of threads gives the same bits. The time grows with the square of
    /// the number of distinct rows.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for an identity that is not above 0 and at most 1, and for values that are not zeros
    /// and ones or categories below 256.
    ///
    /// # Source
    ///
    /// `tubiana2019learning`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    /// use gm_data::{Split, Values};
    ///
    /// let rows = Matrix::from_column_slice(2, 3, &[4.0, 7.0, 4.0, 8.0, 1.0, 2.0]);
    /// let split = Split::new(Values::Numbers(rows), None)?.with_identity_weights(0.5)?;
    /// // The first two rows agree in one of two positions. Weights of 1/2, 1/2 and 1 are scaled to 1 on average.
    /// assert_eq!(split.effective_rows(), Some(2.0));
    /// assert_eq!(split.weights(), Some(&[0.75, 0.75, 1.5][..]));
    /// # Ok::<(), gm_data::Error>(())
    /// ```
    pub fn with_identity_weights(self, identity: f64) -> Result<Self> {
        check_identity(OP, identity)?;
        let counts = self.similar_rows(identity)?;
        let effective = counts.iter().map(|&count| 1.0 / f64::from(count)).sum();
        let weights = counts.iter().map(|&count| (1.0 / f64::from(count)) as f32).collect();
        Ok(self.with_weights(weights)?.with_effective_rows(Some(effective)))
    }

    /// The number of rows that are similar to each row, itself included.
    fn similar_rows(&self, identity: f64) -> Result<Vec<u32>> {
        let (codes, positions) = self.codes()?;
        let least = (0..=positions).find(|&equal| equal as f64 / positions as f64 >= identity);
        let allowed = (positions - least.unwrap_or(positions)) as u32;
        Ok(match codes.iter().copied().max().unwrap_or(0) {
            ..=1 => counts::<1>(&codes, positions, allowed),
            2..=3 => counts::<2>(&codes, positions, allowed),
            4..=31 => counts::<5>(&codes, positions, allowed),
            _ => counts::<8>(&codes, positions, allowed),
        })
    }

    /// The category of each position, row by row, and the number of positions of a row.
    fn codes(&self) -> Result<(Vec<u8>, usize)> {
        let (units, rows) = (self.units(), self.len());
        let refuse = |value: String| {
            let allowed = "zeros and ones, or categories, which are whole numbers from 0 to 255";
            CoreError::Param { op: OP, arg: "values", value, allowed }
        };
        match self.values() {
            Values::Bits(bits) => {
                let group = self.one_hot_group().filter(|group| *group <= 256).unwrap_or(1);
                let on = |row: usize, first: usize| (0..group).find(|&k| bits.get(first + k, row)).unwrap_or(0) as u8;
                let code = |row: usize, position: usize| match group {
                    1 => u8::from(bits.get(position, row)),
                    _ => on(row, position * group),
                };
                let positions = units / group;
                Ok(((0..rows * positions).map(|i| code(i / positions, i % positions)).collect(), positions))
            }
            Values::Levels(levels) => Ok((levels.data().to_vec(), units)),
            Values::Reals(values) | Values::Numbers(values) => {
                let code = |&value: &f32| match value.fract() == 0.0 && (0.0..=255.0).contains(&value) {
                    true => Ok(value as u8),
                    false => Err(refuse(value.to_string()).into()),
                };
                Ok((values.iter().map(code).collect::<Result<_>>()?, units))
            }
        }
    }
}

/// Refuses an identity that is no share above 0.
pub(super) fn check_identity(op: &'static str, identity: f64) -> Result<()> {
    if identity > 0.0 && identity <= 1.0 {
        return Ok(());
    }
    let allowed = "a share above 0 and at most 1";
    Err(CoreError::Param { op, arg: "identity", value: identity.to_string(), allowed }.into())
}

/// 64 positions of a row: plane p has bit p of their categories.
type Word<const P: usize> = [u64; P];

/// The words of all positions of a row.
fn packed<const P: usize>(codes: &[u8]) -> Vec<Word<P>> {
    let word = |codes: &[u8]| {
        let mut word = [0; P];
        for (i, code) in codes.iter().enumerate() {
            word.iter_mut().enumerate().for_each(|(plane, bits)| *bits |= u64::from(code >> plane & 1) << i);
        }
        word
    };
    codes.chunks(64).map(word).collect()
}

/// The number of positions in which two words differ.
fn differing<const P: usize>(one: &Word<P>, other: &Word<P>) -> u32 {
    one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)).count_ones()
}

/// For each row the number of rows, itself included, that differ from it in at most `allowed` positions.
fn counts<const P: usize>(codes: &[u8], positions: usize, allowed: u32) -> Vec<u32> {
    // Equal rows are compared once.
    let (mut places, mut copies, mut distinct) = (HashMap::new(), vec![], vec![]);
    let place_of: Vec<usize> = codes
        .chunks_exact(positions)
        .map(|row| {
            let place = *places.entry(row).or_insert(copies.len());
            if place == copies.len() {
                copies.push(0_u32);
                distinct.push(packed::<P>(row));
            }
            copies[place] += 1;
            place
        })
        .collect();
    let (rows, words) = (distinct.len(), positions.div_ceil(64));
    // The first words of all rows stand together, since few rows are compared any further.
    let bits: Vec<Word<P>> = (0..words).flat_map(|w| distinct.iter().map(move |row| row[w])).collect();
    let are_similar = |i: usize, j: usize| {
        let mut found = 0;
        (0..words).all(|w| {
            found += differing(&bits[w * rows + i], &bits[w * rows + j]);
            found <= allowed
        })
    };
    let block = |first: usize| {
        let mut counts = [0; BLOCK];
        for (j, copies) in copies.iter().enumerate() {
            for (i, count) in (first..rows).zip(&mut counts) {
                *count += if are_similar(i, j) { *copies } else { 0 };
            }
        }
        counts
    };
    let blocks: Vec<[u32; BLOCK]> = (0..rows.div_ceil(BLOCK)).into_par_iter().map(|b| block(b * BLOCK)).collect();
    place_of.into_iter().map(|place| blocks[place / BLOCK][place % BLOCK]).collect()
}

#[cfg(test)]
mod tests {
    use gm_core::{BitMatrix, Matrix};
    use proptest::prelude::*;

    use super::*;
    use crate::split::Levels;

    /// The counts by comparing every pair of rows, value by value.
    fn naive(codes: &[u8], positions: usize, identity: f64) -> Vec<u32> {
        let rows: Vec<&[u8]> = codes.chunks_exact(positions).collect();
        let share = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / positions as f64;
        rows.iter().map(|a| rows.iter().filter(|b| share(a, b) >= identity).count() as u32).collect()
    }

    fn numbers(codes: &[u8], positions: usize) -> Split {
        let values = codes.iter().map(|&code| f32::from(code)).collect();
        Split::new(Values::Numbers(Matrix::from_vec(positions, codes.len() / positions, values)), None).unwrap()
    }

    proptest! {
        #[test]
        fn oracle_counts_are_those_of_all_pairs(
            positions in 1_usize..150,
            highest in prop::sample::select(vec![1_u8, 2, 3, 4, 20, 31, 32, 255]),
            seeds in prop::collection::vec((0_u64..6, 0_usize..40), 1..30),
            percent in 1_u32..=100,
        ) {
            // Few ancestors, and descendants that differ from them in some positions.
            let mixed = |seed: u64, i: usize| seed.wrapping_mul(0x9e37_79b9).wrapping_add(i as u64 * 0x85eb_ca6b);
            let letter = |seed: u64, i: usize| (mixed(seed, i) >> 7) as u8;
            let code = |seed: u64, i: usize| letter(seed, i) % highest.saturating_add(1).max(1);
            let row = |&(seed, changed): &(u64, usize)| {
                (0..positions).map(move |i| code(seed + u64::from(i < changed) * 77, i)).collect::<Vec<_>>()
            };
            let codes: Vec<u8> = seeds.iter().flat_map(row).collect();
            let identity = f64::from(percent) / 100.0;
            let found = numbers(&codes, positions).similar_rows(identity).unwrap();
            prop_assert_eq!(found, naive(&codes, positions, identity));
        }
    }

    #[test]
    fn table_all_kinds_of_categories_have_the_same_counts() {
        // Four rows of three categories below 4: the first three differ from each other in one position.
        let codes = [0, 1, 2, 0, 1, 3, 0, 2, 2, 3, 3, 3];
        let groups = BitMatrix::from_fn(12, 4, |unit, row| usize::from(codes[3 * row + unit / 4]) == unit % 4);
        let kinds = [
            Values::Bits(groups),
            Values::Levels(Levels::new(3, 255, codes.to_vec()).unwrap()),
            Values::Numbers(Matrix::from_iterator(3, 4, codes.iter().map(|&code| f32::from(code)))),
        ];
        for values in kinds {
            let split = Split::new(values, None).unwrap();
            assert_eq!(split.similar_rows(1.0).unwrap(), [1, 1, 1, 1]);
            assert_eq!(split.similar_rows(2.0 / 3.0).unwrap(), [3, 2, 2, 1]);
            let weighted = split.with_identity_weights(2.0 / 3.0).unwrap();
            assert!((weighted.effective_rows().unwrap() - (1.0 / 3.0 + 1.0 + 1.0)).abs() < 1e-12);
            assert_eq!(weighted.with_weights(vec![1.0; 4]).unwrap().effective_rows(), None);
        }
        let bits = Split::new(Values::Bits(BitMatrix::from_fn(5, 3, |unit, row| unit < row)), None).unwrap();
        assert_eq!(bits.similar_rows(0.8).unwrap(), [2, 3, 2]);
    }

    #[test]
    fn table_a_share_that_equals_the_identity_counts() {
        // 7 of 100 positions are equal; 0.07 * 100 is above 7 in double precision.
        let codes: Vec<u8> = (0..200).map(|i| if i < 100 { 1 } else { u8::from(i < 107) }).collect();
        assert_eq!(numbers(&codes, 100).similar_rows(0.07).unwrap(), [2, 2]);
        assert_eq!(numbers(&codes, 100).similar_rows(0.0701).unwrap(), [1, 1]);
    }

    #[test]
    fn stable_any_number_of_threads_gives_the_same_bits() {
        let codes: Vec<u8> = (0..70_u64 * 40).map(|i| (i * i % 7 + i / 90 % 3) as u8).collect();
        let by = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| numbers(&codes, 40).with_identity_weights(0.8)).unwrap()
        };
        assert!(by(1).effective_rows().unwrap() < 70.0, "no row resembles another");
        assert_eq!(by(1), by(3));
        assert_eq!(by(1).effective_rows().unwrap().to_bits(), by(2).effective_rows().unwrap().to_bits());
    }

    #[test]
    fn rejects_identities_and_values_out_of_range() {
        let rows = || numbers(&[0, 1], 1);
        for identity in [0.0, -0.5, 1.5, f64::NAN] {
            let error = rows().with_identity_weights(identity).unwrap_err().to_string();
            assert!(error.ends_with(&format!("is {identity}, allowed: a share above 0 and at most 1")), "{error}");
        }
        for value in [0.5, 256.0, -1.0] {
            let split = Split::new(Values::Numbers(Matrix::from_element(1, 2, value)), None).unwrap();
            let error = split.with_identity_weights(0.8).unwrap_err().to_string();
            assert!(error.contains(&format!("`values` is {value}, allowed: zeros and ones, or categories")), "{error}");
        }
    }
}
