//! How a deep belief network is trained.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use gm_core::{Error as CoreError, ModelData, ModelKind, Streams, VisibleKind, VisibleUnits};
use gm_dbn::{Dbn, Growth};
use serde::{Deserialize, Deserializer, Serialize};

use crate::dbn::learner::DbnLearner;
use crate::error::{Error, Result};
use crate::learner::{Learner, ModelSettings, Origin, Pace};
use crate::rbm::{Algorithm, RbmSettings};
use crate::settings::{Clock, OptimiserSettings, Rate, Regularise, Visible, check_classes, classes_of, with_labels};
use gm_data::{Binarise, Dataset};

/// How the machine of a new layer begins.
///
/// Written `unrolled` or `random`.
///
/// # Examples
///
/// ```
/// use gm_train::{DbnSettings, LayerStart};
///
/// let settings = DbnSettings { layer_start: "random".parse()?, ..Default::default() };
/// assert_eq!(settings.layer_start, LayerStart::Random);
/// let error = "rolled".parse::<LayerStart>().unwrap_err().to_string();
/// assert!(error.starts_with("unknown start of a layer `rolled`, did you mean `unrolled`?"));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LayerStart {
    /// As the machine below turned over, where the layer has units enough, so that nothing is lost; else at random. The second
    /// hidden layer would mirror the visible one, and is at random unless visible units are Bernoulli.
    Unrolled,
    /// With small random weights.
    Random,
}

/// What the machine of a layer above the first learns from.
///
/// Written `samples` or `means`.
///
/// # Examples
///
/// ```
/// use gm_train::{DbnSettings, LayerInputs};
///
/// let settings = DbnSettings { inputs: "means".parse()?, ..Default::default() };
/// assert_eq!(settings.inputs, LayerInputs::Means);
/// assert_eq!(DbnSettings::default().inputs.to_string(), "samples");
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LayerInputs {
    /// Draws of the recognition net, anew in every batch: the expectation of their log-likelihood is what the bound asks for.
    Samples,
    /// Means of the recognition net.
    Means,
}

/// How all layers are trained together after the last of them was added.
///
/// Written `none`, `up-down` or `rws`.
///
/// # Examples
///
/// ```
/// use gm_train::{Backfit, DbnSettings};
///
/// let epochs = |backfit| {
///     let settings = DbnSettings { hidden: vec![20, 10], epochs: vec![30], backfit, ..Default::default() };
///     DbnSettings { backfit_epochs: 5, ..settings }.total_epochs()
/// };
/// assert_eq!((epochs(Backfit::None), epochs("up-down".parse()?)), (60, 65));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Backfit {
    /// Not at all.
    None,
    /// Contrastive wake-sleep: the machine by contrastive divergence from what the recognition net makes of the data, the
    /// generative layers awake, the recognition net in its sleep.
    UpDown,
    /// Reweighted wake-sleep: several draws for each row, weighted by their importance, and persistent chains.
    Rws,
}

const STARTS: [(&str, LayerStart); 2] = [("unrolled", LayerStart::Unrolled), ("random", LayerStart::Random)];
const INPUTS: [(&str, LayerInputs); 2] = [("samples", LayerInputs::Samples), ("means", LayerInputs::Means)];
const BACKFITS: [(&str, Backfit); 3] = [("none", Backfit::None), ("up-down", Backfit::UpDown), ("rws", Backfit::Rws)];

/// The choice that a word stands for.
fn choice<T: Copy>(what: &'static str, text: &str, words: &[(&'static str, T)]) -> Result<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| Error::unknown(what, text, &known))
}

/// The word for a choice.
fn word<T: PartialEq>(choice: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, known)| known == choice).map_or("", |(word, _)| word)
}

impl FromStr for LayerStart {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        choice("start of a layer", text, &STARTS)
    }
}

impl FromStr for LayerInputs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        choice("kind of inputs", text, &INPUTS)
    }
}

impl FromStr for Backfit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        choice("rule of backfitting", text, &BACKFITS)
    }
}

impl fmt::Display for LayerStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self, &STARTS))
    }
}

impl fmt::Display for LayerInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self, &INPUTS))
    }
}

impl fmt::Display for Backfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self, &BACKFITS))
    }
}

