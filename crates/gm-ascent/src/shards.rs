//! Shards: a batch and its chains in a fixed number of parts, whose statistics add up along a fixed binary tree.
//!
//! The number of shards belongs to a run and changes its bits. How many processes hold the shards, and how many threads each
//! has, changes nothing: the sum of two halves of the tree is the same wherever the halves were computed.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use gm_core::{Batch, Error, FileError, Purpose, Result, Streams};
use rayon::prelude::*;

use crate::figures::Figures;

/// The most shards of a run.
pub const MOST_SHARDS: usize = 1024;

/// Numbers that a thread adds at a time.
const CHUNK: usize = 1 << 14;

/// Messages among processes that train one model together.
///
/// Every process makes the same calls in the same order. A number that it sends arrives with all its bits.
///
/// # Examples
///
/// ```
/// use gm_ascent::threads;
///
/// let mut processes = threads(2);
/// let (one, other) = (processes.remove(0), processes.remove(0));
/// let (mut here, mut there) = ([0.0; 2], [0.0; 2]);
/// std::thread::scope(|scope| {
///     scope.spawn(|| other.swap(0, &[1.0, 2.0], &mut there));
///     one.swap(1, &[3.0, 4.0], &mut here)
/// })?;
/// assert_eq!((here, there), ([1.0, 2.0], [3.0, 4.0]));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Exchange: fmt::Debug + Send + Sync {
    /// The number of this process, from 0 on.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn ranks(&self) -> usize;

    /// Sends numbers to another process, and fills `into` with those that it sends.
    ///
    /// # Errors
    ///
    /// Whatever the connection reports.
    fn swap(&self, with: usize, out: &[f32], into: &mut [f32]) -> io::Result<()>;

    /// Sends bytes to process 0; there it returns those of every process in order, elsewhere nothing.
    ///
    /// # Errors
    ///
    /// Whatever the connection reports.
    fn gather(&self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>>;
}

/// The shards of a run, and the processes among which they are divided.
///
/// Processes have equal numbers of shards that follow each other, so that each adds up a whole branch of the tree.
///
/// # Examples
///
/// ```
/// use gm_ascent::Team;
///
/// let team = Team::new(4)?;
/// assert_eq!((team.own(), team.rows(1, 10)), (0..4, 2..5));
/// let mut parts = [[1.0, 2.0], [10.0, 20.0], [0.5, 0.5], [0.25, 0.0]];
/// let mut tensors: Vec<Vec<&mut [f32]>> = parts.iter_mut().map(|part| vec![&mut part[..]]).collect();
/// team.add_up(&mut tensors)?;
/// assert_eq!(parts[0], [11.75, 22.5]);
/// assert_eq!(Team::new(3).unwrap_err().to_string(), "training: `shards` is 3, allowed: a power of two up to 1024");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Team {
    shards: usize,
    exchange: Option<Arc<dyn Exchange>>,
}

impl Default for Team {
    fn default() -> Self {
        Self { shards: 1, exchange: None }
    }
}

/// What a shard has found in its rows of a batch.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Found, Team};
///
/// // A row of weight 3 and one of weight 1; what is weighted counts accordingly.
/// let (mut heavy, mut light) = ([1.0], [5.0]);
/// let found = |weighted, weight| Found { weighted: vec![weighted], weight, ..Found::default() };
/// Team::new(2)?.join(2, vec![found(&mut heavy[..], 3.0), found(&mut light[..], 1.0)])?;
/// assert_eq!(heavy, [2.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// Means over its rows, such as gradients.
    pub means: Vec<&'a mut [f32]>,
    /// Means over its rows in which each row counts by its weight.
    pub weighted: Vec<&'a mut [f32]>,
    /// The mean weight of its rows.
    pub weight: f32,
    /// Figures of the update.
    pub figures: Figures,
}

/// Teams are equal that have equal shards, processes and places among them.
impl PartialEq for Team {
    fn eq(&self, other: &Self) -> bool {
        (self.shards, self.ranks(), self.rank()) == (other.shards, other.ranks(), other.rank())
    }
}

