//! Mean field for sigmoid belief nets, with the bound of Saul, Jaakkola and Jordan.

use gm_core::{BitMatrix, Error, Matrix, Result, dense_inputs_up, logistic_f64, logistic_in_place, softplus};
use rayon::prelude::*;

use crate::model::{Columns, Sbn};

/// The condition on which mean field ends.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_sbn::{MeanFieldSettings, Sbn};
///
/// let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 2.0, &Streams::new(1))?;
/// let v = BitMatrix::zeros(4, 1);
/// let first = sbn.mean_field(&v, &MeanFieldSettings { sweeps: 1, ..Default::default() })?;
/// let last = sbn.mean_field(&v, &MeanFieldSettings { tolerance: 1e-9, ..Default::default() })?;
/// assert!(first.sweeps[0] < last.sweeps[0] && first.bound[0] < last.bound[0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanFieldSettings {
    /// The largest number of sweeps over all units.
    pub sweeps: usize,
    /// A row is done when a sweep gains less than this, in nats.
    pub tolerance: f64,
}

impl Default for MeanFieldSettings {
    /// Up to 100 sweeps, until one gains less than 1e-4 nats.
    fn default() -> Self {
        Self { sweeps: 100, tolerance: 1e-4 }
    }
}

/// A factorial approximation to the posterior of each row.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{MeanFieldSettings, Sbn};
///
/// // Without weights the posterior is factorial, and the bound is tight.
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let v = BitMatrix::zeros(4, 2);
/// let found = sbn.mean_field(&v, &MeanFieldSettings::default())?;
/// assert_eq!((found.means[0].shape(), found.means[0][(2, 1)]), ((3, 2), 0.5));
/// assert!((found.bound[1] - sbn.log_prob(&v)?[1]).abs() < 1e-9);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MeanField {
    /// The means of x_1, ..., x_L, `[n_l, rows]`.
    pub means: Vec<Matrix>,
    /// A lower bound on log p(v), `[rows]`.
    pub bound: Vec<f64>,
    /// The number of sweeps that each row took.
    pub sweeps: Vec<usize>,
}

impl Sbn {
    /// Fits independent hidden units to the posterior of each row by ascent of
    ///
    /// sum_i [(mu_i - xi_i) E z_i - log(E e^(-xi_i z_i) + E e^((1 - xi_i) z_i))] + sum_j (mu_j b_j - softplus(b_j)) +
    /// H(mu),
    ///
    /// over means mu and one number xi_i in `[0, 1]` for each unit i with parents, where z_i is the input of that unit
    /// and j runs over the top layer. The bound lies below the evidence lower bound of the same means, since E log(1 +
    /// e^z) <= xi E z + log E e^(-xi z) (1 + e^z).
    ///
    /// Means start from the recognition net, or from 1/2 without one.
    ///
    /// # Numerics
    ///
    /// Double precision. No step lowers the bound: along a mean the ascent direction holds up to the next fixed point,
    /// which a step does not pass; xi takes a Newton step, halved until it helps.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for data of another width, [`Error::Empty`] without rows, [`Error::Param`] for settings out of
    /// range and for a net with weights within layers.
    ///
    /// # Source
    ///
    /// `saul1996mean`, section 3 and appendix.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &Streams::new(1))?;
    /// let v = BitMatrix::zeros(4, 1);
    /// let found = sbn.mean_field(&v, &Default::default())?;
    /// assert!(found.bound[0] < sbn.log_prob(&v)?[0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn mean_field(&self, v: &BitMatrix, settings: &MeanFieldSettings) -> Result<MeanField> {
        const OP: &str = "Sbn::mean_field";
        self.check_data(OP, v)?;
        let within = self.stack().layers_within();
        if !within.is_empty() {
            let (value, allowed) =
                (format!("with weights within layers {within:?}"), "a net without weights within layers");
            return Err(Error::Param { op: OP, arg: "stack", value, allowed });
        }
        if settings.tolerance.is_nan() || settings.tolerance < 0.0 {
            let value = settings.tolerance.to_string();
            return Err(Error::Param { op: OP, arg: "tolerance", value, allowed: "0 or more nats" });
        }
        let (columns, start) = (Columns::new(self.stack()), self.first_means(v));
        let fit = |row: usize| {
            let visible = (0..v.units()).map(|unit| f64::from(u8::from(v.get(unit, row)))).collect();
            let hidden = start.iter().map(|means| means.column(row).iter().map(|&x| f64::from(x)).collect());
            Fit::new(&columns, std::iter::once(visible).chain(hidden).collect()).ascend(settings)
        };
        let fits: Vec<(Fit<'_>, usize)> = (0..v.samples()).into_par_iter().map(fit).collect();
        let means =
            |l: usize| Matrix::from_fn(columns.biases[l].len(), fits.len(), |j, row| fits[row].0.means[l][j] as f32);
        Ok(MeanField {
            means: (1..=self.depth()).map(means).collect(),
            bound: fits.iter().map(|fit| fit.0.bound()).collect(),
            sweeps: fits.iter().map(|fit| fit.1).collect(),
        })
    }

