//! How fast Gibbs sampling forgets where it began, exactly.

use gm_core::{Error as CoreError, logistic};
use gm_rbm::Rbm;
use serde::Serialize;

use crate::error::Result;

/// The most units of both layers together, over whose states distributions are kept.
const LIMIT: usize = 12;

/// The distance between the distribution of chains and that of their model, after each number of sweeps from 0 on.
///
/// It is the total variation distance, 1/2 sum_x |q(x) - p(x)| over all states of both layers. Chains begin with all units
/// off. In a sweep both kinds of chains draw as many units as the model has.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_eval::mixing;
///
/// let rbm = gm_rbm::Rbm::initial(&[0.5; 4], 3, 1.0, &Streams::new(1))?;
/// let found = mixing(&rbm, 20)?;
/// assert_eq!((found.block.len(), found.single.len()), (21, 21));
/// assert!(found.block[20] < 0.01 && found.block[3] < found.single[3]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mixing {
    /// Of block Gibbs sampling: all hidden units given the visible ones, then all visible units given the hidden ones.
    pub block: Vec<f64>,
    /// Of Gibbs sampling of single units, each of which is chosen at random.
    pub single: Vec<f64>,
}

/// The distance of Gibbs chains from a restricted Boltzmann machine, by enumeration.
///
/// # Errors
///
/// [`gm_core::Error::TooLarge`] for more than 12 units, and [`gm_core::Error::Param`] for units that are not binary.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack};
/// use gm_rbm::Rbm;
///
/// // Without weights every unit is drawn right at once.
/// let found = gm_eval::mixing(&Rbm::from_stack(Stack::zeros(&[2, 1])?)?, 1)?;
/// assert!((found.block[0] - 0.875).abs() < 1e-12 && found.block[1] < 1e-12);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn mixing(rbm: &Rbm, sweeps: usize) -> Result<Mixing> {
    const OP: &str = "mixing";
    let units = rbm.visible() + rbm.hidden();
    if units > LIMIT {
        return Err(CoreError::TooLarge { op: OP, units, limit: LIMIT }.into());
    }
    if !rbm.units().is_binary() {
        let (value, allowed) = (rbm.units().kind().to_string(), "bernoulli");
        return Err(CoreError::Param { op: OP, arg: "visible units", value, allowed }.into());
    }
    let table = Table { rbm, units };
    let (block, single) = ((rbm.visible()..units).chain(0..rbm.visible()).collect::<Vec<_>>(), units);
    let target = table.target();
    let mut start = vec![0.0; 1 << units];
    start[0] = 1.0;
    let run = |sweep: &dyn Fn(Vec<f64>) -> Vec<f64>| {
        let mut at = start.clone();
        let mut found = vec![distance(&at, &target)];
        for _ in 0..sweeps {
            at = sweep(at);
            found.push(distance(&at, &target));
        }
        found
    };
    Ok(Mixing {
        block: run(&|at| block.iter().fold(at, |at, &unit| table.drawn(&at, unit))),
        single: run(&|at| (0..single).fold(at, |at, _| table.drawn_at_random(&at))),
    })
}

/// Distributions over the states of both layers; the bits of a state are the visible units and then the hidden ones.
struct Table<'a> {
    rbm: &'a Rbm,
    units: usize,
}

