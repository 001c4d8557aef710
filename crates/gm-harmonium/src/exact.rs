//! Exact answers: log Z, draws and moments, where one layer has a finite number of states or both are Gaussian.

use gm_core::layer::Layer;
use gm_core::{Batch, Error, Matrix, Progress, Purpose, Result, Streams, Watch, log_sum_exp, unwatched};
use rand::RngExt;

use crate::gradient::Gradient;
use crate::model::Harmonium;

/// The most states of a layer that are enumerated.
pub const STATES_LIMIT: u64 = 1 << 22;

/// States that are looked at together.
const TOGETHER: u64 = 1 << 12;

/// The layer over whose states an exact answer adds up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Visible(u64),
    Hidden(u64),
}

impl Harmonium {
    /// The number of states over which exact answers add up; `None` if neither layer has a finite number that is small
    /// enough for a number.
    #[must_use]
    pub fn enumerable_states(&self) -> Option<u64> {
        match (self.visible().state_count(), self.hidden().state_count()) {
            (Some(v), Some(h)) => Some(v.min(h)),
            (v, h) => v.or(h),
        }
    }

    /// The number of zeros and ones that have as many states as an exact log Z adds up over: 0 where there is a formula, and
    /// `usize::MAX` where there is no exact answer.
    #[must_use]
    pub fn enumerable_units(&self) -> usize {
        let (visible, hidden) = (self.visible().name(), self.hidden().name());
        if self.weights().iter().all(|&w| w == 0.0) || (visible == "gaussian" && hidden == "gaussian") {
            return 0;
        }
        let states = self.enumerable_states().filter(|&states| states <= STATES_LIMIT);
        states.map_or(usize::MAX, |states| states.next_power_of_two().ilog2() as usize)
    }

    fn over(&self, op: &'static str) -> Result<Over> {
        let over = match (self.visible().state_count(), self.hidden().state_count()) {
            (Some(v), h) if h.is_none_or(|h| v < h) => Over::Visible(v),
            (_, Some(h)) => Over::Hidden(h),
            _ => {
                let value = format!("{} and {}", self.visible().name(), self.hidden().name());
                let allowed = "a layer with a small number of states, or two Gaussian layers";
                return Err(Error::Param { op, arg: "units", value, allowed });
            }
        };
        match over {
            Over::Visible(count) | Over::Hidden(count) if count > STATES_LIMIT => {
                let value = format!("{count} states");
                Err(Error::Param { op, arg: "units", value, allowed: "at most 4194304 states to enumerate" })
            }
            over => Ok(over),
        }
    }

    /// The logarithm of the summed weights of states of one layer, with the other layer summed or integrated out, in the
    /// order of their numbers.
    fn log_weights_of(&self, over: Over, watch: Watch<'_>) -> Result<Vec<f64>> {
        let (layer, count) = self.side(over);
        let mut log_weights = vec![];
        for first in (0..count).step_by(TOGETHER as usize) {
            if watch(Progress { done: first as usize, total: count as usize }).is_break() {
                return Err(Error::Interrupted { op: "exact enumeration" });
            }
            let states = layer.states(first..(first + TOGETHER).min(count))?;
            let other = match over {
                Over::Visible(_) => self.hidden().cumulants(&self.inputs_h_from_v(&states)),
                Over::Hidden(_) => self.visible().cumulants(&self.inputs_v_from_h(&states)),
            };
            let own = layer.log_weights((&states).into());
            log_weights.extend(own.iter().zip(other).map(|(own, other)| own + other));
        }
        Ok(log_weights)
    }

    fn side(&self, over: Over) -> (&Layer, u64) {
        match over {
            Over::Visible(count) => (self.visible(), count),
            Over::Hidden(count) => (self.hidden(), count),
        }
    }

    /// log Z, the logarithm of the sum or integral of exp(-E(v, h)).
    ///
    /// # Errors
    ///
    /// [`Error::Param`] if neither layer has a number of states that can be enumerated, unless both layers are Gaussian or all
    /// weights are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleUnits};
    ///
    /// let model = gm_harmonium::Harmonium::from_stack(&Stack::zeros(&[4, 3])?, &VisibleUnits::Bernoulli)?;
    /// assert!((model.log_partition()? - 7.0 * 2.0_f64.ln()).abs() < 1e-12);
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
    pub fn log_partition_watched(&self, watch: Watch<'_>) -> Result<f64> {
        if let Some(log_z) = self.separate_log_partition().or_else(|| self.gaussian_log_partition()) {
            return Ok(log_z);
        }
        Ok(log_sum_exp(&self.log_weights_of(self.over("Harmonium::log_partition")?, watch)?))
    }

