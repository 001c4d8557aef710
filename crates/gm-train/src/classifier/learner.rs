//! Classifiers in training.

use std::fmt;
use std::path::PathBuf;

use gm_core::{Batch, Error as CoreError, Matrix, ModelData, ModelKind, Purpose, Stack, Streams, check_len, mean};
use gm_dbm::Dbm;
use serde::{Deserialize, Serialize};

use crate::config::ModelSettings;
use crate::error::{Error, Result};
use crate::learner::metrics::Figures;
use crate::learner::optimiser::{Optimiser, OptimiserSettings};
use crate::learner::{Learner, LearnerState, ParametersState, Probe, StepReport, check_layers};
use crate::rbm::learner::rms;
use crate::settings::rate::{Clock, Rate, warm_up};
use crate::settings::regularise::Regularise;
use gm_data::load_model;
use gm_data::{Binarise, Dataset, Split, SplitName, Values};
use gm_net::{Classifier, Dropout, HiddenUnits, Pass};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
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
        if self.hidden.is_empty() && self.start.is_none() {
            return Err(refused("hidden", "empty", "one layer or more for a net of random weights"));
        }
        let zero = |(arg, value): &(&str, u64)| *value == 0 && *arg != HEAD_EPOCHS;
        if let Some((arg, value)) = self.counts().into_iter().find(zero) {
            return Err(refused(arg, value, "1 or more"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(refused("learning_rate", self.learning_rate, "finite numbers above 0"));
        }
        for (arg, value) in [("warm_up", self.warm_up), ("init_scale", self.init_scale.unwrap_or(0.0).into())] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(refused(arg, value, "finite numbers of 0 or more"));
            }
        }
        if let Some(classes) = self.classes.filter(|classes| *classes < 2) {
            return Err(refused("classes", classes, "2 or more"));
        }
        self.dropout.check()?;
        self.optimiser.check()?;
        self.regularise.check()
    }

    /// Fills in what first model and data tell: a path that holds from everywhere, hidden layers, classes.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`] for data without labels, those of [`load_model`] for the first model, [`gm_core::Error::Param`] for
    /// hidden layers that it does not have.
    pub fn complete(&mut self, data: &Dataset) -> Result<()> {
        let classes = data.classes()?;
        self.classes.get_or_insert(classes);
        let Some(path) = &self.start else { return Ok(()) };
        let path = std::path::absolute(path).map_err(Error::io("locating", path))?;
        let hidden = load_model(&path)?.stack.layers()[1..].to_vec();
        if !self.hidden.is_empty() && self.hidden != hidden {
            return Err(refused("hidden", format!("{:?}", self.hidden), "the layers of the model to start from"));
        }
        (self.hidden, self.start) = (hidden, Some(path));
        Ok(())
    }

    /// The net before its first update, for rows of data of so many units.
    pub(crate) fn first(&self, inputs: usize, streams: &Streams) -> Result<Classifier> {
        let classes = self.classes.ok_or_else(|| refused("classes", "absent", "as many as the labels tell"))?;
        if let Some(path) = &self.start {
            let net = Classifier::from_model(load_model(path)?, classes, self.units, streams);
            return net.map_err(Error::at(path));
        }
        let layers: Vec<usize> = [inputs].into_iter().chain(self.hidden.clone()).chain([classes]).collect();
        Ok(Classifier::random(&layers, self.units, self.init_scale, streams)?)
    }

    /// The rows as the net learns from them: with the means of a machine where they join the input, and with label units.
    pub(crate) fn joined(&self, data: &Dataset, binarise: Binarise, features: Option<&Dbm>) -> Result<Dataset> {
        let classes = self.classes.map_or_else(|| data.classes(), Ok)?;
        match (features, binarise) {
            (Some(_), how) if how != Binarise::None && !data.train.is_binary() => {
                let allowed = "none for a net whose input is joined with means of a dbm";
                Err(refused("binarise", how, allowed))
            }
            (_, Binarise::Threshold(level)) if !(0.0..1.0).contains(&level) => {
                Err(refused("binarise", binarise, "thresholds of 0 or more and below 1, beside label units"))
            }
            (Some(dbm), _) => Ok(with_features(data, dbm)?.with_label_units(classes)?),
            (None, _) => Ok(data.with_label_units(classes)?),
        }
    }

    fn rate(&self, clock: &Clock) -> f64 {
        self.learning_rate * self.schedule.factor(clock) * warm_up(self.warm_up, clock)
    }
}

