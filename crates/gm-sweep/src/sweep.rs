//! The sweep file: which settings take which values, and what all runs share.

use std::collections::BTreeMap;
use std::path::Path;

use gm_train::Config;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};
use toml::{Table, Value};

use crate::candidate::{Candidate, name};
use crate::draw;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::halving::Halving;
use crate::keys;
use crate::setting::Setting;

/// The most candidates of a sweep.
///
/// # Examples
///
/// ```
/// let text = "[sweep]\nmethod = 'random'\nruns = 10001\n[settings]\nseed = { from = 0, to = 9 }";
/// let error = gm_sweep::Sweep::parse(text).unwrap_err().to_string();
/// assert_eq!(error, format!("`sweep.runs` is 10001, allowed: 1 to {}", gm_sweep::MAX_CANDIDATES));
/// ```
pub const MAX_CANDIDATES: usize = 10_000;

/// How candidates are chosen.
///
/// Written `grid`, `random` or `latin-hypercube`.
///
/// # Source
///
/// Random draws: `bergstra2012random`. Latin hypercubes: `mckay1979comparison`.
///
/// # Examples
///
/// ```
/// assert_eq!("latin-hypercube".parse::<gm_sweep::Method>()?, gm_sweep::Method::LatinHypercube);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_method)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Method {
    /// All combinations of the values; settings are ordered by their keys, and the last one changes fastest.
    Grid,
    /// Values drawn at random.
    Random,
    /// Values drawn at random, so that every setting takes values in all parts of its range.
    LatinHypercube,
}

fn unknown_method(text: &str) -> Error {
    gm_core::Error::unknown("method", text, Method::VARIANTS).into()
}

/// The content of a sweep file.
///
/// `[sweep]` says how candidates are chosen and judged, `[settings]` which values settings take, by their dotted keys in
/// `config.toml`, and everything else is the `config.toml` that all runs share.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Halving, Method, Sweep};
///
/// let sweep = Sweep::parse(
///     "[sweep]
///      method = 'latin-hypercube'
///      runs = 9
///      seed = 1
///      halving = { first_epochs = 2 }
///      [settings]
///      'model.learning_rate' = { from = 0.001, to = 0.1, scale = 'log' }
///      'model.hidden' = [10, 20]
///      [data]
///      spec = 'digits'
///      [model]
///      kind = 'rbm'
///      epochs = 20",
/// )?;
/// assert_eq!((sweep.method, sweep.halving), (Method::LatinHypercube, Some(Halving { first_epochs: 2, factor: 3 })));
/// assert_eq!(sweep.candidates()?.len(), 9);
/// assert_eq!(Sweep::parse(&sweep.to_toml())?, sweep);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sweep {
    /// How candidates are chosen.
    pub method: Method,
    /// The number of candidates; `None` for a grid.
    pub runs: Option<usize>,
    /// The seed of random choices; that of the runs is apart.
    pub seed: u64,
    /// The figure by which runs are judged; the best one that they have if `None`.
    pub figure: Option<Figure>,
    /// Which runs are stopped early.
    pub halving: Option<Halving>,
    /// The settings that vary, ordered by their keys.
    pub settings: Vec<Setting>,
    /// The configuration that all runs share.
    pub shared: Table,
}

/// The table `[sweep]`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    method: Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<usize>,
    #[serde(default)]
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    figure: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    halving: Option<Halving>,
}

/// Settings that change where and how fast a run trains, and not what it learns.
pub(crate) const WITHOUT_EFFECT: [&str; 4] = ["threads", "checkpoint_every", "data.data_dir", "data.cache_dir"];

/// Settings with which figures of different runs cannot be compared.
const WITHOUT_COMPARISON: [&str; 3] = ["model.kind", "model.visible", "model.labels"];

