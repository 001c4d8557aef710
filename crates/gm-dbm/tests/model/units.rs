//! Softmax and Gaussian visible units against exact answers, and the mistakes that the checks must catch.

use crate::common::mean;
use gm_core::{
    AisSettings, Batch, Beta, BitMatrix, Estimate, Gaussian, Matrix, Schedule, Side, Stack, Standardise, Streams,
    Vector, VisibleKind, VisibleUnits, log_sum_exp, unwatched,
};
use gm_dbm::{
    Chains, Clamp, DataPhase, Dbm, MeanFieldSettings, MeanFieldStart, ModelPhase, Offsets, gradient, variance_gradient,
};
use gm_rbm::Rbm;
use gm_testkit::{TestResult, assert_all_close, assert_close, chi_squared_test, mean_test, rng};
use rand::RngExt;

const ALPHA: f64 = 1e-6;
const SAMPLES: usize = 60_000;
/// The greatest deviation of a moment in standard errors. With fewer than 100 moments alpha is below 1e-6.
const FAR: f64 = 6.0;

const SOFTMAX: VisibleKind = VisibleKind::Softmax { categories: 3 };
const GAUSSIAN: VisibleKind = VisibleKind::Gaussian;

/// A model with biases within +-1 and weights within +-scale. Gaussian units have variances from 0.5 to 1.5.
fn random_model(kind: VisibleKind, seed: u64, layers: &[usize], scale: f32) -> Dbm {
    let mut rng = rng(seed);
    let mut draw = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let weights = layers.windows(2).map(|pair| Matrix::from_fn(pair[0], pair[1], |_, _| draw(scale))).collect();
    let biases = layers.iter().map(|&n| Vector::from_fn(n, |_, _| draw(1.0))).collect();
    let variance: Vec<f32> = (0..layers[0]).map(|_| 1.0 + 0.5 * draw(1.0)).collect();
    let stack = Stack::new(weights, biases).expect("a small model");
    let units =
        VisibleUnits::new(kind, layers[0], (kind == GAUSSIAN).then_some(variance.as_slice())).expect("a small model");
    Dbm::from_stack(stack).expect("a small model").with_units(units).expect("a small model")
}

/// Small models of one to four hidden layers of either kind.
fn zoo(scale: f32) -> impl Iterator<Item = (u64, Dbm)> {
    const LAYERS: [&[usize]; 4] = [&[6, 4, 3], &[3, 3, 2, 3], &[6, 5], &[3, 2, 3, 2, 2]];
    [SOFTMAX, GAUSSIAN].into_iter().enumerate().flat_map(move |(k, kind)| {
        LAYERS.into_iter().enumerate().map(move |(case, layers)| {
            let seed = (10 * k + case) as u64;
            (seed, random_model(kind, seed, layers, scale))
        })
    })
}

/// All states of the groups, the first group the slowest.
fn all_categories(dbm: &Dbm) -> BitMatrix {
    let groups = dbm.units().groups().expect("groups");
    let (count, categories) = (groups.count() as u32, groups.categories());
    let digit = |row: usize, group: usize| row / categories.pow(count - 1 - group as u32) % categories;
    BitMatrix::from_fn(dbm.visible(), categories.pow(count), |unit, row| {
        digit(row, unit / categories) == unit % categories
    })
}

/// Some visible states of the model's kind.
fn some_states(dbm: &Dbm, samples: usize) -> Batch {
    match dbm.units().groups() {
        Some(_) => all_categories(dbm).select(&(0..samples).map(|s| 5 * s % 3).collect::<Vec<_>>()).into(),
        None => Matrix::from_fn(dbm.visible(), samples, |unit, s| ((unit * 7 + s * 3) % 11) as f32 / 3.0 - 1.5).into(),
    }
}

/// log of the sum of exp(-E(v, h)) over all hidden states, in plain double precision from the formula of the model.
fn naive_log_weight(dbm: &Dbm, v: &[f64]) -> f64 {
    let sizes = dbm.layers();
    let hidden: usize = sizes[1..].iter().sum();
    let (a, w) = (dbm.bias(0), |l: usize, i: usize, j: usize| f64::from(dbm.weights(l)[(i, j)]));
    let variance = |i: usize| dbm.units().gaussian().map(|gaussian| f64::from(gaussian.variance()[i]));
    let visible = |i: usize| match variance(i) {
        Some(variance) => -(v[i] - f64::from(a[i])).powi(2) / (2.0 * variance),
        None => v[i] * f64::from(a[i]),
    };
    let terms = (0..1_u32 << hidden).map(|state| {
        let mut shift = 0;
        let mut below: Vec<f64> = v.iter().enumerate().map(|(i, v)| v / variance(i).unwrap_or(1.0)).collect();
        let mut sum: f64 = (0..v.len()).map(visible).sum();
        for (l, &units) in sizes.iter().enumerate().skip(1) {
            let x: Vec<f64> = (0..units).map(|j| f64::from(state >> (shift + j) & 1)).collect();
            shift += units;
            for (j, x) in x.iter().enumerate() {
                let input: f64 = below.iter().enumerate().map(|(i, below)| below * w(l - 1, i, j)).sum();
                sum += x * (input + f64::from(dbm.bias(l)[j]));
            }
            below = x;
        }
        sum
    });
    log_sum_exp(&terms.collect::<Vec<_>>())
}

