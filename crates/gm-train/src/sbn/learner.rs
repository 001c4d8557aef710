//! Sigmoid belief nets in training.

use gm_ascent::{Ascent, Clock, Figures, LearnerState, ParametersState, Slope, Team, in_force, named};
use gm_core::{
    Batch, BitMatrix, Error as CoreError, ModelData, Recognition, Stack, Streams, active_units, mean, rms, unwatched,
};
use gm_sbn::{BoundSettings, Sampler, Sbn};

use crate::error::Result;
use crate::learner::{Learner, Parameters, Probe, StepReport, binary, check_layers};
use crate::sbn::baseline::Baseline;
use crate::sbn::rule::SbnRule;
use crate::sbn::settings::SbnSettings;
use crate::sbn::shard::Shard;

/// The most hidden units for training on the exact gradient.
const EXACT_GRADIENT_LIMIT: usize = 10;

/// Draws for each row that is watched.
const WATCHED_SAMPLES: usize = 20;

/// A sigmoid belief net in training.
///
/// # Randomness
///
/// Weights from [`Purpose::Initialise`](gm_core::Purpose::Initialise); states of update t from family t of
/// [`Purpose::Propose`](gm_core::Purpose::Propose), Gibbs sweeps from family t of [`Purpose::Data`](gm_core::Purpose::Data),
/// dreams from family t of [`Purpose::Noise`](gm_core::Purpose::Noise).
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
    baseline: Option<Baseline>,
    team: Team,
    /// The shards of this process. The first one also has the sums over all.
    shards: Vec<Shard>,
}

/// The gradients of one update: of the net, and of its recognition net, which a net without hidden layers does not have.
type Gradients<'a> = (&'a Stack, Option<&'a Recognition>);

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
    /// not ask for that, or with weights within other layers than the settings say, [`gm_core::Error::TooLarge`] for the exact gradient of a
    /// model with more than 10 hidden units.
    pub fn start_from(sbn: Sbn, settings: &SbnSettings) -> Result<Self> {
        const OP: &str = "SbnLearner::start_from";
        settings.check()?;
        let layers: Vec<usize> = std::iter::once(sbn.visible()).chain(settings.hidden.iter().copied()).collect();
        check_layers(OP, sbn.stack(), &layers)?;
        let sbn = if settings.autoregressive { sbn.with_autoregressive_recognition()? } else { sbn };
        let sbn = with_lateral(OP, sbn, settings)?;
        let refused =
            |value: &str, allowed| CoreError::Param { op: OP, arg: "recognition", value: value.into(), allowed };
        if sbn.depth() > 0 && sbn.recognition().is_none() {
            return Err(refused("absent", "a model with a recognition net").into());
        }
        if sbn.recognition().is_some_and(Recognition::is_autoregressive) && !settings.autoregressive {
            return Err(refused("autoregressive", "independent units, or the setting `autoregressive`").into());
        }
        if settings.rule == SbnRule::Exact && sbn.hidden() > EXACT_GRADIENT_LIMIT {
            let (units, limit) = (sbn.hidden(), EXACT_GRADIENT_LIMIT);
            return Err(CoreError::TooLarge { op: "training on the exact gradient", units, limit }.into());
        }
        let shards = vec![Shard::new(&sbn)];
        let baseline = (settings.rule == SbnRule::Nvil && sbn.depth() > 0).then(|| Baseline::new(sbn.visible()));
        let of_net = sbn.recognition().into_iter().flat_map(|net| net.tensor_names().into_iter().zip(net.tensors()));
        let tensors = named(sbn.stack()).chain(of_net).chain(baseline.iter().flat_map(Baseline::named));
        let ascent = Ascent::new(settings.pace(), settings.optimiser, settings.regularise, tensors);
        let samples = settings.samples;
        let (team, sampler) = (Team::default(), Sampler::new(sbn));
        Ok(Self { settings: settings.clone(), samples, sampler, ascent, baseline, team, shards })
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
        self.ascend(&batch.clone().into(), step, streams)?;
        let Shard { gradient: (generative, recognition), .. } = &self.shards[0];
        Ok((generative, recognition.as_ref()))
    }

    /// Computes the gradients; the mean K-sample bound of the batch, where the rule draws from q.
    fn ascend(&mut self, batch: &Batch, step: u64, streams: &Streams) -> Result<Figures> {
        let (team, samples, parts) = (self.team.clone(), self.samples, self.team.parts(batch)?);
        let mut found = vec![];
        for (own, (shard, part)) in team.own().zip(self.shards.iter_mut().zip(&parts)) {
            shard.baseline.clone_from(&self.baseline);
            let common = (&self.sampler, &self.settings, samples);
            let figures = shard.ascend(common, part.bits(), step, &team.streams(own, streams))?;
            found.push(shard.found(figures));
        }
        let figures = team.join(batch.samples(), found)?;
        self.baseline = self.shards[0].judged(team.shards());
        Ok(figures)
    }

    /// The figures of a net without hidden layers, whose log p is exact.
    fn exact_figures(&self, probe: &Probe) -> Result<Figures> {
        let log_prob = |rows: &Batch| -> Result<f64> { Ok(mean(&self.sbn().log_prob(rows.bits())?)) };
        let (valid, train) = (log_prob(&probe.valid)?, log_prob(&probe.train)?);
        let weights = self.sbn().stack().within(0).map_or(0.0, |within| rms(within.as_slice()));
        Ok(Figures::new([("weight_rms", weights), ("log_likelihood", valid), ("train_log_likelihood", train)]))
    }

    /// Moves all parameters along their gradients; the rate of the update.
    fn climb(&mut self, clock: &Clock) -> f64 {
        let Self { sampler, ascent, shards, baseline, .. } = self;
        let gradient = &shards[0].gradient;
        let slope = Slope {
            tensors: gradient.0.tensors().chain(gradient.1.iter().flat_map(Recognition::tensors)).collect(),
            others: baseline.iter_mut().flat_map(Baseline::ascending).collect(),
            ..Slope::default()
        };
        sampler.update(|sbn| ascent.climb(Parameters(sbn), slope, clock))
    }
}

