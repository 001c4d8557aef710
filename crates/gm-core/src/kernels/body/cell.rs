//! The cells of a table: partial sums in single precision and in fixed point.

use crate::kernels::{Cell, HALF, Half, LANES, PART, Part, Row, Steps};

impl Cell for Part {
    type Row = Row;

    const PARTS: usize = LANES / PART;

    const ZERO: Self = Self([0.0; PART]);

    #[inline(always)]
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], scale: f32) {
        let weight = |input: usize, unit: usize| scale * weights[input].0[unit];
        build(PART, weight, |x, y| x + y, |inputs, unit, sum| sums[inputs].0[unit] = sum);
    }

    #[inline(always)]
    fn plus(self, other: &Self) -> Self {
        Self(add(self.0, &other.0))
    }

    #[inline(always)]
    fn end<const FIRST: bool>(self, row: &mut Row, part: usize) {
        row.set_part(part, if FIRST { self.0 } else { add(row.part(part), &self.0) });
    }
}

impl Cell for Half {
    type Row = Steps;

    const PARTS: usize = LANES / HALF;

    const ZERO: Self = Self([0; HALF]);

    #[inline(always)]
    fn build(sums: &mut [Self; 16], weights: [&Self; 4], _: f32) {
        let weight = |input: usize, unit: usize| weights[input].0[unit];
        build(HALF, weight, i16::wrapping_add, |inputs, unit, sum| sums[inputs].0[unit] = sum);
    }

    #[inline(always)]
    fn plus(mut self, other: &Self) -> Self {
        for lane in 0..HALF {
            self.0[lane] = self.0[lane].wrapping_add(other.0[lane]);
        }
        self
    }

    #[inline(always)]
    fn end<const FIRST: bool>(self, row: &mut Steps, part: usize) {
        for (sum, steps) in row.0.as_chunks_mut::<HALF>().0[part].iter_mut().zip(self.0) {
            *sum = if FIRST { 0 } else { *sum } + i32::from(steps);
        }
    }
}

/// Partial sums of four inputs, unit by unit; input 0 belongs to bit 0 and is added last. The sum of no input stays
/// zero.
#[inline(always)]
fn build<T: Copy>(
    units: usize,
    weight: impl Fn(usize, usize) -> T,
    add: impl Fn(T, T) -> T,
    mut set: impl FnMut(usize, usize, T),
) {
    for unit in 0..units {
        let (a, b, c, d) = (weight(0, unit), weight(1, unit), weight(2, unit), weight(3, unit));
        let (cb, db, dc) = (add(c, b), add(d, b), add(d, c));
        let dcb = add(dc, b);
        set(1, unit, a);
        for (inputs, others) in [(2, b), (4, c), (6, cb), (8, d), (10, db), (12, dc), (14, dcb)] {
            set(inputs, unit, others);
            set(inputs + 1, unit, add(others, a));
        }
    }
}

#[inline(always)]
pub(super) fn add(mut a: [f32; PART], b: &[f32; PART]) -> [f32; PART] {
    for lane in 0..PART {
        a[lane] += b[lane];
    }
    a
}

impl Row {
    #[inline(always)]
    fn part(&self, part: usize) -> [f32; PART] {
        self.0.as_chunks::<PART>().0[part]
    }

    #[inline(always)]
    fn set_part(&mut self, part: usize, values: [f32; PART]) {
        self.0.as_chunks_mut::<PART>().0[part] = values;
    }
}
