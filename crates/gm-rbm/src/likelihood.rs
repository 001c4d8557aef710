//! The exact likelihood, by enumeration of the smaller layer.

use gm_core::{
    Activations, BatchRef, Bipartite, BipartiteMoments, BitMatrix, Chains, Error, Matrix, Moments, Purpose, Result,
    Streams, VisibleUnits, Watch, unwatched, widened,
};

use crate::limits::{LOG_PARTITION_LIMIT, SAMPLES_LIMIT};
use crate::model::Rbm;

/// First and second moments under the model, before they are rounded.
#[derive(Clone, Debug)]
pub(crate) struct ExactMoments {
    pub(crate) visible: Vec<f64>,
    /// E[v^2], for Gaussian units only.
    pub(crate) squares: Vec<f64>,
    pub(crate) hidden: Vec<f64>,
    /// E[v h'], column by column like W.
    pub(crate) pairs: Vec<f64>,
}

/// The kind of the hidden units, for when they are summed out.
const BINARY: &VisibleUnits = &VisibleUnits::Bernoulli;

impl Rbm {
    /// The number of units that exact computations enumerate. They are the units of the smaller layer if visible units
    /// are Bernoulli, and the hidden units otherwise.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        if self.enumerates_hidden() { self.hidden() } else { self.visible() }
    }

    fn enumerates_hidden(&self) -> bool {
        *self.units() != VisibleUnits::Bernoulli || self.hidden() <= self.visible()
    }

    /// log Z, exactly. The larger layer is summed out analytically, and the smaller layer is enumerated.
    ///
    /// # Numerics
    ///
    /// 2^n x m terms for layers of n <= m units, in double precision and in several threads.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than [`LOG_PARTITION_LIMIT`] units.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[100, 2])?)?;
    /// assert!((rbm.log_partition()? - 102.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition(&self) -> Result<f64> {
        self.log_partition_watched(&mut unwatched)
    }

    /// [`log_partition`](Self::log_partition) that tells `watch` how many states are done, and stops when it breaks.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition), and [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[100, 30])?)?;
    /// assert!(rbm.log_partition_watched(&mut |_| ControlFlow::Break(())).is_err());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_watched(&self, watch: Watch<'_>) -> Result<f64> {
        self.check_enumerable("Rbm::log_partition", LOG_PARTITION_LIMIT)?;
        self.halves().log_partition_watched(watch)
    }

    fn check_enumerable(&self, op: &'static str, limit: usize) -> Result<()> {
        let units = self.enumerable_units();
        if units > limit { Err(Error::TooLarge { op, units, limit }) } else { Ok(()) }
    }

    /// The two layers, as the layer that is enumerated and the layer that is summed out.
    fn halves(&self) -> Bipartite<'_> {
        let (a, b, w) = (widened(self.visible_bias()), widened(self.hidden_bias()), self.weights());
        if self.enumerates_hidden() {
            let rows = w.column_iter().map(|c| widened(c.as_slice())).collect();
            Bipartite { bias: b, other_bias: a, rows, units: self.units(), visible: self.visible() }
        } else {
            let rows = w.row_iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect();
            Bipartite { bias: a, other_bias: b, rows, units: BINARY, visible: self.hidden() }
        }
    }

    pub(crate) fn exact_moments(&self, op: &'static str) -> Result<ExactMoments> {
        self.check_enumerable(op, LOG_PARTITION_LIMIT)?;
        let BipartiteMoments { enumerated, other, squares, pairs } = self.halves().moments()?;
        if self.enumerates_hidden() {
            return Ok(ExactMoments { visible: other, squares, hidden: enumerated, pairs: pairs.concat() });
        }
        let pairs = (0..self.hidden()).flat_map(|j| pairs.iter().map(move |row| row[j])).collect();
        Ok(ExactMoments { visible: enumerated, squares, hidden: other, pairs })
    }

    /// `E[v]`, `E[h]` and `E[v h']` under the model, exactly, and `E[v^2]` for Gaussian units.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than [`LOG_PARTITION_LIMIT`] units.
    ///
    /// # Examples
    ///
    /// ```
    /// let moments = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[3, 2])?)?.marginals()?;
    /// assert!((moments.means[0][0] - 0.5).abs() < 1e-12 && (moments.means[1][1] - 0.5).abs() < 1e-12);
    /// assert!((moments.pairs[0][(2, 1)] - 0.25).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn marginals(&self) -> Result<Moments> {
        let ExactMoments { visible, squares, hidden, pairs } = self.exact_moments("Rbm::marginals")?;
        let pairs = Matrix::from_iterator(visible.len(), hidden.len(), pairs.iter().map(|&p| p as f32));
        Ok(Moments { means: vec![visible, hidden], pairs: vec![pairs], squares })
    }

    /// Independent exact draws of (v, h), by enumeration of the smaller layer.
    ///
    /// # Randomness
    ///
    /// One uniform number for each sample from family 0 of [`Purpose::Exact`], then the other layer from family 1.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when both layers have more than [`SAMPLES_LIMIT`] units.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[3, 2])?)?;
    /// assert_eq!(rbm.exact_samples(5, &gm_core::Streams::new(0))?.v().samples(), 5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_samples(&self, count: usize, streams: &Streams) -> Result<Chains> {
        self.check_enumerable("Rbm::exact_samples", SAMPLES_LIMIT)?;
        let chosen = self.halves().draw(count, &streams.fork(Purpose::Exact, 0))?;
        let units = self.enumerable_units();
        let enumerated = BitMatrix::from_fn(units, count, |unit, sample| chosen[sample] >> unit & 1 == 1);
        let (couplings, other) = (self.couplings(), streams.fork(Purpose::Exact, 1));
        Ok(if self.enumerates_hidden() {
            Chains::new(vec![couplings.sample_v_from_h(self, &enumerated, &other), enumerated.into()])
        } else {
            let h = couplings.sample_h_from_v(self, (&enumerated).into(), &other);
            Chains::new(vec![enumerated.into(), h.into()])
        })
    }

    /// The free energy F(v) = -log sum_h exp(-E(v, h)) of each sample, `[samples]`.
    ///
    /// F(v) = -a' v - sum_j softplus(b_j + W_j' v). For Gaussian units sum_i (v_i - a_i)^2 / (2 s_i^2) takes the place
    /// of -a' v, and v / s^2 that of v. `v` may hold means of Bernoulli units, at which the formula is evaluated.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn free_energy<'v>(&self, v: impl Into<BatchRef<'v>>) -> Vec<f64> {
        let v = v.into();
        let inputs = self.couplings().inputs_h_from_v(self, v);
        self.free_energy_with_inputs(v, &inputs)
    }

    pub(crate) fn free_energy_with_inputs(&self, v: BatchRef<'_>, inputs: &Activations) -> Vec<f64> {
        let visible = self.units().log_weights(v, &widened(self.visible_bias()));
        visible.iter().zip(inputs.softplus_sums()).map(|(a, h)| -a - h).collect()
    }

    /// log p(v) of each sample for a given log Z, `[samples]`. For Gaussian units it is a log-density.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when `v` has other units than the visible layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// let log_prob = rbm.log_prob(&BitMatrix::zeros(3, 1), rbm.log_partition()?)?;
    /// assert!((log_prob[0] + 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Result<Vec<f64>> {
        let v = v.into();
        gm_core::check_len("Rbm::log_prob", "data", "units", v.units(), self.visible())?;
        Ok(self.free_energy(v).iter().map(|f| -f - log_partition).collect())
    }
}

/// mean F(a) - mean F(b), which is the mean of log p over b minus the mean of log p over a. Z is not needed.
///
/// With validation data for `a` and training data for `b`, a growing gap is a sign of overfitting.
///
/// # Panics
///
/// When a batch has other units than the visible layer.
///
/// # Source
///
/// `hinton2012practical`, section 6.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
/// assert_eq!(gm_rbm::free_energy_gap(&rbm, &BitMatrix::zeros(3, 1), &BitMatrix::zeros(3, 4)), 0.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn free_energy_gap<'v>(rbm: &Rbm, a: impl Into<BatchRef<'v>>, b: impl Into<BatchRef<'v>>) -> f64 {
    let mean = |v: BatchRef<'_>| rbm.free_energy(v).iter().sum::<f64>() / v.samples() as f64;
    mean(a.into()) - mean(b.into())
}
