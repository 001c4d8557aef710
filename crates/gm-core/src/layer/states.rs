//! Questions to a layer about whole batches: cumulants, means, draws, statistics and states.

use rayon::prelude::*;

use super::Layer;
use super::kind::UnitKind;
use crate::batch::{Batch, BatchRef};
use crate::bits::BitMatrix;
use crate::engine::Activations;
use crate::error::{Error, Result, check_len};
use crate::numerics::widened;
use crate::stack::Matrix;
use crate::streams::{Stream, Streams};
use crate::units::VisibleKind;

/// Samples that share a stream, and that are summed up before others are added.
const BLOCK: usize = 64;

impl Layer {
    /// The cumulant of each sample, `[samples]`: the logarithm of the sum or integral of exp(-E(x) + I' x).
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    ///
    /// let layer = "bernoulli".parse::<gm_core::layer::LayerSpec>()?.layer(3)?;
    /// assert!((layer.cumulants(&Matrix::zeros(3, 2))[1] - 3.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn cumulants(&self, inputs: &Matrix) -> Vec<f64> {
        self.sums(inputs, |kind, parameters, input, _| kind.cumulant(parameters, input))
    }

    /// The change of the cumulant of each sample from one multiple of its inputs to another, `[samples]`.
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    ///
    /// let layer = "gaussian".parse::<gm_core::layer::LayerSpec>()?.layer(1)?;
    /// let gains = layer.cumulant_gains(&Matrix::from_element(1, 1, 2.0), (0.0, 0.5));
    /// assert!((gains[0] - 0.5).abs() < 1e-12); // (0.5 x 2)^2 / 2
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn cumulant_gains(&self, inputs: &Matrix, (from, to): (f64, f64)) -> Vec<f64> {
        if let Some(inputs) = self.bernoulli_inputs(inputs) {
            return inputs.softplus_gains(&self.parameters, from, to);
        }
        let at = |beta: f64| self.cumulants(&(inputs * beta as f32));
        at(to).iter().zip(at(from)).map(|(to, from)| to - from).collect()
    }

    /// -E(x) of each sample, `[samples]`, with base measures.
    ///
    /// # Panics
    ///
    /// When states are not those of the units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    ///
    /// let layer = "spin".parse::<gm_core::layer::LayerSpec>()?.layer(2)?.with_parameters(vec![0.5, 1.0])?;
    /// assert_eq!(layer.log_weights((&Matrix::from_column_slice(2, 1, &[1.0, -1.0])).into()), [-0.5]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn log_weights(&self, states: BatchRef<'_>) -> Vec<f64> {
        if self.bernoulli {
            return states.weighted_sums(&widened(&self.parameters));
        }
        self.sums(&states.to_matrix(), |kind, parameters, state, statistics| {
            kind.statistics(state, statistics);
            kind.log_measure(state) + statistics.iter().zip(parameters).map(|(t, w)| t * w).sum::<f64>()
        })
    }

    /// -E(x) minus that of another layer of the same kinds, of each sample, `[samples]`. Base measures cancel.
    ///
    /// # Panics
    ///
    /// When states are not those of the units, or the other layer has other kinds.
    #[must_use]
    pub fn tilts(&self, other: &Self, states: BatchRef<'_>) -> Vec<f64> {
        assert_eq!(self.parameters.len(), other.parameters.len(), "layers of the same kinds");
        let pairs = self.parameters.iter().zip(&other.parameters);
        let difference: Vec<f64> = pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
        if self.bernoulli {
            return states.weighted_sums(&difference);
        }
        self.sums_with(&difference, &states.to_matrix(), |kind, difference, state, statistics| {
            kind.statistics(state, statistics);
            statistics.iter().zip(difference).map(|(t, w)| t * w).sum::<f64>()
        })
    }

    /// `E[x]` given inputs, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    #[must_use]
    pub fn means(&self, inputs: &Matrix) -> Matrix {
        if let Some(mut inputs) = self.bernoulli_inputs(inputs) {
            inputs.logistic();
            return inputs.to_matrix();
        }
        self.each_unit(inputs, |kind, parameters, input, out, _| kind.mean(parameters, input, out))
    }

    /// The variance of each unit given inputs, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    #[must_use]
    pub fn variances(&self, inputs: &Matrix) -> Matrix {
        self.each_unit(inputs, |kind, parameters, input, out, _| kind.variance(parameters, input, out))
    }

    /// The most probable states given inputs, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    #[must_use]
    pub fn modes(&self, inputs: &Matrix) -> Matrix {
        self.each_unit(inputs, |kind, parameters, input, out, _| kind.mode(parameters, input, out))
    }

    /// Draws states given inputs, `[units, samples]`.
    ///
    /// # Randomness
    ///
    /// Units in turn, sample by sample. Block b of 64 samples uses stream b. A layer of Bernoulli units alone is drawn as by
    /// [`Activations::sample_into`].
    ///
    /// # Panics
    ///
    /// When inputs are not those of the units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Streams};
    ///
    /// let layer = "softmax:3".parse::<gm_core::layer::LayerSpec>()?.layer(3)?;
    /// let inputs = Matrix::from_fn(3, 100, |unit, _| if unit == 2 { 60.0 } else { 0.0 });
    /// assert_eq!(layer.sample(&inputs, &Streams::new(1)).bits().unit_counts(), [0, 0, 100]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn sample(&self, inputs: &Matrix, streams: &Streams) -> Batch {
        if let Some(mut means) = self.bernoulli_inputs(inputs) {
            let mut drawn = BitMatrix::zeros(means.units(), means.samples());
            means.logistic();
            means.sample_into(&mut drawn, streams);
            return drawn.into();
        }
        let drawn = self.each_unit_with(inputs, Some(streams), |kind, parameters, input, out, stream| {
            if let Some(stream) = stream {
                kind.sample(parameters, input, stream, out);
            }
        });
        self.batch(drawn)
    }

    /// States as this layer keeps them.
    ///
    /// # Panics
    ///
    /// When states are not those of the units.
    #[must_use]
    pub fn batch(&self, states: Matrix) -> Batch {
        assert_eq!(states.nrows(), self.units, "a state for each unit");
        match self.is_binary() {
            true => Batch::Bits(BitMatrix::from_fn(self.units, states.ncols(), |unit, s| states[(unit, s)] > 0.5)),
            false => Batch::Reals(states),
        }
    }

    /// The sum over samples of the statistics of states, for each parameter.
    ///
    /// # Shapes
    ///
    /// `states` is `[units, samples]`, `weights` has one number for each sample or is empty.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn statistics(&self, states: BatchRef<'_>, weights: &[f32]) -> Vec<f64> {
        if self.bernoulli {
            return self.weighted_total(&states.to_matrix(), weights);
        }
        self.total(&states.to_matrix(), weights, |kind, _, state, out| kind.statistics(state, out))
    }

    /// The sum over samples of the mean statistics given inputs, for each parameter, as [`statistics`](Self::statistics).
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn mean_statistics(&self, inputs: &Matrix, weights: &[f32]) -> Vec<f64> {
        if self.bernoulli {
            return self.weighted_total(&self.means(inputs), weights);
        }
        self.total(inputs, weights, |kind, parameters, input, out| kind.mean_statistics(parameters, input, out))
    }

    /// The number of states of the layer; `None` if it is not finite, or too large for a number.
    #[must_use]
    pub fn state_count(&self) -> Option<u64> {
        let of_part =
            |part: &super::Part| (part.kind.states()?.len() as u64).checked_pow(u32::try_from(part.sites).ok()?);
        self.parts.iter().map(of_part).try_fold(1_u64, |all, count| all.checked_mul(count?))
    }

    /// The states with the given numbers, `[units, count]`, of all that [`state_count`](Self::state_count) counts.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for units without a finite number of states.
    ///
    /// # Examples
    ///
    /// ```
    /// let layer = "softmax:3+spin".parse::<gm_core::layer::LayerSpec>()?.layer(4)?;
    /// assert_eq!(layer.state_count(), Some(6));
    /// assert_eq!(layer.states(0..6)?.column(5).as_slice(), [0.0, 0.0, 1.0, 1.0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn states(&self, numbers: std::ops::Range<u64>) -> Result<Matrix> {
        let mut sites = vec![];
        for part in &self.parts {
            let states = part.kind.states().ok_or_else(|| {
                let (op, arg, value) = ("Layer::states", "units", part.kind.name());
                Error::Param { op, arg, value, allowed: "kinds with a finite number of states" }
            })?;
            sites.extend(std::iter::repeat_n(states, part.sites));
        }
        let mut columns = vec![];
        for number in numbers.clone() {
            let mut left = number;
            for states in &sites {
                let count = states.len() as u64;
                columns.extend(states[(left % count) as usize].iter().map(|&x| x as f32));
                left /= count;
            }
        }
        Ok(Matrix::from_vec(self.units, columns.len() / self.units, columns))
    }

    /// How rows of data are read for these units: zeros and ones for units of two states, categories for softmax groups of one
    /// size, and numbers as they are for all others.
    #[must_use]
    pub fn data_kind(&self) -> VisibleKind {
        let two_states =
            |part: &super::Part| part.kind.width() == 1 && part.kind.states().is_some_and(|states| states.len() == 2);
        match self.parts.as_slice() {
            parts if parts.iter().all(two_states) => VisibleKind::Bernoulli,
            [part] if part.kind.is_binary() => VisibleKind::Softmax { categories: part.kind.width() },
            _ => VisibleKind::Gaussian,
        }
    }

    /// The state of each unit, `[units]`, that a 0 or a 1 in a row of data stands for.
    #[must_use]
    pub fn bit_states(&self, bit: f32) -> Vec<f32> {
        let mut states = vec![bit; self.units];
        if self.data_kind() == VisibleKind::Bernoulli {
            self.each_site(|kind, units, _| states[units].fill(kind.of_bit(bit > 0.5) as f32));
        }
        states
    }

    /// States as rows of data, `[units, samples]`, which [`states_of_rows`](Self::states_of_rows) understands. Means become
    /// means of rows.
    ///
    /// # Panics
    ///
    /// When states are not those of the units.
    #[must_use]
    pub fn rows_of_states(&self, states: &Matrix) -> Matrix {
        assert_eq!(states.nrows(), self.units, "a state for each unit");
        let mut rows = states.clone();
        if self.data_kind() == VisibleKind::Bernoulli {
            self.each_site(|kind, units, _| {
                let (off, on) = (kind.of_bit(false) as f32, kind.of_bit(true) as f32);
                units.for_each(|unit| rows.row_mut(unit).apply(|x| *x = (*x - off) / (on - off)));
            });
        }
        rows
    }

    /// Rows of data as states: numbers as they are, and zeros and ones as each kind reads them, so that spins are -1 and +1.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    ///
    /// let layer = "spin".parse::<gm_core::layer::LayerSpec>()?.layer(2)?;
    /// let rows = BitMatrix::from_fn(2, 1, |unit, _| unit == 0);
    /// assert_eq!(layer.states_of_rows("example", (&rows).into())?.to_matrix().as_slice(), [1.0, -1.0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn states_of_rows(&self, op: &'static str, rows: BatchRef<'_>) -> Result<Batch> {
        check_len(op, "data", "units", rows.units(), self.units)?;
        let two_states = self.data_kind() == VisibleKind::Bernoulli;
        if let (true, BatchRef::Bits(bits)) = (self.bernoulli, rows) {
            return Ok(Batch::Bits(bits.clone()));
        }
        let mut states = rows.to_matrix();
        if let (true, BatchRef::Bits(_)) = (two_states, rows) {
            let [off, on] = [0.0, 1.0].map(|bit| self.bit_states(bit));
            for column in states.as_mut_slice().chunks_mut(self.units) {
                column
                    .iter_mut()
                    .zip(off.iter().zip(&on))
                    .for_each(|(x, (off, on))| *x = if *x > 0.5 { *on } else { *off });
            }
            return Ok(self.batch(states));
        }
        self.check(op, "data", (&states).into())?;
        Ok(self.batch(states))
    }

    /// Refuses states that the units cannot be in.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of units, [`Error::Param`] for a state that is not one of the kind's, with its
    /// unit and sample.
    pub fn check(&self, op: &'static str, arg: &'static str, states: BatchRef<'_>) -> Result<()> {
        check_len(op, arg, "units", states.units(), self.units)?;
        let states = states.to_matrix();
        for (sample, column) in states.column_iter().enumerate() {
            let column = widened(column.as_slice());
            let mut wrong = None;
            self.each_site(|kind, units, _| {
                if wrong.is_none() && !kind.contains(&column[units.clone()]) {
                    wrong = Some((kind.name(), units));
                }
            });
            if let Some((kind, units)) = wrong {
                let (first, found) = (units.start, &column[units]);
                let value = match found {
                    [x] => format!("{x} at unit {first} of sample {sample}, a unit of {kind}"),
                    _ => format!("{found:?} from unit {first} of sample {sample} on, a group of {kind}"),
                };
                return Err(Error::Param { op, arg, value, allowed: "states that units of this kind can be in" });
            }
        }
        Ok(())
    }

    /// Inputs with the parameters added, for a layer of Bernoulli units alone.
    fn bernoulli_inputs(&self, inputs: &Matrix) -> Option<Activations> {
        self.bernoulli.then(|| {
            assert_eq!(inputs.nrows(), self.units, "an input for each unit");
            let mut sums = inputs.clone();
            sums.as_mut_slice().par_chunks_mut(self.units).for_each(|column| {
                column.iter_mut().zip(&self.parameters).for_each(|(x, theta)| *x += theta);
            });
            Activations::from_matrix(&sums)
        })
    }

    /// A number of each sample, a sum over sites, from columns of numbers, `[units, samples]`.
    /// `of_site` may write statistics of a site over its last argument.
    fn sums(
        &self,
        columns: &Matrix,
        of_site: impl Fn(&dyn UnitKind, &[f64], &[f64], &mut [f64]) -> f64 + Sync,
    ) -> Vec<f64> {
        self.sums_with(&widened(&self.parameters), columns, of_site)
    }

    fn sums_with(
        &self,
        parameters: &[f64],
        columns: &Matrix,
        of_site: impl Fn(&dyn UnitKind, &[f64], &[f64], &mut [f64]) -> f64 + Sync,
    ) -> Vec<f64> {
        assert_eq!(columns.nrows(), self.units, "a number for each unit");
        let of_column = |column: &[f32]| {
            let (column, mut scratch, mut sum) = (widened(column), vec![0.0; parameters.len()], 0.0);
            self.each_site(|kind, units, at| {
                sum += of_site(kind, &parameters[at.clone()], &column[units], &mut scratch[at]);
            });
            sum
        };
        columns.as_slice().par_chunks(self.units).map(of_column).collect()
    }

    fn each_unit(
        &self,
        inputs: &Matrix,
        of_site: impl Fn(&dyn UnitKind, &[f64], &[f64], &mut [f64], Option<&mut Stream>) + Sync,
    ) -> Matrix {
        self.each_unit_with(inputs, None, of_site)
    }

    /// Numbers of each unit from its inputs and, if need be, from streams, `[units, samples]`.
    fn each_unit_with(
        &self,
        inputs: &Matrix,
        streams: Option<&Streams>,
        of_site: impl Fn(&dyn UnitKind, &[f64], &[f64], &mut [f64], Option<&mut Stream>) + Sync,
    ) -> Matrix {
        assert_eq!(inputs.nrows(), self.units, "an input for each unit");
        let (parameters, mut found) = (widened(&self.parameters), inputs.clone());
        found.as_mut_slice().par_chunks_mut(self.units * BLOCK).enumerate().for_each(|(block, columns)| {
            let mut stream = streams.map(|streams| streams.stream(block as u64));
            let mut out = vec![0.0; self.units];
            for column in columns.chunks_mut(self.units) {
                let inputs = widened(column);
                self.each_site(|kind, units, at| {
                    of_site(kind, &parameters[at], &inputs[units.clone()], &mut out[units], stream.as_mut());
                });
                column.iter_mut().zip(&out).for_each(|(to, &x)| *to = x as f32);
            }
        });
        found
    }

    /// The weighted sum over samples of the states of Bernoulli units.
    fn weighted_total(&self, columns: &Matrix, weights: &[f32]) -> Vec<f64> {
        assert_eq!(columns.nrows(), self.units, "a number for each unit");
        assert!(weights.is_empty() || weights.len() == columns.ncols(), "a weight for each sample");
        let mut sums = vec![0.0; self.units];
        for (at, column) in columns.as_slice().chunks(self.units).enumerate() {
            let weight = weights.get(at).map_or(1.0, |&weight| f64::from(weight));
            sums.iter_mut().zip(column).for_each(|(sum, &x)| *sum += weight * f64::from(x));
        }
        sums
    }

    /// The weighted sum over samples of numbers for each parameter.
    fn total(
        &self,
        columns: &Matrix,
        weights: &[f32],
        of_site: impl Fn(&dyn UnitKind, &[f64], &[f64], &mut [f64]) + Sync,
    ) -> Vec<f64> {
        assert_eq!(columns.nrows(), self.units, "a number for each unit");
        assert!(weights.is_empty() || weights.len() == columns.ncols(), "a weight for each sample");
        let parameters = widened(&self.parameters);
        let of_block = |(block, columns): (usize, &[f32])| {
            let (mut sum, mut of_sample) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
            for (at, column) in columns.chunks(self.units).enumerate() {
                let column = widened(column);
                self.each_site(|kind, units, at| {
                    of_site(kind, &parameters[at.clone()], &column[units], &mut of_sample[at]);
                });
                let weight = weights.get(block * BLOCK + at).map_or(1.0, |&weight| f64::from(weight));
                sum.iter_mut().zip(&of_sample).for_each(|(sum, x)| *sum += weight * x);
            }
            sum
        };
        let blocks = columns.as_slice().par_chunks(self.units * BLOCK).enumerate().map(of_block).collect::<Vec<_>>();
        blocks.into_iter().fold(vec![0.0; parameters.len()], |mut total, sum| {
            total.iter_mut().zip(sum).for_each(|(total, x)| *total += x);
            total
        })
    }
}
