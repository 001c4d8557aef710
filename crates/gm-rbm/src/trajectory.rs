//! log Z of a model in training, by annealing along the path of its parameters.

use gm_core::{
    Arrangement, Batch, BitMatrix, Error, Estimate, Purpose, Result, Side, Stack, Streams, log_mean_exp, weights_ess,
};
use rand::RngExt;

use crate::gibbs::Sampler;
use crate::model::Rbm;

/// Chains that follow a model in training and estimate its log Z.
///
/// Annealed importance sampling needs a path of distributions that begins at a known log Z. The parameters of a model
/// in training are such a path. At each step log w grows by F_old(v) - F_new(v), and a sweep with the new parameters
/// follows. The chains take no part in training, so that the mean of w is an unbiased estimate of Z, however the model
/// is trained. When the weights have become too unequal, the chains are resampled in proportion to them.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Streams};
/// use gm_rbm::{Rbm, Trajectory};
///
/// let streams = Streams::new(1);
/// let mut sampler = Rbm::initial(&[0.5; 8], 4, 0.1, &streams)?.into_sampler();
/// let mut trajectory = Trajectory::start(sampler.model(), 100, 20, &streams)?;
/// for step in 0..50 {
///     sampler.update(|rbm| rbm.stack_mut().update_weights(0, |w| *w *= 1.02));
///     trajectory.follow(&sampler, &streams.fork(gm_core::Purpose::Test, step));
/// }
/// assert!((trajectory.log_partition().value - sampler.model().log_partition()?).abs() < 0.1);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    v: Batch,
    /// -F(v) of each chain under the latest parameters.
    log_weights_of_v: Vec<f64>,
    /// The log-weights of the chains since the last resampling.
    log_weights: Vec<f64>,
    /// The estimate of log Z at the last resampling, and its variance.
    passed: [f64; 2],
}

/// Chains are resampled if their effective sample size is below this share of their number.
const LOW: f64 = 0.5;

impl Trajectory {
    /// Chains of a model, reached in `steps` steps from a model whose weights are 0.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] without chains or steps.
    pub fn start(rbm: &Rbm, chains: usize, steps: usize, streams: &Streams) -> Result<Self> {
        for (arg, value) in [("chains", chains), ("steps", steps)] {
            if value == 0 {
                return Err(Error::Param { op: "Trajectory::start", arg, value: "0".into(), allowed: "1 or more" });
            }
        }
        let scaled = |share: f32| -> Result<Rbm> {
            let (a, b) = (rbm.stack().bias(0).clone(), rbm.stack().bias(1).clone());
            Rbm::from_stack(Stack::new(vec![rbm.weights() * share], vec![a, b])?)
                .and_then(|model| model.with_units(rbm.units().clone()))
        };
        let start = scaled(0.0)?;
        let streams = streams.fork(Purpose::Start, 2);
        let v = start.couplings().sample_v_from_h(&start, &BitMatrix::zeros(rbm.hidden(), chains), &streams);
        let widened = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let bias = widened(start.visible_bias());
        let log_z = start.units().log_sum(&bias, &bias) + gm_core::softplus_sum(&widened(start.hidden_bias()));
        let log_weights_of_v = start.free_energy(&v).iter().map(|f| -f).collect();
        let mut found = Self { v, log_weights_of_v, log_weights: vec![0.0; chains], passed: [log_z, 0.0] };
        for step in 1..=steps {
            let model = scaled(step as f32 / steps as f32)?;
            found.follow(&Sampler::new(model, Arrangement::FewDraws), &streams.fork(Purpose::Anneal, step as u64));
        }
        Ok(found)
    }

    /// Chains from what [`states`](Self::states) and [`numbers`](Self::numbers) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless `numbers` has three lists, with a number for each chain in the first two.
    pub fn from_parts(v: Batch, mut numbers: Vec<Vec<f64>>) -> Result<Self> {
        const OP: &str = "Trajectory::from_parts";
        gm_core::check_len(OP, "numbers", "length", numbers.len(), 3)?;
        let passed = numbers.pop().unwrap_or_default();
        gm_core::check_len(OP, "passed", "length", passed.len(), 2)?;
        for values in &numbers {
            gm_core::check_len(OP, "log-weights", "length", values.len(), v.samples())?;
        }
        let log_weights = numbers.pop().unwrap_or_default();
        let log_weights_of_v = numbers.pop().unwrap_or_default();
        Ok(Self { v, log_weights_of_v, log_weights, passed: [passed[0], passed[1]] })
    }

