//! The tests of hypotheses have the level that they state, and the power to notice errors.

use gm_testkit::{
    Categorical, Fixture, TestResult, assert_close, binomial_test, chi_squared_test, mean_test, rng, two_sample_test,
};
use rand::RngExt;

const ALPHA: f64 = 1e-6;
const REPEATS: u64 = 2_000;

/// Unequal cells, some of which must be pooled at the sample sizes used here.
const CELLS: [f64; 8] = [0.3, 0.25, 0.2, 0.1, 0.1, 0.04, 0.008, 0.002];

fn draw_counts(probabilities: &[f64], samples: usize, seed: u64) -> Vec<u64> {
    let (cells, mut rng) = (Categorical::new(probabilities), rng(seed));
    let mut counts = vec![0; probabilities.len()];
    (0..samples).for_each(|_| counts[cells.draw(&mut rng)] += 1);
    counts
}

/// Under the null hypothesis p <= level happens with probability `level`, or less often for a discrete distribution.
fn assert_size(test: impl Fn(u64) -> TestResult, seed: u64, exact: bool) {
    let p_values: Vec<f64> = (0..REPEATS).map(|i| test(seed + i).p_value).collect();
    for level in [0.01, 0.1, 0.5] {
        let hits = p_values.iter().filter(|p| **p <= level).count() as u64;
        let result = binomial_test(&[hits], &[REPEATS], &[level]);
        let fewer = (hits as f64) < level * REPEATS as f64;
        assert!(fewer && !exact || result.passes(ALPHA), "level {level}: {hits} of {REPEATS}, seed {seed}");
    }
    assert!(p_values.iter().all(|p| *p > ALPHA), "a true hypothesis was refused, seed {seed}");
}

#[test]
fn stat_mean_size_of_chi_squared() {
    assert_size(|seed| chi_squared_test(&draw_counts(&CELLS, 1_000, seed), &CELLS), 10_000, true);
}

#[test]
fn stat_mean_size_of_chi_squared_with_hundreds_of_sparse_cells() {
    let cells = Fixture::load("rbm_small").joint().probabilities();
    assert_size(|seed| chi_squared_test(&draw_counts(&cells, 5_000, seed), &cells), 80_000, true);
}

#[test]
fn stat_mean_size_of_combined_chi_squared() {
    let one = |seed| chi_squared_test(&draw_counts(&CELLS, 500, seed), &CELLS);
    let both = |seed| TestResult::combined("both", &[one(seed), one(seed + 50_000)]);
    assert_size(both, 20_000, true);
}

#[test]
fn stat_mean_size_of_two_samples() {
    let test = |seed| two_sample_test(&draw_counts(&CELLS, 500, seed), &draw_counts(&CELLS, 2_000, seed + 70_000));
    assert_size(test, 30_000, true);
}

#[test]
fn stat_mean_size_of_binomial() {
    let units = [0.5, 0.1, 0.01];
    let test = |seed| {
        let successes: Vec<u64> = units.iter().map(|p| draw_counts(&[1.0 - p, *p], 300, seed)[1]).collect();
        binomial_test(&successes, &[300; 3], &units)
    };
    assert_size(test, 40_000, false);
}

#[test]
fn stat_mean_size_of_mean() {
    let uniform = |seed| {
        (0..100)
            .map({
                let mut rng = rng(seed);
                move |_| rng.random::<f64>()
            })
            .collect::<Vec<_>>()
    };
    assert_size(|seed| mean_test(&uniform(seed), 0.5), 60_000, true);
}

#[test]
fn planted_mean_small_errors_are_noticed() {
    let mut wrong = CELLS;
    wrong[0] += 0.02;
    wrong[1] -= 0.02;
    let counts = draw_counts(&wrong, 100_000, 1);
    assert!(!chi_squared_test(&counts, &CELLS).passes(ALPHA));
    assert!(!two_sample_test(&counts, &draw_counts(&CELLS, 100_000, 2)).passes(ALPHA));
    assert!(!binomial_test(&[counts[0]], &[100_000], &[CELLS[0]]).passes(ALPHA));
    let mut rng = rng(3);
    let shifted: Vec<f64> = (0..100_000).map(|_| rng.random::<f64>() + 0.01).collect();
    assert!(!mean_test(&shifted, 0.5).passes(ALPHA));
}

#[test]
fn table_known_values() {
    // Quantiles of the chi-squared distribution: 95 % at 1, 5 and 100 degrees of freedom.
    let coin = chi_squared_test(&[510, 490], &[0.5, 0.5]);
    assert_close(coin.threshold(0.05), 3.841_458_820_694_124, 1e-9, 0.0, "threshold");
    assert_close(coin.statistic, 0.4, 1e-12, 0.0, "statistic");
    assert_close(coin.p_value, 0.527_089_256_865_538, 1e-9, 0.0, "p-value");
    // P(X >= 9 or X <= 1 | n = 10, p = 1/2) = 22 / 1024.
    assert_close(binomial_test(&[9], &[10], &[0.5]).p_value, 22.0 / 1024.0, 1e-9, 0.0, "binomial");
    assert_close(binomial_test(&[9, 5], &[10, 10], &[0.5, 0.5]).p_value, 44.0 / 1024.0, 1e-9, 0.0, "Bonferroni");
    assert_close(binomial_test(&[0], &[20], &[0.0]).p_value, 1.0, 0.0, 0.0, "certain");
    assert_close(binomial_test(&[1], &[20], &[0.0]).p_value, 0.0, 0.0, 0.0, "impossible");
    // Student's t with 4 degrees of freedom: mean 3, standard error sqrt(1/2), t = 3 / sqrt(1/2).
    let p = mean_test(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.0).p_value;
    assert_close(p, 0.013_235_599_563_682_695, 1e-9, 0.0, "Student");
    assert_close(mean_test(&[2.0, 2.0], 2.0).p_value, 1.0, 0.0, 0.0, "constant and right");
    assert_close(mean_test(&[2.0, 2.0], 2.1).p_value, 0.0, 0.0, 0.0, "constant and wrong");
}

#[test]
fn table_pooling() {
    // Six cells that expect 2 draws each form two groups. A certain cell leaves nothing to test.
    let sixths = [1.0 / 6.0; 6];
    assert_eq!(chi_squared_test(&[2; 6], &sixths).degrees, 1);
    assert_eq!(chi_squared_test(&[12; 6], &sixths).degrees, 5);
    assert_eq!(chi_squared_test(&[1; 4], &[0.25; 4]).degrees, 0);
    assert_eq!(chi_squared_test(&[1; 4], &[0.25; 4]).p_value, 1.0);
    // The last, incomplete group joins its neighbour.
    assert_eq!(chi_squared_test(&[2; 8], &[0.125; 8]).degrees, 1);
}

#[test]
fn table_failure_names_everything() {
    let text = chi_squared_test(&[900, 100], &[0.5, 0.5]).named("coin").failure(1e-6, 7);
    for part in
        ["coin: statistic 640.00", "threshold 23.93", "1 degrees of freedom", "alpha = 1e-6", "seed 7", "n = 1000"]
    {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
#[should_panic(expected = "probabilities that sum to 0.9")]
fn rejects_probabilities_that_do_not_sum_to_one() {
    let _ = chi_squared_test(&[1, 1], &[0.5, 0.4]);
}