const HEAD_EPOCHS: &str = "head_epochs";

/// Rows joined with the mean-field means of a machine's second hidden layer.
fn with_features(data: &Dataset, dbm: &Dbm) -> Result<Dataset> {
    let part = |name| -> Result<Split> {
        let split = data.split(name);
        let mut values = Matrix::zeros(dbm.visible() + dbm.units(2), split.len());
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

/// Rows that mean field takes at a time; a multiple of its own blocks.
const ROWS: usize = 1_024;

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

    fn takes_reals(&self) -> bool {
        true
    }

    fn prepare(&self, data: &Dataset, binarise: Binarise) -> Result<Option<Dataset>> {
        let Some(path) = &self.start else { return self.joined(data, binarise, None).map(Some) };
        let model = load_model(path)?;
        let visible = model.stack.bias(0).len();
        check_len("ClassifierSettings", "data", "units", data.units(), visible)?;
        let features = Classifier::features_of(&model).map_err(Error::at(path))?;
        self.joined(data, binarise, features.as_ref()).map(Some)
    }

    fn layers(&self, units: usize) -> Vec<usize> {
        let classes = self.classes.unwrap_or(0);
        [units.saturating_sub(classes)].into_iter().chain(self.hidden.clone()).chain([classes]).collect()
    }

    fn learner(&self, _: &Dataset, visible_means: &[f32], streams: &Streams) -> Result<Box<dyn Learner>> {
        let net = self.first(visible_means.len().saturating_sub(self.classes.unwrap_or(0)), streams)?;
        Ok(Box::new(ClassifierLearner::start_from(net, self)?))
    }
}

/// A classifier in training, by ascent of the mean log-probability of the labels.
///
/// A batch holds the input, and behind it the units of the label.
///
/// # Randomness
///
/// Weights as [`Classifier::random`] says; units left out at update t by family t of [`Purpose::Noise`].
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_net::{Classifier, HiddenUnits};
/// use gm_train::{ClassifierLearner, ClassifierSettings, Clock, Learner};
///
/// let streams = Streams::new(0);
/// let net = Classifier::random(&[2, 3, 2], HiddenUnits::Sigmoid, None, &streams)?;
/// let settings = ClassifierSettings { hidden: vec![3], ..Default::default() };
/// let mut learner = ClassifierLearner::start_from(net, &settings)?;
/// // Two input units, and behind them the units of two classes that say which of them is on.
/// let rows = Batch::from(BitMatrix::from_fn(4, 2, |unit, row| unit % 2 == row));
/// for step in 0..100 {
///     learner.step(&rows, &Clock { step, total: 100, per_epoch: 1 }, &streams)?;
/// }
/// let log_p = learner.net().log_class_probs((&BitMatrix::from_fn(2, 2, |unit, row| unit == row)).into())?;
/// assert!(log_p[(0, 0)] > log_p[(1, 0)] && log_p[(0, 1)] < log_p[(1, 1)]);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassifierLearner {
    settings: ClassifierSettings,
    net: Classifier,
    optimiser: Optimiser,
    gradient: Stack,
}

impl ClassifierLearner {
    /// A given net, to be trained.
    ///
    /// # Errors
    ///
    /// Those of [`ClassifierSettings::check`], [`gm_core::Error::Shape`] when net and settings disagree on hidden layers.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Streams;
    /// use gm_net::{Classifier, HiddenUnits};
    /// use gm_train::{ClassifierLearner, ClassifierSettings, Learner};
    ///
    /// let net = Classifier::random(&[4, 3, 2], HiddenUnits::Relu, None, &Streams::new(0))?;
    /// let settings = ClassifierSettings { hidden: vec![3], ..Default::default() };
    /// assert_eq!(ClassifierLearner::start_from(net, &settings)?.stack().layers(), [4, 3, 2]);
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn start_from(net: Classifier, settings: &ClassifierSettings) -> Result<Self> {
        settings.check()?;
        let layers = [net.stack().bias(0).len()].into_iter().chain(settings.hidden.clone()).chain([net.classes()]);
        check_layers("ClassifierLearner::start_from", net.stack(), &layers.collect::<Vec<_>>())?;
        let (optimiser, gradient) =
            (Optimiser::new(settings.optimiser, net.stack()), Stack::zeros(&net.stack().layers())?);
        Ok(Self { settings: settings.clone(), net, optimiser, gradient })
    }

