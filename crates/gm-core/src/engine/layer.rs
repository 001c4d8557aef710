//! The update of one layer given one or two neighbouring layers.

use rayon::prelude::*;

use super::activations::Activations;
use super::coupling::Coupling;
use super::draw::{draw_block, for_each_block, visited};
use super::fixed_point_draw::FixedDraw;
use super::given::Given;
use super::panel::{padded, panel_row};
use super::rows::with_rows;
use crate::bits::BitMatrix;
use crate::kernels::{self, Row};
use crate::streams::Streams;

/// Inverse temperatures of a batch.
///
/// # Examples
///
/// ```
/// use gm_core::{Beta, BitMatrix, Coupling, LayerUpdate, Matrix};
///
/// let up = Coupling::up(&Matrix::from_element(1, 1, 2.0));
/// let v = BitMatrix::from_fn(1, 3, |_, _| true);
/// let layer = LayerUpdate::new(&[1.0]).given(&up, &v);
/// assert_eq!(layer.tempered(Beta::Same(0.5), None).inputs().to_matrix().as_slice(), [1.5, 1.5, 1.5]);
/// assert_eq!(layer.tempered(Beta::Each(&[1.0, 0.5, 0.0]), None).inputs().to_matrix().as_slice(), [3.0, 1.5, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Beta<'a> {
    /// The same for every sample.
    Same(f32),
    /// One for each sample.
    Each(&'a [f32]),
}

/// The update of one layer given one or two neighbouring layers.
///
/// inputs = beta (bias + sum over neighbours) + (1 - beta) base, means = logistic(inputs).
///
/// # Shapes
///
/// `bias` and `base` are `[units]`. The states of a neighbour are `[units of the neighbour, samples]`.
///
/// # Randomness
///
/// A draw takes 16 random bits for each unit. It takes more bits where these equal the digits of the mean, so that the
/// draw is exact for the `f32` mean. Block b of 256 samples and panel p of 64 units use stream b 2^32 + p. The number
/// of threads does not matter.
///
/// # Examples
///
/// ```
/// use gm_core::{Beta, BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams};
///
/// let down = Coupling::down(&Matrix::from_element(3, 2, 40.0));
/// let h = BitMatrix::from_fn(2, 5, |unit, _| unit == 0);
/// let mut v = BitMatrix::zeros(3, 5);
/// let streams = Streams::new(0).fork(Purpose::Chains, 0);
/// let update = LayerUpdate::new(&[0.0; 3]).given(&down, &h);
/// update.sample_into(&mut v, &streams);
/// assert_eq!(v.ones(), 15);
/// update.tempered(Beta::Same(0.0), Some(&[-40.0; 3])).sample_into(&mut v, &streams);
/// assert_eq!(v.ones(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LayerUpdate<'a> {
    pub(super) bias: &'a [f32],
    pub(super) base: Option<&'a [f32]>,
    pub(super) beta: Beta<'a>,
    pub(super) neighbours: [Option<(&'a Coupling, &'a BitMatrix)>; 2],
}

impl<'a> LayerUpdate<'a> {
    /// An update of a layer with these biases and no neighbours yet.
    #[must_use]
    pub fn new(bias: &'a [f32]) -> Self {
        Self { bias, base: None, beta: Beta::Same(1.0), neighbours: [None; 2] }
    }

    /// Adds a neighbouring layer in a given state.
    ///
    /// # Panics
    ///
    /// When shapes disagree, or when the layer already has two neighbours.
    #[must_use]
    pub fn given(mut self, coupling: &'a Coupling, states: &'a BitMatrix) -> Self {
        assert_eq!(coupling.outputs, self.bias.len(), "the coupling leads to this layer");
        assert_eq!(coupling.inputs, states.units(), "the coupling comes from the layer of the states");
        let slot = self.neighbours.iter_mut().find(|slot| slot.is_none());
        *slot.expect("a layer has at most two neighbours") = Some((coupling, states));
        let [first, second] = self.neighbours;
        if let (Some((_, first)), Some((_, second))) = (first, second) {
            assert_eq!(first.samples(), second.samples(), "both neighbours have the same number of samples");
        }
        self
    }

