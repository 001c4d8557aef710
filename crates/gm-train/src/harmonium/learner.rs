//! Harmoniums in training.

use std::ops::ControlFlow;

use gm_ascent::{Ascending, Ascent, ChainsState, Clock, Figures, LearnerState, ParametersState, Slope};
use gm_core::layer::{Layer, Measure};
use gm_core::{
    AisSettings, Batch, BatchRef, Error as CoreError, Matrix, ModelData, Purpose, Schedule, Stack, Streams, Vector,
    check_len, mean, rms, widened,
};
use gm_data::{Dataset, Values};
use gm_harmonium::{Chains, Gradient, Harmonium, Sampler};

use crate::error::Result;
use crate::harmonium::settings::HarmoniumSettings;
use crate::learner::{BURN_IN, CHAINS, Learner, Probe, StepReport, Weighted, check_layers};
use crate::rbm::Algorithm;

/// The most states for training on the exact gradient.
const EXACT_GRADIENT_LIMIT: u64 = 1 << 16;

/// Runs of the annealing at a look.
const RUNS: usize = 20;

/// The most by which the scale of a hidden unit changes in an update.
const MOST_SCALE: f64 = 1.1;

/// The names of what a checkpoint keeps beside weights and biases.
const HIDDEN_CHAINS: &str = "chains.hidden";
const LAYERS: [&str; 2] = ["units.0", "units.1"];

/// A harmonium in training.
///
/// The model in training is one of standardised data, as far as the kinds of units have units of measure: Gaussian units with
/// mean 0 and variance 1, ReLU units with mean square 1. [`model`](Self::model) and figures are those of the data themselves.
///
/// # Randomness
///
/// Weights from [`Purpose::Initialise`], first states of the chains from [`Purpose::Start`], sweep t of the chains from family
/// t of [`Purpose::Chains`]; contrastive divergence at update t from family t of [`Purpose::Data`].
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_data::{Dataset, Split, Values};
/// use gm_train::{Algorithm, HarmoniumSettings, Unobserved, fit_harmonium};
///
/// // Two states of equal probability, which a model of independent units cannot tell from the other 14.
/// let rows = Split::new(Values::Bits(BitMatrix::from_fn(4, 2, |unit, row| unit / 2 == row)), None)?;
/// let data = Dataset::new("pairs", rows.clone(), rows.clone(), rows)?;
/// let settings = HarmoniumSettings {
///     hidden: 2,
///     visible: "spin".parse()?,
///     hidden_units: "gaussian".parse()?,
///     algorithm: Algorithm::Exact,
///     epochs: 100,
///     ..Default::default()
/// };
/// let fit = fit_harmonium(&data, &settings, &Default::default(), &Streams::new(0), &mut Unobserved)?;
/// let log_p = fit.history.last().and_then(|last| last.figures.get("log_likelihood"));
/// assert!(log_p.is_some_and(|log_p| log_p > 0.25_f64.ln()));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HarmoniumLearner {
    settings: HarmoniumSettings,
    sampler: Sampler,
    moving: Moving,
    ascent: Ascent,
    /// Shift and scale of the data.
    standards: (Vec<f32>, Vec<f32>),
    /// Offsets of the visible and of the hidden units.
    offsets: [Vec<f32>; 2],
    chains: Option<Chains>,
    /// Weights of the rows of the next batch.
    weights: Option<Vec<f32>>,
}

/// The numbers that the ascent moves: a stack of weights and biases, and all parameters of both layers.
#[derive(Clone, Debug)]
struct Moving {
    stack: Stack,
    layers: [Vec<f32>; 2],
}

impl Moving {
    fn of(model: &Harmonium) -> Result<Self> {
        let bias = |layer: &Layer| Vector::from_vec(layer.biases());
        let stack = Stack::new(vec![model.weights().clone()], vec![bias(model.visible()), bias(model.hidden())])?;
        let layers = [model.visible().parameters().to_vec(), model.hidden().parameters().to_vec()];
        Ok(Self { stack, layers })
    }

    fn named(&self) -> [(String, &[f32]); 3] {
        let [visible, hidden] = &self.layers;
        [
            ("weights.0".into(), self.stack.weights(0).as_slice()),
            (LAYERS[0].into(), visible),
            (LAYERS[1].into(), hidden),
        ]
    }
}

impl Ascending for &mut Moving {
    fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let layers = self.layers.iter_mut().map(Vec::as_mut_slice);
        self.stack.tensors_mut().take(1).chain(layers)
    }
}

