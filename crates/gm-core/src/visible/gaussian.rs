//! Gaussian units: real numbers, each with its own variance.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::engine::Activations;
use crate::error::{Error, Result, check_finite, check_len};
use crate::stack::Matrix;
use crate::streams::Streams;

/// Samples that share a stream.
const BLOCK: usize = 64;

/// The properties of Gaussian units: variances given the hidden layer, and the standardisation of data.
///
/// With a [`Standardise`] the model describes standardised data, (x - shift) / scale.
///
/// # Examples
///
/// ```
/// use gm_core::Gaussian;
///
/// assert_eq!(Gaussian::new(vec![0.5, 2.0])?.variance(), [0.5, 2.0]);
/// let error = Gaussian::new(vec![0.5, -1.0]).unwrap_err();
/// assert!(error.to_string().ends_with("-1 at unit 1, allowed: positive numbers"));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    variance: Vec<f32>,
    standardise: Option<Standardise>,
}

impl Gaussian {
    /// Units of the given variances s_i^2.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a variance that is not positive, [`Error::NonFinite`] for NaN or an infinity.
    pub fn new(variance: Vec<f32>) -> Result<Self> {
        check_finite(super::OP, "visible_variance", &variance)?;
        if let Some((unit, value)) = variance.iter().enumerate().find(|(_, value)| **value <= 0.0) {
            let (arg, value) = ("visible_variance", format!("{value} at unit {unit}"));
            return Err(Error::Param { op: super::OP, arg, value, allowed: "positive numbers" });
        }
        Ok(Self { variance, standardise: None })
    }

    /// The same units, with a standardisation of their data.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a standardisation of another number of units.
    pub fn with_standardise(mut self, standardise: Option<Standardise>) -> Result<Self> {
        if let Some(standardise) = &standardise {
            check_len("Gaussian::with_standardise", "shift", "length", standardise.shift.len(), self.variance.len())?;
        }
        self.standardise = standardise;
        Ok(self)
    }

    /// s_i^2, `[units]`.
    #[must_use]
    pub fn variance(&self) -> &[f32] {
        &self.variance
    }

    /// The standardisation of data, if there is one.
    #[must_use]
    pub fn standardise(&self) -> Option<&Standardise> {
        self.standardise.as_ref()
    }

    /// Multiplies each variance by exp(step). The result is limited to 1e-6 ... 1e6.
    ///
    /// # Panics
    ///
    /// When the number of steps is not the number of units.
    pub fn grow(&mut self, steps: &[f32]) {
        assert_eq!(steps.len(), self.variance.len(), "a step for each unit");
        for (variance, step) in self.variance.iter_mut().zip(steps) {
            *variance = (*variance * step.exp()).clamp(1e-6, 1e6);
        }
    }

    pub(super) fn log_sum(&self, inputs: &[f64], bias: &[f64]) -> f64 {
        let term = |((m, a), &variance): ((&f64, &f64), &f32)| {
            let variance = f64::from(variance);
            (m * m - a * a) / (2.0 * variance) + 0.5 * (std::f64::consts::TAU * variance).ln()
        };
        inputs.iter().zip(bias).zip(&self.variance).map(term).sum()
    }

    /// The tempered integral has its mean at m_beta = beta m + (1 - beta) base. The difference of two squares is
    /// computed as a product, so that nothing cancels.
    pub(super) fn log_sum_gain(&self, inputs: &[f32], bias: &[f64], base: &[f32], (from, to): (f64, f64)) -> f64 {
        let term = |(((&m, a), &base), &variance): (((&f32, &f64), &f32), &f32)| {
            let (m, base) = (f64::from(m), f64::from(base));
            let middle = 2.0 * base + (to + from) * (m - base);
            ((m - base) * middle - (a * a - base * base)) / (2.0 * f64::from(variance))
        };
        (to - from) * inputs.iter().zip(bias).zip(base).zip(&self.variance).map(term).sum::<f64>()
    }

    pub(super) fn log_density(&self, v: &[f64], means: &[f64]) -> f64 {
        let term = |((v, m), &variance): ((&f64, &f64), &f32)| {
            let variance = f64::from(variance);
            -(v - m).powi(2) / (2.0 * variance) - 0.5 * (std::f64::consts::TAU * variance).ln()
        };
        v.iter().zip(means).zip(&self.variance).map(term).sum()
    }

