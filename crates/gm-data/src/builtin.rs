//! The built-in data sets: digits, bars and stripes, and the shifter.

use std::path::Path;

use gm_core::{BitMatrix, Purpose, Streams};
use rand::Rng;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::idx;
use crate::spec::DataSpec;
use crate::split::{Levels, Split, Values};

const DIGITS: &[u8] = include_bytes!("../assets/digits-images-idx3-ubyte.gz");
const DIGITS_LABELS: &[u8] = include_bytes!("../assets/digits-labels-idx1-ubyte.gz");

/// The largest number of bits for which all rows of the shifter are enumerated.
pub(super) const SHIFTER_WHOLE: usize = 12;

/// Number of rows of a larger shifter. Every sixth is for validation, and another sixth for the test.
const SHIFTER_DRAWN: usize = 18_000;

pub(super) fn load(spec: &DataSpec) -> Result<Dataset> {
    let rows = rows(spec)?;
    match spec {
        DataSpec::Digits => Dataset::every_sixth(spec.to_string(), &rows),
        DataSpec::Shifter(bits) if *bits > SHIFTER_WHOLE => Dataset::every_sixth(spec.to_string(), &rows),
        _ => Dataset::new(spec.to_string(), rows.clone(), rows.clone(), rows),
    }
}

/// All rows, before they are split.
pub(super) fn rows(spec: &DataSpec) -> Result<Split> {
    match spec {
        DataSpec::BarsAndStripes(side) => bars_and_stripes(*side),
        DataSpec::Shifter(bits) => shifter(*bits),
        _ => digits(),
    }
}

fn digits() -> Result<Split> {
    let damaged = Error::file(Path::new("built-in digits"));
    let (images, labels) = (idx::decode(DIGITS), idx::decode(DIGITS_LABELS));
    let (images, labels) = images.and_then(|images| Ok((images, labels?))).map_err(damaged)?;
    let labels = labels.data.into_iter().map(u16::from).collect();
    Split::new(Values::Levels(Levels::new(64, 16, images.data)?), Some(labels))?.with_image(8, 8)
}

fn bars_and_stripes(side: usize) -> Result<Split> {
    let half = 1 << side;
    let bits = BitMatrix::from_fn(side * side, 2 * half, |unit, sample| {
        let line = if sample < half { unit % side } else { unit / side };
        (sample % half) >> line & 1 == 1
    });
    let labels = (0..2 * half).map(|sample| u16::from(sample >= half)).collect();
    Split::new(Values::Bits(bits), Some(labels))?.with_image(side, side)
}

fn shifter(n: usize) -> Result<Split> {
    let whole = n <= SHIFTER_WHOLE;
    let samples = if whole { 3 << n } else { SHIFTER_DRAWN };
    let mut stream = Streams::new(0).fork(Purpose::Synthesise, n as u64).stream(0);
    let mut bits = BitMatrix::zeros(2 * n + 3, samples);
    let mut labels = Vec::with_capacity(samples);
    let mut pattern = vec![0; n.div_ceil(8)];
    for sample in 0..samples {
        let shift = if whole {
            (0..n).for_each(|i| pattern[i / 8] = ((sample / 3) >> (i / 8 * 8)) as u8);
            sample % 3
        } else {
            stream.fill_bytes(&mut pattern);
            ((u64::from(stream.next_u32()) * 3) >> 32) as usize
        };
        let on = |unit: usize| pattern[unit / 8] >> (unit % 8) & 1 == 1;
        for unit in 0..n {
            bits.set(unit, sample, on(unit));
            // Left: unit i copies i + 1; right: unit i copies i - 1.
            bits.set(n + unit, sample, on((unit + n + 1 - shift) % n));
        }
        bits.set(2 * n + shift, sample, true);
        labels.push(shift as u16);
    }
    Split::new(Values::Bits(bits), Some(labels))
}
