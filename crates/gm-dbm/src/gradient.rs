//! Gradients of the mean log-likelihood: from mean field and chains, and exact.

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Chains, Coactivation, Matrix, Moments, Purpose, Result, Stack, StepInfo,
    Streams, coactivations_into, dense_coactivations_into,
};
use rayon::prelude::*;

use crate::gibbs::Sampler;
use crate::mean_field::{MeanField, average};
use crate::model::Dbm;

/// Sufficient statistics of data: visible states and the mean-field means of the hidden layers given them.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_dbm::{DataPhase, Dbm, MeanFieldSettings};
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let v = BitMatrix::zeros(4, 10);
/// let phase = DataPhase::new(&v, dbm.mean_field(&v, &MeanFieldSettings::default())?);
/// assert_eq!(phase.averages()[2], [0.5; 2]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataPhase {
    visible: States,
    first: Activations,
    posterior: MeanField,
    averages: Vec<Vec<f32>>,
}

/// States of a layer in the form that the statistics need.
#[derive(Clone, Debug)]
enum States {
    /// Bits, transposed.
    Bits(BitMatrix),
    /// Real numbers, as they are.
    Reals(Matrix),
}

impl States {
    fn of(x: BatchRef<'_>) -> Self {
        match x {
            BatchRef::Bits(bits) => Self::Bits(bits.transposed()),
            BatchRef::Reals(reals) => Self::Reals(reals.clone()),
        }
    }

    fn samples(&self) -> usize {
        match self {
            Self::Bits(transposed) => transposed.units(),
            Self::Reals(reals) => reals.ncols(),
        }
    }

    /// The means over samples.
    fn averages(&self) -> Vec<f32> {
        match self {
            Self::Bits(transposed) => shares(transposed),
            Self::Reals(reals) => average(reals),
        }
    }

    /// The mean squares over samples, for real numbers only.
    fn squares(&self) -> Vec<f32> {
        match self {
            Self::Bits(_) => Vec::new(),
            Self::Reals(reals) => average(&reals.map(|x| x * x)),
        }
    }

    /// The mean of the products with the means of another layer into `out`.
    fn pairs_into(&self, y: &Activations, out: &mut Matrix) {
        let scale = 1.0 / self.samples().max(1) as f32;
        match self {
            Self::Bits(transposed) => coactivations_into(&[Coactivation { transposed, y, scale }], out),
            Self::Reals(reals) => dense_coactivations_into(reals, &y.to_matrix(), scale, out),
        }
    }
}

impl DataPhase {
    /// The statistics of a batch, given its mean-field means.
    ///
    /// # Panics
    ///
    /// When `posterior` belongs to another number of samples.
    #[must_use]
    pub fn new<'v>(v: impl Into<BatchRef<'v>>, posterior: MeanField) -> Self {
        let v = v.into();
        assert_eq!(v.samples(), posterior.means[0].ncols(), "means of every sample");
        let visible = States::of(v);
        let mut averages = vec![visible.averages()];
        averages.extend(posterior.means.par_iter().map(average).collect::<Vec<_>>());
        Self { first: Activations::from_matrix(&posterior.means[0]), visible, posterior, averages }
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.visible.samples()
    }

    /// The mean over samples of each layer, the visible layer first.
    #[must_use]
    pub fn averages(&self) -> &[Vec<f32>] {
        &self.averages
    }

    /// The mean-field means.
    #[must_use]
    pub fn posterior(&self) -> &MeanField {
        &self.posterior
    }
}

/// The share of samples in which each unit is on, from transposed bits.
fn shares(transposed: &BitMatrix) -> Vec<f32> {
    let samples = transposed.units().max(1) as f64;
    transposed.ones_per_sample().iter().map(|&on| (on as f64 / samples) as f32).collect()
}