impl TryFrom<String> for LayerStart {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for LayerInputs {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for Backfit {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LayerStart> for String {
    fn from(choice: LayerStart) -> Self {
        choice.to_string()
    }
}

impl From<LayerInputs> for String {
    fn from(choice: LayerInputs) -> Self {
        choice.to_string()
    }
}

impl From<Backfit> for String {
    fn from(choice: Backfit) -> Self {
        choice.to_string()
    }
}

/// How a deep belief network is trained.
///
/// Layers are added one after the other. What is given as a list holds for every layer when it has one element, else it has
/// one for each layer that is trained.
///
/// # Examples
///
/// ```
/// use gm_train::DbnSettings;
///
/// let settings = DbnSettings { hidden: vec![64, 32], epochs: vec![20, 10], ..Default::default() };
/// assert!(settings.check().is_ok());
/// assert_eq!(settings.total_epochs(), 30);
/// let refused = DbnSettings { epochs: vec![1, 2, 3], ..settings }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "DbnSettings: `epochs` is a list of 3, allowed: one number, or one for each of the 2 layers");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbnSettings {
    /// Units of the hidden layers, from the first one up.
    pub hidden: Vec<usize>,
    /// What the visible units are.
    pub visible: Visible,
    /// The variance below which Gaussian units do not fall, as a share of the variance of the data. Variances are learnt with the
    /// first layer, and stay as they are from then on.
    pub least_variance: f32,
    /// Whether label units are joined to the lower layer of the machine on top.
    pub labels: bool,
    /// Classes of the labels; those of the data if 0.
    pub classes: usize,
    /// Weight of log p(label | x) of the machine on top in its objective, beside log p(x, label) with weight 1; x are draws of the layer
    /// below.
    pub class_weight: f32,
    /// A model file whose layers are the first ones: a machine or a network, to be extended or trained further.
    /// A run reads it once, when the run is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The SHA-256 digest of that file, which a run keeps as a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_digest: Option<String>,
    /// Hidden layers of that model; found out when 0.
    pub start_layers: usize,
    /// How the machine of a new layer begins.
    pub layer_start: LayerStart,
    /// What machines above the first learn from.
    pub inputs: LayerInputs,
    /// Where the statistics of a machine come from.
    pub algorithm: Algorithm,
    /// Sweeps for each update of a machine.
    pub steps: usize,
    /// Persistent chains; with parallel tempering so many at each temperature.
    pub chains: usize,
    /// Temperatures of parallel tempering.
    pub temperatures: usize,
    /// Whether the gradient of machines is that of the centred parameters.
    pub centred: bool,
    /// How fast offsets of hidden layers follow the batches; those of the data stay at the means of the training split.
    pub hidden_offset_rate: f32,
    /// Passes over the training split for each layer.
    #[serde(deserialize_with = "one_or_more")]
    pub epochs: Vec<u64>,
    /// Examples of an update; the batches of an epoch differ by at most one.
    pub batch_size: usize,
    /// The first learning rate of each layer.
    #[serde(deserialize_with = "one_or_more")]
    pub learning_rate: Vec<f64>,
    /// How learning rates change within a stage.
    pub schedule: Rate,
    /// Epochs in which the rate rises to its value, in each stage.
    pub warm_up: f64,
    /// How the gradient of a layer becomes an update.
    pub optimiser: OptimiserSettings,
    /// Standard deviation of the first weights.
    pub init_scale: f32,
    /// Penalties on weights while their layer is trained on its own.
    pub regularise: Regularise,
    /// How all layers are trained together at the end.
    pub backfit: Backfit,
    /// Passes over the training split with all layers together.
    pub backfit_epochs: u64,
    /// The first learning rate with all layers together.
    pub backfit_learning_rate: f64,
    /// How a gradient becomes an update with all layers together.
    pub backfit_optimiser: OptimiserSettings,
    /// Sweeps of the machine on top for each update, in equal parts of the epochs.
    pub backfit_steps: Vec<usize>,
    /// Draws for each row in reweighted wake-sleep.
    pub backfit_samples: usize,
}

/// Reads a number as a list of one.
fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore<T> {
        One(T),
        More(Vec<T>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(value) => vec![value],
        OneOrMore::More(values) => values,
    })
}

impl Default for DbnSettings {
    /// Hidden layers of 500 and 2,000 units, each trained for 50 epochs as a machine by centred PCD-1 with 500 chains in
    /// batches of 200, by plain ascent at rates from 0.1 to 0; upper ones begin unrolled and learn from samples. No backfitting.
    fn default() -> Self {
        let rbm = RbmSettings::default();
        Self {
            hidden: vec![500, 2000],
            visible: rbm.visible,
            least_variance: rbm.least_variance,
            labels: false,
            classes: 0,
            class_weight: rbm.class_weight,
            start: None,
            start_digest: None,
            start_layers: 0,
            layer_start: LayerStart::Unrolled,
            inputs: LayerInputs::Samples,
            algorithm: rbm.algorithm,
            steps: rbm.steps,
            chains: rbm.chains,
            temperatures: rbm.temperatures,
            centred: rbm.centred,
            hidden_offset_rate: rbm.hidden_offset_rate,
            epochs: vec![50],
            batch_size: rbm.batch_size,
            learning_rate: vec![rbm.learning_rate],
            schedule: rbm.schedule,
            warm_up: rbm.warm_up,
            optimiser: rbm.optimiser,
            init_scale: rbm.init_scale,
            regularise: rbm.regularise,
            backfit: Backfit::None,
            backfit_epochs: 20,
            backfit_learning_rate: 3e-4,
            backfit_optimiser: OptimiserSettings::adam(),
            backfit_steps: vec![3, 6, 10],
            backfit_samples: 5,
        }
    }
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "DbnSettings", arg, value: value.to_string(), allowed }.into()
}

