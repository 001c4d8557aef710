//! Numbers that change in the course of training.

use std::fmt;
use std::str::FromStr;

/// A first number, and later numbers with the epochs from which they hold. The text form is 1,5@20,10@50.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course<T> {
    pub(super) first: T,
    /// The later numbers with their epochs.
    pub(super) later: Vec<(u64, T)>,
}

impl<T: FromStr> FromStr for Course<T>
where
    T::Err: fmt::Display,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let first = number(parts.next().unwrap_or_default())?;
        let change = |part: &str| {
            let (value, epoch) = part.split_once('@').ok_or_else(|| {
                format!("`{part}` has no epoch; a change is written N@E, such as 5@20 for 5 from epoch 20 on")
            })?;
            Ok::<_, String>((number(epoch)?, number(value)?))
        };
        Ok(Self { first, later: parts.map(change).collect::<Result<_, _>>()? })
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_numbers_and_their_changes() {
        assert_eq!("3".parse::<Course<usize>>(), Ok(Course { first: 3, later: vec![] }));
        let later = vec![(5, 0.9), (20, 0.95)];
        assert_eq!("0.5,0.9@5,0.95@20".parse::<Course<f32>>(), Ok(Course { first: 0.5, later }));
    }

    #[test]
    fn rejects_changes_without_an_epoch_and_words_that_are_not_numbers() {
        let error = |text: &str| text.parse::<Course<usize>>().unwrap_err();
        assert_eq!(error("1,5"), "`5` has no epoch; a change is written N@E, such as 5@20 for 5 from epoch 20 on");
        assert_eq!(error("one"), "`one`: invalid digit found in string");
        assert_eq!(error("1,x@3"), "`x`: invalid digit found in string");
        assert_eq!(error("1,5@-3"), "`-3`: invalid digit found in string");
    }
}
