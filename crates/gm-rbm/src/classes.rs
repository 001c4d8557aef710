//! Classes: a softmax group behind the other visible units, classified exactly and trained to discriminate.

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Coactivation, Error, Groups, Matrix, Result, Stack, coactivations_into,
    log_sum_exp, softplus,
};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::model::{Rbm, widened};

impl Rbm {
    /// log p(y | v) of each class y, `[classes, samples]`, exactly.
    ///
    /// p(y | v) is proportional to exp(c_y) prod_j (1 + exp(b_j + W_j' v + U_yj)), with U the weights of the group's units and c
    /// their biases: the hidden units are summed out, so that Z is not needed.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, bits or means of bits; the states of the group are not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] unless there is exactly one group behind other units, [`Error::Shape`] for other units.
    ///
    /// # Source
    ///
    /// `larochelle2008classification`, section 2.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 4 }, 10, None)?;
    /// let rbm = gm_rbm::Rbm::with_units(Stack::zeros(&[10, 3])?, units)?;
    /// let log_p = rbm.log_class_probs(&BitMatrix::zeros(10, 2))?;
    /// assert!((log_p[(3, 1)] - 0.25_f32.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_class_probs<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Matrix> {
        let scores = self.class_scores("Rbm::log_class_probs", v.into())?;
        let classes = scores.first().map_or(0, Vec::len);
        let log_probs = scores.iter().flat_map(|scores| {
            let total = log_sum_exp(scores);
            scores.iter().map(move |score| (score - total) as f32)
        });
        Ok(Matrix::from_iterator(classes, scores.len(), log_probs))
    }

    /// -F(v, y) for each class y, `[samples][classes]`: log p(v, y) + log Z, with the hidden units summed out.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, bits or means of bits; the states of the group are not looked at.
    ///
    /// # Errors
    ///
    /// As [`log_class_probs`](Self::log_class_probs).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 4 }, 10, None)?;
    /// let rbm = gm_rbm::Rbm::with_units(Stack::zeros(&[10, 3])?, units)?;
    /// let log_weights = rbm.log_class_weights(&BitMatrix::zeros(10, 2))?;
    /// assert!((log_weights[1][3] - 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_class_weights<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Vec<Vec<f64>>> {
        let v = v.into();
        let mut scores = self.class_scores("Rbm::log_class_weights", v)?;
        let mut bias = widened(self.visible_bias());
        bias[self.class_group()?.first()..].fill(0.0);
        for (scores, shared) in scores.iter_mut().zip(v.weighted_sums(&bias)) {
            scores.iter_mut().for_each(|score| *score += shared);
        }
        Ok(scores)
    }

    /// -F(v, y) but for what all classes share, `[samples][classes]`.
    fn class_scores(&self, op: &'static str, v: BatchRef<'_>) -> Result<Vec<Vec<f64>>> {
        let group = self.class_group()?;
        gm_core::check_len(op, "data", "units", v.units(), self.visible())?;
        let inputs = match v.to_batch() {
            Batch::Bits(bits) => self.couplings().inputs_h_from_v(self, &without(group, &bits)).to_matrix(),
            Batch::Reals(mut means) => {
                means.rows_mut(group.first(), group.categories()).fill(0.0);
                self.inputs_h_from_v(&means)
            }
        };
        let classes = Classes::new(self, group);
        Ok(inputs.as_slice().par_chunks(self.hidden()).map(|inputs| classes.scores(inputs)).collect())
    }

    fn class_group(&self) -> Result<&Groups> {
        self.units().groups().filter(|groups| groups.first() > 0).ok_or_else(|| Error::Param {
            op: "Rbm::log_class_probs",
            arg: "visible",
            value: self.units().kind().to_string(),
            allowed: "bernoulli+softmax:K",
        })
    }
}