impl HarmoniumLearner {
    /// A model that starts from small random weights and the moments of prepared data; `visible_means` are those of their
    /// binary values.
    pub(super) fn with_data(
        data: &Dataset,
        visible_means: &[f32],
        settings: &HarmoniumSettings,
        streams: &Streams,
    ) -> Result<Self> {
        settings.check()?;
        let visible = settings.visible.layer(data.units())?;
        let start = Start::of(&visible, data, visible_means)?;
        let hidden = settings.hidden_units.layer(settings.hidden)?;
        let model =
            Harmonium::initial((&visible, &hidden), (&start.means, &start.variances), settings.init_scale, streams)?;
        Self::start(model, start, settings, streams)
    }

    /// A model of data in their own units of measure, to be trained further. Persistent chains make 500 sweeps first.
    pub(super) fn start_from(
        model: &Harmonium,
        data: &Dataset,
        visible_means: &[f32],
        settings: &HarmoniumSettings,
        streams: &Streams,
    ) -> Result<Self> {
        const OP: &str = "HarmoniumLearner::start_from";
        settings.check()?;
        check_len(OP, "model", "hidden units", model.hidden().units(), settings.hidden)?;
        let expected = [settings.visible.layer(data.units())?, settings.hidden_units.layer(settings.hidden)?];
        for (arg, found, expected) in
            [("visible", model.visible(), &expected[0]), ("hidden_units", model.hidden(), &expected[1])]
        {
            if found.name() != expected.name() {
                let value = format!("{} with a model of {}", expected.name(), found.name());
                let allowed = "the kinds of units of the model to start from";
                return Err(CoreError::Param { op: OP, arg, value, allowed }.into());
            }
        }
        let start = Start::of(model.visible(), data, visible_means)?;
        let back = |shift: &f32, scale: &f32| -shift / scale;
        let shift: Vec<f32> = start.shift.iter().zip(&start.scale).map(|(shift, scale)| back(shift, scale)).collect();
        let scale: Vec<f32> = start.scale.iter().map(|scale| 1.0 / scale).collect();
        let mut learner = Self::start(model.rescaled(&shift, &scale)?, start, settings, streams)?;
        if let Some(chains) = &mut learner.chains {
            learner.sampler.run(chains, BURN_IN, streams);
        }
        Ok(learner)
    }

    fn start(model: Harmonium, start: Start, settings: &HarmoniumSettings, streams: &Streams) -> Result<Self> {
        if settings.algorithm == Algorithm::Exact {
            let states = model.enumerable_states().filter(|&states| states <= EXACT_GRADIENT_LIMIT);
            states.ok_or_else(|| CoreError::Param {
                op: "training on the exact gradient",
                arg: "units",
                value: format!("{} and {}", model.visible().name(), model.hidden().name()),
                allowed: "a layer of at most 65536 states",
            })?;
        }
        let moving = Moving::of(&model)?;
        let hidden = model.hidden().means(&Matrix::zeros(model.hidden().units(), 1));
        let persists = settings.algorithm == Algorithm::Pcd;
        Ok(Self {
            chains: persists.then(|| model.chains(settings.chains, streams)),
            ascent: Ascent::new(settings.pace(), settings.optimiser, settings.regularise, moving.named().into_iter()),
            offsets: [start.means, hidden.as_slice().to_vec()],
            standards: (start.shift, start.scale),
            settings: settings.clone(),
            weights: None,
            sampler: Sampler::new(model),
            moving,
        })
    }

