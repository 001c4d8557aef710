//! Gradients: exactly by enumeration, and from the wake and sleep phases of the whole network.

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Error, Purpose, Recognition, Result, Stack, Streams, log_sum_exp,
};
use gm_rbm::Phase;
use gm_sbn::{Draws, Dreams, Generated, Net, Recognised};

use crate::below::{self, Below};
use crate::conditional::Arranged;
use crate::enumeration::check_table;
use crate::gibbs::Sampler;
use crate::model::{Dbn, log_weights, packed};

/// A gradient of all parameters of a network.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_dbn::{Dbn, Gradient};
///
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?.untied()?;
/// assert_eq!(Gradient::zeros(&dbn).tensors().count(), dbn.tensors().count());
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradient(Dbn);

/// Draws of the recognition net for a batch, x_1, ..., x_(L-1), with their log-weights: the wake phase.
///
/// Draws of the same row are neighbours: row i has the draws i K to i K + K - 1.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbn::{Dbn, Wake};
///
/// // log p(v | x_1) + log p*(x_1) - log q(x_1 | v) = (-4 + 2 + 3) log 2
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let wake = Wake::new(&dbn.sampler(), &BitMatrix::zeros(4, 10), 5, &Streams::new(1));
/// assert_eq!((wake.lower().units(), wake.lower().samples()), (3, 50));
/// assert!(wake.log_weights().iter().all(|log_w| (log_w - 2.0_f64.ln()).abs() < 1e-5));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wake {
    /// Of the layers from x_1 up where there is a pair below.
    draws: Draws,
    below: Option<(below::Generated, below::Recognised)>,
}

/// Dreams of the generative layers, which teach the recognition net.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbn::{Dbn, Gradient, Sleep, Wake};
///
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?.untied()?;
/// let (sampler, streams) = (dbn.sampler(), Streams::new(1));
/// let wake = Wake::new(&sampler, &BitMatrix::zeros(4, 10), 1, &streams);
/// let sleep = Sleep::new(&sampler, wake.lower(), &streams);
/// assert_eq!(sleep.samples(), 10);
/// // Wake-sleep: the generative layers learn from draws, the recognition net from dreams.
/// let mut gradient = Gradient::zeros(&dbn);
/// gradient.set_directed(wake, (&[0.1; 10], None), Some((sleep, 1.0)));
/// assert!((gradient.stack().bias(0)[0] + 0.5).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sleep {
    /// Of the layers from x_1 up where there is a pair below.
    dreams: Dreams,
    below: Option<below::Recognised>,
}

