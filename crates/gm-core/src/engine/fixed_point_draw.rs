//! Draws from weights in fixed point.
//!
//! Rounding moves a mean by at most a known amount. A random number outside that range decides the draw. Within the
//! range, for less than one draw in a hundred, the inputs are added up from the original weights. Both ways give the
//! same bits.

use std::cell::RefCell;
use std::cmp::Ordering;

use rand::RngExt;

use super::coupling::Coupling;
use super::draw::{CHUNK, DRAWN, continue_draw, stream_of};
use super::given::Given;
use super::layer::{Beta, LayerUpdate};
use super::panel::{GROUP, panel_row};
use super::rows::with_rows;
use crate::kernels::{self, ADDED, GROUPS, LANES, PART, Rough, Row, Steps, TILE};
use crate::streams::{Stream, Streams};

/// The greatest error of an input at which draws use weights in fixed point. At worst, with all means one half, one
/// draw in eight is undecided; inputs that large usually have means farther from one half.
const GREATEST_DOUBT: f32 = 0.25;

/// With fewer samples, draws from fixed point cost more than they save.
const MANY: usize = 32;

thread_local! {
    static STEPS: RefCell<Vec<Steps>> = const { RefCell::new(Vec::new()) };
}

/// Draws of a panel from weights in fixed point. The bits are the same as from the original weights.
pub(super) struct FixedDraw<'a> {
    update: &'a LayerUpdate<'a>,
    panel: usize,
    rough: Rough,
    /// The greatest error of means when weights are added in another order, as in [`Rough`].
    digits: Row,
    least: Row,
}

/// The number of roundings in a sum of weights, for both orders of addition together. The greatest sum bounds each
/// rounded number. The agreed order rounds sums of four inputs, of the groups of a tile and of the tiles. The other
/// order rounds sums of sixteen inputs side by side, of the tiles that are added at a time, of these sums, and of
/// sixteen numbers at the end.
fn roundings(tiles: usize) -> usize {
    let (in_order, in_parts) = (GROUP + GROUPS + tiles, ADDED * TILE / PART + tiles.div_ceil(ADDED) + PART);
    in_order + in_parts
}

impl<'a> FixedDraw<'a> {
    /// `None` if there are few samples, if a neighbour has no weights in fixed point, or if too many draws would be
    /// undecided.
    pub(super) fn new(update: &'a LayerUpdate<'a>, panel: usize, samples: usize) -> Option<Self> {
        if samples < MANY {
            return None;
        }
        let (mut error, mut greatest, mut sums, mut step) = (Row::ZERO, Row::ZERO, 32, Row::ZERO);
        for (coupling, _) in update.neighbours.iter().flatten() {
            let fixed = coupling.fixed.get(panel)?;
            step = fixed.step;
            sums += roundings(fixed.inputs.div_ceil(TILE));
            for lane in 0..LANES {
                error.0[lane] += 1.001 * fixed.error.0[lane];
                greatest.0[lane] += fixed.greatest.0[lane];
            }
        }
        let bias = panel_row(update.bias, panel);
        let base = update.base.map_or(Row::ZERO, |base| panel_row(base, panel));
        let hottest = match update.beta {
            Beta::Same(beta) => beta.abs().max(1.0),
            Beta::Each(betas) => betas.iter().fold(1.0, |most: f32, beta| most.max(beta.abs())),
        };
        // Each sum, in either order, has an error of at most half a unit in the last place.
        let per_sum = sums as f32 * f32::EPSILON / 2.0;
        let doubt = Row(std::array::from_fn(|lane| {
            hottest * per_sum * (greatest.0[lane] + bias.0[lane].abs() + base.0[lane].abs())
        }));
        let of_steps = Row(std::array::from_fn(|lane| hottest * error.0[lane] + doubt.0[lane]));
        let shift = Row(std::array::from_fn(|lane| bias.0[lane] - base.0[lane]));
        let certain = of_steps.0.iter().all(|&doubt| doubt <= GREATEST_DOUBT);
        let ([more, at_least], [digits, least]) = (kernels::digits_off(&of_steps), kernels::digits_off(&doubt));
        let rough = Rough { step, shift, base, digits: more, least: at_least };
        certain.then_some(Self { update, panel, rough, digits, least })
    }

