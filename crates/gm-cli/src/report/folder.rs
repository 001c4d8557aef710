//! The material of a report: the files of a run folder, and rows that the model has not seen.

use std::path::{Path, PathBuf};

use gm_core::{Batch, ModelData};
use gm_data::{Binarise, Dataset, SplitName};
use gm_eval::{EvalData, Model, sites};
use gm_train::Config;
use serde_json::Value;

use super::Evaluation;
use crate::data::{Examples, RowList, check_columns, check_units};
use crate::error::{Error, Result};
use crate::hints::CommandLine;
use crate::training::history;

/// The content of a run folder.
pub(crate) struct Folder {
    /// The path of the folder.
    pub(crate) path: PathBuf,
    /// The configuration of the run.
    pub(crate) config: Config,
    /// The text of the configuration file.
    pub(crate) config_text: String,
    /// The content of the model file.
    pub(crate) data: ModelData,
    /// The model.
    pub(crate) model: Model,
    /// The lines of `metrics.jsonl`.
    pub(crate) history: Vec<Value>,
    /// Evaluations that the folder keeps, with the names of their files.
    pub(crate) evaluations: Vec<(String, Evaluation)>,
    /// Rows to show, if the data are available.
    pub(crate) held_out: Option<HeldOut>,
    /// The parts that are missing from the report, with the reasons.
    pub(crate) notes: Vec<String>,
}

impl Folder {
    /// Reads the folder of a run that has a model.
    ///
    /// # Errors
    ///
    /// [`gm_train::Error::NoRun`] for another folder, [`Error::NoModel`] for a run without one, [`Error::Content`] for
    /// a model that the configuration does not describe, and errors that name a damaged file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = path.join("config.toml");
        if !file.is_file() {
            return Err(gm_train::Error::NoRun { folder: path.into() }.into());
        }
        let config = Config::read(&file)?;
        let config_text = std::fs::read_to_string(&file).map_err(Error::io("reading", &file))?;
        let metrics = path.join("metrics.jsonl");
        let model_file = path.join("model.gm");
        if !model_file.is_file() {
            return Err(Error::NoModel { folder: path.into() });
        }
        let data = crate::model::load_data(&model_file)?;
        let model = crate::model::load(&model_file)?;
        check_same(&model_file, &config, &model)?;
        if !metrics.is_file() {
            let detail = "is missing, so nothing is known of the training".to_owned();
            return Err(Error::Content { path: metrics, detail });
        }
        let (history, evaluations, notes) = (history(&metrics)?, Evaluation::all(path, &model)?, Vec::new());
        let path = path.into();
        Ok(Self { path, config, config_text, data, model, history, evaluations, held_out: None, notes })
    }

    /// Adds rows to show.
    ///
    /// # Errors
    ///
    /// [`Error::Units`] when the model has other visible units.
    pub(crate) fn with(mut self, held_out: Option<HeldOut>) -> Result<Self> {
        if let Some(HeldOut(examples, _)) = &held_out {
            check_units(&self.model, &self.model_path(), &examples.about.source, examples.rows.units())?;
            check_columns(&self.model_path(), &examples.about.source, &examples.split)?;
        }
        self.held_out = held_out;
        Ok(self)
    }

    /// Adds rows of the run's own data, or a note with the reason why there are none.
    ///
    /// # Errors
    ///
    /// The errors of [`with`](Self::with).
    pub(crate) fn with_own_rows(mut self, data_dir: Option<PathBuf>) -> Result<Self> {
        let mut config = self.config.clone();
        config.data.data_dir = data_dir.or(config.data.data_dir);
        match config.load_data().and_then(|data| HeldOut::of(&data, &config)) {
            Ok(held_out) => self.with(held_out),
            Err(error) => {
                let line = Error::from(error).line(&CommandLine::default());
                self.notes.push(format!("Reconstructions, completions and hidden activities are left out: {line}."));
                Ok(self)
            }
        }
    }

    /// The file of the model.
    pub(crate) fn model_path(&self) -> PathBuf {
        self.path.join("model.gm")
    }
}