    /// The visible states of the chains.
    #[must_use]
    pub fn states(&self) -> &Batch {
        &self.v
    }

    /// The state of the chains beside the visible states: -F(v) and the log-weight of each chain, then the estimate of
    /// log Z at the last resampling and its variance.
    #[must_use]
    pub fn numbers(&self) -> Vec<Vec<f64>> {
        vec![self.log_weights_of_v.clone(), self.log_weights.clone(), self.passed.to_vec()]
    }

    /// Follows the model to its new parameters.
    ///
    /// # Randomness
    ///
    /// Layers as [`Sampler::sample_h_from_v`] from families 1 (h) and 0 (v) of [`Purpose::Layer`], resampling from
    /// stream 0 in family 2 of [`Purpose::Choose`].
    ///
    /// # Panics
    ///
    /// When the number or the kind of the visible units has changed.
    pub fn follow(&mut self, sampler: &Sampler, streams: &Streams) {
        let (rbm, couplings) = (sampler.model(), sampler.couplings());
        let mut inputs = couplings.inputs_h_from_v(rbm, self.v.view());
        let now = rbm.free_energy_with_inputs(self.v.view(), &inputs);
        for ((weight, now), old) in self.log_weights.iter_mut().zip(now).zip(&self.log_weights_of_v) {
            *weight += -now - old;
        }
        if weights_ess(&self.log_weights) < LOW * self.log_weights.len() as f64 {
            self.resample(streams);
            inputs = couplings.inputs_h_from_v(rbm, self.v.view());
        }
        inputs.logistic();
        let mut h = BitMatrix::zeros(rbm.hidden(), self.v.samples());
        inputs.sample_into(&mut h, &streams.fork(Purpose::Layer, 1));
        couplings.draw_v(rbm, &h, None, &mut self.v, &streams.fork(Purpose::Layer, 0));
        couplings.inputs_into(rbm, self.v.view(), &mut inputs);
        self.log_weights_of_v = rbm.free_energy_with_inputs(self.v.view(), &inputs).iter().map(|f| -f).collect();
    }

    /// Systematic resampling: keeps chains in proportion to their weights, which become equal.
    fn resample(&mut self, streams: &Streams) {
        let estimate = Estimate::log_mean_weight(&self.log_weights, "trajectory");
        let mean = log_mean_exp(&self.log_weights);
        let count = self.log_weights.len();
        let mut point = streams.fork(Purpose::Choose, 2).stream(0).random::<f64>();
        let (mut sum, mut chosen) = (0.0, Vec::with_capacity(count));
        for (chain, weight) in self.log_weights.iter().enumerate() {
            sum += (weight - mean).exp();
            while point < sum && chosen.len() < count {
                chosen.push(chain);
                point += 1.0;
            }
        }
        // Rounding may leave the last chain unchosen.
        chosen.resize(count, count - 1);
        self.v = self.v.select(&chosen);
        self.log_weights.fill(0.0);
        self.passed = [self.passed[0] + mean, self.passed[1] + estimate.std_error.powi(2)];
    }

    /// log Z of the model with its latest parameters. The estimate is below the truth in expectation.
    #[must_use]
    pub fn log_partition(&self) -> Estimate {
        let now = Estimate::log_mean_weight(&self.log_weights, "trajectory");
        let std_error = (now.std_error.powi(2) + self.passed[1]).sqrt();
        let value = self.passed[0] + now.value;
        let (low, high) = (value - 3.0 * std_error, value + 3.0 * std_error);
        Estimate { value, std_error, low, high, side: Side::Lower, ..now }
    }

    /// The effective sample size of the weights.
    #[must_use]
    pub fn ess(&self) -> f64 {
        weights_ess(&self.log_weights)
    }
}
