//! The share of a sweep that one process makes.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// One of several equal shares of the candidates, written I/N with I from 1 to N.
///
/// Part I has the candidates I, I + N, I + 2 N, ..., so that neighbours of a grid are spread over the parts.
///
/// # Examples
///
/// ```
/// use gm_sweep::Part;
///
/// let part: Part = "2/3".parse()?;
/// assert_eq!((0..7).filter(|&index| part.has(index)).collect::<Vec<_>>(), [1, 4]);
/// assert_eq!(part.to_string(), "2/3");
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the part, from 1.
    pub number: usize,
    /// The number of parts.
    pub of: usize,
}

impl Part {
    /// All candidates.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether the candidate with this index, counted from 0, belongs to the part.
    #[must_use]
    pub fn has(self, index: usize) -> bool {
        index % self.of + 1 == self.number
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err(Error::setting("part", text, "I/N with I from 1 to N, such as 2/8")),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_parts_are_a_partition() {
        for of in 1..6 {
            for index in 0..40 {
                let owners = (1..=of).filter(|&number| Part { number, of }.has(index)).count();
                assert_eq!(owners, 1, "candidate {index} of {of} parts");
            }
        }
        assert!((0..40).all(|index| Part::WHOLE.has(index)));
    }

    #[test]
    fn rejects_texts_that_are_no_parts() {
        for text in ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2", ""] {
            let error = text.parse::<Part>().unwrap_err().to_string();
            assert_eq!(error, format!("`part` is {text}, allowed: I/N with I from 1 to N, such as 2/8"));
        }
    }
}
