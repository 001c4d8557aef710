//! Checks of settings against their ranges.

use std::fmt::Display;
use std::path::Path;

use gm_core::{Error, Result};

/// The checks of one struct of settings, in the order in which they are written; the first refusal is the answer.
///
/// # Examples
///
/// ```
/// use gm_ascent::Ranges;
///
/// let (epochs, rate) = (10, -0.5);
/// let ranges = Ranges::of("Settings").counts([("epochs", epochs)]).positive("rate", rate);
/// let error = ranges.check().unwrap_err();
/// assert_eq!(error.to_string(), "Settings: `rate` is -0.5, allowed: finite numbers above 0");
/// ```
#[derive(Debug)]
#[must_use]
pub struct Ranges {
    op: &'static str,
    refused: Option<Error>,
}

impl Ranges {
    /// No checks yet, of settings of this name.
    pub fn of(op: &'static str) -> Self {
        Self { op, refused: None }
    }

    /// Refuses a value unless a condition holds.
    pub fn require(mut self, holds: bool, arg: &'static str, value: impl Display, allowed: &'static str) -> Self {
        if !holds && self.refused.is_none() {
            self.refused = Some(Error::Param { op: self.op, arg, value: value.to_string(), allowed });
        }
        self
    }

    /// Whole numbers of 1 or more.
    pub fn counts(self, counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        counts.into_iter().fold(self, |ranges, (arg, value)| ranges.require(value > 0, arg, value, "1 or more"))
    }

    /// The epochs from which later numbers hold, which rise from 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_ascent::Ranges;
    ///
    /// assert!(Ranges::of("Settings").changes("later_steps", &[(1, 5), (3, 10)]).check().is_ok());
    /// let error = Ranges::of("Settings").changes("later_steps", &[(3, 5), (3, 10)]).check().unwrap_err();
    /// assert!(error.to_string().ends_with("`later_steps` is from epochs [3, 3], allowed: epochs that rise from 1"));
    /// ```
    pub fn changes<T>(self, arg: &'static str, later: &[(u64, T)]) -> Self {
        let epochs: Vec<u64> = later.iter().map(|(epoch, _)| *epoch).collect();
        let rises = epochs.windows(2).all(|pair| pair[0] < pair[1]) && epochs.first() != Some(&0);
        self.require(rises, arg, format!("from epochs {epochs:?}"), "epochs that rise from 1")
    }

    /// Whole numbers that TOML can hold.
    pub fn in_toml(self, counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        let holds = |value: u64| i64::try_from(value).is_ok();
        counts
            .into_iter()
            .fold(self, |ranges, (arg, value)| ranges.require(holds(value), arg, value, "whole numbers below 2^63"))
    }

    /// Paths that a text file can hold.
    pub fn in_utf8<'a>(self, paths: impl IntoIterator<Item = (&'static str, &'a Path)>) -> Self {
        paths.into_iter().fold(self, |ranges, (arg, path)| {
            ranges.require(path.to_str().is_some(), arg, path.display(), "a path in UTF-8, as config.toml is")
        })
    }

    /// A list of one element or more.
    pub fn filled<T>(self, arg: &'static str, list: &[T], allowed: &'static str) -> Self {
        self.require(!list.is_empty(), arg, "empty", allowed)
    }

    /// A finite number above 0.
    pub fn positive(self, arg: &'static str, value: impl Into<f64> + Display + Copy) -> Self {
        let number = value.into();
        self.require(number > 0.0 && number.is_finite(), arg, value, "finite numbers above 0")
    }

    /// A finite number of 0 or more.
    pub fn not_negative(self, arg: &'static str, value: impl Into<f64> + Display + Copy) -> Self {
        let number = value.into();
        self.require(number >= 0.0 && number.is_finite(), arg, value, "finite numbers of 0 or more")
    }

    /// A finite number.
    pub fn finite(self, arg: &'static str, value: impl Into<f64> + Display + Copy) -> Self {
        self.require(value.into().is_finite(), arg, value, "finite numbers")
    }

    /// A number from 0 to 1.
    pub fn share(self, arg: &'static str, value: impl Into<f64> + Display + Copy) -> Self {
        self.require((0.0..=1.0).contains(&value.into()), arg, value, "0 to 1")
    }

    /// A number of 0 or more and below 1.
    pub fn decay(self, arg: &'static str, value: impl Into<f64> + Display + Copy) -> Self {
        self.require((0.0..1.0).contains(&value.into()), arg, value, "0 or more and below 1")
    }

    /// The least variance of Gaussian units, a share above 0.
    pub fn least_variance(self, value: f32) -> Self {
        self.require(value > 0.0 && value <= 1.0, "least_variance", value, "above 0, at most 1")
    }

    /// The classes of label units: one class alone would tell nothing.
    pub fn classes(self, classes: usize) -> Self {
        self.require(classes != 1, "classes", classes, "0 for those of the data, or 2 or more")
    }

    /// The first refusal.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] naming the settings, the setting, its value and what is allowed.
    pub fn check(self) -> Result<()> {
        self.refused.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_first_refusal_is_the_answer() {
        let text = |ranges: Ranges| ranges.check().unwrap_err().to_string();
        let ranges = Ranges::of("Settings").counts([("epochs", 1)]).positive("rate", 0.5).share("sleep", 1.0_f32);
        assert!(ranges.check().is_ok());
        let first = Ranges::of("Settings").positive("rate", f64::NAN).share("sleep", 2.0_f32);
        assert_eq!(text(first), "Settings: `rate` is NaN, allowed: finite numbers above 0");
        let of = || Ranges::of("S");
        assert_eq!(text(of().counts([("a", 1), ("b", 0)])), "S: `b` is 0, allowed: 1 or more");
        assert_eq!(
            text(of().in_toml([("a", 1), ("b", 1 << 63)])),
            format!("S: `b` is {}, allowed: whole numbers below 2^63", 1_u64 << 63)
        );
        assert!(of().finite("a", -1.0_f32).in_utf8([("a", Path::new("b"))]).check().is_ok());
        assert_eq!(text(of().finite("a", f64::INFINITY)), "S: `a` is inf, allowed: finite numbers");
        assert_eq!(text(of().filled::<u8>("a", &[], "one or more")), "S: `a` is empty, allowed: one or more");
        assert_eq!(text(of().not_negative("a", -0.1_f32)), "S: `a` is -0.1, allowed: finite numbers of 0 or more");
        assert_eq!(text(of().share("a", -0.5_f32)), "S: `a` is -0.5, allowed: 0 to 1");
        assert_eq!(text(of().decay("a", 1.0_f32)), "S: `a` is 1, allowed: 0 or more and below 1");
        assert_eq!(text(of().least_variance(0.0)), "S: `least_variance` is 0, allowed: above 0, at most 1");
        assert_eq!(text(of().classes(1)), "S: `classes` is 1, allowed: 0 for those of the data, or 2 or more");
    }
}