fn check_same(file: &Path, config: &Config, model: &Model) -> Result<()> {
    let settings = config.model.settings();
    let (expected, found) = ((settings.kind(), settings.hidden()), (model.kind(), model.layers().split_off(1)));
    if expected == found {
        return Ok(());
    }
    let detail = format!(
        "{} with hidden layers {:?}, but config.toml describes {} with {:?}",
        found.0.noun(),
        found.1,
        expected.0.noun(),
        expected.1
    );
    Err(Error::Content { path: file.into(), detail })
}

/// Rows that the model has not seen, ordered by their labels; and training rows, if the data form no pictures, in which moments
/// are seen at once.
#[derive(Clone, Debug)]
pub(crate) struct HeldOut(pub(crate) Examples, pub(crate) Option<Batch>);

/// Number of rows taken from the data.
const ROWS: usize = 100;
/// Number of rows whose reconstructions and completions are shown.
const SHOWN: usize = 10;

impl HeldOut {
    /// The first rows of the test split, or of the validation split if there is no test split. `None` if there is
    /// neither.
    ///
    /// # Errors
    ///
    /// [`gm_train::Error`] when grey levels cannot become zeros and ones.
    pub(crate) fn of(data: &Dataset, config: &Config) -> gm_train::Result<Option<Self>> {
        let names = [SplitName::Test, SplitName::Valid];
        let Some(name) = names.into_iter().find(|&name| data.split(name).len() > 0) else { return Ok(None) };
        let split = data.split(name);
        let mut rows: Vec<usize> = (0..split.len().min(ROWS)).collect();
        if let Some(labels) = split.labels() {
            rows.sort_by_key(|&row| labels[row]);
        }
        let split = split.select(&rows)?;
        let binarise = config.data.binarise.filter(|how| !matches!(how, Binarise::None | Binarise::Dynamic));
        let (names, kind) =
            ((data.source_of(name).to_owned(), name.to_string()), config.model.settings().visible_kind());
        let pictures = split.image().is_some() || is_square(sites(kind, split.units()));
        let train = match pictures {
            true => None,
            false => EvalData::for_kind(kind, data, name, binarise)?.train_rows,
        };
        Ok(Some(Self(Examples::new(split, names, kind, binarise)?, train)))
    }

    /// The few rows whose reconstructions and completions are shown.
    ///
    /// # Errors
    ///
    /// The errors of [`RowList::choose`].
    pub(super) fn choose(&self) -> Result<Examples> {
        RowList(self.shown()).choose(&self.0)
    }

    /// The numbers of these rows, which come from all classes.
    fn shown(&self) -> Vec<usize> {
        let count = self.0.rows.samples();
        let Some(labels) = self.0.split.labels() else { return (0..count.min(SHOWN)).collect() };
        let (mut firsts, others): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|&row| row == 0 || labels[row] != labels[row - 1]);
        firsts.truncate(SHOWN);
        let missing = SHOWN.saturating_sub(firsts.len());
        firsts.extend(others.into_iter().take(missing));
        firsts.sort_unstable();
        firsts
    }
}

fn is_square(units: usize) -> bool {
    units.isqrt().pow(2) == units
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_train::{ModelConfig, RbmSettings};

    #[test]
    fn table_rows_of_each_class_are_shown() {
        let digits = Dataset::builtin("digits").unwrap();
        let config = |spec| Config::new(spec, ModelConfig::Rbm(RbmSettings::default()));
        let held_out = HeldOut::of(&digits, &config("digits")).unwrap().unwrap();
        assert_eq!((held_out.0.rows.samples(), held_out.0.about.binarise.as_str()), (ROWS, "fixed:0"));
        let labels = held_out.0.split.labels().unwrap();
        let shown: Vec<u16> = held_out.shown().into_iter().map(|row| labels[row]).collect();
        assert_eq!(shown, (0..10).collect::<Vec<u16>>());
        let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
        let held_out = HeldOut::of(&bars, &config("bars-and-stripes:3")).unwrap().unwrap();
        assert_eq!(held_out.shown().len(), held_out.0.rows.samples().min(SHOWN));
    }
}