    /// The model of the data in their own units of measure, as it is now.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn harmonium(&self) -> Result<Harmonium> {
        Ok(self.sampler.model().rescaled(&self.standards.0, &self.standards.1)?)
    }

    /// Rows of data as states of the model in training.
    fn states(&self, op: &'static str, rows: BatchRef<'_>) -> Result<Batch> {
        let states = self.sampler.model().visible().states_of_rows(op, rows)?;
        let (shift, scale) = &self.standards;
        match states {
            Batch::Reals(mut reals) => {
                let of_unit = |unit: usize| (shift[unit], scale[unit]);
                for (unit, mut row) in reals.row_iter_mut().enumerate() {
                    let (shift, scale) = of_unit(unit);
                    row.apply(|x| *x = (*x - shift) / scale);
                }
                Ok(Batch::Reals(reals))
            }
            bits => Ok(bits),
        }
    }

    /// By so much log-densities of the data lie below those of the states.
    fn log_volume(&self) -> f64 {
        self.standards.1.iter().map(|&scale| f64::from(scale).ln()).sum()
    }

    /// What the chains say: the mean statistics of the model, and the share of visible units that changed.
    fn of_model(&mut self, data: &Batch, weights: &[f32], step: u64, streams: &Streams) -> Result<(Gradient, Figures)> {
        let Self { sampler, settings, chains, .. } = self;
        if settings.algorithm == Algorithm::Exact {
            return Ok((sampler.model().exact_statistics()?, Figures::default()));
        }
        let family = streams.fork(Purpose::Data, step);
        let mut own = match chains {
            Some(_) => None,
            None => {
                let inputs = sampler.inputs_h(data.view());
                let h = sampler.model().hidden().sample(&inputs, &family.fork(Purpose::Start, 0));
                Some(Chains { v: data.clone(), h, sweeps: 0 })
            }
        };
        let persistent = chains.is_some();
        // One of the two is there.
        let moved =
            chains.as_mut().or(own.as_mut()).ok_or(CoreError::Empty { op: "HarmoniumLearner", arg: "chains" })?;
        let flips = sampler.run(moved, settings.steps, if persistent { streams } else { &family }).flips;
        let weights = if persistent { &[] } else { weights };
        let found = Gradient::of_states(sampler, moved.v.view(), weights);
        Ok((found, Figures::new([("chain_flips", flips)])))
    }

    /// Brings the hidden units that have a scale nearer to variance 1 over the rows: p(v) does not know their scale, but
    /// steps of training do.
    fn normalise_hidden(&mut self, rows: &Batch) -> Result<()> {
        let model = self.sampler.model();
        if model.hidden().measures().iter().all(|&measure| measure == Measure::Fixed) {
            return Ok(());
        }
        let inputs = self.sampler.inputs_h(rows.view());
        let (means, variances) = (model.hidden().means(&inputs), model.hidden().variances(&inputs));
        let samples = rows.samples().max(1) as f64;
        let scale = |unit: usize| {
            let wide = |of: &Matrix| of.row(unit).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (means, within) = (wide(&means), wide(&variances).iter().sum::<f64>() / samples);
            let middle = means.iter().sum::<f64>() / samples;
            let between = means.iter().map(|m| (m - middle).powi(2)).sum::<f64>() / samples;
            let scale = 1.0 / (within + between).sqrt();
            if scale.is_finite() { scale.clamp(1.0 / MOST_SCALE, MOST_SCALE) as f32 } else { 1.0 }
        };
        let scales: Vec<f32> = (0..model.hidden().units()).map(scale).collect();
        let mut taken = Ok(vec![]);
        self.sampler.update(|model| taken = model.rescale_hidden(&scales));
        // The watch over divergence names the tensor of numbers that are none.
        let Ok(taken) = taken else { return Ok(()) };
        self.offsets[1].iter_mut().zip(&taken).for_each(|(offset, scale)| *offset *= scale);
        if let Some(Chains { h: Batch::Reals(h), .. }) = &mut self.chains {
            h.row_iter_mut().zip(&taken).for_each(|(mut row, scale)| row *= *scale);
        }
        Ok(())
    }

    /// Adds the slope of -l1b / (2 n) sum_j (sum_i |W_ij|)^2 over hidden units j and n visible units.
    fn add_block_penalty(&self, gradient: &mut Gradient) {
        let (weights, units) = (self.sampler.model().weights(), self.sampler.model().visible().units() as f32);
        if self.settings.l1b > 0.0 {
            for (mut slope, column) in gradient.weights.column_iter_mut().zip(weights.column_iter()) {
                let pull = self.settings.l1b * column.iter().map(|w| w.abs()).sum::<f32>() / units;
                slope
                    .iter_mut()
                    .zip(column.iter())
                    .filter(|(_, w)| **w != 0.0)
                    .for_each(|(g, w)| *g -= pull * w.signum());
            }
        }
    }

    /// -ln p(v | h) with h drawn given v, mean over samples.
    fn reconstruction(&self, v: &Batch, streams: &Streams) -> f64 {
        let model = self.sampler.model();
        let h = model.sample_h_from_v(v.view(), &streams.fork(Purpose::Evaluate, 0));
        let inputs = model.inputs_v_from_h(h.view());
        let (states, own) = (v.to_matrix(), model.visible().log_weights(v.view()));
        let cumulants = model.visible().cumulants(&inputs);
        let pair = |s: usize| -> f64 {
            let (states, inputs) = (states.column(s), inputs.column(s));
            states.iter().zip(inputs.iter()).map(|(&v, &x)| f64::from(v) * f64::from(x)).sum()
        };
        mean(&(0..v.samples()).map(|s| cumulants[s] - own[s] - pair(s)).collect::<Vec<_>>())
    }

    /// log Z by a short annealing.
    fn annealed(&self) -> Result<gm_core::Estimate> {
        let settings = AisSettings { runs: RUNS, schedule: Schedule::Linear(self.settings.annealing) };
        let watch = &mut |_| ControlFlow::Continue(());
        // The same random numbers at each look, so that looks can be compared.
        Ok(self.sampler.model().log_partition_ais(&settings, None, &Streams::new(0), watch)?.log_partition)
    }
}