    /// Sets the inverse temperature and the biases of the independent base model at beta = 0. These are zero by
    /// default.
    ///
    /// # Panics
    ///
    /// When `base` and the biases differ in length.
    #[must_use]
    pub fn tempered(mut self, beta: Beta<'a>, base: Option<&'a [f32]>) -> Self {
        assert!(base.is_none_or(|base| base.len() == self.bias.len()), "a base bias for each unit");
        self.beta = beta;
        self.base = base;
        self
    }

    pub(super) fn samples(&self) -> usize {
        self.neighbours[0].map_or(0, |(_, states)| states.samples())
    }

    /// The inputs of the layer.
    #[must_use]
    pub fn inputs(&self) -> Activations {
        let mut out = Activations::unset(self.bias.len(), self.samples());
        self.inputs_into(&mut out);
        out
    }

    /// Writes the inputs of the layer into a buffer, which can be reused.
    pub fn inputs_into(&self, out: &mut Activations) {
        self.fill(out, |_| {});
    }

    /// The means of the layer.
    #[must_use]
    pub fn means(&self) -> Activations {
        let mut out = Activations::unset(self.bias.len(), self.samples());
        self.means_into(&mut out);
        out
    }

    /// Writes the means of the layer into a buffer, which can be reused.
    pub fn means_into(&self, out: &mut Activations) {
        self.fill(out, kernels::logistic_rows);
    }

    fn fill(&self, out: &mut Activations, finish: impl Fn(&mut [Row]) + Sync) {
        out.resize(self.bias.len(), self.samples());
        let (samples, given) = (out.samples, self.given_states());
        let block = visited(self.bias.len());
        out.rows.par_chunks_mut(padded(samples).max(1)).enumerate().for_each(|(panel, rows)| {
            rows[..samples].par_chunks_mut(block).enumerate().for_each(|(number, rows)| {
                self.inputs_of_block(&given, panel, number * block, rows);
                finish(rows);
            });
        });
    }

    pub(super) fn given_states(&self) -> [Option<(&'a Coupling, Given<'a>)>; 2] {
        let block = visited(self.bias.len());
        self.neighbours.map(|neighbour| neighbour.map(|(coupling, states)| (coupling, Given::new(states, block))))
    }

    pub(super) fn inputs_of_block(
        &self,
        given: &[Option<(&Coupling, Given<'_>)>; 2],
        panel: usize,
        first: usize,
        rows: &mut [Row],
    ) {
        if given[0].is_none() {
            rows.fill(Row::ZERO);
        }
        for (n, (coupling, states)) in given.iter().flatten().enumerate() {
            states.accumulate(first, coupling.panel(panel), (1.0, n == 0), rows);
        }
        let bias = panel_row(self.bias, panel);
        let base = self.base.map_or(Row::ZERO, |base| panel_row(base, panel));
        match self.beta {
            Beta::Same(beta) => kernels::temper(rows, &bias, &base, beta),
            Beta::Each(betas) => {
                for (row, &beta) in rows.iter_mut().zip(&betas[first..]) {
                    kernels::temper(std::slice::from_mut(row), &bias, &base, beta);
                }
            }
        }
    }

    /// Draws the layer.
    ///
    /// # Panics
    ///
    /// When `out` has another number of units or of samples.
    pub fn sample_into(&self, out: &mut BitMatrix, streams: &Streams) {
        assert_eq!((out.units(), out.samples()), (self.bias.len(), self.samples()), "shape of the drawn layer");
        let given = self.given_states();
        for_each_block(out, |panel, first, mask, words| match FixedDraw::new(self, panel, words.len()) {
            Some(fixed) => fixed.draw_block(&given, first, mask, words, streams),
            None => with_rows(words.len(), |rows| {
                self.inputs_of_block(&given, panel, first, rows);
                kernels::logistic_rows(rows);
                draw_block(rows, mask, words, streams, first, panel);
            }),
        });
    }
}