    /// Means of the hidden layers from one pass through the recognition net.
    fn first_means(&self, v: &BitMatrix) -> Vec<Matrix> {
        let Some(net) = self.recognition() else {
            return self.layers()[1..].iter().map(|&n| Matrix::from_element(n, v.samples(), 0.5)).collect();
        };
        let mut layers: Vec<Matrix> = Vec::new();
        for l in 0..net.depth() {
            let bias = net.bias(l + 1).as_slice();
            let mut means = match layers.last() {
                None => dense_inputs_up(net.weights(l), &v.to_matrix(), bias),
                Some(below) => dense_inputs_up(net.weights(l), below, bias),
            };
            logistic_in_place(&mut means);
            layers.push(means);
        }
        layers
    }
}

/// The distance that means keep from 0 and 1, where a unit would never move again.
const EDGE: f64 = 1e-9;

/// The terms of the bound that belong to one unit with parents.
#[derive(Clone, Copy, Debug)]
struct Child {
    xi: f64,
    /// E z.
    mean: f64,
    /// log E e^(-xi z) and log E e^((1 - xi) z).
    low: f64,
    high: f64,
}

impl Child {
    /// log(E e^(-xi z) + E e^((1 - xi) z)).
    fn log_sum(&self) -> f64 {
        self.low + softplus(self.high - self.low)
    }
}

/// One row's approximation.
struct Fit<'a> {
    columns: &'a Columns,
    means: Vec<Vec<f64>>,
    /// The units of all layers but the top one.
    children: Vec<Vec<Child>>,
}

impl<'a> Fit<'a> {
    fn new(columns: &'a Columns, means: Vec<Vec<f64>>) -> Self {
        let idle = Child { xi: 0.5, mean: 0.0, low: 0.0, high: 0.0 };
        let children = columns.biases[..columns.weights.len()].iter().map(|bias| vec![idle; bias.len()]).collect();
        let mut fit = Self { columns, means, children };
        for layer in &mut fit.means[1..] {
            layer.iter_mut().for_each(|mean| *mean = mean.clamp(EDGE, 1.0 - EDGE));
        }
        for l in 0..fit.children.len() {
            (0..fit.children[l].len()).for_each(|i| fit.children[l][i] = fit.tilted(l, i, 0.5).0);
        }
        fit
    }

    /// Makes sweeps until a sweep gains less than the tolerance, and returns the number of sweeps made.
    fn ascend(mut self, settings: &MeanFieldSettings) -> (Self, usize) {
        let mut bound = self.bound();
        for sweep in 1..=settings.sweeps {
            for l in 0..self.children.len() {
                (0..self.children[l].len()).for_each(|i| self.update_xi(l, i));
            }
            for l in 1..self.means.len() {
                (0..self.means[l].len()).for_each(|j| self.update_mean(l, j));
            }
            let reached = self.bound();
            if reached - bound < settings.tolerance {
                return (self, sweep);
            }
            bound = reached;
        }
        (self, settings.sweeps)
    }

    fn bound(&self) -> f64 {
        let child = |(child, mean): (&Child, &f64)| (mean - child.xi) * child.mean - child.log_sum();
        let layers = self.children.iter().zip(&self.means);
        let units: f64 = layers.map(|(children, means)| children.iter().zip(means).map(child).sum::<f64>()).sum();
        let top = self.means.last().into_iter().flatten().zip(self.columns.biases.last().into_iter().flatten());
        let roots: f64 = top.map(|(mean, bias)| mean * bias - softplus(*bias)).sum();
        units + roots + self.means[1..].iter().flatten().map(|&mean| entropy(mean)).sum::<f64>()
    }

    /// A child for a given xi, and the first two derivatives of xi E z + log(...) with respect to xi.
    fn tilted(&self, l: usize, i: usize, xi: f64) -> (Child, f64, f64) {
        let bias = self.columns.biases[l][i];
        let mut mean = bias;
        // log E e^(t z), and mean and variance of z in the distribution that e^(t z) tilts, for t = -xi and 1 - xi.
        let tilts = [-xi, 1.0 - xi];
        let mut sides = tilts.map(|t| [t * bias, bias, 0.0]);
        for (column, &mu) in self.columns.weights[l].iter().zip(&self.means[l + 1]) {
            let w = column[i];
            mean += w * mu;
            for (t, side) in tilts.iter().zip(&mut sides) {
                let Tilt { log, share, .. } = Tilt::new(mu, t * w);
                side[0] += log;
                side[1] += w * share;
                side[2] += w * w * share * (1.0 - share);
            }
        }
        let child = Child { xi, mean, low: sides[0][0], high: sides[1][0] };
        let high = logistic_f64(child.high - child.low);
        let mixed = |k: usize| (1.0 - high) * sides[0][k] + high * sides[1][k];
        let between = high * (1.0 - high) * (sides[1][1] - sides[0][1]).powi(2);
        (child, mean - mixed(1), mixed(2) + between)
    }

