//! What a shard has of a deep Boltzmann machine in training: its chains, and what they and its rows say.

use gm_ascent::{Figures, Found};
use gm_core::{BatchRef, Stack, Streams};
use gm_dbm::{DataPhase, Dbm, Offsets, Pretraining, Sampler, gradient_into, variance_gradient};

use crate::dbm::chains::DbmChains;
use crate::dbm::settings::DbmSettings;
use crate::error::Result;

/// The chains of a shard, and the gradient of its rows.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) chains: DbmChains,
    pub(super) gradient: Stack,
    /// The gradient with respect to the log-variances of Gaussian units.
    pub(super) log_variances: Vec<f32>,
    /// Means of each layer over the rows.
    pub(super) averages: Vec<Vec<f32>>,
}

impl Shard {
    /// Before the first update, with chains of its own.
    pub(super) fn new(dbm: &Dbm, chains: DbmChains) -> Self {
        Self {
            chains,
            gradient: dbm.stack().clone(),
            log_variances: vec![0.0; dbm.units().gaussian().map_or(0, |_| dbm.visible())],
            averages: dbm.layers().into_iter().map(|units| vec![0.0; units]).collect(),
        }
    }

    /// Computes the gradient of the mean log-likelihood of rows, with all layers together; figures of the update.
    pub(super) fn ascend(
        &mut self,
        (sampler, settings): (&Sampler, &DbmSettings),
        batch: BatchRef<'_>,
        streams: &Streams,
    ) -> Result<Figures> {
        let posterior = sampler.mean_field(batch, &settings.mean_field())?;
        let iterations = posterior.iterations as f64;
        let data = DataPhase::new(batch, posterior);
        let (mut figures, model) = self.chains.advance(sampler, settings.steps, streams);
        gradient_into(&data, &model, &mut self.gradient);
        if sampler.model().units().gaussian().is_some() {
            self.log_variances = variance_gradient(sampler.model(), &data, &model, &self.gradient);
        }
        self.averages.clone_from_slice(data.averages());
        figures.push("mean_field_iterations", iterations);
        Ok(figures)
    }

    /// Computes the gradient of one matrix as a machine of two layers; variances stay as they are.
    pub(super) fn pretrain(
        &mut self,
        pretraining: &Pretraining<'_>,
        batch: BatchRef<'_>,
        offsets: &Offsets,
        streams: &Streams,
    ) {
        self.averages = pretraining.gradient_into(batch, offsets, streams, &mut self.gradient);
        self.log_variances.fill(0.0);
    }

    /// What the last update has found, to be joined with what others have.
    pub(super) fn found(&mut self, figures: Figures) -> Found<'_> {
        Found {
            means: self.gradient.tensors_mut().chain([self.log_variances.as_mut_slice()]).collect(),
            weighted: self.averages.iter_mut().map(Vec::as_mut_slice).collect(),
            weight: 1.0,
            figures,
        }
    }
}
