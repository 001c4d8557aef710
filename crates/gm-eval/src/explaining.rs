//! Explaining away in a small SBN: two hidden units before and after visible units are seen.

use gm_core::BitMatrix;
use gm_sbn::{Posterior, Sbn};
use serde::Serialize;

use crate::error::{Error, Result};

/// Two hidden units before and after visible units are seen.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector};
/// use gm_eval::explaining_away;
///
/// // Two rare causes of one effect.
/// let biases = vec![Vector::from_element(1, -6.0), Vector::from_element(2, -3.0)];
/// let sbn = gm_sbn::Sbn::new(Stack::new(vec![Matrix::from_element(1, 2, 10.0)], biases)?, None)?;
/// let found = explaining_away(&sbn, &[true], None)?;
/// assert_eq!(found.causes, [0, 1]);
/// assert!(found.before.correlation.abs() < 1e-9 && found.after.correlation < -0.5);
/// assert!(found.after.means[0] > found.before.means[0]);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExplainingAway {
    /// The two units, numbered from 0 from the first hidden layer up.
    pub causes: [usize; 2],
    /// Under the prior.
    pub before: PairBelief,
    /// Under the posterior.
    pub after: PairBelief,
}

/// Means and correlation of two hidden units.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_eval::explaining_away;
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let belief = explaining_away(&sbn, &[true; 4], Some([0, 2]))?.after;
/// assert!((belief.means[0] - 0.5).abs() < 1e-9 && belief.correlation.abs() < 1e-9);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairBelief {
    /// The probability that each unit is on.
    pub means: [f64; 2],
    /// Their correlation.
    pub correlation: f64,
}

impl PairBelief {
    fn new(distribution: &Posterior, [i, j]: [usize; 2]) -> Self {
        let means = distribution.means();
        Self { means: [means[i], means[j]], correlation: distribution.correlation(i, j) }
    }
}

/// Compares two hidden units under the prior and under the posterior of one row, by enumeration. Without `causes` these
/// are the two units whose correlation changes most.
///
/// # Errors
///
/// [`Error::Setting`] for units that do not exist and for a single hidden unit, [`gm_core::Error::Shape`] for a row of
/// another width, [`gm_core::Error::TooLarge`] for too many hidden units.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_eval::explaining_away;
///
/// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// assert_eq!(explaining_away(&sbn, &[true; 4], Some([2, 0]))?.causes, [2, 0]);
/// let error = explaining_away(&sbn, &[true; 4], Some([0, 3])).unwrap_err().to_string();
/// assert_eq!(error, "explaining_away: `causes` is 0,3, allowed: two different numbers from 0 to 2");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn explaining_away(sbn: &Sbn, seen: &[bool], causes: Option<[usize; 2]>) -> Result<ExplainingAway> {
    let v = BitMatrix::from_fn(seen.len(), 1, |unit, _| seen[unit]);
    let (before, after) = (sbn.prior()?, sbn.posterior(&v, 0)?);
    let causes = match causes {
        Some([i, j]) if i != j && i.max(j) < sbn.hidden() => [i, j],
        Some([i, j]) => {
            let allowed = format!("two different numbers from 0 to {}", sbn.hidden() - 1);
            return Err(Error::setting(OP, "causes", format!("{i},{j}"), allowed));
        }
        None => most_changed(&before, &after, sbn.hidden())?,
    };
    let (before, after) = (PairBelief::new(&before, causes), PairBelief::new(&after, causes));
    Ok(ExplainingAway { causes, before, after })
}

const OP: &str = "explaining_away";

/// The pair of hidden units whose correlation changes most.
fn most_changed(before: &Posterior, after: &Posterior, hidden: usize) -> Result<[usize; 2]> {
    let change = |&[i, j]: &[usize; 2]| {
        let change = (after.correlation(i, j) - before.correlation(i, j)).abs();
        if change.is_nan() { 0.0 } else { change }
    };
    let pairs = (0..hidden).flat_map(|i| (i + 1..hidden).map(move |j| [i, j]));
    let most = pairs.max_by(|a, b| change(a).total_cmp(&change(b)));
    most.ok_or_else(|| Error::setting(OP, "seen", "a single hidden unit", "models with two or more"))
}
