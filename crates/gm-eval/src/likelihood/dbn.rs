//! Likelihoods of DBNs: enumerated, or bounded by draws of the recognition net with log Z of the RBM on top annealed
//! from both sides.

use std::time::Instant;

use gm_core::{Batch, Estimate, ModelKind, Purpose, Streams, VisibleKind, VisibleUnits, Watch, mean};
use gm_dbn::Dbn;
use gm_sbn::Bounds;

use crate::error::Result;
use crate::likelihood::interval::{annealed, exact, from_both_sides, partition_warnings};
use crate::likelihood::raise::Raise;
use crate::likelihood::sbn::importance;
use crate::report::{EvalReport, LowerBound};
use crate::rows::EvalData;
use crate::settings::EvalSettings;

/// Measures the likelihood of data under a DBN.
///
/// log Z of the RBM on top is enumerated or annealed. The report has the evidence lower bound and a tighter bound from
/// several draws of the recognition net. If log Z is annealed, reverse AIS from the recognition net's draws for random
/// rows (RAISE) gives the lower end of the interval. If the hidden layers below the top can be enumerated too, log p is
/// exact. For Gaussian units p is the density of the data in their own units of measure.
///
/// # Randomness
///
/// Families of [`Purpose::Evaluate`] of the settings' seed: 0 for annealing, 2 for the choice of rows, 3 for RAISE, 4
/// for the draws of the recognition net.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and model differ in units, [`gm_core::Error::Empty`] without rows,
/// [`gm_core::Error::TooLarge`] for enumeration beyond 20 units, [`gm_core::Error::Param`] for settings out of range,
/// [`gm_core::Error::Interrupted`] when `watch` breaks.
///
/// # Source
///
/// `salakhutdinov2008quantitative`, `burda2015accurate`, `burda2016importance`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_dbn};
///
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let report = evaluate_dbn(&dbn, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert!((report.mean_log_prob.value + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// assert_eq!(report.mean_log_prob.side, "exact");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_dbn(dbn: &Dbn, data: &EvalData, settings: &EvalSettings, watch: Watch<'_>) -> Result<EvalReport> {
    let began = Instant::now();
    let states = states(dbn, data)?;
    let streams = Streams::new(settings.seed);
    let train = data.train_rows.as_ref().map(|rows| dbn.states_of_rows(rows)).transpose()?;
    let base = train.map(|states| dbn.base_rates(&states)).transpose()?;
    let partition = match settings.exact.enumerates(dbn.enumerable_units()) {
        true => exact(dbn.log_partition()?),
        false => {
            let streams = streams.fork(Purpose::Evaluate, 0);
            annealed(settings, &dbn.log_partition_ais(&settings.ais, base.as_deref(), &streams, watch)?)
        }
    };
    let draws = streams.fork(Purpose::Evaluate, 4);
    let bounds = of_rows(dbn, dbn.bounds(&states, partition.value, &settings.bound, &draws, watch)?);
    let annealed_z = partition.runs.is_some() && settings.raise_walks > 0;
    let log_z =
        annealed_z.then(|| log_z_from_data(dbn, &states, settings, base.as_deref(), &streams, watch)).transpose()?;
    let directed = dbn.enumerable_hidden_units();
    let is_exact = settings.exact.enumerates(directed) && partition.runs.is_none();
    let log_probs = if is_exact {
        dbn.log_prob(&states, partition.value)?.iter().map(|log_p| log_p - dbn.log_volume()).collect()
    } else {
        bounds.rows()
    };
    let value = mean(&log_probs);
    // Densities, unlike probabilities, may exceed 1.
    let at_most_0 = if dbn.units().is_binary() { value } else { f64::NEG_INFINITY };
    let lower = log_z.map(|log_z| LowerBound::new(value + partition.value, &log_z));
    let mean_log_prob = from_both_sides(value, is_exact, &partition, lower.as_ref());
    let report = EvalReport::new(ModelKind::Dbn, dbn.layers(), data, mean_log_prob, settings.seed);
    Ok(EvalReport {
        elbo: Some(mean(&bounds.elbo)),
        importance_weighted: (!is_exact).then(|| importance(&bounds)),
        warnings: partition_warnings(&partition, at_most_0, lower.as_ref().map(|lower| value - lower.value)),
        lower_bound: lower,
        log_partition: Some(partition),
        log_probs,
        seconds: began.elapsed().as_secs_f64(),
        visible: Some(dbn.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    })
}

/// Rows of data as states of the visible units.
fn states(dbn: &Dbn, data: &EvalData) -> Result<Batch> {
    const OP: &str = "evaluate_dbn";
    match dbn.units() {
        VisibleUnits::Bernoulli => data.check_bits(OP, dbn.visible())?,
        _ => data.check(OP, dbn.visible())?,
    }
    Ok(dbn.states_of_rows(&data.rows)?)
}

/// Bounds on log p of rows in their own units of measure, from bounds on log p of states.
fn of_rows(dbn: &Dbn, mut bounds: Bounds) -> Bounds {
    let volume = dbn.log_volume();
    let weighted = bounds.importance_weighted.iter_mut().flatten();
    weighted.chain(&mut bounds.elbo).for_each(|bound| *bound -= volume);
    bounds
}

/// log Z by reverse AIS from the recognition net's draws for random rows: too high in expectation.
fn log_z_from_data(
    dbn: &Dbn,
    states: &Batch,
    settings: &EvalSettings,
    base: Option<&[f32]>,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Estimate> {
    Raise { rows: states, settings, streams }.log_z(|rows, ais, choice, runs| {
        let x = dbn.chains_from(rows.clone(), choice)?.into_v();
        Ok(dbn.log_partition_raise(&x, &ais.schedule, base, runs, watch)?)
    })
}
