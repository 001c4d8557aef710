//! Every instruction set gives the same bits as a plain reference.

use rand_chacha::rand_core::Rng;

use super::find::find_on;
use super::*;
use crate::streams::{Purpose, Stream, Streams};

fn stream(case: u64) -> Stream {
    Streams::new(case).fork(Purpose::Test, 0).stream(0)
}

fn uniform(stream: &mut Stream) -> f32 {
    (stream.next_u32() >> 8) as f32 / 16_777_216.0
}

fn rows(count: usize, scale: f32, stream: &mut Stream) -> Vec<Row> {
    (0..count).map(|_| Row(std::array::from_fn(|_| scale * (uniform(stream) - 0.5)))).collect()
}

/// The order of summation that the kernel promises, unit by unit.
fn accumulate_plainly(word: u64, tile: &[Row], scale: f32, lane: usize, before: f32) -> f32 {
    let mut sum = 0.0;
    for (group, rows) in tile.chunks(4).enumerate() {
        let mut partial = 0.0;
        for (input, row) in rows.iter().enumerate().rev() {
            if word >> (4 * group + input) & 1 == 1 {
                partial += scale * row.0[lane];
            }
        }
        sum += partial;
    }
    before + sum
}

/// Words of `inputs` inputs with every number of groups that look up a sum, in mixed order.
fn words(samples: usize, inputs: usize, stream: &mut Stream) -> Vec<u64> {
    let mask = if inputs == 64 { u64::MAX } else { (1 << inputs) - 1 };
    let mut thinned = |times: usize| (0..times).fold(u64::MAX, |word, _| word & stream.next_u64());
    (0..samples).map(|sample| mask & if sample % 7 == 3 { 0 } else { thinned(sample % 6) }).collect()
}

/// Rows as the weights of a tile, for units in `used` parts.
fn tile(rows: &[Row], used: usize, scale: f32) -> Tile<'_> {
    let parts = LANES / PART;
    let groups = rows.len() / 4;
    Tile { parts: Row::parts(rows), of_part: 1, of_input: parts, groups, used, scale, first: false }
}

