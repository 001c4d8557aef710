//! Sigmoid belief nets in training.

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, in_force, named};
use gm_core::{
    Batch, BitMatrix, Chains, Error as CoreError, ModelData, Purpose, Recognition, Stack, Streams, active_units, mean,
    rms, unwatched,
};
use gm_sbn::{BoundSettings, Draws, Dreams, Recognised, Sampler, Sbn};

use crate::error::Result;
use crate::learner::{Learner, Parameters, Probe, StepReport, binary, check_layers};
use crate::sbn::baseline::Baseline;
use crate::sbn::rule::SbnRule;
use crate::sbn::settings::SbnSettings;

/// The most hidden units for training on the exact gradient.
const EXACT_GRADIENT_LIMIT: usize = 10;

/// Draws for each row that is watched.
const WATCHED_SAMPLES: usize = 20;

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
    /// K of the present update.
    samples: usize,
    sampler: Sampler,
    ascent: Ascent,
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
        let initial = Sbn::initial(visible_means, &settings.hidden, settings.init_scale, streams)?;
        Self::start_from(initial.with_hidden_bias(settings.hidden_bias)?, settings)
    }

    /// A given model, to be trained further.
    ///
    /// # Errors
    ///
    /// Those of [`SbnSettings::check`], [`gm_core::Error::Shape`] when model and settings disagree on units,
    /// [`gm_core::Error::Param`] for a model without recognition net or with an autoregressive one where the settings do
    /// not ask for that, [`gm_core::Error::TooLarge`] for the exact gradient of a
    /// model with more than 10 hidden units.
    pub fn start_from(sbn: Sbn, settings: &SbnSettings) -> Result<Self> {
        const OP: &str = "SbnLearner::start_from";
        settings.check()?;
        let layers: Vec<usize> = std::iter::once(sbn.visible()).chain(settings.hidden.iter().copied()).collect();
        check_layers(OP, sbn.stack(), &layers)?;
        let sbn = if settings.autoregressive { sbn.with_autoregressive_recognition()? } else { sbn };
        let refused =
            |value: &str, allowed| CoreError::Param { op: OP, arg: "recognition", value: value.into(), allowed };
        let recognition = sbn.recognition().ok_or_else(|| refused("absent", "a model with a recognition net"))?;
        if recognition.is_autoregressive() && !settings.autoregressive {
            return Err(refused("autoregressive", "independent units, or the setting `autoregressive`").into());
        }
        if settings.rule == SbnRule::Exact && sbn.hidden() > EXACT_GRADIENT_LIMIT {
            let (units, limit) = (sbn.hidden(), EXACT_GRADIENT_LIMIT);
            return Err(CoreError::TooLarge { op: "training on the exact gradient", units, limit }.into());
        }
        let gradient = (sbn.stack().clone(), recognition.clone());
        let baseline = (settings.rule == SbnRule::Nvil).then(|| Baseline::new(sbn.visible()));
        let of_net = recognition.tensor_names().into_iter().zip(recognition.tensors());
        let tensors = named(sbn.stack()).chain(of_net).chain(baseline.iter().flat_map(Baseline::named));
        let ascent = Ascent::new(settings.pace(), settings.optimiser, settings.regularise, tensors);
        let samples = settings.samples;
        Ok(Self { settings: settings.clone(), samples, sampler: Sampler::new(sbn), ascent, gradient, baseline })
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
        let bound = mean(&logs.chunks(self.samples).map(gm_core::log_mean_exp).collect::<Vec<_>>());
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
        let (family, k) = (streams.fork(Purpose::Propose, step), self.samples);
        if self.settings.rule != SbnRule::GibbsEm {
            return Draws::recognised(&self.sampler, batch, k, &family);
        }
        let rows: Vec<usize> = (0..batch.samples()).flat_map(|row| std::iter::repeat_n(row, k)).collect();
        let layers = self.sampler.recognise(batch.select(&rows), &family);
        let mut chains = Chains::new(layers.into_iter().map(Batch::from).collect());
        self.sbn().gibbs(&mut chains, None, self.settings.sweeps, &streams.fork(Purpose::Data, step));
        let hidden: Vec<BitMatrix> = chains.layers.drain(1..).map(|x| x.bits().clone()).collect();
        Draws::of_states(&self.sampler, batch, &hidden)
    }

    /// The weights of all scores, divided by the rows of the batch.
    fn coefficients(&mut self, batch: &BitMatrix, logs: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let (k, rows) = (self.samples, batch.samples() as f64);
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

    /// Moves all parameters along their gradients; the rate of the update.
    fn climb(&mut self, clock: &Clock) -> f64 {
        let Self { sampler, ascent, gradient, baseline, .. } = self;
        let slope = Slope {
            tensors: gradient.0.tensors().chain(gradient.1.tensors()).collect(),
            others: baseline.iter_mut().flat_map(Baseline::ascending).collect(),
            ..Slope::default()
        };
        sampler.update(|sbn| ascent.climb(Parameters(sbn), slope, clock))
    }
}

impl Learner for SbnLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let batch = binary("SbnLearner::step", batch, self.sbn().visible())?;
        self.samples = in_force(self.settings.samples, &self.settings.later_samples, clock);
        let bound = self.ascend(batch, clock.step, streams)?;
        let figures = Figures::new(bound.map(|bound| ("batch_bound", bound)));
        Ok(StepReport { learning_rate: self.climb(clock), figures })
    }

    fn stack(&self) -> &Stack {
        self.sbn().stack()
    }

    fn tensors(&self) -> Vec<(String, &[f32])> {
        let of_net = |net| Recognition::tensor_names(net).into_iter().zip(Recognition::tensors(net));
        named(self.stack()).chain(self.sbn().recognition().into_iter().flat_map(of_net)).collect()
    }

    fn parameters(&self) -> ParametersState {
        ParametersState::new(self.sbn().stack(), self.sbn().recognition())
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
        let means = self.sbn().recognised_means(probe.valid.bits(), WATCHED_SAMPLES, false, &same)?;
        let mut figures = Figures::new([
            ("elbo", mean(&valid.elbo)),
            ("importance_weighted", valid.mean().value),
            ("train_importance_weighted", train.mean().value),
            ("ess", mean(&valid.ess)),
            ("weight_rms", rms(self.sbn().stack().weights(0).as_slice())),
        ]);
        figures.push_layers("active_units", active_units(&means, Some(WATCHED_SAMPLES)));
        if self.enumerable_units() <= probe.exact_units {
            figures.push("log_likelihood", mean(&self.sbn().log_prob(probe.valid.bits())?));
            figures.push("train_log_likelihood", mean(&self.sbn().log_prob(probe.train.bits())?));
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let mut state =
            LearnerState { parameters: self.parameters(), optimiser: self.ascent.state(), ..LearnerState::default() };
        if let Some(baseline) = &self.baseline {
            baseline.put(&mut state);
        }
        state
    }

    fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        self.set_parameters(std::mem::take(&mut state.parameters))?;
        match &mut self.baseline {
            Some(baseline) => baseline.restore(&mut state),
            None => Ok(()),
        }
    }
}
