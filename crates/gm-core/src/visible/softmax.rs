//! Softmax units: groups of neighbouring units of which exactly one is on.

use rand::RngExt;
use rayon::prelude::*;

use crate::bits::BitMatrix;
use crate::engine::Activations;
use crate::error::{Error, Result};
use crate::numerics::log_sum_exp;
use crate::streams::Streams;
use crate::units::VisibleKind;

/// Samples that share a stream.
const BLOCK: usize = 64;

/// Groups of `categories` units each, from unit `first` to the last unit. The units before them are zeros and ones.
///
/// # Examples
///
/// ```
/// use gm_core::Groups;
///
/// let labels = Groups::last(794, 10)?;
/// assert_eq!((labels.first(), labels.categories(), labels.count()), (784, 10, 1));
/// assert_eq!(Groups::all(6, 3)?.count(), 2);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    first: usize,
    categories: usize,
    units: usize,
}

impl Groups {
    /// Groups of all units.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer than 2 categories, or when the number of units is not a multiple of the categories.
    pub fn all(units: usize, categories: usize) -> Result<Self> {
        if categories < 2 || units == 0 || !units.is_multiple_of(categories) {
            let value = format!("softmax:{categories} with {units} units");
            return Err(param(value, "2 or more categories, and a number of units that is a multiple of them"));
        }
        Ok(Self { first: 0, categories, units })
    }

    /// One group at the end, such as a label after a picture.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for fewer than 2 categories, or without a unit before them.
    pub fn last(units: usize, classes: usize) -> Result<Self> {
        if classes < 2 || units <= classes {
            let value = format!("bernoulli+softmax:{classes} with {units} units");
            return Err(param(value, "2 or more classes, and at least one unit before them"));
        }
        Ok(Self { first: units - classes, categories: classes, units })
    }

    /// The number of units of the layer, including the units before the groups.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// The first unit of the first group.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first
    }

    /// The number of units of a group.
    #[must_use]
    pub fn categories(&self) -> usize {
        self.categories
    }

    /// The number of groups.
    #[must_use]
    pub fn count(&self) -> usize {
        (self.units - self.first) / self.categories
    }

    /// The units of a group.
    #[must_use]
    pub fn units_of(&self, group: usize) -> std::ops::Range<usize> {
        let first = self.first + group * self.categories;
        first..first + self.categories
    }

    /// The position in its group of the unit that is on.
    ///
    /// # Panics
    ///
    /// When group or sample is out of range.
    #[must_use]
    pub fn category(&self, v: &BitMatrix, group: usize, sample: usize) -> Option<usize> {
        self.units_of(group).position(|unit| v.get(unit, sample))
    }

    pub(super) fn kind(&self) -> VisibleKind {
        match self.first {
            0 => VisibleKind::Softmax { categories: self.categories },
            _ => VisibleKind::Labelled { classes: self.categories },
        }
    }

    pub(super) fn log_sum(&self, inputs: &[f64]) -> f64 {
        let (bits, groups) = inputs.split_at(self.first);
        crate::numerics::softplus_sum(bits) + groups.chunks(self.categories).map(log_sum_exp).sum::<f64>()
    }

    pub(super) fn log_sum_gain(&self, inputs: &[f32], base: &[f32], (from, to): (f64, f64)) -> f64 {
        let at = |beta: f64| {
            let tempered = |(&m, &base): (&f32, &f32)| beta * f64::from(m) + (1.0 - beta) * f64::from(base);
            self.log_sum(&inputs.iter().zip(base).map(tempered).collect::<Vec<_>>())
        };
        at(to) - at(from)
    }

    pub(super) fn means_of_one(&self, inputs: &mut [f64]) {
        let (bits, groups) = inputs.split_at_mut(self.first);
        bits.iter_mut().for_each(|x| *x = crate::numerics::logistic_f64(*x));
        for group in groups.chunks_mut(self.categories) {
            let total = log_sum_exp(group);
            group.iter_mut().for_each(|x| *x = (*x - total).exp());
        }
    }

    pub(super) fn means(&self, inputs: &mut Activations) {
        let mut means = inputs.to_matrix();
        means.as_mut_slice().par_chunks_mut(self.units).for_each(|column| {
            let mut wide: Vec<f64> = column.iter().map(|&x| f64::from(x)).collect();
            self.means_of_one(&mut wide);
            column.iter_mut().zip(wide).for_each(|(to, mean)| *to = mean as f32);
        });
        *inputs = Activations::from_matrix(&means);
    }

    /// log of the mean of each category, relative to the mean over the group. The units before the groups get logits.
    pub(super) fn bias_of_means(&self, means: &[f32]) -> Vec<f32> {
        let (bits, groups) = means.split_at(self.first);
        let mut bias = super::VisibleUnits::Bernoulli.bias_of_means(bits);
        for group in groups.chunks(self.categories) {
            let logs: Vec<f64> = group.iter().map(|&mean| f64::from(mean).max(0.001).ln()).collect();
            let middle = logs.iter().sum::<f64>() / logs.len() as f64;
            bias.extend(logs.iter().map(|log| (log - middle) as f32));
        }
        bias
    }

    pub(super) fn check(&self, op: &'static str, v: &BitMatrix) -> Result<()> {
        for sample in 0..v.samples() {
            for group in 0..self.count() {
                let on = self.units_of(group).filter(|&unit| v.get(unit, sample)).count();
                if on != 1 {
                    let value = format!("{on} units on in group {group} of sample {sample}");
                    return Err(Error::Param { op, arg: "data", value, allowed: "exactly one in each group" });
                }
            }
        }
        Ok(())
    }

    /// Draws the groups and keeps the units before them.
    ///
    /// # Shapes
    ///
    /// `inputs` is `[units of the groups, samples]` and begins with the first group. `v` is `[units, samples]`.
    ///
    /// # Randomness
    ///
    /// One uniform number for each group, sample by sample. Block b of 64 samples uses stream b.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn sample_into(&self, inputs: &Activations, v: &mut BitMatrix, streams: &Streams) {
        let samples = v.samples();
        assert_eq!((inputs.units(), inputs.samples()), (self.units - self.first, samples), "inputs of the groups");
        assert_eq!(v.units(), self.units, "states of all units");
        let blocks: Vec<Vec<usize>> = (0..samples.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let mut stream = streams.stream(block as u64);
                let range = block * BLOCK..samples.min((block + 1) * BLOCK);
                let cells = range.flat_map(|sample| (0..self.count()).map(move |group| (sample, group)));
                cells.map(|(sample, group)| self.choose(inputs, group, sample, stream.random())).collect()
            })
            .collect();
        for (i, category) in blocks.into_iter().flatten().enumerate() {
            let (sample, group) = (i / self.count(), i % self.count());
            for (k, unit) in self.units_of(group).enumerate() {
                v.set(unit, sample, k == category);
            }
        }
    }

    /// The category drawn by a uniform number.
    fn choose(&self, inputs: &Activations, group: usize, sample: usize, uniform: f64) -> usize {
        let first = group * self.categories;
        let inputs: Vec<f64> =
            (first..first + self.categories).map(|unit| f64::from(inputs.get(unit, sample))).collect();
        let total = log_sum_exp(&inputs);
        let mut left = uniform;
        let found = inputs.iter().position(|x| {
            left -= (x - total).exp();
            left < 0.0
        });
        found.unwrap_or(self.categories - 1)
    }
}

