//! Hidden states with their log-probabilities and scores, from which every training rule makes its gradient.
//!
//! The gradient of any rule is a weighted sum of scores: sum_s a_s grad log p(x_s) for the generative parameters and
//! sum_s c_s grad log q(h_s | v_s) for the recognition net. Rules differ in a and c alone.

use gm_core::{
    Activations, BitMatrix, Coactivation, Purpose, Recognition, Result, Stack, Streams, WithinLayer,
    coactivations_down_into, coactivations_into, log_sum_exp,
};

use crate::conditional::{Passes, copies, each_once, repeated, score_within};
use crate::enumeration::check_limit;
use crate::limits::GRADIENT_LIMIT;
use crate::model::{Sbn, add};
use crate::net::Net;
use crate::sampler::Sampler;

/// States of all layers with log p(x) and its scores.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Generated, Sbn};
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let on = |units| BitMatrix::from_fn(units, 1, |_, _| true);
/// let generated = Generated::new(&sbn.sampler(), vec![on(4), on(3)]);
/// assert_eq!(generated.log_p(), sbn.log_joint(&[on(4), on(3)]));
/// let mut gradient = sbn.stack().clone();
/// generated.gradient_into(&[1.0], &mut gradient);
/// assert_eq!((gradient.weights(0)[(2, 1)], gradient.bias(1)[0]), (0.5, 0.5)); // 1 - s(0)
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generated {
    layers: Vec<BitMatrix>,
    scores: Vec<Activations>,
    log_p: Vec<f64>,
    /// The number of neighbouring samples that share their visible states.
    copies: usize,
}

/// States of the lower end of each recognition weight matrix with the scores of the upper end.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Recognition, Stack};
/// use gm_sbn::{Draws, Recognised, Sbn};
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, Some(Recognition::zeros(&[4, 3])?))?;
/// let on = |units| BitMatrix::from_fn(units, 2, |_, _| true);
/// let (_, recognised) = Draws::of_states(&sbn.sampler(), &on(4), &[on(3)]).into_parts();
/// // The mean of grad log q(h | v) over two states.
/// let mut gradient = Recognition::zeros(&[4, 3])?;
/// Recognised::gradient_into(&[recognised.weighted(&[0.5, 0.5])], &mut gradient);
/// assert_eq!((gradient.weights(0)[(3, 1)], gradient.bias(1)[0]), (0.5, 0.5)); // 1 - s(0)
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recognised {
    /// x_0, ..., x_(L-1) with units and samples exchanged.
    below: Vec<BitMatrix>,
    /// x_l - s(R' x_(l-1) + r) for l = 1, ..., L, later multiplied by weights.
    scores: Vec<Activations>,
    /// The sums over states of `scores` once they were multiplied by weights.
    sums: Vec<Vec<f64>>,
    /// What the weights within layers of an autoregressive net need in addition.
    within: Option<Within>,
}

/// States and scores for the weights within layers.
#[derive(Clone, Debug)]
struct Within {
    /// x_1, ..., x_L with units and samples exchanged.
    own: Vec<BitMatrix>,
    /// The scores of x_1, before those of states that share their visible column are added up.
    first: Option<Activations>,
}

impl Within {
    fn of(passes: &Passes, hidden: &[BitMatrix]) -> Option<Self> {
        passes.within(1)?;
        Some(Self { own: hidden.iter().map(BitMatrix::transposed).collect(), first: None })
    }
}

/// Several hidden states for each column of a batch, with log p(x) and log q(h | v) and their scores.
///
/// States of the same column are neighbours: column i has the states i K to i K + K - 1.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_sbn::{Draws, Sbn};
///
/// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let draws = Draws::recognised(&sbn.sampler(), &BitMatrix::zeros(4, 10), 5, &Streams::new(2));
/// assert_eq!(draws.log_weights().len(), 50);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Draws {
    per_column: usize,
    generated: Generated,
    recognised: Recognised,
    log_q: Vec<f64>,
}

