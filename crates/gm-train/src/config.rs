//! The complete description of a run, as `config.toml` holds it.

use std::path::{Path, PathBuf};

use gm_ascent::{Ranges, Team};
use serde::{Deserialize, Serialize};

use crate::classifier::ClassifierSettings;
use crate::course::{MonitorSettings, StopOn};
use crate::dbm::DbmSettings;
use crate::dbn::DbnSettings;
use crate::error::{Error, Result};
use crate::fit::usual_binarise;
use crate::harmonium::HarmoniumSettings;
use crate::learner::{ModelSettings, Origin};
use crate::rbm::RbmSettings;
use crate::sbn::SbnSettings;
use crate::start::StartModel;
use gm_data::{Binarise, DataSpec, Dataset, LoadOptions, RowWeights, TableOptions, load};

/// All that determines a run.
///
/// # Examples
///
/// ```
/// use gm_train::Config;
///
/// let config = Config::parse("seed = 7\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\nhidden = 100\n")?;
/// assert_eq!(config.seed, 7);
/// assert_eq!(Config::parse(&config.to_toml())?, config);
/// let error = Config::parse("[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\nhiden = 100\n").unwrap_err();
/// assert!(error.to_string().contains("unknown field `hiden`"));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The seed of all random numbers, up to 2^63 - 1.
    #[serde(default)]
    pub seed: u64,
    /// Threads; 0 for one a core. They change the speed and nothing else.
    #[serde(default)]
    pub threads: usize,
    /// Parts of each batch and of the chains, a power of two, which may be computed by as many processes. Their sums are added
    /// along a fixed tree, so that the number of shards changes the result, and the number of processes does not.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// Updates from one checkpoint to the next; 0 for none but at the end and when interrupted.
    #[serde(default = "default_checkpoint_every")]
    pub checkpoint_every: u64,
    /// What to learn from.
    pub data: DataConfig,
    /// What learns, and how.
    pub model: ModelConfig,
    /// What to watch.
    #[serde(default)]
    pub monitor: MonitorSettings,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(shards: &usize) -> bool {
    *shards == 1
}

fn default_checkpoint_every() -> u64 {
    1_000
}

/// Which data, and how they become zeros and ones.
///
/// # Examples
///
/// ```
/// use gm_train::{Config, DataConfig, ModelConfig, RbmSettings};
///
/// let mut config = Config::new("digits", ModelConfig::Rbm(RbmSettings::default()));
/// assert_eq!(config.load_data()?.train.len(), 1199);
/// config.data = DataConfig { spec: "digits".into(), learn_validation: true, ..Default::default() };
/// assert_eq!(config.load_data()?.train.len(), 1199 + 299);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A built-in name, the name of a known set, or a path.
    pub spec: String,
    /// A file of validation rows, for data that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<PathBuf>,
    /// A file of test rows, for data that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// The folder of known sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// A second folder of known sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// How grey levels become zeros and ones; what suits the data if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binarise: Option<Binarise>,
    /// Whether values between 0 and 1 are exchanged with 1 minus them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
    /// Units of a libsvm file; the highest index if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// How tables of text are read.
    #[serde(default, skip_serializing_if = "TableOptions::is_usual")]
    pub table: TableOptions,
    /// Whether the validation rows are learnt from as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learn_validation: bool,
    /// The path of a file of numbers, one a training row, that say how much the row counts; or `identity:X`, by which a row
    /// counts the less, the more rows share at least X of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<RowWeights>,
}

/// What learns.
///
/// # Examples
///
/// ```
/// use gm_core::ModelKind;
/// use gm_train::{Config, ModelConfig};
///
/// let config = Config::parse("[data]\nspec = 'digits'\n[model]\nkind = 'sbn'\nhidden = [20, 10]\n")?;
/// assert!(matches!(&config.model, ModelConfig::Sbn(settings) if settings.hidden == [20, 10]));
/// assert_eq!(config.model.settings().kind(), ModelKind::Sbn);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum ModelConfig {
    /// A restricted Boltzmann machine.
    Rbm(RbmSettings),
    /// A sigmoid belief net.
    Sbn(SbnSettings),
    /// A deep Boltzmann machine.
    Dbm(DbmSettings),
    /// A deep belief network.
    Dbn(DbnSettings),
    /// A feed-forward net that classifies.
    Classifier(ClassifierSettings),
    /// A restricted Boltzmann machine between any kinds of units.
    Harmonium(HarmoniumSettings),
}

