//! What passes through the directed layers of a model have to know of it.

use std::fmt;

use gm_core::{BitMatrix, Matrix, Recognition, Stack, Vector};

use crate::model::Sbn;

/// log p of each state of the top directed layer, of which a constant may be missing.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Couplings, Generated, LogPrior, Net};
///
/// // Exactly one of three top units is on, each with the same probability.
/// let one = |x: &BitMatrix| -> Vec<f64> {
///     x.ones_per_sample().iter().map(|&n| if n == 1 { -3.0_f64.ln() } else { f64::NEG_INFINITY }).collect()
/// };
/// let prior: LogPrior<'_> = &one;
/// let stack = Stack::zeros(&[4, 3, 2])?;
/// let net = Net::with_prior(&stack, None, prior);
/// let states = vec![BitMatrix::zeros(4, 1), BitMatrix::from_fn(3, 1, |unit, _| unit == 0)];
/// let generated = Generated::new(net, &Couplings::new(net), states);
/// assert!((generated.log_p()[0] + 3.0_f64.ln() + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub type LogPrior<'a> = &'a (dyn Fn(&BitMatrix) -> Vec<f64> + Sync);

/// The directed layers of a model: p(x_0, ..., x_d) = p(x_d) prod_(l<d) Ber(x_l; s(W_l x_(l+1) + b_l)), and
/// q(x_1, ..., x_d | x_0).
///
/// A sigmoid belief net is one, with independent top units. A deep belief network is another, whose stack has one matrix more:
/// that of the machine which is the prior of x_d. Without a recognition net its q has the tied weights W_l and biases b_(l+1).
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Couplings, Generated, Net};
///
/// // Top units that are all off, whatever the machine above says.
/// let stack = Stack::zeros(&[4, 3, 2])?;
/// let off = |x: &BitMatrix| x.ones_per_sample().iter().map(|&n| if n == 0 { 0.0 } else { f64::NEG_INFINITY }).collect();
/// let net = Net::with_prior(&stack, None, &off);
/// assert_eq!(net.depth(), 1);
/// let states = vec![BitMatrix::zeros(4, 2), BitMatrix::from_fn(3, 2, |_, sample| sample == 1)];
/// let log_p = Generated::new(net, &Couplings::new(net), states).log_p().to_vec();
/// assert_eq!(log_p[1], f64::NEG_INFINITY);
/// assert!((log_p[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Net<'a> {
    stack: &'a Stack,
    recognition: Option<&'a Recognition>,
    prior: Option<LogPrior<'a>>,
}

impl fmt::Debug for Net<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, recognition, prior } = self;
        let prior = prior.map(|_| "given");
        f.debug_struct("Net").field("stack", stack).field("recognition", recognition).field("prior", &prior).finish()
    }
}

impl<'a> From<&'a Sbn> for Net<'a> {
    fn from(sbn: &'a Sbn) -> Self {
        Self { stack: sbn.stack(), recognition: sbn.recognition(), prior: None }
    }
}

impl<'a> Net<'a> {
    /// All layers of a stack but the last, with the given log p of the states of their top.
    #[must_use]
    pub fn with_prior(stack: &'a Stack, recognition: Option<&'a Recognition>, prior: LogPrior<'a>) -> Self {
        Self { stack, recognition, prior: Some(prior) }
    }

    /// d, the number of directed layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth() - usize::from(self.prior.is_some())
    }

    /// The generative parameters.
    pub(crate) fn stack(&self) -> &'a Stack {
        self.stack
    }

    /// b_l.
    pub(crate) fn bias(&self, l: usize) -> &'a [f32] {
        self.stack.bias(l).as_slice()
    }

    /// log p of the states of the top layer; none where its units are independent.
    pub(crate) fn log_prior(&self, x: &BitMatrix) -> Option<Vec<f64>> {
        self.prior.map(|prior| prior(x))
    }

    /// Whether a machine is the prior of the top layer.
    pub(crate) fn has_prior(&self) -> bool {
        self.prior.is_some()
    }

    /// Weights and biases of q(x_l | x_(l-1)), where there are any.
    pub(crate) fn recogniser(&self, l: usize) -> Option<(&'a Matrix, &'a Vector)> {
        match (self.recognition, self.prior) {
            (Some(net), _) => Some((net.weights(l - 1), net.bias(l))),
            (None, Some(_)) => Some((self.stack.weights(l - 1), self.stack.bias(l))),
            (None, None) => None,
        }
    }

    /// Units of each directed layer, x_0 first.
    pub(crate) fn layers(&self) -> Vec<usize> {
        (0..=self.depth()).map(|l| self.bias(l).len()).collect()
    }
}