/// The gradient of the mean of log p(y | v), into a stack that may be reused.
///
/// With D = s(x_y) - sum_k p(k | v) s(x_k), x_k = b + W' v + U_k: `dW = <v D'>`, `db = <D>`,
/// dU_k = <([k = y] - p(k | v)) s(x_k)>, dc_k = <[k = y] - p(k | v)>, and 0 for the biases of the other units.
///
/// # Errors
///
/// As [`Rbm::log_class_probs`].
///
/// # Panics
///
/// When a sample has no class, or `out` has other layers.
///
/// # Source
///
/// `larochelle2008classification`, section 3.
pub fn class_gradient_into(rbm: &Rbm, couplings: &Couplings, v: &BitMatrix, out: &mut Stack) -> Result<()> {
    let group = rbm.class_group()?;
    let plain = without(group, v);
    let inputs = couplings.inputs_h_from_v(rbm, &plain).to_matrix();
    let classes = Classes::new(rbm, group);
    let samples: Vec<Sample> = inputs
        .as_slice()
        .par_chunks(rbm.hidden())
        .enumerate()
        .map(|(sample, inputs)| classes.differences(inputs, group.category(v, 0, sample).expect("a class")))
        .collect();
    let scale = 1.0 / v.samples().max(1) as f32;
    let pull = Matrix::from_iterator(rbm.hidden(), samples.len(), samples.iter().flat_map(|s| s.pull.iter().copied()));
    let y = Activations::from_matrix(&pull);
    let mut of_group = Matrix::zeros(group.categories(), rbm.hidden());
    samples.iter().for_each(|sample| of_group += &sample.of_group * scale);
    out.update_weights(0, |pairs| {
        coactivations_into(&[Coactivation { transposed: &plain.transposed(), y: &y, scale }], pairs);
        pairs.rows_mut(group.first(), group.categories()).copy_from(&of_group);
    });
    out.bias_mut(0).fill(0.0);
    for (k, unit) in group.units_of(0).enumerate() {
        out.bias_mut(0)[unit] = scale * samples.iter().map(|sample| sample.misses[k]).sum::<f32>();
    }
    let sums = y.unit_sums();
    out.bias_mut(1).iter_mut().zip(sums).for_each(|(to, sum)| *to = scale * sum as f32);
    Ok(())
}

/// The states with the units of a group off.
fn without(group: &Groups, v: &BitMatrix) -> BitMatrix {
    let mut plain = v.clone();
    for sample in 0..v.samples() {
        group.units_of(0).for_each(|unit| plain.set(unit, sample, false));
    }
    plain
}

/// The group's weights and biases, class by class.
struct Classes {
    weights: Vec<Vec<f32>>,
    bias: Vec<f64>,
}

/// What one sample adds to the gradient.
struct Sample {
    pull: Vec<f32>,
    of_group: Matrix,
    misses: Vec<f32>,
}

impl Classes {
    fn new(rbm: &Rbm, group: &Groups) -> Self {
        let row = |unit: usize| rbm.weights().row(unit).iter().copied().collect();
        let bias = group.units_of(0).map(|unit| f64::from(rbm.visible_bias()[unit])).collect();
        Self { weights: group.units_of(0).map(row).collect(), bias }
    }

    fn scores(&self, inputs: &[f32]) -> Vec<f64> {
        let score = |(weights, bias): (&Vec<f32>, &f64)| {
            bias + inputs.iter().zip(weights).map(|(x, w)| softplus(f64::from(x + w))).sum::<f64>()
        };
        self.weights.iter().zip(&self.bias).map(score).collect()
    }

    fn log_probs(&self, inputs: &[f32]) -> Vec<f64> {
        let scores = self.scores(inputs);
        let total = log_sum_exp(&scores);
        scores.into_iter().map(|score| score - total).collect()
    }

    fn differences(&self, inputs: &[f32], class: usize) -> Sample {
        let misses: Vec<f32> = self
            .log_probs(inputs)
            .into_iter()
            .enumerate()
            .map(|(k, log_p)| f32::from(u8::from(k == class)) - log_p.exp() as f32)
            .collect();
        let means = |k: usize, j: usize| misses[k] * gm_core::logistic(inputs[j] + self.weights[k][j]);
        let of_group = Matrix::from_fn(misses.len(), inputs.len(), means);
        let pull = of_group.column_iter().map(|column| column.sum()).collect();
        Sample { pull, of_group, misses }
    }
}
