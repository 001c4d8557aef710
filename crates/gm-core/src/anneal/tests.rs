//! Annealing of a model with two states and a known partition function.

use std::ops::ControlFlow;

use super::pilot::{EVEN, temperatures};
use super::*;
use crate::streams::{Purpose, Streams};
use crate::watch::unwatched;

/// Two states with weights 1 and exp(beta c), moved by exact draws.
struct Coin(f64);

impl AnnealedPath for Coin {
    type Chains = Vec<bool>;

    fn log_base_partition(&self) -> f64 {
        2.0_f64.ln()
    }

    fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
        (0..runs).map(|run| draw(0.5, streams, run)).collect()
    }

    fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        for (run, (state, weight)) in chains.iter_mut().zip(log_weights).enumerate() {
            *weight += (to - from) * self.0 * f64::from(u8::from(*state));
            *state = draw(crate::numerics::logistic_f64(to * self.0), streams, run);
        }
    }
}

fn draw(p: f64, streams: &Streams, run: usize) -> bool {
    use rand::RngExt;
    streams.stream(run as u64).random_bool(p)
}

#[test]
fn stat_mean_two_states_are_weighed_right() {
    // 4,000 runs: five standard errors, alpha below 1e-6.
    let settings = AisSettings { runs: 4_000, schedule: Schedule::Linear(20) };
    let found = anneal(&Coin(3.0), &settings, &Streams::new(5), &mut unwatched).unwrap();
    let truth = (1.0 + 3.0_f64.exp()).ln();
    let error = (found.log_partition.value - truth).abs();
    assert!(error < 5.0 * found.log_partition.std_error, "{error} against {:?}", found.log_partition);
    assert!(found.log_partition.std_error < 0.02 && found.ess > 3_000.0);
}

#[test]
fn stat_mean_reverse_runs_find_the_same_sum_from_above() {
    let (path, truth) = (Coin(3.0), (1.0 + 3.0_f64.exp()).ln());
    let streams = Streams::new(6);
    let model = streams.fork(Purpose::Exact, 0);
    let exact: Vec<bool> = (0..4_000).map(|run| draw(crate::numerics::logistic_f64(3.0), &model, run)).collect();
    let found = anneal_back(&path, (exact, 4_000), &Schedule::Linear(20), &streams, &mut unwatched).unwrap();
    let estimate = found.log_partition;
    assert!((estimate.value - truth).abs() < 5.0 * estimate.std_error, "{estimate:?} against {truth}");
    assert!(estimate.std_error < 0.02 && estimate.side == crate::estimate::Side::Upper);
    // From a given state the mean of the runs is an upper bound, which fine schedules make tight.
    let fixed = anneal_back(&path, (vec![true; 4_000], 4_000), &Schedule::Linear(200), &streams, &mut unwatched);
    let mean = fixed.unwrap().log_weights.iter().sum::<f64>() / 4_000.0;
    assert!(mean > truth - 0.01 && mean < truth + 0.1, "{mean} against {truth}");
}

#[test]
fn planted_mean_reverse_runs_from_the_base_are_found_out() {
    let (streams, truth) = (Streams::new(6), (1.0 + 3.0_f64.exp()).ln());
    let start = Coin(3.0).start(4_000, &streams);
    // No move at the model's temperature hides the start of the chains.
    let late = Schedule::Custom(vec![0.0, 1.0]);
    struct Stuck(Coin);
    impl AnnealedPath for Stuck {
        type Chains = Vec<bool>;
        fn log_base_partition(&self) -> f64 {
            self.0.log_base_partition()
        }
        fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
            self.0.start(runs, streams)
        }
        fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
            let mut moved = chains.clone();
            self.0.advance(&mut moved, from, to, streams, log_weights);
        }
    }
    let found = anneal_back(&Stuck(Coin(3.0)), (start, 4_000), &late, &streams, &mut unwatched).unwrap();
    assert!((found.log_partition.value - truth).abs() > 5.0 * found.log_partition.std_error);
}

#[test]
fn planted_mean_weights_taken_after_the_move_are_found_out() {
    struct Late(Coin);
    impl AnnealedPath for Late {
        type Chains = Vec<bool>;
        fn log_base_partition(&self) -> f64 {
            self.0.log_base_partition()
        }
        fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
            self.0.start(runs, streams)
        }
        fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
            let mut unused = vec![0.0; log_weights.len()];
            self.0.advance(chains, from, to, streams, &mut unused);
            self.0.advance(&mut chains.clone(), from, to, streams, log_weights);
        }
    }
    let settings = AisSettings { runs: 4_000, schedule: Schedule::Linear(20) };
    let found = anneal(&Late(Coin(3.0)), &settings, &Streams::new(5), &mut unwatched).unwrap();
    let truth = (1.0 + 3.0_f64.exp()).ln();
    assert!((found.log_partition.value - truth).abs() > 5.0 * found.log_partition.std_error);
}

