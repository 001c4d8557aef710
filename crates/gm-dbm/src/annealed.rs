//! The likelihood by annealed importance sampling over the smaller half of the layers, forwards and in reverse.

use gm_core::{
    Activations, AisSettings, Annealed, AnnealedPath, Arrangement, Batch, BatchRef, Beta, BitMatrix, Chains, Matrix,
    Purpose, Result, Schedule, Streams, Watch, anneal, anneal_back, log_mean_exp, softplus_sum, widened,
};
use gm_rbm::base_rate_bias;

use crate::conditional::Couplings;
use crate::importance::{Proposal, check_count, check_sizes};
use crate::mean_field::{MeanFieldSettings, average};
use crate::model::Dbm;

impl Dbm {
    /// The biases of independent units that have the means of data in the visible layer and the means of mean field
    /// above it, one vector for each layer. They are a base for annealing.
    ///
    /// # Errors
    ///
    /// As [`mean_field`](Self::mean_field).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(gm_core::Stack::zeros(&[3, 2, 2])?)?;
    /// let base = dbm.base_rates(&BitMatrix::from_fn(3, 2, |_, sample| sample == 0))?;
    /// assert_eq!(base, [vec![0.0; 3], vec![0.0; 2], vec![0.0; 2]]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn base_rates<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Vec<Vec<f32>>> {
        let data = data.into();
        let posterior = self.mean_field(data, &MeanFieldSettings::default())?;
        let samples = data.samples().max(1) as f64;
        let visible: Vec<f32> = match data {
            BatchRef::Bits(bits) => bits.unit_counts().iter().map(|&on| (on as f64 / samples) as f32).collect(),
            BatchRef::Reals(reals) => average(reals),
        };
        let hidden = posterior.averages().into_iter().map(|means| base_rate_bias(&means));
        Ok(std::iter::once(self.units().bias_of_means(&visible)).chain(hidden).collect())
    }

    /// log Z by annealing the smaller half of the layers from independent units, with the other half summed out.
    /// Softmax and Gaussian visible units always belong to the half that is summed or integrated out.
    ///
    /// The base biases are one vector for each layer. The best ones are [`base_rates`](Self::base_rates) of the
    /// training data. By default they come from the means of short chains of the model. Any finite base gives a valid
    /// estimate. A base near the model gives a sharper one.
    ///
    /// f_beta(x) = exp(sum_kept ((1 - beta) base_l + beta b_l)' x_l) prod_summed (1 + exp((1 - beta) base + beta
    /// input)). For softmax or Gaussian units the sum or integral of exp(-beta E) base(v)^(1 - beta) over v takes the
    /// place of their factors.
    ///
    /// # Randomness
    ///
    /// As [`anneal`].
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for settings out of range, [`gm_core::Error::Shape`] for a base of other layers,
    /// [`gm_core::Error::Interrupted`]
    /// when `watch` breaks.
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 4.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, Schedule, Stack, Streams, unwatched};
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let settings = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
    /// let found = dbm.log_partition_ais(&settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((found.log_partition.value - 7.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_ais(
        &self,
        settings: &AisSettings,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        let base = self.base_or_own("Dbm::log_partition_ais", base, streams)?;
        anneal(&HalfPath::new(self, &base), settings, streams, watch)
    }

    /// log Z from above, by reverse AIS from the model to independent units, with one run from each of `states`.
    ///
    /// It is above log Z in expectation when `states` are independent exact draws of the model. There are none for a
    /// large model, and states that have not come to equilibrium may err to either side.
    ///
    /// # Randomness
    ///
    /// As [`anneal_back`].
    ///
    /// # Errors
    ///
    /// The errors of [`log_partition_ais`](Self::log_partition_ais), [`gm_core::Error::Shape`] for states of other layers,
    /// [`gm_core::Error::Empty`] without states.
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
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let (streams, schedule) = (Streams::new(0), Schedule::Linear(5));
    /// let model = dbm.exact_samples(10, &streams)?;
    /// let found = dbm.log_partition_reverse_ais(&model, &schedule, None, &streams, &mut unwatched)?;
    /// assert!((found.log_partition.value - 7.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_partition_reverse_ais(
        &self,
        states: &Chains,
        schedule: &Schedule,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Annealed> {
        const OP: &str = "Dbm::log_partition_reverse_ais";
        let sizes: Vec<usize> = states.layers.iter().map(Batch::units).collect();
        check_sizes(OP, "states", &sizes, &self.layers())?;
        let base = self.base_or_own(OP, base, streams)?;
        let path = HalfPath::new(self, &base);
        anneal_back(&path, (path.chains_at(states.layers.clone()), states.count()), schedule, streams, watch)
    }

    /// A lower bound in expectation on log p(v) of each sample, `[samples]`: RAISE with mean field as the proposal.
    ///
    /// The hidden units of the annealed half are drawn from mean field, and reverse AIS starts from them. The bound
    /// averages p*(v, drawn) / (q(drawn) Z') over `runs` draws, where Z' is the estimate of the reverse AIS run of a
    /// draw. The bound holds for the distribution at which annealing from independent units ends. The finer the
    /// schedule, the closer it comes to the distribution of the model.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// Family r of [`Purpose::Propose`] for the draws of run r, then as [`anneal_back`].
    ///
    /// # Errors
    ///
    /// The errors of [`log_partition_ais`](Self::log_partition_ais) and of [`check_data`](Self::check_data),
    /// [`gm_core::Error::Param`] without runs.
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
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
    /// let settings = AisSettings { runs: 2, schedule: Schedule::Linear(5) };
    /// let bound = dbm.log_prob_raise(&BitMatrix::zeros(3, 4), &settings, None, &Streams::new(0), &mut unwatched)?;
    /// assert!((bound[3] + 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_raise<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        settings: &AisSettings,
        base: Option<&[Vec<f32>]>,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Dbm::log_prob_raise";
        let v = v.into();
        check_count(OP, "runs", settings.runs)?;
        let posterior = self.mean_field(v, &MeanFieldSettings::default())?;
        let base = self.base_or_own(OP, base, streams)?;
        let path = HalfPath::new(self, &base);
        let proposal = Proposal::new(self, &path.couplings, (v, &posterior), path.kept);
        let draws: Vec<(Vec<Batch>, Vec<f64>)> =
            (0..settings.runs as u64).map(|run| proposal.draw(&streams.fork(Purpose::Propose, run))).collect();
        let layers = (0..=self.depth()).map(|l| side_by_side(draws.iter().map(|(layers, _)| &layers[l]))).collect();
        let chains = (path.chains_at(layers), v.samples() * settings.runs);
        let found = anneal_back(&path, chains, &settings.schedule, streams, watch)?;
        let of_sample = |s: usize| {
            let runs = draws.iter().enumerate();
            let weights = runs.map(|(run, (_, weights))| weights[s] - found.log_weights[run * v.samples() + s]);
            log_mean_exp(&weights.collect::<Vec<_>>())
        };
        Ok((0..v.samples()).map(of_sample).collect())
    }

    fn base_or_own(&self, op: &'static str, base: Option<&[Vec<f32>]>, streams: &Streams) -> Result<Vec<Vec<f32>>> {
        let base = base.map_or_else(|| self.model_rates(streams), <[Vec<f32>]>::to_vec);
        let sizes: Vec<usize> = base.iter().map(Vec::len).collect();
        check_sizes(op, "base", &sizes, &self.layers())?;
        base.iter().try_for_each(|biases| gm_core::check_finite(op, "base", biases))?;
        Ok(base)
    }

    /// The biases of independent units that have the means of short chains of this model.
    fn model_rates(&self, streams: &Streams) -> Vec<Vec<f32>> {
        const CHAINS: usize = 256;
        const SWEEPS: usize = 50;
        let family = streams.fork(Purpose::Anneal, u64::MAX);
        let mut chains = self.scattered(CHAINS, &family);
        let sampler = self.sampler();
        sampler.run(&mut chains, SWEEPS, &family);
        let rates = |l: usize| {
            let sums = sampler.mean(l, &chains.layers).unit_sums();
            let means: Vec<f32> = sums.iter().map(|sum| (sum / CHAINS as f64) as f32).collect();
            if l == 0 { self.units().bias_of_means(&means) } else { base_rate_bias(&means) }
        };
        (0..=self.depth()).map(rates).collect()
    }

    /// Chains that start at uniform bits in the visible layer, or in the odd layers if visible units are not Bernoulli.
    fn scattered(&self, count: usize, streams: &Streams) -> Chains {
        let uniform = |l: usize, streams: &Streams| {
            let mut x = BitMatrix::zeros(self.size(l), count);
            Activations::from_matrix(&Matrix::from_element(self.size(l), count, 0.5)).sample_into(&mut x, streams);
            x
        };
        if self.has_bits() {
            return self.chains_at(uniform(0, streams).into(), streams);
        }
        let mut layers = self.blank(count);
        for l in (1..layers.len()).step_by(2) {
            layers[l] = uniform(l, &streams.fork(Purpose::Layer, l as u64)).into();
        }
        Chains::new(layers)
    }
}