impl ModelConfig {
    /// The settings of whichever model it is.
    #[must_use]
    pub fn settings(&self) -> &dyn ModelSettings {
        match self {
            Self::Rbm(settings) => settings,
            Self::Sbn(settings) => settings,
            Self::Dbm(settings) => settings,
            Self::Dbn(settings) => settings,
            Self::Classifier(settings) => settings,
            Self::Harmonium(settings) => settings,
        }
    }

    fn settings_mut(&mut self) -> &mut dyn ModelSettings {
        match self {
            Self::Rbm(settings) => settings,
            Self::Sbn(settings) => settings,
            Self::Dbm(settings) => settings,
            Self::Dbn(settings) => settings,
            Self::Classifier(settings) => settings,
            Self::Harmonium(settings) => settings,
        }
    }
}

impl Config {
    /// A configuration with defaults for all but the data and the model.
    #[must_use]
    pub fn new(spec: impl Into<String>, model: ModelConfig) -> Self {
        Self {
            seed: 0,
            threads: 0,
            shards: 1,
            checkpoint_every: default_checkpoint_every(),
            data: DataConfig { spec: spec.into(), ..DataConfig::default() },
            model,
            monitor: MonitorSettings::default(),
        }
    }

    /// Reads TOML text.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the place and what is allowed there.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::Config { path: "config".into(), detail: e.to_string() })
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::Io`], or [`Error::Config`] with the file, the place and what is allowed there.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io("reading", path))?;
        toml::from_str(&text).map_err(|e| Error::Config { path: path.into(), detail: e.to_string() })
    }

    /// The configuration as TOML text.
    ///
    /// # Panics
    ///
    /// Never for a configuration that [`check`](Self::check) accepts.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("TOML holds every configuration whose whole numbers are below 2^63")
    }

    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let monitor = &self.monitor;
        let counts = [
            ("seed", self.seed),
            ("threads", self.threads as u64),
            ("checkpoint_every", self.checkpoint_every),
            ("units", self.data.units.unwrap_or(0) as u64),
            ("every", monitor.every),
            ("rows", monitor.rows as u64),
            ("patience", monitor.patience),
        ];
        let data = &self.data;
        let weighs_classes = matches!(&self.model, ModelConfig::Rbm(settings) if settings.class_weight > 0.0);
        let weights = data.weights.as_ref().filter(|_| weighs_classes);
        let nameless = match &self.model {
            ModelConfig::Harmonium(settings) => {
                [&settings.visible, &settings.hidden_units].into_iter().find(|units| !units.is_named())
            }
            _ => None,
        };
        let folders = [("data_dir", &data.data_dir), ("cache_dir", &data.cache_dir)];
        let files = [("valid", &data.valid), ("test", &data.test)];
        let paths = folders.into_iter().chain(files).filter_map(|(arg, path)| Some((arg, path.as_deref()?)));
        let paths = paths.chain(data.weights.as_ref().and_then(RowWeights::file).map(|path| ("weights", path)));
        Ranges::of("Config")
            .in_toml(counts.into_iter().chain(self.model.settings().counts()))
            .in_utf8(paths.chain(self.model.settings().start().0.map(|path| ("start", path))))
            .require(
                !self.data.learn_validation || monitor.stop_on == StopOn::Never,
                "learn_validation",
                true,
                "false with early stopping, which needs rows that are not learnt from",
            )
            .require(
                nameless.is_none(),
                "units",
                nameless.map(ToString::to_string).unwrap_or_default(),
                "kinds of units that files can name; a kind of one's own trains without a run folder",
            )
            .require(
                weights.is_none(),
                "weights",
                weights.map(RowWeights::to_string).unwrap_or_default(),
                "none with a class weight, whose gradient weighs all rows alike",
            )
            .check()?;
        Team::new(self.shards)?;
        self.model.settings().check()?;
        self.monitor.check()
    }

    /// Loads the data.
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn load_data(&self) -> Result<Dataset> {
        let numbers = self.model.settings().visible_kind().takes_numbers();
        let DataConfig { spec, data_dir, cache_dir, binarise, invert, units, weights, table, .. } = self.data.clone();
        let (valid, test) = (self.data.valid.clone(), self.data.test.clone());
        let folders = LoadOptions { data_dir, cache_dir, valid, test, ..LoadOptions::default() };
        let options = LoadOptions { binarise, units, weights, numbers, invert, table, ..folders };
        let loaded = load(&DataSpec::parse(&spec)?, &options)?;
        Ok(if self.data.learn_validation { loaded.learning_validation()? } else { loaded })
    }

    /// How grey levels become zeros and ones, if they do.
    pub(crate) fn binarise(&self, data: &Dataset) -> Binarise {
        self.data.binarise.unwrap_or_else(|| usual_binarise(self.model.settings(), data))
    }

    /// The prepared training data, if they differ from the loaded data.
    pub(crate) fn prepare(&self, data: &Dataset, origin: Origin<'_>) -> Result<Option<Dataset>> {
        self.model.settings().prepare(data, self.binarise(data), origin)
    }

    /// The same run, with paths that hold from everywhere, the binarisation that suits the data, and the digest of the
    /// model to start from.
    pub(crate) fn completed(&self, data: &Dataset, start: Option<&StartModel>) -> Result<Self> {
        let mut config = self.clone();
        let DataConfig { spec, valid, test, data_dir, cache_dir, weights, .. } = &mut config.data;
        if let DataSpec::Path(path) = DataSpec::parse(spec)?
            && let Some(path) = absolute(&path)?.to_str()
        {
            *spec = path.into();
        }
        let weights = match weights {
            Some(RowWeights::File(path)) => Some(path),
            _ => None,
        };
        for path in
            [valid.as_mut(), test.as_mut(), data_dir.as_mut(), cache_dir.as_mut(), weights].into_iter().flatten()
        {
            *path = absolute(path)?;
        }
        config.data.binarise = Some(self.binarise(data));
        if let Some((path, digest)) = config.model.settings_mut().start_mut() {
            *path = start.map(|start| absolute(&start.path)).transpose()?;
            *digest = start.map(|start| start.digest.clone());
        }
        config.model.settings_mut().complete(data, start.map(|start| &start.model))?;
        Ok(config)
    }

    /// The settings that change the result, as text; threads, checkpoints and folders do not.
    pub(crate) fn binding(&self) -> String {
        let mut config = Self { threads: 0, checkpoint_every: 0, ..self.clone() };
        (config.data.data_dir, config.data.cache_dir) = (None, None);
        // The digest says which model the run started from, wherever the file is now.
        if let Some((path, Some(_))) = config.model.settings_mut().start_mut() {
            *path = None;
        }
        config.to_toml()
    }
}

/// The absolute path, unless only the relative one is UTF-8.
fn absolute(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(Error::io("locating", path))?;
    Ok(if whole.to_str().is_some() { whole } else { path.into() })
}

/// The first lines that differ between two configurations, as (old, new).
pub(crate) fn first_difference(old: &str, new: &str) -> Option<(String, String)> {
    let mut lines = new.lines();
    let pair = old.lines().map(|line| (line, lines.next().unwrap_or_default())).find(|(old, new)| old != new);
    let rest = || lines.clone().next().map(|line| ("", line));
    pair.or_else(rest).map(|(old, new)| (old.to_string(), new.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_written_configuration_is_complete() {
        let config = Config::new("digits", ModelConfig::Rbm(RbmSettings::default()));
        let data = config.load_data().unwrap();
        let text = config.completed(&data, None).unwrap().to_toml();
        let lines = r#"binarise = "dynamic"/kind = "rbm"/schedule = "linear"/optimiser = "sgd"/stop_on = "never""#;
        for line in lines.split('/') {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(Config::parse(&text).unwrap().to_toml(), text);
    }

    #[test]
    fn table_only_what_changes_the_result_is_binding() {
        let config = Config::new("digits", ModelConfig::Rbm(RbmSettings::default()));
        let same = Config { threads: 2, checkpoint_every: 5, ..config.clone() };
        assert_eq!(config.binding(), same.binding());
        let other = Config { seed: 1, ..config.clone() };
        let difference = first_difference(&config.binding(), &other.binding());
        assert_eq!(difference, Some(("seed = 0".into(), "seed = 1".into())));
        assert_eq!(first_difference("a", "a\nb"), Some((String::new(), "b".into())));
        assert_eq!(first_difference("a\nb", "a"), Some(("b".into(), String::new())));
    }
}
