//! Mean field: the factorial distribution closest to the posterior of the hidden layers, and its bound.

use std::ops::Range;

use gm_core::{
    BatchRef, Error, Matrix, Result, dense_add_down, dense_add_up, dense_inputs_up, logistic_in_place, widened,
};
use rayon::prelude::*;

use crate::conditional::Couplings;
use crate::gibbs::Sampler;
use crate::model::Dbm;

/// The most samples of a block. Blocks run in parallel, and each stops when its means have settled.
const BLOCK: usize = 64;

/// Settings of mean field.
///
/// # Examples
///
/// ```
/// use gm_dbm::MeanFieldSettings;
///
/// assert!(MeanFieldSettings::default().check().is_ok());
/// let refused = MeanFieldSettings { damping: 1.0, ..Default::default() }.check().unwrap_err();
/// assert_eq!(refused.to_string(), "MeanFieldSettings: `damping` is 1, allowed: 0 or more and below 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanFieldSettings {
    /// The most passes over the layers.
    pub iterations: usize,
    /// The passes end when no mean changes by more than this number.
    pub tolerance: f32,
    /// The order of updates within a pass.
    pub order: UpdateOrder,
    /// The share of the old mean that an update keeps, in [0, 1).
    pub damping: f32,
    /// The means before the first pass.
    pub start: MeanFieldStart,
}

impl Default for MeanFieldSettings {
    /// At most 50 passes from bottom to top, until no mean changes by more than 1e-4. The first means come from doubled
    /// input.
    fn default() -> Self {
        Self {
            iterations: 50,
            tolerance: 1e-4,
            order: UpdateOrder::BottomUp,
            damping: 0.0,
            start: MeanFieldStart::Doubled,
        }
    }
}

/// The order of mean-field updates within a pass.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_dbm::{Dbm, MeanFieldSettings, UpdateOrder};
///
/// let dbm = Dbm::initial(&[0.5; 4], &[3, 2], 0.5, &Streams::new(1))?;
/// let means = |order| {
///     let settings = MeanFieldSettings { order, iterations: 200, tolerance: 1e-6, ..Default::default() };
///     dbm.mean_field(&BitMatrix::zeros(4, 1), &settings).map(|found| found.means[1].clone())
/// };
/// // Both orders end at the same fixed point here.
/// assert!((means(UpdateOrder::BottomUp)? - means(UpdateOrder::Parallel)?).amax() < 1e-4);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOrder {
    /// Layer by layer from the bottom, each from the newest means. This is coordinate ascent, which never lowers the
    /// bound.
    BottomUp,
    /// All layers from the means before the pass. Without damping the means may oscillate.
    Parallel,
}

/// The means before the first pass of mean field.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Vector};
/// use gm_dbm::{Dbm, MeanFieldSettings, MeanFieldStart};
///
/// // Without weights the doubled start is the fixed point already.
/// let biases = vec![Vector::zeros(4), Vector::from_element(3, 1.0), Vector::from_element(2, -1.0)];
/// let dbm = Dbm::from_stack(Stack::new(vec![Matrix::zeros(4, 3), Matrix::zeros(3, 2)], biases)?)?;
/// let passes = |start| {
///     let settings = MeanFieldSettings { start, ..Default::default() };
///     dbm.mean_field(&BitMatrix::zeros(4, 1), &settings).map(|found| found.iterations)
/// };
/// assert_eq!((passes(MeanFieldStart::Doubled)?, passes(MeanFieldStart::Half)?), (1, 2));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeanFieldStart {
    /// All means are 1/2.
    Half,
    /// Means from one pass from bottom to top. Each layer below the top gets twice its input from below in place of the
    /// input from above.
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 3.2.
    Doubled,
}

impl MeanFieldSettings {
    /// Refuses settings out of range.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] with the setting, its value and the allowed values.
    pub fn check(&self) -> Result<()> {
        let refuse = |arg, value: String, allowed| Err(Error::Param { op: "MeanFieldSettings", arg, value, allowed });
        if self.iterations == 0 {
            return refuse("iterations", "0".into(), "1 or more");
        }
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return refuse("tolerance", self.tolerance.to_string(), "0 or more");
        }
        if !(0.0..1.0).contains(&self.damping) {
            return refuse("damping", self.damping.to_string(), "0 or more and below 1");
        }
        Ok(())
    }
}

