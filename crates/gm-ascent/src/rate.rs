//! How the learning rate changes over a run.

use std::fmt;
use std::str::FromStr;

use gm_core::{Error, Result};
use serde_with::{DeserializeFromStr, SerializeDisplay};

/// The place of an update within its run.
///
/// # Examples
///
/// ```
/// use gm_ascent::Clock;
///
/// let clock = Clock { step: 450, total: 1_000, per_epoch: 100 };
/// assert_eq!((clock.epoch(), clock.epochs(), clock.within_epoch()), (4, 4.5, 50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Updates made before this one.
    pub step: u64,
    /// Updates of the whole run.
    pub total: u64,
    /// Updates of an epoch.
    pub per_epoch: u64,
}

impl Clock {
    /// Whole epochs passed.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.step / self.per_epoch.max(1)
    }

    /// Epochs passed, with the share of the current one.
    #[must_use]
    pub fn epochs(&self) -> f64 {
        self.step as f64 / self.per_epoch.max(1) as f64
    }

    /// Updates made in the current epoch.
    #[must_use]
    pub fn within_epoch(&self) -> u64 {
        self.step % self.per_epoch.max(1)
    }
}

/// The learning rate relative to its first value.
///
/// Written `constant`, `linear`, `exponential:F`, `steps:E,F` or `inverse:E`.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Clock, Rate};
///
/// let half_way = Clock { step: 500, total: 1_000, per_epoch: 100 };
/// assert_eq!("linear".parse::<Rate>()?.factor(&half_way), 0.5);
/// assert_eq!("exponential:0.5".parse::<Rate>()?.factor(&half_way), 1.0 / 32.0);
/// assert_eq!("steps:2,0.5".parse::<Rate>()?.factor(&half_way), 0.25);
/// assert_eq!("inverse:5".parse::<Rate>()?.factor(&half_way), 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum Rate {
    /// Always the same.
    Constant,
    /// Falls in a straight line and would be zero at the update after the last.
    Linear,
    /// Multiplied by this factor over each epoch, in equal parts at every update.
    Exponential(f64),
    /// Multiplied by `factor` after every `every` epochs.
    Steps {
        /// Epochs at the same rate.
        every: u64,
        /// What comes after them.
        factor: f64,
    },
    /// 1 / (1 + t / T) after t epochs.
    Inverse(f64),
}

const WORDS: [&str; 5] = ["constant", "linear", "exponential", "steps", "inverse"];

impl Rate {
    /// The share of the first rate at this update.
    #[must_use]
    pub fn factor(&self, clock: &Clock) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - clock.step as f64 / clock.total.max(1) as f64,
            Self::Exponential(factor) => factor.powf(clock.epochs()),
            Self::Steps { every, factor } => factor.powf((clock.epoch() / every.max(1)) as f64),
            Self::Inverse(epochs) => 1.0 / (1.0 + clock.epochs() / epochs),
        }
    }
}

/// The share of the rate during a warm-up of some epochs: rises in a straight line to 1.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Clock, warm_up};
///
/// let second = Clock { step: 1, total: 100, per_epoch: 10 };
/// assert_eq!((warm_up(1.0, &second), warm_up(0.0, &second)), (0.2, 1.0));
/// ```
#[must_use]
pub fn warm_up(epochs: f64, clock: &Clock) -> f64 {
    let updates = epochs * clock.per_epoch as f64;
    if updates > 0.0 { ((clock.step + 1) as f64 / updates).min(1.0) } else { 1.0 }
}

/// The number that holds at an update: the first one, or the last of the later ones whose epoch has come.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Clock, in_force};
///
/// let steps = |epoch: u64| in_force(1, &[(2, 5), (3, 10)], &Clock { step: 10 * epoch, total: 40, per_epoch: 10 });
/// assert_eq!([steps(0), steps(1), steps(2), steps(3)], [1, 1, 5, 10]);
/// ```
#[must_use]
pub fn in_force<T: Copy>(first: T, later: &[(u64, T)], clock: &Clock) -> T {
    later.iter().rev().find(|(epoch, _)| *epoch <= clock.epoch()).map_or(first, |(_, number)| *number)
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (word, argument) = text.split_once(':').unwrap_or((text, ""));
        let refuse = |allowed| Error::Param { op: "Rate", arg: "schedule", value: text.into(), allowed };
        let number = || argument.parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0);
        match word {
            "constant" | "linear" if !argument.is_empty() => Err(refuse("constant and linear without an argument")),
            "constant" => Ok(Self::Constant),
            "linear" => Ok(Self::Linear),
            "exponential" => match number() {
                Some(factor) if factor <= 1.0 => Ok(Self::Exponential(factor)),
                _ => Err(refuse("exponential:F with a factor an epoch in (0, 1]")),
            },
            "inverse" => {
                Ok(Self::Inverse(number().ok_or_else(|| refuse("inverse:E with a positive number of epochs"))?))
            }
            "steps" => Ok(steps(argument)
                .ok_or_else(|| refuse("steps:E,F with epochs E of 1 or more and a factor F in (0, 1]"))?),
            _ => Err(Error::unknown("rate schedule", word, &WORDS)),
        }
    }
}

fn steps(argument: &str) -> Option<Rate> {
    let (every, factor) = argument.split_once(',')?;
    let (every, factor) = (every.parse().ok()?, factor.parse().ok()?);
    (every > 0 && factor > 0.0 && factor <= 1.0).then_some(Rate::Steps { every, factor })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Linear => f.write_str("linear"),
            Self::Exponential(factor) => write!(f, "exponential:{factor}"),
            Self::Steps { every, factor } => write!(f, "steps:{every},{factor}"),
            Self::Inverse(epochs) => write!(f, "inverse:{epochs}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_later_numbers_hold_from_their_epoch_on() {
        let at = |step| in_force(1, &[(2, 5), (3, 10)], &Clock { step, total: 40, per_epoch: 10 });
        assert_eq!([at(0), at(19), at(20), at(29), at(30), at(39)], [1, 1, 5, 5, 10, 10]);
    }
}
