//! Steps of an ascent computed by hand: rates, penalties, norms, variances, and what keeps still.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use gm_ascent::{Ascending, Ascent, Clock, Divergence, Optimiser, Pace, Rate, Regularise, Slope, named};
use gm_core::{Gaussian, Matrix, Stack, Vector, VisibleUnits};

fn pace(first: f64) -> Pace {
    Pace { first, schedule: Rate::Linear, warm_up: 2.0 }
}

/// Half of the run has passed, and the warm-up with it.
const HALF: Clock = Clock { step: 50, total: 100, per_epoch: 10 };

/// A stack of two layers of weights, all of one value, and biases of another.
fn stack(weight: f32, bias: f32) -> Stack {
    let weights = vec![Matrix::from_element(2, 2, weight), Matrix::from_element(2, 1, weight)];
    Stack::new(weights, [2, 2, 1].map(|n| Vector::from_element(n, bias)).to_vec()).unwrap()
}

#[test]
fn table_the_pace_is_a_product() {
    let at = |step| pace(0.4).at(&Clock { step, ..HALF });
    // 0.4 times the share of the run that is left, times the share of the warm-up of twenty updates.
    assert!((at(0) - 0.4 / 20.0).abs() < 1e-12 && (at(9) - 0.4 * 0.91 * 0.5).abs() < 1e-12);
    assert!((at(50) - 0.2).abs() < 1e-12 && at(100) == 0.0);
}

#[test]
fn table_a_step_penalises_weights_and_limits_their_norms() {
    let penalty = Regularise { l1: 0.0, l2: 0.5, max_norm: Some(1.25) };
    let mut parameters = stack(1.0, 1.0);
    let mut ascent = Ascent::new(pace(0.4), "sgd".parse().unwrap(), penalty, named(&parameters));
    let gradient = stack(0.25, 0.25);
    let slope = Slope { tensors: gradient.tensors().collect(), ..Slope::default() };
    let rate = ascent.climb(&mut parameters, slope, &HALF);
    assert!((rate - 0.2).abs() < 1e-12);
    // Weights: 1 + 0.2 (0.25 - 0.5); their columns have norm sqrt(2) 0.95 > 1.25. Biases: 1 + 0.2 0.25.
    let limited = 1.25 / 2.0_f32.sqrt();
    for l in [0, 1] {
        assert!(parameters.weights(l).iter().all(|w| (w - limited).abs() < 1e-6), "{:?}", parameters.weights(l));
    }
    assert!((0..3).all(|l| parameters.bias(l).iter().all(|b| (b - 1.05).abs() < 1e-6)));
}

#[test]
fn table_tensors_without_a_slope_keep_still() {
    let (before, gradient, zeros) = (stack(1.0, 1.0), stack(1.0, 1.0), [0.0; 2]);
    let mut parameters = before.clone();
    let penalty = Regularise { max_norm: Some(0.5), ..Regularise::default() };
    let tensors = named(&before).chain([("other".to_owned(), &zeros[..])]);
    let mut ascent = Ascent::new(pace(0.4), "sgd".parse().unwrap(), penalty, tensors);
    // The lower weights and biases have no slope. The norms of these weights are not limited either.
    let slope = |(t, tensor)| if [0, 2, 3].contains(&t) { &[][..] } else { tensor };
    let tensors: Vec<&[f32]> = gradient.tensors().enumerate().map(slope).collect();
    let mut other = [1.0, 2.0];
    let slope = Slope { tensors, others: vec![(&mut other, &[10.0, -10.0])], ..Slope::default() };
    ascent.climb(&mut parameters, slope, &HALF);
    assert_eq!(parameters.weights(0), before.weights(0));
    assert_eq!((parameters.bias(0), parameters.bias(1)), (before.bias(0), before.bias(1)));
    assert!((parameters.weights(1).norm() - 0.5).abs() < 1e-6 && (parameters.bias(2)[0] - 1.2).abs() < 1e-6);
    assert_eq!(other, [3.0, 0.0]);
}

/// A model of Gaussian units.
struct Real {
    stack: Stack,
    units: VisibleUnits,
}

impl Ascending for &mut Real {
    fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        Some(&mut self.units)
    }
}

