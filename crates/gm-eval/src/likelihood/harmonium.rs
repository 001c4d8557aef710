//! Likelihoods of harmoniums: enumerated, or annealed from both sides.

use std::time::Instant;

use gm_core::layer::Layer;
use gm_core::{
    AisSettings, Annealed, Batch, ModelKind, Streams, TemperingInfo, VisibleKind, Watch, even_temperatures, mean,
};
use gm_harmonium::{Harmonium, Ladder};

use super::independent::of_bit_means;
use super::interval::{estimate, exact};
use super::log_z::{LogZ, Undirected};
use super::shards::Shards;
use crate::error::{Result, tell};
use crate::report::{EvalReport, LowerBound};
use crate::rows::EvalData;
use crate::settings::{EvalSettings, TemperingSettings};

/// Sweeps of parallel tempering between two calls of `watch`.
const PART: usize = 10;

/// Measures the likelihood of data under a harmonium.
///
/// mean log p = -mean F(v) - log Z
///
/// log Z is enumerated over a layer with few states, or annealed from independent visible units with the moments of the
/// training rows, or of short chains where there are none. The ends are those of [`evaluate_rbm`](super::evaluate_rbm). Of
/// real-valued units p is a density, in the units of measure of the data.
///
/// # Randomness
///
/// The families of [`evaluate_rbm`](super::evaluate_rbm).
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::Param`] for settings of annealing out of range and for rows that the units cannot take,
/// [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, layer::LayerSpec, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_harmonium};
///
/// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
/// let model = gm_harmonium::Harmonium::new(layer("spin", 4)?, layer("relu", 2)?, Matrix::zeros(4, 2))?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_harmonium(&model, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_harmonium(
    model: &Harmonium,
    data: &EvalData,
    settings: &EvalSettings,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    measure(model, data, settings, &mut settings.all_shards("evaluate_harmonium")?, watch)
}

/// [`evaluate_harmonium`] with the given shards.
pub(super) fn measure(
    model: &Harmonium,
    data: &EvalData,
    settings: &EvalSettings,
    shards: &mut Shards<'_>,
    watch: Watch<'_>,
) -> Result<EvalReport> {
    const OP: &str = "evaluate_harmonium";
    let began = Instant::now();
    data.check(OP, model.visible().units())?;
    let states = |rows: &Batch| model.visible().states_of_rows(OP, rows.view());
    let (rows, base) = (states(&data.rows)?, base(model, data)?);
    let (log_z, _) = LogZ::measure(&Annealable { model, base }, &data.rows, settings, shards, watch)?;
    let free_energy = model.free_energy(rows.view());
    let train = data.train_rows.as_ref().map(states).transpose()?;
    let gap = train.map(|train| mean(&free_energy) - mean(&model.free_energy(train.view())));
    let log_probs: Vec<f64> = free_energy.iter().map(|f| -f - log_z.partition.value).collect();
    let value = mean(&log_probs);
    let mean_log_prob = if log_z.is_exact() { exact(value) } else { estimate(value, &log_z) };
    let report = EvalReport::new(ModelKind::Harmonium, model.layers(), data, mean_log_prob, settings);
    let kind = model.visible().data_kind();
    EvalReport {
        free_energy_gap: gap,
        lower_bound: log_z.raise.as_ref().map(|log_z| LowerBound::new(-mean(&free_energy), log_z)),
        log_probs,
        visible: Some(kind).filter(|&kind| kind != VisibleKind::Bernoulli).map(|_| model.visible().name()),
        ..report
    }
    .finished(Some(log_z), model.visible(), data, began)
}

/// A visible layer of independent units with the moments of the training rows; of zeros and ones their means tell.
fn base(model: &Harmonium, data: &EvalData) -> Result<Option<Layer>> {
    if let Some(rows) = &data.train_rows {
        let states = model.visible().states_of_rows("evaluate_harmonium", rows.view())?;
        return Ok(if states.samples() > 1 { Some(model.base_of(states.view())?) } else { None });
    }
    let Some(means) = data.train_means.as_ref().filter(|_| model.visible().data_kind() == VisibleKind::Bernoulli)
    else {
        return Ok(None);
    };
    Ok(Some(of_bit_means(model.visible(), means)?))
}

/// A harmonium with the base from which its annealing starts.
pub(super) struct Annealable<'a> {
    pub(super) model: &'a Harmonium,
    pub(super) base: Option<Layer>,
}

impl Undirected for Annealable<'_> {
    type States = Batch;

    fn enumerable_units(&self) -> usize {
        self.model.enumerable_units()
    }

    fn exact(&self, watch: Watch<'_>) -> Result<f64> {
        Ok(self.model.log_partition_watched(watch)?)
    }

    fn ais(&self, settings: &AisSettings, streams: &Streams, watch: Watch<'_>) -> Result<Annealed> {
        Ok(self.model.log_partition_ais(settings, self.base.as_ref(), streams, watch)?)
    }

    fn tempered(
        &self,
        count: usize,
        settings: TemperingSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<(Batch, TemperingInfo)> {
        let temperatures = even_temperatures(settings.temperatures)?;
        let base = self.base.clone().map_or_else(|| self.model.own_base(streams), Ok)?;
        let mut ladder = Ladder::new(self.model, &base, count, &temperatures, streams)?;
        let mut info = TemperingInfo { sweeps: 0, flips: 0.0, acceptance: vec![0.0; temperatures.len() - 1] };
        for done in (0..settings.sweeps).step_by(PART) {
            tell(watch, "evaluate_harmonium", (done, settings.sweeps))?;
            info = ladder.run(PART.min(settings.sweeps - done), streams);
        }
        Ok((ladder.coldest().v, info))
    }

    fn reverse_ais(
        &self,
        states: &Batch,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let (schedule, base) = (&settings.schedule, self.base.as_ref());
        Ok(self.model.log_partition_reverse_ais(states.view(), schedule, base, streams, watch)?)
    }

    fn raise(
        &self,
        rows: &Batch,
        ais: &AisSettings,
        (_, runs): (&Streams, &Streams),
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let v = self.model.visible().states_of_rows("evaluate_harmonium", rows.view())?;
        let bounds = self.model.log_prob_raise(v.view(), ais, self.base.as_ref(), runs, watch)?;
        Ok(self.model.free_energy(v.view()).iter().zip(&bounds).map(|(f, bound)| -f - bound).collect())
    }
}
