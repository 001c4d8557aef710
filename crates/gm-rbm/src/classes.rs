//! Classes: a softmax group after the other visible units, with exact probabilities and the gradient of log p(y | v).

use gm_core::{
    Activations, BatchRef, BitMatrix, Coactivation, Error, Groups, Matrix, Result, Stack, coactivations_into,
    log_sum_exp, widened,
};

use crate::gibbs::Sampler;
use crate::model::Rbm;

impl Rbm {
    /// log p(y | v) of each class y, `[classes, samples]`, exactly.
    ///
    /// p(y | v) is proportional to exp(c_y) prod_j (1 + exp(b_j + W_j' v + U_yj)). U holds the weights of the units of
    /// the group, and c their biases. The hidden units are summed out, and Z is not needed.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, bits or means of bits. The states of the group are ignored and may be left out.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] unless the visible units are binary units followed by one group, [`Error::Shape`] for other
    /// units.
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
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[10, 3])?)?.with_units(units)?;
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

    /// -F(v, y) = log p(v, y) + log Z for each class y, `[samples][classes]`, with the hidden units summed out.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`, bits or means of bits. The states of the group are ignored and may be left out.
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
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[10, 3])?)?.with_units(units)?;
    /// let log_weights = rbm.log_class_weights(&BitMatrix::zeros(10, 2))?;
    /// assert!((log_weights[1][3] - 3.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn log_class_weights<'v>(&self, v: impl Into<BatchRef<'v>>) -> Result<Vec<Vec<f64>>> {
        let v = v.into();
        let mut scores = self.class_scores("Rbm::log_class_weights", v)?;
        let mut bias = widened(self.visible_bias());
        bias[self.class_group()?.first()..].fill(0.0);
        bias.truncate(v.units());
        for (scores, shared) in scores.iter_mut().zip(v.weighted_sums(&bias)) {
            scores.iter_mut().for_each(|score| *score += shared);
        }
        Ok(scores)
    }

    /// -F(v, y) without the terms that all classes share, `[samples][classes]`.
    fn class_scores(&self, op: &'static str, v: BatchRef<'_>) -> Result<Vec<Vec<f64>>> {
        let (inputs, classes) = self.inputs_without_class(op, v)?;
        Ok(classes.scores(&inputs))
    }

    /// E[h | v] = sum_y p(y | v) s(b + W' v + U_y) for an unknown class, `[hidden, samples]`.
    pub(crate) fn mean_h_of_any_class(&self, op: &'static str, v: BatchRef<'_>) -> Result<Matrix> {
        let (inputs, classes) = self.inputs_without_class(op, v)?;
        let probs: Vec<Vec<f64>> = classes.scores(&inputs).iter().map(|scores| probs(scores)).collect();
        let mut mean = Matrix::zeros(self.hidden(), v.samples());
        for (k, _) in classes.bias.iter().enumerate() {
            classes.add_scaled_means(k, &inputs, |sample| probs[sample][k] as f32, &mut mean);
        }
        Ok(mean)
    }

    /// b + W' v with the units of the group off, and the weights and biases of the group.
    fn inputs_without_class(&self, op: &'static str, v: BatchRef<'_>) -> Result<(Matrix, Classes)> {
        let group = self.class_group()?;
        let more = if v.units() == group.first() { group.categories() } else { 0 };
        gm_core::check_len(op, "data", "units", v.units() + more, self.visible())?;
        let inputs = match v {
            BatchRef::Bits(bits) => {
                let plain = bits.narrowed(group.first()).widened(group.categories());
                self.couplings().inputs_h_from_v(self, (&plain).into()).to_matrix()
            }
            BatchRef::Reals(means) => {
                let mut means = means.clone().insert_rows(v.units(), more, 0.0);
                means.rows_mut(group.first(), group.categories()).fill(0.0);
                self.inputs_h_from_v(&means)
            }
        };
        Ok((inputs, Classes::new(self, group)))
    }

    pub(crate) fn class_group(&self) -> Result<&Groups> {
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
/// Let x_k = b + W' v + U_k and D = s(x_y) - sum_k p(k | v) s(x_k). Then `dW = <v D'>`, `db = <D>`, dU_k = <([k = y] -
/// p(k | v)) s(x_k)>, dc_k = <[k = y] - p(k | v)>, and the biases of the other units have gradient 0.
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
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, VisibleKind, VisibleUnits};
/// use gm_rbm::{Rbm, class_gradient_into};
///
/// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 2 }, 5, None)?;
/// let rbm = Rbm::from_stack(Stack::zeros(&[5, 4])?)?.with_units(units)?;
/// let rows = BitMatrix::from_fn(5, 10, |unit, _| unit == 3); // all of the first class
/// let mut gradient = rbm.stack().clone();
/// class_gradient_into(&rbm.sampler(), &rows, &mut gradient)?;
/// assert_eq!(gradient.bias(0).as_slice(), [0.0, 0.0, 0.0, 0.5, -0.5]);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn class_gradient_into(sampler: &Sampler, v: &BitMatrix, out: &mut Stack) -> Result<()> {
    let rbm = sampler.model();
    let group = rbm.class_group()?;
    let plain = v.narrowed(group.first()).widened(group.categories());
    let inputs = sampler.inputs_h_from_v(&plain).to_matrix();
    let classes = Classes::new(rbm, group);
    // [k = y] - p(k | v) of each sample.
    let misses: Vec<Vec<f32>> = classes
        .scores(&inputs)
        .iter()
        .enumerate()
        .map(|(sample, scores)| {
            let class = group.category(v, 0, sample).expect("a class");
            let miss = |(k, p): (usize, f64)| f32::from(u8::from(k == class)) - p as f32;
            probs(scores).into_iter().enumerate().map(miss).collect()
        })
        .collect();
    let scale = 1.0 / v.samples().max(1) as f32;
    let mut pull = Matrix::zeros(rbm.hidden(), v.samples());
    let mut of_group = Matrix::zeros(group.categories(), rbm.hidden());
    for (k, mut row) in of_group.row_iter_mut().enumerate() {
        let sums = classes.add_scaled_means(k, &inputs, |sample| misses[sample][k], &mut pull);
        row.iter_mut().zip(sums).for_each(|(to, sum)| *to = scale * sum);
    }
    let y = Activations::from_matrix(&pull);
    out.update_weights(0, |pairs| {
        coactivations_into(&[Coactivation { transposed: &plain.transposed(), y: &y, scale }], pairs);
        pairs.rows_mut(group.first(), group.categories()).copy_from(&of_group);
    });
    out.bias_mut(0).fill(0.0);
    for (k, unit) in group.units_of(0).enumerate() {
        out.bias_mut(0)[unit] = scale * misses.iter().map(|misses| misses[k]).sum::<f32>();
    }
    let sums = y.unit_sums();
    out.bias_mut(1).iter_mut().zip(sums).for_each(|(to, sum)| *to = scale * sum as f32);
    Ok(())
}

