//! The pass up through a net, and the gradient of the pass back.

use gm_core::{
    Matrix, Purpose, Stack, Streams, dense_rows_coactivations_into, dense_rows_down, dense_rows_up, log_sum_exp,
    logistic_in_place,
};
use rayon::prelude::*;

use crate::dropout::{Dropout, drop_out, kept};
use crate::model::{Classifier, HiddenUnits};

/// Number of values that one task changes. Each value is changed on its own, so threads do not matter.
const CHUNK: usize = 1 << 13;

/// The layers of a net for one batch.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Streams};
/// use gm_net::{Classifier, HiddenUnits, Pass};
///
/// let net = Classifier::random(&[4, 3, 2], HiddenUnits::Sigmoid, None, &Streams::new(7))?;
/// let pass = Pass::new(&net, Matrix::zeros(5, 4), None);
/// let targets = Matrix::from_fn(5, 2, |_, class| if class == 1 { 1.0 } else { 0.0 });
/// let mut gradient = Stack::zeros(&[4, 3, 2])?;
/// pass.gradient_into(&net, &targets, 0, &mut gradient);
/// assert!(gradient.bias(2)[1] > 0.0); // class 1 is to become more probable
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Pass {
    /// The output of each layer but the last, `[samples, n_l]`, which is 0 for units that are left out.
    pub(crate) outputs: Vec<Matrix>,
    /// log p(k | v) of each class k, `[samples, classes]`.
    pub log_probs: Matrix,
    dropout: Dropout,
}

impl Pass {
    /// Computes all layers of rows of input, `[samples, n_0]`.
    ///
    /// # Randomness
    ///
    /// Units of layer l are left out by family l of [`Purpose::Layer`].
    #[must_use]
    pub fn new(net: &Classifier, x: Matrix, dropout: Option<(Dropout, &Streams)>) -> Self {
        let stack = net.stack();
        let leave_out = |values: &mut Matrix, layer: usize| {
            if let Some((dropout, streams)) = dropout {
                drop_out(values, dropout.share(layer), &streams.fork(Purpose::Layer, layer as u64));
            }
        };
        let mut outputs = vec![x];
        leave_out(&mut outputs[0], 0);
        for l in 0..stack.depth() - 1 {
            let mut values = dense_rows_up(stack.weights(l), &outputs[l], stack.bias(l + 1).as_slice());
            activate(net.units(), &mut values);
            leave_out(&mut values, l + 1);
            outputs.push(values);
        }
        let last = stack.depth() - 1;
        let mut log_probs = dense_rows_up(stack.weights(last), &outputs[last], stack.bias(last + 1).as_slice());
        log_softmax(&mut log_probs);
        Self { outputs, log_probs, dropout: dropout.map(|(dropout, _)| dropout).unwrap_or_default() }
    }

    /// The gradient of the mean of sum_k t_k log p(k | v) with respect to weights and biases above layer `first`; the
    /// rest of `out` stays as it is.
    ///
    /// # Shapes
    ///
    /// `targets` is t, `[samples, classes]`, and sums to 1 over classes.
    ///
    /// # Source
    ///
    /// `rumelhart1986learning`.
    pub fn gradient_into(&self, net: &Classifier, targets: &Matrix, first: usize, out: &mut Stack) {
        let samples = targets.nrows() as f32;
        let mut delta = targets.zip_map(&self.log_probs, |t, log_p| (t - log_p.exp()) / samples);
        for l in (first..net.stack().depth()).rev() {
            out.update_weights(l, |weights| dense_rows_coactivations_into(&self.outputs[l], &delta, weights));
            let sums = delta.column_iter().map(|column| column.sum());
            out.bias_mut(l + 1).iter_mut().zip(sums).for_each(|(to, sum)| *to = sum);
            if l > first {
                delta = dense_rows_down(net.stack().weights(l), &delta);
                slopes(net.units(), kept(self.dropout.share(l)), &self.outputs[l], &mut delta);
            }
        }
    }
}

fn activate(units: HiddenUnits, values: &mut Matrix) {
    match units {
        HiddenUnits::Sigmoid => logistic_in_place(values),
        HiddenUnits::Relu => {
            values
                .as_mut_slice()
                .par_chunks_mut(CHUNK)
                .for_each(|values| values.iter_mut().for_each(|x| *x = x.max(0.0)));
        }
    }
}

/// x_k - log sum_j exp x_j of each row, in place.
fn log_softmax(inputs: &mut Matrix) {
    for mut row in inputs.row_iter_mut() {
        let values: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let total = log_sum_exp(&values);
        row.iter_mut().zip(values).for_each(|(to, x)| *to = (x - total) as f32);
    }
}