impl Table<'_> {
    /// What the other units and the bias say for a unit.
    fn input(&self, state: usize, unit: usize) -> f64 {
        let (visible, weights, on) = (self.rbm.visible(), self.rbm.weights(), |unit: usize| state >> unit & 1 == 1);
        if unit < visible {
            let of = |j: &usize| f64::from(weights[(unit, *j)]);
            let sum: f64 = (0..self.rbm.hidden()).filter(|j| on(visible + j)).map(|j| of(&j)).sum();
            return f64::from(self.rbm.visible_bias()[unit]) + sum;
        }
        let sum: f64 = (0..visible).filter(|&i| on(i)).map(|i| f64::from(weights[(i, unit - visible)])).sum();
        f64::from(self.rbm.hidden_bias()[unit - visible]) + sum
    }

    /// p(v, h) of each state.
    fn target(&self) -> Vec<f64> {
        // From the empty state on, a unit more adds its input from the units below it.
        let mut logs = vec![0.0_f64; 1 << self.units];
        for state in 1..logs.len() {
            let unit = state.ilog2() as usize;
            let below = state & !(1 << unit);
            logs[state] = logs[below] + self.input(below, unit);
        }
        let total = gm_core::log_sum_exp(&logs);
        logs.into_iter().map(|log| (log - total).exp()).collect()
    }

    /// The distribution after one unit was drawn given the others.
    fn drawn(&self, at: &[f64], unit: usize) -> Vec<f64> {
        let mut next = at.to_vec();
        for off in (0..at.len()).filter(|state| state >> unit & 1 == 0) {
            let on = off | 1 << unit;
            let both = at[off] + at[on];
            next[on] = both * f64::from(logistic(self.input(off, unit) as f32));
            next[off] = both - next[on];
        }
        next
    }

    /// The distribution after a unit that is chosen at random was drawn.
    fn drawn_at_random(&self, at: &[f64]) -> Vec<f64> {
        let mut next = vec![0.0; at.len()];
        for unit in 0..self.units {
            let drawn = self.drawn(at, unit);
            next.iter_mut().zip(drawn).for_each(|(next, drawn)| *next += drawn / self.units as f64);
        }
        next
    }
}

fn distance(q: &[f64], p: &[f64]) -> f64 {
    q.iter().zip(p).map(|(q, p)| (q - p).abs()).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{BitMatrix, Streams};

    fn machine() -> Rbm {
        Rbm::initial(&[0.4, 0.5, 0.7, 0.5], 3, 2.0, &Streams::new(5)).unwrap()
    }

    #[test]
    fn oracle_the_target_is_the_model_and_no_draw_leaves_it() {
        let rbm = machine();
        let table = Table { rbm: &rbm, units: 7 };
        let target = table.target();
        let states = BitMatrix::from_fn(4, 16, |unit, state| state >> unit & 1 == 1);
        let exact = rbm.log_prob(&states, rbm.log_partition().unwrap()).unwrap();
        for (v, log_p) in exact.iter().enumerate() {
            let sum: f64 = (0..8).map(|h| target[v | h << 4]).sum();
            assert!((sum.ln() - log_p).abs() < 1e-5, "{v}: {} {log_p}", sum.ln());
        }
        for next in (0..7).map(|unit| table.drawn(&target, unit)).chain([table.drawn_at_random(&target)]) {
            assert!(distance(&next, &target) < 1e-6);
        }
    }

    #[test]
    fn stat_mean_sweeps_move_as_the_chains_of_the_engine_do() {
        let (rbm, streams, count) = (machine(), Streams::new(6), 40_000);
        let table = Table { rbm: &rbm, units: 7 };
        let mut at = vec![0.0; 128];
        at[0] = 1.0;
        let mut chains = rbm.chains_from(BitMatrix::zeros(4, count), &streams).unwrap();
        for sweeps in 1..4 {
            at = [4, 5, 6, 0, 1, 2, 3].iter().fold(at, |at, &unit| table.drawn(&at, unit));
            rbm.sampler().run(&mut chains, 1, &streams);
            let counts = chains.v().bits().unit_counts();
            for (unit, &found) in counts.iter().enumerate() {
                let p: f64 = (0..128).filter(|state| state >> unit & 1 == 1).map(|state| at[state]).sum();
                let error = (p * (1.0 - p) / count as f64).sqrt();
                let share = found as f64 / count as f64;
                assert!((share - p).abs() < 6.0 * error, "unit {unit} after {sweeps}: {share} {p}");
            }
        }
    }

    #[test]
    fn law_both_come_nearer_and_blocks_come_faster() {
        let found = mixing(&machine(), 40).unwrap();
        for distances in [&found.block, &found.single] {
            assert!(distances.windows(2).all(|pair| pair[1] <= pair[0] + 1e-12), "{distances:?}");
        }
        assert!(found.block[1..].iter().zip(&found.single[1..]).all(|(block, single)| block < single), "{found:?}");
        assert!(found.block[40] < 0.05 * found.block[0], "{found:?}");
    }

    #[test]
    fn rejects_large_machines_and_other_units() {
        let large = Rbm::initial(&[0.5; 8], 5, 1.0, &Streams::new(1)).unwrap();
        assert_eq!(
            mixing(&large, 1).unwrap_err().to_string(),
            "mixing: 13 units must be enumerated, at most 12 can be"
        );
    }
}
