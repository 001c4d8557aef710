//! How a classifier is trained.

use std::fmt;
use std::path::{Path, PathBuf};

use gm_ascent::{OptimiserSettings, Pace, ParametersState, Ranges, Rate, Regularise};
use gm_core::{Error as CoreError, Matrix, ModelData, ModelKind, Stack, Streams, check_len};
use gm_data::{Binarise, Dataset, Split, SplitName, Values};
use gm_dbm::Dbm;
use gm_net::{Classifier, Dropout, HiddenUnits};
use serde::{Deserialize, Serialize};

use crate::classifier::learner::ClassifierLearner;
use crate::error::{Error, Result};
use crate::learner::{Learner, ModelSettings, Origin};

/// How a classifier is trained.
///
/// # Examples
///
/// ```
/// use gm_train::ClassifierSettings;
///
/// let settings = ClassifierSettings { hidden: vec![500, 500, 2000], ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = ClassifierSettings::default().check().unwrap_err();
/// assert!(refused.to_string().starts_with("ClassifierSettings: `hidden` is empty, allowed: one layer or more"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The file of a generative model whose weights the net starts from; random weights if absent.
    /// A run reads it once, when the run is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The SHA-256 digest of that file, which a run keeps as a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_digest: Option<String>,
    /// Units of the hidden layers, from the first one up; those of the first model if empty.
    pub hidden: Vec<usize>,
    /// Classes; as many as the labels of training and validation rows tell if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// What hidden units make of their inputs.
    pub units: HiddenUnits,
    /// Epochs at the start in which the last layer learns alone, on features that stay as they are.
    pub head_epochs: u64,
    /// Passes over the training split.
    pub epochs: u64,
    /// Examples of an update; the batches of an epoch differ by at most one.
    pub batch_size: usize,
    /// The first learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: Rate,
    /// Epochs in which the rate rises to its value.
    pub warm_up: f64,
    /// How a gradient becomes an update.
    pub optimiser: OptimiserSettings,
    /// Units left out of each update.
    pub dropout: Dropout,
    /// Standard deviation of random first weights; what suits the units if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_scale: Option<f32>,
    /// Penalties on weights.
    pub regularise: Regularise,
}

impl Default for ClassifierSettings {
    /// Sigmoid units, 50 epochs in batches of 100 with momentum 0.9 at rates from 0.1 to 0, without dropout.
    fn default() -> Self {
        Self {
            start: None,
            start_digest: None,
            hidden: vec![],
            classes: None,
            units: HiddenUnits::Sigmoid,
            head_epochs: 0,
            epochs: 50,
            batch_size: 100,
            learning_rate: 0.1,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::Sgd { momentum: 0.9, nesterov: false },
            dropout: Dropout::default(),
            init_scale: None,
            regularise: Regularise::default(),
        }
    }
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "ClassifierSettings", arg, value: value.to_string(), allowed }.into()
}

impl ClassifierSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        Ranges::of("ClassifierSettings")
            .require(
                !self.hidden.is_empty() || self.start.is_some(),
                "hidden",
                "empty",
                "one layer or more for a net of random weights",
            )
            .counts(self.counts().into_iter().filter(|(arg, _)| *arg != HEAD_EPOCHS))
            .positive("learning_rate", self.learning_rate)
            .not_negative("warm_up", self.warm_up)
            .not_negative("init_scale", self.init_scale.unwrap_or(0.0))
            .require(self.classes.is_none_or(|classes| classes >= 2), "classes", self.classes.unwrap_or(0), "2 or more")
            .check()?;
        self.dropout.check()?;
        self.optimiser.check()?;
        Ok(self.regularise.check()?)
    }

    /// The net before its first update, for rows of `inputs` units.
    pub(crate) fn first(&self, inputs: usize, origin: Origin<'_>, streams: &Streams) -> Result<Classifier> {
        let classes = self.classes.ok_or_else(|| refused("classes", "absent", "as many as the labels tell"))?;
        let layers: Vec<usize> = [inputs].into_iter().chain(self.hidden.clone()).chain([classes]).collect();
        match origin {
            Origin::Random => Ok(Classifier::random(&layers, self.units, self.init_scale, streams)?),
            Origin::Model(model) if self.goes_on(model) => Ok(Classifier::from_data(model.clone())?),
            Origin::Model(model) => {
                Classifier::from_model(model.clone(), classes, self.units, streams).map_err(self.at_start())
            }
            Origin::State(_) => Ok(Classifier::new(Stack::zeros(&layers)?, self.units, None)?),
        }
    }

    /// Whether a model is a net that is trained further; files name generative models alone.
    fn goes_on(&self, model: &ModelData) -> bool {
        model.kind == ModelKind::Classifier && self.start.is_none()
    }

    /// Says which file an error concerned, if the settings name one.
    fn at_start(&self) -> impl FnOnce(CoreError) -> Error {
        let path = self.start.clone();
        move |error| match path {
            Some(path) => Error::at(path)(error),
            None => error.into(),
        }
    }

    /// The machine whose means join the input of a net of this origin.
    fn features(&self, origin: Origin<'_>) -> Result<Option<Dbm>> {
        match origin {
            Origin::Random => Ok(None),
            Origin::Model(model) if self.goes_on(model) => {
                Ok(model.features.clone().map(Dbm::from_stack).transpose()?)
            }
            Origin::Model(model) => Classifier::features_of(model).map_err(self.at_start()),
            Origin::State(state) => state.features.clone().map(features_of).transpose(),
        }
    }

    /// The rows as the net learns from them: with the means of a machine where they join the input, and with label units.
    pub(crate) fn joined(&self, data: &Dataset, binarise: Binarise, features: Option<&Dbm>) -> Result<Dataset> {
        let classes = self.classes.map_or_else(|| data.classes(), Ok)?;
        match (features, binarise) {
            (Some(_), how) if how != Binarise::None && !data.train.is_binary() => {
                let allowed = "none for a net whose input is joined with means of a dbm";
                Err(refused("binarise", how, allowed))
            }
            (_, Binarise::Threshold(level)) if !data.train.is_binary() && !(0.0..1.0).contains(&level) => {
                Err(refused("binarise", binarise, "thresholds of 0 or more and below 1, beside label units"))
            }
            (Some(dbm), _) => Ok(with_features(data, dbm)?.with_label_units(classes)?),
            (None, _) => Ok(data.with_label_units(classes)?),
        }
    }

    /// The learning rate.
    pub(super) fn pace(&self) -> Pace {
        Pace { first: self.learning_rate, schedule: self.schedule, warm_up: self.warm_up }
    }
}