impl DbnSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        if self.hidden.is_empty() {
            return Err(refused("hidden", "empty", "one layer or more"));
        }
        if let Some((arg, value)) = ModelSettings::counts(self).into_iter().find(|(_, value)| *value == 0) {
            return Err(refused(arg, value, "1 or more"));
        }
        if self.start_layers > self.hidden.len() {
            return Err(refused("start_layers", self.start_layers, "at most the number of hidden layers"));
        }
        self.check_list("epochs", self.epochs.len())?;
        self.check_list("learning_rate", self.learning_rate.len())?;
        if self.backfit_steps.is_empty() {
            return Err(refused("backfit_steps", "empty", "one number or more"));
        }
        if self.backfit != Backfit::None && self.hidden.len() == 1 {
            let value = format!("{} with 1 hidden layer", self.backfit);
            return Err(refused("backfit", value, "none with 1 hidden layer"));
        }
        if self.labels && self.visible != Visible::Bernoulli && self.hidden.len() == 1 {
            let value = format!("{} with labels and 1 hidden layer", self.visible);
            return Err(refused("visible", value, "bernoulli with labels, or 2 hidden layers or more"));
        }
        check_classes("DbnSettings", self.classes)?;
        self.check_class_weight()?;
        let rate = self.backfit_learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(refused("backfit_learning_rate", rate, "finite numbers above 0"));
        }
        self.backfit_optimiser.check()?;
        if self.total_epochs() == 0 {
            return Err(refused(
                "backfit",
                "none with no layer to add",
                "up-down or rws, or more layers than the first model",
            ));
        }
        (0..self.trained_layers().max(1)).try_for_each(|stage| self.layer_settings(stage).check())
    }

    fn check_class_weight(&self) -> Result<()> {
        let (weight, off) = (self.class_weight, self.class_weight == 0.0);
        if !off && !self.labels {
            return Err(refused("class_weight", weight, "0 without label units"));
        }
        if !off && self.inputs == LayerInputs::Means {
            return Err(refused("class_weight", format!("{weight} with means as inputs"), "0 with means as inputs"));
        }
        if !off && self.trained_layers() == 0 {
            return Err(refused("class_weight", format!("{weight} with no layer to add"), "0 with no layer to add"));
        }
        Ok(())
    }

    fn check_list(&self, arg: &'static str, found: usize) -> Result<()> {
        let layers = self.trained_layers();
        // How many layers are trained is not known before the first model was looked at.
        let open = self.start.is_some() && self.start_layers == 0 && (1..=layers).contains(&found);
        if found == 1 || found == layers || open {
            return Ok(());
        }
        let value = format!("a list of {found}");
        let allowed: &'static str = match layers {
            2 => "one number, or one for each of the 2 layers",
            3 => "one number, or one for each of the 3 layers",
            _ => "one number, or one for each layer that is trained",
        };
        Err(refused(arg, value, allowed))
    }

    /// Layers that are trained one after the other.
    pub(crate) fn trained_layers(&self) -> usize {
        self.hidden.len() - self.start_layers.min(self.hidden.len())
    }

    /// Passes over the training split in all.
    #[must_use]
    pub fn total_epochs(&self) -> u64 {
        let layers: u64 = (0..self.trained_layers()).map(|stage| self.epochs_of(stage)).sum();
        layers.saturating_add(self.together())
    }

    /// Passes with all layers together.
    fn together(&self) -> u64 {
        if self.backfit == Backfit::None { 0 } else { self.backfit_epochs }
    }

    fn epochs_of(&self, stage: usize) -> u64 {
        self.epochs[stage.min(self.epochs.len() - 1)]
    }

    /// The stage of an update, from 0, and its place there; the last stage trains all layers together.
    pub(crate) fn stage(&self, clock: &Clock) -> (usize, Clock) {
        let per_epoch = clock.per_epoch;
        let mut before = 0;
        for stage in 0..self.trained_layers() {
            let total = self.epochs_of(stage).saturating_mul(per_epoch);
            if clock.step < before + total {
                return (stage, Clock { step: clock.step - before, total, per_epoch });
            }
            before += total;
        }
        let step = clock.step - before;
        (self.trained_layers(), Clock { step, total: clock.total.saturating_sub(before), per_epoch })
    }

    /// How the machine of a stage is trained.
    pub(crate) fn layer_settings(&self, stage: usize) -> RbmSettings {
        let layer = self.start_layers + stage;
        let labels = self.labels && layer + 1 >= self.hidden.len();
        RbmSettings {
            hidden: self.hidden[layer.min(self.hidden.len() - 1)],
            visible: if layer == 0 { self.visible } else { Visible::Bernoulli },
            least_variance: self.least_variance,
            labels,
            class_weight: if labels { self.class_weight } else { 0.0 },
            algorithm: self.algorithm,
            steps: self.steps,
            chains: self.chains,
            temperatures: self.temperatures,
            centred: self.centred,
            // The data of upper layers have no means that are known beforehand.
            visible_offset_rate: if layer == 0 { 0.0 } else { self.hidden_offset_rate },
            hidden_offset_rate: self.hidden_offset_rate,
            epochs: self.epochs_of(stage.min(self.trained_layers().saturating_sub(1))),
            batch_size: self.batch_size,
            learning_rate: self.learning_rate[stage.min(self.learning_rate.len() - 1)],
            schedule: self.schedule,
            warm_up: self.warm_up,
            optimiser: self.optimiser,
            init_scale: self.init_scale,
            regularise: self.regularise,
            // The bound of the network has an annealed log Z.
            log_z_chains: 0,
            ..RbmSettings::default()
        }
    }

    /// How a layer of so many units grows on a network.
    pub(crate) fn growth(&self, units: usize, dbn: &Dbn) -> Growth {
        let enough = units >= dbn.layers()[dbn.depth() - 1];
        let binary = dbn.depth() > 1 || *dbn.units() == VisibleUnits::Bernoulli;
        if self.layer_start == LayerStart::Unrolled && enough && binary { Growth::Unrolled } else { Growth::Random }
    }

    /// The learning rate with all layers together.
    pub(super) fn backfit_pace(&self) -> Pace {
        Pace { first: self.backfit_learning_rate, schedule: self.schedule, warm_up: self.warm_up }
    }

    /// Draws for each row with all layers together.
    pub(crate) fn draws(&self) -> usize {
        if self.backfit == Backfit::Rws { self.backfit_samples } else { 1 }
    }

    /// Sweeps of the machine on top for an update with all layers together.
    pub(crate) fn sweeps_at(&self, clock: &Clock) -> usize {
        let place = clock.step.saturating_mul(self.backfit_steps.len() as u64) / clock.total.max(1);
        self.backfit_steps[(place as usize).min(self.backfit_steps.len() - 1)]
    }

    /// Fills in what the data and the model to start from tell.
    ///
    /// # Errors
    ///
    /// Those of [`Dataset::classes`] with label units, and of [`Dataset::categories`] with softmax units;
    /// [`gm_core::Error::Param`] for a model to start from of another kind or with other layers or visible units.
    pub fn complete(&mut self, data: &Dataset, start: Option<&ModelData>) -> Result<()> {
        self.classes = classes_of(self.labels, self.classes, data)?;
        self.visible = self.visible.complete(data)?;
        let Some(start) = start else {
            self.start_layers = 0;
            return Ok(());
        };
        let prepared = self.visible.prepare("DbnSettings", data, Binarise::None)?;
        let model = self.start_model(start.clone())?;
        self.check_start(&model, prepared.as_ref().unwrap_or(data).units())?;
        self.start_layers = model.depth();
        Ok(())
    }

    /// The deep belief network of a model to start from.
    pub(crate) fn start_model(&self, model: ModelData) -> Result<Dbn> {
        let allowed = "a file with a restricted Boltzmann machine or a deep belief network";
        match model.kind {
            ModelKind::Dbn => Ok(Dbn::from_data(model)?),
            ModelKind::Rbm => Ok(Dbn::from_rbm(&gm_rbm::Rbm::from_data(model)?)?),
            kind => Err(refused("start", format!("a {kind}"), allowed)),
        }
    }

    /// Refuses a model to start from that these settings do not extend.
    pub(crate) fn check_start(&self, model: &Dbn, visible: usize) -> Result<()> {
        let wanted: Vec<usize> = std::iter::once(visible).chain(self.hidden.iter().copied()).collect();
        if !wanted.starts_with(&model.layers()) {
            let value = format!("a model with layers {:?} for {wanted:?}", model.layers());
            return Err(refused("start", value, "a model whose layers are the first ones of those wanted"));
        }
        let (found, kind) = (model.units().kind(), self.visible.kind(0));
        if found != kind {
            let value = format!("a model with {found} visible units for {kind} ones");
            return Err(refused("start", value, "a model with the visible units of the settings"));
        }
        let all = model.depth() == self.hidden.len();
        if (model.classes() > 0 || all) && (!all || model.classes() != self.classes) {
            let value = format!("a model with {} classes", model.classes());
            return Err(refused("start", value, "label units in the last layer alone, and as many as wanted"));
        }
        Ok(())
    }
}