impl Generated {
    /// Scores given states of all layers, visible first.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn new<'a>(net: impl Into<Net<'a>>, layers: Vec<BitMatrix>) -> Self {
        Self::of_copies(net.into(), layers, 1)
    }

    /// Scores of states whose visible layer is the same in every `copies` neighbouring samples.
    fn of_copies(net: Net<'_>, layers: Vec<BitMatrix>, copies: usize) -> Self {
        assert_eq!(layers.len(), net.depth() + 1, "states of all layers");
        let top = &layers[net.depth()];
        let prior = net.log_prior(top);
        let scored = if prior.is_some() { net.depth() } else { layers.len() };
        let mut log_p = prior.unwrap_or_else(|| vec![0.0; top.samples()]);
        let score = |l: usize| {
            let (scores, terms) = net.passes().score_of(l, &layers, copies);
            add(&mut log_p, &terms);
            scores
        };
        let scores = (0..scored).map(score).collect();
        Self { layers, scores, log_p, copies }
    }

    /// log p(x) of each state.
    #[must_use]
    pub fn log_p(&self) -> &[f64] {
        &self.log_p
    }

    /// Writes sum_s weights_s grad log p(x_s) into `gradient`. Where a prior of the top layer was given, the gradient
    /// of its parameters stays as it was.
    ///
    /// # Panics
    ///
    /// Unless there is one weight for each state, or when the gradient has other layers.
    pub fn gradient_into(mut self, weights: &[f32], gradient: &mut Stack) {
        for (l, scores) in self.scores.iter_mut().enumerate() {
            to_single(&scores.scale_samples(weights), gradient.bias_mut(l));
            if let Some(above) = self.layers.get(l + 1) {
                let term = Coactivation { transposed: &above.transposed(), y: scores, scale: 1.0 };
                gradient.update_weights(l, |w| coactivations_down_into(&[term], w));
            }
            let (x, copies) = (&self.layers[l], if l == 0 { self.copies } else { 1 });
            gradient.update_within(l, |a| {
                // States that are the same have their scores added up.
                let summed = (copies > 1).then(|| {
                    let ones = vec![1.0; x.samples()];
                    (each_once(x, copies), scores.sum_neighbours(&ones, copies))
                });
                let (x, scores) = summed.as_ref().map_or((x, &*scores), |(x, scores)| (x, scores));
                coactivations_into(&[Coactivation { transposed: &x.transposed(), y: scores, scale: 1.0 }], a);
            });
        }
    }
}

