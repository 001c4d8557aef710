//! Pseudo-likelihoods, of each visible site given all other sites.

use gm_core::{Activations, BitMatrix, Purpose, Streams, log_sum_exp, softplus, softplus_sum, widened};
use rand::RngExt;
use rayon::prelude::*;

use crate::model::Rbm;

impl Rbm {
    /// sum_i log p(v_i | all other visible sites) of each sample, `[samples]`. A site is a binary unit or a group.
    ///
    /// # Numerics
    ///
    /// visible x hidden softplus terms for each sample, in double precision.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer, or unless exactly one unit of each group is on.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[3, 2])?)?;
    /// assert!((rbm.log_pseudo_likelihood(&BitMatrix::zeros(3, 1))[0] + 3.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn log_pseudo_likelihood(&self, v: &BitMatrix) -> Vec<f64> {
        let changes = Changes::new(self, v);
        let sample = |s| (0..changes.sites()).map(|site| changes.log_conditional(site, s)).sum();
        (0..v.samples()).into_par_iter().map(sample).collect()
    }

    /// An unbiased estimate of the log-pseudo-likelihood from one random visible site of each sample, `[samples]`.
    ///
    /// # Randomness
    ///
    /// One site for each sample from stream 0 in family 0 of [`Purpose::Choose`].
    ///
    /// # Panics
    ///
    /// As [`log_pseudo_likelihood`](Self::log_pseudo_likelihood).
    #[must_use]
    pub fn stochastic_pseudo_likelihood(&self, v: &BitMatrix, streams: &Streams) -> Vec<f64> {
        let mut stream = streams.fork(Purpose::Choose, 0).stream(0);
        let changes = Changes::new(self, v);
        let sites: Vec<usize> = (0..v.samples()).map(|_| stream.random_range(0..changes.sites())).collect();
        let scale = changes.sites() as f64;
        sites.par_iter().enumerate().map(|(s, &site)| scale * changes.log_conditional(site, s)).collect()
    }
}

/// Changes of the free energy when single visible sites change.
struct Changes<'a> {
    rbm: &'a Rbm,
    v: &'a BitMatrix,
    bias: Vec<f64>,
    /// The weights of each visible unit.
    rows: Vec<Vec<f64>>,
    inputs: Activations,
    sums: Vec<f64>,
}

impl<'a> Changes<'a> {
    fn new(rbm: &'a Rbm, v: &'a BitMatrix) -> Self {
        let rows = rbm.weights().row_iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect();
        let inputs = rbm.couplings().inputs_h_from_v(rbm, v.into());
        Self { rbm, v, bias: widened(rbm.visible_bias()), rows, sums: inputs.softplus_sums(), inputs }
    }

    /// The number of sites: binary units, then groups.
    fn sites(&self) -> usize {
        self.rbm.units().groups().map_or(self.v.units(), |groups| groups.first() + groups.count())
    }

    fn log_conditional(&self, site: usize, sample: usize) -> f64 {
        match self.rbm.units().groups() {
            Some(groups) if site >= groups.first() => {
                let units = groups.units_of(site - groups.first());
                let on = units.clone().find(|&unit| self.v.get(unit, sample)).expect("one unit of a group is on");
                let gains: Vec<f64> = units.map(|unit| self.gain(&[(on, -1.0), (unit, 1.0)], sample)).collect();
                -log_sum_exp(&gains)
            }
            _ => {
                let sign = if self.v.get(site, sample) { -1.0 } else { 1.0 };
                -softplus(self.gain(&[(site, sign)], sample))
            }
        }
    }

    /// The fall of the free energy when units change by the given amounts.
    fn gain(&self, changes: &[(usize, f64)], sample: usize) -> f64 {
        let mut inputs: Vec<f64> = (0..self.inputs.units()).map(|j| f64::from(self.inputs.get(j, sample))).collect();
        let mut bias = 0.0;
        for &(unit, sign) in changes {
            inputs.iter_mut().zip(&self.rows[unit]).for_each(|(input, w)| *input += sign * w);
            bias += sign * self.bias[unit];
        }
        bias + softplus_sum(&inputs) - self.sums[sample]
    }
}
