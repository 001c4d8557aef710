//! The lowest pair of layers of a network of two hidden layers or more whose visible units are not Bernoulli.
//!
//! There p(v | x_1) and q(x_1 | v) are the conditionals of RBMs; what lies above x_1 is a network of binary units.

use gm_core::{
    Activations, Arrangement, Batch, BatchRef, BitMatrix, Coactivation, Matrix, Recognition, Stack, Streams,
    VisibleUnits, coactivations_down_into, dense_coactivations_into, widened,
};
use gm_rbm::Rbm;
use rayon::prelude::*;

use crate::model::Dbn;

/// p(v | x_1) and q(x_1 | v), and the network above.
#[derive(Clone, Debug)]
pub(crate) struct Below {
    upper: Dbn,
    down: gm_rbm::Sampler,
    up: gm_rbm::Sampler,
}

/// States of v given x_1, with what p(v | x_1) says of them.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    x: BitMatrix,
    /// v - E[v | x_1].
    scores: Matrix,
    /// log p(v | x_1) of each state.
    pub(crate) log_p: Vec<f64>,
}

/// States of x_1 given v, with what q(x_1 | v) says of them.
#[derive(Clone, Debug)]
pub(crate) struct Recognised {
    v: Matrix,
    /// x_1 - E_q[x_1 | v].
    scores: Activations,
    /// log q(x_1 | v) of each state.
    pub(crate) log_q: Vec<f64>,
}

impl Below {
    /// The lowest layers of a network; none when all its units are Bernoulli, or when it is an RBM.
    pub(crate) fn new(dbn: &Dbn) -> Option<Self> {
        if *dbn.units() == VisibleUnits::Bernoulli || dbn.depth() == 1 {
            return None;
        }
        let (weights, bias) = dbn.recogniser(1);
        let first = dbn.stack().bias(1).as_slice();
        let generator = rbm_of(dbn, dbn.stack().weights(0), first);
        let recogniser = rbm_of(dbn, weights, bias.as_slice());
        let [down, up] = [generator, recogniser].map(|rbm| gm_rbm::Sampler::new(rbm, Arrangement::FewDraws));
        Some(Self { upper: dbn.above_first(), down, up })
    }

    /// The network above x_1, whose visible layer x_1 is.
    pub(crate) fn upper(&self) -> &Dbn {
        &self.upper
    }

    fn units(&self) -> &VisibleUnits {
        self.down.model().units()
    }

    /// The inputs of x_1 in q(x_1 | v), `[n_1, samples]`.
    pub(crate) fn inputs_up(&self, v: BatchRef<'_>) -> Activations {
        self.up.inputs_h_from_v(v)
    }

    /// A draw of x_1 from q(x_1 | v).
    pub(crate) fn recognise(&self, v: BatchRef<'_>, streams: &Streams) -> BitMatrix {
        self.up.sample_h_from_v(v, streams)
    }

    /// A draw of v given x_1.
    pub(crate) fn sample_v(&self, x: &BitMatrix, streams: &Streams) -> Batch {
        self.down.sample_v_from_h(x, streams)
    }

    /// E[v | x_1].
    pub(crate) fn mean_v(&self, x: &BitMatrix) -> Activations {
        self.down.mean_v_from_h(x)
    }

    /// log p(v | x_1) of each sample.
    pub(crate) fn log_prob(&self, v: BatchRef<'_>, x: &BitMatrix) -> Vec<f64> {
        log_probs(self.units(), &v.to_matrix(), &self.down.inputs_v_from_h(x).to_matrix())
    }

    /// States of v and x_1, column by column, with the scores of p(v | x_1).
    pub(crate) fn generated(&self, v: BatchRef<'_>, x: &BitMatrix) -> Generated {
        let (v, mut means) = (v.to_matrix(), self.down.inputs_v_from_h(x));
        let log_p = log_probs(self.units(), &v, &means.to_matrix());
        self.units().means(&mut means);
        Generated { x: x.clone(), scores: v - means.to_matrix(), log_p }
    }

    /// States of v and x_1, column by column, with the scores of q(x_1 | v), whose inputs are given.
    pub(crate) fn recognised(v: BatchRef<'_>, mut inputs: Activations, x: &BitMatrix) -> Recognised {
        let log_q = inputs.score(x);
        Recognised { v: v.to_matrix(), scores: inputs, log_q }
    }
}

/// The RBM of the visible layer and x_1 with other weights and hidden biases: copied, not checked again.
fn rbm_of(dbn: &Dbn, weights: &Matrix, hidden_bias: &[f32]) -> Rbm {
    let mut stack = Stack::zeros(&[weights.nrows(), weights.ncols()]).expect("layers of a stack have units");
    stack.update_weights(0, |to| to.copy_from(weights));
    stack.bias_mut(0).copy_from_slice(dbn.stack().bias(0).as_slice());
    stack.bias_mut(1).copy_from_slice(hidden_bias);
    Rbm::from_stack(stack)
        .expect("units that have been checked")
        .with_units(dbn.units().clone())
        .expect("units that have been checked")
}

/// log p(v | inputs) of each sample.
fn log_probs(units: &VisibleUnits, v: &Matrix, inputs: &Matrix) -> Vec<f64> {
    let log_p = |(v, m): (&[f32], &[f32])| units.log_prob_given(&widened(v), &widened(m));
    let n = v.nrows().max(1);
    v.as_slice().par_chunks(n).zip(inputs.as_slice().par_chunks(n)).map(log_p).collect()
}

impl Generated {
    /// sum_s weights_s grad log p(v_s | x_s) with respect to W_0 and b_0, of Gaussian units s_i^2 times that, as the
    /// gradient of a RBM is; the rest of `gradient` stays.
    pub(crate) fn gradient_into(&self, weights: &[f32], gradient: &mut Stack) {
        let mut scores = Activations::from_matrix(&self.scores);
        let sums = scores.scale_samples(weights);
        gradient.bias_mut(0).iter_mut().zip(sums).for_each(|(to, sum)| *to = sum as f32);
        let term = Coactivation { transposed: &self.x.transposed(), y: &scores, scale: 1.0 };
        gradient.update_weights(0, |w| coactivations_down_into(&[term], w));
    }
}

impl Recognised {
    /// Adds sum_s weights_s grad log q(x_s | v_s) with respect to R_0 and r_1, of Gaussian units s_i^2 times that in
    /// R_0.
    pub(crate) fn add_gradient(mut self, weights: &[f32], gradient: &mut Recognition) {
        let (sums, scores) = (self.scores.scale_samples(weights), self.scores.to_matrix());
        gradient.bias_mut(1).iter_mut().zip(sums).for_each(|(to, sum)| *to += sum as f32);
        let mut pairs = Matrix::zeros(self.v.nrows(), scores.nrows());
        dense_coactivations_into(&self.v, &scores, 1.0, &mut pairs);
        gradient.update_weights(0, |w| *w += &pairs);
    }
}
