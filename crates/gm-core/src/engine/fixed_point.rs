//! Weights in fixed point: integers of 16 bits times a step for each unit.
//!
//! Integers of 16 bits are added for twice as many units at a time as numbers of 32 bits. Draws from them are exact
//! where a bound on the rounding decides the draw; see [`FixedDraw`](super::fixed_point_draw::FixedDraw).

use super::panel::{GROUP, padded};
use crate::kernels::{self, GROUPS, HALF, Half, PART, Part, Row, TILE, Tile};

/// The greatest sum of a tile in steps. Rounding may exceed it a little, within 16 bits.
const GREATEST_SUM: f32 = 32_000.0;

/// The weights of all inputs to the units of a panel in fixed point, with a step for each unit.
#[derive(Clone, Debug)]
pub(super) struct FixedPanel {
    pub(super) inputs: usize,
    /// The number of parts of 16 units that are in use.
    used: usize,
    /// Tile by tile the used halves, each with the weights of all inputs of the tile.
    pub(super) halves: Vec<Half>,
    /// The step of each unit.
    pub(super) step: Row,
    /// The greatest change of a sum by rounding to fixed point, over all sets of inputs.
    pub(super) error: Row,
    /// The greatest magnitude of a sum of weights over all sets of inputs. It is infinite if a weight is not finite.
    pub(super) greatest: Row,
    /// The original weights, ordered by unit: all inputs of a unit lie next to each other.
    pub(super) by_unit: Vec<[f32; TILE]>,
}

impl FixedPanel {
    pub(super) fn new(inputs: usize, used: usize) -> Self {
        let rows = padded(inputs);
        let halves = vec![Half([0; HALF]); (used * PART).div_ceil(HALF) * rows];
        let [step, error, greatest] = [Row::ZERO; 3];
        let by_unit = vec![[0.0; TILE]; used * PART * inputs.div_ceil(TILE)];
        Self { inputs, used, halves, step, error, greatest, by_unit }
    }

    pub(super) fn tiles(&self) -> impl Iterator<Item = Tile<'_, Half>> {
        let used = (self.used * PART).div_ceil(HALF);
        (0..self.inputs).step_by(TILE).map(move |first| {
            let groups = (self.inputs - first).div_ceil(GROUP).min(GROUPS);
            let (parts, of_part) = (&self.halves[first * used..], groups * GROUP);
            Tile { parts, of_part, of_input: 1, groups, used, scale: 1.0, first: first == 0 }
        })
    }

    /// Replaces the weights by those of a panel, in the order of [`Order::Parts`](super::panel::Order::Parts).
    pub(super) fn fill(&mut self, parts: &[Part]) {
        let [mut widest, mut positive, mut magnitude] = [Row::ZERO; 3];
        for (first, _, weights) in by_part(parts, self.used) {
            let [on, all] = kernels::magnitudes(weights);
            for (unit, lane) in (first..).zip(0..PART) {
                widest.0[unit] = widest.0[unit].max(on.0[lane]).max(all.0[lane] - on.0[lane]);
                positive.0[unit] += on.0[lane];
                magnitude.0[unit] += all.0[lane];
            }
        }
        self.greatest = Row(std::array::from_fn(|unit| match (positive.0[unit], magnitude.0[unit]) {
            (on, all) if all.is_finite() => on.max(all - on),
            _ => f32::INFINITY,
        }));
        // Tiny weights are rounded to zero, so that the step and its inverse are normal numbers.
        self.step = Row(widest.0.map(|sum| if sum > 1e-30 { sum / GREATEST_SUM } else { 0.0 }));
        self.round(parts);
    }

    /// Rounds the weights to fixed point.
    fn round(&mut self, parts: &[Part]) {
        let (tiles, halves) = (self.inputs.div_ceil(TILE), (self.used * PART).div_ceil(HALF));
        let [mut above, mut below] = [Row::ZERO; 2];
        for (first, input, weights) in by_part(parts, self.used) {
            let cells = &mut self.halves[input * halves + first / HALF * weights.len()..][..weights.len()];
            let errors = kernels::round_to_steps(
                weights,
                &Row::parts(std::slice::from_ref(&self.step))[first / PART],
                first % HALF,
                cells,
            );
            for (unit, lane) in (first..).zip(0..PART) {
                above.0[unit] += errors[0].0[lane];
                below.0[unit] += errors[1].0[lane];
            }
            let by_unit = &mut self.by_unit.as_flattened_mut()[first * tiles * TILE + input..];
            kernels::transpose((Part::numbers(weights), PART), (by_unit, tiles * TILE), (weights.len(), PART));
        }
        self.error = Row(std::array::from_fn(|unit| above.0[unit].max(below.0[unit])));
    }
}

/// The parts of a panel's tiles: (first unit, first input, weights of the tile's inputs).
fn by_part(parts: &[Part], used: usize) -> impl Iterator<Item = (usize, usize, &[Part])> {
    parts.chunks(used * TILE).enumerate().flat_map(move |(tile, parts)| {
        let of_part = parts.chunks(parts.len() / used).enumerate();
        of_part.map(move |(part, weights)| (part * PART, tile * TILE, weights))
    })
}