impl Draws {
    /// `per_column` draws of the recognition net for each column of `v`.
    ///
    /// # Randomness
    ///
    /// As [`Passes::recognise`](crate::Passes::recognise).
    ///
    /// # Panics
    ///
    /// When there is no recognition net, `per_column` is 0, or `v` has other units than the visible layer.
    #[must_use]
    pub fn recognised<'a>(net: impl Into<Net<'a>>, v: &BitMatrix, per_column: usize, streams: &Streams) -> Self {
        Self::new(net.into(), v, per_column, |l, inputs, (copies, within)| {
            let family = streams.fork(Purpose::Layer, l as u64);
            let Some(within) = within else { return inputs.draw_scored(copies, &family) };
            let mut inputs = repeated(inputs, copies);
            let mut x = BitMatrix::zeros(inputs.units(), inputs.samples());
            inputs.sample_within_into(within, &mut x, &family);
            let log_q = inputs.score(&x);
            (x, inputs, log_q)
        })
    }

    /// Given hidden states: column i of `v` has the columns i K to i K + K - 1 of each layer.
    ///
    /// # Shapes
    ///
    /// `hidden[l - 1]` is x_l, `[n_l, K columns]`.
    ///
    /// # Panics
    ///
    /// When there is no recognition net, or shapes disagree.
    #[must_use]
    pub fn of_states<'a>(net: impl Into<Net<'a>>, v: &BitMatrix, hidden: &[BitMatrix]) -> Self {
        let net = net.into();
        assert_eq!(hidden.len(), net.depth(), "states of all hidden layers");
        let states = hidden.first().map_or(v.samples(), BitMatrix::samples);
        let per_column = states / v.samples().max(1);
        assert_eq!(per_column * v.samples(), states, "the same number of states for every column");
        Self::new(net, v, per_column, |l, inputs, (copies, within)| {
            let x = &hidden[l - 1];
            let (scores, log_q) = match within {
                None => inputs.score_shared(x),
                Some(within) => score_within(repeated(inputs, copies), within, x),
            };
            (x.clone(), scores, log_q)
        })
    }

    /// `state` gives the states of a layer with their scores and log q, from inputs each of which several states share,
    /// and what comes from within the layer.
    fn new(
        net: Net<'_>,
        v: &BitMatrix,
        per_column: usize,
        mut state: impl FnMut(usize, Activations, (usize, Option<&WithinLayer>)) -> (BitMatrix, Activations, Vec<f64>),
    ) -> Self {
        assert!(per_column > 0, "a state for each column");
        let copies = copies(v.samples(), per_column);
        let (mut layers, mut scores) = (vec![v.select(&copies)], Vec::new());
        let mut log_q = vec![0.0; copies.len()];
        for l in 1..=net.depth() {
            // All states of a column share the means of the first hidden layer.
            let (below, copies) = if l == 1 { (v, per_column) } else { (&layers[l - 1], 1) };
            let inputs = net.passes().from_below(l, below).inputs();
            let (x, of_layer, terms) = state(l, inputs, (copies, net.passes().within(l)));
            add(&mut log_q, &terms);
            layers.push(x);
            scores.push(of_layer);
        }
        let below = std::iter::once(v).chain(layers.iter().skip(1)).take(net.depth());
        let within = Within::of(net.passes(), &layers[1..]);
        let recognised = Recognised { below: below.map(BitMatrix::transposed).collect(), scores, sums: vec![], within };
        Self { per_column, generated: Generated::of_copies(net, layers, per_column), recognised, log_q }
    }

    /// K, the states of a column.
    #[must_use]
    pub fn per_column(&self) -> usize {
        self.per_column
    }

    /// The states of all layers, visible first, `[n_l, K columns]`.
    #[must_use]
    pub fn layers(&self) -> &[BitMatrix] {
        &self.generated.layers
    }

    /// log p(x) of each state.
    #[must_use]
    pub fn log_p(&self) -> &[f64] {
        self.generated.log_p()
    }

    /// log q(h | v) of each state.
    #[must_use]
    pub fn log_q(&self) -> &[f64] {
        &self.log_q
    }

    /// log p(x) - log q(h | v) of each state.
    #[must_use]
    pub fn log_weights(&self) -> Vec<f64> {
        self.log_p().iter().zip(&self.log_q).map(|(p, q)| p - q).collect()
    }

    /// The scores of the two nets, apart.
    #[must_use]
    pub fn into_parts(self) -> (Generated, Recognised) {
        (self.generated, self.recognised)
    }
}

impl Recognised {
    /// Multiplies the scores of each state by its weight and adds up the scores of states that share their visible
    /// column.
    ///
    /// # Panics
    ///
    /// Unless there is one weight for each state.
    #[must_use]
    pub fn weighted(mut self, weights: &[f32]) -> Self {
        let columns = self.below.first().map_or(0, BitMatrix::units);
        let per_column = weights.len().checked_div(columns).unwrap_or(1);
        if per_column > 1 {
            let mut first = std::mem::replace(&mut self.scores[0], Activations::zeros(0, 0));
            self.scores[0] = first.sum_neighbours(weights, per_column);
            if let Some(within) = &mut self.within {
                first.scale_samples(weights);
                within.first = Some(first);
            }
        }
        let sums = |(l, scores): (usize, &mut Activations)| match (l, per_column) {
            (0, 2..) => scores.unit_sums(),
            _ => scores.scale_samples(weights),
        };
        self.sums = self.scores.iter_mut().enumerate().map(sums).collect();
        self
    }

