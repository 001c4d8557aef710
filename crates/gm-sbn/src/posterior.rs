//! The likelihood by annealing of the posterior of each row, forwards and in reverse, unit by unit.

use gm_core::{
    AisSettings, AnnealedPath, BatchRef, BitMatrix, Chains, Result, Schedule, Stream, Streams, VisibleUnits, Watch,
    Weighted, anneal_rows, anneal_rows_back, softplus_sum,
};
use rand::RngExt;
use rayon::prelude::*;

use crate::model::Sbn;
use crate::net::Directed;
use crate::walker::{Ground, Walker, sum_where_on};

impl Sbn {
    /// log p(v) of each sample by annealing from a factorial distribution to the posterior, `[samples]`. It is a
    /// stochastic lower bound: its expectation is not above log p(v).
    ///
    /// f_beta(h) = q(h | v)^(1 - beta) p(v, h)^beta. The means of q come from a pass of means up the recognition net
    /// or, without one, down the prior, and are limited to 0.001 ... 0.999. The value is the log of the mean weight of
    /// `settings.runs` runs. Between temperatures each hidden unit is drawn once, as in [`gibbs`](Self::gibbs).
    ///
    /// # Randomness
    ///
    /// As [`anneal_rows`], with one stream for each chain.
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
    /// use gm_core::{AisSettings, BitMatrix, Schedule, Streams, unwatched};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 6], &[4, 3], 3.0, &Streams::new(1))?;
    /// let v = BitMatrix::from_fn(6, 2, |unit, sample| unit % 2 == sample);
    /// let settings = AisSettings { runs: 100, schedule: Schedule::Linear(100) };
    /// let found = sbn.log_prob_ais(&v, &settings, &Streams::new(2), &mut unwatched)?;
    /// assert!((found[1].value - sbn.log_prob(&v)?[1]).abs() < 0.2);
    /// assert!(found[1].std_error < 0.1 && found[1].ess > 50.0);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_ais(
        &self,
        v: &BitMatrix,
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<Weighted>> {
        const OP: &str = "Sbn::log_prob_ais";
        self.check_data(OP, v)?;
        Directed::from(self).log_weights_ais((OP, v.into()), settings, streams, watch)
    }

    /// log p(v) of the visible states of each chain by annealing from the hidden states of the chain back to the
    /// factorial distribution of [`log_prob_ais`](Self::log_prob_ais), `[chains]`.
    ///
    /// If the hidden states are exact draws from the posterior of the visible ones, it is a stochastic upper bound: its
    /// expectation is not below log p(v). The layers of [`sample`](Self::sample) are such states. States that have not
    /// come to equilibrium may err to either side.
    ///
    /// Together with [`log_prob_ais`](Self::log_prob_ais) it brackets log p(v).
    ///
    /// # Randomness
    ///
    /// As [`anneal_rows_back`], with one stream for each chain.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a schedule out of range, [`gm_core::Error::Interrupted`] when `watch` breaks, and
    /// the errors of [`Chains::check`] and of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `grosse2015sandwiching`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Batch, Chains, Schedule, Streams, mean, unwatched};
    ///
    /// let (sbn, streams) = (gm_sbn::Sbn::initial(&[0.5; 6], &[4, 3], 3.0, &Streams::new(1))?, Streams::new(2));
    /// let states = Chains::new(sbn.sample(200, &streams).into_iter().map(Batch::from).collect());
    /// let found = sbn.log_prob_reverse_ais(&states, &Schedule::Linear(100), &streams, &mut unwatched)?;
    /// assert!((mean(&found) - mean(&sbn.log_prob(states.v().bits())?)).abs() < 0.2);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob_reverse_ais(
        &self,
        states: &Chains,
        schedule: &Schedule,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        const OP: &str = "Sbn::log_prob_reverse_ais";
        states.check(OP, "states", &self.layers())?;
        self.check_data(OP, states.v().view())?;
        Directed::from(self).log_weights_reverse_ais((OP, states), schedule, streams, watch)
    }
}

