//! Sigmoid belief nets in training.

use std::fmt;

use gm_core::{
    Batch, BitMatrix, Error as CoreError, ModelData, ModelKind, Purpose, Recognition, Stack, Streams, check_len, mean,
    unwatched,
};
use gm_sbn::{BoundSettings, Chains, Draws, Dreams, Recognised, Sampler, Sbn};
use serde::{Deserialize, Serialize};

use crate::config::ModelSettings;
use crate::error::{Error, Result};
use crate::learner::metrics::Figures;
use crate::learner::optimiser::{Optimiser, OptimiserSettings};
use crate::learner::{Learner, LearnerState, ParametersState, Probe, StepReport, binary, check_layers};
use crate::rbm::learner::rms;
use crate::sbn::rule::SbnRule;
use crate::settings::rate::{Clock, Rate, warm_up};
use crate::settings::regularise::Regularise;
use gm_data::Dataset;

/// The most hidden units for training on the exact gradient.
const EXACT_GRADIENT_LIMIT: usize = 10;

/// Draws for each row that is watched.
const WATCHED_SAMPLES: usize = 20;

/// How slowly the running moments of the learning signal change.
const SIGNAL_DECAY: f64 = 0.8;

/// How a sigmoid belief net is trained.
///
/// # Examples
///
/// ```
/// use gm_train::{SbnRule, SbnSettings};
///
/// let settings = SbnSettings { hidden: vec![64, 32], rule: SbnRule::Vimco, ..Default::default() };
/// assert!(settings.check().is_ok());
/// let refused = SbnSettings { samples: 1, ..settings }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "SbnSettings: `samples` is 1, allowed: 2 or more for the rule vimco");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SbnSettings {
    /// Units of each hidden layer, from the first one up.
    pub hidden: Vec<usize>,
    /// How both nets learn.
    pub rule: SbnRule,
    /// K, hidden states for each row.
    pub samples: usize,
    /// The share of dreams in what the recognition net learns, for reweighted wake-sleep.
    pub sleep: f32,
    /// Gibbs sweeps for each state, for Monte-Carlo EM.
    pub sweeps: usize,
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
    /// Standard deviation of the first weights times the root of a unit's inputs.
    pub init_scale: f32,
    /// Penalties on the weights of both nets.
    pub regularise: Regularise,
}

impl Default for SbnSettings {
    /// Two layers of 200 units, reweighted wake-sleep with 5 samples and half of the recognition net's lessons in its
    /// sleep, 100 epochs in batches of 100, Adam at rates from 0.003 to 0.
    fn default() -> Self {
        Self {
            hidden: vec![200, 200],
            rule: SbnRule::Reweighted,
            samples: 5,
            sleep: 0.5,
            sweeps: 5,
            epochs: 100,
            batch_size: 100,
            learning_rate: 0.003,
            schedule: Rate::Linear,
            warm_up: 0.0,
            optimiser: OptimiserSettings::adam(),
            init_scale: 1.0,
            regularise: Regularise::default(),
        }
    }
}

impl SbnSettings {
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
        if self.samples < self.rule.fewest_samples() {
            let allowed = match self.rule {
                SbnRule::Vimco => "2 or more for the rule vimco",
                _ => "2 or more for the rule vargrad",
            };
            return Err(refused("samples", self.samples, allowed));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(refused("learning_rate", self.learning_rate, "finite numbers above 0"));
        }
        for (arg, value) in [("warm_up", self.warm_up), ("init_scale", self.init_scale.into())] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(refused(arg, value, "finite numbers of 0 or more"));
            }
        }
        if !(0.0..=1.0).contains(&self.sleep) {
            return Err(refused("sleep", self.sleep, "0 to 1"));
        }
        self.optimiser.check()?;
        self.regularise.check()
    }

    fn rate(&self, clock: &Clock) -> f64 {
        self.learning_rate * self.schedule.factor(clock) * warm_up(self.warm_up, clock)
    }

    /// The shares of wake and sleep in what the recognition net learns.
    fn shares(&self) -> (f64, f64) {
        match self.rule {
            SbnRule::WakeSleep => (0.0, 1.0),
            SbnRule::Reweighted => (1.0 - f64::from(self.sleep), f64::from(self.sleep)),
            _ => (1.0, 0.0),
        }
    }
}