/// The means of the hidden layers of a batch that mean field finds.
///
/// They are the means of q(h | v), under which all hidden units are independent Bernoulli variables.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_dbm::{Dbm, MeanFieldSettings};
///
/// let dbm = Dbm::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
/// let v = BitMatrix::from_fn(4, 5, |unit, sample| unit <= sample);
/// let found = dbm.mean_field(&v, &MeanFieldSettings::default())?;
/// assert_eq!(found.means[1].shape(), (2, 5));
/// assert!(found.iterations < 50 && found.change <= 1e-4);
/// let (log_z, exact) = (dbm.log_partition()?, dbm.log_prob(&v, dbm.log_partition()?)?);
/// assert!(found.bound(&dbm, &v, log_z).iter().zip(&exact).all(|(bound, log_p)| bound < log_p));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MeanField {
    /// Means of x_1, ..., x_L, each `[n_l, samples]`.
    pub means: Vec<Matrix>,
    /// The number of passes of the block that took the most.
    pub iterations: usize,
    /// The greatest change of a mean in the last pass.
    pub change: f32,
}

impl MeanField {
    /// The factorial posteriors of a range of samples.
    ///
    /// # Panics
    ///
    /// When the range is not one of samples.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
    /// let posterior = dbm.mean_field(&BitMatrix::zeros(4, 5), &MeanFieldSettings::default())?;
    /// assert_eq!(posterior.of_samples(1..3).means[0].shape(), (3, 2));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn of_samples(&self, samples: Range<usize>) -> Self {
        let means = self.means.iter().map(|means| means.columns_range(samples.clone()).into_owned()).collect();
        Self { means, ..*self }
    }
}

impl Dbm {
    /// The factorial posterior of each sample, by mean field.
    ///
    /// mu_l = logistic(b_l + W_(l-1)' mu_(l-1) + W_l mu_(l+1)) with mu_0 = v, or mu_0 = v / s^2 for Gaussian units. The
    /// updates are repeated until the means settle.
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Numerics
    ///
    /// Dense products over blocks of at most 64 samples. Each block ends when its means have settled.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, and the errors of [`check_data`](Self::check_data).
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 2.2.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
    /// let posterior = dbm.mean_field(&BitMatrix::zeros(4, 5), &MeanFieldSettings::default())?;
    /// assert_eq!((posterior.means[1][(1, 4)], posterior.iterations), (0.5, 1));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn mean_field<'v>(&self, v: impl Into<BatchRef<'v>>, settings: &MeanFieldSettings) -> Result<MeanField> {
        self.couplings().mean_field(self, v.into(), settings)
    }
}

impl Dbm {
    /// [`mean_field`](Self::mean_field) for visible means, such as grey levels, in place of zeros and ones. For
    /// Gaussian units it equals [`mean_field`](Self::mean_field).
    ///
    /// # Shapes
    ///
    /// `v` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for settings out of range, [`Error::Shape`] when `v` has other units than the visible layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
    /// let posterior = dbm.mean_field_of_means(&Matrix::from_element(4, 5, 0.3), &MeanFieldSettings::default())?;
    /// assert_eq!(posterior.means[1][(1, 4)], 0.5);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn mean_field_of_means(&self, v: &Matrix, settings: &MeanFieldSettings) -> Result<MeanField> {
        gm_core::check_len("Dbm::mean_field_of_means", "data", "units", v.nrows(), self.visible())?;
        settings.check()?;
        Ok(by_blocks(self, &dense_inputs_up(self.weights(0), &self.units().signal(v), self.bias(1)), settings))
    }
}

impl Sampler {
    /// [`Dbm::mean_field`] with the arranged weights of the sampler.
    ///
    /// # Errors
    ///
    /// As [`Dbm::mean_field`].
    pub fn mean_field<'v>(&self, v: impl Into<BatchRef<'v>>, settings: &MeanFieldSettings) -> Result<MeanField> {
        self.couplings().mean_field(self.model(), v.into(), settings)
    }
}

impl Couplings {
    fn mean_field(&self, dbm: &Dbm, v: BatchRef<'_>, settings: &MeanFieldSettings) -> Result<MeanField> {
        dbm.check_data("Dbm::mean_field", v)?;
        settings.check()?;
        Ok(by_blocks(dbm, &self.inputs_from_v(dbm, v), settings))
    }

    /// b_1 + W_0' v, `[n_1, samples]`, with v / s^2 in place of v for Gaussian units.
    pub(crate) fn inputs_from_v(&self, dbm: &Dbm, v: BatchRef<'_>) -> Matrix {
        let first = self.given(dbm, 1, Some(v), None);
        match v {
            BatchRef::Bits(_) => first.inputs().to_matrix(),
            BatchRef::Reals(v) => first.inputs_with(v),
        }
    }
}

