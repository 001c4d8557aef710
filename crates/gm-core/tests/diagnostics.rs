//! Chains whose autocorrelation time is known.

use gm_core::{Purpose, Stream, Streams, autocorrelation_time, effective_sample_size, split_r_hat};
use rand::RngExt;

/// A draw with mean 0 and variance 1: a sum of twelve uniform draws. Its shape does not matter here.
fn noise(stream: &mut Stream) -> f64 {
    (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0
}

/// x_t = phi x_(t-1) + noise, started from its stationary variance; tau = (1 + phi) / (1 - phi).
fn autoregressive(phi: f64, length: usize, seed: u64) -> Vec<f64> {
    let mut stream = Streams::new(seed).fork(Purpose::Test, 0).stream(0);
    let mut x = noise(&mut stream) / (1.0 - phi * phi).sqrt();
    let mut step = || {
        x = phi * x + noise(&mut stream);
        x
    };
    (0..length).map(|_| step()).collect()
}

/// Five standard errors of an estimate of tau that sums up to `window` lags (Sokal 1997, equation 3.19):
/// two-sided alpha 6e-7.
fn tolerance(tau: f64, window: f64, length: usize) -> f64 {
    5.0 * tau * (2.0 * (2.0 * window + 1.0) / length as f64).sqrt()
}

#[test]
fn stat_mean_autocorrelation_time_of_known_chains() {
    let length = 400_000;
    for (seed, phi) in [(1, 0.0), (2, 0.5), (3, 0.9), (4, 0.97), (5, -0.5)] {
        let tau = (1.0 + phi) / (1.0 - phi);
        let found = autocorrelation_time(&autoregressive(phi, length, seed));
        let allowed = tolerance(tau.max(1.0), 8.0 * tau.max(1.0), length);
        assert!(
            (found - tau).abs() < allowed,
            "phi {phi}, seed {seed}, n {length}: {found}, expected {tau} +- {allowed}"
        );
    }
}

#[test]
fn stat_mean_effective_sample_size_of_known_chains() {
    let (chains, length) = (4, 100_000);
    for (seed, phi) in [(10_u64, 0.0), (20, 0.6), (30, 0.95)] {
        let chains: Vec<_> = (0..chains).map(|i| autoregressive(phi, length, seed + i)).collect();
        let draws = (chains.len() * length) as f64;
        let tau = (1.0 + phi) / (1.0 - phi);
        let found = draws / effective_sample_size(&chains).unwrap();
        let allowed = tolerance(tau, 8.0 * tau, chains.len() * length);
        assert!(
            (found - tau).abs() < allowed,
            "phi {phi}, seed {seed}, n {draws}: {found}, expected {tau} +- {allowed}"
        );
        let r_hat = split_r_hat(&chains).unwrap();
        assert!((r_hat - 1.0).abs() < 0.01, "phi {phi}: {r_hat}");
    }
}

/// Numbers that look random, with some correlation from one to the next.
fn numbers(length: usize, seed: usize) -> Vec<f64> {
    let step = |t: usize| ((t * t * 31 + t * 17 + seed * 7) % 23) as f64;
    (0..length).map(|t| step(t) + 0.7 * step(t + 1) + 0.3 * step(t + 2)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean over pairs of a chain and itself `lag` draws later of the products of their deviations from the mean. The
/// sum is divided by the length of the chain.
fn covariance(chain: &[f64], lag: usize) -> f64 {
    let mean = mean(chain);
    (lag..chain.len()).map(|t| (chain[t] - mean) * (chain[t - lag] - mean)).sum::<f64>() / chain.len() as f64
}

/// Geyer's initial monotone sequence: sums of correlations at lags 2 k and 2 k + 1, as long as they are positive, none
/// greater than the one before.
fn time(length: usize, correlation: impl Fn(usize) -> f64) -> f64 {
    let (mut time, mut last, mut lag) = (-1.0, f64::INFINITY, 0);
    while lag + 1 < length {
        let pair = (if lag == 0 { 1.0 } else { correlation(lag) }) + correlation(lag + 1);
        if pair <= 0.0 {
            break;
        }
        last = f64::min(last, pair);
        time += 2.0 * last;
        lag += 2;
    }
    f64::max(time, 1.0 / (length as f64).log10())
}

#[test]
fn oracle_autocorrelation_times_are_those_of_the_definition() {
    for (length, seed) in [(4, 1), (5, 2), (9, 3), (40, 4), (101, 5), (102, 6)] {
        let chain = numbers(length, seed);
        let expected = time(length, |lag| covariance(&chain, lag) / covariance(&chain, 0));
        let found = autocorrelation_time(&chain);
        assert!((found - expected).abs() < 1e-9 * expected, "{length}: {found} against {expected}");
    }
    // A chain that turns at every step has the least time.
    let turning: Vec<f64> = (0..1_000).map(|t| f64::from(t % 2)).collect();
    assert!((autocorrelation_time(&turning) - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn oracle_effective_sample_sizes_and_r_hat_are_those_of_the_definition() {
    for (count, length) in [(1, 8), (2, 9), (3, 60), (4, 121)] {
        let chains: Vec<Vec<f64>> = (0..count).map(|chain| numbers(length, 11 * chain)).collect();
        let half = length / 2;
        let halves: Vec<&[f64]> = chains.iter().flat_map(|chain| [&chain[..half], &chain[length - half..]]).collect();
        let (n, m) = (half as f64, halves.len() as f64);
        let within = halves.iter().map(|half| covariance(half, 0) * n / (n - 1.0)).sum::<f64>() / m;
        let means: Vec<f64> = halves.iter().map(|half| mean(half)).collect();
        let between = covariance(&means, 0) * m / (m - 1.0);
        let total = within * (n - 1.0) / n + between;
        let found = split_r_hat(&chains).unwrap();
        assert!((found - (total / within).sqrt()).abs() < 1e-9, "{count} chains of {length}: {found}");
        let correlation = |lag| {
            let own = halves.iter().map(|half| covariance(half, lag) * n / (n - 1.0)).sum::<f64>() / m;
            1.0 - (within - own) / total
        };
        let expected = f64::min(n * m / time(half, correlation), n * m * (n * m).log10());
        let found = effective_sample_size(&chains).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{count} chains of {length}: {found} against {expected}");
    }
}

#[test]
fn planted_chains_that_disagree_are_found() {
    let mut chains: Vec<_> = (0..4).map(|i| autoregressive(0.5, 5000, 40 + i)).collect();
    assert!(split_r_hat(&chains).unwrap() < 1.01);
    let before = effective_sample_size(&chains).unwrap();
    chains[2].iter_mut().for_each(|x| *x += 3.0);
    assert!(split_r_hat(&chains).unwrap() > 1.2);
    assert!(effective_sample_size(&chains).unwrap() < before / 50.0);
}

#[test]
fn planted_drift_within_one_chain_is_found() {
    let mut chain = autoregressive(0.5, 5000, 50);
    assert!(split_r_hat(&[chain.clone()]).unwrap() < 1.01);
    chain.iter_mut().enumerate().for_each(|(t, x)| *x += t as f64 / 1000.0);
    assert!(split_r_hat(&[chain]).unwrap() > 1.2);
}

#[test]
fn table_r_hat_by_hand() {
    // Halves (0, 2) and (4, 6): W = 2, B / n = 8, R = sqrt((2 / 2 + 8) / 2).
    let r_hat = split_r_hat(&[vec![0.0, 2.0, 4.0, 6.0]]).unwrap();
    assert!((r_hat - 4.5_f64.sqrt()).abs() < 1e-12, "{r_hat}");
    assert_eq!(split_r_hat(&[vec![0.0, 2.0, 99.0, 4.0, 6.0]]).unwrap(), r_hat);
}

#[test]
fn table_chains_that_do_not_move_give_numbers() {
    let stuck = vec![0.1; 101];
    assert_eq!(autocorrelation_time(&stuck), 101.0);
    assert_eq!(split_r_hat(&[stuck.clone(), stuck.clone()]).unwrap(), 1.0);
    assert_eq!(effective_sample_size(&[stuck.clone(), stuck.clone()]).unwrap(), 1.0);
    let apart = [stuck, vec![0.2; 101]];
    assert_eq!(split_r_hat(&apart).unwrap(), f64::INFINITY);
    let worth = effective_sample_size(&apart).unwrap();
    assert!((1.0..=4.0).contains(&worth), "{worth}");
}

#[test]
fn law_diagnostics_do_not_depend_on_the_unit_of_measure() {
    let chain = |seed: usize| -> Vec<f64> { (0..40).map(|t| ((t * 37 + seed * 11) % 17) as f64 - 8.0).collect() };
    let chains = [chain(1), chain(2)];
    let huge = chains.clone().map(|chain| chain.iter().map(|x| x * 2.0_f64.powi(1_019)).collect::<Vec<_>>());
    assert_eq!(effective_sample_size(&huge).unwrap(), effective_sample_size(&chains).unwrap());
    assert_eq!(split_r_hat(&huge).unwrap(), split_r_hat(&chains).unwrap());
    assert_eq!(autocorrelation_time(&huge[0]), autocorrelation_time(&chains[0]));
}

#[test]
fn table_short_chains_give_numbers_or_errors() {
    assert_eq!(autocorrelation_time(&[]), 1.0);
    assert_eq!(autocorrelation_time(&[1.0]), 1.0);
    assert_eq!(autocorrelation_time(&[1.0, 2.0, 1.0]), 3.0);
    assert_eq!(autocorrelation_time(&[1.0, f64::NAN, 1.0, 2.0, 3.0]), 5.0);
    let turning = [1.0, -1.0, 1.0, -1.0];
    assert_eq!(autocorrelation_time(&turning.map(|x| 1e300 * x)), autocorrelation_time(&turning));
    let text = |chains: &[Vec<f64>]| split_r_hat(chains).unwrap_err().to_string();
    assert_eq!(text(&[]), "split_r_hat: `chains` is empty");
    assert_eq!(text(&[vec![1.0; 3]]), "split_r_hat: `chains` is 3 draws long, allowed: 4 or more draws each");
    assert_eq!(text(&[vec![1.0; 5], vec![1.0; 6]]), "split_r_hat: `chain 1` has length 6, expected 5");
    let error = effective_sample_size(&[vec![0.0, 1.0, f64::NAN, 1.0]]).unwrap_err();
    assert_eq!(error.to_string(), "effective_sample_size: `chain 0` is NaN at position 2, allowed: finite numbers");
}

#[test]
fn law_diagnostics_ignore_shift_and_scale() {
    let chain = autoregressive(0.8, 2000, 60);
    let moved: Vec<f64> = chain.iter().map(|x| 3.0 * x + 1e3).collect();
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    close(autocorrelation_time(&chain), autocorrelation_time(&moved));
    let worth = |chain: &Vec<f64>| effective_sample_size(std::slice::from_ref(chain)).unwrap();
    close(worth(&chain), worth(&moved));
    close(split_r_hat(&[chain]).unwrap(), split_r_hat(&[moved]).unwrap());
}
