//! What a shard has of a restricted Boltzmann machine in training: its chains, and what they and its rows say.

use gm_ascent::{Clock, Figures, Found, in_force};
use gm_core::{BatchRef, Purpose, Stack, Streams, mean, widened};
use gm_rbm::{Phase, Rbm, Sampler, class_gradient_into, contrastive_divergence, gradient_into, variance_gradient};

use crate::error::Result;
use crate::rbm::chains::ModelChains;
use crate::rbm::settings::{Algorithm, RbmSettings};

/// The chains of a shard, and the gradient of its rows.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) chains: Option<ModelChains>,
    data: Phase,
    model: Phase,
    pub(super) gradient: Stack,
    /// The gradient of log p(label | row), where it counts.
    scores: Option<Stack>,
    /// The gradient with respect to the log-variances of Gaussian units.
    pub(super) log_variances: Vec<f32>,
    /// Means of both layers over the rows.
    pub(super) averages: Vec<Vec<f32>>,
    /// The mean weight of the rows.
    weight: f32,
}

impl Shard {
    /// Before the first update; `means` are those of the data, `[visible]`.
    pub(super) fn new(
        sampler: &Sampler,
        means: &[f32],
        settings: &RbmSettings,
        chains: usize,
        streams: &Streams,
    ) -> Result<Self> {
        let rbm = sampler.model();
        let idle = Phase::new(sampler, &rbm.units().blank(rbm.visible(), 1));
        Ok(Self {
            chains: ModelChains::new(rbm, means, settings, chains, streams)?,
            averages: idle.averages().to_vec(),
            data: idle.clone(),
            model: idle,
            gradient: rbm.stack().clone(),
            scores: (settings.class_weight > 0.0).then(|| rbm.stack().clone()),
            log_variances: vec![0.0; rbm.units().gaussian().map_or(0, |_| rbm.visible())],
            weight: 1.0,
        })
    }

    /// Computes the gradient of the mean log-likelihood of rows, each times its weight if they have weights; figures of the
    /// chains.
    pub(super) fn ascend(
        &mut self,
        (sampler, settings): (&Sampler, &RbmSettings),
        (batch, weights): (BatchRef<'_>, Option<&[f32]>),
        clock: &Clock,
        streams: &Streams,
    ) -> Result<Figures> {
        // Statistics take weights as shares of the batch, and a batch of heavy rows counts for more than one of light rows.
        let share = weights.map_or(1.0, |weights| mean(&widened(weights)));
        let figures = self.climb((sampler, settings), (batch, weights.filter(|_| share > 0.0)), clock, streams)?;
        self.weight = share as f32;
        if weights.is_some() {
            let variances = self.log_variances.iter_mut();
            self.gradient.tensors_mut().flatten().chain(variances).for_each(|g| *g *= share as f32);
        }
        self.discriminate((sampler, settings), batch)?;
        self.averages.clone_from_slice(self.data.averages());
        Ok(figures)
    }

    /// The gradient where only the ratios of weights matter.
    fn climb(
        &mut self,
        (sampler, settings): (&Sampler, &RbmSettings),
        (batch, weights): (BatchRef<'_>, Option<&[f32]>),
        clock: &Clock,
        streams: &Streams,
    ) -> Result<Figures> {
        let k = in_force(settings.steps, &settings.later_steps, clock);
        let (rbm, model): (&Rbm, _) = (sampler.model(), &mut self.model);
        // Neither phase waits for the other where one core has nothing to do.
        let ((), figures) = rayon::join(
            || {
                self.data.refill(sampler, batch);
                if let Some(weights) = weights {
                    self.data.weigh(weights);
                }
            },
            || self.chains.as_mut().map(|chains| chains.advance(sampler, k, clock.step, streams, model)),
        );
        let figures = figures.unwrap_or_default();
        if settings.algorithm == Algorithm::Exact {
            let variances = rbm.exact_gradient_into(&self.data, &mut self.gradient)?;
            self.log_variances = variances.unwrap_or_default();
            return Ok(figures);
        }
        if self.chains.is_none() {
            let streams = streams.fork(Purpose::Data, clock.step);
            contrastive_divergence(sampler, (batch, &self.data), k, &streams, &mut self.model);
            // A chain counts as much as the row from which it came.
            if let Some(weights) = weights {
                self.model.weigh(weights);
            }
        }
        gradient_into(&self.data, &self.model, &mut self.gradient);
        if rbm.units().gaussian().is_some() {
            self.log_variances = variance_gradient(rbm, &self.data, &self.model, &self.gradient);
        }
        Ok(figures)
    }

    /// Adds the gradient of log p(label | row) with its weight.
    fn discriminate(&mut self, (sampler, settings): (&Sampler, &RbmSettings), batch: BatchRef<'_>) -> Result<()> {
        let (Some(scores), BatchRef::Bits(v)) = (&mut self.scores, batch) else { return Ok(()) };
        class_gradient_into(sampler, v, scores)?;
        for (to, scores) in self.gradient.tensors_mut().zip(scores.tensors()) {
            to.iter_mut().zip(scores).for_each(|(to, score)| *to += settings.class_weight * score);
        }
        Ok(())
    }

    /// What the last update has found, to be joined with what others have.
    pub(super) fn found(&mut self, figures: Figures) -> Found<'_> {
        Found {
            means: self.gradient.tensors_mut().chain([self.log_variances.as_mut_slice()]).collect(),
            weighted: self.averages.iter_mut().map(Vec::as_mut_slice).collect(),
            weight: self.weight,
            figures,
        }
    }
}
