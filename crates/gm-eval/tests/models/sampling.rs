//! Samples, chains and their diagnostics.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use crate::common::{VISIBLE, all, small};
use gm_core::{BitMatrix, Clamp, Labels, Matrix, ModelData, ModelKind, Stack, Streams, Vector, unwatched};
use gm_eval::{
    ChainMethod, ChainSettings, Diagnostics, Model, ModelChains, RbmChains, SampleFigureSettings, SampleFigures,
    SampleSettings, SampleSource, Samples, Sampling, Share, chains_of, sample, sample_figures,
};

fn samples(model: &Model, settings: &SampleSettings) -> Samples {
    sample(model, settings, &Streams::new(7), &mut unwatched).unwrap()
}

/// The largest distance between means of samples and means of the visible units.
fn furthest(samples: &Matrix, expected: &[f64]) -> f64 {
    let error = |(unit, mean): (usize, &f64)| (f64::from(samples.row(unit).mean()) - mean).abs();
    expected.iter().enumerate().map(error).fold(0.0, f64::max)
}

#[test]
fn stat_mean_samples_have_the_means_of_every_model() {
    for small in all() {
        let independent = small.model.kind() == ModelKind::Sbn;
        let settings = SampleSettings {
            count: 6_000,
            chains: (!independent).then_some(1_000),
            steps: (!independent).then_some(100),
            thin: (!independent).then_some(20),
            ..SampleSettings::default()
        };
        // Six standard errors of 6,000 draws are 0.04.
        let error = furthest(&samples(&small.model, &settings).values, &small.joint.marginals()[0]);
        assert!(error < 0.04, "{}: {error}", small.model.kind());
        let means = SampleSettings { means: true, ..settings };
        let error = furthest(&samples(&small.model, &means).values, &small.joint.marginals()[0]);
        assert!(error < 0.04, "{}: {error}", small.model.kind());
    }
}

#[test]
fn stat_mean_tempered_chains_have_the_means_of_the_model() {
    let small = small(ModelKind::Rbm);
    let start = ChainSettings { method: Some(ChainMethod::Tempering), temperatures: Some(4), ..Default::default() };
    let settings = SampleSettings { count: 4_000, chains: Some(500), steps: Some(100), start, ..Default::default() };
    let found = samples(&small.model, &settings);
    assert!(furthest(&found.values, &small.joint.marginals()[0]) < 0.05);
    let diagnostics = found.report.diagnostics.unwrap();
    assert!(diagnostics.swap_acceptance.unwrap() > 0.5 && diagnostics.lowest_swap_acceptance.unwrap() > 0.3);
    assert_eq!(found.report.method, "parallel tempering");
}

#[test]
fn planted_mean_samples_at_another_temperature_are_noticed() {
    for kind in [ModelKind::Rbm, ModelKind::Dbm] {
        let (small, start) = (small(kind), ChainSettings { beta: Some(0.5), ..Default::default() });
        let settings = SampleSettings { count: 6_000, steps: Some(100), start, ..Default::default() };
        let error = furthest(&samples(&small.model, &settings).values, &small.joint.marginals()[0]);
        assert!(error > 0.05, "{kind}: {error}");
    }
}

#[test]
fn table_infinite_temperature_is_noise() {
    for kind in [ModelKind::Rbm, ModelKind::Dbm] {
        let start = ChainSettings { beta: Some(0.0), ..Default::default() };
        let settings = SampleSettings { count: 4_000, steps: Some(5), start, ..Default::default() };
        assert!(furthest(&samples(&small(kind).model, &settings).values, &[0.5; VISIBLE]) < 0.05);
    }
}

#[test]
fn law_given_units_keep_their_values() {
    let given = |unit: usize| unit == 1;
    for small in all() {
        let mask = BitMatrix::from_fn(VISIBLE, 20, |unit, _| given(unit));
        let values = BitMatrix::from_fn(VISIBLE, 20, |unit, chain| given(unit) && chain % 2 == 0);
        let start = ChainSettings { clamp: Some(Clamp { mask, values: values.into() }), ..Default::default() };
        let settings = SampleSettings { count: 20, steps: Some(40), means: true, start, ..Default::default() };
        let found = samples(&small.model, &settings);
        for (chain, means) in found.values.column_iter().enumerate() {
            assert_eq!(means[1], f32::from(u8::from(chain % 2 == 0)), "{}", small.model.kind());
            assert!(means[0] > 0.0 && means[0] < 1.0);
        }
        let diagnostics = found.report.diagnostics.unwrap();
        assert!(!diagnostics.compared && diagnostics.to_string().contains("each chain by itself"));
    }
}

