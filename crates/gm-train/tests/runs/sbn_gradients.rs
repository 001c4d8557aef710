//! The gradients that training rules estimate, against gradients by enumeration.

use gm_core::{BitMatrix, Format, ModelData, Recognition, Stack, Streams};
use gm_sbn::{Draws, Recognised, Sbn};
use gm_testkit::Fixture;
use gm_train::{Lateral, SbnLearner, SbnRule, SbnSettings};

/// Updates whose gradients are averaged.
const REPEATS: u64 = 4_000;

/// With some 70 components in a gradient the largest of their deviations exceeds 6.5 with a probability below 1e-8.
const ALLOWED: f64 = 6.5;

fn small_net() -> (Sbn, BitMatrix) {
    let fixture = Fixture::load("sbn_2");
    let data = ModelData::read_as(Format::Json, fixture.json().as_bytes()).expect("a sound fixture");
    let rows = fixture.data();
    let rows = BitMatrix::from_fn(rows[0].len(), rows.len(), |unit, row| rows[row][unit] == 1);
    (Sbn::from_data(data).expect("a sound fixture"), rows)
}

/// The same net, where units of the recognition net depend on the units before them.
fn autoregressive() -> (Sbn, BitMatrix) {
    let (sbn, data) = small_net();
    let mut sbn = sbn.with_autoregressive_recognition().expect("a recognition net");
    let net = sbn.recognition_mut().expect("a recognition net");
    (1..=net.depth()).for_each(|l| net.update_within(l, |a| a.fill(0.75)));
    (sbn, data)
}

/// The same net, where the units of the net itself depend on the units before them.
fn lateral() -> (Sbn, BitMatrix) {
    let (sbn, data) = autoregressive();
    let layers: Vec<usize> = (0..=sbn.depth()).collect();
    let mut sbn = sbn.with_layers_within(&layers).expect("layers of the net");
    layers.into_iter().for_each(|l| sbn.stack_mut().update_within(l, |a| a.fill(-0.75)));
    (sbn, data)
}

fn learner(sbn: &Sbn, rule: SbnRule, samples: usize) -> SbnLearner {
    let hidden = sbn.layers()[1..].to_vec();
    let autoregressive = sbn.recognition().is_some_and(Recognition::is_autoregressive);
    let lateral = if sbn.stack().layers_within().is_empty() { Lateral::None } else { Lateral::All };
    let settings = SbnSettings { hidden, rule, samples, sweeps: 3, autoregressive, lateral, ..SbnSettings::default() };
    SbnLearner::start_from(sbn.clone(), &settings).expect("settings of this model")
}

fn flat<'a>(tensors: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    tensors.flatten().map(|&x| f64::from(x)).collect()
}

/// Means and standard errors of the components of gradients.
struct Moments {
    count: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn of(gradients: impl Iterator<Item = Vec<f64>>) -> Self {
        let mut found = Self { count: 0.0, sums: Vec::new(), squares: Vec::new() };
        for gradient in gradients {
            found.sums.resize(gradient.len(), 0.0);
            found.squares.resize(gradient.len(), 0.0);
            found.count += 1.0;
            for ((sum, square), x) in found.sums.iter_mut().zip(&mut found.squares).zip(gradient) {
                (*sum, *square) = (*sum + x, *square + x * x);
            }
        }
        found
    }

    /// The largest deviation of a mean from what is expected, in standard errors.
    fn deviation(&self, expected: &[f64]) -> f64 {
        let one = |((sum, square), expected): ((&f64, &f64), &f64)| {
            let mean = sum / self.count;
            let error = ((square / self.count - mean * mean) / (self.count - 1.0)).max(0.0).sqrt();
            // Single precision rounds what does not vary at all.
            (mean - expected).abs() / (error + 1e-7)
        };
        assert_eq!(self.sums.len(), expected.len());
        self.sums.iter().zip(&self.squares).zip(expected).map(one).fold(0.0, f64::max)
    }
}

