//! The figures of a report: statistics of parameters, weights as filters, and two causes of what is seen.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use crate::common::{VISIBLE, small};
use gm_core::{Matrix, ModelData, ModelKind, Stack, Standardise, Streams, Vector, VisibleKind, unwatched};
use gm_eval::{
    Model, SampleFigureSettings, SampleFigures, Spectrum, TensorStatistics, explaining_away, first_layer_filters,
    histogram, parameter_count, sample_figures, strongest_units, tensor_statistics, unit_statistics,
    weights_to_visible,
};
use gm_testkit::{Joint, assert_close};

/// A model with the given weights above one another, and biases of zero.
fn stack(weights: Vec<Matrix>) -> Stack {
    let sizes: Vec<usize> = std::iter::once(weights[0].nrows()).chain(weights.iter().map(Matrix::ncols)).collect();
    Stack::new(weights, sizes.into_iter().map(Vector::zeros).collect()).unwrap()
}

fn gaussian() -> ModelData {
    let weights = Matrix::from_row_slice(2, 3, &[1.0, 0.0, -2.0, 3.0, 0.0, 0.5]);
    let variance = Some(Vector::from_vec(vec![4.0, 1.0]));
    let stack = stack(vec![weights]);
    ModelData::new(ModelKind::Rbm, VisibleKind::Gaussian, stack, None, variance, Default::default())
        .and_then(|data| data.with_standardise(Some(Standardise::new(vec![1.0, 2.0], vec![3.0, 5.0])?)))
        .unwrap()
}

#[test]
fn table_statistics_of_each_tensor() {
    let found = tensor_statistics(&gaussian());
    let names: Vec<&str> = found.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["weights.0", "bias.0", "bias.1", "visible_variance", "visible_shift", "visible_scale"]);
    let TensorStatistics { shape, min, max, mean, rms, .. } = &found[0];
    assert_eq!((shape.as_slice(), *min, *max), ([2, 3].as_slice(), -2.0, 3.0));
    assert_close(*mean, 2.5 / 6.0, 1e-12, 0.0, "mean");
    assert_close(*rms, ((1.0 + 4.0 + 9.0 + 0.25) / 6.0_f64).sqrt(), 1e-12, 0.0, "root mean square");
    assert_eq!((found[3].shape.as_slice(), found[3].mean), ([2].as_slice(), 2.5));
    // 6 weights, 5 biases and 2 variances are trained; the standardisation is not.
    assert_eq!(parameter_count(&gaussian()), 13);
}

#[test]
fn table_units_count_as_stuck_and_dead_beyond_fixed_limits() {
    // One visible unit, whose bias is the only input of a hidden unit.
    let of_bias = |bias: f32| {
        let stack = Stack::new(vec![Matrix::zeros(1, 1)], vec![Vector::zeros(1), Vector::from_element(1, bias)]);
        let found = unit_statistics(&ModelData::from_stack(ModelKind::Rbm, stack.unwrap()).unwrap())[1];
        (found.always_off, found.always_on)
    };
    assert_eq!([-4.7, -4.5, 4.5, 4.7].map(of_bias), [(1, 0), (0, 0), (0, 0), (0, 1)]);
    let of_weight = |kind: ModelKind, weight: f32| {
        let data = ModelData::from_stack(kind, stack(vec![Matrix::from_element(1, 1, weight)])).unwrap();
        unit_statistics(&data).iter().map(|layer| layer.dead).collect::<Vec<_>>()
    };
    assert_eq!(of_weight(ModelKind::Rbm, 0.05), [0, 0]);
    assert_eq!(of_weight(ModelKind::Rbm, -0.03), [1, 1]);
    // A hidden unit of a directed model without an input of its own lives by its effect.
    assert_eq!(of_weight(ModelKind::Sbn, -0.05), [0, 0]);
    assert_eq!(of_weight(ModelKind::Sbn, -0.03), [1, 1]);
}

#[test]
fn table_histograms_begin_at_the_low_end() {
    let values = [2.0, 2.1, 2.6, 3.1, 3.9, 4.0];
    let found = histogram(&values, (2.0, 4.0), 4);
    let starts: Vec<f64> = found.iter().map(|bin| bin.0).collect();
    assert_eq!(starts, [2.0, 2.5, 3.0, 3.5]);
    let counts: Vec<f64> = found.iter().map(|bin| (6.0 * bin.1).round()).collect();
    assert_eq!(counts, [2.0, 1.0, 1.0, 2.0]);
    assert_eq!(histogram(&[], (0.0, 1.0), 1), [(0.0, 0.0)]);
}