fn probs(scores: &[f64]) -> Vec<f64> {
    let total = log_sum_exp(scores);
    scores.iter().map(|score| (score - total).exp()).collect()
}

/// The weights and biases of the group, class by class.
struct Classes {
    weights: Vec<Vec<f32>>,
    bias: Vec<f64>,
}

impl Classes {
    fn new(rbm: &Rbm, group: &Groups) -> Self {
        let row = |unit: usize| rbm.weights().row(unit).iter().copied().collect();
        let bias = group.units_of(0).map(|unit| f64::from(rbm.visible_bias()[unit])).collect();
        Self { weights: group.units_of(0).map(row).collect(), bias }
    }

    /// The inputs of the hidden units with a class, from `inputs` without a class, `[hidden, samples]`.
    fn inputs(&self, class: usize, inputs: &Matrix) -> Matrix {
        let mut of_class = inputs.clone();
        for column in of_class.as_mut_slice().chunks_mut(inputs.nrows()) {
            column.iter_mut().zip(&self.weights[class]).for_each(|(x, w)| *x += w);
        }
        of_class
    }

    /// c_k + sum_j softplus(x_j + U_kj), `[samples][classes]`.
    fn scores(&self, inputs: &Matrix) -> Vec<Vec<f64>> {
        let mut scores = vec![Vec::with_capacity(self.bias.len()); inputs.ncols()];
        for (class, bias) in self.bias.iter().enumerate() {
            let sums = Activations::from_matrix(&self.inputs(class, inputs)).softplus_sums();
            scores.iter_mut().zip(sums).for_each(|(scores, sum)| scores.push(bias + sum));
        }
        scores
    }

    /// Adds the hidden means of a class, times a factor of each sample, to `to`. Returns their sums over samples,
    /// `[hidden]`.
    fn add_scaled_means(
        &self,
        class: usize,
        inputs: &Matrix,
        factor: impl Fn(usize) -> f32,
        to: &mut Matrix,
    ) -> Vec<f32> {
        let mut means = self.inputs(class, inputs);
        gm_core::logistic_in_place(&mut means);
        let mut sums = vec![0.0; means.nrows()];
        for (sample, (mut to, means)) in to.column_iter_mut().zip(means.column_iter()).enumerate() {
            let factor = factor(sample);
            for ((to, sum), mean) in to.iter_mut().zip(&mut sums).zip(&means) {
                *to += factor * mean;
                *sum += factor * mean;
            }
        }
        sums
    }
}
