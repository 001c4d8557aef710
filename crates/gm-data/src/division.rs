//! The rows of a table that are set aside for validation and test where no file gives them.

use gm_core::{Purpose, Streams};

use crate::split::epoch_order;

/// The way in which rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// By their places. Built-in and known sets keep splits with which others compare.
    ByPlace,
    /// At random, with a seed of its own, since the rows of a file may have any order.
    Drawn,
}

/// The seed of the draw. It does not depend on the seed of a command, so that all commands agree on the splits.
const SEED: u64 = 0;
/// The family of [`Purpose::Choose`] that the draw reads.
const FAMILY: u64 = 4;

impl Division {
    /// The rows of the training, the validation and the test split, each in the order of the table.
    ///
    /// `given` says whether validation and test rows come from elsewhere. If one of them is missing, it gets the last
    /// sixth of the places, rounded down. If both are missing, every sixth place from the fifth is for validation and
    /// every sixth from the sixth for the test. The draw permutes the places.
    ///
    /// # Randomness
    ///
    /// The order of epoch 0 below family 4 of [`Purpose::Choose`] of seed 0.
    pub(super) fn divide(self, rows: usize, given: [bool; 2]) -> [Vec<usize>; 3] {
        let kept = rows - rows / 6;
        let split_of = |place: usize| match given {
            [true, true] => 0,
            [false, false] => (place % 6).saturating_sub(3),
            [_, test_given] if place >= kept => {
                if test_given {
                    1
                } else {
                    2
                }
            }
            _ => 0,
        };
        let mut splits = [const { Vec::new() }; 3];
        for (row, place) in self.places(rows).into_iter().enumerate() {
            splits[split_of(place)].push(row);
        }
        splits
    }

    /// The place of each row.
    fn places(self, rows: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..rows).collect();
        if self == Self::Drawn {
            let order = epoch_order(rows as u32, &Streams::new(SEED).fork(Purpose::Choose, FAMILY), 0);
            order.into_iter().enumerate().for_each(|(place, row)| places[row as usize] = place);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_places_are_those_of_published_splits() {
        let [train, valid, test] = Division::ByPlace.divide(13, [false; 2]);
        assert_eq!((train, valid, test), (vec![0, 1, 2, 3, 6, 7, 8, 9, 12], vec![4, 10], vec![5, 11]));
        let [train, valid, test] = Division::ByPlace.divide(13, [false, true]);
        assert_eq!((train, valid, test.len()), ((0..11).collect(), vec![11, 12], 0));
        let [_, valid, test] = Division::ByPlace.divide(13, [true, false]);
        assert_eq!((valid.len(), test), (0, vec![11, 12]));
        assert_eq!(Division::Drawn.divide(4, [true; 2])[0], [0, 1, 2, 3]);
    }

    #[test]
    fn law_drawn_splits_have_the_sizes_of_the_others_and_share_no_row() {
        for rows in [6, 7, 60, 1_001] {
            for given in [[false, false], [false, true], [true, false]] {
                let drawn = Division::Drawn.divide(rows, given);
                assert_eq!(drawn.each_ref().map(Vec::len), Division::ByPlace.divide(rows, given).map(|s| s.len()));
                assert!(drawn.iter().all(|split| split.is_sorted()));
                let mut all = drawn.concat();
                all.sort_unstable();
                assert_eq!(all, (0..rows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn stable_drawn_splits_do_not_change() {
        let [_, valid, test] = Division::Drawn.divide(18, [false; 2]);
        assert_eq!((valid, test), (vec![2, 5, 12], vec![8, 11, 15]));
    }

    #[test]
    fn law_a_period_of_six_is_spread_over_the_splits() {
        let [train, valid, test] = Division::Drawn.divide(600, [false; 2]);
        for split in [&train, &valid, &test] {
            let classes: std::collections::BTreeSet<usize> = split.iter().map(|row| row % 6).collect();
            assert_eq!(classes.len(), 6);
        }
        let [_, valid, _] = Division::Drawn.divide(600, [false, true]);
        assert!(valid[0] < 100, "the last rows alone");
    }
}
