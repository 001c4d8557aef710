//! All layers of a deep belief network together: the up-down algorithm, and reweighted wake-sleep.

use gm_ascent::{Ascent, Clock, Figures, LearnerState, Regularise, Slope};
use gm_core::{BatchRef, BitMatrix, Purpose, Recognition, Stack, Streams, log_sum_exp};
use gm_dbn::{Dbn, Gradient, Sampler, Sleep, Wake};
use gm_rbm::{Chains, Offsets, Phase, gradient_into};

use crate::dbn::labels::joined;
use crate::dbn::settings::{Backfit, DbnSettings};
use crate::error::Result;
use crate::learner::{CHAINS, Parameters, StepReport, binary};

/// The share of the recognition net's gradient that comes from dreams, in reweighted wake-sleep.
const DREAMS: f32 = 0.5;

/// The last stage of a network's training.
///
/// # Randomness
///
/// Draws at update t from family t of [`Purpose::Propose`], chains that start at them from family t of [`Purpose::Data`],
/// dreams from family t of [`Purpose::Noise`]; persistent chains as [`Rbm::chains`](gm_rbm::Rbm::chains) and with their sweeps.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    settings: DbnSettings,
    ascent: Ascent,
    offsets: Offsets,
    chains: Option<Chains>,
    gradient: Gradient,
    top_gradient: Stack,
    data: Phase,
    model: Phase,
}

impl Together {
    /// Before the first update of a network with a recognition net of its own.
    pub(crate) fn new(dbn: &Dbn, settings: &DbnSettings, streams: &Streams) -> Self {
        let top = dbn.top();
        let idle = Phase::new(&top.sampler(), &BitMatrix::zeros(top.visible(), 1));
        let chains = (settings.backfit == Backfit::Rws).then(|| top.chains(settings.layer.chains, streams));
        Self {
            ascent: Ascent::new(settings.backfit_pace(), settings.backfit_optimiser, Regularise::default(), named(dbn)),
            offsets: Offsets { layers: vec![vec![0.5; top.visible()], vec![0.5; top.hidden()]] },
            chains,
            gradient: Gradient::zeros(dbn),
            top_gradient: top.stack().clone(),
            data: idle.clone(),
            model: idle,
            settings: settings.clone(),
        }
    }

    /// Updates all layers from a batch: visible states, and label units behind them.
    pub(crate) fn step(
        &mut self,
        sampler: &mut Sampler,
        (v, labels): (BatchRef<'_>, &BitMatrix),
        clock: &Clock,
        streams: &Streams,
    ) -> Result<StepReport> {
        let draws = self.settings.draws();
        let family = streams.fork(Purpose::Propose, clock.step);
        let wake = Wake::new(sampler, v, draws, &family);
        let weights = normalised(&wake.log_weights(), draws);
        let rows: Vec<usize> = (0..v.samples()).flat_map(|row| std::iter::repeat_n(row, draws)).collect();
        let lower = joined(wake.lower(), &labels.select(&rows), sampler.model().classes());
        let (dreamt, flips) = self.ascend_top(sampler.top(), (&lower, &weights), clock, streams);
        let dreams = Sleep::new(sampler, &dreamt, &streams.fork(Purpose::Noise, clock.step));
        let scale = 1.0 / v.samples() as f32;
        let a: Vec<f32> = weights.iter().map(|w| w * scale).collect();
        let c: Vec<f32> = a.iter().map(|a| a * (1.0 - DREAMS)).collect();
        let reweighted = self.settings.backfit == Backfit::Rws;
        let share = if reweighted { DREAMS } else { 1.0 };
        self.gradient.set_directed(wake, (&a, reweighted.then_some(&c)), Some((dreams, share)));
        self.gradient.set_top(&self.top_gradient);
        let Self { ascent, gradient, .. } = self;
        let slope = Slope { tensors: gradient.tensors().collect(), ..Slope::default() };
        let learning_rate = sampler.update(|dbn| ascent.climb(Parameters(dbn), slope, clock));
        Ok(StepReport { learning_rate, figures: Figures::new([("chain_flips", flips)]) })
    }

    /// The gradient of the machine on top; the states in which its chains end, and the share of units that flipped.
    fn ascend_top(
        &mut self,
        top: &gm_rbm::Sampler,
        (lower, weights): (&BitMatrix, &[f32]),
        clock: &Clock,
        streams: &Streams,
    ) -> (BitMatrix, f64) {
        self.data.refill(top, lower);
        if self.settings.draws() > 1 {
            self.data.weigh(weights);
        }
        let family = streams.fork(Purpose::Data, clock.step);
        // Persistent chains go on, contrastive ones start at the data.
        let persistent = self.chains.take();
        let persist = persistent.is_some();
        let mut chains = persistent.unwrap_or_else(|| {
            let mut h = BitMatrix::zeros(top.model().hidden(), lower.samples());
            self.data.hidden().sample_into(&mut h, &family.fork(Purpose::Start, 1));
            Chains::new(vec![lower.clone().into(), h.into()])
        });
        let (sweeps, streams) = (self.settings.sweeps_at(clock), if persist { streams } else { &family });
        let info = top.run_into_phase(&mut chains, sweeps, streams, &mut self.model);
        let states = chains.v().bits().clone();
        self.chains = persist.then_some(chains);
        gradient_into(&self.data, &self.model, &mut self.top_gradient);
        if self.settings.layer.centred {
            let rate = if clock.step == 0 { 1.0 } else { self.settings.layer.hidden_offset_rate };
            self.offsets.slide(self.data.averages(), &[rate; 2]);
            self.offsets.centre(&mut self.top_gradient);
        }
        (states, info.flips)
    }

    /// All that the next update depends on, but for the parameters.
    pub(crate) fn state(&self) -> LearnerState {
        let mut state = LearnerState { optimiser: self.ascent.state(), ..LearnerState::default() };
        state.put_layers("offset", &self.offsets.layers);
        state.chains.extend(self.chains.iter().map(|chains| (CHAINS.to_string(), chains.into())));
        state
    }

    /// Takes over a saved state.
    pub(crate) fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "DbnLearner::restore";
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        let units = [self.offsets.layers[0].len(), self.offsets.layers[1].len()];
        self.offsets = Offsets { layers: state.take_layers(OP, "offset", &units)? };
        if self.chains.is_some() {
            let chains = state.take_chains(OP, CHAINS, &units)?;
            binary(OP, chains.v(), units[0])?;
            self.chains = Some(chains);
        }
        Ok(())
    }
}

/// All tensors of a network by name.
fn named(dbn: &Dbn) -> impl Iterator<Item = (String, &[f32])> {
    let names = dbn.recognition().into_iter().flat_map(Recognition::tensor_names);
    let labels = ["label.weights", "label.bias"].map(String::from);
    dbn.stack().tensor_names().into_iter().chain(names).chain(labels).zip(dbn.tensors())
}

/// Importance weights that sum to one over the draws of each row.
fn normalised(log_weights: &[f64], draws: usize) -> Vec<f32> {
    let of_row = |logs: &[f64]| {
        let total = log_sum_exp(logs);
        logs.iter().map(|log_weight| (log_weight - total).exp() as f32).collect::<Vec<f32>>()
    };
    log_weights.chunks(draws).flat_map(of_row).collect()
}