/// The moments of data from which training starts.
struct Start {
    shift: Vec<f32>,
    scale: Vec<f32>,
    /// Means and variances of the standardised states.
    means: Vec<f32>,
    variances: Vec<f32>,
}

impl Start {
    fn of(visible: &Layer, data: &Dataset, visible_means: &[f32]) -> Result<Self> {
        const OP: &str = "HarmoniumLearner::with_data";
        check_len(OP, "visible_means", "length", visible_means.len(), visible.units())?;
        let Values::Numbers(numbers) = data.train.values() else {
            // Means of zeros and ones, as each kind reads them; their variances follow.
            let bits = Matrix::from_column_slice(visible.units(), 1, visible_means);
            let [off, on] = [0.0, 1.0].map(|bit| visible.bit_states(bit));
            let means = (0..visible.units()).map(|unit| off[unit] + bits[unit] * (on[unit] - off[unit])).collect();
            let of = |unit: usize| bits[unit] * (1.0 - bits[unit]) * (on[unit] - off[unit]).powi(2);
            let variances = (0..visible.units()).map(of).collect();
            let units = visible.units();
            return Ok(Self { shift: vec![0.0; units], scale: vec![1.0; units], means, variances });
        };
        visible.check(OP, "data", numbers.into())?;
        let weights = data.train.weights().unwrap_or(&[]);
        let (shift, scale) = visible.standards(numbers, weights);
        let weight = |s: usize| weights.get(s).map_or(1.0, |&weight| f64::from(weight));
        let total = (0..numbers.ncols()).map(weight).sum::<f64>().max(f64::MIN_POSITIVE);
        let moment = |unit: usize, f: &dyn Fn(f64) -> f64| {
            let standard = |x: f32| f64::from((x - shift[unit]) / scale[unit]);
            (0..numbers.ncols()).map(|s| weight(s) * f(standard(numbers[(unit, s)]))).sum::<f64>() / total
        };
        let means: Vec<f64> = (0..visible.units()).map(|unit| moment(unit, &|x| x)).collect();
        let variances = means.iter().enumerate().map(|(unit, m)| moment(unit, &|x| (x - m).powi(2)) as f32).collect();
        Ok(Self { means: means.iter().map(|&m| m as f32).collect(), variances, shift, scale })
    }
}

impl Weighted for HarmoniumLearner {
    fn weigh(&mut self, weights: Vec<f32>) {
        self.weights = Some(weights);
    }
}

