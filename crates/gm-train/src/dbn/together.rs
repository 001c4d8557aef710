//! All layers of a deep belief network together: the up-down algorithm, and reweighted wake-sleep.

use std::borrow::Cow;

use gm_ascent::{Ascent, Clock, Figures, Found, LearnerState, Regularise, Slope, Team};
use gm_core::{BitMatrix, Purpose, Recognition, Stack, Streams, log_sum_exp};
use gm_dbn::{Dbn, Gradient, Sampler, Sleep, Wake};
use gm_rbm::{Chains, Offsets, Phase, gradient_into};

use crate::dbn::labels::joined;
use crate::dbn::learner::Rows;
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
    team: Team,
    /// The shards of this process. The first one also has the sums over all.
    shards: Vec<Shard>,
}

/// The chains of a shard, and the gradient of its rows.
#[derive(Clone, Debug)]
struct Shard {
    chains: Option<Chains>,
    gradient: Gradient,
    top_gradient: Stack,
    /// Means of both layers of the machine on top over the draws.
    averages: Vec<Vec<f32>>,
    data: Phase,
    model: Phase,
}

impl Together {
    /// Before the first update of a network with a recognition net of its own. The team has been found to divide the chains.
    pub(crate) fn new(dbn: &Dbn, settings: &DbnSettings, team: Team, streams: &Streams) -> Self {
        let top = dbn.top();
        let idle = Phase::new(&top.sampler(), &BitMatrix::zeros(top.visible(), 1));
        let each = settings.layer.chains / team.shards();
        let shard = |own| Shard {
            chains: (settings.backfit == Backfit::Rws).then(|| top.chains(each, &team.streams(own, streams))),
            gradient: Gradient::zeros(dbn),
            top_gradient: top.stack().clone(),
            averages: idle.averages().to_vec(),
            data: idle.clone(),
            model: idle.clone(),
        };
        Self {
            ascent: Ascent::new(settings.backfit_pace(), settings.backfit_optimiser, Regularise::default(), named(dbn)),
            offsets: Offsets { layers: vec![vec![0.5; top.visible()], vec![0.5; top.hidden()]] },
            shards: team.own().map(shard).collect(),
            team,
            settings: settings.clone(),
        }
    }

    /// Updates all layers from the rows of each shard of this process, out of a batch of `rows`.
    pub(crate) fn step(
        &mut self,
        sampler: &mut Sampler,
        (parts, rows): (&[Cow<'_, Rows>], usize),
        clock: &Clock,
        streams: &Streams,
    ) -> Result<StepReport> {
        let mut found = vec![];
        for (own, (shard, part)) in self.team.own().zip(self.shards.iter_mut().zip(parts)) {
            let streams = self.team.streams(own, streams);
            let figures = shard.ascend((sampler, &self.settings), part, clock, &streams);
            if self.team.shards() > 1 {
                shard.gradient.set_top(&shard.top_gradient);
            }
            found.push(shard.found(figures));
        }
        let figures = self.team.join(rows, found)?;
        let Shard { gradient, top_gradient, averages, .. } = &mut self.shards[0];
        if self.team.shards() > 1 {
            *top_gradient = gradient.top();
        }
        if self.settings.layer.centred {
            let rate = if clock.step == 0 { 1.0 } else { self.settings.layer.hidden_offset_rate };
            self.offsets.slide(averages, &[rate; 2]);
            self.offsets.centre(top_gradient);
        }
        gradient.set_top(top_gradient);
        let (ascent, slope) = (&mut self.ascent, Slope { tensors: gradient.tensors().collect(), ..Slope::default() });
        let learning_rate = sampler.update(|dbn| ascent.climb(Parameters(dbn), slope, clock));
        Ok(StepReport { learning_rate, figures })
    }

    /// All that the next update depends on, but for the parameters.
    pub(crate) fn state(&self) -> LearnerState {
        let mut state = LearnerState { optimiser: self.ascent.state(), ..LearnerState::default() };
        state.put_layers("offset", &self.offsets.layers);
        let of_shard = |shard: &Shard| LearnerState {
            chains: shard.chains.iter().map(|chains| (CHAINS.to_string(), chains.into())).collect(),
            ..LearnerState::default()
        };
        state.put_shards(self.shards.iter().map(of_shard));
        state
    }

    /// Takes over a saved state.
    pub(crate) fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "DbnLearner::restore";
        self.ascent.restore(std::mem::take(&mut state.optimiser))?;
        let units = [self.offsets.layers[0].len(), self.offsets.layers[1].len()];
        self.offsets = Offsets { layers: state.take_layers(OP, "offset", &units)? };
        let mut parts = state.take_shards(self.team.shards())?;
        for (shard, part) in self.shards.iter_mut().zip(&mut parts[self.team.own()]) {
            if let Some(chains) = &mut shard.chains {
                *chains = part.take_chains(OP, CHAINS, &units)?;
                binary(OP, chains.v(), units[0])?;
            }
        }
        Ok(())
    }
}

impl Shard {
    /// Computes the gradient of rows, that of the machine on top apart; figures of the chains.
    fn ascend(
        &mut self,
        (sampler, settings): (&Sampler, &DbnSettings),
        Rows { v, labels }: &Rows,
        clock: &Clock,
        streams: &Streams,
    ) -> Figures {
        let draws = settings.draws();
        let family = streams.fork(Purpose::Propose, clock.step);
        let wake = Wake::new(sampler, v, draws, &family);
        let weights = normalised(&wake.log_weights(), draws);
        let rows: Vec<usize> = (0..v.samples()).flat_map(|row| std::iter::repeat_n(row, draws)).collect();
        let lower = joined(wake.lower(), &labels.select(&rows), sampler.model().classes());
        let (dreamt, flips) = self.ascend_top((sampler.top(), settings), (&lower, &weights), clock, streams);
        let dreams = Sleep::new(sampler, &dreamt, &streams.fork(Purpose::Noise, clock.step));
        let scale = 1.0 / v.samples() as f32;
        let a: Vec<f32> = weights.iter().map(|w| w * scale).collect();
        let c: Vec<f32> = a.iter().map(|a| a * (1.0 - DREAMS)).collect();
        let reweighted = settings.backfit == Backfit::Rws;
        let share = if reweighted { DREAMS } else { 1.0 };
        self.gradient.set_directed(wake, (&a, reweighted.then_some(&c)), Some((dreams, share)));
        Figures::new([("chain_flips", flips)])
    }

    /// The gradient of the machine on top; the states in which its chains end, and the share of units that flipped.
    fn ascend_top(
        &mut self,
        (top, settings): (&gm_rbm::Sampler, &DbnSettings),
        (lower, weights): (&BitMatrix, &[f32]),
        clock: &Clock,
        streams: &Streams,
    ) -> (BitMatrix, f64) {
        self.data.refill(top, lower);
        if settings.draws() > 1 {
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
        let (sweeps, streams) = (settings.sweeps_at(clock), if persist { streams } else { &family });
        let info = top.run_into_phase(&mut chains, sweeps, streams, &mut self.model);
        let states = chains.v().bits().clone();
        self.chains = persist.then_some(chains);
        gradient_into(&self.data, &self.model, &mut self.top_gradient);
        self.averages.clone_from_slice(self.data.averages());
        (states, info.flips)
    }

    /// What the last update has found, to be joined with what others have.
    fn found(&mut self, figures: Figures) -> Found<'_> {
        Found {
            means: self.gradient.tensors_mut().collect(),
            weighted: self.averages.iter_mut().map(Vec::as_mut_slice).collect(),
            weight: 1.0,
            figures,
        }
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
