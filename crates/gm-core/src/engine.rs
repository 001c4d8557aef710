//! The engine that every model runs on: draw a layer given its neighbours, and count co-activations.

mod coarse;
mod rows;

use std::cell::RefCell;
use std::ops::Range;

use rand::{Rng, RngExt};
use rayon::prelude::*;

use self::coarse::{CoarsePanel, Roughly};
use self::rows::Rows;
use crate::bits::BitMatrix;
use crate::kernels::{self, BLOCK, Cell, GROUPS, LANES, Lookups, PART, Part, Row, TILE, Table, Tile};
use crate::stack::Matrix;
use crate::streams::{Stream, Streams};

/// Below this many samples building partial sums costs more than it saves.
const FEW: usize = 6;

/// Inputs whose partial sums are formed together; rows of a panel are padded to whole groups.
const GROUP: usize = 4;

/// Samples that share a random stream.
const DRAWN: usize = 256;

/// Samples whose random numbers are fetched together.
const CHUNK: usize = 16;

thread_local! {
    static SUMS: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
    static TABLE: RefCell<Box<Table>> = RefCell::new(kernels::empty_table());
    static LOOKUPS: RefCell<Vec<Vec<Lookups>>> = const { RefCell::new(Vec::new()) };
}

/// States of a layer, with the partial sums that they look up.
struct Given<'a> {
    states: &'a BitMatrix,
    /// Samples of a block.
    block: usize,
    /// Blocks; none of few samples.
    blocks: usize,
    /// Those of each block for tile 0, then for tile 1, and so on, and perhaps some that are left over.
    lookups: Vec<Lookups>,
}

impl<'a> Given<'a> {
    /// Finds the sums that blocks of so many samples look up.
    fn new(states: &'a BitMatrix, block: usize) -> Self {
        let mut lookups = LOOKUPS.with_borrow_mut(|kept| kept.pop()).unwrap_or_default();
        let (samples, block) = (states.samples(), block.min(BLOCK));
        let blocks = if samples < FEW { 0 } else { samples.div_ceil(block) };
        let used = blocks * states.words_per_sample();
        if lookups.len() < used {
            lookups.resize(used, Lookups::NONE);
        }
        lookups[..used].par_chunks_mut(blocks.max(1)).enumerate().for_each(|(tile, lookups)| {
            for (words, lookups) in states.word(tile).chunks(block).zip(lookups) {
                kernels::find(words, lookups);
            }
        });
        Self { states, block, blocks, lookups }
    }

    /// Adds `scale` times the weights of the inputs that are on, for the samples of the block with the given first one; the first
    /// sums replace what is there.
    fn accumulate(&self, first: usize, panel: Panel<'_>, (scale, begin): (f32, bool), sums: &mut [Row]) {
        let block = first / self.block;
        if begin && panel.inputs == 0 {
            sums.fill(Row::ZERO);
        }
        TABLE.with_borrow_mut(|table| {
            for (t, tile) in panel.tiles(scale).enumerate() {
                let tile = Tile { first: begin && t == 0, ..tile };
                let words = &self.states.word(t)[first..][..sums.len()];
                if self.blocks == 0 {
                    kernels::accumulate_few(words, tile, sums);
                } else {
                    kernels::accumulate(words, &self.lookups[t * self.blocks + block], tile, table, sums);
                }
            }
        });
    }
}

/// The weights of all inputs to the units of a panel.
#[derive(Clone, Copy)]
struct Panel<'a> {
    parts: &'a [Part],
    order: Order,
    inputs: usize,
    units: usize,
}

/// What lies next to each other in a [`Panel`].
#[derive(Clone, Copy)]
enum Order {
    /// Tile by tile the used parts, each with the weights of all inputs of the tile.
    Parts,
    /// Input by input all parts.
    Inputs,
}

impl<'a> Panel<'a> {
    fn tiles(self, scale: f32) -> impl Iterator<Item = Tile<'a>> {
        let Self { parts, order, inputs, units } = self;
        let used = units.div_ceil(PART);
        (0..inputs).step_by(TILE).map(move |first| {
            let groups = (inputs - first).div_ceil(GROUP).min(GROUPS);
            match order {
                Order::Parts => {
                    let (of_part, of_input) = (groups * GROUP, 1);
                    Tile { parts: &parts[first * used..], of_part, of_input, groups, used, scale, first: false }
                }
                Order::Inputs => {
                    let of_input = LANES / PART;
                    let parts = &parts[first * of_input..];
                    Tile { parts, of_part: 1, of_input, groups, used, scale, first: false }
                }
            }
        })
    }
}

impl Drop for Given<'_> {
    /// Leaves the memory to the next one on this thread.
    fn drop(&mut self) {
        let lookups = std::mem::take(&mut self.lookups);
        LOOKUPS.with_borrow_mut(|kept| kept.push(lookups));
    }
}

/// Runs `work` on rows that are reused by the next call on this thread, and that hold anything at the start.
fn with_rows<T>(count: usize, work: impl FnOnce(&mut [Row]) -> T) -> T {
    SUMS.with_borrow_mut(|rows| {
        if rows.len() < count {
            rows.resize(count, Row::ZERO);
        }
        work(&mut rows[..count])
    })
}

/// The 64 values of a panel, zero past the end.
fn panel_row(values: &[f32], panel: usize) -> Row {
    let mut row = Row::ZERO;
    let from = &values[panel * LANES..values.len().min((panel + 1) * LANES)];
    row.0[..from.len()].copy_from_slice(from);
    row
}

/// Rows that a panel of `count` rows takes, so that whole groups of inputs can be read.
fn padded(count: usize) -> usize {
    count.next_multiple_of(GROUP)
}

