//! The engine compared with dense products and with definitions.

use rand::RngExt;

use super::draw::CHUNK;
use super::*;
use crate::bits::BitMatrix;
use crate::kernels::{self, LANES, Row};
use crate::stack::Matrix;
use crate::streams::{Purpose, Streams};

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
    let products = scaled.scale_samples(&[0.0, 1.0, 2.0, -1.0, 0.5, 3.0]);
    assert_eq!(products, scaled.unit_sums());
    close(&scaled.to_matrix().columns(4, 1).into_owned(), &(values.columns(4, 1) * 0.5), 0.0);
    let sums = Matrix::from_fn(70, 2, |u, g| (0..3).map(|s| values[(u, 3 * g + s)]).sum());
    close(&all.sum_neighbours(&[1.0; 6], 3).to_matrix(), &sums, 1e-6);
    close(&all.sum_neighbours(&[2.0; 6], 3).to_matrix(), &(sums * 2.0), 1e-6);
}

#[test]
fn oracle_sums_take_every_unit_of_every_sample() {
    for (units, samples) in [(1, 1), (3, 2), (70, 3), (64, 17), (65, 64), (2, 65), (130, 513)] {
        let values = weights(units, samples);
        let all = Activations::from_matrix(&values);
        for (unit, found) in all.unit_sums().into_iter().enumerate() {
            let expected: f64 = values.row(unit).iter().map(|&x| f64::from(x)).sum();
            assert_eq!(found, expected, "unit {unit} of {units}, {samples} samples");
        }
        let base: Vec<f32> = (0..units).map(|unit| 0.1 * (unit % 5) as f32).collect();
        let (sums, gains) = (all.softplus_sums(), all.softplus_gains(&base, 0.2, 0.9));
        for (sample, column) in values.column_iter().enumerate() {
            let at = |beta: f64| -> f64 {
                let inputs = column.iter().zip(&base).map(|(&x, &b)| beta * f64::from(x) + (1.0 - beta) * f64::from(b));
                inputs.map(crate::softplus).sum()
            };
            assert!((sums[sample] - at(1.0)).abs() < 1e-10, "sample {sample} of {samples}, {units} units");
            assert!((gains[sample] - (at(0.9) - at(0.2))).abs() < 1e-6 * units as f64, "sample {sample} of {samples}");
        }
        let states = states(units, samples);
        let counts: Vec<u64> =
            (0..units).map(|unit| (0..samples).filter(|&sample| states.get(unit, sample)).count() as u64).collect();
        assert_eq!(states.unit_counts(), counts);
    }
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

/// The distance of a count of draws from its expectation, in standard deviations.
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
