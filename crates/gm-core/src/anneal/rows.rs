//! Annealing of many rows at once, each along a path of its own, in slices of chains.

use super::path::AnnealedPath;
use super::pilot::{PILOT_RUNS, rounded, temperatures};
use super::run::walk;
use super::schedule::{AisSettings, Schedule};
use crate::error::{Error, Result};
use crate::estimate::Weighted;
use crate::numerics::LogSum;
use crate::streams::{Purpose, Streams};
use crate::watch::{Progress, Watch};

/// Chains that are annealed together.
const CHAINS: usize = 1_024;
/// The most rows of a pilot.
const PILOT_ROWS: usize = 8;

/// Estimates the log of the partition function at the end of the path of each row, from `settings.runs` runs of each.
///
/// If a path leads from a distribution q(h | v) to p*(v, h), the result is a stochastic lower bound on log p*(v) of the
/// row: its expectation is not above the truth.
///
/// `path(rows, places)` is the path of some chains. Chain k belongs to row `rows[places[k]]`, and `rows` lists each row
/// once.
///
/// # Randomness
///
/// The runs of a row are neighbours, and the runs of all rows form one sequence of chains. Its slice s of 1,024 chains
/// uses family s of [`Purpose::Evaluate`], and below it the families of [`anneal`](super::anneal). An adaptive schedule
/// is chosen once, by a pilot on at most 8 rows, from the families of [`anneal`](super::anneal).
///
/// # Errors
///
/// [`Error::Empty`] without rows, [`Error::Param`] for settings out of range; `op` names the operation in both.
/// [`Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `neal2001annealed`; `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, AnnealedPath, Schedule, Streams, anneal_rows, unwatched};
///
/// /// f_beta = exp(beta x) of the single state of each row, with another x in each.
/// struct Fields(Vec<f64>);
/// impl AnnealedPath for Fields {
///     type Chains = ();
///     fn log_base_partition(&self) -> f64 { 0.0 }
///     fn start(&self, _: usize, _: &Streams) {}
///     fn advance(&self, _: &mut (), from: f64, to: f64, _: &Streams, log_weights: &mut [f64]) {
///         log_weights.iter_mut().zip(&self.0).for_each(|(weight, x)| *weight += (to - from) * x);
///     }
/// }
///
/// let x = [1.5, -2.0];
/// let path = |rows: &[usize], places: &[usize]| Fields(places.iter().map(|&place| x[rows[place]]).collect());
/// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let found = anneal_rows(("example", 2), &settings, &Streams::new(0), &mut unwatched, path)?;
/// assert!((found[0].value - 1.5).abs() < 1e-9 && (found[1].value + 2.0).abs() < 1e-9);
/// assert!((found[1].ess - 10.0).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn anneal_rows<P: AnnealedPath>(
    (op, rows): (&'static str, usize),
    settings: &AisSettings,
    streams: &Streams,
    watch: Watch<'_>,
    path: impl Fn(&[usize], &[usize]) -> P,
) -> Result<Vec<Weighted>> {
    if rows == 0 {
        return Err(Error::Empty { op, arg: "data" });
    }
    settings.check(op)?;
    let betas = temperatures_of_rows(rows, &settings.schedule, streams, watch, &path)?;
    let slices = Slices { chains: rows.saturating_mul(settings.runs), runs: settings.runs };
    let mut sums = vec![[LogSum::default(); 2]; rows];
    for slice in 0..slices.count() {
        let (of_slice, places) = slices.rows(slice);
        let (path, family) = (path(&of_slice, &places), streams.fork(Purpose::Evaluate, slice as u64));
        let mut chains = path.start(places.len(), &family.fork(Purpose::Anneal, 0));
        let mut log_weights = vec![path.log_base_partition(); places.len()];
        let mut report = |progress| watch(slices.progress(slice, progress));
        walk(&path, &mut chains, &betas, &family, &mut log_weights, &mut report)?;
        for (place, weight) in places.into_iter().zip(log_weights) {
            let [sum, squares] = &mut sums[of_slice[place]];
            sum.add(weight);
            squares.add(2.0 * weight);
        }
    }
    Ok(sums.iter().map(|[sum, squares]| Weighted::of_sums(sum, squares, settings.runs)).collect())
}