impl Sweep {
    /// Reads TOML text.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with the place and what is allowed there, and [`Error::Setting`] and [`Error::Refused`] naming the
    /// setting.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_at(Path::new("sweep file"), text)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::Io`] and those of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(gm_data::Error::io("reading", path))?;
        Self::parse_at(path, &text)
    }

    fn parse_at(path: &Path, text: &str) -> Result<Self> {
        let refused = |detail: String| Error::File { path: path.into(), detail };
        let mut shared: Table = text.parse().map_err(|error: toml::de::Error| refused(error.to_string()))?;
        let mut part = |name: &str| match shared.remove(name) {
            Some(Value::Table(table)) => Ok(table),
            Some(_) => Err(refused(format!("`{name}` is not a table, allowed: [{name}]"))),
            None => Err(refused(format!("has no table [{name}]"))),
        };
        let (head, settings) = (part("sweep")?, part("settings")?);
        let head: Head =
            head.try_into().map_err(|error: toml::de::Error| refused(format!("[sweep]: {}", error.message())))?;
        let Head { method, runs, seed, figure, halving } = head;
        let settings = Setting::all(&settings)?;
        let sweep = Self { method, runs, seed, figure, halving, settings, shared };
        sweep.check()?;
        Ok(sweep)
    }

    /// Refuses tables whose entries do not go together.
    fn check(&self) -> Result<()> {
        if self.settings.is_empty() {
            return Err(Error::setting("settings", "empty", "one setting or more"));
        }
        match (self.method, self.runs) {
            (Method::Grid, Some(runs)) => {
                return Err(Error::setting(
                    "sweep.runs",
                    runs,
                    "none with method grid, whose values give the number of runs",
                ));
            }
            (Method::Grid, None) => {}
            (method, None) => {
                return Err(Error::setting("sweep.runs", "missing", format!("1 or more with method {method}")));
            }
            (_, Some(runs)) if !(1..=MAX_CANDIDATES).contains(&runs) => {
                return Err(Error::setting("sweep.runs", runs, format!("1 to {MAX_CANDIDATES}")));
            }
            _ => {}
        }
        let apart = |key: &str| key.starts_with("data.") || WITHOUT_COMPARISON.contains(&key);
        match self.settings.iter().find(|setting| self.halving.is_some() && apart(&setting.key)) {
            Some(setting) => Err(Error::setting(
                &setting.key,
                "in [settings]",
                "one value with [sweep.halving], which compares figures of the same data and kind of model",
            )),
            None => Ok(()),
        }
    }

    /// The sweep as TOML text, with all defaults.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut table = self.shared.clone();
        let Self { method, runs, seed, figure, halving, .. } = *self;
        // Seeds above 2^63 were refused when the text was read.
        if let Ok(head) = Table::try_from(Head { method, runs, seed, figure, halving }) {
            table.insert("sweep".into(), Value::Table(head));
        }
        let settings = self.settings.iter().map(|setting| (setting.key.clone(), setting.to_value()));
        table.insert("settings".into(), Value::Table(settings.collect()));
        table.to_string()
    }

    /// Everything that changes the result, by dotted keys.
    pub(crate) fn binding(&self) -> BTreeMap<String, Value> {
        let mut found = self.to_toml().parse().map(|table: Table| keys::flatten(&table)).unwrap_or_default();
        found.retain(|key, _| !WITHOUT_EFFECT.contains(&key.as_str()));
        found
    }

    /// All combinations of settings that are tried, each of which was checked.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a grid that is too large, a setting that stands elsewhere too, or epochs that do not suit
    /// `[sweep.halving]`; [`Error::Refused`] and [`Error::Candidate`] for settings that make no run.
    pub fn candidates(&self) -> Result<Vec<Candidate>> {
        let values = self.values()?;
        let of = values.len();
        let candidates = values.into_iter().enumerate().map(|(index, values)| self.candidate(index, of, values));
        let candidates: Vec<Candidate> = candidates.collect::<Result<_>>()?;
        if let Some(halving) = self.halving {
            let epochs = candidates.iter().map(|candidate| candidate.config.model.settings().epochs()).max();
            let every = candidates.iter().map(|candidate| candidate.config.monitor.every);
            every.into_iter().try_for_each(|every| halving.check(epochs.unwrap_or(0), every))?;
        }
        Ok(candidates)
    }

    /// The values of the settings of each candidate.
    fn values(&self) -> Result<Vec<Vec<Value>>> {
        let (runs, settings) = (self.runs.unwrap_or(0), self.settings.len());
        let points = match self.method {
            Method::Grid => return self.grid(),
            Method::Random => draw::random(runs, settings, self.seed),
            Method::LatinHypercube => draw::latin_hypercube(runs, settings, self.seed),
        };
        let drawn = |point: Vec<f64>| self.settings.iter().zip(point).map(|(setting, u)| setting.drawn(u)).collect();
        Ok(points.into_iter().map(drawn).collect())
    }

    fn grid(&self) -> Result<Vec<Vec<Value>>> {
        let lists: Vec<Vec<Value>> = self.settings.iter().map(Setting::grid).collect::<Result<_>>()?;
        let count = lists.iter().try_fold(1_usize, |count, list| count.checked_mul(list.len()));
        if count.is_none_or(|count| count > MAX_CANDIDATES) {
            let sizes: Vec<String> = lists.iter().map(|list| list.len().to_string()).collect();
            let value = format!("a grid of {} candidates", sizes.join(" x "));
            return Err(Error::setting("settings", value, format!("at most {MAX_CANDIDATES}")));
        }
        let longer = |rows: Vec<Vec<Value>>, list: &Vec<Value>| {
            let with = |row: &Vec<Value>, value: &Value| [&row[..], std::slice::from_ref(value)].concat();
            rows.iter().flat_map(|row| list.iter().map(|value| with(row, value))).collect()
        };
        Ok(lists.iter().fold(vec![vec![]], longer))
    }

    fn candidate(&self, index: usize, of: usize, values: Vec<Value>) -> Result<Candidate> {
        let settings: Vec<(String, Value)> =
            self.settings.iter().map(|setting| setting.key.clone()).zip(values).collect();
        let mut table = self.shared.clone();
        for (key, value) in &settings {
            if !keys::insert(&mut table, key, value.clone()) {
                return Err(Error::setting(key, "given twice", "one place, in [settings] or outside of it"));
            }
        }
        let name = name(index, of, &settings);
        let config: Config = match table.clone().try_into() {
            Ok(config) => config,
            Err(error) => return Err(blame(&table, &settings, name, error.message())),
        };
        match config.check() {
            Ok(()) => Ok(Candidate { index, name, settings, config }),
            Err(error) => Err(Error::Candidate { name, detail: error.to_string() }),
        }
    }
}

/// The error of a table that is no configuration, with the setting without which it would be one.
fn blame(table: &Table, settings: &[(String, Value)], name: String, detail: &str) -> Error {
    let cures = |(key, _): &&(String, Value)| {
        let mut without = table.clone();
        keys::remove(&mut without, key);
        without.try_into::<Config>().is_ok()
    };
    let detail = detail.to_owned();
    match settings.iter().find(cures) {
        Some((key, value)) => Error::Refused { key: key.clone(), value: value.to_string(), detail },
        None => Error::Candidate { name, detail },
    }
}
