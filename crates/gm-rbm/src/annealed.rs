//! The likelihood by annealed importance sampling, forwards and in reverse.

use gm_core::{
    Activations, AisSettings, Annealed, AnnealedPath, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains, Error,
    Matrix, Purpose, Result, Schedule, Streams, VisibleUnits, Watch, anneal, anneal_back, log_mean_exp, widened,
};

use crate::conditional::{Couplings, Heat};
use crate::model::Rbm;

impl Rbm {
    /// The biases of independent visible units that have the means of data, `[visible]`. They are a base for annealing.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// assert_eq!(rbm.base_rates(&BitMatrix::from_fn(3, 2, |_, sample| sample == 0))?, [0.0; 3]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn base_rates<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Vec<f32>> {
        let data = data.into();
        self.check_data("Rbm::base_rates", data)?;
        Ok(self.units().bias_of_means(&means(data)))
    }

    /// log Z by annealing from independent visible units to this model.
    ///
    /// The best base biases are [`base_rates`](Self::base_rates) of the training data. By default they come from the
    /// means of short chains of the model. Any finite base gives a valid estimate. A base near the model gives a
    /// sharper one.
    ///
    /// f_beta(v) = exp(((1 - beta) base + beta a)' v) prod_j (1 + exp(beta (b_j + W_j' v))).
    ///
    /// # Randomness
    ///
    /// As [`anneal`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, [`Error::Shape`] for a base of another length,
    /// [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Source
    ///
    /// `salakhutdinov2008quantitative`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = rbm.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let base = self.base_or_own("Rbm::log_partition_ais", base, streams)?;
        anneal(&BaseRatePath::new(self, &base), settings, streams, watch)
    }

    /// log Z from above, by reverse AIS from the model to independent visible units, with one run from each of
    /// `states`.
    ///
    /// It is above log Z in expectation when `states` are independent exact draws of the model. There are none for a
    /// large model, and states that have not come to equilibrium may err to either side.
    ///
    /// # Shapes
    ///
    /// `states` are visible states, `[visible, runs]`.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// The errors of [`log_partition_ais`](Self::log_partition_ais) and of [`check_data`](Self::check_data),
    /// [`Error::Empty`] without states.
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let (streams, schedule) = (Streams::new(0), Schedule::Linear(5));
    /// let model = rbm.exact_samples(10, &streams)?.into_v();
    /// let found = rbm.log_partition_reverse_ais(&model, &schedule, None, &streams, &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_reverse_ais<'v>(
        &self,
        states: impl Into<BatchRef<'v>>,
        schedule: &Schedule,
        base: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        const OP: &str = "Rbm::log_partition_reverse_ais";
        let v = states.into();
        self.check_data(OP, v)?;
        let base = self.base_or_own(OP, base, streams)?;
        let path = BaseRatePath::new(self, &base);
        anneal_back(&path, (path.chains_at(v.to_batch()), v.samples()), schedule, streams, watch)
    }

    /// A lower bound in expectation on log p(v) of each sample, `[samples]`: RAISE.
    ///
    /// The bound holds for the distribution at which annealing from independent visible units ends. The finer the
    /// schedule, the closer it comes to the distribution of the model. The bound averages `runs` reverse AIS runs from
    /// each sample, and is tighter with more runs.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Numerics
    ///
    /// samples x runs chains, each with one sweep at each temperature.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// As [`log_partition_reverse_ais`](Self::log_partition_reverse_ais), and [`Error::Param`] without runs.
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, Streams, unwatched};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let settings = AisSettings { runs: 2, schedule: Schedule::Linear(5) };
    /// let bound = rbm.log_prob_raise(&BitMatrix::zeros(3, 4), &settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((bound[3] + 3.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_raise<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        settings: &AisSettings,
        base: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let v = v.into().to_batch();
        if settings.runs == 0 {
            let (op, arg, value) = ("Rbm::log_prob_raise", "runs", "0".into());
            return Err(Error::Param { op, arg, value, allowed: "1 or more" });
        }
        let copies: Vec<usize> = (0..v.samples()).flat_map(|s| std::iter::repeat_n(s, settings.runs)).collect();
        let found = self.log_partition_reverse_ais(&v.select(&copies), &settings.schedule, base, streams, watch)?;
        let runs = found.log_weights.chunks(settings.runs);
        let log_z = runs.map(|of_sample| -log_mean_exp(&of_sample.iter().map(|z| -z).collect::<Vec<_>>()));
        Ok(self.free_energy(&v).iter().zip(log_z).map(|(f, z)| -f - z).collect())
    }

    fn base_or_own(&self, op: &'static str, base: Option<&[f32]>, streams: &Streams) -> Result<Vec<f32>> {
        let base = base.map_or_else(|| self.model_rate_bias(streams), <[f32]>::to_vec);
        gm_core::check_len(op, "base", "length", base.len(), self.visible())?;
        gm_core::check_finite(op, "base", &base)?;
        Ok(base)
    }

    /// The biases of independent units that have the means of short chains of this model from uniform hidden states.
    ///
    /// The visible biases of the model would be a bad base. A hidden layer that is mostly on shifts the means far from
    /// them.
    pub(crate) fn model_rate_bias(&self, streams: &Streams) -> Vec<f32> {
        const CHAINS: usize = 256;
        const SWEEPS: usize = 50;
        let family = streams.fork(Purpose::Anneal, u64::MAX);
        let uniform = Activations::from_matrix(&Matrix::from_element(self.hidden(), CHAINS, 0.5));
        let mut h = BitMatrix::zeros(self.hidden(), CHAINS);
        uniform.sample_into(&mut h, &family);
        let mut chains = Chains::new(vec![self.units().blank(self.visible(), CHAINS), h.into()]);
        let sampler = self.sampler();
        sampler.run(&mut chains, SWEEPS, &family);
        let sums = sampler.mean_v_from_h(chains.h()).unit_sums();
        self.units().bias_of_means(&sums.iter().map(|sum| (sum / CHAINS as f64) as f32).collect::<Vec<_>>())
    }
}

