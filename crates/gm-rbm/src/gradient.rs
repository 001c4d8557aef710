//! Gradients of the mean log-likelihood: contrastive, persistent and exact, with and without centring.

use gm_core::{Activations, BitMatrix, Coactivation, Purpose, Result, Stack, Streams, Vector, coactivations_into};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::gibbs::Chains;
use crate::model::Rbm;

/// Sufficient statistics of one phase: visible states with the hidden means that they imply.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_rbm::{Phase, Rbm};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let phase = Phase::new(&rbm, &rbm.couplings(), &BitMatrix::zeros(4, 10));
/// assert_eq!(phase.hidden_means(), [0.5; 3]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Phase {
    transposed: BitMatrix,
    hidden: Activations,
    visible_means: Vec<f32>,
    hidden_means: Vec<f32>,
}

impl Phase {
    /// The statistics of a batch.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn new(rbm: &Rbm, couplings: &Couplings, v: &BitMatrix) -> Self {
        let (transposed, hidden) = (v.transposed(), couplings.mean_h_from_v(rbm, v));
        let mut phase = Self { transposed, hidden, visible_means: vec![], hidden_means: vec![] };
        phase.average();
        phase
    }

    /// The statistics of another batch, in the memory of this one when sizes agree.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    pub fn refill(&mut self, rbm: &Rbm, couplings: &Couplings, v: &BitMatrix) {
        if (self.transposed.samples(), self.transposed.units()) == (v.units(), v.samples()) {
            v.transpose_into(&mut self.transposed);
        } else {
            self.transposed = v.transposed();
        }
        couplings.hidden_update(rbm, v).means_into(&mut self.hidden);
        self.average();
    }

    fn average(&mut self) {
        let samples = self.samples().max(1) as f64;
        let counts = self.transposed.ones_per_sample();
        self.visible_means = counts.iter().map(|&on| (on as f64 / samples) as f32).collect();
        self.hidden_means = self.hidden.unit_sums().iter().map(|sum| (sum / samples) as f32).collect();
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.transposed.units()
    }

    /// mean of v, `[visible]`.
    #[must_use]
    pub fn visible_means(&self) -> &[f32] {
        &self.visible_means
    }

    /// mean of E[h | v], `[hidden]`.
    #[must_use]
    pub fn hidden_means(&self) -> &[f32] {
        &self.hidden_means
    }

    /// E[h | v] of each sample, `[hidden, samples]`.
    #[must_use]
    pub fn hidden(&self) -> &Activations {
        &self.hidden
    }

    /// `scale` times the mean of v h'.
    fn pairs(&self, scale: f32) -> Coactivation<'_> {
        let scale = scale / self.samples().max(1) as f32;
        Coactivation { transposed: &self.transposed, y: &self.hidden, scale }
    }
}

fn add_scaled(to: &mut [f32], scale: f32, values: &[f32]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += scale * value;
    }
}

/// The gradient of the mean log-likelihood: statistics of the data minus statistics of the model.
///
/// `dW = <v h'>_data - <v h'>_model, da = <v>_data - <v>_model, db = <h>_data - <h>_model`.
///
/// # Panics
///
/// When the phases have other layer sizes than each other.
///
/// # Source
///
/// `hinton2002training`, `tieleman2008training`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_rbm::{Phase, Rbm, gradient};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let couplings = rbm.couplings();
/// let on = Phase::new(&rbm, &couplings, &BitMatrix::from_fn(4, 5, |_, _| true));
/// let off = Phase::new(&rbm, &couplings, &BitMatrix::zeros(4, 7));
/// assert_eq!(gradient(&on, &off).weights(0)[(0, 0)], 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn gradient(data: &Phase, model: &Phase) -> Stack {
    let (visible, hidden) = (data.visible_means.len(), data.hidden_means.len());
    let mut out = Stack::zeros(&[visible, hidden]).expect("both layers of a phase have units");
    gradient_into(data, model, &mut out);
    out
}

/// [`gradient`] into a stack that may be reused.
///
/// # Panics
///
/// When shapes disagree.
pub fn gradient_into(data: &Phase, model: &Phase, out: &mut Stack) {
    out.update_weights(0, |pairs| coactivations_into(&[data.pairs(1.0), model.pairs(-1.0)], pairs));
    for (l, data, model) in
        [(0, &data.visible_means, &model.visible_means), (1, &data.hidden_means, &model.hidden_means)]
    {
        out.bias_mut(l).iter_mut().zip(data.iter().zip(model)).for_each(|(out, (d, m))| *out = d - m);
    }
}

/// The model phase of contrastive divergence: k sweeps from the data, into memory that may be reused.
///
/// # Randomness
///
/// Hidden states given the data from family 1 of [`Purpose::Start`], sweeps as in [`Couplings::run`].
///
/// # Panics
///
/// When `v` is not the batch of which `data` holds the statistics.
///
/// # Source
///
/// `hinton2002training`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_rbm::{Phase, Rbm, contrastive_divergence, gradient};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let couplings = rbm.couplings();
/// let v = BitMatrix::from_fn(4, 1000, |_, _| true);
/// let data = Phase::new(&rbm, &couplings, &v);
/// let mut model = data.clone();
/// contrastive_divergence(&rbm, &couplings, (&v, &data), 1, &Streams::new(0), &mut model);
/// assert!((gradient(&data, &model).bias(0)[0] - 0.5).abs() < 0.1);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn contrastive_divergence(
    rbm: &Rbm,
    couplings: &Couplings,
    (v, data): (&BitMatrix, &Phase),
    k: usize,
    streams: &Streams,
    model: &mut Phase,
) {
    assert_eq!(v.samples(), data.samples(), "the statistics are those of the batch");
    let mut h = BitMatrix::zeros(rbm.hidden(), v.samples());
    data.hidden.sample_into(&mut h, &streams.fork(Purpose::Start, 1));
    let mut chains = Chains { v: v.clone(), h, sweeps: 0 };
    couplings.run_into_phase(rbm, &mut chains, k, streams, model);
}