#[test]
fn rejects_bad_settings_and_stops_on_request() {
    let run = |settings: &AisSettings| {
        anneal(&Coin(1.0), settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string()
    };
    assert_eq!(
        run(&AisSettings { runs: 0, schedule: Schedule::Linear(5) }),
        "annealed importance sampling: `runs` is 0, allowed: 1 or more"
    );
    assert_eq!(
        run(&AisSettings { runs: 1, schedule: Schedule::Graded(1) }),
        "Schedule: `temperatures` is 1, allowed: 2 or more"
    );
    assert_eq!(
        run(&AisSettings { runs: 1, schedule: Schedule::Custom(vec![0.0, 0.5]) }),
        "Schedule: `temperatures` is a list of 2 values, allowed: values that rise from 0 to 1"
    );
    let settings = AisSettings { runs: 1, schedule: Schedule::Custom(vec![0.0, 0.5, 1.0]) };
    let stopped = anneal(&Coin(1.0), &settings, &Streams::new(0), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().to_string(), "annealed importance sampling: stopped on request");
}

#[test]
fn table_progress_counts_the_steps_between_temperatures() {
    let (settings, mut seen) = (AisSettings { runs: 2, schedule: Schedule::Linear(4) }, vec![]);
    let mut watch = |progress: crate::watch::Progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    anneal(&Coin(1.0), &settings, &Streams::new(0), &mut watch).unwrap();
    anneal_back(&Coin(1.0), (vec![true; 3], 3), &Schedule::Linear(3), &Streams::new(0), &mut watch).unwrap();
    assert_eq!(seen, [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]);
}

#[test]
fn stat_mean_adaptive_temperatures_weigh_right_from_both_sides() {
    // Five standard errors of 4,000 runs: alpha below 1e-6.
    let (path, truth, schedule) = (Coin(6.0), (1.0 + 6.0_f64.exp()).ln(), Schedule::Adaptive(20));
    let streams = Streams::new(8);
    let settings = AisSettings { runs: 4_000, schedule: schedule.clone() };
    let forth = anneal(&path, &settings, &streams, &mut unwatched).unwrap();
    let model = streams.fork(Purpose::Exact, 0);
    let exact: Vec<bool> = (0..4_000).map(|run| draw(crate::numerics::logistic_f64(6.0), &model, run)).collect();
    let back = anneal_back(&path, (exact, 4_000), &schedule, &streams, &mut unwatched).unwrap();
    for found in [&forth, &back] {
        let estimate = &found.log_partition;
        assert!((estimate.value - truth).abs() < 5.0 * estimate.std_error, "{estimate:?} against {truth}");
        assert_eq!((found.temperatures, found.schedule), (20, "adaptive"));
    }
}

#[test]
fn law_adaptive_steps_are_equally_long() {
    // The length of a step is its width times the standard deviation of the slope, c sqrt(p (1 - p)).
    let (c, count) = (12.0, 40);
    let betas = temperatures(&Coin(c), &Schedule::Adaptive(count), &Streams::new(9), &mut unwatched).unwrap();
    assert!(betas.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!((betas.len(), betas[0], betas[count - 1]), (count, 0.0, 1.0));
    let length = |pair: &[f64]| {
        let p = crate::numerics::logistic_f64(c * (pair[0] + pair[1]) / 2.0);
        (1.0 - EVEN) * c * (p * (1.0 - p)).sqrt() * (pair[1] - pair[0])
    };
    // Where the slope is almost constant, the evenly spaced share dominates. Therefore the test uses the first half.
    let lengths: Vec<f64> = betas[..count / 2].windows(2).map(length).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!(lengths.iter().all(|length| (length / mean - 1.0).abs() < 0.4), "{lengths:?}");
    assert!(betas[count / 2] < 0.3, "most temperatures lie early: {betas:?}");
}

#[test]
fn rejects_the_values_of_an_adaptive_schedule_without_a_path() {
    let error = Schedule::Adaptive(10).betas().unwrap_err().to_string();
    assert_eq!(error, "Schedule: `temperatures` is adaptive, allowed: a schedule that does not depend on a path");
    let settings = AisSettings { runs: 1, schedule: Schedule::Adaptive(1) };
    let error = anneal(&Coin(1.0), &settings, &Streams::new(0), &mut unwatched).unwrap_err().to_string();
    assert_eq!(error, "Schedule: `temperatures` is 1, allowed: 2 or more");
}

/// A coin of another weight for each chain.
struct Coins(Vec<f64>);

impl AnnealedPath for Coins {
    type Chains = Vec<bool>;

    fn log_base_partition(&self) -> f64 {
        2.0_f64.ln()
    }

    fn start(&self, runs: usize, streams: &Streams) -> Vec<bool> {
        assert_eq!(runs, self.0.len());
        Coin(0.0).start(runs, streams)
    }

    fn advance(&self, chains: &mut Vec<bool>, from: f64, to: f64, streams: &Streams, log_weights: &mut [f64]) {
        for (run, (state, weight)) in chains.iter_mut().zip(log_weights).enumerate() {
            *weight += (to - from) * self.0[run] * f64::from(u8::from(*state));
            *state = draw(crate::numerics::logistic_f64(to * self.0[run]), streams, run);
        }
    }
}

const ROWS: [f64; 3] = [3.0, -1.0, 6.0];

fn coins(rows: &[usize], places: &[usize]) -> Coins {
    Coins(places.iter().map(|&place| ROWS[rows[place]]).collect())
}

fn truth(c: f64) -> f64 {
    crate::numerics::softplus(c)
}

#[test]
fn stat_mean_each_row_is_weighed_right_across_slices() {
    // 6,000 chains in six slices, which cut the runs of each row apart. Five standard errors: alpha below 1e-6.
    for schedule in [Schedule::Linear(20), Schedule::Adaptive(20)] {
        let settings = AisSettings { runs: 2_000, schedule };
        let mut seen = Vec::new();
        let mut watch = |progress: crate::watch::Progress| {
            seen.push(progress);
            ControlFlow::Continue(())
        };
        let found = anneal_rows(("test", 3), &settings, &Streams::new(10), &mut watch, coins).unwrap();
        for (found, c) in found.iter().zip(ROWS) {
            assert!((found.value - truth(c)).abs() < 5.0 * found.std_error, "{found:?} against {}", truth(c));
            assert!(found.std_error < 0.03 && found.ess > 1_000.0 && found.ess <= 2_000.0);
        }
        assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].total <= pair[1].total));
        let last = seen[seen.len() - 1];
        assert_eq!((last.done, last.total), (6 * 19, 6 * 19));
    }
}

