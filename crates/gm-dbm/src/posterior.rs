//! The likelihood by annealing of the posterior of each row, forwards and in reverse, with half of the hidden layers
//! summed out.

use gm_core::{
    Activations, AisSettings, AnnealedPath, Arrangement, BatchRef, BitMatrix, Chains, Error, Matrix, Purpose, Result,
    Schedule, Streams, VisibleUnits, Watch, Weighted, anneal_rows, anneal_rows_back, widened,
};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::likelihood::smaller_half;
use crate::mean_field::{MeanFieldSettings, by_blocks};
use crate::model::Dbm;

impl Dbm {
    /// log p(v) of each sample for a given log Z, by annealing from mean field to the posterior, `[samples]`. It is a
    /// stochastic lower bound: its expectation is not above log p(v).
    ///
    /// f_beta(h) = q(h | v)^(1 - beta) p*(v, h)^beta, where q has the means of mean field, limited to 0.001 ... 0.999.
    /// The value is the log of the mean weight of `settings.runs` runs minus log Z. The smaller half of the hidden
    /// layers is annealed, and the other half is summed out. With one hidden layer nothing is left to anneal, and the
    /// value is exact.
    ///
    /// Importance weights from the same q need a number of draws that grows exponentially with the divergence between q
    /// and the posterior. Annealing needs more temperatures instead.
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
    /// As [`anneal_rows`], and below its families layer l from family l of [`Purpose::Layer`].
    ///
    /// # Numerics
    ///
    /// 1,024 chains are held at any time.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, [`Error::Empty`] without samples, [`Error::Interrupted`] when
    /// `watch` breaks, and the errors of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `neal2001annealed`; `grosse2015sandwiching`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{AisSettings, BitMatrix, Schedule, Streams, unwatched};
    ///
    /// let (dbm, streams) = (gm_dbm::Dbm::initial(&[0.5; 6], &[4, 3], 2.0, &Streams::new(1))?, Streams::new(2));
    /// let v = BitMatrix::from_fn(6, 2, |unit, sample| unit % 2 == sample);
    /// let (log_z, settings) = (dbm.log_partition()?, AisSettings { runs: 100, schedule: Schedule::Linear(50) });
    /// let found = dbm.log_prob_ais(&v, log_z, &settings, &streams, &mut unwatched)?;
    /// let exact = dbm.log_prob(&v, log_z)?;
    /// assert!((found[1].value - exact[1]).abs() < 0.01 && found[1].std_error < 0.01);
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
        const OP: &str = "Dbm::log_prob_ais";
        let v = v.into();
        self.check_data(OP, v)?;
        if v.samples() == 0 {
            return Err(Error::Empty { op: OP, arg: "data" });
        }
        if self.depth() == 1 {
            settings.check(OP)?;
            let exact = self.log_prob(v, log_partition)?;
            return Ok(exact.into_iter().map(|value| Weighted::exact(value, settings.runs)).collect());
        }
        let couplings = Couplings::new(self, Arrangement::ManyDraws);
        let path = |rows: &[usize], places: &[usize]| {
            PosteriorPath::new(self, &couplings, v.select(rows).view(), places.to_vec())
        };
        let found = anneal_rows((OP, v.samples()), settings, streams, watch, path)?;
        Ok(found.into_iter().map(|row| row.normalised(log_partition)).collect())
    }

    /// log p(v) of the visible states of each chain for a given log Z, by annealing from the hidden states of the chain
    /// back to mean field, `[chains]`.
    ///
    /// If the hidden states are exact draws from the posterior of the visible ones, it is a stochastic upper bound: its
    /// expectation is not below log p(v). Exact draws of the model are such states. States that have not come to
    /// equilibrium may err to either side.
    ///
    /// Together with [`log_prob_ais`](Self::log_prob_ais) it brackets log p(v).
    ///
    /// # Units
    ///
    /// As [`log_prob_ais`](Self::log_prob_ais).
    ///
    /// # Randomness
    ///
    /// As [`anneal_rows_back`], and below its families layer l from family l of [`Purpose::Layer`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a schedule out of range, [`Error::Interrupted`] when `watch` breaks, and the errors of
    /// [`Chains::check`] and of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `grosse2015sandwiching`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Schedule, Streams, mean, unwatched};
    ///
    /// let (dbm, streams) = (gm_dbm::Dbm::initial(&[0.5; 6], &[4, 3], 2.0, &Streams::new(1))?, Streams::new(2));
    /// let (log_z, states) = (dbm.log_partition()?, dbm.exact_samples(200, &streams)?);
    /// let found = dbm.log_prob_reverse_ais(&states, log_z, &Schedule::Linear(50), &streams, &mut unwatched)?;
    /// let exact = dbm.log_prob(states.v(), log_z)?;
    /// assert!((mean(&found) - mean(&exact)).abs() < 0.01);
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
        const OP: &str = "Dbm::log_prob_reverse_ais";
        states.check(OP, "states", &self.layers())?;
        let v = states.v().view();
        self.check_data(OP, v)?;
        if self.depth() == 1 {
            schedule.check()?;
            return self.log_prob(v, log_partition);
        }
        let couplings = Couplings::new(self, Arrangement::ManyDraws);
        let path = |rows: &[usize], places: &[usize]| {
            PosteriorPath::new(self, &couplings, v.select(rows).view(), places.to_vec())
        };
        let chains = |path: &PosteriorPath<'_>, rows: &[usize]| {
            path.chains_at(states.layers[1..].iter().map(|x| x.bits().select(rows)).collect())
        };
        let found = anneal_rows_back((OP, states.count()), schedule, streams, watch, path, chains)?;
        Ok(found.into_iter().map(|log_prob| log_prob - log_partition).collect())
    }
}