impl Directed<'_> {
    /// As [`Sbn::log_prob_ais`], for visible units of any kind, and for an RBM on top, with or without label units,
    /// whose log Z is missing.
    ///
    /// The upper layer of an RBM is summed out of the weights, and it is drawn as a block. The label units are drawn as
    /// a block as well, and q gives each class the same probability.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for settings out of range and [`gm_core::Error::Empty`] without samples, where the
    /// text names the operation; [`gm_core::Error::Interrupted`] when `watch` breaks.
    ///
    /// # Panics
    ///
    /// When the visible states have another number or kind of units.
    pub fn log_weights_ais(
        &self,
        (op, v): (&'static str, BatchRef<'_>),
        settings: &AisSettings,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<Weighted>> {
        let ground = Ground::new(*self);
        let path = |rows: &[usize], places: &[usize]| RowsPath::new(self, &ground, v.select(rows).view(), places);
        anneal_rows((op, v.samples()), settings, streams, watch, path)
    }

    /// As [`Sbn::log_prob_reverse_ais`], in the cases of [`log_weights_ais`](Self::log_weights_ais). The states of the
    /// lower layer of an RBM hold its label units behind.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a schedule out of range and [`gm_core::Error::Empty`] without chains, where the
    /// text names the operation; [`gm_core::Error::Interrupted`] when `watch` breaks.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes or kinds of units.
    pub fn log_weights_reverse_ais(
        &self,
        (op, states): (&'static str, &Chains),
        schedule: &Schedule,
        streams: &Streams,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>> {
        let (ground, v) = (Ground::new(*self), states.v());
        let path = |rows: &[usize], places: &[usize]| RowsPath::new(self, &ground, v.select(rows).view(), places);
        anneal_rows_back((op, states.count()), schedule, streams, watch, path, |path, rows| {
            rows.par_iter().enumerate().map(|(chain, &row)| path.walker_at(chain, states, row)).collect()
        })
    }
}

/// The path from a factorial distribution to the posterior of each chain's row. An RBM's upper layer y is summed out:
///
/// log f_beta(x) = beta log p(v, x) + (1 - beta) log q(x) + sum_j softplus((1 - beta) base_j + beta input_j) - (1 -
/// beta) sum_j softplus(base_j), with the inputs of y given x. The partition function is 1 at beta = 0.
struct RowsPath<'a> {
    ground: &'a Ground<'a>,
    rows: Vec<Row>,
    /// For each chain the place of its row.
    places: Vec<usize>,
}

/// A row of data and its factorial distribution.
struct Row {
    /// Zeros and ones, all off for real numbers.
    v: Vec<bool>,
    signal: Option<Vec<f64>>,
    /// The log-odds of q for each hidden layer, x_1 first.
    bases: Vec<Vec<f64>>,
    /// The part of log p - log q that does not depend on hidden states.
    constant: f64,
}

impl<'a> RowsPath<'a> {
    fn new(directed: &Directed<'_>, ground: &'a Ground<'a>, v: BatchRef<'_>, places: &[usize]) -> Self {
        let states = v.to_matrix();
        let (means, signal) = (directed.means_up(&states), directed.units().signal(&states));
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let row = |row: usize| {
            let base =
                |means: &gm_core::Matrix| wide(&VisibleUnits::Bernoulli.bias_of_means(means.column(row).as_slice()));
            let bases: Vec<Vec<f64>> = means.iter().map(base).collect();
            let mut constant: f64 = bases.iter().map(|base| softplus_sum(base)).sum();
            constant += (ground.classes().max(1) as f64).ln();
            let (bits, signal) = match v {
                BatchRef::Bits(bits) => ((0..bits.units()).map(|unit| bits.get(unit, row)).collect(), None),
                BatchRef::Reals(_) => (vec![false; v.units()], Some(wide(signal.column(row).as_slice()))),
            };
            if let Some(signal) = &signal {
                // log p(v | h) minus what the walker knows of it is the same for all h.
                let (units, bias) = (directed.units(), ground.visible_bias());
                let known = signal.iter().zip(bias).map(|(x, b)| x * b).sum::<f64>() - units.log_sum(bias, bias);
                constant += units.log_prob_given(&wide(states.column(row).as_slice()), bias) - known;
            }
            Row { v: bits, signal, bases, constant }
        };
        Self { ground, rows: (0..v.samples()).map(row).collect(), places: places.to_vec() }
    }

    /// A chain whose layers that are drawn unit by unit have the given states. The upper layer of an RBM is off until
    /// it is drawn.
    fn walker(&self, chain: usize, mut state: impl FnMut(usize, usize) -> bool) -> Walker<'a> {
        let (row, last) = (&self.rows[self.places[chain]], self.ground.last());
        let layer = |(l, base): (usize, &Vec<f64>)| (0..base.len()).map(|unit| l <= last && state(l, unit)).collect();
        let states = std::iter::once(row.v.clone()).chain((1..).zip(&row.bases).map(layer));
        Walker::new(self.ground, states.collect(), row.signal.clone())
    }

    /// A chain at the states of a column.
    fn walker_at(&self, chain: usize, states: &Chains, column: usize) -> Walker<'a> {
        let last = self.ground.last();
        let units = last.checked_sub(1).map_or(0, |below| self.rows[self.places[chain]].bases[below].len());
        let class = (0..self.ground.classes()).find(|class| states.layers[last].bits().get(units + class, column));
        self.walker(chain, |l, unit| states.layers[l].bits().get(unit, column)).with_class(class.unwrap_or(0))
    }

    /// A draw of a chain from q.
    fn draw(&self, chain: usize, stream: &mut Stream) -> Walker<'a> {
        let bases = &self.rows[self.places[chain]].bases;
        let mut walker =
            self.walker(chain, |l, unit| stream.random::<f64>() < gm_core::logistic_f64(bases[l - 1][unit]));
        walker.draw_class(0.0, stream);
        walker
    }

    /// Moves a chain, and returns log f_to - log f_from at its state before.
    fn step(&self, chain: usize, walker: &mut Walker<'a>, (from, to): (f64, f64), stream: &mut Stream) -> f64 {
        let (row, last) = (&self.rows[self.places[chain]], self.ground.last());
        let of_base = |l: usize| sum_where_on(&row.bases[l - 1], &walker.states()[l]);
        let log_q = (1..=last).map(of_base).sum::<f64>() - row.constant;
        let mut gain = (to - from) * (walker.log_weight() - log_q);
        if let Some(inputs) = walker.top_inputs() {
            let base = &row.bases[last];
            let at = |beta: f64| -> Vec<f64> {
                inputs.iter().zip(base).map(|(input, base)| beta * input + (1.0 - beta) * base).collect()
            };
            let (before, after) = (at(from), at(to));
            gain += softplus_sum(&after) - softplus_sum(&before);
            walker.draw_top(&after, stream);
        }
        let heat = |l: usize, unit: usize, on: bool, gain: f64| {
            let base = row.bases[l - 1][unit];
            to * gain + (1.0 - to) * if on { -base } else { base }
        };
        walker.sweep_units(heat, stream);
        walker.draw_class(to, stream);
        gain
    }
}

impl<'a> AnnealedPath for RowsPath<'a> {
    type Chains = Vec<Walker<'a>>;

    fn log_base_partition(&self) -> f64 {
        0.0
    }

    fn start(&self, runs: usize, streams: &Streams) -> Vec<Walker<'a>> {
        (0..runs).into_par_iter().map(|chain| self.draw(chain, &mut streams.stream(chain as u64))).collect()
    }

    fn advance(&self, chains: &mut Vec<Walker<'a>>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        chains.par_iter_mut().zip(log_weights).enumerate().for_each(|(chain, (walker, log_weight))| {
            *log_weight += self.step(chain, walker, (from, to), &mut streams.stream(chain as u64));
        });
    }
}