/// A weight matrix arranged for the inputs of one layer given the states of another.
///
/// # Numerics
///
/// A copy of the weights in parts of 16 outputs. Building it reads and writes each weight once.
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
    inputs: usize,
    outputs: usize,
    upwards: bool,
    /// Panel by panel in the order of [`Order::Parts`], zero past the last input up to a whole group.
    parts: Vec<Part>,
    /// The weights in whole steps, panel by panel; none unless asked for.
    coarse: Vec<CoarsePanel>,
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
        let mut coupling = Self { inputs, outputs, upwards, parts, coarse: Vec::new() };
        coupling.refresh(weights);
        coupling
    }

    /// Takes over changed weights of the same shape.
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
                    turn(weights, inputs, units, parts);
                } else {
                    copy(weights, units, inputs, parts);
                }
            }
        };
        let Self { parts, coarse, .. } = self;
        let panels = parts.par_chunks_mut(LANES / PART * rows).enumerate();
        if coarse.is_empty() {
            panels.for_each(|(panel, parts)| take_over(panel, parts));
        } else {
            panels.zip(coarse).for_each(|((panel, parts), coarse)| {
                take_over(panel, parts);
                coarse.fill(parts);
            });
        }
    }

    /// The same, with the weights also in a coarse form from which most draws can be made with certainty, and faster.
    ///
    /// Draws keep their bits. It pays from a few hundred draws of the layer for each change of the weights on.
    ///
    /// # Numerics
    ///
    /// Weights as whole steps of 16 bits, a step for each unit. A bound on what the rounding changes tells which draws are certain;
    /// the inputs of the others are formed from the weights themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams};
    ///
    /// let plain = Coupling::up(&Matrix::from_fn(70, 5, |i, j| ((i * 5 + j) % 11) as f32 / 10.0 - 0.5));
    /// let v = BitMatrix::from_fn(70, 100, |unit, sample| (unit + sample) % 3 == 0);
    /// let [h, same] = [plain.clone(), plain.for_draws()].map(|coupling| {
    ///     let mut h = BitMatrix::zeros(5, 100);
    ///     LayerUpdate::new(&[0.1; 5]).given(&coupling, &v).sample_into(&mut h, &Streams::new(1).fork(Purpose::Chains, 0));
    ///     h
    /// });
    /// assert_eq!(h, same);
    /// ```
    #[must_use]
    pub fn for_draws(mut self) -> Self {
        let (inputs, rows) = (self.inputs, padded(self.inputs));
        let panels = self.parts.par_chunks(LANES / PART * rows.max(1));
        self.coarse = panels
            .map(|parts| {
                let mut coarse = CoarsePanel::new(inputs, parts.len() / rows);
                coarse.fill(parts);
                coarse
            })
            .collect();
        self
    }

    /// Units of the layer that is given.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Units of the layer that is drawn.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    fn panel(&self, panel: usize) -> Panel<'_> {
        let first = panel * LANES;
        let units = (self.outputs - first).min(LANES);
        let parts = &self.parts[first / PART * padded(self.inputs)..];
        Panel { parts, order: Order::Parts, inputs: self.inputs, units }
    }
}

/// The weights of a tile, those of some rows and columns of a matrix: the numbers of a column go to the parts of one input.
fn copy(weights: &Matrix, rows: Range<usize>, columns: Range<usize>, tile: &mut [Part]) {
    let of_part = tile.len() / rows.len().div_ceil(PART);
    for (input, column) in columns.enumerate() {
        let start = column * weights.nrows();
        let values = &weights.as_slice()[start + rows.start..start + rows.end];
        let parts = tile[input..].iter_mut().step_by(of_part);
        let (whole, rest) = values.as_chunks::<PART>();
        for (n, part) in parts.enumerate() {
            match whole.get(n) {
                // A copy of known length is two instructions, any other a call.
                Some(whole) => part.0 = *whole,
                None => part.0[..rest.len()].copy_from_slice(rest),
            }
        }
    }
}

/// [`copy`] of the transposed matrix.
fn turn(weights: &Matrix, rows: Range<usize>, columns: Range<usize>, tile: &mut [Part]) {
    let (stride, of_part) = (weights.nrows(), tile.len() / columns.len().div_ceil(PART));
    for (first, part) in columns.clone().step_by(PART).zip(tile.chunks_mut(of_part)) {
        let from = &weights.as_slice()[first * stride + rows.start..];
        let units = (columns.end - first).min(PART);
        kernels::transpose((from, stride), (Part::numbers_mut(part), PART), (units, rows.len()));
    }
}

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
/// `bias` and `base` are `[units]`; each neighbour's states are `[its units, samples]`.
///
/// # Randomness
///
/// A draw of `sample` takes 16 random bits a unit, and more where these agree with the digits of the mean, so
/// that the draw is exact for the `f32` mean. The block of 256 samples b and the panel of 64 units p use stream
/// b 2^32 + p; the number of threads does not matter.
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
/// LayerUpdate::new(&[0.0; 3]).given(&down, &h).sample_into(&mut v, &streams);
/// assert_eq!(v.ones(), 15);
/// LayerUpdate::new(&[0.0; 3]).given(&down, &h).tempered(Beta::Same(0.0), Some(&[-40.0; 3])).sample_into(&mut v, &streams);
/// assert_eq!(v.ones(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LayerUpdate<'a> {
    bias: &'a [f32],
    base: Option<&'a [f32]>,
    beta: Beta<'a>,
    neighbours: [Option<(&'a Coupling, &'a BitMatrix)>; 2],
}