/// One batch of the samples of several batches, one batch after the other.
fn side_by_side<'a>(batches: impl Iterator<Item = &'a Batch> + Clone) -> Batch {
    let reals = |batch: &'a Batch| match batch {
        Batch::Bits(_) => None,
        Batch::Reals(reals) => Some(reals),
    };
    let all: Vec<&Matrix> = batches.clone().filter_map(reals).collect();
    if let Some(first) = all.first() {
        let values: Vec<f32> = all.iter().flat_map(|batch| batch.iter().copied()).collect();
        return Matrix::from_vec(first.nrows(), values.len() / first.nrows(), values).into();
    }
    side_by_side_bits(batches.map(Batch::bits)).into()
}

fn side_by_side_bits<'a>(batches: impl Iterator<Item = &'a BitMatrix> + Clone) -> BitMatrix {
    let sizes = batches.clone().map(|batch| (batch.units(), batch.samples()));
    let (units, samples) = sizes.fold((0, 0), |(_, total), (units, samples)| (units, total + samples));
    let mut joined = BitMatrix::zeros(units, samples);
    let mut first = 0;
    for batch in batches {
        for sample in 0..batch.samples() {
            (0..units).filter(|&unit| batch.get(unit, sample)).for_each(|unit| joined.set(unit, first + sample, true));
        }
        first += batch.samples();
    }
    joined
}