    /// Writes the sum over all parts of weights times grad log q into `gradient`.
    ///
    /// # Panics
    ///
    /// When the gradient has other layers, or a part has not been [`weighted`](Self::weighted).
    pub fn gradient_into<'a>(parts: &'a [Self], gradient: &mut Recognition) {
        for l in 0..gradient.depth() {
            let term = |part: &'a Self| Coactivation { transposed: &part.below[l], y: &part.scores[l], scale: 1.0 };
            let terms: Vec<Coactivation<'a>> = parts.iter().map(term).collect();
            gradient.update_weights(l, |w| coactivations_into(&terms, w));
            let mut sums = vec![0.0; gradient.bias(l + 1).len()];
            parts.iter().for_each(|part| add(&mut sums, &part.sums[l]));
            to_single(&sums, gradient.bias_mut(l + 1));
            let term = |part: &'a Self| {
                let within = part.within.as_ref()?;
                let scores = within.first.as_ref().filter(|_| l == 0).unwrap_or(&part.scores[l]);
                Some(Coactivation { transposed: &within.own[l], y: scores, scale: 1.0 })
            };
            let terms: Vec<Coactivation<'a>> = parts.iter().filter_map(term).collect();
            if gradient.is_autoregressive() {
                gradient.update_within(l + 1, |a| coactivations_into(&terms, a));
            }
        }
    }
}

/// Draws of all layers of the generative net, from which the recognition net learns in the sleep phase.
///
/// # Examples
///
/// ```
/// use gm_core::{Recognition, Stack, Streams};
/// use gm_sbn::{Dreams, Recognised, Sbn};
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, Some(Recognition::zeros(&[4, 3])?))?;
/// let dreams = Dreams::new(&sbn.sampler(), 100, &Streams::new(1));
/// assert!(dreams.log_q.iter().all(|log_q| (log_q + 3.0 * 2.0_f64.ln()).abs() < 1e-6));
/// // This net is right already, so that its gradient is nothing but noise.
/// let mut gradient = Recognition::zeros(&[4, 3])?;
/// Recognised::gradient_into(&[dreams.recognised.weighted(&[0.01; 100])], &mut gradient);
/// assert!(gradient.bias(1).amax() < 0.2);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dreams {
    /// log q(h | v) of each dream.
    pub log_q: Vec<f64>,
    /// The scores of the recognition net.
    pub recognised: Recognised,
}

impl Dreams {
    /// Dreams of a model.
    ///
    /// # Randomness
    ///
    /// As [`Passes::sample`].
    ///
    /// # Panics
    ///
    /// When there is no recognition net.
    #[must_use]
    pub fn new(sampler: &Sampler, samples: usize, streams: &Streams) -> Self {
        Self::of_states(sampler.passes(), &sampler.sample(samples, streams))
    }

    /// Given states of all layers, visible first.
    ///
    /// # Panics
    ///
    /// When there is no recognition net, or shapes disagree.
    #[must_use]
    pub fn of_states(passes: &Passes, layers: &[BitMatrix]) -> Self {
        let mut log_q = vec![0.0; layers[0].samples()];
        let mut scores = Vec::new();
        for l in 1..=passes.depth() {
            let update = passes.from_below(l, &layers[l - 1]);
            let (of_layer, terms) = match passes.within(l) {
                None => update.score(&layers[l]),
                Some(within) => score_within(update.inputs(), within, &layers[l]),
            };
            add(&mut log_q, &terms);
            scores.push(of_layer);
        }
        let below = layers[..passes.depth()].iter().map(BitMatrix::transposed).collect();
        let within = Within::of(passes, &layers[1..]);
        Self { log_q, recognised: Recognised { below, scores, sums: vec![], within } }
    }
}