/// Offsets mu of the visible and lambda of the hidden units for the centred gradient.
///
/// Centring changes the direction of learning, not the family of models: the gradient with respect to the weights
/// of (v - mu)' W (h - lambda) is expressed in the ordinary parameters.
///
/// # Source
///
/// `melchior2016center`; `montavon2012deep`.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, Vector};
/// use gm_rbm::Offsets;
///
/// let offsets = Offsets { visible: vec![0.5, 0.5], hidden: vec![0.1, 0.2] };
/// let mut gradient = Stack::new(
///     vec![Matrix::from_row_slice(2, 2, &[0.3, 0.5, -0.4, 0.8])],
///     vec![Vector::from_vec(vec![2.0, 4.0]), Vector::from_vec(vec![-2.0, -1.0])],
/// )?;
/// offsets.centre(&mut gradient);
/// assert!((gradient.weights(0)[(0, 0)] - 1.1).abs() < 1e-6);
/// assert!((gradient.bias(0)[0] - 1.77).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Offsets {
    /// mu, `[visible]`.
    pub visible: Vec<f32>,
    /// lambda, `[hidden]`.
    pub hidden: Vec<f32>,
}

impl Offsets {
    /// Turns a plain gradient into the centred one.
    ///
    /// dW_c = dW - da lambda' - mu db', da_c = da - dW_c lambda, db_c = db - dW_c' mu.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn centre(&self, gradient: &mut Stack) {
        let (visible, hidden) = (self.visible.len(), self.hidden.len());
        assert_eq!(gradient.layers(), [visible, hidden], "an offset for each unit");
        let (da, db) = (gradient.bias(0).clone(), gradient.bias(1).clone());
        let mut products = vec![(Vector::zeros(visible), vec![]); hidden.div_ceil(COLUMNS)];
        gradient.update_weights(0, |weights| {
            let blocks = weights.as_mut_slice().par_chunks_mut(visible * COLUMNS);
            blocks.zip(&mut products).enumerate().for_each(|(block, (columns, products))| {
                self.centre_columns(block * COLUMNS, columns, (da.as_slice(), db.as_slice()), products);
            });
        });
        for (block, (towards_a, towards_b)) in products.iter().enumerate() {
            add_scaled(gradient.bias_mut(0), -1.0, towards_a.as_slice());
            add_scaled(&mut gradient.bias_mut(1)[block * COLUMNS..], -1.0, towards_b);
        }
    }

    /// Centres the columns from `first` on and adds up dW_c lambda and dW_c' mu over them.
    fn centre_columns(
        &self,
        first: usize,
        columns: &mut [f32],
        biases: (&[f32], &[f32]),
        products: &mut (Vector, Vec<f32>),
    ) {
        for (j, column) in (first..).zip(columns.chunks_mut(self.visible.len())) {
            let (db, lambda) = (biases.1[j], self.hidden[j]);
            for ((w, &da), &mu) in column.iter_mut().zip(biases.0).zip(&self.visible) {
                *w -= da * lambda + mu * db;
            }
            add_scaled(products.0.as_mut_slice(), lambda, column);
            products.1.push(column.iter().zip(&self.visible).map(|(w, mu)| w * mu).sum());
        }
    }

    /// Moves the offsets towards the means of a data phase: `mu <- (1 - rate) mu + rate <v>`, likewise lambda.
    ///
    /// # Panics
    ///
    /// When the phase has other layer sizes.
    pub fn slide(&mut self, data: &Phase, visible_rate: f32, hidden_rate: f32) {
        slide(&mut self.visible, &data.visible_means, visible_rate);
        slide(&mut self.hidden, &data.hidden_means, hidden_rate);
    }
}

/// Columns that one task centres.
const COLUMNS: usize = 64;

fn slide(offsets: &mut [f32], means: &[f32], rate: f32) {
    assert_eq!(offsets.len(), means.len(), "an offset for each unit");
    for (offset, mean) in offsets.iter_mut().zip(means) {
        *offset += rate * (mean - *offset);
    }
}

impl Rbm {
    /// The exact gradient of the mean log-likelihood by enumeration of the smaller layer.
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] when both layers exceed the enumeration limit, [`gm_core::Error::Shape`] for data of
    /// another width, [`gm_core::Error::Empty`] without samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
    /// let gradient = rbm.exact_gradient(&BitMatrix::zeros(4, 1))?;
    /// assert!((gradient.bias(0)[0] + 0.5).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_gradient(&self, data: &BitMatrix) -> Result<Stack> {
        const OP: &str = "Rbm::exact_gradient";
        self.check_data(OP, data.units())?;
        if data.samples() == 0 {
            return Err(gm_core::Error::Empty { op: OP, arg: "data" });
        }
        let (data, model) = (Phase::new(self, &self.couplings(), data), self.exact_moments()?);
        let mut gradient = Stack::zeros(&[self.visible(), self.hidden()])?;
        gradient.update_weights(0, |pairs| {
            coactivations_into(&[data.pairs(1.0)], pairs);
            subtract(pairs.as_mut_slice(), &model.pairs);
        });
        for (l, data, model) in [(0, &data.visible_means, &model.visible), (1, &data.hidden_means, &model.hidden)] {
            gradient.bias_mut(l).copy_from_slice(data);
            subtract(gradient.bias_mut(l), model);
        }
        Ok(gradient)
    }
}

fn subtract(from: &mut [f32], values: &[f64]) {
    from.iter_mut().zip(values).for_each(|(x, &value)| *x -= value as f32);
}