impl Team {
    /// All shards in this process.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a number that is no power of two, or above [`MOST_SHARDS`].
    pub fn new(shards: usize) -> Result<Self> {
        if !shards.is_power_of_two() || shards > MOST_SHARDS {
            let (value, allowed) = (shards.to_string(), "a power of two up to 1024");
            return Err(Error::Param { op: "training", arg: "shards", value, allowed });
        }
        Ok(Self { shards, exchange: None })
    }

    /// Shards that are divided among the processes of an exchange.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`Error::Param`] for a number of processes that is no power of two, or above the shards.
    pub fn over(shards: usize, exchange: Arc<dyn Exchange>) -> Result<Self> {
        let team = Self::new(shards)?;
        let ranks = exchange.ranks();
        if !ranks.is_power_of_two() || ranks > shards {
            let value = format!("{ranks} for {shards} shards");
            let allowed = "a power of two, no more than there are shards (`--shards`)";
            return Err(Error::Param { op: "training", arg: "processes", value, allowed });
        }
        Ok(Self { exchange: Some(exchange), ..team })
    }

    /// The number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The number of processes.
    #[must_use]
    pub fn ranks(&self) -> usize {
        self.exchange.as_ref().map_or(1, |exchange| exchange.ranks())
    }

    /// The number of this process.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.rank())
    }

    /// Whether this process writes the files and tells how training goes.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// The shards of this process.
    #[must_use]
    pub fn own(&self) -> Range<usize> {
        let each = self.shards / self.ranks();
        self.rank() * each..(self.rank() + 1) * each
    }

    /// The rows of a shard in a batch of `rows`.
    #[must_use]
    pub fn rows(&self, shard: usize, rows: usize) -> Range<usize> {
        shard * rows / self.shards..(shard + 1) * rows / self.shards
    }

    /// The rows of each shard of this process; those of a single shard are not copied.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a batch of fewer rows than there are shards.
    pub fn parts<'a>(&self, batch: &'a Batch) -> Result<Vec<Cow<'a, Batch>>> {
        if self.shards == 1 {
            return Ok(vec![Cow::Borrowed(batch)]);
        }
        self.check_rows(batch.samples())?;
        let of = |shard| Cow::Owned(batch.select(&self.rows(shard, batch.samples()).collect::<Vec<_>>()));
        Ok(self.own().map(of).collect())
    }

    /// Refuses batches of so few rows that a shard would have none.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer rows than there are shards.
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        if self.shards == 1 || rows >= self.shards {
            return Ok(());
        }
        let (value, allowed) = (format!("{rows} for {} shards", self.shards), "at least a row for each shard");
        Err(Error::Param { op: "training", arg: "rows of a batch", value, allowed })
    }

    /// The random streams of a shard. A single shard has those of the run.
    #[must_use]
    pub fn streams(&self, shard: usize, streams: &Streams) -> Streams {
        if self.shards == 1 { streams.clone() } else { streams.fork(Purpose::Shard, shard as u64) }
    }

    /// The number of things, such as chains, that each shard has.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a number that is no multiple of the shards.
    pub fn each(&self, arg: &'static str, total: usize) -> Result<usize> {
        match total % self.shards {
            0 => Ok(total / self.shards),
            _ => {
                let value = format!("{total} for {} shards", self.shards);
                Err(Error::Param { op: "training", arg, value, allowed: "a multiple of the shards" })
            }
        }
    }

    /// The means over a batch of `rows`, given what each shard of this process has found in its own rows, in order. The tensors
    /// of the first shard become those of the batch, the same bits in every process; those of the others are spoilt. Of figures
    /// it returns the mean over shards.
    ///
    /// # Errors
    ///
    /// As [`add_up`](Self::add_up).
    ///
    /// # Panics
    ///
    /// As [`add_up`](Self::add_up).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_ascent::{Figures, Found, Team};
    ///
    /// // Three rows, of which the first shard has one.
    /// let (mut one, mut two) = ([6.0], [3.0]);
    /// let found = |mean| Found { means: vec![mean], weight: 1.0, figures: Figures::new([("flips", 0.5)]), ..Found::default() };
    /// let figures = Team::new(2)?.join(3, vec![found(&mut one[..]), found(&mut two[..])])?;
    /// assert_eq!((one, figures.get("flips")), ([4.0], Some(0.5)));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn join(&self, rows: usize, mut found: Vec<Found<'_>>) -> Result<Figures> {
        if self.shards == 1 {
            return Ok(found.swap_remove(0).figures);
        }
        let weight_of = |shard: usize, weight: f32| self.rows(shard, rows).len() as f32 / rows.max(1) as f32 * weight;
        // After the tensors: the weight of the shard, then its figures.
        let mut numbers: Vec<Vec<f32>> = vec![];
        for (shard, found) in self.own().zip(&mut found) {
            let (share, weight) = (weight_of(shard, 1.0), weight_of(shard, found.weight));
            found.means.iter_mut().for_each(|tensor| scale(tensor, share));
            found.weighted.iter_mut().for_each(|tensor| scale(tensor, weight));
            let figures = found.figures.iter().map(|(_, value)| value as f32 / self.shards as f32);
            numbers.push(std::iter::once(weight).chain(figures).collect());
        }
        let figures = std::mem::take(&mut found[0].figures);
        let means = found[0].means.len();
        let all = found.into_iter().zip(&mut numbers);
        let mut parts: Vec<Vec<&mut [f32]>> = all
            .map(|(Found { means, weighted, .. }, numbers)| {
                means.into_iter().chain(weighted).chain([numbers.as_mut_slice()]).collect()
            })
            .collect();
        self.add_up(&mut parts)?;
        let mut sums = parts.swap_remove(0).split_off(means);
        let total = sums.pop().map_or(vec![], |numbers| numbers.to_vec());
        sums.iter_mut().for_each(|tensor| scale(tensor, 1.0 / total[0].max(f32::MIN_POSITIVE)));
        Ok(figures.with_values(total[1..].iter().map(|&value| f64::from(value))))
    }

    /// Adds the tensors of all shards, given those of this process in order. The first shard's tensors become the sums, the
    /// same bits in every process; those of the others are spoilt.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] when processes lose each other.
    ///
    /// # Panics
    ///
    /// When shards have different tensors, or are not those of this process.
    pub fn add_up(&self, parts: &mut [Vec<&mut [f32]>]) -> Result<()> {
        assert_eq!(parts.len(), self.own().len(), "one part for each shard");
        let mut stride = 1;
        while stride < parts.len() {
            for pair in parts.chunks_mut(2 * stride) {
                let (left, right) = pair.split_at_mut(stride);
                assert_eq!(left[0].len(), right[0].len(), "the same tensors");
                left[0].iter_mut().zip(&right[0]).for_each(|(left, right)| add(left, right));
            }
            stride *= 2;
        }
        match &self.exchange {
            Some(exchange) if exchange.ranks() > 1 => {
                let mut all: Vec<f32> = parts[0].iter().flat_map(|tensor| tensor.iter().copied()).collect();
                sum_over(exchange.as_ref(), &mut all).map_err(lost)?;
                let mut rest = all.as_slice();
                for tensor in &mut parts[0] {
                    let (own, others) = rest.split_at(tensor.len());
                    tensor.copy_from_slice(own);
                    rest = others;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether any process says so.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] when processes lose each other.
    pub fn any(&self, says: bool) -> Result<bool> {
        let mut said = [f32::from(u8::from(says))];
        if let Some(exchange) = &self.exchange {
            sum_over(exchange.as_ref(), &mut said).map_err(lost)?;
        }
        Ok(said[0] > 0.0)
    }

    /// The bytes of every process at the one that leads; elsewhere those of this process alone.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] when processes lose each other.
    pub fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        match &self.exchange {
            Some(exchange) if exchange.ranks() > 1 => {
                let all = exchange.gather(&bytes).map_err(lost)?;
                Ok(if self.leads() { all } else { vec![bytes] })
            }
            _ => Ok(vec![bytes]),
        }
    }
}

fn lost(error: io::Error) -> Error {
    FileError::Io(error).into()
}

fn scale(tensor: &mut [f32], by: f32) {
    tensor.iter_mut().for_each(|x| *x *= by);
}

/// Adds `right` to `left`.
fn add(left: &mut [f32], right: &[f32]) {
    assert_eq!(left.len(), right.len(), "tensors of equal shape");
    left.par_chunks_mut(CHUNK).zip(right.par_chunks(CHUNK)).for_each(|(left, right)| {
        left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    });
}

/// Adds the numbers of all processes along a binary tree: neighbours first, then pairs of neighbours, and so on.
///
/// On the way up each of two processes adds one half of what both still have; on the way down they exchange the halves. So
/// each sends less than twice the numbers, however many processes there are (Rabenseifner 2004).
fn sum_over(exchange: &dyn Exchange, values: &mut [f32]) -> io::Result<()> {
    let (rank, ranks) = (exchange.rank(), exchange.ranks());
    let (mut own, mut ways) = (0..values.len(), vec![]);
    let mut received = vec![0.0; values.len().div_ceil(2)];
    let mut distance = 1;
    while distance < ranks {
        let half = own.start + own.len() / 2;
        let (lower, upper) = (own.start..half, half..own.end);
        let (kept, sent) = if rank & distance == 0 { (lower, upper) } else { (upper, lower) };
        let received = &mut received[..kept.len()];
        exchange.swap(rank ^ distance, &values[sent.clone()], received)?;
        // The sum of two numbers does not depend on which of them comes first.
        add(&mut values[kept.clone()], received);
        own = kept.clone();
        ways.push((rank ^ distance, kept, sent));
        distance *= 2;
    }
    for (other, kept, sent) in ways.into_iter().rev() {
        let received = &mut received[..sent.len()];
        exchange.swap(other, &values[kept], received)?;
        values[sent].copy_from_slice(received);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::threads::threads;

    /// Numbers of very different sizes, whose sum depends on the order.
    fn numbers(shard: usize, length: usize) -> Vec<f32> {
        (0..length)
            .map(|i| ((shard * 31 + i * 17) as f32 * 0.37).sin() * 10.0_f32.powi((i + shard) as i32 % 7))
            .collect()
    }

    /// The sum by the definition of the tree.
    fn tree(shards: Range<usize>, length: usize) -> Vec<f32> {
        if shards.len() == 1 {
            return numbers(shards.start, length);
        }
        let half = shards.start + shards.len() / 2;
        let (left, right) = (tree(shards.start..half, length), tree(half..shards.end, length));
        left.iter().zip(right).map(|(left, right)| left + right).collect()
    }

    /// What each process has after its shards were added up: two tensors in a row.
    fn sums(shards: usize, ranks: usize, length: usize) -> Vec<Vec<f32>> {
        thread::scope(|scope| {
            let work = |exchange: Arc<dyn Exchange>| {
                scope.spawn(move || {
                    let team = Team::over(shards, exchange).unwrap();
                    let mut own: Vec<Vec<f32>> = team.own().map(|shard| numbers(shard, length)).collect();
                    let mut parts: Vec<Vec<&mut [f32]>> = own
                        .iter_mut()
                        .map(|tensor| {
                            let (one, other) = tensor.split_at_mut(length / 3);
                            vec![one, other]
                        })
                        .collect();
                    team.add_up(&mut parts).unwrap();
                    own.swap_remove(0)
                })
            };
            let running: Vec<_> = threads(ranks).into_iter().map(work).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn law_sums_have_the_same_bits_over_any_number_of_processes() {
        for (shards, length) in [(1, 5), (2, 1), (4, 7), (8, 100), (16, 3)] {
            let expected = tree(0..shards, length);
            for ranks in [1, 2, 4, 8, 16].into_iter().filter(|&ranks| ranks <= shards) {
                let found = sums(shards, ranks, length);
                assert!(found.iter().all(|sum| *sum == expected), "{shards} shards over {ranks}: {found:?}");
            }
        }
        // A test of the test: the order does matter for these numbers.
        let straight = (1..8)
            .fold(numbers(0, 100), |sum, shard| sum.iter().zip(numbers(shard, 100)).map(|(sum, x)| sum + x).collect());
        assert_ne!(straight, tree(0..8, 100));
    }

    #[test]
    fn oracle_joined_means_are_those_of_all_rows() {
        // Rows 1 to 6 with weights 1, 0, 3, 1, 1, 2: shards of a row, two rows, a row and two rows.
        let team = Team::new(4).unwrap();
        let (mut means, mut weighted) = ([[1.0], [2.5], [4.0], [5.5]], [[1.0], [3.0], [4.0], [17.0 / 3.0]]);
        let figures = [1.0, 2.0, 3.0, 6.0].map(|value| Figures::new([("flips", value)]));
        let found = means.iter_mut().zip(&mut weighted).zip([1.0, 1.5, 1.0, 1.5]).zip(figures);
        let found = found.map(|(((mean, weighted), weight), figures)| Found {
            means: vec![&mut mean[..]],
            weighted: vec![&mut weighted[..]],
            weight,
            figures,
        });
        let figures = team.join(6, found.collect()).unwrap();
        let expected = (1.0 + 3.0 * 3.0 + 4.0 + 5.0 + 2.0 * 6.0) / 8.0;
        assert!((means[0][0] - 3.5).abs() < 1e-6 && (weighted[0][0] - expected).abs() < 1e-5, "{means:?} {weighted:?}");
        assert_eq!(figures, Figures::new([("flips", 3.0)]));
    }

    #[test]
    fn table_one_voice_is_heard_by_all_and_bytes_come_in_order() {
        for loud in [None, Some(0), Some(3)] {
            let heard: Vec<(bool, Vec<Vec<u8>>)> = thread::scope(|scope| {
                let work = |exchange: Arc<dyn Exchange>| {
                    scope.spawn(move || {
                        let team = Team::over(4, exchange).unwrap();
                        let bytes = vec![team.rank() as u8; team.rank()];
                        (team.any(loud == Some(team.rank())).unwrap(), team.gather(bytes).unwrap())
                    })
                };
                let running: Vec<_> = threads(4).into_iter().map(work).collect();
                running.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(heard.iter().all(|(any, _)| *any == loud.is_some()));
            assert_eq!(heard[0].1, [vec![], vec![1], vec![2; 2], vec![3; 3]]);
            assert_eq!(heard[2].1, [vec![2; 2]]);
        }
    }

    #[test]
    fn table_rows_and_chains_are_divided() {
        let team = Team::new(4).unwrap();
        let rows: Vec<Range<usize>> = (0..4).map(|shard| team.rows(shard, 7)).collect();
        assert_eq!(rows, [0..1, 1..3, 3..5, 5..7]);
        let batch = Batch::from(gm_core::BitMatrix::from_fn(1, 7, |_, row| row == 4));
        let parts: Vec<usize> =
            team.parts(&batch).unwrap().iter().map(|part| part.bits().ones_per_sample().len()).collect();
        assert_eq!(parts, [1, 2, 2, 2]);
        let few = team.parts(&batch.select(&[0, 1, 2])).unwrap_err().to_string();
        assert_eq!(few, "training: `rows of a batch` is 3 for 4 shards, allowed: at least a row for each shard");
        assert_eq!(team.each("chains", 12).unwrap(), 3);
        let error = team.each("chains", 10).unwrap_err().to_string();
        assert_eq!(error, "training: `chains` is 10 for 4 shards, allowed: a multiple of the shards");
        let over = |shards, ranks| Team::over(shards, threads(ranks).swap_remove(ranks - 1));
        assert_eq!((over(8, 4).unwrap().own(), over(8, 4).unwrap().leads()), (6..8, false));
        let error = over(2, 4).unwrap_err().to_string();
        assert_eq!(
            error,
            "training: `processes` is 4 for 2 shards, allowed: a power of two, no more than there are shards (`--shards`)"
        );
        assert!(over(8, 3).is_err() && Team::new(0).is_err() && Team::new(2048).is_err());
    }
}
