//! The settings that a sweep varies, and the values that they take.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::sweep::MAX_CANDIDATES;

/// How a range is divided.
///
/// Written `linear` or `log`.
///
/// # Examples
///
/// ```
/// assert_eq!("log".parse::<gm_sweep::Scale>()?, gm_sweep::Scale::Log);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_scale)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Scale {
    /// Equal differences.
    #[default]
    Linear,
    /// Equal ratios.
    Log,
}

fn unknown_scale(text: &str) -> Error {
    gm_core::Error::unknown("scale", text, Scale::VARIANTS).into()
}

/// The numbers between two ends, both of which belong to it.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Range, Scale};
///
/// let range = Range { from: 0.001, to: 0.1, whole: false, scale: Scale::Log, points: Some(3) };
/// assert_eq!(range.grid(), [0.001.into(), 0.01.into(), 0.1.into()]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// Whether only whole numbers belong to it.
    pub whole: bool,
    /// How it is divided.
    pub scale: Scale,
    /// The number of values that a grid takes from it.
    pub points: Option<usize>,
}

/// The largest whole number of a range, up to which `f64` holds all of them.
const LARGEST: f64 = 9_007_199_254_740_992.0;

impl Range {
    /// The number below which a share `u` of the range lies, `u` from 0 to 1.
    fn at(&self, (from, to): (f64, f64), u: f64) -> f64 {
        match self.scale {
            Scale::Linear => from + u * (to - from),
            Scale::Log => (from.ln() + u * (to.ln() - from.ln())).exp(),
        }
    }

    /// The value at a share `u` of the range, `u` from 0 up to but without 1. Each whole number has its own share.
    pub(crate) fn drawn(&self, u: f64) -> Value {
        match self.whole {
            true => Value::Integer(self.at((self.from, self.to + 1.0), u).floor().clamp(self.from, self.to) as i64),
            false => self.real(u),
        }
    }

    /// Values at equal distances, the ends included.
    #[must_use]
    pub fn grid(&self) -> Vec<Value> {
        let points = self.points.unwrap_or(0);
        let value = |i: usize| match (i as f64 / (points.max(2) - 1) as f64, self.whole) {
            (u, true) => Value::Integer(self.at((self.from, self.to), u).round().clamp(self.from, self.to) as i64),
            (u, false) => self.real(u),
        };
        (0..points).map(value).collect()
    }

    /// Six digits are enough, can be read, and are the same on every computer, whose logarithms may differ in the last bit.
    fn real(&self, u: f64) -> Value {
        let exact = self.at((self.from, self.to), u);
        let rounded = format!("{exact:.5e}").parse().unwrap_or(exact);
        Value::Float(rounded.clamp(self.from, self.to))
    }

    fn parse(key: &str, table: &Table) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            from: Value,
            to: Value,
            #[serde(default)]
            scale: Scale,
            points: Option<usize>,
        }
        let text = Value::Table(table.clone()).to_string();
        let refused = |detail| Error::Refused { key: key.into(), value: text.clone(), detail };
        let written: Written = table.clone().try_into().map_err(|e: toml::de::Error| refused(e.message().into()))?;
        let number = |value: &Value| match value {
            Value::Integer(whole) => Some(*whole as f64),
            Value::Float(real) => Some(*real),
            _ => None,
        };
        let Some((from, to)) = number(&written.from).zip(number(&written.to)) else {
            return Err(Error::setting(key, text, "a range whose `from` and `to` are numbers"));
        };
        let whole = written.from.is_integer() && written.to.is_integer();
        let range = Self { from, to, whole, scale: written.scale, points: written.points };
        range.check().map_or(Ok(range), |allowed| Err(Error::setting(key, text, allowed)))
    }

    /// What is allowed in the place of this range, if it is not.
    fn check(&self) -> Option<&'static str> {
        let most = if self.whole { LARGEST } else { f64::MAX };
        match self {
            _ if !(self.from.abs() <= most && self.to.abs() <= most) => Some("finite numbers, whole ones up to 2^53"),
            _ if self.from >= self.to => Some("a range whose `from` is below its `to`"),
            _ if self.scale == Scale::Log && self.from <= 0.0 => Some("`from` above 0 with `scale` log"),
            _ if self.points.is_some_and(|points| !(2..=MAX_CANDIDATES).contains(&points)) => {
                Some("`points` from 2 to 10000")
            }
            _ => None,
        }
    }

    fn to_value(self) -> Value {
        let number = |x: f64| if self.whole { Value::Integer(x as i64) } else { Value::Float(x) };
        let mut table = Table::new();
        table.insert("from".into(), number(self.from));
        table.insert("to".into(), number(self.to));
        table.insert("scale".into(), Value::String(self.scale.to_string()));
        table.extend(self.points.map(|points| ("points".into(), Value::Integer(points as i64))));
        Value::Table(table)
    }
}