    /// The net as it is now.
    #[must_use]
    pub fn net(&self) -> &Classifier {
        &self.net
    }

    /// The net, when training is over.
    #[must_use]
    pub fn into_net(self) -> Classifier {
        self.net
    }

    /// Input and label units of a batch, a sample a row.
    fn parted(&self, op: &'static str, batch: &Batch) -> Result<(Matrix, Matrix)> {
        let (inputs, classes) = (self.net.stack().bias(0).len(), self.net.classes());
        check_len(op, "batch", "units", batch.units(), inputs + classes)?;
        let parts = |values: &Matrix| (values.rows(0, inputs).transpose(), values.rows(inputs, classes).transpose());
        Ok(match batch {
            Batch::Bits(bits) => parts(&bits.to_matrix()),
            Batch::Reals(values) => parts(values),
        })
    }

    /// The first layer whose weights upwards learn in an epoch.
    fn first_learning(&self, clock: &Clock) -> usize {
        if clock.epoch() < self.settings.head_epochs { self.net.stack().depth() - 1 } else { 0 }
    }

    /// Moves the weights and biases above layer `first` along their gradient.
    fn update(&mut self, first: usize, rate: f32) {
        let (depth, penalty) = (self.net.stack().depth(), self.settings.regularise);
        // Weights first, then biases, of which b_l belongs to the weights below it.
        let learns = |t: usize| if t < depth { t >= first } else { t - depth > first };
        let tensors = self.net.stack_mut().tensors_mut().zip(self.gradient.tensors()).enumerate();
        // A tensor that stays as it is takes part with none of its numbers.
        let parts = tensors.map(|(t, (values, gradient))| match learns(t) {
            true => (values, gradient),
            false => (&mut values[..0], &gradient[..0]),
        });
        self.optimiser.apply_to_tensors(parts, rate, |t| if t < depth { penalty } else { Regularise::default() });
        penalty.limit_norms_from(first, self.net.stack_mut());
    }

    /// Mean cross-entropy, in nats, and share of errors.
    fn judged(&self, batch: &Batch) -> Result<[f64; 2]> {
        let (x, targets) = self.parted("ClassifierLearner::figures", batch)?;
        let (mut losses, mut errors) = (Vec::with_capacity(x.nrows()), 0);
        for first in (0..x.nrows()).step_by(ROWS) {
            let count = ROWS.min(x.nrows() - first);
            let pass = Pass::new(&self.net, x.rows(first, count).into_owned(), None);
            for (log_p, target) in pass.log_probs.row_iter().zip(targets.rows(first, count).row_iter()) {
                let class = target.transpose().imax();
                losses.push(-f64::from(log_p[class]));
                errors += usize::from(log_p.transpose().imax() != class);
            }
        }
        Ok([mean(&losses), errors as f64 / losses.len() as f64])
    }
}