impl<'a> LayerUpdate<'a> {
    /// A layer with these biases and no neighbours yet.
    #[must_use]
    pub fn new(bias: &'a [f32]) -> Self {
        Self { bias, base: None, beta: Beta::Same(1.0), neighbours: [None; 2] }
    }

    /// Adds a neighbouring layer in a given state.
    ///
    /// # Panics
    ///
    /// When shapes disagree or two neighbours are there already.
    #[must_use]
    pub fn given(mut self, coupling: &'a Coupling, states: &'a BitMatrix) -> Self {
        assert_eq!(coupling.outputs, self.bias.len(), "the coupling leads to this layer");
        assert_eq!(coupling.inputs, states.units(), "the coupling comes from that layer");
        let slot = self.neighbours.iter_mut().find(|slot| slot.is_none());
        *slot.expect("a layer has at most two neighbours") = Some((coupling, states));
        let [first, second] = self.neighbours;
        if let (Some((_, first)), Some((_, second))) = (first, second) {
            assert_eq!(first.samples(), second.samples(), "neighbours have as many samples");
        }
        self
    }

    /// Sets the inverse temperature, and the biases of the independent base model at beta = 0 (zero unless given).
    ///
    /// # Panics
    ///
    /// When `base` has another length than the biases.
    #[must_use]
    pub fn tempered(mut self, beta: Beta<'a>, base: Option<&'a [f32]>) -> Self {
        assert!(base.is_none_or(|base| base.len() == self.bias.len()), "a base bias for each unit");
        self.beta = beta;
        self.base = base;
        self
    }

    fn samples(&self) -> usize {
        self.neighbours[0].map_or(0, |(_, states)| states.samples())
    }

    /// The inputs of the layer.
    #[must_use]
    pub fn inputs(&self) -> Activations {
        let mut out = Activations::zeros(self.bias.len(), self.samples());
        self.inputs_into(&mut out);
        out
    }

    /// The inputs of the layer, into a buffer that may be reused.
    pub fn inputs_into(&self, out: &mut Activations) {
        self.fill(out, |_| {});
    }

    /// The means of the layer.
    #[must_use]
    pub fn means(&self) -> Activations {
        let mut out = Activations::zeros(self.bias.len(), self.samples());
        self.means_into(&mut out);
        out
    }

    /// The means of the layer, into a buffer that may be reused.
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

    fn given_states(&self) -> [Option<(&'a Coupling, Given<'a>)>; 2] {
        let block = visited(self.bias.len());
        self.neighbours.map(|neighbour| neighbour.map(|(coupling, states)| (coupling, Given::new(states, block))))
    }

    fn inputs_of_block(
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
    /// When `out` has other units or samples.
    pub fn sample_into(&self, out: &mut BitMatrix, streams: &Streams) {
        assert_eq!((out.units(), out.samples()), (self.bias.len(), self.samples()), "shape of the drawn layer");
        let given = self.given_states();
        for_each_block(out, |panel, first, mask, words| match Roughly::new(self, panel, words.len()) {
            Some(roughly) => roughly.draw_block(&given, first, mask, words, streams),
            None => with_rows(words.len(), |rows| {
                self.inputs_of_block(&given, panel, first, rows);
                kernels::logistic_rows(rows);
                draw_block(rows, mask, words, streams, first, panel);
            }),
        });
    }
}

/// Samples that visit a layer of so many units together: few where a layer has few panels to share among threads.
fn visited(units: usize) -> usize {
    if units > 4 * LANES { BLOCK } else { DRAWN }
}

/// Visits every panel and block of samples of a batch in parallel: (panel, first sample, mask of used bits, words).
fn for_each_block(out: &mut BitMatrix, visit: impl Fn(usize, usize, u64, &mut [u64]) + Sync) {
    let masks: Vec<u64> = (0..out.words_per_sample()).map(|w| out.mask(w)).collect();
    let (samples, block) = (out.samples().max(1), visited(out.units()));
    out.words_mut().par_chunks_mut(samples).enumerate().for_each(|(panel, words)| {
        let blocks = words.par_chunks_mut(block).enumerate();
        blocks.for_each(|(number, words)| visit(panel, number * block, masks[panel], words));
    });
}

/// Draws 64 units of each sample of a block from their means.
fn draw_block(means: &[Row], mask: u64, words: &mut [u64], streams: &Streams, first: usize, panel: usize) {
    let blocks = means.chunks(DRAWN).zip(words.chunks_mut(DRAWN));
    for (first, (means, words)) in (first..).step_by(DRAWN).zip(blocks) {
        draw(means, mask, words, &mut stream_of(streams, first, panel));
    }
}

/// The random numbers of a panel for the block of samples with the given first one.
fn stream_of(streams: &Streams, first: usize, panel: usize) -> Stream {
    streams.stream(((first / DRAWN) as u64) << 32 | panel as u64)
}

/// Draws 64 units of each sample from their means, with the numbers of one stream.
fn draw(means: &[Row], mask: u64, words: &mut [u64], stream: &mut Stream) {
    let mut random = [[0_u16; LANES]; CHUNK];
    let mut ties = [0_u64; CHUNK];
    for (means, words) in means.chunks(CHUNK).zip(words.chunks_mut(CHUNK)) {
        let count = words.len();
        stream.fill(random[..count].as_flattened_mut());
        kernels::draw(means, &random[..count], words, &mut ties);
        for ((word, tied), mean) in words.iter_mut().zip(ties).zip(means) {
            *word = resolve(*word, tied & mask, mean, stream) & mask;
        }
    }
}

/// Decides the units whose first 16 random digits agree with those of their means.
fn resolve(mut word: u64, mut tied: u64, means: &Row, stream: &mut Stream) -> u64 {
    while tied != 0 {
        let lane = tied.trailing_zeros();
        word |= u64::from(continue_draw(means.0[lane as usize], stream)) << lane;
        tied &= tied - 1;
    }
    word
}

/// Compares further random digits with the digits of `mean` after the sixteenth, until they differ.
fn continue_draw(mean: f32, stream: &mut Stream) -> bool {
    let mut rest = (f64::from(mean) * 65_536.0).fract();
    while rest > 0.0 {
        let scaled = rest * 4_294_967_296.0;
        let (digits, threshold) = (stream.next_u32(), scaled as u32);
        if digits != threshold {
            return digits < threshold;
        }
        rest = scaled.fract();
    }
    false
}

/// Inputs or means of a layer for a batch of samples.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, Matrix};
///
/// let means = Activations::from_matrix(&Matrix::from_row_slice(2, 2, &[0.0, 1.0, 0.5, 0.5]));
/// assert_eq!(means.unit_sums(), [1.0, 1.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Activations {
    units: usize,
    samples: usize,
    rows: Rows,
}

