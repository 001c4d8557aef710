//! Gradients of the mean log-likelihood: from contrastive divergence, from persistent chains, and exact.

use gm_core::{
    Activations, Arrangement, BatchRef, BitMatrix, Chains, Coactivation, Matrix, Purpose, Result, Stack, Streams,
    coactivations_into, dense_coactivations_into, widened,
};

use crate::gibbs::Sampler;
use crate::model::Rbm;

/// Sufficient statistics of one phase: visible states and the hidden means given them.
///
/// The data and the model have the same statistics, so that one type serves both phases. A DBM (gm-dbm) needs mean
/// field for its data and has a type for each phase.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_rbm::{Phase, Rbm};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let phase = Phase::new(&rbm.sampler(), &BitMatrix::zeros(4, 10));
/// assert_eq!(phase.hidden_means(), [0.5; 3]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Phase {
    visible: States,
    hidden: Activations,
    /// Hidden means times the weight of their sample, if samples have weights.
    weighted: Option<Activations>,
    /// Means of v and of E[h | v].
    averages: Vec<Vec<f32>>,
    /// Means of v^2, for real-valued units only.
    visible_squares: Vec<f32>,
}

/// Visible states as the statistics need them.
#[derive(Clone, Debug)]
enum States {
    /// Bits, transposed.
    Bits(BitMatrix),
    /// Real numbers, as they are.
    Reals(Matrix),
}

impl States {
    fn of(v: BatchRef<'_>) -> Self {
        match v {
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
    pub fn new<'v>(sampler: &Sampler, v: impl Into<BatchRef<'v>>) -> Self {
        let v = v.into();
        let (visible, hidden) = (States::of(v), sampler.mean_h_from_v(v));
        let (averages, visible_squares) = (vec![vec![]; 2], vec![]);
        let mut phase = Self { visible, hidden, weighted: None, averages, visible_squares };
        phase.average(None);
        phase
    }

    /// Takes the statistics of another batch. The memory is reused if sizes agree.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    pub fn refill<'v>(&mut self, sampler: &Sampler, v: impl Into<BatchRef<'v>>) {
        let v = v.into();
        match (&mut self.visible, v) {
            (States::Bits(to), BatchRef::Bits(bits))
                if (to.samples(), to.units()) == (bits.units(), bits.samples()) =>
            {
                bits.transpose_into(to);
            }
            (visible, v) => *visible = States::of(v),
        }
        sampler.couplings().means_into(sampler.model(), v, &mut self.hidden);
        self.weighted = None;
        self.average(None);
    }

    /// Gives each sample a weight. Only the ratios of weights matter. The hidden means of the samples stay as they are.
    ///
    /// # Panics
    ///
    /// Unless there is one weight for each sample.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    /// use gm_rbm::{Phase, Rbm};
    ///
    /// let rbm = Rbm::from_stack(Stack::zeros(&[1, 2])?)?;
    /// let mut phase = Phase::new(&rbm.sampler(), &BitMatrix::from_fn(1, 2, |_, sample| sample == 0));
    /// phase.weigh(&[3.0, 1.0]);
    /// assert_eq!(phase.visible_means(), [0.75]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn weigh(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.samples(), "a weight for each sample");
        let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let scale = weights.len() as f64 / sum.max(f64::MIN_POSITIVE);
        let weights: Vec<f32> = weights.iter().map(|&w| (f64::from(w) * scale) as f32).collect();
        let mut weighted = self.hidden.clone();
        weighted.fill_means(|sample, _, row| row.iter_mut().for_each(|x| *x *= weights[sample]));
        self.weighted = Some(weighted);
        self.average(Some(&weights));
    }

    fn average(&mut self, weights: Option<&[f32]>) {
        let samples = self.samples().max(1) as f64;
        let mean = |sum: f64| (sum / samples) as f32;
        let weight = |sample: usize| weights.map_or(1.0, |weights| f64::from(weights[sample]));
        match &self.visible {
            States::Bits(transposed) => {
                self.averages[0] = match weights {
                    None => transposed.ones_per_sample().iter().map(|&on| mean(on as f64)).collect(),
                    Some(weights) => transposed.weighted_sums(&widened(weights)).into_iter().map(mean).collect(),
                };
            }
            States::Reals(v) => {
                let (mut sums, mut squares) = (vec![0.0; v.nrows()], vec![0.0; v.nrows()]);
                for (sample, column) in v.column_iter().enumerate() {
                    for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(&column) {
                        *sum += weight(sample) * f64::from(x);
                        *square += weight(sample) * f64::from(x) * f64::from(x);
                    }
                }
                self.averages[0] = sums.into_iter().map(mean).collect();
                self.visible_squares = squares.into_iter().map(mean).collect();
            }
        }
        self.averages[1] = self.weighted_hidden().unit_sums().into_iter().map(mean).collect();
    }

    fn weighted_hidden(&self) -> &Activations {
        self.weighted.as_ref().unwrap_or(&self.hidden)
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.visible.samples()
    }

    /// The mean over samples of each layer: those of [`visible_means`](Self::visible_means), then those of
    /// [`hidden_means`](Self::hidden_means).
    #[must_use]
    pub fn averages(&self) -> &[Vec<f32>] {
        &self.averages
    }

    /// The mean of v, `[visible]`.
    #[must_use]
    pub fn visible_means(&self) -> &[f32] {
        &self.averages[0]
    }

    /// The mean of E[h | v], `[hidden]`.
    #[must_use]
    pub fn hidden_means(&self) -> &[f32] {
        &self.averages[1]
    }

    /// E[h | v] of each sample, `[hidden, samples]`.
    #[must_use]
    pub fn hidden(&self) -> &Activations {
        &self.hidden
    }

    /// `scale` times the mean of v h' for bits.
    fn pairs<'a>(&'a self, transposed: &'a BitMatrix, scale: f32) -> Coactivation<'a> {
        Coactivation { transposed, y: self.weighted_hidden(), scale: scale / self.samples().max(1) as f32 }
    }

    /// Adds `scale` times the mean of v h' for states of any kind.
    fn add_pairs(&self, scale: f32, out: &mut Matrix) {
        let mut pairs = Matrix::zeros(out.nrows(), out.ncols());
        match &self.visible {
            States::Bits(transposed) => coactivations_into(&[self.pairs(transposed, scale)], &mut pairs),
            States::Reals(v) => {
                let scale = scale / self.samples().max(1) as f32;
                dense_coactivations_into(v, &self.weighted_hidden().to_matrix(), scale, &mut pairs);
            }
        }
        *out += pairs;
    }
}

