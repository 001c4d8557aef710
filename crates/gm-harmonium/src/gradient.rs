//! Gradients of the mean log-likelihood.

use gm_core::{BatchRef, Matrix, dense_coactivations_into};

use crate::gibbs::Sampler;
use crate::model::Harmonium;

/// Numbers for all parameters: sums of statistics, or their difference between data and model, which is the gradient of the
/// mean log-likelihood.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, VisibleUnits};
/// use gm_harmonium::{Gradient, Harmonium};
///
/// let model = Harmonium::from_stack(&Stack::zeros(&[2, 3])?, &VisibleUnits::Bernoulli)?;
/// let on = BitMatrix::from_fn(2, 10, |_, _| true);
/// let gradient = Gradient::of_data(&model, &on, &[]).minus(&model.exact_statistics()?);
/// assert!((gradient.visible[0] - 0.5).abs() < 1e-6 && (gradient.weights[(0, 0)] - 0.25).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// For the weights, `[visible, hidden]`.
    pub weights: Matrix,
    /// For the parameters of the visible layer, in their order.
    pub visible: Vec<f32>,
    /// For the parameters of the hidden layer, in their order.
    pub hidden: Vec<f32>,
}

impl Gradient {
    /// Zeros of the shape of a model.
    #[must_use]
    pub fn zeros(model: &Harmonium) -> Self {
        Self {
            weights: Matrix::zeros(model.visible().units(), model.hidden().units()),
            visible: vec![0.0; model.visible().parameters().len()],
            hidden: vec![0.0; model.hidden().parameters().len()],
        }
    }

    /// The mean statistics of visible states, with those of the hidden units in the mean given them.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`; `weights` has a weight for each sample, of which only ratios matter, or is empty.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn of_data<'v>(model: &Harmonium, v: impl Into<BatchRef<'v>>, weights: &[f32]) -> Self {
        let v = v.into();
        Self::given_inputs(model, v, &model.inputs_h_from_v(v), &Self::shares(v.samples(), weights))
    }

    /// [`of_data`](Self::of_data) with the weights as a sampler has arranged them.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn of_states<'v>(sampler: &Sampler, v: impl Into<BatchRef<'v>>, weights: &[f32]) -> Self {
        let v = v.into();
        Self::given_inputs(sampler.model(), v, &sampler.inputs_h(v), &Self::shares(v.samples(), weights))
    }

    /// The share of each sample in a mean.
    fn shares(samples: usize, weights: &[f32]) -> Vec<f32> {
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        match weights {
            [] => vec![1.0 / samples.max(1) as f32; samples],
            weights => weights.iter().map(|&w| (f64::from(w) / total.max(f64::MIN_POSITIVE)) as f32).collect(),
        }
    }

    /// The weighted sums of statistics of visible states and of the hidden units given them.
    pub(crate) fn given_v(model: &Harmonium, v: BatchRef<'_>, weights: &[f32]) -> Self {
        Self::given_inputs(model, v, &model.inputs_h_from_v(v), weights)
    }

    fn given_inputs(model: &Harmonium, v: BatchRef<'_>, inputs: &Matrix, weights: &[f32]) -> Self {
        let mut found = Self::zeros(model);
        dense_coactivations_into(
            &v.to_matrix(),
            &scaled(model.hidden().means(inputs), weights),
            1.0,
            &mut found.weights,
        );
        found.visible = narrow(model.visible().statistics(v, weights));
        found.hidden = narrow(model.hidden().mean_statistics(inputs, weights));
        found
    }

    /// The weighted sums of statistics of hidden states and of the visible units given them.
    pub(crate) fn given_h(model: &Harmonium, h: BatchRef<'_>, weights: &[f32]) -> Self {
        let inputs = model.inputs_v_from_h(h);
        let mut found = Self::zeros(model);
        dense_coactivations_into(
            &scaled(model.visible().means(&inputs), weights),
            &h.to_matrix(),
            1.0,
            &mut found.weights,
        );
        found.visible = narrow(model.visible().mean_statistics(&inputs, weights));
        found.hidden = narrow(model.hidden().statistics(h, weights));
        found
    }

    /// Adds another one.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn add(&mut self, other: &Self) {
        self.weights += &other.weights;
        self.visible.iter_mut().zip(&other.visible).for_each(|(x, y)| *x += y);
        self.hidden.iter_mut().zip(&other.hidden).for_each(|(x, y)| *x += y);
    }

    /// This one minus another one.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn minus(mut self, other: &Self) -> Self {
        self.weights -= &other.weights;
        self.visible.iter_mut().zip(&other.visible).for_each(|(x, y)| *x -= y);
        self.hidden.iter_mut().zip(&other.hidden).for_each(|(x, y)| *x -= y);
        self
    }

    /// Multiplies all numbers.
    pub fn scale(&mut self, factor: f32) {
        self.weights *= factor;
        self.visible.iter_mut().chain(&mut self.hidden).for_each(|x| *x *= factor);
    }

    /// The step of the centred model in terms of this one: E = ... - (v - mu)' W (h - lambda) with offsets mu of the visible
    /// and lambda of the hidden units. The likelihood does not know offsets, but its gradient is better conditioned.
    ///
    /// # Shapes
    ///
    /// Offsets are mu, `[visible]`, and lambda, `[hidden]`.
    ///
    /// # Source
    ///
    /// `melchior2016center`, section 3.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn centre(&mut self, model: &Harmonium, mu: &[f32], lambda: &[f32]) {
        // The differences of the mean states between data and model.
        let (of_v, of_h) = (model.visible().field_sums(&self.visible), model.hidden().field_sums(&self.hidden));
        for ((i, j), g) in
            (0..lambda.len()).flat_map(|j| (0..mu.len()).map(move |i| (i, j))).zip(self.weights.iter_mut())
        {
            *g -= mu[i] * of_h[j] + of_v[i] * lambda[j];
        }
        let of_visible: Vec<f32> = self.weights.row_iter().map(|row| dot(row.iter(), lambda)).collect();
        let of_hidden: Vec<f32> = self.weights.column_iter().map(|column| dot(column.iter(), mu)).collect();
        let visible = model.visible().fields(&of_visible);
        let hidden = model.hidden().fields(&of_hidden);
        self.visible.iter_mut().zip(visible).for_each(|(x, y)| *x -= y);
        self.hidden.iter_mut().zip(hidden).for_each(|(x, y)| *x -= y);
    }
}

fn dot<'a>(x: impl Iterator<Item = &'a f32>, y: &[f32]) -> f32 {
    x.zip(y).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

fn scaled(mut states: Matrix, weights: &[f32]) -> Matrix {
    states.column_iter_mut().zip(weights).for_each(|(mut column, weight)| column *= *weight);
    states
}

fn narrow(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}