/// Gradients of a rule over many updates with the same parameters: of the generative and of the recognition net.
fn estimated(learner: &mut SbnLearner, data: &BitMatrix, seed: u64) -> (Moments, Moments) {
    let streams = Streams::new(seed);
    let both: Vec<(Vec<f64>, Vec<f64>)> = (0..REPEATS)
        .map(|step| {
            let (generative, recognition) = learner.gradients(data, step, &streams).expect("a small model");
            (flat(generative.tensors()), flat(recognition.expect("a recognition net").tensors()))
        })
        .collect();
    (Moments::of(both.iter().map(|g| g.0.clone())), Moments::of(both.iter().map(|g| g.1.clone())))
}

fn halves((generative, recognition): (Stack, Recognition)) -> (Vec<f64>, Vec<f64>) {
    (flat(generative.tensors()), flat(recognition.tensors()))
}

#[test]
fn stat_mean_rules_for_bounds_are_unbiased() {
    let cases = [
        (small_net(), SbnRule::Vimco, 2, 2),
        (small_net(), SbnRule::VarGrad, 3, 1),
        (small_net(), SbnRule::VarGrad, 2, 1),
        (autoregressive(), SbnRule::Vimco, 2, 2),
        (autoregressive(), SbnRule::VarGrad, 2, 1),
        (lateral(), SbnRule::Vimco, 2, 2),
        (lateral(), SbnRule::VarGrad, 2, 1),
    ];
    for (case, ((sbn, data), rule, samples, bound)) in cases.into_iter().enumerate() {
        let expected = halves(sbn.exact_bound_gradients(&data, bound).unwrap());
        let found = estimated(&mut learner(&sbn, rule, samples), &data, case as u64);
        let deviations = (found.0.deviation(&expected.0), found.1.deviation(&expected.1));
        assert!(deviations.0 < ALLOWED && deviations.1 < ALLOWED, "{rule}: {deviations:?}, seed {case}");
    }
}

#[test]
fn stat_mean_nvil_is_unbiased_but_for_its_scale() {
    // Gradients of single updates of fresh learners: the first has no memory, so that the second is looked at.
    let (sbn, data) = small_net();
    let exact = halves(sbn.exact_bound_gradients(&data, 1).unwrap());
    let first = learner(&sbn, SbnRule::Nvil, 1);
    let mut taught = first.clone();
    taught.gradients(&data, 1_000_000, &Streams::new(20)).unwrap();
    let (mut generative, mut recognition) = (Vec::new(), Vec::new());
    for step in 0..REPEATS {
        let mut learner = taught.clone();
        let found = learner.gradients(&data, step, &Streams::new(21)).unwrap();
        generative.push(flat(found.0.tensors()));
        recognition.push(flat(found.1.expect("a recognition net").tensors()));
    }
    let scale = taught.signal_scale();
    assert!(scale > 1.0);
    let expected: Vec<f64> = exact.1.iter().map(|x| x / scale).collect();
    let found = Moments::of(generative.into_iter()).deviation(&exact.0);
    assert!(found < ALLOWED, "{found}");
    let found = Moments::of(recognition.into_iter()).deviation(&expected);
    assert!(found < ALLOWED, "{found}");
}

#[test]
fn stat_mean_wake_sleep_and_reweighted_wake_sleep_have_their_expectations() {
    for (sbn, data) in [small_net(), autoregressive()] {
        wake_sleep_has_its_expectations(&sbn, &data);
    }
}

fn wake_sleep_has_its_expectations(sbn: &Sbn, data: &BitMatrix) {
    let (elbo, dreams) = (
        halves(sbn.exact_bound_gradients(data, 1).expect("a small model")),
        sbn.exact_dream_gradient().expect("a small model"),
    );
    let found = estimated(&mut learner(sbn, SbnRule::WakeSleep, 1), data, 30);
    let deviations = (found.0.deviation(&elbo.0), found.1.deviation(&flat(dreams.tensors())));
    assert!(deviations.0 < ALLOWED && deviations.1 < ALLOWED, "wake-sleep: {deviations:?}, seed 30");
    // The generative gradient of two weighted samples is that of the two-sample bound.
    let two = halves(sbn.exact_bound_gradients(data, 2).expect("a small model"));
    let found = estimated(&mut learner(sbn, SbnRule::Reweighted, 2), data, 31);
    assert!(found.0.deviation(&two.0) < ALLOWED, "reweighted wake-sleep: seed 31");
}