/// Mean field of samples whose first hidden layer gets b_1 + W_0' v from below, `[n_1, samples]`.
pub(crate) fn by_blocks(dbm: &Dbm, from_v: &Matrix, settings: &MeanFieldSettings) -> MeanField {
    let (samples, size) = (from_v.ncols(), block_size(from_v.ncols()));
    let blocks: Vec<Block<'_>> = (0..samples.div_ceil(size))
        .into_par_iter()
        .map(|block| {
            let count = size.min(samples - block * size);
            Block::new(dbm, from_v.columns(block * size, count).into_owned(), settings).run()
        })
        .collect();
    MeanField {
        means: (1..=dbm.depth()).map(|l| joined(dbm.size(l), samples, &blocks, l)).collect(),
        iterations: blocks.iter().map(|block| block.iterations).max().unwrap_or(0),
        change: blocks.iter().map(|block| block.change).fold(0.0, f32::max),
    }
}

/// The number of samples of a block, such that blocks are of nearly equal size.
fn block_size(samples: usize) -> usize {
    samples.div_ceil(samples.div_ceil(BLOCK).max(1)).max(1)
}

/// The means of a layer in all blocks side by side.
fn joined(units: usize, samples: usize, blocks: &[Block<'_>], l: usize) -> Matrix {
    let values = blocks.iter().flat_map(|block| block.means[l - 1].as_slice()).copied().collect();
    Matrix::from_vec(units, samples, values)
}

/// The samples that are updated together.
struct Block<'a> {
    dbm: &'a Dbm,
    settings: &'a MeanFieldSettings,
    /// b_1 + W_0' v.
    from_v: Matrix,
    means: Vec<Matrix>,
    iterations: usize,
    change: f32,
}

impl<'a> Block<'a> {
    fn new(dbm: &'a Dbm, from_v: Matrix, settings: &'a MeanFieldSettings) -> Self {
        let samples = from_v.ncols();
        let means = match settings.start {
            MeanFieldStart::Half => {
                (1..=dbm.depth()).map(|l| Matrix::from_element(dbm.size(l), samples, 0.5)).collect()
            }
            MeanFieldStart::Doubled => doubled(dbm, &from_v),
        };
        Self { dbm, settings, from_v, means, iterations: 0, change: f32::INFINITY }
    }

    fn run(mut self) -> Self {
        while self.iterations < self.settings.iterations && self.change > self.settings.tolerance {
            match self.settings.order {
                UpdateOrder::BottomUp => self.pass_upwards(),
                UpdateOrder::Parallel => self.pass_in_parallel(),
            }
            self.iterations += 1;
        }
        self
    }

    fn pass_upwards(&mut self) {
        self.change = 0.0;
        for l in 1..=self.dbm.depth() {
            let new = self.means_from_neighbours(l);
            self.replace(l, new);
        }
    }

    fn pass_in_parallel(&mut self) {
        self.change = 0.0;
        let new: Vec<Matrix> = (1..=self.dbm.depth()).map(|l| self.means_from_neighbours(l)).collect();
        for (l, new) in (1..).zip(new) {
            self.replace(l, new);
        }
    }

    fn means_from_neighbours(&self, l: usize) -> Matrix {
        let mut means = match l {
            1 => self.from_v.clone(),
            _ => inputs_from_below(self.dbm, l, &self.means[l - 2], 1.0),
        };
        if l < self.dbm.depth() {
            dense_add_down(self.dbm.weights(l), &self.means[l], &mut means);
        }
        logistic_in_place(&mut means);
        means
    }

    fn replace(&mut self, l: usize, new: Matrix) {
        let (kept, old) = (self.settings.damping, &mut self.means[l - 1]);
        for (old, new) in old.as_mut_slice().iter_mut().zip(new.as_slice()) {
            let mixed = kept * *old + (1.0 - kept) * new;
            self.change = self.change.max((mixed - *old).abs());
            *old = mixed;
        }
    }
}

/// b_l + scale W_(l-1)' x.
fn inputs_from_below(dbm: &Dbm, l: usize, x: &Matrix, scale: f32) -> Matrix {
    let bias = dbm.bias(l);
    let mut inputs = Matrix::from_fn(bias.len(), x.ncols(), |unit, _| bias[unit] / scale);
    dense_add_up(dbm.weights(l - 1), x, &mut inputs);
    if scale != 1.0 {
        inputs *= scale;
    }
    inputs
}