#[test]
fn stable_samples_do_not_depend_on_how_they_are_handed_over() {
    for small in all() {
        let settings = SampleSettings { count: 25, ..SampleSettings::default() };
        let whole = samples(&small.model, &settings);
        let streams = Streams::new(7);
        let mut sampling = Sampling::new(&small.model, &settings, &streams).unwrap();
        sampling.burn_in(&mut unwatched).unwrap();
        let mut parts = vec![];
        sampling
            .draw(&mut unwatched, &mut |values: &Matrix| {
                parts.extend_from_slice(values.as_slice());
                Ok::<(), gm_eval::Error>(())
            })
            .unwrap();
        assert_eq!(whole.values.as_slice(), parts);
        assert_eq!(&whole.report, sampling.report());
    }
}

/// The samples of each part, and the diagnostics of all parts.
fn in_parts(model: &Model, settings: &SampleSettings, of: usize) -> (Vec<f32>, Option<Diagnostics>) {
    let parts = (1..=of).map(|part| {
        let mut sampling = Sampling::part(model, settings, Share { part, of }, &Streams::new(7)).unwrap();
        sampling.burn_in(&mut unwatched).unwrap();
        let mut rounds = vec![];
        let mut each = |values: &Matrix| {
            rounds.push(values.as_slice().to_vec());
            Ok::<(), gm_eval::Error>(())
        };
        sampling.draw(&mut unwatched, &mut each).unwrap();
        (rounds, sampling)
    });
    let (rounds, mut samplings): (Vec<_>, Vec<_>) = parts.unzip();
    let found = samplings.iter().flat_map(|sampling| sampling.watched().to_vec()).collect();
    samplings[0].diagnose(found).unwrap();
    let in_order = (0..rounds[0].len()).flat_map(|round| rounds.iter().flat_map(move |part| part[round].clone()));
    (in_order.collect(), samplings.remove(0).into_report().diagnostics)
}

#[test]
fn stable_shards_have_the_same_samples_in_any_number_of_parts() {
    for small in all() {
        let independent = small.model.kind() == ModelKind::Sbn;
        let clamped = ChainSettings {
            clamp: Some(Clamp {
                mask: BitMatrix::from_fn(4, 11, |i, j| i == j % 3),
                values: BitMatrix::zeros(4, 11).into(),
            }),
            ..Default::default()
        };
        for start in [ChainSettings::default(), clamped] {
            let chains = (!independent || start.clamp.is_some()).then_some(11);
            let steps = chains.map(|_| 50);
            let settings = SampleSettings { count: 22, chains, steps, shards: 4, start, ..Default::default() };
            let whole = samples(&small.model, &settings);
            assert_eq!(whole.values.ncols(), 22);
            for of in [1, 2, 3, 4] {
                let (found, diagnostics) = in_parts(&small.model, &settings, of);
                assert_eq!(whole.values.as_slice(), found, "{} in {of} parts", small.model.kind());
                assert_eq!(whole.report.diagnostics, diagnostics);
            }
            let one = samples(&small.model, &SampleSettings { shards: 1, ..settings });
            assert_ne!(one.values, whole.values);
        }
    }
}

#[test]
fn stat_mean_shards_have_the_means_of_the_model() {
    for small in all() {
        let chains = (small.model.kind() != ModelKind::Sbn).then_some(1_000);
        let (steps, thin) = (chains.map(|_| 100), chains.map(|_| 20));
        let settings = SampleSettings { count: 6_000, chains, steps, thin, shards: 7, ..SampleSettings::default() };
        // Six standard errors of 6,000 draws are 0.04.
        let error = furthest(&samples(&small.model, &settings).values, &small.joint.marginals()[0]);
        assert!(error < 0.04, "{}: {error}", small.model.kind());
    }
}