fn to_single(from: &[f64], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32);
}

impl Sbn {
    /// The exact gradient of the mean log p(v), by enumeration of the hidden states.
    ///
    /// grad log p(v) = sum_h p(h | v) grad log p(v, h).
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] beyond [`GRADIENT_LIMIT`] hidden units, [`gm_core::Error::Shape`] for data of
    /// another width, [`gm_core::Error::Empty`] without samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let gradient = sbn.exact_gradient(&BitMatrix::zeros(4, 1))?;
    /// assert!((gradient.bias(0)[0] + 0.5).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_gradient(&self, data: &BitMatrix) -> Result<Stack> {
        const OP: &str = "Sbn::exact_gradient";
        self.check_data(OP, data)?;
        let passes = Passes::new(self);
        let (mut sum, mut part) = (self.stack().zeros_like(), self.stack().zeros_like());
        for row in 0..data.samples() {
            let (hidden, weights) = self.weighted_states(OP, data, row)?;
            let v = data.select(&vec![row; weights.len()]);
            let layers = std::iter::once(v).chain(hidden).collect();
            Generated::new(&passes, layers).gradient_into(&weights, &mut part);
            accumulate(sum.tensors_mut(), part.tensors(), 1.0 / data.samples() as f32);
        }
        Ok(sum)
    }

    /// The exact gradient of the mean over the data of E[log q(h | v)] under the posterior p(h | v), by enumeration.
    ///
    /// It is the gradient of -KL(p(h | v), q(h | v)) with respect to the recognition net.
    ///
    /// # Errors
    ///
    /// As [`exact_gradient`](Self::exact_gradient), and [`gm_core::Error::Param`] without a recognition net.
    pub fn exact_recognition_gradient(&self, data: &BitMatrix) -> Result<Recognition> {
        const OP: &str = "Sbn::exact_recognition_gradient";
        self.expect_recognition(OP)?;
        self.check_data(OP, data)?;
        let passes = Passes::new(self);
        let (mut sum, mut part) = (self.zero_recognition()?, self.zero_recognition()?);
        for row in 0..data.samples() {
            let (hidden, weights) = self.weighted_states(OP, data, row)?;
            let draws = Draws::of_states(&passes, &data.select(&[row]), &hidden);
            Recognised::gradient_into(&[draws.recognised.weighted(&weights)], &mut part);
            accumulate(sum.tensors_mut(), part.tensors(), 1.0 / data.samples() as f32);
        }
        Ok(sum)
    }

    /// The exact gradients of the mean over the data of the expected K-sample bound, by enumeration. For K = 1 they
    /// are the gradients of the evidence lower bound.
    ///
    /// With L = log (1/K) sum_k w_k and normalised weights u_k, they are
    /// E[sum_k u_k grad log p(v, h_k)] and E[sum_k (L - u_k) grad log q(h_k | v)] over K draws of the recognition net.
    ///
    /// # Errors
    ///
    /// As [`exact_bound`](Self::exact_bound).
    ///
    /// # Source
    ///
    /// `mnih2016variational`, section 2.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3], 1.0, &Streams::new(1))?;
    /// let (generative, recognition) = sbn.exact_bound_gradients(&BitMatrix::zeros(4, 1), 2)?;
    /// assert_eq!((generative.layers(), recognition.layers()), (vec![4, 3], vec![4, 3]));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_bound_gradients(&self, data: &BitMatrix, samples: usize) -> Result<(Stack, Recognition)> {
        self.check_tuples("Sbn::exact_bound_gradients", data, samples)?;
        let (states, passes) = (self.prior()?.states(), Passes::new(self));
        let (mut sum, mut part) = (self.zero_gradients()?, self.zero_gradients()?);
        for row in 0..data.samples() {
            let draws = Draws::of_states(&passes, &data.select(&[row]), &states);
            let (a, c) = tuple_weights(&draws.log_weights(), draws.log_q(), samples);
            let (generated, recognised) = draws.into_parts();
            generated.gradient_into(&a, &mut part.0);
            Recognised::gradient_into(&[recognised.weighted(&c)], &mut part.1);
            let scale = 1.0 / data.samples() as f32;
            accumulate(sum.0.tensors_mut(), part.0.tensors(), scale);
            accumulate(sum.1.tensors_mut(), part.1.tensors(), scale);
        }
        Ok(sum)
    }

    /// The exact gradient of E[log q(h | v)] over dreams of the generative net, by enumeration of all layers.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] without a recognition net, [`gm_core::Error::TooLarge`] beyond [`GRADIENT_LIMIT`]
    /// units of all layers together.
    pub fn exact_dream_gradient(&self) -> Result<Recognition> {
        const OP: &str = "Sbn::exact_dream_gradient";
        self.expect_recognition(OP)?;
        check_limit(OP, self.visible() + self.hidden(), GRADIENT_LIMIT)?;
        let v = BitMatrix::from_fn(self.visible(), 1 << self.visible(), |unit, row| row >> unit & 1 == 1);
        let all: Vec<usize> = (0..v.samples()).flat_map(|_| 0..1 << self.hidden()).collect();
        let states: Vec<BitMatrix> = self.prior()?.states().iter().map(|x| x.select(&all)).collect();
        let draws = Draws::of_states(&Passes::new(self), &v, &states);
        let weights: Vec<f32> = draws.log_p().iter().map(|p| p.exp() as f32).collect();
        let mut gradient = self.zero_recognition()?;
        Recognised::gradient_into(&[draws.recognised.weighted(&weights)], &mut gradient);
        Ok(gradient)
    }

    fn zero_gradients(&self) -> Result<(Stack, Recognition)> {
        Ok((self.stack().zeros_like(), self.zero_recognition()?))
    }

    /// Zeros in the shapes of the recognition net.
    fn zero_recognition(&self) -> Result<Recognition> {
        self.recognition().map_or_else(|| Recognition::zeros(&self.layers()), |net| Ok(net.zeros_like()))
    }

    /// All hidden states with their posterior probabilities given one row of the data.
    fn weighted_states(&self, op: &'static str, data: &BitMatrix, row: usize) -> Result<(Vec<BitMatrix>, Vec<f32>)> {
        check_limit(op, self.hidden(), GRADIENT_LIMIT)?;
        let posterior = self.posterior(data, row)?;
        Ok((posterior.states(), posterior.probabilities().iter().map(|&p| p as f32).collect()))
    }
}