fn param(value: String, allowed: &'static str) -> Error {
    Error::Param { op: super::OP, arg: "visible", value, allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Matrix;
    use crate::streams::Purpose;

    #[test]
    fn rejects_groups_that_do_not_fit() {
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(Groups::all(7, 3).unwrap_err()),
            "VisibleUnits::new: `visible` is softmax:3 with 7 units, allowed: 2 or more categories, and a number of units that is a multiple of them"
        );
        assert_eq!(
            text(Groups::last(10, 10).unwrap_err()),
            "VisibleUnits::new: `visible` is bernoulli+softmax:10 with 10 units, \
             allowed: 2 or more classes, and at least one unit before them"
        );
        let twice = BitMatrix::from_fn(4, 2, |unit, sample| sample == 1 || unit == 3 || unit == 1);
        assert_eq!(
            text(Groups::all(4, 2).unwrap().check("check", &twice).unwrap_err()),
            "check: `data` is 2 units on in group 0 of sample 1, allowed: exactly one in each group"
        );
    }

    #[test]
    fn law_biases_of_means_give_the_means() {
        let groups = Groups::last(5, 3).unwrap();
        let means = [0.25_f32, 0.5, 0.2, 0.3, 0.5];
        let mut found: Vec<f64> = groups.bias_of_means(&means).into_iter().map(f64::from).collect();
        groups.means_of_one(&mut found);
        assert!(found.iter().zip(means).all(|(found, mean)| (found - f64::from(mean)).abs() < 1e-6), "{found:?}");
    }

    /// The distance of the frequencies of drawn categories from their probabilities, in standard deviations.
    fn deviations(inputs: &[f32], drawn_from: &[f32]) -> f64 {
        const SAMPLES: usize = 100_000;
        let (units, groups) = (inputs.len(), Groups::all(inputs.len(), inputs.len()).unwrap());
        let batch = Activations::from_matrix(&Matrix::from_fn(units, SAMPLES, |unit, _| drawn_from[unit]));
        let mut v = BitMatrix::zeros(units, SAMPLES);
        groups.sample_into(&batch, &mut v, &Streams::new(2).fork(Purpose::Test, 0));
        groups.check("draws", &v).unwrap();
        let mut means: Vec<f64> = inputs.iter().map(|&x| f64::from(x)).collect();
        groups.means_of_one(&mut means);
        let far = |(count, p): (u64, f64)| {
            let n = SAMPLES as f64;
            (count as f64 - n * p).abs() / (n * p * (1.0 - p)).sqrt()
        };
        v.unit_counts().into_iter().zip(means).map(far).fold(0.0, f64::max)
    }

    /// Four cells within 5.5 standard deviations: alpha below 1e-6.
    const ALLOWED: f64 = 5.5;

    #[test]
    fn stat_mean_draws_follow_their_probabilities() {
        assert!(deviations(&[0.0, 1.5, -2.0, 0.3], &[0.0, 1.5, -2.0, 0.3]) < ALLOWED);
        assert!(deviations(&[100.0, 101.5, 98.0, 100.3], &[0.0, 1.5, -2.0, 0.3]) < ALLOWED);
    }

    #[test]
    fn planted_mean_draws_with_exchanged_categories_are_found_out() {
        assert!(deviations(&[0.0, 1.5, -2.0, 0.3], &[0.3, 1.5, -2.0, 0.0]) > ALLOWED);
    }
}