    /// One Newton step towards the xi with the highest bound.
    fn update_xi(&mut self, l: usize, i: usize) {
        let old = self.children[l][i];
        let (fresh, slope, curvature) = self.tilted(l, i, old.xi);
        let cost = |child: &Child| child.xi * child.mean + child.log_sum();
        let mut best = fresh;
        // A longer step would leave the range of xi even after all halvings.
        let mut step = (slope / curvature.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
        for _ in 0..HALVINGS {
            let (child, ..) = self.tilted(l, i, (old.xi - step).clamp(0.0, 1.0));
            if cost(&child) <= cost(&fresh) {
                best = child;
                break;
            }
            step /= 2.0;
        }
        self.children[l][i] = best;
    }

    /// Moves one mean up the bound: mu = s(g(mu)), g the derivative of all but the entropy.
    fn update_mean(&mut self, l: usize, j: usize) {
        let mu = self.means[l][j];
        let column = &self.columns.weights[l - 1][j];
        let mut pull = self.children.get(l).map_or(self.columns.biases[l][j], |children| children[j].mean);
        for ((child, below), w) in self.children[l - 1].iter().zip(&self.means[l - 1]).zip(column) {
            let [low, high] = tilts(mu, child.xi, *w);
            // How the logarithm grows with mu, from the shares of its two terms and how each grows.
            let share = logistic_f64(child.high - child.low);
            pull += (below - child.xi) * w - (1.0 - share) * low.slope - share * high.slope;
        }
        let moved = logistic_f64(pull).clamp(EDGE, 1.0 - EDGE);
        for (child, w) in self.children[l - 1].iter_mut().zip(column) {
            let (before, after) = (tilts(mu, child.xi, *w), tilts(moved, child.xi, *w));
            child.mean += w * (moved - mu);
            child.low += after[0].log - before[0].log;
            child.high += after[1].log - before[1].log;
        }
        self.means[l][j] = moved;
    }
}

/// The largest number of attempts at a step in xi.
const HALVINGS: usize = 8;

/// The effect of a unit of mean mu on E e^(t z) of a child with weight w, for a = t w.
#[derive(Clone, Copy, Debug)]
struct Tilt {
    /// log(1 - mu + mu e^a).
    log: f64,
    /// The derivative of that with respect to mu.
    slope: f64,
    /// The mean of the unit in the tilted distribution.
    share: f64,
}

impl Tilt {
    fn new(mu: f64, a: f64) -> Self {
        if a < STEEP {
            let growth = a.exp_m1();
            let total = 1.0 + mu * growth;
            return Self { log: (mu * growth).ln_1p(), slope: growth / total, share: mu * (growth + 1.0) / total };
        }
        // Both sums are divided by e^a, which may be too large for any number.
        let total = mu + (1.0 - mu) * (-a).exp();
        Self { log: a + total.ln(), slope: -(-a).exp_m1() / total, share: mu / total }
    }
}

/// The exponential is divided out of exponents from this one on.
const STEEP: f64 = 30.0;

/// For t = -xi and t = 1 - xi.
fn tilts(mu: f64, xi: f64, w: f64) -> [Tilt; 2] {
    [-xi, 1.0 - xi].map(|t| Tilt::new(mu, t * w))
}

/// The entropy of a Bernoulli unit.
fn entropy(mean: f64) -> f64 {
    -(mean * mean.ln() + (1.0 - mean) * (-mean).ln_1p())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_tilts_of_a_mean_by_their_definition() {
        for mu in [0.01_f64, 0.3, 0.5, 0.99] {
            for a in [-40.0_f64, -1.0, 0.0, 0.7, 29.9, STEEP, 30.1, 60.0] {
                let Tilt { log, slope, share } = Tilt::new(mu, a);
                let total = 1.0 - mu + mu * a.exp();
                assert!((log - total.ln()).abs() <= 1e-12 * (1.0 + a.abs()), "log of {mu} and {a}: {log}");
                assert!((slope / ((a.exp() - 1.0) / total) - 1.0).abs() < 1e-12 || a == 0.0, "slope of {mu} and {a}");
                assert!((share - mu * a.exp() / total).abs() < 1e-12, "share of {mu} and {a}: {share}");
            }
        }
        let far = Tilt::new(0.25, 1e4);
        assert!((far.log - (1e4 + 0.25_f64.ln())).abs() < 1e-9 && (far.slope - 4.0).abs() < 1e-12 && far.share == 1.0);
    }

    #[test]
    fn table_entropies_of_a_unit() {
        assert!((entropy(0.5) - 2.0_f64.ln()).abs() < 1e-15);
        assert!((entropy(0.25) + 0.25 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln()).abs() < 1e-15);
        assert!((entropy(EDGE) - entropy(1.0 - EDGE)).abs() < 1e-12 && entropy(EDGE) > 0.0);
    }
}