#[test]
fn oracle_densities_before_they_are_normalised() {
    for (seed, dbm) in zoo(1.5) {
        let v = some_states(&dbm, 5);
        let states = v.to_matrix();
        let expected: Vec<f64> = states
            .column_iter()
            .map(|column| naive_log_weight(&dbm, &column.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))
            .collect();
        assert_all_close(&dbm.log_prob(&v, 0.0).unwrap(), &expected, 1e-5, 1e-5, &format!("model {seed}"));
    }
}

#[test]
fn oracle_probabilities_of_all_categories_sum_to_one() {
    for (seed, dbm) in zoo(2.0).take(4) {
        let log_p = dbm.log_prob(&all_categories(&dbm), dbm.log_partition().unwrap()).unwrap();
        assert!(log_sum_exp(&log_p).abs() < 1e-5, "model {seed}");
    }
}

#[test]
fn oracle_densities_integrate_to_one() {
    // The trapezium rule is exact to many digits for smooth densities whose tails vanish.
    const STEP: f64 = 0.2;
    const SIDE: usize = 121;
    let at = |cell: usize| STEP * (cell as f64 - 60.0);
    for layers in [&[2, 3, 2][..], &[2, 2, 3, 2], &[2, 4]] {
        let dbm = random_model(GAUSSIAN, 3 + layers.len() as u64, layers, 1.5);
        let grid = Matrix::from_fn(2, SIDE * SIDE, |unit, s| at([s % SIDE, s / SIDE][unit]) as f32);
        let log_p = dbm.log_prob(&grid, dbm.log_partition().unwrap()).unwrap();
        let total = log_sum_exp(&log_p) + 2.0 * STEP.ln();
        assert!(total.abs() < 1e-5, "{layers:?}: {total}");
        let means = dbm.marginals().unwrap();
        for unit in 0..2 {
            let moment = |power: i32| -> f64 {
                let term = |(s, log_p): (usize, &f64)| f64::from(grid[(unit, s)]).powi(power) * log_p.exp();
                log_p.iter().enumerate().map(term).sum::<f64>() * STEP * STEP
            };
            assert_close(means.means[0][unit], moment(1), 1e-5, 1e-5, "E[v]");
            assert_close(means.squares[unit], moment(2), 1e-5, 1e-5, "E[v^2]");
        }
    }
}

