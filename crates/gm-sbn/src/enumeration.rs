//! Exact sums over the hidden states of small nets, in double precision and Gray-code order.

use gm_core::{
    BitMatrix, Error, GrayWalk, LogSum, Result, Watch, check_len, gray_walk, gray_walk_watched, log_sum_exp,
    softplus_sum, unwatched,
};

use crate::limits::{LOG_PROB_LIMIT, POSTERIOR_LIMIT};
use crate::model::{Columns, Sbn};

/// The parameters with the order of a walk.
struct Map {
    columns: Columns,
    /// Layer and position of each unit of a walk: the top layer first, because the first units flip most often and
    /// flips of the top cost least.
    places: Vec<(usize, usize)>,
}

impl Map {
    fn new(sbn: &Sbn) -> Self {
        let layers = sbn.layers();
        let places = (1..layers.len()).rev().flat_map(|l| (0..layers[l]).map(move |unit| (l, unit))).collect();
        Self { columns: Columns::new(sbn.stack()), places }
    }
}

/// A hidden state on a walk, with the inputs of every layer and log p of each hidden layer given the one above.
struct Place<'a> {
    map: &'a Map,
    states: Vec<Vec<bool>>,
    inputs: Vec<Vec<f64>>,
    terms: Vec<f64>,
}

impl<'a> Place<'a> {
    fn new(map: &'a Map, state: u64) -> Self {
        let layers = &map.columns.biases;
        let mut states: Vec<Vec<bool>> = layers.iter().map(|bias| vec![false; bias.len()]).collect();
        for (unit, &(l, j)) in map.places.iter().enumerate() {
            states[l][j] = state >> unit & 1 == 1;
        }
        let mut place = Self { map, inputs: map.columns.inputs(&states), states, terms: vec![0.0; layers.len()] };
        (1..place.terms.len()).for_each(|l| place.terms[l] = place.term(l));
        place
    }

    /// log p(x_l | x_(l+1)).
    fn term(&self, l: usize) -> f64 {
        let on = self.inputs[l].iter().zip(&self.states[l]).filter(|(_, on)| **on);
        on.map(|(input, _)| input).sum::<f64>() - softplus_sum(&self.inputs[l])
    }

    fn flip(&mut self, unit: usize) {
        let (l, j) = self.map.places[unit];
        let on = !self.states[l][j];
        let sign = if on { 1.0 } else { -1.0 };
        self.states[l][j] = on;
        match self.map.columns.to_later(l, j) {
            None => self.terms[l] += sign * self.inputs[l][j],
            Some(later) => {
                self.inputs[l][j + 1..].iter_mut().zip(later).for_each(|(input, w)| *input += sign * w);
                self.terms[l] = self.term(l);
            }
        }
        self.inputs[l - 1]
            .iter_mut()
            .zip(&self.map.columns.weights[l - 1][j])
            .for_each(|(input, w)| *input += sign * w);
        if l > 1 {
            self.terms[l - 1] = self.term(l - 1);
        }
    }

    /// log p of the hidden layers.
    fn log_prior(&self) -> f64 {
        self.terms.iter().sum()
    }
}

/// Rows of data, with what their units receive from the units before them.
struct Rows<'a> {
    rows: &'a BitMatrix,
    /// For each row, in a visible layer with weights within it.
    within: Option<Vec<Vec<f64>>>,
}

impl<'a> Rows<'a> {
    fn new(columns: &Columns, rows: &'a BitMatrix) -> Self {
        let of_row = |row: usize| {
            let states: Vec<bool> = (0..rows.units()).map(|unit| rows.get(unit, row)).collect();
            let mut inputs = vec![0.0; rows.units()];
            columns.add_within(0, &states, &mut inputs);
            inputs
        };
        let within = columns.within[0].is_some().then(|| (0..rows.samples()).map(of_row).collect());
        Self { rows, within }
    }

