//! Exact sums over all states of a few binary units, in Gray-code order and in parallel.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::watch::{Progress, Watch, unwatched};

/// The greatest number of units that are enumerated: 2^30 states.
pub const ENUMERATION_LIMIT: usize = 30;

/// The number of high units that stay fixed within one walk. The walks run in parallel, and their results are ordered.
const FIXED: usize = 8;

/// Terms that are added up between two calls of a watch: some ten milliseconds of one core.
const TERMS: usize = 1 << 23;

/// The fewest walks that go on together, so that every core has some.
const TOGETHER: usize = 16;

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

    /// About how many terms a flip and a visit add up, by which the states between two calls of a watch are chosen.
    fn terms(&self) -> usize {
        1_000
    }
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
    gray_walk_watched(op, units, start, &mut unwatched)
}

/// [`gray_walk`] that tells `watch` how many states are done, and stops when it breaks.
///
/// # Errors
///
/// As [`gray_walk`], and [`Error::Interrupted`] when `watch` breaks.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use gm_core::{GrayWalk, Progress, gray_walk_watched};
///
/// struct Count(u64);
/// impl GrayWalk for Count {
///     fn flip(&mut self, _: usize) {}
///     fn visit(&mut self) { self.0 += 1 }
/// }
/// let mut stop = |_: Progress| ControlFlow::Break(());
/// let stopped = gray_walk_watched("count", 30, |_| Count(0), &mut stop);
/// assert_eq!(stopped.err().map(|error| error.to_string()).as_deref(), Some("count: stopped on request"));
/// ```
pub fn gray_walk_watched<W: GrayWalk>(
    op: &'static str,
    units: usize,
    start: impl Fn(u64) -> W + Sync,
    watch: Watch<'_>,
) -> Result<Vec<W>> {
    if units > ENUMERATION_LIMIT {
        return Err(Error::TooLarge { op, units, limit: ENUMERATION_LIMIT });
    }
    let free = units.saturating_sub(FIXED).max(units.min(4));
    let mut walkers: Vec<W> = (0..1_u64 << (units - free)).into_par_iter().map(|high| start(high << free)).collect();
    let terms = walkers.first().map_or(1, W::terms).max(1);
    let together = (TERMS / terms).clamp(TOGETHER, walkers.len().max(TOGETHER));
    let (length, stretch) = (1_usize << free, (TERMS / terms / together).max(1));
    let (mut done, total) = (0, 1 << units);
    for first in (0..length).step_by(stretch) {
        let steps = first..(first + stretch).min(length);
        for group in walkers.chunks_mut(together) {
            group.par_iter_mut().for_each(|walker| go_on(walker, steps.clone()));
            done += group.len() * steps.len();
            if watch(Progress { done, total }).is_break() {
                return Err(Error::Interrupted { op });
            }
        }
    }
    Ok(walkers)
}

/// Makes these steps of a walk, the first of which counts the state where it starts.
fn go_on(walker: &mut impl GrayWalk, steps: Range<usize>) {
    for step in steps {
        if step > 0 {
            walker.flip(step.trailing_zeros() as usize);
        }
        walker.visit();
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

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
    fn law_walks_of_any_cost_visit_the_same_states_and_stop_when_told() {
        struct Costly(Visited, usize);
        impl GrayWalk for Costly {
            fn flip(&mut self, unit: usize) {
                self.0.flip(unit);
            }
            fn visit(&mut self) {
                self.0.visit();
            }
            fn terms(&self) -> usize {
                self.1
            }
        }
        let expected: Vec<u64> =
            gray_walk("test", 13, |state| Visited(state, vec![])).unwrap().into_iter().flat_map(|w| w.1).collect();
        for terms in [0, 7, 3_000, 1 << 20, usize::MAX] {
            let start = |state| Costly(Visited(state, vec![]), terms);
            let mut told = vec![];
            let walks = gray_walk_watched("test", 13, start, &mut |at| {
                told.push(at.done);
                ControlFlow::Continue(())
            });
            let states: Vec<u64> = walks.unwrap().into_iter().flat_map(|w| w.0.1).collect();
            assert_eq!(states, expected, "{terms} terms");
            assert!(told.is_sorted() && told.last() == Some(&(1 << 13)), "{terms} terms");
            let mut calls = 0;
            let stopped = gray_walk_watched("test", 13, start, &mut |_| {
                calls += 1;
                ControlFlow::Break(())
            });
            assert!(matches!(stopped, Err(Error::Interrupted { op: "test" })) && calls == 1);
        }
    }

    #[test]
    fn rejects_too_many_units() {
        let error = gray_walk("Rbm::log_partition", 31, |state| Visited(state, vec![])).err().unwrap();
        assert_eq!(error.to_string(), "Rbm::log_partition: 31 units must be enumerated, at most 30 can be");
    }
}
