//! How a deep belief network is trained.

use std::fmt;
use std::path::{Path, PathBuf};

use gm_ascent::{Clock, OptimiserSettings, Pace, Ranges};
use gm_core::{Error as CoreError, ModelData, ModelKind, Streams, VisibleKind, VisibleUnits};
use gm_data::{Binarise, Dataset};
use gm_dbn::{Dbn, Growth};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};

use crate::dbn::learner::DbnLearner;
use crate::error::{Error, Result};
use crate::learner::{Learner, ModelSettings, Origin};
use crate::rbm::RbmSettings;
use crate::settings::{Visible, with_labels};

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
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_start)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum LayerStart {
    /// As the machine below turned over, where the layer has units enough, so that nothing is lost; else at random. The second
    /// hidden layer would mirror the visible one, and is at random unless visible units are Bernoulli.
    Unrolled,
    /// With small random weights.
    Random,
}

fn unknown_start(text: &str) -> Error {
    Error::unknown("start of a layer", text, LayerStart::VARIANTS)
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_inputs)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum LayerInputs {
    /// Draws of the recognition net, anew in every batch: the expectation of their log-likelihood is what the bound asks for.
    Samples,
    /// Means of the recognition net.
    Means,
}

fn unknown_inputs(text: &str) -> Error {
    Error::unknown("kind of inputs", text, LayerInputs::VARIANTS)
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_backfit)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Backfit {
    /// Not at all.
    None,
    /// Contrastive wake-sleep: the machine by contrastive divergence from what the recognition net makes of the data, the
    /// generative layers awake, the recognition net in its sleep.
    UpDown,
    /// Reweighted wake-sleep: several draws for each row, weighted by their importance, and persistent chains.
    Rws,
}

fn unknown_backfit(text: &str) -> Error {
    Error::unknown("rule of backfitting", text, Backfit::VARIANTS)
}

/// How a deep belief network is trained.
///
/// Layers are added one after the other, and each is trained as an RBM with the settings in `layer`. A list holds for every
/// layer when it has one element; else it has one element for each layer that is trained.
///
/// # Examples
///
/// ```
/// use gm_train::{DbnSettings, RbmSettings};
///
/// let layer = RbmSettings { chains: 100, sparsity: Some(0.1), ..Default::default() };
/// let settings = DbnSettings { hidden: vec![64, 32], epochs: vec![20, 10], layer, ..Default::default() };
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
    /// A model file whose layers are the first ones: an RBM or a deep belief network, to be extended or trained further.
    /// A run reads it once, when the run is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The SHA-256 digest of that file, which a run keeps as a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_digest: Option<String>,
    /// Hidden layers of that model; 0 as long as it has not been read.
    pub start_layers: usize,
    /// How the RBM of a new layer begins.
    pub layer_start: LayerStart,
    /// The data of RBMs above the first.
    pub inputs: LayerInputs,
    /// Passes over the training split for each layer.
    #[serde(deserialize_with = "one_or_more")]
    pub epochs: Vec<u64>,
    /// The first learning rate of each layer.
    #[serde(deserialize_with = "one_or_more")]
    pub learning_rate: Vec<f64>,
    /// How all layers are trained together at the end.
    pub backfit: Backfit,
    /// Passes over the training split with all layers together.
    pub backfit_epochs: u64,
    /// The first learning rate with all layers together.
    pub backfit_learning_rate: f64,
    /// How a gradient becomes an update with all layers together.
    pub backfit_optimiser: OptimiserSettings,
    /// Sweeps of the RBM on top for each update, in equal parts of the epochs.
    pub backfit_steps: Vec<usize>,
    /// Draws for each row in reweighted wake-sleep.
    pub backfit_samples: usize,
    /// How the RBM of each layer is trained; in files its keys stand beside the others.
    ///
    /// `hidden`, `epochs`, `learning_rate` and `log_z_chains` keep their defaults: the lists above take the place of the first
    /// three, and the bound of a network anneals its log Z. `visible`, `least_variance` and `visible_offset_rate` hold for the
    /// first layer, whose variances stay as they are from then on; visible offsets of upper layers follow the batches as
    /// hidden ones do. `labels`, `classes` and `class_weight` hold for the RBM on top, whose lower layer the label units join.
    /// Epochs of `later_steps` and `later_momentum` count within the training of a layer.
    #[serde(flatten, serialize_with = "keys_of_layers")]
    pub layer: RbmSettings,
}