    /// log p(x_1) + log p(v | x_1) of each row, from the inputs that all rows have in common.
    fn log_joints(&self, log_prior: f64, inputs: &[f64]) -> Vec<f64> {
        let Some(within) = &self.within else {
            let shared = log_prior - softplus_sum(inputs);
            return self.rows.weighted_sums(inputs).into_iter().map(|chosen| shared + chosen).collect();
        };
        let of_row = |(row, own): (usize, &Vec<f64>)| {
            let inputs: Vec<f64> = inputs.iter().zip(own).map(|(input, own)| input + own).collect();
            let on = inputs.iter().enumerate().filter(|(unit, _)| self.rows.get(*unit, row));
            log_prior + on.map(|(_, input)| input).sum::<f64>() - softplus_sum(&inputs)
        };
        within.iter().enumerate().map(of_row).collect()
    }
}

/// Sums p(v, h) over h for every row; upper layers are summed out before the rows are evaluated.
struct Evidence<'a> {
    place: Place<'a>,
    rows: &'a Rows<'a>,
    prior: LogSum,
    sums: Vec<LogSum>,
}

impl Evidence<'_> {
    /// Adds p(x_1) p(v | x_1) of the first hidden layer as it is.
    fn settle(&mut self) {
        let prior = self.prior.value();
        for (sum, log_joint) in self.sums.iter_mut().zip(self.rows.log_joints(prior, &self.place.inputs[0])) {
            sum.add(log_joint);
        }
        self.prior = LogSum::default();
    }
}

impl GrayWalk for Evidence<'_> {
    fn flip(&mut self, unit: usize) {
        if self.place.map.places[unit].0 == 1 {
            self.settle();
        }
        self.place.flip(unit);
    }

    fn visit(&mut self) {
        self.prior.add(self.place.log_prior());
    }

    /// The rows are evaluated once for all states of the layers above the first.
    fn terms(&self) -> usize {
        let inputs = &self.place.inputs;
        let (visible, first) = (inputs[0].len(), inputs.get(1).map_or(0, Vec::len));
        visible + ((self.rows.rows.samples() * visible) >> (self.place.map.places.len() - first).min(63))
    }
}

/// log p(v, h) of the states of a walk, or log p(h) without a row.
struct Table<'a> {
    place: Place<'a>,
    row: Option<&'a Rows<'a>>,
    state: u64,
    visible: Option<f64>,
    log_joint: Vec<(u64, f64)>,
}

impl GrayWalk for Table<'_> {
    fn flip(&mut self, unit: usize) {
        if self.place.map.places[unit].0 == 1 {
            self.visible = None;
        }
        self.state ^= 1 << unit;
        self.place.flip(unit);
    }

    fn visit(&mut self) {
        let inputs = &self.place.inputs[0];
        let term = || self.row.map_or(0.0, |row| row.log_joints(0.0, inputs)[0]);
        let visible = *self.visible.get_or_insert_with(term);
        self.log_joint.push((self.state, self.place.log_prior() + visible));
    }
}

/// Refuses more units than an enumeration takes.
pub(crate) fn check_limit(op: &'static str, units: usize, limit: usize) -> Result<()> {
    if units > limit { Err(Error::TooLarge { op, units, limit }) } else { Ok(()) }
}

impl Sbn {
    /// Units that the exact log p(v) enumerates: all hidden units.
    #[must_use]
    pub fn enumerable_hidden_units(&self) -> usize {
        self.hidden()
    }

