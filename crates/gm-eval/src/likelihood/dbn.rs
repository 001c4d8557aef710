//! Likelihoods of deep belief networks: enumerated, or bounded by draws of the recognition net with log Z of the machine on top
//! annealed from both sides.

use std::time::Instant;

use gm_core::{Batch, Estimate, ModelKind, Purpose, Side, Streams, VisibleKind, VisibleUnits, Watch, mean};
use gm_dbn::Dbn;
use gm_sbn::Bounds;
use rand::seq::index::sample;

use crate::error::Result;
use crate::likelihood::{
    EvalData, EvalReport, EvalSettings, LowerBound, annealed, exact, from_both_sides, importance_of_bounds,
    partition_warnings,
};

/// Measures the likelihood of data under a deep belief network.
///
/// The evidence lower bound and a tighter one from several draws of the recognition net, with log Z of the machine on top
/// enumerated or annealed; when it is annealed, walks back from what the recognition net makes of random rows (RAISE) give the
/// lower end of the interval. Where the hidden layers below the top can be enumerated as well, log p is exact. Of Gaussian units p
/// is the density of the data in their own units of measure.
///
/// # Randomness
///
/// Family 0 of [`Purpose::Evaluate`] for annealing, families 2 and 3 for the choice of rows and the walks back, family 4 for the
/// draws of the recognition net, of the settings' seed.
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
    let walks = partition.runs.is_some() && settings.raise_walks > 0;
    let log_z = walks.then(|| log_z_from_data(dbn, &states, settings, base.as_deref(), &streams, watch)).transpose()?;
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
        importance_weighted: (!is_exact).then(|| importance_of_bounds(&bounds)),
        warnings: partition_warnings(&partition, at_most_0, lower.as_ref().map(|lower| value - lower.value)),
        lower_bound: lower,
        log_partition: Some(partition),
        log_probs,
        seconds: began.elapsed().as_secs_f64(),
        visible: Some(dbn.units().kind()).filter(|&kind| kind != VisibleKind::Bernoulli).map(String::from),
        ..report
    })
}

/// Rows of data as the network sees them.
fn states(dbn: &Dbn, data: &EvalData) -> Result<Batch> {
    const OP: &str = "evaluate_dbn";
    match dbn.units() {
        VisibleUnits::Bernoulli => data.check_bits(OP, dbn.visible())?,
        _ => data.check(OP, dbn.visible())?,
    }
    Ok(dbn.states_of_rows(&data.rows)?)
}

/// Bounds on log p of states as ones on that of rows in their own units of measure.
fn of_rows(dbn: &Dbn, mut bounds: Bounds) -> Bounds {
    let volume = dbn.log_volume();
    let weighted = bounds.importance_weighted.iter_mut().flatten();
    weighted.chain(&mut bounds.elbo).for_each(|bound| *bound -= volume);
    bounds
}

/// What walks back from draws of the recognition net for random rows say of log Z: above it in expectation.
fn log_z_from_data(
    dbn: &Dbn,
    states: &Batch,
    settings: &EvalSettings,
    base: Option<&[f32]>,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Estimate> {
    let total = states.samples();
    let family = streams.fork(Purpose::Evaluate, 2);
    let chosen = sample(&mut family.stream(0), total, settings.raise_walks.min(total)).into_vec();
    // With few rows there are several walks from each.
    let walks: Vec<usize> = chosen.iter().copied().cycle().take(settings.raise_walks).collect();
    let x = dbn.sampler().chains_from(states.select(&walks), &family)?.into_v();
    let streams = streams.fork(Purpose::Evaluate, 3);
    let log_z = dbn.log_partition_raise(&x, &settings.ais.schedule, base, &streams, watch)?;
    Ok(Estimate::mean(&log_z, Side::Upper, "raise"))
}