impl Activations {
    /// All zero.
    #[must_use]
    pub fn zeros(units: usize, samples: usize) -> Self {
        Self { units, samples, rows: Rows::zeros(units.div_ceil(LANES) * padded(samples)) }
    }

    /// Takes over a matrix, `[units, samples]`.
    #[must_use]
    pub fn from_matrix(values: &Matrix) -> Self {
        let mut out = Self::zeros(values.nrows(), values.ncols());
        out.fill_means(|sample, panel, row| *row = panel_row(values.column(sample).as_slice(), panel).0);
        out
    }

    /// The same values for every sample, such as the biases of a layer without parents.
    #[must_use]
    pub fn repeated(values: &[f32], samples: usize) -> Self {
        let mut out = Self::zeros(values.len(), samples);
        out.fill_means(|_, panel, row| *row = panel_row(values, panel).0);
        out
    }

    /// The given samples, in the given order; a sample may occur many times.
    ///
    /// # Panics
    ///
    /// When a sample is out of range.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        let mut out = Self::zeros(self.units, samples.len());
        assert!(samples.iter().all(|&sample| sample < self.samples), "sample out of range");
        out.fill_means(|sample, panel, row| *row = self.panel(panel)[samples[sample]].0);
        out
    }

    /// The sums over every `count` neighbouring samples.
    ///
    /// # Panics
    ///
    /// When the samples cannot be divided by `count`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Matrix};
    ///
    /// let values = Activations::from_matrix(&Matrix::from_row_slice(1, 4, &[1.0, 2.0, 3.0, 4.0]));
    /// assert_eq!(values.sum_neighbours(2).to_matrix().as_slice(), [3.0, 7.0]);
    /// ```
    #[must_use]
    pub fn sum_neighbours(&self, count: usize) -> Self {
        assert!(count > 0 && self.samples.is_multiple_of(count), "whole groups of samples");
        let mut out = Self::zeros(self.units, self.samples / count);
        out.fill_means(|group, panel, row| {
            for from in &self.panel(panel)[group * count..(group + 1) * count] {
                row.iter_mut().zip(&from.0).for_each(|(sum, value)| *sum += value);
            }
        });
        out
    }

    /// Multiplies the values of each sample by its weight.
    ///
    /// # Panics
    ///
    /// When there is not one weight a sample.
    pub fn scale_samples(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.samples, "a weight for each sample");
        self.rows.par_chunks_mut(padded(self.samples).max(1)).for_each(|rows| {
            for (row, &weight) in rows.iter_mut().zip(weights) {
                row.0.iter_mut().for_each(|x| *x *= weight);
            }
        });
    }

    /// Replaces each input a by the score x - logistic(a), the derivative of log Ber(x; logistic(a)), and gives
    /// sum over units of log Ber(x; logistic(a)), `[samples]`.
    ///
    /// # Shapes
    ///
    /// `states` is x, `[units, samples]`.
    ///
    /// # Numerics
    ///
    /// Single precision for each unit, double precision for sums.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, BitMatrix};
    ///
    /// let mut inputs = Activations::repeated(&[0.0, 0.0], 1);
    /// let log_prob = inputs.score(&BitMatrix::from_fn(2, 1, |unit, _| unit == 1));
    /// assert!((log_prob[0] + 2.0 * 2.0_f64.ln()).abs() < 1e-12);
    /// assert_eq!(inputs.to_matrix().as_slice(), [-0.5, 0.5]);
    /// ```
    pub fn score(&mut self, states: &BitMatrix) -> Vec<f64> {
        assert_eq!((states.units(), states.samples()), (self.units, self.samples), "shape of the states");
        let terms: Vec<Vec<f64>> = self
            .rows
            .par_chunks_mut(padded(self.samples).max(1))
            .enumerate()
            .map(|(panel, rows)| {
                let mask = states.mask(panel);
                rows.iter_mut()
                    .zip(states.word(panel))
                    .map(|(row, &word)| kernels::score(&mut row.0, word, mask))
                    .collect()
            })
            .collect();
        let mut sums = vec![0.0; self.samples];
        terms.iter().for_each(|terms| sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term));
        sums
    }

    fn resize(&mut self, units: usize, samples: usize) {
        if (self.units, self.samples) != (units, samples) {
            *self = Self::zeros(units, samples);
        }
    }

    /// Fills 64 units of a sample at a time: `fill(sample, panel, values)`, in parallel over panels.
    pub fn fill_means(&mut self, fill: impl Fn(usize, usize, &mut [f32; 64]) + Sync) {
        let samples = self.samples;
        self.rows.par_chunks_mut(padded(samples).max(1)).enumerate().for_each(|(panel, rows)| {
            for (sample, row) in rows[..samples].iter_mut().enumerate() {
                fill(sample, panel, &mut row.0);
            }
        });
    }

    /// Units of the layer.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// Samples of the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    fn panel(&self, panel: usize) -> &[Row] {
        let rows = padded(self.samples);
        &self.rows[panel * rows..(panel + 1) * rows]
    }

    /// The values as weights from samples to the units of a panel.
    fn as_weights(&self, panel: usize) -> Panel<'_> {
        let (parts, units) = (Row::parts(self.panel(panel)), self.used(panel));
        Panel { parts, order: Order::Inputs, inputs: self.samples, units }
    }

    fn panels(&self) -> impl IndexedParallelIterator<Item = &[Row]> {
        self.rows.par_chunks(padded(self.samples).max(1))
    }

    fn used(&self, panel: usize) -> usize {
        (self.units - panel * LANES).min(LANES)
    }

    /// The value of one unit for one sample.
    ///
    /// # Panics
    ///
    /// When `unit` or `sample` is out of range.
    #[must_use]
    pub fn get(&self, unit: usize, sample: usize) -> f32 {
        assert!(unit < self.units && sample < self.samples, "unit or sample out of range");
        self.rows[unit / LANES * padded(self.samples) + sample].0[unit % LANES]
    }

    /// The values as a matrix, `[units, samples]`.
    #[must_use]
    pub fn to_matrix(&self) -> Matrix {
        let mut out = Matrix::zeros(self.units, self.samples);
        out.as_mut_slice().par_chunks_mut(self.units.max(1)).enumerate().for_each(|(sample, column)| {
            for (panel, values) in column.chunks_mut(LANES).enumerate() {
                values.copy_from_slice(&self.rows[panel * padded(self.samples) + sample].0[..values.len()]);
            }
        });
        out
    }

    /// Replaces inputs by means, 1 / (1 + exp(-x)).
    pub fn logistic(&mut self) {
        self.rows.par_chunks_mut(BLOCK).for_each(kernels::logistic_rows);
    }

    /// Draws each unit with its mean.
    ///
    /// # Randomness
    ///
    /// As [`LayerUpdate::sample_into`], bit for bit.
    ///
    /// # Panics
    ///
    /// When `out` has other units or samples.
    pub fn sample_into(&self, out: &mut BitMatrix, streams: &Streams) {
        assert_eq!((out.units(), out.samples()), (self.units, self.samples), "shape of the drawn layer");
        let capacity = padded(self.samples);
        for_each_block(out, |panel, first, mask, words| {
            let means = &self.rows[panel * capacity + first..][..words.len()];
            draw_block(means, mask, words, streams, first, panel);
        });
    }

    /// Draws each unit from its input at an inverse temperature: mean logistic(beta x + (1 - beta) base).
    ///
    /// # Panics
    ///
    /// When `base` is not `[units]`, or `out` has other units or samples.
    pub fn sample_tempered_into(&self, beta: f32, base: &[f32], out: &mut BitMatrix, streams: &Streams) {
        assert_eq!(base.len(), self.units, "a base bias for each unit");
        assert_eq!((out.units(), out.samples()), (self.units, self.samples), "shape of the drawn layer");
        let capacity = padded(self.samples);
        for_each_block(out, |panel, first, mask, words| {
            with_rows(words.len(), |rows| {
                rows.copy_from_slice(&self.rows[panel * capacity + first..][..words.len()]);
                kernels::temper(rows, &Row::ZERO, &panel_row(base, panel), beta);
                kernels::logistic_rows(rows);
                draw_block(rows, mask, words, streams, first, panel);
            });
        });
    }

    /// sum over samples, `[units]`.
    #[must_use]
    pub fn unit_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.units];
        let samples = self.samples;
        sums.par_chunks_mut(LANES).zip(self.panels()).for_each(|(sums, rows)| {
            sums.copy_from_slice(&kernels::add_up(&rows[..samples])[..sums.len()]);
        });
        sums
    }

    /// sum over units of softplus(x), `[samples]`.
    ///
    /// # Numerics
    ///
    /// Double precision from the `f32` inputs on.
    #[must_use]
    pub fn softplus_sums(&self) -> Vec<f64> {
        self.sum_over_panels(|panel, row| kernels::softplus_sum(&row.0[..self.used(panel)]))
    }

    /// The change of sum softplus(beta x + (1 - beta) base) from one inverse temperature to another, `[samples]`.
    ///
    /// # Numerics
    ///
    /// Never a difference of rounded sums: from the change of each input and the mean halfway when inputs move by
    /// less than 1/16, to 2e-7 of the sum of these moves; in double precision from the `f32` inputs on otherwise.
    ///
    /// # Panics
    ///
    /// When `base` is not `[units]`.
    #[must_use]
    pub fn softplus_gains(&self, base: &[f32], from: f64, to: f64) -> Vec<f64> {
        assert_eq!(base.len(), self.units, "a base bias for each unit");
        self.sum_over_panels(|panel, row| {
            let base = panel_row(base, panel);
            let used = self.used(panel);
            kernels::softplus_gain(&row.0[..used], &base.0[..used], from, to)
        })
    }

    fn sum_over_panels(&self, term: impl Fn(usize, &Row) -> f64 + Sync) -> Vec<f64> {
        let capacity = padded(self.samples);
        let mut sums = vec![0.0; self.samples];
        sums.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            for panel in 0..self.units.div_ceil(LANES) {
                let rows = &self.rows[panel * capacity + chunk * CHUNK..];
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum += term(panel, row);
                }
            }
        });
        sums
    }
}

