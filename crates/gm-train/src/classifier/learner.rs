//! Classifiers in training.

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, named};
use gm_core::{Batch, Matrix, ModelData, Purpose, Stack, Streams, check_len, mean, rms};

use crate::classifier::settings::{ClassifierSettings, ROWS, features_of};
use crate::error::Result;
use crate::learner::{Learner, Probe, StepReport, check_layers};
use gm_net::{Classifier, Pass};

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
    ascent: Ascent,
    gradient: Stack,
}

impl ClassifierLearner {
    /// A given net, to be trained.
    ///
    /// # Errors
    ///
    /// Those of [`ClassifierSettings::check`], [`gm_core::Error::Shape`] when net and settings disagree on hidden layers.
    pub fn start_from(net: Classifier, settings: &ClassifierSettings) -> Result<Self> {
        settings.check()?;
        let layers = [net.stack().bias(0).len()].into_iter().chain(settings.hidden.clone()).chain([net.classes()]);
        check_layers("ClassifierLearner::start_from", net.stack(), &layers.collect::<Vec<_>>())?;
        let ascent = Ascent::new(settings.pace(), settings.optimiser, settings.regularise, named(net.stack()));
        Ok(Self { settings: settings.clone(), ascent, gradient: Stack::zeros(&net.stack().layers())?, net })
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

    /// Moves the weights and biases above layer `first` along their gradient; the rate of the update.
    fn climb(&mut self, first: usize, clock: &Clock) -> f64 {
        let depth = self.net.stack().depth();
        // Weights first, then biases, of which b_l belongs to the weights below it.
        let learns = |t: usize| if t < depth { t >= first } else { t - depth > first };
        let of_tensor = |(t, gradient)| if learns(t) { gradient } else { &[][..] };
        let tensors = self.gradient.tensors().enumerate().map(of_tensor).collect();
        self.ascent.climb(self.net.stack_mut(), Slope { tensors, ..Slope::default() }, clock)
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
        Ok(StepReport { learning_rate: self.climb(first, clock), figures: Figures::default() })
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
        let features = self.net.features().map(|dbm| ParametersState::new(dbm.stack(), None));
        let (parameters, optimiser) = (self.parameters(), self.ascent.state());
        LearnerState { parameters, optimiser, features, ..LearnerState::default() }
    }

    fn restore(&mut self, state: LearnerState) -> Result<()> {
        self.set_parameters(state.parameters)?;
        let features = state.features.map(features_of).transpose()?;
        self.net = Classifier::new(self.net.stack().clone(), self.net.units(), features)?;
        Ok(self.ascent.restore(state.optimiser)?)
    }
}