impl Learner for ClassifierLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let (x, targets) = self.parted("ClassifierLearner::step", batch)?;
        let (family, first) = (streams.fork(Purpose::Noise, clock.step), self.first_learning(clock));
        let pass = Pass::new(&self.net, x, Some((self.settings.dropout, &family)));
        pass.gradient_into(&self.net, &targets, first, &mut self.gradient);
        let rate = self.settings.rate(clock);
        self.update(first, rate as f32);
        Ok(StepReport { learning_rate: rate, figures: Figures::default() })
    }

    fn stack(&self) -> &Stack {
        self.net.stack()
    }

    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()> {
        let (stack, _) = parameters.into_parts()?;
        check_layers("ClassifierLearner::set_parameters", &stack, &self.net.stack().layers())?;
        *self.net.stack_mut() = stack;
        Ok(())
    }

    fn enumerable_units(&self) -> usize {
        usize::MAX
    }

    fn judged_by(&self) -> &'static [&'static str] {
        &["error_rate", "cross_entropy"]
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.net.to_data()?)
    }

    fn figures(&self, probe: &Probe, _: &Streams) -> Result<Figures> {
        let [cross_entropy, error_rate] = self.judged(&probe.valid)?;
        let [train_cross_entropy, train_error_rate] = self.judged(&probe.train)?;
        Ok(Figures::new([
            ("error_rate", error_rate),
            ("cross_entropy", cross_entropy),
            ("train_error_rate", train_error_rate),
            ("train_cross_entropy", train_cross_entropy),
            ("weight_rms", rms(self.net.stack().weights(0).as_slice())),
        ]))
    }

    fn state(&self) -> LearnerState {
        LearnerState {
            parameters: ParametersState::new(self.net.stack(), None),
            optimiser: self.optimiser.state().clone(),
            ..LearnerState::default()
        }
    }

    fn restore(&mut self, state: LearnerState) -> Result<()> {
        self.set_parameters(state.parameters)?;
        self.optimiser = Optimiser::resume(self.settings.optimiser, self.net.stack(), state.optimiser)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_each_setting_out_of_range() {
        let base = ClassifierSettings { hidden: vec![3], ..Default::default() };
        let cases: Vec<(ClassifierSettings, &str)> = vec![
            (ClassifierSettings { hidden: vec![3, 0], ..base.clone() }, "`hidden` is 0, allowed: 1 or more"),
            (ClassifierSettings { epochs: 0, ..base.clone() }, "`epochs` is 0, allowed: 1 or more"),
            (ClassifierSettings { batch_size: 0, ..base.clone() }, "`batch_size` is 0, allowed: 1 or more"),
            (ClassifierSettings { learning_rate: 0.0, ..base.clone() }, "`learning_rate` is 0, allowed: finite"),
            (
                ClassifierSettings { warm_up: -1.0, ..base.clone() },
                "`warm_up` is -1, allowed: finite numbers of 0 or more",
            ),
            (ClassifierSettings { init_scale: Some(-1.0), ..base.clone() }, "`init_scale` is -1, allowed: finite"),
            (ClassifierSettings { classes: Some(1), ..base.clone() }, "`classes` is 1, allowed: 2 or more"),
        ];
        for (settings, says) in cases {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with("ClassifierSettings: ") && error.contains(says), "{error}");
        }
        let wide = ClassifierSettings { dropout: Dropout { input: 1.0, hidden: 0.0 }, ..base };
        assert!(wide.check().unwrap_err().to_string().starts_with("Dropout: `dropout` is 1,0"));
    }

    #[test]
    fn law_a_frozen_net_learns_in_its_last_layer_alone() {
        let net = Classifier::random(&[4, 3, 2], HiddenUnits::Sigmoid, None, &Streams::new(1)).unwrap();
        let settings = ClassifierSettings {
            hidden: vec![3],
            head_epochs: 1,
            regularise: Regularise { l2: 0.1, max_norm: Some(0.1), ..Default::default() },
            ..Default::default()
        };
        let mut learner = ClassifierLearner::start_from(net.clone(), &settings).unwrap();
        let batch = Batch::from(Matrix::from_fn(6, 5, |unit, s| match unit {
            4 | 5 => f32::from(u8::from(unit - 4 == s % 2)),
            _ => (unit + s) as f32 / 10.0,
        }));
        let clock = |step| Clock { step, total: 4, per_epoch: 2 };
        learner.step(&batch, &clock(1), &Streams::new(2)).unwrap();
        let (before, after) = (net.stack(), learner.net().stack().clone());
        assert_eq!((after.weights(0), after.bias(1)), (before.weights(0), before.bias(1)));
        assert!(after.weights(1) != before.weights(1) && after.bias(2) != before.bias(2));
        learner.step(&batch, &clock(2), &Streams::new(2)).unwrap();
        let last = learner.net().stack();
        assert!(last.weights(0) != after.weights(0) && last.bias(1) != after.bias(1));
        assert_eq!(last.bias(0), before.bias(0));
        assert!(last.weights(0).column_iter().all(|column| column.norm() < 0.1001));
    }
}