/// The path from mean field to the posterior of each chain's row, with half of the hidden layers summed out:
///
/// log f_beta(x_kept) = beta log p*(v, 0) + sum_kept ((1 - beta) base_l + beta input_l)' x_l + sum_summed softplus((1 -
/// beta) base_l + beta input_l) - (1 - beta) sum_l softplus(base_l),
///
/// where base_l are the log-odds of q, and the inputs of kept layers come from v and biases alone. The partition
/// function is 1 at beta = 0.
struct PosteriorPath<'a> {
    dbm: &'a Dbm,
    couplings: &'a Couplings,
    /// The parity of the layers that are annealed.
    kept: usize,
    /// For each chain the place of its row.
    places: Vec<usize>,
    /// For each kept layer, its number and input_l - base_l of each row.
    changes: Vec<(usize, Vec<f64>)>,
    /// log p*(v, 0) + sum_l softplus(base_l) of each row.
    constants: Vec<f64>,
    /// W_0' v of each chain.
    from_v: Activations,
    /// base_l of each chain, x_1 first.
    bases: Vec<Activations>,
}

/// States of the hidden layers, x_1 first, and buffers for their inputs.
struct HiddenChains {
    layers: Vec<BitMatrix>,
    inputs: Vec<Activations>,
}

impl<'a> PosteriorPath<'a> {
    /// The path of chains on the posteriors of some rows.
    fn new(dbm: &'a Dbm, couplings: &'a Couplings, v: BatchRef<'_>, places: Vec<usize>) -> Self {
        let mut from_v = couplings.inputs_from_v(dbm, v);
        let means = by_blocks(dbm, &from_v, &MeanFieldSettings::default()).means;
        let bases: Vec<Matrix> = means.iter().map(log_odds).collect();
        // Parities count from x_1, the first of the hidden layers.
        let kept = 1 - smaller_half(&dbm.layers()[1..]);
        let change = |l: usize| {
            let bias = dbm.bias(l);
            let input = |unit: usize, row: usize| if l == 1 { from_v[(unit, row)] } else { bias[unit] };
            let base = &bases[l - 1];
            let of_row =
                |row| (0..bias.len()).map(move |unit| f64::from(input(unit, row)) - f64::from(base[(unit, row)]));
            (l, (0..v.samples()).flat_map(of_row).collect())
        };
        let changes = (1..=dbm.depth()).filter(|l| l % 2 == kept).map(change).collect();
        let mut constants = dbm.units().log_weights(v, &widened(dbm.bias(0)));
        let bases: Vec<Activations> = bases.iter().map(Activations::from_matrix).collect();
        for base in &bases {
            constants.iter_mut().zip(base.softplus_sums()).for_each(|(sum, term)| *sum += term);
        }
        for mut column in from_v.column_iter_mut() {
            column.iter_mut().zip(dbm.bias(1)).for_each(|(x, b)| *x -= b);
        }
        let from_v = Activations::from_matrix(&from_v).select(&places);
        let bases = bases.iter().map(|base| base.select(&places)).collect();
        Self { dbm, couplings, kept, places, changes, constants, from_v, bases }
    }

