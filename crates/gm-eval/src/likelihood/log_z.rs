//! log Z from both sides, whatever the kind of model: enumerated, or annealed from independent units, from samples of
//! the model and from rows of data.

use std::collections::BTreeMap;

use gm_core::{AisSettings, Annealed, Batch, Estimate, Purpose, Side, Streams, TemperingInfo, Watch, mean};
use rand::seq::index::sample;

use super::shards::Shards;
use crate::error::Result;
use crate::report::{PartitionReport, ReverseReport};
use crate::settings::{EvalSettings, TemperingSettings};

/// A model with a partition function, as the estimators of log Z see it.
pub(super) trait Undirected {
    /// States of the model, one sample a column.
    type States;

    /// The number of units that [`exact`](Self::exact) enumerates.
    fn enumerable_units(&self) -> usize;

    /// log Z by enumeration.
    fn exact(&self, watch: Watch<'_>) -> Result<f64>;

    /// log Z by annealing from independent units.
    fn ais(&self, settings: &AisSettings, streams: &Streams, watch: Watch<'_>) -> Result<Annealed>;

    /// States in which parallel tempering ends, one for each of `count` groups of chains.
    fn tempered(
        &self,
        count: usize,
        settings: TemperingSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Self::States, TemperingInfo)>;

    /// log Z by reverse annealing, with one run from each of the states.
    fn reverse_ais(
        &self,
        states: &Self::States,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed>;

    /// log Z as seen from each row by one run of reverse annealing (RAISE). The first family of streams is that in which
    /// the rows were chosen, the second one is for the runs.
    fn raise(
        &self,
        rows: &Batch,
        ais: &AisSettings,
        families: (&Streams, &Streams),
        watch: Watch<'_>,
    ) -> Result<Vec<f64>>;
}

/// States of a model, by the shard that drew them.
pub(super) type ShardStates<S> = BTreeMap<usize, S>;

/// log Z with the ends that each method gives it.
pub(super) struct LogZ {
    pub(super) partition: PartitionReport,
    /// From samples of the model.
    pub(super) reverse: Option<ReverseReport>,
    /// From rows of data.
    pub(super) raise: Option<Estimate>,
}

impl LogZ {
    /// Measures log Z. The states are those from which reverse annealing started in the shards that are computed here.
    ///
    /// # Randomness
    ///
    /// Families of [`Purpose::Evaluate`]: 0 for annealing, 2 for the choice of rows, 3 for RAISE, 5 for samples of the
    /// model, 6 for reverse annealing from these samples.
    pub(super) fn measure<M: Undirected>(
        model: &M,
        rows: &Batch,
        settings: &EvalSettings,
        shards: &mut Shards<'_>,
        watch: Watch<'_>,
    ) -> Result<(Self, ShardStates<M::States>)> {
        let partition = partition(model, settings, shards, watch)?;
        let mut states = ShardStates::new();
        if partition.runs.is_none() {
            return Ok((Self { partition, reverse: None, raise: None }, states));
        }
        let reverse = match settings.reverse_runs {
            0 => None,
            _ => Some(reverse(model, settings, shards, &mut states, watch)?),
        };
        let raise = match settings.raise_walks {
            0 => None,
            _ => Some(raise(model, rows, settings, shards, watch)?),
        };
        Ok((Self { partition, reverse, raise }, states))
    }

    /// Whether log Z is enumerated.
    pub(super) fn is_exact(&self) -> bool {
        self.partition.runs.is_none()
    }

    /// The upper end of log Z: the highest of the upper ends of annealing, of reverse annealing and of RAISE.
    pub(super) fn high(&self) -> f64 {
        let others = [self.reverse.as_ref().map(|z| z.high), self.raise.as_ref().map(|z| z.high)];
        others.into_iter().flatten().fold(self.partition.high, |high, end| if end > high { end } else { high })
    }
}

/// log Z by enumeration if the settings allow it, otherwise by annealing.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`].
pub(super) fn partition<M: Undirected>(
    model: &M,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<PartitionReport> {
    if settings.exact.enumerates(model.enumerable_units()) {
        let value = model.exact(watch)?;
        let (low, high, method) = (value, value, "exact");
        return Ok(PartitionReport {
            value,
            std_error: 0.0,
            low,
            high,
            method,
            runs: None,
            temperatures: None,
            ess: None,
        });
    }
    let AisSettings { runs, schedule } = &settings.ais;
    let log_weights = shards.rows("ais", (*runs, 1), |range, streams| {
        let ais = AisSettings { runs: range.len(), schedule: schedule.clone() };
        Ok(model.ais(&ais, &streams.fork(Purpose::Evaluate, 0), watch)?.log_weights)
    })?;
    let found = Annealed::of_runs(log_weights, schedule);
    let log_z = &found.log_partition;
    Ok(PartitionReport {
        value: log_z.value,
        std_error: log_z.std_error,
        low: log_z.low,
        high: log_z.high,
        method: "ais",
        runs: Some(settings.ais.runs),
        temperatures: Some(found.temperatures),
        ess: Some(found.ess),
    })
}

/// log Z by reverse annealing from the states in which parallel tempering ends. Each shard tempers chains of its own; its
/// states are kept.
fn reverse<M: Undirected>(
    model: &M,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    states: &mut ShardStates<M::States>,
    watch: Watch<'_>,
) -> Result<ReverseReport> {
    let (runs, tempering) = (settings.reverse_runs, settings.tempering);
    let counts: Vec<usize> = (0..shards.count()).map(|shard| shards.range(shard, runs).len()).collect();
    let found = shards.each("reverse_ais", |shard, streams| {
        if counts[shard] == 0 {
            return Ok(vec![]);
        }
        let (drawn, info) = model.tempered(counts[shard], tempering, &streams.fork(Purpose::Evaluate, 5), watch)?;
        let found = model.reverse_ais(&drawn, &settings.ais, &streams.fork(Purpose::Evaluate, 6), watch)?;
        states.insert(shard, drawn);
        // The log-weights, then the shares of accepted swaps.
        Ok([found.log_weights, info.acceptance].concat())
    })?;
    let (weights, acceptance): (Vec<_>, Vec<_>) =
        found.iter().zip(&counts).map(|(found, &count)| found.split_at(count.min(found.len()))).unzip();
    let (found, acceptance) =
        (Annealed::of_reverse_runs(weights.concat(), &settings.ais.schedule), acceptance.concat());
    let log_z = found.log_partition;
    Ok(ReverseReport {
        value: log_z.value,
        std_error: log_z.std_error,
        low: log_z.low,
        high: log_z.high,
        method: "reverse ais",
        runs,
        temperatures: found.temperatures,
        ess: found.ess,
        sweeps: tempering.sweeps,
        swap_acceptance: mean(&acceptance),
        lowest_swap_acceptance: acceptance.iter().copied().fold(1.0, f64::min),
    })
}

/// log Z by reverse annealing from random rows.
///
/// The values of log Z vary little from row to row, so that few rows serve for the mean over all rows.
fn raise<M: Undirected>(
    model: &M,
    rows: &Batch,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<Estimate> {
    let (total, runs) = (rows.samples(), settings.raise_walks);
    let mut choice = shards.streams().fork(Purpose::Evaluate, 2).stream(0);
    let chosen = sample(&mut choice, total, runs.min(total)).into_vec();
    // With few rows there are several runs from each row.
    let starts: Vec<usize> = chosen.iter().copied().cycle().take(runs).collect();
    let ais = AisSettings { runs: 1, schedule: settings.ais.schedule.clone() };
    let log_z = shards.rows("raise", (runs, 1), |range, streams| {
        let families = (&streams.fork(Purpose::Evaluate, 2), &streams.fork(Purpose::Evaluate, 3));
        model.raise(&rows.select(&starts[range]), &ais, families, watch)
    })?;
    Ok(Estimate::mean(&log_z, Side::Upper, "raise"))
}