impl ModelSettings for SbnSettings {
    fn kind(&self) -> ModelKind {
        ModelKind::Sbn
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
        let others = [
            ("samples", self.samples as u64),
            ("sweeps", self.sweeps as u64),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
        ];
        layers.chain(others).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn learner(&self, _: &Dataset, visible_means: &[f32], streams: &Streams) -> Result<Box<dyn Learner>> {
        Ok(Box::new(SbnLearner::new(visible_means, self, streams)?))
    }
}

fn refused(arg: &'static str, value: impl fmt::Display, allowed: &'static str) -> Error {
    CoreError::Param { op: "SbnSettings", arg, value: value.to_string(), allowed }.into()
}

/// What is subtracted from the learning signal of `nvil`: a linear function of the row, learned by least squares, and
/// running moments of what it leaves.
#[derive(Clone, Debug, Default)]
struct Baseline {
    /// A weight for each visible unit, and a constant.
    tensors: [Vec<f32>; 2],
    gradient: [Vec<f32>; 2],
    /// Mean and variance of the signal; none before the first batch.
    moments: Option<[f64; 2]>,
}

impl Baseline {
    fn new(visible: usize) -> Self {
        let tensors = [vec![0.0; visible], vec![0.0]];
        Self { gradient: tensors.clone(), tensors, moments: None }
    }

    /// The baseline of each row, without the running mean.
    fn values(&self, v: &BitMatrix) -> Vec<f64> {
        let weights: Vec<f64> = self.tensors[0].iter().map(|&w| f64::from(w)).collect();
        let constant = f64::from(self.tensors[1][0]);
        v.weighted_sums(&weights).into_iter().map(|sum| sum + constant).collect()
    }

    /// What to subtract from each log-weight of a row, and what to divide by, as earlier batches taught it; then learns from
    /// this batch, `signals` being the mean log-weight of each row.
    fn judge(&mut self, v: &BitMatrix, signals: &[f64]) -> (Vec<f64>, f64) {
        let values = self.values(v);
        let rest: Vec<f64> = signals.iter().zip(&values).map(|(signal, value)| signal - value).collect();
        let centre = mean(&rest);
        let variance = mean(&rest.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>());
        let [running, spread] = self.moments.unwrap_or([centre, variance]);
        let scale = spread.sqrt().max(1.0);
        let errors: Vec<f64> = rest.iter().map(|x| (x - running) / scale / rest.len() as f64).collect();
        self.gradient[1][0] = errors.iter().sum::<f64>() as f32;
        for (unit, slope) in self.gradient[0].iter_mut().enumerate() {
            *slope = errors.iter().enumerate().filter(|(row, _)| v.get(unit, *row)).map(|(_, e)| e).sum::<f64>() as f32;
        }
        let follow = |old: f64, new: f64| SIGNAL_DECAY * old + (1.0 - SIGNAL_DECAY) * new;
        self.moments = Some([follow(running, centre), follow(spread, variance)]);
        (values.iter().map(|value| value + running).collect(), scale)
    }
}

/// A sigmoid belief net in training.
///
/// # Randomness
///
/// Weights from [`Purpose::Initialise`]; states of update t from family t of [`Purpose::Propose`], Gibbs sweeps from family
/// t of [`Purpose::Data`], dreams from family t of [`Purpose::Noise`].
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, Learner, SbnLearner, SbnRule, SbnSettings};
///
/// let streams = Streams::new(0);
/// let settings = SbnSettings { hidden: vec![2], rule: SbnRule::Exact, learning_rate: 0.1, ..Default::default() };
/// let mut learner = SbnLearner::new(&[0.5; 4], &settings, &streams)?;
/// // Two states of equal probability, which a model of independent units cannot tell from the other 14.
/// let rows = BitMatrix::from_fn(4, 2, |unit, row| unit / 2 == row);
/// let batch = Batch::from(rows.clone());
/// for step in 0..100 {
///     learner.step(&batch, &Clock { step, total: 100, per_epoch: 1 }, &streams)?;
/// }
/// assert!(learner.sbn().log_prob(&rows)?.iter().all(|&log_p| log_p > 0.25_f64.ln()));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SbnLearner {
    settings: SbnSettings,
    sampler: Sampler,
    optimiser: Optimiser,
    gradient: (Stack, Recognition),
    baseline: Option<Baseline>,
}

