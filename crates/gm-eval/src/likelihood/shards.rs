//! The shards of an evaluation. Runs and rows are divided among them, and each has random streams of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use gm_core::{Purpose, Streams};

use crate::error::{Error, Result};

/// The numbers of one shard, by the name of the task that found them.
pub(crate) type Numbers = BTreeMap<String, Vec<f64>>;

/// The shards of an evaluation, and where their numbers come from.
pub(crate) struct Shards<'a> {
    count: usize,
    streams: Streams,
    source: Source<'a>,
}

enum Source<'a> {
    /// Every shard is computed.
    All,
    /// A part of the shards is computed, and their numbers are kept.
    Part(Range<usize>, BTreeMap<usize, Numbers>),
    /// Every shard was computed before.
    Kept(&'a BTreeMap<usize, Numbers>),
}

impl<'a> Shards<'a> {
    /// All shards, to be computed.
    pub(crate) fn all(count: usize, seed: u64) -> Self {
        Self { count: count.max(1), streams: Streams::new(seed), source: Source::All }
    }

    /// All shards, of which some are to be computed.
    pub(crate) fn part(count: usize, seed: u64, own: Range<usize>) -> Self {
        Self { source: Source::Part(own, BTreeMap::new()), ..Self::all(count, seed) }
    }

    /// All shards, with the numbers that they have found.
    pub(crate) fn kept(count: usize, seed: u64, numbers: &'a BTreeMap<usize, Numbers>) -> Self {
        Self { source: Source::Kept(numbers), ..Self::all(count, seed) }
    }

    /// The number of shards.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The streams of what is not divided.
    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The numbers that were found, if a part of the shards was computed.
    pub(crate) fn into_numbers(self) -> BTreeMap<usize, Numbers> {
        match self.source {
            Source::Part(_, numbers) => numbers,
            _ => BTreeMap::new(),
        }
    }

    /// The share of a shard of `total` runs or rows.
    pub(super) fn range(&self, shard: usize, total: usize) -> Range<usize> {
        shard * total / self.count..(shard + 1) * total / self.count
    }

    /// The streams of a shard. A single shard has those of the whole.
    fn streams_of(&self, shard: usize) -> Streams {
        if self.count == 1 { self.streams.clone() } else { self.streams.fork(Purpose::Shard, shard as u64) }
    }

    /// The numbers of each shard for a task; none for shards of other parts.
    pub(super) fn each(
        &mut self,
        task: &'static str,
        mut compute: impl FnMut(usize, &Streams) -> Result<Vec<f64>>,
    ) -> Result<Vec<Vec<f64>>> {
        (0..self.count).map(|shard| self.one(task, shard, &mut compute)).collect()
    }

    fn one(
        &mut self,
        task: &'static str,
        shard: usize,
        compute: &mut impl FnMut(usize, &Streams) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        let streams = self.streams_of(shard);
        match &mut self.source {
            Source::All => compute(shard, &streams),
            Source::Part(own, _) if !own.contains(&shard) => Ok(vec![]),
            Source::Part(_, kept) => {
                let found = compute(shard, &streams)?;
                kept.entry(shard).or_default().insert(task.into(), found.clone());
                Ok(found)
            }
            Source::Kept(numbers) => {
                let found = numbers.get(&shard).and_then(|numbers| numbers.get(task));
                found.cloned().ok_or_else(|| lacks(format!("shard {shard} without numbers of {task}")))
            }
        }
    }

    /// `width` numbers for each of `total` runs or rows, one after the other; zeros for those of other parts.
    ///
    /// `compute` gets the runs or rows of a shard.
    pub(super) fn rows(
        &mut self,
        task: &'static str,
        (total, width): (usize, usize),
        mut compute: impl FnMut(Range<usize>, &Streams) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        let ranges: Vec<Range<usize>> = (0..self.count).map(|shard| self.range(shard, total)).collect();
        let found = self.each(task, |shard, streams| match ranges[shard].is_empty() && (total > 0 || shard > 0) {
            true => Ok(vec![]),
            // Without anything to do, the first shard is asked, so that `compute` can refuse that.
            false => compute(ranges[shard].clone(), streams),
        })?;
        let mut rows = Vec::with_capacity(total * width);
        for (shard, (range, found)) in ranges.into_iter().zip(found).enumerate() {
            let expected = range.len() * width;
            match found.len() {
                n if n == expected => rows.extend(found),
                0 if !self.has(shard) => rows.resize(rows.len() + expected, 0.0),
                n => return Err(lacks(format!("shard {shard} with {n} numbers of {task}, not {expected}"))),
            }
        }
        Ok(rows)
    }

    /// Whether the numbers of a shard are found here.
    fn has(&self, shard: usize) -> bool {
        match &self.source {
            Source::Part(own, _) => own.contains(&shard),
            _ => true,
        }
    }
}

fn lacks(value: String) -> Error {
    Error::setting("merge_parts", "parts", value, "the numbers that the evaluation needs")
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// Two numbers for each row: its number, and a random one.
    fn numbers(shards: &mut Shards<'_>, total: usize) -> Result<Vec<f64>> {
        shards.rows("task", (total, 2), |range, streams| {
            let mut stream = streams.stream(0);
            Ok(range.flat_map(|row| [row as f64, stream.random()]).collect())
        })
    }

    #[test]
    fn law_parts_together_find_what_all_shards_find() {
        for (count, total) in [(1, 5), (4, 10), (5, 3), (3, 0)] {
            let whole = numbers(&mut Shards::all(count, 7), total).unwrap();
            assert_eq!(
                whole.iter().step_by(2).copied().collect::<Vec<_>>(),
                (0..total).map(|n| n as f64).collect::<Vec<_>>()
            );
            let mut kept = BTreeMap::new();
            for own in [0..count / 2, count / 2..count] {
                let mut part = Shards::part(count, 7, own.clone());
                let found = numbers(&mut part, total).unwrap();
                let of_part = part.range(own.start, total).start..part.range(own.end.max(1) - 1, total).end;
                assert_eq!(found.len(), whole.len());
                let own = if own.is_empty() { 0..0 } else { 2 * of_part.start..2 * of_part.end };
                assert_eq!(found[own.clone()], whole[own]);
                kept.extend(part.into_numbers());
            }
            assert_eq!(numbers(&mut Shards::kept(count, 7, &kept), total).unwrap(), whole);
        }
    }

    #[test]
    fn law_shards_have_streams_of_their_own_and_a_single_one_has_those_of_the_whole() {
        let first = |count| numbers(&mut Shards::all(count, 7), 4).unwrap();
        let alone: f64 = Streams::new(7).stream(0).random();
        assert_eq!(first(1)[1], alone);
        let (two, four) = (first(2), first(4));
        assert_ne!(two[1], alone);
        assert_eq!(two[1], four[1]);
        assert_ne!(two[1], two[5]);
    }

    #[test]
    fn rejects_numbers_that_do_not_belong_to_the_task() {
        let kept: BTreeMap<usize, Numbers> = [(0, Numbers::from([("task".into(), vec![1.0; 3])]))].into();
        let error = |total| numbers(&mut Shards::kept(2, 7, &kept), total).unwrap_err().to_string();
        assert_eq!(
            error(4),
            "merge_parts: `parts` is shard 1 without numbers of task, allowed: the numbers that the evaluation needs"
        );
        let error = numbers(&mut Shards::kept(1, 7, &kept), 2).unwrap_err().to_string();
        assert!(error.contains("shard 0 with 3 numbers of task, not 4"), "{error}");
    }
}