    pub(super) fn signal(&self, v: &Matrix) -> Matrix {
        let mut signal = v.clone();
        let columns = signal.as_mut_slice().chunks_mut(self.variance.len().max(1));
        columns.for_each(|column| column.iter_mut().zip(&self.variance).for_each(|(x, variance)| *x /= variance));
        signal
    }

    pub(super) fn log_weights(&self, v: &Matrix, bias: &[f64]) -> Vec<f64> {
        assert_eq!(v.nrows(), bias.len(), "a bias for each unit");
        let term =
            |((&v, a), &variance): ((&f32, &f64), &f32)| -(f64::from(v) - a).powi(2) / (2.0 * f64::from(variance));
        let columns = v.as_slice().chunks(bias.len().max(1));
        columns.map(|column| column.iter().zip(bias).zip(&self.variance).map(term).sum()).collect()
    }

    pub(super) fn tilt(&self, bias: &[f64], base: &[f64]) -> (Vec<f64>, f64) {
        let wide = || self.variance.iter().map(|&variance| f64::from(variance));
        let weights = bias.iter().zip(base).zip(wide()).map(|((a, b), variance)| (a - b) / variance).collect();
        let constant = bias.iter().zip(base).zip(wide()).map(|((a, b), variance)| (b * b - a * a) / (2.0 * variance));
        (weights, constant.sum())
    }

    /// Draws the units around their means, which are their inputs.
    ///
    /// # Shapes
    ///
    /// `inputs` and the result are `[units, samples]`.
    ///
    /// # Randomness
    ///
    /// One normal draw for each unit, sample by sample. Block b of 64 samples uses stream b.
    #[must_use]
    pub fn sample(&self, inputs: &Activations, streams: &Streams) -> Matrix {
        let mut v = inputs.to_matrix();
        let units = self.variance.len();
        let deviations: Vec<f32> = self.variance.iter().map(|variance| variance.sqrt()).collect();
        v.as_mut_slice().par_chunks_mut((units * BLOCK).max(1)).enumerate().for_each(|(block, values)| {
            let mut stream = streams.stream(block as u64);
            for (x, deviation) in values.iter_mut().zip(deviations.iter().cycle()) {
                let normal: f32 = StandardNormal.sample(&mut stream);
                *x += deviation * normal;
            }
        });
        v
    }
}

/// A shift and a scale that give each unit of some data mean 0 and variance 1.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Standardise};
///
/// let x = Matrix::from_row_slice(1, 2, &[10.0, 14.0]);
/// let standardise = Standardise::of(&x);
/// assert_eq!(standardise.apply(&x).as_slice(), [-1.0, 1.0]);
/// assert_eq!(standardise.undo(&standardise.apply(&x)), x);
/// assert!((standardise.log_volume() - 2.0_f64.ln()).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Standardise {
    shift: Vec<f32>,
    scale: Vec<f32>,
}

impl Standardise {
    /// The standardisation (x - shift) / scale.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when lengths differ, [`Error::NonFinite`] for NaN or an infinity, [`Error::Param`] for a scale
    /// that is not positive.
    pub fn new(shift: Vec<f32>, scale: Vec<f32>) -> Result<Self> {
        const OP: &str = "Standardise::new";
        check_len(OP, "visible_scale", "length", scale.len(), shift.len())?;
        check_finite(OP, "visible_shift", &shift)?;
        check_finite(OP, "visible_scale", &scale)?;
        match scale.iter().find(|&&x| x <= 0.0) {
            None => Ok(Self { shift, scale }),
            Some(x) => {
                let (arg, value) = ("visible_scale", x.to_string());
                Err(Error::Param { op: OP, arg, value, allowed: "positive numbers" })
            }
        }
    }

    /// The standardisation by means and standard deviations of some data, `[units, samples]`. The scale of a constant
    /// unit is 1.
    #[must_use]
    pub fn of(x: &Matrix) -> Self {
        Self::by(x, |_| 1.0)
    }