impl Wake {
    /// `per_row` draws for each row of `v`.
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Passes::recognise`]; where visible units are not Bernoulli, x_1 from family 1 of [`Purpose::Layer`]
    /// and the layers above it likewise below family 0.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer or states of another kind, or is of real numbers in a network of
    /// one hidden layer, or without draws.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    /// use gm_dbn::{Dbn, Wake};
    ///
    /// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let wake = Wake::new(&dbn.sampler(), &BitMatrix::zeros(4, 10), 5, &Streams::new(1));
    /// assert_eq!((wake.log_weights().len(), wake.lower().units()), (50, 3));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn new<'v>(sampler: &Sampler, v: impl Into<BatchRef<'v>>, per_row: usize, streams: &Streams) -> Self {
        let (arranged, v) = (sampler.arranged(), v.into());
        let Some(below) = &arranged.below else {
            let prior = |x: &BitMatrix| log_weights(arranged.rbm(), x);
            let draws = Draws::recognised(Net::with_prior(&arranged.directed, &prior), packed(v), per_row, streams);
            return Self { draws, below: None };
        };
        let (copies, inputs, x) = first_layer(below, v, per_row, streams);
        let draws = draws_above(arranged, &x, streams);
        let v = v.select(&copies);
        Self { draws, below: Some((below.generated(v.view(), &x), Below::recognised(v.view(), inputs, &x))) }
    }

    /// Given states of x_1, ..., x_(L-1) for one row.
    ///
    /// # Panics
    ///
    /// Without a pair below, or when shapes disagree.
    pub(crate) fn of_states(arranged: &Arranged, v: BatchRef<'_>, hidden: &[BitMatrix]) -> Self {
        Self::of_copies(arranged, v, &vec![0; hidden[0].samples()], hidden)
    }

    /// Given hidden states, one state for each row of `v`, of a network with a pair below.
    ///
    /// # Panics
    ///
    /// Without a pair below, or when shapes disagree.
    pub(crate) fn of_samples(arranged: &Arranged, v: BatchRef<'_>, hidden: &[BitMatrix]) -> Self {
        Self::of_copies(arranged, v, &(0..v.samples()).collect::<Vec<_>>(), hidden)
    }

    /// Given hidden states, of which state k belongs to row `copies[k]` of `v`.
    fn of_copies(arranged: &Arranged, v: BatchRef<'_>, copies: &[usize], hidden: &[BitMatrix]) -> Self {
        let below = arranged.below.as_ref().expect("visible units that are not Bernoulli");
        let (inputs, v) = (below.inputs_up(v).select(copies), v.select(copies));
        let prior = |x: &BitMatrix| log_weights(arranged.rbm(), x);
        let net = Net::with_prior(&arranged.directed, &prior);
        let draws = Draws::of_states(net, &hidden[0], &hidden[1..]);
        let (generated, recognised) =
            (below.generated(v.view(), &hidden[0]), Below::recognised(v.view(), inputs, &hidden[0]));
        Self { draws, below: Some((generated, recognised)) }
    }

    /// The log-weights of draws of which nothing else is asked, of a network with a pair below.
    pub(crate) fn log_weights_of(arranged: &Arranged, v: BatchRef<'_>, per_row: usize, streams: &Streams) -> Vec<f64> {
        let below = arranged.below.as_ref().expect("visible units that are not Bernoulli");
        let (copies, mut inputs, x) = first_layer(below, v, per_row, streams);
        let mut log_weights = draws_above(arranged, &x, streams).log_weights();
        add(&mut log_weights, 1.0, &below.log_prob(v.select(&copies).view(), &x));
        add(&mut log_weights, -1.0, &inputs.score(&x));
        log_weights
    }

    /// log w = log p(v, x_1, ..., x_(L-1)) + log Z - log q of each draw.
    #[must_use]
    pub fn log_weights(&self) -> Vec<f64> {
        let mut log_weights = self.draws.log_weights();
        if let Some((generated, recognised)) = &self.below {
            add(&mut log_weights, 1.0, &generated.log_p);
            add(&mut log_weights, -1.0, &recognised.log_q);
        }
        log_weights
    }

    /// log q(x_1, ..., x_(L-1) | v) of each draw.
    pub(crate) fn log_q(&self) -> Vec<f64> {
        let mut log_q = self.draws.log_q().to_vec();
        if let Some((_, recognised)) = &self.below {
            add(&mut log_q, 1.0, &recognised.log_q);
        }
        log_q
    }

    /// The states of the lower layer of the RBM, `[n_(L-1), K rows]`.
    #[must_use]
    pub fn lower(&self) -> &BitMatrix {
        &self.draws.layers()[self.draws.layers().len() - 1]
    }
}

/// For each of `per_row` draws of each row the number of the row, the inputs of x_1 and a draw of x_1.
fn first_layer(
    below: &Below,
    v: BatchRef<'_>,
    per_row: usize,
    streams: &Streams,
) -> (Vec<usize>, Activations, BitMatrix) {
    assert!(per_row > 0, "a draw for each row");
    let copies: Vec<usize> = (0..v.samples()).flat_map(|row| std::iter::repeat_n(row, per_row)).collect();
    // All draws of a row share the means of the first hidden layer.
    let inputs = below.inputs_up(v).select(&copies);
    let mut x = BitMatrix::zeros(inputs.units(), inputs.samples());
    inputs.sample_tempered_into(1.0, &vec![0.0; inputs.units()], &mut x, &streams.fork(Purpose::Layer, 1));
    (copies, inputs, x)
}

/// A draw of the layers above for each state of x_1.
fn draws_above(arranged: &Arranged, x: &BitMatrix, streams: &Streams) -> Draws {
    let prior = |x: &BitMatrix| log_weights(arranged.rbm(), x);
    let net = Net::with_prior(&arranged.directed, &prior);
    Draws::recognised(net, x, 1, &streams.fork(Purpose::Layer, 0))
}

fn add(sums: &mut [f64], sign: f64, terms: &[f64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += sign * term);
}

impl Sleep {
    /// A dream for each state of the lower layer of the RBM, `[n_(L-1), samples]`, label units behind or not.
    ///
    /// # Randomness
    ///
    /// As [`Sampler::descend`].
    ///
    /// # Panics
    ///
    /// When `top` has other units.
    #[must_use]
    pub fn new(sampler: &Sampler, top: &BitMatrix, streams: &Streams) -> Self {
        let (arranged, layers) = (sampler.arranged(), sampler.descend(top, streams));
        let bits = |layers: &[Batch]| layers.iter().map(|x| x.bits().clone()).collect::<Vec<_>>();
        let Some(below) = &arranged.below else {
            let dreams = Dreams::of_states(&arranged.directed, &bits(&layers));
            return Self { dreams, below: None };
        };
        let (v, hidden) = (layers[0].view(), bits(&layers[1..]));
        let recognised = Below::recognised(v, below.inputs_up(v), &hidden[0]);
        let dreams = Dreams::of_states(&arranged.directed, &hidden);
        Self { dreams, below: Some(recognised) }
    }

    /// Dreams.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.dreams.log_q.len()
    }
}

impl Gradient {
    /// A gradient of zeros.
    #[must_use]
    pub fn zeros(dbn: &Dbn) -> Self {
        let mut zeros = dbn.clone();
        zeros.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        Self(zeros)
    }

    /// Every tensor, in the order of [`Dbn::tensors`].
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.0.tensors()
    }

    /// [`tensors`](Self::tensors), to be changed.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.0.tensors_mut()
    }

    /// The gradient of the RBM on top, that of [`Dbn::top`].
    #[must_use]
    pub fn top(&self) -> Stack {
        self.0.top().into_stack()
    }

    /// The gradient of the generative parameters, without the weights and biases of label units.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        self.0.stack()
    }

    /// Sets the part of the directed layers: sum_s a_s grad log p(x_l | x_(l+1)) over draws, and for the recognition
    /// net sum_s c_s grad log q over draws and `sleep` times the mean of grad log q over dreams.
    ///
    /// For Gaussian units the parts of W_0, b_0 and R_0 are s_i^2 times the gradient, as for an RBM. Variances have no
    /// part.
    ///
    /// # Shapes
    ///
    /// `a` and `c` have one number a draw; without `c` the draws do not teach the recognition net.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 5 and appendix B; `bornschein2015reweighted`, section 2.
    pub fn set_directed(&mut self, wake: Wake, (a, c): (&[f32], Option<&[f32]>), sleep: Option<(Sleep, f32)>) {
        let (generated, recognised) = wake.draws.into_parts();
        let (of_draws, of_first) = wake.below.unzip();
        match &of_draws {
            None => generated.gradient_into(a, self.0.stack_mut()),
            Some(first) => {
                first.gradient_into(a, self.0.stack_mut());
                self.set_above(generated, a);
            }
        }
        let Some(net) = self.0.recognition_mut() else { return };
        let (mut parts, mut firsts) = (Vec::new(), Vec::new());
        if let Some(c) = c {
            parts.push(recognised.weighted(c));
            firsts.extend(of_first.map(|first| (first, c.to_vec())));
        }
        if let Some((sleep, share)) = sleep {
            let weights = vec![share / sleep.samples().max(1) as f32; sleep.samples()];
            parts.push(sleep.dreams.recognised.weighted(&weights));
            firsts.extend(sleep.below.map(|first| (first, weights)));
        }
        if of_draws.is_none() {
            return Recognised::gradient_into(&parts, net);
        }
        recognition_above(&parts, net);
        net.update_weights(0, |weights| weights.fill(0.0));
        net.bias_mut(1).fill(0.0);
        firsts.into_iter().for_each(|(first, weights)| first.add_gradient(&weights, net));
    }

    /// Sets the part of the directed layers above x_1.
    fn set_above(&mut self, generated: Generated, weights: &[f32]) {
        let (layers, depth) = (self.0.layers(), self.0.depth());
        let mut upper = Stack::zeros(&layers[1..]).expect("layers with units");
        generated.gradient_into(weights, &mut upper);
        for l in 1..depth - 1 {
            self.0.stack_mut().update_weights(l, |to| to.copy_from(upper.weights(l - 1)));
            self.0.stack_mut().bias_mut(l).copy_from_slice(upper.bias(l - 1).as_slice());
        }
    }

    /// Sets the part of the RBM on top from its own gradient, that of [`Dbn::top`].
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn set_top(&mut self, top: &Stack) {
        self.0.set_top(top);
    }

    /// Adds `scale` times another gradient.
    fn add(&mut self, other: &Self, scale: f32) {
        for (sum, term) in self.0.tensors_mut().zip(other.tensors()) {
            sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += scale * term);
        }
    }
}

/// Sets the part of the recognition net above x_1.
fn recognition_above(parts: &[Recognised], net: &mut Recognition) {
    let layers = net.layers();
    let Ok(mut upper) = Recognition::zeros(&layers[1..]) else { return };
    Recognised::gradient_into(parts, &mut upper);
    for l in 1..net.depth() {
        net.update_weights(l, |to| to.copy_from(upper.weights(l - 1)));
        net.bias_mut(l + 1).copy_from_slice(upper.bias(l).as_slice());
    }
}

impl Dbn {
    /// The exact gradient of the mean log p(v) by enumeration of x_1, ..., x_(L-1) and of the smaller layer of the RBM;
    /// 0 for the recognition net. Of Gaussian units the gradients of W_0 and b_0 are s_i^2 times as large.
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond 20 units of these layers, or 30 of the smaller layer of the RBM; [`Error::Param`] for
    /// a network with label units, and as [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let gradient = dbn.exact_gradient(&BitMatrix::zeros(4, 1))?;
    /// assert!((gradient.stack().bias(0)[0] + 0.5).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_gradient<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Gradient> {
        const OP: &str = "Dbn::exact_gradient";
        let data = data.into();
        self.check_data(OP, data)?;
        check_table(OP, self.enumerable_hidden_units())?;
        if self.labels().is_some() {
            let (arg, value, allowed) = ("labels", "present".into(), "a network without label units");
            return Err(Error::Param { op: OP, arg, value, allowed });
        }
        let arranged = self.arranged();
        let mut sum = Gradient::zeros(self);
        if self.depth() == 1 {
            sum.set_top(&arranged.rbm().exact_gradient(data)?);
            return Ok(sum);
        }
        let mut part = sum.clone();
        let mut top = Stack::zeros(&arranged.rbm().stack().layers())?;
        let prior = |x: &BitMatrix| log_weights(arranged.rbm(), x);
        let (net, (states, _)) = (Net::with_prior(&arranged.directed, &prior), self.directed_states(&prior));
        for row in 0..data.samples() {
            let v = data.select(&vec![row; states[0].samples()]);
            let hidden = states.iter().cloned();
            let (generated, first) = match &arranged.below {
                None => {
                    let layers = std::iter::once(v.bits().clone()).chain(hidden).collect();
                    (Generated::new(net, layers), None)
                }
                Some(below) => {
                    let generated = Generated::new(net, hidden.collect());
                    (generated, Some(below.generated(v.view(), &states[0])))
                }
            };
            let mut log_p = generated.log_p().to_vec();
            first.iter().for_each(|first| add(&mut log_p, 1.0, &first.log_p));
            let total = log_sum_exp(&log_p);
            let posterior: Vec<f32> = log_p.iter().map(|p| (p - total).exp() as f32).collect();
            let mut phase = Phase::new(&arranged.top, &states[states.len() - 1]);
            phase.weigh(&posterior);
            arranged.rbm().exact_gradient_into(&phase, &mut top)?;
            match &first {
                None => generated.gradient_into(&posterior, part.0.stack_mut()),
                Some(first) => {
                    first.gradient_into(&posterior, part.0.stack_mut());
                    part.set_above(generated, &posterior);
                }
            }
            part.set_top(&top);
            sum.add(&part, 1.0 / data.samples() as f32);
        }
        Ok(sum)
    }
}