#[test]
fn law_a_machine_of_one_hidden_layer_is_a_restricted_one() {
    for kind in [SOFTMAX, GAUSSIAN] {
        let dbm = random_model(kind, 31, &[6, 5], 1.0);
        let rbm = Rbm::from_stack(dbm.stack().clone()).unwrap().with_units(dbm.units().clone()).unwrap();
        assert_eq!(Dbm::from_rbm(rbm.clone()).unwrap(), dbm);
        let (deep, flat) = (dbm.log_partition().unwrap(), rbm.log_partition().unwrap());
        assert_close(deep, flat, 1e-12, 0.0, "log Z");
        let v = some_states(&dbm, 5);
        assert_all_close(&dbm.log_prob(&v, deep).unwrap(), &rbm.log_prob(&v, flat).unwrap(), 1e-6, 1e-6, "log p");
        let streams = Streams::new(2);
        let (mut deep, mut flat) = (dbm.chains(300, &streams), rbm.chains(300, &streams));
        dbm.sampler().run(&mut deep, 5, &streams);
        rbm.sampler().run(&mut flat, 5, &streams);
        assert_eq!(deep.layers, [flat.v().clone(), flat.h().clone().into()]);
        assert_eq!(dbm.energy(&deep.layers), rbm.energy(flat.v(), flat.h()));
        let (found, expected) = (dbm.exact_gradient(&v).unwrap(), rbm.exact_gradient(&v).unwrap());
        assert!(found.tensors().flatten().zip(expected.tensors().flatten()).all(|(a, b)| (a - b).abs() < 1e-5));
        // For a single hidden layer mean field is the posterior.
        let posterior = dbm.mean_field(&v, &MeanFieldSettings::default()).unwrap();
        let means = rbm.sampler().mean_h_from_v(&v).to_matrix();
        assert!((&posterior.means[0] - means).amax() < 1e-6);
        let bound = posterior.bound(&dbm, &v, 0.0);
        assert_all_close(&bound, &dbm.log_prob(&v, 0.0).unwrap(), 1e-5, 1e-5, "bound");
        // The gradient of the variances follows from the same statistics.
        let data = DataPhase::new(&v, posterior);
        let model = ModelPhase::new(&dbm.sampler(), &deep);
        let (of_data, of_model) = [&v, flat.v()].map(|v| gm_rbm::Phase::new(&rbm.sampler(), v)).into();
        let (found, expected) = (gradient(&data, &model), gm_rbm::gradient(&of_data, &of_model));
        assert!(found.tensors().flatten().zip(expected.tensors().flatten()).all(|(a, b)| (a - b).abs() < 1e-5));
        if kind == GAUSSIAN {
            let found = variance_gradient(&dbm, &data, &model, &found);
            let expected = gm_rbm::variance_gradient(&rbm, &of_data, &of_model, &expected);
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}

#[test]
fn law_visible_units_without_weights_leave_the_upper_layers_alone() {
    // Without weights log Z is a sum.
    let mut dbm = random_model(GAUSSIAN, 33, &[3, 2, 3], 1.0);
    dbm.stack_mut().update_weights(0, |w| w.fill(0.0));
    let (_, mut biases) = dbm.stack().clone().into_parts();
    let upper = Rbm::new(dbm.weights(1).clone(), biases.swap_remove(1), biases.pop().unwrap()).unwrap();
    let a: Vec<f64> = dbm.bias(0).iter().map(|&x| f64::from(x)).collect();
    let expected = upper.log_partition().unwrap() + dbm.units().log_sum(&a, &a);
    assert_close(dbm.log_partition().unwrap(), expected, 1e-9, 0.0, "log Z");
}

#[test]
fn law_mean_field_raises_its_bound_and_stays_below_log_p() {
    for (seed, dbm) in zoo(2.0) {
        let (v, log_z) = (some_states(&dbm, 6), dbm.log_partition().unwrap());
        let exact = dbm.log_prob(&v, log_z).unwrap();
        for start in [MeanFieldStart::Half, MeanFieldStart::Doubled] {
            let mut before = vec![f64::NEG_INFINITY; v.samples()];
            for iterations in 1..=6 {
                let settings = MeanFieldSettings { iterations, tolerance: 0.0, start, ..Default::default() };
                let bounds = dbm.mean_field(&v, &settings).unwrap().bound(&dbm, &v, log_z);
                for ((bound, before), exact) in bounds.iter().zip(&before).zip(&exact) {
                    assert!(*bound >= before - 1e-5, "model {seed}: the bound fell from {before} to {bound}");
                    assert!(*bound <= exact + 1e-5, "model {seed}: the bound {bound} exceeds {exact}");
                }
                before = bounds;
            }
        }
    }
}

#[test]
fn law_models_survive_files() {
    for (_, dbm) in zoo(1.0) {
        let mut file = Vec::new();
        dbm.write(&mut file).unwrap();
        assert_eq!(Dbm::read(&file[..]).unwrap(), dbm);
    }
    let dbm = standardised();
    let mut file = Vec::new();
    dbm.write(&mut file).unwrap();
    assert_eq!(Dbm::read(&file[..]).unwrap(), dbm);
}

/// The model with standardised data.
fn standardised() -> Dbm {
    let dbm = random_model(GAUSSIAN, 41, &[3, 2, 2], 1.0);
    let standardise = Standardise::new(vec![5.0, -1.0, 0.0], vec![2.0, 0.5, 10.0]).expect("a small model");
    let variance = dbm.units().gaussian().expect("a small model").variance().to_vec();
    let gaussian =
        Gaussian::new(variance).expect("a small model").with_standardise(Some(standardise)).expect("a small model");
    Dbm::from_stack(dbm.stack().clone())
        .expect("a small model")
        .with_units(VisibleUnits::Gaussian(gaussian))
        .expect("a small model")
}

#[test]
fn law_rows_are_states_in_their_own_units_of_measure() {
    let dbm = standardised();
    let states = some_states(&dbm, 4).to_matrix();
    let rows = dbm.rows_of_states(&states);
    assert_close(f64::from(rows[(2, 1)]), 10.0 * f64::from(states[(2, 1)]), 1e-6, 0.0, "a row");
    assert!((dbm.states_of_rows(&rows).unwrap().to_matrix() - &states).amax() < 1e-5);
    assert_close(dbm.log_volume(), 10.0_f64.ln(), 1e-6, 0.0, "log of the volume");
    assert_eq!(random_model(SOFTMAX, 1, &[3, 2], 1.0).log_volume(), 0.0);
    let bits = dbm.states_of_rows(&BitMatrix::zeros(3, 1)).unwrap_err().to_string();
    assert_eq!(bits, "Dbm::states_of_rows: `data` is zeros and ones, allowed: real numbers for gaussian units");
    let softmax = random_model(SOFTMAX, 1, &[3, 2, 2], 1.0);
    let twice = softmax.mean_field(&BitMatrix::from_fn(3, 1, |_, _| true), &MeanFieldSettings::default()).unwrap_err();
    assert!(twice.to_string().ends_with("allowed: exactly one in each group"), "{twice}");
    assert!(softmax.log_prob(&Matrix::zeros(3, 1), 0.0).is_err());
}

// Gradients.

/// The slope at 0 of a function of one number.
fn slope_at_0(mut f: impl FnMut(f64) -> f64) -> f64 {
    gm_testkit::central_difference(|x| f(x[0]), &[0.0], 1e-2)[0]
}

/// The exact gradient of Gaussian units is s_i^2 times the slope of the likelihood in W_0 and b_0.
#[test]
fn oracle_exact_gradients_are_slopes() {
    for (seed, dbm) in zoo(1.0) {
        let data = some_states(&dbm, 5);
        let found = dbm.exact_gradient(&data).unwrap();
        let slope = |change: &dyn Fn(&mut Dbm, f32)| {
            slope_at_0(|step| {
                let mut moved = dbm.clone();
                change(&mut moved, step as f32);
                mean(&moved.log_prob(&data, moved.log_partition().unwrap()).unwrap())
            })
        };
        let scale = |l: usize, unit: usize| match dbm.units().gaussian() {
            Some(gaussian) if l == 0 => f64::from(gaussian.variance()[unit]),
            _ => 1.0,
        };
        for l in 0..=dbm.depth() {
            for unit in 0..dbm.layers()[l] {
                let what = format!("unit {unit} of layer {l} of model {seed}");
                let of_bias = scale(l, unit) * slope(&|dbm, step| dbm.stack_mut().bias_mut(l)[unit] += step);
                assert_close(f64::from(found.bias(l)[unit]), of_bias, 1e-3, 2e-3, &what);
                if l < dbm.depth() {
                    let of_weight = scale(l, unit)
                        * slope(&|dbm, step| dbm.stack_mut().update_weights(l, |w| w[(unit, 1)] += step));
                    assert_close(f64::from(found.weights(l)[(unit, 1)]), of_weight, 1e-3, 2e-3, &what);
                }
            }
        }
    }
}

#[test]
fn oracle_variance_gradient_is_a_slope() {
    for (seed, dbm) in zoo(1.0).skip(4) {
        let data = some_states(&dbm, 5);
        for (unit, &found) in dbm.exact_variance_gradient(&data).unwrap().iter().enumerate() {
            let slope = slope_at_0(|step| {
                let mut moved = dbm.clone();
                let steps: Vec<f32> = (0..dbm.visible()).map(|i| if i == unit { step as f32 } else { 0.0 }).collect();
                moved.units_mut().gaussian_mut().expect("gaussian units").grow(&steps);
                mean(&moved.log_prob(&data, moved.log_partition().unwrap()).unwrap())
            });
            assert_close(f64::from(found), slope, 1e-3, 2e-3, &format!("log variance {unit} of model {seed}"));
        }
    }
}

#[test]
fn law_gradient_from_many_exact_samples_approaches_that_of_the_moments() {
    for (seed, dbm) in zoo(1.0) {
        let data = some_states(&dbm, 4);
        let model = ModelPhase::new(&dbm.sampler(), &dbm.exact_samples(SAMPLES, &Streams::new(seed)).unwrap());
        let posterior = dbm.mean_field(&data, &MeanFieldSettings::default()).unwrap();
        let found = gradient(&DataPhase::new(&data, posterior.clone()), &model);
        let exact = dbm.marginals().unwrap();
        for (l, pairs) in exact.pairs.iter().enumerate() {
            let below = if l == 0 { data.to_matrix() } else { posterior.means[l - 1].clone() };
            let of_data = below * posterior.means[l].transpose() / 4.0;
            // Six standard deviations of a mean of terms whose standard deviation is below 3.
            let error = (found.weights(l) - (of_data - pairs)).amax();
            assert!(f64::from(error) < 18.0 / (SAMPLES as f64).sqrt(), "model {seed}, weights {l}: {error}");
        }
        if let Some(gaussian) = dbm.units().gaussian() {
            let squares: Vec<f64> =
                data.to_matrix().row_iter().map(|row| f64::from(row.norm_squared()) / 4.0).collect();
            let steps = variance_gradient(&dbm, &DataPhase::new(&data, posterior), &model, &found);
            for (unit, step) in steps.iter().enumerate() {
                let products = (dbm.weights(0).row(unit) * found.weights(0).row(unit).transpose())[(0, 0)];
                let means = f64::from(dbm.bias(0)[unit] * found.bias(0)[unit] + products);
                let expected =
                    ((squares[unit] - exact.squares[unit]) / 2.0 - means) / f64::from(gaussian.variance()[unit]);
                assert!((f64::from(*step) - expected).abs() < 0.3, "model {seed}: {step} against {expected}");
            }
        }
    }
}

#[test]
fn law_centring_does_not_see_where_gaussian_data_are() {
    // The centred gradient of shifted data under a shifted model is that of the data themselves.
    let dbm = random_model(GAUSSIAN, 61, &[4, 3, 2], 1.0);
    let data = some_states(&dbm, 5).to_matrix();
    let mut moved = dbm.clone();
    let shift = 2.0_f32;
    let signal = dbm.units().signal(&Matrix::from_element(4, 1, shift)).into_owned();
    moved.stack_mut().bias_mut(0).iter_mut().for_each(|a| *a += shift);
    let correction = dbm.weights(0).tr_mul(&signal);
    moved.stack_mut().bias_mut(1).iter_mut().zip(&correction).for_each(|(b, c)| *b -= c);
    let centred = |dbm: &Dbm, data: &Matrix, visible: f32| {
        let mut gradient = dbm.exact_gradient(data).unwrap();
        let offsets = Offsets { layers: vec![vec![visible; 4], vec![0.4; 3], vec![0.6; 2]] };
        offsets.centre_for(dbm.units(), &mut gradient);
        (gradient, signal_of(dbm, visible))
    };
    let ((here, before), (there, after)) =
        (centred(&dbm, &data, 0.1), centred(&moved, &data.add_scalar(shift), 0.1 + shift));
    assert!((here.weights(0) - there.weights(0)).amax() < 1e-4);
    assert!((here.weights(1) - there.weights(1)).amax() < 1e-4);
    assert!(here.bias(0).iter().zip(there.bias(0)).all(|(a, b)| (a - b).abs() < 1e-4));
    // The hidden biases of the centred parameters change equally: db_1 + dW_0' signal(offset).
    let towards = |gradient: &Stack, signal: &Matrix| gradient.bias(1) + gradient.weights(0).tr_mul(signal).column(0);
    assert!((towards(&here, &before) - towards(&there, &after)).amax() < 1e-4);
}

fn signal_of(dbm: &Dbm, offset: f32) -> Matrix {
    dbm.units().signal(&Matrix::from_element(dbm.visible(), 1, offset)).into_owned()
}

// Distributions of draws.

/// Deviations of the first and second moments of chains from those of the model, in standard errors.
fn deviations(dbm: &Dbm, chains: &Chains) -> f64 {
    let exact = dbm.marginals().expect("a small model");
    let layers: Vec<Matrix> = chains.layers.iter().map(Batch::to_matrix).collect();
    let row = |l: usize, i: usize| layers[l].row(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mut worst: f64 = 0.0;
    let mut check = |values: Vec<f64>, expected: f64| {
        let found = Estimate::mean(&values, Side::Unbiased, "moment");
        worst = worst.max((found.value - expected).abs() / found.std_error);
    };
    for (l, means) in exact.means.iter().enumerate() {
        for (i, &expected) in means.iter().enumerate() {
            check(row(l, i), expected);
            for j in 0..dbm.layers().get(l + 1).copied().unwrap_or(0) {
                let products = row(l, i).iter().zip(row(l + 1, j)).map(|(x, y)| x * y).collect();
                check(products, f64::from(exact.pairs[l][(i, j)]));
            }
        }
    }
    for (i, &expected) in exact.squares.iter().enumerate() {
        check(row(0, i).iter().map(|x| x * x).collect(), expected);
    }
    worst
}

/// Compares the counts of joint states (categories, then hidden bits) with their exact probabilities.
fn joint_test(dbm: &Dbm, chains: &Chains) -> TestResult {
    let all = all_categories(dbm);
    let (rows, sizes) = (all.samples(), dbm.layers());
    let hidden: usize = sizes[1..].iter().sum();
    let count = rows << hidden;
    let mut states = vec![Batch::from(all.select(&(0..count).map(|s| s % rows).collect::<Vec<_>>()))];
    let mut first = 0;
    for &units in &sizes[1..] {
        let shift = first;
        states.push(BitMatrix::from_fn(units, count, |unit, s| (s / rows) >> (shift + unit) & 1 == 1).into());
        first += units;
    }
    let log_z = dbm.log_partition().expect("a small model");
    let expected: Vec<f64> = dbm.energy(&states).iter().map(|energy| (-energy - log_z).exp()).collect();
    let groups = dbm.units().groups().expect("groups").clone();
    let mut observed = vec![0; count];
    for s in 0..chains.count() {
        let category = |group| groups.category(chains.layers[0].bits(), group, s).expect("one-hot");
        let row = (0..groups.count()).fold(0, |row, group| row * groups.categories() + category(group));
        let bits = chains.layers[1..].iter().flat_map(|x| (0..x.units()).map(move |unit| x.bits().get(unit, s)));
        let state: usize = bits.enumerate().map(|(place, on)| usize::from(on) << place).sum();
        observed[state * rows + row] += 1;
    }
    chi_squared_test(&observed, &expected)
}

fn softmax_model() -> Dbm {
    random_model(SOFTMAX, 71, &[6, 2, 3], 1.5)
}

fn gaussian_model() -> Dbm {
    random_model(GAUSSIAN, 75, &[4, 3, 2], 1.0)
}

#[test]
fn stat_joint_sweeps_leave_the_joint_invariant() {
    let (softmax, gaussian) = (softmax_model(), gaussian_model());
    for sweeps in [0, 1, 5] {
        let (streams, runs) = (Streams::new(72 + sweeps), Streams::new(80 + sweeps));
        let mut chains = softmax.exact_samples(SAMPLES, &streams).unwrap();
        softmax.sampler().run(&mut chains, sweeps as usize, &runs);
        joint_test(&softmax, &chains).assert_passes(ALPHA, sweeps);
        let mut chains = gaussian.exact_samples(SAMPLES, &streams).unwrap();
        gaussian.sampler().run(&mut chains, sweeps as usize, &runs);
        let worst = deviations(&gaussian, &chains);
        assert!(worst < FAR, "{worst} after {sweeps} sweeps");
    }
    // Long chains come to the distribution from other states.
    let mut chains = gaussian.chains(SAMPLES, &Streams::new(90));
    gaussian.sampler().run(&mut chains, 60, &Streams::new(90));
    assert!(deviations(&gaussian, &chains) < FAR);
}

/// A sweep that draws all layers from the states before it.
fn from_old_pair(dbm: &Dbm, old: &Chains, streams: &Streams) -> Chains {
    let sampler = dbm.sampler();
    let layer = |l: usize| sampler.sample(l, &old.layers, &streams.fork(gm_core::Purpose::Layer, l as u64));
    Chains { layers: (0..=dbm.depth()).map(layer).collect(), sweeps: 1 }
}

#[test]
fn planted_joint_layers_drawn_from_the_old_pair_are_found_out() {
    let (softmax, gaussian, streams) = (softmax_model(), gaussian_model(), Streams::new(73));
    let old = softmax.exact_samples(SAMPLES, &streams).unwrap();
    assert!(!joint_test(&softmax, &from_old_pair(&softmax, &old, &streams)).passes(ALPHA));
    let old = gaussian.exact_samples(SAMPLES, &streams).unwrap();
    assert!(deviations(&gaussian, &from_old_pair(&gaussian, &old, &streams)) > FAR);
}

/// The deviation, in standard errors, of the means of layer `l` from its conditional when another model draws the layer
/// many times. The states of all other layers are fixed.
fn conditional_deviation(dbm: &Dbm, drawn_by: &Dbm, l: usize) -> f64 {
    let same = |batch: &Batch| batch.select(&[1; SAMPLES]);
    let mut states: Vec<Batch> = vec![same(&some_states(dbm, 2))];
    for units in &dbm.layers()[1..] {
        states.push(BitMatrix::from_fn(*units, SAMPLES, |unit, _| unit % 2 == 0).into());
    }
    let drawn = drawn_by.sampler().sample(l, &states, &Streams::new(91)).to_matrix();
    let expected = dbm.sampler().mean(l, &states);
    let n = SAMPLES as f64;
    let far = |unit: usize| {
        let p = f64::from(expected.get(unit, 0));
        let values: Vec<f64> = drawn.row(unit).iter().map(|&x| f64::from(x) - p).collect();
        let second = values.iter().map(|x| x * x).sum::<f64>() / n;
        match dbm.units().gaussian().filter(|_| l == 0) {
            Some(gaussian) => {
                let s2 = f64::from(gaussian.variance()[unit]);
                (mean(&values).abs() / (s2 / n).sqrt()).max((second - s2).abs() / (s2 * (2.0 / n).sqrt()))
            }
            None => mean(&values).abs() / (p * (1.0 - p) / n).sqrt(),
        }
    };
    (0..dbm.layers()[l]).map(far).fold(0.0, f64::max)
}

#[test]
fn stat_cond_each_layer_follows_its_conditional() {
    for dbm in [softmax_model(), gaussian_model()] {
        for l in 0..=dbm.depth() {
            let far = conditional_deviation(&dbm, &dbm, l);
            assert!(far < FAR, "layer {l}: {far}");
        }
    }
}

#[test]
fn planted_cond_wrong_layers_are_found_out() {
    let (softmax, gaussian) = (softmax_model(), gaussian_model());
    let unit_variance = VisibleUnits::new(GAUSSIAN, 4, None).unwrap();
    let wrong = Dbm::from_stack(gaussian.stack().clone()).unwrap().with_units(unit_variance).unwrap();
    // Variances enter the draws of v and the inputs of the first hidden layer.
    assert!(conditional_deviation(&gaussian, &wrong, 0) > FAR);
    assert!(conditional_deviation(&gaussian, &wrong, 1) > FAR);
    let mut blind = gaussian.clone();
    blind.stack_mut().update_weights(1, |w| w.fill(0.0));
    assert!(conditional_deviation(&gaussian, &blind, 1) > FAR);
    let mut wrong = softmax.clone();
    wrong.stack_mut().update_weights(0, |w| w[(1, 0)] += 0.3);
    assert!(conditional_deviation(&softmax, &wrong, 0) > FAR);
}

/// The model whose distribution is that of `dbm` at an inverse temperature. Gaussian units keep their variance.
fn at_temperature(dbm: &Dbm, beta: f32) -> Dbm {
    let mut stack = dbm.stack().clone();
    stack.tensors_mut().flatten().for_each(|x| *x *= beta);
    Dbm::from_stack(stack).expect("a small model").with_units(dbm.units().clone()).expect("a small model")
}

/// Whether chains agree with the joint distribution, by a chi-squared test or by their moments.
fn agrees(dbm: &Dbm, chains: &Chains) -> bool {
    if dbm.units().is_binary() { joint_test(dbm, chains).passes(ALPHA) } else { deviations(dbm, chains) < FAR }
}

#[test]
fn stat_joint_tempered_sweeps_leave_their_joint_invariant() {
    for dbm in [softmax_model(), gaussian_model()] {
        let (tempered, streams) = (at_temperature(&dbm, 0.4), Streams::new(95));
        let betas = vec![0.4_f32; SAMPLES];
        for beta in [Beta::Same(0.4), Beta::Each(&betas)] {
            let mut chains = tempered.exact_samples(SAMPLES, &streams).unwrap();
            dbm.sampler().run_tempered(&mut chains, beta, 2, &streams);
            assert!(agrees(&tempered, &chains));
        }
    }
}

#[test]
fn planted_joint_sweeps_without_their_temperature_are_found_out() {
    for dbm in [softmax_model(), gaussian_model()] {
        let (tempered, streams) = (at_temperature(&dbm, 0.4), Streams::new(95));
        let mut chains = tempered.exact_samples(SAMPLES, &streams).unwrap();
        dbm.sampler().run(&mut chains, 2, &streams);
        assert!(!agrees(&tempered, &chains));
    }
}

#[test]
fn stat_joint_tempered_replicas_reach_the_joint() {
    for dbm in [softmax_model(), gaussian_model()] {
        let streams = Streams::new(110);
        let mut replicas = dbm.replicas(20_000, &[1.0, 0.6, 0.2], &streams).unwrap();
        let info = dbm.sampler().run_tempering(&mut replicas, 40, &streams);
        assert!(info.acceptance.iter().all(|&share| share > 0.1), "{info:?}");
        assert!(agrees(&dbm, &replicas.coldest()));
    }
}

#[test]
fn planted_joint_swaps_by_the_energy_of_gaussian_units_are_found_out() {
    // A wrong rule of swaps, which uses the energy alone and ignores the base that keeps the variances.
    let dbm = gaussian_model();
    let (streams, hot) = (Streams::new(120), at_temperature(&dbm, 0.5));
    let (mut cold, mut warm) =
        (dbm.exact_samples(SAMPLES, &streams).unwrap(), hot.exact_samples(SAMPLES, &Streams::new(121)).unwrap());
    let [e_cold, e_warm] = [&cold, &warm].map(|chains| dbm.energy(&chains.layers));
    let mut rng = rng(1);
    let swapped: Vec<bool> =
        e_cold.iter().zip(&e_warm).map(|(c, w)| rng.random::<f64>() < (0.5 * (c - w)).exp()).collect();
    for (c, w) in cold.layers.iter_mut().zip(&mut warm.layers) {
        let mask = BitMatrix::from_fn(c.units(), SAMPLES, |_, s| swapped[s]);
        c.replace_where(&mask, w);
    }
    assert!(deviations(&dbm, &cold) > FAR);
}

#[test]
fn stat_cond_clamped_chains_follow_the_conditional_distribution() {
    // E[v_1 | v_0] by numerical integration of the exact density.
    let dbm = random_model(GAUSSIAN, 99, &[2, 3, 2], 1.5);
    let given = 1.25_f32;
    let line = Matrix::from_fn(2, 601, |unit, s| if unit == 0 { given } else { 0.05 * (s as f32 - 300.0) });
    let log_p = dbm.log_prob(&line, 0.0).unwrap();
    let total = log_sum_exp(&log_p);
    let expected: f64 =
        log_p.iter().enumerate().map(|(s, log_p)| f64::from(line[(1, s)]) * (log_p - total).exp()).sum();
    let clamp = Clamp {
        mask: BitMatrix::from_fn(2, SAMPLES, |unit, _| unit == 0),
        values: Matrix::from_element(2, SAMPLES, given).into(),
    };
    let mut chains = dbm.chains(SAMPLES, &Streams::new(9));
    dbm.sampler().run_clamped(&mut chains, &clamp, 60, &Streams::new(9));
    let v = chains.layers[0].to_matrix();
    assert!(v.row(0).iter().all(|&x| x == given));
    mean_test(&v.row(1).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), expected).assert_passes(ALPHA, 9);
    // The hidden layers given the whole visible layer.
    let v = some_states(&dbm, 1);
    let exact = dbm.posterior_moments(&v).unwrap();
    let mut chains = dbm.chains_from(v.select(&[0; SAMPLES]), &Streams::new(10)).unwrap();
    dbm.sampler().run_hidden(&mut chains, 60, &Streams::new(10));
    for l in 1..=2 {
        let x = chains.layers[l].to_matrix();
        for (unit, &expected) in exact.means[l].iter().enumerate() {
            mean_test(&x.row(unit).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), expected).assert_passes(1e-7, 10);
        }
    }
}

#[test]
fn law_statistics_of_a_run_are_those_of_its_last_states() {
    let dbm = random_model(GAUSSIAN, 9, &[20, 40, 6, 10], 0.3);
    let (sampler, streams) = (dbm.sampler(), Streams::new(9));
    for sweeps in [0, 1, 3] {
        let (mut plain, mut chains) = (dbm.chains(200, &streams), dbm.chains(200, &streams));
        let (info, phase) = sampler.run_into_phase(&mut chains, sweeps, &streams);
        let expected = sampler.run(&mut plain, sweeps, &streams);
        assert_eq!((&chains, info.sweeps), (&plain, sweeps));
        assert!((info.flips - expected.flips).abs() < 1e-12 && (sweeps == 0 || info.flips > 0.0));
        assert_eq!(phase.averages(), ModelPhase::new(&sampler, &plain).averages());
    }
}

#[test]
fn stable_gaussian_chains_and_annealing_do_not_depend_on_threads() {
    let dbm = random_model(GAUSSIAN, 3, &[40, 70, 30], 0.2);
    let settings = AisSettings { runs: 40, schedule: Schedule::Graded(30) };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(2);
            let mut chains = dbm.chains(300, &streams);
            dbm.sampler().run(&mut chains, 5, &streams);
            let weights = dbm.log_partition_ais(&settings, None, &streams, &mut unwatched).unwrap().log_weights;
            let posterior = dbm.mean_field(&chains.layers[0], &MeanFieldSettings::default()).unwrap();
            (chains, weights, posterior)
        })
    };
    assert_eq!(run(1), run(3));
}