    /// log p(v) of each sample by enumeration of the hidden states, `[samples]`.
    ///
    /// # Numerics
    ///
    /// Double precision; the cost is 2^hidden steps through the layers above the first, and 2^n_1 evaluations of all
    /// samples. A net without hidden layers takes one evaluation.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond [`LOG_PROB_LIMIT`] hidden units, [`Error::Shape`] for data of another width,
    /// [`Error::Empty`] without samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// assert!((sbn.log_prob(&BitMatrix::zeros(4, 1))?[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_prob(&self, v: &BitMatrix) -> Result<Vec<f64>> {
        self.log_prob_watched(v, &mut unwatched)
    }

    /// [`log_prob`](Self::log_prob) that tells `watch` how many hidden states are done, and stops when it breaks.
    ///
    /// # Errors
    ///
    /// As [`log_prob`](Self::log_prob), and [`Error::Interrupted`] when `watch` breaks.
    pub fn log_prob_watched(&self, v: &BitMatrix, watch: Watch<'_>) -> Result<Vec<f64>> {
        const OP: &str = "Sbn::log_prob";
        self.check_data(OP, v)?;
        check_limit(OP, self.hidden(), LOG_PROB_LIMIT)?;
        let map = Map::new(self);
        let rows = Rows::new(&map.columns, v);
        let start = |state| Evidence {
            place: Place::new(&map, state),
            rows: &rows,
            prior: LogSum::default(),
            sums: vec![LogSum::default(); v.samples()],
        };
        let mut walks = gray_walk_watched(OP, self.hidden(), start, watch)?;
        walks.iter_mut().for_each(Evidence::settle);
        let total = |row: usize| {
            walks.iter().fold(LogSum::default(), |mut sum, walk| {
                sum.merge(&walk.sums[row]);
                sum
            })
        };
        Ok((0..v.samples()).map(|row| total(row).value()).collect())
    }

    /// p(h | v) for one row of the data, by enumeration.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond [`POSTERIOR_LIMIT`] hidden units, [`Error::Shape`] for data of another width,
    /// [`Error::Param`] for a row that is not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let means = sbn.posterior(&BitMatrix::zeros(4, 1), 0)?.means();
    /// assert!(means.iter().all(|mean| (mean - 0.5).abs() < 1e-12));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn posterior(&self, data: &BitMatrix, row: usize) -> Result<Posterior> {
        const OP: &str = "Sbn::posterior";
        check_len(OP, "data", "units", data.units(), self.visible())?;
        if row >= data.samples() {
            let value = format!("{row} of {}", data.samples());
            return Err(Error::Param { op: OP, arg: "row", value, allowed: "a row of the data" });
        }
        self.tabulate(OP, Some(&data.select(&[row])))
    }

    /// p(h), by enumeration: the distribution of the hidden units before any data are seen.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond [`POSTERIOR_LIMIT`] hidden units.
    pub fn prior(&self) -> Result<Posterior> {
        self.tabulate("Sbn::prior", None)
    }

    fn tabulate(&self, op: &'static str, row: Option<&BitMatrix>) -> Result<Posterior> {
        check_limit(op, self.hidden(), POSTERIOR_LIMIT)?;
        let map = Map::new(self);
        let row = row.map(|row| Rows::new(&map.columns, row));
        let start = |state| Table {
            place: Place::new(&map, state),
            row: row.as_ref(),
            state,
            visible: None,
            log_joint: Vec::new(),
        };
        let mut log_joint = vec![0.0; 1 << self.hidden()];
        for (state, value) in gray_walk(op, self.hidden(), start)?.into_iter().flat_map(|walk| walk.log_joint) {
            log_joint[state as usize] = value;
        }
        Ok(Posterior::new(self.layers()[1..].to_vec(), log_joint))
    }
}

/// The exact distribution of the hidden units of a small net.
///
/// Hidden units are numbered from the first hidden layer up. A state is a number whose lowest bits are the top layer
/// and whose highest bits are the first hidden layer.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Vector};
/// use gm_sbn::Sbn;
///
/// // One effect with two rare causes: once it is seen, either cause makes the other one less likely.
/// let weights = Matrix::from_row_slice(1, 2, &[6.0, 6.0]);
/// let biases = vec![Vector::from_element(1, -3.0), Vector::from_element(2, -2.0)];
/// let sbn = Sbn::new(Stack::new(vec![weights], biases)?, None)?;
/// let seen = BitMatrix::from_fn(1, 1, |_, _| true);
/// let posterior = sbn.posterior(&seen, 0)?;
/// assert!(posterior.covariance(0, 1) < -0.1 && sbn.prior()?.covariance(0, 1).abs() < 1e-12);
/// assert!((posterior.log_prob() - sbn.log_prob(&seen)?[0]).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Posterior {
    layers: Vec<usize>,
    log_joint: Vec<f64>,
    log_prob: f64,
    probabilities: Vec<f64>,
}