    /// log Z of two layers that do not see each other.
    fn separate_log_partition(&self) -> Option<f64> {
        let alone = |layer: &Layer| layer.cumulants(&Matrix::zeros(layer.units(), 1))[0];
        self.weights().iter().all(|&w| w == 0.0).then(|| alone(self.visible()) + alone(self.hidden()))
    }

    /// log Z of two Gaussian layers: b' A^-1 b / 2 - ln det(A) / 2 + n ln(2 pi) / 2, with A the matrix of the energy.
    fn gaussian_log_partition(&self) -> Option<f64> {
        let of = |layer: &Layer| (layer.name() == "gaussian").then(|| layer.tensors());
        let (visible, hidden) = (of(self.visible())?, of(self.hidden())?);
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let join = |at: usize| [wide(&visible[at].1), wide(&hidden[at].1)].concat();
        let (theta, gamma, n) = (join(0), join(1), self.visible().units());
        let matrix = nalgebra::DMatrix::from_fn(theta.len(), theta.len(), |i, j| match (i < n, j < n) {
            _ if i == j => gamma[i],
            (true, false) => -f64::from(self.weights()[(i, j - n)]),
            (false, true) => -f64::from(self.weights()[(j, i - n)]),
            _ => 0.0,
        });
        let root = matrix.cholesky()?;
        let theta = nalgebra::DVector::from_vec(theta);
        let half_log_det = root.l_dirty().diagonal().iter().map(|x| x.ln()).sum::<f64>();
        let constant = 0.5 * theta.len() as f64 * std::f64::consts::TAU.ln();
        Some(0.5 * theta.dot(&root.solve(&theta)) - half_log_det + constant)
    }

    /// Independent draws of both layers from the model.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, count]`, `h` is `[hidden, count]`.
    ///
    /// # Randomness
    ///
    /// States of the layer that is enumerated from stream 0 of [`Purpose::Exact`], those of the other layer as
    /// [`Layer::sample`] from its family 1.
    ///
    /// # Errors
    ///
    /// As [`log_partition`](Self::log_partition), without two Gaussian layers.
    pub fn exact_samples(&self, count: usize, streams: &Streams) -> Result<(Batch, Batch)> {
        let over = self.over("Harmonium::exact_samples")?;
        let log_weights = self.log_weights_of(over, &mut unwatched)?;
        let log_z = log_sum_exp(&log_weights);
        let mut up_to = 0.0;
        let cumulative: Vec<f64> = log_weights
            .iter()
            .map(|w| {
                up_to += (w - log_z).exp();
                up_to
            })
            .collect();
        let (layer, states) = self.side(over);
        let mut stream = streams.fork(Purpose::Exact, 0).stream(0);
        let mut columns = Matrix::zeros(layer.units(), count);
        for mut column in columns.column_iter_mut() {
            let point = stream.random::<f64>() * up_to;
            let number = (cumulative.partition_point(|&c| c <= point) as u64).min(states - 1);
            column.copy_from(&layer.states(number..number + 1)?.column(0));
        }
        let (own, family) = (layer.batch(columns), streams.fork(Purpose::Exact, 1));
        Ok(match over {
            Over::Visible(_) => {
                let h = self.sample_h_from_v(own.view(), &family);
                (own, h)
            }
            Over::Hidden(_) => (self.sample_v_from_h(own.view(), &family), own),
        })
    }

    /// The means of all statistics under the model: what the parameters of both layers and the weights would gain in
    /// log-likelihood from the data of the model itself.
    ///
    /// # Errors
    ///
    /// As [`exact_samples`](Self::exact_samples).
    pub fn exact_statistics(&self) -> Result<Gradient> {
        let over = self.over("Harmonium::exact_statistics")?;
        let log_weights = self.log_weights_of(over, &mut unwatched)?;
        let log_z = log_sum_exp(&log_weights);
        let (layer, count) = self.side(over);
        let mut total = Gradient::zeros(self);
        for first in (0..count).step_by(TOGETHER as usize) {
            let numbers = first..(first + TOGETHER).min(count);
            let weights = &log_weights[numbers.start as usize..numbers.end as usize];
            let weights: Vec<f32> = weights.iter().map(|w| (w - log_z).exp() as f32).collect();
            let states = layer.states(numbers)?;
            total.add(&match over {
                Over::Visible(_) => Gradient::given_v(self, (&states).into(), &weights),
                Over::Hidden(_) => Gradient::given_h(self, (&states).into(), &weights),
            });
        }
        Ok(total)
    }
}
