//! A combination of settings that a sweep tries.

use gm_train::Config;
use toml::Value;

/// A combination of settings that a sweep tries.
///
/// # Examples
///
/// ```
/// use gm_sweep::Sweep;
///
/// let sweep = Sweep::parse(
///     "[sweep]\nmethod = 'grid'\n[settings]\n'model.hidden' = [10, 20]\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'",
/// )?;
/// let candidates = sweep.candidates()?;
/// assert_eq!(candidates[1].name, "2-hidden-20");
/// assert_eq!(candidates[1].config.model.settings().hidden(), [20]);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its place among all candidates, from 0.
    pub index: usize,
    /// The name of its folder: its number, from 1, and its settings.
    pub name: String,
    /// The settings that the sweep varies, with their values.
    pub settings: Vec<(String, Value)>,
    /// The configuration of its run.
    pub config: Config,
}

/// The greatest length of a name.
const LONGEST: usize = 80;

/// The name of a candidate's folder. `of` is the number of candidates, whose numbers have equally many digits.
pub(crate) fn name(index: usize, of: usize, settings: &[(String, Value)]) -> String {
    let digits = of.to_string().len();
    let setting =
        |(key, value): &(String, Value)| format!("-{}-{}", key.rsplit('.').next().unwrap_or_default(), short(value));
    let words: String = settings.iter().map(setting).collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = format!("{:0digits$}{words}", index + 1).chars().map(plain).take(LONGEST).collect();
    name.trim_end_matches('-').to_owned()
}

/// A value in few characters.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Float(x) => {
            format!("{x:.3e}").parse().map_or_else(|_| x.to_string(), |rounded: f64| rounded.to_string())
        }
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join("-"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_short_and_plain() {
        let named = |index, of, key: &str, value: Value| name(index, of, &[(key.into(), value)]);
        assert_eq!(named(0, 9, "model.learning_rate", 0.012_345_678.into()), "1-learning_rate-0.01235");
        assert_eq!(named(4, 120, "seed", 3.into()), "005-seed-3");
        assert_eq!(named(0, 1, "model.hidden", Value::Array(vec![20.into(), 10.into()])), "1-hidden-20-10");
        assert_eq!(named(0, 1, "model.optimiser", "momentum:0.9".into()), "1-optimiser-momentum-0.9");
        assert_eq!(named(0, 1, "data.spec", "../a b/".into()), "1-spec-..-a-b");
        assert_eq!(named(0, 1, "model.x", "y".repeat(200).into()).len(), 80);
    }
}