    /// [`of`](Self::of) data whose samples have weights, `[samples]`. Without any weight above 0, all samples count alike.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of weights.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Standardise};
    ///
    /// let x = Matrix::from_row_slice(1, 3, &[0.0, 1.0, 3.0]);
    /// let weighted = Standardise::of_weighted(&x, &[1.0, 0.0, 2.0])?;
    /// assert_eq!(weighted, Standardise::of(&Matrix::from_row_slice(1, 3, &[0.0, 3.0, 3.0])));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn of_weighted(x: &Matrix, weights: &[f32]) -> Result<Self> {
        check_len("Standardise::of_weighted", "weights", "length", weights.len(), x.ncols())?;
        match weights.iter().any(|&weight| weight > 0.0) {
            true => Ok(Self::by(x, |sample| f64::from(weights[sample]))),
            false => Ok(Self::of(x)),
        }
    }

    fn by(x: &Matrix, weight: impl Fn(usize) -> f64) -> Self {
        let total = (0..x.ncols()).map(&weight).sum::<f64>();
        let total = if total > 0.0 { total } else { 1.0 };
        let (mut sums, mut squares) = (vec![0.0; x.nrows()], vec![0.0; x.nrows()]);
        for (sample, row) in x.column_iter().enumerate() {
            sums.iter_mut().zip(&row).for_each(|(sum, &x)| *sum += weight(sample) * f64::from(x));
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / total).collect();
        for (sample, row) in x.column_iter().enumerate() {
            let each = squares.iter_mut().zip(&row).zip(&means);
            each.for_each(|((square, &x), mean)| *square += weight(sample) * (f64::from(x) - mean).powi(2));
        }
        let scale = squares.iter().map(|square| (square / total).sqrt() as f32);
        let scale = scale.map(|s| if s > 0.0 { s } else { 1.0 }).collect();
        Self { shift: means.iter().map(|&mean| mean as f32).collect(), scale }
    }

    /// The number that is subtracted from each unit, `[units]`.
    #[must_use]
    pub fn shift(&self) -> &[f32] {
        &self.shift
    }

    /// The divisor of each unit, `[units]`.
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// Data in standardised units.
    ///
    /// # Panics
    ///
    /// When `x` has another number of units.
    #[must_use]
    pub fn apply(&self, x: &Matrix) -> Matrix {
        assert_eq!(x.nrows(), self.shift.len(), "units of the data");
        Matrix::from_fn(x.nrows(), x.ncols(), |unit, sample| (x[(unit, sample)] - self.shift[unit]) / self.scale[unit])
    }

    /// Data in their original units.
    ///
    /// # Panics
    ///
    /// When `v` has another number of units.
    #[must_use]
    pub fn undo(&self, v: &Matrix) -> Matrix {
        assert_eq!(v.nrows(), self.shift.len(), "units of the data");
        Matrix::from_fn(v.nrows(), v.ncols(), |unit, sample| v[(unit, sample)] * self.scale[unit] + self.shift[unit])
    }

    /// sum_i log scale_i, the log-density of standardised data minus the log-density of the original data.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.scale.iter().map(|&scale| f64::from(scale).ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Purpose;

    #[test]
    fn rejects_variances_and_scales_that_are_not_positive() {
        let error = Gaussian::new(vec![1.0, 0.0]).unwrap_err().to_string();
        assert_eq!(error, "VisibleUnits::new: `visible_variance` is 0 at unit 1, allowed: positive numbers");
        assert!(Gaussian::new(vec![f32::NAN]).is_err());
        assert!(Standardise::new(vec![0.0], vec![0.0]).unwrap_err().to_string().contains("`visible_scale` is 0"));
        assert!(Standardise::new(vec![0.0; 2], vec![1.0]).is_err());
        let two = Standardise::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
        assert!(Gaussian::new(vec![1.0]).unwrap().with_standardise(Some(two)).is_err());
    }

    /// The distance of mean and variance of draws from their expectations, in standard deviations.
    fn deviations(variance: f32, drawn_with: f32) -> f64 {
        const SAMPLES: usize = 200_000;
        let inputs = Activations::from_matrix(&Matrix::from_element(1, SAMPLES, -1.5));
        let v = Gaussian::new(vec![drawn_with]).unwrap().sample(&inputs, &Streams::new(4).fork(Purpose::Test, 0));
        let n = SAMPLES as f64;
        let mean = v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let second = v.iter().map(|&x| (f64::from(x) + 1.5).powi(2)).sum::<f64>() / n;
        let variance = f64::from(variance);
        let of_mean = (mean + 1.5).abs() / (variance / n).sqrt();
        of_mean.max((second - variance).abs() / (variance * (2.0 / n).sqrt()))
    }

    /// Two figures within 5.5 standard deviations: alpha below 1e-6.
    const ALLOWED: f64 = 5.5;

    #[test]
    fn stat_mean_draws_have_mean_and_variance() {
        assert!(deviations(0.7, 0.7) < ALLOWED);
        assert!(deviations(30.0, 30.0) < ALLOWED);
    }

    #[test]
    fn planted_mean_draws_with_the_variance_as_deviation_are_found_out() {
        assert!(deviations(0.7, 0.7 * 0.7) > ALLOWED);
    }

    #[test]
    fn law_tilt_is_the_difference_of_log_weights() {
        let gaussian = Gaussian::new(vec![0.5, 2.0, 1.0]).unwrap();
        let v = Matrix::from_row_slice(3, 2, &[0.3, -1.0, 2.0, 0.1, -0.4, 0.7]);
        let (bias, base) = ([0.2, -0.3, 1.0], [1.0, 0.4, -0.5]);
        let (weights, constant) = gaussian.tilt(&bias, &base);
        let found = crate::batch::BatchRef::Reals(&v).weighted_sums(&weights);
        let (to, from) = (gaussian.log_weights(&v, &bias), gaussian.log_weights(&v, &base));
        assert!((0..2).all(|s| (found[s] + constant - (to[s] - from[s])).abs() < 1e-6));
    }

    /// log of the integral over one unit of exp(`log_weight`), by the trapezoidal rule. Its error is far below rounding
    /// for a function of Gaussian shape.
    fn log_integral(log_weight: impl Fn(f64) -> f64) -> f64 {
        const STEP: f64 = 0.01;
        let terms: Vec<f64> = (-4000..=4000).map(|k| log_weight(STEP * f64::from(k))).collect();
        crate::numerics::log_sum_exp(&terms) + STEP.ln()
    }

    #[test]
    fn oracle_log_sums_and_densities_are_integrals() {
        for (variance, m, a) in [(0.5_f32, 0.7, 0.2), (1.0, -2.0, 1.0), (3.0, 1.5, -0.5)] {
            let gaussian = Gaussian::new(vec![variance]).unwrap();
            let wide = f64::from(variance);
            let weight = |v: f64| -((v - a).powi(2) / 2.0 - v * (m - a)) / wide;
            assert!((gaussian.log_sum(&[m], &[a]) - log_integral(weight)).abs() < 1e-9, "variance {variance}");
            assert!(log_integral(|v| gaussian.log_density(&[v], &[m])).abs() < 1e-9, "variance {variance}");
            let apart = gaussian.log_density(&[2.5], &[m]) - gaussian.log_density(&[-1.0], &[m]);
            assert!((apart - (weight(2.5) - weight(-1.0))).abs() < 1e-9, "variance {variance}");
        }
        let two = Gaussian::new(vec![0.5, 3.0]).unwrap();
        let [first, second] = [0.5, 3.0].map(|variance| Gaussian::new(vec![variance]).unwrap());
        let sum = first.log_sum(&[0.7], &[0.2]) + second.log_sum(&[1.5], &[-0.5]);
        assert!((two.log_sum(&[0.7, 1.5], &[0.2, -0.5]) - sum).abs() < 1e-12);
    }

    #[test]
    fn law_gains_of_the_log_sum_add_up() {
        use crate::visible::{Groups, VisibleUnits};
        let m = [0.7_f32, -0.4, 0.2, 1.9, -2.0, 0.1];
        let (bias, base) = ([0.2, -0.3, 1.0, 0.4, 0.0, -1.0], [1.0_f32, 0.4, -0.5, 0.3, 0.2, 0.1]);
        let inputs = Activations::from_matrix(&Matrix::from_column_slice(6, 1, &m));
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let kinds = [
            VisibleUnits::Bernoulli,
            VisibleUnits::Softmax(Groups::all(6, 3).unwrap()),
            VisibleUnits::Softmax(Groups::last(6, 4).unwrap()),
            VisibleUnits::Gaussian(Gaussian::new(vec![0.5, 2.0, 1.0, 0.3, 1.0, 4.0]).unwrap()),
        ];
        for units in kinds {
            let gain = |from, to| units.log_sum_gains(&inputs, &bias, &base, (from, to))[0];
            let steps: f64 = (0..50).map(|step| gain(f64::from(step) / 50.0, f64::from(step + 1) / 50.0)).sum();
            let whole = units.log_sum(&wide(&m), &bias) - units.log_sum(&wide(&base), &wide(&base));
            assert!((steps - whole).abs() < 1e-5 && (gain(0.0, 1.0) - whole).abs() < 1e-5, "{units:?}");
        }
    }

    #[test]
    fn stable_draws_do_not_depend_on_threads() {
        let inputs = Activations::from_matrix(&Matrix::from_element(5, 300, 0.5));
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Gaussian::new(vec![2.0; 5]).unwrap().sample(&inputs, &Streams::new(1)))
        };
        assert_eq!(draw(1), draw(3));
    }
}
