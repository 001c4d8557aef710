//! Likelihoods: log Z of the RBM on top, exactly and annealed, and lower bounds on log p(v) from draws of the
//! recognition net.

use gm_core::{
    AisSettings, Annealed, Batch, BatchRef, BitMatrix, Matrix, Purpose, Result, Schedule, Streams, VisibleUnits, Watch,
};
use gm_rbm::base_rate_bias;
use gm_sbn::{BoundSettings, Bounds, Draws, Net, Passes};

use crate::enumeration::{all_states, check_table};
use crate::gradient::Wake;
use crate::model::{Dbn, log_weights};

impl Dbn {
    /// Units that the exact log Z of the RBM enumerates.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        self.top().enumerable_units()
    }

    /// log Z of the RBM on top, exactly; the directed layers have none.
    ///
    /// # Errors
    ///
    /// As [`Rbm::log_partition`](gm_rbm::Rbm::log_partition).
    ///
    /// # Examples
    ///
    /// ```
    /// let dbn = gm_dbn::Dbn::new(gm_core::Stack::zeros(&[400, 3, 200])?, None)?;
    /// assert!((dbn.log_partition()? - 203.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition(&self) -> Result<f64> {
        self.top().log_partition()
    }

    /// [`log_partition`](Self::log_partition) that tells `watch` how many states are done, and stops when it breaks.
    ///
    /// # Errors
    ///
    /// As [`Rbm::log_partition_watched`](gm_rbm::Rbm::log_partition_watched).
    pub fn log_partition_watched(&self, watch: Watch<'_>) -> Result<f64> {
        self.top().log_partition_watched(watch)
    }

    /// Biases of independent units with the means that the recognition net gives to the lower layer of the RBM on data:
    /// a base for annealing. Label units have a bias of 0.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbn = gm_dbn::Dbn::new(gm_core::Stack::zeros(&[4, 3, 2])?, None)?;
    /// assert_eq!(dbn.base_rates(&BitMatrix::zeros(4, 2))?, [0.0; 3]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn base_rates<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Vec<f32>> {
        let data = data.into();
        self.check_data("Dbn::base_rates", data)?;
        let mut means = match (self.depth(), data) {
            (1, BatchRef::Bits(data)) => {
                data.unit_counts().iter().map(|&on| (on as f64 / data.samples() as f64) as f32).collect()
            }
            (1, BatchRef::Reals(data)) => data.column_mean().as_slice().to_vec(),
            (depth, data) => self.averages_up_from_v(data).swap_remove(depth - 2),
        };
        if self.depth() == 1 && self.classes() == 0 {
            return Ok(self.units().bias_of_means(&means));
        }
        means.resize(means.len() + self.classes(), 0.5);
        Ok(base_rate_bias(&means))
    }

    /// log Z of the RBM by annealing from independent units with the given biases. The biases of
    /// [`base_rates`](Self::base_rates) for training data serve best.
    ///
    /// # Errors
    ///
    /// As [`Rbm::log_partition_ais`](gm_rbm::Rbm::log_partition_ais).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, unwatched};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = dbn.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        self.top().log_partition_ais(settings, base, streams, watch)
    }

    /// Estimates of log Z by reverse annealing, one from each given state of the lower layer of the RBM, with label
    /// units behind where there are any. In expectation they lie above log Z if the states are draws of the RBM. With
    /// draws of the recognition net, which come from data, this is RAISE.
    ///
    /// # Errors
    ///
    /// As [`Rbm::log_prob_raise`](gm_rbm::Rbm::log_prob_raise).
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    pub fn log_partition_raise<'x>(
        &self,
        x: impl Into<BatchRef<'x>>,
        schedule: &Schedule,
        base: Option<&[f32]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let (x, top, settings) = (x.into(), self.top(), AisSettings { runs: 1, schedule: schedule.clone() });
        let log_probs = top.log_prob_raise(x, &settings, base, streams, watch)?;
        Ok(top.free_energy(x).iter().zip(log_probs).map(|(f, log_prob)| -f - log_prob).collect())
    }

    /// Lower bounds on log p(v) from K draws of the recognition net, for a given log Z of the RBM.
    ///
    /// With weights w_k = p(v, x_1, ..., x_(L-1)) / q(x_1, ..., x_(L-1) | v) and the top layer summed out: the evidence
    /// lower bound E[log w], and log (1/K) sum_k w_k, which in expectation grows with K towards log p(v).
    ///
    /// # Randomness
    ///
    /// As [`Sbn::bounds`](gm_sbn::Sbn::bounds).
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] without draws or repeats, [`gm_core::Error::Interrupted`] when `watch` breaks, and as
    /// [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 3; `burda2016importance`, section 3.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams, unwatched};
    /// use gm_sbn::BoundSettings;
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let (v, settings) = (BitMatrix::zeros(4, 2), BoundSettings { samples: 10, repeats: 1 });
    /// let bounds = dbn.bounds(&v, dbn.log_partition()?, &settings, &Streams::new(0), &mut unwatched)?;
    /// assert!((bounds.elbo[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn bounds<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        log_partition: f64,
        settings: &BoundSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Bounds> {
        const OP: &str = "Dbn::bounds";
        let v = v.into();
        self.check_data(OP, v)?;
        let top = self.top();
        if let (BatchRef::Bits(v), VisibleUnits::Bernoulli) = (v, self.units()) {
            let prior = |x: &BitMatrix| log_weights(&top, x).into_iter().map(|weight| weight - log_partition).collect();
            let passes = Passes::new(self.directed());
            return Net::with_prior(&passes, &prior).bounds(OP, v, settings, streams, watch);
        }
        let arranged = self.arranged();
        let draw = |rows: &[usize], count: usize, streams: &Streams| -> Vec<f64> {
            let v = v.select(rows);
            let log_weights = match self.depth() {
                // All that is above v is summed out.
                1 => top.free_energy(&v).iter().flat_map(|f| std::iter::repeat_n(-f, count)).collect(),
                _ => Wake::log_weights_of(&arranged, v.view(), count, streams),
            };
            log_weights.into_iter().map(|weight| weight - log_partition).collect()
        };
        Bounds::of_weights(OP, v.samples(), settings, streams, watch, draw)
    }

    /// The log importance weight of given states, `[samples]`: log p*(v, x_1, ..., x_(L-1)) - log q(x_1, ..., x_(L-1) | v),
    /// with the recognition net as the proposal q and the top layer summed out. p* is p times Z of the RBM on top.
    ///
    /// Let the states be exact draws of the posterior of v and let the other K - 1 weights come from draws of q. Then the
    /// log of the mean of the K weights is above log p(v) + log Z in expectation, as the log of the mean of K drawn
    /// weights is below it.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, from the visible layer to the lower layer of the RBM.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for other layers, and as [`check_data`](Self::check_data).
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
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let states = dbn.exact_samples(5, &Streams::new(0))?;
    /// let log_p = dbn.log_importance_weights(&states)?[4] - dbn.log_partition()?;
    /// assert!((log_p + 4.0 * 2.0_f64.ln()).abs() < 1e-5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_importance_weights(&self, layers: &[Batch]) -> Result<Vec<f64>> {
        const OP: &str = "Dbn::log_importance_weights";
        gm_core::check_len(OP, "layers", "length", layers.len(), self.depth())?;
        let v = layers[0].view();
        self.check_data(OP, v)?;
        for (layer, units) in layers.iter().zip(self.layers()) {
            gm_core::check_len(OP, "layers", "units", layer.units(), units)?;
            gm_core::check_len(OP, "layers", "samples", layer.samples(), v.samples())?;
        }
        if self.depth() == 1 {
            return Ok(self.top().free_energy(v).iter().map(|f| -f).collect());
        }
        let hidden: Vec<BitMatrix> = layers[1..].iter().map(|x| x.bits().clone()).collect();
        let arranged = self.arranged();
        if let (BatchRef::Bits(v), VisibleUnits::Bernoulli) = (v, self.units()) {
            let top = self.top();
            let prior = |x: &BitMatrix| log_weights(&top, x);
            return Ok(
                Draws::of_states(Net::with_prior(&Passes::new(self.directed()), &prior), v, &hidden).log_weights()
            );
        }
        Ok(Wake::of_samples(&arranged, v, &hidden).log_weights())
    }

    /// The expectation of the K-sample bound of each row by enumeration, for a given log Z, `[samples]`; with K = 1 the
    /// exact evidence lower bound.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] beyond [`TABLE_LIMIT`](crate::TABLE_LIMIT) units, counted as the units of all
    /// hidden layers but the top one times K, and as [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbn = gm_dbn::Dbn::new(gm_core::Stack::zeros(&[4, 3, 2])?, None)?;
    /// let bound = dbn.exact_bound(&BitMatrix::zeros(4, 1), dbn.log_partition()?, 1)?;
    /// assert!((bound[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_bound<'v>(&self, v: impl Into<BatchRef<'v>>, log_partition: f64, samples: usize) -> Result<Vec<f64>> {
        const OP: &str = "Dbn::exact_bound";
        let v = v.into();
        self.check_data(OP, v)?;
        check_table(OP, self.enumerable_hidden_units().saturating_mul(samples))?;
        if self.depth() == 1 {
            return self.log_prob(v, log_partition);
        }
        let (top, states) = (self.top(), all_states(&self.layers()[1..self.depth()]));
        let prior = |x: &BitMatrix| log_weights(&top, x).into_iter().map(|weight| weight - log_partition).collect();
        if let (BatchRef::Bits(v), VisibleUnits::Bernoulli) = (v, self.units()) {
            let passes = Passes::new(self.directed());
            return Ok(Net::with_prior(&passes, &prior).exact_bound(v, &states, samples));
        }
        let arranged = self.arranged();
        let bound = |row: usize| {
            let wake = Wake::of_states(&arranged, v.select(&[row]).view(), &states);
            let states = wake.log_weights().into_iter().map(|weight| weight - log_partition);
            Bounds::expected(&states.zip(wake.log_q().iter().map(|q| q.exp())).collect::<Vec<_>>(), samples)
        };
        Ok((0..v.samples()).map(bound).collect())
    }

    /// log p(y | v) of each class y, `[classes, samples]`, from the free energies of the RBM with the means that the
    /// recognition net gives to its lower layer.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, of numbers from 0 to 1, or of standardised ones for Gaussian units.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a network without label units, [`gm_core::Error::Shape`] for data of another
    /// width.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 6.2.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Labels, Matrix, Stack, Vector};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let dbn = dbn.with_labels(Some(Labels::new(Matrix::zeros(10, 2), Vector::zeros(10))?))?;
    /// let log_p = dbn.log_class_probs(&Matrix::zeros(4, 1))?;
    /// assert!((log_p[(7, 0)] - 0.1_f32.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_class_probs(&self, v: &Matrix) -> Result<Matrix> {
        gm_core::check_len("Dbn::log_class_probs", "data", "units", v.nrows(), self.visible())?;
        let lower = match self.depth() {
            1 => v.clone(),
            depth => self.means_up_from_v(v).swap_remove(depth - 2),
        };
        self.top().log_class_probs(&lower)
    }

    /// Independent exact draws of x_0, ..., x_(L-1), by enumeration of the smaller layer of the RBM.
    ///
    /// # Randomness
    ///
    /// As [`Rbm::exact_samples`](gm_rbm::Rbm::exact_samples), and family 0 of [`Purpose::Noise`] for the pass down.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] when both layers of the RBM have more than 24 units.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbn = gm_dbn::Dbn::new(gm_core::Stack::zeros(&[4, 3, 2])?, None)?;
    /// assert_eq!(dbn.exact_samples(5, &gm_core::Streams::new(0))?[0].samples(), 5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_samples(&self, count: usize, streams: &Streams) -> Result<Vec<Batch>> {
        let arranged = self.arranged();
        let chains = arranged.rbm().exact_samples(count, streams)?;
        Ok(arranged.descend(chains.v().view(), &streams.fork(Purpose::Noise, 0)))
    }
}