    /// Draws 64 units of each sample of a block.
    pub(super) fn draw_block(
        &self,
        given: &[Option<(&Coupling, Given<'_>)>; 2],
        first: usize,
        mask: u64,
        words: &mut [u64],
        streams: &Streams,
    ) {
        let samples = words.len();
        let of_other = if given[1].is_some() { samples } else { 0 };
        STEPS.with_borrow_mut(|sums| {
            sums.resize(samples, Steps::ZERO);
            with_rows(of_other, |others| {
                let mut before = None;
                for (coupling, states) in given.iter().flatten() {
                    let panel = &coupling.fixed[self.panel];
                    if let Some(step) = before.replace(&panel.step) {
                        kernels::scale_steps(sums, step, others);
                    }
                    states.steps_into(first, panel, sums);
                }
                let blocks = sums.chunks(DRAWN).zip(words.chunks_mut(DRAWN)).enumerate();
                for (number, (sums, words)) in blocks {
                    let others = others.get(number * DRAWN..).unwrap_or_default();
                    let first = first + number * DRAWN;
                    self.draw(first, (sums, others), mask, words, &mut stream_of(streams, first, self.panel));
                }
            });
        });
    }

    /// Draws with one stream. The bits are the same as those of [`draw_block`](super::draw::draw_block), which compares
    /// with the means themselves.
    fn draw(&self, first: usize, sums: (&[Steps], &[Row]), mask: u64, words: &mut [u64], stream: &mut Stream) {
        let mut random = [[0_u16; LANES]; CHUNK];
        let mut open = [0_u64; CHUNK];
        for (number, (steps, words)) in sums.0.chunks(CHUNK).zip(words.chunks_mut(CHUNK)).enumerate() {
            let (count, others) = (words.len(), sums.1.get(number * CHUNK..).unwrap_or_default());
            let first = first + number * CHUNK;
            stream.fill(random[..count].as_flattened_mut());
            self.draw_chunk(first, (steps, others), &random[..count], words, &mut open);
            for (sample, word) in words.iter_mut().enumerate() {
                let mut open = open[sample] & mask;
                while open != 0 {
                    let lane = open.trailing_zeros() as usize;
                    *word |= u64::from(self.decide(lane, first + sample, random[sample][lane], stream)) << lane;
                    open &= open - 1;
                }
                *word &= mask;
            }
        }
    }

    /// Makes the draws that are certain and reports the others in `open`.
    fn draw_chunk(
        &self,
        first: usize,
        (steps, others): (&[Steps], &[Row]),
        random: &[[u16; LANES]],
        words: &mut [u64],
        open: &mut [u64],
    ) {
        match self.update.beta {
            Beta::Same(beta) => kernels::draw_roughly((steps, others), (&self.rough, beta), random, words, open),
            Beta::Each(betas) => {
                for (s, &beta) in betas[first..][..words.len()].iter().enumerate() {
                    let one = s..s + 1;
                    let sums = (&steps[one.clone()], others.get(one.clone()).unwrap_or_default());
                    let (words, open) = (&mut words[one.clone()], &mut open[one.clone()]);
                    kernels::draw_roughly(sums, (&self.rough, beta), &random[one], words, open);
                }
            }
        }
    }

    /// Decides an undecided unit: true if the random number with these first 16 digits lies below the mean.
    fn decide(&self, lane: usize, sample: usize, digits: u16, stream: &mut Stream) -> bool {
        let unit = self.panel * LANES + lane;
        let inputs = self.inputs_of(unit, sample);
        let sum = inputs.clone().map(|(words, stride, weights)| kernels::add_in_parts(words, stride, weights)).sum();
        let mean = self.mean_of(unit, sample, sum);
        let (low, high) = kernels::reach(mean, self.digits.0[lane], self.least.0[lane]);
        if !(low..=high).contains(&i32::from(digits)) {
            return i32::from(digits) < low;
        }
        let sum = inputs.fold(0.0, |sum, (words, stride, weights)| kernels::add_in_order(words, stride, weights, sum));
        let mean = self.mean_of(unit, sample, sum);
        match u32::from(digits).cmp(&((mean * 65_536.0) as u32)) {
            Ordering::Less => true,
            Ordering::Equal => continue_draw(mean, stream),
            Ordering::Greater => false,
        }
    }

    /// The mean of one unit of a sample given the sum over its neighbours.
    fn mean_of(&self, unit: usize, sample: usize, sum: f32) -> f32 {
        let base = self.update.base.map_or(0.0, |base| base[unit]);
        let beta = match self.update.beta {
            Beta::Same(beta) => beta,
            Beta::Each(betas) => betas[sample],
        };
        kernels::logistic_one(kernels::temper_one(sum, self.update.bias[unit], base, beta))
    }

    /// The inputs of a sample from each neighbour as (words, stride, weights to the unit); one word in `stride` belongs
    /// to the sample.
    fn inputs_of(
        &self,
        unit: usize,
        sample: usize,
    ) -> impl Iterator<Item = (&'a [u64], usize, &'a [[f32; TILE]])> + Clone {
        self.update.neighbours.into_iter().flatten().map(move |(coupling, states)| {
            let (tiles, panel) = (states.words_per_sample(), &coupling.fixed[unit / LANES]);
            let weights = &panel.by_unit[unit % LANES * tiles..][..tiles];
            (&states.words()[sample..], states.samples(), weights)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{states, weights};
    use super::*;
    use crate::bits::BitMatrix;
    use crate::streams::Purpose;

    /// True if two forms of the weights give the same draws of a layer of 130 units between layers of 200 and of 70.
    fn drawn_alike(scale: f32, samples: usize, beta: Beta<'_>, changed: impl Fn(&mut Coupling)) -> bool {
        let (w1, w2) = (weights(200, 130) * scale, weights(130, 70) * scale);
        let (x, y) = (states(200, samples), states(70, samples));
        let (bias, base) = (vec![-0.3; 130], vec![0.4; 130]);
        let drawn = |below: &Coupling, above: &Coupling| {
            let mut out = BitMatrix::zeros(130, samples);
            let update = LayerUpdate::new(&bias).given(below, &x).given(above, &y).tempered(beta, Some(&base));
            update.sample_into(&mut out, &Streams::new(3).fork(Purpose::Test, 1));
            out
        };
        let (below, above) = (Coupling::up(&w1), Coupling::down(&w2));
        let plain = drawn(&below, &above);
        let [mut below, mut above] = [below, above].map(Coupling::for_draws);
        let update = LayerUpdate::new(&bias).given(&below, &x).given(&above, &y);
        assert_eq!(FixedDraw::new(&update, 0, samples.max(32)).is_some(), scale < 0.5, "both forms are tested");
        [&mut below, &mut above].into_iter().for_each(changed);
        plain == drawn(&below, &above)
    }

    #[test]
    fn law_draws_from_fixed_point_keep_their_bits() {
        for scale in [0.0, 0.01, 0.1, 0.3, 40.0, f32::MAX] {
            for (samples, beta) in [(31, 1.0), (32, 0.3), (300, 1.0), (1100, -0.7)] {
                assert!(drawn_alike(scale, samples, Beta::Same(beta), |_| {}), "scale {scale}, {samples} samples");
            }
        }
        let betas: Vec<f32> = (0..700).map(|sample| sample as f32 / 700.0).collect();
        assert!(drawn_alike(0.1, 700, Beta::Each(&betas), |_| {}));
    }

    #[test]
    fn planted_rounding_outside_the_bound_is_found_out() {
        assert!(!drawn_alike(0.1, 1100, Beta::Same(1.0), |coupling| {
            let halves = coupling.fixed.iter_mut().flat_map(|panel| &mut panel.halves);
            halves.for_each(|half| half.0.iter_mut().for_each(|steps| *steps &= !63));
        }));
    }

    #[test]
    fn planted_undecided_draws_from_other_weights_are_found_out() {
        assert!(!drawn_alike(0.1, 1100, Beta::Same(1.0), |coupling| {
            let by_unit = coupling.fixed.iter_mut().flat_map(|panel| &mut panel.by_unit);
            by_unit.for_each(|weights| weights.iter_mut().for_each(|weight| *weight += 0.01));
        }));
    }

    #[test]
    fn law_changed_weights_reach_the_fixed_point_form() {
        let (old, new) = (weights(70, 130) * 0.1, weights(70, 130) * -0.2);
        let mut coupling = Coupling::up(&old).for_draws();
        coupling.refresh(&new);
        let drawn = |coupling: &Coupling| {
            let mut out = BitMatrix::zeros(130, 64);
            let x = states(70, 64);
            LayerUpdate::new(&[0.0; 130]).given(coupling, &x).sample_into(&mut out, &Streams::new(3));
            out
        };
        assert_eq!(drawn(&coupling), drawn(&Coupling::up(&new)));
        assert_ne!(drawn(&coupling), drawn(&Coupling::up(&old)));
    }
}