// Annealing.

#[test]
fn stat_mean_both_sides_bracket_the_exact_partition_function() {
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let mut misses = 0;
    for scale in [0.3, 0.8, 1.3] {
        for (seed, dbm) in zoo(scale) {
            let (streams, exact) = (Streams::new(seed), dbm.log_partition().unwrap());
            let base = dbm.base_rates(&some_states(&dbm, 4)).unwrap();
            for base in [None, Some(base.as_slice())] {
                let forward = dbm.log_partition_ais(&settings, base, &streams, &mut unwatched).unwrap().log_partition;
                let model = dbm.exact_samples(settings.runs, &streams).unwrap();
                let back = dbm.log_partition_reverse_ais(&model, &settings.schedule, base, &streams, &mut unwatched);
                for estimate in [forward, back.unwrap().log_partition] {
                    let far = (estimate.value - exact).abs() / estimate.std_error;
                    assert!(far < FAR, "model {seed}, scale {scale}: {estimate:?} against {exact}");
                    misses += usize::from(far > 3.0);
                }
            }
        }
    }
    // Binomial(96, .0027): exceeded with probability below 1e-6.
    assert!(misses <= 5, "{misses} beyond 3 standard errors");
}

#[test]
fn planted_mean_base_partition_without_a_variance_is_found_out() {
    let dbm = gaussian_model();
    let settings = AisSettings { runs: 1_000, schedule: Schedule::Linear(60) };
    let found = dbm.log_partition_ais(&settings, None, &Streams::new(3), &mut unwatched).unwrap().log_partition;
    let exact = dbm.log_partition().unwrap();
    assert!((found.value - exact).abs() < FAR * found.std_error);
    // The integral over independent units lacks the log of one standard deviation.
    let variance = f64::from(dbm.units().gaussian().unwrap().variance()[0]);
    assert!((found.value - variance.ln() / 2.0 - exact).abs() > FAR * found.std_error, "variance {variance}");
}