impl Learner for HarmoniumLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let states = self.states("HarmoniumLearner::step", batch.view())?;
        let weights = self.weights.take().unwrap_or_default();
        // Statistics take weights as shares of the batch, and a batch of heavy rows counts for more than one of light rows.
        let share = if weights.is_empty() { 1.0 } else { mean(&widened(&weights)) as f32 };
        let weights = if share > 0.0 { weights } else { vec![] };
        let data = Gradient::of_states(&self.sampler, states.view(), &weights);
        let hidden_means = self.sampler.model().hidden().field_sums(&data.hidden);
        let (model, figures) = self.of_model(&states, &weights, clock.step, streams)?;
        let mut gradient = data.minus(&model);
        gradient.scale(share);
        if self.settings.centred {
            let rate = self.settings.hidden_offset_rate;
            let [mu, lambda] = &mut self.offsets;
            lambda.iter_mut().zip(hidden_means).for_each(|(offset, mean)| *offset += rate * (mean - *offset));
            gradient.centre(self.sampler.model(), mu, lambda);
        }
        self.add_block_penalty(&mut gradient);
        let slope = Slope {
            tensors: vec![gradient.weights.as_slice(), &gradient.visible, &gradient.hidden],
            ..Slope::default()
        };
        let learning_rate = self.ascent.climb(&mut self.moving, slope, clock);
        let moving = &self.moving;
        self.sampler.update(|model| {
            model.move_to(moving.stack.weights(0).as_slice(), &moving.layers[0], &moving.layers[1]);
        });
        self.normalise_hidden(&states)?;
        // Limits that the model keeps are those of the numbers that move.
        self.moving = Moving::of(self.sampler.model())?;
        Ok(StepReport { learning_rate, figures })
    }

    fn weighted(&mut self) -> Option<&mut dyn Weighted> {
        Some(self)
    }

    fn stack(&self) -> &Stack {
        &self.moving.stack
    }

    fn tensors(&self) -> Vec<(String, &[f32])> {
        self.moving.named().into_iter().collect()
    }

    fn parameters(&self) -> ParametersState {
        let mut state = ParametersState::new(&self.moving.stack, None);
        state.tensors.extend(LAYERS.map(String::from).into_iter().zip(self.moving.layers.clone()));
        state
    }

    fn set_parameters(&mut self, mut parameters: ParametersState) -> Result<()> {
        const OP: &str = "HarmoniumLearner::set_parameters";
        let layers = LAYERS.map(|name| parameters.tensors.remove(name).unwrap_or_default());
        let (stack, _) = parameters.into_parts()?;
        let model = self.sampler.model();
        check_layers(OP, &stack, &[model.visible().units(), model.hidden().units()])?;
        let [visible, hidden] = layers;
        let changed = Harmonium::new(
            model.visible().clone().with_parameters(visible)?,
            model.hidden().clone().with_parameters(hidden)?,
            stack.weights(0).clone(),
        )?;
        self.moving = Moving::of(&changed)?;
        self.sampler.update(|model| *model = changed);
        Ok(())
    }

    fn enumerable_units(&self) -> usize {
        self.sampler.model().enumerable_units()
    }

    fn judged_by(&self) -> &'static [&'static str] {
        match self.settings.annealing {
            0 => &["free_energy_gap"],
            _ => &["estimated_log_likelihood", "free_energy_gap"],
        }
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.harmonium()?.to_data()?)
    }

    fn figures(&self, probe: &Probe, streams: &Streams) -> Result<Figures> {
        const OP: &str = "HarmoniumLearner::figures";
        let (train, valid) = (self.states(OP, probe.train.view())?, self.states(OP, probe.valid.view())?);
        let (model, volume) = (self.sampler.model(), self.log_volume());
        let (of_train, of_valid) = (model.free_energy(train.view()), model.free_energy(valid.view()));
        let mut figures = Figures::new([
            ("reconstruction", self.reconstruction(&valid, streams) + volume),
            ("free_energy_gap", mean(&of_valid) - mean(&of_train)),
            ("weight_rms", rms(model.weights().as_slice())),
        ]);
        let mut of_log_z = |names: [&'static str; 2], log_z: f64| {
            figures.push(names[0], -mean(&of_valid) - log_z - volume);
            figures.push(names[1], -mean(&of_train) - log_z - volume);
        };
        if self.enumerable_units() <= probe.exact_units {
            of_log_z(["log_likelihood", "train_log_likelihood"], model.log_partition()?);
        } else if self.settings.annealing > 0 {
            let log_z = self.annealed()?;
            of_log_z(["estimated_log_likelihood", "train_estimated_log_likelihood"], log_z.value);
            figures.push("log_partition", log_z.value);
            figures.push("log_partition_error", log_z.std_error);
        }
        Ok(figures)
    }

    fn state(&self) -> LearnerState {
        let mut state =
            LearnerState { parameters: self.parameters(), optimiser: self.ascent.state(), ..LearnerState::default() };
        state.put_layers("offset", &self.offsets);
        if let Some(chains) = &self.chains {
            let of = |states: &Batch| ChainsState { sweeps: chains.sweeps, layers: vec![states.into()] };
            state.chains.insert(CHAINS.into(), of(&chains.v));
            state.chains.insert(HIDDEN_CHAINS.into(), of(&chains.h));
        }
        state
    }

    fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "HarmoniumLearner::restore";
        let units = [self.sampler.model().visible().units(), self.sampler.model().hidden().units()];
        self.set_parameters(std::mem::take(&mut state.parameters))?;
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        let offsets = state.take_layers(OP, "offset", &units)?;
        self.offsets = offsets.try_into().map_err(|_| CoreError::Empty { op: OP, arg: "offset" })?;
        if let Some(chains) = &mut self.chains {
            let mut take = |name, units| state.take_chains(OP, name, &[units]);
            let (v, h) = (take(CHAINS, units[0])?, take(HIDDEN_CHAINS, units[1])?);
            check_len(OP, "chains", "samples", h.count(), v.count())?;
            let sweeps = v.sweeps;
            *chains = Chains { v: v.into_v(), h: h.into_v(), sweeps };
            let model = self.sampler.model();
            model.visible().check(OP, "chains", chains.v.view())?;
            model.hidden().check(OP, "chains", chains.h.view())?;
        }
        Ok(())
    }
}