    fn chains_at(&self, layers: Vec<BitMatrix>) -> HiddenChains {
        let inputs = layers.iter().map(|x| Activations::zeros(x.units(), x.samples())).collect();
        HiddenChains { layers, inputs }
    }

    /// The hidden layers of a parity.
    fn half(&self, parity: usize) -> impl Iterator<Item = usize> {
        (1..=self.dbm.depth()).filter(move |l| l % 2 == parity)
    }

    /// The inputs of layer `l` at beta = 1.
    fn inputs_into(&self, l: usize, layers: &[BitMatrix], out: &mut Activations) {
        let (below, above) = ((l > 1).then(|| (&layers[l - 2]).into()), layers.get(l));
        self.couplings.given(self.dbm, l, below, above).inputs_into(out);
        if l == 1 {
            out.add(&self.from_v);
        }
    }

    /// sum over kept layers of (input_l - base_l)' x_l, plus the constants, of each chain.
    fn slopes(&self, layers: &[BitMatrix]) -> Vec<f64> {
        let slope = |(chain, &place): (usize, &usize)| {
            let mut sum = self.constants[place];
            for (l, change) in &self.changes {
                let x = &layers[l - 1];
                let change = &change[place * x.units()..][..x.units()];
                sum += (0..x.units()).filter(|&unit| x.get(unit, chain)).map(|unit| change[unit]).sum::<f64>();
            }
            sum
        };
        self.places.par_iter().enumerate().map(slope).collect()
    }
}

impl AnnealedPath for PosteriorPath<'_> {
    type Chains = HiddenChains;

    fn log_base_partition(&self) -> f64 {
        0.0
    }

    fn start(&self, runs: usize, streams: &Streams) -> HiddenChains {
        let blank = |l: usize| BitMatrix::zeros(self.dbm.bias(l).len(), runs);
        let mut chains = self.chains_at((1..=self.dbm.depth()).map(blank).collect());
        for l in self.half(self.kept) {
            let (base, x) = (&self.bases[l - 1], &mut chains.layers[l - 1]);
            chains.inputs[l - 1].sample_tempered_from_into(0.0, base, x, &streams.fork(Purpose::Layer, l as u64));
        }
        chains
    }

    fn advance(&self, chains: &mut HiddenChains, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        let HiddenChains { layers, inputs } = chains;
        log_weights.iter_mut().zip(self.slopes(layers)).for_each(|(weight, slope)| *weight += (to - from) * slope);
        for parity in [1 - self.kept, self.kept] {
            for l in self.half(parity) {
                let (base, inputs) = (&self.bases[l - 1], &mut inputs[l - 1]);
                self.inputs_into(l, layers, inputs);
                if parity != self.kept {
                    let gains = inputs.softplus_gains_from(base, from, to);
                    log_weights.iter_mut().zip(gains).for_each(|(weight, gain)| *weight += gain);
                }
                let streams = streams.fork(Purpose::Layer, l as u64);
                inputs.sample_tempered_from_into(to as f32, base, &mut layers[l - 1], &streams);
            }
        }
    }
}

/// The log-odds of means that are limited to 0.001 ... 0.999.
fn log_odds(means: &Matrix) -> Matrix {
    let odds = VisibleUnits::Bernoulli.bias_of_means(means.as_slice());
    Matrix::from_vec(means.nrows(), means.ncols(), odds)
}