/// The gradient of the mean log-likelihood: statistics of the data minus statistics of the model.
///
/// `dW = <v h'>_data - <v h'>_model, da = <v>_data - <v>_model, db = <h>_data - <h>_model`.
///
/// For Gaussian units dW and da are s_i^2 times the gradient. This is still a direction of ascent, and one learning
/// rate suits units of any variance.
///
/// # Panics
///
/// When the layer sizes of the two phases differ.
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
/// let sampler = rbm.sampler();
/// let on = Phase::new(&sampler, &BitMatrix::from_fn(4, 5, |_, _| true));
/// let off = Phase::new(&sampler, &BitMatrix::zeros(4, 7));
/// assert_eq!(gradient(&on, &off).weights(0)[(0, 0)], 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn gradient(data: &Phase, model: &Phase) -> Stack {
    let (visible, hidden) = (data.visible_means().len(), data.hidden_means().len());
    let mut out = Stack::zeros(&[visible, hidden]).expect("both layers of a phase have units");
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
/// use gm_core::{BitMatrix, Stack};
/// use gm_rbm::{Phase, Rbm, gradient, gradient_into};
///
/// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let (sampler, mut out) = (rbm.sampler(), rbm.stack().clone());
/// let model = Phase::new(&sampler, &BitMatrix::zeros(4, 7));
/// for unit in 0..4 {
///     let data = Phase::new(&sampler, &BitMatrix::from_fn(4, 5, |other, _| other == unit));
///     gradient_into(&data, &model, &mut out);
///     assert_eq!(out, gradient(&data, &model));
///     assert_eq!(out.bias(0)[unit], 1.0);
/// }
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn gradient_into(data: &Phase, model: &Phase, out: &mut Stack) {
    out.update_weights(0, |pairs| match (&data.visible, &model.visible) {
        (States::Bits(of_data), States::Bits(of_model)) => {
            coactivations_into(&[data.pairs(of_data, 1.0), model.pairs(of_model, -1.0)], pairs);
        }
        _ => {
            pairs.fill(0.0);
            data.add_pairs(1.0, pairs);
            model.add_pairs(-1.0, pairs);
        }
    });
    for (l, (data, model)) in data.averages.iter().zip(&model.averages).enumerate() {
        out.bias_mut(l).iter_mut().zip(data.iter().zip(model)).for_each(|(out, (d, m))| *out = d - m);
    }
}

/// The gradient with respect to log s_i^2 of Gaussian units, `[visible]`, given [`gradient`] before it is centred.
///
/// `d_i = (<(v_i - a_i)^2 / 2 - sum_j W_ij v_i h_j>_data - <the same>_model) / s_i^2`
///
/// # Panics
///
/// When the model's visible units are not Gaussian, or shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack, VisibleKind, VisibleUnits};
/// use gm_rbm::{Phase, Rbm, gradient, variance_gradient};
///
/// let units = VisibleUnits::new(VisibleKind::Gaussian, 1, None)?;
/// let rbm = Rbm::from_stack(Stack::zeros(&[1, 2])?)?.with_units(units)?;
/// // Data spread wider than the model: the variance should grow.
/// let phase = |x: f32| Phase::new(&rbm.sampler(), &Matrix::from_row_slice(1, 2, &[-x, x]));
/// let (data, model) = (phase(2.0), phase(1.0));
/// assert_eq!(variance_gradient(&rbm, &data, &model, &gradient(&data, &model)), [(4.0 - 1.0) / 2.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn variance_gradient(rbm: &Rbm, data: &Phase, model: &Phase, gradient: &Stack) -> Vec<f32> {
    let squares: Vec<f32> = data.visible_squares.iter().zip(&model.visible_squares).map(|(d, m)| d - m).collect();
    variance_steps(rbm, &squares, gradient)
}

