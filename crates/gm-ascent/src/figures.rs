//! Named numbers of an epoch.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Named numbers in the order in which they were added.
///
/// # Examples
///
/// ```
/// let figures = gm_ascent::Figures::new([("weight_rms", 0.25)]);
/// assert_eq!(figures.get("weight_rms"), Some(0.25));
/// assert_eq!(serde_json::to_string(&figures)?, r#"{"weight_rms":0.25}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(Vec<(Cow<'static, str>, f64)>);

impl Figures {
    /// The given names and numbers.
    #[must_use]
    pub fn new(figures: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        Self(figures.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Adds one more.
    pub fn push(&mut self, name: &'static str, value: f64) {
        self.0.push((name.into(), value));
    }

    /// Adds a number for each hidden layer: `name_1`, `name_2`, ....
    ///
    /// # Examples
    ///
    /// ```
    /// let mut figures = gm_ascent::Figures::default();
    /// figures.push_layers("active_units", [12, 3]);
    /// assert_eq!(figures.get("active_units_2"), Some(3.0));
    /// ```
    pub fn push_layers(&mut self, name: &str, values: impl IntoIterator<Item = usize>) {
        self.0.extend(values.into_iter().zip(1..).map(|(value, l)| (format!("{name}_{l}").into(), value as f64)));
    }

    /// The number of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|&(known, _)| known == name).map(|(_, value)| value)
    }

    /// All names and numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// The same names with other numbers, in order.
    pub(crate) fn with_values(mut self, values: impl IntoIterator<Item = f64>) -> Self {
        self.0.iter_mut().zip(values).for_each(|((_, old), new)| *old = new);
        self
    }

    /// Adds all names and numbers of others.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
}

impl Serialize for Figures {
    /// A map; numbers that are not finite become null.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
