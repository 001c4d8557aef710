//! The likelihood by importance sampling, with mean field as the proposal.

use gm_core::{
    Activations, Batch, BatchRef, Error, LogSum, Matrix, Progress, Purpose, Result, Streams, Watch, Weighted, widened,
};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::mean_field::{MeanField, MeanFieldSettings};
use crate::model::Dbm;

impl Dbm {
    /// An importance-weighted estimate of log p(v) of each sample for a given log Z, `[samples]`.
    ///
    /// It is the log of the mean of p*(v, h_kept) / q(h_kept | v), minus log Z. h_kept is the smaller half of the
    /// hidden layers and is drawn from mean field. The other hidden layers are summed out. The estimate is below log
    /// p(v) in expectation, and comes closer with more draws.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// Draw k of every sample uses family k of [`Purpose::Propose`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when `posterior` belongs to other layers or samples, [`Error::Param`] without draws,
    /// [`Error::Interrupted`] when `watch` breaks, and the errors of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `burda2016importance`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams, unwatched};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let (v, streams) = (BitMatrix::zeros(3, 4), Streams::new(0));
    /// let q = dbm.mean_field(&v, &MeanFieldSettings::default())?;
    /// let found = dbm.log_prob_importance((&v, &q), 10, dbm.log_partition()?, &streams, &mut unwatched)?;
    /// assert!((found[2] + 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_importance<'v>(
        &self,
        (v, posterior): (impl Into<BatchRef<'v>>, &MeanField),
        draws: usize,
        log_partition: f64,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let found = self.importance_weights((v, posterior), draws, streams, watch)?;
        Ok(found.iter().map(|row| row.value - log_partition).collect())
    }

    /// The means of the importance weights of each sample, with their spread. Their values minus log Z are
    /// [`log_prob_importance`](Self::log_prob_importance).
    ///
    /// # Errors
    ///
    /// As [`log_prob_importance`](Self::log_prob_importance).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams, unwatched};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// // Without weights mean field is the posterior, and every draw has the weight p*(v) = 2^(2 + 2).
    /// let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let v = BitMatrix::zeros(3, 4);
    /// let q = dbm.mean_field(&v, &MeanFieldSettings::default())?;
    /// let found = dbm.importance_weights((&v, &q), 10, &Streams::new(0), &mut unwatched)?;
    /// assert!((found[3].value - 4.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// assert!((found[3].ess - 10.0).abs() < 1e-6 && found[3].std_error < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn importance_weights<'v>(
        &self,
        (v, posterior): (impl Into<BatchRef<'v>>, &MeanField),
        draws: usize,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<Weighted>> {
        const OP: &str = "Dbm::importance_weights";
        let v = v.into();
        self.check_data(OP, v)?;
        check_count(OP, "draws", draws)?;
        let sizes: Vec<usize> = posterior.means.iter().map(Matrix::nrows).collect();
        check_sizes(OP, "posterior", &sizes, &self.layers()[1..])?;
        gm_core::check_len(OP, "posterior", "samples", posterior.means[0].ncols(), v.samples())?;
        let couplings = self.couplings();
        let proposal = Proposal::new(self, &couplings, (v, posterior), self.kept_half());
        let mut sums = vec![[LogSum::default(); 2]; v.samples()];
        for draw in 0..draws {
            let (_, weights) = proposal.draw(&streams.fork(Purpose::Propose, draw as u64));
            sums.iter_mut().zip(weights).for_each(|([sum, squares], weight)| {
                sum.add(weight);
                squares.add(2.0 * weight);
            });
            if watch(Progress { done: draw + 1, total: draws }).is_break() {
                return Err(Error::Interrupted { op: OP });
            }
        }
        Ok(sums.iter().map(|[sum, squares]| Weighted::of_sums(sum, squares, draws)).collect())
    }

    /// The log importance weight of given states, `[samples]`: log p*(v, h_kept) - log q(h_kept | v), with mean field of
    /// v as the proposal q and the other hidden layers summed out.
    ///
    /// It is infinite where mean field gives the states no probability.
    ///
    /// Let h be an exact draw of p(h | v) and let the other K - 1 weights come from draws of mean field. Then the log of
    /// the mean of the K weights is above log p(v) + log Z in expectation, as the log of the mean of K drawn weights is
    /// below it.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, visible first.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for other layers, and the errors of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `grosse2015sandwiching`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    ///
    /// // Without weights mean field is the posterior, and every state has the weight p*(v) = 2^(2 + 2).
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let states = dbm.exact_samples(5, &Streams::new(0))?;
    /// assert!((dbm.log_importance_weights(&states.layers)?[4] - 4.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_importance_weights(&self, layers: &[Batch]) -> Result<Vec<f64>> {
        const OP: &str = "Dbm::log_importance_weights";
        let sizes: Vec<usize> = layers.iter().map(Batch::units).collect();
        check_sizes(OP, "layers", &sizes, &self.layers())?;
        let v = layers[0].view();
        self.check_data(OP, v)?;
        for layer in &layers[1..] {
            gm_core::check_len(OP, "layers", "samples", layer.samples(), v.samples())?;
        }
        let (posterior, couplings) = (self.mean_field(v, &MeanFieldSettings::default())?, self.couplings());
        Ok(Proposal::new(self, &couplings, (v, &posterior), self.kept_half()).log_weights(layers))
    }
}