/// Estimates the log of the partition function at the end of the path of each row by one reverse run.
///
/// If the states at which the runs begin are draws from the end of the paths, such as the posterior of each row, the
/// result is a stochastic upper bound: its expectation is not below the truth. The kernels of the path need not be
/// reversible for this.
///
/// `path` is that of [`anneal_rows`], and `chains(path, rows)` are the states at which the runs of these rows begin.
///
/// # Randomness
///
/// As [`anneal_rows`], with one chain for each row.
///
/// # Errors
///
/// [`Error::Empty`] without rows, where `op` names the operation, [`Error::Param`] for a schedule out of range,
/// [`Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `grosse2015sandwiching`.
///
/// # Examples
///
/// ```
/// use gm_core::{Schedule, Streams, anneal_rows_back, unwatched};
/// # struct Fields(Vec<f64>);
/// # impl gm_core::AnnealedPath for Fields {
/// #     type Chains = ();
/// #     fn log_base_partition(&self) -> f64 { 0.0 }
/// #     fn start(&self, _: usize, _: &Streams) {}
/// #     fn advance(&self, _: &mut (), from: f64, to: f64, _: &Streams, log_weights: &mut [f64]) {
/// #         log_weights.iter_mut().zip(&self.0).for_each(|(weight, x)| *weight += (to - from) * x);
/// #     }
/// # }
///
/// // `Fields` is the path from the example of `anneal_rows`. Its chains have no states.
/// let x = [1.5, -2.0];
/// let path = |rows: &[usize], places: &[usize]| Fields(places.iter().map(|&place| x[rows[place]]).collect());
/// let (schedule, streams) = (Schedule::Linear(5), Streams::new(0));
/// let found = anneal_rows_back(("example", 2), &schedule, &streams, &mut unwatched, path, |_, _| ())?;
/// assert!((found[0] - 1.5).abs() < 1e-9 && (found[1] + 2.0).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn anneal_rows_back<P: AnnealedPath>(
    (op, rows): (&'static str, usize),
    schedule: &Schedule,
    streams: &Streams,
    watch: Watch<'_>,
    path: impl Fn(&[usize], &[usize]) -> P,
    chains: impl Fn(&P, &[usize]) -> P::Chains,
) -> Result<Vec<f64>> {
    if rows == 0 {
        return Err(Error::Empty { op, arg: "states" });
    }
    let mut betas = temperatures_of_rows(rows, schedule, streams, watch, &path)?;
    betas.reverse();
    let slices = Slices { chains: rows, runs: 1 };
    let mut found = Vec::with_capacity(rows);
    for slice in 0..slices.count() {
        let (of_slice, places) = slices.rows(slice);
        let (path, family) = (path(&of_slice, &places), streams.fork(Purpose::Evaluate, slice as u64));
        let mut chains = chains(&path, &of_slice);
        let mut log_weights = vec![-path.log_base_partition(); places.len()];
        let mut report = |progress| watch(slices.progress(slice, progress));
        // This move at beta = 1 adds nothing to the weights.
        path.advance(&mut chains, 1.0, 1.0, &family.fork(Purpose::Anneal, 0), &mut log_weights);
        walk(&path, &mut chains, &betas, &family, &mut log_weights, &mut report)?;
        found.extend(log_weights.into_iter().map(|weight| -weight));
    }
    Ok(found)
}

/// Chains in slices, with the same number of runs of each row side by side.
struct Slices {
    chains: usize,
    runs: usize,
}

impl Slices {
    fn count(&self) -> usize {
        self.chains.div_ceil(CHAINS)
    }

    /// The rows of a slice, and for each chain the place of its row among them.
    fn rows(&self, slice: usize) -> (Vec<usize>, Vec<usize>) {
        let chains = slice * CHAINS..self.chains.min((slice + 1) * CHAINS);
        let first = chains.start / self.runs;
        let rows = first..(chains.end - 1) / self.runs + 1;
        (rows.collect(), chains.map(|chain| chain / self.runs - first).collect())
    }

    /// The progress of all slices, from the progress of one.
    fn progress(&self, slice: usize, of_slice: Progress) -> Progress {
        let Progress { done, total } = of_slice;
        Progress { done: slice * total + done, total: self.count().saturating_mul(total) }
    }
}

/// The temperatures of a schedule. An adaptive one follows from a pilot on a few rows.
fn temperatures_of_rows<P: AnnealedPath>(
    rows: usize,
    schedule: &Schedule,
    streams: &Streams,
    watch: Watch<'_>,
    path: &impl Fn(&[usize], &[usize]) -> P,
) -> Result<Vec<f64>> {
    schedule.check()?;
    if !matches!(schedule, Schedule::Adaptive(_)) {
        return Ok(rounded(schedule.betas()?));
    }
    let count = rows.min(PILOT_ROWS);
    let chosen: Vec<usize> = (0..count).map(|place| place * rows / count).collect();
    let places: Vec<usize> = (0..PILOT_RUNS).map(|run| run % count).collect();
    temperatures(&Pilot { path: path(&chosen, &places), places, rows: count }, schedule, streams, watch)
}

/// A path of several rows whose log-weights are the deviations from the mean of their row, since only these deviations
/// count in the choice of temperatures.
struct Pilot<P> {
    path: P,
    places: Vec<usize>,
    rows: usize,
}

impl<P: AnnealedPath> AnnealedPath for Pilot<P> {
    type Chains = P::Chains;

    fn log_base_partition(&self) -> f64 {
        self.path.log_base_partition()
    }

    fn start(&self, runs: usize, streams: &Streams) -> P::Chains {
        self.path.start(runs, streams)
    }

    fn advance(&self, chains: &mut P::Chains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        let mut gains = vec![0.0; log_weights.len()];
        self.path.advance(chains, from, to, streams, &mut gains);
        let mut sums = vec![(0.0, 0.0); self.rows];
        for (&place, gain) in self.places.iter().zip(&gains) {
            let (sum, count) = &mut sums[place];
            *sum += gain;
            *count += 1.0;
        }
        for ((&place, gain), weight) in self.places.iter().zip(&gains).zip(log_weights) {
            *weight += gain - sums[place].0 / sums[place].1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_slices_hold_all_runs_of_all_rows_once() {
        for (rows, runs) in [(1, 1), (3, 2_000), (1_024, 1), (1_025, 1), (500, 7), (2, 1_024)] {
            let slices = Slices { chains: rows * runs, runs };
            assert_eq!(slices.count(), (rows * runs).div_ceil(CHAINS));
            let mut counts = vec![0; rows];
            for slice in 0..slices.count() {
                let (of_slice, places) = slices.rows(slice);
                assert!(places.len() == CHAINS || slice + 1 == slices.count(), "only the last slice is short");
                // Every row of a slice has a run in it.
                assert!((0..of_slice.len()).all(|place| places.contains(&place)), "{rows} rows, {runs} runs");
                places.into_iter().for_each(|place| counts[of_slice[place]] += 1);
            }
            assert_eq!(counts, vec![runs; rows]);
            let last = slices.progress(slices.count() - 1, Progress { done: 9, total: 9 });
            assert_eq!((last.done, last.total), (9 * slices.count(), 9 * slices.count()));
        }
    }
}