#[test]
fn oracle_accumulate_on_every_instruction_set() {
    for (case, samples) in [0, 1, 9, 33, 200, BLOCK].into_iter().enumerate() {
        for (inputs, used, scale) in [(64, 4, 1.0), (64, 1, -0.3), (20, 3, 0.7)] {
            let mut stream = stream(case as u64);
            let weights = rows(inputs, 3.0, &mut stream);
            let words = words(samples, inputs, &mut stream);
            let start = rows(samples, 1.0, &mut stream);
            for set in InstructionSet::available() {
                let (mut table, mut lookups) = (empty_table(), Lookups::NONE);
                find_on(set, &words, &mut lookups);
                for first in [false, true] {
                    let (mut sums, mut few) = (start.clone(), start.clone());
                    let tile = Tile { first, ..tile(&weights, used, scale) };
                    accumulate_on(set, &words, &lookups, tile, &mut table, &mut sums);
                    accumulate_few_on(set, &words, tile, &mut few);
                    assert_eq!(sums, few, "{set:?}");
                    for (s, sum) in sums.iter().enumerate() {
                        for lane in 0..LANES {
                            let weights = if lane / PART < used { &weights[..] } else { &[] };
                            let before = if first { 0.0 } else { start[s].0[lane] };
                            let expected = accumulate_plainly(words[s], weights, scale, lane, before);
                            assert_eq!(sum.0[lane].to_bits(), expected.to_bits(), "{set:?} sample {s} lane {lane}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn oracle_accumulate_steps_on_every_instruction_set() {
    for (samples, inputs, used) in [(1, 64, 2), (33, 64, 1), (200, 20, 2), (BLOCK, 64, 2)] {
        let mut stream = stream(samples as u64);
        let mut weight = || (stream.next_u32() % 999) as i16 - 499;
        let weights: Vec<Half> = (0..2 * inputs).map(|_| Half(std::array::from_fn(|_| weight()))).collect();
        let words = words(samples, inputs, &mut stream);
        let groups = inputs / 4;
        for set in InstructionSet::available() {
            let (mut table, mut lookups) = (empty_table(), Lookups::NONE);
            find_on(set, &words, &mut lookups);
            for (first, before) in [(false, 7), (true, 0)] {
                let tile = Tile { parts: &weights, of_part: inputs, of_input: 1, groups, used, scale: 1.0, first };
                let mut sums = vec![Steps([7; LANES]); samples];
                accumulate_steps_on(set, &words, &lookups, tile, &mut table, &mut sums);
                for (&word, sum) in words.iter().zip(&sums) {
                    for (lane, &found) in sum.0.iter().enumerate() {
                        let on = (0..inputs).filter(|input| word >> input & 1 == 1 && lane / HALF < used);
                        let steps = on.map(|input| i32::from(weights[lane / HALF * inputs + input].0[lane % HALF]));
                        assert_eq!(found, before + steps.sum::<i32>(), "{set:?} lane {lane}");
                    }
                }
            }
        }
    }
}

#[test]
fn oracle_adding_the_inputs_of_one_unit_on_every_instruction_set() {
    let mut stream = stream(8);
    let weights: Vec<[f32; TILE]> = rows(3, 3.0, &mut stream).iter().map(|row| row.0).collect();
    let words = words(3 * 50, TILE, &mut stream);
    for sample in 0..50 {
        let tiles = || words[sample..].iter().step_by(50).zip(&weights);
        let in_order = tiles().fold(0.25, |sum, (&word, weights)| {
            let unit = weights.map(|weight| Row([weight; LANES]));
            accumulate_plainly(word, &unit, 1.0, 0, sum)
        });
        let on = tiles().flat_map(|(word, weights)| (0..TILE).filter(move |i| word >> i & 1 == 1).map(|i| weights[i]));
        let exact: f64 = on.map(f64::from).sum();
        for set in InstructionSet::available() {
            assert_eq!(add_in_order_on(set, &words[sample..], 50, &weights, 0.25).to_bits(), in_order.to_bits());
            let in_parts = add_in_parts_on(set, &words[sample..], 50, &weights);
            assert!((f64::from(in_parts) - exact).abs() < 1e-4, "{in_parts} against {exact}");
            assert_eq!(in_parts.to_bits(), body::add_in_parts(&words[sample..], 50, &weights).to_bits());
        }
    }
}

#[test]
fn oracle_transpose_on_every_instruction_set() {
    let mut stream = stream(6);
    for (rows, columns) in [(0, 3), (3, 0), (1, 1), (8, 8), (16, 64), (17, 7), (7, 17), (43, 52), (52, 45), (4, 12)] {
        let (from_stride, to_stride) = (columns + 3, rows + 5);
        let from: Vec<f32> = (0..rows.max(1) * from_stride - 3).map(|_| uniform(&mut stream)).collect();
        for set in InstructionSet::available() {
            let mut to = vec![2.0; columns.max(1) * to_stride - 5];
            transpose::transpose_on(set, (&from, from_stride), (&mut to, to_stride), (rows, columns));
            for (place, &found) in to.iter().enumerate() {
                let (i, j) = (place % to_stride, place / to_stride);
                let expected = if i < rows && j < columns { from[i * from_stride + j] } else { 2.0 };
                assert_eq!(found, expected, "{set:?}: {rows} x {columns}, row {i}, column {j}");
            }
        }
    }
}

#[test]
fn oracle_the_layout_of_weights_makes_no_difference() {
    let mut stream = stream(9);
    let (weights, words) = (rows(TILE, 3.0, &mut stream), words(100, TILE, &mut stream));
    let by_part: Vec<Part> = (0..LANES / PART)
        .flat_map(|part| Row::parts(&weights).iter().skip(part).step_by(LANES / PART))
        .copied()
        .collect();
    let other_layout = Tile { parts: &by_part[..], of_part: TILE, of_input: 1, ..tile(&weights, LANES / PART, 1.0) };
    let mut lookups = Lookups::NONE;
    find(&words, &mut lookups);
    let [one, other] = [tile(&weights, LANES / PART, 1.0), other_layout].map(|tile| {
        let (mut sums, mut table) = (vec![Row::ZERO; words.len()], empty_table());
        accumulate(&words, &lookups, tile, &mut table, &mut sums);
        sums
    });
    assert_eq!(one, other);
}

#[test]
fn oracle_temper_and_logistic_on_every_instruction_set() {
    let mut stream = stream(1);
    let (start, bias, base) = (rows(7, 30.0, &mut stream), rows(1, 2.0, &mut stream)[0], rows(1, 2.0, &mut stream)[0]);
    for set in InstructionSet::available() {
        let mut values = start.clone();
        temper_on(set, &mut values, &bias, &base, 0.37);
        for (value, start) in values.iter().zip(&start) {
            for lane in 0..LANES {
                let expected = 0.37 * (start.0[lane] + bias.0[lane]) + (1.0 - 0.37_f32) * base.0[lane];
                assert_eq!(value.0[lane].to_bits(), expected.to_bits());
            }
        }
        for row in &mut values {
            let inputs = row.0;
            logistic_on(set, &mut row.0);
            for (mean, &input) in row.0.iter().zip(&inputs) {
                assert_eq!(mean.to_bits(), body::logistic_one(input).to_bits());
            }
        }
    }
}

#[test]
fn oracle_score_on_every_instruction_set() {
    let mut stream = stream(3);
    for (case, scale) in [1.0, 30.0, 2_000.0].into_iter().enumerate() {
        let inputs = rows(1, scale, &mut stream)[0].0;
        let (states, used) = (stream.next_u64(), [64, 17, 1][case]);
        let mask = if used == 64 { u64::MAX } else { (1 << used) - 1 };
        let term = |lane: usize| {
            let a = f64::from(inputs[lane]);
            -crate::numerics::softplus(if states >> lane & 1 == 1 { -a } else { a })
        };
        let expected: f64 = (0..used).map(term).sum();
        let (rows, words) = (vec![Row(inputs); 11], [states; 11]);
        let mut first = [0.0];
        body::score(&mut rows.clone()[..1], &words[..1], mask, &mut first);
        assert!((first[0] - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{first:?} against {expected}");
        for set in InstructionSet::available() {
            let (mut scores, mut log_probs) = (rows.clone(), [0.0; 11]);
            score_on(set, &mut scores, &words, mask, &mut log_probs);
            let (mut means, mut logs, mut shared) = (rows.clone(), [0.0; 11], [0.0; 11]);
            means_on(set, &rows, mask, &mut means, &mut logs);
            score_means_on(set, (&rows, &logs), (2, 3), (&words, mask), &mut means, &mut shared);
            for (scores, log_probs) in [(scores, log_probs), (means, shared)] {
                assert!(log_probs.iter().all(|log_prob| log_prob.to_bits() == first[0].to_bits()), "{set:?}");
                for (lane, score) in scores.iter().flat_map(|row| row.0[..used].iter().enumerate()) {
                    let state = (states >> lane & 1) as f32;
                    assert_eq!(score.to_bits(), (state - body::logistic_one(inputs[lane])).to_bits());
                }
            }
        }
    }
}

#[test]
fn table_logistic_is_accurate_and_never_overflows() {
    for x in (-1740..=1740).map(|i| i as f32 * 0.05) {
        let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
        let error = (f64::from(logistic_one(x)) - exact).abs() / exact;
        assert!(error < 3e-7, "x {x}: relative error {error}");
    }
    for (x, expected) in [(0.0, 0.5), (25.0, 1.0), (745.0, 1.0), (f32::MAX, 1.0), (f32::INFINITY, 1.0)] {
        assert_eq!(logistic_one(x), expected);
    }
    for x in [-745.0, f32::MIN, f32::NEG_INFINITY] {
        assert!(logistic_one(x) < 2e-38);
    }
    assert!(logistic_one(f32::NAN).is_nan());
}

#[test]
fn oracle_draw_on_every_instruction_set() {
    let mut stream = stream(2);
    let mut means = rows(50, 1.0, &mut stream);
    means.iter_mut().for_each(|row| row.0.iter_mut().for_each(|p| *p += 0.5));
    let mut random = vec![[0_u16; LANES]; 50];
    random.iter_mut().flatten().for_each(|digits| *digits = stream.next_u32() as u16);
    // A few means have digits that equal the random ones; others are 0 or 1.
    for (i, row) in means.iter_mut().enumerate().take(10) {
        row.0[i] = (f32::from(random[i][i]) + 0.25) / 65_536.0;
        row.0[i + 1] = 0.0;
        row.0[i + 2] = 1.0;
    }
    for set in InstructionSet::available() {
        let (mut bits, mut ties) = (vec![0; 50], vec![0; 50]);
        draw_on(set, &means, &random, &mut bits, &mut ties);
        for s in 0..50 {
            for (lane, &digits) in random[s].iter().enumerate() {
                let threshold = (means[s].0[lane] * 65_536.0).floor() as u32;
                let digits = u32::from(digits);
                assert_eq!(bits[s] >> lane & 1 == 1, digits < threshold);
                assert_eq!(ties[s] >> lane & 1 == 1, digits == threshold);
            }
        }
        assert!((0..10).all(|i| ties[i] >> i & 1 == 1), "planted ties are reported");
    }
}

/// The first input whose mean lies out of the reach of a rough mean. The inputs of both means differ by up to a doubt,
/// and `narrowed` changes the least error of a mean.
fn out_of_reach(narrowed: impl Fn(f32) -> f32) -> Option<f32> {
    let mut stream = stream(4);
    (0..200_000).map(|case| (case % 5, 40.0 * (uniform(&mut stream) - 0.5), uniform(&mut stream))).find_map(
        |(power, x, u)| {
            // A power of 0 stands for inputs without an error.
            let doubt = if power == 0 { 0.0 } else { u.powi(power) };
            let [digits, least] = digits_off(&Row([doubt; LANES])).map(|row| row.0[0]);
            let (low, high) = reach(body::logistic_roughly(x), digits, narrowed(least));
            let within = |other: f32| (low..=high).contains(&((logistic_one(other) * 65_536.0) as i32));
            (![x - doubt, x + doubt * (2.0 * u - 1.0), x + doubt].into_iter().all(within)).then_some(x)
        },
    )
}

#[test]
fn law_means_from_rough_sums_are_in_reach_of_the_others() {
    assert_eq!(out_of_reach(|least| least), None);
    for x in (-1740..=1740).map(|i| i as f32 * 0.05) {
        assert!((body::logistic_roughly(x) - logistic_one(x)).abs() < ROUGHLY, "{x}");
    }
    assert_eq!(body::logistic_roughly(f32::INFINITY), 1.0);
    assert!(body::logistic_roughly(f32::NEG_INFINITY) < 2e-38);
}

#[test]
fn planted_reaches_without_the_rounding_of_rough_means_are_found_out() {
    assert!(out_of_reach(|least| least - 65_536.0 * ROUGHLY).is_some());
}

#[test]
fn oracle_draw_roughly_on_every_instruction_set() {
    let mut stream = stream(5);
    let steps = rows(40, 2_000.0, &mut stream).iter().map(|row| Steps(row.0.map(|x| x as i32))).collect::<Vec<_>>();
    let others = rows(40, 2.0, &mut stream);
    let [step, shift, base, digits] = [0.002, 1.0, 1.0, 900.0].map(|scale| rows(1, scale, &mut stream)[0]);
    let digits = Row(digits.0.map(f32::abs));
    let rough = Rough { step, shift, base, digits, least: Row([3.0; LANES]) };
    let mut random = vec![[0_u16; LANES]; 40];
    random.iter_mut().flatten().for_each(|digits| *digits = stream.next_u32() as u16);
    for (others, beta) in [(&others[..], 0.8), (&[], 1.0)] {
        for set in InstructionSet::available() {
            let (mut bits, mut open) = (vec![0; 40], vec![0; 40]);
            draw_roughly_on(set, (&steps, others), (&rough, beta), &random, &mut bits, &mut open);
            for s in 0..40 {
                for (lane, &random) in random[s].iter().enumerate() {
                    let sum = steps[s].0[lane] as f32 * step.0[lane] + others.get(s).map_or(0.0, |other| other.0[lane]);
                    let mean = body::logistic_roughly(beta * (sum + shift.0[lane]) + base.0[lane]);
                    let ((low, high), digits) = (reach(mean, digits.0[lane], 3.0), i32::from(random));
                    assert_eq!(bits[s] >> lane & 1 == 1, digits < low, "{set:?}");
                    assert_eq!(open[s] >> lane & 1 == 1, (low..=high).contains(&digits), "{set:?}");
                }
            }
            assert!(open.iter().any(|&open| open != 0), "some draws are undecided");
        }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn oracle_softplus_sums_on_every_instruction_set() {
    for (case, n) in [0, 1, 7, 8, 63, 500, 5000].into_iter().enumerate() {
        let mut stream = stream(10 + case as u64);
        let inputs: Vec<f32> = (0..n).map(|_| 60.0 * (uniform(&mut stream) - 0.5)).collect();
        let base: Vec<f32> = (0..n).map(|_| 4.0 * (uniform(&mut stream) - 0.5)).collect();
        let expected: f64 = inputs.iter().map(|&x| softplus(f64::from(x))).sum();
        let first = softplus_sum_on(InstructionSet::Portable, &inputs);
        assert!((first - expected).abs() <= 1e-11 * (1.0 + expected));
        for set in InstructionSet::available() {
            assert_eq!(softplus_sum_on(set, &inputs).to_bits(), first.to_bits());
            let wide: Vec<f64> = inputs.iter().map(|&x| f64::from(x)).collect();
            assert_eq!(softplus_sum_f64_on(set, &wide).to_bits(), first.to_bits());
        }
        for (from, to) in [(0.3, 0.300_01), (0.3, 0.301), (0.999, 1.0), (0.2, 0.25), (0.0, 1.0), (0.9, 0.1)] {
            check_gain(&inputs, &base, from, to);
        }
    }
}

fn check_gain(inputs: &[f32], base: &[f32], from: f64, to: f64) {
    let pairs = || inputs.iter().zip(base).map(|(&x, &b)| (f64::from(x), f64::from(b)));
    let at = |beta: f64| pairs().map(|(x, b)| softplus(beta * x + (1.0 - beta) * b)).sum::<f64>();
    let moved: f64 = pairs().map(|(x, b)| ((to - from) * (x - b)).abs()).sum();
    let gain = softplus_gain_on(InstructionSet::Portable, inputs, base, from, to);
    let error = (gain - (at(to) - at(from))).abs();
    assert!(error <= 2e-7 * moved + 1e-14 * at(to), "{from} to {to}, {} units: {error}, moved {moved}", inputs.len());
    for set in InstructionSet::available() {
        assert_eq!(softplus_gain_on(set, inputs, base, from, to).to_bits(), gain.to_bits());
    }
}

#[test]
fn table_softplus_at_extremes() {
    for (x, expected) in [(0.0, 2.0_f64.ln()), (745.0, 745.0), (25.0, softplus(25.0)), (-25.0, softplus(-25.0))] {
        assert!((softplus_sum(&[x]) - expected).abs() <= 1e-15 * (1.0 + expected), "{x}");
    }
    assert!(softplus_sum(&[-745.0]) < 1e-300);
    assert_eq!(softplus_sum(&[1e38, 1e38]), f64::from(1e38_f32) * 2.0);
    assert!(softplus_sum(&[f32::NAN]).is_nan());
}

#[test]
fn oracle_count_shared_on_every_instruction_set() {
    let mut stream = stream(3);
    let words: Vec<u64> = (0..77).map(|_| stream.next_u64()).collect();
    let other = stream.next_u64();
    for set in InstructionSet::available() {
        let mut counts = vec![1; 77];
        count_shared_on(set, &words, other, &mut counts);
        for (count, word) in counts.iter().zip(&words) {
            assert_eq!(*count, 1 + (0..64).filter(|b| word >> b & other >> b & 1 == 1).count() as u32);
        }
    }
}

#[test]
fn oracle_add_up_on_every_instruction_set() {
    let rows = rows(33, 3.0, &mut stream(11));
    for set in InstructionSet::available() {
        for (lane, sum) in add_up_on(set, &rows).into_iter().enumerate() {
            let expected: f64 = rows.iter().map(|row| f64::from(row.0[lane])).sum();
            assert_eq!(sum.to_bits(), expected.to_bits(), "{set:?}");
        }
    }
}

#[test]
fn oracle_transpose_square_on_every_instruction_set() {
    let mut stream = stream(12);
    let rows: [u64; LANES] = std::array::from_fn(|_| stream.next_u64());
    for set in InstructionSet::available() {
        let mut columns = rows;
        transpose_square_on(set, &mut columns);
        for (i, column) in columns.iter().enumerate() {
            assert!((0..LANES).all(|j| column >> j & 1 == rows[j] >> i & 1), "{set:?} column {i}");
        }
    }
}

#[test]
fn oracle_centre_on_every_instruction_set() {
    let mut stream = stream(13);
    for units in [1, 15, 16, 50, 64] {
        let [start, biases, offsets, seen, before] = std::array::from_fn(|_| rows(1, 2.0, &mut stream)[0].0);
        for set in InstructionSet::available() {
            let (mut column, mut below) = (start, before);
            let lower = (&biases[..units], &offsets[..units]);
            let above = centre_on(set, &mut column[..units], lower, (0.3, 0.7), (&mut below[..units], &seen[..units]));
            let mut expected = 0.0;
            for unit in 0..units {
                let centred = start[unit] - (biases[unit] * 0.7 + offsets[unit] * 0.3);
                assert_eq!(column[unit].to_bits(), centred.to_bits(), "{set:?}");
                assert_eq!(below[unit].to_bits(), (before[unit] + 0.7 * centred).to_bits(), "{set:?}");
                expected += f64::from(centred * seen[unit]);
            }
            assert!((f64::from(above) - expected).abs() < 1e-5, "{set:?}: {above} against {expected}");
            (column, below) = (start, before);
            let products = (&mut below[..units], &seen[..units]);
            let same = body::centre(&mut column[..units], lower, (0.3, 0.7), products);
            assert_eq!(above.to_bits(), same.to_bits(), "{set:?}");
        }
    }
}