/// The gradients of one update, with what is worth knowing of it.
type Gradients<'a> = (&'a Stack, &'a Recognition);

impl SbnLearner {
    /// A model that starts from small random weights and the means of the data, `[visible]`.
    ///
    /// # Errors
    ///
    /// Those of [`SbnSettings::check`], and of [`start_from`](Self::start_from).
    pub fn new(visible_means: &[f32], settings: &SbnSettings, streams: &Streams) -> Result<Self> {
        settings.check()?;
        Self::start_from(Sbn::initial(visible_means, &settings.hidden, settings.init_scale, streams)?, settings)
    }

    /// A given model, to be trained further.
    ///
    /// # Errors
    ///
    /// Those of [`SbnSettings::check`], [`gm_core::Error::Shape`] when model and settings disagree on units,
    /// [`gm_core::Error::Param`] for a model without recognition net, [`gm_core::Error::TooLarge`] for the exact gradient of a
    /// model with more than 10 hidden units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Streams;
    /// use gm_train::{Learner, SbnLearner, SbnSettings};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(0))?;
    /// let learner = SbnLearner::start_from(sbn, &SbnSettings { hidden: vec![3, 2], ..Default::default() })?;
    /// assert_eq!(learner.stack().layers(), [4, 3, 2]);
    /// # Ok::<(), gm_train::Error>(())
    /// ```
    pub fn start_from(sbn: Sbn, settings: &SbnSettings) -> Result<Self> {
        const OP: &str = "SbnLearner::start_from";
        settings.check()?;
        let layers: Vec<usize> = std::iter::once(sbn.visible()).chain(settings.hidden.iter().copied()).collect();
        check_layers(OP, sbn.stack(), &layers)?;
        let Some(recognition) = sbn.recognition() else {
            let (arg, value, allowed) = ("recognition", "absent".into(), "a model with a recognition net");
            return Err(CoreError::Param { op: OP, arg, value, allowed }.into());
        };
        if settings.rule == SbnRule::Exact && sbn.hidden() > EXACT_GRADIENT_LIMIT {
            let (units, limit) = (sbn.hidden(), EXACT_GRADIENT_LIMIT);
            return Err(CoreError::TooLarge { op: "training on the exact gradient", units, limit }.into());
        }
        let gradient = (sbn.stack().clone(), recognition.clone());
        let baseline = (settings.rule == SbnRule::Nvil).then(|| Baseline::new(sbn.visible()));
        let tensors = sbn.stack().tensors().chain(recognition.tensors());
        let optimiser = Optimiser::of_tensors(settings.optimiser, tensors.chain(baseline_tensors(&baseline)));
        Ok(Self { settings: settings.clone(), sampler: Sampler::new(sbn), optimiser, gradient, baseline })
    }

    /// The model as it is now.
    #[must_use]
    pub fn sbn(&self) -> &Sbn {
        self.sampler.model()
    }

    /// The model, when training is over.
    #[must_use]
    pub fn into_sbn(self) -> Sbn {
        self.sampler.into_model()
    }

    /// What the learning signal of `nvil` is divided by in the next update: its running standard deviation, at least 1; 1 for
    /// other rules.
    #[must_use]
    pub fn signal_scale(&self) -> f64 {
        self.baseline
            .as_ref()
            .and_then(|baseline| baseline.moments)
            .map_or(1.0, |[_, variance]| variance.sqrt().max(1.0))
    }