/// Multiplies by the slope of a hidden layer's output y = m f(x) / keep, where m is 1 if a unit stays and 0 otherwise.
///
/// Sigmoid: dy/dx = m s (1 - s) / keep with s = f(x), which is y (1 - keep y) in both cases. Rectified: [y > 0] / keep.
fn slopes(units: HiddenUnits, keep: f32, outputs: &Matrix, delta: &mut Matrix) {
    let chunks = delta.as_mut_slice().par_chunks_mut(CHUNK).zip(outputs.as_slice().par_chunks(CHUNK));
    chunks.for_each(|(delta, outputs)| {
        for (d, &y) in delta.iter_mut().zip(outputs) {
            *d *= match units {
                HiddenUnits::Sigmoid => y * (1.0 - keep * y),
                HiddenUnits::Relu if y > 0.0 => 1.0 / keep,
                HiddenUnits::Relu => 0.0,
            };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_testkit::central_difference;

    const LAYERS: [usize; 4] = [5, 7, 6, 3];

    fn rows() -> Matrix {
        Matrix::from_fn(4, 5, |s, i| (0.7 * (3 * s + i) as f32).sin().abs())
    }

    fn targets() -> Matrix {
        Matrix::from_fn(4, 3, |s, k| f32::from(u8::from(s % 3 == k)))
    }

    /// A net with biases.
    fn net(units: HiddenUnits) -> Classifier {
        let mut net = Classifier::random(&LAYERS, units, Some(0.8), &Streams::new(5)).unwrap();
        for l in 1..=3 {
            net.stack_mut().bias_mut(l).iter_mut().enumerate().for_each(|(j, b)| *b = 0.2 * (j as f32 - 1.0));
        }
        net
    }

    /// mean_s sum_k t_k log p(k) in double precision, with the parameters in a list and the masks of each layer.
    fn objective(parameters: &[f64], units: HiddenUnits, masks: &[Matrix]) -> f64 {
        let (mut at, mut weights) = (0, Vec::new());
        for pair in LAYERS.windows(2) {
            weights.push(&parameters[at..at + pair[0] * pair[1]]);
            at += pair[0] * pair[1];
        }
        let mut biases = Vec::new();
        for n in LAYERS {
            biases.push(&parameters[at..at + n]);
            at += n;
        }
        let (x, t) = (rows(), targets());
        let of_row = |s: usize| {
            let mut y: Vec<f64> = (0..5).map(|i| f64::from(x[(s, i)] * masks[0][(s, i)])).collect();
            for l in 0..3 {
                let inputs: Vec<f64> = (0..LAYERS[l + 1])
                    .map(|j| {
                        biases[l + 1][j] + (0..LAYERS[l]).map(|i| weights[l][j * LAYERS[l] + i] * y[i]).sum::<f64>()
                    })
                    .collect();
                y = inputs;
                if l < 2 {
                    for (j, y) in y.iter_mut().enumerate() {
                        let value = if units == HiddenUnits::Relu { y.max(0.0) } else { 1.0 / (1.0 + (-*y).exp()) };
                        *y = value * f64::from(masks[l + 1][(s, j)]);
                    }
                }
            }
            let total = log_sum_exp(&y);
            (0..3).map(|k| f64::from(t[(s, k)]) * (y[k] - total)).sum::<f64>()
        };
        (0..4).map(of_row).sum::<f64>() / 4.0
    }

    fn masks(dropout: Option<(Dropout, &Streams)>) -> Vec<Matrix> {
        let mask = |(l, &n): (usize, &usize)| {
            let mut mask = Matrix::from_element(4, n, 1.0);
            if let Some((dropout, streams)) = dropout {
                drop_out(&mut mask, dropout.share(l), &streams.fork(Purpose::Layer, l as u64));
            }
            mask
        };
        LAYERS[..3].iter().enumerate().map(mask).collect()
    }

    #[test]
    fn oracle_gradient_is_the_finite_difference_with_and_without_dropout() {
        let streams = Streams::new(11);
        let some = Some((Dropout { input: 0.2, hidden: 0.4 }, &streams));
        for units in [HiddenUnits::Sigmoid, HiddenUnits::Relu] {
            for dropout in [None, some] {
                let (net, masks) = (net(units), masks(dropout));
                let pass = Pass::new(&net, rows(), dropout);
                let mut gradient = Stack::zeros(&LAYERS).unwrap();
                pass.gradient_into(&net, &targets(), 0, &mut gradient);
                let flat: Vec<f64> = net.stack().tensors().flatten().map(|&x| f64::from(x)).collect();
                let expected = central_difference(|p| objective(p, units, &masks), &flat, 1e-5);
                for (i, (found, expected)) in gradient.tensors().flatten().zip(expected).enumerate() {
                    let off = (f64::from(*found) - expected).abs();
                    assert!(off < 1e-5, "{units}, {dropout:?}, parameter {i}: {found}, expected {expected}");
                }
                let mean = targets().component_mul(&pass.log_probs).sum() / 4.0;
                assert!((f64::from(mean) - objective(&flat, units, &masks)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn law_the_head_alone_has_the_same_gradient() {
        let net = net(HiddenUnits::Sigmoid);
        let pass = Pass::new(&net, rows(), None);
        let (mut whole, mut head) = (Stack::zeros(&LAYERS).unwrap(), Stack::zeros(&LAYERS).unwrap());
        pass.gradient_into(&net, &targets(), 0, &mut whole);
        pass.gradient_into(&net, &targets(), 2, &mut head);
        assert_eq!((head.weights(2), head.bias(3)), (whole.weights(2), whole.bias(3)));
        assert!(head.weights(1).iter().chain(head.bias(2)).all(|&g| g == 0.0));
    }

    #[test]
    fn table_softmax_survives_extreme_inputs() {
        let mut inputs = Matrix::from_row_slice(2, 2, &[1e30, -1e30, 745.0, 745.0]);
        log_softmax(&mut inputs);
        assert_eq!((inputs[(0, 0)], inputs[(0, 1)]), (0.0, -2e30));
        assert!((inputs[(1, 0)] + 2.0_f32.ln()).abs() < 1e-7);
    }
}
