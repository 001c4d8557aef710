//! The likelihood by annealing of the posterior of each row, forwards and in reverse.

use gm_core::{AisSettings, Batch, BatchRef, Chains, Result, Schedule, Streams, Watch, Weighted};
use gm_sbn::Directed;

use crate::model::Dbn;

impl Dbn {
    /// log p(v) of each sample for a given log Z of the RBM, by annealing from a factorial distribution to the
    /// posterior, `[samples]`. It is a stochastic lower bound: its expectation is not above log p(v).
    ///
    /// f_beta(h) = q(h | v)^(1 - beta) p*(v, h)^beta. The means of q are [`means_up_from_v`](Self::means_up_from_v),
    /// limited to 0.001 ... 0.999, and all classes have the same probability under q. The value is the log of the mean
    /// weight of `settings.runs` runs minus log Z. Between temperatures each unit of the directed layers is drawn once,
    /// as in [`gibbs`](Self::gibbs). The top layer is summed out of the weights, and it is drawn as a block, as are the
    /// label units. With one hidden layer nothing is left to anneal, and the value is exact.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Units
    ///
    /// For Gaussian units it is a log-density of states, as in [`log_prob`](Self::log_prob).
    ///
    /// # Randomness
    ///
    /// As [`gm_core::anneal_rows`], with one stream for each chain.
    ///
    /// # Numerics
    ///
    /// Double precision. 1,024 chains are held at any time. A temperature costs a sweep of Gibbs sampling.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for settings out of range, [`gm_core::Error::Interrupted`] when `watch` breaks, and
    /// the errors of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `neal2001annealed`; `grosse2015sandwiching`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, BitMatrix, Matrix, Schedule, Stack, Streams, Vector, unwatched};
    ///
    /// let weights = vec![Matrix::from_fn(4, 3, |i, j| (i as f32 - 2.0 * j as f32) / 2.0), Matrix::from_element(3, 2, 0.5)];
    /// let biases = vec![Vector::zeros(4), Vector::zeros(3), Vector::zeros(2)];
    /// let dbn = gm_dbn::Dbn::new(Stack::new(weights, biases)?, None)?;
    /// let v = BitMatrix::from_fn(4, 2, |unit, sample| unit % 2 == sample);
    /// let (log_z, settings) = (dbn.log_partition()?, AisSettings { runs: 100, schedule: Schedule::Linear(50) });
    /// let found = dbn.log_prob_ais(&v, log_z, &settings, &Streams::new(2), &mut unwatched)?;
    /// assert!((found[1].value - dbn.log_prob(&v, log_z)?[1]).abs() < 0.1 && found[1].std_error < 0.05);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_ais<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        log_partition: f64,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<Weighted>> {
        const OP: &str = "Dbn::log_prob_ais";
        let v = v.into();
        self.check_data(OP, v)?;
        if self.depth() == 1 {
            settings.check(OP)?;
            let exact = self.log_prob(v, log_partition)?;
            return Ok(exact.into_iter().map(|value| Weighted::exact(value, settings.runs)).collect());
        }
        let found = self.whole().log_weights_ais((OP, v), settings, streams, watch)?;
        Ok(found.into_iter().map(|row| row.normalised(log_partition)).collect())
    }

    /// log p(v) of the visible states of each chain for a given log Z of the RBM, by annealing from the hidden states
    /// of the chain back to the factorial distribution of [`log_prob_ais`](Self::log_prob_ais), `[chains]`.
    ///
    /// If the hidden states are exact draws from the posterior of the visible ones, it is a stochastic upper bound: its
    /// expectation is not below log p(v). Exact draws of the RBM with a pass down are such states. States that have not
    /// come to equilibrium may err to either side.
    ///
    /// Together with [`log_prob_ais`](Self::log_prob_ais) it brackets log p(v).
    ///
    /// # Shapes
    ///
    /// `states.layers[l]` is x_l, `[n_l, chains]`. As in [`log_joint`](Self::log_joint) the lower layer of the RBM
    /// includes label units, where there are any.
    ///
    /// # Units
    ///
    /// As [`log_prob_ais`](Self::log_prob_ais).
    ///
    /// # Randomness
    ///
    /// As [`gm_core::anneal_rows_back`], with one stream for each chain.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a schedule out of range, and for states of label units in which the number of
    /// units that are on is not one, [`gm_core::Error::Interrupted`] when `watch` breaks, and the errors of
    /// [`Chains::check`] and of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `grosse2015sandwiching`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Batch, Chains, Matrix, Schedule, Stack, Streams, Vector, mean, unwatched};
    ///
    /// let weights = vec![Matrix::from_fn(4, 3, |i, j| (i as f32 - 2.0 * j as f32) / 2.0), Matrix::from_element(3, 2, 0.5)];
    /// let biases = vec![Vector::zeros(4), Vector::zeros(3), Vector::zeros(2)];
    /// let dbn = gm_dbn::Dbn::new(Stack::new(weights, biases)?, None)?;
    /// let (streams, log_z, sampler) = (Streams::new(2), dbn.log_partition()?, dbn.sampler());
    /// let rbm = sampler.exact_chains(200, &streams)?;
    /// let mut layers = sampler.sample_layers_from_chains(&rbm, &streams);
    /// layers.push(Batch::from(rbm.h().clone()));
    /// let states = Chains::new(layers);
    /// let found = dbn.log_prob_reverse_ais(&states, log_z, &Schedule::Linear(50), &streams, &mut unwatched)?;
    /// assert!((mean(&found) - mean(&dbn.log_prob(states.v(), log_z)?)).abs() < 0.1);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_reverse_ais(
        &self,
        states: &Chains,
        log_partition: f64,
        schedule: &Schedule,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Dbn::log_prob_reverse_ais";
        let (mut layers, lower) = (self.layers(), self.depth() - 1);
        layers[lower] += self.classes();
        states.check(OP, "states", &layers)?;
        self.top().units().check(OP, layers[lower], states.layers[lower].view())?;
        if self.depth() == 1 {
            schedule.check()?;
            return match states.v() {
                Batch::Bits(v) => self.log_prob(&v.narrowed(self.visible()), log_partition),
                reals => self.log_prob(reals, log_partition),
            };
        }
        self.check_data(OP, states.v())?;
        let found = self.whole().log_weights_reverse_ais((OP, states), schedule, streams, watch)?;
        Ok(found.into_iter().map(|log_prob| log_prob - log_partition).collect())
    }

    /// The directed layers with the visible units and the label units.
    fn whole(&self) -> Directed<'_> {
        self.directed().with_units(self.units()).with_labels(self.labels())
    }
}