/// A term of [`coactivations_into`]: `scale` times the co-activations sum_s x_s y_s' of a binary layer x and a
/// real-valued layer y.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_into};
///
/// // The mean of x y' over data minus the mean over samples of a model.
/// let x = BitMatrix::from_fn(2, 4, |unit, _| unit == 0).transposed();
/// let (data, model) = (Activations::repeated(&[0.75], 4), Activations::repeated(&[0.5], 4));
/// let terms = [
///     Coactivation { transposed: &x, y: &data, scale: 1.0 / 4.0 },
///     Coactivation { transposed: &x, y: &model, scale: -1.0 / 4.0 },
/// ];
/// let mut gradient = Matrix::zeros(2, 1);
/// coactivations_into(&terms, &mut gradient);
/// assert_eq!(gradient.as_slice(), [0.25, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Coactivation<'a> {
    /// x with units and samples exchanged, `[samples, units of x]`.
    pub transposed: &'a BitMatrix,
    /// y, `[units of y, samples]`.
    pub y: &'a Activations,
    /// What the sum is multiplied by.
    pub scale: f32,
}

/// Adds up co-activations of one pair of layers over several batches.
///
/// # Shapes
///
/// `out` is `[units of x, units of y]`; its old values are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_into};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let y = Activations::from_matrix(&Matrix::from_row_slice(1, 3, &[0.25, 0.5, 1.0]));
/// let mut out = Matrix::zeros(2, 1);
/// coactivations_into(&[Coactivation { transposed: &x.transposed(), y: &y, scale: 2.0 }], &mut out);
/// assert_eq!(out.as_slice(), [3.5, 1.0]);
/// ```
pub fn coactivations_into(terms: &[Coactivation<'_>], out: &mut Matrix) {
    let units = out.nrows();
    for Coactivation { transposed, y, .. } in terms {
        assert_eq!(transposed.units(), y.samples, "the two layers have as many samples");
        assert_eq!(out.shape(), (transposed.samples(), y.units), "shape of the co-activations");
    }
    // Blocks of equal size, so that no table is built for a few units.
    let block = units.div_ceil(units.div_ceil(BLOCK).max(1)).max(1);
    let given: Vec<Given<'_>> = terms.iter().map(|term| Given::new(term.transposed, block)).collect();
    let columns = out.as_mut_slice().par_chunks_mut((LANES * units).max(1));
    columns.enumerate().for_each(|(panel, columns)| {
        for first in (0..units).step_by(block) {
            with_rows((units - first).min(block), |rows| {
                if terms.is_empty() {
                    rows.fill(Row::ZERO);
                }
                for (n, (term, given)) in terms.iter().zip(&given).enumerate() {
                    given.accumulate(first, term.y.as_weights(panel), (term.scale, n == 0), rows);
                }
                scatter_columns(rows, first, units, columns);
            });
        }
    });
}

/// [`coactivations_into`] for the weights from the binary layer x down to the real-valued layer y.
///
/// # Shapes
///
/// `out` is `[units of y, units of x]`; its old values are lost.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{Activations, BitMatrix, Coactivation, Matrix, coactivations_down_into};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let y = Activations::from_matrix(&Matrix::from_row_slice(1, 3, &[0.25, 0.5, 1.0]));
/// let mut out = Matrix::zeros(1, 2);
/// coactivations_down_into(&[Coactivation { transposed: &x.transposed(), y: &y, scale: 2.0 }], &mut out);
/// assert_eq!(out.as_slice(), [3.5, 1.0]);
/// ```
pub fn coactivations_down_into(terms: &[Coactivation<'_>], out: &mut Matrix) {
    let (below, above) = out.shape();
    for Coactivation { transposed, y, .. } in terms {
        assert_eq!(transposed.units(), y.samples, "the two layers have as many samples");
        assert_eq!((below, above), (y.units, transposed.samples()), "shape of the co-activations");
    }
    let given: Vec<Given<'_>> = terms.iter().map(|term| Given::new(term.transposed, BLOCK)).collect();
    let mut sums = vec![Row::ZERO; below.div_ceil(LANES) * above];
    sums.par_chunks_mut(above.max(1)).enumerate().for_each(|(panel, rows)| {
        for (block, rows) in rows.chunks_mut(BLOCK).enumerate() {
            for (term, given) in terms.iter().zip(&given) {
                given.accumulate(block * BLOCK, term.y.as_weights(panel), (term.scale, false), rows);
            }
        }
    });
    out.as_mut_slice().par_chunks_mut(below.max(1)).enumerate().for_each(|(unit, column)| {
        for (panel, values) in column.chunks_mut(LANES).enumerate() {
            values.copy_from_slice(&sums[panel * above + unit].0[..values.len()]);
        }
    });
}

/// Lanes become columns, and rows become rows from `first` on, of a matrix of so many rows.
fn scatter_columns(rows: &[Row], first: usize, stride: usize, columns: &mut [f32]) {
    let shape = (rows.len(), columns.len() / stride);
    kernels::transpose((Row::numbers(rows), LANES), (&mut columns[first..], stride), shape);
}

/// Adds `scale` times the co-activation counts of two binary layers.
///
/// # Shapes
///
/// Both layers have units and samples exchanged, `[samples, units]`; `out` is `[units of x, units of y]`.
///
/// # Panics
///
/// When shapes disagree.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, add_coactivation_counts};
///
/// let x = BitMatrix::from_fn(2, 3, |unit, sample| unit == 0 || sample == 1);
/// let mut out = Matrix::zeros(2, 2);
/// add_coactivation_counts(&x.transposed(), &x.transposed(), 1.0, &mut out);
/// assert_eq!(out.as_slice(), [3.0, 1.0, 1.0, 1.0]);
/// ```
pub fn add_coactivation_counts(x: &BitMatrix, y: &BitMatrix, scale: f32, out: &mut Matrix) {
    let units = x.samples();
    assert_eq!(x.units(), y.units(), "the two layers have as many samples");
    assert_eq!(out.shape(), (units, y.samples()), "shape of the co-activations");
    let blocks = x.words_per_sample();
    out.as_mut_slice().par_chunks_mut(units.max(1)).enumerate().for_each_init(
        || vec![0_u32; units],
        |counts, (j, column)| {
            counts.fill(0);
            for block in 0..blocks {
                kernels::count_shared(x.word(block), y.word(block)[j], counts);
            }
            for (value, &count) in column.iter_mut().zip(&*counts) {
                *value += scale * count as f32;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Purpose;

    pub(super) fn weights(rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 23) as f32 / 16.0 - 0.7)
    }

    pub(super) fn states(units: usize, samples: usize) -> BitMatrix {
        BitMatrix::from_fn(units, samples, |u, s| (u * u + 3 * s + u * s) % 7 < 2)
    }

    fn close(a: &Matrix, b: &Matrix, tolerance: f32) {
        assert_eq!(a.shape(), b.shape());
        assert!((a - b).amax() <= tolerance, "differ by {}", (a - b).amax());
    }

    const SHAPES: [(usize, usize, usize); 6] =
        [(1, 1, 1), (6, 5, 3), (64, 64, 64), (70, 130, 300), (33, 65, 11), (200, 7, 513)];

    #[test]
    fn oracle_inputs_equal_dense_products() {
        for (below, above, samples) in SHAPES {
            let (w, x, y) = (weights(below, above), states(below, samples), states(above, samples));
            let (a, b) = (vec![0.3; below], vec![-0.2; above]);
            let up = LayerUpdate::new(&b).given(&Coupling::up(&w), &x).inputs().to_matrix();
            close(&up, &(w.tr_mul(&x.to_matrix()).add_scalar(-0.2)), 2e-4);
            let down = LayerUpdate::new(&a).given(&Coupling::down(&w), &y).inputs().to_matrix();
            close(&down, &((&w * y.to_matrix()).add_scalar(0.3)), 2e-4);
        }
    }

    #[test]
    fn oracle_two_neighbours_and_temperatures() {
        let (w1, w2) = (weights(70, 40), weights(40, 90));
        let (x0, x2) = (states(70, 20), states(90, 20));
        let (bias, base) = (vec![0.5; 40], vec![-1.5; 40]);
        let (up, down) = (Coupling::up(&w1), Coupling::down(&w2));
        let plain = w1.tr_mul(&x0.to_matrix()) + &w2 * x2.to_matrix();
        let betas: Vec<f32> = (0..20).map(|s| s as f32 / 19.0).collect();
        let update = LayerUpdate::new(&bias).given(&up, &x0).given(&down, &x2);
        let each = update.tempered(Beta::Each(&betas), Some(&base)).inputs().to_matrix();
        let expected = Matrix::from_fn(40, 20, |j, s| betas[s] * (plain[(j, s)] + 0.5) + (1.0 - betas[s]) * -1.5);
        close(&each, &expected, 1e-4);
        let same = update.tempered(Beta::Same(betas[7]), Some(&base)).inputs().to_matrix();
        assert_eq!(same.column(7), each.column(7));
    }

    #[test]
    fn oracle_coactivations_equal_dense_products() {
        for (below, above, samples) in SHAPES {
            let (x, y) = (states(below, samples), states(above, samples));
            let mut counts = Matrix::from_element(below, above, 1.0);
            add_coactivation_counts(&x.transposed(), &y.transposed(), 0.5, &mut counts);
            close(&counts, &((x.to_matrix() * y.to_matrix().transpose() * 0.5).add_scalar(1.0)), 1e-6);
            let means = weights(above, samples);
            let (more, others) = (states(below, 2 * samples + 1), weights(above, 2 * samples + 1));
            let mut sums = Matrix::from_element(below, above, 7.0);
            let term = |transposed, y, scale| Coactivation { transposed, y, scale };
            let (xt, mt) = (x.transposed(), more.transposed());
            let (means_y, others_y) = (Activations::from_matrix(&means), Activations::from_matrix(&others));
            coactivations_into(&[term(&xt, &means_y, 0.5), term(&mt, &others_y, -1.0)], &mut sums);
            let expected = x.to_matrix() * means.transpose() * 0.5 - more.to_matrix() * others.transpose();
            close(&sums, &expected, 4e-3);
            let mut down = Matrix::from_element(above, below, 7.0);
            coactivations_down_into(&[term(&xt, &means_y, 0.5), term(&mt, &others_y, -1.0)], &mut down);
            close(&down, &expected.transpose(), 4e-3);
        }
    }

    #[test]
    fn oracle_scores_and_log_probabilities_equal_their_definition() {
        for (units, _, samples) in SHAPES {
            let (inputs, x) = (weights(units, samples) * 5.0, states(units, samples));
            let mut scores = Activations::from_matrix(&inputs);
            let log_prob = scores.score(&x);
            for (s, found) in log_prob.iter().enumerate() {
                let term =
                    |u: usize| -crate::softplus(f64::from(if x.get(u, s) { -inputs[(u, s)] } else { inputs[(u, s)] }));
                let expected: f64 = (0..units).map(term).sum();
                assert!((found - expected).abs() < 1e-6 * units as f64, "{found} against {expected}");
            }
            close(&scores.to_matrix(), &(x.to_matrix() - inputs.map(crate::logistic)), 0.0);
        }
    }

    #[test]
    fn oracle_selecting_repeating_scaling_and_summing_samples() {
        let values = weights(70, 6);
        let all = Activations::from_matrix(&values);
        close(&all.select(&[5, 0, 0]).to_matrix(), &values.select_columns(&[5, 0, 0]), 0.0);
        close(&Activations::repeated(values.column(2).as_slice(), 4).to_matrix(), &values.select_columns(&[2; 4]), 0.0);
        let mut scaled = all.clone();
        scaled.scale_samples(&[0.0, 1.0, 2.0, -1.0, 0.5, 3.0]);
        close(&scaled.to_matrix().columns(4, 1).into_owned(), &(values.columns(4, 1) * 0.5), 0.0);
        let sums = Matrix::from_fn(70, 2, |u, g| (0..3).map(|s| values[(u, 3 * g + s)]).sum());
        close(&all.sum_neighbours(3).to_matrix(), &sums, 1e-6);
    }

    #[test]
    fn law_drawing_equals_drawing_from_means() {
        let (w, x) = (weights(70, 130), states(70, 300));
        let coupling = Coupling::up(&w);
        let (bias, base) = (vec![0.1; 130], vec![0.4; 130]);
        let update = LayerUpdate::new(&bias).given(&coupling, &x);
        let streams = Streams::new(3).fork(Purpose::Test, 1);
        let [mut direct, mut from_means, mut from_inputs] = std::array::from_fn(|_| BitMatrix::zeros(130, 300));
        update.sample_into(&mut direct, &streams);
        update.means().sample_into(&mut from_means, &streams);
        update.inputs().sample_tempered_into(1.0, &base, &mut from_inputs, &streams);
        assert_eq!(direct, from_means);
        assert_eq!(direct, from_inputs);
    }

    #[test]
    fn stable_draws_do_not_depend_on_threads() {
        let (w, x) = (weights(70, 130), states(70, 1000));
        let coupling = Coupling::up(&w);
        let bias = vec![0.1; 130];
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut out = BitMatrix::zeros(130, 1000);
                let streams = Streams::new(3).fork(Purpose::Test, 1);
                LayerUpdate::new(&bias).given(&coupling, &x).sample_into(&mut out, &streams);
                out
            })
        };
        let one = draw(1);
        assert_eq!(one, draw(2));
        assert_eq!(one, draw(5));
        assert_eq!(one.words().iter().fold(0_u64, |hash, w| hash.rotate_left(7) ^ w), STABLE);
    }

    const STABLE: u64 = 10_710_189_744_758_990_966;

    /// How far a count of draws lies from its expectation, in standard deviations.
    fn deviations(ones: u64, mean: f32, draws: usize) -> f64 {
        let expected = f64::from(mean) * draws as f64;
        let spread = (expected * (1.0 - f64::from(mean))).sqrt();
        (ones as f64 - expected).abs() / spread.max(1e-9 * expected).max(f64::MIN_POSITIVE)
    }

    /// Six standard deviations keep the false alarm rate of a mean below 1e-8.
    const ALLOWED: f64 = 6.0;

    #[test]
    fn stat_mean_draws_follow_means_of_any_size() {
        let means = [0.5, 0.1, 1.0 / 3.0, 0.999, 1.0 / 65_536.0, 1.5 / 65_536.0, 0.3 / 65_536.0, 1.0, 0.0];
        for (case, &mean) in means.iter().enumerate() {
            let draws = 1 << if mean < 0.001 { 25 } else { 20 };
            let batch = Activations::from_matrix(&Matrix::from_element(64, draws / 64, mean));
            let mut out = BitMatrix::zeros(64, draws / 64);
            batch.sample_into(&mut out, &Streams::new(case as u64).fork(Purpose::Test, 0));
            let deviations = deviations(out.ones(), mean, draws);
            assert!(deviations <= ALLOWED, "mean {mean}: {} of {draws}, {deviations} deviations", out.ones());
        }
    }

    #[test]
    fn planted_mean_draws_from_sixteen_digits_alone_are_found_out() {
        let (mean, draws) = (0.3 / 65_536.0, 1 << 25);
        let mut stream = Streams::new(6).fork(Purpose::Test, 0).stream(0);
        let (rows, mut words, mut ties) = ([Row([mean; LANES]); CHUNK], [0; CHUNK], [0; CHUNK]);
        let mut random = [[0_u16; LANES]; CHUNK];
        let mut ones = 0;
        for _ in 0..draws / (LANES * CHUNK) {
            stream.fill(random.as_flattened_mut());
            kernels::draw(&rows, &random, &mut words, &mut ties);
            ones += words.iter().map(|w| u64::from(w.count_ones())).sum::<u64>();
        }
        assert!(deviations(ones, mean, draws) > ALLOWED);
    }

    #[test]
    fn table_empty_batches_are_fine() {
        let coupling = Coupling::up(&weights(5, 3));
        let none = BitMatrix::zeros(5, 0);
        let update = LayerUpdate::new(&[0.0; 3]).given(&coupling, &none);
        assert_eq!(update.means().to_matrix().ncols(), 0);
        update.sample_into(&mut BitMatrix::zeros(3, 0), &Streams::new(0));
        assert_eq!(update.inputs().softplus_sums(), [0.0; 0]);
        let mut out = Matrix::zeros(5, 3);
        let (transposed, y) = (&none.transposed(), &Activations::zeros(3, 0));
        coactivations_into(&[Coactivation { transposed, y, scale: 1.0 }], &mut out);
        assert_eq!(out.sum(), 0.0);
    }
}
