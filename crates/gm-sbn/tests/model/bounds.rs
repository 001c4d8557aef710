//! Bounds by sampling against their exact values.

use crate::common::{fixtures, mean, pack};
use gm_core::{BitMatrix, Error, Streams, unwatched};
use gm_sbn::{BoundSettings, Sbn};
use gm_testkit::{assert_close, mean_test};

const ALPHA: f64 = 1e-6;

/// Independent values of the K-sample bound of one row.
fn repeated(sbn: &Sbn, v: &BitMatrix, samples: usize, repeats: usize, seed: u64) -> Vec<f64> {
    let settings = BoundSettings { samples, repeats };
    let bounds = sbn.bounds(v, &settings, &Streams::new(seed), &mut unwatched).expect("a sound model");
    bounds.importance_weighted.iter().map(|rows| rows[0]).collect()
}

#[test]
fn stat_mean_bounds_agree_with_their_expectations() {
    for (case, (fixture, sbn)) in fixtures().iter().enumerate() {
        let seed = 10 + case as u64;
        let v = pack(&fixture.data()).select(&[0]);
        for (samples, pointer) in [(1, "/elbo_exact"), (2, "/importance_weighted_bound_k2_exact")] {
            let found = repeated(sbn, &v, samples, 3_000, seed);
            mean_test(&found, fixture.numbers_at(pointer)[0]).assert_passes(ALPHA, seed);
        }
    }
}

#[test]
fn planted_mean_bounds_with_wrong_weights_are_found_out() {
    for (case, (fixture, sbn)) in fixtures().iter().enumerate() {
        let seed = 20 + case as u64;
        let v = pack(&fixture.data()).select(&[0]);
        let expected = fixture.numbers_at("/importance_weighted_bound_k2_exact")[0];
        // One sample too few, and a recognition net whose probabilities are not those it draws with.
        assert!(!mean_test(&repeated(sbn, &v, 1, 3_000, seed), expected).passes(ALPHA), "model {case}");
        let mut off = sbn.clone();
        off.recognition_mut().unwrap().bias_mut(1)[0] += 0.5;
        let streams = Streams::new(seed);
        let draws = gm_sbn::Draws::recognised(&off.sampler(), &v.select(&vec![0; 6_000]), 1, &streams);
        let wrong = gm_sbn::Draws::of_states(&sbn.sampler(), &v, &draws.layers()[1..]).log_weights();
        let elbo = fixture.numbers_at("/elbo_exact")[0];
        assert!(!mean_test(&wrong, elbo).passes(ALPHA), "wrong proposals of model {case}");
    }
}

#[test]
fn stat_mean_bound_rises_with_samples_to_log_p() {
    // Exactly: K = 1, 2, 3 by enumeration; by sampling with error bars beyond.
    for (case, (fixture, sbn)) in fixtures().iter().enumerate() {
        let seed = 30 + case as u64;
        let v = pack(&fixture.data()).select(&[0]);
        let exact = sbn.log_prob(&v).unwrap()[0];
        let most = 26 / sbn.hidden();
        let bounds: Vec<f64> = (1..=most.min(3)).map(|k| sbn.exact_bound(&v, k).unwrap()[0]).collect();
        assert!(bounds.is_sorted() && *bounds.last().unwrap() < exact, "{bounds:?} below {exact}");
        // The standard error of a mean of 100 log-means; six of them keep false alarms below 1e-8.
        let mut last = (f64::NEG_INFINITY, 0.0);
        for samples in [4, 64, 1024, 16_384] {
            let found = repeated(sbn, &v, samples, 100, seed);
            let value = mean(&found);
            let error = (found.iter().map(|x| (x - value).powi(2)).sum::<f64>() / 99.0 / 100.0).sqrt();
            assert!(value + 6.0 * (error + last.1) > last.0, "{samples} samples: {value} after {}", last.0);
            assert!(value < exact + 6.0 * error, "{samples} samples: {value} above {exact}");
            last = (value, error);
        }
        assert_close(last.0, exact, 0.0, 0.1 + 6.0 * last.1, "many samples");
    }
}

#[test]
fn law_standard_errors_from_weights_and_from_repeats_agree() {
    let (fixture, sbn) = &fixtures()[0];
    let v = pack(&fixture.data());
    let bounds = |samples, repeats| {
        sbn.bounds(&v, &BoundSettings { samples, repeats }, &Streams::new(3), &mut unwatched).unwrap()
    };
    let (single, many) = (bounds(2_000, 1), bounds(2_000, 50));
    let ratio = single.mean().std_error / many.spread();
    // The spread of 50 repeats is known to 10 %.
    assert!((0.5..1.6).contains(&ratio), "{ratio}");
    assert!(many.mean().std_error < single.mean().std_error);
    assert!(bounds(1, 1).ess.iter().all(|ess| (ess - 1.0).abs() < 1e-12));
    assert!(single.spread().is_infinite());
}

#[test]
fn stat_mean_weighted_means_approach_the_posterior() {
    for (case, (fixture, sbn)) in fixtures().iter().enumerate() {
        let seed = 40 + case as u64;
        let v = pack(&fixture.data());
        let means = sbn.recognised_means(&v, 40_000, true, &Streams::new(seed)).unwrap();
        let ess = sbn.bounds(&v, &BoundSettings { samples: 40_000, repeats: 1 }, &Streams::new(seed), &mut unwatched);
        for (row, ess) in ess.unwrap().ess.iter().enumerate() {
            let exact = sbn.posterior(&v, row).unwrap().means();
            let found = means.iter().flat_map(|layer| layer.column(row).iter().copied().collect::<Vec<_>>());
            // Six standard deviations of a mean of these independent draws.
            let bound = 6.0 * 0.5 / ess.sqrt() + 1e-4;
            for (found, exact) in found.zip(exact) {
                assert!(
                    (f64::from(found) - exact).abs() < bound,
                    "{found} against {exact}, allowed {bound}, seed {seed}"
                );
            }
        }
    }
}

#[test]
fn stable_bounds_do_not_depend_on_threads() {
    let sbn = Sbn::initial(&[0.3; 80], &[70, 30], 1.0, &Streams::new(1)).unwrap();
    let v = sbn.sample(130, &Streams::new(2)).remove(0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = BoundSettings { samples: 150, repeats: 2 };
        pool.install(|| sbn.bounds(&v, &settings, &Streams::new(3), &mut unwatched).unwrap())
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn rejects_models_without_recognition_net_and_no_samples() {
    let sbn = Sbn::initial(&[0.5; 3], &[2], 1.0, &Streams::new(0)).unwrap();
    let v = BitMatrix::zeros(3, 1);
    let error = |sbn: &Sbn, samples, repeats| {
        let settings = BoundSettings { samples, repeats };
        sbn.bounds(&v, &settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string()
    };
    assert_eq!(error(&sbn, 0, 1), "Sbn::bounds: `samples` is 0, allowed: 1 or more");
    assert_eq!(error(&sbn, 1, 0), "Sbn::bounds: `repeats` is 0, allowed: 1 or more");
    let bare = Sbn::new(sbn.stack().clone(), None).unwrap();
    let text = "Sbn::bounds: `recognition` is absent, allowed: a model with a recognition net";
    assert_eq!(error(&bare, 1, 1), text);
    let stopped =
        sbn.bounds(&v, &BoundSettings::default(), &Streams::new(0), &mut |_| std::ops::ControlFlow::Break(()));
    assert!(matches!(stopped.unwrap_err(), Error::Interrupted { .. }));
}
