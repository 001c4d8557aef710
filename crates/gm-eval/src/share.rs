//! The share that one of several processes has of the work.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Part I of N, written `I/N`; parts are counted from 1.
///
/// # Examples
///
/// ```
/// let share: gm_eval::Share = "2/4".parse()?;
/// assert_eq!((share.part, share.of), (2, 4));
/// let error = "5/4".parse::<gm_eval::Share>().unwrap_err();
/// assert_eq!(error.to_string(), "share: `part` is 5/4, allowed: I/N with I from 1 to N, such as 1/4");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// I.
    pub part: usize,
    /// N.
    pub of: usize,
}

impl Share {
    /// All of the work.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Whether the piece of work with this number, counted from 0, belongs to the part, when the pieces are dealt out in
    /// turn: part I has the pieces I - 1, I - 1 + N, I - 1 + 2 N, and so on.
    #[must_use]
    pub fn has(self, index: usize) -> bool {
        index % self.of + 1 == self.part
    }

    /// The shards of this part, side by side.
    pub(crate) fn shards(self, count: usize) -> Range<usize> {
        (self.part - 1) * count / self.of..self.part * count / self.of
    }
}

impl FromStr for Share {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if 1 <= part && part <= of => Ok(Self { part, of }),
            _ => Err(Error::setting("share", "part", text, "I/N with I from 1 to N, such as 1/4")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_parts_are_a_partition() {
        for of in 1..6 {
            let parts = || (1..=of).map(move |part| Share { part, of });
            for index in 0..40 {
                assert_eq!(parts().filter(|share| share.has(index)).count(), 1, "piece {index} of {of} parts");
                assert_eq!(parts().filter(|share| share.shards(40).contains(&index)).count(), 1, "shard {index}");
            }
        }
        assert!((0..40).all(|index| Share::WHOLE.has(index)));
    }

    #[test]
    fn rejects_texts_that_are_no_parts() {
        for text in ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2", ""] {
            let error = text.parse::<Share>().unwrap_err().to_string();
            assert_eq!(error, format!("share: `part` is {text}, allowed: I/N with I from 1 to N, such as 1/4"));
        }
    }
}
