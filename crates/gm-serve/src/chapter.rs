//! The chapter's exhibits on small models, enumerated exactly: explaining away, the complementary prior, and the two sides
//! of an interval.

use gm_core::{AisSettings, BitMatrix, Matrix, Schedule, Stack, Streams, Vector, Watch};
use gm_dbn::Dbn;
use gm_eval::{EvalData, EvalSettings, Exact, TemperingSettings, evaluate_rbm};
use gm_rbm::Rbm;
use gm_sbn::Sbn;
use serde::{Deserialize, Serialize};

use crate::error::{Answer, Refusal};

/// What is known of the alarm and its causes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alarm {
    /// Probability of an earthquake, if nobody has looked.
    earthquake: f32,
    /// Probability of a burglary.
    burglary: f32,
    /// Whether the alarm rings, if it was heard or not.
    rings: Option<bool>,
    /// Whether there was an earthquake, if that is known.
    quaked: Option<bool>,
}

/// Beliefs in the two causes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Beliefs {
    burglary: f64,
    earthquake: f64,
    /// 0 if one of the causes is known.
    correlation: f64,
}

/// The bias of a cause that is known, far beyond which no probability changes.
const CERTAIN: f32 = 40.0;
/// Weights from burglary and earthquake to the alarm, and the bias of the alarm.
const ALARM: ([f32; 2], f32) = ([7.0, 5.0], -5.0);

/// Explaining away: the beliefs in two causes of an alarm, by enumeration of a sigmoid belief net.
///
/// # Errors
///
/// A refusal of probabilities outside 0 to 1.
pub(crate) fn alarm(known: Alarm) -> Answer<Beliefs> {
    let bias = |p: f32| (p.max(1e-6) / (1.0 - p).max(1e-6)).ln().clamp(-CERTAIN, CERTAIN);
    for p in [known.burglary, known.earthquake] {
        if !(0.0..=1.0).contains(&p) {
            return Err(Refusal::unfit(format!("a probability is {p}, allowed: 0 to 1")));
        }
    }
    let quake = known.quaked.map_or(bias(known.earthquake), |quaked| if quaked { CERTAIN } else { -CERTAIN });
    let weights = vec![Matrix::from_row_slice(1, 2, &ALARM.0)];
    let biases = vec![Vector::from_element(1, ALARM.1), Vector::from_vec(vec![bias(known.burglary), quake])];
    let stack = Stack::new(weights, biases).map_err(Refusal::unfit)?;
    let sbn = Sbn::new(stack, None).map_err(Refusal::unfit)?;
    let found = match known.rings {
        Some(rings) => sbn.posterior(&BitMatrix::from_fn(1, 1, |_, _| rings), 0),
        None => sbn.prior(),
    };
    let found = found.map_err(Refusal::unfit)?;
    let (means, correlation) = (found.means(), found.correlation(0, 1));
    let correlation = if known.quaked.is_some() || !correlation.is_finite() { 0.0 } else { correlation };
    Ok(Beliefs { burglary: means[0], earthquake: means[1], correlation })
}

/// A network whose upper weights are a multiple of the tied ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Tied {
    scale: f32,
    log_prob: f64,
    bound: f64,
    /// The correlation of two causes of the row.
    correlation: f64,
}

/// The complementary prior: an RBM of 3 and 2 units, unrolled to two layers whose upper weights are scaled. At scale 1
/// they are tied, the causes of a row are independent, and the bound is exact.
///
/// # Errors
///
/// None for these models; a refusal otherwise.
pub(crate) fn prior() -> Answer<Vec<Tied>> {
    let weights = Matrix::from_row_slice(3, 2, &[3.0, 2.5, 2.5, 3.0, -1.0, -1.0]);
    let (visible, hidden) = (Vector::from_vec(vec![-2.0, -2.0, 0.0]), Vector::from_vec(vec![-1.0, -0.5]));
    let rbm = Rbm::new(weights, visible, hidden).map_err(Refusal::unfit)?;
    let seen = BitMatrix::from_fn(3, 1, |unit, _| unit != 2);
    let at = |step: u8| -> gm_core::Result<Tied> {
        let scale = f32::from(step) * 0.05;
        let mut dbn = Dbn::unroll(&rbm, 2)?;
        dbn.stack_mut().update_weights(1, |weights| *weights *= scale);
        let log_z = dbn.log_partition()?;
        let (log_prob, bound) = (dbn.log_prob(&seen, log_z)?[0], dbn.exact_bound(&seen, log_z, 1)?[0]);
        Ok(Tied { scale, log_prob, bound, correlation: dbn.posterior(&seen, 0)?.correlation(0, 1) })
    };
    (0..=40).map(at).collect::<gm_core::Result<_>>().map_err(Refusal::unfit)
}