/// The values that a setting takes.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Sweep, Values};
///
/// let sweep = Sweep::parse(
///     "[sweep]\nmethod = 'grid'\n[settings]\n'model.hidden' = [10, 20]\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'",
/// )?;
/// assert_eq!(sweep.settings[0].values, Values::List(vec![10.into(), 20.into()]));
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These.
    List(Vec<Value>),
    /// Numbers of a range.
    Range(Range),
}

/// A setting that a sweep varies.
///
/// # Examples
///
/// ```
/// use gm_sweep::Sweep;
///
/// let sweep = Sweep::parse(
///     "[sweep]\nmethod = 'random'\nruns = 3\n[settings]\n'model.learning_rate' = { from = 0.001, to = 0.1, scale = 'log' }
///      [data]\nspec = 'digits'\n[model]\nkind = 'rbm'",
/// )?;
/// assert_eq!(sweep.settings[0].key, "model.learning_rate");
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its dotted key in `config.toml`.
    pub key: String,
    /// Its values.
    pub values: Values,
}

impl Setting {
    /// The settings of the table `[settings]`, ordered by their keys. A key is written `"model.hidden"` or `model.hidden`.
    pub(crate) fn all(table: &Table) -> Result<Vec<Self>> {
        let mut found = BTreeMap::new();
        collect("", table, &mut found)?;
        found.iter().map(|(key, value)| Self::parse(key, value)).collect()
    }

    fn parse(key: &str, value: &Value) -> Result<Self> {
        let values = match value {
            Value::Array(list) => Values::List(distinct(key, list)?),
            Value::Table(table) => Values::Range(Range::parse(key, table)?),
            other => return Err(Error::setting(key, other, "a list of values, or a range { from = A, to = B }")),
        };
        Ok(Self { key: key.into(), values })
    }

    /// The value at a share `u`, from 0 up to but without 1.
    pub(crate) fn drawn(&self, u: f64) -> Value {
        match &self.values {
            Values::List(list) => list[((u * list.len() as f64) as usize).min(list.len() - 1)].clone(),
            Values::Range(range) => range.drawn(u),
        }
    }

