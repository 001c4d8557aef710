//! Exact sums over all states of a few binary units, in Gray-code order and in parallel.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The greatest number of units that are enumerated: 2^30 states.
pub const ENUMERATION_LIMIT: usize = 30;

/// The number of high units that stay fixed within one walk. The walks run in parallel, and their results are ordered.
const FIXED: usize = 8;

/// A value that is updated along a walk through binary states, one flip at a time.
///
/// # Examples
///
/// ```
/// use gm_core::{GrayWalk, LogSum, gray_walk, softplus_sum};
///
/// const B: [f64; 3] = [0.5, -1.0, 2.0];
///
/// /// Adds up exp(b' x) over states x.
/// struct Sum { state: u64, log_weight: f64, total: LogSum }
/// impl GrayWalk for Sum {
///     fn flip(&mut self, unit: usize) {
///         self.state ^= 1 << unit;
///         self.log_weight += if self.state >> unit & 1 == 1 { B[unit] } else { -B[unit] };
///     }
///     fn visit(&mut self) { self.total.add(self.log_weight) }
/// }
///
/// let mut total = LogSum::default();
/// let start = |state: u64| {
///     let log_weight = (0..3).filter(|unit| state >> unit & 1 == 1).map(|unit| B[unit]).sum();
///     Sum { state, log_weight, total: LogSum::default() }
/// };
/// for walk in gray_walk("log Z of independent units", 3, start)? {
///     total.merge(&walk.total);
/// }
/// assert!((total.value() - softplus_sum(&B)).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub trait GrayWalk: Send {
    /// A unit changes its state.
    fn flip(&mut self, unit: usize);

    /// Counts the current state, after all its flips.
    fn visit(&mut self);
}

/// Walks through all 2^units states and returns the walkers in the order of their first states.
///
/// `start(state)` creates a walker at a state, given as bits with unit 0 lowest. Consecutive states differ by one flip,
/// so that a walker updates in place. Each walk starts from a fresh state, which bounds the rounding errors of updates.
///
/// # Numerics
///
/// There are at most 256 walks, for any number of threads, so that merging the walkers in order gives the same bits.
///
/// # Errors
///
/// [`Error::TooLarge`] beyond [`ENUMERATION_LIMIT`] units.
///
/// # Examples
///
/// ```
/// use gm_core::{GrayWalk, gray_walk};
///
/// struct Ones(u32, u64);
/// impl GrayWalk for Ones {
///     fn flip(&mut self, unit: usize) { self.0 ^= 1 << unit }
///     fn visit(&mut self) { self.1 += u64::from(self.0.count_ones()) }
/// }
/// let walks = gray_walk("count", 10, |state| Ones(state as u32, 0))?;
/// assert_eq!(walks.iter().map(|w| w.1).sum::<u64>(), 10 * 512);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn gray_walk<W: GrayWalk>(op: &'static str, units: usize, start: impl Fn(u64) -> W + Sync) -> Result<Vec<W>> {
    if units > ENUMERATION_LIMIT {
        return Err(Error::TooLarge { op, units, limit: ENUMERATION_LIMIT });
    }
    let free = units.saturating_sub(FIXED).max(units.min(4));
    let walk = |high: u64| {
        let mut walker = start(high << free);
        walker.visit();
        for step in 1..1_u64 << free {
            walker.flip(step.trailing_zeros() as usize);
            walker.visit();
        }
        walker
    };
    Ok((0..1_u64 << (units - free)).into_par_iter().map(walk).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Visited(u64, Vec<u64>);

    impl GrayWalk for Visited {
        fn flip(&mut self, unit: usize) {
            self.0 ^= 1 << unit;
        }
        fn visit(&mut self) {
            self.1.push(self.0);
        }
    }

    #[test]
    fn law_every_state_is_visited_once() {
        for units in [0, 1, 3, 4, 5, 9, 13] {
            let walks = gray_walk("test", units, |state| Visited(state, vec![])).unwrap();
            let mut states: Vec<u64> = walks.into_iter().flat_map(|w| w.1).collect();
            states.sort_unstable();
            assert!(states.iter().copied().eq(0..1 << units), "{units} units");
        }
    }

    #[test]
    fn rejects_too_many_units() {
        let error = gray_walk("Rbm::log_partition", 31, |state| Visited(state, vec![])).err().unwrap();
        assert_eq!(error.to_string(), "Rbm::log_partition: 31 units must be enumerated, at most 30 can be");
    }
}