#[test]
fn table_filters_are_the_weights_of_the_visible_units_alone() {
    let weights = Matrix::from_fn(5, 2, |i, j| (10 * i + j) as f32);
    let kind = VisibleKind::Labelled { classes: 2 };
    let data =
        ModelData::new(ModelKind::Rbm, kind, stack(vec![weights.clone()]), None, None, Default::default()).unwrap();
    assert_eq!(first_layer_filters(&data), weights.rows(0, 3).into_owned());
    let above = Matrix::from_fn(2, 3, |i, j| (i + 2 * j) as f32);
    let two = stack(vec![weights.clone(), above.clone()]);
    assert_eq!(weights_to_visible(&two, 0), weights);
    assert_eq!(weights_to_visible(&two, 1), &weights * &above);
    assert_eq!(strongest_units(&Matrix::from_row_slice(2, 3, &[0.0, 3.0, 4.0, 1.0, -4.0, 0.0]), 3), [1, 2, 0]);
}

#[test]
fn table_the_effective_rank_is_the_exponential_of_an_entropy() {
    let spectrum = Spectrum::new(3, &Matrix::from_diagonal(&Vector::from_vec(vec![2.0, -3.0])));
    let entropy = -(4.0 / 13.0_f64).ln() * 4.0 / 13.0 - (9.0 / 13.0_f64).ln() * 9.0 / 13.0;
    assert_eq!(spectrum.name, "weights.3");
    assert_close(spectrum.effective_rank, entropy.exp(), 1e-6, 0.0, "effective rank");
}

#[test]
fn table_frames_stand_at_their_moments() {
    let settings = SampleFigureSettings { count: 7, moments: vec![0, 3, 3, 10], watched: 20, ..Default::default() };
    let model = small(ModelKind::Rbm).model;
    let SampleFigures::Chains { frames, .. } =
        sample_figures(&model, &settings, &Streams::new(1), &mut unwatched).unwrap()
    else {
        unreachable!()
    };
    assert_eq!(frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 3, 3, 10, 30]);
    assert!(frames.iter().all(|frame| frame.1.shape() == (VISIBLE, 7)));
    // No sweep is made between two frames at the same moment; three and seven sweeps change the others.
    assert_eq!(frames[1].1, frames[2].1);
    assert!(frames[0].1 != frames[1].1 && frames[2].1 != frames[3].1);
}

/// Mean, mean and correlation of two hidden units, over all states of the model in which `seen` is on, if given.
fn pair(joint: &Joint, seen: Option<&[u8]>, [i, j]: [usize; 2]) -> [f64; 3] {
    let mut sums = [0.0; 4];
    for (number, p) in joint.probabilities().into_iter().enumerate() {
        let state = joint.state(number);
        if seen.is_none_or(|seen| state.starts_with(seen)) {
            let [a, b] = [i, j].map(|unit| f64::from(state[VISIBLE + unit]));
            [1.0, a, b, a * b].into_iter().zip(&mut sums).for_each(|(x, sum)| *sum += p * x);
        }
    }
    let [a, b, both] = [1, 2, 3].map(|k| sums[k] / sums[0]);
    [a, b, (both - a * b) / (a * (1.0 - a) * b * (1.0 - b)).sqrt()]
}

#[test]
fn oracle_explaining_away_is_that_of_all_states() {
    let small = small(ModelKind::Sbn);
    let Model::Sbn(sbn) = &small.model else { unreachable!() };
    for seen in [[1, 1, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]] {
        let found = explaining_away(sbn, &seen.map(|on| on == 1), None).unwrap();
        let change = |causes| (pair(&small.joint, Some(&seen), causes)[2] - pair(&small.joint, None, causes)[2]).abs();
        let pairs = (0..5).flat_map(|i| (i + 1..5).map(move |j| [i, j]));
        let most = pairs.max_by(|&a, &b| change(a).total_cmp(&change(b))).unwrap();
        assert_eq!(found.causes, most, "{seen:?}");
        for (belief, seen) in [(found.before, None), (found.after, Some(&seen[..]))] {
            let expected = pair(&small.joint, seen, most);
            for (found, expected) in [belief.means[0], belief.means[1], belief.correlation].into_iter().zip(expected) {
                assert_close(found, expected, 1e-5, 1e-6, "belief");
            }
        }
    }
}
