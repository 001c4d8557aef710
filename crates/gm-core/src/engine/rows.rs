//! Rows of activations in reused memory.
//!
//! An update of a model creates and drops dozens of arrays of the same few sizes. If their memory went back to the
//! operating system each time, it would have to be mapped and cleared again, page by page, while the other threads
//! wait.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kernels::Row;

/// The number of arrays that are kept.
const KEPT: usize = 32;
/// The most rows of a kept array: 4 MiB.
const LONGEST: usize = 1 << 14;

/// The memory of dropped rows. The last entry was dropped last.
static SPARE: Mutex<Vec<Vec<Row>>> = Mutex::new(Vec::new());

fn spare() -> MutexGuard<'static, Vec<Vec<Row>>> {
    // A thread that panicked left whole arrays behind.
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows whose memory is reused after they are dropped.
#[derive(Debug)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    /// Rows of zeros.
    pub(super) fn zeros(count: usize) -> Self {
        let mut rows = Self::empty(count);
        rows.0.resize(count, Row::ZERO);
        rows
    }

    /// Rows that hold old values, for work that writes all of them.
    pub(super) fn unset(count: usize) -> Self {
        let mut rows = Self::kept(count);
        rows.0.resize(count, Row::ZERO);
        rows
    }

    /// No rows yet, with room for `count`.
    fn empty(count: usize) -> Self {
        let mut rows = Self::kept(count);
        rows.0.clear();
        rows
    }

    /// Any number of old rows, with room for `count`.
    fn kept(count: usize) -> Self {
        let mut spare = spare();
        let fits = spare.iter().rposition(|rows| (count..=2 * count).contains(&rows.capacity()));
        let mut rows = fits.map(|place| spare.swap_remove(place)).unwrap_or_default();
        drop(spare);
        rows.reserve_exact(count.saturating_sub(rows.len()));
        Self(rows)
    }
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        let mut rows = Self::empty(self.len());
        rows.0.extend_from_slice(self);
        rows
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let rows = std::mem::take(&mut self.0);
        if !(1..=LONGEST).contains(&rows.capacity()) {
            return;
        }
        let mut spare = spare();
        if spare.len() == KEPT {
            spare.remove(0);
        }
        spare.push(rows);
    }
}

impl Deref for Rows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.0
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [Row] {
        &mut self.0
    }
}

thread_local! {
    static SUMS: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` on rows that the next call on this thread reuses. They hold old values at the start.
pub(super) fn with_rows<T>(count: usize, work: impl FnOnce(&mut [Row]) -> T) -> T {
    SUMS.with_borrow_mut(|rows| {
        if rows.len() < count {
            rows.resize(count, Row::ZERO);
        }
        work(&mut rows[..count])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::LANES;

    #[test]
    fn law_rows_are_zero_whatever_was_there_before() {
        for round in 0..3 {
            let mut rows = Rows::zeros(1000 + round);
            assert!(rows.iter().all(|row| *row == Row::ZERO));
            rows.fill(Row([1.0; LANES]));
            let copy = rows.clone();
            drop(rows);
            assert!(copy.iter().all(|row| *row == Row([1.0; LANES])));
        }
        assert_eq!(Rows::zeros(0).len(), 0);
    }

    #[test]
    fn law_what_is_kept_is_bounded() {
        let many: Vec<Rows> = (1..100).map(Rows::zeros).collect();
        drop(many);
        drop(Rows::zeros(LONGEST + 1));
        let spare = spare();
        assert!(spare.len() <= KEPT && spare.iter().all(|rows| rows.capacity() <= LONGEST));
    }
}