    /// What the rule would add to the parameters for a batch, but for the learning rate: the mean over rows of
    /// sum_k a_k grad log p and sum_k c_k grad log q, mixed with dreams.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] for the exact rule and too large a model.
    pub fn gradients(&mut self, batch: &BitMatrix, step: u64, streams: &Streams) -> Result<Gradients<'_>> {
        self.ascend(batch, step, streams)?;
        Ok((&self.gradient.0, &self.gradient.1))
    }

    /// Computes the gradients; the mean K-sample bound of the batch, where the rule draws from q.
    fn ascend(&mut self, batch: &BitMatrix, step: u64, streams: &Streams) -> Result<Option<f64>> {
        if self.settings.rule == SbnRule::Exact {
            self.gradient = (self.sbn().exact_gradient(batch)?, self.sbn().exact_recognition_gradient(batch)?);
            return Ok(None);
        }
        let (wake, sleep) = self.settings.shares();
        // Dreams and data, and then the two nets, have nothing to do with each other: no core waits for what another one does.
        let (draws, dreams) = rayon::join(
            || self.draws(batch, step, streams),
            || (sleep > 0.0).then(|| self.dreams(batch.samples(), sleep, &streams.fork(Purpose::Noise, step))),
        );
        let logs = draws.log_weights();
        let (a, c) = self.coefficients(batch, &logs);
        let bound = mean(&logs.chunks(self.settings.samples).map(gm_core::log_mean_exp).collect::<Vec<_>>());
        let (generated, recognised) = draws.into_parts();
        let (generative, recognition) = &mut self.gradient;
        rayon::join(
            || generated.gradient_into(&a, generative),
            || {
                let awake = (wake > 0.0).then(|| recognised.weighted(&c));
                let parts: Vec<Recognised> = awake.into_iter().chain(dreams).collect();
                Recognised::gradient_into(&parts, recognition);
            },
        );
        Ok((self.settings.rule != SbnRule::GibbsEm).then_some(bound))
    }

    /// The scores of the recognition net over `count` dreams, which make up `share` of the update.
    fn dreams(&self, count: usize, share: f64, family: &Streams) -> Recognised {
        let dreams = Dreams::new(&self.sampler, count, family);
        dreams.recognised.weighted(&vec![(share / count as f64) as f32; count])
    }

    /// The hidden states of an update.
    fn draws(&self, batch: &BitMatrix, step: u64, streams: &Streams) -> Draws {
        let (family, k) = (streams.fork(Purpose::Propose, step), self.settings.samples);
        if self.settings.rule != SbnRule::GibbsEm {
            return Draws::recognised(&self.sampler, batch, k, &family);
        }
        let rows: Vec<usize> = (0..batch.samples()).flat_map(|row| std::iter::repeat_n(row, k)).collect();
        let layers = self.sampler.recognise(batch.select(&rows), &family);
        let mut chains = Chains { layers, sweeps: 0 };
        self.sbn().gibbs(&mut chains, None, self.settings.sweeps, &streams.fork(Purpose::Data, step));
        Draws::of_states(&self.sampler, batch, &chains.layers[1..])
    }

    /// The weights of all scores, divided by the rows of the batch.
    fn coefficients(&mut self, batch: &BitMatrix, logs: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let (k, rows) = (self.settings.samples, batch.samples() as f64);
        let (baselines, scale) = match &mut self.baseline {
            Some(baseline) => baseline.judge(batch, &logs.chunks(k).map(mean).collect::<Vec<_>>()),
            None => (vec![0.0; batch.samples()], 1.0),
        };
        let (wake, rule) = (self.settings.shares().0, self.settings.rule);
        let (mut a, mut c) = (Vec::with_capacity(logs.len()), Vec::with_capacity(logs.len()));
        for (logs, baseline) in logs.chunks(k).zip(baselines) {
            let row = rule.coefficients(logs, baseline);
            a.extend(row.0.iter().map(|a| (a / rows) as f32));
            c.extend(row.1.iter().map(|c| (wake * c / scale / rows) as f32));
        }
        (a, c)
    }

    /// Moves all parameters along their gradients.
    fn update(&mut self, rate: f32) {
        let (depth, penalty) = (self.sbn().depth(), self.settings.regularise);
        let layers = 2 * depth + 1;
        // Weights come first in either net.
        let penalised = |t: usize| t < depth || (layers..layers + depth).contains(&t);
        let penalty = |t| if penalised(t) { penalty } else { Regularise::default() };
        let Self { settings, sampler, optimiser, gradient, baseline } = self;
        sampler.update(|sbn| {
            let gradients = gradient.0.tensors().chain(gradient.1.tensors());
            let baseline = baseline.iter_mut().flat_map(|baseline| {
                baseline.tensors.iter_mut().map(Vec::as_mut_slice).zip(baseline.gradient.iter().map(Vec::as_slice))
            });
            optimiser.apply_to_tensors(sbn.tensors_mut().zip(gradients).chain(baseline), rate, penalty);
            settings.regularise.limit_norms(sbn.stack_mut());
        });
    }
}

fn baseline_tensors(baseline: &Option<Baseline>) -> impl Iterator<Item = &[f32]> {
    baseline.iter().flat_map(|baseline| baseline.tensors.iter().map(Vec::as_slice))
}