/// Sufficient statistics of the model: the even layers of chains, as drawn, and the means of the odd layers given them.
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_dbm::{Dbm, ModelPhase};
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let phase = ModelPhase::new(&dbm.sampler(), &dbm.chains(10, &Streams::new(0)));
/// assert_eq!(phase.averages()[1], [0.5; 3]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelPhase {
    /// States of the even layers.
    even: Vec<States>,
    /// Means of the odd layers.
    odd: Vec<Activations>,
    averages: Vec<Vec<f32>>,
}

impl ModelPhase {
    /// The statistics of chains as they are.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    #[must_use]
    pub fn new(sampler: &Sampler, chains: &Chains) -> Self {
        let layers = chains.layers.len();
        let even: Vec<States> = chains.layers.iter().step_by(2).map(|layer| States::of(layer.view())).collect();
        let odd: Vec<Activations> = (1..layers).step_by(2).map(|l| sampler.mean(l, &chains.layers)).collect();
        let samples = chains.count().max(1) as f64;
        let average = |l: usize| match l % 2 {
            0 => even[l / 2].averages(),
            _ => odd[l / 2].unit_sums().iter().map(|sum| (sum / samples) as f32).collect(),
        };
        Self { averages: (0..layers).map(average).collect(), even, odd }
    }

    /// The mean over chains of each layer, the visible layer first.
    #[must_use]
    pub fn averages(&self) -> &[Vec<f32>] {
        &self.averages
    }

    /// The mean of x_l x_(l+1)' into `out`.
    fn pairs_into(&self, l: usize, out: &mut Matrix) {
        let (x, y) = (&self.even[l.div_ceil(2)], &self.odd[l / 2]);
        if l.is_multiple_of(2) {
            return x.pairs_into(y, out);
        }
        let mut transposed = Matrix::zeros(out.ncols(), out.nrows());
        x.pairs_into(y, &mut transposed);
        transposed.transpose_to(out);
    }
}

impl Sampler {
    /// [`run`](Self::run), and the statistics of the last sweep.
    ///
    /// The last states of the odd layers are drawn from the means of the statistics, so that the statistics cost
    /// nothing. The chains get the same states as from [`run`](Self::run). Without sweeps the statistics are those of
    /// the chains as they are. They are new statistics, because their memory counts little beside a sweep of several
    /// layers; the sampler of an RBM (gm-rbm) fills given ones.
    ///
    /// # Panics
    ///
    /// When the chains belong to other layer sizes.
    pub fn run_into_phase(&self, chains: &mut Chains, sweeps: usize, streams: &Streams) -> (StepInfo, ModelPhase) {
        let Some(before) = sweeps.checked_sub(1) else {
            return (StepInfo { sweeps, flips: 0.0 }, ModelPhase::new(self, chains));
        };
        let dbm = self.model();
        let first = self.run(chains, before, streams);
        let sweep = streams.fork(Purpose::Chains, chains.sweeps);
        let watched = dbm.watched_layer();
        let before_last = chains.layers[watched].clone();
        self.couplings().draw_half(dbm, &mut chains.layers, 0, &|l, layer, out: &mut Batch| {
            layer.sample_into(out, &sweep.fork(Purpose::Layer, l as u64));
        });
        let phase = ModelPhase::new(self, chains);
        for (l, means) in (1_usize..).step_by(2).zip(&phase.odd) {
            means.sample_into(chains.layers[l].bits_mut(), &sweep.fork(Purpose::Layer, l as u64));
        }
        chains.sweeps += 1;
        let units = (dbm.size(watched) * chains.count()).max(1);
        let last = chains.layers[watched].bits().differences(before_last.bits()) as f64 / units as f64;
        (StepInfo { sweeps, flips: (before as f64 * first.flips + last) / sweeps as f64 }, phase)
    }
}