/// The path from independent units to the model, with the larger half of the layers summed out.
struct HalfPath<'a> {
    dbm: &'a Dbm,
    couplings: Couplings,
    base: &'a [Vec<f32>],
    /// The parity of the layers that are annealed.
    kept: usize,
    /// b_l - base_l.
    change: Vec<Vec<f64>>,
}

impl<'a> HalfPath<'a> {
    fn new(dbm: &'a Dbm, base: &'a [Vec<f32>]) -> Self {
        let change = |(l, base): (usize, &Vec<f32>)| {
            dbm.bias(l).iter().zip(base).map(|(&b, &base)| f64::from(b) - f64::from(base)).collect()
        };
        let (kept, change) = (dbm.kept_half(), base.iter().enumerate().map(change).collect());
        Self { dbm, couplings: Couplings::new(dbm, Arrangement::ManyDraws), base, kept, change }
    }

    fn chains_at(&self, layers: Vec<Batch>) -> AnnealedChains {
        let inputs = layers.iter().map(|x| Activations::zeros(x.units(), x.samples())).collect();
        AnnealedChains { layers, inputs }
    }

    fn half(&self, parity: usize) -> impl Iterator<Item = usize> {
        (parity..=self.dbm.depth()).step_by(2)
    }

    fn draw_kept(&self, layers: &mut [Batch], beta: f32, streams: &Streams) {
        self.couplings.draw_half(self.dbm, layers, self.kept, &|l, layer, out: &mut Batch| {
            let layer = layer.tempered(Beta::Same(beta), Some(&self.base[l]));
            layer.sample_into(out, &streams.fork(Purpose::Layer, l as u64));
        });
    }
}

/// Chains and buffers for the inputs of the layers that are summed out.
struct AnnealedChains {
    layers: Vec<Batch>,
    inputs: Vec<Activations>,
}

impl AnnealedPath for HalfPath<'_> {
    type Chains = AnnealedChains;

    fn log_base_partition(&self) -> f64 {
        let visible = widened(&self.base[0]);
        let hidden = self.base[1..].iter().map(|base| softplus_sum(&widened(base)));
        std::iter::once(self.dbm.units().log_sum(&visible, &visible)).chain(hidden).sum()
    }

    fn start(&self, runs: usize, streams: &Streams) -> AnnealedChains {
        let mut layers = self.dbm.blank(runs);
        self.draw_kept(&mut layers, 0.0, streams);
        self.chains_at(layers)
    }

    fn advance(&self, chains: &mut AnnealedChains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        let mut add = |terms: Vec<f64>, scale: f64| {
            log_weights.iter_mut().zip(terms).for_each(|(weight, term)| *weight += scale * term);
        };
        for l in self.half(self.kept) {
            add(chains.layers[l].bits().weighted_sums(&self.change[l]), to - from);
        }
        for l in self.half(1 - self.kept) {
            let (base, inputs) = (&self.base[l], &mut chains.inputs[l]);
            self.couplings.conditional(self.dbm, l, &chains.layers).inputs_into(inputs);
            let streams = streams.fork(Purpose::Layer, l as u64);
            if l == 0 && !self.dbm.has_bits() {
                add(self.dbm.units().log_sum_gains(inputs, &widened(self.dbm.bias(0)), base, (from, to)), 1.0);
                let inputs = tempered(inputs, to as f32, base);
                self.dbm.units().sample_into(&inputs, &mut chains.layers[0], &streams);
                continue;
            }
            add(inputs.softplus_gains(base, from, to), 1.0);
            inputs.sample_tempered_into(to as f32, base, chains.layers[l].bits_mut(), &streams);
        }
        self.draw_kept(&mut chains.layers, to as f32, streams);
    }
}

/// beta x + (1 - beta) base.
fn tempered(inputs: &Activations, beta: f32, base: &[f32]) -> Activations {
    let mut inputs = inputs.to_matrix();
    for mut column in inputs.column_iter_mut() {
        column.iter_mut().zip(base).for_each(|(x, base)| *x = beta * *x + (1.0 - beta) * base);
    }
    Activations::from_matrix(&inputs)
}