#[test]
fn table_log_variances_step_within_their_limits() {
    let units = VisibleUnits::Gaussian(Gaussian::new(vec![2.0, 2.0, 2.0, 0.51]).unwrap());
    let mut model = Real { stack: Stack::zeros(&[4, 1]).unwrap(), units };
    let constant = Pace { first: 0.5, schedule: Rate::Constant, warm_up: 0.0 };
    let penalty = (Regularise::default(), 0.5);
    let mut ascent = Ascent::with_variances(constant, "sgd".parse().unwrap(), penalty, &model.stack, &model.units);
    let still = Stack::zeros(&[4, 1]).unwrap();
    let log_variances = &[0.1, 4.0, -4.0, -1.0];
    let slope = Slope { tensors: still.tensors().collect(), log_variances, others: vec![] };
    ascent.climb(&mut model, slope, &HALF);
    let found = model.units.gaussian().unwrap().variance();
    // Steps of 0.05, of at most 0.1 either way, and to the least variance.
    let expected = [2.0 * 0.05_f32.exp(), 2.0 * 0.1_f32.exp(), 2.0 * (-0.1_f32).exp(), 0.5];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} against {expected:?}");
    assert_eq!(model.stack, still);
}

#[test]
fn law_a_restored_ascent_goes_on_as_before() {
    for optimiser in ["sgd", "momentum:0.5", "nesterov:0.5", "adam"] {
        let start = stack(0.5, 0.25);
        let ascent = || Ascent::new(pace(0.4), optimiser.parse().unwrap(), Regularise::default(), named(&start));
        let gradient = |step: u64| stack(0.1 * step as f32, -0.2);
        let climb = |ascent: &mut Ascent, parameters: &mut Stack, step| {
            let gradient = gradient(step);
            let slope = Slope { tensors: gradient.tensors().collect(), ..Slope::default() };
            ascent.climb(parameters, slope, &Clock { step, ..HALF });
        };
        let (mut whole, mut cut, mut first) = (start.clone(), start.clone(), ascent());
        (0..6).for_each(|step| climb(&mut first, &mut whole, step));
        let mut before = ascent();
        (0..3).for_each(|step| climb(&mut before, &mut cut, step));
        assert_eq!(before.state().updates, 3);
        let mut after = ascent();
        after.restore(before.state()).unwrap();
        (3..6).for_each(|step| climb(&mut after, &mut cut, step));
        assert_eq!((cut, after.state()), (whole, first.state()), "{optimiser}");
    }
}

#[test]
fn table_momentum_may_change_on_the_way() {
    let mut parameters = stack(0.0, 0.0);
    let constant = Pace { first: 1.0, schedule: Rate::Constant, warm_up: 0.0 };
    let mut ascent = Ascent::new(constant, "momentum:0.5".parse().unwrap(), Regularise::default(), named(&parameters));
    let gradient = stack(0.0, 1.0);
    let climb = |ascent: &mut Ascent, parameters: &mut Stack| {
        let slope = Slope { tensors: gradient.tensors().collect(), ..Slope::default() };
        ascent.climb(&mut *parameters, slope, &HALF);
        parameters.bias(0)[0]
    };
    assert_eq!([climb(&mut ascent, &mut parameters), climb(&mut ascent, &mut parameters)], [1.0, 2.5]);
    ascent.set_momentum(0.0);
    // The velocity is 1 now, without the 1.5 before.
    assert_eq!(climb(&mut ascent, &mut parameters), 3.5);
    ascent.set_momentum(0.9);
    assert_eq!(climb(&mut ascent, &mut parameters), 3.5 + 1.9);
    assert_eq!(ascent.state().tensors["velocity.bias.0"], [1.9, 1.9]);
}

#[test]
fn table_the_adam_of_many_updates_corrects_its_moments() {
    // With equal gradients the corrected moments are g and g^2, so that each step is the rate times the sign of g.
    let mut parameters = stack(0.0, 0.0);
    let mut optimiser = Optimiser::new("adam:0.9,0.99".parse().unwrap(), &parameters);
    for update in 1..=20 {
        optimiser.apply(&mut parameters, &stack(3.0, -0.01), 0.5, &Regularise::default());
        let expected = 0.5 * update as f32;
        assert!((parameters.weights(0)[(0, 0)] - expected).abs() < 1e-3, "update {update}");
        assert!((parameters.bias(1)[0] + expected).abs() < 1e-3, "update {update}");
    }
}

#[test]
fn table_parameters_diverge_beyond_their_limits() {
    let found = |weight: f32, bias: f32| Divergence::find(named(&stack(weight, bias))).map(|found| found.tensor);
    assert_eq!(found(999.0, 9.9e4), None);
    assert_eq!(found(-1_001.0, 0.0), Some("weights.0".to_owned()));
    assert_eq!(found(0.0, 1.01e5), Some("bias.0".to_owned()));
}