/// The gradient of the mean bound on log p: statistics of the data minus statistics of the model.
///
/// `dW_l = <x_l x_(l+1)'>_data - <x_l x_(l+1)'>_model, db_l = <x_l>_data - <x_l>_model`.
///
/// For Gaussian units dW_0 and db_0 are s_i^2 times the gradient. This is still a direction of ascent, and one learning
/// rate suits units of any variance.
///
/// # Panics
///
/// When the layer sizes of the two phases differ.
///
/// # Source
///
/// `salakhutdinov2009deep`, section 2.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbm::{DataPhase, Dbm, MeanFieldSettings, ModelPhase, gradient};
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let v = BitMatrix::from_fn(4, 5, |_, _| true);
/// let data = DataPhase::new(&v, dbm.mean_field(&v, &MeanFieldSettings::default())?);
/// let model = ModelPhase::new(&dbm.sampler(), &dbm.chains(7, &Streams::new(0)));
/// assert_eq!(gradient(&data, &model).bias(1)[0], 0.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn gradient(data: &DataPhase, model: &ModelPhase) -> Stack {
    let layers: Vec<usize> = data.averages.iter().map(Vec::len).collect();
    let mut out = Stack::zeros(&layers).expect("all layers of a phase have units");
    gradient_into(data, model, &mut out);
    out
}

/// [`gradient`] into a stack that may be reused.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbm::{DataPhase, Dbm, MeanFieldSettings, ModelPhase, gradient, gradient_into};
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let v = BitMatrix::from_fn(4, 5, |_, _| true);
/// let data = DataPhase::new(&v, dbm.mean_field(&v, &MeanFieldSettings::default())?);
/// let mut out = dbm.stack().clone();
/// for seed in 0..3 {
///     let model = ModelPhase::new(&dbm.sampler(), &dbm.chains(100, &Streams::new(seed)));
///     gradient_into(&data, &model, &mut out);
///     assert_eq!(out, gradient(&data, &model));
///     assert!((out.bias(0)[0] - 0.5).abs() < 0.2);
/// }
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn gradient_into(data: &DataPhase, model: &ModelPhase, out: &mut Stack) {
    let scale = 1.0 / data.samples().max(1) as f32;
    for l in 0..out.depth() {
        out.update_weights(l, |pairs| {
            let mut of_model = Matrix::zeros(pairs.nrows(), pairs.ncols());
            model.pairs_into(l, &mut of_model);
            match l {
                0 => data.visible.pairs_into(&data.first, pairs),
                _ => {
                    let means = &data.posterior.means;
                    dense_coactivations_into(&means[l - 1], &means[l], scale, pairs);
                }
            }
            let values = pairs.as_mut_slice().par_chunks_mut(CHUNK).zip(of_model.as_slice().par_chunks(CHUNK));
            values.for_each(|(pairs, of_model)| add_scaled(pairs, -1.0, of_model));
        });
    }
    for (l, (data, model)) in data.averages.iter().zip(&model.averages).enumerate() {
        out.bias_mut(l).iter_mut().zip(data.iter().zip(model)).for_each(|(out, (d, m))| *out = d - m);
    }
}

/// The gradient with respect to log s_i^2 of Gaussian units, `[visible]`, given [`gradient`] before it is centred.
///
/// `d_i = (<(v_i - a_i)^2 / 2 - sum_j W_ij v_i h_j>_data - <the same>_model) / s_i^2`, with h the first hidden layer.
///
/// # Panics
///
/// When the model's visible units are not Gaussian, or shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, VisibleKind, VisibleUnits};
/// use gm_dbm::{DataPhase, Dbm, MeanFieldSettings, ModelPhase, gradient, variance_gradient};
///
/// let units = VisibleUnits::new(VisibleKind::Gaussian, 1, None)?;
/// let dbm = Dbm::from_stack(Stack::zeros(&[1, 2, 2])?)?.with_units(units)?;
/// // Data spread wider than the model: the variance should grow.
/// let wide = Matrix::from_row_slice(1, 2, &[-2.0, 2.0]);
/// let data = DataPhase::new(&wide, dbm.mean_field(&wide, &MeanFieldSettings::default())?);
/// let chains = dbm.chains_from(Matrix::from_row_slice(1, 2, &[-1.0, 1.0]), &gm_core::Streams::new(1))?;
/// let model = ModelPhase::new(&dbm.sampler(), &chains);
/// assert_eq!(variance_gradient(&dbm, &data, &model, &gradient(&data, &model)), [(4.0 - 1.0) / 2.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn variance_gradient(dbm: &Dbm, data: &DataPhase, model: &ModelPhase, gradient: &Stack) -> Vec<f32> {
    let (data, model) = (data.visible.squares(), model.even[0].squares());
    variance_steps(dbm, &data.iter().zip(&model).map(|(d, m)| d - m).collect::<Vec<_>>(), gradient)
}