impl Learner for SbnLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let batch = binary("SbnLearner::step", batch, self.sbn().visible())?;
        let bound = self.ascend(batch, clock.step, streams)?;
        let rate = self.settings.rate(clock);
        self.update(rate as f32);
        Ok(StepReport { learning_rate: rate, figures: Figures::new(bound.map(|bound| ("batch_bound", bound))) })
    }

    fn stack(&self) -> &Stack {
        self.sbn().stack()
    }

    fn recognition(&self) -> Option<&Recognition> {
        self.sbn().recognition()
    }

    fn set_parameters(&mut self, parameters: ParametersState) -> Result<()> {
        let (stack, recognition) = parameters.into_parts()?;
        check_layers("SbnLearner::set_parameters", &stack, &self.sbn().layers())?;
        self.sampler = Sampler::new(Sbn::new(stack, recognition)?);
        Ok(())
    }

    fn enumerable_units(&self) -> usize {
        self.sbn().hidden()
    }

    fn judged_by(&self) -> &'static [&'static str] {
        &["importance_weighted"]
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.sbn().to_data()?)
    }

    fn figures(&self, probe: &Probe, _: &Streams) -> Result<Figures> {
        // The same random numbers at every epoch, so that epochs can be compared.
        let same = Streams::new(0);
        let settings = BoundSettings { samples: WATCHED_SAMPLES, repeats: 1 };
        let bounds = |rows| self.sbn().bounds(rows, &settings, &same, &mut unwatched);
        let (valid, train) = (bounds(probe.valid.bits())?, bounds(probe.train.bits())?);
        let mut figures = Figures::new([
            ("elbo", mean(&valid.elbo)),
            ("importance_weighted", valid.mean().value),
            ("train_importance_weighted", train.mean().value),
            ("ess", mean(&valid.ess)),
            ("weight_rms", rms(self.sbn().stack().weights(0).as_slice())),
        ]);
        if self.enumerable_units() <= probe.exact_units {
            figures.push("log_likelihood", mean(&self.sbn().log_prob(probe.valid.bits())?));
            figures.push("train_log_likelihood", mean(&self.sbn().log_prob(probe.train.bits())?));
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let moments = self.baseline.iter().flat_map(|baseline| baseline.moments).flatten().map(split_double);
        LearnerState {
            parameters: ParametersState::new(self.sbn().stack(), self.sbn().recognition()),
            optimiser: self.optimiser.state().clone(),
            offsets: baseline_tensors(&self.baseline).map(<[f32]>::to_vec).chain(moments).collect(),
            chains: Vec::new(),
            numbers: Vec::new(),
            stage: 0,
        }
    }

    fn restore(&mut self, state: LearnerState) -> Result<()> {
        const OP: &str = "SbnLearner::restore";
        let name = |t: usize| format!("tensor {t}");
        let tensors = self.gradient.0.tensors().chain(self.gradient.1.tensors());
        let tensors = tensors.chain(baseline_tensors(&self.baseline));
        let named = tensors.enumerate().map(|(t, tensor)| (tensor, name(t)));
        self.optimiser = Optimiser::resume_tensors(self.settings.optimiser, named, state.optimiser)?;
        self.set_parameters(state.parameters)?;
        if let Some(baseline) = &mut self.baseline {
            let offsets = state.offsets;
            check_len(OP, "offsets", "length", offsets.len(), if offsets.len() > 2 { 4 } else { 2 })?;
            for (tensor, saved) in baseline.tensors.iter_mut().zip(&offsets) {
                check_len(OP, "baseline", "length", saved.len(), tensor.len())?;
                tensor.clone_from(saved);
            }
            baseline.moments = offsets.get(2).zip(offsets.get(3)).map(|(a, b)| [join_double(a), join_double(b)]);
        }
        Ok(())
    }
}

/// A double-precision number as the bits of two single-precision ones, which a checkpoint keeps exactly.
fn split_double(x: f64) -> Vec<f32> {
    let bits = x.to_bits();
    vec![f32::from_bits((bits >> 32) as u32), f32::from_bits(bits as u32)]
}

fn join_double(parts: &[f32]) -> f64 {
    let bits = |i: usize| u64::from(parts.get(i).map_or(0, |x| x.to_bits()));
    f64::from_bits(bits(0) << 32 | bits(1))
}