/// Writes the settings of all layers without those that are lists of the network, or that networks lack.
fn keys_of_layers<S: Serializer>(layer: &RbmSettings, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    layer.shared_by_layers().serialize(serializer)
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
    /// Hidden layers of 500 and 2,000 units, each trained for 50 epochs as an RBM with the defaults of [`RbmSettings`]; upper
    /// layers begin unrolled and learn from samples. No backfitting.
    fn default() -> Self {
        let layer = RbmSettings::default();
        Self {
            hidden: vec![500, 2000],
            start: None,
            start_digest: None,
            start_layers: 0,
            layer_start: LayerStart::Unrolled,
            inputs: LayerInputs::Samples,
            epochs: vec![50],
            learning_rate: vec![layer.learning_rate],
            backfit: Backfit::None,
            backfit_epochs: 20,
            backfit_learning_rate: 3e-4,
            backfit_optimiser: OptimiserSettings::adam(),
            backfit_steps: vec![3, 6, 10],
            backfit_samples: 5,
            layer,
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
        let layers = self.hidden.len();
        Ranges::of("DbnSettings")
            .filled("hidden", &self.hidden, "one layer or more")
            .counts(ModelSettings::counts(self))
            .require(
                self.start_layers <= layers,
                "start_layers",
                self.start_layers,
                "at most the number of hidden layers",
            )
            .check()?;
        self.check_list("epochs", self.epochs.len())?;
        self.check_list("learning_rate", self.learning_rate.len())?;
        let ranges = Ranges::of("DbnSettings")
            .filled("backfit_steps", &self.backfit_steps, "one number or more")
            .require(
                self.backfit == Backfit::None || layers > 1,
                "backfit",
                format!("{} with 1 hidden layer", self.backfit),
                "none with 1 hidden layer",
            )
            .require(
                !self.layer.labels || self.layer.visible == Visible::Bernoulli || layers > 1,
                "visible",
                format!("{} with labels and 1 hidden layer", self.layer.visible),
                "bernoulli with labels, or 2 hidden layers or more",
            )
            .classes(self.layer.classes);
        self.check_left_out(self.check_class_weight(ranges))
            .positive("backfit_learning_rate", self.backfit_learning_rate)
            .check()?;
        self.backfit_optimiser.check()?;
        Ranges::of("DbnSettings")
            .require(
                self.total_epochs() > 0,
                "backfit",
                "none with no layer to add",
                "up-down or rws, or more layers than the first model",
            )
            .check()?;
        (0..self.trained_layers().max(1)).try_for_each(|stage| self.layer_settings(stage).check())
    }

    fn check_class_weight(&self, ranges: Ranges) -> Ranges {
        let (weight, off) = (self.layer.class_weight, self.layer.class_weight == 0.0);
        ranges
            .require(off || self.layer.labels, "class_weight", weight, "0 without label units")
            .require(
                off || self.inputs == LayerInputs::Samples,
                "class_weight",
                format!("{weight} with means as inputs"),
                "0 with means as inputs",
            )
            .require(
                off || self.trained_layers() > 0,
                "class_weight",
                format!("{weight} with no layer to add"),
                "0 with no layer to add",
            )
    }

    /// Refuses settings of an RBM that have no effect in a network.
    fn check_left_out(&self, ranges: Ranges) -> Ranges {
        let (layer, usual) = (&self.layer, RbmSettings::default());
        ranges
            .require(layer.hidden == usual.hidden, "layer.hidden", layer.hidden, "units in the list `hidden` alone")
            .require(layer.epochs == usual.epochs, "layer.epochs", layer.epochs, "passes in the list `epochs` alone")
            .require(
                layer.learning_rate == usual.learning_rate,
                "layer.learning_rate",
                layer.learning_rate,
                "rates in the list `learning_rate` alone",
            )
            .require(
                layer.log_z_chains == usual.log_z_chains,
                "log_z_chains",
                layer.log_z_chains,
                "nothing in a network, whose bound anneals log Z",
            )
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

    /// How the RBM of a stage is trained.
    pub(crate) fn layer_settings(&self, stage: usize) -> RbmSettings {
        let layer = self.start_layers + stage;
        let labels = self.layer.labels && layer + 1 >= self.hidden.len();
        RbmSettings {
            hidden: self.hidden[layer.min(self.hidden.len() - 1)],
            visible: if layer == 0 { self.layer.visible } else { Visible::Bernoulli },
            labels,
            classes: 0,
            class_weight: if labels { self.layer.class_weight } else { 0.0 },
            // The data of upper layers have no means that are known beforehand.
            visible_offset_rate: match layer {
                0 => self.layer.visible_offset_rate,
                _ => self.layer.hidden_offset_rate,
            },
            epochs: self.epochs_of(stage.min(self.trained_layers().saturating_sub(1))),
            learning_rate: self.learning_rate[stage.min(self.learning_rate.len() - 1)],
            // The bound of the network has an annealed log Z.
            log_z_chains: 0,
            ..self.layer.clone()
        }
    }

    /// How a layer of so many units grows on a network.
    pub(crate) fn growth(&self, units: usize, dbn: &Dbn) -> Growth {
        let enough = units >= dbn.layers()[dbn.depth() - 1];
        let binary = dbn.depth() > 1 || *dbn.units() == VisibleUnits::Bernoulli;
        if self.layer_start == LayerStart::Unrolled && enough && binary { Growth::Unrolled } else { Growth::Random }
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

    /// The learning rate with all layers together.
    pub(super) fn backfit_pace(&self) -> Pace {
        Pace { first: self.backfit_learning_rate, schedule: self.layer.schedule, warm_up: self.layer.warm_up }
    }

    /// The deep belief network of a model to start from.
    pub(crate) fn start_model(&self, model: ModelData) -> Result<Dbn> {
        let allowed = "a file with a restricted Boltzmann machine or a deep belief network";
        match model.kind {
            ModelKind::Dbn => Ok(Dbn::from_data(model)?),
            ModelKind::Rbm => Ok(Dbn::from_rbm(&gm_rbm::Rbm::from_data(model)?)?),
            kind => Err(refused("start", kind.noun(), allowed)),
        }
    }

    /// Refuses a model to start from that these settings do not extend.
    pub(crate) fn check_start(&self, model: &Dbn, visible: usize) -> Result<()> {
        let wanted: Vec<usize> = std::iter::once(visible).chain(self.hidden.iter().copied()).collect();
        if !wanted.starts_with(&model.layers()) {
            let value = format!("a model with layers {:?} for {wanted:?}", model.layers());
            return Err(refused("start", value, "a model whose layers are the first ones of those wanted"));
        }
        let (found, kind) = (model.units().kind(), self.layer.visible.kind(0));
        if found != kind {
            let value = format!("a model with {found} visible units for {kind} ones");
            return Err(refused("start", value, "a model with the visible units of the settings"));
        }
        let all = model.depth() == self.hidden.len();
        if (model.classes() > 0 || all) && (!all || model.classes() != self.layer.classes) {
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
        self.layer.batch_size
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let layers = self.hidden.iter().map(|&units| ("hidden", units as u64));
        let epochs = self.epochs.iter().map(|&epochs| ("epochs", epochs));
        let sweeps = self.backfit_steps.iter().map(|&sweeps| ("backfit_steps", sweeps as u64));
        let others = [
            ("steps", self.layer.steps as u64),
            ("chains", self.layer.chains as u64),
            ("temperatures", self.layer.temperatures as u64),
            ("batch_size", self.layer.batch_size as u64),
            ("backfit_epochs", self.backfit_epochs),
            ("backfit_samples", self.backfit_samples as u64),
        ];
        layers.chain(epochs).chain(sweeps).chain(others).collect()
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
        self.layer.complete(data, None)?;
        let Some(start) = start else {
            self.start_layers = 0;
            return Ok(());
        };
        let prepared = self.layer.visible.prepare("DbnSettings", data, Binarise::None)?;
        let model = self.start_model(start.clone())?;
        self.check_start(&model, prepared.as_ref().unwrap_or(data).units())?;
        self.start_layers = model.depth();
        Ok(())
    }

    fn visible_kind(&self) -> VisibleKind {
        self.layer.visible.kind(0)
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise, _: Origin<'_>) -> Result<Option<Dataset>> {
        let prepared = self.layer.visible.prepare("DbnSettings", data, binarise)?;
        let joined = with_labels(self.layer.labels, self.layer.classes, prepared.as_ref().unwrap_or(data))?;
        Ok(joined.or(prepared))
    }

    fn layers(&self, units: usize) -> Vec<usize> {
        std::iter::once(units.saturating_sub(self.layer.classes)).chain(self.hidden.iter().copied()).collect()
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