#[test]
fn rejects_shards_without_chains_and_parts_without_shards() {
    let refused = |settings: &SampleSettings, of| {
        let share = Share { part: 1, of };
        Sampling::part(&two_modes(), settings, share, &Streams::new(7)).unwrap_err().to_string()
    };
    let range = |of: usize| format!("{of} to 3, so that each part has shards and each shard has chains");
    let settings = SampleSettings { count: 3, shards: 4, ..Default::default() };
    assert_eq!(refused(&settings, 1), format!("sample: `shards` is 4, allowed: {}", range(1)));
    assert!(refused(&SampleSettings { shards: 0, ..settings.clone() }, 1).starts_with("sample: `shards` is 0"));
    assert_eq!(
        refused(&SampleSettings { shards: 2, ..settings.clone() }, 3),
        format!("sample: `shards` is 2, allowed: {}", range(3))
    );
    let clamp = Clamp { mask: BitMatrix::zeros(4, 2), values: BitMatrix::zeros(4, 2).into() };
    let start = ChainSettings { clamp: Some(clamp), ..Default::default() };
    assert_eq!(
        refused(&SampleSettings { shards: 2, start, ..settings }, 1),
        "sample: `clamp` is 2 samples with 2 masks, allowed: 3, one for each chain"
    );
}

/// An RBM with two modes that block Gibbs sampling does not leave.
fn two_modes() -> Model {
    let weights = vec![Matrix::from_element(6, 6, 6.0)];
    let stack = Stack::new(weights, vec![Vector::from_element(6, -18.0); 2]).unwrap();
    Model::Rbm(gm_rbm::Rbm::from_stack(stack).unwrap())
}

#[test]
fn law_diagnostics_tell_chains_that_stay_from_chains_that_mix() {
    let settings = SampleSettings { count: 40, steps: Some(400), ..SampleSettings::default() };
    let found = samples(&two_modes(), &settings).report.diagnostics.unwrap();
    assert!(!found.mixed() || found.flips < 0.01, "{found}");
    let mixing = samples(&small(ModelKind::Rbm).model, &settings).report.diagnostics.unwrap();
    assert!(mixing.mixed() && mixing.compared && mixing.flips > 0.1, "{mixing}");
    assert!(mixing.ess > 1_000.0 && mixing.autocorrelation_time < 5.0, "{mixing}");
    assert_eq!((mixing.traces.len(), mixing.traces[0].len(), mixing.sweeps), (40, 200, 200));
    assert_eq!(samples(&two_modes(), &SampleSettings { steps: Some(10), ..settings }).report.diagnostics, None);
}

#[test]
fn table_label_units_keep_the_classes_in_turn() {
    let labels =
        Labels::new(Matrix::from_fn(3, 4, |class, unit| if class == unit { 8.0 } else { -8.0 }), Vector::zeros(3));
    let stack = Stack::new(
        vec![Matrix::from_fn(4, 4, |i, j| if i == j { 20.0 } else { -10.0 })],
        vec![Vector::from_element(4, -10.0), Vector::zeros(4)],
    );
    let dbn = gm_dbn::Dbn::new(stack.unwrap(), None).unwrap().with_labels(Some(labels.unwrap())).unwrap();
    let model = Model::Dbn(dbn);
    let start = ChainSettings { classes: Some(vec![2, 0]), ..Default::default() };
    let settings = SampleSettings { count: 4, steps: Some(50), means: true, start, ..Default::default() };
    let found = samples(&model, &settings).values;
    assert!(found[(2, 0)] > 0.9 && found[(0, 1)] > 0.9 && found[(2, 2)] > 0.9, "{found}");
    let wrong = ChainSettings { classes: Some(vec![1, 3]), ..Default::default() };
    let error = chains_of(&model, 1, &wrong, &Streams::new(7)).unwrap_err().to_string();
    assert_eq!(error, "chains_of: `classes` is 3, allowed: classes from 0 to 2");
}

