//! The likelihood by annealed importance sampling, forwards and in reverse.

use gm_core::layer::Layer;
use gm_core::{
    AisSettings, Annealed, AnnealedPath, Batch, BatchRef, Error, Matrix, Purpose, Result, Schedule, Streams, Watch,
    anneal, anneal_back, log_mean_exp,
};

use crate::gibbs::Sampler;
use crate::model::Harmonium;

/// Chains and sweeps from which a model without data takes the moments of its base.
const OWN: (usize, usize) = (256, 50);

impl Harmonium {
    /// A visible layer of independent units that have the means and variances of data: a base for annealing.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data), and [`Error::Empty`] without samples.
    pub fn base_of<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Layer> {
        let v = v.into();
        self.check_data("Harmonium::base_of", v)?;
        if v.samples() == 0 {
            return Err(Error::Empty { op: "Harmonium::base_of", arg: "data" });
        }
        self.visible().independent_of(v)
    }

    /// log Z by annealing from independent visible units to this model.
    ///
    /// At beta the visible layer has parameters between those of the base and its own, and the weights are beta W. Any base
    /// gives a valid estimate, and one near the model a sharper one. By default it comes from short chains of the model.
    ///
    /// # Randomness
    ///
    /// As [`anneal`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range and for a base of other kinds, [`Error::Interrupted`] when `watch` breaks.
    ///
    /// # Source
    ///
    /// `neal2001annealed`; `salakhutdinov2008quantitative`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, VisibleUnits, unwatched};
    ///
    /// let model = gm_harmonium::Harmonium::from_stack(&Stack::zeros(&[3, 2])?, &VisibleUnits::Bernoulli)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = model.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 5.0 * 2.0_f64.ln()).abs() < 0.05);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base: Option<&Layer>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        anneal(&self.path("Harmonium::log_partition_ais", base, streams)?, settings, streams, watch)
    }

    /// log Z from above, by reverse annealing from the given visible states. It is above log Z in expectation if the states
    /// are independent exact draws of the model.
    ///
    /// # Shapes
    ///
    /// `states` is `[visible, runs]`.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// Those of [`log_partition_ais`](Self::log_partition_ais) and of [`check_data`](Self::check_data), and
    /// [`Error::Empty`] without states.
    ///
    /// # Source
    ///
    /// `burda2015accurate`, section 3.
    pub fn log_partition_reverse_ais<'v>(
        &self,
        states: impl Into<BatchRef<'v>>,
        schedule: &Schedule,
        base: Option<&Layer>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        const OP: &str = "Harmonium::log_partition_reverse_ais";
        let states = states.into();
        self.check_data(OP, states)?;
        let path = self.path(OP, base, streams)?;
        anneal_back(&path, (states.to_batch(), states.samples()), schedule, streams, watch)
    }

    /// A lower bound in expectation on ln p(v) of each sample, `[samples]`: RAISE. It holds for the distribution at which
    /// annealing ends, which the schedule brings close to the model.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
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
    pub fn log_prob_raise<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        settings: &AisSettings,
        base: Option<&Layer>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let v = v.into().to_batch();
        if settings.runs == 0 {
            let (op, arg, value) = ("Harmonium::log_prob_raise", "runs", "0".into());
            return Err(Error::Param { op, arg, value, allowed: "1 or more" });
        }
        let copies: Vec<usize> = (0..v.samples()).flat_map(|s| std::iter::repeat_n(s, settings.runs)).collect();
        let states = v.select(&copies);
        let found = self.log_partition_reverse_ais(states.view(), &settings.schedule, base, streams, watch)?;
        let runs = found.log_weights.chunks(settings.runs);
        let log_z = runs.map(|of_sample| -log_mean_exp(&of_sample.iter().map(|z| -z).collect::<Vec<_>>()));
        Ok(self.free_energy(v.view()).iter().zip(log_z).map(|(f, z)| -f - z).collect())
    }

    fn path(&self, op: &'static str, base: Option<&Layer>, streams: &Streams) -> Result<Path> {
        let base = match base {
            Some(base) if base.name() == self.visible().name() && base.units() == self.visible().units() => {
                base.clone()
            }
            Some(base) => {
                let allowed = "a layer of the kinds and units of the visible layer";
                return Err(Error::Param { op, arg: "base", value: base.name(), allowed });
            }
            None => self.own_base(streams)?,
        };
        Ok(Path { sampler: self.sampler(), base })
    }

    /// Independent units with the moments of short chains of this model, a base for annealing where there are no data.
    ///
    /// # Randomness
    ///
    /// 50 sweeps of 256 chains below family 2^64 - 1 of [`Purpose::Anneal`].
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] for chains that leave the range of numbers.
    pub fn own_base(&self, streams: &Streams) -> Result<Layer> {
        let (count, sweeps) = OWN;
        let family = streams.fork(Purpose::Anneal, u64::MAX);
        let (mut chains, sampler) = (self.chains(count, &family), self.sampler());
        sampler.run(&mut chains, sweeps, &family);
        self.visible().independent_of(chains.v.view())
    }
}

/// The path from independent visible units to the model.
struct Path {
    sampler: Sampler,
    base: Layer,
}

impl Path {
    fn model(&self) -> &Harmonium {
        self.sampler.model()
    }
}

impl AnnealedPath for Path {
    /// Visible states.
    type Chains = Batch;

    fn log_base_partition(&self) -> f64 {
        let none = |units| Matrix::zeros(units, 1);
        let (visible, hidden) = (&self.base, self.model().hidden());
        visible.cumulants(&none(visible.units()))[0] + hidden.cumulants(&none(hidden.units()))[0]
    }

    fn start(&self, runs: usize, streams: &Streams) -> Batch {
        let none = Matrix::zeros(self.base.units(), runs);
        self.base.sample(&none, &streams.fork(Purpose::Layer, 0))
    }

    fn advance(&self, v: &mut Batch, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        let model = self.model();
        let inputs = self.sampler.inputs_h(v.view());
        let at = |beta: f64| &inputs * beta as f32;
        if from != to {
            let gains = model.hidden().cumulant_gains(&inputs, (from, to));
            let tilt = model.visible().tilts(&self.base, v.view());
            for (s, weight) in log_weights.iter_mut().enumerate() {
                *weight += gains[s] + (to - from) * tilt[s];
            }
        }
        let h = model.hidden().sample(&at(to), &streams.fork(Purpose::Layer, 1));
        let inputs = self.sampler.inputs_v(h.view()) * to as f32;
        *v = model.visible().between(&self.base, to).sample(&inputs, &streams.fork(Purpose::Layer, 0));
    }
}