#[test]
fn stat_mean_raise_is_a_lower_bound_that_gets_tight() {
    for (seed, dbm) in zoo(1.0) {
        let (streams, log_z) = (Streams::new(50 + seed), dbm.log_partition().unwrap());
        let v = dbm.exact_samples(300, &streams).unwrap().layers.swap_remove(0);
        let settings = AisSettings { runs: 5, schedule: Schedule::Linear(100) };
        let bound = dbm.log_prob_raise(&v, &settings, None, &streams, &mut unwatched).unwrap();
        let exact = dbm.log_prob(&v, log_z).unwrap();
        let gaps: Vec<f64> = exact.iter().zip(&bound).map(|(p, bound)| p - bound).collect();
        let gap = Estimate::mean(&gaps, Side::Unbiased, "gap");
        assert!(gap.value > -FAR * gap.std_error && gap.value < 0.2 + FAR * gap.std_error, "model {seed}: {gap:?}");
    }
}

#[test]
fn stat_mean_importance_weights_are_unbiased() {
    for (seed, dbm) in zoo(1.0) {
        let (streams, log_z, v) = (Streams::new(80 + seed), dbm.log_partition().unwrap(), some_states(&dbm, 1));
        let exact = dbm.log_prob(&v, log_z).unwrap()[0];
        let copies = v.select(&vec![0; 20_000]);
        let q = dbm.mean_field(&copies, &MeanFieldSettings::default()).unwrap();
        let one = dbm.log_prob_importance((&copies, &q), 1, log_z, &streams, &mut unwatched).unwrap();
        let relative: Vec<f64> = one.iter().map(|log_p| (log_p - exact).exp()).collect();
        if Estimate::mean(&relative, Side::Unbiased, "weights").std_error > 1e-6 {
            mean_test(&relative, 1.0).assert_passes(1e-7, 80 + seed);
        } else {
            assert!((mean(&relative) - 1.0).abs() < 1e-4, "model {seed}");
        }
    }
}