pub(crate) fn check_count(op: &'static str, arg: &'static str, count: usize) -> Result<()> {
    if count > 0 { Ok(()) } else { Err(Error::Param { op, arg, value: "0".into(), allowed: "1 or more" }) }
}

pub(crate) fn check_sizes(op: &'static str, arg: &'static str, found: &[usize], expected: &[usize]) -> Result<()> {
    gm_core::check_len(op, arg, "layers", found.len(), expected.len())?;
    found.iter().zip(expected).try_for_each(|(&found, &expected)| gm_core::check_len(op, arg, "units", found, expected))
}

/// Draws of the kept hidden layers from mean field, with their importance weights under the model.
pub(crate) struct Proposal<'a> {
    dbm: &'a Dbm,
    couplings: &'a Couplings,
    v: BatchRef<'a>,
    kept: usize,
    /// The number of each kept hidden layer, its means, and the term that each unit adds to the log-weight when it is
    /// on.
    layers: Vec<(usize, Activations, Matrix)>,
    /// The log-weight of v under the visible biases minus sum log (1 - mean) of each sample. It is the log-weight with
    /// all kept units off, before the other layers are summed out.
    start: Vec<f64>,
}

impl<'a> Proposal<'a> {
    pub(crate) fn new(
        dbm: &'a Dbm,
        couplings: &'a Couplings,
        (v, posterior): (BatchRef<'a>, &MeanField),
        kept: usize,
    ) -> Self {
        let mut start = dbm.units().log_weights(v, &widened(dbm.bias(0)));
        let hidden = (1..=dbm.depth()).filter(|l| l % 2 == kept);
        let layer = |l: usize| {
            let means = &posterior.means[l - 1];
            let mut gains = match l {
                1 => couplings.inputs_from_v(dbm, v),
                _ => Matrix::from_fn(means.nrows(), means.ncols(), |unit, _| dbm.bias(l)[unit]),
            };
            let columns = gains.as_mut_slice().par_chunks_mut(means.nrows());
            columns.zip(&mut start).enumerate().for_each(|(s, (gains, start))| {
                *start -= weigh(means.column(s).as_slice(), gains);
            });
            (l, Activations::from_matrix(means), gains)
        };
        let layers = hidden.map(layer).collect();
        Self { dbm, couplings, v, kept, layers, start }
    }

    /// States of all layers, and log p*(v, kept) - log q(kept) of each sample. Layers that are summed out are off.
    pub(crate) fn draw(&self, streams: &Streams) -> (Vec<Batch>, Vec<f64>) {
        let mut layers = self.dbm.blank(self.v.samples());
        layers[0] = self.v.to_batch();
        for (l, means, _) in &self.layers {
            means.sample_into(layers[*l].bits_mut(), &streams.fork(Purpose::Layer, *l as u64));
        }
        let weights = self.weights(&layers);
        (layers, weights)
    }

    /// log p*(v, kept) - log q(kept) of given states, infinite where q(kept) is 0.
    fn log_weights(&self, layers: &[Batch]) -> Vec<f64> {
        let mut weights = self.weights(layers);
        for (l, means, _) in &self.layers {
            let (x, means) = (layers[*l].bits(), means.to_matrix());
            weights.par_iter_mut().enumerate().for_each(|(s, weight)| {
                if (0..x.units()).any(|unit| means[(unit, s)] >= 1.0 && !x.get(unit, s)) {
                    *weight = f64::INFINITY;
                }
            });
        }
        weights
    }

    /// log p*(v, kept) - log q(kept) of states that q can draw.
    fn weights(&self, layers: &[Batch]) -> Vec<f64> {
        let mut weights = self.start.clone();
        for (l, _, gains) in &self.layers {
            let x = layers[*l].bits();
            weights.par_iter_mut().enumerate().for_each(|(s, weight)| {
                let gains = gains.column(s);
                *weight +=
                    (0..x.units()).filter(|&unit| x.get(unit, s)).map(|unit| f64::from(gains[unit])).sum::<f64>();
            });
        }
        for l in (1..=self.dbm.depth()).filter(|l| l % 2 != self.kept) {
            let terms = self.couplings.conditional(self.dbm, l, layers).inputs().softplus_sums();
            weights.iter_mut().zip(terms).for_each(|(weight, term)| *weight += term);
        }
        weights
    }
}

/// Subtracts log (m / (1 - m)) from the gain of each unit and returns sum log (1 - m). A unit with m = 1 is always on
/// and adds nothing.
fn weigh(means: &[f32], gains: &mut [f32]) -> f64 {
    let mut sum = 0.0;
    for (&mean, gain) in means.iter().zip(gains).filter(|(mean, _)| **mean < 1.0) {
        let off = f64::from(-mean).ln_1p();
        *gain = (f64::from(*gain) - (f64::from(mean).ln() - off)) as f32;
        sum += off;
    }
    sum
}
