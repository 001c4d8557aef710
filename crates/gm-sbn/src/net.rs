//! The directed layers of a model: their parameters, and the arranged layers with the prior of their top.

use std::fmt;

use gm_core::{
    BitMatrix, Labels, Matrix, Recognition, Stack, Vector, VisibleUnits, dense_inputs_down, dense_inputs_up, logistic,
    logistic_in_place,
};

use crate::conditional::Passes;
use crate::model::Sbn;
use crate::sampler::Sampler;

/// log p of each state of the top directed layer. A constant may be missing.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Directed, Generated, LogPrior, Net, Passes};
///
/// // Exactly one of three top units is on, each with the same probability.
/// let one = |x: &BitMatrix| -> Vec<f64> {
///     x.ones_per_sample().iter().map(|&n| if n == 1 { -3.0_f64.ln() } else { f64::NEG_INFINITY }).collect()
/// };
/// let prior: LogPrior<'_> = &one;
/// let stack = Stack::zeros(&[4, 3, 2])?;
/// let passes = Passes::new(Directed::below_rbm(&stack, None));
/// let states = vec![BitMatrix::zeros(4, 1), BitMatrix::from_fn(3, 1, |unit, _| unit == 0)];
/// let generated = Generated::new(Net::with_prior(&passes, prior), states);
/// assert!((generated.log_p()[0] + 3.0_f64.ln() + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub type LogPrior<'a> = &'a (dyn Fn(&BitMatrix) -> Vec<f64> + Sync);

/// The parameters of the directed layers of a model: p(x_l | x_(l+1)) = Ber(x_l; s(W_l x_(l+1) + b_l)) for l < d, and
/// the recognition net q(x_1, ..., x_d | x_0). Units of a layer with weights within it depend on the units before them in
/// addition.
///
/// In a sigmoid belief net all layers are directed. In a deep belief network the last weight matrix of the stack
/// belongs to the RBM on top, whose lower layer is x_d.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_sbn::{Directed, Sbn};
///
/// let stack = Stack::zeros(&[4, 3, 2])?;
/// assert_eq!(Directed::below_rbm(&stack, None).depth(), 1);
/// assert_eq!(Directed::from(&Sbn::new(stack, None)?).depth(), 2);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Directed<'a> {
    stack: &'a Stack,
    recognition: Option<&'a Recognition>,
    /// Whether the last two layers of the stack are an RBM.
    rbm_on_top: bool,
    units: &'a VisibleUnits,
    labels: Option<&'a Labels>,
}

/// The visible units of a sigmoid belief net.
const BERNOULLI: &VisibleUnits = &VisibleUnits::Bernoulli;

impl<'a> From<&'a Sbn> for Directed<'a> {
    fn from(sbn: &'a Sbn) -> Self {
        let (stack, recognition) = (sbn.stack(), sbn.recognition());
        Self { stack, recognition, rbm_on_top: false, units: BERNOULLI, labels: None }
    }
}

impl<'a> Directed<'a> {
    /// All layers of a stack but the last one, which belongs to an RBM. Without a recognition net, q has the tied
    /// weights W_l and biases b_(l+1).
    #[must_use]
    pub fn below_rbm(stack: &'a Stack, recognition: Option<&'a Recognition>) -> Self {
        Self { stack, recognition, rbm_on_top: true, units: BERNOULLI, labels: None }
    }

    /// The same layers with visible units of another kind, for [`means_up`](Self::means_up) and the annealing of
    /// posteriors. [`Passes`] and [`gibbs`](Self::gibbs) are for Bernoulli units.
    #[must_use]
    pub fn with_units(self, units: &'a VisibleUnits) -> Self {
        Self { units, ..self }
    }

    /// The same layers with label units beside the lower layer of the RBM, for the annealing of posteriors.
    #[must_use]
    pub fn with_labels(self, labels: Option<&'a Labels>) -> Self {
        Self { labels, ..self }
    }