impl ModelSettings for DbnSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Dbn
    }

    fn hidden(&self) -> Vec<usize> {
        self.hidden.clone()
    }

    fn epochs(&self) -> u64 {
        self.total_epochs()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let layers = self.hidden.iter().map(|&units| ("hidden", units as u64));
        let epochs = self.epochs.iter().map(|&epochs| ("epochs", epochs));
        let sweeps = self.backfit_steps.iter().map(|&sweeps| ("backfit_steps", sweeps as u64));
        let others = [
            ("steps", self.steps as u64),
            ("chains", self.chains as u64),
            ("temperatures", self.temperatures as u64),
            ("batch_size", self.batch_size as u64),
            ("backfit_epochs", self.backfit_epochs),
            ("backfit_samples", self.backfit_samples as u64),
        ];
        layers.chain(epochs).chain(sweeps).chain(others).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn visible_kind(&self) -> VisibleKind {
        self.visible.kind(0)
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, _: Origin<'_>) -> Result<Option<Dataset>> {
        let prepared = self.visible.prepare("DbnSettings", data, binarise)?;
        let joined = with_labels(self.labels, self.classes, prepared.as_ref().unwrap_or(data))?;
        Ok(joined.or(prepared))
    }

    fn layers(&self, units: usize) -> Vec<usize> {
        std::iter::once(units.saturating_sub(self.classes)).chain(self.hidden.iter().copied()).collect()
    }

    fn learner(
        &self,
        data: &Dataset,
        visible_means: &[f32],
        origin: Origin<'_>,
        streams: &Streams,
    ) -> Result<Box<dyn Learner>> {
        Ok(Box::new(match origin {
            Origin::Random => DbnLearner::with_data(data, visible_means, self, streams)?,
            Origin::Model(model) => DbnLearner::start_from(self.start_model(model.clone())?, visible_means, self)?,
            Origin::State(_) => DbnLearner::blank(data, visible_means, self)?,
        }))
    }
}
