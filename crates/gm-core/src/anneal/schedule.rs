//! The inverse temperatures of a run and its other settings.

use crate::error::{Error, Result};

/// The inverse temperatures of an annealed path.
///
/// # Examples
///
/// ```
/// use gm_core::Schedule;
///
/// // Evenly spaced up to 0.8, then finer.
/// let betas = (0..=8).map(|k| f64::from(k) / 10.0).chain((81..=100).map(|k| f64::from(k) / 100.0));
/// assert_eq!(Schedule::Custom(betas.collect()).betas()?.len(), 29);
/// let error = Schedule::Custom(vec![0.0, 0.5]).betas().unwrap_err();
/// assert_eq!(error.to_string(), "Schedule: `temperatures` is a list of 2 values, allowed: values that rise from 0 to 1");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// Evenly spaced. The number counts both ends.
    Linear(usize),
    /// Finer towards the model: with 14,501 temperatures 0:.001:.5, .5:.0001:.9, .9:.00001:1, and with another number
    /// in the same proportions.
    ///
    /// # Source
    ///
    /// `salakhutdinov2008quantitative`, section 4.
    Graded(usize),
    /// This number of values, chosen for the path by a pilot run. Each step adds the same amount to the variance of the
    /// log-weights. A tenth of the values is evenly spaced in any case.
    ///
    /// # Source
    ///
    /// `gelman1998simulating`.
    Adaptive(usize),
    /// The given values, from 0 to 1.
    Custom(Vec<f64>),
}

impl Schedule {
    /// The inverse temperatures from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer than 2 temperatures, for custom values that do not rise from 0 to 1, and for an
    /// adaptive schedule, whose values depend on a path.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Schedule;
    ///
    /// assert_eq!(Schedule::Linear(3).betas()?, [0.0, 0.5, 1.0]);
    /// let betas = Schedule::Graded(14_501).betas()?;
    /// assert!((betas[500] - 0.5).abs() < 1e-12 && (betas[4_500] - 0.9).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn betas(&self) -> Result<Vec<f64>> {
        let refuse = |value: String, allowed| Err(Error::Param { op: "Schedule", arg: "temperatures", value, allowed });
        match self {
            Self::Linear(n) | Self::Graded(n) | Self::Adaptive(n) if *n < 2 => refuse(n.to_string(), "2 or more"),
            Self::Linear(n) => Ok((0..*n).map(|k| k as f64 / (*n - 1) as f64).collect()),
            Self::Graded(n) => Ok((0..*n).map(|k| graded(k as f64 / (*n - 1) as f64)).collect()),
            Self::Adaptive(_) => refuse("adaptive".into(), "a schedule that does not depend on a path"),
            Self::Custom(betas) => {
                let rises = betas.windows(2).all(|pair| pair[0] < pair[1]);
                if rises && betas.first() == Some(&0.0) && betas.last() == Some(&1.0) {
                    return Ok(betas.clone());
                }
                refuse(format!("a list of {} values", betas.len()), "values that rise from 0 to 1")
            }
        }
    }

    /// Refuses fewer than 2 temperatures, and custom values that do not rise from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Param`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Schedule;
    ///
    /// assert!(Schedule::Adaptive(1_000).check().is_ok());
    /// assert!(Schedule::Linear(1).check().is_err());
    /// ```
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Adaptive(2..) => Ok(()),
            other => other.betas().map(drop),
        }
    }

    /// The number of inverse temperatures, both ends included.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Schedule;
    ///
    /// assert_eq!((Schedule::Graded(100).count(), Schedule::Custom(vec![0.0, 0.5, 1.0]).count()), (100, 3));
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Linear(n) | Self::Graded(n) | Self::Adaptive(n) => *n,
            Self::Custom(betas) => betas.len(),
        }
    }

    /// A name for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Graded(_) => "graded",
            Self::Adaptive(_) => "adaptive",
            Self::Custom(_) => "custom",
        }
    }
}

/// The inverse temperature after a share of the steps: 500, 4,000 and 10,000 of 14,500 steps cover .5, .4 and .1.
fn graded(share: f64) -> f64 {
    let step = share * 14_500.0;
    if step <= 500.0 {
        step * 0.001
    } else if step <= 4_500.0 {
        0.5 + (step - 500.0) * 0.0001
    } else {
        (0.9 + (step - 4_500.0) * 0.000_01).min(1.0)
    }
}

/// Settings of annealed importance sampling.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, Schedule};
///
/// let quick = AisSettings { schedule: Schedule::Adaptive(1_000), ..Default::default() };
/// assert_eq!(quick.runs, 100);
/// assert_eq!(AisSettings::default().schedule, Schedule::Graded(14_501));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AisSettings {
    /// The number of independent runs.
    pub runs: usize,
    /// Inverse temperatures.
    pub schedule: Schedule,
}

impl AisSettings {
    /// Refuses settings without runs, and a schedule out of range. `op` names the operation.
    ///
    /// # Errors
    ///
    /// [`Error::Param`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::AisSettings;
    ///
    /// let error = AisSettings { runs: 0, ..Default::default() }.check("annealing").unwrap_err();
    /// assert_eq!(error.to_string(), "annealing: `runs` is 0, allowed: 1 or more");
    /// ```
    pub fn check(&self, op: &'static str) -> Result<()> {
        if self.runs == 0 {
            return Err(Error::Param { op, arg: "runs", value: "0".into(), allowed: "1 or more" });
        }
        self.schedule.check()
    }
}

impl Default for AisSettings {
    /// 100 runs over 14,501 graded temperatures.
    fn default() -> Self {
        Self { runs: 100, schedule: Schedule::Graded(14_501) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_schedules_rise_from_zero_to_one() {
        for n in [2, 3, 10, 1_000, 14_501] {
            for schedule in [Schedule::Linear(n), Schedule::Graded(n)] {
                let betas = schedule.betas().unwrap();
                assert_eq!((betas.len(), betas[0], betas[n - 1]), (n, 0.0, 1.0));
                assert!(betas.windows(2).all(|pair| pair[0] < pair[1]), "{schedule:?}");
            }
        }
    }
}