fn accumulate<'a>(sums: impl Iterator<Item = &'a mut [f32]>, terms: impl Iterator<Item = &'a [f32]>, scale: f32) {
    for (sums, terms) in sums.zip(terms) {
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += scale * term);
    }
}

/// The expected weights of the scores of each state over all tuples of `samples` draws: for log p and for log q.
fn tuple_weights(log_weights: &[f64], log_q: &[f64], samples: usize) -> (Vec<f32>, Vec<f32>) {
    let states = log_weights.len();
    let (mut a, mut c) = (vec![0.0; states], vec![0.0; states]);
    let mut tuple = vec![0; samples];
    for number in 0..states.pow(samples as u32) {
        let mut rest = number;
        for place in &mut tuple {
            (*place, rest) = (rest % states, rest / states);
        }
        let probability = tuple.iter().map(|&state| log_q[state]).sum::<f64>().exp();
        let logs: Vec<f64> = tuple.iter().map(|&state| log_weights[state]).collect();
        let total = log_sum_exp(&logs);
        let bound = total - (samples as f64).ln();
        for &state in &tuple {
            let weight = (log_weights[state] - total).exp();
            a[state] += probability * weight;
            c[state] += probability * (bound - weight);
        }
    }
    let single = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
    (single(a), single(c))
}