/// First means from bottom to top, with doubled input below the top.
fn doubled(dbm: &Dbm, from_v: &Matrix) -> Vec<Matrix> {
    let mut means: Vec<Matrix> = Vec::with_capacity(dbm.depth());
    for l in 1..=dbm.depth() {
        let scale = if l < dbm.depth() { 2.0 } else { 1.0 };
        let mut next = match means.last() {
            None => {
                let bias = dbm.bias(1);
                let twice = |unit: usize, sample: usize| scale * from_v[(unit, sample)] - (scale - 1.0) * bias[unit];
                Matrix::from_fn(bias.len(), from_v.ncols(), twice)
            }
            Some(below) => inputs_from_below(dbm, l, below, scale),
        };
        logistic_in_place(&mut next);
        means.push(next);
    }
    means
}

impl MeanField {
    /// The lower bound on log p(v) of each sample for a given log Z, `[samples]`.
    ///
    /// The bound is E_q[-E(v, h)] + H(q) - log Z <= log p(v). For Gaussian units p(v) is a density.
    ///
    /// # Panics
    ///
    /// When the sizes of the model or of the data disagree with the means.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    /// use gm_dbm::{Dbm, MeanFieldSettings};
    ///
    /// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
    /// let v = BitMatrix::zeros(4, 1);
    /// let bound = dbm.mean_field(&v, &MeanFieldSettings::default())?.bound(&dbm, &v, dbm.log_partition()?);
    /// assert!((bound[0] + 4.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn bound<'v>(&self, dbm: &Dbm, v: impl Into<BatchRef<'v>>, log_partition: f64) -> Vec<f64> {
        let v = v.into();
        let from_v = dbm.couplings().inputs_from_v(dbm, v);
        let mut bounds = dbm.units().log_weights(v, &widened(dbm.bias(0)));
        for (l, means) in (1..).zip(&self.means) {
            let above;
            let inputs = if l == 1 {
                &from_v
            } else {
                above = dense_inputs_up(dbm.weights(l - 1), &self.means[l - 2], dbm.bias(l));
                &above
            };
            bounds.par_iter_mut().enumerate().for_each(|(s, bound)| {
                *bound += expectation_and_entropy(means.column(s).as_slice(), inputs.column(s).as_slice());
            });
        }
        bounds.iter_mut().for_each(|bound| *bound -= log_partition);
        bounds
    }

    /// The mean over samples of each hidden layer.
    #[must_use]
    pub fn averages(&self) -> Vec<Vec<f32>> {
        self.means.iter().map(average).collect()
    }
}

/// The mean over columns.
pub(crate) fn average(values: &Matrix) -> Vec<f32> {
    let mut sums = vec![0.0; values.nrows()];
    for column in values.column_iter() {
        sums.iter_mut().zip(column.iter()).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sums.iter().map(|sum| (sum / values.ncols().max(1) as f64) as f32).collect()
}

/// sum_j [m_j x_j - m_j log m_j - (1 - m_j) log (1 - m_j)].
fn expectation_and_entropy(means: &[f32], inputs: &[f32]) -> f64 {
    let term = |(&m, &x): (&f32, &f32)| {
        let (m, x) = (f64::from(m), f64::from(x));
        m * x - x_log_x(m) - x_log_x(1.0 - m)
    };
    means.iter().zip(inputs).map(term).sum()
}

fn x_log_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use gm_core::{BitMatrix, Stack};

    use super::*;

    #[test]
    fn rejects_each_setting_out_of_range() {
        let base = MeanFieldSettings::default();
        let cases = [
            (MeanFieldSettings { iterations: 0, ..base }, "`iterations` is 0, allowed: 1 or more"),
            (MeanFieldSettings { tolerance: f32::NAN, ..base }, "`tolerance` is NaN, allowed: 0 or more"),
            (MeanFieldSettings { damping: -0.5, ..base }, "`damping` is -0.5, allowed: 0 or more and below 1"),
        ];
        for (settings, text) in cases {
            assert_eq!(settings.check().unwrap_err().to_string(), format!("MeanFieldSettings: {text}"));
        }
        let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2]).unwrap()).unwrap();
        let error = dbm.mean_field(&BitMatrix::zeros(3, 1), &base).unwrap_err();
        assert_eq!(error.to_string(), "Dbm::mean_field: `data` has units 3, expected 4");
    }

    #[test]
    fn table_blocks_are_even() {
        assert_eq!([0, 1, 64, 65, 100, 10_000].map(block_size), [1, 1, 64, 33, 50, 64]);
    }
}