impl Posterior {
    /// The distribution from log p(v, h) of every state of hidden layers of the given sizes, the first hidden layer
    /// first.
    ///
    /// # Panics
    ///
    /// Unless there is one number for each state.
    ///
    /// # Examples
    ///
    /// ```
    /// let posterior = gm_sbn::Posterior::new(vec![2], vec![0.25_f64.ln(); 4]);
    /// assert_eq!(posterior.means(), [0.5, 0.5]);
    /// ```
    #[must_use]
    pub fn new(layers: Vec<usize>, log_joint: Vec<f64>) -> Self {
        assert_eq!(log_joint.len(), 1 << layers.iter().sum::<usize>(), "a number for each state");
        let log_prob = log_sum_exp(&log_joint);
        let probabilities = log_joint.iter().map(|x| (x - log_prob).exp()).collect();
        Self { layers, log_joint, log_prob, probabilities }
    }

    /// log p(v), or 0 for the prior.
    #[must_use]
    pub fn log_prob(&self) -> f64 {
        self.log_prob
    }

    /// log p(v, h) of every state, or log p(h) for the prior.
    #[must_use]
    pub fn log_joint(&self) -> &[f64] {
        &self.log_joint
    }

    /// p(h | v) of every state.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Every state, `[n_l, 2^hidden]` for l = 1, ..., L.
    #[must_use]
    pub fn states(&self) -> Vec<BitMatrix> {
        let mut first = 0;
        let layer = |&units: &usize| {
            let offset = first;
            first += units;
            BitMatrix::from_fn(units, self.probabilities.len(), |unit, state| self.is_on(state, offset + unit))
        };
        self.layers.iter().map(layer).collect()
    }

    /// E[h | v] of every hidden unit.
    #[must_use]
    pub fn means(&self) -> Vec<f64> {
        (0..self.layers.iter().sum()).map(|unit| self.pair_mean(unit, unit)).collect()
    }

    /// Cov[h_i, h_j | v].
    ///
    /// # Panics
    ///
    /// When `i` or `j` is not a hidden unit.
    #[must_use]
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        self.pair_mean(i, j) - self.pair_mean(i, i) * self.pair_mean(j, j)
    }

    /// The correlation of two hidden units; NaN when one of them never changes.
    ///
    /// # Panics
    ///
    /// When `i` or `j` is not a hidden unit.
    #[must_use]
    pub fn correlation(&self, i: usize, j: usize) -> f64 {
        self.covariance(i, j) / (self.covariance(i, i) * self.covariance(j, j)).sqrt()
    }

    /// E[h_i h_j | v].
    fn pair_mean(&self, i: usize, j: usize) -> f64 {
        let both = |state: &usize| self.is_on(*state, i) && self.is_on(*state, j);
        (0..self.probabilities.len()).filter(both).map(|state| self.probabilities[state]).sum()
    }

    fn is_on(&self, state: usize, unit: usize) -> bool {
        state >> self.bit(unit) & 1 == 1
    }

    /// The bit of a state that holds a unit.
    fn bit(&self, unit: usize) -> usize {
        let (mut below, mut above) = (0, self.layers.iter().sum::<usize>());
        assert!(unit < above, "hidden unit {unit} of {above}");
        for &units in &self.layers {
            above -= units;
            if unit < below + units {
                break;
            }
            below += units;
        }
        above + unit - below
    }
}
