//! The chapter's exhibits on small models, enumerated exactly: explaining away, block Gibbs sampling, the complementary prior,
//! greedy learning, and the two sides of an interval.

use gm_core::{AisSettings, Batch, BitMatrix, Matrix, Progress, Schedule, Stack, Streams, Vector, Watch, mean};
use gm_data::{Binarise, Dataset};
use gm_dbn::Dbn;
use gm_eval::{EvalData, EvalSettings, Exact, Mixing, TemperingSettings, evaluate_rbm, mixing};
use gm_rbm::Rbm;
use gm_sbn::Sbn;
use gm_train::{Clock, DbnLearner, DbnSettings, Learner, RbmSettings};
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

/// How strong the weights of a machine are.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Strength {
    scale: f32,
}

/// Block Gibbs sampling against single units: the distance of either from an RBM of 6 and 4 units, after each sweep.
///
/// # Errors
///
/// A refusal of a scale outside 0 to 4.
pub(crate) fn gibbs(Strength { scale }: Strength) -> Answer<Mixing> {
    if !(0.0..=4.0).contains(&scale) {
        return Err(Refusal::unfit(format!("the scale is {scale}, allowed: 0 to 4")));
    }
    // Two hidden units prefer the left half to be on, and two the right half.
    let weights = Matrix::from_fn(6, 4, |i, j| if (i < 3) == (j < 2) { scale } else { -scale });
    let stack = Stack::new(vec![weights], vec![Vector::zeros(6), Vector::zeros(4)]).map_err(Refusal::unfit)?;
    let rbm = Rbm::from_stack(stack).map_err(Refusal::unfit)?;
    mixing(&rbm, 30).map_err(Refusal::unfit)
}

/// A network on the way: after so many updates it has so many hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Learnt {
    update: u64,
    layers: usize,
    /// The mean of ln p over the rows.
    log_prob: f64,
    /// The mean of the bound, whose distance from it is what the recognition net misses.
    bound: f64,
}

/// Updates of each layer of the network that grows, and of one look to the next.
const UPDATES: u64 = 600;
const LOOK: u64 = 50;

/// Greedy learning: a network of three hidden layers learns bars and stripes of 3 by 3 pixels, layer by layer.
///
/// # Errors
///
/// A refusal if it takes too long.
pub(crate) fn greedy(watch: Watch<'_>) -> Answer<Vec<Learnt>> {
    let bars = Dataset::builtin("bars-and-stripes:3").map_err(Refusal::unfit)?;
    let rows = bars.train.to_bits(Binarise::None).map_err(Refusal::unfit)?;
    let (streams, batch) = (Streams::new(1), Batch::from(rows.clone()));
    let settings = DbnSettings {
        // A layer of as many units as the one before the last begins with its transposed weights.
        hidden: vec![4, 9, 4],
        epochs: vec![UPDATES],
        learning_rate: vec![0.4],
        layer: RbmSettings { batch_size: 16, chains: 100, init_scale: 0.1, ..DbnSettings::default().layer },
        ..DbnSettings::default()
    };
    let mut learner = DbnLearner::new(&bars.train.unit_means(), &settings, &streams).map_err(Refusal::unfit)?;
    let (total, mut found) = (3 * UPDATES, vec![]);
    for step in 0..total {
        learner.step(&batch, &Clock { step, total, per_epoch: 1 }, &streams).map_err(Refusal::unfit)?;
        if (step + 1) % LOOK == 0 {
            let (dbn, update) = (learner.dbn(), step + 1);
            let log_z = dbn.log_partition().map_err(Refusal::unfit)?;
            let log_prob = mean(&dbn.log_prob(&rows, log_z).map_err(Refusal::unfit)?);
            let bound = mean(&dbn.exact_bound(&rows, log_z, 1).map_err(Refusal::unfit)?);
            found.push(Learnt { update, layers: dbn.depth(), log_prob, bound });
            if watch(Progress { done: update as usize, total: total as usize }).is_break() {
                return Err(Refusal::unfit(gm_core::Error::Interrupted { op: "greedy learning" }));
            }
        }
    }
    Ok(found)
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
    fn law_strong_weights_slow_chains_down_and_single_units_more() {
        let at = |scale: f32| gibbs(Strength { scale }).unwrap();
        let (weak, strong) = (at(0.2), at(1.0));
        assert!(weak.block[3] < strong.block[3] && strong.block[3] < strong.single[3], "{weak:?} {strong:?}");
        assert!(at(0.0).block[1] < 1e-12);
        assert_eq!(gibbs(Strength { scale: 5.0 }).unwrap_err().text, "the scale is 5, allowed: 0 to 4");
        assert!(gibbs(Strength { scale: f32::NAN }).is_err());
    }

    #[test]
    fn law_greedy_learning_raises_the_bound_which_never_exceeds_ln_p() {
        let found = greedy(&mut unwatched).unwrap();
        assert!(found.iter().all(|learnt| learnt.bound <= learnt.log_prob + 1e-6), "{found:?}");
        let last = |layers: usize| *found.iter().rfind(|learnt| learnt.layers == layers).unwrap();
        // One layer is a machine, whose posterior the recognition net knows.
        assert!((last(1).bound - last(1).log_prob).abs() < 1e-5);
        assert!(last(2).bound > last(1).bound && last(3).bound > last(1).bound, "{found:?}");
        let mut stop = |_| std::ops::ControlFlow::Break(());
        assert!(greedy(&mut stop).unwrap_err().text.contains("stopped on request"));
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