/// [`variance_gradient`] from the difference of the mean squares.
fn variance_steps(rbm: &Rbm, squares: &[f32], gradient: &Stack) -> Vec<f32> {
    let gaussian = rbm.units().gaussian().expect("only Gaussian units have variances");
    let mut products = vec![0.0_f64; rbm.visible()];
    for (weights, pairs) in rbm.weights().column_iter().zip(gradient.weights(0).column_iter()) {
        for ((product, w), g) in products.iter_mut().zip(&weights).zip(&pairs) {
            *product += f64::from(w * g);
        }
    }
    let of_unit = |i: usize| {
        let mean = f64::from(rbm.visible_bias()[i] * gradient.bias(0)[i]);
        ((f64::from(squares[i]) / 2.0 - mean - products[i]) / f64::from(gaussian.variance()[i])) as f32
    };
    (0..rbm.visible()).map(of_unit).collect()
}

/// The model phase of contrastive divergence: the statistics after k sweeps from the data, into `model`.
///
/// # Randomness
///
/// Hidden states given the data from family 1 of [`Purpose::Start`], sweeps as in [`Sampler::run`].
///
/// # Panics
///
/// When `v` is not the batch whose statistics `data` holds.
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
/// let sampler = rbm.sampler();
/// let v = BitMatrix::from_fn(4, 1000, |_, _| true);
/// let data = Phase::new(&sampler, &v);
/// let mut model = data.clone();
/// contrastive_divergence(&sampler, (&v, &data), 1, &Streams::new(0), &mut model);
/// assert!((gradient(&data, &model).bias(0)[0] - 0.5).abs() < 0.1);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn contrastive_divergence<'v>(
    sampler: &Sampler,
    (v, data): (impl Into<BatchRef<'v>>, &Phase),
    k: usize,
    streams: &Streams,
    model: &mut Phase,
) {
    let (v, rbm) = (v.into(), sampler.model());
    assert_eq!(v.samples(), data.samples(), "the statistics are those of the batch");
    let mut h = BitMatrix::zeros(rbm.hidden(), v.samples());
    data.hidden.sample_into(&mut h, &streams.fork(Purpose::Start, 1));
    // Means of binary units are not states. The first sweep draws states from h.
    let v = match v {
        BatchRef::Reals(_) if rbm.units().is_binary() => rbm.units().blank(rbm.visible(), v.samples()),
        _ => v.to_batch(),
    };
    let mut chains = Chains::new(vec![v, h.into()]);
    sampler.run_into_phase(&mut chains, k, streams, model);
}

impl Rbm {
    /// The exact gradient of the mean log-likelihood, by enumeration of the smaller layer. For Gaussian units it is
    /// scaled as in [`gradient`].
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] when both layers have more than [`LOG_PARTITION_LIMIT`](crate::LOG_PARTITION_LIMIT)
    /// units, [`gm_core::Error::Empty`] without samples, and the errors of [`check_data`](Self::check_data).
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
    pub fn exact_gradient<'v>(&self, data: impl Into<BatchRef<'v>>) -> Result<Stack> {
        let data = data.into();
        if data.samples() == 0 {
            return Err(gm_core::Error::Empty { op: "Rbm::exact_gradient", arg: "data" });
        }
        self.check_data("Rbm::exact_gradient", data)?;
        let mut gradient = Stack::zeros(&[self.visible(), self.hidden()])?;
        self.exact_gradient_into(&Phase::new(&Sampler::new(self.clone(), Arrangement::FewDraws), data), &mut gradient)?;
        Ok(gradient)
    }

    /// [`exact_gradient`](Self::exact_gradient) from the statistics of data, into `gradient`. For Gaussian units it
    /// returns the gradient with respect to log s_i^2, `[visible]`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::TooLarge`] when both layers have more than [`LOG_PARTITION_LIMIT`](crate::LOG_PARTITION_LIMIT)
    /// units.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn exact_gradient_into(&self, data: &Phase, gradient: &mut Stack) -> Result<Option<Vec<f32>>> {
        let model = self.exact_moments("Rbm::exact_gradient")?;
        gradient.update_weights(0, |pairs| {
            pairs.fill(0.0);
            data.add_pairs(1.0, pairs);
            subtract(pairs.as_mut_slice(), &model.pairs);
        });
        for (l, model) in [&model.visible, &model.hidden].into_iter().enumerate() {
            gradient.bias_mut(l).copy_from_slice(&data.averages[l]);
            subtract(gradient.bias_mut(l), model);
        }
        let mut squares = data.visible_squares.clone();
        subtract(&mut squares, &model.squares);
        Ok(self.units().gaussian().map(|_| variance_steps(self, &squares, gradient)))
    }
}

fn subtract(from: &mut [f32], values: &[f64]) {
    from.iter_mut().zip(values).for_each(|(x, &value)| *x -= value as f32);
}
