//! Successive halving: which candidates go on after so many epochs.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Successive halving: candidates train for a few epochs, a share of them goes on for a multiple of these, and so on.
///
/// All candidates are on the schedule of their whole run, so that one that goes on ends in the same bits as a run that
/// was never judged. The figure of a candidate is its best one up to that epoch.
///
/// # Source
///
/// `jamieson2016non`, section 3.
///
/// # Examples
///
/// ```
/// use gm_sweep::Halving;
///
/// let halving = Halving { first_epochs: 10, factor: 3 };
/// assert_eq!(halving.rungs(100), [10, 30, 90]);
/// assert_eq!(halving.kept(8), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// Epochs after which candidates are judged first.
    pub first_epochs: u64,
    /// One in so many candidates goes on, and the next judgement is after so many times the epochs.
    #[serde(default = "usual_factor")]
    pub factor: u64,
}

fn usual_factor() -> u64 {
    3
}

impl Halving {
    /// The epochs after which candidates are judged, for runs of up to `epochs`.
    #[must_use]
    pub fn rungs(&self, epochs: u64) -> Vec<u64> {
        let rungs = std::iter::successors(Some(self.first_epochs), |rung| rung.checked_mul(self.factor));
        rungs.take_while(|rung| *rung < epochs).collect()
    }

    /// How many of `count` candidates go on.
    #[must_use]
    pub fn kept(&self, count: usize) -> usize {
        count.div_ceil(self.factor as usize)
    }

    /// Refuses numbers with which no candidate could be judged, for runs of up to `epochs` that are looked at every
    /// `every` epochs.
    pub(crate) fn check(&self, epochs: u64, every: u64) -> Result<()> {
        let first = |allowed: String| Err(Error::setting("sweep.halving.first_epochs", self.first_epochs, allowed));
        if self.factor < 2 {
            return Err(Error::setting("sweep.halving.factor", self.factor, "2 or more"));
        }
        match self.first_epochs {
            0 => first("1 or more".into()),
            n if n >= epochs => first(format!("fewer than the {epochs} epochs of a run")),
            n if n % every != 0 => first(format!("a multiple of `monitor.every`, which is {every}")),
            _ => Ok(()),
        }
    }
}

/// The places of the best `count` values, from the highest on; those without a value come last, equal ones in their order.
pub(crate) fn best(values: &[Option<f64>], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    let value = |place: usize| values[place].unwrap_or(f64::NEG_INFINITY);
    places.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    places.truncate(count);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_rungs_and_shares() {
        let halving = Halving { first_epochs: 2, factor: 2 };
        assert_eq!(halving.rungs(16), [2, 4, 8]);
        assert_eq!((halving.kept(1), halving.kept(5), halving.kept(6)), (1, 3, 3));
        assert_eq!(Halving { first_epochs: u64::MAX / 2, factor: 3 }.rungs(u64::MAX), [u64::MAX / 2]);
    }

    #[test]
    fn table_the_best_go_on() {
        assert_eq!(best(&[Some(-3.0), None, Some(-1.0), Some(-2.0)], 2), [2, 3]);
        assert_eq!(best(&[Some(1.0), Some(1.0), None, Some(1.0)], 3), [0, 1, 3]);
        assert_eq!(best(&[None, None], 1), [0]);
    }

    #[test]
    fn rejects_judgements_that_cannot_be_made() {
        let refused = |first_epochs, factor, epochs, every| {
            Halving { first_epochs, factor }.check(epochs, every).unwrap_err().to_string()
        };
        assert_eq!(refused(0, 3, 9, 1), "`sweep.halving.first_epochs` is 0, allowed: 1 or more");
        assert_eq!(refused(9, 3, 9, 1), "`sweep.halving.first_epochs` is 9, allowed: fewer than the 9 epochs of a run");
        assert_eq!(
            refused(3, 3, 9, 2),
            "`sweep.halving.first_epochs` is 3, allowed: a multiple of `monitor.every`, which is 2"
        );
        assert_eq!(refused(3, 1, 9, 1), "`sweep.halving.factor` is 1, allowed: 2 or more");
        assert!(Halving { first_epochs: 4, factor: 3 }.check(9, 2).is_ok());
    }
}