#[test]
fn stat_mean_reverse_runs_of_rows_are_weighed_right() {
    // E[exp(truth - estimate)] = 1 from exact draws. Five standard errors of 3,000 runs.
    let streams = Streams::new(11);
    let model = streams.fork(Purpose::Exact, 0);
    let path = |rows: &[usize], places: &[usize]| Coins(places.iter().map(|&place| ROWS[rows[place] % 3]).collect());
    let exact = |_: &Coins, rows: &[usize]| {
        rows.iter().map(|&row| draw(crate::numerics::logistic_f64(ROWS[row % 3]), &model, row)).collect()
    };
    for schedule in [Schedule::Linear(8), Schedule::Adaptive(8)] {
        let found = anneal_rows_back(("test", 9_000), &schedule, &streams, &mut unwatched, path, exact).unwrap();
        for (row, c) in ROWS.into_iter().enumerate() {
            let ratios: Vec<f64> = found.iter().skip(row).step_by(3).map(|found| (truth(c) - found).exp()).collect();
            let mean = crate::estimate::Estimate::mean(&ratios, crate::estimate::Side::Unbiased, "ratio");
            assert!((mean.value - 1.0).abs() < 5.0 * mean.std_error && mean.std_error < 0.05, "row {row}: {mean:?}");
        }
    }
}

#[test]
fn rejects_rows_settings_and_interruptions() {
    let settings = AisSettings { runs: 2, schedule: Schedule::Linear(5) };
    let run = |rows, settings: &AisSettings| {
        anneal_rows(("test", rows), settings, &Streams::new(0), &mut unwatched, coins).unwrap_err().to_string()
    };
    assert_eq!(run(0, &settings), "test: `data` is empty");
    assert_eq!(run(3, &AisSettings { runs: 0, ..settings.clone() }), "test: `runs` is 0, allowed: 1 or more");
    for schedule in [Schedule::Linear(1), Schedule::Adaptive(1)] {
        let text = run(3, &AisSettings { schedule, ..settings.clone() });
        assert_eq!(text, "Schedule: `temperatures` is 1, allowed: 2 or more");
    }
    let back = |rows, schedule, watch: crate::watch::Watch<'_>| {
        let start = |path: &Coins, _: &[usize]| vec![false; path.0.len()];
        anneal_rows_back(("test", rows), &schedule, &Streams::new(0), watch, coins, start).unwrap_err().to_string()
    };
    assert_eq!(back(0, Schedule::Linear(5), &mut unwatched), "test: `states` is empty");
    assert_eq!(back(3, Schedule::Linear(1), &mut unwatched), "Schedule: `temperatures` is 1, allowed: 2 or more");
    let mut stop = |_| ControlFlow::Break(());
    let text = "annealed importance sampling: stopped on request";
    assert_eq!(back(3, Schedule::Linear(5), &mut stop), text);
    let stopped = anneal_rows(("test", 3), &settings, &Streams::new(0), &mut stop, coins);
    assert_eq!(stopped.unwrap_err().to_string(), text);
}