#[test]
fn planted_mean_biased_estimators_are_found_out() {
    let (sbn, data) = small_net();
    let exact = flat(sbn.exact_gradient(&data).unwrap().tensors());
    let (elbo, two) =
        (halves(sbn.exact_bound_gradients(&data, 1).unwrap()), halves(sbn.exact_bound_gradients(&data, 2).unwrap()));
    // Two weighted samples do not give the gradient of log p, nor that of the evidence lower bound.
    let found = estimated(&mut learner(&sbn, SbnRule::Reweighted, 2), &data, 40);
    assert!(found.0.deviation(&exact) > ALLOWED && found.0.deviation(&elbo.0) > ALLOWED);
    // Without the push of the bound itself, and with a baseline that has seen the sample it is for.
    let own = |logs: &[f64]| logs.iter().map(|f| f - logs.iter().sum::<f64>() / 2.0).collect::<Vec<_>>();
    let no_push = |logs: &[f64]| {
        let (a, c) = SbnRule::Vimco.coefficients(logs, 0.0);
        a.iter().zip(c).map(|(a, c)| c + a).collect::<Vec<_>>()
    };
    let wrong = |coefficients: &dyn Fn(&[f64]) -> Vec<f64>, seed| {
        let sampler = sbn.sampler();
        Moments::of((0..REPEATS).map(|step| {
            let streams = Streams::new(seed).fork(gm_core::Purpose::Test, step);
            let draws = Draws::recognised(&sampler, &data, 2, &streams);
            let rows = data.samples() as f64;
            let c: Vec<f32> = draws.log_weights().chunks(2).flat_map(coefficients).map(|c| (c / rows) as f32).collect();
            let mut gradient = Recognition::zeros(&sbn.layers()).expect("layers of a model");
            Recognised::gradient_into(&[draws.into_parts().1.weighted(&c)], &mut gradient);
            flat(gradient.tensors())
        }))
    };
    assert!(wrong(&no_push, 41).deviation(&two.1) > ALLOWED);
    let halved = |logs: &[f64]| own(logs).iter().map(|c| c / 2.0).collect::<Vec<_>>();
    assert!(wrong(&halved, 42).deviation(&elbo.1) > ALLOWED);
}

#[test]
fn law_the_exact_rule_and_many_samples_agree_with_enumeration() {
    let (sbn, data) = small_net();
    let exact = halves((sbn.exact_gradient(&data).unwrap(), sbn.exact_recognition_gradient(&data).unwrap()));
    let mut learner = learner(&sbn, SbnRule::Exact, 1);
    let (generative, recognition) = learner.gradients(&data, 0, &Streams::new(0)).unwrap();
    assert_eq!((flat(generative.tensors()), flat(recognition.unwrap().tensors())), exact);
    // The bias of reweighted wake-sleep, and that of Gibbs sampling from the recognition net, die out.
    let distance = |rule, samples, sweeps| {
        let hidden = sbn.layers()[1..].to_vec();
        let settings = SbnSettings { hidden, rule, samples, sweeps, ..SbnSettings::default() };
        let mut learner = SbnLearner::start_from(sbn.clone(), &settings).expect("settings of this model");
        let mut sum = vec![0.0; exact.0.len()];
        for step in 0..40 {
            let found = flat(learner.gradients(&data, step, &Streams::new(50)).expect("a small model").0.tensors());
            sum.iter_mut().zip(found).for_each(|(sum, x)| *sum += x / 40.0);
        }
        sum.iter().zip(&exact.0).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let [few, many] = [2, 500].map(|samples| distance(SbnRule::Reweighted, samples, 1));
    assert!(many < 0.3 * few, "{few} with 2 samples, {many} with 500");
    let [few, many] = [1, 40].map(|sweeps| distance(SbnRule::GibbsEm, 100, sweeps));
    assert!(many < 0.5 * few, "{few} after 1 sweep, {many} after 40");
}