/// The model with the weights within layers that the settings ask for.
fn with_lateral(op: &'static str, sbn: Sbn, settings: &SbnSettings) -> Result<Sbn> {
    let layers = settings.lateral.layers(sbn.depth());
    if let Some(other) = sbn.stack().layers_within().into_iter().find(|l| !layers.contains(l)) {
        let (value, allowed) =
            (format!("with weights within layer {other}"), "weights within the layers of `lateral` alone");
        return Err(CoreError::Param { op, arg: "stack", value, allowed }.into());
    }
    Ok(sbn.with_layers_within(&layers)?)
}

impl Learner for SbnLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        binary("SbnLearner::step", batch, self.sbn().visible())?;
        self.samples = in_force(self.settings.samples, &self.settings.later_samples, clock);
        let figures = self.ascend(batch, clock.step, streams)?;
        Ok(StepReport { learning_rate: self.climb(clock), figures })
    }

    fn divide(&mut self, team: Team, _: &Streams) -> Result<()> {
        self.shards = vec![self.shards[0].clone(); team.own().len()];
        self.team = team;
        Ok(())
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
        const OP: &str = "SbnLearner::set_parameters";
        check_layers(OP, &stack, &self.sbn().layers())?;
        let [found, expected] = [&stack, self.sbn().stack()].map(|stack| stack.layers_within().len());
        gm_core::check_len(OP, "stack", "layers with weights within them", found, expected)?;
        self.sampler = Sampler::new(Sbn::new(stack, recognition)?);
        Ok(())
    }

    fn enumerable_units(&self) -> usize {
        self.sbn().hidden()
    }

    fn judged_by(&self) -> &'static [&'static str] {
        if self.sbn().depth() == 0 { &["log_likelihood"] } else { &["importance_weighted"] }
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.sbn().to_data()?)
    }

    fn figures(&self, probe: &Probe, _: &Streams) -> Result<Figures> {
        if self.sbn().depth() == 0 {
            return self.exact_figures(probe);
        }
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