/// [`variance_gradient`] from the difference of the mean squares.
fn variance_steps(dbm: &Dbm, squares: &[f32], gradient: &Stack) -> Vec<f32> {
    let gaussian = dbm.units().gaussian().expect("only Gaussian units have variances");
    let mut products = vec![0.0_f64; dbm.visible()];
    for (weights, pairs) in dbm.weights(0).column_iter().zip(gradient.weights(0).column_iter()) {
        for ((product, w), g) in products.iter_mut().zip(&weights).zip(&pairs) {
            *product += f64::from(w * g);
        }
    }
    let of_unit = |i: usize| {
        let mean = f64::from(dbm.bias(0)[i] * gradient.bias(0)[i]);
        ((f64::from(squares[i]) / 2.0 - mean - products[i]) / f64::from(gaussian.variance()[i])) as f32
    };
    (0..dbm.visible()).map(of_unit).collect()
}

/// The number of values that one task subtracts.
const CHUNK: usize = 1 << 14;

fn add_scaled(to: &mut [f32], scale: f32, values: &[f32]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += scale * value;
    }
}

impl Dbm {
    /// The exact gradient of the mean log-likelihood, by enumeration of the smaller half of the layers. For Gaussian
    /// units it is scaled as in [`gradient`].
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] when both halves of the layers have more than
    /// [`LOG_PARTITION_LIMIT`](crate::LOG_PARTITION_LIMIT) units, [`gm_core::Error::Empty`] without samples, and the
    /// errors of [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
    /// let gradient = dbm.exact_gradient(&BitMatrix::zeros(4, 1))?;
    /// assert!((gradient.bias(0)[0] + 0.5).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_gradient<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Stack> {
        let (data, model) = (self.posterior_moments(data)?, self.marginals()?);
        self.difference(&data, &model)
    }

    /// The exact gradient with respect to log s_i^2 of Gaussian units, `[visible]`, as [`variance_gradient`] defines
    /// it.
    ///
    /// # Errors
    ///
    /// As [`exact_gradient`](Self::exact_gradient).
    ///
    /// # Panics
    ///
    /// When the model's visible units are not Gaussian.
    pub fn exact_variance_gradient<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Vec<f32>> {
        let (data, model) = (self.posterior_moments(data)?, self.marginals()?);
        let squares: Vec<f32> = data.squares.iter().zip(&model.squares).map(|(d, m)| (d - m) as f32).collect();
        Ok(variance_steps(self, &squares, &self.difference(&data, &model)?))
    }

    /// Moments of the data minus those of the model.
    fn difference(&self, data: &Moments, model: &Moments) -> Result<Stack> {
        let mut gradient = Stack::zeros(&self.layers())?;
        for l in 0..self.depth() {
            gradient.update_weights(l, |w| *w = &data.pairs[l] - &model.pairs[l]);
        }
        for (l, (data, model)) in data.means.iter().zip(&model.means).enumerate() {
            let values = gradient.bias_mut(l).iter_mut();
            values.zip(data.iter().zip(model)).for_each(|(out, (d, m))| *out = (d - m) as f32);
        }
        Ok(gradient)
    }
}