/// An interval for mean log p, by annealing over some temperatures from both sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Interval {
    temperatures: usize,
    low: f64,
    high: f64,
    exact: f64,
}

/// The two sides of an interval: an RBM of 8 and 6 units with strong weights, annealed over ever more temperatures.
///
/// # Errors
///
/// A refusal if it takes too long.
pub(crate) fn interval(seed: u64, watch: Watch<'_>) -> Answer<Vec<Interval>> {
    let rbm = Rbm::initial(&[0.5; 8], 6, 2.0, &Streams::new(3)).map_err(Refusal::unfit)?;
    let rows = rbm.exact_samples(50, &Streams::new(4)).map_err(Refusal::unfit)?.into_v();
    let data = EvalData::from_rows("samples", rows);
    let exact = evaluate_rbm(&rbm, &data, &EvalSettings::default(), watch).map_err(Refusal::unfit)?.mean_log_prob.value;
    let mut at = |temperatures: usize| {
        let ais = AisSettings { runs: 50, schedule: Schedule::Linear(temperatures) };
        let tempering = TemperingSettings { temperatures: 10, sweeps: 200 };
        let settings = EvalSettings {
            exact: Exact::No,
            ais,
            raise_walks: 0,
            reverse_runs: 50,
            tempering,
            seed,
            ..Default::default()
        };
        let found = evaluate_rbm(&rbm, &data, &settings, watch).map_err(Refusal::unfit)?.mean_log_prob;
        Ok(Interval { temperatures, low: found.low, high: found.high, exact })
    };
    [3, 5, 10, 20, 50, 100, 200, 500, 1_000].into_iter().map(&mut at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::unwatched;

    #[test]
    fn oracle_beliefs_are_those_of_bayes_theorem() {
        let known = Alarm { earthquake: 0.1, burglary: 0.2, rings: Some(true), quaked: None };
        let found = alarm(known).unwrap();
        let rings = |b: f64, e: f64| 1.0 / (1.0 + (-(7.0 * b + 5.0 * e - 5.0)).exp());
        let joint =
            |b: f64, e: f64| (if b > 0.0 { 0.2 } else { 0.8 }) * (if e > 0.0 { 0.1 } else { 0.9 }) * rings(b, e);
        let all = joint(0.0, 0.0) + joint(1.0, 0.0) + joint(0.0, 1.0) + joint(1.0, 1.0);
        assert!((found.burglary - (joint(1.0, 0.0) + joint(1.0, 1.0)) / all).abs() < 1e-6, "{found:?}");
        assert!((found.earthquake - (joint(0.0, 1.0) + joint(1.0, 1.0)) / all).abs() < 1e-6, "{found:?}");
        assert!(found.correlation < -0.1, "{found:?}");
        let explained = alarm(Alarm { quaked: Some(true), ..known }).unwrap();
        let expected = joint(1.0, 1.0) / (joint(0.0, 1.0) + joint(1.0, 1.0));
        assert!((explained.burglary - expected).abs() < 1e-6 && explained.burglary < found.burglary, "{explained:?}");
        assert_eq!(explained.correlation, 0.0);
        let silent = alarm(Alarm { rings: None, ..known }).unwrap();
        assert!((silent.burglary - 0.2).abs() < 1e-6 && silent.correlation.abs() < 1e-6, "{silent:?}");
        assert_eq!(alarm(Alarm { burglary: 1.5, ..known }).unwrap_err().text, "a probability is 1.5, allowed: 0 to 1");
    }

    #[test]
    fn law_the_tied_prior_is_complementary() {
        let found = prior().unwrap();
        let tied = found.iter().find(|tied| (tied.scale - 1.0).abs() < 1e-6).unwrap();
        assert!((tied.log_prob - tied.bound).abs() < 1e-6 && tied.correlation.abs() < 1e-6, "{tied:?}");
        assert!(found.iter().all(|tied| tied.bound <= tied.log_prob + 1e-6));
        assert!(found.iter().any(|tied| tied.correlation.abs() > 0.05), "{found:?}");
    }

    #[test]
    fn law_the_interval_closes_around_the_exact_value() {
        let found = interval(0, &mut unwatched).unwrap();
        let width = |interval: &Interval| interval.high - interval.low;
        assert!(
            found.iter().all(|interval| interval.low <= interval.exact && interval.exact <= interval.high),
            "{found:?}"
        );
        assert!(width(&found[8]) < 0.2 * width(&found[0]), "{found:?}");
    }
}