/// Means over samples.
fn means(data: BatchRef<'_>) -> Vec<f32> {
    let samples = data.samples().max(1) as f64;
    match data {
        BatchRef::Bits(bits) => bits.unit_counts().iter().map(|&on| (on as f64 / samples) as f32).collect(),
        BatchRef::Reals(reals) => {
            let mean = |unit: usize| reals.row(unit).iter().map(|&x| f64::from(x)).sum::<f64>() / samples;
            (0..reals.nrows()).map(|unit| mean(unit) as f32).collect()
        }
    }
}

/// The visible biases of independent binary units that have the given means, which are kept within 0.001 and 0.999.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_rbm::base_rate_bias(&[0.5])[0], 0.0);
/// assert!(gm_rbm::base_rate_bias(&[0.0])[0].is_finite());
/// ```
#[must_use]
pub fn base_rate_bias(means: &[f32]) -> Vec<f32> {
    VisibleUnits::Bernoulli.bias_of_means(means)
}

/// The path from independent visible units to the model.
struct BaseRatePath<'a> {
    rbm: &'a Rbm,
    couplings: Couplings,
    base: &'a [f32],
    /// The log-weight of v under the visible biases minus that under the base, as weights of v and a constant.
    tilt: (Vec<f64>, f64),
    no_bias: Vec<f32>,
}

impl<'a> BaseRatePath<'a> {
    fn new(rbm: &'a Rbm, base: &'a [f32]) -> Self {
        let tilt = rbm.units().tilt(&widened(rbm.visible_bias()), &widened(base));
        Self {
            rbm,
            couplings: Couplings::new(rbm, Arrangement::ManyDraws),
            base,
            tilt,
            no_bias: vec![0.0; rbm.hidden()],
        }
    }

    fn chains_at(&self, v: Batch) -> AnnealedChains {
        let h = BitMatrix::zeros(self.rbm.hidden(), v.samples());
        AnnealedChains { inputs: Activations::zeros(h.units(), h.samples()), v, h }
    }

    fn heat(&self, beta: f64) -> Option<Heat<'_>> {
        Some(Heat { beta: Beta::Same(beta as f32), base: Some(self.base) })
    }
}

/// Chains and a buffer for the inputs of the hidden layer.
struct AnnealedChains {
    v: Batch,
    h: BitMatrix,
    inputs: Activations,
}

impl AnnealedPath for BaseRatePath<'_> {
    type Chains = AnnealedChains;

    fn log_base_partition(&self) -> f64 {
        let base = widened(self.base);
        self.rbm.units().log_sum(&base, &base) + self.rbm.hidden() as f64 * std::f64::consts::LN_2
    }

    fn start(&self, runs: usize, streams: &Streams) -> AnnealedChains {
        let h = BitMatrix::zeros(self.rbm.hidden(), runs);
        let mut v = self.rbm.units().blank(self.rbm.visible(), runs);
        self.couplings.draw_v(self.rbm, &h, self.heat(0.0), &mut v, streams);
        self.chains_at(v)
    }

    fn advance(&self, chains: &mut AnnealedChains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        self.couplings.inputs_into(self.rbm, chains.v.view(), &mut chains.inputs);
        let hidden = chains.inputs.softplus_gains(&self.no_bias, from, to);
        let visible = chains.v.view().weighted_sums(&self.tilt.0);
        for ((weight, hidden), visible) in log_weights.iter_mut().zip(hidden).zip(visible) {
            *weight += hidden + (to - from) * (visible + self.tilt.1);
        }
        chains.inputs.sample_tempered_into(to as f32, &self.no_bias, &mut chains.h, &streams.fork(Purpose::Layer, 1));
        let layer = streams.fork(Purpose::Layer, 0);
        self.couplings.draw_v(self.rbm, &chains.h, self.heat(to), &mut chains.v, &layer);
    }
}
