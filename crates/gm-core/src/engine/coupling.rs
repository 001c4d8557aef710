//! A weight matrix arranged for the inputs of one layer given another.

use std::ops::Range;

use rayon::prelude::*;

use super::fixed_point::FixedPanel;
use super::panel::{Order, Panel, padded};
use crate::kernels::{self, Cell, LANES, PART, Part, TILE};
use crate::stack::Matrix;

/// A weight matrix arranged for the inputs of one layer given the states of another.
///
/// # Numerics
///
/// The weights are copied in parts of 16 outputs. Building the copy reads and writes each weight once.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Coupling, LayerUpdate, Matrix};
///
/// let weights = Matrix::from_row_slice(2, 1, &[0.5, -2.0]);
/// let v = BitMatrix::from_fn(2, 1, |_, _| true);
/// let up = Coupling::up(&weights);
/// let inputs = LayerUpdate::new(&[0.25]).given(&up, &v).inputs();
/// assert_eq!(inputs.to_matrix()[(0, 0)], 0.5 - 2.0 + 0.25);
/// ```
#[derive(Clone, Debug)]
pub struct Coupling {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    upwards: bool,
    /// The weights panel by panel in the order of [`Order::Parts`], padded with zeros to a whole group of inputs.
    parts: Vec<Part>,
    /// The weights in fixed point, panel by panel. Empty without [`for_draws`](Self::for_draws).
    pub(super) fixed: Vec<FixedPanel>,
}

impl Coupling {
    /// From layer l to layer l + 1: the inputs W' x.
    ///
    /// # Shapes
    ///
    /// `weights` is `[n_l, n_(l+1)]`.
    #[must_use]
    pub fn up(weights: &Matrix) -> Self {
        Self::new(weights.nrows(), weights.ncols(), true, weights)
    }

    /// From layer l + 1 to layer l: the inputs W x.
    ///
    /// # Shapes
    ///
    /// `weights` is `[n_l, n_(l+1)]`.
    #[must_use]
    pub fn down(weights: &Matrix) -> Self {
        Self::new(weights.ncols(), weights.nrows(), false, weights)
    }

    fn new(inputs: usize, outputs: usize, upwards: bool, weights: &Matrix) -> Self {
        let parts = vec![Part::ZERO; outputs.div_ceil(PART) * padded(inputs)];
        let mut coupling = Self { inputs, outputs, upwards, parts, fixed: Vec::new() };
        coupling.refresh(weights);
        coupling
    }

    /// Replaces the weights by others of the same shape.
    ///
    /// # Panics
    ///
    /// When the shape differs.
    pub fn refresh(&mut self, weights: &Matrix) {
        let shape = if self.upwards { (self.inputs, self.outputs) } else { (self.outputs, self.inputs) };
        assert_eq!(weights.shape(), shape, "a coupling keeps its shape");
        let (inputs, outputs, upwards, rows) = (self.inputs, self.outputs, self.upwards, padded(self.inputs));
        let take_over = |panel: usize, parts: &mut [Part]| {
            let used = parts.len() / rows;
            for (tile, parts) in parts.chunks_mut(used * TILE).enumerate() {
                let inputs = tile * TILE..inputs.min((tile + 1) * TILE);
                let units = panel * LANES..outputs.min((panel + 1) * LANES);
                if upwards {
                    copy_transposed(weights, inputs, units, parts);
                } else {
                    copy(weights, units, inputs, parts);
                }
            }
        };
        let Self { parts, fixed, .. } = self;
        let panels = parts.par_chunks_mut(LANES / PART * rows).enumerate();
        if fixed.is_empty() {
            panels.for_each(|(panel, parts)| take_over(panel, parts));
        } else {
            panels.zip(fixed).for_each(|((panel, parts), fixed)| {
                take_over(panel, parts);
                fixed.fill(parts);
            });
        }
    }

    /// Adds the weights in fixed point, from which most draws can be made exactly and faster.
    ///
    /// Draws keep their bits. The conversion pays off if the layer is drawn a few hundred times or more for each change
    /// of the weights.
    ///
    /// # Numerics
    ///
    /// The weights are integers of 16 bits times a step for each unit. A bound on the rounding tells which draws are
    /// certain. For the other draws the inputs are formed from the original weights.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams};
    ///
    /// let plain = Coupling::up(&Matrix::from_fn(70, 5, |i, j| ((i * 5 + j) % 11) as f32 / 10.0 - 0.5));
    /// let v = BitMatrix::from_fn(70, 100, |unit, sample| (unit + sample) % 3 == 0);
    /// let streams = Streams::new(1).fork(Purpose::Chains, 0);
    /// let [h, same] = [plain.clone(), plain.for_draws()].map(|coupling| {
    ///     let mut h = BitMatrix::zeros(5, 100);
    ///     LayerUpdate::new(&[0.1; 5]).given(&coupling, &v).sample_into(&mut h, &streams);
    ///     h
    /// });
    /// assert_eq!(h, same);
    /// ```
    #[must_use]
    pub fn for_draws(mut self) -> Self {
        let (inputs, rows) = (self.inputs, padded(self.inputs));
        let panels = self.parts.par_chunks(LANES / PART * rows.max(1));
        self.fixed = panels
            .map(|parts| {
                let mut fixed = FixedPanel::new(inputs, parts.len() / rows);
                fixed.fill(parts);
                fixed
            })
            .collect();
        self
    }

    /// The number of units of the given layer.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of units of the drawn layer.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn panel(&self, panel: usize) -> Panel<'_> {
        let first = panel * LANES;
        let units = (self.outputs - first).min(LANES);
        let parts = &self.parts[first / PART * padded(self.inputs)..];
        Panel { parts, order: Order::Parts, inputs: self.inputs, units }
    }
}

/// Copies some rows and columns of a matrix into a tile. The numbers of a column go to the parts of one input.
fn copy(weights: &Matrix, rows: Range<usize>, columns: Range<usize>, tile: &mut [Part]) {
    let of_part = tile.len() / rows.len().div_ceil(PART);
    for (input, column) in columns.enumerate() {
        let start = column * weights.nrows();
        let values = &weights.as_slice()[start + rows.start..start + rows.end];
        let parts = tile[input..].iter_mut().step_by(of_part);
        let (whole, rest) = values.as_chunks::<PART>();
        for (n, part) in parts.enumerate() {
            match whole.get(n) {
                // A copy of known length is two instructions; other lengths are a function call.
                Some(whole) => part.0 = *whole,
                None => part.0[..rest.len()].copy_from_slice(rest),
            }
        }
    }
}

/// [`copy`] of the transposed matrix.
fn copy_transposed(weights: &Matrix, rows: Range<usize>, columns: Range<usize>, tile: &mut [Part]) {
    let (stride, of_part) = (weights.nrows(), tile.len() / columns.len().div_ceil(PART));
    for (first, part) in columns.clone().step_by(PART).zip(tile.chunks_mut(of_part)) {
        let from = &weights.as_slice()[first * stride + rows.start..];
        let units = (columns.end - first).min(PART);
        kernels::transpose((from, stride), (Part::numbers_mut(part), PART), (units, rows.len()));
    }
}