#[test]
fn rejects_settings_that_do_not_fit_the_model() {
    let sbn_with = |settings: SampleSettings| {
        Sampling::new(&small(ModelKind::Sbn).model, &settings, &Streams::new(7)).unwrap_err().to_string()
    };
    let none = "none for an sbn without `clamp`, whose samples are independent";
    let steps = SampleSettings { steps: Some(5), ..Default::default() };
    assert_eq!(sbn_with(steps), format!("sample: `steps` is 5, allowed: {none}"));
    let empty = SampleSettings { count: 0, ..Default::default() };
    assert_eq!(sbn_with(empty), "sample: `count` is 0, allowed: 1 or more");
    let cases = [
        (ModelKind::Sbn, ChainSettings { method: Some(ChainMethod::Gibbs), ..Default::default() }, none),
        (
            ModelKind::Dbm,
            ChainSettings { method: Some(ChainMethod::Tempering), ..Default::default() },
            "gibbs for a dbm",
        ),
        (
            ModelKind::Rbm,
            ChainSettings { method: Some(ChainMethod::Importance), ..Default::default() },
            "gibbs or tempering for an rbm",
        ),
        (ModelKind::Dbn, ChainSettings { beta: Some(0.5), ..Default::default() }, "none for a dbn"),
        (ModelKind::Rbm, ChainSettings { beta: Some(-1.0), ..Default::default() }, "0 to 1"),
        (ModelKind::Rbm, ChainSettings { classes: Some(vec![1]), ..Default::default() }, "a model with label units"),
    ];
    for (kind, settings, allowed) in cases {
        let error = chains_of(&small(kind).model, 5, &settings, &Streams::new(7)).unwrap_err().to_string();
        assert!(error.starts_with("chains_of: `") && error.ends_with(&format!(", allowed: {allowed}")), "{error}");
    }
    let few = ChainSettings { temperatures: Some(3), ..Default::default() };
    let error = chains_of(&small(ModelKind::Rbm).model, 5, &few, &Streams::new(7)).unwrap_err().to_string();
    assert_eq!(error, "chains_of: `temperatures` 3 needs `method` tempering");
}

#[test]
fn rejects_clamps_that_do_not_fit_the_model() {
    for small in all() {
        let clamp = |units, values: gm_core::Batch| {
            let clamp = Clamp { mask: BitMatrix::zeros(units, values.samples()), values };
            ChainSettings { clamp: Some(clamp), ..Default::default() }
        };
        let error = |settings| chains_of(&small.model, 5, &settings, &Streams::new(7)).unwrap_err().to_string();
        let found = error(clamp(5, BitMatrix::zeros(5, 5).into()));
        assert!(found.ends_with("`clamp.mask` has units 5, expected 4"), "{found}");
        let found = error(clamp(4, Matrix::zeros(4, 5).into()));
        assert!(found.ends_with("`clamp` is real numbers, allowed: zeros and ones"), "{found}");
    }
    let Model::Rbm(rbm) = small(ModelKind::Rbm).model else { unreachable!() };
    let clamp = Clamp { mask: BitMatrix::zeros(4, 3), values: BitMatrix::zeros(4, 3).into() };
    let error = RbmChains::new(&rbm, 5, &Streams::new(7)).clamped(clamp).unwrap_err().to_string();
    assert_eq!(error, "RbmChains::clamped: `clamp.mask` has samples 3, expected 5");
}

#[test]
fn table_a_callback_ends_sampling_and_its_figures() {
    for small in all() {
        let settings = SampleSettings { count: 5, ..SampleSettings::default() };
        let stopped = sample(&small.model, &settings, &Streams::new(7), &mut |_| ControlFlow::Break(()));
        assert!(stopped.unwrap_err().is_interruption());
        if small.model.kind() != ModelKind::Sbn {
            let figures = SampleFigureSettings::default();
            let stopped = sample_figures(&small.model, &figures, &Streams::new(7), &mut |_| ControlFlow::Break(()));
            assert!(stopped.unwrap_err().is_interruption());
        }
    }
}

#[test]
fn table_progress_of_figures_rises_to_the_end() {
    let model = small(ModelKind::Rbm).model;
    let mut seen = vec![];
    let settings = SampleFigureSettings { moments: vec![0, 3], watched: 40, ..Default::default() };
    let found = sample_figures(&model, &settings, &Streams::new(7), &mut |progress| {
        assert_eq!(progress.total, 43);
        seen.push(progress.done);
        ControlFlow::Continue(())
    });
    assert!(seen.is_sorted() && seen.last() == Some(&42), "{seen:?}");
    let SampleFigures::Chains { frames, diagnostics } = found.unwrap() else { unreachable!() };
    assert_eq!((frames.len(), diagnostics.unwrap().sweeps), (3, 20));
}

#[test]
fn table_chains_of_a_free_belief_net_do_not_exist() {
    let data = ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&[4, 3]).unwrap()).unwrap();
    let model = Model::from_data(data).unwrap();
    let source = chains_of(&model, 5, &ChainSettings::default(), &Streams::new(7)).unwrap();
    assert!(matches!(source, SampleSource::Independent(_)));
    let Model::Rbm(rbm) = small(ModelKind::Rbm).model else { unreachable!() };
    let mut chains = RbmChains::new(&rbm, 5, &Streams::new(7));
    assert_eq!((chains.advance(3).sweeps, chains.method(), chains.swaps()), (3, "block Gibbs sampling", None));
}