const HEAD_EPOCHS: &str = "head_epochs";

/// Rows joined with the mean-field means of a machine's second hidden layer.
fn with_features(data: &Dataset, dbm: &Dbm) -> Result<Dataset> {
    let part = |name| -> Result<Split> {
        let split = data.split(name);
        let mut values = Matrix::zeros(dbm.visible() + dbm.layers()[2], split.len());
        let rows: Vec<u32> = (0..split.len() as u32).collect();
        // In pieces, so that the rows are not held several times over.
        for rows in rows.chunks(ROWS) {
            let joined = gm_net::with_features(dbm, &split.to_matrix(rows))?;
            values.columns_mut(rows[0] as usize, rows.len()).copy_from(&joined);
        }
        Ok(Split::new(Values::Reals(values), split.labels().map(<[u16]>::to_vec))?)
    };
    let (train, valid, test) = (part(SplitName::Train)?, part(SplitName::Valid)?, part(SplitName::Test)?);
    Ok(Dataset::new(data.source.clone(), train, valid, test)?)
}

/// The machine of a checkpoint whose means join the input.
pub(super) fn features_of(parameters: ParametersState) -> Result<Dbm> {
    Ok(Dbm::from_stack(parameters.into_parts()?.0)?)
}

/// Rows that mean field takes at a time; a multiple of its own blocks.
pub(super) const ROWS: usize = 1_024;

impl ModelSettings for ClassifierSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Classifier
    }

    fn hidden(&self) -> Vec<usize> {
        self.hidden.clone()
    }

    fn epochs(&self) -> u64 {
        self.epochs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let layers = self.hidden.iter().map(|&units| ("hidden", units as u64));
        let others = [("epochs", self.epochs), ("batch_size", self.batch_size as u64), (HEAD_EPOCHS, self.head_epochs)];
        layers.chain(others).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn start(&self) -> (Option<&Path>, Option<&str>) {
        (self.start.as_deref(), self.start_digest.as_deref())
    }

    fn start_mut(&mut self) -> Option<(&mut Option<PathBuf>, &mut Option<String>)> {
        Some((&mut self.start, &mut self.start_digest))
    }

    fn complete(&mut self, data: &Dataset, start: Option<&ModelData>) -> Result<()> {
        let classes = data.classes()?;
        self.classes.get_or_insert(classes);
        let Some(start) = start else { return Ok(()) };
        let depth = start.stack.depth() + usize::from(start.kind != ModelKind::Classifier);
        let hidden = start.stack.layers()[1..depth].to_vec();
        if !self.hidden.is_empty() && self.hidden != hidden {
            return Err(refused("hidden", format!("{:?}", self.hidden), "the layers of the model to start from"));
        }
        self.hidden = hidden;
        Ok(())
    }

    fn takes_reals(&self) -> bool {
        true
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, origin: Origin<'_>) -> Result<Option<Dataset>> {
        let features = self.features(origin)?;
        if let Origin::Model(model) = origin {
            check_len("ClassifierSettings", "data", "units", data.units(), Classifier::inputs_of(model))?;
        }
        self.joined(data, binarise, features.as_ref()).map(Some)
    }

    fn layers(&self, units: usize) -> Vec<usize> {
        let classes = self.classes.unwrap_or(0);
        [units.saturating_sub(classes)].into_iter().chain(self.hidden.clone()).chain([classes]).collect()
    }

    fn learner(
        &self,
        _: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>> {
        let net = self.first(visible_means.len().saturating_sub(self.classes.unwrap_or(0)), origin, streams)?;
        Ok(Box::new(ClassifierLearner::start_from(net, self)?))
    }
}