    /// All values that a grid takes.
    pub(crate) fn grid(&self) -> Result<Vec<Value>> {
        match &self.values {
            Values::List(list) => Ok(list.clone()),
            Values::Range(range) if range.points.is_some() => distinct(&self.key, &range.grid()),
            Values::Range(range) => Err(Error::setting(
                &self.key,
                range.to_value(),
                "a list, or a range with `points`, the size of its grid",
            )),
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.values {
            Values::List(list) => Value::Array(list.clone()),
            Values::Range(range) => range.to_value(),
        }
    }
}

/// Gathers settings of inner tables under their dotted keys.
fn collect(before: &str, table: &Table, found: &mut BTreeMap<String, Value>) -> Result<()> {
    for (key, value) in table {
        let key = format!("{before}{key}");
        match value {
            Value::Table(inner) if !is_range(inner) => collect(&format!("{key}."), inner, found)?,
            value => {
                if found.insert(key.clone(), value.clone()).is_some() {
                    return Err(Error::setting(key, "in [settings] twice", "one place"));
                }
            }
        }
    }
    Ok(())
}

/// Whether a table is a range and not a part of `config.toml`, which has no such keys.
fn is_range(table: &Table) -> bool {
    table.is_empty() || ["from", "to", "scale", "points"].iter().any(|key| table.contains_key(*key))
}

/// The values, none of which may stand there twice.
fn distinct(key: &str, values: &[Value]) -> Result<Vec<Value>> {
    if values.is_empty() {
        return Err(Error::setting(key, "an empty list", "one value or more"));
    }
    let repeated = (1..values.len()).find(|&i| values[..i].contains(&values[i]));
    match repeated {
        Some(i) => Err(Error::setting(key, format!("{} twice", values[i]), "each value once")),
        None => Ok(values.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: f64, to: f64, whole: bool, scale: Scale) -> Range {
        Range { from, to, whole, scale, points: None }
    }

    #[test]
    fn table_shares_of_ranges() {
        let drawn = |range: Range, shares: [f64; 3]| shares.map(|u| range.drawn(u).to_string());
        let real = range(1.0, 3.0, false, Scale::Linear);
        assert_eq!(drawn(real, [0.0, 0.5, 0.75]), ["1.0", "2.0", "2.5"]);
        let log = range(0.001, 0.1, false, Scale::Log);
        assert_eq!(drawn(log, [0.0, 0.5, 0.999_999_999]), ["0.001", "0.01", "0.1"]);
        // Three whole numbers have a third each.
        let whole = range(1.0, 3.0, true, Scale::Linear);
        assert_eq!(drawn(whole, [0.33, 0.34, 0.999]), ["1", "2", "3"]);
        // From 1 to 7 by ratios: 1 has ln 2 / ln 8 = 1/3, 2 and 3 together the next third.
        let doubling = range(1.0, 7.0, true, Scale::Log);
        assert_eq!(drawn(doubling, [0.33, 0.34, 0.67]), ["1", "2", "4"]);
    }

    #[test]
    fn table_grids_of_ranges_have_both_ends() {
        let grid = |range: Range, points| {
            let found = Range { points: Some(points), ..range }.grid();
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(grid(range(10.0, 1000.0, true, Scale::Log), 3), "10 100 1000");
        assert_eq!(grid(range(0.0, 1.0, false, Scale::Linear), 5), "0.0 0.25 0.5 0.75 1.0");
    }

    fn refused(text: &str) -> String {
        Setting::all(&text.parse().unwrap()).and_then(|all| all[0].grid()).unwrap_err().to_string()
    }

    #[test]
    fn rejects_values_that_make_no_list_and_no_range() {
        let cases = [
            ("'a.b' = 3", "`a.b` is 3, allowed: a list of values, or a range { from = A, to = B }"),
            ("'a.b' = []", "`a.b` is an empty list, allowed: one value or more"),
            ("'a.b' = [1, 2, 1]", "`a.b` is 1 twice, allowed: each value once"),
            ("'a.b' = { from = 1 }", "`a.b` = { from = 1 }: missing field `to`"),
            (
                "'a.b' = { from = 1, to = 2, by = 1 }",
                "`a.b` = { by = 1, from = 1, to = 2 }: unknown field `by`, expected one of `from`, `to`, `scale`, `points`",
            ),
            (
                "'a.b' = { from = 'x', to = 2 }",
                "`a.b` is { from = \"x\", to = 2 }, allowed: a range whose `from` and `to` are numbers",
            ),
            (
                "'a.b' = { from = 2, to = 2 }",
                "`a.b` is { from = 2, to = 2 }, allowed: a range whose `from` is below its `to`",
            ),
            (
                "'a.b' = { from = 0, to = 2, scale = 'log' }",
                "`a.b` is { from = 0, scale = \"log\", to = 2 }, allowed: `from` above 0 with `scale` log",
            ),
            (
                "'a.b' = { from = 1, to = 2, points = 1 }",
                "`a.b` is { from = 1, points = 1, to = 2 }, allowed: `points` from 2 to 10000",
            ),
            (
                "'a.b' = { from = 1.0, to = inf }",
                "`a.b` is { from = 1.0, to = inf }, allowed: finite numbers, whole ones up to 2^53",
            ),
            (
                "'a.b' = { from = 1, to = 2 }",
                "`a.b` is { from = 1, scale = \"linear\", to = 2 }, allowed: a list, or a range with `points`, the size of \
                 its grid",
            ),
            ("'a.b' = { from = 1, to = 2, points = 3 }", "`a.b` is 2 twice, allowed: each value once"),
            ("'a.b' = [1]\na.b = [2]", "`a.b` is in [settings] twice, allowed: one place"),
        ];
        for (text, expected) in cases {
            assert_eq!(refused(text), expected, "{text}");
        }
        let error = refused("'a.b' = { from = 1, to = 2, scale = 'logarithm' }");
        assert!(error.contains("unknown scale `logarithm`"), "{error}");
    }

    #[test]
    fn table_keys_may_be_quoted_or_not() {
        let all = Setting::all(&"'model.x' = [1]\nmodel.a.b = [2]\n[data]\ny = { from = 1, to = 2 }".parse().unwrap());
        let keys: Vec<String> = all.unwrap().into_iter().map(|setting| setting.key).collect();
        assert_eq!(keys, ["data.y", "model.a.b", "model.x"]);
    }
}