    /// d, the number of directed layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth() - usize::from(self.rbm_on_top)
    }

    /// The generative parameters.
    pub(crate) fn stack(&self) -> &'a Stack {
        self.stack
    }

    /// Whether the last two layers of the stack are an RBM.
    pub(crate) fn rbm_on_top(&self) -> bool {
        self.rbm_on_top
    }

    /// The visible units.
    pub(crate) fn units(&self) -> &'a VisibleUnits {
        self.units
    }

    /// The label units.
    pub(crate) fn labels(&self) -> Option<&'a Labels> {
        self.labels
    }

    /// Means of every hidden layer, each from the means of the layer below. Where there is neither a recognition net
    /// nor an RBM on top, they are means of the prior, each from the means of the layer above.
    ///
    /// m_1 = s(R_0' v + r_1), m_2 = s(R_1' m_1 + r_2), ..., and of the top layer of an RBM s(W_(L-1)' m_(L-1) + b_L),
    /// with v / s^2 in place of v for Gaussian units. Label units take no part. The units of an autoregressive net get
    /// the means of the units before them in addition.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`. Element l - 1 of the result is m_l, `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn means_up(&self, v: &Matrix) -> Vec<Matrix> {
        let Some(last) = self.stack.depth().checked_sub(1) else { return vec![] };
        let signal = self.units.signal(v);
        let mut means: Vec<Matrix> = Vec::with_capacity(last + 1);
        for l in 1..=last + 1 {
            let own = (self.rbm_on_top && l > last).then(|| (self.stack.weights(last), self.stack.bias(l)));
            let Some((weights, bias)) = own.or_else(|| self.recogniser(l)) else {
                return self.prior_means(v.ncols());
            };
            let mut m = dense_inputs_up(weights, means.last().unwrap_or(&signal), bias.as_slice());
            match self.within(l) {
                Some(within) => means_in_turn(within, &mut m),
                None => logistic_in_place(&mut m),
            }
            means.push(m);
        }
        means
    }

    /// Means of the hidden layers from the top down, the same for each sample.
    fn prior_means(&self, samples: usize) -> Vec<Matrix> {
        let depth = self.stack.depth();
        let mut means: Vec<Matrix> = Vec::with_capacity(depth);
        for l in (1..=depth).rev() {
            let mut m = match means.last() {
                None => Matrix::from_fn(self.bias(l).len(), samples, |unit, _| self.bias(l)[unit]),
                Some(above) => dense_inputs_down(self.stack.weights(l), above, self.bias(l)),
            };
            match self.lateral(l) {
                Some(within) => means_in_turn(within, &mut m),
                None => logistic_in_place(&mut m),
            }
            means.push(m);
        }
        means.reverse();
        means
    }

    /// b_l.
    pub(crate) fn bias(&self, l: usize) -> &'a [f32] {
        self.stack.bias(l).as_slice()
    }

    /// The weights within layer `l` of the net itself.
    pub(crate) fn lateral(&self, l: usize) -> Option<&'a Matrix> {
        self.stack.within(l)
    }

    /// The weights within layer `l` of an autoregressive recognition net.
    pub(crate) fn within(&self, l: usize) -> Option<&'a Matrix> {
        self.recognition.and_then(|net| net.within(l))
    }

    /// Weights and biases of q(x_l | x_(l-1)); `None` for a sigmoid belief net without a recognition net.
    pub(crate) fn recogniser(&self, l: usize) -> Option<(&'a Matrix, &'a Vector)> {
        match self.recognition {
            Some(net) => Some((net.weights(l - 1), net.bias(l))),
            None if self.rbm_on_top => Some((self.stack.weights(l - 1), self.stack.bias(l))),
            None => None,
        }
    }
}

/// Replaces inputs by means, one unit after the other; each gets the means of the units before it.
fn means_in_turn(within: &Matrix, inputs: &mut Matrix) {
    for mut column in inputs.column_iter_mut() {
        for unit in 0..column.len() {
            let sum: f32 = (0..unit).map(|i| within[(i, unit)] * column[i]).sum();
            column[unit] = logistic(column[unit] + sum);
        }
    }
}

/// The arranged directed layers of a model with the prior of their top:
/// p(x_0, ..., x_d) = p(x_d) prod_(l<d) Ber(x_l; s(W_l x_(l+1) + b_l)).
///
/// The top units of a sigmoid belief net are independent. In a deep belief network the RBM on top is the prior of x_d.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Directed, Generated, Net, Passes};
///
/// // A prior under which all top units are off.
/// let stack = Stack::zeros(&[4, 3, 2])?;
/// let off = |x: &BitMatrix| x.ones_per_sample().iter().map(|&n| if n == 0 { 0.0 } else { f64::NEG_INFINITY }).collect();
/// let passes = Passes::new(Directed::below_rbm(&stack, None));
/// let states = vec![BitMatrix::zeros(4, 2), BitMatrix::from_fn(3, 2, |_, sample| sample == 1)];
/// let log_p = Generated::new(Net::with_prior(&passes, &off), states).log_p().to_vec();
/// assert_eq!(log_p[1], f64::NEG_INFINITY);
/// assert!((log_p[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Net<'a> {
    passes: &'a Passes,
    prior: Option<LogPrior<'a>>,
}

impl fmt::Debug for Net<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passes, prior } = self;
        let prior = prior.map(|_| "given");
        f.debug_struct("Net").field("passes", passes).field("prior", &prior).finish()
    }
}

/// Top units with the biases b_d, independent without weights within the top layer.
impl<'a> From<&'a Passes> for Net<'a> {
    fn from(passes: &'a Passes) -> Self {
        Self { passes, prior: None }
    }
}

impl<'a> From<&'a Sampler> for Net<'a> {
    fn from(sampler: &'a Sampler) -> Self {
        sampler.passes().into()
    }
}

impl<'a> Net<'a> {
    /// Directed layers with the given log p of the states of their top.
    #[must_use]
    pub fn with_prior(passes: &'a Passes, prior: LogPrior<'a>) -> Self {
        Self { passes, prior: Some(prior) }
    }

    /// The arranged layers.
    pub(crate) fn passes(&self) -> &'a Passes {
        self.passes
    }

    /// d, the number of directed layers.
    pub(crate) fn depth(&self) -> usize {
        self.passes.depth()
    }

    /// log p of the states of the top layer; `None` where its units are independent.
    pub(crate) fn log_prior(&self, x: &BitMatrix) -> Option<Vec<f64>> {
        self.prior.map(|prior| prior(x))
    }
}
