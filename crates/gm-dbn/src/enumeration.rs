//! Exact sums over the hidden states of small networks.

use gm_core::{
    Batch, BatchRef, BitMatrix, Error, LogSum, Progress, Result, VisibleUnits, Watch, log_sum_exp, softplus_sum,
    unwatched, widened,
};
use gm_sbn::{Passes, Posterior};
use rayon::prelude::*;

use crate::limits::TABLE_LIMIT;
use crate::model::{Dbn, log_weights};

/// States times samples between two calls of a watch.
const TOGETHER: usize = 1 << 16;

impl Dbn {
    /// Units that the exact log p(v) enumerates: all hidden layers but the top one, which is summed out analytically.
    #[must_use]
    pub fn enumerable_hidden_units(&self) -> usize {
        self.layers()[1..self.depth()].iter().sum()
    }

    /// log p(v) of each sample for a given log Z of the RBM on top, by enumeration of x_1, ..., x_(L-1), `[samples]`.
    ///
    /// Of Gaussian units it is the log-density of standardised data, a mixture over the states of x_1.
    ///
    /// # Numerics
    ///
    /// 2^n evaluations of all samples for n units of the first hidden layer.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond [`TABLE_LIMIT`] units of these layers, and as [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let log_prob = dbn.log_prob(&BitMatrix::zeros(4, 1), dbn.log_partition()?)?;
    /// assert!((log_prob[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Result<Vec<f64>> {
        self.log_prob_watched(v, log_partition, &mut unwatched)
    }

    /// [`log_prob`](Self::log_prob) that tells `watch` how many states of the first hidden layer are done, and stops when it
    /// breaks.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob), and [`Error::Interrupted`] when `watch` breaks.
    pub fn log_prob_watched<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        log_partition: f64,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Dbn::log_prob";
        let v = v.into();
        self.check_data(OP, v)?;
        check_table(OP, self.enumerable_hidden_units())?;
        let top = self.top();
        if self.depth() == 1 && self.labels().is_none() {
            return top.log_prob(v, log_partition);
        }
        if let (1, BatchRef::Bits(v)) = (self.depth(), v) {
            return Ok(log_weights(&top, v).into_iter().map(|weight| weight - log_partition).collect());
        }
        let (states, log_prior) = self.directed_states(&|x| log_weights(&top, x));
        // The first hidden layer has the highest bits, so that states which share it are neighbours.
        let upper = log_prior.len() >> self.layers()[1];
        let firsts: Vec<usize> = (0..log_prior.len()).step_by(upper).collect();
        let inputs = self.visible_inputs(&states[0].select(&firsts));
        let rows: Vec<Vec<f64>> = match self.units() {
            VisibleUnits::Bernoulli => Vec::new(),
            _ => v.to_matrix().column_iter().map(|row| widened(row.as_slice())).collect(),
        };
        let sums = |(i, inputs): (usize, &Vec<f64>)| {
            let shared = log_sum_exp(&log_prior[i * upper..(i + 1) * upper]);
            self.joined((v, &rows), shared, inputs)
        };
        let (mut terms, total) = (Vec::with_capacity(inputs.len()), inputs.len());
        while terms.len() < total {
            if watch(Progress { done: terms.len(), total }).is_break() {
                return Err(Error::Interrupted { op: OP });
            }
            let (done, together) = (terms.len(), (TOGETHER / v.samples().max(1)).clamp(1, total - terms.len()));
            let part = inputs[done..done + together].par_iter().enumerate();
            terms.par_extend(part.map(|(i, inputs)| sums((done + i, inputs))));
        }
        let total = |row: usize| {
            let mut sum = LogSum::default();
            terms.iter().for_each(|terms| sum.add(terms[row]));
            sum.value() - log_partition
        };
        Ok((0..v.samples()).map(total).collect())
    }

    /// A number plus log p(v | x_1) of each sample given W_0 x_1 + b_0; `rows` are the samples where units are not
    /// Bernoulli.
    fn joined(&self, (v, rows): (BatchRef<'_>, &[Vec<f64>]), log_prior: f64, inputs: &[f64]) -> Vec<f64> {
        if *self.units() == VisibleUnits::Bernoulli {
            let shared = log_prior - softplus_sum(inputs);
            return v.weighted_sums(inputs).into_iter().map(|chosen| shared + chosen).collect();
        }
        rows.iter().map(|row| log_prior + self.units().log_prob_given(row, inputs)).collect()
    }

    /// All states of x_1, ..., x_(L-1) with log p + log Z of each.
    pub(crate) fn directed_states(
        &self,
        prior: &(dyn Fn(&BitMatrix) -> Vec<f64> + Sync),
    ) -> (Vec<BitMatrix>, Vec<f64>) {
        let layers = self.layers();
        let states = all_states(&layers[1..self.depth()]);
        let passes = Passes::new(self.directed());
        let mut log_prior = prior(&states[states.len() - 1]);
        for l in 1..self.depth() - 1 {
            let scores = passes.from_above(l, &states[l]).inputs().score(&states[l - 1]);
            log_prior.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
        }
        (states, log_prior)
    }

    /// W_0 x_1 + b_0 for states of the first hidden layer, in double precision.
    fn visible_inputs(&self, x: &BitMatrix) -> Vec<Vec<f64>> {
        let (weights, bias) = (self.stack().weights(0), self.stack().bias(0));
        let inputs = |sample: usize| {
            let mut inputs: Vec<f64> = bias.iter().map(|&b| f64::from(b)).collect();
            for unit in (0..x.units()).filter(|&unit| x.get(unit, sample)) {
                inputs.iter_mut().zip(weights.column(unit).iter()).for_each(|(sum, &w)| *sum += f64::from(w));
            }
            inputs
        };
        (0..x.samples()).into_par_iter().map(inputs).collect()
    }

    /// p(h | v) for one row of the data, of all hidden layers, by enumeration. Its log p(v) lacks log Z.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond [`TABLE_LIMIT`] hidden units, [`Error::Param`] for a row that is not there or a
    /// network with label units, and as [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let means = dbn.posterior(&BitMatrix::zeros(4, 1), 0)?.means();
    /// assert!(means.len() == 5 && means.iter().all(|mean| (mean - 0.5).abs() < 1e-6));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn posterior<'v>(&self, data: impl Into<BatchRef<'v>>, row: usize) -> Result<Posterior> {
        const OP: &str = "Dbn::posterior";
        let data = data.into();
        gm_core::check_len(OP, "data", "units", data.units(), self.visible())?;
        let refuse = |arg, value, allowed| Err(Error::Param { op: OP, arg, value, allowed });
        if row >= data.samples() {
            return refuse("row", format!("{row} of {}", data.samples()), "a row of the data");
        }
        if self.labels().is_some() {
            return refuse("labels", "present".into(), "a network without label units");
        }
        let hidden = &self.layers()[1..];
        check_table(OP, hidden.iter().sum())?;
        let states = all_states(hidden);
        let v = data.select(&[row]);
        self.check_data(OP, &v)?;
        let v = v.select(&vec![0; states[0].samples()]);
        let layers: Vec<Batch> = std::iter::once(v).chain(states.into_iter().map(Batch::from)).collect();
        Ok(Posterior::new(hidden.to_vec(), self.log_joint(&layers, 0.0)))
    }
}

/// Every state of layers of the given sizes, numbered as [`Posterior`] numbers them: the last layer has the lowest
/// bits, and within a layer the first unit has.
pub(crate) fn all_states(layers: &[usize]) -> Vec<BitMatrix> {
    let total: usize = layers.iter().sum();
    let mut above = total;
    let layer = |&units: &usize| {
        above -= units;
        let shift = above;
        BitMatrix::from_fn(units, 1 << total, |unit, state| state >> (shift + unit) & 1 == 1)
    };
    layers.iter().map(layer).collect()
}

pub(crate) fn check_table(op: &'static str, units: usize) -> Result<()> {
    if units > TABLE_LIMIT { Err(Error::TooLarge { op, units, limit: TABLE_LIMIT }) } else { Ok(()) }
}
