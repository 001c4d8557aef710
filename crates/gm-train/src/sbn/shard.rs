//! What a shard says of a sigmoid belief net in training: the gradients of its rows.

use gm_ascent::{Figures, Found};
use gm_core::{Batch, BitMatrix, Chains, Purpose, Recognition, Stack, Streams, mean};
use gm_sbn::{Draws, Dreams, Generated, Recognised, Sampler, Sbn};

use crate::error::Result;
use crate::sbn::baseline::Baseline;
use crate::sbn::rule::SbnRule;
use crate::sbn::settings::SbnSettings;

/// What all shards share: the model, the settings and K of the present update.
type Common<'a> = (&'a Sampler, &'a SbnSettings, usize);

/// The gradients of the rows of a shard.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// There is no recognition net without hidden layers.
    pub(super) gradient: (Stack, Option<Recognition>),
    /// The baseline of the model, and then what the rows taught it.
    pub(super) baseline: Option<Baseline>,
    /// Mean and variance of the learning signal, of several shards.
    moments: [f32; 2],
}

impl Shard {
    /// Before the first update.
    pub(super) fn new(sbn: &Sbn) -> Self {
        Self { gradient: (sbn.stack().clone(), sbn.recognition().cloned()), baseline: None, moments: [0.0; 2] }
    }

    /// Computes the gradients of rows; their mean K-sample bound, where the rule draws from q.
    pub(super) fn ascend(
        &mut self,
        (sampler, settings, samples): Common<'_>,
        batch: &BitMatrix,
        step: u64,
        streams: &Streams,
    ) -> Result<Figures> {
        if sampler.model().depth() == 0 {
            return Ok(self.ascend_exactly(sampler, batch));
        }
        if settings.rule == SbnRule::Exact {
            let sbn = sampler.model();
            self.gradient = (sbn.exact_gradient(batch)?, Some(sbn.exact_recognition_gradient(batch)?));
            return Ok(Figures::default());
        }
        let (wake, sleep) = settings.shares();
        // Dreams and data, and then the two nets, have nothing to do with each other: no core waits for what another one does.
        let (draws, dreams) = rayon::join(
            || draws((sampler, settings, samples), batch, step, streams),
            || (sleep > 0.0).then(|| dreams(sampler, batch.samples(), sleep, &streams.fork(Purpose::Noise, step))),
        );
        let logs = draws.log_weights();
        let (a, c) = self.coefficients((settings, samples), batch, &logs);
        let bound = mean(&logs.chunks(samples).map(gm_core::log_mean_exp).collect::<Vec<_>>());
        let (generated, recognised) = draws.into_parts();
        let (generative, recognition) = &mut self.gradient;
        rayon::join(
            || generated.gradient_into(&a, generative),
            || {
                let awake = (wake > 0.0).then(|| recognised.weighted(&c));
                let parts: Vec<Recognised> = awake.into_iter().chain(dreams).collect();
                recognition.iter_mut().for_each(|gradient| Recognised::gradient_into(&parts, gradient));
            },
        );
        Ok(Figures::new((settings.rule != SbnRule::GibbsEm).then_some(("batch_bound", bound))))
    }

    /// Computes the gradient of a fully visible net; the mean log p of the rows.
    fn ascend_exactly(&mut self, sampler: &Sampler, batch: &BitMatrix) -> Figures {
        let generated = Generated::new(sampler, vec![batch.clone()]);
        let log_prob = mean(generated.log_p());
        generated.gradient_into(&vec![1.0 / batch.samples() as f32; batch.samples()], &mut self.gradient.0);
        Figures::new([("batch_bound", log_prob)])
    }

    /// The weights of all scores, divided by the rows.
    fn coefficients(
        &mut self,
        (settings, k): (&SbnSettings, usize),
        batch: &BitMatrix,
        logs: &[f64],
    ) -> (Vec<f32>, Vec<f32>) {
        let rows = batch.samples() as f64;
        let (baselines, scale) = match &mut self.baseline {
            Some(baseline) => baseline.judge(batch, &logs.chunks(k).map(mean).collect::<Vec<_>>()),
            None => (vec![0.0; batch.samples()], 1.0),
        };
        let (wake, rule) = (settings.shares().0, settings.rule);
        let (mut a, mut c) = (Vec::with_capacity(logs.len()), Vec::with_capacity(logs.len()));
        for (logs, baseline) in logs.chunks(k).zip(baselines) {
            let row = rule.coefficients(logs, baseline);
            a.extend(row.0.iter().map(|a| (a / rows) as f32));
            c.extend(row.1.iter().map(|c| (wake * c / scale / rows) as f32));
        }
        (a, c)
    }

    /// What the last update has found, to be joined with what others have.
    pub(super) fn found(&mut self, figures: Figures) -> Found<'_> {
        let Self { gradient: (generative, recognition), baseline, moments } = self;
        let mut means: Vec<&mut [f32]> =
            generative.tensors_mut().chain(recognition.iter_mut().flat_map(Recognition::tensors_mut)).collect();
        if let Some(baseline) = baseline {
            *moments = baseline.moments.unwrap_or_default().map(|moment| moment as f32);
            means.extend(baseline.gradient.iter_mut().map(Vec::as_mut_slice));
            means.push(moments);
        }
        Found { means, weighted: vec![], weight: 1.0, figures }
    }

    /// The baseline after the update, of the first of `shards` shards once they were joined.
    pub(super) fn judged(&mut self, shards: usize) -> Option<Baseline> {
        let mut baseline = self.baseline.take()?;
        if shards > 1 {
            baseline.moments = Some(self.moments.map(f64::from));
        }
        Some(baseline)
    }
}

/// The scores of the recognition net over `count` dreams, which make up `share` of the update.
fn dreams(sampler: &Sampler, count: usize, share: f64, family: &Streams) -> Recognised {
    let dreams = Dreams::new(sampler, count, family);
    dreams.recognised.weighted(&vec![(share / count as f64) as f32; count])
}

/// The hidden states of an update.
fn draws((sampler, settings, k): Common<'_>, batch: &BitMatrix, step: u64, streams: &Streams) -> Draws {
    let family = streams.fork(Purpose::Propose, step);
    if settings.rule != SbnRule::GibbsEm {
        return Draws::recognised(sampler, batch, k, &family);
    }
    let rows: Vec<usize> = (0..batch.samples()).flat_map(|row| std::iter::repeat_n(row, k)).collect();
    let layers = sampler.recognise(batch.select(&rows), &family);
    let mut chains = Chains::new(layers.into_iter().map(Batch::from).collect());
    sampler.model().gibbs(&mut chains, None, settings.sweeps, &streams.fork(Purpose::Data, step));
    let hidden: Vec<BitMatrix> = chains.layers.drain(1..).map(|x| x.bits().clone()).collect();
    Draws::of_states(sampler, batch, &hidden)
}
